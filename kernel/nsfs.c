// The files that stand for namespaces: targets of /proc/PID/ns/*, for setns(2) and ioctl_ns(2).
#include "kernel/fd.h"
#include "kernel/kernel.h"
#include "kernel/ns.h"
#include "kernel/pid_ns.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"
#include <stdio.h>

enum {
    NS_GET_USERNS = 0xb701,
    NS_GET_PARENT = 0xb702,
    NS_GET_NSTYPE = 0xb703,
    NS_GET_OWNER_UID = 0xb704,
};

int nsfs_name(const struct namespace *ns, char *buf, size_t size)
{
    static const struct {
        uint64_t kind;
        const char *name;
    } names[] = {
        {LINUX_CLONE_NEWNS, "mnt"},    {LINUX_CLONE_NEWUTS, "uts"},
        {LINUX_CLONE_NEWIPC, "ipc"},   {LINUX_CLONE_NEWPID, "pid"},
        {LINUX_CLONE_NEWUSER, "user"}, {LINUX_CLONE_NEWNET, "net"},
        {LINUX_CLONE_NEWTIME, "time"}, {LINUX_CLONE_NEWCGROUP, "cgroup"},
    };
    const char *name = "?";
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].kind == ns->kind)
            name = names[i].name;
    return snprintf(buf, size, "%s:[%u]", name, ns->inum);
}

// --- Inodes --------------------------------------------------------------------------------------

static int nsfs_getattr(struct inode *inode, struct vfs_stat *out)
{
    *out = (struct vfs_stat){.dev = inode->super->dev,
                             .ino = inode->ino,
                             .mode = LINUX_S_IFREG | 0444,
                             .nlink = 1,
                             .blksize = 4096,
                             .btime = INT64_MIN};
    return 0;
}

static void nsfs_evict(struct inode *inode)
{
    namespace_put(inode->private);
}

static int nsfs_permission(struct inode *inode, const struct vfs_caller *c, unsigned mask)
{
    (void)inode, (void)c;
    return mask & LINUX_W_OK ? -LINUX_EPERM : 0; // they are immutable
}

static const struct inode_ops nsfs_inode_ops = {
    .getattr = nsfs_getattr, .permission = nsfs_permission, .evict = nsfs_evict};

static int open_namespace(struct task *task, struct namespace *ns)
{
    struct path p;
    struct file *file;
    struct vfs_caller c;
    int err = nsfs_path(task->kernel, ns, &p);
    if (err)
        return err;
    task_caller(task, &c);
    err = vfs_open_path(&c, &p, LINUX_O_RDONLY, &file);
    task_caller_done(&c);
    path_put(&p);
    return err ? err : fd_install(task, file, 0, true);
}

static int64_t get_owner(struct task *task, struct namespace *ns)
{
    // Those above the caller's own are none of its business.
    const struct user_ns *own = task->cred->user_ns;
    struct user_ns *owner = ns->owner;
    if (ns->kind == LINUX_CLONE_NEWUSER && !ns_user(ns))
        return -LINUX_EPERM; // the first, which nobody owns
    for (const struct user_ns *up = owner; up != own; up = user_ns_parent(up))
        if (!up)
            return -LINUX_EPERM;
    return open_namespace(
        task, namespace_get(owner ? &owner->base : &task->kernel->ns->fixed[NS_FIXED_USER]));
}

static int64_t get_parent_pid(struct task *task, struct namespace *ns)
{
    struct pid_ns *pid = ns_pid(ns);
    if (!pid || !pid_ns_within(pid->parent, task->pid_ns))
        return -LINUX_EPERM;
    struct pid_ns *up = pid->parent;
    return open_namespace(task,
                          namespace_get(up ? &up->base : &task->kernel->ns->fixed[NS_FIXED_PID]));
}

static int64_t nsfs_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct namespace *ns = nsfs_of(file);
    switch (cmd) {
    case NS_GET_USERNS:
        return get_owner(task, ns);
    case NS_GET_PARENT:
        if (ns->kind == LINUX_CLONE_NEWUSER)
            return get_owner(task, ns);
        return ns->kind == LINUX_CLONE_NEWPID ? get_parent_pid(task, ns) : -LINUX_EINVAL;
    case NS_GET_NSTYPE:
        return ns->kind;
    case NS_GET_OWNER_UID: {
        if (ns->kind != LINUX_CLONE_NEWUSER)
            return -LINUX_EINVAL;
        const struct user_ns *user = ns_user(ns);
        uint32_t uid = cred_show_uid(task->cred, user ? user->owner_uid : 0);
        return user_put(task, arg, &uid);
    }
    default:
        return -LINUX_ENOTTY;
    }
}

static const struct file_ops nsfs_file_ops = {.ioctl = nsfs_ioctl};

struct namespace *nsfs_of(const struct file *file)
{
    return file->ops == &nsfs_file_ops ? file->inode->private : NULL;
}

int nsfs_path(struct kernel *kernel, struct namespace *ns, struct path *out)
{
    char name[48];
    nsfs_name(ns, name, sizeof name);
    struct inode *inode = inode_create(kernel->ns->nsfs, &nsfs_inode_ops, LINUX_S_IFREG, ns->inum);
    if (!inode) {
        namespace_put(ns);
        return -LINUX_ENOMEM;
    }
    inode->private = ns;
    inode->file_ops = &nsfs_file_ops;
    inode->cached_perm = true;
    atomic_store_explicit(&inode->mode, LINUX_S_IFREG | 0444, memory_order_relaxed);
    int err = vfs_unnamed_path(kernel->vfs, inode, name, out);
    inode_put(inode);
    return err;
}

// --- The file system -----------------------------------------------------------------------------

static int nsfs_statfs(struct super *s, struct vfs_statfs *out)
{
    (void)s;
    *out = (struct vfs_statfs){.type = LINUX_NSFS_MAGIC, .bsize = 4096, .namelen = 255};
    return 0;
}

static void nothing_to_destroy(struct super *s)
{
    (void)s;
}

static const struct super_ops nsfs_ops = {.destroy = nothing_to_destroy, .statfs = nsfs_statfs};

int nsfs_create(struct kernel *kernel)
{
    kernel->ns->nsfs = super_create(&nsfs_ops, kernel->vfs, NULL);
    return kernel->ns->nsfs ? 0 : -LINUX_ENOMEM;
}
