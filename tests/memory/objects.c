// Scenarios of a host without memory: what descriptors and keys of IPC stand for.
#include "tests/memory/guest.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static void pipes(void)
{
    static char block[30000];
    int p[2], q[2];
    DO(pipe2(p, O_NONBLOCK));
    DO(pipe(q));
    EXPECT(DO(write(p[1], block, sizeof block)) > 0);
    DO(fcntl(p[0], F_SETPIPE_SZ, 1 << 18));
    EXPECT(DO(write(p[1], block, sizeof block)) > 0);
    EXPECT(DO(tee(p[0], q[1], 1000, 0)) > 0);
    struct iovec v = {block, 5000};
    DO(vmsplice(q[1], &v, 1, 0));
    EXPECT(DO(read(q[0], block, 1000)) > 0);
    EXPECT(DO(splice(p[0], NULL, q[1], NULL, 1000, 0)) > 0);
    EXPECT(DO(read(p[0], block, sizeof block)) > 0);
}

static void event_files(void)
{
    uint64_t one = 1;
    int e = (int)DO(eventfd(0, EFD_NONBLOCK));
    DO(write(e, &one, 8));
    DO(read(e, &one, 8));
    int t = (int)DO(timerfd_create(CLOCK_MONOTONIC, 0));
    struct itimerspec when = {.it_value = {0, 1}};
    DO(timerfd_settime(t, 0, &when, NULL));
    DO(read(t, &one, 8));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    DO(sigprocmask(SIG_BLOCK, &set, NULL));
    int s = (int)DO(signalfd(-1, &set, 0));
    DO(signalfd(s, &set, 0));
    MUST(kill(getpid(), SIGUSR1));
    struct signalfd_siginfo info;
    DO(read(s, &info, sizeof info));
    int ep = (int)DO(epoll_create1(0)), outer = (int)DO(epoll_create1(0));
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT}, got[4];
    DO(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev));
    DO(epoll_ctl(ep, EPOLL_CTL_ADD, t, &ev));
    DO(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &ev));
    EXPECT(DO(epoll_wait(outer, got, 4, 0)) == 1);
    EXPECT(DO(epoll_wait(ep, got, 4, 0)) == 1);
    DO(epoll_ctl(ep, EPOLL_CTL_MOD, e, &ev));
    for (int i = 0; i < 20; i++) {
        int more = (int)DO(dup(e));
        DO(epoll_ctl(ep, EPOLL_CTL_ADD, more, &ev));
    }
    DO(epoll_ctl(ep, EPOLL_CTL_DEL, t, NULL));
    struct pollfd p[300];
    for (int i = 0; i < 300; i++)
        p[i] = (struct pollfd){.fd = e, .events = POLLIN | POLLOUT};
    EXPECT(DO(poll(p, 300, 0)) == 300);
    int last = (int)DO(fcntl(e, F_DUPFD, 700));
    fd_set set_of[1];
    FD_ZERO(set_of);
    FD_SET(last, set_of);
    EXPECT(DO(select(last + 1, NULL, set_of, NULL, NULL)) == 1);
    DO(dup3(e, 900, O_CLOEXEC));
    DO(close_range(600, 1000, 0));
    DO(syscall(SYS_pidfd_open, getpid(), 0));
}

static void notifications(void)
{
    char buf[1000];
    int in = (int)DO(inotify_init1(IN_NONBLOCK));
    int wd = (int)DO(inotify_add_watch(in, "/dev/shm", IN_ALL_EVENTS));
    int fd = (int)DO(open("/dev/shm", O_TMPFILE | O_RDWR, 0600));
    DO(close(fd));
    DO(mkdir("/dev/shm/n", 0700));
    DO(rmdir("/dev/shm/n"));
    DO_OR(EAGAIN, read(in, buf, sizeof buf) < 0 && errno == EAGAIN ? 0 : 0);
    DO(inotify_rm_watch(in, wd));
    int fan = (int)DO_OR(EMFILE, fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY));
    DO(fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE, AT_FDCWD, "/dev/shm"));
    int other = (int)DO(open("/dev/shm", O_RDONLY));
    DO(close(other));
    if (read(fan, buf, sizeof buf) < 0 && errno != EAGAIN && errno != ENOMEM)
        wrong("read of fanotify", errno);
}

static void memory_files(void)
{
    static char block[20000];
    int fd = (int)DO(memfd_create("x", MFD_ALLOW_SEALING));
    DO(ftruncate(fd, 100000));
    EXPECT(DO(write(fd, block, sizeof block)) > 0);
    char *p = (char *)DO(mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    p[50000] = 1;
    EXPECT(DO(pread(fd, block, 1, 50000)) == 1 && block[0] == 1);
    DO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 49152, 4096));
    DO(munmap(p, 100000));
    DO(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    DO(ftruncate(fd, 10));
}

// --- Sockets -------------------------------------------------------------------------------------

static void send_rights(int fd, int what)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    } c = {.h = {.cmsg_len = CMSG_LEN(2 * sizeof(int)),
                 .cmsg_level = SOL_SOCKET,
                 .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&c.h), (int[]){what, what}, 2 * sizeof(int));
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = &c,
                       .msg_controllen = CMSG_SPACE(2 * sizeof(int))};
    DO_OR(ENOBUFS, sendmsg(fd, &m, MSG_DONTWAIT));
}

static void receive_rights(int fd)
{
    char room[300], byte;
    struct iovec v = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    DO_OR(ENOBUFS, recvmsg(fd, &m, MSG_DONTWAIT));
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
            MUST(close(((int *)CMSG_DATA(c))[i]));
    }
}

static void unix_sockets(void)
{
    int s[2], d[2], on = 1;
    char buf[100];
    DO_OR(ENOBUFS, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    DO_OR(ENOBUFS, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, d));
    EXPECT(DO_OR(ENOBUFS, send(s[0], "hello", 5, MSG_DONTWAIT)) == 5);
    DO(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    EXPECT(DO(recv(s[1], buf, sizeof buf, MSG_DONTWAIT)) == 5);
    send_rights(s[0], d[0]);
    receive_rights(s[1]);
    send_rights(d[0], d[1]); // a cycle, for the collector
    send_rights(d[1], d[0]);
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0no-memory"};
    socklen_t len = sizeof(sa_family_t) + 10;
    int l = (int)DO_OR(ENOBUFS, socket(AF_UNIX, SOCK_STREAM, 0));
    DO_OR(ENOBUFS, bind(l, (struct sockaddr *)&a, len));
    DO(listen(l, 2));
    int c = (int)DO_OR(ENOBUFS, socket(AF_UNIX, SOCK_STREAM, 0));
    DO_OR(ENOBUFS, connect(c, (struct sockaddr *)&a, len));
    int got = (int)DO_OR(ENOBUFS, accept(l, NULL, NULL));
    EXPECT(DO_OR(ENOBUFS, write(got, "abc", 3)) == 3);
    EXPECT(DO(read(c, buf, sizeof buf)) == 3);
    int u = (int)DO_OR(ENOBUFS, socket(AF_UNIX, SOCK_DGRAM, 0));
    a = (struct sockaddr_un){.sun_family = AF_UNIX, .sun_path = "/dev/shm/s"};
    unlink(a.sun_path);
    int err = bind(u, (struct sockaddr *)&a, sizeof a);
    if (err < 0 && errno != EADDRINUSE)
        judge("bind", errno, 0, ENOBUFS);
    struct sockaddr_un name;
    len = sizeof name;
    DO(getsockname(u, (struct sockaddr *)&name, &len));
    if (!err) {
        int v = (int)DO_OR(ENOBUFS, socket(AF_UNIX, SOCK_DGRAM, 0));
        DO_OR(ENOBUFS, sendto(v, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
        len = sizeof name;
        EXPECT(DO(recvfrom(u, buf, 1, 0, (struct sockaddr *)&name, &len)) == 1);
    }
    for (int i = 0; i < 2 && unlink(a.sun_path) < 0 && errno == ENOMEM; i++)
        ;
}

static void inet_sockets(void)
{
    int l = (int)DO_OR(ENOBUFS, socket(AF_INET, SOCK_STREAM, 0)), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    char buf[5000];
    DO(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    DO(bind(l, (struct sockaddr *)&a, sizeof a));
    DO(listen(l, 2));
    DO(getsockname(l, (struct sockaddr *)&a, &len));
    int c = (int)DO_OR(ENOBUFS, socket(AF_INET, SOCK_STREAM, 0));
    int err = connect(c, (struct sockaddr *)&a, sizeof a);
    if (err < 0) {
        judge("connect", errno, 0, ENOBUFS);
        err = connect(c, (struct sockaddr *)&a, sizeof a);
        if (err < 0 && errno != EISCONN && errno != EALREADY)
            judge("connect", errno, 1, ENOBUFS);
    }
    int s = (int)DO_OR(ENOBUFS, accept4(l, NULL, NULL, SOCK_CLOEXEC));
    EXPECT(DO_OR(ENOBUFS, send(s, buf, sizeof buf, 0)) > 0);
    EXPECT(DO(recv(c, buf, sizeof buf, 0)) > 0);
    int u = (int)DO_OR(ENOBUFS, socket(AF_INET, SOCK_DGRAM, 0));
    int w = (int)DO_OR(ENOBUFS, socket(AF_INET, SOCK_DGRAM, 0));
    a.sin_port = 0;
    DO(bind(u, (struct sockaddr *)&a, sizeof a));
    len = sizeof a;
    DO(getsockname(u, (struct sockaddr *)&a, &len));
    EXPECT(DO_OR(ENOBUFS, sendto(w, buf, 100, 0, (struct sockaddr *)&a, sizeof a)) == 100);
    struct pollfd p[2] = {{u, POLLIN, 0}, {c, POLLIN, 0}};
    EXPECT(DO(poll(p, 2, -1)) >= 1);
    int ep = (int)DO(epoll_create1(0));
    struct epoll_event ev = {.events = EPOLLIN};
    DO(epoll_ctl(ep, EPOLL_CTL_ADD, u, &ev));
    EXPECT(DO(epoll_wait(ep, &ev, 1, -1)) == 1);
    EXPECT(DO(recv(u, buf, sizeof buf, 0)) == 100);
    DO(shutdown(s, SHUT_WR));
    EXPECT(DO(getsockopt(c, SOL_SOCKET, SO_ERROR, &on, &len)) == 0);
}

static void routes(void)
{
    static char buf[16384];
    int n = (int)DO_OR(ENOBUFS, socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    struct sockaddr_nl a = {.nl_family = AF_NETLINK};
    DO(bind(n, (struct sockaddr *)&a, sizeof a));
    static const int kinds[] = {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE};
    for (int i = 0; i < 3; i++) {
        struct {
            struct nlmsghdr h;
            struct rtgenmsg g;
        } ask = {{sizeof ask, (uint16_t)kinds[i], NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {AF_UNSPEC}};
        DO_OR(ENOBUFS, send(n, &ask, sizeof ask, 0));
        DO_OR(ENOBUFS, recv(n, buf, sizeof buf, MSG_DONTWAIT | MSG_PEEK));
        for (bool done = false; !done;) {
            long got = recv(n, buf, sizeof buf, MSG_DONTWAIT);
            if (got < 0) {
                judge("recv", errno, 0, errno == EAGAIN ? EAGAIN : ENOBUFS);
                break;
            }
            done = ((struct nlmsghdr *)buf)->nlmsg_type != (kinds[i] & ~3);
        }
    }
}

// --- Terminals -----------------------------------------------------------------------------------

static void terminals(void)
{
    int m = (int)DO(open("/dev/ptmx", O_RDWR | O_NOCTTY)), zero = 0, number;
    char name[32], buf[100];
    DO(ioctl(m, TIOCSPTLCK, &zero));
    DO(ioctl(m, TIOCGPTN, &number));
    snprintf(name, sizeof name, "/dev/pts/%d", number);
    int s = (int)DO(open(name, O_RDWR | O_NOCTTY));
    int peer = (int)DO(ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    struct termios t;
    DO(ioctl(s, TCGETS, &t));
    t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    DO(ioctl(s, TCSETS, &t));
    EXPECT(DO(write(m, "abc\n", 4)) == 4);
    EXPECT(DO(read(s, buf, sizeof buf)) == 4);
    EXPECT(DO(write(peer, "xyz", 3)) == 3);
    EXPECT(DO(read(m, buf, sizeof buf)) == 3);
    pid_t child = fork();
    if (child < 0) {
        judge("fork", errno, 0, EAGAIN);
        return;
    }
    if (child == 0) {
        alarm(20);
        signal(SIGHUP, SIG_IGN);
        DO(setsid());
        DO(ioctl(s, TIOCSCTTY, 0));
        int tty = (int)DO(open("/dev/tty", O_RDWR));
        DO(tcgetpgrp(tty));
        struct winsize w = {.ws_row = 10, .ws_col = 20};
        DO(ioctl(tty, TIOCSWINSZ, &w));
        DO(ioctl(tty, TIOCNOTTY));
        _exit(0);
    }
    wait_part(child);
}

// --- IPC -----------------------------------------------------------------------------------------

static void sysv(void)
{
    DO_OR(ENOSPC, unshare(CLONE_NEWIPC));
    int shm = (int)DO_OR(ENOSPC, shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600));
    char *p = (char *)DO(shmat(shm, NULL, 0));
    p[5000] = 1;
    DO(shmdt(p));
    DO(shmctl(shm, IPC_RMID, NULL));
    int sem = (int)DO_OR(ENOSPC, semget(IPC_PRIVATE, 3, IPC_CREAT | 0600));
    struct sembuf ops[2] = {{0, 1, SEM_UNDO}, {1, 1, SEM_UNDO}};
    DO(semop(sem, ops, 2));
    unsigned short values[3];
    DO(semctl(sem, 0, GETALL, values));
    DO(semctl(sem, 0, SETALL, values));
    int msg = (int)DO_OR(ENOSPC, msgget(IPC_PRIVATE, IPC_CREAT | 0600));
    struct {
        long type;
        char text[100];
    } m = {.type = 1};
    DO(msgsnd(msg, &m, 100, IPC_NOWAIT));
    EXPECT(DO(msgrcv(msg, &m, 100, 0, IPC_NOWAIT)) == 100);
}

static void queues(void)
{
    DO_OR(ENOSPC, unshare(CLONE_NEWIPC));
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 100};
    char buf[100];
    mqd_t q = (mqd_t)DO_OR(ENOSPC, mq_open("/q", O_CREAT | O_RDWR, 0600, &attr));
    DO(mq_send(q, "hello", 5, 1));
    EXPECT(DO(mq_receive(q, buf, sizeof buf, NULL)) == 5);
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    DO(mq_notify(q, &none));
    DO(mq_getattr(q, &attr));
    DO(mq_close(q));
    DO(mq_unlink("/q"));
}

static void asynchronous(void)
{
    aio_context_t ctx = 0;
    char buf[100];
    int p[2];
    DO(pipe(p));
    DO_OR(EAGAIN, syscall(SYS_io_setup, 8, &ctx));
    struct iocb read_it = {.aio_lio_opcode = IOCB_CMD_PREAD,
                           .aio_fildes = (unsigned)DO(open("/dev/zero", O_RDONLY)),
                           .aio_buf = (uint64_t)(uintptr_t)buf,
                           .aio_nbytes = 10},
                write_it = {.aio_lio_opcode = IOCB_CMD_PWRITE,
                            .aio_fildes = (unsigned)p[1],
                            .aio_buf = (uint64_t)(uintptr_t)buf,
                            .aio_nbytes = 10},
                *both[2] = {&read_it, &write_it};
    long done = DO_OR(EAGAIN, syscall(SYS_io_submit, ctx, 2, both));
    if (done == 1)
        DO_OR(EAGAIN, syscall(SYS_io_submit, ctx, 1, both + 1));
    struct io_event events[2];
    EXPECT(DO(syscall(SYS_io_getevents, ctx, 2, 2, events, NULL)) == 2);
    DO(syscall(SYS_io_destroy, ctx));
}

static void keys(void)
{
    long ring = DO_OR(EDQUOT, syscall(SYS_keyctl, 1, "ring")); // KEYCTL_JOIN_SESSION_KEYRING
    long key = DO_OR(EDQUOT, syscall(SYS_add_key, "user", "a", "payload", 7, ring));
    char buf[100];
    DO(syscall(SYS_keyctl, 11, key, buf, sizeof buf)); // KEYCTL_READ
    DO(syscall(SYS_keyctl, 6, key, buf, sizeof buf));  // KEYCTL_DESCRIBE
    DO_OR(EDQUOT, syscall(SYS_add_key, "user", "b", "payload", 7, ring));
    DO(syscall(SYS_keyctl, 3, key)); // KEYCTL_REVOKE
}

const struct scenario object_scenarios[] = {
    {"pipes", pipes},
    {"event_files", event_files},
    {"notifications", notifications},
    {"memory_files", memory_files},
    {"unix_sockets", unix_sockets},
    {"inet_sockets", inet_sockets},
    {"routes", routes},
    {"terminals", terminals},
    {"sysv", sysv},
    {"queues", queues},
    {"asynchronous", asynchronous},
    {"keys", keys},
    {NULL, NULL},
};
