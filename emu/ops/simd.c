// AdvSIMD data processing.
#include "emu/op.h"

OP(set_v)
{
    SET_V(rd, ((union vreg){.d = {imm, q ? imm : 0}}));
}

OP(dup_gen)
{
    uint64_t v = X(rn);
    v = size == 0 ? (uint8_t)v * 0x0101010101010101ull
        : size == 1 ? (uint16_t)v * 0x0001000100010001ull
        : size == 2 ? (uint32_t)v * 0x0000000100000001ull
                    : v;
    SET_V(rd, ((union vreg){.d = {v, q ? v : 0}}));
}

// Lane-wise integer operation on vector types; the compiler chooses the host's instructions.
OP(add_v)
{
    union vreg a = V(rn), b = V(rm), r;
    switch (size) {
    case 0:
        r.vu8 = a.vu8 + b.vu8;
        break;
    case 1:
        r.vu16 = a.vu16 + b.vu16;
        break;
    case 2:
        r.vu32 = a.vu32 + b.vu32;
        break;
    default:
        r.vu64 = a.vu64 + b.vu64;
        break;
    }
    if (!q)
        r.d[1] = 0;
    SET_V(rd, r);
}

OP(fadd_v)
{
    union vreg a = V(rn), b = V(rm), r;
    if (sz) {
        r.vf64 = a.vf64 + b.vf64;
    } else {
        if (!q) // what is in the unused lanes must raise no flag
            a.d[1] = b.d[1] = 0;
        r.vf32 = a.vf32 + b.vf32;
        if (!q)
            r.d[1] = 0;
    }
    SET_V(rd, r);
}
