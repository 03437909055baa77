// What the host processor offers beyond the baseline the engine is compiled for. Layer 2. Asked
// when a record is translated (forms in the tables), never while it runs. With EMU_HOST_BASELINE it
// offers nothing, so that tests reach what other hosts run.
#ifndef EMU_HOST_CPU_H
#define EMU_HOST_CPU_H

#include <stdbool.h>

#if defined(EMU_HOST_BASELINE)

static inline bool host_fma(void)
{
    return false;
}

static inline bool host_aes(void)
{
    return false;
}

static inline bool host_pclmul(void)
{
    return false;
}

static inline bool host_sha(void)
{
    return false;
}

#else

#if defined(__x86_64__)
#include <cpuid.h>
#endif

// Fused multiply-add.
static inline bool host_fma(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

static inline bool host_aes(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes");
#elif defined(__ARM_FEATURE_AES)
    return true;
#else
    return false;
#endif
}

// Carry-less multiplication of 64-bit numbers.
static inline bool host_pclmul(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("pclmul");
#elif defined(__ARM_FEATURE_AES)
    return true;
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
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
#elif defined(__ARM_FEATURE_SHA2)
    return true;
#else
    return false;
#endif
}

#endif

#endif
