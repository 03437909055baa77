#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include "platform/host_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int64_t to_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void convert(const struct stat *s, struct host_stat *out)
{
    *out = (struct host_stat){
        .dev = (uint64_t)(uint32_t)s->st_dev,
        .ino = s->st_ino,
        .rdev = (uint64_t)(uint32_t)s->st_rdev,
        .mode = s->st_mode,
        .nlink = s->st_nlink,
        .uid = s->st_uid,
        .gid = s->st_gid,
        .size = (uint64_t)s->st_size,
        .blocks = (uint64_t)s->st_blocks,
        .blksize = (uint32_t)s->st_blksize,
        .atime = to_ns(s->st_atimespec),
        .mtime = to_ns(s->st_mtimespec),
        .ctime = to_ns(s->st_ctimespec),
        .btime = to_ns(s->st_birthtimespec),
    };
}

int host_stat(int dirfd, const char *name, struct host_stat *out)
{
    struct stat s;
    if (fstatat(dirfd, name, &s, AT_SYMLINK_NOFOLLOW) < 0)
        return errno_to_linux(errno);
    convert(&s, out);
    return 0;
}

int host_stat_born(int dirfd, const char *name, int64_t btime, struct host_stat *out)
{
    (void)btime;
    return host_stat(dirfd, name, out);
}

// The system tells st_gen to its root user alone.
int host_generation(int dirfd, const char *name, uint64_t *out)
{
    (void)dirfd, (void)name, (void)out;
    return -LINUX_EOPNOTSUPP;
}

int host_fstat(int fd, struct host_stat *out)
{
    struct stat s;
    if (fstat(fd, &s) < 0)
        return errno_to_linux(errno);
    convert(&s, out);
    return 0;
}

int host_chmod(int dirfd, const char *name, uint32_t mode)
{
    return fchmodat(dirfd, name, (mode_t)mode, AT_SYMLINK_NOFOLLOW) < 0 ? errno_to_linux(errno) : 0;
}

// A modification time before the birth time takes that along.
bool host_utimes_moves_birth(void)
{
    return true;
}

int host_rename(int old_dir, const char *old_name, int new_dir, const char *new_name,
                unsigned flags)
{
    unsigned host_flags = (flags & LINUX_RENAME_NOREPLACE ? RENAME_EXCL : 0u) |
                          (flags & LINUX_RENAME_EXCHANGE ? RENAME_SWAP : 0u);
    int rc = host_flags ? renameatx_np(old_dir, old_name, new_dir, new_name, host_flags)
                        : renameat(old_dir, old_name, new_dir, new_name);
    if (rc < 0 && host_flags && errno == ENOTSUP)
        return -LINUX_EINVAL;
    return rc < 0 ? errno_to_linux(errno) : 0;
}

// Writes zeros over a range: what a hole reads as, where the host cannot make one of this shape.
static int write_zeros(int fd, uint64_t offset, uint64_t len)
{
    static const char zeros[16384];
    while (len > 0) {
        size_t n = len < sizeof zeros ? (size_t)len : sizeof zeros;
        ssize_t put = host_pwrite(fd, zeros, n, offset);
        if (put < 0)
            return (int)put;
        if (put == 0)
            return -LINUX_ENOSPC;
        offset += (uint64_t)put;
        len -= (uint64_t)put;
    }
    return 0;
}

// F_PUNCHHOLE takes whole blocks only; the edges are zeroed. Never extends the file.
static int punch(int fd, uint64_t offset, uint64_t len)
{
    struct stat s;
    if (fstat(fd, &s) < 0)
        return errno_to_linux(errno);
    uint64_t size = (uint64_t)s.st_size, block = 4096;
    if (offset >= size)
        return 0;
    if (len > size - offset)
        len = size - offset;
    uint64_t first = (offset + block - 1) / block * block, last = (offset + len) / block * block;
    if (first >= last)
        return write_zeros(fd, offset, len);
    struct fpunchhole hole = {0, 0, (off_t)first, (off_t)(last - first)};
    if (fcntl(fd, F_PUNCHHOLE, &hole) < 0)
        return write_zeros(fd, offset, len);
    int err = write_zeros(fd, offset, first - offset);
    return err ? err : write_zeros(fd, last, offset + len - last);
}

static int preallocate(int fd, uint64_t offset, uint64_t len, bool keep_size)
{
    struct stat s;
    if (fstat(fd, &s) < 0)
        return errno_to_linux(errno);
    uint64_t size = (uint64_t)s.st_size, end = offset + len;
    if (end <= size)
        return 0;
    fstore_t store = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, (off_t)(end - size), 0};
    if (fcntl(fd, F_PREALLOCATE, &store) < 0 && errno == ENOSPC)
        return -LINUX_ENOSPC;
    return keep_size ? 0 : host_truncate(fd, end);
}

int host_fallocate(int fd, unsigned mode, uint64_t offset, uint64_t len)
{
    bool keep_size = mode & LINUX_FALLOC_FL_KEEP_SIZE;
    switch (mode & ~(unsigned)LINUX_FALLOC_FL_KEEP_SIZE) {
    case 0:
        return preallocate(fd, offset, len, keep_size);
    case LINUX_FALLOC_FL_PUNCH_HOLE:
        return punch(fd, offset, len);
    default:
        return -LINUX_EOPNOTSUPP;
    }
}

int host_fsync(int fd, bool data_only)
{
    (void)data_only;
    // fsync alone does not reach the medium on Darwin.
    if (fcntl(fd, F_FULLFSYNC) == 0 || fsync(fd) == 0)
        return 0;
    return errno_to_linux(errno);
}

int host_syncfs(int fd)
{
    sync();
    return host_fsync(fd, false);
}

ssize_t host_getxattr(int fd, const char *name, void *buf, size_t size)
{
    ssize_t n = fgetxattr(fd, name, buf, size, 0, 0);
    return n < 0 ? errno_to_linux(errno) : n;
}

int host_setxattr(int fd, const char *name, const void *value, size_t size, unsigned flags)
{
    int host_flags = (flags & LINUX_XATTR_CREATE ? XATTR_CREATE : 0) |
                     (flags & LINUX_XATTR_REPLACE ? XATTR_REPLACE : 0);
    return fsetxattr(fd, name, value, size, 0, host_flags) < 0 ? errno_to_linux(errno) : 0;
}

ssize_t host_listxattr(int fd, char *buf, size_t size)
{
    ssize_t n = flistxattr(fd, buf, size, 0);
    return n < 0 ? errno_to_linux(errno) : n;
}

int host_removexattr(int fd, const char *name)
{
    return fremovexattr(fd, name, 0) < 0 ? errno_to_linux(errno) : 0;
}
