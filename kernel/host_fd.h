// Guest files over descriptors of the host: standard input and output of a program whose caller
// gave it a file, a pipe or a socket. Layer 4.
#ifndef KERNEL_HOST_FD_H
#define KERNEL_HOST_FD_H

#include "platform/base/compiler.h"

struct file;
struct kernel;
struct cred;

// A guest file over a duplicate of `host_fd`, for the user of `cred`. Reads, writes and the
// position are the host's, shared with whoever else has it; it cannot be mapped. -LINUX_EBADF.
NODISCARD int host_fd_open(struct kernel *kernel, int host_fd, const struct cred *cred,
                           struct file **out);

#endif
