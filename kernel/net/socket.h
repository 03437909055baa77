// What sockets of every family share: the object behind the file, its options, one message in
// transit. Layer 4.
#ifndef KERNEL_NET_SOCKET_H
#define KERNEL_NET_SOCKET_H

#include "fs/iter.h"
#include "fs/vfs.h"
#include "kernel/async.h"
#include "kernel/user.h"
#include "platform/abi/socket.h"
#include "platform/base/compiler.h"
#include "platform/lock.h"
#include "platform/wait_queue.h"
#include <stdbool.h>
#include <stdint.h>

struct kernel;
struct task;
struct socket;

// A socket address as the guest passed it or shall get it.
struct sock_addr {
    uint32_t len; // 0: none
    union {
        uint16_t family;
        struct linux_sockaddr_un un;
        struct linux_sockaddr_in in;
        struct linux_sockaddr_in6 in6;
        uint8_t bytes[LINUX_SOCKADDR_MAX];
    };
};

// Descriptors in transit; each file is referenced.
struct scm_rights {
    unsigned count;
    struct file *files[LINUX_SCM_MAX_FD];
};

// One sendmsg or recvmsg.
struct message {
    struct task *task;
    struct iter *it;
    uint32_t flags; // LINUX_MSG_*
    bool nonblock;
    uint64_t deadline; // SO_RCVTIMEO, SO_SNDTIMEO; WAIT_FOREVER
    // Send: where to (len 0: the peer). Receive: where from.
    struct sock_addr addr;
    // Send: the guest's control data as it is, and what of it every family knows. Receive: what the
    // family delivers; `control` is then what it has to say beyond (complete cmsgs).
    uint8_t *control;
    size_t control_len;
    struct scm_rights *rights;
    bool has_creds;
    struct linux_ucred creds;
    uint32_t out_flags; // receive: LINUX_MSG_TRUNC, _CTRUNC, _EOR ...
};

// What /proc/net and NETLINK_SOCK_DIAG show of a socket.
struct socket_view {
    uint8_t state; // LINUX_TCP_*, of every family
    uint8_t shut;  // 1: receives nothing more; 2: sends nothing more
    // Bytes; of one that listens: the connections that wait, and how many may.
    uint32_t receive_queue, send_queue;
};

struct socket_ops {
    int (*bind)(struct socket *s, struct task *task, const struct sock_addr *addr);
    int (*connect)(struct socket *s, struct task *task, const struct sock_addr *addr,
                   bool nonblock);
    int (*listen)(struct socket *s, struct task *task, int backlog);
    // *out: a connected socket with one reference, not yet in a file.
    int (*accept)(struct socket *s, struct task *task, bool nonblock, struct socket **out);
    int (*getname)(struct socket *s, bool peer, struct sock_addr *out);
    ssize_t (*send)(struct socket *s, struct message *m);
    ssize_t (*recv)(struct socket *s, struct message *m);
    int (*shutdown)(struct socket *s, int how);
    uint32_t (*poll)(struct socket *s, struct file *file, struct poll_table *table);
    int64_t (*ioctl)(struct socket *s, struct task *task, uint32_t cmd, uint64_t arg);
    // Levels and options the common code does not know; -LINUX_ENOPROTOOPT. Values are at most
    // SOCKET_OPTION_MAX bytes; *len is what the guest has room for, then what there is.
    int (*set_option)(struct socket *s, int level, int name, const void *value, uint32_t len);
    int (*get_option)(struct socket *s, int level, int name, void *value, uint32_t *len);
    // A common option changed (SOL_SOCKET `name`): pass it on. Optional.
    int (*option_changed)(struct socket *s, int name);
    // NULL: the family has nothing to show.
    void (*view)(struct socket *s, struct socket_view *out);
    // The file is closed: drops the one reference it had.
    void (*close)(struct socket *s);
};
enum { SOCKET_OPTION_MAX = 4096 };

struct socket {
    const struct socket_ops *ops;   // immutable
    struct kernel *kernel;          // immutable
    int32_t family, type, protocol; // immutable
    struct lock lock;               // rank socket
    struct wait_queue queue;        // every change
    struct async_list told;         // O_ASYNC
    _Atomic bool no_room;           // a send found no room: when there is some, that is told
    _Atomic uint32_t data_waiters;  // sleep in a receive: what they get is not told
    _Atomic(struct file *) file;    // its own, not referenced; NULL before socket_open

    // Options; guarded by lock.
    int32_t sndbuf, rcvbuf; // as getsockopt shows them: twice what was asked for
    uint64_t send_timeout_ns, receive_timeout_ns; // 0: none
    int32_t receive_low;
    struct linux_linger linger;
    bool reuse_addr, reuse_port, keepalive, broadcast, oob_inline, pass_cred, dont_route, no_check,
        debug;
    bool timestamp, timestamp_ns;
    int32_t priority, mark;
    int32_t error; // SO_ERROR, positive
    bool listening;
};

enum { SOCKET_BUFFER_DEFAULT = 212992 };

void socket_init(struct socket *s, const struct socket_ops *ops, struct kernel *kernel,
                 int32_t family, int32_t type, int32_t protocol);
void socket_done(struct socket *s); // the reverse; frees nothing

// A file for a socket that is yet to be, which socket_attach gives it. flags: LINUX_O_NONBLOCK.
NODISCARD int socket_file_create(struct kernel *kernel, const struct cred *cred, uint32_t flags,
                                 struct file **out);
void socket_attach(struct file *file, struct socket *s); // takes over the reference
// Puts a socket (consuming its reference, also on failure) into a file. flags: LINUX_O_NONBLOCK.
NODISCARD int socket_open(struct socket *s, const struct cred *cred, uint32_t flags,
                          struct file **out);
// The socket of a file, or NULL.
struct socket *socket_of(const struct file *file);

// Tells who asked with O_ASYNC: data came, or will not come any more; there is room again, if that
// was missed; an error.
void socket_tell_data(struct socket *s, int reason);
void socket_tell_room(struct socket *s);

// Takes a pending error (SO_ERROR), as a negative number, or 0.
int socket_take_error(struct socket *s);
// The deadline of a receive or a send that starts now.
uint64_t socket_deadline(struct socket *s, bool send);
// Sleeps until the socket's queue says something may have changed. -LINUX_EAGAIN when the call must
// not wait or its timeout is over. The caller has queued itself.
NODISCARD int socket_wait(struct task *task, bool nonblock, uint64_t deadline);

// Files in transit.
void scm_rights_free(struct kernel *kernel, struct scm_rights *rights); // harmless with NULL
struct scm_rights *scm_rights_copy(const struct scm_rights *rights);    // NULL without memory

// --- Families ------------------------------------------------------------------------------------

NODISCARD int unix_socket_create(struct kernel *kernel, int32_t type, int32_t protocol,
                                 struct socket **out);
NODISCARD int inet_socket_create(struct task *task, int32_t family, int32_t type, int32_t protocol,
                                 struct socket **out);
NODISCARD int netlink_socket_create(struct kernel *kernel, int32_t type, int32_t protocol,
                                    struct socket **out);
// Puts a datagram of the kernel's into a netlink socket's inbox; lost without memory. No lock held.
void netlink_post(struct file *file, const void *data, uint32_t len);
NODISCARD int unix_socket_pair(struct task *task, int32_t type, int32_t protocol,
                               struct socket *out[2]);

#endif
