// ptrace(2), request by request: sizes and pointers that do not fit, masks during sigsuspend,
// LISTEN when news came before, what is asked of a tracee in the wrong stop, tracers that end.
#include "asleep.h"
#include "trace_util.h"
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif
#ifndef PTRACE_SYSEMU_SINGLESTEP
#define PTRACE_SYSEMU_SINGLESTEP 32
#endif
enum {
    GET_FILTER = 0x420c,
    GET_METADATA = 0x420d,
    GET_SYSCALL_INFO = 0x420e,
    GET_RSEQ = 0x420f,
    INFO_SIZE = 128, // of siginfo_t
};

static char *edge; // the end of a page, with nothing after it

#define ASK(name, request, pid, addr, data)                                                        \
    show_call(name, trace_call(request, pid, (unsigned long)(addr), (unsigned long)(data)))

// A child that is stopped for us.
static pid_t tracee(void (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        if (body)
            body();
        _exit(0);
    }
    if (waitpid(pid, NULL, 0) != pid)
        abort();
    return pid;
}
static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, __WALL);
}

static void sizes(void)
{
    struct {
        uint64_t pointer;
        uint32_t size, signature, flags, pad;
    } rseq;
    char info[128];
    uint64_t mask = 0;
    pid_t pid = tracee(NULL);
    memset(&rseq, 0xff, sizeof rseq);
    ASK("rseq", GET_RSEQ, pid, sizeof rseq, &rseq);
    SHOW("...", "%s, %u bytes, flags %u, pad %u", rseq.pointer ? "somewhere" : "none", rseq.size,
         rseq.flags, rseq.pad);
    rseq.size = 77;
    ASK("rseq, a part", GET_RSEQ, pid, 8, &rseq);
    SHOW("...", "%s, %u", rseq.pointer ? "somewhere" : "none", rseq.size);
    ASK("rseq, nothing", GET_RSEQ, pid, 0, 8);
    ASK("rseq, much", GET_RSEQ, pid, 1000, &rseq);
    ASK("rseq, nowhere", GET_RSEQ, pid, sizeof rseq, 8);
    ASK("rseq, half nowhere", GET_RSEQ, pid, sizeof rseq, edge - 8);
    ASK("call", GET_SYSCALL_INFO, pid, sizeof info, info);
    ASK("call, nothing", GET_SYSCALL_INFO, pid, 0, 8);
    ASK("call, a part", GET_SYSCALL_INFO, pid, 3, edge - 3);
    ASK("call, nowhere", GET_SYSCALL_INFO, pid, 24, 8);
    ASK("call, half nowhere", GET_SYSCALL_INFO, pid, 24, edge - 8);
    ASK("mask", PTRACE_GETSIGMASK, pid, 8, &mask);
    ASK("mask of 4", PTRACE_GETSIGMASK, pid, 4, &mask);
    ASK("mask of 16", PTRACE_GETSIGMASK, pid, 16, &mask);
    ASK("mask to nowhere", PTRACE_GETSIGMASK, pid, 8, edge - 4);
    ASK("set mask of 4", PTRACE_SETSIGMASK, pid, 4, &mask);
    ASK("set mask of nowhere", PTRACE_SETSIGMASK, pid, 8, 8);
    ASK("set mask from half nowhere", PTRACE_SETSIGMASK, pid, 8, edge - 4);
    ASK("siginfo to nowhere", PTRACE_GETSIGINFO, pid, 0, 8);
    ASK("siginfo to half nowhere", PTRACE_GETSIGINFO, pid, 0, edge - 8);
    ASK("siginfo from nowhere", PTRACE_SETSIGINFO, pid, 0, 8);
    ASK("siginfo from half nowhere", PTRACE_SETSIGINFO, pid, 0, edge - 8);
    ASK("message to nowhere", PTRACE_GETEVENTMSG, pid, 0, edge - 4);
    ASK("a filter", GET_FILTER, pid, 0, 0);
    ASK("a filter's metadata", GET_METADATA, pid, 16, info);
    ASK("registers, no kind", PTRACE_GETREGSET, pid, 0x12345, (&(struct iovec){info, 8}));
    ASK("registers, part of one", PTRACE_GETREGSET, pid, NT_PRSTATUS, (&(struct iovec){info, 7}));
    ASK("registers, nowhere", PTRACE_GETREGSET, pid, NT_PRSTATUS, (&(struct iovec){(char *)8, 64}));
    ASK("set registers, nowhere", PTRACE_SETREGSET, pid, NT_PRSTATUS,
        (&(struct iovec){(char *)8, 64}));
    ASK("registers, vector nowhere", PTRACE_GETREGSET, pid, NT_PRSTATUS, 8);
    ASK("resume by 65", PTRACE_CONT, pid, 0, 65);
    ASK("detach by 65", PTRACE_DETACH, pid, 0, 65);
    ASK("peek nowhere", PTRACE_PEEKDATA, pid, 8, &mask);
    ASK("peek to nowhere", PTRACE_PEEKDATA, pid, &rseq, 8);
    ASK("poke nowhere", PTRACE_POKEDATA, pid, 8, 1);
    ASK("peek half nowhere", PTRACE_PEEKDATA, pid, edge - 4, &mask);
    ASK("poke half nowhere", PTRACE_POKEDATA, pid, edge - 4, 1);
    ASK("a request of no number", 0x4299, pid, 0, 0);
    ASK("options nobody has", PTRACE_SETOPTIONS, pid, 0, 1ul << 40);
    ASK("options nobody has", PTRACE_SETOPTIONS, pid, 0, 0x800);
    ASK("listen, not seized", PTRACE_LISTEN, pid, 0, 0);
    ASK("interrupt, not seized", PTRACE_INTERRUPT, pid, 0, 0);
    end(pid);
    ASK("one that is gone", PTRACE_CONT, pid, 0, 0);
}

static void seizing(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    ASK("seize with an address", PTRACE_SEIZE, pid, 1, 0);
    ASK("seize with options nobody has", PTRACE_SEIZE, pid, 0, 0x800);
    ASK("seize with more", PTRACE_SEIZE, pid, 0, 1ul << 40);
    ASK("seize oneself", PTRACE_SEIZE, getpid(), 0, 0);
    ASK("attach to oneself", PTRACE_ATTACH, getpid(), 0, 0);
    ASK("seize process 0", PTRACE_SEIZE, 0, 0, 0);
    ASK("seize process -1", PTRACE_SEIZE, -1, 0, 0);
    ASK("seize", PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT);
    ASK("seize again", PTRACE_SEIZE, pid, 0, 0);
    ASK("attach again", PTRACE_ATTACH, pid, 0, 0);
    ASK("listen while it runs", PTRACE_LISTEN, pid, 0, 0);
    ASK("continue while it runs", PTRACE_CONT, pid, 0, 0);
    ASK("interrupt", PTRACE_INTERRUPT, pid, 0, 0);
    trace_wait("stopped", pid);
    ASK("continue", PTRACE_CONT, pid, 0, 0);
    kill(pid, SIGUSR1);
    trace_wait("on a signal", pid);
    ASK("listen in the wrong stop", PTRACE_LISTEN, pid, 0, 0);
    ASK("interrupt in a stop", PTRACE_INTERRUPT, pid, 0, 0);
    ASK("continue", PTRACE_CONT, pid, 0, 0);
    trace_wait("the interruption", pid);
    ASK("continue", PTRACE_CONT, pid, 0, 0);
    kill(pid, SIGKILL);
    trace_wait("exit", pid);
    ASK("listen at the exit", PTRACE_LISTEN, pid, 0, 0);
    ASK("interrupt at the exit", PTRACE_INTERRUPT, pid, 0, 0);
    ASK("continue", PTRACE_CONT, pid, 0, 0);
    trace_wait("end", pid);
}

// News that comes while the group is stopped ends a LISTEN that begins later.
static void news(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    ptrace(PTRACE_SEIZE, pid, 0, 0);
    task_until_asleep(pid);
    kill(pid, SIGSTOP);
    trace_wait("the signal", pid);
    ptrace(PTRACE_CONT, pid, 0, SIGSTOP);
    trace_wait("the group's stop", pid);
    ASK("siginfo there", PTRACE_GETSIGINFO, pid, 0, edge - INFO_SIZE);
    kill(pid, SIGCONT);
    ASK("listen after SIGCONT", PTRACE_LISTEN, pid, 0, 0);
    trace_wait("the news", pid);
    ASK("listen once more", PTRACE_LISTEN, pid, 0, 0);
    ASK("what a listener answers", PTRACE_CONT, pid, 0, 0);
    ASK("interrupt a listener", PTRACE_INTERRUPT, pid, 0, 0);
    trace_wait("... stops it", pid);
    ASK("continue", PTRACE_CONT, pid, 0, 0);
    trace_wait("SIGCONT itself", pid);
    ASK("continue", PTRACE_CONT, pid, 0, 0);
    kill(pid, SIGSTOP);
    trace_wait("the signal", pid);
    ptrace(PTRACE_CONT, pid, 0, SIGSTOP);
    trace_wait("the group's stop", pid);
    ASK("listen", PTRACE_LISTEN, pid, 0, 0);
    kill(pid, SIGCONT);
    trace_wait("continued while it listens", pid);
    end(pid);
    pid = tracee(NULL);
    ptrace(PTRACE_CONT, pid, 0, SIGSTOP);
    trace_wait("the group's stop of one attached", pid);
    ASK("siginfo there", PTRACE_GETSIGINFO, pid, 0, edge - INFO_SIZE);
    memset(edge - INFO_SIZE, 0, INFO_SIZE);
    ASK("set siginfo there", PTRACE_SETSIGINFO, pid, 0, edge - INFO_SIZE);
    end(pid);
}

static void on_signal(int sig)
{
    (void)sig;
}
static void suspended(void)
{
    sigset_t none, now;
    sigemptyset(&none);
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    sigemptyset(&now);
    sigaddset(&now, SIGUSR1);
    sigprocmask(SIG_SETMASK, &now, NULL);
    sigsuspend(&none);
    sigprocmask(SIG_SETMASK, NULL, &now);
    _exit(sigismember(&now, SIGUSR1) | sigismember(&now, SIGHUP) << 1 |
          sigismember(&now, SIGUSR2) << 2);
}
static void show_mask(const char *name, pid_t pid)
{
    uint64_t mask = 0;
    trace_call(PTRACE_GETSIGMASK, pid, 8, (unsigned long)&mask);
    SHOW(name, "%#llx", (unsigned long long)mask);
}

// The mask of one in sigsuspend is the one it will have again.
static void masks(void)
{
    for (int set = 0; set < 2; set++) {
        uint64_t mask = 1ull << (SIGHUP - 1);
        pid_t pid = fork();
        if (pid == 0)
            suspended();
        ptrace(PTRACE_SEIZE, pid, 0, 0);
        uint64_t seen = 0;
        while (!seen) { // until it has come to sigsuspend
            task_until_asleep(pid);
            ptrace(PTRACE_INTERRUPT, pid, 0, 0);
            waitpid(pid, NULL, 0);
            trace_call(PTRACE_GETSIGMASK, pid, 8, (unsigned long)&seen);
            if (!seen)
                ptrace(PTRACE_CONT, pid, 0, 0);
        }
        show_mask("in sigsuspend", pid);
        if (set)
            ASK("set", PTRACE_SETSIGMASK, pid, 8, &mask);
        show_mask("...", pid);
        ptrace(PTRACE_CONT, pid, 0, 0);
        task_until_asleep(pid);
        kill(pid, set ? SIGUSR2 : SIGUSR1);
        trace_wait("a signal", pid);
        show_mask("... then", pid);
        ptrace(PTRACE_CONT, pid, 0, set ? SIGUSR2 : SIGUSR1);
        trace_wait("end", pid);
    }
}

// Signals that wait, one after the other.
static void queued(void)
{
    struct {
        uint64_t off;
        uint32_t flags;
        int32_t nr;
    } args = {0, 0, 10};
    static char infos[10 * INFO_SIZE];
    pid_t pid = tracee(NULL);
    uint64_t all = ~0ull;
    trace_call(PTRACE_SETSIGMASK, pid, 8, (unsigned long)&all);
    for (int i = 0; i < 3; i++)
        sigqueue(pid, SIGRTMIN + i, (union sigval){.sival_int = i});
    ASK("of the thread", PTRACE_PEEKSIGINFO, pid, &args, infos);
    args.flags = 1;
    ASK("of the process", PTRACE_PEEKSIGINFO, pid, &args, infos);
    for (int i = 0; i < 3; i++) {
        siginfo_t info;
        memcpy(&info, infos + i * INFO_SIZE, sizeof info);
        SHOW("...", "%d: %d", info.si_signo - SIGRTMIN, info.si_value.sival_int);
    }
    args.nr = 2;
    ASK("two", PTRACE_PEEKSIGINFO, pid, &args, infos);
    args.nr = 0;
    ASK("none", PTRACE_PEEKSIGINFO, pid, &args, infos);
    args.nr = -1;
    ASK("fewer", PTRACE_PEEKSIGINFO, pid, &args, infos);
    args.nr = 10, args.off = 2;
    ASK("the last", PTRACE_PEEKSIGINFO, pid, &args, infos);
    args.off = 3;
    ASK("beyond", PTRACE_PEEKSIGINFO, pid, &args, infos);
    args.off = 0;
    ASK("to nowhere", PTRACE_PEEKSIGINFO, pid, &args, 8);
    ASK("one, and then nowhere", PTRACE_PEEKSIGINFO, pid, &args, edge - INFO_SIZE);
    args.flags = 2;
    ASK("flags nobody has", PTRACE_PEEKSIGINFO, pid, &args, infos);
    ASK("asked from nowhere", PTRACE_PEEKSIGINFO, pid, 8, infos);
    end(pid);
}

// --- Emulation, step by step ---------------------------------------------------------------------

static void three_calls(void)
{
    for (int i = 0; i < 3; i++)
        syscall(SYS_getppid);
}
static void emulated_steps(void)
{
    pid_t pid = tracee(three_calls);
    int calls = 0, steps = 0, status = 0;
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
    ASK("by 65", PTRACE_SYSEMU_SINGLESTEP, pid, 0, 65);
    // Calls are announced and do not happen; every other instruction is a step.
    for (int i = 0; i < 20000 && calls < 3; i++) {
        ptrace(PTRACE_SYSEMU_SINGLESTEP, pid, 0, 0);
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
            break;
        struct {
            uint8_t op, rest[127];
        } info;
        trace_call(GET_SYSCALL_INFO, pid, sizeof info, (unsigned long)&info);
        if (info.op == 1) {
            calls++;
            struct user_regs_struct regs;
            trace_get_regs(pid, &regs);
            RET(regs) = 1;
            trace_set_regs(pid, &regs);
        } else {
            steps++;
        }
    }
    SHOW("calls", "%d, %s", calls, steps > 10 ? "and steps" : "no steps");
    end(pid);
}

// --- Tracers that end ----------------------------------------------------------------------------

// `ours`: a child of the tracer. It has ended when the tracer does, without having been waited for.
static void tracer_of_dead(bool ours, int action)
{
    int ready[2], go[2];
    char c;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pipe(ready), pipe(go);
    pid_t other = ours ? 0 : fork();
    if (!ours && other == 0) {
        hear(go[0]);
        _exit(5);
    }
    pid_t tracer = fork();
    if (tracer == 0) {
        pid_t pid = other;
        struct sigaction sa = {.sa_handler = action == 1 ? SIG_IGN : SIG_DFL,
                               .sa_flags = action == 2 ? SA_NOCLDWAIT : 0};
        sigaction(SIGCHLD, &sa, NULL);
        if (ours && (pid = fork()) == 0) {
            hear(go[0]);
            _exit(5);
        }
        ptrace(PTRACE_SEIZE, pid, 0, 0);
        tell(go[1]);
        while (task_state(pid) != 'Z')
            sched_yield();
        write(ready[1], &pid, sizeof pid);
        _exit(0);
    }
    pid_t pid = 0;
    if (read(ready[0], &pid, sizeof pid) != sizeof pid)
        abort();
    show_end("the tracer", tracer);
    int status = 0;
    pid_t got;
    while ((got = waitpid(pid, &status, WNOHANG)) == 0)
        sched_yield();
    SHOW("its tracee", "%s", got == pid ? status_text(status) : strerrorname_np(errno));
    (void)c;
}
static void tracers(void)
{
    static const char *const names[] = {"by default", "ignored", "SA_NOCLDWAIT"};
    for (int ours = 0; ours < 2; ours++)
        for (int action = 0; action < 3; action++) {
            SHOW("SIGCHLD", "%s, a dead %s", names[action], ours ? "child" : "tracee");
            IN_CHILD("...", tracer_of_dead(ours, action));
        }
}

static void body(void)
{
    edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(edge + 4096, 4096, PROT_NONE);
    edge += 4096;
    IN_CHILD("sizes", sizes());
    IN_CHILD("seizing", seizing());
    IN_CHILD("news", news());
    IN_CHILD("masks", masks());
    IN_CHILD("queued", queued());
    IN_CHILD("emulated steps", emulated_steps());
    IN_CHILD("tracers", tracers());
}

int main(void)
{
    return run_as_child(body);
}
