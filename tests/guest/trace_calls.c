// ptrace(2): system calls, their events, and steps.
#include "asleep.h"
#include "trace_util.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PTRACE_GET_SYSCALL_INFO
#define PTRACE_GET_SYSCALL_INFO 0x420e
#endif
#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

struct call_info {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t pc, sp;
    union {
        struct {
            uint64_t nr, args[6];
            uint32_t ret_data;
        } entry;
        struct {
            int64_t rval;
            uint8_t is_error;
        } exit;
    };
};

#define RESULT(name, request, pid, addr, data)                                                     \
    show_call(name, trace_call(request, pid, (unsigned long)(addr), (unsigned long)(data)))

#define TRACEE(pid, ...)                                                                           \
    pid_t pid = fork();                                                                            \
    if (pid == 0) {                                                                                \
        ptrace(PTRACE_TRACEME, 0, 0, 0);                                                           \
        raise(SIGSTOP);                                                                            \
        __VA_ARGS__;                                                                               \
        _exit(0);                                                                                  \
    }                                                                                              \
    if (waitpid(pid, NULL, 0) != pid)                                                              \
    abort()

static void show_call_info(const char *name, pid_t pid)
{
    struct call_info info;
    struct user_regs_struct regs;
    memset(&info, 0, sizeof info);
    long n = trace_call(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (unsigned long)&info);
    if (n < 0 || trace_get_regs(pid, &regs)) {
        show_call(name, -1);
        return;
    }
    const char *same = info.pc == PC(regs) && info.sp == SP(regs) ? "registers agree" : "differ";
    if (info.op == 1 || info.op == 3) {
        bool kills = info.entry.nr == SYS_kill; // has arguments that are the same everywhere
        SHOW(name, "op %d size %ld args %#lx %#lx %#lx %s nr %s data %u", info.op, n,
             kills ? (long)info.entry.args[0] : 0, kills ? (long)info.entry.args[1] : 0,
             kills ? (long)info.entry.args[2] : 0, same,
             info.entry.nr == SYS_getpid    ? "getpid"
             : info.entry.nr == SYS_getppid ? "getppid"
             : kills                        ? "kill"
                                            : "other",
             info.op == 3 ? info.entry.ret_data : 0);
    } else if (info.op == 2)
        SHOW(name, "op %d size %ld error %d value %s %s", info.op, n, info.exit.is_error,
             info.exit.rval == pid ? "its pid"
             : info.exit.rval < 0  ? strerrorname_np((int)-info.exit.rval)
                                   : "other",
             same);
    else
        SHOW(name, "op %d size %ld %s", info.op, n, same);
}

// --- Entry and exit ------------------------------------------------------------------------------

static void stops(void)
{
    TRACEE(pid, {
        syscall(SYS_kill, 999999, 1, 0x33);
        long got = syscall(SYS_getpid);
        SHOW("changed result", "%ld", got);
        got = syscall(SYS_getpid);
        SHOW("an ordinary call", "%d", got == getpid());
    });
    show_call_info("in a signal's stop", pid);
    RESULT("options", PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("entry", pid);
    // raise(3) may end with calls of its own.
    for (;;) {
        struct call_info info;
        trace_call(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (unsigned long)&info);
        if (info.op == 1 && info.entry.nr == SYS_kill)
            break;
        ptrace(PTRACE_SYSCALL, pid, 0, 0);
        waitpid(pid, NULL, 0);
    }
    show_call_info("entry of kill", pid);
    trace_show_siginfo("siginfo", pid);
    unsigned long message = 0;
    RESULT("message", PTRACE_GETEVENTMSG, pid, 0, &message);
    SHOW("of an entry", "%lu", message);
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("exit", pid);
    show_call_info("exit of kill", pid);
    RESULT("message", PTRACE_GETEVENTMSG, pid, 0, &message);
    SHOW("of an exit", "%lu", message);

    struct user_regs_struct regs;
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("entry", pid);
    show_call_info("entry of getpid", pid);
    RESULT("a short description", PTRACE_GET_SYSCALL_INFO, pid, 8, &message);
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("exit", pid);
    show_call_info("exit of getpid", pid);
    trace_get_regs(pid, &regs);
    RET(regs) = 1234;
    SHOW("set the result", "%d", trace_set_regs(pid, &regs));
    ptrace(PTRACE_CONT, pid, 0, 0);
    show_end("end", pid);
}

static int set_call(pid_t pid, int nr)
{
#if defined(__aarch64__)
    struct iovec iov = {&nr, sizeof nr};
    return ptrace(PTRACE_SETREGSET, pid, (void *)0x404, &iov) < 0 ? -1 : 0;
#else
    struct user_regs_struct regs;
    trace_get_regs(pid, &regs);
    regs.orig_rax = (unsigned long)(long)nr;
    return trace_set_regs(pid, &regs);
#endif
}

static int get_call(pid_t pid)
{
#if defined(__aarch64__)
    int nr = -2;
    struct iovec iov = {&nr, sizeof nr};
    ptrace(PTRACE_GETREGSET, pid, (void *)0x404, &iov);
    return nr;
#else
    struct user_regs_struct regs;
    trace_get_regs(pid, &regs);
    return (int)regs.orig_rax;
#endif
}

// Runs the tracee to the next entry of this call.
static void run_to(pid_t pid, long nr)
{
    struct call_info info;
    do {
        ptrace(PTRACE_SYSCALL, pid, 0, 0);
        if (waitpid(pid, NULL, 0) != pid)
            abort();
        info.op = 0;
        trace_call(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (unsigned long)&info);
    } while (info.op != 1 || (long)info.entry.nr != nr);
}

static void changes(void)
{
    TRACEE(pid, {
        long got = syscall(SYS_getpid);
        SHOW("another call instead", "%d", got == getppid());
        got = syscall(SYS_getpid);
        SHOW("no call", "%ld", got);
        got = syscall(SYS_getpid);
        SHOW("no call, and a result", "%ld", got);
    });
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
    run_to(pid, SYS_getpid);
    SHOW("the number", "%d", get_call(pid) == SYS_getpid);
    SHOW("set it", "%d", set_call(pid, SYS_getppid));
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("exit", pid);
    run_to(pid, SYS_getpid);
    struct user_regs_struct regs;
    trace_get_regs(pid, &regs);
    RET(regs) = 77;
    trace_set_regs(pid, &regs);
    SHOW("set it to -1", "%d", set_call(pid, -1));
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("exit", pid);
    run_to(pid, SYS_getpid);
    set_call(pid, -1);
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("exit", pid);
    trace_get_regs(pid, &regs);
    RET(regs) = 55;
    trace_set_regs(pid, &regs);
    ptrace(PTRACE_CONT, pid, 0, 0);
    show_end("end", pid);
}

static void emulation(void)
{
    TRACEE(pid, {
        long got = syscall(SYS_getpid);
        SHOW("the tracer's answer", "%ld", got);
    });
    long err = ptrace(PTRACE_SYSEMU, pid, 0, 0);
    show_call("sysemu", err);
    struct user_regs_struct regs;
    for (int i = 0; i < 50; i++) {
        if (waitpid(pid, NULL, 0) != pid)
            abort();
        if (get_call(pid) == SYS_getpid)
            break;
        // Any other call is made.
        ptrace(PTRACE_SYSEMU, pid, 0, 0);
    }
    trace_wait("nothing", -2);
    trace_get_regs(pid, &regs);
    RET(regs) = 4321;
    trace_set_regs(pid, &regs);
    ptrace(PTRACE_CONT, pid, 0, 0);
    show_end("end", pid);
}

// A call that a trap interrupts goes on as if nothing had been.
static void restarts(void)
{
    int p[2];
    if (pipe(p))
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        close(p[1]);
        ssize_t n = read(p[0], &c, 1);
        SHOW("read through an interruption", "%zd %s", n, n < 0 ? strerrorname_np(errno) : "");
        struct timespec t = {0, 30000000};
        SHOW("nanosleep", "%d", nanosleep(&t, NULL));
        _exit(0);
    }
    ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD);
    task_until_asleep(pid);
    ptrace(PTRACE_INTERRUPT, pid, 0, 0);
    trace_wait("interrupted", pid);
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("the call enters again", pid);
    show_call_info("entry", pid);
    ptrace(PTRACE_INTERRUPT, pid, 0, 0);
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("and leaves", pid);
    struct user_regs_struct regs;
    trace_get_regs(pid, &regs);
    SHOW("asking to be restarted", "%d", (int)RET(regs));
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("for the interruption", pid);
    ptrace(PTRACE_CONT, pid, 0, 0);
    close(p[1]);
    show_end("end", pid);
}

// --- Events --------------------------------------------------------------------------------------

static void show_message(const char *name, pid_t pid, long expected)
{
    unsigned long message = 0;
    ptrace(PTRACE_GETEVENTMSG, pid, 0, &message);
    SHOW(name, "%d", (long)message == expected);
}

// Lets `pid` and, from its event on, its child run to their ends.
static void follow(const char *name, pid_t pid, long options)
{
    printf("-- %s\n", name);
    ptrace(PTRACE_SETOPTIONS, pid, 0, options);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("event", pid);
    unsigned long child = 0;
    ptrace(PTRACE_GETEVENTMSG, pid, 0, &child);
    trace_show_siginfo("siginfo", pid);
    trace_wait("the child's first stop", (pid_t)child);
    trace_show_state("it is ours", (pid_t)child);
    ptrace(PTRACE_CONT, (pid_t)child, 0, 0);
    trace_wait("the child's exit event", (pid_t)child);
    ptrace(PTRACE_CONT, (pid_t)child, 0, 0);
    trace_wait("the child's end", (pid_t)child);
    ptrace(PTRACE_CONT, pid, 0, 0);
    int status = trace_wait("next", pid);
    while (WIFSTOPPED(status)) {
        if (status >> 16 == PTRACE_EVENT_VFORK_DONE)
            show_message("message is the child", pid, (long)child);
        ptrace(PTRACE_CONT, pid, 0, status >> 16 ? 0 : WSTOPSIG(status));
        status = trace_wait("next", pid);
    }
}

static void events(void)
{
    const long all = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                     PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT;
    // A tracee made by _exit in the child, which glibc's fork cannot get wrong.
    TRACEE(forks, {
        pid_t c = fork();
        if (c == 0)
            _exit(3);
        _exit(waitpid(c, NULL, 0) == c ? 4 : 5);
    });
    follow("fork", forks, all);
    TRACEE(vforks, {
        signal(SIGCHLD, SIG_IGN);
        pid_t c = vfork();
        if (c == 0)
            _exit(3);
        _exit(4);
    });
    follow("vfork", vforks, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT);
    TRACEE(clones, {
        pid_t c = (pid_t)syscall(SYS_clone, SIGUSR2, 0, 0, 0, 0);
        if (c == 0)
            _exit(3);
        _exit(waitpid(c, NULL, __WCLONE) == c ? 4 : 5);
    });
    follow("clone", clones, all);
}

static void seized_fork(void)
{
    int p[2];
    if (pipe(p))
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        hear(p[0]);
        pid_t c = fork();
        if (c == 0)
            _exit(3);
        _exit(waitpid(c, NULL, 0) == c ? 4 : 5);
    }
    ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEFORK);
    tell(p[1]);
    trace_wait("fork of one seized", pid);
    unsigned long child = 0;
    ptrace(PTRACE_GETEVENTMSG, pid, 0, &child);
    trace_wait("its child stops by an event", (pid_t)child);
    trace_show_siginfo("siginfo", (pid_t)child);
    ptrace(PTRACE_DETACH, (pid_t)child, 0, 0);
    ptrace(PTRACE_CONT, pid, 0, 0);
    int status = trace_wait("next", pid);
    while (WIFSTOPPED(status)) {
        ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status));
        status = trace_wait("next", pid);
    }
}

static char *self_path;

static void *exec_in_thread(void *arg)
{
    (void)arg;
    char *const argv[] = {self_path, "exit", NULL};
    execv("/proc/self/exe", argv);
    return NULL;
}

static void execs(void)
{
    TRACEE(plain, exec_in_thread(NULL));
    ptrace(PTRACE_CONT, plain, 0, 0);
    trace_wait("exec", plain);
    trace_show_siginfo("siginfo", plain);
    ptrace(PTRACE_CONT, plain, 0, 0);
    trace_wait("end", plain);

    TRACEE(event, exec_in_thread(NULL));
    ptrace(PTRACE_SETOPTIONS, event, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD);
    ptrace(PTRACE_CONT, event, 0, 0);
    trace_wait("exec", event);
    show_message("message is the thread", event, event);
    trace_show_siginfo("siginfo", event);
    ptrace(PTRACE_SYSCALL, event, 0, 0);
    trace_wait("the call's exit", event);
    show_call_info("it succeeded", event);
    ptrace(PTRACE_CONT, event, 0, 0);
    trace_wait("end", event);

    // A thread that is not the leader takes the leader's place.
    TRACEE(threaded, {
        pthread_t t;
        pthread_create(&t, NULL, exec_in_thread, NULL);
        for (;;)
            pause();
    });
    ptrace(PTRACE_SETOPTIONS, threaded, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE);
    ptrace(PTRACE_CONT, threaded, 0, 0);
    trace_wait("clone", threaded);
    unsigned long thread = 0;
    ptrace(PTRACE_GETEVENTMSG, threaded, 0, &thread);
    ptrace(PTRACE_CONT, threaded, 0, 0);
    trace_wait("thread", (pid_t)thread);
    ptrace(PTRACE_CONT, (pid_t)thread, 0, 0);
    trace_wait("exec is the leader's now", threaded);
    show_message("message is the thread's old number", threaded, (long)thread);
    SHOW("which is gone", "%d", waitpid((pid_t)thread, NULL, __WALL | WNOHANG));
    ptrace(PTRACE_CONT, threaded, 0, 0);
    trace_wait("end", threaded);
}

static void exits(void)
{
    TRACEE(pid, _exit(42));
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("exit", pid);
    show_message("message is the status", pid, 42 << 8);
    RESULT("its memory is there", PTRACE_PEEKDATA, pid, &self_path, &(unsigned long){0});
    ptrace(PTRACE_CONT, pid, 0, SIGUSR1);
    trace_wait("end", pid);
}

// --- Seccomp -------------------------------------------------------------------------------------

static void install_filter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 99),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {sizeof code / sizeof *code, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
        _exit(9);
}

static void seccomp(void)
{
    IN_CHILD("without a tracer", {
        install_filter();
        show_call("getppid", syscall(SYS_getppid));
    });
    TRACEE(pid, {
        install_filter();
        show_call("without the option", syscall(SYS_getppid));
        raise(SIGUSR1);
        SHOW("allowed", "%d", syscall(SYS_getppid) > 0);
        show_call("skipped", syscall(SYS_getppid));
        show_call("changed to one forbidden", syscall(SYS_getppid));
        show_call("changed to another", syscall(SYS_getppid) == getpid());
    });
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("signal", pid);
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("event", pid);
    show_message("message is the filter's data", pid, 99);
    trace_show_siginfo("siginfo", pid);
    show_call_info("the call", pid);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("event", pid);
    struct user_regs_struct regs;
    set_call(pid, -1);
    trace_get_regs(pid, &regs);
    RET(regs) = 66;
    trace_set_regs(pid, &regs);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("event", pid);
    set_call(pid, SYS_getuid);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("event", pid);
    set_call(pid, SYS_getpid);
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    trace_wait("its exit", pid);
    ptrace(PTRACE_CONT, pid, 0, 0);
    show_end("end", pid);
}

// --- Memory, registers, steps --------------------------------------------------------------------

static volatile long word = 0x1122334455667788;
static const volatile long constant = 0x0102030405060708;

static void memory(void)
{
    void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRACEE(pid, {
        SHOW("the tracee's word", "%#lx", word);
        SHOW("and constant", "%#lx", constant);
    });
    long got = 0;
    RESULT("peek", PTRACE_PEEKDATA, pid, &word, &got);
    SHOW("word", "%#lx", got);
    RESULT("unaligned peek", PTRACE_PEEKTEXT, pid, (unsigned long)&word + 4, &got);
    RESULT("peek at nothing", PTRACE_PEEKDATA, pid, 16, &got);
    RESULT("peek to nowhere", PTRACE_PEEKDATA, pid, &word, 16);
    RESULT("peek at PROT_NONE", PTRACE_PEEKDATA, pid, none, &got);
    RESULT("poke", PTRACE_POKEDATA, pid, &word, 0xabcdef);
    RESULT("poke at a constant", PTRACE_POKETEXT, pid, &constant, 0x77);
    RESULT("poke at nothing", PTRACE_POKEDATA, pid, 16, 1);
    SHOW("our own copy", "%#lx %#lx", word, constant);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    FILE *mem = fopen(path, "r+");
    SHOW("mem opens", "%d", mem != NULL);
    if (mem) {
        long value = 0x99;
        fseek(mem, (long)&constant, SEEK_SET);
        SHOW("write to a constant", "%zu", fwrite(&value, 1, sizeof value, mem));
        SHOW("flush", "%d", fflush(mem));
        fclose(mem);
    }
    ptrace(PTRACE_CONT, pid, 0, 0);
    show_end("end", pid);
}

static void registers(void)
{
    TRACEE(pid, _exit(1));
    struct user_regs_struct regs;
    struct iovec iov = {&regs, sizeof regs + 64};
    RESULT("more than there is", PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov);
    SHOW("length", "%d", iov.iov_len == sizeof regs);
    iov.iov_len = 16;
    RESULT("a part", PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov);
    iov.iov_len = 12;
    RESULT("not whole registers", PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov);
    iov.iov_len = 0;
    RESULT("nothing", PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov);
    iov.iov_len = sizeof regs;
    RESULT("an unknown set", PTRACE_GETREGSET, pid, 0x7777, &iov);
    RESULT("iovec nowhere", PTRACE_GETREGSET, pid, NT_PRSTATUS, 8);
    iov.iov_base = (void *)8;
    RESULT("registers nowhere", PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov);
    RESULT("from nowhere", PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov);
    char fp[4096];
    iov = (struct iovec){fp, sizeof fp};
    RESULT("floating point", PTRACE_GETREGSET, pid, NT_PRFPREG, &iov);
    RESULT("and back", PTRACE_SETREGSET, pid, NT_PRFPREG, &iov);
    ptrace(PTRACE_CONT, pid, 0, 0);
    show_end("end", pid);
}

__attribute__((noinline)) static int counted(int n)
{
    int sum = 0;
    for (volatile int i = 0; i < n; i++)
        sum += i;
    return sum;
}

static void on_step(int sig)
{
    (void)sig;
}

static void steps(void)
{
    TRACEE(pid, _exit(counted(20) & 0x7f));
    int count = 0, status = 0;
    struct user_regs_struct regs;
    bool moved = true;
    unsigned long before = 0;
    for (; count < 20000; count++) {
        if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0 || waitpid(pid, &status, 0) != pid)
            break;
        if (!WIFSTOPPED(status))
            break;
        if (WSTOPSIG(status) != SIGTRAP)
            SHOW("unexpected", "%d", WSTOPSIG(status));
        trace_get_regs(pid, &regs);
        moved &= PC(regs) != before;
        before = PC(regs);
        if (count == 100)
            trace_show_siginfo("siginfo of a step", pid);
    }
    SHOW("many steps", "%d", count > 60);
    SHOW("each moves", "%d", moved);
    SHOW("end", "%s", status_text(status));

    // Into a handler: the stop is at its first instruction.
    signal(SIGUSR1, on_step);
    TRACEE(handler, raise(SIGUSR1));
    ptrace(PTRACE_CONT, handler, 0, 0);
    trace_wait("signal", handler);
    ptrace(PTRACE_SINGLESTEP, handler, 0, SIGUSR1);
    trace_wait("step", handler);
    trace_get_regs(handler, &regs);
    SHOW("at the handler", "%d", PC(regs) == (unsigned long)on_step);
    ptrace(PTRACE_CONT, handler, 0, 0);
    show_end("end", handler);
}

// A breakpoint, put there and taken away by the tracer.
static void breakpoint(void)
{
    TRACEE(pid, _exit(counted(3)));
    unsigned long at = (unsigned long)counted, old = 0;
#if defined(__x86_64__)
    const unsigned long mask = 0xff, insn = 0xcc;
#else
    const unsigned long mask = 0xffffffff, insn = 0xd4200000;
#endif
    trace_call(PTRACE_PEEKTEXT, pid, at, (unsigned long)&old);
    RESULT("insert", PTRACE_POKETEXT, pid, at, (old & ~mask) | insn);
    ptrace(PTRACE_CONT, pid, 0, 0);
    trace_wait("hit", pid);
    struct user_regs_struct regs;
    trace_get_regs(pid, &regs);
    SHOW("there", "%d", PC(regs) == at + STEP_BACK);
    RESULT("remove", PTRACE_POKETEXT, pid, at, old);
    PC(regs) = at;
    trace_set_regs(pid, &regs);
    ptrace(PTRACE_CONT, pid, 0, 0);
    show_end("end", pid);
}

static void body(void)
{
    stops();
    changes();
    emulation();
    restarts();
    events();
    seized_fork();
    execs();
    exits();
    seccomp();
    memory();
    registers();
    steps();
    breakpoint();
}

int main(int argc, char **argv)
{
    self_path = argv[0];
    if (argc > 1)
        return 6;
    return run_as_child(body);
}
