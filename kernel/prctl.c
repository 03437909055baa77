// prctl(2): attributes of the calling task and its process.
#include "platform/abi/prctl.h"
#include "kernel/cred.h"
#include "kernel/process.h"
#include "kernel/rlimit.h"
#include "kernel/seccomp.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task_internal.h"
#include "platform/abi/linux_errno.h"

// Linux refuses arguments an operation does not use, for those added since it learned to.
static bool unused(uint64_t a, uint64_t b, uint64_t c)
{
    return !a && !b && !c;
}

static int64_t put_int(struct task *task, uaddr_t addr, int32_t value)
{
    return user_put(task, addr, &value);
}

static int64_t set_name(struct task *task, uaddr_t addr)
{
    char name[sizeof task->comm] = {0};
    ssize_t n = user_string(task, addr, name, sizeof name - 1);
    if (n < 0 && n != -LINUX_ENAMETOOLONG)
        return n;
    if (n == -LINUX_ENAMETOOLONG && user_read(task, addr, name, sizeof name - 1))
        return -LINUX_EFAULT;
    task_comm_set(task, name);
    return 0;
}

static int64_t set_death_signal(struct task *task, uint64_t signo)
{
    if (signo > LINUX_NSIG)
        return -LINUX_EINVAL;
    lock_acquire(&task->kernel->tasklist);
    task->pdeath_signal = (int32_t)signo;
    lock_release(&task->kernel->tasklist);
    return 0;
}

static int64_t set_subreaper(struct task *task, bool on)
{
    lock_acquire(&task->kernel->tasklist);
    task->process->subreaper = on;
    lock_release(&task->kernel->tasklist);
    return 0;
}

static int64_t set_dumpable(struct task *task, uint64_t value)
{
    if (value > 1)
        return -LINUX_EINVAL;
    lock_acquire(&task->process->lock);
    task->process->dumpable = (int32_t)value;
    lock_release(&task->process->lock);
    return 0;
}

static int64_t get_dumpable(struct task *task)
{
    lock_acquire(&task->process->lock);
    int32_t value = task->process->dumpable;
    lock_release(&task->process->lock);
    return value;
}

static int64_t set_thp_disable(struct task *task, bool on)
{
    lock_acquire(&task->process->lock);
    task->process->thp_disabled = on;
    lock_release(&task->process->lock);
    return 0;
}

static int64_t get_thp_disable(struct task *task)
{
    lock_acquire(&task->process->lock);
    bool on = task->process->thp_disabled;
    lock_release(&task->process->lock);
    return on;
}

static int64_t set_mce_policy(struct task *task, uint64_t op, uint64_t policy)
{
    if (op == LINUX_PR_MCE_KILL_CLEAR && !policy)
        task->mce_policy = LINUX_PR_MCE_KILL_DEFAULT;
    else if (op == LINUX_PR_MCE_KILL_SET && policy <= LINUX_PR_MCE_KILL_DEFAULT)
        task->mce_policy = (int32_t)policy;
    else
        return -LINUX_EINVAL;
    return 0;
}

// --- Capabilities --------------------------------------------------------------------------------

static int64_t change_cred(struct task *task, void (*change)(struct cred *c, uint64_t arg),
                           uint64_t arg)
{
    struct cred *new = cred_copy(task->cred, task->cred->group_count);
    if (!new)
        return -LINUX_ENOMEM;
    change(new, arg);
    cred_commit(task, new);
    return 0;
}

static void drop_bounding(struct cred *c, uint64_t cap)
{
    c->cap_bounding &= ~(1ull << cap);
}

static void put_securebits(struct cred *c, uint64_t bits)
{
    c->securebits = (uint32_t)bits;
}

static void put_ambient(struct cred *c, uint64_t set)
{
    c->cap_ambient = set;
}

// Locked bits stay, locks stay, and only the privileged change any.
static int64_t set_securebits(struct task *task, uint64_t bits)
{
    uint32_t old = task->cred->securebits;
    uint32_t locked = (old & LINUX_SECBITS_LOCKS) >> 1;
    if (locked & (old ^ bits) || old & LINUX_SECBITS_LOCKS & ~bits ||
        bits & ~(uint64_t)LINUX_SECBITS_ALL || !task_capable_own(task, LINUX_CAP_SETPCAP))
        return -LINUX_EPERM;
    return change_cred(task, put_securebits, bits);
}

static int64_t set_keep_caps(struct task *task, uint64_t on)
{
    uint32_t bits = task->cred->securebits;
    if (on > 1)
        return -LINUX_EINVAL;
    if (bits & LINUX_SECBIT_KEEP_CAPS_LOCKED)
        return -LINUX_EPERM;
    bits = on ? bits | LINUX_SECBIT_KEEP_CAPS : bits & ~(uint32_t)LINUX_SECBIT_KEEP_CAPS;
    return change_cred(task, put_securebits, bits);
}

static int64_t ambient(struct task *task, uint64_t op, uint64_t cap)
{
    const struct cred *c = task->cred;
    if (op == LINUX_PR_CAP_AMBIENT_CLEAR_ALL)
        return cap ? -LINUX_EINVAL : change_cred(task, put_ambient, 0);
    if (cap > LINUX_CAP_LAST)
        return -LINUX_EINVAL;
    uint64_t bit = 1ull << cap;
    switch (op) {
    case LINUX_PR_CAP_AMBIENT_IS_SET:
        return !!(c->cap_ambient & bit);
    case LINUX_PR_CAP_AMBIENT_RAISE:
        if (!(c->cap_permitted & c->cap_inheritable & bit) ||
            c->securebits & LINUX_SECBIT_NO_CAP_AMBIENT_RAISE)
            return -LINUX_EPERM;
        return change_cred(task, put_ambient, c->cap_ambient | bit);
    case LINUX_PR_CAP_AMBIENT_LOWER:
        return change_cred(task, put_ambient, c->cap_ambient & ~bit);
    default:
        return -LINUX_EINVAL;
    }
}

static int64_t bounding(struct task *task, bool drop, uint64_t cap)
{
    if (cap > LINUX_CAP_LAST)
        return -LINUX_EINVAL;
    if (!drop)
        return task->cred->cap_bounding >> cap & 1;
    if (!task_capable_own(task, LINUX_CAP_SETPCAP))
        return -LINUX_EPERM;
    return change_cred(task, drop_bounding, cap);
}

static int64_t prctl_cred(struct task *task, int32_t option, uint64_t arg2, uint64_t arg3,
                          uint64_t arg4, uint64_t arg5)
{
    switch (option) {
    case LINUX_PR_CAPBSET_READ:
        return bounding(task, false, arg2);
    case LINUX_PR_CAPBSET_DROP:
        return bounding(task, true, arg2);
    case LINUX_PR_GET_SECUREBITS:
        return task->cred->securebits;
    case LINUX_PR_SET_SECUREBITS:
        return set_securebits(task, arg2);
    case LINUX_PR_GET_KEEPCAPS:
        return !!(task->cred->securebits & LINUX_SECBIT_KEEP_CAPS);
    case LINUX_PR_SET_KEEPCAPS:
        return set_keep_caps(task, arg2);
    case LINUX_PR_CAP_AMBIENT:
        return arg4 || arg5 ? -LINUX_EINVAL : ambient(task, arg2, arg3);
    case LINUX_PR_SET_NO_NEW_PRIVS:
        if (arg2 != 1 || !unused(arg3, arg4, arg5))
            return -LINUX_EINVAL;
        atomic_store_explicit(&task->no_new_privs, true, memory_order_relaxed);
        return 0;
    case LINUX_PR_GET_NO_NEW_PRIVS:
        if (arg2 || !unused(arg3, arg4, arg5))
            return -LINUX_EINVAL;
        return atomic_load_explicit(&task->no_new_privs, memory_order_relaxed);
    default:
        return -LINUX_EINVAL;
    }
}

int64_t sys_prctl(struct task *task, int32_t option, uint64_t arg2, uint64_t arg3, uint64_t arg4,
                  uint64_t arg5)
{
    switch (option) {
    case LINUX_PR_SET_PDEATHSIG:
        return set_death_signal(task, arg2);
    case LINUX_PR_GET_PDEATHSIG:
        return put_int(task, arg2, task->pdeath_signal);
    case LINUX_PR_SET_DUMPABLE:
        return set_dumpable(task, arg2);
    case LINUX_PR_GET_DUMPABLE:
        return get_dumpable(task);
    case LINUX_PR_SET_NAME:
        return set_name(task, arg2);
    case LINUX_PR_GET_NAME:
        return user_write(task, arg2, task->comm, sizeof task->comm);
    case LINUX_PR_GET_SECCOMP:
        return (int64_t)atomic_load_explicit(&task->seccomp_mode, memory_order_relaxed);
    case LINUX_PR_SET_SECCOMP:
        return seccomp_set_mode(task, arg2, arg3);
    case LINUX_PR_GET_TIMING:
        return 0; // PR_TIMING_STATISTICAL
    case LINUX_PR_SET_TIMING:
        return arg2 ? -LINUX_EINVAL : 0;
    case LINUX_PR_SET_TIMERSLACK:
        task->timer_slack_ns = (int64_t)arg2 <= 0 ? task->default_timer_slack_ns : arg2;
        return 0;
    case LINUX_PR_GET_TIMERSLACK:
        return (int64_t)task->timer_slack_ns;
    case LINUX_PR_SET_CHILD_SUBREAPER:
        return set_subreaper(task, arg2 != 0);
    case LINUX_PR_GET_CHILD_SUBREAPER:
        return put_int(task, arg2, task->process->subreaper);
    case LINUX_PR_GET_TID_ADDRESS:
        return user_put(task, arg2, &task->clear_child_tid);
    case LINUX_PR_GET_THP_DISABLE:
        return arg2 || !unused(arg3, arg4, arg5) ? -LINUX_EINVAL : get_thp_disable(task);
    case LINUX_PR_SET_THP_DISABLE:
        return unused(arg3, arg4, arg5) ? set_thp_disable(task, arg2) : -LINUX_EINVAL;
    case LINUX_PR_MCE_KILL:
        return arg4 || arg5 ? -LINUX_EINVAL : set_mce_policy(task, arg2, arg3);
    case LINUX_PR_MCE_KILL_GET:
        return arg2 || !unused(arg3, arg4, arg5) ? -LINUX_EINVAL : task->mce_policy;
    case LINUX_PR_SET_MM: // not offered to anybody
        return arg5 || task_capable(task, LINUX_CAP_SYS_RESOURCE) ? -LINUX_EINVAL : -LINUX_EPERM;
    case LINUX_PR_GET_SPECULATION_CTRL:
        if (!unused(arg3, arg4, arg5))
            return -LINUX_EINVAL;
        return arg2 == LINUX_PR_SPEC_STORE_BYPASS ? LINUX_PR_SPEC_NOT_AFFECTED : -LINUX_ENODEV;
    case LINUX_PR_SET_SPECULATION_CTRL: // there is nothing to switch off
        if (arg4 || arg5)
            return -LINUX_EINVAL;
        return arg2 == LINUX_PR_SPEC_STORE_BYPASS ? -LINUX_ENXIO : -LINUX_ENODEV;
    case LINUX_PR_SET_TAGGED_ADDR_CTRL:
        // Tagged pointers are always accepted; turning that off is not offered.
        return arg2 == LINUX_PR_TAGGED_ADDR_ENABLE && unused(arg3, arg4, arg5) ? 0 : -LINUX_EINVAL;
    case LINUX_PR_GET_TAGGED_ADDR_CTRL:
        return arg2 || !unused(arg3, arg4, arg5) ? -LINUX_EINVAL : LINUX_PR_TAGGED_ADDR_ENABLE;
    default:
        return prctl_cred(task, option, arg2, arg3, arg4, arg5);
    }
}
