#include "fs/path.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

// Looks every name up anew; an entry is kept only so that paths have a place to hang on.
static int lookup_uncached(const struct vfs_caller *c, struct dentry *dir, const char *name,
                           size_t len, struct dentry **out)
{
    struct inode *inode;
    int err = dir->inode->ops->lookup(dir->inode, name, c, &inode);
    if (err)
        return err;
    struct dentry *d = dentry_find(c->vfs, dir, name, len);
    if (d && d->inode == inode) {
        inode_put(inode);
        *out = d;
        return 0;
    }
    if (d) {
        dentry_unhash(c->vfs, d);
        dentry_put(d);
    }
    *out = dentry_create(c->vfs, dir, name, len, inode, true);
    return *out ? 0 : -LINUX_ENOMEM;
}

// The directory is locked: nobody else adds or removes this name.
static int lookup_locked(const struct vfs_caller *c, struct dentry *dir, const char *name,
                         size_t len, struct dentry **out)
{
    *out = dentry_find(c->vfs, dir, name, len);
    if (*out)
        return 0;
    if (atomic_load_explicit(&dir->deleted, memory_order_relaxed))
        return -LINUX_ENOENT;
    struct inode *inode = NULL;
    int err = dir->inode->ops->lookup(dir->inode, name, c, &inode);
    if (err && err != -LINUX_ENOENT)
        return err;
    *out = dentry_create(c->vfs, dir, name, len, err ? NULL : inode, true);
    return *out ? 0 : -LINUX_ENOMEM;
}

int dir_lookup(const struct vfs_caller *c, struct dentry *dir, const char *name, size_t len,
               bool locked, struct dentry **out)
{
    if (!dir->inode->ops->lookup)
        return -LINUX_ENOTDIR;
    if (dir->super->flags & SUPER_NO_DCACHE) {
        int err = lookup_uncached(c, dir, name, len, out);
        if (err != -LINUX_ENOENT)
            return err;
        *out = dentry_create(c->vfs, dir, name, len, NULL, false);
        return *out ? 0 : -LINUX_ENOMEM;
    }
    if (locked)
        return lookup_locked(c, dir, name, len, out);
    *out = dentry_find(c->vfs, dir, name, len);
    if (*out)
        return 0;
    lock_acquire(&dir->inode->lock);
    int err = lookup_locked(c, dir, name, len, out);
    lock_release(&dir->inode->lock);
    return err;
}

static bool same_place(const struct path *a, const struct path *b)
{
    return a->dentry == b->dentry && a->mnt == b->mnt;
}

// Moves to `next`, whose references pass to the walk.
static int walk_to(struct walk *w, struct path next)
{
    if (w->flags & WALK_NO_XDEV && next.mnt != w->cur.mnt) {
        path_put(&next);
        return -LINUX_EXDEV;
    }
    path_put(&w->cur);
    w->cur = next;
    return 0;
}

// A component of a path, and what comes after it.
struct component {
    const char *name, *rest;
    size_t len;
    uint32_t hash;
    bool last; // nothing but slashes follows
};

// False for what a walk has to look at: the end, dots, names that are too long.
static bool next_component(const char *text, struct component *out)
{
    while (*text == '/')
        text++;
    uint32_t hash = NAME_HASH_START;
    size_t len = 0;
    for (; text[len] && text[len] != '/'; len++)
        hash = name_hash_add(hash, text[len]);
    const char *rest = text + len;
    while (*rest == '/')
        rest++;
    *out = (struct component){text, text + len, len, name_hash_end(hash), !*rest};
    return len > 0 && len <= LINUX_NAME_MAX && (*text != '.' || len > 2);
}

// The child a step leads to, if that is certain without asking anybody. Inside a gate.
static struct dentry *peek_child(const struct walk *w, struct dentry *dir,
                                 const struct component *comp)
{
    if (!LINUX_S_ISDIR(dir->inode->type) || dir->super->flags & SUPER_NO_DCACHE ||
        !inode_passable(w->c, dir->inode))
        return NULL;
    struct dentry *d = dentry_peek(w->c->vfs, dir, comp->name, comp->len, comp->hash);
    if (!d || !d->inode || LINUX_S_ISLNK(d->inode->type) ||
        atomic_load_explicit(&d->mounts, memory_order_acquire) > 0)
        return NULL;
    return d;
}

// From cur, which is not referenced yet, as far as the cache knows the way and nothing is met that
// needs care; nearly always as far as the last component. References where that is.
static void walk_skip(struct walk *w) NO_TSA
{
    struct component comp;
    struct dentry *at = w->cur.dentry, *next;
    const char **rest = &w->stack[0].rest;
    struct lock *gate = dentry_gate_enter(w->c->vfs);
    while (next_component(*rest, &comp)) {
        if (comp.last && (!(w->flags & WALK_WHOLE) || *comp.rest))
            break;
        next = peek_child(w, at, &comp);
        if (!next)
            break;
        at = next;
        *rest = comp.rest;
    }
    w->cur.dentry = dentry_get(at);
    lock_release(gate);
    mount_get(w->cur.mnt);
}

int walk_begin(struct walk *w, const struct vfs_caller *c, const struct path *base,
               const char *name, unsigned flags)
{
    // Field by field: most of it is room for symlinks and a name.
    w->c = c;
    w->flags = flags;
    w->base = base ? *base : c->cwd;
    w->root = flags & WALK_IN_ROOT ? w->base : c->root;
    w->kind = WALK_LAST_ROOT;
    w->must_be_dir = false;
    w->links = w->depth = 0;
    w->last_len = 0;
    w->last[0] = 0;
    w->stack[0].text = NULL;
    size_t len = strlen(name);
    w->cur = *name == '/' ? w->root : w->base;
    int err = 0;
    if (len >= LINUX_PATH_MAX)
        err = -LINUX_ENAMETOOLONG;
    else if (len == 0 && !(flags & WALK_EMPTY))
        err = -LINUX_ENOENT;
    else if (*name == '/' && flags & WALK_BENEATH)
        err = -LINUX_EXDEV;
    if (err) {
        path_get(&w->cur);
        return err;
    }
    w->stack[0].rest = name;
    w->depth = 1;
    walk_skip(w);
    return 0;
}

void walk_end(struct walk *w)
{
    for (unsigned i = 0; i < w->depth; i++)
        free(w->stack[i].text);
    path_put(&w->cur);
    dentry_free_evicted(w->c->vfs);
}

// Skips slashes and finished texts. True when a component follows; notes slashes passed.
static bool more_text(struct walk *w, bool *slash)
{
    while (w->depth > 0) {
        const char **rest = &w->stack[w->depth - 1].rest;
        while (**rest == '/') {
            ++*rest;
            *slash = true;
        }
        if (**rest)
            return true;
        free(w->stack[--w->depth].text);
        w->stack[w->depth].text = NULL;
    }
    return false;
}

static int step_up(struct walk *w)
{
    for (;;) {
        if (w->flags & WALK_BENEATH && same_place(&w->cur, &w->base))
            return -LINUX_EXDEV;
        if (same_place(&w->cur, &w->root))
            return 0;
        if (w->cur.dentry != w->cur.mnt->root)
            break;
        struct path up = w->cur;
        path_get(&up);
        if (!mount_up(w->c->vfs, &up)) {
            path_put(&up);
            return 0; // the top of all
        }
        int err = walk_to(w, up);
        if (err)
            return err;
    }
    struct path up = {mount_get(w->cur.mnt), dentry_parent(w->c->vfs, w->cur.dentry)};
    mount_cross(w->c->vfs, &up);
    return walk_to(w, up);
}

static int follow_magic(struct walk *w, struct inode *inode)
{
    if (w->flags & WALK_NO_MAGICLINKS)
        return -LINUX_ELOOP;
    struct path to;
    int err = inode->ops->follow(inode, w->c, &to);
    if (err)
        return err;
    if (w->flags & (WALK_BENEATH | WALK_IN_ROOT)) {
        path_put(&to);
        return -LINUX_EXDEV;
    }
    w->kind = WALK_LAST_LINK;
    return walk_to(w, to);
}

// Puts the text of a symlink in front of what is left to walk.
static int push_link(struct walk *w, const struct path *link)
{
    struct inode *inode = link->dentry->inode;
    if (++w->links > LINUX_SYMLINK_MAX || w->flags & WALK_NO_SYMLINKS ||
        (!inode->ops->follow && vfs_mount_flags(link) & MOUNT_NOSYMFOLLOW))
        return -LINUX_ELOOP;
    if (inode->ops->follow)
        return follow_magic(w, inode);
    if (!inode->ops->readlink)
        return -LINUX_EINVAL;
    char *text = malloc(LINUX_PATH_MAX);
    if (!text)
        return -LINUX_ENOMEM;
    ssize_t n = inode->ops->readlink(inode, w->c, text, LINUX_PATH_MAX - 1);
    int err = 0;
    if (n <= 0)
        err = n < 0 ? (int)n : -LINUX_ENOENT;
    else if (n >= LINUX_PATH_MAX)
        err = -LINUX_ENAMETOOLONG;
    else if (*text == '/' && w->flags & WALK_BENEATH)
        err = -LINUX_EXDEV;
    if (!err && *text == '/') {
        path_get(&w->root);
        err = walk_to(w, w->root);
    }
    if (err) {
        free(text);
        return err;
    }
    text[n] = 0;
    w->stack[w->depth].text = text;
    w->stack[w->depth++].rest = text;
    w->kind = WALK_LAST_ROOT;
    return 0;
}

int walk_into_link(struct walk *w, const struct path *link)
{
    int err = push_link(w, link);
    return err ? err : walk_parent(w);
}

// From the directory cur to its child `last`. A symlink to be followed is pushed instead.
static int step_child(struct walk *w, bool follow)
{
    struct path next = {NULL, NULL};
    int err = 0;
    if (!(w->cur.dentry->super->flags & SUPER_NO_DCACHE))
        next.dentry =
            dentry_find_hashed(w->c->vfs, w->cur.dentry, w->last, w->last_len, w->last_hash);
    if (!next.dentry)
        err = dir_lookup(w->c, w->cur.dentry, w->last, w->last_len, false, &next.dentry);
    if (err)
        return err;
    if (!next.dentry->inode) {
        dentry_put(next.dentry);
        return -LINUX_ENOENT;
    }
    if (atomic_load_explicit(&next.dentry->mounts, memory_order_acquire) == 0 &&
        !LINUX_S_ISLNK(next.dentry->inode->type)) {
        dentry_put(w->cur.dentry); // the way nearly every step goes
        w->cur.dentry = next.dentry;
        return 0;
    }
    next.mnt = mount_get(w->cur.mnt);
    mount_cross(w->c->vfs, &next);
    if (follow && LINUX_S_ISLNK(next.dentry->inode->type)) {
        err = push_link(w, &next);
        path_put(&next);
        return err;
    }
    return walk_to(w, next);
}

static int check_directory(struct walk *w)
{
    struct inode *inode = w->cur.dentry->inode;
    if (!LINUX_S_ISDIR(inode->type))
        return -LINUX_ENOTDIR;
    return inode_permission(w->c, inode, LINUX_X_OK);
}

// Takes the next component off the text; in one pass, because every path of every call is.
static int take_component(struct walk *w)
{
    const char **rest = &w->stack[w->depth - 1].rest;
    const char *at = *rest;
    uint32_t hash = NAME_HASH_START;
    size_t len = 0;
    for (; at[len] && at[len] != '/'; len++) {
        if (len == LINUX_NAME_MAX)
            return -LINUX_ENAMETOOLONG;
        w->last[len] = at[len];
        hash = name_hash_add(hash, at[len]);
    }
    w->last[len] = 0;
    w->last_len = len;
    w->last_hash = name_hash_end(hash);
    *rest += len;
    return 0;
}

static bool is_dots(const struct walk *w, size_t count)
{
    return w->last_len == count && w->last[0] == '.' && w->last[count - 1] == '.';
}

int walk_parent(struct walk *w)
{
    bool slash = false;
    while (more_text(w, &slash)) {
        int err = check_directory(w);
        if (!err)
            err = take_component(w);
        if (err)
            return err;
        slash = false;
        bool more = more_text(w, &slash);
        if (is_dots(w, 1)) {
            w->kind = WALK_LAST_DOT;
        } else if (is_dots(w, 2)) {
            w->kind = WALK_LAST_DOTDOT;
            err = step_up(w);
        } else if (more) {
            err = step_child(w, true);
        } else {
            w->kind = WALK_LAST_NAME;
            w->must_be_dir |= slash;
            return 0;
        }
        if (err)
            return err;
    }
    return 0;
}

int walk_last(struct walk *w, bool follow)
{
    while (w->kind == WALK_LAST_NAME) {
        w->kind = WALK_LAST_ROOT;
        int err = step_child(w, follow || w->must_be_dir);
        if (!err)
            err = walk_parent(w);
        if (err)
            return err;
    }
    if (w->must_be_dir && !LINUX_S_ISDIR(w->cur.dentry->inode->type))
        return -LINUX_ENOTDIR;
    return 0;
}

int path_walk(const struct vfs_caller *c, const struct path *base, const char *name, unsigned flags,
              struct path *out)
{
    struct walk w;
    int err = walk_begin(&w, c, base, name, flags | WALK_WHOLE);
    if (!err)
        err = walk_parent(&w);
    if (!err)
        err = walk_last(&w, flags & WALK_FOLLOW);
    if (!err && flags & WALK_DIRECTORY && !LINUX_S_ISDIR(w.cur.dentry->inode->type))
        err = -LINUX_ENOTDIR;
    if (!err) {
        *out = w.cur;
        w.cur = (struct path){NULL, NULL};
    }
    walk_end(&w);
    return err;
}

// --- Names ---------------------------------------------------------------------------------------

// Builds a string from its end towards its start.
struct name_builder {
    char *start, *at;
    bool full;
};

static void prepend(struct name_builder *b, const char *text, size_t len)
{
    if (b->full || (size_t)(b->at - b->start) < len) {
        b->full = true;
        return;
    }
    b->at -= len;
    memcpy(b->at, text, len);
}

// Under the mount and tree locks. False: the walk ended at a top that is not `root`.
static bool build_name(struct name_builder *b, struct path p, const struct path *root)
{
    for (;;) {
        if (same_place(&p, root))
            return true;
        if (p.dentry == p.mnt->root || !p.dentry->parent) {
            if (!p.mnt->parent)
                return false;
            p = (struct path){p.mnt->parent, p.mnt->point};
            continue;
        }
        prepend(b, p.dentry->name, p.dentry->name_len);
        prepend(b, "/", 1);
        p.dentry = p.dentry->parent;
    }
}

int dentry_name(struct vfs *vfs, struct dentry *d, char *buf, size_t size)
{
    struct name_builder b = {buf, buf + size, false};
    prepend(&b, "", 1);
    char *end = b.at;
    lock_acquire(&vfs->tree_lock);
    for (; d->parent; d = d->parent) {
        prepend(&b, d->name, d->name_len);
        prepend(&b, "/", 1);
    }
    lock_release(&vfs->tree_lock);
    if (b.at == end)
        prepend(&b, "/", 1);
    if (b.full)
        return -LINUX_ERANGE;
    size_t len = (size_t)(buf + size - b.at) - 1;
    memmove(buf, b.at, len + 1);
    return (int)len;
}

static int make_name(const struct path *p, const struct path *root, const char *outside_mark,
                     char *buf, size_t size)
{
    static const char deleted_mark[] = " (deleted)";
    struct name_builder b = {buf, buf + size, false};
    bool deleted = atomic_load_explicit(&p->dentry->deleted, memory_order_relaxed);
    bool reached = true;
    prepend(&b, "", 1);
    if (p->dentry->anonymous) {
        deleted = false;
        prepend(&b, p->dentry->name, p->dentry->name_len);
    } else {
        struct vfs *vfs = p->mnt->vfs;
        if (deleted)
            prepend(&b, deleted_mark, sizeof deleted_mark - 1);
        char *end = b.at;
        lock_acquire(&vfs->mount_lock);
        lock_acquire(&vfs->tree_lock);
        reached = build_name(&b, *p, root);
        lock_release(&vfs->tree_lock);
        lock_release(&vfs->mount_lock);
        if (b.at == end)
            prepend(&b, "/", 1);
        if (!reached)
            prepend(&b, outside_mark, strlen(outside_mark));
    }
    if (b.full)
        return -LINUX_ERANGE;
    size_t len = (size_t)(buf + size - b.at) - 1;
    memmove(buf, b.at, len + 1);
    return deleted || !reached ? -LINUX_ENOENT : (int)len;
}

int path_name(const struct path *p, const struct path *root, char *buf, size_t size)
{
    return make_name(p, root, "(unreachable)", buf, size);
}

int path_shown(const struct path *p, const struct path *root, char *buf, size_t size)
{
    int n = make_name(p, root, "", buf, size);
    return n == -LINUX_ENOENT ? (int)strlen(buf) : n;
}
