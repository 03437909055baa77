// Loads and stores of general registers. A post-indexed access uses the base, a pre-indexed one the
// sum; the base is written back only after the access succeeded.
#include "emu/op.h"

OP(load)
{
    SET_X(rt, LOAD_U(size, X(rn) + (uint64_t)imm));
}

OP(load_signed)
{
    uint64_t v = LOAD_S(size, X(rn) + (uint64_t)imm);
    SET_X(rt, w ? (uint32_t)v : v);
}

OP(store)
{
    STORE_U(size, X(rn) + (uint64_t)imm, X(rt));
}

OP(load_index)
{
    uint64_t base = X(rn), sum = base + (uint64_t)imm;
    uint64_t v = LOAD_U(size, post ? base : sum);
    SET_X(rn, sum);
    SET_X(rt, v);
}

OP(load_signed_index)
{
    uint64_t base = X(rn), sum = base + (uint64_t)imm;
    uint64_t v = LOAD_S(size, post ? base : sum);
    SET_X(rn, sum);
    SET_X(rt, w ? (uint32_t)v : v);
}

OP(store_index)
{
    uint64_t base = X(rn), sum = base + (uint64_t)imm;
    STORE_U(size, post ? base : sum, X(rt));
    SET_X(rn, sum);
}

// ext: 0 the whole register, 1 UXTW, 2 SXTW.
#define OFFSET(r, by)                                                                              \
    ((ext == 0   ? X(r)                                                                            \
      : ext == 1 ? (uint64_t)W(r)                                                                  \
                 : (uint64_t)(int64_t)(int32_t)W(r))                                               \
     << ((s) ? (by) : 0))

OP(load_reg)
{
    SET_X(rt, LOAD_U(size, X(rn) + OFFSET(rm, size)));
}

OP(load_signed_reg)
{
    uint64_t v = LOAD_S(size, X(rn) + OFFSET(rm, size));
    SET_X(rt, w ? (uint32_t)v : v);
}

OP(store_reg)
{
    STORE_U(size, X(rn) + OFFSET(rm, size), X(rt));
}

OP(load_literal)
{
    SET_X(rt, LOAD_U(size, imm));
}

OP(load_literal_sw)
{
    SET_X(rt, LOAD_S(2, imm));
}

// --- Pairs ---------------------------------------------------------------------------------------
#define LOAD_PAIR(a, b, addr)                                                                      \
    do {                                                                                           \
        const char *at_;                                                                           \
        READ_AT(at_, addr, sf ? 16 : 8);                                                           \
        (a) = op_get(at_, sf ? 3 : 2);                                                             \
        (b) = op_get(at_ + (sf ? 8 : 4), sf ? 3 : 2);                                              \
    } while (0)
#define STORE_PAIR(addr, a, b)                                                                     \
    do {                                                                                           \
        char *at_;                                                                                 \
        WRITE_AT(at_, addr, sf ? 16 : 8);                                                          \
        op_put(at_, sf ? 3 : 2, a);                                                                \
        op_put(at_ + (sf ? 8 : 4), sf ? 3 : 2, b);                                                 \
    } while (0)

OP(ldp)
{
    uint64_t a, b;
    LOAD_PAIR(a, b, X(rn) + (uint64_t)imm);
    SET_X(rt, a);
    SET_X(rt2, b);
}

OP(stp)
{
    STORE_PAIR(X(rn) + (uint64_t)imm, X(rt), X(rt2));
}

OP(ldp_index)
{
    uint64_t a, b, base = X(rn), sum = base + (uint64_t)imm;
    LOAD_PAIR(a, b, post ? base : sum);
    SET_X(rn, sum);
    SET_X(rt, a);
    SET_X(rt2, b);
}

OP(stp_index)
{
    uint64_t base = X(rn), sum = base + (uint64_t)imm;
    STORE_PAIR(post ? base : sum, X(rt), X(rt2));
    SET_X(rn, sum);
}

OP(ldpsw_index)
{
    const unsigned sf = 0;
    uint64_t a, b, base = X(rn), sum = base + (uint64_t)imm;
    LOAD_PAIR(a, b, mode == 1 ? base : sum);
    if (mode & 1)
        SET_X(rn, sum);
    SET_X(rt, (uint64_t)(int64_t)(int32_t)a);
    SET_X(rt2, (uint64_t)(int64_t)(int32_t)b);
}
