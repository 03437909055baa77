// AF_UNIX: streams, datagrams, packets, names, readiness, descriptors and credentials in transit.
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define BAD ((void *)8)
enum { ALL = 0x3fff, PATH = offsetof(struct sockaddr_un, sun_path) };

static void show_poll(const char *name, int fd)
{
    struct pollfd p = {fd, ALL, 0};
    int n = poll(&p, 1, 0);
    SHOW(name, "%d revents %x", n, (unsigned)p.revents);
}

static struct sockaddr_un address(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", name);
    return a;
}

static int bind_to(int fd, const char *name)
{
    struct sockaddr_un a = address(name);
    return bind(fd, (struct sockaddr *)&a, sizeof a);
}

static int connect_to(int fd, const char *name)
{
    struct sockaddr_un a = address(name);
    return connect(fd, (struct sockaddr *)&a, sizeof a);
}

// Abstract names of this process only: the host's are shared with everybody.
static socklen_t abstract(struct sockaddr_un *a, const char *name)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "%s-%s", work_dir, name);
    return (socklen_t)(PATH + 1 + n);
}

static void show_name(const char *what, int fd, int peer)
{
    struct sockaddr_un a = {.sun_family = 77};
    socklen_t len = sizeof a;
    int r = peer ? getpeername(fd, (struct sockaddr *)&a, &len)
                 : getsockname(fd, (struct sockaddr *)&a, &len);
    if (r)
        SHOW(what, "%s", strerrorname_np(errno));
    else
        SHOW(what, "len %d family %d %s", (int)len, a.sun_family,
             len > PATH && a.sun_path[0] ? a.sun_path : "-");
}

static void making(void)
{
    int s[2];
    show_call("socket bad type", socket(AF_UNIX, 9, 0));
    show_call("socket huge type", socket(AF_UNIX, 14, 0));
    show_call("socket bad protocol", socket(AF_UNIX, SOCK_STREAM, 9));
    show_call("socket protocol 1", socket(AF_UNIX, SOCK_STREAM, 1));
    show_call("socket bad flag", socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
    show_call("socket bad family", socket(77, SOCK_STREAM, 0));
    show_call("socket unused family", socket(3, SOCK_STREAM, 0));
    show_call("socketpair bad pointer", socketpair(AF_UNIX, SOCK_STREAM, 0, BAD));
    show_call("socketpair inet", socketpair(AF_INET, SOCK_STREAM, 0, s));
    show_call("socketpair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
    SHOW("... flags", "%x %d", fcntl(s[0], F_GETFL), fcntl(s[0], F_GETFD));
    struct stat st;
    fstat(s[0], &st);
    SHOW("... mode", "%o links %d", st.st_mode, (int)st.st_nlink);
    show_call("not a socket", listen(0, 1));
    show_call("bad fd", listen(99, 1));
    show_name("name of a pair", s[0], 0);
    show_name("peer of a pair", s[0], 1);
    closefrom(3);
}

static void streams(void)
{
    int s[2], n;
    char buf[64];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    show_poll("fresh", s[0]);
    show_call("write", write(s[0], "abc", 3));
    show_call("write more", write(s[0], "defg", 4));
    show_poll("data", s[1]);
    ioctl(s[1], FIONREAD, &n);
    SHOW("FIONREAD", "%d", n);
    show_call("peek", recv(s[1], buf, 5, MSG_PEEK));
    SHOW("... got", "%.5s", buf);
    show_call("read across", read(s[1], buf, 64));
    show_call("nothing left", recv(s[1], buf, 1, MSG_DONTWAIT));
    show_call("read nothing", read(s[1], buf, 0));
    show_call("write nothing", write(s[1], buf, 0));
    show_call("write bad pointer", write(s[0], BAD, 3));
    write(s[0], "xyz", 3);
    show_call("read bad pointer", read(s[1], BAD, 3));
    show_call("... still there", recv(s[1], buf, 10, MSG_DONTWAIT));
    show_call("lseek", lseek(s[0], 0, SEEK_SET));
    show_call("pread", pread(s[0], buf, 1, 0));
    show_call("sendto with address",
              sendto(s[0], "x", 1, 0, (struct sockaddr *)&(struct sockaddr_un){AF_UNIX, "zz"}, 5));
    show_call("oob recv", recv(s[0], buf, 1, MSG_OOB));
    show_call("shutdown bad", shutdown(s[0], 7));
    show_call("shutdown write", shutdown(s[0], SHUT_WR));
    show_poll("shut for writing", s[0]);
    show_poll("its peer", s[1]);
    show_call("peer reads", read(s[1], buf, 1));
    signal(SIGPIPE, SIG_IGN);
    show_call("write", write(s[0], "x", 1));
    signal(SIGPIPE, SIG_DFL);
    show_call("send no signal", send(s[0], "x", 1, MSG_NOSIGNAL));
    IN_CHILD("SIGPIPE", write(s[0], "x", 1));
    show_call("peer writes", write(s[1], "x", 1));
    show_call("shutdown read", shutdown(s[0], SHUT_RD));
    show_poll("shut", s[0]);
    show_call("what was sent", read(s[0], buf, 4));
    show_call("then", read(s[0], buf, 4));
    show_call("peer writes", send(s[1], "x", 1, MSG_NOSIGNAL));
    closefrom(3);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    write(s[1], "last", 4);
    close(s[1]);
    show_poll("peer closed, data", s[0]);
    show_call("read", read(s[0], buf, 64));
    show_poll("peer closed", s[0]);
    show_call("read", read(s[0], buf, 64));
    show_call("write", send(s[0], "x", 1, MSG_NOSIGNAL));
    show_name("its peer", s[0], 1);
    closefrom(3);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    write(s[0], "unread", 6);
    close(s[1]);
    show_poll("closed with unread data", s[0]);
    show_call("read", read(s[0], buf, 64));
    show_call("again", read(s[0], buf, 64));
    closefrom(3);
    int u = socket(AF_UNIX, SOCK_STREAM, 0);
    show_poll("unconnected", u);
    show_call("read", read(u, buf, 1));
    show_call("write", send(u, buf, 1, MSG_NOSIGNAL));
    show_call("shutdown", shutdown(u, SHUT_RDWR));
    show_poll("... poll", u);
    show_call("accept", accept(u, NULL, NULL));
    closefrom(3);
}

static void connecting(void)
{
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char buf[16];
    show_call("connect missing", connect_to(c, "nobody"));
    show_call("listen unbound", listen(l, 1));
    show_call("bind", bind_to(l, "sock"));
    struct stat st;
    stat("sock", &st);
    SHOW("... mode", "%o", st.st_mode);
    show_call("bind twice", bind_to(l, "sock2"));
    show_call("bind taken", bind_to(c, "sock"));
    show_call("bind in no directory", bind_to(c, "no/sock"));
    show_call("bind short", bind(c, (struct sockaddr *)&a, 1));
    show_call("bind long", bind(c, (struct sockaddr *)&a, sizeof a + 1));
    show_call("bind bad pointer", bind(c, BAD, 10));
    a.sun_family = AF_INET;
    show_call("bind bad family", bind(c, (struct sockaddr *)&a, sizeof a));
    show_name("bound", l, 0);
    show_call("connect, not listening", connect_to(c, "sock"));
    close(open("plain", O_CREAT | O_RDWR, 0600));
    show_call("connect to a file", connect_to(c, "plain"));
    show_call("open the socket", open("sock", O_RDWR));
    show_call("listen", listen(l, 1));
    show_poll("listening", l);
    show_call("read a listener", read(l, buf, 1));
    show_call("connect a listener", connect_to(l, "sock"));
    int d = socket(AF_UNIX, SOCK_DGRAM, 0);
    show_call("connect another type", connect_to(d, "sock"));
    show_call("connect", connect_to(c, "sock"));
    show_call("connect again", connect_to(c, "sock"));
    show_poll("connected", c);
    show_poll("to be accepted", l);
    write(c, "early", 5);
    int n[3];
    for (int i = 0; i < 3; i++)
        n[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    show_call("backlog 1", connect_to(n[0], "sock"));
    show_call("backlog 2", connect_to(n[1], "sock"));
    socklen_t len = sizeof a;
    show_call("accept4 bad flag", accept4(l, NULL, NULL, 1));
    int s = accept4(l, (struct sockaddr *)&a, &len, SOCK_CLOEXEC);
    show_done("accept", s);
    SHOW("... from", "len %d", (int)len);
    show_call("read", read(s, buf, 16));
    show_name("its name", s, 0);
    show_name("its peer", s, 1);
    show_name("client's peer", c, 1);
    struct ucred cred = {0};
    len = sizeof cred;
    show_call("SO_PEERCRED", getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &len));
    SHOW("... is", "me %d uid %d gid %d len %d", cred.pid == getpid(), (int)cred.uid, (int)cred.gid,
         (int)len);
    int v;
    len = sizeof v;
    getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &len);
    SHOW("SO_ACCEPTCONN", "%d", v);
    close(l);
    show_call("connect after close", connect_to(n[2], "sock"));
    show_poll("not accepted", n[0]);
    show_call("read", read(n[0], buf, 1));
    show_call("the name stays", access("sock", F_OK));
    closefrom(3);
}

static void abstract_names(void)
{
    struct sockaddr_un a;
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    socklen_t len = abstract(&a, "x");
    show_call("connect", connect(c, (struct sockaddr *)&a, len));
    show_call("bind", bind(l, (struct sockaddr *)&a, len));
    show_call("bind taken", bind(c, (struct sockaddr *)&a, len));
    show_call("bind longer", bind(c, (struct sockaddr *)&a, len + 1));
    listen(l, 5);
    int d = socket(AF_UNIX, SOCK_STREAM, 0);
    show_call("connect", connect(d, (struct sockaddr *)&a, len));
    close(l);
    int again = socket(AF_UNIX, SOCK_STREAM, 0);
    show_call("free after close", bind(again, (struct sockaddr *)&a, len));
    int e = socket(AF_UNIX, SOCK_DGRAM, 0);
    a = (struct sockaddr_un){.sun_family = AF_UNIX};
    show_call("autobind", bind(e, (struct sockaddr *)&a, PATH));
    len = sizeof a;
    getsockname(e, (struct sockaddr *)&a, &len);
    SHOW("... name", "len %d first %d", (int)len, a.sun_path[0]);
    closefrom(3);
}

static void datagrams(void)
{
    int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0), n;
    struct sockaddr_un to = address("dg"), from;
    char buf[16];
    show_call("send nowhere", send(a, "x", 1, 0));
    show_call("send to nobody", sendto(a, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    show_call("recv nothing", recv(a, buf, 1, MSG_DONTWAIT));
    bind_to(b, "dg");
    show_poll("bound", b);
    show_call("send", sendto(a, "hello", 5, 0, (struct sockaddr *)&to, sizeof to));
    show_call("send short", sendto(a, "you", 3, 0, (struct sockaddr *)&to, sizeof to));
    show_call("send nothing", sendto(a, "", 0, 0, (struct sockaddr *)&to, sizeof to));
    ioctl(b, FIONREAD, &n);
    SHOW("FIONREAD", "%d", n);
    socklen_t len = sizeof from;
    show_call("peek", recv(b, buf, 16, MSG_PEEK));
    show_call("recv cut", recvfrom(b, buf, 2, MSG_TRUNC, (struct sockaddr *)&from, &len));
    SHOW("... from", "len %d", (int)len);
    show_call("recv", recv(b, buf, 16, 0));
    show_call("recv empty", recv(b, buf, 16, MSG_DONTWAIT));
    show_call("recv none", recv(b, buf, 16, MSG_DONTWAIT));
    bind_to(a, "dg2");
    show_call("connect", connect_to(a, "dg"));
    show_call("send", send(a, "x", 1, 0));
    len = sizeof from;
    recvfrom(b, buf, 16, 0, (struct sockaddr *)&from, &len);
    SHOW("... from", "len %d %s", (int)len, from.sun_path);
    int other = socket(AF_UNIX, SOCK_DGRAM, 0);
    show_call("b connects to a", connect_to(b, "dg2"));
    show_call("a third sends to b", sendto(other, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    show_call("listen", listen(b, 1));
    show_call("accept", accept(b, NULL, NULL));
    close(b);
    show_call("peer gone", send(a, "x", 1, 0));
    show_call("again", send(a, "x", 1, 0));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    show_call("disconnect", connect(other, &none, sizeof none));
    int p[2];
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
    static char big[300000];
    show_call("too big", send(p[0], big, sizeof big, 0));
    for (n = 0; send(p[0], big, 5000, 0) > 0; n++)
        ;
    show_call("full", send(p[0], big, 5000, 0));
    SHOW("... some went", "%d", n > 5 && n < 200);
    shutdown(p[1], SHUT_RD);
    show_call("to one who shut", send(p[0], "x", 1, 0));
    show_poll("a pair, full", p[0]);
    closefrom(3);
}

static void packets(void)
{
    int s[2];
    char buf[16];
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
    show_poll("fresh", s[0]);
    send(s[0], "one", 3, 0);
    send(s[0], "three", 5, 0);
    struct iovec iov = {buf, 2};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    show_call("recvmsg cut", recvmsg(s[1], &h, 0));
    SHOW("... flags", "%x", (unsigned)h.msg_flags);
    show_call("next", recv(s[1], buf, 16, 0));
    close(s[0]);
    show_poll("closed", s[1]);
    show_call("recv", recv(s[1], buf, 16, 0));
    IN_CHILD("send", show_call("send in a child", send(s[1], "x", 1, 0)));
    int u = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    show_call("unconnected recv", recv(u, buf, 1, 0));
    show_call("unconnected send", send(u, buf, 1, MSG_NOSIGNAL));
    closefrom(3);
}

// --- Control data --------------------------------------------------------------------------------

static long send_fds(int s, const int *fds, int n, int type)
{
    union {
        char room[CMSG_SPACE(300 * sizeof(int))];
        struct cmsghdr align;
    } u;
    struct iovec iov = {"!", 1};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.room};
    h.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
    memset(&u, 0, sizeof u);
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
    memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
    return sendmsg(s, &h, MSG_NOSIGNAL);
}

static void show_received(const char *name, int s, size_t room, int flags)
{
    union {
        char room[CMSG_SPACE(300 * sizeof(int))];
        struct cmsghdr align;
    } u;
    char buf[16];
    struct iovec iov = {buf, 16};
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = room ? u.room : NULL,
                       .msg_controllen = room};
    memset(&u, 0, sizeof u);
    long n = recvmsg(s, &h, flags | MSG_DONTWAIT);
    if (n < 0) {
        SHOW(name, "%s", strerrorname_np(errno));
        return;
    }
    SHOW(name, "%ld bytes, control %d, flags %x", n, (int)h.msg_controllen, (unsigned)h.msg_flags);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
        struct ucred cred;
        memcpy(&cred, CMSG_DATA(c), sizeof cred);
        if (c->cmsg_type == SCM_CREDENTIALS)
            SHOW("... credentials", "len %d me %d uid %d gid %d", (int)c->cmsg_len,
                 cred.pid == getpid(), (int)cred.uid, (int)cred.gid);
        else
            SHOW("... rights", "len %d first open %d cloexec %d", (int)c->cmsg_len,
                 fcntl(*(int *)(void *)CMSG_DATA(c), F_GETFD) >= 0,
                 fcntl(*(int *)(void *)CMSG_DATA(c), F_GETFD));
    }
}

static int open_count(void)
{
    int n = 0;
    for (int fd = 0; fd < 200; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void closefrom_but(int fd)
{
    for (int i = 3; i < 64; i++) {
        if (i != fd)
            close(i);
    }
}

static void rights(void)
{
    int s[2], p[2], many[300];
    char c;
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pipe(p);
    show_call("send two", send_fds(s[0], p, 2, SCM_RIGHTS));
    show_received("receive", s[1], CMSG_SPACE(2 * sizeof(int)), MSG_CMSG_CLOEXEC);
    closefrom(7);
    send_fds(s[0], p, 2, SCM_RIGHTS);
    show_received("room for one", s[1], CMSG_LEN(sizeof(int)), 0);
    SHOW("... open", "%d", open_count() - 3);
    closefrom(7);
    send_fds(s[0], p, 2, SCM_RIGHTS);
    show_received("no room", s[1], 0, 0);
    send_fds(s[0], p, 2, SCM_RIGHTS);
    show_received("room for a header", s[1], sizeof(struct cmsghdr), 0);
    send_fds(s[0], p, 2, SCM_RIGHTS);
    show_received("peek", s[1], CMSG_SPACE(2 * sizeof(int)), MSG_PEEK);
    show_received("after the peek", s[1], CMSG_SPACE(2 * sizeof(int)), 0);
    SHOW("... open", "%d", open_count() - 3);
    closefrom(7);
    send_fds(s[0], p, 1, SCM_RIGHTS);
    show_call("read() throws them away", read(s[1], &c, 1));
    SHOW("... open", "%d", open_count() - 3);
    int bad = 99;
    show_call("a bad descriptor", send_fds(s[0], &bad, 1, SCM_RIGHTS));
    for (int i = 0; i < 300; i++)
        many[i] = p[0];
    show_call("253", send_fds(s[0], many, 253, SCM_RIGHTS));
    show_call("254", send_fds(s[0], many, 254, SCM_RIGHTS));
    show_received("253", s[1], CMSG_SPACE(253 * sizeof(int)), 0);
    SHOW("... open", "%d", open_count() - 3);
    closefrom(7);
    show_call("unknown type", send_fds(s[0], p, 1, 77));
    write(s[0], "ab", 2);
    send_fds(s[0], p, 1, SCM_RIGHTS);
    write(s[0], "cd", 2);
    show_received("bytes before", s[1], CMSG_SPACE(sizeof(int)), 0);
    show_received("bytes with", s[1], CMSG_SPACE(sizeof(int)), 0);
    closefrom(7);
    // The only reader of the pipe travels.
    send_fds(s[0], &p[0], 1, SCM_RIGHTS);
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    show_call("a pipe in transit", write(p[1], "x", 1));
    close(s[0]);
    close(s[1]);
    show_call("lost in transit", write(p[1], "x", 1));
    signal(SIGPIPE, SIG_DFL);
    closefrom(3);
}

// Whether the pipe is closed before long although only sockets in messages had its other end.
static void show_collected(const char *name, int pipe_end)
{
    struct pollfd p = {pipe_end, POLLIN, 0};
    int n = poll(&p, 1, 20000);
    SHOW(name, "%d %#x", n, (unsigned)p.revents);
    close(pipe_end);
}

// Descriptors that are open in nothing but messages nobody can receive.
static void lost_rights(void)
{
    int s[2], t[2], p[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pipe(p);
    int self[] = {s[0], p[1]};
    send_fds(s[1], self, 2, SCM_RIGHTS);
    closefrom_but(p[0]);
    show_collected("in its own inbox", p[0]);

    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, t);
    pipe(p);
    int first[] = {t[0], p[1]};
    send_fds(s[1], first, 2, SCM_RIGHTS); // t[0] is in the inbox of s[0],
    send_fds(t[1], &s[0], 1, SCM_RIGHTS); // s[0] in that of t[0]
    closefrom_but(p[0]);
    show_collected("in each other's", p[0]);

    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    socketpair(AF_UNIX, SOCK_STREAM, 0, t);
    pipe(p);
    int kept[] = {s[0], p[1]};
    send_fds(s[1], kept, 2, SCM_RIGHTS);
    send_fds(t[1], &s[0], 1, SCM_RIGHTS); // but somebody may still receive this one
    close(s[0]);
    close(s[1]);
    close(p[1]);
    close(t[1]);
    struct pollfd open_pipe = {p[0], POLLIN, 0};
    SHOW("one that can be received stays", "%d", poll(&open_pipe, 1, 0));
    show_received("... is received", t[0], CMSG_SPACE(sizeof(int)), 0);
    closefrom_but(p[0]);
    show_collected("... and is gone then", p[0]);
}

// A name of another type of socket: found, and left as it was.
static void wrong_type(void)
{
    int stream = socket(AF_UNIX, SOCK_STREAM, 0), dgram = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un name = address("typed");
    show_call("bind", bind_to(stream, "typed"));
    for (int i = 0; i < 3; i++)
        show_call("send to a stream's name",
                  sendto(dgram, "x", 1, 0, (struct sockaddr *)&name, sizeof name));
    show_call("listen", listen(stream, 1));
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    show_call("connect", connect_to(client, "typed"));
    closefrom(3);
}

static void credentials(void)
{
    int s[2], on = 1;
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    write(s[0], "x", 1);
    show_received("passed", s[1], CMSG_SPACE(sizeof(struct ucred)), 0);
    write(s[0], "x", 1);
    show_received("cut", s[1], CMSG_LEN(4), 0);
    int claim[3] = {getpid(), 5, 6};
    show_call("claim", send_fds(s[0], claim, 3, SCM_CREDENTIALS));
    show_received("claimed", s[1], CMSG_SPACE(sizeof(struct ucred)), 0);
    int short_claim[2] = {getpid(), 5};
    show_call("short claim", send_fds(s[0], short_claim, 2, SCM_CREDENTIALS));
    fflush(stdout);
    if (fork() == 0) {
        setgid(100);
        setuid(100);
        claim[0] = getpid();
        show_call("user: false claim", send_fds(s[0], claim, 3, SCM_CREDENTIALS));
        claim[0]++, claim[1] = claim[2] = 100;
        show_call("user: false pid", send_fds(s[0], claim, 3, SCM_CREDENTIALS));
        struct ucred cred;
        socklen_t len = sizeof cred;
        getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &cred, &len);
        SHOW("user: peer", "uid %d", (int)cred.uid);
        exit(0);
    }
    wait(NULL);
    closefrom(3);
}

static void options(void)
{
    int s = socket(AF_UNIX, SOCK_STREAM, 0), v = 1;
    socklen_t len = sizeof v;
    static const struct {
        const char *name;
        int option;
    } rows[] = {{"SO_TYPE", SO_TYPE},
                {"SO_DOMAIN", SO_DOMAIN},
                {"SO_PROTOCOL", SO_PROTOCOL},
                {"SO_ERROR", SO_ERROR},
                {"SO_SNDBUF", SO_SNDBUF},
                {"SO_RCVBUF", SO_RCVBUF},
                {"SO_REUSEADDR", SO_REUSEADDR},
                {"SO_KEEPALIVE", SO_KEEPALIVE},
                {"SO_RCVLOWAT", SO_RCVLOWAT},
                {"SO_PASSCRED", SO_PASSCRED},
                {"SO_ACCEPTCONN", SO_ACCEPTCONN},
                {"SO_BROADCAST", SO_BROADCAST}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        v = -1;
        len = sizeof v;
        int r = getsockopt(s, SOL_SOCKET, rows[i].option, &v, &len);
        SHOW(rows[i].name, "%d value %d len %d", r, v, (int)len);
    }
    v = 5000;
    show_call("set SO_SNDBUF", setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
    len = sizeof v;
    getsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, &len);
    SHOW("SO_SNDBUF", "%d", v);
    v = 1;
    setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof v);
    getsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, &len);
    SHOW("least SO_SNDBUF", "%d", v);
    v = 1 << 30;
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &v, sizeof v);
    show_call("set short", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, 3));
    show_call("set bad pointer", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, BAD, 4));
    show_call("set unknown", setsockopt(s, SOL_SOCKET, 9999, &v, 4));
    show_call("set SO_TYPE", setsockopt(s, SOL_SOCKET, SO_TYPE, &v, 4));
    show_call("set another level", setsockopt(s, 6, 1, &v, 4));
    show_call("get another level", getsockopt(s, 6, 1, &v, &len));
    show_call("get unknown", getsockopt(s, SOL_SOCKET, 9999, &v, &len));
    len = 2;
    show_call("get short", getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &len));
    SHOW("... len", "%d", (int)len);
    len = (socklen_t)-1;
    show_call("get negative", getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &len));
    struct timeval tv = {0, 30000};
    int p[2];
    char c;
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    show_call("SO_RCVTIMEO", setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    double start = now();
    show_call("read", read(p[0], &c, 1));
    SHOW("... waited", "%d", now() - start >= 0.03 && now() - start < 20);
    tv.tv_usec = 1000000;
    show_call("bad time", setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    closefrom(3);
}

static void *send_later(void *arg)
{
    sleep_ms(20);
    send(*(int *)arg, "abc", 3, 0);
    sleep_ms(20);
    send(*(int *)arg, "def", 3, 0);
    return NULL;
}

static void many(void)
{
    int s[2];
    char a[8] = {0}, b[8] = {0};
    struct iovec iov[2] = {{a, 8}, {b, 8}};
    struct mmsghdr m[3] = {{.msg_hdr = {.msg_iov = &iov[0], .msg_iovlen = 1}},
                           {.msg_hdr = {.msg_iov = &iov[1], .msg_iovlen = 1}}};
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    show_call("sendmmsg", sendmmsg(s[0], m, 2, 0));
    SHOW("... lengths", "%u %u", m[0].msg_len, m[1].msg_len);
    show_call("recvmmsg", recvmmsg(s[1], m, 3, MSG_DONTWAIT, NULL));
    show_call("recvmmsg empty", recvmmsg(s[1], m, 2, MSG_DONTWAIT, NULL));
    struct iovec parts[3] = {{"ab", 2}, {"cd", 2}, {"ef", 2}};
    struct msghdr h = {.msg_iov = parts, .msg_iovlen = 3};
    show_call("gather", sendmsg(s[0], &h, 0));
    show_call("... one message", recv(s[1], a, 8, 0));
    h.msg_iovlen = 1025;
    show_call("too many parts", sendmsg(s[0], &h, 0));
    show_call("bad header", sendmsg(s[0], BAD, 0));
    close(s[0]);
    close(s[1]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pthread_t t;
    pthread_create(&t, NULL, send_later, &s[0]);
    show_call("MSG_WAITALL", recv(s[1], a, 6, MSG_WAITALL));
    pthread_join(t, NULL);
    closefrom(3);
}

static void show_urgent(const char *what, int fd)
{
    int mark = -1; // FIONREAD is not asked: Linux 6.17 and later go on counting a byte passed by
    struct pollfd p = {fd, POLLIN | POLLPRI, 0};
    poll(&p, 1, 0);
    ioctl(fd, SIOCATMARK, &mark);
    SHOW(what, "revents %x, at mark %d", (unsigned)p.revents, mark);
}

// `flags` for recv; what came, and how.
static void take_bytes(const char *what, int fd, size_t n, int flags)
{
    char buf[64] = "";
    struct iovec v = {buf, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    ssize_t got = recvmsg(fd, &m, flags | MSG_DONTWAIT);
    if (got < 0)
        show_call(what, got);
    else
        SHOW(what, "%.*s, flags %x", (int)got, buf,
             (unsigned)m.msg_flags & ~(unsigned)MSG_CMSG_CLOEXEC);
    show_urgent("  then", fd);
}

static volatile sig_atomic_t urgent_signals;
static void count_urgent(int sig)
{
    (void)sig;
    urgent_signals++;
}

static void urgent_bytes(void)
{
    int s[2], on = 1;
    for (int inline_too = 0; inline_too < 2; inline_too++) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, s);
        if (inline_too)
            setsockopt(s[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
        take_bytes("nothing urgent", s[1], 9, MSG_OOB);
        show_call("no bytes", send(s[0], "", 0, MSG_OOB));
        show_call("urgent", send(s[0], "abc", 3, MSG_OOB));
        show_urgent("  there", s[1]);
        take_bytes("peek urgent", s[1], 9, MSG_OOB | MSG_PEEK);
        take_bytes("peek", s[1], 9, MSG_PEEK);
        take_bytes("up to it", s[1], 9, 0);
        take_bytes("peek at it", s[1], 9, MSG_PEEK);
        take_bytes("the urgent one", s[1], 9, MSG_OOB);
        take_bytes("again", s[1], 9, MSG_OOB);
        take_bytes("the rest", s[1], 9, 0);
        write(s[0], "12", 2);
        take_bytes("after it", s[1], 9, 0);
        // Passed by
        send(s[0], "de!", 3, MSG_OOB);
        write(s[0], "fg", 2);
        take_bytes("before", s[1], 9, 0);
        take_bytes("beyond", s[1], 9, 0);
        take_bytes("none left", s[1], 9, 0);
        // Two: the first is a byte like others
        send(s[0], "hi?", 3, MSG_OOB);
        send(s[0], "jk!", 3, MSG_OOB);
        write(s[0], "lm", 2);
        show_urgent("  two", s[1]);
        take_bytes("one of two", s[1], 9, MSG_OOB);
        take_bytes("before it", s[1], 3, 0);
        take_bytes("still before", s[1], 9, 0);
        take_bytes("behind", s[1], 9, 0);
        // Read, and another
        send(s[0], "1", 1, MSG_OOB);
        take_bytes("first", s[1], 9, MSG_OOB);
        send(s[0], "2", 1, MSG_OOB);
        take_bytes("second", s[1], 9, MSG_OOB);
        write(s[0], "x", 1);
        take_bytes("and a plain one", s[1], 9, 0);
        take_bytes("nothing", s[1], 9, 0);
        send(s[0], "n3", 2, MSG_OOB);
        close(s[0]);
        take_bytes("of one that closed", s[1], 9, 0);
        take_bytes("of one that closed", s[1], 9, 0);
        take_bytes("of one that closed", s[1], 9, 0);
        close(s[1]);
    }
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    signal(SIGURG, count_urgent);
    fcntl(s[1], F_SETOWN, getpid());
    send(s[0], "!", 1, MSG_OOB);
    for (int i = 0; i < 5000 && !urgent_signals; i++)
        sleep_ms(1);
    SHOW("SIGURG", "%d", (int)urgent_signals);
    shutdown(s[1], SHUT_RD);
    show_call("to one that reads no more", send(s[0], "!", 1, MSG_OOB | MSG_NOSIGNAL));
    closefrom(3);
}

static void body(void)
{
    closefrom(3);
    enter_work_dir();
    making();
    streams();
    connecting();
    abstract_names();
    datagrams();
    packets();
    rights();
    lost_rights();
    wrong_type();
    credentials();
    options();
    urgent_bytes();
    many();
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
