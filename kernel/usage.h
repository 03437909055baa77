// CPU time, faults and memory used: of threads, processes, and children waited for. Layer 4.
//
// The clock of a task's host thread counts its CPU time exactly. How it splits into user and system
// time is estimated, as a tick-driven kernel does: one system call in SAMPLE_EVERY is timed.
#ifndef KERNEL_USAGE_H
#define KERNEL_USAGE_H

#include "kernel/process.h"
#include "platform/abi/resource.h"

// On the task's own thread: when it begins and ends.
void usage_start_clock(struct task *task);
void usage_stop_clock(struct task *task);

// As process_usage(); tasklist is held.
void process_usage_locked(struct process *process, struct usage *out);

void usage_add(struct usage *to, const struct usage *from);
void usage_add_task(struct usage *to, struct task *task);
struct linux_rusage usage_to_guest(const struct usage *usage);

// Around a system call, when usage_sampled() says that this one is timed.
enum { USAGE_SAMPLE_EVERY = 64 };
static inline bool usage_sampled(struct task *task)
{
    return ++task->syscall_count % USAGE_SAMPLE_EVERY == 0;
}
uint64_t usage_sample_begin(void);
void usage_sample_end(struct task *task, uint64_t begin);

#endif
