// Floating-point instructions done in software, from their records.
#include "emu/fp_slow.h"

#include "emu/simd.h"

static union vreg *operand(struct cpu *cpu, const struct insn *ip, unsigned n)
{
    return (union vreg *)(void *)((char *)cpu->v + ip->r[n] * 8u);
}

static uint64_t sign_of(unsigned size)
{
    return 1ull << ((8u << size) - 1);
}

// Lane i of the first, second and third source.
static uint64_t first(const struct fp_job *job, const union vreg *a, unsigned i)
{
    uint64_t v = simd_u(a, job->size, i);
    if (job->flags & FP_SLOW_NEGATE_A)
        v ^= sign_of(job->size);
    return job->flags & FP_SLOW_ABS ? v & ~sign_of(job->size) : v;
}

static uint64_t second(const struct fp_job *job, const union vreg *b, unsigned i)
{
    const uint64_t v = simd_u(b, job->size, job->flags & FP_SLOW_ELEMENT ? job->index : i);
    if (job->flags & FP_SLOW_ABS)
        return v & ~sign_of(job->size);
    return job->flags & FP_SLOW_ZERO_B ? 0 : v;
}

static uint64_t third(const struct fp_job *job, const union vreg *c, unsigned i)
{
    const uint64_t v = simd_u(c, job->size, i);
    return job->flags & FP_SLOW_NEGATE_C ? v ^ sign_of(job->size) : v;
}

static union vreg lanes(struct cpu *cpu, const struct insn *ip)
{
    const struct fp_job *job = &cpu->job;
    const enum fp_size size = (enum fp_size)job->size;
    const union vreg a = *operand(cpu, ip, job->ra), b = *operand(cpu, ip, job->rb),
                     c = *operand(cpu, ip, job->rc);
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i < job->lanes; i++) {
        const uint64_t x = first(job, &a, i);
        uint64_t v;
        if (job->kind == FP_SLOW1)
            v = ((fp_op1 *)job->op)(cpu, size, x);
        else if (job->kind == FP_SLOW2)
            v = ((fp_op2 *)job->op)(cpu, size, x, second(job, &b, i));
        else
            v = ((fp_op3 *)job->op)(cpu, size, third(job, &c, i), x, second(job, &b, i));
        if (job->flags & FP_SLOW_NEGATE_RESULT)
            v ^= sign_of(size);
        simd_put(&r, size, i, v);
    }
    return r;
}

static union vreg pairs(struct cpu *cpu, const struct insn *ip)
{
    const struct fp_job *job = &cpu->job;
    const enum fp_size size = (enum fp_size)job->size;
    const union vreg a = *operand(cpu, ip, job->ra), b = *operand(cpu, ip, job->rb);
    const unsigned width = job->lanes; // lanes taken from each register; of a scalar the first two
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i < job->lanes; i++) {
        const union vreg *from = 2 * i < width ? &a : &b;
        const unsigned at = 2 * i < width ? 2 * i : 2 * i - width;
        simd_put(
            &r, size, i,
            ((fp_op2 *)job->op)(cpu, size, simd_u(from, size, at), simd_u(from, size, at + 1)));
    }
    return r;
}

static union vreg across(struct cpu *cpu, const struct insn *ip)
{
    const struct fp_job *job = &cpu->job;
    const enum fp_size size = (enum fp_size)job->size;
    union vreg a = *operand(cpu, ip, job->ra);
    for (unsigned n = job->lanes / 2u; n > 0; n /= 2) {
        for (unsigned i = 0; i < n; i++)
            simd_put(&a, size, i,
                     ((fp_op2 *)job->op)(cpu, size, simd_u(&a, size, 2 * i),
                                         simd_u(&a, size, 2 * i + 1)));
    }
    return (union vreg){.vu64 = {simd_u(&a, size, 0), 0}};
}

static void compare(struct cpu *cpu, const struct insn *ip)
{
    const struct fp_job *job = &cpu->job;
    const uint64_t a = first(job, operand(cpu, ip, job->ra), 0);
    const uint64_t b = second(job, operand(cpu, ip, job->rb), 0);
    static const uint32_t nzcv[] = {
        [FP_LESS] = 8u << 28,
        [FP_EQUAL] = 6u << 28,
        [FP_GREATER] = 2u << 28,
        [FP_UNORDERED] = 3u << 28,
    };
    cpu_set_nzcv(cpu,
                 nzcv[fp_compare(cpu, (enum fp_size)job->size, a, b, job->flags & FP_SLOW_SIGNAL)]);
}

void fp_slow_run(struct cpu *cpu, const struct insn *ip)
{
    const struct fp_job *job = &cpu->job;
    switch (job->kind) {
    case FP_SLOW_COMPARE:
        compare(cpu, ip);
        return;
    case FP_SLOW_PAIRS:
        *operand(cpu, ip, job->rd) = pairs(cpu, ip);
        return;
    case FP_SLOW_ACROSS:
        *operand(cpu, ip, job->rd) = across(cpu, ip);
        return;
    default:
        *operand(cpu, ip, job->rd) = lanes(cpu, ip);
        return;
    }
}

union vreg fp_slow_muladd(struct cpu *cpu, enum fp_size size, unsigned lane_count, union vreg d,
                          union vreg a, union vreg b)
{
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i < lane_count; i++) {
        const uint64_t x = simd_u(&a, size, i), y = simd_u(&b, size, i);
        simd_put(&r, size, i, fp_muladd(cpu, size, simd_u(&d, size, i), x, y));
    }
    return r;
}
