// Packing, unpacking, rounding and NaN selection of the software floating point.
#include "emu/fp_core.h"

static struct fp_num unpack(struct cpu *cpu, enum fp_size s, uint64_t bits, bool flush, bool ahp)
{
    const unsigned frac_bits = fp_frac_bits(s);
    const unsigned exp_max = (1u << fp_exp_bits(s)) - 1;
    const unsigned exp = (unsigned)(bits >> frac_bits) & exp_max;
    const uint64_t frac = bits & ((1ull << frac_bits) - 1);
    struct fp_num n = {FP_FINITE, (bits & fp_sign_bit(s)) != 0, (int)exp - fp_bias(s),
                       frac << (63 - frac_bits)};
    if (exp == exp_max && !ahp) {
        n.cls = frac == 0 ? FP_INF : frac & fp_quiet_bit(s) ? FP_QNAN : FP_SNAN;
        return n;
    }
    if (exp != 0) {
        n.sig |= 1ull << 63;
        return n;
    }
    if (frac == 0 || flush) {
        if (frac != 0 && s != FP_H)
            cpu->fpsr |= FPSR_IDC;
        n.cls = FP_ZERO;
        return n;
    }
    const int shift = __builtin_clzll(n.sig);
    n.sig <<= shift;
    n.exp += 1 - shift;
    return n;
}

struct fp_num fp_unpack(struct cpu *cpu, enum fp_size s, uint64_t bits)
{
    return unpack(cpu, s, bits, fp_flushes(cpu, s), false);
}

struct fp_num fp_unpack_cv(struct cpu *cpu, enum fp_size s, uint64_t bits)
{
    return unpack(cpu, s, bits, s != FP_H && fp_flushes(cpu, s), s == FP_H && cpu->fpcr & FPCR_AHP);
}

static bool overflows_to_inf(enum fp_round round, bool sign)
{
    switch (round) {
    case FP_ROUND_UP:
        return !sign;
    case FP_ROUND_DOWN:
        return sign;
    case FP_ROUND_NEAREST:
    case FP_ROUND_AWAY:
    case FP_ROUND_ODD_INF:
        return true;
    default:
        return false;
    }
}

static bool rounds_up(enum fp_round round, bool sign, bool odd, uint64_t rest, uint64_t half)
{
    switch (round) {
    case FP_ROUND_NEAREST:
        return rest > half || (rest == half && odd);
    case FP_ROUND_AWAY:
        return rest >= half;
    case FP_ROUND_UP:
        return rest != 0 && !sign;
    case FP_ROUND_DOWN:
        return rest != 0 && sign;
    case FP_ROUND_ODD:
    case FP_ROUND_ODD_INF:
        return rest != 0 && !odd; // adding one to an even number sets its low bit
    default:
        return false;
    }
}

static uint64_t round_pack(struct cpu *cpu, enum fp_size s, bool sign, int exp, uint64_t sig,
                           enum fp_round round, bool flush, bool ahp)
{
    const unsigned frac_bits = fp_frac_bits(s);
    const int exp_min = 1 - fp_bias(s);
    // Tininess is detected before rounding.
    const bool tiny = exp < exp_min;
    if (tiny && flush) {
        cpu->fpsr |= FPSR_UFC;
        return fp_signed(s, sign, 0);
    }
    unsigned drop = 63 - frac_bits;
    if (tiny) {
        drop += (unsigned)(exp_min - exp);
        if (drop > 63) {
            sig = fp_shift_jam(sig, drop - 63);
            drop = 63;
        }
    }
    const uint64_t rest = sig & ((1ull << drop) - 1);
    uint64_t magnitude = sig >> drop;
    magnitude += rounds_up(round, sign, magnitude & 1, rest, 1ull << (drop - 1));
    // A carry out of the fraction moves into the exponent by itself.
    if (!tiny)
        magnitude += (uint64_t)(exp - exp_min) << frac_bits;
    if (ahp) {
        if (magnitude > 0x7fff) {
            cpu->fpsr |= FPSR_IOC;
            return fp_signed(s, sign, 0x7fff);
        }
    } else if (magnitude >= fp_inf_bits(s)) {
        cpu->fpsr |= FPSR_OFC | FPSR_IXC;
        return fp_signed(s, sign, fp_inf_bits(s) - !overflows_to_inf(round, sign));
    }
    if (rest != 0)
        cpu->fpsr |= tiny ? FPSR_IXC | FPSR_UFC : FPSR_IXC;
    return fp_signed(s, sign, magnitude);
}

uint64_t fp_round_pack(struct cpu *cpu, enum fp_size s, bool sign, int exp, uint64_t sig,
                       enum fp_round round)
{
    return round_pack(cpu, s, sign, exp, sig, round, fp_flushes(cpu, s), false);
}

uint64_t fp_round_pack_cv(struct cpu *cpu, enum fp_size s, bool sign, int exp, uint64_t sig,
                          enum fp_round round)
{
    return round_pack(cpu, s, sign, exp, sig, round, s != FP_H && fp_flushes(cpu, s),
                      s == FP_H && cpu->fpcr & FPCR_AHP);
}

uint64_t fp_invalid(struct cpu *cpu, enum fp_size s)
{
    cpu->fpsr |= FPSR_IOC;
    return fp_default_nan(s);
}

uint64_t fp_nan1(struct cpu *cpu, enum fp_size s, const struct fp_num *a, uint64_t abits)
{
    if (a->cls == FP_SNAN)
        cpu->fpsr |= FPSR_IOC;
    return cpu->fpcr & FPCR_DN ? fp_default_nan(s) : abits | fp_quiet_bit(s);
}

uint64_t fp_nan2(struct cpu *cpu, enum fp_size s, const struct fp_num *a, uint64_t abits,
                 const struct fp_num *b, uint64_t bbits)
{
    if (a->cls == FP_SNAN)
        return fp_nan1(cpu, s, a, abits);
    if (b->cls == FP_SNAN)
        return fp_nan1(cpu, s, b, bbits);
    return a->cls == FP_QNAN ? fp_nan1(cpu, s, a, abits) : fp_nan1(cpu, s, b, bbits);
}
