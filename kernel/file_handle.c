// name_to_handle_at and open_by_handle_at.
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <string.h>

enum { HANDLE_MAX = 128, TYPE_INO_GENERATION = 1 };

struct handle_head {
    uint32_t bytes;
    int32_t type;
};
// What follows it: three words, as those of Linux's tmpfs.
struct handle_body {
    uint32_t generation, ino_low, ino_high;
};
enum { BODY_BYTES = sizeof(struct handle_body) };

int64_t sys_name_to_handle_at(struct task *task, int32_t dirfd, uaddr_t path, uaddr_t handle,
                              uaddr_t mnt_id, uint32_t flags)
{
    const uint32_t follow = LINUX_AT_SYMLINK_FOLLOW, empty = LINUX_AT_EMPTY_PATH;
    if (flags & ~(follow | empty))
        return -LINUX_EINVAL;
    unsigned walk =
        (flags & follow ? (unsigned)WALK_FOLLOW : 0) | (flags & empty ? (unsigned)WALK_EMPTY : 0);
    struct file_at at;
    struct path found;
    int err = file_at_resolve(task, dirfd, path, walk, &at, &found);
    if (err)
        return err;
    struct vfs_handle h;
    err = vfs_handle_make(&found, &h);
    int32_t id = vfs_mount_id(&found);
    path_put(&found);
    file_at_end(&at);
    struct handle_head head;
    if (err)
        return err;
    if (user_get(task, handle, &head))
        return -LINUX_EFAULT;
    if (head.bytes > HANDLE_MAX)
        return -LINUX_EINVAL;
    bool fits = head.bytes >= BODY_BYTES;
    const struct handle_body body = {h.generation, (uint32_t)h.ino, (uint32_t)(h.ino >> 32)};
    head = (struct handle_head){BODY_BYTES, fits ? TYPE_INO_GENERATION : 255};
    if (user_put(task, mnt_id, &id) || user_put(task, handle, &head) ||
        (fits && user_put(task, handle + sizeof head, &body)))
        return -LINUX_EFAULT;
    return fits ? 0 : -LINUX_EOVERFLOW;
}

static int read_handle(struct task *task, uaddr_t addr, struct handle_head *head,
                       struct handle_body *body)
{
    uint8_t bytes[HANDLE_MAX];
    if (user_get(task, addr, head))
        return -LINUX_EFAULT;
    if (head->bytes > HANDLE_MAX || head->bytes == 0)
        return -LINUX_EINVAL;
    if (user_read(task, addr + sizeof *head, bytes, head->bytes))
        return -LINUX_EFAULT;
    memcpy(body, bytes, sizeof *body);
    return 0;
}

int64_t sys_open_by_handle_at(struct task *task, int32_t mountdirfd, uaddr_t handle, uint32_t flags)
{
    struct handle_head head;
    struct handle_body body;
    if (!task_capable(task, LINUX_CAP_DAC_READ_SEARCH))
        return -LINUX_EPERM;
    int err = read_handle(task, handle, &head, &body);
    if (err)
        return err;
    struct file *base = mountdirfd == LINUX_AT_FDCWD ? NULL : fd_get_io(task, mountdirfd), *file;
    if (!base && mountdirfd != LINUX_AT_FDCWD)
        return -LINUX_EBADF;
    struct vfs_caller caller;
    task_caller(task, &caller);
    const struct path *at = base ? &base->path : &caller.cwd;
    const struct vfs_handle h = {body.ino_low | (uint64_t)body.ino_high << 32, body.generation};
    struct path found;
    err = head.bytes < BODY_BYTES || !at->mnt ? -LINUX_ESTALE
                                              : vfs_handle_find(&caller, at, &h, &found);
    if (!err) {
        err = vfs_open_path(&caller, &found, flags & ~(uint32_t)LINUX_O_CLOEXEC, &file);
        path_put(&found);
    }
    task_caller_done(&caller);
    file_put(base);
    return err ? err : fd_install(task, file, 0, flags & LINUX_O_CLOEXEC);
}
