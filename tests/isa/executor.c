// Runs instruction test cases as a Linux program: under qemu-aarch64 (the oracle), under ish, or on
// an ARM64 machine. Reads batches of struct isa_case from stdin (a 32-bit count before each; 0
// ends), writes a struct isa_result for each to stdout. The data window starts afresh with each
// batch.
//
// One signal per case does everything: each case ends in one (BRK at the latest), whose handler
// saves the state from the signal frame, writes the next case's state into it, and returns.
#include "tests/isa/case.h"
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static struct isa_case cases[ISA_BATCH];
static struct isa_result results[ISA_BATCH];
static uint32_t case_count;
static volatile uint32_t running; // index of the case whose end the next signal reports
static volatile int started;
static sigjmp_buf batch_done;

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

static void save(struct isa_result *r, ucontext_t *uc, const siginfo_t *si)
{
    mcontext_t *m = &uc->uc_mcontext;
    struct fpsimd_context *fp = fp_record(uc);
    memcpy(r->state.x, m->regs, sizeof r->state.x);
    r->state.sp = m->sp;
    r->state.pc = m->pc;
    r->state.nzcv = (uint32_t)m->pstate & 0xf0000000u;
    r->state.fpcr = fp->fpcr;
    r->state.fpsr = fp->fpsr;
    r->state.unused = 0;
    memcpy(r->state.v, fp->vregs, sizeof r->state.v);
    r->signo = (uint32_t)si->si_signo;
    r->code = (uint32_t)si->si_code;
    r->addr = (uint64_t)si->si_addr;
    r->memory = isa_hash_window((void *)ISA_DATA);
}

static void load(uint32_t index, ucontext_t *uc)
{
    struct isa_state st;
    isa_initial_state(&cases[index], index, &st);
    mcontext_t *m = &uc->uc_mcontext;
    struct fpsimd_context *fp = fp_record(uc);
    memcpy(m->regs, st.x, sizeof st.x);
    m->sp = st.sp;
    m->pc = st.pc;
    m->pstate = (m->pstate & ~0xf0000c00ull) | st.nzcv; // BTYPE cleared too
    fp->fpcr = st.fpcr;
    fp->fpsr = 0;
    memcpy(fp->vregs, st.v, sizeof st.v);
}

static void on_signal(int signo, siginfo_t *si, void *context)
{
    (void)signo;
    ucontext_t *uc = context;
    if (started) {
        save(&results[running], uc, si);
        running = running + 1;
    }
    started = 1;
    if (running == case_count)
        siglongjmp(batch_done, 1);
    load(running, uc);
}

static void *map_at(uint64_t addr, size_t size)
{
    void *p = mmap((void *)addr, size, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (p == MAP_FAILED)
        _exit(2);
    return p;
}

static void read_all(void *buf, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = read(0, (char *)buf + done, n - done);
        if (k <= 0)
            _exit(3);
        done += (size_t)k;
    }
}

static void write_all(const void *buf, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = write(1, (const char *)buf + done, n - done);
        if (k <= 0)
            _exit(4);
        done += (size_t)k;
    }
}

int main(void)
{
    uint32_t *code = map_at(ISA_CODE, ISA_CODE_SIZE);
    size_t window = (ISA_RW_PAGES + ISA_RO_PAGES) * ISA_PAGE;
    char *data = map_at(ISA_DATA, window);
    static char first[(ISA_RW_PAGES + ISA_RO_PAGES) * ISA_PAGE];
    isa_fill_window(first, sizeof first);
    memcpy(data, first, window);
    mprotect(data, ISA_RW_PAGES * ISA_PAGE, PROT_READ | PROT_WRITE);
    mprotect(data + ISA_RW_PAGES * ISA_PAGE, ISA_RO_PAGES * ISA_PAGE, PROT_READ);

    static char alt[65536];
    stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
    sigaltstack(&ss, NULL);
    struct sigaction sa = {.sa_sigaction = on_signal,
                           .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &sa, NULL);

    for (;;) {
        read_all(&case_count, sizeof case_count);
        if (case_count == 0 || case_count > ISA_BATCH)
            return 0;
        read_all(cases, case_count * sizeof cases[0]);
        memcpy(data, first, ISA_RW_PAGES * ISA_PAGE);
        isa_write_code(code, cases, case_count);
        __builtin___clear_cache((char *)code, (char *)code + ISA_CODE_SIZE);
        running = 0;
        started = 0;
        if (!sigsetjmp(batch_done, 1))
            __asm__ volatile("brk #7");
        write_all(results, case_count * sizeof results[0]);
    }
}
