// What fills up, waits and is dropped on sockets: datagrams that find no room, streams whose reader
// is slow, calls that have a time limit, credentials that keep messages apart, time stamps, and
// sockets whose peer has gone.
#include "asleep.h"
#include "probe.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static char big[200000];

static socklen_t name_of(struct sockaddr_un *a, const char *name)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "ish-%d-%s", (int)getppid(), name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a->sun_path + 1));
}
static void on_signal(int sig)
{
    (void)sig;
}
static void set_limit(int fd, int which, long ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, which, &t, sizeof t);
}
static void set(int fd, int option, int value)
{
    show_done("... set", setsockopt(fd, SOL_SOCKET, option, &value, sizeof value));
}
static void show_option(const char *name, int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    show_done(name, getsockopt(fd, SOL_SOCKET, option, &value, &size));
    SHOW("... is", "%d", value);
}
static void show_poll(const char *name, int fd)
{
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
    poll(&p, 1, 0);
    SHOW(name, "%#x", p.revents);
}

// --- Datagrams and packets -----------------------------------------------------------------------

static void fill(const char *name, int fd)
{
    int n = 0;
    while (send(fd, "x", 1, MSG_DONTWAIT) == 1)
        n++;
    SHOW(name, "%s, %s", n > 0 ? "some" : "none", strerrorname_np(errno));
}
static void full(int type)
{
    int s[2];
    char c[8];
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL);
    socketpair(AF_UNIX, type, 0, s);
    fill("until it is full", s[0]);
    show_poll("full", s[0]);
    set_limit(s[0], SO_SNDTIMEO, 30);
    show_call("within a time", send(s[0], "x", 1, 0));
    set_limit(s[0], SO_SNDTIMEO, 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        show_call("interrupted", send(s[0], "x", 1, 0));
        _exit(0);
    }
    task_until_asleep(pid);
    kill(pid, SIGUSR1);
    show_end("...", pid);
    pid = fork();
    if (pid == 0)
        _exit(send(s[0], "y", 1, 0) == 1 ? 1 : 2);
    task_until_asleep(pid);
    while (recv(s[1], c, 1, MSG_DONTWAIT) == 1 && c[0] == 'x')
        ;
    show_end("one that waited", pid);
    while (recv(s[1], c, 1, MSG_DONTWAIT) == 1)
        ;
    fill("again", s[0]);
    pid = fork();
    if (pid == 0) {
        close(s[1]);
        signal(SIGPIPE, SIG_IGN);
        show_call("the reader goes", send(s[0], "y", 1, 0));
        _exit(0);
    }
    task_until_asleep(pid);
    close(s[1]);
    show_end("...", pid);
    show_poll("alone", s[0]);
    show_call("receive alone", recv(s[0], c, 1, MSG_DONTWAIT));
    show_call("... again", recv(s[0], c, 1, MSG_DONTWAIT));
    close(s[0]);
}

// A receiver that hears nobody any more, and one that only its peer may write to.
static void deaf(void)
{
    struct sockaddr_un a, b;
    int to = socket(AF_UNIX, SOCK_DGRAM, 0), from = socket(AF_UNIX, SOCK_DGRAM, 0);
    int other = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t an = name_of(&a, "to"), bn = name_of(&b, "from");
    bind(to, (struct sockaddr *)&a, an), bind(from, (struct sockaddr *)&b, bn);
    show_done("connect", connect(from, (struct sockaddr *)&a, an));
    show_done("... back to the other", connect(to, (struct sockaddr *)&b, bn));
    show_call("the peer", send(from, "x", 1, 0));
    show_call("a stranger", sendto(other, "x", 1, 0, (struct sockaddr *)&a, an));
    show_done("a stranger connects", connect(other, (struct sockaddr *)&a, an));
    char c[4];
    show_call("got", recv(to, c, 4, 0));
    show_done("deaf", shutdown(to, SHUT_RD));
    signal(SIGPIPE, SIG_IGN);
    show_call("to the deaf", send(from, "x", 1, 0));
    show_call("to the deaf by name", sendto(from, "x", 1, 0, (struct sockaddr *)&a, an));
    show_call("the deaf receives", recv(to, c, 4, MSG_DONTWAIT));
    show_poll("the deaf", to);
    show_done("mute", shutdown(from, SHUT_WR));
    show_call("the mute sends", send(from, "x", 1, 0));
    show_poll("the mute", from);
    close(to);
    int again = socket(AF_UNIX, SOCK_DGRAM, 0);
    show_call("to one that is closed", (shutdown(from, SHUT_RD), send(from, "x", 1, 0)));
    show_call("... by name", sendto(again, "x", 1, 0, (struct sockaddr *)&a, an));
    show_call("too large", sendto(again, big, sizeof big, 0, (struct sockaddr *)&b, bn));
    show_call("to another kind", (to = socket(AF_UNIX, SOCK_STREAM, 0), an = name_of(&a, "stream"),
                                  bind(to, (struct sockaddr *)&a, an),
                                  sendto(again, "x", 1, 0, (struct sockaddr *)&a, an)));
    show_done("connect to another kind", connect(again, (struct sockaddr *)&a, an));
    close(to), close(from), close(other), close(again);
}

// --- Streams -------------------------------------------------------------------------------------

static long send_with(int fd, const char *text, int pid_of)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec v = {(char *)(uintptr_t)text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    struct ucred cred = {getpid(), (uid_t)pid_of, (gid_t)pid_of};
    m.msg_control = control.bytes, m.msg_controllen = sizeof control.bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof cred), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS};
    memcpy(CMSG_DATA(c), &cred, sizeof cred);
    return sendmsg(fd, &m, 0);
}
static void receive(const char *name, int fd, size_t n, int flags)
{
    char buf[64], control[128];
    struct iovec v = {buf, n};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    long got = recvmsg(fd, &m, flags | MSG_DONTWAIT);
    if (got < 0) {
        show_call(name, got);
        return;
    }
    SHOW(name, "%ld: %.*s, flags %#x", got, (int)got, buf, m.msg_flags);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        struct ucred cred = {0};
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
            memcpy(&cred, CMSG_DATA(c), sizeof cred);
        SHOW("... with", "%d %d, %zu bytes, %u %u", c->cmsg_level, c->cmsg_type,
             (size_t)c->cmsg_len, cred.uid, cred.gid);
    }
}
// Bytes of different people do not come in one.
static void writers(void)
{
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    show_call("one", send_with(s[0], "one", 0));
    show_call("two", send_with(s[0], "two", 1));
    show_call("two again", send_with(s[0], "again", 1));
    show_call("three", send_with(s[0], "three", 0));
    receive("nobody asks who", s[1], 64, 0);
    set(s[1], SO_PASSCRED, 1);
    show_call("one", send_with(s[0], "one", 0));
    show_call("two", send_with(s[0], "two", 1));
    show_call("two again", send_with(s[0], "again", 1));
    show_call("three", send_with(s[0], "three", 0));
    send(s[0], "plain", 5, 0);
    receive("peek", s[1], 64, MSG_PEEK);
    receive("a part", s[1], 2, 0);
    receive("the rest of one", s[1], 64, 0);
    receive("two", s[1], 64, MSG_WAITALL);
    receive("three", s[1], 64, 0);
    receive("nothing", s[1], 64, 0);
    set_limit(s[1], SO_RCVTIMEO, 30);
    char buf[8];
    show_call("within a time", recv(s[1], buf, 8, 0));
    send(s[0], "abc", 3, 0);
    show_call("all of it within a time", recv(s[1], buf, 8, MSG_WAITALL));
    set_limit(s[0], SO_SNDTIMEO, 30);
    long n = 0, all = 0;
    while ((n = send(s[0], big, sizeof big, 0)) > 0)
        all += n;
    SHOW("a stream within a time", "%s, %s", all > 0 ? "some" : "none", strerrorname_np(errno));
    close(s[0]), close(s[1]);
}

// --- Time stamps ---------------------------------------------------------------------------------

static void stamps(int family, int type)
{
    int a = socket(family, type, 0);
    show_option("us", a, SO_TIMESTAMP);
    set(a, SO_TIMESTAMP, 1);
    show_option("us", a, SO_TIMESTAMP);
    show_option("ns", a, SO_TIMESTAMPNS);
    set(a, SO_TIMESTAMPNS, 1);
    show_option("us", a, SO_TIMESTAMP);
    show_option("ns", a, SO_TIMESTAMPNS);
    set(a, SO_TIMESTAMP, 1);
    show_option("us", a, SO_TIMESTAMP);
    show_option("ns", a, SO_TIMESTAMPNS);
    set(a, SO_TIMESTAMP, 0);
    show_option("us", a, SO_TIMESTAMP);
    show_option("ns", a, SO_TIMESTAMPNS);
    close(a);
}

// --- Over the network ----------------------------------------------------------------------------

static int bound(int type, struct sockaddr_in *at)
{
    socklen_t n = sizeof *at;
    int fd = socket(AF_INET, type, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(fd, (struct sockaddr *)at, n) || getsockname(fd, (struct sockaddr *)at, &n))
        abort();
    return fd;
}
static void datagrams(void)
{
    struct sockaddr_in at;
    int to = bound(SOCK_DGRAM, &at), from = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    setsockopt(to, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
    setsockopt(to, IPPROTO_IP, IP_RECVTTL, &one, sizeof one);
    show_call("send", sendto(from, "hello", 5, 0, (struct sockaddr *)&at, sizeof at));
    struct pollfd p = {to, POLLIN, 0};
    poll(&p, 1, -1);
    receive("with what it came by", to, 64, 0);
    setsockopt(from, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
    show_done("connect", connect(from, (struct sockaddr *)&at, sizeof at));
    close(to);
    show_call("to a closed port", send(from, "x", 1, 0));
    p = (struct pollfd){from, POLLIN, 0};
    poll(&p, 1, -1);
    char c[8], control[256];
    show_call("refused", recv(from, c, 1, 0));
    struct iovec v = {c, 8};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    show_call("the error's own", recvmsg(from, &m, MSG_ERRQUEUE));
    SHOW("... flags", "%#x, %s", m.msg_flags, m.msg_controllen ? "with why" : "and nothing");
    show_call("no other", recv(from, c, 8, MSG_ERRQUEUE));
    close(from);
    struct sockaddr any = {.sa_family = AF_UNSPEC};
    struct sockaddr_in zero = {.sin_family = AF_UNSPEC},
                       loop = {.sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    show_done("bind to no family, anywhere", bind(fd, (struct sockaddr *)&zero, sizeof zero));
    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    show_done("bind to no family, somewhere", bind(fd, (struct sockaddr *)&loop, sizeof loop));
    show_done("disconnect what is not connected", connect(fd, &any, sizeof any));
    show_done("a short name", connect(fd, &any, 1));
    close(fd);
    fd = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 six = {.sin6_family = AF_UNSPEC};
    if (fd >= 0)
        show_done("bind of IPv6 to no family", bind(fd, (struct sockaddr *)&six, sizeof six));
    close(fd);
}

static void slow_stream(void)
{
    struct sockaddr_in at;
    int l = bound(SOCK_STREAM, &at), small = 4096;
    setsockopt(l, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    listen(l, 1);
    set_limit(l, SO_RCVTIMEO, 30);
    show_call("accept within a time", accept(l, NULL, NULL));
    int a = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(a, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    show_done("connect", connect(a, (struct sockaddr *)&at, sizeof at));
    show_done("connect again", connect(a, (struct sockaddr *)&at, sizeof at));
    int b = accept(l, NULL, NULL);
    show_call("receive within a time", (set_limit(a, SO_RCVTIMEO, 30), recv(a, big, 1, 0)));
    set_limit(a, SO_SNDTIMEO, 30);
    long n, all = 0;
    while ((n = send(a, big, sizeof big, 0)) > 0)
        all += n;
    SHOW("until it is full", "%s, %s", all > 0 ? "some" : "none", strerrorname_np(errno));
    set_limit(a, SO_SNDTIMEO, 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(send(a, big, sizeof big, 0) == sizeof big ? 5 : 1);
    task_until_asleep(pid);
    all += sizeof big;
    while (all > 0 && (n = recv(b, big, sizeof big, 0)) > 0)
        all -= n;
    show_end("one that waited", pid);
    SHOW("all came", "%s", all == 0 ? "yes" : "no");
    int low = 5;
    show_done("SO_RCVLOWAT", setsockopt(b, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low));
    send(a, "abc", 3, 0);
    set_limit(b, SO_RCVTIMEO, 30);
    show_call("less than is wanted", recv(b, big, 10, 0));
    show_call("to nowhere", (send(a, "abc", 3, 0), recv(b, (char *)8, 3, MSG_DONTWAIT)));
    n = -1;
    show_done("FIONREAD", ioctl(b, FIONREAD, &n));
    show_call("nothing", recv(b, big, 0, MSG_DONTWAIT));
    close(a), close(b), close(l);
}

static void protocols(void)
{
    static const int rows[][3] = {{AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6},
                                  {AF_INET6, SOCK_DGRAM, IPPROTO_ICMP},
                                  {AF_INET, SOCK_STREAM, IPPROTO_UDP},
                                  {AF_INET, SOCK_DGRAM, IPPROTO_TCP},
                                  {AF_INET, SOCK_DGRAM, 200},
                                  {AF_INET, SOCK_STREAM, -1},
                                  {AF_INET, SOCK_STREAM, 1000},
                                  {AF_INET, SOCK_RAW, 0},
                                  {AF_INET, SOCK_SEQPACKET, IPPROTO_TCP},
                                  {AF_INET, 99, 0},
                                  {AF_UNIX, SOCK_RAW, 0},
                                  {AF_UNIX, SOCK_RDM, 0},
                                  {AF_UNIX, SOCK_STREAM, 2},
                                  {AF_UNIX, SOCK_STREAM, PF_UNIX},
                                  {77, SOCK_STREAM, 0},
                                  {-1, SOCK_STREAM, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        show_done("a socket of", socket(rows[i][0], rows[i][1], rows[i][2]));
}

static void all(void)
{
    IN_CHILD("full datagrams", full(SOCK_DGRAM));
    IN_CHILD("full packets", full(SOCK_SEQPACKET));
    IN_CHILD("deaf", deaf());
    IN_CHILD("writers", writers());
    IN_CHILD("stamps of datagrams", stamps(AF_INET, SOCK_DGRAM));
    IN_CHILD("stamps of unix", stamps(AF_UNIX, SOCK_DGRAM));
    IN_CHILD("datagrams", datagrams());
    IN_CHILD("slow stream", slow_stream());
    IN_CHILD("protocols", protocols());
}

int main(void)
{
    return run_as_child(all);
}
