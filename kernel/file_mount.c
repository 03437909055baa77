// mount and umount: our own file systems and second views of the tree. A mount needs CAP_SYS_ADMIN
// and shows the guest nothing but objects it has already. Mounts do not propagate: every one is
// private.
#include "kernel/file.h"
#include "kernel/proc/proc.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

enum {
    MS_RDONLY = 1,
    MS_NOSUID = 2,
    MS_NODEV = 4,
    MS_NOEXEC = 8,
    MS_REMOUNT = 32,
    MS_BIND = 4096,
    MS_MOVE = 8192,
    MS_REC = 16384,
    MS_UNBINDABLE = 1 << 17,
    MS_PRIVATE = 1 << 18,
    MS_SLAVE = 1 << 19,
    MS_SHARED = 1 << 20,
    MS_PROPAGATION = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED,

    UMOUNT_FORCE = 1,
    UMOUNT_DETACH = 2,
    UMOUNT_EXPIRE = 4,
    UMOUNT_NOFOLLOW = 8,
    UMOUNT_KNOWN = UMOUNT_FORCE | UMOUNT_DETACH | UMOUNT_EXPIRE | UMOUNT_NOFOLLOW,
};

static unsigned vfs_flags(uint64_t flags)
{
    return (flags & MS_RDONLY ? (unsigned)MOUNT_RDONLY : 0) |
           (flags & MS_NOSUID ? (unsigned)MOUNT_NOSUID : 0) |
           (flags & MS_NODEV ? (unsigned)MOUNT_NODEV : 0) |
           (flags & MS_NOEXEC ? (unsigned)MOUNT_NOEXEC : 0);
}

// --- Options of tmpfs: "size=64m,mode=1777" ------------------------------------------------------

static bool parse_size(const char *text, uint64_t *out)
{
    char *end;
    uint64_t n = strtoull(text, &end, 0);
    unsigned shift = 0;
    if (*end == 'k' || *end == 'K')
        shift = 10;
    else if (*end == 'm' || *end == 'M')
        shift = 20;
    else if (*end == 'g' || *end == 'G')
        shift = 30;
    if (end == text || end[shift ? 1 : 0] || n > UINT64_MAX >> shift)
        return false;
    *out = n << shift;
    return true;
}

static int make_tmpfs(struct kernel *kernel, char *options, struct super **out)
{
    uint64_t size = 0;
    uint32_t mode = 01777;
    for (char *rest = options, *word; rest && (word = strsep(&rest, ","));) {
        char *end;
        if (!strncmp(word, "size=", 5)) {
            if (!parse_size(word + 5, &size))
                return -LINUX_EINVAL;
        } else if (!strncmp(word, "mode=", 5)) {
            mode = (uint32_t)strtoul(word + 5, &end, 8);
            if (*end || mode & ~(uint32_t)LINUX_S_IALLPERM)
                return -LINUX_EINVAL;
        } else if (*word) {
            return -LINUX_EINVAL;
        }
    }
    return tmpfs_create(kernel->vfs, size, mode, out);
}

static int make_proc(struct kernel *kernel, char *options, struct super **out)
{
    (void)options;
    return procfs_create(kernel, out);
}

static int make_sysfs(struct kernel *kernel, char *options, struct super **out)
{
    (void)options;
    return sysfs_create(kernel, out);
}

static const struct {
    const char *name;
    int (*make)(struct kernel *kernel, char *options, struct super **out);
} types[] = {
    {"tmpfs", make_tmpfs},
    {"ramfs", make_tmpfs},
    {"proc", make_proc},
    {"sysfs", make_sysfs},
};

// --- mount ---------------------------------------------------------------------------------------

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
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcmp(types[i].name, args->type) != 0)
            continue;
        struct super *super;
        int err = types[i].make(task->kernel, args->options, &super);
        if (err)
            return err;
        return vfs_mount(task->kernel->vfs, at, super, args->source ? args->source : "none",
                         args->type, vfs_flags(flags));
    }
    return -LINUX_ENODEV;
}

static int mount_bind(struct task *task, const struct vfs_caller *caller, const struct path *at,
                      uint64_t flags, const struct mount_args *args)
{
    if (!args->source)
        return -LINUX_EINVAL;
    struct path from;
    int err = path_walk(caller, NULL, args->source, WALK_FOLLOW, &from);
    if (err)
        return err;
    // A plain bind keeps the flags of what it shows; they change only by a later remount.
    (void)flags;
    err = vfs_bind(task->kernel->vfs, &from, at, vfs_mount_flags(&from));
    path_put(&from);
    return err;
}

static int mount_at(struct task *task, const struct vfs_caller *caller, const struct path *at,
                    uint64_t flags, struct mount_args *args)
{
    if (!task_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    if (flags & MS_PROPAGATION)
        return flags & MS_SHARED ? -LINUX_EINVAL : 0; // private is what it is already
    if (flags & (MS_REMOUNT | MS_MOVE))
        return -LINUX_EINVAL;
    if (flags & MS_BIND)
        return mount_bind(task, caller, at, flags, args);
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
    if (flags & ~(uint32_t)UMOUNT_KNOWN ||
        (flags & UMOUNT_EXPIRE && flags & (UMOUNT_FORCE | UMOUNT_DETACH)))
        return -LINUX_EINVAL;
    struct file_at at;
    struct path found;
    unsigned walk = flags & UMOUNT_NOFOLLOW ? 0 : (unsigned)WALK_FOLLOW;
    int err = file_at_resolve(task, LINUX_AT_FDCWD, path, walk, &at, &found);
    if (err)
        return err;
    if (!task_capable(task, LINUX_CAP_SYS_ADMIN))
        err = -LINUX_EPERM;
    else if (flags & UMOUNT_EXPIRE)
        err = -LINUX_EINVAL;
    else
        err = vfs_umount(task->kernel->vfs, &found, flags & UMOUNT_DETACH);
    path_put(&found);
    file_at_end(&at);
    return err;
}
