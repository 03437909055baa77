// A bounded queue of bytes. Not thread-safe: the owner's lock guards it. Layer 4.
#ifndef KERNEL_TTY_BYTE_QUEUE_H
#define KERNEL_TTY_BYTE_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BYTE_QUEUE_SIZE = 16384 }; // a power of two

struct byte_queue {
    uint32_t tail, head; // run freely
    uint8_t bytes[BYTE_QUEUE_SIZE];
};

static inline size_t byte_queue_used(const struct byte_queue *q)
{
    return q->head - q->tail;
}

static inline size_t byte_queue_room(const struct byte_queue *q)
{
    return BYTE_QUEUE_SIZE - byte_queue_used(q);
}

static inline void byte_queue_clear(struct byte_queue *q)
{
    q->tail = q->head;
}

// Drops the newest bytes, so that `keep` are left.
static inline void byte_queue_shorten(struct byte_queue *q, size_t keep)
{
    if (byte_queue_used(q) > keep)
        q->head = q->tail + (uint32_t)keep;
}

// Appends what fits; returns how much that is.
static inline size_t byte_queue_put(struct byte_queue *q, const uint8_t *bytes, size_t n)
{
    size_t room = byte_queue_room(q);
    n = n < room ? n : room;
    size_t at = q->head % BYTE_QUEUE_SIZE, first = BYTE_QUEUE_SIZE - at;
    first = n < first ? n : first;
    memcpy(q->bytes + at, bytes, first);
    memcpy(q->bytes, bytes + first, n - first);
    q->head += (uint32_t)n;
    return n;
}

// The oldest bytes that lie in one piece, at most `n`.
static inline size_t byte_queue_peek(const struct byte_queue *q, size_t n, const uint8_t **bytes)
{
    size_t at = q->tail % BYTE_QUEUE_SIZE, piece = BYTE_QUEUE_SIZE - at, used = byte_queue_used(q);
    piece = piece < used ? piece : used;
    *bytes = q->bytes + at;
    return piece < n ? piece : n;
}

static inline void byte_queue_drop(struct byte_queue *q, size_t n)
{
    q->tail += (uint32_t)n;
}

static inline size_t byte_queue_take(struct byte_queue *q, uint8_t *bytes, size_t n)
{
    size_t got = 0;
    while (got < n && byte_queue_used(q)) {
        const uint8_t *piece;
        size_t len = byte_queue_peek(q, n - got, &piece);
        memcpy(bytes + got, piece, len);
        byte_queue_drop(q, len);
        got += len;
    }
    return got;
}

#endif
