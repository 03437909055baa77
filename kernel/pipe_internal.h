// What reading and writing pipes and opening them share.
#ifndef KERNEL_PIPE_INTERNAL_H
#define KERNEL_PIPE_INTERNAL_H

#include "kernel/async.h"
#include "kernel/pipe.h"
#include "kernel/wait.h"
#include "platform/base/list.h"
#include "platform/lock.h"
#include <stdatomic.h>

// Unread bytes are ring[head], ring[head + 1] ... modulo room. What is atomic
// changes under the lock; a call can see without it that it has nothing to do.
//
// A write to an end with O_DIRECT makes packets: a read takes one and forgets what did not fit.
// While there are packets, `segments` says what the bytes in the ring belong to. A packet counts as
// a page against the capacity: `padding` is what it lacks of one.
//
// Guest memory is never touched under the lock: a transfer pins a page, or copies through a buffer,
// before it takes it.
struct pipe {
    struct lock lock; // rank socket
    uint8_t *ring;    // NULL until the first write
    uint32_t room;    // bytes allocated, a power of two
    uint32_t head;
    _Atomic uint32_t capacity, used, padding;
    struct list segments; // struct segment, in the order of the bytes; empty: no packets
    uint32_t tail;        // bytes of the last page as it was written, if a write may go on in it
    _Atomic uint32_t readers, writers;
    // How often an end was opened: a fifo's open waits for the other count to move.
    _Atomic uint32_t reader_opens, writer_opens;
    struct wait_queue readable; // data, or the last writer went
    struct wait_queue writable; // room, or the last reader went
    // O_ASYNC. As on Linux every read and every write tells, whether it was waited for or not.
    struct kernel *kernel;
    struct async_list readers_told, writers_told;
};

static inline uint32_t pipe_load(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static inline void pipe_store(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

struct pipe *pipe_new(struct kernel *kernel);
// `attached`: a struct pipe, or NULL.
void pipe_free(void *attached);
// An end goes: its count drops, and whoever waits for it on the other side looks again.
void pipe_end_closed(struct pipe *p, bool reads, bool writes);
extern const struct file_ops pipe_file_ops, fifo_file_ops;

#endif
