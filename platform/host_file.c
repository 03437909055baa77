// What Linux and Darwin have in common; the rest is in host_file_linux.c and host_file_darwin.c.
#include "platform/host_file.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int result(int rc)
{
    return rc < 0 ? errno_to_linux(errno) : rc;
}

#define NO_EINTR(expr)                                                                             \
    ({                                                                                             \
        __typeof__(expr) rc_;                                                                      \
        do                                                                                         \
            rc_ = (expr);                                                                          \
        while (rc_ < 0 && errno == EINTR);                                                         \
        rc_;                                                                                       \
    })

static int open_flags(unsigned flags)
{
    static const struct {
        unsigned linux_flag;
        int host_flag;
    } map[] = {
        {LINUX_O_CREAT, O_CREAT},         {LINUX_O_EXCL, O_EXCL},
        {LINUX_O_TRUNC, O_TRUNC},         {LINUX_O_APPEND, O_APPEND},
        {LINUX_O_NONBLOCK, O_NONBLOCK},   {LINUX_O_DIRECTORY, O_DIRECTORY},
#if defined(O_PATH)
        {LINUX_O_PATH, O_PATH},
#endif
#if defined(O_TMPFILE)
        {LINUX_O_TMPFILE_BIT, O_TMPFILE},
#endif
    };
    int out = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    switch (flags & LINUX_O_ACCMODE) {
    case LINUX_O_WRONLY:
        out |= O_WRONLY;
        break;
    case LINUX_O_RDWR:
        out |= O_RDWR;
        break;
    default:
        out |= O_RDONLY;
    }
    for (size_t i = 0; i < ARRAY_LEN(map); i++)
        if (flags & map[i].linux_flag)
            out |= map[i].host_flag;
    return out;
}

int host_open_dir_path(const char *path)
{
    return result(NO_EINTR(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
}

int host_make_dir_path(const char *path, uint32_t mode)
{
    return result(mkdir(path, (mode_t)mode));
}

int host_remove_dir_path(const char *path)
{
    return result(rmdir(path));
}

int host_remove_file_path(const char *path)
{
    return result(unlink(path));
}

int host_rename_path(const char *from, const char *to)
{
    return result(rename(from, to));
}

int host_open_path(const char *path, unsigned flags, uint32_t mode)
{
    return result(NO_EINTR(open(path, open_flags(flags) & ~O_NOFOLLOW, (mode_t)mode)));
}

int host_parent_dir(int dirfd)
{
    return result(NO_EINTR(openat(dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
}

int host_open(int dirfd, const char *name, unsigned flags, uint32_t mode)
{
    return result(NO_EINTR(openat(dirfd, name, open_flags(flags), (mode_t)mode)));
}

void host_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

int host_dup(int fd)
{
    return result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

int host_mkdir(int dirfd, const char *name, uint32_t mode)
{
    return result(mkdirat(dirfd, name, (mode_t)mode));
}

int host_unlink(int dirfd, const char *name)
{
    return result(unlinkat(dirfd, name, 0));
}

int host_rmdir(int dirfd, const char *name)
{
    return result(unlinkat(dirfd, name, AT_REMOVEDIR));
}

int host_link(int old_dir, const char *old_name, int new_dir, const char *new_name)
{
    return result(linkat(old_dir, old_name, new_dir, new_name, 0));
}

int host_symlink(const char *target, int dirfd, const char *name)
{
    return result(symlinkat(target, dirfd, name));
}

ssize_t host_readlink(int dirfd, const char *name, char *buf, size_t size)
{
    ssize_t n = readlinkat(dirfd, name, buf, size);
    return n < 0 ? errno_to_linux(errno) : n;
}

int host_fchmod(int fd, uint32_t mode)
{
    return result(fchmod(fd, (mode_t)mode));
}

int host_chown_group(int dirfd, const char *name, uint32_t gid)
{
    return result(fchownat(dirfd, name, (uid_t)-1, (gid_t)gid, AT_SYMLINK_NOFOLLOW));
}

static struct timespec time_to_host(int64_t ns)
{
    if (ns == HOST_TIME_UNKNOWN)
        return (struct timespec){0, UTIME_OMIT};
    int64_t sec = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        sec--;
        rest += 1000000000;
    }
    return (struct timespec){(time_t)sec, (long)rest};
}

int host_futimes(int fd, int64_t atime, int64_t mtime)
{
    const struct timespec times[2] = {time_to_host(atime), time_to_host(mtime)};
    return result(futimens(fd, times));
}

int host_utimes(int dirfd, const char *name, int64_t atime, int64_t mtime)
{
    const struct timespec times[2] = {time_to_host(atime), time_to_host(mtime)};
    return result(utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW));
}

int host_truncate(int fd, uint64_t size)
{
    return result(NO_EINTR(ftruncate(fd, (off_t)size)));
}

ssize_t host_pread(int fd, void *buf, size_t n, uint64_t offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = NO_EINTR(pread(fd, (char *)buf + done, n - done, (off_t)(offset + done)));
        if (got < 0)
            return done > 0 ? (ssize_t)done : errno_to_linux(errno);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

ssize_t host_pwrite(int fd, const void *buf, size_t n, uint64_t offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t put =
            NO_EINTR(pwrite(fd, (const char *)buf + done, n - done, (off_t)(offset + done)));
        if (put < 0)
            return done > 0 ? (ssize_t)done : errno_to_linux(errno);
        if (put == 0)
            break;
        done += (size_t)put;
    }
    return (ssize_t)done;
}

int host_write_all(int fd, const void *buf, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = NO_EINTR(write(fd, (const char *)buf + done, n - done));
        if (put < 0)
            return errno_to_linux(errno);
        done += (size_t)put;
    }
    return 0;
}

int64_t host_seek_data(int fd, uint64_t offset, unsigned whence)
{
    off_t at = lseek(fd, (off_t)offset, whence == LINUX_SEEK_DATA ? SEEK_DATA : SEEK_HOLE);
    return at < 0 ? errno_to_linux(errno) : at;
}

int host_statfs(int fd, struct host_statfs *out)
{
    struct statvfs s;
    if (fstatvfs(fd, &s) < 0)
        return errno_to_linux(errno);
    *out = (struct host_statfs){
        .bsize = s.f_bsize,
        .frsize = s.f_frsize,
        .blocks = s.f_blocks,
        .bfree = s.f_bfree,
        .bavail = s.f_bavail,
        .files = s.f_files,
        .ffree = s.f_ffree,
        .namelen = s.f_namemax,
        .fsid = s.f_fsid,
    };
    return 0;
}

int host_try_lock(int fd)
{
    return result(NO_EINTR(flock(fd, LOCK_EX | LOCK_NB)));
}

struct host_dir {
    DIR *stream;
};

int host_dir_open(int fd, struct host_dir **out)
{
    struct host_dir *dir = malloc(sizeof *dir);
    if (!dir)
        return -LINUX_ENOMEM;
    dir->stream = fdopendir(fd);
    if (!dir->stream) {
        free(dir);
        return errno_to_linux(errno);
    }
    *out = dir;
    return 0;
}

void host_dir_close(struct host_dir *dir)
{
    closedir(dir->stream);
    free(dir);
}

static uint8_t dirent_type(unsigned char host_type)
{
    switch (host_type) {
    case DT_FIFO:
        return LINUX_DT_FIFO;
    case DT_CHR:
        return LINUX_DT_CHR;
    case DT_DIR:
        return LINUX_DT_DIR;
    case DT_BLK:
        return LINUX_DT_BLK;
    case DT_REG:
        return LINUX_DT_REG;
    case DT_LNK:
        return LINUX_DT_LNK;
    case DT_SOCK:
        return LINUX_DT_SOCK;
    default:
        return LINUX_DT_UNKNOWN;
    }
}

int host_dir_next(struct host_dir *dir, struct host_dirent *out)
{
    errno = 0;
    struct dirent *entry = readdir(dir->stream);
    if (!entry)
        return errno ? errno_to_linux(errno) : 0;
    *out = (struct host_dirent){
        .ino = entry->d_ino,
        .type = dirent_type(entry->d_type),
        .next_pos = (uint64_t)telldir(dir->stream),
        .name = entry->d_name,
    };
    return 1;
}

void host_dir_seek(struct host_dir *dir, uint64_t pos)
{
    if (pos == 0)
        rewinddir(dir->stream);
    else
        seekdir(dir->stream, (long)pos);
}

int host_remap_writable(int fd, uint64_t offset, void *addr, size_t len)
{
    void *at = mmap(addr, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);
    return at == MAP_FAILED ? errno_to_linux(errno) : 0;
}

uint32_t host_uid(void)
{
    return geteuid();
}

uint32_t host_gid(void)
{
    return getegid();
}

unsigned host_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 256;
    rlim_t want = limit.rlim_max;
#if defined(__APPLE__)
    if (want == RLIM_INFINITY || want > OPEN_MAX)
        want = OPEN_MAX; // Darwin refuses more
#endif
    if (limit.rlim_cur < want) {
        struct rlimit raised = {want, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur > 1u << 20 ? 1u << 20 : (unsigned)limit.rlim_cur;
}
