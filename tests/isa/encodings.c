// Prints words of every row and their neighbours, for encodings.py: `HEX STATE ROW` a line, STATE
// being what our table says: valid, unpredictable or undefined.
#include "emu/a64.h"
#include "tests/isa/words.h"
#include <stdio.h>

enum { COMBINATIONS = 768, FLIPS = 6 };

static void print_word(uint32_t word, enum a64_row near)
{
    enum a64_row row = a64_decode(word);
    const char *state = !row                               ? "undefined"
                        : a64_row_unpredictable(row, word) ? "unpredictable"
                                                           : "valid";
    printf("%08x %s %s\n", word, state, a64_rows[row ? row : near].name);
}

// All values of the bits that are no registers, or as many at random; and one fixed bit wrong.
static void print_row(enum a64_row row, uint64_t *random)
{
    uint32_t mask, value, registers = 0;
    struct a64_field f[REG_FIELDS];
    unsigned n = coverage_register_fields(row, f);
    a64_row_pattern(row, &mask, &value);
    for (unsigned i = 0; i < n; i++)
        registers |= 31u << f[i].shift;
    uint32_t free_bits = ~mask & ~registers;
    unsigned count = (unsigned)__builtin_popcount(free_bits);
    bool all = count < 10 && 1u << count <= COMBINATIONS;
    for (uint32_t k = 0; k < (all ? 1u << count : COMBINATIONS); k++) {
        uint32_t bits = 0, left = all ? k : (uint32_t)isa_random(random);
        for (unsigned b = 0; b < 32; b++) {
            if (free_bits >> b & 1) {
                bits |= (left & 1) << b;
                left >>= 1;
            }
        }
        uint32_t word = value | bits | ((uint32_t)isa_random(random) & registers);
        print_word(word, row);
        if (isa_random(random) % 4 == 0)
            print_word(word | registers, row);
    }
    for (unsigned b = 0; b < 32; b++)
        for (int i = 0; i < FLIPS; i++)
            if (mask >> b & 1)
                print_word((value | ((uint32_t)isa_random(random) & ~mask)) ^ 1u << b, row);
}

int main(void)
{
    uint64_t random = 1;
    for (int r = 1; r < A64_ROW_COUNT; r++)
        print_row((enum a64_row)r, &random);
    return 0;
}
