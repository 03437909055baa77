// What calls on sockets answer to every option, flag and pointer: socket(7), unix(7), ip(7). The
// host's Linux is asked.
#include "tests/guest/probe.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

static char *nowhere, *read_only, *page_end;

// --- Options -------------------------------------------------------------------------------------

static const struct option {
    const char *name;
    int number;
} options[] = {
    {"DEBUG", SO_DEBUG},
    {"REUSEADDR", SO_REUSEADDR},
    {"TYPE", SO_TYPE},
    {"ERROR", SO_ERROR},
    {"DONTROUTE", SO_DONTROUTE},
    {"BROADCAST", SO_BROADCAST},
    {"SNDBUF", SO_SNDBUF},
    {"RCVBUF", SO_RCVBUF},
    {"SNDBUFFORCE", SO_SNDBUFFORCE},
    {"RCVBUFFORCE", SO_RCVBUFFORCE},
    {"KEEPALIVE", SO_KEEPALIVE},
    {"OOBINLINE", SO_OOBINLINE},
    {"NO_CHECK", SO_NO_CHECK},
    {"PRIORITY", SO_PRIORITY},
    {"REUSEPORT", SO_REUSEPORT},
    {"PASSCRED", SO_PASSCRED},
    {"RCVLOWAT", SO_RCVLOWAT},
    {"SNDLOWAT", SO_SNDLOWAT},
    {"TIMESTAMP", SO_TIMESTAMP},
    {"ACCEPTCONN", SO_ACCEPTCONN},
    {"TIMESTAMPNS", SO_TIMESTAMPNS},
    {"MARK", SO_MARK},
    {"PROTOCOL", SO_PROTOCOL},
    {"DOMAIN", SO_DOMAIN},
    {"RCVTIMEO", 20},
    {"SNDTIMEO", 21},
    {"RCVTIMEO_NEW", 66},
    {"SNDTIMEO_NEW", 67},
    {"LINGER", SO_LINGER},
    {"none", 250},
};

static int new_unix(int type)
{
    return socket(AF_UNIX, type, 0);
}

static void one_option(const char *kind, int fd, const struct option *o)
{
    static const int values[] = {0, 1, -1, 7, 3000, 1 << 24, INT32_MIN};
    char text[96];
    // What a machine's memory and sysctls allow, and what later kernels refuse a family.
    bool limited = strstr(o->name, "BUF"),
         later = kind[0] == 'u' && kind[1] == 'n'
                     ? o->number == SO_REUSEPORT
                     : o->number == SO_PASSCRED || o->number == SO_RCVLOWAT;
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
        int64_t value[2] = {values[v], 0}, got[2] = {0, 0};
        socklen_t size = sizeof got;
        if (later || (limited && (values[v] < 0 || values[v] == 1 << 24)))
            continue;
        snprintf(text, sizeof text, "%s %s = %d", kind, o->name, values[v]);
        show_done(text, setsockopt(fd, SOL_SOCKET, o->number, value,
                                   o->number > 60 || o->number == 20 || o->number == 21 ? 16 : 4));
        int n = getsockopt(fd, SOL_SOCKET, o->number, got, &size);
        if (n < 0)
            show_done("... read", n);
        else
            SHOW("... read", "%lld %lld, %u bytes", (long long)got[0], (long long)got[1], size);
    }
    for (socklen_t size = 0; size < 20 && !later; size += size < 4 ? 1 : 4) {
        int64_t value[3] = {0}, got[3] = {0};
        socklen_t room = size;
        snprintf(text, sizeof text, "%s %s in %u bytes", kind, o->name, size);
        show_done(text, setsockopt(fd, SOL_SOCKET, o->number, value, size));
        show_done("... read", getsockopt(fd, SOL_SOCKET, o->number, got, &room));
        SHOW("... of them", "%u", room);
    }
}

static void times(int fd)
{
    static const int64_t values[][2] = {{0, 0},  {1, 500000}, {1, 1000000},   {1, -1},
                                        {-1, 0}, {-1, 5},     {INT32_MAX, 0}, {INT64_MAX, 5}};
    for (int which = 20; which < 22; which++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            int64_t got[2] = {9, 9};
            socklen_t size = sizeof got;
            show_done("a time limit", setsockopt(fd, SOL_SOCKET, which, values[i], 16));
            getsockopt(fd, SOL_SOCKET, which, got, &size);
            SHOW("... read", "%lld %lld", (long long)got[0], (long long)got[1]);
        }
    }
}

static void option_pointers(int fd)
{
    int value = 1;
    socklen_t size = sizeof value;
    show_done("set from nowhere", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, nowhere, 4));
    show_done("set from null", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, NULL, 4));
    show_done("set from a page's end", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, page_end - 2, 4));
    show_done("set of no size", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, (socklen_t)-1));
    show_done("set of a huge size",
              setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, page_end - 4, 1 << 20));
    show_done("get to nowhere", getsockopt(fd, SOL_SOCKET, SO_TYPE, nowhere, &size));
    size = sizeof value;
    show_done("get to what is read-only", getsockopt(fd, SOL_SOCKET, SO_TYPE, read_only, &size));
    show_done("get with a size nowhere",
              getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, (socklen_t *)nowhere));
    memset(page_end - 4, 0, 4);
    show_done("get with a size across pages",
              getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, (socklen_t *)(page_end - 2)));
    size = (socklen_t)-1;
    show_done("get of no size", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size));
    size = 1 << 20;
    show_done("get of a huge size", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size));
    SHOW("... it is", "%u", size);
    show_done("set at another level", setsockopt(fd, 250, 1, &value, 4));
    size = 4;
    show_done("get at another level", getsockopt(fd, 250, 1, &value, &size));
    show_done("set of what is no socket", setsockopt(0, SOL_SOCKET, 1, &value, 4));
    show_done("get of what is not open", getsockopt(999, SOL_SOCKET, 1, &value, &size));
    show_done("listen on what is not open", listen(999, 1));
    show_done("shutdown of something else", shutdown(fd, 7));
    show_done("shutdown of what is not connected", shutdown(fd, SHUT_WR));
}

static void all_options(void)
{
    static const struct kind {
        const char *name;
        int family, type;
    } kinds[] = {{"unix stream", AF_UNIX, SOCK_STREAM},
                 {"unix datagram", AF_UNIX, SOCK_DGRAM},
                 {"tcp", AF_INET, SOCK_STREAM},
                 {"udp", AF_INET, SOCK_DGRAM}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
            int fd = socket(kinds[k].family, kinds[k].type, 0);
            one_option(kinds[k].name, fd, &options[i]);
            close(fd);
        }
        int fd = socket(kinds[k].family, kinds[k].type, 0);
        option_pointers(fd);
        times(fd);
        close(fd);
    }
}

static void as_user(void)
{
    if (setresuid(1000, 1000, 1000))
        abort();
    int fd = new_unix(SOCK_STREAM);
    static const int numbers[] = {SO_DEBUG, SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_MARK};
    for (size_t i = 0; i < 4; i++) {
        for (int value = 0; value < 2; value++)
            show_done("an administrator's option",
                      setsockopt(fd, SOL_SOCKET, numbers[i], &value, sizeof value));
    }
    for (int value = -1; value < 9; value++)
        show_done("a priority", setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &value, sizeof value));
    show_done("a raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

// --- Messages ------------------------------------------------------------------------------------

static int pair[2];
static void open_pair(int type)
{
    if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, pair))
        abort();
}
static void close_pair(void)
{
    close(pair[0]);
    close(pair[1]);
}

static void message_pointers(void)
{
    char byte = 'x', buf[64];
    struct iovec v = {&byte, 1}, bad = {nowhere, 1}, huge = {&byte, SIZE_MAX};
    struct sockaddr_un name;
    open_pair(SOCK_STREAM);
    show_call("sendmsg of nothing there", syscall(SYS_sendmsg, pair[0], nowhere, 0));
    show_call("recvmsg of nothing there", syscall(SYS_recvmsg, pair[0], nowhere, 0));
    show_call("sendmsg across pages", syscall(SYS_sendmsg, pair[0], page_end - 20, 0));
    struct msghdr m = {.msg_iov = &bad, .msg_iovlen = 1};
    show_call("a message from nowhere", sendmsg(pair[0], &m, 0));
    m.msg_iov = (struct iovec *)nowhere;
    show_call("vectors nowhere", sendmsg(pair[0], &m, 0));
    show_call("vectors nowhere to receive", recvmsg(pair[0], &m, 0));
    m.msg_iov = &huge;
    show_call("a vector too long", sendmsg(pair[0], &m, 0));
    m = (struct msghdr){.msg_iov = &v, .msg_iovlen = 1025};
    show_call("too many vectors", sendmsg(pair[0], &m, 0));
    show_call("too many vectors to receive", recvmsg(pair[0], &m, 0));
    m = (struct msghdr){.msg_iov = &v, .msg_iovlen = 1, .msg_control = NULL, .msg_controllen = 50};
    show_call("no control but its size", sendmsg(pair[0], &m, 0));
    m.msg_control = nowhere;
    show_call("control from nowhere", sendmsg(pair[0], &m, 0));
    m.msg_control = buf;
    m.msg_controllen = 1 << 30;
    show_call("control too large", sendmsg(pair[0], &m, 0));
    m = (struct msghdr){
        .msg_iov = &v, .msg_iovlen = 1, .msg_name = &name, .msg_namelen = (socklen_t)-1};
    show_call("a name of no size", sendmsg(pair[0], &m, 0));
    show_call("a name of no size to receive", recvmsg(pair[1], &m, 0));
    m.msg_namelen = 500;
    show_call("a name too long", sendmsg(pair[0], &m, 0));
    m.msg_name = nowhere, m.msg_namelen = 10;
    show_call("a name from nowhere", sendmsg(pair[0], &m, 0));
    m.msg_name = NULL, m.msg_namelen = 10;
    show_call("a size of no name", sendmsg(pair[0], &m, 0));
    while (recv(pair[1], buf, sizeof buf, 0) > 0)
        ;
    send(pair[0], "abc", 3, 0);
    m = (struct msghdr){.msg_iov = &bad, .msg_iovlen = 1};
    show_call("receive to nowhere", recvmsg(pair[1], &m, 0));
    show_call("... and what was left", recv(pair[1], buf, sizeof buf, 0));
    show_call("sendto from nowhere", send(pair[0], nowhere, 3, 0));
    show_call("sendto half from nowhere", send(pair[0], page_end - 2, 3, 0));
    show_call("sendto a size", sendto(pair[0], "x", 1, 0, (struct sockaddr *)&name, (socklen_t)-1));
    show_call("sendto a size too long", sendto(pair[0], "x", 1, 0, (struct sockaddr *)&name, 500));
    show_call("recvfrom a name nowhere",
              recvfrom(pair[1], buf, 1, 0, (struct sockaddr *)nowhere, (socklen_t *)nowhere));
    close_pair();
    open_pair(SOCK_DGRAM);
    show_call("urgent datagram", send(pair[0], "x", 1, MSG_OOB));
    show_call("urgent datagram to receive", recv(pair[1], buf, 1, MSG_OOB));
    send(pair[0], "abc", 3, 0);
    show_call("a datagram to nowhere", recv(pair[1], nowhere, 3, 0));
    send(pair[0], "abcdef", 6, 0);
    show_call("a datagram cut short", recv(pair[1], buf, 2, MSG_TRUNC));
    send(pair[0], "abcdef", 6, 0);
    m = (struct msghdr){
        .msg_iov = &v, .msg_iovlen = 1, .msg_name = &name, .msg_namelen = sizeof name};
    show_call("a datagram with its name", recvmsg(pair[1], &m, 0));
    SHOW("... flags and size", "%#x %u", m.msg_flags, m.msg_namelen);
    show_call("an empty datagram", send(pair[0], "", 0, 0));
    show_call("... received", recv(pair[1], buf, 2, 0));
    close_pair();
}

static void many_messages(void)
{
    char byte[4] = "abc", into[4];
    struct iovec v = {byte, 3}, w = {into, 3}, bad = {nowhere, 3};
    struct mmsghdr m[3], r[3];
    memset(m, 0, sizeof m);
    memset(r, 0, sizeof r);
    for (int i = 0; i < 3; i++) {
        m[i].msg_hdr.msg_iov = &v, m[i].msg_hdr.msg_iovlen = 1;
        r[i].msg_hdr.msg_iov = &w, r[i].msg_hdr.msg_iovlen = 1;
    }
    open_pair(SOCK_DGRAM);
    show_call("sendmmsg of nothing", sendmmsg(pair[0], m, 0, 0));
    show_call("sendmmsg", sendmmsg(pair[0], m, 3, 0));
    SHOW("... sizes", "%u %u %u", m[0].msg_len, m[1].msg_len, m[2].msg_len);
    show_call("recvmmsg", recvmmsg(pair[1], r, 3, 0, NULL));
    SHOW("... sizes", "%u %u %u", r[0].msg_len, r[1].msg_len, r[2].msg_len);
    show_call("recvmmsg when there is nothing", recvmmsg(pair[1], r, 3, 0, NULL));
    m[1].msg_hdr.msg_iov = &bad;
    show_call("sendmmsg with a bad second", sendmmsg(pair[0], m, 3, 0));
    show_call("recvmmsg of one", recvmmsg(pair[1], r, 3, 0, NULL));
    m[0].msg_hdr.msg_iov = &bad;
    show_call("sendmmsg with a bad first", sendmmsg(pair[0], m, 3, 0));
    show_call("sendmmsg from nowhere", syscall(SYS_sendmmsg, pair[0], nowhere, 3, 0));
    show_call("recvmmsg to nowhere", syscall(SYS_recvmmsg, pair[1], nowhere, 3, 0, NULL));
    m[0].msg_hdr.msg_iov = m[1].msg_hdr.msg_iov = &v;
    sendmmsg(pair[0], m, 2, 0);
    show_call("recvmmsg waiting for one", recvmmsg(pair[1], r, 3, MSG_WAITFORONE, NULL));
    const struct timespec none = {0, 0}, bad_time = {0, -1}, negative = {-1, 0};
    sendmmsg(pair[0], m, 3, 0);
    struct timespec t = none;
    show_call("recvmmsg without time", recvmmsg(pair[1], r, 3, 0, &t));
    t = bad_time;
    show_call("recvmmsg with a bad time", recvmmsg(pair[1], r, 3, 0, &t));
    t = negative;
    show_call("recvmmsg with a negative time", recvmmsg(pair[1], r, 3, 0, &t));
    show_call("recvmmsg with a time nowhere", syscall(SYS_recvmmsg, pair[1], r, 3, 0, nowhere));
    t = (struct timespec){5, 0};
    sendmmsg(pair[0], m, 1, 0);
    show_call("recvmmsg with time", recvmmsg(pair[1], r, 1, 0, &t));
    SHOW("... of which is left", "%d", t.tv_sec >= 3);
    show_call("recvmmsg of an error flag", recvmmsg(pair[1], r, 1, MSG_ERRQUEUE, NULL));
    close_pair();
}

// --- Control -------------------------------------------------------------------------------------

static void show_control(const char *what, int fd, size_t room)
{
    char buf[512], byte[8];
    struct iovec v = {byte, sizeof byte};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = room};
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    if (n < 0) {
        show_call(what, n);
        return;
    }
    SHOW(what, "%zd bytes, flags %#x, %zu of control", n, m.msg_flags, m.msg_controllen);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        SHOW("...", "level %d type %d size %zu", c->cmsg_level, c->cmsg_type, c->cmsg_len);
        for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i < (c->cmsg_len - CMSG_LEN(0)) / 4; i++)
            close(((int *)CMSG_DATA(c))[i]);
    }
}

static long send_control(int level, int type, size_t len, const void *data, size_t size)
{
    static char buf[2048];
    memset(buf, 0, sizeof buf);
    struct cmsghdr *c = (struct cmsghdr *)buf;
    *c = (struct cmsghdr){.cmsg_len = len, .cmsg_level = level, .cmsg_type = type};
    memcpy(CMSG_DATA(c), data, size);
    struct iovec v = {"x", 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = CMSG_SPACE(size)};
    return sendmsg(pair[0], &m, 0);
}

static void control(void)
{
    int fds[260], on = 1;
    for (int i = 0; i < 260; i++)
        fds[i] = 0;
    open_pair(SOCK_STREAM);
    show_call("control of another level", send_control(77, 1, CMSG_LEN(4), fds, 4));
    show_call("control of another type", send_control(SOL_SOCKET, 77, CMSG_LEN(4), fds, 4));
    show_call("control shorter than its head", send_control(SOL_SOCKET, SCM_RIGHTS, 3, fds, 4));
    show_call("control longer than there is", send_control(SOL_SOCKET, SCM_RIGHTS, 500, fds, 4));
    show_call("no rights", send_control(SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(0), fds, 0));
    show_call("half a right", send_control(SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(2), fds, 4));
    show_call("rights", send_control(SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(12), fds, 12));
    show_call("as many rights as there may be",
              send_control(SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(253 * 4), fds, 253 * 4));
    show_call("one too many",
              send_control(SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(254 * 4), fds, 254 * 4));
    fds[1] = 999;
    show_call("a right to what is not open",
              send_control(SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(12), fds, 12));
    fds[1] = open("/", O_PATH);
    show_call("a right to a path", send_control(SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(12), fds, 12));
    for (int i = 0; i < 7; i++)
        show_control("received", pair[1], i == 4 ? CMSG_SPACE(20) : 512);
    close_pair();
    static const size_t rooms[] = {0, 8, 15, 16, 17, 19, 20, 23, 24, 27, 28, 32};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        char text[64];
        open_pair(SOCK_STREAM);
        fds[1] = 0;
        send_control(SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(12), fds, 12);
        snprintf(text, sizeof text, "three rights in %zu bytes", rooms[i]);
        show_control(text, pair[1], rooms[i]);
        setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
        send_control(SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(4), fds, 4);
        snprintf(text, sizeof text, "with credentials in %zu bytes", rooms[i]);
        show_control(text, pair[1], rooms[i]);
        close_pair();
    }
}

static void credentials(void)
{
    int on = 1;
    open_pair(SOCK_STREAM);
    setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    struct ucred own = {getpid(), getuid(), getgid()}, other = own;
    show_call("one's own credentials",
              send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof own), &own, sizeof own));
    show_call("too short",
              send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(8), &own, sizeof own));
    show_call("too long", send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(16), &own, 16));
    other.pid = getppid();
    show_call("another process",
              send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof own), &other, sizeof own));
    other.pid = 999999;
    show_call("no process",
              send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof own), &other, sizeof own));
    other = own, other.uid = 5;
    show_call("another user",
              send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof own), &other, sizeof own));
    other = own, other.gid = 5;
    show_call("another group",
              send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof own), &other, sizeof own));
    other = own, other.uid = UINT32_MAX;
    show_call("no user",
              send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof own), &other, sizeof own));
    other = own, other.gid = UINT32_MAX;
    show_call("no group",
              send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof own), &other, sizeof own));
    for (int i = 0; i < 5; i++)
        show_control("received", pair[1], 512); // messages of different writers are not joined
    IN_CHILD(
        "as users", setresgid(10, 11, 12); setresuid(20, 21, 22);
        static const unsigned users[] = {20, 21, 22, 23}, groups[] = {10, 11, 12, 13};
        for (int i = 0; i < 4; i++) {
            struct ucred c = {getpid(), users[i], 10};
            show_call("a user",
                      send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof c), &c, sizeof c));
            c = (struct ucred){getpid(), 20, groups[i]};
            show_call("a group",
                      send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof c), &c, sizeof c));
        } struct ucred c = {getppid(), 20, 10};
        show_call("a process",
                  send_control(SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof c), &c, sizeof c)));
    close_pair();
}

// --- Connections of AF_UNIX ----------------------------------------------------------------------

static void shut_down(void)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    char buf[8], text[64];
    for (int t = 0; t < 3; t++) {
        for (int how = 0; how < 3; how++) {
            open_pair(types[t]);
            send(pair[0], "a", 1, 0);
            snprintf(text, sizeof text, "shutdown %d of type %d", how, types[t]);
            show_done(text, shutdown(pair[1], how));
            show_call("... send to it", send(pair[0], "b", 1, MSG_NOSIGNAL));
            show_call("... send from it", send(pair[1], "c", 1, MSG_NOSIGNAL));
            show_call("... receive there", recv(pair[1], buf, 8, 0));
            show_call("... and again", recv(pair[1], buf, 8, 0));
            show_call("... receive here", recv(pair[0], buf, 8, 0));
            struct pollfd p[2] = {{pair[0], POLLIN | POLLOUT | POLLRDHUP, 0},
                                  {pair[1], POLLIN | POLLOUT | POLLRDHUP, 0}};
            poll(p, 2, 0);
            SHOW("... events", "%#x %#x", p[0].revents, p[1].revents);
            close_pair();
        }
        open_pair(types[t]);
        send(pair[1], "left", 4, 0);
        close(pair[1]);
        show_call("send to the end of one", send(pair[0], "b", 1, MSG_NOSIGNAL));
        show_call("... what it left", recv(pair[0], buf, 8, 0));
        show_call("... and then", recv(pair[0], buf, 8, 0));
        close(pair[0]);
        open_pair(types[t]);
        send(pair[0], "unread", 6, 0);
        close(pair[1]);
        show_call("receive from who did not read", recv(pair[0], buf, 8, 0));
        show_call("... and then", recv(pair[0], buf, 8, 0));
        close(pair[0]);
    }
    signal(SIGPIPE, SIG_DFL);
    IN_CHILD("a broken pipe", open_pair(SOCK_STREAM); close(pair[1]); send(pair[0], "x", 1, 0));
}

static void queues(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0socket-calls"}, got;
    socklen_t len = sizeof(sa_family_t) + 13, size = sizeof got;
    int server = new_unix(SOCK_DGRAM | SOCK_NONBLOCK),
        client = new_unix(SOCK_DGRAM | SOCK_NONBLOCK);
    char buf[8];
    show_done("bind", bind(server, (struct sockaddr *)&a, len));
    show_call("send of one not connected", send(client, "x", 1, 0));
    show_call("sendto of a stream's name", sendto(client, "x", 1, 0, (struct sockaddr *)&a, 1));
    int n;
    while ((n = (int)sendto(client, "x", 1, 0, (struct sockaddr *)&a, len)) == 1)
        ;
    show_call("the queue is full", n);
    show_done("connect", connect(client, (struct sockaddr *)&a, len));
    recv(server, buf, 8, 0);
    int stranger = new_unix(SOCK_DGRAM | SOCK_NONBLOCK);
    show_done("connect back", connect(server, (struct sockaddr *)&a, len));
    show_call("a stranger sends", sendto(stranger, "x", 1, 0, (struct sockaddr *)&a, len));
    show_call("a client sends", send(client, "x", 1, 0));
    show_done("disconnect",
              connect(client, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(sa_family_t)));
    show_call("send then", send(client, "x", 1, 0));
    setsockopt(stranger, SOL_SOCKET, SO_PASSCRED, &(int){1}, 4);
    while (recv(server, buf, 8, 0) > 0)
        ;
    show_call("sent by one that gets a name",
              sendto(stranger, "x", 1, 0, (struct sockaddr *)&a, len));
    getsockname(stranger, (struct sockaddr *)&got, &size);
    SHOW("... its name's size", "%u", size);
    close(server), close(client), close(stranger);
}

// --- Addresses of the Internet -------------------------------------------------------------------

static void inet(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                       b = a;
    socklen_t len = sizeof a;
    static char big[70000];
    char buf[16];
    static const int bad[][3] = {
        {AF_INET, SOCK_STREAM, IPPROTO_UDP}, {AF_INET, SOCK_DGRAM, IPPROTO_TCP},
        {AF_INET, SOCK_STREAM, -1},          {AF_INET, SOCK_STREAM, 256},
        {AF_INET, SOCK_STREAM, 255},         {AF_INET, 9, 0},
        {AF_INET, SOCK_SEQPACKET, 0},        {AF_INET, SOCK_RAW, 0},
        {AF_INET6, SOCK_STREAM, IPPROTO_TCP}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        show_done("an odd socket", socket(bad[i][0], bad[i][1], bad[i][2]));
    int u = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), w = socket(AF_INET, SOCK_DGRAM, 0);
    show_done("bind of a byte", bind(u, (struct sockaddr *)&a, 1));
    show_done("bind of too little", bind(u, (struct sockaddr *)&a, 15));
    show_done("connect of a byte", connect(u, (struct sockaddr *)&a, 1));
    b.sin_family = AF_INET6;
    show_done("bind of another family", bind(u, (struct sockaddr *)&b, len));
    show_done("connect of another family", connect(u, (struct sockaddr *)&b, len));
    b.sin_family = AF_UNSPEC;
    show_done("bind of no family to an address", bind(u, (struct sockaddr *)&b, len));
    show_done("disconnect", connect(u, (struct sockaddr *)&b, len));
    show_call("send of one not connected", send(u, "x", 1, 0));
    show_done("accept of datagrams", accept(u, NULL, NULL));
    show_done("listen of datagrams", listen(u, 1));
    show_done("bind", bind(u, (struct sockaddr *)&a, sizeof a));
    getsockname(u, (struct sockaddr *)&a, &len);
    show_call("a datagram too large", sendto(w, big, 66000, 0, (struct sockaddr *)&a, len));
    show_call("a datagram larger still", sendto(w, big, 1 << 18, 0, (struct sockaddr *)&a, len));
    show_call("a datagram from nowhere", sendto(w, nowhere, 10, 0, (struct sockaddr *)&a, len));
    show_call("a datagram", sendto(w, "abcdef", 6, 0, (struct sockaddr *)&a, len));
    poll(&(struct pollfd){u, POLLIN, 0}, 1, -1);
    show_call("looked at", recv(u, buf, 3, MSG_PEEK | MSG_TRUNC));
    show_call("to nowhere", recv(u, nowhere, 3, 0));
    show_call("nothing is left", recv(u, buf, 3, 0));
    show_call("no errors are queued", recv(u, buf, 3, MSG_ERRQUEUE));
    int s = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_port = 0;
    bind(s, (struct sockaddr *)&a, sizeof a);
    show_done("accept before listen", accept(s, NULL, NULL));
    listen(s, 4);
    getsockname(s, (struct sockaddr *)&a, &len);
    show_call("read of one not connected", read(c, buf, 1));
    show_call("write of one not connected", send(c, buf, 1, MSG_NOSIGNAL));
    show_done("connect", connect(c, (struct sockaddr *)&a, len));
    show_done("connect again", connect(c, (struct sockaddr *)&a, len));
    int far = accept(s, NULL, NULL), n = 9;
    send(far, "abcdef", 6, 0);
    poll(&(struct pollfd){c, POLLIN, 0}, 1, -1);
    show_call("looked at", recv(c, buf, 3, MSG_PEEK));
    show_call("thrown away", recv(c, NULL, 2, MSG_TRUNC));
    show_call("all that was asked for", recv(c, buf, 4, MSG_WAITALL));
    show_done("SIOCOUTQ", ioctl(c, TIOCOUTQ, &n));
    SHOW("... is", "%d", n);
    show_done("FIONREAD", ioctl(c, FIONREAD, &n));
    SHOW("... is", "%d", n);
    show_done("SIOCATMARK", ioctl(c, 0x8905, &n));
    SHOW("... is", "%d", n);
    show_done("SIOCATMARK to nowhere", ioctl(c, 0x8905, nowhere));
    send(far, "!", 1, MSG_OOB);
    poll(&(struct pollfd){c, POLLPRI, 0}, 1, -1);
    show_call("urgent data", recv(c, buf, 1, MSG_OOB));
    show_call("... once", recv(c, buf, 1, MSG_OOB));
    struct timeval limit = {0, 1000};
    setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    show_call("a time limit runs out", recv(c, buf, 1, 0));
    send(far, "xy", 2, 0);
    show_call("... and gives what has come", recv(c, buf, 10, MSG_WAITALL));
    show_done("shutdown", shutdown(far, SHUT_WR));
    show_call("the end", recv(c, buf, 1, 0));
    close(far);
    close(c), close(s), close(u), close(w);
}

static void probe(void)
{
    nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(two + 4096, 4096);
    page_end = two + 4096;
    all_options();
    IN_CHILD("as a user", as_user());
    message_pointers();
    many_messages();
    control();
    credentials();
    shut_down();
    queues();
    inet();
}

int main(void)
{
    return run_as_child(probe);
}
