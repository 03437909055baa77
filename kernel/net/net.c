#include "kernel/net/net.h"
#include "kernel/kernel.h"

int net_create(struct kernel *kernel)
{
    kernel->net = NULL;
    return 0;
}

void net_destroy(struct kernel *kernel)
{
    kernel->net = NULL;
}
