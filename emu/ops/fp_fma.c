// Fused multiply-add where the host has it: forms of the rows whose plain bodies are in fp.c and
// simd_fp.c. The build compiles this file for such hosts; nothing else may be put in it.
#include "emu/fp_fma.h"
#include "emu/fp_complex.h"
#include "emu/op.h"

// Operands are negated before NaNs are looked at, as the architecture says.
OP(fmuladd_f)
{
    if (sz) {
        const double a = op_f64(VD(rn)), c = op_f64(VD(ra));
        const double r = fma_double(o1 != o0 ? -a : a, op_f64(VD(rm)), o1 ? -c : c);
        if (fp_good64(e->cpu, r, true)) {
            SET_V(rd, ((union vreg){.vf64 = {r, 0.0}}));
            return;
        }
    }
    if (!sz) {
        const float a = op_f32(VS(rn)), c = op_f32(VS(ra));
        const float r = fma_single(o1 != o0 ? -a : a, op_f32(VS(rm)), o1 ? -c : c);
        if (fp_good32(e->cpu, r, true)) {
            SET_V(rd, ((union vreg){.vf32 = {r, 0.0f, 0.0f, 0.0f}}));
            return;
        }
    }
    SLOW(FP_SLOW3, fp_muladd, 1, (o1 != o0 ? FP_SLOW_NEGATE_A : 0) | (o1 ? FP_SLOW_NEGATE_C : 0), 0,
         rd, rn, rm, ra);
}

// rd + rn * b, or rd - rn * b if `subtract`; false where software has to.
static ALWAYS_INLINE bool fmla(struct env *e, struct vreg_ref rd, struct vreg_ref rn, union vreg b,
                               unsigned sz, unsigned q, bool subtract)
{
    const union vreg a = subtract ? fp_vneg(V(rn), sz) : V(rn);
    const union vreg r = fma_vector(fp_fill(a, q), fp_fill(b, q), fp_fill(V(rd), q), sz);
    if (!fp_good_lanes(e->cpu, sz, r, true))
        return false;
    SET_V(rd, simd_out(r, sz + 2, q));
    return true;
}

// s: the product is subtracted.
OP(fmla_v)
{
    if (fmla(e, rd, rn, V(rm), sz, q, s))
        return;
    SLOW(FP_SLOW3, fp_muladd, simd_lanes(sz + 2, q), s ? FP_SLOW_NEGATE_A : 0, 0, rd, rn, rm, rd);
}

OP(fmla_e)
{
    const uint64_t element = simd_u(VR(rm), sz + 2, index);
    if (q != 2) {
        if (fmla(e, rd, rn, simd_dup(sz + 2, element), sz, q, s))
            return;
    } else {
        if (sz) {
            const double a = op_f64(VD(rn));
            const double r = fma_double(s ? -a : a, op_f64(element), op_f64(VD(rd)));
            if (fp_good64(e->cpu, r, true)) {
                SET_V(rd, ((union vreg){.vf64 = {r, 0.0}}));
                return;
            }
        } else {
            const float a = op_f32(VS(rn));
            const float r = fma_single(s ? -a : a, op_f32((uint32_t)element), op_f32(VS(rd)));
            if (fp_good32(e->cpu, r, true)) {
                SET_V(rd, ((union vreg){.vf32 = {r, 0.0f, 0.0f, 0.0f}}));
                return;
            }
        }
    }
    SLOW(FP_SLOW3, fp_muladd, simd_lanes(sz + 2, q), FP_SLOW_ELEMENT | (s ? FP_SLOW_NEGATE_A : 0),
         index, rd, rn, rm, rd);
}

// --- Complex numbers -----------------------------------------------------------------------------
static ALWAYS_INLINE union vreg complex_muladd(struct env *e, union vreg d, union vreg n,
                                               union vreg m, unsigned sz, unsigned q, unsigned rot)
{
    const union vreg a = complex_part(n, sz, rot), b = complex_factor(m, sz, rot);
    const union vreg r = fma_vector(fp_fill(a, q), fp_fill(b, q), fp_fill(d, q), sz);
    if (fp_good_lanes(e->cpu, sz, r, true))
        return simd_out(r, sz + 2, q);
    return fp_slow_muladd(e->cpu, fp_size_of(sz), simd_lanes(sz + 2, q), d, a, b);
}

OP(fcmla)
{
    SET_V(rd, complex_muladd(e, V(rd), V(rn), V(rm), sz, q, rot));
}

OP(fcmla_e)
{
    const union vreg m = complex_element(VR(rm), sz, index);
    SET_V(rd, complex_muladd(e, V(rd), V(rn), m, sz, q, rot));
}
