// open_tree, move_mount and mount_setattr: trees of mounts held by a descriptor, put somewhere, and
// changed as one.
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/mount_types.h"
#include "kernel/ns.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/user_struct.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mount.h"
#include "platform/abi/sched.h"

int64_t sys_open_tree(struct task *task, int32_t dirfd, uaddr_t path, uint32_t flags)
{
    const uint32_t recursive = LINUX_AT_RECURSIVE, clone = LINUX_OPEN_TREE_CLONE;
    const uint32_t known = LINUX_AT_EMPTY_PATH | LINUX_AT_NO_AUTOMOUNT | LINUX_AT_SYMLINK_NOFOLLOW |
                           recursive | clone | LINUX_O_CLOEXEC;
    if (flags & ~known || (flags & (recursive | clone)) == recursive)
        return -LINUX_EINVAL;
    if (flags & clone && !task_mnt_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    struct file_at at;
    struct path found;
    int err = file_at_resolve(task, dirfd, path, file_at_flags(flags), &at, &found);
    if (err)
        return err;
    struct file *file = NULL;
    if (flags & clone) {
        struct path top;
        err = vfs_detached_copy(task->ns->mnt, &found, flags & recursive, &top);
        if (!err)
            err = vfs_open_detached(&at.caller, &top, &file);
    } else {
        err = vfs_open_path(&at.caller, &found, LINUX_O_PATH, &file);
    }
    path_put(&found);
    file_at_end(&at);
    return err ? err : fd_install(task, file, 0, flags & LINUX_O_CLOEXEC);
}

static unsigned move_walk(uint32_t symlinks, uint32_t empty_path)
{
    return (symlinks ? (unsigned)WALK_FOLLOW : 0) | (empty_path ? (unsigned)WALK_EMPTY : 0);
}

int64_t sys_move_mount(struct task *task, int32_t from_dirfd, uaddr_t from_path, int32_t to_dirfd,
                       uaddr_t to_path, uint32_t flags)
{
    if (!task_mnt_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    if (flags & ~(uint32_t)LINUX_MOVE_MOUNT_MASK)
        return -LINUX_EINVAL;
    struct file_at from_at, to_at;
    struct path from, to;
    int err = file_at_resolve(
        task, from_dirfd, from_path,
        move_walk(flags & LINUX_MOVE_MOUNT_F_SYMLINKS, flags & LINUX_MOVE_MOUNT_F_EMPTY_PATH),
        &from_at, &from);
    if (err)
        return err;
    err = file_at_resolve(
        task, to_dirfd, to_path,
        move_walk(flags & LINUX_MOVE_MOUNT_T_SYMLINKS, flags & LINUX_MOVE_MOUNT_T_EMPTY_PATH),
        &to_at, &to);
    if (!err) {
        struct mnt_ns *ns = task->ns->mnt;
        if (task->cred->landlock)
            err = -LINUX_EPERM;
        else
            err = flags & LINUX_MOVE_MOUNT_SET_GROUP ? vfs_join_sharing(ns, &from, &to)
                                                     : vfs_move_mount(ns, &from, &to);
        path_put(&to);
        file_at_end(&to_at);
    }
    path_put(&from);
    file_at_end(&from_at);
    return err;
}

// --- mount_setattr -------------------------------------------------------------------------------

int mount_attr_flags(uint64_t attr)
{
    static const struct {
        uint64_t attr;
        int flag;
    } map[] = {
        {LINUX_MOUNT_ATTR_RDONLY, MOUNT_RDONLY},
        {LINUX_MOUNT_ATTR_NOSUID, MOUNT_NOSUID},
        {LINUX_MOUNT_ATTR_NODEV, MOUNT_NODEV},
        {LINUX_MOUNT_ATTR_NOEXEC, MOUNT_NOEXEC},
        {LINUX_MOUNT_ATTR_NODIRATIME, MOUNT_NODIRATIME},
        {LINUX_MOUNT_ATTR_NOSYMFOLLOW, MOUNT_NOSYMFOLLOW},
    };
    int flags = 0;
    for (size_t i = 0; i < ARRAY_LEN(map); i++)
        flags |= attr & map[i].attr ? map[i].flag : 0;
    return flags;
}

int mount_attr_atime(uint64_t attr)
{
    switch (attr & LINUX_MOUNT_ATTR_ATIME) {
    case 0:
        return 0;
    case LINUX_MOUNT_ATTR_NOATIME:
        return MOUNT_NOATIME;
    case LINUX_MOUNT_ATTR_STRICTATIME:
        return MOUNT_STRICTATIME;
    default:
        return -LINUX_EINVAL;
    }
}

struct attr_change {
    unsigned mask, flags;
    bool has_share;
    enum vfs_share share;
};

// What the descriptor names is looked at first, then there is no file system it could be used on.
static int check_idmap(struct task *task, const struct linux_mount_attr *attr)
{
    if (attr->attr_clr & LINUX_MOUNT_ATTR_IDMAP || attr->userns_fd > INT32_MAX)
        return -LINUX_EINVAL;
    struct file *file = fd_get(task, (int)attr->userns_fd);
    if (!file)
        return -LINUX_EBADF;
    struct namespace *ns = nsfs_of(file);
    bool initial = ns && ns->kind == LINUX_CLONE_NEWUSER && !ns_user(ns);
    file_put(file);
    return initial ? -LINUX_EPERM : -LINUX_EINVAL;
}

static int parse_change(struct task *task, const struct linux_mount_attr *attr,
                        struct attr_change *out)
{
    const uint64_t kinds =
        LINUX_MS_UNBINDABLE | LINUX_MS_PRIVATE | LINUX_MS_SLAVE | LINUX_MS_SHARED;
    const uint64_t known = LINUX_MOUNT_ATTR_RDONLY | LINUX_MOUNT_ATTR_NOSUID |
                           LINUX_MOUNT_ATTR_NODEV | LINUX_MOUNT_ATTR_NOEXEC |
                           LINUX_MOUNT_ATTR_ATIME | LINUX_MOUNT_ATTR_NODIRATIME |
                           LINUX_MOUNT_ATTR_NOSYMFOLLOW | LINUX_MOUNT_ATTR_IDMAP;
    const uint64_t kind = attr->propagation, set = attr->attr_set, clear = attr->attr_clr;
    if (kind & ~kinds || kind & (kind - 1) || (set | clear) & ~known)
        return -LINUX_EINVAL;
    *out = (struct attr_change){.has_share = kind,
                                .share = kind == LINUX_MS_SHARED    ? SHARE_SHARED
                                         : kind == LINUX_MS_SLAVE   ? SHARE_SLAVE
                                         : kind == LINUX_MS_PRIVATE ? SHARE_PRIVATE
                                                                    : SHARE_UNBINDABLE};
    out->flags = (unsigned)mount_attr_flags(set);
    out->mask = out->flags | (unsigned)mount_attr_flags(clear);
    if (clear & LINUX_MOUNT_ATTR_ATIME) {
        int atime = mount_attr_atime(set);
        if ((clear & LINUX_MOUNT_ATTR_ATIME) != LINUX_MOUNT_ATTR_ATIME || atime < 0)
            return -LINUX_EINVAL;
        out->mask |= MOUNT_NOATIME | MOUNT_STRICTATIME;
        out->flags |= (unsigned)atime;
    } else if (set & LINUX_MOUNT_ATTR_ATIME) {
        return -LINUX_EINVAL;
    }
    return (set | clear) & LINUX_MOUNT_ATTR_IDMAP ? check_idmap(task, attr) : 0;
}

int64_t sys_mount_setattr(struct task *task, int32_t dirfd, uaddr_t path, uint32_t flags,
                          uaddr_t attr_addr, uint64_t size)
{
    const uint32_t known = LINUX_AT_EMPTY_PATH | LINUX_AT_RECURSIVE | LINUX_AT_SYMLINK_NOFOLLOW |
                           LINUX_AT_NO_AUTOMOUNT;
    if (flags & ~known)
        return -LINUX_EINVAL;
    if (size > 4096)
        return -LINUX_E2BIG;
    if (size < LINUX_MOUNT_ATTR_SIZE_VER0)
        return -LINUX_EINVAL;
    if (!task_mnt_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    struct linux_mount_attr attr = {0};
    int err =
        user_read_struct(task, attr_addr, size, &attr, sizeof attr, LINUX_MOUNT_ATTR_SIZE_VER0);
    if (err || !(attr.attr_set | attr.attr_clr | attr.propagation))
        return err;
    struct attr_change change;
    err = parse_change(task, &attr, &change);
    if (err)
        return err;
    struct file_at at;
    struct path found;
    err = file_at_resolve(task, dirfd, path, file_at_flags(flags), &at, &found);
    if (err)
        return err;
    err = vfs_set_mount_flags(task->ns->mnt, &found, change.mask, change.flags,
                              change.has_share ? &change.share : NULL, flags & LINUX_AT_RECURSIVE);
    path_put(&found);
    file_at_end(&at);
    return err;
}
