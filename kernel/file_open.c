// Making and closing descriptors: open, close, dup.
#include "kernel/file.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/resource.h"

enum {
    OPEN_KNOWN = LINUX_O_ACCMODE | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOCTTY | LINUX_O_TRUNC |
                 LINUX_O_APPEND | LINUX_O_NONBLOCK | LINUX_O_SYNC | LINUX_FASYNC | LINUX_O_DIRECT |
                 LINUX_O_LARGEFILE | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW | LINUX_O_NOATIME |
                 LINUX_O_CLOEXEC | LINUX_O_PATH | LINUX_O_TMPFILE_BIT,
    OPEN_WITH_PATH =
        LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW | LINUX_O_PATH | LINUX_O_CLOEXEC | LINUX_O_LARGEFILE,
};

// What Linux refuses whatever the object.
static int check_open_flags(uint32_t flags)
{
    if (!(flags & LINUX_O_TMPFILE_BIT))
        return 0;
    if ((flags & (LINUX_O_TMPFILE | LINUX_O_CREAT)) != LINUX_O_TMPFILE)
        return -LINUX_EINVAL;
    return flags & LINUX_O_ACCMODE ? 0 : -LINUX_EINVAL;
}

static int64_t open_at(struct task *task, int32_t dirfd, uaddr_t path, uint32_t flags,
                       uint32_t mode, unsigned resolve)
{
    int err = check_open_flags(flags);
    if (err)
        return err;
    struct file_at at;
    err = file_at_begin(task, dirfd, path, false, &at);
    if (err)
        return err;
    if (resolve & WALK_IN_ROOT && at.name[0] == '/')
        err = fd_base_get(task, dirfd, ".", &at.base); // the directory is the root it starts at
    int fd = err ? err : fd_reserve(task, 0, flags & LINUX_O_CLOEXEC);
    if (fd >= 0) {
        struct file *file;
        err = vfs_open(&at.caller, at.base.path, at.name, flags, mode, resolve, &file);
        if (!err)
            fd_fill(task, fd, file);
        else
            fd_unreserve(task, fd);
    }
    file_at_end(&at);
    return err ? err : fd;
}

int64_t sys_openat(struct task *task, int32_t dirfd, uaddr_t path, uint32_t flags, uint32_t mode)
{
    flags = (flags & OPEN_KNOWN) | LINUX_O_LARGEFILE;
    if (flags & LINUX_O_PATH)
        flags &= OPEN_WITH_PATH;
    bool creates = flags & (LINUX_O_CREAT | LINUX_O_TMPFILE_BIT);
    return open_at(task, dirfd, path, flags, creates ? mode & LINUX_S_IALLPERM : 0, 0);
}

// The struct may grow: what this version does not know must be zero.
static int get_open_how(struct task *task, uaddr_t addr, uint64_t size, struct linux_open_how *how)
{
    if (size < sizeof *how)
        return -LINUX_EINVAL;
    if (size > 4096)
        return -LINUX_E2BIG;
    int err = user_get(task, addr, how);
    uint8_t rest[64];
    for (uint64_t at = sizeof *how; !err && at < size;) {
        size_t n = size - at < sizeof rest ? (size_t)(size - at) : sizeof rest;
        err = user_read(task, addr + at, rest, n);
        for (size_t i = 0; !err && i < n; i++)
            if (rest[i])
                err = -LINUX_E2BIG;
        at += n;
    }
    return err;
}

static int check_open_how(const struct linux_open_how *how)
{
    const uint64_t resolve_known = LINUX_RESOLVE_NO_XDEV | LINUX_RESOLVE_NO_MAGICLINKS |
                                   LINUX_RESOLVE_NO_SYMLINKS | LINUX_RESOLVE_BENEATH |
                                   LINUX_RESOLVE_IN_ROOT | LINUX_RESOLVE_CACHED;
    const uint64_t scoped = LINUX_RESOLVE_BENEATH | LINUX_RESOLVE_IN_ROOT;
    if (how->flags & ~(uint64_t)OPEN_KNOWN || how->resolve & ~resolve_known ||
        (how->resolve & scoped) == scoped)
        return -LINUX_EINVAL;
    bool creates = how->flags & (LINUX_O_CREAT | LINUX_O_TMPFILE_BIT);
    if (how->mode & ~(uint64_t)(creates ? LINUX_S_IALLPERM : 0))
        return -LINUX_EINVAL;
    if (how->flags & LINUX_O_PATH && how->flags & ~(uint64_t)OPEN_WITH_PATH)
        return -LINUX_EINVAL;
    int err = check_open_flags((uint32_t)how->flags);
    if (err)
        return err;
    // Nothing promises that a walk needs no file system, which is what CACHED asks for.
    return how->resolve & LINUX_RESOLVE_CACHED ? -LINUX_EAGAIN : 0;
}

int64_t sys_openat2(struct task *task, int32_t dirfd, uaddr_t path, uaddr_t how_addr, uint64_t size)
{
    static const struct {
        uint32_t linux_bit;
        unsigned walk;
    } resolve_bits[] = {
        {LINUX_RESOLVE_NO_XDEV, WALK_NO_XDEV},
        {LINUX_RESOLVE_NO_MAGICLINKS, WALK_NO_MAGICLINKS},
        {LINUX_RESOLVE_NO_SYMLINKS, WALK_NO_SYMLINKS},
        {LINUX_RESOLVE_BENEATH, WALK_BENEATH},
        {LINUX_RESOLVE_IN_ROOT, WALK_IN_ROOT},
    };
    struct linux_open_how how;
    int err = get_open_how(task, how_addr, size, &how);
    if (!err)
        err = check_open_how(&how);
    if (err)
        return err;
    unsigned resolve = 0;
    for (size_t i = 0; i < ARRAY_LEN(resolve_bits); i++)
        if (how.resolve & resolve_bits[i].linux_bit)
            resolve |= resolve_bits[i].walk;
    return open_at(task, dirfd, path, (uint32_t)how.flags | LINUX_O_LARGEFILE, (uint32_t)how.mode,
                   resolve);
}

int64_t sys_close(struct task *task, int32_t fd)
{
    return fd_close(task, fd);
}

int64_t sys_close_range(struct task *task, uint32_t first, uint32_t last, uint32_t flags)
{
    if (flags & ~(uint32_t)(LINUX_CLOSE_RANGE_UNSHARE | LINUX_CLOSE_RANGE_CLOEXEC) || first > last)
        return -LINUX_EINVAL;
    if (flags & LINUX_CLOSE_RANGE_UNSHARE) {
        int err = fd_table_unshare(task);
        if (err)
            return err;
    }
    if (flags & LINUX_CLOSE_RANGE_CLOEXEC)
        fd_cloexec_range(task, first, last);
    else
        fd_close_range(task, first, last);
    return 0;
}

int64_t sys_dup(struct task *task, int32_t fd)
{
    struct file *file = fd_get(task, fd);
    return file ? fd_install(task, file, 0, false) : -LINUX_EBADF;
}

int64_t sys_dup3(struct task *task, int32_t oldfd, int32_t newfd, uint32_t flags)
{
    if (flags & ~(uint32_t)LINUX_O_CLOEXEC || oldfd == newfd)
        return -LINUX_EINVAL;
    if (newfd < 0 || (uint64_t)newfd >= task_rlimit(task, LINUX_RLIMIT_NOFILE))
        return -LINUX_EBADF;
    struct file *file = fd_get(task, oldfd);
    return file ? fd_install_at(task, file, newfd, flags & LINUX_O_CLOEXEC) : -LINUX_EBADF;
}
