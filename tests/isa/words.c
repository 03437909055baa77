#include "tests/isa/words.h"
#include "emu/cpu.h"
#include "emu/translate.h"
#include <stdlib.h>

enum { NO_FIELD = 255 };

struct a64_field words_field(enum a64_row row, const char *name)
{
    const struct a64_field *fields;
    size_t n = a64_row_fields(row, &fields);
    for (size_t i = 0; i < n; i++) {
        const char *mine = fields[i].name;
        if (mine[0] == name[0] && mine[1] == name[1] && !strcmp(mine, name))
            return fields[i];
    }
    return (struct a64_field){"", 0, 0};
}

uint32_t words_get(uint32_t word, struct a64_field f)
{
    return word >> f.shift & ((1u << f.width) - 1);
}

uint32_t words_put(uint32_t word, struct a64_field f, uint32_t value)
{
    if (!f.width)
        return word;
    uint32_t mask = ((1u << f.width) - 1) << f.shift;
    return (word & ~mask) | (value << f.shift & mask);
}

static void translate_one(uint32_t word, struct draft *d)
{
    translate(d, ISA_CODE + 8, &word, 1);
}

bool words_random(uint64_t *random, enum a64_row row, uint32_t *out)
{
    const struct a64_field *fields;
    size_t n = a64_row_fields(row, &fields);
    for (int tries = 0; tries < 48; tries++) {
        uint32_t bits = (uint32_t)isa_random(random);
        uint64_t how = isa_random(random);
        // Every other one is plain random. Unused register fields should be all ones.
        bool extreme = how >> 63;
        for (size_t i = 0; extreme && i < n; i++) {
            const unsigned what = how >> 4 * i & 15;
            if ((what & 7) == 0)
                bits = words_put(bits, fields[i], 0);
            else if ((what & 7) <= 2)
                bits = words_put(bits, fields[i], ~0u);
            else if (what == 3)
                bits = words_put(bits, fields[i], (1u << isa_random(random) % 8) - 1);
        }
        if ((how >> 60 & 7) == 0) { // as aliases have them
            bits = words_put(bits, words_field(row, "rn"), 31);
            bits = words_put(bits, words_field(row, "rm"), 31);
        }
        if ((tries & 3) == 3) {
            bits = words_put(bits, words_field(row, "rs"), 31);
            bits = words_put(bits, words_field(row, "rt2"), 31);
        }
        if (a64_encode(row, bits, false, out))
            return true;
    }
    return false;
}

// Which of the row's register fields operand k comes from, plus one.
static uint8_t find_field(enum a64_row row, uint32_t word, unsigned k)
{
    struct a64_field f[REG_FIELDS];
    unsigned n = coverage_register_fields(row, f);
    for (unsigned i = 0; i < n; i++) {
        struct draft a, b;
        translate_one(words_put(word, f[i], 9), &a);
        translate_one(words_put(word, f[i], 10), &b);
        if (a.insn[0].r[k] == 9 && b.insn[0].r[k] == 10)
            return (uint8_t)(i + 1);
    }
    return NO_FIELD;
}

bool words_bind(struct samples *s, unsigned sample, uint32_t *word, unsigned k, uint32_t reg,
                uint32_t *bound)
{
    enum a64_row row = a64_decode(*word);
    uint8_t *field = &s->field[sample][k];
    if (!*field)
        *field = find_field(row, *word, k);
    if (*field == NO_FIELD)
        return false;
    struct a64_field f[REG_FIELDS];
    (void)coverage_register_fields(row, f);
    if (!(*bound >> (*field - 1) & 1))
        *word = words_put(*word, f[*field - 1], reg);
    *bound |= 1u << (*field - 1);
    return true;
}

bool words_moves_sp(uint32_t word)
{
    struct draft d;
    translate_one(word, &d);
    const struct a64_gadget_info *info = &a64_gadget_info[d.gadgets[0]];
    for (unsigned k = 0; k < info->count; k++)
        if (info->w_mask >> k & 1 && d.insn[0].r[k] == CPU_SP)
            return true;
    return false;
}

// Which register fields name general registers: those that move an operand of that kind.
static uint8_t general_fields(enum a64_row row, uint32_t word)
{
    struct a64_field f[REG_FIELDS];
    unsigned n = coverage_register_fields(row, f);
    uint8_t mask = 0;
    for (unsigned i = 0; i < n; i++) {
        struct draft a, b;
        translate_one(words_put(word, f[i], 9), &a);
        translate_one(words_put(word, f[i], 10), &b);
        const struct a64_gadget_info *info = &a64_gadget_info[a.gadgets[0]];
        for (unsigned k = 0; a.gadgets[0] == b.gadgets[0] && k < info->count; k++)
            if (info->x_mask >> k & 1 && a.insn[0].r[k] == 9 && b.insn[0].r[k] == 10)
                mask |= (uint8_t)(1u << i);
    }
    return mask;
}

// A sample that a word of the row should replace, or SAMPLES: another of the same row, or, if there
// is none, one of a row that has several.
static unsigned place_for(const struct samples *s, enum a64_row row, uint64_t *seed)
{
    unsigned same = SAMPLES, twice = SAMPLES;
    for (unsigned i = 0; i < SAMPLES; i++) {
        same = s->row[i] == row ? i : same;
        for (unsigned k = 0; k < i && twice == SAMPLES; k++)
            twice = s->row[k] == s->row[i] ? i : twice;
    }
    if (same < SAMPLES)
        return isa_random(seed) % 64 ? SAMPLES : same;
    return twice < SAMPLES ? twice : (unsigned)(isa_random(seed) % SAMPLES);
}

// Keeps some words of each gadget, of as many rows as share it.
static void keep_sample(struct samples *s, enum a64_row row, uint32_t word, bool eligible,
                        uint64_t *seed)
{
    if (eligible != s->eligible) {
        if (!eligible)
            return;
        s->eligible = true;
        s->count = 0;
    }
    unsigned place = s->count < SAMPLES ? s->count++ : place_for(s, row, seed);
    if (place == SAMPLES)
        return;
    s->word[place] = word;
    s->row[place] = (uint16_t)row;
}

void words_init(struct words *w, const bool *eligible, bool others, uint64_t seed)
{
    enum { TRIES = 4000 };
    w->of_gadget = calloc(GADGET_COUNT, sizeof *w->of_gadget);
    w->general = calloc(A64_ROW_COUNT, 1);
    w->whole = others;
    if (!w->of_gadget || !w->general)
        abort();
    for (int r = 1; r < A64_ROW_COUNT; r++) {
        for (int i = 0; i < TRIES && (others || eligible[r]); i++) {
            uint32_t word;
            if (!words_random(&seed, (enum a64_row)r, &word))
                continue;
            struct draft d;
            translate_one(word, &d);
            keep_sample(&w->of_gadget[d.gadgets[0]], (enum a64_row)r, word, eligible[r], &seed);
            if (i < 4)
                w->general[r] |= general_fields((enum a64_row)r, word);
        }
    }
}

void words_free(struct words *w)
{
    free(w->of_gadget);
    free(w->general);
}
