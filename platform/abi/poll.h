// Event bits of poll, select and epoll, and struct layouts, as on Linux ARM64. Layer 0.
#ifndef PLATFORM_ABI_POLL_H
#define PLATFORM_ABI_POLL_H

#include <stdint.h>

enum {
    LINUX_POLLIN = 0x001,
    LINUX_POLLPRI = 0x002,
    LINUX_POLLOUT = 0x004,
    LINUX_POLLERR = 0x008,
    LINUX_POLLHUP = 0x010,
    LINUX_POLLNVAL = 0x020,
    LINUX_POLLRDNORM = 0x040,
    LINUX_POLLRDBAND = 0x080,
    LINUX_POLLWRNORM = 0x100,
    LINUX_POLLWRBAND = 0x200,
    LINUX_POLLMSG = 0x400,
    LINUX_POLLRDHUP = 0x2000,
};

// Beyond the POLL bits, which have the same values.
#define LINUX_EPOLLEXCLUSIVE (1u << 28)
#define LINUX_EPOLLWAKEUP    (1u << 29)
#define LINUX_EPOLLONESHOT   (1u << 30)
#define LINUX_EPOLLET        (1u << 31)

enum {
    LINUX_EPOLL_CTL_ADD = 1,
    LINUX_EPOLL_CTL_DEL = 2,
    LINUX_EPOLL_CTL_MOD = 3,
    LINUX_EPOLL_CLOEXEC = 02000000,
};

struct linux_pollfd {
    int32_t fd;
    int16_t events, revents;
};
_Static_assert(sizeof(struct linux_pollfd) == 8, "poll(2)");

// Only x86 packs this.
struct linux_epoll_event {
    uint32_t events;
    uint32_t pad;
    uint64_t data;
};
_Static_assert(sizeof(struct linux_epoll_event) == 16, "epoll_ctl(2)");

#endif
