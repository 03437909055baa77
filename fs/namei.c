// mkdir, mknod, symlink, link, unlink, rmdir. Renames are in fs/rename.c.
#include "fs/acl.h"
#include "fs/landlock.h"
#include "fs/notify.h"
#include "fs/path.h"
#include "platform/abi/linux_errno.h"
#include <string.h>

// What a create-like call is about to make.
struct creation {
    uint32_t type, mode; // type: LINUX_S_IF*
    uint64_t rdev;
    const char *target;      // symlink
    struct inode *linked;    // hard link
    const struct mount *mnt; // through which `linked` was found
    struct dentry *old;      // its name
    int refused;             // by the caller's domain
    struct landlock_move move;
};

static int check_linkable(struct inode *inode)
{
    if (LINUX_S_ISDIR(inode->type))
        return -LINUX_EPERM;
    struct vfs_stat st;
    int err = inode->ops->getattr(inode, &st);
    if (err)
        return err;
    return st.nlink > 0 || atomic_load_explicit(&inode->linkable, memory_order_relaxed)
               ? 0
               : -LINUX_ENOENT;
}

static int call_create(const struct vfs_caller *c, struct inode *dir, const char *name,
                       const struct creation *what, struct inode **out)
{
    const struct inode_ops *ops = dir->ops;
    if (what->linked) {
        int err = ops->link ? check_linkable(what->linked) : -LINUX_EPERM;
        if (!err)
            err = ops->link(what->linked, dir, name);
        if (err)
            return err;
        atomic_store_explicit(&what->linked->linkable, false, memory_order_relaxed);
        *out = inode_get(what->linked);
        return 0;
    }
    switch (what->type) {
    case LINUX_S_IFDIR:
        return ops->mkdir ? ops->mkdir(dir, name, what->mode, c, out) : -LINUX_EPERM;
    case LINUX_S_IFLNK:
        return ops->symlink ? ops->symlink(dir, name, what->target, c, out) : -LINUX_EPERM;
    case LINUX_S_IFREG:
        return ops->create ? ops->create(dir, name, what->mode, c, out) : -LINUX_EACCES;
    case LINUX_S_IFCHR:
    case LINUX_S_IFBLK:
        if (!cred_capable(c->cred, LINUX_CAP_MKNOD) &&
            !(what->type == LINUX_S_IFCHR && what->rdev == 0)) // a whiteout is no device
            return -LINUX_EPERM;
        FALLTHROUGH;
    default:
        return ops->mknod ? ops->mknod(dir, name, what->type | what->mode, what->rdev, c, out)
                          : -LINUX_EPERM;
    }
}

// Undoes a creation nobody knows of yet.
static void unmake(struct inode *dir, const char *name, struct inode *made)
{
    const struct inode_ops *ops = dir->ops;
    bool is_dir = LINUX_S_ISDIR(made->type);
    int err = is_dir ? ops->rmdir(dir, name, made, false) : ops->unlink(dir, name, made, false);
    (void)err; // what cannot be removed stays, without its list
    inode_put(made);
}

// Makes it with the mode and the lists its directory gives it.
static int create_with_lists(struct walk *w, const struct creation *what, struct inode **made)
{
    struct inode *dir = w->cur.dentry->inode;
    struct creation make = *what;
    struct acl_inherited lists;
    if (what->linked || what->type == LINUX_S_IFLNK)
        return call_create(w->c, dir, w->last, what, made);
    int err = acl_inherit_begin(w->c, dir, &make.mode, &lists);
    if (err)
        return err;
    err = call_create(w->c, dir, w->last, &make, made);
    if (!err) {
        err = acl_inherit(*made, &lists);
        if (err)
            unmake(dir, w->last, *made);
    }
    acl_inherit_end(&lists);
    return err;
}

// The directory w->cur is locked. *made, if any, is the caller's to put, also on failure.
static int create_locked(struct walk *w, const struct creation *what, struct dentry **negative,
                         struct dentry **made)
{
    struct dentry *dir = w->cur.dentry;
    int err = dir_lookup(w->c, dir, w->last, w->last_len, true, negative);
    if (err)
        return err;
    if ((*negative)->inode)
        return -LINUX_EEXIST;
    if (w->must_be_dir && (what->type != LINUX_S_IFDIR || what->linked))
        return -LINUX_ENOENT;
    if (what->linked && w->cur.mnt != what->mnt)
        return -LINUX_EXDEV;
    err = what->refused;
    if (!err && what->linked)
        err = landlock_move_check(&what->move, what->linked, NULL, false, false);
    if (!err)
        err = perm_may_create(w->c, &w->cur);
    if (!err) { // first, because nothing may fail once the object is there
        *made = dentry_create(w->c->vfs, dir, w->last, w->last_len, NULL, false);
        err = *made ? 0 : -LINUX_ENOMEM;
    }
    struct inode *inode;
    if (!err)
        err = create_with_lists(w, what, &inode);
    if (err)
        return err;
    dentry_unhash(w->c->vfs, *negative);
    dentry_fill(w->c->vfs, *made, inode);
    return 0;
}

// From the directory the object was found in.
static void begin_link(struct walk *w, struct creation *what)
{
    what->move.domain = NULL;
    if (LIKELY(!w->c->cred->landlock) || what->mnt != w->cur.mnt)
        return;
    struct path from = {w->cur.mnt, dentry_parent(w->c->vfs, what->old)};
    landlock_move_begin(w->c, &from, &w->cur, &what->move);
    dentry_put(from.dentry);
}

static int create_in(struct walk *w, struct creation *what)
{
    if (w->kind != WALK_LAST_NAME)
        return -LINUX_EEXIST;
    struct inode *dir = w->cur.dentry->inode;
    if (!LINUX_S_ISDIR(dir->type))
        return -LINUX_ENOTDIR;
    if (!dir->ops->create && !dir->ops->mkdir) { // nothing is ever made here
        struct dentry *d;
        int err = dir_lookup(w->c, w->cur.dentry, w->last, w->last_len, false, &d);
        if (!err) {
            bool fixed = dir->super->flags & SUPER_FIXED_NAMES;
            err = d->inode ? -LINUX_EEXIST : fixed ? -LINUX_ENOENT : -LINUX_EPERM;
            dentry_put(d);
        }
        return err;
    }
    struct dentry *negative = NULL, *made = NULL;
    if (what->linked)
        begin_link(w, what);
    else
        what->refused = landlock_check(w->c, &w->cur, landlock_making(what->type));
    lock_acquire(&dir->lock);
    int err = create_locked(w, what, &negative, &made);
    if (!err && what->linked)
        notify_inode(what->linked, LINUX_IN_ATTRIB); // its number of links
    if (!err)
        notify_name(w->c->vfs, dir, LINUX_IN_CREATE, w->last, LINUX_S_ISDIR(what->type), 0);
    lock_release(&dir->lock);
    dentry_put(negative);
    dentry_put(made);
    return err;
}

static int create_at(const struct vfs_caller *c, const struct path *base, const char *name,
                     struct creation *what)
{
    struct walk w;
    int err = walk_begin(&w, c, base, name, 0);
    if (!err)
        err = walk_parent(&w);
    if (!err)
        err = create_in(&w, what);
    walk_end(&w);
    return err;
}

int vfs_mkdir(const struct vfs_caller *c, const struct path *base, const char *name, uint32_t mode)
{
    const unsigned allowed = 0777 | LINUX_S_ISVTX;
    struct creation what = {.type = LINUX_S_IFDIR, .mode = mode & allowed};
    return create_at(c, base, name, &what);
}

int vfs_mknod(const struct vfs_caller *c, const struct path *base, const char *name, uint32_t mode,
              uint64_t rdev)
{
    struct creation what = {.type = mode & LINUX_S_IFMT, .mode = mode & LINUX_S_IALLPERM};
    switch (what.type) {
    case 0:
        what.type = LINUX_S_IFREG;
        break;
    case LINUX_S_IFREG:
    case LINUX_S_IFIFO:
    case LINUX_S_IFSOCK:
        break;
    case LINUX_S_IFCHR:
    case LINUX_S_IFBLK:
        what.rdev = rdev;
        break;
    case LINUX_S_IFDIR:
        return -LINUX_EPERM;
    default:
        return -LINUX_EINVAL;
    }
    return create_at(c, base, name, &what);
}

int vfs_symlink(const struct vfs_caller *c, const char *target, const struct path *base,
                const char *name)
{
    if (!*target)
        return -LINUX_ENOENT;
    if (strlen(target) >= LINUX_PATH_MAX)
        return -LINUX_ENAMETOOLONG;
    struct creation what = {.type = LINUX_S_IFLNK, .mode = 0777, .target = target};
    return create_at(c, base, name, &what);
}

int vfs_link(const struct vfs_caller *c, const struct path *old, const struct path *base,
             const char *name)
{
    // In Linux's order: what is there already, then other file systems, then rights in the
    // directory, then the object itself.
    struct inode *linked = old->dentry->inode;
    struct creation what = {
        .type = linked->type, .linked = linked, .mnt = old->mnt, .old = old->dentry};
    return create_at(c, base, name, &what);
}

// --- Removing ------------------------------------------------------------------------------------

// Is anybody but the caller (one reference) using an unhashed entry or its object?
static bool in_use(const struct dentry *d)
{
    return atomic_load(&d->refs) > 1 || atomic_load(&d->inode->refs) > 1;
}

// `dir` is locked, `d` its child. Removes the name.
static int remove_entry(const struct vfs_caller *c, struct dentry *dir, struct dentry *d,
                        const char *name, bool want_dir) NO_TSA
{
    const struct inode_ops *ops = dir->inode->ops;
    if (want_dir ? !ops->rmdir : !ops->unlink)
        return -LINUX_EPERM;
    if (atomic_load_explicit(&d->mounts, memory_order_acquire) > 0 || d->inode == dir->inode)
        return -LINUX_EBUSY; // mounted on here, or by the host onto something in it
    if (want_dir) {
        dentry_prune(c->vfs, d);
        lock_acquire_nested(&d->inode->lock);
    }
    dentry_unhash(c->vfs, d); // no new users from here on
    int err = want_dir ? ops->rmdir(dir->inode, name, d->inode, in_use(d))
                       : ops->unlink(dir->inode, name, d->inode, in_use(d));
    if (!err)
        atomic_store_explicit(&d->deleted, true, memory_order_release);
    if (want_dir)
        lock_release(&d->inode->lock);
    if (err)
        dentry_hash(c->vfs, d);
    return err;
}

// In Linux's order: the links of the object, its end when nobody uses it, the name.
static void notify_removal(struct vfs *vfs, struct inode *dir, struct dentry *d, const char *name)
{
    bool is_dir = LINUX_S_ISDIR(d->inode->type);
    if (!is_dir)
        notify_inode(d->inode, LINUX_IN_ATTRIB);
    if (atomic_load(&d->refs) == 1)
        notify_gone(d);
    notify_name(vfs, dir, LINUX_IN_DELETE, name, is_dir, 0);
}

static int remove_locked(struct walk *w, bool want_dir, int refused, struct dentry **victim)
{
    struct dentry *dir = w->cur.dentry;
    int err = dir_lookup(w->c, dir, w->last, w->last_len, true, victim);
    if (err)
        return err;
    struct dentry *d = *victim;
    if (!d->inode)
        return -LINUX_ENOENT;
    if (!want_dir && w->must_be_dir)
        return LINUX_S_ISDIR(d->inode->type) ? -LINUX_EISDIR : -LINUX_ENOTDIR;
    err = refused ? refused : perm_may_delete(w->c, &w->cur, d, want_dir);
    if (!err)
        err = remove_entry(w->c, dir, d, w->last, want_dir);
    if (!err && vfs_is_watched(w->c->vfs))
        notify_removal(w->c->vfs, dir->inode, d, w->last);
    return err;
}

static int remove_at(const struct vfs_caller *c, const struct path *base, const char *name,
                     bool want_dir) NO_TSA
{
    struct walk w;
    int err = walk_begin(&w, c, base, name, 0);
    if (!err)
        err = walk_parent(&w);
    if (!err && w.kind != WALK_LAST_NAME) {
        if (!want_dir)
            err = -LINUX_EISDIR;
        else
            err = w.kind == WALK_LAST_DOTDOT ? -LINUX_ENOTEMPTY
                  : w.kind == WALK_LAST_DOT  ? -LINUX_EINVAL
                                             : -LINUX_EBUSY;
    }
    if (!err && !LINUX_S_ISDIR(w.cur.dentry->inode->type))
        err = -LINUX_ENOTDIR;
    struct dentry *victim = NULL;
    if (!err) {
        struct inode *dir = w.cur.dentry->inode;
        bool locks = dir->ops->unlink || dir->ops->rmdir;
        int refused = landlock_check(
            c, &w.cur, want_dir ? (uint32_t)LANDLOCK_REMOVE_DIR : (uint32_t)LANDLOCK_REMOVE_FILE);
        // As lock_dirs in rename.c.
        bool alone = locks && want_dir && dir->super->flags & SUPER_NO_DCACHE;
        if (alone)
            lock_acquire(&dir->super->rename_lock);
        if (locks)
            lock_acquire(&dir->lock);
        err = remove_locked(&w, want_dir, refused, &victim);
        if (locks)
            lock_release(&dir->lock);
        if (alone)
            lock_release(&dir->super->rename_lock);
    }
    dentry_put(victim);
    walk_end(&w);
    return err;
}

int vfs_unlink(const struct vfs_caller *c, const struct path *base, const char *name)
{
    return remove_at(c, base, name, false);
}

int vfs_rmdir(const struct vfs_caller *c, const struct path *base, const char *name)
{
    return remove_at(c, base, name, true);
}
