// System calls on signals.
#include "kernel/group.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/signal_internal.h"
#include "kernel/sleep.h"
#include "kernel/syscall_handlers.h"
#include "kernel/timespec.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <string.h>

static bool valid_signal(int32_t sig)
{
    return sig >= 1 && sig <= LINUX_NSIG;
}

// --- Actions and masks ---------------------------------------------------------------------------

// Setting an action that ignores drops what is already pending, in every thread.
static void drop_ignored(struct process *p, int32_t sig)
{
    uint64_t set = signal_bit(sig);
    sigpending_flush(p, &p->pending, set);
    struct task *t;
    list_for_each (t, &p->threads, thread_link)
        sigpending_flush(p, &t->pending, set);
}

#define SA_KNOWN                                                                                   \
    (LINUX_SA_NOCLDSTOP | LINUX_SA_NOCLDWAIT | LINUX_SA_SIGINFO | LINUX_SA_EXPOSE_TAGBITS |        \
     LINUX_SA_ONSTACK | LINUX_SA_RESTART | LINUX_SA_NODEFER | LINUX_SA_RESETHAND |                 \
     LINUX_SA_RESTORER)

int64_t sys_rt_sigaction(struct task *task, int32_t sig, uaddr_t act, uaddr_t oldact,
                         uint64_t sigsetsize)
{
    struct linux_sigaction new, old;
    if (sigsetsize != sizeof(uint64_t))
        return -LINUX_EINVAL;
    if (act && user_get(task, act, &new))
        return -LINUX_EFAULT;
    if (!valid_signal(sig) || (act && signal_in(SIGNAL_UNBLOCKABLE, sig)))
        return -LINUX_EINVAL;

    struct process *p = task->process;
    lock_acquire(&p->lock);
    old = signal_action(p, sig);
    if (act) {
        new.flags &= SA_KNOWN;
        new.mask &= ~SIGNAL_UNBLOCKABLE;
        lock_acquire(&p->sighand->lock);
        p->sighand->action[sig] = new;
        lock_release(&p->sighand->lock);
        if (new.handler == LINUX_SIG_IGN ||
            (new.handler == LINUX_SIG_DFL &&signal_in(SIGNAL_IGNORED_BY_DEFAULT, sig)))
            drop_ignored(p, sig);
    }
    lock_release(&p->lock);
    if (oldact && user_put(task, oldact, &old))
        return -LINUX_EFAULT;
    return 0;
}

int64_t sys_rt_sigprocmask(struct task *task, int32_t how, uaddr_t set, uaddr_t oldset,
                           uint64_t sigsetsize)
{
    uint64_t new = 0, old = task->blocked;
    if (sigsetsize != sizeof new)
        return -LINUX_EINVAL;
    if (set) {
        if (user_get(task, set, &new))
            return -LINUX_EFAULT;
        if (how == LINUX_SIG_BLOCK)
            new |= old;
        else if (how == LINUX_SIG_UNBLOCK)
            new = old & ~new;
        else if (how != LINUX_SIG_SETMASK)
            return -LINUX_EINVAL;
        struct process *p = task->process;
        lock_acquire(&p->lock);
        signal_set_blocked(task, new);
        lock_release(&p->lock);
    }
    if (oldset && user_put(task, oldset, &old))
        return -LINUX_EFAULT;
    return 0;
}

int64_t sys_rt_sigpending(struct task *task, uaddr_t set, uint64_t sigsetsize)
{
    if (sigsetsize > sizeof(uint64_t))
        return -LINUX_EINVAL;
    struct process *p = task->process;
    lock_acquire(&p->lock);
    uint64_t pending = (task->pending.set | p->pending.set) & task->blocked;
    lock_release(&p->lock);
    return user_write(task, set, &pending, sigsetsize);
}

int64_t sys_rt_sigsuspend(struct task *task, uaddr_t mask, uint64_t sigsetsize)
{
    uint64_t set;
    if (sigsetsize != sizeof set)
        return -LINUX_EINVAL;
    if (user_get(task, mask, &set))
        return -LINUX_EFAULT;
    signal_mask_temporarily(task, set);
    int err;
    do
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    while (!err);
    return -ERESTARTNOHAND;
}

// --- sigtimedwait --------------------------------------------------------------------------------

// Opens the mask for `set`, so that one of its signals wakes this thread; real_blocked keeps the
// default actions off meanwhile.
static int wait_for_set(struct task *task, uint64_t set, uint64_t deadline_ns, struct siginfo *info)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    int signo = signal_dequeue(task, ~set, info);
    if (signo || deadline_ns == 0) {
        lock_release(&p->lock);
        return signo ? signo : -LINUX_EAGAIN;
    }
    task->real_blocked = task->blocked;
    task->blocked &= ~set;
    lock_release(&p->lock);

    int err;
    do
        err = task_wait(task, deadline_ns, WAIT_INTERRUPTIBLE);
    while (!err);

    lock_acquire(&p->lock);
    uint64_t mask = task->real_blocked;
    task->real_blocked = 0;
    signal_set_blocked(task, mask);
    signo = signal_dequeue(task, ~set, info);
    lock_release(&p->lock);
    if (signo)
        return signo;
    return err == -LINUX_ETIMEDOUT ? -LINUX_EAGAIN : -LINUX_EINTR;
}

int64_t sys_rt_sigtimedwait(struct task *task, uaddr_t set, uaddr_t info, uaddr_t timeout,
                            uint64_t sigsetsize)
{
    uint64_t wanted;
    if (sigsetsize != sizeof wanted)
        return -LINUX_EINVAL;
    if (user_get(task, set, &wanted))
        return -LINUX_EFAULT;
    uint64_t deadline = WAIT_FOREVER;
    if (timeout) {
        uint64_t ns;
        int err = timespec_read(task, timeout, &ns);
        if (err)
            return err;
        deadline = ns ? timespec_deadline(ns) : 0;
    }
    struct siginfo got;
    int signo = wait_for_set(task, wanted & ~SIGNAL_UNBLOCKABLE, deadline, &got);
    if (signo > 0 && info) {
        struct linux_siginfo out;
        signal_info_seen(task, &got);
        signal_info_to_guest(&got, &out);
        if (user_put(task, info, &out))
            return -LINUX_EFAULT;
    }
    return signo;
}

// --- kill and relatives --------------------------------------------------------------------------

static struct siginfo from_user(struct task *task, int32_t sig, int32_t code)
{
    return (struct siginfo){.signo = sig, .code = code, .pid = task->tgid, .uid = task->cred->uid};
}

// What decides whether one signal may reach many processes.
struct kill_check {
    struct task *sender;
    struct session *session; // of the sender, when the signal is SIGCONT
};

// Called with locks held: looks at credentials only. `session` is the target's.
static int check_target(const struct kill_check *check, struct task *target,
                        const struct session *session)
{
    if (check->sender->process == target->process || (check->session && check->session == session))
        return 0;
    const struct cred *cred = task_cred_get(target);
    bool allowed = cred_may_signal(check->sender->cred, cred);
    cred_put(cred);
    return allowed ? 0 : -LINUX_EPERM;
}

static void kill_check_begin(struct kill_check *check, struct task *sender, int32_t sig)
{
    check->sender = sender;
    check->session = sig == LINUX_SIGCONT ? task_session_get(sender) : NULL;
}

static void kill_check_end(struct kill_check *check)
{
    session_put(check->session);
}

static bool may_signal(struct task *task, struct task *target, int32_t sig)
{
    if (task->process == target->process)
        return true;
    struct kill_check check;
    kill_check_begin(&check, task, sig);
    struct session *session = check.session ? task_session_get(target) : NULL;
    bool allowed = !check_target(&check, target, session);
    session_put(session);
    kill_check_end(&check);
    return allowed;
}

// The first process of a namespace gets from inside only what it has a handler for.
static bool spared(const struct task *task, struct task *target, int32_t sig)
{
    struct process *p = target->process;
    const struct pid_ns *ns = target->pid_ns;
    if (!ns || ns != task->pid_ns || target->own_tgid != 1)
        return false;
    lock_acquire(&p->lock);
    bool handled = signal_action(p, sig).handler > LINUX_SIG_IGN;
    lock_release(&p->lock);
    return !handled;
}

int signal_kill(struct task *task, struct task *target, const struct siginfo *info, int32_t sig)
{
    if (!may_signal(task, target, sig))
        return -LINUX_EPERM;
    return sig && !spared(task, target, sig) ? signal_send_process(target, info) : 0;
}

static int check_member(void *context, struct task *leader, struct pgrp *pgrp)
{
    return check_target(context, leader, pgrp->session);
}

static int64_t kill_group(struct task *task, int32_t pgid, const struct siginfo *info, int32_t sig)
{
    struct pgrp *pgrp = pgid ? pgrp_find(task->kernel, pid_arg(task, pgid)) : task_pgrp_get(task);
    if (!pgrp)
        return -LINUX_ESRCH;
    struct kill_check check;
    kill_check_begin(&check, task, sig);
    int64_t result = signal_send_pgrp_checked(pgrp, info, check_member, &check);
    kill_check_end(&check);
    pgrp_put(pgrp);
    return result;
}

// Everything but pid 1 and the caller's own process. Under tasklist throughout, so that a fork in
// progress either is seen whole or sees the signal.
static int64_t kill_all(struct task *task, const struct siginfo *info, int32_t sig)
{
    struct kernel *kernel = task->kernel;
    struct kill_check check;
    kill_check_begin(&check, task, sig);
    int64_t result = 0;
    unsigned count = 0;
    lock_acquire(&kernel->tasklist);
    for (int32_t pid = 2; (pid = pid_next_task(kernel->pids, pid)) != 0; pid++) {
        struct process *p = pid_slot(kernel->pids, pid)->process;
        if (!p || p == task->process || !pid_ns_within(p->leader->pid_ns, task->pid_ns) ||
            p == pid_ns_reaper(kernel, task->pid_ns))
            continue;
        count++;
        int err = check_target(&check, p->leader, p->session);
        if (!err && sig)
            err = signal_send_group_member(p, info);
        if (err != -LINUX_EPERM)
            result = err;
    }
    lock_release(&kernel->tasklist);
    kill_check_end(&check);
    return count ? result : -LINUX_ESRCH;
}

int64_t sys_kill(struct task *task, int32_t pid, int32_t sig)
{
    if (sig < 0 || sig > LINUX_NSIG)
        return -LINUX_EINVAL;
    struct siginfo info = from_user(task, sig, LINUX_SI_USER);
    if (pid == -1)
        return kill_all(task, &info, sig);
    if (pid == INT32_MIN)
        return -LINUX_ESRCH;
    if (pid <= 0)
        return kill_group(task, -pid, &info, sig);
    struct process *p = process_find(task->kernel, pid_arg(task, pid));
    if (!p)
        return -LINUX_ESRCH;
    struct task *target = process_leader_get(p);
    process_put(p);
    if (!target)
        return -LINUX_ESRCH;
    int64_t result = signal_kill(task, target, &info, sig);
    task_put(target);
    return result;
}

static int64_t kill_thread(struct task *task, int32_t tgid, int32_t tid, int32_t sig,
                           const struct siginfo *info)
{
    struct task *target = task_find(task->kernel, pid_arg(task, tid));
    if (!target)
        return -LINUX_ESRCH;
    int64_t result = -LINUX_ESRCH;
    if (tgid <= 0 || target->tgid == pid_arg(task, tgid)) {
        result = may_signal(task, target, sig) ? 0 : -LINUX_EPERM;
        if (!result && sig && !spared(task, target, sig))
            result = signal_send_thread(target, info);
    }
    task_put(target);
    return result;
}

int64_t sys_tkill(struct task *task, int32_t tid, int32_t sig)
{
    if (tid <= 0 || sig < 0 || sig > LINUX_NSIG)
        return -LINUX_EINVAL;
    struct siginfo info = from_user(task, sig, LINUX_SI_TKILL);
    return kill_thread(task, 0, tid, sig, &info);
}

int64_t sys_tgkill(struct task *task, int32_t tgid, int32_t tid, int32_t sig)
{
    if (tgid <= 0 || tid <= 0 || sig < 0 || sig > LINUX_NSIG)
        return -LINUX_EINVAL;
    struct siginfo info = from_user(task, sig, LINUX_SI_TKILL);
    return kill_thread(task, tgid, tid, sig, &info);
}

// A siginfo the guest made. Only the process itself may pretend to be the kernel or kill(2).
int signal_info_from_guest(struct task *task, uaddr_t addr, int32_t sig, struct siginfo *out)
{
    struct linux_siginfo in;
    if (user_get(task, addr, &in))
        return -LINUX_EFAULT;
    *out = (struct siginfo){.signo = sig,
                            .code = in.code,
                            .error = in.error,
                            .pid = in.rt.pid,
                            .uid = in.rt.uid,
                            .value = in.rt.value,
                            .raw = true};
    memcpy(out->raw_bytes, in.bytes, sizeof out->raw_bytes);
    return 0;
}

bool signal_info_pretends(const struct siginfo *info)
{
    return info->code >= 0 || info->code == LINUX_SI_TKILL;
}

int64_t sys_rt_sigqueueinfo(struct task *task, int32_t tgid, int32_t sig, uaddr_t info)
{
    struct siginfo in;
    int err = signal_info_from_guest(task, info, sig, &in);
    if (err)
        return err;
    if (signal_info_pretends(&in) && tgid != task->own_tgid)
        return -LINUX_EPERM;
    if (sig < 0 || sig > LINUX_NSIG)
        return -LINUX_EINVAL;
    struct process *p = process_find(task->kernel, pid_arg(task, tgid));
    struct task *target = p ? process_leader_get(p) : NULL;
    if (p)
        process_put(p);
    if (!target)
        return -LINUX_ESRCH;
    int64_t result = signal_kill(task, target, &in, sig);
    task_put(target);
    return result;
}

int64_t sys_rt_tgsigqueueinfo(struct task *task, int32_t tgid, int32_t tid, int32_t sig,
                              uaddr_t info)
{
    struct siginfo in;
    int err = signal_info_from_guest(task, info, sig, &in);
    if (err)
        return err;
    if (tgid <= 0 || tid <= 0 || sig < 0 || sig > LINUX_NSIG)
        return -LINUX_EINVAL;
    if (signal_info_pretends(&in) && tid != task->own_pid)
        return -LINUX_EPERM;
    return kill_thread(task, tgid, tid, sig, &in);
}

// --- Alternate stack -----------------------------------------------------------------------------

static bool on_altstack(const struct task *task, uint64_t sp)
{
    // With SS_AUTODISARM a handler may leave the stack by other ways than returning.
    if (task->altstack_flags & LINUX_SS_AUTODISARM)
        return false;
    return sp > task->altstack_sp && sp - task->altstack_sp <= task->altstack_size;
}

uint32_t signal_altstack_flags(const struct task *task, uint64_t sp)
{
    if (!task->altstack_size)
        return LINUX_SS_DISABLE;
    return on_altstack(task, sp) ? LINUX_SS_ONSTACK : 0;
}

void signal_altstack_reset(struct task *task)
{
    task->altstack_sp = task->altstack_size = 0;
    task->altstack_flags = LINUX_SS_DISABLE;
}

int signal_altstack_set(struct task *task, const struct linux_stack *stack, uint64_t sp)
{
    uint32_t flags = (uint32_t)stack->flags;
    uint32_t mode = flags & ~LINUX_SS_AUTODISARM;
    if (on_altstack(task, sp))
        return -LINUX_EPERM;
    if (mode != LINUX_SS_DISABLE && mode != LINUX_SS_ONSTACK && mode != 0)
        return -LINUX_EINVAL;
    if (mode == LINUX_SS_DISABLE) {
        task->altstack_sp = task->altstack_size = 0;
    } else {
        if (stack->size < LINUX_MINSIGSTKSZ)
            return -LINUX_ENOMEM;
        task->altstack_sp = stack->sp;
        task->altstack_size = stack->size;
    }
    task->altstack_flags = flags;
    return 0;
}

int64_t sys_sigaltstack(struct task *task, uaddr_t ss, uaddr_t old_ss)
{
    uint64_t sp = task->cpu.x[CPU_SP];
    struct linux_stack new;
    struct linux_stack old = {
        .sp = task->altstack_sp,
        .flags = (int32_t)(signal_altstack_flags(task, sp) |
                           (task->altstack_flags & LINUX_SS_AUTODISARM)),
        .size = task->altstack_size,
    };
    if (ss) {
        if (user_get(task, ss, &new))
            return -LINUX_EFAULT;
        int err = signal_altstack_set(task, &new, sp);
        if (err)
            return err;
    }
    if (old_ss && user_put(task, old_ss, &old))
        return -LINUX_EFAULT;
    return 0;
}
