// SIGIO: what of a socket, a terminal and an inotify makes a file send it. socket(7), fcntl(2).
#include "asleep.h"
#include "sigio.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pty.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

// --- Sockets -------------------------------------------------------------------------------------

static void unix_stream(void)
{
    int s[2];
    char buf[65536] = {0};
    block_all();
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
    own(s[0]);
    write(s[1], "x", 1);
    take("unix: written", SYNC_MS);
    write(s[1], "x", 1);
    take("unix: written again", SYNC_MS);
    take("unix: no more", SYNC_MS);
    read(s[0], buf, 2);
    take("unix: own read", SYNC_MS);
    write(s[0], "x", 1);
    read(s[1], buf, 1);
    take("unix: peer reads with room before", SYNC_MS);
    while (write(s[0], buf, sizeof buf) > 0)
        ;
    take("unix: full", SYNC_MS);
    while (read(s[1], buf, sizeof buf) > 0)
        ;
    take("unix: peer reads after it was full", SYNC_MS);
    drain();
    shutdown(s[1], SHUT_WR);
    take("unix: peer will not send", SYNC_MS);
    take("unix: that was all", SYNC_MS);
    shutdown(s[1], SHUT_RD);
    take("unix: peer will not receive", SYNC_MS);
    drain();
    close(s[1]);
    take("unix: peer closes", SYNC_MS);
    take("unix: and that was all", SYNC_MS);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    own(s[0]);
    close(s[1]);
    take("unix: peer closes at once", SYNC_MS);
    take("unix: one signal", SYNC_MS);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    own(s[0]);
    shutdown(s[0], SHUT_RDWR);
    take("unix: own shutdown", SYNC_MS);
    drain();
    shutdown(s[1], SHUT_RDWR);
    take("unix: shutdown by peer", SYNC_MS);
}

static void unix_listener(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "sigio%d", (int)getpid());
    block_all();
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(l, (struct sockaddr *)&a, sizeof a);
    own(l);
    listen(l, 5);
    take("listen", SYNC_MS);
    own(c);
    connect(c, (struct sockaddr *)&a, sizeof a);
    take("listener: connection", SYNC_MS);
    take("connecting side", SYNC_MS);
    int s = accept(l, NULL, NULL);
    take("accept", SYNC_MS);
    SHOW("accepted socket", "%d %s", !!(fcntl(s, F_GETFL) & O_ASYNC), who(raw_getown(s)));
    write(c, "x", 1);
    take("accepted socket sends none", SYNC_MS);
    close(s);
    take("accepted socket closed with data", SYNC_MS);
    take("one of it", SYNC_MS);
}

static void unix_dgram(int type, const char *kind)
{
    int s[2];
    char buf[1000] = {0}, label[80];
    block_all();
    socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
    own(s[0]);
    SHOW("kind", "%s", kind);
    write(s[1], "x", 1);
    take("message comes", SYNC_MS);
    write(s[0], "x", 1);
    take("message goes", SYNC_MS);
    read(s[1], buf, 1);
    take("message is read", SYNC_MS);
    while (write(s[0], buf, sizeof buf) > 0)
        ;
    snprintf(label, sizeof label, "%s", "message queue full");
    take(label, SYNC_MS);
    drain();
    shutdown(s[1], SHUT_WR);
    take("message peer will not send", SYNC_MS);
    close(s[1]);
    take("message peer closes", SYNC_MS);
    drain();
}

static void inet(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    char buf[16];
    block_all();
    int l = socket(AF_INET, SOCK_STREAM, 0);
    bind(l, (struct sockaddr *)&a, sizeof a);
    listen(l, 5);
    getsockname(l, (struct sockaddr *)&a, &len);
    own(l);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    connect(c, (struct sockaddr *)&a, sizeof a);
    take("tcp: connection", LATER_MS);
    int s = accept(l, NULL, NULL);
    own(s);
    drain();
    write(c, "x", 1);
    take("tcp: data", LATER_MS);
    read(s, buf, 1);
    write(c, "x", 1);
    take("tcp: more data", LATER_MS);
    drain();
    async(s, false);
    send(c, "u", 1, MSG_OOB);
    fcntl(s, F_SETSIG, 0);
    struct pollfd p = {s, POLLPRI, 0};
    poll(&p, 1, LATER_MS);
    take("tcp: urgent data", LATER_MS);
    close(c);
    int u = socket(AF_INET, SOCK_DGRAM, 0);
    a.sin_port = 0;
    bind(u, (struct sockaddr *)&a, sizeof a);
    getsockname(u, (struct sockaddr *)&a, &len);
    own(u);
    int v = socket(AF_INET, SOCK_DGRAM, 0);
    drain();
    sendto(v, "x", 1, 0, (struct sockaddr *)&a, sizeof a);
    take("udp: datagram", LATER_MS);
    read(u, buf, sizeof buf);
    sendto(v, "x", 1, 0, (struct sockaddr *)&a, sizeof a);
    take("udp: another", LATER_MS);
}

// --- Terminals and inotify -----------------------------------------------------------------------

static void terminal(void)
{
    int m, s;
    struct termios t;
    block_all();
    setsid();
    openpty(&m, &s, NULL, NULL, NULL);
    async(s, true);
    SHOW("tty: owner by O_ASYNC", "%s", who(raw_getown(s)));
    write(m, "abc", 3);
    take("tty: half a line", 200);
    write(m, "\n", 1);
    take("tty: a line", LATER_MS);
    fcntl(s, F_SETSIG, RT);
    write(m, "x\n", 2);
    take("tty: another line", LATER_MS);
    drain();
    tcgetattr(s, &t);
    cfmakeraw(&t);
    tcsetattr(s, TCSAFLUSH, &t);
    drain();
    write(m, "x", 1);
    take("tty: raw byte", LATER_MS);
    async(s, false);
    own(m);
    drain();
    write(s, "x", 1);
    take("tty: master", LATER_MS);
    close(s);
    take("tty: the other side closes", 100);
    openpty(&m, &s, NULL, NULL, NULL);
    ioctl(s, TIOCSCTTY, 0);
    async(s, true);
    SHOW("tty: owner of a controlling terminal", "%s", who(raw_getown(s)));
    async(s, false);
    fcntl(s, F_SETOWN, 0);
    fcntl(s, F_SETOWN, getpid());
    async(s, true);
    SHOW("tty: owner stays", "%s", who(raw_getown(s)));
    SHOW("tty: O_ASYNC", "%d", !!(fcntl(s, F_GETFL) & O_ASYNC));
    drain();
    signal(SIGHUP, SIG_IGN);
    close(m);
    drain();
    SHOW("tty: O_ASYNC after hangup", "%d", !!(fcntl(s, F_GETFL) & O_ASYNC));
}

static void notify(void)
{
    char name[64], file[80];
    snprintf(name, sizeof name, "/tmp/sigio.%d", (int)getpid());
    snprintf(file, sizeof file, "%s/a", name);
    block_all();
    mkdir(name, 0700);
    int in = inotify_init1(IN_NONBLOCK);
    inotify_add_watch(in, name, IN_CREATE | IN_DELETE);
    own(in);
    close(open(file, O_CREAT | O_RDWR, 0600));
    take("inotify: created", SYNC_MS);
    take("inotify: once", SYNC_MS);
    unlink(file);
    take("inotify: removed", SYNC_MS);
    close(open(file, O_CREAT | O_RDWR, 0600));
    unlink(file);
    drain();
    close(open(file, O_CREAT | O_RDWR, 0600));
    close(in);
    take("inotify: sent before it is closed", SYNC_MS);
    unlink(file);
    rmdir(name);
}

struct reader {
    int fd;
    _Atomic pid_t tid;
};

static void *read_one(void *arg)
{
    struct reader *r = arg;
    char c;
    r->tid = (pid_t)syscall(SYS_gettid);
    read(r->fd, &c, 1);
    return NULL;
}

// A reader that sleeps gets what comes; nobody is told of it.
static void blocked_reader(void)
{
    int s[2];
    pthread_t t;
    block_all();
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    own(s[0]);
    struct reader r = {s[0], 0};
    pthread_create(&t, NULL, read_one, &r);
    while (!r.tid)
        sched_yield();
    task_until_asleep(r.tid);
    write(s[1], "x", 1);
    pthread_join(t, NULL);
    take("somebody waits for the data", SYNC_MS);
    write(s[1], "x", 1);
    take("nobody waits", SYNC_MS);
}

static void questions(void)
{
    IN_CHILD("unix stream", unix_stream());
    IN_CHILD("unix listener", unix_listener());
    IN_CHILD("unix dgram", unix_dgram(SOCK_DGRAM, "datagrams"));
    IN_CHILD("unix seqpacket", unix_dgram(SOCK_SEQPACKET, "packets"));
    IN_CHILD("blocked reader", blocked_reader());
    IN_CHILD("inet", inet());
    IN_CHILD("terminal", terminal());
    IN_CHILD("notify", notify());
}

int main(void)
{
    return run_as_child(questions);
}
