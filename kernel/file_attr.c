// Calls that change or test attributes: mode, owner, times, size, access.
#include "kernel/cred.h"
#include "kernel/file.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"

// --- Mode and owner ------------------------------------------------------------------------------

static int set_by_path(struct task *task, int32_t dirfd, uaddr_t path, unsigned walk,
                       const struct vfs_setattr *attr, bool set_now)
{
    struct file_at at;
    struct path found;
    int err = file_at_resolve(task, dirfd, path, walk, &at, &found);
    if (err)
        return err;
    err = vfs_setattr(&at.caller, &found, attr, set_now);
    path_put(&found);
    file_at_end(&at);
    return err;
}

static int set_by_fd(struct task *task, int32_t fd, const struct vfs_setattr *attr, bool set_now)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int err = -LINUX_EPERM; // objects without a name of any kind have nothing to change
    if (file->path.dentry) {
        struct vfs_caller caller;
        task_caller(task, &caller);
        err = vfs_setattr(&caller, &file->path, attr, set_now);
        task_caller_done(&caller);
    }
    file_put(file);
    return err;
}

int64_t sys_fchmodat(struct task *task, int32_t dirfd, uaddr_t path, uint32_t mode)
{
    const struct vfs_setattr attr = {.mask = ATTR_MODE, .mode = mode & LINUX_S_IALLPERM};
    return set_by_path(task, dirfd, path, WALK_FOLLOW, &attr, false);
}

int64_t sys_fchmod(struct task *task, int32_t fd, uint32_t mode)
{
    const struct vfs_setattr attr = {.mask = ATTR_MODE, .mode = mode & LINUX_S_IALLPERM};
    return set_by_fd(task, fd, &attr, false);
}

// -LINUX_EINVAL for ids the caller's user namespace does not have.
static int owner_attr(struct task *task, uint32_t uid, uint32_t gid, struct vfs_setattr *attr)
{
    *attr = (struct vfs_setattr){.mask = ATTR_CHOWN};
    if (uid != UINT32_MAX) {
        attr->mask |= ATTR_UID;
        attr->uid = cred_uid(task->cred, uid);
    }
    if (gid != UINT32_MAX) {
        attr->mask |= ATTR_GID;
        attr->gid = cred_gid(task->cred, gid);
    }
    return attr->uid == ID_NONE || attr->gid == ID_NONE ? -LINUX_EINVAL : 0;
}

int64_t sys_fchownat(struct task *task, int32_t dirfd, uaddr_t path, uint32_t uid, uint32_t gid,
                     uint32_t flags)
{
    if (flags & ~(uint32_t)(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))
        return -LINUX_EINVAL;
    struct vfs_setattr attr;
    int err = owner_attr(task, uid, gid, &attr);
    return err ? err : set_by_path(task, dirfd, path, file_at_flags(flags), &attr, false);
}

int64_t sys_fchown(struct task *task, int32_t fd, uint32_t uid, uint32_t gid)
{
    struct vfs_setattr attr;
    int err = owner_attr(task, uid, gid, &attr);
    return err ? err : set_by_fd(task, fd, &attr, false);
}

int64_t sys_umask(struct task *task, uint32_t mask)
{
    lock_acquire(&task->fs->lock);
    uint32_t old = task->fs->umask;
    task->fs->umask = (uint32_t)mask & 0777;
    lock_release(&task->fs->lock);
    return old;
}

// --- Times ---------------------------------------------------------------------------------------

// One of the two times: sets `*ns` and returns the bit to change, or 0 for UTIME_OMIT.
static uint32_t time_attr(const struct linux_timespec *ts, uint32_t bit, int64_t now, int64_t *ns)
{
    if (ts->nsec == LINUX_UTIME_OMIT)
        return 0;
    if (ts->nsec == LINUX_UTIME_NOW)
        *ns = now;
    else if (__builtin_mul_overflow(ts->sec, (int64_t)NSEC_PER_SEC, ns) ||
             __builtin_add_overflow(*ns, ts->nsec, ns))
        *ns = ts->sec < 0 ? INT64_MIN + 1 : INT64_MAX; // clamped, as Linux clamps
    return bit;
}

static bool time_is_valid(const struct linux_timespec *ts)
{
    return ts->nsec == LINUX_UTIME_NOW || ts->nsec == LINUX_UTIME_OMIT ||
           (ts->nsec >= 0 && ts->nsec < (int64_t)NSEC_PER_SEC);
}

int64_t sys_utimensat(struct task *task, int32_t dirfd, uaddr_t path, uaddr_t times, uint32_t flags)
{
    struct linux_timespec ts[2] = {{0, LINUX_UTIME_NOW}, {0, LINUX_UTIME_NOW}};
    if (times) {
        int err = user_read(task, times, ts, sizeof ts);
        if (err)
            return err;
        if (ts[0].nsec == LINUX_UTIME_OMIT && ts[1].nsec == LINUX_UTIME_OMIT)
            return 0;
        if (!time_is_valid(&ts[0]) || !time_is_valid(&ts[1]))
            return -LINUX_EINVAL;
    }
    int64_t now = (int64_t)clock_realtime_ns();
    struct vfs_setattr attr = {0};
    attr.mask = time_attr(&ts[0], ATTR_ATIME, now, &attr.atime) |
                time_attr(&ts[1], ATTR_MTIME, now, &attr.mtime);
    bool set_now = ts[0].nsec == LINUX_UTIME_NOW && ts[1].nsec == LINUX_UTIME_NOW;
    if (!path && dirfd != LINUX_AT_FDCWD)
        return flags ? -LINUX_EINVAL : set_by_fd(task, dirfd, &attr, set_now);
    if (flags & ~(uint32_t)(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))
        return -LINUX_EINVAL;
    return set_by_path(task, dirfd, path, file_at_flags(flags), &attr, set_now);
}

// --- Size ----------------------------------------------------------------------------------------

int64_t sys_truncate(struct task *task, uaddr_t path, int64_t length)
{
    if (length < 0)
        return -LINUX_EINVAL;
    struct file_at at;
    struct path found;
    int err = file_at_resolve(task, LINUX_AT_FDCWD, path, WALK_FOLLOW, &at, &found);
    if (err)
        return err;
    uint32_t type = path_inode(&found)->type;
    if (type == LINUX_S_IFDIR)
        err = -LINUX_EISDIR;
    else if (type != LINUX_S_IFREG)
        err = -LINUX_EINVAL;
    struct vfs_stat st;
    if (!err)
        err = vfs_getattr(&at.caller, &found, &st);
    if (!err)
        err = file_check_size_limit(task, st.size, (uint64_t)length);
    if (!err) {
        const struct vfs_setattr attr = {.mask = ATTR_SIZE, .size = (uint64_t)length};
        err = vfs_setattr(&at.caller, &found, &attr, false);
    }
    path_put(&found);
    file_at_end(&at);
    return err;
}

int64_t sys_ftruncate(struct task *task, int32_t fd, int64_t length)
{
    if (length < 0)
        return -LINUX_EINVAL;
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int err = -LINUX_EINVAL;
    struct vfs_stat st;
    if (file->inode && file->inode->type == LINUX_S_IFREG && file_is_writable(file))
        err = file_getattr(task, file, &st);
    if (!err)
        err = file_check_size_limit(task, st.size, (uint64_t)length);
    if (!err) {
        struct vfs_caller caller;
        task_caller(task, &caller);
        err = file_truncate(&caller, file, (uint64_t)length);
        task_caller_done(&caller);
    }
    file_put(file);
    return err;
}

static int check_fallocate(struct task *task, struct file *file, uint32_t mode, int64_t offset,
                           int64_t len)
{
    const uint32_t known = LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE |
                           LINUX_FALLOC_FL_COLLAPSE_RANGE | LINUX_FALLOC_FL_ZERO_RANGE |
                           LINUX_FALLOC_FL_INSERT_RANGE | LINUX_FALLOC_FL_UNSHARE_RANGE;
    const uint32_t punch_zero = LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_ZERO_RANGE;
    if (offset < 0 || len <= 0)
        return -LINUX_EINVAL;
    if (mode & ~known || (mode & punch_zero) == punch_zero)
        return -LINUX_EOPNOTSUPP;
    if (mode & LINUX_FALLOC_FL_PUNCH_HOLE && !(mode & LINUX_FALLOC_FL_KEEP_SIZE))
        return -LINUX_EOPNOTSUPP;
    static const uint32_t alone[] = {LINUX_FALLOC_FL_COLLAPSE_RANGE, LINUX_FALLOC_FL_INSERT_RANGE};
    for (size_t i = 0; i < ARRAY_LEN(alone); i++)
        if (mode & alone[i] && mode & ~alone[i])
            return -LINUX_EINVAL;
    if (!file_is_writable(file))
        return -LINUX_EBADF;
    uint32_t type = file->inode ? file->inode->type : 0;
    if (type == LINUX_S_IFIFO)
        return -LINUX_ESPIPE;
    if (type == LINUX_S_IFDIR)
        return -LINUX_EISDIR;
    if (type != LINUX_S_IFREG && type != LINUX_S_IFBLK)
        return -LINUX_ENODEV;
    int64_t end;
    if (__builtin_add_overflow(offset, len, &end))
        return -LINUX_EFBIG;
    if (mode & LINUX_FALLOC_FL_KEEP_SIZE)
        return 0;
    struct vfs_stat st;
    int err = file_getattr(task, file, &st);
    return err ? err : file_check_size_limit(task, st.size, (uint64_t)end);
}

int64_t sys_fallocate(struct task *task, int32_t fd, uint32_t mode, int64_t offset, int64_t len)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int err = check_fallocate(task, file, mode, offset, len);
    if (!err)
        err = file_fallocate(task->cred, file, mode, (uint64_t)offset, (uint64_t)len);
    file_put(file);
    return err;
}

// --- Access --------------------------------------------------------------------------------------

// Credentials as access(2) judges: the real ids, and root's capabilities only for a real root.
static struct cred *real_cred(const struct cred *cred)
{
    struct cred *copy = cred_copy(cred, cred->group_count);
    if (!copy)
        return NULL;
    copy->fsuid = cred->uid;
    copy->fsgid = cred->gid;
    enum { SECBIT_NO_SETUID_FIXUP = 1 << 2 };
    if (!(cred->securebits & SECBIT_NO_SETUID_FIXUP))
        copy->cap_effective = cred->uid == cred_uid(cred, 0) ? cred->cap_permitted : 0;
    return copy;
}

int64_t sys_faccessat2(struct task *task, int32_t dirfd, uaddr_t path, uint32_t mode,
                       uint32_t flags)
{
    const uint32_t known = LINUX_AT_EACCESS | LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH;
    if (mode & ~(uint32_t)(LINUX_R_OK | LINUX_W_OK | LINUX_X_OK) || flags & ~known)
        return -LINUX_EINVAL;
    struct file_at at;
    int err = file_at_begin(task, dirfd, path, flags & LINUX_AT_EMPTY_PATH, &at);
    if (err)
        return err;
    struct cred *real = NULL;
    if (!(flags & LINUX_AT_EACCESS)) {
        real = real_cred(task->cred);
        if (!real) {
            file_at_end(&at);
            return -LINUX_ENOMEM;
        }
    }
    const struct cred *own = at.caller.cred;
    if (real)
        at.caller.cred = real;
    struct path found;
    err = file_at_walk(&at, file_at_flags(flags), &found);
    if (!err) {
        err = mode ? vfs_permission(&at.caller, &found, mode) : 0;
        path_put(&found);
    }
    at.caller.cred = own;
    cred_put(real);
    file_at_end(&at);
    return err;
}

int64_t sys_faccessat(struct task *task, int32_t dirfd, uaddr_t path, uint32_t mode)
{
    return sys_faccessat2(task, dirfd, path, mode, 0);
}
