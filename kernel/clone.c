// clone, clone3 and what they copy. Order of a birth: everything that can fail is made first; then
// the task is published under tasklist, where a signal to a group that came meanwhile makes the
// call start over; then its thread runs.
#include "kernel/fd.h"
#include "kernel/group_internal.h"
#include "kernel/ipc/ipc.h"
#include "kernel/itimer.h"
#include "kernel/keys.h"
#include "kernel/mm.h"
#include "kernel/ns.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/pidfd.h"
#include "kernel/process.h"
#include "kernel/rseq.h"
#include "kernel/seccomp.h"
#include "kernel/signal_internal.h"
#include "kernel/sleep.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task_internal.h"
#include "kernel/task_pool.h"
#include "kernel/user_struct.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"
#include "platform/clock.h"
#include <stdlib.h>
#include <string.h>

#define CLONE_NAMESPACES                                                                           \
    (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWCGROUP | LINUX_CLONE_NEWUTS | LINUX_CLONE_NEWIPC |         \
     LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNET | LINUX_CLONE_NEWTIME)

struct clone_request {
    uint64_t flags; // without the exit signal
    int32_t exit_signal;
    uint64_t stack; // 0: the caller's
    uaddr_t pidfd, parent_tid, child_tid;
    uint64_t tls;
    struct pid_choice choice;
};

// --- vfork ---------------------------------------------------------------------------------------

// Shared by the parent that waits and the child that will exec or exit.
struct vfork_done {
    _Atomic uint32_t refs;
    _Atomic bool done;
    struct task *parent; // referenced
};

static void vfork_put(struct vfork_done *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    task_put(v->parent);
    free(v);
}

void vfork_release(struct task *task)
{
    struct vfork_done *v = task->vfork_done;
    if (!v)
        return;
    task->vfork_done = NULL;
    atomic_store_explicit(&v->done, true, memory_order_release);
    task_wake(v->parent);
    vfork_put(v);
}

static int vfork_prepare(struct task *parent, struct task *child, struct vfork_done **out)
{
    struct vfork_done *v = calloc(1, sizeof *v);
    if (!v)
        return -LINUX_ENOMEM;
    atomic_init(&v->refs, 2);
    v->parent = task_get(parent);
    child->vfork_done = *out = v;
    return 0;
}

// The parent sleeps until the child left the address space; only its own death ends that sooner.
// False: it did.
static bool vfork_wait(struct task *parent, struct vfork_done *v)
{
    bool done;
    while (!(done = atomic_load_explicit(&v->done, memory_order_acquire)))
        if (task_wait(parent, WAIT_FOREVER, WAIT_KILLABLE))
            break;
    vfork_put(v);
    return done;
}

// --- Copies --------------------------------------------------------------------------------------

static int copy_mm(struct task *parent, struct task *child, uint64_t flags)
{
    int err = 0;
    if (flags & LINUX_CLONE_VM)
        child->mm = mm_get(parent->mm);
    else
        err = mm_fork(parent->mm, &child->mm);
    return err ? err : mem_attach(mm_mem(child->mm), &child->cpu);
}

static int copy_files(struct task *parent, struct task *child, uint64_t flags)
{
    if (flags & LINUX_CLONE_FILES) {
        child->files = fd_table_get(parent->files);
        return 0;
    }
    return fd_table_copy(parent->files, &child->files);
}

static int copy_fs(struct task *parent, struct task *child, uint64_t flags)
{
    if (flags & LINUX_CLONE_FS) {
        child->fs = fs_context_get(parent->fs);
        return 0;
    }
    return fs_context_copy(parent->fs, &child->fs);
}

static struct sighand *copy_sighand(struct task *parent, uint64_t flags)
{
    struct sighand *from = parent->process->sighand;
    if (flags & LINUX_CLONE_SIGHAND)
        return sighand_get(from);
    struct sighand *s = sighand_copy(from);
    if (!s || !(flags & LINUX_CLONE_CLEAR_SIGHAND))
        return s;
    for (int sig = 1; sig <= LINUX_NSIG; sig++)
        if (s->action[sig].handler != LINUX_SIG_IGN)
            s->action[sig] = (struct linux_sigaction){0};
    return s;
}

static int copy_process(struct task *parent, struct task *child, uint64_t flags)
{
    if (flags & LINUX_CLONE_THREAD) {
        child->process = process_get(parent->process);
        return 0;
    }
    struct process *from = parent->process;
    struct process *p = child->process = process_allocate(parent->kernel);
    if (!p)
        return -LINUX_ENOMEM;
    p->sighand = copy_sighand(parent, flags);
    if (!p->sighand)
        return -LINUX_ENOMEM;
    lock_acquire(&from->lock);
    memcpy(p->rlimit, from->rlimit, sizeof p->rlimit);
    p->dumpable = from->dumpable;
    p->core_filter = from->core_filter;
    atomic_init(&p->without_tty, atomic_load_explicit(&from->without_tty, memory_order_relaxed));
    p->oom_score_adj = from->oom_score_adj;
    p->thp_disabled = from->thp_disabled;
    lock_release(&from->lock);
    atomic_init(&p->membarrier, atomic_load_explicit(&from->membarrier, memory_order_relaxed));
    atomic_init(&p->without_tty, atomic_load_explicit(&from->without_tty, memory_order_relaxed));
    return 0;
}

static void copy_cpu(const struct task *parent, struct task *child, const struct clone_request *rq)
{
    const struct cpu *from = &parent->cpu;
    struct cpu *to = &child->cpu;
    memcpy(to->x, from->x, sizeof to->x);
    to->pc = from->pc;
    cpu_set_pstate(to, cpu_pstate(from));
    memcpy(to->v, from->v, sizeof to->v);
    to->fpcr = from->fpcr;
    to->fpsr = from->fpsr;
    to->tpidr_el0 = rq->flags & LINUX_CLONE_SETTLS ? rq->tls : from->tpidr_el0;
    to->x[0] = 0;
    atomic_init(&to->allowed, atomic_load_explicit(&from->allowed, memory_order_relaxed));
    if (rq->stack)
        to->x[CPU_SP] = rq->stack;
}

static void copy_fields(struct task *parent, struct task *child, const struct clone_request *rq)
{
    uint64_t flags = rq->flags;
    memcpy(child->comm, parent->comm, sizeof child->comm);
    child->blocked = parent->blocked;
    // A thread on the same memory must not run handlers on its maker's alternate stack.
    if ((flags & (LINUX_CLONE_VM | LINUX_CLONE_VFORK)) != LINUX_CLONE_VM) {
        child->altstack_sp = parent->altstack_sp;
        child->altstack_size = parent->altstack_size;
        child->altstack_flags = parent->altstack_flags;
    }
    if (!(flags & LINUX_CLONE_VM))
        rseq_copy(parent, child);
    seccomp_inherit(parent, child);
    child->personality = parent->personality;
    child->mce_policy = parent->mce_policy;
    child->nice = parent->nice;
    child->sched_policy = parent->sched_policy;
    child->sched_priority = parent->sched_priority;
    child->ioprio = parent->ioprio;
    child->memory_policy = parent->memory_policy;
    keys_inherit(parent, child);
    child->timer_slack_ns = child->default_timer_slack_ns = parent->timer_slack_ns;
    child->exit_signal = flags & LINUX_CLONE_THREAD   ? -1
                         : flags & LINUX_CLONE_PARENT ? parent->process->leader->exit_signal
                                                      : rq->exit_signal;
    child->parent_execs =
        flags & LINUX_CLONE_PARENT ? parent->process->leader->parent_execs : parent->process->execs;
    child->set_child_tid = flags & LINUX_CLONE_CHILD_SETTID ? rq->child_tid : 0;
    child->clear_child_tid = flags & LINUX_CLONE_CHILD_CLEARTID ? rq->child_tid : 0;
    child->start_ns = clock_monotonic_ns();
    child->start_boot_ns = clock_boottime_ns();
}

static int copy_namespaces(struct task *parent, struct task *child, uint64_t flags)
{
    if (flags & LINUX_CLONE_NEWUSER) {
        struct cred *cred;
        int err = ns_new_user(parent, &cred);
        if (err)
            return err;
        child->cred = cred;
    } else {
        child->cred = cred_get(parent->cred);
    }
    if (flags & CLONE_NAMESPACES)
        return namespaces_copy(parent, parent->ns, child->cred, flags, child->fs, &child->ns);
    child->ns = namespaces_get(parent->ns);
    return 0;
}

static int copy_all(struct task *parent, struct task *child, const struct clone_request *rq)
{
    int err = copy_process(parent, child, rq->flags);
    if (err)
        return err;
    copy_fields(parent, child, rq);
    copy_cpu(parent, child, rq);
    if ((err = copy_files(parent, child, rq->flags)) || (err = copy_fs(parent, child, rq->flags)))
        return err;
    if ((err = copy_namespaces(parent, child, rq->flags)))
        return err;
    child->pid_ns =
        pid_ns_get(rq->flags & LINUX_CLONE_THREAD ? parent->pid_ns : child->ns->pid_children);
    if (rq->flags & LINUX_CLONE_SYSVSEM && (err = sem_undo_share(parent, child)))
        return err;
    return copy_mm(parent, child, rq->flags);
}

// A child that was never published.
static void discard(struct task *child)
{
    if (child->cpu.mem)
        mem_detach(&child->cpu);
    if (child->mm)
        mm_put(child->mm);
    if (child->files)
        fd_table_put(child->files, child);
    fs_context_put(child->fs);
    sem_undo_leave(child);
    keys_task_gone(child);
    namespaces_put(child->ns);
    if (child->vfork_done) {
        vfork_put(child->vfork_done);
        child->vfork_done = NULL;
    }
    task_put(child);
}

// --- Publication ---------------------------------------------------------------------------------

static int enter_tables(struct task *task, const struct pid_choice *choice)
{
    struct kernel *kernel = task->kernel;
    struct process *p = task->process;
    if (kernel->shutting_down || kernel->init_ending)
        return -LINUX_EAGAIN;
    const unsigned levels = task->pid_ns ? task->pid_ns->level : 0;
    int32_t pid = choice->count > levels ? pid_allocate_exact(kernel->pids, choice->number[levels])
                                         : pid_allocate(kernel->pids);
    if (pid < 0)
        return pid;
    int err = pid_ns_enter(task, pid, choice);
    if (err)
        return err;
    struct pid_slot *slot = pid_slot(kernel->pids, pid);
    slot->task = task;
    task->pid = pid;
    bool leader = !p->leader;
    if (leader) {
        p->pid = pid;
        slot->process = p;
    }
    task->tgid = p->pid;
    task->own_pid = pid_shown_locked(kernel, task->pid_ns, pid);
    task->own_tgid = pid_shown_locked(kernel, task->pid_ns, p->pid);
    if (task->pid_ns && task->own_pid == 1)
        task->pid_ns->reaper = p;
    lock_acquire(&p->lock);
    if (leader)
        p->leader = task;
    list_add_tail(&p->threads, &task->thread_link);
    p->live_threads++;
    lock_release(&p->lock);
    p->task_count++;
    kernel->task_count++;
    return 0;
}

int task_publish(struct task *task, struct pgrp *pgrp, const struct pid_choice *choice)
{
    int err = enter_tables(task, choice);
    if (!err && pgrp)
        pgrp_insert_locked(task->process, pgrp);
    return err;
}

// A thread joins a process that may be stopping or ending right now. tasklist is held.
static int publish_thread(struct task *parent, struct task *child, const struct pid_choice *choice)
{
    struct process *p = parent->process;
    lock_acquire(&p->lock);
    bool ending = p->group_exit || p->exec_task;
    lock_release(&p->lock);
    if (ending)
        return -ERESTARTNOINTR;
    int err = task_publish(child, NULL, choice);
    if (err)
        return err;
    lock_acquire(&p->lock);
    seccomp_inherit(parent, child);
    if (p->group_exit || p->exec_task)
        child->kill_pending = true;
    else if (p->stop_signal && p->stop_left > 0) {
        child->stop_counted = true;
        p->stop_left++;
    } else if (p->stop_complete) {
        child->stop_again = true; // made by a thread that its tracer let go on
    }
    child->ptrace.stop_signo = parent->ptrace.stop_signo;
    if (child->kill_pending || child->stop_counted || child->stop_again)
        atomic_store_explicit(&child->work_pending, true, memory_order_relaxed);
    lock_release(&p->lock);
    return 0;
}

// A signal to the whole group must reach the child too: if one came since the copy began, the
// parent takes it first and the call starts over. tasklist is held.
static int publish_process(struct task *parent, struct task *child, const struct clone_request *rq,
                           uint32_t group_signals)
{
    struct process *p = parent->process;
    struct pgrp *pgrp = p->pgrp;
    lock_acquire(&pgrp->lock);
    lock_acquire(&p->lock);
    bool missed = p->group_exit || p->group_signals != group_signals;
    lock_release(&p->lock);
    int err = missed ? -ERESTARTNOINTR : task_publish(child, pgrp, &rq->choice);
    lock_release(&pgrp->lock);
    if (err)
        return err;
    struct task *heir = rq->flags & LINUX_CLONE_PARENT ? p->leader->real_parent : parent;
    child->parent = child->real_parent = heir;
    if (heir)
        list_add_tail(&heir->children, &child->sibling);
    return 0;
}

// RLIMIT_NPROC counts the tasks of the real user. tasklist is held.
static bool too_many_tasks(struct task *parent)
{
    struct kernel *kernel = parent->kernel;
    const struct cred *cred = parent->cred;
    uint64_t limit = task_rlimit(parent, LINUX_RLIMIT_NPROC), count = 0;
    if (kernel->task_count < limit || cred->uid == 0 ||
        task_capable(parent, LINUX_CAP_SYS_RESOURCE) || task_capable(parent, LINUX_CAP_SYS_ADMIN))
        return false;
    for (int32_t pid = 1; (pid = pid_next_task(kernel->pids, pid)) != 0; pid++) {
        struct task *t = pid_slot(kernel->pids, pid)->task;
        const struct cred *theirs = task_cred_get(t);
        count += theirs->uid == cred->uid;
        cred_put(theirs);
    }
    return count >= limit;
}

// `traced`: by the parent's tracer, if it has one.
static int publish(struct task *parent, struct task *child, const struct clone_request *rq,
                   uint32_t group_signals, bool traced)
{
    struct kernel *kernel = parent->kernel;
    lock_acquire(&kernel->tasklist);
    int err = too_many_tasks(parent) ? -LINUX_EAGAIN
                                     : pid_choice_check(&rq->choice, child->pid_ns, parent->cred);
    if (!err && rq->flags & LINUX_CLONE_THREAD)
        err = publish_thread(parent, child, &rq->choice);
    else if (!err)
        err = publish_process(parent, child, rq, group_signals);
    if (!err && traced)
        ptrace_inherit(parent, child);
    lock_release(&kernel->tasklist);
    return err;
}

// --- The call ------------------------------------------------------------------------------------

static int check_flags(struct task *task, const struct clone_request *rq)
{
    uint64_t f = rq->flags;
    if (f & LINUX_CLONE_THREAD && !(f & LINUX_CLONE_SIGHAND))
        return -LINUX_EINVAL;
    if (f & LINUX_CLONE_SIGHAND && !(f & LINUX_CLONE_VM))
        return -LINUX_EINVAL;
    lock_acquire(&task->kernel->tasklist);
    bool reaps = task->process == pid_ns_reaper(task->kernel, task->pid_ns);
    lock_release(&task->kernel->tasklist);
    if (f & LINUX_CLONE_PARENT && reaps)
        return -LINUX_EINVAL;
    // Threads of one process are all in its namespace.
    if (f & LINUX_CLONE_THREAD && task->ns->pid_children != task->pid_ns)
        return -LINUX_EINVAL;
    if (f & LINUX_CLONE_PIDFD && f & (LINUX_CLONE_THREAD | LINUX_CLONE_DETACHED))
        return -LINUX_EINVAL;
    if (f & LINUX_CLONE_SIGHAND && f & LINUX_CLONE_CLEAR_SIGHAND)
        return -LINUX_EINVAL;
    if (f & LINUX_CLONE_INTO_CGROUP)
        return -LINUX_EINVAL;
    if (f & LINUX_CLONE_FS && f & (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWUSER))
        return -LINUX_EINVAL;
    if (f & LINUX_CLONE_THREAD && f & (LINUX_CLONE_NEWPID | LINUX_CLONE_NEWUSER))
        return -LINUX_EINVAL;
    if (f & LINUX_CLONE_SYSVSEM && f & LINUX_CLONE_NEWIPC)
        return -LINUX_EINVAL;
    return ns_check_flags(task, f);
}

struct birth {
    struct task *child;
    struct task_worker *worker;
    struct vfork_done *vfork;
    struct pidfd_reservation pidfd;
};

static int birth_prepare(struct birth *b, struct task *task, const struct clone_request *rq)
{
    b->child = task_allocate(task->kernel);
    if (!b->child)
        return -LINUX_ENOMEM;
    int err = copy_all(task, b->child, rq);
    if (!err && rq->flags & LINUX_CLONE_VFORK)
        err = vfork_prepare(task, b->child, &b->vfork);
    if (!err && rq->flags & LINUX_CLONE_PIDFD)
        err = pidfd_reserve(task, b->child->process, rq->pidfd, &b->pidfd);
    if (!err)
        err = task_pool_reserve(task->kernel->task_pool, &b->worker);
    return err;
}

static void birth_cancel(struct birth *b, struct task *task)
{
    if (b->worker)
        task_pool_cancel(b->worker);
    pidfd_cancel(task, &b->pidfd);
    vfork_put(b->vfork);
    if (b->child)
        discard(b->child);
}

// The event a tracer asked for that this call is, or 0.
static int trace_event_of(struct task *task, const struct clone_request *rq)
{
    int event = rq->flags & LINUX_CLONE_VFORK      ? LINUX_PTRACE_EVENT_VFORK
                : rq->exit_signal != LINUX_SIGCHLD ? LINUX_PTRACE_EVENT_CLONE
                                                   : LINUX_PTRACE_EVENT_FORK;
    return rq->flags & LINUX_CLONE_UNTRACED || !ptrace_wants_event(task, event) ? 0 : event;
}

static int64_t do_clone(struct task *task, const struct clone_request *rq)
{
    int err = check_flags(task, rq);
    if (err)
        return err;
    int event = trace_event_of(task, rq);
    struct process *p = task->process;
    lock_acquire(&p->lock);
    uint32_t group_signals = p->group_signals;
    lock_release(&p->lock);

    struct birth b = {NULL};
    err = birth_prepare(&b, task, rq);
    if (!err)
        err = publish(task, b.child, rq, group_signals, event || rq->flags & LINUX_CLONE_PTRACE);
    if (err) {
        birth_cancel(&b, task);
        return err;
    }
    int32_t pid = pid_seen(task, b.child->pid);
    atomic_fetch_add_explicit(&task->kernel->fork_count, 1, memory_order_relaxed);
    // A bad address is no error here, as on Linux: the child exists.
    if (rq->flags & LINUX_CLONE_PARENT_SETTID)
        (void)!user_put(task, rq->parent_tid, &pid);
    if (rq->flags & LINUX_CLONE_PIDFD)
        pidfd_commit(task, &b.pidfd);
    if (b.child->process != p && task_rlimit(b.child, LINUX_RLIMIT_CPU) != LINUX_RLIM_INFINITY)
        itimer_cpu_limit_changed(b.child->process);
    task_pool_run(b.worker, task_thread, task_get(b.child));
    if (UNLIKELY(event))
        ptrace_event(task, event, (uint64_t)(uint32_t)pid);
    if (b.vfork && vfork_wait(task, b.vfork))
        ptrace_event(task, LINUX_PTRACE_EVENT_VFORK_DONE, (uint64_t)(uint32_t)pid);
    return pid;
}

int64_t sys_clone(struct task *task, uint64_t flags, uaddr_t stack, uaddr_t parent_tid, uaddr_t tls,
                  uaddr_t child_tid)
{
    struct clone_request rq = {
        .flags = (uint32_t)flags & ~LINUX_CSIGNAL,
        .exit_signal = (int32_t)(flags & LINUX_CSIGNAL),
        .stack = stack,
        .pidfd = parent_tid,
        .parent_tid = parent_tid,
        .child_tid = child_tid,
        .tls = tls,
    };
    if (rq.flags & LINUX_CLONE_PIDFD && rq.flags & LINUX_CLONE_PARENT_SETTID)
        return -LINUX_EINVAL;
    return do_clone(task, &rq);
}

static int clone3_check(const struct linux_clone_args *a)
{
    if (a->flags & (LINUX_CLONE_DETACHED | (LINUX_CSIGNAL & ~LINUX_CLONE_NEWTIME)) ||
        a->flags >> 34)
        return -LINUX_EINVAL;
    if (a->exit_signal > LINUX_NSIG ||
        (a->flags & (LINUX_CLONE_THREAD | LINUX_CLONE_PARENT) && a->exit_signal))
        return -LINUX_EINVAL;
    if (!a->stack != !a->stack_size)
        return -LINUX_EINVAL;
    if (!a->set_tid != !a->set_tid_size || a->set_tid_size > PID_NS_LEVEL_MAX)
        return -LINUX_EINVAL;
    return 0;
}

int64_t sys_clone3(struct task *task, uaddr_t args, uint64_t size)
{
    struct linux_clone_args a = {0};
    int err = user_read_struct(task, args, size, &a, sizeof a, LINUX_CLONE_ARGS_SIZE_VER0);
    if (!err)
        err = clone3_check(&a);
    if (err)
        return err;
    struct clone_request rq = {
        .flags = a.flags,
        .exit_signal = (int32_t)a.exit_signal,
        .stack = a.stack ? a.stack + a.stack_size : 0,
        .pidfd = a.pidfd,
        .parent_tid = a.parent_tid,
        .child_tid = a.child_tid,
        .tls = a.tls,
        .choice.count = (uint32_t)a.set_tid_size,
    };
    if (user_read(task, a.set_tid, rq.choice.number, a.set_tid_size * sizeof rq.choice.number[0]))
        return -LINUX_EFAULT;
    return do_clone(task, &rq);
}
