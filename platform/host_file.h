// Files of the host, by directory handle. Layer 1.
//
// The only place that names host objects. Every call takes a directory descriptor and one name
// without a slash; the last component is never followed when it is a symlink. Flags and modes are
// Linux ones (platform/abi/fs.h) and are translated here; results are negative Linux errnos.
// Descriptors are close-on-exec. Calls may block on the disk and are not interruptible; EINTR is
// never returned.
#ifndef PLATFORM_HOST_FILE_H
#define PLATFORM_HOST_FILE_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HOST_TIME_UNKNOWN INT64_MIN

struct host_stat {
    uint64_t dev, ino, rdev;
    uint32_t mode, nlink, uid, gid; // mode: S_IF* and bits, the same numbers everywhere
    uint64_t size, blocks;          // blocks of 512 bytes
    uint32_t blksize;
    int64_t atime, mtime, ctime, btime; // ns; btime: HOST_TIME_UNKNOWN where the host has none
};

struct host_statfs {
    uint64_t bsize, frsize, blocks, bfree, bavail, files, ffree, namelen, fsid;
};

// A path given by the user (a root, a bind source): opens the directory, following symlinks.
NODISCARD int host_open_dir_path(const char *path);
NODISCARD int host_make_dir_path(const char *path, uint32_t mode);
NODISCARD int host_remove_dir_path(const char *path);
NODISCARD int host_remove_file_path(const char *path);
NODISCARD int host_rename_path(const char *from, const char *to);
// A file the user names: flags as host_open, symlinks are followed.
NODISCARD int host_open_path(const char *path, unsigned flags, uint32_t mode);
NODISCARD int host_parent_dir(int dirfd); // opens ".."
// Takes LINUX_O_* (access mode, CREAT, EXCL, TRUNC, APPEND, DIRECTORY, PATH, TMPFILE, NONBLOCK,
// NOFOLLOW implied). Returns a descriptor. A host without O_PATH opens for reading instead.
NODISCARD int host_open(int dirfd, const char *name, unsigned flags, uint32_t mode);
void host_close(int fd);
NODISCARD int host_dup(int fd);

NODISCARD int host_stat(int dirfd, const char *name, struct host_stat *out);
NODISCARD int host_fstat(int fd, struct host_stat *out); // O_PATH descriptors too
// host_stat of an object whose birth time is known, for hosts where that is asked for separately.
NODISCARD int host_stat_born(int dirfd, const char *name, int64_t btime, struct host_stat *out);
// What tells an object from another that has or had its inode number, as long as it exists; `name`
// "": the descriptor itself. -LINUX_EOPNOTSUPP where the host has nothing of that kind.
NODISCARD int host_generation(int dirfd, const char *name, uint64_t *out);
NODISCARD int host_mkdir(int dirfd, const char *name, uint32_t mode);
NODISCARD int host_unlink(int dirfd, const char *name);
NODISCARD int host_rmdir(int dirfd, const char *name);
// flags: LINUX_RENAME_NOREPLACE, LINUX_RENAME_EXCHANGE; -LINUX_EINVAL where the host cannot.
NODISCARD int host_rename(int old_dir, const char *old_name, int new_dir, const char *new_name,
                          unsigned flags);
NODISCARD int host_link(int old_dir, const char *old_name, int new_dir, const char *new_name);
NODISCARD int host_symlink(const char *target, int dirfd, const char *name);
// The text is not NUL-terminated; at most `size` bytes of it.
ssize_t host_readlink(int dirfd, const char *name, char *buf, size_t size);

NODISCARD int host_fchmod(int fd, uint32_t mode);
NODISCARD int host_chmod(int dirfd, const char *name, uint32_t mode);
NODISCARD int host_chown_group(int dirfd, const char *name, uint32_t gid);
// INT64_MIN leaves a time as it is.
NODISCARD int host_futimes(int fd, int64_t atime, int64_t mtime);
NODISCARD int host_utimes(int dirfd, const char *name, int64_t atime, int64_t mtime);
NODISCARD int host_truncate(int fd, uint64_t size);
// mode: LINUX_FALLOC_FL_*.
NODISCARD int host_fallocate(int fd, unsigned mode, uint64_t offset, uint64_t len);
NODISCARD int host_fsync(int fd, bool data_only);
// Writes back everything the file system of `fd` holds.
NODISCARD int host_syncfs(int fd);
NODISCARD int host_statfs(int fd, struct host_statfs *out);

// Short counts only at end of file, or when the disk is full after some bytes.
ssize_t host_pread(int fd, void *buf, size_t n, uint64_t offset);
ssize_t host_pwrite(int fd, const void *buf, size_t n, uint64_t offset);
// All of it, at the position of what `fd` is, pipes too. 0 or an error.
NODISCARD int host_write_all(int fd, const void *buf, size_t n);
// whence: LINUX_SEEK_DATA or LINUX_SEEK_HOLE. -LINUX_ENXIO past the end.
int64_t host_seek_data(int fd, uint64_t offset, unsigned whence);

// Extended attributes of a file opened for reading. Size 0 queries.
ssize_t host_getxattr(int fd, const char *name, void *buf, size_t size);
NODISCARD int host_setxattr(int fd, const char *name, const void *value, size_t size,
                            unsigned flags);
ssize_t host_listxattr(int fd, char *buf, size_t size);
NODISCARD int host_removexattr(int fd, const char *name);

// Advisory whole-file lock against other processes. -LINUX_EAGAIN when another holds it.
NODISCARD int host_try_lock(int fd);

// A directory being read; owns `fd`.
struct host_dir;
struct host_dirent {
    uint64_t ino;
    uint8_t type;      // LINUX_DT_*, possibly LINUX_DT_UNKNOWN
    uint64_t next_pos; // where reading goes on after this entry
    const char *name;  // until the next call
};
NODISCARD int host_dir_open(int fd, struct host_dir **out);
void host_dir_close(struct host_dir *dir);
// 1: an entry, 0: the end. Includes "." and "..".
NODISCARD int host_dir_next(struct host_dir *dir, struct host_dirent *out);
void host_dir_seek(struct host_dir *dir, uint64_t pos); // 0 or some next_pos

// Gives a window (platform/host_mem.h) that was made for reading the right to write, in place.
NODISCARD int host_remap_writable(int fd, uint64_t offset, void *addr, size_t len);

// Setting times may change the birth time on this host.
bool host_utimes_moves_birth(void);

// Who this process is to the host.
uint32_t host_uid(void);
uint32_t host_gid(void);

// Raises the limit of open descriptors as far as the host lets it; returns what it is.
unsigned host_raise_file_limit(void);

#endif
