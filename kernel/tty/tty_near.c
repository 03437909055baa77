// Files of the near side: /dev/pts/N, /dev/tty, /dev/console.
#include "kernel/task.h"
#include "kernel/tty/tty_state.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/clock.h"
#include <stdlib.h>

enum {
    IN = LINUX_POLLIN | LINUX_POLLRDNORM,
    OUT = LINUX_POLLOUT | LINUX_POLLWRNORM,
    // Output is written in pieces of this size; one piece is not mixed with another writer's.
    PIECE = 2048,
};
#define DECISECOND_NS (NSEC_PER_SEC / 10)

bool tty_nonblock(const struct file *file, const struct iter *it)
{
    return it->nonblock || !it->task ||
           atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_NONBLOCK;
}

int tty_file_attach(struct file *file, struct tty *tty, const struct file_ops *ops)
{
    struct tty_file *f = calloc(1, sizeof *f);
    if (!f)
        return -LINUX_ENOMEM;
    f->tty = tty_get(tty);
    file->private = f;
    file->ops = ops;
    return 0;
}

int tty_near_open(struct tty *tty, struct file *file, struct task *task, bool noctty)
{
    int err = tty_file_attach(file, tty, &tty_near_ops);
    if (err)
        return err;
    struct tty_file *f = file->private;
    bool admin = !task || task_capable(task, LINUX_CAP_SYS_ADMIN);
    tty_lock(tty);
    if (tty->exclusive && !admin)
        err = -LINUX_EBUSY;
    else if (tty->locked || !tty->far_open)
        err = -LINUX_EIO;
    if (!err) {
        f->hangups = tty->hangups;
        tty->opens++;
        tty->near_left = false;
    }
    lock_release(&tty->lock);
    if (err) {
        tty_put(f->tty);
        free(f);
        file->private = NULL;
        return err;
    }
    bool reads = (atomic_load(&file->flags) & LINUX_O_ACCMODE) != LINUX_O_WRONLY;
    if (!noctty && task && reads)
        tty_acquire_at_open(tty, task);
    return 0;
}

static void near_release(struct file *file)
{
    struct tty_file *f = file->private;
    if (!f)
        return;
    struct tty *tty = f->tty;
    struct tty_due due = {0};
    tty_lock(tty);
    if (--tty->opens == 0) {
        tty->near_left = true;
        tty->exclusive = false;
        due.near_closed = tty->far_open;
    }
    tty_unlock(tty, &due);
    tty_put(tty);
    free(f);
}

// As Linux, to the precision of 8 seconds, so that nobody can time the keys of somebody else.
static void touch(_Atomic int64_t *time)
{
    int64_t now = (int64_t)clock_realtime_ns();
    int64_t old = atomic_load_explicit(time, memory_order_relaxed);
    const int64_t second = (int64_t)NSEC_PER_SEC;
    if ((now / second ^ old / second) & ~7)
        atomic_store_explicit(time, now / second * second, memory_order_relaxed);
}

// --- Waiting -------------------------------------------------------------------------------------

// A wait inside a transfer: queued once, at the first need, and then looked again before sleeping.
struct near_wait {
    struct task_waiter waiter;
    bool queued;
};

// Releases the lock, sleeps unless this is the first call, and takes the lock again.
static int near_sleep(struct tty *tty, struct near_wait *w, struct task *task, uint32_t events,
                      uint64_t deadline, struct tty_due *due) REQUIRES(&tty->lock)
{
    int err = 0;
    if (events == IN)
        tty_note_attention(tty);
    tty_unlock(tty, due);
    if (!w->queued) {
        task_waiter_add(&w->waiter, task, &tty->near_wait, events | LINUX_POLLHUP);
        w->queued = true;
    } else {
        err = task_wait(task, deadline, WAIT_INTERRUPTIBLE);
    }
    tty_lock(tty);
    return err;
}

static void near_wait_end(struct near_wait *w)
{
    if (w->queued)
        task_waiter_remove(&w->waiter);
}

// --- read ----------------------------------------------------------------------------------------

// How long a read may take, by VMIN and VTIME.
struct patience {
    size_t minimum;    // bytes that satisfy it
    uint64_t deadline; // for the next byte
    uint64_t between;  // nanoseconds allowed after each byte; 0: no limit
};

static struct patience patience_of(const struct ldisc *ld)
{
    const uint8_t *cc = ld->termios.c_cc;
    struct patience p = {0, WAIT_FOREVER, 0};
    if (ld->termios.c_lflag & LINUX_ICANON)
        return p;
    uint64_t time = cc[LINUX_VTIME] * DECISECOND_NS;
    p.minimum = cc[LINUX_VMIN] ? cc[LINUX_VMIN] : 1;
    if (cc[LINUX_VMIN])
        p.between = time;
    else
        p.deadline = time ? clock_monotonic_ns() + time : 0;
    return p;
}

// Moves what is there to the reader. Returns the bytes, -LINUX_EFAULT; *done: the read is over.
static ssize_t read_available(struct tty *tty, struct iter *it, bool *done, struct tty_due *due)
    REQUIRES(&tty->lock)
{
    uint8_t bytes[LDISC_INPUT_SIZE];
    size_t want = it->left < sizeof bytes ? it->left : sizeof bytes;
    bool line_end, canonical = ldisc_canonical(&tty->ldisc);
    size_t n = ldisc_read(&tty->ldisc, bytes, want, &line_end);
    tty_take_typed(tty, due);
    tty_unlock(tty, due);
    size_t copied = it->ops->copy_out(it, bytes, n);
    tty_lock(tty);
    *done = canonical || line_end || copied < n;
    return copied || !n ? (ssize_t)copied : -LINUX_EFAULT;
}

// Why a read that finds nothing does not wait: 0 for no reason, 1 for an end of file.
static int read_cannot_wait(const struct tty_file *f, const struct file *file,
                            const struct iter *it, const struct patience *p)
{
    if (!f->tty->far_open)
        return -LINUX_EIO;
    if (tty_file_dead(f) || !p->deadline)
        return 1;
    return tty_nonblock(file, it) ? -LINUX_EAGAIN : 0;
}

static ssize_t read_loop(struct tty *tty, struct file *file, struct iter *it, struct near_wait *w,
                         struct tty_due *due) REQUIRES(&tty->lock)
{
    struct tty_file *f = file->private;
    struct patience p = patience_of(&tty->ldisc);
    size_t got = 0;
    bool done = false;
    while (it->left && !done) {
        if (ldisc_readable(&tty->ldisc, false)) {
            ssize_t n = read_available(tty, it, &done, due);
            if (n < 0)
                return got ? (ssize_t)got : n;
            got += (size_t)n;
            if (got >= p.minimum)
                break;
            if (p.between)
                p.deadline = clock_monotonic_ns() + p.between;
            continue;
        }
        int err = read_cannot_wait(f, file, it, &p);
        if (!err)
            err = near_sleep(tty, w, it->task, IN, p.deadline, due);
        if (err)
            return got || err == 1 || err == -LINUX_ETIMEDOUT ? (ssize_t)got : err;
    }
    return (ssize_t)got;
}

static ssize_t near_read(struct file *file, struct iter *it, uint64_t *pos)
{
    struct tty_file *f = file->private;
    struct tty *tty = f->tty;
    tty_lock(tty);
    bool dead = tty_file_dead(f);
    lock_release(&tty->lock);
    if (dead)
        return 0;
    int err = it->task ? tty_check_change(tty, it->task, LINUX_SIGTTIN) : 0;
    if (err)
        return err;
    struct near_wait w = {.queued = false};
    struct tty_due due = {0};
    tty_lock(tty);
    ssize_t n = read_loop(tty, file, it, &w, &due);
    tty_unlock(tty, &due);
    near_wait_end(&w);
    if (n > 0)
        touch(&tty->read_time);
    return n;
}

// --- write ---------------------------------------------------------------------------------------

static int write_check(const struct tty_file *f)
{
    return tty_file_dead(f) || !f->tty->far_open ? -LINUX_EIO : 0;
}

// One writer at a time, so that pieces are not mixed. With the lock held.
static int begin_writing(struct tty *tty, struct file *file, const struct iter *it,
                         struct near_wait *w, struct tty_due *due) REQUIRES(&tty->lock)
{
    struct tty_file *f = file->private;
    int err = write_check(f);
    while (!err && tty->writing) {
        err = tty_nonblock(file, it) ? -LINUX_EAGAIN
                                     : near_sleep(tty, w, it->task, OUT, WAIT_FOREVER, due);
        if (!err)
            err = write_check(f);
    }
    if (!err)
        tty->writing = true;
    return err;
}

// Writes one piece; returns the bytes written and why it stopped in *err.
static size_t write_piece(struct file *file, const struct iter *it, const uint8_t *bytes, size_t n,
                          struct near_wait *w, struct tty_due *due, int *err) NO_TSA
{
    struct tty_file *f = file->private;
    size_t done = 0;
    for (;;) {
        *err = write_check(f);
        if (*err)
            return done;
        done += tty_put_output(f->tty, bytes + done, n - done, due);
        if (done == n)
            return done;
        if (due->output) { // the far end may take it at once
            tty_unlock(f->tty, due);
            tty_lock(f->tty);
            if (byte_queue_room(&f->tty->output) && !f->tty->ldisc.stopped)
                continue;
        }
        f->tty->near_short = true;
        *err = tty_nonblock(file, it) ? -LINUX_EAGAIN
                                      : near_sleep(f->tty, w, it->task, OUT, WAIT_FOREVER, due);
        if (*err)
            return done;
    }
}

static ssize_t near_write(struct file *file, struct iter *it, uint64_t *pos)
{
    struct tty_file *f = file->private;
    struct tty *tty = f->tty;
    tty_lock(tty);
    bool tostop = tty->ldisc.termios.c_lflag & LINUX_TOSTOP && !tty_file_dead(f);
    lock_release(&tty->lock);
    int err = tostop && it->task ? tty_check_change(tty, it->task, LINUX_SIGTTOU) : 0;
    if (err)
        return err;
    struct near_wait w = {.queued = false};
    struct tty_due due = {0};
    size_t total = 0;
    tty_lock(tty);
    err = begin_writing(tty, file, it, &w, &due);
    bool writing = !err;
    while (!err && it->left) {
        uint8_t bytes[PIECE];
        size_t want = it->left < PIECE ? it->left : PIECE;
        tty_unlock(tty, &due);
        size_t n = it->ops->copy_in(it, bytes, want);
        tty_lock(tty);
        if (n < want)
            err = -LINUX_EFAULT; // nothing of this piece
        else
            total += write_piece(file, it, bytes, n, &w, &due, &err);
        if (!err && it->left && it->task && task_signal_pending(it->task))
            err = -ERESTARTSYS;
    }
    if (writing) {
        tty->writing = false;
        wait_queue_wake(&tty->near_wait, OUT, false);
    }
    tty_unlock(tty, &due);
    near_wait_end(&w);
    if (total)
        touch(&tty->write_time);
    return total || !err ? (ssize_t)total : err;
}

// --- poll and ioctl ------------------------------------------------------------------------------

static uint32_t near_poll(struct file *file, struct poll_table *table)
{
    struct tty_file *f = file->private;
    struct tty *tty = f->tty;
    uint32_t events = 0;
    poll_wait(table, file, &tty->near_wait);
    tty_lock(tty);
    if (tty_file_dead(f)) {
        events = IN | OUT | LINUX_POLLERR | LINUX_POLLHUP;
    } else {
        if (ldisc_readable(&tty->ldisc, true))
            events |= IN;
        else if (table)
            tty_note_attention(tty);
        if (!tty->far_open)
            events |= LINUX_POLLHUP;
        if (!tty->ldisc.stopped && !tty->writing && byte_queue_room(&tty->output))
            events |= OUT;
    }
    lock_release(&tty->lock);
    return events;
}

static int64_t near_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct tty_file *f = file->private;
    tty_lock(f->tty);
    bool dead = tty_file_dead(f);
    lock_release(&f->tty->lock);
    if (dead)
        return cmd == LINUX_TIOCSPGRP ? -LINUX_ENOTTY : -LINUX_EIO;
    return tty_common_ioctl(f->tty, file, task, cmd, arg, true);
}

int tty_set_async(struct file *file, struct task *task, int fd, bool on, struct async_list *list)
{
    struct tty *tty = ((struct tty_file *)file->private)->tty;
    int err = async_join(file, task, fd, on, &list, 1);
    if (err || !on)
        return err;
    tty_lock(tty);
    struct pgrp *foreground = tty->foreground ? pgrp_get(tty->foreground) : NULL;
    lock_release(&tty->lock);
    err = async_own(file, task, foreground);
    pgrp_put(foreground);
    return err;
}

static int near_set_async(struct file *file, struct task *task, int fd, bool on)
{
    const struct tty_file *f = file->private;
    tty_lock(f->tty);
    bool dead = tty_file_dead(f);
    lock_release(&f->tty->lock);
    return dead ? -LINUX_ENOTTY : tty_set_async(file, task, fd, on, &f->tty->near_told);
}

const struct file_ops tty_near_ops = {
    .traits = FILE_SPLICE,
    .read = near_read,
    .write = near_write,
    .poll = near_poll,
    .ioctl = near_ioctl,
    .set_async = near_set_async,
    .release = near_release,
};
