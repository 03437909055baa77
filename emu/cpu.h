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
struct insn;

// Slots of cpu.x beyond X0..X30. An instruction's register field is translated to a slot once, so
// that no gadget tests for register 31.
enum {
    CPU_SP = 31,    // stack pointer
    CPU_ZERO = 32,  // always 0: reads of XZR
    CPU_TRASH = 33, // never read: writes of XZR
    CPU_X_SLOTS = 34,
};

// One SIMD and FP register: by lanes, as a whole, and as vectors for lane-wise C expressions.
union vreg {
    uint8_t b[16];
    uint16_t h[8];
    uint32_t s[4];
    uint64_t d[2];
    __uint128_t q;
    uint8_t vu8 __attribute__((vector_size(16)));
    uint16_t vu16 __attribute__((vector_size(16)));
    uint32_t vu32 __attribute__((vector_size(16)));
    uint64_t vu64 __attribute__((vector_size(16)));
    int8_t vs8 __attribute__((vector_size(16)));
    int16_t vs16 __attribute__((vector_size(16)));
    int32_t vs32 __attribute__((vector_size(16)));
    int64_t vs64 __attribute__((vector_size(16)));
    float vf32 __attribute__((vector_size(16)));
    double vf64 __attribute__((vector_size(16)));
} ALIGNED(16);

enum trap_kind {
    TRAP_SVC,       // SVC executed; pc is already past it. imm: its immediate
    TRAP_FAULT,     // memory access has no translation or no right; addr, access
    TRAP_ALIGN,     // data access that must be aligned is not; addr, access
    TRAP_PC_ALIGN,  // pc is not a multiple of 4
    TRAP_SP_ALIGN,  // SP-relative access with SP not a multiple of 16
    TRAP_UNDEFINED, // no row of a64.tbl matches; imm: the word
    TRAP_BRK,       // BRK executed; pc is at it. imm: its immediate
    TRAP_POKE,      // cpu_poke() was called
    TRAP_SWITCH,    // the CPU's number is new or was another's meanwhile; only with watch_switch
    TRAP_STEP,      // CPU_STEP: one instruction was executed and nothing else happened
    TRAP_NO_MEMORY, // the host has none for what the code at pc is translated to
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

// A floating-point instruction that a gadget leaves to software; emu/fp_slow.h.
struct fp_job {
    void (*op)(void); // what `kind` says, as another type
    uint32_t index;
    uint8_t kind, size, lanes, flags;
    uint8_t rd, ra, rb, rc;
};

struct cpu {
    uint64_t x[CPU_X_SLOTS];
    uint64_t pc;

    // NZCV as four words, in the form that costs least to produce: use cpu_nzcv() and
    // cpu_set_nzcv() outside emu/.
    uint64_t flag_n; // N is bit 63
    uint64_t flag_z; // Z is (flag_z == 0)
    uint8_t flag_c;  // 0 or 1
    uint8_t flag_v;  // 0 or 1

    // PSTATE.DIT and SSBS in their places there: kept for the guest, without effect.
    uint32_t pstate;

    // Any thread: nonzero asks the CPU to leave cpu_run() with TRAP_POKE within a few hundred guest
    // instructions. Set by cpu_poke(), cleared by cpu_run() as it returns TRAP_POKE.
    _Atomic uint32_t poke;

    // Self: leave with TRAP_SWITCH when something else may have run under this CPU's number since
    // it last ran (mem_cpu_number(), emu/mem.h).
    bool watch_switch;
    // Any thread: set when this CPU takes a token, or by mem_barrier(); cleared by whoever answers
    // TRAP_SWITCH, before looking at anything.
    _Atomic bool switched;

    // Any thread, through mem_cpu_allow(): numbers this CPU may have, one bit each; 0: all.
    _Atomic uint64_t allowed;

    struct tlb *tlb;          // owned by this CPU while attached
    struct thread_code *code; // owned by this CPU while attached

    uint32_t fpcr;
    uint32_t fpsr; // includes cumulative host flags only after cpu_run() returned
    // Private to the engine: what host results of each size are compared with; emu/fp_fast.h.
    double fp_limit64[2] ALIGNED(16);
    float fp_limit32[4];
    uint64_t tpidr_el0;

    // Exclusive monitor: (address, size, value). size 0 = clear. Cleared on every exit of cpu_run.
    uint64_t excl_addr;
    uint64_t excl_value[2];
    uint32_t excl_size;

    union vreg v[32];

    // Private to the engine: how a gadget tells its slow path what it wants.
    uint32_t miss_size;
    enum mem_access miss_access;
    uint64_t miss_addr;
    uint64_t last_tag; // last page used, while a slow path runs (registers otherwise)
    uintptr_t last_addend;
    struct trap trap;
    struct fp_job job; // what OP_SLOW wants

    struct mem *mem; // address space; changed only outside cpu_run, by mem_attach()
    // Translations of that address space; kept current by mem_attach() and mem_enter(), which also
    // call thread_code_flush() when it changes or when the TLB generation moved.
    struct code_space *space;

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
    // 64 unpredictable bits (RNDR).
    uint64_t (*random)(void);
    // HWCAP bits and processor identity are in emu/features.h.
};

enum cpu_mode {
    CPU_RUN,
    CPU_STEP, // one instruction: unfused, unchained
};

// An address as the guest writes it, without its ignored top byte. In Linux TBI0 is on and TBI1
// off: an address with bit 55 set belongs to the kernel's half and stays as it is.
static inline uint64_t cpu_untag(uint64_t addr)
{
    return addr & (uint64_t)((int64_t)(addr << 8) >> 8);
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
    return (uint32_t)(cpu->flag_n >> 63) << 31 | (uint32_t)(cpu->flag_z == 0) << 30 |
           (uint32_t)cpu->flag_c << 29 | (uint32_t)cpu->flag_v << 28;
}

#define CPU_PSTATE_SSBS 0x00001000u
#define CPU_PSTATE_DIT  0x01000000u

static inline void cpu_set_nzcv(struct cpu *cpu, uint32_t word)
{
    cpu->flag_n = (uint64_t)(word >> 31) << 63;
    cpu->flag_z = !(word >> 30 & 1);
    cpu->flag_c = word >> 29 & 1;
    cpu->flag_v = word >> 28 & 1;
}

// The same with DIT and SSBS. Setting ignores other bits.
static inline uint32_t cpu_pstate(const struct cpu *cpu)
{
    return cpu_nzcv(cpu) | cpu->pstate;
}

static inline void cpu_set_pstate(struct cpu *cpu, uint32_t word)
{
    cpu_set_nzcv(cpu, word);
    cpu->pstate = word & (CPU_PSTATE_SSBS | CPU_PSTATE_DIT);
}

#endif
