// SIGIO: who owns a file, which signal it sends and what that carries, and what of a pipe makes it
// do so. fcntl(2), ioctl_tty(2).
#include "sigio.h"
#include <limits.h>
#include <pthread.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#ifndef SIOCSPGRP
#define FIOSETOWN 0x8901
#define SIOCSPGRP 0x8902
#define FIOGETOWN 0x8903
#define SIOCGPGRP 0x8904
#endif
enum { GETOWNER_UIDS = 17 };

// --- Owners --------------------------------------------------------------------------------------

static void show_owner(const char *name, int fd)
{
    struct f_owner_ex ex = {-1, -1};
    long own = raw_getown(fd);
    int err = fcntl(fd, F_GETOWN_EX, &ex);
    SHOW(name, "%s; ex %d type %d %s", who(own), err, ex.type,
         ex.pid == 0           ? "nobody"
         : ex.pid == getpid()  ? "me"
         : ex.pid == getpgrp() ? "my group"
                               : "other");
}

static void owners(void)
{
    int p[2];
    pipe(p);
    setpgid(0, 0);
    show_owner("owner at first", p[0]);
    show_call("setown to itself", fcntl(p[0], F_SETOWN, getpid()));
    show_owner("owner itself", p[0]);
    show_owner("the other end has its own", p[1]);
    show_call("setown to the group", fcntl(p[0], F_SETOWN, -getpgrp()));
    show_owner("owner group", p[0]);
    show_call("setown to nobody", fcntl(p[0], F_SETOWN, 0));
    show_owner("owner nobody", p[0]);
    show_call("setown to no process", fcntl(p[0], F_SETOWN, 4000000));
    show_call("setown to no group", fcntl(p[0], F_SETOWN, -4000000));
    show_call("setown INT_MIN", fcntl(p[0], F_SETOWN, INT_MIN));
    show_call("setown with high bits", syscall(SYS_fcntl, p[0], F_SETOWN, 0x500000000l | getpid()));
    show_owner("owner after high bits", p[0]);
    struct f_owner_ex ex = {F_OWNER_TID, getpid()};
    show_call("setown_ex tid", fcntl(p[0], F_SETOWN_EX, &ex));
    show_owner("owner tid", p[0]);
    ex = (struct f_owner_ex){F_OWNER_PID, getpid()};
    show_call("setown_ex pid", fcntl(p[0], F_SETOWN_EX, &ex));
    show_owner("owner pid", p[0]);
    ex = (struct f_owner_ex){F_OWNER_PGRP, getpgrp()};
    show_call("setown_ex pgrp", fcntl(p[0], F_SETOWN_EX, &ex));
    show_owner("owner pgrp", p[0]);
    ex = (struct f_owner_ex){F_OWNER_PGRP, 0};
    show_call("setown_ex pgrp 0", fcntl(p[0], F_SETOWN_EX, &ex));
    show_owner("owner pgrp 0", p[0]);
    ex = (struct f_owner_ex){3, getpid()};
    show_call("setown_ex bad type", fcntl(p[0], F_SETOWN_EX, &ex));
    ex = (struct f_owner_ex){-1, getpid()};
    show_call("setown_ex negative type", fcntl(p[0], F_SETOWN_EX, &ex));
    ex = (struct f_owner_ex){F_OWNER_PID, 4000000};
    show_call("setown_ex no process", fcntl(p[0], F_SETOWN_EX, &ex));
    ex = (struct f_owner_ex){F_OWNER_PID, -5};
    show_call("setown_ex negative pid", fcntl(p[0], F_SETOWN_EX, &ex));
    show_call("setown_ex NULL", fcntl(p[0], F_SETOWN_EX, NULL));
    show_call("getown_ex NULL", fcntl(p[0], F_GETOWN_EX, NULL));
    show_call("getown_ex bad pointer", fcntl(p[0], F_GETOWN_EX, (void *)-4096l));
    uid_t ids[2] = {77, 77};
    fcntl(p[0], F_SETOWN, getpid());
    show_call("getowner_uids", fcntl(p[0], GETOWNER_UIDS, ids));
    SHOW("uids", "%d %d", ids[0] == getuid(), ids[1] == geteuid());
    show_call("getowner_uids NULL", fcntl(p[0], GETOWNER_UIDS, NULL));
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    show_call("setown to a child", fcntl(p[0], F_SETOWN, child));
    SHOW("owner child", "%d", raw_getown(p[0]) == child);
    kill(child, SIGKILL);
    waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT);
    SHOW("owner zombie", "%d", raw_getown(p[0]) == child);
    waitpid(child, NULL, 0);
    SHOW("owner gone", "%ld", raw_getown(p[0]));
    show_call("setown of a path", fcntl(open("/", O_PATH), F_SETOWN, getpid()));
    show_call("getsig of a path", fcntl(open("/", O_PATH), F_GETSIG));
    show_call("setown of a directory", fcntl(open("/", O_RDONLY), F_SETOWN, getpid()));
    show_call("getsig at first", fcntl(p[0], F_GETSIG));
    show_call("setsig 0", fcntl(p[0], F_SETSIG, 0));
    show_call("setsig 64", fcntl(p[0], F_SETSIG, 64));
    show_call("getsig 64", fcntl(p[0], F_GETSIG));
    show_call("setsig 65", fcntl(p[0], F_SETSIG, 65));
    show_call("setsig -1", fcntl(p[0], F_SETSIG, -1));
    show_call("setsig SIGKILL", fcntl(p[0], F_SETSIG, SIGKILL));
    show_call("getsig SIGKILL", fcntl(p[0], F_GETSIG));
    int d = dup(p[0]);
    show_call("getsig of a duplicate", fcntl(d, F_GETSIG));
}

// --- Which files can -----------------------------------------------------------------------------

static void ask_async(const char *name, int fd)
{
    struct stat st;
    char label[80];
    int on = 1, off = 0;
    snprintf(label, sizeof label, "%s F_SETFL", name);
    show_call(label, fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
    snprintf(label, sizeof label, "%s O_ASYNC", name);
    SHOW(label, "%d", !!(fcntl(fd, F_GETFL) & O_ASYNC));
    async(fd, false);
    snprintf(label, sizeof label, "%s FIOASYNC", name);
    show_call(label, ioctl(fd, FIOASYNC, &on));
    snprintf(label, sizeof label, "%s O_ASYNC by ioctl", name);
    SHOW(label, "%d", !!(fcntl(fd, F_GETFL) & O_ASYNC));
    snprintf(label, sizeof label, "%s FIOASYNC off", name);
    show_call(label, ioctl(fd, FIOASYNC, &off));
    snprintf(label, sizeof label, "%s owner after", name);
    SHOW(label, "%s", who(raw_getown(fd)));
    int pid = getpid();
    fstat(fd, &st);
    snprintf(label, sizeof label, "%s FIOSETOWN", name);
    if (!S_ISCHR(st.st_mode) && (st.st_mode & S_IFMT)) // devices and anonymous inodes: as they like
        show_call(label, ioctl(fd, FIOSETOWN, &pid));
}

static void kinds(void)
{
    int p[2], s[2], m, t;
    pipe(p);
    ask_async("pipe", p[0]);
    ask_async("pipe write end", p[1]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    ask_async("unix", s[0]);
    ask_async("tcp", socket(AF_INET, SOCK_STREAM, 0));
    ask_async("udp", socket(AF_INET, SOCK_DGRAM, 0));
    ask_async("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
    ask_async("inotify", inotify_init1(0));
    openpty(&m, &t, NULL, NULL, NULL);
    ask_async("pty master", m);
    ask_async("pty", t);
    ask_async("eventfd", eventfd(0, 0));
    ask_async("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
    ask_async("epoll", epoll_create1(0));
    sigset_t set;
    sigemptyset(&set);
    ask_async("signalfd", signalfd(-1, &set, 0));
    ask_async("file", open("/dev/shm", O_TMPFILE | O_RDWR, 0600));
    ask_async("directory", open("/", O_RDONLY));
    ask_async("null", open("/dev/null", O_RDWR));
    ask_async("zero", open("/dev/zero", O_RDWR));
    ask_async("urandom", open("/dev/urandom", O_RDONLY));
    ask_async("random", open("/dev/random", O_RDONLY));
    ask_async("proc file", open("/proc/self/stat", O_RDONLY));
    ask_async("memfd", (int)syscall(SYS_memfd_create, "x", 0));
    int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_ASYNC, 0600);
    SHOW("open with O_ASYNC", "%d", !!(fcntl(fd, F_GETFL) & O_ASYNC));
    show_call("FIOASYNC NULL", ioctl(p[0], FIOASYNC, NULL));
    int own = 0;
    show_call("FIOSETOWN NULL", ioctl(s[0], FIOSETOWN, NULL));
    own = -getpgrp();
    show_call("SIOCSPGRP group", ioctl(s[0], SIOCSPGRP, &own));
    own = 1;
    show_call("SIOCGPGRP", ioctl(s[0], SIOCGPGRP, &own));
    SHOW("SIOCGPGRP owner", "%s", who(own));
    own = 4000000;
    show_call("SIOCSPGRP nobody there", ioctl(s[0], SIOCSPGRP, &own));
    own = INT_MIN;
    show_call("SIOCSPGRP INT_MIN", ioctl(s[0], SIOCSPGRP, &own));
    show_call("FIOGETOWN NULL", ioctl(s[0], FIOGETOWN, NULL));
    show_call("FIOGETOWN of a pipe", ioctl(p[0], FIOGETOWN, &own));
}

// --- Pipes ---------------------------------------------------------------------------------------

static void pipes(void)
{
    int p[2];
    block_all();
    pipe2(p, O_NONBLOCK);
    fcntl(p[0], F_SETOWN, getpid());
    write(p[1], "x", 1);
    take("pipe without O_ASYNC", SYNC_MS);
    async(p[0], true);
    take("O_ASYNC with bytes there", SYNC_MS);
    write(p[1], "x", 1);
    take("pipe written", SYNC_MS);
    take("once", SYNC_MS);
    write(p[1], "x", 1);
    take("pipe written while not empty", SYNC_MS);
    fcntl(p[0], F_SETSIG, SIGIO);
    write(p[1], "x", 1);
    take("F_SETSIG SIGIO", SYNC_MS);
    fcntl(p[0], F_SETSIG, SIGUSR1);
    write(p[1], "x", 1);
    take("F_SETSIG SIGUSR1", SYNC_MS);
    fcntl(p[0], F_SETSIG, SIGCHLD);
    write(p[1], "x", 1);
    take("F_SETSIG SIGCHLD", SYNC_MS);
    fcntl(p[0], F_SETSIG, SIGTRAP);
    write(p[1], "x", 1);
    take("F_SETSIG SIGTRAP", SYNC_MS);
    fcntl(p[0], F_SETSIG, RT);
    write(p[1], "x", 1);
    write(p[1], "x", 1);
    take("F_SETSIG real-time", SYNC_MS);
    take("two of them", SYNC_MS);
    take("not three", SYNC_MS);
    write(p[1], "x", 1);
    take_fd("its descriptor", p[0]);
    int d = dup(p[0]);
    write(p[1], "x", 1);
    take_fd("not the duplicate's", p[0]);
    async(p[0], false);
    async(d, true);
    write(p[1], "x", 1);
    take_fd("who asked last", d);
    write(p[1], NULL, 0);
    take("nothing written", SYNC_MS);
    write(p[1], (void *)4096, 1);
    take("bad bytes written", SYNC_MS);
    write(p[1], (void *)4096, 8192);
    take("many bad bytes written", SYNC_MS);
    async(d, false);
    write(p[1], "x", 1);
    take("O_ASYNC off", SYNC_MS);
}

static void pipe_ends(void)
{
    int p[2];
    char buf[4096] = {0};
    block_all();
    pipe2(p, O_NONBLOCK);
    write(p[1], buf, 100);
    own(p[1]);
    read(p[0], buf, 1);
    take("pipe read", SYNC_MS);
    while (read(p[0], buf, sizeof buf) > 0)
        ;
    take("pipe read to the end", SYNC_MS);
    take("EAGAIN", SYNC_MS);
    take("then none", SYNC_MS);
    read(p[0], buf, 0);
    take("nothing read", SYNC_MS);
    while (write(p[1], buf, sizeof buf) > 0)
        ;
    take("writing is no reason for the writer", SYNC_MS);
    read(p[0], buf, 100);
    take("read from a full pipe", SYNC_MS);
    own(p[0]);
    drain();
    write(p[1], buf, sizeof buf);
    take("write to a full pipe", SYNC_MS);
    drain();
    close(p[0]);
    take("readers gone", SYNC_MS);
    take("one signal", SYNC_MS);
    write(p[1], buf, 1);
    take("broken pipe", SYNC_MS);
    pipe(p);
    own(p[0]);
    close(p[1]);
    take("writers gone", SYNC_MS);
    take("again one signal", SYNC_MS);
    pipe(p);
    own(p[0]);
    close(p[0]);
    close(p[1]);
    take("closed", SYNC_MS);
    pipe(p);
    async(p[0], true);
    write(p[1], "x", 1);
    take("O_ASYNC without an owner", SYNC_MS);
    fcntl(p[0], F_SETOWN, getpid());
    fcntl(p[0], F_SETSIG, RT);
    if (vfork() == 0) {
        write(p[1], "x", 1);
        _exit(0);
    }
    wait(NULL);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigwaitinfo(&child, NULL);
    take("written by a child", SYNC_MS);
}

static void fifos(void)
{
    char name[64];
    snprintf(name, sizeof name, "/dev/shm/sigio.%d", (int)getpid());
    block_all();
    mkfifo(name, 0600);
    int rw = open(name, O_RDWR | O_NONBLOCK), w, r;
    own(rw);
    write(rw, "x", 1);
    take("fifo written", SYNC_MS);
    take("fifo written once", SYNC_MS);
    char c;
    read(rw, &c, 1);
    take("fifo read", SYNC_MS);
    w = open(name, O_WRONLY);
    take("fifo opened", SYNC_MS);
    close(w);
    take("fifo writer closed", SYNC_MS);
    close(rw);
    rw = open(name, O_RDONLY | O_NONBLOCK);
    own(rw);
    w = open(name, O_WRONLY);
    take("writer comes", SYNC_MS);
    r = open(name, O_RDONLY);
    close(r);
    take("another reader goes", SYNC_MS);
    close(w);
    take("last writer goes", SYNC_MS);
    unlink(name);
}

// --- Queue, permission, owners -------------------------------------------------------------------

static void overflow(void)
{
    int p[2];
    struct rlimit two = {2, 2};
    block_all();
    pipe(p);
    own(p[0]);
    setrlimit(RLIMIT_SIGPENDING, &two);
    for (int i = 0; i < 6; i++)
        write(p[1], "x", 1);
    int rt = 0, io = 0, code = 0;
    sigset_t set;
    siginfo_t info;
    struct timespec none = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigaddset(&set, RT);
    for (;;) {
        int sig = sigtimedwait(&set, &info, &none);
        if (sig < 0)
            break;
        rt += sig == RT;
        if (sig == SIGIO) {
            io++;
            code = info.si_code;
        }
    }
    SHOW("overflow: SIGIO", "%d, %s", io, code == SI_KERNEL ? "SI_KERNEL" : "something else");
    SHOW("overflow: some were queued", "%d", rt < 6);
}

struct helper {
    pthread_t thread;
    int ready[2], go[2];
    pid_t tid;
    int got, group_got;
};

static void *helper(void *arg)
{
    struct helper *h = arg;
    h->tid = (pid_t)syscall(SYS_gettid);
    tell(h->ready[1]);
    hear(h->go[0]);
    sigset_t set;
    struct timespec none = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, RT);
    h->got = sigtimedwait(&set, NULL, &none);
    tell(h->ready[1]);
    return NULL;
}

static void thread_owner(void)
{
    struct helper h;
    int p[2];
    block_all();
    pipe(p);
    pipe(h.ready);
    pipe(h.go);
    pthread_create(&h.thread, NULL, helper, &h);
    hear(h.ready[0]);
    struct f_owner_ex ex = {F_OWNER_TID, h.tid};
    show_call("setown_ex other thread", fcntl(p[0], F_SETOWN_EX, &ex));
    fcntl(p[0], F_SETSIG, RT);
    async(p[0], true);
    write(p[1], "x", 1);
    take("not for the main thread", SYNC_MS);
    ex = (struct f_owner_ex){0, 0};
    fcntl(p[0], F_GETOWN_EX, &ex);
    SHOW("the thread owns it", "%d %d %d", ex.type, ex.pid == h.tid, raw_getown(p[0]) == h.tid);
    tell(h.go[1]);
    hear(h.ready[0]);
    SHOW("the thread gets it", "%d", h.got);
    pthread_join(h.thread, NULL);
    while (syscall(SYS_tgkill, getpid(), h.tid, 0) == 0)
        sched_yield();
    write(p[1], "x", 1);
    take("the thread is gone", SYNC_MS);
    fcntl(p[0], F_GETOWN_EX, &ex);
    SHOW("nobody owns it", "%d %d", ex.type, ex.pid);

    pthread_create(&h.thread, NULL, helper, &h);
    hear(h.ready[0]);
    show_call("setown other thread", fcntl(p[0], F_SETOWN, h.tid));
    SHOW("getown other thread", "%ld", raw_getown(p[0]));
    write(p[1], "x", 1);
    take("for the process", SYNC_MS);
    tell(h.go[1]);
    hear(h.ready[0]);
    pthread_join(h.thread, NULL);
}

static void wait_signal(int sig, int ready)
{
    sigset_t set;
    siginfo_t i;
    struct timespec none = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, sig);
    hear(ready);
    _exit(sigtimedwait(&set, &i, &none) == sig ? 1 : 2);
}

static void group_owner(void)
{
    int p[2], go[2];
    pid_t child[3];
    block_all();
    pipe(p);
    pipe(go);
    for (int i = 0; i < 3; i++) {
        child[i] = fork();
        if (child[i] == 0)
            wait_signal(RT, go[0]);
        setpgid(child[i], i < 2 ? child[0] : child[2]);
    }
    show_call("setown group of children", fcntl(p[0], F_SETOWN, -child[0]));
    fcntl(p[0], F_SETSIG, RT);
    async(p[0], true);
    write(p[1], "x", 1);
    for (int i = 0; i < 3; i++)
        tell(go[1]);
    show_end("first of the group", child[0]);
    show_end("second of the group", child[1]);
    show_end("not of the group", child[2]);
}

// A privileged owner may signal everybody, another only its own.
static void permission(void)
{
    int p[2], go[2], up[2];
    block_all();
    if (geteuid() != 0) {
        printf("not root\n");
        return;
    }
    for (int i = 0; i < 4; i++) {
        pipe(p);
        pipe(go);
        pipe(up);
        pid_t child = fork();
        if (child == 0) {
            if (i == 1 || i == 2)
                setresuid(1000, 1000, 1000);
            if (i == 3)
                setresuid(0, 0, 2000);
            tell(up[1]);
            wait_signal(RT, go[0]);
        }
        hear(up[0]);
        IN_CHILD("owner sets", if (i == 0 || i == 2) setresuid(2000, 2000, 2000);
                 if (i == 3) setresuid(2000, 2000, 2000);
                 show_call("F_SETOWN", fcntl(p[0], F_SETOWN, child)); fcntl(p[0], F_SETSIG, RT);
                 async(p[0], true));
        write(p[1], "x", 1);
        tell(go[1]);
        static const char *const names[] = {"user to root", "root to user", "user to another",
                                            "user to one with its saved id"};
        show_end(names[i], child);
    }
}

// --- The life of it ------------------------------------------------------------------------------

static volatile sig_atomic_t handled;

static void on_io(int sig)
{
    (void)sig;
    handled++;
}

static void handlers(void)
{
    int p[2], r[2];
    pipe(p);
    pipe(r);
    signal(SIGIO, on_io);
    fcntl(p[0], F_SETOWN, getpid());
    async(p[0], true);
    write(p[1], "x", 1);
    SHOW("handled when write returns", "%d", handled);
    int d = dup(p[0]);
    close(p[0]);
    write(p[1], "x", 1);
    SHOW("another descriptor of it is open", "%d", handled);
    close(d);
    pipe(p);
    fcntl(p[0], F_SETOWN, getpid());
    async(p[0], true);
    pid_t child = fork();
    if (child == 0) {
        hear(r[0]);
        sleep_ms(20);
        write(p[1], "x", 1);
        _exit(handled == 2 ? 0 : 1);
    }
    tell(r[1]);
    int status;
    while (waitpid(child, &status, 0) < 0)
        ;
    SHOW("the child gets none", "%s", status_text(status));
    SHOW("the parent does", "%d", handled);
}

static void by_default(void)
{
    int p[2];
    pipe(p);
    fcntl(p[0], F_SETOWN, getpid());
    async(p[0], true);
    write(p[1], "x", 1);
    printf("SIGIO did not end it\n");
}

static void through_signalfd(void)
{
    int p[2];
    sigset_t set;
    struct signalfd_siginfo i;
    block_all();
    pipe(p);
    own(p[0]);
    sigfillset(&set);
    int s = signalfd(-1, &set, SFD_NONBLOCK);
    write(p[1], "x", 1);
    memset(&i, 0, sizeof i);
    read(s, &i, sizeof i);
    SHOW("signalfd", "%u code %d band %#x %s", i.ssi_signo, i.ssi_code, i.ssi_band,
         i.ssi_fd == p[0] ? "its fd" : "other");
}

static void questions(void)
{
    IN_CHILD("owners", owners());
    IN_CHILD("kinds", kinds());
    IN_CHILD("pipes", pipes());
    IN_CHILD("pipe ends", pipe_ends());
    IN_CHILD("fifos", fifos());
    IN_CHILD("overflow", overflow());
    IN_CHILD("thread owner", thread_owner());
    IN_CHILD("group owner", group_owner());
    IN_CHILD("permission", permission());
    IN_CHILD("handlers", handlers());
    IN_CHILD("by default", by_default());
    IN_CHILD("signalfd", through_signalfd());
}

int main(void)
{
    return run_as_child(questions);
}
