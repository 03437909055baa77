// AdvSIMD floating point: Arm ARM C7, FP forms of "Advanced SIMD three same", "two-register
// miscellaneous", "across lanes", "x indexed element". `sz` as in fp.c, `q` as in emu/simd.h.
#include "emu/fp_fast.h"
#include "emu/op.h"
#include "emu/simd.h"

#define SIZE         ((unsigned)fp_size_of(sz))
#define SIGN         fp_sign_of(sz)
#define LANES        simd_lanes(SIZE, q)
#define OUT(reg, v)  SET_V(reg, simd_out(v, SIZE, q))
#define ZERO         ((union vreg){.vu64 = {0, 0}})
#define ELEMENT(reg) simd_u(VR(reg), SIZE, index)

#define SLOW1(f)              SLOW(FP_SLOW1, f, LANES, 0, 0, rd, rn, rn, rn)
#define SLOW2(f, bits, index) SLOW(FP_SLOW2, f, LANES, bits, index, rd, rn, rm, rn)

// Lane by lane; `expr` over x, the bits of one lane.
#define EACH(expr)                                                                                 \
    const union vreg a = V(rn);                                                                    \
    union vreg r = ZERO;                                                                           \
    for (unsigned i = 0; i < LANES; i++) {                                                         \
        const uint64_t x = simd_u(&a, SIZE, i);                                                    \
        simd_put(&r, SIZE, i, expr);                                                               \
    }                                                                                              \
    SET_V(rd, r)

// --- Arithmetic ----------------------------------------------------------------------------------
// Ends the body with the host's result where that is ARM's.
#define TRY_HOST(first, operator, second, tiny)                                                    \
    if (sz < 2) {                                                                                  \
        const union vreg a = fp_fill(first, q), b = fp_fill(second, q);                            \
        union vreg r;                                                                              \
        if (sz)                                                                                    \
            r.vf64 = a.vf64 operator b.vf64;                                                       \
        else                                                                                       \
            r.vf32 = a.vf32 operator b.vf32;                                                       \
        if (fp_good_lanes(e->cpu, sz, r, tiny)) {                                                  \
            OUT(rd, r);                                                                            \
            return;                                                                                \
        }                                                                                          \
    }
#define BINARY(operator, tiny, soft)                                                               \
    TRY_HOST(V(rn), operator, V(rm), tiny)                                                         \
    SLOW2(soft, 0, 0)
// A scalar with only its lane of the operands, so that the others raise nothing.
#define TRY_SCALAR(operator, second, tiny, finish)                                                 \
    if (sz == 1) {                                                                                 \
        const double r = op_f64(VD(rn)) operator op_f64(second);                                   \
        if (fp_good64(e->cpu, r, tiny)) {                                                          \
            SET_V(rd, ((union vreg){.vf64 = {finish(r), 0.0}}));                                   \
            return;                                                                                \
        }                                                                                          \
    }                                                                                              \
    if (sz == 0) {                                                                                 \
        const float r = op_f32(VS(rn)) operator op_f32((uint32_t)(second));                        \
        if (fp_good32(e->cpu, r, tiny)) {                                                          \
            SET_V(rd, ((union vreg){.vf32 = {finish(r), 0.0f, 0.0f, 0.0f}}));                      \
            return;                                                                                \
        }                                                                                          \
    }

OP(fadd_v)
{
    BINARY(+, false, fp_add);
}

OP(fsub_v)
{
    BINARY(-, false, fp_sub);
}

OP(fmul_v)
{
    BINARY(*, true, fp_mul);
}

OP(fdiv_v)
{
    BINARY(/, true, fp_div);
}

OP(fmul_e)
{
    const uint64_t element = ELEMENT(rm);
    if (q == 2) {
        TRY_SCALAR(*, element, true, )
    } else {
        TRY_HOST(V(rn), *, simd_dup(SIZE, element), true)
    }
    SLOW2(fp_mul, FP_SLOW_ELEMENT, index);
}

static uint64_t soft_abd(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b)
{
    return fp_sub(cpu, size, a, b) & ~(1ull << ((8u << size) - 1));
}

OP(fabd)
{
    if (q == 2) {
        TRY_SCALAR(-, sz ? VD(rm) : VS(rm), false, __builtin_fabs)
    } else if (sz < 2) {
        const union vreg a = fp_fill(V(rn), q), b = fp_fill(V(rm), q);
        union vreg r;
        if (sz)
            r.vf64 = a.vf64 - b.vf64;
        else
            r.vf32 = a.vf32 - b.vf32;
        if (fp_good_lanes(e->cpu, sz, r, false)) {
            OUT(rd, fp_vabs(r, sz));
            return;
        }
    }
    SLOW2(soft_abd, 0, 0);
}

OP(fmulx)
{
    SLOW2(fp_mulx, 0, 0);
}

OP(fmulx_e)
{
    SLOW2(fp_mulx, FP_SLOW_ELEMENT, index);
}

OP(frecps)
{
    SLOW2(fp_recip_step, 0, 0);
}

OP(frsqrts)
{
    SLOW2(fp_rsqrt_step, 0, 0);
}

// s: the product is subtracted.
OP(fmla_v_soft)
{
    SLOW(FP_SLOW3, fp_muladd, LANES, s ? FP_SLOW_NEGATE_A : 0, 0, rd, rn, rm, rd);
}

OP(fmla_e_soft)
{
    SLOW(FP_SLOW3, fp_muladd, LANES, FP_SLOW_ELEMENT | (s ? FP_SLOW_NEGATE_A : 0), index, rd, rn,
         rm, rd);
}

#define TRY_PICK(first, second, max)                                                               \
    if (sz < 2 && fp_host_ok(e->cpu)) {                                                            \
        const union vreg a = fp_fill(first, q), b = fp_fill(second, q);                            \
        if (!fp_any_nan(a, b, sz)) {                                                               \
            OUT(rd, fp_vpick(a, b, sz, max));                                                      \
            return;                                                                                \
        }                                                                                          \
    }
#define PICK(max, soft)                                                                            \
    TRY_PICK(V(rn), V(rm), max)                                                                    \
    SLOW2(soft, 0, 0)

OP(fmax_v)
{
    PICK(true, fp_max);
}

OP(fmin_v)
{
    PICK(false, fp_min);
}

OP(fmaxnm_v)
{
    PICK(true, fp_maxnm);
}

OP(fminnm_v)
{
    PICK(false, fp_minnm);
}

// --- Pairs and all lanes -------------------------------------------------------------------------
#define EVEN simd_pairs(V(rn), V(rm), SIZE, q, false)
#define ODD  simd_pairs(V(rn), V(rm), SIZE, q, true)
#define PICK_PAIRS(max, soft)                                                                      \
    TRY_PICK(EVEN, ODD, max)                                                                       \
    SLOW(FP_SLOW_PAIRS, soft, LANES, 0, 0, rd, rn, rm, rn)

OP(faddp)
{
    TRY_HOST(EVEN, +, ODD, false)
    SLOW(FP_SLOW_PAIRS, fp_add, LANES, 0, 0, rd, rn, rm, rn);
}

OP(fmaxp)
{
    PICK_PAIRS(true, fp_max);
}

OP(fminp)
{
    PICK_PAIRS(false, fp_min);
}

OP(fmaxnmp)
{
    PICK_PAIRS(true, fp_maxnm);
}

OP(fminnmp)
{
    PICK_PAIRS(false, fp_minnm);
}

OP(faddp_pair)
{
    TRY_SCALAR(+, sz ? VR(rn)->d[1] : VR(rn)->s[1], false, )
    SLOW(FP_SLOW_PAIRS, fp_add, 1, 0, 0, rd, rn, rn, rn);
}

OP(fmaxp_pair)
{
    SLOW(FP_SLOW_PAIRS, fp_max, 1, 0, 0, rd, rn, rn, rn);
}

OP(fminp_pair)
{
    SLOW(FP_SLOW_PAIRS, fp_min, 1, 0, 0, rd, rn, rn, rn);
}

OP(fmaxnmp_pair)
{
    SLOW(FP_SLOW_PAIRS, fp_maxnm, 1, 0, 0, rd, rn, rn, rn);
}

OP(fminnmp_pair)
{
    SLOW(FP_SLOW_PAIRS, fp_minnm, 1, 0, 0, rd, rn, rn, rn);
}

OP(fmaxv)
{
    SLOW(FP_SLOW_ACROSS, fp_max, LANES, 0, 0, rd, rn, rn, rn);
}

OP(fminv)
{
    SLOW(FP_SLOW_ACROSS, fp_min, LANES, 0, 0, rd, rn, rn, rn);
}

OP(fmaxnmv)
{
    SLOW(FP_SLOW_ACROSS, fp_maxnm, LANES, 0, 0, rd, rn, rn, rn);
}

OP(fminnmv)
{
    SLOW(FP_SLOW_ACROSS, fp_minnm, LANES, 0, 0, rd, rn, rn, rn);
}

// --- Comparison ----------------------------------------------------------------------------------
static uint64_t soft_eq(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b)
{
    return -(uint64_t)(fp_compare(cpu, size, a, b, false) == FP_EQUAL);
}

static uint64_t soft_ge(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b)
{
    const enum fp_order order = fp_compare(cpu, size, a, b, true);
    return -(uint64_t)(order == FP_GREATER || order == FP_EQUAL);
}

static uint64_t soft_gt(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b)
{
    return -(uint64_t)(fp_compare(cpu, size, a, b, true) == FP_GREATER);
}

static uint64_t soft_le(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b)
{
    return soft_ge(cpu, size, b, a);
}

static uint64_t soft_lt(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b)
{
    return soft_gt(cpu, size, b, a);
}

// Lanes outside the shape are cleared first, lest they raise flags.
#define COMPARE(first, operator, second, soft, with, how)                                          \
    if (sz < 2 && fp_host_ok(e->cpu)) {                                                            \
        const union vreg a = simd_out(first, SIZE, q), b = simd_out(second, SIZE, q);              \
        union vreg r;                                                                              \
        if (sz)                                                                                    \
            r.vs64 = (VREG_TYPE(vs64))(a.vf64 operator b.vf64);                                    \
        else                                                                                       \
            r.vs32 = (VREG_TYPE(vs32))(a.vf32 operator b.vf32);                                    \
        OUT(rd, r);                                                                                \
        return;                                                                                    \
    }                                                                                              \
    SLOW(FP_SLOW2, soft, LANES, how, 0, rd, rn, with, rn)

OP(fcm_eq)
{
    COMPARE(V(rn), ==, V(rm), soft_eq, rm, 0);
}

OP(fcm_ge)
{
    COMPARE(V(rn), >=, V(rm), soft_ge, rm, 0);
}

OP(fcm_gt)
{
    COMPARE(V(rn), >, V(rm), soft_gt, rm, 0);
}

OP(fac_ge)
{
    COMPARE(fp_vabs(V(rn), sz), >=, fp_vabs(V(rm), sz), soft_ge, rm, FP_SLOW_ABS);
}

OP(fac_gt)
{
    COMPARE(fp_vabs(V(rn), sz), >, fp_vabs(V(rm), sz), soft_gt, rm, FP_SLOW_ABS);
}

OP(fcm_zero)
{
    if (op == 0) {
        COMPARE(V(rn), >, ZERO, soft_gt, rn, FP_SLOW_ZERO_B);
    } else if (op == 1) {
        COMPARE(V(rn), >=, ZERO, soft_ge, rn, FP_SLOW_ZERO_B);
    } else if (op == 2) {
        COMPARE(V(rn), ==, ZERO, soft_eq, rn, FP_SLOW_ZERO_B);
    } else if (op == 3) {
        COMPARE(V(rn), <=, ZERO, soft_le, rn, FP_SLOW_ZERO_B);
    } else {
        COMPARE(V(rn), <, ZERO, soft_lt, rn, FP_SLOW_ZERO_B);
    }
}

// --- One source ----------------------------------------------------------------------------------
OP(fabs_v)
{
    OUT(rd, fp_vabs(V(rn), sz));
}

OP(fneg_v)
{
    OUT(rd, fp_vneg(V(rn), sz));
}

OP(fsqrt_v)
{
    EACH(fast_sqrt(e->cpu, sz, x));
}

OP(frecpe)
{
    SLOW1(fp_recip_estimate);
}

OP(frsqrte)
{
    SLOW1(fp_rsqrt_estimate);
}

OP(frecpx)
{
    SLOW1(fp_recip_exponent);
}

OP(frint_v)
{
    EACH(fast_round_int(e->cpu, sz, x, mode));
}

OP(frintts_v)
{
    const enum fp_round round = x ? fp_rounding(e->cpu) : FP_ROUND_ZERO;
    const union vreg a = V(rn);
    union vreg r = ZERO;
    for (unsigned i = 0; i < LANES; i++)
        simd_put(&r, SIZE, i,
                 fp_round_int_limit(e->cpu, (enum fp_size)SIZE, simd_u(&a, SIZE, i), wide ? 64 : 32,
                                    round));
    SET_V(rd, r);
}

// --- Integers and fixed point --------------------------------------------------------------------
OP(fcvt_int_v)
{
    const unsigned bits = 8u << SIZE;
    if (rmode == FP_ROUND_ZERO) {
        EACH(fast_to_int(e->cpu, sz, x, u, bits));
    } else {
        EACH(fp_to_fixed(e->cpu, (enum fp_size)SIZE, x, 0, u, bits, (enum fp_round)rmode));
    }
}

// A lane as an integer, sign-extended unless `u`.
#define INTEGER(v, i) (u ? simd_u(v, SIZE, i) : (uint64_t)simd_s(v, SIZE, i))

OP(cvtf_v)
{
    const union vreg a = SIMD_IN(rn);
    union vreg r = ZERO;
    if (sz == 0 && !u && q != 2 && fp_host_ok(e->cpu)) {
        r.vf32 = __builtin_convertvector(a.vs32, VREG_TYPE(vf32));
    } else {
        for (unsigned i = 0; i < LANES; i++)
            simd_put(&r, SIZE, i, fast_from_int(e->cpu, sz, INTEGER(&a, i), u));
    }
    SET_V(rd, r);
}

OP(cvtf_fixed_v)
{
    const union vreg a = V(rn);
    union vreg r = ZERO;
    for (unsigned i = 0; i < LANES; i++)
        simd_put(&r, SIZE, i, fp_from_fixed(e->cpu, (enum fp_size)SIZE, INTEGER(&a, i), by, u));
    SET_V(rd, r);
}

OP(fcvt_fixed_v)
{
    EACH(fp_to_fixed(e->cpu, (enum fp_size)SIZE, x, by, u, 8u << SIZE, FP_ROUND_ZERO));
}

// --- Other precisions ----------------------------------------------------------------------------
// sz: 1 double to single, 0 single to half; q: into the upper half of rd, which keeps the lower.
OP(fcvtn)
{
    const union vreg a = V(rn);
    union vreg r = ZERO;
    for (unsigned i = 0; i < (sz ? 2 : 4); i++) {
        if (sz)
            r.s[i] = (uint32_t)fast_double_to_single(e->cpu, a.d[i]);
        else
            r.h[i] = (uint16_t)fp_convert(e->cpu, FP_S, FP_H, a.s[i]);
    }
    SET_V(rd, simd_put_half(V(rd), r, SIZE, q));
}

OP(fcvtl)
{
    const uint64_t half = VR(rn)->d[q];
    union vreg r = ZERO;
    for (unsigned i = 0; i < (sz ? 2 : 4); i++) {
        if (sz)
            r.d[i] = fast_single_to_double(e->cpu, (uint32_t)(half >> 32 * i));
        else
            r.s[i] = (uint32_t)fp_convert(e->cpu, FP_H, FP_S, half >> 16 * i & 0xffff);
    }
    SET_V(rd, r);
}

OP(fcvtxn)
{
    const union vreg a = V(rn);
    union vreg r = ZERO;
    for (unsigned i = 0; i < 2; i++)
        r.s[i] = (uint32_t)fp_convert_odd(e->cpu, a.d[i]);
    SET_V(rd, simd_put_half(V(rd), r, 3, q));
}

OP(fcvtxn_f)
{
    SET_VD(rd, fp_convert_odd(e->cpu, VD(rn)));
}
