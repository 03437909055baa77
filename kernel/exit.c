// The end of tasks: what they hold, who inherits their children, who is told.
#include "kernel/acct.h"
#include "kernel/async.h"
#include "kernel/core_dump.h"
#include "kernel/cred.h"
#include "kernel/fd.h"
#include "kernel/futex.h"
#include "kernel/group_internal.h"
#include "kernel/ipc/ipc.h"
#include "kernel/itimer.h"
#include "kernel/keys.h"
#include "kernel/mm.h"
#include "kernel/ns.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/posix_timer.h"
#include "kernel/process.h"
#include "kernel/ptrace.h"
#include "kernel/signal_internal.h"
#include "kernel/sleep.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task_internal.h"
#include "kernel/usage.h"
#include "kernel/wait.h"
#include "platform/abi/futex.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/wait.h"
#include "platform/clock.h"

// --- System calls --------------------------------------------------------------------------------

int64_t sys_exit(struct task *task, int32_t status)
{
    task->exiting = true;
    task->exit_status = linux_wstatus_exited(status);
    return 0;
}

int64_t sys_exit_group(struct task *task, int32_t status)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    if (!p->exec_task) { // else the others end anyway, and the program goes on as another one
        signal_begin_group_exit(p, linux_wstatus_exited(status));
        task->exit_status = p->exit_status;
    }
    lock_release(&p->lock);
    task->exiting = true;
    return 0;
}

// --- Telling the parent --------------------------------------------------------------------------

// What the parent is told of a process by its leader, and a tracer of any thread.
static struct siginfo child_info(struct task *task, int32_t code, int32_t status)
{
    struct usage usage;
    process_usage_locked(task->process, &usage);
    const struct cred *cred = task_cred_get(task);
    struct siginfo info = {
        .signo = LINUX_SIGCHLD,
        .code = code,
        .of_child = true,
        .pid = task->pid,
        .uid = cred->uid,
        .status = status,
        .utime = usage.user_ns / (NSEC_PER_SEC / LINUX_USER_HZ),
        .stime = usage.system_ns / (NSEC_PER_SEC / LINUX_USER_HZ),
    };
    cred_put(cred);
    return info;
}

int32_t process_exit_status(struct process *p)
{
    lock_acquire(&p->lock);
    int32_t status = p->exit_status;
    lock_release(&p->lock);
    return status;
}

// The CLD_* code and si_status of a wait status.
static void decode_status(int32_t status, int32_t *code, int32_t *value)
{
    if (!(status & 0x7f)) {
        *code = LINUX_CLD_EXITED;
        *value = status >> 8;
    } else {
        *code = status & LINUX_WSTATUS_CORE ? LINUX_CLD_DUMPED : LINUX_CLD_KILLED;
        *value = status & 0x7f;
    }
}

int32_t task_final_status(struct task *task)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    bool whole = p->leader == task && atomic_load_explicit(&p->exited, memory_order_relaxed);
    int32_t status = p->group_exit || whole ? p->exit_status : task->exit_status;
    lock_release(&p->lock);
    return status;
}

// Sends the exit signal to the parent, or to a tracer. True when the parent said it does not wait.
static bool send_exit_signal(struct task *task, struct process *parent, int32_t signo, bool tracer)
{
    int32_t code, value;
    decode_status(task_final_status(task), &code, &value);
    struct siginfo info = child_info(task, code, value);
    bool unwanted = false;
    lock_acquire(&parent->lock);
    if (signo == LINUX_SIGCHLD && !tracer) {
        struct linux_sigaction action = signal_action(parent, LINUX_SIGCHLD);
        unwanted = action.handler == LINUX_SIG_IGN || action.flags & LINUX_SA_NOCLDWAIT;
        if (action.handler == LINUX_SIG_IGN)
            signo = 0;
    }
    if (signo > 0 && signo <= LINUX_NSIG) { // clone(2) accepts any number
        info.signo = signo;
        (void)signal_send_locked(parent->leader, &info, true);
    }
    lock_release(&parent->lock);
    return unwanted;
}

// The first process of a namespace that ends waits for nobody's status any more.
static bool reaper_ends(const struct task *parent)
{
    const struct pid_ns *ns = parent->pid_ns;
    return ns && ns->ending && ns->reaper == parent->process;
}

// A tracer is never spared the end of its tracee.
static void tell_tracer_of_end(struct task *task, int32_t signo)
{
    struct process *tracer = task->ptrace.tracer->process;
    (void)send_exit_signal(task, tracer, signo, true);
    wait_queue_wake(&tracer->child_wait, 0, false);
}

void process_ended(struct process *p, struct list *released)
{
    struct task *leader = p->leader;
    struct task *parent = leader->parent;
    atomic_store_explicit(&p->exited, true, memory_order_release);
    wait_queue_wake(&p->exit_wait, LINUX_POLLIN | LINUX_POLLRDNORM, false);
    if (leader->ptrace.tracer) { // who waits first; the parent is told when that is done
        tell_tracer_of_end(leader, ptrace_reparented(leader) ? LINUX_SIGCHLD : leader->exit_signal);
        return;
    }
    bool unwanted =
        !parent || p->kernel->init_ending || p->kernel->shutting_down || reaper_ends(parent);
    if (parent) {
        // A signal of the child's choice is not for another program.
        bool same = leader->parent_execs == parent->process->execs;
        unwanted |= send_exit_signal(leader, parent->process,
                                     same ? leader->exit_signal : LINUX_SIGCHLD, false);
        wait_queue_wake(&parent->process->child_wait, 0, false);
    }
    if (unwanted)
        task_release(leader, released);
}

// SIGCHLD about a stop, unless the process does not want to hear of it. tasklist is held.
static void send_stop_signal(struct process *to, const struct siginfo *info)
{
    lock_acquire(&to->lock);
    struct linux_sigaction action = signal_action(to, LINUX_SIGCHLD);
    if (action.handler != LINUX_SIG_IGN && !(action.flags & LINUX_SA_NOCLDSTOP))
        (void)signal_send_locked(to->leader, info, true);
    lock_release(&to->lock);
    wait_queue_wake(&to->child_wait, 0, false);
}

void ptrace_tell_tracer(struct task *task, int32_t code, int32_t status)
{
    struct task *tracer = task->ptrace.tracer;
    if (!tracer)
        return;
    struct siginfo info = child_info(task, code, status);
    send_stop_signal(tracer->process, &info);
}

void signal_notify_stop(struct task *task)
{
    struct process *p = task->process;
    struct kernel *kernel = task->kernel;
    lock_acquire(&kernel->tasklist);
    lock_acquire(&p->lock);
    int32_t code = p->stop_notify;
    int32_t status = code == LINUX_CLD_CONTINUED ? LINUX_SIGCONT : p->notify_status;
    p->stop_notify = 0;
    lock_release(&p->lock);
    struct task *parent = p->leader->parent;
    // A parent that traces the task is told of the task's own stop.
    bool traced = code == LINUX_CLD_STOPPED && task->ptrace.tracer && !ptrace_reparented(task);
    if (code && parent && !traced) {
        struct siginfo info = child_info(p->leader, code, status);
        send_stop_signal(parent->process, &info);
    }
    if (code == LINUX_CLD_CONTINUED && ptrace_reparented(p->leader))
        ptrace_tell_tracer(p->leader, code, status);
    lock_release(&kernel->tasklist);
}

// --- Release -------------------------------------------------------------------------------------

void task_release(struct task *task, struct list *released)
{
    struct kernel *kernel = task->kernel;
    struct process *p = task->process;
    if (task->ptrace.tracer)
        ptrace_untie(task);
    atomic_store_explicit(&task->state, TASK_DEAD, memory_order_relaxed);
    pid_slot(kernel->pids, task->pid)->task = NULL;
    list_remove(&task->sibling);
    bool leader = p->leader == task;
    if (leader) {
        pid_slot(kernel->pids, p->pid)->process = NULL;
        pgrp_leave(p);
        p->gone = true;
    } else {
        usage_add_task(&p->dead_threads, task);
    }
    lock_acquire(&p->lock);
    if (leader) {
        p->dead = true;
        sigpending_flush(p, &p->pending, ~0ull);
    }
    sigpending_flush(p, &task->pending, ~0ull);
    list_remove(&task->thread_link);
    lock_release(&p->lock);
    list_add_tail(released, &task->thread_link);

    pid_ns_leave(task);
    p->task_count--;
    kernel->task_count--;
    if (leader && kernel->init_process == p)
        kernel->init_process = NULL;
    cond_broadcast(&kernel->task_gone);
    if (p->exec_task)
        task_wake(p->exec_task);
}

void task_release_thread(struct task *task, struct list *released)
{
    struct process *p = task->process;
    task_release(task, released);
    if (p->leader_ended && p->task_count == 1 && !p->exec_task)
        process_ended(p, released);
}

void task_put_released(struct list *released)
{
    struct task *t, *next;
    list_for_each_safe (t, next, released, thread_link) {
        list_remove(&t->thread_link);
        task_put(t);
    }
}

static void task_kill_ns(struct kernel *kernel, const struct pid_ns *ns,
                         const struct process *except)
{
    static const struct siginfo kill = {.signo = LINUX_SIGKILL, .code = LINUX_SI_KERNEL};
    for (int32_t pid = 1; (pid = pid_next_task(kernel->pids, pid)) != 0; pid++) {
        struct process *p = pid_slot(kernel->pids, pid)->process;
        if (!p || p == except || !pid_ns_within(p->leader->pid_ns, ns))
            continue;
        (void)signal_send_group_member(p, &kill);
        lock_acquire(&p->lock);
        ptrace_stop_no_more(p);
        lock_release(&p->lock);
    }
}

void task_kill_all(struct kernel *kernel, const struct process *except)
{
    task_kill_ns(kernel, NULL, except);
}

// --- Children ------------------------------------------------------------------------------------

static struct task *live_thread(struct process *p, const struct task *except)
{
    struct task *t;
    list_for_each (t, &p->threads, thread_link)
        if (t != except && !t->exit_begun)
            return t;
    return NULL;
}

// Who takes the children of an exiting task: a thread of its process, the nearest ancestor that
// asked for orphans, or pid 1.
static struct task *find_heir(struct task *task)
{
    struct task *heir = live_thread(task->process, task);
    if (heir)
        return heir;
    for (struct task *t = task->process->leader->real_parent; t && t->pid_ns == task->pid_ns;
         t = t->process->leader->real_parent)
        if (t->process->subreaper && (heir = live_thread(t->process, NULL)))
            return heir;
    struct process *init = pid_ns_reaper(task->kernel, task->pid_ns);
    return init && init != task->process ? live_thread(init, NULL) : NULL;
}

// A stopped job whose last tie to a shell is cut must not stay stopped for ever.
static void hang_up_if_orphaned(struct process *p, const struct process *parent,
                                const struct process *ignored)
{
    struct pgrp *pgrp = p->pgrp;
    if (!pgrp || !parent || parent->pgrp == pgrp || parent->session != p->session)
        return;
    if (pgrp_orphaned_locked(pgrp, ignored) && pgrp_has_stopped(pgrp)) {
        signal_kernel_pgrp(pgrp, LINUX_SIGHUP);
        signal_kernel_pgrp(pgrp, LINUX_SIGCONT);
    }
}

static void send_death_signals(struct process *p, const struct task *from)
{
    struct task *t;
    list_for_each (t, &p->threads, thread_link) {
        if (!t->pdeath_signal)
            continue;
        struct siginfo info = {.signo = t->pdeath_signal, .code = LINUX_SI_USER, .pid = from->tgid};
        (void)signal_send_process(t, &info);
    }
}

static void give_child(struct task *child, struct task *from, struct task *heir,
                       struct list *released)
{
    struct process *p = child->process;
    list_remove(&child->sibling);
    child->parent = child->real_parent = heir;
    if (heir)
        list_add_tail(&heir->children, &child->sibling);
    send_death_signals(p, from);
    if (heir && heir->process == from->process)
        return;
    child->exit_signal = LINUX_SIGCHLD;
    hang_up_if_orphaned(p, from->process, NULL);
    if (atomic_load_explicit(&p->exited, memory_order_relaxed) && !child->ptrace.tracer)
        process_ended(p, released);
}

static void give_children_away(struct task *task, struct list *released)
{
    if (list_empty(&task->children))
        return;
    struct task *heir = find_heir(task);
    struct task *child, *next;
    list_for_each_safe (child, next, &task->children, sibling)
        give_child(child, task, heir, released);
}

// --- Exit ----------------------------------------------------------------------------------------

void task_leave_mm(struct task *task)
{
    futex_exit(task);
    if (task->clear_child_tid) {
        uint32_t zero = 0;
        if (!user_put(task, task->clear_child_tid, &zero))
            futex_wake_address(task, task->clear_child_tid, 1);
        task->clear_child_tid = 0;
    }
    // The others wait for what could not be written.
    if (UNLIKELY(task->no_memory) && task->exiting)
        signal_no_memory(task);
}

static void drop_mm(struct task *task, bool last)
{
    task_leave_mm(task);
    if (last) {
        struct mm_usage usage;
        mm_usage_get(task->mm, &usage);
        lock_acquire(&task->kernel->tasklist);
        struct usage *u = &task->process->dead_threads;
        if (usage.peak_rss > u->max_rss)
            u->max_rss = usage.peak_rss;
        lock_release(&task->kernel->tasklist);
    }
    mem_detach(&task->cpu);
    lock_acquire(&task->lock);
    struct mm *mm = task->mm;
    task->mm = NULL;
    lock_release(&task->lock);
    vfork_release(task);
    mm_put(mm);
}

static void drop_files(struct task *task)
{
    lock_acquire(&task->lock);
    struct fd_table *files = task->files;
    task->files = NULL;
    lock_release(&task->lock);
    fd_table_put(files, task);
    async_flush(task->kernel); // what closing told is known when the parent hears
}

static void drop_fs(struct task *task)
{
    lock_acquire(&task->lock);
    struct fs_context *fs = task->fs;
    task->fs = NULL;
    lock_release(&task->lock);
    fs_context_put(fs);
}

// From here on no signal chooses this thread. Returns true for the last one of its process.
static bool begin_exit(struct task *task)
{
    struct process *p = task->process;
    lock_acquire(&task->kernel->tasklist);
    bool last = --p->live_threads == 0;
    lock_acquire(&p->lock);
    task->exit_begun = true;
    ptrace_trapped(task);
    p->dead = last;
    if (last && !p->group_exit)
        p->exit_status = task->exit_status;
    bool stopped = signal_stop_participate(task);
    if (!p->group_exit)
        signal_retarget(task, ~task->blocked);
    lock_release(&p->lock);
    lock_release(&task->kernel->tasklist);
    if (stopped)
        signal_notify_stop(task);
    return last;
}

void task_leave_terminal(struct task *task)
{
    struct session *session = task_session_get(task);
    bool leads = session && session->sid == task->tgid;
    if (leads) {
        tty_leader_exit(task, session);
        lock_acquire(&session->lock);
        session->leader = NULL;
        lock_release(&session->lock);
    }
    session_put(session);
}

// pid 1 takes everybody with it, as in a pid namespace, and is the last to go. Enters and leaves
// with tasklist held.
static void end_of_init(struct task *task) NO_TSA
{
    struct kernel *kernel = task->kernel;
    struct process *p = task->process;
    struct pid_ns *ns = task->pid_ns;
    if (pid_ns_reaper(kernel, ns) != p)
        return;
    if (ns) {
        ns->ending = true;
        lock_acquire(&p->lock);
        p->exit_status = ns->reboot ? ns->reboot : p->exit_status;
        lock_release(&p->lock);
    } else {
        kernel->init_ending = true;
    }
    task_kill_ns(kernel, ns, p);
    struct list released;
    list_init(&released);
    struct task *child, *next;
    list_for_each_safe (child, next, &task->children, sibling)
        if (atomic_load_explicit(&child->process->exited, memory_order_relaxed))
            task_release(child, &released);
    while ((ns ? ns->task_count : kernel->task_count) > p->task_count)
        cond_wait(&kernel->task_gone, &kernel->tasklist, COND_FOREVER);
    lock_release(&kernel->tasklist);
    task_put_released(&released);
    lock_acquire(&kernel->tasklist);
}

static bool ignores_children(struct process *p)
{
    lock_acquire(&p->lock);
    struct linux_sigaction action = signal_action(p, LINUX_SIGCHLD);
    lock_release(&p->lock);
    return action.handler == LINUX_SIG_IGN || action.flags & LINUX_SA_NOCLDWAIT;
}

// A tracer ends. Zombies that were kept for it go where they would be without it. tasklist is held.
static void let_tracee_go(struct task *tracer, struct task *t, struct list *released)
{
    static const struct siginfo kill = {.signo = LINUX_SIGKILL, .code = LINUX_SI_KERNEL};
    struct process *p = t->process;
    lock_acquire(&p->lock);
    bool exitkill = t->ptrace.options & LINUX_PTRACE_O_EXITKILL;
    lock_release(&p->lock);
    bool reparented = ptrace_reparented(t);
    if (exitkill)
        (void)signal_send_process(t, &kill);
    ptrace_untie(t);
    if (atomic_load_explicit(&t->state, memory_order_relaxed) != TASK_ZOMBIE)
        return;
    if (p->leader != t)
        task_release_thread(t, released);
    else if (atomic_load_explicit(&p->exited, memory_order_relaxed) && reparented)
        process_ended(p, released);
    else if (atomic_load_explicit(&p->exited, memory_order_relaxed) &&
             ignores_children(tracer->process))
        task_release(t, released);
}

static void let_tracees_go(struct task *tracer, struct list *released)
{
    while (!list_empty(&tracer->ptrace.tracees))
        let_tracee_go(tracer, list_first(&tracer->ptrace.tracees, struct task, ptrace.link),
                      released);
}

// The dead thread leaves the tables, or stays as the zombie of its process or for its tracer.
// tasklist is held.
static void bury(struct task *task, bool last, struct list *released)
{
    struct process *p = task->process;
    if (last)
        hang_up_if_orphaned(
            p,
            task->process->leader->real_parent ? task->process->leader->real_parent->process : NULL,
            p);
    atomic_store_explicit(&task->state, TASK_ZOMBIE, memory_order_relaxed);
    bool leader = p->leader == task;
    if (leader)
        p->leader_ended = true;
    if (task->ptrace.tracer && (!leader || p->task_count > 1))
        tell_tracer_of_end(task, LINUX_SIGCHLD);
    if (!leader && !task->ptrace.tracer)
        task_release(task, released);
    struct task *waiting = p->exec_task;
    if (waiting)
        task_wake(waiting);
    if (p->leader_ended && p->task_count == 1 && !waiting)
        process_ended(p, released);
}

void task_exit(struct task *task)
{
    struct kernel *kernel = task->kernel;
    core_dump_join(task);
    ptrace_event(task, LINUX_PTRACE_EVENT_EXIT, (uint64_t)(uint32_t)task->exit_status);
    bool last = begin_exit(task);
    if (last) {
        itimer_end(task->process);
        posix_timers_end(task->process);
    }
    if (last)
        acct_process(task);
    sem_undo_leave(task);
    keys_task_gone(task);
    drop_mm(task, last);
    drop_files(task);
    drop_fs(task);
    task_ns_set(task, NULL);
    if (last)
        task_leave_terminal(task);
    usage_stop_clock(task);

    struct list released;
    list_init(&released);
    lock_acquire(&kernel->tasklist);
    let_tracees_go(task, &released);
    if (last)
        end_of_init(task);
    give_children_away(task, &released);
    bury(task, last, &released);
    lock_release(&kernel->tasklist);
    task_put_released(&released);
}

// --- exec: one thread remains --------------------------------------------------------------------

// The dead leader's place is taken: the caller has its number from now on. tasklist is held.
static void take_over_leader(struct task *task, struct list *released)
{
    struct kernel *kernel = task->kernel;
    struct process *p = task->process;
    struct task *old = p->leader;
    struct pgrp *pgrp = p->pgrp;
    int32_t own_tid = task->pid;
    lock_acquire(&pgrp->lock);
    lock_acquire(&p->lock);
    p->leader = task;
    task->pid = p->pid;
    int32_t own = task->own_pid;
    task->own_pid = task->own_tgid;
    old->own_pid = own;
    lock_release(&p->lock);
    lock_release(&pgrp->lock);
    task->exit_signal = old->exit_signal;
    task->parent_execs = old->parent_execs;
    task->pdeath_signal = old->pdeath_signal;
    task->parent = old->parent;
    task->real_parent = old->real_parent;
    if (task->parent) {
        list_add_tail(&old->sibling, &task->sibling);
        list_remove(&old->sibling);
    }
    struct task *child, *next;
    list_for_each_safe (child, next, &old->children, sibling) {
        list_remove(&child->sibling);
        child->parent = child->real_parent = task;
        list_add_tail(&task->children, &child->sibling);
    }
    pid_slot(kernel->pids, p->pid)->task = task;
    old->pid = own_tid;
    p->leader_ended = false;
    // A tracer that waits for the old leader is told that there is none: it is released unseen.
    if (old->ptrace.tracer)
        wait_queue_wake(&old->ptrace.tracer->process->child_wait, 0, false);
    task_release(old, released);
}

int task_become_alone(struct task *task)
{
    struct kernel *kernel = task->kernel;
    struct process *p = task->process;
    lock_acquire(&kernel->tasklist);
    lock_acquire(&p->lock);
    if (p->group_exit || p->exec_task) {
        lock_release(&p->lock);
        lock_release(&kernel->tasklist);
        return -LINUX_EAGAIN;
    }
    p->exec_task = task;
    p->stop_signal = 0;
    p->stop_left = 0;
    p->stop_complete = false;
    struct task *t;
    list_for_each (t, &p->threads, thread_link) {
        t->stop_counted = t->stop_again = t->in_stop = false;
        if (t == task || t->exit_begun)
            continue;
        t->kill_pending = true;
        signal_wake(t);
    }
    lock_release(&p->lock);

    struct list released;
    list_init(&released);
    int err = 0;
    for (;;) {
        unsigned others = p->task_count - 1;
        bool dead_leader = p->leader != task && p->leader_ended;
        if (others == (dead_leader ? 1u : 0u))
            break;
        lock_release(&kernel->tasklist);
        err = task_wait(task, WAIT_FOREVER, WAIT_KILLABLE);
        lock_acquire(&kernel->tasklist);
        if (err)
            break;
    }
    if (!err && p->leader != task)
        take_over_leader(task, &released);
    lock_acquire(&p->lock);
    p->exec_task = NULL;
    lock_release(&p->lock);
    lock_release(&kernel->tasklist);
    task_put_released(&released);
    return err ? -LINUX_EAGAIN : 0;
}
