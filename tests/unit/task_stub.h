// Tasks without a processor, for tests of system calls that need no guest code: guest addresses are
// host addresses, and a task is whatever thread uses it.
#ifndef TESTS_UNIT_TASK_STUB_H
#define TESTS_UNIT_TASK_STUB_H

#include "kernel/fd.h"
#include "kernel/kernel.h"
#include "kernel/task.h"
#include <stdbool.h>

// A machine with a tmpfs root and pipes, fifos and epolls.
struct kernel *stub_kernel_create(void);
void stub_kernel_destroy(struct kernel *kernel);

// A task with descriptors of its own, or sharing those of `share`.
struct task *stub_task_create(struct kernel *kernel, struct task *share);
void stub_task_destroy(struct task *task);

// Ends the task's current or next interruptible wait as a signal would.
void stub_interrupt(struct task *task);
// Signals the task was sent, as a mask; cleared by the call.
uint64_t stub_signals(struct task *task);

// The page is not there until it is faulted in, which is for tasks without locks. One at a time.
void stub_drop_page(struct task *task, const void *page);

// An address no access to which succeeds.
#define STUB_BAD_ADDRESS 16

#endif
