// AF_NETLINK sockets: each request is answered at once, into the inbox of the socket that asked.
// Nothing is ever announced: groups can be joined and stay silent.
#include "kernel/net/netlink.h"
#include "fs/iter.h"
#include "kernel/kernel.h"
#include "kernel/net/net.h"
#include "kernel/net/socket.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include <stdlib.h>
#include <string.h>

enum {
    DATAGRAM_ROOM = 3776, // what Linux fits into the buffer of one part of a dump
    READABLE = LINUX_POLLIN | LINUX_POLLRDNORM,
};

struct netlink_sock {
    struct socket base;
    // Guarded by net->lock.
    struct list node; // in net->netlinks, when it has a port
    uint32_t port;    // 0: none yet
    // Guarded by base.lock.
    uint32_t groups;
    uint32_t dst_port, dst_groups; // of connect()
    struct list inbox;             // struct netlink_datagram
    bool strict, capped, ext_ack, pktinfo, no_enobufs, broadcast_error;
};

static const struct socket_ops netlink_ops;

static struct netlink_sock *netlink_of(struct socket *s)
{
    return CONTAINER_OF(s, struct netlink_sock, base);
}

int netlink_socket_create(struct kernel *kernel, int32_t type, int32_t protocol,
                          struct socket **out)
{
    if (type != LINUX_SOCK_RAW && type != LINUX_SOCK_DGRAM)
        return -LINUX_ESOCKTNOSUPPORT;
    if (protocol != LINUX_NETLINK_ROUTE && protocol != LINUX_NETLINK_SOCK_DIAG &&
        protocol != LINUX_NETLINK_KOBJECT_UEVENT)
        return -LINUX_EPROTONOSUPPORT;
    struct netlink_sock *n = calloc(1, sizeof *n);
    if (!n)
        return -LINUX_ENOMEM;
    socket_init(&n->base, &netlink_ops, kernel, LINUX_AF_NETLINK, type, protocol);
    list_init(&n->node);
    list_init(&n->inbox);
    *out = &n->base;
    return 0;
}

static void free_datagrams(struct list *list)
{
    while (!list_empty(list)) {
        struct netlink_datagram *d = list_first(list, struct netlink_datagram, node);
        list_remove(&d->node);
        free(d);
    }
}

static void netlink_close(struct socket *s)
{
    struct netlink_sock *n = netlink_of(s);
    lock_acquire(&s->kernel->net->lock);
    if (n->port)
        list_remove(&n->node);
    lock_release(&s->kernel->net->lock);
    free_datagrams(&n->inbox);
    socket_done(s);
    free(n);
}

// --- Building answers ----------------------------------------------------------------------------

// Room for `n` more bytes at the end of the open message. NULL: no memory.
static void *answer_room(struct netlink_answer *a, size_t n)
{
    struct netlink_datagram *d = a->open;
    if (a->failed)
        return NULL;
    size_t need = d->len + n;
    if (need > d->room) {
        size_t room = need > DATAGRAM_ROOM ? need * 2 : DATAGRAM_ROOM;
        list_remove(&d->node);
        struct netlink_datagram *more = realloc(d, sizeof *d + room);
        if (!more) {
            free(d);
            a->failed = true;
            return NULL;
        }
        d = a->open = more;
        d->room = (uint32_t)room;
        list_add_tail(&a->datagrams, &d->node);
    }
    void *at = d->data + d->len;
    memset(at, 0, n);
    d->len = (uint32_t)need;
    return at;
}

static void open_datagram(struct netlink_answer *a)
{
    struct netlink_datagram *d = calloc(1, sizeof *d);
    a->failed |= !d;
    if (!d)
        return;
    list_add_tail(&a->datagrams, &d->node);
    a->open = d;
}

static size_t align4(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

static void put_padded(struct netlink_answer *a, const void *value, size_t n)
{
    void *at = answer_room(a, align4(n));
    if (at && n)
        memcpy(at, value, n);
}

void netlink_message_begin(struct netlink_answer *a, uint16_t type, const void *fixed, size_t n)
{
    const struct linux_nlmsghdr h = {.type = type,
                                     .flags = a->multi ? LINUX_NLM_F_MULTI : 0,
                                     .seq = a->request->seq,
                                     .pid = a->port};
    if (!a->open)
        open_datagram(a);
    if (a->failed)
        return;
    a->message_at = a->open->len;
    put_padded(a, &h, sizeof h);
    put_padded(a, fixed, n);
}

void netlink_attr(struct netlink_answer *a, uint16_t type, const void *value, size_t n)
{
    const struct linux_nlattr attr = {(uint16_t)(sizeof attr + n), type};
    put_padded(a, &attr, sizeof attr);
    put_padded(a, value, n);
}

void netlink_attr_u32(struct netlink_answer *a, uint16_t type, uint32_t value)
{
    netlink_attr(a, type, &value, sizeof value);
}

void netlink_attr_text(struct netlink_answer *a, uint16_t type, const char *text)
{
    netlink_attr(a, type, text, strlen(text) + 1);
}

// A message that made its datagram too long starts the next one.
static void move_to_next(struct netlink_answer *a)
{
    struct netlink_datagram *full = a->open;
    uint32_t at = a->message_at, n = full->len - at;
    open_datagram(a);
    void *to = a->failed ? NULL : answer_room(a, n);
    if (to)
        memcpy(to, full->data + at, n);
    full->len = at;
    a->message_at = 0;
}

void netlink_message_end(struct netlink_answer *a)
{
    if (!a->failed && a->open->len > DATAGRAM_ROOM && a->message_at > 0)
        move_to_next(a);
    if (a->failed)
        return;
    uint32_t len = a->open->len - a->message_at;
    memcpy(a->open->data + a->message_at, &len, sizeof len);
}

const void *netlink_request_attr(const struct linux_nlmsghdr *request, size_t fixed, uint16_t type,
                                 size_t *n)
{
    const uint8_t *bytes = (const uint8_t *)request;
    struct linux_nlattr attr;
    for (size_t at = sizeof *request + align4(fixed); at + sizeof attr <= request->len;
         at += align4(attr.len)) {
        memcpy(&attr, bytes + at, sizeof attr);
        if (attr.len < sizeof attr || attr.len > request->len - at)
            break;
        *n = attr.len - sizeof attr;
        if (attr.type == type)
            return bytes + at + sizeof attr;
    }
    return NULL;
}

// --- Addresses -----------------------------------------------------------------------------------

static bool port_is_taken(struct net *net, const struct netlink_sock *by, uint32_t port)
    REQUIRES(net->lock)
{
    struct netlink_sock *n;
    list_for_each (n, &net->netlinks, node)
        if (n->base.protocol == by->base.protocol && n->port == port)
            return true;
    return false;
}

// Gives a socket without a port `port`, or, with 0, the number of its process and, when that is
// taken, one from the top. Returns the port it has then; 0: taken. *had: it had one before.
static uint32_t take_port(struct netlink_sock *n, struct task *task, uint32_t port, bool *had)
{
    struct net *net = n->base.kernel->net;
    enum { PORTS_DOWN_FROM = 4096 };
    lock_acquire(&net->lock);
    *had = n->port != 0;
    if (!*had) {
        bool given = port != 0;
        uint32_t next = UINT32_MAX - PORTS_DOWN_FROM;
        if (!given && task)
            port = (uint32_t)task->tgid;
        while (!given && (!port || port_is_taken(net, n, port)))
            port = next--;
        if (!port_is_taken(net, n, port)) {
            n->port = port;
            list_add_tail(&net->netlinks, &n->node);
        }
    }
    port = n->port;
    lock_release(&net->lock);
    return port;
}

static int check_address(const struct sock_addr *addr, struct linux_sockaddr_nl *out)
{
    if (addr->len < sizeof *out)
        return -LINUX_EINVAL;
    memcpy(out, addr->bytes, sizeof *out);
    return out->family == LINUX_AF_NETLINK ? 0 : -LINUX_EINVAL;
}

static int netlink_bind(struct socket *s, struct task *task, const struct sock_addr *addr)
{
    struct netlink_sock *n = netlink_of(s);
    struct linux_sockaddr_nl nl;
    int err = check_address(addr, &nl);
    if (err)
        return err;
    bool had;
    uint32_t port = take_port(n, task, nl.pid, &had);
    if (!port)
        return -LINUX_EADDRINUSE;
    if (had && port != nl.pid)
        return -LINUX_EINVAL;
    lock_acquire(&s->lock);
    n->groups = nl.groups;
    lock_release(&s->lock);
    return 0;
}

// Only the kernel is there to talk to.
static int check_destination(struct task *task, const struct linux_sockaddr_nl *to)
{
    if (!to->pid && !to->groups)
        return 0;
    return !task || task_capable(task, LINUX_CAP_NET_ADMIN) ? -LINUX_ECONNREFUSED : -LINUX_EPERM;
}

static int netlink_connect(struct socket *s, struct task *task, const struct sock_addr *addr,
                           bool nonblock)
{
    (void)nonblock;
    struct netlink_sock *n = netlink_of(s);
    struct linux_sockaddr_nl nl = {.pid = 0};
    if (addr->len < sizeof addr->family)
        return -LINUX_EINVAL;
    int err = addr->family == LINUX_AF_UNSPEC ? 0 : check_address(addr, &nl);
    if (!err && (nl.pid || nl.groups) && !task_capable(task, LINUX_CAP_NET_ADMIN))
        err = -LINUX_EPERM;
    if (err)
        return err;
    bool had;
    if (addr->family != LINUX_AF_UNSPEC)
        take_port(n, task, 0, &had);
    lock_acquire(&s->lock);
    n->dst_port = nl.pid;
    n->dst_groups = nl.groups;
    lock_release(&s->lock);
    return 0;
}

static void name_of(struct sock_addr *out, uint32_t port, uint32_t groups)
{
    const struct linux_sockaddr_nl nl = {.family = LINUX_AF_NETLINK, .pid = port, .groups = groups};
    memcpy(out->bytes, &nl, sizeof nl);
    out->len = sizeof nl;
}

static int netlink_getname(struct socket *s, bool peer, struct sock_addr *out)
{
    struct netlink_sock *n = netlink_of(s);
    lock_acquire(&s->lock);
    uint32_t port = n->dst_port, groups = peer ? n->dst_groups : n->groups;
    lock_release(&s->lock);
    lock_acquire(&s->kernel->net->lock);
    if (!peer)
        port = n->port;
    lock_release(&s->kernel->net->lock);
    name_of(out, port, groups);
    return 0;
}

// --- Requests ------------------------------------------------------------------------------------

static void put_status(struct netlink_answer *a, int err, bool capped)
{
    const struct linux_nlmsghdr *request = a->request;
    bool whole = err && !capped;
    struct {
        int32_t error;
        struct linux_nlmsghdr request;
    } status = {err, *request};
    netlink_message_begin(a, LINUX_NLMSG_ERROR, &status, sizeof status);
    if (whole)
        put_padded(a, request + 1, request->len - sizeof *request);
    if (!a->failed) {
        uint16_t flags = whole ? 0 : LINUX_NLM_F_CAPPED;
        memcpy(a->open->data + a->message_at + offsetof(struct linux_nlmsghdr, flags), &flags,
               sizeof flags);
    }
    netlink_message_end(a);
}

static int answer_request(struct netlink_sock *n, const struct linux_nlmsghdr *request, bool strict,
                          struct netlink_answer *a)
{
    switch (n->base.protocol) {
    case LINUX_NETLINK_ROUTE:
        return netlink_route_answer(request, strict, a);
    case LINUX_NETLINK_SOCK_DIAG:
        return netlink_diag_answer(n->base.kernel, request, a);
    default:
        return -LINUX_EOPNOTSUPP;
    }
}

static int answer_one(struct netlink_sock *n, const struct linux_nlmsghdr *request, bool strict,
                      bool capped, struct netlink_answer *a)
{
    const uint16_t dump = LINUX_NLM_F_ROOT | LINUX_NLM_F_MATCH;
    a->request = request;
    a->open = NULL;
    a->ended = 0;
    a->multi = (request->flags & dump) == dump;
    int err = answer_request(n, request, strict, a);
    if (a->multi && !err) {
        a->open = NULL; // the end comes by itself
        netlink_message_begin(a, LINUX_NLMSG_DONE, &a->ended, sizeof a->ended);
        netlink_message_end(a);
    } else if (err || request->flags & LINUX_NLM_F_ACK) {
        a->open = NULL;
        a->multi = false;
        put_status(a, err, capped);
    }
    return a->failed ? -LINUX_ENOBUFS : 0;
}

// What asks nothing is well received.
static int acknowledge(const struct linux_nlmsghdr *request, bool capped, struct netlink_answer *a)
{
    a->request = request;
    a->open = NULL;
    a->multi = false;
    put_status(a, 0, capped);
    return a->failed ? -LINUX_ENOBUFS : 0;
}

// Every message of a datagram.
static int answer_all(struct netlink_sock *n, const uint8_t *data, size_t len,
                      struct netlink_answer *a)
{
    lock_acquire(&n->base.lock);
    bool strict = n->strict, capped = n->capped;
    lock_release(&n->base.lock);
    int err = 0;
    for (size_t at = 0; !err && len - at >= sizeof(struct linux_nlmsghdr);) {
        const struct linux_nlmsghdr *request = (const void *)(data + at);
        if (request->len < sizeof *request || request->len > len - at)
            break;
        if (request->flags & LINUX_NLM_F_REQUEST && request->type >= LINUX_NLMSG_MIN)
            err = answer_one(n, request, strict, capped, a);
        else if (request->flags & LINUX_NLM_F_ACK)
            err = acknowledge(request, capped, a);
        size_t step = align4(request->len);
        at = step < len - at ? at + step : len;
    }
    return err;
}

static int check_send(struct netlink_sock *n, struct message *m)
{
    struct linux_sockaddr_nl to = {.pid = 0};
    if (m->flags & LINUX_MSG_OOB)
        return -LINUX_EOPNOTSUPP;
    if (!m->it->left)
        return -LINUX_ENODATA;
    int err = m->addr.len ? check_address(&m->addr, &to) : 0;
    if (err)
        return err;
    lock_acquire(&n->base.lock);
    if (!m->addr.len) {
        to.pid = n->dst_port;
        to.groups = n->dst_groups;
    }
    bool too_long = m->it->left > (size_t)n->base.sndbuf - 32;
    lock_release(&n->base.lock);
    err = check_destination(m->task, &to);
    if (!err && n->base.protocol == LINUX_NETLINK_KOBJECT_UEVENT)
        err = -LINUX_ECONNREFUSED; // the kernel does not listen there
    return !err && too_long ? -LINUX_EMSGSIZE : err;
}

static ssize_t netlink_send(struct socket *s, struct message *m)
{
    struct netlink_sock *n = netlink_of(s);
    int err = check_send(n, m);
    if (err)
        return err;
    size_t len = m->it->left;
    uint8_t *data = malloc(len + 1); // aligned for the first message; align4 keeps the others so
    if (!data)
        return -LINUX_ENOBUFS;
    bool had;
    struct netlink_answer a = {.port = take_port(n, m->task, 0, &had)};
    list_init(&a.datagrams);
    err = iter_get(m->it, data, len);
    if (!err)
        err = answer_all(n, data, len, &a);
    free(data);
    if (err) {
        free_datagrams(&a.datagrams);
        return err;
    }
    lock_acquire(&s->lock);
    list_splice_tail(&n->inbox, &a.datagrams);
    lock_release(&s->lock);
    wait_queue_wake(&s->queue, READABLE, true);
    socket_tell_data(s, LINUX_POLL_IN);
    return (ssize_t)len;
}

void netlink_post(struct file *file, const void *data, uint32_t len)
{
    struct socket *s = socket_of(file);
    struct netlink_datagram *d = malloc(sizeof *d + len);
    if (!d)
        return;
    d->len = d->room = len;
    memcpy(d->data, data, len);
    lock_acquire(&s->lock);
    list_add_tail(&netlink_of(s)->inbox, &d->node);
    lock_release(&s->lock);
    wait_queue_wake(&s->queue, READABLE, true);
    socket_tell_data(s, LINUX_POLL_IN);
}

// --- Receiving -----------------------------------------------------------------------------------

// The next datagram: taken off the inbox, or copied when only looked at.
static int next_datagram(struct netlink_sock *n, bool peek, struct netlink_datagram **out)
{
    int err = -LINUX_EAGAIN;
    lock_acquire(&n->base.lock);
    if (!list_empty(&n->inbox)) {
        struct netlink_datagram *d = list_first(&n->inbox, struct netlink_datagram, node);
        size_t size = sizeof *d + d->len;
        *out = peek ? malloc(size) : d;
        err = *out ? 0 : -LINUX_ENOBUFS;
        if (!peek)
            list_remove(&d->node);
        else if (!err)
            memcpy(*out, d, size);
    }
    lock_release(&n->base.lock);
    return err;
}

static int await_datagram(struct netlink_sock *n, const struct message *m,
                          struct netlink_datagram **out)
{
    bool peek = m->flags & LINUX_MSG_PEEK;
    int err = next_datagram(n, peek, out);
    if (err != -LINUX_EAGAIN || m->nonblock || !m->task)
        return err;
    struct task_waiter w;
    task_waiter_add(&w, m->task, &n->base.queue, READABLE);
    while ((err = next_datagram(n, peek, out)) == -LINUX_EAGAIN) {
        err = socket_wait(m->task, false, m->deadline);
        if (err)
            break;
    }
    task_waiter_remove(&w);
    return err;
}

static ssize_t netlink_recv(struct socket *s, struct message *m)
{
    struct netlink_datagram *d;
    if (m->flags & LINUX_MSG_OOB)
        return -LINUX_EOPNOTSUPP;
    int err = await_datagram(netlink_of(s), m, &d);
    if (err)
        return err;
    size_t len = d->len < m->it->left ? d->len : m->it->left;
    if (len < d->len)
        m->out_flags |= LINUX_MSG_TRUNC;
    ssize_t result = m->flags & LINUX_MSG_TRUNC ? (ssize_t)d->len : (ssize_t)len;
    err = iter_put(m->it, d->data, len);
    free(d);
    name_of(&m->addr, 0, 0); // from the kernel
    m->has_creds = true;
    m->creds = (struct linux_ucred){0, 0, 0};
    return err ? err : result;
}

static uint32_t netlink_poll(struct socket *s, struct file *file, struct poll_table *table)
{
    (void)file, (void)table;
    lock_acquire(&s->lock);
    bool readable = !list_empty(&netlink_of(s)->inbox);
    lock_release(&s->lock);
    const uint32_t writable = LINUX_POLLOUT | LINUX_POLLWRNORM | LINUX_POLLWRBAND;
    return readable ? writable | READABLE : writable;
}

// --- Options -------------------------------------------------------------------------------------

static bool *flag_of(struct netlink_sock *n, int name)
{
    switch (name) {
    case LINUX_NETLINK_PKTINFO:
        return &n->pktinfo;
    case LINUX_NETLINK_BROADCAST_ERROR:
        return &n->broadcast_error;
    case LINUX_NETLINK_NO_ENOBUFS:
        return &n->no_enobufs;
    case LINUX_NETLINK_CAP_ACK:
        return &n->capped;
    case LINUX_NETLINK_EXT_ACK:
        return &n->ext_ack;
    case LINUX_NETLINK_GET_STRICT_CHK:
        return &n->strict;
    default:
        return NULL;
    }
}

static int netlink_set_option(struct socket *s, int level, int name, const void *value,
                              uint32_t len)
{
    enum { GROUPS = 32 };
    struct netlink_sock *n = netlink_of(s);
    uint32_t number = 0;
    if (level != LINUX_SOL_NETLINK)
        return -LINUX_ENOPROTOOPT;
    if (len >= sizeof number)
        memcpy(&number, value, sizeof number);
    bool join = name == LINUX_NETLINK_ADD_MEMBERSHIP;
    int err = 0;
    lock_acquire(&s->lock);
    bool *flag = flag_of(n, name);
    if (flag) {
        *flag = number != 0;
    } else if (!join && name != LINUX_NETLINK_DROP_MEMBERSHIP) {
        err = -LINUX_ENOPROTOOPT;
    } else if (!number || number > GROUPS) {
        err = -LINUX_EINVAL;
    } else {
        uint32_t bit = UINT32_C(1) << (number - 1);
        n->groups = join ? n->groups | bit : n->groups & ~bit;
    }
    lock_release(&s->lock);
    return err;
}

static int netlink_get_option(struct socket *s, int level, int name, void *value, uint32_t *len)
{
    if (level != LINUX_SOL_NETLINK)
        return -LINUX_ENOPROTOOPT;
    lock_acquire(&s->lock);
    const bool *flag = flag_of(netlink_of(s), name);
    int32_t number = flag && *flag;
    lock_release(&s->lock);
    if (!flag)
        return -LINUX_ENOPROTOOPT;
    if (*len < sizeof number)
        return -LINUX_EINVAL;
    memcpy(value, &number, sizeof number);
    *len = sizeof number;
    return 0;
}

// --- What datagrams without connections do not have ----------------------------------------------

static int netlink_listen(struct socket *s, struct task *task, int backlog)
{
    (void)s, (void)task, (void)backlog;
    return -LINUX_EOPNOTSUPP;
}

static int netlink_accept(struct socket *s, struct task *task, bool nonblock, struct socket **out)
{
    (void)s, (void)task, (void)nonblock, (void)out;
    return -LINUX_EOPNOTSUPP;
}

static int netlink_shutdown(struct socket *s, int how)
{
    (void)s, (void)how;
    return -LINUX_EOPNOTSUPP;
}

static const struct socket_ops netlink_ops = {
    .bind = netlink_bind,
    .connect = netlink_connect,
    .listen = netlink_listen,
    .accept = netlink_accept,
    .getname = netlink_getname,
    .send = netlink_send,
    .recv = netlink_recv,
    .shutdown = netlink_shutdown,
    .poll = netlink_poll,
    .set_option = netlink_set_option,
    .get_option = netlink_get_option,
    .close = netlink_close,
};
