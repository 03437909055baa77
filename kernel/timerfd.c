// timerfd: a timer that is read.
#include "kernel/clock_read.h"
#include "kernel/cred.h"
#include "kernel/fd.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/timer.h"
#include "kernel/timespec.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/clock.h"
#include <stdio.h>
#include <stdlib.h>

struct timerfd {
    struct timer timer;
    struct kernel *kernel; // immutable
    int32_t clock;         // immutable
    struct lock lock;      // rank socket
    // Guarded by lock.
    uint64_t ticks; // expirations not read yet
    bool active;
    uint64_t deadline_ns, interval_ns; // monotonic; interval 0: once
    uint32_t settime_flags;
    struct wait_queue queue;
};

// Counts what expired up to now and moves to the next period. The lock is held.
static void expire(struct timerfd *t)
{
    uint64_t now = clock_monotonic_ns();
    if (!t->active || now < t->deadline_ns)
        return;
    uint64_t periods = 1;
    if (t->interval_ns) {
        periods += (now - t->deadline_ns) / t->interval_ns;
        t->deadline_ns += periods * t->interval_ns;
    } else {
        t->active = false;
    }
    t->ticks += periods;
}

// A periodic timer that nobody reads fires once: the count is brought up to date by the reader.
static void fire(struct timer *timer)
{
    struct timerfd *t = CONTAINER_OF(timer, struct timerfd, timer);
    lock_acquire(&t->lock);
    expire(t);
    bool ready = t->ticks != 0;
    lock_release(&t->lock);
    if (ready)
        wait_queue_wake(&t->queue, LINUX_POLLIN, false);
}

static void arm(struct timerfd *t)
{
    if (t->active)
        timer_arm(t->kernel->timers, &t->timer, t->deadline_ns);
    else
        timer_disarm(t->kernel->timers, &t->timer);
}

static uint64_t take_ticks(struct timerfd *t)
{
    lock_acquire(&t->lock);
    expire(t);
    uint64_t ticks = t->ticks;
    t->ticks = 0;
    if (ticks)
        arm(t);
    lock_release(&t->lock);
    return ticks;
}

static ssize_t timerfd_read(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    struct timerfd *t = file->private;
    if (it->left < sizeof(uint64_t))
        return -LINUX_EINVAL;
    uint64_t ticks = take_ticks(t);
    int err = 0;
    if (!ticks) {
        if (it->nonblock || !it->task)
            return -LINUX_EAGAIN;
        struct task_waiter w;
        task_waiter_add(&w, it->task, &t->queue, LINUX_POLLIN);
        while (!(ticks = take_ticks(t)) && !err)
            err = task_wait(it->task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
        task_waiter_remove(&w);
    }
    if (!ticks)
        return err;
    err = iter_put(it, &ticks, sizeof ticks);
    return err ? err : (ssize_t)sizeof ticks;
}

static uint32_t timerfd_poll(struct file *file, struct poll_table *table)
{
    struct timerfd *t = file->private;
    poll_wait(table, file, &t->queue);
    lock_acquire(&t->lock);
    uint32_t ready = t->ticks ? LINUX_POLLIN : 0;
    lock_release(&t->lock);
    return ready;
}

// process->lock-free snapshot of what is left. The lock is held.
static struct linux_itimerspec value_of(struct timerfd *t)
{
    struct linux_itimerspec v = {.interval = timespec_from_ns(t->interval_ns)};
    uint64_t now = clock_monotonic_ns();
    if (t->active)
        v.value = timespec_from_ns(t->deadline_ns > now ? t->deadline_ns - now : 1);
    return v;
}

static size_t timerfd_fdinfo(struct file *file, char *buf, size_t size)
{
    struct timerfd *t = file->private;
    lock_acquire(&t->lock);
    struct linux_itimerspec v = value_of(t);
    const size_t n = (size_t)snprintf(
        buf, size,
        "clockid: %d\nticks: %llu\nsettime flags: 0%o\nit_value: (%lld, %lld)\n"
        "it_interval: (%lld, %lld)\n",
        t->clock, (unsigned long long)t->ticks, t->settime_flags, (long long)v.value.sec,
        (long long)v.value.nsec, (long long)v.interval.sec, (long long)v.interval.nsec);
    lock_release(&t->lock);
    return n;
}

static void timerfd_release(struct file *file)
{
    struct timerfd *t = file->private;
    timer_cancel(t->kernel->timers, &t->timer);
    wait_queue_destroy(&t->queue);
    lock_destroy(&t->lock);
    free(t);
}

static const struct file_ops timerfd_ops = {
    .traits = FILE_NOWAIT_READ,
    .read = timerfd_read,
    .poll = timerfd_poll,
    .show_fdinfo = timerfd_fdinfo,
    .release = timerfd_release,
};

// --- System calls --------------------------------------------------------------------------------

int64_t sys_timerfd_create(struct task *task, int32_t clock, uint32_t flags)
{
    if (flags & ~(uint32_t)(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK) ||
        (clock != LINUX_CLOCK_MONOTONIC && clock != LINUX_CLOCK_REALTIME &&
         clock != LINUX_CLOCK_REALTIME_ALARM && clock != LINUX_CLOCK_BOOTTIME &&
         clock != LINUX_CLOCK_BOOTTIME_ALARM))
        return -LINUX_EINVAL;
    struct timerfd *t = calloc(1, sizeof *t);
    if (!t)
        return -LINUX_ENOMEM;
    timer_init(&t->timer, fire);
    t->kernel = task->kernel;
    t->clock = clock;
    lock_init(&t->lock, LOCK_RANK_SOCKET);
    wait_queue_init(&t->queue);
    struct file *file = file_create(&timerfd_ops, t, LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK),
                                    "anon_inode:[timerfd]");
    if (!file) {
        wait_queue_destroy(&t->queue);
        lock_destroy(&t->lock);
        free(t);
        return -LINUX_ENOMEM;
    }
    return fd_install(task, file, 0, flags & LINUX_O_CLOEXEC);
}

// The timer of a descriptor; *file is referenced.
static int find(struct task *task, int32_t fd, struct file **file, struct timerfd **out)
{
    *file = fd_get_io(task, fd);
    if (!*file)
        return -LINUX_EBADF;
    if ((*file)->ops != &timerfd_ops) {
        file_put(*file);
        return -LINUX_EINVAL;
    }
    *out = (*file)->private;
    return 0;
}

int64_t sys_timerfd_settime(struct task *task, int32_t fd, uint32_t flags, uaddr_t value,
                            uaddr_t old)
{
    struct linux_itimerspec v, before;
    uint64_t ns, interval;
    struct file *file;
    struct timerfd *t;
    if (user_get(task, value, &v))
        return -LINUX_EFAULT;
    if (flags & ~(uint32_t)(LINUX_TIMER_ABSTIME | LINUX_TFD_TIMER_CANCEL_ON_SET) ||
        timespec_to_ns(&v.value, &ns) || timespec_to_ns(&v.interval, &interval))
        return -LINUX_EINVAL;
    int err = find(task, fd, &file, &t);
    if (err)
        return err;
    lock_acquire(&t->lock);
    expire(t);
    before = value_of(t);
    t->ticks = 0;
    t->active = ns != 0;
    t->interval_ns = interval;
    t->settime_flags = flags;
    t->deadline_ns =
        flags & LINUX_TIMER_ABSTIME ? clock_deadline(t->clock, ns) : timespec_deadline(ns);
    arm(t);
    lock_release(&t->lock);
    file_put(file);
    return old && user_put(task, old, &before) ? -LINUX_EFAULT : 0;
}

int64_t sys_timerfd_gettime(struct task *task, int32_t fd, uaddr_t value)
{
    struct file *file;
    struct timerfd *t;
    int err = find(task, fd, &file, &t);
    if (err)
        return err;
    lock_acquire(&t->lock);
    expire(t);
    struct linux_itimerspec v = value_of(t);
    arm(t);
    lock_release(&t->lock);
    file_put(file);
    return user_put(task, value, &v);
}
