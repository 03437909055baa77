// Slow paths of the engine: what gadgets reach when the next record is not simply known. Layer 2.
//
// Each takes the record that asked and returns the record to go on with; leaving cpu_run means
// going on with the exit record. cpu->last_tag and last_addend carry the last page in and out.
#ifndef EMU_CORE_H
#define EMU_CORE_H

#include "emu/cpu.h"
#include "emu/insn.h"

// No last page: no user address lies there (bits 55..48 are neither all zero nor all one).
#define LAST_PAGE_NONE 0x00f3a1c2b4d5e000ull

const struct insn *core_miss(struct cpu *cpu, const struct insn *ip);
const struct insn *core_trap(struct cpu *cpu, const struct insn *ip);
const struct insn *core_poke(struct cpu *cpu, const struct insn *ip);
// The floating-point instruction at ip, in software.
const struct insn *core_slow(struct cpu *cpu, const struct insn *ip);
// The instruction is done, but left SP misaligned: leaves with TRAP_STEP, whatever the mode.
const struct insn *core_sp(struct cpu *cpu, const struct insn *ip);
// SP is misaligned: whether the instruction at cpu->pc goes through it to memory, which is then the
// trap.
bool core_sp_trap(struct cpu *cpu);
const struct insn *core_lookup(struct cpu *cpu, const struct insn *ip);
// The guest branched to CODE_NO_PC, the number that marks empty entries.
const struct insn *core_empty(struct cpu *cpu, const struct insn *ip);
const struct insn *core_resolve(struct cpu *cpu, const struct insn *ip);
const struct insn *core_replay_done(struct cpu *cpu, const struct insn *ip);
const struct insn *core_step_done(struct cpu *cpu, const struct insn *ip);

// IC IVAU: the code at `addr` may have changed.
void core_sync_code(struct cpu *cpu, uint64_t addr);

// Forgets the last page.
void core_reset_last_page(struct cpu *cpu);

#endif
