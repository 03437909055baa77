// A64 floating point in software: exact results and exact FPSR flags for every format, rounding
// mode and FPCR mode. Layer 2.
//
// These functions are the definition; op bodies call them directly for everything that is not
// worth a host operation, and as the cold path of the host operations in emu/fp_fast.h. They touch
// no host floating-point state: flags are ORed straight into cpu->fpsr.
//
// Values travel as raw bits in the low end of a uint64_t. Authority: Arm ARM, shared pseudocode
// (functions/float); each function names its counterpart where the name differs.
#ifndef EMU_FP_H
#define EMU_FP_H

#include "emu/cpu.h"
#include "emu/fpenv.h"
#include <stdbool.h>
#include <stdint.h>

// The first four are FPCR.RMode.
enum fp_round {
    FP_ROUND_NEAREST, // ties to even
    FP_ROUND_UP,      // toward plus infinity
    FP_ROUND_DOWN,    // toward minus infinity
    FP_ROUND_ZERO,
    FP_ROUND_AWAY,    // to nearest, ties away from zero
    FP_ROUND_ODD,     // truncate, and set the low bit when inexact
    FP_ROUND_ODD_INF, // the same, but overflow is infinity
};

// Log2 of the size in bytes.
enum fp_size {
    FP_H = 1,
    FP_S = 2,
    FP_D = 3,
};

static inline enum fp_round fp_rounding(const struct cpu *cpu)
{
    return (enum fp_round)(cpu->fpcr >> FPCR_RMODE_SHIFT & 3);
}

// --- Arithmetic ----------------------------------------------------------------------------------
uint64_t fp_add(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
uint64_t fp_sub(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
uint64_t fp_mul(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
uint64_t fp_mulx(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
uint64_t fp_div(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
uint64_t fp_sqrt(struct cpu *cpu, enum fp_size size, uint64_t a);
// addend + a * b with one rounding.
uint64_t fp_muladd(struct cpu *cpu, enum fp_size size, uint64_t addend, uint64_t a, uint64_t b);
// The same with a and b of half precision, addend and result single (FPMulAddH).
uint64_t fp_muladd_half(struct cpu *cpu, uint64_t addend, uint64_t a, uint64_t b);
// addend + (a.0 * b.0 + a.1 * b.1), a and b pairs of bfloat16 (BFDotAdd): rounds to odd, flushes to
// zero, raises nothing, whatever FPCR says.
uint32_t fp_dot_bfloat(struct cpu *cpu, uint32_t addend, uint32_t a, uint32_t b);
// FRECPS: 2 - a * b. FRSQRTS: (3 - a * b) / 2. Both with one rounding.
uint64_t fp_recip_step(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
uint64_t fp_rsqrt_step(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);

// --- Comparison ----------------------------------------------------------------------------------
enum fp_order {
    FP_LESS,
    FP_EQUAL,
    FP_GREATER,
    FP_UNORDERED,
};
// `signal`: a quiet NaN is an invalid operation too.
enum fp_order fp_compare(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b, bool signal);
uint64_t fp_max(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
uint64_t fp_min(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
// A quiet NaN loses against a number.
uint64_t fp_maxnm(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
uint64_t fp_minnm(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);

// --- Estimates -----------------------------------------------------------------------------------
uint64_t fp_recip_estimate(struct cpu *cpu, enum fp_size size, uint64_t a);
uint64_t fp_rsqrt_estimate(struct cpu *cpu, enum fp_size size, uint64_t a);
uint64_t fp_recip_exponent(struct cpu *cpu, enum fp_size size, uint64_t a); // FRECPX
uint32_t fp_urecpe(uint32_t a);
uint32_t fp_ursqrte(uint32_t a);

// --- Conversion ----------------------------------------------------------------------------------
// FCVT between sizes; half precision by FPCR.AHP.
uint64_t fp_convert(struct cpu *cpu, enum fp_size from, enum fp_size to, uint64_t a);
uint64_t fp_convert_odd(struct cpu *cpu, uint64_t a); // FCVTXN: double to single
// FRINT*: `exact` raises Inexact (FRINTX).
uint64_t fp_round_int(struct cpu *cpu, enum fp_size size, uint64_t a, enum fp_round round,
                      bool exact);
// FRINT32*, FRINT64*: what does not fit an integer of `bits` bits becomes its lowest value.
uint64_t fp_round_int_limit(struct cpu *cpu, enum fp_size size, uint64_t a, unsigned bits,
                            enum fp_round round);
// FJCVTZS: a double modulo 2^32, toward zero; *exact: nothing was lost, not even a sign of zero.
uint32_t fp_to_int_js(struct cpu *cpu, uint64_t a, bool *exact);
// Single to bfloat16.
uint16_t fp_to_bfloat(struct cpu *cpu, uint32_t a);
// a * 2^fbits as an integer of `bits` bits, saturated; the result is zero-extended from `bits`.
uint64_t fp_to_fixed(struct cpu *cpu, enum fp_size size, uint64_t a, unsigned fbits,
                     bool is_unsigned, unsigned bits, enum fp_round round);
// a / 2^fbits; a signed value arrives sign-extended to 64 bits.
uint64_t fp_from_fixed(struct cpu *cpu, enum fp_size size, uint64_t a, unsigned fbits,
                       bool is_unsigned);

#endif
