// epoll, poll and select at their edges: what each refuses, many descriptors at once, memory that
// ends in the middle of the answer, descriptors that go while they are watched, epolls in epolls.
#include "asleep.h"
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define BAD         ((void *)8)
#define KERNEL_HALF ((void *)0xffff800000000000ul)

enum { PAGE = 4096 };

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
    (void)sig;
    signals++;
}

static char *before_a_hole(void)
{
    char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + 2 * PAGE, PAGE);
    return p + 2 * PAGE;
}
static void *read_only(const void *from, size_t size)
{
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(p, from, size);
    mprotect(p, PAGE, PROT_READ);
    return p;
}

// --- epoll_ctl -----------------------------------------------------------------------------------

static int control(int ep, int op, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};
    return epoll_ctl(ep, op, fd, &e);
}
static void show_ready(const char *name, int ep)
{
    struct epoll_event e[8];
    int n = epoll_wait(ep, e, 8, 0);
    SHOW(name, "%d", n);
    for (int i = 0; i < n; i++)
        SHOW("...", "%d events %x", e[i].data.fd, e[i].events);
}

static void controlling(void)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), inner = epoll_create1(0), p[2];
    int file = open("file", O_CREAT | O_RDWR, 0600), dir = open(".", O_RDONLY);
    int path = open("file", O_PATH);
    pipe(p);
    SHOW("close on exec", "%d", fcntl(ep, F_GETFD));
    show_call("unknown operation", control(ep, 9, p[0], EPOLLIN));
    show_call("operation 0", control(ep, 0, p[0], EPOLLIN));
    show_call("event at 8, bad descriptors", epoll_ctl(98, EPOLL_CTL_ADD, 99, BAD));
    show_call("bad epoll", control(98, EPOLL_CTL_ADD, p[0], EPOLLIN));
    show_call("bad target", control(ep, EPOLL_CTL_ADD, 99, EPOLLIN));
    show_call("a file", control(ep, EPOLL_CTL_ADD, file, EPOLLIN));
    show_call("a directory", control(ep, EPOLL_CTL_ADD, dir, EPOLLIN));
    show_call("O_PATH", control(ep, EPOLL_CTL_ADD, path, EPOLLIN));
    show_call("a file to what is no epoll", control(p[0], EPOLL_CTL_ADD, file, EPOLLIN));
    show_call("to what is no epoll", control(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN));
    show_call("itself", control(ep, EPOLL_CTL_ADD, ep, EPOLLIN));
    show_call("change what is not there", control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN));
    show_call("remove what is not there", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    show_call("add", control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLWAKEUP));
    show_call("add again", control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
    show_call("change, event at 8", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], BAD));
    show_call("change", control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLOUT | EPOLLONESHOT));
    show_call("change to exclusive", control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE));
    show_call("exclusive epoll", control(ep, EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLEXCLUSIVE));
    show_call("exclusive for one event",
              control(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLONESHOT | EPOLLEXCLUSIVE));
    show_call("exclusive and urgent", control(ep, EPOLL_CTL_ADD, p[1], EPOLLPRI | EPOLLEXCLUSIVE));
    show_call("exclusive", control(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET | EPOLLEXCLUSIVE));
    show_call("... changed", control(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT));
    show_ready("ready", ep);
    show_ready("again", ep);
    show_call("removed, event at 8", epoll_ctl(ep, EPOLL_CTL_DEL, p[1], BAD));
    write(p[1], "x", 1);
    show_ready("one event", ep);
    write(p[1], "x", 1);
    show_ready("... and no more", ep);
    show_call("armed again", control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET));
    show_ready("ready", ep);
    show_ready("by edge", ep);
    write(p[1], "x", 1);
    show_ready("another edge", ep);
    close(p[1]);
    show_ready("hung up", ep);
    struct pollfd f = {ep, POLLIN | POLLOUT, 0};
    SHOW("as a file", "%d %x", poll(&f, 1, 0), f.revents);
    show_call("read", read(ep, &f, 8));
    show_call("write", write(ep, &f, 8));
    closefrom(3);
}

static void nesting(void)
{
    int ep[8], p[2];
    pipe(p);
    for (int i = 0; i < 8; i++)
        ep[i] = epoll_create1(0);
    control(ep[0], EPOLL_CTL_ADD, p[0], EPOLLIN);
    for (int i = 1; i < 4; i++)
        show_call("one more around", control(ep[i], EPOLL_CTL_ADD, ep[i - 1], EPOLLIN));
    show_call("a circle", control(ep[0], EPOLL_CTL_ADD, ep[3], EPOLLIN));
    show_call("a small circle", control(ep[0], EPOLL_CTL_ADD, ep[1], EPOLLIN));
    show_call("beside it", control(ep[2], EPOLL_CTL_ADD, ep[0], EPOLLIN));
    show_ready("outside", ep[3]);
    write(p[1], "x", 1);
    show_ready("outside", ep[3]);
    show_ready("twice inside", ep[2]);
    char c;
    read(p[0], &c, 1);
    show_ready("nothing any more", ep[3]);
    write(p[1], "x", 1);
    close(ep[1]);
    show_ready("the middle is gone", ep[2]);
    show_ready("... outside", ep[3]);
    closefrom(3);
}

// Copies of a descriptor are the same file under another name.
static void going(void)
{
    int ep = epoll_create1(0), other = epoll_create1(0), p[2];
    pipe(p);
    int copy = dup(p[0]);
    write(p[1], "x", 1);
    show_call("one", control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
    show_call("its copy", control(ep, EPOLL_CTL_ADD, copy, EPOLLIN));
    show_call("by another epoll", control(other, EPOLL_CTL_ADD, p[0], EPOLLIN));
    show_ready("both", ep);
    close(p[0]);
    show_ready("the closed one too", ep);
    show_call("... cannot be removed", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    close(copy);
    show_ready("until the last is closed", ep);
    show_ready("... elsewhere", other);
    int q[2];
    pipe(q);
    SHOW("the number again", "%d", q[0] == p[0]);
    show_call("is another file", control(ep, EPOLL_CTL_ADD, q[0], EPOLLIN));
    close(ep);
    write(q[1], "x", 1);
    show_call("an epoll that is gone wants nothing", read(q[0], &(char){0}, 1));
    closefrom(3);
}

enum { MANY = 300 };

static void many(void)
{
    static struct epoll_event e[MANY + 10];
    static int fds[MANY];
    int ep = epoll_create1(0), seen = 0;
    for (int i = 0; i < MANY; i++) {
        fds[i] = eventfd(i % 3 == 0, 0);
        control(ep, EPOLL_CTL_ADD, fds[i], EPOLLIN);
    }
    int n = epoll_wait(ep, e, MANY + 10, 0);
    SHOW("ready of many", "%d", n);
    int before = 0;
    for (int i = 0; i < 4; i++) {
        n = epoll_wait(ep, e, 40, 0);
        for (int k = 0; k < n; k++)
            seen += e[k].data.fd > before, before = e[k].data.fd;
    }
    SHOW("in turns", "%d", seen >= 100);
    struct epoll_event *edge = (struct epoll_event *)before_a_hole() - 3;
    show_call("no room", epoll_wait(ep, BAD, 5, 0));
    show_call("room for three", epoll_wait(ep, edge, 40, 0));
    SHOW("... which are", "%d %d", edge[0].events, edge[2].events);
    show_call("room for none after", epoll_wait(ep, edge + 3, 40, 0));
    n = epoll_wait(ep, e, MANY, 0);
    SHOW("nothing was lost", "%d", n);
    char *fresh = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show_call("to pages that were never touched",
              epoll_wait(ep, (void *)(fresh + PAGE - 20), 100, 0));
    for (int i = 0; i < MANY; i += 2)
        close(fds[i]);
    SHOW("half of them closed", "%d", epoll_wait(ep, e, MANY, 0));
    char path[64], line[200];
    int lines = 0, good = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", ep);
    FILE *info = fopen(path, "r");
    while (fgets(line, sizeof line, info)) {
        int fd, at = 0;
        unsigned events;
        lines += !strncmp(line, "tfd:", 4);
        if (sscanf(line, "tfd: %d events: %x%n", &fd, &events, &at) == 2)
            good += fd == fds[(fd - fds[0]) % MANY] && events == (EPOLLIN | EPOLLERR | EPOLLHUP);
    }
    fclose(info);
    SHOW("fdinfo", "%d lines, %d right", lines, good);
    closefrom(3);
}

// --- epoll_wait ----------------------------------------------------------------------------------

struct waiter {
    pthread_t thread;
    atomic_int tid;
    int ep, result, error;
};

static void *wait_there(void *arg)
{
    struct waiter *w = arg;
    struct epoll_event e;
    w->tid = (int)syscall(SYS_gettid);
    w->result = epoll_wait(w->ep, &e, 1, -1);
    w->error = errno;
    return NULL;
}
static void start(struct waiter *w, int ep)
{
    *w = (struct waiter){.ep = ep};
    pthread_create(&w->thread, NULL, wait_there, w);
    while (!w->tid)
        sched_yield();
    task_until_asleep(w->tid);
}

static void waiting(void)
{
    static struct epoll_event e; // far from the end of user addresses, where a stack may be
    int ep = epoll_create1(0), p[2];
    struct timespec none = {0, 0}, bad = {0, 1000000000}, soon = {0, 10000000}, before = {-1, 0};
    uint64_t mask = 0;
    pipe(p);
    show_call("most events", epoll_wait(ep, &e, INT32_MAX, 0));
    show_call("as many as memory has", epoll_wait(ep, &e, 100000000, 0));
    show_call("-1 events", epoll_wait(ep, &e, -1, 0));
    show_call("to the kernel", epoll_wait(ep, KERNEL_HALF, 1, 0));
    show_call("to 8, nothing ready", epoll_wait(ep, BAD, 1, 0));
    show_call("O_PATH", epoll_wait(open(".", O_PATH), &e, 1, 0));
    show_call("mask at 8", syscall(SYS_epoll_pwait, ep, &e, 1, 0, BAD, (size_t)8));
    show_call("pwait2: time at 8", syscall(SYS_epoll_pwait2, ep, &e, 1, BAD, NULL, (size_t)0));
    show_call("pwait2: bad time", syscall(SYS_epoll_pwait2, ep, &e, 1, &bad, NULL, (size_t)0));
    show_call("pwait2: before now", syscall(SYS_epoll_pwait2, ep, &e, 1, &before, NULL, (size_t)0));
    show_call("pwait2: no time", syscall(SYS_epoll_pwait2, ep, &e, 1, &none, NULL, (size_t)0));
    show_call("pwait2: a time", syscall(SYS_epoll_pwait2, ep, &e, 1, &soon, NULL, (size_t)0));
    show_call("pwait2: mask size", syscall(SYS_epoll_pwait2, ep, &e, 1, &none, &mask, (size_t)4));
    show_call("pwait2: mask at 8", syscall(SYS_epoll_pwait2, ep, &e, 1, &none, BAD, (size_t)8));
    show_call("pwait2: descriptor", syscall(SYS_epoll_pwait2, 99, &e, 1, &none, &mask, (size_t)8));
    control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN);
    struct waiter w[2];
    start(&w[0], ep), start(&w[1], ep);
    write(p[1], "x", 1);
    for (int i = 0; i < 2; i++) {
        pthread_join(w[i].thread, NULL);
        SHOW("both see what stays", "%d", w[i].result);
    }
    read(p[0], &e, 1);
    show_call("nothing", epoll_wait(ep, &e, 1, 10));
    start(&w[0], ep);
    int late = eventfd(1, 0);
    control(ep, EPOLL_CTL_ADD, late, EPOLLIN);
    pthread_join(w[0].thread, NULL);
    SHOW("one that comes ready", "%d", w[0].result);
    control(ep, EPOLL_CTL_MOD, late, 0);
    start(&w[0], ep);
    control(ep, EPOLL_CTL_MOD, late, EPOLLIN);
    pthread_join(w[0].thread, NULL);
    SHOW("one that is asked for", "%d", w[0].result);
    control(ep, EPOLL_CTL_DEL, late, 0);
    start(&w[0], ep);
    pthread_kill(w[0].thread, SIGUSR1);
    pthread_join(w[0].thread, NULL);
    SHOW("a signal", "%s", strerrorname_np(w[0].error));
    closefrom(3);
}

// --- poll and select -----------------------------------------------------------------------------

static void polling(void)
{
    static struct pollfd f[500];
    struct timespec bad = {0, -1}, soon = {0, 10000000}, left = {0, 10000000}, none = {0, 0};
    uint64_t mask = 0;
    int fds[100];
    for (int i = 0; i < 100; i++)
        fds[i] = eventfd(0, 0);
    for (int i = 0; i < 500; i++)
        f[i] = (struct pollfd){i % 5 == 4 ? -1 : fds[i % 100], POLLIN, 7};
    show_call("many, nothing", poll(f, 500, 5));
    SHOW("... answers", "%x %x", f[0].revents, f[4].revents);
    write(fds[77], &(uint64_t){1}, 8);
    show_call("many, one ready", poll(f, 500, -1));
    SHOW("... answers", "%x %x", f[77].revents, f[78].revents);
    f[3].fd = 999;
    show_call("one not open", poll(f, 500, -1));
    SHOW("... answers", "%x", f[3].revents);
    show_call("none", poll(NULL, 0, 1));
    show_call("at 8", poll(BAD, 1, 0));
    struct pollfd *edge = (struct pollfd *)before_a_hole() - 2;
    edge[0] = edge[1] = (struct pollfd){fds[0], POLLIN, 0};
    show_call("half in a hole", poll(edge, 3, 0));
    show_call("answers that cannot be stored", poll(read_only(f, 8 * sizeof *f), 8, 0));
    struct rlimit r, old;
    getrlimit(RLIMIT_NOFILE, &old);
    r = old;
    r.rlim_cur = 400;
    setrlimit(RLIMIT_NOFILE, &r);
    show_call("more than the limit", poll(f, 401, 0));
    show_call("as many as the limit", poll(f, 400, 0));
    setrlimit(RLIMIT_NOFILE, &old);
    show_call("time at 8", syscall(SYS_ppoll, f, 1, BAD, NULL, 0));
    show_call("bad time", syscall(SYS_ppoll, f, 1, &bad, NULL, 0));
    show_call("mask size", syscall(SYS_ppoll, f, 1, &none, &mask, 4));
    show_call("mask at 8", syscall(SYS_ppoll, f, 1, &none, BAD, 8));
    f[0].fd = fds[0];
    show_call("time that cannot be stored",
              syscall(SYS_ppoll, f, 1, read_only(&soon, sizeof soon), NULL, 0));
    show_call("a time", syscall(SYS_ppoll, f, 1, &left, NULL, 0));
    SHOW("... is used up", "%ld %ld", (long)left.tv_sec, left.tv_nsec);
    personality(STICKY_TIMEOUTS);
    show_call("a sticky time", syscall(SYS_ppoll, f, 1, &soon, NULL, 0));
    SHOW("... stays", "%ld", soon.tv_nsec);
    personality(0);
    closefrom(3);
}

static void selecting(void)
{
    fd_set in, out, except;
    struct timespec bad = {0, -1}, none = {0, 0}, soon = {0, 10000000};
    struct {
        void *mask;
        size_t size;
    } set = {BAD, 8}, size = {&bad, 3}, no_set = {NULL, 0};
    int p[2], sv[2];
    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
#define SELECT(n, a, b, c, t, m) syscall(SYS_pselect6, n, a, b, c, t, m)
    FD_ZERO(&in);
    show_call("-1 descriptors", SELECT(-1, NULL, NULL, NULL, &none, NULL));
    show_call("none", SELECT(0, BAD, BAD, BAD, &none, NULL));
    show_call("in at 8", SELECT(5, BAD, NULL, NULL, &none, NULL));
    show_call("out at 8", SELECT(5, NULL, BAD, NULL, &none, NULL));
    show_call("except at 8", SELECT(5, NULL, NULL, BAD, &none, NULL));
    show_call("time at 8", SELECT(5, &in, NULL, NULL, BAD, NULL));
    show_call("bad time", SELECT(5, &in, NULL, NULL, &bad, NULL));
    show_call("mask at 8", SELECT(5, &in, NULL, NULL, &none, BAD));
    show_call("the mask's own at 8", SELECT(5, &in, NULL, NULL, &none, &set));
    show_call("the mask's size", SELECT(5, &in, NULL, NULL, &none, &size));
    show_call("no mask in it", SELECT(5, &in, NULL, NULL, &none, &no_set));
    show_call("more than there can be", SELECT(INT32_MAX, &in, NULL, NULL, &none, NULL));
    FD_SET(60, &in);
    show_call("one not open", SELECT(61, &in, NULL, NULL, &none, NULL));
    show_call("... beyond the count", SELECT(60, &in, NULL, NULL, &none, NULL));
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&except);
    FD_SET(p[0], &in), FD_SET(p[1], &out), FD_SET(sv[0], &in), FD_SET(sv[0], &out);
    FD_SET(sv[0], &except);
    show_call("two can be written", SELECT(sv[1] + 1, &in, &out, &except, &soon, NULL));
    SHOW("... answers", "%d %d %d %d", !!FD_ISSET(p[0], &in), !!FD_ISSET(p[1], &out),
         !!FD_ISSET(sv[0], &out), !!FD_ISSET(sv[0], &except));
    FD_SET(sv[0], &in);
    FD_SET(p[0], &in);
    close(sv[1]), close(p[1]);
    show_call("the others went", SELECT(sv[0] + 1, &in, NULL, NULL, NULL, NULL));
    show_call("answers that cannot be stored",
              SELECT(sv[0] + 1, read_only(&in, sizeof in), NULL, NULL, &none, NULL));
    FD_ZERO(&in);
    show_call("a time alone", SELECT(0, NULL, NULL, NULL, &soon, NULL));
    closefrom(3);
}

static void body(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &sa, NULL);
    closefrom(3);
    enter_work_dir();
    controlling();
    nesting();
    going();
    many();
    waiting();
    polling();
    selecting();
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
