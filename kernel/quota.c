// quotactl, quotactl_fd, swapon and swapoff, as Linux answers where no file system counts what its
// users have and none can hold swap space.
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/ns.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"

enum { QUOTA_TYPES = 3, SWAP_FLAGS = 0x7ffff };
#define Q_SYNC      0x800001u
#define Q_QUOTAON   0x800002u
#define Q_GETFMT    0x800004u
#define Q_GETINFO   0x800005u
#define Q_XCOMMAND  0x5800u // 'X' << 8
#define Q_XQUOTAON  (Q_XCOMMAND + 1)
#define Q_XQUOTAOFF (Q_XCOMMAND + 2)
#define Q_XSETQLIM  (Q_XCOMMAND + 4)
#define Q_XQUOTARM  (Q_XCOMMAND + 6)

// A device nobody has mounted: there are none that could be.
static int find_device(struct task *task, uaddr_t path)
{
    struct file_at at;
    struct path found;
    int err = file_at_resolve(task, LINUX_AT_FDCWD, path, WALK_FOLLOW, &at, &found);
    if (err)
        return err;
    if (path_inode(&found)->type != LINUX_S_IFBLK)
        err = -LINUX_ENOTBLK;
    else
        err = vfs_mount_flags(&found) & MOUNT_NODEV ? -LINUX_EACCES : -LINUX_ENODEV;
    path_put(&found);
    file_at_end(&at);
    return err;
}

int64_t sys_quotactl(struct task *task, uint32_t cmd, uaddr_t special, uint32_t id, uaddr_t addr)
{
    (void)id;
    if ((cmd & 0xff) >= QUOTA_TYPES)
        return -LINUX_EINVAL;
    if (!special)
        return cmd >> 8 == Q_SYNC ? 0 : -LINUX_ENODEV; // all there are: none
    // The file of quotas is looked for first, and what became of it told last.
    struct file_at at;
    struct path found;
    if (cmd >> 8 == Q_QUOTAON &&
        !file_at_resolve(task, LINUX_AT_FDCWD, addr, WALK_FOLLOW, &at, &found)) {
        path_put(&found);
        file_at_end(&at);
    }
    return find_device(task, special);
}

static bool only_reads(uint32_t command)
{
    if (command == Q_GETFMT || command == Q_GETINFO || command == Q_SYNC)
        return true;
    return command > Q_XCOMMAND && command <= Q_XCOMMAND + 9 && command != Q_XQUOTAON &&
           command != Q_XQUOTAOFF && command != Q_XSETQLIM && command != Q_XQUOTARM;
}

int64_t sys_quotactl_fd(struct task *task, int32_t fd, uint32_t cmd, uint32_t id, uaddr_t addr)
{
    (void)id, (void)addr;
    struct file *file = fd_get(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int err = -LINUX_ENOSYS; // the file system knows nothing of it
    if ((cmd & 0xff) >= QUOTA_TYPES)
        err = -LINUX_EINVAL;
    else if (!only_reads(cmd >> 8) && file->path.mnt && vfs_mount_flags(&file->path) & MOUNT_RDONLY)
        err = -LINUX_EROFS;
    file_put(file);
    return err;
}

// --- Swap ----------------------------------------------------------------------------------------

static int64_t open_and_refuse(struct task *task, uaddr_t path)
{
    struct file_at at;
    int err = file_at_begin(task, LINUX_AT_FDCWD, path, false, &at);
    if (err)
        return err;
    struct file *file;
    err =
        vfs_open(&at.caller, at.base.path, at.name, LINUX_O_RDWR | LINUX_O_LARGEFILE, 0, 0, &file);
    file_at_end(&at);
    if (err)
        return err;
    file_put(file);
    return -LINUX_EINVAL;
}

int64_t sys_swapon(struct task *task, uaddr_t path, int32_t flags)
{
    if (flags & ~SWAP_FLAGS)
        return -LINUX_EINVAL;
    return task_capable(task, LINUX_CAP_SYS_ADMIN) ? open_and_refuse(task, path) : -LINUX_EPERM;
}

int64_t sys_swapoff(struct task *task, uaddr_t path)
{
    return task_capable(task, LINUX_CAP_SYS_ADMIN) ? open_and_refuse(task, path) : -LINUX_EPERM;
}
