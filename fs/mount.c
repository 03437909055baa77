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

void mount_put(struct mount *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    dentry_put(m->root);
    super_put(m->super);
    free(m->source);
    free(m->type);
    free(m);
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

static struct mount *mount_alloc(struct vfs *vfs, struct super *super, struct dentry *root,
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
    m->flags = flags;
    list_init(&m->link);
    return m;
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
    for (size_t i = 0; i < DENTRY_SHARDS; i++) {
        lock_init(&vfs->shard[i].lock, LOCK_RANK_DENTRY);
        list_init(&vfs->shard[i].lru);
    }
    lock_init(&vfs->lock_graph, LOCK_RANK_LOCK_GRAPH);
    list_init(&vfs->lock_waiters);
    lock_init(&vfs->hidden_lock, LOCK_RANK_HIDDEN);
    vfs->unnamed = mount_alloc(vfs, NULL, NULL, "none", "anon_inodefs", 0);
    if (!vfs->unnamed || devices_register_builtin(vfs)) {
        vfs_destroy(vfs);
        return -LINUX_ENOMEM;
    }
    *out = vfs;
    return 0;
}

// Takes `m` out of the tree; its references to parent and place are the caller's to put.
static void mount_detach(struct mount *m, struct path *was_at)
{
    *was_at = (struct path){m->parent, m->point};
    m->parent = NULL;
    m->point = NULL;
    list_remove(&m->link);
    if (was_at->dentry)
        atomic_fetch_sub_explicit(&was_at->dentry->mounts, 1, memory_order_relaxed);
}

void vfs_destroy(struct vfs *vfs)
{
    // Later mounts sit on earlier ones.
    while (!list_empty(&vfs->mounts)) {
        struct mount *m = list_entry(vfs->mounts.prev, struct mount, link);
        struct path was_at;
        lock_acquire(&vfs->mount_lock);
        mount_detach(m, &was_at);
        lock_release(&vfs->mount_lock);
        mount_put(m);
        path_put(&was_at);
    }
    dentry_free_evicted(vfs);
    if (vfs->unnamed) {
        free(vfs->unnamed->source);
        free(vfs->unnamed->type);
        free(vfs->unnamed);
    }
    for (size_t i = 0; i < DENTRY_SHARDS; i++)
        lock_destroy(&vfs->shard[i].lock);
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

void vfs_revoke(struct vfs *vfs, struct inode *inode, uint64_t first, uint64_t end, bool truncated)
{
    if (first < end && vfs->hooks.revoke)
        vfs->hooks.revoke(vfs->hooks.ctx, inode, first, end, truncated);
}

// Puts a finished mount into the tree; `at` is NULL for the root.
static int mount_attach(struct vfs *vfs, struct mount *m, const struct path *at)
{
    lock_acquire(&vfs->mount_lock);
    int err = 0;
    if (!at && !list_empty(&vfs->mounts))
        err = -LINUX_EBUSY;
    else if (at && atomic_load(&at->dentry->deleted))
        err = -LINUX_ENOENT;
    if (!err) {
        if (at) {
            path_get(at);
            m->parent = at->mnt;
            m->point = at->dentry;
            atomic_fetch_add_explicit(&at->dentry->mounts, 1, memory_order_release);
        }
        m->id = vfs->next_mount_id++;
        list_add_tail(&vfs->mounts, &m->link);
    }
    lock_release(&vfs->mount_lock);
    return err;
}

// A directory goes on a directory, anything else on anything else.
static bool kinds_fit(const struct dentry *root, const struct path *at)
{
    return !at || LINUX_S_ISDIR(root->inode->type) == LINUX_S_ISDIR(at->dentry->inode->type);
}

int vfs_mount(struct vfs *vfs, const struct path *at, struct super *super, const char *source,
              const char *type, unsigned flags)
{
    struct dentry *root = dentry_create_root(inode_get(super->root));
    struct mount *m = root ? mount_alloc(vfs, super, root, source, type, flags) : NULL;
    if (!m) {
        dentry_put(root);
        super_put(super);
        return -LINUX_ENOMEM;
    }
    int err = kinds_fit(root, at) ? mount_attach(vfs, m, at) : -LINUX_ENOTDIR;
    if (err)
        mount_put(m);
    return err;
}

int vfs_bind(struct vfs *vfs, const struct path *from, const struct path *at, unsigned flags)
{
    if (!kinds_fit(from->dentry, at))
        return -LINUX_ENOTDIR;
    struct super *super = from->mnt->super;
    if (!super)
        return -LINUX_EINVAL;
    struct mount *m =
        mount_alloc(vfs, super, from->dentry, from->mnt->source, from->mnt->type, flags);
    if (!m)
        return -LINUX_ENOMEM;
    dentry_get(m->root);
    atomic_fetch_add_explicit(&super->refs, 1, memory_order_relaxed);
    int err = mount_attach(vfs, m, at);
    if (err)
        mount_put(m);
    return err;
}

static bool has_child_mounts(struct vfs *vfs, const struct mount *m)
{
    struct mount *child;
    list_for_each (child, &vfs->mounts, link)
        if (child->parent == m)
            return true;
    return false;
}

int vfs_umount(struct vfs *vfs, const struct path *at, bool lazy)
{
    struct mount *m = at->mnt;
    if (at->dentry != m->root)
        return -LINUX_EINVAL;
    lock_acquire(&vfs->mount_lock);
    int err = 0;
    struct path was_at = {NULL, NULL};
    // One reference is the table's, one the caller's path.
    if (!m->parent)
        err = -LINUX_EBUSY;
    else if (!lazy && (has_child_mounts(vfs, m) || atomic_load(&m->refs) > 2))
        err = -LINUX_EBUSY;
    else
        mount_detach(m, &was_at);
    lock_release(&vfs->mount_lock);
    if (!err) {
        mount_put(m);
        path_put(&was_at);
    }
    return err;
}

void vfs_root(struct vfs *vfs, struct path *out)
{
    lock_acquire(&vfs->mount_lock);
    struct mount *m = list_first(&vfs->mounts, struct mount, link);
    *out = (struct path){m, m->root};
    for (;;) { // something may be mounted over the root
        struct mount *over = NULL, *child;
        list_for_each (child, &vfs->mounts, link)
            if (child->parent == out->mnt && child->point == out->dentry)
                over = child;
        if (!over)
            break;
        *out = (struct path){over, over->root};
    }
    path_get(out);
    lock_release(&vfs->mount_lock);
}

unsigned vfs_mount_flags(const struct path *p)
{
    return p->mnt->flags;
}

void mount_cross(struct vfs *vfs, struct path *p)
{
    while (atomic_load_explicit(&p->dentry->mounts, memory_order_acquire) > 0) {
        struct mount *over = NULL, *m;
        lock_acquire(&vfs->mount_lock);
        list_for_each (m, &vfs->mounts, link)
            if (m->parent == p->mnt && m->point == p->dentry)
                over = m; // the latest covers the others
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
    int parent_id;
};

static size_t snapshot_mounts(struct vfs *vfs, struct mount_snapshot **out)
{
    size_t count = 0, n = 0;
    struct mount *m;
    lock_acquire(&vfs->mount_lock);
    list_for_each (m, &vfs->mounts, link)
        count++;
    struct mount_snapshot *all = calloc(count ? count : 1, sizeof *all);
    if (all) {
        list_for_each (m, &vfs->mounts, link) {
            all[n] = (struct mount_snapshot){mount_get(m), {m, m->root}, m->id};
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

void vfs_each_mount(struct vfs *vfs, const struct path *root,
                    void (*each)(void *ctx, const struct vfs_mount_info *info), void *ctx)
{
    struct mount_snapshot *all;
    size_t count = snapshot_mounts(vfs, &all);
    for (size_t i = 0; i < count; i++) {
        char point[LINUX_PATH_MAX];
        if (path_name(&all[i].at, root, point, sizeof point) > 0)
            each(ctx, &(struct vfs_mount_info){
                          .id = all[i].mount->id,
                          .parent_id = all[i].parent_id,
                          .dev = all[i].mount->super->dev,
                          .source = all[i].mount->source,
                          .type = all[i].mount->type,
                          .point = point,
                          .flags = all[i].mount->flags,
                      });
        path_put(&all[i].at);
        mount_put(all[i].mount);
    }
    free(all);
}

void vfs_sync(struct vfs *vfs)
{
    struct mount_snapshot *all;
    size_t count = snapshot_mounts(vfs, &all);
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

// --- Host objects no mount shows -----------------------------------------------------------------

int vfs_hide(struct vfs *vfs, uint64_t dev, uint64_t ino)
{
    lock_acquire(&vfs->hidden_lock);
    struct vfs_hidden *grown = realloc(vfs->hidden, (vfs->hidden_count + 1) * sizeof *vfs->hidden);
    if (grown) {
        vfs->hidden = grown;
        vfs->hidden[vfs->hidden_count++] = (struct vfs_hidden){dev, ino};
    }
    lock_release(&vfs->hidden_lock);
    return grown ? 0 : -LINUX_ENOMEM;
}

void vfs_unhide(struct vfs *vfs, uint64_t dev, uint64_t ino)
{
    lock_acquire(&vfs->hidden_lock);
    for (size_t i = 0; i < vfs->hidden_count; i++) {
        if (vfs->hidden[i].dev != dev || vfs->hidden[i].ino != ino)
            continue;
        vfs->hidden[i] = vfs->hidden[--vfs->hidden_count];
        break;
    }
    lock_release(&vfs->hidden_lock);
}

bool vfs_is_hidden(struct vfs *vfs, uint64_t dev, uint64_t ino)
{
    bool found = false;
    lock_acquire(&vfs->hidden_lock);
    for (size_t i = 0; i < vfs->hidden_count && !found; i++)
        found = vfs->hidden[i].dev == dev && vfs->hidden[i].ino == ino;
    lock_release(&vfs->hidden_lock);
    return found;
}

int vfs_statfs(const struct path *p, struct vfs_statfs *out)
{
    *out = (struct vfs_statfs){.bsize = 4096, .frsize = 4096, .namelen = LINUX_NAME_MAX};
    struct super *super = p->mnt->super ? p->mnt->super : p->dentry->inode->super;
    int err = super && super->ops->statfs ? super->ops->statfs(super, out) : 0;
    unsigned flags = p->mnt->flags;
    out->flags = LINUX_ST_VALID | (flags & MOUNT_RDONLY ? LINUX_ST_RDONLY : 0u) |
                 (flags & MOUNT_NOSUID ? LINUX_ST_NOSUID : 0u) |
                 (flags & MOUNT_NODEV ? LINUX_ST_NODEV : 0u) |
                 (flags & MOUNT_NOEXEC ? LINUX_ST_NOEXEC : 0u);
    return err;
}
