// AF_INET and AF_INET6 over sockets of the host. A call tries the host; when that would wait, the
// task sleeps on the socket's queue until the poller reports a change, and tries again.
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/net/socket.h"
#include "kernel/task.h"
#include "kernel/user.h"
#include "kernel/wait.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include "platform/host_socket.h"
#include "platform/poller.h"
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 65536,
    CONTROL_ROOM = 1024,
    ALL_EVENTS = LINUX_POLLIN | LINUX_POLLPRI | LINUX_POLLOUT | LINUX_POLLRDHUP | LINUX_POLLRDNORM |
                 LINUX_POLLRDBAND | LINUX_POLLWRNORM | LINUX_POLLWRBAND,
};

struct inet_sock {
    struct socket base;
    int host_fd;          // immutable
    _Atomic uint8_t shut; // 1: receives nothing more; 2: sends nothing more
    bool urgent;          // the poller's: urgent data was there when it looked last
    struct poller_source source;
};

static const struct socket_ops inet_ops;

static struct inet_sock *inet_of(struct socket *s)
{
    return CONTAINER_OF(s, struct inet_sock, base);
}

// What the poller sees, as reasons: it reports states, so an old one may be told again.
static void tell(struct inet_sock *i, uint32_t events)
{
    struct socket *s = &i->base;
    struct file *file = atomic_load_explicit(&s->file, memory_order_acquire);
    bool urgent = events & LINUX_POLLPRI;
    if (urgent && !i->urgent && file)
        async_tell_urgent(s->kernel, file, &s->told);
    i->urgent = urgent;
    if (events & LINUX_POLLERR)
        async_tell(s->kernel, &s->told, LINUX_POLL_ERR);
    if (events & LINUX_POLLHUP)
        socket_tell_data(s, LINUX_POLL_HUP);
    else if (events & LINUX_POLLIN)
        socket_tell_data(s, LINUX_POLL_IN);
    if (events & LINUX_POLLOUT)
        socket_tell_room(s);
}

static void host_ready(struct poller_source *source, uint32_t events)
{
    struct inet_sock *i = CONTAINER_OF(source, struct inet_sock, source);
    if (events & LINUX_POLLIN)
        events |= LINUX_POLLRDNORM | LINUX_POLLRDBAND;
    if (events & LINUX_POLLOUT)
        events |= LINUX_POLLWRNORM | LINUX_POLLWRBAND;
    // Errors and hangups concern everybody.
    bool all = events & (LINUX_POLLERR | LINUX_POLLHUP);
    tell(i, events); // first: a reader that wakes is none that waits
    wait_queue_wake(&i->base.queue, all ? 0 : events, true);
}

static struct inet_sock *inet_alloc(struct kernel *kernel, int32_t family, int32_t type,
                                    int32_t protocol)
{
    struct inet_sock *i = calloc(1, sizeof *i);
    if (i)
        socket_init(&i->base, &inet_ops, kernel, family, type, protocol);
    return i;
}

static void inet_free(struct inet_sock *i)
{
    socket_done(&i->base);
    free(i);
}

// Gives it the host descriptor, which is taken over, also on failure; then it is gone, too.
static int inet_attach(struct inet_sock *i, int host_fd, struct socket **out)
{
    i->host_fd = host_fd;
    i->source = (struct poller_source){.host_fd = host_fd, .ready = host_ready};
    int err = poller_add(i->base.kernel->poller, &i->source);
    if (err) {
        host_socket_close(host_fd);
        inet_free(i);
        return err;
    }
    *out = &i->base;
    return 0;
}

static int check_protocol(int32_t type, int32_t *protocol)
{
    enum { TCP = 6, UDP = 17, ICMP = 1, ICMPV6 = 58 };
    switch (type) {
    case LINUX_SOCK_STREAM:
        if (*protocol == 0)
            *protocol = TCP;
        return *protocol == TCP ? 0 : -LINUX_EPROTONOSUPPORT;
    case LINUX_SOCK_DGRAM:
        if (*protocol == 0)
            *protocol = UDP;
        return *protocol == UDP || *protocol == ICMP || *protocol == ICMPV6
                   ? 0
                   : -LINUX_EPROTONOSUPPORT;
    case LINUX_SOCK_RAW:
        return *protocol ? 0 : -LINUX_EPROTONOSUPPORT;
    default:
        return -LINUX_ESOCKTNOSUPPORT;
    }
}

int inet_socket_create(struct task *task, int32_t family, int32_t type, int32_t protocol,
                       struct socket **out)
{
    enum { PROTOCOL_MAX = 262 }; // MPTCP's
    if (protocol < 0 || protocol > PROTOCOL_MAX)
        return -LINUX_EINVAL;
    int err = check_protocol(type, &protocol);
    if (err)
        return err;
    if (type == LINUX_SOCK_RAW && !task_capable(task, LINUX_CAP_NET_RAW))
        return -LINUX_EPERM;
    int fd = host_socket_open(family, type, protocol);
    if (fd < 0)
        return fd;
    struct inet_sock *i = inet_alloc(task->kernel, family, type, protocol);
    if (!i) {
        host_socket_close(fd);
        return -LINUX_ENOMEM;
    }
    return inet_attach(i, fd, out);
}

static void inet_close(struct socket *s)
{
    struct inet_sock *i = inet_of(s);
    poller_remove(s->kernel->poller, &i->source);
    host_socket_close(i->host_fd);
    inet_free(i);
}

// --- Connections ---------------------------------------------------------------------------------

static int check_address(const struct socket *s, const struct sock_addr *addr)
{
    if (addr->len < sizeof addr->family)
        return -LINUX_EINVAL;
    if (addr->family != s->family && addr->family != LINUX_AF_UNSPEC)
        return -LINUX_EAFNOSUPPORT;
    return 0;
}

static int inet_bind(struct socket *s, struct task *task, const struct sock_addr *addr)
{
    (void)task;
    size_t need = s->family == LINUX_AF_INET ? sizeof addr->in : 24;
    if (addr->len < need)
        return -LINUX_EINVAL;
    int err = check_address(s, addr);
    if (err)
        return err;
    struct sock_addr any = *addr;
    if (addr->family == LINUX_AF_UNSPEC) {
        // Accepted for the wildcard address only, as in programs older than the check.
        static const uint8_t zero[4];
        if (s->family != LINUX_AF_INET || memcmp(addr->in.addr, zero, sizeof zero) != 0)
            return -LINUX_EAFNOSUPPORT;
        any.family = LINUX_AF_INET;
    }
    return host_socket_bind(inet_of(s)->host_fd, any.bytes, any.len);
}

// Waits until the host has decided about the connection.
static int await_connection(struct inet_sock *i, struct task *task, uint64_t deadline)
{
    struct task_waiter w;
    int err = 0;
    task_waiter_add(&w, task, &i->base.queue, 0);
    while (!(poller_host_ready(i->host_fd, LINUX_POLLOUT) &
             (LINUX_POLLOUT | LINUX_POLLERR | LINUX_POLLHUP))) {
        err = socket_wait(task, false, deadline);
        if (err)
            break;
    }
    task_waiter_remove(&w);
    // A limit that runs out here leaves the attempt going on.
    if (err)
        return err == -LINUX_EAGAIN ? -LINUX_EINPROGRESS : err;
    return host_socket_error(i->host_fd);
}

static int inet_connect(struct socket *s, struct task *task, const struct sock_addr *addr,
                        bool nonblock)
{
    struct inet_sock *i = inet_of(s);
    int err = check_address(s, addr);
    if (err)
        return err;
    uint64_t deadline = socket_deadline(s, true);
    atomic_store_explicit(&s->no_room, true, memory_order_relaxed); // until it is connected
    err = host_socket_connect(i->host_fd, addr->bytes, addr->len);
    // EALREADY: an attempt that a signal interrupted goes on.
    if ((err == -LINUX_EINPROGRESS || err == -LINUX_EALREADY) && !nonblock) {
        err = await_connection(i, task, deadline);
        // The host tells of the success once more; after that it says EISCONN, as it should.
        if (!err) {
            int again = host_socket_connect(i->host_fd, addr->bytes, addr->len);
            (void)again;
        }
    }
    return err;
}

static int inet_listen(struct socket *s, struct task *task, int backlog)
{
    (void)task;
    if (s->type != LINUX_SOCK_STREAM)
        return -LINUX_EOPNOTSUPP;
    int err = host_socket_listen(inet_of(s)->host_fd, backlog);
    if (!err) {
        lock_acquire(&s->lock);
        s->listening = true;
        lock_release(&s->lock);
    }
    return err;
}

static int inet_accept(struct socket *s, struct task *task, bool nonblock, struct socket **out)
{
    struct inet_sock *i = inet_of(s);
    if (s->type != LINUX_SOCK_STREAM)
        return -LINUX_EOPNOTSUPP;
    // Had before the connection, which would be lost.
    struct inet_sock *made = inet_alloc(s->kernel, s->family, s->type, s->protocol);
    if (!made)
        return -LINUX_ENOMEM;
    uint64_t deadline = socket_deadline(s, false);
    int fd = host_socket_accept(i->host_fd);
    if (fd == -LINUX_EAGAIN && !nonblock) {
        struct task_waiter w;
        task_waiter_add(&w, task, &s->queue, LINUX_POLLIN);
        while ((fd = host_socket_accept(i->host_fd)) == -LINUX_EAGAIN) {
            fd = socket_wait(task, false, deadline);
            if (fd)
                break;
        }
        task_waiter_remove(&w);
    }
    if (fd < 0) {
        inet_free(made);
        return fd;
    }
    return inet_attach(made, fd, out);
}

static int inet_getname(struct socket *s, bool peer, struct sock_addr *out)
{
    out->len = sizeof out->bytes;
    return host_socket_name(inet_of(s)->host_fd, peer, out->bytes, &out->len);
}

static int inet_shutdown(struct socket *s, int how)
{
    struct inet_sock *i = inet_of(s);
    int err = host_socket_shutdown(i->host_fd, how);
    if (!err) // SHUT_RD, SHUT_WR, SHUT_RDWR: 0, 1, 2
        atomic_fetch_or_explicit(&i->shut, (uint8_t)(how + 1), memory_order_relaxed);
    wait_queue_wake(&s->queue, 0, false);
    return err;
}

// --- Data ----------------------------------------------------------------------------------------

// One attempt, and more while the host would wait.
static ssize_t send_one(struct inet_sock *i, struct message *m, const struct host_message *h)
{
    ssize_t n = host_socket_send(i->host_fd, h, m->flags);
    if (n == -LINUX_EAGAIN)
        atomic_store_explicit(&i->base.no_room, true, memory_order_relaxed);
    if (n != -LINUX_EAGAIN || m->nonblock || !m->task)
        return n;
    struct task_waiter w;
    task_waiter_add(&w, m->task, &i->base.queue, LINUX_POLLOUT);
    while ((n = host_socket_send(i->host_fd, h, m->flags)) == -LINUX_EAGAIN) {
        n = socket_wait(m->task, false, m->deadline);
        if (n)
            break;
    }
    task_waiter_remove(&w);
    return n;
}

static ssize_t send_all(struct inet_sock *i, struct message *m, void *buf, size_t room)
{
    struct host_message h = {.data = buf,
                             .addr = m->addr.bytes,
                             .addr_len = m->addr.len,
                             .control = m->control,
                             .control_len = m->control_len};
    size_t done = 0;
    do {
        h.len = m->it->left < room ? m->it->left : room;
        int err = iter_get(m->it, buf, h.len);
        ssize_t n = 0;
        for (size_t at = 0; !err && (at < h.len || h.len == 0); at += (size_t)n) {
            struct host_message part = h;
            part.data = (char *)buf + at;
            part.len = h.len - at;
            n = send_one(i, m, &part);
            if (n < 0) {
                err = (int)n;
                break;
            }
            done += (size_t)n;
            if (h.len == 0)
                break;
        }
        if (err)
            return done ? (ssize_t)done : err;
    } while (m->it->left > 0);
    return (ssize_t)done;
}

static ssize_t inet_send(struct socket *s, struct message *m)
{
    // A datagram goes out in one piece; a stream in pieces that fit the buffer.
    size_t room = m->it->left;
    enum { DATAGRAM_MAX = 1 << 17 };
    if (s->type == LINUX_SOCK_STREAM && room > CHUNK)
        room = CHUNK;
    if (room > DATAGRAM_MAX)
        return -LINUX_EMSGSIZE;
    void *buf = malloc(room ? room : 1);
    if (!buf)
        return -LINUX_ENOBUFS;
    ssize_t n = send_all(inet_of(s), m, buf, room);
    free(buf);
    if (n == -LINUX_EPIPE && s->type == LINUX_SOCK_STREAM)
        return file_broken_pipe(m->flags & LINUX_MSG_NOSIGNAL ? NULL : m->task);
    return n;
}

static ssize_t receive_one(struct inet_sock *i, struct message *m, struct host_message *h)
{
    const struct host_message fresh = *h;
    ssize_t n = host_socket_receive(i->host_fd, h, m->flags);
    if (n != -LINUX_EAGAIN || m->nonblock || !m->task || m->flags & LINUX_MSG_ERRQUEUE)
        return n;
    struct task_waiter w;
    bool stream = i->base.type == LINUX_SOCK_STREAM;
    task_waiter_add(&w, m->task, &i->base.queue, LINUX_POLLIN | LINUX_POLLPRI | LINUX_POLLRDHUP);
    atomic_fetch_add_explicit(&i->base.data_waiters, stream, memory_order_relaxed);
    for (;;) {
        *h = fresh;
        n = host_socket_receive(i->host_fd, h, m->flags);
        if (n != -LINUX_EAGAIN)
            break;
        n = socket_wait(m->task, false, m->deadline);
        if (n)
            break;
    }
    atomic_fetch_sub_explicit(&i->base.data_waiters, stream, memory_order_relaxed);
    task_waiter_remove(&w);
    return n;
}

// Whether memory is there for what comes. Bytes of a stream that found none stay where they are.
static bool can_store(struct iter *it, size_t n)
{
    void *host;
    size_t first = it->ops->pin(it, n, true, &host);
    if (first)
        it->ops->unpin(it, 0);
    return first && !user_iter_check(it, n, true);
}

// MSG_WAITALL is ours to fulfil, piece by piece.
static ssize_t receive_stream(struct inet_sock *i, struct message *m, struct host_message *h)
{
    bool all = m->flags & LINUX_MSG_WAITALL && !(m->flags & LINUX_MSG_PEEK);
    size_t room = h->len, done = 0;
    ssize_t n;
    do {
        h->len = m->it->left < room ? m->it->left : room;
        if (h->len && !(m->flags & LINUX_MSG_TRUNC) && !can_store(m->it, h->len))
            m->flags |= LINUX_MSG_PEEK;
        n = receive_one(i, m, h);
        if (n <= 0)
            break;
        int err = m->flags & LINUX_MSG_TRUNC ? 0 : iter_put(m->it, h->data, (size_t)n);
        if (err)
            n = err;
        else
            done += (size_t)n;
    } while (n > 0 && all && m->it->left > 0);
    return done ? (ssize_t)done : n;
}

static ssize_t receive_datagram(struct inet_sock *i, struct message *m, struct host_message *h)
{
    size_t room = h->len;
    ssize_t n = receive_one(i, m, h);
    if (n < 0)
        return n;
    size_t got = (size_t)n < room ? (size_t)n : room;
    int err = iter_put(m->it, h->data, got);
    return err ? err : n;
}

static ssize_t inet_recv(struct socket *s, struct message *m)
{
    size_t room = m->it->left < CHUNK ? m->it->left : (size_t)CHUNK;
    void *buf = malloc(room ? room : 1);
    uint8_t control[CONTROL_ROOM];
    if (!buf)
        return -LINUX_ENOMEM;
    struct host_message h = {.data = buf,
                             .len = room,
                             .addr = m->addr.bytes,
                             .addr_len = sizeof m->addr.bytes,
                             .control = control,
                             .control_len = sizeof control};
    ssize_t n = s->type == LINUX_SOCK_STREAM ? receive_stream(inet_of(s), m, &h)
                                             : receive_datagram(inet_of(s), m, &h);
    free(buf);
    if (n < 0)
        return n;
    m->addr.len = h.addr_len;
    m->out_flags = h.flags;
    if (h.control_len > 0) {
        m->control = malloc(h.control_len);
        m->control_len = m->control ? h.control_len : 0;
        if (m->control)
            memcpy(m->control, control, h.control_len);
        else // the data has come and cannot be put back
            m->out_flags |= LINUX_MSG_CTRUNC;
    }
    return n;
}

// --- Readiness and options -----------------------------------------------------------------------

static uint32_t inet_poll(struct socket *s, struct file *file, struct poll_table *table)
{
    (void)file, (void)table;
    return poller_host_ready(inet_of(s)->host_fd, ALL_EVENTS);
}

static int64_t inet_ioctl(struct socket *s, struct task *task, uint32_t cmd, uint64_t arg)
{
    int fd = inet_of(s)->host_fd, n = 0, err;
    switch (cmd) {
    case LINUX_SIOCINQ:
        err = host_socket_readable_bytes(fd, &n);
        break;
    case LINUX_SIOCOUTQ:
        err = host_socket_unsent_bytes(fd, &n);
        break;
    case LINUX_SIOCATMARK:
        err = host_socket_at_mark(fd, &n);
        break;
    default:
        return -LINUX_ENOTTY;
    }
    return err ? err : user_put(task, arg, &n);
}

// The part of Linux's struct tcp_info that this looks at.
struct tcp_info_start {
    uint8_t state, unused[7];
    uint32_t timeouts[2], sizes[2];
    uint32_t unacked, sacked; // of one that listens: connections that wait, and how many may
};

static bool read_tcp_info(struct inet_sock *i, struct tcp_info_start *out)
{
    enum { OPTION_TCP_INFO = 11 };
    uint8_t bytes[256];
    uint32_t len = sizeof bytes;
    if (i->base.type != LINUX_SOCK_STREAM ||
        host_socket_get_option(i->host_fd, LINUX_SOL_TCP, OPTION_TCP_INFO, bytes, &len) ||
        len < sizeof *out || !bytes[0])
        return false;
    memcpy(out, bytes, sizeof *out);
    return true;
}

static void inet_view(struct socket *s, struct socket_view *out)
{
    struct inet_sock *i = inet_of(s);
    struct tcp_info_start info = {.state = 0};
    struct sock_addr peer;
    int waiting = 0, unsent = 0;
    bool has_info = read_tcp_info(i, &info);
    lock_acquire(&s->lock);
    bool listening = s->listening;
    lock_release(&s->lock);
    *out = (struct socket_view){
        .state = listening                                   ? LINUX_TCP_LISTEN
                 : has_info                                  ? info.state
                 : !inet_getname(s, true, &peer) && peer.len ? LINUX_TCP_ESTABLISHED
                                                             : LINUX_TCP_CLOSE,
        .shut = atomic_load_explicit(&i->shut, memory_order_relaxed),
    };
    if (listening) {
        out->receive_queue = info.unacked;
        out->send_queue = info.sacked;
        return;
    }
    // The peer's end of the data does what shutting down does.
    if (s->type == LINUX_SOCK_STREAM &&
        (out->state == LINUX_TCP_CLOSE_WAIT || out->state == LINUX_TCP_LAST_ACK ||
         out->state == LINUX_TCP_CLOSING || out->state == LINUX_TCP_TIME_WAIT))
        out->shut |= 1;
    if (!host_socket_readable_bytes(i->host_fd, &waiting) && waiting > 0)
        out->receive_queue = (uint32_t)waiting;
    if (!host_socket_unsent_bytes(i->host_fd, &unsent) && unsent > 0)
        out->send_queue = (uint32_t)unsent;
}

static int inet_set_option(struct socket *s, int level, int name, const void *value, uint32_t len)
{
    return host_socket_set_option(inet_of(s)->host_fd, level, name, value, len);
}

static int inet_get_option(struct socket *s, int level, int name, void *value, uint32_t *len)
{
    static const int levels[] = {LINUX_SOL_SOCKET, LINUX_SOL_IP,  LINUX_SOL_IPV6,  LINUX_SOL_TCP,
                                 LINUX_SOL_UDP,    LINUX_SOL_RAW, LINUX_SOL_ICMPV6};
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        known |= level == levels[i];
    if (!known)
        return -LINUX_EOPNOTSUPP;
    return host_socket_get_option(inet_of(s)->host_fd, level, name, value, len);
}

static int fetch_error(struct socket *s)
{
    int err = host_socket_error(inet_of(s)->host_fd);
    if (err) {
        lock_acquire(&s->lock);
        s->error = -err;
        lock_release(&s->lock);
    }
    return 0;
}

static int set_host_number(struct socket *s, int name, int32_t value)
{
    return host_socket_set_option(inet_of(s)->host_fd, LINUX_SOL_SOCKET, name, &value,
                                  sizeof value);
}

static int inet_option_changed(struct socket *s, int name)
{
    switch (name) {
    case LINUX_SO_ERROR:
        return fetch_error(s);
    case LINUX_SO_REUSEADDR:
        return set_host_number(s, name, s->reuse_addr);
    case LINUX_SO_REUSEPORT:
        return set_host_number(s, name, s->reuse_port);
    case LINUX_SO_KEEPALIVE:
        return set_host_number(s, name, s->keepalive);
    case LINUX_SO_BROADCAST:
        return set_host_number(s, name, s->broadcast);
    case LINUX_SO_OOBINLINE:
        return set_host_number(s, name, s->oob_inline);
    case LINUX_SO_DONTROUTE:
        return set_host_number(s, name, s->dont_route);
    case LINUX_SO_SNDBUF:
    case LINUX_SO_SNDBUFFORCE:
        return set_host_number(s, LINUX_SO_SNDBUF, s->sndbuf / 2);
    case LINUX_SO_RCVBUF:
    case LINUX_SO_RCVBUFFORCE:
        return set_host_number(s, LINUX_SO_RCVBUF, s->rcvbuf / 2);
    case LINUX_SO_RCVLOWAT:
        return set_host_number(s, name, s->receive_low);
    case LINUX_SO_LINGER:
        return host_socket_set_option(inet_of(s)->host_fd, LINUX_SOL_SOCKET, name, &s->linger,
                                      sizeof s->linger);
    case LINUX_SO_TIMESTAMP:
        return set_host_number(s, name, s->timestamp);
    case LINUX_SO_TIMESTAMPNS:
        return set_host_number(s, name, s->timestamp_ns);
    default:
        return 0;
    }
}

static const struct socket_ops inet_ops = {
    .bind = inet_bind,
    .connect = inet_connect,
    .listen = inet_listen,
    .accept = inet_accept,
    .getname = inet_getname,
    .send = inet_send,
    .recv = inet_recv,
    .shutdown = inet_shutdown,
    .poll = inet_poll,
    .ioctl = inet_ioctl,
    .set_option = inet_set_option,
    .get_option = inet_get_option,
    .view = inet_view,
    .option_changed = inet_option_changed,
    .close = inet_close,
};
