// Signals on hard ground: nested handlers, stacks that end, frames that are changed or wrong, jumps
// out of handlers, and signals into loops that make no calls.
#include "probe.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigaction(sig, &sa, NULL);
}

// --- Nesting -------------------------------------------------------------------------------------

static char story[256];
static volatile size_t told; // changed by handlers while raise(3) runs

static void note(char c)
{
    if (told + 1 < sizeof story)
        story[told++] = c;
}

static const char *end_of_story(void)
{
    story[told] = 0;
    told = 0;
    return story;
}

static int masked(int sig)
{
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    return sigismember(&set, sig);
}

static void inner(int sig, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    note(sig == SIGUSR2 ? 'b' : 'c');
    note(masked(SIGUSR1) ? '1' : '0');
    note(masked(SIGUSR2) ? '1' : '0');
    if (sig == SIGUSR2)
        raise(SIGHUP);
    note(sig == SIGUSR2 ? 'B' : 'C');
}

static void outer(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    note('a');
    raise(SIGUSR1); // blocked while we run: comes when we return
    raise(SIGUSR2);
    note('A');
    handle(SIGUSR1, inner, 0);
}

static void nesting(void)
{
    sigset_t set, old;
    handle(SIGUSR1, outer, 0);
    handle(SIGUSR2, inner, 0);
    handle(SIGHUP, inner, 0);
    raise(SIGUSR1);
    SHOW("handlers within handlers", "%s", end_of_story());
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR2);
    raise(SIGHUP);
    raise(SIGUSR1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    SHOW("three at once", "%s", end_of_story());
    struct sigaction sa = {.sa_sigaction = inner, .sa_flags = SA_SIGINFO};
    sigaddset(&sa.sa_mask, SIGUSR2);
    sigaction(SIGHUP, &sa, NULL);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR2);
    raise(SIGHUP);
    sigprocmask(SIG_SETMASK, &old, NULL);
    SHOW("the mask of one holds another back", "%s", end_of_story());
}

// --- Stacks --------------------------------------------------------------------------------------

static sigjmp_buf escape;
static char *alt;
enum { ALT_SIZE = 1 << 16, PAGE = 4096 };

static void use_alt(void)
{
    alt = mmap(NULL, ALT_SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(alt, PAGE, PROT_NONE);
    stack_t ss = {.ss_sp = alt + PAGE, .ss_size = ALT_SIZE};
    sigaltstack(&ss, NULL);
}

static int on_alt(void)
{
    char here;
    uintptr_t at = (uintptr_t)&here, from = (uintptr_t)alt + PAGE;
    return at >= from && at < from + ALT_SIZE;
}

static volatile int forever = 1;

static __attribute__((noinline)) int recurse(volatile char *above)
{
    volatile char here[512];
    here[0] = above ? above[0] : 1;
    return forever ? recurse(here) + here[0] : 0;
}

static volatile int was_on_alt;

static void jump(int sig, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    was_on_alt = on_alt();
    siglongjmp(escape, sig);
}

static volatile int faults;

static void fault_again(int sig, siginfo_t *info, void *context)
{
    (void)context;
    was_on_alt = on_alt();
    if (++faults < 4)
        *(volatile char *)8 = 1;
    jump(sig, info, NULL);
}

static void run_down_alt(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    recurse(NULL);
}

static void stacks(void)
{
    stack_t now;
    struct rlimit small = {1 << 20, 1 << 20};
    use_alt();
    IN_CHILD("stack overflow without a second stack", setrlimit(RLIMIT_STACK, &small);
             stack_t none = {.ss_flags = SS_DISABLE}; sigaltstack(&none, NULL);
             handle(SIGSEGV, jump, SA_ONSTACK); recurse(NULL));
    handle(SIGSEGV, jump, SA_ONSTACK);
    for (volatile int i = 0; i < 3; i++) {
        int sig = sigsetjmp(escape, 1);
        if (!sig)
            recurse(NULL);
        SHOW("stack overflow", "%d on the second stack %d", sig, was_on_alt);
        sigaltstack(NULL, &now);
        SHOW("... flags after the jump", "%d", now.ss_flags);
        SHOW("... mask after the jump", "%d", masked(SIGSEGV));
    }
    handle(SIGSEGV, fault_again, SA_ONSTACK | SA_NODEFER);
    int sig = sigsetjmp(escape, 1);
    if (!sig)
        *(volatile char *)8 = 1;
    SHOW("faults in the handler, SA_NODEFER", "%d times, on the second stack %d", faults,
         was_on_alt);
    faults = 0;
    IN_CHILD("fault in the handler", handle(SIGSEGV, fault_again, SA_ONSTACK);
             *(volatile char *)8 = 1);
    IN_CHILD("fault while SIGSEGV is blocked", sigset_t set; sigfillset(&set);
             sigprocmask(SIG_SETMASK, &set, NULL); *(volatile char *)8 = 1);
    IN_CHILD("fault while SIGSEGV is ignored", signal(SIGSEGV, SIG_IGN); *(volatile char *)8 = 1);
    IN_CHILD("kill while SIGSEGV is ignored", signal(SIGSEGV, SIG_IGN); raise(SIGSEGV));
    IN_CHILD("the second stack overflows", signal(SIGSEGV, SIG_DFL);
             handle(SIGUSR1, run_down_alt, SA_ONSTACK); raise(SIGUSR1));
    mprotect(alt, ALT_SIZE + PAGE, PROT_NONE);
    IN_CHILD("no memory in the second stack", handle(SIGUSR1, jump, SA_ONSTACK);
             signal(SIGSEGV, SIG_DFL); raise(SIGUSR1));
    handle(SIGSEGV, jump, 0);
    handle(SIGUSR1, run_down_alt, SA_ONSTACK);
    sig = sigsetjmp(escape, 1);
    if (!sig)
        raise(SIGUSR1);
    SHOW("no memory in the second stack, SIGSEGV handled", "%d", sig);
    mprotect(alt + PAGE, ALT_SIZE, PROT_READ | PROT_WRITE);
    signal(SIGSEGV, SIG_DFL);
    IN_CHILD("a wrong frame", syscall(SYS_rt_sigreturn));
}

// --- Frames --------------------------------------------------------------------------------------

// Doubles what vector register 8 holds in its low half.
static void change_vector(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    ucontext_t *uc = context;
    uint64_t *low = NULL;
#if defined(__aarch64__)
    struct head {
        uint32_t magic, size;
    } *h = (struct head *)uc->uc_mcontext.__reserved;
    while (h->magic && h->magic != FPSIMD_MAGIC)
        h = (struct head *)((char *)h + h->size);
    if (h->magic)
        low = (uint64_t *)&((struct fpsimd_context *)h)->vregs[8];
#elif defined(__x86_64__)
    low = (uint64_t *)&uc->uc_mcontext.fpregs->_xmm[8];
#endif
    if (low)
        *low *= 2;
}

static void frames(void)
{
    uint64_t value = 21;
    handle(SIGUSR1, change_vector, 0);
    pid_t pid = getpid();
#if defined(__aarch64__)
    register long x8 __asm__("x8") = SYS_kill;
    register long x0 __asm__("x0") = pid;
    register long x1 __asm__("x1") = SIGUSR1;
    __asm__ volatile("fmov d8, %0\n\tsvc #0\n\tfmov %0, d8"
                     : "+r"(value), "+r"(x0)
                     : "r"(x8), "r"(x1)
                     : "v8", "memory");
#elif defined(__x86_64__)
    long rax = SYS_kill;
    __asm__ volatile("movq %0, %%xmm8\n\tsyscall\n\tmovq %%xmm8, %0"
                     : "+r"(value), "+a"(rax)
                     : "D"((long)pid), "S"((long)SIGUSR1)
                     : "rcx", "r11", "xmm8", "memory");
#else
    (void)pid;
    value = 42;
#endif
    SHOW("a vector register changed in the frame", "%llu", (unsigned long long)value);
}

// --- Jumps ---------------------------------------------------------------------------------------

static void jumps(void)
{
    int pipes[2];
    volatile int count = 0;
    char c;
    if (pipe(pipes))
        return;
    handle(SIGALRM, jump, 0);
    struct itimerval soon = {.it_value = {0, 500}};
    for (volatile int i = 0; i < 200; i++) {
        if (sigsetjmp(escape, 1)) {
            count++;
            continue;
        }
        setitimer(ITIMER_REAL, &soon, NULL);
        switch (i % 3) {
        case 0:
            for (;;)
                __asm__ volatile("" ::: "memory");
        case 1:
            (void)!read(pipes[0], &c, 1);
            break;
        default:
            sleep(1000);
        }
    }
    SHOW("jumps out of loops, reads and sleeps", "%d, masked %d", count, masked(SIGALRM));
    if (!sigsetjmp(escape, 0))
        raise(SIGALRM);
    SHOW("a jump that leaves the mask", "%d", masked(SIGALRM));
    close(pipes[0]);
    close(pipes[1]);
}

// --- Loops ---------------------------------------------------------------------------------------

static _Atomic int heard, stop, running;

static void on_heard(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    atomic_fetch_add(&heard, 1);
    if (atomic_load(&stop))
        pthread_exit(NULL);
}

static void *loop_main(void *arg)
{
    volatile uint64_t memory[64] = {0};
    uint64_t a = 1, b = 2;
    atomic_store(&running, 1);
    switch ((intptr_t)arg) {
    case 0: // a branch to itself
        for (;;)
            __asm__ volatile("" ::: "memory");
    case 1:
        for (;;) {
            a = a * 6364136223846793005u + 1;
            b ^= a >> 33;
            __asm__ volatile("" : "+r"(a), "+r"(b));
        }
    case 2:
        for (;; a++)
            memory[a % 64] += memory[(a * 7) % 64];
    default:
        for (;;)
            atomic_fetch_add(&running, 1);
    }
    return NULL;
}

static void loops(void)
{
    static const char *const names[] = {"an empty loop", "a computing loop", "a memory loop",
                                        "a loop of atomics"};
    handle(SIGUSR1, on_heard, SA_RESTART);
    for (intptr_t kind = 0; kind < 4; kind++) {
        pthread_t thread;
        atomic_store(&stop, 0);
        atomic_store(&running, 0);
        pthread_create(&thread, NULL, loop_main, (void *)kind);
        while (!atomic_load(&running))
            usleep(100);
        double slowest = 0;
        for (int i = 0; i < 100; i++) {
            int before = atomic_load(&heard);
            double start = now();
            pthread_kill(thread, SIGUSR1);
            while (atomic_load(&heard) == before)
                sched_yield();
            if (now() - start > slowest)
                slowest = now() - start;
        }
        atomic_store(&stop, 1);
        pthread_kill(thread, SIGUSR1);
        pthread_join(thread, NULL);
        SHOW(names[kind], "interrupted, each within a second %d", slowest < 1);
    }
}

static void body(void)
{
    nesting();
    stacks();
    frames();
    jumps();
    loops();
}

int main(void)
{
    return run_as_child(body);
}
