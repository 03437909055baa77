// AF_UNIX: everything happens in this process; no host socket is involved. Layer 4.
//
// Locks: base.lock of each socket; two are held at once only in address order. Data is copied from
// and to the guest with no lock held: a sender fills a message first, a receiver holds io_gate, so
// that the message it reads stays where it is.
#ifndef KERNEL_NET_UNIX_H
#define KERNEL_NET_UNIX_H

#include "fs/gate.h"
#include "kernel/net/socket.h"
#include "platform/abi/poll.h"
#include "platform/base/list.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// A bound name; immutable once a socket has it.
struct unix_name {
    _Atomic uint32_t refs;
    uint32_t len; // of addr, family included
    struct linux_sockaddr_un addr;
    struct list link;        // abstract: in net->unix_names, guarded by net->lock
    struct unix_sock *owner; // abstract: not referenced, guarded by net->lock
};

struct unix_message {
    struct list node;
    struct unix_sock *sender; // referenced: its in_flight counts this message
    struct unix_name *from;   // the sender's name then, referenced, or NULL
    struct scm_rights *rights;
    struct linux_ucred creds;
    uint32_t len, at; // bytes, and how many of them a stream reader took
    uint8_t data[];
};

struct unix_sock {
    struct socket base;
    _Atomic uint32_t refs;    // the file, the peer, messages, whoever looks
    _Atomic size_t in_flight; // cost of messages sent and not yet read
    struct gate io_gate;      // one reader copies at a time; one bind at a time

    // Guarded by base.lock.
    struct unix_name *name;
    struct path bound;      // of a name in the tree
    struct unix_sock *peer; // referenced
    bool connected, dead;
    bool shut_receive, shut_send;
    struct list inbox; // struct unix_message
    unsigned inbox_count;
    size_t inbox_bytes;
    struct unix_message *urgent; // in inbox: the byte of the last MSG_OOB that nobody has read yet
    struct list embryos;         // connections not yet accepted, by embryo_link
    struct list embryo_link;
    int pending, backlog;
    struct linux_ucred peer_creds; // SO_PEERCRED

    // Messages in inboxes that carry its file (kernel/net/unix_gc.c). Guarded by net->lock.
    unsigned in_transit;
    struct list transit_link; // in net->unix_in_transit, while there are some
    struct file *file;        // not referenced: those messages have it
    // The collector's.
    bool gc_candidate;
    unsigned gc_outside; // of in_transit, those not found in inboxes of candidates
};

enum {
    // What a message costs of SO_SNDBUF beyond its bytes, like Linux's buffer heads.
    UNIX_MESSAGE_COST = 512,
    UNIX_STREAM_CHUNK = 32768,
    UNIX_DGRAM_QUEUE_MAX = 512, // net.unix.max_dgram_qlen
    UNIX_READABLE = LINUX_POLLIN | LINUX_POLLRDNORM,
    UNIX_WRITABLE = LINUX_POLLOUT | LINUX_POLLWRNORM | LINUX_POLLWRBAND,
};

static inline struct unix_sock *unix_of(struct socket *s)
{
    return CONTAINER_OF(s, struct unix_sock, base);
}

extern const struct socket_ops unix_stream_ops, unix_dgram_ops;

NODISCARD int unix_sock_create(struct kernel *kernel, int32_t type, struct unix_sock **out);
struct unix_sock *unix_get(struct unix_sock *u);
void unix_put(struct unix_sock *u);
struct linux_ucred unix_creds_of(struct task *task);
void unix_close(struct socket *s);
bool unix_has_room(struct unix_sock *u); // as poll sees it

// To what a socket belongs, for NETLINK_SOCK_DIAG. The sockets are not referenced: good for nothing
// but being compared with others.
struct unix_relations {
    bool in_tree; // with the path it is bound at, referenced
    struct path bound;
    bool has_peer;
    const struct socket *peer;
    const struct socket *waiting[128]; // to be accepted; those beyond are left out
    unsigned count;
};
void unix_relations(struct socket *s, struct unix_relations *out);

// Names (kernel/net/unix_name.c).
int unix_bind(struct socket *s, struct task *task, const struct sock_addr *addr);
int unix_autobind(struct unix_sock *u);
int unix_getname(struct socket *s, bool peer, struct sock_addr *out);
void unix_name_put(struct unix_name *name); // harmless with NULL
void unix_name_release(struct unix_sock *u, struct unix_name *name, struct path *bound);
// The socket bound to `addr`, referenced: -LINUX_ECONNREFUSED, -LINUX_EPROTOTYPE, or what the walk
// gives; *out is NULL then.
NODISCARD int unix_find(struct task *task, const struct sock_addr *addr, int32_t type,
                        struct unix_sock **out);

// Messages (kernel/net/unix_msg.c).
// A message of the next `n` bytes of m->it, with m's rights (which it takes over) and credentials.
NODISCARD int unix_message_make(struct unix_sock *sender, struct message *m, size_t n,
                                struct unix_message **out);
void unix_message_free(struct unix_message *msg);
// Appends to the inbox of `to`, whose lock is held.
void unix_message_deliver(struct unix_sock *to, struct unix_message *msg);
// Takes it out of the inbox; the caller frees it.
void unix_message_remove(struct unix_sock *from, struct unix_message *msg);
// What a receiver, `to`, learns of a message besides its bytes. `peek`: rights are copied.
void unix_message_describe(struct unix_sock *to, struct unix_message *msg, struct message *m,
                           bool peek);
// Files enter and leave inboxes (kernel/net/unix_gc.c); harmless with NULL.
void unix_transit_begin(struct kernel *kernel, const struct scm_rights *rights);
void unix_transit_end(struct kernel *kernel, const struct scm_rights *rights);
// Closes sockets that only messages to each other hold open, perhaps later unless `force`d. No lock
// held.
void unix_collect(struct kernel *kernel, bool force);
ssize_t unix_stream_send(struct socket *s, struct message *m);
ssize_t unix_stream_recv(struct socket *s, struct message *m);
ssize_t unix_dgram_send(struct socket *s, struct message *m);
ssize_t unix_dgram_recv(struct socket *s, struct message *m);

#endif
