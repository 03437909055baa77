// Wait queues: lists of parties that want to hear when something may have changed. Layer 1.
//
// A wake-up says "look again", never "it is yours". An entry's callback runs with the queue's lock
// held (rank wait_queue) on the waker's thread: it may set words and signal conditions of higher
// rank, nothing else. After wait_queue_remove() returns, the callback is not running and will not
// run again.
#ifndef PLATFORM_WAIT_QUEUE_H
#define PLATFORM_WAIT_QUEUE_H

#include "platform/base/list.h"
#include "platform/lock.h"
#include <stdatomic.h>
#include <stdint.h>

struct wait_queue {
    struct lock lock;
    struct list entries;    // guarded by lock
    _Atomic uint32_t count; // length of entries; changed under lock, read by anybody
};

struct wait_entry {
    struct list node;                                        // guarded by the queue's lock
    void (*wake)(struct wait_entry *entry, uint32_t events); // immutable while queued
    uint32_t events;                                         // events it cares about; 0 = all
    bool exclusive;                                          // stop after waking one of these
    struct wait_queue *queue;                                // set while queued
};

void wait_queue_init(struct wait_queue *q);
// Nobody may be queued any more.
void wait_queue_destroy(struct wait_queue *q);
void wait_queue_add(struct wait_queue *q, struct wait_entry *e);
// Harmless when the entry is not queued.
void wait_queue_remove(struct wait_entry *e);
// Calls every entry whose events intersect `events` (LINUX_POLL* bits; 0: all entries); stops after
// the first exclusive one if `one` is set. Costs one atomic operation when nobody is queued:
// what the caller changed before is seen by a party that queues itself and then looks.
void wait_queue_wake(struct wait_queue *q, uint32_t events, bool one);
// For a callback that passes the wake-up on to a second queue: the lock of the first is held.
// Chains of queues must be free of cycles.
void wait_queue_wake_nested(struct wait_queue *q, uint32_t events, bool one);

#endif
