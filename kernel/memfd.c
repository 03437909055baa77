#include "kernel/memfd.h"
#include "kernel/anon.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>

enum {
    MFD_CLOEXEC = 1,
    MFD_ALLOW_SEALING = 2,
    MFD_HUGETLB = 4,
    MEMFD_NAME_MAX = 249, // with "memfd:" before it a name of a file system

    SEALS_KNOWN = LINUX_F_SEAL_SEAL | LINUX_F_SEAL_SHRINK | LINUX_F_SEAL_GROW | LINUX_F_SEAL_WRITE |
                  LINUX_F_SEAL_FUTURE_WRITE,
};
// In inode->seals: seals can be asked for at all.
#define SEALABLE (1u << 31)

int64_t memfd_get_seals(struct file *file)
{
    if (!file->inode)
        return -LINUX_EINVAL;
    uint32_t seals = atomic_load_explicit(&file->inode->seals, memory_order_acquire);
    return seals & SEALABLE ? (int64_t)(seals & ~SEALABLE) : -LINUX_EINVAL;
}

int64_t memfd_add_seals(struct file *file, uint32_t seals)
{
    if (!file_is_writable(file))
        return -LINUX_EPERM;
    if (seals & ~(uint32_t)SEALS_KNOWN)
        return -LINUX_EINVAL;
    if (!file->inode)
        return -LINUX_EINVAL;
    // Through the gate, so that no write is under way that was checked before.
    gate_enter(&file->inode->write_gate);
    uint32_t old = atomic_load_explicit(&file->inode->seals, memory_order_relaxed);
    int64_t result = 0;
    if (!(old & SEALABLE))
        result = -LINUX_EINVAL;
    else if (old & LINUX_F_SEAL_SEAL)
        result = -LINUX_EPERM;
    else if (seals & ~old & LINUX_F_SEAL_WRITE)
        result = inode_refuse_writable_maps(file->inode);
    if (!result)
        atomic_store_explicit(&file->inode->seals, old | seals, memory_order_release);
    gate_leave(&file->inode->write_gate);
    return result;
}

static int make_inode(struct task *task, uint32_t flags, struct inode **out)
{
    struct inode *dir = task->kernel->anon->memory->root;
    struct vfs_caller caller;
    task_caller(task, &caller);
    int err = dir->ops->tmpfile(dir, LINUX_S_IFREG | 0777, &caller, out);
    task_caller_done(&caller);
    if (err)
        return err;
    uint32_t seals = flags & MFD_ALLOW_SEALING ? SEALABLE : SEALABLE | (uint32_t)LINUX_F_SEAL_SEAL;
    atomic_store_explicit(&(*out)->seals, seals, memory_order_release);
    return 0;
}

int64_t sys_memfd_create(struct task *task, uaddr_t name_addr, uint32_t flags)
{
    if (flags & ~(uint32_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB))
        return -LINUX_EINVAL;
    if (flags & MFD_HUGETLB)
        return -LINUX_ENOSYS; // as Linux without CONFIG_HUGETLBFS
    char name[MEMFD_NAME_MAX + 1];
    ssize_t len = user_string(task, name_addr, name, sizeof name);
    if (len < 0)
        return len == -LINUX_ENAMETOOLONG ? -LINUX_EINVAL : len;
    struct inode *inode;
    int err = make_inode(task, flags, &inode);
    if (err)
        return err;
    char shown[sizeof name + 32];
    snprintf(shown, sizeof shown, "/memfd:%s (deleted)", name);
    struct file *file;
    err = vfs_open_inode(task->kernel->vfs, inode, LINUX_O_RDWR | LINUX_O_LARGEFILE, task->cred,
                         shown, &file);
    inode_put(inode);
    return err ? err : fd_install(task, file, 0, flags & MFD_CLOEXEC);
}

// --- memfd_secret --------------------------------------------------------------------------------

// It is there to be mapped, and for nothing else.
static const struct file_ops secret_ops = {0};

int64_t sys_memfd_secret(struct task *task, uint32_t flags)
{
    if (flags & ~(uint32_t)LINUX_O_CLOEXEC)
        return -LINUX_EINVAL;
    struct inode *inode;
    int err = make_inode(task, 0, &inode);
    if (err)
        return err;
    atomic_store_explicit(&inode->seals, INODE_SECRET, memory_order_release);
    struct vfs_setattr attr = {.mask = ATTR_MODE, .mode = 0600};
    err = inode->ops->setattr(inode, &attr);
    struct file *file;
    if (!err)
        err = vfs_open_inode(task->kernel->vfs, inode, LINUX_O_RDWR | LINUX_O_LARGEFILE, task->cred,
                             "/secretmem (deleted)", &file);
    inode_put(inode);
    if (err)
        return err;
    file->ops = &secret_ops;
    return fd_install(task, file, 0, flags & LINUX_O_CLOEXEC);
}
