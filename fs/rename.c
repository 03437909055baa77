// rename(2), renameat2(2).
#include "fs/landlock.h"
#include "fs/notify.h"
#include "fs/path.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

// One rename: both parents walked to, then both entries.
struct renaming {
    const struct vfs_caller *c;
    struct walk from, to;
    struct dentry *source, *target; // referenced; target may be negative
    struct inode *whiteout;         // referenced; NULL: none
    unsigned flags;
    bool locks; // the directories are locked
    struct landlock_move move;
};

// An ancestor is locked before what is below it, which is the order rmdir has; directories that are
// not related go by address. Renames across directories are one at a time, so nothing else decides.
// Where names change behind our back, a directory may have several entries, and what they say of
// who is above whom may be out of date: there, whoever locks two directories is the only one.
// Directories in which nothing can be renamed are not locked: looking a name up in one of the
// kernel's own may need locks that come before theirs.
static void lock_dirs(struct renaming *r) NO_TSA
{
    struct dentry *a = r->from.cur.dentry, *b = r->to.cur.dentry;
    bool one = a->inode == b->inode;
    r->locks = a->inode->ops->rename || b->inode->ops->rename;
    if (!r->locks)
        return;
    if (!one || a->super->flags & SUPER_NO_DCACHE)
        lock_acquire(&a->super->rename_lock);
    if (one) {
        lock_acquire(&a->inode->lock);
        return;
    }
    bool swap = dentry_is_below(r->c->vfs, a, b);
    if (!swap && !dentry_is_below(r->c->vfs, b, a))
        swap = (uintptr_t)b < (uintptr_t)a;
    lock_acquire(swap ? &b->inode->lock : &a->inode->lock);
    lock_acquire_nested(swap ? &a->inode->lock : &b->inode->lock);
}

static void unlock_dirs(struct renaming *r) NO_TSA
{
    struct dentry *a = r->from.cur.dentry, *b = r->to.cur.dentry;
    bool one = a->inode == b->inode;
    if (!r->locks)
        return;
    lock_release(&a->inode->lock);
    if (!one)
        lock_release(&b->inode->lock);
    if (!one || a->super->flags & SUPER_NO_DCACHE)
        lock_release(&a->super->rename_lock);
}

static int find_entries(struct renaming *r)
{
    int err =
        dir_lookup(r->c, r->from.cur.dentry, r->from.last, r->from.last_len, r->locks, &r->source);
    if (!err && !r->source->inode)
        err = -LINUX_ENOENT;
    if (!err)
        err = dir_lookup(r->c, r->to.cur.dentry, r->to.last, r->to.last_len, r->locks, &r->target);
    if (!err && !r->target->inode && r->to.cur.dentry->super->flags & SUPER_FIXED_NAMES)
        err = -LINUX_ENOENT; // a name that cannot be
    if (!err && r->flags & LINUX_RENAME_NOREPLACE && r->target->inode)
        err = -LINUX_EEXIST;
    if (!err && r->flags & LINUX_RENAME_EXCHANGE && !r->target->inode)
        err = -LINUX_ENOENT;
    return err;
}

static bool is_dir(const struct dentry *d)
{
    return d->inode && LINUX_S_ISDIR(d->inode->type);
}

// Slashes after a name want a directory there.
static int check_slashes(const struct renaming *r)
{
    bool exchange = r->flags & LINUX_RENAME_EXCHANGE;
    if (!is_dir(r->source) && (r->from.must_be_dir || (!exchange && r->to.must_be_dir)))
        return -LINUX_ENOTDIR;
    if (exchange && r->to.must_be_dir && !is_dir(r->target))
        return -LINUX_ENOTDIR;
    return 0;
}

// Is `dir` the directory `d`, by another entry perhaps, or below it?
static bool is_in(const struct renaming *r, struct dentry *dir, struct dentry *d)
{
    return dir->inode == d->inode || dentry_is_below(r->c->vfs, dir, d);
}

static int check_loops(const struct renaming *r)
{
    if (is_in(r, r->to.cur.dentry, r->source) || r->from.cur.dentry->inode == r->source->inode)
        return -LINUX_EINVAL; // into itself
    if (r->target->inode && r->to.cur.dentry->inode == r->target->inode)
        return -LINUX_EBUSY;
    if (r->target->inode && is_in(r, r->from.cur.dentry, r->target))
        return r->flags & LINUX_RENAME_EXCHANGE ? -LINUX_EINVAL : -LINUX_ENOTEMPTY;
    return 0;
}

static int check_permissions(const struct renaming *r)
{
    bool exchange = r->flags & LINUX_RENAME_EXCHANGE;
    bool across = r->from.cur.dentry != r->to.cur.dentry;
    int err = perm_may_delete(r->c, &r->from.cur, r->source, is_dir(r->source));
    if (!err) {
        if (!r->target->inode)
            err = perm_may_create(r->c, &r->to.cur);
        else
            err = perm_may_delete(r->c, &r->to.cur, r->target,
                                  exchange ? is_dir(r->target) : is_dir(r->source));
    }
    if (!err && !r->from.cur.dentry->inode->ops->rename)
        err = -LINUX_EPERM;
    // A directory that changes its parent changes its "..".
    if (!err && across && is_dir(r->source))
        err = inode_permission(r->c, r->source->inode, LINUX_W_OK);
    if (!err && across && exchange && is_dir(r->target))
        err = inode_permission(r->c, r->target->inode, LINUX_W_OK);
    if (err)
        return err;
    if (atomic_load(&r->source->mounts) > 0 || atomic_load(&r->target->mounts) > 0)
        return -LINUX_EBUSY;
    return 0;
}

static int call_rename(struct renaming *r)
{
    struct dentry *old_dir = r->from.cur.dentry, *new_dir = r->to.cur.dentry;
    struct vfs_rename_args args = {
        .old_dir = old_dir->inode,
        .new_dir = new_dir->inode,
        .inode = r->source->inode,
        .target = r->target->inode,
        .old_name = r->from.last,
        .new_name = r->to.last,
        .flags = r->flags & LINUX_RENAME_EXCHANGE,
    };
    if (r->target->inode)
        args.target_in_use =
            atomic_load(&r->target->refs) > 1 || atomic_load(&r->target->inode->refs) > 1;
    return old_dir->inode->ops->rename(&args);
}

// A whiteout is a device 0:0, which union file systems take for a hole. It is made without a name
// before the rename, which may then still be called off, and gets the old name after it; whatever
// happens in between, it is in nobody's way. The directories are locked meanwhile.
static int rename_and_white_out(struct renaming *r)
{
    struct inode *dir = r->from.cur.dentry->inode;
    if (!(r->flags & LINUX_RENAME_WHITEOUT))
        return call_rename(r);
    if (!dir->ops->tmpfile)
        return -LINUX_EINVAL;
    int err = dir->ops->tmpfile(dir, LINUX_S_IFCHR, r->c, &r->whiteout);
    if (err)
        return err == -LINUX_EOPNOTSUPP ? -LINUX_EINVAL : err;
    err = call_rename(r);
    return err ? err : dir->ops->link(r->whiteout, dir, r->from.last);
}

// Both entries are unhashed; on success they end up hashed in their new places.
static int rename_entries(struct renaming *r)
{
    struct vfs *vfs = r->c->vfs;
    bool exchange = r->flags & LINUX_RENAME_EXCHANGE;
    char *name = NULL; // had before the rename, after which nothing may fail
    if (!exchange && !(name = strdup(r->to.last)))
        return -LINUX_ENOMEM;
    int err = rename_and_white_out(r);
    if (err) {
        free(name);
        return err;
    }
    if (exchange) {
        dentry_swap(vfs, r->source, r->target);
        return 0;
    }
    dentry_move(vfs, r->source, r->to.cur.dentry, name);
    if (r->target->inode)
        atomic_store_explicit(&r->target->deleted, true, memory_order_release);
    return 0;
}

static void notify_move(const struct renaming *r, const struct walk *from, const struct walk *to,
                        struct dentry *moved)
{
    struct vfs *vfs = r->c->vfs;
    uint32_t cookie = notify_cookie(vfs);
    bool dir = is_dir(moved);
    if (from->cur.dentry->inode == to->cur.dentry->inode)
        notify_name(vfs, from->cur.dentry->inode, NOTIFY_RENAME, from->last, dir, 0);
    notify_name(vfs, from->cur.dentry->inode, LINUX_IN_MOVED_FROM, from->last, dir, cookie);
    notify_name(vfs, to->cur.dentry->inode, LINUX_IN_MOVED_TO, to->last, dir, cookie);
}

static void notify_rename(const struct renaming *r)
{
    bool exchange = r->flags & LINUX_RENAME_EXCHANGE;
    notify_move(r, &r->from, &r->to, r->source);
    if (exchange)
        notify_move(r, &r->to, &r->from, r->target);
    else if (r->target->inode)
        notify_inode(r->target->inode, LINUX_IN_ATTRIB); // its number of links
    notify_inode(r->source->inode, LINUX_IN_MOVE_SELF);
    if (exchange)
        notify_inode(r->target->inode, LINUX_IN_MOVE_SELF);
}

static int rename_locked(struct renaming *r) NO_TSA
{
    struct vfs *vfs = r->c->vfs;
    int err = find_entries(r);
    if (!err)
        err = check_slashes(r);
    if (!err)
        err = check_loops(r);
    if (err || r->source->inode == r->target->inode)
        return err; // two names of one object stay as they are
    err = landlock_move_check(&r->move, r->source->inode, r->target->inode, true,
                              r->flags & LINUX_RENAME_EXCHANGE);
    if (!err)
        err = check_permissions(r);
    if (err)
        return err;
    bool target_dir = is_dir(r->target) && !(r->flags & LINUX_RENAME_EXCHANGE);
    if (target_dir) {
        dentry_prune(vfs, r->target);
        lock_acquire_nested(&r->target->inode->lock);
    }
    dentry_unhash(vfs, r->source);
    dentry_unhash(vfs, r->target);
    err = rename_entries(r);
    if (!atomic_load(&r->source->deleted))
        dentry_hash(vfs, r->source);
    if (r->target->inode && !atomic_load(&r->target->deleted))
        dentry_hash(vfs, r->target);
    if (target_dir)
        lock_release(&r->target->inode->lock);
    if (!err && vfs_is_watched(vfs))
        notify_rename(r);
    return err;
}

static int rename_walked(struct renaming *r)
{
    if (r->from.cur.mnt != r->to.cur.mnt)
        return -LINUX_EXDEV;
    if (r->from.kind != WALK_LAST_NAME)
        return -LINUX_EBUSY;
    if (r->to.kind != WALK_LAST_NAME)
        return r->flags & LINUX_RENAME_NOREPLACE ? -LINUX_EEXIST : -LINUX_EBUSY;
    struct inode *old_dir = r->from.cur.dentry->inode, *new_dir = r->to.cur.dentry->inode;
    if (!LINUX_S_ISDIR(old_dir->type) || !LINUX_S_ISDIR(new_dir->type))
        return -LINUX_ENOTDIR;
    landlock_move_begin(r->c, &r->from.cur, &r->to.cur, &r->move);
    lock_dirs(r);
    int err = rename_locked(r);
    unlock_dirs(r);
    if (r->whiteout)
        inode_put(r->whiteout);
    dentry_put(r->source);
    dentry_put(r->target);
    return err;
}

int vfs_rename(const struct vfs_caller *c, const struct path *old_base, const char *old_name,
               const struct path *new_base, const char *new_name, unsigned flags)
{
    const unsigned known = LINUX_RENAME_NOREPLACE | LINUX_RENAME_EXCHANGE | LINUX_RENAME_WHITEOUT;
    if (flags & ~known ||
        (flags & LINUX_RENAME_EXCHANGE && flags & ~(unsigned)LINUX_RENAME_EXCHANGE))
        return -LINUX_EINVAL;
    struct renaming r = {.c = c, .flags = flags};
    int err = walk_begin(&r.from, c, old_base, old_name, 0);
    if (!err)
        err = walk_parent(&r.from);
    int err_to = walk_begin(&r.to, c, new_base, new_name, 0); // begun in any case: it is ended
    if (!err)
        err = err_to;
    if (!err)
        err = walk_parent(&r.to);
    if (!err)
        err = rename_walked(&r);
    walk_end(&r.from);
    walk_end(&r.to);
    return err;
}
