// Calls that make, remove and change names.
#include "kernel/file.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

int64_t sys_mkdirat(struct task *task, int32_t dirfd, uaddr_t path, uint32_t mode)
{
    struct file_at at;
    int err = file_at_begin(task, dirfd, path, false, &at);
    if (err)
        return err;
    err = vfs_mkdir(&at.caller, at.base.path, at.name, mode & LINUX_S_IALLPERM);
    file_at_end(&at);
    return err;
}

int64_t sys_mknodat(struct task *task, int32_t dirfd, uaddr_t path, uint32_t mode, uint32_t dev)
{
    switch (mode & LINUX_S_IFMT) {
    case 0:
        mode |= LINUX_S_IFREG;
        break;
    case LINUX_S_IFREG:
    case LINUX_S_IFCHR:
    case LINUX_S_IFBLK:
    case LINUX_S_IFIFO:
    case LINUX_S_IFSOCK:
        break;
    case LINUX_S_IFDIR:
        return -LINUX_EPERM;
    default:
        return -LINUX_EINVAL;
    }
    struct file_at at;
    int err = file_at_begin(task, dirfd, path, false, &at);
    if (err)
        return err;
    // The argument has Linux's old 32-bit encoding: 12 bits of major, 20 of minor.
    uint64_t rdev = vfs_makedev(dev >> 8 & 0xfff, (dev & 0xff) | (dev >> 12 & 0xfff00));
    err = vfs_mknod(&at.caller, at.base.path, at.name, mode, rdev);
    file_at_end(&at);
    return err;
}

int64_t sys_symlinkat(struct task *task, uaddr_t target, int32_t dirfd, uaddr_t path)
{
    char *text;
    int err = user_path(task, target, &text);
    if (err)
        return err;
    struct file_at at;
    err = text[0] ? file_at_begin(task, dirfd, path, false, &at) : -LINUX_ENOENT;
    if (!err) {
        err = vfs_symlink(&at.caller, text, at.base.path, at.name);
        file_at_end(&at);
    }
    free(text);
    return err;
}

// Linking what a descriptor names needs the right to read it whatever its path would allow.
static int check_link_flags(struct task *task, uint32_t flags)
{
    if (flags & ~(uint32_t)(LINUX_AT_SYMLINK_FOLLOW | LINUX_AT_EMPTY_PATH))
        return -LINUX_EINVAL;
    if (flags & LINUX_AT_EMPTY_PATH && !task_capable(task, LINUX_CAP_DAC_READ_SEARCH))
        return -LINUX_ENOENT;
    return 0;
}

int64_t sys_linkat(struct task *task, int32_t olddirfd, uaddr_t oldpath, int32_t newdirfd,
                   uaddr_t newpath, uint32_t flags)
{
    int err = check_link_flags(task, flags);
    if (err)
        return err;
    unsigned walk = flags & LINUX_AT_SYMLINK_FOLLOW ? (unsigned)WALK_FOLLOW : 0;
    if (flags & LINUX_AT_EMPTY_PATH)
        walk |= WALK_EMPTY;
    struct file_at from, to;
    struct path found;
    err = file_at_resolve(task, olddirfd, oldpath, walk, &from, &found);
    if (err)
        return err;
    err = file_at_begin(task, newdirfd, newpath, false, &to);
    if (!err) {
        err = vfs_link(&to.caller, &found, to.base.path, to.name);
        file_at_end(&to);
    }
    path_put(&found);
    file_at_end(&from);
    return err;
}

int64_t sys_unlinkat(struct task *task, int32_t dirfd, uaddr_t path, uint32_t flags)
{
    if (flags & ~(uint32_t)LINUX_AT_REMOVEDIR)
        return -LINUX_EINVAL;
    struct file_at at;
    int err = file_at_begin(task, dirfd, path, false, &at);
    if (err)
        return err;
    err = flags & LINUX_AT_REMOVEDIR ? vfs_rmdir(&at.caller, at.base.path, at.name)
                                     : vfs_unlink(&at.caller, at.base.path, at.name);
    file_at_end(&at);
    return err;
}

int64_t sys_renameat2(struct task *task, int32_t olddirfd, uaddr_t oldpath, int32_t newdirfd,
                      uaddr_t newpath, uint32_t flags)
{
    const uint32_t known = LINUX_RENAME_NOREPLACE | LINUX_RENAME_EXCHANGE | LINUX_RENAME_WHITEOUT;
    if (flags & ~known ||
        (flags & LINUX_RENAME_EXCHANGE && flags & ~(uint32_t)LINUX_RENAME_EXCHANGE))
        return -LINUX_EINVAL;
    struct file_at from, to;
    int err = file_at_begin(task, olddirfd, oldpath, false, &from);
    if (err)
        return err;
    err = file_at_begin(task, newdirfd, newpath, false, &to);
    if (!err) {
        err = vfs_rename(&to.caller, from.base.path, from.name, to.base.path, to.name, flags);
        file_at_end(&to);
    }
    file_at_end(&from);
    return err;
}

int64_t sys_renameat(struct task *task, int32_t olddirfd, uaddr_t oldpath, int32_t newdirfd,
                     uaddr_t newpath)
{
    return sys_renameat2(task, olddirfd, oldpath, newdirfd, newpath, 0);
}

int64_t sys_readlinkat(struct task *task, int32_t dirfd, uaddr_t path, uaddr_t buf, int32_t size)
{
    if (size <= 0)
        return -LINUX_EINVAL;
    struct file_at at;
    struct path found;
    int err = file_at_resolve(task, dirfd, path, WALK_EMPTY, &at, &found);
    if (err)
        return err;
    char text[LINUX_PATH_MAX];
    ssize_t n;
    if (path_inode(&found)->type != LINUX_S_IFLNK)
        n = at.name[0] ? -LINUX_EINVAL : -LINUX_ENOENT;
    else
        n = vfs_readlink(&at.caller, &found, text, sizeof text);
    path_put(&found);
    file_at_end(&at);
    if (n < 0)
        return n;
    size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text;
    len = len < (size_t)size ? len : (size_t)size;
    err = user_write(task, buf, text, len);
    return err ? err : (int64_t)len;
}
