// Interfaces as programs learn of them: rtnetlink sockets, netdevice ioctls and getifaddrs.
#include "probe.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define BAD ((void *)8)

static int route_socket(int type)
{
    return socket(AF_NETLINK, type, NETLINK_ROUTE);
}

static void show_name(const char *name, int fd, int peer)
{
    struct sockaddr_nl a = {0};
    socklen_t len = sizeof a;
    int r = peer ? getpeername(fd, (void *)&a, &len) : getsockname(fd, (void *)&a, &len);
    if (r < 0)
        show_call(name, r);
    else
        SHOW(name, "family %d pid %s groups %x len %d", a.nl_family,
             !a.nl_pid                   ? "none"
             : (int)a.nl_pid == getpid() ? "mine"
                                         : "other",
             a.nl_groups, (int)len);
}

static void making(void)
{
    show_done("raw", route_socket(SOCK_RAW));
    show_done("dgram", route_socket(SOCK_DGRAM | SOCK_CLOEXEC));
    show_done("stream", route_socket(SOCK_STREAM));
    show_done("seqpacket", route_socket(SOCK_SEQPACKET));
    show_done("no such protocol", socket(AF_NETLINK, SOCK_RAW, 31));
    show_done("protocol beyond", socket(AF_NETLINK, SOCK_RAW, 32));
    show_done("protocol -1", socket(AF_NETLINK, SOCK_RAW, -1));
    show_done("uevent", socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT));
    int pair[2];
    show_done("pair", socketpair(AF_NETLINK, SOCK_RAW, 0, pair));
    int s = route_socket(SOCK_RAW), t = route_socket(SOCK_RAW);
    show_name("unbound", s, 0);
    struct sockaddr_nl a = {.nl_family = AF_NETLINK};
    show_done("bind short", bind(s, (void *)&a, 4));
    a.nl_family = AF_INET;
    show_done("bind family", bind(s, (void *)&a, sizeof a));
    a.nl_family = AF_NETLINK;
    show_done("bind", bind(s, (void *)&a, sizeof a));
    show_name("bound", s, 0);
    show_name("peer", s, 1);
    show_done("bind again", bind(s, (void *)&a, sizeof a));
    show_done("bind second", bind(t, (void *)&a, sizeof a));
    show_name("second", t, 0);
    a.nl_pid = 77777;
    show_done("bind other", bind(s, (void *)&a, sizeof a));
    a.nl_pid = (unsigned)getpid();
    int u = route_socket(SOCK_RAW);
    show_done("bind taken", bind(u, (void *)&a, sizeof a));
    show_done("listen", listen(u, 1));
    show_done("accept", accept(u, NULL, NULL));
    show_done("shutdown", shutdown(u, SHUT_RD));
    a.nl_pid = 0;
    show_done("connect", connect(u, (void *)&a, sizeof a));
    struct pollfd p = {u, 0x3fff, 0};
    poll(&p, 1, 0);
    SHOW("poll", "%x", (unsigned)p.revents);
    show_done("empty", recv(u, &a, sizeof a, MSG_DONTWAIT));
    show_done("oob", send(u, &a, 4, MSG_OOB));
    show_call("short send", send(u, &a, 4, 0));
    close(s), close(t), close(u);
}

static void options(void)
{
    int s = route_socket(SOCK_RAW), one = 1, value;
    static const int flags[] = {NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR, NETLINK_NO_ENOBUFS,
                                NETLINK_CAP_ACK, NETLINK_EXT_ACK,         NETLINK_GET_STRICT_CHK};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        char name[40];
        socklen_t len = sizeof value;
        snprintf(name, sizeof name, "option %d", flags[i]);
        show_done(name, setsockopt(s, SOL_NETLINK, flags[i], &one, sizeof one));
        show_done(name, setsockopt(s, SOL_NETLINK, flags[i], &one, 2));
        value = -1;
        int r = getsockopt(s, SOL_NETLINK, flags[i], &value, &len);
        SHOW(name, "%d value %d len %d", r, value, (int)len);
        len = 2;
        show_done(name, getsockopt(s, SOL_NETLINK, flags[i], &value, &len));
    }
    int group = RTNLGRP_LINK;
    show_done("join", setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group));
    show_name("joined", s, 0);
    show_done("leave", setsockopt(s, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof group));
    group = 0;
    show_done("join 0", setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group));
    show_done("unknown option", setsockopt(s, SOL_NETLINK, 99, &one, sizeof one));
    show_done("unknown level", setsockopt(s, SOL_IP, 1, &one, sizeof one));
    close(s);
}

struct request {
    struct nlmsghdr h;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg addr;
        struct rtgenmsg gen;
    };
    char attrs[64];
};

static int ask(int s, int type, int flags, size_t body, struct request *r)
{
    r->h.nlmsg_type = (unsigned short)type;
    r->h.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags);
    r->h.nlmsg_len = (unsigned)(sizeof r->h + body);
    r->h.nlmsg_seq = 4711;
    return (int)send(s, r, r->h.nlmsg_len, 0);
}

static void show_link(struct nlmsghdr *h)
{
    struct ifinfomsg *i = NLMSG_DATA(h);
    if (!(i->ifi_flags & IFF_LOOPBACK))
        return; // other interfaces have more to say than we know
    SHOW("link", "family %d type %d index %d flags %x", i->ifi_family, i->ifi_type, i->ifi_index,
         i->ifi_flags);
    int left = (int)IFLA_PAYLOAD(h);
    for (struct rtattr *a = IFLA_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        switch (a->rta_type) {
        case IFLA_IFNAME:
            SHOW("link name", "%s", (char *)RTA_DATA(a));
            break;
        case IFLA_MTU:
            SHOW("link mtu", "%u", *(unsigned *)RTA_DATA(a));
            break;
        case IFLA_OPERSTATE:
            SHOW("link state", "%d", *(unsigned char *)RTA_DATA(a));
            break;
        case IFLA_ADDRESS:
            SHOW("link address", "%d bytes", (int)RTA_PAYLOAD(a));
            break;
        default:
            break;
        }
    }
}

static void show_addr(struct nlmsghdr *h)
{
    struct ifaddrmsg *i = NLMSG_DATA(h);
    char text[64];
    SHOW("addr", "family %d/%d scope %d index %d", i->ifa_family, i->ifa_prefixlen, i->ifa_scope,
         i->ifa_index);
    int left = (int)IFA_PAYLOAD(h);
    for (struct rtattr *a = IFA_RTA(i); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        bool is_text = a->rta_type == IFA_LABEL;
        bool is_addr =
            a->rta_type == IFA_ADDRESS || a->rta_type == IFA_LOCAL || a->rta_type == IFA_BROADCAST;
        if (is_text)
            SHOW("addr label", "%s", (char *)RTA_DATA(a));
        else if (is_addr)
            SHOW("addr value", "%d %s", a->rta_type,
                 inet_ntop(i->ifa_family, RTA_DATA(a), text, sizeof text));
    }
}

// Shows one datagram's messages; true when the answer is over.
static bool show_messages(int s, char *buf, ssize_t n, bool multi)
{
    for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
        if (h->nlmsg_seq != 4711)
            SHOW("sequence", "%u", h->nlmsg_seq);
        if (h->nlmsg_type == NLMSG_ERROR) {
            struct nlmsgerr *e = NLMSG_DATA(h);
            SHOW("status", "%s, of type %d", e->error ? strerrorname_np(-e->error) : "0",
                 e->msg.nlmsg_type);
            return true;
        }
        if (h->nlmsg_type == NLMSG_DONE) {
            SHOW("done", "%d, length %u", *(int *)NLMSG_DATA(h), h->nlmsg_len);
            return true;
        }
        if (!!(h->nlmsg_flags & NLM_F_MULTI) != multi)
            SHOW("flags", "%x", h->nlmsg_flags);
        if (h->nlmsg_type == RTM_NEWLINK)
            show_link(h);
        else if (h->nlmsg_type == RTM_NEWADDR)
            show_addr(h);
        else if (h->nlmsg_type != RTM_NEWROUTE && h->nlmsg_type != RTM_NEWNEIGH)
            SHOW("message", "%d", h->nlmsg_type);
    }
    (void)s;
    return !multi;
}

static void show_answer(const char *name, int s, bool multi)
{
    static char buf[65536];
    SHOW("answer to", "%s", name);
    for (bool over = false; !over;) {
        struct sockaddr_nl from = {0};
        socklen_t len = sizeof from;
        struct pollfd p = {s, POLLIN, 0};
        if (poll(&p, 1, 3000) != 1) {
            SHOW(name, "%s", "nothing came");
            return;
        }
        ssize_t n = recvfrom(s, buf, sizeof buf, 0, (void *)&from, &len);
        if (n < 0 || from.nl_family != AF_NETLINK || from.nl_pid || len != sizeof from) {
            show_call(name, n);
            return;
        }
        over = show_messages(s, buf, n, multi);
    }
    show_done("nothing more", recv(s, buf, sizeof buf, MSG_DONTWAIT));
}

static void asking(void)
{
    int s = route_socket(SOCK_RAW);
    struct request r;
    memset(&r, 0, sizeof r);
    ask(s, RTM_GETLINK, NLM_F_DUMP, sizeof r.link, &r);
    show_answer("links", s, true);
    ask(s, RTM_GETADDR, NLM_F_DUMP, sizeof r.addr, &r);
    show_answer("addresses", s, true);
    r.addr.ifa_family = AF_INET;
    ask(s, RTM_GETADDR, NLM_F_DUMP, sizeof r.addr, &r);
    show_answer("IPv4 addresses", s, true);
    r.addr.ifa_family = AF_INET6;
    ask(s, RTM_GETADDR, NLM_F_DUMP, sizeof r.gen, &r);
    show_answer("IPv6 addresses", s, true);
    memset(&r, 0, sizeof r);
    ask(s, RTM_GETROUTE, NLM_F_DUMP, sizeof r.gen, &r);
    show_answer("routes", s, true);
    r.link.ifi_index = 1;
    ask(s, RTM_GETLINK, 0, sizeof r.link, &r);
    show_answer("link 1", s, false);
    r.link.ifi_index = 4242;
    ask(s, RTM_GETLINK, 0, sizeof r.link, &r);
    show_answer("link 4242", s, false);
    ask(s, RTM_GETLINK, NLM_F_ACK, sizeof r.link, &r);
    show_answer("link 4242, acknowledged", s, false);
    memset(&r, 0, sizeof r);
    ask(s, RTM_GETLINK, 0, sizeof r.link, &r);
    show_answer("no link", s, false);
    struct rtattr *a = (void *)r.attrs;
    *a = (struct rtattr){RTA_LENGTH(3), IFLA_IFNAME};
    memcpy(RTA_DATA(a), "lo", 3);
    ask(s, RTM_GETLINK, 0, sizeof r.link + 8, &r);
    show_answer("lo", s, false);
    memcpy(RTA_DATA(a), "xx", 3);
    ask(s, RTM_GETLINK, 0, sizeof r.link + 8, &r);
    show_answer("xx", s, false);
    // A peek leaves the answer; a short buffer cuts it.
    char small[8];
    memset(&r, 0, sizeof r);
    r.link.ifi_index = 4242;
    ask(s, RTM_GETLINK, 0, sizeof r.link, &r);
    show_call("peek", recv(s, small, sizeof small, MSG_PEEK));
    SHOW("length", "%s", recv(s, small, sizeof small, MSG_PEEK | MSG_TRUNC) > 20 ? "whole" : "cut");
    struct iovec v = {small, sizeof small};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    show_call("cut", recvmsg(s, &m, 0));
    SHOW("cut flags", "%x", (unsigned)m.msg_flags);
    show_done("nothing more", recv(s, small, sizeof small, MSG_DONTWAIT));
    close(s);
}

static void show_ioctl(const char *name, int s, unsigned long cmd, struct ifreq *r, bool addr)
{
    char text[64];
    if (ioctl(s, cmd, r) < 0)
        show_call(name, -1);
    else if (addr)
        SHOW(
            name, "%d %s", r->ifr_addr.sa_family,
            inet_ntop(AF_INET, &((struct sockaddr_in *)&r->ifr_addr)->sin_addr, text, sizeof text));
    else
        SHOW(name, "%d", r->ifr_ifindex);
}

static void devices(void)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0), u = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct ifreq r = {.ifr_name = "lo"};
    show_ioctl("index", s, SIOCGIFINDEX, &r, false);
    show_ioctl("index by unix", u, SIOCGIFINDEX, &r, false);
    memset(r.ifr_name, 0, sizeof r.ifr_name);
    r.ifr_ifindex = 1;
    show_done("name", ioctl(s, SIOCGIFNAME, &r));
    SHOW("name 1", "%s", r.ifr_name);
    show_done("flags", ioctl(s, SIOCGIFFLAGS, &r));
    SHOW("flags of lo", "%hx", r.ifr_flags);
    show_ioctl("mtu", s, SIOCGIFMTU, &r, false);
    show_ioctl("metric", s, SIOCGIFMETRIC, &r, false);
    show_ioctl("address", s, SIOCGIFADDR, &r, true);
    show_ioctl("mask", s, SIOCGIFNETMASK, &r, true);
    show_ioctl("broadcast", s, SIOCGIFBRDADDR, &r, true);
    show_ioctl("destination", s, SIOCGIFDSTADDR, &r, true);
    show_done("hardware", ioctl(s, SIOCGIFHWADDR, &r));
    SHOW("hardware type", "%d", r.ifr_hwaddr.sa_family);
    show_done("bad pointer", ioctl(s, SIOCGIFFLAGS, BAD));
    memcpy(r.ifr_name, "none7", 6);
    show_ioctl("no device", s, SIOCGIFFLAGS, &r, false);
    r.ifr_ifindex = 4242;
    show_done("no such index", ioctl(s, SIOCGIFNAME, &r));
    struct ifconf c = {.ifc_len = 0, .ifc_req = NULL};
    show_done("size of list", ioctl(s, SIOCGIFCONF, &c));
    struct ifreq list[32];
    SHOW("size fits", "%d", c.ifc_len % (int)sizeof *list);
    int size = c.ifc_len;
    c = (struct ifconf){.ifc_len = sizeof list, .ifc_req = list};
    show_done("list", ioctl(s, SIOCGIFCONF, &c));
    SHOW("list size", "%d", c.ifc_len == size);
    SHOW("first", "%s", list[0].ifr_name);
    c = (struct ifconf){.ifc_len = 5, .ifc_req = list};
    show_done("list without room", ioctl(s, SIOCGIFCONF, &c));
    SHOW("list without room", "%d", c.ifc_len);
    show_done("not a socket", ioctl(0, SIOCGIFCONF, &c));
    close(s), close(u);
}

static void names(void)
{
    char text[64], name[IF_NAMESIZE];
    struct ifaddrs *list;
    if (getifaddrs(&list) == 0)
        for (struct ifaddrs *i = list; i; i = i->ifa_next) {
            int family = i->ifa_addr ? i->ifa_addr->sa_family : -1;
            if (family == AF_INET)
                SHOW("ifaddr", "%s %x %s", i->ifa_name, i->ifa_flags,
                     inet_ntop(family, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text,
                               sizeof text));
            else
                SHOW("ifaddr", "%s %x family %d", i->ifa_name, i->ifa_flags, family);
        }
    SHOW("lo", "%u", if_nametoindex("lo"));
    SHOW("index 1", "%s", if_indextoname(1, name));
    struct if_nameindex *index = if_nameindex();
    for (struct if_nameindex *i = index; i && i->if_index; i++)
        SHOW("interface", "%u %s", i->if_index, i->if_name);
}

int main(void)
{
    making();
    options();
    asking();
    devices();
    names();
    return 0;
}
