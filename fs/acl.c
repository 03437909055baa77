// POSIX access control lists.
#include "fs/acl.h"
#include "fs/user_ns.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

static const char access_name[] = "system.posix_acl_access";
static const char default_name[] = "system.posix_acl_default";

// Little-endian, as Linux gives and takes it: a version, then 8 bytes an entry.
enum { VERSION = 2, HEADER = 4, ENTRY = 8 };
enum acl_tag {
    ACL_USER_OBJ = 0x01,
    ACL_USER = 0x02,
    ACL_GROUP_OBJ = 0x04,
    ACL_GROUP = 0x08,
    ACL_MASK = 0x10,
    ACL_OTHER = 0x20,
};

struct acl_entry {
    uint16_t tag, perm;
    uint32_t id; // of ACL_USER, ACL_GROUP
};

struct acl {
    size_t count;
    struct acl_entry entry[];
};

static uint32_t get_le(const uint8_t *at, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)at[i] << 8 * i;
    return value;
}

static void put_le(uint8_t *at, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

// Are the entries of a kind that can be there, in their order, with a mask if one is needed?
static bool is_valid(const struct acl *acl)
{
    static const uint16_t order[] = {ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ,
                                     ACL_GROUP,    ACL_MASK, ACL_OTHER};
    enum { KINDS = sizeof order / sizeof order[0] };
    bool seen[KINDS] = {false};
    unsigned kind = 0;
    for (size_t i = 0; i < acl->count; i++) {
        const struct acl_entry *e = &acl->entry[i];
        bool many = e->tag == ACL_USER || e->tag == ACL_GROUP;
        while (kind < KINDS && order[kind] != e->tag)
            kind++;
        if (kind == KINDS || e->perm > 7 || (seen[kind] && !many))
            return false;
        if (many && e->id == UINT32_MAX)
            return false;
        seen[kind] = true;
    }
    bool needs_mask = seen[1] || seen[3];
    return seen[0] && seen[2] && seen[5] && (seen[4] || !needs_mask);
}

// *out is NULL for a list without entries, which means none.
static int decode(const void *value, size_t size, struct acl **out)
{
    const uint8_t *at = value;
    *out = NULL;
    if (size < HEADER || (size - HEADER) % ENTRY)
        return -LINUX_EINVAL;
    if (get_le(at, 4) != VERSION)
        return -LINUX_EOPNOTSUPP;
    size_t count = (size - HEADER) / ENTRY;
    if (count == 0)
        return 0;
    struct acl *acl = malloc(sizeof *acl + count * sizeof acl->entry[0]);
    if (!acl)
        return -LINUX_ENOMEM;
    acl->count = count;
    at += HEADER;
    for (size_t i = 0; i < count; i++, at += ENTRY)
        acl->entry[i] = (struct acl_entry){(uint16_t)get_le(at, 2), (uint16_t)get_le(at + 2, 2),
                                           get_le(at + 4, 4)};
    if (!is_valid(acl)) {
        free(acl);
        return -LINUX_EINVAL;
    }
    *out = acl;
    return 0;
}

// NULL without memory.
static void *encode(const struct acl *acl, size_t *size)
{
    *size = HEADER + acl->count * ENTRY;
    uint8_t *value = malloc(*size), *at = value;
    if (!value)
        return NULL;
    put_le(at, VERSION, 4);
    at += HEADER;
    for (size_t i = 0; i < acl->count; i++, at += ENTRY) {
        const struct acl_entry *e = &acl->entry[i];
        bool named = e->tag == ACL_USER || e->tag == ACL_GROUP;
        put_le(at, e->tag, 2);
        put_le(at + 2, e->perm, 2);
        put_le(at + 4, named ? e->id : UINT32_MAX, 4);
    }
    return value;
}

static struct acl_entry *find(struct acl *acl, unsigned tag)
{
    for (size_t i = 0; i < acl->count; i++)
        if (acl->entry[i].tag == tag)
            return &acl->entry[i];
    return NULL;
}

// Nothing in it that the mode does not say.
static bool is_trivial(const struct acl *acl)
{
    return acl->count == 3;
}

// The entry that is the group's bits of the mode.
static struct acl_entry *group_class(struct acl *acl)
{
    struct acl_entry *mask = find(acl, ACL_MASK);
    return mask ? mask : find(acl, ACL_GROUP_OBJ);
}

static uint32_t bits_of(struct acl *acl)
{
    return (uint32_t)find(acl, ACL_USER_OBJ)->perm << 6 | (uint32_t)group_class(acl)->perm << 3 |
           find(acl, ACL_OTHER)->perm;
}

// --- Reading -------------------------------------------------------------------------------------

static int load(struct inode *inode, const char *name, struct acl **out)
{
    *out = NULL;
    if (!inode->ops->getxattr || !inode->ops->setxattr)
        return 0;
    ssize_t size = inode->ops->getxattr(inode, name, NULL, 0);
    if (size == -LINUX_ENODATA || size == -LINUX_EOPNOTSUPP)
        return 0;
    if (size < 0)
        return (int)size;
    void *value = malloc((size_t)size + 1);
    if (!value)
        return -LINUX_ENOMEM;
    ssize_t n = inode->ops->getxattr(inode, name, value, (size_t)size + 1);
    int err = n == -LINUX_ENODATA ? 0 : n < 0 ? (int)n : decode(value, (size_t)n, out);
    free(value);
    return err;
}

// An access list, or NULL. That there is none is remembered: path walks ask at every step.
static int load_access(struct inode *inode, struct acl **out)
{
    uint32_t epoch = atomic_load_explicit(&inode->acl_epoch, memory_order_seq_cst);
    *out = NULL;
    if (epoch & 1)
        return 0;
    int err = load(inode, access_name, out);
    if (!err && !*out)
        atomic_compare_exchange_strong_explicit(&inode->acl_epoch, &epoch, epoch | 1,
                                                memory_order_seq_cst, memory_order_relaxed);
    return err;
}

static void change_begin_or_end(struct inode *inode)
{
    uint32_t epoch = atomic_load_explicit(&inode->acl_epoch, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&inode->acl_epoch, &epoch, (epoch | 1) + 1,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
}

// The entry that decides; NULL with *refused set or not when none does.
static const struct acl_entry *deciding_entry(const struct acl *acl, const struct cred *cred,
                                              const struct perm *p, unsigned mask, bool *refused)
{
    bool in_group = false;
    for (size_t i = 0; i < acl->count; i++) {
        const struct acl_entry *e = &acl->entry[i];
        bool member = (e->tag == ACL_GROUP_OBJ && cred_in_group(cred, p->gid)) ||
                      (e->tag == ACL_GROUP && cred_in_group(cred, e->id));
        if (e->tag == ACL_USER && e->id == cred->fsuid)
            return e;
        in_group |= member;
        if (member && (e->perm & mask) == mask)
            return e; // any group that allows it will do
        if (e->tag == ACL_OTHER && !in_group)
            return e;
    }
    *refused = true;
    return NULL;
}

int acl_permission(struct inode *inode, const struct cred *cred, const struct perm *p,
                   unsigned mask)
{
    struct acl *acl;
    bool refused = false;
    int err = load_access(inode, &acl);
    if (err)
        return err;
    if (!acl)
        return -LINUX_ENODATA;
    const struct acl_entry *e = deciding_entry(acl, cred, p, mask, &refused);
    unsigned allowed = e ? e->perm : 0;
    const struct acl_entry *limit = find(acl, ACL_MASK);
    if (e && e->tag != ACL_OTHER && limit)
        allowed &= limit->perm;
    free(acl);
    return !refused && (allowed & mask) == mask ? 0 : -LINUX_EACCES;
}

// --- Attribute calls -----------------------------------------------------------------------------

bool acl_is_name(const char *name)
{
    return strcmp(name, access_name) == 0 || strcmp(name, default_name) == 0;
}

static bool is_named(unsigned tag)
{
    return tag == ACL_USER || tag == ACL_GROUP;
}

static enum id_kind kind_of(unsigned tag)
{
    return tag == ACL_USER ? ID_UID : ID_GID;
}

ssize_t acl_get(const struct vfs_caller *c, struct inode *inode, const char *name, void *buf,
                size_t size)
{
    if (LINUX_S_ISLNK(inode->type) || !inode->ops->getxattr)
        return -LINUX_EOPNOTSUPP;
    ssize_t n = inode->ops->getxattr(inode, name, buf, size);
    if (LIKELY(!c->cred->user_ns) || n < HEADER || (size_t)n > size)
        return n;
    // The caller's names of users and groups: ID_NONE for who has none there.
    uint8_t *end = (uint8_t *)buf + n;
    for (uint8_t *at = (uint8_t *)buf + HEADER; at + ENTRY <= end; at += ENTRY) {
        unsigned tag = get_le(at, 2);
        if (is_named(tag))
            put_le(at + 4, user_ns_from_machine(c->cred->user_ns, kind_of(tag), get_le(at + 4, 4)),
                   4);
    }
    return n;
}

// What the caller calls users and groups becomes what the machine does. -LINUX_EINVAL.
static int to_machine(const struct cred *cred, struct acl *acl)
{
    for (size_t i = 0; i < acl->count; i++) {
        struct acl_entry *e = &acl->entry[i];
        if (!is_named(e->tag))
            continue;
        e->id = user_ns_to_machine(cred->user_ns, kind_of(e->tag), e->id);
        if (e->id == ID_NONE)
            return -LINUX_EINVAL;
    }
    return 0;
}

static int store(struct inode *inode, const char *name, const struct acl *acl)
{
    size_t size = 0;
    void *value = acl ? encode(acl, &size) : NULL;
    if (acl && !value)
        return -LINUX_ENOMEM;
    change_begin_or_end(inode);
    int err = acl ? inode->ops->setxattr(inode, name, value, size, 0)
                  : inode->ops->removexattr(inode, name);
    change_begin_or_end(inode);
    free(value);
    return !acl && err == -LINUX_ENODATA ? 0 : err;
}

// Who may change lists, and of what.
static int check_change(const struct vfs_caller *c, struct inode *inode, struct perm *perm)
{
    if (LINUX_S_ISLNK(inode->type) || !inode->ops->setxattr || !inode->ops->removexattr)
        return -LINUX_EOPNOTSUPP;
    int err = inode_perm(inode, perm);
    return err ? err : perm_owner_or_capable(c, perm->uid) ? 0 : -LINUX_EPERM;
}

static int set_access(const struct vfs_caller *c, struct inode *inode, const struct perm *perm,
                      struct acl *acl)
{
    uint32_t mode = (perm->mode & LINUX_S_IALLPERM & ~0777u) | bits_of(acl);
    if (!cred_in_group(c->cred, perm->gid) &&
        !cred_capable_over(c->cred, perm->uid, perm->gid, LINUX_CAP_FSETID))
        mode &= ~(uint32_t)LINUX_S_ISGID;
    // Whether this file system has lists at all shows first.
    int err = store(inode, access_name, is_trivial(acl) ? NULL : acl);
    const struct vfs_setattr attr = {.mask = ATTR_MODE, .mode = mode};
    return err ? err : inode->ops->setattr(inode, &attr);
}

int acl_set(const struct vfs_caller *c, struct inode *inode, const char *name, const void *value,
            size_t size)
{
    struct perm perm;
    struct acl *acl = NULL;
    bool access = strcmp(name, access_name) == 0;
    int err = size > 0 ? decode(value, size, &acl) : 0;
    if (!err && acl && UNLIKELY(c->cred->user_ns != NULL))
        err = to_machine(c->cred, acl);
    if (!err)
        err = check_change(c, inode, &perm);
    if (!err && !access && !LINUX_S_ISDIR(inode->type))
        err = acl ? -LINUX_EACCES : 0;
    else if (!err)
        err = access && acl ? set_access(c, inode, &perm, acl) : store(inode, name, acl);
    free(acl);
    return err;
}

int acl_remove(const struct vfs_caller *c, struct inode *inode, const char *name)
{
    return acl_set(c, inode, name, NULL, 0);
}

int acl_chmod(struct inode *inode, uint32_t mode)
{
    struct acl *acl;
    int err = load_access(inode, &acl);
    if (err || !acl)
        return err;
    find(acl, ACL_USER_OBJ)->perm = mode >> 6 & 7;
    group_class(acl)->perm = mode >> 3 & 7;
    find(acl, ACL_OTHER)->perm = mode & 7;
    err = store(inode, access_name, acl);
    free(acl);
    return err;
}

// --- Inheriting ----------------------------------------------------------------------------------

// A new object's access list: the default one, limited by the mode asked for; the mode becomes what
// is left.
static void limit_by_mode(struct acl *acl, uint32_t *mode)
{
    struct acl_entry *owner = find(acl, ACL_USER_OBJ), *group = group_class(acl);
    struct acl_entry *other = find(acl, ACL_OTHER);
    owner->perm &= *mode >> 6 & 7;
    group->perm &= *mode >> 3 & 7;
    other->perm &= *mode & 7;
    *mode = (*mode & ~0777u) | bits_of(acl);
}

int acl_inherit_begin(const struct vfs_caller *c, struct inode *dir, uint32_t *mode,
                      struct acl_inherited *out)
{
    struct acl *acl;
    *out = (struct acl_inherited){NULL, NULL, 0, 0};
    int err = load(dir, default_name, &acl);
    if (err)
        return err;
    if (!acl) {
        *mode &= ~c->umask;
        return 0;
    }
    out->defaults = encode(acl, &out->defaults_size);
    limit_by_mode(acl, mode);
    if (!is_trivial(acl))
        out->access = encode(acl, &out->access_size);
    err = out->defaults && (out->access || is_trivial(acl)) ? 0 : -LINUX_ENOMEM;
    free(acl);
    if (err)
        acl_inherit_end(out);
    return err;
}

int acl_inherit(struct inode *made, const struct acl_inherited *in)
{
    int err = 0;
    if (!in->access && !in->defaults)
        return 0;
    change_begin_or_end(made);
    if (in->access)
        err = made->ops->setxattr(made, access_name, in->access, in->access_size, 0);
    if (!err && in->defaults && LINUX_S_ISDIR(made->type))
        err = made->ops->setxattr(made, default_name, in->defaults, in->defaults_size, 0);
    change_begin_or_end(made);
    return err;
}

void acl_inherit_end(struct acl_inherited *in)
{
    free(in->access);
    free(in->defaults);
    *in = (struct acl_inherited){NULL, NULL, 0, 0};
}
