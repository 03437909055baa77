// What the poller needs of the host: epoll, kqueue. Layer 1; used by platform/poller.c only.
#ifndef PLATFORM_POLLER_BACKEND_H
#define PLATFORM_POLLER_BACKEND_H

#include "platform/base/compiler.h"
#include <stdint.h>

struct poller_event {
    uint64_t key;
    uint32_t events; // LINUX_POLL*
};
enum { POLLER_BATCH = 64 };

// Descriptor of a new host queue, or a negative Linux errno.
int poller_queue_open(void);
// Watches `host_fd` for every change, edge-triggered.
NODISCARD int poller_queue_add(int queue, int host_fd, uint64_t key);
void poller_queue_remove(int queue, int host_fd);
// Waits for events; returns their number, 0 when interrupted.
int poller_queue_wait(int queue, struct poller_event out[POLLER_BATCH]);

#endif
