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

#define SLOW(b, count, bits)                                                                       \
    ((struct fp_slow){(uint8_t)SIZE, (uint8_t)(count), bits, (uint8_t)rd.n, (uint8_t)rn.n,         \
                      (uint8_t)(b).n, (uint8_t)rd.n})

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
    if (sz < 2 && fp_host_ok(e->cpu)) {                                                            \
        const union vreg a = fp_fill(first, q), b = fp_fill(second, q);                            \
        union vreg r;                                                                              \
        if (sz)                                                                                    \
            r.vf64 = a.vf64 operator b.vf64;                                                       \
        else                                                                                       \
            r.vf32 = a.vf32 operator b.vf32;                                                       \
        if (fp_good_lanes(sz, r, tiny)) {                                                          \
            OUT(rd, r);                                                                            \
            return;                                                                                \
        }                                                                                          \
    }
#define BINARY(operator, tiny, soft)                                                               \
    TRY_HOST(V(rn), operator, V(rm), tiny)                                                         \
    fp_slow2(e->cpu, e->ip, soft, SLOW(rm, LANES, 0), 0)
// A scalar with only its lane of the operands, so that the others raise nothing.
#define TRY_SCALAR(operator, second, tiny, finish)                                                 \
    if (sz == 1 && fp_host_ok(e->cpu)) {                                                           \
        const double r = op_f64(VD(rn)) operator op_f64(second);                                   \
        if (fp_good64(r, tiny)) {                                                                  \
            SET_V(rd, ((union vreg){.vf64 = {finish(r), 0.0}}));                                   \
            return;                                                                                \
        }                                                                                          \
    }                                                                                              \
    if (sz == 0 && fp_host_ok(e->cpu)) {                                                           \
        const float r = op_f32(VS(rn)) operator op_f32((uint32_t)(second));                        \
        if (fp_good32(r, tiny)) {                                                                  \
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
    fp_slow2(e->cpu, e->ip, fp_mul, SLOW(rm, LANES, FP_SLOW_ELEMENT), index);
}

static uint64_t soft_abd(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b)
{
    return fp_sub(cpu, size, a, b) & ~(1ull << ((8u << size) - 1));
}

OP(fabd)
{
    if (q == 2) {
        TRY_SCALAR(-, sz ? VD(rm) : VS(rm), false, __builtin_fabs)
    } else if (sz < 2 && fp_host_ok(e->cpu)) {
        const union vreg a = fp_fill(V(rn), q), b = fp_fill(V(rm), q);
        union vreg r;
        if (sz)
            r.vf64 = a.vf64 - b.vf64;
        else
            r.vf32 = a.vf32 - b.vf32;
        if (fp_good_lanes(sz, r, false)) {
            OUT(rd, fp_vabs(r, sz));
            return;
        }
    }
    fp_slow2(e->cpu, e->ip, soft_abd, SLOW(rm, LANES, 0), 0);
}

OP(fmulx)
{
    fp_slow2(e->cpu, e->ip, fp_mulx, SLOW(rm, LANES, 0), 0);
}

OP(fmulx_e)
{
    fp_slow2(e->cpu, e->ip, fp_mulx, SLOW(rm, LANES, FP_SLOW_ELEMENT), index);
}

OP(frecps)
{
    fp_slow2(e->cpu, e->ip, fp_recip_step, SLOW(rm, LANES, 0), 0);
}

OP(frsqrts)
{
    fp_slow2(e->cpu, e->ip, fp_rsqrt_step, SLOW(rm, LANES, 0), 0);
}

// s: the product is subtracted.
OP(fmla_v_soft)
{
    fp_slow3(e->cpu, e->ip, fp_muladd, SLOW(rm, LANES, s ? FP_SLOW_NEGATE_A : 0), 0);
}

OP(fmla_e_soft)
{
    fp_slow3(e->cpu, e->ip, fp_muladd,
             SLOW(rm, LANES, FP_SLOW_ELEMENT | (s ? FP_SLOW_NEGATE_A : 0)), index);
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
    fp_slow2(e->cpu, e->ip, soft, SLOW(rm, LANES, 0), 0)

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
    fp_slow_pairs(e->cpu, e->ip, soft, SLOW(rm, LANES, 0))

OP(faddp)
{
    TRY_HOST(EVEN, +, ODD, false)
    fp_slow_pairs(e->cpu, e->ip, fp_add, SLOW(rm, LANES, 0));
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
    fp_slow_pairs(e->cpu, e->ip, fp_add, SLOW(rn, 1, 0));
}

OP(fmaxp_pair)
{
    fp_slow_pairs(e->cpu, e->ip, fp_max, SLOW(rn, 1, 0));
}

OP(fminp_pair)
{
    fp_slow_pairs(e->cpu, e->ip, fp_min, SLOW(rn, 1, 0));
}

OP(fmaxnmp_pair)
{
    fp_slow_pairs(e->cpu, e->ip, fp_maxnm, SLOW(rn, 1, 0));
}

OP(fminnmp_pair)
{
    fp_slow_pairs(e->cpu, e->ip, fp_minnm, SLOW(rn, 1, 0));
}

OP(fmaxv)
{
    fp_slow_across(e->cpu, e->ip, fp_max, SLOW(rn, LANES, 0));
}

OP(fminv)
{
    fp_slow_across(e->cpu, e->ip, fp_min, SLOW(rn, LANES, 0));
}

OP(fmaxnmv)
{
    fp_slow_across(e->cpu, e->ip, fp_maxnm, SLOW(rn, LANES, 0));
}

OP(fminnmv)
{
    fp_slow_across(e->cpu, e->ip, fp_minnm, SLOW(rn, LANES, 0));
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
    fp_slow2(e->cpu, e->ip, soft, SLOW(with, LANES, how), 0)

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
    fp_slow1(e->cpu, e->ip, fp_recip_estimate, SLOW(rn, LANES, 0));
}

OP(frsqrte)
{
    fp_slow1(e->cpu, e->ip, fp_rsqrt_estimate, SLOW(rn, LANES, 0));
}

OP(frecpx)
{
    fp_slow1(e->cpu, e->ip, fp_recip_exponent, SLOW(rn, LANES, 0));
}

OP(frint_v)
{
    EACH(fast_round_int(e->cpu, sz, x, mode));
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
    if (sz == 0 && !u && q != 2) {
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
