// rt_sigreturn of frames that a handler has changed: what is not a frame of ARM64 Linux ends in
// SIGSEGV, what is takes effect.
#include "tests/unit/tap.h"
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { FPSIMD = 0x46508001, ESR = 0x45535201, EXTRA = 0x45585401, FPSIMD_SIZE = 528 };

struct record {
    uint32_t magic, size;
};

static struct tap tap;
static void (*change)(ucontext_t *uc);
static uint8_t *reserved;

static struct record *record_at(size_t offset)
{
    return (struct record *)(void *)(reserved + offset);
}

static void put(size_t offset, uint32_t magic, uint32_t size)
{
    *record_at(offset) = (struct record){magic, size};
}

static size_t end_of_records(void)
{
    size_t at = 0;
    while (record_at(at)->magic)
        at += record_at(at)->size;
    return at;
}

static void handler(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info;
    ucontext_t *uc = context;
    reserved = (uint8_t *)uc->uc_mcontext.__reserved;
    change(uc);
}

// How a child ends that comes back from a handler which changed its frame.
static int end_of(void (*how)(ucontext_t *uc))
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
        change = how;
        sigaction(SIGUSR1, &action, NULL);
        raise(SIGUSR1);
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void nothing(ucontext_t *uc)
{
    (void)uc;
}
static void no_records(ucontext_t *uc)
{
    (void)uc;
    put(0, 0, 0);
}
static void end_with_size(ucontext_t *uc)
{
    (void)uc;
    put(end_of_records(), 0, 16);
}
static void small(ucontext_t *uc)
{
    (void)uc;
    put(end_of_records(), ESR, 4);
}
static void large(ucontext_t *uc)
{
    (void)uc;
    put(end_of_records(), ESR, 8192);
}
static void odd_size(ucontext_t *uc)
{
    (void)uc;
    put(end_of_records(), ESR, 24);
}
static void twice(ucontext_t *uc)
{
    (void)uc;
    size_t at = end_of_records();
    memcpy(reserved + at, reserved, FPSIMD_SIZE);
    put(at, FPSIMD, FPSIMD_SIZE);
    put(at + FPSIMD_SIZE, 0, 0);
}
static void wrong_size(ucontext_t *uc)
{
    (void)uc;
    put(0, FPSIMD, FPSIMD_SIZE + 16);
}
static void unknown(ucontext_t *uc)
{
    (void)uc;
    size_t at = end_of_records();
    put(at, 0x12345678, 16);
    put(at + 16, 0, 0);
}
static void another_esr(ucontext_t *uc)
{
    (void)uc;
    size_t at = end_of_records();
    put(at, ESR, 16);
    put(at + 16, 0, 0);
}
// Records that fill the place to its last byte, without an end.
static void full(ucontext_t *uc)
{
    (void)uc;
    size_t at = end_of_records();
    put(at, ESR, (uint32_t)(sizeof uc->uc_mcontext.__reserved - at));
}
static void privileged(ucontext_t *uc)
{
    uc->uc_mcontext.pstate |= 4; // EL1
}
static void bad_stack(ucontext_t *uc)
{
    uc->uc_stack.ss_size = 1; // no error: the stack was good when the frame was made
    uc->uc_stack.ss_flags = 0;
}
static void blocks(ucontext_t *uc)
{
    sigaddset(&uc->uc_sigmask, SIGUSR2);
    sigaddset(&uc->uc_sigmask, SIGKILL);
}

static void go_on_here(void)
{
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    _exit(sigismember(&now, SIGUSR2) && !sigismember(&now, SIGKILL) ? 17 : 18);
}
static void elsewhere(ucontext_t *uc)
{
    blocks(uc);
    uc->uc_mcontext.pc = (uintptr_t)go_on_here;
}

#if defined(__aarch64__)
// Calls rt_sigreturn with this stack pointer.
static int end_with_sp(uintptr_t sp)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        register uintptr_t x9 __asm__("x9") = sp;
        __asm__ volatile("mov sp, %0\n\tmov x8, #139\n\tsvc #0" : : "r"(x9) : "x8", "memory");
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
#endif

int main(void)
{
    static const struct {
        const char *what;
        void (*change)(ucontext_t *uc);
        int end;
    } rows[] = {
        {"a frame as it was", nothing, 0},
        {"no records at all", no_records, -SIGSEGV},
        {"an end with a size", end_with_size, -SIGSEGV},
        {"a record smaller than its head", small, -SIGSEGV},
        {"a record larger than the rest", large, -SIGSEGV},
        {"a record of odd size", odd_size, -SIGSEGV},
        {"the registers twice", twice, -SIGSEGV},
        {"the registers in another size", wrong_size, -SIGSEGV},
        {"a record nobody knows", unknown, -SIGSEGV},
        {"one more ESR", another_esr, 0},
        {"records without an end", full, -SIGSEGV},
        {"a privileged state", privileged, -SIGSEGV},
        {"an alternate stack that is none", bad_stack, 0},
        {"another mask and place", elsewhere, 17},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int end = end_of(rows[i].change);
        if (!CHECK(&tap, end == rows[i].end, rows[i].what))
            printf("# ended with %d\n", end);
    }
#if defined(__aarch64__)
    static char page[16384] __attribute__((aligned(4096)));
    mprotect(page + 8192, 4096, PROT_NONE);
    CHECK(&tap, end_with_sp((uintptr_t)page + 8) == -SIGSEGV,
          "a stack pointer that is not aligned");
    CHECK(&tap, end_with_sp(16) == -SIGSEGV, "a stack pointer to nowhere");
    CHECK(&tap, end_with_sp((uintptr_t)page + 8192 - 256) == -SIGSEGV, "a frame cut by a page");
    CHECK(&tap, end_with_sp((uintptr_t)page + 4096 - 512) == -SIGSEGV, "a frame of zeros");
#endif
    return tap_finish(&tap);
}
