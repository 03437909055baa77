// Who may ask netlink(7) what: dumps that are narrowed by family and interface, strictly or not,
// groups and ports of other users, and answers that do not fit.
#include "probe.h"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif
#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static int sock;

static void open_socket(int strict)
{
    sock = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (sock < 0)
        abort();
    setsockopt(sock, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict, sizeof strict);
}

// What there is of the loopback interface; of others there may be anything.
static void show_message(struct nlmsghdr *h)
{
    char text[64] = "";
    if (h->nlmsg_type == NLMSG_ERROR) {
        struct nlmsgerr *e = NLMSG_DATA(h);
        SHOW("... error", "%s", e->error ? strerrorname_np(-e->error) : "none");
    } else if (h->nlmsg_type == NLMSG_DONE) {
        int why;
        memcpy(&why, NLMSG_DATA(h), sizeof why);
        SHOW("... done", "%s, %s", h->nlmsg_flags & NLM_F_MULTI ? "of many" : "alone",
             why < 0 ? strerrorname_np(-why) : "no error");
    } else if (h->nlmsg_type == RTM_NEWADDR) {
        struct ifaddrmsg *m = NLMSG_DATA(h);
        int left = (int)IFA_PAYLOAD(h);
        for (struct rtattr *r = IFA_RTA(m); RTA_OK(r, left); r = RTA_NEXT(r, left))
            if (r->rta_type == IFA_ADDRESS)
                inet_ntop(m->ifa_family, RTA_DATA(r), text, sizeof text);
        if (m->ifa_index == 1)
            SHOW("... address", "%s/%d, scope %d", text, m->ifa_prefixlen, m->ifa_scope);
    } else if (h->nlmsg_type == RTM_NEWLINK) {
        const struct ifinfomsg *m = NLMSG_DATA(h);
        if (m->ifi_index == 1)
            SHOW("... link", "type %d, %s", m->ifi_type, m->ifi_flags & IFF_UP ? "up" : "down");
    }
}
static void show_answer(void)
{
    static char buf[65536];
    for (;;) {
        ssize_t n = recv(sock, buf, sizeof buf, 0);
        if (n < 0)
            break;
        for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n))
            show_message(h);
    }
}

// `size`: of the body that is sent.
static void ask(const char *name, int type, int flags, const void *body, size_t size)
{
    struct {
        struct nlmsghdr h;
        char body[128];
    } r = {{0}, {0}};
    r.h = (struct nlmsghdr){.nlmsg_len = (uint32_t)(sizeof r.h + size),
                            .nlmsg_type = (uint16_t)type,
                            .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
                            .nlmsg_seq = 7};
    memcpy(r.body, body, size);
    show_done(name, send(sock, &r, sizeof r.h + size, 0));
    show_answer();
}

static void narrowed(int strict)
{
    open_socket(strict);
    struct ifaddrmsg a = {0};
    static const struct {
        const char *name;
        int family, index;
    } rows[] = {{"all of lo", AF_INET, 1},
                {"no interface", AF_INET, 0},
                {"an interface there is not", AF_INET, 70000},
                {"IPv6 of lo", AF_INET6, 1},
                {"every family of lo", AF_UNSPEC, 1},
                {"no family of ours", AF_UNIX, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        a.ifa_family = (uint8_t)rows[i].family;
        a.ifa_index = (uint32_t)rows[i].index;
        ask(rows[i].name, RTM_GETADDR, NLM_F_DUMP, &a, sizeof a);
    }
    a = (struct ifaddrmsg){.ifa_family = AF_INET};
    if (!strict)
        ask("the family alone", RTM_GETADDR, NLM_F_DUMP, &a, 1);
    ask("one IPv4 address", RTM_GETADDR, 0, &a, sizeof a);
    struct ifinfomsg l = {.ifi_index = 1};
    ask("link 1", RTM_GETLINK, 0, &l, sizeof l);
    l.ifi_index = 70000;
    ask("a link there is not", RTM_GETLINK, 0, &l, sizeof l);
    l.ifi_index = 0;
    ask("no link", RTM_GETLINK, 0, &l, sizeof l);
    ask("all links", RTM_GETLINK, NLM_F_DUMP, &l, sizeof l);
    struct {
        struct ifinfomsg m;
        struct rtattr r;
        char name[8];
    } named = {{0}, {.rta_len = 7, .rta_type = IFLA_IFNAME}, "lo"};
    ask("by name", RTM_GETLINK, 0, &named, sizeof named.m + 8);
    memcpy(named.name, "zz", 3);
    ask("by another name", RTM_GETLINK, 0, &named, sizeof named.m + 8);
    ask("no type at all", 0x3ff, 0, &l, sizeof l);
    ask("an acknowledged no-op", NLMSG_NOOP, NLM_F_ACK, &l, 0);
    close(sock);
}

static void user(void)
{
    struct sockaddr_nl to = {.nl_family = AF_NETLINK};
    open_socket(0);
    struct ifinfomsg l = {.ifi_index = 1};
    ask("a new link", RTM_NEWLINK, NLM_F_ACK, &l, sizeof l);
    ask("a change of a link", RTM_SETLINK, NLM_F_ACK, &l, sizeof l);
    struct ifaddrmsg a = {.ifa_family = AF_INET, .ifa_index = 1};
    ask("an address goes", RTM_DELADDR, NLM_F_ACK, &a, sizeof a);
    ask("link 1", RTM_GETLINK, 0, &l, sizeof l);
    char text[32] = {0};
    to.nl_groups = 1;
    show_done("to a group", sendto(sock, text, sizeof text, 0, (struct sockaddr *)&to, sizeof to));
    show_done("connect to a group", connect(sock, (struct sockaddr *)&to, sizeof to));
    to.nl_groups = 0, to.nl_pid = 77777;
    show_done("to a port", sendto(sock, text, sizeof text, 0, (struct sockaddr *)&to, sizeof to));
    show_done("connect to a port", connect(sock, (struct sockaddr *)&to, sizeof to));
    to.nl_pid = 0;
    show_done("connect to the kernel", connect(sock, (struct sockaddr *)&to, sizeof to));
    close(sock);
    open_socket(0);
    to.nl_groups = 1;
    show_done("bind to a group", bind(sock, (struct sockaddr *)&to, sizeof to));
    static const int groups[] = {0, 1, 5, 32, 100, 100000, -1};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        show_done("join", setsockopt(sock, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], 4));
        show_done("leave", setsockopt(sock, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &groups[i], 4));
    }
    close(sock);
}

// Answers in pieces, too large, peeked at.
static void sizes(void)
{
    char buf[16];
    struct ifinfomsg l = {.ifi_index = 1};
    struct {
        struct nlmsghdr h;
        struct ifinfomsg l;
    } r = {{sizeof r, RTM_GETLINK, NLM_F_REQUEST, 1, 0}, l};
    open_socket(0);
    send(sock, &r, sizeof r, 0);
    show_call("its size", recv(sock, buf, 16, MSG_PEEK | MSG_TRUNC) > 100);
    show_call("a part", recv(sock, buf, 16, 0));
    show_call("the rest is gone", recv(sock, buf, 16, 0));
    send(sock, &r, sizeof r, 0);
    struct iovec v = {buf, 16};
    struct sockaddr_nl from = {.nl_pid = 99};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof from};
    show_call("with its name", recvmsg(sock, &m, 0));
    SHOW("...", "%#x, %u bytes, port %u, groups %#x", m.msg_flags, m.msg_namelen, from.nl_pid,
         from.nl_groups);
    send(sock, &r, sizeof r, 0);
    show_call("to nowhere", recv(sock, (char *)8, 16, 0));
    show_call("... then", recv(sock, buf, 16, 0));
    show_call("from nowhere", send(sock, (char *)8, 32, 0));
    show_call("nothing", send(sock, buf, 0, 0));
    static char large[300000];
    show_call("too much", send(sock, large, sizeof large, 0));
    close(sock);
}

static void all(void)
{
    IN_CHILD("narrowed", narrowed(0));
    IN_CHILD("narrowed strictly", narrowed(1));
    IN_CHILD("user", if (setresuid(1000, 1000, 1000)) abort(); user());
    IN_CHILD("sizes", sizes());
}

int main(void)
{
    return run_as_child(all);
}
