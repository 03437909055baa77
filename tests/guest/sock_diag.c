// NETLINK_SOCK_DIAG: what ss(8) asks, about sockets of this process's own, found by their inodes.
#include "probe.h"
#include "work_dir.h"
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { EVERY_STATE = 0xffffff, DUMP = NLM_F_REQUEST | NLM_F_DUMP };

static uint32_t inode_of(int fd)
{
    struct stat st;
    fstat(fd, &st);
    return (uint32_t)st.st_ino;
}

// --- Asking --------------------------------------------------------------------------------------

static char answer[1 << 16];
static size_t answer_len;
static int status; // of the answer: 0 or an error

// All messages of the answer; false when it said that there is an error, which errno then is.
static bool ask(const void *request, size_t len, int flags, int type)
{
    struct {
        struct nlmsghdr h;
        char body[512];
    } q = {.h = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(len),
                 .nlmsg_type = (uint16_t)type,
                 .nlmsg_flags = (uint16_t)flags,
                 .nlmsg_seq = 7}};
    memcpy(q.body, request, len);
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    answer_len = 0;
    status = 0;
    if (s < 0 || send(s, &q, q.h.nlmsg_len, 0) < 0) {
        status = errno;
        return false;
    }
    bool more = true;
    while (more) {
        ssize_t n = recv(s, answer + answer_len, sizeof answer - answer_len, 0);
        if (n <= 0)
            break;
        struct nlmsghdr *h = (void *)(answer + answer_len);
        size_t left = (size_t)n;
        more = false;
        for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            more = h->nlmsg_flags & NLM_F_MULTI && h->nlmsg_type != NLMSG_DONE;
            if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE)
                status = -*(const int *)NLMSG_DATA(h);
        }
        answer_len += (size_t)n;
    }
    close(s);
    return status == 0;
}

static bool ask_inet(int family, int protocol, uint32_t states, uint8_t ext)
{
    struct inet_diag_req_v2 r = {.sdiag_family = (uint8_t)family,
                                 .sdiag_protocol = (uint8_t)protocol,
                                 .idiag_states = states,
                                 .idiag_ext = ext};
    return ask(&r, sizeof r, DUMP, SOCK_DIAG_BY_FAMILY);
}

// --- Showing -------------------------------------------------------------------------------------

static uint32_t known[8];
static const char *const known_name[] = {"none", "first", "second", "third", "fourth", "fifth"};

static const char *name_of(uint32_t ino)
{
    for (int i = 1; i < 6; i++)
        if (known[i] == ino)
            return known_name[i];
    return ino ? "other" : "none";
}

static uint16_t ports[6];
static const char *port_name(uint16_t port)
{
    static char text[2][8];
    static int turn;
    for (int i = 0; i < 6; i++)
        if (ports[i] && ports[i] == ntohs(port)) {
            snprintf(text[turn ^= 1], 8, "P%d", i);
            return text[turn];
        }
    return port ? "other" : "0";
}

static void show_inet_attr(const struct nlattr *a)
{
    const uint8_t *v = (const uint8_t *)(a + 1);
    size_t n = a->nla_len - sizeof *a;
    uint32_t words[9] = {0};
    switch (a->nla_type) {
    case INET_DIAG_SHUTDOWN:
        SHOW("  ... shutdown", "%d", v[0]);
        break;
    case INET_DIAG_SKV6ONLY:
        SHOW("  ... only 6", "%d", v[0]);
        break;
    case INET_DIAG_TOS:
        SHOW("  ... tos", "%d", v[0]);
        break;
    case INET_DIAG_TCLASS:
        SHOW("  ... class", "%d", v[0]);
        break;
    case INET_DIAG_CONG:
        SHOW("  ... congestion", "%d", n > 1 && !v[n - 1]);
        break;
    case INET_DIAG_INFO:
        SHOW("  ... info", "state %d, %d", v[0], n > 100);
        break;
    case INET_DIAG_SKMEMINFO:
        memcpy(words, v, n < sizeof words ? n : sizeof words);
        SHOW("  ... memory", "%zu words, room %d %d", n / 4, words[SK_MEMINFO_RCVBUF] > 0,
             words[SK_MEMINFO_SNDBUF] > 0);
        break;
    case INET_DIAG_PROTOCOL:
        SHOW("  ... protocol", "%d", v[0]);
        break;
    default: // what a kernel was built to know
        break;
    }
}

// What the last answer says of one socket.
static void show_inet(const char *name, int fd)
{
    size_t left = answer_len;
    int found = 0;
    if (status) {
        SHOW(name, "%s", strerrorname_np(status));
        return;
    }
    for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        struct inet_diag_msg *m = NLMSG_DATA(h);
        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || m->idiag_inode != inode_of(fd))
            continue;
        char from[64], to[64];
        found++;
        inet_ntop(m->idiag_family, m->id.idiag_src, from, sizeof from);
        inet_ntop(m->idiag_family, m->id.idiag_dst, to, sizeof to);
        SHOW(name,
             "family %d state %d retransmits %d from %s %s to %s %s if %d cookie %d queues %u %u "
             "uid %u",
             m->idiag_family, m->idiag_state, m->idiag_retrans, from, port_name(m->id.idiag_sport),
             to, port_name(m->id.idiag_dport), (int)m->id.idiag_if,
             m->id.idiag_cookie[0] != INET_DIAG_NOCOOKIE, m->idiag_rqueue, m->idiag_wqueue,
             m->idiag_uid);
        for (size_t at = NLMSG_ALIGN(sizeof *m); at < NLMSG_PAYLOAD(h, 0);) {
            struct nlattr *a = (void *)((char *)m + at);
            show_inet_attr(a);
            at += NLA_ALIGN(a->nla_len);
        }
    }
    SHOW(name, "%d of it", found);
}

// When the network has not finished, only that can be asked.
static void show_shut(const char *name, int fd)
{
    size_t left = answer_len;
    for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        struct inet_diag_msg *m = NLMSG_DATA(h);
        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || m->idiag_inode != inode_of(fd))
            continue;
        const struct nlattr *a = (const void *)(m + 1);
        SHOW(name, "%d", *(const uint8_t *)(a + 1));
    }
}

static void show_unix_attr(const struct nlattr *a)
{
    const uint8_t *v = (const uint8_t *)(a + 1);
    size_t n = a->nla_len - sizeof *a;
    uint32_t words[9] = {0};
    memcpy(words, v, n < sizeof words ? n : sizeof words);
    switch (a->nla_type) {
    case UNIX_DIAG_NAME:
        SHOW("  ... name", "%zu: %s%.*s", n, *v ? "" : "@", (int)n - !*v, (const char *)v + !*v);
        break;
    case UNIX_DIAG_VFS: {
        struct stat st;
        stat("bound", &st);
        SHOW("  ... file", "%d", words[0] == (uint32_t)st.st_ino);
        break;
    }
    case UNIX_DIAG_PEER:
        SHOW("  ... peer", "%s", name_of(words[0]));
        break;
    case UNIX_DIAG_ICONS:
        SHOW("  ... waiting", "%zu, %s", n / 4, name_of(words[0]));
        break;
    case UNIX_DIAG_RQLEN:
        SHOW("  ... queues", "%u %s", words[0],
             words[1] > 5    ? "some"
             : words[1] == 5 ? "5"
                             : "none"); // Linux counts its buffers
        break;
    case UNIX_DIAG_MEMINFO:
        SHOW("  ... memory", "%zu words, receive %u send %u", n / 4, words[SK_MEMINFO_RCVBUF],
             words[SK_MEMINFO_SNDBUF]);
        break;
    case UNIX_DIAG_SHUTDOWN:
        SHOW("  ... shutdown", "%d", v[0]);
        break;
    default:
        break;
    }
}

static void show_unix(const char *name, int fd)
{
    size_t left = answer_len;
    int found = 0;
    if (status) {
        SHOW(name, "%s", strerrorname_np(status));
        return;
    }
    for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        struct unix_diag_msg *m = NLMSG_DATA(h);
        if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || m->udiag_ino != inode_of(fd))
            continue;
        found++;
        SHOW(name, "family %d type %d state %d pad %d cookie %d", m->udiag_family, m->udiag_type,
             m->udiag_state, m->pad, m->udiag_cookie[0] != INET_DIAG_NOCOOKIE);
        for (size_t at = NLMSG_ALIGN(sizeof *m); at < NLMSG_PAYLOAD(h, 0);) {
            struct nlattr *a = (void *)((char *)m + at);
            show_unix_attr(a);
            at += NLA_ALIGN(a->nla_len);
        }
    }
    SHOW(name, "%d of it", found);
}

// --- TCP and UDP ---------------------------------------------------------------------------------

static int bound(int family, int type, int i)
{
    int s = socket(family, type, 0);
    struct sockaddr_in6 a = {.sin6_family = (sa_family_t)family};
    if (family == AF_INET)
        ((struct sockaddr_in *)(void *)&a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        a.sin6_addr = in6addr_loopback;
    socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof a;
    if (bind(s, (void *)&a, len))
        abort();
    getsockname(s, (void *)&a, &len);
    ports[i] = ntohs(a.sin6_port);
    return s;
}

static int connected(int type, int family, int to, int i)
{
    struct sockaddr_in6 a;
    socklen_t len = sizeof a;
    getsockname(to, (void *)&a, &len);
    int s = socket(family, type, 0);
    if (connect(s, (void *)&a, len))
        abort();
    len = sizeof a;
    getsockname(s, (void *)&a, &len);
    ports[i] = ntohs(a.sin6_port);
    return s;
}

static void stream(int family)
{
    int l = bound(family, SOCK_STREAM, 0);
    int fresh = socket(family, SOCK_STREAM, 0);
    listen(l, 5);
    int c = connected(SOCK_STREAM, family, l, 1);
    ask_inet(family, IPPROTO_TCP, EVERY_STATE, 0);
    show_inet("listening, one waits", l);
    show_inet("fresh", fresh);
    int a = accept(l, NULL, NULL);
    send(c, "12345", 5, 0);
    char byte;
    recv(a, &byte, 1, 0);
    ask_inet(family, IPPROTO_TCP, EVERY_STATE, 0xff);
    show_inet("listening", l);
    show_inet("client", c);
    show_inet("server", a);
    ask_inet(family, IPPROTO_TCP, 1 << TCP_LISTEN, 0);
    show_inet("of those that listen, the listening", l);
    show_inet("of those that listen, the client", c);
    ask_inet(family == AF_INET ? AF_INET6 : AF_INET, IPPROTO_TCP, EVERY_STATE, 0);
    show_inet("of the other family", l);
    ask_inet(family, IPPROTO_UDP, EVERY_STATE, 0);
    show_inet("of the other protocol", l);
    shutdown(c, SHUT_WR);
    recv(a, &byte, 1, MSG_WAITALL);
    while (recv(a, &byte, 1, 0) > 0)
        ;
    ask_inet(family, IPPROTO_TCP, EVERY_STATE, 0);
    show_shut("which shut down", c);
    show_shut("whose peer shut down", a);
    // One by its addresses
    struct inet_diag_req_v2 r = {.sdiag_family = (uint8_t)family,
                                 .sdiag_protocol = IPPROTO_TCP,
                                 .idiag_states = EVERY_STATE,
                                 .id = {.idiag_sport = htons(ports[0]),
                                        .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}};
    r.id.idiag_src[family == AF_INET ? 0 : 3] = htonl(family == AF_INET ? INADDR_LOOPBACK : 1);
    ask(&r, sizeof r, NLM_F_REQUEST, SOCK_DIAG_BY_FAMILY);
    show_inet("one", l);
    r.id.idiag_cookie[0] = 12345678;
    ask(&r, sizeof r, NLM_F_REQUEST, SOCK_DIAG_BY_FAMILY);
    show_inet("one with another cookie", l);
    r.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    r.id.idiag_sport = htons(1);
    ask(&r, sizeof r, NLM_F_REQUEST, SOCK_DIAG_BY_FAMILY);
    show_inet("none", l);
    r.id.idiag_sport = htons(ports[0]);
    ask(&r, sizeof r, DUMP, SOCK_DIAG_BY_FAMILY);
    show_inet("all of a port, the listening", l);
    show_inet("all of a port, the client", c);
    show_shut("all of a port, the server", a);
    close(l), close(fresh), close(c), close(a);
}

static void datagrams(int family)
{
    int b = bound(family, SOCK_DGRAM, 0), fresh = socket(family, SOCK_DGRAM, 0);
    int c = connected(SOCK_DGRAM, family, b, 1);
    ask_inet(family, IPPROTO_UDP, EVERY_STATE, 0xff);
    show_inet("bound", b);
    show_inet("fresh", fresh);
    show_inet("connected", c);
    ask_inet(family, IPPROTO_UDP, 1 << TCP_ESTABLISHED, 0);
    show_inet("of the connected, the bound", b);
    show_inet("of the connected, the connected", c);
    shutdown(c, SHUT_RD);
    ask_inet(family, IPPROTO_UDP, EVERY_STATE, 0);
    show_inet("which shut down", c);
    close(b), close(fresh), close(c);
}

// --- AF_UNIX -------------------------------------------------------------------------------------

enum { SHOW_ALL = 0x3f };

static bool ask_unix(uint32_t states, uint32_t show, uint32_t ino, int flags)
{
    struct unix_diag_req r = {.sdiag_family = AF_UNIX,
                              .udiag_states = states,
                              .udiag_show = show,
                              .udiag_ino = ino,
                              .udiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}};
    return ask(&r, sizeof r, flags, SOCK_DIAG_BY_FAMILY);
}

static void local(void)
{
    struct sockaddr_un in_tree = {AF_UNIX, "bound"}, abstract = {AF_UNIX, "\0sock-diag-probe"};
    int l = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0), pair[2];
    bind(l, (void *)&in_tree, sizeof in_tree);
    bind(d, (void *)&abstract, offsetof(struct sockaddr_un, sun_path) + 16);
    listen(l, 5);
    int c = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(c, (void *)&in_tree, sizeof in_tree);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    send(pair[0], "abc", 3, 0);
    int fds[] = {l, d, c, pair[0], pair[1]};
    for (int i = 0; i < 5; i++)
        known[i + 1] = inode_of(fds[i]);
    ask_unix(EVERY_STATE, SHOW_ALL, 0, DUMP);
    show_unix("listening, one waits", l);
    show_unix("datagrams", d);
    show_unix("client", c);
    show_unix("one of a pair", pair[0]);
    show_unix("the other", pair[1]);
    int a = accept(l, NULL, NULL);
    known[2] = inode_of(a);
    ask_unix(EVERY_STATE, SHOW_ALL, 0, DUMP);
    show_unix("listening", l);
    show_unix("client", c);
    show_unix("server", a);
    ask_unix(1 << TCP_LISTEN, 0, 0, DUMP);
    show_unix("of those that listen, the listening", l);
    show_unix("of those that listen, the client", c);
    shutdown(c, SHUT_WR);
    close(pair[1]);
    ask_unix(EVERY_STATE, UDIAG_SHOW_PEER, 0, DUMP);
    show_unix("which shut down", c);
    show_unix("whose peer shut down", a);
    show_unix("whose peer is gone", pair[0]);
    ask_unix(EVERY_STATE, UDIAG_SHOW_NAME, inode_of(l), NLM_F_REQUEST);
    show_unix("one", l);
    ask_unix(EVERY_STATE, UDIAG_SHOW_NAME, 0, NLM_F_REQUEST);
    show_unix("none asked for", l);
    ask_unix(EVERY_STATE, UDIAG_SHOW_NAME, 0xfffffff0, NLM_F_REQUEST);
    show_unix("no such", l);
    close(l), close(d), close(c), close(a), close(pair[0]);
}

// --- Requests that are wrong ---------------------------------------------------------------------

static void show_status(const char *name)
{
    SHOW(name, "%s", status ? strerrorname_np(status) : "done");
}

static void wrong(void)
{
    struct inet_diag_req_v2 r = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP};
    ask(&r, 1, DUMP, SOCK_DIAG_BY_FAMILY);
    show_status("one byte");
    ask(&r, sizeof(struct sock_diag_req), DUMP, SOCK_DIAG_BY_FAMILY);
    show_status("family and protocol");
    ask(&r, sizeof r - 1, DUMP, SOCK_DIAG_BY_FAMILY);
    show_status("one byte short");
    ask(&r, sizeof r, DUMP, SOCK_DIAG_BY_FAMILY);
    show_status("no states");
    r.sdiag_protocol = 200;
    ask(&r, sizeof r, DUMP, SOCK_DIAG_BY_FAMILY);
    show_status("protocol");
    struct {
        struct inet_diag_req_v2 r;
        struct nlattr attr;
        uint32_t value;
    } wide = {{.sdiag_family = AF_INET, .sdiag_protocol = 200},
              {NLA_HDRLEN + 4, INET_DIAG_REQ_PROTOCOL},
              IPPROTO_TCP};
    ask(&wide, sizeof wide, DUMP, SOCK_DIAG_BY_FAMILY);
    show_status("protocol in an attribute");
    wide.value = 256 + IPPROTO_TCP + 1;
    ask(&wide, sizeof wide, DUMP, SOCK_DIAG_BY_FAMILY);
    show_status("wide protocol");
    ask(&wide, sizeof wide, NLM_F_REQUEST, SOCK_DIAG_BY_FAMILY);
    show_status("one of a wide protocol");
    r.sdiag_protocol = IPPROTO_TCP;
    static const int families[] = {0, AF_AX25, 40, 46, 200, 255};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        r.sdiag_family = (uint8_t)families[i];
        ask(&r, sizeof r, DUMP, SOCK_DIAG_BY_FAMILY);
        show_status("family");
    }
    r.sdiag_family = AF_INET;
    ask(&r, sizeof r, NLM_F_REQUEST, 30);
    show_status("type");
    ask(&r, sizeof r, NLM_F_REQUEST, SOCK_DIAG_BY_FAMILY);
    show_status("one without a port");
    struct unix_diag_req u = {.sdiag_family = AF_UNIX, .sdiag_protocol = 0};
    ask(&u, sizeof u - 1, DUMP, SOCK_DIAG_BY_FAMILY);
    show_status("unix, one byte short");
    u.sdiag_protocol = 1;
    ask(&u, sizeof u, DUMP, SOCK_DIAG_BY_FAMILY);
    show_status("unix, protocol");
}

static void body(void)
{
    enter_work_dir();
    stream(AF_INET);
    stream(AF_INET6);
    datagrams(AF_INET);
    datagrams(AF_INET6);
    local();
    wrong();
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
