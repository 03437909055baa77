// MXCSR as the host control word. See emu/fp_host.h.
#ifndef EMU_FP_HOST_X86_H
#define EMU_FP_HOST_X86_H

#include <stdint.h>
#include <xmmintrin.h>

// SSE decides after rounding whether a result is tiny, ARM before.
#define FP_HOST_TINY_AFTER_ROUNDING 1

enum { MXCSR_FLAGS = 0x3f, MXCSR_MASKS = 0x1f80, MXCSR_RC_SHIFT = 13 };

static inline uint32_t fp_host_load(uint32_t fpcr)
{
    // FPCR.RMode counts nearest, up, down, zero; MXCSR.RC nearest, down, up, zero.
    const uint32_t rmode = fpcr >> 22 & 3;
    const uint32_t rc = (rmode & 1) << 1 | rmode >> 1;
    const uint32_t old = _mm_getcsr();
    _mm_setcsr(MXCSR_MASKS | rc << MXCSR_RC_SHIFT);
    return old;
}

static inline void fp_host_restore(uint32_t word)
{
    _mm_setcsr(word);
}

static inline uint32_t fp_host_take_flags(void)
{
    const uint32_t csr = _mm_getcsr();
    if (!(csr & MXCSR_FLAGS))
        return 0;
    _mm_setcsr(csr & ~(uint32_t)MXCSR_FLAGS);
    // IE, DE (has no counterpart), ZE, OE, UE, PE are bits 0 to 5; IOC DZC OFC UFC IXC bits 0 to 4.
    return (csr & 1) | (csr >> 1 & 0x1e);
}

#endif
