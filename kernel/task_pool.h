// Host threads for tasks. A thread whose task ended waits a while for the next one: starting a
// thread costs the host more than a whole small task. Layer 4.
#ifndef KERNEL_TASK_POOL_H
#define KERNEL_TASK_POOL_H

#include "platform/base/compiler.h"

struct task;
struct task_pool;
struct task_worker;

NODISCARD int task_pool_create(struct task_pool **out);
// Waits until every thread has ended; no task may be running or started any more.
void task_pool_destroy(struct task_pool *pool);

// A host thread that does nothing yet. Returns 0, -LINUX_EAGAIN, -LINUX_ENOMEM.
NODISCARD int task_pool_reserve(struct task_pool *pool, struct task_worker **out);
// Runs run(task) on it, once; then the thread is the pool's again.
void task_pool_run(struct task_worker *worker, void (*run)(struct task *task), struct task *task);
// Gives a reserved thread back.
void task_pool_cancel(struct task_worker *worker);

#endif
