// Every socket that a descriptor of a guest's process names: what waits to be accepted or is in a
// message is not among them. Layer 4.
#ifndef KERNEL_NET_SOCKET_LIST_H
#define KERNEL_NET_SOCKET_LIST_H

#include <stddef.h>

struct file;
struct kernel;

struct socket_list {
    struct file **files; // each once, referenced
    size_t count, room;
};

// What there is no memory for is left out. No lock held.
void socket_list_fill(struct kernel *kernel, struct socket_list *list);
void socket_list_free(struct socket_list *list);

#endif
