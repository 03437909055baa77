// Functions about encodings that are not generated: immediates, encoder, disassembler front.
#include "emu/a64.h"
#include "emu/a64_imm.h"
#include "emu/disas.h"

uint64_t imm_bitmask(uint32_t sf, uint32_t n, uint32_t immr, uint32_t imms)
{
    // The element is 2^len bits, len the highest set bit of n:NOT(imms).
    uint32_t key = n << 6 | (~imms & 0x3f);
    unsigned width = 1u << (31 - __builtin_clz(key | 1));
    unsigned ones = (imms & (width - 1)) + 1;
    uint64_t v = imm_ror(imm_ones(ones), immr & (width - 1), width);
    for (unsigned w = width; w < 64; w *= 2)
        v |= v << w;
    return sf ? v : (uint32_t)v;
}

uint64_t imm_simd(uint32_t op, uint32_t cmode, uint32_t imm8)
{
    uint64_t v = imm8;
    switch (cmode >> 1) {
    case 0:
    case 1:
    case 2:
    case 3:
        v <<= 8 * (cmode >> 1);
        return v | v << 32;
    case 4:
    case 5:
        v <<= 8 * (cmode >> 1 & 1);
        return v * 0x0001000100010001ull;
    case 6:
        v = cmode & 1 ? v << 16 | 0xffff : v << 8 | 0xff;
        return v | v << 32;
    default:
        break;
    }
    if (!(cmode & 1)) {
        if (!op)
            return v * 0x0101010101010101ull;
        uint64_t out = 0;
        for (unsigned i = 0; i < 8; i++)
            out |= (v >> i & 1) * 0xffull << 8 * i;
        return out;
    }
    return op ? imm_vfp64(imm8) : imm_vfp32(imm8) * 0x0000000100000001ull;
}

uint64_t imm_vfp64(uint32_t imm8)
{
    uint64_t sign = imm8 >> 7 & 1, b = imm8 >> 6 & 1;
    uint64_t exp = (b ? 0x3fcull : 0x400ull) | (imm8 >> 4 & 3);
    return sign << 63 | exp << 52 | (uint64_t)(imm8 & 0xf) << 48;
}

uint32_t imm_vfp32(uint32_t imm8)
{
    uint32_t sign = imm8 >> 7 & 1, b = imm8 >> 6 & 1;
    uint32_t exp = (b ? 0x7cu : 0x80u) | (imm8 >> 4 & 3);
    return sign << 31 | exp << 23 | (imm8 & 0xf) << 19;
}

uint16_t imm_vfp16(uint32_t imm8)
{
    uint32_t sign = imm8 >> 7 & 1, b = imm8 >> 6 & 1;
    uint32_t exp = (b ? 0xcu : 0x10u) | (imm8 >> 4 & 3);
    return (uint16_t)(sign << 15 | exp << 10 | (imm8 & 0xf) << 6);
}

bool a64_encode(enum a64_row row, uint32_t random, bool unpredictable, uint32_t *word)
{
    uint32_t mask, value;
    a64_row_pattern(row, &mask, &value);
    *word = (random & ~mask) | value;
    return a64_decode(*word) == row && (unpredictable || !a64_row_unpredictable(row, *word));
}

void a64_disassemble(uint32_t word, uint64_t pc, char *buf, size_t size)
{
    struct dis_out out = {buf, size, 0};
    if (!size)
        return;
    buf[0] = 0;
    a64_disassemble_row(a64_decode(word), word, pc, &out);
}
