#include "kernel/group.h"
#include "kernel/group_internal.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/syscall_handlers.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

// --- Objects -------------------------------------------------------------------------------------

struct session *session_get(struct session *session)
{
    atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
    return session;
}

void session_put(struct session *session)
{
    if (!session || atomic_fetch_sub_explicit(&session->refs, 1, memory_order_acq_rel) != 1)
        return;
    lock_destroy(&session->lock);
    free(session);
}

struct pgrp *pgrp_get(struct pgrp *pgrp)
{
    atomic_fetch_add_explicit(&pgrp->refs, 1, memory_order_relaxed);
    return pgrp;
}

void pgrp_put(struct pgrp *pgrp)
{
    if (!pgrp || atomic_fetch_sub_explicit(&pgrp->refs, 1, memory_order_acq_rel) != 1)
        return;
    session_put(pgrp->session);
    lock_destroy(&pgrp->lock);
    free(pgrp);
}

static struct session *session_create(struct kernel *kernel, int32_t sid)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    s->kernel = kernel;
    s->sid = sid;
    lock_init(&s->lock, LOCK_RANK_PGRP);
    return s;
}

// Takes over the reference to `session`.
static struct pgrp *pgrp_create(struct kernel *kernel, int32_t pgid, struct session *session)
{
    struct pgrp *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    atomic_init(&g->refs, 1);
    g->kernel = kernel;
    g->pgid = pgid;
    g->session = session;
    lock_init(&g->lock, LOCK_RANK_PGRP);
    list_init(&g->members);
    return g;
}

// --- Membership (tasklist held) ------------------------------------------------------------------

void pgrp_insert_locked(struct process *process, struct pgrp *pgrp)
{
    process->pgrp = pgrp_get(pgrp);
    process->session = session_get(pgrp->session);
    process->session->processes++;
    list_add_tail(&pgrp->members, &process->pgrp_link);
}

void pgrp_leave(struct process *process)
{
    struct pgrp *pgrp = process->pgrp;
    struct session *session = process->session;
    struct pid_table *pids = process->kernel->pids;
    if (!pgrp)
        return;
    lock_acquire(&pgrp->lock);
    list_remove(&process->pgrp_link);
    if (list_empty(&pgrp->members))
        pid_slot(pids, pgrp->pgid)->pgrp = NULL;
    lock_release(&pgrp->lock);
    if (--session->processes == 0)
        pid_slot(pids, session->sid)->session = NULL;
    process->pgrp = NULL;
    process->session = NULL;
    pgrp_put(pgrp);
    session_put(session);
}

static void pgrp_move(struct process *process, struct pgrp *pgrp)
{
    pgrp_get(pgrp);
    session_get(pgrp->session);
    pgrp->session->processes++; // the session must not look empty in between
    pgrp_leave(process);
    lock_acquire(&pgrp->lock);
    pgrp_insert_locked(process, pgrp);
    pid_slot(process->kernel->pids, pgrp->pgid)->pgrp = pgrp;
    lock_release(&pgrp->lock);
    pgrp->session->processes--;
    session_put(pgrp->session);
    pgrp_put(pgrp);
}

int session_start(struct process *process)
{
    struct kernel *kernel = process->kernel;
    struct session *session = session_create(kernel, process->pid);
    if (!session)
        return -LINUX_ENOMEM;
    struct pgrp *pgrp = pgrp_create(kernel, process->pid, session);
    if (!pgrp) {
        session_put(session);
        return -LINUX_ENOMEM;
    }
    session->leader = process;
    atomic_store_explicit(&process->without_tty, false, memory_order_relaxed);
    pid_slot(kernel->pids, process->pid)->session = session;
    pgrp_move(process, pgrp);
    pgrp_put(pgrp);
    return 0;
}

// --- Questions -----------------------------------------------------------------------------------

struct pgrp *pgrp_find(struct kernel *kernel, int32_t pgid)
{
    lock_acquire(&kernel->tasklist);
    struct pid_slot *slot = pid_slot(kernel->pids, pgid);
    struct pgrp *pgrp = slot && slot->pgrp ? pgrp_get(slot->pgrp) : NULL;
    lock_release(&kernel->tasklist);
    return pgrp;
}

struct pgrp *task_pgrp_get(struct task *task)
{
    lock_acquire(&task->kernel->tasklist);
    struct pgrp *pgrp = task->process->pgrp ? pgrp_get(task->process->pgrp) : NULL;
    lock_release(&task->kernel->tasklist);
    return pgrp;
}

struct session *task_session_get(struct task *task)
{
    lock_acquire(&task->kernel->tasklist);
    struct session *session = task->process->session ? session_get(task->process->session) : NULL;
    lock_release(&task->kernel->tasklist);
    return session;
}

bool task_leads_session(struct task *task)
{
    lock_acquire(&task->kernel->tasklist);
    struct session *session = task->process->session;
    bool leads = session && session->sid == task->tgid;
    lock_release(&task->kernel->tasklist);
    return leads;
}

bool pgrp_orphaned_locked(struct pgrp *pgrp, const struct process *ignored)
{
    bool orphaned = true;
    lock_acquire(&pgrp->lock);
    struct process *p;
    list_for_each (p, &pgrp->members, pgrp_link) {
        struct task *parent = p->leader->real_parent;
        if (p == ignored || p->dead || !parent)
            continue;
        if (parent->process->pgrp != pgrp && parent->process->session == pgrp->session) {
            orphaned = false;
            break;
        }
    }
    lock_release(&pgrp->lock);
    return orphaned;
}

bool pgrp_orphaned(struct pgrp *pgrp)
{
    if (!pgrp)
        return true;
    lock_acquire(&pgrp->kernel->tasklist);
    bool orphaned = pgrp_orphaned_locked(pgrp, NULL);
    lock_release(&pgrp->kernel->tasklist);
    return orphaned;
}

bool pgrp_has_stopped(struct pgrp *pgrp)
{
    bool stopped = false;
    lock_acquire(&pgrp->lock);
    struct process *p;
    list_for_each (p, &pgrp->members, pgrp_link) {
        lock_acquire(&p->lock);
        stopped = p->stop_complete;
        lock_release(&p->lock);
        if (stopped)
            break;
    }
    lock_release(&pgrp->lock);
    return stopped;
}

// --- System calls --------------------------------------------------------------------------------

int64_t sys_setsid(struct task *task)
{
    struct process *p = task->process;
    lock_acquire(&task->kernel->tasklist);
    int64_t result = task->own_tgid;
    // EPERM while a group of that number exists, whether the caller is in it or not.
    if (pid_slot(task->kernel->pids, p->pid)->pgrp || pid_slot(task->kernel->pids, p->pid)->session)
        result = -LINUX_EPERM;
    else if (session_start(p))
        result = -LINUX_ENOMEM;
    lock_release(&task->kernel->tasklist);
    return result;
}

// The rules of setpgid(2). tasklist is held.
static int may_set_pgid(struct task *task, struct process *p)
{
    struct process *self = task->process;
    if (p != self) {
        struct task *parent = p->leader->real_parent;
        if (!parent || parent->process != self)
            return -LINUX_ESRCH;
        if (p->session != self->session)
            return -LINUX_EPERM;
        if (p->execed)
            return -LINUX_EACCES;
    }
    return p->session && p->session->sid == p->pid ? -LINUX_EPERM : 0;
}

static int set_pgid(struct task *task, struct process *p, int32_t pgid)
{
    struct pid_table *pids = task->kernel->pids;
    int err = may_set_pgid(task, p);
    if (err)
        return err;
    struct pid_slot *slot = pid_slot(pids, pgid);
    if (pgid != p->pid && (!slot || !slot->pgrp || slot->pgrp->session != task->process->session))
        return -LINUX_EPERM;
    if (p->pgrp->pgid == pgid)
        return 0;
    if (slot->pgrp) {
        pgrp_move(p, slot->pgrp);
        return 0;
    }
    struct pgrp *pgrp = pgrp_create(task->kernel, pgid, session_get(p->session));
    if (!pgrp) {
        session_put(p->session);
        return -LINUX_ENOMEM;
    }
    pgrp_move(p, pgrp);
    pgrp_put(pgrp);
    return 0;
}

int64_t sys_setpgid(struct task *task, int32_t pid, int32_t pgid)
{
    if (pgid < 0)
        return -LINUX_EINVAL;
    pid = pid ? pid_arg(task, pid) : task->tgid;
    pgid = pgid ? pid_arg(task, pgid) : pid;
    lock_acquire(&task->kernel->tasklist);
    struct pid_slot *slot = pid_slot(task->kernel->pids, pid);
    int64_t result = -LINUX_ESRCH;
    if (slot && slot->process)
        result = set_pgid(task, slot->process, pgid);
    else if (slot && slot->task)
        result = -LINUX_EINVAL; // a thread that leads no process
    lock_release(&task->kernel->tasklist);
    return result;
}

// Of the process a pid (or a thread id) belongs to; tasklist is held.
static struct process *find_process_locked(struct task *task, int32_t pid)
{
    if (pid == 0)
        return task->process;
    struct pid_slot *slot =
        pid_slot(task->kernel->pids, pid_of_locked(task->kernel, task->pid_ns, pid));
    return slot && slot->task ? slot->task->process : NULL;
}

int64_t sys_getpgid(struct task *task, int32_t pid)
{
    lock_acquire(&task->kernel->tasklist);
    struct process *p = find_process_locked(task, pid);
    int64_t result =
        p && p->pgrp ? pid_shown_locked(task->kernel, task->pid_ns, p->pgrp->pgid) : -LINUX_ESRCH;
    lock_release(&task->kernel->tasklist);
    return result;
}

int64_t sys_getsid(struct task *task, int32_t pid)
{
    lock_acquire(&task->kernel->tasklist);
    struct process *p = find_process_locked(task, pid);
    int64_t result = p && p->session ? pid_shown_locked(task->kernel, task->pid_ns, p->session->sid)
                                     : -LINUX_ESRCH;
    lock_release(&task->kernel->tasklist);
    return result;
}
