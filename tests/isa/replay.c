#include "tests/isa/replay.h"
#include "emu/a64.h"
#include "tests/isa/judge.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// Cases are moved between slots: addresses inside their own slot count from its start.
static uint64_t rebase(uint64_t value, int64_t by)
{
    return value >= ISA_CODE && value < ISA_CODE + ISA_CODE_SIZE ? value + (uint64_t)by : value;
}

static void rebase_state(struct isa_state *st, int64_t by)
{
    for (int i = 0; i < 31; i++)
        st->x[i] = rebase(st->x[i], by);
    st->pc = rebase(st->pc, by);
}

void replay_make(struct replay *r, const struct isa_case *c, const struct isa_state *first,
                 const struct isa_result *expect)
{
    int64_t by = (int64_t)(ISA_CODE - first->pc);
    *r = (struct replay){*c, *first, *expect};
    rebase_state(&r->first, by);
    rebase_state(&r->expect.state, by);
    r->expect.addr = rebase(r->expect.addr, by);
}

// --- Showing -------------------------------------------------------------------------------------

static void show(const char *what, uint64_t ours, uint64_t theirs)
{
    if (ours != theirs)
        printf("#   %-6s ours %016" PRIx64 "  oracle %016" PRIx64 "\n", what, ours, theirs);
}

static void show_words(const struct isa_case *c, uint64_t pc)
{
    for (uint32_t i = 0; i < c->count; i++) {
        char text[128];
        a64_disassemble(c->words[i], pc + 4 * i, text, sizeof text);
        printf("#   %08x  %-20s %s\n", c->words[i], a64_rows[a64_decode(c->words[i])].name, text);
    }
}

void replay_show(const struct isa_case *c, size_t slot, const struct isa_state *first,
                 const struct isa_result *ours, const struct isa_result *theirs)
{
    char name[16];
    printf("# slot %zu fpcr %#x\n", slot, first->fpcr);
    show_words(c, first->pc);
    const struct isa_state *a = &ours->state, *b = &theirs->state;
    for (int i = 0; i < 31; i++) {
        snprintf(name, sizeof name, "x%d", i);
        show(name, a->x[i], b->x[i]);
    }
    show("sp", a->sp, b->sp);
    show("pc", a->pc - first->pc, b->pc - first->pc);
    show("tpidr", a->tpidr, b->tpidr);
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
}

// --- Making small --------------------------------------------------------------------------------

// Whether ours and the oracle's still differ; the oracle's answer becomes what is expected.
static bool differs(struct replay *r, struct machine *m, struct oracle *o)
{
    struct isa_batch *b = &o->shared->batch[0];
    struct isa_result ours;
    b->cases = 1;
    b->of[0] = r->c;
    for (unsigned run = 0; run < ISA_RUNS; run++)
        b->first[0][run] = r->first;
    oracle_send(o, 0);
    if (!oracle_wait(o, 0))
        return false;
    machine_load(m, b->of, 1);
    (void)machine_run(m, &r->c, &r->first, MACHINE_RUN, &ours);
    if (judge(b->of, 1, 0, &ours, &b->result[0][0]) != VERDICT_DIFFERENT)
        return false;
    r->expect = b->result[0][0];
    return true;
}

static bool try_smaller(struct replay *r, struct replay *smaller, struct machine *m,
                        struct oracle *o)
{
    if (!memcmp(r, smaller, sizeof *r) || !differs(smaller, m, o))
        return false;
    *r = *smaller;
    return true;
}

static void make_small(struct replay *r, struct machine *m, struct oracle *o)
{
    struct replay s;
    for (uint32_t i = 0; i < r->c.count;) {
        s = *r;
        s.c.count--;
        memmove(&s.c.words[i], &s.c.words[i + 1], (s.c.count - i) * sizeof s.c.words[0]);
        s.c.words[s.c.count] = 0;
        i += try_smaller(r, &s, m, o) ? 0 : 1;
    }
    for (int i = 0; i < 31; i++) {
        s = *r;
        s.first.x[i] = 0;
        (void)try_smaller(r, &s, m, o);
    }
    for (int i = 0; i < 32; i++) {
        s = *r;
        memset(s.first.v[i], 0, sizeof s.first.v[i]);
        (void)try_smaller(r, &s, m, o);
    }
    s = *r;
    s.first.nzcv = s.first.fpcr = 0;
    s.first.tpidr = 0;
    (void)try_smaller(r, &s, m, o);
    s = *r;
    s.c.hash = 0;
    (void)try_smaller(r, &s, m, o);
}

static void write_state(FILE *f, const char *how, const struct isa_state *st,
                        const struct isa_state *but)
{
    for (int i = 0; i < 31; i++)
        if (st->x[i] != but->x[i])
            fprintf(f, "%s x%d %" PRIx64 "\n", how, i, st->x[i]);
    if (st->sp != but->sp)
        fprintf(f, "%s sp %" PRIx64 "\n", how, st->sp);
    if (st->tpidr != but->tpidr)
        fprintf(f, "%s tpidr %" PRIx64 "\n", how, st->tpidr);
    if (st->nzcv != but->nzcv)
        fprintf(f, "%s nzcv %x\n", how, st->nzcv);
    if (st->fpcr != but->fpcr)
        fprintf(f, "%s fpcr %x\n", how, st->fpcr);
    if (st->fpsr != but->fpsr)
        fprintf(f, "%s fpsr %x\n", how, st->fpsr);
    for (int i = 0; i < 32; i++)
        if (memcmp(st->v[i], but->v[i], sizeof st->v[i]))
            fprintf(f, "%s v%d %" PRIx64 " %" PRIx64 "\n", how, i, st->v[i][1], st->v[i][0]);
}

void replay_save(struct replay *r, struct machine *m, struct oracle *o, const char *path)
{
    static const struct isa_state zero;
    if (!differs(r, m, o)) {
        printf("# the first mismatch does not come again alone: nothing saved\n");
        return;
    }
    make_small(r, m, o);
    FILE *f = fopen(path, "w");
    if (!f) {
        printf("# cannot write %s\n", path);
        return;
    }
    for (uint32_t i = 0; i < r->c.count; i++) {
        char text[128];
        a64_disassemble(r->c.words[i], ISA_CODE + 4 * i, text, sizeof text);
        fprintf(f, "word %08x # %s\n", r->c.words[i], text);
    }
    write_state(f, "in", &r->first, &zero);
    write_state(f, "out", &r->expect.state, &r->first);
    fprintf(f, "out pc %llx\n", (unsigned long long)(r->expect.state.pc - ISA_CODE));
    fprintf(f, "signal %u %u %" PRIx64 "\n", r->expect.signo, r->expect.code, r->expect.addr);
    if (r->c.hash)
        fprintf(f, "memory %" PRIx64 "\n", r->expect.memory);
    fclose(f);
    printf("# saved as %s\n", path);
}

// --- Running again -------------------------------------------------------------------------------

static bool read_register(struct isa_state *st, const char *name, uint64_t a, uint64_t b,
                          int values)
{
    char kind;
    unsigned n;
    if (sscanf(name, "%c%u", &kind, &n) == 2 && kind == 'x' && n < 31 && values == 1)
        st->x[n] = a;
    else if (sscanf(name, "%c%u", &kind, &n) == 2 && kind == 'v' && n < 32 && values == 2)
        st->v[n][1] = a, st->v[n][0] = b;
    else if (!strcmp(name, "sp"))
        st->sp = a;
    else if (!strcmp(name, "pc"))
        st->pc = ISA_CODE + a;
    else if (!strcmp(name, "tpidr"))
        st->tpidr = a;
    else if (!strcmp(name, "nzcv"))
        st->nzcv = (uint32_t)a;
    else if (!strcmp(name, "fpcr"))
        st->fpcr = (uint32_t)a;
    else if (!strcmp(name, "fpsr"))
        st->fpsr = (uint32_t)a;
    else
        return false;
    return true;
}

static bool read_line(struct replay *r, const char *line, bool *out_seen)
{
    char name[16];
    uint64_t a, b;
    uint32_t word;
    int n;
    if (line[0] == '#' || line[0] == '\n')
        return true;
    if (sscanf(line, "word %" SCNx32, &word) == 1 && r->c.count < ISA_WORDS_MAX) {
        r->c.words[r->c.count++] = word;
        return true;
    }
    if ((n = sscanf(line, "in %15s %" SCNx64 " %" SCNx64, name, &a, &b)) >= 2)
        return !*out_seen && read_register(&r->first, name, a, b, n - 1);
    if (!*out_seen)
        r->expect.state = r->first;
    *out_seen = true;
    if ((n = sscanf(line, "out %15s %" SCNx64 " %" SCNx64, name, &a, &b)) >= 2)
        return read_register(&r->expect.state, name, a, b, n - 1);
    if (sscanf(line, "memory %" SCNx64, &r->expect.memory) == 1) {
        r->c.hash = 1;
        return true;
    }
    return sscanf(line, "signal %" SCNu32 " %" SCNu32 " %" SCNx64, &r->expect.signo,
                  &r->expect.code, &r->expect.addr) == 3;
}

static bool read_file(struct replay *r, const char *path)
{
    char line[256];
    bool good = true, out_seen = false;
    FILE *f = fopen(path, "r");
    memset(r, 0, sizeof *r);
    r->first.pc = ISA_CODE;
    while (f && good && fgets(line, sizeof line, f))
        good = read_line(r, line, &out_seen);
    if (f)
        fclose(f);
    return f && good && r->c.count && out_seen;
}

static int replay_one(struct machine *m, const char *path, int number)
{
    struct replay r;
    struct isa_result ours[2];
    bool good = read_file(&r, path);
    if (good) {
        machine_load(m, &r.c, 1);
        (void)machine_run(m, &r.c, &r.first, MACHINE_RUN, &ours[0]);
        (void)machine_run(m, &r.c, &r.first, MACHINE_STEP, &ours[1]);
        good = !memcmp(&ours[0], &r.expect, sizeof r.expect) &&
               (judge_has_exclusives(&r.c) || !memcmp(&ours[1], &r.expect, sizeof r.expect));
        if (!good)
            replay_show(&r.c, 0, &r.first, &ours[0], &r.expect);
    }
    printf("%s %d - %s\n", good ? "ok" : "not ok", number, path);
    return !good;
}

int replay_files(char **paths)
{
    int failed = 0, number = 0;
    struct machine m;
    machine_create(&m);
    for (; *paths; paths++) {
        DIR *d = opendir(*paths);
        if (!d) {
            failed += replay_one(&m, *paths, ++number);
            continue;
        }
        char path[4096];
        for (struct dirent *e; (e = readdir(d));) {
            snprintf(path, sizeof path, "%s/%s", *paths, e->d_name);
            if (strstr(e->d_name, ".case"))
                failed += replay_one(&m, path, ++number);
        }
        closedir(d);
    }
    printf("1..%d\n", number);
    machine_destroy(&m);
    return failed != 0;
}
