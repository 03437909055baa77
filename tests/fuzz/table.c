// The generated table of calls, and the structs they take.
//
// A struct's fields get values that get past the first check of the call most of the time; what is
// not described here is made of random words.
#define _GNU_SOURCE
#include "tests/fuzz/fuzz.h"
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "syscall_fuzz.inc"

const struct fuzz_row *const fuzz_table = fuzz_rows;
const unsigned fuzz_table_size = sizeof fuzz_rows / sizeof *fuzz_rows;

const int fuzz_sockaddr = FUZZ_STRUCT_sockaddr;

// A way that is not a random one, three times of four.
static bool sane(struct fuzz_thread *t)
{
    return !fuzz_one_in(t, 4);
}

static void fill_words(struct fuzz_thread *t, uint8_t *at, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = fuzz_one_in(t, 3) ? fuzz_pointer(t) : fuzz_number(t);
        memcpy(at + i, &word, n - i < 8 ? n - i : 8);
    }
}

// Times are short: a thread that waits calls nothing.
static void fill_time(struct fuzz_thread *t, int64_t time[2], int64_t per_second)
{
    time[0] = sane(t) ? 0 : (int64_t)fuzz_number(t);
    time[1] =
        sane(t) ? (int64_t)fuzz_below(t, (uint64_t)per_second / 500) : (int64_t)fuzz_number(t);
    if (fuzz_one_in(t, 16))
        time[1] = fuzz_one_in(t, 2) ? 0x3fffffff : 0x3ffffffe; // UTIME_NOW, UTIME_OMIT
}

static void fill_iovec(struct fuzz_thread *t, uint64_t iov[2])
{
    iov[0] = sane(t) ? (uint64_t)fuzz_bytes(t, 256) : fuzz_pointer(t);
    iov[1] = sane(t) ? fuzz_below(t, 256) : fuzz_value(t, FUZZ_SIZE);
}

static size_t fill_unix(struct fuzz_thread *t, uint8_t *at)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    unsigned n = (unsigned)fuzz_below(t, 6);
    if (fuzz_one_in(t, 2))
        snprintf(name.sun_path, sizeof name.sun_path, "sock%u", n);
    else
        snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "abstract%u", n);
    memcpy(at, &name, sizeof name);
    return fuzz_one_in(t, 4) ? fuzz_below(t, 200) : sizeof name;
}

// Loopback, and ports this process listens on: nothing else of the host is ever addressed.
static size_t fill_inet(struct fuzz_thread *t, uint8_t *at)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    v4.sin_port = v6.sin6_port = fuzz_one_in(t, 3) ? 0 : t->ports[fuzz_below(t, 2)];
    if (fuzz_one_in(t, 3)) {
        memcpy(at, &v6, sizeof v6);
        return sizeof v6;
    }
    memcpy(at, &v4, sizeof v4);
    return sizeof v4;
}

static size_t fill_sockaddr(struct fuzz_thread *t, uint8_t *at)
{
    struct sockaddr_nl route = {.nl_family = AF_NETLINK};
    unsigned choice = (unsigned)fuzz_below(t, 8);
    uint16_t family = (uint16_t)fuzz_below(t, 64);
    memset(at, 0, sizeof(struct sockaddr_storage));
    if (choice < 3)
        return fill_unix(t, at);
    if (choice < 6 && t->inet)
        return fill_inet(t, at);
    if (choice == 6) {
        memcpy(at, &route, sizeof route);
        return sizeof route;
    }
    fill_words(t, at, sizeof(struct sockaddr_storage));
    if (family == AF_INET || family == AF_INET6)
        family = AF_UNSPEC;
    memcpy(at, &family, sizeof family);
    return fuzz_below(t, 140);
}

// Room for control messages; one of descriptors or credentials in it.
static void fill_control(struct fuzz_thread *t, struct msghdr *msg)
{
    uint8_t *room = fuzz_bytes(t, 128);
    struct cmsghdr *head = (struct cmsghdr *)room;
    unsigned count = (unsigned)fuzz_below(t, 5);
    memset(room, 0, 128);
    head->cmsg_len = sane(t) ? CMSG_LEN(count * sizeof(int)) : fuzz_number(t);
    head->cmsg_level = sane(t) ? SOL_SOCKET : (int)fuzz_number(t);
    head->cmsg_type = sane(t) ? SCM_RIGHTS : (int)fuzz_below(t, 4);
    for (unsigned i = 0; i < count; i++)
        ((int *)CMSG_DATA(head))[i] = (int)fuzz_value(t, FUZZ_FD);
    msg->msg_control = sane(t) ? room : (void *)fuzz_pointer(t);
    msg->msg_controllen = sane(t) ? CMSG_SPACE(count * sizeof(int)) : fuzz_value(t, FUZZ_SIZE);
}

static void fill_msghdr(struct fuzz_thread *t, struct msghdr *msg)
{
    memset(msg, 0, sizeof *msg);
    if (fuzz_one_in(t, 3)) {
        uint8_t *name = fuzz_bytes(t, sizeof(struct sockaddr_storage));
        msg->msg_namelen = (unsigned)fill_sockaddr(t, name);
        msg->msg_name = sane(t) ? name : (void *)fuzz_pointer(t);
    }
    unsigned count = (unsigned)fuzz_below(t, 4);
    uint64_t *iov = fuzz_bytes(t, 64);
    for (unsigned i = 0; i < count; i++)
        fill_iovec(t, iov + (size_t)2 * i);
    msg->msg_iov = sane(t) ? (void *)iov : (void *)fuzz_pointer(t);
    msg->msg_iovlen = sane(t) ? count : fuzz_value(t, FUZZ_SIZE);
    if (fuzz_one_in(t, 2))
        fill_control(t, msg);
}

static void fill_sigset(struct fuzz_thread *t, uint64_t *set)
{
    *set = fuzz_one_in(t, 3) ? 0 : fuzz_random(t) & fuzz_random(t);
    if (sane(t))
        *set &= ~(1ull << (KICK - 1)); // the one that wakes a thread that waits too long
}

static void on_signal(int sig)
{
    (void)sig;
}

static void fill_sigaction(struct fuzz_thread *t, uint64_t *action)
{
    uint64_t handlers[] = {0, 1, (uint64_t)on_signal, (uint64_t)on_signal};
    action[0] = sane(t) ? handlers[fuzz_below(t, 4)] : fuzz_pointer(t);
    action[1] = sane(t) ? fuzz_random(t) & 0xdc000007u & ~(uint64_t)SA_NODEFER : fuzz_number(t);
    action[2] = 0;
    fill_sigset(t, action + 3);
}

static void fill_clone(struct fuzz_thread *t, uint64_t args[11])
{
    static const uint64_t flags[] = {0,
                                     0,
                                     CLONE_VM,
                                     CLONE_FILES,
                                     CLONE_FS,
                                     CLONE_PARENT,
                                     CLONE_PIDFD,
                                     CLONE_VM | CLONE_SIGHAND | CLONE_THREAD,
                                     CLONE_NEWPID,
                                     CLONE_NEWUSER | CLONE_NEWNS};
    memset(args, 0, 88);
    args[0] = flags[fuzz_below(t, 10)];
    args[1] = args[2] = args[3] = (uint64_t)fuzz_bytes(t, 8);
    args[4] = args[0] & CLONE_THREAD ? 0 : SIGCHLD;
    for (int i = 0; i < 11; i++) {
        if (fuzz_one_in(t, 30))
            args[i] = fuzz_one_in(t, 2) ? fuzz_pointer(t) : fuzz_number(t);
    }
}

static void fill_strings(struct fuzz_thread *t, uint64_t *strings)
{
    unsigned count = (unsigned)fuzz_below(t, 4);
    for (unsigned i = 0; i < count; i++)
        strings[i] = sane(t) ? fuzz_value(t, FUZZ_STR) : fuzz_pointer(t);
    strings[count] = 0;
}

static void fill_iocb(struct fuzz_thread *t, uint8_t *iocb)
{
    uint16_t op = (uint16_t)fuzz_below(t, 10);
    uint32_t fd = (uint32_t)fuzz_value(t, FUZZ_FD);
    uint64_t rest[3] = {(uint64_t)fuzz_bytes(t, 512), fuzz_value(t, FUZZ_SIZE),
                        fuzz_below(t, PAGE)};
    memset(iocb, 0, 64);
    if (!sane(t))
        fill_words(t, iocb, 64);
    memcpy(iocb + 16, &op, 2);
    memcpy(iocb + 20, &fd, 4);
    memcpy(iocb + 24, rest, sizeof rest);
}

static void fill_pollfd(struct fuzz_thread *t, uint8_t *at)
{
    struct pollfd one = {(int)fuzz_value(t, FUZZ_FD), (short)fuzz_random(t), 0};
    memcpy(at, &one, sizeof one);
}

static void fill_epoll(struct fuzz_thread *t, uint8_t *at)
{
    uint32_t word[4] = {(uint32_t)(sane(t) ? fuzz_random(t) & 0xc000201f : fuzz_random(t)), 0,
                        (uint32_t)fuzz_random(t), 0};
    memcpy(at, word, sizeof word);
}

static void fill_sigevent(struct fuzz_thread *t, uint8_t *at)
{
    struct sigevent event = {.sigev_signo = KICK, .sigev_notify = (int)fuzz_below(t, 5)};
    if (!sane(t))
        event.sigev_signo = (int)fuzz_value(t, FUZZ_SIG);
    memcpy(at, &event, sizeof event);
}

static void fill_stack(struct fuzz_thread *t, uint64_t *stack)
{
    stack[0] = sane(t) ? (uint64_t)t->victim : fuzz_pointer(t);
    stack[1] = sane(t) ? 0 : fuzz_number(t);
    stack[2] = sane(t) ? (uint64_t)8 * PAGE : fuzz_number(t);
}

static void fill_cap(struct fuzz_thread *t, uint32_t *header)
{
    header[0] = sane(t) ? 0x20080522 : (uint32_t)fuzz_number(t);
    header[1] = (uint32_t)fuzz_value(t, FUZZ_PID);
}

static void fill_small(struct fuzz_thread *t, uint8_t *at, size_t n)
{
    uint64_t value = sane(t) ? fuzz_below(t, 200) : fuzz_number(t);
    memcpy(at, &value, n);
}

static void fill_numbers(struct fuzz_thread *t, uint64_t *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        at[i] = sane(t) ? fuzz_below(t, 64) : fuzz_number(t);
}

static void fill_one(struct fuzz_thread *t, int structure, uint8_t *at, size_t size)
{
    switch (structure) {
    case FUZZ_STRUCT_timespec2:
        fill_time(t, (int64_t *)at + 2, 1000000000);
        fill_time(t, (int64_t *)at, 1000000000);
        break;
    case FUZZ_STRUCT_timespec:
        fill_time(t, (int64_t *)at, 1000000000);
        break;
    case FUZZ_STRUCT_itimerspec:
        fill_time(t, (int64_t *)at, 1000000000);
        fill_time(t, (int64_t *)at + 2, 1000000000);
        break;
    case FUZZ_STRUCT_timeval:
        fill_time(t, (int64_t *)at, 1000000);
        break;
    case FUZZ_STRUCT_itimerval:
        fill_time(t, (int64_t *)at, 1000000);
        fill_time(t, (int64_t *)at + 2, 1000000);
        break;
    case FUZZ_STRUCT_iovec:
        fill_iovec(t, (uint64_t *)at);
        break;
    case FUZZ_STRUCT_sockaddr:
        fill_sockaddr(t, at);
        break;
    case FUZZ_STRUCT_msghdr:
        fill_msghdr(t, (struct msghdr *)at);
        break;
    case FUZZ_STRUCT_sigset:
        fill_sigset(t, (uint64_t *)at);
        break;
    case FUZZ_STRUCT_sigaction:
        fill_sigaction(t, (uint64_t *)at);
        break;
    case FUZZ_STRUCT_clone_args:
        fill_clone(t, (uint64_t *)at);
        break;
    case FUZZ_STRUCT_strings:
        fill_strings(t, (uint64_t *)at);
        break;
    case FUZZ_STRUCT_iocb:
        fill_iocb(t, at);
        break;
    case FUZZ_STRUCT_pollfd:
        fill_pollfd(t, at);
        break;
    case FUZZ_STRUCT_epoll_event:
        fill_epoll(t, at);
        break;
    case FUZZ_STRUCT_sigevent:
        fill_sigevent(t, at);
        break;
    case FUZZ_STRUCT_stack:
        fill_stack(t, (uint64_t *)at);
        break;
    case FUZZ_STRUCT_cap_header:
        fill_cap(t, (uint32_t *)at);
        break;
    case FUZZ_STRUCT_int:
    case FUZZ_STRUCT_uint:
        fill_small(t, at, 4);
        break;
    case FUZZ_STRUCT_long:
    case FUZZ_STRUCT_ulong:
        fill_small(t, at, 8);
        break;
    case FUZZ_STRUCT_open_how:
    case FUZZ_STRUCT_mq_attr:
    case FUZZ_STRUCT_rlimit:
        fill_numbers(t, (uint64_t *)at, size / 8);
        break;
    default:
        fill_words(t, at, size);
    }
}

uint64_t fuzz_struct(struct fuzz_thread *t, int structure, unsigned count)
{
    size_t size = fuzz_struct_size[structure] ? fuzz_struct_size[structure] : 128;
    if (count > 8)
        count = 8;
    uint8_t *at = fuzz_bytes(t, size * (count ? count : 1));
    for (unsigned i = 0; i < count; i++)
        fill_one(t, structure, at + i * size, size);
    return (uint64_t)at;
}
