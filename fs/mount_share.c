// Shared subtrees (mount_namespaces(7)): groups of mounts on which the same is mounted and
// unmounted, and mounts that follow a group.
//
// A group is a number that its members have in `peers`; who follows it has the number in `master`.
// Members are found by looking at every mount: groups are few, and only mounts that share pay.
#include "fs/vfs_core.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

static bool group_has_others(const struct mount *m)
{
    struct mount *c;
    list_for_each (c, &m->vfs->mounts, link)
        if (c != m && c->peers == m->peers)
            return true;
    return false;
}

// Out of its group of peers; when it was the last, who followed it follows its master.
static void leave_peers(struct mount *m)
{
    if (!m->peers)
        return;
    if (!group_has_others(m)) {
        struct mount *c;
        list_for_each (c, &m->vfs->mounts, link)
            if (c->master == m->peers)
                c->master = m->master;
    }
    m->peers = 0;
}

void share_leave(struct mount *m)
{
    leave_peers(m);
    m->master = 0;
}

void share_set(struct mount *m, enum vfs_share kind)
{
    int group = m->peers;
    m->unbindable = kind == SHARE_UNBINDABLE;
    switch (kind) {
    case SHARE_SHARED:
        if (!m->peers)
            m->peers = ++m->vfs->next_group;
        return;
    case SHARE_SLAVE:
        if (!group)
            return;
        if (group_has_others(m))
            m->master = group;
        leave_peers(m);
        return;
    default:
        share_leave(m);
    }
}

// --- What is mounted -----------------------------------------------------------------------------

// May `q` show what is mounted on `point`? Only places in a tree that somebody sees count.
static bool shows(const struct mount *q, struct dentry *point)
{
    return q->ns && dentry_is_below(q->vfs, point, q->root);
}

static int add_copy(struct mount *tree, struct mount *on, struct dentry *point, int group,
                    struct shared_copy ***end)
{
    struct shared_copy *c = calloc(1, sizeof *c);
    if (!c)
        return -LINUX_ENOMEM;
    *c = (struct shared_copy){.at = {on, point}, .group = group};
    **end = c;
    *end = &c->next;
    int err = mount_copy_tree(tree, tree->root, true, true, &c->tree);
    mount_copies_done(tree->vfs);
    return err;
}

// The copies of a tree follow the originals, and are a group of their own if `shared`.
static void make_followers(struct mount *tree, bool shared)
{
    struct mount *m;
    list_for_each (m, &tree->vfs->mounts, link) {
        if (!mount_is_below(m, tree))
            continue;
        m->master = m->peers;
        m->peers = shared ? ++m->vfs->next_group : 0;
    }
}

// Of the mounts of a group that follow another, the one that gets the first copy.
static bool is_first_of_group(const struct mount *q, struct dentry *point)
{
    struct mount *c;
    list_for_each (c, &q->vfs->mounts, link) {
        if (c == q)
            return true;
        if (c->peers == q->peers && shows(c, point))
            return false;
    }
    return true;
}

// Copies of `tree` for the members of `group` but `on`, and for those who follow it. A group of
// followers gets one copy here and the others when it is its turn.
static int copy_for_group(struct mount *tree, const struct mount *on, struct dentry *point,
                          int group, struct shared_copy ***end)
{
    struct vfs *vfs = tree->vfs;
    struct mount *last = list_entry(vfs->mounts.prev, struct mount, link), *q;
    int err = 0;
    list_for_each (q, &vfs->mounts, link) {
        struct shared_copy **mine = *end;
        bool peer = q->peers == group && q != on, follower = q->master == group;
        if ((peer || follower) && shows(q, point)) {
            if (peer) {
                err = add_copy(tree, q, point, 0, end);
            } else if (!q->peers || is_first_of_group(q, point)) {
                err = add_copy(tree, q, point, q->peers, end);
                if (!err)
                    make_followers((*mine)->tree, q->peers);
            }
        }
        if (err || q == last)
            break;
    }
    return err;
}

static void cancel(struct shared_copy *copies, struct list *removed)
{
    while (copies) {
        struct shared_copy *next = copies->next;
        if (copies->tree)
            mount_remove_tree(copies->tree, removed);
        free(copies);
        copies = next;
    }
}

int share_prepare(struct mount *tree, const struct path *at, struct shared_copy **out,
                  struct list *removed)
{
    *out = NULL;
    if (!at->mnt->peers)
        return 0;
    struct mount *m;
    list_for_each (m, &tree->vfs->mounts, link)
        if (mount_is_below(m, tree) && !m->peers)
            m->peers = ++m->vfs->next_group;
    struct shared_copy **end = out;
    int err = copy_for_group(tree, at->mnt, at->dentry, at->mnt->peers, &end);
    for (struct shared_copy *c = *out; !err && c; c = c->next) {
        if (c->group)
            err = copy_for_group(c->tree, c->at.mnt, at->dentry, c->group, &end);
        if (!err && c->at.mnt->ns->base.owner != at->mnt->ns->base.owner)
            mount_lock_tree(c->tree);
    }
    if (err) {
        cancel(*out, removed);
        *out = NULL;
    }
    return err;
}

void share_commit(struct shared_copy *copies)
{
    while (copies) {
        struct shared_copy *next = copies->next;
        struct path top = mount_top(copies->tree->vfs, copies->at);
        mount_place_tree(copies->tree, &top);
        free(copies);
        copies = next;
    }
}

// --- What is unmounted ---------------------------------------------------------------------------

// Marks every mount that gets what happens on `on`.
static void mark_receivers(const struct mount *on)
{
    struct mount *q, *r;
    bool more = true;
    list_for_each (q, &on->vfs->mounts, link)
        q->marked = q != on && q->peers == on->peers;
    while (more) {
        more = false;
        list_for_each (q, &on->vfs->mounts, link) {
            bool follows = q->master == on->peers;
            list_for_each (r, &on->vfs->mounts, link)
                follows |= r->marked && r->peers && (r->peers == q->master || r->peers == q->peers);
            if (q->marked || q == on || !follows)
                continue;
            q->marked = more = true;
        }
    }
}

// What is to go with a mount of `super` on `point`: a mount of the same that nothing is mounted on.
static struct mount *find_receiver(struct vfs *vfs, const struct super *super,
                                   const struct dentry *point)
{
    struct mount *q;
    list_for_each (q, &vfs->mounts, link) {
        struct mount *there = q->marked ? mount_on(vfs, q, point) : NULL;
        if (there && !there->locked && there->super == super && !mount_has_children(there))
            return there;
    }
    return NULL;
}

void share_remove(struct mount *m, struct list *removed)
{
    struct mount *on = m->parent, *there;
    if (!on || !on->peers)
        return;
    mark_receivers(on);
    while ((there = find_receiver(m->vfs, m->super, m->point))) {
        there->parent->marked = false; // one from each
        mount_remove_tree(there, removed);
    }
}
