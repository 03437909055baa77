// Instructions done in software, from their records: where op bodies go that the host cannot serve.
#include "emu/fp_fast.h"
#include "emu/insn.h"
#include "emu/simd.h"

static union vreg *operand(struct cpu *cpu, const struct insn *ip, unsigned n)
{
    return (union vreg *)(void *)((char *)cpu->v + ip->r[n] * 8u);
}

static uint64_t sign_of(unsigned size)
{
    return 1ull << ((8u << size) - 1);
}

static uint64_t finish(struct fp_slow how, uint64_t v)
{
    return how.flags & FP_SLOW_NEGATE_RESULT ? v ^ sign_of(how.size) : v;
}

// Lane i of the first source.
static uint64_t first(struct fp_slow how, const union vreg *a, unsigned i)
{
    uint64_t v = simd_u(a, how.size, i);
    if (how.flags & FP_SLOW_NEGATE_A)
        v ^= sign_of(how.size);
    return how.flags & FP_SLOW_ABS ? v & ~sign_of(how.size) : v;
}

static uint64_t second(struct fp_slow how, const union vreg *b, unsigned i, unsigned index)
{
    const uint64_t v = simd_u(b, how.size, how.flags & FP_SLOW_ELEMENT ? index : i);
    if (how.flags & FP_SLOW_ABS)
        return v & ~sign_of(how.size);
    return how.flags & FP_SLOW_ZERO_B ? 0 : v;
}

void fp_slow1(struct cpu *cpu, const struct insn *ip, fp_op1 *op, struct fp_slow how)
{
    const union vreg a = *operand(cpu, ip, how.ra);
    union vreg r = {.d = {0, 0}};
    for (unsigned i = 0; i < how.lanes; i++)
        simd_put(&r, how.size, i, op(cpu, (enum fp_size)how.size, simd_u(&a, how.size, i)));
    *operand(cpu, ip, how.rd) = r;
}

void fp_slow2(struct cpu *cpu, const struct insn *ip, fp_op2 *op, struct fp_slow how,
              unsigned index)
{
    const union vreg a = *operand(cpu, ip, how.ra), b = *operand(cpu, ip, how.rb);
    union vreg r = {.d = {0, 0}};
    for (unsigned i = 0; i < how.lanes; i++) {
        const uint64_t v =
            op(cpu, (enum fp_size)how.size, first(how, &a, i), second(how, &b, i, index));
        simd_put(&r, how.size, i, finish(how, v));
    }
    *operand(cpu, ip, how.rd) = r;
}

void fp_slow3(struct cpu *cpu, const struct insn *ip, fp_op3 *op, struct fp_slow how,
              unsigned index)
{
    const union vreg a = *operand(cpu, ip, how.ra), b = *operand(cpu, ip, how.rb),
                     c = *operand(cpu, ip, how.rc);
    union vreg r = {.d = {0, 0}};
    for (unsigned i = 0; i < how.lanes; i++) {
        uint64_t addend = simd_u(&c, how.size, i);
        if (how.flags & FP_SLOW_NEGATE_C)
            addend ^= sign_of(how.size);
        simd_put(
            &r, how.size, i,
            op(cpu, (enum fp_size)how.size, addend, first(how, &a, i), second(how, &b, i, index)));
    }
    *operand(cpu, ip, how.rd) = r;
}

void fp_slow_pairs(struct cpu *cpu, const struct insn *ip, fp_op2 *op, struct fp_slow how)
{
    const union vreg a = *operand(cpu, ip, how.ra), b = *operand(cpu, ip, how.rb);
    const unsigned width = how.lanes == 1 ? 2 : how.lanes; // lanes taken from each register
    union vreg r = {.d = {0, 0}};
    for (unsigned i = 0; i < how.lanes; i++) {
        const union vreg *from = 2 * i < width ? &a : &b;
        const unsigned at = 2 * i < width ? 2 * i : 2 * i - width;
        simd_put(&r, how.size, i,
                 op(cpu, (enum fp_size)how.size, simd_u(from, how.size, at),
                    simd_u(from, how.size, at + 1)));
    }
    *operand(cpu, ip, how.rd) = r;
}

void fp_slow_across(struct cpu *cpu, const struct insn *ip, fp_op2 *op, struct fp_slow how)
{
    union vreg a = *operand(cpu, ip, how.ra);
    for (unsigned n = how.lanes / 2u; n > 0; n /= 2) {
        for (unsigned i = 0; i < n; i++)
            simd_put(&a, how.size, i,
                     op(cpu, (enum fp_size)how.size, simd_u(&a, how.size, 2 * i),
                        simd_u(&a, how.size, 2 * i + 1)));
    }
    *operand(cpu, ip, how.rd) = (union vreg){.d = {simd_u(&a, how.size, 0), 0}};
}
