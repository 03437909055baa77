#include "kernel/file.h"
#include "kernel/signal.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/resource.h"
#include "platform/abi/signal.h"
#include <stdlib.h>

int file_at_begin(struct task *task, int32_t dirfd, uaddr_t path, bool empty_ok,
                  struct file_at *out)
{
    int err = user_path(task, path, &out->name);
    if (err)
        return err;
    if (!out->name[0] && !empty_ok) {
        free(out->name);
        return -LINUX_ENOENT;
    }
    err = fd_base_get(task, dirfd, out->name, &out->base);
    if (err) {
        free(out->name);
        return err;
    }
    task_caller(task, &out->caller);
    return 0;
}

void file_at_end(struct file_at *at)
{
    task_caller_done(&at->caller);
    fd_base_done(&at->base);
    free(at->name);
}

int file_at_walk(const struct file_at *at, unsigned walk_flags, struct path *out)
{
    // AT_EMPTY_PATH on an object that is in no tree.
    if (at->base.path && !at->base.path->dentry)
        return -LINUX_EPERM;
    return path_walk(&at->caller, at->base.path, at->name, walk_flags, out);
}

int file_at_resolve(struct task *task, int32_t dirfd, uaddr_t path, unsigned walk_flags,
                    struct file_at *at, struct path *out)
{
    int err = file_at_begin(task, dirfd, path, walk_flags & WALK_EMPTY, at);
    if (err)
        return err;
    err = file_at_walk(at, walk_flags, out);
    if (err)
        file_at_end(at);
    return err;
}

unsigned file_at_flags(uint32_t at_flags)
{
    unsigned walk = 0;
    if (!(at_flags & LINUX_AT_SYMLINK_NOFOLLOW))
        walk |= WALK_FOLLOW;
    if (at_flags & LINUX_AT_EMPTY_PATH)
        walk |= WALK_EMPTY;
    return walk;
}

int file_getattr(struct task *task, struct file *file, struct vfs_stat *out)
{
    if (file->path.dentry) {
        struct vfs_caller caller;
        task_caller(task, &caller);
        int err = vfs_getattr(&caller, &file->path, out);
        task_caller_done(&caller);
        return err;
    }
    // Whatever has an inode has a name, if only one to show. Like Linux's anonymous inodes: one
    // object stands for all of them.
    *out = (struct vfs_stat){.dev = vfs_makedev(0, 13),
                             .ino = 1,
                             .mode = 0600,
                             .nlink = 1,
                             .blksize = 4096,
                             .btime = INT64_MIN};
    return 0;
}

bool file_is_readable(const struct file *file)
{
    uint32_t flags = file_flags(file), mode = flags & LINUX_O_ACCMODE;
    return !(flags & LINUX_O_PATH) && (mode == LINUX_O_RDONLY || mode == LINUX_O_RDWR);
}

bool file_is_writable(const struct file *file)
{
    uint32_t flags = file_flags(file), mode = flags & LINUX_O_ACCMODE;
    return !(flags & LINUX_O_PATH) && (mode == LINUX_O_WRONLY || mode == LINUX_O_RDWR);
}

void file_change_flags(struct file *file, uint32_t set, uint32_t clear)
{
    uint32_t old = file_flags(file), new_flags;
    do
        new_flags = (old & ~clear) | set;
    while (!atomic_compare_exchange_weak_explicit(&file->flags, &old, new_flags,
                                                  memory_order_relaxed, memory_order_relaxed));
}

int file_check_size_limit(struct task *task, uint64_t old_size, uint64_t size)
{
    if (size <= old_size || size <= task_rlimit(task, LINUX_RLIMIT_FSIZE))
        return 0;
    struct siginfo info = {.signo = LINUX_SIGXFSZ, .code = LINUX_SI_KERNEL};
    signal_send_thread(task, &info);
    return -LINUX_EFBIG;
}

// Shortens a write to what RLIMIT_FSIZE leaves room for; an error when that is nothing.
static int limit_write(struct task *task, struct file *file, struct iter *it, const uint64_t *pos)
{
    uint64_t limit = task_rlimit(task, LINUX_RLIMIT_FSIZE);
    if (LIKELY(limit == UINT64_MAX) || !file->inode || file->inode->type != LINUX_S_IFREG)
        return 0;
    uint64_t start = pos ? *pos : file->pos;
    if (it->append || file_flags(file) & LINUX_O_APPEND) {
        struct vfs_stat st;
        int err = file_getattr(task, file, &st);
        if (err)
            return err;
        start = st.size;
    }
    if (start >= limit && it->left > 0)
        return file_check_size_limit(task, 0, UINT64_MAX);
    if (it->left > limit - start)
        it->left = limit - start;
    return 0;
}

ssize_t file_write_checked(struct task *task, struct file *file, struct iter *it, uint64_t *pos)
{
    int err = limit_write(task, file, it, pos);
    if (err)
        return err;
    if (task)
        it->cred = task->cred;
    ssize_t n = file_write(file, it, pos);
    uint32_t flags = file_flags(file);
    if (n > 0 && UNLIKELY(flags & LINUX_O_DSYNC) && file->ops->fsync) {
        err = file_fsync(file, (flags & LINUX_O_SYNC) != LINUX_O_SYNC);
        if (err)
            return err;
    }
    return n;
}

int file_broken_pipe(struct task *task)
{
    if (task) {
        struct siginfo info = {.signo = LINUX_SIGPIPE, .code = LINUX_SI_KERNEL};
        signal_send_thread(task, &info);
    }
    return -LINUX_EPIPE;
}
