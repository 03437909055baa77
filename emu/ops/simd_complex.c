// AdvSIMD complex addition and multiplication (FEAT_FCMA). Fused products on hosts that have them
// are in fp_fma.c.
#include "emu/fp_complex.h"
#include "emu/op.h"

#define SIZE  ((unsigned)fp_size_of(sz))
#define LANES simd_lanes(SIZE, q)

static COLD union vreg soft_add(struct cpu *cpu, enum fp_size size, unsigned lanes, union vreg a,
                                union vreg b)
{
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i < lanes; i++)
        simd_put(&r, size, i, fp_add(cpu, size, simd_u(&a, size, i), simd_u(&b, size, i)));
    return r;
}

OP(fcadd)
{
    const union vreg n = V(rn), m = complex_turn(V(rm), sz, rot);
    if (sz < 2) {
        const union vreg a = fp_fill(n, q), b = fp_fill(m, q);
        union vreg r;
        if (sz)
            r.vf64 = a.vf64 + b.vf64;
        else
            r.vf32 = a.vf32 + b.vf32;
        if (fp_good_lanes(e->cpu, sz, r, false)) {
            SET_V(rd, simd_out(r, SIZE, q));
            return;
        }
    }
    SET_V(rd, soft_add(e->cpu, (enum fp_size)SIZE, LANES, n, m));
}

OP(fcmla_soft)
{
    SET_V(rd, fp_slow_muladd(e->cpu, (enum fp_size)SIZE, LANES, V(rd), complex_part(V(rn), sz, rot),
                             complex_factor(V(rm), sz, rot)));
}

OP(fcmla_e_soft)
{
    const union vreg m = complex_element(VR(rm), sz, index);
    SET_V(rd, fp_slow_muladd(e->cpu, (enum fp_size)SIZE, LANES, V(rd), complex_part(V(rn), sz, rot),
                             complex_factor(m, sz, rot)));
}
