// AdvSIMD saturating integer arithmetic and register shifts. A lane that saturates sets FPSR.QC.
#include "emu/fpenv.h"
#include "emu/op.h"
#include "emu/simd.h"

#define SET_QC(any)                                                                                \
    do {                                                                                           \
        if (any)                                                                                   \
            e->cpu->fpsr |= FPSR_QC;                                                               \
    } while (0)

// A lane of 1 << size bytes as __int128, by signedness.
static ALWAYS_INLINE __int128 lane128(const union vreg *v, unsigned size, unsigned i, unsigned u)
{
    return u ? (__int128)simd_u(v, size, i) : (__int128)simd_s(v, size, i);
}

static ALWAYS_INLINE int64_t lane64(const union vreg *v, unsigned size, unsigned i, unsigned u)
{
    return u ? (int64_t)simd_u(v, size, i) : simd_s(v, size, i);
}

// The nearest value of `size`; the wide type is the caller's, so that small lanes stay cheap.
#define CLAMP(T, x, size, u, sat)                                                                  \
    ({                                                                                             \
        const T clamp_low_ = (u) ? 0 : -((T)1 << ((8u << (size)) - 1));                            \
        const T clamp_high_ = ((T)1 << ((8u << (size)) - !(u))) - 1;                               \
        const T clamp_x_ = (x);                                                                    \
        const T clamp_r_ = clamp_x_ < clamp_low_    ? clamp_low_                                   \
                           : clamp_x_ > clamp_high_ ? clamp_high_                                  \
                                                    : clamp_x_;                                    \
        (sat) |= clamp_r_ != clamp_x_;                                                             \
        (uint64_t)clamp_r_;                                                                        \
    })

// Lanes of rn and rm combined by `expr` over x and y, clamped.
#define SATURATING(expr, u)                                                                        \
    const union vreg a = V(rn), b = V(rm);                                                         \
    union vreg r = {.vu64 = {0, 0}};                                                               \
    bool sat = false;                                                                              \
    FOR_LANES(i)                                                                                   \
    {                                                                                              \
        if (size == 3) {                                                                           \
            const __int128 x = lane128(&a, size, i, u), y = lane128(&b, size, i, u);               \
            simd_put(&r, size, i, CLAMP(__int128, expr, size, u, sat));                            \
        } else {                                                                                   \
            const int64_t x = lane64(&a, size, i, u), y = lane64(&b, size, i, u);                  \
            simd_put(&r, size, i, CLAMP(int64_t, expr, size, u, sat));                             \
        }                                                                                          \
    }                                                                                              \
    SET_QC(sat);                                                                                   \
    SIMD_OUT(rd, r)

OP(qadd)
{
    SATURATING(x + y, u);
}

OP(qsub)
{
    SATURATING(x - y, u);
}

// USQADD (u): unsigned accumulator plus signed lanes; SUQADD the other way round.
OP(uqadd)
{
    const union vreg a = V(rn), d = V(rd);
    union vreg r = {.vu64 = {0, 0}};
    bool sat = false;
    FOR_LANES(i)
    {
        const __int128 sum = lane128(&d, size, i, u) + lane128(&a, size, i, !u);
        simd_put(&r, size, i, CLAMP(__int128, sum, size, u, sat));
    }
    SET_QC(sat);
    SIMD_OUT(rd, r);
}

OP(qabs)
{
    const union vreg a = V(rn);
    union vreg r = {.vu64 = {0, 0}};
    bool sat = false;
    FOR_LANES(i)
    {
        const int64_t v = simd_s(&a, size, i);
        const __int128 x = neg || v < 0 ? -(__int128)v : v;
        simd_put(&r, size, i, CLAMP(__int128, x, size, 0, sat));
    }
    SET_QC(sat);
    SIMD_OUT(rd, r);
}

// --- Multiplication ------------------------------------------------------------------------------
// High half of the doubled product. The doubling is left out: one bit less is shifted away.
static ALWAYS_INLINE uint64_t doubled_high(int64_t acc, int64_t a, int64_t b, unsigned size,
                                           bool round, bool subtract, bool *sat)
{
    const unsigned bits = 8u << size;
    const int64_t product = subtract ? -(a * b) : a * b;
    const int64_t sum = acc * (1ll << (bits - 1)) + product + (round ? 1ll << (bits - 2) : 0);
    return CLAMP(int64_t, sum >> (bits - 1), size, 0, *sat);
}

static ALWAYS_INLINE union vreg qdmulh(struct env *e, union vreg a, union vreg b, unsigned size,
                                       unsigned q, bool round)
{
    union vreg r = {.vu64 = {0, 0}};
    bool sat = false;
    FOR_LANES(i)
    simd_put(&r, size, i,
             doubled_high(0, simd_s(&a, size, i), simd_s(&b, size, i), size, round, false, &sat));
    SET_QC(sat);
    return simd_out(r, size, q);
}

OP(qdmulh)
{
    SET_V(rd, qdmulh(e, V(rn), V(rm), size, q, r));
}

OP(qdmulh_e)
{
    SET_V(rd, qdmulh(e, V(rn), simd_dup(size, simd_u(VR(rm), size, index)), size, q, r));
}

static ALWAYS_INLINE union vreg qrdmlah(struct env *e, union vreg d, union vreg a, union vreg b,
                                        unsigned size, unsigned q, bool subtract)
{
    union vreg r = {.vu64 = {0, 0}};
    bool sat = false;
    FOR_LANES(i)
    simd_put(&r, size, i,
             doubled_high(simd_s(&d, size, i), simd_s(&a, size, i), simd_s(&b, size, i), size, true,
                          subtract, &sat));
    SET_QC(sat);
    return simd_out(r, size, q);
}

OP(qrdmlah)
{
    SET_V(rd, qrdmlah(e, V(rd), V(rn), V(rm), size, q, s));
}

OP(qrdmlah_e)
{
    SET_V(rd, qrdmlah(e, V(rd), V(rn), simd_dup(size, simd_u(VR(rm), size, index)), size, q, s));
}

// SQDMULL: doubled products, twice as wide. q: 1 the upper half, 2 a scalar.
static ALWAYS_INLINE union vreg qdmull(union vreg a, union vreg b, unsigned size, unsigned q,
                                       bool *sat)
{
    union vreg r = {.vu64 = {0, 0}};
    const unsigned n = q == 2 ? 1 : 8u >> size, from = q == 1 ? n : 0;
    for (unsigned i = 0; i < n; i++) {
        const int64_t p = simd_s(&a, size, from + i) * simd_s(&b, size, from + i);
        // Only the square of the most negative number has no double.
        const bool over = p == 1ll << (2 * (8u << size) - 2);
        *sat |= over;
        simd_put(&r, size + 1, i, over ? (uint64_t)p * 2 - 1 : (uint64_t)p * 2);
    }
    return r;
}

static ALWAYS_INLINE union vreg qdmlal(struct env *e, union vreg d, union vreg a, union vreg b,
                                       unsigned size, unsigned q, bool subtract)
{
    bool sat = false;
    const union vreg p = qdmull(a, b, size, q, &sat);
    union vreg r = {.vu64 = {0, 0}};
    for (unsigned i = 0; i < (q == 2 ? 1 : 8u >> size); i++) {
        const __int128 x = simd_s(&d, size + 1, i), y = simd_s(&p, size + 1, i);
        simd_put(&r, size + 1, i, CLAMP(__int128, subtract ? x - y : x + y, size + 1, 0, sat));
    }
    SET_QC(sat);
    return r;
}

OP(qdmull)
{
    bool sat = false;
    SET_V(rd, qdmull(V(rn), V(rm), size, q, &sat));
    SET_QC(sat);
}

OP(qdmull_e)
{
    bool sat = false;
    SET_V(rd, qdmull(V(rn), simd_dup(size, simd_u(VR(rm), size, index)), size, q, &sat));
    SET_QC(sat);
}

OP(qdmlal)
{
    SET_V(rd, qdmlal(e, V(rd), V(rn), V(rm), size, q, s));
}

OP(qdmlal_e)
{
    SET_V(rd, qdmlal(e, V(rd), V(rn), simd_dup(size, simd_u(VR(rm), size, index)), size, q, s));
}

// --- Narrowing -----------------------------------------------------------------------------------
// Lanes of twice `size` to `size`: from signed (su = 0) or unsigned, to signed (du = 0) or
// unsigned.
static ALWAYS_INLINE union vreg narrow(struct env *e, union vreg a, unsigned size, unsigned q,
                                       unsigned su, unsigned du)
{
    union vreg r = {.vu64 = {0, 0}};
    bool sat = false;
    for (unsigned i = 0; i < (q == 2 ? 1 : 8u >> size); i++)
        simd_put(&r, size, i,
                 size < 2 ? CLAMP(int64_t, lane64(&a, size + 1, i, su), size, du, sat)
                          : CLAMP(__int128, lane128(&a, size + 1, i, su), size, du, sat));
    SET_QC(sat);
    return r;
}

OP(qxtn)
{
    SET_V(rd, simd_put_half(V(rd), narrow(e, V(rn), size, q, u, u), size, q));
}

OP(sqxtun)
{
    SET_V(rd, simd_put_half(V(rd), narrow(e, V(rn), size, q, 0, 1), size, q));
}

// Lanes of twice `size` shifted right by `by` (1 .. 8 << size), rounded.
static ALWAYS_INLINE union vreg shifted(union vreg a, unsigned size, unsigned by, unsigned u,
                                        bool round)
{
    union vreg r;
    const unsigned less = by - 1;
    if (u)
        LANEWISE1(r, vu, size + 1, (A >> (E)less >> 1) + (round ? A >> (E)less & 1 : A & 0));
    else
        LANEWISE1(r, vs, size + 1, (A >> (E)less >> 1) + (round ? A >> (E)less & 1 : A & 0));
    return r;
}

OP(qshrn)
{
    const union vreg a = shifted(V(rn), size, by, u, r);
    SET_V(rd, simd_put_half(V(rd), narrow(e, a, size, q, u, u), size, q));
}

OP(sqshrun)
{
    const union vreg a = shifted(V(rn), size, by, 0, r);
    SET_V(rd, simd_put_half(V(rd), narrow(e, a, size, q, 0, 1), size, q));
}

// --- Shifts by a register ------------------------------------------------------------------------
// x shifted by `by`, negative to the right; rounded if `round`, clamped if `s`. T holds every
// intermediate value of one lane, once `by` is limited to the width.
#define SHIFT_LANE(T, x, by, size, u, round, s, sat)                                               \
    ({                                                                                             \
        const int width_ = 8 << (size);                                                            \
        const T v_ = (x);                                                                          \
        uint64_t out_;                                                                             \
        if ((by) >= width_) {                                                                      \
            out_ = 0;                                                                              \
            if (s)                                                                                 \
                out_ = CLAMP(T,                                                                    \
                             v_ == 0  ? v_                                                         \
                             : v_ < 0 ? -((T)1 << width_)                                          \
                                      : (T)1 << width_,                                            \
                             size, u, sat);                                                        \
        } else if ((by) >= 0) {                                                                    \
            const T l_ = v_ * ((T)1 << (by));                                                      \
            out_ = (s) ? CLAMP(T, l_, size, u, sat) : (uint64_t)l_;                                \
        } else {                                                                                   \
            const int n_ = -(by) > width_ + 1 ? width_ + 1 : -(by);                                \
            out_ = (uint64_t)((v_ + ((round) ? (T)1 << (n_ - 1) : 0)) >> n_);                      \
        }                                                                                          \
        out_;                                                                                      \
    })

OP(shl_reg)
{
    const union vreg a = V(rn), b = V(rm);
    union vreg out = {.vu64 = {0, 0}};
    bool sat = false;
    FOR_LANES(i)
    {
        const int by = (int8_t)simd_u(&b, size, i);
        uint64_t v;
        if (size == 3)
            v = SHIFT_LANE(__int128, lane128(&a, size, i, u), by, size, u, r, s, sat);
        else
            v = SHIFT_LANE(int64_t, lane64(&a, size, i, u), by, size, u, r, s, sat);
        simd_put(&out, size, i, v);
    }
    SET_QC(sat);
    SIMD_OUT(rd, out);
}

// Left by an immediate, clamped. SQSHLU: from signed to unsigned.
OP(qshl_imm)
{
    const union vreg a = V(rn);
    union vreg r = {.vu64 = {0, 0}};
    bool sat = false;
    FOR_LANES(i)
    {
        const __int128 x = lane128(&a, size, i, u) * ((__int128)1 << by);
        simd_put(&r, size, i, CLAMP(__int128, x, size, u, sat));
    }
    SET_QC(sat);
    SIMD_OUT(rd, r);
}

OP(sqshlu)
{
    const union vreg a = V(rn);
    union vreg r = {.vu64 = {0, 0}};
    bool sat = false;
    FOR_LANES(i)
    {
        const __int128 x = lane128(&a, size, i, 0) * ((__int128)1 << by);
        simd_put(&r, size, i, CLAMP(__int128, x, size, 1, sat));
    }
    SET_QC(sat);
    SIMD_OUT(rd, r);
}
