// AES, SHA and polynomial multiplication where the host has them: forms of the rows whose plain
// bodies are in crypto.c. The build compiles this file for such hosts; nothing else may be put in
// it.
#include "emu/crypto_host.h"
#include "emu/op.h"

OP(aese)
{
    SET_V(rd, host_aes_encrypt(V(rd), V(rn)));
}

OP(aesd)
{
    SET_V(rd, host_aes_decrypt(V(rd), V(rn)));
}

OP(aesmc)
{
    SET_V(rd, host_aes_mix(V(rn)));
}

OP(aesimc)
{
    SET_V(rd, host_aes_inverse_mix(V(rn)));
}

OP(pmull_64)
{
    SET_V(rd, host_clmul(VR(rn)->d[q], VR(rm)->d[q]));
}

OP(sha1_rounds)
{
    SET_V(rd, host_sha1_rounds(V(rd), VS(rn), V(rm), (enum crypto_sha1)op));
}

OP(sha256h)
{
    SET_V(rd, host_sha256_rounds(V(rd), V(rn), V(rm), false));
}

OP(sha256h2)
{
    SET_V(rd, host_sha256_rounds(V(rn), V(rd), V(rm), true));
}

OP(sha256su0)
{
    SET_V(rd, host_sha256_su0(V(rd), V(rn)));
}

OP(sha256su1)
{
    SET_V(rd, host_sha256_su1(V(rd), V(rn), V(rm)));
}
