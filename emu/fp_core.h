// The unpacked number the software floating point computes with, and the way in and out of it.
// Private to emu/fp*.c.
#ifndef EMU_FP_CORE_H
#define EMU_FP_CORE_H

#include "emu/fp.h"

typedef __uint128_t fp_u128;

enum fp_class {
    FP_ZERO,
    FP_FINITE,
    FP_INF,
    FP_QNAN,
    FP_SNAN,
};

// FINITE: value = sig / 2^63 * 2^exp with bit 63 of sig set. NaN: sig holds the fraction field,
// its top (quiet) bit at bit 62.
struct fp_num {
    enum fp_class cls;
    bool sign;
    int exp;
    uint64_t sig;
};

static inline unsigned fp_frac_bits(enum fp_size s)
{
    return s == FP_H ? 10 : s == FP_S ? 23 : 52;
}

static inline unsigned fp_exp_bits(enum fp_size s)
{
    return s == FP_H ? 5 : s == FP_S ? 8 : 11;
}

static inline int fp_bias(enum fp_size s)
{
    return (1 << (fp_exp_bits(s) - 1)) - 1;
}

static inline uint64_t fp_sign_bit(enum fp_size s)
{
    return 1ull << (fp_frac_bits(s) + fp_exp_bits(s));
}

static inline uint64_t fp_inf_bits(enum fp_size s)
{
    return ((1ull << fp_exp_bits(s)) - 1) << fp_frac_bits(s);
}

static inline uint64_t fp_quiet_bit(enum fp_size s)
{
    return 1ull << (fp_frac_bits(s) - 1);
}

static inline uint64_t fp_default_nan(enum fp_size s)
{
    return fp_inf_bits(s) | fp_quiet_bit(s);
}

static inline uint64_t fp_signed(enum fp_size s, bool sign, uint64_t magnitude)
{
    return magnitude | (sign ? fp_sign_bit(s) : 0);
}

static inline uint64_t fp_negate(enum fp_size s, uint64_t a)
{
    return a ^ fp_sign_bit(s);
}

static inline bool fp_is_nan(const struct fp_num *n)
{
    return n->cls >= FP_QNAN;
}

// Shifts right and ORs what falls out into bit 0.
static inline uint64_t fp_shift_jam(uint64_t v, unsigned by)
{
    if (by == 0)
        return v;
    if (by > 63)
        return v != 0;
    return v >> by | ((v << (64 - by)) != 0);
}

// Whether results and operands of this size are flushed to zero.
static inline bool fp_flushes(const struct cpu *cpu, enum fp_size s)
{
    return cpu->fpcr & (s == FP_H ? FPCR_FZ16 : FPCR_FZ);
}

// FPUnpack. Sets IDC for a flushed single or double operand, never for a half one.
struct fp_num fp_unpack(struct cpu *cpu, enum fp_size s, uint64_t bits);
// FPUnpackCV: FZ16 does not apply, AHP does.
struct fp_num fp_unpack_cv(struct cpu *cpu, enum fp_size s, uint64_t bits);

// FPRound and FPRoundCV. sig has bit 63 set; bit 0 is sticky.
uint64_t fp_round_pack(struct cpu *cpu, enum fp_size s, bool sign, int exp, uint64_t sig,
                       enum fp_round round);
uint64_t fp_round_pack_cv(struct cpu *cpu, enum fp_size s, bool sign, int exp, uint64_t sig,
                          enum fp_round round);

// FPProcessNaN(s): the NaN that becomes the result. One of the operands is a NaN.
uint64_t fp_nan1(struct cpu *cpu, enum fp_size s, const struct fp_num *a, uint64_t abits);
uint64_t fp_nan2(struct cpu *cpu, enum fp_size s, const struct fp_num *a, uint64_t abits,
                 const struct fp_num *b, uint64_t bbits);
// The default NaN with an invalid operation.
uint64_t fp_invalid(struct cpu *cpu, enum fp_size s);

#endif
