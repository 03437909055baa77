// What the file system calls share: path arguments, attributes of an open file, transfer limits.
// Layer 4.
#ifndef KERNEL_FILE_H
#define KERNEL_FILE_H

#include "fs/vfs.h"
#include "kernel/fd.h"
#include "kernel/user.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct task;

// Linux's MAX_RW_COUNT: no transfer is longer.
enum { FILE_RW_MAX = 0x7ffff000 };

static inline uint64_t file_rw_clamp(uint64_t count)
{
    return count < FILE_RW_MAX ? count : FILE_RW_MAX;
}

// The (dirfd, path) pair of an *at() call, copied and resolved as far as the base.
struct file_at {
    struct vfs_caller caller;
    struct fd_base base;
    char *name;
};
// -LINUX_EFAULT, -LINUX_ENAMETOOLONG, -LINUX_ENOENT for an empty name unless `empty_ok`,
// -LINUX_EBADF, -LINUX_ENOTDIR. After success file_at_end() is due.
NODISCARD int file_at_begin(struct task *task, int32_t dirfd, uaddr_t path, bool empty_ok,
                            struct file_at *out);
void file_at_end(struct file_at *at);
// Walks to an existing object; `walk_flags`: WALK_*. The result is referenced.
NODISCARD int file_at_walk(const struct file_at *at, unsigned walk_flags, struct path *out);
// Both steps, for calls that need nothing else of the name.
NODISCARD int file_at_resolve(struct task *task, int32_t dirfd, uaddr_t path, unsigned walk_flags,
                              struct file_at *at, struct path *out);
// WALK_* of the AT_* flags most calls know: SYMLINK_NOFOLLOW (follow is the default), EMPTY_PATH.
unsigned file_at_flags(uint32_t at_flags);

// Attributes of any open file, whether it has a name, an inode, or neither.
NODISCARD int file_getattr(struct task *task, struct file *file, struct vfs_stat *out);

static inline uint32_t file_flags(const struct file *file)
{
    return atomic_load_explicit(&file->flags, memory_order_relaxed);
}
bool file_is_readable(const struct file *file);
bool file_is_writable(const struct file *file);
// Sets and clears bits of file->flags and tells the file. Any thread.
void file_change_flags(struct file *file, uint32_t set, uint32_t clear);

// RLIMIT_FSIZE for a regular file of `old_size` that becomes `size`: growth beyond it is SIGXFSZ
// and -LINUX_EFBIG.
NODISCARD int file_check_size_limit(struct task *task, uint64_t old_size, uint64_t size);

// A write from `it` with everything write(2) adds to file_write: the size limit and O_SYNC.
ssize_t file_write_checked(struct task *task, struct file *file, struct iter *it, uint64_t *pos);

// Sends SIGPIPE to the caller and returns -LINUX_EPIPE. `task` may be NULL.
int file_broken_pipe(struct task *task);

#endif
