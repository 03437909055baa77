// The instruction differential: random sequences on ish's CPU, in this process, against an oracle
// (`qemu-aarch64 ... executor`), all architectural state and the signal that ends a case compared.
//
//   differential [--count N] [--seed N] [--only ROW|SECTION] [--coverage N] [--later] [--modes]
//                ORACLE-COMMAND...
//
// N counts instructions. With --coverage every row must have been executed alone at least N times.
// --later: rows that a Neoverse N1 does not have, for an oracle that does. --modes: only rows that
// depend on FPCR, each of which must have been executed in every mode.
// Exit status 0: no mismatch.
#include "emu/cpu.h"
#include "tests/isa/generate.h"
#include "tests/unit/emu_fake.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WINDOW_PAGES = ISA_RW_PAGES + ISA_RO_PAGES, CODE_PAGES = (int)(ISA_CODE_SIZE / ISA_PAGE) };

struct machine {
    struct fake *space;
    struct cpu *cpu;
};

struct oracle {
    pid_t pid;
    int to, from;
};

static void die(const char *what)
{
    fprintf(stderr, "differential: %s\n", what);
    exit(2);
}

// --- Our side ------------------------------------------------------------------------------------

static void machine_create(struct machine *m)
{
    m->space = fake_create();
    for (uint64_t i = 0; i < WINDOW_PAGES; i++)
        fake_map(m->space, ISA_DATA + i * ISA_PAGE,
                 i < ISA_RW_PAGES ? MEM_READ | MEM_WRITE : MEM_READ);
    for (uint64_t i = 0; i < CODE_PAGES; i++)
        fake_map(m->space, ISA_CODE + i * ISA_PAGE, MEM_READ | MEM_WRITE | MEM_EXEC);
    m->cpu = fake_cpu(m->space);
}

static void machine_destroy(struct machine *m)
{
    fake_cpu_destroy(m->cpu);
    fake_destroy(m->space);
}

// The batch's code and the window's first content, page by page.
static void machine_load(struct machine *m, const struct isa_case *cases, size_t count)
{
    static uint32_t code[ISA_CODE_SIZE / 4];
    static char window[WINDOW_PAGES * ISA_PAGE];
    isa_write_code(code, cases, count);
    isa_fill_window(window, sizeof window);
    for (uint64_t i = 0; i < WINDOW_PAGES; i++)
        memcpy(fake_host(m->space, ISA_DATA + i * ISA_PAGE), window + i * ISA_PAGE, ISA_PAGE);
    for (uint64_t i = 0; i < CODE_PAGES; i++) {
        fake_code(m->space, ISA_CODE + i * ISA_PAGE, code + i * ISA_PAGE / 4, ISA_PAGE / 4);
        fake_code_changed(m->space, ISA_CODE + i * ISA_PAGE);
    }
}

static uint64_t machine_hash(const struct machine *m)
{
    static char window[ISA_RW_PAGES * ISA_PAGE];
    for (uint64_t i = 0; i < ISA_RW_PAGES; i++)
        memcpy(window + i * ISA_PAGE, fake_host(m->space, ISA_DATA + i * ISA_PAGE), ISA_PAGE);
    return isa_hash_window(window);
}

static void set_state(struct cpu *cpu, const struct isa_state *st)
{
    memcpy(cpu->x, st->x, sizeof st->x);
    cpu->x[CPU_SP] = st->sp;
    cpu->pc = st->pc;
    cpu_set_nzcv(cpu, st->nzcv);
    cpu->fpcr = st->fpcr;
    cpu->fpsr = 0;
    memcpy(cpu->v, st->v, sizeof st->v);
}

static void get_state(const struct cpu *cpu, struct isa_state *st)
{
    memset(st, 0, sizeof *st);
    memcpy(st->x, cpu->x, sizeof st->x);
    st->sp = cpu->x[CPU_SP];
    st->pc = cpu->pc;
    st->nzcv = cpu_nzcv(cpu);
    st->fpcr = cpu->fpcr;
    st->fpsr = cpu->fpsr;
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
        r->signo = 0, r->code = (uint32_t)trap->kind;
        break;
    }
}

// A trap leaves the registers and memory as they were before the instruction that made it.
static void check_nothing_happened(const struct machine *m, const struct isa_case *c,
                                   const struct isa_state *before, uint64_t memory)
{
    struct isa_state after;
    get_state(m->cpu, &after);
    if (!memcmp(&after, before, sizeof after) && machine_hash(m) == memory)
        return;
    printf("# imprecise trap: seed %#" PRIx64 " pc %#" PRIx64 "\n", c->seed, after.pc);
    for (uint32_t i = 0; i < c->count; i++)
        printf("#   %08x\n", c->words[i]);
    printf("Bail out! a trap changed registers or memory\n");
    exit(1);
}

static void run_ours(struct machine *m, const struct isa_case *c, size_t slot, struct isa_result *r,
                     bool step)
{
    struct isa_state st;
    struct trap trap;
    isa_initial_state(c, slot, &st);
    set_state(m->cpu, &st);
    for (;;) {
        if (step)
            get_state(m->cpu, &st);
        uint64_t memory = step ? machine_hash(m) : 0;
        cpu_run(m->cpu, step ? CPU_STEP : CPU_RUN, &trap);
        if (trap.kind == TRAP_STEP || trap.kind == TRAP_POKE)
            continue;
        if (step)
            check_nothing_happened(m, c, &st, memory);
        break;
    }
    memset(r, 0, sizeof *r);
    get_state(m->cpu, &r->state);
    trap_signal(m, &trap, r);
    r->memory = machine_hash(m);
}

// --- The oracle ----------------------------------------------------------------------------------

static void oracle_start(struct oracle *o, char **command)
{
    int in[2], out[2];
    if (pipe(in) || pipe(out))
        die("pipe failed");
    o->pid = fork();
    if (o->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execvp(command[0], command);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    o->to = in[1];
    o->from = out[0];
}

static void send_all(int fd, const void *buf, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = write(fd, (const char *)buf + done, n - done);
        if (k <= 0)
            die("the oracle does not read");
        done += (size_t)k;
    }
}

static void receive_all(int fd, void *buf, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = read(fd, (char *)buf + done, n - done);
        if (k <= 0)
            die("the oracle ended");
        done += (size_t)k;
    }
}

static void oracle_send(struct oracle *o, const struct isa_case *cases, uint32_t count)
{
    send_all(o->to, &count, sizeof count);
    send_all(o->to, cases, count * sizeof cases[0]);
}

static void oracle_stop(struct oracle *o)
{
    uint32_t zero = 0;
    send_all(o->to, &zero, sizeof zero);
    close(o->to);
    close(o->from);
    waitpid(o->pid, NULL, 0);
}

// --- Comparison ----------------------------------------------------------------------------------

static void show(const char *what, uint64_t ours, uint64_t theirs)
{
    if (ours != theirs)
        printf("#   %-6s ours %016" PRIx64 "  oracle %016" PRIx64 "\n", what, ours, theirs);
}

static void report(const struct isa_case *c, size_t slot, const struct isa_result *ours,
                   const struct isa_result *theirs)
{
    struct isa_state first;
    char text[128], name[16];
    isa_initial_state(c, slot, &first);
    printf("# mismatch: seed %#" PRIx64 " slot %zu fpcr %#x\n", c->seed, slot, c->fpcr);
    for (uint32_t i = 0; i < c->count; i++) {
        a64_disassemble(c->words[i], first.pc + 4 * i, text, sizeof text);
        printf("#   %08x  %-20s %s\n", c->words[i], a64_rows[a64_decode(c->words[i])].name, text);
    }
    const struct isa_state *a = &ours->state, *b = &theirs->state;
    for (int i = 0; i < 31; i++) {
        snprintf(name, sizeof name, "x%d", i);
        show(name, a->x[i], b->x[i]);
    }
    show("sp", a->sp, b->sp);
    show("pc", a->pc - first.pc, b->pc - first.pc);
    show("nzcv", a->nzcv, b->nzcv);
    show("fpcr", a->fpcr, b->fpcr);
    show("fpsr", a->fpsr, b->fpsr);
    for (int i = 0; i < 32; i++) {
        for (int h = 0; h < 2; h++) {
            snprintf(name, sizeof name, "v%d.d%d", i, h);
            show(name, a->v[i][h], b->v[i][h]);
        }
    }
    show("signal", ours->signo, theirs->signo);
    show("code", ours->code, theirs->code);
    show("addr", ours->addr, theirs->addr);
    show("memory", ours->memory, theirs->memory);
    if (c->count == 1 || getenv("ISA_SHOW_INPUT")) { // operands, for reading
        for (int i = 0; i < 31; i++)
            printf("#   in x%-2d %016" PRIx64 "\n", i, first.x[i]);
        for (int i = 0; i < 32; i++)
            printf("#   in v%-2d %016" PRIx64 "%016" PRIx64 "\n", i, first.v[i][1], first.v[i][0]);
    }
}

// Where the oracle is known to differ from the architecture and Linux; nothing else is overlooked.
static bool same(const struct isa_result *ours, const struct isa_result *theirs,
                 const struct isa_case *c)
{
    struct isa_result judged = *theirs;
    // A fault near or above the end of the 47 bits qemu-user has for guests: it says address 0,
    // Linux the address.
    if (ours->signo == theirs->signo && theirs->addr == 0 && ours->addr >> 46)
        judged.addr = ours->addr;
    // A misaligned PC is an alignment fault before it is anything else (Arm ARM, AArch64.CheckPC);
    // qemu looks for the page first.
    bool fetch = theirs->addr == theirs->state.pc || theirs->addr == 0;
    if (ours->state.pc & 3 && fetch && ours->signo == 7 && ours->code == 1) {
        judged.signo = ours->signo;
        judged.code = ours->code;
        judged.addr = ours->addr;
    }
    // FJCVTZS: qemu 7.2 thinks that nothing is lost when a denormal is flushed to zero (FPToFixedJS
    // says that Z is clear then; tests/unit/test_cpu_features.c). Only alone: see generate_case().
    if (c->count == 1 && a64_decode(c->words[0]) == A64_FJCVTZS && ours->state.fpsr == 1u << 7)
        judged.state.nzcv = ours->state.nzcv;
    // DC ZVA: the fault address may be any in the block (Arm ARM, FAR_EL1); qemu says its start.
    uint64_t index = (ours->state.pc - ISA_CODE) / 4 % ISA_SLOT_WORDS;
    if (ours->signo == 11 && index < c->count && (c->words[index] & ~31u) == 0xd50b7420u &&
        (ours->addr ^ theirs->addr) < 64) {
        judged.addr = ours->addr;
        judged.state.pc = ours->state.pc; // qemu 7.2 reports the start of its own block
    }
    return !memcmp(ours, &judged, sizeof *ours);
}

// A multi-register access that faults half-way may leave memory and its own registers in any state
// (Arm ARM, "Definition of a precise exception"); qemu keeps the first half. We promise that
// nothing happened, which --step proves without the oracle. The caller must not compare memory
// afterwards.
static bool same_but_for_half_done(const struct isa_result *ours, const struct isa_result *theirs,
                                   const struct isa_case *c)
{
    if (ours->signo != theirs->signo || ours->addr != theirs->addr || ours->signo == 5 ||
        ours->state.pc != theirs->state.pc)
        return false;
    uint64_t index = (ours->state.pc - ISA_CODE) / 4 % ISA_SLOT_WORDS;
    if (index >= c->count)
        return false;
    uint32_t is = a64_rows[a64_decode(c->words[index])].is;
    struct isa_result judged = *theirs;
    judged.memory = is & A64_IS_STORE ? ours->memory : theirs->memory;
    if (is & A64_IS_LOAD) {
        uint32_t rt = c->words[index] & 31, rt2 = c->words[index] >> 10 & 31;
        for (uint32_t i = 0; i < 4; i++)
            memcpy(judged.state.v[(rt + i) % 32], ours->state.v[(rt + i) % 32], 16);
        memcpy(judged.state.v[rt2], ours->state.v[rt2], 16);
        for (int i = 0; i < 2; i++) {
            uint32_t r = i ? rt2 : rt;
            if (r < 31)
                judged.state.x[r] = ours->state.x[r];
        }
    }
    return !memcmp(ours, &judged, sizeof *ours);
}

// Atomic accesses: qemu 7.2 does not check the alignment of all of them (a Neoverse N1 does), and a
// store-exclusive that fails its monitor need not look at the page (Arm ARM; it is the
// implementation's choice: ours does). The rest of the batch would differ in memory.
static bool not_judged(const struct isa_result *ours, const struct isa_case *c)
{
    uint64_t index = (ours->state.pc - ISA_CODE) / 4 % ISA_SLOT_WORDS;
    if (index >= c->count)
        return false;
    uint32_t is = a64_rows[a64_decode(c->words[index])].is;
    bool misaligned = ours->signo == 7 && ours->code == 1 && ours->addr & 15;
    if (is & (A64_IS_ATOMIC | A64_IS_EXCL) && misaligned)
        return true;
    // Cache maintenance by address faults where a load would; qemu-user does nothing for it.
    if ((c->words[index] & 0xfff80000u) == 0xd5080000u && ours->signo == 11)
        return true;
    return is & A64_IS_EXCL && is & A64_IS_STORE && ours->signo == 11;
}

struct totals {
    uint64_t instructions, cases, mismatches;
    uint64_t alone[A64_ROW_COUNT];
    uint64_t modes[A64_ROW_COUNT]; // a bit for each FPCR mode
};

// Branches are not followed: cases with one do not count.
static void count_modes(const struct isa_case *c, const struct isa_result *r, struct totals *t)
{
    const uint64_t ended = (r->state.pc - ISA_CODE) / 4 % ISA_SLOT_WORDS;
    const unsigned mode = (c->fpcr >> 22 & 31) | (c->fpcr >> 19 & 1) << 5;
    for (uint32_t i = 0; i < c->count; i++)
        if (a64_rows[a64_decode(c->words[i])].is & (A64_IS_ENDS | A64_IS_COND))
            return;
    for (uint32_t i = 0; i < c->count && i < ended; i++)
        t->modes[a64_decode(c->words[i])] |= 1ull << mode;
}

static void run_batch(struct machine *m, struct oracle *o, struct generator *g, bool step,
                      struct totals *t)
{
    static struct isa_case cases[ISA_BATCH];
    static struct isa_result theirs[ISA_BATCH];
    for (int i = 0; i < ISA_BATCH; i++)
        generate_case(g, &cases[i]);
    oracle_send(o, cases, ISA_BATCH);
    receive_all(o->from, theirs, sizeof theirs);
    machine_load(m, cases, ISA_BATCH);
    for (int i = 0; i < ISA_BATCH; i++) {
        struct isa_result ours;
        run_ours(m, &cases[i], (size_t)i, &ours, step);
        if (!same(&ours, &theirs[i], &cases[i])) {
            if (same_but_for_half_done(&ours, &theirs[i], &cases[i]) ||
                not_judged(&ours, &cases[i]))
                return;
            t->mismatches++;
            report(&cases[i], (size_t)i, &ours, &theirs[i]);
            return; // memory may differ from here on; the next batch starts afresh
        }
        t->cases++;
        t->instructions += cases[i].count;
        count_modes(&cases[i], &ours, t);
        if (cases[i].count == 1)
            t->alone[a64_decode(cases[i].words[0])]++;
    }
}

static int check_modes(const struct generator *g, const struct totals *t)
{
    int missing = 0;
    for (size_t i = 0; g->modes && i < g->row_count; i++) {
        if (t->modes[g->rows[i]] == UINT64_MAX)
            continue;
        printf("# %s: not executed in the modes %#" PRIx64 "\n", a64_rows[g->rows[i]].name,
               ~t->modes[g->rows[i]]);
        missing++;
    }
    return missing;
}

static int check_coverage(const struct generator *g, const struct totals *t, uint64_t least)
{
    int missing = 0;
    for (size_t i = 0; i < g->row_count; i++) {
        enum a64_row row = g->rows[i];
        if (t->alone[row] >= least)
            continue;
        printf("# %s: executed alone %" PRIu64 " times, wanted %" PRIu64 "\n", a64_rows[row].name,
               t->alone[row], least);
        missing++;
    }
    return missing;
}

int main(int argc, char **argv)
{
    uint64_t count = 200000, seed = 1, coverage = 0, most = 10;
    struct generator_choice choice = {0};
    bool step = false;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--step"))
            step = true;
        else if (!strcmp(argv[i], "--later"))
            choice.later = true;
        else if (!strcmp(argv[i], "--modes"))
            choice.modes = true;
        else if (i + 1 >= argc)
            die("option without a value");
        else if (!strcmp(argv[i], "--count"))
            count = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--seed"))
            seed = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--only"))
            choice.only = argv[++i];
        else if (!strcmp(argv[i], "--coverage"))
            coverage = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--most"))
            most = strtoull(argv[++i], NULL, 0);
        else
            die("unknown option");
    }
    if (i >= argc)
        die("no oracle command");

    static struct machine m;
    static struct totals t;
    struct oracle o;
    struct generator g;
    if (!generator_init(&g, seed, &choice))
        die("no such row or section");
    oracle_start(&o, argv + i);
    machine_create(&m);
    while (t.instructions < count && t.mismatches < most)
        run_batch(&m, &o, &g, step, &t);
    oracle_stop(&o);
    machine_destroy(&m);
    int missing = check_coverage(&g, &t, coverage);
    printf("%s 1 - %" PRIu64 " instructions in %" PRIu64 " cases agree with the oracle\n",
           t.mismatches ? "not ok" : "ok", t.instructions, t.cases);
    int modes = check_modes(&g, &t);
    printf("%s 2 - every row was executed alone at least %" PRIu64 " times\n",
           missing ? "not ok" : "ok", coverage);
    printf("%s 3 - every row that --modes asks for was executed in every FPCR mode\n1..3\n",
           modes ? "not ok" : "ok");
    generator_free(&g);
    return t.mismatches || missing || modes;
}
