#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/host_errno.h"
#include "platform/poller_backend.h"
#include <errno.h>
#include <stddef.h>
#include <sys/event.h>
#include <sys/types.h>

// kevent carries a pointer of user data; the key goes there as a number.
int poller_queue_open(void)
{
    int fd = kqueue();
    return fd < 0 ? errno_to_linux(errno) : fd;
}

int poller_queue_add(int queue, int host_fd, uint64_t key)
{
    struct kevent changes[2];
    EV_SET(&changes[0], (uintptr_t)host_fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0,
           (void *)(uintptr_t)key);
    EV_SET(&changes[1], (uintptr_t)host_fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0,
           (void *)(uintptr_t)key);
    if (kevent(queue, &changes[0], 1, NULL, 0, NULL) < 0)
        return errno == EINVAL ? -LINUX_EPERM : errno_to_linux(errno);
    // A descriptor that cannot be written to is still watched for reading.
    kevent(queue, &changes[1], 1, NULL, 0, NULL);
    return 0;
}

void poller_queue_remove(int queue, int host_fd)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t)host_fd, EVFILT_READ, EV_DELETE, 0, 0, NULL);
    kevent(queue, &change, 1, NULL, 0, NULL);
    EV_SET(&change, (uintptr_t)host_fd, EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
    kevent(queue, &change, 1, NULL, 0, NULL);
}

static uint32_t event_bits(const struct kevent *e)
{
    uint32_t bits = e->filter == EVFILT_READ ? (uint32_t)LINUX_POLLIN : (uint32_t)LINUX_POLLOUT;
    if (e->flags & EV_EOF)
        bits |= e->filter == EVFILT_READ ? (uint32_t)LINUX_POLLRDHUP : (uint32_t)LINUX_POLLHUP;
    if (e->flags & EV_ERROR)
        bits |= LINUX_POLLERR;
    return bits;
}

int poller_queue_wait(int queue, struct poller_event out[POLLER_BATCH])
{
    struct kevent events[POLLER_BATCH];
    int n = kevent(queue, NULL, 0, events, POLLER_BATCH, NULL);
    for (int i = 0; i < n; i++)
        out[i] =
            (struct poller_event){(uint64_t)(uintptr_t)events[i].udata, event_bits(&events[i])};
    return n < 0 ? 0 : n;
}
