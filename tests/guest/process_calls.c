// Calls on other processes by those who may and those who may not: descriptors of processes and
// signals, limits, priorities, comparisons, memory; and what zombies answer.
#include "probe.h"
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

static char *page_end; // the next page cannot be read

static void become(uid_t uid, gid_t gid)
{
    if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        abort();
    prctl(PR_SET_DUMPABLE, 1);
}

static int pidfd_of(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

// A child that sleeps, as somebody.
static pid_t sleeper(uid_t uid, gid_t gid)
{
    int p[2];
    pipe(p);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        become(uid, gid);
        tell(p[1]);
        for (;;)
            pause();
    }
    hear(p[0]);
    close(p[0]);
    close(p[1]);
    return child;
}

static void bury(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static pid_t zombie(void)
{
    siginfo_t info;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    return child;
}

// --- Signals that are read -----------------------------------------------------------------------

static void on_alarm(int signo)
{
    (void)signo;
}

static void *raise_later(void *fd)
{
    hear(*(int *)fd);
    kill(getpid(), SIGUSR1);
    return NULL;
}

static void signal_descriptors(void)
{
    sigset_t set;
    struct signalfd_siginfo si[3];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK), waits = signalfd(-1, &set, 0);
    char text[256] = "", path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    int info = open(path, O_RDONLY);
    read(info, text, sizeof text - 1);
    close(info);
    unsigned long long mask = 0;
    char *at = strstr(text, "sigmask:");
    if (at)
        sscanf(at, "sigmask: %llx", &mask);
    SHOW("signalfd in fdinfo", "%llx", mask);
    raise(SIGUSR1);
    raise(SIGUSR2);
    show_call("two at once", read(fd, si, sizeof si));
    SHOW("... are", "%u %u", si[0].ssi_signo, si[1].ssi_signo);
    raise(SIGUSR1);
    show_call("room for one and a half", read(fd, si, sizeof si[0] * 3 / 2));
    raise(SIGUSR1);
    show_call("nowhere", read(fd, (void *)8, sizeof si));
    show_call("... it is gone", read(fd, si, sizeof si));
    raise(SIGUSR1);
    raise(SIGUSR2);
    struct signalfd_siginfo *edge = (void *)(page_end - sizeof si[0]);
    show_call("room for one of two", read(fd, edge, 2 * sizeof si[0]));
    while (read(fd, si, sizeof si) > 0)
        continue;
    raise(SIGUSR2);
    show_call("into the last page", read(fd, edge, sizeof si[0]));
    int p[2];
    pipe(p);
    pthread_t t;
    pthread_create(&t, NULL, raise_later, p);
    tell(p[1]);
    show_call("one to wait for", read(waits, si, sizeof si[0]));
    pthread_join(t, NULL);
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 20000}, {0, 20000}}, off = {0};
    setitimer(ITIMER_REAL, &often, NULL);
    show_call("another signal comes", read(waits, si, sizeof si[0]));
    setitimer(ITIMER_REAL, &off, NULL);
    show_call("signalfd nowhere", syscall(SYS_signalfd4, -1, (void *)8, 8, 0));
    show_call("... of another size", syscall(SYS_signalfd4, -1, &set, 4, 0));
    show_call("... with flags", syscall(SYS_signalfd4, -1, &set, 8, 1));
    show_call("... of another file", syscall(SYS_signalfd4, p[0], &set, 8, 0));
    show_call("... of none", syscall(SYS_signalfd4, 99, &set, 8, 0));
}

// --- Descriptors of processes --------------------------------------------------------------------

static void fdinfo_pid(const char *name, int fd, pid_t pid)
{
    char text[256] = "", path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    int info = open(path, O_RDONLY);
    read(info, text, sizeof text - 1);
    close(info);
    char *at = strstr(text, "Pid:");
    int shown = -2;
    if (at)
        sscanf(at, "Pid: %d", &shown);
    SHOW(name, "%s", shown == pid ? "its number" : shown == -1 ? "-1" : "another");
}

static void *sleep_on(void *fd)
{
    hear(*(int *)fd);
    return NULL;
}

static void process_descriptors(void)
{
    pid_t child = sleeper(0, 0);
    int fd = pidfd_of(child, 0), quick = pidfd_of(child, O_NONBLOCK), p[2];
    siginfo_t info;
    struct pollfd poll_one = {fd, POLLIN, 0};
    fdinfo_pid("fdinfo", fd, child);
    show_call("poll", poll(&poll_one, 1, 0));
    show_call("wait without blocking", waitid(P_PIDFD, (id_t)quick, &info, WEXITED));
    show_call("... asked not to", waitid(P_PIDFD, (id_t)quick, &info, WEXITED | WNOHANG));
    show_call("signal -1", syscall(SYS_pidfd_send_signal, fd, -1, NULL, 0));
    show_call("signal 65", syscall(SYS_pidfd_send_signal, fd, 65, NULL, 0));
    show_call("signal 0", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    show_call("signal with flags", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 1 << 20));
    info = (siginfo_t){.si_signo = SIGUSR1, .si_code = SI_USER};
    show_call("information of another signal",
              syscall(SYS_pidfd_send_signal, fd, SIGUSR2, &info, 0));
    show_call("information that pretends", syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &info, 0));
    show_call("information nowhere", syscall(SYS_pidfd_send_signal, fd, SIGUSR1, (void *)8, 0));
    info.si_code = SI_QUEUE;
    info.si_signo = SIGWINCH;
    show_call("information", syscall(SYS_pidfd_send_signal, fd, SIGWINCH, &info, 0));
    show_call("getfd of none", syscall(SYS_pidfd_getfd, fd, 99, 0));
    show_call("getfd with flags", syscall(SYS_pidfd_getfd, fd, 0, 1));
    show_call("getfd of a file", syscall(SYS_pidfd_getfd, 0, 0, 0));
    IN_CHILD("getfd by a user", become(1000, 1000);
             show_call("...", syscall(SYS_pidfd_getfd, fd, 0, 0));
             show_call("... signal", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0)));
    kill(child, SIGSTOP);
    show_call("stopped", waitid(P_PIDFD, (id_t)fd, &info, WSTOPPED));
    SHOW("... by", "%d %d", info.si_code == CLD_STOPPED, info.si_status);
    kill(child, SIGCONT);
    show_call("continued", waitid(P_PIDFD, (id_t)fd, &info, WCONTINUED));
    SHOW("... by", "%d %d", info.si_code == CLD_CONTINUED, info.si_status);
    show_call("wait to nowhere",
              (kill(child, SIGKILL), waitid(P_PIDFD, (id_t)fd, NULL, WEXITED | WNOWAIT),
               syscall(SYS_waitid, P_PIDFD, fd, (void *)8, WEXITED | WNOWAIT, NULL)));
    show_call("... usage nowhere",
              syscall(SYS_waitid, P_PIDFD, fd, NULL, WEXITED | WNOWAIT, (void *)8));
    show_call("poll of a zombie", poll(&poll_one, 1, 0));
    show_call("signal to a zombie", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    waitpid(child, NULL, 0);
    fdinfo_pid("fdinfo at last", fd, child);
    show_call("wait for it", waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    show_call("signal to it", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    show_call("wait for no descriptor", waitid(P_PIDFD, 99, &info, WEXITED));
    show_call("wait for a file", waitid(P_PIDFD, 0, &info, WEXITED));
    show_call("wait for the parent", waitid(P_PIDFD, (id_t)pidfd_of(getppid(), 0), &info, WEXITED));
    show_call("open 0", pidfd_of(0, 0));
    show_call("open -1", pidfd_of(-1, 0));
    show_call("open nobody", pidfd_of(1 << 29, 0));
    show_call("open with flags", pidfd_of(getpid(), 1 << 20));
    close(fd);
    close(quick);
    pipe(p);
    pthread_t t;
    pthread_create(&t, NULL, sleep_on, p);
    tell(p[1]);
    pthread_join(t, NULL);
}

// --- Who may -------------------------------------------------------------------------------------

static void limits_of(const char *name, pid_t target)
{
    struct rlimit r;
    SHOW("limits", "%s", name);
    show_call("... get", prlimit(target, RLIMIT_CORE, NULL, &r));
    r = (struct rlimit){0, 0};
    show_call("... set", prlimit(target, RLIMIT_CORE, &r, NULL));
    char byte;
    struct iovec here = {&byte, 1}, there = {&page_end, 1};
    show_call("... memory", process_vm_readv(target, &here, 1, &there, 1, 0));
    show_call("... files", syscall(SYS_kcmp, getpid(), target, 2, 0, 0) >= 0 ? 0 : -1);
    show_call("... priority", setpriority(PRIO_PROCESS, (id_t)target, 5));
    show_call("... class", syscall(SYS_ioprio_set, 1, target, 2 << 13 | 5));
}

static void others(void)
{
    static const struct {
        const char *name;
        uid_t r, e, s;
        gid_t rg, eg, sg;
    } rows[] = {
        {"the same", 1000, 1000, 1000, 1000, 1000, 1000},
        {"another real user", 2000, 1000, 1000, 1000, 1000, 1000},
        {"another effective user", 1000, 2000, 1000, 1000, 1000, 1000},
        {"another saved user", 1000, 1000, 2000, 1000, 1000, 1000},
        {"another real group", 1000, 1000, 1000, 2000, 1000, 1000},
        {"another effective group", 1000, 1000, 1000, 1000, 2000, 1000},
        {"another saved group", 1000, 1000, 1000, 1000, 1000, 2000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int p[2];
        pipe(p);
        fflush(stdout);
        pid_t target = fork();
        if (target == 0) {
            if (setgroups(0, NULL) || setresgid(rows[i].rg, rows[i].eg, rows[i].sg) ||
                setresuid(rows[i].r, rows[i].e, rows[i].s))
                abort();
            prctl(PR_SET_DUMPABLE, 1);
            tell(p[1]);
            for (;;)
                pause();
        }
        hear(p[0]);
        IN_CHILD("by user 1000", become(1000, 1000); limits_of(rows[i].name, target));
        bury(target);
        close(p[0]);
        close(p[1]);
    }
    struct rlimit r = {10, 20};
    IN_CHILD(
        "raising", setrlimit(RLIMIT_NOFILE, &r); become(1000, 1000); r = (struct rlimit){20, 21};
        show_call("... beyond the most", setrlimit(RLIMIT_NOFILE, &r)); r = (struct rlimit){30, 20};
        show_call("... beyond its own most", setrlimit(RLIMIT_NOFILE, &r)));
    show_call("limits from nowhere", syscall(SYS_prlimit64, 0, RLIMIT_CORE, (void *)8, NULL));
    show_call("limits to nowhere", syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, (void *)8));
    show_call("getrlimit to nowhere", syscall(SYS_getrlimit, RLIMIT_CORE, (void *)8));
    show_call("setrlimit from nowhere", syscall(SYS_setrlimit, RLIMIT_CORE, (void *)8));
}

static void priorities(void)
{
    enum { RT = 1 << 13, BE = 2 << 13, IDLE = 3 << 13 };
    pid_t low = sleeper(1000, 1000), high = sleeper(1000, 1000);
    setpgid(low, low);
    setpgid(high, low);
    show_call("nobody set: group", syscall(SYS_ioprio_get, 2, low));
    show_call("... user", syscall(SYS_ioprio_get, 3, 1000));
    syscall(SYS_ioprio_set, 1, low, BE | 7);
    show_call("one lower: group", syscall(SYS_ioprio_get, 2, low));
    syscall(SYS_ioprio_set, 1, high, BE | 2);
    show_call("one higher: group", syscall(SYS_ioprio_get, 2, low));
    syscall(SYS_ioprio_set, 1, low, IDLE);
    show_call("one idle: user", syscall(SYS_ioprio_get, 3, 1000));
    show_call("a group at once", syscall(SYS_ioprio_set, 2, low, BE | 3));
    show_call("... is", syscall(SYS_ioprio_get, 1, high));
    show_call("a user at once", syscall(SYS_ioprio_set, 3, 1000, BE | 6));
    show_call("... is", syscall(SYS_ioprio_get, 1, low));
    IN_CHILD("by that user", become(1000, 1000);
             show_call("... real time", syscall(SYS_ioprio_set, 1, low, RT | 1));
             show_call("... best effort", syscall(SYS_ioprio_set, 1, low, BE | 1));
             show_call("... all its own", syscall(SYS_ioprio_set, 3, 0, BE | 1)));
    IN_CHILD("by another", become(2000, 2000);
             show_call("...", syscall(SYS_ioprio_set, 1, low, BE | 1));
             show_call("... group", syscall(SYS_ioprio_set, 2, low, BE | 1));
             show_call("... get", syscall(SYS_ioprio_get, 1, low)));
    show_call("none with a level", syscall(SYS_ioprio_set, 1, low, 1));
    show_call("class 4", syscall(SYS_ioprio_set, 1, low, 4 << 13));
    show_call("which 0", syscall(SYS_ioprio_set, 0, low, BE));
    show_call("which 4", syscall(SYS_ioprio_get, 4, low));
    show_call("no group", syscall(SYS_ioprio_get, 2, 1 << 29));
    show_call("no user", syscall(SYS_ioprio_get, 3, 987654));
    bury(high);
    bury(low);
}

// --- What is compared, and what zombies answer ---------------------------------------------------

static long kcmp(pid_t a, pid_t b, int type, unsigned long x, unsigned long y)
{
    long r = syscall(SYS_kcmp, a, b, type, x, y);
    return r < 0 ? -1 : r != 0; // an order is nobody's business
}

static void comparisons(void)
{
    enum { FILE_, VM, FILES, FS, SIGHAND, IO, SYSVSEM, EPOLL_TFD };
    pid_t dead = zombie(), dead2 = zombie(), child = sleeper(0, 0), me = getpid();
    struct {
        uint32_t efd, tfd, toff;
    } slot;
    for (int type = VM; type <= SYSVSEM; type++) {
        SHOW("type", "%d", type);
        show_call("... with itself", kcmp(me, me, type, 0, 0));
        if (type != IO && type != SYSVSEM) // that nobody has yet
            show_call("... with a child", kcmp(me, child, type, 0, 0));
        show_call("... of two zombies", kcmp(dead, dead2, type, 0, 0));
    }
    show_call("a file of a zombie", kcmp(me, dead, FILE_, 0, 0));
    show_call("... the other way", kcmp(dead, me, FILE_, 0, 0));
    show_call("no file", kcmp(me, me, FILE_, 0, 99));
    int ep = epoll_create1(0), p[2];
    pipe(p);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &event);
    slot.efd = (uint32_t)ep, slot.tfd = (uint32_t)p[0], slot.toff = 0;
    show_call("what an epoll watches",
              kcmp(me, me, EPOLL_TFD, (unsigned long)p[0], (unsigned long)&slot));
    show_call("... another file",
              kcmp(me, me, EPOLL_TFD, (unsigned long)p[1], (unsigned long)&slot));
    show_call("... no file", kcmp(me, me, EPOLL_TFD, 99, (unsigned long)&slot));
    show_call("... nowhere", kcmp(me, me, EPOLL_TFD, (unsigned long)p[0], 8));
    show_call("... of a zombie",
              kcmp(me, dead, EPOLL_TFD, (unsigned long)p[0], (unsigned long)&slot));
    slot.toff = 1;
    show_call("... a second one",
              kcmp(me, me, EPOLL_TFD, (unsigned long)p[0], (unsigned long)&slot));
    slot.toff = 0, slot.tfd = (uint32_t)p[1];
    show_call("... that it does not",
              kcmp(me, me, EPOLL_TFD, (unsigned long)p[0], (unsigned long)&slot));
    slot.efd = (uint32_t)p[0];
    show_call("... no epoll", kcmp(me, me, EPOLL_TFD, (unsigned long)p[0], (unsigned long)&slot));
    slot.efd = 99;
    show_call("... nothing", kcmp(me, me, EPOLL_TFD, (unsigned long)p[0], (unsigned long)&slot));
    show_call("type 8", kcmp(me, me, 8, 0, 0));
    show_call("nobody", kcmp(me, 1 << 29, VM, 0, 0));
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1};
    show_call("memory of a zombie", process_vm_readv(dead, &here, 1, &there, 1, 0));
    show_call("limits of a zombie", prlimit(dead, RLIMIT_CORE, NULL, NULL));
    show_call("class of a zombie", syscall(SYS_ioprio_get, 1, dead));
    bury(child);
    waitpid(dead, NULL, 0);
    waitpid(dead2, NULL, 0);
}

static void memory_of_others(void)
{
    char bytes[64] = "0123456789";
    struct iovec here[3], there[3];
    pid_t me = getpid();
    here[0] = (struct iovec){bytes + 32, 5};
    there[0] = (struct iovec){page_end - 3, 10};
    show_call("up to the end", process_vm_readv(me, here, 1, there, 1, 0));
    here[0] = (struct iovec){bytes, 10};
    show_call("from beyond", process_vm_writev(me, here, 1, &(struct iovec){page_end, 5}, 1, 0));
    there[0] = (struct iovec){bytes, 3};
    there[1] = (struct iovec){(void *)8, 3};
    here[0] = (struct iovec){bytes + 32, 20};
    show_call("one part of two", process_vm_readv(me, here, 1, there, 2, 0));
    here[0] = (struct iovec){(void *)8, 20};
    show_call("to nowhere", process_vm_readv(me, here, 1, there, 1, 0));
    here[0] = (struct iovec){bytes + 32, 2};
    here[1] = (struct iovec){(void *)8, 2};
    there[0] = (struct iovec){bytes, 4};
    show_call("half of it to nowhere", process_vm_readv(me, here, 2, there, 1, 0));
    there[0].iov_len = (size_t)-1;
    show_call("as much as there is not", process_vm_readv(me, here, 1, there, 1, 0));
    here[0].iov_len = (size_t)-1;
    show_call("... of its own", process_vm_readv(me, here, 1, there, 1, 0));
    show_call("none of its own", process_vm_readv(me, here, 0, there, 1, 0));
    here[0] = (struct iovec){bytes + 32, 5};
    there[0] = (struct iovec){bytes, 5};
    show_call("none of theirs", process_vm_readv(me, here, 1, there, 0, 0));
    show_call("too many", process_vm_readv(me, here, 1025, there, 1, 0));
    show_call("too many of theirs", process_vm_readv(me, here, 1, there, 1025, 0));
    show_call("vectors nowhere", process_vm_readv(me, (void *)8, 1, there, 1, 0));
    show_call("their vectors nowhere", process_vm_readv(me, here, 1, (void *)8, 1, 0));
    show_call("with flags", process_vm_readv(me, here, 1, there, 1, 1));
    show_call("of nobody", process_vm_readv(1 << 29, here, 1, there, 1, 0));
    show_call("at last", process_vm_readv(me, here, 1, there, 1, 0));
}

static void all(void)
{
    page_end = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page_end += 4096;
    mprotect(page_end, 4096, PROT_NONE);
    IN_CHILD("signalfd", signal_descriptors());
    process_descriptors();
    others();
    priorities();
    comparisons();
    memory_of_others();
}

int main(void)
{
    return run_as_child(all);
}
