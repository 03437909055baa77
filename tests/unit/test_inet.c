// Internet sockets over the host's loopback: connections, datagrams, waiting, errors, readiness.
#include "kernel/net/socket.h"
#include "kernel/syscall_handlers.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include "platform/base/log.h"
#include "platform/thread.h"
#include "tests/unit/tap.h"
#include "tests/unit/task_stub.h"
#include <string.h>

enum {
    INET = LINUX_AF_INET,
    STREAM = LINUX_SOCK_STREAM,
    DGRAM = LINUX_SOCK_DGRAM,
    NONBLOCK = LINUX_SOCK_NONBLOCK,
};

static uaddr_t at(const void *p)
{
    return (uaddr_t)(uintptr_t)p;
}

static struct linux_sockaddr_in loopback(uint16_t port)
{
    return (struct linux_sockaddr_in){.family = INET, .port = port, .addr = {127, 0, 0, 1}};
}

static uint16_t port_of(struct task *task, int64_t fd)
{
    struct linux_sockaddr_in name;
    int32_t len = sizeof name;
    ISH_ASSERT(!sys_getsockname(task, (int32_t)fd, at(&name), at(&len)) && len == sizeof name);
    return name.port;
}

static int64_t listener(struct task *task)
{
    struct linux_sockaddr_in any = loopback(0);
    int64_t l = sys_socket(task, INET, STREAM, 0);
    ISH_ASSERT(l >= 0 && !sys_bind(task, (int32_t)l, at(&any), sizeof any));
    ISH_ASSERT(!sys_listen(task, (int32_t)l, 8));
    return l;
}

static int poll_for(struct task *task, int64_t fd, int events, uint64_t ms)
{
    struct linux_pollfd p = {(int32_t)fd, (int16_t)events, 0};
    uint64_t ts[2] = {ms / 1000, ms % 1000 * 1000000};
    return sys_ppoll(task, at(&p), 1, at(ts), 0, 8) < 0 ? -1 : p.revents;
}

struct peer {
    struct task *task;
    uint16_t port;
};

// Connects, sends a lot, reads it back, and closes.
enum { TOTAL = 4 << 20 };

static void client(void *arg)
{
    const struct peer *p = arg;
    struct linux_sockaddr_in to = loopback(p->port);
    int64_t s = sys_socket(p->task, INET, STREAM, 0);
    ISH_ASSERT(!sys_connect(p->task, (int32_t)s, at(&to), sizeof to));
    static uint8_t buf[100000];
    uint32_t value = 0;
    for (size_t left = TOTAL; left > 0;) {
        size_t n = left < sizeof buf ? left : sizeof buf;
        for (size_t i = 0; i < n; i++)
            buf[i] = (uint8_t)(value++ * 2654435761u >> 24);
        ISH_ASSERT(sys_write(p->task, (int32_t)s, at(buf), n) == (int64_t)n);
        left -= n;
    }
    ISH_ASSERT(!sys_shutdown(p->task, (int32_t)s, LINUX_SHUT_WR));
    char c;
    ISH_ASSERT(sys_read(p->task, (int32_t)s, at(&c), 1) == 0);
    sys_close(p->task, (int32_t)s);
}

static void check_stream(struct tap *t, struct kernel *kernel)
{
    struct task *a = stub_task_create(kernel, NULL), *b = stub_task_create(kernel, NULL);
    int64_t l = listener(a);
    struct peer p = {b, port_of(a, l)};
    pthread_t thread;
    ISH_ASSERT(!thread_start_joinable(client, &p, "client", &thread));
    struct linux_sockaddr_in from;
    int32_t len = sizeof from;
    int64_t s = sys_accept(a, (int32_t)l, at(&from), at(&len));
    CHECK(t, s >= 0 && len == sizeof from && from.family == INET && from.addr[0] == 127,
          "accept waits and names the peer");
    static uint8_t buf[70000];
    size_t total = 0;
    uint32_t value = 0;
    bool good = true;
    int64_t n;
    while ((n = sys_read(a, (int32_t)s, at(buf), sizeof buf)) > 0) {
        for (int64_t i = 0; i < n; i++)
            good &= buf[i] == (uint8_t)(value++ * 2654435761u >> 24);
        total += (size_t)n;
    }
    CHECK(t, good && n == 0 && total == TOTAL, "4 MiB arrive as they were sent, then the end");
    sys_close(a, (int32_t)s);
    thread_join(thread);
    stub_task_destroy(b);
    stub_task_destroy(a);
}

static void check_nonblocking(struct tap *t, struct task *task)
{
    int64_t l = listener(task), c = sys_socket(task, INET, STREAM | NONBLOCK, 0);
    struct linux_sockaddr_in to = loopback(port_of(task, l));
    char buf[8];
    sys_fcntl(task, (int32_t)l, 4, LINUX_O_NONBLOCK);
    CHECK(t, sys_accept(task, (int32_t)l, 0, 0) == -LINUX_EAGAIN, "nobody to accept: EAGAIN");
    int64_t err = sys_connect(task, (int32_t)c, at(&to), sizeof to);
    CHECK(t, err == 0 || err == -LINUX_EINPROGRESS, "connect in the background");
    CHECK(t, poll_for(task, c, LINUX_POLLOUT, 5000) == LINUX_POLLOUT, "poll says when it is done");
    int32_t error = -1, len = 4;
    CHECK(
        t,
        !sys_getsockopt(task, (int32_t)c, LINUX_SOL_SOCKET, LINUX_SO_ERROR, at(&error), at(&len)) &&
            error == 0,
        "without an error");
    CHECK(t, poll_for(task, l, LINUX_POLLIN, 5000) == LINUX_POLLIN, "the listener is readable");
    int64_t s = sys_accept4(task, (int32_t)l, 0, 0, NONBLOCK);
    CHECK(t, s >= 0 && sys_read(task, (int32_t)s, at(buf), 8) == -LINUX_EAGAIN, "no data: EAGAIN");
    CHECK(t, poll_for(task, s, LINUX_POLLIN | LINUX_POLLOUT, 0) == LINUX_POLLOUT, "writable only");
    sys_write(task, (int32_t)c, at("abc"), 3);
    CHECK(t, poll_for(task, s, LINUX_POLLIN, 5000) == LINUX_POLLIN, "poll waits for data");
    int32_t n = 0;
    CHECK(t, !sys_ioctl(task, (int32_t)s, LINUX_SIOCINQ, at(&n)) && n == 3, "FIONREAD");
    CHECK(t,
          sys_recvfrom(task, (int32_t)s, at(buf), 8, LINUX_MSG_PEEK, 0, 0) == 3 &&
              sys_read(task, (int32_t)s, at(buf), 8) == 3,
          "MSG_PEEK");
    sys_close(task, (int32_t)s);
    CHECK(t,
          poll_for(task, c, LINUX_POLLIN | LINUX_POLLRDHUP, 5000) ==
                  (LINUX_POLLIN | LINUX_POLLRDHUP) &&
              sys_read(task, (int32_t)c, at(buf), 8) == 0,
          "the other side closed");
    sys_write(task, (int32_t)c, at("x"), 1);
    poll_for(task, c, LINUX_POLLHUP, 5000);
    sys_write(task, (int32_t)c, at("x"), 1);
    CHECK(t,
          sys_write(task, (int32_t)c, at("x"), 1) == -LINUX_EPIPE &&
              stub_signals(task) & signal_bit(LINUX_SIGPIPE),
          "writing into it ends in EPIPE and SIGPIPE");
    sys_close(task, (int32_t)l);
    int64_t refused = sys_socket(task, INET, STREAM, 0);
    CHECK(t, sys_connect(task, (int32_t)refused, at(&to), sizeof to) == -LINUX_ECONNREFUSED,
          "nobody listens: ECONNREFUSED");
    sys_close_range(task, 0, UINT32_MAX, 0);
}

static void check_datagrams(struct tap *t, struct task *task)
{
    struct linux_sockaddr_in any = loopback(0), from;
    int64_t a = sys_socket(task, INET, DGRAM, 0), b = sys_socket(task, INET, DGRAM, 0);
    char buf[8];
    sys_bind(task, (int32_t)a, at(&any), sizeof any);
    struct linux_sockaddr_in to = loopback(port_of(task, a));
    CHECK(t, sys_sendto(task, (int32_t)b, at("hello"), 5, 0, at(&to), sizeof to) == 5, "sendto");
    int32_t len = sizeof from;
    CHECK(t,
          sys_recvfrom(task, (int32_t)a, at(buf), 3, LINUX_MSG_TRUNC, at(&from), at(&len)) == 5 &&
              len == sizeof from && from.port == port_of(task, b),
          "recvfrom cuts it, tells its length and its sender");
    CHECK(t, sys_write(task, (int32_t)b, at("x"), 1) == -LINUX_EDESTADDRREQ, "no destination");
    CHECK(t,
          !sys_connect(task, (int32_t)b, at(&to), sizeof to) &&
              sys_write(task, (int32_t)b, at(""), 0) == 0 &&
              sys_recvfrom(task, (int32_t)a, at(buf), 8, 0, 0, 0) == 0,
          "connected; an empty datagram");
    static char big[70000];
    CHECK(t, sys_write(task, (int32_t)b, at(big), sizeof big) == -LINUX_EMSGSIZE, "too long");
    uint64_t iov[2] = {at(buf), 2};
    struct linux_msghdr h = {.iov = at(iov), .iovlen = 1};
    sys_write(task, (int32_t)b, at("12345"), 5);
    CHECK(t, sys_recvmsg(task, (int32_t)a, at(&h), 0) == 2 && h.flags == LINUX_MSG_TRUNC,
          "recvmsg says MSG_TRUNC");
    sys_close_range(task, 0, UINT32_MAX, 0);
}

static void check_arguments(struct tap *t, struct task *task)
{
    struct linux_sockaddr_in any = loopback(0);
    int32_t v = 1, len = 4;
    CHECK(t,
          sys_socket(task, INET, STREAM, 17) == -LINUX_EPROTONOSUPPORT &&
              sys_socket(task, INET, 5, 0) == -LINUX_ESOCKTNOSUPPORT &&
              sys_socket(task, 3, STREAM, 0) == -LINUX_EAFNOSUPPORT &&
              sys_socket(task, 99, STREAM, 0) == -LINUX_EAFNOSUPPORT &&
              sys_socketpair(task, INET, STREAM, 0, at(&v)) == -LINUX_EOPNOTSUPP,
          "what there is not");
    int64_t s = sys_socket(task, INET, STREAM, 0);
    CHECK(t,
          sys_bind(task, (int32_t)s, at(&any), 8) == -LINUX_EINVAL &&
              sys_bind(task, (int32_t)s, at(&any), -1) == -LINUX_EINVAL &&
              sys_bind(task, (int32_t)s, STUB_BAD_ADDRESS, 16) == -LINUX_EFAULT,
          "bad addresses");
    any.family = LINUX_AF_UNIX;
    CHECK(t, sys_bind(task, (int32_t)s, at(&any), sizeof any) == -LINUX_EAFNOSUPPORT,
          "of another family");
    CHECK(t,
          !sys_setsockopt(task, (int32_t)s, LINUX_SOL_TCP, 1, at(&v), 4) &&
              !(v = 0, sys_getsockopt(task, (int32_t)s, LINUX_SOL_TCP, 1, at(&v), at(&len))) &&
              v == 1,
          "TCP_NODELAY goes to the host and back");
    CHECK(t,
          sys_setsockopt(task, (int32_t)s, LINUX_SOL_TCP, 12345, at(&v), 4) == -LINUX_ENOPROTOOPT,
          "an unknown option");
    CHECK(t, sys_accept(task, (int32_t)s, 0, 0) == -LINUX_EINVAL, "accept without listen");
    CHECK(t, sys_getpeername(task, (int32_t)s, at(&any), at(&len)) == -LINUX_ENOTCONN, "no peer");
    sys_close_range(task, 0, UINT32_MAX, 0);
}

int main(void)
{
    struct tap t = {0, 0};
    struct kernel *kernel = stub_kernel_create();
    struct task *task = stub_task_create(kernel, NULL);
    check_stream(&t, kernel);
    check_nonblocking(&t, task);
    check_datagrams(&t, task);
    check_arguments(&t, task);
    stub_task_destroy(task);
    stub_kernel_destroy(kernel);
    return tap_finish(&t);
}
