// tmpfs(5): the tree. A node that has a name is held by its directory entries; one without lives as
// long as it is open.
#include "fs/tmpfs.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_COOKIE = 2, NODE_LIMIT = 1 << 20, FIRST_BUCKETS = 8 };

static const struct inode_ops dir_ops, file_inode_ops, link_ops, special_ops;
static const struct file_ops tmpfs_dir_ops;

static int64_t now(void)
{
    return (int64_t)clock_realtime_ns();
}

static uint32_t hash_name(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static const struct inode_ops *ops_of(uint32_t type)
{
    switch (type) {
    case LINUX_S_IFDIR:
        return &dir_ops;
    case LINUX_S_IFREG:
        return &file_inode_ops;
    case LINUX_S_IFLNK:
        return &link_ops;
    default:
        return &special_ops;
    }
}

// A node without a name; the caller gets the inode's one reference.
static int node_create(struct super *super, uint32_t mode, uint32_t uid, uint32_t gid,
                       uint64_t rdev, struct inode **out)
{
    struct tmpfs *fs = super->private;
    if (atomic_fetch_add_explicit(&fs->nodes, 1, memory_order_relaxed) >= fs->node_limit) {
        atomic_fetch_sub_explicit(&fs->nodes, 1, memory_order_relaxed);
        return -LINUX_ENOSPC;
    }
    uint32_t type = mode & LINUX_S_IFMT;
    struct tmpfs_node *node = calloc(1, sizeof *node);
    struct inode *inode =
        inode_create(super, ops_of(type), type,
                     atomic_fetch_add_explicit(&fs->next_ino, 1, memory_order_relaxed));
    if (!node || !inode) {
        free(node);
        if (inode)
            inode_discard(inode);
        atomic_fetch_sub_explicit(&fs->nodes, 1, memory_order_relaxed);
        return -LINUX_ENOMEM;
    }
    inode->private = node;
    inode->rdev = rdev;
    inode->cached_perm = true;
    atomic_init(&inode->mode, mode);
    atomic_init(&inode->uid, uid);
    atomic_init(&inode->gid, gid);
    inode->file_ops = type == LINUX_S_IFDIR   ? &tmpfs_dir_ops
                      : type == LINUX_S_IFREG ? &tmpfs_file_ops
                                              : NULL;
    node->fs = fs;
    node->inode = inode;
    lock_init(&node->lock, LOCK_RANK_FILE_PAGES);
    list_init(&node->xattrs);
    node->atime = node->mtime = node->ctime = node->btime = now();
    node->nlink = type == LINUX_S_IFDIR ? 2 : 0;
    node->next_cookie = FIRST_COOKIE;
    lock_acquire(&fs->lock);
    list_add_tail(&fs->all, &node->all_link);
    lock_release(&fs->lock);
    *out = inode;
    return 0;
}

static void xattr_free(struct tmpfs_xattr *x)
{
    list_remove(&x->link);
    free(x->name);
    free(x->value);
    free(x);
}

static void node_evict(struct inode *inode)
{
    struct tmpfs_node *node = inode->private;
    struct tmpfs *fs = node->fs;
    lock_acquire(&fs->lock);
    list_remove(&node->all_link);
    lock_release(&fs->lock);
    tmpfs_free_pages(node);
    while (!list_empty(&node->xattrs))
        xattr_free(list_first(&node->xattrs, struct tmpfs_xattr, link));
    sparse_map_free(&node->entries);
    free(node->buckets);
    free(node->target);
    lock_destroy(&node->lock);
    free(node);
    atomic_fetch_sub_explicit(&fs->nodes, 1, memory_order_relaxed);
}

// --- Directory entries (under the directory's inode lock) ----------------------------------------

static struct tmpfs_entry *entry_find(const struct tmpfs_node *dir, const char *name)
{
    if (dir->bucket_count == 0)
        return NULL;
    uint32_t hash = hash_name(name);
    struct tmpfs_entry *e;
    list_for_each (e, &dir->buckets[hash & (dir->bucket_count - 1)], bucket_link)
        if (e->hash == hash && strcmp(e->name, name) == 0)
            return e;
    return NULL;
}

static bool buckets_grow(struct tmpfs_node *dir)
{
    uint32_t count = dir->bucket_count ? dir->bucket_count * 2 : FIRST_BUCKETS;
    struct list *grown = malloc(count * sizeof *grown);
    if (!grown)
        return dir->bucket_count > 0; // longer chains will do
    for (uint32_t i = 0; i < count; i++)
        list_init(&grown[i]);
    for (uint32_t i = 0; i < dir->bucket_count; i++) {
        struct tmpfs_entry *e, *next;
        list_for_each_safe (e, next, &dir->buckets[i], bucket_link) {
            list_remove(&e->bucket_link);
            list_add_tail(&grown[e->hash & (count - 1)], &e->bucket_link);
        }
    }
    free(dir->buckets);
    dir->buckets = grown;
    dir->bucket_count = count;
    return true;
}

static void touch_dir(struct tmpfs_node *dir, int nlink_change)
{
    lock_acquire(&dir->lock);
    dir->nlink += (uint32_t)nlink_change;
    dir->mtime = dir->ctime = now();
    lock_release(&dir->lock);
}

static void change_nlink(struct inode *inode, int change)
{
    struct tmpfs_node *node = inode->private;
    lock_acquire(&node->lock);
    node->nlink += (uint32_t)change;
    node->ctime = now();
    lock_release(&node->lock);
}

// Adds a name for `inode`, taking a reference. Link counts are the caller's.
static int entry_add(struct tmpfs_node *dir, const char *name, struct inode *inode)
{
    size_t len = strlen(name);
    struct tmpfs_entry *e = malloc(sizeof *e + len + 1);
    if (!e)
        return -LINUX_ENOMEM;
    e->cookie = dir->next_cookie;
    e->hash = hash_name(name);
    memcpy(e->name, name, len + 1);
    if ((dir->entry_count >= dir->bucket_count && !buckets_grow(dir)) ||
        sparse_map_set(&dir->entries, e->cookie, e)) {
        free(e);
        return -LINUX_ENOMEM;
    }
    e->inode = inode_get(inode);
    list_add_head(&dir->buckets[e->hash & (dir->bucket_count - 1)], &e->bucket_link);
    dir->next_cookie++;
    dir->entry_count++;
    return 0;
}

// The entry's reference passes to the caller.
static struct inode *entry_remove(struct tmpfs_node *dir, struct tmpfs_entry *e)
{
    struct inode *inode = e->inode;
    sparse_map_remove(&dir->entries, e->cookie);
    list_remove(&e->bucket_link);
    dir->entry_count--;
    free(e);
    return inode;
}

static int tmpfs_lookup(struct inode *dir, const char *name, const struct vfs_caller *c,
                        struct inode **out)
{
    (void)c;
    struct tmpfs_entry *e = entry_find(dir->private, name);
    if (!e)
        return -LINUX_ENOENT;
    *out = inode_get(e->inode);
    return 0;
}

static int make_node(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
                     const char *target, const struct vfs_caller *c, struct inode **out)
{
    uint32_t uid, gid;
    inode_new_owner(dir, c, &mode, &uid, &gid);
    char *text = target ? strdup(target) : NULL;
    if (target && !text)
        return -LINUX_ENOMEM;
    struct inode *inode;
    int err = node_create(dir->super, mode, uid, gid, rdev, &inode);
    if (err) {
        free(text);
        return err;
    }
    struct tmpfs_node *node = inode->private;
    node->target = text;
    node->size = text ? strlen(text) : 0;
    if (name) {
        err = entry_add(dir->private, name, inode);
        if (err) {
            inode_put(inode);
            return err;
        }
        bool is_dir = LINUX_S_ISDIR(mode);
        if (!is_dir)
            change_nlink(inode, 1);
        touch_dir(dir->private, is_dir ? 1 : 0);
    }
    *out = inode;
    return 0;
}

static int tmpfs_create_file(struct inode *dir, const char *name, uint32_t mode,
                             const struct vfs_caller *c, struct inode **out)
{
    return make_node(dir, name, LINUX_S_IFREG | (mode & LINUX_S_IALLPERM), 0, NULL, c, out);
}

static int tmpfs_mkdir(struct inode *dir, const char *name, uint32_t mode,
                       const struct vfs_caller *c, struct inode **out)
{
    return make_node(dir, name, LINUX_S_IFDIR | (mode & LINUX_S_IALLPERM), 0, NULL, c, out);
}

static int tmpfs_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
                       const struct vfs_caller *c, struct inode **out)
{
    return make_node(dir, name, mode, rdev, NULL, c, out);
}

static int tmpfs_symlink(struct inode *dir, const char *name, const char *target,
                         const struct vfs_caller *c, struct inode **out)
{
    return make_node(dir, name, LINUX_S_IFLNK | 0777, 0, target, c, out);
}

static int tmpfs_tmpfile(struct inode *dir, uint32_t mode, const struct vfs_caller *c,
                         struct inode **out)
{
    const uint32_t type = mode & LINUX_S_IFMT ? mode & LINUX_S_IFMT : LINUX_S_IFREG;
    return make_node(dir, NULL, type | (mode & LINUX_S_IALLPERM), 0, NULL, c, out);
}

static int tmpfs_link(struct inode *inode, struct inode *dir, const char *name)
{
    int err = entry_add(dir->private, name, inode);
    if (err)
        return err;
    change_nlink(inode, 1);
    touch_dir(dir->private, 0);
    return 0;
}

static int tmpfs_unlink(struct inode *dir, const char *name, struct inode *inode, bool in_use)
{
    (void)in_use;
    struct tmpfs_entry *e = entry_find(dir->private, name);
    if (!e)
        return -LINUX_ENOENT;
    change_nlink(inode, -1);
    touch_dir(dir->private, 0);
    inode_put(entry_remove(dir->private, e)); // not the last: the caller has one
    return 0;
}

static int tmpfs_rmdir(struct inode *dir, const char *name, struct inode *inode, bool in_use)
{
    (void)in_use;
    const struct tmpfs_node *node = inode->private;
    struct tmpfs_entry *e = entry_find(dir->private, name);
    if (!e)
        return -LINUX_ENOENT;
    if (node->entry_count > 0)
        return -LINUX_ENOTEMPTY;
    change_nlink(inode, -2);
    touch_dir(dir->private, -1);
    inode_put(entry_remove(dir->private, e));
    return 0;
}

static void exchange(const struct vfs_rename_args *a, struct tmpfs_entry *from,
                     struct tmpfs_entry *to)
{
    from->inode = a->target;
    to->inode = a->inode;
    int from_dir = LINUX_S_ISDIR(a->inode->type), to_dir = LINUX_S_ISDIR(a->target->type);
    if (a->old_dir != a->new_dir) {
        touch_dir(a->old_dir->private, to_dir - from_dir);
        touch_dir(a->new_dir->private, from_dir - to_dir);
    }
}

static int tmpfs_rename(const struct vfs_rename_args *a)
{
    struct tmpfs_node *old_dir = a->old_dir->private, *new_dir = a->new_dir->private;
    struct tmpfs_entry *from = entry_find(old_dir, a->old_name);
    struct tmpfs_entry *to = entry_find(new_dir, a->new_name);
    if (!from || (a->target && !to))
        return -LINUX_ENOENT;
    if (a->flags & LINUX_RENAME_EXCHANGE) {
        exchange(a, from, to);
        return 0;
    }
    bool is_dir = LINUX_S_ISDIR(a->inode->type);
    if (to) {
        const struct tmpfs_node *target = a->target->private;
        if (is_dir && target->entry_count > 0)
            return -LINUX_ENOTEMPTY;
        change_nlink(a->target, is_dir ? -2 : -1);
        struct inode *replaced = to->inode;
        to->inode = inode_get(a->inode);
        inode_put(replaced);
    } else {
        int err = entry_add(new_dir, a->new_name, a->inode);
        if (err)
            return err;
    }
    inode_put(entry_remove(old_dir, from));
    touch_dir(old_dir, is_dir ? -1 : 0);
    touch_dir(new_dir, is_dir && !to ? 1 : 0);
    change_nlink(a->inode, 0);
    return 0;
}

// --- Attributes ----------------------------------------------------------------------------------

static int tmpfs_getattr(struct inode *inode, struct vfs_stat *out)
{
    struct tmpfs_node *node = inode->private;
    lock_acquire(&node->lock);
    *out = (struct vfs_stat){
        .dev = inode->super->dev,
        .ino = inode->ino,
        .rdev = inode->rdev,
        .mode = atomic_load_explicit(&inode->mode, memory_order_relaxed),
        .uid = atomic_load_explicit(&inode->uid, memory_order_relaxed),
        .gid = atomic_load_explicit(&inode->gid, memory_order_relaxed),
        .nlink = node->nlink,
        .size = node->size,
        .blocks = node->page_count * (FRAME_SIZE / 512),
        .blksize = FRAME_SIZE,
        .atime = node->atime,
        .mtime = node->mtime,
        .ctime = node->ctime,
        .btime = node->btime,
    };
    lock_release(&node->lock);
    return 0;
}

static int tmpfs_setattr(struct inode *inode, const struct vfs_setattr *attr)
{
    struct tmpfs_node *node = inode->private;
    if (attr->mask & ATTR_SIZE) {
        int err = tmpfs_truncate(node, attr->size);
        if (err)
            return err;
    }
    lock_acquire(&node->lock);
    if (attr->mask & ATTR_MODE)
        atomic_store(&inode->mode, inode->type | (attr->mode & LINUX_S_IALLPERM));
    if (attr->mask & ATTR_UID)
        atomic_store(&inode->uid, attr->uid);
    if (attr->mask & ATTR_GID)
        atomic_store(&inode->gid, attr->gid);
    if (attr->mask & ATTR_ATIME)
        node->atime = attr->atime;
    if (attr->mask & ATTR_MTIME)
        node->mtime = attr->mtime;
    node->ctime = now();
    lock_release(&node->lock);
    return 0;
}

static ssize_t tmpfs_readlink(struct inode *inode, const struct vfs_caller *c, char *buf,
                              size_t size)
{
    (void)c;
    struct tmpfs_node *node = inode->private;
    size_t len = strlen(node->target);
    lock_acquire(&node->lock);
    if (node->atime <= node->mtime || node->atime <= node->ctime)
        node->atime = now(); // as relatime has it: once after a change
    lock_release(&node->lock);
    memcpy(buf, node->target, len < size ? len : size);
    return (ssize_t)len;
}

static struct tmpfs_xattr *xattr_find(struct tmpfs_node *node, const char *name)
{
    struct tmpfs_xattr *x;
    list_for_each (x, &node->xattrs, link)
        if (strcmp(x->name, name) == 0)
            return x;
    return NULL;
}

static ssize_t tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
    struct tmpfs_node *node = inode->private;
    lock_acquire(&node->lock);
    const struct tmpfs_xattr *x = xattr_find(node, name);
    ssize_t result = -LINUX_ENODATA;
    if (x) {
        result = (ssize_t)x->size;
        if (size > 0 && size < x->size)
            result = -LINUX_ERANGE;
        else if (size > 0 && x->size > 0)
            memcpy(buf, x->value, x->size);
    }
    lock_release(&node->lock);
    return result;
}

static int tmpfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size,
                          unsigned flags)
{
    struct tmpfs_node *node = inode->private;
    struct tmpfs_xattr *new = calloc(1, sizeof *new);
    if (new) {
        new->name = strdup(name);
        new->value = malloc(size ? size : 1);
        new->size = size;
        list_init(&new->link);
    }
    if (!new || !new->name || !new->value) {
        if (new)
            xattr_free(new);
        return -LINUX_ENOMEM;
    }
    if (size > 0)
        memcpy(new->value, value, size);
    int err = 0;
    lock_acquire(&node->lock);
    struct tmpfs_xattr *old = xattr_find(node, name);
    if (old && flags & LINUX_XATTR_CREATE)
        err = -LINUX_EEXIST;
    else if (!old && flags & LINUX_XATTR_REPLACE)
        err = -LINUX_ENODATA;
    if (!err) {
        if (old)
            xattr_free(old);
        list_add_tail(&node->xattrs, &new->link);
        node->ctime = now();
        new = NULL;
    }
    lock_release(&node->lock);
    if (new)
        xattr_free(new);
    return err;
}

static ssize_t tmpfs_listxattr(struct inode *inode, char *buf, size_t size)
{
    struct tmpfs_node *node = inode->private;
    struct tmpfs_xattr *x;
    size_t len = 0;
    lock_acquire(&node->lock);
    list_for_each (x, &node->xattrs, link) {
        size_t n = strlen(x->name) + 1;
        if (len + n <= size)
            memcpy(buf + len, x->name, n);
        len += n;
    }
    lock_release(&node->lock);
    return size > 0 && len > size ? -LINUX_ERANGE : (ssize_t)len;
}

static int tmpfs_removexattr(struct inode *inode, const char *name)
{
    struct tmpfs_node *node = inode->private;
    lock_acquire(&node->lock);
    struct tmpfs_xattr *x = xattr_find(node, name);
    if (x) {
        xattr_free(x);
        node->ctime = now();
    }
    lock_release(&node->lock);
    return x ? 0 : -LINUX_ENODATA;
}

// --- Reading directories -------------------------------------------------------------------------

struct shown_entry {
    char name[LINUX_NAME_MAX + 1];
    size_t len;
    uint64_t ino, next;
    uint8_t type;
};

// Copies the entry at or after `pos`: it is shown without a lock, since that may fault.
static bool next_entry(struct inode *dir, uint64_t pos, struct shown_entry *out)
{
    struct tmpfs_node *node = dir->private;
    lock_acquire(&dir->lock);
    const struct tmpfs_entry *e = sparse_map_next(&node->entries, &pos);
    if (e) {
        out->len = strlen(e->name);
        memcpy(out->name, e->name, out->len + 1);
        out->ino = e->inode->ino;
        out->type = (uint8_t)(e->inode->type >> 12);
        out->next = e->cookie + 1;
    }
    lock_release(&dir->lock);
    return e != NULL;
}

static int tmpfs_readdir(struct file *file, uint64_t *pos, struct dir_sink *sink)
{
    if (*pos == 0) {
        if (!sink->emit(sink, ".", 1, file->inode->ino, LINUX_DT_DIR, 1))
            return 0;
        *pos = 1;
    }
    if (*pos == 1) {
        if (!sink->emit(sink, "..", 2, file_parent_ino(file), LINUX_DT_DIR, FIRST_COOKIE))
            return 0;
        *pos = FIRST_COOKIE;
    }
    struct shown_entry e;
    while (next_entry(file->inode, *pos, &e)) {
        if (!sink->emit(sink, e.name, e.len, e.ino, e.type, e.next))
            break;
        *pos = e.next;
    }
    return 0;
}

static int64_t tmpfs_dir_seek(struct file *file, int64_t offset, unsigned whence)
{
    if (whence == LINUX_SEEK_CUR)
        offset += (int64_t)file->pos;
    else if (whence != LINUX_SEEK_SET)
        return -LINUX_EINVAL;
    if (offset < 0)
        return -LINUX_EINVAL;
    file->pos = (uint64_t)offset;
    return offset;
}

static int tmpfs_dir_fsync(struct file *file, bool data_only)
{
    (void)file, (void)data_only;
    return 0;
}

// --- The file system -----------------------------------------------------------------------------

static int tmpfs_statfs(struct super *s, struct vfs_statfs *out)
{
    struct tmpfs *fs = s->private;
    uint64_t used = atomic_load(&fs->pages), nodes = atomic_load(&fs->nodes);
    out->type = LINUX_TMPFS_MAGIC;
    out->blocks = fs->page_limit ? fs->page_limit : frame_pool_limit(fs->vfs->frames) / FRAME_SIZE;
    out->bfree = out->bavail = out->blocks > used ? out->blocks - used : 0;
    out->files = fs->node_limit;
    out->ffree = fs->node_limit > nodes ? fs->node_limit - nodes : 0;
    return 0;
}

static uint64_t pages_of(uint64_t bytes)
{
    return bytes / FRAME_SIZE + (bytes % FRAME_SIZE != 0);
}

static uint64_t half_of_memory(const struct tmpfs *fs)
{
    return frame_pool_limit(fs->vfs->frames) / FRAME_SIZE / 2;
}

static void tmpfs_show_options(struct super *s, char *buf, size_t size)
{
    struct tmpfs *fs = s->private;
    const struct tmpfs_options *o = &fs->shown;
    uint64_t pages = atomic_load(&fs->page_limit), nodes = atomic_load(&fs->node_limit);
    char sized[32] = "", limited[40] = "", mode[16] = "", uid[24] = "", gid[24] = "";
    if (pages && pages != half_of_memory(fs))
        snprintf(sized, sizeof sized, ",size=%lluk",
                 (unsigned long long)(pages * (FRAME_SIZE / 1024)));
    if (nodes != NODE_LIMIT)
        snprintf(limited, sizeof limited, ",nr_inodes=%llu", (unsigned long long)nodes);
    if (o->set & TMPFS_MODE && o->mode != 01777)
        snprintf(mode, sizeof mode, ",mode=%03o", o->mode);
    if (o->uid)
        snprintf(uid, sizeof uid, ",uid=%u", o->uid);
    if (o->gid)
        snprintf(gid, sizeof gid, ",gid=%u", o->gid);
    snprintf(buf, size, "%s%s%s%s%s", sized, limited, mode, uid, gid);
}

static int tmpfs_sync(struct super *s)
{
    (void)s;
    return 0;
}

// Every entry goes while every node is held, so that a deep tree does not free itself recursively.
static void tmpfs_destroy(struct super *s)
{
    struct tmpfs *fs = s->private;
    struct tmpfs_node *node, *next;
    list_for_each (node, &fs->all, all_link)
        inode_get(node->inode);
    list_for_each (node, &fs->all, all_link) {
        uint64_t cookie = 0;
        struct tmpfs_entry *e;
        while ((e = sparse_map_next(&node->entries, &cookie)) != NULL)
            inode_put(entry_remove(node, e));
    }
    inode_put(s->root);
    list_for_each_safe (node, next, &fs->all, all_link)
        inode_put(node->inode);
    lock_destroy(&fs->lock);
    free(fs);
}

static const struct super_ops tmpfs_super_ops = {
    .destroy = tmpfs_destroy,
    .statfs = tmpfs_statfs,
    .sync = tmpfs_sync,
    .show_options = tmpfs_show_options,
};

int tmpfs_create_with(struct vfs *vfs, const struct tmpfs_options *options, struct super **out)
{
    struct tmpfs *fs = calloc(1, sizeof *fs);
    struct super *s = fs ? super_create(&tmpfs_super_ops, vfs, fs) : NULL;
    if (!s) {
        free(fs);
        return -LINUX_ENOMEM;
    }
    s->flags |= SUPER_HANDLES;
    fs->vfs = vfs;
    fs->shown = *options;
    fs->page_limit = options->set & TMPFS_SIZE ? pages_of(options->size) : half_of_memory(fs);
    fs->node_limit = options->set & TMPFS_NODES && options->nodes ? options->nodes : NODE_LIMIT;
    atomic_init(&fs->next_ino, 1);
    lock_init(&fs->lock, LOCK_RANK_HOST_TABLE);
    list_init(&fs->all);
    uint32_t mode = options->set & TMPFS_MODE ? options->mode & LINUX_S_IALLPERM : 01777;
    int err = node_create(s, LINUX_S_IFDIR | mode, options->uid, options->gid, 0, &s->root);
    if (err) {
        super_put(s);
        return err;
    }
    *out = s;
    return 0;
}

int tmpfs_create(struct vfs *vfs, uint64_t size_limit, uint32_t root_mode, struct super **out)
{
    const struct tmpfs_options options = {
        .set = TMPFS_MODE | TMPFS_SIZE, .size = size_limit, .mode = root_mode};
    return tmpfs_create_with(vfs, &options, out);
}

const char *tmpfs_reconfigure(struct super *super, const struct tmpfs_options *options)
{
    struct tmpfs *fs = super->private;
    uint64_t pages = pages_of(options->size);
    if (options->set & TMPFS_SIZE && pages) {
        if (!atomic_load(&fs->page_limit))
            return "Cannot retroactively limit size";
        if (pages < atomic_load(&fs->pages))
            return "Too small a size for current use";
    }
    if (options->set & TMPFS_NODES && options->nodes && options->nodes < atomic_load(&fs->nodes))
        return "Too few inodes for current use";
    if (options->set & TMPFS_SIZE)
        atomic_store(&fs->page_limit, pages);
    if (options->set & TMPFS_NODES)
        atomic_store(&fs->node_limit, options->nodes ? options->nodes : NODE_LIMIT);
    return NULL;
}

// clang-format off
#define COMMON_OPS                                                                                 \
    .getattr = tmpfs_getattr, .setattr = tmpfs_setattr, .getxattr = tmpfs_getxattr,                \
    .setxattr = tmpfs_setxattr, .listxattr = tmpfs_listxattr, .removexattr = tmpfs_removexattr,    \
    .evict = node_evict
// clang-format on

static const struct inode_ops dir_ops = {
    COMMON_OPS,
    .lookup = tmpfs_lookup,
    .create = tmpfs_create_file,
    .mkdir = tmpfs_mkdir,
    .mknod = tmpfs_mknod,
    .symlink = tmpfs_symlink,
    .link = tmpfs_link,
    .unlink = tmpfs_unlink,
    .rmdir = tmpfs_rmdir,
    .rename = tmpfs_rename,
    .tmpfile = tmpfs_tmpfile,
};
static const struct inode_ops file_inode_ops = {COMMON_OPS, .get_page = tmpfs_get_page};
static const struct inode_ops link_ops = {COMMON_OPS, .readlink = tmpfs_readlink};
static const struct inode_ops special_ops = {COMMON_OPS};
static const struct file_ops tmpfs_dir_ops = {
    .readdir = tmpfs_readdir,
    .seek = tmpfs_dir_seek,
    .fsync = tmpfs_dir_fsync,
};
