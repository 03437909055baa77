// The record: one guest instruction, translated. Layer 2.
//
// 16 bytes: a gadget and its operands. Operand bytes 0..3 are register slots of struct cpu (a
// vector register's counts units of 8 bytes, which hosts can scale an index by for nothing); bytes
// 4..7 are an immediate or four more slots. A record whose operands need more packs them:
//   branches   bytes 0..1 slots or small numbers, bytes 2..7 the address of the successor record;
//              without such operands, all bytes are that address
//   constants  byte 0 a slot, bytes 1..7 a signed 56-bit value
//   wide constants  the immediate is the distance in bytes to a literal in the block's pool
#ifndef EMU_INSN_H
#define EMU_INSN_H

#include "emu/dispatch.h"
#include <stdint.h>

#define INSN_V_SLOT(number) ((uint8_t)(((number) & 31) * 2))

struct insn {
    gadget_ref fn;
    union {
        uint8_t r[8];
        struct {
            uint8_t r_low[4];
            int32_t imm;
        };
        uint64_t wide;
    };
};
_Static_assert(sizeof(struct insn) == 16, "records are 16 bytes");

// Byte 0 of the record that ends every block; no slot has this number.
#define INSN_END 0xffu

static inline uint64_t insn_pack_const56(uint8_t r0, int64_t value)
{
    return (uint64_t)value << 8 | r0;
}

// The successor may be changed by another thread that chains or unchains blocks. What it points to
// was written before the pointer: the address dependency orders the reads, which the thread
// sanitizer must be told.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define INSN_TARGET_ORDER __ATOMIC_ACQUIRE
#endif
#endif
#ifndef INSN_TARGET_ORDER
#define INSN_TARGET_ORDER __ATOMIC_RELAXED
#endif
static inline const struct insn *insn_load_target(const uint64_t *cell, unsigned shift)
{
    return (const struct insn *)(uintptr_t)(__atomic_load_n(cell, INSN_TARGET_ORDER) >> shift);
}

static inline const struct insn *insn_target(const struct insn *ip)
{
    return insn_load_target(&ip->wide, 16);
}

static inline const struct insn *insn_direct(const struct insn *ip)
{
    return insn_load_target(&ip->wide, 0);
}

#endif
