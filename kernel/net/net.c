#include "kernel/net/net.h"
#include "fs/vfs.h"
#include "kernel/kernel.h"
#include "kernel/net/unix.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

int net_create(struct kernel *kernel)
{
    struct net *net = calloc(1, sizeof *net);
    if (!net)
        return -LINUX_ENOMEM;
    lock_init(&net->lock, LOCK_RANK_NET);
    for (size_t i = 0; i < NET_NAME_BUCKETS; i++)
        list_init(&net->unix_names[i]);
    list_init(&net->netlinks);
    list_init(&net->unix_in_transit);
    kernel->net = net;
    return 0;
}

void net_destroy(struct kernel *kernel)
{
    struct net *net = kernel->net;
    if (!net)
        return;
    lock_destroy(&net->lock);
    free(net->graves);
    free(net);
    kernel->net = NULL;
}

static bool push(struct net *net, struct file *file) REQUIRES(net->lock)
{
    if (net->grave_count == net->grave_room) {
        size_t room = net->grave_room ? net->grave_room * 2 : 16;
        struct file **graves = realloc(net->graves, room * sizeof *graves);
        if (!graves)
            return false;
        net->graves = graves;
        net->grave_room = room;
    }
    net->graves[net->grave_count++] = file;
    return true;
}

void net_bury(struct kernel *kernel, struct file *file)
{
    struct net *net = kernel->net;
    lock_acquire(&net->lock);
    if (!push(net, file)) {
        lock_release(&net->lock);
        file_put(file); // without memory: at the risk of depth
        return;
    }
    if (net->burying) {
        lock_release(&net->lock);
        return;
    }
    net->burying = true;
    while (net->grave_count > 0) {
        struct file *next = net->graves[--net->grave_count];
        lock_release(&net->lock);
        file_put(next);
        lock_acquire(&net->lock);
    }
    net->burying = false;
    bool collect = net->unix_collect_wanted;
    lock_release(&net->lock);
    if (collect)
        unix_collect(kernel, true);
}
