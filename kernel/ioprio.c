// ioprio_set and ioprio_get: data of a task, which the host's disks are not told.
#include "kernel/group.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"

enum { WHO_PROCESS = 1, WHO_PGRP = 2, WHO_USER = 3 };
enum {
    CLASS_NONE,
    CLASS_RT,
    CLASS_BE,
    CLASS_IDLE,
    CLASS_SHIFT = 13,
    LEVELS = 8,
    LEVEL_MASK = 8191
};

// tasklist is held; `who` is the machine's number.
static bool selected(struct task *t, struct task *caller, int32_t which, int32_t who, uint32_t uid)
{
    if (which == WHO_PROCESS)
        return who ? t->pid == who : t == caller;
    if (which == WHO_PGRP) {
        const struct pgrp *group = t->process->pgrp;
        return group && (who ? group->pgid == who : group == caller->process->pgrp);
    }
    const struct cred *c = task_cred_get(t);
    bool same = c->uid == uid;
    cred_put(c);
    return same;
}

static bool may_set(struct task *caller, struct task *t)
{
    const struct cred *c = task_cred_get(t);
    bool may = c->uid == caller->cred->euid || c->uid == caller->cred->uid ||
               cred_capable_in(caller->cred, c->user_ns, LINUX_CAP_SYS_NICE);
    cred_put(c);
    return may;
}

static int class_of(int32_t prio)
{
    return prio >> CLASS_SHIFT;
}

// What counts of a task: for one without a class of its own, what goes with its nice value.
static int32_t effective(const struct task *t)
{
    enum { NICE_MIN = -20, NICES_A_LEVEL = 5 };
    return class_of(t->ioprio) != CLASS_NONE
               ? t->ioprio
               : CLASS_BE << CLASS_SHIFT | (t->nice - NICE_MIN) / NICES_A_LEVEL;
}

// The better of two: a lower class, then a lower level.
static int32_t better(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

// Sets (`prio` not negative) or finds the best.
static int64_t for_each(struct task *task, int32_t which, int32_t who, int32_t prio)
{
    struct kernel *kernel = task->kernel;
    if (which < WHO_PROCESS || which > WHO_USER)
        return -LINUX_EINVAL;
    uint32_t uid = cred_uid(task->cred, (uint32_t)who); // 0 is root, not the caller, on Linux too
    if (which != WHO_USER)
        who = pid_arg(task, who);
    int64_t result = -LINUX_ESRCH;
    lock_acquire(&kernel->tasklist);
    for (int32_t pid = 1; (pid = pid_next_task(kernel->pids, pid)) != 0; pid++) {
        struct task *t = pid_slot(kernel->pids, pid)->task;
        if (!selected(t, task, which, who, uid))
            continue;
        if (prio < 0) {
            int32_t theirs = which == WHO_PROCESS ? t->ioprio : effective(t);
            result = result < 0 ? theirs : better((int32_t)result, theirs);
        } else if (!may_set(task, t)) {
            result = -LINUX_EPERM;
            break;
        } else {
            t->ioprio = prio;
            result = 0;
        }
    }
    lock_release(&kernel->tasklist);
    return result;
}

int64_t sys_ioprio_set(struct task *task, int32_t which, int32_t who, int32_t ioprio)
{
    int32_t level = ioprio & LEVEL_MASK;
    switch (class_of(ioprio)) {
    case CLASS_RT:
        if (!task_capable(task, LINUX_CAP_SYS_ADMIN) && !task_capable(task, LINUX_CAP_SYS_NICE))
            return -LINUX_EPERM;
        if (level >= LEVELS)
            return -LINUX_EINVAL;
        break;
    case CLASS_BE:
        if (level >= LEVELS)
            return -LINUX_EINVAL;
        break;
    case CLASS_IDLE:
        break;
    case CLASS_NONE:
        if (level)
            return -LINUX_EINVAL;
        break;
    default:
        return -LINUX_EINVAL;
    }
    return for_each(task, which, who, ioprio);
}

int64_t sys_ioprio_get(struct task *task, int32_t which, int32_t who)
{
    return for_each(task, which, who, -1);
}
