// seccomp's user notification: another process answers for a filter.
#include "probe.h"
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define RECV  0xc0502100ul
#define SEND  0xc0182101ul
#define VALID 0x40082102ul
#define WRONG 0x80082102ul
#define ADDFD 0x40182103ul
enum { LISTENER = 8, ESRCH_TOO = 16, KILLABLE = 32, GO_ON = 1, SETFD = 1, AND_SEND = 2 };
struct notif {
    uint64_t id;
    uint32_t pid, flags;
    struct seccomp_data data;
};
struct resp {
    uint64_t id;
    int64_t val;
    int32_t error;
    uint32_t flags;
};
struct addfd {
    uint64_t id;
    uint32_t flags, srcfd, newfd, newfd_flags;
};

static long seccomp(unsigned op, unsigned flags, void *args)
{
    return syscall(SYS_seccomp, op, flags, args);
}

// A filter that asks about call `nr`.
static int listen_to(long nr, unsigned flags)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog p = {4, code};
    return (int)seccomp(SECCOMP_SET_MODE_FILTER, flags, &p);
}

static int receive(int fd, struct notif *n)
{
    memset(n, 0, sizeof *n);
    return ioctl(fd, RECV, n);
}
static int answer(int fd, uint64_t id, int64_t val, int32_t error, uint32_t flags)
{
    struct resp r = {id, val, error, flags};
    return ioctl(fd, SEND, &r);
}
static int ready(int fd)
{
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    poll(&p, 1, 0);
    return p.revents & (POLLIN | POLLOUT | POLLHUP);
}
static void until(int fd, int events)
{
    struct pollfd p = {fd, (short)events, 0};
    if (poll(&p, 1, 20000) != 1)
        abort();
}

// A child under a filter with its listener here; the child runs `run` with an argument.
static pid_t start(int *fd, long nr, unsigned flags, void (*run)(int), int arg)
{
    fflush(stdout);
    *fd = listen_to(nr, flags | LISTENER);
    pid_t child = fork();
    if (child == 0) {
        close(*fd);
        run(arg);
        _exit(0);
    }
    return child;
}

static void one_call(int unused)
{
    (void)unused;
    show_call("... getppid", syscall(SYS_getppid));
}
static void two_calls(int unused)
{
    (void)unused;
    one_call(0), one_call(0);
}

static void installing(void)
{
    uint16_t sizes[3];
    show_call("sizes", seccomp(SECCOMP_GET_NOTIF_SIZES, 0, sizes));
    SHOW("...", "%d %d %d", sizes[0], sizes[1], sizes[2]);
    show_call("sizes with flags", seccomp(SECCOMP_GET_NOTIF_SIZES, 1, sizes));
    show_call("sizes nowhere", seccomp(SECCOMP_GET_NOTIF_SIZES, 0, NULL));
    show_call("with TSYNC", listen_to(SYS_getppid, LISTENER | 1));
    show_call("killable alone", listen_to(SYS_getppid, KILLABLE));
    show_call("unknown flag", listen_to(SYS_getppid, 64));
    struct sock_fprog bad = {0, NULL};
    show_call("bad program", seccomp(SECCOMP_SET_MODE_FILTER, LISTENER, &bad));
    int first = listen_to(SYS_getppid, LISTENER);
    SHOW("listener", "%d %d", first >= 0, fcntl(first, F_GETFD));
    char name[64] = "", link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", first);
    readlink(link, name, sizeof name - 1);
    SHOW("... name", "%s", name);
    show_call("second", listen_to(SYS_getsid, LISTENER));
    show_call("read", read(first, name, 8));
    show_call("unknown command", ioctl(first, 0x2107, 0));
    SHOW("ready", "%d", ready(first));
    struct notif n = {0};
    n.flags = 1;
    show_call("receive garbage", ioctl(first, RECV, &n));
    show_call("receive nowhere", ioctl(first, RECV, NULL));
    show_call("send nowhere", ioctl(first, SEND, 8));
    show_call("valid nowhere", ioctl(first, VALID, 8));
    show_call("send flags", answer(first, 1, 0, 0, 2));
    show_call("send go on with value", answer(first, 1, 5, 0, GO_ON));
    show_call("send go on with error", answer(first, 1, 0, -5, GO_ON));
    show_call("send to nobody", answer(first, 77, 0, 0, 0));
    close(first);
    show_call("nobody listens", syscall(SYS_getppid));
    int next = listen_to(SYS_getppid, LISTENER | 1 | ESRCH_TOO);
    SHOW("another listener", "%d", next >= 0);
}

static void answers(void)
{
    int fd;
    struct notif n;
    pid_t child = start(&fd, SYS_getppid, 0, one_call, 0);
    show_call("receive", receive(fd, &n));
    SHOW("... asks", "%d %d %d", n.pid == (uint32_t)child, n.data.nr == SYS_getppid, (int)n.flags);
    SHOW("ready", "%d", ready(fd) == POLLOUT);
    uint64_t id = n.id, none = n.id + 50;
    show_call("valid", ioctl(fd, VALID, &id));
    show_call("valid in the old way", ioctl(fd, WRONG, &id));
    show_call("not valid", ioctl(fd, VALID, &none));
    int sent = answer(fd, id, 4711, 0, 0);
    show_end("asked", child);
    SHOW("sent", "%d", sent);
    show_call("send again", answer(fd, id, 4711, 0, 0));
    show_call("valid no more", ioctl(fd, VALID, &id));
    close(fd);
}

static void more_answers(void)
{
    int fd;
    struct notif n;
    pid_t child = start(&fd, SYS_getppid, 0, two_calls, 0);
    receive(fd, &n);
    int sent = answer(fd, n.id, 0, -EXDEV, 0);
    uint64_t first = n.id;
    receive(fd, &n);
    int next = n.id == first + 1;
    int both = answer(fd, n.id, 9, -EDOM, 0);
    show_end("asked", child);
    SHOW("sent", "%d %d, next number %d", sent, both, next);
}

static void ppid_is_right(int parent)
{
    SHOW("... true answer", "%d", syscall(SYS_getppid) == parent);
}
static void going_on(void)
{
    int fd;
    struct notif n;
    pid_t child = start(&fd, SYS_getppid, 0, ppid_is_right, getpid());
    receive(fd, &n);
    int sent = answer(fd, n.id, 0, 0, GO_ON);
    show_end("asked", child);
    SHOW("go on", "%d", sent);
}

static void waiting(void)
{
    int fd;
    struct notif n;
    pid_t child = start(&fd, SYS_getppid, 0, one_call, 0);
    until(fd, POLLIN);
    SHOW("ready", "%d", ready(fd) == POLLIN);
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show_call("receive where nothing can be written", ioctl(fd, RECV, page));
    SHOW("ready again", "%d", ready(fd) == POLLIN);
    show_call("receive", receive(fd, &n));
    close(fd);
    show_end("listener gone", child);
}

static void waiting_closed(void)
{
    int fd;
    pid_t child = start(&fd, SYS_getppid, 0, one_call, 0);
    until(fd, POLLIN);
    close(fd);
    show_end("listener gone before", child);
}

static void on_signal(int sig)
{
    (void)sig;
}
static void interrupted_call(int flags)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};
    sigaction(SIGUSR1, &sa, NULL);
    show_call("... getppid", syscall(SYS_getppid));
}
static void signals(void)
{
    int fd;
    struct notif n, again;
    pid_t child = start(&fd, SYS_getppid, 0, interrupted_call, 0);
    receive(fd, &n);
    kill(child, SIGUSR1);
    show_end("interrupted", child);
    show_call("answer too late", answer(fd, n.id, 1, 0, 0));
    show_call("valid", ioctl(fd, VALID, &n.id));
    close(fd);
    IN_CHILD("restarted", {
        child = start(&fd, SYS_getppid, 0, interrupted_call, SA_RESTART);
        receive(fd, &n);
        kill(child, SIGUSR1);
        receive(fd, &again);
        SHOW("... asks again", "%d", again.id != n.id);
        show_call("... answer the first", answer(fd, n.id, 1, 0, 0));
        int sent = answer(fd, again.id, 12, 0, 0);
        show_end("...", child);
        SHOW("... sent", "%d", sent);
    });
    IN_CHILD("killed", {
        child = start(&fd, SYS_getppid, 0, one_call, 0);
        receive(fd, &n);
        kill(child, SIGKILL);
        show_end("...", child);
        show_call("... valid", ioctl(fd, VALID, &n.id));
    });
    IN_CHILD("killable", {
        child = start(&fd, SYS_getppid, KILLABLE, interrupted_call, 0);
        receive(fd, &n);
        kill(child, SIGUSR1);
        sleep_ms(30);
        show_call("... valid", ioctl(fd, VALID, &n.id));
        int sent = answer(fd, n.id, 13, 0, 0);
        show_end("...", child);
        SHOW("... sent", "%d", sent);
    });
    IN_CHILD("killable before it is received", {
        child = start(&fd, SYS_getppid, KILLABLE, interrupted_call, 0);
        until(fd, POLLIN);
        kill(child, SIGUSR1);
        show_end("...", child);
    });
    IN_CHILD("killable and killed", {
        child = start(&fd, SYS_getppid, KILLABLE, interrupted_call, 0);
        receive(fd, &n);
        kill(child, SIGKILL);
        show_end("...", child);
    });
}

// Descriptors: 30 is made by the listener, `got` is what the call returned.
static void read_gift(int unused)
{
    (void)unused;
    char text[8] = "";
    int got = (int)syscall(SYS_getppid);
    SHOW("... got", "%d", got);
    show_call("... read", read(got, text, 4));
    SHOW("... text", "%s, closed on exec %d", text, fcntl(got, F_GETFD));
}
static int give(int fd, uint64_t id, uint32_t flags, int src, int to, uint32_t newfd_flags)
{
    struct addfd a = {id, flags, (uint32_t)src, (uint32_t)to, newfd_flags};
    return ioctl(fd, ADDFD, &a);
}
static void gifts(void)
{
    int fd, ends[2];
    struct notif n;
    pid_t child = start(&fd, SYS_getppid, 0, read_gift, 0);
    pipe(ends);
    write(ends[1], "abcdefgh", 8);
    until(fd, POLLIN);
    receive(fd, &n);
    show_call("flags", give(fd, n.id, 4, ends[0], 0, 0));
    show_call("flags of the new", give(fd, n.id, 0, ends[0], 0, O_NONBLOCK));
    show_call("number without flag", give(fd, n.id, 0, ends[0], 30, 0));
    show_call("no such descriptor", give(fd, n.id, 0, 99, 0, 0));
    show_call("no such question", give(fd, n.id + 7, 0, ends[0], 0, 0));
    show_call("nowhere", ioctl(fd, ADDFD, 8));
    show_call("too small", ioctl(fd, 0x40102103ul, 8));
    struct addfd large[2] = {{n.id, SETFD, (uint32_t)ends[0], 31, 0}, {0, 0, 1, 0, 0}};
    show_call("larger and unknown", ioctl(fd, 0x40302103ul, large));
    large[1].srcfd = 0;
    show_call("larger", ioctl(fd, 0x40302103ul, large));
    show_call("give", give(fd, n.id, SETFD, ends[0], 30, O_CLOEXEC) == 30 ? 0 : -1);
    show_call("give over", give(fd, n.id, SETFD, ends[0], 30, O_CLOEXEC));
    show_call("too high", give(fd, n.id, SETFD | AND_SEND, ends[0], 1 << 30, 0));
    show_call("still asked", ioctl(fd, VALID, &n.id));
    int sent = answer(fd, n.id, 30, 0, 0);
    show_end("asked", child);
    SHOW("answer", "%d", sent);
    show_call("give too late", give(fd, n.id, 0, ends[0], 0, 0));
    close(fd);
    IN_CHILD("with the answer", {
        child = start(&fd, SYS_getppid, 0, read_gift, 0);
        receive(fd, &n);
        sent = give(fd, n.id, SETFD | AND_SEND, ends[0], 40, 0);
        show_end("asked", child);
        SHOW("give", "%d", sent);
        show_call("answer too late", answer(fd, n.id, 30, 0, 0));
    });
}

static void *in_thread(void *unused)
{
    (void)unused;
    return (void *)syscall(SYS_getppid);
}
static void many_threads(int count)
{
    pthread_t t[16];
    int right = 0;
    void *got;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < count; i++)
            pthread_create(&t[i], NULL, in_thread, NULL);
        for (int i = 0; i < count; i++)
            pthread_join(t[i], &got), right += (long)got >= 1000 && (long)got < 2000;
    }
    SHOW("... right answers", "%d", right);
}
struct server {
    int fd, served;
};
static void *serve(void *arg)
{
    struct server *s = arg;
    struct notif n;
    // This process has the filter too: there is no end to wait for.
    for (int i = 0; i < 80 && receive(s->fd, &n) == 0; i++)
        s->served += answer(s->fd, n.id, 1000 + (int64_t)(n.id % 1000), 0, 0) == 0;
    return NULL;
}
static void crowds(void)
{
    int fd;
    pid_t child = start(&fd, SYS_getppid, 0, many_threads, 8);
    struct server s[2] = {{fd, 0}, {fd, 0}};
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, serve, &s[i]);
    show_end("asked", child);
    SHOW("served", "%d", s[0].served + s[1].served);
}

static void unused_filter(void)
{
    // The filter's only user is a child; the listener comes here through a shared descriptor table.
    fflush(stdout);
    int pipe_fd[2];
    pipe(pipe_fd);
    int child = (int)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        int fd = listen_to(SYS_getppid, LISTENER);
        write(pipe_fd[1], &fd, sizeof fd);
        syscall(SYS_exit, 0);
    }
    int fd;
    read(pipe_fd[0], &fd, sizeof fd);
    waitpid(child, NULL, 0);
    until(fd, POLLIN);
    SHOW("nobody is left", "%d", ready(fd) == POLLHUP);
}

static void body(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    IN_CHILD("installing", installing());
    IN_CHILD("answers", answers());
    IN_CHILD("more answers", more_answers());
    IN_CHILD("going on", going_on());
    IN_CHILD("waiting", waiting());
    IN_CHILD("closing", waiting_closed());
    IN_CHILD("signals", signals());
    IN_CHILD("gifts", gifts());
    IN_CHILD("crowds", crowds());
    IN_CHILD("unused", unused_filter());
}

int main(void)
{
    return run_as_child(body);
}
