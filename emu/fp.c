// FPCR and FPSR, and their shadow in the host's control word.
#include "emu/fp.h"

#include "emu/fp_host.h"

uint32_t fp_enter(const struct cpu *cpu)
{
    return fp_host_load(cpu->fpcr);
}

void fp_leave(struct cpu *cpu, uint32_t saved)
{
    cpu->fpsr |= fp_host_take_flags();
    fp_host_restore(saved);
}

void fp_write_fpcr(struct cpu *cpu, uint32_t value)
{
    cpu->fpsr |= fp_host_take_flags();
    cpu->fpcr = value & FPCR_WRITABLE;
    (void)fp_host_load(cpu->fpcr);
}

uint32_t fp_read_fpsr(struct cpu *cpu)
{
    cpu->fpsr |= fp_host_take_flags();
    return cpu->fpsr;
}

void fp_write_fpsr(struct cpu *cpu, uint32_t value)
{
    (void)fp_host_take_flags();
    cpu->fpsr = value & FPSR_WRITABLE;
}
