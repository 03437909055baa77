// AdvSIMD products of narrow lanes summed in wide ones: half precision (FEAT_FHM), bfloat16
// (FEAT_BF16), 8-bit integers (FEAT_I8MM).
#include "emu/fp.h"
#include "emu/op.h"
#include "emu/simd.h"

// --- Half precision ------------------------------------------------------------------------------
// Lanes of a start at `first`; b gives lane i, or its only one.
static union vreg muladd_half(struct cpu *cpu, union vreg d, union vreg a, union vreg b,
                              unsigned first, unsigned lanes, bool subtract)
{
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i < lanes; i++)
        r.s[i] = (uint32_t)fp_muladd_half(cpu, d.s[i], a.h[first + i] ^ (subtract ? 0x8000u : 0),
                                          b.h[first + i]);
    return r;
}

OP(fmlal)
{
    const unsigned lanes = q ? 4 : 2;
    SET_V(rd, muladd_half(e->cpu, V(rd), V(rn), V(rm), upper ? lanes : 0, lanes, s));
}

OP(fmlal_e)
{
    const unsigned lanes = q ? 4 : 2;
    SET_V(rd, muladd_half(e->cpu, V(rd), V(rn), simd_dup(1, VR(rm)->h[index]), upper ? lanes : 0,
                          lanes, s));
}

// --- bfloat16 ------------------------------------------------------------------------------------
static union vreg dot_bfloat(struct cpu *cpu, union vreg d, union vreg a, union vreg b,
                             unsigned lanes)
{
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i < lanes; i++)
        r.s[i] = fp_dot_bfloat(cpu, d.s[i], a.s[i], b.s[i]);
    return r;
}

OP(bfdot)
{
    SET_V(rd, dot_bfloat(e->cpu, V(rd), V(rn), V(rm), q ? 4 : 2));
}

OP(bfdot_e)
{
    SET_V(rd, dot_bfloat(e->cpu, V(rd), V(rn), simd_dup(2, VR(rm)->s[index]), q ? 4 : 2));
}

// Two rows of four, times two columns of four: two steps of dot products.
OP(bfmmla)
{
    const union vreg n = V(rn), m = V(rm);
    union vreg d = V(rd);
    for (unsigned k = 0; k < 2; k++) {
        const union vreg a = {.s = {n.s[k], n.s[k], n.s[2 + k], n.s[2 + k]}};
        const union vreg b = {.s = {m.s[k], m.s[2 + k], m.s[k], m.s[2 + k]}};
        d = dot_bfloat(e->cpu, d, a, b, 4);
    }
    SET_V(rd, d);
}

// Every other lane; widening is exact.
static union vreg muladd_bfloat(struct cpu *cpu, union vreg d, union vreg a, union vreg b, bool top)
{
    union vreg r;
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t x = top ? a.s[i] & 0xffff0000 : a.s[i] << 16;
        const uint32_t y = top ? b.s[i] & 0xffff0000 : b.s[i] << 16;
        r.s[i] = (uint32_t)fp_muladd(cpu, FP_S, d.s[i], x, y);
    }
    return r;
}

OP(bfmlal)
{
    SET_V(rd, muladd_bfloat(e->cpu, V(rd), V(rn), V(rm), top));
}

OP(bfmlal_e)
{
    SET_V(rd, muladd_bfloat(e->cpu, V(rd), V(rn), simd_dup(1, VR(rm)->h[index]), top));
}

OP(bfcvtn)
{
    const union vreg a = V(rn);
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i < 4; i++)
        r.h[i] = fp_to_bfloat(e->cpu, a.s[i]);
    SET_V(rd, simd_put_half(V(rd), r, 1, q));
}

// --- 8-bit integers ------------------------------------------------------------------------------
static ALWAYS_INLINE uint32_t product(uint8_t a, uint8_t b, bool ua, bool ub)
{
    return (uint32_t)((ua ? a : (int8_t)a) * (ub ? b : (int8_t)b));
}

OP(mmla)
{
    const union vreg n = V(rn), m = V(rm);
    union vreg d = V(rd);
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 8; k++)
            d.s[i] += product(n.b[(i >> 1) * 8 + k], m.b[(i & 1) * 8 + k], ua, ub);
    }
    SET_V(rd, d);
}

static ALWAYS_INLINE union vreg dot_mixed(union vreg d, union vreg a, union vreg b, unsigned q,
                                          bool ua)
{
    for (unsigned i = 0; i < (q ? 4 : 2); i++) {
        for (unsigned j = 4 * i; j < 4 * i + 4; j++)
            d.s[i] += product(a.b[j], b.b[j], ua, !ua);
    }
    return simd_out(d, 2, q);
}

OP(usdot)
{
    SET_V(rd, dot_mixed(V(rd), V(rn), V(rm), q, true));
}

OP(usdot_e)
{
    SET_V(rd, dot_mixed(V(rd), V(rn), simd_dup(2, VR(rm)->s[index]), q, us));
}
