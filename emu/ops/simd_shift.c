// AdvSIMD shifts by an immediate that do not saturate. `by` is the amount.
#include "emu/op.h"
#include "emu/simd.h"

// Right by 1 .. lane width, in two steps because the host knows no shift by the whole width.
static ALWAYS_INLINE union vreg shift_right(union vreg a, unsigned size, unsigned by, unsigned u,
                                            bool round)
{
    union vreg r;
    const unsigned less = by - 1;
    if (u)
        LANEWISE1(r, vu, size, (A >> (E)less >> 1) + (round ? A >> (E)less & 1 : A & 0));
    else
        LANEWISE1(r, vs, size, (A >> (E)less >> 1) + (round ? A >> (E)less & 1 : A & 0));
    return r;
}

OP(shr_imm)
{
    SIMD_OUT(rd, shift_right(SIMD_IN(rn), size, by, u, r));
}

OP(sra_imm)
{
    SIMD_OUT(rd, simd_add(V(rd), shift_right(SIMD_IN(rn), size, by, u, r), size));
}

OP(shl_imm)
{
    const union vreg a = SIMD_IN(rn);
    union vreg r;
    LANEWISE1(r, vu, size, A << (E)by);
    SIMD_OUT(rd, r);
}

// The bits shifted in are those of rd.
OP(sri)
{
    const union vreg a = simd_dup(size, simd_mask(size));
    const union vreg mask = shift_right(a, size, by, 1, false);
    const union vreg v = shift_right(SIMD_IN(rn), size, by, 1, false), d = V(rd);
    SIMD_OUT(rd, ((union vreg){.vu64 = (d.vu64 & ~mask.vu64) | v.vu64}));
}

OP(sli)
{
    const union vreg a = SIMD_IN(rn), d = V(rd);
    const uint64_t low = (1ull << by) - 1;
    const union vreg keep = simd_dup(size, low);
    union vreg r;
    LANEWISE1(r, vu, size, A << (E)by);
    SIMD_OUT(rd, ((union vreg){.vu64 = (d.vu64 & keep.vu64) | r.vu64}));
}

// --- Narrow and wide -----------------------------------------------------------------------------
// The low halves of lanes of twice `size`.
static ALWAYS_INLINE union vreg narrow(union vreg a, unsigned size)
{
    return simd_unzip(a, (union vreg){.vu64 = {0, 0}}, size, false);
}

OP(shrn)
{
    const union vreg a = shift_right(V(rn), size + 1, by, 1, r);
    SET_V(rd, simd_put_half(V(rd), narrow(a, size), size, q));
}

OP(xtn)
{
    SET_V(rd, simd_put_half(V(rd), narrow(V(rn), size), size, q));
}

OP(shll_imm)
{
    const union vreg a = simd_widen(V(rn), size, q, u);
    union vreg r;
    LANEWISE1(r, vu, size + 1, A << (E)by);
    SET_V(rd, r);
}

OP(shll)
{
    const union vreg a = simd_widen(V(rn), size, q, 1);
    union vreg r;
    LANEWISE1(r, vu, size + 1, A << (E)(8u << size));
    SET_V(rd, r);
}
