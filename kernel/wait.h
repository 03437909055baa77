// The one way a task waits. Layer 4.
//
// Every blocking operation is the same loop:
//
//     struct task_waiter w;
//     task_waiter_add(&w, task, &queue, events);
//     while (!(condition)) {
//         err = task_wait(task, deadline_ns, WAIT_INTERRUPTIBLE);
//         if (err) break;               // -ERESTARTSYS, -LINUX_ETIMEDOUT
//     }
//     task_waiter_remove(&w);
//
// A wake-up between the test of the condition and task_wait() is not lost: it leaves the task's
// wake word set, and task_wait() returns at once. No lock may be held across task_wait(). EINTR
// comes only from a deliverable signal: task_wait() looks at the pending sets under sighand before
// it reports one. There is no polling interval anywhere.
#ifndef KERNEL_WAIT_H
#define KERNEL_WAIT_H

#include "platform/base/compiler.h"
#include "platform/wait_queue.h"
#include <stdbool.h>
#include <stdint.h>

struct task;

// Internal results that never reach the guest; kernel/signal.c turns them into EINTR or a restart,
// by the restart class of the row in syscalls.tbl and SA_RESTART.
enum {
    ERESTARTSYS = 512,    // restart if the handler has SA_RESTART (or none runs)
    ERESTARTNOINTR = 513, // always restart
    ERESTARTNOHAND = 514, // restart only if no handler runs
    ERESTART_RESTARTBLOCK = 516,
};

enum wait_mode {
    WAIT_INTERRUPTIBLE,   // any deliverable signal ends it with -ERESTARTSYS
    WAIT_KILLABLE,        // only a fatal one
    WAIT_UNINTERRUPTIBLE, // none; for waits that end by themselves
};

#define WAIT_FOREVER UINT64_MAX

// Sleeps until woken (0), a signal (-ERESTARTSYS) or the monotonic clock reaches deadline_ns
// (-LINUX_ETIMEDOUT). Gives up the run token. May return 0 spuriously.
NODISCARD int task_wait(struct task *task, uint64_t deadline_ns, enum wait_mode mode);

// Makes the task's current or next task_wait() return. Any thread; any lock below task_wait's rank
// may be held.
void task_wake(struct task *task);

struct task_waiter {
    struct wait_entry entry;
    struct task *task;
};
void task_waiter_add(struct task_waiter *w, struct task *task, struct wait_queue *q,
                     uint32_t events);
void task_waiter_remove(struct task_waiter *w);

// True when a signal that task would act on is pending; takes sighand.
bool task_signal_pending(struct task *task);

// For a tracer that is no guest program: what wait(2) with WNOHANG and __WALL would tell it of its
// tracees. Returns the thread and its *status, 0 when there is nothing, -LINUX_ECHILD.
int wait_tracees(struct task *task, int32_t *status);

#endif
