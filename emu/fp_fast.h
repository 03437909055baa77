// Floating point on the host's own operations, and the way to emu/fp.h where they are not ARM's.
// Layer 2; for op bodies.
//
// A host result is taken while FPCR.FZ is clear and only where value and flags are then ARM's (with
// FZ set, the host may compute, but its results and flags are forgotten; emu/fpenv.h):
//   - a NaN result is done again in software, which knows whose NaN it must be
//   - on hosts that see underflow after rounding, so is a result of the smallest normal magnitude,
//     the only one ARM may call an underflow when they do not
// The software operation raises every flag the host already raised, so doing it twice is harmless.
// Flags of host operations stay in the host's status word until fpenv_collect().
//
// Sizes are given as in encodings, by the constant `sz`: 0 single, 1 double, 2 half. Half precision
// is always software.
#ifndef EMU_FP_FAST_H
#define EMU_FP_FAST_H

#include "emu/fp_slow.h"
#include "emu/simd.h"
#include "platform/base/compiler.h"
#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

#if defined(__x86_64__)
#define FP_TINY_AFTER_ROUNDING 1
#elif defined(__aarch64__)
#define FP_TINY_AFTER_ROUNDING 0
#else
#error "does this host detect tininess before or after rounding?"
#endif

// --- The slow path -------------------------------------------------------------------------------
// Ends the body: software does what remains, which is all of it. `f`: an fp_op1, fp_op2 or fp_op3,
// or NULL for a comparison. a, b, c, d: operands of the row.
#define SLOW(what, f, count, bits, at, d, a, b, c)                                                 \
    do {                                                                                           \
        e->cpu->job = (struct fp_job){.op = (void (*)(void))(f),                                   \
                                      .index = (at),                                               \
                                      .kind = (what),                                              \
                                      .size = (uint8_t)fp_size_of(sz),                             \
                                      .lanes = (uint8_t)(count),                                   \
                                      .flags = (uint8_t)(bits),                                    \
                                      .rd = (uint8_t)(d).n,                                        \
                                      .ra = (uint8_t)(a).n,                                        \
                                      .rb = (uint8_t)(b).n,                                        \
                                      .rc = (uint8_t)(c).n};                                       \
        e->status = OP_SLOW;                                                                       \
        return;                                                                                    \
    } while (0)

// --- Scalars -------------------------------------------------------------------------------------
static ALWAYS_INLINE enum fp_size fp_size_of(unsigned sz)
{
    return sz == 0 ? FP_S : sz == 1 ? FP_D : FP_H;
}

static ALWAYS_INLINE uint64_t fp_sign_of(unsigned sz)
{
    return sz == 0 ? 1ull << 31 : sz == 1 ? 1ull << 63 : 1ull << 15;
}

static ALWAYS_INLINE double fp_f64(uint64_t v)
{
    double f;
    __builtin_memcpy(&f, &v, 8);
    return f;
}

static ALWAYS_INLINE float fp_f32(uint64_t v)
{
    const uint32_t w = (uint32_t)v;
    float f;
    __builtin_memcpy(&f, &w, 4);
    return f;
}

static ALWAYS_INLINE uint64_t fp_bits64(double f)
{
    uint64_t v;
    __builtin_memcpy(&v, &f, 8);
    return v;
}

static ALWAYS_INLINE uint64_t fp_bits32(float f)
{
    uint32_t v;
    __builtin_memcpy(&v, &f, 4);
    return v;
}

static ALWAYS_INLINE bool fp_host_ok(const struct cpu *cpu)
{
    return LIKELY(!(cpu->fpcr & FPCR_FZ));
}

// Whether a host result stands. `tiny`: the operation can round up to the smallest normal number.
// One comparison finds NaNs and, there, what is near that number; zeros stand. The limit is a NaN
// while FZ is set, so that it finds everything.
static ALWAYS_INLINE bool fp_good64(const struct cpu *cpu, double r, bool tiny)
{
    const double limit = cpu->fp_limit64[0];
    if (!FP_TINY_AFTER_ROUNDING || !tiny)
        return LIKELY(!__builtin_isunordered(r, limit));
    return LIKELY(__builtin_isgreaterequal(__builtin_fabs(r), limit)) ||
           (r == 0.0 && fp_host_ok(cpu));
}

static ALWAYS_INLINE bool fp_good32(const struct cpu *cpu, float r, bool tiny)
{
    const float limit = cpu->fp_limit32[0];
    if (!FP_TINY_AFTER_ROUNDING || !tiny)
        return LIKELY(!__builtin_isunordered(r, limit));
    return LIKELY(__builtin_isgreaterequal(__builtin_fabsf(r), limit)) ||
           (r == 0.0f && fp_host_ok(cpu));
}

// Square root, for lane loops.
static ALWAYS_INLINE uint64_t fast_sqrt(struct cpu *cpu, unsigned sz, uint64_t a)
{
    if (sz == 1 && fp_host_ok(cpu)) {
        const double r = __builtin_sqrt(fp_f64(a));
        if (fp_good64(cpu, r, false))
            return fp_bits64(r);
    }
    if (sz == 0 && fp_host_ok(cpu)) {
        const float r = __builtin_sqrtf(fp_f32(a));
        if (fp_good32(cpu, r, false))
            return fp_bits32(r);
    }
    return fp_sqrt(cpu, fp_size_of(sz), a);
}

// --- Conversions ---------------------------------------------------------------------------------
static ALWAYS_INLINE uint64_t fast_single_to_double(struct cpu *cpu, uint64_t a)
{
    if (fp_host_ok(cpu)) {
        const double r = (double)fp_f32(a);
        if (fp_good64(cpu, r, false))
            return fp_bits64(r);
    }
    return fp_convert(cpu, FP_S, FP_D, a);
}

static ALWAYS_INLINE uint64_t fast_double_to_single(struct cpu *cpu, uint64_t a)
{
    if (fp_host_ok(cpu)) {
        const float r = (float)fp_f64(a);
        if (fp_good32(cpu, r, true))
            return fp_bits32(r);
    }
    return fp_convert(cpu, FP_D, FP_S, a);
}

// An integer to floating point; a signed one arrives sign-extended.
static ALWAYS_INLINE uint64_t fast_from_int(struct cpu *cpu, unsigned sz, uint64_t a,
                                            bool is_unsigned)
{
    // Never tiny, never NaN.
    if (sz < 2 && fp_host_ok(cpu) && (!is_unsigned || LIKELY(!(a >> 63))))
        return sz ? fp_bits64((double)(int64_t)a) : fp_bits32((float)(int64_t)a);
    return fp_from_fixed(cpu, fp_size_of(sz), a, 0, is_unsigned);
}

// Whether v, cut off at the point, is an integer of `bits` (32 or 64). Asked before the host
// converts, so that it raises Inexact at most.
static ALWAYS_INLINE bool fp_fits_int(double v, bool is_unsigned, unsigned bits)
{
    const double low = is_unsigned ? -1.0 : bits == 64 ? -0x1p63 : -2147483649.0;
    const double high = bits == 64 ? 0x1p63 : is_unsigned ? 0x1p32 : 0x1p31;
    const bool above =
        bits == 64 && !is_unsigned ? __builtin_isgreaterequal(v, low) : __builtin_isgreater(v, low);
    return LIKELY(above) && LIKELY(__builtin_isless(v, high));
}

// Toward zero, saturated, `bits` wide.
static ALWAYS_INLINE uint64_t fast_to_int(struct cpu *cpu, unsigned sz, uint64_t a,
                                          bool is_unsigned, unsigned bits)
{
    if (sz < 2 && fp_host_ok(cpu)) {
        const double v = sz ? fp_f64(a) : (double)fp_f32(a);
        if (fp_fits_int(v, is_unsigned, bits)) {
            const uint64_t r = (uint64_t)(int64_t)v;
            return bits == 64 ? r : (uint32_t)r;
        }
    }
    return fp_to_fixed(cpu, fp_size_of(sz), a, 0, is_unsigned, bits, FP_ROUND_ZERO);
}

// FRINT*. mode: 0 nearest, 1 up, 2 down, 3 to zero, 4 ties away, 6 by FPCR raising Inexact, 7 by
// FPCR.
static ALWAYS_INLINE uint64_t fast_round_int(struct cpu *cpu, unsigned sz, uint64_t a,
                                             unsigned mode)
{
#if defined(__SSE4_1__)
#define FP_ROUND_CASE(n, how)                                                                      \
    case n:                                                                                        \
        if (sz)                                                                                    \
            d = _mm_round_sd(d, d, how);                                                           \
        else                                                                                       \
            s = _mm_round_ss(s, s, how);                                                           \
        break;
    if (sz < 2 && mode != 4 && fp_host_ok(cpu)) {
        __m128d d = _mm_set_sd(fp_f64(a));
        __m128 s = _mm_set_ss(fp_f32(a));
        switch (mode) {
            FP_ROUND_CASE(0, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
            FP_ROUND_CASE(1, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)
            FP_ROUND_CASE(2, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)
            FP_ROUND_CASE(3, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
            FP_ROUND_CASE(6, _MM_FROUND_RINT)
        default:
            FP_ROUND_CASE(7, _MM_FROUND_NEARBYINT)
        }
        if (sz && fp_good64(cpu, _mm_cvtsd_f64(d), false))
            return fp_bits64(_mm_cvtsd_f64(d));
        if (!sz && fp_good32(cpu, _mm_cvtss_f32(s), false))
            return fp_bits32(_mm_cvtss_f32(s));
    }
#undef FP_ROUND_CASE
#endif
    return fp_round_int(cpu, fp_size_of(sz), a, mode < 5 ? (enum fp_round)mode : fp_rounding(cpu),
                        mode == 6);
}

// --- Vectors -------------------------------------------------------------------------------------
static ALWAYS_INLINE bool fp_any(const union vreg *mask)
{
#if defined(__SSE4_1__)
    const __m128i m = (__m128i)mask->vs64;
    return !_mm_testz_si128(m, m);
#else
    return (mask->d[0] | mask->d[1]) != 0;
#endif
}

// The unused half of a 64-bit operand, filled with numbers no operation raises a flag for.
static ALWAYS_INLINE union vreg fp_fill(union vreg a, unsigned q)
{
    return q ? a : (union vreg){.vf32 = {a.vf32[0], a.vf32[1], 1.0f, 1.0f}};
}

// Lanes of r that are NaNs; all while FZ is set.
static ALWAYS_INLINE union vreg fp_unordered(const struct cpu *cpu, unsigned sz, union vreg r)
{
    union vreg limit, bad;
    if (sz) {
        __builtin_memcpy(&limit, cpu->fp_limit64, 16);
#if defined(__SSE2__)
        bad.vf64 = (VREG_TYPE(vf64))_mm_cmpunord_pd((__m128d)r.vf64, (__m128d)limit.vf64);
#else
        bad.vs64 = (VREG_TYPE(vs64))((r.vf64 != r.vf64) | (limit.vf64 != limit.vf64));
#endif
    } else {
        __builtin_memcpy(&limit, cpu->fp_limit32, 16);
#if defined(__SSE2__)
        bad.vf32 = (VREG_TYPE(vf32))_mm_cmpunord_ps((__m128)r.vf32, (__m128)limit.vf32);
#else
        bad.vs32 = (VREG_TYPE(vs32))((r.vf32 != r.vf32) | (limit.vf32 != limit.vf32));
#endif
    }
    return bad;
}

// Whether a host result stands; as for scalars, lane by lane.
static ALWAYS_INLINE bool fp_good_lanes(const struct cpu *cpu, unsigned sz, union vreg r, bool tiny)
{
    union vreg bad = fp_unordered(cpu, sz, r);
    if (FP_TINY_AFTER_ROUNDING && tiny && sz)
        bad.vs64 |= (VREG_TYPE(vs64))(r.vu64 << 1 == (uint64_t)1 << 53);
    else if (FP_TINY_AFTER_ROUNDING && tiny)
        bad.vs32 |= (VREG_TYPE(vs32))(r.vu32 << 1 == (uint32_t)1 << 24);
    return LIKELY(!fp_any(&bad));
}

// Maximum (minimum) of lanes, none of them a NaN: of equal lanes, zeros have signs and other
// numbers are the same bits.
static ALWAYS_INLINE union vreg fp_vpick(union vreg a, union vreg b, unsigned sz, bool max)
{
    union vreg wins, same;
    if (sz) {
        wins.vs64 = max ? (VREG_TYPE(vs64))(a.vf64 > b.vf64) : (VREG_TYPE(vs64))(a.vf64 < b.vf64);
        same.vs64 = (VREG_TYPE(vs64))(a.vf64 == b.vf64);
    } else {
        wins.vs32 = max ? (VREG_TYPE(vs32))(a.vf32 > b.vf32) : (VREG_TYPE(vs32))(a.vf32 < b.vf32);
        same.vs32 = (VREG_TYPE(vs32))(a.vf32 == b.vf32);
    }
    const VREG_TYPE(vu64) zeros = max ? a.vu64 & b.vu64 : a.vu64 | b.vu64;
    return (union vreg){.vu64 = (wins.vu64 & a.vu64) | (~(wins.vu64 | same.vu64) & b.vu64) |
                                (same.vu64 & zeros)};
}

static ALWAYS_INLINE bool fp_any_nan(union vreg a, union vreg b, unsigned sz)
{
    union vreg nan;
#if defined(__SSE2__)
    if (sz)
        nan.vf64 = (VREG_TYPE(vf64))_mm_cmpunord_pd((__m128d)a.vf64, (__m128d)b.vf64);
    else
        nan.vf32 = (VREG_TYPE(vf32))_mm_cmpunord_ps((__m128)a.vf32, (__m128)b.vf32);
#else
    if (sz)
        nan.vs64 = (VREG_TYPE(vs64))((a.vf64 != a.vf64) | (b.vf64 != b.vf64));
    else
        nan.vs32 = (VREG_TYPE(vs32))((a.vf32 != a.vf32) | (b.vf32 != b.vf32));
#endif
    return UNLIKELY(fp_any(&nan));
}

static ALWAYS_INLINE VREG_TYPE(vu64) fp_signs(unsigned sz)
{
    const uint64_t s = sz == 1   ? 1ull << 63
                       : sz == 0 ? 0x8000000080000000ull
                                 : 0x8000800080008000ull;
    return (VREG_TYPE(vu64)){s, s};
}

static ALWAYS_INLINE union vreg fp_vneg(union vreg a, unsigned sz)
{
    return (union vreg){.vu64 = a.vu64 ^ fp_signs(sz)};
}

static ALWAYS_INLINE union vreg fp_vabs(union vreg a, unsigned sz)
{
    return (union vreg){.vu64 = a.vu64 & ~fp_signs(sz)};
}

#endif
