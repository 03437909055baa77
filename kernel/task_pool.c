#include "kernel/task_pool.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/list.h"
#include "platform/lock.h"
#include "platform/thread.h"
#include <stdbool.h>
#include <stdlib.h>

enum {
    IDLE_MAX = 16,           // threads kept without work
    STACK_SIZE = 1024 * 1024 // address space; what is not touched costs nothing
};

struct task_pool {
    struct lock lock;
    struct list idle;     // guarded by lock
    unsigned idle_count;  // guarded by lock
    unsigned threads;     // guarded by lock
    bool stopping;        // guarded by lock
    struct cond all_gone; // with lock: threads became 0
};

struct task_worker {
    struct task_pool *pool; // immutable
    struct list node;       // pool->idle; guarded by pool->lock
    // Guarded by pool->lock.
    void (*run)(struct task *task);
    struct task *task;
    bool leave; // the thread is to end
    struct cond work;
};

int task_pool_create(struct task_pool **out)
{
    struct task_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return -LINUX_ENOMEM;
    lock_init(&pool->lock, LOCK_RANK_TASK_POOL);
    cond_init(&pool->all_gone);
    list_init(&pool->idle);
    *out = pool;
    return 0;
}

// True when the worker is to wait for another task. The pool's lock is held.
static bool become_idle(struct task_worker *w)
{
    struct task_pool *pool = w->pool;
    w->run = NULL;
    w->task = NULL;
    if (pool->stopping || pool->idle_count >= IDLE_MAX)
        return false;
    list_add_head(&pool->idle, &w->node);
    pool->idle_count++;
    return true;
}

static void worker_main(void *arg)
{
    struct task_worker *w = arg;
    struct task_pool *pool = w->pool;
    lock_acquire(&pool->lock);
    for (;;) {
        while (!w->run && !w->leave)
            cond_wait(&w->work, &pool->lock, COND_FOREVER);
        if (!w->run)
            break;
        void (*run)(struct task *) = w->run;
        struct task *task = w->task;
        lock_release(&pool->lock);
        run(task);
        lock_acquire(&pool->lock);
        if (!become_idle(w))
            break;
    }
    cond_destroy(&w->work);
    free(w);
    if (--pool->threads == 0)
        cond_broadcast(&pool->all_gone);
    lock_release(&pool->lock);
}

int task_pool_reserve(struct task_pool *pool, struct task_worker **out)
{
    struct task_worker *w = NULL;
    lock_acquire(&pool->lock);
    if (!list_empty(&pool->idle)) {
        w = list_first(&pool->idle, struct task_worker, node);
        list_remove(&w->node);
        pool->idle_count--;
    } else {
        pool->threads++;
    }
    lock_release(&pool->lock);
    if (!w) {
        w = calloc(1, sizeof *w);
        int err = -LINUX_ENOMEM;
        if (w) {
            w->pool = pool;
            list_init(&w->node);
            cond_init(&w->work);
            err = thread_start(worker_main, w, STACK_SIZE, "ish-task");
        }
        if (err) {
            if (w)
                cond_destroy(&w->work);
            free(w);
            lock_acquire(&pool->lock);
            if (--pool->threads == 0)
                cond_broadcast(&pool->all_gone);
            lock_release(&pool->lock);
            return err == -LINUX_ENOMEM ? err : -LINUX_EAGAIN;
        }
    }
    *out = w;
    return 0;
}

void task_pool_run(struct task_worker *w, void (*run)(struct task *task), struct task *task)
{
    struct task_pool *pool = w->pool;
    lock_acquire(&pool->lock);
    w->run = run;
    w->task = task;
    cond_signal(&w->work);
    lock_release(&pool->lock);
}

void task_pool_cancel(struct task_worker *w)
{
    struct task_pool *pool = w->pool;
    lock_acquire(&pool->lock);
    if (!become_idle(w)) {
        w->leave = true;
        cond_signal(&w->work);
    }
    lock_release(&pool->lock);
}

void task_pool_destroy(struct task_pool *pool)
{
    if (!pool)
        return;
    lock_acquire(&pool->lock);
    pool->stopping = true;
    struct task_worker *w, *next;
    list_for_each_safe (w, next, &pool->idle, node) {
        list_remove(&w->node);
        w->leave = true;
        cond_signal(&w->work);
    }
    while (pool->threads > 0)
        cond_wait(&pool->all_gone, &pool->lock, COND_FOREVER);
    lock_release(&pool->lock);
    cond_destroy(&pool->all_gone);
    lock_destroy(&pool->lock);
    free(pool);
}
