// The A64 processor: its registers, and the one call that runs it. Layer 2.
//
// The CPU knows guest registers and an abstract memory (emu/mem.h); it knows no Linux: no errno, no
// file descriptor, no signal number. cpu_run() executes guest code until something happens that
// only the layer above can answer, and says what in a `struct trap`. On every return all registers
// are architecturally exact: for a fault they are those before the faulting instruction.
//
// Threads: a struct cpu is used by one host thread at a time. Only cpu_poke() and the words marked
// "any thread" may be touched by others.
#ifndef EMU_CPU_H
#define EMU_CPU_H

#include "platform/base/compiler.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mem;
struct tlb;
struct code_space;
struct thread_code; // per-thread lookup structures of the block cache

// Slots of cpu.x beyond X0..X30. An instruction's register field is translated to a slot once, so
// that no gadget tests for register 31.
enum {
    CPU_SP = 31,    // stack pointer
    CPU_ZERO = 32,  // always 0: reads of XZR
    CPU_TRASH = 33, // never read: writes of XZR
    CPU_X_SLOTS = 34,
};

union vreg {
    uint8_t b[16];
    uint16_t h[8];
    uint32_t s[4];
    uint64_t d[2];
    __uint128_t q;
} ALIGNED(16);

struct cpu {
    uint64_t x[CPU_X_SLOTS];
    uint64_t pc;
    uint32_t nf, zf, cf, vf; // NZCV, each 0 or 1
    union vreg v[32];
    uint32_t fpcr;
    uint32_t
        fpsr; // includes cumulative host flags only after cpu_sync_fpsr() or cpu_run() returned
    uint64_t tpidr_el0;

    // Exclusive monitor: (address, size, value). size 0 = clear. Cleared on every exit of cpu_run.
    uint64_t excl_addr;
    uint64_t excl_value[2];
    uint32_t excl_size;

    // Any thread: nonzero asks the CPU to leave cpu_run() with TRAP_POKE within a few hundred guest
    // instructions. Set by cpu_poke(), cleared by cpu_run() as it returns TRAP_POKE.
    _Atomic uint32_t poke;

    struct mem *mem;          // address space; changed only outside cpu_run, by mem_attach()
    struct tlb *tlb;          // owned by this CPU while attached
    struct thread_code *code; // owned by this CPU while attached

    // Shootdown protocol (emu/mem.h): guarded as described there.
    struct mem_cpu *mem_state;

    // Virtual counter (CNTVCT_EL0, and the private register the vDSO reads). Called inside gadgets.
    const struct cpu_host *host;
};

// What the CPU asks of the world outside; one immutable table per kernel instance.
struct cpu_host {
    // Generic timer count, at `counter_hz` ticks a second.
    uint64_t (*counter)(void);
    uint64_t counter_hz;
    // The implementation-defined register S3_3_C15_C12_n that the vDSO reads: nanoseconds of clock
    // `clock` (Linux clock numbers 0..15), or UINT64_MAX where that clock has no fast path.
    uint64_t (*clock_ns)(unsigned clock);
    // HWCAP bits and processor identity are in emu/features.h.
};

enum trap_kind {
    TRAP_SVC,       // SVC executed; pc is already past it. imm: its immediate
    TRAP_FAULT,     // memory access has no translation or no right; addr, access
    TRAP_ALIGN,     // data access that must be aligned is not; addr, access
    TRAP_PC_ALIGN,  // pc is not a multiple of 4
    TRAP_SP_ALIGN,  // SP-relative access with SP not a multiple of 16 (only if enforced)
    TRAP_UNDEFINED, // no row of a64.tbl matches; imm: the word
    TRAP_BRK,       // BRK executed; pc is at it. imm: its immediate
    TRAP_POKE,      // cpu_poke() was called
    TRAP_STEP,      // CPU_STEP: one instruction was executed and nothing else happened
};

enum mem_access {
    MEM_READ = 1,
    MEM_WRITE = 2,
    MEM_EXEC = 4,
};

struct trap {
    enum trap_kind kind;
    enum mem_access access;
    uint32_t imm;
    uint64_t
        addr; // as the guest wrote it, top byte included; for straddles the faulting page's byte
};

enum cpu_mode {
    CPU_RUN,
    CPU_STEP, // one instruction: unfused, unchained
};

// An address as the guest writes it, without its ignored top byte (TBI0 is always on in Linux).
// Bit 55 is extended, so a kernel-half address stays one.
static inline uint64_t cpu_untag(uint64_t addr)
{
    return (uint64_t)((int64_t)(addr << 8) >> 8);
}

// Power-on state: all registers zero. `host` must outlive the CPU.
void cpu_init(struct cpu *cpu, const struct cpu_host *host);

// Runs guest code. The CPU must be attached to an address space. The host's floating-point control
// word is the caller's again on return. Enters and leaves the GUEST state (emu/mem.h).
void cpu_run(struct cpu *cpu, enum cpu_mode mode, struct trap *trap);

// Any thread, async-signal-safe.
static inline void cpu_poke(struct cpu *cpu)
{
    atomic_store_explicit(&cpu->poke, 1, memory_order_seq_cst);
}

// NZCV as the PSTATE word's bits 31..28.
static inline uint32_t cpu_nzcv(const struct cpu *cpu)
{
    return cpu->nf << 31 | cpu->zf << 30 | cpu->cf << 29 | cpu->vf << 28;
}

static inline void cpu_set_nzcv(struct cpu *cpu, uint32_t word)
{
    cpu->nf = word >> 31 & 1;
    cpu->zf = word >> 30 & 1;
    cpu->cf = word >> 29 & 1;
    cpu->vf = word >> 28 & 1;
}

#endif
