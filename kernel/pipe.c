#include "kernel/pipe.h"
#include "kernel/anon.h"
#include "kernel/async.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
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

// Unread bytes are ring[head], ring[head + 1] ... modulo room. `used`, `readers` and `writers`
// change under the lock; they are atomic so that a call can see at once that it has nothing to do.
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
    _Atomic uint32_t readers, writers;
    // How often an end was opened: a fifo's open waits for the other count to move.
    _Atomic uint32_t reader_opens, writer_opens;
    struct wait_queue readable; // data, or the last writer went
    struct wait_queue writable; // room, or the last reader went
    // O_ASYNC. As on Linux every read and every write tells, whether it was waited for or not.
    struct kernel *kernel;
    struct async_list readers_told, writers_told;
};

struct segment {
    struct list node;
    uint32_t len;
    bool packet;
};

static uint32_t load(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static void store(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

static struct pipe *pipe_new(struct kernel *kernel)
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
    store(&p->padding, 0);
}

static void pipe_free(void *attached)
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
        store(&p->padding, load(&p->padding) + (uint32_t)by);
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
    if (list_empty(&p->segments) && load(&p->used)) {
        struct segment *before = malloc(sizeof *before);
        if (!before)
            return -LINUX_ENOMEM;
        *before = (struct segment){.len = load(&p->used)};
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
    store(&p->used, load(&p->used) - (uint32_t)n);
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
        ring_copy_out(p, p->head, ring, load(&p->used));
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

static int ring_put(struct pipe *p, const void *buf, size_t n, bool packet) REQUIRES(p->lock)
{
    uint32_t used = load(&p->used);
    int err = ring_grow(p, used + (uint32_t)n);
    if (!err)
        err = segments_add(p, (uint32_t)n, packet, false);
    if (err)
        return err;
    ring_copy(p, (p->head + used) & (p->room - 1), buf, n);
    store(&p->used, used + (uint32_t)n);
    return 0;
}

static uint32_t free_bytes(const struct pipe *p)
{
    uint32_t used = load(&p->used) + load(&p->padding);
    uint32_t capacity = load(&p->capacity);
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
    if (load(&p->used))
        return load(&p->used);
    if (!load(&p->writers))
        return load(&p->used); // whatever the last writer left
    if (nonblock || !task)
        return -LINUX_EAGAIN;
    struct task_waiter w;
    task_waiter_add(&w, task, &p->readable, READABLE | LINUX_POLLHUP);
    ssize_t result;
    while (!(result = load(&p->used)) && load(&p->writers)) {
        result = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
        if (result)
            break;
    }
    task_waiter_remove(&w);
    return result ? result : (ssize_t)load(&p->used);
}

// Bytes at the front for a read of `want`: at most those before the first packet. 0 and *packet:
// one is next, whole.
static uint32_t readable(const struct pipe *p, size_t want, uint32_t *packet) REQUIRES(p->lock)
{
    uint32_t n = load(&p->used);
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
    uint32_t used = load(&p->used);
    int err = ring_grow(p, used + (uint32_t)n);
    if (!err)
        err = segments_add(p, (uint32_t)n, packet, true);
    if (err)
        return err;
    p->head = (p->head - (uint32_t)n) & (p->room - 1);
    ring_copy(p, p->head, buf, n);
    store(&p->used, used + (uint32_t)n);
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
    while (it->left > 0 && load(&p->used)) {
        void *host;
        // As in Linux nothing is taken of a page that cannot be stored whole.
        size_t n = it->left < PIPE_ATOMIC ? it->left : (size_t)PIPE_ATOMIC;
        n = n < load(&p->used) ? n : load(&p->used);
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
    if (!load(&p->readers))
        return file_broken_pipe(task);
    if (free_bytes(p) >= need)
        return free_bytes(p);
    if (nonblock || !task)
        return -LINUX_EAGAIN;
    async_tell(p->kernel, &p->readers_told, LINUX_POLL_IN);
    struct task_waiter w;
    task_waiter_add(&w, task, &p->writable, WRITABLE | LINUX_POLLERR);
    int err = 0;
    while (!err && load(&p->readers) && free_bytes(p) < need)
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    task_waiter_remove(&w);
    if (err)
        return err;
    return load(&p->readers) ? (ssize_t)need : file_broken_pipe(task);
}

ssize_t pipe_wait_writable(struct pipe *p, struct task *task, bool nonblock)
{
    return wait_for_room(p, task, nonblock, PIPE_ATOMIC);
}

// Puts up to `n` bytes if at least `need` fit. 0: no room now.
static ssize_t put_bytes(struct pipe *p, const void *buf, size_t n, uint32_t need, bool packet)
{
    lock_acquire(&p->lock);
    ssize_t result = 0;
    uint32_t room = free_bytes(p);
    if (!load(&p->readers)) {
        result = -LINUX_EPIPE;
    } else if (room >= need) {
        size_t fit = n < room ? n : room;
        result = ring_put(p, buf, fit, packet);
        if (!result)
            result = (ssize_t)fit;
    }
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
    if (!load(&p->readers))
        return file_broken_pipe(it->task);
    int err = iter_get(it, buf, n);
    if (err)
        return err;
    for (;;) {
        ssize_t put = put_bytes(p, buf, n, (uint32_t)n, false);
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
static ssize_t write_page(struct pipe *p, struct iter *it, size_t most)
{
    void *host;
    size_t n = it->ops->pin(it, most, false, &host);
    if (!n)
        return -LINUX_EFAULT;
    ssize_t put = put_bytes(p, host, n, 1, false);
    it->ops->unpin(it, put > 0 ? (size_t)put : 0);
    return put == -LINUX_EPIPE ? file_broken_pipe(it->task) : put;
}

// One packet: up to a page. Returns its bytes.
static ssize_t write_packet(struct pipe *p, struct iter *it)
{
    uint8_t buf[PIPE_ATOMIC];
    size_t n = it->left < sizeof buf ? it->left : sizeof buf;
    if (!load(&p->readers))
        return file_broken_pipe(it->task);
    int err = iter_get(it, buf, n);
    if (err)
        return err;
    for (;;) {
        ssize_t put = put_bytes(p, buf, n, PIPE_ATOMIC, true);
        if (put == -LINUX_EPIPE)
            return file_broken_pipe(it->task);
        if (put)
            return put;
        ssize_t room = wait_for_room(p, it->task, it->nonblock, PIPE_ATOMIC);
        if (room < 0)
            return room;
    }
}

// As Linux: what a write has beyond whole pages goes into a last page of a stream with room for it.
static size_t joins_stream(struct pipe *p, size_t n)
{
    lock_acquire(&p->lock);
    uint32_t tail = load(&p->used);
    if (!list_empty(&p->segments)) {
        const struct segment *s = list_entry(p->segments.prev, struct segment, node);
        tail = s->packet ? 0 : s->len;
    }
    lock_release(&p->lock);
    size_t in_page = tail % PIPE_ATOMIC;
    return in_page && in_page + n <= PIPE_ATOMIC ? n : 0;
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
        while (!(done = put_bytes(p, buf, first, (uint32_t)first, false))) {
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
    size_t done = 0, checked = 0;
    ssize_t n = 0;
    while (it->left > 0) {
        // Once begun it fills the pipe to the last byte; it waits for room worth waking up for.
        n = done && free_bytes(p) && load(&p->readers)
                ? 1
                : wait_for_room(p, it->task, it->nonblock, wanted(it->left));
        if (n > 0 && done == checked) {
            // As in Linux nothing is written of a page that is not there whole.
            size_t page = it->left < PIPE_ATOMIC ? it->left : (size_t)PIPE_ATOMIC;
            int err = user_iter_check(it, page, false);
            n = err ? err : n;
            checked += page;
        }
        if (n > 0)
            n = write_page(p, it, checked - done);
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

// --- Pieces for splice ---------------------------------------------------------------------------

size_t pipe_peek(struct pipe *p, void *buf, size_t n)
{
    lock_acquire(&p->lock);
    uint32_t used = load(&p->used);
    size_t got = n < used ? n : used;
    if (got)
        ring_copy_out(p, p->head, buf, got);
    lock_release(&p->lock);
    return got;
}

size_t pipe_take(struct pipe *p, void *buf, size_t n)
{
    lock_acquire(&p->lock);
    uint32_t free_before = free_bytes(p), used = load(&p->used);
    size_t got = n < used ? n : used;
    if (got) {
        ring_copy_out(p, p->head, buf, got);
        ring_take(p, got);
    }
    lock_release(&p->lock);
    if (got)
        wake_writers(p, free_before);
    async_tell(p->kernel, &p->writers_told, LINUX_POLL_OUT);
    return got;
}

int pipe_unread(struct pipe *p, const void *buf, size_t n)
{
    lock_acquire(&p->lock);
    int err = put_back(p, buf, n, false);
    lock_release(&p->lock);
    if (!err)
        wake_readers(p);
    return err;
}

ssize_t pipe_append(struct pipe *p, const void *buf, size_t n)
{
    lock_acquire(&p->lock);
    uint32_t room = free_bytes(p);
    size_t fit = n < room ? n : room;
    ssize_t result = load(&p->readers) ? 0 : -LINUX_EPIPE;
    if (!result && fit)
        result = ring_put(p, buf, fit, false);
    lock_release(&p->lock);
    if (result)
        return result;
    if (fit)
        wake_readers(p);
    async_tell(p->kernel, &p->readers_told, LINUX_POLL_IN);
    return (ssize_t)fit;
}

// --- Other operations ----------------------------------------------------------------------------

static uint32_t pipe_poll(struct file *file, struct poll_table *table)
{
    struct pipe *p = file->private;
    uint32_t ready = 0;
    if (file_is_readable(file)) {
        poll_wait(table, file, &p->readable);
        if (load(&p->used))
            ready |= READABLE;
        // A fifo opened before any writer came has not been hung up on. file->pos keeps the count
        // of writers there had been then; a stream has no other use for it.
        if (!load(&p->writers) && load(&p->writer_opens) != (uint32_t)file->pos)
            ready |= LINUX_POLLHUP;
    }
    if (file_is_writable(file)) {
        poll_wait(table, file, &p->writable);
        if (free_bytes(p) >= PIPE_ATOMIC)
            ready |= WRITABLE;
        if (!load(&p->readers))
            ready |= LINUX_POLLERR;
    }
    return ready;
}

static int64_t pipe_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct pipe *p = file->private;
    if (cmd != LINUX_FIONREAD)
        return -LINUX_ENOTTY;
    int32_t used = (int32_t)load(&p->used);
    return user_put(task, arg, &used);
}

// An end goes: its count drops, and whoever waits for it on the other side looks again.
static void end_closed(struct pipe *p, bool reads, bool writes)
{
    lock_acquire(&p->lock);
    if (reads)
        store(&p->readers, load(&p->readers) - 1);
    if (writes)
        store(&p->writers, load(&p->writers) - 1);
    bool one_sided = !load(&p->readers) != !load(&p->writers);
    if (!load(&p->readers) && !load(&p->writers)) {
        // Nobody can see the data any more, even if the fifo is opened again.
        segments_free(p);
        free(p->ring);
        p->ring = NULL;
        p->room = p->head = 0;
        store(&p->used, 0);
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
    end_closed(file->private, file_is_readable(file), file_is_writable(file));
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

static const struct file_ops pipe_file_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .set_async = pipe_set_async,
    .release = pipe_release,
};

struct pipe *pipe_of(const struct file *file)
{
    return file->ops == &pipe_file_ops ? file->private : NULL;
}

int64_t pipe_get_size(struct file *file)
{
    struct pipe *p = pipe_of(file);
    if (!p)
        return -LINUX_EBADF;
    return load(&p->capacity);
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
    if (capacity > load(&p->capacity) && capacity > PIPE_MAX_SIZE &&
        !task_capable(task, LINUX_CAP_SYS_RESOURCE))
        result = -LINUX_EPERM;
    else if (load(&p->used) + load(&p->padding) > capacity)
        result = -LINUX_EBUSY;
    else
        store(&p->capacity, capacity);
    lock_release(&p->lock);
    if (result > 0)
        wait_queue_wake(&p->writable, WRITABLE, false);
    return result;
}

// --- Opening -------------------------------------------------------------------------------------

// The inode's pipe, made when this is the first open.
static int attach(struct kernel *kernel, struct inode *inode, struct pipe **out)
{
    struct pipe *fresh = pipe_new(kernel);
    if (!fresh)
        return -LINUX_ENOMEM;
    lock_acquire(&inode->lock);
    if (!inode->attached) {
        inode->attached = fresh;
        inode->attached_free = pipe_free;
        fresh = NULL;
    }
    *out = inode->attached;
    lock_release(&inode->lock);
    pipe_free(fresh);
    return 0;
}

// Waits until *opens moves: the other end was opened, if only for a moment.
static int wait_for_partner(struct task *task, struct wait_queue *queue,
                            const _Atomic uint32_t *opens, uint32_t seen)
{
    struct task_waiter w;
    task_waiter_add(&w, task, queue, 0);
    int err = 0;
    while (load(opens) == seen && !err)
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    if (load(opens) != seen)
        err = 0;
    task_waiter_remove(&w);
    return err;
}

int pipe_open_fifo(struct inode *inode, struct file *file, const struct vfs_caller *c, void *ctx)
{
    struct pipe *p;
    int err = attach(ctx, inode, &p);
    if (err)
        return err;
    bool reads = file_is_readable(file), writes = file_is_writable(file);
    bool nonblock = file_flags(file) & LINUX_O_NONBLOCK || !c || !c->task;
    lock_acquire(&p->lock);
    if (writes && !reads && nonblock && !load(&p->readers)) {
        lock_release(&p->lock);
        return -LINUX_ENXIO;
    }
    uint32_t reader_opens = load(&p->reader_opens), writer_opens = load(&p->writer_opens);
    bool alone = reads ? !load(&p->writers) : !load(&p->readers);
    if (reads) {
        store(&p->reader_opens, reader_opens + 1);
        store(&p->readers, load(&p->readers) + 1);
    }
    if (writes) {
        store(&p->writer_opens, writer_opens + 1);
        store(&p->writers, load(&p->writers) + 1);
    }
    lock_release(&p->lock);
    wait_queue_wake(&p->readable, 0, false);
    wait_queue_wake(&p->writable, 0, false);
    if (alone && reads && !writes && nonblock)
        file->pos = writer_opens;
    else if (alone && reads && !writes)
        err = wait_for_partner(c->task, &p->readable, &p->writer_opens, writer_opens);
    else if (alone && writes && !reads)
        err = wait_for_partner(c->task, &p->writable, &p->reader_opens, reader_opens);
    if (err) {
        end_closed(p, reads, writes);
        return err;
    }
    file->ops = &pipe_file_ops;
    file->private = p;
    return 0;
}

static struct file *open_end(struct kernel *kernel, struct inode *inode, const struct cred *cred,
                             uint32_t flags, const char *name)
{
    struct file *file;
    return vfs_open_inode(kernel->vfs, inode, flags, cred, name, &file) ? NULL : file;
}

int pipe_create(struct kernel *kernel, const struct cred *cred, uint32_t flags,
                struct file **read_end, struct file **write_end)
{
    struct pipe *p = pipe_new(kernel);
    if (!p)
        return -LINUX_ENOMEM;
    struct inode *inode;
    int err = anon_inode_create(kernel->anon, kernel->anon->pipefs, LINUX_S_IFIFO | 0600, cred, p,
                                pipe_free, &inode);
    if (err)
        return err;
    char name[40];
    snprintf(name, sizeof name, "pipe:[%llu]", (unsigned long long)inode->ino);
    // Opened without waiting for the writer that is about to come.
    struct file *r = open_end(kernel, inode, cred, LINUX_O_RDONLY | LINUX_O_NONBLOCK, name);
    struct file *w = r ? open_end(kernel, inode, cred, LINUX_O_WRONLY | flags, name) : NULL;
    inode_put(inode);
    if (!w) {
        if (r)
            file_put(r);
        return -LINUX_ENOMEM;
    }
    // open(2) adds O_LARGEFILE, pipe(2) does not.
    uint32_t drop = LINUX_O_LARGEFILE | (flags & LINUX_O_NONBLOCK ? 0 : (uint32_t)LINUX_O_NONBLOCK);
    file_change_flags(r, 0, drop);
    file_change_flags(w, 0, LINUX_O_LARGEFILE);
    r->pos = UINT32_MAX; // its writer has been there: end of file is a hangup
    *read_end = r;
    *write_end = w;
    return 0;
}

int64_t sys_pipe2(struct task *task, uaddr_t fds, uint32_t flags)
{
    const uint32_t kept = LINUX_O_NONBLOCK | LINUX_O_DIRECT;
    if (flags & ~(LINUX_O_CLOEXEC | kept))
        return -LINUX_EINVAL;
    bool cloexec = flags & LINUX_O_CLOEXEC;
    struct file *r, *w;
    int err = pipe_create(task->kernel, task->cred, flags & kept, &r, &w);
    if (err)
        return err;
    int32_t out[2] = {fd_reserve(task, 0, cloexec), -1};
    if (out[0] >= 0)
        out[1] = fd_reserve(task, 0, cloexec);
    err = out[0] < 0 ? out[0] : out[1] < 0 ? out[1] : user_write(task, fds, out, sizeof out);
    if (err) {
        for (int i = 0; i < 2; i++)
            if (out[i] >= 0)
                fd_unreserve(task, out[i]);
        file_put(r);
        file_put(w);
        return err;
    }
    fd_fill(task, out[0], r);
    fd_fill(task, out[1], w);
    return 0;
}
