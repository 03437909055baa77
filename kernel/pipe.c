#include "kernel/anon.h"
#include "kernel/async.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/pipe_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RING_FIRST = 4096,
    READABLE = LINUX_POLLIN | LINUX_POLLRDNORM,
    WRITABLE = LINUX_POLLOUT | LINUX_POLLWRNORM,
};

struct segment {
    struct list node;
    uint32_t len;
    bool packet;
};

struct pipe *pipe_new(struct kernel *kernel)
{
    struct pipe *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    lock_init(&p->lock, LOCK_RANK_SOCKET);
    atomic_init(&p->capacity, PIPE_DEFAULT_SIZE);
    wait_queue_init(&p->readable);
    wait_queue_init(&p->writable);
    p->kernel = kernel;
    list_init(&p->segments);
    async_list_init(&p->readers_told);
    async_list_init(&p->writers_told);
    return p;
}

static void segment_free(struct segment *s)
{
    list_remove(&s->node);
    free(s);
}

static void segments_free(struct pipe *p)
{
    while (!list_empty(&p->segments))
        segment_free(list_first(&p->segments, struct segment, node));
    pipe_store(&p->padding, 0);
}

void pipe_free(void *attached)
{
    struct pipe *p = attached;
    if (!p)
        return;
    wait_queue_destroy(&p->readable);
    wait_queue_destroy(&p->writable);
    lock_destroy(&p->lock);
    segments_free(p);
    free(p->ring);
    free(p);
}

// --- The ring ------------------------------------------------------------------------------------

static void ring_copy_out(const struct pipe *p, uint32_t from, void *buf, size_t n)
{
    size_t first = p->room - from < n ? p->room - from : n;
    memcpy(buf, p->ring + from, first);
    memcpy((uint8_t *)buf + first, p->ring, n - first);
}

static void change_padding(struct pipe *p, const struct segment *s, int32_t by)
{
    if (s->packet)
        pipe_store(&p->padding, pipe_load(&p->padding) + (uint32_t)by);
}

// `n` bytes leave the segments at the front. Without packets none are kept.
static void segments_take(struct pipe *p, size_t n) REQUIRES(p->lock)
{
    while (n && !list_empty(&p->segments)) {
        struct segment *s = list_first(&p->segments, struct segment, node);
        uint32_t part = n < s->len ? (uint32_t)n : s->len;
        n -= part;
        s->len -= part;
        if (s->len) {
            change_padding(p, s, (int32_t)part);
        } else {
            change_padding(p, s, -(int32_t)(PIPE_ATOMIC - part));
            segment_free(s);
        }
    }
}

// `n` bytes come at the end, or at the front, as a packet or as part of the stream.
static int segments_add(struct pipe *p, uint32_t n, bool packet, bool front) REQUIRES(p->lock)
{
    if (!packet && list_empty(&p->segments))
        return 0;
    if (list_empty(&p->segments) && pipe_load(&p->used)) {
        struct segment *before = malloc(sizeof *before);
        if (!before)
            return -LINUX_ENOMEM;
        *before = (struct segment){.len = pipe_load(&p->used)};
        list_add_tail(&p->segments, &before->node);
    }
    struct segment *s = NULL;
    if (!packet && !list_empty(&p->segments)) {
        struct list *edge = front ? p->segments.next : p->segments.prev;
        s = list_entry(edge, struct segment, node);
    }
    if (s && !s->packet) {
        s->len += n;
        return 0;
    }
    s = malloc(sizeof *s);
    if (!s)
        return -LINUX_ENOMEM;
    *s = (struct segment){.len = n, .packet = packet};
    if (front)
        list_add_head(&p->segments, &s->node);
    else
        list_add_tail(&p->segments, &s->node);
    change_padding(p, s, PIPE_ATOMIC - (int32_t)n);
    return 0;
}

static void ring_take(struct pipe *p, size_t n) REQUIRES(p->lock)
{
    if (UNLIKELY(!list_empty(&p->segments)))
        segments_take(p, n);
    p->head = (p->head + (uint32_t)n) & (p->room - 1);
    pipe_store(&p->used, pipe_load(&p->used) - (uint32_t)n);
}

// Makes the ring at least `need` bytes, at most the capacity rounded up.
static int ring_grow(struct pipe *p, uint32_t need) REQUIRES(p->lock)
{
    if (need <= p->room)
        return 0;
    uint32_t room = p->room ? p->room : (uint32_t)RING_FIRST;
    while (room < need)
        room *= 2;
    uint8_t *ring = malloc(room);
    if (!ring)
        return -LINUX_ENOMEM;
    if (p->room)
        ring_copy_out(p, p->head, ring, pipe_load(&p->used));
    free(p->ring);
    p->ring = ring;
    p->room = room;
    p->head = 0;
    return 0;
}

// In two pieces when that passes the ring's start.
static void ring_copy(struct pipe *p, uint32_t at, const void *buf, size_t n) REQUIRES(p->lock)
{
    size_t first = p->room - at < n ? p->room - at : n;
    memcpy(p->ring + at, buf, first);
    memcpy(p->ring, (const uint8_t *)buf + first, n - first);
}

// How a piece of up to a page comes to what is there. The pages are Linux's: here they matter only
// to a writer in packet mode, whose packet goes on in the stream's last page if it fits there.
enum piece {
    PIECE_JOINS, // goes on in the last page, if it fits there
    PIECE_PAGE,  // begins a page
    PIECE_PACKET,
};

static bool fits_tail(const struct pipe *p, size_t n)
{
    return pipe_load(&p->used) && p->tail && p->tail + n <= PIPE_ATOMIC;
}

static int ring_put(struct pipe *p, const void *buf, size_t n, enum piece kind) REQUIRES(p->lock)
{
    uint32_t used = pipe_load(&p->used);
    int err = ring_grow(p, used + (uint32_t)n);
    if (!err)
        err = segments_add(p, (uint32_t)n, kind == PIECE_PACKET, false);
    if (err)
        return err;
    bool joins = kind == PIECE_JOINS && fits_tail(p, n);
    p->tail = kind == PIECE_PACKET ? 0 : joins ? p->tail + (uint32_t)n : (uint32_t)n;
    ring_copy(p, (p->head + used) & (p->room - 1), buf, n);
    pipe_store(&p->used, used + (uint32_t)n);
    return 0;
}

static uint32_t free_bytes(const struct pipe *p)
{
    uint32_t used = pipe_load(&p->used) + pipe_load(&p->padding);
    uint32_t capacity = pipe_load(&p->capacity);
    return used < capacity ? capacity - used : 0;
}

static void wake_readers(struct pipe *p)
{
    wait_queue_wake(&p->readable, READABLE, true);
}

// After bytes were taken out. `free_before`: a writer can only be waiting when that was too little
// for an atomic write.
static void wake_writers(struct pipe *p, uint32_t free_before)
{
    if (free_before < PIPE_ATOMIC)
        wait_queue_wake(&p->writable, WRITABLE, true);
}

// --- Reading -------------------------------------------------------------------------------------

ssize_t pipe_wait_readable(struct pipe *p, struct task *task, bool nonblock)
{
    if (pipe_load(&p->used))
        return pipe_load(&p->used);
    if (!pipe_load(&p->writers))
        return pipe_load(&p->used); // whatever the last writer left
    if (nonblock || !task)
        return -LINUX_EAGAIN;
    struct task_waiter w;
    task_waiter_add(&w, task, &p->readable, READABLE | LINUX_POLLHUP);
    ssize_t result;
    while (!(result = pipe_load(&p->used)) && pipe_load(&p->writers)) {
        result = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
        if (result)
            break;
    }
    task_waiter_remove(&w);
    return result ? result : (ssize_t)pipe_load(&p->used);
}

// Bytes at the front for a read of `want`: at most those before the first packet. 0 and *packet:
// one is next, whole.
static uint32_t readable(const struct pipe *p, size_t want, uint32_t *packet) REQUIRES(p->lock)
{
    uint32_t n = pipe_load(&p->used);
    *packet = 0;
    if (UNLIKELY(!list_empty(&p->segments))) {
        const struct segment *s = list_first(&p->segments, struct segment, node);
        n = s->packet ? 0 : s->len;
        *packet = s->packet ? s->len : 0;
    }
    return want < n ? (uint32_t)want : n;
}

// Puts bytes back in front. The lock is held.
static int put_back(struct pipe *p, const void *buf, size_t n, bool packet) REQUIRES(p->lock)
{
    uint32_t used = pipe_load(&p->used);
    int err = ring_grow(p, used + (uint32_t)n);
    if (!err)
        err = segments_add(p, (uint32_t)n, packet, true);
    if (err)
        return err;
    p->head = (p->head - (uint32_t)n) & (p->room - 1);
    ring_copy(p, p->head, buf, n);
    pipe_store(&p->used, used + (uint32_t)n);
    return 0;
}

// The packet that is next, as far as the guest has room for it. 0: somebody else took it.
static ssize_t take_packet(struct pipe *p, struct iter *it)
{
    uint8_t bytes[PIPE_ATOMIC];
    uint32_t len;
    lock_acquire(&p->lock);
    (void)readable(p, 0, &len);
    if (len) {
        ring_copy_out(p, p->head, bytes, len);
        ring_take(p, len);
    }
    lock_release(&p->lock);
    if (!len)
        return 0;
    size_t n = len < it->left ? len : it->left;
    if (it->ops->copy_out(it, bytes, n) == n) {
        wait_queue_wake(&p->writable, WRITABLE, true);
        return (ssize_t)n;
    }
    lock_acquire(&p->lock);
    int err = put_back(p, bytes, len, true);
    lock_release(&p->lock);
    wait_queue_wake(&p->readable, READABLE, true);
    return err ? err : -LINUX_EFAULT;
}

// Moves what is there to the guest. Returns the bytes, or -LINUX_EFAULT when nothing could be
// stored.
static ssize_t drain(struct pipe *p, struct iter *it)
{
    size_t done = 0;
    while (it->left > 0 && pipe_load(&p->used)) {
        void *host;
        // As in Linux nothing is taken of a page that cannot be stored whole.
        size_t n = it->left < PIPE_ATOMIC ? it->left : (size_t)PIPE_ATOMIC;
        n = n < pipe_load(&p->used) ? n : pipe_load(&p->used);
        n = user_iter_check(it, n, true) ? 0 : it->ops->pin(it, it->left, true, &host);
        if (!n)
            return done ? (ssize_t)done : -LINUX_EFAULT;
        lock_acquire(&p->lock);
        uint32_t free_before = free_bytes(p), packet;
        n = readable(p, n, &packet);
        if (n) {
            ring_copy_out(p, p->head, host, n);
            ring_take(p, n);
        }
        lock_release(&p->lock);
        it->ops->unpin(it, n);
        if (n)
            wake_writers(p, free_before);
        done += n;
        if (UNLIKELY(packet)) { // ends the read
            ssize_t got = take_packet(p, it);
            return got < 0 && done ? (ssize_t)done : got + (got < 0 ? 0 : (ssize_t)done);
        }
    }
    return (ssize_t)done;
}

static ssize_t pipe_read(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    struct pipe *p = file->private;
    if (!it->left)
        return 0;
    ssize_t n;
    while (!(n = drain(p, it))) {
        n = pipe_wait_readable(p, it->task, it->nonblock);
        if (n <= 0)
            break;
    }
    async_tell(p->kernel, &p->writers_told, LINUX_POLL_OUT);
    return n;
}

// --- Writing -------------------------------------------------------------------------------------

// Room a write of `n` bytes needs before it may start or go on.
static uint32_t wanted(size_t n)
{
    return n < PIPE_ATOMIC ? (uint32_t)n : (uint32_t)PIPE_ATOMIC;
}

static ssize_t wait_for_room(struct pipe *p, struct task *task, bool nonblock, uint32_t need)
{
    if (!pipe_load(&p->readers))
        return file_broken_pipe(task);
    if (free_bytes(p) >= need)
        return free_bytes(p);
    if (nonblock || !task)
        return -LINUX_EAGAIN;
    async_tell(p->kernel, &p->readers_told, LINUX_POLL_IN);
    struct task_waiter w;
    task_waiter_add(&w, task, &p->writable, WRITABLE | LINUX_POLLERR);
    int err = 0;
    while (!err && pipe_load(&p->readers) && free_bytes(p) < need)
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    task_waiter_remove(&w);
    if (err)
        return err;
    return pipe_load(&p->readers) ? (ssize_t)need : file_broken_pipe(task);
}

ssize_t pipe_wait_writable(struct pipe *p, struct task *task, bool nonblock)
{
    return wait_for_room(p, task, nonblock, PIPE_ATOMIC);
}

// Puts up to `n` bytes if at least `need` fit. 0: no room now.
static ssize_t put_locked(struct pipe *p, const void *buf, size_t n, uint32_t need, enum piece kind)
    REQUIRES(p->lock)
{
    uint32_t room = free_bytes(p);
    if (!pipe_load(&p->readers))
        return -LINUX_EPIPE;
    if (room < need)
        return 0;
    size_t fit = n < room ? n : room;
    int err = ring_put(p, buf, fit, kind);
    return err ? err : (ssize_t)fit;
}

static ssize_t put_bytes(struct pipe *p, const void *buf, size_t n, uint32_t need, enum piece kind)
{
    lock_acquire(&p->lock);
    ssize_t result = put_locked(p, buf, n, need, kind);
    lock_release(&p->lock);
    if (result > 0)
        wake_readers(p);
    return result;
}

// A write that must not be split: the bytes are fetched first, so that the pipe is not touched when
// the guest's memory is bad.
static ssize_t write_atomic(struct pipe *p, struct iter *it)
{
    uint8_t buf[PIPE_ATOMIC];
    size_t n = it->left;
    if (!pipe_load(&p->readers))
        return file_broken_pipe(it->task);
    int err = iter_get(it, buf, n);
    if (err)
        return err;
    for (;;) {
        ssize_t put = put_bytes(p, buf, n, (uint32_t)n, PIECE_JOINS);
        if (put == -LINUX_EPIPE)
            return file_broken_pipe(it->task);
        if (put)
            return put;
        ssize_t room = wait_for_room(p, it->task, it->nonblock, (uint32_t)n);
        if (room < 0)
            return room;
    }
}

// One step of a long write: at most a page, straight from guest memory.
static ssize_t write_page(struct pipe *p, struct iter *it, size_t most, enum piece kind)
{
    void *host;
    size_t n = it->ops->pin(it, most, false, &host);
    if (!n)
        return -LINUX_EFAULT;
    ssize_t put = put_bytes(p, host, n, 1, kind);
    it->ops->unpin(it, put > 0 ? (size_t)put : 0);
    return put == -LINUX_EPIPE ? file_broken_pipe(it->task) : put;
}

// One packet: up to a page. Returns its bytes.
static ssize_t write_packet(struct pipe *p, struct iter *it)
{
    uint8_t buf[PIPE_ATOMIC];
    size_t n = it->left < sizeof buf ? it->left : sizeof buf;
    if (!pipe_load(&p->readers))
        return file_broken_pipe(it->task);
    int err = iter_get(it, buf, n);
    if (err)
        return err;
    for (;;) {
        ssize_t put = put_bytes(p, buf, n, PIPE_ATOMIC, PIECE_PACKET);
        if (put == -LINUX_EPIPE)
            return file_broken_pipe(it->task);
        if (put)
            return put;
        ssize_t room = wait_for_room(p, it->task, it->nonblock, PIPE_ATOMIC);
        if (room < 0)
            return room;
    }
}

// As Linux: what a write has beyond whole pages goes on in the last page, if it fits there.
static size_t joins_stream(struct pipe *p, size_t n)
{
    lock_acquire(&p->lock);
    bool fits = fits_tail(p, n);
    lock_release(&p->lock);
    return fits ? n : 0;
}

static ssize_t write_packets(struct pipe *p, struct iter *it)
{
    ssize_t done = 0, n;
    size_t first = joins_stream(p, it->left % PIPE_ATOMIC);
    if (first) {
        uint8_t buf[PIPE_ATOMIC];
        int err = iter_get(it, buf, first);
        if (err)
            return err;
        while (!(done = put_bytes(p, buf, first, (uint32_t)first, PIECE_JOINS))) {
            ssize_t room = wait_for_room(p, it->task, it->nonblock, (uint32_t)first);
            if (room < 0)
                return room;
        }
        if (done < 0)
            return done == -LINUX_EPIPE ? file_broken_pipe(it->task) : done;
        if (!it->left)
            return done;
    }
    do {
        n = write_packet(p, it);
        done += n > 0 ? n : 0;
    } while (n > 0 && it->left);
    return done ? done : n;
}

static ssize_t write_bytes(struct pipe *p, struct iter *it)
{
    if (it->left <= PIPE_ATOMIC)
        return write_atomic(p, it);
    size_t done = 0, checked = 0, joins = joins_stream(p, it->left % PIPE_ATOMIC);
    ssize_t n = 0;
    while (it->left > 0) {
        enum piece kind = PIECE_JOINS; // more of the page that was begun
        // Once begun it fills the pipe to the last byte; it waits for room worth waking up for.
        n = done && free_bytes(p) && pipe_load(&p->readers)
                ? 1
                : wait_for_room(p, it->task, it->nonblock, wanted(it->left));
        if (n > 0 && done == checked) {
            // As in Linux nothing is written of a page that is not there whole.
            size_t page = it->left < PIPE_ATOMIC ? it->left : (size_t)PIPE_ATOMIC;
            if (joins)
                page = joins;
            else
                kind = PIECE_PAGE;
            joins = 0;
            int err = user_iter_check(it, page, false);
            n = err ? err : n;
            checked += page;
        }
        if (n > 0)
            n = write_page(p, it, checked - done, kind);
        if (n < 0)
            break;
        done += (size_t)n;
    }
    return done ? (ssize_t)done : n;
}

static ssize_t pipe_write(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    struct pipe *p = file->private;
    if (!it->left)
        return 0;
    bool packets = file_flags(file) & LINUX_O_DIRECT;
    ssize_t n = UNLIKELY(packets) ? write_packets(p, it) : write_bytes(p, it);
    async_tell(p->kernel, &p->readers_told, LINUX_POLL_IN);
    return n;
}

// --- Parts for splice ----------------------------------------------------------------------------

// What the first `n` bytes are made of, as far as `room` bytes of another pipe hold it.
static size_t list_parts(const struct pipe *p, size_t n, size_t room, struct pipe_parts *parts)
    REQUIRES(p->lock)
{
    size_t used = pipe_load(&p->used), total = 0;
    parts->count = 0;
    parts->tail = 0;
    if (LIKELY(list_empty(&p->segments))) {
        total = n < room ? n : room;
        total = total < used ? total : used;
        parts->part[parts->count++] = (struct pipe_part){(uint32_t)total, false};
        return total;
    }
    const struct segment *s;
    list_for_each (s, &p->segments, node) {
        size_t len = s->len < n - total ? s->len : n - total;
        if (!s->packet && len > room)
            len = room;
        size_t cost = s->packet ? (size_t)PIPE_ATOMIC : len;
        if (!len || cost > room || parts->count == PIPE_PARTS_MAX)
            break;
        parts->part[parts->count++] = (struct pipe_part){(uint32_t)len, s->packet};
        total += len;
        room -= cost;
    }
    return total;
}

size_t pipe_peek(struct pipe *p, void *buf, size_t n, size_t room, struct pipe_parts *parts)
{
    lock_acquire(&p->lock);
    size_t got = list_parts(p, n, room, parts);
    if (got)
        ring_copy_out(p, p->head, buf, got);
    lock_release(&p->lock);
    return got;
}

size_t pipe_take(struct pipe *p, void *buf, size_t n, size_t room, struct pipe_parts *parts)
{
    lock_acquire(&p->lock);
    uint32_t free_before = free_bytes(p);
    size_t got = list_parts(p, n, room, parts);
    if (got) {
        ring_copy_out(p, p->head, buf, got);
        ring_take(p, got);
        parts->tail = pipe_load(&p->used) ? 0 : p->tail;
    }
    lock_release(&p->lock);
    if (got)
        wake_writers(p, free_before);
    async_tell(p->kernel, &p->writers_told, LINUX_POLL_OUT);
    return got;
}

int pipe_unread(struct pipe *p, const void *buf, struct pipe_part part)
{
    lock_acquire(&p->lock);
    int err = put_back(p, buf, part.len, part.packet);
    lock_release(&p->lock);
    if (!err)
        wake_readers(p);
    return err;
}

ssize_t pipe_append(struct pipe *p, const void *buf, struct pipe_part part, uint32_t tail)
{
    lock_acquire(&p->lock);
    ssize_t put = part.packet ? put_locked(p, buf, part.len, PIPE_ATOMIC, PIECE_PACKET)
                              : put_locked(p, buf, part.len, 1, PIECE_PAGE);
    if (put > 0)
        p->tail = put == (ssize_t)part.len ? tail : 0;
    lock_release(&p->lock);
    if (put > 0)
        wake_readers(p);
    if (put >= 0)
        async_tell(p->kernel, &p->readers_told, LINUX_POLL_IN);
    return put;
}

// --- Other operations ----------------------------------------------------------------------------

static uint32_t pipe_poll(struct file *file, struct poll_table *table)
{
    struct pipe *p = file->private;
    uint32_t ready = 0;
    if (file_is_readable(file)) {
        poll_wait(table, file, &p->readable);
        if (pipe_load(&p->used))
            ready |= READABLE;
        // A fifo opened before any writer came has not been hung up on. file->pos keeps the count
        // of writers there had been then; a stream has no other use for it.
        if (!pipe_load(&p->writers) && pipe_load(&p->writer_opens) != (uint32_t)file->pos)
            ready |= LINUX_POLLHUP;
    }
    if (file_is_writable(file)) {
        poll_wait(table, file, &p->writable);
        if (free_bytes(p) >= PIPE_ATOMIC)
            ready |= WRITABLE;
        if (!pipe_load(&p->readers))
            ready |= LINUX_POLLERR;
    }
    return ready;
}

static int64_t pipe_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct pipe *p = file->private;
    if (cmd != LINUX_FIONREAD)
        return -LINUX_ENOTTY;
    int32_t used = (int32_t)pipe_load(&p->used);
    return user_put(task, arg, &used);
}

void pipe_end_closed(struct pipe *p, bool reads, bool writes)
{
    lock_acquire(&p->lock);
    if (reads)
        pipe_store(&p->readers, pipe_load(&p->readers) - 1);
    if (writes)
        pipe_store(&p->writers, pipe_load(&p->writers) - 1);
    bool one_sided = !pipe_load(&p->readers) != !pipe_load(&p->writers);
    if (!pipe_load(&p->readers) && !pipe_load(&p->writers)) {
        // Nobody can see the data any more, even if the fifo is opened again.
        segments_free(p);
        free(p->ring);
        p->ring = NULL;
        p->room = p->head = 0;
        pipe_store(&p->used, 0);
    }
    lock_release(&p->lock);
    wait_queue_wake(&p->readable, READABLE | LINUX_POLLHUP, false);
    wait_queue_wake(&p->writable, WRITABLE | LINUX_POLLERR, false);
    if (one_sided) {
        async_tell(p->kernel, &p->readers_told, LINUX_POLL_IN);
        async_tell(p->kernel, &p->writers_told, LINUX_POLL_OUT);
    }
}

static void pipe_release(struct file *file)
{
    pipe_end_closed(file->private, file_is_readable(file), file_is_writable(file));
}

static int pipe_set_async(struct file *file, struct task *task, int fd, bool on)
{
    struct pipe *p = file->private;
    struct async_list *lists[ASYNC_LISTS];
    unsigned n = 0;
    if (file_is_readable(file))
        lists[n++] = &p->readers_told;
    if (file_is_writable(file))
        lists[n++] = &p->writers_told;
    return async_join(file, task, fd, on, lists, n);
}

const struct file_ops pipe_file_ops = {
    .traits = FILE_NOWAIT,
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .set_async = pipe_set_async,
    .release = pipe_release,
};

// With a name: the same, but for what Linux takes of it.
const struct file_ops fifo_file_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .set_async = pipe_set_async,
    .release = pipe_release,
};

struct pipe *pipe_of(const struct file *file)
{
    return file->ops == &pipe_file_ops || file->ops == &fifo_file_ops ? file->private : NULL;
}

int64_t pipe_get_size(struct file *file)
{
    struct pipe *p = pipe_of(file);
    if (!p)
        return -LINUX_EBADF;
    return pipe_load(&p->capacity);
}

int64_t pipe_set_size(struct task *task, struct file *file, uint32_t size)
{
    struct pipe *p = pipe_of(file);
    if (!p)
        return -LINUX_EBADF;
    if (size > 1u << 31)
        return -LINUX_EINVAL;
    uint32_t capacity = PIPE_ATOMIC;
    while (capacity < size)
        capacity *= 2;
    lock_acquire(&p->lock);
    int64_t result = capacity;
    if (capacity > pipe_load(&p->capacity) && capacity > PIPE_MAX_SIZE &&
        !task_capable(task, LINUX_CAP_SYS_RESOURCE))
        result = -LINUX_EPERM;
    else if (pipe_load(&p->used) + pipe_load(&p->padding) > capacity)
        result = -LINUX_EBUSY;
    else
        pipe_store(&p->capacity, capacity);
    lock_release(&p->lock);
    if (result > 0)
        wait_queue_wake(&p->writable, WRITABLE, false);
    return result;
}
