#include "tests/isa/machine.h"
#include "tests/unit/emu_fake.h"
#include <stdlib.h>

enum { CODE_PAGES = (int)(ISA_CODE_SIZE / ISA_PAGE) };

void machine_create(struct machine *m)
{
    static const int rights[] = {[ISA_PAGE_RW] = MEM_READ | MEM_WRITE,
                                 [ISA_PAGE_RO] = MEM_READ,
                                 [ISA_PAGE_NONE] = FAKE_NO_RIGHTS};
    m->space = fake_create();
    m->first = malloc(ISA_WINDOW_SIZE);
    if (!m->first)
        abort();
    isa_fill_window(m->first);
    for (unsigned i = 0; i < ISA_WINDOW_PAGES; i++) {
        fake_map(m->space, ISA_DATA + i * ISA_PAGE, rights[isa_page_rights(i)]);
        m->window[i] = fake_host(m->space, ISA_DATA + i * ISA_PAGE);
        memcpy(m->window[i], m->first + i * ISA_PAGE, ISA_PAGE);
    }
    for (uint64_t i = 0; i < CODE_PAGES; i++)
        fake_map(m->space, ISA_CODE + i * ISA_PAGE, MEM_READ | MEM_EXEC);
    m->cpu = fake_cpu(m->space);
}

void machine_destroy(struct machine *m)
{
    fake_cpu_destroy(m->cpu);
    fake_destroy(m->space);
    free(m->first);
}

void machine_load(struct machine *m, const struct isa_case *cases, size_t count)
{
    uint32_t *code = calloc(1, ISA_CODE_SIZE);
    if (!code)
        abort();
    isa_write_code(code, cases, count);
    for (uint64_t i = 0; i < CODE_PAGES; i++) {
        memcpy(fake_host(m->space, ISA_CODE + i * ISA_PAGE), code + i * ISA_PAGE / 4, ISA_PAGE);
        fake_code_changed(m->space, ISA_CODE + i * ISA_PAGE);
    }
    free(code);
}

static uint64_t hash_memory(const struct machine *m)
{
    uint64_t h = 0;
    for (unsigned i = 0; i < ISA_WINDOW_PAGES; i++)
        if (isa_page_rights(i) == ISA_PAGE_RW)
            h = isa_hash_page(m->window[i], h);
    return h;
}

static void reset_memory(const struct machine *m)
{
    for (unsigned i = 0; i < ISA_WINDOW_PAGES; i++)
        if (isa_page_rights(i) == ISA_PAGE_RW)
            memcpy(m->window[i], m->first + i * ISA_PAGE, ISA_PAGE);
}

static void set_state(struct cpu *cpu, const struct isa_state *st)
{
    memcpy(cpu->x, st->x, sizeof st->x);
    cpu->x[CPU_SP] = st->sp;
    cpu->pc = st->pc;
    cpu->tpidr_el0 = st->tpidr;
    cpu_set_nzcv(cpu, st->nzcv);
    cpu->fpcr = st->fpcr;
    cpu->fpsr = st->fpsr;
    memcpy(cpu->v, st->v, sizeof st->v);
}

static void get_state(const struct cpu *cpu, struct isa_state *st)
{
    memcpy(st->x, cpu->x, sizeof st->x);
    st->sp = cpu->x[CPU_SP];
    st->pc = cpu->pc;
    st->tpidr = cpu->tpidr_el0;
    st->nzcv = cpu_nzcv(cpu);
    st->fpcr = cpu->fpcr;
    st->fpsr = cpu->fpsr;
    st->unused = 0;
    memcpy(st->v, cpu->v, sizeof st->v);
}

// The signal Linux makes of a trap.
static void trap_signal(const struct machine *m, const struct trap *trap, struct isa_result *r)
{
    enum { ILL = 4, TRAPSIG = 5, BUS = 7, SEGV = 11 };
    uint64_t addr = cpu_untag(trap->addr);
    r->addr = addr; // Linux clears the tag unless SA_EXPOSE_TAGBITS asks for it
    switch (trap->kind) {
    case TRAP_FAULT: {
        bool mapped = addr >> 48 == 0 && fake_host(m->space, addr);
        r->signo = SEGV;
        r->code = mapped ? 2 : 1;
        break;
    }
    case TRAP_ALIGN:
        r->signo = BUS, r->code = 1;
        break;
    case TRAP_PC_ALIGN:
    case TRAP_SP_ALIGN:
        r->signo = BUS, r->code = 1;
        r->addr = trap->kind == TRAP_PC_ALIGN ? m->cpu->pc : m->cpu->x[CPU_SP];
        break;
    case TRAP_UNDEFINED:
        r->signo = ILL, r->code = 1, r->addr = m->cpu->pc;
        break;
    case TRAP_BRK:
        r->signo = TRAPSIG, r->code = 1, r->addr = m->cpu->pc;
        break;
    case TRAP_SVC:
    case TRAP_POKE:
    case TRAP_SWITCH:
    case TRAP_STEP:
    case TRAP_NO_MEMORY:
        r->signo = 0, r->code = (uint32_t)trap->kind;
        break;
    }
}

bool machine_run(struct machine *m, const struct isa_case *c, const struct isa_state *first,
                 enum machine_mode mode, struct isa_result *r)
{
    struct isa_state before = *first;
    uint64_t memory = 0;
    struct trap trap;
    set_state(m->cpu, first);
    do {
        if (mode == MACHINE_STEP) {
            get_state(m->cpu, &before);
            memory = c->hash ? hash_memory(m) : 0;
        }
        cpu_run(m->cpu, mode == MACHINE_STEP ? CPU_STEP : CPU_RUN, &trap);
    } while (trap.kind == TRAP_STEP || trap.kind == TRAP_POKE);
    get_state(m->cpu, &r->state);
    trap_signal(m, &trap, r);
    r->memory = 0;
    if (c->hash) {
        r->memory = hash_memory(m);
        reset_memory(m);
    }
    return mode == MACHINE_RUN ||
           (r->memory == memory && !memcmp(&r->state, &before, sizeof before));
}
