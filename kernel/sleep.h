// Inside of task_wait, for waits that show another state (job control). Layer 4.
#ifndef KERNEL_SLEEP_H
#define KERNEL_SLEEP_H

#include "kernel/task.h"
#include "kernel/wait.h"

// As task_wait(), with the state that /proc shows meanwhile.
NODISCARD int task_sleep(struct task *task, uint64_t deadline_ns, enum wait_mode mode,
                         enum task_state state);

// True when the task is to end whatever it does: group exit, SIGKILL, another thread's exec.
bool task_dying(struct task *task);

#endif
