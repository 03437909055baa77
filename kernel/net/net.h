// Sockets of one kernel instance. Layer 4.
#ifndef KERNEL_NET_NET_H
#define KERNEL_NET_NET_H

#include "platform/base/compiler.h"
#include "platform/base/list.h"
#include "platform/lock.h"
#include <stdbool.h>
#include <stdint.h>

struct file;
struct kernel;

enum { NET_NAME_BUCKETS = 64 };

struct net {
    struct lock lock; // rank net
    // Guarded by lock.
    struct list unix_names[NET_NAME_BUCKETS]; // bound abstract names, by hash
    uint32_t unix_autobind;                   // the last name made up
    struct list netlinks;                     // AF_NETLINK sockets that have a port
    // Files whose messages were dropped, to be closed one after the other: closing one may drop
    // more, and must not recurse.
    struct file **graves;
    size_t grave_count, grave_room;
    bool burying;
    // AF_UNIX sockets whose file is in a message (kernel/net/unix_gc.c), and how often that
    // changed.
    struct list unix_in_transit;
    size_t unix_in_transit_count, unix_closes; // closes since the last look
    uint64_t unix_transits;
    bool unix_collecting, unix_collect_wanted;
};

NODISCARD int net_create(struct kernel *kernel);
void net_destroy(struct kernel *kernel); // every socket is closed

// Closes a file that was in transit. May be called from within the closing of another.
void net_bury(struct kernel *kernel, struct file *file);

#endif
