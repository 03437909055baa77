#include "tests/isa/generate.h"
#include "emu/translate.h"
#include <stdlib.h>

enum { PAD_WORDS = 2, PAD_TARGET = 1 };
#define PAD_BRANCH 0x14000002u // b #8, over the BRK that backward branches go to

const struct exclusion isa_exclusions[] = {
    {"svc", "a system call ends the case outside the instruction set"},
    {"mrs_cntvct_el0", "the counter differs from run to run"},
    {"mrs_clock", "a register of ours, for the vDSO"},
    {"dc_cvap", "qemu-user 7.2 raises SIGILL for it although neoverse-n1 has it: known/"},
    {"dc_cvadp", "as dc_cvap"},
    {"mrs_rndr", "random"},
    {"mrs_dit", "qemu 7.2 has it not for programs; tests/unit/test_cpu_insn.c"},
    {"msr_dit", "as mrs_dit"},
    {"msr_dit_imm", "as mrs_dit"},
    {"mrs_ssbs", "qemu 7.2 does not have it"},
    {"msr_ssbs", "as mrs_ssbs"},
    {"msr_ssbs_imm", "as mrs_ssbs"},
    {"mrs_id", "tells what we implement, not what the oracle does: test_cpu_features.c"},
    {"fcvt_fixed_v_h_f", "qemu 7.2 leaves the sign of a negative result above its 16 bits"},
    {NULL, NULL},
};

// What one case is made with.
struct sequence {
    struct test_case *t;
    uint32_t last_written;
    bool have_last, flags_fresh;
    bool marked; // the monitor was set by an exclusive of `mark`'s size
    uint32_t mark;
    bool linked; // a return address exists: going back there would loop
    bool padded;
    bool keeps_sp; // what moves SP keeps it a multiple of 16
};

static bool excluded(const char *name)
{
    for (const struct exclusion *e = isa_exclusions; e->row; e++)
        if (!strcmp(e->row, name))
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

// Whether `name` is in a list with commas.
static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at++)
        if ((at == list || at[-1] == ',') && (at[n] == ',' || !at[n]))
            return true;
    return false;
}

static bool chosen(const struct generator_choice *c, const struct a64_row_info *row)
{
    if (excluded(row->name) || (is_later(row) && !c->later))
        return false;
    if (c->later && !is_later(row) && strcmp(row->section, "base_dp"))
        return false;
    if (c->modes && (!(row->is & A64_IS_FP) || row->is & A64_IS_SYS))
        return false;
    return !c->only || listed(c->only, row->name) || listed(c->only, row->section);
}

bool generator_init(struct generator *g, uint64_t seed, const struct generator_choice *choice)
{
    memset(g, 0, sizeof *g);
    g->random = seed;
    g->modes = choice->modes;
    g->rows = calloc(A64_ROW_COUNT, sizeof *g->rows);
    g->eligible = calloc(A64_ROW_COUNT, sizeof *g->eligible);
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
        g->eligible[r] = true;
        g->rows[g->row_count++] = (enum a64_row)r;
    }
    words_init(&g->words, g->eligible, !choice->only, seed);
    return g->row_count > 0;
}

void generator_free(struct generator *g)
{
    free(g->rows);
    free(g->eligible);
    words_free(&g->words);
}

// --- Roles of registers --------------------------------------------------------------------------

static uint32_t any_register(struct generator *g)
{
    static const uint8_t often[] = {0, 1, 2, 3, 19};
    return chance(g, 40) ? often[rnd(g) % sizeof often] : (uint32_t)(rnd(g) % 31);
}

// Registers that keep pointing at memory are not results.
static bool reserved(const struct test_case *t, uint32_t reg)
{
    return (t->base | t->index) >> reg & 1;
}

static uint32_t scratch_register(struct generator *g, const struct test_case *t)
{
    if (chance(g, 8))
        return 31;
    uint32_t reg;
    do
        reg = any_register(g);
    while (reserved(t, reg));
    return reg;
}

static void begin_case(struct generator *g, struct test_case *t, struct sequence *q)
{
    uint32_t slot = t->slot;
    memset(t, 0, sizeof *t);
    memset(q, 0, sizeof *q);
    t->slot = slot;
    q->t = t;
    for (int i = 0; i < 8; i++) {
        uint32_t bit = 1u << any_register(g);
        t->base |= bit;
        t->aligned |= i < 5 ? bit : 0;
    }
    for (int i = 0; i < 2; i++)
        t->index |= 1u << any_register(g) & ~t->base;
    t->fpcr = !g->modes && chance(g, 40) ? 0 : isa_fpcr(rnd(g) % ISA_FPCR_MODES);
}

static void pad_case(struct sequence *q)
{
    struct isa_case *c = &q->t->c;
    c->words[c->count++] = PAD_BRANCH;
    c->words[c->count++] = ISA_BRK;
    q->padded = true;
}

// A register of the set, or SP.
static uint32_t member(struct generator *g, uint32_t set)
{
    if (!set || chance(g, 12))
        return 31;
    uint32_t reg;
    do
        reg = (uint32_t)(rnd(g) % 31);
    while (!(set >> reg & 1));
    return reg;
}

// --- Aiming one word -----------------------------------------------------------------------------

static uint32_t aim_memory(struct generator *g, const struct test_case *t, enum a64_row row,
                           uint32_t word)
{
    struct a64_field rn = words_field(row, "rn"), rm = words_field(row, "rm");
    struct a64_field imm12 = words_field(row, "imm12");
    bool atomic = a64_rows[row].is & (A64_IS_ATOMIC | A64_IS_EXCL);
    if (chance(g, 98))
        word = words_put(word, rn, member(g, atomic && chance(g, 95) ? t->aligned : t->base));
    if (rm.width == 5 && words_get(word, rm) != 31 && t->index && chance(g, 95)) {
        uint32_t index = member(g, t->index);
        word = index == 31 ? word : words_put(word, rm, index);
    }
    if (imm12.width == 12 && chance(g, 90))
        word = words_put(word, imm12, words_get(word, imm12) & 0x3f);
    return word;
}

// Direct branches: a short way forward, or back to the BRK before the case. Literal loads and ADR:
// into the window.
static uint32_t aim_label(struct generator *g, const struct sequence *q, enum a64_row row,
                          uint32_t word, uint32_t left)
{
    uint64_t pc = isa_slot(q->t->slot) + 4 * q->t->c.count;
    uint64_t there = ISA_DATA + 0x200 + rnd(g) % 0x1c00;
    struct a64_field immlo = words_field(row, "immlo"), immhi = words_field(row, "immhi");
    if (immlo.width && immhi.width) {
        bool page = word >> 31;
        // Never near: a branch there could loop.
        if (chance(g, 30))
            there = pc + (uint64_t)(chance(g, 50) ? -(1 << 20) : 1 << 19) + (rnd(g) & 0x7ffff);
        uint64_t off = page ? (there >> 12) - (pc >> 12) : there - pc;
        word = words_put(word, immlo, (uint32_t)off & 3);
        return words_put(word, immhi, (uint32_t)(off >> 2));
    }
    static const char *const names[] = {"imm26", "imm19", "imm14"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct a64_field f = words_field(row, names[i]);
        if (!f.width)
            continue;
        int64_t to = 1 + (int64_t)(rnd(g) % (left + 2));
        if (a64_rows[row].is & A64_IS_LOAD && chance(g, 60))
            to = (int64_t)(there - pc) / 4;
        else if (q->padded && chance(g, 60))
            to = PAD_TARGET - (int64_t)q->t->c.count;
        word = words_put(word, f, (uint32_t)to);
    }
    return word;
}

// The last word of a case may overwrite anything.
static uint32_t keep_pointers(struct generator *g, const struct test_case *t, enum a64_row row,
                              uint32_t word)
{
    struct a64_field f[REG_FIELDS];
    unsigned n = coverage_register_fields(row, f);
    for (unsigned i = 0; i < n; i++) {
        bool general = g->words.general[row] >> i & 1;
        if (general && strcmp(f[i].name, "rn") && strcmp(f[i].name, "rm") &&
            reserved(t, words_get(word, f[i])))
            word = words_put(word, f[i], scratch_register(g, t));
    }
    return word;
}

// Equal registers, and register 31.
static uint32_t alias_registers(struct generator *g, enum a64_row row, uint32_t word)
{
    struct a64_field f[REG_FIELDS];
    unsigned n = coverage_register_fields(row, f);
    if (n && chance(g, 15))
        word = words_put(word, f[rnd(g) % n], 31);
    if (n > 1 && chance(g, 20))
        word = words_put(word, f[rnd(g) % n], words_get(word, f[rnd(g) % n]));
    return word;
}

static bool is_indirect(enum a64_row row)
{
    return a64_rows[row].is & (A64_IS_ENDS | A64_IS_COND) && words_field(row, "rn").width;
}

// Does a load or store of the case move the register, or may it? A branch to it could go back.
static bool moves_base(const struct test_case *t, uint32_t reg)
{
    for (uint32_t i = 0; i < t->c.count; i++) {
        enum a64_row row = a64_decode(t->c.words[i]);
        struct a64_field rn = words_field(row, "rn");
        if (a64_rows[row].is & (A64_IS_LOAD | A64_IS_STORE) && rn.width == 5 &&
            words_get(t->c.words[i], rn) == reg)
            return true;
    }
    return false;
}

// What must hold for a word to be judged; notes what it does for those that follow.
static bool accept_word(struct sequence *q, enum a64_row row, uint32_t word, uint32_t left)
{
    uint32_t is = a64_rows[row].is;
    if (is_indirect(row) && (left || q->linked))
        return false;
    if (a64_decode(word) != row || a64_row_unpredictable(row, word))
        return false;
    // A return address is no place for data.
    bool links = is & A64_IS_COND && (words_field(row, "imm26").width || is_indirect(row));
    if (links && reserved(q->t, 30))
        return false;
    // qemu 7.2 writes the second half of CASP's X30, XZR to SP: known/casp_zero.case.
    if (!strcmp(a64_rows[row].name, "casp") && word >> 30 & 1 && (word >> 16 & 31) == 30)
        return false;
    // The stack pointer stays aligned until the last word: qemu-user does not check it, Linux does.
    if (left && !q->keeps_sp && words_moves_sp(word))
        return false;
    if (is & A64_IS_EXCL && words_field(row, "rt").width) {
        // A store-exclusive of another size than the load's is CONSTRAINED UNPREDICTABLE.
        uint32_t mark = word & (3u << 30 | 1u << 21);
        if (is & A64_IS_STORE && q->marked && mark != q->mark)
            return false;
        q->marked = q->marked || is & A64_IS_LOAD;
        q->mark = is & A64_IS_LOAD ? mark : q->mark;
    }
    struct a64_field rd = words_field(row, "rd"), rn = words_field(row, "rn");
    if (is_indirect(row) && rn.width == 5 && !reserved(q->t, words_get(word, rn)) &&
        q->last_written != words_get(word, rn) && !moves_base(q->t, words_get(word, rn)))
        q->t->code |= 1u << words_get(word, rn);
    q->have_last = rd.width == 5;
    q->last_written = q->have_last ? words_get(word, rd) : 0;
    q->linked = q->linked || links;
    q->t->c.hash |= (is & A64_IS_STORE) != 0;
    q->t->c.words[q->t->c.count++] = word;
    return true;
}

static uint32_t aim(struct generator *g, const struct sequence *q, enum a64_row row, uint32_t word,
                    uint32_t left)
{
    uint32_t is = a64_rows[row].is;
    const char *name = a64_rows[row].name;
    bool memory = is & (A64_IS_LOAD | A64_IS_STORE) && words_field(row, "rn").width;
    if (!memory && q->have_last && chance(g, 50) && words_field(row, "rd").width)
        word = words_put(word, words_field(row, chance(g, 50) ? "rn" : "rm"), q->last_written);
    word = alias_registers(g, row, word);
    if (memory)
        word = aim_memory(g, q->t, row, word);
    else if (!strncmp(name, "dc_", 3) || !strncmp(name, "ic_", 3))
        // Of these qemu checks only DC ZVA for faults.
        word = words_put(word, words_field(row, "rt"), member(g, q->t->base) % 31);
    word = aim_label(g, q, row, word, left);
    return left || chance(g, 60) ? keep_pointers(g, q->t, row, word) : word;
}

static bool add_row(struct generator *g, struct sequence *q, enum a64_row row, uint32_t left)
{
    uint32_t word;
    return words_random(&g->random, row, &word) &&
           accept_word(q, row, aim(g, q, row, word, left), left);
}

static enum a64_row pick_row(struct generator *g, const struct sequence *q)
{
    for (int tries = 0; tries < 64; tries++) {
        size_t s = rnd(g) % g->sections;
        enum a64_row row = g->rows[g->section_first[s] + rnd(g) % g->section_count[s]];
        if (q->flags_fresh && tries < 32 && !(a64_rows[row].is & A64_IS_RFLAGS))
            continue;
        // A block that branches away early executes little.
        if (a64_rows[row].is & (A64_IS_ENDS | A64_IS_COND) && tries < 32 && chance(g, 60))
            continue;
        return row;
    }
    return g->rows[rnd(g) % g->row_count];
}

static void finish_case(struct generator *g, struct test_case *t)
{
    if (!t->c.count)
        t->c.words[t->c.count++] = 0xd503201f; // nop
    // What qemu 7.2 does not know of FJCVTZS (judge.c) must not spread.
    for (uint32_t i = 0; i < t->c.count && t->c.count > 1; i++)
        if (a64_decode(t->c.words[i]) == A64_FJCVTZS)
            t->fpcr &= ~(1u << 24);
    t->c.hash |= rnd(g) % 8 == 0;
}

void generate_block(struct generator *g, struct test_case *t)
{
    struct sequence q;
    begin_case(g, t, &q);
    if (chance(g, 10))
        pad_case(&q);
    uint32_t count = t->c.count + 1 + (uint32_t)(rnd(g) % (ISA_WORDS_MAX - PAD_WORDS));
    for (uint32_t tries = 0; t->c.count < count && tries < 400; tries++) {
        enum a64_row row = pick_row(g, &q);
        if (add_row(g, &q, row, count - t->c.count - 1))
            q.flags_fresh = a64_rows[row].is & A64_IS_WFLAGS && chance(g, 60);
    }
    finish_case(g, t);
}

// --- Cases with a goal ---------------------------------------------------------------------------

// A store-exclusive, or the same twice, behind the load that makes the first succeed.
static bool add_exclusives(struct generator *g, struct sequence *q, enum a64_row row)
{
    enum { LOAD = 1 << 22, PAIR = 1 << 21 };
    uint32_t word;
    if (!words_random(&g->random, row, &word))
        return false;
    word = aim_memory(g, q->t, row, word);
    uint32_t load = word | LOAD | 31u << 16;
    enum a64_row load_row = a64_decode(load);
    load = words_put(load, words_field(load_row, "rt"), scratch_register(g, q->t));
    if (word & PAIR)
        load = words_put(load, words_field(load_row, "rt2"), scratch_register(g, q->t));
    if (!accept_word(q, load_row, load, 1))
        return false;
    // The first store takes the mark away.
    return accept_word(q, row, word, 0) && (!chance(g, 30) || accept_word(q, row, word, 0));
}

bool generate_row(struct generator *g, struct test_case *t, enum a64_row row)
{
    struct sequence q;
    begin_case(g, t, &q);
    bool label = words_field(row, "imm26").width || words_field(row, "imm19").width ||
                 words_field(row, "imm14").width;
    if (label && chance(g, 50))
        pad_case(&q);
    const uint32_t exclusive = A64_IS_EXCL | A64_IS_STORE;
    bool made =
        (a64_rows[row].is & exclusive) == exclusive && chance(g, 50) && add_exclusives(g, &q, row);
    for (int tries = 0; tries < 32 && !made; tries++)
        made = add_row(g, &q, row, 0);
    finish_case(g, t);
    return made;
}

static const uint8_t pins[] = {
#define PIN_REGISTER(i, reg) reg,
    PINS(PIN_REGISTER) 0};

static bool is_pin(uint32_t reg)
{
    return pin_of((uint8_t)reg) != 0;
}

// What a register of a sequence begins as: an address if it is or may become one.
static void give_role(struct generator *g, struct test_case *t, uint32_t reg, bool base, bool index,
                      bool write)
{
    if (reg == 31)
        return;
    if (chance(g, base ? 95 : index ? 10 : write ? 0 : 50))
        t->base |= 1u << reg;
    else if (chance(g, index ? 90 : 40))
        t->index |= 1u << reg & ~t->base;
}

// Binds the operands of a word as the signature of a variant's item says: first those that must be
// pins, then the others to registers that are none.
static bool bind_operands(struct generator *g, struct sequence *q, unsigned sample, uint32_t *word,
                          unsigned gadget, unsigned signature, uint32_t *written)
{
    enum a64_row row = a64_decode(*word);
    const struct a64_gadget_info *info = &a64_gadget_info[gadget];
    bool memory = a64_rows[row].is & (A64_IS_LOAD | A64_IS_STORE);
    uint32_t now = 0, bound = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned k = i & 3, pin = signature >> 4 * k & 15;
        if (k >= info->count || !(info->x_mask >> k & 1) || (i < 4) != (pin != 0))
            continue;
        uint32_t reg, had = bound;
        do
            reg = pin ? pins[pin - 1] : chance(g, 6) ? 31u : (uint32_t)(rnd(g) % 31);
        while (!pin && is_pin(reg) && reg != 31);
        if (!words_bind(&g->words.of_gadget[gadget], sample, word, k, reg, &bound))
            return false;
        if (had == bound)
            continue;
        bool write = info->w_mask >> k & 1;
        bool base = memory && reg == words_get(*word, words_field(row, "rn"));
        struct a64_field rm = words_field(row, "rm");
        bool index = memory && rm.width && reg == words_get(*word, rm);
        if (!(*written >> reg & 1))
            give_role(g, q->t, reg, base, index, write);
        now |= write && reg != 31 ? 1u << reg : 0;
    }
    *written |= now;
    return true;
}

// An immediate that SP moves by is a multiple of 16; what it is set to is an aligned base register;
// it moves by no register.
static bool keep_sp_aligned(const struct sequence *q, enum a64_row row, uint32_t *word,
                            uint32_t written)
{
    struct a64_field imm7 = words_field(row, "imm7"), imm9 = words_field(row, "imm9");
    struct a64_field imm12 = words_field(row, "imm12"), rn = words_field(row, "rn");
    if (!words_moves_sp(*word))
        return true;
    *word = words_put(*word, imm7, words_get(*word, imm7) & ~3u);
    *word = words_put(*word, imm9, words_get(*word, imm9) & ~15u);
    *word = words_put(*word, imm12, words_get(*word, imm12) & ~15u);
    uint32_t from = rn.width ? words_get(*word, rn) : 0;
    if (words_field(row, "rm").width && !words_field(row, "rt").width)
        return false;
    return from == 31 || ((q->t->base & ~written) >> from & 1 && imm12.width);
}

static bool add_gadget(struct generator *g, struct sequence *q, unsigned gadget, unsigned signature,
                       uint32_t left, uint32_t *written)
{
    const struct samples *s = &g->words.of_gadget[gadget];
    if (!s->count)
        return false;
    unsigned sample = (unsigned)(rnd(g) % s->count);
    uint32_t word = s->word[sample];
    enum a64_row row = (enum a64_row)s->row[sample];
    if (!g->eligible[row])
        return false;
    // Other values of the fields that do not decide which gadget it is.
    uint32_t other = word;
    const struct a64_field *fields;
    size_t n = a64_row_fields(row, &fields);
    for (size_t i = 0; i < n; i++) {
        if (chance(g, 30))
            continue;
        uint32_t value = (uint32_t)rnd(g) & (chance(g, 85) ? 0x3f : ~0u);
        uint32_t tried = words_put(other, fields[i], value);
        struct draft d;
        translate(&d, ISA_CODE + 8, &tried, 1);
        if (d.gadgets[0] == gadget && a64_decode(tried) == row &&
            !a64_row_unpredictable(row, tried))
            other = tried;
    }
    word = aim_label(g, q, row, other, left);
    uint32_t before = *written;
    if (!bind_operands(g, q, sample, &word, gadget, signature, written))
        return false;
    if (left && !keep_sp_aligned(q, row, &word, before))
        return false;
    return accept_word(q, row, word, left);
}

// Steps are counted up to a branch, and exclusives fail in steps: nothing goes with these.
static bool is_last(const struct generator *g, unsigned gadget)
{
    enum a64_row row = (enum a64_row)g->words.of_gadget[gadget].row[0];
    return a64_rows[row].is & A64_IS_EXCL || a64_gadget_info[gadget].is;
}

void generate_gadgets(struct generator *g, struct test_case *t, const unsigned *gadgets, unsigned n,
                      bool pinned)
{
    struct sequence q;
    uint32_t written = 0;
    begin_case(g, t, &q);
    if (!pinned && a64_gadget_info[gadgets[0]].layout == A64_TARGET)
        pad_case(&q);
    for (unsigned i = 0; i < n; i++) {
        const struct a64_gadget_info *info = &a64_gadget_info[gadgets[i]];
        uint32_t signature = 0;
        for (unsigned k = 0; k < info->count && k < 4 && pinned; k++)
            if (info->w_mask >> k & 1)
                signature |= (1 + (unsigned)(rnd(g) % (PIN_COUNT ? PIN_COUNT : 1))) << 4 * k;
        if (is_last(g, gadgets[i])) {
            if (!i)
                (void)add_gadget(g, &q, gadgets[i], signature, 0, &written);
            break;
        }
        (void)add_gadget(g, &q, gadgets[i], signature, n - 1 - i, &written);
    }
    finish_case(g, t);
}

bool generate_variant(struct generator *g, struct test_case *t, unsigned variant, bool more)
{
    struct sequence q;
    uint32_t written = 0;
    begin_case(g, t, &q);
    t->base = t->aligned = t->index = 0;
    q.keeps_sp = true;
    const struct variant_item *items = variant_items[variant];
    unsigned n = variant_lengths[variant];
    unsigned tail = more && chance(g, 80) ? 3 + (unsigned)(rnd(g) % 8) : 0;
    if (tail > ISA_WORDS_MAX - PAD_WORDS - n)
        tail = ISA_WORDS_MAX - PAD_WORDS - n;
    for (unsigned i = 0; i < n; i++)
        if (a64_gadget_info[items[i].gadget].layout == A64_TARGET && !i)
            pad_case(&q);
    if (!q.padded && chance(g, 50))
        pad_case(&q);
    bool made = true;
    for (unsigned i = 0; i < n && made; i++) {
        made = false;
        for (int tries = 0; tries < 16 && !made; tries++)
            made =
                add_gadget(g, &q, items[i].gadget, items[i].signature, n - i - 1 + tail, &written);
    }
    t->aligned = t->base;
    t->index &= ~t->base;
    // Others behind it, for the cost of the same signal.
    q.keeps_sp = false;
    while (tail)
        (void)add_row(g, &q, pick_row(g, &q), --tail);
    finish_case(g, t);
    return made;
}

// Reserved words that qemu 7.2 cannot judge.
static bool oracle_fails(uint32_t word)
{
    // Half-precision pairwise, across-lanes and two-register forms: it overlooks size<0> = 1,
    // executes scalar FABS and FNEG, and aborts for some of the rest. llvm-mc rejects them all, as
    // we do.
    if ((word & 0x8f760c00u) == 0x0e700800u)
        return true;
    // Half-precision FMOV of an immediate (o2 = 1) exists without op alone.
    return (word & 0xbff8fc00u) == 0x2f00fc00u;
}

void generate_reserved(struct generator *g, struct test_case *t)
{
    struct sequence q;
    begin_case(g, t, &q);
    uint32_t word;
    do {
        // Words near instructions, and any.
        if (chance(g, 70) && words_random(&g->random, g->rows[rnd(g) % g->row_count], &word))
            word ^= 1u << rnd(g) % 32 | (chance(g, 30) ? 1u << rnd(g) % 32 : 0);
        else
            word = (uint32_t)rnd(g);
    } while (a64_decode(word) != A64_UNALLOCATED || oracle_fails(word));
    t->c.words[t->c.count++] = word;
    finish_case(g, t);
}
