// Scheduling calls. Host threads are scheduled by the host: policies, priorities and nice values
// are kept and reported; real-time ones are refused without the privilege Linux asks for.
#include "platform/abi/sched.h"
#include "kernel/cred.h"
#include "kernel/group.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task_internal.h"
#include "kernel/timespec.h"
#include "kernel/user_struct.h"
#include "platform/abi/linux_errno.h"
#include "platform/thread.h"
#include <string.h>

enum {
    NICE_MIN = -20,
    NICE_MAX = 19,
    RT_PRIORITY_MAX = 99,
    RR_SLICE_NS = 100000000,
    FAIR_SLICE_NS = 4000000,
    SCHED_ATTR_SIZE_VER0 = 48,
};

// The task a pid names, referenced; 0 is the caller.
static int find_any(struct task *task, int32_t pid, struct task **out)
{
    *out = pid ? task_find(task->kernel, pid_arg(task, pid)) : task_get(task);
    return *out ? 0 : -LINUX_ESRCH;
}

// The calls about policies refuse a pid that none can have; those about CPUs look for it.
static int find(struct task *task, int32_t pid, struct task **out)
{
    return pid < 0 ? -LINUX_EINVAL : find_any(task, pid, out);
}

static bool may_change(struct task *task, struct task *target)
{
    if (task_capable(task, LINUX_CAP_SYS_NICE))
        return true;
    const struct cred *t = task_cred_get(target);
    bool same = task->cred->euid == t->euid || task->cred->euid == t->uid;
    cred_put(t);
    return same;
}

int64_t sys_sched_yield(struct task *task)
{
    mem_yield(&task->cpu);
    thread_yield();
    return 0;
}

// --- CPUs ----------------------------------------------------------------------------------------

static uint64_t online(const struct kernel *kernel)
{
    return kernel->cpu_count >= 64 ? ~0ull : (1ull << kernel->cpu_count) - 1;
}

static uint64_t affinity(struct task *task)
{
    uint64_t mask = atomic_load_explicit(&task->cpu.allowed, memory_order_relaxed);
    return mask ? mask : online(task->kernel);
}

int64_t sys_sched_getaffinity(struct task *task, int32_t pid, uint32_t len, uaddr_t mask)
{
    struct task *target;
    if (len < sizeof(uint64_t) || len % sizeof(uint64_t))
        return -LINUX_EINVAL;
    int err = find_any(task, pid, &target);
    if (err)
        return err;
    uint64_t bits = affinity(target);
    task_put(target);
    return user_put(task, mask, &bits) ? -LINUX_EFAULT : (int64_t)sizeof bits;
}

int64_t sys_sched_setaffinity(struct task *task, int32_t pid, uint32_t len, uaddr_t mask)
{
    uint64_t bits = 0;
    struct task *target;
    if (user_read(task, mask, &bits, len < sizeof bits ? len : sizeof bits))
        return -LINUX_EFAULT;
    int err = find_any(task, pid, &target);
    if (err)
        return err;
    bits &= online(task->kernel);
    if (!may_change(task, target))
        err = -LINUX_EPERM;
    else if (!bits)
        err = -LINUX_EINVAL;
    else
        mem_cpu_allow(task->kernel->run_tokens, &target->cpu, bits);
    task_put(target);
    return err;
}

int64_t sys_getcpu(struct task *task, uaddr_t cpu, uaddr_t node, uaddr_t unused)
{
    (void)unused;
    uint32_t value = mem_cpu_number(&task->cpu), zero = 0;
    if ((cpu && user_put(task, cpu, &value)) || (node && user_put(task, node, &zero)))
        return -LINUX_EFAULT;
    return 0;
}

// --- Policies ------------------------------------------------------------------------------------

static bool realtime(int32_t policy)
{
    return policy == LINUX_SCHED_FIFO || policy == LINUX_SCHED_RR;
}

static bool known(int32_t policy)
{
    return realtime(policy) || policy == LINUX_SCHED_OTHER || policy == LINUX_SCHED_BATCH ||
           policy == LINUX_SCHED_IDLE;
}

static int set_policy(struct task *task, struct task *target, int32_t policy, int32_t priority)
{
    policy &= ~LINUX_SCHED_RESET_ON_FORK;
    if (!known(policy) ||
        (realtime(policy) ? priority < 1 || priority > RT_PRIORITY_MAX : priority != 0))
        return -LINUX_EINVAL;
    if (!task_capable(task, LINUX_CAP_SYS_NICE)) {
        if (realtime(policy) && (uint64_t)priority > task_rlimit(target, LINUX_RLIMIT_RTPRIO))
            return -LINUX_EPERM;
        if (!may_change(task, target))
            return -LINUX_EPERM;
    }
    lock_acquire(&task->kernel->tasklist);
    target->sched_policy = policy;
    target->sched_priority = priority;
    lock_release(&task->kernel->tasklist);
    return 0;
}

static void get_policy(struct task *target, int32_t *policy, int32_t *priority, int32_t *nice)
{
    lock_acquire(&target->kernel->tasklist);
    *policy = target->sched_policy;
    *priority = target->sched_priority;
    *nice = target->nice;
    lock_release(&target->kernel->tasklist);
}

int64_t sys_sched_setscheduler(struct task *task, int32_t pid, int32_t policy, uaddr_t param)
{
    struct linux_sched_param p;
    struct task *target;
    if (!param || policy < 0)
        return -LINUX_EINVAL;
    if (user_get(task, param, &p))
        return -LINUX_EFAULT;
    int err = find(task, pid, &target);
    if (err)
        return err;
    err = set_policy(task, target, policy, p.priority);
    task_put(target);
    return err;
}

int64_t sys_sched_setparam(struct task *task, int32_t pid, uaddr_t param)
{
    struct linux_sched_param p;
    struct task *target;
    if (!param)
        return -LINUX_EINVAL;
    if (user_get(task, param, &p))
        return -LINUX_EFAULT;
    int err = find(task, pid, &target);
    if (err)
        return err;
    int32_t policy, priority, nice;
    get_policy(target, &policy, &priority, &nice);
    err = set_policy(task, target, policy, p.priority);
    task_put(target);
    return err;
}

int64_t sys_sched_getscheduler(struct task *task, int32_t pid)
{
    struct task *target;
    int err = find(task, pid, &target);
    if (err)
        return err;
    int32_t policy, priority, nice;
    get_policy(target, &policy, &priority, &nice);
    task_put(target);
    return policy;
}

int64_t sys_sched_getparam(struct task *task, int32_t pid, uaddr_t param)
{
    struct task *target;
    if (!param)
        return -LINUX_EINVAL;
    int err = find(task, pid, &target);
    if (err)
        return err;
    int32_t policy, nice;
    struct linux_sched_param p;
    get_policy(target, &policy, &p.priority, &nice);
    task_put(target);
    return user_put(task, param, &p);
}

int64_t sys_sched_get_priority_max(struct task *task, int32_t policy)
{
    (void)task;
    if (realtime(policy))
        return RT_PRIORITY_MAX;
    return known(policy) || policy == LINUX_SCHED_DEADLINE ? 0 : -LINUX_EINVAL;
}

int64_t sys_sched_get_priority_min(struct task *task, int32_t policy)
{
    (void)task;
    if (realtime(policy))
        return 1;
    return known(policy) || policy == LINUX_SCHED_DEADLINE ? 0 : -LINUX_EINVAL;
}

int64_t sys_sched_rr_get_interval(struct task *task, int32_t pid, uaddr_t interval)
{
    struct task *target;
    int err = find(task, pid, &target);
    if (err)
        return err;
    int32_t policy, priority, nice;
    get_policy(target, &policy, &priority, &nice);
    task_put(target);
    return timespec_write(task, interval,
                          policy == LINUX_SCHED_FIFO ? 0
                          : policy == LINUX_SCHED_RR ? RR_SLICE_NS
                                                     : FAIR_SLICE_NS);
}

int64_t sys_sched_setattr(struct task *task, int32_t pid, uaddr_t attr, uint32_t flags)
{
    struct linux_sched_attr a = {0};
    struct task *target;
    uint32_t size;
    if (!attr || pid < 0 || flags)
        return -LINUX_EINVAL;
    if (user_get(task, attr, &size))
        return -LINUX_EFAULT;
    int err = user_read_struct(task, attr, size ? size : SCHED_ATTR_SIZE_VER0, &a, sizeof a,
                               SCHED_ATTR_SIZE_VER0);
    if (err == -LINUX_EINVAL)
        err = -LINUX_E2BIG;
    if (!err)
        err = find(task, pid, &target);
    if (err)
        return err;
    err = a.policy > INT32_MAX ? -LINUX_EINVAL
                               : set_policy(task, target, (int32_t)a.policy, (int32_t)a.priority);
    task_put(target);
    return err;
}

int64_t sys_sched_getattr(struct task *task, int32_t pid, uaddr_t attr, uint32_t size,
                          uint32_t flags)
{
    struct linux_sched_attr a = {0};
    struct task *target;
    if (!attr || pid < 0 || size > 4096 || size < SCHED_ATTR_SIZE_VER0 || flags)
        return -LINUX_EINVAL;
    int err = find(task, pid, &target);
    if (err)
        return err;
    int32_t policy, priority;
    get_policy(target, &policy, &priority, &a.nice);
    task_put(target);
    a.size = size < sizeof a ? size : sizeof a;
    a.policy = (uint32_t)policy;
    a.priority = (uint32_t)priority;
    return user_write(task, attr, &a, a.size);
}

// --- Nice values ---------------------------------------------------------------------------------

// Calls `each` for the tasks that (which, who) of getpriority(2) names; tasklist is held.
struct prio_request {
    struct task *task;
    int32_t set;    // new nice value
    int64_t result; // of getpriority: 20 - nice, the largest
    int err;
    bool any;
};

static void get_one(struct prio_request *rq, struct task *target)
{
    int64_t value = 20 - target->nice;
    if (!rq->any || value > rq->result)
        rq->result = value;
}

static void set_one(struct prio_request *rq, struct task *target)
{
    uint64_t floor = 20 - (uint64_t)(int64_t)rq->set; // RLIMIT_NICE counts upwards from nice 19
    if (!may_change(rq->task, target))
        rq->err = -LINUX_EPERM;
    else if (rq->set < target->nice && !task_capable(rq->task, LINUX_CAP_SYS_NICE) &&
             floor > target->process->rlimit[LINUX_RLIMIT_NICE].cur)
        rq->err = -LINUX_EACCES;
    else
        target->nice = rq->set;
}

static bool selected(struct task *t, int32_t which, int32_t who, uint32_t uid)
{
    if (which == LINUX_PRIO_PROCESS)
        return t->pid == who;
    if (which == LINUX_PRIO_PGRP)
        return t->process->pgrp && t->process->pgrp->pgid == who;
    const struct cred *c = task_cred_get(t);
    bool same = c->uid == uid;
    cred_put(c);
    return same;
}

static int for_each(struct task *task, int32_t which, int32_t who, struct prio_request *rq,
                    void (*each)(struct prio_request *rq, struct task *target))
{
    struct kernel *kernel = task->kernel;
    if (which < LINUX_PRIO_PROCESS || which > LINUX_PRIO_USER)
        return -LINUX_EINVAL;
    uint32_t uid = who ? cred_uid(task->cred, (uint32_t)who) : task->cred->uid;
    if (which != LINUX_PRIO_USER)
        who = pid_arg(task, who);
    lock_acquire(&kernel->tasklist);
    if (!who)
        who = which == LINUX_PRIO_PROCESS ? task->pid : task->process->pgrp->pgid;
    for (int32_t pid = 1; (pid = pid_next_task(kernel->pids, pid)) != 0; pid++) {
        struct task *t = pid_slot(kernel->pids, pid)->task;
        if (!selected(t, which, who, uid))
            continue;
        each(rq, t);
        rq->any = true;
    }
    lock_release(&kernel->tasklist);
    return rq->any ? rq->err : -LINUX_ESRCH;
}

int64_t sys_setpriority(struct task *task, int32_t which, int32_t who, int32_t prio)
{
    prio = prio < NICE_MIN ? NICE_MIN : prio > NICE_MAX ? NICE_MAX : prio;
    struct prio_request rq = {.task = task, .set = prio};
    return for_each(task, which, who, &rq, set_one);
}

int64_t sys_getpriority(struct task *task, int32_t which, int32_t who)
{
    struct prio_request rq = {.task = task};
    int err = for_each(task, which, who, &rq, get_one);
    return err ? err : rq.result;
}
