// stat, chmod, chown, utimensat, truncate, readlink.
#include "fs/acl.h"
#include "fs/notify.h"
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"

int vfs_getattr(const struct vfs_caller *c, const struct path *p, struct vfs_stat *out)
{
    (void)c;
    struct inode *inode = p->dentry->inode;
    return inode->ops->getattr(inode, out);
}

ssize_t vfs_readlink(const struct vfs_caller *c, const struct path *p, char *buf, size_t size)
{
    struct inode *inode = p->dentry->inode;
    if (!LINUX_S_ISLNK(inode->type) || !inode->ops->readlink)
        return -LINUX_EINVAL;
    ssize_t n = inode->ops->readlink(inode, c, buf, size);
    return n > 0 && (size_t)n > size ? (ssize_t)size : n;
}

// Set-group-id without the right to execute is kept for those who may set it.
static uint32_t without_setid(const struct perm *perm, const struct cred *cred)
{
    uint32_t kept = perm->mode & ~(uint32_t)LINUX_S_ISUID;
    bool may_keep = cred_in_group(cred, perm->gid) ||
                    cred_capable_over(cred, perm->uid, perm->gid, LINUX_CAP_FSETID);
    if (perm->mode & LINUX_S_IXGRP || !may_keep)
        kept &= ~(uint32_t)LINUX_S_ISGID;
    return kept;
}

void inode_caps_change(struct inode *inode)
{
    uint32_t epoch = atomic_load_explicit(&inode->caps_epoch, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&inode->caps_epoch, &epoch, (epoch | 1) + 1,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
}

// File capabilities belong to the contents and the owner they were given for.
static int kill_caps(struct inode *inode)
{
    uint32_t epoch = atomic_load_explicit(&inode->caps_epoch, memory_order_seq_cst);
    if (epoch & 1 || !inode->ops->removexattr)
        return 0;
    int err = inode->ops->removexattr(inode, "security.capability");
    if (err && err != -LINUX_ENODATA && err != -LINUX_EOPNOTSUPP)
        return err;
    atomic_compare_exchange_strong_explicit(&inode->caps_epoch, &epoch, epoch | 1,
                                            memory_order_seq_cst, memory_order_relaxed);
    return 0;
}

int inode_kill_setid(struct inode *inode, const struct cred *cred)
{
    if (!LINUX_S_ISREG(inode->type))
        return 0;
    int err = kill_caps(inode);
    if (err || cred_capable(cred, LINUX_CAP_FSETID)) // whoever it belongs to: nobody is asked
        return err;
    struct perm perm;
    err = inode_perm(inode, &perm);
    if (!err && cred_capable_over(cred, perm.uid, perm.gid, LINUX_CAP_FSETID))
        return 0;
    if (err || without_setid(&perm, cred) == perm.mode || !inode->ops->setattr)
        return err;
    struct vfs_setattr attr = {.mask = ATTR_MODE,
                               .mode = without_setid(&perm, cred) & LINUX_S_IALLPERM};
    return inode->ops->setattr(inode, &attr);
}

// chown(2): who may give what to whom.
static int check_chown(const struct vfs_caller *c, const struct perm *perm,
                       const struct vfs_setattr *attr)
{
    if (cred_capable_over(c->cred, perm->uid, perm->gid, LINUX_CAP_CHOWN))
        return 0;
    bool owner = c->cred->fsuid == perm->uid;
    if (attr->mask & ATTR_UID && !(owner && attr->uid == perm->uid))
        return -LINUX_EPERM;
    if (attr->mask & ATTR_GID &&
        !(owner && (attr->gid == perm->gid || cred_in_group(c->cred, attr->gid))))
        return -LINUX_EPERM;
    return 0;
}

static int check_times(const struct vfs_caller *c, const struct path *p, const struct perm *perm,
                       bool set_now)
{
    if (perm_owner_or_capable(c, perm->uid))
        return 0;
    if (!set_now)
        return -LINUX_EPERM;
    return path_permission(c, p, LINUX_W_OK);
}

static int check_size(const struct vfs_caller *c, const struct path *p)
{
    struct inode *inode = p->dentry->inode;
    if (LINUX_S_ISDIR(inode->type))
        return -LINUX_EISDIR;
    if (!LINUX_S_ISREG(inode->type))
        return -LINUX_EINVAL;
    return path_permission(c, p, LINUX_W_OK);
}

// Changes the inode; a new size makes the caller a writer meanwhile.
static int apply(struct inode *inode, const struct vfs_setattr *attr)
{
    bool writes = attr->mask & ATTR_SIZE;
    int err = writes ? inode_add_writer(inode) : 0;
    if (err)
        return err;
    err = inode->ops->setattr(inode, attr);
    if (writes)
        inode_remove_writer(inode);
    return err;
}

// Works out what the file system is asked for; `perm` is what there is.
static int prepare(const struct vfs_caller *c, const struct path *p, const struct perm *perm,
                   struct vfs_setattr *attr, bool set_now)
{
    struct inode *inode = p->dentry->inode;
    int err = 0;
    if (attr->mask & (ATTR_UID | ATTR_GID))
        err = check_chown(c, perm, attr);
    if (!err && attr->mask & (ATTR_ATIME | ATTR_MTIME))
        err = check_times(c, p, perm, set_now);
    if (!err && attr->mask & ATTR_SIZE)
        err = check_size(c, p);
    if (err)
        return err;
    if (attr->mask & ATTR_MODE) {
        if (!perm_owner_or_capable(c, perm->uid))
            return -LINUX_EPERM;
        if (LINUX_S_ISLNK(inode->type))
            return -LINUX_EOPNOTSUPP;
        attr->mode &= LINUX_S_IALLPERM;
        if (!cred_in_group(c->cred, perm->gid) &&
            !cred_capable_over(c->cred, perm->uid, perm->gid, LINUX_CAP_FSETID))
            attr->mode &= ~(uint32_t)LINUX_S_ISGID;
    } else if (attr->mask & (ATTR_CHOWN | ATTR_UID | ATTR_GID) && !LINUX_S_ISDIR(inode->type) &&
               without_setid(perm, c->cred) != perm->mode) {
        if (!perm_owner_or_capable(c, perm->uid))
            return -LINUX_EPERM; // a mode changes, even when neither owner does
        attr->mask |= ATTR_MODE;
        attr->mode = without_setid(perm, c->cred) & LINUX_S_IALLPERM;
    }
    attr->mask &= ~(unsigned)ATTR_CHOWN;
    return 0;
}

// What watches call a change of attributes, as Linux words it.
static void notify_change(struct vfs *vfs, struct dentry *d, unsigned mask)
{
    const unsigned times = ATTR_ATIME | ATTR_MTIME;
    bool attributes = mask & (ATTR_MODE | ATTR_UID | ATTR_GID) || (mask & times) == times;
    bool contents = mask & ATTR_SIZE || (mask & times) == ATTR_MTIME;
    if (!vfs_is_watched(vfs))
        return;
    if ((mask & times) == ATTR_ATIME)
        notify_entry(vfs, d, LINUX_IN_ACCESS);
    if (contents)
        notify_entry(vfs, d, LINUX_IN_MODIFY);
    if (attributes)
        notify_entry(vfs, d, LINUX_IN_ATTRIB);
}

int vfs_setattr(const struct vfs_caller *c, const struct path *p, const struct vfs_setattr *attr,
                bool set_now)
{
    struct inode *inode = p->dentry->inode;
    struct vfs_setattr want = *attr;
    if (vfs_mount_flags(p) & MOUNT_RDONLY)
        return -LINUX_EROFS;
    struct perm perm;
    int err = inode_perm(inode, &perm);
    bool chown = want.mask & (ATTR_CHOWN | ATTR_UID | ATTR_GID);
    if (!err)
        err = prepare(c, p, &perm, &want, set_now);
    if (err || !want.mask)
        return err;
    if (!inode->ops->setattr)
        return -LINUX_EPERM;
    if (want.mask & ATTR_SIZE)
        err = vfs_break_leases(c, inode, LINUX_O_WRONLY);
    if (!err)
        err = apply(inode, &want);
    if (!err && attr->mask & ATTR_MODE)
        err = acl_chmod(inode, want.mode);
    if (!err && chown && LINUX_S_ISREG(inode->type))
        err = kill_caps(inode);
    if (!err && want.mask & ATTR_SIZE)
        err = inode_kill_setid(inode, c->cred);
    if (!err)
        notify_change(c->vfs, p->dentry, want.mask);
    return err;
}

int file_truncate_open(struct file *file)
{
    struct vfs_setattr attr = {.mask = ATTR_SIZE, .size = 0};
    if (!file->inode->ops->setattr)
        return 0;
    int err = apply(file->inode, &attr);
    if (!err)
        notify_entry(file->path.mnt->vfs, file->path.dentry, LINUX_IN_MODIFY);
    return err ? err : inode_kill_setid(file->inode, file->cred);
}

int file_truncate(const struct vfs_caller *c, struct file *file, uint64_t size)
{
    unsigned flags = atomic_load_explicit(&file->flags, memory_order_relaxed);
    if (flags & LINUX_O_PATH)
        return -LINUX_EBADF;
    if (!file->inode || !LINUX_S_ISREG(file->inode->type) ||
        (flags & LINUX_O_ACCMODE) == LINUX_O_RDONLY)
        return -LINUX_EINVAL;
    if (!file->inode->ops->setattr)
        return -LINUX_EINVAL;
    struct vfs_setattr attr = {.mask = ATTR_SIZE, .size = size};
    struct vfs_stat st;
    int err = 0;
    if (atomic_load_explicit(&file->inode->seals, memory_order_relaxed) & INODE_SECRET) {
        err = file->inode->ops->getattr(file->inode, &st);
        if (!err && st.size)
            return -LINUX_EINVAL;
    }
    if (!err)
        err = file->inode->ops->setattr(file->inode, &attr);
    if (!err)
        notify_entry(file->path.mnt->vfs, file->path.dentry, LINUX_IN_MODIFY);
    return err ? err : inode_kill_setid(file->inode, c->cred);
}
