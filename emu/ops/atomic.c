// Exclusives, acquire/release and LSE atomics, as host atomics. Alignment is checked before
// anything else, so none of them straddles a page. Every read-modify-write is sequentially
// consistent, which is no weaker than any combination of acquire and release the guest asks for.
#include "emu/op.h"

// One value of 1 << size bytes.
static ALWAYS_INLINE uint64_t atomic_get(const void *p, unsigned size, int order)
{
    switch (size) {
    case 0:
        return __atomic_load_n((const uint8_t *)p, order);
    case 1:
        return __atomic_load_n((const uint16_t *)p, order);
    case 2:
        return __atomic_load_n((const uint32_t *)p, order);
    default:
        return __atomic_load_n((const uint64_t *)p, order);
    }
}

static ALWAYS_INLINE void atomic_put(void *p, unsigned size, uint64_t v)
{
    switch (size) {
    case 0:
        __atomic_store_n((uint8_t *)p, (uint8_t)v, __ATOMIC_SEQ_CST);
        return;
    case 1:
        __atomic_store_n((uint16_t *)p, (uint16_t)v, __ATOMIC_SEQ_CST);
        return;
    case 2:
        __atomic_store_n((uint32_t *)p, (uint32_t)v, __ATOMIC_SEQ_CST);
        return;
    default:
        __atomic_store_n((uint64_t *)p, v, __ATOMIC_SEQ_CST);
        return;
    }
}

#define CAS_AT(T, p, expected, desired)                                                            \
    ({                                                                                             \
        T cas_old_ = (T) * (expected);                                                             \
        bool cas_ok_ = __atomic_compare_exchange_n((T *)(p), &cas_old_, (T)(desired), false,       \
                                                   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);            \
        *(expected) = cas_old_;                                                                    \
        cas_ok_;                                                                                   \
    })

// Compare and swap; *expected becomes what was there. Compares the low 1 << size bytes.
static ALWAYS_INLINE bool atomic_cas(void *p, unsigned size, uint64_t *expected, uint64_t desired)
{
    switch (size) {
    case 0:
        return CAS_AT(uint8_t, p, expected, desired);
    case 1:
        return CAS_AT(uint16_t, p, expected, desired);
    case 2:
        return CAS_AT(uint32_t, p, expected, desired);
    default:
        return CAS_AT(uint64_t, p, expected, desired);
    }
}

// 16 bytes. The __sync form because compilers expand it in place where they would call a library
// for the __atomic one.
static ALWAYS_INLINE bool atomic_cas16(void *p, uint64_t expected[2], uint64_t lo, uint64_t hi)
{
    __uint128_t want = (__uint128_t)expected[1] << 64 | expected[0];
    __uint128_t old =
        __sync_val_compare_and_swap((__uint128_t *)p, want, (__uint128_t)hi << 64 | lo);
    expected[0] = (uint64_t)old;
    expected[1] = (uint64_t)(old >> 64);
    return old == want;
}

// --- Acquire and release -------------------------------------------------------------------------
OP(ldar)
{
    const char *p;
    uint64_t addr = X(rn);
    CHECK_ALIGNED(addr, 1u << size, MEM_READ);
    READ_AT(p, addr, 1u << size);
    SET_X(rt, atomic_get(p, size, __ATOMIC_SEQ_CST));
}

OP(ldapr)
{
    const char *p;
    uint64_t addr = X(rn);
    CHECK_ALIGNED(addr, 1u << size, MEM_READ);
    READ_AT(p, addr, 1u << size);
    SET_X(rt, atomic_get(p, size, __ATOMIC_ACQUIRE));
}

OP(stlr)
{
    char *p;
    uint64_t addr = X(rn);
    CHECK_ALIGNED(addr, 1u << size, MEM_WRITE);
    WRITE_AT(p, addr, 1u << size);
    atomic_put(p, size, X(rt));
}

OP(ldapur)
{
    const char *p;
    uint64_t addr = X(rn) + (uint64_t)imm;
    CHECK_ALIGNED(addr, 1u << size, MEM_READ);
    READ_AT(p, addr, 1u << size);
    SET_X(rt, atomic_get(p, size, __ATOMIC_ACQUIRE));
}

// n: extended to 32 bits only.
OP(ldapurs)
{
    const char *p;
    uint64_t addr = X(rn) + (uint64_t)imm;
    CHECK_ALIGNED(addr, 1u << size, MEM_READ);
    READ_AT(p, addr, 1u << size);
    const unsigned up = 64 - (8u << size);
    const uint64_t v = (uint64_t)((int64_t)(atomic_get(p, size, __ATOMIC_ACQUIRE) << up) >> up);
    SET_X(rt, n ? (uint32_t)v : v);
}

OP(stlur)
{
    char *p;
    uint64_t addr = X(rn) + (uint64_t)imm;
    CHECK_ALIGNED(addr, 1u << size, MEM_WRITE);
    WRITE_AT(p, addr, 1u << size);
    atomic_put(p, size, X(rt));
}

// --- Exclusives ----------------------------------------------------------------------------------
// The monitor remembers address, size and value; a store-exclusive is a compare-and-swap with that
// value. It gets a writable page first, so that a copy-on-write fault cannot come between.
OP(ldxr)
{
    const char *p;
    uint64_t addr = X(rn);
    CHECK_ALIGNED(addr, 1u << size, MEM_READ);
    READ_AT(p, addr, 1u << size);
    uint64_t v = atomic_get(p, size, o0 ? __ATOMIC_SEQ_CST : __ATOMIC_RELAXED);
    e->cpu->excl_addr = cpu_untag(addr);
    e->cpu->excl_size = 1u << size;
    e->cpu->excl_value[0] = v;
    SET_X(rt, v);
}

OP(stxr)
{
    char *p;
    uint64_t addr = X(rn);
    CHECK_ALIGNED(addr, 1u << size, MEM_WRITE);
    WRITE_AT(p, addr, 1u << size);
    struct cpu *cpu = e->cpu;
    bool mine = cpu->excl_size == 1u << size && cpu->excl_addr == cpu_untag(addr);
    cpu->excl_size = 0;
    SET_W(rs, !(mine && atomic_cas(p, size, &cpu->excl_value[0], X(rt))));
}

// A pair of words is one 64-bit access; a pair of doublewords is single-copy atomic only if the
// store-exclusive succeeds, which compares all of it.
OP(ldxp)
{
    const char *p;
    uint64_t addr = X(rn);
    const int order = o0 ? __ATOMIC_SEQ_CST : __ATOMIC_RELAXED;
    CHECK_ALIGNED(addr, sf ? 16 : 8, MEM_READ);
    READ_AT(p, addr, sf ? 16 : 8);
    uint64_t lo = atomic_get(p, 3, order);
    uint64_t hi = sf ? atomic_get(p + 8, 3, order) : 0;
    e->cpu->excl_addr = cpu_untag(addr);
    e->cpu->excl_size = sf ? 16 : 8;
    e->cpu->excl_value[0] = lo;
    e->cpu->excl_value[1] = hi;
    SET_X(rt, sf ? lo : (uint32_t)lo);
    SET_X(rt2, sf ? hi : lo >> 32);
}

OP(stxp)
{
    char *p;
    uint64_t addr = X(rn), lo = X(rt), hi = X(rt2);
    const unsigned bytes = sf ? 16 : 8;
    CHECK_ALIGNED(addr, bytes, MEM_WRITE);
    WRITE_AT(p, addr, bytes);
    struct cpu *cpu = e->cpu;
    bool ok = cpu->excl_size == bytes && cpu->excl_addr == cpu_untag(addr);
    cpu->excl_size = 0;
    if (ok && sf)
        ok = atomic_cas16(p, cpu->excl_value, lo, hi);
    else if (ok)
        ok = atomic_cas(p, 3, &cpu->excl_value[0], hi << 32 | (uint32_t)lo);
    SET_W(rs, !ok);
}

OP(clrex)
{
    e->cpu->excl_size = 0;
}

// --- LSE -----------------------------------------------------------------------------------------
OP(cas)
{
    char *p;
    uint64_t addr = X(rn), v = X(rs);
    CHECK_ALIGNED(addr, 1u << size, MEM_WRITE);
    WRITE_AT(p, addr, 1u << size);
    (void)atomic_cas(p, size, &v, X(rt));
    SET_X(old, v);
}

OP(casp)
{
    char *p;
    uint64_t addr = X(rn);
    CHECK_ALIGNED(addr, sf ? 16 : 8, MEM_WRITE);
    WRITE_AT(p, addr, sf ? 16 : 8);
    if (sf) {
        uint64_t v[2] = {X(rs), X(rs_hi)};
        (void)atomic_cas16(p, v, X(rt), X(rt_hi));
        SET_X(old, v[0]);
        SET_X(old_hi, v[1]);
    } else {
        uint64_t v = X(rs_hi) << 32 | W(rs);
        (void)atomic_cas(p, 3, &v, X(rt_hi) << 32 | W(rt));
        SET_X(old, (uint32_t)v);
        SET_X(old_hi, v >> 32);
    }
}

static ALWAYS_INLINE uint64_t atomic_combine(uint64_t old, uint64_t v, unsigned size, unsigned what)
{
    unsigned drop = 64 - (8u << size);
    uint64_t a = old << drop, b = v << drop;
    switch (what) {
    case 4:
        return (int64_t)a > (int64_t)b ? old : v;
    case 5:
        return (int64_t)a < (int64_t)b ? old : v;
    case 6:
        return a > b ? old : v;
    default:
        return a < b ? old : v;
    }
}

#define RMW_AT(T, p, v)                                                                            \
    (what == 0   ? __atomic_fetch_add((T *)(p), (T)(v), __ATOMIC_SEQ_CST)                          \
     : what == 1 ? __atomic_fetch_and((T *)(p), (T)(~(v)), __ATOMIC_SEQ_CST)                       \
     : what == 2 ? __atomic_fetch_xor((T *)(p), (T)(v), __ATOMIC_SEQ_CST)                          \
     : what == 3 ? __atomic_fetch_or((T *)(p), (T)(v), __ATOMIC_SEQ_CST)                           \
                 : __atomic_exchange_n((T *)(p), (T)(v), __ATOMIC_SEQ_CST))

// what: 0 add, 1 clear, 2 exclusive or, 3 set, 4 signed max, 5 signed min, 6 unsigned max,
// 7 unsigned min, 8 swap.
OP(atomic)
{
    char *p;
    uint64_t addr = X(rn), v = X(rs), old;
    CHECK_ALIGNED(addr, 1u << size, MEM_WRITE);
    WRITE_AT(p, addr, 1u << size);
    if (what >= 4 && what <= 7) {
        old = atomic_get(p, size, __ATOMIC_RELAXED);
        while (!atomic_cas(p, size, &old, atomic_combine(old, v, size, what)))
            ;
    } else if (size == 0) {
        old = RMW_AT(uint8_t, p, v);
    } else if (size == 1) {
        old = RMW_AT(uint16_t, p, v);
    } else if (size == 2) {
        old = RMW_AT(uint32_t, p, v);
    } else {
        old = RMW_AT(uint64_t, p, v);
    }
    SET_X(rt, old);
}
