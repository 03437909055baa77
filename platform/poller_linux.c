#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/host_errno.h"
#include "platform/poller_backend.h"
#include <errno.h>
#include <sys/epoll.h>

_Static_assert((unsigned)EPOLLIN == LINUX_POLLIN && (unsigned)EPOLLRDHUP == LINUX_POLLRDHUP &&
                   (unsigned)EPOLLHUP == LINUX_POLLHUP,
               "a Linux host has our event numbers");

int poller_queue_open(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? errno_to_linux(errno) : fd;
}

int poller_queue_add(int queue, int host_fd, uint64_t key)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    e.data.u64 = key;
    return epoll_ctl(queue, EPOLL_CTL_ADD, host_fd, &e) ? errno_to_linux(errno) : 0;
}

void poller_queue_remove(int queue, int host_fd)
{
    struct epoll_event unused = {0};
    epoll_ctl(queue, EPOLL_CTL_DEL, host_fd, &unused);
}

int poller_queue_wait(int queue, struct poller_event out[POLLER_BATCH])
{
    struct epoll_event events[POLLER_BATCH];
    int n = epoll_wait(queue, events, POLLER_BATCH, -1);
    for (int i = 0; i < n; i++)
        out[i] = (struct poller_event){events[i].data.u64, events[i].events};
    return n < 0 ? 0 : n;
}
