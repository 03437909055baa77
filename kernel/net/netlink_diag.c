// NETLINK_SOCK_DIAG, what ss(8) asks: sockets that descriptors of the guest's processes name, of
// AF_INET, AF_INET6 and AF_UNIX. Timers are the host's, who does not tell: there is none. Requests
// with a filter program (INET_DIAG_REQ_BYTECODE) are refused; ss filters by itself then.
#include "kernel/file.h"
#include "kernel/net/netlink.h"
#include "kernel/net/socket.h"
#include "kernel/net/socket_list.h"
#include "kernel/net/unix.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

enum { TCP = 6, UDP = 17, RAW = 255 };
enum { MEMINFO_WORDS = 9 };

struct diag {
    struct socket_list sockets;
    struct netlink_answer *answer;
    const struct linux_inet_diag_req *of_inet; // one of the two
    const struct linux_unix_diag_req *of_unix;
};

// What both families say of one socket.
struct found {
    struct socket *socket;
    struct socket_view view;
    uint32_t uid, inode;
};

static bool find(struct file *file, struct found *out)
{
    struct vfs_stat st;
    out->socket = socket_of(file);
    if (file->inode->ops->getattr(file->inode, &st))
        return false;
    out->uid = st.uid;
    out->inode = (uint32_t)st.ino;
    out->socket->ops->view(out->socket, &out->view);
    return true;
}

static void cookie_of(const struct found *f, uint32_t cookie[2])
{
    cookie[0] = f->inode;
    cookie[1] = 0;
}

static bool has_cookie(const struct found *f, const uint32_t cookie[2])
{
    bool any = cookie[0] == UINT32_MAX && cookie[1] == UINT32_MAX;
    return any || (cookie[0] == f->inode && !cookie[1]);
}

static bool has_state(const struct found *f, uint32_t states)
{
    return states >> f->view.state & 1;
}

// Memory is counted in bytes that wait, and the room for them.
static void put_memory(struct netlink_answer *a, uint16_t type, const struct found *f)
{
    bool listening = f->view.state == LINUX_TCP_LISTEN;
    uint32_t received = listening ? 0 : f->view.receive_queue;
    uint32_t unsent = listening ? 0 : f->view.send_queue;
    lock_acquire(&f->socket->lock);
    const uint32_t words[MEMINFO_WORDS] = {
        received, (uint32_t)f->socket->rcvbuf, unsent, (uint32_t)f->socket->sndbuf, 0, unsent};
    lock_release(&f->socket->lock);
    netlink_attr(a, type, words, sizeof words);
}

// --- AF_INET, AF_INET6 ---------------------------------------------------------------------------

// Whether a protocol can be asked for, and its sockets' type.
static bool known_protocol(uint8_t protocol, int32_t *type)
{
    *type = protocol == TCP   ? LINUX_SOCK_STREAM
            : protocol == UDP ? LINUX_SOCK_DGRAM
                              : LINUX_SOCK_RAW;
    return protocol == TCP || protocol == UDP || protocol == RAW;
}

// An end of a connection: its address and, the result, its port.
static uint16_t get_end(struct socket *s, bool peer, uint32_t addr[4])
{
    struct sock_addr name = {.len = 0};
    memset(addr, 0, 4 * sizeof addr[0]);
    if (s->ops->getname(s, peer, &name) || !name.len)
        return 0;
    if (s->family == LINUX_AF_INET)
        memcpy(addr, &name.in.addr, sizeof addr[0]);
    else
        memcpy(addr, &name.in6.addr, 4 * sizeof addr[0]);
    uint16_t port;
    memcpy(&port, s->family == LINUX_AF_INET ? (void *)&name.in.port : (void *)&name.in6.port,
           sizeof port);
    return port;
}

static void get_ends(const struct found *f, struct linux_inet_diag_sockid *id)
{
    *id = (struct linux_inet_diag_sockid){.interface = 0};
    id->sport = get_end(f->socket, false, id->src);
    id->dport = get_end(f->socket, true, id->dst);
    if (f->socket->type == LINUX_SOCK_RAW) // which has no ports
        id->sport = id->dport = 0;
    cookie_of(f, id->cookie);
}

// An option of the socket as an attribute, one byte of it unless it is longer.
static void put_option(struct netlink_answer *a, uint16_t type, struct socket *s, int level,
                       int name)
{
    uint8_t value[512];
    uint32_t len = sizeof value;
    if (s->ops->get_option(s, level, name, value, &len) || !len)
        return;
    int32_t number;
    if (len == sizeof number) {
        memcpy(&number, value, sizeof number);
        value[0] = (uint8_t)number;
        len = 1;
    }
    netlink_attr(a, type, value, len);
}

static void put_inet_attributes(struct diag *d, const struct found *f)
{
    enum { IP_TOS = 1, IPV6_V6ONLY = 26, IPV6_TCLASS = 67, TCP_INFO = 11, TCP_CONGESTION = 13 };
    struct netlink_answer *a = d->answer;
    struct socket *s = f->socket;
    uint8_t ask = d->of_inet->extensions, state = f->view.state;
    bool v6 = s->family == LINUX_AF_INET6, tcp = s->type == LINUX_SOCK_STREAM;
    uint8_t protocol = (uint8_t)s->protocol;
    netlink_attr(a, LINUX_INET_DIAG_SHUTDOWN, &f->view.shut, 1);
    if (ask & 1 << (LINUX_INET_DIAG_TOS - 1))
        put_option(a, LINUX_INET_DIAG_TOS, s, LINUX_SOL_IP, IP_TOS);
    if (v6 && ask & 1 << (LINUX_INET_DIAG_TCLASS - 1))
        put_option(a, LINUX_INET_DIAG_TCLASS, s, LINUX_SOL_IPV6, IPV6_TCLASS);
    if (v6 && (state == LINUX_TCP_LISTEN || state == LINUX_TCP_CLOSE))
        put_option(a, LINUX_INET_DIAG_SKV6ONLY, s, LINUX_SOL_IPV6, IPV6_V6ONLY);
    if (s->type == LINUX_SOCK_RAW)
        netlink_attr(a, LINUX_INET_DIAG_PROTOCOL, &protocol, 1);
    if (ask & 1 << (LINUX_INET_DIAG_SKMEMINFO - 1))
        put_memory(a, LINUX_INET_DIAG_SKMEMINFO, f);
    if (tcp && ask & 1 << (LINUX_INET_DIAG_INFO - 1))
        put_option(a, LINUX_INET_DIAG_INFO, s, LINUX_SOL_TCP, TCP_INFO);
    if (tcp && ask & 1 << (LINUX_INET_DIAG_CONG - 1)) {
        char name[64] = {0};
        uint32_t len = sizeof name - 1;
        if (!s->ops->get_option(s, LINUX_SOL_TCP, TCP_CONGESTION, name, &len))
            netlink_attr_text(a, LINUX_INET_DIAG_CONG, name);
    }
}

static void put_inet(struct diag *d, const struct found *f, const struct linux_inet_diag_sockid *id)
{
    const struct linux_inet_diag_msg msg = {
        .family = (uint8_t)f->socket->family,
        .state = f->view.state,
        .id = *id,
        .receive_queue = f->view.receive_queue,
        .send_queue = f->view.send_queue,
        .uid = f->uid,
        .inode = f->inode,
    };
    netlink_message_begin(d->answer, LINUX_SOCK_DIAG_BY_FAMILY, &msg, sizeof msg);
    put_inet_attributes(d, f);
    netlink_message_end(d->answer);
}

// Of the right kind, and in Linux's tables: what is bound to nothing, or bound and neither listens
// nor is connected, is in none.
static bool is_asked_for(const struct diag *d, struct file *file, struct found *f,
                         struct linux_inet_diag_sockid *id)
{
    struct socket *s = socket_of(file);
    int32_t type;
    if (!known_protocol(d->of_inet->protocol, &type) || s->family != d->of_inet->family ||
        s->type != type || (type == LINUX_SOCK_DGRAM && s->protocol != UDP) || !find(file, f))
        return false;
    get_ends(f, id);
    return type == LINUX_SOCK_RAW ||
           (id->sport && (type == LINUX_SOCK_DGRAM || f->view.state != LINUX_TCP_CLOSE));
}

static void dump_inet(struct diag *d)
{
    const struct linux_inet_diag_sockid *want = &d->of_inet->id;
    for (size_t i = 0; i < d->sockets.count; i++) {
        struct found f;
        struct linux_inet_diag_sockid id;
        if (is_asked_for(d, d->sockets.files[i], &f, &id) && has_state(&f, d->of_inet->states) &&
            (!want->sport || want->sport == id.sport) && (!want->dport || want->dport == id.dport))
            put_inet(d, &f, &id);
    }
}

static bool same_address(const uint32_t a[4], const uint32_t b[4])
{
    return memcmp(a, b, 4 * sizeof a[0]) == 0;
}

// How well a socket fits one that is asked for by its addresses, as packets find it: 2, both ends
// do; 1, its own does, and it takes what anybody sends; 0, it does not.
static int fits(const struct linux_inet_diag_sockid *want, const struct linux_inet_diag_sockid *id)
{
    static const uint32_t any[4];
    bool own = id->sport == want->sport;
    if (own && id->dport && id->dport == want->dport && same_address(id->src, want->src) &&
        same_address(id->dst, want->dst))
        return 2;
    return own && !id->dport && (same_address(id->src, want->src) || same_address(id->src, any));
}

static int answer_inet_one(struct diag *d)
{
    struct found best = {.socket = NULL};
    struct linux_inet_diag_sockid best_id;
    int best_fit = 0;
    for (size_t i = 0; i < d->sockets.count; i++) {
        struct found f;
        struct linux_inet_diag_sockid id;
        int fit = is_asked_for(d, d->sockets.files[i], &f, &id) ? fits(&d->of_inet->id, &id) : 0;
        if (fit > best_fit) {
            best = f;
            best_id = id;
            best_fit = fit;
        }
    }
    if (!best.socket || !has_cookie(&best, d->of_inet->id.cookie))
        return -LINUX_ENOENT;
    put_inet(d, &best, &best_id);
    return 0;
}

static int answer_inet(struct diag *d, const struct linux_nlmsghdr *request)
{
    struct linux_inet_diag_req r;
    size_t n;
    int32_t type;
    if (request->len < sizeof *request + sizeof r)
        return -LINUX_EINVAL;
    memcpy(&r, request + 1, sizeof r);
    d->of_inet = &r;
    if (netlink_request_attr(request, sizeof r, LINUX_INET_DIAG_REQ_BYTECODE, &n))
        return -LINUX_EOPNOTSUPP;
    // The number of a protocol may be too large for its byte.
    const void *wide = netlink_request_attr(request, sizeof r, LINUX_INET_DIAG_REQ_PROTOCOL, &n);
    uint32_t protocol = r.protocol;
    if (wide && n >= sizeof protocol)
        memcpy(&protocol, wide, sizeof protocol);
    bool known = protocol <= UINT8_MAX && known_protocol((uint8_t)protocol, &type);
    r.protocol = (uint8_t)protocol;
    if (!d->answer->multi)
        return known ? answer_inet_one(d) : -LINUX_ENOENT;
    if (known)
        dump_inet(d);
    else
        d->answer->ended = -LINUX_ENOENT;
    return 0;
}

// --- AF_UNIX -------------------------------------------------------------------------------------

// The inode of the file of a socket that is in the list; 0: it has none.
static uint32_t inode_of(const struct diag *d, const struct socket *s)
{
    struct vfs_stat st;
    for (size_t i = 0; s && i < d->sockets.count; i++) {
        struct file *file = d->sockets.files[i];
        if (socket_of(file) == s && !file->inode->ops->getattr(file->inode, &st))
            return (uint32_t)st.ino;
    }
    return 0;
}

static void put_unix_name(struct netlink_answer *a, struct socket *s)
{
    struct sock_addr own = {.len = 0};
    const uint32_t head = sizeof own.family;
    if (!s->ops->getname(s, false, &own) && own.len > head)
        netlink_attr(a, LINUX_UNIX_DIAG_NAME, own.un.path, own.len - head);
}

static void put_unix_file(struct netlink_answer *a, const struct path *bound)
{
    struct vfs_stat st;
    struct inode *inode = path_inode(bound);
    if (!inode || inode->ops->getattr(inode, &st))
        return;
    const uint32_t where[2] = {(uint32_t)st.ino, (uint32_t)st.dev};
    netlink_attr(a, LINUX_UNIX_DIAG_VFS, where, sizeof where);
}

static void put_unix_relations(struct diag *d, const struct found *f)
{
    uint32_t show = d->of_unix->show, inodes[ARRAY_LEN(((struct unix_relations *)0)->waiting)];
    struct unix_relations r;
    unix_relations(f->socket, &r);
    if (show & 1 << LINUX_UNIX_DIAG_VFS && r.in_tree)
        put_unix_file(d->answer, &r.bound);
    if (r.in_tree)
        path_put(&r.bound);
    if (show & 1 << LINUX_UNIX_DIAG_PEER && r.has_peer)
        netlink_attr_u32(d->answer, LINUX_UNIX_DIAG_PEER, inode_of(d, r.peer));
    if (!(show & 1 << LINUX_UNIX_DIAG_ICONS) || f->view.state != LINUX_TCP_LISTEN)
        return;
    for (unsigned i = 0; i < r.count; i++)
        inodes[i] = inode_of(d, r.waiting[i]);
    netlink_attr(d->answer, LINUX_UNIX_DIAG_ICONS, inodes, r.count * sizeof inodes[0]);
}

static void put_unix(struct diag *d, const struct found *f)
{
    struct netlink_answer *a = d->answer;
    struct linux_unix_diag_msg msg = {
        .family = LINUX_AF_UNIX,
        .type = (uint8_t)f->socket->type,
        .state = f->view.state,
        .inode = f->inode,
    };
    const uint32_t queues[2] = {f->view.receive_queue, f->view.send_queue};
    cookie_of(f, msg.cookie);
    netlink_message_begin(a, LINUX_SOCK_DIAG_BY_FAMILY, &msg, sizeof msg);
    if (d->of_unix->show & 1 << LINUX_UNIX_DIAG_NAME)
        put_unix_name(a, f->socket);
    put_unix_relations(d, f);
    if (d->of_unix->show & 1 << LINUX_UNIX_DIAG_RQLEN)
        netlink_attr(a, LINUX_UNIX_DIAG_RQLEN, queues, sizeof queues);
    if (d->of_unix->show & 1 << LINUX_UNIX_DIAG_MEMINFO)
        put_memory(a, LINUX_UNIX_DIAG_MEMINFO, f);
    netlink_attr(a, LINUX_UNIX_DIAG_SHUTDOWN, &f->view.shut, 1);
    netlink_message_end(a);
}

static int answer_unix(struct diag *d, const struct linux_nlmsghdr *request)
{
    struct linux_unix_diag_req r;
    if (request->len < sizeof *request + sizeof r)
        return -LINUX_EINVAL;
    memcpy(&r, request + 1, sizeof r);
    d->of_unix = &r;
    if (!d->answer->multi && !r.inode)
        return -LINUX_EINVAL;
    for (size_t i = 0; i < d->sockets.count; i++) {
        struct found f;
        if (socket_of(d->sockets.files[i])->family != LINUX_AF_UNIX ||
            !find(d->sockets.files[i], &f))
            continue;
        if (!d->answer->multi && f.inode == r.inode) {
            if (!has_cookie(&f, r.cookie))
                return -LINUX_ESTALE;
            put_unix(d, &f);
            return 0;
        }
        if (d->answer->multi && has_state(&f, r.states))
            put_unix(d, &f);
    }
    return d->answer->multi ? 0 : -LINUX_ENOENT;
}

int netlink_diag_answer(struct kernel *kernel, const struct linux_nlmsghdr *request,
                        struct netlink_answer *a)
{
    enum { OLD_GETSOCK = 18, OLD_DCCP_GETSOCK = 19, FAMILIES = 46 };
    struct diag d = {.answer = a};
    if (request->type == OLD_GETSOCK || request->type == OLD_DCCP_GETSOCK ||
        request->type == LINUX_SOCK_DESTROY)
        return -LINUX_EOPNOTSUPP;
    if (request->type != LINUX_SOCK_DIAG_BY_FAMILY || request->len < sizeof *request + 2)
        return -LINUX_EINVAL;
    uint8_t family = *(const uint8_t *)(request + 1);
    if (family >= FAMILIES)
        return -LINUX_EINVAL;
    if (family != LINUX_AF_INET && family != LINUX_AF_INET6 && family != LINUX_AF_UNIX)
        return -LINUX_ENOENT;
    socket_list_fill(kernel, &d.sockets);
    int err = family == LINUX_AF_UNIX ? answer_unix(&d, request) : answer_inet(&d, request);
    socket_list_free(&d.sockets);
    return err;
}
