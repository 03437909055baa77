// Delivery: what a task does about its signals before it returns to the guest, and the one place
// where an interrupted system call is restarted or ended with EINTR.
#include "kernel/core_dump.h"
#include "kernel/crash_report.h"
#include "kernel/group.h"
#include "kernel/process.h"
#include "kernel/rseq.h"
#include "kernel/signal.h"
#include "kernel/signal_internal.h"
#include "kernel/sleep.h"
#include "kernel/strace.h"
#include "kernel/syscall_handlers.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/wait.h"

enum { SVC_SIZE = 4 }; // bytes the program counter goes back to run a system call again

// --- Group stop ----------------------------------------------------------------------------------

bool signal_stop_participate(struct task *task)
{
    struct process *p = task->process;
    if (!task->stop_counted)
        return false;
    task->stop_counted = false;
    if (p->stop_left == 0 || --p->stop_left > 0 || p->stop_complete)
        return false;
    p->stop_complete = true;
    p->wait_stop_status = p->stop_signal;
    p->wait_continued = false;
    p->stop_notify = LINUX_CLD_STOPPED;
    p->notify_status = p->stop_signal;
    return true;
}

// A stop signal was taken: every thread is to stop. process->lock is held.
static void stop_begin(struct task *task, int signo)
{
    struct process *p = task->process;
    if (!p->stop_complete)
        p->stop_signal = signo;
    p->stop_left = 0;
    struct task *t;
    list_for_each (t, &p->threads, thread_link) {
        if (t->exit_begun || t->in_stop)
            continue;
        t->stop_counted = true;
        t->ptrace.stop_signo = signo;
        p->stop_left++;
        if (t != task && t->ptrace.seized)
            ptrace_notify_group(t);
        else if (t != task)
            signal_wake(t);
    }
}

// Stops with the group, until SIGCONT or the end. Enters and leaves with process->lock held.
static void stop_here(struct task *task) NO_TSA
{
    struct process *p = task->process;
    bool complete = signal_stop_participate(task);
    task->stop_again = false;
    task->in_stop = true;
    while (task->in_stop) {
        // Who hears of the stop is to see it.
        atomic_store_explicit(&task->state, TASK_STOPPED, memory_order_relaxed);
        lock_release(&p->lock);
        if (complete)
            signal_notify_stop(task);
        complete = false;
        (void)!task_sleep(task, WAIT_FOREVER, WAIT_UNINTERRUPTIBLE, TASK_STOPPED);
        lock_acquire(&p->lock);
    }
    atomic_store_explicit(&task->state, TASK_RUNNING, memory_order_relaxed);
}

// The default action of SIGTSTP, SIGTTIN and SIGTTOU does nothing in an orphaned group: nobody is
// there to continue it. Enters and leaves with process->lock held.
static bool stop_allowed(struct task *task, int signo) NO_TSA
{
    if (signo == LINUX_SIGSTOP)
        return true;
    lock_release(&task->process->lock);
    struct pgrp *pgrp = task_pgrp_get(task);
    bool orphaned = pgrp_orphaned(pgrp);
    pgrp_put(pgrp);
    lock_acquire(&task->process->lock);
    return !orphaned;
}

// --- Choosing what to do -------------------------------------------------------------------------

struct delivery {
    struct siginfo info;
    struct linux_sigaction action;
    uint64_t mask; // to be restored by sigreturn
};

static void die(struct task *task, const struct siginfo *info)
{
    struct process *p = task->process;
    if (log_on(&task->kernel->log, LOG_STRACE))
        trace_signal(task, info->signo, info->code, info->addr);
    core_dump_prepare(task, info->signo);
    signal_begin_group_exit(p, info->signo);
}

// Enters and leaves with process->lock held; the log is written without it.
static void report(struct task *task, const struct siginfo *info) NO_TSA
{
    if (!signal_in(SIGNAL_CORE_SET, info->signo) || !log_on(&task->kernel->log, LOG_SIGNAL))
        return;
    lock_release(&task->process->lock);
    crash_report(task, info);
    lock_acquire(&task->process->lock);
}

// The default action of a signal without handler. Enters and leaves with process->lock held.
static void act_by_default(struct task *task, struct siginfo *info)
{
    int signo = info->signo;
    if (signal_in(SIGNAL_IGNORED_BY_DEFAULT, signo))
        return;
    if (!signal_in(SIGNAL_STOP_SET, signo)) {
        report(task, info);
        die(task, info);
        core_dump(task, info);
        return;
    }
    // A SIGCONT that came while the lock was released cancels the stop.
    if (stop_allowed(task, signo) && task->stop_dequeued && !task->process->group_exit &&
        !task->process->exec_task && !task->stop_counted)
        stop_begin(task, signo);
}

// Takes signals until one has a handler. process->lock is held throughout except where a stop
// sleeps. False: none is left, or the task is to exit.
static bool next_delivery(struct task *task, struct delivery *out) NO_TSA
{
    struct process *p = task->process;
    for (;;) {
        if (p->group_exit || task->kill_pending) {
            task->exiting = true;
            task->exit_status = p->group_exit ? p->exit_status : LINUX_SIGKILL;
            return false;
        }
        if (p->stop_notify) {
            lock_release(&p->lock);
            signal_notify_stop(task);
            lock_acquire(&p->lock);
            continue;
        }
        if (task->stop_counted || task->stop_again) {
            if (task->ptrace.tracer) {
                task->ptrace.trap_stop = true;
            } else {
                stop_here(task);
                continue;
            }
        }
        if (task->ptrace.trap_stop || task->ptrace.trap_notify) {
            ptrace_trap(task);
            continue;
        }
        int signo = signal_dequeue(task, task->blocked, &out->info);
        if (!signo)
            return false;
        if (task->ptrace.tracer && signo != LINUX_SIGKILL) {
            signo = ptrace_signal(task, &out->info);
            if (!signo)
                continue;
        }
        out->action = signal_action(p, signo);
        if (out->action.handler == LINUX_SIG_IGN)
            continue;
        if (signo == LINUX_SIGKILL) {
            die(task, &out->info);
            continue;
        }
        if (out->action.handler == LINUX_SIG_DFL) {
            act_by_default(task, &out->info);
            continue;
        }
        if (out->action.flags & LINUX_SA_RESETHAND) {
            lock_acquire(&p->sighand->lock);
            p->sighand->action[signo].handler = LINUX_SIG_DFL;
            lock_release(&p->sighand->lock);
        }
        return true;
    }
}

// --- Restarts ------------------------------------------------------------------------------------

struct restart {
    bool possible;
    int64_t result;       // -ERESTART*
    uint64_t continue_pc; // after the svc
};

// The registers are first made those of a call about to run again; a handler may then turn that
// into EINTR.
static struct restart restart_prepare(struct task *task)
{
    struct restart r = {.possible = task->syscall_nr >= 0,
                        .result = (int64_t)task->cpu.x[0],
                        .continue_pc = task->cpu.pc};
    task->syscall_nr = -1;
    if (r.possible) {
        task->cpu.x[0] = task->syscall_x0;
        task->cpu.pc -= SVC_SIZE;
    }
    return r;
}

// A tracer may have made the task go on elsewhere.
static bool still_restarts(const struct task *task, const struct restart *r)
{
    return task->cpu.pc == r->continue_pc - SVC_SIZE;
}

static void restart_with_handler(struct task *task, const struct restart *r, uint64_t sa_flags)
{
    if (!r->possible || !still_restarts(task, r))
        return;
    bool again = r->result == -ERESTARTNOINTR ||
                 (r->result == -ERESTARTSYS && (sa_flags & LINUX_SA_RESTART));
    if (!again) {
        task->cpu.x[0] = (uint64_t)(int64_t)-LINUX_EINTR;
        task->cpu.pc = r->continue_pc;
    }
}

static void restart_without_handler(struct task *task, const struct restart *r)
{
    if (r->possible && r->result == -ERESTART_RESTARTBLOCK && still_restarts(task, r))
        task->cpu.x[8] = LINUX_NR_restart_syscall;
}

// --- The way back to the guest -------------------------------------------------------------------

// No stack for the handler: SIGSEGV, and the end if the frame was for a SIGSEGV.
static void frame_failed(struct task *task, int signo)
{
    struct siginfo info = {.signo = LINUX_SIGSEGV, .code = LINUX_SI_KERNEL};
    if (signo != LINUX_SIGSEGV) {
        signal_force(task, &info);
        return;
    }
    lock_acquire(&task->process->lock);
    die(task, &info);
    core_dump(task, &info);
    lock_release(&task->process->lock);
}

// Enters and leaves with process->lock held; it is released while the frame is written.
static void run_handler(struct task *task, struct delivery *d) NO_TSA
{
    struct process *p = task->process;
    d->mask = task->restore_blocked ? task->saved_blocked : task->blocked;
    lock_release(&p->lock);
    if (log_on(&task->kernel->log, LOG_STRACE))
        trace_signal(task, d->info.signo, d->info.code, d->info.addr);
    rseq_signal(task);
    bool built = signal_frame_build(task, &d->info, &d->action, d->mask);
    if (!built && task->no_memory)
        signal_no_memory(task);
    else if (!built)
        frame_failed(task, d->info.signo);
    lock_acquire(&p->lock);
    if (!built)
        return;
    task->restore_blocked = false;
    uint64_t blocked = task->blocked | d->action.mask;
    if (!(d->action.flags & LINUX_SA_NODEFER))
        blocked |= signal_bit(d->info.signo);
    signal_set_blocked(task, blocked);
    if (ptrace_work(&task->ptrace) & PTRACE_WORK_STEP) {
        lock_release(&p->lock);
        ptrace_handler_entered(task);
        lock_acquire(&p->lock);
    }
}

void signal_no_memory(struct task *task)
{
    const struct siginfo kill = {.signo = LINUX_SIGKILL, .code = LINUX_SI_KERNEL};
    task->no_memory = false;
    log_printf(&task->kernel->log, LOG_WARN, "%s[%d]: killed: out of memory", task->comm,
               task->pid);
    (void)signal_send_process(task, &kill);
}

void signal_deliver(struct task *task) NO_TSA
{
    struct process *p = task->process;
    struct delivery d;
    if (UNLIKELY(task->no_memory))
        signal_no_memory(task);
    struct restart restart = restart_prepare(task);
    bool handled = false;
    lock_acquire(&p->lock);
    // Cleared first: what is sent from here on sets it again.
    atomic_store_explicit(&task->work_pending, false, memory_order_relaxed);
    while (next_delivery(task, &d)) {
        if (!handled)
            restart_with_handler(task, &restart, d.action.flags);
        handled = true;
        run_handler(task, &d);
    }
    if (!handled) {
        restart_without_handler(task, &restart);
        if (task->restore_blocked) {
            task->restore_blocked = false;
            signal_set_blocked(task, task->saved_blocked);
        }
    }
    lock_release(&p->lock);
}
