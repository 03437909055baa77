// Readiness of host descriptors: one thread that waits for all of them. Layer 1.
//
// Edge-triggered: after poller_add(), `ready` is called whenever the host reports a change, with
// the events that hold then. So the owner first tries its operation, and waits only after the host
// said it would block. The thread is started by the first poller_add() and costs nothing while
// nothing happens.
#ifndef PLATFORM_POLLER_H
#define PLATFORM_POLLER_H

#include "platform/base/compiler.h"
#include <stdint.h>

struct poller;

// Embedded in its owner; the first two fields are set before poller_add().
struct poller_source {
    int host_fd;
    // On the poller's thread with the poller's lock held: it may wake wait queues and tasks,
    // nothing else. `events` are LINUX_POLL* bits.
    void (*ready)(struct poller_source *source, uint32_t events);
    uint32_t slot; // private to the poller
};

NODISCARD int poller_create(struct poller **out);
void poller_destroy(struct poller *p); // every source was removed

// -LINUX_EPERM: the host cannot wait for this kind of descriptor (regular files): it is always
// ready.
NODISCARD int poller_add(struct poller *p, struct poller_source *source);
// Before the descriptor is closed. When it returns, `ready` is not running and will not run.
void poller_remove(struct poller *p, struct poller_source *source);

// The events of `events` that hold now, plus POLLERR, POLLHUP and POLLNVAL. Never waits.
uint32_t poller_host_ready(int host_fd, uint32_t events);

#endif
