// The host's own FPCR and FPSR. See emu/fp_host.h. Flush-to-zero and default-NaN mode stay off so
// that one set of fix-ups serves every host.
#ifndef EMU_FP_HOST_ARM64_H
#define EMU_FP_HOST_ARM64_H

#include <stdint.h>

#define FP_HOST_TINY_AFTER_ROUNDING 0

#if defined(__clang__)
#define FP_HOST_READ(reg)         ((uint32_t)__builtin_arm_rsr64(#reg))
#define FP_HOST_WRITE(reg, value) __builtin_arm_wsr64(#reg, value)
#else
#define FP_HOST_READ(reg)         ((uint32_t)__builtin_aarch64_get_##reg())
#define FP_HOST_WRITE(reg, value) __builtin_aarch64_set_##reg(value)
#endif

static inline uint32_t fp_host_load(uint32_t fpcr)
{
    const uint32_t old = FP_HOST_READ(fpcr);
    FP_HOST_WRITE(fpcr, fpcr & 3u << 22);
    FP_HOST_WRITE(fpsr, 0);
    return old;
}

static inline void fp_host_restore(uint32_t word)
{
    FP_HOST_WRITE(fpcr, word);
}

static inline uint32_t fp_host_take_flags(void)
{
    const uint32_t flags = FP_HOST_READ(fpsr) & 0x1f;
    if (flags)
        FP_HOST_WRITE(fpsr, 0);
    return flags;
}

#endif
