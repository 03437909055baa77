// What a signal does to a call that waits: nothing, when the signal is ignored; a restart or EINTR,
// after a handler; and the call ends as soon as what it waits for comes. Each call is made by a
// child that the parent watches until it sleeps, so nothing here depends on time.
#include "asleep.h"
#include "probe.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

enum { FOREVER_S = 1000, NOT_RETURNED = -9 };

struct shared {
    _Atomic uint32_t futex;
    _Atomic int handled;
    _Atomic int returned, error;
};
static struct shared *shared;

// What the calls wait on; made anew for each child.
static int pipes[2], sockets[2], listener, event, epoll, lock_fd;
static struct sockaddr_un name;

static void set_up(void)
{
    static int count;
    atomic_store(&shared->futex, 0);
    atomic_store(&shared->handled, 0);
    if (pipe(pipes) || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
        abort();
    event = eventfd(0, 0);
    epoll = epoll_create1(0);
    struct epoll_event want = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, event, &want);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    name = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(name.sun_path + 1, 40, "ish-waits-%d-%d", (int)getpid(), count++);
    if (bind(listener, (struct sockaddr *)&name, sizeof name) || listen(listener, 1))
        abort();
    lock_fd = memfd_create("lock", 0);
}

static void tear_down(void)
{
    const int all[] = {pipes[0], pipes[1], sockets[0], sockets[1], event, epoll, listener, lock_fd};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        close(all[i]);
}

// --- The calls, and what ends them ---------------------------------------------------------------

static long call_read(void)
{
    char c;
    return read(pipes[0], &c, 1);
}
static void end_read(void)
{
    tell(pipes[1]);
}
static long call_write(void)
{
    static char full[1 << 16];
    long n = write(pipes[1], full, sizeof full);
    return n < 0 ? n : n == (long)sizeof full;
}
static void before_write(void)
{
    static char full[1 << 12];
    fcntl(pipes[1], F_SETFL, O_NONBLOCK);
    while (write(pipes[1], full, sizeof full) > 0)
        ;
    fcntl(pipes[1], F_SETFL, 0);
}
static void end_write(void)
{
    static char drain[1 << 17];
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 64 && read(pipes[0], drain, sizeof drain) > 0; i++)
        ;
}
static long call_recv(void)
{
    char c;
    return recv(sockets[0], &c, 1, 0);
}
static void end_recv(void)
{
    tell(sockets[1]);
}
static long call_recv_timeout(void)
{
    char c;
    struct timeval t = {.tv_sec = FOREVER_S};
    setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    return recv(sockets[0], &c, 1, 0);
}
static long call_accept(void)
{
    return accept(listener, NULL, NULL) < 0 ? -1 : 1;
}
static void end_accept(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name))
        abort();
    close(fd);
}
static long call_eventfd(void)
{
    uint64_t n;
    return read(event, &n, sizeof n);
}
static void end_eventfd(void)
{
    uint64_t one = 1;
    if (write(event, &one, sizeof one) != sizeof one)
        abort();
}
static long call_epoll(void)
{
    struct epoll_event got;
    return epoll_wait(epoll, &got, 1, -1);
}
static long call_poll(void)
{
    struct pollfd p = {.fd = event, .events = POLLIN};
    return poll(&p, 1, -1);
}
static long call_poll_timeout(void)
{
    struct pollfd p = {.fd = event, .events = POLLIN};
    return poll(&p, 1, FOREVER_S * 1000);
}
static long call_ppoll(void)
{
    struct pollfd p = {.fd = event, .events = POLLIN};
    struct timespec t = {.tv_sec = FOREVER_S};
    return ppoll(&p, 1, &t, NULL);
}
static long call_select(void)
{
    fd_set set;
    struct timeval t = {.tv_sec = FOREVER_S};
    FD_ZERO(&set);
    FD_SET(event, &set);
    return select(event + 1, &set, NULL, NULL, &t);
}
static long call_futex(void)
{
    return syscall(SYS_futex, &shared->futex, FUTEX_WAIT, 0, NULL, NULL, 0);
}
static long call_futex_timeout(void)
{
    struct timespec t = {.tv_sec = FOREVER_S};
    return syscall(SYS_futex, &shared->futex, FUTEX_WAIT, 0, &t, NULL, 0);
}
static void end_futex(void)
{
    atomic_store(&shared->futex, 1);
    syscall(SYS_futex, &shared->futex, FUTEX_WAKE, 1, NULL, NULL, 0);
}
static pid_t grandchild;
static void before_wait(void)
{
    grandchild = fork();
    if (grandchild == 0) {
        char c;
        close(pipes[1]);
        _exit(read(pipes[0], &c, 1) == 1 ? 5 : 6);
    }
}
static long call_waitpid(void)
{
    int status;
    return waitpid(grandchild, &status, 0) == grandchild ? WEXITSTATUS(status) : -1;
}
static long call_waitid(void)
{
    siginfo_t info;
    return waitid(P_PID, (id_t)grandchild, &info, WEXITED);
}
static void parent_locks(void)
{
    flock(lock_fd, LOCK_EX);
    struct flock l = {.l_type = F_WRLCK};
    fcntl(lock_fd, F_SETLK, &l);
}
static long call_flock(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", lock_fd);
    return flock(open(path, O_RDWR), LOCK_EX);
}
static long call_setlkw(void)
{
    struct flock l = {.l_type = F_WRLCK};
    return fcntl(lock_fd, F_SETLKW, &l);
}
static void end_locks(void)
{
    flock(lock_fd, LOCK_UN);
    struct flock l = {.l_type = F_UNLCK};
    fcntl(lock_fd, F_SETLK, &l);
}
static long call_sigwait(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    return sigwaitinfo(&set, NULL);
}
static pid_t child;
static void before_sigwait(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
}
static void end_sigwait(void)
{
    kill(child, SIGHUP);
}
static long call_pause(void)
{
    return pause();
}
static void end_kill(void)
{
    kill(child, SIGKILL);
}
static long call_nanosleep(void)
{
    struct timespec t = {.tv_sec = FOREVER_S};
    return nanosleep(&t, NULL);
}
static long call_clock_abs(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += FOREVER_S;
    errno = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL);
    return errno ? -1 : 0;
}

static const struct wait {
    const char *what;
    long (*call)(void);
    void (*end)(void);
    void (*before)(void);        // in the child
    void (*parent_before)(void); // in the parent
} waits[] = {
    {"read of a pipe", call_read, end_read, NULL, NULL},
    {"write to a full pipe", call_write, end_write, before_write, NULL},
    {"recv", call_recv, end_recv, NULL, NULL},
    {"recv with a timeout", call_recv_timeout, end_recv, NULL, NULL},
    {"accept", call_accept, end_accept, NULL, NULL},
    {"read of an eventfd", call_eventfd, end_eventfd, NULL, NULL},
    {"epoll_wait", call_epoll, end_eventfd, NULL, NULL},
    {"poll", call_poll, end_eventfd, NULL, NULL},
    {"poll with a timeout", call_poll_timeout, end_eventfd, NULL, NULL},
    {"ppoll", call_ppoll, end_eventfd, NULL, NULL},
    {"select", call_select, end_eventfd, NULL, NULL},
    {"futex", call_futex, end_futex, NULL, NULL},
    {"futex with a timeout", call_futex_timeout, end_futex, NULL, NULL},
    {"waitpid", call_waitpid, end_read, before_wait, NULL},
    {"waitid", call_waitid, end_read, before_wait, NULL},
    {"flock", call_flock, end_locks, NULL, parent_locks},
    {"F_SETLKW", call_setlkw, end_locks, NULL, parent_locks},
    {"sigwaitinfo", call_sigwait, end_sigwait, before_sigwait, NULL},
    {"pause", call_pause, end_kill, NULL, NULL},
    {"nanosleep", call_nanosleep, end_kill, NULL, NULL},
    {"clock_nanosleep to a date", call_clock_abs, end_kill, NULL, NULL},
};

// --- Watching ------------------------------------------------------------------------------------

// Until it sleeps in its call, or has ended; which. It may sleep for a moment on its way into the
// call, back to it and out, so one look is not enough.
static int settle(pid_t pid)
{
    int asleep = 0;
    for (char c = 'R'; c != 'Z' && c != 'X' && asleep < 3;) {
        usleep(200);
        c = task_state(pid);
        asleep = c == 'S' && atomic_load(&shared->returned) == NOT_RETURNED ? asleep + 1 : 0;
    }
    return asleep > 0;
}

static void on_signal(int sig)
{
    (void)sig;
    atomic_fetch_add(&shared->handled, 1);
}

enum stimulus { IGNORED, DEFAULT_IGNORED, BLOCKED, STOPPED, RESTARTING, PLAIN, STIMULI };
static const char *const stimuli[] = {"ignored",        "ignored by default", "blocked",
                                      "stop, continue", "SA_RESTART",         "handler"};

static void child_main(const struct wait *w, enum stimulus how)
{
    struct sigaction sa = {.sa_handler = how == IGNORED ? SIG_IGN : on_signal,
                           .sa_flags = how == RESTARTING ? SA_RESTART : 0};
    sigset_t set;
    sigaction(SIGUSR1, &sa, NULL);
    if (how == BLOCKED) {
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL);
    }
    if (w->before)
        w->before();
    atomic_store(&shared->handled, 1); // the call is next
    errno = 0;
    long n = w->call();
    atomic_store(&shared->error, n < 0 ? errno : 0);
    atomic_store(&shared->returned, (int)n);
    _exit(0);
}

// Whether it waits on afterwards.
static int stimulate(enum stimulus how)
{
    int status;
    switch (how) {
    case DEFAULT_IGNORED:
        kill(child, SIGWINCH);
        break;
    case STOPPED:
        kill(child, SIGSTOP);
        waitpid(child, &status, WUNTRACED);
        kill(child, SIGCONT); // which is not waited for: that may find the end first, and take it
        break;
    default:
        kill(child, SIGUSR1);
        while (how >= RESTARTING && atomic_load(&shared->handled) < 2 && task_state(child) != 'Z')
            usleep(200);
        break;
    }
    return settle(child);
}

static void probe(const struct wait *w, enum stimulus how)
{
    char text[128];
    int status;
    set_up();
    atomic_store(&shared->returned, NOT_RETURNED);
    atomic_store(&shared->error, 0);
    if (w->parent_before)
        w->parent_before();
    child = fork();
    if (child == 0)
        child_main(w, how);
    while (!atomic_load(&shared->handled))
        usleep(200);
    settle(child);
    int waits_on = stimulate(how);
    w->end();
    waitpid(child, &status, 0);
    snprintf(text, sizeof text, "%s, %s", w->what, stimuli[how]);
    SHOW(text, "%s, %s, returned %d %s", waits_on ? "waits on" : "ended",
         WIFSIGNALED(status) ? "killed" : "exited", atomic_load(&shared->returned),
         atomic_load(&shared->error) ? strerrorname_np(atomic_load(&shared->error)) : "");
    tear_down();
}

static void body(void)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        for (enum stimulus how = 0; how < STIMULI; how++)
            probe(&waits[i], how);
}

int main(void)
{
    return run_as_child(body);
}
