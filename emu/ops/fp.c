// Scalar floating point: Arm ARM C7, "Data processing - scalar floating-point". Sizes are `sz`: 0
// single, 1 double, 2 half.
#include "emu/fp_fast.h"
#include "emu/op.h"

// Lane 0, and the whole register written with the rest zero. As host numbers, the bits never pass
// through a general register: that would cost more than the operation.
#define F(r)          (sz == 1 ? VD(r) : sz == 0 ? (uint64_t)VS(r) : (uint64_t)VH(r))
#define SET_F(r, v)   SET_VD(r, v)
#define F64(r)        op_f64(VD(r))
#define F32(r)        op_f32(VS(r))
#define SET_F64(r, v) SET_V(r, ((union vreg){.vf64 = {v, 0.0}}))
#define SET_F32(r, v) SET_V(r, ((union vreg){.vf32 = {v, 0.0f, 0.0f, 0.0f}}))

#define SLOW2(f, bits) SLOW(FP_SLOW2, f, 1, bits, 0, rd, rn, rm, rn)

// Ends the body with the host's result where that is ARM's (emu/fp_fast.h); the software operation
// follows. `d` and `s`: expressions over x and y, double and single. `tiny`: can round up to the
// smallest normal number.
#define TRY_HOST(d, s, tiny, a, b)                                                                 \
    if (sz == 1) {                                                                                 \
        const double x = F64(a), y MAYBE_UNUSED = F64(b), r = d;                                   \
        if (fp_good64(e->cpu, r, tiny)) {                                                          \
            SET_F64(rd, r);                                                                        \
            return;                                                                                \
        }                                                                                          \
    }                                                                                              \
    if (sz == 0) {                                                                                 \
        const float x = F32(a), y MAYBE_UNUSED = F32(b), r = s;                                    \
        if (fp_good32(e->cpu, r, tiny)) {                                                          \
            SET_F32(rd, r);                                                                        \
            return;                                                                                \
        }                                                                                          \
    }
#define BINARY(expr, soft, tiny, flags)                                                            \
    TRY_HOST(expr, expr, tiny, rn, rm)                                                             \
    SLOW2(soft, flags)

// --- One source ----------------------------------------------------------------------------------
OP(fmov_f)
{
    SET_F(rd, F(rn));
}

OP(fmov_imm)
{
    SET_VD(rd, imm);
}

OP(fabs_f)
{
    SET_F(rd, F(rn) & ~fp_sign_of(sz));
}

OP(fneg_f)
{
    SET_F(rd, F(rn) ^ fp_sign_of(sz));
}

OP(fsqrt_f)
{
    TRY_HOST(__builtin_sqrt(x), __builtin_sqrtf(x), false, rn, rn)
    SLOW(FP_SLOW1, fp_sqrt, 1, 0, 0, rd, rn, rn, rn);
}

OP(frint_f)
{
    SET_F(rd, fast_round_int(e->cpu, sz, F(rn), mode));
}

OP(frintts_f)
{
    SET_F(rd, fp_round_int_limit(e->cpu, fp_size_of(sz), F(rn), wide ? 64 : 32,
                                 x ? fp_rounding(e->cpu) : FP_ROUND_ZERO));
}

OP(bfcvt)
{
    SET_VH(rd, fp_to_bfloat(e->cpu, VS(rn)));
}

OP(fcvt_f)
{
    if (src == 0 && dst == 1) {
        const double r = (double)F32(rn);
        if (fp_good64(e->cpu, r, false)) {
            SET_F64(rd, r);
            return;
        }
    }
    if (src == 1 && dst == 0) {
        const float r = (float)F64(rn);
        if (fp_good32(e->cpu, r, true)) {
            SET_F32(rd, r);
            return;
        }
    }
    const uint64_t v = src == 0 ? VS(rn) : src == 1 ? VD(rn) : VH(rn);
    SET_VD(rd,
           fp_convert(e->cpu, fp_size_of(src == 3 ? 2 : src), fp_size_of(dst == 3 ? 2 : dst), v));
}

// --- Two and three sources -----------------------------------------------------------------------
OP(fadd_f)
{
    BINARY(x + y, fp_add, false, 0);
}

OP(fsub_f)
{
    BINARY(x - y, fp_sub, false, 0);
}

OP(fmul_f)
{
    BINARY(x * y, fp_mul, true, 0);
}

OP(fnmul_f)
{
    BINARY(-(x * y), fp_mul, true, FP_SLOW_NEGATE_RESULT);
}

OP(fdiv_f)
{
    BINARY(x / y, fp_div, true, 0);
}

// The operand that wins is the result; equal ones are left to software, zeros have signs.
#define PICK(test, soft)                                                                           \
    if (sz == 1 && fp_host_ok(e->cpu)) {                                                           \
        const double x = F64(rn), y = F64(rm);                                                     \
        if (test(x, y) || test(y, x)) {                                                            \
            SET_F64(rd, test(x, y) ? x : y);                                                       \
            return;                                                                                \
        }                                                                                          \
    }                                                                                              \
    if (sz == 0 && fp_host_ok(e->cpu)) {                                                           \
        const float x = F32(rn), y = F32(rm);                                                      \
        if (test(x, y) || test(y, x)) {                                                            \
            SET_F32(rd, test(x, y) ? x : y);                                                       \
            return;                                                                                \
        }                                                                                          \
    }                                                                                              \
    SLOW2(soft, 0)

OP(fmax_f)
{
    PICK(__builtin_isgreater, fp_max);
}

OP(fmin_f)
{
    PICK(__builtin_isless, fp_min);
}

OP(fmaxnm_f)
{
    PICK(__builtin_isgreater, fp_maxnm);
}

OP(fminnm_f)
{
    PICK(__builtin_isless, fp_minnm);
}

OP(fmuladd_f_soft)
{
    SLOW(FP_SLOW3, fp_muladd, 1, (o1 != o0 ? FP_SLOW_NEGATE_A : 0) | (o1 ? FP_SLOW_NEGATE_C : 0), 0,
         rd, rn, rm, ra);
}

// --- Comparison, selection -----------------------------------------------------------------------
// Flags of rn against rm, or zero. The host compares once; its carry and zero flags are ours.
#define COMPARE_AS(type, x, y)                                                                     \
    {                                                                                              \
        const type x_ = x, y_ = y;                                                                 \
        if (LIKELY(!__builtin_isunordered(x_, y_))) {                                              \
            const bool not_below = __builtin_isgreaterequal(x_, y_);                               \
            SET_NZCV(!not_below, !__builtin_islessgreater(x_, y_), not_below, 0);                  \
            return;                                                                                \
        }                                                                                          \
    }
#define COMPARE(zero, signal)                                                                      \
    if (sz == 1 && fp_host_ok(e->cpu))                                                             \
        COMPARE_AS(double, F64(rn), zero ? 0.0 : F64(rm))                                          \
    if (sz == 0 && fp_host_ok(e->cpu))                                                             \
        COMPARE_AS(float, F32(rn), zero ? 0.0f : F32(rm))                                          \
    SLOW(FP_SLOW_COMPARE, NULL, 1, (signal ? FP_SLOW_SIGNAL : 0) | (zero ? FP_SLOW_ZERO_B : 0), 0, \
         rn, rn, rm, rn)

OP(fcmp_f)
{
    COMPARE(z, sig);
}

OP(fccmp_f)
{
    if (!COND(cond)) {
        SET_NZCV(nzcv >> 3 & 1, nzcv >> 2 & 1, nzcv >> 1 & 1, nzcv & 1);
        return;
    }
    COMPARE(false, sig);
}

OP(fcsel_f)
{
    const uint64_t a = F(rn), b = F(rm);
    SET_F(rd, COND(cond) ? a : b);
}

// --- Integers ------------------------------------------------------------------------------------
struct to_int {
    int operand;
    uint8_t size, is_unsigned, bits, round;
};
static COLD uint64_t to_int_slow(struct cpu *cpu, const struct insn *ip, struct to_int how)
{
    const struct env env = {.ip = ip, .cpu = cpu}, *e = &env;
    const uint64_t v = simd_u(VR(VREF(how.operand)), how.size, 0);
    return fp_to_fixed(cpu, (enum fp_size)how.size, v, 0, how.is_unsigned, how.bits,
                       (enum fp_round)how.round);
}

OP(fcvt_int)
{
    const unsigned bits = sf ? 64 : 32;
    if (rmode == FP_ROUND_ZERO && sz < 2 && fp_host_ok(e->cpu)) {
        const double v = sz ? F64(rn) : (double)F32(rn);
        if (fp_fits_int(v, u, bits)) {
            const uint64_t r = (uint64_t)(int64_t)v;
            SET_X(rd, sf ? r : (uint32_t)r);
            return;
        }
    }
    SET_X(rd, to_int_slow(e->cpu, e->ip,
                          (struct to_int){rn.n, (uint8_t)fp_size_of(sz), (uint8_t)u, (uint8_t)bits,
                                          (uint8_t)rmode}));
}

OP(cvtf_int)
{
    const uint64_t v = u ? XW(rn) : (uint64_t)SXW(rn);
    // Never tiny, never NaN.
    if (sz < 2 && fp_host_ok(e->cpu) && (!u || !sf || LIKELY(!(v >> 63)))) {
        if (sz)
            SET_F64(rd, (double)(int64_t)v);
        else
            SET_F32(rd, (float)(int64_t)v);
    } else {
        SET_F(rd, fp_from_fixed(e->cpu, fp_size_of(sz), v, 0, u));
    }
}

OP(fcvt_fixed)
{
    SET_X(rd, fp_to_fixed(e->cpu, fp_size_of(sz), F(rn), fbits, u, sf ? 64 : 32, FP_ROUND_ZERO));
}

OP(cvtf_fixed)
{
    const uint64_t v = u ? XW(rn) : (uint64_t)SXW(rn);
    SET_F(rd, fp_from_fixed(e->cpu, fp_size_of(sz), v, fbits, u));
}

// Z: nothing was lost, not even the sign of zero.
OP(fjcvtzs)
{
    const double v = F64(rn);
    if (fp_host_ok(e->cpu) && fp_fits_int(v, false, 32)) {
        const int32_t r = (int32_t)v;
        SET_W(rd, r);
        SET_NZCV(0, (double)r == v && (r != 0 || !(VD(rn) >> 63)), 0, 0);
        return;
    }
    bool exact;
    SET_W(rd, fp_to_int_js(e->cpu, VD(rn), &exact));
    SET_NZCV(0, exact, 0, 0);
}

// --- Moves from and to general registers ---------------------------------------------------------
OP(fmov_s_w)
{
    SET_VS(rd, W(rn));
}

OP(fmov_d_x)
{
    SET_VD(rd, X(rn));
}

OP(fmov_h_r)
{
    SET_VH(rd, X(rn));
}

OP(fmov_w_s)
{
    SET_X(rd, VS(rn));
}

OP(fmov_x_d)
{
    SET_X(rd, VD(rn));
}

OP(fmov_r_h)
{
    SET_X(rd, VH(rn));
}

OP(fmov_top_x)
{
    SET_V(rd, ((union vreg){.d = {VD(rd), X(rn)}}));
}

OP(fmov_x_top)
{
    SET_X(rd, VR(rn)->d[1]);
}
