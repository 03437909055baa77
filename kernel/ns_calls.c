// unshare(2) and setns(2): a thread stops sharing what clone(2) let it share, or enters namespaces
// that others are in.
#include "kernel/cred.h"
#include "kernel/fd.h"
#include "kernel/ipc/ipc.h"
#include "kernel/ns.h"
#include "kernel/pid_ns.h"
#include "kernel/pidfd.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task_internal.h"
#include "kernel/trace_access.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"

#define NAMESPACES                                                                                 \
    (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWCGROUP | LINUX_CLONE_NEWUTS | LINUX_CLONE_NEWIPC |         \
     LINUX_CLONE_NEWUSER | LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNET | LINUX_CLONE_NEWTIME)

// What a call is about to change, made before anything is changed. NULL: stays as it is.
struct change {
    struct fs_context *fs;
    struct cred *cred;
    struct namespaces *ns;
    bool new_root; // root and directory become those of the mount namespace
};

static void change_cancel(struct change *c)
{
    fs_context_put(c->fs);
    cred_put(c->cred);
    namespaces_put(c->ns);
}

static void enter_root(struct task *task)
{
    struct fs_context *fs = task->fs;
    struct path root;
    mnt_ns_root(task->ns->mnt, &root);
    path_get(&root);
    lock_acquire(&fs->lock);
    struct path old_root = fs->root, old_cwd = fs->cwd;
    fs->root = fs->cwd = root;
    lock_release(&fs->lock);
    path_put(&old_root);
    path_put(&old_cwd);
}

static void change_commit(struct task *task, struct change *c)
{
    if (c->fs) {
        lock_acquire(&task->lock);
        struct fs_context *old = task->fs;
        task->fs = c->fs;
        lock_release(&task->lock);
        fs_context_put(old);
    }
    if (c->ns) {
        if (c->ns->ipc != task->ns->ipc)
            sem_undo_leave(task);
        task_ns_set(task, c->ns);
    }
    if (c->cred)
        cred_commit(task, c->cred);
    if (c->new_root)
        enter_root(task);
}

static bool alone(struct task *task)
{
    lock_acquire(&task->kernel->tasklist);
    bool result = task->process->live_threads == 1;
    lock_release(&task->kernel->tasklist);
    return result;
}

static bool shares_fs(const struct task *task)
{
    return atomic_load_explicit(&task->fs->refs, memory_order_relaxed) > 1;
}

static int prepare_unshare(struct task *task, uint64_t flags, struct change *c)
{
    int err = 0;
    if (flags & LINUX_CLONE_FS && shares_fs(task))
        err = fs_context_copy(task->fs, &c->fs);
    if (!err && flags & LINUX_CLONE_NEWUSER)
        err = ns_new_user(task, &c->cred);
    const struct cred *cred = c->cred ? c->cred : task->cred;
    if (!err && flags & NAMESPACES & ~LINUX_CLONE_NEWUSER)
        err = namespaces_copy(task, task->ns, cred, flags, c->fs ? c->fs : task->fs, &c->ns);
    return err;
}

int64_t sys_unshare(struct task *task, uint64_t flags)
{
    const uint64_t parts = LINUX_CLONE_THREAD | LINUX_CLONE_SIGHAND | LINUX_CLONE_VM;
    if (flags & ~(parts | LINUX_CLONE_FS | LINUX_CLONE_FILES | LINUX_CLONE_SYSVSEM | NAMESPACES))
        return -LINUX_EINVAL;
    if (flags & LINUX_CLONE_NEWUSER)
        flags |= LINUX_CLONE_THREAD | LINUX_CLONE_FS;
    if (flags & LINUX_CLONE_NEWNS)
        flags |= LINUX_CLONE_FS;
    // Memory, actions and the thread group cannot be left, only found unshared already.
    if (flags & parts && !alone(task))
        return -LINUX_EINVAL;
    int err = ns_check_flags(task, flags);
    if (err)
        return err;
    struct change c = {NULL};
    err = flags & LINUX_CLONE_FILES ? fd_table_unshare(task) : 0;
    if (!err)
        err = prepare_unshare(task, flags, &c);
    if (err) {
        change_cancel(&c);
        return err;
    }
    if (flags & (LINUX_CLONE_SYSVSEM | LINUX_CLONE_NEWIPC))
        sem_undo_leave(task);
    change_commit(task, &c);
    return 0;
}

// --- setns ---------------------------------------------------------------------------------------

// The set to change: a copy of the task's, made when first needed.
static int own_set(struct task *task, struct change *c)
{
    return c->ns ? 0 : namespaces_copy(task, task->ns, task->cred, 0, NULL, &c->ns);
}

static int enter_user(struct task *task, struct namespace *ns, struct change *c)
{
    struct user_ns *user = ns_user(ns);
    if (user == task->cred->user_ns || !alone(task) || shares_fs(task))
        return -LINUX_EINVAL;
    if (!cred_capable_in(task->cred, user, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    c->cred = cred_copy(task->cred, task->cred->group_count);
    if (!c->cred)
        return -LINUX_ENOMEM;
    cred_enter_user_ns(c->cred, user);
    return 0;
}

static int enter(struct task *task, struct namespace *ns, struct change *c)
{
    if (ns->kind == LINUX_CLONE_NEWUSER)
        return enter_user(task, ns, c);
    // The rights of before the call, over the namespace and in the users' one that is next.
    const struct cred *cred = task->cred;
    const struct user_ns *next = c->cred ? c->cred->user_ns : cred->user_ns;
    if (!cred_capable_in(cred, ns->owner, LINUX_CAP_SYS_ADMIN) ||
        !cred_capable_in(cred, next, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    int err = own_set(task, c);
    if (err)
        return err;
    switch ((uint64_t)ns->kind) {
    case LINUX_CLONE_NEWUTS:
        namespace_put(&c->ns->uts->base);
        c->ns->uts = CONTAINER_OF(namespace_get(ns), struct uts_ns, base);
        return 0;
    case LINUX_CLONE_NEWIPC:
        ipc_put_ns(c->ns->ipc);
        c->ns->ipc = CONTAINER_OF(namespace_get(ns), struct ipc, base);
        return 0;
    case LINUX_CLONE_NEWNS:
        if (!cred_capable_in(cred, next, LINUX_CAP_SYS_CHROOT))
            return -LINUX_EPERM;
        if (shares_fs(task))
            return -LINUX_EINVAL;
        mnt_ns_put(c->ns->mnt);
        c->ns->mnt = mnt_ns_get(mnt_ns_of(ns));
        c->new_root = true;
        return 0;
    case LINUX_CLONE_NEWPID:
        if (!pid_ns_within(ns_pid(ns), task->pid_ns))
            return -LINUX_EINVAL;
        pid_ns_put(c->ns->pid_children);
        c->ns->pid_children = pid_ns_get(ns_pid(ns));
        return 0;
    case LINUX_CLONE_NEWCGROUP:
        namespace_put(c->ns->cgroup);
        c->ns->cgroup = namespace_get(ns);
        return 0;
    default:
        return 0; // there is one, and the task is in it
    }
}

// Every namespace of `target` that `flags` names; users first, whose rights the others need.
static int enter_all(struct task *task, struct task *target, uint64_t flags, struct change *c)
{
    static const uint64_t order[] = {
        LINUX_CLONE_NEWUSER, LINUX_CLONE_NEWNS,  LINUX_CLONE_NEWUTS,    LINUX_CLONE_NEWIPC,
        LINUX_CLONE_NEWPID,  LINUX_CLONE_NEWNET, LINUX_CLONE_NEWCGROUP, LINUX_CLONE_NEWTIME,
    };
    int err = task_may_trace(task, target) ? 0 : -LINUX_EPERM;
    for (size_t i = 0; !err && i < ARRAY_LEN(order); i++) {
        if (!(flags & order[i]))
            continue;
        struct namespace *ns = task_namespace(target, order[i], false);
        err = ns ? enter(task, ns, c) : -LINUX_ESRCH;
        namespace_put(ns);
    }
    return err;
}

static int enter_of_pidfd(struct task *task, int32_t fd, uint64_t flags, struct change *c)
{
    struct task *target;
    int err = pidfd_leader(task, fd, &target);
    if (err)
        return err == -LINUX_EBADF ? -LINUX_EINVAL : err; // some other kind of file
    err = !flags || flags & ~NAMESPACES ? -LINUX_EINVAL : enter_all(task, target, flags, c);
    task_put(target);
    return err;
}

int64_t sys_setns(struct task *task, int32_t fd, uint32_t nstype)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    struct change c = {NULL};
    struct namespace *ns = nsfs_of(file);
    int err;
    if (!ns)
        err = enter_of_pidfd(task, fd, nstype, &c);
    else
        err = nstype && nstype != ns->kind ? -LINUX_EINVAL : enter(task, ns, &c);
    if (err)
        change_cancel(&c);
    else
        change_commit(task, &c);
    file_put(file);
    return err;
}
