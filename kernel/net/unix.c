#include "kernel/net/unix.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/net/net.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/signal.h"
#include <stdlib.h>
#include <string.h>

static const struct linux_ucred no_creds = {0, UINT32_MAX, UINT32_MAX};

int unix_sock_create(struct kernel *kernel, int32_t type, struct unix_sock **out)
{
    struct unix_sock *u = calloc(1, sizeof *u);
    if (!u)
        return -LINUX_ENOMEM;
    socket_init(&u->base, type == LINUX_SOCK_STREAM ? &unix_stream_ops : &unix_dgram_ops, kernel,
                LINUX_AF_UNIX, type, 0);
    atomic_init(&u->refs, 1);
    gate_init(&u->io_gate);
    list_init(&u->inbox);
    list_init(&u->embryos);
    list_init(&u->embryo_link);
    u->peer_creds = no_creds;
    *out = u;
    return 0;
}

struct unix_sock *unix_get(struct unix_sock *u)
{
    atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    return u;
}

void unix_put(struct unix_sock *u)
{
    if (!u || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1)
        return;
    gate_destroy(&u->io_gate);
    socket_done(&u->base);
    free(u);
}

struct linux_ucred unix_creds_of(struct task *task)
{
    return (struct linux_ucred){task->tgid, task->cred->euid, task->cred->egid};
}

static int check_type(int32_t *type, int32_t protocol)
{
    if (protocol && protocol != LINUX_AF_UNIX)
        return -LINUX_EPROTONOSUPPORT;
    if (*type == LINUX_SOCK_RAW)
        *type = LINUX_SOCK_DGRAM;
    bool known =
        *type == LINUX_SOCK_STREAM || *type == LINUX_SOCK_DGRAM || *type == LINUX_SOCK_SEQPACKET;
    return known ? 0 : -LINUX_ESOCKTNOSUPPORT;
}

int unix_socket_create(struct kernel *kernel, int32_t type, int32_t protocol, struct socket **out)
{
    int err = check_type(&type, protocol);
    struct unix_sock *u;
    if (!err)
        err = unix_sock_create(kernel, type, &u);
    if (!err)
        *out = &u->base;
    return err;
}

int unix_socket_pair(struct task *task, int32_t type, int32_t protocol, struct socket *out[2])
{
    struct unix_sock *a, *b;
    int err = check_type(&type, protocol);
    if (!err)
        err = unix_sock_create(task->kernel, type, &a);
    if (err)
        return err;
    err = unix_sock_create(task->kernel, type, &b);
    if (err) {
        unix_put(a);
        return err;
    }
    // Nobody else knows them yet.
    a->peer = unix_get(b);
    b->peer = unix_get(a);
    a->connected = b->connected = true;
    a->peer_creds = b->peer_creds = unix_creds_of(task);
    out[0] = &a->base;
    out[1] = &b->base;
    return 0;
}

// --- Connecting ----------------------------------------------------------------------------------

static int check_connect(const struct unix_sock *u, const struct unix_sock *to)
{
    if (u->connected)
        return -LINUX_EISCONN;
    if (u->base.listening)
        return -LINUX_EINVAL;
    if (to->dead || !to->base.listening || to->shut_receive)
        return -LINUX_ECONNREFUSED;
    return to->pending > to->backlog ? -LINUX_EAGAIN : 0;
}

// Makes `embryo` the far end of `u`, to be accepted from `to`. All locks are held.
static void join(struct unix_sock *u, struct unix_sock *to, struct unix_sock *embryo,
                 struct task *task)
{
    embryo->peer = unix_get(u);
    embryo->connected = true;
    embryo->peer_creds = unix_creds_of(task);
    embryo->base.pass_cred = to->base.pass_cred;
    if (to->name) {
        atomic_fetch_add_explicit(&to->name->refs, 1, memory_order_relaxed);
        embryo->name = to->name;
    }
    if (to->bound.dentry) {
        embryo->bound = to->bound;
        path_get(&embryo->bound);
    }
    u->peer = unix_get(embryo);
    u->connected = true;
    u->peer_creds = to->peer_creds;
    list_add_tail(&to->embryos, &embryo->embryo_link);
    to->pending++;
}

static int try_connect(struct unix_sock *u, struct unix_sock *to, struct task *task)
{
    struct unix_sock *embryo;
    int err = unix_sock_create(u->base.kernel, u->base.type, &embryo);
    if (err)
        return err;
    lock_acquire_pair(&u->base.lock, &to->base.lock);
    err = check_connect(u, to);
    if (!err)
        join(u, to, embryo, task);
    lock_release_pair(&u->base.lock, &to->base.lock);
    if (err) {
        unix_put(embryo);
        return err;
    }
    wait_queue_wake(&to->base.queue, UNIX_READABLE, true);
    socket_tell_data(&to->base, LINUX_POLL_IN);
    wait_queue_wake(&u->base.queue, 0, false);
    return 0;
}

static int connect_stream(struct socket *s, struct task *task, const struct sock_addr *addr,
                          bool nonblock)
{
    struct unix_sock *u = unix_of(s), *to;
    if (s->pass_cred) {
        int err = unix_autobind(u);
        if (err)
            return err;
    }
    uint64_t deadline = socket_deadline(s, true);
    int err = unix_find(task, addr, s->type, &to);
    if (err)
        return err;
    err = try_connect(u, to, task);
    if (err == -LINUX_EAGAIN) {
        struct task_waiter w;
        task_waiter_add(&w, task, &to->base.queue, 0);
        while ((err = try_connect(u, to, task)) == -LINUX_EAGAIN) {
            err = socket_wait(task, nonblock, deadline);
            if (err)
                break;
        }
        task_waiter_remove(&w);
    }
    unix_put(to);
    return err;
}

static int connect_dgram(struct socket *s, struct task *task, const struct sock_addr *addr,
                         bool nonblock)
{
    struct unix_sock *u = unix_of(s), *to = NULL;
    (void)nonblock;
    if (addr->len < sizeof addr->family)
        return -LINUX_EINVAL;
    if (addr->family != LINUX_AF_UNSPEC) {
        int err = s->pass_cred ? unix_autobind(u) : 0;
        if (!err)
            err = unix_find(task, addr, s->type, &to);
        if (err)
            return err;
        lock_acquire(&to->base.lock);
        bool refused = to->peer && to->peer != u;
        lock_release(&to->base.lock);
        if (refused) {
            unix_put(to);
            return -LINUX_EPERM;
        }
    }
    lock_acquire(&s->lock);
    struct unix_sock *old = u->peer;
    u->peer = to;
    u->connected = to != NULL;
    lock_release(&s->lock);
    unix_put(old);
    return 0;
}

static int unix_listen(struct socket *s, struct task *task, int backlog)
{
    struct unix_sock *u = unix_of(s);
    lock_acquire(&s->lock);
    int err = u->name && !u->connected ? 0 : -LINUX_EINVAL;
    if (!err) {
        u->backlog = backlog;
        s->listening = true;
        u->peer_creds = unix_creds_of(task);
    }
    lock_release(&s->lock);
    if (!err)
        wait_queue_wake(&s->queue, 0, false);
    return err;
}

static int no_listen(struct socket *s, struct task *task, int backlog)
{
    (void)s, (void)task, (void)backlog;
    return -LINUX_EOPNOTSUPP;
}

// --- Accepting -----------------------------------------------------------------------------------

static int try_accept(struct unix_sock *u, struct unix_sock **out)
{
    lock_acquire(&u->base.lock);
    int err = 0;
    if (!u->base.listening || u->shut_receive) {
        err = -LINUX_EINVAL;
    } else if (list_empty(&u->embryos)) {
        err = -LINUX_EAGAIN;
    } else {
        *out = list_first(&u->embryos, struct unix_sock, embryo_link);
        list_remove(&(*out)->embryo_link);
        u->pending--;
    }
    lock_release(&u->base.lock);
    if (!err)
        wait_queue_wake(&u->base.queue, UNIX_WRITABLE, false); // those waiting to connect
    return err;
}

static int unix_accept(struct socket *s, struct task *task, bool nonblock, struct socket **out)
{
    struct unix_sock *u = unix_of(s), *embryo;
    uint64_t deadline = socket_deadline(s, false);
    int err = try_accept(u, &embryo);
    if (err == -LINUX_EAGAIN && !nonblock) {
        struct task_waiter w;
        task_waiter_add(&w, task, &s->queue, UNIX_READABLE);
        while ((err = try_accept(u, &embryo)) == -LINUX_EAGAIN) {
            err = socket_wait(task, nonblock, deadline);
            if (err)
                break;
        }
        task_waiter_remove(&w);
    }
    if (!err)
        *out = &embryo->base;
    return err;
}

static int no_accept(struct socket *s, struct task *task, bool nonblock, struct socket **out)
{
    (void)s, (void)task, (void)nonblock, (void)out;
    return -LINUX_EOPNOTSUPP;
}

// SOCK_SEQPACKET shares the datagram operations but connects like a stream.
static int connect_packet(struct socket *s, struct task *task, const struct sock_addr *addr,
                          bool nonblock)
{
    return s->type == LINUX_SOCK_SEQPACKET ? connect_stream(s, task, addr, nonblock)
                                           : connect_dgram(s, task, addr, nonblock);
}

static int listen_packet(struct socket *s, struct task *task, int backlog)
{
    return s->type == LINUX_SOCK_SEQPACKET ? unix_listen(s, task, backlog)
                                           : no_listen(s, task, backlog);
}

static int accept_packet(struct socket *s, struct task *task, bool nonblock, struct socket **out)
{
    return s->type == LINUX_SOCK_SEQPACKET ? unix_accept(s, task, nonblock, out)
                                           : no_accept(s, task, nonblock, out);
}

// --- Ending --------------------------------------------------------------------------------------

// The far end of a connection hears that this one will not send, or not receive, any more.
static void shut_peer(struct unix_sock *peer, bool receive, bool send, int error)
{
    lock_acquire(&peer->base.lock);
    peer->shut_receive |= receive;
    peer->shut_send |= send;
    if (error)
        peer->base.error = error;
    lock_release(&peer->base.lock);
    wait_queue_wake(&peer->base.queue, 0, false);
    if (receive)
        socket_tell_data(&peer->base, send ? LINUX_POLL_HUP : LINUX_POLL_IN);
}

static int unix_shutdown(struct socket *s, int how)
{
    struct unix_sock *u = unix_of(s), *peer = NULL;
    bool receive = how != LINUX_SHUT_WR, send = how != LINUX_SHUT_RD;
    lock_acquire(&s->lock);
    u->shut_receive |= receive;
    u->shut_send |= send;
    if (u->peer && s->type != LINUX_SOCK_DGRAM)
        peer = unix_get(u->peer);
    lock_release(&s->lock);
    wait_queue_wake(&s->queue, 0, false);
    if (peer) {
        shut_peer(peer, send, receive, 0);
        unix_put(peer);
    }
    return 0;
}

static void drop_messages(struct list *messages)
{
    struct unix_message *msg, *next;
    list_for_each_safe (msg, next, messages, node) {
        list_remove(&msg->node);
        unix_message_free(msg);
    }
}

// Connections nobody accepted: their far ends are reset.
static void drop_embryos(struct list *embryos)
{
    struct unix_sock *e, *next;
    list_for_each_safe (e, next, embryos, embryo_link) {
        list_remove(&e->embryo_link);
        if (e->peer)
            shut_peer(e->peer, true, true, LINUX_ECONNRESET);
        unix_close(&e->base);
    }
}

void unix_close(struct socket *s)
{
    struct unix_sock *u = unix_of(s);
    struct list messages, embryos;
    list_init(&messages);
    list_init(&embryos);
    lock_acquire(&s->lock);
    u->dead = true;
    u->shut_receive = u->shut_send = true;
    struct unix_sock *peer = u->peer;
    struct unix_name *name = u->name;
    struct path bound = u->bound;
    u->peer = NULL;
    u->name = NULL;
    u->bound = (struct path){NULL, NULL};
    bool unread = u->inbox_count > 0;
    list_splice_tail(&messages, &u->inbox);
    u->inbox_count = 0;
    u->inbox_bytes = 0;
    list_splice_tail(&embryos, &u->embryos);
    lock_release(&s->lock);

    unix_name_release(u, name, &bound);
    if (peer && s->type != LINUX_SOCK_DGRAM)
        shut_peer(peer, true, true, unread ? LINUX_ECONNRESET : 0);
    drop_messages(&messages);
    drop_embryos(&embryos);
    wait_queue_wake(&s->queue, 0, false); // connects and sends that wait for room here
    struct kernel *kernel = s->kernel;
    unix_put(peer);
    unix_put(u);
    unix_collect(kernel, false);
}

// --- Readiness and options -----------------------------------------------------------------------

bool unix_has_room(struct unix_sock *u)
{
    size_t used = atomic_load_explicit(&u->in_flight, memory_order_acquire);
    return used * 4 <= (size_t)u->base.sndbuf;
}

static uint32_t unix_poll(struct socket *s, struct file *file, struct poll_table *table)
{
    struct unix_sock *u = unix_of(s);
    (void)file, (void)table;
    uint32_t ready = 0;
    lock_acquire(&s->lock);
    if (s->error)
        ready |= LINUX_POLLERR;
    if (u->shut_receive && u->shut_send)
        ready |= LINUX_POLLHUP;
    if (u->shut_receive)
        ready |= LINUX_POLLRDHUP | UNIX_READABLE;
    if (u->inbox_count || !list_empty(&u->embryos))
        ready |= UNIX_READABLE;
    if (u->urgent)
        ready |= LINUX_POLLPRI;
    if (s->type != LINUX_SOCK_DGRAM && !u->connected && !s->listening)
        ready |= LINUX_POLLHUP;
    if (!s->listening && unix_has_room(u))
        ready |= UNIX_WRITABLE;
    lock_release(&s->lock);
    return ready;
}

// The next byte to read is what MSG_OOB sent, or was and has been read. The lock is held.
static bool at_mark(struct unix_sock *u)
{
    if (list_empty(&u->inbox) || u->base.type != LINUX_SOCK_STREAM)
        return false;
    struct unix_message *first = list_first(&u->inbox, struct unix_message, node);
    if (first == u->urgent)
        return true;
    bool after = u->urgent && first->node.next == &u->urgent->node;
    return first->at == first->len && (!u->urgent || after);
}

static int64_t unix_ioctl(struct socket *s, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct unix_sock *u = unix_of(s);
    int32_t n;
    lock_acquire(&s->lock);
    bool listening = s->listening, mark = at_mark(u);
    if (cmd == LINUX_SIOCINQ && s->type != LINUX_SOCK_STREAM)
        n = u->inbox_count ? (int32_t)list_first(&u->inbox, struct unix_message, node)->len : 0;
    else
        n = (int32_t)u->inbox_bytes;
    lock_release(&s->lock);
    switch (cmd) {
    case LINUX_SIOCINQ:
        return listening ? -LINUX_EINVAL : user_put(task, arg, &n);
    case LINUX_SIOCATMARK:
        n = mark;
        return user_put(task, arg, &n);
    case LINUX_SIOCOUTQ:
        n = (int32_t)atomic_load_explicit(&u->in_flight, memory_order_relaxed);
        return user_put(task, arg, &n);
    default:
        return -LINUX_ENOTTY;
    }
}

static void unix_view(struct socket *s, struct socket_view *out)
{
    struct unix_sock *u = unix_of(s);
    lock_acquire(&s->lock);
    *out = (struct socket_view){
        .state = s->listening              ? LINUX_TCP_LISTEN
                 : u->connected || u->peer ? LINUX_TCP_ESTABLISHED
                                           : LINUX_TCP_CLOSE,
        .shut = (uint8_t)(u->shut_receive | u->shut_send << 1),
        .receive_queue = s->listening ? (uint32_t)u->pending : (uint32_t)u->inbox_bytes,
        .send_queue = s->listening ? (uint32_t)u->backlog : 0,
    };
    if (s->type == LINUX_SOCK_DGRAM)
        out->receive_queue =
            u->inbox_count ? list_first(&u->inbox, struct unix_message, node)->len : 0;
    if (!s->listening)
        out->send_queue = (uint32_t)atomic_load_explicit(&u->in_flight, memory_order_relaxed);
    lock_release(&s->lock);
}

void unix_relations(struct socket *s, struct unix_relations *out)
{
    struct unix_sock *u = unix_of(s), *embryo;
    *out = (struct unix_relations){.count = 0};
    lock_acquire(&s->lock);
    out->in_tree = u->bound.dentry != NULL;
    if (out->in_tree) {
        out->bound = u->bound;
        path_get(&out->bound);
    }
    out->has_peer = u->connected || u->peer;
    out->peer = u->peer ? &u->peer->base : NULL;
    list_for_each (embryo, &u->embryos, embryo_link) {
        if (out->count == ARRAY_LEN(out->waiting))
            break;
        // Whoever connected made it, with itself as the peer, before it came here.
        out->waiting[out->count++] = embryo->peer ? &embryo->peer->base : NULL;
    }
    lock_release(&s->lock);
}

static int unix_get_option(struct socket *s, int level, int name, void *value, uint32_t *len)
{
    struct unix_sock *u = unix_of(s);
    if (level != LINUX_SOL_SOCKET)
        return -LINUX_EOPNOTSUPP;
    if (name != LINUX_SO_PEERCRED)
        return -LINUX_ENOPROTOOPT;
    lock_acquire(&s->lock);
    struct linux_ucred creds = u->peer_creds;
    lock_release(&s->lock);
    *len = *len < sizeof creds ? *len : (uint32_t)sizeof creds;
    memcpy(value, &creds, *len);
    return 0;
}

const struct socket_ops unix_stream_ops = {
    .bind = unix_bind,
    .connect = connect_stream,
    .listen = unix_listen,
    .accept = unix_accept,
    .getname = unix_getname,
    .send = unix_stream_send,
    .recv = unix_stream_recv,
    .shutdown = unix_shutdown,
    .poll = unix_poll,
    .ioctl = unix_ioctl,
    .get_option = unix_get_option,
    .view = unix_view,
    .close = unix_close,
};

const struct socket_ops unix_dgram_ops = {
    .bind = unix_bind,
    .connect = connect_packet,
    .listen = listen_packet,
    .accept = accept_packet,
    .getname = unix_getname,
    .send = unix_dgram_send,
    .recv = unix_dgram_recv,
    .shutdown = unix_shutdown,
    .poll = unix_poll,
    .ioctl = unix_ioctl,
    .get_option = unix_get_option,
    .view = unix_view,
    .close = unix_close,
};
