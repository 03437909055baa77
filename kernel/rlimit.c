// Resource limits. Those enforced: NOFILE (descriptors), AS, DATA, STACK (memory), FSIZE (writes),
// NPROC (clone), SIGPENDING (signal queues), CPU (timers), NICE and RTPRIO (scheduling calls). CORE
// decides whether a death is reported with a core; the others are kept as data.
#include "kernel/rlimit.h"
#include "kernel/cred.h"
#include "kernel/itimer.h"
#include "kernel/mm.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task_internal.h"
#include "platform/abi/linux_errno.h"

enum {
    STACK_DEFAULT = 8 * 1024 * 1024,
    NOFILE_DEFAULT = 1024,
    NOFILE_MAX = 1024 * 1024, // fs.nr_open: no limit may be above it
    MEMLOCK_DEFAULT = 8 * 1024 * 1024,
    MSGQUEUE_DEFAULT = 819200,
};

void rlimit_defaults(struct kernel *kernel, struct linux_rlimit limits[LINUX_RLIM_NLIMITS])
{
    (void)kernel;
    const uint64_t inf = LINUX_RLIM_INFINITY;
    const uint64_t tasks = PID_MAX / 2;
    for (unsigned i = 0; i < LINUX_RLIM_NLIMITS; i++)
        limits[i] = (struct linux_rlimit){inf, inf};
    limits[LINUX_RLIMIT_STACK].cur = STACK_DEFAULT;
    limits[LINUX_RLIMIT_CORE].cur = 0;
    limits[LINUX_RLIMIT_NPROC] = (struct linux_rlimit){tasks, tasks};
    limits[LINUX_RLIMIT_NOFILE] = (struct linux_rlimit){NOFILE_DEFAULT, NOFILE_MAX};
    limits[LINUX_RLIMIT_MEMLOCK] = (struct linux_rlimit){MEMLOCK_DEFAULT, MEMLOCK_DEFAULT};
    limits[LINUX_RLIMIT_SIGPENDING] = (struct linux_rlimit){tasks, tasks};
    limits[LINUX_RLIMIT_MSGQUEUE] = (struct linux_rlimit){MSGQUEUE_DEFAULT, MSGQUEUE_DEFAULT};
    limits[LINUX_RLIMIT_NICE] = (struct linux_rlimit){0, 0};
    limits[LINUX_RLIMIT_RTPRIO] = (struct linux_rlimit){0, 0};
}

// prlimit on another process needs all its ids to be the caller's real ones.
static bool may_limit(struct task *task, struct task *target)
{
    if (task->process == target->process || task_capable(task, LINUX_CAP_SYS_RESOURCE))
        return true;
    const struct cred *c = task->cred, *t = task_cred_get(target);
    bool allowed = c->uid == t->euid && c->uid == t->suid && c->uid == t->uid &&
                   c->gid == t->egid && c->gid == t->sgid && c->gid == t->gid;
    cred_put(t);
    return allowed;
}

static int set_limit(struct task *task, struct process *p, uint32_t resource,
                     const struct linux_rlimit *new)
{
    struct linux_rlimit *limit = &p->rlimit[resource];
    if (new->max > limit->max && !task_capable(task, LINUX_CAP_SYS_RESOURCE))
        return -LINUX_EPERM;
    *limit = *new;
    return 0;
}

void rlimit_apply(struct process *p, struct mm *mm)
{
    lock_acquire(&p->lock);
    struct mm_limits limits = {
        .address_space = p->rlimit[LINUX_RLIMIT_AS].cur,
        .data = p->rlimit[LINUX_RLIMIT_DATA].cur,
        .stack = p->rlimit[LINUX_RLIMIT_STACK].cur,
        .locked = p->rlimit[LINUX_RLIMIT_MEMLOCK].cur,
    };
    lock_release(&p->lock);
    mm_set_limits(mm, &limits);
}

static void apply_to(struct task *target)
{
    struct mm *mm = task_mm_get(target);
    if (!mm)
        return;
    rlimit_apply(target->process, mm);
    mm_put(mm);
}

static int64_t change_limit(struct task *task, struct task *target, int32_t resource, uaddr_t new,
                            uaddr_t old)
{
    struct linux_rlimit wanted, before;
    struct process *p = target->process;
    if (resource < 0 || resource >= LINUX_RLIM_NLIMITS)
        return -LINUX_EINVAL;
    if (new) {
        if (user_get(task, new, &wanted))
            return -LINUX_EFAULT;
        if (wanted.cur > wanted.max)
            return -LINUX_EINVAL;
        if (resource == LINUX_RLIMIT_NOFILE && wanted.max > NOFILE_MAX)
            return -LINUX_EPERM;
    }
    lock_acquire(&p->lock);
    before = p->rlimit[resource];
    int err = new ? set_limit(task, p, (uint32_t)resource, &wanted) : 0;
    lock_release(&p->lock);
    if (!err && new && resource == LINUX_RLIMIT_CPU)
        itimer_cpu_limit_changed(p);
    else if (!err && new)
        apply_to(target);
    if (!err && old && user_put(task, old, &before))
        return -LINUX_EFAULT;
    return err;
}

int64_t sys_prlimit64(struct task *task, int32_t pid, int32_t resource, uaddr_t new, uaddr_t old)
{
    if (pid == 0 || pid == task->own_pid)
        return change_limit(task, task, resource, new, old);
    struct task *target = task_find(task->kernel, pid_arg(task, pid));
    if (!target)
        return -LINUX_ESRCH;
    int64_t result =
        may_limit(task, target) ? change_limit(task, target, resource, new, old) : -LINUX_EPERM;
    task_put(target);
    return result;
}

int64_t sys_getrlimit(struct task *task, int32_t resource, uaddr_t rlim)
{
    if (resource < 0 || resource >= LINUX_RLIM_NLIMITS)
        return -LINUX_EINVAL;
    lock_acquire(&task->process->lock);
    struct linux_rlimit limit = task->process->rlimit[resource];
    lock_release(&task->process->lock);
    return user_put(task, rlim, &limit);
}

int64_t sys_setrlimit(struct task *task, int32_t resource, uaddr_t rlim)
{
    return rlim ? change_limit(task, task, resource, rlim, 0) : -LINUX_EFAULT;
}
