// Restartable sequences and memory barriers: registration, abort by signal and by loss of the
// processor, counters that are only right if sections really are restarted.
#include "probe.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define SIGNATURE 0x53053053u

struct area {
    uint32_t cpu_id_start, cpu_id;
    uint64_t cs;
    uint32_t flags, padding[3];
} __attribute__((aligned(32)));

struct section {
    uint32_t version, flags;
    uint64_t start, length, abort;
} __attribute__((aligned(32)));

static _Thread_local struct area area;

static long rseq(void *p, uint32_t len, int flags, uint32_t sig)
{
    return syscall(SYS_rseq, p, len, flags, sig);
}

// glibc may have registered the thread; raw threads below have not. Everything that needs an own
// registration runs in a raw child process, which inherits glibc's: it is taken back first.
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));
static void forget_libc(void)
{
    if (&__rseq_size && __rseq_size) {
        char *tp = __builtin_thread_pointer();
#if defined(__aarch64__)
        uint32_t sig = 0xd428bc00;
#else
        uint32_t sig = 0x53053053;
#endif
        rseq(tp + __rseq_offset, 32, 1, sig);
    }
}

// --- Registration --------------------------------------------------------------------------------

static void registration(void)
{
    static struct area other;
    forget_libc();
    show_call("flags", rseq(&area, 32, 2, SIGNATURE));
    show_call("short", rseq(&area, 31, 0, SIGNATURE));
    show_call("not aligned", rseq((char *)&area + 8, 32, 0, SIGNATURE));
    show_call("of the kernel", rseq((void *)0xffff000000000000ul, 32, 0, SIGNATURE));
    show_call("unregister before", rseq(&area, 32, 1, SIGNATURE));
    area.cpu_id = 77;
    show_call("register", rseq(&area, 32, 0, SIGNATURE));
    SHOW("number is set", "%d",
         area.cpu_id < (uint32_t)sysconf(_SC_NPROCESSORS_CONF) && area.cpu_id_start == area.cpu_id);
    show_call("again", rseq(&area, 32, 0, SIGNATURE));
    show_call("other signature", rseq(&area, 32, 0, 1));
    show_call("another area", rseq(&other, 32, 0, SIGNATURE));
    show_call("unregister another", rseq(&other, 32, 1, SIGNATURE));
    show_call("unregister length", rseq(&area, 31, 1, SIGNATURE));
    show_call("unregister signature", rseq(&area, 32, 1, 1));
    show_call("unregister", rseq(&area, 32, 1, SIGNATURE));
    SHOW("number is gone", "%d %u", (int)area.cpu_id, area.cpu_id_start);
    show_call("register once more", rseq(&area, 32, 0, SIGNATURE));
    IN_CHILD("a child keeps it",
             _exit(rseq(&area, 32, 0, SIGNATURE) < 0 && errno == EBUSY ? 5 : 6));
    unsigned cpu = 99;
    syscall(SYS_getcpu, &cpu, NULL, NULL);
    SHOW("getcpu knows the numbers", "%d", cpu < (unsigned)sysconf(_SC_NPROCESSORS_CONF));
}

// --- Critical sections ---------------------------------------------------------------------------

// Spins in a section of `rounds` turns; 1 when it was aborted, 0 when it came through. The flag is
// set once inside.
static int spin(struct area *a, volatile int *inside, uint64_t rounds)
{
    int aborted = 0;
#if defined(__aarch64__)
    __asm__ volatile("1:\n"
                     ".pushsection __rseq_table, \"aw\"\n.balign 32\n"
                     "2: .long 0, 0\n .quad 3f, 4f - 3f, 5f\n.popsection\n"
                     "adrp x9, 2b\nadd x9, x9, :lo12:2b\n"
                     "str x9, [%[a], #8]\n"
                     "3: mov w10, #1\nstr w10, [%[in]]\n"
                     "6: subs %[n], %[n], #1\nb.ne 6b\n"
                     "4: b 7f\n"
                     ".long 0x53053053\n"
                     "5: mov %w[r], #1\n"
                     "7:\n"
                     : [r] "+r"(aborted), [n] "+r"(rounds)
                     : [a] "r"(a), [in] "r"(inside)
                     : "x9", "x10", "memory", "cc");
#else
    __asm__ volatile("1:\n"
                     ".pushsection __rseq_table, \"aw\"\n.balign 32\n"
                     "2: .long 0, 0\n .quad 3f, 4f - 3f, 5f\n.popsection\n"
                     "leaq 2b(%%rip), %%r9\n"
                     "movq %%r9, 8(%[a])\n"
                     "3: movl $1, (%[in])\n"
                     "6: subq $1, %[n]\njne 6b\n"
                     "4: jmp 7f\n"
                     ".long 0x53053053\n"
                     "5: movl $1, %[r]\n"
                     "7:\n"
                     : [r] "+r"(aborted), [n] "+r"(rounds)
                     : [a] "r"(a), [in] "r"(inside)
                     : "r9", "memory", "cc");
#endif
    return aborted;
}

static volatile int in_section;
static volatile sig_atomic_t handled;

static void on_signal(int sig)
{
    (void)sig;
    handled++;
}

static void *shoot(void *arg)
{
    while (!in_section)
        sched_yield();
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

static void by_signal(void)
{
    forget_libc();
    rseq(&area, 32, 0, SIGNATURE);
    signal(SIGUSR1, on_signal);
    pthread_t self = pthread_self(), other;
    pthread_create(&other, NULL, shoot, &self);
    int aborted = spin(&area, &in_section, 1ul << 40);
    pthread_join(other, NULL);
    SHOW("a signal aborts", "%d", aborted);
    SHOW("its handler ran", "%d", (int)handled);
    SHOW("the section is forgotten", "%d", area.cs == 0);
    struct itimerval t = {.it_value = {.tv_usec = 20000}};
    signal(SIGALRM, on_signal);
    setitimer(ITIMER_REAL, &t, NULL);
    SHOW("so does a timer", "%d", spin(&area, &in_section, 1ul << 40));
}

// More threads than processors: none keeps its own for long.
static void *burn(void *arg)
{
    atomic_int *stop = arg;
    while (!atomic_load_explicit(stop, memory_order_relaxed))
        ;
    return NULL;
}

static void by_preemption(void)
{
    enum { MAX = 256 };
    static pthread_t t[MAX];
    atomic_int stop = 0;
    int n = (int)sysconf(_SC_NPROCESSORS_ONLN) * 2;
    n = n < MAX ? n : MAX;
    forget_libc();
    rseq(&area, 32, 0, SIGNATURE);
    for (int i = 0; i < n; i++)
        pthread_create(&t[i], NULL, burn, &stop);
    SHOW("losing the processor aborts", "%d", spin(&area, &in_section, 1ul << 40));
    stop = 1;
    for (int i = 0; i < n; i++)
        pthread_join(t[i], NULL);
}

static void bad_sections(void)
{
    static struct section s;
    forget_libc();
    rseq(&area, 32, 0, SIGNATURE);
#define BAD(name, ...)                                                                             \
    IN_CHILD(name, s = (struct section){.start = (uintptr_t)on_signal & ~0xffful,                  \
                                        .length = 0x10,                                            \
                                        .abort = ((uintptr_t)on_signal & ~0xffful) + 0x100};       \
             area.cs = (uintptr_t)&s; __VA_ARGS__; signal(SIGUSR1, on_signal); raise(SIGUSR1);     \
             _exit(area.cs ? 3 : 4))
    BAD("no signature", (void)0);
    BAD("abort inside", s.abort = s.start + 4);
    BAD("version", s.version = 1);
    BAD("start of the kernel", s.start = 0xffff000000000000ul);
    BAD("length wraps", s.length = UINT64_MAX);
    BAD("pointer of the kernel", area.cs = 0xffff000000000000ul);
    BAD("pointer into nothing", area.cs = 64);
    BAD("none", area.cs = 0);
    BAD("abort in the kernel", s.abort = 0xffff000000000000ul);
    BAD("abort into nothing", s.abort = 0x10000000);
}

// The section is everything up to a word on the stack.
static uint64_t abort_at;

static void on_segv(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    _exit((uint64_t)(uintptr_t)info->si_addr == abort_at ? 7 : 8);
}

static void around(int section_flags, uint32_t area_flags)
{
    static struct section s;
    static char stack[65536];
    uint32_t word[2] = {SIGNATURE, 0};
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    forget_libc();
    rseq(&area, 32, 0, SIGNATURE);
    sigaltstack(&alt, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    signal(SIGUSR1, on_signal);
    abort_at = (uintptr_t)&word[1];
    s = (struct section){.flags = (uint32_t)section_flags,
                         .start = 0x1000,
                         .length = (uintptr_t)word - 0x1000,
                         .abort = abort_at};
    area.flags = area_flags;
    area.cs = (uintptr_t)&s;
    raise(SIGUSR1);
    _exit(9);
}

static void lost_area(int prot)
{
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    forget_libc();
    rseq(p, 32, 0, SIGNATURE);
    mprotect(p, 4096, prot);
    for (int i = 0; i < 3; i++) {
        signal(SIGUSR1, on_signal);
        raise(SIGUSR1);
        sleep_ms(1);
    }
    show_call("unregister", rseq(p, 32, 1, SIGNATURE));
}

static void lost(void)
{
    IN_CHILD("a section around all", around(0, 0));
    IN_CHILD("... with flags", around(1, 0));
    IN_CHILD("... with flags of the area", around(0, 1));
    IN_CHILD("an area that is gone", lost_area(PROT_NONE));
    IN_CHILD("an area that cannot be written", lost_area(PROT_READ));
}

// --- Per-processor counters ----------------------------------------------------------------------

enum { CPUS = 1024, WORKERS = 6, TURNS = 30000 };
static volatile uint64_t per_cpu[CPUS][8];

// Adds one to the counter of this processor, not atomically; 0 when it was not disturbed.
static int add_one(struct area *a)
{
    int aborted = 0;
#if defined(__aarch64__)
    __asm__ volatile("1:\n"
                     ".pushsection __rseq_table, \"aw\"\n.balign 32\n"
                     "2: .long 0, 0\n .quad 3f, 4f - 3f, 5f\n.popsection\n"
                     "adrp x9, 2b\nadd x9, x9, :lo12:2b\n"
                     "ldr w10, [%[a]]\n"
                     "str x9, [%[a], #8]\n"
                     "3: ldr w11, [%[a], #4]\ncmp w10, w11\nb.ne 8f\n"
                     "add x10, %[t], x10, lsl #6\n"
                     "ldr x11, [x10]\nadd x11, x11, #1\n"
                     "mov x12, #40\n6: subs x12, x12, #1\nb.ne 6b\n"
                     "str x11, [x10]\n"
                     "4: b 7f\n"
                     ".long 0x53053053\n"
                     "5: nop\n"
                     "8: mov %w[r], #1\n"
                     "7:\n"
                     : [r] "+r"(aborted)
                     : [a] "r"(a), [t] "r"(per_cpu)
                     : "x9", "x10", "x11", "x12", "memory", "cc");
#else
    __asm__ volatile("1:\n"
                     ".pushsection __rseq_table, \"aw\"\n.balign 32\n"
                     "2: .long 0, 0\n .quad 3f, 4f - 3f, 5f\n.popsection\n"
                     "leaq 2b(%%rip), %%r9\n"
                     "movl (%[a]), %%r10d\n"
                     "movq %%r9, 8(%[a])\n"
                     "3: cmpl %%r10d, 4(%[a])\njne 8f\n"
                     "shlq $6, %%r10\naddq %[t], %%r10\n"
                     "movq (%%r10), %%r11\naddq $1, %%r11\n"
                     "movl $40, %%r9d\n6: subl $1, %%r9d\njne 6b\n"
                     "movq %%r11, (%%r10)\n"
                     "4: jmp 7f\n"
                     ".long 0x53053053\n"
                     "5: nop\n"
                     "8: movl $1, %[r]\n"
                     "7:\n"
                     : [r] "+r"(aborted)
                     : [a] "r"(a), [t] "r"(per_cpu)
                     : "r9", "r10", "r11", "memory", "cc");
#endif
    return aborted;
}

static void *count(void *arg)
{
    forget_libc();
    if (rseq(&area, 32, 0, SIGNATURE))
        return NULL;
    for (int i = 0; i < TURNS; i++) {
        while (add_one(&area))
            ;
        if (i % 512 == 0)
            sched_yield();
    }
    return arg;
}

static void counters(void)
{
    pthread_t t[WORKERS];
    uint64_t sum = 0;
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&t[i], NULL, count, NULL);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < CPUS; i++)
        sum += per_cpu[i][0];
    SHOW("counts lost", "%d", (int)(WORKERS * TURNS - sum));
}

static void affinity(void)
{
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    forget_libc();
    rseq(&area, 32, 0, SIGNATURE);
    int right = 0, tried = 0;
    for (int turn = 0; turn < 40; turn++) {
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            unsigned now = 9999;
            if (!CPU_ISSET(cpu, &all))
                continue;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            syscall(SYS_getcpu, &now, NULL, NULL);
            tried++;
            right += now == (unsigned)cpu && *(volatile uint32_t *)&area.cpu_id == (unsigned)cpu;
        }
    }
    SHOW("on the processor asked for", "%d", right == tried);
    IN_CHILD("a child stays there", {
        cpu_set_t mine;
        sched_getaffinity(0, sizeof mine, &mine);
        _exit(CPU_EQUAL(&mine, &one));
    });
}

// --- membarrier ----------------------------------------------------------------------------------

static long membarrier(int cmd, unsigned flags, int cpu)
{
    return syscall(SYS_membarrier, cmd, flags, cpu);
}

static void barrier_calls(void)
{
    // x86 has SYNC_CORE too; commands newer than 6.1 are left out.
    SHOW("commands", "%#lx", membarrier(0, 0, 0) & 0x1ff);
    show_call("query with flags", membarrier(0, 1, 0));
    show_call("unknown", membarrier(1 << 20, 0, 0));
    show_call("negative", membarrier(-1, 0, 0));
    show_call("two at once", membarrier(3, 0, 0));
    static const int commands[] = {8, 32, 128};
    for (int i = 0; i < 3; i++) {
        int c = commands[i];
        show_call("private, not registered", membarrier(c, 0, 0));
        show_call("register", membarrier(c << 1, 0, 0));
        show_call("register again", membarrier(c << 1, 0, 0));
        show_call("private", membarrier(c, 0, 0));
        show_call("flags", membarrier(c, 2, 0));
        show_call("flag cpu", membarrier(c, 1, 0));
    }
    show_call("global", membarrier(1, 0, 0));
    show_call("global expedited", membarrier(2, 0, 0));
    show_call("register global expedited", membarrier(4, 0, 0));
    show_call("global expedited", membarrier(2, 0, 0));
    IN_CHILD("a child is registered", _exit(membarrier(8, 0, 0) == 0));
}

// Dekker's store and load with the barrier on one side alone: both never see 0.
static volatile int left, right;
static atomic_int go, arrived, finished;

// Waits for the other side, which may need this processor.
static void until_at_least(atomic_int *counter, int n)
{
    for (unsigned turn = 1; atomic_load(counter) < n; turn++)
        if (turn % 1000 == 0)
            sched_yield();
}

static void *fast_side(void *arg)
{
    int turns = (int)(intptr_t)arg;
    static int seen;
    for (int i = 1; i <= turns; i++) {
        until_at_least(&go, i);
        left = 1;
        __asm__ volatile("" ::: "memory"); // no more than the compiler
        seen = right;
        atomic_store(&arrived, seen);
        atomic_store(&finished, i);
    }
    return NULL;
}

static void dekker(void)
{
    enum { ROUNDS = 2000 };
    pthread_t t;
    int both = 0;
    membarrier(16, 0, 0);
    pthread_create(&t, NULL, fast_side, (void *)(intptr_t)ROUNDS);
    for (int i = 1; i <= ROUNDS; i++) {
        left = right = 0;
        atomic_store(&go, i);
        right = 1;
        membarrier(8, 0, 0);
        int mine = left;
        until_at_least(&finished, i);
        both += !mine && !atomic_load(&arrived);
    }
    pthread_join(t, NULL);
    SHOW("both saw nothing", "%d", both);
}

// The barrier for sequences aborts the one a running thread is in.
static void *fence(void *arg)
{
    (void)arg;
    while (!in_section)
        sched_yield();
    return (void *)membarrier(128, 0, 0);
}

static void fence_sequences(void)
{
    pthread_t t;
    forget_libc();
    rseq(&area, 32, 0, SIGNATURE);
    membarrier(256, 0, 0);
    in_section = 0;
    pthread_create(&t, NULL, fence, NULL);
    SHOW("a fence aborts", "%d", spin(&area, &in_section, 1ul << 40));
    pthread_join(t, NULL);
}

int main(void)
{
    run_as_child(registration);
    run_as_child(by_signal);
    run_as_child(by_preemption);
    run_as_child(bad_sections);
    run_as_child(lost);
    run_as_child(counters);
    run_as_child(affinity);
    run_as_child(barrier_calls);
    run_as_child(dekker);
    run_as_child(fence_sequences);
    return 0;
}
