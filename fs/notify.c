#include "fs/notify.h"
#include "platform/abi/fs.h"
#include <string.h>

enum { NAME_MAX_BYTES = 255 };

void vfs_set_event_hook(struct vfs *vfs, void *ctx,
                        void (*event)(void *ctx, struct inode *inode, const struct vfs_event *e))
{
    vfs->event_ctx = ctx;
    vfs->event = event;
}

void vfs_set_file_event_hook(struct vfs *vfs, void *ctx,
                             void (*event)(void *ctx, const struct path *p, struct inode *parent,
                                           uint32_t mask))
{
    vfs->file_event_ctx = ctx;
    vfs->file_event = event;
}

void vfs_watching(struct vfs *vfs, int change)
{
    atomic_fetch_add_explicit(&vfs->watching, (uint32_t)change, memory_order_relaxed);
}

uint32_t notify_cookie(struct vfs *vfs)
{
    return atomic_fetch_add_explicit(&vfs->next_cookie, 1, memory_order_relaxed) + 1;
}

static void tell(struct vfs *vfs, struct inode *inode, const struct vfs_event *e)
{
    if (atomic_load_explicit(&inode->watches, memory_order_acquire))
        vfs->event(vfs->event_ctx, inode, e);
}

void notify_name(struct vfs *vfs, struct inode *dir, uint32_t mask, const char *name, bool is_dir,
                 uint32_t cookie)
{
    const struct vfs_event e = {
        .mask = mask | (is_dir ? LINUX_IN_ISDIR : 0), .name = name, .cookie = cookie};
    if (vfs_is_watched(vfs))
        tell(vfs, dir, &e);
}

void notify_inode(struct inode *inode, uint32_t mask)
{
    struct vfs *vfs = inode->super ? inode->super->vfs : NULL;
    const struct vfs_event e = {.mask = mask | (LINUX_S_ISDIR(inode->type) ? LINUX_IN_ISDIR : 0)};
    if (vfs && vfs_is_watched(vfs))
        tell(vfs, inode, &e);
}

// The directory of an entry, referenced, and the entry's name; NULL for what is in none.
static struct inode *place_of(struct vfs *vfs, struct dentry *d, char name[NAME_MAX_BYTES + 1])
{
    struct inode *dir = NULL;
    lock_acquire(&vfs->tree_lock);
    struct dentry *parent = d->parent;
    if (parent && parent != d &&
        atomic_load_explicit(&parent->inode->watches, memory_order_acquire)) {
        size_t n = d->name_len < NAME_MAX_BYTES ? d->name_len : NAME_MAX_BYTES;
        memcpy(name, d->name, n);
        name[n] = '\0';
        dir = inode_get(parent->inode);
    }
    lock_release(&vfs->tree_lock);
    return dir;
}

void notify_entry(struct vfs *vfs, struct dentry *d, uint32_t mask)
{
    char name[NAME_MAX_BYTES + 1];
    if (!vfs_is_watched(vfs) || d->anonymous)
        return;
    struct vfs_event e = {.mask = mask | (LINUX_S_ISDIR(d->inode->type) ? LINUX_IN_ISDIR : 0),
                          .unlinked = atomic_load_explicit(&d->deleted, memory_order_acquire)};
    struct inode *dir = place_of(vfs, d, name);
    if (dir) {
        e.name = name;
        tell(vfs, dir, &e);
        inode_put(dir);
        e.name = NULL;
    }
    tell(vfs, d->inode, &e);
}

void notify_gone(struct dentry *d)
{
    struct vfs_stat st;
    struct inode *inode = d->inode;
    if (!atomic_load_explicit(&inode->watches, memory_order_acquire))
        return;
    bool dir = LINUX_S_ISDIR(inode->type); // a removed directory may show links still
    if (!dir && (inode->ops->getattr(inode, &st) || st.nlink > 0))
        return;
    notify_inode(inode, LINUX_IN_DELETE_SELF);
}

void notify_open_file(struct file *file, uint32_t mask)
{
    struct dentry *d = file->path.dentry;
    struct vfs *vfs = file->path.mnt->vfs;
    notify_entry(vfs, d, mask);
    if (!vfs->file_event || d->anonymous)
        return;
    struct dentry *parent = dentry_parent(vfs, d);
    vfs->file_event(vfs->file_event_ctx, &file->path, parent == d ? NULL : parent->inode, mask);
    dentry_put(parent);
}
