// What happens to files, told to whoever watches (inotify). Layer 3.
//
// Costs one load where nothing is watched. The watches themselves are the upper layer's: it sets
// inode->watches and the hook, and says how many watches there are with vfs_watching().
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include "fs/vfs_core.h"
#include "platform/abi/inotify.h"

enum {
    NOTIFY_OPEN_EXEC = 0x1000, // opened to be run: fanotify alone knows of it
    NOTIFY_RENAME = 0x800000,  // a name changed within its directory: F_NOTIFY's
};

static inline bool vfs_is_watched(const struct vfs *vfs)
{
    return UNLIKELY(atomic_load_explicit(&vfs->watching, memory_order_relaxed) != 0);
}

// `mask` is one LINUX_IN_* event; LINUX_IN_ISDIR is added where it belongs.
//
// Something about a name in a directory.
void notify_name(struct vfs *vfs, struct inode *dir, uint32_t mask, const char *name, bool is_dir,
                 uint32_t cookie);
// Something about an object, for its own watches alone.
void notify_inode(struct inode *inode, uint32_t mask);
// Something about the object of an entry, for its own watches and those of the directory it is in.
// With no lock ranked dentry_tree or above held.
void notify_entry(struct vfs *vfs, struct dentry *d, uint32_t mask);
void notify_open_file(struct file *file, uint32_t mask);
// The same for an open file; nothing for files that have no place in a tree.
static inline void notify_file(struct file *file, uint32_t mask)
{
    if (file->notifies && vfs_is_watched(file->path.mnt->vfs))
        notify_open_file(file, mask);
}
// Nobody uses a removed entry any more: its object's watches end if that was its last name.
void notify_gone(struct dentry *d);
uint32_t notify_cookie(struct vfs *vfs); // joins the two halves of a rename

#endif
