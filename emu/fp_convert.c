// Conversions between floating-point sizes, and between floating point and integers, in software.
#include "emu/fp_core.h"

// FPConvertNaN: the top of the payload moves along.
static uint64_t convert_nan(struct cpu *cpu, enum fp_size to, const struct fp_num *a)
{
    const bool ahp = to == FP_H && cpu->fpcr & FPCR_AHP;
    if (a->cls == FP_SNAN || ahp)
        cpu->fpsr |= FPSR_IOC;
    if (ahp)
        return fp_signed(to, a->sign, 0);
    if (cpu->fpcr & FPCR_DN)
        return fp_default_nan(to);
    return fp_signed(to, a->sign, fp_default_nan(to) | a->sig >> (63 - fp_frac_bits(to)));
}

static uint64_t convert(struct cpu *cpu, enum fp_size from, enum fp_size to, uint64_t bits,
                        enum fp_round round)
{
    const struct fp_num a = fp_unpack_cv(cpu, from, bits);
    if (fp_is_nan(&a))
        return convert_nan(cpu, to, &a);
    if (a.cls == FP_INF) {
        if (to == FP_H && cpu->fpcr & FPCR_AHP) {
            cpu->fpsr |= FPSR_IOC;
            return fp_signed(to, a.sign, 0x7fff);
        }
        return fp_signed(to, a.sign, fp_inf_bits(to));
    }
    if (a.cls == FP_ZERO)
        return fp_signed(to, a.sign, 0);
    return fp_round_pack_cv(cpu, to, a.sign, a.exp, a.sig, round);
}

uint64_t fp_convert(struct cpu *cpu, enum fp_size from, enum fp_size to, uint64_t a)
{
    return convert(cpu, from, to, a, fp_rounding(cpu));
}

uint64_t fp_convert_odd(struct cpu *cpu, uint64_t a)
{
    return convert(cpu, FP_D, FP_S, a, FP_ROUND_ODD);
}

// A magnitude split at the binary point; `part` is the fraction in units of 2^-64, bit 0 sticky.
struct split {
    uint64_t whole, part;
};

// sig / 2^63 * 2^exp; exp <= 63.
static struct split split_at_point(uint64_t sig, int exp)
{
    if (exp == 63)
        return (struct split){sig, 0};
    if (exp >= 0)
        return (struct split){sig >> (63 - exp), sig << (exp + 1)};
    return (struct split){0, fp_shift_jam(sig, (unsigned)(-exp - 1))};
}

// Whether the magnitude goes up by one.
static bool split_rounds_up(struct split v, bool sign, enum fp_round round)
{
    const uint64_t half = 1ull << 63;
    switch (round) {
    case FP_ROUND_NEAREST:
        return v.part > half || (v.part == half && v.whole & 1);
    case FP_ROUND_AWAY:
        return v.part >= half;
    case FP_ROUND_UP:
        return v.part != 0 && !sign;
    case FP_ROUND_DOWN:
        return v.part != 0 && sign;
    default:
        return false;
    }
}

uint64_t fp_round_int(struct cpu *cpu, enum fp_size s, uint64_t bits, enum fp_round round,
                      bool exact)
{
    const struct fp_num a = fp_unpack(cpu, s, bits);
    if (fp_is_nan(&a))
        return fp_nan1(cpu, s, &a, bits);
    if (a.cls == FP_ZERO)
        return fp_signed(s, a.sign, 0);
    if (a.cls == FP_INF || a.exp >= (int)fp_frac_bits(s))
        return bits;
    const struct split v = split_at_point(a.sig, a.exp);
    const uint64_t whole = v.whole + split_rounds_up(v, a.sign, round);
    if (exact && v.part != 0)
        cpu->fpsr |= FPSR_IXC;
    if (whole == 0)
        return fp_signed(s, a.sign, 0);
    const int top = 63 - __builtin_clzll(whole);
    return fp_round_pack(cpu, s, a.sign, top, whole << (63 - top), FP_ROUND_ZERO);
}

uint64_t fp_round_int_limit(struct cpu *cpu, enum fp_size s, uint64_t bits, unsigned width,
                            enum fp_round round)
{
    const struct fp_num a = fp_unpack(cpu, s, bits);
    const uint64_t top = 1ull << (width - 1);
    const uint64_t lowest =
        fp_signed(s, true, (uint64_t)(fp_bias(s) + (int)width - 1) << fp_frac_bits(s));
    if (a.cls == FP_ZERO)
        return fp_signed(s, a.sign, 0);
    if (a.cls != FP_FINITE || a.exp > 63) {
        cpu->fpsr |= FPSR_IOC;
        return lowest;
    }
    const struct split v = split_at_point(a.sig, a.exp);
    const uint64_t whole = v.whole + split_rounds_up(v, a.sign, round);
    if (whole > (a.sign ? top : top - 1)) {
        cpu->fpsr |= FPSR_IOC;
        return lowest;
    }
    if (v.part != 0)
        cpu->fpsr |= FPSR_IXC;
    if (whole == 0)
        return fp_signed(s, a.sign, 0);
    const int high = 63 - __builtin_clzll(whole);
    return fp_round_pack(cpu, s, a.sign, high, whole << (63 - high), FP_ROUND_ZERO);
}

uint32_t fp_to_int_js(struct cpu *cpu, uint64_t bits, bool *exact)
{
    const struct fp_num a = fp_unpack(cpu, FP_D, bits);
    *exact = false;
    if (a.cls == FP_ZERO) { // also one flushed to it
        *exact = bits == 0;
        return 0;
    }
    if (a.cls != FP_FINITE) {
        cpu->fpsr |= FPSR_IOC;
        return 0;
    }
    // Beyond 2^63 the double's bits are whole: those below 2^32 remain, if any.
    if (a.exp > 63) {
        cpu->fpsr |= FPSR_IOC;
        const uint32_t low = a.exp - 63 < 32 ? (uint32_t)(a.sig << (a.exp - 63)) : 0;
        return a.sign ? -low : low;
    }
    const struct split v = split_at_point(a.sig, a.exp);
    if (v.whole > (a.sign ? 1ull << 31 : (1ull << 31) - 1))
        cpu->fpsr |= FPSR_IOC;
    else if (v.part != 0)
        cpu->fpsr |= FPSR_IXC;
    else
        *exact = true;
    return a.sign ? -(uint32_t)v.whole : (uint32_t)v.whole;
}

// The formats share exponents: only the fraction gets shorter.
uint16_t fp_to_bfloat(struct cpu *cpu, uint32_t a)
{
    const uint32_t magnitude = a & 0x7fffffff, rest = a & 0xffff;
    const bool sign = a >> 31;
    if (magnitude > 0x7f800000) {
        if (!(a & 0x400000))
            cpu->fpsr |= FPSR_IOC;
        return cpu->fpcr & FPCR_DN ? 0x7fc0 : (uint16_t)(a >> 16 | 0x40);
    }
    if (magnitude < 0x800000 && magnitude && cpu->fpcr & FPCR_FZ) {
        cpu->fpsr |= FPSR_IDC;
        return (uint16_t)(sign << 15);
    }
    uint32_t r = magnitude >> 16;
    const enum fp_round round = fp_rounding(cpu);
    if (round == FP_ROUND_NEAREST)
        r += rest > 0x8000 || (rest == 0x8000 && r & 1);
    else
        r += rest && (round == FP_ROUND_UP ? !sign : round == FP_ROUND_DOWN && sign);
    if (rest)
        cpu->fpsr |= magnitude < 0x800000 ? FPSR_IXC | FPSR_UFC : FPSR_IXC;
    if (r >= 0x7f80 && magnitude < 0x7f800000)
        cpu->fpsr |= FPSR_OFC | FPSR_IXC;
    return (uint16_t)(r | (uint32_t)sign << 15);
}

uint64_t fp_to_fixed(struct cpu *cpu, enum fp_size s, uint64_t bits, unsigned fbits,
                     bool is_unsigned, unsigned width, enum fp_round round)
{
    const struct fp_num a = fp_unpack(cpu, s, bits);
    const uint64_t ones = ~0ull >> (64 - width);
    const uint64_t top = 1ull << (width - 1);
    if (a.cls == FP_ZERO)
        return 0;
    if (fp_is_nan(&a)) {
        cpu->fpsr |= FPSR_IOC;
        return 0;
    }
    uint64_t limit; // largest magnitude that fits
    if (is_unsigned)
        limit = a.sign ? 0 : ones;
    else
        limit = a.sign ? top : top - 1;
    const int exp = a.exp + (int)fbits;
    if (a.cls != FP_INF && exp <= 63) {
        const struct split v = split_at_point(a.sig, exp);
        const uint64_t whole = v.whole + split_rounds_up(v, a.sign, round);
        if (whole <= limit) {
            if (v.part != 0)
                cpu->fpsr |= FPSR_IXC;
            return (a.sign ? -whole : whole) & ones;
        }
    }
    cpu->fpsr |= FPSR_IOC;
    return (a.sign ? -limit : limit) & ones;
}

uint64_t fp_from_fixed(struct cpu *cpu, enum fp_size s, uint64_t a, unsigned fbits,
                       bool is_unsigned)
{
    if (a == 0)
        return 0;
    const bool sign = !is_unsigned && a >> 63;
    const uint64_t magnitude = sign ? -a : a;
    const int shift = __builtin_clzll(magnitude);
    return fp_round_pack(cpu, s, sign, 63 - shift - (int)fbits, magnitude << shift,
                         fp_rounding(cpu));
}
