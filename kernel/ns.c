#include "kernel/ns.h"
#include "kernel/cred.h"
#include "kernel/ipc/ipc.h"
#include "kernel/kernel.h"
#include "kernel/pid_ns.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Numbers of the initial namespaces, as Linux has them, and the first of later ones.
#define INUM_TIME   4026531834u
#define INUM_CGROUP 4026531835u
#define INUM_PID    4026531836u
#define INUM_USER   4026531837u
#define INUM_UTS    4026531838u
#define INUM_IPC    4026531839u
#define INUM_NET    4026531840u
#define INUM_NEXT   4026532128u

// The kinds that can be made anew. Others answer as Linux built without them.
#define KINDS                                                                                      \
    (LINUX_CLONE_NEWUSER | LINUX_CLONE_NEWUTS | LINUX_CLONE_NEWIPC | LINUX_CLONE_NEWCGROUP |       \
     LINUX_CLONE_NEWNS | LINUX_CLONE_NEWPID)
#define ALL_KINDS                                                                                  \
    (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWCGROUP | LINUX_CLONE_NEWUTS | LINUX_CLONE_NEWIPC |         \
     LINUX_CLONE_NEWUSER | LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNET | LINUX_CLONE_NEWTIME)

uint32_t ns_new_inum(struct kernel *kernel)
{
    return atomic_fetch_add_explicit(&kernel->ns->next_inum, 1, memory_order_relaxed);
}

// --- The kinds -----------------------------------------------------------------------------------

static void free_base(struct namespace *base)
{
    free(base);
}

static void uts_destroy(struct namespace *base)
{
    free(CONTAINER_OF(base, struct uts_ns, base));
}

static struct uts_ns *uts_create(uint32_t inum, struct user_ns *owner)
{
    struct uts_ns *uts = calloc(1, sizeof *uts);
    if (uts)
        namespace_init(&uts->base, (uint32_t)LINUX_CLONE_NEWUTS, inum, owner, uts_destroy);
    return uts;
}

static struct uts_ns *uts_copy(struct kernel *kernel, struct uts_ns *from, struct user_ns *owner)
{
    struct uts_ns *uts = uts_create(ns_new_inum(kernel), owner);
    if (!uts)
        return NULL;
    lock_acquire(&kernel->tasklist);
    memcpy(uts->nodename, from->nodename, sizeof uts->nodename);
    memcpy(uts->domainname, from->domainname, sizeof uts->domainname);
    lock_release(&kernel->tasklist);
    return uts;
}

static struct namespace *cgroup_create(struct kernel *kernel, struct user_ns *owner)
{
    struct namespace *ns = calloc(1, sizeof *ns);
    if (ns)
        namespace_init(ns, (uint32_t)LINUX_CLONE_NEWCGROUP, ns_new_inum(kernel), owner, free_base);
    return ns;
}

// --- Sets ----------------------------------------------------------------------------------------

struct namespaces *namespaces_get(struct namespaces *ns)
{
    atomic_fetch_add_explicit(&ns->refs, 1, memory_order_relaxed);
    return ns;
}

void namespaces_put(struct namespaces *ns)
{
    if (!ns || atomic_fetch_sub_explicit(&ns->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (ns->uts)
        namespace_put(&ns->uts->base);
    if (ns->ipc)
        ipc_put_ns(ns->ipc);
    if (ns->mnt)
        mnt_ns_put(ns->mnt);
    pid_ns_put(ns->pid_children);
    namespace_put(ns->cgroup);
    free(ns);
}

struct namespaces *task_ns_get(struct task *task)
{
    lock_acquire(&task->lock);
    struct namespaces *ns = task->ns ? namespaces_get(task->ns) : NULL;
    lock_release(&task->lock);
    return ns;
}

void task_ns_set(struct task *task, struct namespaces *ns)
{
    lock_acquire(&task->lock);
    struct namespaces *old = task->ns;
    task->ns = ns;
    lock_release(&task->lock);
    namespaces_put(old);
}

struct ipc *task_ipc(const struct task *task)
{
    return task->ns->ipc;
}

// The last step of a new set: root and directory of `fs` are moved.
static int copy_mounts(struct kernel *kernel, struct mnt_ns *from, struct user_ns *owner,
                       struct fs_context *fs, struct mnt_ns **out)
{
    lock_acquire(&fs->lock);
    struct path *const places[] = {&fs->root, &fs->cwd};
    int err = mnt_ns_copy(from, owner, ns_new_inum(kernel), places, 2, out);
    lock_release(&fs->lock);
    return err;
}

// Children are born in it; the caller stays where it is. Only one may wait to be born into.
static int new_pid_ns(struct task *task, struct pid_ns *parent, struct user_ns *owner,
                      struct pid_ns **out)
{
    if (parent != task->pid_ns)
        return -LINUX_EINVAL;
    if (parent && parent->level >= PID_NS_LEVEL_MAX)
        return -LINUX_ENOSPC;
    *out = pid_ns_create(parent, owner, ns_new_inum(task->kernel));
    return *out ? 0 : -LINUX_ENOMEM;
}

struct user_ns *task_mnt_owner(const struct task *task)
{
    return mnt_ns_base(task->ns->mnt)->owner;
}

bool task_mnt_capable(const struct task *task, unsigned cap)
{
    return cred_capable_in(task->cred, task_mnt_owner(task), cap);
}

int namespaces_copy(struct task *task, struct namespaces *from, const struct cred *cred,
                    uint64_t flags, struct fs_context *fs, struct namespaces **out)
{
    struct kernel *kernel = task->kernel;
    struct user_ns *owner = cred->user_ns;
    struct namespaces *ns = calloc(1, sizeof *ns);
    if (!ns)
        return -LINUX_ENOMEM;
    atomic_init(&ns->refs, 1);
    ns->uts = flags & LINUX_CLONE_NEWUTS ? uts_copy(kernel, from->uts, owner)
                                         : (struct uts_ns *)(void *)namespace_get(&from->uts->base);
    ns->ipc =
        flags & LINUX_CLONE_NEWIPC ? ipc_create(ns_new_inum(kernel), owner) : ipc_get_ns(from->ipc);
    ns->cgroup =
        flags & LINUX_CLONE_NEWCGROUP ? cgroup_create(kernel, owner) : namespace_get(from->cgroup);
    int err = ns->uts && ns->ipc && ns->cgroup ? 0 : -LINUX_ENOMEM;
    if (!err && flags & LINUX_CLONE_NEWPID)
        err = new_pid_ns(task, from->pid_children, owner, &ns->pid_children);
    else
        ns->pid_children = pid_ns_get(from->pid_children);
    if (!err && flags & LINUX_CLONE_NEWNS)
        err = copy_mounts(kernel, from->mnt, owner, fs, &ns->mnt);
    else if (!err)
        ns->mnt = mnt_ns_get(from->mnt);
    if (err)
        namespaces_put(ns);
    else
        *out = ns;
    return err;
}

// --- The machine's -------------------------------------------------------------------------------

static void fixed_destroy(struct namespace *base)
{
    (void)base; // part of the table, which holds a reference
}

static int make_initial(struct kernel *kernel, const char *nodename)
{
    struct namespaces *ns = kernel->ns->initial = calloc(1, sizeof *ns);
    if (!ns)
        return -LINUX_ENOMEM;
    atomic_init(&ns->refs, 1);
    ns->cgroup = namespace_get(&kernel->ns->fixed[NS_FIXED_CGROUP]);
    ns->mnt = mnt_ns_get(vfs_initial_ns(kernel->vfs));
    ns->uts = uts_create(INUM_UTS, NULL);
    ns->ipc = ipc_create(INUM_IPC, NULL);
    if (!ns->uts || !ns->ipc)
        return -LINUX_ENOMEM;
    snprintf(ns->uts->nodename, sizeof ns->uts->nodename, "%s", nodename);
    snprintf(ns->uts->domainname, sizeof ns->uts->domainname, "(none)");
    return 0;
}

int ns_create(struct kernel *kernel, const char *nodename)
{
    static const struct {
        uint64_t kind;
        uint32_t inum;
    } fixed[NS_FIXED] = {
        [NS_FIXED_USER] = {LINUX_CLONE_NEWUSER, INUM_USER},
        [NS_FIXED_PID] = {LINUX_CLONE_NEWPID, INUM_PID},
        [NS_FIXED_NET] = {LINUX_CLONE_NEWNET, INUM_NET},
        [NS_FIXED_TIME] = {LINUX_CLONE_NEWTIME, INUM_TIME},
        [NS_FIXED_CGROUP] = {LINUX_CLONE_NEWCGROUP, INUM_CGROUP},
    };
    struct ns_table *table = kernel->ns = calloc(1, sizeof *table);
    if (!table)
        return -LINUX_ENOMEM;
    atomic_init(&table->next_inum, INUM_NEXT);
    for (size_t i = 0; i < NS_FIXED; i++)
        namespace_init(&table->fixed[i], (uint32_t)fixed[i].kind, fixed[i].inum, NULL,
                       fixed_destroy);
    return make_initial(kernel, nodename);
}

void ns_drop_initial(struct kernel *kernel)
{
    struct ns_table *table = kernel->ns;
    namespaces_put(table->initial);
    table->initial = NULL;
    if (table->nsfs)
        super_put(table->nsfs);
    table->nsfs = NULL;
}

void ns_destroy(struct kernel *kernel)
{
    if (!kernel->ns)
        return;
    ns_drop_initial(kernel);
    free(kernel->ns);
    kernel->ns = NULL;
}

// --- Which one -----------------------------------------------------------------------------------

struct user_ns *ns_user(struct namespace *ns)
{
    return ns->destroy == fixed_destroy ? NULL : CONTAINER_OF(ns, struct user_ns, base);
}

struct pid_ns *ns_pid(struct namespace *ns)
{
    return ns->destroy == fixed_destroy ? NULL : CONTAINER_OF(ns, struct pid_ns, base);
}

static struct namespace *of_children(struct ns_table *table, struct task *task,
                                     struct namespaces *set)
{
    struct pid_ns *ns = set->pid_children;
    lock_acquire(&task->kernel->tasklist);
    bool unborn = ns && !ns->reaper; // nobody is in it, and perhaps nobody will be
    lock_release(&task->kernel->tasklist);
    if (unborn)
        return NULL;
    return ns ? &ns->base : &table->fixed[NS_FIXED_PID];
}

static struct namespace *of_set(struct namespaces *ns, uint64_t kind)
{
    if (!ns)
        return NULL;
    if (kind == LINUX_CLONE_NEWUTS)
        return &ns->uts->base;
    if (kind == LINUX_CLONE_NEWIPC)
        return &ns->ipc->base;
    if (kind == LINUX_CLONE_NEWNS)
        return mnt_ns_base(ns->mnt);
    return ns->cgroup;
}

struct namespace *task_namespace(struct task *task, uint64_t kind, bool children)
{
    struct ns_table *table = task->kernel->ns;
    if (kind == LINUX_CLONE_NEWUSER) {
        const struct cred *cred = task_cred_get(task);
        struct namespace *found =
            cred->user_ns ? &cred->user_ns->base : &table->fixed[NS_FIXED_USER];
        namespace_get(found);
        cred_put(cred);
        return found;
    }
    if (kind == LINUX_CLONE_NEWPID && !children) { // its number is there until it is waited for
        struct pid_ns *ns = task->pid_ns;
        return namespace_get(ns ? &ns->base : &table->fixed[NS_FIXED_PID]);
    }
    struct namespaces *set = task_ns_get(task);
    if (!set)
        return NULL;
    struct namespace *found = kind == LINUX_CLONE_NEWNET    ? &table->fixed[NS_FIXED_NET]
                              : kind == LINUX_CLONE_NEWTIME ? &table->fixed[NS_FIXED_TIME]
                              : kind == LINUX_CLONE_NEWPID  ? of_children(table, task, set)
                                                            : of_set(set, kind);
    namespace_get(found);
    namespaces_put(set);
    return found;
}

// --- Making new ones -----------------------------------------------------------------------------

int ns_check_flags(struct task *task, uint64_t flags)
{
    if (flags & (ALL_KINDS & ~LINUX_CLONE_NEWUSER) && !(flags & LINUX_CLONE_NEWUSER) &&
        !task_capable_own(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    return flags & (ALL_KINDS & ~KINDS) ? -LINUX_EINVAL : 0;
}

void cred_enter_user_ns(struct cred *cred, struct user_ns *ns)
{
    user_ns_get(ns);
    user_ns_put(cred->user_ns);
    cred->user_ns = ns;
    cred->securebits = 0;
    cred->cap_inheritable = cred->cap_ambient = 0;
    cred->cap_permitted = cred->cap_effective = cred->cap_bounding = LINUX_CAP_FULL;
}

int ns_new_user(struct task *task, struct cred **out)
{
    const struct cred *old = task->cred;
    if (old->user_ns && old->user_ns->level >= USER_NS_LEVEL_MAX)
        return -LINUX_ENOSPC;
    // Somebody in a chroot could leave it with the capabilities of a new namespace.
    struct vfs_caller c;
    struct path top;
    task_caller(task, &c);
    mnt_ns_root(task->ns->mnt, &top);
    bool chrooted = c.root.mnt != top.mnt || c.root.dentry != top.dentry;
    path_put(&top);
    task_caller_done(&c);
    if (chrooted || user_ns_from_machine(old->user_ns, ID_UID, old->euid) == ID_NONE ||
        user_ns_from_machine(old->user_ns, ID_GID, old->egid) == ID_NONE)
        return -LINUX_EPERM;
    struct cred *cred = cred_copy(old, old->group_count);
    struct user_ns *ns = user_ns_create(old->user_ns, old, ns_new_inum(task->kernel));
    if (cred && ns)
        cred_enter_user_ns(cred, ns);
    user_ns_put(ns);
    if (!cred || !ns) {
        cred_put(cred);
        return -LINUX_ENOMEM;
    }
    *out = cred;
    return 0;
}
