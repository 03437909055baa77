// Dispatch by tail calls: entry, exit, and the gadgets of the slow paths.
#include "emu/core.h"
#include "emu/gadget.h"

#if EMU_DISPATCH != DISPATCH_GOTO

// A slow path is an ordinary function: the compiler saves the pins around the call.
#define CORE_GADGET(name)                                                                          \
    GADGET_CC NO_TSAN void gadget_core_##name(GADGET_ARGS)                                         \
    {                                                                                              \
        ENTER;                                                                                     \
        cpu->last_tag = tag;                                                                       \
        cpu->last_addend = addend;                                                                 \
        e.ip = core_##name(cpu, ip);                                                               \
        e.tag = cpu->last_tag;                                                                     \
        e.addend = cpu->last_addend;                                                               \
        GO(e.ip->fn);                                                                              \
    }
static gadget_function gadget_core_resolve, gadget_core_replay_done, gadget_core_step_done,
    gadget_core_exit;
CORE_GADGET(miss)
CORE_GADGET(trap)
CORE_GADGET(poke)
CORE_GADGET(slow)
CORE_GADGET(sp)
CORE_GADGET(lookup)
CORE_GADGET(empty)
CORE_GADGET(resolve)
CORE_GADGET(replay_done)
CORE_GADGET(step_done)

GADGET_CC NO_TSAN static void gadget_core_exit(GADGET_ARGS)
{
    (void)ip;
    (void)tag;
    (void)addend;
    (void)cpu;
#define PIN_UNUSED(i, reg) (void)p##i;
    PINS(PIN_UNUSED)
}

gadget_ref dispatch_core(enum core_gadget which)
{
    static gadget_function *const core[CORE_COUNT] = {
        [CORE_MISS] = gadget_core_miss,           [CORE_TRAP] = gadget_core_trap,
        [CORE_POKE] = gadget_core_poke,           [CORE_LOOKUP] = gadget_core_lookup,
        [CORE_RESOLVE] = gadget_core_resolve,     [CORE_REPLAY_DONE] = gadget_core_replay_done,
        [CORE_STEP_DONE] = gadget_core_step_done, [CORE_EXIT] = gadget_core_exit,
        [CORE_EMPTY] = gadget_core_empty,         [CORE_SP] = gadget_core_sp,
    };
    return core[which];
}

#define PIN_LOAD(i, reg) , cpu->x[reg]
void dispatch_run(struct cpu *cpu, const struct insn *ip)
{
    ip->fn(ip, cpu, cpu->last_tag, cpu->last_addend PINS(PIN_LOAD));
}

#endif
