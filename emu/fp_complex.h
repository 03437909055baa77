// Operands of the complex-number instructions (FCADD, FCMLA), brought into a form in which they are
// lane-wise. Layer 2; for op bodies. `sz` as in emu/fp_fast.h.
#ifndef EMU_FP_COMPLEX_H
#define EMU_FP_COMPLEX_H

#include "emu/fp_fast.h"

// Signs of the real (even) or imaginary (odd) parts.
static ALWAYS_INLINE VREG_TYPE(vu64) complex_signs(unsigned sz, bool odd)
{
    if (sz == 1)
        return (VREG_TYPE(vu64)){odd ? 0 : 1ull << 63, odd ? 1ull << 63 : 0};
    const uint64_t even = sz == 0 ? 0x0000000080000000ull : 0x0000800000008000ull;
    const uint64_t s = odd ? even << (sz == 0 ? 32 : 16) : even;
    return (VREG_TYPE(vu64)){s, s};
}

// FCADD: b turned by 90 (270) degrees.
static ALWAYS_INLINE union vreg complex_turn(union vreg b, unsigned sz, bool back)
{
    const union vreg r = simd_swap_pairs(b, (unsigned)fp_size_of(sz));
    return (union vreg){.vu64 = r.vu64 ^ complex_signs(sz, back)};
}

// FCMLA: what multiplies complex_part(a).
static ALWAYS_INLINE union vreg complex_factor(union vreg b, unsigned sz, unsigned rot)
{
    switch (rot) {
    case 0:
        return b;
    case 2:
        return fp_vneg(b, sz);
    default:
        return complex_turn(b, sz, rot == 3);
    }
}

// The real or imaginary parts, each twice.
static ALWAYS_INLINE union vreg complex_part(union vreg a, unsigned sz, unsigned rot)
{
    return simd_spread_pairs(a, (unsigned)fp_size_of(sz), rot & 1);
}

// One complex number, everywhere.
static ALWAYS_INLINE union vreg complex_element(const union vreg *v, unsigned sz, unsigned index)
{
    return sz == 0 ? simd_dup(3, v->d[index]) : simd_dup(2, v->s[index]);
}

#endif
