// Loads and stores of SIMD and FP registers. One instruction's bytes are one range, obtained before
// anything changes; the base is written back after that. `size`: log2 of bytes; `count`: registers.
#include "emu/op.h"
#include "emu/simd.h"

typedef VREG_TYPE(vu64) vector;

// A register's worth, or what is less, from memory; the rest of the register is zero. Numbers where
// possible, so that they go straight to a vector register.
static ALWAYS_INLINE NO_TSAN vector get(const char *p, unsigned size)
{
    switch (size) {
    case 4:
        return GUEST_GET(vector, p);
    case 3:
        return (vector)(VREG_TYPE(vf64)){GUEST_GET(double, p), 0.0};
    case 2:
        return (vector)(VREG_TYPE(vf32)){GUEST_GET(float, p), 0.0f, 0.0f, 0.0f};
    default:
        return (vector){op_get(p, size), 0};
    }
}

static ALWAYS_INLINE NO_TSAN void put(char *p, unsigned size, const union vreg *v)
{
    if (size == 4)
        GUEST_PUT(vector, p, v->vu64);
    else
        op_put(p, size, v->d[0]);
}

#define LOAD_V(reg, addr)                                                                          \
    do {                                                                                           \
        const char *at_;                                                                           \
        READ_AT(at_, addr, 1u << size);                                                            \
        op_v(e, reg)->vu64 = get(at_, size);                                                       \
    } while (0)
#define STORE_V(addr, reg)                                                                         \
    do {                                                                                           \
        char *at_;                                                                                 \
        WRITE_AT(at_, addr, 1u << size);                                                           \
        put(at_, size, VR(reg));                                                                   \
    } while (0)

// --- One register --------------------------------------------------------------------------------
OP(load_v)
{
    LOAD_V(rt, X(rn) + (uint64_t)imm);
}

OP(store_v)
{
    STORE_V(X(rn) + (uint64_t)imm, rt);
}

OP(load_v_index)
{
    const uint64_t base = X(rn), sum = base + (uint64_t)imm;
    LOAD_V(rt, pre ? sum : base);
    SET_X(rn, sum);
}

OP(store_v_index)
{
    const uint64_t base = X(rn), sum = base + (uint64_t)imm;
    STORE_V(pre ? sum : base, rt);
    SET_X(rn, sum);
}

// ext: 0 the whole register, 1 UXTW, 2 SXTW.
#define OFFSET_V                                                                                   \
    ((ext == 0   ? X(rm)                                                                           \
      : ext == 1 ? (uint64_t)W(rm)                                                                 \
                 : (uint64_t)(int64_t)(int32_t)W(rm))                                              \
     << (s ? size : 0))

OP(load_v_reg)
{
    LOAD_V(rt, X(rn) + OFFSET_V);
}

OP(store_v_reg)
{
    STORE_V(X(rn) + OFFSET_V, rt);
}

OP(load_v_literal)
{
    LOAD_V(rt, imm);
}

// --- Pairs ---------------------------------------------------------------------------------------
#define LOAD_PAIR_V(addr)                                                                          \
    do {                                                                                           \
        const char *at_;                                                                           \
        READ_AT(at_, addr, 2u << size);                                                            \
        const vector first_ = get(at_, size), second_ = get(at_ + (1u << size), size);             \
        op_v(e, rt)->vu64 = first_;                                                                \
        op_v(e, rt2)->vu64 = second_;                                                              \
    } while (0)
#define STORE_PAIR_V(addr)                                                                         \
    do {                                                                                           \
        char *at_;                                                                                 \
        WRITE_AT(at_, addr, 2u << size);                                                           \
        put(at_, size, VR(rt));                                                                    \
        put(at_ + (1u << size), size, VR(rt2));                                                    \
    } while (0)

OP(load_pair_v)
{
    LOAD_PAIR_V(X(rn) + (uint64_t)imm);
}

OP(store_pair_v)
{
    STORE_PAIR_V(X(rn) + (uint64_t)imm);
}

OP(load_pair_v_index)
{
    const uint64_t base = X(rn), sum = base + (uint64_t)imm;
    LOAD_PAIR_V(pre ? sum : base);
    SET_X(rn, sum);
}

OP(store_pair_v_index)
{
    const uint64_t base = X(rn), sum = base + (uint64_t)imm;
    STORE_PAIR_V(pre ? sum : base);
    SET_X(rn, sum);
}

// --- Consecutive registers -----------------------------------------------------------------------
#define BYTES (count * (q ? 16u : 8u))
// The i-th register of the list; written as one vector.
#define REG(i)        (*VNEXT(rt, i))
#define SET_REG(i, v) ((void)(VNEXT(rt, i)->vu64 = (v)))

#define LOAD_MULTI(addr)                                                                           \
    do {                                                                                           \
        const char *at_;                                                                           \
        READ_AT(at_, addr, BYTES);                                                                 \
        for (unsigned i = 0; i < count; i++)                                                       \
            SET_REG(i, get(at_ + i * (q ? 16 : 8), q ? 4 : 3));                                    \
    } while (0)
#define STORE_MULTI(addr)                                                                          \
    do {                                                                                           \
        char *at_;                                                                                 \
        WRITE_AT(at_, addr, BYTES);                                                                \
        for (unsigned i = 0; i < count; i++)                                                       \
            put(at_ + i * (q ? 16 : 8), q ? 4 : 3, &REG(i));                                       \
    } while (0)
// The three ways to write an access: no offset, post-index by a constant, by a register.
#define POST_IMM(access)                                                                           \
    const uint64_t base = X(rn);                                                                   \
    access(base);                                                                                  \
    SET_X(rn, base + (uint64_t)imm)
#define POST_REG(access)                                                                           \
    const uint64_t base = X(rn), offset = X(rm);                                                   \
    access(base);                                                                                  \
    SET_X(rn, base + offset)

OP(load_multi)
{
    LOAD_MULTI(X(rn));
}

OP(load_multi_post)
{
    POST_IMM(LOAD_MULTI);
}

OP(load_multi_reg)
{
    POST_REG(LOAD_MULTI);
}

OP(store_multi)
{
    STORE_MULTI(X(rn));
}

OP(store_multi_post)
{
    POST_IMM(STORE_MULTI);
}

OP(store_multi_reg)
{
    POST_REG(STORE_MULTI);
}

// --- Interleaved structures ----------------------------------------------------------------------
// `count` vectors of memory, of 16 bytes or (q = 0) as if they were packed into the first ones.
static ALWAYS_INLINE void split3(union vreg r[3], const union vreg m[4], unsigned size, unsigned q)
{
    const union vreg from[3] = {m[0], m[1], m[2]};
    for (unsigned i = 0; i < (q ? 16u : 8u) >> size; i++) {
        for (unsigned j = 0; j < 3; j++) {
            const unsigned at = 3 * i + j, per = 16u >> size;
            simd_put(&r[j], size, i, simd_u(&from[at / per], size, at % per));
        }
    }
}

static ALWAYS_INLINE void merge3(union vreg m[4], const union vreg r[3], unsigned size, unsigned q)
{
    for (unsigned i = 0; i < (q ? 16u : 8u) >> size; i++) {
        for (unsigned j = 0; j < 3; j++) {
            const unsigned at = 3 * i + j, per = 16u >> size;
            simd_put(&m[at / per], size, at % per, simd_u(&r[j], size, i));
        }
    }
}

static ALWAYS_INLINE void split(union vreg r[4], const union vreg m[4], unsigned size, unsigned q,
                                unsigned count)
{
    const union vreg zero = {.vu64 = {0, 0}};
    if (count == 2) {
        r[0] = simd_unzip(m[0], q ? m[1] : zero, size, false);
        r[1] = simd_unzip(m[0], q ? m[1] : zero, size, true);
    } else if (count == 3) {
        split3(r, m, size, q);
    } else {
        const union vreg e0 = simd_unzip(m[0], m[1], size, false),
                         o0 = simd_unzip(m[0], m[1], size, true),
                         e1 = q ? simd_unzip(m[2], m[3], size, false) : zero,
                         o1 = q ? simd_unzip(m[2], m[3], size, true) : zero;
        r[0] = simd_unzip(e0, e1, size, false);
        r[1] = simd_unzip(o0, o1, size, false);
        r[2] = simd_unzip(e0, e1, size, true);
        r[3] = simd_unzip(o0, o1, size, true);
    }
}

static ALWAYS_INLINE void merge(union vreg m[4], const union vreg r[4], unsigned size, unsigned q,
                                unsigned count)
{
    if (count == 2) {
        m[0] = simd_zip(r[0], r[1], size, false);
        m[1] = simd_zip(r[0], r[1], size, true);
    } else if (count == 3) {
        merge3(m, r, size, q);
    } else {
        const union vreg e0 = simd_zip(r[0], r[2], size, false),
                         o0 = simd_zip(r[1], r[3], size, false);
        m[0] = simd_zip(e0, o0, size, false);
        m[1] = simd_zip(e0, o0, size, true);
        if (q) {
            const union vreg e1 = simd_zip(r[0], r[2], size, true),
                             o1 = simd_zip(r[1], r[3], size, true);
            m[2] = simd_zip(e1, o1, size, false);
            m[3] = simd_zip(e1, o1, size, true);
        }
    }
}

#define LOAD_SPLIT(addr)                                                                           \
    do {                                                                                           \
        const char *at_;                                                                           \
        READ_AT(at_, addr, BYTES);                                                                 \
        union vreg m_[4], r_[4];                                                                   \
        for (unsigned i = 0; i < 4; i++)                                                           \
            m_[i] = r_[i] = (union vreg){.vu64 = {0, 0}};                                          \
        for (unsigned i = 0; i < BYTES / 16; i++)                                                  \
            m_[i].vu64 = get(at_ + 16 * i, 4);                                                     \
        if (BYTES % 16)                                                                            \
            m_[BYTES / 16].vu64 = get(at_ + BYTES / 16 * 16, 3);                                   \
        split(r_, m_, size, q, count);                                                             \
        for (unsigned i = 0; i < count; i++)                                                       \
            SET_REG(i, simd_out(r_[i], size, q).vu64);                                             \
    } while (0)
#define STORE_MERGED(addr)                                                                         \
    do {                                                                                           \
        char *at_;                                                                                 \
        WRITE_AT(at_, addr, BYTES);                                                                \
        union vreg m_[4], r_[4];                                                                   \
        for (unsigned i = 0; i < 4; i++)                                                           \
            m_[i] = r_[i] = (union vreg){.vu64 = {0, 0}};                                          \
        for (unsigned i = 0; i < count; i++)                                                       \
            r_[i] = REG(i);                                                                        \
        merge(m_, r_, size, q, count);                                                             \
        for (unsigned i = 0; i < BYTES / 16; i++)                                                  \
            put(at_ + 16 * i, 4, &m_[i]);                                                          \
        if (BYTES % 16)                                                                            \
            put(at_ + BYTES / 16 * 16, 3, &m_[BYTES / 16]);                                        \
    } while (0)

OP(load_interleaved)
{
    LOAD_SPLIT(X(rn));
}

OP(load_interleaved_post)
{
    POST_IMM(LOAD_SPLIT);
}

OP(load_interleaved_reg)
{
    POST_REG(LOAD_SPLIT);
}

OP(store_interleaved)
{
    STORE_MERGED(X(rn));
}

OP(store_interleaved_post)
{
    POST_IMM(STORE_MERGED);
}

OP(store_interleaved_reg)
{
    POST_REG(STORE_MERGED);
}

// --- One lane of each register -------------------------------------------------------------------
#define LOAD_LANES(addr)                                                                           \
    do {                                                                                           \
        const char *at_;                                                                           \
        READ_AT(at_, addr, count << size);                                                         \
        for (unsigned i = 0; i < count; i++)                                                       \
            SET_REG(i, simd_with_lane(REG(i), size, index, op_get(at_ + (i << size), size)).vu64); \
    } while (0)
#define STORE_LANES(addr)                                                                          \
    do {                                                                                           \
        char *at_;                                                                                 \
        WRITE_AT(at_, addr, count << size);                                                        \
        for (unsigned i = 0; i < count; i++)                                                       \
            op_put(at_ + (i << size), size, simd_u(&REG(i), size, index));                         \
    } while (0)
// Post-indexed by the bytes accessed.
#define POST_SIZE(access)                                                                          \
    const uint64_t base = X(rn);                                                                   \
    access(base);                                                                                  \
    SET_X(rn, base + (count << size))

OP(load_lane)
{
    LOAD_LANES(X(rn));
}

OP(load_lane_post)
{
    POST_SIZE(LOAD_LANES);
}

OP(load_lane_reg)
{
    POST_REG(LOAD_LANES);
}

OP(store_lane)
{
    STORE_LANES(X(rn));
}

OP(store_lane_post)
{
    POST_SIZE(STORE_LANES);
}

OP(store_lane_reg)
{
    POST_REG(STORE_LANES);
}

// --- One element to all lanes --------------------------------------------------------------------
#define LOAD_DUP(addr)                                                                             \
    do {                                                                                           \
        const char *at_;                                                                           \
        READ_AT(at_, addr, count << size);                                                         \
        for (unsigned i = 0; i < count; i++)                                                       \
            SET_REG(i, simd_out(simd_dup(size, op_get(at_ + (i << size), size)), size, q).vu64);   \
    } while (0)

OP(load_dup)
{
    LOAD_DUP(X(rn));
}

OP(load_dup_post)
{
    POST_SIZE(LOAD_DUP);
}

OP(load_dup_reg)
{
    POST_REG(LOAD_DUP);
}
