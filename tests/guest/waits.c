// Pipes, poll, select, epoll: readiness, blocking, time limits, signals.
#include "asleep.h"
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define BAD ((void *)8)

static volatile sig_atomic_t handled;

static void handler(int signo)
{
    (void)signo;
    handled++;
}

static void install(int flags)
{
    struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
    sigaction(SIGUSR1, &sa, NULL);
}

static void show_poll(const char *name, int fd, short events, int ms)
{
    struct pollfd p = {fd, events, 0x55};
    int n = poll(&p, 1, ms);
    SHOW(name, "%d revents %x", n, (unsigned)p.revents);
}

enum { ALL = 0x3fff };

static void pipes(void)
{
    int p[2];
    char buf[70000];
    show_call("pipe2 bad flag", pipe2(p, 1));
    show_call("pipe2 bad pointer", pipe2(BAD, 0));
    show_call("pipe2", pipe2(p, O_NONBLOCK | O_CLOEXEC));
    SHOW("flags", "%x %x %d", fcntl(p[0], F_GETFL), fcntl(p[1], F_GETFL), fcntl(p[0], F_GETFD));
    show_poll("empty, read end", p[0], ALL, 0);
    show_poll("empty, write end", p[1], ALL, 0);
    show_call("read empty", read(p[0], buf, 1));
    show_call("read nothing", read(p[0], BAD, 0));
    show_call("fill", write(p[1], buf, sizeof buf));
    show_poll("full, write end", p[1], ALL, 0);
    show_call("write full", write(p[1], buf, 1));
    int n;
    ioctl(p[0], FIONREAD, &n);
    SHOW("FIONREAD", "%d", n);
    show_call("size", fcntl(p[0], F_GETPIPE_SZ));
    show_call("shrink", fcntl(p[0], F_SETPIPE_SZ, 4096));
    read(p[0], buf, 4096);
    show_poll("a page free", p[1], ALL, 0);
    show_call("an atomic write", write(p[1], buf, 4096));
    show_call("another", write(p[1], buf, 4096));
    while (read(p[0], buf, sizeof buf) > 0)
        ;
    show_call("shrink", fcntl(p[0], F_SETPIPE_SZ, 1));
    show_call("grow", fcntl(p[0], F_SETPIPE_SZ, 100000));
    show_call("F_GETPIPE_SZ of another", fcntl(0, F_GETPIPE_SZ));
    show_call("lseek", lseek(p[0], 0, SEEK_CUR));
    show_call("pread", pread(p[0], buf, 1, 0));
    show_call("read from write end", read(p[1], buf, 1));
    show_call("write to read end", write(p[0], buf, 1));
    write(p[1], "ab", 2);
    close(p[1]);
    show_poll("data, no writer", p[0], ALL, 0);
    show_call("read it", read(p[0], buf, 10));
    show_poll("no data, no writer", p[0], ALL, 0);
    show_call("the end", read(p[0], buf, 10));
    close(p[0]);
    pipe(p);
    close(p[0]);
    show_poll("no reader", p[1], ALL, 0);
    signal(SIGPIPE, SIG_IGN);
    show_call("write without reader", write(p[1], "x", 1));
    signal(SIGPIPE, SIG_DFL);
    IN_CHILD("SIGPIPE", write(p[1], "x", 1));
    closefrom(3);
}

static void fifos(void)
{
    mkfifo("ff", 0600);
    show_call("writer without reader", open("ff", O_WRONLY | O_NONBLOCK));
    int r = open("ff", O_RDONLY | O_NONBLOCK);
    show_done("reader without writer", r);
    show_poll("nobody yet", r, ALL, 0);
    char c;
    show_call("read", read(r, &c, 1));
    int w = open("ff", O_WRONLY | O_NONBLOCK);
    show_done("writer", w);
    write(w, "x", 1);
    show_poll("data", r, ALL, 0);
    close(w);
    show_call("read", read(r, &c, 1));
    show_poll("hung up", r, ALL, 0);
    close(r);
    int both = open("ff", O_RDWR);
    show_poll("both", both, ALL, 0);
    write(both, "abc", 3);
    int again = open("ff", O_RDONLY);
    show_call("shared", read(again, &c, 1));
    closefrom(3);
    r = open("ff", O_RDONLY | O_NONBLOCK);
    show_call("what was left is gone", read(r, &c, 1));
    closefrom(3);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        w = open("ff", O_WRONLY);
        write(w, "hi", 2);
        _exit(0);
    }
    r = open("ff", O_RDONLY);
    char buf[4];
    show_call("open waited", read(r, buf, 4));
    waitpid(pid, NULL, 0);
    closefrom(3);
}

static void polls(void)
{
    struct pollfd p[3];
    struct timespec ts = {0, 0};
    int e = eventfd(0, EFD_NONBLOCK), file = open("pf", O_CREAT | O_RDWR, 0600);
    show_poll("eventfd", e, ALL, 0);
    show_poll("regular file", file, ALL, 0);
    show_poll("directory", open(".", O_RDONLY), ALL, 0);
    show_poll("bad fd", 99, POLLIN, 0);
    show_poll("negative fd", -1, POLLIN, 0);
    show_poll("O_PATH", open("pf", O_PATH), POLLIN, 0);
    show_call("no fds", poll(NULL, 0, 0));
    show_call("bad pointer", poll(BAD, 1, 0));
    show_call("too many", syscall(SYS_ppoll, p, 1 << 24, &ts, NULL, 8));
    ts.tv_nsec = 1000000000;
    show_call("bad time", syscall(SYS_ppoll, p, 0, &ts, NULL, 8));
    ts = (struct timespec){-1, 0};
    show_call("negative time", syscall(SYS_ppoll, p, 0, &ts, NULL, 8));
    ts = (struct timespec){0, 0};
    show_call("bad mask size", syscall(SYS_ppoll, p, 0, &ts, p, 4));
    double start = now();
    show_call("timeout", poll(NULL, 0, 30));
    SHOW("... waited", "%d", now() - start >= 0.03 && now() - start < 20);
    ts = (struct timespec){5, 0};
    p[0] = (struct pollfd){e, POLLOUT, 0};
    show_call("ready at once", syscall(SYS_ppoll, p, 1, &ts, NULL, 8));
    SHOW("... time left", "%d", ts.tv_sec == 4 || ts.tv_sec == 5);
    ts = (struct timespec){0, 20000000};
    p[0].events = POLLIN;
    show_call("never ready", syscall(SYS_ppoll, p, 1, &ts, NULL, 8));
    SHOW("... time left", "%ld.%ld", (long)ts.tv_sec, ts.tv_nsec);
    closefrom(3);
}

static void selects(void)
{
    int p[2];
    pipe(p);
    fd_set r, w;
    struct timeval tv = {0, 0};
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(p[0], &r);
    FD_SET(p[1], &w);
    show_call("select", select(10, &r, &w, NULL, &tv));
    SHOW("... sets", "%d %d", FD_ISSET(p[0], &r) != 0, FD_ISSET(p[1], &w) != 0);
    write(p[1], "x", 1);
    FD_SET(p[0], &r);
    show_call("select both", select(10, &r, &w, &r, &tv));
    FD_ZERO(&r);
    FD_SET(50, &r);
    show_call("select bad fd", select(51, &r, NULL, NULL, &tv));
    SHOW("... set kept", "%d", FD_ISSET(50, &r) != 0);
    show_call("select beyond n", select(50, &r, NULL, NULL, &tv));
    show_call("select negative", select(-1, NULL, NULL, NULL, &tv));
    show_call("select bad pointer", select(10, BAD, NULL, NULL, &tv));
    tv.tv_usec = 20000;
    show_call("select timeout", select(0, NULL, NULL, NULL, &tv));
    SHOW("... time left", "%ld", (long)tv.tv_usec);
    closefrom(3);
}

static int events_of(int ep, int ms)
{
    struct epoll_event e[8];
    int n = epoll_wait(ep, e, 8, ms);
    if (n < 0)
        return -errno;
    unsigned all = 0;
    for (int i = 0; i < n; i++)
        all |= e[i].events;
    return (int)(n << 16 | all);
}

static void show_twice(const char *name, int ep)
{
    int first = events_of(ep, 0), second = events_of(ep, 0);
    SHOW(name, "%x %x", first, second);
}

static int control(int ep, int op, int fd, unsigned events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};
    return epoll_ctl(ep, op, fd, &e);
}

static void epolls(void)
{
    int ep = epoll_create1(0), e = eventfd(0, EFD_NONBLOCK),
        file = open("ef", O_CREAT | O_RDWR, 0600);
    uint64_t v = 1;
    struct epoll_event ev;
    show_call("epoll_create bad flag", epoll_create1(1));
    show_call("epoll_create 0", epoll_create(0));
    show_call("add", control(ep, EPOLL_CTL_ADD, e, EPOLLIN));
    show_call("add again", control(ep, EPOLL_CTL_ADD, e, EPOLLIN));
    show_call("add a file", control(ep, EPOLL_CTL_ADD, file, EPOLLIN));
    show_call("add itself", control(ep, EPOLL_CTL_ADD, ep, EPOLLIN));
    show_call("add bad fd", control(ep, EPOLL_CTL_ADD, 99, EPOLLIN));
    show_call("not an epoll", control(e, EPOLL_CTL_ADD, ep, EPOLLIN));
    show_call("bad op", control(ep, 9, e, EPOLLIN));
    show_call("add bad pointer", epoll_ctl(ep, EPOLL_CTL_ADD, e, BAD));
    int other = eventfd(0, 0);
    show_call("modify missing", control(ep, EPOLL_CTL_MOD, other, EPOLLIN));
    show_call("delete missing", control(ep, EPOLL_CTL_DEL, other, EPOLLIN));
    show_call("wait no room", epoll_wait(ep, &ev, 0, 0));
    show_call("wait bad fd", epoll_wait(99, &ev, 1, 0));
    show_call("wait not an epoll", epoll_wait(e, &ev, 1, 0));
    show_call("wait bad mask size", syscall(SYS_epoll_pwait, ep, &ev, 1, 0, &v, 4));
    SHOW("nothing", "%x", events_of(ep, 0));
    write(e, &v, 8);
    show_twice("level", ep);
    control(ep, EPOLL_CTL_MOD, e, EPOLLIN | EPOLLOUT | EPOLLET);
    show_twice("edge", ep);
    write(e, &v, 8);
    SHOW("edge again", "%x", events_of(ep, 0));
    read(e, &v, 8);
    SHOW("after read", "%x", events_of(ep, 0));
    control(ep, EPOLL_CTL_MOD, e, EPOLLOUT | EPOLLONESHOT);
    show_twice("oneshot", ep);
    show_call("armed again", control(ep, EPOLL_CTL_MOD, e, EPOLLOUT | EPOLLONESHOT));
    SHOW("oneshot", "%x", events_of(ep, 0));
    int d = dup(e);
    show_call("add a dup", control(ep, EPOLL_CTL_ADD, d, EPOLLOUT));
    close(d);
    SHOW("the dup closed, the file open", "%x", events_of(ep, 0));
    show_call("and its number is gone", control(ep, EPOLL_CTL_DEL, d, 0));
    close(e);
    SHOW("all closed", "%x", events_of(ep, 0));
    int p[2];
    pipe(p);
    control(ep, EPOLL_CTL_ADD, p[0], 0);
    close(p[1]);
    SHOW("hangup unasked", "%x", events_of(ep, 0));
    show_poll("the epoll itself", ep, ALL, 0);
    show_call("exclusive and oneshot",
              control(ep, EPOLL_CTL_ADD, file, EPOLLEXCLUSIVE | EPOLLONESHOT));
    closefrom(3);
}

static void nests(void)
{
    int ep[10], e = eventfd(1, 0), i;
    for (i = 0; i < 10; i++)
        ep[i] = epoll_create1(0);
    control(ep[0], EPOLL_CTL_ADD, e, EPOLLIN);
    for (i = 1; i < 10; i++)
        if (control(ep[i], EPOLL_CTL_ADD, ep[i - 1], EPOLLIN))
            break;
    SHOW("nested", "%s", i < 10 ? strerrorname_np(errno) : "all");
    SHOW("deep", "%d", i >= 5);
    SHOW("ready through three", "%x", events_of(ep[2], 0));
    show_call("circle", control(ep[0], EPOLL_CTL_ADD, ep[2], EPOLLIN));
    closefrom(3);
}

// --- Signals -------------------------------------------------------------------------------------

static pthread_t main_thread;
static volatile int about_to_block;

// Returns when the main thread sleeps in the call it announced.
static void await_sleep(void)
{
    while (!about_to_block)
        sleep_ms(1);
    task_until_asleep(getpid());
}

// A signal while the call waits; then, in case it went on, what it waits for.
static void *disturb(void *arg)
{
    await_sleep();
    pthread_kill(main_thread, SIGUSR1);
    while (!handled)
        sleep_ms(1);
    sleep_ms(20);
    write((int)(intptr_t)arg, "x", 1);
    return NULL;
}

static void interrupted(const char *name, int flags, int which)
{
    int p[2], ep = epoll_create1(0);
    pipe(p);
    control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN);
    install(flags);
    handled = 0;
    pthread_t other;
    main_thread = pthread_self();
    about_to_block = 0;
    pthread_create(&other, NULL, disturb, (void *)(intptr_t)p[1]);
    char c;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    struct pollfd pf = {p[0], POLLIN, 0};
    about_to_block = 1;
    long r = which == 0   ? read(p[0], &c, 1)
             : which == 1 ? poll(&pf, 1, 5000)
             : which == 2 ? select(p[0] + 1, &set, NULL, NULL, NULL)
                          : events_of(ep, 5000);
    int e = errno;
    pthread_join(other, NULL);
    errno = e;
    SHOW(name, "%s, handled %d", r < 0 ? "interrupted" : "done", (int)handled);
    closefrom(3);
}

static void signals(void)
{
    interrupted("read", 0, 0);
    interrupted("read, SA_RESTART", SA_RESTART, 0);
    interrupted("poll", 0, 1);
    interrupted("poll, SA_RESTART", SA_RESTART, 1);
    interrupted("select", 0, 2);
    interrupted("select, SA_RESTART", SA_RESTART, 2);
    interrupted("epoll_wait", 0, 3);
    interrupted("epoll_wait, SA_RESTART", SA_RESTART, 3);
    // Blocked outside, let in by the call's own mask.
    sigset_t block, none, old;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &block, &old);
    handled = 0;
    raise(SIGUSR1);
    show_call("poll, blocked and pending", poll(NULL, 0, 20));
    SHOW("... handled", "%d", (int)handled);
    show_call("ppoll lets it in", ppoll(NULL, 0, NULL, &none));
    SHOW("... handled", "%d", (int)handled);
    raise(SIGUSR1);
    show_call("pselect lets it in", pselect(0, NULL, NULL, NULL, NULL, &none));
    int ep = epoll_create1(0);
    struct epoll_event e;
    raise(SIGUSR1);
    show_call("epoll_pwait lets it in", epoll_pwait(ep, &e, 1, -1, &none));
    SHOW("... handled", "%d", (int)handled);
    sigset_t now_blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &now_blocked);
    SHOW("... and blocks it again", "%d", sigismember(&now_blocked, SIGUSR1));
    // A ready descriptor wins over the signal.
    int p[2];
    pipe(p);
    write(p[1], "x", 1);
    raise(SIGUSR1);
    struct pollfd pf = {p[0], POLLIN, 0};
    show_call("ppoll, both", ppoll(&pf, 1, NULL, &none));
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    SHOW("... handled", "%d", (int)handled);
    closefrom(3);
}

static void body(void)
{
    closefrom(3);
    enter_work_dir();
    pipes();
    fifos();
    polls();
    selects();
    epolls();
    nests();
    signals();
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
