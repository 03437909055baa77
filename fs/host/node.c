// Host objects in memory: found by host inode, with the names that lead to them.
#include "fs/host/host_fs.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

static struct list *bucket_of(struct host_fs *fs, uint64_t dev, uint64_t ino)
{
    uint64_t h = (ino ^ dev << 40) * 0x9e3779b97f4a7c15ull;
    struct list *bucket = &fs->buckets[h >> 40 & (HOST_BUCKETS - 1)];
    if (!bucket->next)
        list_init(bucket);
    return bucket;
}

// --- Names ---------------------------------------------------------------------------------------

static struct host_name *name_find(const struct host_node *node, const struct host_node *parent,
                                   const char *name)
{
    struct host_name *n;
    list_for_each (n, &node->names, link)
        if (n->parent == parent && strcmp(n->name, name) == 0)
            return n;
    return NULL;
}

struct host_name *host_name_make(struct host_node *parent, const char *name)
{
    size_t len = strlen(name);
    struct host_name *new = malloc(sizeof *new + len + 1);
    if (new) {
        new->parent = parent;
        memcpy(new->name, name, len + 1);
    }
    return new;
}

int host_name_add(struct host_node *node, struct host_node *parent, const char *name)
{
    struct host_fs *fs = node->fs;
    lock_acquire(&fs->node_lock);
    bool known = name_find(node, parent, name) != NULL;
    lock_release(&fs->node_lock);
    if (known)
        return 0;
    struct host_name *new = host_name_make(parent, name);
    if (!new)
        return -LINUX_ENOMEM;
    host_name_give(node, new);
    return 0;
}

void host_name_give(struct host_node *node, struct host_name *new)
{
    struct host_fs *fs = node->fs;
    lock_acquire(&fs->node_lock);
    bool full = node->name_count >= HOST_NAMES_MAX;
    if (!full && !name_find(node, new->parent, new->name)) {
        if (new->parent)
            inode_get(&new->parent->inode);
        list_add_tail(&node->names, &new->link);
        node->name_count++;
        node->moves++;
        new = NULL;
    }
    lock_release(&fs->node_lock);
    free(new);
}

void host_name_remove(struct host_node *node, struct host_node *parent, const char *name)
{
    struct host_fs *fs = node->fs;
    lock_acquire(&fs->node_lock);
    struct host_name *n = name_find(node, parent, name);
    if (n) {
        list_remove(&n->link);
        node->name_count--;
        node->moves++;
    }
    lock_release(&fs->node_lock);
    if (n && n->parent)
        inode_put(&n->parent->inode);
    free(n);
}

int host_names_get(struct host_node *node, struct host_name_list *out)
{
    struct host_name *n;
    int err = 0;
    out->count = 0;
    lock_acquire(&node->fs->node_lock);
    list_for_each (n, &node->names, link) {
        if (!n->parent)
            continue;
        char *copy = strdup(n->name);
        if (!copy) {
            err = -LINUX_ENOMEM;
            break;
        }
        inode_get(&n->parent->inode);
        out->parent[out->count] = n->parent;
        out->name[out->count++] = copy;
    }
    lock_release(&node->fs->node_lock);
    return err;
}

void host_names_done(struct host_name_list *names)
{
    for (unsigned i = 0; i < names->count; i++) {
        inode_put(&names->parent[i]->inode);
        free(names->name[i]);
    }
}

// Text is built from its end, as the chain of parents gives it.
int host_node_path(struct host_node *node, char *buf, size_t size)
{
    struct host_fs *fs = node->fs;
    size_t at = size;
    int err = 0;
    if (size == 0)
        return -LINUX_ENAMETOOLONG;
    buf[--at] = 0;
    lock_acquire(&fs->node_lock);
    while (node != host_node_of(fs->super->root) && !err) {
        if (list_empty(&node->names)) {
            err = -LINUX_ENOENT;
            break;
        }
        const struct host_name *n = list_first(&node->names, struct host_name, link);
        size_t len = strlen(n->name);
        if (len + 1 > at) {
            err = -LINUX_ENAMETOOLONG;
            break;
        }
        at -= len;
        memcpy(buf + at, n->name, len);
        node = n->parent;
        if (!node) {
            err = -LINUX_ENOENT;
            break;
        }
        if (node != host_node_of(fs->super->root))
            buf[--at] = '/';
    }
    lock_release(&fs->node_lock);
    if (err)
        return err;
    memmove(buf, buf + at, size - at);
    return (int)(size - at - 1);
}

// --- The table -----------------------------------------------------------------------------------

static bool same_object(const struct host_node *node, const struct host_stat *st)
{
    return node->host_type == (st->mode & LINUX_S_IFMT) &&
           atomic_load_explicit(&node->btime, memory_order_relaxed) == st->btime;
}

// A node somebody holds, referenced. One whose host inode has become another object is forgotten.
static struct host_node *table_find(struct host_fs *fs, const struct host_stat *st)
{
    struct host_node *found = NULL, *node, *next;
    lock_acquire(&fs->table_lock);
    list_for_each_safe (node, next, bucket_of(fs, st->dev, st->ino), bucket_link) {
        if (node->ino != st->ino || node->dev != st->dev)
            continue;
        if (!same_object(node, st))
            list_remove(&node->bucket_link);
        else if (inode_get_unless_gone(&node->inode))
            found = node;
        break;
    }
    lock_release(&fs->table_lock);
    return found;
}

void host_node_forget(struct host_node *node)
{
    lock_acquire(&node->fs->table_lock);
    list_remove(&node->bucket_link);
    lock_release(&node->fs->table_lock);
}

void host_node_remember(struct host_node *node)
{
    struct host_fs *fs = node->fs;
    lock_acquire(&fs->table_lock);
    list_remove(&node->bucket_link);
    list_add_head(bucket_of(fs, node->dev, node->ino), &node->bucket_link);
    lock_release(&fs->table_lock);
}

static const struct inode_ops *ops_of(uint32_t type)
{
    switch (type) {
    case LINUX_S_IFDIR:
        return &host_dir_inode_ops;
    case LINUX_S_IFREG:
        return &host_file_inode_ops;
    case LINUX_S_IFLNK:
        return &host_link_inode_ops;
    default:
        return &host_special_inode_ops;
    }
}

static struct host_node *node_create(struct host_fs *fs, const struct host_stat *st,
                                     const struct host_meta *meta, uint64_t recorded)
{
    uint32_t type = meta->mode & LINUX_S_IFMT;
    struct inode *inode =
        inode_create_in(sizeof(struct host_node), fs->super, ops_of(type), type, st->ino);
    if (!inode)
        return NULL;
    inode->rdev = meta->rdev;
    inode->cached_perm = fs->owned;
    atomic_init(&inode->mode, meta->mode);
    atomic_init(&inode->uid, meta->uid);
    atomic_init(&inode->gid, meta->gid);
    struct host_node *node = host_node_of(inode);
    node->fs = fs;
    node->dev = st->dev;
    node->ino = st->ino;
    node->host_type = st->mode & LINUX_S_IFMT;
    node->host_mode = st->mode;
    node->dir_fd = -1;
    atomic_init(&node->btime, st->btime);
    atomic_init(&node->recorded, recorded);
    list_init(&node->bucket_link);
    list_init(&node->names);
    list_init(&node->dir_link);
    return node;
}

// Puts a new node into the table. For an object that was there before, somebody may have been
// faster: then that one, referenced. For one just created, a node with its number is of an object
// whose removal another thread has not finished noting: it is forgotten.
static struct host_node *table_insert(struct host_fs *fs, struct host_node *new, bool created)
{
    struct host_node *node, *next, *found = new;
    struct list *bucket = bucket_of(fs, new->dev, new->ino);
    lock_acquire(&fs->table_lock);
    list_for_each_safe (node, next, bucket, bucket_link) {
        if (node->ino != new->ino || node->dev != new->dev)
            continue;
        if (created) {
            list_remove(&node->bucket_link);
        } else if (inode_get_unless_gone(&node->inode)) {
            found = node;
            break;
        }
    }
    if (found == new)
        list_add_head(bucket, &new->bucket_link);
    lock_release(&fs->table_lock);
    return found;
}

static void note_attr(struct host_node *node, const struct host_stat *st)
{
    struct host_fs *fs = node->fs;
    lock_acquire(&fs->node_lock);
    node->host_mode = st->mode;
    node->linked |= st->nlink > 1 && !LINUX_S_ISDIR(st->mode);
    if (fs->owned) {
        node->attr = *st;
        node->fresh = true;
    }
    lock_release(&fs->node_lock);
}

void host_attr_changed(struct host_node *node)
{
    struct host_fs *fs = node->fs;
    lock_acquire(&fs->node_lock);
    node->fresh = false;
    node->target_read = false;
    lock_release(&fs->node_lock);
}

static int node_make(struct host_fs *fs, const struct host_stat *st, const struct host_meta *meta,
                     uint64_t recorded, struct host_node **out)
{
    struct host_meta loaded;
    bool created = meta != NULL;
    if (!created) {
        int err = fs->policy->load(fs, st, &loaded, &recorded);
        if (err)
            return err;
        meta = &loaded;
    }
    struct host_node *new = node_create(fs, st, meta, recorded);
    if (!new)
        return -LINUX_ENOMEM;
    *out = table_insert(fs, new, created);
    if (*out != new)
        inode_put(&new->inode);
    return 0;
}

int host_node_get(struct host_fs *fs, const struct host_stat *st, const struct host_meta *meta,
                  uint64_t recorded, struct host_node *parent, const char *name, struct inode **out)
{
    struct host_node *node = meta ? NULL : table_find(fs, st);
    int err = 0;
    if (!node)
        err = node_make(fs, st, meta, recorded, &node);
    if (err)
        return err;
    if (!fs->owned && !meta) { // owners may have changed behind our back
        struct host_meta now;
        uint64_t ignored;
        if (!fs->policy->load(fs, st, &now, &ignored)) {
            atomic_store_explicit(&node->inode.mode, now.mode, memory_order_relaxed);
            atomic_store_explicit(&node->inode.uid, now.uid, memory_order_relaxed);
            atomic_store_explicit(&node->inode.gid, now.gid, memory_order_relaxed);
        }
    }
    note_attr(node, st);
    if (name)
        err = host_name_add(node, parent, name);
    if (err) {
        inode_put(&node->inode);
        return err;
    }
    *out = &node->inode;
    return 0;
}

// A file that never got a name goes for good.
static void drop_staged(struct host_node *node)
{
    struct host_place place;
    if (host_place_find(node, &place))
        return;
    node->fs->policy->removed(node);
    if (host_unlink(place.dir_fd, place.name))
        log_printf(node->fs->log, LOG_FS, "an unnamed file stays in the staging directory");
    host_place_done(&place);
}

// Ends a node nobody refers to, all but its memory; its names, which hold their parents, are left
// in `names`.
static void node_end(struct host_node *node, struct list *names)
{
    struct host_fs *fs = node->fs;
    if (node->staged)
        drop_staged(node);
    else if (node->removed)
        fs->policy->removed(node);
    lock_acquire(&fs->table_lock);
    list_remove(&node->bucket_link);
    lock_release(&fs->table_lock);
    lock_acquire(&fs->node_lock);
    if (!list_empty(&node->dir_link)) {
        list_remove(&node->dir_link);
        fs->dir_count--;
    }
    lock_release(&fs->node_lock);
    host_close(node->dir_fd);
    if (node->fd)
        host_fd_put(node->fd);
    struct host_pages *pages = atomic_load_explicit(&node->pages, memory_order_acquire);
    if (pages)
        host_pages_put(pages);
    list_splice_tail(names, &node->names);
    free(node->target);
}

// A name may be the last to hold its parent, and that one's name the next: a loop, because trees
// are deep.
void host_node_evict(struct inode *inode)
{
    struct list names;
    list_init(&names);
    node_end(host_node_of(inode), &names);
    while (!list_empty(&names)) {
        struct host_name *n = list_first(&names, struct host_name, link);
        struct inode *parent = n->parent ? &n->parent->inode : NULL;
        list_remove(&n->link);
        free(n);
        if (parent && inode_unref(parent)) {
            node_end(host_node_of(parent), &names);
            inode_free(parent);
        }
    }
}

// --- The file system -----------------------------------------------------------------------------

int host_fs_init(struct host_fs *fs, struct super *super, const struct host_policy *policy,
                 int root_fd)
{
    fs->super = super;
    fs->vfs = super->vfs;
    fs->policy = policy;
    lock_init(&fs->table_lock, LOCK_RANK_HOST_TABLE);
    lock_init(&fs->node_lock, LOCK_RANK_HOST_NODE);
    cond_init(&fs->settled);
    lock_init(&fs->names_lock, LOCK_RANK_HOST_NAMES);
    list_init(&fs->dir_lru);
    fs->dir_limit = host_raise_file_limit() / 4;
    if (fs->dir_limit > 256)
        fs->dir_limit = 256;
    struct host_stat st;
    int err = host_fstat(root_fd, &st);
    if (!err && !LINUX_S_ISDIR(st.mode))
        err = -LINUX_ENOTDIR;
    fs->root_dev = st.dev;
    if (!err)
        err = host_node_get(fs, &st, NULL, 0, NULL, NULL, &super->root);
    if (err) {
        host_close(root_fd);
        return err;
    }
    struct host_node *root = host_node_of(super->root);
    root->dir_fd = root_fd;
    root->keep = 1;
    return 0;
}

void host_fs_free(struct host_fs *fs)
{
    lock_destroy(&fs->table_lock);
    lock_destroy(&fs->node_lock);
    cond_destroy(&fs->settled);
    lock_destroy(&fs->names_lock);
    host_close(fs->staging_fd);
}

int host_fs_statfs(struct host_fs *fs, struct vfs_statfs *out)
{
    struct host_statfs st;
    int err = host_statfs(host_node_of(fs->super->root)->dir_fd, &st);
    if (err)
        return err;
    *out = (struct vfs_statfs){
        .type = LINUX_EXT4_MAGIC,
        .bsize = st.bsize,
        .frsize = st.frsize,
        .blocks = st.blocks,
        .bfree = st.bfree,
        .bavail = st.bavail,
        .files = st.files,
        .ffree = st.ffree,
        .namelen = st.namelen < LINUX_NAME_MAX ? st.namelen : LINUX_NAME_MAX,
        .fsid = fs->super->dev,
    };
    return 0;
}

int host_fs_sync(struct host_fs *fs)
{
    int fd = host_fs_open(fs, host_node_of(fs->super->root)->dir_fd, ".",
                          LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int err = host_syncfs(fd);
    host_close(fd);
    if (!err && fs->policy->sync)
        err = fs->policy->sync(fs);
    return err;
}
