#include "tests/isa/generate.h"
#include <stdio.h>
#include <stdlib.h>

const struct exclusion isa_exclusions[] = {
    {"svc", "a system call ends the case outside the instruction set"},
    {"mrs_cntvct_el0", "the counter differs from run to run"},
    {"mrs_clock", "a register of ours, for the vDSO"},
    {"mrs_tpidr_el0", "the thread pointer is the executor's"},
    {"msr_tpidr_el0", "the thread pointer is the executor's"},
    {"dc_cvap", "qemu-user 7.2 raises SIGILL for it although neoverse-n1 has it"},
    {"dc_cvadp", "as dc_cvap"},
    {"mrs_rndr", "random"},
    {"mrs_dit", "qemu 7.2 has it not for programs; tests/unit/test_cpu_insn.c"},
    {"msr_dit", "as mrs_dit"},
    {"msr_dit_imm", "as mrs_dit"},
    {"mrs_ssbs", "qemu 7.2 does not have it"},
    {"msr_ssbs", "as mrs_ssbs"},
    {"msr_ssbs_imm", "as mrs_ssbs"},
    {"mrs_id", "tells what is implemented, which may be less than the oracle has"},
    {"fcvt_fixed_v_h_f", "qemu 7.2 leaves the sign of a negative result above its 16 bits"},
    {NULL, NULL},
};

static bool excluded(const char *name)
{
    for (const struct exclusion *e = isa_exclusions; e->row; e++)
        if (!strcmp(e->row, name))
            return true;
    return false;
}

// Whether a Neoverse N1 lacks the row.
static bool is_later(const struct a64_row_info *row)
{
    static const char *const features[] = {
        "jscvt",  "fcma",  "sha3",   "sm3",     "sm4",  "sha512", "fhm",
        "lrcpc2", "flagm", "flagm2", "frintts", "i8mm", "bf16",   "sb",
    };
    for (size_t i = 0; row->feature && i < sizeof features / sizeof features[0]; i++)
        if (!strcmp(row->feature, features[i]))
            return true;
    return false;
}

static uint64_t rnd(struct generator *g)
{
    return isa_random(&g->random);
}

static bool chance(struct generator *g, unsigned percent)
{
    return rnd(g) % 100 < percent;
}

static bool chosen(const struct generator_choice *c, const struct a64_row_info *row)
{
    if (excluded(row->name) || (is_later(row) && !c->later))
        return false;
    if (c->later && !is_later(row) && strcmp(row->section, "base_dp"))
        return false;
    if (c->modes && (!(row->is & A64_IS_FP) || row->is & A64_IS_SYS))
        return false;
    return !c->only || !strcmp(c->only, row->name) || !strcmp(c->only, row->section);
}

bool generator_init(struct generator *g, uint64_t seed, const struct generator_choice *choice)
{
    memset(g, 0, sizeof *g);
    g->random = seed;
    g->modes = choice->modes;
    g->rows = calloc(A64_ROW_COUNT, sizeof *g->rows);
    const char *section = NULL;
    for (int r = 1; r < A64_ROW_COUNT; r++) {
        const struct a64_row_info *info = &a64_rows[r];
        if (!chosen(choice, info))
            continue;
        if (!section || strcmp(section, info->section)) {
            section = info->section;
            g->section_first[g->sections++] = g->row_count;
        }
        g->section_count[g->sections - 1]++;
        g->rows[g->row_count++] = (enum a64_row)r;
    }
    return g->row_count > 0;
}

void generator_free(struct generator *g)
{
    free(g->rows);
}

// A field of the row; width 0 when it has none of that name.
static struct a64_field field_of(enum a64_row row, const char *name)
{
    const struct a64_field *fields;
    size_t n = a64_row_fields(row, &fields);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(fields[i].name, name))
            return fields[i];
    return (struct a64_field){"", 0, 0};
}

static uint32_t get(uint32_t word, struct a64_field f)
{
    return word >> f.shift & ((1u << f.width) - 1);
}

static uint32_t put(uint32_t word, struct a64_field f, uint32_t value)
{
    if (!f.width)
        return word;
    uint32_t mask = ((1u << f.width) - 1) << f.shift;
    return (word & ~mask) | (value << f.shift & mask);
}

// Registers that keep pointing at memory are not results.
static bool reserved(uint32_t reg)
{
    return reg >= ISA_BASE_FIRST && reg <= ISA_INDEX_LAST;
}

static uint32_t scratch_register(struct generator *g)
{
    static const uint8_t choice[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 18, 29, 30, 31};
    return choice[rnd(g) % sizeof choice];
}

static uint32_t unreserve(struct generator *g, enum a64_row row, uint32_t word, const char *name)
{
    struct a64_field f = field_of(row, name);
    if (f.width == 5 && reserved(get(word, f)))
        return put(word, f, scratch_register(g));
    return word;
}

static uint32_t aim_memory(struct generator *g, enum a64_row row, uint32_t word, uint32_t *base)
{
    struct a64_field rn = field_of(row, "rn"), rm = field_of(row, "rm");
    bool atomic = a64_rows[row].is & (A64_IS_ATOMIC | A64_IS_EXCL);
    uint32_t first = atomic && chance(g, 97) ? ISA_BASE_ALIGNED : ISA_BASE_FIRST;
    uint32_t reg = first + (uint32_t)(rnd(g) % (ISA_BASE_LAST - first + 2));
    *base = reg > ISA_BASE_LAST ? 31 : reg;
    if (chance(g, 98))
        word = put(word, rn, *base);
    if (rm.width == 5 && get(word, rm) != 31 && chance(g, 95))
        word = put(word, rm, chance(g, 50) ? ISA_INDEX_FIRST : ISA_INDEX_LAST);
    static const char *const data[] = {"rt", "rt2", "rs", "rd"};
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++)
        word = unreserve(g, row, word, data[i]);
    return word;
}

// Direct branches and literal loads: a short way forward, or a little back for data.
static uint32_t aim_label(struct generator *g, enum a64_row row, uint32_t word, uint32_t left)
{
    static const char *const names[] = {"imm26", "imm19", "imm14"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        word = put(word, field_of(row, names[i]), 1 + (uint32_t)(rnd(g) % (left + 2)));
    return word;
}

struct sequence {
    uint32_t last_written;
    bool have_last, flags_fresh;
    bool marked; // the monitor was set by an exclusive of `mark`'s size
    uint32_t mark;
    bool linked; // a return address exists: going back there would loop
};

static enum a64_row pick_row(struct generator *g, const struct sequence *q)
{
    for (int tries = 0; tries < 64; tries++) {
        size_t s = rnd(g) % g->sections;
        enum a64_row row = g->rows[g->section_first[s] + rnd(g) % g->section_count[s]];
        if (q->flags_fresh && tries < 32 && !(a64_rows[row].is & A64_IS_RFLAGS))
            continue;
        return row;
    }
    return g->rows[rnd(g) % g->row_count];
}

// The stack pointer stays aligned until the last word: qemu-user does not check it, Linux does.
static bool moves_sp(uint32_t word)
{
    char text[128];
    a64_disassemble(word, ISA_CODE, text, sizeof text);
    const char *space = strchr(text, ' ');
    if (!space)
        return false;
    while (*space == ' ')
        space++;
    if (!strncmp(space, "sp", 2) || !strncmp(space, "wsp", 3))
        return true;
    return strstr(text, "[sp") && (strstr(text, "]!") || strstr(text, "], "));
}

// Unused register fields should be all ones: every other try sets them so.
static bool random_word(struct generator *g, enum a64_row row, uint32_t *word)
{
    for (int tries = 0; tries < 32; tries++) {
        uint32_t bits = (uint32_t)rnd(g);
        if (tries & 1)
            bits = put(put(bits, field_of(row, "rs"), 31), field_of(row, "rt2"), 31);
        if (a64_encode(row, bits, false, word))
            return true;
    }
    return false;
}

static bool one_word(struct generator *g, struct sequence *q, uint32_t left, uint32_t *out)
{
    enum a64_row row = pick_row(g, q);
    uint32_t is = a64_rows[row].is, word, base;
    bool memory = is & (A64_IS_LOAD | A64_IS_STORE) && field_of(row, "rn").width;
    bool cache = !strncmp(a64_rows[row].name, "dc_", 3) || !strncmp(a64_rows[row].name, "ic_", 3);
    if (!random_word(g, row, &word))
        return false;
    if (memory) {
        word = aim_memory(g, row, word, &base);
    } else if (cache) {
        // Of these qemu checks only DC ZVA for faults.
        word = put(word, field_of(row, "rt"),
                   ISA_BASE_FIRST + (uint32_t)(rnd(g) % (ISA_BASE_LAST - ISA_BASE_FIRST + 1)));
    } else {
        word = unreserve(g, row, unreserve(g, row, word, "rd"), "rt");
        if (q->have_last && chance(g, 50) && field_of(row, "rd").width)
            word = put(word, field_of(row, chance(g, 50) ? "rn" : "rm"), q->last_written);
        word = aim_label(g, row, word, left);
    }
    bool indirect = is & (A64_IS_ENDS | A64_IS_COND) && field_of(row, "rn").width;
    if (indirect && (left || q->linked))
        return false;
    if (a64_decode(word) != row || a64_row_unpredictable(row, word))
        return false;
    if (left && moves_sp(word))
        return false;
    if (is & A64_IS_EXCL && field_of(row, "rt").width) {
        // A store-exclusive of another size than the load's is CONSTRAINED UNPREDICTABLE.
        uint32_t mark = word & (3u << 30 | 1u << 21);
        if (is & A64_IS_STORE && q->marked && mark != q->mark)
            return false;
        q->marked = q->marked || is & A64_IS_LOAD;
        q->mark = is & A64_IS_LOAD ? mark : q->mark;
    }
    struct a64_field rd = field_of(row, "rd");
    q->have_last = rd.width == 5;
    q->last_written = q->have_last ? get(word, rd) : 0;
    q->linked = q->linked || (is & A64_IS_COND && field_of(row, "imm26").width);
    q->flags_fresh = is & A64_IS_WFLAGS && chance(g, 60);
    *out = word;
    return true;
}

void generate_case(struct generator *g, struct isa_case *out)
{
    memset(out, 0, sizeof *out);
    out->seed = rnd(g);
    uint32_t count = chance(g, 40) ? 1 : 1 + (uint32_t)(rnd(g) % ISA_WORDS_MAX);
    out->fpcr = !g->modes && chance(g, 40) ? 0 : isa_fpcr(rnd(g) % ISA_FPCR_MODES);
    struct sequence q = {0};
    for (uint32_t tries = 0; out->count < count && tries < 400; tries++)
        if (one_word(g, &q, count - out->count - 1, &out->words[out->count]))
            out->count++;
    // What qemu 7.2 does not know of FJCVTZS (differential.c) must not spread.
    for (uint32_t i = 0; i < out->count && out->count > 1; i++)
        if (a64_decode(out->words[i]) == A64_FJCVTZS)
            out->fpcr &= ~(1u << 24);
    if (!out->count) {
        out->words[0] = 0xd503201f; // nop
        out->count = 1;
    }
}
