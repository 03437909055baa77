// Clocks that count CPU time, and waiting for one to reach a moment. Layer 4.
//
// Nobody counts for us when a thread runs: who waits looks again when the threads could have used
// what is left, at the earliest, and ever more rarely while they sleep.
#ifndef KERNEL_CPU_CLOCK_H
#define KERNEL_CPU_CLOCK_H

#include "kernel/task.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

// The CPU time of one thread, or of a process.
struct cpu_clock {
    struct task *thread;     // referenced, or NULL
    struct process *process; // referenced; of the thread too
    uint32_t kind;           // LINUX_CPUCLOCK_*
};
// What a clock number names, seen from `task`: a thread of its own process, or any process.
// -LINUX_EINVAL.
NODISCARD int cpu_clock_find(struct task *task, int32_t clock, struct cpu_clock *out);
void cpu_clock_put(struct cpu_clock *clock); // harmless when empty
// Nanoseconds. Takes tasklist and task locks.
uint64_t cpu_clock_read(const struct cpu_clock *clock);
// Who counts on a clock: how many threads may do so at once, at least 1; whether any of them is not
// asleep now. Takes tasklist.
struct cpu_load {
    unsigned threads;
    bool awake;
};
struct cpu_load cpu_clock_load(const struct cpu_clock *clock);

// What is remembered from one look to the next.
struct cpu_watch {
    uint64_t last_ns, delay_ns;
};
static inline void cpu_watch_begin(struct cpu_watch *w)
{
    *w = (struct cpu_watch){.last_ns = UINT64_MAX};
}
// How long until the next look, when the clock shows `now` and `left` is still missing. Those that
// sleep are looked at less and less often; those that the host lets wait for a processor are not.
uint64_t cpu_watch_delay(struct cpu_watch *w, uint64_t now, uint64_t left, struct cpu_load load);

#endif
