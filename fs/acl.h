// POSIX access control lists, acl(5): kept as the attributes system.posix_acl_access and
// system.posix_acl_default, in the form Linux gives them. Layer 3.
//
// An access list has three entries that are the permission bits of the mode (its mask stands for
// the group's); a list of nothing else is no list. A directory's default list is what new objects
// in it get, and takes the place of the umask.
#ifndef FS_ACL_H
#define FS_ACL_H

#include "fs/vfs_core.h"

// What inode_permission asks for somebody who is not the owner: 0, -LINUX_EACCES, or
// -LINUX_ENODATA when there is no list and the mode decides.
NODISCARD int acl_permission(struct inode *inode, const struct cred *cred, const struct perm *p,
                             unsigned mask);

bool acl_is_name(const char *name);
// The attribute calls for such a name; the mount is writable.
ssize_t acl_get(const struct vfs_caller *c, struct inode *inode, const char *name, void *buf,
                size_t size);
NODISCARD int acl_set(const struct vfs_caller *c, struct inode *inode, const char *name,
                      const void *value, size_t size);
NODISCARD int acl_remove(const struct vfs_caller *c, struct inode *inode, const char *name);
// Lists follow a mode that was set.
NODISCARD int acl_chmod(struct inode *inode, uint32_t mode);

// What a new object gets from its directory.
struct acl_inherited {
    void *access, *defaults; // values of the attributes, NULL for none
    size_t access_size, defaults_size;
};
// Turns the mode asked for into the one to create with: by the directory's default list, or by the
// umask. acl_inherit_end() whatever happens next.
NODISCARD int acl_inherit_begin(const struct vfs_caller *c, struct inode *dir, uint32_t *mode,
                                struct acl_inherited *out);
NODISCARD int acl_inherit(struct inode *made, const struct acl_inherited *in);
void acl_inherit_end(struct acl_inherited *in);

#endif
