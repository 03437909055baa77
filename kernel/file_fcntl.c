// fcntl, flock and ioctl: what can be asked of any descriptor. Commands of one kind of file go to
// its ioctl operation.
#include "kernel/async.h"
#include "kernel/dnotify.h"
#include "kernel/file.h"
#include "kernel/lease.h"
#include "kernel/memfd.h"
#include "kernel/pid_ns.h"
#include "kernel/pipe.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/resource.h"

// --- Byte-range locks ----------------------------------------------------------------------------

// Turns the guest's description into absolute, inclusive bounds.
static int lock_range(struct task *task, struct file *file, const struct linux_flock *fl,
                      struct vfs_lock *out)
{
    int64_t start, end;
    switch (fl->l_whence) {
    case LINUX_SEEK_SET:
        start = 0;
        break;
    case LINUX_SEEK_CUR:
        start = file_seek(file, 0, LINUX_SEEK_CUR);
        if (start < 0)
            start = 0;
        break;
    case LINUX_SEEK_END: {
        struct vfs_stat st;
        int err = file_getattr(task, file, &st);
        if (err)
            return err;
        start = (int64_t)st.size;
        break;
    }
    default:
        return -LINUX_EINVAL;
    }
    if (__builtin_add_overflow(start, fl->l_start, &start))
        return -LINUX_EOVERFLOW;
    if (start < 0)
        return -LINUX_EINVAL;
    if (fl->l_len > 0) {
        if (__builtin_add_overflow(start, fl->l_len - 1, &end))
            return -LINUX_EOVERFLOW;
        out->end = end == INT64_MAX ? UINT64_MAX : (uint64_t)end; // the end of all, however said
    } else if (fl->l_len < 0) {
        if (start + fl->l_len < 0)
            return -LINUX_EINVAL;
        out->end = (uint64_t)start - 1;
        start += fl->l_len;
    } else {
        out->end = UINT64_MAX;
    }
    out->start = (uint64_t)start;
    return 0;
}

static int lock_prepare(struct task *task, struct file *file, const struct linux_flock *fl,
                        bool ofd, struct vfs_lock *out)
{
    if (!file->inode)
        return -LINUX_EINVAL;
    if (ofd && fl->l_pid != 0)
        return -LINUX_EINVAL;
    if (fl->l_type != LINUX_F_RDLCK && fl->l_type != LINUX_F_WRLCK && fl->l_type != LINUX_F_UNLCK)
        return -LINUX_EINVAL;
    int err = lock_range(task, file, fl, out);
    if (err)
        return err;
    out->type = (uint32_t)fl->l_type;
    out->owner = ofd ? (const void *)file : (const void *)task->files;
    out->pid = ofd ? -1 : task->tgid;
    return 0;
}

static int lock_test(struct task *task, struct file *file, uaddr_t addr, bool ofd)
{
    struct linux_flock fl;
    int err = user_get(task, addr, &fl);
    if (err)
        return err;
    if (fl.l_type == LINUX_F_UNLCK)
        return -LINUX_EINVAL;
    struct vfs_lock want, conflict;
    err = lock_prepare(task, file, &fl, ofd, &want);
    if (err)
        return err;
    vfs_lock_test(file->inode, &want, &conflict);
    fl.l_type = (int16_t)conflict.type;
    if (conflict.type != LINUX_F_UNLCK) {
        fl.l_whence = LINUX_SEEK_SET;
        fl.l_start = (int64_t)conflict.start;
        fl.l_len = conflict.end == UINT64_MAX ? 0 : (int64_t)(conflict.end - conflict.start + 1);
        fl.l_pid = pid_seen(task, conflict.pid);
    }
    return user_put(task, addr, &fl);
}

static int lock_wait(struct task *task, struct file *file, const struct vfs_lock *want)
{
    struct wait_queue *queue = vfs_lock_queue(file->inode);
    if (!queue)
        return -LINUX_ENOLCK;
    struct vfs_lock_waiter graph = {0};
    struct task_waiter waiter;
    task_waiter_add(&waiter, task, queue, 0);
    int err;
    while ((err = vfs_lock_posix(file->inode, want, NULL, &graph)) == -LINUX_EAGAIN) {
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
        if (err)
            break;
    }
    task_waiter_remove(&waiter);
    vfs_lock_waiter_done(&graph);
    return err;
}

static int lock_set(struct task *task, struct file *file, int32_t fd, uaddr_t addr, bool ofd,
                    bool wait)
{
    struct linux_flock fl;
    struct vfs_lock want;
    int err = user_get(task, addr, &fl);
    if (!err)
        err = lock_prepare(task, file, &fl, ofd, &want);
    if (err)
        return err;
    if ((want.type == LINUX_F_RDLCK && !file_is_readable(file)) ||
        (want.type == LINUX_F_WRLCK && !file_is_writable(file)))
        return -LINUX_EBADF;
    err = wait ? lock_wait(task, file, &want) : vfs_lock_posix(file->inode, &want, NULL, NULL);
    if (err || want.type == LINUX_F_UNLCK || ofd)
        return err;
    // Another thread may have closed the descriptor meanwhile, and with it released the locks that
    // were held then; one acquired after that would stay for ever.
    struct file *now = fd_get(task, fd);
    if (now != file) {
        want.type = LINUX_F_UNLCK;
        err = vfs_lock_posix(file->inode, &want, NULL, NULL);
        err = -LINUX_EBADF;
    }
    if (now)
        file_put(now);
    return err;
}

// --- fcntl ---------------------------------------------------------------------------------------

static int64_t dup_at_least(struct task *task, struct file *file, uint64_t min, bool cloexec)
{
    if ((uint32_t)min >= task_rlimit(task, LINUX_RLIMIT_NOFILE))
        return -LINUX_EINVAL;
    return fd_install(task, file_get(file), (int)(uint32_t)min, cloexec);
}

static int set_file_flags(struct task *task, struct file *file, int32_t fd, uint32_t flags)
{
    const uint32_t settable = LINUX_O_APPEND | LINUX_O_NONBLOCK | LINUX_O_DIRECT | LINUX_O_NOATIME;
    uint32_t old = file_flags(file);
    if (flags & ~old & LINUX_O_NOATIME) {
        struct vfs_stat st;
        int err = file_getattr(task, file, &st);
        if (err)
            return err;
        if (task->cred->fsuid != st.uid &&
            !cred_capable_over(task->cred, st.uid, st.gid, LINUX_CAP_FOWNER))
            return -LINUX_EPERM;
    }
    // Of pipes it makes packets.
    if (flags & LINUX_O_DIRECT && !(file->ops->traits & FILE_DIRECT) &&
        !(file->inode && file->inode->type == LINUX_S_IFIFO))
        return -LINUX_EINVAL;
    int err = async_set(task, file, fd, flags & LINUX_FASYNC);
    if (err)
        return err;
    file_change_flags(file, flags & settable, settable & ~flags);
    return 0;
}

static int64_t get_file_flags(const struct file *file)
{
    const uint32_t not_kept =
        LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOCTTY | LINUX_O_TRUNC | LINUX_O_CLOEXEC;
    return file_flags(file) & ~not_kept;
}

static int64_t fcntl_locks(struct task *task, struct file *file, int32_t fd, int32_t cmd,
                           uint64_t arg)
{
    switch (cmd) {
    case LINUX_F_GETLK:
        return lock_test(task, file, arg, false);
    case LINUX_F_OFD_GETLK:
        return lock_test(task, file, arg, true);
    case LINUX_F_SETLK:
        return lock_set(task, file, fd, arg, false, false);
    case LINUX_F_SETLKW:
        return lock_set(task, file, fd, arg, false, true);
    case LINUX_F_OFD_SETLK:
        return lock_set(task, file, fd, arg, true, false);
    default:
        return lock_set(task, file, fd, arg, true, true);
    }
}

static int64_t fcntl_file(struct task *task, struct file *file, int32_t fd, int32_t cmd,
                          uint64_t arg)
{
    if (file_flags(file) & LINUX_O_PATH && cmd > LINUX_F_GETFL && cmd != LINUX_F_DUPFD_CLOEXEC)
        return -LINUX_EBADF;
    switch (cmd) {
    case LINUX_F_DUPFD:
        return dup_at_least(task, file, arg, false);
    case LINUX_F_DUPFD_CLOEXEC:
        return dup_at_least(task, file, arg, true);
    case LINUX_F_GETFD:
        return fd_cloexec_get(task, fd);
    case LINUX_F_SETFD:
        return fd_cloexec_set(task, fd, arg & LINUX_FD_CLOEXEC);
    case LINUX_F_GETFL:
        return get_file_flags(file);
    case LINUX_F_SETFL:
        return set_file_flags(task, file, fd, (uint32_t)arg);
    case LINUX_F_GETLK:
    case LINUX_F_SETLK:
    case LINUX_F_SETLKW:
    case LINUX_F_OFD_GETLK:
    case LINUX_F_OFD_SETLK:
    case LINUX_F_OFD_SETLKW:
        return fcntl_locks(task, file, fd, cmd, arg);
    case LINUX_F_GETOWN:
    case LINUX_F_SETOWN:
    case LINUX_F_GETOWN_EX:
    case LINUX_F_SETOWN_EX:
    case LINUX_F_GETOWNER_UIDS:
    case LINUX_F_GETSIG:
    case LINUX_F_SETSIG:
        return async_fcntl(task, file, cmd, arg);
    case LINUX_F_GETLEASE:
        return lease_get(task, file);
    case LINUX_F_SETLEASE:
        return lease_set(task, file, fd, (uint32_t)arg);
    case LINUX_F_NOTIFY:
        return dnotify_set(task, file, fd, (uint32_t)arg);
    case LINUX_F_SETPIPE_SZ:
        return pipe_set_size(task, file, (uint32_t)arg);
    case LINUX_F_GETPIPE_SZ:
        return pipe_get_size(file);
    case LINUX_F_ADD_SEALS:
        return memfd_add_seals(file, (uint32_t)arg);
    case LINUX_F_GET_SEALS:
        return memfd_get_seals(file);
    default:
        return -LINUX_EINVAL;
    }
}

int64_t sys_fcntl(struct task *task, int32_t fd, int32_t cmd, uint64_t arg)
{
    struct file *file = fd_get(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int64_t result = fcntl_file(task, file, fd, cmd, arg);
    file_put(file);
    return result;
}

// --- flock ---------------------------------------------------------------------------------------

static int flock_wait(struct task *task, struct file *file, uint32_t type)
{
    struct wait_queue *queue = vfs_lock_queue(file->inode);
    if (!queue)
        return -LINUX_ENOLCK;
    struct task_waiter waiter;
    task_waiter_add(&waiter, task, queue, 0);
    int err;
    while ((err = vfs_lock_flock(file->inode, file, type)) == -LINUX_EAGAIN) {
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
        if (err)
            break;
    }
    task_waiter_remove(&waiter);
    return err;
}

int64_t sys_flock(struct task *task, int32_t fd, uint32_t operation)
{
    enum { LOCK_MAND = 32 }; // mandatory locks are gone; Linux answers their requests with 0
    uint32_t type;
    if (operation & LOCK_MAND)
        return 0;
    switch (operation & ~(uint32_t)LINUX_LOCK_NB) {
    case LINUX_LOCK_SH:
        type = LINUX_F_RDLCK;
        break;
    case LINUX_LOCK_EX:
        type = LINUX_F_WRLCK;
        break;
    case LINUX_LOCK_UN:
        type = LINUX_F_UNLCK;
        break;
    default:
        return -LINUX_EINVAL;
    }
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int err = -LINUX_EINVAL;
    if (file->inode)
        err = operation & LINUX_LOCK_NB || type == LINUX_F_UNLCK
                  ? vfs_lock_flock(file->inode, file, type)
                  : flock_wait(task, file, type);
    file_put(file);
    return err;
}

// --- ioctl ---------------------------------------------------------------------------------------

static int64_t set_flag_by_pointer(struct task *task, struct file *file, uaddr_t arg, uint32_t flag)
{
    int32_t on;
    int err = user_get(task, arg, &on);
    if (!err)
        file_change_flags(file, on ? flag : 0, on ? 0 : flag);
    return err;
}

static int set_async_by_pointer(struct task *task, struct file *file, int32_t fd, uaddr_t arg)
{
    int32_t on;
    int err = user_get(task, arg, &on);
    bool was = file_flags(file) & LINUX_FASYNC;
    if (err || !on == !was)
        return err;
    return file->ops->set_async ? async_set(task, file, fd, on) : -LINUX_ENOTTY;
}

// Bytes left to read in a regular file.
static int64_t fionread_regular(struct task *task, struct file *file, uaddr_t arg)
{
    struct vfs_stat st;
    int err = file_getattr(task, file, &st);
    if (err)
        return err;
    int64_t pos = file_seek(file, 0, LINUX_SEEK_CUR);
    int32_t left = pos < 0 ? 0 : (int32_t)((int64_t)st.size - pos);
    return user_put(task, arg, &left);
}

static int64_t fioqsize(struct task *task, struct file *file, uaddr_t arg)
{
    uint32_t type = file->inode ? file->inode->type : 0;
    if (type != LINUX_S_IFREG && type != LINUX_S_IFDIR && type != LINUX_S_IFLNK)
        return -LINUX_ENOTTY;
    struct vfs_stat st;
    int err = file_getattr(task, file, &st);
    if (err)
        return err;
    int64_t size = (int64_t)st.size;
    return user_put(task, arg, &size);
}

static int64_t ioctl_file(struct task *task, struct file *file, int32_t fd, uint32_t cmd,
                          uint64_t arg)
{
    switch (cmd) {
    case LINUX_FIOCLEX:
        return fd_cloexec_set(task, fd, true);
    case LINUX_FIONCLEX:
        return fd_cloexec_set(task, fd, false);
    case LINUX_FIONBIO:
        return set_flag_by_pointer(task, file, arg, LINUX_O_NONBLOCK);
    case LINUX_FIOASYNC:
        return set_async_by_pointer(task, file, fd, arg);
    case LINUX_FIOQSIZE:
        return fioqsize(task, file, arg);
    case LINUX_FIONREAD:
        if (file->inode && file->inode->type == LINUX_S_IFREG)
            return fionread_regular(task, file, arg);
        break;
    default:
        break;
    }
    return file->ops->ioctl ? file->ops->ioctl(file, task, cmd, arg) : -LINUX_ENOTTY;
}

int64_t sys_ioctl(struct task *task, int32_t fd, uint32_t cmd, uint64_t arg)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int64_t result = ioctl_file(task, file, fd, cmd, arg);
    file_put(file);
    return result;
}
