// Scalar floating point: Arm ARM C7, "Data processing - scalar floating-point". Sizes are `sz`: 0
// single, 1 double, 2 half.
#include "emu/fp_fast.h"
#include "emu/op.h"

// Lane 0, and the whole register written with the rest zero.
#define F(r)        (sz == 1 ? VD(r) : sz == 0 ? (uint64_t)VS(r) : (uint64_t)VH(r))
#define SET_F(r, v) SET_VD(r, v)

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
    SET_F(rd, fast_sqrt(e->cpu, sz, F(rn)));
}

OP(frint_f)
{
    SET_F(rd, fast_round_int(e->cpu, sz, F(rn), mode));
}

OP(fcvt_f)
{
    if (src == 0 && dst == 1) {
        SET_VD(rd, fast_single_to_double(e->cpu, VS(rn)));
    } else if (src == 1 && dst == 0) {
        SET_VD(rd, fast_double_to_single(e->cpu, VD(rn)));
    } else {
        const uint64_t v = src == 0 ? VS(rn) : src == 1 ? VD(rn) : VH(rn);
        SET_VD(rd, fp_convert(e->cpu, fp_size_of(src == 3 ? 2 : src),
                              fp_size_of(dst == 3 ? 2 : dst), v));
    }
}

// --- Two and three sources -----------------------------------------------------------------------
OP(fadd_f)
{
    SET_F(rd, fast_add(e->cpu, sz, F(rn), F(rm)));
}

OP(fsub_f)
{
    SET_F(rd, fast_sub(e->cpu, sz, F(rn), F(rm)));
}

OP(fmul_f)
{
    SET_F(rd, fast_mul(e->cpu, sz, F(rn), F(rm)));
}

OP(fnmul_f)
{
    SET_F(rd, fast_mul(e->cpu, sz, F(rn), F(rm)) ^ fp_sign_of(sz));
}

OP(fdiv_f)
{
    SET_F(rd, fast_div(e->cpu, sz, F(rn), F(rm)));
}

OP(fmax_f)
{
    SET_F(rd, fast_max(e->cpu, sz, F(rn), F(rm)));
}

OP(fmin_f)
{
    SET_F(rd, fast_min(e->cpu, sz, F(rn), F(rm)));
}

OP(fmaxnm_f)
{
    SET_F(rd, fast_maxnm(e->cpu, sz, F(rn), F(rm)));
}

OP(fminnm_f)
{
    SET_F(rd, fast_minnm(e->cpu, sz, F(rn), F(rm)));
}

// Operands are negated before NaNs are looked at, as the architecture says.
OP(fmuladd_f_soft)
{
    const uint64_t sign = fp_sign_of(sz);
    SET_F(rd, fp_muladd(e->cpu, fp_size_of(sz), F(ra) ^ (o1 ? sign : 0),
                        F(rn) ^ (o1 != o0 ? sign : 0), F(rm)));
}

// --- Comparison, selection -----------------------------------------------------------------------
static ALWAYS_INLINE void set_order(struct env *e, enum fp_order order)
{
    SET_NZCV(order == FP_LESS, order == FP_EQUAL, order != FP_LESS, order == FP_UNORDERED);
}

OP(fcmp_f)
{
    set_order(e, fast_compare(e->cpu, sz, F(rn), z ? 0 : F(rm), sig));
}

OP(fccmp_f)
{
    if (COND(cond))
        set_order(e, fast_compare(e->cpu, sz, F(rn), F(rm), sig));
    else
        SET_NZCV(nzcv >> 3 & 1, nzcv >> 2 & 1, nzcv >> 1 & 1, nzcv & 1);
}

OP(fcsel_f)
{
    const uint64_t a = F(rn), b = F(rm);
    SET_F(rd, COND(cond) ? a : b);
}

// --- Integers ------------------------------------------------------------------------------------
OP(fcvt_int)
{
    const unsigned bits = sf ? 64 : 32;
    if (rmode == FP_ROUND_ZERO)
        SET_X(rd, fast_to_int(e->cpu, sz, F(rn), u, bits));
    else
        SET_X(rd, fp_to_fixed(e->cpu, fp_size_of(sz), F(rn), 0, u, bits, (enum fp_round)rmode));
}

OP(cvtf_int)
{
    const uint64_t v = u ? XW(rn) : (uint64_t)SXW(rn);
    SET_F(rd, fast_from_int(e->cpu, sz, v, u));
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
