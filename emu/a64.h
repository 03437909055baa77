// What is known about A64 encodings, all of it generated from a64.tbl. Layer 2. Pure functions.
#ifndef EMU_A64_H
#define EMU_A64_H

#include "emu/a64_rows.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Facts about a row (`is` in the table).
enum {
    A64_IS_ENDS = 1 << 0,
    A64_IS_COND = 1 << 1,
    A64_IS_STOP = 1 << 2,
    A64_IS_RFLAGS = 1 << 3,
    A64_IS_WFLAGS = 1 << 4,
    A64_IS_LOAD = 1 << 5,
    A64_IS_STORE = 1 << 6,
    A64_IS_FP = 1 << 7,
    A64_IS_SYS = 1 << 8,
    A64_IS_HINT = 1 << 9,
    A64_IS_EXCL = 1 << 10,
    A64_IS_ATOMIC = 1 << 11,
};

struct a64_row_info {
    const char *name;
    const char *section; // table file it is from
    const char *feature; // NULL: base
    uint32_t is;
};
extern const struct a64_row_info a64_rows[]; // by enum a64_row

struct a64_field {
    const char *name;
    uint8_t shift, width;
};

// The row of a word, or A64_UNALLOCATED. Total: every word has an answer.
enum a64_row a64_decode(uint32_t word);

// For tests: fixed bits, fields, and conditions of a row.
void a64_row_pattern(enum a64_row row, uint32_t *mask, uint32_t *value);
size_t a64_row_fields(enum a64_row row, const struct a64_field **out);
bool a64_row_valid(enum a64_row row, uint32_t word);
bool a64_row_unpredictable(enum a64_row row, uint32_t word);
// A word of that row with its free bits taken from `random`; false if these bits make it another
// row's, UNDEFINED or (unless `unpredictable`) CONSTRAINED UNPREDICTABLE.
bool a64_encode(enum a64_row row, uint32_t random, bool unpredictable, uint32_t *word);

// How a gadget's operands lie in its record.
enum a64_layout {
    A64_NO_IMM,  // up to 8 slots
    A64_IMM32,   // up to 4 slots, 32 bits
    A64_CONST32, // up to 4 slots, sign-extended 32 bits; the next gadget number: literal pool
    A64_CONST56, // up to 1 slot, sign-extended 56 bits; the next gadget number: literal pool
    A64_NEAR56,  // up to 1 slot, sign-extended 56 bits, which are always enough
    A64_TARGET,  // up to 2 slots, successor; the next gadget number: the branch goes backward
};

struct a64_gadget_info {
    uint8_t layout;
    uint8_t count;  // operands
    uint8_t x_mask; // which of them are general registers
    uint8_t w_mask; // and which of these are written
    uint8_t is;     // A64_IS_ENDS, _COND, _STOP
};
extern const struct a64_gadget_info a64_gadget_info[]; // by enum gadget
extern const char *const a64_gadget_names[];           // for tools
extern const bool
    a64_gadget_of_host[]; // the same: whether the host's abilities decide if it is used

struct a64_operands {
    uint16_t gadget;
    uint8_t r[8];
    int64_t value; // immediate, constant or branch target
};
// Fills the operands of `word`, which a64_decode() said is of `row`.
void a64_operands(enum a64_row row, uint32_t word, uint64_t pc, struct a64_operands *o);

// Assembler text of one word, for reports. Always terminates `buf`.
void a64_disassemble(uint32_t word, uint64_t pc, char *buf, size_t size);

#endif
