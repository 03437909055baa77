#include "tests/isa/values.h"

// Integers where arithmetic goes wrong: 0, +-1, the extremes of each width, powers of two +- 1.
static uint64_t pool_integer(uint64_t *s)
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

// What rounds to the smallest normal or to the largest number of the next narrower format, or past
// it (tininess is detected before rounding): `frac`, `bias` are those of the wider one.
static uint64_t pool_narrow(uint64_t r, int frac, uint64_t bias)
{
    bool half = frac == 23 || r >> 8 & 1;
    int narrow_frac = half ? 10 : 23;
    uint64_t narrow_bias = half ? 15 : 127, fmask = (1ull << frac) - 1, low = r >> 20 & 3;
    if (r >> 9 & 1)
        return (bias - narrow_bias) << frac | (fmask - low);
    return (bias + narrow_bias) << frac | (fmask >> (narrow_frac + 1) ^ fmask) |
           (r >> 10 & 1) * low;
}

// A lane of `bits` (16, 32, 64): zeros, infinities, quiet and signalling NaNs with payloads,
// denormals, extremes, values near one and near integers, or plain random bits.
static uint64_t pool_float(uint64_t *s, int bits)
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
    case 21: // just below a power of two near one, so that products are just below the extremes
        return sign | (bias - 1 + (r >> 8 & 1)) << frac | (fmask - low);
    case 22:
        return bits == 16 ? sign | 1ull << frac | low : sign | pool_narrow(r, frac, bias);
    default:
        return isa_random(s) & (bits == 64 ? ~0ull : (1ull << bits) - 1);
    }
}

static uint64_t pool_vector_half(uint64_t *s)
{
    uint64_t r = isa_random(s), out = 0;
    switch (r & 7) {
    case 0:
    case 1:
        return pool_float(s, 64);
    case 2:
    case 3:
        out = pool_float(s, 32);
        return out | pool_float(s, 32) << 32;
    case 4:
        for (int i = 0; i < 4; i++)
            out |= pool_float(s, 16) << 16 * i;
        return out;
    case 5:
        return pool_integer(s);
    case 6:
        for (int i = 0; i < 8; i++)
            out |= (pool_integer(s) & 0xff) << 8 * i;
        return out;
    default:
        return isa_random(s);
    }
}

// An address anywhere in the window, often near a page edge (never if `calm`), often aligned.
static uint64_t pool_address(uint64_t *s, bool aligned, bool tagged, bool calm)
{
    uint64_t r = isa_random(s), off;
    if (calm)
        off = 0x400 + (r >> 8) % (2 * ISA_PAGE - 0x800);
    else if ((r & 15) < 4)
        off =
            (1 + (r >> 8) % ISA_WINDOW_PAGES) * ISA_PAGE - 1 - (r >> 16 & (r >> 32 & 1 ? 63 : 511));
    else if ((r & 15) == 4)
        off = (r >> 8) % ISA_WINDOW_SIZE;
    else
        off = 0x400 + (r >> 8) % (2 * ISA_PAGE - 0x800);
    if (aligned || r >> 4 & 3)
        off &= ~15ull;
    // Data addresses ignore their top byte.
    uint64_t tag = tagged && (r >> 6 & 3) == 0 ? (r >> 56) << 56 : 0;
    return (ISA_DATA + off) | tag;
}

void values_init(struct values *v, uint64_t seed)
{
    v->random = seed;
    for (int i = 0; i < VALUES; i++) {
        v->integer[i] = pool_integer(&v->random);
        v->half[i] = pool_vector_half(&v->random);
    }
}

// New values take the place of old ones all the time.
void values_renew(struct values *v)
{
    for (int i = 0; i < VALUES / 64; i++) {
        v->integer[isa_random(&v->random) % VALUES] = pool_integer(&v->random);
        v->half[isa_random(&v->random) % VALUES] = pool_vector_half(&v->random);
    }
}

void values_first_state(struct values *v, const struct test_case *t, struct isa_state *st)
{
    uint64_t *s = &v->random;
    for (unsigned i = 0; i < 31; i++) {
        if (t->base >> i & 1)
            st->x[i] = pool_address(s, t->aligned >> i & 1, true, t->calm);
        else if (t->index >> i & 1)
            st->x[i] = isa_random(s) % 64;
        else if (t->code >> i & 1) // the padding behind the case
            st->x[i] = isa_slot(t->slot) + 4 * (ISA_WORDS_MAX + isa_random(s) % 8);
        else
            st->x[i] = v->integer[isa_random(s) % VALUES];
    }
    st->sp = pool_address(s, true, false, t->calm);
    st->pc = isa_slot(t->slot);
    st->tpidr = v->integer[isa_random(s) % VALUES];
    st->nzcv = (uint32_t)(isa_random(s) & 15) << 28;
    st->fpcr = t->fpcr;
    st->fpsr = st->unused = 0;
    for (int i = 0; i < 32; i++) {
        uint64_t r = isa_random(s);
        st->v[i][0] = v->half[r % VALUES];
        st->v[i][1] = v->half[(r >> 32) % VALUES];
    }
}
