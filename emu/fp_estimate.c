// Reciprocal and reciprocal square root estimates (Arm ARM, FPRecipEstimate and neighbours).
#include "emu/fp_core.h"

// RecipEstimate: 9 bits in, 256..511; 9 bits out, 256..511.
static unsigned recip_table(unsigned a)
{
    return ((1u << 19) / (a * 2 + 1) + 1) / 2;
}

// RecipSqrtEstimate: 9 bits in, 128..511; 9 bits out, 256..511.
static unsigned rsqrt_table(unsigned a)
{
    a = a < 256 ? a * 2 + 1 : ((a >> 1 << 1) + 1) * 2;
    unsigned b = 512;
    while (a * (b + 1) * (b + 1) < 1u << 28)
        b++;
    return (b + 1) / 2;
}

// The fraction field left-aligned at bit 51, and the exponent field.
struct fields {
    uint64_t frac;
    int exp;
};

static struct fields fields_of(enum fp_size s, uint64_t bits)
{
    const unsigned frac_bits = fp_frac_bits(s);
    return (struct fields){(bits & ((1ull << frac_bits) - 1)) << (52 - frac_bits),
                           (int)((bits & (fp_sign_bit(s) - 1)) >> frac_bits)};
}

static uint64_t from_fields(enum fp_size s, bool sign, struct fields f)
{
    const unsigned frac_bits = fp_frac_bits(s);
    return fp_signed(s, sign, (uint64_t)f.exp << frac_bits | f.frac >> (52 - frac_bits));
}

#define FRAC_TOP (1ull << 51)

uint64_t fp_recip_estimate(struct cpu *cpu, enum fp_size s, uint64_t bits)
{
    const struct fp_num a = fp_unpack(cpu, s, bits);
    if (fp_is_nan(&a))
        return fp_nan1(cpu, s, &a, bits);
    if (a.cls == FP_INF)
        return fp_signed(s, a.sign, 0);
    if (a.cls == FP_ZERO) {
        cpu->fpsr |= FPSR_DZC;
        return fp_signed(s, a.sign, fp_inf_bits(s));
    }
    if (a.exp < -1 - fp_bias(s)) { // the reciprocal is out of range
        const enum fp_round r = fp_rounding(cpu);
        const bool inf = r == FP_ROUND_NEAREST || r == (a.sign ? FP_ROUND_DOWN : FP_ROUND_UP);
        cpu->fpsr |= FPSR_OFC | FPSR_IXC;
        return fp_signed(s, a.sign, fp_inf_bits(s) - !inf);
    }
    if (fp_flushes(cpu, s) && a.exp >= fp_bias(s) - 1) {
        cpu->fpsr |= FPSR_UFC;
        return fp_signed(s, a.sign, 0);
    }
    struct fields f = fields_of(s, bits);
    if (f.exp == 0) {
        if (f.frac & FRAC_TOP) {
            f.frac <<= 1;
        } else {
            f.exp = -1;
            f.frac <<= 2;
        }
    }
    f.exp = 2 * fp_bias(s) - 1 - f.exp;
    f.frac = (uint64_t)(recip_table(256 | (f.frac >> 44 & 0xff)) & 0xff) << 44;
    if (f.exp <= 0) { // a subnormal result
        f.frac = (f.frac | 1ull << 52) >> (1 - f.exp);
        f.exp = 0;
    }
    return from_fields(s, a.sign, f);
}

uint64_t fp_rsqrt_estimate(struct cpu *cpu, enum fp_size s, uint64_t bits)
{
    const struct fp_num a = fp_unpack(cpu, s, bits);
    if (fp_is_nan(&a))
        return fp_nan1(cpu, s, &a, bits);
    if (a.cls == FP_ZERO) {
        cpu->fpsr |= FPSR_DZC;
        return fp_signed(s, a.sign, fp_inf_bits(s));
    }
    if (a.sign)
        return fp_invalid(cpu, s);
    if (a.cls == FP_INF)
        return 0;
    struct fields f = fields_of(s, bits);
    if (f.exp == 0) {
        while (!(f.frac & FRAC_TOP)) {
            f.frac <<= 1;
            f.exp--;
        }
        f.frac <<= 1;
    }
    const unsigned frac = (unsigned)(f.frac >> 44) & 0xff;
    const unsigned scaled = f.exp & 1 ? 128 | frac >> 1 : 256 | frac;
    f.exp = (3 * fp_bias(s) - 1 - f.exp) / 2;
    f.frac = (uint64_t)(rsqrt_table(scaled) & 0xff) << 44;
    return from_fields(s, false, f);
}

uint64_t fp_recip_exponent(struct cpu *cpu, enum fp_size s, uint64_t bits)
{
    const struct fp_num a = fp_unpack(cpu, s, bits);
    if (fp_is_nan(&a))
        return fp_nan1(cpu, s, &a, bits);
    const uint64_t exp = bits & fp_inf_bits(s);
    // Zeros and subnormals, flushed or not, give the largest finite exponent.
    const uint64_t result = exp ? exp ^ fp_inf_bits(s) : fp_inf_bits(s) - (1ull << fp_frac_bits(s));
    return fp_signed(s, a.sign, result);
}

uint32_t fp_urecpe(uint32_t a)
{
    return a >> 31 ? recip_table(a >> 23) << 23 : UINT32_MAX;
}

uint32_t fp_ursqrte(uint32_t a)
{
    return a >> 30 ? rsqrt_table(a >> 23) << 23 : UINT32_MAX;
}
