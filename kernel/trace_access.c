#include "kernel/trace_access.h"
#include "fs/landlock.h"
#include "kernel/cred.h"
#include "kernel/process.h"
#include "kernel/task.h"

bool task_is_dumpable(struct task *task)
{
    lock_acquire(&task->process->lock);
    bool dumpable = task->process->dumpable == 1;
    lock_release(&task->process->lock);
    return dumpable;
}

static bool may_trace(const struct cred *who, uint32_t uid, uint32_t gid, uint64_t caps,
                      struct task *target)
{
    const struct cred *c = task_cred_get(target);
    if (!c)
        return false;
    bool same = uid == c->euid && uid == c->suid && uid == c->uid && gid == c->egid &&
                gid == c->sgid && gid == c->gid && !(c->cap_permitted & ~caps);
    bool may = ((same && task_is_dumpable(target)) ||
                cred_capable_in(who, c->user_ns, LINUX_CAP_SYS_PTRACE)) &&
               (!who->landlock || landlock_within(c->landlock, who->landlock));
    cred_put(c);
    return may;
}

bool cred_may_trace_fs(const struct cred *who, struct task *target)
{
    return may_trace(who, who->fsuid, who->fsgid, who->cap_effective, target);
}

bool task_may_trace(const struct task *task, struct task *target)
{
    const struct cred *who = task->cred;
    return task->process == target->process ||
           may_trace(who, who->uid, who->gid, who->cap_permitted, target);
}
