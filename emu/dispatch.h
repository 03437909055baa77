// How gadgets reach each other, in the three ways compilers allow. Layer 2.
//
// A gadget is the code that runs one record (struct insn). EMU_DISPATCH is set by the build:
//   1  tail calls in the preserve_none convention: arguments stay in registers, any may be used
//   2  tail calls in the default convention: fewer argument registers
//   3  computed goto inside one function: gadgets are labels
// Tail-called gadgets may keep guest registers in arguments ("pins"); pins.h, generated from the
// list in meson.build, says which.
#ifndef EMU_DISPATCH_H
#define EMU_DISPATCH_H

#include "emu/pins.h"
#include "platform/base/compiler.h"
#include <stdint.h>

struct cpu;
struct insn;

#define DISPATCH_PRESERVE_NONE 1
#define DISPATCH_MUSTTAIL      2
#define DISPATCH_GOTO          3

#if EMU_DISPATCH == DISPATCH_PRESERVE_NONE
#define GADGET_CC __attribute__((preserve_none))
#else
#define GADGET_CC
#endif

#if EMU_DISPATCH == DISPATCH_GOTO
typedef const void *gadget_ref;
#else
// ip: the record being run. tag, addend: the last page used for data that may be read and written;
// see env in op.h.
#define GADGET_ARGS                                                                                \
    const struct insn *ip, struct cpu *cpu, uint64_t tag, uintptr_t addend PINS(PIN_PARAM)
#define PIN_PARAM(i, reg) , uint64_t p##i
typedef GADGET_CC void gadget_function(GADGET_ARGS);
typedef gadget_function *gadget_ref;
#define MUSTTAIL          __attribute__((nomerge)) __attribute__((musttail))
#endif

// What the translator puts in a record: the gadget, and the one to use instead when a register that
// it writes is pinned and no variant exists (it reloads the pins afterwards).
struct gadget_entry {
    gadget_ref plain, reload;
};
// Indexed by enum gadget.
const struct gadget_entry *dispatch_gadgets(void);

// Indexed by variant_nodes[].variant (emu/variants.h).
const gadget_ref *dispatch_variants(void);

// Records every block and thread needs; each runs a slow path of core.h.
enum core_gadget {
    CORE_MISS,
    CORE_TRAP,
    CORE_POKE,
    CORE_SP,
    CORE_LOOKUP,
    CORE_EMPTY,
    CORE_RESOLVE,
    CORE_REPLAY_DONE,
    CORE_STEP_DONE,
    CORE_EXIT,
    CORE_COUNT,
};
gadget_ref dispatch_core(enum core_gadget which);

// Runs records from `ip` until one leaves through CORE_EXIT.
void dispatch_run(struct cpu *cpu, const struct insn *ip);

#endif
