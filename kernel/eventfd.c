// eventfd: a counter that can be waited for.
#include "kernel/eventfd.h"
#include "kernel/file.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include <stdio.h>
#include <stdlib.h>

enum { EFD_SEMAPHORE = 1 };
#define EVENTFD_MAX (UINT64_MAX - 1)

struct eventfd {
    struct lock lock; // rank socket
    uint64_t count;   // guarded by lock
    bool semaphore;   // immutable
    struct wait_queue queue;
};

// Takes what a read returns; 0 when there is nothing.
static uint64_t take(struct eventfd *e)
{
    lock_acquire(&e->lock);
    uint64_t value = e->semaphore && e->count ? 1 : e->count;
    e->count -= value;
    lock_release(&e->lock);
    if (value)
        wait_queue_wake(&e->queue, LINUX_POLLOUT, true);
    return value;
}

static bool add(struct eventfd *e, uint64_t value)
{
    lock_acquire(&e->lock);
    bool fits = value <= EVENTFD_MAX - e->count;
    if (fits)
        e->count += value;
    lock_release(&e->lock);
    if (fits && value)
        wait_queue_wake(&e->queue, LINUX_POLLIN, true);
    return fits;
}

static ssize_t eventfd_read(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    struct eventfd *e = file->private;
    if (it->left < sizeof(uint64_t))
        return -LINUX_EINVAL;
    uint64_t value = take(e);
    int err = 0;
    if (!value) {
        if (it->nonblock || !it->task)
            return -LINUX_EAGAIN;
        struct task_waiter w;
        task_waiter_add(&w, it->task, &e->queue, LINUX_POLLIN);
        while (!(value = take(e)) && !err)
            err = task_wait(it->task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
        task_waiter_remove(&w);
    }
    if (value)
        err = iter_put(it, &value, sizeof value);
    return err ? err : (ssize_t)sizeof value;
}

static ssize_t eventfd_write(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    struct eventfd *e = file->private;
    if (it->left < sizeof(uint64_t))
        return -LINUX_EINVAL;
    uint64_t value;
    int err = iter_get(it, &value, sizeof value);
    if (err)
        return err;
    if (value == UINT64_MAX)
        return -LINUX_EINVAL;
    bool added = add(e, value);
    if (!added) {
        if (it->nonblock || !it->task)
            return -LINUX_EAGAIN;
        struct task_waiter w;
        task_waiter_add(&w, it->task, &e->queue, LINUX_POLLOUT);
        while (!(added = add(e, value)) && !err)
            err = task_wait(it->task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
        task_waiter_remove(&w);
    }
    return added ? (ssize_t)sizeof value : err;
}

static uint32_t eventfd_poll(struct file *file, struct poll_table *table)
{
    struct eventfd *e = file->private;
    poll_wait(table, file, &e->queue);
    lock_acquire(&e->lock);
    uint64_t count = e->count;
    lock_release(&e->lock);
    return (count > 0 ? (uint32_t)LINUX_POLLIN : 0) |
           (count < EVENTFD_MAX ? (uint32_t)LINUX_POLLOUT : 0);
}

static int64_t eventfd_seek(struct file *file, int64_t offset, unsigned whence)
{
    (void)file, (void)offset, (void)whence;
    return 0; // it stays where it is
}

static size_t eventfd_show(struct file *file, char *buf, size_t size)
{
    struct eventfd *e = file->private;
    lock_acquire(&e->lock);
    uint64_t count = e->count;
    lock_release(&e->lock);
    int n = snprintf(buf, size, "eventfd-count: %16llx\n", (unsigned long long)count);
    return n > 0 ? (size_t)n : 0;
}

static void eventfd_release(struct file *file)
{
    struct eventfd *e = file->private;
    wait_queue_destroy(&e->queue);
    lock_destroy(&e->lock);
    free(e);
}

static const struct file_ops eventfd_ops = {
    .traits = FILE_NOWAIT_READ,
    .read = eventfd_read,
    .write = eventfd_write,
    .seek = eventfd_seek,
    .poll = eventfd_poll,
    .show_fdinfo = eventfd_show,
    .release = eventfd_release,
};

bool file_is_eventfd(const struct file *file)
{
    return file->ops == &eventfd_ops;
}

void eventfd_signal(struct file *file)
{
    (void)add(file->private, 1);
}

int64_t sys_eventfd2(struct task *task, uint32_t initval, uint32_t flags)
{
    const uint32_t known = EFD_SEMAPHORE | LINUX_O_CLOEXEC | LINUX_O_NONBLOCK;
    if (flags & ~known)
        return -LINUX_EINVAL;
    struct eventfd *e = malloc(sizeof *e);
    if (!e)
        return -LINUX_ENOMEM;
    lock_init(&e->lock, LOCK_RANK_SOCKET);
    wait_queue_init(&e->queue);
    e->count = initval;
    e->semaphore = flags & EFD_SEMAPHORE;
    struct file *file = file_create(&eventfd_ops, e, LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK),
                                    "anon_inode:[eventfd]");
    if (!file) {
        wait_queue_destroy(&e->queue);
        lock_destroy(&e->lock);
        free(e);
        return -LINUX_ENOMEM;
    }
    return fd_install(task, file, 0, flags & LINUX_O_CLOEXEC);
}
