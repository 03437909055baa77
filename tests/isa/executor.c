// Runs instruction test cases as a Linux program: under qemu-aarch64 (the oracle), under ish, or on
// an ARM64 machine. case.h says how it is told what to run.
//
// One signal per run does everything: each run ends in one (BRK at the latest), whose handler saves
// the state from the signal frame, writes the next run's state into it, and returns.
#include "tests/isa/case.h"
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static struct isa_batch *batch;
static volatile uint32_t running; // number of the run whose end the next signal reports
static volatile int started;
static uint64_t own_tpidr;
static sigjmp_buf batch_done;
static char first_window[ISA_WINDOW_SIZE];

static struct fpsimd_context *fp_record(ucontext_t *uc)
{
    char *p = (char *)uc->uc_mcontext.__reserved;
    for (;;) {
        struct _aarch64_ctx *head = (struct _aarch64_ctx *)(void *)p;
        if (head->magic == FPSIMD_MAGIC)
            return (struct fpsimd_context *)(void *)p;
        if (!head->magic)
            abort();
        p += head->size;
    }
}

static char *window_page(unsigned i)
{
    return (char *)ISA_DATA + i * ISA_PAGE;
}

// Hash of the writable pages, which are then put back.
static uint64_t finish_memory(void)
{
    uint64_t h = 0;
    for (unsigned i = 0; i < ISA_WINDOW_PAGES; i++) {
        if (isa_page_rights(i) != ISA_PAGE_RW)
            continue;
        h = isa_hash_page(window_page(i), h);
        memcpy(window_page(i), first_window + i * ISA_PAGE, ISA_PAGE);
    }
    return h;
}

// A run has a TPIDR_EL0 of its own. The C library's is back before anything may use it.
static uint64_t get_tpidr(void)
{
    uint64_t v;
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(v));
    return v;
}

static void set_tpidr(uint64_t v)
{
    __asm__ volatile("msr tpidr_el0, %0" ::"r"(v) : "memory");
}

static void save(ucontext_t *uc, const siginfo_t *si, uint64_t tpidr)
{
    uint32_t index = running / ISA_RUNS;
    struct isa_result *r = &batch->result[index][running % ISA_RUNS];
    mcontext_t *m = &uc->uc_mcontext;
    struct fpsimd_context *fp = fp_record(uc);
    memcpy(r->state.x, m->regs, sizeof r->state.x);
    r->state.sp = m->sp;
    r->state.pc = m->pc;
    r->state.tpidr = tpidr;
    r->state.nzcv = (uint32_t)m->pstate & 0xf0000000u;
    r->state.fpcr = fp->fpcr;
    r->state.fpsr = fp->fpsr;
    r->state.unused = 0;
    memcpy(r->state.v, fp->vregs, sizeof r->state.v);
    r->signo = (uint32_t)si->si_signo;
    r->code = (uint32_t)si->si_code;
    r->addr = (uint64_t)si->si_addr;
    r->memory = batch->of[index].hash ? finish_memory() : 0;
}

static void load(ucontext_t *uc)
{
    const struct isa_state *st = &batch->first[running / ISA_RUNS][running % ISA_RUNS];
    mcontext_t *m = &uc->uc_mcontext;
    struct fpsimd_context *fp = fp_record(uc);
    memcpy(m->regs, st->x, sizeof st->x);
    m->sp = st->sp;
    m->pc = st->pc;
    m->pstate = (m->pstate & ~0xf0000c00ull) | st->nzcv; // BTYPE cleared too
    fp->fpcr = st->fpcr;
    fp->fpsr = st->fpsr;
    memcpy(fp->vregs, st->v, sizeof st->v);
}

static void on_signal(int signo, siginfo_t *si, void *context)
{
    (void)signo;
    ucontext_t *uc = context;
    uint64_t tpidr = get_tpidr();
    set_tpidr(own_tpidr);
    if (started) {
        save(uc, si, tpidr);
        running = running + 1;
    }
    started = 1;
    if (running == batch->cases * ISA_RUNS)
        siglongjmp(batch_done, 1);
    load(uc);
    set_tpidr(batch->first[running / ISA_RUNS][running % ISA_RUNS].tpidr);
}

static void *map_at(uint64_t addr, size_t size, int flags, int fd)
{
    int rights = PROT_READ | PROT_WRITE | (fd < 0 ? PROT_EXEC : 0);
    void *p = mmap((void *)addr, size, rights, flags, fd, 0);
    if (p == MAP_FAILED)
        _exit(2);
    return p;
}

static void map_window(void)
{
    static const int rights[] = {[ISA_PAGE_RW] = PROT_READ | PROT_WRITE,
                                 [ISA_PAGE_RO] = PROT_READ,
                                 [ISA_PAGE_NONE] = PROT_NONE};
    char *data = map_at(ISA_DATA, ISA_WINDOW_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
    isa_fill_window(first_window);
    memcpy(data, first_window, sizeof first_window);
    for (unsigned i = 0; i < ISA_WINDOW_PAGES; i++)
        mprotect(window_page(i), ISA_PAGE, rights[isa_page_rights(i)]);
}

int main(void)
{
    struct isa_shared *shared = map_at(0, sizeof *shared, MAP_SHARED, ISA_FD);
    uint32_t *code = map_at(ISA_CODE, ISA_CODE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
    map_window();
    own_tpidr = get_tpidr();

    static char alt[65536];
    stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
    sigaltstack(&ss, NULL);
    struct sigaction sa = {.sa_sigaction = on_signal,
                           .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &sa, NULL);

    unsigned char which;
    while (read(0, &which, 1) == 1 && which < ISA_BATCHES) {
        batch = &shared->batch[which];
        mprotect(code, ISA_CODE_SIZE, PROT_READ | PROT_WRITE);
        isa_write_code(code, batch->of, batch->cases);
        __builtin___clear_cache((char *)code, (char *)code + ISA_CODE_SIZE);
        mprotect(code, ISA_CODE_SIZE, PROT_READ | PROT_EXEC);
        running = 0;
        started = 0;
        if (!sigsetjmp(batch_done, 1))
            __asm__ volatile("brk #7");
        if (write(1, &which, 1) != 1)
            return 4;
    }
    return 0;
}
