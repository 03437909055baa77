// What an OP() body may use. Layer 2; included by emu/ops/*.c and nothing else outside the engine.
//
// A body describes one row of a64.tbl:
//
//     OP(add_reg)                      // named by the row (or its `body`)
//     {
//         SET_XW(rd, XW(rn) + XW(rm));
//     }
//
// It is inlined into every gadget the table asks for, so that what the table lists under `expand`
// (sf, size, q ...) is a compile-time constant in it, and a register operand is either a byte of
// the record or a host register. Rules:
//   - registers, flags and memory only through the accessors below; operands by the names of the
//   row
//   - a load or store may leave the body (miss, fault) and the body is run again later: nothing
//   that
//     the guest can see may be changed before the last LOAD/STORE/READ_AT/WRITE_AT
//   - all guest memory that one instruction touches is one contiguous range, obtained by one
//   accessor
//   - no goto, no static data that can change, no call that may not return; calls of helper
//   functions
//     only on cold paths or for heavy work (a call saves and restores the pins)
//   - a body that ends normally continues with the next record
#ifndef EMU_OP_H
#define EMU_OP_H

#include "emu/a64_params.h"
#include "emu/cpu.h"
#include "emu/dispatch.h"
#include "emu/insn.h"
#include "emu/mem.h"
#include "emu/thread_code.h"
#include "platform/base/compiler.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// How a body ended; constant on each path, so that the compiler turns it into a jump.
enum op_status {
    OP_NEXT,   // continue with the next record
    OP_JUMP,   // continue with e->ip
    OP_SKIP,   // a branch not taken: continue with what follows the block
    OP_MISS,   // memory access needs the slow path; cpu->miss_* say which
    OP_TRAP,   // cpu->trap says why to leave
    OP_POKE,   // leave, somebody poked
    OP_SLOW,   // floating point that the host cannot do: cpu->job says what
    OP_SP,     // done, but SP is no multiple of 16 now: see cpu.c
    OP_LOOKUP, // continue at cpu->pc, which no lookup structure of this thread knows
};

// What the last flag-setting body in this gadget compared, so that a fused consumer can use it
// directly; the flags are always stored as well.
enum flag_source { FLAGS_STORED, FLAGS_SUB64, FLAGS_SUB32, FLAGS_LOGIC };

// The state of the machine while gadgets run; lives in host registers.
struct env {
    const struct insn *ip;
    struct cpu *cpu;
    // Last page that this mem may read and write: guest address of its first byte, and what to add
    // to a guest address in it to get the host's.
    uint64_t tag;
    uintptr_t addend;
    enum op_status status;
    enum flag_source flags;
    uint64_t flag_a, flag_b;
#define PIN_FIELD(i, reg) uint64_t p##i;
    PINS(PIN_FIELD)
};

#define OP(name) static ALWAYS_INLINE NO_TSAN void op_##name(OP_PARAMS_##name)

// --- Operands ------------------------------------------------------------------------------------
// Where a general register operand is: byte n of the record names its slot, or it is register
// n - 8, or (negative) pin ~n.
struct xreg {
    int n;
};
// A SIMD and FP register operand: byte n of the record is its number.
struct vreg_ref {
    int n;
};

#define XREF(i)          ((struct xreg){i})
#define XFIXED(reg)      op_fixed((struct xreg){8 + (reg)})
#define XPIN(i)          ((struct xreg){~(i)})
#define VREF(i)          ((struct vreg_ref){i})
#define IMM32            ((int64_t)e.ip->imm)
#define IMM56            ((int64_t)e.ip->wide >> 8)
#define IMM_POOL         (*(const uint64_t *)((const char *)e.ip + e.ip->imm))
#define PACKED(at, mask) (((uint32_t)e.ip->imm >> (at)) & (mask))

// A register known when the gadget was made (bytes 8 and up of no record).
static ALWAYS_INLINE struct xreg op_fixed(struct xreg r)
{
    switch (r.n - 8) {
#define PIN_FIXED(i, reg)                                                                          \
    case reg:                                                                                      \
        return XPIN(i);
        PINS(PIN_FIXED)
    default:
        return r;
    }
}

static ALWAYS_INLINE NO_TSAN uint64_t op_get_x(const struct env *e, struct xreg r)
{
    switch (~r.n) {
#define PIN_GET(i, reg)                                                                            \
    case i:                                                                                        \
        return e->p##i;
        PINS(PIN_GET)
    default:
        return r.n >= 8 ? e->cpu->x[r.n - 8] : e->cpu->x[e->ip->r[r.n]];
    }
}

// A pin is a copy: cpu->x is always current, so any gadget may read a pinned register there.
static ALWAYS_INLINE NO_TSAN void op_set_x(struct env *e, struct xreg r, uint64_t v)
{
    switch (~r.n) {
#define PIN_SET(i, reg)                                                                            \
    case i:                                                                                        \
        e->p##i = v;                                                                               \
        e->cpu->x[reg] = v;                                                                        \
        return;
        PINS(PIN_SET)
    default:
        if (r.n >= 8)
            e->cpu->x[r.n - 8] = v;
        else
            e->cpu->x[e->ip->r[r.n]] = v;
    }
}

// General registers: 64 bits, or the low 32 (a 32-bit write clears the upper half).
#define X(r)        op_get_x(e, r)
#define W(r)        ((uint32_t)op_get_x(e, r))
#define SET_X(r, v) op_set_x(e, r, v)
#define SET_W(r, v) op_set_x(e, r, (uint32_t)(v))
// Width by the row's constant `sf`; XW is zero-extended, SXW sign-extended.
#define XW(r)        (sf ? X(r) : (uint64_t)W(r))
#define SXW(r)       (sf ? (int64_t)X(r) : (int64_t)(int32_t)W(r))
#define SET_XW(r, v) op_set_x(e, r, sf ? (uint64_t)(v) : (uint64_t)(uint32_t)(v))

// SIMD and FP registers. V(r) is the 128-bit register by value; SET_V writes all of it. VR(r) and
// VW(r) are pointers for lane access (VW: the destination; other lanes keep their value). Writes of
// a B/H/S/D scalar clear the rest of the register.
#define V(r)  (*op_v(e, r))
#define VR(r) ((const union vreg *)op_v(e, r))
#define VW(r) op_v(e, r)
#define SET_V(r, v)                                                                                \
    do {                                                                                           \
        /* As one vector store, which later loads of any part can be forwarded from. */            \
        const union vreg set_v_ = (v);                                                             \
        op_v(e, r)->vu64 = set_v_.vu64;                                                            \
    } while (0)
#define VQ(r)        (op_v(e, r)->q)
#define VD(r)        (op_v(e, r)->d[0])
#define VS(r)        (op_v(e, r)->s[0])
#define VH(r)        (op_v(e, r)->h[0])
#define VB(r)        (op_v(e, r)->b[0])
#define SET_VQ(r, v) ((void)(op_v(e, r)->q = (v)))
#define SET_VD(r, v) op_set_d(e, r, v)
#define SET_VS(r, v) op_set_d(e, r, (uint32_t)(v))
#define SET_VH(r, v) op_set_d(e, r, (uint16_t)(v))
#define SET_VB(r, v) op_set_d(e, r, (uint8_t)(v))
// The i-th register after r, modulo 32 (lists of LD1..LD4, TBL).
#define VNEXT(reg, i) op_v_slot(e, (e->ip->r[(reg).n] + 2 * (i)) & 63)

static ALWAYS_INLINE NO_TSAN union vreg *op_v_slot(const struct env *e, unsigned slot)
{
    return (union vreg *)(void *)((char *)e->cpu->v + slot * 8u);
}

static ALWAYS_INLINE NO_TSAN union vreg *op_v(const struct env *e, struct vreg_ref r)
{
    return op_v_slot(e, e->ip->r[r.n]);
}

static ALWAYS_INLINE NO_TSAN void op_set_d(const struct env *e, struct vreg_ref r, uint64_t v)
{
    // One store of 16 bytes: a later load of all of it can be forwarded from it.
    *op_v(e, r) = (union vreg){.vu64 = {v, 0}};
}

// Bits of floating-point values.
static ALWAYS_INLINE double op_f64(uint64_t v)
{
    double f;
    __builtin_memcpy(&f, &v, 8);
    return f;
}
static ALWAYS_INLINE float op_f32(uint32_t v)
{
    float f;
    __builtin_memcpy(&f, &v, 4);
    return f;
}
static ALWAYS_INLINE uint64_t op_bits64(double f)
{
    uint64_t v;
    __builtin_memcpy(&v, &f, 8);
    return v;
}
static ALWAYS_INLINE uint32_t op_bits32(float f)
{
    uint32_t v;
    __builtin_memcpy(&v, &f, 4);
    return v;
}

// --- Flags ---------------------------------------------------------------------------------------
#define FLAG_N               ((unsigned)(e->cpu->flag_n >> 63))
#define FLAG_Z               ((unsigned)(e->cpu->flag_z == 0))
#define FLAG_C               ((unsigned)e->cpu->flag_c)
#define FLAG_V               ((unsigned)e->cpu->flag_v)
#define SET_NZCV(n, z, c, v) op_set_nzcv(e, n, z, c, v)

static ALWAYS_INLINE NO_TSAN void op_set_nzcv(struct env *e, bool n, bool z, bool c, bool v)
{
    e->cpu->flag_n = (uint64_t)n << 63;
    e->cpu->flag_z = !z;
    e->cpu->flag_c = c;
    e->cpu->flag_v = v;
    e->flags = FLAGS_STORED;
}

// a + b, a - b (sf: 64 bits, else 32, zero-extended) with all four flags set.
static ALWAYS_INLINE NO_TSAN uint64_t op_adds(struct env *e, bool sf, uint64_t a, uint64_t b)
{
    struct cpu *cpu = e->cpu;
    e->flags = FLAGS_STORED;
    if (sf) {
        int64_t s;
        cpu->flag_v = __builtin_add_overflow((int64_t)a, (int64_t)b, &s);
        cpu->flag_n = cpu->flag_z = (uint64_t)s;
        cpu->flag_c = (uint64_t)s < a;
        return (uint64_t)s;
    }
    int32_t s;
    cpu->flag_v = __builtin_add_overflow((int32_t)a, (int32_t)b, &s);
    cpu->flag_n = cpu->flag_z = (uint64_t)(int64_t)s;
    cpu->flag_c = (uint32_t)s < (uint32_t)a;
    return (uint32_t)s;
}

static ALWAYS_INLINE NO_TSAN uint64_t op_subs(struct env *e, bool sf, uint64_t a, uint64_t b)
{
    struct cpu *cpu = e->cpu;
    e->flag_a = a;
    e->flag_b = b;
    if (sf) {
        int64_t s;
        cpu->flag_v = __builtin_sub_overflow((int64_t)a, (int64_t)b, &s);
        cpu->flag_n = cpu->flag_z = (uint64_t)s;
        cpu->flag_c = a >= b;
        e->flags = FLAGS_SUB64;
        return (uint64_t)s;
    }
    int32_t s;
    cpu->flag_v = __builtin_sub_overflow((int32_t)a, (int32_t)b, &s);
    cpu->flag_n = cpu->flag_z = (uint64_t)(int64_t)s;
    cpu->flag_c = (uint32_t)a >= (uint32_t)b;
    e->flags = FLAGS_SUB32;
    return (uint32_t)s;
}

// Flags of ANDS and BICS: N and Z of the result, C = V = 0. Returns the result at its width.
static ALWAYS_INLINE NO_TSAN uint64_t op_logic_flags(struct env *e, bool sf, uint64_t r)
{
    int64_t s = sf ? (int64_t)r : (int64_t)(int32_t)r;
    e->cpu->flag_n = e->cpu->flag_z = (uint64_t)s;
    e->cpu->flag_c = e->cpu->flag_v = 0;
    e->flags = FLAGS_LOGIC;
    e->flag_a = (uint64_t)s;
    return sf ? r : (uint32_t)r;
}
#define ADDS(a, b)     op_adds(e, sf, a, b)
#define SUBS(a, b)     op_subs(e, sf, a, b)
#define LOGIC_FLAGS(r) op_logic_flags(e, sf, r)

// Whether condition `cond` (a compile-time constant, 0..15) holds.
#define COND(cond) op_cond(e, cond)

static ALWAYS_INLINE NO_TSAN bool op_cond_base(const struct env *e, unsigned which)
{
    if (e->flags == FLAGS_SUB64) {
        uint64_t a = e->flag_a, b = e->flag_b;
        switch (which) {
        case 0:
            return a == b;
        case 1:
            return a >= b;
        case 4:
            return a > b;
        case 5:
            return (int64_t)a >= (int64_t)b;
        case 6:
            return (int64_t)a > (int64_t)b;
        default:
            break;
        }
    }
    if (e->flags == FLAGS_SUB32) {
        uint32_t a = (uint32_t)e->flag_a, b = (uint32_t)e->flag_b;
        switch (which) {
        case 0:
            return a == b;
        case 1:
            return a >= b;
        case 4:
            return a > b;
        case 5:
            return (int32_t)a >= (int32_t)b;
        case 6:
            return (int32_t)a > (int32_t)b;
        default:
            break;
        }
    }
    if (e->flags == FLAGS_LOGIC) {
        int64_t r = (int64_t)e->flag_a;
        switch (which) {
        case 0:
            return r == 0;
        case 2:
            return r < 0;
        case 5:
            return r >= 0;
        case 6:
            return r > 0;
        default:
            break;
        }
    }
    switch (which) {
    case 0:
        return FLAG_Z;
    case 1:
        return FLAG_C;
    case 2:
        return FLAG_N;
    case 3:
        return FLAG_V;
    case 4:
        return FLAG_C && !FLAG_Z;
    case 5:
        return FLAG_N == FLAG_V;
    case 6:
        return FLAG_N == FLAG_V && !FLAG_Z;
    default:
        return true;
    }
}

static ALWAYS_INLINE NO_TSAN bool op_cond(const struct env *e, unsigned cond)
{
    bool base = op_cond_base(e, cond >> 1);
    return (cond & 1) && cond != 15 ? !base : base;
}

// --- Memory --------------------------------------------------------------------------------------
// READ_AT/WRITE_AT(pointer variable, address, size): the host address of `size` <= 64 contiguous
// bytes that may be read / written, or leave the body. The pointer is good until the body ends.
#define READ_AT(p, addr, size)                                                                     \
    do {                                                                                           \
        (p) = op_at(e, (addr), (size), MEM_READ);                                                  \
        if (UNLIKELY(e->status != OP_NEXT))                                                        \
            return;                                                                                \
    } while (0)
#define WRITE_AT(p, addr, size)                                                                    \
    do {                                                                                           \
        (p) = op_at(e, (addr), (size), MEM_WRITE);                                                 \
        if (UNLIKELY(e->status != OP_NEXT))                                                        \
            return;                                                                                \
    } while (0)

// T: uint8_t .. uint64_t, int8_t .. int64_t, __uint128_t. One volatile host access each.
#define LOAD(T, addr)                                                                              \
    ({                                                                                             \
        const char *load_at_;                                                                      \
        READ_AT(load_at_, addr, sizeof(T));                                                        \
        GUEST_GET(T, load_at_);                                                                    \
    })
#define STORE(T, addr, value)                                                                      \
    do {                                                                                           \
        char *store_at_;                                                                           \
        WRITE_AT(store_at_, addr, sizeof(T));                                                      \
        GUEST_PUT(T, store_at_, value);                                                            \
    } while (0)

// Access through a pointer of READ_AT or WRITE_AT; unaligned is fine. A macro and not a function
// because the type makes the access.
#define GUEST_GET(T, p)    (((const volatile struct { T v; } PACKED_ALIAS *)(p))->v)
#define GUEST_PUT(T, p, x) ((void)(((volatile struct { T v; } PACKED_ALIAS *)(p))->v = (T)(x)))
#define PACKED_ALIAS       __attribute__((packed, may_alias))

// Zero- and sign-extended loads, and stores, of 1 << size bytes, size a constant 0..3.
#define LOAD_U(size, addr)                                                                         \
    ({                                                                                             \
        const char *load_at_;                                                                      \
        READ_AT(load_at_, addr, 1u << (size));                                                     \
        op_get(load_at_, size);                                                                    \
    })
#define LOAD_S(size, addr)                                                                         \
    ({                                                                                             \
        const char *load_at_;                                                                      \
        READ_AT(load_at_, addr, 1u << (size));                                                     \
        op_get_signed(load_at_, size);                                                             \
    })
#define STORE_U(size, addr, value)                                                                 \
    do {                                                                                           \
        char *store_at_;                                                                           \
        WRITE_AT(store_at_, addr, 1u << (size));                                                   \
        op_put(store_at_, size, value);                                                            \
    } while (0)

static ALWAYS_INLINE NO_TSAN uint64_t op_get(const char *p, unsigned size)
{
    switch (size) {
    case 0:
        return GUEST_GET(uint8_t, p);
    case 1:
        return GUEST_GET(uint16_t, p);
    case 2:
        return GUEST_GET(uint32_t, p);
    default:
        return GUEST_GET(uint64_t, p);
    }
}

static ALWAYS_INLINE NO_TSAN uint64_t op_get_signed(const char *p, unsigned size)
{
    switch (size) {
    case 0:
        return (uint64_t)(int64_t)GUEST_GET(int8_t, p);
    case 1:
        return (uint64_t)(int64_t)GUEST_GET(int16_t, p);
    case 2:
        return (uint64_t)(int64_t)GUEST_GET(int32_t, p);
    default:
        return GUEST_GET(uint64_t, p);
    }
}

static ALWAYS_INLINE NO_TSAN void op_put(char *p, unsigned size, uint64_t v)
{
    switch (size) {
    case 0:
        GUEST_PUT(uint8_t, p, v);
        return;
    case 1:
        GUEST_PUT(uint16_t, p, v);
        return;
    case 2:
        GUEST_PUT(uint32_t, p, v);
        return;
    default:
        GUEST_PUT(uint64_t, p, v);
        return;
    }
}

static ALWAYS_INLINE NO_TSAN void *op_at(struct env *e, uint64_t addr, unsigned size,
                                         enum mem_access access)
{
    // One unsigned comparison: inside the last page, first byte and last.
    uintptr_t addend = e->addend;
    if (UNLIKELY(addr - e->tag > MEM_PAGE_SIZE - size)) {
        const struct tlb_entry *t = &e->cpu->tlb->entry[tlb_index(addr)];
        IN_REGISTER(t);
        uint64_t tag = access == MEM_READ ? t->read_tag : t->write_tag;
        if (UNLIKELY(addr - tag > MEM_PAGE_SIZE - size)) {
            e->cpu->miss_addr = addr;
            e->cpu->miss_size = size;
            e->cpu->miss_access = access;
            e->status = OP_MISS;
            return NULL;
        }
        // Choices and not branches: accesses alternate between kinds of pages.
        bool both = t->read_tag == t->write_tag;
        addend = t->addend;
        e->tag = both ? tag : e->tag;
        e->addend = both ? addend : e->addend;
    }
    return (void *)(uintptr_t)(addr + addend);
}

// Leaves with TRAP_ALIGN unless `addr` is a multiple of `size` (a power of two).
#define CHECK_ALIGNED(addr, size, how)                                                             \
    do {                                                                                           \
        if (UNLIKELY((addr) & ((size) - 1))) {                                                     \
            op_trap(e, TRAP_ALIGN, 0, (addr), (how));                                              \
            return;                                                                                \
        }                                                                                          \
    } while (0)

// --- Control -------------------------------------------------------------------------------------
static ALWAYS_INLINE NO_TSAN void op_trap(struct env *e, enum trap_kind kind, uint32_t imm,
                                          uint64_t addr, enum mem_access access)
{
    e->cpu->trap = (struct trap){kind, access, imm, addr};
    e->status = OP_TRAP;
}

// Leaves cpu_run with this trap at this instruction (TRAP_SVC: behind it).
#define TRAP(kind, imm)                                                                            \
    do {                                                                                           \
        op_trap(e, kind, imm, 0, MEM_READ);                                                        \
        return;                                                                                    \
    } while (0)

// A volatile access where a relaxed atomic one is meant: compilers compare it in place.
static ALWAYS_INLINE NO_TSAN bool op_poked(const struct env *e)
{
    const volatile void *poke = &e->cpu->poke;
    return *(const volatile uint32_t *)poke != 0;
}

// Leaves if somebody poked; comes first in the body, because the instruction is run again.
#define POLL()                                                                                     \
    do {                                                                                           \
        if (UNLIKELY(op_poked(e))) {                                                               \
            e->status = OP_POKE;                                                                   \
            return;                                                                                \
        }                                                                                          \
    } while (0)

// Direct branches (rows with `target`). The body sees two constants: `poll` says that it goes
// backward; `direct`, of no concern to it, how the record holds the successor.
#define JUMP()                                                                                     \
    do {                                                                                           \
        e->ip = direct ? insn_direct(e->ip) : insn_target(e->ip);                                  \
        e->status = OP_JUMP;                                                                       \
    } while (0)
// Not taken: what follows the block, which the next record knows.
#define BRANCH_IF(c)                                                                               \
    do {                                                                                           \
        if (c) {                                                                                   \
            e->ip = direct ? insn_direct(e->ip) : insn_target(e->ip);                              \
            e->status = OP_JUMP;                                                                   \
        } else {                                                                                   \
            e->status = OP_SKIP;                                                                   \
        }                                                                                          \
    } while (0)

// Address of the instruction behind a BL, BLR or conditional branch.
#define RETURN_ADDRESS() (((const struct block *)(e->ip + 2))->end_pc)
// Remembers where the matching RET will go.
#define PUSH_RETURN() op_push_return(e)
// Continues at a computed address: RETURN for RET (tries the return stack), else BRANCH_TO.
#define BRANCH_TO(pc) op_branch_to(e, pc)
#define RETURN_TO(pc) op_return_to(e, pc)

static ALWAYS_INLINE NO_TSAN void op_push_return(struct env *e)
{
    struct thread_code *tc = e->cpu->code;
    uint32_t top = (tc->return_top + 1) & (RETURN_STACK - 1);
    tc->return_top = top;
    tc->returns[top].pc = RETURN_ADDRESS();
    tc->returns[top].ip = block_next((const struct block *)(e->ip + 2));
}

static ALWAYS_INLINE NO_TSAN void op_branch_to(struct env *e, uint64_t pc)
{
    const struct code_target *t = &e->cpu->code->hash[thread_code_index(pc)];
    if (LIKELY(t->pc == pc)) {
        e->ip = t->ip;
        e->status = OP_JUMP;
        return;
    }
    e->cpu->pc = pc;
    e->status = OP_LOOKUP;
}

static ALWAYS_INLINE NO_TSAN void op_return_to(struct env *e, uint64_t pc)
{
    struct thread_code *tc = e->cpu->code;
    const struct code_target *t = &tc->returns[tc->return_top];
    if (LIKELY(t->pc == pc)) {
        e->ip = t->ip;
        tc->return_top = (tc->return_top - 1) & (RETURN_STACK - 1);
        e->status = OP_JUMP;
        return;
    }
    op_branch_to(e, pc);
}

#endif
