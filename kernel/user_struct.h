// Structs of system calls that grow with the kernel: the caller says how large its version is.
// Layer 4.
#ifndef KERNEL_USER_STRUCT_H
#define KERNEL_USER_STRUCT_H

#include "kernel/user.h"
#include "platform/base/compiler.h"
#include <stddef.h>
#include <stdint.h>

// Copies `size` bytes of the caller's version to `out`, a zeroed struct of `known` bytes.
// -LINUX_EINVAL below `least` bytes; -LINUX_E2BIG when bytes we do not know are not zero, or beyond
// a page.
NODISCARD int user_read_struct(struct task *task, uaddr_t addr, uint64_t size, void *out,
                               size_t known, size_t least);

#endif
