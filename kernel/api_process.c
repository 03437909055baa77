// The library: processes started from outside. Layer 5.
#include "kernel/api_internal.h"
#include "kernel/cred.h"
#include "kernel/fd.h"
#include "kernel/group.h"
#include "kernel/host_fd.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/task.h"
#include "kernel/tty/tty.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

// --- Starting ------------------------------------------------------------------------------------

// The files 0..2 of the new process. `tty` is opened once, however many of them it is.
static int open_descriptors(struct kernel *kernel, const ish_spawn *spawn, struct tty *tty,
                            const struct cred *cred, struct fd_table *files)
{
    struct file *terminal = NULL;
    int err = tty ? tty_backend_open(tty, cred, &terminal) : 0;
    for (int fd = 0; fd < 3 && !err; fd++) {
        int source = spawn->descriptors[fd];
        struct file *file = NULL;
        if (source == ISH_FD_CLOSED)
            continue;
        if (source >= 0)
            err = host_fd_open(kernel, source, cred, &file);
        else if (source == ISH_FD_TERMINAL && terminal)
            file = file_get(terminal);
        else
            err = -LINUX_EINVAL;
        if (!err)
            err = fd_table_set(files, fd, file);
    }
    file_put(terminal);
    return err;
}

static int make_files(struct kernel *kernel, const ish_spawn *spawn, struct tty *tty,
                      struct fd_table **out)
{
    struct cred *cred = cred_create_user(spawn->uid, spawn->gid);
    if (!cred)
        return -LINUX_ENOMEM;
    int err = fd_table_create(out);
    if (!err) {
        err = open_descriptors(kernel, spawn, tty, cred, *out);
        if (err)
            fd_table_put(*out, NULL);
    }
    cred_put(cred);
    return err;
}

static int take_terminal(struct task *task, void *context)
{
    return tty_set_controlling(context, task);
}

static int start(struct ish_kernel *k, const ish_spawn *spawn, struct task **out)
{
    struct tty *tty = spawn->terminal ? spawn->terminal->tty : NULL;
    struct task_spawn task_spawn_args = {
        .path = spawn->path,
        .argv = spawn->argv,
        .envp = spawn->envp,
        .cwd = spawn->cwd,
        .uid = spawn->uid,
        .gid = spawn->gid,
        .prepare = tty ? take_terminal : NULL,
        .context = tty,
        .debugger = spawn->debugger,
    };
    int err = make_files(k->kernel, spawn, tty, &task_spawn_args.files);
    return err ? err : task_spawn(k->kernel, &task_spawn_args, out);
}

int ish_process_start(ish_kernel *k, const ish_spawn *given, ish_process **out)
{
    ish_spawn spawn;
    if (!api_copy_sized(&spawn, sizeof spawn, given, given->size) || !spawn.path || !spawn.argv ||
        !spawn.argv[0] || !spawn.envp)
        return -LINUX_EINVAL;
    if (spawn.terminal && spawn.terminal->owner != k)
        return -LINUX_EINVAL;
    struct ish_process *p = calloc(1, sizeof *p);
    if (!p)
        return -LINUX_ENOMEM;
    int err = api_enter(k) ? 0 : -LINUX_ESRCH;
    if (!err) {
        err = start(k, &spawn, &p->task);
        if (!err) {
            p->owner = api_get(k);
            p->pid = p->task->tgid;
            lock_acquire(&k->lock);
            list_add_tail(&k->processes, &p->link);
            lock_release(&k->lock);
        }
        api_leave(k);
    }
    if (err) {
        free(p);
        return err;
    }
    *out = p;
    return 0;
}

// --- Handles -------------------------------------------------------------------------------------

int ish_process_pid(const ish_process *process)
{
    return process->pid;
}

int ish_process_wait(ish_process *p, int *status)
{
    struct ish_kernel *k = p->owner;
    if (api_enter(k)) {
        *status = task_join(p->task);
        api_leave(k);
        return 0;
    }
    lock_acquire(&k->lock);
    while (k->kernel)
        cond_wait(&k->changed, &k->lock, COND_FOREVER);
    *status = p->status;
    lock_release(&k->lock);
    return 0;
}

static struct siginfo from_outside(int signo)
{
    return (struct siginfo){.signo = signo, .code = LINUX_SI_USER};
}

int ish_process_signal(ish_process *p, int signo)
{
    if (signo < 1 || signo > LINUX_NSIG)
        return -LINUX_EINVAL;
    if (!api_enter(p->owner))
        return -LINUX_ESRCH;
    struct siginfo info = from_outside(signo);
    int err = signal_send_process(p->task, &info);
    api_leave(p->owner);
    return err;
}

int ish_process_signal_group(ish_process *p, int signo)
{
    if (signo < 1 || signo > LINUX_NSIG)
        return -LINUX_EINVAL;
    if (!api_enter(p->owner))
        return -LINUX_ESRCH;
    struct siginfo info = from_outside(signo);
    struct pgrp *pgrp = pgrp_find(p->owner->kernel, p->pid);
    int err = pgrp ? signal_send_pgrp(pgrp, &info) : -LINUX_ESRCH;
    pgrp_put(pgrp);
    api_leave(p->owner);
    return err;
}

// The task of a handle may go while the machine stays, not while it is taken down.
static struct task *detach(struct ish_process *p)
{
    struct ish_kernel *k = p->owner;
    lock_acquire(&k->lock);
    struct task *task = p->task;
    p->task = NULL;
    list_remove(&p->link);
    lock_release(&k->lock);
    return task;
}

void ish_process_release(ish_process *p)
{
    if (!p)
        return;
    struct ish_kernel *k = p->owner;
    bool alive = api_enter(k);
    if (!alive) {
        // Either the machine is gone and with it the task, or its destruction is about to take it.
        lock_acquire(&k->lock);
        while (k->kernel)
            cond_wait(&k->changed, &k->lock, COND_FOREVER);
        lock_release(&k->lock);
    }
    struct task *task = detach(p);
    if (task)
        task_put(task);
    if (alive)
        api_leave(k);
    api_put(k);
    free(p);
}

void api_forget_processes(struct ish_kernel *k)
{
    struct ish_process *p;
    list_for_each (p, &k->processes, link) {
        p->status = task_join(p->task);
        task_put(p->task);
        p->task = NULL;
    }
}
