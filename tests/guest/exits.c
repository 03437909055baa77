// Who is told when a process ends, by which signal, and who may still wait for it: signals a parent
// chose, does not want or blocks, parents that execute another program or end first.
#include "asleep.h"
#include "probe.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

// fork(2) with the signal its parent gets.
static pid_t fork_with(int signo)
{
    fflush(stdout);
    return (pid_t)syscall(SYS_clone, signo, NULL, NULL, NULL, 0);
}
// Until a process has ended and its parent was told, which is done in one go that waiting does not
// see halfway.
static void until_dead(pid_t pid)
{
    siginfo_t info;
    while (task_state(pid) != 'Z' && task_state(pid) != 'X')
        sched_yield();
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
}
static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}
// What waits for us, and from whom.
static void show_pending(const char *name, pid_t from)
{
    sigset_t set;
    siginfo_t info;
    int count = 0;
    sigfillset(&set);
    while (sigtimedwait(&set, &info, &(struct timespec){0, 0}) > 0) {
        SHOW(name, "signal %d, code %d, status %d, from %s", info.si_signo, info.si_code,
             info.si_status, info.si_pid == from ? "it" : "another");
        count++;
    }
    if (!count)
        SHOW(name, "%s", "no signal");
}
static void show_wait(const char *name, pid_t pid, int options)
{
    int status = 0;
    pid_t got = waitpid(pid, &status, options);
    if (got < 0)
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "%s", got == 0 ? "not yet" : status_text(status));
}

// --- The signal that was chosen ------------------------------------------------------------------

static void chosen(void)
{
    static const int signals[] = {0, SIGCHLD, SIGUSR1, 64, 65, 100, 255};
    block_all();
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        SHOW("chosen", "%d", signals[i]);
        pid_t pid = fork_with(signals[i]);
        if (pid == 0)
            _exit(3);
        if (pid < 0) {
            show_call("... fork", pid);
            continue;
        }
        until_dead(pid);
        show_pending("... told", pid);
        show_wait("... wait", pid, WNOHANG);
        show_wait("... wait for clones", pid, WNOHANG | __WCLONE);
        show_wait("... wait for all", pid, WNOHANG | __WALL);
    }
    pid_t pid = fork_with(SIGUSR1);
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(3);
    }
    while (task_state(pid) != 'T')
        sched_yield();
    show_wait("a clone's stop", pid, WNOHANG | WUNTRACED | __WALL);
    kill(pid, SIGCONT);
    until_dead(pid);
    show_wait("its end", pid, WNOHANG | __WALL);
    show_pending("told", pid);
}

// One that may not be told a signal of its child's choice any more: it is another program.
static void after_exec(const char *which)
{
    pid_t pid = (pid_t)strtol(which, NULL, 10);
    kill(pid, SIGCONT);
    until_dead(pid);
    show_pending("... told", pid);
    show_wait("... wait", pid, __WALL);
}
static void executed(void)
{
    char text[16];
    block_all();
    pid_t pid = fork_with(SIGUSR1);
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(3);
    }
    while (task_state(pid) != 'T')
        sched_yield();
    snprintf(text, sizeof text, "%d", (int)pid);
    fflush(stdout);
    execl("/proc/self/exe", "exits", text, (char *)NULL);
}

// A grandchild whose parent ends first tells its new parent by SIGCHLD.
static void adopted(void)
{
    int p[2], gone[2];
    pipe(p), pipe(gone);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    block_all();
    pid_t child = fork();
    if (child == 0) {
        pid_t pid = fork_with(SIGUSR1);
        if (pid == 0) {
            hear(gone[0]);
            _exit(4);
        }
        write(p[1], &pid, sizeof pid);
        _exit(0);
    }
    pid_t pid = 0;
    if (read(p[0], &pid, sizeof pid) != sizeof pid)
        abort();
    show_wait("the parent", child, 0);
    show_pending("... told", child);
    tell(gone[1]);
    until_dead(pid);
    show_pending("the adopted", pid);
    show_wait("... wait", pid, 0);
}

// --- Parents that do not want to know ------------------------------------------------------------

static void unwanted(void)
{
    static const struct {
        const char *name;
        void (*handler)(int);
        int flags;
    } rows[] = {{"ignored", SIG_IGN, 0},
                {"SA_NOCLDWAIT", SIG_DFL, SA_NOCLDWAIT},
                {"both", SIG_IGN, SA_NOCLDWAIT},
                {"SA_NOCLDSTOP", SIG_DFL, SA_NOCLDSTOP}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int blocked = 0; blocked < 2; blocked++)
            for (int other = 0; other < 2; other++) {
                SHOW(rows[i].name, "%s, %s", blocked ? "blocked" : "open",
                     other ? "another signal" : "SIGCHLD");
                IN_CHILD("...", {
                    struct sigaction sa = {.sa_handler = rows[i].handler,
                                           .sa_flags = rows[i].flags};
                    sigaction(SIGCHLD, &sa, NULL);
                    if (blocked)
                        block_all();
                    else
                        signal(SIGUSR1, SIG_IGN);
                    pid_t pid = fork_with(other ? SIGUSR1 : SIGCHLD);
                    if (pid == 0)
                        _exit(3);
                    until_dead(pid);
                    show_pending("... told", pid);
                    show_wait("... wait", pid, __WALL);
                });
            }
}

// One that is traced by its parent is kept for it, whatever the parent wants.
static void traced(void)
{
    for (int blocked = 0; blocked < 2; blocked++) {
        signal(SIGCHLD, SIG_IGN);
        if (blocked)
            block_all();
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            ptrace(PTRACE_TRACEME, 0, 0, 0);
            _exit(6);
        }
        until_dead(pid);
        show_wait("a tracee nobody wants", pid, WNOHANG);
        show_pending("... told", pid);
        show_wait("... again", pid, WNOHANG);
    }
}

static void changed_mind(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    until_dead(pid);
    signal(SIGCHLD, SIG_IGN);
    show_wait("ended before it was ignored", pid, 0);
    show_wait("... again", pid, 0);
    pid = fork();
    if (pid == 0)
        _exit(3);
    show_wait("waited for although ignored", -1, 0);
    show_wait("... again", -1, 0);
}

// --- Threads -------------------------------------------------------------------------------------

static int gate[2];
static void *last_thread(void *arg)
{
    (void)arg;
    hear(gate[0]);
    syscall(SYS_exit, 9);
    return NULL;
}
static void leader_first(void)
{
    pipe(gate);
    block_all();
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t t;
        pthread_create(&t, NULL, last_thread, NULL);
        syscall(SYS_exit, 7);
    }
    until_dead(pid);
    show_wait("a leader that ended first", pid, WNOHANG);
    show_pending("... told", pid);
    show_call("... it takes signals", kill(pid, SIGUSR1));
    tell(gate[1]);
    show_wait("... all ended", pid, 0);
    show_pending("... told", pid);
}

static void *fork_and_end(void *tid)
{
    *(pid_t *)tid = (pid_t)syscall(SYS_gettid);
    pid_t pid = fork();
    if (pid == 0)
        _exit(2);
    return (void *)(intptr_t)pid;
}
// The child of a thread that has ended. To be joined it need not have given its children away.
static pid_t child_of_dead_thread(void)
{
    pthread_t t;
    pid_t tid;
    void *pid;
    pthread_create(&t, NULL, fork_and_end, &tid);
    pthread_join(t, &pid);
    while (syscall(SYS_tgkill, getpid(), tid, 0) == 0)
        sched_yield();
    until_dead((pid_t)(intptr_t)pid);
    return (pid_t)(intptr_t)pid;
}
static void of_threads(void)
{
    show_wait("a dead thread's child, for this thread only", child_of_dead_thread(), __WNOTHREAD);
    show_wait("a dead thread's child", child_of_dead_thread(), 0);
}

static void *child_of_thread(void *arg)
{
    int *pipes = arg;
    pid_t pid = fork();
    if (pid == 0)
        _exit(2);
    write(pipes[1], &pid, sizeof pid);
    hear(gate[0]);
    return NULL;
}
static void of_another_thread(void)
{
    int p[2];
    pthread_t t;
    pid_t pid = 0;
    pipe(p), pipe(gate);
    pthread_create(&t, NULL, child_of_thread, p);
    if (read(p[0], &pid, sizeof pid) != sizeof pid)
        abort();
    until_dead(pid);
    show_wait("another thread's child, for this thread only", pid, __WNOTHREAD);
    show_wait("another thread's child", pid, 0);
    tell(gate[1]);
    pthread_join(t, NULL);
}

// --- Parents that end ----------------------------------------------------------------------------

static void parent_signal(void)
{
    int p[2], ready[2], go[2];
    pipe(p), pipe(ready), pipe(go);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t parent = fork();
    if (parent == 0) {
        if (fork() == 0) {
            block_all();
            show_call("PDEATHSIG", prctl(PR_SET_PDEATHSIG, SIGUSR2));
            show_call("... of no number", prctl(PR_SET_PDEATHSIG, 65));
            tell(ready[1]);
            siginfo_t info;
            sigset_t set;
            sigfillset(&set);
            int got = sigwaitinfo(&set, &info);
            hear(go[0]);
            SHOW("told", "%d, code %d, by %s", got, info.si_code,
                 info.si_pid == parent ? "it" : "another");
            if (fork() == 0) {
                int left = -1;
                prctl(PR_GET_PDEATHSIG, &left);
                SHOW("a child has", "%d", left);
                _exit(0);
            }
            wait(NULL);
            tell(p[1]);
            _exit(0);
        }
        hear(ready[0]);
        _exit(0);
    }
    show_wait("the parent", parent, 0);
    tell(go[1]);
    hear(p[0]);
    show_wait("the child", -1, 0);
}

static void body(void)
{
    IN_CHILD("chosen", chosen());
    IN_CHILD("executed", executed());
    IN_CHILD("adopted", adopted());
    unwanted();
    IN_CHILD("traced", traced());
    IN_CHILD("changed mind", changed_mind());
    IN_CHILD("leader first", leader_first());
    IN_CHILD("of threads", of_threads());
    IN_CHILD("of another thread", of_another_thread());
    IN_CHILD("parent signal", parent_signal());
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        after_exec(argv[1]);
        return 0;
    }
    return run_as_child(body);
}
