// Trees of mounts: namespaces and their copies, binding, moving, changing the root.
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"
#include <stdlib.h>

// --- Namespaces ----------------------------------------------------------------------------------

static void mnt_ns_destroy(struct namespace *base)
{
    struct mnt_ns *ns = CONTAINER_OF(base, struct mnt_ns, base);
    struct list removed;
    list_init(&removed);
    lock_acquire(&ns->vfs->mount_lock);
    if (ns->root)
        mount_remove_tree(ns->root, &removed);
    lock_release(&ns->vfs->mount_lock);
    mounts_release(&removed);
    dentry_free_evicted(ns->vfs);
    free(ns);
}

struct mnt_ns *mnt_ns_create(struct vfs *vfs, uint32_t inum, struct user_ns *owner)
{
    struct mnt_ns *ns = calloc(1, sizeof *ns);
    if (!ns)
        return NULL;
    namespace_init(&ns->base, (uint32_t)LINUX_CLONE_NEWNS, inum, owner, mnt_ns_destroy);
    ns->vfs = vfs;
    return ns;
}

struct mnt_ns *vfs_initial_ns(struct vfs *vfs)
{
    return vfs->initial_ns;
}

struct mnt_ns *mnt_ns_get(struct mnt_ns *ns)
{
    namespace_get(&ns->base);
    return ns;
}

void mnt_ns_put(struct mnt_ns *ns)
{
    namespace_put(&ns->base);
}

struct namespace *mnt_ns_base(struct mnt_ns *ns)
{
    return &ns->base;
}

struct mnt_ns *mnt_ns_of(struct namespace *base)
{
    return CONTAINER_OF(base, struct mnt_ns, base);
}

void mnt_ns_root(struct mnt_ns *ns, struct path *out)
{
    lock_acquire(&ns->vfs->mount_lock);
    struct mount *m = ns->root;
    *out = mount_top(ns->vfs, (struct path){m, m->root}); // something may be mounted over it
    path_get(out);
    lock_release(&ns->vfs->mount_lock);
}

bool mnt_ns_has(struct mnt_ns *ns, const struct path *p)
{
    lock_acquire(&ns->vfs->mount_lock);
    bool has = p->mnt->ns == ns;
    lock_release(&ns->vfs->mount_lock);
    return has;
}

// --- Copies --------------------------------------------------------------------------------------

static struct mount *copy_one(struct mount *m, struct dentry *root)
{
    struct mount *copy = mount_clone(m, root);
    if (!copy)
        return NULL;
    copy->id = m->vfs->next_mount_id++;
    m->copy = copy;
    return copy;
}

int mount_copy_tree(struct mount *m, struct dentry *root, bool recursive, bool all,
                    struct mount **out)
{
    struct vfs *vfs = m->vfs;
    struct mount *last = list_entry(vfs->mounts.prev, struct mount, link), *c;
    struct mount *top = copy_one(m, root);
    if (!top)
        return -LINUX_ENOMEM;
    top->locked = false;
    list_add_tail(&vfs->mounts, &top->link);
    *out = top;
    list_for_each (c, &vfs->mounts, link) {
        bool wanted = recursive && c->parent && c->parent->copy && (all || !c->unbindable) &&
                      (c->parent != m || dentry_is_below(vfs, c->point, root));
        struct mount *copy = wanted ? copy_one(c, c->root) : NULL;
        if (wanted && !copy)
            return -LINUX_ENOMEM;
        if (copy)
            mount_place(copy, &(struct path){c->parent->copy, c->point});
        if (c == last)
            break;
    }
    return 0;
}

void mount_copies_done(struct vfs *vfs)
{
    struct mount *m;
    list_for_each (m, &vfs->mounts, link)
        m->copy = NULL;
}

void mount_lock_tree(struct mount *top)
{
    struct mount *m;
    list_for_each (m, &top->vfs->mounts, link) {
        if (!mount_is_below(m, top))
            continue;
        const unsigned kept = MOUNT_RDONLY | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC;
        m->fixed_flags |= atomic_load_explicit(&m->flags, memory_order_relaxed) & kept;
        m->locked |= m != top;
        if (m->peers)
            share_set(m, SHARE_SLAVE);
    }
}

// A copy of a mount in a group joins the group, which the original stays in.
static void enter_namespace(struct mount *top, struct mnt_ns *ns)
{
    struct mount *m;
    list_for_each (m, &top->vfs->mounts, link) {
        if (!mount_is_below(m, top))
            continue;
        m->ns = ns;
        ns->count++;
    }
    ns->root = top;
}

static int copy_namespace(struct mnt_ns *from, struct mnt_ns *ns, struct path *const *places,
                          unsigned count, struct path *old, struct list *removed)
{
    struct mount *top = NULL;
    int err = from->count > MOUNTS_MAX
                  ? -LINUX_ENOSPC
                  : mount_copy_tree(from->root, from->root->root, true, true, &top);
    for (unsigned i = 0; i < count; i++) {
        struct mount *copy = err ? NULL : places[i]->mnt->copy;
        old[i] = (struct path){NULL, NULL};
        if (!copy)
            continue;
        old[i] = *places[i];
        *places[i] = (struct path){mount_get(copy), dentry_get(old[i].dentry)};
    }
    mount_copies_done(from->vfs);
    if (err) {
        if (top)
            mount_remove_tree(top, removed);
        return err;
    }
    enter_namespace(top, ns);
    if (ns->base.owner != from->base.owner)
        mount_lock_tree(top);
    return 0;
}

int mnt_ns_copy(struct mnt_ns *from, struct user_ns *owner, uint32_t inum,
                struct path *const *places, unsigned count, struct mnt_ns **out)
{
    enum { PLACES_MAX = 4 };
    struct path old[PLACES_MAX];
    struct list removed;
    struct mnt_ns *ns = count <= PLACES_MAX ? mnt_ns_create(from->vfs, inum, owner) : NULL;
    if (!ns)
        return -LINUX_ENOMEM;
    list_init(&removed);
    lock_acquire(&from->vfs->mount_lock);
    int err = copy_namespace(from, ns, places, count, old, &removed);
    lock_release(&from->vfs->mount_lock);
    mounts_release(&removed);
    for (unsigned i = 0; i < count; i++)
        path_put(&old[i]);
    if (err)
        mnt_ns_put(ns);
    else
        *out = ns;
    return err;
}

// --- Bind ----------------------------------------------------------------------------------------

// A view of a part would show what a locked mount covers.
static bool uncovers(const struct path *from)
{
    struct mount *c;
    list_for_each (c, &from->mnt->vfs->mounts, link)
        if (c->parent == from->mnt && c->locked && dentry_is_below(c->vfs, c->point, from->dentry))
            return true;
    return false;
}

// A copy of the tree at `from`, or what is wrong with it.
static int copy_for_bind(const struct path *from, bool recursive, struct mount **out,
                         struct list *removed)
{
    *out = NULL;
    if (!from->mnt->super || from->mnt->unbindable)
        return -LINUX_EINVAL;
    if (!recursive && uncovers(from))
        return -LINUX_EINVAL;
    int err = mount_copy_tree(from->mnt, from->dentry, recursive, false, out);
    mount_copies_done(from->mnt->vfs);
    if (err && *out)
        mount_remove_tree(*out, removed);
    return err;
}

int vfs_bind(struct vfs *vfs, const struct path *from, const struct path *at, unsigned flags,
             bool recursive)
{
    if (!mount_kinds_fit(from->dentry, at))
        return -LINUX_ENOTDIR;
    struct mount *top;
    struct list removed;
    list_init(&removed);
    lock_acquire(&vfs->mount_lock);
    int err = copy_for_bind(from, recursive, &top, &removed);
    if (!err) {
        atomic_fetch_or_explicit(&top->flags, flags, memory_order_relaxed);
        err = mount_attach_tree(top, at, &removed);
        if (err)
            mount_remove_tree(top, &removed);
    }
    lock_release(&vfs->mount_lock);
    mounts_release(&removed);
    return err;
}

// --- Move ----------------------------------------------------------------------------------------

static bool has_unbindable(const struct mount *top)
{
    struct mount *m;
    list_for_each (m, &top->vfs->mounts, link)
        if (m->unbindable && mount_is_below(m, top))
            return true;
    return false;
}

static bool is_detached(const struct mount *m)
{
    return !m->ns && !m->parent && !list_empty(&m->link);
}

static int check_move(struct mnt_ns *ns, const struct path *from, const struct path *to)
{
    struct mount *m = from->mnt;
    bool detached = is_detached(m);
    if (!mount_in(to, ns) || from->dentry != m->root || (!detached && !mount_in(from, ns)))
        return -LINUX_EINVAL;
    if (!detached && (!m->parent || m->locked || m->parent->peers))
        return -LINUX_EINVAL;
    if (!mount_kinds_fit(m->root, to))
        return -LINUX_EINVAL;
    struct path top = mount_top(m->vfs, *to);
    if (top.mnt->peers && has_unbindable(m))
        return -LINUX_EINVAL;
    return mount_is_below(top.mnt, m) ? -LINUX_ELOOP : 0;
}

int vfs_move_mount(struct mnt_ns *ns, const struct path *from, const struct path *to)
{
    struct mount *m = from->mnt;
    struct path was_at = {NULL, NULL};
    struct list removed;
    list_init(&removed);
    lock_acquire(&ns->vfs->mount_lock);
    int err = check_move(ns, from, to);
    if (!err) {
        mount_unplace(m);
        was_at = m->was_at;
        m->was_at = (struct path){NULL, NULL};
        err = mount_attach_tree(m, to, &removed);
        if (err && was_at.mnt)
            mount_place_tree(m, &was_at);
    }
    lock_release(&ns->vfs->mount_lock);
    mounts_release(&removed);
    path_put(&was_at);
    return err;
}

// --- Flags and sharing ---------------------------------------------------------------------------

static bool is_meant(const struct mount *m, const struct mount *top, bool recursive)
{
    return m == top || (recursive && mount_is_below(m, top));
}

static int check_flags(struct mount *top, unsigned mask, unsigned flags, bool recursive)
{
    struct mount *m;
    list_for_each (m, &top->vfs->mounts, link)
        if (is_meant(m, top, recursive) && m->fixed_flags & mask & ~flags)
            return -LINUX_EPERM;
    return 0;
}

// -LINUX_EBUSY, and nothing has changed, when one of them has writers and was to become read-only.
static int set_flags(struct mount *top, unsigned mask, unsigned flags, bool recursive)
{
    struct mount *m, *busy = NULL;
    list_for_each (m, &top->vfs->mounts, link) {
        if (!is_meant(m, top, recursive))
            continue;
        uint32_t old = atomic_load_explicit(&m->flags, memory_order_relaxed);
        m->old_flags = old;
        atomic_store(&m->flags, (old & ~mask) | (flags & mask));
        if (flags & mask & ~old & MOUNT_RDONLY && atomic_load(&m->writers)) {
            busy = m;
            break;
        }
    }
    if (!busy)
        return 0;
    list_for_each (m, &top->vfs->mounts, link) {
        if (is_meant(m, top, recursive))
            atomic_store(&m->flags, m->old_flags);
        if (m == busy)
            break;
    }
    return -LINUX_EBUSY;
}

static void set_sharing(struct mount *top, enum vfs_share kind, bool recursive)
{
    struct mount *m;
    list_for_each (m, &top->vfs->mounts, link)
        if (is_meant(m, top, recursive))
            share_set(m, kind);
}

int vfs_set_mount_flags(struct mnt_ns *ns, const struct path *at, unsigned mask, unsigned flags,
                        const enum vfs_share *share, bool recursive)
{
    struct mount *m = at->mnt;
    lock_acquire(&ns->vfs->mount_lock);
    int err = -LINUX_EINVAL;
    if (at->dentry == m->root && (mount_in(at, ns) || is_detached(m)))
        err = check_flags(m, mask, flags, recursive);
    if (!err)
        err = set_flags(m, mask, flags, recursive);
    if (!err && share)
        set_sharing(m, *share, recursive);
    lock_release(&ns->vfs->mount_lock);
    return err;
}

int vfs_set_sharing(struct mnt_ns *ns, const struct path *at, enum vfs_share kind, bool recursive)
{
    struct mount *top = at->mnt;
    lock_acquire(&ns->vfs->mount_lock);
    int err = at->dentry == top->root && mount_in(at, ns) ? 0 : -LINUX_EINVAL;
    if (!err)
        set_sharing(top, kind, recursive);
    lock_release(&ns->vfs->mount_lock);
    return err;
}

int vfs_join_sharing(struct mnt_ns *ns, const struct path *from, const struct path *to)
{
    struct mount *f = from->mnt, *t = to->mnt;
    lock_acquire(&ns->vfs->mount_lock);
    int err = -LINUX_EINVAL;
    if (!mount_in(from, ns) || !mount_in(to, ns))
        err = f->ns && t->ns ? -LINUX_EPERM : -LINUX_EINVAL;
    else if (from->dentry == f->root && to->dentry == t->root && f->super == t->super &&
             dentry_is_below(ns->vfs, t->root, f->root) && !t->peers && !t->master &&
             (f->peers || f->master) && !uncovers(&(struct path){f, t->root}))
        err = 0;
    if (!err) {
        t->peers = f->peers;
        t->master = f->master;
    }
    lock_release(&ns->vfs->mount_lock);
    return err;
}

// --- A new root ----------------------------------------------------------------------------------

// Is `p` in the tree that can be seen from `root`?
static bool reachable(struct path p, const struct path *root)
{
    while (p.mnt != root->mnt && p.mnt->parent)
        p = (struct path){p.mnt->parent, p.mnt->point};
    return p.mnt == root->mnt && dentry_is_below(p.mnt->vfs, p.dentry, root->dentry);
}

static bool shares(const struct mount *m)
{
    return m && m->peers;
}

static int check_pivot(struct mnt_ns *ns, const struct path *root, const struct path *new_root,
                       const struct path *put_old)
{
    const struct mount *new = new_root->mnt, *old = root->mnt;
    if (shares(put_old->mnt) || shares(new->parent) || shares(old->parent))
        return -LINUX_EINVAL;
    if (!mount_in(root, ns) || !mount_in(new_root, ns) || !mount_in(put_old, ns) || new->locked)
        return -LINUX_EINVAL;
    if (atomic_load(&new_root->dentry->deleted))
        return -LINUX_ENOENT;
    if (new == old || put_old->mnt == old)
        return -LINUX_EBUSY;
    if (root->dentry != old->root || new_root->dentry != new->root || !new->parent)
        return -LINUX_EINVAL;
    return reachable(*put_old, new_root) && reachable(*new_root, root) ? 0 : -LINUX_EINVAL;
}

int vfs_pivot_root(struct mnt_ns *ns, const struct path *root, const struct path *new_root,
                   const struct path *put_old)
{
    struct mount *new = new_root->mnt, *old = root->mnt, *m;
    struct path places[2] = {{NULL, NULL}, {NULL, NULL}};
    lock_acquire(&ns->vfs->mount_lock);
    int err = check_pivot(ns, root, new_root, put_old);
    if (!err) {
        // A lock on the old root's place is on the place.
        new->locked = old->locked;
        old->locked = false;
        mount_unplace(new);
        mount_unplace(old);
        places[0] = new->was_at;
        places[1] = old->was_at;
        new->was_at = old->was_at = (struct path){NULL, NULL};
        if (places[1].mnt) {
            mount_place_tree(new, &places[1]);
        } else {
            list_for_each (m, &ns->vfs->mounts, link)
                if (mount_is_below(m, new)) {
                    m->ns = ns;
                    ns->count++;
                }
            ns->root = new;
        }
        mount_place_tree(old, put_old);
    }
    lock_release(&ns->vfs->mount_lock);
    path_put(&places[0]);
    path_put(&places[1]);
    return err;
}

// --- Detached trees ------------------------------------------------------------------------------

int vfs_detached_mount(struct vfs *vfs, struct super *super, const char *source, const char *type,
                       unsigned flags, struct path *out)
{
    struct mount *m = mount_of_super(vfs, super, source, type, flags);
    if (!m)
        return -LINUX_ENOMEM;
    lock_acquire(&vfs->mount_lock);
    m->id = vfs->next_mount_id++;
    list_add_tail(&vfs->mounts, &m->link);
    lock_release(&vfs->mount_lock);
    *out = (struct path){m, m->root};
    path_get(out);
    return 0;
}

int vfs_detached_copy(struct mnt_ns *ns, const struct path *from, bool recursive, struct path *out)
{
    struct mount *top;
    struct list removed;
    list_init(&removed);
    lock_acquire(&ns->vfs->mount_lock);
    int err = mount_in(from, ns) ? copy_for_bind(from, recursive, &top, &removed) : -LINUX_EINVAL;
    if (!err) {
        *out = (struct path){top, top->root};
        path_get(out);
    }
    lock_release(&ns->vfs->mount_lock);
    mounts_release(&removed);
    return err;
}

void mount_detached_done(const struct path *p)
{
    struct vfs *vfs = p->mnt->vfs;
    struct list removed;
    list_init(&removed);
    lock_acquire(&vfs->mount_lock);
    if (!p->mnt->ns && !p->mnt->parent && !list_empty(&p->mnt->link))
        mount_remove_tree(p->mnt, &removed);
    lock_release(&vfs->mount_lock);
    mounts_release(&removed);
}
