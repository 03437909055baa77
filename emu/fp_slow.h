// Floating-point instructions done in software, from their records: where gadgets go (OP_SLOW) that
// the host cannot serve, so that their own path keeps nothing alive for it. Layer 2.
#ifndef EMU_FP_SLOW_H
#define EMU_FP_SLOW_H

#include "emu/fp.h"
#include "emu/insn.h"

typedef uint64_t fp_op1(struct cpu *cpu, enum fp_size size, uint64_t a);
typedef uint64_t fp_op2(struct cpu *cpu, enum fp_size size, uint64_t a, uint64_t b);
typedef uint64_t fp_op3(struct cpu *cpu, enum fp_size size, uint64_t c, uint64_t a, uint64_t b);

// fp_job.kind. All of rd is written. ra, rb, rc, rd say which operand of the record they are;
// sources are counted as the operation counts them.
enum {
    FP_SLOW1,
    FP_SLOW2,
    FP_SLOW3,
    FP_SLOW_PAIRS,   // neighbouring lanes of ra, then rb; a single lane is that of ra's first pair
    FP_SLOW_ACROSS,  // neighbours, then the results with each other: the order decides among NaNs
    FP_SLOW_COMPARE, // NZCV of ra against rb; no rd
};

// fp_job.flags
enum {
    FP_SLOW_ELEMENT = 1, // every lane meets lane `index` of the second source
    FP_SLOW_NEGATE_A = 2,
    FP_SLOW_NEGATE_C = 4,
    FP_SLOW_NEGATE_RESULT = 8,
    FP_SLOW_ABS = 16,    // of both sources
    FP_SLOW_ZERO_B = 32, // the second source is zero
    FP_SLOW_SIGNAL = 64, // COMPARE: quiet NaNs too are invalid
};

// Does what cpu->job says.
void fp_slow_run(struct cpu *cpu, const struct insn *ip);

// d + a * b, lane by lane.
union vreg fp_slow_muladd(struct cpu *cpu, enum fp_size size, unsigned lanes, union vreg d,
                          union vreg a, union vreg b);

#endif
