// Terminals. Layer 4.
//
// Every guest terminal is a pty: a near side, /dev/pts/N, with the line discipline, and a far end.
// The far end is a master file of the guest (kernel/tty/pty.c) or a program outside it
// (tty_backend_*: the host terminal of a command line, the view of an app).
#ifndef KERNEL_TTY_TTY_H
#define KERNEL_TTY_TTY_H

#include "platform/abi/tty.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cred;
struct file;
struct kernel;
struct super;
struct task;
struct tty;

// Makes kernel->ttys and registers /dev/tty, /dev/console, /dev/ptmx with the VFS. After
// vfs_create(); before boot_mounts(), which mounts devpts.
NODISCARD int tty_boot(struct kernel *kernel);
// Every terminal still there is hung up. After the last task is gone.
void tty_boot_done(struct kernel *kernel);
// The devpts file system, one reference more; the same one each time.
struct super *tty_devpts(struct kernel *kernel);

struct tty *tty_get(struct tty *tty);
void tty_put(struct tty *tty); // harmless with NULL

// The controlling terminal of the task's session, referenced; NULL when it has none.
struct tty *task_tty_get(struct task *task);
// Its number as /proc/PID/stat shows it, and the foreground group's id; 0 and -1 without a
// terminal.
void tty_of_task(struct task *task, uint64_t *device, int32_t *foreground_pgid);

// Makes `tty` the controlling terminal of the session `task` leads, with the task's group in the
// foreground: what TIOCSCTTY does. -LINUX_EPERM.
NODISCARD int tty_set_controlling(struct tty *tty, struct task *task);

// --- A far end outside the guest (kernel/tty/backend.c) ------------------------------------------
// The functions take no lock of the caller's and may be called from any thread that holds none.

struct tty_backend {
    // Takes output and returns how much of it it took; never waits. After taking less it is not
    // called until tty_backend_ready(). No lock is held; never called concurrently with itself.
    size_t (*output)(void *context, const void *bytes, size_t count);
    // May each be NULL: tty_backend_input() took less than it was given and would take more now; a
    // near file waits for input or sets modes for the first time; the last near file was closed.
    void (*input_ready)(void *context);
    void (*attention)(void *context);
    void (*closed)(void *context);
    void *context;
};
// A terminal with one reference. -LINUX_ENOSPC when there are too many, -LINUX_ENOMEM.
NODISCARD int tty_backend_create(struct kernel *kernel, const struct tty_backend *backend,
                                 const struct linux_winsize *size, struct tty **out);
// Typed bytes. Returns those taken: fewer when the guest does not read. -LINUX_EIO after a hangup.
ssize_t tty_backend_input(struct tty *tty, const void *bytes, size_t count);
// The far end can take output again.
void tty_backend_ready(struct tty *tty);
int tty_backend_resize(struct tty *tty, const struct linux_winsize *size);
// The far end is gone for good.
void tty_backend_hangup(struct tty *tty);
// Waits until the far end took all output, or hung up. Not from a callback.
void tty_backend_drain(struct tty *tty);
// Hangs up; when it returns, no callback runs or will run. Not from a callback.
void tty_backend_end(struct tty *tty);
// Opens the near side for reading and writing on behalf of somebody outside, and gives the device
// to `cred`'s user.
NODISCARD int tty_backend_open(struct tty *tty, const struct cred *cred, struct file **out);

#endif
