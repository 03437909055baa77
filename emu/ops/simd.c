// AdvSIMD integer data processing on lanes of one shape: Arm ARM C7, "Advanced SIMD three same",
// "two-register miscellaneous", "across lanes". Shapes: emu/simd.h; `u`: unsigned.
#include "emu/simd.h"
#include "emu/fp.h"
#include "emu/op.h"

#define BINARY(k, expr)                                                                            \
    const union vreg a = SIMD_IN(rn), b = SIMD_IN(rm);                                             \
    union vreg r;                                                                                  \
    LANEWISE(r, k, size, expr);                                                                    \
    SIMD_OUT(rd, r)
#define UNARY(k, expr)                                                                             \
    const union vreg a = SIMD_IN(rn);                                                              \
    union vreg r;                                                                                  \
    LANEWISE1(r, k, size, expr);                                                                   \
    SIMD_OUT(rd, r)
#define BITWISE(expr)                                                                              \
    const union vreg a = V(rn), b = V(rm), d MAYBE_UNUSED = V(rd);                                 \
    const VREG_TYPE(vu64) A = a.vu64, B = b.vu64, D MAYBE_UNUSED = d.vu64;                         \
    SET_V(rd, simd_out((union vreg){.vu64 = expr}, 0, q))

OP(set_v)
{
    SET_V(rd, ((union vreg){.vu64 = {imm, q ? imm : 0}}));
}

// --- Arithmetic ----------------------------------------------------------------------------------
OP(add_v)
{
    BINARY(vu, A + B);
}

OP(sub_v)
{
    BINARY(vu, A - B);
}

OP(mul_v)
{
    BINARY(vu, A * B);
}

// u: subtracts.
OP(mla_v)
{
    const union vreg a = SIMD_IN(rn), b = SIMD_IN(rm), c = V(rd);
    union vreg r;
    if (u)
        LANEWISE3(r, vu, size, C - A * B)
    else
        LANEWISE3(r, vu, size, C + A * B)
    SIMD_OUT(rd, r);
}

OP(abs_v)
{
    UNARY(vs, (A ^ (A < 0)) - (A < 0));
}

OP(neg_v)
{
    UNARY(vu, -A);
}

// Halving: the sum (difference) without the overflow of its width.
OP(hadd)
{
    if (u) {
        BINARY(vu, (A >> 1) + (B >> 1) + (A & B & 1));
    } else {
        BINARY(vs, (A >> 1) + (B >> 1) + (A & B & 1));
    }
}

OP(rhadd)
{
    if (u) {
        BINARY(vu, (A >> 1) + (B >> 1) + ((A | B) & 1));
    } else {
        BINARY(vs, (A >> 1) + (B >> 1) + ((A | B) & 1));
    }
}

OP(hsub)
{
    if (u) {
        BINARY(vu, (A >> 1) - (B >> 1) - (~A & B & 1));
    } else {
        BINARY(vs, (A >> 1) - (B >> 1) - (~A & B & 1));
    }
}

OP(max_v)
{
    SIMD_OUT(rd, simd_max(SIMD_IN(rn), SIMD_IN(rm), size, u));
}

OP(min_v)
{
    SIMD_OUT(rd, simd_min(SIMD_IN(rn), SIMD_IN(rm), size, u));
}

OP(abd)
{
    SIMD_OUT(rd, simd_abd(SIMD_IN(rn), SIMD_IN(rm), size, u));
}

OP(aba)
{
    SIMD_OUT(rd, simd_add(V(rd), simd_abd(SIMD_IN(rn), SIMD_IN(rm), size, u), size));
}

// --- Comparison ----------------------------------------------------------------------------------
OP(cm_gt)
{
    if (u) {
        BINARY(vu, A > B);
    } else {
        BINARY(vs, A > B);
    }
}

OP(cm_ge)
{
    if (u) {
        BINARY(vu, A >= B);
    } else {
        BINARY(vs, A >= B);
    }
}

OP(cm_eq)
{
    BINARY(vu, A == B);
}

OP(cm_tst)
{
    BINARY(vu, (A & B) != 0);
}

OP(cm_zero)
{
    if (op == 0) {
        UNARY(vs, A > 0);
    } else if (op == 1) {
        UNARY(vs, A >= 0);
    } else if (op == 2) {
        UNARY(vs, A == 0);
    } else if (op == 3) {
        UNARY(vs, A <= 0);
    } else {
        UNARY(vs, A < 0);
    }
}

// --- Logic ---------------------------------------------------------------------------------------
OP(mov_v)
{
    SET_V(rd, simd_out(V(rn), 0, q));
}

OP(and_v)
{
    BITWISE(A & B);
}

OP(bic_v)
{
    BITWISE(A & ~B);
}

OP(orr_v)
{
    BITWISE(A | B);
}

OP(orn_v)
{
    BITWISE(A | ~B);
}

OP(eor_v)
{
    BITWISE(A ^ B);
}

OP(bsl_v)
{
    BITWISE((D & A) | (~D & B));
}

OP(bit_v)
{
    BITWISE((D & ~B) | (A & B));
}

OP(bif_v)
{
    BITWISE((D & B) | (A & ~B));
}

OP(not_v)
{
    SET_V(rd, simd_out((union vreg){.vu64 = ~V(rn).vu64}, 0, q));
}

// `op`: BIC, else ORR.
OP(logic_imm_v)
{
    const uint64_t d = VD(rd), h = VR(rd)->d[1];
    if (op)
        SET_V(rd, ((union vreg){.vu64 = {d & ~imm, q ? h & ~imm : 0}}));
    else
        SET_V(rd, ((union vreg){.vu64 = {d | imm, q ? h | imm : 0}}));
}

// --- Bits ----------------------------------------------------------------------------------------
OP(rev16_v)
{
    const union vreg a = V(rn);
    SET_V(rd, simd_out((union vreg){.vu16 = a.vu16 << 8 | a.vu16 >> 8}, 0, q));
}

OP(rev32_v)
{
    union vreg a = V(rn);
    if (size == 0)
        a.vu16 = a.vu16 << 8 | a.vu16 >> 8;
    a.vu32 = a.vu32 << 16 | a.vu32 >> 16;
    SET_V(rd, simd_out(a, 0, q));
}

OP(rev64_v)
{
    union vreg a = V(rn);
    if (size == 0)
        a.vu16 = a.vu16 << 8 | a.vu16 >> 8;
    if (size < 2)
        a.vu32 = a.vu32 << 16 | a.vu32 >> 16;
    a.vu64 = a.vu64 << 32 | a.vu64 >> 32;
    SET_V(rd, simd_out(a, 0, q));
}

OP(rbit_v)
{
    VREG_TYPE(vu64) a = V(rn).vu64;
    a = (a >> 1 & 0x5555555555555555ull) | (a & 0x5555555555555555ull) << 1;
    a = (a >> 2 & 0x3333333333333333ull) | (a & 0x3333333333333333ull) << 2;
    a = (a >> 4 & 0x0f0f0f0f0f0f0f0full) | (a & 0x0f0f0f0f0f0f0f0full) << 4;
    SET_V(rd, simd_out((union vreg){.vu64 = a}, 0, q));
}

OP(cnt_v)
{
    VREG_TYPE(vu64) a = V(rn).vu64;
    a = a - (a >> 1 & 0x5555555555555555ull);
    a = (a & 0x3333333333333333ull) + (a >> 2 & 0x3333333333333333ull);
    a = (a + (a >> 4)) & 0x0f0f0f0f0f0f0f0full;
    SET_V(rd, simd_out((union vreg){.vu64 = a}, 0, q));
}

OP(clz_v)
{
    const union vreg a = V(rn);
    union vreg r = {.vu64 = {0, 0}};
    const unsigned bits = 8u << size;
    FOR_LANES(i)
    {
        const uint32_t v = (uint32_t)simd_u(&a, size, i);
        simd_put(&r, size, i, v ? (unsigned)__builtin_clz(v) - (32 - bits) : bits);
    }
    SIMD_OUT(rd, r);
}

OP(cls_v)
{
    const union vreg a = V(rn);
    union vreg r = {.vu64 = {0, 0}};
    FOR_LANES(i)
    {
        const int64_t v = simd_s(&a, size, i);
        const uint32_t changes = (uint32_t)(v ^ v >> 63);
        const unsigned zeros = changes ? (unsigned)__builtin_clz(changes) : 32;
        simd_put(&r, size, i, zeros - (32 - (8u << size)) - 1);
    }
    SIMD_OUT(rd, r);
}

// --- Polynomials ---------------------------------------------------------------------------------
OP(pmul)
{
    VREG_TYPE(vu8) a = V(rn).vu8, b = V(rm).vu8, r = b - b;
    for (unsigned i = 0; i < 8; i++) {
        r ^= a & -(b & 1);
        a <<= 1;
        b >>= 1;
    }
    SET_V(rd, simd_out((union vreg){.vu8 = r}, 0, q));
}

OP(pmull_8)
{
    VREG_TYPE(vu16) a = simd_widen(V(rn), 0, q, 1).vu16, b = simd_widen(V(rm), 0, q, 1).vu16;
    VREG_TYPE(vu16) r = b - b;
    for (unsigned i = 0; i < 8; i++) {
        r ^= a & -(b & 1);
        a <<= 1;
        b >>= 1;
    }
    SET_V(rd, ((union vreg){.vu16 = r}));
}

// --- Pairs ---------------------------------------------------------------------------------------
#define EVEN simd_pairs(V(rn), V(rm), size, q, false)
#define ODD  simd_pairs(V(rn), V(rm), size, q, true)

OP(addp_v)
{
    SIMD_OUT(rd, simd_add(EVEN, ODD, size));
}

OP(maxp_v)
{
    SIMD_OUT(rd, simd_max(EVEN, ODD, size, u));
}

OP(minp_v)
{
    SIMD_OUT(rd, simd_min(EVEN, ODD, size, u));
}

OP(addp_d)
{
    SET_VD(rd, VD(rn) + VR(rn)->d[1]);
}

// Sums of neighbours, twice as wide. Lanes of the result hold an even lane below an odd one.
static ALWAYS_INLINE union vreg pair_sums(union vreg v, unsigned size, unsigned u)
{
    const union vreg a = v;
    union vreg r;
    const unsigned bits = 8u << size;
    if (u)
        LANEWISE1(r, vu, size + 1, (A >> (E)bits) + (A << (E)bits >> (E)bits));
    else
        LANEWISE1(r, vs, size + 1, (A >> (E)bits) + (((T)(C << (E)bits)) >> (E)bits));
    return r;
}

OP(addlp)
{
    SET_V(rd, simd_out(pair_sums(V(rn), size, u), 0, q));
}

OP(adalp)
{
    SET_V(rd, simd_out(simd_add(V(rd), pair_sums(V(rn), size, u), size + 1), 0, q));
}

// --- Across lanes --------------------------------------------------------------------------------
OP(addv)
{
    const union vreg a = SIMD_IN(rn);
    // Folding halves of what remains adds every lane once; carries stay below the lane read.
    union vreg r = simd_add(a, (union vreg){.vu64 = {a.d[1], 0}}, size);
    for (unsigned bits = 32; bits >= 8u << size; bits >>= 1)
        r = simd_add(r, (union vreg){.vu64 = {r.d[0] >> bits, 0}}, size);
    SET_VD(rd, r.d[0] & simd_mask(size));
}

OP(addlv)
{
    const union vreg a = SIMD_IN(rn);
    uint64_t sum = 0;
    FOR_LANES(i)
    sum += u ? simd_u(&a, size, i) : (uint64_t)simd_s(&a, size, i);
    SET_VD(rd, sum & simd_mask(size + 1));
}

static ALWAYS_INLINE uint64_t fold(union vreg a, unsigned size, unsigned q, unsigned u, bool max)
{
    union vreg b = {.vu64 = {q ? a.d[1] : a.d[0], 0}};
    for (unsigned bits = 64; bits >= 8u << size; bits >>= 1) {
        if (bits < 64)
            b.d[0] = a.d[0] >> bits;
        a.d[1] = 0;
        a = max ? simd_max(a, b, size, u) : simd_min(a, b, size, u);
    }
    return a.d[0] & simd_mask(size);
}

OP(maxv)
{
    SET_VD(rd, fold(V(rn), size, q, u, true));
}

OP(minv)
{
    SET_VD(rd, fold(V(rn), size, q, u, false));
}

// --- Estimates -----------------------------------------------------------------------------------
OP(urecpe)
{
    const union vreg a = V(rn);
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i < (q ? 4 : 2); i++)
        r.s[i] = fp_urecpe(a.s[i]);
    SET_V(rd, r);
}

OP(ursqrte)
{
    const union vreg a = V(rn);
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i < (q ? 4 : 2); i++)
        r.s[i] = fp_ursqrte(a.s[i]);
    SET_V(rd, r);
}

// --- Dot product ---------------------------------------------------------------------------------

static ALWAYS_INLINE union vreg dot(union vreg d, union vreg a, union vreg b, unsigned q,
                                    unsigned u)
{
    for (unsigned i = 0; i < (q ? 4 : 2); i++) {
        for (unsigned j = 4 * i; j < 4 * i + 4; j++) {
            if (u)
                d.s[i] += (uint32_t)a.b[j] * b.b[j];
            else
                d.s[i] += (uint32_t)((int8_t)a.b[j] * (int8_t)b.b[j]);
        }
    }
    return simd_out(d, 2, q);
}

OP(dot)
{
    SET_V(rd, dot(V(rd), V(rn), V(rm), q, u));
}

OP(dot_e)
{
    SET_V(rd, dot(V(rd), V(rn), simd_dup(2, VR(rm)->s[index]), q, u));
}
