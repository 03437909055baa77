// Descriptor tables. Layer 4. Shared by CLONE_FILES; guarded by the table's lock (rank files).
#ifndef KERNEL_FD_H
#define KERNEL_FD_H

#include "fs/vfs.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct fd_table;
struct task;

NODISCARD int fd_table_create(struct fd_table **out);
NODISCARD int fd_table_copy(struct fd_table *from, struct fd_table **out); // fork, unshare
struct fd_table *fd_table_get(struct fd_table *t);
void fd_table_put(struct fd_table *t, struct task *closer);
void fd_table_close_on_exec(struct fd_table *t, struct task *task);

// The file behind a descriptor, referenced; NULL for a bad one. O_PATH files too: see fd_get_io.
struct file *fd_get(struct task *task, int fd);
// The same for data operations: NULL for O_PATH files (EBADF).
struct file *fd_get_io(struct task *task, int fd);
// Installs `file` (consuming its reference, also on failure) at the lowest free descriptor >= min.
// Returns it, or -LINUX_EMFILE/-LINUX_ENOMEM.
int fd_install(struct task *task, struct file *file, int min, bool cloexec);
// Calls `each` on a snapshot: /proc/PID/fd.
void fd_table_each(struct fd_table *t, void (*each)(void *ctx, int fd, struct file *file),
                   void *ctx);

// The base path of an *at() call: NULL path for AT_FDCWD. -LINUX_EBADF, and -LINUX_ENOTDIR when a
// relative name follows and fd is no directory. Ends with fd_base_done.
struct fd_base {
    struct file *file;
    const struct path *path;
};
NODISCARD int fd_base_get(struct task *task, int dirfd, const char *name, struct fd_base *out);
void fd_base_done(struct fd_base *base);

#endif
