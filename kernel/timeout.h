// Time limits and signal masks of calls that wait for descriptors. Layer 4.
#ifndef KERNEL_TIMEOUT_H
#define KERNEL_TIMEOUT_H

#include "kernel/user.h"
#include "platform/base/compiler.h"
#include <stdint.h>

struct task;

// A deadline (monotonic clock) that means "do not wait at all"; WAIT_FOREVER means no limit.
#define TIMEOUT_NONE 0ull

// Reads a relative struct timespec; a NULL address is no limit. -LINUX_EFAULT, -LINUX_EINVAL.
NODISCARD int timeout_get(struct task *task, uaddr_t addr, uint64_t *deadline);
// Milliseconds; negative is no limit.
uint64_t timeout_from_ms(int32_t ms);
// Installs the mask of a p-call until it returns to the guest; harmless when addr is NULL.
NODISCARD int timeout_set_mask(struct task *task, uaddr_t addr, uint64_t size);
// ppoll and pselect write back how much time was left. Returns the call's result, which changes
// only when an interrupted call could not be restarted with the time that is left.
int64_t timeout_put_left(struct task *task, uaddr_t addr, uint64_t deadline, int64_t result);

#endif
