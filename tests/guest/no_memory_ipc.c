// Sockets, System V and POSIX IPC, futexes and asynchronous I/O when memory runs out.
#include "tests/guest/no_memory.h"
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

static struct tap tap;

// --- Sockets -------------------------------------------------------------------------------------

static void send_rights(int to, int fd, int count)
{
    char byte = 1, room[CMSG_SPACE(64 * sizeof(int))] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room};
    m.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN((size_t)count * sizeof(int)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS};
    for (int i = 0; i < count; i++)
        memcpy(CMSG_DATA(c) + (size_t)i * sizeof fd, &fd, sizeof fd);
    sendmsg(to, &m, 0);
}

static void unix_sockets(void)
{
    int v[2];
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    static const char *const names[] = {"stream", "datagram", "packet"};
    char name[64], buf[256];
    memset(buf, 1, sizeof buf);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "socketpair of kind %s", names[i]);
        REFUSED(name, syscall(SYS_socketpair, AF_UNIX, types[i], 0, v), (close(v[0]), close(v[1])));
        socketpair(AF_UNIX, types[i], 0, v);
        snprintf(name, sizeof name, "send on a %s socket", names[i]);
        REFUSED_OR(ENOBUFS, name, syscall(SYS_sendto, v[0], buf, 100, 0, NULL, 0),
                   read(v[1], buf, sizeof buf));
        int one = 1;
        setsockopt(v[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
        char room[256];
        struct iovec iov = {buf, 1};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room};
        snprintf(name, sizeof name, "descriptors over a %s socket", names[i]);
        REFUSED_OR(ENOBUFS, name, ({
                       struct cmsghdr *c = (struct cmsghdr *)(void *)room;
                       *c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
                       memcpy(CMSG_DATA(c), &v[0], sizeof v[0]);
                       m.msg_controllen = CMSG_LEN(sizeof(int));
                       syscall(SYS_sendmsg, v[0], &m, 0);
                   }),
                   read(v[1], buf, sizeof buf));
        struct msghdr in = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room};
        snprintf(name, sizeof name, "receipt of descriptors from a %s socket", names[i]);
        // Descriptors there is no room for are cut off, not the message.
        REFUSED_AFTER(
            name,
            (recv(v[1], buf, sizeof buf, MSG_DONTWAIT), send_rights(v[0], v[0], 3),
             in.msg_controllen = sizeof room),
            syscall(SYS_recvmsg, v[1], &in, 0),
            for (struct cmsghdr *c = CMSG_FIRSTHDR(&in); c; c = CMSG_NXTHDR(&in, c)) {
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t k = 0; c->cmsg_type == SCM_RIGHTS && k < n; k++)
                    close(((int *)(void *)CMSG_DATA(c))[k]);
            });
        close(v[0]), close(v[1]);
    }
    struct sockaddr_un a = {AF_UNIX, "/tmp/no-memory/socket"}, abstract = {AF_UNIX, "\0abstract"};
    mkdir("/tmp/no-memory", 0755);
    mount("none", "/tmp/no-memory", "tmpfs", 0, NULL); // a directory of the host takes no sockets
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    REFUSED("socket", syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0), close((int)got));
    REFUSED_AFTER("bind", (close(fd), fd = socket(AF_UNIX, SOCK_STREAM, 0)),
                  syscall(SYS_bind, fd, &a, sizeof a), unlink(a.sun_path));
    REFUSED_AFTER("bind of an abstract name", (close(fd), fd = socket(AF_UNIX, SOCK_STREAM, 0)),
                  syscall(SYS_bind, fd, &abstract, 12), (void)0);
    REFUSED_AFTER("bind of no name", (close(fd), fd = socket(AF_UNIX, SOCK_STREAM, 0)),
                  syscall(SYS_bind, fd, &abstract, sizeof(sa_family_t)), (void)0);
    close(fd);
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(server, (struct sockaddr *)&abstract, 12);
    REFUSED("listen", syscall(SYS_listen, server, 5), (void)0);
    REFUSED("connect", syscall(SYS_connect, fd, &abstract, 12),
            (close(fd), fd = socket(AF_UNIX, SOCK_STREAM, 0), close(accept(server, NULL, NULL))));
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(fd, (struct sockaddr *)&abstract, 12);
    // The connection waits until it is accepted.
    REFUSED("accept", syscall(SYS_accept4, server, NULL, NULL, 0), close((int)got));
    close(fd), close(server);
}

static void inet_sockets(void)
{
    static const struct {
        const char *name;
        int domain, type, protocol;
    } kinds[] = {
        {"TCP", AF_INET, SOCK_STREAM, 0},
        {"UDP", AF_INET, SOCK_DGRAM, 0},
        {"TCP over IPv6", AF_INET6, SOCK_STREAM, 0},
        {"netlink", AF_NETLINK, SOCK_RAW, 0},

        {"uevent", AF_NETLINK, SOCK_RAW, 15},
    };
    char name[64], buf[8192];
    memset(buf, 0, sizeof buf);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int fd = socket(kinds[i].domain, kinds[i].type, kinds[i].protocol);
        if (fd < 0)
            continue;
        close(fd);
        snprintf(name, sizeof name, "socket of kind %s", kinds[i].name);
        REFUSED_OR(ENOBUFS, name,
                   syscall(SYS_socket, kinds[i].domain, kinds[i].type, kinds[i].protocol),
                   close((int)got));
    }
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof a;
    int server = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    REFUSED("bind to a port", syscall(SYS_bind, server, &a, sizeof a),
            (close(server), server = socket(AF_INET, SOCK_STREAM, 0)));
    bind(server, (struct sockaddr *)&a, sizeof a);
    REFUSED("listen at a port", syscall(SYS_listen, server, 5), (void)0);
    getsockname(server, (struct sockaddr *)&a, &size);
    REFUSED_OR(
        EISCONN, "connect to a port", syscall(SYS_connect, fd, &a, sizeof a),
        (close(fd), fd = socket(AF_INET, SOCK_STREAM, 0), close(accept(server, NULL, NULL))));
    connect(fd, (struct sockaddr *)&a, sizeof a);
    int far = dup(fd);
    REFUSED("accept at a port", syscall(SYS_accept4, server, NULL, NULL, 0),
            (dup2((int)got, far), close((int)got)));
    REFUSED_OR(ENOBUFS, "send to a port", syscall(SYS_sendto, fd, buf, 4000, 0, NULL, 0), (void)0);
    REFUSED_OR(ENOBUFS, "receive at a port",
               syscall(SYS_recvfrom, far, buf, 10, MSG_DONTWAIT, NULL, NULL), (void)0);
    close(fd), close(far), close(server);
    struct ifreq request = {.ifr_name = "lo"};
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    REFUSED("SIOCGIFINDEX", syscall(SYS_ioctl, fd, SIOCGIFINDEX, &request), (void)0);
    struct ifconf conf = {.ifc_len = sizeof buf, .ifc_buf = buf};
    REFUSED("SIOCGIFCONF", syscall(SYS_ioctl, fd, SIOCGIFCONF, &conf), conf.ifc_len = sizeof buf);
    close(fd);
}

static void netlink(void)
{
    static const int kinds[] = {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH};
    char name[64], buf[16384];
    memset(buf, 0, sizeof buf);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
    struct {
        struct nlmsghdr h;
        struct rtgenmsg g;
    } request = {{sizeof request, 0, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {AF_UNSPEC}};
    for (int i = 0; i < 4; i++) {
        request.h.nlmsg_type = (uint16_t)kinds[i];
        snprintf(name, sizeof name, "dump of kind %d", kinds[i]);
        REFUSED_OR(ENOBUFS, name, syscall(SYS_sendto, fd, &request, sizeof request, 0, NULL, 0),
                   while (recv(fd, buf, sizeof buf, 0) > 0) continue);
        while (recv(fd, buf, sizeof buf, 0) > 0)
            continue;
    }
    close(fd);
}

// --- IPC -----------------------------------------------------------------------------------------

static void system_v(void)
{
    struct {
        long type;
        char text[100];
    } message = {1, {1}};
    char buf[128];
    REFUSED("msgget", syscall(SYS_msgget, IPC_PRIVATE, 0600), msgctl((int)got, IPC_RMID, NULL));
    int id = msgget(IPC_PRIVATE, 0600);
    REFUSED("msgsnd", syscall(SYS_msgsnd, id, &message, sizeof message.text, 0),
            msgrcv(id, &message, sizeof message.text, 0, 0));
    msgsnd(id, &message, sizeof message.text, 0);
    REFUSED("msgrcv", syscall(SYS_msgrcv, id, &message, sizeof message.text, 0, 0),
            msgsnd(id, &message, sizeof message.text, 0));
    REFUSED("msgctl", syscall(SYS_msgctl, id, IPC_STAT, buf), (void)0);
    msgctl(id, IPC_RMID, NULL);
    REFUSED("semget", syscall(SYS_semget, IPC_PRIVATE, 300, 0600), semctl((int)got, 0, IPC_RMID));
    id = semget(IPC_PRIVATE, 300, 0600);
    struct sembuf up[40];
    for (int i = 0; i < 40; i++)
        up[i] = (struct sembuf){(unsigned short)i, 1, SEM_UNDO};
    REFUSED_IN_CHILD("semop that is undone", (void)0, syscall(SYS_semop, id, up, 40));
    unsigned short values[300] = {1};
    REFUSED("GETALL", syscall(SYS_semctl, id, 0, GETALL, values), (void)0);
    REFUSED("SETALL", syscall(SYS_semctl, id, 0, SETALL, values), (void)0);
    semctl(id, 0, IPC_RMID);
    REFUSED("shmget", syscall(SYS_shmget, IPC_PRIVATE, 65536, 0600),
            shmctl((int)got, IPC_RMID, NULL));
    id = shmget(IPC_PRIVATE, 65536, 0600);
    REFUSED("shmat", syscall(SYS_shmat, id, NULL, 0), shmdt((void *)got));
    void *at = shmat(id, NULL, 0);
    REFUSED("shmdt", syscall(SYS_shmdt, at), at = shmat(id, NULL, 0));
    shmdt(at);
    shmctl(id, IPC_RMID, NULL);
}

static void queues(void)
{
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};
    char buf[64] = {1};
    REFUSED("mq_open", syscall(SYS_mq_open, "queue", O_CREAT | O_RDWR, 0600, &attr),
            (close((int)got), syscall(SYS_mq_unlink, "queue")));
    int q = (int)syscall(SYS_mq_open, "queue", O_CREAT | O_RDWR, 0600, &attr);
    REFUSED("mq_timedsend", syscall(SYS_mq_timedsend, q, buf, 10, 1, NULL),
            syscall(SYS_mq_timedreceive, q, buf, sizeof buf, NULL, NULL));
    syscall(SYS_mq_timedsend, q, buf, 10, 1, NULL);
    REFUSED("mq_timedreceive", syscall(SYS_mq_timedreceive, q, buf, sizeof buf, NULL, NULL),
            syscall(SYS_mq_timedsend, q, buf, 10, 1, NULL));
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    REFUSED("mq_notify", syscall(SYS_mq_notify, q, &event), syscall(SYS_mq_notify, q, NULL));
    REFUSED("mq_unlink", syscall(SYS_mq_unlink, "queue"),
            (close(q), q = (int)syscall(SYS_mq_open, "queue", O_CREAT | O_RDWR, 0600, &attr)));
    close(q);
}

static void futexes(void)
{
    static uint32_t word = 1, pi;
    struct timespec soon = {0, 1000};
    REFUSED_OR(ETIMEDOUT, "FUTEX_WAIT", ({
                   long r = syscall(SYS_futex, &word, FUTEX_WAIT, 1, &soon, NULL, 0);
                   r < 0 && errno == ETIMEDOUT ? 0 : r;
               }),
               (void)0);
    REFUSED("FUTEX_LOCK_PI", syscall(SYS_futex, &pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0),
            syscall(SYS_futex, &pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } waits[20];
    for (int i = 0; i < 20; i++)
        waits[i].value = 1, waits[i].address = (uintptr_t)&word, waits[i].flags = 2 | 128,
        waits[i].reserved = 0;
    REFUSED("futex_waitv", ({
                struct timespec until;
                syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &until);
                syscall(REFUSE_MEMORY, t_.n);
                long r = syscall(449, waits, 20, 0, &until, CLOCK_MONOTONIC);
                r < 0 && errno == ETIMEDOUT ? 0 : r;
            }),
            (void)0);
    struct {
        void *next;
        long offset;
        void *pending;
    } list = {&list, 0, NULL};
    REFUSED("set_robust_list", syscall(SYS_set_robust_list, &list, sizeof list), (void)0);
    REFUSED("membarrier registers", syscall(SYS_membarrier, 16, 0, 0), (void)0);
}

static void asynchronous(void)
{
    aio_context_t c = 0;
    REFUSED("io_setup", syscall(SYS_io_setup, 8, &c), (syscall(SYS_io_destroy, c), c = 0));
    syscall(SYS_io_setup, 8, &c);
    int fd = open("/tmp/aio", O_CREAT | O_RDWR, 0600);
    static char buf[4096];
    memset(buf, 1, sizeof buf);
    struct iocb cb = {.aio_lio_opcode = IOCB_CMD_PWRITE,
                      .aio_fildes = (uint32_t)fd,
                      .aio_buf = (uintptr_t)buf,
                      .aio_nbytes = sizeof buf},
                *list[] = {&cb};
    struct io_event events[8];
    memset(events, 1, sizeof events);
    REFUSED_OR(EAGAIN, "io_submit", syscall(SYS_io_submit, c, 1, list),
               syscall(SYS_io_getevents, c, 1, 8, events, NULL));
    struct iovec iov = {buf, 100};
    cb.aio_lio_opcode = IOCB_CMD_PWRITEV;
    cb.aio_buf = (uintptr_t)&iov;
    cb.aio_nbytes = 1;
    REFUSED_OR(EAGAIN, "io_submit of a vector", syscall(SYS_io_submit, c, 1, list),
               syscall(SYS_io_getevents, c, 1, 8, events, NULL));
    close(fd);
    REFUSED("io_destroy", syscall(SYS_io_destroy, c), syscall(SYS_io_setup, 8, (c = 0, &c)));
}

int main(void)
{
    unix_sockets();
    inet_sockets();
    netlink();
    system_v();
    queues();
    futexes();
    asynchronous();
    return tap_finish(&tap);
}
