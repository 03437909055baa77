// wait4 and waitid: which child changed state, and the end of zombies.
#include "kernel/cred.h"
#include "kernel/group.h"
#include "kernel/pid_ns.h"
#include "kernel/pidfd.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task_internal.h"
#include "kernel/usage.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/wait.h"

struct wait_request {
    int32_t type; // LINUX_P_*
    int32_t id;
    uint32_t options;
    struct process *pidfd; // of P_PIDFD, referenced
};

struct wait_result {
    int32_t pid;
    uint32_t uid;
    int32_t status; // as wait4 reports it
    int32_t code;   // CLD_*
    struct usage usage;
};

// --- Which children ------------------------------------------------------------------------------

// `traced`: `t` is asked about as a tracee.
static bool matches(const struct wait_request *rq, const struct task *t, bool traced)
{
    const struct process *p = t->process;
    switch (rq->type) {
    case LINUX_P_PID:
        if (t->pid != rq->id)
            return false;
        break;
    case LINUX_P_PGID:
        if (!p->pgrp || p->pgrp->pgid != rq->id)
            return false;
        break;
    case LINUX_P_PIDFD:
        if (p != rq->pidfd || p->leader != t)
            return false;
        break;
    default:
        break;
    }
    // "Clone" children are those that do not announce their end by SIGCHLD.
    if (traced || rq->options & LINUX_WALL)
        return true;
    return (t->exit_signal != LINUX_SIGCHLD) == !!(rq->options & LINUX_WCLONE);
}

static void describe(struct task *t, struct wait_result *out)
{
    struct process *p = t->process;
    out->pid = t->pid;
    const struct cred *cred = task_cred_get(t);
    out->uid = cred->uid;
    cred_put(cred);
    process_usage_locked(p, &out->usage);
    usage_add(&out->usage, &p->children);
}

// A thread that was kept for its tracer goes; a process that its tracer took goes to its parent.
static void end_zombie(struct task *task, struct task *t, struct wait_result *out,
                       struct list *released)
{
    struct process *p = t->process;
    if (p->leader != t) {
        task_release_thread(t, released);
    } else if (ptrace_reparented(t)) {
        ptrace_untie(t);
        process_ended(p, released);
    } else {
        usage_add(&task->process->children, &out->usage);
        task_release(t, released);
    }
}

static bool take_zombie(struct task *task, struct task *t, const struct wait_request *rq,
                        struct wait_result *out, struct list *released)
{
    if (!(rq->options & LINUX_WEXITED))
        return false;
    describe(t, out);
    out->status = task_final_status(t);
    out->code = !(out->status & 0x7f)              ? LINUX_CLD_EXITED
                : out->status & LINUX_WSTATUS_CORE ? LINUX_CLD_DUMPED
                                                   : LINUX_CLD_KILLED;
    if (!(rq->options & LINUX_WNOWAIT))
        end_zombie(task, t, out, released);
    return true;
}

// The stop of a tracee is the tracer's whatever the options say, that of a group the parent's.
static bool take_stop(struct task *t, bool traced, const struct wait_request *rq,
                      struct wait_result *out)
{
    struct process *p = t->process;
    struct ptrace *pt = &t->ptrace;
    bool keep = rq->options & LINUX_WNOWAIT;
    bool found = false;
    lock_acquire(&p->lock);
    if (traced && pt->stopped && !pt->listening && !pt->reported) {
        found = true;
        out->code = LINUX_CLD_TRAPPED;
        out->status = linux_wstatus_stopped(pt->code);
        pt->reported = !keep;
    } else if (!traced && rq->options & LINUX_WSTOPPED && p->wait_stop_status) {
        found = true;
        out->code = LINUX_CLD_STOPPED;
        out->status = linux_wstatus_stopped(p->wait_stop_status);
        if (!keep)
            p->wait_stop_status = 0;
    } else if (rq->options & LINUX_WCONTINUED && p->wait_continued) {
        found = true;
        out->code = LINUX_CLD_CONTINUED;
        out->status = LINUX_WSTATUS_CONTINUED;
        if (!keep)
            p->wait_continued = false;
    }
    lock_release(&p->lock);
    if (found)
        describe(t, out);
    return found;
}

// Has `t`, a child or (`traced`) a tracee, something to report? *any: it will have, one day.
static bool consider(struct task *task, struct task *t, bool traced, const struct wait_request *rq,
                     struct wait_result *out, bool *any, struct list *released)
{
    if (!matches(rq, t, traced))
        return false;
    bool others = false; // somebody else's tracee: he waits first
    if (!traced && t->ptrace.tracer) {
        others = ptrace_reparented(t);
        traced = !others;
    }
    if (atomic_load_explicit(&t->state, memory_order_relaxed) == TASK_ZOMBIE) {
        // A leader waits for its threads.
        struct process *p = t->process;
        bool whole = p->leader != t || atomic_load_explicit(&p->exited, memory_order_relaxed);
        if (whole && !others)
            return take_zombie(task, t, rq, out, released);
        *any |= !traced || rq->options & (LINUX_WCONTINUED | LINUX_WEXITED);
    } else {
        *any = true;
    }
    return take_stop(t, traced, rq, out);
}

// Looks through the children and the tracees of one thread. tasklist is held.
static bool scan_thread(struct task *task, struct task *thread, const struct wait_request *rq,
                        struct wait_result *out, bool *any, struct list *released)
{
    struct task *t, *next;
    list_for_each_safe (t, next, &thread->children, sibling)
        if (consider(task, t, false, rq, out, any, released))
            return true;
    list_for_each_safe (t, next, &thread->ptrace.tracees, ptrace.link)
        if (consider(task, t, true, rq, out, any, released))
            return true;
    return false;
}

// 1: found; 0: none yet; -LINUX_ECHILD: there is nobody to wait for.
static int scan(struct task *task, const struct wait_request *rq, struct wait_result *out)
{
    struct list released;
    list_init(&released);
    bool any = false, found = false;
    lock_acquire(&task->kernel->tasklist);
    if (rq->options & LINUX_WNOTHREAD) {
        found = scan_thread(task, task, rq, out, &any, &released);
    } else {
        struct task *t;
        list_for_each (t, &task->process->threads, thread_link) {
            found = scan_thread(task, t, rq, out, &any, &released);
            if (found)
                break;
        }
    }
    lock_release(&task->kernel->tasklist);
    task_put_released(&released);
    return found ? 1 : any ? 0 : -LINUX_ECHILD;
}

static int wait_child(struct task *task, const struct wait_request *rq, struct wait_result *out)
{
    struct task_waiter w;
    task_waiter_add(&w, task, &task->process->child_wait, 0);
    int result;
    while ((result = scan(task, rq, out)) == 0 && !(rq->options & LINUX_WNOHANG)) {
        result = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
        if (result)
            break;
    }
    task_waiter_remove(&w);
    return result;
}

int wait_tracees(struct task *task, int32_t *status)
{
    const struct wait_request rq = {.type = LINUX_P_ALL,
                                    .options = LINUX_WNOHANG | LINUX_WEXITED | LINUX_WALL};
    struct wait_result r;
    int result = wait_child(task, &rq, &r);
    *status = result > 0 ? r.status : 0;
    return result > 0 ? r.pid : result;
}

// --- System calls --------------------------------------------------------------------------------

static int32_t own_pgid(struct task *task)
{
    struct pgrp *pgrp = task_pgrp_get(task);
    int32_t id = pgrp->pgid;
    pgrp_put(pgrp);
    return id;
}

static int put_rusage(struct task *task, uaddr_t addr, const struct wait_result *r)
{
    if (!addr)
        return 0;
    struct linux_rusage u = usage_to_guest(&r->usage);
    return user_put(task, addr, &u);
}

int64_t sys_wait4(struct task *task, int32_t pid, uaddr_t status, uint32_t options, uaddr_t rusage)
{
    if (options & ~(LINUX_WNOHANG | LINUX_WUNTRACED | LINUX_WCONTINUED | LINUX_WNOTHREAD |
                    LINUX_WCLONE | LINUX_WALL))
        return -LINUX_EINVAL;
    if (pid == INT32_MIN)
        return -LINUX_ESRCH;
    struct wait_request rq = {.type = LINUX_P_ALL, .options = options | LINUX_WEXITED};
    if (pid > 0) {
        rq.type = LINUX_P_PID;
        rq.id = pid_arg(task, pid);
    } else if (pid != -1) {
        rq.type = LINUX_P_PGID;
        rq.id = pid ? pid_arg(task, -pid) : own_pgid(task);
    }
    struct wait_result r;
    int result = wait_child(task, &rq, &r);
    if (result <= 0)
        return result;
    if ((status && user_put(task, status, &r.status)) || put_rusage(task, rusage, &r))
        return -LINUX_EFAULT;
    return pid_seen(task, r.pid);
}

static int waitid_request(struct task *task, int32_t idtype, int32_t id, struct wait_request *rq)
{
    switch (idtype) {
    case LINUX_P_ALL:
        return 0;
    case LINUX_P_PID:
        return id > 0 ? 0 : -LINUX_EINVAL;
    case LINUX_P_PGID:
        if (id < 0)
            return -LINUX_EINVAL;
        if (id == 0)
            rq->id = own_pgid(task);
        return 0;
    case LINUX_P_PIDFD:
        return id < 0 ? -LINUX_EINVAL : pidfd_process(task, id, &rq->pidfd);
    default:
        return -LINUX_EINVAL;
    }
}

// The fields waitid() sets; the rest of the guest's siginfo stays as it was.
struct wait_info {
    int32_t signo, error, code;
};
struct wait_info_child {
    int32_t pid;
    uint32_t uid;
    int32_t status;
};
enum { CHILD_OFFSET = offsetof(struct linux_siginfo, child) };

static int put_info(struct task *task, uaddr_t addr, const struct wait_result *r)
{
    struct wait_info info = {0};
    struct wait_info_child child = {0};
    if (r) {
        info = (struct wait_info){LINUX_SIGCHLD, 0, r->code};
        bool above = r->code == LINUX_CLD_EXITED || r->code == LINUX_CLD_STOPPED ||
                     r->code == LINUX_CLD_TRAPPED;
        int32_t status = r->code == LINUX_CLD_CONTINUED ? LINUX_SIGCONT
                         : above                        ? r->status >> 8
                                                        : r->status & 0x7f;
        child = (struct wait_info_child){pid_seen(task, r->pid), cred_show_uid(task->cred, r->uid),
                                         status};
    }
    int err = user_put(task, addr, &info);
    return err ? err : user_put(task, addr + CHILD_OFFSET, &child);
}

int64_t sys_waitid(struct task *task, int32_t idtype, int32_t id, uaddr_t info, uint32_t options,
                   uaddr_t rusage)
{
    const uint32_t states = LINUX_WEXITED | LINUX_WSTOPPED | LINUX_WCONTINUED;
    if (options & ~(LINUX_WNOHANG | LINUX_WNOWAIT | states | LINUX_WNOTHREAD | LINUX_WCLONE |
                    LINUX_WALL) ||
        !(options & states))
        return -LINUX_EINVAL;
    struct wait_request rq = {.type = idtype, .id = id, .options = options};
    if (id > 0 && (idtype == LINUX_P_PID || idtype == LINUX_P_PGID))
        rq.id = pid_arg(task, id);
    int result = waitid_request(task, idtype, id, &rq);
    if (result)
        return result;
    struct wait_result r;
    bool nonblocking = rq.pidfd && pidfd_nonblocking(task, id);
    if (nonblocking)
        rq.options |= LINUX_WNOHANG;
    result = wait_child(task, &rq, &r);
    process_put(rq.pidfd);
    if (result < 0)
        return result;
    if (result == 0 && nonblocking && !(options & LINUX_WNOHANG))
        return -LINUX_EAGAIN;
    if (result > 0 && put_rusage(task, rusage, &r))
        return -LINUX_EFAULT;
    if (info && put_info(task, info, result > 0 ? &r : NULL))
        return -LINUX_EFAULT;
    return 0;
}
