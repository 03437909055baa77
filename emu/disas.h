// Text of the disassembler: what the asm templates of a64.tbl may print. Layer 2.
#ifndef EMU_DISAS_H
#define EMU_DISAS_H

#include "emu/a64.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Output that is cut, never overrun, and always terminated.
struct dis_out {
    char *buf;
    size_t size, used;
};

void dis_text(struct dis_out *out, const char *text);
void dis_dec(struct dis_out *out, int64_t v);
void dis_hex(struct dis_out *out, uint64_t v);
// Register 31 is sp/wsp or xzr/wzr.
void dis_reg(struct dis_out *out, uint32_t n, bool wide, bool sp);

// Named printers, {=name(...)} in the table.
void dis_cond(struct dis_out *out, uint32_t cond);
// ", lsl #3", or nothing for LSL #0.
void dis_shift(struct dis_out *out, uint32_t type, uint32_t amount);
// ", uxtw #2": the extension of an ADD (extended register) or of a register offset.
void dis_extend(struct dis_out *out, uint32_t option, uint32_t amount);
// ", uxtw #2" of a register offset: shifted by `size` if `s`; option 3 is LSL.
void dis_offset_extend(struct dis_out *out, uint32_t option, uint32_t s, uint32_t size);
// The register after r: the second of a CASP pair.
void dis_reg_after(struct dis_out *out, uint32_t r, uint32_t wide);
// "4s": the arrangement DUP's imm5 selects.
void dis_dup_arrangement(struct dis_out *out, uint32_t imm5, uint32_t q);
// "v1.8b"; size 4 is "1q".
void dis_v(struct dis_out *out, uint32_t n, uint32_t size, uint32_t q);
// "s1"; sizes 0..4.
void dis_f(struct dis_out *out, uint32_t n, uint32_t size);
// "v1.s[2]"
void dis_e(struct dis_out *out, uint32_t n, uint32_t size, uint32_t index);
// "{v1.s, v2.s}[3]"
void dis_lane_list(struct dis_out *out, uint32_t first, uint32_t count, uint32_t size,
                   uint32_t index);
// The constant of FMOV, eight digits after the point.
void dis_float(struct dis_out *out, uint32_t imm8);
// All of a MOVI, MVNI or vector FMOV, mnemonic included.
void dis_movi(struct dis_out *out, uint32_t rd, uint32_t q, uint32_t op, uint32_t cmode,
              uint32_t imm8);
// "{v1.8b, v2.8b}"
void dis_list(struct dis_out *out, uint32_t first, uint32_t count, uint32_t size, uint32_t q);

// Generated.
void a64_disassemble_row(enum a64_row row, uint32_t word, uint64_t pc, struct dis_out *out);

#endif
