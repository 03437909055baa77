// Moving messages between AF_UNIX sockets.
#include "kernel/file.h"
#include "kernel/net/unix.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/signal.h"
#include <stdlib.h>
#include <string.h>

// --- Messages ------------------------------------------------------------------------------------

static size_t cost_of(const struct unix_message *msg)
{
    return (size_t)msg->len + UNIX_MESSAGE_COST;
}

int unix_message_make(struct unix_sock *sender, struct message *m, size_t n,
                      struct unix_message **out)
{
    struct unix_message *msg = malloc(sizeof *msg + n);
    if (!msg)
        return -LINUX_ENOBUFS;
    int err = iter_get(m->it, msg->data, n);
    if (err) {
        free(msg);
        return err;
    }
    msg->sender = unix_get(sender);
    msg->len = (uint32_t)n;
    msg->at = 0;
    msg->rights = m->rights;
    m->rights = NULL;
    msg->creds = m->has_creds ? m->creds
                 : m->task
                     ? (struct linux_ucred){m->task->tgid, m->task->cred->uid, m->task->cred->gid}
                     : (struct linux_ucred){0, 0, 0};
    lock_acquire(&sender->base.lock);
    msg->from = sender->name;
    if (msg->from)
        atomic_fetch_add_explicit(&msg->from->refs, 1, memory_order_relaxed);
    lock_release(&sender->base.lock);
    *out = msg;
    return 0;
}

// Frees a message that was never delivered, or was removed.
static void message_discard(struct unix_message *msg)
{
    scm_rights_free(msg->sender->base.kernel, msg->rights);
    unix_name_put(msg->from);
    unix_put(msg->sender);
    free(msg);
}

void unix_message_free(struct unix_message *msg)
{
    struct unix_sock *sender = msg->sender;
    atomic_fetch_sub_explicit(&sender->in_flight, cost_of(msg), memory_order_acq_rel);
    wait_queue_wake(&sender->base.queue, UNIX_WRITABLE, false);
    if (unix_has_room(sender))
        socket_tell_room(&sender->base);
    unix_transit_end(sender->base.kernel, msg->rights);
    message_discard(msg);
}

void unix_message_deliver(struct unix_sock *to, struct unix_message *msg)
{
    atomic_fetch_add_explicit(&msg->sender->in_flight, cost_of(msg), memory_order_acq_rel);
    unix_transit_begin(to->base.kernel, msg->rights);
    list_add_tail(&to->inbox, &msg->node);
    to->inbox_count++;
    to->inbox_bytes += msg->len;
}

void unix_message_remove(struct unix_sock *from, struct unix_message *msg)
{
    list_remove(&msg->node);
    if (from->urgent == msg)
        from->urgent = NULL;
    from->inbox_count--;
    from->inbox_bytes -= msg->len - msg->at;
}

void unix_message_describe(struct unix_sock *to, struct unix_message *msg, struct message *m,
                           bool peek)
{
    m->creds = msg->creds;
    m->has_creds = true;
    if (msg->rights && !m->rights) {
        m->rights = peek ? scm_rights_copy(msg->rights) : msg->rights;
        if (!peek) {
            lock_acquire(&to->base.lock);
            unix_transit_end(to->base.kernel, msg->rights);
            msg->rights = NULL;
            lock_release(&to->base.lock);
        }
    }
    m->addr.len = 0;
    if (msg->from) {
        m->addr.len = msg->from->len;
        memcpy(&m->addr.un, &msg->from->addr, msg->from->len);
    }
}

// --- Waiting -------------------------------------------------------------------------------------

static size_t room_left(struct unix_sock *u)
{
    lock_acquire(&u->base.lock);
    size_t limit = (size_t)u->base.sndbuf;
    lock_release(&u->base.lock);
    size_t used = atomic_load_explicit(&u->in_flight, memory_order_acquire);
    return used < limit ? limit - used : 0;
}

// Waits until `u` may have a message more in flight. It wakes early when the socket is shut.
static int wait_for_room(struct unix_sock *u, const struct message *m, size_t need)
{
    if (room_left(u) >= need)
        return 0;
    struct task_waiter w;
    atomic_store_explicit(&u->base.no_room, true, memory_order_relaxed);
    if (m->nonblock || !m->task)
        return -LINUX_EAGAIN;
    task_waiter_add(&w, m->task, &u->base.queue, UNIX_WRITABLE);
    int err = 0;
    while (!err && room_left(u) < need) {
        lock_acquire(&u->base.lock);
        bool shut = u->shut_send;
        lock_release(&u->base.lock);
        if (shut)
            break;
        err = socket_wait(m->task, m->nonblock, m->deadline);
    }
    task_waiter_remove(&w);
    if (err)
        return err;
    // What happened to the socket meanwhile comes before the end of its peer.
    lock_acquire(&u->base.lock);
    err = -u->base.error;
    u->base.error = 0;
    lock_release(&u->base.lock);
    return err;
}

static struct unix_sock *peer_get(struct unix_sock *u, bool *shut_send)
{
    lock_acquire(&u->base.lock);
    struct unix_sock *peer = u->peer ? unix_get(u->peer) : NULL;
    *shut_send = u->shut_send;
    lock_release(&u->base.lock);
    return peer;
}

// --- Streams: sending ----------------------------------------------------------------------------

static int broken_pipe(const struct message *m)
{
    return file_broken_pipe(m->flags & LINUX_MSG_NOSIGNAL ? NULL : m->task);
}

// An earlier one is a byte like others now. The lock is held, so the peer's file is still there.
static void set_urgent(struct unix_sock *peer, struct unix_message *msg)
{
    struct file *file = atomic_load_explicit(&peer->base.file, memory_order_acquire);
    peer->urgent = msg;
    if (file)
        async_tell_urgent(peer->base.kernel, file, &peer->base.told);
}

// One piece of up to `most` bytes; `urgent`: the one byte of MSG_OOB. Returns its bytes or an
// error.
static ssize_t send_chunk(struct unix_sock *u, struct unix_sock *peer, struct message *m,
                          size_t most, bool urgent)
{
    int err = wait_for_room(u, m, UNIX_MESSAGE_COST + 1);
    if (err)
        return err;
    size_t room = room_left(u), n = most;
    room = room > UNIX_MESSAGE_COST ? room - UNIX_MESSAGE_COST : 1;
    n = n < room ? n : room;
    n = n < UNIX_STREAM_CHUNK ? n : (size_t)UNIX_STREAM_CHUNK;
    struct unix_message *msg;
    err = unix_message_make(u, m, n, &msg);
    if (err)
        return err;
    lock_acquire(&peer->base.lock);
    bool gone = peer->dead || peer->shut_receive;
    if (!gone)
        unix_message_deliver(peer, msg);
    if (!gone && urgent)
        set_urgent(peer, msg);
    lock_release(&peer->base.lock);
    if (gone) {
        message_discard(msg);
        return broken_pipe(m);
    }
    socket_tell_data(&peer->base, LINUX_POLL_IN); // first: a reader that wakes is none that waits
    wait_queue_wake(&peer->base.queue, UNIX_READABLE | (urgent ? (uint32_t)LINUX_POLLPRI : 0),
                    true);
    return (ssize_t)n;
}

ssize_t unix_stream_send(struct socket *s, struct message *m)
{
    struct unix_sock *u = unix_of(s);
    // Of urgent data the last byte is what is urgent.
    size_t urgent = m->flags & LINUX_MSG_OOB ? 1 : 0;
    if (urgent > m->it->left)
        return -LINUX_EOPNOTSUPP;
    bool shut;
    struct unix_sock *peer = peer_get(u, &shut);
    if (m->addr.len) {
        unix_put(peer);
        return peer ? -LINUX_EISCONN : -LINUX_EOPNOTSUPP;
    }
    if (!peer)
        return -LINUX_ENOTCONN;
    size_t done = 0;
    ssize_t n = shut ? broken_pipe(m) : 0;
    while (!shut && m->it->left > 0) {
        bool last = m->it->left == urgent;
        n = send_chunk(u, peer, m, last ? 1 : m->it->left - urgent, last);
        if (n < 0)
            break;
        done += (size_t)n;
    }
    unix_put(peer);
    return done ? (ssize_t)done : n;
}

// --- Streams: receiving --------------------------------------------------------------------------

// What urgent bytes make of the message a reader would find (NULL: none). One that was read by
// MSG_OOB is an empty mark in the stream; what one call returns ends at a mark, and what comes
// first in a call goes beyond it, without the urgent byte unless it is in line. Messages that are
// over are moved to `over`. The lock is held.
static struct unix_message *pass_mark(struct unix_sock *u, struct unix_message *msg, bool copied,
                                      bool peek, struct list *over)
{
    struct list *next = msg->node.next;
    struct unix_message *after =
        next == &u->inbox ? NULL : list_entry(next, struct unix_message, node);
    if (msg->at == msg->len && copied && !u->urgent)
        return NULL;
    if (msg->at == msg->len) {
        if (!peek) {
            unix_message_remove(u, msg);
            list_add_tail(over, &msg->node);
        }
        msg = after;
        next = msg ? msg->node.next : &u->inbox;
        after = next == &u->inbox ? NULL : list_entry(next, struct unix_message, node);
    }
    if (!msg || msg != u->urgent)
        return msg;
    if (copied)
        return NULL;
    if (u->base.oob_inline) {
        if (!peek)
            u->urgent = NULL;
        return msg;
    }
    if (!peek) {
        unix_message_remove(u, msg);
        list_add_tail(over, &msg->node);
    }
    return after;
}

static void free_all(struct list *messages)
{
    while (!list_empty(messages)) {
        struct unix_message *msg = list_first(messages, struct unix_message, node);
        list_remove(&msg->node);
        unix_message_free(msg);
    }
}

// What a reader finds: the message after `last` (NULL: the first), or why there is none; nothing
// and 0 where a mark, or the end of the stream, is. `copied`: the call has bytes already.
static int next_message(struct unix_sock *u, struct unix_message *last, bool copied, bool peek,
                        struct unix_message **out)
{
    struct list over;
    list_init(&over);
    lock_acquire(&u->base.lock);
    struct list *node = last ? last->node.next : u->inbox.next;
    int err = 0;
    bool mark = false;
    *out = NULL;
    if (node != &u->inbox) {
        *out = list_entry(node, struct unix_message, node);
        if (UNLIKELY(*out == u->urgent || (*out)->at == (*out)->len)) {
            *out = pass_mark(u, *out, copied, peek, &over);
            mark = !*out && copied;
        }
    }
    if (*out || mark) {
        // found
    } else if (u->base.error) {
        err = -u->base.error;
        u->base.error = 0;
    } else if (!u->shut_receive) {
        err = -LINUX_EAGAIN;
    }
    lock_release(&u->base.lock);
    free_all(&over);
    return err;
}

static void consume(struct unix_sock *u, struct unix_message *msg, size_t n)
{
    lock_acquire(&u->base.lock);
    msg->at += (uint32_t)n;
    u->inbox_bytes -= n;
    bool empty = msg->at == msg->len;
    if (empty)
        unix_message_remove(u, msg);
    lock_release(&u->base.lock);
    if (empty)
        unix_message_free(msg);
}

static bool same_writer(const struct unix_message *msg, const struct message *m)
{
    return msg->creds.pid == m->creds.pid && msg->creds.uid == m->creds.uid &&
           msg->creds.gid == m->creds.gid;
}

// Copies what is there, as far as it may go into one result. Returns the bytes; 0 with *err for the
// reason there are none. The gate is held.
static size_t take_available(struct unix_sock *u, struct message *m, bool first, int *err)
{
    bool peek = m->flags & LINUX_MSG_PEEK;
    struct unix_message *msg, *last = NULL;
    size_t done = 0;
    *err = 0;
    while (m->it->left > 0) {
        *err = next_message(u, last, done || !first, peek, &msg);
        if (!msg)
            break;
        // Bytes of different writers are not mixed when the reader asks who they are from.
        if ((done || !first) && u->base.pass_cred && !same_writer(msg, m))
            break;
        size_t n = msg->len - msg->at;
        n = n < m->it->left ? n : m->it->left;
        size_t copied = m->it->ops->copy_out(m->it, msg->data + msg->at, n);
        if (copied < n) {
            *err = -LINUX_EFAULT;
            break;
        }
        unix_message_describe(u, msg, m, peek);
        done += n;
        last = msg;
        if (!peek) {
            consume(u, msg, n);
            last = NULL;
        }
        if (m->rights)
            break; // descriptors end what one call returns
    }
    return done;
}

// The urgent byte, which leaves a mark in the stream.
static ssize_t receive_urgent(struct unix_sock *u, struct message *m)
{
    bool peek = m->flags & LINUX_MSG_PEEK;
    struct list over;
    list_init(&over);
    gate_enter(&u->io_gate);
    lock_acquire(&u->base.lock);
    struct unix_message *msg = u->base.oob_inline ? NULL : u->urgent;
    uint8_t byte = msg ? msg->data[0] : 0;
    if (msg && !peek) {
        // Of marks beside each other one is enough.
        struct list *before = msg->node.prev;
        if (before != &u->inbox) {
            struct unix_message *mark = list_entry(before, struct unix_message, node);
            if (mark->at == mark->len) {
                unix_message_remove(u, mark);
                list_add_tail(&over, &mark->node);
            }
        }
        u->urgent = NULL;
        msg->at = msg->len;
        u->inbox_bytes--;
    }
    lock_release(&u->base.lock);
    gate_leave(&u->io_gate);
    free_all(&over);
    if (!msg)
        return -LINUX_EINVAL;
    m->out_flags |= LINUX_MSG_OOB;
    return m->it->ops->copy_out(m->it, &byte, 1) == 1 ? 1 : -LINUX_EFAULT;
}

ssize_t unix_stream_recv(struct socket *s, struct message *m)
{
    struct unix_sock *u = unix_of(s);
    lock_acquire(&s->lock);
    bool connected = u->connected;
    size_t target = m->flags & LINUX_MSG_WAITALL ? m->it->left : (size_t)s->receive_low;
    lock_release(&s->lock);
    if (!connected)
        return -LINUX_EINVAL;
    if (m->flags & LINUX_MSG_OOB)
        return receive_urgent(u, m);
    target = target < m->it->left ? target : m->it->left;
    struct task_waiter w;
    bool waiting = false;
    size_t done = 0;
    int err = 0;
    for (;;) {
        gate_enter(&u->io_gate);
        size_t n = take_available(u, m, !done, &err);
        gate_leave(&u->io_gate);
        done += n;
        bool more = done < target && err == -LINUX_EAGAIN && !m->rights &&
                    !(m->flags & LINUX_MSG_PEEK && done);
        if (!more || m->nonblock || !m->task)
            break;
        if (!waiting) {
            task_waiter_add(&w, m->task, &s->queue, UNIX_READABLE);
            atomic_fetch_add_explicit(&s->data_waiters, 1, memory_order_relaxed);
        } else {
            err = socket_wait(m->task, false, m->deadline);
        }
        if (waiting && err)
            break;
        waiting = true;
    }
    if (waiting) {
        atomic_fetch_sub_explicit(&s->data_waiters, 1, memory_order_relaxed);
        task_waiter_remove(&w);
    }
    return done ? (ssize_t)done : err;
}

// --- Datagrams and packets -----------------------------------------------------------------------

// Whom to send to; *connected: it is the peer.
static int destination(struct unix_sock *u, struct message *m, struct unix_sock **out,
                       bool *connected)
{
    bool shut, packet = u->base.type == LINUX_SOCK_SEQPACKET;
    struct unix_sock *peer = peer_get(u, &shut);
    *connected = true;
    int err = 0;
    if (packet && !peer)
        err = -LINUX_ENOTCONN;
    else if (shut)
        err = -LINUX_EPIPE;
    if (!err && m->addr.len && !packet) {
        unix_put(peer);
        peer = NULL;
        *connected = false;
        err = unix_find(m->task, &m->addr, u->base.type, &peer);
    }
    if (!err && !peer)
        err = -LINUX_ENOTCONN;
    if (err) {
        unix_put(peer);
        return err;
    }
    *out = peer;
    return 0;
}

// Tries to put the message into the inbox. -LINUX_EAGAIN: the inbox is full.
static int deliver(struct unix_sock *u, struct unix_sock *to, struct unix_message *msg)
{
    bool packet = u->base.type == LINUX_SOCK_SEQPACKET;
    lock_acquire(&to->base.lock);
    int err = 0;
    if (to->dead)
        err = packet ? -LINUX_EPIPE : -LINUX_ECONNREFUSED;
    else if (to->peer && to->peer != u)
        err = -LINUX_EPERM;
    else if (to->shut_receive)
        err = -LINUX_EPIPE;
    else if (to->inbox_count > UNIX_DGRAM_QUEUE_MAX)
        err = -LINUX_EAGAIN;
    else
        unix_message_deliver(to, msg);
    lock_release(&to->base.lock);
    return err;
}

static int deliver_wait(struct unix_sock *u, struct unix_sock *to, struct unix_message *msg,
                        const struct message *m)
{
    int err = deliver(u, to, msg);
    if (err != -LINUX_EAGAIN || m->nonblock || !m->task)
        return err;
    struct task_waiter w;
    task_waiter_add(&w, m->task, &to->base.queue, UNIX_WRITABLE);
    while ((err = deliver(u, to, msg)) == -LINUX_EAGAIN) {
        err = socket_wait(m->task, false, m->deadline);
        if (err)
            break;
    }
    task_waiter_remove(&w);
    return err;
}

// The peer of a datagram socket closed: there is none any more, and what it sent is not read.
static void forget_peer(struct unix_sock *u, struct unix_sock *peer)
{
    struct list unread;
    list_init(&unread);
    gate_enter(&u->io_gate);
    lock_acquire(&u->base.lock);
    bool is_peer = u->peer == peer;
    if (is_peer) {
        u->peer = NULL;
        u->connected = false;
        while (!list_empty(&u->inbox)) {
            struct unix_message *msg = list_first(&u->inbox, struct unix_message, node);
            unix_message_remove(u, msg);
            list_add_tail(&unread, &msg->node);
        }
    }
    lock_release(&u->base.lock);
    gate_leave(&u->io_gate);
    while (!list_empty(&unread)) {
        struct unix_message *msg = list_first(&unread, struct unix_message, node);
        list_remove(&msg->node);
        unix_message_free(msg);
    }
    if (is_peer)
        unix_put(peer);
}

ssize_t unix_dgram_send(struct socket *s, struct message *m)
{
    struct unix_sock *u = unix_of(s), *to;
    if (m->flags & LINUX_MSG_OOB)
        return -LINUX_EOPNOTSUPP;
    size_t n = m->it->left;
    lock_acquire(&s->lock);
    bool too_long = n > (size_t)s->sndbuf - 32;
    bool autobind = s->pass_cred;
    lock_release(&s->lock);
    bool connected;
    int err = destination(u, m, &to, &connected);
    if (err)
        return err;
    struct unix_message *msg = NULL;
    err = autobind ? unix_autobind(u) : 0;
    if (!err && too_long)
        err = -LINUX_EMSGSIZE;
    if (!err)
        err = wait_for_room(u, m, 1);
    if (!err)
        err = unix_message_make(u, m, n, &msg);
    if (!err)
        err = deliver_wait(u, to, msg, m);
    if (err && msg)
        message_discard(msg);
    if (!err) {
        wait_queue_wake(&to->base.queue, UNIX_READABLE, true);
        async_tell(to->base.kernel, &to->base.told, LINUX_POLL_IN);
    }
    if (err == -LINUX_ECONNREFUSED && connected)
        forget_peer(u, to);
    unix_put(to);
    return err ? err : (ssize_t)n;
}

// The next message, or why there is none. 0 without a message: the end.
static int next_packet(struct unix_sock *u, bool nonblock, struct unix_message **out)
{
    lock_acquire(&u->base.lock);
    bool packet = u->base.type == LINUX_SOCK_SEQPACKET;
    int err = 0;
    *out = NULL;
    if (packet && !u->connected) {
        err = -LINUX_ENOTCONN;
    } else if (u->base.error) {
        err = -u->base.error;
        u->base.error = 0;
    } else if (u->inbox_count) {
        *out = list_first(&u->inbox, struct unix_message, node);
    } else if (!u->shut_receive || (nonblock && !packet)) {
        err = -LINUX_EAGAIN; // a datagram socket tells the end to those who wait alone
    }
    lock_release(&u->base.lock);
    return err;
}

// Copies and, unless peeking, removes one message. The gate is held.
static ssize_t take_packet(struct unix_sock *u, struct message *m)
{
    bool peek = m->flags & LINUX_MSG_PEEK;
    struct unix_message *msg;
    int err = next_packet(u, m->nonblock, &msg);
    if (err || !msg)
        return err;
    size_t n = msg->len < m->it->left ? msg->len : m->it->left;
    if (n < msg->len)
        m->out_flags |= LINUX_MSG_TRUNC;
    ssize_t result = m->it->ops->copy_out(m->it, msg->data, n) == n ? (ssize_t)n : -LINUX_EFAULT;
    if (result >= 0) {
        unix_message_describe(u, msg, m, peek);
        if (m->flags & LINUX_MSG_TRUNC)
            result = msg->len;
    }
    if (!peek) {
        lock_acquire(&u->base.lock);
        unix_message_remove(u, msg);
        lock_release(&u->base.lock);
        unix_message_free(msg);
        wait_queue_wake(&u->base.queue, UNIX_WRITABLE, false); // those whom a full inbox kept out
    }
    return result;
}

ssize_t unix_dgram_recv(struct socket *s, struct message *m)
{
    struct unix_sock *u = unix_of(s);
    if (m->flags & LINUX_MSG_OOB)
        return -LINUX_EOPNOTSUPP;
    struct task_waiter w;
    bool waiting = false;
    ssize_t n;
    for (;;) {
        gate_enter(&u->io_gate);
        n = take_packet(u, m);
        gate_leave(&u->io_gate);
        if (n != -LINUX_EAGAIN || m->nonblock || !m->task)
            break;
        int err = 0;
        if (!waiting)
            task_waiter_add(&w, m->task, &s->queue, UNIX_READABLE);
        else
            err = socket_wait(m->task, false, m->deadline);
        waiting = true;
        if (err) {
            n = err;
            break;
        }
    }
    if (waiting)
        task_waiter_remove(&w);
    return n;
}
