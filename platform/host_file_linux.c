#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include "platform/host_file.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static int64_t to_ns(const struct statx_timestamp *t)
{
    return t->tv_sec * 1000000000 + t->tv_nsec;
}

// statx, for the birth time.
static int statx_to(int dirfd, const char *name, int flags, struct host_stat *out)
{
    struct statx s;
    if (statx(dirfd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &s) < 0)
        return errno_to_linux(errno);
    *out = (struct host_stat){
        .dev = makedev(s.stx_dev_major, s.stx_dev_minor),
        .ino = s.stx_ino,
        .rdev = makedev(s.stx_rdev_major, s.stx_rdev_minor),
        .mode = s.stx_mode,
        .nlink = s.stx_nlink,
        .uid = s.stx_uid,
        .gid = s.stx_gid,
        .size = s.stx_size,
        .blocks = s.stx_blocks,
        .blksize = s.stx_blksize,
        .atime = to_ns(&s.stx_atime),
        .mtime = to_ns(&s.stx_mtime),
        .ctime = to_ns(&s.stx_ctime),
        .btime = s.stx_mask & STATX_BTIME ? to_ns(&s.stx_btime) : HOST_TIME_UNKNOWN,
    };
    return 0;
}

int host_stat(int dirfd, const char *name, struct host_stat *out)
{
    return statx_to(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, out);
}

static int64_t timespec_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// Less to copy than statx has.
int host_stat_born(int dirfd, const char *name, int64_t btime, struct host_stat *out)
{
    struct stat s;
    if (fstatat(dirfd, name, &s, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return errno_to_linux(errno);
    *out = (struct host_stat){
        .dev = s.st_dev,
        .ino = s.st_ino,
        .rdev = s.st_rdev,
        .mode = s.st_mode,
        .nlink = (uint32_t)s.st_nlink,
        .uid = s.st_uid,
        .gid = s.st_gid,
        .size = (uint64_t)s.st_size,
        .blocks = (uint64_t)s.st_blocks,
        .blksize = (uint32_t)s.st_blksize,
        .atime = timespec_ns(s.st_atim),
        .mtime = timespec_ns(s.st_mtim),
        .ctime = timespec_ns(s.st_ctim),
        .btime = btime,
    };
    return 0;
}

int host_fstat(int fd, struct host_stat *out)
{
    return statx_to(fd, "", AT_EMPTY_PATH, out);
}

// A handle has the inode's generation in it, for every type of object and without opening it.
int host_generation(int dirfd, const char *name, uint64_t *out)
{
    union {
        struct file_handle handle;
        unsigned char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } u;
    int mount;
    memset(&u, 0, sizeof u);
    u.handle.handle_bytes = MAX_HANDLE_SZ;
    if (name_to_handle_at(dirfd, name, &u.handle, &mount, *name ? 0 : AT_EMPTY_PATH) < 0) {
        int err = errno_to_linux(errno);
        return err == -LINUX_ENOENT ? err : -LINUX_EOPNOTSUPP; // forbidden, not known, too long
    }
    uint64_t sum = (uint64_t)u.handle.handle_type;
    for (unsigned i = 0; i < u.handle.handle_bytes; i++)
        sum = (sum ^ u.handle.f_handle[i]) * UINT64_C(0x9e3779b97f4a7c15);
    *out = sum ^ sum >> 32;
    return 0;
}

// The C library goes through /proc for AT_SYMLINK_NOFOLLOW; Linux 6.6 has a call for it.
int host_chmod(int dirfd, const char *name, uint32_t mode)
{
    enum { SYS_FCHMODAT2 = 452 };
    long rc = syscall(SYS_FCHMODAT2, dirfd, name, mode, AT_SYMLINK_NOFOLLOW);
    if (rc < 0 && errno == ENOSYS)
        rc = fchmodat(dirfd, name, (mode_t)mode, AT_SYMLINK_NOFOLLOW);
    return rc < 0 ? errno_to_linux(errno) : 0;
}

bool host_utimes_moves_birth(void)
{
    return false;
}

int host_rename(int old_dir, const char *old_name, int new_dir, const char *new_name,
                unsigned flags)
{
    // The flag values are Linux's own.
    int rc = flags ? renameat2(old_dir, old_name, new_dir, new_name, flags)
                   : renameat(old_dir, old_name, new_dir, new_name);
    return rc < 0 ? errno_to_linux(errno) : 0;
}

int host_fallocate(int fd, unsigned mode, uint64_t offset, uint64_t len)
{
    static const struct {
        unsigned linux_flag;
        int host_flag;
    } map[] = {
        {LINUX_FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE},
        {LINUX_FALLOC_FL_PUNCH_HOLE, FALLOC_FL_PUNCH_HOLE},
        {LINUX_FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_COLLAPSE_RANGE},
        {LINUX_FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE},
        {LINUX_FALLOC_FL_INSERT_RANGE, FALLOC_FL_INSERT_RANGE},
        {LINUX_FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_UNSHARE_RANGE},
    };
    int host_mode = 0;
    for (size_t i = 0; i < ARRAY_LEN(map); i++)
        if (mode & map[i].linux_flag)
            host_mode |= map[i].host_flag;
    int rc;
    do
        rc = fallocate(fd, host_mode, (off_t)offset, (off_t)len);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? errno_to_linux(errno) : 0;
}

int host_fsync(int fd, bool data_only)
{
    int rc;
    do
        rc = data_only ? fdatasync(fd) : fsync(fd);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? errno_to_linux(errno) : 0;
}

int host_syncfs(int fd)
{
    return syncfs(fd) < 0 ? errno_to_linux(errno) : 0;
}

ssize_t host_getxattr(int fd, const char *name, void *buf, size_t size)
{
    ssize_t n = fgetxattr(fd, name, buf, size);
    return n < 0 ? errno_to_linux(errno) : n;
}

int host_setxattr(int fd, const char *name, const void *value, size_t size, unsigned flags)
{
    int host_flags = (flags & LINUX_XATTR_CREATE ? XATTR_CREATE : 0) |
                     (flags & LINUX_XATTR_REPLACE ? XATTR_REPLACE : 0);
    return fsetxattr(fd, name, value, size, host_flags) < 0 ? errno_to_linux(errno) : 0;
}

ssize_t host_listxattr(int fd, char *buf, size_t size)
{
    ssize_t n = flistxattr(fd, buf, size);
    return n < 0 ? errno_to_linux(errno) : n;
}

int host_removexattr(int fd, const char *name)
{
    return fremovexattr(fd, name) < 0 ? errno_to_linux(errno) : 0;
}
