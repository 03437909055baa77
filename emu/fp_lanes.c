// Software floating point lane by lane: where vector operations go that the host cannot do.
#include "emu/fp_fast.h"

static uint64_t lane(const union vreg *v, enum fp_size size, unsigned i)
{
    return size == FP_H ? v->h[i] : size == FP_S ? v->s[i] : v->d[i];
}

static void set_lane(union vreg *v, enum fp_size size, unsigned i, uint64_t bits)
{
    if (size == FP_H)
        v->h[i] = (uint16_t)bits;
    else if (size == FP_S)
        v->s[i] = (uint32_t)bits;
    else
        v->d[i] = bits;
}

void fp_lanes1(struct cpu *cpu, fp_op1 *op, enum fp_size size, unsigned n, union vreg *r,
               const union vreg *a)
{
    for (unsigned i = 0; i < n; i++)
        set_lane(r, size, i, op(cpu, size, lane(a, size, i)));
}

void fp_lanes2(struct cpu *cpu, fp_op2 *op, enum fp_size size, unsigned n, union vreg *r,
               const union vreg *a, const union vreg *b)
{
    for (unsigned i = 0; i < n; i++)
        set_lane(r, size, i, op(cpu, size, lane(a, size, i), lane(b, size, i)));
}

void fp_lanes3(struct cpu *cpu, fp_op3 *op, enum fp_size size, unsigned n, union vreg *r,
               const union vreg *c, const union vreg *a, const union vreg *b)
{
    for (unsigned i = 0; i < n; i++)
        set_lane(r, size, i, op(cpu, size, lane(c, size, i), lane(a, size, i), lane(b, size, i)));
}
