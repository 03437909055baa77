// Loads and stores of SIMD and FP registers.
#include "emu/op.h"

OP(load_v)
{
    uint64_t addr = X(rn) + (uint64_t)imm;
    if (o)
        SET_VQ(rt, LOAD(__uint128_t, addr));
    else
        SET_VD(rt, LOAD_U(size, addr));
}

// The registers are consecutive, modulo 32.
OP(ld1_multi)
{
    const char *p;
    READ_AT(p, X(rn), count * (q ? 16u : 8u));
    for (unsigned i = 0; i < count; i++) {
        union vreg *v = VNEXT(rt, i);
        v->d[0] = GUEST_GET(uint64_t, p + i * (q ? 16u : 8u));
        v->d[1] = q ? GUEST_GET(uint64_t, p + i * 16u + 8) : 0;
    }
}
