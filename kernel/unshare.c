// unshare(2): a thread stops sharing what clone(2) let it share.
#include "kernel/cred.h"
#include "kernel/fd.h"
#include "kernel/ipc/ipc.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"

#define UNSHARE_NAMESPACES                                                                         \
    (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWCGROUP | LINUX_CLONE_NEWUTS | LINUX_CLONE_NEWIPC |         \
     LINUX_CLONE_NEWUSER | LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNET | LINUX_CLONE_NEWTIME)

static int unshare_fs(struct task *task)
{
    struct fs_context *copy, *old = task->fs;
    if (atomic_load_explicit(&old->refs, memory_order_relaxed) == 1)
        return 0;
    int err = fs_context_copy(old, &copy);
    if (err)
        return err;
    lock_acquire(&task->lock);
    task->fs = copy;
    lock_release(&task->lock);
    fs_context_put(old);
    return 0;
}

static bool alone(struct task *task)
{
    lock_acquire(&task->kernel->tasklist);
    bool result = task->process->live_threads == 1;
    lock_release(&task->kernel->tasklist);
    return result;
}

int64_t sys_unshare(struct task *task, uint64_t flags)
{
    const uint64_t parts = LINUX_CLONE_THREAD | LINUX_CLONE_SIGHAND | LINUX_CLONE_VM;
    if (flags &
        ~(parts | LINUX_CLONE_FS | LINUX_CLONE_FILES | LINUX_CLONE_SYSVSEM | UNSHARE_NAMESPACES))
        return -LINUX_EINVAL;
    // Memory, actions and the thread group cannot be left, only found unshared already.
    if (flags & parts && !alone(task))
        return -LINUX_EINVAL;
    if (flags & (UNSHARE_NAMESPACES & ~LINUX_CLONE_NEWUSER) &&
        !task_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    if (flags & UNSHARE_NAMESPACES) // there is one of each
        return -LINUX_EINVAL;
    if (flags & LINUX_CLONE_SYSVSEM)
        sem_undo_leave(task);
    int err = flags & LINUX_CLONE_FS ? unshare_fs(task) : 0;
    if (!err && flags & LINUX_CLONE_FILES)
        err = fd_table_unshare(task);
    return err;
}
