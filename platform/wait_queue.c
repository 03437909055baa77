#include "platform/wait_queue.h"
#include "platform/base/log.h"

void wait_queue_init(struct wait_queue *q)
{
    lock_init(&q->lock, LOCK_RANK_WAIT_QUEUE);
    list_init(&q->entries);
    atomic_init(&q->count, 0);
}

void wait_queue_destroy(struct wait_queue *q)
{
    ISH_ASSERT(list_empty(&q->entries));
    lock_destroy(&q->lock);
}

void wait_queue_add(struct wait_queue *q, struct wait_entry *e)
{
    lock_acquire(&q->lock);
    e->queue = q;
    if (e->exclusive)
        list_add_tail(&q->entries, &e->node);
    else
        list_add_head(&q->entries, &e->node);
    // Pairs with anybody_queued: of the two, the later one in the order of `count` sees what the
    // other did before.
    atomic_fetch_add_explicit(&q->count, 1, memory_order_seq_cst);
    lock_release(&q->lock);
}

void wait_queue_remove(struct wait_entry *e)
{
    struct wait_queue *q = e->queue;
    if (!q)
        return;
    lock_acquire(&q->lock);
    list_remove(&e->node);
    e->queue = NULL;
    atomic_fetch_sub_explicit(&q->count, 1, memory_order_relaxed);
    lock_release(&q->lock);
}

static bool anybody_queued(struct wait_queue *q)
{
    return atomic_fetch_add_explicit(&q->count, 0, memory_order_seq_cst) != 0;
}

static void wake_entries(struct wait_queue *q, uint32_t events, bool one)
{
    struct wait_entry *e, *next;
    list_for_each_safe (e, next, &q->entries, node) {
        if (events && e->events && !(e->events & events))
            continue;
        e->wake(e, events);
        if (one && e->exclusive)
            break;
    }
}

void wait_queue_wake(struct wait_queue *q, uint32_t events, bool one)
{
    if (!anybody_queued(q))
        return;
    lock_acquire(&q->lock);
    wake_entries(q, events, one);
    lock_release(&q->lock);
}

void wait_queue_wake_nested(struct wait_queue *q, uint32_t events, bool one)
{
    if (!anybody_queued(q))
        return;
    lock_acquire_nested(&q->lock);
    wake_entries(q, events, one);
    lock_release(&q->lock);
}
