// What other parts of the kernel ask of epoll. Layer 4.
#ifndef KERNEL_EPOLL_H
#define KERNEL_EPOLL_H

#include "platform/base/compiler.h"
#include <stdint.h>

struct file;

// The file that `epoll` watches under descriptor `fd`, the one after `skip` others of that number;
// not referenced, for comparing. -LINUX_EINVAL: no epoll; -LINUX_ENOENT.
NODISCARD int epoll_watched(const struct file *epoll, int fd, uint32_t skip,
                            const struct file **out);

#endif
