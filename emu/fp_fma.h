// Fused multiply-add on the host's instruction. For files all of whose functions are compiled for a
// host that has it; see emu/fp_fast.h.
#ifndef EMU_FP_FMA_H
#define EMU_FP_FMA_H

#include "emu/fp_fast.h"
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static ALWAYS_INLINE double fma_double(double a, double b, double c)
{
#if defined(__x86_64__)
    return _mm_cvtsd_f64(_mm_fmadd_sd(_mm_set_sd(a), _mm_set_sd(b), _mm_set_sd(c)));
#else
    return __builtin_fma(a, b, c);
#endif
}

static ALWAYS_INLINE float fma_single(float a, float b, float c)
{
#if defined(__x86_64__)
    return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
#else
    return __builtin_fmaf(a, b, c);
#endif
}

// c + a * b
static ALWAYS_INLINE uint64_t fast_muladd(struct cpu *cpu, unsigned sz, uint64_t c, uint64_t a,
                                          uint64_t b)
{
    if (sz == 1 && fp_host_ok(cpu)) {
        const double r = fma_double(fp_f64(a), fp_f64(b), fp_f64(c));
        if (fp_good64(r, true))
            return fp_bits64(r);
    }
    if (sz == 0 && fp_host_ok(cpu)) {
        const float r = fma_single(fp_f32(a), fp_f32(b), fp_f32(c));
        if (fp_good32(r, true))
            return fp_bits32(r);
    }
    return fp_muladd(cpu, fp_size_of(sz), c, a, b);
}

static ALWAYS_INLINE union vreg fast_vmuladd(struct cpu *cpu, unsigned sz, unsigned q, union vreg c,
                                             union vreg a, union vreg b)
{
    union vreg r = {.d = {0, 0}};
    if (!q)
        a.d[1] = b.d[1] = c.d[1] = FP_ONES32;
    const bool host = sz < 2 && fp_host_ok(cpu);
    if (host) {
#if defined(__x86_64__)
        if (sz)
            r.vf64 =
                (VREG_TYPE(vf64))_mm_fmadd_pd((__m128d)a.vf64, (__m128d)b.vf64, (__m128d)c.vf64);
        else
            r.vf32 = (VREG_TYPE(vf32))_mm_fmadd_ps((__m128)a.vf32, (__m128)b.vf32, (__m128)c.vf32);
#else
        if (sz)
            r.vf64 = (VREG_TYPE(vf64))vfmaq_f64((float64x2_t)c.vf64, (float64x2_t)a.vf64,
                                                (float64x2_t)b.vf64);
        else
            r.vf32 = (VREG_TYPE(vf32))vfmaq_f32((float32x4_t)c.vf32, (float32x4_t)a.vf32,
                                                (float32x4_t)b.vf32);
#endif
    }
    if (!host || fp_bad_lanes(sz, r, true))
        fp_lanes3(cpu, fp_muladd, fp_size_of(sz), fp_lanes(sz, q), &r, &c, &a, &b);
    if (!q)
        r.d[1] = 0;
    return r;
}

#endif
