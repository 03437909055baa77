// AdvSIMD floating point: Arm ARM C7, FP forms of "Advanced SIMD three same", "two-register
// miscellaneous", "across lanes", "x indexed element". `sz` as in fp.c, `q` as in emu/simd.h.
#include "emu/fp_fast.h"
#include "emu/op.h"
#include "emu/simd.h"

#define SIZE         ((unsigned)fp_size_of(sz))
#define SIGN         fp_sign_of(sz)
#define LANES        simd_lanes(SIZE, q)
#define OUT(reg, v)  SET_V(reg, simd_out(v, SIZE, q))
#define ZERO         ((union vreg){.d = {0, 0}})
#define ELEMENT(reg) simd_u(VR(reg), SIZE, index)

// In software, lane by lane.
#define SOFT1(op)                                                                                  \
    const union vreg a = V(rn);                                                                    \
    union vreg r = ZERO;                                                                           \
    fp_lanes1(e->cpu, op, (enum fp_size)SIZE, LANES, &r, &a);                                      \
    SET_V(rd, r)
#define SOFT2(op, second)                                                                          \
    const union vreg a = V(rn), b = second;                                                        \
    union vreg r = ZERO;                                                                           \
    fp_lanes2(e->cpu, op, (enum fp_size)SIZE, LANES, &r, &a, &b);                                  \
    SET_V(rd, r)
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
OP(fadd_v)
{
    SET_V(rd, fast_vadd(e->cpu, sz, q, V(rn), V(rm)));
}

OP(fsub_v)
{
    SET_V(rd, fast_vsub(e->cpu, sz, q, V(rn), V(rm)));
}

OP(fmul_v)
{
    SET_V(rd, fast_vmul(e->cpu, sz, q, V(rn), V(rm)));
}

OP(fdiv_v)
{
    SET_V(rd, fast_vdiv(e->cpu, sz, q, V(rn), V(rm)));
}

OP(fmul_e)
{
    if (q == 2)
        SET_VD(rd, fast_mul(e->cpu, sz, simd_u(VR(rn), SIZE, 0), ELEMENT(rm)));
    else
        SET_V(rd, fast_vmul(e->cpu, sz, q, V(rn), simd_dup(SIZE, ELEMENT(rm))));
}

OP(fabd)
{
    union vreg r;
    if (q == 2)
        r = (union vreg){
            .d = {fast_sub(e->cpu, sz, simd_u(VR(rn), SIZE, 0), simd_u(VR(rm), SIZE, 0)), 0}};
    else
        r = fast_vsub(e->cpu, sz, q, V(rn), V(rm));
    OUT(rd, fp_vabs(r, sz));
}

OP(fmulx)
{
    SOFT2(fp_mulx, V(rm));
}

OP(fmulx_e)
{
    SOFT2(fp_mulx, simd_dup(SIZE, ELEMENT(rm)));
}

OP(frecps)
{
    SOFT2(fp_recip_step, V(rm));
}

OP(frsqrts)
{
    SOFT2(fp_rsqrt_step, V(rm));
}

// s: the product is subtracted.
OP(fmla_v_soft)
{
    const union vreg a = s ? fp_vneg(V(rn), sz) : V(rn), b = V(rm), c = V(rd);
    union vreg r = ZERO;
    fp_lanes3(e->cpu, fp_muladd, (enum fp_size)SIZE, LANES, &r, &c, &a, &b);
    SET_V(rd, r);
}

OP(fmla_e_soft)
{
    const union vreg a = s ? fp_vneg(V(rn), sz) : V(rn), b = simd_dup(SIZE, ELEMENT(rm)), c = V(rd);
    union vreg r = ZERO;
    fp_lanes3(e->cpu, fp_muladd, (enum fp_size)SIZE, LANES, &r, &c, &a, &b);
    SET_V(rd, r);
}

OP(fmax_v)
{
    SET_V(rd, fast_vmax(e->cpu, sz, q, V(rn), V(rm)));
}

OP(fmin_v)
{
    SET_V(rd, fast_vmin(e->cpu, sz, q, V(rn), V(rm)));
}

OP(fmaxnm_v)
{
    SET_V(rd, fast_vmaxnm(e->cpu, sz, q, V(rn), V(rm)));
}

OP(fminnm_v)
{
    SET_V(rd, fast_vminnm(e->cpu, sz, q, V(rn), V(rm)));
}

// --- Pairs ---------------------------------------------------------------------------------------
#define EVEN simd_pairs(V(rn), V(rm), SIZE, q, false)
#define ODD  simd_pairs(V(rn), V(rm), SIZE, q, true)

OP(faddp)
{
    SET_V(rd, fast_vadd(e->cpu, sz, q, EVEN, ODD));
}

OP(fmaxp)
{
    SET_V(rd, fast_vmax(e->cpu, sz, q, EVEN, ODD));
}

OP(fminp)
{
    SET_V(rd, fast_vmin(e->cpu, sz, q, EVEN, ODD));
}

OP(fmaxnmp)
{
    SET_V(rd, fast_vmaxnm(e->cpu, sz, q, EVEN, ODD));
}

OP(fminnmp)
{
    SET_V(rd, fast_vminnm(e->cpu, sz, q, EVEN, ODD));
}

#define PAIR(op) SET_VD(rd, op(e->cpu, sz, simd_u(VR(rn), SIZE, 0), simd_u(VR(rn), SIZE, 1)))

OP(faddp_pair)
{
    PAIR(fast_add);
}

OP(fmaxp_pair)
{
    PAIR(fast_max);
}

OP(fminp_pair)
{
    PAIR(fast_min);
}

OP(fmaxnmp_pair)
{
    PAIR(fast_maxnm);
}

OP(fminnmp_pair)
{
    PAIR(fast_minnm);
}

// Neighbours first, then the results with each other: the order decides which NaN survives.
#define ACROSS(op)                                                                                 \
    union vreg a = V(rn);                                                                          \
    for (unsigned n = LANES / 2; n > 0; n /= 2) {                                                  \
        for (unsigned i = 0; i < n; i++)                                                           \
            simd_put(&a, SIZE, i,                                                                  \
                     op(e->cpu, sz, simd_u(&a, SIZE, 2 * i), simd_u(&a, SIZE, 2 * i + 1)));        \
    }                                                                                              \
    SET_VD(rd, simd_u(&a, SIZE, 0))

OP(fmaxv)
{
    ACROSS(fast_max);
}

OP(fminv)
{
    ACROSS(fast_min);
}

OP(fmaxnmv)
{
    ACROSS(fast_maxnm);
}

OP(fminnmv)
{
    ACROSS(fast_minnm);
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

// A scalar's other lanes are cleared first, lest they raise flags.
#define COMPARE(first, operator, second, soft)                                                     \
    const union vreg a = simd_out(first, SIZE, q), b = simd_out(second, SIZE, q);                  \
    union vreg r = ZERO;                                                                           \
    if (sz == 1 && fp_host_ok(e->cpu))                                                             \
        r.vs64 = (VREG_TYPE(vs64))(a.vf64 operator b.vf64);                                        \
    else if (sz == 0 && fp_host_ok(e->cpu))                                                        \
        r.vs32 = (VREG_TYPE(vs32))(a.vf32 operator b.vf32);                                        \
    else                                                                                           \
        fp_lanes2(e->cpu, soft, (enum fp_size)SIZE, LANES, &r, &a, &b);                            \
    OUT(rd, r)

OP(fcm_eq)
{
    COMPARE(V(rn), ==, V(rm), soft_eq);
}

OP(fcm_ge)
{
    COMPARE(V(rn), >=, V(rm), soft_ge);
}

OP(fcm_gt)
{
    COMPARE(V(rn), >, V(rm), soft_gt);
}

OP(fac_ge)
{
    COMPARE(fp_vabs(V(rn), sz), >=, fp_vabs(V(rm), sz), soft_ge);
}

OP(fac_gt)
{
    COMPARE(fp_vabs(V(rn), sz), >, fp_vabs(V(rm), sz), soft_gt);
}

OP(fcm_zero)
{
    if (op == 0) {
        COMPARE(V(rn), >, ZERO, soft_gt);
    } else if (op == 1) {
        COMPARE(V(rn), >=, ZERO, soft_ge);
    } else if (op == 2) {
        COMPARE(V(rn), ==, ZERO, soft_eq);
    } else if (op == 3) {
        COMPARE(ZERO, >=, V(rn), soft_ge);
    } else {
        COMPARE(ZERO, >, V(rn), soft_gt);
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
    SOFT1(fp_recip_estimate);
}

OP(frsqrte)
{
    SOFT1(fp_rsqrt_estimate);
}

OP(frecpx)
{
    SOFT1(fp_recip_exponent);
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
