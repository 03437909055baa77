// Accesses through a misaligned SP are trapped, which the oracle does not do: cases from the
// generators begin with SP misaligned, and each must stop at the first load or store whose
// assembler text has `[sp`, with nothing of it done; as a whole and in steps.
#include "tests/isa/generate.h"
#include "tests/isa/judge.h"
#include "tests/isa/machine.h"
#include "tests/isa/replay.h"
#include "tests/unit/tap.h"
#include <stdlib.h>

struct counts {
    unsigned trapped, others, wrong;
    bool *rows; // trapped at
};

static bool uses_sp(uint32_t word)
{
    char text[128];
    a64_disassemble(word, ISA_CODE, text, sizeof text);
    return strstr(text, "[sp") && strncmp(text, "prf", 3);
}

// The words before the first access through SP run; at it the registers are what they left.
static void check_case(struct machine *m, const struct isa_case *c, const struct isa_state *first,
                       struct counts *n)
{
    struct isa_result whole, steps;
    (void)machine_run(m, c, first, MACHINE_RUN, &whole);
    bool precise = machine_run(m, c, first, MACHINE_STEP, &steps);
    int at = judge_index(&whole, 0);
    bool inside = at >= 0 && (uint32_t)at < c->count && whole.signo == 7 && whole.code == 1;
    bool sp = inside && uses_sp(c->words[at]) && whole.addr == whole.state.sp;
    bool good = precise && (judge_has_exclusives(c) || !memcmp(&whole, &steps, sizeof whole));
    // It must not get past one while SP is misaligned, as it is unless some word moves it.
    bool moved = false;
    for (uint32_t i = 0; i < c->count && (int)i < at; i++) {
        moved = moved || words_moves_sp(c->words[i]);
        good = good && (moved || !uses_sp(c->words[i]));
    }
    if (sp && !(whole.state.sp & 15))
        good = false;
    // What names register 31 otherwise does not care.
    if (inside && !sp && whole.addr == whole.state.sp)
        good = false;
    n->trapped += sp;
    n->others += !sp;
    if (sp)
        n->rows[a64_decode(c->words[at])] = true;
    if (good)
        return;
    n->wrong++;
    printf("# at once, and in steps (as oracle):\n");
    replay_show(c, 0, first, &whole, &steps);
}

static void run_cases(struct machine *m, struct generator *g, struct counts *n)
{
    struct values *v = calloc(1, sizeof *v);
    if (!v)
        abort();
    values_init(v, 1);
    struct test_case t = {.slot = 0};
    for (unsigned i = 0; i < variant_count + 100 * g->row_count; i++) {
        struct isa_state first;
        bool made = i < variant_count ? generate_variant(g, &t, i, false)
                                      : generate_row(g, &t, g->rows[i % g->row_count]);
        if (!made || (t.c.count > 1 && t.c.words[1] == ISA_BRK))
            continue;
        values_first_state(v, &t, &first);
        first.sp += 1 + i % 15;
        machine_load(m, &t.c, 1);
        check_case(m, &t.c, &first, n);
    }
    free(v);
}

// Rows that can go through SP.
static unsigned missed_rows(const struct generator *g, const bool *rows)
{
    unsigned missed = 0;
    for (size_t i = 0; i < g->row_count; i++) {
        const struct a64_row_info *info = &a64_rows[g->rows[i]];
        if (!(info->is & (A64_IS_LOAD | A64_IS_STORE)) || !words_field(g->rows[i], "rn").width ||
            !strncmp(info->name, "prf", 3) || rows[g->rows[i]])
            continue;
        printf("# %s never met a misaligned SP\n", info->name);
        missed++;
    }
    return missed;
}

int main(void)
{
    struct tap tap = {0, 0};
    struct machine m;
    struct generator g;
    struct counts n = {0};
    const struct generator_choice choice = {0};
    n.rows = calloc(A64_ROW_COUNT, 1);
    if (!n.rows || !generator_init(&g, 3, &choice))
        return 2;
    machine_create(&m);
    run_cases(&m, &g, &n);
    printf("# %u trapped, %u did not reach one\n", n.trapped, n.others);
    CHECK(&tap, !n.wrong, "a load or store through a misaligned SP traps with nothing done");
    CHECK(&tap, !missed_rows(&g, n.rows), "so does every row that can go through SP");
    machine_destroy(&m);
    generator_free(&g);
    free(n.rows);
    return tap_finish(&tap);
}
