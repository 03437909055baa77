// The host's floating-point control word while guest code runs. Layer 2.
//
// Guest FP instructions use the host's, so its rounding mode is the guest's between fpenv_enter()
// and fpenv_leave(), and its cumulative exception flags hold the guest's that FPSR has not yet.
#ifndef EMU_FPENV_H
#define EMU_FPENV_H

#include "emu/cpu.h"

#define FPCR_FZ16        (1u << 19)
#define FPCR_RMODE_SHIFT 22
#define FPCR_FZ          (1u << 24)
#define FPCR_DN          (1u << 25)
#define FPCR_AHP         (1u << 26)
#define FPSR_IOC         (1u << 0)
#define FPSR_DZC         (1u << 1)
#define FPSR_OFC         (1u << 2)
#define FPSR_UFC         (1u << 3)
#define FPSR_IXC         (1u << 4)
#define FPSR_IDC         (1u << 7)
#define FPSR_QC          (1u << 27)

// Bits that can be written; trap enables are RAZ/WI. AHP DN FZ RMode FZ16, and Stride and Len,
// which do nothing but are kept where AArch32 exists. FPSR 31..28 are AArch32's condition flags.
#define FPCR_MASK 0x07ff0000u
#define FPSR_MASK 0xf800009fu

// The host's words, kept while the guest's are in force.
struct fpenv_host {
    uint64_t control, status;
};

void fpenv_enter(struct cpu *cpu, struct fpenv_host *host);
void fpenv_leave(struct cpu *cpu, const struct fpenv_host *host);

// With FPCR.FZ set all operations are software (flushing hosts raise other flags) and what the
// host's flags show then is noise.
//
// While the guest's are in force: writes FPCR; adds pending flags to cpu->fpsr; forgets pending
// flags.
void fpenv_set_control(struct cpu *cpu, uint32_t fpcr);
void fpenv_collect(struct cpu *cpu);
void fpenv_clear(void);

// Around a call of host code outside the engine: it finds rounding to nearest. Pending flags stay.
void fpenv_pause(const struct cpu *cpu);
void fpenv_resume(const struct cpu *cpu);

#endif
