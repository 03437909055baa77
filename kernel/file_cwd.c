// Root and working directory.
#include "kernel/file.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

int64_t sys_getcwd(struct task *task, uaddr_t buf, uint64_t size)
{
    char name[LINUX_PATH_MAX];
    struct vfs_caller caller;
    task_caller(task, &caller);
    int len = path_name(&caller.cwd, &caller.root, name, sizeof name);
    task_caller_done(&caller);
    // A directory outside the root still has a name to show; a removed one has none.
    if (len == -LINUX_ENOENT && name[0] == '(')
        len = (int)strlen(name);
    if (len == -LINUX_ERANGE)
        return -LINUX_ENAMETOOLONG;
    if (len < 0)
        return len;
    if (size < (uint64_t)len + 1)
        return -LINUX_ERANGE;
    int err = user_write(task, buf, name, (size_t)len + 1);
    return err ? err : len + 1;
}

// Replaces root or cwd by `to`, whose reference it takes over.
static void set_place(struct task *task, struct path *place, const struct path *to)
{
    lock_acquire(&task->fs->lock);
    struct path old = *place;
    *place = *to;
    lock_release(&task->fs->lock);
    path_put(&old);
}

// A directory the caller may search.
static int walk_to_directory(struct task *task, uaddr_t path, struct path *out)
{
    struct file_at at;
    int err = file_at_resolve(task, LINUX_AT_FDCWD, path, WALK_FOLLOW | WALK_DIRECTORY, &at, out);
    if (err)
        return err;
    err = vfs_permission(&at.caller, out, LINUX_X_OK);
    if (err)
        path_put(out);
    file_at_end(&at);
    return err;
}

int64_t sys_chdir(struct task *task, uaddr_t path)
{
    struct path dir;
    int err = walk_to_directory(task, path, &dir);
    if (!err)
        set_place(task, &task->fs->cwd, &dir);
    return err;
}

int64_t sys_chroot(struct task *task, uaddr_t path)
{
    struct path dir;
    int err = walk_to_directory(task, path, &dir);
    if (err)
        return err;
    if (!task_capable_own(task, LINUX_CAP_SYS_CHROOT)) {
        path_put(&dir);
        return -LINUX_EPERM;
    }
    set_place(task, &task->fs->root, &dir);
    return 0;
}

int64_t sys_fchdir(struct task *task, int32_t fd)
{
    struct file *file = fd_get(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int err = -LINUX_ENOTDIR;
    if (file->inode && file->inode->type == LINUX_S_IFDIR) {
        struct vfs_caller caller;
        task_caller(task, &caller);
        err = vfs_permission(&caller, &file->path, LINUX_X_OK);
        task_caller_done(&caller);
    }
    if (!err) {
        path_get(&file->path);
        set_place(task, &task->fs->cwd, &file->path);
    }
    file_put(file);
    return err;
}
