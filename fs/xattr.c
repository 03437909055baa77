// Extended attributes: the name spaces and who may use them, xattr(7).
#include "fs/acl.h"
#include "fs/notify.h"
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static int check_user(const struct vfs_caller *c, struct inode *inode, bool write)
{
    if (!LINUX_S_ISREG(inode->type) && !LINUX_S_ISDIR(inode->type))
        return write ? -LINUX_EPERM : -LINUX_ENODATA;
    struct perm perm;
    int err = inode_perm(inode, &perm);
    if (!err && write && LINUX_S_ISDIR(inode->type) && perm.mode & LINUX_S_ISVTX &&
        !perm_owner_or_capable(c, perm.uid))
        err = -LINUX_EPERM;
    return err ? err : inode_permission(c, inode, write ? LINUX_W_OK : LINUX_R_OK);
}

// What each name space asks of the caller.
static int check_space(const struct vfs_caller *c, const struct path *p, const char *name,
                       bool write)
{
    if (has_prefix(name, "user."))
        return check_user(c, p->dentry->inode, write);
    if (has_prefix(name, "trusted.")) {
        if (cred_capable(c->cred, LINUX_CAP_SYS_ADMIN))
            return 0;
        return write ? -LINUX_EPERM : -LINUX_ENODATA;
    }
    if (has_prefix(name, "security.")) {
        const struct inode *inode = p->dentry->inode;
        const bool may =
            strcmp(name, "security.capability") == 0
                ? cred_capable_over(
                      c->cred, atomic_load_explicit(&inode->uid, memory_order_relaxed),
                      atomic_load_explicit(&inode->gid, memory_order_relaxed), LINUX_CAP_SETFCAP)
                : cred_capable(c->cred, LINUX_CAP_SYS_ADMIN);
        return !write || may ? 0 : -LINUX_EPERM;
    }
    return acl_is_name(name) ? 0 : -LINUX_EOPNOTSUPP; // fs/acl.c has its own rules
}

static int check_name(const struct vfs_caller *c, const struct path *p, const char *name,
                      bool write)
{
    size_t len = strlen(name);
    if (len == 0 || len > LINUX_NAME_MAX)
        return -LINUX_ERANGE;
    if (write && vfs_mount_flags(p) & MOUNT_RDONLY)
        return -LINUX_EROFS;
    int err = check_space(c, p, name, write);
    if (!err && strchr(name, '.') == name + len - 1)
        err = -LINUX_EINVAL; // a name space and no name
    return err;
}

static bool is_fcap(const char *name)
{
    return strcmp(name, "security.capability") == 0;
}

ssize_t vfs_getxattr(const struct vfs_caller *c, const struct path *p, const char *name, void *buf,
                     size_t size)
{
    struct inode *inode = p->dentry->inode;
    int err = check_name(c, p, name, false);
    if (err)
        return err;
    if (acl_is_name(name))
        return acl_get(c, inode, name, buf, size);
    if (!inode->ops->getxattr)
        return -LINUX_EOPNOTSUPP;
    if (!is_fcap(name))
        return inode->ops->getxattr(inode, name, buf, size);
    uint8_t stored[FCAP_MAX];
    ssize_t n = inode->ops->getxattr(inode, name, stored, sizeof stored);
    return n < 0 ? n : fcap_show(c->cred, stored, (size_t)n, buf, size);
}

int vfs_setxattr(const struct vfs_caller *c, const struct path *p, const char *name,
                 const void *value, size_t size, unsigned flags)
{
    struct inode *inode = p->dentry->inode;
    const unsigned both = LINUX_XATTR_CREATE | LINUX_XATTR_REPLACE;
    if (flags & ~both)
        return -LINUX_EINVAL;
    if (size > LINUX_XATTR_SIZE_MAX)
        return -LINUX_E2BIG;
    const bool caps = is_fcap(name);
    if (size > 0 && caps && !fcap_is_valid(value, size))
        return -LINUX_EINVAL;
    int err = check_name(c, p, name, true);
    if (err)
        return err;
    if (acl_is_name(name)) {
        err = acl_set(c, inode, name, value, size);
        if (!err)
            notify_entry(c->vfs, p->dentry, LINUX_IN_ATTRIB);
        return err;
    }
    if (!inode->ops->setxattr)
        return -LINUX_EOPNOTSUPP;
    uint8_t stored[FCAP_MAX];
    if (caps && size > 0) {
        err = fcap_store(c->cred, value, &size, stored);
        if (err)
            return err;
        value = stored;
    }
    if (caps)
        inode_caps_change(inode);
    err = inode->ops->setxattr(inode, name, value, size, flags);
    if (caps)
        inode_caps_change(inode);
    if (!err)
        notify_entry(c->vfs, p->dentry, LINUX_IN_ATTRIB);
    return err;
}

// Leaves the names the caller may know of; returns their length.
static size_t filter_names(const struct vfs_caller *c, const char *from, size_t len, char *to)
{
    bool admin = cred_capable(c->cred, LINUX_CAP_SYS_ADMIN);
    size_t kept = 0;
    for (size_t at = 0; at < len;) {
        size_t n = strlen(from + at) + 1;
        if (admin || !has_prefix(from + at, "trusted.")) {
            if (to)
                memcpy(to + kept, from + at, n);
            kept += n;
        }
        at += n;
    }
    return kept;
}

ssize_t vfs_listxattr(const struct vfs_caller *c, const struct path *p, char *buf, size_t size)
{
    struct inode *inode = p->dentry->inode;
    if (!inode->ops->listxattr)
        return 0;
    ssize_t n = inode->ops->listxattr(inode, NULL, 0);
    if (n <= 0)
        return n;
    char *all = malloc((size_t)n);
    if (!all)
        return -LINUX_ENOMEM;
    n = inode->ops->listxattr(inode, all, (size_t)n);
    if (n > 0) {
        size_t kept = filter_names(c, all, (size_t)n, NULL);
        if (size > 0 && kept > size)
            n = -LINUX_ERANGE;
        else
            n = (ssize_t)(size > 0 ? filter_names(c, all, (size_t)n, buf) : kept);
    }
    free(all);
    return n;
}

int vfs_removexattr(const struct vfs_caller *c, const struct path *p, const char *name)
{
    struct inode *inode = p->dentry->inode;
    int err = check_name(c, p, name, true);
    if (err)
        return err;
    if (!inode->ops->removexattr)
        return -LINUX_EOPNOTSUPP;
    err = acl_is_name(name) ? acl_remove(c, inode, name) : inode->ops->removexattr(inode, name);
    if (!err)
        notify_entry(c->vfs, p->dentry, LINUX_IN_ATTRIB);
    return err;
}
