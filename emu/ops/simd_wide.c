// AdvSIMD arithmetic whose operands and results differ in width, and multiplication by an element.
// q selects the upper half of the narrow operands (of the result, for narrowing).
#include "emu/op.h"
#include "emu/simd.h"

#define WIDE(r)    simd_widen(V(r), size, q, u)
#define ELEMENT(r) simd_dup(size, simd_u(VR(r), size, index))

static ALWAYS_INLINE union vreg mul(union vreg a, union vreg b, unsigned size)
{
    LANEWISE(a, vu, size, A * B);
    return a;
}

OP(addl)
{
    SET_V(rd, simd_add(WIDE(rn), WIDE(rm), size + 1));
}

OP(addw)
{
    SET_V(rd, simd_add(V(rn), WIDE(rm), size + 1));
}

OP(subl)
{
    SET_V(rd, simd_sub(WIDE(rn), WIDE(rm), size + 1));
}

OP(subw)
{
    SET_V(rd, simd_sub(V(rn), WIDE(rm), size + 1));
}

OP(abdl)
{
    SET_V(rd, simd_abd(WIDE(rn), WIDE(rm), size + 1, u));
}

OP(abal)
{
    SET_V(rd, simd_add(V(rd), simd_abd(WIDE(rn), WIDE(rm), size + 1, u), size + 1));
}

OP(mull)
{
    SET_V(rd, mul(WIDE(rn), WIDE(rm), size + 1));
}

OP(mull_e)
{
    SET_V(rd, mul(WIDE(rn), simd_widen(ELEMENT(rm), size, 0, u), size + 1));
}

static ALWAYS_INLINE union vreg accumulate(union vreg d, union vreg p, unsigned size, bool subtract)
{
    return subtract ? simd_sub(d, p, size) : simd_add(d, p, size);
}

OP(mlal)
{
    SET_V(rd, accumulate(V(rd), mul(WIDE(rn), WIDE(rm), size + 1), size + 1, s));
}

OP(mlal_e)
{
    const union vreg p = mul(WIDE(rn), simd_widen(ELEMENT(rm), size, 0, u), size + 1);
    SET_V(rd, accumulate(V(rd), p, size + 1, s));
}

OP(mul_e)
{
    SIMD_OUT(rd, mul(V(rn), ELEMENT(rm), size));
}

// u: subtracts.
OP(mla_e)
{
    SIMD_OUT(rd, accumulate(V(rd), mul(V(rn), ELEMENT(rm), size), size, u));
}

// The upper halves of sums and differences, rounded if `r`.
static ALWAYS_INLINE union vreg high_half(union vreg v, unsigned size, bool round)
{
    if (round)
        v = simd_add(v, simd_dup(size + 1, 1ull << ((8u << size) - 1)), size + 1);
    return simd_unzip(v, (union vreg){.vu64 = {0, 0}}, size, true);
}

OP(addhn)
{
    const union vreg v = simd_add(V(rn), V(rm), size + 1);
    SET_V(rd, simd_put_half(V(rd), high_half(v, size, r), size, q));
}

OP(subhn)
{
    const union vreg v = simd_sub(V(rn), V(rm), size + 1);
    SET_V(rd, simd_put_half(V(rd), high_half(v, size, r), size, q));
}
