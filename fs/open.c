// open(2).
#include "fs/acl.h"
#include "fs/landlock.h"
#include "fs/notify.h"
#include "fs/path.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>

static unsigned wanted_rights(unsigned flags)
{
    static const unsigned rights[] = {LINUX_R_OK, LINUX_W_OK, LINUX_R_OK | LINUX_W_OK,
                                      LINUX_R_OK | LINUX_W_OK};
    unsigned mask = rights[flags & LINUX_O_ACCMODE];
    return flags & LINUX_O_TRUNC ? mask | LINUX_W_OK : mask;
}

// `created`: by the caller, who may open what others may not (a socket).
static int check_kind(const struct inode *inode, unsigned flags, bool created)
{
    bool write = wanted_rights(flags) & LINUX_W_OK;
    if (flags & LINUX_O_DIRECTORY && !LINUX_S_ISDIR(inode->type))
        return -LINUX_ENOTDIR;
    if (flags & LINUX_O_PATH)
        return 0;
    if (LINUX_S_ISLNK(inode->type))
        return -LINUX_ELOOP;
    if (LINUX_S_ISDIR(inode->type) && (write || flags & LINUX_O_CREAT))
        return -LINUX_EISDIR;
    if (inode->type == LINUX_S_IFSOCK && !created)
        return -LINUX_ENXIO;
    return 0;
}

static bool is_device(const struct inode *inode)
{
    return inode->type == LINUX_S_IFCHR || inode->type == LINUX_S_IFBLK;
}

static int check_rights(const struct vfs_caller *c, const struct path *p, unsigned flags)
{
    struct inode *inode = p->dentry->inode;
    if (is_device(inode) && vfs_mount_flags(p) & MOUNT_NODEV)
        return -LINUX_EACCES;
    int err = path_permission(c, p, wanted_rights(flags));
    if (err || !(flags & LINUX_O_NOATIME))
        return err;
    struct perm perm;
    err = inode_perm(inode, &perm);
    return err ? err : perm_owner_or_capable(c, perm.uid) ? 0 : -LINUX_EPERM;
}

static uint32_t landlock_rights(const struct inode *inode, unsigned flags)
{
    if (LINUX_S_ISDIR(inode->type))
        return LANDLOCK_READ_DIR;
    unsigned mode = flags & LINUX_O_ACCMODE;
    return (mode == LINUX_O_RDONLY || mode == LINUX_O_RDWR ? (uint32_t)LANDLOCK_READ_FILE : 0) |
           (mode == LINUX_O_WRONLY || mode == LINUX_O_RDWR ? (uint32_t)LANDLOCK_WRITE_FILE : 0);
}

// Before leases are looked at: one that is asked for meanwhile sees the open.
static int count_open(struct file *file)
{
    struct inode *inode = file->inode;
    if (!LINUX_S_ISREG(inode->type))
        return 0;
    if ((atomic_load(&file->flags) & LINUX_O_ACCMODE) == LINUX_O_RDONLY) {
        atomic_fetch_add_explicit(&inode->readers, 1, memory_order_seq_cst);
        file->counted_reader = true;
        return 0;
    }
    int err = mount_add_writer(file->path.mnt);
    if (err)
        return err;
    err = inode_add_writer(inode);
    if (err)
        mount_remove_writer(file->path.mnt);
    file->counted_writer = !err;
    return err;
}

static int call_open(const struct vfs_caller *c, struct file *file)
{
    struct inode *inode = file->inode;
    file->ops = inode->file_ops;
    int err = 0;
    if (inode->ops->open)
        err = inode->ops->open(inode, file, c);
    else if (is_device(inode) || inode->type == LINUX_S_IFIFO)
        err = vfs_open_device(inode, file, c);
    if (!err && !file->ops)
        err = -LINUX_ENXIO;
    return err;
}

// What O_PATH leaves of a file: nothing but its place.
static const struct file_ops path_file_ops = {0};

// In the flags of an open: nobody is told. No flag of Linux.
#define OPEN_UNSEEN (1u << 31)

int open_resolved(const struct vfs_caller *c, const struct path *p, unsigned flags, bool created,
                  struct file **out)
{
    struct inode *inode = p->dentry->inode;
    bool seen = !(flags & OPEN_UNSEEN);
    flags &= ~OPEN_UNSEEN;
    int err = check_kind(inode, flags, created);
    if (!err && !created && !(flags & LINUX_O_PATH))
        err = check_rights(c, p, flags);
    if (!err && !(flags & LINUX_O_PATH))
        err = landlock_check(c, p, landlock_rights(inode, flags));
    if (err)
        return err;
    const unsigned once = LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_TRUNC | LINUX_O_CLOEXEC;
    struct file *file = file_alloc(c->cred, (flags & ~once) | LINUX_O_LARGEFILE);
    if (!file)
        return -LINUX_ENOMEM;
    path_get(p);
    file->path = *p;
    file->inode = inode_get(inode);
    if (flags & LINUX_O_PATH) {
        file->ops = &path_file_ops;
    } else {
        err = count_open(file);
        if (!err)
            err = vfs_break_leases(c, inode, flags);
        if (!err)
            err = call_open(c, file);
        if (err)
            file->ops = &path_file_ops; // nothing to release
        else if (flags & LINUX_O_DIRECT && !(file->ops->traits & FILE_DIRECT))
            err = -LINUX_EINVAL;
        file->notifies = !err && seen && !p->dentry->anonymous;
        notify_file(file, LINUX_IN_OPEN);
        if (!err && flags & LINUX_O_TRUNC && LINUX_S_ISREG(inode->type) && !created)
            err = file_truncate_open(file);
    }
    if (err) {
        file_put(file);
        return err;
    }
    // Terminals look at it when they are opened; it is no state of the file.
    atomic_fetch_and_explicit(&file->flags, ~(uint32_t)LINUX_O_NOCTTY, memory_order_relaxed);
    *out = file;
    return 0;
}

int vfs_open_path(const struct vfs_caller *c, const struct path *p, unsigned flags,
                  struct file **out)
{
    return open_resolved(c, p, flags & ~(unsigned)(LINUX_O_CREAT | LINUX_O_EXCL), false, out);
}

int vfs_open_unseen(const struct vfs_caller *c, const struct path *p, unsigned flags,
                    struct file **out)
{
    return vfs_open_path(c, p, flags | OPEN_UNSEEN, out);
}

static void detached_release(struct file *file)
{
    mount_detached_done(&file->path);
}

static const struct file_ops detached_file_ops = {.release = detached_release};

int vfs_open_detached(const struct vfs_caller *c, struct path *p, struct file **out)
{
    int err = open_resolved(c, p, LINUX_O_PATH, false, out);
    if (err)
        mount_detached_done(p);
    else
        (*out)->ops = &detached_file_ops;
    path_put(p);
    return err;
}

int vfs_unnamed_path(struct vfs *vfs, struct inode *inode, const char *name, struct path *out)
{
    struct dentry *d = dentry_create_anonymous(inode_get(inode), name);
    if (!d)
        return -LINUX_ENOMEM;
    *out = (struct path){mount_get(vfs->unnamed), d};
    return 0;
}

int vfs_open_inode(struct vfs *vfs, struct inode *inode, unsigned flags, const struct cred *cred,
                   const char *name, struct file **out)
{
    struct path p;
    int err = vfs_unnamed_path(vfs, inode, name, &p);
    if (err)
        return err;
    struct vfs_caller c = {.vfs = vfs, .cred = cred, .root = p, .cwd = p};
    err = open_resolved(&c, &p, flags, true, out);
    path_put(&p);
    // The maker's own descriptor of an object without a name keeps nobody from running it.
    if (!err && (*out)->counted_writer) {
        inode_remove_writer(inode);
        mount_remove_writer((*out)->path.mnt);
        (*out)->counted_writer = false;
    }
    return err;
}

// --- Creating ------------------------------------------------------------------------------------

// Makes the regular file `last` in `cur`, whose lock is held and where it does not exist
// (`negative`: the entry that says so, if there is one).
static int create_file(struct walk *w, uint32_t mode, struct dentry *negative, struct dentry **out)
{
    struct dentry *dir = w->cur.dentry;
    const struct vfs_caller *c = w->c;
    int err = perm_may_create(c, &w->cur);
    struct inode *inode = NULL;
    struct acl_inherited lists;
    mode &= LINUX_S_IALLPERM;
    if (!err) { // before the file, after which nothing may fail
        *out = dentry_create(c->vfs, dir, w->last, w->last_len, NULL, false);
        err = *out ? 0 : -LINUX_ENOMEM;
    }
    if (!err)
        err = acl_inherit_begin(c, dir->inode, &mode, &lists);
    if (err)
        return err;
    err = dir->inode->ops->create(dir->inode, w->last, mode, c, &inode);
    if (!err)
        err = acl_inherit(inode, &lists);
    acl_inherit_end(&lists);
    if (err) {
        if (inode && dir->inode->ops->unlink(dir->inode, w->last, inode, false))
            err = -LINUX_EIO; // it stays, without the list it should have
        inode_put(inode);
        return err;
    }
    if (negative)
        dentry_unhash(c->vfs, negative);
    dentry_fill(c->vfs, *out, inode);
    notify_name(c->vfs, dir->inode, LINUX_IN_CREATE, w->last, false, 0);
    return 0;
}

static struct dentry *find_known(const struct walk *w)
{
    return dentry_find_hashed(w->c->vfs, w->cur.dentry, w->last, w->last_len, w->last_hash);
}

// Makes a file of which nothing is known without asking first whether it is there: creation itself
// will say. Whatever is in the way, the long way tells what it is.
static bool create_unasked(struct walk *w, uint32_t mode, struct dentry **out)
{
    struct dentry *dir = w->cur.dentry, *made = NULL;
    if (landlock_check(w->c, &w->cur, LANDLOCK_MAKE_REG))
        return false;
    lock_acquire(&dir->inode->lock);
    struct dentry *known = find_known(w);
    bool done = !known && !create_file(w, mode, NULL, &made);
    lock_release(&dir->inode->lock);
    dentry_put(known);
    if (done)
        *out = made;
    else
        dentry_put(made);
    return done;
}

// The slow half of find_or_create: with the directory locked, where somebody may have been faster.
static int create_locked(struct walk *w, uint32_t mode, struct dentry **out, bool *created)
{
    struct dentry *dir = w->cur.dentry, *negative, *made = NULL;
    lock_acquire(&dir->inode->lock);
    int err = dir_lookup(w->c, dir, w->last, w->last_len, true, out);
    negative = *out;
    if (!err && !negative->inode)
        err = create_file(w, mode, negative, &made);
    *created = made && !err;
    lock_release(&dir->inode->lock);
    if (*created || err) {
        dentry_put(negative);
        *out = *created ? made : NULL;
    }
    if (err)
        dentry_put(made);
    return err;
}

// A sticky directory that everybody may write to holds traps: what others put there is not opened
// by those who meant to create. (Regular files and FIFOs have sysctls of their own, which are 0.)
static int check_sticky(const struct walk *w, struct inode *inode)
{
    struct perm dir, there;
    if (inode->type == LINUX_S_IFREG || inode->type == LINUX_S_IFIFO)
        return 0;
    int err = inode_perm(w->cur.dentry->inode, &dir);
    if (err || !(dir.mode & LINUX_S_ISVTX) || !(dir.mode & LINUX_S_IWOTH))
        return err;
    err = inode_perm(inode, &there);
    if (err || there.uid == dir.uid || there.uid == w->c->cred->fsuid)
        return err;
    return -LINUX_EACCES;
}

// Finds or makes `last`. *created tells which.
static int find_or_create(struct walk *w, uint32_t mode, struct dentry **out, bool *created)
{
    struct dentry *dir = w->cur.dentry;
    if (!LINUX_S_ISDIR(dir->inode->type))
        return -LINUX_ENOTDIR;
    int err = 0;
    *out = NULL;
    if (dir->super->flags & SUPER_EXCLUSIVE) {
        *out = find_known(w);
        *created = !*out && create_unasked(w, mode, out);
        if (*created)
            return 0;
    }
    if (!*out)
        err = dir_lookup(w->c, dir, w->last, w->last_len, false, out);
    if (err || (*out)->inode)
        return err;
    dentry_put(*out);
    *out = NULL;
    if (!dir->inode->ops->create)
        return dir->super->flags & SUPER_FIXED_NAMES ? -LINUX_ENOENT : -LINUX_EACCES;
    err = landlock_check(w->c, &w->cur, LANDLOCK_MAKE_REG);
    if (err)
        return err;
    return create_locked(w, mode, out, created);
}

static int open_create(struct walk *w, unsigned flags, uint32_t mode, struct file **out)
{
    bool nofollow = flags & (LINUX_O_NOFOLLOW | LINUX_O_EXCL);
    for (;;) {
        if (w->kind != WALK_LAST_NAME) {
            if (flags & LINUX_O_EXCL)
                return -LINUX_EEXIST;
            return open_resolved(w->c, &w->cur, flags, false, out);
        }
        if (w->must_be_dir)
            return -LINUX_EISDIR;
        bool created = false;
        struct path p = {NULL, NULL};
        int err = find_or_create(w, mode, &p.dentry, &created);
        if (err)
            return err;
        p.mnt = mount_get(w->cur.mnt);
        if (!created && flags & LINUX_O_EXCL) {
            err = -LINUX_EEXIST;
        } else if (!created && LINUX_S_ISLNK(p.dentry->inode->type) && !nofollow) {
            err = walk_into_link(w, &p);
            path_put(&p);
            if (err)
                return err;
            continue;
        }
        if (!err && !created)
            mount_cross(w->c->vfs, &p);
        if (!err && w->flags & WALK_NO_XDEV && p.mnt != w->cur.mnt)
            err = -LINUX_EXDEV;
        if (!err && !created && !LINUX_S_ISDIR(p.dentry->inode->type))
            err = check_sticky(w, p.dentry->inode);
        if (!err)
            err = open_resolved(w->c, &p, flags, created, out);
        path_put(&p);
        return err;
    }
}

static int open_tmpfile(struct walk *w, unsigned flags, uint32_t mode, struct file **out)
{
    const struct vfs_caller *c = w->c;
    int err = walk_last(w, !(flags & LINUX_O_NOFOLLOW));
    if (err)
        return err;
    struct inode *dir = w->cur.dentry->inode, *inode;
    if (!LINUX_S_ISDIR(dir->type))
        return -LINUX_ENOTDIR;
    err = perm_may_create(c, &w->cur);
    if (err)
        return err;
    if (!dir->ops->tmpfile)
        return -LINUX_EOPNOTSUPP;
    struct acl_inherited lists;
    mode &= LINUX_S_IALLPERM;
    err = acl_inherit_begin(c, dir, &mode, &lists);
    if (err)
        return err;
    err = dir->ops->tmpfile(dir, mode, c, &inode);
    if (!err) {
        err = acl_inherit(inode, &lists);
        if (err)
            inode_put(inode);
    }
    acl_inherit_end(&lists);
    if (err)
        return err;
    char name[32];
    int len = snprintf(name, sizeof name, "#%llu", (unsigned long long)inode->ino);
    struct path p = {mount_get(w->cur.mnt),
                     dentry_create(c->vfs, w->cur.dentry, name, (size_t)len, inode, false)};
    err = -LINUX_ENOMEM;
    if (p.dentry) {
        atomic_store_explicit(&p.dentry->deleted, true, memory_order_relaxed);
        err = open_resolved(c, &p, flags & ~(unsigned)LINUX_O_TMPFILE, true, out);
    }
    path_put(&p);
    if (!err && !(flags & LINUX_O_EXCL))
        atomic_store_explicit(&(*out)->inode->linkable, true, memory_order_relaxed);
    return err;
}

static int normalize_flags(unsigned *flags)
{
    if (*flags & LINUX_O_PATH) {
        *flags &= LINUX_O_PATH | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC;
        return 0;
    }
    if (*flags & LINUX_O_TMPFILE_BIT) {
        if ((*flags & LINUX_O_TMPFILE) != LINUX_O_TMPFILE || *flags & LINUX_O_CREAT ||
            (*flags & LINUX_O_ACCMODE) == LINUX_O_RDONLY)
            return -LINUX_EINVAL;
        return 0;
    }
    if ((*flags & (LINUX_O_CREAT | LINUX_O_DIRECTORY)) == (LINUX_O_CREAT | LINUX_O_DIRECTORY))
        return -LINUX_EINVAL;
    return 0;
}

int vfs_open(const struct vfs_caller *c, const struct path *base, const char *name, unsigned flags,
             uint32_t mode, unsigned resolve, struct file **out)
{
    int err = normalize_flags(&flags);
    if (err)
        return err;
    struct walk w;
    err = walk_begin(&w, c, base, name, resolve);
    if (!err)
        err = walk_parent(&w);
    if (err) {
        walk_end(&w);
        return err;
    }
    if (flags & LINUX_O_TMPFILE_BIT) {
        err = open_tmpfile(&w, flags, mode, out);
    } else if (flags & LINUX_O_CREAT) {
        err = open_create(&w, flags, mode, out);
    } else {
        err = walk_last(&w, !(flags & LINUX_O_NOFOLLOW));
        if (!err)
            err = open_resolved(c, &w.cur, flags, false, out);
    }
    walk_end(&w);
    return err;
}
