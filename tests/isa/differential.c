// The instruction differential: random sequences on ish's CPU, in this process, against an oracle
// (`qemu-aarch64 ... executor`), all architectural state and the signal that ends a case compared.
//
//   differential [--count N] [--seed N] [--only ROW|SECTION] [--coverage N] ORACLE-COMMAND...
//
// N counts instructions. With --coverage every row must have been executed alone at least N times.
// Exit status 0: no mismatch.
#include "emu/code.h"
#include "emu/cpu.h"
#include "emu/mem.h"
#include "tests/isa/generate.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WINDOW_PAGES = ISA_RW_PAGES + ISA_RO_PAGES, CODE_PAGES = (int)(ISA_CODE_SIZE / 4096) };

struct machine {
    struct frame_pool *pool;
    struct run_tokens *tokens;
    struct mem *mem;
    struct cpu cpu;
    char *window; // host copies are not contiguous: see frames
    struct frame *window_frames[WINDOW_PAGES], *code_frames[CODE_PAGES];
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

static uint64_t counter(void)
{
    return 0;
}

static uint64_t no_clock(unsigned clock)
{
    (void)clock;
    return UINT64_MAX;
}

static const struct cpu_host host = {counter, 62500000, no_clock};

static struct frame *map_page(struct machine *m, uint64_t addr, unsigned rights)
{
    struct frame *f;
    struct mem_batch batch;
    mem_batch_init(&batch);
    if (frame_alloc(m->pool, &f))
        die("no memory");
    frame_get(f);
    struct mem_entry entry = {.frame = f, .rights = (uint8_t)rights};
    if (mem_set(m->mem, &batch, addr, entry))
        die("mem_set failed");
    mem_batch_finish(&batch);
    return f;
}

static void machine_create(struct machine *m)
{
    if (frame_pool_create(0, &m->pool) || run_tokens_create(1, &m->tokens) ||
        mem_create(m->tokens, &m->mem))
        die("no memory");
    for (int i = 0; i < WINDOW_PAGES; i++)
        m->window_frames[i] = map_page(m, ISA_DATA + (uint64_t)i * ISA_PAGE,
                                       i < ISA_RW_PAGES ? MEM_READ | MEM_WRITE : MEM_READ);
    for (int i = 0; i < CODE_PAGES; i++)
        m->code_frames[i] =
            map_page(m, ISA_CODE + (uint64_t)i * ISA_PAGE, MEM_READ | MEM_WRITE | MEM_EXEC);
    cpu_init(&m->cpu, &host);
    if (mem_attach(m->mem, &m->cpu))
        die("mem_attach failed");
}

static void machine_destroy(struct machine *m)
{
    mem_detach(&m->cpu);
    mem_put(m->mem);
    for (int i = 0; i < WINDOW_PAGES; i++)
        frame_put(m->window_frames[i]);
    for (int i = 0; i < CODE_PAGES; i++)
        frame_put(m->code_frames[i]);
    run_tokens_destroy(m->tokens);
    frame_pool_destroy(m->pool);
}

// The batch's code and the window's first content, page by page.
static void machine_load(struct machine *m, const struct isa_case *cases, size_t count)
{
    static uint32_t code[ISA_CODE_SIZE / 4];
    static char window[WINDOW_PAGES * 4096];
    isa_write_code(code, cases, count);
    isa_fill_window(window, sizeof window);
    for (int i = 0; i < WINDOW_PAGES; i++)
        memcpy(m->window_frames[i]->host, window + i * 4096, 4096);
    for (int i = 0; i < CODE_PAGES; i++) {
        memcpy(m->code_frames[i]->host, (char *)code + i * 4096, 4096);
        mem_drop_code(m->mem, m->code_frames[i]);
    }
}

static uint64_t machine_hash(const struct machine *m)
{
    static char window[ISA_RW_PAGES * 4096];
    for (int i = 0; i < ISA_RW_PAGES; i++)
        memcpy(window + i * 4096, m->window_frames[i]->host, 4096);
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
    r->addr = trap->addr;
    switch (trap->kind) {
    case TRAP_FAULT: {
        bool mapped = addr < MEM_VA_END && mem_lookup(m->mem, addr).frame;
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
        r->addr = trap->kind == TRAP_PC_ALIGN ? m->cpu.pc : m->cpu.x[CPU_SP];
        break;
    case TRAP_UNDEFINED:
        r->signo = ILL, r->code = 1, r->addr = m->cpu.pc;
        break;
    case TRAP_BRK:
        r->signo = TRAPSIG, r->code = 1, r->addr = m->cpu.pc;
        break;
    case TRAP_SVC:
    case TRAP_POKE:
    case TRAP_STEP:
        r->signo = 0, r->code = (uint32_t)trap->kind;
        break;
    }
}

static void run_ours(struct machine *m, const struct isa_case *c, size_t slot, struct isa_result *r,
                     bool step)
{
    struct isa_state st;
    struct trap trap;
    isa_initial_state(c, slot, &st);
    set_state(&m->cpu, &st);
    do
        cpu_run(&m->cpu, step ? CPU_STEP : CPU_RUN, &trap);
    while (trap.kind == TRAP_STEP || trap.kind == TRAP_POKE);
    memset(r, 0, sizeof *r);
    get_state(&m->cpu, &r->state);
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
    if (c->count == 1) { // operands, for reading
        for (int i = 0; i < 31; i++)
            printf("#   in x%-2d %016" PRIx64 "\n", i, first.x[i]);
        for (int i = 0; i < 32; i++)
            printf("#   in v%-2d %016" PRIx64 "%016" PRIx64 "\n", i, first.v[i][1], first.v[i][0]);
    }
}

// What the oracle is known not to judge; each with the architecture's rule.
static bool same(const struct isa_result *ours, const struct isa_result *theirs)
{
    return !memcmp(ours, theirs, sizeof *ours);
}

struct totals {
    uint64_t instructions, cases, mismatches;
    uint64_t alone[A64_ROW_COUNT];
};

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
        if (!same(&ours, &theirs[i])) {
            t->mismatches++;
            report(&cases[i], (size_t)i, &ours, &theirs[i]);
            return; // memory may differ from here on; the next batch starts afresh
        }
        t->cases++;
        t->instructions += cases[i].count;
        if (cases[i].count == 1)
            t->alone[a64_decode(cases[i].words[0])]++;
    }
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
    const char *only = NULL;
    bool step = false;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--step"))
            step = true;
        else if (i + 1 >= argc)
            die("option without a value");
        else if (!strcmp(argv[i], "--count"))
            count = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--seed"))
            seed = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--only"))
            only = argv[++i];
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
    if (!generator_init(&g, seed, only))
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
    printf("%s 2 - every row was executed alone at least %" PRIu64 " times\n1..2\n",
           missing ? "not ok" : "ok", coverage);
    generator_free(&g);
    return t.mismatches || missing;
}
