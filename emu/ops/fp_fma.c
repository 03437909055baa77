// Fused multiply-add where the host has it: forms of the rows whose plain bodies are in fp.c and
// simd_fp.c. The build compiles this file for such hosts; nothing else may be put in it.
#include "emu/fp_fma.h"
#include "emu/op.h"

#define F(r) (sz == 1 ? VD(r) : (uint64_t)VS(r))

OP(fmuladd_f)
{
    const uint64_t sign = fp_sign_of(sz);
    SET_VD(rd,
           fast_muladd(e->cpu, sz, F(ra) ^ (o1 ? sign : 0), F(rn) ^ (o1 != o0 ? sign : 0), F(rm)));
}

// s: the product is subtracted.
OP(fmla_v)
{
    const union vreg a = s ? fp_vneg(V(rn), sz) : V(rn);
    SET_V(rd, fast_vmuladd(e->cpu, sz, q, V(rd), a, V(rm)));
}

OP(fmla_e)
{
    const uint64_t element = simd_u(VR(rm), sz + 2, index);
    const union vreg a = s ? fp_vneg(V(rn), sz) : V(rn);
    if (q == 2)
        SET_VD(rd, fast_muladd(e->cpu, sz, F(rd), sz ? a.d[0] : a.s[0], element));
    else
        SET_V(rd, fast_vmuladd(e->cpu, sz, q, V(rd), a, simd_dup(sz + 2, element)));
}
