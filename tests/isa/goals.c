#include "tests/isa/goals.h"
#include <stdio.h>
#include <stdlib.h>

enum { TRIES = 4000, FAULTS = 3, TOGETHER = 6 };

static void cursor_init(struct goal_cursor *c, unsigned count)
{
    c->count = count;
    c->open = calloc(count + 1, sizeof *c->open);
    c->tries = calloc(count + 1, sizeof *c->tries);
    if (!c->open || !c->tries)
        abort();
    for (unsigned n = 0; n < count; n++)
        c->open[n] = (uint16_t)n;
}

static void cursor_free(struct goal_cursor *c)
{
    free(c->open);
    free(c->tries);
}

void goals_init(struct goals *go, uint32_t want, const char *variants)
{
    memset(go, 0, sizeof *go);
    go->want = want;
    if (variants && !(go->only = calloc(variant_count + 1, sizeof *go->only)))
        abort();
    for (char *end; variants && *variants; variants = *end ? end + 1 : end) {
        unsigned long n = strtoul(variants, &end, 10);
        if (end == variants)
            break;
        if (n < variant_count)
            go->only[n] = true;
    }
    go->impossible = calloc(A64_ROW_COUNT, sizeof *go->impossible);
    if (!go->impossible)
        abort();
    cursor_init(&go->row, A64_ROW_COUNT);
    cursor_init(&go->plain, GADGET_COUNT);
    cursor_init(&go->reload, GADGET_COUNT);
    cursor_init(&go->variant, variant_count);
    cursor_init(&go->mode, A64_ROW_COUNT);
}

void goals_free(struct goals *go)
{
    cursor_free(&go->row);
    cursor_free(&go->plain);
    cursor_free(&go->reload);
    cursor_free(&go->variant);
    cursor_free(&go->mode);
    free(go->only);
    free(go->impossible);
}

// --- What is wanted ------------------------------------------------------------------------------

// Whether any word of the row has register field `a` 31 (b < 0), or equal to field b.
static bool possible(enum a64_row row, const struct a64_field *f, unsigned a, int b)
{
    uint64_t random = 1;
    for (int i = 0; i < 2000; i++) {
        uint32_t word;
        if (!words_random(&random, row, &word))
            continue;
        word = words_put(word, f[a], b < 0 ? 31 : words_get(word, f[b]));
        if (a64_decode(word) == row && !a64_row_unpredictable(row, word))
            return true;
    }
    return false;
}

// Register field `a` equal to field b, or 31 (b < 0), as a bit.
static uint64_t possible_bit(unsigned a, int b)
{
    return 1ull << (a * REG_FIELDS + (b < 0 ? a : (unsigned)b));
}

// Whether some word of the row has that, and none was executed.
static bool missing_registers(const struct goals *go, const struct coverage *v, enum a64_row row,
                              const struct a64_field *f, unsigned a, int b)
{
    const struct coverage_row *n = &v->row[row];
    uint64_t bit = possible_bit(a, b);
    if (b < 0 ? n->seen31 >> a & 1 : (n->aliased & bit) != 0)
        return false;
    if (!(go->impossible[row] & bit) && !possible(row, f, a, b))
        go->impossible[row] |= bit;
    return !(go->impossible[row] & bit);
}

// Register 31 and equal registers, where the encoding allows them.
static bool want_registers(const struct goals *go, const struct coverage *v, enum a64_row row)
{
    struct a64_field f[REG_FIELDS];
    unsigned n = coverage_register_fields(row, f);
    for (unsigned a = 0; a < n; a++)
        for (int b = -1; b < (int)n; b++)
            if ((b < 0 || b > (int)a) && missing_registers(go, v, row, f, a, b))
                return true;
    return false;
}

static bool is_memory(enum a64_row row)
{
    return a64_rows[row].is & (A64_IS_LOAD | A64_IS_STORE) && words_field(row, "rn").width;
}

static bool want_row(const struct goals *go, const struct generator *g, const struct coverage *v,
                     unsigned r)
{
    const struct coverage_row *n = &v->row[r];
    return go->want && !go->only && g->eligible[r] &&
           (n->alone < go->want || (is_memory((enum a64_row)r) && n->n.faults < FAULTS) ||
            want_registers(go, v, (enum a64_row)r));
}

// Gadgets that some eligible row leads to on this host.
static bool reachable(const struct generator *g, unsigned gadget)
{
    const struct samples *s = &g->words.of_gadget[gadget];
    return s->count && g->eligible[s->row[0]];
}

static bool want_plain(const struct goals *go, const struct generator *g, const struct coverage *v,
                       unsigned gadget)
{
    return !go->only && reachable(g, gadget) && v->plain[gadget].done < go->want;
}

static bool want_reload(const struct goals *go, const struct generator *g, const struct coverage *v,
                        unsigned gadget)
{
    const struct gadget_entry *e = &dispatch_gadgets()[gadget];
    return !go->only && reachable(g, gadget) && e->plain != e->reload &&
           v->reload[gadget].done < go->want;
}

// A fault has to stop a variant exactly at the instruction that it is of: at each that can fault.
static bool want_variant_fault(const struct generator *g, const struct coverage *v,
                               unsigned variant)
{
    for (unsigned i = 0; i < variant_lengths[variant]; i++) {
        const struct samples *s = &g->words.of_gadget[variant_items[variant][i].gadget];
        if (is_memory((enum a64_row)s->row[0]) && v->variant_faults[variant][i] < FAULTS)
            return true;
    }
    return false;
}

static bool reachable_variant(const struct generator *g, unsigned variant)
{
    for (unsigned i = 0; i < variant_lengths[variant]; i++)
        if (!reachable(g, variant_items[variant][i].gadget))
            return false;
    return true;
}

static bool want_variant(const struct goals *go, const struct generator *g,
                         const struct coverage *v, unsigned variant)
{
    if (!reachable_variant(g, variant) || (go->only && !go->only[variant]))
        return false;
    return v->variant[variant].done < go->want || want_variant_fault(g, v, variant);
}

// Not yet executed in every mode of FPCR, where that is asked for.
static bool want_mode(const struct goals *go, const struct generator *g, const struct coverage *v,
                      unsigned r)
{
    (void)go;
    return g->modes && g->eligible[r] && ~v->row[r].modes;
}

typedef bool wanted(const struct goals *go, const struct generator *g, const struct coverage *v,
                    unsigned number);

// The next one wanted and not given up, round and round; false if there is none. What is no longer
// wanted never will be again.
static bool next_wanted(struct goal_cursor *c, wanted *want, const struct goals *go,
                        const struct generator *g, const struct coverage *v, unsigned *out)
{
    while (c->count) {
        unsigned at = c->at++ % c->count;
        unsigned n = c->open[at];
        if (c->tries[n] < TRIES && want(go, g, v, n)) {
            c->tries[n]++;
            *out = n;
            return true;
        }
        c->open[at] = c->open[--c->count];
    }
    return false;
}

static bool next_gadgets(struct goal_cursor *c, wanted *want, const struct goals *go,
                         struct generator *g, const struct coverage *v, struct test_case *t)
{
    unsigned gadgets[TOGETHER], n = 0;
    while (n < TOGETHER && next_wanted(c, want, go, g, v, &gadgets[n]))
        n++;
    if (n)
        generate_gadgets(g, t, gadgets, n, c == &go->reload);
    return n != 0;
}

bool goals_next(struct goals *go, struct generator *g, const struct coverage *v,
                struct test_case *t, bool *steps)
{
    unsigned n;
    *steps = false;
    if (next_wanted(&go->variant, want_variant, go, g, v, &n)) {
        for (int tries = 0; tries < 8; tries++)
            if (generate_variant(g, t, n, true) && coverage_has_variant(v, &t->c, t->slot, n))
                break;
        // Once it has faulted often enough it should get to its end.
        t->calm = !want_variant_fault(g, v, n) && isa_random(&g->random) % 4;
        return true;
    }
    if (next_wanted(&go->row, want_row, go, g, v, &n)) {
        (void)generate_row(g, t, (enum a64_row)n);
        return true;
    }
    if (next_wanted(&go->mode, want_mode, go, g, v, &n)) {
        (void)generate_row(g, t, (enum a64_row)n);
        unsigned mode;
        do
            mode = (unsigned)(isa_random(&g->random) % ISA_FPCR_MODES);
        while (v->row[n].modes >> mode & 1);
        t->fpcr = isa_fpcr(mode);
        return true;
    }
    *steps = true;
    if (next_gadgets(&go->plain, want_plain, go, g, v, t) ||
        next_gadgets(&go->reload, want_reload, go, g, v, t))
        return true;
    generate_block(g, t);
    return false;
}

// --- What was missed -----------------------------------------------------------------------------

static void print_variant(const struct coverage *v, unsigned n, uint32_t tries)
{
    printf("# variant %u:", n);
    for (unsigned i = 0; i < variant_lengths[n]; i++)
        printf(" %s/%x", a64_gadget_names[variant_items[n][i].gadget],
               variant_items[n][i].signature);
    printf(": %u times in %u cases, faults at", v->variant[n].done, tries);
    for (unsigned i = 0; i < variant_lengths[n]; i++)
        printf(" %u", v->variant_faults[n][i]);
    printf("\n");
}

static int report_one(const char *what, int number, uint32_t want, unsigned reached,
                      unsigned missed)
{
    printf("%s %d - each of %u %s was executed at least %u times\n", missed ? "not ok" : "ok",
           number, reached + missed, what, want);
    return missed != 0;
}

static int report_rows(const struct goals *go, const struct generator *g, const struct coverage *v,
                       int number)
{
    unsigned missed = 0, reached = 0;
    for (unsigned r = 1; r < A64_ROW_COUNT; r++) {
        if (!g->eligible[r])
            continue;
        const struct coverage_row *n = &v->row[r];
        if (want_row(go, g, v, r))
            printf("# row %s: alone %u, faults %u of kinds %x\n", a64_rows[r].name, n->alone,
                   n->n.faults, n->faults);
        missed += want_row(go, g, v, r);
        reached += !want_row(go, g, v, r);
    }
    return report_one("rows", number, go->want, reached, missed);
}

static int report_gadgets(const struct goals *go, const struct generator *g,
                          const struct coverage *v, int number)
{
    unsigned missed = 0, reached = 0, unreachable = 0, dead = 0;
    for (unsigned n = 0; n < GADGET_COUNT; n++) {
        bool plain = want_plain(go, g, v, n), reload = want_reload(go, g, v, n);
        if (plain || reload)
            printf("# gadget %s: %u times, reloading %u times\n", a64_gadget_names[n],
                   v->plain[n].done, v->reload[n].done);
        missed += plain + reload;
        if (!reachable(g, n))
            unreachable++;
        else
            reached +=
                !plain + (dispatch_gadgets()[n].plain != dispatch_gadgets()[n].reload && !reload);
        // Those two are run by words that are no instruction, and behind every block.
        if (g->words.of_gadget[n].count || !g->words.whole || n == GADGET_UNDEFINED ||
            n == GADGET_FALLTHROUGH)
            continue;
        dead += !a64_gadget_of_host[n];
        printf("# gadget %s: no word leads to it%s\n", a64_gadget_names[n],
               a64_gadget_of_host[n] ? " on this host" : "");
    }
    missed += dead;
    printf("# %u gadgets belong to rows that are not compared, or to other hosts\n", unreachable);
    return report_one("gadgets", number, go->want, reached, missed);
}

static int report_variants(const struct goals *go, const struct generator *g,
                           const struct coverage *v, int number)
{
    unsigned missed = 0, reached = 0;
    for (unsigned n = 0; n < variant_count; n++) {
        bool want = want_variant(go, g, v, n);
        missed += want;
        reached += !want && reachable_variant(g, n);
        if (want)
            print_variant(v, n, go->variant.tries[n]);
    }
    printf("# %u variants are of gadgets that are not compared\n",
           variant_count - reached - missed);
    return report_one("variants", number, go->want, reached, missed);
}

// Register 31 and equal registers, where the encoding allows them.
static int report_registers(const struct goals *go, const struct generator *g,
                            const struct coverage *v, int number)
{
    unsigned missed = 0, reached = 0;
    for (size_t i = 0; i < g->row_count; i++) {
        enum a64_row row = g->rows[i];
        struct a64_field f[REG_FIELDS];
        unsigned n = coverage_register_fields(row, f);
        for (unsigned a = 0; a < n; a++) {
            for (int b = -1; b < (int)n; b++) {
                if (b >= 0 && b <= (int)a)
                    continue;
                bool missing = missing_registers(go, v, row, f, a, b);
                reached += !missing && !(go->impossible[row] & possible_bit(a, b));
                missed += missing;
                if (missing)
                    printf("# row %s: %s was never %s\n", a64_rows[row].name, f[a].name,
                           b < 0 ? "31" : f[b].name);
            }
        }
    }
    printf("%s %d - %u register fields and pairs were seen as 31 and equal, all that can be\n",
           missed ? "not ok" : "ok", number, reached);
    return missed != 0;
}

int goals_report(const struct goals *go, const struct generator *g, const struct coverage *v,
                 int number)
{
    int failed = report_rows(go, g, v, number);
    failed += report_gadgets(go, g, v, number + 1);
    failed += report_variants(go, g, v, number + 2);
    return failed + report_registers(go, g, v, number + 3);
}
