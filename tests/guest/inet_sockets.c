// AF_INET and AF_INET6 over the loopback: addresses, connections, datagrams, options, readiness.
#include "probe.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#define BAD ((void *)8)
enum { ALL = 0x3fff };

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = (in_port_t)port, .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static int port_of(int fd)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    getsockname(fd, (struct sockaddr *)&a, &len);
    return a.sin_port;
}

static int listener(int type)
{
    int l = socket(AF_INET, type, 0);
    struct sockaddr_in a = loopback(0);
    bind(l, (struct sockaddr *)&a, sizeof a);
    if (type == SOCK_STREAM)
        listen(l, 5);
    return l;
}

static int connect_port(int fd, int port)
{
    struct sockaddr_in a = loopback(port);
    return connect(fd, (struct sockaddr *)&a, sizeof a);
}

// Waits for something, then shows all there is.
static void show_poll(const char *name, int fd, short wait_for)
{
    struct pollfd p = {fd, wait_for, 0};
    if (wait_for)
        poll(&p, 1, 5000);
    p.events = ALL;
    int n = poll(&p, 1, 0);
    SHOW(name, "%d revents %x", n, (unsigned)p.revents);
}

static void making(void)
{
    show_call("stream with UDP", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    show_call("datagram with TCP", socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
    show_call("packets", socket(AF_INET, SOCK_SEQPACKET, 0));
    show_call("huge protocol", socket(AF_INET, SOCK_STREAM, 300));
    show_call("raw without protocol", socket(AF_INET, SOCK_RAW, 0));
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    SHOW("flags", "%x %d", fcntl(s, F_GETFL), fcntl(s, F_GETFD));
    struct sockaddr_in a = loopback(0);
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};
    socklen_t len = sizeof a;
    show_call("getsockname", getsockname(s, (struct sockaddr *)&a, &len));
    SHOW("... unbound", "len %d family %d port %d addr %x", (int)len, a.sin_family, a.sin_port,
         a.sin_addr.s_addr);
    show_call("getpeername", getpeername(s, (struct sockaddr *)&a, &len));
    len = (socklen_t)-1;
    show_call("getsockname negative", getsockname(s, (struct sockaddr *)&a, &len));
    a = loopback(0);
    show_call("bind short", bind(s, (struct sockaddr *)&a, 8));
    show_call("bind bad pointer", bind(s, BAD, sizeof a));
    show_call("bind another family", bind(s, (struct sockaddr *)&a6, sizeof a6));
    a.sin_addr.s_addr = htonl(0x01020304);
    show_call("bind a foreign address", bind(s, (struct sockaddr *)&a, sizeof a));
    a = loopback(0);
    show_call("bind", bind(s, (struct sockaddr *)&a, sizeof a));
    show_call("bind again", bind(s, (struct sockaddr *)&a, sizeof a));
    int t = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_port = (in_port_t)port_of(s);
    show_call("bind taken", bind(t, (struct sockaddr *)&a, sizeof a));
    show_call("connect short", connect(t, (struct sockaddr *)&a, 8));
    show_call("connect another family", connect(t, (struct sockaddr *)&a6, sizeof a6));
    show_call("accept without listen", accept(s, NULL, NULL));
    show_call("read unconnected", read(t, &a, 1));
    show_call("send unconnected", send(t, &a, 1, MSG_NOSIGNAL));
    show_call("shutdown unconnected", shutdown(t, SHUT_RDWR));
    closefrom(3);
    t = socket(AF_INET, SOCK_STREAM, 0);
    show_poll("unconnected", t, 0);
    closefrom(3);
}

static void connecting(void)
{
    int l = listener(SOCK_STREAM), c = socket(AF_INET, SOCK_STREAM, 0), n;
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    char buf[16];
    show_poll("listening", l, 0);
    show_call("connect", connect_port(c, port_of(l)));
    show_call("connect again", connect_port(c, port_of(l)));
    show_poll("to be accepted", l, POLLIN);
    show_call("accept4 bad flag", accept4(l, NULL, NULL, 1));
    show_call("accept bad pointer", accept(l, BAD, &len));
    closefrom(5);
    close(c);
    c = socket(AF_INET, SOCK_STREAM, 0);
    connect_port(c, port_of(l));
    int s = accept4(l, (struct sockaddr *)&a, &len, SOCK_NONBLOCK);
    show_done("accept", s);
    SHOW("... from", "len %d family %d port ok %d", (int)len, a.sin_family,
         a.sin_port == port_of(c));
    SHOW("... flags", "%x", fcntl(s, F_GETFL));
    getpeername(c, (struct sockaddr *)&a, &len);
    SHOW("peer", "%d", a.sin_port == port_of(l));
    show_poll("connected", s, 0);
    show_call("nothing to read", read(s, buf, 16));
    show_call("write", write(c, "hello", 5));
    show_poll("data", s, POLLIN);
    ioctl(s, FIONREAD, &n);
    SHOW("FIONREAD", "%d", n);
    show_call("peek", recv(s, buf, 3, MSG_PEEK));
    show_call("read", read(s, buf, 16));
    show_call("send with address", sendto(c, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
    read(s, buf, 16);
    show_call("write bad pointer", write(c, BAD, 1));
    show_call("oob", send(c, "!", 1, MSG_OOB));
    show_poll("urgent", s, POLLPRI);
    show_call("recv oob", recv(s, buf, 16, MSG_OOB));
    show_call("shutdown", shutdown(c, SHUT_WR));
    show_poll("half closed", s, POLLRDHUP);
    show_call("read the end", read(s, buf, 16));
    show_call("write after shutdown", send(c, "x", 1, MSG_NOSIGNAL));
    IN_CHILD("SIGPIPE", send(c, "x", 1, 0));
    show_call("the other way", write(s, "back", 4));
    show_call("read", recv(c, buf, 16, 0));
    close(s);
    show_poll("closed", c, POLLHUP);
    close(c);
    int port = port_of(l);
    close(l);
    c = socket(AF_INET, SOCK_STREAM, 0);
    show_call("refused", connect_port(c, port));
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int r = connect_port(c, port);
    SHOW("refused, nonblocking", "%d", r < 0 && (errno == EINPROGRESS || errno == ECONNREFUSED));
    struct pollfd p = {c, POLLOUT, 0};
    poll(&p, 1, 5000);
    int error = 0;
    len = sizeof error;
    getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len);
    if (r < 0 && errno != ECONNREFUSED)
        SHOW("... error", "%s", strerrorname_np(error));
    closefrom(3);
}

static void resetting(void)
{
    int l = listener(SOCK_STREAM), c = socket(AF_INET, SOCK_STREAM, 0);
    char buf[4];
    connect_port(c, port_of(l));
    int s = accept(l, NULL, NULL);
    struct linger now_ = {1, 0};
    show_call("SO_LINGER 0", setsockopt(s, SOL_SOCKET, SO_LINGER, &now_, sizeof now_));
    close(s);
    show_poll("reset", c, POLLHUP);
    show_call("read", read(c, buf, 4));
    show_call("again", read(c, buf, 4));
    closefrom(3);
}

static void datagrams(void)
{
    int a = listener(SOCK_DGRAM), b = socket(AF_INET, SOCK_DGRAM, 0), n;
    struct sockaddr_in to = loopback(port_of(a)), from;
    socklen_t len = sizeof from;
    char buf[16];
    static char big[70000];
    show_poll("fresh", a, 0);
    show_call("send nowhere", send(b, "x", 1, 0));
    show_call("sendto", sendto(b, "hello", 5, 0, (struct sockaddr *)&to, sizeof to));
    show_poll("data", a, POLLIN);
    ioctl(a, FIONREAD, &n);
    SHOW("FIONREAD", "%d", n);
    show_call("recv cut", recvfrom(a, buf, 2, MSG_TRUNC, (struct sockaddr *)&from, &len));
    SHOW("... from", "len %d port ok %d", (int)len, from.sin_port == port_of(b));
    show_call("recv nothing", recv(a, buf, 2, MSG_DONTWAIT));
    show_call("too big", sendto(b, big, sizeof big, 0, (struct sockaddr *)&to, sizeof to));
    show_call("broadcast",
              sendto(b, "x", 1, 0,
                     (struct sockaddr *)&(struct sockaddr_in){AF_INET, 9, {0xffffffff}, {0}},
                     sizeof to));
    show_call("connect", connect(b, (struct sockaddr *)&to, sizeof to));
    show_call("send nothing", send(b, "", 0, 0));
    show_call("recv empty", recv(a, buf, 16, 0));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    show_call("disconnect", connect(b, &none, sizeof none));
    show_call("listen", listen(a, 1));
    show_call("accept", accept(a, NULL, NULL));
    show_call("oob", sendto(b, "x", 1, MSG_OOB, (struct sockaddr *)&to, sizeof to));
    connect(b, (struct sockaddr *)&to, sizeof to);
    close(a);
    send(b, "x", 1, 0);
    show_poll("nobody there", b, POLLERR);
    show_call("recv", recv(b, buf, 1, MSG_DONTWAIT));
    struct timeval tv = {0, 20000};
    setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    show_call("SO_RCVTIMEO", recv(b, buf, 1, 0));
    closefrom(3);
}

static void show_option(const char *name, int fd, int level, int option)
{
    int v = -1;
    socklen_t len = sizeof v;
    int r = getsockopt(fd, level, option, &v, &len);
    if (r)
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "%d len %d", v, (int)len);
}

static void options(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    show_option("SO_TYPE", s, SOL_SOCKET, SO_TYPE);
    show_option("SO_PROTOCOL", s, SOL_SOCKET, SO_PROTOCOL);
    show_option("SO_DOMAIN", s, SOL_SOCKET, SO_DOMAIN);
    show_option("SO_ERROR", s, SOL_SOCKET, SO_ERROR);
    show_option("SO_REUSEADDR", s, SOL_SOCKET, SO_REUSEADDR);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    show_option("SO_REUSEADDR", s, SOL_SOCKET, SO_REUSEADDR);
    show_option("TCP_NODELAY", s, IPPROTO_TCP, TCP_NODELAY);
    show_call("set TCP_NODELAY", setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    show_option("TCP_NODELAY", s, IPPROTO_TCP, TCP_NODELAY);
    show_call("set TCP_KEEPIDLE", setsockopt(s, IPPROTO_TCP, TCP_KEEPIDLE, &(int){77}, 4));
    show_option("TCP_KEEPIDLE", s, IPPROTO_TCP, TCP_KEEPIDLE);
    show_option("TCP_CORK", s, IPPROTO_TCP, TCP_CORK);
    show_option("TCP unknown", s, IPPROTO_TCP, 999);
    show_option("TCP_NODELAY of UDP", u, IPPROTO_TCP, TCP_NODELAY);
    show_call("set unknown", setsockopt(s, IPPROTO_TCP, 999, &on, sizeof on));
    show_option("IP_TTL", s, IPPROTO_IP, IP_TTL);
    show_call("set IP_TTL", setsockopt(s, IPPROTO_IP, IP_TTL, &(int){33}, 4));
    show_option("IP_TTL", s, IPPROTO_IP, IP_TTL);
    show_call("bad IP_TTL", setsockopt(s, IPPROTO_IP, IP_TTL, &(int){3333}, 4));
    show_call("SO_BROADCAST", setsockopt(u, SOL_SOCKET, SO_BROADCAST, &on, sizeof on));
    show_option("SO_BROADCAST", u, SOL_SOCKET, SO_BROADCAST);
    show_option("IP_MULTICAST_TTL", u, IPPROTO_IP, IP_MULTICAST_TTL);
    int s6 = socket(AF_INET6, SOCK_STREAM, 0);
    if (s6 >= 0) {
        show_option("IPV6_V6ONLY", s6, IPPROTO_IPV6, IPV6_V6ONLY);
        setsockopt(s6, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        show_option("IPV6_V6ONLY", s6, IPPROTO_IPV6, IPV6_V6ONLY);
    }
    closefrom(3);
}

// What ping asks for. Without the right to a raw socket there is none to ask, here and there.
static void filters(void)
{
    static const int kinds[] = {SOCK_RAW, SOCK_DGRAM};
    for (int i = 0; i < 2; i++) {
        enum { FILTER = 1 }; // ICMP_FILTER, ICMPV6_FILTER
        uint32_t mask = ~(1u << 0), got = 0;
        uint32_t six[8] = {1, 2, 3};
        int s = socket(AF_INET, kinds[i], IPPROTO_ICMP);
        socklen_t len = 0;
        show_done("icmp", s);
        show_call("filter", setsockopt(s, SOL_RAW, FILTER, &mask, sizeof mask));
        len = sizeof got;
        show_call("filter to get", getsockopt(s, SOL_RAW, FILTER, &got, &len));
        SHOW("filter", "%x %d", got, (int)len);
        len = 1;
        show_call("part of it", getsockopt(s, SOL_RAW, FILTER, &got, &len));
        SHOW("part", "%x %d", got & 0xff, (int)len);
        show_call("filter, short", setsockopt(s, SOL_RAW, FILTER, &mask, 2));
        show_call("filter, long", setsockopt(s, SOL_RAW, FILTER, six, sizeof six));
        show_call("filter, nowhere", setsockopt(s, SOL_RAW, FILTER, (void *)8, 4));
        show_call("no such option", setsockopt(s, SOL_RAW, 2, &mask, sizeof mask));
        s = socket(AF_INET6, kinds[i], IPPROTO_ICMPV6);
        show_done("icmp6", s);
        show_call("filter", setsockopt(s, IPPROTO_ICMPV6, FILTER, six, sizeof six));
        memset(six, 0, sizeof six);
        len = sizeof six;
        show_call("filter to get", getsockopt(s, IPPROTO_ICMPV6, FILTER, six, &len));
        SHOW("filter", "%x %x %x %d", six[0], six[1], six[2], (int)len);
        show_call("filter, nowhere", setsockopt(s, IPPROTO_ICMPV6, FILTER, (void *)8, sizeof six));
    }
    int s = socket(AF_INET, SOCK_STREAM, 0);
    uint32_t mask = 0;
    show_call("filter of a stream", setsockopt(s, SOL_RAW, 1, &mask, sizeof mask));
    closefrom(3);
}

static void *push(void *arg)
{
    int fd = *(int *)arg;
    static char block[65536];
    for (int i = 0; i < 64; i++)
        for (size_t at = 0; at < sizeof block;) {
            ssize_t n = write(fd, block + at, sizeof block - at);
            if (n < 0)
                return NULL;
            at += (size_t)n;
        }
    shutdown(fd, SHUT_WR);
    return NULL;
}

static void flowing(void)
{
    int l = listener(SOCK_STREAM), c = socket(AF_INET, SOCK_STREAM, 0);
    connect_port(c, port_of(l));
    int s = accept4(l, NULL, NULL, SOCK_NONBLOCK), ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET | EPOLLRDHUP};
    epoll_ctl(ep, EPOLL_CTL_ADD, s, &e);
    pthread_t t;
    pthread_create(&t, NULL, push, &c);
    static char buf[50000];
    size_t total = 0;
    for (int end = 0; !end;) {
        if (epoll_wait(ep, &e, 1, 5000) != 1)
            break;
        ssize_t n;
        while ((n = read(s, buf, sizeof buf)) > 0)
            total += (size_t)n;
        end = n == 0;
    }
    pthread_join(t, NULL);
    SHOW("through an edge", "%zu", total);
    closefrom(3);
}

static void body(void)
{
    closefrom(3);
    making();
    connecting();
    resetting();
    datagrams();
    options();
    filters();
    flowing();
}

int main(void)
{
    return run_as_child(body);
}
