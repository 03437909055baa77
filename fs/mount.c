// The instance and its mounts.
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include <stdlib.h>
#include <string.h>

struct mount *mount_get(struct mount *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

static void put_unused(struct mount *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    dentry_put(m->root);
    super_put(m->super);
    free(m->source);
    free(m->type);
    free(m);
}

void mount_put(struct mount *m)
{
    if (!m)
        return;
    if (UNLIKELY(atomic_load_explicit(&m->expiring, memory_order_relaxed)))
        atomic_store_explicit(&m->expiring, false, memory_order_relaxed);
    put_unused(m);
}

void path_get(const struct path *p)
{
    mount_get(p->mnt);
    dentry_get(p->dentry);
}

void path_put(const struct path *p)
{
    if (p->dentry)
        dentry_put(p->dentry);
    if (p->mnt)
        mount_put(p->mnt);
}

struct inode *path_inode(const struct path *p)
{
    return p->dentry->inode;
}

struct mount *mount_alloc(struct vfs *vfs, struct super *super, struct dentry *root,
                          const char *source, const char *type, unsigned flags)
{
    struct mount *m = calloc(1, sizeof *m);
    char *source_copy = strdup(source), *type_copy = strdup(type);
    if (!m || !source_copy || !type_copy) {
        free(m);
        free(source_copy);
        free(type_copy);
        return NULL;
    }
    atomic_init(&m->refs, 1);
    m->vfs = vfs;
    m->super = super;
    m->root = root;
    m->source = source_copy;
    m->type = type_copy;
    atomic_init(&m->flags, flags);
    list_init(&m->link);
    return m;
}

struct mount *mount_of_super(struct vfs *vfs, struct super *super, const char *source,
                             const char *type, unsigned flags)
{
    struct dentry *root = dentry_create_root(inode_get(super->root));
    struct mount *m = root ? mount_alloc(vfs, super, root, source, type, flags) : NULL;
    if (!m) {
        dentry_put(root);
        super_put(super);
    }
    return m;
}

struct mount *mount_clone(struct mount *m, struct dentry *root)
{
    struct mount *copy = mount_alloc(m->vfs, m->super, root, m->source, m->type,
                                     atomic_load_explicit(&m->flags, memory_order_relaxed));
    if (!copy)
        return NULL;
    dentry_get(root);
    super_get(m->super);
    copy->locked = m->locked;
    copy->fixed_flags = m->fixed_flags;
    copy->peers = m->peers;
    copy->master = m->master;
    return copy;
}

int vfs_create(struct frame_pool *frames, struct vfs **out)
{
    struct vfs *vfs = calloc(1, sizeof *vfs);
    if (!vfs)
        return -LINUX_ENOMEM;
    vfs->frames = frames;
    lock_init(&vfs->mount_lock, LOCK_RANK_MOUNT);
    list_init(&vfs->mounts);
    vfs->next_mount_id = 1;
    lock_init(&vfs->tree_lock, LOCK_RANK_DENTRY_TREE);
    list_init(&vfs->evicted);
    dentry_cache_init(vfs);
    lock_init(&vfs->lock_graph, LOCK_RANK_LOCK_GRAPH);
    list_init(&vfs->lock_waiters);
    lock_init(&vfs->hidden_lock, LOCK_RANK_HIDDEN);
    vfs->initial_ns = mnt_ns_create(vfs, MNT_NS_INITIAL_INUM, NULL);
    vfs->unnamed = mount_alloc(vfs, NULL, NULL, "none", "anon_inodefs", 0);
    if (!vfs->initial_ns || !vfs->unnamed || devices_register_builtin(vfs)) {
        vfs_destroy(vfs);
        return -LINUX_ENOMEM;
    }
    *out = vfs;
    return 0;
}

static void leave_namespace(struct mount *m)
{
    if (!m->ns)
        return;
    m->ns->count--;
    if (m->ns->root == m)
        m->ns->root = NULL;
    m->ns = NULL;
}

static void leave_point(struct mount *m)
{
    m->was_at = (struct path){m->parent, m->point};
    m->parent = NULL;
    m->point = NULL;
    if (m->was_at.dentry)
        atomic_fetch_sub_explicit(&m->was_at.dentry->mounts, 1, memory_order_relaxed);
}

void mount_unplace(struct mount *m)
{
    struct mount *c;
    leave_point(m);
    list_for_each (c, &m->vfs->mounts, link)
        if (mount_is_below(c, m))
            leave_namespace(c);
}

void vfs_destroy(struct vfs *vfs)
{
    struct list removed;
    list_init(&removed);
    lock_acquire(&vfs->mount_lock);
    while (!list_empty(&vfs->mounts))
        mount_remove_tree(list_first(&vfs->mounts, struct mount, link), &removed);
    lock_release(&vfs->mount_lock);
    mounts_release(&removed);
    dentry_free_evicted(vfs);
    if (vfs->initial_ns)
        mnt_ns_put(vfs->initial_ns);
    if (vfs->unnamed) {
        free(vfs->unnamed->source);
        free(vfs->unnamed->type);
        free(vfs->unnamed);
    }
    dentry_cache_destroy(vfs);
    lock_destroy(&vfs->mount_lock);
    lock_destroy(&vfs->tree_lock);
    lock_destroy(&vfs->lock_graph);
    lock_destroy(&vfs->hidden_lock);
    free(vfs->hidden);
    free(vfs->devices);
    free(vfs);
}

void vfs_set_hooks(struct vfs *vfs, const struct vfs_hooks *hooks)
{
    vfs->hooks = *hooks;
}

void vfs_set_lease_hook(struct vfs *vfs, void *ctx,
                        int (*break_leases)(void *ctx, struct inode *inode, unsigned flags,
                                            struct task *task))
{
    vfs->lease_ctx = ctx;
    vfs->break_leases = break_leases;
}

void vfs_revoke(struct vfs *vfs, struct inode *inode, uint64_t first, uint64_t end, bool truncated)
{
    if (first < end && vfs->hooks.revoke)
        vfs->hooks.revoke(vfs->hooks.ctx, inode, first, end, truncated);
}

struct mount *mount_on(struct vfs *vfs, const struct mount *parent, const struct dentry *point)
{
    struct mount *over = NULL, *m;
    list_for_each (m, &vfs->mounts, link)
        if (m->parent == parent && m->point == point)
            over = m; // the latest covers the others
    return over;
}

struct path mount_top(struct vfs *vfs, struct path p)
{
    for (struct mount *over; (over = mount_on(vfs, p.mnt, p.dentry));)
        p = (struct path){over, over->root};
    return p;
}

void mount_place(struct mount *m, const struct path *at)
{
    struct vfs *vfs = m->vfs;
    path_get(at);
    m->parent = at->mnt;
    m->point = at->dentry;
    atomic_fetch_add_explicit(&at->dentry->mounts, 1, memory_order_release);
    m->ns = at->mnt->ns;
    if (m->ns)
        m->ns->count++;
    list_add_tail(&vfs->mounts, &m->link);
}

void mount_place_tree(struct mount *m, const struct path *at)
{
    struct vfs *vfs = m->vfs;
    struct mount *c;
    list_remove(&m->link);
    mount_place(m, at);
    list_for_each (c, &vfs->mounts, link) {
        if (c == m || c->ns || !mount_is_below(c, m))
            continue;
        c->ns = m->ns;
        if (c->ns)
            c->ns->count++;
    }
    // Those that came before their new parent go after it, in the order they have.
    struct mount *next, *end = list_entry(vfs->mounts.prev, struct mount, link);
    list_for_each_safe (c, next, &vfs->mounts, link) {
        if (c != m && mount_is_below(c, m)) {
            list_remove(&c->link);
            list_add_tail(&vfs->mounts, &c->link);
        }
        if (c == end)
            break;
    }
}

int mount_attach_tree(struct mount *m, const struct path *at, struct list *removed)
{
    struct vfs *vfs = m->vfs;
    struct path top = mount_top(vfs, *at);
    if (atomic_load(&top.dentry->deleted))
        return -LINUX_ENOENT;
    unsigned count = 0;
    struct mount *c;
    list_for_each (c, &vfs->mounts, link)
        count += mount_is_below(c, m);
    if (top.mnt->ns && top.mnt->ns->count + count > MOUNTS_MAX)
        return -LINUX_ENOSPC;
    struct shared_copy *copies = NULL;
    int err = share_prepare(m, &top, &copies, removed);
    if (err)
        return err;
    mount_place_tree(m, &top);
    share_commit(copies);
    return 0;
}

// Puts a finished mount into the tree; `at` is NULL for the root.
static int mount_attach(struct vfs *vfs, struct mount *m, const struct path *at)
{
    int err = 0;
    struct list removed;
    list_init(&removed);
    lock_acquire(&vfs->mount_lock);
    m->id = vfs->next_mount_id++;
    list_add_tail(&vfs->mounts, &m->link);
    if (at) {
        err = mount_attach_tree(m, at, &removed);
    } else if (vfs->initial_ns->root) {
        err = -LINUX_EBUSY;
    } else {
        vfs->initial_ns->root = m;
        m->ns = vfs->initial_ns;
        m->ns->count++;
    }
    if (err)
        list_remove(&m->link);
    lock_release(&vfs->mount_lock);
    mounts_release(&removed);
    return err;
}

// A directory goes on a directory, anything else on anything else.
bool mount_kinds_fit(const struct dentry *root, const struct path *at)
{
    return !at || LINUX_S_ISDIR(root->inode->type) == LINUX_S_ISDIR(at->dentry->inode->type);
}

int vfs_mount(struct vfs *vfs, const struct path *at, struct super *super, const char *source,
              const char *type, unsigned flags)
{
    struct mount *m = mount_of_super(vfs, super, source, type, flags);
    if (!m)
        return -LINUX_ENOMEM;
    int err = mount_kinds_fit(m->root, at) ? mount_attach(vfs, m, at) : -LINUX_ENOTDIR;
    if (err)
        mount_put(m);
    return err;
}

bool mount_is_below(const struct mount *m, const struct mount *top)
{
    while (m && m != top)
        m = m->parent;
    return m != NULL;
}

void mount_remove_tree(struct mount *m, struct list *removed)
{
    struct vfs *vfs = m->vfs;
    // Children first: they are found by their parents.
    for (struct list *node = vfs->mounts.prev, *before; node != &vfs->mounts; node = before) {
        struct mount *c = list_entry(node, struct mount, link);
        before = node->prev;
        if (!mount_is_below(c, m))
            continue;
        leave_point(c);
        leave_namespace(c);
        c->locked = false;
        share_leave(c);
        list_remove(&c->link);
        list_add_tail(removed, &c->link);
    }
}

void mounts_release(struct list *removed)
{
    struct mount *m, *next;
    list_for_each_safe (m, next, removed, link) {
        struct path was_at = m->was_at;
        m->was_at = (struct path){NULL, NULL};
        list_remove(&m->link);
        mount_put(m);
        path_put(&was_at);
    }
}

bool mount_has_children(const struct mount *m)
{
    struct mount *child;
    list_for_each (child, &m->vfs->mounts, link)
        if (child->parent == m)
            return true;
    return false;
}

int vfs_umount(struct vfs *vfs, const struct path *at, bool lazy)
{
    struct list removed;
    list_init(&removed);
    lock_acquire(&vfs->mount_lock);
    struct path top = mount_top(vfs, *at); // the caller's directory may have been covered
    struct mount *m = top.mnt;
    // One reference is the table's, one the caller's path.
    uint32_t idle = m == at->mnt ? 2 : 1;
    int err = 0;
    if (top.dentry != m->root || m->locked || !m->ns)
        err = -LINUX_EINVAL;
    else if (!m->parent || (!lazy && (mount_has_children(m) || atomic_load(&m->refs) > idle)))
        err = -LINUX_EBUSY;
    if (!err) {
        share_remove(m, &removed);
        mount_remove_tree(m, &removed);
    }
    lock_release(&vfs->mount_lock);
    mounts_release(&removed);
    return err;
}

int vfs_umount_expired(struct vfs *vfs, struct path *at)
{
    struct list removed;
    list_init(&removed);
    struct mount *m = at->mnt;
    bool whole = at->dentry == m->root;
    dentry_put(at->dentry);
    lock_acquire(&vfs->mount_lock);
    int err = 0;
    if (!whole || m->locked || !m->ns)
        err = -LINUX_EINVAL;
    else if (!m->parent || atomic_load(&m->refs) > 2)
        err = -LINUX_EBUSY;
    else if (!atomic_exchange_explicit(&m->expiring, true, memory_order_relaxed))
        err = -LINUX_EAGAIN;
    if (!err) {
        share_remove(m, &removed);
        mount_remove_tree(m, &removed);
    }
    lock_release(&vfs->mount_lock);
    mounts_release(&removed);
    put_unused(m);
    *at = (struct path){NULL, NULL};
    return err;
}

void vfs_root(struct vfs *vfs, struct path *out)
{
    mnt_ns_root(vfs->initial_ns, out);
}

const struct user_ns *vfs_mount_owner(const struct path *p)
{
    return p->mnt->super ? p->mnt->super->owner : NULL;
}

struct super *vfs_mount_super(const struct path *p)
{
    return p->mnt->super ? super_get(p->mnt->super) : NULL;
}

const char *vfs_mount_type(const struct path *p)
{
    return p->mnt->type;
}

int vfs_mount_id(const struct path *p)
{
    return p->mnt->id;
}

bool vfs_is_mount_root(const struct path *p)
{
    return p->dentry == p->mnt->root;
}

unsigned vfs_mount_flags(const struct path *p)
{
    const struct mount *m = p->mnt;
    unsigned flags = atomic_load_explicit(&m->flags, memory_order_relaxed);
    if (m->super && UNLIKELY(atomic_load_explicit(&m->super->rdonly, memory_order_relaxed)))
        flags |= MOUNT_RDONLY;
    return flags;
}

// Who becomes a writer looks at the flags after it was counted; who makes a mount read-only looks
// at the count after it has set the flag. One of the two sees the other.
int mount_add_writer(struct mount *m)
{
    atomic_fetch_add(&m->writers, 1);
    if (!(atomic_load(&m->flags) & MOUNT_RDONLY) && !(m->super && atomic_load(&m->super->rdonly)))
        return 0;
    mount_remove_writer(m);
    return -LINUX_EROFS;
}

void mount_remove_writer(struct mount *m)
{
    atomic_fetch_sub(&m->writers, 1);
}

int vfs_super_set_rdonly(struct super *super, bool rdonly)
{
    struct vfs *vfs = super->vfs;
    struct mount *m;
    int err = 0;
    lock_acquire(&vfs->mount_lock);
    bool was = atomic_exchange(&super->rdonly, rdonly);
    list_for_each (m, &vfs->mounts, link)
        if (rdonly && m->super == super && atomic_load(&m->writers))
            err = -LINUX_EBUSY;
    if (err)
        atomic_store(&super->rdonly, was);
    lock_release(&vfs->mount_lock);
    return err;
}

void mount_cross(struct vfs *vfs, struct path *p)
{
    while (atomic_load_explicit(&p->dentry->mounts, memory_order_acquire) > 0) {
        lock_acquire(&vfs->mount_lock);
        struct mount *over = mount_on(vfs, p->mnt, p->dentry);
        if (over)
            mount_get(over);
        lock_release(&vfs->mount_lock);
        if (!over)
            return; // mounted in another view
        struct dentry *root = dentry_get(over->root);
        path_put(p);
        *p = (struct path){over, root};
    }
}

bool mount_up(struct vfs *vfs, struct path *p)
{
    struct path up = {NULL, NULL};
    lock_acquire(&vfs->mount_lock);
    if (p->mnt->parent) {
        up = (struct path){p->mnt->parent, p->mnt->point};
        path_get(&up);
    }
    lock_release(&vfs->mount_lock);
    if (!up.mnt)
        return false;
    path_put(p);
    *p = up;
    return true;
}

struct mount_snapshot {
    struct mount *mount;
    struct path at;
    int parent_id, peers, master;
    bool unbindable;
};

// Of one namespace, or all (NULL).
static size_t snapshot_mounts(struct vfs *vfs, const struct mnt_ns *ns, struct mount_snapshot **out)
{
    size_t count = 0, n = 0;
    struct mount *m;
    lock_acquire(&vfs->mount_lock);
    list_for_each (m, &vfs->mounts, link)
        count++;
    struct mount_snapshot *all = calloc(count ? count : 1, sizeof *all);
    if (all) {
        list_for_each (m, &vfs->mounts, link) {
            if (ns && m->ns != ns)
                continue;
            all[n] = (struct mount_snapshot){.mount = mount_get(m),
                                             .at = {m, m->root},
                                             .parent_id = m->id,
                                             .peers = m->peers,
                                             .master = m->master,
                                             .unbindable = m->unbindable};
            if (m->parent)
                all[n].parent_id = m->parent->id;
            path_get(&all[n].at);
            n++;
        }
    }
    lock_release(&vfs->mount_lock);
    *out = all;
    return n;
}

void vfs_each_mount(struct mnt_ns *ns, const struct path *root,
                    void (*each)(void *ctx, const struct vfs_mount_info *info), void *ctx)
{
    struct mount_snapshot *all;
    size_t count = snapshot_mounts(ns->vfs, ns, &all);
    char *text = malloc(3 * (size_t)LINUX_PATH_MAX);
    char *point = text, *subtree = text ? text + LINUX_PATH_MAX : NULL;
    char *options = text ? subtree + LINUX_PATH_MAX : NULL;
    for (size_t i = 0; i < count; i++) {
        const struct mount *m = all[i].mount;
        if (text && path_name(&all[i].at, root, point, LINUX_PATH_MAX) > 0 &&
            dentry_name(ns->vfs, m->root, subtree, LINUX_PATH_MAX) > 0) {
            *options = 0;
            if (m->super->ops->show_options)
                m->super->ops->show_options(m->super, options, LINUX_PATH_MAX);
            each(ctx, &(struct vfs_mount_info){
                          .id = m->id,
                          .parent_id = all[i].parent_id,
                          .dev = m->super->dev,
                          .source = m->source,
                          .type = m->type,
                          .point = point,
                          .subtree = subtree,
                          .flags = atomic_load_explicit(&m->flags, memory_order_relaxed),
                          .super_rdonly = atomic_load(&m->super->rdonly),
                          .options = options,
                          .peers = all[i].peers,
                          .master = all[i].master,
                          .unbindable = all[i].unbindable,
                      });
        }
        path_put(&all[i].at);
        mount_put(all[i].mount);
    }
    free(text);
    free(all);
}

void vfs_sync(struct vfs *vfs)
{
    struct mount_snapshot *all;
    size_t count = snapshot_mounts(vfs, NULL, &all);
    for (size_t i = 0; i < count; i++) {
        struct super *super = all[i].mount->super;
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = all[j].mount->super == super;
        // sync(2) has no way to tell of a failure.
        if (!seen && super->ops->sync && super->ops->sync(super))
            continue;
    }
    for (size_t i = 0; i < count; i++) {
        path_put(&all[i].at);
        mount_put(all[i].mount);
    }
    free(all);
}

int vfs_statfs(const struct path *p, struct vfs_statfs *out)
{
    *out = (struct vfs_statfs){.bsize = 4096, .frsize = 4096, .namelen = LINUX_NAME_MAX};
    struct super *super = p->mnt->super ? p->mnt->super : p->dentry->inode->super;
    int err = super && super->ops->statfs ? super->ops->statfs(super, out) : 0;
    unsigned flags = vfs_mount_flags(p);
    out->flags = LINUX_ST_VALID | (flags & MOUNT_RDONLY ? LINUX_ST_RDONLY : 0u) |
                 (flags & MOUNT_NOSUID ? LINUX_ST_NOSUID : 0u) |
                 (flags & MOUNT_NODEV ? LINUX_ST_NODEV : 0u) |
                 (flags & MOUNT_NOEXEC ? LINUX_ST_NOEXEC : 0u);
    return err;
}
