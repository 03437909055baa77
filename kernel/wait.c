#include "kernel/wait.h"
#include "kernel/async.h"
#include "kernel/process.h"
#include "kernel/sleep.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"

void task_wake(struct task *task)
{
    lock_acquire(&task->wake_lock);
    task->woken = true;
    cond_signal(&task->wake_cond);
    lock_release(&task->wake_lock);
}

static void set_state(struct task *task, enum task_state state)
{
    atomic_store_explicit(&task->state, (uint32_t)state, memory_order_relaxed);
}

// The slow half of a wait: somebody asked for attention; is it a reason to stop waiting? Called
// without wake_lock, because the answer is under process->lock.
static bool must_interrupt(struct task *task, enum wait_mode mode)
{
    return mode == WAIT_INTERRUPTIBLE ? task_signal_pending(task) : task_dying(task);
}

int task_sleep(struct task *task, uint64_t deadline_ns, enum wait_mode mode, enum task_state state)
{
    int err = 0;
    bool slept = false;
    lock_acquire(&task->wake_lock);
    while (!task->woken) {
        if (mode != WAIT_UNINTERRUPTIBLE &&
            atomic_load_explicit(&task->work_pending, memory_order_relaxed)) {
            lock_release(&task->wake_lock);
            bool interrupt = must_interrupt(task, mode);
            lock_acquire(&task->wake_lock);
            if (task->woken)
                break;
            if (interrupt) {
                err = -ERESTARTSYS;
                break;
            }
        }
        if (!slept) {
            slept = true;
            mem_yield(&task->cpu);
            set_state(task, state);
        }
        if (!cond_wait(&task->wake_cond, &task->wake_lock, deadline_ns) && !task->woken) {
            err = -LINUX_ETIMEDOUT;
            break;
        }
    }
    if (!err)
        task->woken = false;
    lock_release(&task->wake_lock);
    if (slept) {
        set_state(task, TASK_RUNNING);
        atomic_fetch_add_explicit(&task->voluntary_switches, 1, memory_order_relaxed);
    }
    return err;
}

int task_wait(struct task *task, uint64_t deadline_ns, enum wait_mode mode)
{
    lock_assert_none_held();
    if (UNLIKELY(task->async_due))
        async_flush_task(task); // somebody may be asked by them to end this wait
    return task_sleep(task, deadline_ns, mode,
                      mode == WAIT_INTERRUPTIBLE ? TASK_SLEEPING : TASK_DISK);
}

static void wake_waiter(struct wait_entry *entry, uint32_t events)
{
    (void)events;
    task_wake(CONTAINER_OF(entry, struct task_waiter, entry)->task);
}

void task_waiter_add(struct task_waiter *w, struct task *task, struct wait_queue *q,
                     uint32_t events)
{
    *w = (struct task_waiter){.task = task};
    list_init(&w->entry.node);
    w->entry.wake = wake_waiter;
    w->entry.events = events;
    wait_queue_add(q, &w->entry);
}

void task_waiter_remove(struct task_waiter *w)
{
    wait_queue_remove(&w->entry);
}
