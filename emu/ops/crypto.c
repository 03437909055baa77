// AES, SHA-1, SHA-256 and 64-bit polynomial multiplication in portable C.
#include "emu/crypto.h"
#include "emu/op.h"

OP(aese_soft)
{
    SET_V(rd, crypto_aes_encrypt(V(rd), V(rn)));
}

OP(aesd_soft)
{
    SET_V(rd, crypto_aes_decrypt(V(rd), V(rn)));
}

OP(aesmc_soft)
{
    SET_V(rd, crypto_aes_mix(V(rn)));
}

OP(aesimc_soft)
{
    SET_V(rd, crypto_aes_inverse_mix(V(rn)));
}

OP(pmull_64_soft)
{
    SET_V(rd, crypto_clmul(VR(rn)->d[q], VR(rm)->d[q]));
}

OP(sha1_rounds_soft)
{
    SET_V(rd, crypto_sha1_rounds(V(rd), VS(rn), V(rm), (enum crypto_sha1)op));
}

OP(sha1h)
{
    const uint32_t v = VS(rn);
    SET_VS(rd, v << 30 | v >> 2);
}

OP(sha1su0)
{
    const union vreg d = V(rd), moved = {.vu64 = {d.d[1], VD(rn)}};
    SET_V(rd, ((union vreg){.vu64 = moved.vu64 ^ d.vu64 ^ V(rm).vu64}));
}

OP(sha1su1)
{
    const union vreg n = V(rn), moved = {.s = {n.s[1], n.s[2], n.s[3], 0}};
    const VREG_TYPE(vu32) t = V(rd).vu32 ^ moved.vu32;
    const union vreg last = {.s = {0, 0, 0, t[0] << 2 | t[0] >> 30}};
    SET_V(rd, ((union vreg){.vu32 = (t << 1 | t >> 31) ^ last.vu32}));
}

OP(sha256h_soft)
{
    SET_V(rd, crypto_sha256_rounds(V(rd), V(rn), V(rm), false));
}

OP(sha256h2_soft)
{
    SET_V(rd, crypto_sha256_rounds(V(rn), V(rd), V(rm), true));
}

OP(sha256su0_soft)
{
    SET_V(rd, crypto_sha256_su0(V(rd), V(rn)));
}

OP(sha256su1_soft)
{
    SET_V(rd, crypto_sha256_su1(V(rd), V(rn), V(rm)));
}
