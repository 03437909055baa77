// Making and ending tasks, for the files of kernel/ that do it. Layer 4.
#ifndef KERNEL_TASK_INTERNAL_H
#define KERNEL_TASK_INTERNAL_H

#include "kernel/process.h"
#include "kernel/task.h"
#include "platform/base/compiler.h"

struct pid_choice;

// Objects with one reference and nothing attached. NULL without memory.
struct task *task_allocate(struct kernel *kernel);
struct process *process_allocate(struct kernel *kernel);

void task_comm_set(struct task *task, const char *name); // 15 bytes of it

// Enters a task that is the first of its process, or one more thread, into the tables: it gets its
// number and becomes visible. tasklist is held; for a new process in a group, so is the group's
// lock. Returns 0, -LINUX_EAGAIN, -LINUX_ENOMEM; -LINUX_EEXIST for a number of `choice`.
NODISCARD int task_publish(struct task *task, struct pgrp *pgrp, const struct pid_choice *choice);

// What the host thread of a task runs; the task's reference is consumed.
void task_thread(struct task *task);
// Ends the calling task with task->exit_status: everything it holds, and what its end means for
// its process, children and parent.
void task_exit(struct task *task);

// The task ends, or never began: a session it leads loses its leader, and the terminal is hung up.
void task_leave_terminal(struct task *task);

// Takes a dead task out of the tables and puts it on `released`, with the reference the tables
// held. tasklist is held; the caller ends the list with task_put_released() after unlocking.
void task_release(struct task *task, struct list *released);
void task_put_released(struct list *released);
// A dead thread that was kept for its tracer; its process may have waited for that to end.
void task_release_thread(struct task *task, struct list *released);
// As wait(2) reports it of a zombie.
int32_t task_final_status(struct task *task);

// SIGKILL to every process but `except` (NULL: to all). tasklist is held.
void task_kill_all(struct kernel *kernel, const struct process *except);

// Every thread of the process has ended: its parent is told. tasklist is held. A process nobody
// wants the status of is released at once.
void process_ended(struct process *process, struct list *released);

// The threads of the calling task's process other than itself end; the task becomes the leader.
// -LINUX_EAGAIN when the process is ending anyway.
NODISCARD int task_become_alone(struct task *task);

// The parent that waits in vfork goes on.
void vfork_release(struct task *task);

// The address space is left (exit, exec): robust futexes, the tid word joiners wait for.
void task_leave_mm(struct task *task);

#endif
