// Prints words of every row and their neighbours, for encodings.py: `HEX STATE ROW` a line, STATE
// being what our table says: valid, unpredictable or undefined.
//
// `encodings ROW`: instead a hash of what every word with the row's fixed bits is: the row, the
// names and shapes of the gadgets, the operands. Equal hashes are equal tables (for mutants.py).
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

static uint64_t hash_text(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3ull;
    return h;
}

static uint64_t hash_word(uint32_t word, uint64_t pc)
{
    struct a64_operands o;
    memset(&o, 0, sizeof o);
    enum a64_row row = a64_decode(word);
    a64_operands(row, word, pc, &o);
    uint64_t h = hash_text(word, a64_rows[row].name), info = 0;
    // A gadget and the next, which is the other form of it or not looked at.
    for (unsigned i = 0; i < 2u && o.gadget + i < GADGET_COUNT; i++) {
        const struct a64_gadget_info *g = &a64_gadget_info[o.gadget + i];
        if (i && g[-1].layout != A64_TARGET && g[-1].layout != A64_CONST32 &&
            g[-1].layout != A64_CONST56)
            break;
        h = hash_text(h, a64_gadget_names[o.gadget + i]);
        memcpy(&info, g, sizeof *g);
        h = (h ^ info) * 0x9e3779b97f4a7c15ull;
    }
    for (unsigned i = 0; i < 8; i++)
        h = (h ^ o.r[i]) * 0x100000001b3ull;
    h = (h ^ (uint64_t)o.value) * 0x9e3779b97f4a7c15ull;
    return h ^ h >> 29;
}

static int print_hash(const char *name)
{
    uint32_t mask, value;
    int r = 1;
    while (r < A64_ROW_COUNT && strcmp(a64_rows[r].name, name))
        r++;
    if (r == A64_ROW_COUNT)
        return 2;
    a64_row_pattern((enum a64_row)r, &mask, &value);
    uint64_t hash = 0;
    uint32_t bits = ~mask;
    do {
        hash += hash_word(value | bits, ISA_CODE + 8);
        bits = (bits - 1) & ~mask;
    } while (bits != ~mask);
    printf("%016llx\n", (unsigned long long)hash);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return print_hash(argv[1]);
    uint64_t random = 1;
    for (int r = 1; r < A64_ROW_COUNT; r++)
        print_row((enum a64_row)r, &random);
    return 0;
}
