#include "kernel/shared_memory.h"
#include "fs/vfs.h"
#include "kernel/anon.h"
#include "kernel/kernel.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"

int shared_memory_create(struct kernel *kernel, uint64_t size, struct file **out)
{
    struct inode *dir = kernel->anon->memory->root, *inode;
    const struct vfs_caller caller = {.vfs = kernel->vfs, .cred = kernel->root_cred};
    int err = dir->ops->tmpfile(dir, LINUX_S_IFREG | 0777, &caller, &inode);
    if (err)
        return err;
    struct vfs_setattr attr = {.mask = ATTR_SIZE, .size = size};
    err = inode->ops->setattr(inode, &attr);
    if (!err)
        err = vfs_open_inode(kernel->vfs, inode, LINUX_O_RDWR | LINUX_O_LARGEFILE,
                             kernel->root_cred, "/dev/zero (deleted)", out);
    inode_put(inode);
    return err;
}
