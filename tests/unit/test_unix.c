// AF_UNIX sockets carry bytes, messages, descriptors and credentials between tasks.
#include "kernel/net/socket.h"
#include "kernel/syscall_handlers.h"
#include "kernel/wait.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include "platform/base/log.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "tests/unit/tap.h"
#include "tests/unit/task_stub.h"
#include <string.h>

enum {
    UNIX = LINUX_AF_UNIX,
    STREAM = LINUX_SOCK_STREAM,
    DGRAM = LINUX_SOCK_DGRAM,
    PACKET = LINUX_SOCK_SEQPACKET,
};

static uaddr_t at(const void *p)
{
    return (uaddr_t)(uintptr_t)p;
}

static void close_all(struct task *task)
{
    sys_close_range(task, 0, UINT32_MAX, 0);
}

static int poll_now(struct task *task, int64_t fd)
{
    struct linux_pollfd p = {(int32_t)fd, 0x3fff, 0};
    uint64_t zero[2] = {0, 0};
    return sys_ppoll(task, at(&p), 1, at(zero), 0, 8) < 0 ? -1 : p.revents;
}

static int64_t name_call(int64_t (*call)(struct task *, int32_t, uaddr_t, int32_t),
                         struct task *task, int64_t fd, const char *path, size_t len)
{
    struct linux_sockaddr_un un = {.family = UNIX};
    memcpy(un.path, path, len);
    return call(task, (int32_t)fd, at(&un), (int32_t)(2 + len));
}

enum {
    NORMAL = LINUX_POLLOUT | LINUX_POLLWRNORM | LINUX_POLLWRBAND,
    READ = LINUX_POLLIN | LINUX_POLLRDNORM,
    ENDED = NORMAL | READ | LINUX_POLLHUP | LINUX_POLLRDHUP
};

static void check_pair(struct tap *t, struct task *task)
{
    int32_t s[2];
    char buf[16] = {0};
    CHECK(t, sys_socketpair(task, UNIX, STREAM, 0, at(s)) == 0 && s[0] == 0 && s[1] == 1, "a pair");
    CHECK(t, poll_now(task, 0) == NORMAL, "can be written to");
    CHECK(t, sys_write(task, 0, at("abc"), 3) == 3 && sys_write(task, 0, at("def"), 3) == 3,
          "twice");
    int32_t n = 0;
    CHECK(t, sys_ioctl(task, 1, LINUX_FIONREAD, at(&n)) == 0 && n == 6, "six bytes are there");
    CHECK(t,
          sys_recvfrom(task, 1, at(buf), 4, LINUX_MSG_PEEK, 0, 0) == 4 && !memcmp(buf, "abcd", 4),
          "MSG_PEEK sees across writes");
    CHECK(t, sys_read(task, 1, at(buf), 16) == 6 && !memcmp(buf, "abcdef", 6), "and takes nothing");
    CHECK(t, sys_recvfrom(task, 1, at(buf), 1, LINUX_MSG_DONTWAIT, 0, 0) == -LINUX_EAGAIN, "empty");
    CHECK(t, sys_write(task, 1, STUB_BAD_ADDRESS, 4) == -LINUX_EFAULT, "a bad buffer is EFAULT");
    CHECK(t, sys_pread64(task, 0, at(buf), 1, 0) == -LINUX_ESPIPE, "no position");
    CHECK(t, sys_fcntl(task, 0, LINUX_F_GETFL, 0) == LINUX_O_RDWR, "F_GETFL");
    CHECK(t, sys_shutdown(task, 0, LINUX_SHUT_WR) == 0 && sys_read(task, 1, at(buf), 1) == 0,
          "after SHUT_WR the other side reads the end");
    CHECK(t, poll_now(task, 1) == (NORMAL | READ | LINUX_POLLRDHUP), "and polls RDHUP");
    CHECK(t,
          sys_write(task, 0, at(buf), 1) == -LINUX_EPIPE &&
              stub_signals(task) == signal_bit(LINUX_SIGPIPE),
          "writing is EPIPE and SIGPIPE");
    CHECK(t,
          sys_sendto(task, 0, at(buf), 1, LINUX_MSG_NOSIGNAL, 0, 0) == -LINUX_EPIPE &&
              stub_signals(task) == 0,
          "or only EPIPE");
    CHECK(t,
          sys_write(task, 1, at("z"), 1) == 1 && sys_close(task, 1) == 0 &&
              poll_now(task, 0) == ENDED && sys_read(task, 0, at(buf), 2) == 1,
          "what was sent before the close arrives");
    CHECK(t, sys_read(task, 0, at(buf), 1) == 0, "then the end");
    CHECK(t,
          sys_socketpair(task, UNIX, 9, 0, at(s)) == -LINUX_ESOCKTNOSUPPORT &&
              sys_socketpair(task, UNIX, STREAM, 5, at(s)) == -LINUX_EPROTONOSUPPORT &&
              sys_socketpair(task, UNIX, STREAM | 0x100, 0, at(s)) == -LINUX_EINVAL &&
              sys_socketpair(task, UNIX, STREAM, 0, STUB_BAD_ADDRESS) == -LINUX_EFAULT,
          "bad types, protocols, flags, addresses");
    CHECK(t, sys_dup(task, 0) == 1, "which left no descriptor");
    close_all(task);
}

static void check_reset(struct tap *t, struct task *task)
{
    int32_t s[2];
    char c;
    sys_socketpair(task, UNIX, STREAM, 0, at(s));
    sys_write(task, s[0], at("unread"), 6);
    sys_close(task, s[1]);
    CHECK(t, poll_now(task, s[0]) == (ENDED | LINUX_POLLERR), "closing with unread data: POLLERR");
    CHECK(t, sys_read(task, s[0], at(&c), 1) == -LINUX_ECONNRESET, "ECONNRESET");
    CHECK(t, sys_read(task, s[0], at(&c), 1) == 0, "once");
    close_all(task);
}

static void check_connect(struct tap *t, struct task *task, const char *path, size_t len)
{
    int64_t l = sys_socket(task, UNIX, STREAM, 0), c = sys_socket(task, UNIX, STREAM, 0);
    char buf[8];
    CHECK(t,
          name_call(sys_connect, task, c, path, len) ==
              (path[0] ? -LINUX_ENOENT : -LINUX_ECONNREFUSED),
          "nobody is there");
    CHECK(t, sys_listen(task, (int32_t)l, 1) == -LINUX_EINVAL, "listen takes a name");
    CHECK(t, name_call(sys_bind, task, l, path, len) == 0, "bind");
    CHECK(t, name_call(sys_bind, task, l, "other", 6) == -LINUX_EINVAL, "only once");
    CHECK(t, name_call(sys_bind, task, c, path, len) == -LINUX_EADDRINUSE, "the name is taken");
    CHECK(t, name_call(sys_connect, task, c, path, len) == -LINUX_ECONNREFUSED,
          "not listening yet");
    CHECK(t, poll_now(task, c) == (NORMAL | LINUX_POLLHUP), "not connected: POLLHUP");
    CHECK(t, sys_read(task, (int32_t)c, at(buf), 1) == -LINUX_EINVAL, "and not readable");
    CHECK(t, sys_write(task, (int32_t)c, at(buf), 1) == -LINUX_ENOTCONN, "nor writable");
    CHECK(t, sys_listen(task, (int32_t)l, 1) == 0 && poll_now(task, l) == 0, "listening");
    CHECK(t, name_call(sys_connect, task, c, path, len) == 0, "connect");
    CHECK(t, name_call(sys_connect, task, c, path, len) == -LINUX_EISCONN, "only once");
    CHECK(t, sys_write(task, (int32_t)c, at("early"), 5) == 5, "data before accept");
    CHECK(t, poll_now(task, l) == READ, "the listener is readable");
    struct linux_sockaddr_un un;
    int32_t un_len = sizeof un;
    int64_t a = sys_accept4(task, (int32_t)l, at(&un), at(&un_len), LINUX_SOCK_NONBLOCK);
    CHECK(t, a >= 0 && un_len == 2 && un.family == UNIX, "accept names an unbound peer");
    CHECK(t, sys_read(task, (int32_t)a, at(buf), 8) == 5, "and finds the data");
    un_len = sizeof un;
    CHECK(t,
          sys_getpeername(task, (int32_t)c, at(&un), at(&un_len)) == 0 &&
              (size_t)un_len == 2 + len && !memcmp(un.path, path, len),
          "the client knows whom it talks to");
    struct linux_ucred cred;
    int32_t cred_len = sizeof cred;
    CHECK(t,
          sys_getsockopt(task, (int32_t)a, LINUX_SOL_SOCKET, LINUX_SO_PEERCRED, at(&cred),
                         at(&cred_len)) == 0 &&
              cred.pid == 1 && cred.uid == 0,
          "SO_PEERCRED");
    sys_close(task, (int32_t)l);
    CHECK(t,
          sys_write(task, (int32_t)a, at("x"), 1) == 1 &&
              sys_read(task, (int32_t)c, at(buf), 8) == 1,
          "the connection outlives the listener");
    close_all(task);
}

static void check_backlog(struct tap *t, struct task *task)
{
    int64_t l = sys_socket(task, UNIX, STREAM, 0), c[3];
    name_call(sys_bind, task, l, "\0backlog", 8);
    sys_listen(task, (int32_t)l, 1);
    for (int i = 0; i < 3; i++)
        c[i] = sys_socket(task, UNIX, STREAM | LINUX_SOCK_NONBLOCK, 0);
    CHECK(t,
          !name_call(sys_connect, task, c[0], "\0backlog", 8) &&
              !name_call(sys_connect, task, c[1], "\0backlog", 8) &&
              name_call(sys_connect, task, c[2], "\0backlog", 8) == -LINUX_EAGAIN,
          "a full backlog is EAGAIN");
    sys_close(task, (int32_t)l);
    char b;
    CHECK(t, sys_read(task, (int32_t)c[0], at(&b), 1) == -LINUX_ECONNRESET,
          "connections nobody accepted are reset");
    close_all(task);
}

static void check_dgram(struct tap *t, struct task *task)
{
    int64_t a = sys_socket(task, UNIX, DGRAM, 0), b = sys_socket(task, UNIX, DGRAM, 0);
    char buf[8];
    struct linux_sockaddr_un un = {.family = UNIX, .path = "\0bee"}, from;
    int32_t len = sizeof from;
    name_call(sys_bind, task, b, "\0bee", 4);
    CHECK(t, sys_write(task, (int32_t)a, at("x"), 1) == -LINUX_ENOTCONN, "no destination");
    CHECK(t, sys_sendto(task, (int32_t)a, at("hello"), 5, 0, at(&un), 6) == 5, "to a name");
    CHECK(t, sys_sendto(task, (int32_t)a, at("you"), 3, 0, at(&un), 6) == 3, "again");
    int32_t n = 0;
    CHECK(t, sys_ioctl(task, (int32_t)b, LINUX_FIONREAD, at(&n)) == 0 && n == 5, "first message");
    CHECK(t,
          sys_recvfrom(task, (int32_t)b, at(buf), 2, LINUX_MSG_TRUNC, at(&from), at(&len)) == 5 &&
              len == 0,
          "cut short, its length told, from nobody");
    CHECK(t, sys_read(task, (int32_t)b, at(buf), 8) == 3, "messages stay apart");
    CHECK(t,
          sys_sendto(task, (int32_t)a, at(""), 0, 0, at(&un), 6) == 0 &&
              sys_recvfrom(task, (int32_t)b, at(buf), 8, LINUX_MSG_DONTWAIT, 0, 0) == 0 &&
              sys_recvfrom(task, (int32_t)b, at(buf), 8, LINUX_MSG_DONTWAIT, 0, 0) == -LINUX_EAGAIN,
          "an empty message is one");
    CHECK(t,
          name_call(sys_connect, task, a, "\0bee", 4) == 0 &&
              sys_write(task, (int32_t)a, at("c"), 1) == 1,
          "connected");
    un.family = LINUX_AF_UNSPEC;
    sys_close(task, (int32_t)b);
    CHECK(t,
          sys_write(task, (int32_t)a, at("x"), 1) == -LINUX_ECONNREFUSED &&
              sys_write(task, (int32_t)a, at("x"), 1) == -LINUX_ENOTCONN,
          "the peer is gone");
    static char big[300000];
    int32_t s[2];
    sys_socketpair(task, UNIX, DGRAM | LINUX_SOCK_NONBLOCK, 0, at(s));
    CHECK(t, sys_write(task, s[0], at(big), sizeof big) == -LINUX_EMSGSIZE, "too long");
    while (sys_write(task, s[0], at(big), 1000) == 1000) {
    }
    CHECK(t, sys_write(task, s[0], at(big), 1) == -LINUX_EAGAIN && !(poll_now(task, s[0]) & NORMAL),
          "a full queue is EAGAIN");
    close_all(task);
}

static void check_packets(struct tap *t, struct task *task)
{
    int32_t s[2];
    char buf[8];
    sys_socketpair(task, UNIX, PACKET, 0, at(s));
    sys_write(task, s[0], at("one"), 3);
    sys_write(task, s[0], at("three"), 5);
    uint64_t iov[2] = {at(buf), 2};
    struct linux_msghdr h = {.iov = at(iov), .iovlen = 1};
    CHECK(t, sys_recvmsg(task, s[1], at(&h), 0) == 2 && h.flags == LINUX_MSG_TRUNC,
          "a packet cut short says so");
    CHECK(t, sys_read(task, s[1], at(buf), 8) == 5, "the next one is whole");
    sys_close(task, s[0]);
    CHECK(t,
          sys_read(task, s[1], at(buf), 8) == 0 &&
              sys_write(task, s[1], at("x"), 1) == -LINUX_EPIPE && !stub_signals(task),
          "the end; EPIPE without SIGPIPE");
    int64_t c = sys_socket(task, UNIX, PACKET, 0);
    CHECK(t, sys_read(task, (int32_t)c, at(buf), 1) == -LINUX_ENOTCONN, "not connected");
    close_all(task);
}

// --- Control data --------------------------------------------------------------------------------

struct control {
    struct linux_cmsghdr h;
    int32_t fds[8];
};

static int64_t send_fds(struct task *task, int32_t s, const int32_t *fds, unsigned n)
{
    struct control c = {.h = {sizeof c.h + n * 4, LINUX_SOL_SOCKET, LINUX_SCM_RIGHTS}};
    memcpy(c.fds, fds, n * 4);
    uint64_t iov[2] = {at("!"), 1};
    struct linux_msghdr h = {.iov = at(iov), .iovlen = 1, .control = at(&c)};
    h.controllen = sizeof c.h + n * 4;
    return sys_sendmsg(task, s, at(&h), 0);
}

static int64_t receive_fds(struct task *task, int32_t s, struct control *c, uint64_t room,
                           uint32_t flags, uint32_t *out_flags)
{
    char buf[8];
    uint64_t iov[2] = {at(buf), 8};
    struct linux_msghdr h = {.iov = at(iov), .iovlen = 1, .control = at(c), .controllen = room};
    int64_t n = sys_recvmsg(task, s, at(&h), flags);
    *out_flags = h.flags;
    return n < 0 ? n : (int64_t)h.controllen;
}

static void check_rights(struct tap *t, struct task *task)
{
    int32_t s[2], p[2];
    struct control c = {.h = {0, 0, 0}};
    uint32_t flags;
    char buf[8];
    sys_socketpair(task, UNIX, STREAM, 0, at(s)); // 0, 1
    sys_pipe2(task, at(p), 0);                    // 2, 3
    CHECK(t, send_fds(task, s[0], p, 2) == 1, "two descriptors are sent");
    sys_close(task, p[0]);
    sys_close(task, p[1]);
    CHECK(t,
          receive_fds(task, s[1], &c, 24, LINUX_MSG_CMSG_CLOEXEC, &flags) == 24 && c.fds[0] == 2 &&
              c.fds[1] == 3 && flags == LINUX_MSG_CMSG_CLOEXEC,
          "and received");
    CHECK(t, sys_fcntl(task, 2, LINUX_F_GETFD, 0) == 1, "close-on-exec as asked");
    CHECK(t, sys_write(task, 3, at("x"), 1) == 1 && sys_read(task, 2, at(buf), 8) == 1,
          "they work");
    int32_t bad[1] = {99};
    CHECK(t, send_fds(task, s[0], bad, 1) == -LINUX_EBADF, "a bad one is EBADF");
    send_fds(task, s[0], p, 2);
    CHECK(t,
          receive_fds(task, s[1], &c, 20, 0, &flags) == 20 && c.h.len == 20 &&
              flags == LINUX_MSG_CTRUNC && sys_close(task, c.fds[0]) == 0 && sys_dup(task, 0) == 4,
          "room for one: the other is closed, MSG_CTRUNC");
    send_fds(task, s[0], p, 2);
    CHECK(t, receive_fds(task, s[1], &c, 0, 0, &flags) == 0 && flags == LINUX_MSG_CTRUNC,
          "no room at all");
    // The last reader of the pipe is in a message nobody reads.
    sys_close(task, 4);
    send_fds(task, s[0], &p[0], 1);
    sys_close(task, p[0]);
    CHECK(t, sys_write(task, p[1], at("x"), 1) == 1, "a pipe lives on in a message");
    sys_close(task, s[0]);
    sys_close(task, s[1]);
    CHECK(t, sys_write(task, p[1], at("x"), 1) == -LINUX_EPIPE, "and dies with it");
    stub_signals(task);
    close_all(task);
}

// Sockets within messages within sockets: closing the outermost must not need a deep stack.
static void check_depth(struct tap *t, struct task *task)
{
    int32_t inner[2], outer[2], probe[2];
    sys_pipe2(task, at(probe), 0);
    sys_socketpair(task, UNIX, STREAM, 0, at(inner));
    send_fds(task, inner[0], &probe[0], 1);
    sys_close(task, probe[0]);
    for (int i = 0; i < 50000; i++) {
        sys_socketpair(task, UNIX, STREAM, 0, at(outer));
        send_fds(task, outer[0], inner, 2);
        sys_close(task, inner[0]);
        sys_close(task, inner[1]);
        memcpy(inner, outer, sizeof inner);
    }
    sys_close(task, inner[0]);
    sys_close(task, inner[1]);
    CHECK(t, sys_write(task, probe[1], at("x"), 1) == -LINUX_EPIPE, "50000 nested sockets close");
    stub_signals(task);
    close_all(task);
}

static void check_credentials(struct tap *t, struct task *task)
{
    int32_t s[2], on = 1;
    struct {
        struct linux_cmsghdr h;
        struct linux_ucred cred;
    } c;
    uint32_t flags;
    sys_socketpair(task, UNIX, DGRAM, 0, at(s));
    sys_setsockopt(task, s[1], LINUX_SOL_SOCKET, LINUX_SO_PASSCRED, at(&on), 4);
    sys_write(task, s[0], at("x"), 1);
    struct control *as_control = (struct control *)(void *)&c;
    CHECK(t,
          receive_fds(task, s[1], as_control, sizeof c, 0, &flags) == 32 &&
              c.h.type == LINUX_SCM_CREDENTIALS && c.h.len == 28 && c.cred.pid == 1,
          "SO_PASSCRED names the sender");
    uint64_t iov[2] = {at("!"), 1};
    struct linux_msghdr h = {.iov = at(iov), .iovlen = 1, .control = at(&c), .controllen = 28};
    c.cred.uid = 1234;
    CHECK(t,
          sys_sendmsg(task, s[0], at(&h), 0) == 1 &&
              receive_fds(task, s[1], as_control, sizeof c, 0, &flags) == 32 && c.cred.uid == 1234,
          "root may claim another uid");
    c.h.len = 27;
    CHECK(t, sys_sendmsg(task, s[0], at(&h), 0) == -LINUX_EINVAL, "a short one is EINVAL");
    close_all(task);
}

static void check_options(struct tap *t, struct task *task)
{
    int64_t s = sys_socket(task, UNIX, STREAM, 0);
    int32_t v = 0, len = 4;
    uint64_t tv[2] = {0, 20000};
    char c;
    CHECK(t,
          sys_getsockopt(task, (int32_t)s, LINUX_SOL_SOCKET, LINUX_SO_TYPE, at(&v), at(&len)) ==
                  0 &&
              v == STREAM && len == 4,
          "SO_TYPE");
    v = 10000;
    sys_setsockopt(task, (int32_t)s, LINUX_SOL_SOCKET, LINUX_SO_SNDBUF, at(&v), 4);
    sys_getsockopt(task, (int32_t)s, LINUX_SOL_SOCKET, LINUX_SO_SNDBUF, at(&v), at(&len));
    CHECK(t, v == 20000, "SO_SNDBUF doubles");
    CHECK(t,
          sys_setsockopt(task, (int32_t)s, LINUX_SOL_SOCKET, LINUX_SO_SNDBUF, at(&v), 3) ==
                  -LINUX_EINVAL &&
              sys_setsockopt(task, (int32_t)s, LINUX_SOL_SOCKET, 999, at(&v), 4) ==
                  -LINUX_ENOPROTOOPT &&
              sys_setsockopt(task, (int32_t)s, 6, 1, at(&v), 4) == -LINUX_EOPNOTSUPP,
          "bad sizes, names, levels");
    CHECK(t, sys_setsockopt(task, 99, 1, 2, at(&v), 4) == -LINUX_EBADF, "a bad descriptor");
    int32_t pair[2];
    sys_socketpair(task, UNIX, STREAM, 0, at(pair));
    sys_setsockopt(task, pair[0], LINUX_SOL_SOCKET, LINUX_SO_RCVTIMEO, at(tv), 16);
    uint64_t start = clock_monotonic_ns();
    CHECK(t,
          sys_read(task, pair[0], at(&c), 1) == -LINUX_EAGAIN &&
              clock_monotonic_ns() - start >= 20000000,
          "SO_RCVTIMEO ends a read after its time");
    close_all(task);
}

// --- Threads -------------------------------------------------------------------------------------

enum { TOTAL = 8 << 20 };

struct writer {
    struct task *task;
    int32_t fd;
};

static void write_all(void *arg)
{
    const struct writer *w = arg;
    static uint8_t buf[70000];
    uint32_t value = 0, seed = 3;
    for (size_t left = TOTAL; left > 0;) {
        seed = seed * 1103515245u + 12345;
        size_t n = (seed >> 12) % (seed >> 30 ? 600 : sizeof buf) + 1;
        n = n < left ? n : left;
        for (size_t i = 0; i < n; i++)
            buf[i] = (uint8_t)(value++ * 2654435761u >> 24);
        ISH_ASSERT(sys_write(w->task, w->fd, at(buf), n) == (int64_t)n);
        left -= n;
    }
    sys_close(w->task, w->fd);
}

static void check_stream(struct tap *t, struct kernel *kernel)
{
    struct task *a = stub_task_create(kernel, NULL), *b = stub_task_create(kernel, a);
    int32_t s[2];
    sys_socketpair(a, UNIX, STREAM, 0, at(s));
    struct writer w = {b, s[1]};
    pthread_t thread;
    ISH_ASSERT(!thread_start_joinable(write_all, &w, "writer", &thread));
    static uint8_t buf[50000];
    uint32_t value = 0, seed = 9;
    size_t total = 0;
    bool good = true;
    for (;;) {
        seed = seed * 1103515245u + 12345;
        int64_t n = sys_read(a, s[0], at(buf), (seed >> 12) % sizeof buf + 1);
        if (n <= 0)
            break;
        for (int64_t i = 0; i < n; i++)
            good &= buf[i] == (uint8_t)(value++ * 2654435761u >> 24);
        total += (size_t)n;
    }
    thread_join(thread);
    CHECK(t, good && total == TOTAL, "8 MiB in pieces of all sizes arrive as they were sent");
    stub_task_destroy(b);
    stub_task_destroy(a);
}

static void connect_many(void *arg)
{
    struct task *task = arg;
    for (int i = 0; i < 2000; i++) {
        int64_t c = sys_socket(task, UNIX, STREAM, 0);
        ISH_ASSERT(name_call(sys_connect, task, c, "\0many", 5) == 0);
        ISH_ASSERT(sys_write(task, (int32_t)c, at("x"), 1) == 1);
        sys_close(task, (int32_t)c);
    }
}

static void check_server(struct tap *t, struct kernel *kernel)
{
    struct task *a = stub_task_create(kernel, NULL), *b = stub_task_create(kernel, NULL);
    int64_t l = sys_socket(a, UNIX, STREAM, 0);
    name_call(sys_bind, a, l, "\0many", 5);
    sys_listen(a, (int32_t)l, 3);
    pthread_t thread;
    ISH_ASSERT(!thread_start_joinable(connect_many, b, "client", &thread));
    int good = 0;
    for (int i = 0; i < 2000; i++) {
        char c = 0;
        int64_t s = sys_accept(a, (int32_t)l, 0, 0);
        good += s >= 0 && sys_read(a, (int32_t)s, at(&c), 1) == 1 && c == 'x' &&
                sys_read(a, (int32_t)s, at(&c), 1) == 0;
        sys_close(a, (int32_t)s);
    }
    thread_join(thread);
    CHECK(t, good == 2000, "2000 connections through a short backlog");
    stub_task_destroy(b);
    stub_task_destroy(a);
}

int main(void)
{
    struct tap t = {0, 0};
    struct kernel *kernel = stub_kernel_create();
    struct task *task = stub_task_create(kernel, NULL);
    check_pair(&t, task);
    check_reset(&t, task);
    check_connect(&t, task, "/sock", 6);
    check_connect(&t, task, "\0abstract", 9);
    check_backlog(&t, task);
    check_dgram(&t, task);
    check_packets(&t, task);
    check_rights(&t, task);
    check_depth(&t, task);
    check_credentials(&t, task);
    check_options(&t, task);
    check_stream(&t, kernel);
    check_server(&t, kernel);
    stub_task_destroy(task);
    stub_kernel_destroy(kernel);
    return tap_finish(&t);
}
