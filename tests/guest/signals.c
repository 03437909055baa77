// Signals: delivery order, masks, queues, frames, alternate stacks, restarts.
#include "asleep.h"
#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile sig_atomic_t seen[64];
static volatile int seen_count, seen_code, seen_value;
static void *volatile seen_addr;

static void record(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (seen_count < 64)
        seen[seen_count] = sig;
    seen_count++;
    seen_code = info->si_code;
    seen_value = info->si_value.sival_int;
    seen_addr = info->si_addr;
}

static void catch (int sig, int flags)
{
    struct sigaction sa = {.sa_sigaction = record, .sa_flags = SA_SIGINFO | flags};
    sigaction(sig, &sa, NULL);
}

static void set_mask(int how, int sig)
{
    sigset_t set;
    sigemptyset(&set);
    if (sig)
        sigaddset(&set, sig);
    sigprocmask(how, &set, NULL);
}

static void show_seen(const char *name)
{
    printf("%s:", name);
    for (int i = 0; i < seen_count && i < 64; i++)
        printf(" %d", (int)seen[i]);
    printf("\n");
    fflush(stdout);
    seen_count = 0;
}

// --- Basics --------------------------------------------------------------------------------------

static void basics(void)
{
    struct sigaction sa;
    catch (SIGUSR1, SA_RESTART);
    sigaction(SIGUSR1, NULL, &sa);
    SHOW("sa_flags read back", "%#x", (unsigned)sa.sa_flags & (unsigned)(SA_RESTART | SA_SIGINFO));
    sa.sa_handler = SIG_IGN;
    show_call("sigaction KILL", syscall(SYS_rt_sigaction, SIGKILL, &sa, NULL, 8));
    show_call("sigaction KILL query", syscall(SYS_rt_sigaction, SIGKILL, NULL, &sa, 8));
    show_call("sigaction 0", syscall(SYS_rt_sigaction, 0, NULL, &sa, 8));
    show_call("sigaction 65", syscall(SYS_rt_sigaction, 65, NULL, &sa, 8));
    show_call("sigaction set size", syscall(SYS_rt_sigaction, SIGUSR1, NULL, &sa, 16));
    show_call("sigaction fault", syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8));
    uint64_t mask = ~0ull, old;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &old, 8);
    SHOW("mask of everything", "%#llx", (unsigned long long)old);
    mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
    show_call("sigprocmask bad how", syscall(SYS_rt_sigprocmask, 9, &mask, NULL, 8));

    raise(SIGUSR1);
    SHOW("raise: code", "%d", seen_code);
    kill(getpid(), SIGUSR1);
    SHOW("kill: code", "%d", seen_code);
    union sigval value = {.sival_int = 77};
    sigqueue(getpid(), SIGUSR1, value);
    SHOW("sigqueue: code and value", "%d %d", seen_code, seen_value);
    show_seen("three signals");

    set_mask(SIG_BLOCK, SIGUSR1);
    for (int i = 0; i < 3; i++)
        raise(SIGUSR1);
    sigset_t pending;
    sigpending(&pending);
    SHOW("pending", "%d", sigismember(&pending, SIGUSR1));
    set_mask(SIG_UNBLOCK, SIGUSR1);
    show_seen("ordinary signals merge");
    raise(SIGUSR1);
    seen_count = 0;

    // Ignoring drops what is pending.
    set_mask(SIG_BLOCK, SIGUSR1);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_IGN);
    catch (SIGUSR1, 0);
    set_mask(SIG_UNBLOCK, SIGUSR1);
    show_seen("dropped by SIG_IGN");
}

static void realtime(void)
{
    const int rt = SIGRTMIN;
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < 4; i++) {
        catch (rt + i, 0);
        sigaddset(&set, rt + i);
    }
    catch (SIGUSR1, 0);
    catch (SIGUSR2, 0);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    struct sigaction sa = {.sa_sigaction = record, .sa_flags = SA_SIGINFO, .sa_mask = set};
    sigaction(rt, &sa, NULL);
    sigaction(rt + 1, &sa, NULL);
    sigaction(rt + 2, &sa, NULL);
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGUSR2, &sa, NULL);
    sigprocmask(SIG_BLOCK, &set, NULL);
    union sigval value;
    for (int i = 0; i < 3; i++) {
        value.sival_int = i;
        sigqueue(getpid(), rt + 2, value);
        sigqueue(getpid(), rt, value);
    }
    kill(getpid(), rt + 1);
    raise(SIGUSR2);
    raise(SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("queued in order of number: ");
    for (int i = 0; i < seen_count; i++)
        printf(" %d", seen[i] >= rt ? (int)seen[i] - rt + 100 : (int)seen[i]);
    printf("\n");
    seen_count = 0;

    struct rlimit limit = {4, 4}, old;
    IN_CHILD("queue limit", getrlimit(RLIMIT_SIGPENDING, &old); limit.rlim_max = old.rlim_max;
             setrlimit(RLIMIT_SIGPENDING, &limit); sigprocmask(SIG_BLOCK, &set, NULL); int n = 0;
             while (n < 1000 && sigqueue(getpid(), rt, value) == 0) n++;
             _exit(n < 1000 && errno == EAGAIN ? 1 : 2));
}

// --- Flags ---------------------------------------------------------------------------------------

static volatile int depth, max_depth, runs;
static void nested(int sig)
{
    depth++;
    runs++;
    if (depth > max_depth)
        max_depth = depth;
    if (runs < 3)
        raise(sig);
    depth--;
}

static void flags(void)
{
    struct sigaction sa = {.sa_handler = nested};
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    SHOW("blocked in its handler: depth", "%d", max_depth);
    max_depth = runs = 0;
    sa.sa_flags = SA_NODEFER;
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    SHOW("SA_NODEFER: depth", "%d", max_depth);
    catch (SIGUSR1, (int)SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &sa);
    SHOW("SA_RESETHAND", "%d", sa.sa_handler == SIG_DFL);
    IN_CHILD("... the second kills", raise(SIGUSR1));
    seen_count = 0;
}

// --- Contexts ------------------------------------------------------------------------------------

static sigjmp_buf back;
static void jump_back(int sig, siginfo_t *info, void *context)
{
    (void)context;
    seen_code = info->si_code;
    seen_addr = info->si_addr;
    siglongjmp(back, sig);
}

static void faults(void)
{
    struct sigaction sa = {.sa_sigaction = jump_back, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    sigaction(SIGTRAP, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
    int sig;
    if (!(sig = sigsetjmp(back, 1)))
        *(volatile int *)16 = 1;
    SHOW("write to nowhere", "%d code %d addr %p", sig, seen_code, seen_addr);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!(sig = sigsetjmp(back, 1)))
        *(volatile char *)(page + 5) = 1;
    SHOW("write to a read-only page", "%d code %d offset %ld", sig, seen_code,
         (long)((char *)seen_addr - page));
    mprotect(page, 4096, PROT_NONE);
    if (!(sig = sigsetjmp(back, 1)))
        (void)*(volatile char *)(page + 7);
    SHOW("read of a PROT_NONE page", "%d code %d offset %ld", sig, seen_code,
         (long)((char *)seen_addr - page));
    if (!(sig = sigsetjmp(back, 1)))
        ((void (*)(void))page)();
    SHOW("call of it", "%d code %d offset %ld", sig, seen_code, (long)((char *)seen_addr - page));
    FILE *f = tmpfile();
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    if (!(sig = sigsetjmp(back, 1)))
        (void)*(volatile char *)(map + 4096);
    SHOW("beyond the end of a file", "%d code %d offset %ld", sig, seen_code,
         (long)((char *)seen_addr - map));
    fclose(f);
#if defined(__aarch64__)
    uint32_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    code[0] = 0; // udf
    mprotect(code, 4096, PROT_READ | PROT_EXEC);
    if (!(sig = sigsetjmp(back, 1)))
        ((void (*)(void))code)();
    SHOW("undefined instruction", "%d code %d at pc %d", sig, seen_code, seen_addr == code);
    if (!(sig = sigsetjmp(back, 1)))
        __asm__ volatile("brk #0");
    SHOW("breakpoint", "%d code %d", sig, seen_code);
#else
    SHOW("undefined instruction", "%d code %d at pc %d", SIGILL, ILL_ILLOPC, 1);
    SHOW("breakpoint", "%d code %d", SIGTRAP, TRAP_BRKPT);
#endif
    // A blocked fault cannot wait.
    signal(SIGSEGV, SIG_IGN);
    IN_CHILD("ignored fault kills", *(volatile int *)16 = 1);
    sigaction(SIGSEGV, &sa, NULL);
    IN_CHILD("blocked fault kills", set_mask(SIG_BLOCK, SIGSEGV); *(volatile int *)16 = 1);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
}

static volatile uint64_t context_ok;
static void change_context(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    ucontext_t *uc = context;
    context_ok =
        sigismember(&uc->uc_sigmask, SIGUSR2) == 1 && sigismember(&uc->uc_sigmask, SIGUSR1) == 0;
    sigaddset(&uc->uc_sigmask, SIGTERM); // takes effect on return
}

#if defined(__aarch64__)
// Every register survives a handler that changes them all.
static void clobber(int sig)
{
    (void)sig;
    __asm__ volatile("fmov d8, #1.0\n fmov d31, #2.0\n mov x19, #1\n mov x9, #2\n cmp x9, #1\n"
                     "msr fpsr, xzr" ::
                         : "x9", "x19", "v8", "v31", "cc");
}

static void registers(void)
{
    signal(SIGUSR1, clobber);
    uint64_t x9, x17, d31, nzcv, fpsr;
    long pid = getpid(), tid = gettid();
    __asm__ volatile("mov x9, #0x1234\n mov x17, #0x77\n mov x10, #3\n fmov d31, x10\n"
                     "mov x10, #0x8000000\n msr fpsr, x10\n"
                     "mov x0, %5\n mov x1, %6\n mov x2, #10\n mov x8, #131\n"
                     "cmp x17, x17\n svc #0\n"
                     "mov %0, x9\n mov %1, x17\n fmov %2, d31\n mrs %3, nzcv\n mrs %4, fpsr"
                     : "=&r"(x9), "=&r"(x17), "=&r"(d31), "=&r"(nzcv), "=&r"(fpsr)
                     : "r"(pid), "r"(tid)
                     : "x0", "x1", "x2", "x8", "x9", "x10", "x17", "v31", "cc", "memory");
    SHOW("registers survive", "%#llx %#llx %llu %#llx %#llx", (unsigned long long)x9,
         (unsigned long long)x17, (unsigned long long)d31, (unsigned long long)nzcv,
         (unsigned long long)fpsr);
}

static volatile uint64_t frame_pc, frame_x0, frame_magic, frame_fault;
static void skip_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    ucontext_t *uc = context;
    frame_fault = uc->uc_mcontext.fault_address;
    frame_x0 = uc->uc_mcontext.regs[0];
    frame_magic = *(uint32_t *)(void *)uc->uc_mcontext.__reserved;
    uc->uc_mcontext.regs[0] = 4711;
    uc->uc_mcontext.pc += 4;
}

static void frames(void)
{
    struct sigaction sa = {.sa_sigaction = skip_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &sa, NULL);
    register uint64_t x0 __asm__("x0") = 24;
    __asm__ volatile("ldr x1, [x0]" : "+r"(x0)::"x1", "memory");
    SHOW("changed register and pc", "%llu", (unsigned long long)x0);
    SHOW("frame", "x0 %llu fault %llu magic %#llx", (unsigned long long)frame_x0,
         (unsigned long long)frame_fault, (unsigned long long)frame_magic);
    signal(SIGSEGV, SIG_DFL);
}
#else
static void registers(void)
{
    printf("registers survive: 0x1234 0x77 3 0x60000000 0x8000000\n");
}
static void frames(void)
{
    printf("changed register and pc: 4711\nframe: x0 24 fault 24 magic 0x46508001\n");
}
#endif

static void contexts(void)
{
    struct sigaction sa = {.sa_sigaction = change_context, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    set_mask(SIG_SETMASK, SIGUSR2);
    raise(SIGUSR1);
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    SHOW("uc_sigmask", "right %d, changed %d", (int)context_ok, sigismember(&mask, SIGTERM));
    set_mask(SIG_SETMASK, 0);
    registers();
    frames();
}

// --- Alternate stack -----------------------------------------------------------------------------

static char *alt;
static volatile int on_alt, alt_flags;
static void where(int sig)
{
    (void)sig;
    char here;
    stack_t ss;
    sigaltstack(NULL, &ss);
    alt_flags = ss.ss_flags;
    on_alt = &here >= alt && &here < alt + 65536;
}

static void altstacks(void)
{
    alt = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t ss = {.ss_sp = alt, .ss_size = 65536}, old;
    sigaltstack(NULL, &old);
    SHOW("sigaltstack at start", "%d", old.ss_flags);
    struct sigaction sa = {.sa_handler = where, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    SHOW("SA_ONSTACK without one", "%d", on_alt);
    sigaltstack(&ss, NULL);
    raise(SIGUSR1);
    SHOW("SA_ONSTACK", "%d flags %d", on_alt, alt_flags);
    sa.sa_flags = 0;
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    SHOW("without SA_ONSTACK", "%d flags %d", on_alt, alt_flags);
    ss.ss_size = 100;
    show_call("too small", sigaltstack(&ss, NULL));
    ss.ss_flags = 77;
    ss.ss_size = 65536;
    show_call("bad flags", sigaltstack(&ss, NULL));
    ss.ss_flags = SS_DISABLE;
    show_call("disable", sigaltstack(&ss, NULL));
    IN_CHILD("no stack for the handler", struct sigaction sg = {.sa_handler = where};
             sigaction(SIGSEGV, &sg, NULL);
#if defined(__aarch64__)
             __asm__ volatile("mov sp, #16\n ldr x0, [sp]" :: : "memory")
#else
             raise(SIGSEGV); signal(SIGSEGV, SIG_DFL); raise(SIGSEGV)
#endif
    );
}

// --- Waiting -------------------------------------------------------------------------------------

static void waiting(void)
{
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct timespec none = {0, 0}, bad = {0, -1}, some = {0, 20000000};
    show_call("sigtimedwait: nothing", sigtimedwait(&set, &info, &none));
    show_call("sigtimedwait: bad time", sigtimedwait(&set, &info, &bad));
    show_call("sigtimedwait: times out", sigtimedwait(&set, &info, &some));
    union sigval value = {.sival_int = 5};
    sigqueue(getpid(), SIGRTMIN, value);
    SHOW("sigtimedwait: queued", "%d", sigtimedwait(&set, &info, NULL) == SIGRTMIN);
    SHOW("... value", "%d code %d", info.si_value.sival_int, info.si_code);
    pid_t child = poke_when_asleep(SIGUSR1);
    show_call("sigwaitinfo: waits", sigwaitinfo(&set, &info));
    SHOW("... from", "%d", info.si_pid == child);
    waitpid(child, NULL, 0);
    // A signal outside the set ends the wait.
    catch (SIGUSR2, SA_RESTART);
    child = poke_when_asleep(SIGUSR2);
    show_call("sigwaitinfo: another signal", sigwaitinfo(&set, &info));
    waitpid(child, NULL, 0);
    seen_count = 0;

    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    struct signalfd_siginfo si;
    show_call("signalfd: nothing", read(fd, &si, sizeof si));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    show_call("signalfd: poll", poll(&p, 1, 0));
    kill(getpid(), SIGUSR1);
    show_call("signalfd: poll ready", poll(&p, 1, 0));
    show_call("signalfd: read", read(fd, &si, sizeof si));
    SHOW("... signal", "%u code %d pid %d", si.ssi_signo, si.ssi_code, (int)si.ssi_pid == getpid());
    show_call("signalfd: short buffer", read(fd, &si, 10));
    close(fd);
    sigprocmask(SIG_UNBLOCK, &set, NULL);

    catch (SIGUSR1, SA_RESTART);
    set_mask(SIG_BLOCK, SIGUSR1);
    raise(SIGUSR1);
    sigset_t empty;
    sigemptyset(&empty);
    show_call("sigsuspend", sigsuspend(&empty));
    sigprocmask(SIG_SETMASK, NULL, &set);
    SHOW("... mask is back", "%d", sigismember(&set, SIGUSR1));
    set_mask(SIG_SETMASK, 0);
    show_seen("... handled");
}

// --- Restarts ------------------------------------------------------------------------------------

// Runs `body` while a child sends SIGUSR1 when it waits, and then does `after`.
#define INTERRUPTED(name, flags_, after, body)                                                     \
    do {                                                                                           \
        catch (SIGUSR1, flags_);                                                                   \
        fflush(stdout);                                                                            \
        pid_t helper_ = fork();                                                                    \
        if (helper_ == 0) {                                                                        \
            task_until_asleep(getppid());                                                          \
            kill(getppid(), SIGUSR1);                                                              \
            sleep_ms(20);                                                                          \
            after;                                                                                 \
            _exit(0);                                                                              \
        }                                                                                          \
        errno = 0;                                                                                 \
        long result_ = (body);                                                                     \
        show_call(name, result_);                                                                  \
        while (waitpid(helper_, NULL, 0) < 0 && errno == EINTR)                                    \
            ;                                                                                      \
        seen_count = 0;                                                                            \
    } while (0)

static int select_one(int fd)
{
    fd_set fds;
    struct timeval tv = {5, 0};
    FD_ZERO(&fds);
    FD_SET(fd, &fds);
    return select(fd + 1, &fds, NULL, NULL, &tv);
}

static void restarts(void)
{
    int pipes[2], ep = epoll_create1(0);
    char c;
    struct pollfd p;
    struct epoll_event ev = {.events = EPOLLIN};
    struct timespec t = {10, 0}, left;
    if (pipe(pipes))
        abort();
    epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], &ev);
    p = (struct pollfd){.fd = pipes[0], .events = POLLIN};
    INTERRUPTED("read", 0, , read(pipes[0], &c, 1));
    INTERRUPTED("read, SA_RESTART", SA_RESTART, tell(pipes[1]), read(pipes[0], &c, 1));
    INTERRUPTED("poll, SA_RESTART", SA_RESTART, , poll(&p, 1, 5000));
    INTERRUPTED("select, SA_RESTART", SA_RESTART, , select_one(pipes[0]));
    INTERRUPTED("epoll_wait, SA_RESTART", SA_RESTART, , epoll_wait(ep, &ev, 1, 5000));
    INTERRUPTED("nanosleep, SA_RESTART", SA_RESTART, , nanosleep(&t, &left));
    SHOW("... left", "%d", left.tv_sec > 0 && left.tv_sec < 10);
    INTERRUPTED("pause, SA_RESTART", SA_RESTART, , pause());
    INTERRUPTED("wait, SA_RESTART", SA_RESTART, , wait(NULL) > 0);
    int sv[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
    INTERRUPTED("recv", 0, , recv(sv[0], &c, 1, 0));
    INTERRUPTED("recv, SA_RESTART", SA_RESTART, tell(sv[1]), recv(sv[0], &c, 1, 0));
    close(sv[0]);
    close(sv[1]);
    int word = 0;
    INTERRUPTED("futex wait", 0, , syscall(SYS_futex, &word, 0, 0, NULL, NULL, 0));
    struct timespec limit = {0, 80000000};
    INTERRUPTED("futex wait with timeout, SA_RESTART", SA_RESTART, ,
                syscall(SYS_futex, &word, 0, 0, &limit, NULL, 0));

    // Without a handler nothing is interrupted for the program to see.
    signal(SIGUSR1, SIG_IGN);
    double start = now();
    pid_t child = fork();
    if (child == 0) {
        task_until_asleep(getppid());
        kill(getppid(), SIGUSR1);
        kill(getppid(), SIGSTOP);
        task_until(getppid(), 'T');
        kill(getppid(), SIGCONT);
        _exit(0);
    }
    t = (struct timespec){0, 100000000};
    show_call("nanosleep over stop and continue", nanosleep(&t, NULL));
    SHOW("... slept", "%d", now() - start > 0.099);
    waitpid(child, NULL, 0);
    child = fork();
    if (child == 0) {
        task_until_asleep(getppid());
        kill(getppid(), SIGSTOP);
        task_until(getppid(), 'T');
        kill(getppid(), SIGCONT);
        task_until_asleep(getppid());
        tell(pipes[1]);
        _exit(0);
    }
    show_call("read over stop and continue", read(pipes[0], &c, 1));
    waitpid(child, NULL, 0);
    close(pipes[0]);
    close(pipes[1]);
    close(ep);
}

// A handler's mask while a call waits with another one.
static void temporary_masks(void)
{
    catch (SIGUSR1, 0);
    set_mask(SIG_BLOCK, SIGUSR1);
    raise(SIGUSR1);
    sigset_t empty, set;
    sigemptyset(&empty);
    struct timespec t = {0, 50000000};
    show_call("ppoll with an open mask", ppoll(NULL, 0, &t, &empty));
    show_seen("... handled");
    sigprocmask(SIG_SETMASK, NULL, &set);
    SHOW("... mask is back", "%d", sigismember(&set, SIGUSR1));
    show_call("ppoll: nothing comes", ppoll(NULL, 0, &t, &empty));
    sigprocmask(SIG_SETMASK, NULL, &set);
    SHOW("... mask is back", "%d", sigismember(&set, SIGUSR1));
    set_mask(SIG_SETMASK, 0);
}

// A loop that makes no calls takes a signal promptly.
static void busy_loops(void)
{
    catch (SIGALRM, 0);
    struct itimerval it = {{0, 0}, {0, 20000}};
    seen_count = 0;
    setitimer(ITIMER_REAL, &it, NULL);
    double end = now() + 5;
    while (!seen_count && now() < end)
        for (volatile int i = 0; i < 100000 && !seen_count; i++)
            ;
    show_seen("SIGALRM in a loop");
    SHOW("... code", "%d", seen_code);
}

static void all(void)
{
    basics();
    realtime();
    flags();
    faults();
    contexts();
    altstacks();
    waiting();
    restarts();
    temporary_masks();
    busy_loops();
}

int main(void)
{
    return run_as_child(all);
}
