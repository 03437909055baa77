// Generating signals: who gets them, what is queued, whom they wake.
#include "kernel/signal.h"
#include "kernel/group.h"
#include "kernel/posix_timer.h"
#include "kernel/signal_internal.h"
#include "kernel/sleep.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include <stdlib.h>
#include <string.h>

// --- Pending sets --------------------------------------------------------------------------------

void sigpending_init(struct sigpending *pending)
{
    pending->set = 0;
    list_init(&pending->queue);
}

static void sigqueue_free(struct process *process, struct sigqueue *q)
{
    list_remove(&q->node);
    if (q->timer)
        return;
    process->pending_count--;
    free(q);
}

void sigpending_flush(struct process *process, struct sigpending *pending, uint64_t set)
{
    pending->set &= ~set;
    struct sigqueue *q, *next;
    list_for_each_safe (q, next, &pending->queue, node)
        if (signal_in(set, q->info.signo))
            sigqueue_free(process, q);
}

// --- Actions -------------------------------------------------------------------------------------

struct sighand *sighand_create(void)
{
    struct sighand *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    lock_init(&s->lock, LOCK_RANK_SIGHAND);
    return s;
}

struct sighand *sighand_copy(struct sighand *from)
{
    struct sighand *s = sighand_create();
    if (!s)
        return NULL;
    lock_acquire(&from->lock);
    memcpy(s->action, from->action, sizeof s->action);
    lock_release(&from->lock);
    return s;
}

struct sighand *sighand_get(struct sighand *sighand)
{
    atomic_fetch_add_explicit(&sighand->refs, 1, memory_order_relaxed);
    return sighand;
}

void sighand_put(struct sighand *sighand)
{
    if (!sighand || atomic_fetch_sub_explicit(&sighand->refs, 1, memory_order_acq_rel) != 1)
        return;
    lock_destroy(&sighand->lock);
    free(sighand);
}

struct linux_sigaction signal_action(struct process *process, int signo)
{
    struct sighand *s = process->sighand;
    lock_acquire(&s->lock);
    struct linux_sigaction action = s->action[signo];
    lock_release(&s->lock);
    return action;
}

static bool handler_ignores(struct process *process, int signo)
{
    uint64_t handler = signal_action(process, signo).handler;
    return handler == LINUX_SIG_IGN ||
           (handler == LINUX_SIG_DFL && signal_in(SIGNAL_IGNORED_BY_DEFAULT, signo));
}

// A blocked signal is kept even when ignored: its action may change before it is unblocked.
// So is every signal but SIGKILL of a traced task: its tracer sees it.
static bool ignored(struct task *task, int signo)
{
    if (signal_in(task->blocked | task->real_blocked, signo) ||
        (task->ptrace.tracer && signo != LINUX_SIGKILL))
        return false;
    return handler_ignores(task->process, signo);
}

// --- Waking --------------------------------------------------------------------------------------

void signal_wake(struct task *task)
{
    atomic_store_explicit(&task->work_pending, true, memory_order_seq_cst);
    cpu_poke(&task->cpu);
    task_wake(task);
}

uint64_t signal_deliverable(struct task *task)
{
    return (task->pending.set | task->process->pending.set) & ~task->blocked;
}

bool task_dying(struct task *task)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    bool dying = p->group_exit || task->kill_pending ||
                 (task->pending.set & signal_bit(LINUX_SIGKILL)) ||
                 (p->pending.set & signal_bit(LINUX_SIGKILL));
    lock_release(&p->lock);
    return dying;
}

bool task_signal_pending(struct task *task)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    bool pending = p->group_exit || task->kill_pending || task->stop_counted || task->stop_again ||
                   task->ptrace.trap_stop || task->ptrace.trap_notify ||
                   signal_deliverable(task) != 0;
    lock_release(&p->lock);
    return pending;
}

void signal_begin_group_exit(struct process *process, int32_t status)
{
    if (process->group_exit)
        return;
    process->group_exit = true;
    process->exit_status = status;
    process->stop_signal = 0;
    process->stop_left = 0;
    process->stop_complete = false;
    struct task *t;
    list_for_each (t, &process->threads, thread_link) {
        t->stop_counted = t->stop_again = false;
        t->in_stop = false;
        if (t->ptrace.ending)
            t->ptrace.killed = true;
        signal_wake(t);
    }
}

// --- Choosing a thread ---------------------------------------------------------------------------

// Linux prefers a thread that is not on its way to handle another signal.
static bool wants(struct task *task, int signo)
{
    if (task->exit_begun || signal_in(task->blocked, signo))
        return false;
    if (signo == LINUX_SIGKILL)
        return true;
    return !task->in_stop && !task->ptrace.stopped &&
           !(atomic_load_explicit(&task->work_pending, memory_order_relaxed) &&
             atomic_load_explicit(&task->state, memory_order_relaxed) != TASK_RUNNING);
}

static struct task *choose(struct task *preferred, int signo, bool whole_process)
{
    if (wants(preferred, signo))
        return preferred;
    if (!whole_process)
        return NULL;
    struct task *t;
    list_for_each (t, &preferred->process->threads, thread_link)
        if (wants(t, signo))
            return t;
    return NULL;
}

static bool fatal(struct task *task, int signo)
{
    uint64_t handler = signal_action(task->process, signo).handler;
    return signo == LINUX_SIGKILL ||
           (handler == LINUX_SIG_DFL &&
            !signal_in(SIGNAL_IGNORED_BY_DEFAULT | SIGNAL_STOP_SET, signo));
}

static void complete(struct task *target, int signo, bool whole_process)
{
    struct process *p = target->process;
    wait_queue_wake(&p->signal_wait, LINUX_POLLIN, false);
    struct task *t = choose(target, signo, whole_process);
    if (!t)
        return;
    // A fatal signal ends all threads at once instead of when `t` gets to it; those that leave a
    // core are left to `t`, whose registers the report shows.
    if (fatal(t, signo) && !signal_in(t->real_blocked, signo) &&
        (signo == LINUX_SIGKILL ||
         (!signal_in(SIGNAL_CORE_SET, signo) && !target->ptrace.tracer))) {
        signal_begin_group_exit(p, signo);
        return;
    }
    signal_wake(t);
}

// --- Sending -------------------------------------------------------------------------------------

static void flush_everywhere(struct process *p, uint64_t set)
{
    sigpending_flush(p, &p->pending, set);
    struct task *t;
    list_for_each (t, &p->threads, thread_link)
        sigpending_flush(p, &t->pending, set);
}

// SIGCONT goes on with the process even if it is ignored, blocked or handled.
static void resume(struct process *p)
{
    flush_everywhere(p, SIGNAL_STOP_SET);
    bool stopping = p->stop_signal != 0;
    if (stopping) {
        p->stop_notify = p->stop_complete ? LINUX_CLD_CONTINUED : LINUX_CLD_STOPPED;
        p->notify_status = p->stop_signal;
        p->wait_stop_status = 0;
        p->wait_continued = true;
        p->stop_signal = 0;
        p->stop_left = 0;
        p->stop_complete = false;
    }
    struct task *t;
    list_for_each (t, &p->threads, thread_link) {
        t->stop_dequeued = false;
        t->stop_counted = t->stop_again = false;
        if (t->ptrace.seized && !t->exit_begun)
            ptrace_notify_group(t);
        if (t->in_stop || stopping) {
            t->in_stop = false;
            signal_wake(t);
        }
    }
}

static void prepare(struct process *p, int signo)
{
    if (signal_in(SIGNAL_STOP_SET, signo))
        flush_everywhere(p, signal_bit(LINUX_SIGCONT));
    else if (signo == LINUX_SIGCONT)
        resume(p);
}

// Queues the siginfo. Without memory or beyond the limit an ordinary signal is sent without it; a
// real-time one of sigqueue(2) fails.
static int enqueue(struct task *target, struct sigpending *pending, const struct siginfo *info)
{
    struct process *p = target->process;
    bool may_exceed = info->signo < LINUX_SIGRTMIN && info->code >= 0;
    struct sigqueue *q = NULL;
    if (may_exceed || p->pending_count < p->rlimit[LINUX_RLIMIT_SIGPENDING].cur)
        q = malloc(sizeof *q);
    if (!q)
        return info->signo >= LINUX_SIGRTMIN && info->code != LINUX_SI_USER ? -LINUX_EAGAIN : 0;
    q->info = *info;
    q->timer = NULL;
    p->pending_count++;
    list_add_tail(&pending->queue, &q->node);
    return 0;
}

int signal_send_locked(struct task *target, const struct siginfo *info, bool whole_process)
{
    struct process *p = target->process;
    int signo = info->signo;
    if (p->dead || p->group_exit)
        return 0;
    prepare(p, signo);
    if (ignored(target, signo))
        return 0;
    struct sigpending *pending = whole_process ? &p->pending : &target->pending;
    if (signo < LINUX_SIGRTMIN && signal_in(pending->set, signo))
        return 0;
    if (signo != LINUX_SIGKILL) {
        int err = enqueue(target, pending, info);
        if (err)
            return err;
    }
    pending->set |= signal_bit(signo);
    complete(target, signo, whole_process);
    return 0;
}

bool signal_send_timer_locked(struct task *target, struct sigqueue *entry, bool whole_process)
{
    struct process *p = target->process;
    int signo = entry->info.signo;
    if (p->dead || p->group_exit || !list_empty(&entry->node))
        return false;
    prepare(p, signo);
    if (ignored(target, signo))
        return false;
    struct sigpending *pending = whole_process ? &p->pending : &target->pending;
    list_add_tail(&pending->queue, &entry->node);
    pending->set |= signal_bit(signo);
    complete(target, signo, whole_process);
    return true;
}

int signal_send_thread(struct task *task, const struct siginfo *info)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    int err = task->exit_begun ? 0 : signal_send_locked(task, info, false);
    lock_release(&p->lock);
    return err;
}

int signal_send_process(struct task *task, const struct siginfo *info)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    int err = signal_send_locked(task, info, true);
    lock_release(&p->lock);
    return err;
}

int signal_send_group_member(struct process *p, const struct siginfo *info)
{
    lock_acquire(&p->lock);
    p->group_signals++;
    int err = signal_send_locked(p->leader, info, true);
    lock_release(&p->lock);
    return err;
}

// As Linux: success if one member got it, else the last error.
int signal_send_pgrp_checked(struct pgrp *pgrp, const struct siginfo *info, signal_check *check,
                             void *context)
{
    int err = -LINUX_ESRCH;
    bool success = false;
    lock_acquire(&pgrp->lock);
    struct process *p;
    list_for_each (p, &pgrp->members, pgrp_link) {
        err = check ? check(context, p->leader, pgrp) : 0;
        if (!err && info->signo)
            err = signal_send_group_member(p, info);
        success |= !err;
    }
    lock_release(&pgrp->lock);
    return success ? 0 : err;
}

int signal_send_pgrp(struct pgrp *pgrp, const struct siginfo *info)
{
    return signal_send_pgrp_checked(pgrp, info, NULL, NULL);
}

static struct siginfo from_kernel(int signo)
{
    return (struct siginfo){.signo = signo, .code = LINUX_SI_KERNEL};
}

void signal_kernel_process(struct task *task, int signo)
{
    struct siginfo info = from_kernel(signo);
    (void)signal_send_process(task, &info);
}

void signal_kernel_pgrp(struct pgrp *pgrp, int signo)
{
    struct siginfo info = from_kernel(signo);
    (void)signal_send_pgrp(pgrp, &info);
}

void signal_force(struct task *task, const struct siginfo *info)
{
    struct process *p = task->process;
    int signo = info->signo;
    lock_acquire(&p->lock);
    bool blocked = signal_in(task->blocked, signo);
    lock_acquire(&p->sighand->lock);
    struct linux_sigaction *action = &p->sighand->action[signo];
    if (blocked || action->handler == LINUX_SIG_IGN)
        action->handler = LINUX_SIG_DFL;
    lock_release(&p->sighand->lock);
    if (blocked) {
        task->blocked &= ~signal_bit(signo);
        atomic_store_explicit(&task->work_pending, true, memory_order_relaxed);
    }
    (void)signal_send_locked(task, info, false);
    lock_release(&p->lock);
}

bool signal_caught(struct task *task, int signo)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    uint64_t handler = signal_action(p, signo).handler;
    bool result =
        !signal_in(task->blocked, signo) && handler != LINUX_SIG_DFL && handler != LINUX_SIG_IGN;
    lock_release(&p->lock);
    return result;
}

bool signal_blocked_or_ignored(struct task *task, int signo)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    bool result =
        signal_in(task->blocked, signo) || signal_action(p, signo).handler == LINUX_SIG_IGN;
    lock_release(&p->lock);
    return result;
}

// --- Taking --------------------------------------------------------------------------------------

static int next_signal(const struct sigpending *pending, uint64_t blocked)
{
    uint64_t ready = pending->set & ~blocked;
    if (!ready)
        return 0;
    if (ready & SIGNAL_SYNCHRONOUS)
        ready &= SIGNAL_SYNCHRONOUS;
    return __builtin_ctzll(ready) + 1;
}

static void collect(struct process *p, struct sigpending *pending, int signo, struct siginfo *info)
{
    struct sigqueue *q, *next, *first = NULL;
    bool more = false;
    list_for_each_safe (q, next, &pending->queue, node) {
        if (q->info.signo != signo)
            continue;
        if (first) {
            more = true;
            break;
        }
        first = q;
    }
    if (!more)
        pending->set &= ~signal_bit(signo);
    if (!first) {
        *info = (struct siginfo){.signo = signo, .code = LINUX_SI_USER};
        return;
    }
    *info = first->info;
    if (first->timer)
        posix_timer_delivered(first->timer, info);
    sigqueue_free(p, first);
}

int signal_dequeue(struct task *task, uint64_t blocked, struct siginfo *info)
{
    struct process *p = task->process;
    struct sigpending *pending = &task->pending;
    int signo = next_signal(pending, blocked);
    if (!signo) {
        pending = &p->pending;
        signo = next_signal(pending, blocked);
    }
    if (!signo)
        return 0;
    collect(p, pending, signo, info);
    if (signal_in(SIGNAL_STOP_SET, signo))
        task->stop_dequeued = true;
    return signo;
}

// --- Masks ---------------------------------------------------------------------------------------

void signal_retarget(struct task *task, uint64_t set)
{
    struct process *p = task->process;
    set &= p->pending.set;
    struct task *t;
    list_for_each (t, &p->threads, thread_link) {
        if (!set)
            return;
        if (t == task || t->exit_begun || !(set & ~t->blocked))
            continue;
        set &= t->blocked;
        signal_wake(t);
    }
}

void signal_set_blocked(struct task *task, uint64_t mask)
{
    mask &= ~SIGNAL_UNBLOCKABLE;
    uint64_t newly_blocked = mask & ~task->blocked;
    task->blocked = mask;
    if (newly_blocked)
        signal_retarget(task, newly_blocked);
    if (signal_deliverable(task))
        atomic_store_explicit(&task->work_pending, true, memory_order_relaxed);
}

void signal_mask_temporarily(struct task *task, uint64_t mask)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    task->saved_blocked = task->blocked;
    task->restore_blocked = true;
    // If nothing interrupts the call, syscall_dispatch() restores the mask. work_pending stays what
    // it says: a thread that sleeps with it set looks as if it had a signal already (wants()).
    signal_set_blocked(task, mask);
    lock_release(&p->lock);
}

void signal_mask_restore(struct task *task)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    if (task->restore_blocked) {
        task->restore_blocked = false;
        signal_set_blocked(task, task->saved_blocked);
    }
    lock_release(&p->lock);
}
