// signalfd: signals that are read. Readiness is that of the process that made the descriptor; a
// read takes the signals of the reading thread, as on Linux.
#include "kernel/fd.h"
#include "kernel/process.h"
#include "kernel/signal_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include <stdio.h>
#include <stdlib.h>

struct signalfd {
    struct process *process; // immutable, referenced: whose signals poll() looks at
    _Atomic uint64_t mask;   // signals it takes
};

static uint64_t mask_of(const struct signalfd *s)
{
    return atomic_load_explicit(&s->mask, memory_order_relaxed);
}

static struct linux_signalfd_siginfo to_guest(const struct siginfo *i)
{
    return (struct linux_signalfd_siginfo){
        .signo = (uint32_t)i->signo,
        .error = i->error,
        .code = i->code,
        .pid = (uint32_t)i->pid,
        .uid = i->uid,
        .fd = i->fd,
        .tid = (uint32_t)i->timer_id,
        .band = (uint32_t)i->band,
        .overrun = (uint32_t)i->overrun,
        .status = i->status,
        .value_int = (int32_t)i->value,
        .value = i->value,
        .utime = i->utime,
        .stime = i->stime,
        .addr = i->addr,
        .syscall = i->syscall,
        .call_addr = i->call_addr,
    };
}

static int take(struct task *task, uint64_t mask, struct siginfo *info)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    int signo = signal_dequeue(task, ~mask, info);
    lock_release(&p->lock);
    return signo;
}

static int wait_and_take(struct task *task, const struct signalfd *s, struct siginfo *info)
{
    struct task_waiter w;
    int signo, err = 0;
    task_waiter_add(&w, task, &task->process->signal_wait, LINUX_POLLIN);
    while (!(signo = take(task, mask_of(s), info)) && !err)
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    task_waiter_remove(&w);
    return signo ? signo : err;
}

static ssize_t signalfd_read(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    const struct signalfd *s = file->private;
    struct task *task = it->task;
    ssize_t done = 0;
    if (it->left < sizeof(struct linux_signalfd_siginfo) || !task)
        return -LINUX_EINVAL;
    while (it->left >= sizeof(struct linux_signalfd_siginfo)) {
        struct siginfo info;
        int signo = take(task, mask_of(s), &info);
        if (!signo && done)
            break;
        if (!signo)
            signo = it->nonblock ? -LINUX_EAGAIN : wait_and_take(task, s, &info);
        if (signo < 0)
            return signo;
        signal_info_seen(task, &info);
        struct linux_signalfd_siginfo out = to_guest(&info);
        int err = iter_put(it, &out, sizeof out);
        if (err)
            return done ? done : err;
        done += (ssize_t)sizeof out;
    }
    return done;
}

static uint32_t signalfd_poll(struct file *file, struct poll_table *table)
{
    const struct signalfd *s = file->private;
    struct process *p = s->process;
    poll_wait(table, file, &p->signal_wait);
    lock_acquire(&p->lock);
    uint64_t pending = p->pending.set;
    struct task *t;
    list_for_each (t, &p->threads, thread_link)
        pending |= t->pending.set;
    lock_release(&p->lock);
    return pending & mask_of(s) ? LINUX_POLLIN : 0;
}

static size_t signalfd_fdinfo(struct file *file, char *buf, size_t size)
{
    const struct signalfd *s = file->private;
    return (size_t)snprintf(buf, size, "sigmask:\t%016llx\n", (unsigned long long)mask_of(s));
}

static void signalfd_release(struct file *file)
{
    struct signalfd *s = file->private;
    process_put(s->process);
    free(s);
}

static const struct file_ops signalfd_ops = {
    .traits = FILE_NOWAIT_READ,
    .read = signalfd_read,
    .poll = signalfd_poll,
    .show_fdinfo = signalfd_fdinfo,
    .release = signalfd_release,
};

static int64_t make(struct task *task, uint64_t mask, uint32_t flags)
{
    struct signalfd *s = calloc(1, sizeof *s);
    if (!s)
        return -LINUX_ENOMEM;
    s->process = process_get(task->process);
    atomic_init(&s->mask, mask);
    struct file *file = file_create(&signalfd_ops, s, LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK),
                                    "anon_inode:[signalfd]");
    if (!file) {
        process_put(s->process);
        free(s);
        return -LINUX_ENOMEM;
    }
    return fd_install(task, file, 0, flags & LINUX_O_CLOEXEC);
}

int64_t sys_signalfd4(struct task *task, int32_t fd, uaddr_t mask, uint64_t sigsetsize,
                      uint32_t flags)
{
    uint64_t set;
    if (sigsetsize != sizeof set || flags & ~(uint32_t)(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK))
        return -LINUX_EINVAL;
    if (user_get(task, mask, &set))
        return -LINUX_EFAULT;
    set &= ~SIGNAL_UNBLOCKABLE;
    if (fd == -1)
        return make(task, set, flags);
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int64_t result = -LINUX_EINVAL;
    if (file->ops == &signalfd_ops) {
        struct signalfd *s = file->private;
        atomic_store_explicit(&s->mask, set, memory_order_relaxed);
        wait_queue_wake(&s->process->signal_wait, LINUX_POLLIN, false);
        result = fd;
    }
    file_put(file);
    return result;
}
