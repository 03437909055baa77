// cpu_run(): entry to and exit from guest code.
#include "emu/cpu.h"
#include "emu/code.h"
#include "emu/core.h"
#include "emu/dispatch.h"
#include "emu/fpenv.h"
#include "emu/mem.h"
#include "emu/thread_code.h"
#include <string.h>

void cpu_init(struct cpu *cpu, const struct cpu_host *host)
{
    memset(cpu, 0, sizeof(*cpu));
    cpu->flag_z = 1;
    cpu->host = host;
}

// With the CPU in GUEST and SP aligned, or in steps.
static void run_aligned(struct cpu *cpu, enum cpu_mode mode)
{
    struct thread_code *tc = cpu->code;
    const struct insn *ip;
    if (atomic_load_explicit(&cpu->poke, memory_order_relaxed)) {
        cpu->trap = (struct trap){.kind = TRAP_POKE};
        return;
    }
    if (UNLIKELY(cpu->watch_switch) && atomic_load_explicit(&cpu->switched, memory_order_seq_cst)) {
        cpu->trap = (struct trap){.kind = TRAP_SWITCH};
        return;
    }
    core_reset_last_page(cpu);
    if (mode == CPU_STEP) {
        // Nothing may be known by address: the one instruction leaves by every way out.
        thread_code_flush(tc);
        tc->stepping = true;
        ip = code_step(cpu);
    } else {
        ip = code_find(cpu);
    }
    struct fpenv_host host;
    fpenv_enter(cpu, &host);
    dispatch_run(cpu, ip);
    fpenv_leave(cpu, &host);
    if (mode == CPU_STEP) {
        tc->stepping = false;
        thread_code_forget_returns(tc); // they point into the step block
    }
}

// Accesses through SP need it to be a multiple of 16 (Linux sets SCTLR_EL1.SA0), which gadgets do
// not check: those that leave it misaligned end the run, and until it is aligned again, which no
// compiler makes it wait for, each instruction is looked at before it is executed.
static void run(struct cpu *cpu, enum cpu_mode mode)
{
    do {
        bool misaligned = cpu->x[CPU_SP] & 15;
        if (UNLIKELY(misaligned) && core_sp_trap(cpu))
            return;
        run_aligned(cpu, misaligned ? CPU_STEP : mode);
    } while (mode == CPU_RUN && cpu->trap.kind == TRAP_STEP);
}

void cpu_run(struct cpu *cpu, enum cpu_mode mode, struct trap *trap)
{
    mem_enter(cpu);
    run(cpu, mode);
    cpu->excl_size = 0;
    mem_leave(cpu);
    *trap = cpu->trap;
    if (trap->kind == TRAP_POKE)
        atomic_store_explicit(&cpu->poke, 0, memory_order_seq_cst);
}
