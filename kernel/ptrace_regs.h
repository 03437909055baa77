// Register sets of a stopped task, as ptrace(2) and core files show them. Layer 4.
#ifndef KERNEL_PTRACE_REGS_H
#define KERNEL_PTRACE_REGS_H

#include "platform/base/compiler.h"
#include <stddef.h>
#include <stdint.h>

struct task;

enum { REGSET_MAX = 528 }; // bytes of the largest

// Bytes of the set, and of what it is a whole number of; 0: there is no such set.
size_t regset_size(uint64_t type, size_t *unit);
void regset_get(const struct task *task, uint64_t type, uint8_t out[REGSET_MAX]);
// Of the first `n` bytes, a multiple of the unit. 0 or -LINUX_EINVAL.
NODISCARD int regset_set(struct task *task, uint64_t type, const uint8_t *in, size_t n);

#endif
