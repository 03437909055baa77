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

// c + a * b
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

static ALWAYS_INLINE union vreg fma_vector(union vreg a, union vreg b, union vreg c, unsigned sz)
{
    union vreg r;
#if defined(__x86_64__)
    if (sz)
        r.vf64 = (VREG_TYPE(vf64))_mm_fmadd_pd((__m128d)a.vf64, (__m128d)b.vf64, (__m128d)c.vf64);
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
    return r;
}

#endif
