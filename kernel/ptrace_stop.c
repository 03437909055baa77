// The tracee's side of tracing: where it stops, who is told, how it goes on.
#include "kernel/cred.h"
#include "kernel/process.h"
#include "kernel/ptrace.h"
#include "kernel/signal_internal.h"
#include "kernel/sleep.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"

enum {
    EVENT_SHIFT = 8,
    SYSGOOD = 0x80,  // in the code of a system-call stop, with PTRACE_O_TRACESYSGOOD
    CALL_MARK_X = 7, // x7 says in a system-call stop which one it is: 0 entry, 1 exit
};

void ptrace_init(struct ptrace *p)
{
    list_init(&p->tracees);
    list_init(&p->link);
    p->call_nr = -1;
}

// --- The stop ------------------------------------------------------------------------------------

// A task that ends has no stop left but that of PTRACE_EVENT_EXIT. process->lock is held.
static bool cannot_stop(const struct task *task, bool ending)
{
    const struct process *p = task->process;
    if (ending)
        return task->ptrace.killed;
    return p->group_exit || task->kill_pending || signal_in(task->pending.set, LINUX_SIGKILL) ||
           signal_in(p->pending.set, LINUX_SIGKILL);
}

// Called after `stopped` was set, so whoever is told finds the stop. When everybody ends, tracers
// may wait for each other: then the stop is none.
static void announce(struct task *task, int32_t why, bool group_stopped)
{
    struct kernel *kernel = task->kernel;
    struct process *p = task->process;
    lock_acquire(&kernel->tasklist);
    ptrace_tell_tracer(task, why, task->ptrace.code & 0x7f);
    if (kernel->shutting_down || kernel->init_ending) {
        lock_acquire(&p->lock);
        task->ptrace.killed = true;
        lock_release(&p->lock);
    }
    lock_release(&kernel->tasklist);
    if (group_stopped)
        signal_notify_stop(task);
}

void ptrace_trapped(struct task *task)
{
    struct ptrace *pt = &task->ptrace;
    if (!pt->trapping)
        return;
    pt->trapping = false;
    task_wake(pt->tracer);
}

struct stop {
    int32_t code, why;
    uint64_t message;
    struct siginfo *info; // the tracer may change it; NULL: none
    bool ending;
};

// Returns the signal the tracer resumed with, or `otherwise` when there was no stop. Enters and
// leaves with process->lock held.
static int32_t stop_here(struct task *task, const struct stop *s, int32_t otherwise) NO_TSA
{
    struct process *p = task->process;
    struct ptrace *pt = &task->ptrace;
    if (!pt->tracer || cannot_stop(task, s->ending))
        return otherwise;
    bool group_stopped = false;
    if (s->why == LINUX_CLD_STOPPED) {
        group_stopped = signal_stop_participate(task);
        task->stop_again = false;
    }
    pt->stopped = true;
    pt->reported = false;
    pt->ending = s->ending;
    pt->code = s->code;
    pt->message = s->message;
    pt->info = s->info;
    pt->resume_signo = 0;
    pt->trap_stop = false;
    if (s->info && s->info->code >> EVENT_SHIFT == LINUX_PTRACE_EVENT_STOP)
        pt->trap_notify = false;
    ptrace_trapped(task);
    // Who hears of the stop is to see it.
    atomic_store_explicit(&task->state, TASK_TRACED, memory_order_relaxed);
    lock_release(&p->lock);
    announce(task, s->why, group_stopped);
    lock_acquire(&p->lock);
    while (pt->stopped && (pt->busy || !cannot_stop(task, s->ending))) {
        lock_release(&p->lock);
        (void)!task_sleep(task, WAIT_FOREVER, WAIT_UNINTERRUPTIBLE, TASK_TRACED);
        lock_acquire(&p->lock);
    }
    atomic_store_explicit(&task->state, TASK_RUNNING, memory_order_relaxed);
    pt->stopped = pt->listening = pt->ending = false;
    pt->info = NULL;
    pt->message = 0;
    // Signals that were sent meanwhile chose nobody.
    if (signal_deliverable(task))
        atomic_store_explicit(&task->work_pending, true, memory_order_relaxed);
    return pt->resume_signo;
}

// A stop that the tracee makes of its own: siginfo says so.
static int32_t stop_notify(struct task *task, int32_t signo, struct stop s)
{
    struct siginfo info = {
        .signo = signo, .code = s.code, .pid = task->pid, .uid = task->cred->uid};
    s.info = &info;
    return stop_here(task, &s, 0);
}

void ptrace_trap(struct task *task)
{
    struct ptrace *pt = &task->ptrace;
    int32_t signo = pt->stop_signo ? pt->stop_signo : LINUX_SIGSTOP;
    struct stop s = {.code = signo, .why = LINUX_CLD_STOPPED};
    if (pt->seized) {
        if (!task->process->stop_signal)
            signo = LINUX_SIGTRAP;
        s.code = signo | LINUX_PTRACE_EVENT_STOP << EVENT_SHIFT;
        (void)stop_notify(task, signo, s);
    } else {
        (void)stop_here(task, &s, 0);
    }
    // Where the stop was not possible any more, nothing is left to ask for it.
    if (cannot_stop(task, false) || !pt->tracer)
        pt->trap_stop = pt->trap_notify = false;
}

int32_t ptrace_signal(struct task *task, struct siginfo *info)
{
    struct ptrace *pt = &task->ptrace;
    // The tracer may put a stop signal in the place of any other.
    task->stop_dequeued = true;
    struct stop s = {.code = info->signo, .why = LINUX_CLD_TRAPPED, .info = info};
    int32_t signo = stop_here(task, &s, info->signo);
    if (signo && signo != info->signo) {
        *info = (struct siginfo){.signo = signo, .code = LINUX_SI_USER};
        if (pt->tracer) {
            const struct cred *cred = task_cred_get(pt->tracer);
            info->pid = pt->tracer->tgid;
            info->uid = cred->uid;
            cred_put(cred);
        }
    }
    if (signo && signal_in(task->blocked, signo)) {
        (void)signal_send_locked(task, info, false);
        return 0;
    }
    return signo;
}

// --- Events --------------------------------------------------------------------------------------

static bool wants_event(const struct ptrace *pt, int event)
{
    return pt->tracer && pt->options & 1u << event;
}

bool ptrace_wants_event(struct task *task, int event)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    bool wants = wants_event(&task->ptrace, event);
    lock_release(&p->lock);
    return wants;
}

void ptrace_event(struct task *task, int event, uint64_t message)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    if (wants_event(&task->ptrace, event))
        (void)stop_notify(task, LINUX_SIGTRAP,
                          (struct stop){.code = LINUX_SIGTRAP | event << EVENT_SHIFT,
                                        .why = LINUX_CLD_TRAPPED,
                                        .message = message,
                                        .ending = event == LINUX_PTRACE_EVENT_EXIT});
    lock_release(&p->lock);
}

void ptrace_exec(struct task *task, int32_t old_tid)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    bool event = wants_event(&task->ptrace, LINUX_PTRACE_EVENT_EXEC);
    if (!event && task->ptrace.tracer && !task->ptrace.seized) {
        struct siginfo info = {.signo = LINUX_SIGTRAP, .pid = task->tgid, .uid = task->cred->uid};
        (void)signal_send_locked(task, &info, false);
    }
    lock_release(&p->lock);
    if (event)
        ptrace_event(task, LINUX_PTRACE_EVENT_EXEC, (uint64_t)(uint32_t)old_tid);
}

void ptrace_stepped(struct task *task)
{
    struct siginfo info = {.signo = LINUX_SIGTRAP, .code = LINUX_TRAP_TRACE, .addr = task->cpu.pc};
    signal_force(task, &info);
}

void ptrace_handler_entered(struct task *task)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    (void)stop_notify(task, LINUX_SIGTRAP,
                      (struct stop){.code = LINUX_SIGTRAP, .why = LINUX_CLD_TRAPPED});
    lock_release(&p->lock);
}

// --- System calls --------------------------------------------------------------------------------

// True when the task goes on with the call.
static bool report_call(struct task *task, uint64_t message)
{
    struct process *p = task->process;
    uint64_t *x = task->cpu.x, kept = x[CALL_MARK_X];
    x[CALL_MARK_X] = message == LINUX_PTRACE_EVENTMSG_SYSCALL_EXIT;
    lock_acquire(&p->lock);
    int32_t code = LINUX_SIGTRAP;
    if (task->ptrace.options & LINUX_PTRACE_O_TRACESYSGOOD)
        code |= SYSGOOD;
    int32_t signo =
        stop_notify(task, LINUX_SIGTRAP,
                    (struct stop){.code = code, .why = LINUX_CLD_TRAPPED, .message = message});
    if (signo) {
        struct siginfo info = {.signo = signo, .code = LINUX_SI_KERNEL};
        (void)signal_send_locked(task, &info, false);
    }
    bool alive = !cannot_stop(task, false);
    lock_release(&p->lock);
    x[CALL_MARK_X] = kept;
    return alive;
}

bool ptrace_syscall_enter(struct task *task, uint32_t *nr)
{
    bool emulate = ptrace_work(&task->ptrace) & PTRACE_WORK_EMULATE;
    task->ptrace.call_nr = (int32_t)*nr;
    // The tracer skips a call by making its number -1; the guest's own -1 is to look like one that
    // does not exist.
    if (*nr == UINT32_MAX)
        task->cpu.x[0] = (uint64_t)-LINUX_ENOSYS;
    bool alive = report_call(task, LINUX_PTRACE_EVENTMSG_SYSCALL_ENTRY);
    *nr = (uint32_t)task->ptrace.call_nr;
    task->ptrace.call_nr = -1;
    return alive && !emulate && *nr != UINT32_MAX;
}

void ptrace_syscall_exit(struct task *task, uint32_t nr)
{
    if (!(ptrace_work(&task->ptrace) & PTRACE_WORK_STEP)) {
        task->ptrace.call_nr = (int32_t)nr;
        (void)report_call(task, LINUX_PTRACE_EVENTMSG_SYSCALL_EXIT);
        task->ptrace.call_nr = -1;
        return;
    }
    struct siginfo info = {.signo = LINUX_SIGTRAP, .code = LINUX_SI_USER};
    signal_force(task, &info);
}

bool ptrace_seccomp(struct task *task, uint32_t *nr, uint32_t data)
{
    if (!ptrace_wants_event(task, LINUX_PTRACE_EVENT_SECCOMP))
        return false;
    task->ptrace.call_nr = (int32_t)*nr;
    ptrace_event(task, LINUX_PTRACE_EVENT_SECCOMP, data);
    *nr = (uint32_t)task->ptrace.call_nr;
    task->ptrace.call_nr = -1;
    return true;
}

void ptrace_end_work(struct task *task)
{
    task->ptrace.busy = false;
    if (cannot_stop(task, task->ptrace.ending))
        task_wake(task);
}

// --- Going on ------------------------------------------------------------------------------------

void ptrace_resume(struct task *task, int32_t signo)
{
    struct ptrace *pt = &task->ptrace;
    pt->stopped = pt->busy = pt->listening = false;
    pt->resume_signo = signo;
    task_wake(task);
}

void ptrace_notify_group(struct task *task)
{
    struct ptrace *pt = &task->ptrace;
    pt->trap_notify = true;
    if (pt->stopped && pt->listening)
        ptrace_resume(task, 0);
    signal_wake(task);
}

void ptrace_stop_no_more(struct process *process)
{
    struct task *t;
    list_for_each (t, &process->threads, thread_link) {
        if (t->exit_begun)
            continue;
        t->ptrace.killed = true;
        task_wake(t);
    }
}

// --- The tie -------------------------------------------------------------------------------------

bool ptrace_reparented(const struct task *task)
{
    const struct task *parent = task->process->leader->real_parent;
    return task->ptrace.tracer && (!parent || parent->process != task->ptrace.tracer->process);
}

void ptrace_tie(struct task *tracer, struct task *task, bool seized, uint32_t options)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    task->ptrace.tracer = tracer;
    task->ptrace.seized = seized;
    task->ptrace.options = options;
    list_add_tail(&tracer->ptrace.tracees, &task->ptrace.link);
    lock_release(&p->lock);
}

void ptrace_inherit(struct task *parent, struct task *child)
{
    struct task *tracer = parent->ptrace.tracer;
    if (!tracer)
        return;
    lock_acquire(&parent->process->lock);
    bool seized = parent->ptrace.seized;
    uint32_t options = parent->ptrace.options;
    lock_release(&parent->process->lock);
    ptrace_tie(tracer, child, seized, options);
    lock_acquire(&child->process->lock);
    if (seized)
        child->ptrace.trap_stop = true;
    else
        child->pending.set |= signal_bit(LINUX_SIGSTOP);
    atomic_store_explicit(&child->work_pending, true, memory_order_relaxed);
    lock_release(&child->process->lock);
}

void ptrace_untie(struct task *task)
{
    struct process *p = task->process;
    struct ptrace *pt = &task->ptrace;
    lock_acquire(&p->lock);
    list_remove(&pt->link);
    pt->tracer = NULL;
    pt->seized = pt->trap_stop = pt->trap_notify = pt->trapping = false;
    pt->options = 0;
    atomic_store_explicit(&pt->work, 0, memory_order_relaxed);
    if (!task->exit_begun && p->stop_signal) {
        task->stop_again = !task->stop_counted;
        if (!pt->stop_signo)
            pt->stop_signo = LINUX_SIGSTOP;
        signal_wake(task);
    }
    if (pt->stopped)
        ptrace_resume(task, pt->resume_signo);
    lock_release(&p->lock);
}
