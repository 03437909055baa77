// What the host processor offers beyond the baseline the engine is compiled for. Layer 2. Asked
// when a record is translated (forms in the tables), never while it runs.
#ifndef EMU_HOST_CPU_H
#define EMU_HOST_CPU_H

#include <stdbool.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

// EMU_HOST_BASELINE: the build option host_extensions=false, which runs what other hosts would.
#ifdef EMU_HOST_BASELINE
#define HOST_HAS(test) ((test) && false)
#else
#define HOST_HAS(test) (test)
#endif

// Fused multiply-add.
static inline bool host_fma(void)
{
#if defined(__x86_64__)
    return HOST_HAS(__builtin_cpu_supports("fma"));
#else
    return HOST_HAS(true);
#endif
}

static inline bool host_aes(void)
{
#if defined(__x86_64__)
    return HOST_HAS(__builtin_cpu_supports("aes"));
#elif defined(__ARM_FEATURE_AES)
    return HOST_HAS(true);
#else
    return false;
#endif
}

// Carry-less multiplication of 64-bit numbers.
static inline bool host_pclmul(void)
{
#if defined(__x86_64__)
    return HOST_HAS(__builtin_cpu_supports("pclmul"));
#elif defined(__ARM_FEATURE_AES)
    return HOST_HAS(true);
#else
    return false;
#endif
}

// SHA-1 and SHA-256.
static inline bool host_sha(void)
{
#if defined(__x86_64__)
    // Not every compiler's __builtin_cpu_supports() knows it.
    unsigned a, b, c, d;
    return HOST_HAS(__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1));
#elif defined(__ARM_FEATURE_SHA2)
    return HOST_HAS(true);
#else
    return false;
#endif
}

#endif
