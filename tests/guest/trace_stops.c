// ptrace(2): becoming a tracer, the stops by signals and by groups, going on, letting go.
#include "trace_util.h"
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define RESULT(name, request, pid, addr, data)                                                     \
    show_call(name, trace_call(request, pid, (unsigned long)(addr), (unsigned long)(data)))

// A child that runs `body` after asking to be traced and stopping.
#define TRACEE(pid, ...)                                                                           \
    pid_t pid = fork();                                                                            \
    if (pid == 0) {                                                                                \
        ptrace(PTRACE_TRACEME, 0, 0, 0);                                                           \
        raise(SIGSTOP);                                                                            \
        __VA_ARGS__;                                                                               \
        _exit(0);                                                                                  \
    }

// A child nobody traces yet: it waits until the pipe is closed.
struct idler {
    pid_t pid;
    int fd;
};
static struct idler idle_child(void)
{
    int p[2];
    if (pipe(p))
        abort();
    struct idler child = {fork(), p[1]};
    if (child.pid == 0) {
        char c;
        close(p[1]);
        if (read(p[0], &c, 1) < 0)
            _exit(1);
        _exit(7);
    }
    close(p[0]);
    return child;
}

static void let_end(const char *name, struct idler child)
{
    close(child.fd);
    trace_wait(name, child.pid);
}

static void await_state(pid_t pid, char wanted)
{
    char path[64], line[256], state = '?';
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    while (state != wanted) {
        FILE *f = fopen(path, "r");
        while (f && fgets(line, sizeof line, f))
            sscanf(line, "State: %c", &state);
        if (f)
            fclose(f);
        sleep_ms(1);
    }
}

// --- Errors --------------------------------------------------------------------------------------

static void errors(void)
{
    struct idler other = idle_child();
    RESULT("cont of a child that is not traced", PTRACE_CONT, other.pid, 0, 0);
    RESULT("cont of nobody", PTRACE_CONT, 999999, 0, 0);
    RESULT("attach to nobody", PTRACE_ATTACH, 999999, 0, 0);
    RESULT("attach to self", PTRACE_ATTACH, getpid(), 0, 0);
    RESULT("attach to pid 0", PTRACE_ATTACH, 0, 0, 0);
    RESULT("attach to pid -1", PTRACE_ATTACH, -1, 0, 0);
    RESULT("seize with an address", PTRACE_SEIZE, other.pid, 1, 0);
    RESULT("seize with an unknown option", PTRACE_SEIZE, other.pid, 0, 1 << 10);
    RESULT("no such request of a stranger", 0x7777, other.pid, 0, 0);
    RESULT("seize", PTRACE_SEIZE, other.pid, 0, 0);
    RESULT("seize again", PTRACE_SEIZE, other.pid, 0, 0);
    RESULT("attach to a tracee", PTRACE_ATTACH, other.pid, 0, 0);
    RESULT("cont of one that runs", PTRACE_CONT, other.pid, 0, 0);
    RESULT("peek at one that runs", PTRACE_PEEKDATA, other.pid, 0, 0);
    RESULT("listen of one that runs", PTRACE_LISTEN, other.pid, 0, 0);
    IN_CHILD("another may not attach", RESULT("attach", PTRACE_ATTACH, other.pid, 0, 0));
    let_end("a seized child ends", other);
    RESULT("interrupt of one that is gone", PTRACE_INTERRUPT, other.pid, 0, 0);

    TRACEE(pid, RESULT("traceme twice", PTRACE_TRACEME, 0, 0, 0));
    trace_wait("stop", pid);
    RESULT("no such request", 0x7777, pid, 0, 0);
    RESULT("cont with signal 65", PTRACE_CONT, pid, 0, 65);
    RESULT("cont with signal -1", PTRACE_CONT, pid, 0, -1);
    RESULT("detach with signal 65", PTRACE_DETACH, pid, 0, 65);
    RESULT("interrupt of one not seized", PTRACE_INTERRUPT, pid, 0, 0);
    RESULT("listen of one not seized", PTRACE_LISTEN, pid, 0, 0);
    RESULT("unknown option", PTRACE_SETOPTIONS, pid, 0, 1 << 10);
    RESULT("siginfo to nowhere", PTRACE_GETSIGINFO, pid, 0, 8);
    RESULT("message to nowhere", PTRACE_GETEVENTMSG, pid, 0, 8);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("end", pid);
    RESULT("cont of the dead", PTRACE_CONT, pid, 0, 0);
}

// A zombie cannot be attached to, and a tracee that became one does not work any more.
static void zombies(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    RESULT("attach to a zombie", PTRACE_ATTACH, pid, 0, 0);
    RESULT("seize a zombie", PTRACE_SEIZE, pid, 0, 0);
    trace_wait("the zombie", pid);
    TRACEE(tracee, _exit(4));
    trace_wait("stop", tracee);
    RESULT("cont", PTRACE_CONT, tracee, 0, 0);
    waitid(P_PID, (id_t)tracee, &info, WEXITED | WNOWAIT);
    RESULT("cont of a dead tracee", PTRACE_CONT, tracee, 0, 0);
    RESULT("kill of a dead tracee", PTRACE_KILL, tracee, 0, 0);
    trace_wait("the dead tracee", tracee);
}

// --- Signals -------------------------------------------------------------------------------------

static volatile int caught;
static void on_signal(int sig)
{
    caught = sig;
}

static void signals(void)
{
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    TRACEE(pid, {
        raise(SIGUSR1);
        SHOW("after a signal passed on", "%d", caught);
        caught = 0;
        raise(SIGUSR1);
        SHOW("after a signal dropped", "%d", caught == 0);
        raise(SIGUSR1);
        SHOW("after another in its place", "%d", caught == SIGUSR2);
        signal(SIGUSR1, SIG_IGN);
        raise(SIGUSR1);
        raise(SIGCHLD);
        raise(SIGTERM);
        SHOW("survived", "%d", 1);
        kill(getpid(), SIGKILL);
    });
    trace_wait("first stop", pid);
    trace_show_siginfo("siginfo of raise(SIGSTOP)", pid);
    trace_show_state("state", pid);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("signal", pid);
    ptrace(PTRACE_CONT, pid, 0, SIGUSR1);
    trace_wait("signal", pid);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("signal", pid);
    ptrace(PTRACE_CONT, pid, 0, SIGUSR2);
    trace_wait("an ignored signal", pid);
    ptrace(PTRACE_CONT, pid, 0, SIGUSR1);
    trace_wait("a signal ignored by default", pid);
    ptrace(PTRACE_CONT, pid, 0, SIGCHLD);
    trace_wait("a fatal signal", pid);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("SIGKILL", pid);
}

// What the tracer injects is seen by the handler, with the siginfo it set.
static void on_info(int sig, siginfo_t *info, void *context)
{
    (void)context;
    SHOW("handler", "signal %d code %d value %d", sig, info->si_code, info->si_value.sival_int);
}

static void siginfo(void)
{
    struct sigaction sa = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGUSR2, &sa, NULL);
    TRACEE(pid, {
        raise(SIGUSR1);
        raise(SIGUSR1);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGRTMIN);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, NULL);
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 11});
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 12});
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
        raise(SIGSTOP);
    });
    trace_wait("stop", pid);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("signal", pid);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = SIGUSR1;
    info.si_code = SI_QUEUE;
    info.si_value.sival_int = 42;
    RESULT("set siginfo", PTRACE_SETSIGINFO, pid, 0, &info);
    trace_show_siginfo("get it back", pid);
    ptrace(PTRACE_CONT, pid, 0, SIGUSR1);
    trace_wait("signal", pid);
    ptrace(PTRACE_CONT, pid, 0, SIGUSR2);
    trace_wait("stop", pid);

    struct {
        uint64_t off;
        uint32_t flags;
        int32_t nr;
    } args = {0, 1, 4};
    siginfo_t list[4];
    memset(list, 0, sizeof list);
    RESULT("peek at the shared queue", PTRACE_PEEKSIGINFO, pid, &args, list);
    SHOW("first", "%d %d", list[0].si_signo == SIGRTMIN, list[0].si_value.sival_int);
    SHOW("second", "%d %d", list[1].si_signo == SIGRTMIN, list[1].si_value.sival_int);
    args.off = 1;
    RESULT("from the second on", PTRACE_PEEKSIGINFO, pid, &args, list);
    args.flags = 0;
    args.off = 0;
    RESULT("peek at the private queue", PTRACE_PEEKSIGINFO, pid, &args, list);
    SHOW("it", "%d", list[0].si_signo == SIGUSR2);
    args.nr = -1;
    RESULT("a negative count", PTRACE_PEEKSIGINFO, pid, &args, list);
    args.nr = 1;
    args.flags = 2;
    RESULT("an unknown flag", PTRACE_PEEKSIGINFO, pid, &args, list);
    uint64_t mask = 0;
    RESULT("get the mask", PTRACE_GETSIGMASK, pid, sizeof mask, &mask);
    SHOW("mask", "%d", mask == (1ull << (SIGRTMIN - 1) | 1ull << (SIGUSR2 - 1)));
    RESULT("mask of another size", PTRACE_GETSIGMASK, pid, 4, &mask);
    mask = ~0ull;
    RESULT("set the mask", PTRACE_SETSIGMASK, pid, sizeof mask, &mask);
    RESULT("get the mask", PTRACE_GETSIGMASK, pid, sizeof mask, &mask);
    SHOW("without SIGKILL and SIGSTOP", "%d",
         ~mask == (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1)));
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("end", pid);
}

// --- Attaching -----------------------------------------------------------------------------------

static void attaching(void)
{
    struct idler child = idle_child();
    RESULT("attach", PTRACE_ATTACH, child.pid, 0, 0);
    trace_wait("stop", child.pid);
    trace_show_siginfo("siginfo", child.pid);
    trace_show_state("state", child.pid);
    RESULT("detach", PTRACE_DETACH, child.pid, 0, 0);
    let_end("and it reads on", child);

    child = idle_child();
    kill(child.pid, SIGSTOP);
    int status;
    waitpid(child.pid, &status, WUNTRACED);
    RESULT("attach to a stopped one", PTRACE_ATTACH, child.pid, 0, 0);
    trace_wait("stop", child.pid);
    trace_show_siginfo("siginfo of a group stop", child.pid);
    ptrace(PTRACE_CONT, child.pid, 0, 0);
    trace_wait("the SIGSTOP of attach", child.pid);
    RESULT("detach into the group's stop", PTRACE_DETACH, child.pid, 0, 0);
    await_state(child.pid, 'T');
    trace_show_state("state", child.pid);
    kill(child.pid, SIGCONT);
    let_end("continued", child);

    child = idle_child();
    ptrace(PTRACE_ATTACH, child.pid, 0, 0);
    trace_wait("stop", child.pid);
    RESULT("detach with a signal", PTRACE_DETACH, child.pid, 0, SIGTERM);
    trace_wait("it ends", child.pid);
    close(child.fd);
}

static void seizing(void)
{
    struct idler child = idle_child();
    RESULT("seize", PTRACE_SEIZE, child.pid, 0, PTRACE_O_TRACEEXIT);
    SHOW("nothing stops", "%d", waitpid(child.pid, NULL, __WALL | WNOHANG));
    RESULT("interrupt", PTRACE_INTERRUPT, child.pid, 0, 0);
    trace_wait("stop", child.pid);
    trace_show_siginfo("siginfo", child.pid);
    RESULT("interrupt of one that stopped", PTRACE_INTERRUPT, child.pid, 0, 0);
    ptrace(PTRACE_CONT, child.pid, 0, 0);
    trace_wait("stops again", child.pid);
    ptrace(PTRACE_CONT, child.pid, 0, 0);
    close(child.fd);
    trace_wait("exit event", child.pid);
    unsigned long message = 0;
    RESULT("message", PTRACE_GETEVENTMSG, child.pid, 0, &message);
    SHOW("it is the status", "%#lx", message);
    ptrace(PTRACE_CONT, child.pid, 0, 0);
    trace_wait("end", child.pid);
}

// A seized child sees the stop of its group as an event, listens, and hears of SIGCONT.
static void listening(void)
{
    struct idler child = idle_child();
    setpgid(child.pid, 0); // not orphaned: SIGTSTP stops it
    RESULT("seize", PTRACE_SEIZE, child.pid, 0, 0);
    kill(child.pid, SIGSTOP);
    trace_wait("signal", child.pid);
    ptrace(PTRACE_CONT, child.pid, 0, SIGSTOP);
    trace_wait("group stop", child.pid);
    trace_show_siginfo("siginfo", child.pid);
    RESULT("listen", PTRACE_LISTEN, child.pid, 0, 0);
    RESULT("cont while it listens", PTRACE_CONT, child.pid, 0, 0);
    SHOW("nothing to report", "%d", waitpid(child.pid, NULL, __WALL | WNOHANG));
    kill(child.pid, SIGCONT);
    trace_wait("SIGCONT", child.pid);
    trace_show_siginfo("siginfo", child.pid);
    ptrace(PTRACE_CONT, child.pid, 0, 0);
    trace_wait("the signal itself", child.pid);
    ptrace(PTRACE_CONT, child.pid, 0, SIGCONT);
    kill(child.pid, SIGTSTP);
    trace_wait("SIGTSTP", child.pid);
    ptrace(PTRACE_CONT, child.pid, 0, SIGTSTP);
    trace_wait("group stop", child.pid);
    RESULT("listen", PTRACE_LISTEN, child.pid, 0, 0);
    RESULT("interrupt", PTRACE_INTERRUPT, child.pid, 0, 0);
    trace_wait("stops again", child.pid);
    RESULT("cont out of a group stop", PTRACE_CONT, child.pid, 0, 0);
    let_end("runs while its group is stopped", child);
}

static void group_stop_of_attached(void)
{
    struct idler child = idle_child();
    ptrace(PTRACE_ATTACH, child.pid, 0, 0);
    trace_wait("attach", child.pid);
    RESULT("let the SIGSTOP through", PTRACE_CONT, child.pid, 0, SIGSTOP);
    trace_wait("group stop", child.pid);
    trace_show_siginfo("without siginfo", child.pid);
    kill(child.pid, SIGCONT);
    SHOW("SIGCONT does not reach it", "%d", waitpid(child.pid, NULL, __WALL | WNOHANG));
    ptrace(PTRACE_CONT, child.pid, 0, 0);
    trace_wait("SIGCONT", child.pid);
    ptrace(PTRACE_CONT, child.pid, 0, 0);
    let_end("end", child);
}

// --- Being killed --------------------------------------------------------------------------------

static void killing(void)
{
    TRACEE(one, pause());
    trace_wait("stop", one);
    kill(one, SIGKILL);
    trace_wait("killed in a stop", one);
    TRACEE(two, pause());
    trace_wait("stop", two);
    RESULT("PTRACE_KILL", PTRACE_KILL, two, 0, 0);
    trace_wait("killed", two);
    TRACEE(three, pause());
    trace_wait("stop", three);
    ptrace(PTRACE_SETOPTIONS, three, 0, PTRACE_O_TRACEEXIT);
    kill(three, SIGKILL);
    trace_wait("exit event of one killed", three);
    kill(three, SIGKILL);
    sleep_ms(20);
    SHOW("SIGKILL does not end that stop", "%d", waitpid(three, NULL, WNOHANG));
    ptrace(PTRACE_CONT, three, 0, 0);
    trace_wait("killed", three);
}

// One that is stopped is killed while it is attached to: who attaches does not wait for its stop.
static void killed_when_attached(void)
{
    int ended = 0;
    for (int i = 0; i < 300; i++) {
        pid_t child = fork();
        if (child == 0) {
            raise(SIGSTOP);
            _exit(0);
        }
        int status;
        waitpid(child, &status, WUNTRACED);
        pid_t killer = fork();
        if (killer == 0)
            _exit(kill(child, SIGKILL));
        ptrace(PTRACE_ATTACH, child, 0, 0);
        while (waitpid(child, &status, 0) == child && WIFSTOPPED(status))
            continue;
        ended += WIFSIGNALED(status);
        waitpid(killer, NULL, 0);
    }
    SHOW("killed when attached", "%d", ended);
}

// The tracer ends: its tracees go on, or end with it.
static void tracer_death(void)
{
    for (int exitkill = 0; exitkill < 2; exitkill++) {
        struct idler child = idle_child();
        IN_CHILD("tracer", {
            ptrace(PTRACE_SEIZE, child.pid, 0, exitkill ? PTRACE_O_EXITKILL : 0);
            ptrace(PTRACE_INTERRUPT, child.pid, 0, 0);
            trace_wait("stop", child.pid);
        });
        if (exitkill) {
            trace_wait("killed with its tracer", child.pid);
            close(child.fd);
        } else {
            let_end("goes on without its tracer", child);
        }
    }
    // A tracee in the stop of its exit, and a zombie nobody fetched.
    struct idler child = idle_child();
    IN_CHILD("tracer", {
        ptrace(PTRACE_SEIZE, child.pid, 0, PTRACE_O_TRACEEXIT);
        close(child.fd);
        kill(child.pid, SIGTERM);
        siginfo_t info;
        waitid(P_PID, (id_t)child.pid, &info, WSTOPPED | WNOWAIT | __WALL);
        ptrace(PTRACE_CONT, child.pid, 0, SIGTERM);
        waitid(P_PID, (id_t)child.pid, &info, WSTOPPED | WNOWAIT | __WALL);
    });
    let_end("a child that was ending", child);
    child = idle_child();
    IN_CHILD("tracer", {
        ptrace(PTRACE_SEIZE, child.pid, 0, 0);
        kill(child.pid, SIGKILL);
        siginfo_t info;
        waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT | __WALL);
    });
    let_end("a zombie its tracer left", child);
}

// A child that another process traces is its tracer's first.
static void strangers(void)
{
    int p[2];
    if (pipe(p))
        abort();
    struct idler child = idle_child();
    pid_t tracer = fork();
    if (tracer == 0) {
        char c;
        close(p[1]);
        close(child.fd);
        ptrace(PTRACE_SEIZE, child.pid, 0, 0);
        if (read(p[0], &c, 1) < 0)
            _exit(1);
        trace_wait("the tracer sees", child.pid);
        SHOW("and then no more", "%d", waitpid(child.pid, NULL, __WALL));
        _exit(0);
    }
    close(p[0]);
    for (;;) {
        char text[4096];
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/status", (int)child.pid);
        FILE *f = fopen(path, "r");
        size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        text[n] = 0;
        if (f)
            fclose(f);
        if (!strstr(text, "TracerPid:\t0\n"))
            break;
        sleep_ms(1);
    }
    close(child.fd);
    await_state(child.pid, 'Z');
    SHOW("the parent waits behind the tracer", "%d", waitpid(child.pid, NULL, WNOHANG));
    close(p[1]);
    trace_wait("tracer", tracer);
    trace_wait("then the parent gets it", child.pid);
}

// --- Permission ----------------------------------------------------------------------------------

static void permission(void)
{
    struct idler child;
    int p[2];
    if (pipe(p))
        abort();
    child.pid = fork();
    if (child.pid == 0) {
        prctl(PR_SET_DUMPABLE, 0);
        tell(p[1]);
        pause();
    }
    hear(p[0]);
    IN_CHILD("root may trace what is not dumpable",
             { RESULT("attach", PTRACE_ATTACH, child.pid, 0, 0); });
    IN_CHILD("another user", {
        if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
            _exit(9);
        RESULT("attach", PTRACE_ATTACH, child.pid, 0, 0);
        RESULT("seize", PTRACE_SEIZE, child.pid, 0, 0);
        prctl(PR_SET_DUMPABLE, 1);
        pid_t own = fork();
        if (own == 0) {
            prctl(PR_SET_DUMPABLE, 0);
            tell(p[1]);
            pause();
        }
        hear(p[0]);
        RESULT("attach to an own child that is not dumpable", PTRACE_SEIZE, own, 0, 0);
        kill(own, SIGKILL);
        show_end("own child", own);
        own = fork();
        if (own == 0) {
            pause();
            _exit(0);
        }
        RESULT("attach to an own child", PTRACE_SEIZE, own, 0, 0);
        kill(own, SIGKILL);
        show_end("own child", own);
    });
    kill(child.pid, SIGKILL);
    show_end("child", child.pid);
}

// --- SIGCHLD -------------------------------------------------------------------------------------

static volatile int children, child_code;
static void on_child(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    children++;
    child_code = info->si_code;
}

static void told(void)
{
    struct sigaction sa = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGCHLD, &sa, NULL);
    TRACEE(pid, raise(SIGUSR1));
    siginfo_t info;
    memset(&info, 0, sizeof info);
    show_call("waitid", waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT));
    SHOW("is told", "code %d status %d", info.si_code, info.si_status);
    trace_wait("stop", pid);
    SHOW("SIGCHLD", "%d code %d", children > 0, child_code);
    SHOW("reported once", "%d", waitpid(pid, NULL, WNOHANG));
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("signal", pid);
    children = 0;
    sa.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &sa, NULL);
    ptrace(PTRACE_CONT, pid, 0, SIGSTOP);
    trace_wait("group stop", pid);
    SHOW("SIGCHLD with SA_NOCLDSTOP", "%d", children);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("end", pid);
    SHOW("SIGCHLD of the end", "%d code %d", children, child_code);
    signal(SIGCHLD, SIG_DFL);
}

// --- Threads -------------------------------------------------------------------------------------

static void *thread_body(void *arg)
{
    int *fd = arg;
    char c;
    tell(fd[1]);
    if (read(fd[2], &c, 1) < 0)
        return NULL;
    return NULL;
}

// Each thread is traced on its own, and its end is reported like a child's.
static void threads(void)
{
    int back[2], go[2];
    if (pipe(back) || pipe(go))
        abort();
    pid_t *tid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        int fds[3] = {back[0], back[1], go[0]};
        pthread_t t;
        pthread_create(&t, NULL, thread_body, fds);
        pthread_join(t, NULL);
        _exit(5);
    }
    close(go[0]);
    hear(back[0]);
    char path[64];
    for (int i = 1; i < 64 && !*tid; i++) {
        snprintf(path, sizeof path, "/proc/%d/task/%d", (int)pid, (int)pid + i);
        if (access(path, F_OK) == 0)
            *tid = pid + i;
    }
    SHOW("the thread was found", "%d", *tid != 0);
    RESULT("seize the thread", PTRACE_SEIZE, *tid, 0, 0);
    SHOW("the leader is not traced", "%d", ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0);
    RESULT("interrupt the thread", PTRACE_INTERRUPT, *tid, 0, 0);
    trace_wait("thread stop", *tid);
    SHOW("plain waitpid sees the leader only", "%d", waitpid(pid, NULL, WNOHANG));
    RESULT("seize the leader too", PTRACE_SEIZE, pid, 0, 0);
    ptrace(PTRACE_CONT, *tid, 0, 0);
    syscall(SYS_tgkill, pid, pid, SIGSTOP);
    trace_wait("SIGSTOP comes to one", pid);
    ptrace(PTRACE_CONT, pid, 0, SIGSTOP);
    trace_wait("leader in the group's stop", pid);
    trace_wait("thread in the group's stop", *tid);
    ptrace(PTRACE_CONT, pid, 0, 0);
    ptrace(PTRACE_CONT, *tid, 0, 0);
    close(go[1]);
    int status = 0;
    show_done("thread ends", waitpid(*tid, &status, __WALL) == *tid && WIFEXITED(status) ? 0 : -1);
    trace_wait("process ends", pid);
}

static void *wait_in_thread(void *arg)
{
    pid_t pid = *(pid_t *)arg;
    SHOW("__WNOTHREAD of another thread", "%s",
         waitpid(pid, NULL, __WALL | __WNOTHREAD | WNOHANG) < 0 ? strerrorname_np(errno) : "found");
    RESULT("another thread of the tracer", PTRACE_CONT, pid, 0, 0);
    trace_wait("waits for any thread's tracee", pid);
    return NULL;
}

static void tracer_threads(void)
{
    TRACEE(pid, _exit(0));
    pthread_t t;
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT);
    pthread_create(&t, NULL, wait_in_thread, &pid);
    pthread_join(t, NULL);
    RESULT("the tracing thread", PTRACE_CONT, pid, 0, 0);
    trace_wait("end", pid);
}

static void body(void)
{
    errors();
    zombies();
    signals();
    siginfo();
    attaching();
    seizing();
    listening();
    group_stop_of_attached();
    killing();
    killed_when_attached();
    tracer_death();
    strangers();
    permission();
    told();
    threads();
    tracer_threads();
}

int main(void)
{
    return run_as_child(body);
}
