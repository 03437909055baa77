// mount, umount2 and pivot_root: our own file systems and second views of the tree. They need
// CAP_SYS_ADMIN over the caller's mount namespace, and show the guest nothing but objects it has
// already.
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/mount_types.h"
#include "kernel/ns.h"
#include "kernel/pid.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mount.h"
#include <stdlib.h>
#include <string.h>

#define PROPAGATION (LINUX_MS_UNBINDABLE | LINUX_MS_PRIVATE | LINUX_MS_SLAVE | LINUX_MS_SHARED)
#define ATIMES      (LINUX_MS_NOATIME | LINUX_MS_NODIRATIME | LINUX_MS_RELATIME | LINUX_MS_STRICTATIME)

static unsigned vfs_flags(uint64_t flags)
{
    static const struct {
        uint64_t ms;
        unsigned mount;
    } map[] = {
        {LINUX_MS_RDONLY, MOUNT_RDONLY},
        {LINUX_MS_NOSUID, MOUNT_NOSUID},
        {LINUX_MS_NODEV, MOUNT_NODEV},
        {LINUX_MS_NOEXEC, MOUNT_NOEXEC},
        {LINUX_MS_NOATIME, MOUNT_NOATIME},
        {LINUX_MS_NODIRATIME, MOUNT_NODIRATIME},
        {LINUX_MS_STRICTATIME, MOUNT_STRICTATIME},
        {LINUX_MS_NOSYMFOLLOW, MOUNT_NOSYMFOLLOW},
    };
    unsigned out = 0;
    for (size_t i = 0; i < ARRAY_LEN(map); i++)
        out |= flags & map[i].ms ? map[i].mount : 0;
    return out & MOUNT_STRICTATIME ? out & ~(unsigned)MOUNT_NOATIME : out;
}

// The string arguments; each NULL where the guest passed NULL.
struct mount_args {
    char *source, *type, *options;
};

static void args_free(struct mount_args *args)
{
    free(args->source);
    free(args->type);
    free(args->options);
}

static int args_get(struct task *task, uaddr_t source, uaddr_t type, uaddr_t data,
                    struct mount_args *out)
{
    *out = (struct mount_args){NULL, NULL, NULL};
    int err = type ? user_path(task, type, &out->type) : 0;
    if (!err && source)
        err = user_path(task, source, &out->source);
    if (!err && data)
        err = user_path(task, data, &out->options);
    if (err)
        args_free(out);
    return err;
}

static int mount_new(struct task *task, const struct path *at, uint64_t flags,
                     struct mount_args *args)
{
    if (!args->type)
        return -LINUX_EINVAL;
    struct mount_options options;
    int err = mount_options_init(&options, args->type, false, NULL);
    if (err)
        return err;
    if (flags & LINUX_MS_RDONLY)
        options.set_rdonly = options.rdonly = true;
    if (args->source)
        err = mount_options_set(task, &options, "source", args->source);
    if (!err)
        err = mount_options_parse(task, &options, args->options);
    if (!err && !mnt_ns_has(task->ns->mnt, at))
        err = -LINUX_EINVAL;
    struct super *super;
    if (!err)
        err = mount_options_create(task, &options, &super);
    if (!err)
        err = vfs_mount(task->kernel->vfs, at, super, options.source ? options.source : "none",
                        args->type, vfs_flags(flags));
    mount_options_done(&options);
    return err;
}

static int mount_bind(struct task *task, const struct vfs_caller *caller, const struct path *at,
                      uint64_t flags, const struct mount_args *args)
{
    if (!args->source || !*args->source)
        return -LINUX_EINVAL;
    struct path from;
    int err = path_walk(caller, NULL, args->source, WALK_FOLLOW, &from);
    if (err)
        return err;
    // A plain bind keeps the flags of what it shows; they change only by a later remount.
    struct mnt_ns *ns = task->ns->mnt;
    err = mnt_ns_has(ns, &from) && mnt_ns_has(ns, at)
              ? vfs_bind(task->kernel->vfs, &from, at, 0, flags & LINUX_MS_REC)
              : -LINUX_EINVAL;
    path_put(&from);
    return err;
}

static int mount_move(struct task *task, const struct vfs_caller *caller, const struct path *at,
                      const struct mount_args *args)
{
    if (!args->source || !*args->source)
        return -LINUX_EINVAL;
    struct path from;
    int err = path_walk(caller, NULL, args->source, WALK_FOLLOW, &from);
    if (err)
        return err;
    err = vfs_move_mount(task->ns->mnt, &from, at);
    path_put(&from);
    return err;
}

static int mount_sharing(struct task *task, const struct path *at, uint64_t flags)
{
    const uint64_t kind = flags & PROPAGATION;
    if (flags & ~(PROPAGATION | LINUX_MS_REC | LINUX_MS_SILENT) || kind & (kind - 1))
        return -LINUX_EINVAL;
    return vfs_set_sharing(task->ns->mnt, at,
                           kind == LINUX_MS_SHARED    ? SHARE_SHARED
                           : kind == LINUX_MS_SLAVE   ? SHARE_SLAVE
                           : kind == LINUX_MS_PRIVATE ? SHARE_PRIVATE
                                                      : SHARE_UNBINDABLE,
                           flags & LINUX_MS_REC);
}

// Of the file system, whose owner must agree.
static int reconfigure(struct task *task, const struct path *at, uint64_t flags,
                       const struct mount_args *args)
{
    struct mount_options options;
    int err = mount_options_init(&options, vfs_mount_type(at), true, NULL);
    if (err)
        return err;
    options.set_rdonly = true;
    options.rdonly = flags & LINUX_MS_RDONLY;
    err = mount_options_parse(task, &options, args->options);
    if (!err && !cred_capable_in(task->cred, vfs_mount_owner(at), LINUX_CAP_SYS_ADMIN))
        err = -LINUX_EPERM;
    struct super *super = err ? NULL : vfs_mount_super(at);
    if (super) {
        err = mount_options_reconfigure(&options, super);
        super_put(super);
    }
    mount_options_done(&options);
    return err;
}

static int mount_remount(struct task *task, const struct path *at, uint64_t flags,
                         const struct mount_args *args)
{
    unsigned mask = MOUNT_FLAGS;
    if (!(flags & ATIMES))
        mask &= ~(unsigned)MOUNT_ATIMES;
    if (!vfs_is_mount_root(at) || !mnt_ns_has(task->ns->mnt, at))
        return -LINUX_EINVAL;
    int err = flags & LINUX_MS_BIND ? 0 : reconfigure(task, at, flags, args);
    return err ? err : vfs_set_mount_flags(task->ns->mnt, at, mask, vfs_flags(flags), NULL, false);
}

static int mount_at(struct task *task, const struct vfs_caller *caller, const struct path *at,
                    uint64_t flags, struct mount_args *args)
{
    if ((flags & LINUX_MS_MGC_MASK) == LINUX_MS_MGC_VAL)
        flags &= ~LINUX_MS_MGC_MASK;
    if (flags & LINUX_MS_NOUSER)
        return -LINUX_EINVAL;
    if (!task_mnt_capable(task, LINUX_CAP_SYS_ADMIN) || task->cred->landlock)
        return -LINUX_EPERM; // who gave rights over places up does not change the places
    if (flags & LINUX_MS_REMOUNT)
        return mount_remount(task, at, flags, args);
    if (flags & LINUX_MS_BIND)
        return mount_bind(task, caller, at, flags, args);
    if (flags & PROPAGATION)
        return mount_sharing(task, at, flags);
    if (flags & LINUX_MS_MOVE)
        return mount_move(task, caller, at, args);
    return mount_new(task, at, flags, args);
}

int64_t sys_mount(struct task *task, uaddr_t source, uaddr_t target, uaddr_t type, uint64_t flags,
                  uaddr_t data)
{
    struct mount_args args;
    int err = args_get(task, source, type, data, &args);
    if (err)
        return err;
    struct file_at at;
    struct path found;
    err = file_at_resolve(task, LINUX_AT_FDCWD, target, WALK_FOLLOW, &at, &found);
    if (!err) {
        err = mount_at(task, &at.caller, &found, flags, &args);
        path_put(&found);
        file_at_end(&at);
    }
    args_free(&args);
    return err;
}

int64_t sys_umount2(struct task *task, uaddr_t path, uint32_t flags)
{
    const uint32_t known =
        LINUX_MNT_FORCE | LINUX_MNT_DETACH | LINUX_MNT_EXPIRE | LINUX_UMOUNT_NOFOLLOW;
    if (flags & ~known ||
        (flags & LINUX_MNT_EXPIRE && flags & (LINUX_MNT_FORCE | LINUX_MNT_DETACH)))
        return -LINUX_EINVAL;
    struct file_at at;
    struct path found;
    unsigned walk = flags & LINUX_UMOUNT_NOFOLLOW ? 0 : (unsigned)WALK_FOLLOW;
    int err = file_at_resolve(task, LINUX_AT_FDCWD, path, walk, &at, &found);
    if (err)
        return err;
    if (!task_mnt_capable(task, LINUX_CAP_SYS_ADMIN) || task->cred->landlock)
        err = -LINUX_EPERM;
    else if (!mnt_ns_has(task->ns->mnt, &found))
        err = -LINUX_EINVAL;
    else if (flags & LINUX_MNT_FORCE && !task_capable(task, LINUX_CAP_SYS_ADMIN))
        err = -LINUX_EPERM;
    else if (flags & LINUX_MNT_EXPIRE)
        err = found.mnt == at.caller.root.mnt ? -LINUX_EINVAL
                                              : vfs_umount_expired(task->kernel->vfs, &found);
    else
        err = vfs_umount(task->kernel->vfs, &found, flags & LINUX_MNT_DETACH);
    path_put(&found);
    file_at_end(&at);
    return err;
}

// --- pivot_root ----------------------------------------------------------------------------------

static void move_place(struct path *place, const struct path *from, const struct path *to,
                       struct path *old)
{
    *old = (struct path){NULL, NULL};
    if (place->mnt != from->mnt || place->dentry != from->dentry)
        return;
    *old = *place;
    *place = *to;
    path_get(place);
}

// Every task whose root or directory was the old root has the new one from now on.
static void move_tasks(struct kernel *kernel, const struct path *from, const struct path *to)
{
    for (int32_t pid = 1;; pid++) {
        lock_acquire(&kernel->tasklist);
        pid = pid_next_task(kernel->pids, pid);
        struct task *t = pid ? task_get(pid_slot(kernel->pids, pid)->task) : NULL;
        lock_release(&kernel->tasklist);
        if (!t)
            return;
        struct fs_context *fs = task_fs_get(t);
        task_put(t);
        if (!fs)
            continue;
        struct path old[2];
        lock_acquire(&fs->lock);
        move_place(&fs->root, from, to, &old[0]);
        move_place(&fs->cwd, from, to, &old[1]);
        lock_release(&fs->lock);
        path_put(&old[0]);
        path_put(&old[1]);
        fs_context_put(fs);
    }
}

int64_t sys_pivot_root(struct task *task, uaddr_t new_root, uaddr_t put_old)
{
    if (!task_mnt_capable(task, LINUX_CAP_SYS_ADMIN) || task->cred->landlock)
        return -LINUX_EPERM;
    const unsigned walk = WALK_FOLLOW | WALK_DIRECTORY;
    struct file_at at, at_old;
    struct path new, old;
    int err = file_at_resolve(task, LINUX_AT_FDCWD, new_root, walk, &at, &new);
    if (err)
        return err;
    err = file_at_resolve(task, LINUX_AT_FDCWD, put_old, walk, &at_old, &old);
    if (!err) {
        err = vfs_pivot_root(task->ns->mnt, &at.caller.root, &new, &old);
        if (!err)
            move_tasks(task->kernel, &at.caller.root, &new);
        path_put(&old);
        file_at_end(&at_old);
    }
    path_put(&new);
    file_at_end(&at);
    return err;
}
