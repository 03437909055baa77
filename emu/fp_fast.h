// Floating point on the host's own operations, falling back to emu/fp.h. Layer 2; for op bodies.
//
// A host operation is used while FPCR.FZ is clear and only where value and flags are then ARM's:
//   - a NaN result is done again in software, which knows whose NaN it must be
//   - on hosts that see underflow after rounding, so is a result of the smallest normal magnitude,
//     the only one ARM may call an underflow when they do not
// The software operation raises every flag the host already raised, so doing it twice is harmless.
// Flags of host operations stay in the host's status word until fpenv_collect().
//
// Sizes are given as in encodings, by the constant `sz`: 0 single, 1 double, 2 half. Half precision
// is always software. Values are raw bits.
#ifndef EMU_FP_FAST_H
#define EMU_FP_FAST_H

#include "emu/fp.h"
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

typedef uint64_t fp_op1(struct cpu *cpu, enum fp_size size, uint64_t a);
typedef uint64_t fp_op2(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
typedef uint64_t fp_op3(struct cpu *cpu, enum fp_size size, uint64_t c, uint64_t a, uint64_t b);

// The same on vectors: lanes of `size`, `n` of them. Cold.
void fp_lanes1(struct cpu *cpu, fp_op1 *op, enum fp_size size, unsigned n, union vreg *r,
               const union vreg *a);
void fp_lanes2(struct cpu *cpu, fp_op2 *op, enum fp_size size, unsigned n, union vreg *r,
               const union vreg *a, const union vreg *b);
void fp_lanes3(struct cpu *cpu, fp_op3 *op, enum fp_size size, unsigned n, union vreg *r,
               const union vreg *c, const union vreg *a, const union vreg *b);

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
static ALWAYS_INLINE bool fp_good64(double r, bool tiny)
{
    if (UNLIKELY(__builtin_isunordered(r, r)))
        return false;
    return !(FP_TINY_AFTER_ROUNDING && tiny) || LIKELY(fp_bits64(r) << 1 != 1ull << 53);
}

static ALWAYS_INLINE bool fp_good32(float r, bool tiny)
{
    if (UNLIKELY(__builtin_isunordered(r, r)))
        return false;
    return !(FP_TINY_AFTER_ROUNDING && tiny) || LIKELY((uint32_t)(fp_bits32(r) << 1) != 1u << 24);
}

// --- Scalars -------------------------------------------------------------------------------------
// Defines fast_NAME(cpu, sz, a, b): `expr` over x and y, else the software operation fp_NAME.
#define FP_SCALAR2(name, expr, tiny)                                                               \
    static ALWAYS_INLINE uint64_t fast_##name(struct cpu *cpu, unsigned sz, uint64_t a,            \
                                              uint64_t b)                                          \
    {                                                                                              \
        if (sz == 1 && fp_host_ok(cpu)) {                                                          \
            const double x = fp_f64(a), y = fp_f64(b), r = expr;                                   \
            if (fp_good64(r, tiny))                                                                \
                return fp_bits64(r);                                                               \
        }                                                                                          \
        if (sz == 0 && fp_host_ok(cpu)) {                                                          \
            const float x = fp_f32(a), y = fp_f32(b), r = expr;                                    \
            if (fp_good32(r, tiny))                                                                \
                return fp_bits32(r);                                                               \
        }                                                                                          \
        return fp_##name(cpu, fp_size_of(sz), a, b);                                               \
    }
FP_SCALAR2(add, x + y, false)
FP_SCALAR2(sub, x - y, false)
FP_SCALAR2(mul, x *y, true)
FP_SCALAR2(div, x / y, true)

static ALWAYS_INLINE uint64_t fast_sqrt(struct cpu *cpu, unsigned sz, uint64_t a)
{
    if (sz == 1 && fp_host_ok(cpu)) {
        const double r = __builtin_sqrt(fp_f64(a));
        if (fp_good64(r, false))
            return fp_bits64(r);
    }
    if (sz == 0 && fp_host_ok(cpu)) {
        const float r = __builtin_sqrtf(fp_f32(a));
        if (fp_good32(r, false))
            return fp_bits32(r);
    }
    return fp_sqrt(cpu, fp_size_of(sz), a);
}

// Greater of two numbers, else software (equal numbers included: zeros have signs).
#define FP_SCALAR_PICK(name, test)                                                                 \
    static ALWAYS_INLINE uint64_t fast_##name(struct cpu *cpu, unsigned sz, uint64_t a,            \
                                              uint64_t b)                                          \
    {                                                                                              \
        if (sz == 1 && fp_host_ok(cpu)) {                                                          \
            if (test(fp_f64(a), fp_f64(b)))                                                        \
                return a;                                                                          \
            if (test(fp_f64(b), fp_f64(a)))                                                        \
                return b;                                                                          \
        }                                                                                          \
        if (sz == 0 && fp_host_ok(cpu)) {                                                          \
            if (test(fp_f32(a), fp_f32(b)))                                                        \
                return a;                                                                          \
            if (test(fp_f32(b), fp_f32(a)))                                                        \
                return b;                                                                          \
        }                                                                                          \
        return fp_##name(cpu, fp_size_of(sz), a, b);                                               \
    }
FP_SCALAR_PICK(max, __builtin_isgreater)
FP_SCALAR_PICK(min, __builtin_isless)
FP_SCALAR_PICK(maxnm, __builtin_isgreater)
FP_SCALAR_PICK(minnm, __builtin_isless)

// Quiet and signalling comparison.
static ALWAYS_INLINE enum fp_order fast_compare(struct cpu *cpu, unsigned sz, uint64_t a,
                                                uint64_t b, bool signal)
{
    if (sz == 1 && fp_host_ok(cpu)) {
        const double x = fp_f64(a), y = fp_f64(b);
        if (LIKELY(!__builtin_isunordered(x, y)))
            return __builtin_isless(x, y)      ? FP_LESS
                   : __builtin_isgreater(x, y) ? FP_GREATER
                                               : FP_EQUAL;
    }
    if (sz == 0 && fp_host_ok(cpu)) {
        const float x = fp_f32(a), y = fp_f32(b);
        if (LIKELY(!__builtin_isunordered(x, y)))
            return __builtin_isless(x, y)      ? FP_LESS
                   : __builtin_isgreater(x, y) ? FP_GREATER
                                               : FP_EQUAL;
    }
    return fp_compare(cpu, fp_size_of(sz), a, b, signal);
}

// --- Conversions ---------------------------------------------------------------------------------
static ALWAYS_INLINE uint64_t fast_single_to_double(struct cpu *cpu, uint64_t a)
{
    if (fp_host_ok(cpu)) {
        const double r = (double)fp_f32(a);
        if (fp_good64(r, false))
            return fp_bits64(r);
    }
    return fp_convert(cpu, FP_S, FP_D, a);
}

static ALWAYS_INLINE uint64_t fast_double_to_single(struct cpu *cpu, uint64_t a)
{
    if (fp_host_ok(cpu)) {
        const float r = (float)fp_f64(a);
        if (fp_good32(r, true))
            return fp_bits32(r);
    }
    return fp_convert(cpu, FP_D, FP_S, a);
}

// An integer to floating point; a signed one arrives sign-extended.
static ALWAYS_INLINE uint64_t fast_from_int(struct cpu *cpu, unsigned sz, uint64_t a,
                                            bool is_unsigned)
{
    // Never tiny, never NaN: FZ does not matter.
    if (sz < 2 && (!is_unsigned || LIKELY(!(a >> 63))))
        return sz ? fp_bits64((double)(int64_t)a) : fp_bits32((float)(int64_t)a);
    return fp_from_fixed(cpu, fp_size_of(sz), a, 0, is_unsigned);
}

// Toward zero, saturated, `bits` (32 or 64) wide. The range is checked before the host converts, so
// that it raises Inexact at most.
static ALWAYS_INLINE uint64_t fast_to_int(struct cpu *cpu, unsigned sz, uint64_t a,
                                          bool is_unsigned, unsigned bits)
{
    if (sz < 2 && fp_host_ok(cpu)) {
        const double v = sz ? fp_f64(a) : (double)fp_f32(a);
        const double low = is_unsigned ? -1.0 : bits == 64 ? -0x1p63 : -0x1p31 - 1;
        const double high = bits == 64 ? 0x1p63 : is_unsigned ? 0x1p32 : 0x1p31;
        const bool above = bits == 64 && !is_unsigned ? __builtin_isgreaterequal(v, low)
                                                      : __builtin_isgreater(v, low);
        if (LIKELY(above) && LIKELY(__builtin_isless(v, high))) {
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
        if (sz && fp_good64(_mm_cvtsd_f64(d), false))
            return fp_bits64(_mm_cvtsd_f64(d));
        if (!sz && fp_good32(_mm_cvtss_f32(s), false))
            return fp_bits32(_mm_cvtss_f32(s));
    }
#undef FP_ROUND_CASE
#endif
    return fp_round_int(cpu, fp_size_of(sz), a, mode < 5 ? (enum fp_round)mode : fp_rounding(cpu),
                        mode == 6);
}

// --- Vectors -------------------------------------------------------------------------------------
// `q`: 128 bits; else 64, whose upper half reads as 1.0 in the host operation and as zero in the
// result.
#define FP_ONES32 0x3f8000003f800000ull

static ALWAYS_INLINE bool fp_any(const union vreg *mask)
{
#if defined(__SSE4_1__)
    const __m128i m = (__m128i)mask->vs64;
    return !_mm_testz_si128(m, m);
#else
    return (mask->d[0] | mask->d[1]) != 0;
#endif
}

// Whether any lane of a host result has to be done again.
static ALWAYS_INLINE bool fp_bad_lanes(unsigned sz, union vreg r, bool tiny)
{
    union vreg bad;
    if (sz) {
        bad.vs64 = (VREG_TYPE(vs64))(r.vf64 != r.vf64);
        if (FP_TINY_AFTER_ROUNDING && tiny)
            bad.vs64 |= (VREG_TYPE(vs64))(r.vu64 << 1 == (uint64_t)1 << 53);
    } else {
        bad.vs32 = (VREG_TYPE(vs32))(r.vf32 != r.vf32);
        if (FP_TINY_AFTER_ROUNDING && tiny)
            bad.vs32 |= (VREG_TYPE(vs32))(r.vu32 << 1 == (uint32_t)1 << 24);
    }
    return UNLIKELY(fp_any(&bad));
}

static ALWAYS_INLINE unsigned fp_lanes(unsigned sz, unsigned q)
{
    return (q ? 16u : 8u) >> fp_size_of(sz);
}

#define FP_VECTOR2(name, operator, tiny)                                                           \
    static ALWAYS_INLINE union vreg fast_v##name(struct cpu *cpu, unsigned sz, unsigned q,         \
                                                 union vreg a, union vreg b)                       \
    {                                                                                              \
        union vreg r = {.d = {0, 0}};                                                              \
        if (!q)                                                                                    \
            a.d[1] = b.d[1] = FP_ONES32;                                                           \
        const bool host = sz < 2 && fp_host_ok(cpu);                                               \
        if (host && sz)                                                                            \
            r.vf64 = a.vf64 operator b.vf64;                                                       \
        else if (host)                                                                             \
            r.vf32 = a.vf32 operator b.vf32;                                                       \
        if (!host || fp_bad_lanes(sz, r, tiny))                                                    \
            fp_lanes2(cpu, fp_##name, fp_size_of(sz), fp_lanes(sz, q), &r, &a, &b);                \
        if (!q)                                                                                    \
            r.d[1] = 0;                                                                            \
        return r;                                                                                  \
    }
FP_VECTOR2(add, +, false)
FP_VECTOR2(sub, -, false)
FP_VECTOR2(mul, *, true)
FP_VECTOR2(div, /, true)

// Maximum and minimum: of equal lanes, zeros have signs and other numbers are the same bits. Any
// NaN sends all lanes to software.
#define FP_VECTOR_PICK(name, above, equal)                                                         \
    static ALWAYS_INLINE union vreg fast_v##name(struct cpu *cpu, unsigned sz, unsigned q,         \
                                                 union vreg a, union vreg b)                       \
    {                                                                                              \
        union vreg r = {.d = {0, 0}}, wins, same, nan;                                             \
        if (!q)                                                                                    \
            a.d[1] = b.d[1] = 0;                                                                   \
        bool host = sz < 2 && fp_host_ok(cpu);                                                     \
        if (host && sz) {                                                                          \
            nan.vs64 = (VREG_TYPE(vs64))((a.vf64 != a.vf64) | (b.vf64 != b.vf64));                 \
        } else if (host) {                                                                         \
            nan.vs32 = (VREG_TYPE(vs32))((a.vf32 != a.vf32) | (b.vf32 != b.vf32));                 \
        }                                                                                          \
        if (!host || UNLIKELY(fp_any(&nan))) {                                                     \
            fp_lanes2(cpu, fp_##name, fp_size_of(sz), fp_lanes(sz, q), &r, &a, &b);                \
            return r;                                                                              \
        }                                                                                          \
        if (sz) {                                                                                  \
            wins.vs64 = (VREG_TYPE(vs64))(a.vf64 above b.vf64);                                    \
            same.vs64 = (VREG_TYPE(vs64))(a.vf64 == b.vf64);                                       \
        } else {                                                                                   \
            wins.vs32 = (VREG_TYPE(vs32))(a.vf32 above b.vf32);                                    \
            same.vs32 = (VREG_TYPE(vs32))(a.vf32 == b.vf32);                                       \
        }                                                                                          \
        r.vu64 = (wins.vu64 & a.vu64) | (~(wins.vu64 | same.vu64) & b.vu64) |                      \
                 (same.vu64 & (a.vu64 equal b.vu64));                                              \
        return r;                                                                                  \
    }
FP_VECTOR_PICK(max, >, &)
FP_VECTOR_PICK(min, <, |)
FP_VECTOR_PICK(maxnm, >, &)
FP_VECTOR_PICK(minnm, <, |)

// Every lane with its sign changed.
static ALWAYS_INLINE union vreg fp_vneg(union vreg a, unsigned sz)
{
    const uint64_t sign = sz == 1   ? 1ull << 63
                          : sz == 0 ? 0x8000000080000000ull
                                    : 0x8000800080008000ull;
    return (union vreg){.vu64 = a.vu64 ^ (VREG_TYPE(vu64)){sign, sign}};
}

static ALWAYS_INLINE union vreg fp_vabs(union vreg a, unsigned sz)
{
    const uint64_t sign = sz == 1   ? 1ull << 63
                          : sz == 0 ? 0x8000000080000000ull
                                    : 0x8000800080008000ull;
    return (union vreg){.vu64 = a.vu64 & ~(VREG_TYPE(vu64)){sign, sign}};
}

#endif
