// netlink(7) asked wrongly: headers that lie about their length, types nobody knows, addresses of
// other sockets, options. The host's Linux is asked.
#include "tests/guest/probe.h"
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>

static int sock;

static void open_socket(void)
{
    struct sockaddr_nl a = {.nl_family = AF_NETLINK};
    sock = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (sock < 0 || bind(sock, (struct sockaddr *)&a, sizeof a))
        abort();
}

// What comes back, message by message.
static void show_answers(const char *what)
{
    static char buf[65536];
    for (int left = 8; left; left--) {
        ssize_t n = recv(sock, buf, sizeof buf, 0);
        if (n < 0)
            return;
        struct nlmsghdr *h = (struct nlmsghdr *)buf;
        for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
            const struct nlmsgerr *e = NLMSG_DATA(h);
            if (h->nlmsg_type == NLMSG_ERROR)
                SHOW(what, "error %d, flags %#x, sequence %u, of %#x", e->error, h->nlmsg_flags,
                     h->nlmsg_seq, e->msg.nlmsg_type);
            else if (h->nlmsg_type == NLMSG_DONE)
                SHOW(what, "done, flags %#x, sequence %u", h->nlmsg_flags, h->nlmsg_seq);
            else if (h->nlmsg_seq != 77) { // the first of each kind stands for all
                SHOW(what, "type %u, flags %#x", h->nlmsg_type, h->nlmsg_flags);
                break;
            }
        }
    }
}

struct ask {
    struct nlmsghdr h;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg addr;
        struct rtmsg route;
        struct rtgenmsg any;
        char room[64];
    } u;
};

static void ask(const char *what, uint16_t type, uint16_t flags, uint32_t len, const void *body,
                size_t size)
{
    struct ask a = {.h = {len, type, flags, 5, 0}};
    char text[96];
    memcpy(&a.u, body, size);
    snprintf(text, sizeof text, "%s: send", what);
    open_socket();
    show_call(text, send(sock, &a, sizeof a.h + size, 0));
    show_answers(what);
    close(sock);
}

static void requests(void)
{
    const struct ifinfomsg loopback = {.ifi_family = AF_UNSPEC, .ifi_index = 1},
                           nowhere = {.ifi_family = AF_UNSPEC, .ifi_index = 9999},
                           negative = {.ifi_family = AF_UNSPEC, .ifi_index = -1}, none = {0};
    const struct ifaddrmsg four = {.ifa_family = AF_INET}, odd = {.ifa_family = 99};
    const uint32_t full = sizeof(struct nlmsghdr) + sizeof none;
    ask("a link", RTM_GETLINK, NLM_F_REQUEST, full, &loopback, sizeof loopback);
    ask("a link with an answer", RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, full, &loopback,
        sizeof loopback);
    ask("no such link", RTM_GETLINK, NLM_F_REQUEST, full, &nowhere, sizeof nowhere);
    ask("a negative link", RTM_GETLINK, NLM_F_REQUEST, full, &negative, sizeof negative);
    ask("which link", RTM_GETLINK, NLM_F_REQUEST, full, &none, sizeof none);
    ask("not a request", RTM_GETLINK, NLM_F_DUMP, full, &none, sizeof none);
    ask("a control message", NLMSG_NOOP, NLM_F_REQUEST, 16, &none, 0);
    ask("a control message with an answer", NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, 16, &none, 0);
    ask("an unknown type", 8000, NLM_F_REQUEST, full, &none, sizeof none);
    ask("an unknown type with an answer", 8000, NLM_F_REQUEST | NLM_F_ACK, full, &none,
        sizeof none);
    ask("a short body", RTM_GETLINK, NLM_F_REQUEST, 17, &none, 1);
    ask("no body", RTM_GETLINK, NLM_F_REQUEST, 16, &none, 0);
    ask("a dump without a body", RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 16, &none, 0);
    ask("a dump of a byte", RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 17, &none, 1);
    ask("addresses of a family", RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 24, &four, sizeof four);
    ask("addresses of an odd family", RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 24, &odd,
        sizeof odd);
    ask("a length shorter than the head", RTM_GETLINK, NLM_F_REQUEST, 8, &none, sizeof none);
    ask("a length longer than the message", RTM_GETLINK, NLM_F_REQUEST, 500, &none, sizeof none);
    ask("a length of nothing", RTM_GETLINK, NLM_F_REQUEST, 0, &none, sizeof none);
    open_socket();
    struct ask two[2];
    memset(two, 0, sizeof two);
    for (int i = 0; i < 2; i++) {
        two[i].h = (struct nlmsghdr){sizeof two[i], RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK,
                                     10 + (uint32_t)i, 0};
        two[i].u.link.ifi_index = 9999;
    }
    show_call("two requests", send(sock, two, sizeof two, 0));
    show_answers("two requests");
    two[0].h.nlmsg_len = sizeof two[0] - 3; // the next begins at the next multiple of four
    show_call("two requests, one uneven", send(sock, two, sizeof two, 0));
    show_answers("two requests, one uneven");
    show_call("half a head", send(sock, two, 7, 0));
    show_answers("half a head");
    close(sock);
}

static void addresses(void)
{
    struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_pid = 999999}, got;
    socklen_t len = sizeof got;
    char byte[64] = {16};
    open_socket();
    show_done("send to a port nobody has",
              sendto(sock, byte, 16, 0, (struct sockaddr *)&a, sizeof a));
    a.nl_pid = 0;
    a.nl_family = AF_INET;
    show_done("send to another family", sendto(sock, byte, 16, 0, (struct sockaddr *)&a, sizeof a));
    show_done("send to a short name", sendto(sock, byte, 16, 0, (struct sockaddr *)&a, 4));
    show_done("bind again",
              bind(sock,
                   (struct sockaddr *)&(struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_pid = 5},
                   sizeof a));
    show_done("bind of another family", bind(sock, (struct sockaddr *)&a, sizeof a));
    show_done("bind of too little", bind(sock, (struct sockaddr *)&a, 4));
    show_done("connect to another family", connect(sock, (struct sockaddr *)&a, sizeof a));
    show_done("connect to a byte", connect(sock, (struct sockaddr *)&a, 1));
    a = (struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_pid = 4242, .nl_groups = 2};
    show_done("connect", connect(sock, (struct sockaddr *)&a, sizeof a));
    getpeername(sock, (struct sockaddr *)&got, &len);
    SHOW("the other end", "%u %#x, %u bytes", got.nl_pid, got.nl_groups, len);
    show_done("send there", send(sock, byte, 16, 0));
    a.nl_family = AF_UNSPEC;
    show_done("disconnect", connect(sock, (struct sockaddr *)&a, sizeof a));
    getpeername(sock, (struct sockaddr *)&got, &len);
    SHOW("the other end then", "%u %#x", got.nl_pid, got.nl_groups);
    show_done("listen", listen(sock, 1));
    show_done("accept", accept(sock, NULL, NULL));
    show_done("shutdown", shutdown(sock, SHUT_RDWR));
    show_done("urgent data", send(sock, byte, 16, MSG_OOB));
    show_done("urgent data to receive", recv(sock, byte, 16, MSG_OOB));
    int other = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
    getsockname(other, (struct sockaddr *)&got, &len);
    SHOW("a name before it is used", "%u %#x", got.nl_pid, got.nl_groups);
    len = sizeof a;
    getsockname(sock, (struct sockaddr *)&a, &len);
    show_done("bind to a taken port", bind(other, (struct sockaddr *)&a, sizeof a));
    close(other);
    close(sock);
    static const int protocols[] = {-1, 1, 21, 22, 32};
    for (int i = 0; i < 5; i++)
        show_done("an odd protocol", socket(AF_NETLINK, SOCK_RAW, protocols[i]));
    show_done("a stream", socket(AF_NETLINK, SOCK_STREAM, 0));
    int events = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    show_done("a socket of events", events);
    show_call("nothing happens", recv(events, byte, 16, 0));
    close(events);
}

static void options(void)
{
    static const struct {
        const char *name;
        int number;
    } all[] = {{"ADD_MEMBERSHIP", 1},  {"DROP_MEMBERSHIP", 2}, {"PKTINFO", 3},
               {"BROADCAST_ERROR", 4}, {"NO_ENOBUFS", 5},      {"CAP_ACK", 10},
               {"EXT_ACK", 11},        {"GET_STRICT_CHK", 12}, {"none", 99}};
    char text[64];
    static const int values[] = {0, 1, 5, -1, 200};
    for (size_t o = 0; o < sizeof all / sizeof *all; o++) {
        open_socket();
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            int got = 7;
            socklen_t len = sizeof got;
            snprintf(text, sizeof text, "%s = %d", all[o].name, values[i]);
            show_done(text, setsockopt(sock, SOL_NETLINK, all[o].number, &values[i], 4));
            int n = getsockopt(sock, SOL_NETLINK, all[o].number, &got, &len);
            if (n < 0)
                show_done("... read", n);
            else
                SHOW("... read", "%d, %u bytes", got, len);
        }
        socklen_t len = 2;
        snprintf(text, sizeof text, "%s in 2 bytes", all[o].name);
        show_done(text, setsockopt(sock, SOL_NETLINK, all[o].number, values, 2));
        show_done("... read", getsockopt(sock, SOL_NETLINK, all[o].number, text, &len));
        close(sock);
    }
    open_socket();
    socklen_t len = 4;
    show_done("another level", setsockopt(sock, 250, 1, values, 4));
    show_done("... read", getsockopt(sock, 250, 1, text, &len));
    int one = 1;
    setsockopt(sock, SOL_NETLINK, 10, &one, 4);
    struct ask a = {.h = {sizeof a, RTM_GETLINK, NLM_F_REQUEST, 6, 0}};
    a.u.link.ifi_index = 9999;
    send(sock, &a, sizeof a, 0);
    char buf[512];
    show_call("a capped error's size", recv(sock, buf, sizeof buf, 0));
    one = 0;
    setsockopt(sock, SOL_NETLINK, 10, &one, 4);
    send(sock, &a, sizeof a, 0);
    show_call("an error's size", recv(sock, buf, sizeof buf, 0));
    close(sock);
}

int main(void)
{
    requests();
    addresses();
    options();
    return 0;
}
