// Descriptors that name processes. Layer 4.
#ifndef KERNEL_PIDFD_H
#define KERNEL_PIDFD_H

#include "kernel/user.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct file;
struct process;
struct task;

// CLONE_PIDFD: the descriptor is reserved before the child exists and filled when it does.
struct pidfd_reservation {
    struct file *file; // NULL: nothing reserved
    int fd;
};
NODISCARD int pidfd_reserve(struct task *task, struct process *process,
                            struct pidfd_reservation *out);
// Fills the descriptor and writes its number to the guest; a bad address is no error any more.
void pidfd_commit(struct task *task, struct pidfd_reservation *r, uaddr_t addr);
void pidfd_cancel(struct task *task, struct pidfd_reservation *r); // harmless when empty

// The process a pidfd names, referenced. -LINUX_EBADF.
NODISCARD int pidfd_process(struct task *task, int32_t fd, struct process **out);
// The first thread of that process, referenced. -LINUX_ESRCH: it was waited for.
NODISCARD int pidfd_leader(struct task *task, int32_t fd, struct task **out);
bool pidfd_nonblocking(struct task *task, int32_t fd);

#endif
