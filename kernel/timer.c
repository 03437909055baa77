#include "kernel/timer.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include "platform/lock.h"
#include "platform/thread.h"
#include <stdlib.h>

struct timer_wheel {
    struct lock lock;
    struct timer *heap;    // the earliest; guarded by lock
    struct timer *running; // whose `fire` is running; guarded by lock
    bool started, stopping;
    struct cond changed; // with lock: the earliest deadline changed, or stopping
    struct cond done;    // with lock: `running` finished
    pthread_t thread;
};

// --- Pairing heap
// ---------------------------------------------------------------------------------------- child:
// first child; next: next sibling; prev: previous sibling, or the parent for a first child.

static struct timer *meld(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->deadline_ns < a->deadline_ns) {
        struct timer *t = a;
        a = b;
        b = t;
    }
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

// Melds a list of siblings, in pairs and then together.
static struct timer *meld_all(struct timer *first)
{
    struct timer *pairs = NULL;
    while (first) {
        struct timer *a = first, *b = first->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        struct timer *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct timer *heap = NULL;
    while (pairs) {
        struct timer *next = pairs->next;
        pairs->next = NULL;
        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

static void heap_remove(struct timer_wheel *w, struct timer *t)
{
    struct timer *children = meld_all(t->child);
    t->child = NULL;
    if (t == w->heap) {
        w->heap = children;
    } else {
        if (t->prev->child == t)
            t->prev->child = t->next;
        else
            t->prev->next = t->next;
        if (t->next)
            t->next->prev = t->prev;
        w->heap = meld(w->heap, children);
    }
    t->next = t->prev = NULL;
    t->armed = false;
}

// --- The thread ----------------------------------------------------------------------------------

static void timer_main(void *arg)
{
    struct timer_wheel *w = arg;
    lock_acquire(&w->lock);
    while (!w->stopping) {
        struct timer *t = w->heap;
        if (!t) {
            cond_wait(&w->changed, &w->lock, COND_FOREVER);
            continue;
        }
        if (t->deadline_ns > clock_monotonic_ns()) {
            cond_wait(&w->changed, &w->lock, t->deadline_ns);
            continue;
        }
        heap_remove(w, t);
        w->running = t;
        lock_release(&w->lock);
        t->fire(t);
        lock_acquire(&w->lock);
        w->running = NULL;
        cond_broadcast(&w->done);
    }
    lock_release(&w->lock);
}

int timer_wheel_create(struct timer_wheel **out)
{
    struct timer_wheel *w = calloc(1, sizeof *w);
    if (!w)
        return -LINUX_ENOMEM;
    lock_init(&w->lock, LOCK_RANK_TIMER);
    cond_init(&w->changed);
    cond_init(&w->done);
    int err = thread_start_joinable(timer_main, w, "ish-timer", &w->thread);
    w->started = !err;
    if (err)
        timer_wheel_destroy(w);
    else
        *out = w;
    return err;
}

void timer_wheel_destroy(struct timer_wheel *w)
{
    if (!w)
        return;
    if (w->started) {
        lock_acquire(&w->lock);
        w->stopping = true;
        cond_signal(&w->changed);
        lock_release(&w->lock);
        thread_join(w->thread);
    }
    cond_destroy(&w->changed);
    cond_destroy(&w->done);
    lock_destroy(&w->lock);
    free(w);
}

// --- Arming --------------------------------------------------------------------------------------

void timer_arm(struct timer_wheel *w, struct timer *t, uint64_t deadline_ns)
{
    lock_acquire(&w->lock);
    if (t->armed)
        heap_remove(w, t);
    t->deadline_ns = deadline_ns;
    t->armed = true;
    w->heap = meld(w->heap, t);
    if (w->heap == t)
        cond_signal(&w->changed);
    lock_release(&w->lock);
}

void timer_disarm(struct timer_wheel *w, struct timer *t)
{
    lock_acquire(&w->lock);
    if (t->armed)
        heap_remove(w, t);
    lock_release(&w->lock);
}

void timer_cancel(struct timer_wheel *w, struct timer *t)
{
    lock_acquire(&w->lock);
    while (w->running == t || t->armed) {
        if (t->armed)
            heap_remove(w, t);
        else
            cond_wait(&w->done, &w->lock, COND_FOREVER);
    }
    lock_release(&w->lock);
}
