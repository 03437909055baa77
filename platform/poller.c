#include "platform/poller.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/base/log.h"
#include "platform/host_errno.h"
#include "platform/lock.h"
#include "platform/poller_backend.h"
#include "platform/thread.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

// A slot's generation is part of the key the host hands back, so that an event collected before a
// removal finds nobody.
struct slot {
    struct poller_source *source; // NULL: free
    uint32_t generation;
};

enum { KEY_STOP = 0 }; // slot numbers start at 1

struct poller {
    struct lock lock; // rank poller
    struct slot *slots;
    uint32_t slot_count;
    bool running;
    // Immutable after creation.
    int queue;
    int stop_pipe[2];
    pthread_t thread;
};

int poller_create(struct poller **out)
{
    struct poller *p = calloc(1, sizeof *p);
    if (!p)
        return -LINUX_ENOMEM;
    p->queue = poller_queue_open();
    if (p->queue < 0) {
        int err = p->queue;
        free(p);
        return err;
    }
    int err = pipe(p->stop_pipe) ? errno_to_linux(errno) : 0;
    if (!err) {
        fcntl(p->stop_pipe[0], F_SETFD, FD_CLOEXEC);
        fcntl(p->stop_pipe[1], F_SETFD, FD_CLOEXEC);
        err = poller_queue_add(p->queue, p->stop_pipe[0], KEY_STOP);
        if (err) {
            close(p->stop_pipe[0]);
            close(p->stop_pipe[1]);
        }
    }
    if (err) {
        close(p->queue);
        free(p);
        return err;
    }
    lock_init(&p->lock, LOCK_RANK_POLLER);
    *out = p;
    return 0;
}

void poller_destroy(struct poller *p)
{
    if (p->running) {
        char byte = 0;
        while (write(p->stop_pipe[1], &byte, 1) < 0 && errno == EINTR) {
        }
        thread_join(p->thread);
    }
    for (uint32_t i = 1; i < p->slot_count; i++)
        ISH_ASSERT(!p->slots[i].source);
    close(p->stop_pipe[0]);
    close(p->stop_pipe[1]);
    close(p->queue);
    free(p->slots);
    lock_destroy(&p->lock);
    free(p);
}

static void deliver(struct poller *p, const struct poller_event *e)
{
    uint32_t index = (uint32_t)e->key, generation = (uint32_t)(e->key >> 32);
    lock_acquire(&p->lock);
    const struct slot *slot = &p->slots[index];
    if (slot->source && slot->generation == generation)
        slot->source->ready(slot->source, e->events);
    lock_release(&p->lock);
}

static void run(void *arg)
{
    struct poller *p = arg;
    struct poller_event events[POLLER_BATCH];
    for (;;) {
        int n = poller_queue_wait(p->queue, events);
        for (int i = 0; i < n; i++) {
            if (events[i].key == KEY_STOP)
                return;
            deliver(p, &events[i]);
        }
    }
}

static int start_thread(struct poller *p) REQUIRES(p->lock)
{
    if (p->running)
        return 0;
    int err = thread_start_joinable(run, p, "ish-poller", &p->thread);
    p->running = !err;
    return err;
}

static int find_slot(struct poller *p, uint32_t *out) REQUIRES(p->lock)
{
    for (uint32_t i = 1; i < p->slot_count; i++) {
        if (!p->slots[i].source) {
            *out = i;
            return 0;
        }
    }
    uint32_t count = p->slot_count ? p->slot_count * 2 : 16;
    struct slot *slots = realloc(p->slots, count * sizeof *slots);
    if (!slots)
        return -LINUX_ENOMEM;
    for (uint32_t i = p->slot_count; i < count; i++)
        slots[i] = (struct slot){NULL, 0};
    *out = p->slot_count ? p->slot_count : 1;
    p->slots = slots;
    p->slot_count = count;
    return 0;
}

int poller_add(struct poller *p, struct poller_source *source)
{
    uint32_t index;
    lock_acquire(&p->lock);
    int err = start_thread(p);
    if (!err)
        err = find_slot(p, &index);
    if (!err) {
        struct slot *slot = &p->slots[index];
        slot->source = source;
        slot->generation++;
        source->slot = index;
        err = poller_queue_add(p->queue, source->host_fd, (uint64_t)slot->generation << 32 | index);
        if (err)
            slot->source = NULL;
    }
    lock_release(&p->lock);
    return err;
}

void poller_remove(struct poller *p, struct poller_source *source)
{
    lock_acquire(&p->lock);
    poller_queue_remove(p->queue, source->host_fd);
    p->slots[source->slot].source = NULL;
    lock_release(&p->lock);
}

uint32_t poller_host_ready(int host_fd, uint32_t events)
{
    static const struct {
        uint32_t bit;
        short host;
    } bits[] = {
        {LINUX_POLLIN, POLLIN},         {LINUX_POLLPRI, POLLPRI},
        {LINUX_POLLOUT, POLLOUT},       {LINUX_POLLERR, POLLERR},
        {LINUX_POLLHUP, POLLHUP},       {LINUX_POLLNVAL, POLLNVAL},
        {LINUX_POLLRDNORM, POLLRDNORM}, {LINUX_POLLRDBAND, POLLRDBAND},
        {LINUX_POLLWRNORM, POLLWRNORM}, {LINUX_POLLWRBAND, POLLWRBAND},
#if defined(POLLRDHUP)
        {LINUX_POLLRDHUP, POLLRDHUP},
#endif
    };
    struct pollfd pfd = {.fd = host_fd};
    for (size_t i = 0; i < ARRAY_LEN(bits); i++)
        if (events & bits[i].bit)
            pfd.events = (short)(pfd.events | bits[i].host);
    while (poll(&pfd, 1, 0) < 0 && errno == EINTR) {
    }
    uint32_t ready = 0;
    for (size_t i = 0; i < ARRAY_LEN(bits); i++)
        if (pfd.revents & bits[i].host)
            ready |= bits[i].bit;
    return ready;
}
