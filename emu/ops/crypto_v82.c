// SHA-512, SHA-3, SM3 and SM4: the steps A64 has instructions for. Arm ARM C7.
#include "emu/crypto.h"
#include "emu/op.h"

static ALWAYS_INLINE uint64_t ror64(uint64_t v, unsigned by)
{
    return v >> by | v << (64 - by);
}

static ALWAYS_INLINE uint32_t rol32(uint32_t v, unsigned by)
{
    return v << by | v >> (32 - by);
}

// --- SHA-512 -------------------------------------------------------------------------------------
static ALWAYS_INLINE uint64_t choose(uint64_t a, uint64_t b, uint64_t c)
{
    return (a & b) ^ (~a & c);
}

static ALWAYS_INLINE uint64_t majority(uint64_t a, uint64_t b, uint64_t c)
{
    return (a & b) ^ (a & c) ^ (b & c);
}

// Two rounds: the part that goes into e..h, then the part that goes into a..d.
OP(sha512h)
{
    const union vreg x = V(rn), y = V(rm), w = V(rd);
    uint64_t v = y.d[1];
    const uint64_t high =
        choose(v, x.d[0], x.d[1]) + (ror64(v, 14) ^ ror64(v, 18) ^ ror64(v, 41)) + w.d[1];
    v = high + y.d[0];
    const uint64_t low =
        choose(v, y.d[1], x.d[0]) + (ror64(v, 14) ^ ror64(v, 18) ^ ror64(v, 41)) + w.d[0];
    SET_V(rd, ((union vreg){.vu64 = {low, high}}));
}

OP(sha512h2)
{
    const union vreg x = V(rn), y = V(rm), w = V(rd);
    uint64_t v = y.d[0];
    const uint64_t high =
        majority(x.d[0], y.d[1], v) + (ror64(v, 28) ^ ror64(v, 34) ^ ror64(v, 39)) + w.d[1];
    v = high;
    const uint64_t low =
        majority(v, y.d[0], y.d[1]) + (ror64(v, 28) ^ ror64(v, 34) ^ ror64(v, 39)) + w.d[0];
    SET_V(rd, ((union vreg){.vu64 = {low, high}}));
}

static ALWAYS_INLINE uint64_t sigma0(uint64_t v)
{
    return ror64(v, 1) ^ ror64(v, 8) ^ v >> 7;
}

static ALWAYS_INLINE uint64_t sigma1(uint64_t v)
{
    return ror64(v, 19) ^ ror64(v, 61) ^ v >> 6;
}

OP(sha512su0)
{
    const union vreg w = V(rd);
    SET_V(rd, ((union vreg){.vu64 = {w.d[0] + sigma0(w.d[1]), w.d[1] + sigma0(VD(rn))}}));
}

OP(sha512su1)
{
    const union vreg x = V(rn), sigma = {.vu64 = {sigma1(x.d[0]), sigma1(x.d[1])}};
    SET_V(rd, ((union vreg){.vu64 = V(rd).vu64 + sigma.vu64 + V(rm).vu64}));
}

// --- SHA-3 ---------------------------------------------------------------------------------------
OP(eor3)
{
    SET_V(rd, ((union vreg){.vu64 = V(rn).vu64 ^ V(rm).vu64 ^ V(ra).vu64}));
}

OP(bcax)
{
    SET_V(rd, ((union vreg){.vu64 = V(rn).vu64 ^ (V(rm).vu64 & ~V(ra).vu64)}));
}

OP(rax1)
{
    const VREG_TYPE(vu64) m = V(rm).vu64;
    SET_V(rd, ((union vreg){.vu64 = V(rn).vu64 ^ (m << 1 | m >> 63)}));
}

OP(xar)
{
    const VREG_TYPE(vu64) v = V(rn).vu64 ^ V(rm).vu64;
    const uint64_t right = by, left = -by & 63;
    SET_V(rd, ((union vreg){.vu64 = v >> right | v << left}));
}

// --- SM3 -----------------------------------------------------------------------------------------
OP(sm3ss1)
{
    const uint32_t v = rol32(VR(rn)->s[3], 12) + VR(rm)->s[3] + VR(ra)->s[3];
    SET_V(rd, ((union vreg){.s = {0, 0, 0, rol32(v, 7)}}));
}

// One round on half of the state, d..a upward in d.
OP(sm3tt)
{
    const union vreg d = V(rd);
    const uint32_t n = VR(rn)->s[3], w = VR(rm)->s[index], x = d.s[3], y = d.s[2], z = d.s[1];
    uint32_t f;
    if (!b)
        f = x ^ y ^ z;
    else if (two)
        f = (x & y) | (~x & z);
    else
        f = (x & z) | (x & y) | (z & y);
    uint32_t t = f + d.s[0] + w + (two ? n : n ^ rol32(x, 12));
    if (two)
        t ^= rol32(t, 9) ^ rol32(t, 17);
    SET_V(rd, ((union vreg){.s = {z, rol32(y, two ? 19 : 9), x, t}}));
}

static ALWAYS_INLINE uint32_t sm3_expand(uint32_t v)
{
    return v ^ rol32(v, 15) ^ rol32(v, 23);
}

OP(sm3partw1)
{
    const union vreg m = V(rm), dn = {.vu64 = V(rd).vu64 ^ V(rn).vu64};
    union vreg r;
    for (unsigned i = 0; i < 3; i++)
        r.s[i] = sm3_expand(dn.s[i] ^ rol32(m.s[i + 1], 15));
    r.s[3] = sm3_expand(dn.s[3] ^ rol32(r.s[0], 15));
    SET_V(rd, r);
}

OP(sm3partw2)
{
    const union vreg d = V(rd), n = V(rn), m = V(rm);
    union vreg r, t;
    for (unsigned i = 0; i < 4; i++) {
        t.s[i] = n.s[i] ^ rol32(m.s[i], 7);
        r.s[i] = d.s[i] ^ t.s[i];
    }
    r.s[3] ^= sm3_expand(rol32(t.s[0], 15));
    SET_V(rd, r);
}

// --- SM4 -----------------------------------------------------------------------------------------
OP(sm4e)
{
    SET_V(rd, crypto_sm4(V(rd), V(rn), false));
}

OP(sm4ekey)
{
    SET_V(rd, crypto_sm4(V(rn), V(rm), true));
}
