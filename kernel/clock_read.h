// Guest clocks by number. Layer 4.
#ifndef KERNEL_CLOCK_READ_H
#define KERNEL_CLOCK_READ_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct task;

// The time on a clock, nanoseconds. -LINUX_EINVAL for a clock that is not there.
NODISCARD int clock_read(struct task *task, int32_t clock, uint64_t *ns);

// Clocks that tick by themselves (not CPU time): what sleeps and timers use.
bool clock_ticks(int32_t clock);
// The monotonic deadline of a moment on such a clock.
uint64_t clock_deadline(int32_t clock, uint64_t ns);
// Such a clock now.
uint64_t clock_now(int32_t clock);

// What the vDSO's register gives: UINT64_MAX for clocks without a fast path.
uint64_t clock_for_vdso(unsigned clock);

#endif
