// Addition, multiplication, division, square root and the fused operations, in software.
#include "emu/fp_core.h"

// A finite nonzero value: sig / 2^127 * 2^exp with bit 127 of sig set.
struct wide {
    bool sign;
    int exp;
    fp_u128 sig;
};

static struct wide wide_from(const struct fp_num *n)
{
    return (struct wide){n->sign, n->exp, (fp_u128)n->sig << 64};
}

static fp_u128 shift_jam128(fp_u128 v, unsigned by)
{
    if (by == 0)
        return v;
    if (by > 127)
        return v != 0;
    return v >> by | ((v << (128 - by)) != 0);
}

static unsigned clz128(fp_u128 v)
{
    const uint64_t high = (uint64_t)(v >> 64);
    return (unsigned)(high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)v));
}

static uint64_t round_wide(struct cpu *cpu, enum fp_size s, struct wide w, enum fp_round round)
{
    const unsigned shift = clz128(w.sig);
    w.sig <<= shift;
    w.exp -= (int)shift;
    const uint64_t sig = (uint64_t)(w.sig >> 64) | ((uint64_t)w.sig != 0);
    return fp_round_pack(cpu, s, w.sign, w.exp, sig, round);
}

// The sum, rounded, scaled by 2^scale before rounding. An operand has at most 106 significant
// bits, so nothing is lost to the carry bit, and what alignment loses is at least 2^-100 of it.
static uint64_t add_wide(struct cpu *cpu, enum fp_size s, struct wide a, struct wide b, int scale,
                         enum fp_round round)
{
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        const struct wide t = a;
        a = b;
        b = t;
    }
    a.sig >>= 1;
    b.sig = shift_jam128(b.sig >> 1, (unsigned)(a.exp - b.exp));
    a.exp += 1 + scale;
    a.sig = a.sign == b.sign ? a.sig + b.sig : a.sig - b.sig;
    if (a.sig == 0) // exact cancellation
        return fp_signed(s, round == FP_ROUND_DOWN, 0);
    return round_wide(cpu, s, a, round);
}

static struct wide mul_wide(const struct fp_num *a, const struct fp_num *b)
{
    struct wide w = {a->sign != b->sign, a->exp + b->exp + 1, (fp_u128)a->sig * b->sig};
    if (!(w.sig >> 127)) {
        w.sig <<= 1;
        w.exp--;
    }
    return w;
}

static uint64_t zero_sum(enum fp_size s, bool a, bool b, enum fp_round round)
{
    return fp_signed(s, a == b ? a : round == FP_ROUND_DOWN, 0);
}

static uint64_t add_nums(struct cpu *cpu, enum fp_size s, uint64_t abits, uint64_t bbits, bool neg,
                         enum fp_round round)
{
    const struct fp_num a = fp_unpack(cpu, s, abits);
    struct fp_num b = fp_unpack(cpu, s, bbits);
    if (fp_is_nan(&a) || fp_is_nan(&b))
        return fp_nan2(cpu, s, &a, abits, &b, bbits);
    b.sign ^= neg;
    if (a.cls == FP_INF && b.cls == FP_INF && a.sign != b.sign)
        return fp_invalid(cpu, s);
    if (a.cls == FP_INF)
        return fp_signed(s, a.sign, fp_inf_bits(s));
    if (b.cls == FP_INF)
        return fp_signed(s, b.sign, fp_inf_bits(s));
    if (a.cls == FP_ZERO && b.cls == FP_ZERO)
        return zero_sum(s, a.sign, b.sign, round);
    if (a.cls == FP_ZERO)
        return round_wide(cpu, s, wide_from(&b), round);
    if (b.cls == FP_ZERO)
        return round_wide(cpu, s, wide_from(&a), round);
    return add_wide(cpu, s, wide_from(&a), wide_from(&b), 0, round);
}

uint64_t fp_add(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b)
{
    return add_nums(cpu, s, a, b, false, fp_rounding(cpu));
}

uint64_t fp_sub(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b)
{
    return add_nums(cpu, s, a, b, true, fp_rounding(cpu));
}

static uint64_t mul(struct cpu *cpu, enum fp_size s, uint64_t abits, uint64_t bbits, bool extended)
{
    const struct fp_num a = fp_unpack(cpu, s, abits);
    const struct fp_num b = fp_unpack(cpu, s, bbits);
    const bool sign = a.sign != b.sign;
    if (fp_is_nan(&a) || fp_is_nan(&b))
        return fp_nan2(cpu, s, &a, abits, &b, bbits);
    if (a.cls == FP_INF || b.cls == FP_INF) {
        if (a.cls != FP_ZERO && b.cls != FP_ZERO)
            return fp_signed(s, sign, fp_inf_bits(s));
        if (extended) // FMULX: infinity times zero is two
            return fp_signed(s, sign, (uint64_t)(fp_bias(s) + 1) << fp_frac_bits(s));
        return fp_invalid(cpu, s);
    }
    if (a.cls == FP_ZERO || b.cls == FP_ZERO)
        return fp_signed(s, sign, 0);
    return round_wide(cpu, s, mul_wide(&a, &b), fp_rounding(cpu));
}

uint64_t fp_mul(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b)
{
    return mul(cpu, s, a, b, false);
}

uint64_t fp_mulx(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b)
{
    return mul(cpu, s, a, b, true);
}

uint64_t fp_div(struct cpu *cpu, enum fp_size s, uint64_t abits, uint64_t bbits)
{
    const struct fp_num a = fp_unpack(cpu, s, abits);
    const struct fp_num b = fp_unpack(cpu, s, bbits);
    const bool sign = a.sign != b.sign;
    if (fp_is_nan(&a) || fp_is_nan(&b))
        return fp_nan2(cpu, s, &a, abits, &b, bbits);
    if ((a.cls == FP_INF && b.cls == FP_INF) || (a.cls == FP_ZERO && b.cls == FP_ZERO))
        return fp_invalid(cpu, s);
    if (a.cls == FP_INF)
        return fp_signed(s, sign, fp_inf_bits(s));
    if (b.cls == FP_ZERO) {
        cpu->fpsr |= FPSR_DZC;
        return fp_signed(s, sign, fp_inf_bits(s));
    }
    if (a.cls == FP_ZERO || b.cls == FP_INF)
        return fp_signed(s, sign, 0);
    // A quotient of 63 or 64 bits, and a sticky bit for the remainder.
    const fp_u128 dividend = (fp_u128)a.sig << 63;
    uint64_t q = (uint64_t)(dividend / b.sig);
    const bool rest = dividend % b.sig != 0;
    int exp = a.exp - b.exp;
    if (!(q >> 63)) {
        q <<= 1;
        exp--;
    }
    return fp_round_pack(cpu, s, sign, exp, q | rest, fp_rounding(cpu));
}

// Floor of the square root, bit by bit.
static uint64_t isqrt128(fp_u128 v)
{
    fp_u128 root = 0;
    for (int bit = 63; bit >= 0; bit--) {
        const fp_u128 trial = root | (fp_u128)1 << bit;
        if (trial * trial <= v)
            root = trial;
    }
    return (uint64_t)root;
}

uint64_t fp_sqrt(struct cpu *cpu, enum fp_size s, uint64_t abits)
{
    const struct fp_num a = fp_unpack(cpu, s, abits);
    if (fp_is_nan(&a))
        return fp_nan1(cpu, s, &a, abits);
    if (a.cls == FP_ZERO)
        return fp_signed(s, a.sign, 0);
    if (a.sign)
        return fp_invalid(cpu, s);
    if (a.cls == FP_INF)
        return fp_inf_bits(s);
    // sig * 2^(exp-63) = v * 2^(e-126) with e even: the root is isqrt(v) * 2^(e/2-63).
    const bool odd = a.exp & 1;
    const fp_u128 v = (fp_u128)a.sig << (odd ? 64 : 63);
    const uint64_t root = isqrt128(v);
    const bool rest = (fp_u128)root * root != v;
    return fp_round_pack(cpu, s, false, (a.exp - odd) / 2, root | rest, fp_rounding(cpu));
}

// Chooses among three in the order FPProcessNaNs3 wants: addend first, signalling before quiet.
static uint64_t nan3(struct cpu *cpu, enum fp_size s, const struct fp_num n[3],
                     const uint64_t bits[3])
{
    for (enum fp_class cls = FP_SNAN; cls >= FP_QNAN; cls--) {
        for (int i = 0; i < 3; i++) {
            if (n[i].cls == cls)
                return fp_nan1(cpu, s, &n[i], bits[i]);
        }
    }
    return fp_default_nan(s);
}

// (addend + a * b) * 2^scale. `steps`: infinity times zero counts as zero, as in FRECPS.
static uint64_t muladd(struct cpu *cpu, enum fp_size s, const uint64_t bits[3], int scale,
                       bool steps)
{
    const struct fp_num n[3] = {fp_unpack(cpu, s, bits[0]), fp_unpack(cpu, s, bits[1]),
                                fp_unpack(cpu, s, bits[2])};
    const struct fp_num *c = &n[0], *a = &n[1], *b = &n[2];
    const enum fp_round round = fp_rounding(cpu);
    const bool sign = a->sign != b->sign;
    const bool inf_zero =
        (a->cls == FP_INF && b->cls == FP_ZERO) || (a->cls == FP_ZERO && b->cls == FP_INF);
    if (c->cls == FP_QNAN && inf_zero)
        return fp_invalid(cpu, s);
    if (fp_is_nan(c) || fp_is_nan(a) || fp_is_nan(b))
        return nan3(cpu, s, n, bits);
    const bool inf = a->cls == FP_INF || b->cls == FP_INF;
    const bool zero = a->cls == FP_ZERO || b->cls == FP_ZERO || (steps && inf_zero);
    if (!steps && (inf_zero || (inf && c->cls == FP_INF && sign != c->sign)))
        return fp_invalid(cpu, s);
    if (c->cls == FP_INF)
        return fp_signed(s, c->sign, fp_inf_bits(s));
    if (zero) {
        if (c->cls == FP_ZERO)
            return zero_sum(s, c->sign, sign, round);
        struct wide w = wide_from(c);
        w.exp += scale;
        return round_wide(cpu, s, w, round);
    }
    if (inf)
        return fp_signed(s, sign, fp_inf_bits(s));
    struct wide product = mul_wide(a, b);
    if (c->cls == FP_ZERO) {
        product.exp += scale;
        return round_wide(cpu, s, product, round);
    }
    return add_wide(cpu, s, product, wide_from(c), scale, round);
}

uint64_t fp_muladd(struct cpu *cpu, enum fp_size s, uint64_t addend, uint64_t a, uint64_t b)
{
    return muladd(cpu, s, (const uint64_t[3]){addend, a, b}, 0, false);
}

// Exact, a NaN's payload and kind included; denormals are flushed as FZ16 says, AHP does not apply.
static uint32_t widen_half(const struct cpu *cpu, uint64_t h)
{
    const uint32_t sign = (uint32_t)(h >> 15 & 1) << 31, exp = h >> 10 & 31, frac = h & 0x3ff;
    if (exp == 31)
        return sign | 0x7f800000 | frac << 13;
    if (exp != 0)
        return sign | (exp + 112) << 23 | frac << 13;
    if (frac == 0 || cpu->fpcr & FPCR_FZ16)
        return sign;
    const unsigned shift = (unsigned)__builtin_clz(frac) - 21; // its top bit becomes bit 10
    return sign | (113 - shift) << 23 | (frac << shift & 0x3ff) << 13;
}

uint64_t fp_muladd_half(struct cpu *cpu, uint64_t addend, uint64_t a, uint64_t b)
{
    return fp_muladd(cpu, FP_S, addend, widen_half(cpu, a), widen_half(cpu, b));
}

uint32_t fp_dot_bfloat(struct cpu *cpu, uint32_t addend, uint32_t a, uint32_t b)
{
    const uint32_t fpcr = cpu->fpcr, fpsr = cpu->fpsr;
    cpu->fpcr = FPCR_FZ | FPCR_DN;
    // Products of bfloat16 are exact in single precision unless they overflow or are flushed.
    const uint64_t low = fp_mul(cpu, FP_S, a << 16, b << 16);
    const uint64_t high = fp_mul(cpu, FP_S, a & 0xffff0000, b & 0xffff0000);
    const uint64_t sum = add_nums(cpu, FP_S, low, high, false, FP_ROUND_ODD_INF);
    const uint64_t r = add_nums(cpu, FP_S, addend, sum, false, FP_ROUND_ODD_INF);
    cpu->fpcr = fpcr;
    cpu->fpsr = fpsr;
    return (uint32_t)r;
}

uint64_t fp_recip_step(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b)
{
    const uint64_t two = (uint64_t)(fp_bias(s) + 1) << fp_frac_bits(s);
    return muladd(cpu, s, (const uint64_t[3]){two, fp_negate(s, a), b}, 0, true);
}

uint64_t fp_rsqrt_step(struct cpu *cpu, enum fp_size s, uint64_t a, uint64_t b)
{
    const uint64_t three = (uint64_t)(fp_bias(s) + 1) << fp_frac_bits(s) | fp_quiet_bit(s);
    return muladd(cpu, s, (const uint64_t[3]){three, fp_negate(s, a), b}, -1, true);
}
