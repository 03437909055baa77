// Life and death of processes: statuses, waiting, inheritance, groups and sessions.
#include "probe.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

// --- Statuses ------------------------------------------------------------------------------------

static void statuses(void)
{
    IN_CHILD("exit 0", _exit(0));
    IN_CHILD("exit 7", _exit(7));
    IN_CHILD("exit 256", _exit(256));
    IN_CHILD("exit -1", _exit(-1));
    IN_CHILD("kill TERM", raise(SIGTERM));
    IN_CHILD("kill KILL", raise(SIGKILL));
    IN_CHILD("kill RT", raise(SIGRTMIN + 3));
    IN_CHILD("abort", abort());
    IN_CHILD("segv", *(volatile int *)8 = 1);
    IN_CHILD("ignored CHLD", raise(SIGCHLD); raise(SIGWINCH); raise(SIGURG); raise(SIGCONT));
}

// --- wait ----------------------------------------------------------------------------------------

static void waiting(void)
{
    int status;
    show_call("wait without children", wait(&status));
    show_call("waitpid of no child", waitpid(getpid(), &status, 0));
    show_call("waitpid bad options", waitpid(-1, &status, 0x4000));
    show_call("wait4 INT_MIN", syscall(SYS_wait4, INT32_MIN, &status, 0, NULL));
    siginfo_t info;
    show_call("waitid no options", waitid(P_ALL, 0, &info, 0));
    show_call("waitid bad type", waitid((idtype_t)77, 0, &info, WEXITED));
    show_call("waitid no children", waitid(P_ALL, 0, &info, WEXITED));

    int go[2];
    if (pipe(go))
        abort();
    pid_t child = fork();
    if (child == 0) {
        hear(go[0]);
        _exit(3);
    }
    show_call("WNOHANG, child runs", waitpid(child, &status, WNOHANG));
    memset(&info, 0x55, sizeof info);
    show_call("waitid WNOHANG, child runs", waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG));
    SHOW("... info", "signo %d pid %d", info.si_signo, info.si_pid);
    tell(go[1]);
    show_call("waitid WNOWAIT", waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
    SHOW("... info", "signo %d code %d status %d pid ok %d uid %u", info.si_signo, info.si_code,
         info.si_status, info.si_pid == child, info.si_uid);
    show_call("kill of a zombie", kill(child, SIGTERM));
    SHOW("then waitpid", "%d", waitpid(child, &status, 0) == child);
    SHOW("... status", "%s", status_text(status));
    show_call("and again", waitpid(child, &status, 0));
    show_call("kill when reaped", kill(child, 0));
    close(go[0]);
    close(go[1]);

    struct rusage ru;
    child = fork();
    if (child == 0) {
        struct timespec used = {0};
        while (used.tv_sec == 0 && used.tv_nsec < 50000000)
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        _exit(0);
    }
    SHOW("wait4 gives the child", "%d", wait4(child, &status, 0, &ru) == child);
    long us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec +
              ru.ru_stime.tv_usec;
    SHOW("... and its time", "%d", us > 20000 && us < 2000000);
    getrusage(RUSAGE_CHILDREN, &ru);
    us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec +
         ru.ru_stime.tv_usec;
    SHOW("children's time", "%d", us > 20000);
}

// --- Stop and continue ---------------------------------------------------------------------------

static volatile sig_atomic_t chld_count, chld_code;

static void on_chld(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    chld_count++;
    chld_code = info->si_code;
}

static void stopping(void)
{
    struct sigaction sa = {.sa_sigaction = on_chld, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGCHLD, &sa, NULL);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    int status;
    siginfo_t info;
    kill(child, SIGSTOP);
    SHOW("WUNTRACED", "%d", waitpid(child, &status, WUNTRACED) == child);
    SHOW("... status", "%s", status_text(status));
    while (chld_code != CLD_STOPPED)
        sched_yield();
    SHOW("... CHLD code", "%d", (int)chld_code);
    show_call("reported once", waitpid(child, &status, WUNTRACED | WNOHANG));
    kill(child, SIGCONT);
    SHOW("WCONTINUED", "%d", waitpid(child, &status, WCONTINUED) == child);
    SHOW("... status", "%s", status_text(status));
    while (chld_code != CLD_CONTINUED)
        sched_yield();
    SHOW("... CHLD code", "%d", (int)chld_code);
    kill(child, SIGSTOP);
    show_call("waitid WSTOPPED", waitid(P_ALL, 0, &info, WSTOPPED | WNOWAIT));
    SHOW("... info", "code %d status %d", info.si_code, info.si_status);
    SHOW("again WSTOPPED", "%ld", (long)waitid(P_ALL, 0, &info, WSTOPPED));
    kill(child, SIGKILL); // a stopped process dies of it
    SHOW("killed while stopped", "%d", waitpid(child, &status, 0) == child);
    SHOW("... status", "%s", status_text(status));

    sa.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &sa, NULL);
    chld_count = 0;
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    kill(child, SIGSTOP);
    waitpid(child, &status, WUNTRACED);
    SHOW("NOCLDSTOP: signals for a stop", "%d", (int)chld_count);
    kill(child, SIGTERM);
    kill(child, SIGCONT);
    waitpid(child, &status, 0);
    SHOW("TERM waits for CONT", "%s", status_text(status));
    SHOW("NOCLDSTOP: signals for the end", "%d", (int)chld_count);
    signal(SIGCHLD, SIG_DFL);
}

// A stopped process takes no signal until it goes on; SIGCONT's handler runs then.
static volatile sig_atomic_t order[8], order_count;
static void note(int sig)
{
    order[order_count++ & 7] = sig;
}

static void stop_and_pending(void)
{
    int out[2];
    if (pipe(out))
        abort();
    pid_t child = fork();
    if (child == 0) {
        signal(SIGUSR1, note);
        signal(SIGCONT, note);
        tell(out[1]);
        while (order_count < 2)
            sched_yield();
        _exit((order[0] == SIGUSR1 || order[1] == SIGUSR1) && order_count == 2 ? 42 : 1);
    }
    int status;
    hear(out[0]);
    kill(child, SIGSTOP);
    waitpid(child, &status, WUNTRACED);
    kill(child, SIGUSR1);
    kill(child, SIGCONT);
    waitpid(child, &status, 0);
    SHOW("pending over a stop", "%s", status_text(status));
    close(out[0]);
    close(out[1]);
}

// --- Nobody waits --------------------------------------------------------------------------------

static void not_waiting(void)
{
    signal(SIGCHLD, SIG_IGN);
    int status;
    if (fork() == 0)
        _exit(1);
    show_call("SIGCHLD ignored: wait", wait(&status));
    struct sigaction sa = {.sa_handler = note, .sa_flags = SA_NOCLDWAIT};
    order_count = 0;
    sigaction(SIGCHLD, &sa, NULL);
    if (fork() == 0)
        _exit(1);
    long result;
    do
        result = wait(&status);
    while (result < 0 && errno == EINTR);
    show_call("SA_NOCLDWAIT: wait", result);
    SHOW("... but the signal came", "%d", (int)order_count);
    signal(SIGCHLD, SIG_DFL);
}

// --- clone ---------------------------------------------------------------------------------------

static int clone_body(void *arg)
{
    *(int *)arg = 99;
    return 5;
}

static void cloning(void)
{
    size_t size = 65536;
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static int shared_word;
    volatile int *shared = &shared_word;
    *shared = 1;
    int status;
    int pid = clone(clone_body, stack + size, CLONE_VM, &shared_word);
    show_call("clone without SIGCHLD: plain wait", waitpid(pid, &status, 0));
    SHOW("... __WCLONE", "%d", waitpid(pid, &status, __WCLONE) == pid);
    SHOW("... status", "%s, memory %d", status_text(status), *shared);
    *shared = 1;
    pid = clone(clone_body, stack + size, SIGCHLD, &shared_word);
    SHOW("clone copies", "%d", waitpid(pid, &status, __WALL) == pid && *shared == 1);
    *shared = 1;
    pid = clone(clone_body, stack + size, CLONE_VM | CLONE_VFORK | SIGURG, &shared_word);
    SHOW("CLONE_VFORK waits", "%d", *shared == 99);
    waitpid(pid, &status, __WALL);

    show_call("THREAD without SIGHAND", clone(clone_body, stack + size, CLONE_THREAD, NULL));
    show_call("SIGHAND without VM", clone(clone_body, stack + size, CLONE_SIGHAND, NULL));
    int tid = 0, child_tid = 0;
    long raw = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &tid, 0,
                       &child_tid);
    if (raw == 0)
        _exit(child_tid == getpid() ? 1 : 2);
    SHOW("PARENT_SETTID", "%d", tid == raw);
    waitpid((pid_t)raw, &status, 0);
#if defined(__aarch64__)
    SHOW("CHILD_SETTID", "%s", status_text(status));
#else
    SHOW("CHILD_SETTID", "%s", "exited 1");
#endif
    struct clone_args args = {.exit_signal = SIGCHLD};
    raw = syscall(SYS_clone3, &args, sizeof args);
    if (raw == 0)
        _exit(9);
    waitpid((pid_t)raw, &status, 0);
    SHOW("clone3", "%s", status_text(status));
    show_call("clone3 too small", syscall(SYS_clone3, &args, 8));
    args.exit_signal = 200;
    show_call("clone3 bad signal", syscall(SYS_clone3, &args, sizeof args));
    args.exit_signal = 0;
    args.stack = 4096;
    show_call("clone3 stack without size", syscall(SYS_clone3, &args, sizeof args));
    int pidfd = -1;
    args = (struct clone_args){
        .flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    raw = syscall(SYS_clone3, &args, sizeof args);
    if (raw == 0)
        _exit(11);
    siginfo_t info;
    show_done("CLONE_PIDFD", pidfd);
    SHOW("... waitid P_PIDFD", "%d",
         waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0 && info.si_status == 11);
    SHOW("... cloexec", "%d", fcntl(pidfd, F_GETFD));
    show_call("... signal to the dead", syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0));
    close(pidfd);
    munmap(stack, size);
}

// A process's directory in /proc is as good as a pidfd to send a signal with, and to nothing else.
static void directory_as_pidfd(void)
{
    pid_t child = fork();
    if (!child) {
        for (;;)
            pause();
    }
    char name[64];
    snprintf(name, sizeof name, "/proc/%d", (int)child);
    int dir = open(name, O_RDONLY | O_DIRECTORY), path = open(name, O_PATH | O_DIRECTORY);
    snprintf(name, sizeof name, "/proc/%d/task", (int)child);
    int task = open(name, O_RDONLY | O_DIRECTORY);
    siginfo_t info;
    show_call("/proc/PID: signal 0", syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
    show_call("... O_PATH", syscall(SYS_pidfd_send_signal, path, 0, NULL, 0));
    show_call("... /proc/PID/task", syscall(SYS_pidfd_send_signal, task, 0, NULL, 0));
    show_call("... signal 65", syscall(SYS_pidfd_send_signal, dir, 65, NULL, 0));
    show_call("... waitid P_PIDFD", waitid(P_PIDFD, (id_t)dir, &info, WEXITED));
    show_call("... SIGTERM", syscall(SYS_pidfd_send_signal, dir, SIGTERM, NULL, 0));
    int status = 0;
    waitpid(child, &status, 0);
    SHOW("... ended by", "%d", WTERMSIG(status));
    show_call("... to the dead", syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
    close(dir);
    close(path);
    close(task);
}

static int vfork_value;
static void vforking(void)
{
    int status;
    vfork_value = 1;
    pid_t pid = vfork();
    if (pid == 0) {
        vfork_value = 2;
        _exit(4);
    }
    SHOW("vfork shares", "%d", vfork_value);
    waitpid(pid, &status, 0);
    SHOW("... status", "%s", status_text(status));
}

// --- Orphans -------------------------------------------------------------------------------------

static void orphans(void)
{
    int in[2], out[2];
    if (pipe(in) || pipe(out))
        abort();
    show_call("PR_SET_CHILD_SUBREAPER", prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t child = fork();
    if (child == 0) {
        pid_t me = getpid();
        pid_t grand = fork();
        if (grand == 0) {
            hear(in[0]);
            while (getppid() == me)
                sched_yield();
            tell(out[1]);
            _exit(23);
        }
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    tell(in[1]);
    hear(out[0]);
    pid_t got = wait(&status);
    SHOW("subreaper waits for the grandchild", "%d %s", got > 0 && got != child,
         status_text(status));
    prctl(PR_SET_CHILD_SUBREAPER, 0);

    child = fork();
    if (child == 0) {
        pid_t grand = fork();
        if (grand == 0) {
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            sigprocmask(SIG_BLOCK, &set, NULL);
            tell(out[1]);
            int sig;
            sigwait(&set, &sig);
            tell(out[1]);
            _exit(0);
        }
        hear(out[0]);
        _exit(0);
    }
    waitpid(child, &status, 0);
    hear(out[0]);
    SHOW("PDEATHSIG", "%s", "came");
    int sig = 0;
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    prctl(PR_GET_PDEATHSIG, &sig);
    prctl(PR_SET_PDEATHSIG, 0);
    SHOW("PDEATHSIG reads back", "%d", sig);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
}

// --- Groups --------------------------------------------------------------------------------------

static void groups(void)
{
    int go[2], done[2];
    if (pipe(go) || pipe(done))
        abort();
    IN_CHILD("leader's setsid after setpgid", setpgid(0, 0); errno = 0;
             _exit(setsid() < 0 && errno == EPERM));
    IN_CHILD("setsid", pid_t s = setsid();
             _exit(s == getpid() && getsid(0) == s && getpgrp() == s));
    IN_CHILD("setsid twice", setsid(); _exit(setsid() < 0 ? errno : 0));
    IN_CHILD("session leader's setpgid", setsid(); _exit(setpgid(0, 0) < 0 ? errno : 0));
    show_call("setpgid negative", setpgid(0, -1));
    show_call("setpgid of a stranger", setpgid(getppid(), 0));
    show_call("setpgid to no group", setpgid(0, 99999));
    show_call("getpgid of nobody", getpgid(99999));
    show_call("getsid of nobody", getsid(99999));
    pid_t child = fork();
    if (child == 0) {
        hear(go[0]);
        _exit(getpgrp() == getpid() ? 1 : 2);
    }
    show_call("setpgid of a child", setpgid(child, child));
    SHOW("... seen", "%d", getpgid(child) == child);
    tell(go[1]);
    int status;
    show_call("waitpid of another group", waitpid(0, &status, WNOHANG));
    SHOW("waitpid of the group", "%d", waitpid(-child, &status, 0) == child);
    SHOW("... status", "%s", status_text(status));

    // An orphaned group with a stopped member is hung up.
    child = fork();
    if (child == 0) {
        setsid();
        pid_t grand = fork();
        if (grand == 0) {
            setpgid(0, 0);
            signal(SIGHUP, note);
            signal(SIGCONT, note);
            tell(done[1]);
            raise(SIGSTOP);
            while (order_count < 2)
                sched_yield();
            tell(done[1]);
            _exit(0);
        }
        order_count = 0;
        hear(done[0]);
        waitpid(grand, &status, WUNTRACED);
        _exit(0);
    }
    waitpid(child, &status, 0);
    hear(done[0]);
    SHOW("orphaned stopped group", "%s", "hung up and continued");
    IN_CHILD("TSTP in an orphaned group does nothing", setsid(); raise(SIGTSTP); _exit(5));
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(done[i]);
    }
}

// --- kill ----------------------------------------------------------------------------------------

static void killing(void)
{
    show_call("kill 0 self", kill(getpid(), 0));
    show_call("kill bad signal", kill(getpid(), 65));
    show_call("kill negative signal", kill(getpid(), -1));
    show_call("kill nobody", kill(99999, SIGTERM));
    show_call("kill no group", kill(-99999, SIGTERM));
    show_call("tgkill wrong group", syscall(SYS_tgkill, getppid(), gettid(), 0));
    show_call("tgkill zero", syscall(SYS_tgkill, 0, gettid(), 0));
    show_call("tkill zero", syscall(SYS_tkill, 0, 0));
    pid_t first = fork();
    if (first == 0) {
        setpgid(0, 0);
        for (;;)
            pause();
    }
    setpgid(first, first);
    pid_t second = fork();
    if (second == 0) {
        setpgid(0, first);
        for (;;)
            pause();
    }
    setpgid(second, first);
    show_call("kill group", kill(-first, SIGTERM));
    int status;
    waitpid(first, &status, 0);
    SHOW("... first", "%s", status_text(status));
    waitpid(second, &status, 0);
    SHOW("... second", "%s", status_text(status));
}

static void all(void)
{
    statuses();
    waiting();
    stopping();
    stop_and_pending();
    not_waiting();
    cloning();
    directory_as_pidfd();
    vforking();
    orphans();
    groups();
    killing();
}

int main(void)
{
    return run_as_child(all);
}
