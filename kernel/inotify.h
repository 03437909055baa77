// Watches of inodes, of inotify(7) and of fcntl(2)'s F_NOTIFY. Layer 4.
//
// A watch keeps its inode alive. The VFS tells what happens to watched inodes, at times with locks
// of its own held; then nothing may be freed that could free an inode. A watch that ends there
// waits on the hub's `dead` list for the next call that holds nothing.
#ifndef KERNEL_INOTIFY_H
#define KERNEL_INOTIFY_H

#include "platform/base/compiler.h"
#include "platform/lock.h"

struct inode;
struct kernel;
struct vfs;
struct vfs_event;
struct watch;

enum { INOTIFY_QUEUE_MAX = 16384, INOTIFY_WATCHES_MAX = 65536, INOTIFY_INSTANCES_MAX = 128 };

struct inotify_hub {
    struct lock lock; // rank inotify; guards every watch and every queue of events
    struct vfs *vfs;  // immutable
    // Guarded by lock.
    unsigned watch_count, instance_count; // of inotify alone
    struct watch *dead;                   // over, but still holding their inodes
};

NODISCARD int inotify_create(struct kernel *kernel); // after vfs_create()

// What every kind of watch begins with. Its memory is freed as one block.
struct watch_kind {
    // Something happened; the watch may end. The hub's lock is held.
    void (*tell)(struct watch *w, const struct vfs_event *e);
    // The inode is gone, and so is the watch: the last chance to leave what else it is on.
    void (*gone)(struct watch *w);
};
struct watch {
    const struct watch_kind *kind; // immutable
    struct inode *inode;           // immutable, referenced
    struct watch *next;            // on the same inode; on the dead list. Guarded by hub->lock
};
struct watch *watch_first(struct inode *inode);
// Both with the hub's lock held. An ended watch may be freed any time after the lock is released.
void watch_begin(struct inotify_hub *hub, struct watch *w);
void watch_end(struct inotify_hub *hub, struct watch *w);
// Frees what has ended. No lock is held.
void watch_free_dead(struct inotify_hub *hub);
void inotify_destroy(struct kernel *kernel); // every file is closed

#endif
