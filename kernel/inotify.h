// Watches of one kernel instance. Layer 4.
#ifndef KERNEL_INOTIFY_H
#define KERNEL_INOTIFY_H

#include "platform/base/compiler.h"
#include "platform/lock.h"

struct kernel;
struct watch;

enum { INOTIFY_QUEUE_MAX = 16384, INOTIFY_WATCHES_MAX = 65536, INOTIFY_INSTANCES_MAX = 128 };

struct inotify_hub {
    struct lock lock; // rank inotify; guards every watch and every queue of events
    // Guarded by lock.
    unsigned watch_count, instance_count;
    struct watch *dead; // over, but still holding their inodes
};

NODISCARD int inotify_create(struct kernel *kernel); // after vfs_create()
void inotify_destroy(struct kernel *kernel);         // every file is closed

#endif
