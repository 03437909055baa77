// /proc/PID/net: sockets, interfaces, addresses and routes as text.
//
// Sockets are those that descriptors of the guest's processes name; what waits to be accepted or is
// in a message has no line. The host counts what interfaces carry, and does not tell: those are 0.
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/net/socket.h"
#include "kernel/net/socket_list.h"
#include "kernel/proc/node.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/socket.h"
#include "platform/host_net.h"
#include <stdio.h>
#include <string.h>

// --- Every socket --------------------------------------------------------------------------------

// Calls `line` for each socket of the family, and of the type unless that is 0.
static void each_socket(struct proc_text *t, const struct proc_node *node, int32_t family,
                        int32_t type,
                        void (*line)(struct proc_text *t, unsigned n, struct socket *s,
                                     const struct vfs_stat *st))
{
    struct socket_list list = {NULL, 0, 0};
    unsigned n = 0;
    socket_list_fill(node->kernel, &list);
    for (size_t i = 0; i < list.count; i++) {
        struct socket *s = socket_of(list.files[i]);
        struct vfs_stat st;
        if (s->family != family || (type && s->type != type))
            continue;
        if (!list.files[i]->inode->ops->getattr(list.files[i]->inode, &st))
            line(t, n++, s, &st);
    }
    socket_list_free(&list);
}

// --- AF_INET, AF_INET6 ---------------------------------------------------------------------------

static void print_address(struct proc_text *t, int32_t family, const struct sock_addr *a)
{
    uint32_t words[4] = {0};
    uint16_t port = 0;
    unsigned count = family == LINUX_AF_INET6 ? 4 : 1;
    if (a->len && family == LINUX_AF_INET6) {
        memcpy(words, &a->in6.addr, sizeof words);
        memcpy(&port, &a->in6.port, sizeof port);
    } else if (a->len) {
        memcpy(words, &a->in.addr, sizeof words[0]);
        memcpy(&port, &a->in.port, sizeof port);
    }
    for (unsigned i = 0; i < count; i++)
        proc_printf(t, "%08X", words[i]);
    proc_printf(t, ":%04X", (unsigned)(port >> 8 | (port & 0xff) << 8));
}

static void inet_line(struct proc_text *t, unsigned n, struct socket *s, const struct vfs_stat *st)
{
    struct sock_addr own = {.len = 0}, peer = {.len = 0};
    if (s->ops->getname(s, false, &own))
        own.len = 0;
    if (s->ops->getname(s, true, &peer))
        peer.len = 0;
    struct socket_view view = {.state = 0};
    s->ops->view(s, &view);
    bool stream = s->type == LINUX_SOCK_STREAM, raw = s->type == LINUX_SOCK_RAW;
    if ((!raw && !own.in.port) || (stream && view.state == LINUX_TCP_CLOSE))
        return; // in no table of Linux's either
    size_t start = t->len, width = stream ? 149 : raw ? 0 : 127;
    proc_printf(t, "%*u: ", stream || raw ? 4 : 5, n);
    print_address(t, s->family, &own);
    proc_printf(t, " ");
    print_address(t, s->family, &peer);
    // Linux does not show how many connections a socket that listens would let wait.
    proc_printf(t, " %02X %08X:%08X 00:00000000 00000000 %5u        0 %llu %u %016x", view.state,
                view.state == LINUX_TCP_LISTEN ? 0 : view.send_queue, view.receive_queue, st->uid,
                (unsigned long long)st->ino, stream ? 1 : 2, 0);
    if (stream)
        proc_printf(t, " 100 0 0 10 0");
    else
        proc_printf(t, " 0");
    while (s->family == LINUX_AF_INET && !t->failed && t->len - start < width)
        proc_printf(t, " ");
    proc_printf(t, "\n");
}

// Addresses of 16 bytes are wider than the words above them.
#define WIDE_HEADER                                                                                \
    "  sl  local_address                         remote_address                        st "        \
    "tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"

static int show_tcp(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    proc_printf(t, "%-149s\n",
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
                "retrnsmt   uid  timeout inode");
    each_socket(t, node, LINUX_AF_INET, LINUX_SOCK_STREAM, inet_line);
    return 0;
}

static int show_tcp6(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    proc_printf(t, WIDE_HEADER "\n");
    each_socket(t, node, LINUX_AF_INET6, LINUX_SOCK_STREAM, inet_line);
    return 0;
}

static void datagrams(struct proc_text *t, const struct proc_node *node, int32_t family,
                      int32_t type)
{
    if (family == LINUX_AF_INET && type == LINUX_SOCK_RAW)
        proc_printf(t, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
                       "retrnsmt   uid  timeout inode ref pointer drops\n");
    else if (family == LINUX_AF_INET)
        proc_printf(t, "%-127s\n",
                    "   sl  local_address rem_address   st tx_queue rx_queue tr "
                    "tm->when retrnsmt   uid  timeout inode ref pointer drops");
    else
        proc_printf(t, WIDE_HEADER " ref pointer drops\n");
    each_socket(t, node, family, type, inet_line);
}

static int show_udp(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    datagrams(t, node, LINUX_AF_INET, LINUX_SOCK_DGRAM);
    return 0;
}

static int show_udp6(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    datagrams(t, node, LINUX_AF_INET6, LINUX_SOCK_DGRAM);
    return 0;
}

static int show_raw(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    datagrams(t, node, LINUX_AF_INET, LINUX_SOCK_RAW);
    return 0;
}

static int show_raw6(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    datagrams(t, node, LINUX_AF_INET6, LINUX_SOCK_RAW);
    return 0;
}

// --- AF_UNIX, AF_NETLINK, AF_PACKET --------------------------------------------------------------

static void unix_line(struct proc_text *t, unsigned n, struct socket *s, const struct vfs_stat *st)
{
    enum { FLAG_ACCEPTS = 1 << 16, UNCONNECTED = 1, CONNECTED = 3 };
    struct sock_addr own = {.len = 0}, peer;
    (void)n;
    if (s->ops->getname(s, false, &own))
        own.len = 0;
    bool connected = !s->ops->getname(s, true, &peer);
    struct socket_view view;
    s->ops->view(s, &view);
    proc_printf(t, "%016x: %08X %08X %08X %04X %02X %5llu", 0, connected ? 3 : 2, 0,
                view.state == LINUX_TCP_LISTEN ? FLAG_ACCEPTS : 0, (unsigned)s->type,
                connected ? CONNECTED : UNCONNECTED, (unsigned long long)st->ino);
    const size_t head = sizeof own.family;
    if (own.len > head) {
        // A name in the tree ends at its NUL; the other kind begins with one, shown as "@".
        bool abstract = !own.un.path[0];
        size_t len = own.len - head;
        proc_printf(t, " ");
        if (!abstract)
            len = strnlen(own.un.path, len);
        for (size_t i = 0; i < len; i++)
            proc_printf(t, "%c", own.un.path[i] ? own.un.path[i] : '@');
    }
    proc_printf(t, "\n");
}

static int show_unix(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    proc_printf(t, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    each_socket(t, node, LINUX_AF_UNIX, 0, unix_line);
    return 0;
}

static void netlink_line(struct proc_text *t, unsigned n, struct socket *s,
                         const struct vfs_stat *st)
{
    struct sock_addr own = {.len = 0};
    uint32_t port = 0;
    (void)n;
    if (!s->ops->getname(s, false, &own))
        memcpy(&port, own.bytes + 4, sizeof port);
    proc_printf(t, "%016x %-3d %-10u %08x %-8d %-8d %-5d %-8d %-8d %-8llu\n", 0, s->protocol, port,
                0, 0, 0, 0, 2, 0, (unsigned long long)st->ino);
}

static int show_netlink(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    proc_printf(t, "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    "
                   "Drops    Inode\n");
    each_socket(t, node, LINUX_AF_NETLINK, 0, netlink_line);
    return 0;
}

static int show_packet(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node;
    proc_printf(t, "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n");
    return 0;
}

// --- Interfaces and routes -----------------------------------------------------------------------

static int show_dev(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    struct host_network net;
    (void)node;
    proc_printf(t, "Inter-|   Receive                                                |  Transmit\n"
                   " face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
                   "packets errs drop fifo colls carrier compressed\n");
    int err = host_network_read(&net);
    if (err)
        return err;
    for (size_t i = 0; i < net.interface_count; i++)
        proc_printf(t, "%6s: %7d %7d %4d %4d %4d %5d %10d %9d %8d %7d %4d %4d %4d %5d %7d %10d\n",
                    net.interfaces[i].name, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    host_network_free(&net);
    return 0;
}

static uint32_t word_of(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static void route_line(struct proc_text *t, const struct host_network *net,
                       const struct host_route *r)
{
    enum { UP = 1, GATEWAY = 2, HOST = 4 };
    const struct host_interface *i = host_network_find(net, r->index);
    uint8_t mask[4] = {0};
    for (unsigned bit = 0; bit < r->dst_len && bit < 32; bit++)
        mask[bit / 8] = (uint8_t)(mask[bit / 8] | 0x80 >> bit % 8);
    unsigned flags = UP | (r->has_gateway ? GATEWAY : 0u) | (r->dst_len == 32 ? HOST : 0u);
    size_t start = t->len;
    proc_printf(t, "%s\t%08X\t%08X\t%04X\t0\t0\t%u\t%08X\t0\t0\t0", i ? i->name : "*",
                r->dst_len ? word_of(r->dst) : 0, r->has_gateway ? word_of(r->gateway) : 0, flags,
                r->metric, word_of(mask));
    enum { WIDTH = 127 };
    while (!t->failed && t->len - start < WIDTH)
        proc_printf(t, " ");
    proc_printf(t, "\n");
}

static int show_route(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    struct host_network net;
    (void)node;
    int err = host_network_read(&net);
    if (err)
        return err;
    proc_printf(t, "%-127s\n",
                "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\t"
                "MTU\tWindow\tIRTT");
    for (size_t i = 0; i < net.route_count; i++) {
        if (net.routes[i].family == LINUX_AF_INET)
            route_line(t, &net, &net.routes[i]);
    }
    host_network_free(&net);
    return 0;
}

static int show_if_inet6(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    enum { PERMANENT = 0x80, HOST = 0x10, LINK = 0x20, GLOBAL = 0 };
    struct host_network net;
    (void)node;
    int err = host_network_read(&net);
    if (err)
        return err;
    for (size_t i = 0; i < net.address_count; i++) {
        const struct host_address *a = &net.addresses[i];
        const struct host_interface *on = host_network_find(&net, a->index);
        if (a->family != LINUX_AF_INET6 || !on)
            continue;
        for (unsigned b = 0; b < sizeof a->addr; b++)
            proc_printf(t, "%02x", a->addr[b]);
        unsigned scope = a->scope == LINUX_RT_SCOPE_HOST   ? HOST
                         : a->scope == LINUX_RT_SCOPE_LINK ? LINK
                                                           : GLOBAL;
        proc_printf(t, " %02x %02x %02x %02x %8s\n", a->index, a->prefix_len, scope, PERMANENT,
                    on->name);
    }
    host_network_free(&net);
    return 0;
}

// --- Counts --------------------------------------------------------------------------------------

static int show_sockstat(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    struct socket_list list = {NULL, 0, 0};
    unsigned tcp = 0, udp = 0, raw = 0;
    socket_list_fill(node->kernel, &list);
    for (size_t i = 0; i < list.count; i++) {
        const struct socket *s = socket_of(list.files[i]);
        if (s->family != LINUX_AF_INET)
            continue;
        tcp += s->type == LINUX_SOCK_STREAM;
        udp += s->type == LINUX_SOCK_DGRAM;
        raw += s->type == LINUX_SOCK_RAW;
    }
    proc_printf(t,
                "sockets: used %zu\nTCP: inuse %u orphan 0 tw 0 alloc %u mem 0\n"
                "UDP: inuse %u mem 0\nUDPLITE: inuse 0\nRAW: inuse %u\nFRAG: inuse 0 memory 0\n",
                list.count, tcp, tcp, udp, raw);
    socket_list_free(&list);
    return 0;
}

const struct proc_entry proc_net_children[] = {
    PROC_FILE("dev", 0444, show_dev),         PROC_FILE("if_inet6", 0444, show_if_inet6),
    PROC_FILE("netlink", 0444, show_netlink), PROC_FILE("packet", 0444, show_packet),
    PROC_FILE("raw", 0444, show_raw),         PROC_FILE("raw6", 0444, show_raw6),
    PROC_FILE("route", 0444, show_route),     PROC_FILE("sockstat", 0444, show_sockstat),
    PROC_FILE("tcp", 0444, show_tcp),         PROC_FILE("tcp6", 0444, show_tcp6),
    PROC_FILE("udp", 0444, show_udp),         PROC_FILE("udp6", 0444, show_udp6),
    PROC_FILE("unix", 0444, show_unix),       {.name = NULL},
};
