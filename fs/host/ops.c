// Names and attributes of host objects.
#include "fs/host/host_fs.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int host_lookup(struct inode *dir, const char *name, const struct vfs_caller *c,
                       struct inode **out)
{
    struct host_node *parent = host_node_of(dir);
    struct host_fs *fs = parent->fs;
    struct host_stat st;
    char spelling[LINUX_NAME_MAX + 1];
    int dir_fd;
    int err = host_spelling(fs, &name, spelling);
    if (!err)
        err = host_dir_pin(parent, &dir_fd);
    if (err)
        return err;
    err = host_stat(dir_fd, name, &st);
    host_dir_done(parent);
    if (err)
        return err;
    if (fs->owned && st.dev != fs->root_dev) {
        log_printf(fs->log, LOG_FS, "refused a host mount inside the root: %s", name);
        return -LINUX_EXDEV;
    }
    if (!fs->owned && vfs_is_hidden(c->vfs, st.dev, st.ino))
        return -LINUX_EACCES;
    return host_node_get(fs, &st, NULL, 0, parent, name, out);
}

// --- Creating ------------------------------------------------------------------------------------

struct making {
    struct host_fs *fs;
    struct host_place place; // place.parent is borrowed
    struct host_meta meta;
    const char *target; // symlink
    int fd;             // open contents, or -1
    struct host_stat st;
    uint64_t recorded;
};

static int make_host_object(struct making *m)
{
    struct host_fs *fs = m->fs;
    const struct host_place *at = &m->place;
    uint32_t mode = fs->policy->create_mode(&m->meta);
    int err;
    switch (m->meta.mode & LINUX_S_IFMT) {
    case LINUX_S_IFDIR:
        err = host_mkdir(at->dir_fd, at->name, mode);
        return err ? err : host_stat(at->dir_fd, at->name, &m->st);
    case LINUX_S_IFLNK:
        err = host_symlink(m->target, at->dir_fd, at->name);
        return err ? err : host_stat(at->dir_fd, at->name, &m->st);
    default: // devices, FIFOs and sockets are empty files
        m->fd = host_fs_open(fs, at->dir_fd, at->name, LINUX_O_RDWR | LINUX_O_CREAT | LINUX_O_EXCL,
                             mode);
        return m->fd < 0 ? m->fd : host_fstat(m->fd, &m->st);
    }
}

static void unmake_host_object(const struct making *m)
{
    const struct host_place *at = &m->place;
    int err = LINUX_S_ISDIR(m->meta.mode) ? host_rmdir(at->dir_fd, at->name)
                                          : host_unlink(at->dir_fd, at->name);
    if (err)
        log_printf(m->fs->log, LOG_FS, "a half-made %s stays", at->name);
    host_close(m->fd);
}

// Gives the node of a new regular file the descriptor it was made with: it is about to be opened.
static void keep_descriptor(struct inode *inode, int fd)
{
    struct host_node *node = host_node_of(inode);
    if (!LINUX_S_ISREG(inode->type)) {
        host_close(fd);
        return;
    }
    struct host_fd *h = host_fd_create(fd, true);
    lock_acquire(&node->fs->node_lock);
    if (h && !node->fd) {
        node->fd = h;
        h = NULL;
    }
    lock_release(&node->fs->node_lock);
    host_fd_put(h);
}

static int make(struct making *m, struct inode **out)
{
    struct host_fs *fs = m->fs;
    m->fd = -1;
    int err = make_host_object(m);
    if (err) {
        host_close(m->fd);
        return err;
    }
    err = fs->policy->created(fs, &m->st, &m->meta, &m->place, m->fd, &m->recorded);
    if (!err)
        err = host_node_get(fs, &m->st, &m->meta, m->recorded, m->place.parent, m->place.name, out);
    if (err) {
        unmake_host_object(m);
        return err;
    }
    host_attr_changed(host_node_of(*out)); // the final mode came after `st`
    if (m->fd >= 0)
        keep_descriptor(*out, m->fd);
    return 0;
}

static int make_with(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
                     const char *target, const struct vfs_caller *c, struct inode **out)
{
    struct host_node *parent = host_node_of(dir);
    struct making m = {.fs = parent->fs, .place = {.parent = parent}, .target = target};
    inode_new_owner(dir, c, &mode, &m.meta.uid, &m.meta.gid);
    m.meta.mode = mode;
    m.meta.rdev = rdev;
    int err = host_spelling(parent->fs, &name, m.place.name);
    if (err)
        return err;
    if (name != m.place.name)
        memcpy(m.place.name, name, strlen(name) + 1);
    err = host_dir_pin(parent, &m.place.dir_fd);
    if (err)
        return err;
    err = make(&m, out);
    host_dir_done(parent);
    host_attr_changed(parent);
    return err;
}

static int host_create(struct inode *dir, const char *name, uint32_t mode,
                       const struct vfs_caller *c, struct inode **out)
{
    return make_with(dir, name, LINUX_S_IFREG | (mode & LINUX_S_IALLPERM), 0, NULL, c, out);
}

static int host_mkdir_op(struct inode *dir, const char *name, uint32_t mode,
                         const struct vfs_caller *c, struct inode **out)
{
    return make_with(dir, name, LINUX_S_IFDIR | (mode & LINUX_S_IALLPERM), 0, NULL, c, out);
}

static int host_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
                      const struct vfs_caller *c, struct inode **out)
{
    if (!host_node_of(dir)->fs->owned)
        return -LINUX_EPERM;
    int err = make_with(dir, name, mode, rdev, NULL, c, out);
    if (!err)
        host_fd_close_idle(host_node_of(*out)); // nobody is about to open it
    return err;
}

static int host_symlink_op(struct inode *dir, const char *name, const char *target,
                           const struct vfs_caller *c, struct inode **out)
{
    return make_with(dir, name, LINUX_S_IFLNK | 0777, 0, target, c, out);
}

static int host_tmpfile(struct inode *dir, uint32_t mode, const struct vfs_caller *c,
                        struct inode **out)
{
    struct host_fs *fs = host_node_of(dir)->fs;
    if (fs->staging_fd < 0)
        return -LINUX_EOPNOTSUPP;
    struct making m = {.fs = fs, .place = {.dir_fd = fs->staging_fd}};
    snprintf(m.place.name, sizeof m.place.name, "%llu",
             (unsigned long long)atomic_fetch_add_explicit(&fs->staged, 1, memory_order_relaxed));
    if (!(mode & LINUX_S_IFMT))
        mode |= LINUX_S_IFREG;
    inode_new_owner(dir, c, &mode, &m.meta.uid, &m.meta.gid);
    m.meta.mode = mode;
    int err = make(&m, out);
    if (!err)
        host_node_of(*out)->staged = true;
    return err;
}

// --- Links and removal ---------------------------------------------------------------------------

// The host has done it: what fails from here on is only noted.
static void note_failure(struct host_fs *fs, int err, const char *name)
{
    if (err)
        log_printf(fs->log, LOG_ERROR, "%s: error %d after the fact", name, err);
}

// The first name of a file made without one: it moves out of the staging directory, so that at no
// moment it is in both places or in none.
static int leave_staging(struct host_node *node, struct host_node *parent, int dir_fd,
                         const char *name)
{
    struct host_fs *fs = node->fs;
    char staged[LINUX_NAME_MAX + 1] = "";
    struct host_name *given = host_name_make(parent, name);
    if (!given)
        return -LINUX_ENOMEM;
    host_rename_begin(node, NULL);
    lock_acquire(&fs->node_lock);
    const struct host_name *n = list_first(&node->names, struct host_name, link);
    memcpy(staged, n->name, strlen(n->name) + 1);
    lock_release(&fs->node_lock);
    int err = host_rename(fs->staging_fd, staged, dir_fd, name, 0);
    if (!err) {
        host_name_give(node, given);
        host_name_remove(node, NULL, staged);
        node->staged = false;
    }
    host_rename_end(node, NULL);
    if (err)
        free(given);
    return err;
}

static int add_link(struct host_node *node, struct host_node *parent, int dir_fd, const char *name)
{
    struct host_place place;
    struct host_name *given = host_name_make(parent, name);
    int err = given ? host_place_find(node, &place) : -LINUX_ENOMEM;
    if (!err) {
        err = host_link(place.dir_fd, place.name, dir_fd, name);
        host_place_done(&place);
    }
    if (err)
        free(given);
    else
        host_name_give(node, given);
    return err;
}

static int host_link_op(struct inode *inode, struct inode *dir, const char *name)
{
    struct host_node *node = host_node_of(inode), *parent = host_node_of(dir);
    struct host_fs *fs = node->fs;
    if (parent->fs != fs)
        return -LINUX_EXDEV;
    char spelling[LINUX_NAME_MAX + 1];
    int dir_fd;
    int err = host_spelling(fs, &name, spelling);
    if (!err)
        err = host_dir_pin(parent, &dir_fd);
    if (err)
        return err;
    err = node->staged ? leave_staging(node, parent, dir_fd, name)
                       : add_link(node, parent, dir_fd, name);
    host_dir_done(parent);
    if (!err && fs->policy->named)
        err = fs->policy->named(node, NULL, NULL, true);
    host_attr_changed(node);
    host_attr_changed(parent);
    return err;
}

// An object is about to lose a name. An object in use stays reachable by a descriptor, and keeps
// its metadata until it is closed.
struct removal {
    struct host_node *node;
    bool in_use; // and the node is held
    bool last;   // of its names, as far as that matters
};

static int removal_begin(struct removal *r, struct inode *inode, bool in_use)
{
    struct host_node *node = host_node_of(inode);
    // Of several names, whether this is the last is known only afterwards.
    in_use |= node->linked;
    *r = (struct removal){.node = node, .in_use = in_use, .last = true};
    if (in_use)
        return host_node_hold(node);
    if (!node->recorded || LINUX_S_ISDIR(node->host_type))
        return 0; // nothing hangs on it
    struct host_stat st;
    int err = host_node_stat(node, &st);
    r->last = st.nlink <= 1;
    return err;
}

// The name stays.
static void removal_cancel(const struct removal *r)
{
    if (r->in_use)
        host_node_unhold(r->node);
}

static void removal_end(const struct removal *r, struct host_node *parent, const char *name)
{
    struct host_node *node = r->node;
    struct host_fs *fs = node->fs;
    bool last = r->last;
    struct host_stat st;
    host_attr_changed(node);
    if (r->in_use && !LINUX_S_ISDIR(node->host_type))
        last = !host_node_stat(node, &st) && st.nlink == 0;
    if (last || !r->in_use)
        host_node_forget(node); // the host may use its inode again
    if (!last) {
        if (fs->policy->named && fs->policy->named(node, parent, name, false))
            log_printf(fs->log, LOG_FS, "the note where %s was is out of date", name);
        if (r->in_use)
            host_node_unhold(node);
    } else if (r->in_use) {
        lock_acquire(&fs->node_lock);
        node->removed = true; // its metadata goes at the last close
        lock_release(&fs->node_lock);
    } else {
        fs->policy->removed(node);
    }
}

static int remove_name(struct inode *dir, const char *name, struct inode *inode, bool in_use,
                       int (*host_remove)(int dir_fd, const char *name))
{
    struct host_node *parent = host_node_of(dir);
    struct removal r;
    char spelling[LINUX_NAME_MAX + 1];
    int dir_fd;
    int err = host_spelling(parent->fs, &name, spelling);
    if (!err)
        err = removal_begin(&r, inode, in_use);
    if (err)
        return err;
    err = host_dir_pin(parent, &dir_fd);
    if (!err) {
        host_rename_begin(r.node, NULL);
        err = host_remove(dir_fd, name);
        if (!err)
            host_name_remove(r.node, parent, name);
        host_rename_end(r.node, NULL);
        host_dir_done(parent);
    }
    if (err) {
        removal_cancel(&r);
        return err;
    }
    removal_end(&r, parent, name);
    host_attr_changed(parent);
    return 0;
}

static int host_unlink_op(struct inode *dir, const char *name, struct inode *inode, bool in_use)
{
    return remove_name(dir, name, inode, in_use, host_unlink);
}

static int host_rmdir_op(struct inode *dir, const char *name, struct inode *inode, bool in_use)
{
    return remove_name(dir, name, inode, in_use, host_rmdir);
}

// --- Renames -------------------------------------------------------------------------------------

static void move_name(struct host_node *node, struct host_node *old_dir, const char *old_name,
                      struct host_name *new)
{
    host_name_give(node, new);
    host_name_remove(node, old_dir, old_name);
    host_attr_changed(node);
}

static bool is_dir(const struct inode *inode)
{
    return LINUX_S_ISDIR(inode->type);
}

// The host has renamed: now the nodes. Notes about directories are made in the same breath, so that
// their order is that of the paths; two that changed places are one note.
static void move_names(const struct vfs_rename_args *a, struct host_name *name,
                       struct host_name *other_name, uint64_t *note)
{
    struct host_node *from = host_node_of(a->old_dir), *to = host_node_of(a->new_dir);
    struct host_fs *fs = from->fs;
    bool exchange = a->flags & LINUX_RENAME_EXCHANGE;
    lock_acquire(&fs->names_lock);
    if (exchange)
        move_name(host_node_of(a->target), to, a->new_name, other_name);
    else if (a->target)
        host_name_remove(host_node_of(a->target), to, a->new_name);
    move_name(host_node_of(a->inode), from, a->old_name, name);
    if (fs->policy->dir_moved && is_dir(a->inode))
        note_failure(fs,
                     fs->policy->dir_moved(fs, from, a->old_name, to, a->new_name,
                                           exchange && is_dir(a->target), note),
                     a->new_name);
    else if (fs->policy->dir_moved && exchange && is_dir(a->target))
        note_failure(fs, fs->policy->dir_moved(fs, to, a->new_name, from, a->old_name, false, note),
                     a->old_name);
    lock_release(&fs->names_lock);
}

static int rename_on_host(const struct vfs_rename_args *a, uint64_t *note)
{
    struct host_node *from = host_node_of(a->old_dir), *to = host_node_of(a->new_dir);
    struct host_node *node = host_node_of(a->inode);
    struct host_node *other = a->target ? host_node_of(a->target) : NULL;
    bool exchange = a->flags & LINUX_RENAME_EXCHANGE;
    int from_fd, to_fd;
    int err = host_dir_pin(from, &from_fd);
    if (err)
        return err;
    // What the nodes are called afterwards is had before.
    struct host_name *name = host_name_make(to, a->new_name);
    struct host_name *other_name = exchange ? host_name_make(from, a->old_name) : NULL;
    err = name && (other_name || !exchange) ? host_dir_pin(to, &to_fd) : -LINUX_ENOMEM;
    if (!err) {
        host_rename_begin(node, other);
        err = host_rename(from_fd, a->old_name, to_fd, a->new_name, a->flags);
        if (!err)
            move_names(a, name, other_name, note);
        host_rename_end(node, other);
        host_dir_done(to);
    }
    host_dir_done(from);
    if (err) {
        free(name);
        free(other_name);
    }
    return err;
}

// What else there is to note, and waiting until it lasts.
static void settle_rename(const struct vfs_rename_args *a, uint64_t note)
{
    struct host_fs *fs = host_node_of(a->inode)->fs;
    const struct host_policy *policy = fs->policy;
    if (policy->named && !is_dir(a->inode))
        note_failure(
            fs, policy->named(host_node_of(a->inode), host_node_of(a->old_dir), a->old_name, true),
            a->new_name);
    if (policy->named && a->flags & LINUX_RENAME_EXCHANGE && !is_dir(a->target))
        note_failure(
            fs, policy->named(host_node_of(a->target), host_node_of(a->new_dir), a->new_name, true),
            a->old_name);
    if (policy->settled)
        note_failure(fs, policy->settled(fs, note), a->new_name);
}

static int rename_spelt(const struct vfs_rename_args *a)
{
    struct removal replaced;
    bool replaces = a->target && !(a->flags & LINUX_RENAME_EXCHANGE);
    uint64_t note = 0;
    int err = 0;
    if (replaces)
        err = removal_begin(&replaced, a->target, a->target_in_use);
    if (err)
        return err;
    err = rename_on_host(a, &note);
    if (err) {
        if (replaces)
            removal_cancel(&replaced);
        return err;
    }
    settle_rename(a, note);
    if (replaces)
        removal_end(&replaced, host_node_of(a->new_dir), a->new_name);
    host_attr_changed(host_node_of(a->old_dir));
    host_attr_changed(host_node_of(a->new_dir));
    return 0;
}

static int host_rename_op(const struct vfs_rename_args *a)
{
    const struct host_fs *fs = host_node_of(a->inode)->fs;
    struct vfs_rename_args spelt = *a;
    char old_name[LINUX_NAME_MAX + 1], new_name[LINUX_NAME_MAX + 1];
    int err = host_spelling(fs, &spelt.old_name, old_name);
    if (!err)
        err = host_spelling(fs, &spelt.new_name, new_name);
    return err ? err : rename_spelt(&spelt);
}

// --- Attributes ----------------------------------------------------------------------------------

// Host devices as the guest sees them: its root is the file system's own number.
static uint64_t guest_dev(struct host_fs *fs, uint64_t dev)
{
    if (dev == fs->root_dev)
        return fs->super->dev;
    uint64_t result = fs->super->dev;
    lock_acquire(&fs->table_lock);
    for (unsigned i = 0; i < fs->dev_count; i++)
        if (fs->devs[i] == dev)
            result = fs->guest_devs[i];
    if (result == fs->super->dev && fs->dev_count < HOST_DEVS_MAX) {
        fs->devs[fs->dev_count] = dev;
        result = fs->guest_devs[fs->dev_count++] = vfs_new_dev(fs->vfs);
    }
    lock_release(&fs->table_lock);
    return result;
}

static int host_getattr(struct inode *inode, struct vfs_stat *out)
{
    struct host_node *node = host_node_of(inode);
    struct host_fs *fs = node->fs;
    struct host_stat st;
    int err = host_node_stat(node, &st);
    if (err)
        return err;
    if (!fs->owned) {
        struct host_meta meta;
        uint64_t ignored;
        err = fs->policy->load(fs, &st, &meta, &ignored);
        if (err)
            return err;
        atomic_store_explicit(&inode->mode, meta.mode, memory_order_relaxed);
        atomic_store_explicit(&inode->uid, meta.uid, memory_order_relaxed);
        atomic_store_explicit(&inode->gid, meta.gid, memory_order_relaxed);
    }
    bool special = !LINUX_S_ISREG(inode->type) && LINUX_S_ISREG(node->host_type);
    *out = (struct vfs_stat){
        .dev = guest_dev(fs, st.dev),
        .ino = st.ino,
        .rdev = inode->rdev,
        .mode = atomic_load_explicit(&inode->mode, memory_order_relaxed),
        .uid = atomic_load_explicit(&inode->uid, memory_order_relaxed),
        .gid = atomic_load_explicit(&inode->gid, memory_order_relaxed),
        .nlink = node->staged ? 0 : st.nlink,
        .size = special ? 0 : st.size,
        .blocks = st.blocks,
        .blksize = st.blksize,
        .atime = st.atime,
        .mtime = st.mtime,
        .ctime = st.ctime,
        .btime = st.btime,
    };
    return 0;
}

static int set_times(struct host_node *node, const struct vfs_setattr *attr)
{
    int64_t atime = attr->mask & ATTR_ATIME ? attr->atime : HOST_TIME_UNKNOWN;
    int64_t mtime = attr->mask & ATTR_MTIME ? attr->mtime : HOST_TIME_UNKNOWN;
    struct host_place place;
    int err = host_place_find(node, &place);
    if (err == -LINUX_ENOENT) { // no name left, or the root
        int fd;
        err = host_node_open_any(node, &fd);
        if (!err) {
            err = host_futimes(fd, atime, mtime);
            host_close(fd);
        }
    } else if (!err) {
        err = host_utimes(place.dir_fd, place.name, atime, mtime);
        host_place_done(&place);
    }
    if (!err && node->fs->policy->times_set)
        node->fs->policy->times_set(node);
    return err;
}

static int set_meta(struct inode *inode, const struct vfs_setattr *attr)
{
    struct host_node *node = host_node_of(inode);
    struct host_meta from = {
        .mode = atomic_load_explicit(&inode->mode, memory_order_relaxed),
        .uid = atomic_load_explicit(&inode->uid, memory_order_relaxed),
        .gid = atomic_load_explicit(&inode->gid, memory_order_relaxed),
        .rdev = inode->rdev,
    };
    struct host_meta to = from;
    if (attr->mask & ATTR_MODE)
        to.mode = inode->type | (attr->mode & LINUX_S_IALLPERM);
    if (attr->mask & ATTR_UID)
        to.uid = attr->uid;
    if (attr->mask & ATTR_GID)
        to.gid = attr->gid;
    int err = node->fs->policy->change(node, &from, &to);
    if (err)
        return err;
    atomic_store_explicit(&inode->mode, to.mode, memory_order_relaxed);
    atomic_store_explicit(&inode->uid, to.uid, memory_order_relaxed);
    atomic_store_explicit(&inode->gid, to.gid, memory_order_relaxed);
    return 0;
}

static int host_setattr(struct inode *inode, const struct vfs_setattr *attr)
{
    struct host_node *node = host_node_of(inode);
    int err = 0;
    if (attr->mask & ATTR_SIZE)
        err = host_truncate_node(node, attr->size);
    if (!err && attr->mask & (ATTR_MODE | ATTR_UID | ATTR_GID)) {
        lock_acquire(&inode->lock); // one change at a time
        err = set_meta(inode, attr);
        lock_release(&inode->lock);
    }
    if (!err && attr->mask & (ATTR_ATIME | ATTR_MTIME))
        err = set_times(node, attr);
    host_attr_changed(node);
    return err;
}

static ssize_t host_readlink_op(struct inode *inode, const struct vfs_caller *c, char *buf,
                                size_t size)
{
    (void)c;
    size_t len;
    int err = host_node_readlink(host_node_of(inode), buf, size, &len);
    return err ? err : (ssize_t)len;
}

static ssize_t host_getxattr_op(struct inode *inode, const char *name, void *buf, size_t size)
{
    struct host_node *node = host_node_of(inode);
    const struct host_policy *p = node->fs->policy;
    return p->getxattr ? p->getxattr(node, name, buf, size) : -LINUX_EOPNOTSUPP;
}

static int host_setxattr_op(struct inode *inode, const char *name, const void *value, size_t size,
                            unsigned flags)
{
    struct host_node *node = host_node_of(inode);
    const struct host_policy *p = node->fs->policy;
    if (!p->setxattr)
        return -LINUX_EOPNOTSUPP;
    lock_acquire_nested(&inode->lock); // a new object's directory is locked
    int err = p->setxattr(node, name, value, size, flags);
    lock_release(&inode->lock);
    return err;
}

static ssize_t host_listxattr_op(struct inode *inode, char *buf, size_t size)
{
    struct host_node *node = host_node_of(inode);
    const struct host_policy *p = node->fs->policy;
    return p->listxattr ? p->listxattr(node, buf, size) : 0;
}

static int host_removexattr_op(struct inode *inode, const char *name)
{
    struct host_node *node = host_node_of(inode);
    const struct host_policy *p = node->fs->policy;
    if (!p->removexattr)
        return -LINUX_EOPNOTSUPP;
    lock_acquire(&inode->lock);
    int err = p->removexattr(node, name);
    lock_release(&inode->lock);
    return err;
}

// A host that has no such mark leaves the birth time.
static int host_generation_op(struct inode *inode, uint64_t *out)
{
    struct host_node *node = host_node_of(inode);
    struct host_place place;
    int err = host_place_find(node, &place);
    if (!err) {
        err = host_generation(place.dir_fd, place.name, out);
        host_place_done(&place);
    } else if (err == -LINUX_ENOENT) { // no name left, or the root
        int fd;
        err = host_node_open_any(node, &fd);
        if (!err) {
            err = host_generation(fd, "", out);
            host_close(fd);
        }
    }
    if (err == -LINUX_EOPNOTSUPP)
        *out = 0;
    return err == -LINUX_EOPNOTSUPP ? 0 : err;
}

// Host FIFOs, sockets and devices shown by hostfs; in fakefs they are the guest's own.
static int host_special_open(struct inode *inode, struct file *file, const struct vfs_caller *c)
{
    if (!host_node_of(inode)->fs->owned || inode->type == LINUX_S_IFSOCK)
        return -LINUX_ENXIO;
    return vfs_open_device(inode, file, c);
}

// clang-format off
#define COMMON_OPS                                                                                 \
    .getattr = host_getattr, .setattr = host_setattr, .getxattr = host_getxattr_op,                \
    .setxattr = host_setxattr_op, .listxattr = host_listxattr_op,                                  \
    .removexattr = host_removexattr_op, .generation = host_generation_op,                          \
    .evict = host_node_evict
// clang-format on

const struct inode_ops host_dir_inode_ops = {
    COMMON_OPS,
    .lookup = host_lookup,
    .create = host_create,
    .mkdir = host_mkdir_op,
    .mknod = host_mknod,
    .symlink = host_symlink_op,
    .link = host_link_op,
    .unlink = host_unlink_op,
    .rmdir = host_rmdir_op,
    .rename = host_rename_op,
    .tmpfile = host_tmpfile,
    .open = host_dir_file_open,
};
const struct inode_ops host_file_inode_ops = {
    COMMON_OPS,
    .open = host_file_open,
    .get_page = host_get_page,
    .get_pages = host_get_pages,
};
const struct inode_ops host_link_inode_ops = {COMMON_OPS, .readlink = host_readlink_op};
const struct inode_ops host_special_inode_ops = {COMMON_OPS, .open = host_special_open};
