// Comparison, minimum and maximum of floating-point numbers, in software.
#include "emu/fp_core.h"

// Two numbers that are not NaN. Zeros are equal.
static enum fp_order order(const struct fp_num *a, const struct fp_num *b)
{
    if (a->cls == FP_ZERO && b->cls == FP_ZERO)
        return FP_EQUAL;
    if (a->cls == FP_ZERO)
        return b->sign ? FP_GREATER : FP_LESS;
    if (b->cls == FP_ZERO || a->sign != b->sign)
        return a->sign ? FP_LESS : FP_GREATER;
    const enum fp_order away = a->sign ? FP_LESS : FP_GREATER; // |a| > |b|
    const enum fp_order toward = a->sign ? FP_GREATER : FP_LESS;
    if (a->cls != b->cls)
        return a->cls == FP_INF ? away : toward;
    if (a->cls == FP_INF)
        return FP_EQUAL;
    if (a->exp != b->exp)
        return a->exp > b->exp ? away : toward;
    if (a->sig != b->sig)
        return a->sig > b->sig ? away : toward;
    return FP_EQUAL;
}

enum fp_order fp_compare(struct cpu *cpu, enum fp_size s, uint64_t abits, uint64_t bbits,
                         bool signal)
{
    const struct fp_num a = fp_unpack(cpu, s, abits);
    const struct fp_num b = fp_unpack(cpu, s, bbits);
    if (fp_is_nan(&a) || fp_is_nan(&b)) {
        if (signal || a.cls == FP_SNAN || b.cls == FP_SNAN)
            cpu->fpsr |= FPSR_IOC;
        return FP_UNORDERED;
    }
    return order(&a, &b);
}

static uint64_t pick(struct cpu *cpu, enum fp_size s, uint64_t abits, uint64_t bbits, bool max)
{
    const struct fp_num a = fp_unpack(cpu, s, abits);
    const struct fp_num b = fp_unpack(cpu, s, bbits);
    if (fp_is_nan(&a) || fp_is_nan(&b))
        return fp_nan2(cpu, s, &a, abits, &b, bbits);
    if (a.cls == FP_ZERO && b.cls == FP_ZERO)
        return fp_signed(s, max ? a.sign && b.sign : a.sign || b.sign, 0);
    const bool first = order(&a, &b) == (max ? FP_GREATER : FP_LESS);
    const struct fp_num *n = first ? &a : &b;
    return n->cls == FP_ZERO ? fp_signed(s, n->sign, 0) : first ? abits : bbits;
}

uint64_t fp_max(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b)
{
    return pick(cpu, s, a, b, true);
}

uint64_t fp_min(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b)
{
    return pick(cpu, s, a, b, false);
}

static bool is_nan_bits(enum fp_size s, uint64_t a)
{
    return (a & (fp_sign_bit(s) - 1)) > fp_inf_bits(s);
}

// FPMaxNum: a lone quiet NaN counts as the infinity that loses.
static uint64_t pick_number(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b, bool max)
{
    const uint64_t loser = fp_signed(s, max, fp_inf_bits(s));
    const bool aq = is_nan_bits(s, a) && a & fp_quiet_bit(s);
    const bool bq = is_nan_bits(s, b) && b & fp_quiet_bit(s);
    if (aq && !bq)
        a = loser;
    else if (bq && !aq)
        b = loser;
    return pick(cpu, s, a, b, max);
}

uint64_t fp_maxnm(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b)
{
    return pick_number(cpu, s, a, b, true);
}

uint64_t fp_minnm(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b)
{
    return pick_number(cpu, s, a, b, false);
}
