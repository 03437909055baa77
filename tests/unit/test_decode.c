// The decoder is total and agrees with a naive search of the table; operands it extracts name only
// existing slots and gadgets. With an argument ("all", or a part i/n) sweeps 2^32 words or a part.
#include "emu/a64.h"
#include "emu/cpu.h"
#include "emu/dispatch.h"
#include "tests/unit/tap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_BITS = 11, PREFIXES = 1 << PREFIX_BITS };

// Rows that may match words with these top bits, in table order.
static uint16_t candidates[PREFIXES][256];

static void sort_rows(void)
{
    for (uint32_t p = 0; p < PREFIXES; p++) {
        unsigned n = 0;
        uint32_t top = p << (32 - PREFIX_BITS), top_mask = ~0u << (32 - PREFIX_BITS);
        for (int r = 1; r < A64_ROW_COUNT; r++) {
            uint32_t mask, value;
            a64_row_pattern((enum a64_row)r, &mask, &value);
            if (!((top ^ value) & mask & top_mask))
                candidates[p][n++] = (uint16_t)r;
        }
        if (n >= 255)
            abort();
    }
}

// The only row that matches, 0 for none, -1 for more than one.
static int naive(uint32_t word)
{
    int found = 0;
    for (const uint16_t *c = candidates[word >> (32 - PREFIX_BITS)]; *c; c++) {
        uint32_t mask, value;
        a64_row_pattern((enum a64_row) * c, &mask, &value);
        if ((word & mask) != value || !a64_row_valid((enum a64_row) * c, word))
            continue;
        if (found)
            return -1;
        found = *c;
    }
    return found;
}

static bool operands_good(enum a64_row row, uint32_t word)
{
    struct a64_operands o;
    memset(&o, 0, sizeof(o));
    a64_operands(row, word, 0x1000, &o);
    if (o.gadget >= GADGET_COUNT || !dispatch_gadgets()[o.gadget].plain)
        return false;
    if (row && o.gadget == GADGET_UNDEFINED)
        return false;
    const struct a64_gadget_info *info = &a64_gadget_info[o.gadget];
    for (unsigned i = 0; i < info->count; i++) {
        if (info->x_mask >> i & 1 && o.r[i] >= CPU_X_SLOTS)
            return false;
    }
    return true;
}

struct result {
    uint32_t wrong_row, wrong_operands;
    bool bad;
};

static void check_word(struct result *r, uint32_t word)
{
    enum a64_row row = a64_decode(word);
    if ((int)row != naive(word)) {
        r->wrong_row = word;
        r->bad = true;
    }
    if (!operands_good(row, word)) {
        r->wrong_operands = word;
        r->bad = true;
    }
}

static void report(struct tap *tap, const struct result *r, const char *what)
{
    if (!CHECK(tap, !r->bad, what))
        printf("# row of %08x, operands of %08x\n", r->wrong_row, r->wrong_operands);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*state >> 32);
}

static void check_rows(struct tap *tap)
{
    uint64_t seed = 1;
    struct result r = {0, 0, false};
    bool all = true, text = true;
    for (int row = 1; row < A64_ROW_COUNT; row++) {
        unsigned made = 0;
        for (int i = 0; i < 2000; i++) {
            uint32_t word;
            if (!a64_encode((enum a64_row)row, next_random(&seed), false, &word))
                continue;
            made++;
            check_word(&r, word);
            char buf[12];
            memset(buf, 'x', sizeof(buf));
            a64_disassemble(word, 0x1000, buf, sizeof(buf) - 1);
            text = text && memchr(buf, 0, sizeof(buf) - 1) && buf[sizeof(buf) - 1] == 'x';
        }
        if (!made) {
            printf("# nothing encodes %s\n", a64_rows[row].name);
            all = false;
        }
    }
    CHECK(tap, all, "every row can be encoded at random");
    report(tap, &r, "every row's words decode to it");
    CHECK(tap, text, "text is cut, terminated and never overrun");
}

int main(int argc, char **argv)
{
    struct tap tap = {0, 0};
    sort_rows();
    if (argc > 1) {
        unsigned part = 0, parts = 1;
        if (strcmp(argv[1], "all") && sscanf(argv[1], "%u/%u", &part, &parts) != 2)
            return 2;
        struct result r = {0, 0, false};
        for (uint64_t w = part; w < 1ull << 32; w += parts)
            check_word(&r, (uint32_t)w);
        report(&tap, &r, "all words of the part decode as a naive search says");
        return tap_finish(&tap);
    }
    check_rows(&tap);
    uint64_t seed = 2;
    struct result r = {0, 0, false};
    for (int i = 0; i < 3000000; i++)
        check_word(&r, next_random(&seed));
    report(&tap, &r, "random words decode as a naive search says");
    return tap_finish(&tap);
}
