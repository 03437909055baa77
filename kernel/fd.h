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
// The last reference closes every descriptor on behalf of `closer` (NULL: nobody's); no lock may be
// held.
void fd_table_put(struct fd_table *t, struct task *closer);
void fd_table_close_on_exec(struct fd_table *t, struct task *task);
// CLONE_FILES is undone: `task` gets a table of its own if it shares one.
NODISCARD int fd_table_unshare(struct task *task);

// Puts `file` (consuming its reference, also on failure) at `fd` of a table no task uses yet.
NODISCARD int fd_table_set(struct fd_table *t, int fd, struct file *file);

// The file behind a descriptor, referenced; NULL for a bad one. O_PATH files too: see fd_get_io.
struct file *fd_get(struct task *task, int fd);
// The same for data operations: NULL for O_PATH files (EBADF).
struct file *fd_get_io(struct task *task, int fd);
// True for a descriptor that is not open for data operations.
bool fd_is_bad(struct task *task, int fd);
// Installs `file` (consuming its reference, also on failure) at the lowest free descriptor >= min.
// Returns it, or -LINUX_EMFILE/-LINUX_ENOMEM.
int fd_install(struct task *task, struct file *file, int min, bool cloexec);
// Installs at exactly `fd`, closing what was there (dup3). Consumes the reference. Returns fd,
// -LINUX_EBADF beyond the limit, -LINUX_EBUSY when another thread is just opening `fd`.
int fd_install_at(struct task *task, struct file *file, int fd, bool cloexec);

// The two halves of fd_install, for calls that must fail with EMFILE before they have effects. A
// reserved descriptor is bad for everybody until it is filled.
int fd_reserve(struct task *task, int min, bool cloexec);
void fd_fill(struct task *task, int fd, struct file *file); // consumes the reference
void fd_unreserve(struct task *task, int fd);

int fd_close(struct task *task, int fd);
// Closes, or marks close-on-exec, first..last.
void fd_close_range(struct task *task, uint32_t first, uint32_t last);
void fd_cloexec_range(struct task *task, uint32_t first, uint32_t last);
// 0 or 1; -LINUX_EBADF.
int fd_cloexec_get(struct task *task, int fd);
int fd_cloexec_set(struct task *task, int fd, bool on);

// The lowest open descriptor above `fd` (-1: the lowest of all), or -1.
int fd_table_next(struct fd_table *t, int fd);
// One descriptor of another task's table, referenced, or NULL.
struct file *fd_table_lookup(struct fd_table *t, int fd, bool *cloexec);
// Descriptors the table has room for (FDSize of /proc/PID/status).
unsigned fd_table_size(struct fd_table *t);

// The base path of an *at() call: NULL path for AT_FDCWD. -LINUX_EBADF, and -LINUX_ENOTDIR when a
// relative name follows and fd is no directory. Ends with fd_base_done.
struct fd_base {
    struct file *file;
    const struct path *path;
};
NODISCARD int fd_base_get(struct task *task, int dirfd, const char *name, struct fd_base *out);
void fd_base_done(struct fd_base *base);

#endif
