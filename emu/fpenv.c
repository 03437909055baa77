// Host floating-point control and status, per host processor.
#include "emu/fpenv.h"

#if defined(__x86_64__)
#include <xmmintrin.h>

#define MXCSR_MASKS 0x1f80u // all exceptions masked
#define MXCSR_FLAGS 0x3fu

static uint32_t guest_mxcsr(const struct cpu *cpu)
{
    // FPCR.RMode is nearest, +inf, -inf, zero; MXCSR.RC is nearest, -inf, +inf, zero.
    static const uint32_t rc[] = {0x0000, 0x4000, 0x2000, 0x6000};
    return MXCSR_MASKS | rc[cpu->fpcr >> FPCR_RMODE_SHIFT & 3];
}

void fpenv_enter(struct cpu *cpu, struct fpenv_host *host)
{
    host->control = _mm_getcsr();
    _mm_setcsr(guest_mxcsr(cpu));
}

void fpenv_leave(struct cpu *cpu, const struct fpenv_host *host)
{
    fpenv_collect(cpu);
    _mm_setcsr((uint32_t)host->control);
}

void fpenv_set_control(struct cpu *cpu)
{
    _mm_setcsr(guest_mxcsr(cpu) | (_mm_getcsr() & MXCSR_FLAGS));
}

void fpenv_collect(struct cpu *cpu)
{
    uint32_t f = _mm_getcsr() & MXCSR_FLAGS;
    // The denormal-operand flag means something else on ARM.
    cpu->fpsr |= (f & 1 ? FPSR_IOC : 0) | (f & 4 ? FPSR_DZC : 0) | (f & 8 ? FPSR_OFC : 0) |
                 (f & 16 ? FPSR_UFC : 0) | (f & 32 ? FPSR_IXC : 0);
}

void fpenv_clear(void)
{
    _mm_setcsr(_mm_getcsr() & ~MXCSR_FLAGS);
}

#elif defined(__aarch64__)

// Flush-to-zero and default NaNs are left to the operations, as on every host.
#define CONTROL_BITS (3ull << FPCR_RMODE_SHIFT)
#define STATUS_BITS  0x1full

#if defined(__clang__)
#define HOST_GET(reg)        __builtin_arm_rsr64(#reg)
#define HOST_SET(reg, value) __builtin_arm_wsr64(#reg, value)
#else
#define HOST_GET(reg)        __builtin_aarch64_get_##reg##64()
#define HOST_SET(reg, value) __builtin_aarch64_set_##reg##64(value)
#endif

void fpenv_enter(struct cpu *cpu, struct fpenv_host *host)
{
    host->control = HOST_GET(fpcr);
    host->status = HOST_GET(fpsr);
    HOST_SET(fpsr, 0);
    HOST_SET(fpcr, cpu->fpcr & CONTROL_BITS);
}

void fpenv_leave(struct cpu *cpu, const struct fpenv_host *host)
{
    fpenv_collect(cpu);
    HOST_SET(fpcr, host->control);
    HOST_SET(fpsr, host->status);
}

void fpenv_set_control(struct cpu *cpu)
{
    HOST_SET(fpcr, cpu->fpcr & CONTROL_BITS);
}

void fpenv_collect(struct cpu *cpu)
{
    cpu->fpsr |= (uint32_t)(HOST_GET(fpsr) & STATUS_BITS);
}

void fpenv_clear(void)
{
    HOST_SET(fpsr, 0);
}

#else
#error "no floating-point environment for this host"
#endif
