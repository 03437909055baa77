// AdvSIMD copies, permutations and table lookup.
#include "emu/op.h"
#include "emu/simd.h"

// --- Copies --------------------------------------------------------------------------------------
OP(dup_gen)
{
    SIMD_OUT(rd, simd_dup(size, X(rn)));
}

OP(dup_elem)
{
    SIMD_OUT(rd, simd_dup(size, simd_u(VR(rn), size, index)));
}

OP(umov)
{
    SET_X(rd, simd_u(VR(rn), size, index));
}

OP(smov)
{
    const int64_t v = simd_s(VR(rn), size, index);
    SET_X(rd, q ? (uint64_t)v : (uint32_t)v);
}

OP(ins_gen)
{
    SET_V(rd, simd_with_lane(V(rd), size, index, X(rn)));
}

OP(ins_elem)
{
    SET_V(rd, simd_with_lane(V(rd), size, index, simd_u(VR(rn), size, from)));
}

// --- Permutations --------------------------------------------------------------------------------
// TRN1 and TRN2: even (odd) lanes of a beside those of b.
static ALWAYS_INLINE union vreg transpose(union vreg a, union vreg b, unsigned size, bool odd)
{
    if (size == 3)
        return simd_zip(a, b, 3, odd);
    const unsigned bits = 8u << size;
    union vreg r;
    if (odd)
        LANEWISE(r, vu, size + 1, (A >> (E)bits) | (B >> (E)bits << (E)bits));
    else
        LANEWISE(r, vu, size + 1, (A << (E)bits >> (E)bits) | (B << (E)bits));
    return r;
}

OP(permute)
{
    const union vreg a = SIMD_IN(rn), b = SIMD_IN(rm);
    union vreg r;
    if ((op & 3) == 1) {
        r = simd_pairs(a, b, size, q, op > 3);
    } else if ((op & 3) == 2) {
        r = transpose(a, b, size, op > 3);
    } else if (q) {
        r = simd_zip(a, b, size, op > 3);
    } else {
        r = simd_zip(a, b, size, false);
        if (op > 3)
            r.d[0] = r.d[1];
    }
    SIMD_OUT(rd, r);
}

OP(ext)
{
    if (q) {
        const union vreg number = {.b = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
        const union vreg low = {.vu8 = number.vu8 + (uint8_t)by};
        const union vreg high = {.vu8 = low.vu8 - 16};
        SET_V(rd,
              ((union vreg){.vu64 = simd_table(V(rn), low).vu64 | simd_table(V(rm), high).vu64}));
    } else {
        const uint64_t a = VD(rn), b = VD(rm);
        SET_VD(rd, by ? a >> 8 * by | b << (64 - 8 * by) : a);
    }
}

// Registers rn .. rn + len. x: TBX, out of range keeps the lane.
OP(tbl)
{
    const union vreg index = SIMD_IN(rm), d = V(rd);
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i <= len; i++) {
        const union vreg at = {.vu8 = index.vu8 - (uint8_t)(16 * i)};
        r.vu64 |= simd_table(*VNEXT(rn, i), at).vu64;
    }
    if (x) {
        const VREG_TYPE(vu8) out = (VREG_TYPE(vu8))(index.vu8 > (uint8_t)(16 * len + 15));
        r.vu8 |= d.vu8 & out;
    }
    SET_V(rd, simd_out(r, 0, q));
}
