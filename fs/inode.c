// Lifetimes of inodes and file systems.
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include <stdlib.h>

struct inode *inode_create(struct super *super, const struct inode_ops *ops, uint32_t type,
                           uint64_t ino)
{
    return inode_create_in(sizeof(struct inode), super, ops, type, ino);
}

struct inode *inode_create_in(size_t size, struct super *super, const struct inode_ops *ops,
                              uint32_t type, uint64_t ino)
{
    struct inode *inode = calloc(1, size);
    if (!inode)
        return NULL;
    atomic_init(&inode->refs, 1);
    inode->type = type & LINUX_S_IFMT;
    inode->ino = ino;
    inode->super = super;
    inode->ops = ops;
    lock_init(&inode->lock, LOCK_RANK_INODE);
    gate_init(&inode->write_gate);
    atomic_init(&inode->mode, inode->type);
    return inode;
}

struct inode *inode_get(struct inode *inode)
{
    atomic_fetch_add_explicit(&inode->refs, 1, memory_order_relaxed);
    return inode;
}

bool inode_get_unless_gone(struct inode *inode)
{
    uint32_t refs = atomic_load_explicit(&inode->refs, memory_order_relaxed);
    while (refs > 0)
        if (atomic_compare_exchange_weak_explicit(&inode->refs, &refs, refs + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

void inode_discard(struct inode *inode)
{
    gate_destroy(&inode->write_gate);
    lock_destroy(&inode->lock);
    free(inode);
}

bool inode_unref(struct inode *inode)
{
    return atomic_fetch_sub_explicit(&inode->refs, 1, memory_order_acq_rel) == 1;
}

void inode_free(struct inode *inode)
{
    if (inode->attached && inode->attached_free)
        inode->attached_free(inode->attached);
    lock_inode_free(inode);
    inode_discard(inode);
}

void inode_put(struct inode *inode)
{
    if (!inode || !inode_unref(inode))
        return;
    if (inode->ops->evict)
        inode->ops->evict(inode);
    inode_free(inode);
}

void inode_new_owner(const struct inode *dir, const struct vfs_caller *c, uint32_t *mode,
                     uint32_t *uid, uint32_t *gid)
{
    uint32_t dir_mode = atomic_load_explicit(&dir->mode, memory_order_relaxed);
    *uid = c->cred->fsuid;
    if (!(dir_mode & LINUX_S_ISGID)) {
        *gid = c->cred->fsgid;
        return;
    }
    *gid = atomic_load_explicit(&dir->gid, memory_order_relaxed);
    if (LINUX_S_ISDIR(*mode))
        *mode |= LINUX_S_ISGID;
    else if ((*mode & (LINUX_S_ISGID | LINUX_S_IXGRP)) == (LINUX_S_ISGID | LINUX_S_IXGRP) &&
             !cred_in_group(c->cred, *gid) &&
             !cred_capable_over(c->cred, *uid, *gid, LINUX_CAP_FSETID))
        *mode &= ~(uint32_t)LINUX_S_ISGID;
}

int inode_add_writer(struct inode *inode)
{
    int32_t n = atomic_load_explicit(&inode->writers, memory_order_relaxed);
    do {
        if (n < 0)
            return -LINUX_ETXTBSY;
    } while (!atomic_compare_exchange_weak_explicit(&inode->writers, &n, n + 1,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return 0;
}

void inode_remove_writer(struct inode *inode)
{
    atomic_fetch_sub_explicit(&inode->writers, 1, memory_order_acq_rel);
}

int inode_deny_write(struct inode *inode)
{
    int32_t n = atomic_load_explicit(&inode->writers, memory_order_relaxed);
    do {
        if (n > 0)
            return -LINUX_ETXTBSY;
    } while (!atomic_compare_exchange_weak_explicit(&inode->writers, &n, n - 1,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return 0;
}

void inode_allow_write(struct inode *inode)
{
    atomic_fetch_add_explicit(&inode->writers, 1, memory_order_acq_rel);
}

int inode_map_writable(struct inode *inode)
{
    int32_t n = atomic_load_explicit(&inode->writable_maps, memory_order_relaxed);
    do {
        if (n < 0)
            return -LINUX_EPERM;
    } while (!atomic_compare_exchange_weak_explicit(&inode->writable_maps, &n, n + 1,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return 0;
}

void inode_unmap_writable(struct inode *inode)
{
    atomic_fetch_sub_explicit(&inode->writable_maps, 1, memory_order_acq_rel);
}

int inode_refuse_writable_maps(struct inode *inode)
{
    int32_t none = 0;
    return atomic_compare_exchange_strong_explicit(&inode->writable_maps, &none, -1,
                                                   memory_order_acq_rel, memory_order_relaxed)
               ? 0
               : -LINUX_EBUSY;
}

uint64_t vfs_new_dev(struct vfs *vfs)
{
    uint32_t minor = atomic_fetch_add_explicit(&vfs->next_dev_minor, 1, memory_order_relaxed);
    return vfs_makedev(0, minor + 1);
}

struct super *super_create(const struct super_ops *ops, struct vfs *vfs, void *private)
{
    struct super *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    s->ops = ops;
    s->vfs = vfs;
    s->private = private;
    s->dev = vfs_new_dev(vfs);
    lock_init(&s->rename_lock, LOCK_RANK_RENAME);
    return s;
}

struct super *super_get(struct super *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void super_put(struct super *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    dentry_prune_super(s->vfs, s);
    if (s->ops && s->ops->destroy)
        s->ops->destroy(s);
    lock_destroy(&s->rename_lock);
    user_ns_put(s->owner);
    free(s);
}
