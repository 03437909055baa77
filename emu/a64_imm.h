// Immediates that A64 computes from encoding fields; named in a64.tbl. Layer 2.
#ifndef EMU_A64_IMM_H
#define EMU_A64_IMM_H

#include "emu/features.h"
#include <stdbool.h>
#include <stdint.h>

// `bits` low bits of v, sign-extended.
static inline int64_t sext(uint64_t v, unsigned bits)
{
    return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

static inline uint64_t imm_shifted12(uint32_t imm12, uint32_t sh)
{
    return (uint64_t)imm12 << (sh ? 12 : 0);
}

// DecodeBitMasks of the Arm ARM, the immediate of logical instructions (wmask). Which fields are
// reserved is the `valid` condition of the rows.
uint64_t imm_bitmask(uint32_t sf, uint32_t n, uint32_t immr, uint32_t imms);

static inline uint64_t imm_ones(unsigned count)
{
    return count >= 64 ? ~0ull : (1ull << count) - 1;
}

static inline uint64_t imm_ror(uint64_t v, unsigned by, unsigned width)
{
    by &= width - 1;
    v &= imm_ones(width);
    return by ? (v >> by | v << (width - by)) & imm_ones(width) : v;
}

// MOVZ and MOVN.
static inline uint64_t imm_movz(uint32_t imm16, uint32_t hw)
{
    return (uint64_t)imm16 << (hw * 16);
}

static inline uint64_t imm_movn(uint32_t sf, uint32_t imm16, uint32_t hw)
{
    uint64_t v = ~((uint64_t)imm16 << (hw * 16));
    return sf ? v : (uint32_t)v;
}

// AdvSIMDExpandImm: cmode and op select how imm8 fills 64 bits (BIC and MVNI forms not inverted).
uint64_t imm_simd(uint32_t op, uint32_t cmode, uint32_t imm8);

// The value MOVI and MVNI write: inverted where op says so.
static inline uint64_t imm_simd_move(uint32_t op, uint32_t cmode, uint32_t imm8)
{
    uint64_t v = imm_simd(op, cmode, imm8);
    return op && cmode < 14 ? ~v : v;
}

// VFPExpandImm.
uint64_t imm_vfp64(uint32_t imm8);
uint32_t imm_vfp32(uint32_t imm8);
uint16_t imm_vfp16(uint32_t imm8);

#endif
