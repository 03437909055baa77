// Instruction words by row and by gadget, and their fields: what the generators build cases from.
#ifndef TESTS_ISA_WORDS_H
#define TESTS_ISA_WORDS_H

#include "emu/a64.h"
#include "tests/isa/coverage.h"

enum { SAMPLES = 16 };

// Some words whose gadget this is: of rows that are asked for, if there are any.
struct samples {
    uint8_t count;
    bool eligible;
    uint32_t word[SAMPLES];
    uint16_t row[SAMPLES];
    uint8_t field[SAMPLES][4]; // by operand: 1 + its register field, NO_FIELD, or 0: not yet asked
};

struct words {
    struct samples *of_gadget; // by number; those the translator chooses for single words
    uint8_t *general;          // by row: bit i: register field i is a general register
    bool whole;                // words of all rows are there
};

// `eligible`, by row: those asked for. `others`: words of the rest are wanted too.
void words_init(struct words *w, const bool *eligible, bool others, uint64_t seed);
void words_free(struct words *w);

// A field of the row; width 0 when it has none of that name.
struct a64_field words_field(enum a64_row row, const char *name);
uint32_t words_get(uint32_t word, struct a64_field f);
uint32_t words_put(uint32_t word, struct a64_field f, uint32_t value);
// A random word of the row, its fields often at their extremes; false if chance made none.
bool words_random(uint64_t *random, enum a64_row row, uint32_t *out);
// Puts general register `reg` (0..31) where operand k of the gadget that `*word` (like sample
// number `sample`) has comes from, unless that register field is among those `bound` already; false
// if it comes from no single register field.
bool words_bind(struct samples *s, unsigned sample, uint32_t *word, unsigned k, uint32_t reg,
                uint32_t *bound);
// Whether it writes SP.
bool words_moves_sp(uint32_t word);

#endif
