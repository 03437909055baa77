// Lane-wise helpers of the AdvSIMD op bodies. Layer 2; included by emu/ops/*.c after op.h.
//
// Shapes are compile-time constants: `size` is log2 of the lane's bytes; `q` is 1 for 128 bits, 0
// for 64 bits, 2 for a scalar. Values travel as union vreg by value; whatever lies above the shape
// is zero in what SIMD_IN gives and in what simd_out() returns.
#ifndef EMU_SIMD_H
#define EMU_SIMD_H

#include "emu/cpu.h"
#include "platform/base/compiler.h"
#if defined(__SSSE3__)
#include <tmmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define VREG_TYPE(member) __typeof__(((union vreg *)0)->member)

typedef uint8_t simd_u8x8 __attribute__((vector_size(8)));
typedef uint16_t simd_u16x4 __attribute__((vector_size(8)));
typedef uint32_t simd_u32x2 __attribute__((vector_size(8)));
typedef int8_t simd_s8x8 __attribute__((vector_size(8)));
typedef int16_t simd_s16x4 __attribute__((vector_size(8)));
typedef int32_t simd_s32x2 __attribute__((vector_size(8)));

static ALWAYS_INLINE unsigned simd_lanes(unsigned size, unsigned q)
{
    return q == 2 ? 1 : (q ? 16u : 8u) >> size;
}

static ALWAYS_INLINE uint64_t simd_mask(unsigned size)
{
    return ~0ull >> (64 - (8u << size));
}

// The operand as the shape sees it. A scalar reads as 64 bits, of which only lane 0 counts.
static ALWAYS_INLINE union vreg simd_in(const union vreg *v, unsigned q)
{
    if (q == 1)
        return *v;
    return (union vreg){.vu64 = {v->d[0], 0}};
}
#define SIMD_IN(reg) simd_in(VR(reg), q)

static ALWAYS_INLINE union vreg simd_out(union vreg r, unsigned size, unsigned q)
{
    if (q == 1)
        return r;
    return (union vreg){.vu64 = {q == 2 ? r.d[0] & simd_mask(size) : r.d[0], 0}};
}
#define SIMD_OUT(reg, value) SET_V(reg, simd_out(value, size, q))

// --- Single lanes --------------------------------------------------------------------------------
static ALWAYS_INLINE uint64_t simd_u(const union vreg *v, unsigned size, unsigned i)
{
    return size == 0 ? v->b[i] : size == 1 ? v->h[i] : size == 2 ? v->s[i] : v->d[i];
}

static ALWAYS_INLINE int64_t simd_s(const union vreg *v, unsigned size, unsigned i)
{
    return size == 0   ? (int8_t)v->b[i]
           : size == 1 ? (int16_t)v->h[i]
           : size == 2 ? (int32_t)v->s[i]
                       : (int64_t)v->d[i];
}

static ALWAYS_INLINE void simd_put(union vreg *v, unsigned size, unsigned i, uint64_t x)
{
    if (size == 0)
        v->b[i] = (uint8_t)x;
    else if (size == 1)
        v->h[i] = (uint16_t)x;
    else if (size == 2)
        v->s[i] = (uint32_t)x;
    else
        v->d[i] = x;
}

#define FOR_LANES(i) for (unsigned i = 0; i < simd_lanes(size, q); i++)

static ALWAYS_INLINE union vreg simd_dup(unsigned size, uint64_t x)
{
    x = size == 0   ? (x & 0xff) * 0x0101010101010101ull
        : size == 1 ? (x & 0xffff) * 0x0001000100010001ull
        : size == 2 ? (x & 0xffffffff) * 0x0000000100000001ull
                    : x;
    return (union vreg){.vu64 = {x, x}};
}

// The register is written as a whole: a later load of it need not wait for two stores.
static ALWAYS_INLINE union vreg simd_with_lane(union vreg v, unsigned size, unsigned index,
                                               uint64_t x)
{
    const union vreg number = {.b = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
    const VREG_TYPE(vu8) at = (number.vu8 >> (uint8_t)size) == (uint8_t)index;
    const VREG_TYPE(vu8) lanes = simd_dup(size, x).vu8;
    return (union vreg){.vu8 = (v.vu8 & ~at) | (lanes & at)};
}

// --- Whole vectors -------------------------------------------------------------------------------
// LANEWISE(r, vu, size, expr): r's lanes of that size become expr, in which A, B and C are the
// vectors a, b and c and E is the lane type; vu or vs says whether lanes are unsigned.
#define LANEWISE_CASE(r, k, expr)                                                                  \
    {                                                                                              \
        typedef VREG_TYPE(k) T;                                                                    \
        typedef __typeof__((r).k[0]) E MAYBE_UNUSED;                                               \
        const T A MAYBE_UNUSED = a.k, B MAYBE_UNUSED = b.k, C MAYBE_UNUSED = c.k;                  \
        (r).k = (T)(expr);                                                                         \
        break;                                                                                     \
    }
#define LANEWISE3(r, k, size, expr)                                                                \
    switch (size) {                                                                                \
    case 0:                                                                                        \
        LANEWISE_CASE(r, k##8, expr)                                                               \
    case 1:                                                                                        \
        LANEWISE_CASE(r, k##16, expr)                                                              \
    case 2:                                                                                        \
        LANEWISE_CASE(r, k##32, expr)                                                              \
    default:                                                                                       \
        LANEWISE_CASE(r, k##64, expr)                                                              \
    }
#define LANEWISE(r, k, size, expr)                                                                 \
    do {                                                                                           \
        const union vreg c MAYBE_UNUSED = a;                                                       \
        LANEWISE3(r, k, size, expr)                                                                \
    } while (0)
#define LANEWISE1(r, k, size, expr)                                                                \
    do {                                                                                           \
        const union vreg b MAYBE_UNUSED = a;                                                       \
        LANEWISE(r, k, size, expr);                                                                \
    } while (0)

// Lanes of x where the mask is set, else of y.
#define BLEND(mask, x, y) (((x) & (T)(mask)) | ((y) & ~(T)(mask)))

static ALWAYS_INLINE union vreg simd_max(union vreg a, union vreg b, unsigned size, unsigned u)
{
    union vreg r;
    if (u)
        LANEWISE(r, vu, size, BLEND(A > B, A, B));
    else
        LANEWISE(r, vs, size, BLEND(A > B, A, B));
    return r;
}

static ALWAYS_INLINE union vreg simd_min(union vreg a, union vreg b, unsigned size, unsigned u)
{
    union vreg r;
    if (u)
        LANEWISE(r, vu, size, BLEND(A < B, A, B));
    else
        LANEWISE(r, vs, size, BLEND(A < B, A, B));
    return r;
}

static ALWAYS_INLINE union vreg simd_abd(union vreg a, union vreg b, unsigned size, unsigned u)
{
    const union vreg high = simd_max(a, b, size, u), low = simd_min(a, b, size, u);
    a = high;
    b = low;
    LANEWISE(a, vu, size, A - B);
    return a;
}

static ALWAYS_INLINE union vreg simd_add(union vreg a, union vreg b, unsigned size)
{
    LANEWISE(a, vu, size, A + B);
    return a;
}

static ALWAYS_INLINE union vreg simd_sub(union vreg a, union vreg b, unsigned size)
{
    LANEWISE(a, vu, size, A - B);
    return a;
}

// --- Permutations --------------------------------------------------------------------------------
// UZP1/UZP2: even (odd) lanes of a, then of b.
static ALWAYS_INLINE union vreg simd_unzip(union vreg a, union vreg b, unsigned size, bool odd)
{
    union vreg r;
    switch (size << 1 | odd) {
    case 0:
        r.vu8 = __builtin_shufflevector(a.vu8, b.vu8, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24,
                                        26, 28, 30);
        break;
    case 1:
        r.vu8 = __builtin_shufflevector(a.vu8, b.vu8, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25,
                                        27, 29, 31);
        break;
    case 2:
        r.vu16 = __builtin_shufflevector(a.vu16, b.vu16, 0, 2, 4, 6, 8, 10, 12, 14);
        break;
    case 3:
        r.vu16 = __builtin_shufflevector(a.vu16, b.vu16, 1, 3, 5, 7, 9, 11, 13, 15);
        break;
    case 4:
        r.vu32 = __builtin_shufflevector(a.vu32, b.vu32, 0, 2, 4, 6);
        break;
    case 5:
        r.vu32 = __builtin_shufflevector(a.vu32, b.vu32, 1, 3, 5, 7);
        break;
    case 6:
        r = (union vreg){.vu64 = {a.d[0], b.d[0]}};
        break;
    default:
        r = (union vreg){.vu64 = {a.d[1], b.d[1]}};
        break;
    }
    return r;
}

// ZIP1/ZIP2: lanes of a and b alternate, from the lower (upper) half.
static ALWAYS_INLINE union vreg simd_zip(union vreg a, union vreg b, unsigned size, bool upper)
{
    union vreg r;
    switch (size << 1 | upper) {
    case 0:
        r.vu8 = __builtin_shufflevector(a.vu8, b.vu8, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6,
                                        22, 7, 23);
        break;
    case 1:
        r.vu8 = __builtin_shufflevector(a.vu8, b.vu8, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
                                        14, 30, 15, 31);
        break;
    case 2:
        r.vu16 = __builtin_shufflevector(a.vu16, b.vu16, 0, 8, 1, 9, 2, 10, 3, 11);
        break;
    case 3:
        r.vu16 = __builtin_shufflevector(a.vu16, b.vu16, 4, 12, 5, 13, 6, 14, 7, 15);
        break;
    case 4:
        r.vu32 = __builtin_shufflevector(a.vu32, b.vu32, 0, 4, 1, 5);
        break;
    case 5:
        r.vu32 = __builtin_shufflevector(a.vu32, b.vu32, 2, 6, 3, 7);
        break;
    case 6:
        r = (union vreg){.vu64 = {a.d[0], b.d[0]}};
        break;
    default:
        r = (union vreg){.vu64 = {a.d[1], b.d[1]}};
        break;
    }
    return r;
}

// Neighbouring lanes change places; lanes of 16, 32, 64 bits.
static ALWAYS_INLINE union vreg simd_swap_pairs(union vreg a, unsigned size)
{
    union vreg r;
    if (size == 1)
        r.vu16 = __builtin_shufflevector(a.vu16, a.vu16, 1, 0, 3, 2, 5, 4, 7, 6);
    else if (size == 2)
        r.vu32 = __builtin_shufflevector(a.vu32, a.vu32, 1, 0, 3, 2);
    else
        r = (union vreg){.vu64 = {a.d[1], a.d[0]}};
    return r;
}

// The even (odd) lane of every pair in both its places.
static ALWAYS_INLINE union vreg simd_spread_pairs(union vreg a, unsigned size, bool odd)
{
    const uint64_t even_lanes = size == 1   ? 0x0000ffff0000ffffull
                                : size == 2 ? 0x00000000ffffffffull
                                            : ~0ull;
    const VREG_TYPE(vu64) even = {even_lanes, size == 3 ? 0 : even_lanes};
    const union vreg b = simd_swap_pairs(a, size);
    if (odd)
        return (union vreg){.vu64 = (b.vu64 & even) | (a.vu64 & ~even)};
    return (union vreg){.vu64 = (a.vu64 & even) | (b.vu64 & ~even)};
}

// Even and odd lanes of the pair a:b, for pairwise operations of either width.
static ALWAYS_INLINE union vreg simd_pairs(union vreg a, union vreg b, unsigned size, unsigned q,
                                           bool odd)
{
    if (q)
        return simd_unzip(a, b, size, odd);
    const union vreg both = {.vu64 = {a.d[0], b.d[0]}};
    return simd_unzip(both, (union vreg){.vu64 = {0, 0}}, size, odd);
}

// The lower (upper) half of a with lanes of `size`, each extended to twice that.
static ALWAYS_INLINE union vreg simd_widen(union vreg a, unsigned size, bool upper, unsigned u)
{
    const uint64_t half = a.d[upper];
    union vreg r;
#define WIDEN(from, to, member)                                                                    \
    {                                                                                              \
        from v;                                                                                    \
        __builtin_memcpy(&v, &half, 8);                                                            \
        r.member = __builtin_convertvector(v, VREG_TYPE(member));                                  \
        break;                                                                                     \
    }
    switch (size << 1 | u) {
    case 0:
        WIDEN(simd_s8x8, int16_t, vs16)
    case 1:
        WIDEN(simd_u8x8, uint16_t, vu16)
    case 2:
        WIDEN(simd_s16x4, int32_t, vs32)
    case 3:
        WIDEN(simd_u16x4, uint32_t, vu32)
    case 4:
        WIDEN(simd_s32x2, int64_t, vs64)
    default:
        WIDEN(simd_u32x2, uint64_t, vu64)
    }
#undef WIDEN
    return r;
}

// The narrow results in the lower half of `low` into rd: q 1 keeps rd's lower half, 2 is a scalar.
static ALWAYS_INLINE union vreg simd_put_half(union vreg rd, union vreg low, unsigned size,
                                              unsigned q)
{
    if (q == 1)
        return (union vreg){.vu64 = {rd.d[0], low.d[0]}};
    return simd_out(low, size, q);
}

// Table lookup in 16 bytes; 0 where the index is 16 or more.
static ALWAYS_INLINE union vreg simd_table(union vreg table, union vreg index)
{
    union vreg r;
#if defined(__SSSE3__)
    const __m128i i = _mm_adds_epu8((__m128i)index.vu8, _mm_set1_epi8(0x70));
    r.vu8 = (VREG_TYPE(vu8))_mm_shuffle_epi8((__m128i)table.vu8, i);
#elif defined(__aarch64__)
    r.vu8 = (VREG_TYPE(vu8))vqtbl1q_u8((uint8x16_t)table.vu8, (uint8x16_t)index.vu8);
#else
    for (unsigned i = 0; i < 16; i++)
        r.b[i] = index.b[i] < 16 ? table.b[index.b[i]] : 0;
#endif
    return r;
}

#endif
