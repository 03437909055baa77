// Private to the engine: blocks and the per-thread structures that find them. Layer 2.
#ifndef EMU_THREAD_CODE_H
#define EMU_THREAD_CODE_H

#include "emu/dispatch.h"
#include "emu/insn.h"
#include "platform/frame.h"
#include <stdbool.h>
#include <stdint.h>

struct code_space;

enum {
    BLOCK_INSNS = 64,      // longest block
    BLOCK_EXITS = 2,       // fall-through and branch target
    RETURN_STACK = 16,     // power of two
    THREAD_CODE_BITS = 10, // pc hash of one thread
    THREAD_CODE_SIZE = 1 << THREAD_CODE_BITS,
    MAX_ACCESS = 64, // bytes of the largest memory access of one instruction
};

// A direct way out of a block. While it is not chained, `cell` leads to `stub`, which finds the
// block at `pc` and chains to it.
struct block_exit {
    struct insn stub; // CORE_RESOLVE
    uint64_t pc;
    uint64_t *cell; // holds the successor, from bit `shift` on; the bits below stay
    unsigned shift;
    struct block *block, *to;
    struct block_exit *next, **link; // in to->incoming
};

// Memory of a block: n + 1 records (the last one is the end record), then this, then exits, the
// literal pool, and the stand-alone gadget number of each record.
struct block {
    // First: gadgets read these behind the end record.
    uint64_t end_pc;
    uint64_t next;  // address of the record at end_pc, once known; cell of the fall-through exit
    uint16_t count; // guest instructions
    uint8_t exits;
    bool dead;      // dropped; reached only by those still inside
    uint32_t bytes; // of its memory
    struct frame *frame;
    struct block *frame_next, **frame_link; // or the retired list
    struct block_exit *incoming;
    uint16_t *gadgets;
    struct block_exit exit[]; // `exits` of them
};

static inline const struct insn *block_start(const struct block *b)
{
    return (const struct insn *)(const void *)b - b->count - 1;
}

static inline uint64_t block_pc(const struct block *b)
{
    return b->end_pc - 4u * b->count;
}

static inline const struct insn *block_next(const struct block *b)
{
    return insn_load_target(&b->next, 0);
}

// The block that a record belongs to. Other threads may be chaining it; they keep byte 0.
static inline NO_TSAN struct block *block_of(const struct insn *ip)
{
    while (ip->r[0] != INSN_END)
        ip++;
    return (struct block *)(uintptr_t)(ip + 1);
}

// Guest address of a record.
static inline NO_TSAN uint64_t block_pc_of(const struct insn *ip)
{
    const struct block *b = block_of(ip);
    return b->end_pc - 4u * (uint64_t)((const struct insn *)(const void *)b - 1 - ip);
}

struct code_target {
    uint64_t pc; // CODE_NO_PC: empty, unless a guest branches there
    const struct insn *ip;
};
#define CODE_NO_PC 1u

struct thread_code {
    uint32_t return_top;
    struct code_target returns[RETURN_STACK];
    struct code_target hash[THREAD_CODE_SIZE];

    struct insn exit;  // CORE_EXIT
    struct insn empty; // CORE_EMPTY: what empty entries lead to
    // An access that straddles two pages: the instruction is run once more from `replay`, with the
    // last page set to `bounce`; then `replay_done` copies what was stored to the two pages.
    struct insn replay[2];
    const struct insn *replay_next;
    char *replay_host[2];
    uint32_t replay_first, replay_size; // bytes in the first page, and in all
    bool replay_write;
    uint8_t replay_gap[FRAME_SIZE]; // whatever passes the check for the bounce lands in here
    uint8_t bounce[MAX_ACCESS] ALIGNED(16);

    bool stepping;
    uint8_t step_block[512] ALIGNED(16); // CPU_STEP: the block of one instruction
};

static inline uint32_t thread_code_index(uint64_t pc)
{
    return (uint32_t)(pc >> 2) & (THREAD_CODE_SIZE - 1);
}

// Any record to go on with: the block at cpu->pc, translated if need be; or the exit record after
// setting cpu->trap.
const struct insn *code_find(struct cpu *cpu);
// The same for an exit stub, which is then chained.
const struct insn *code_resolve(struct cpu *cpu, struct block_exit *exit);
// A block of the one instruction at cpu->pc, in cpu->code; it leaves with TRAP_STEP.
const struct insn *code_step(struct cpu *cpu);
void thread_code_forget_returns(struct thread_code *tc);

#endif
