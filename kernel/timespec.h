// Guest time values and deadlines. Layer 4.
#ifndef KERNEL_TIMESPEC_H
#define KERNEL_TIMESPEC_H

#include "kernel/user.h"
#include "platform/abi/time.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct task;

// Checks and converts; -LINUX_EINVAL for a negative time or nanoseconds of a second or more. Times
// beyond what 63 bits of nanoseconds hold become the largest value, so that sums do not wrap.
NODISCARD int timespec_to_ns(const struct linux_timespec *ts, uint64_t *ns);
NODISCARD int timeval_to_ns(const struct linux_timeval *tv, uint64_t *ns);
struct linux_timespec timespec_from_ns(uint64_t ns);
struct linux_timeval timeval_from_ns(uint64_t ns);

// The same from guest memory. -LINUX_EFAULT too.
NODISCARD int timespec_read(struct task *task, uaddr_t addr, uint64_t *ns);
NODISCARD int timespec_write(struct task *task, uaddr_t addr, uint64_t ns);

// The monotonic deadline `ns` from now, saturating at WAIT_FOREVER.
uint64_t timespec_deadline(uint64_t ns);
// The monotonic deadline of a moment of the realtime clock, as that clock stands now.
uint64_t timespec_realtime_deadline(uint64_t realtime_ns);

#endif
