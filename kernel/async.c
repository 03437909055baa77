#include "kernel/async.h"
#include "fs/vfs.h"
#include "kernel/cred.h"
#include "kernel/dnotify.h"
#include "kernel/file.h"
#include "kernel/group.h"
#include "kernel/lease.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/signal_internal.h"
#include "kernel/task.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/thread.h"
#include <stdlib.h>

struct async {
    struct kernel *kernel;
    struct lock send_lock; // rank async_send
    struct lock lock;      // rank async; guards the rest
    struct list works;     // struct async_work, oldest first
    _Atomic bool queued;   // there are some, or they are being sent
    // For events of host threads that are no task's.
    struct cond changed;
    pthread_t thread;
    bool has_thread, wanted, ending;
};

// Whom a file sends signals to. Numbers are given out again, so what had it then is kept too.
struct holder {
    int32_t type, pid;       // LINUX_F_OWNER_*; 0: nobody
    struct process *process; // that had the number, or whose thread did; referenced, or NULL
    struct pgrp *pgrp;       // referenced, or NULL
    uint32_t uid, euid;      // of who set it
};

struct member {
    struct list link; // async_list.members
    struct file_owner *owner;
    struct async_list *list; // NULL: free
};

// What fcntl(2) keeps of a file; made when it is first needed, lives as long as the file and the
// events that came of it.
struct file_owner {
    struct file_watch base; // file->owner
    _Atomic uint32_t refs;
    struct kernel *kernel; // immutable
    // Guarded by async->lock.
    struct file *file; // not referenced; NULL once it is gone
    struct holder holder;
    int signo; // F_SETSIG; 0: SIGIO without a siginfo
    int fd;
    struct member member[ASYNC_LISTS];
};

struct event {
    struct async_work work;
    struct file_owner *owner; // referenced
    int fd, reason;
    bool urgent;
};

// --- Owners --------------------------------------------------------------------------------------

static void holder_release(struct holder *h)
{
    process_put(h->process);
    pgrp_put(h->pgrp);
}

static void owner_put(struct file_owner *o)
{
    if (atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1)
        return;
    holder_release(&o->holder);
    free(o);
}

void async_list_init(struct async_list *list)
{
    atomic_init(&list->count, 0);
    list_init(&list->members);
}

static void member_leave(struct member *m)
{
    if (!m->list)
        return;
    list_remove(&m->link);
    atomic_fetch_sub_explicit(&m->list->count, 1, memory_order_relaxed);
    m->list = NULL;
}

static void file_gone(struct file_watch *watch, struct file *file)
{
    struct file_owner *o = CONTAINER_OF(watch, struct file_owner, base);
    struct async *a = o->kernel->async;
    dnotify_close(o->kernel, file, NULL);
    lease_file_gone(o->kernel, file);
    lock_acquire(&a->lock);
    for (unsigned i = 0; i < ASYNC_LISTS; i++)
        member_leave(&o->member[i]);
    o->file = NULL;
    atomic_store_explicit(&file->owner, NULL, memory_order_release);
    lock_release(&a->lock);
    owner_put(o);
}

static struct file_owner *owner_of(const struct file *file)
{
    struct file_watch *w = atomic_load_explicit(&file->owner, memory_order_acquire);
    return w ? CONTAINER_OF(w, struct file_owner, base) : NULL;
}

// The file's, made if it has none yet. NULL without memory.
static struct file_owner *owner_make(struct kernel *kernel, struct file *file)
{
    struct file_owner *o = owner_of(file);
    if (o)
        return o;
    o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->base.released = file_gone;
    atomic_init(&o->refs, 1);
    o->kernel = kernel;
    o->file = file;
    for (unsigned i = 0; i < ASYNC_LISTS; i++)
        o->member[i].owner = o;
    struct file_watch *none = NULL;
    if (atomic_compare_exchange_strong_explicit(&file->owner, &none, &o->base, memory_order_acq_rel,
                                                memory_order_acquire))
        return o;
    free(o);
    return owner_of(file);
}

int async_make_owner(struct kernel *kernel, struct file *file)
{
    return owner_make(kernel, file) ? 0 : -LINUX_ENOMEM;
}

static void holder_set(struct file_owner *o, struct holder *h, bool only_first)
{
    struct async *a = o->kernel->async;
    lock_acquire(&a->lock);
    if (!only_first || !o->holder.pid) {
        struct holder old = o->holder;
        o->holder = *h;
        *h = old;
    }
    lock_release(&a->lock);
    holder_release(h);
}

// Who has this number in the caller's namespace. -LINUX_ESRCH.
static int holder_find(struct task *task, int32_t type, int32_t number, struct holder *out)
{
    struct kernel *kernel = task->kernel;
    *out = (struct holder){.type = type};
    if (!number)
        return 0;
    lock_acquire(&kernel->tasklist);
    int32_t pid = pid_of_locked(kernel, task->pid_ns, number);
    bool found = pid_in_use(kernel->pids, pid);
    if (found) {
        const struct pid_slot *slot = pid_slot(kernel->pids, pid);
        struct process *process = slot->task ? slot->task->process : slot->process;
        out->pid = pid;
        out->process = process ? process_get(process) : NULL;
        out->pgrp = slot->pgrp ? pgrp_get(slot->pgrp) : NULL;
        out->uid = task->cred->uid;
        out->euid = task->cred->euid;
    }
    lock_release(&kernel->tasklist);
    return found ? 0 : -LINUX_ESRCH;
}

// tasklist and async->lock are held.
static struct task *holder_task(struct kernel *kernel, const struct holder *h)
{
    const struct pid_slot *slot = pid_slot(kernel->pids, h->pid);
    bool there = slot && slot->task && slot->task->process == h->process;
    return there && h->type != LINUX_F_OWNER_PGRP ? slot->task : NULL;
}

static struct pgrp *holder_pgrp(struct kernel *kernel, const struct holder *h)
{
    const struct pid_slot *slot = pid_slot(kernel->pids, h->pid);
    if (!slot || h->type != LINUX_F_OWNER_PGRP)
        return NULL;
    // A group that the process made after it had been named.
    bool later = !h->pgrp && h->process && slot->process == h->process;
    return later || slot->pgrp == h->pgrp ? slot->pgrp : NULL;
}

// --- Sending -------------------------------------------------------------------------------------

static int64_t band_of(int reason)
{
    static const int16_t bands[] = {
        [LINUX_POLL_IN] = LINUX_POLLIN | LINUX_POLLRDNORM,
        [LINUX_POLL_OUT] = LINUX_POLLOUT | LINUX_POLLWRNORM | LINUX_POLLWRBAND,
        [LINUX_POLL_MSG] = LINUX_POLLIN | LINUX_POLLRDNORM | LINUX_POLLMSG,
        [LINUX_POLL_ERR] = LINUX_POLLERR,
        [LINUX_POLL_PRI] = LINUX_POLLPRI | LINUX_POLLRDBAND,
        [LINUX_POLL_HUP] = LINUX_POLLHUP | LINUX_POLLERR,
    };
    return bands[reason];
}

// Codes from 1 on mean something else for these.
static bool has_own_codes(int signo)
{
    return signo == LINUX_SIGCHLD || signo == LINUX_SIGSYS ||
           (signo && signo < LINUX_SIGRTMIN && signal_in(SIGNAL_SYNCHRONOUS, signo));
}

struct sending {
    struct holder holder; // nothing of it is referenced
    int signo, fd, reason;
    bool urgent;
};

static bool may_send(const struct sending *s, struct task *target)
{
    const struct cred *cred = task_cred_get(target);
    const struct holder *h = &s->holder;
    bool may = cred && (h->euid == 0 || h->euid == cred->suid || h->euid == cred->uid ||
                        h->uid == cred->suid || h->uid == cred->uid);
    cred_put(cred);
    return may;
}

static int send_one(const struct sending *s, struct task *target, bool in_group,
                    const struct siginfo *info)
{
    if (in_group)
        return signal_send_group_member(target->process, info);
    return s->holder.type == LINUX_F_OWNER_TID ? signal_send_thread(target, info)
                                               : signal_send_process(target, info);
}

static void send_to_task(const struct sending *s, struct task *target, bool in_group)
{
    if (!may_send(s, target))
        return;
    struct siginfo info = {
        .signo = s->signo, .code = s->reason, .band = band_of(s->reason), .fd = s->fd};
    if (has_own_codes(s->signo))
        info.code = LINUX_SI_SIGIO;
    if (!s->urgent && s->signo && !send_one(s, target, in_group, &info))
        return;
    // Without F_SETSIG, and when the queue is full.
    info =
        (struct siginfo){.signo = s->urgent ? LINUX_SIGURG : LINUX_SIGIO, .code = LINUX_SI_KERNEL};
    (void)send_one(s, target, in_group, &info);
}

static int send_to_member(void *context, struct task *leader, struct pgrp *pgrp)
{
    (void)pgrp;
    send_to_task(context, leader, true);
    return 0;
}

static void send_event(struct async_work *work)
{
    struct event *e = CONTAINER_OF(work, struct event, work);
    struct kernel *kernel = e->owner->kernel;
    struct async *a = kernel->async;
    lock_acquire(&kernel->tasklist);
    lock_acquire(&a->lock);
    struct sending s = {e->owner->holder, e->owner->signo, e->fd, e->reason, e->urgent};
    struct task *target = holder_task(kernel, &s.holder);
    struct pgrp *pgrp = holder_pgrp(kernel, &s.holder);
    target = target ? task_get(target) : NULL;
    pgrp = pgrp ? pgrp_get(pgrp) : NULL;
    lock_release(&a->lock);
    lock_release(&kernel->tasklist);
    if (target)
        send_to_task(&s, target, false);
    const struct siginfo nothing = {0};
    if (pgrp)
        (void)signal_send_pgrp_checked(pgrp, &nothing, send_to_member, &s);
    if (target)
        task_put(target);
    pgrp_put(pgrp);
    owner_put(e->owner);
    free(e);
}

static struct async_work *work_take(struct async *a)
{
    struct async_work *w = NULL;
    lock_acquire(&a->lock);
    if (list_empty(&a->works)) {
        atomic_store_explicit(&a->queued, false, memory_order_release);
    } else {
        w = list_first(&a->works, struct async_work, node);
        list_remove(&w->node);
    }
    lock_release(&a->lock);
    return w;
}

void async_flush(struct kernel *kernel)
{
    struct async *a = kernel->async;
    struct async_work *w;
    // Whoever took the caller's work has done it when this lock is had.
    if (!atomic_load_explicit(&a->queued, memory_order_acquire))
        return;
    lock_acquire(&a->send_lock);
    while ((w = work_take(a)))
        w->run(w);
    lock_release(&a->send_lock);
}

void async_flush_task(struct task *task)
{
    task->async_due = false;
    async_flush(task->kernel);
}

// --- Telling -------------------------------------------------------------------------------------

// async->lock is held.
static void post(struct async *a, struct async_work *work)
{
    list_add_tail(&a->works, &work->node);
    atomic_store_explicit(&a->queued, true, memory_order_release);
    struct task *task = task_of_thread();
    if (task) {
        task->async_due = true;
    } else {
        a->wanted = true;
        cond_signal(&a->changed);
    }
}

// async->lock is held. An event that finds no memory is lost.
static void queue(struct async *a, struct file_owner *o, int fd, int reason, bool urgent)
{
    if (!o->holder.pid)
        return;
    struct event *e = malloc(sizeof *e);
    if (!e)
        return;
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    *e = (struct event){
        .work.run = send_event, .owner = o, .fd = fd, .reason = reason, .urgent = urgent};
    post(a, &e->work);
}

void async_post(struct kernel *kernel, struct async_work *work)
{
    struct async *a = kernel->async;
    lock_acquire(&a->lock);
    post(a, work);
    lock_release(&a->lock);
}

void async_tell_members(struct kernel *kernel, struct async_list *list, int reason)
{
    struct async *a = kernel->async;
    struct member *m;
    lock_acquire(&a->lock);
    list_for_each (m, &list->members, link)
        queue(a, m->owner, m->owner->fd, reason, false);
    lock_release(&a->lock);
}

void async_tell_urgent(struct kernel *kernel, struct file *file, struct async_list *list)
{
    struct async *a = kernel->async;
    struct member *m;
    lock_acquire(&a->lock);
    struct file_owner *o = owner_of(file);
    if (o)
        queue(a, o, -1, LINUX_POLL_PRI, true);
    // Without F_SETSIG the first signal is all there is.
    list_for_each (m, &list->members, link)
        if (m->owner->signo)
            queue(a, m->owner, m->owner->fd, LINUX_POLL_PRI, false);
    lock_release(&a->lock);
}

void async_tell_file(struct kernel *kernel, struct file *file, int fd, int reason)
{
    struct async *a = kernel->async;
    lock_acquire(&a->lock);
    struct file_owner *o = owner_of(file);
    if (o)
        queue(a, o, fd, reason, false);
    lock_release(&a->lock);
}

// --- The thread ----------------------------------------------------------------------------------

static void send_for_others(void *arg)
{
    struct async *a = arg;
    lock_acquire(&a->lock);
    while (!a->ending) {
        if (!a->wanted) {
            cond_wait(&a->changed, &a->lock, COND_FOREVER);
            continue;
        }
        a->wanted = false;
        lock_release(&a->lock);
        async_flush(a->kernel);
        lock_acquire(&a->lock);
    }
    lock_release(&a->lock);
}

static int start_thread(struct async *a)
{
    int err = 0;
    lock_acquire(&a->lock);
    if (!a->has_thread)
        err = thread_start_joinable(send_for_others, a, "ish-async", &a->thread);
    a->has_thread |= !err;
    lock_release(&a->lock);
    return err;
}

int async_prepare(struct kernel *kernel)
{
    return start_thread(kernel->async);
}

int async_create(struct kernel *kernel)
{
    struct async *a = calloc(1, sizeof *a);
    if (!a)
        return -LINUX_ENOMEM;
    a->kernel = kernel;
    lock_init(&a->send_lock, LOCK_RANK_ASYNC_SEND);
    lock_init(&a->lock, LOCK_RANK_ASYNC);
    list_init(&a->works);
    cond_init(&a->changed);
    kernel->async = a;
    return 0;
}

void async_destroy(struct kernel *kernel)
{
    struct async *a = kernel->async;
    if (!a)
        return;
    lock_acquire(&a->lock);
    a->ending = true;
    cond_signal(&a->changed);
    lock_release(&a->lock);
    if (a->has_thread)
        thread_join(a->thread);
    async_flush(kernel); // to nobody any more
    cond_destroy(&a->changed);
    lock_destroy(&a->lock);
    lock_destroy(&a->send_lock);
    free(a);
    kernel->async = NULL;
}

// --- O_ASYNC -------------------------------------------------------------------------------------

int async_join(struct file *file, struct task *task, int fd, bool on,
               struct async_list *const *lists, unsigned count)
{
    struct async *a = task->kernel->async;
    struct file_owner *o = owner_make(task->kernel, file);
    if (!o)
        return -LINUX_ENOMEM;
    int err = on ? start_thread(a) : 0;
    if (err)
        return err;
    lock_acquire(&a->lock);
    o->fd = fd;
    for (unsigned i = 0; i < count; i++) {
        struct member *m = &o->member[i];
        if (on && !m->list) {
            m->list = lists[i];
            list_add_tail(&lists[i]->members, &m->link);
            atomic_fetch_add_explicit(&lists[i]->count, 1, memory_order_relaxed);
        } else if (!on) {
            member_leave(m);
        }
    }
    file_change_flags(file, on ? LINUX_FASYNC : 0, on ? 0 : LINUX_FASYNC);
    lock_release(&a->lock);
    return 0;
}

int async_own(struct file *file, struct task *task, struct pgrp *pgrp)
{
    struct file_owner *o = owner_make(task->kernel, file);
    if (!o)
        return -LINUX_ENOMEM;
    struct holder h = {.type = pgrp ? LINUX_F_OWNER_PGRP : LINUX_F_OWNER_PID,
                       .pid = pgrp ? pgrp->pgid : task->pid,
                       .process = pgrp ? NULL : process_get(task->process),
                       .pgrp = pgrp ? pgrp_get(pgrp) : NULL,
                       .uid = task->cred->uid,
                       .euid = task->cred->euid};
    holder_set(o, &h, true);
    return 0;
}

// Locks of the caller's may be held: what the old owner holds is released when there is a new one.
void async_disown(struct kernel *kernel, struct file *file)
{
    struct async *a = kernel->async;
    lock_acquire(&a->lock);
    struct file_owner *o = owner_of(file);
    if (o) {
        o->holder.pid = 0;
        o->holder.type = LINUX_F_OWNER_PID;
        o->signo = 0;
    }
    lock_release(&a->lock);
}

void async_dissolve(struct kernel *kernel, struct async_list *list)
{
    struct async *a = kernel->async;
    struct member *m, *next;
    if (!atomic_load_explicit(&list->count, memory_order_acquire))
        return;
    lock_acquire(&a->lock);
    list_for_each_safe (m, next, &list->members, link) {
        file_change_flags(m->owner->file, 0, LINUX_FASYNC);
        member_leave(m);
    }
    lock_release(&a->lock);
}

int async_set(struct task *task, struct file *file, int fd, bool on)
{
    bool was = file_flags(file) & LINUX_FASYNC;
    if (on == was || !file->ops->set_async)
        return 0;
    return file->ops->set_async(file, task, fd, on);
}

// --- Commands ------------------------------------------------------------------------------------

static int set_owner(struct task *task, struct file *file, int32_t type, int32_t number)
{
    struct holder h;
    int err = holder_find(task, type, number, &h);
    if (err)
        return err;
    struct file_owner *o = owner_make(task->kernel, file);
    if (!o) {
        holder_release(&h);
        return -LINUX_ENOMEM;
    }
    holder_set(o, &h, false);
    return 0;
}

int async_set_owner(struct task *task, struct file *file, int32_t who)
{
    if (who == INT32_MIN)
        return -LINUX_EINVAL;
    return set_owner(task, file, who < 0 ? LINUX_F_OWNER_PGRP : LINUX_F_OWNER_PID,
                     who < 0 ? -who : who);
}

static int set_owner_ex(struct task *task, struct file *file, uaddr_t arg)
{
    struct linux_f_owner_ex ex;
    int err = user_get(task, arg, &ex);
    if (err)
        return err;
    if (ex.type < LINUX_F_OWNER_TID || ex.type > LINUX_F_OWNER_PGRP)
        return -LINUX_EINVAL;
    if (ex.pid < 0)
        return -LINUX_ESRCH;
    return set_owner(task, file, ex.type, ex.pid);
}

// What the caller would call it: 0 when it is gone, or was never.
static struct linux_f_owner_ex owner_seen(struct task *task, struct file *file)
{
    struct kernel *kernel = task->kernel;
    struct file_owner *o = owner_of(file);
    struct linux_f_owner_ex ex = {LINUX_F_OWNER_TID, 0};
    if (!o)
        return ex;
    lock_acquire(&kernel->tasklist);
    lock_acquire(&kernel->async->lock);
    const struct holder *h = &o->holder;
    struct task *t = holder_task(kernel, h);
    bool there = h->type == LINUX_F_OWNER_PGRP  ? holder_pgrp(kernel, h) != NULL
                 : h->type == LINUX_F_OWNER_PID ? t && t->pid == t->tgid
                                                : t != NULL;
    ex.type = h->type;
    ex.pid = there ? pid_shown_locked(kernel, task->pid_ns, h->pid) : 0;
    lock_release(&kernel->async->lock);
    lock_release(&kernel->tasklist);
    return ex;
}

int32_t async_owner_seen(struct task *task, struct file *file)
{
    struct linux_f_owner_ex ex = owner_seen(task, file);
    return ex.type == LINUX_F_OWNER_PGRP ? -ex.pid : ex.pid;
}

static int get_uids(struct task *task, struct file *file, uaddr_t arg)
{
    struct file_owner *o = owner_of(file);
    uint32_t ids[2] = {0, 0};
    if (o) {
        lock_acquire(&task->kernel->async->lock);
        ids[0] = o->holder.uid;
        ids[1] = o->holder.euid;
        lock_release(&task->kernel->async->lock);
    }
    for (unsigned i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = cred_show_uid(task->cred, ids[i]);
    return user_write(task, arg, ids, sizeof ids);
}

static int set_signal(struct task *task, struct file *file, uint64_t signo)
{
    if (signo > LINUX_NSIG)
        return -LINUX_EINVAL;
    struct file_owner *o = owner_make(task->kernel, file);
    if (!o)
        return -LINUX_ENOMEM;
    lock_acquire(&task->kernel->async->lock);
    o->signo = (int)signo;
    lock_release(&task->kernel->async->lock);
    return 0;
}

static int get_signal(struct task *task, struct file *file)
{
    struct file_owner *o = owner_of(file);
    if (!o)
        return 0;
    lock_acquire(&task->kernel->async->lock);
    int signo = o->signo;
    lock_release(&task->kernel->async->lock);
    return signo;
}

int64_t async_fcntl(struct task *task, struct file *file, int32_t cmd, uint64_t arg)
{
    switch (cmd) {
    case LINUX_F_SETOWN:
        return async_set_owner(task, file, (int32_t)arg);
    case LINUX_F_GETOWN:
        return async_owner_seen(task, file);
    case LINUX_F_SETOWN_EX:
        return set_owner_ex(task, file, arg);
    case LINUX_F_GETOWN_EX: {
        struct linux_f_owner_ex ex = owner_seen(task, file);
        return user_put(task, arg, &ex);
    }
    case LINUX_F_GETOWNER_UIDS:
        return get_uids(task, file, arg);
    case LINUX_F_SETSIG:
        return set_signal(task, file, arg);
    case LINUX_F_GETSIG:
        return get_signal(task, file);
    default:
        return -LINUX_EINVAL;
    }
}
