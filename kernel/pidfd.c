#include "kernel/pidfd.h"
#include "kernel/cred.h"
#include "kernel/fd.h"
#include "kernel/pid_ns.h"
#include "kernel/proc/proc.h"
#include "kernel/process.h"
#include "kernel/signal_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/trace_access.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include <stdio.h>

static uint32_t pidfd_poll(struct file *file, struct poll_table *table)
{
    struct process *p = file->private;
    poll_wait(table, file, &p->exit_wait);
    return atomic_load_explicit(&p->exited, memory_order_acquire) ? LINUX_POLLIN | LINUX_POLLRDNORM
                                                                  : 0;
}

static size_t pidfd_fdinfo(struct file *file, char *buf, size_t size)
{
    const struct process *p = file->private;
    int pid = atomic_load_explicit(&p->exited, memory_order_acquire) ? -1 : p->pid;
    return (size_t)snprintf(buf, size, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static void pidfd_release(struct file *file)
{
    process_put(file->private);
}

static const struct file_ops pidfd_ops = {
    .poll = pidfd_poll,
    .show_fdinfo = pidfd_fdinfo,
    .release = pidfd_release,
};

static struct file *make_file(struct process *process, uint32_t flags)
{
    struct file *file =
        file_create(&pidfd_ops, process_get(process), LINUX_O_RDWR | flags, "anon_inode:[pidfd]");
    if (!file)
        process_put(process);
    return file;
}

int pidfd_reserve(struct task *task, struct process *process, uaddr_t addr,
                  struct pidfd_reservation *out)
{
    struct file *file = make_file(process, 0);
    if (!file)
        return -LINUX_ENOMEM;
    int fd = fd_reserve(task, 0, true);
    if (fd < 0) {
        file_put(file);
        return fd;
    }
    *out = (struct pidfd_reservation){file, fd};
    return user_put(task, addr, &fd);
}

void pidfd_commit(struct task *task, struct pidfd_reservation *r)
{
    fd_fill(task, r->fd, r->file);
}

void pidfd_cancel(struct task *task, struct pidfd_reservation *r)
{
    if (!r->file)
        return;
    fd_unreserve(task, r->fd);
    file_put(r->file);
}

int pidfd_process(struct task *task, int32_t fd, struct process **out)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int err = -LINUX_EBADF;
    if (file->ops == &pidfd_ops) {
        *out = process_get(file->private);
        err = 0;
    }
    file_put(file);
    return err;
}

int pidfd_leader(struct task *task, int32_t fd, struct task **out)
{
    struct process *p;
    int err = pidfd_process(task, fd, &p);
    if (err)
        return err;
    *out = process_leader_get(p);
    process_put(p);
    return *out ? 0 : -LINUX_ESRCH;
}

bool pidfd_nonblocking(struct task *task, int32_t fd)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return false;
    bool nonblock = atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_NONBLOCK;
    file_put(file);
    return nonblock;
}

int64_t sys_pidfd_open(struct task *task, int32_t pid, uint32_t flags)
{
    if (flags & ~(uint32_t)LINUX_O_NONBLOCK || pid <= 0)
        return -LINUX_EINVAL;
    pid = pid_arg(task, pid);
    struct process *p = process_find(task->kernel, pid);
    if (!p) {
        struct task *thread = task_find(task->kernel, pid);
        task_put(thread);
        return thread ? -LINUX_EINVAL : -LINUX_ESRCH;
    }
    struct file *file = make_file(p, flags);
    process_put(p);
    return file ? fd_install(task, file, 0, true) : -LINUX_ENOMEM;
}

// The process a descriptor stands for: a pidfd, or the directory /proc/PID.
static int signalled_task(struct task *task, int32_t fd, struct task **out)
{
    int err = pidfd_leader(task, fd, out);
    if (err != -LINUX_EBADF)
        return err;
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    err = proc_dir_task(file, out);
    file_put(file);
    return err;
}

int64_t sys_pidfd_send_signal(struct task *task, int32_t pidfd, int32_t sig, uaddr_t info,
                              uint32_t flags)
{
    if (flags)
        return -LINUX_EINVAL;
    struct task *target;
    int err = signalled_task(task, pidfd, &target);
    if (err)
        return err;
    struct siginfo si = {
        .signo = sig, .code = LINUX_SI_USER, .pid = task->tgid, .uid = task->cred->uid};
    int32_t said = sig; // in the information
    if (sig < 0 || sig > LINUX_NSIG)
        err = -LINUX_EINVAL;
    else if (info)
        err = user_get(task, info, &said) ? -LINUX_EFAULT
                                          : signal_info_from_guest(task, info, sig, &si);
    if (!err && said != sig)
        err = -LINUX_EINVAL;
    if (!err && info && signal_info_pretends(&si) && target->process != task->process)
        err = -LINUX_EPERM;
    if (!err)
        err = signal_kill(task, target, &si, sig);
    task_put(target);
    return err;
}

int64_t sys_pidfd_getfd(struct task *task, int32_t pidfd, int32_t targetfd, uint32_t flags)
{
    if (flags)
        return -LINUX_EINVAL;
    struct task *target;
    int err = pidfd_leader(task, pidfd, &target);
    if (err)
        return err;
    bool allowed = task_may_trace(task, target);
    struct fd_table *files = allowed ? task_files_get(target) : NULL;
    struct file *file = NULL;
    if (files) {
        bool cloexec;
        file = fd_table_lookup(files, targetfd, &cloexec);
        fd_table_put(files, task);
    }
    task_put(target);
    if (!file)
        return allowed ? -LINUX_EBADF : -LINUX_EPERM;
    return fd_install(task, file, 0, true);
}
