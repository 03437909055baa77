// Objects by number: what file handles mean (open_by_handle_at(2)).
//
// A handle holds the inode number, and of the time the object was made and the file system's own
// mark (inode_ops.generation) enough to tell when the number was given out again. Nothing leads
// from a number to a name: the cache of names is looked at first, then the tree is searched.
#include "fs/path.h"
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

static int generation_of(struct inode *inode, uint32_t *out)
{
    struct vfs_stat st;
    uint64_t mark = 0;
    int err = inode->ops->getattr(inode, &st);
    if (!err && inode->ops->generation)
        err = inode->ops->generation(inode, &mark);
    if (err)
        return err;
    uint64_t born = (uint64_t)st.btime * UINT64_C(0x9e3779b97f4a7c15);
    *out = (uint32_t)(born >> 32) ^ (uint32_t)mark;
    return 0;
}

int vfs_handle_make(const struct path *p, struct vfs_handle *out)
{
    struct inode *inode = p->dentry->inode;
    if (!p->dentry->super || !(p->dentry->super->flags & SUPER_HANDLES))
        return -LINUX_EOPNOTSUPP;
    out->ino = inode->ino;
    return generation_of(inode, &out->generation);
}

static bool is_meant(struct inode *inode, const struct vfs_handle *h)
{
    uint32_t generation;
    return inode && inode->ino == h->ino && !generation_of(inode, &generation) &&
           generation == h->generation;
}

// --- In the cache --------------------------------------------------------------------------------

static struct dentry *find_cached(struct vfs *vfs, const struct super *super,
                                  const struct vfs_handle *h)
{
    for (size_t i = 0; i < DENTRY_SHARDS; i++) {
        struct dentry_shard *s = &vfs->shard[i];
        struct dentry *d, *found = NULL;
        lock_acquire(&s->lock);
        list_for_each (d, &s->lru, lru_link)
            if (!found && d->inode && d->super == super && d->inode->ino == h->ino)
                found = dentry_get(d);
        lock_release(&s->lock);
        if (found && is_meant(found->inode, h))
            return found;
        if (found)
            dentry_put(found);
    }
    return NULL;
}

// --- In the tree ---------------------------------------------------------------------------------

enum { NAME_ROOM = 256 };

struct entries {
    struct dir_sink sink;
    uint64_t wanted;
    char (*names)[NAME_ROOM]; // directories, and what has the number
    size_t count, room;
    bool failed;
};

static bool note_entry(struct dir_sink *sink, const char *name, size_t len, uint64_t ino,
                       uint8_t type, uint64_t next)
{
    (void)next;
    struct entries *e = CONTAINER_OF(sink, struct entries, sink);
    bool dots = (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.');
    bool may_be_dir = type == LINUX_DT_DIR || type == LINUX_DT_UNKNOWN;
    if (dots || len >= NAME_ROOM || (ino != e->wanted && !may_be_dir))
        return true;
    if (e->count == e->room) {
        size_t room = e->room ? 2 * e->room : 16;
        void *more = realloc(e->names, room * NAME_ROOM);
        if (!more) {
            e->failed = true;
            return false;
        }
        e->names = more;
        e->room = room;
    }
    memcpy(e->names[e->count], name, len);
    e->names[e->count++][len] = 0;
    return true;
}

static const struct file_ops nothing_to_release = {0};

// Nobody is told that the directory was read.
static int read_names(const struct vfs_caller *c, const struct path *dir, struct entries *e)
{
    struct inode *inode = dir->dentry->inode;
    struct file *file = file_alloc(c->cred, LINUX_O_RDONLY | LINUX_O_DIRECTORY);
    if (!file)
        return -LINUX_ENOMEM;
    path_get(dir);
    file->path = *dir;
    file->inode = inode_get(inode);
    file->ops = inode->file_ops;
    int err = inode->ops->open ? inode->ops->open(inode, file, c) : 0;
    uint64_t pos = 0, before;
    if (!err && file->ops && file->ops->readdir) {
        do {
            before = pos;
            err = file->ops->readdir(file, &pos, &e->sink);
        } while (!err && pos != before && !e->failed);
    }
    if (err)
        file->ops = &nothing_to_release;
    file_put(file);
    return e->failed ? -LINUX_ENOMEM : err;
}

struct stack {
    struct dentry **dirs; // referenced
    size_t count, room;
};

static bool push(struct stack *s, struct dentry *d)
{
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        void *more = realloc(s->dirs, room * sizeof *s->dirs);
        if (!more)
            return false;
        s->dirs = more;
        s->room = room;
    }
    s->dirs[s->count++] = d;
    return true;
}

// Looks through one directory: what was meant, or NULL, with its directories on the stack.
static struct dentry *search_dir(const struct vfs_caller *c, struct mount *m, struct dentry *dir,
                                 const struct vfs_handle *h, struct stack *s)
{
    struct entries e = {.sink = {note_entry}, .wanted = h->ino};
    struct dentry *found = NULL;
    int err = read_names(c, &(struct path){m, dir}, &e);
    for (size_t i = 0; !err && i < e.count && !found; i++) {
        struct dentry *d;
        if (dir_lookup(c, dir, e.names[i], strlen(e.names[i]), false, &d))
            continue;
        if (is_meant(d->inode, h))
            found = d;
        else if (!d->inode || !LINUX_S_ISDIR(d->inode->type) || !push(s, d))
            dentry_put(d);
    }
    free(e.names);
    return found;
}

static struct dentry *search_tree(const struct vfs_caller *c, struct mount *m,
                                  const struct vfs_handle *h)
{
    struct dentry *top = dentry_get(m->root), *found = NULL;
    for (struct dentry *up; (up = dentry_parent(c->vfs, top)) != top;) {
        dentry_put(top);
        top = up;
    }
    dentry_put(top); // its own reference, taken again by the last step up
    if (is_meant(top->inode, h))
        return top;
    struct stack s = {NULL, 0, 0};
    if (!push(&s, top)) {
        dentry_put(top);
        return NULL;
    }
    while (s.count > 0 && !found) {
        struct dentry *dir = s.dirs[--s.count];
        found = search_dir(c, m, dir, h, &s);
        dentry_put(dir);
        dentry_free_evicted(c->vfs);
    }
    while (s.count > 0)
        dentry_put(s.dirs[--s.count]);
    free(s.dirs);
    return found;
}

int vfs_handle_find(const struct vfs_caller *c, const struct path *at, const struct vfs_handle *h,
                    struct path *out)
{
    struct super *super = at->mnt->super;
    if (!super || !(super->flags & SUPER_HANDLES))
        return -LINUX_ESTALE;
    struct dentry *found = find_cached(c->vfs, super, h);
    if (!found)
        found = search_tree(c, at->mnt, h);
    if (!found)
        return -LINUX_ESTALE;
    *out = (struct path){mount_get(at->mnt), found};
    return 0;
}
