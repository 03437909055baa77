// One test case of the instruction differential, shared by both sides of it: the host program that
// runs ish's CPU in process (differential.c) and the guest program that runs under the oracle
// (executor.c). Everything is a function of the case's seed, so only words travel.
#ifndef TESTS_ISA_CASE_H
#define TESTS_ISA_CASE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Guest memory of both sides. The data window is [readable+writable x2][read-only][unmapped], with
// nothing mapped before it, so that accesses around its edges fault in all the ways there are.
#define ISA_CODE     0x5000000000ull
#define ISA_DATA     0x6000000000ull
#define ISA_PAGE     4096ull
#define ISA_RW_PAGES 2
#define ISA_RO_PAGES 1

enum {
    ISA_WORDS_MAX = 16,
    ISA_SLOT_WORDS = 32, // a case's code is padded with BRK to this
    ISA_BATCH = 256,
    ISA_BASE_FIRST = 19,   // x19..x26 and SP point into the data window in every initial state
    ISA_BASE_ALIGNED = 23, // from here on they are multiples of 16, for atomic accesses
    ISA_BASE_LAST = 26,
    ISA_INDEX_FIRST = 27, // x27, x28 hold small offsets
    ISA_INDEX_LAST = 28,
};
#define ISA_BRK       0xd4200020u // brk #1
#define ISA_CODE_SIZE ((size_t)ISA_BATCH * ISA_SLOT_WORDS * 4)

struct isa_case {
    uint64_t seed;
    uint32_t count; // words used
    uint32_t fpcr;
    uint32_t words[ISA_WORDS_MAX];
};

struct isa_state {
    uint64_t x[31];
    uint64_t sp, pc;
    uint32_t nzcv; // bits 31..28
    uint32_t fpcr, fpsr;
    uint32_t unused;
    uint64_t v[32][2];
};

// How a case ended: a Linux signal, as the guest sees it.
struct isa_result {
    struct isa_state state;
    uint32_t signo, code;
    uint64_t addr;
    uint64_t memory; // hash of the writable window
};

// FPCR of a mode 0..63: RMode, FZ, DN, FZ16, AHP in every combination.
#define ISA_FPCR_MODES 64
static inline uint32_t isa_fpcr(uint64_t mode)
{
    return (uint32_t)((mode & 31) << 22 | (mode >> 5 & 1) << 19);
}

static inline uint64_t isa_random(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

// Integers where arithmetic goes wrong: 0, +-1, the extremes of each width, powers of two +- 1.
static inline uint64_t isa_integer(uint64_t *s)
{
    uint64_t r = isa_random(s), bit = 1ull << (r >> 8 & 63);
    switch (r & 15) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return ~0ull;
    case 3:
        return 0x7fffffffffffffffull;
    case 4:
        return 0x8000000000000000ull;
    case 5:
        return 0x7fffffffull;
    case 6:
        return 0xffffffff80000000ull;
    case 7:
        return bit;
    case 8:
        return bit - 1;
    case 9:
        return ~bit;
    case 10:
        return (uint64_t)(int64_t)(int8_t)(r >> 16);
    case 11:
        return (uint32_t)isa_random(s);
    default:
        return isa_random(s);
    }
}

// A lane of `bits` (16, 32, 64): zeros, infinities, quiet and signalling NaNs with payloads,
// denormals, extremes, values near one and near integers, or plain random bits.
static inline uint64_t isa_float(uint64_t *s, int bits)
{
    int frac = bits == 64 ? 52 : bits == 32 ? 23 : 10;
    int expw = bits - 1 - frac;
    uint64_t r = isa_random(s), sign = (r >> 63) << (bits - 1);
    uint64_t fmask = (1ull << frac) - 1, emax = (1ull << expw) - 1, bias = emax >> 1;
    uint64_t f = isa_random(s) & fmask, quiet = 1ull << (frac - 1), low = r >> 20 & 3;
    switch (r & 31) {
    case 0:
        return sign;
    case 1:
        return sign | emax << frac;
    case 2:
        return sign | emax << frac | quiet | f;
    case 3:
        return sign | emax << frac | (f & (quiet - 1)) | 1;
    case 4:
        return sign | f;
    case 5:
        return sign | 1;
    case 6:
        return sign | fmask;
    case 7:
        return sign | 1ull << frac;
    case 8:
        return sign | (emax - 1) << frac | fmask;
    case 9:
        return sign | bias << frac;
    case 10:
        return sign | (bias - 1) << frac | (low & 1);
    case 11:
    case 12:
    case 13: // integers and halves, and their neighbours
        return sign | (bias + (r >> 8 & 15) % 13) << frac | (f & ~(fmask >> 6)) | (low & 1);
    case 14: // around the limits of 32- and 64-bit integers
        return sign | (bias + 30 + (r >> 8 & 1) * 32 + (r >> 9 & 3)) % emax << frac | low;
    case 15:
    case 16:
    case 17:
    case 18:
    case 19:
    case 20:
        return sign | (bias - 8 + (r >> 8 & 15)) << frac | f;
    default:
        return isa_random(s) & (bits == 64 ? ~0ull : (1ull << bits) - 1);
    }
}

static inline uint64_t isa_vector_half(uint64_t *s)
{
    uint64_t r = isa_random(s), out = 0;
    switch (r & 7) {
    case 0:
    case 1:
        return isa_float(s, 64);
    case 2:
    case 3:
        out = isa_float(s, 32);
        return out | isa_float(s, 32) << 32;
    case 4:
        for (int i = 0; i < 4; i++)
            out |= isa_float(s, 16) << 16 * i;
        return out;
    case 5:
        return isa_integer(s);
    case 6:
        for (int i = 0; i < 8; i++)
            out |= (isa_integer(s) & 0xff) << 8 * i;
        return out;
    default:
        return isa_random(s);
    }
}

// A base register's value: anywhere in the window, often near a page edge, often aligned.
static inline uint64_t isa_base(uint64_t *s)
{
    uint64_t r = isa_random(s), size = (ISA_RW_PAGES + ISA_RO_PAGES) * ISA_PAGE, off;
    switch (r & 15) {
    case 0:
        off = ISA_PAGE - 1 - (r >> 8 & 63);
        break;
    case 1:
        off = ISA_RW_PAGES * ISA_PAGE - 1 - (r >> 8 & 63);
        break;
    case 2:
        off = size - 1 - (r >> 8 & 63);
        break;
    case 3:
        off = (r >> 8) % size;
        break;
    default:
        off = 0x400 + (r >> 8) % (ISA_RW_PAGES * ISA_PAGE - 0x800);
        break;
    }
    if (r >> 4 & 3)
        off &= ~15ull;
    // Data addresses ignore their top byte.
    uint64_t tag = (r >> 6 & 3) == 0 ? (r >> 56) << 56 : 0;
    return (ISA_DATA + off) | tag;
}

static inline void isa_initial_state(const struct isa_case *c, size_t slot, struct isa_state *st)
{
    uint64_t s = c->seed;
    memset(st, 0, sizeof *st);
    for (int i = 0; i < 31; i++)
        st->x[i] = isa_integer(&s);
    for (int i = ISA_BASE_FIRST; i <= ISA_BASE_LAST; i++)
        st->x[i] = isa_base(&s) & (i >= ISA_BASE_ALIGNED ? ~15ull : ~0ull);
    for (int i = ISA_INDEX_FIRST; i <= ISA_INDEX_LAST; i++)
        st->x[i] = isa_random(&s) % 64;
    st->sp = (isa_base(&s) & 0x00ffffffffffffffull) & ~15ull;
    st->pc = ISA_CODE + slot * ISA_SLOT_WORDS * 4;
    st->nzcv = (uint32_t)(isa_random(&s) & 15) << 28;
    st->fpcr = c->fpcr;
    for (int i = 0; i < 32; i++)
        for (int h = 0; h < 2; h++)
            st->v[i][h] = isa_vector_half(&s);
}

// The window's content at the start of a batch. Later cases see what earlier ones stored.
static inline void isa_fill_window(void *window, size_t size)
{
    uint64_t s = 1, *p = (uint64_t *)window;
    for (size_t i = 0; i < size / 8; i++)
        p[i] = isa_random(&s);
}

static inline uint64_t isa_hash_window(const void *window)
{
    const uint64_t *p = (const uint64_t *)window;
    uint64_t h = 0;
    for (size_t i = 0; i < ISA_RW_PAGES * ISA_PAGE / 8; i++)
        h = (h ^ p[i]) * 0x9e3779b97f4a7c15ull;
    return h;
}

static inline void isa_write_code(uint32_t *code, const struct isa_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t w = 0; w < ISA_SLOT_WORDS; w++)
            code[i * ISA_SLOT_WORDS + w] = w < cases[i].count ? cases[i].words[w] : ISA_BRK;
}

#endif
