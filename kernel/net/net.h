// Sockets of one kernel instance. Layer 4.
#ifndef KERNEL_NET_NET_H
#define KERNEL_NET_NET_H

#include "platform/base/compiler.h"

struct kernel;

NODISCARD int net_create(struct kernel *kernel);
void net_destroy(struct kernel *kernel); // every socket is closed

#endif
