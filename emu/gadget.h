// Turns OP() bodies into gadgets; the generated gadgets_*.c are written in these macros. Layer 2.
//
// With tail calls a gadget is a function that ends by calling the next one. With computed goto the
// hot bodies are expanded in dispatch_goto.c, and what is here makes functions for the others.
#ifndef EMU_GADGET_H
#define EMU_GADGET_H

#include "emu/op.h"

// After a body that may have written SP, which is `sp` now. Only then: accesses through SP, which
// must be aligned, are many more than writes of it.
#define CHECK_SP(sp)                                                                               \
    if (UNLIKELY((sp) & 15) && e.status == OP_NEXT)                                                \
    e.status = OP_SP

#if EMU_DISPATCH == DISPATCH_GOTO

#define DECLARE_GADGET(name)                                                                       \
    enum op_status out_##name(const struct insn *ip, struct cpu *cpu, uint64_t tag,                \
                              uintptr_t addend);
#define DECLARE_RELOAD(name)
#include "emu/a64_gadget_decls.h"

#define GADGET(name)                                                                               \
    NO_TSAN enum op_status out_##name(const struct insn *ip, struct cpu *cpu, uint64_t tag,        \
                                      uintptr_t addend)
#define ENTER struct env e = {.ip = ip, .cpu = cpu, .tag = tag, .addend = addend}
#define LEAVE return e.status

#else

#define DECLARE_GADGET(name) gadget_function gadget_##name;
#define DECLARE_RELOAD(name) gadget_function reload_##name;
#include "emu/a64_gadget_decls.h"
#include "emu/a64_variant_decls.h"
gadget_function gadget_core_miss, gadget_core_trap, gadget_core_poke, gadget_core_lookup;
gadget_function gadget_core_empty, gadget_core_slow, gadget_core_sp;

#define GADGET(name)        GADGET_CC NO_TSAN void gadget_##name(GADGET_ARGS)
#define GADGET_RELOAD(name) GADGET_CC NO_TSAN void reload_##name(GADGET_ARGS)

#define VARIANT(n) GADGET_CC NO_TSAN void variant_##n(GADGET_ARGS)

#define PIN_INIT(i, reg)   , .p##i = p##i
#define PIN_PASS(i, reg)   , e.p##i
#define PIN_RELOAD(i, reg) e.p##i = e.cpu->x[reg];
#define ENTER              struct env e = {.ip = ip, .cpu = cpu, .tag = tag, .addend = addend PINS(PIN_INIT)}
#define GO(where)          MUSTTAIL return (where)(e.ip, e.cpu, e.tag, e.addend PINS(PIN_PASS))
#define LEAVE                                                                                      \
    if (e.status == OP_NEXT) {                                                                     \
        e.ip++;                                                                                    \
        GO(e.ip->fn);                                                                              \
    }                                                                                              \
    if (e.status == OP_JUMP)                                                                       \
        GO(e.ip->fn);                                                                              \
    if (e.status == OP_SKIP) {                                                                     \
        e.ip = block_next((const struct block *)(e.ip + 2));                                       \
        GO(e.ip->fn);                                                                              \
    }                                                                                              \
    if (e.status == OP_MISS)                                                                       \
        GO(gadget_core_miss);                                                                      \
    if (e.status == OP_POKE)                                                                       \
        GO(gadget_core_poke);                                                                      \
    if (e.status == OP_SLOW)                                                                       \
        GO(gadget_core_slow);                                                                      \
    if (e.status == OP_SP)                                                                         \
        GO(gadget_core_sp);                                                                        \
    if (e.status == OP_LOOKUP)                                                                     \
        GO(gadget_core_lookup);                                                                    \
    GO(gadget_core_trap)
// Between the instances of a sequence: the first that does not simply end is where the record that
// runs it stands, so that a miss, a trap or a poke is exactly there.
#define THEN                                                                                       \
    if (UNLIKELY(e.status != OP_NEXT))                                                             \
        goto out;                                                                                  \
    e.ip++;
#define LEAVE_THEN                                                                                 \
    goto out;                                                                                      \
    out:                                                                                           \
    LEAVE
// After a body that wrote registers without knowing which of them are pins.
#define LEAVE_RELOAD                                                                               \
    PINS(PIN_RELOAD)                                                                               \
    LEAVE

#endif
#endif
