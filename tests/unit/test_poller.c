// The poller calls each source when its host descriptor becomes ready, and never after removal.
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/clock.h"
#include "platform/lock.h"
#include "platform/poller.h"
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

struct counter {
    struct poller_source source;
    struct lock lock;
    struct cond cond;
    unsigned calls; // guarded by lock
    uint32_t events;
};

static void count(struct poller_source *source, uint32_t events)
{
    struct counter *c = CONTAINER_OF(source, struct counter, source);
    lock_acquire(&c->lock);
    c->calls++;
    c->events |= events;
    cond_signal(&c->cond);
    lock_release(&c->lock);
}

static bool wait_for(struct counter *c, uint32_t event)
{
    uint64_t deadline = clock_monotonic_ns() + 10 * NSEC_PER_SEC;
    lock_acquire(&c->lock);
    while (!(c->events & event) && cond_wait(&c->cond, &c->lock, deadline)) {
    }
    bool seen = c->events & event;
    c->events = 0;
    lock_release(&c->lock);
    return seen;
}

static void counter_init(struct counter *c, int fd)
{
    *c = (struct counter){.source = {.host_fd = fd, .ready = count}};
    lock_init(&c->lock, LOCK_RANK_TASK_WAIT);
    cond_init(&c->cond);
}

int main(void)
{
    struct tap t = {0, 0};
    struct poller *p;
    CHECK(&t, poller_create(&p) == 0, "a poller is made without a thread");
    int fds[2], others[2];
    if (pipe(fds) || pipe(others))
        return 1;
    struct counter c, other;
    counter_init(&c, fds[0]);
    counter_init(&other, others[0]);
    CHECK(&t, poller_add(p, &c.source) == 0, "a pipe can be watched");
    CHECK(&t, poller_add(p, &other.source) == 0, "a second one too");
    CHECK(&t, poller_host_ready(fds[0], LINUX_POLLIN) == 0, "an empty pipe is not readable");
    CHECK(&t, write(fds[1], "a", 1) == 1 && wait_for(&c, LINUX_POLLIN), "data is reported");
    CHECK(&t, poller_host_ready(fds[0], LINUX_POLLIN) == LINUX_POLLIN, "and can be asked for");
    CHECK(&t, write(fds[1], "b", 1) == 1 && wait_for(&c, LINUX_POLLIN),
          "more data is a new edge although the first byte is unread");
    poller_remove(p, &c.source);
    unsigned calls = c.calls;
    CHECK(&t, write(fds[1], "c", 1) == 1, "a removed source still exists");
    CHECK(&t, write(others[1], "d", 1) == 1 && wait_for(&other, LINUX_POLLIN),
          "the other source is reported");
    CHECK(&t, c.calls == calls, "nothing is reported after removal");
    close(others[1]);
    CHECK(&t, wait_for(&other, LINUX_POLLHUP | LINUX_POLLRDHUP),
          "the end of the writer is reported");
    poller_remove(p, &other.source);
    int regular = open("/proc/self/exe", O_RDONLY);
    if (regular >= 0) {
        struct counter r;
        counter_init(&r, regular);
        CHECK(&t, poller_add(p, &r.source) == -LINUX_EPERM, "a regular file cannot be watched");
    }
    poller_destroy(p);
    return tap_finish(&t);
}
