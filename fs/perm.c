// Who may do what: the rules of path_resolution(7), capabilities(7) and unlink(2).
#include "fs/acl.h"
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"

int inode_perm(struct inode *inode, struct perm *out)
{
    if (inode->cached_perm) {
        out->mode = atomic_load_explicit(&inode->mode, memory_order_relaxed);
        out->uid = atomic_load_explicit(&inode->uid, memory_order_relaxed);
        out->gid = atomic_load_explicit(&inode->gid, memory_order_relaxed);
        return 0;
    }
    struct vfs_stat st;
    int err = inode->ops->getattr(inode, &st);
    if (!err)
        *out = (struct perm){st.mode, st.uid, st.gid};
    return err;
}

static bool bits_allow(const struct cred *cred, const struct perm *p, unsigned mask)
{
    unsigned bits = p->mode;
    if (cred->fsuid == p->uid)
        bits >>= 6;
    else if (cred_in_group(cred, p->gid))
        bits >>= 3;
    return (mask & ~bits & 7) == 0;
}

// 0 or -LINUX_EACCES, by the list of the object if it has one, or its mode.
static int allow(struct inode *inode, const struct cred *cred, const struct perm *p, unsigned mask)
{
    // A group that may do nothing is what a mask of nothing looks like: the list allows nothing
    // then.
    if (cred->fsuid != p->uid && p->mode & 0070 &&
        !(atomic_load_explicit(&inode->acl_epoch, memory_order_relaxed) & 1)) {
        int err = acl_permission(inode, cred, p, mask);
        if (err != -LINUX_ENODATA)
            return err;
    }
    return bits_allow(cred, p, mask) ? 0 : -LINUX_EACCES;
}

int inode_permission(const struct vfs_caller *c, struct inode *inode, unsigned mask)
{
    return inode->ops->permission ? inode->ops->permission(inode, c, mask)
                                  : inode_permission_usual(c, inode, mask);
}

int inode_permission_usual(const struct vfs_caller *c, struct inode *inode, unsigned mask)
{
    const struct cred *cred = c->cred;
    bool is_dir = LINUX_S_ISDIR(inode->type);
    if (cred_capable(cred, LINUX_CAP_DAC_OVERRIDE) && (is_dir || !(mask & LINUX_X_OK)))
        return 0; // whoever it belongs to
    struct perm p;
    int err = inode_perm(inode, &p);
    if (err)
        return err;
    err = allow(inode, cred, &p, mask);
    if (err != -LINUX_EACCES)
        return err;
    bool override = cred_capable_over(cred, p.uid, p.gid, LINUX_CAP_DAC_OVERRIDE);
    if (override && (is_dir || !(mask & LINUX_X_OK)))
        return 0;
    // Executing needs one x bit even of the mighty.
    if (override && p.mode & 0111)
        return 0;
    bool read_only = is_dir ? !(mask & LINUX_W_OK) : mask == LINUX_R_OK;
    if (read_only && cred_capable_over(cred, p.uid, p.gid, LINUX_CAP_DAC_READ_SEARCH))
        return 0;
    return -LINUX_EACCES;
}

bool inode_passable(const struct vfs_caller *c, const struct inode *dir)
{
    if (dir->ops->permission)
        return false;
    if (cred_capable(c->cred, LINUX_CAP_DAC_OVERRIDE))
        return true;
    const struct perm p = {atomic_load_explicit(&dir->mode, memory_order_relaxed),
                           atomic_load_explicit(&dir->uid, memory_order_relaxed),
                           atomic_load_explicit(&dir->gid, memory_order_relaxed)};
    bool no_list = c->cred->fsuid == p.uid || !(p.mode & 0070) ||
                   atomic_load_explicit(&dir->acl_epoch, memory_order_relaxed) & 1;
    return dir->cached_perm && no_list && bits_allow(c->cred, &p, LINUX_X_OK);
}

int path_permission(const struct vfs_caller *c, const struct path *p, unsigned mask)
{
    struct inode *inode = p->dentry->inode;
    if (mask & LINUX_W_OK && vfs_mount_flags(p) & MOUNT_RDONLY &&
        (LINUX_S_ISREG(inode->type) || LINUX_S_ISDIR(inode->type) || LINUX_S_ISLNK(inode->type)))
        return -LINUX_EROFS;
    return mask ? inode_permission(c, inode, mask) : 0;
}

int vfs_permission(const struct vfs_caller *c, const struct path *p, unsigned mask)
{
    if (mask & LINUX_X_OK && vfs_mount_flags(p) & MOUNT_NOEXEC &&
        LINUX_S_ISREG(p->dentry->inode->type))
        return -LINUX_EACCES;
    return path_permission(c, p, mask);
}

bool perm_owner_or_capable(const struct vfs_caller *c, uint32_t uid)
{
    const struct cred *cred = c->cred;
    if (cred->fsuid == uid || cred_capable(cred, LINUX_CAP_FOWNER))
        return true;
    return cred_capable_own(cred, LINUX_CAP_FOWNER) &&
           user_ns_from_machine(cred->user_ns, ID_UID, uid) != ID_NONE;
}

int perm_may_create(const struct vfs_caller *c, const struct path *dir)
{
    if (atomic_load_explicit(&dir->dentry->deleted, memory_order_relaxed))
        return -LINUX_ENOENT;
    return path_permission(c, dir, LINUX_W_OK | LINUX_X_OK);
}

int perm_may_delete(const struct vfs_caller *c, const struct path *dir, struct dentry *victim,
                    bool want_dir)
{
    int err = path_permission(c, dir, LINUX_W_OK | LINUX_X_OK);
    if (err)
        return err;
    struct perm dir_perm, perm;
    err = inode_perm(dir->dentry->inode, &dir_perm);
    if (!err && dir_perm.mode & LINUX_S_ISVTX) {
        err = inode_perm(victim->inode, &perm);
        if (!err && c->cred->fsuid != perm.uid && c->cred->fsuid != dir_perm.uid &&
            !cred_capable_over(c->cred, perm.uid, perm.gid, LINUX_CAP_FOWNER))
            err = -LINUX_EPERM;
    }
    if (err)
        return err;
    bool is_dir = LINUX_S_ISDIR(victim->inode->type);
    if (want_dir && !is_dir)
        return -LINUX_ENOTDIR;
    if (!want_dir && is_dir)
        return -LINUX_EISDIR;
    return 0;
}
