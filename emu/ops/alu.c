// Integer data processing: Arm ARM C6, "Data processing (register)" and "(immediate)".
#include "emu/op.h"

OP(nop) {}

OP(const)
{
    SET_X(rd, imm);
}

OP(mov_reg)
{
    SET_XW(rd, X(rn));
}

// --- Add and subtract ----------------------------------------------------------------------------
static ALWAYS_INLINE NO_TSAN uint64_t shifted(bool sf, uint64_t v, unsigned type, unsigned by)
{
    if (sf) {
        switch (type) {
        case 0:
            return v << by;
        case 1:
            return v >> by;
        case 2:
            return (uint64_t)((int64_t)v >> by);
        default:
            return v >> by | v << (-by & 63);
        }
    }
    uint32_t w = (uint32_t)v;
    switch (type) {
    case 0:
        return w << by;
    case 1:
        return w >> by;
    case 2:
        return (uint32_t)((int32_t)w >> by);
    default:
        return w >> by | w << (-by & 31);
    }
}
#define SHIFTED(r) shifted(sf, X(r), shift, by)

static ALWAYS_INLINE NO_TSAN uint64_t extended(uint64_t v, unsigned option, unsigned by)
{
    switch (option) {
    case 0:
        v = (uint8_t)v;
        break;
    case 1:
        v = (uint16_t)v;
        break;
    case 2:
        v = (uint32_t)v;
        break;
    case 4:
        v = (uint64_t)(int64_t)(int8_t)v;
        break;
    case 5:
        v = (uint64_t)(int64_t)(int16_t)v;
        break;
    case 6:
        v = (uint64_t)(int64_t)(int32_t)v;
        break;
    default:
        break;
    }
    return v << by;
}
#define EXTENDED(r) extended(X(r), option, by)

OP(add_imm)
{
    SET_XW(rd, X(rn) + (uint64_t)imm);
}

OP(adds_imm)
{
    SET_XW(rd, ADDS(XW(rn), (uint64_t)imm));
}

OP(subs_imm)
{
    SET_XW(rd, SUBS(XW(rn), (uint64_t)imm));
}

OP(cmp_imm)
{
    (void)SUBS(XW(rn), (uint64_t)imm);
}

OP(add_reg)
{
    SET_XW(rd, X(rn) + X(rm));
}

OP(add_shift)
{
    SET_XW(rd, X(rn) + SHIFTED(rm));
}

OP(sub_reg)
{
    SET_XW(rd, X(rn) - X(rm));
}

OP(sub_shift)
{
    SET_XW(rd, X(rn) - SHIFTED(rm));
}

OP(adds_reg)
{
    SET_XW(rd, ADDS(XW(rn), XW(rm)));
}

OP(adds_shift)
{
    SET_XW(rd, ADDS(XW(rn), SHIFTED(rm)));
}

OP(subs_reg)
{
    SET_XW(rd, SUBS(XW(rn), XW(rm)));
}

OP(subs_shift)
{
    SET_XW(rd, SUBS(XW(rn), SHIFTED(rm)));
}

OP(cmp_reg)
{
    (void)SUBS(XW(rn), XW(rm));
}

OP(add_ext)
{
    SET_XW(rd, X(rn) + EXTENDED(rm));
}

OP(sub_ext)
{
    SET_XW(rd, X(rn) - EXTENDED(rm));
}

OP(adds_ext)
{
    SET_XW(rd, ADDS(XW(rn), EXTENDED(rm)));
}

OP(subs_ext)
{
    SET_XW(rd, SUBS(XW(rn), EXTENDED(rm)));
}

OP(adc)
{
    SET_XW(rd, X(rn) + X(rm) + FLAG_C);
}

OP(sbc)
{
    SET_XW(rd, X(rn) + ~X(rm) + FLAG_C);
}

static ALWAYS_INLINE NO_TSAN uint64_t add_carry(struct env *e, bool sf, uint64_t a, uint64_t b)
{
    unsigned bits = sf ? 64 : 32;
    a = sf ? a : (uint32_t)a;
    b = sf ? b : (uint32_t)b;
    __uint128_t wide = (__uint128_t)a + b + FLAG_C;
    uint64_t r = sf ? (uint64_t)wide : (uint32_t)wide;
    uint64_t sign = 1ull << (bits - 1);
    SET_NZCV(r & sign, r == 0, (wide >> bits) & 1, (~(a ^ b) & (a ^ r)) & sign);
    return r;
}

OP(adcs)
{
    SET_XW(rd, add_carry(e, sf, X(rn), X(rm)));
}

OP(sbcs)
{
    SET_XW(rd, add_carry(e, sf, X(rn), ~X(rm)));
}

// --- Conditional ---------------------------------------------------------------------------------
#define NZCV_IMM() SET_NZCV(nzcv & 8, nzcv & 4, nzcv & 2, nzcv & 1)

OP(ccmn_reg)
{
    if (COND(cond))
        (void)ADDS(XW(rn), XW(rm));
    else
        NZCV_IMM();
    e->flags = FLAGS_STORED;
}

OP(ccmp_reg)
{
    if (COND(cond))
        (void)SUBS(XW(rn), XW(rm));
    else
        NZCV_IMM();
    e->flags = FLAGS_STORED;
}

OP(ccmn_imm)
{
    if (COND(cond))
        (void)ADDS(XW(rn), (uint64_t)imm5);
    else
        NZCV_IMM();
    e->flags = FLAGS_STORED;
}

OP(ccmp_imm)
{
    if (COND(cond))
        (void)SUBS(XW(rn), (uint64_t)imm5);
    else
        NZCV_IMM();
    e->flags = FLAGS_STORED;
}

OP(csel)
{
    SET_XW(rd, COND(cond) ? X(rn) : X(rm));
}

OP(csinc)
{
    SET_XW(rd, COND(cond) ? X(rn) : X(rm) + 1);
}

OP(cset)
{
    SET_X(rd, !COND(cond));
}

OP(csinv)
{
    SET_XW(rd, COND(cond) ? X(rn) : ~X(rm));
}

OP(csneg)
{
    SET_XW(rd, COND(cond) ? X(rn) : 0 - X(rm));
}

// --- Logical -------------------------------------------------------------------------------------
OP(and_imm)
{
    SET_X(rd, X(rn) & imm); // the immediate of the 32-bit form has a clear upper half
}

OP(orr_imm)
{
    SET_XW(rd, X(rn) | imm);
}

OP(eor_imm)
{
    SET_XW(rd, X(rn) ^ imm);
}

OP(ands_imm)
{
    SET_XW(rd, LOGIC_FLAGS(X(rn) & imm));
}

OP(tst_imm)
{
    (void)LOGIC_FLAGS(X(rn) & imm);
}

OP(and_reg)
{
    SET_XW(rd, X(rn) & X(rm));
}

OP(and_shift)
{
    SET_XW(rd, X(rn) & SHIFTED(rm));
}

OP(bic_shift)
{
    SET_XW(rd, X(rn) & ~SHIFTED(rm));
}

OP(orr_reg)
{
    SET_XW(rd, X(rn) | X(rm));
}

OP(orr_shift)
{
    SET_XW(rd, X(rn) | SHIFTED(rm));
}

OP(orn_shift)
{
    SET_XW(rd, X(rn) | ~SHIFTED(rm));
}

OP(eor_reg)
{
    SET_XW(rd, X(rn) ^ X(rm));
}

OP(eor_shift)
{
    SET_XW(rd, X(rn) ^ SHIFTED(rm));
}

OP(eon_shift)
{
    SET_XW(rd, X(rn) ^ ~SHIFTED(rm));
}

OP(ands_reg)
{
    SET_XW(rd, LOGIC_FLAGS(X(rn) & X(rm)));
}

OP(tst_reg)
{
    (void)LOGIC_FLAGS(X(rn) & X(rm));
}

OP(ands_shift)
{
    SET_XW(rd, LOGIC_FLAGS(X(rn) & SHIFTED(rm)));
}

OP(bics_shift)
{
    SET_XW(rd, LOGIC_FLAGS(X(rn) & ~SHIFTED(rm)));
}

// --- Moves and bitfields -------------------------------------------------------------------------
OP(movk)
{
    uint64_t mask = 0xffffull << hw * 16;
    SET_XW(rd, (X(rd) & ~mask) | (uint64_t)imm16 << hw * 16);
}

OP(sxtw)
{
    SET_X(rd, (int64_t)(int32_t)X(rn));
}

OP(uxtb)
{
    SET_X(rd, (uint8_t)X(rn));
}

OP(uxth)
{
    SET_X(rd, (uint16_t)X(rn));
}

OP(lsl_imm)
{
    SET_XW(rd, shifted(sf, X(rn), 0, by));
}

OP(lsr_imm)
{
    SET_XW(rd, shifted(sf, X(rn), 1, by));
}

OP(asr_imm)
{
    SET_XW(rd, shifted(sf, X(rn), 2, by));
}

OP(ror_imm)
{
    SET_XW(rd, shifted(sf, X(rn), 3, by));
}

OP(ubfx)
{
    SET_XW(rd, shifted(sf, shifted(sf, X(rn), 0, lsl), 1, lsr));
}

OP(sbfx)
{
    SET_XW(rd, shifted(sf, shifted(sf, X(rn), 0, lsl), 2, asr));
}

// UBFIZ: the forms above took what extracts.
OP(ubfm)
{
    unsigned bits = sf ? 64 : 32;
    uint64_t field = X(rn) & (~0ull >> (63 - imms));
    SET_XW(rd, field << (bits - immr));
}

OP(sbfm)
{
    unsigned bits = sf ? 64 : 32;
    uint64_t field = (uint64_t)((int64_t)(X(rn) << (63 - imms)) >> (63 - imms));
    SET_XW(rd, field << (bits - immr));
}

OP(bfm)
{
    unsigned bits = sf ? 64 : 32;
    unsigned width = imms >= immr ? imms - immr + 1 : imms + 1;
    unsigned to = imms >= immr ? 0 : bits - immr;
    unsigned from = imms >= immr ? immr : 0;
    uint64_t mask = ~0ull >> (64 - width);
    SET_XW(rd, (X(rd) & ~(mask << to)) | (XW(rn) >> from & mask) << to);
}

OP(extr)
{
    if (sf)
        SET_X(rd, imms ? X(rm) >> imms | X(rn) << (-imms & 63) : X(rm));
    else
        SET_W(rd, ((uint64_t)W(rn) << 32 | W(rm)) >> imms);
}

// --- Multiply and divide -------------------------------------------------------------------------
OP(madd)
{
    SET_XW(rd, X(ra) + X(rn) * X(rm));
}

OP(mul)
{
    SET_XW(rd, X(rn) * X(rm));
}

OP(msub)
{
    SET_XW(rd, X(ra) - X(rn) * X(rm));
}

OP(smaddl)
{
    SET_X(rd, X(ra) + (uint64_t)((int64_t)(int32_t)X(rn) * (int32_t)X(rm)));
}

OP(smsubl)
{
    SET_X(rd, X(ra) - (uint64_t)((int64_t)(int32_t)X(rn) * (int32_t)X(rm)));
}

OP(umaddl)
{
    SET_X(rd, X(ra) + (uint64_t)W(rn) * W(rm));
}

OP(umsubl)
{
    SET_X(rd, X(ra) - (uint64_t)W(rn) * W(rm));
}

OP(smulh)
{
    SET_X(rd, (uint64_t)((__int128_t)(int64_t)X(rn) * (int64_t)X(rm) >> 64));
}

OP(umulh)
{
    SET_X(rd, (uint64_t)((__uint128_t)X(rn) * X(rm) >> 64));
}

OP(udiv)
{
    if (sf)
        SET_X(rd, X(rm) ? X(rn) / X(rm) : 0);
    else
        SET_W(rd, W(rm) ? W(rn) / W(rm) : 0);
}

// Division by zero gives 0; the most negative number by -1 gives itself.
OP(sdiv)
{
    if (sf) {
        int64_t n = (int64_t)X(rn), m = (int64_t)X(rm);
        SET_X(rd, m == 0 ? 0 : m == -1 ? 0 - (uint64_t)n : (uint64_t)(n / m));
    } else {
        int32_t n = (int32_t)X(rn), m = (int32_t)X(rm);
        SET_W(rd, m == 0 ? 0 : m == -1 ? 0 - (uint32_t)n : (uint32_t)(n / m));
    }
}

OP(lslv)
{
    SET_XW(rd, shifted(sf, X(rn), 0, X(rm) & (sf ? 63 : 31)));
}

OP(lsrv)
{
    SET_XW(rd, shifted(sf, X(rn), 1, X(rm) & (sf ? 63 : 31)));
}

OP(asrv)
{
    SET_XW(rd, shifted(sf, X(rn), 2, X(rm) & (sf ? 63 : 31)));
}

OP(rorv)
{
    SET_XW(rd, shifted(sf, X(rn), 3, X(rm) & (sf ? 63 : 31)));
}

// --- Bits and bytes ------------------------------------------------------------------------------
static ALWAYS_INLINE NO_TSAN uint64_t swap_groups(uint64_t v, uint64_t mask, unsigned by)
{
    return (v >> by & mask) | (v & mask) << by;
}

OP(rbit)
{
    uint64_t v = __builtin_bswap64(X(rn));
    v = swap_groups(v, 0x0f0f0f0f0f0f0f0full, 4);
    v = swap_groups(v, 0x3333333333333333ull, 2);
    v = swap_groups(v, 0x5555555555555555ull, 1);
    SET_X(rd, sf ? v : v >> 32);
}

OP(rev16)
{
    SET_XW(rd, swap_groups(X(rn), 0x00ff00ff00ff00ffull, 8));
}

OP(rev32)
{
    uint64_t v = __builtin_bswap64(X(rn));
    SET_X(rd, sf ? v >> 32 | v << 32 : v >> 32);
}

OP(rev64)
{
    SET_X(rd, __builtin_bswap64(X(rn)));
}

OP(clz)
{
    uint64_t v = XW(rn);
    SET_X(rd, v ? (unsigned)__builtin_clzll(v) - (sf ? 0 : 32) : sf ? 64 : 32);
}

OP(cls)
{
    int64_t v = SXW(rn);
    uint64_t diff = (uint64_t)(v ^ v >> 1); // bit i: bits i and i+1 differ
    unsigned bits = sf ? 64 : 32;
    if (!sf)
        diff = (uint32_t)diff;
    SET_X(rd, (diff ? (unsigned)__builtin_clzll(diff) - (64 - bits) : bits) - 1);
}

// --- Flag manipulation ---------------------------------------------------------------------------
OP(cfinv)
{
    SET_NZCV(FLAG_N, FLAG_Z, !FLAG_C, FLAG_V);
}

OP(rmif)
{
    const uint64_t v = X(rn), bits = v >> imm6 | v << (-imm6 & 63);
    SET_NZCV(mask & 8 ? bits >> 3 & 1 : FLAG_N, mask & 4 ? bits >> 2 & 1 : FLAG_Z,
             mask & 2 ? bits >> 1 & 1 : FLAG_C, mask & 1 ? bits & 1 : FLAG_V);
}

// Flags of the low 8 or 16 bits, V from one bit more.
OP(setf)
{
    const uint32_t v = W(rn) << (sz ? 16 : 24), above = W(rn) << (sz ? 15 : 23);
    SET_NZCV(v >> 31, v == 0, FLAG_C, (v ^ above) >> 31);
}

// Between the flags of a floating-point comparison and an alternative form of them.
OP(xaflag)
{
    const bool z = FLAG_Z, c = FLAG_C;
    SET_NZCV(!c && !z, z && c, c || z, !c && z);
}

OP(axflag)
{
    const bool z = FLAG_Z, c = FLAG_C, v = FLAG_V;
    SET_NZCV(0, z || v, c && !v, 0);
}
