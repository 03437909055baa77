// Host floating-point control and status, per host processor.
#include "emu/fpenv.h"

// Host results below these, or unordered with them, are not taken for the guest's: none at all with
// FZ.
static void set_limits(struct cpu *cpu)
{
    const bool never = cpu->fpcr & FPCR_FZ;
    const double d = never ? __builtin_nan("") : 0x1p-1021; // twice the smallest normal number
    const float s = never ? __builtin_nanf("") : 0x1p-125f;
    for (unsigned i = 0; i < 2; i++)
        cpu->fp_limit64[i] = d;
    for (unsigned i = 0; i < 4; i++)
        cpu->fp_limit32[i] = s;
}

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

static uint32_t pending_flags(void)
{
    // IE, DE (which means something else on ARM), ZE, OE, UE, PE against IOC, DZC, OFC, UFC, IXC.
    const uint32_t f = _mm_getcsr() & MXCSR_FLAGS;
    return (f & 1) | (f >> 1 & 0x1e);
}

void fpenv_enter(struct cpu *cpu, struct fpenv_host *host)
{
    host->control = _mm_getcsr();
    _mm_setcsr(guest_mxcsr(cpu));
    set_limits(cpu);
}

static void leave(const struct fpenv_host *host)
{
    _mm_setcsr((uint32_t)host->control);
}

static void apply_control(struct cpu *cpu)
{
    _mm_setcsr(guest_mxcsr(cpu));
}

void fpenv_pause(const struct cpu *cpu)
{
    if (UNLIKELY(cpu->fpcr >> FPCR_RMODE_SHIFT & 3))
        _mm_setcsr(MXCSR_MASKS | (_mm_getcsr() & MXCSR_FLAGS));
}

void fpenv_resume(const struct cpu *cpu)
{
    if (UNLIKELY(cpu->fpcr >> FPCR_RMODE_SHIFT & 3))
        _mm_setcsr(guest_mxcsr(cpu) | (_mm_getcsr() & MXCSR_FLAGS));
}

void fpenv_clear(void)
{
    _mm_setcsr(_mm_getcsr() & ~MXCSR_FLAGS);
}

#elif defined(__aarch64__)

// Flush-to-zero and default NaNs are left to the operations, as on every host.
#define CONTROL_BITS (3ull << FPCR_RMODE_SHIFT)

#if defined(__clang__)
#define HOST_GET(reg)        __builtin_arm_rsr64(#reg)
#define HOST_SET(reg, value) __builtin_arm_wsr64(#reg, value)
#else
#define HOST_GET(reg)        __builtin_aarch64_get_##reg##64()
#define HOST_SET(reg, value) __builtin_aarch64_set_##reg##64(value)
#endif

static uint32_t pending_flags(void)
{
    return (uint32_t)HOST_GET(fpsr) & 0x1f;
}

void fpenv_enter(struct cpu *cpu, struct fpenv_host *host)
{
    host->control = HOST_GET(fpcr);
    host->status = HOST_GET(fpsr);
    HOST_SET(fpsr, 0);
    HOST_SET(fpcr, cpu->fpcr & CONTROL_BITS);
    set_limits(cpu);
}

static void leave(const struct fpenv_host *host)
{
    HOST_SET(fpcr, host->control);
    HOST_SET(fpsr, host->status);
}

static void apply_control(struct cpu *cpu)
{
    HOST_SET(fpsr, 0);
    HOST_SET(fpcr, cpu->fpcr & CONTROL_BITS);
}

void fpenv_pause(const struct cpu *cpu)
{
    if (UNLIKELY(cpu->fpcr >> FPCR_RMODE_SHIFT & 3))
        HOST_SET(fpcr, 0);
}

void fpenv_resume(const struct cpu *cpu)
{
    if (UNLIKELY(cpu->fpcr >> FPCR_RMODE_SHIFT & 3))
        HOST_SET(fpcr, cpu->fpcr & CONTROL_BITS);
}

void fpenv_clear(void)
{
    HOST_SET(fpsr, 0);
}

#else
#error "no floating-point environment for this host"
#endif

void fpenv_leave(struct cpu *cpu, const struct fpenv_host *host)
{
    fpenv_collect(cpu);
    leave(host);
}

void fpenv_collect(struct cpu *cpu)
{
    if (!(cpu->fpcr & FPCR_FZ))
        cpu->fpsr |= pending_flags();
}

void fpenv_set_control(struct cpu *cpu, uint32_t fpcr)
{
    fpenv_collect(cpu);
    cpu->fpcr = fpcr & FPCR_MASK;
    apply_control(cpu);
    set_limits(cpu);
}
