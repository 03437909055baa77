// A host whose file system is odd, between the file systems and platform/host_file.h: the linker
// puts these functions in front of the real ones (--wrap). One test program, one host at a time.
#ifndef TESTS_UNIT_ODD_HOST_H
#define TESTS_UNIT_ODD_HOST_H

#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_file.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static struct odd_host {
    bool folds;        // case, and the two normalizations of one letter
    bool no_links;     // hard links
    bool no_symlinks;  // symbolic ones
    bool no_xattrs;    // extended attributes
    bool no_modes;     // permissions are always 0777
    bool no_exchange;  // renames with flags
    bool no_holes;     // fallocate, SEEK_DATA
    bool no_births;    // birth times
    bool ino_per_stat; // another inode number each time
    bool ino_zero;     // none
    unsigned name_max; // 0: the real one
    unsigned die_at;   // the process ends at this rename; 0: never
    unsigned renames;
    unsigned long stats;
    unsigned asked; // questions about a name
} odd;

// How a name looks to a host that folds.
static void odd_fold(const char *name, char out[512])
{
    size_t n = 0;
    for (; *name && n < 500; name++) {
        if (strncmp(name, "\xc3\xa9", 2) == 0 || strncmp(name, "e\xcc\x81", 3) == 0) {
            out[n++] = '\x01';
            name += name[0] == 'e' ? 2 : 1;
        } else {
            out[n++] = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
        }
    }
    out[n] = 0;
}

int __real_host_open(int dirfd, const char *name, unsigned flags, uint32_t mode);

// The entry of the directory that `name` means there: its own spelling, or `name`.
static const char *odd_name(int dirfd, const char *name, char out[512])
{
    char want[512], have[512];
    struct host_dirent e;
    struct host_dir *dir;
    int fd = odd.folds && strcmp(name, ".") != 0
                 ? __real_host_open(dirfd, ".", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0)
                 : -1;
    const char *found = name;
    odd_fold(name, want);
    if (fd < 0)
        return name;
    if (host_dir_open(fd, &dir)) {
        host_close(fd);
        return name;
    }
    while (host_dir_next(dir, &e) > 0) {
        odd_fold(e.name, have);
        if (strcmp(want, have) != 0)
            continue;
        strncpy(out, e.name, 511);
        out[511] = 0;
        found = out;
        if (strcmp(e.name, name) == 0)
            break;
    }
    host_dir_close(dir);
    return found;
}

static int odd_length(const char *name)
{
    return odd.name_max && strlen(name) > odd.name_max ? -LINUX_ENAMETOOLONG : 0;
}

static int odd_stat(struct host_stat *st, int err)
{
    if (err)
        return err;
    if (odd.ino_per_stat)
        st->ino += ++odd.stats << 32;
    if (odd.ino_zero)
        st->ino = 0;
    if (odd.no_modes && !LINUX_S_ISLNK(st->mode))
        st->mode |= 0777;
    if (odd.no_births)
        st->btime = HOST_TIME_UNKNOWN;
    return 0;
}

#define NAMED(dirfd, name)                                                                         \
    char spelt[512];                                                                               \
    int length = odd_length(name);                                                                 \
    if (length)                                                                                    \
        return length;                                                                             \
    name = odd_name(dirfd, name, spelt)

int __wrap_host_open(int dirfd, const char *name, unsigned flags, uint32_t mode);
int __wrap_host_open(int dirfd, const char *name, unsigned flags, uint32_t mode)
{
    NAMED(dirfd, name);
    return __real_host_open(dirfd, name, flags, mode);
}

int __real_host_stat(int dirfd, const char *name, struct host_stat *out);
int __wrap_host_stat(int dirfd, const char *name, struct host_stat *out);
int __wrap_host_stat(int dirfd, const char *name, struct host_stat *out)
{
    NAMED(dirfd, name);
    odd.asked++;
    return odd_stat(out, __real_host_stat(dirfd, name, out));
}

int __real_host_stat_born(int dirfd, const char *name, int64_t btime, struct host_stat *out);
int __wrap_host_stat_born(int dirfd, const char *name, int64_t btime, struct host_stat *out);
int __wrap_host_stat_born(int dirfd, const char *name, int64_t btime, struct host_stat *out)
{
    NAMED(dirfd, name);
    odd.asked++;
    return odd_stat(out, __real_host_stat_born(dirfd, name, btime, out));
}

int __real_host_fstat(int fd, struct host_stat *out);
int __wrap_host_fstat(int fd, struct host_stat *out);
int __wrap_host_fstat(int fd, struct host_stat *out)
{
    return odd_stat(out, __real_host_fstat(fd, out));
}

int __real_host_mkdir(int dirfd, const char *name, uint32_t mode);
int __wrap_host_mkdir(int dirfd, const char *name, uint32_t mode);
int __wrap_host_mkdir(int dirfd, const char *name, uint32_t mode)
{
    NAMED(dirfd, name);
    return __real_host_mkdir(dirfd, name, mode);
}

int __real_host_unlink(int dirfd, const char *name);
int __wrap_host_unlink(int dirfd, const char *name);
int __wrap_host_unlink(int dirfd, const char *name)
{
    NAMED(dirfd, name);
    return __real_host_unlink(dirfd, name);
}

int __real_host_rmdir(int dirfd, const char *name);
int __wrap_host_rmdir(int dirfd, const char *name);
int __wrap_host_rmdir(int dirfd, const char *name)
{
    NAMED(dirfd, name);
    return __real_host_rmdir(dirfd, name);
}

int __real_host_rename(int old_dir, const char *old_name, int new_dir, const char *new_name,
                       unsigned flags);
int __wrap_host_rename(int old_dir, const char *old_name, int new_dir, const char *new_name,
                       unsigned flags);
int __wrap_host_rename(int old_dir, const char *old_name, int new_dir, const char *new_name,
                       unsigned flags)
{
    char spelt_old[512];
    if (odd.die_at && ++odd.renames == odd.die_at)
        _exit(7);
    if (odd.no_exchange && flags)
        return -LINUX_EINVAL;
    NAMED(new_dir, new_name);
    return __real_host_rename(old_dir, odd_name(old_dir, old_name, spelt_old), new_dir, new_name,
                              flags);
}

int __real_host_link(int old_dir, const char *old_name, int new_dir, const char *new_name);
int __wrap_host_link(int old_dir, const char *old_name, int new_dir, const char *new_name);
int __wrap_host_link(int old_dir, const char *old_name, int new_dir, const char *new_name)
{
    char spelt_old[512];
    if (odd.no_links)
        return -LINUX_EPERM;
    NAMED(new_dir, new_name);
    return __real_host_link(old_dir, odd_name(old_dir, old_name, spelt_old), new_dir, new_name);
}

int __real_host_symlink(const char *target, int dirfd, const char *name);
int __wrap_host_symlink(const char *target, int dirfd, const char *name);
int __wrap_host_symlink(const char *target, int dirfd, const char *name)
{
    if (odd.no_symlinks)
        return -LINUX_EPERM;
    NAMED(dirfd, name);
    return __real_host_symlink(target, dirfd, name);
}

ssize_t __real_host_readlink(int dirfd, const char *name, char *buf, size_t size);
ssize_t __wrap_host_readlink(int dirfd, const char *name, char *buf, size_t size);
ssize_t __wrap_host_readlink(int dirfd, const char *name, char *buf, size_t size)
{
    NAMED(dirfd, name);
    return __real_host_readlink(dirfd, name, buf, size);
}

int __real_host_chmod(int dirfd, const char *name, uint32_t mode);
int __wrap_host_chmod(int dirfd, const char *name, uint32_t mode);
int __wrap_host_chmod(int dirfd, const char *name, uint32_t mode)
{
    NAMED(dirfd, name);
    return __real_host_chmod(dirfd, name, mode);
}

int __real_host_utimes(int dirfd, const char *name, int64_t atime, int64_t mtime);
int __wrap_host_utimes(int dirfd, const char *name, int64_t atime, int64_t mtime);
int __wrap_host_utimes(int dirfd, const char *name, int64_t atime, int64_t mtime)
{
    NAMED(dirfd, name);
    return __real_host_utimes(dirfd, name, atime, mtime);
}

int __real_host_fallocate(int fd, unsigned mode, uint64_t offset, uint64_t len);
int __wrap_host_fallocate(int fd, unsigned mode, uint64_t offset, uint64_t len);
int __wrap_host_fallocate(int fd, unsigned mode, uint64_t offset, uint64_t len)
{
    return odd.no_holes ? -LINUX_EOPNOTSUPP : __real_host_fallocate(fd, mode, offset, len);
}

int64_t __real_host_seek_data(int fd, uint64_t offset, unsigned whence);
int64_t __wrap_host_seek_data(int fd, uint64_t offset, unsigned whence);
int64_t __wrap_host_seek_data(int fd, uint64_t offset, unsigned whence)
{
    return odd.no_holes ? -LINUX_EINVAL : __real_host_seek_data(fd, offset, whence);
}

ssize_t __real_host_getxattr(int fd, const char *name, void *buf, size_t size);
ssize_t __wrap_host_getxattr(int fd, const char *name, void *buf, size_t size);
ssize_t __wrap_host_getxattr(int fd, const char *name, void *buf, size_t size)
{
    return odd.no_xattrs ? -LINUX_EOPNOTSUPP : __real_host_getxattr(fd, name, buf, size);
}

int __real_host_setxattr(int fd, const char *name, const void *value, size_t size, unsigned flags);
int __wrap_host_setxattr(int fd, const char *name, const void *value, size_t size, unsigned flags);
int __wrap_host_setxattr(int fd, const char *name, const void *value, size_t size, unsigned flags)
{
    return odd.no_xattrs ? -LINUX_EOPNOTSUPP : __real_host_setxattr(fd, name, value, size, flags);
}

#endif
