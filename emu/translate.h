// From guest code to records. Private to the engine. Layer 2.
#ifndef EMU_TRANSLATE_H
#define EMU_TRANSLATE_H

#include "emu/pins.h"
#include "emu/thread_code.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One block before it has a place: its records, and what must be resolved once it has one.
struct draft {
    uint64_t pc;
    unsigned count; // instructions
    unsigned pool_count;
    bool has_target, falls_through;
    uint64_t target; // of the branch that ends it
    struct insn insn[BLOCK_INSNS];
    uint16_t gadgets[BLOCK_INSNS];
    bool reloads[BLOCK_INSNS]; // its stand-alone gadget writes a pin by index and reloads them all
    bool pooled[BLOCK_INSNS];  // its immediate is an index into pool
    uint64_t pool[BLOCK_INSNS];
};

// Translates from the code at `host` until the block ends: at a branch, the page's end, or after
// `limit` instructions. `host` stays within one page.
void translate(struct draft *d, uint64_t pc, const void *host, unsigned limit);

// Replaces gadgets by those of variants.tbl, so that the block runs with the least work.
void variants_pick(struct draft *d);
// The pin that holds a register slot, plus one; 0 if none does.
static inline unsigned pin_of(uint8_t slot)
{
#define PIN_ENTRY(n, reg) [reg] = (n) + 1,
    static const uint8_t pins[256] = {PINS(PIN_ENTRY)};
#undef PIN_ENTRY
    return pins[slot];
}

// Bytes draft_place() needs.
size_t draft_size(const struct draft *d);
// Lays the block out in `memory` (16-byte aligned). Exit stubs get `stub` as their gadget.
struct block *draft_place(const struct draft *d, void *memory, gadget_ref stub);

#endif
