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

// CLONE_PIDFD: the descriptor is reserved, and its number written to the guest, before the child
// exists; it is filled when the child does. After an error too the reservation is to be cancelled.
struct pidfd_reservation {
    struct file *file; // NULL: nothing reserved
    int fd;
};
NODISCARD int pidfd_reserve(struct task *task, struct process *process, uaddr_t addr,
                            struct pidfd_reservation *out);
void pidfd_commit(struct task *task, struct pidfd_reservation *r);
void pidfd_cancel(struct task *task, struct pidfd_reservation *r); // harmless when empty

// The process a pidfd names, referenced. -LINUX_EBADF.
NODISCARD int pidfd_process(struct task *task, int32_t fd, struct process **out);
// The first thread of that process, referenced. -LINUX_ESRCH: it was waited for.
NODISCARD int pidfd_leader(struct task *task, int32_t fd, struct task **out);
bool pidfd_nonblocking(struct task *task, int32_t fd);

#endif
