// Dispatch by computed goto, for compilers without guaranteed tail calls: one function whose labels
// are the gadgets. Hot bodies are expanded here; the others are functions called from their label.
#include "emu/core.h"
#include "emu/gadget.h"
#include "platform/base/log.h"

#if EMU_DISPATCH == DISPATCH_GOTO

#include "emu/ops/alu.c"
#include "emu/ops/branch.c"
#include "emu/ops/engine.c"
#include "emu/ops/mem.c"

// A label's environment is its own: only ip and the last page live from one gadget to the next.
#define BEGIN struct env e = {.ip = ip, .cpu = cpu, .tag = tag, .addend = addend}
// What neither ends nor branches.
#define LEAVE_LOOP(status)                                                                         \
    if ((status) == OP_MISS)                                                                       \
        goto core_miss;                                                                            \
    if ((status) == OP_POKE)                                                                       \
        goto core_poke;                                                                            \
    if ((status) == OP_SLOW)                                                                       \
        goto core_slow;                                                                            \
    if ((status) == OP_SP)                                                                         \
        goto core_sp;                                                                              \
    if ((status) == OP_LOOKUP)                                                                     \
        goto core_lookup;                                                                          \
    goto core_trap
#define END                                                                                        \
    ip = e.ip;                                                                                     \
    if (e.status == OP_NEXT) {                                                                     \
        ip++;                                                                                      \
        goto * ip->fn;                                                                             \
    }                                                                                              \
    if (e.status == OP_JUMP)                                                                       \
        goto * ip->fn;                                                                             \
    if (e.status == OP_SKIP) {                                                                     \
        ip = block_next((const struct block *)(ip + 2));                                           \
        goto * ip->fn;                                                                             \
    }                                                                                              \
    LEAVE_LOOP(e.status)
// Sequences: see THEN in gadget.h.
#define BEGIN_FUSED                                                                                \
    __label__ out;                                                                                 \
    BEGIN
#define THEN                                                                                       \
    if (UNLIKELY(e.status != OP_NEXT))                                                             \
        goto out;                                                                                  \
    e.ip++;
#define END_FUSED                                                                                  \
    goto out;                                                                                      \
    out:                                                                                           \
    END
// A called body takes ip by value: it ends or leaves, and never branches. What comes after is the
// same for all of them and stands once: each computed goto is an edge to each label, and thousands
// of both are gigabytes in the compiler.
#define CALL_OUT(name)                                                                             \
    status = out_##name(ip, cpu, tag, addend);                                                     \
    goto called

#define CORE_LABEL(name)                                                                           \
    core_##name : cpu->last_tag = tag;                                                             \
    cpu->last_addend = addend;                                                                     \
    ip = core_##name(cpu, ip);                                                                     \
    tag = cpu->last_tag;                                                                           \
    addend = cpu->last_addend;                                                                     \
    goto * ip->fn

struct labels {
    const struct gadget_entry *gadgets;
    const gadget_ref *variants;
    const void *const *core;
};

// With `cpu` NULL only answers where the labels are.
static NO_TSAN struct labels run(struct cpu *cpu, const struct insn *ip)
{
#define LABEL(name) {&&L_##name, &&L_##name},
    static const struct gadget_entry gadgets[] = {
#include "emu/a64_goto_table.inc"
    };
    static const gadget_ref variants[] = {
#include "emu/a64_goto_variant_table.inc"
    };
    static const void *const core[CORE_COUNT] = {
        [CORE_MISS] = &&core_miss,           [CORE_TRAP] = &&core_trap,
        [CORE_POKE] = &&core_poke,           [CORE_LOOKUP] = &&core_lookup,
        [CORE_RESOLVE] = &&core_resolve,     [CORE_REPLAY_DONE] = &&core_replay_done,
        [CORE_STEP_DONE] = &&core_step_done, [CORE_EXIT] = &&core_exit,
        [CORE_EMPTY] = &&core_empty,         [CORE_SP] = &&core_sp,
    };
    if (!cpu)
        return (struct labels){gadgets, variants, core};
    uint64_t tag = cpu->last_tag;
    uintptr_t addend = cpu->last_addend;
    enum op_status status;
    goto * ip->fn;

called:
    if (status == OP_NEXT) {
        ip++;
        goto * ip->fn;
    }
    LEAVE_LOOP(status);

#include "emu/a64_goto_labels.inc"
#include "emu/a64_goto_variants.inc"
    CORE_LABEL(miss);
    CORE_LABEL(trap);
    CORE_LABEL(poke);
    CORE_LABEL(slow);
    CORE_LABEL(sp);
    CORE_LABEL(lookup);
    CORE_LABEL(empty);
    CORE_LABEL(resolve);
    CORE_LABEL(replay_done);
    CORE_LABEL(step_done);
core_exit:
    return (struct labels){NULL, NULL, NULL};
}

const struct gadget_entry *dispatch_gadgets(void)
{
    return run(NULL, NULL).gadgets;
}

const gadget_ref *dispatch_variants(void)
{
    return run(NULL, NULL).variants;
}

gadget_ref dispatch_core(enum core_gadget which)
{
    return run(NULL, NULL).core[which];
}

void dispatch_run(struct cpu *cpu, const struct insn *ip)
{
    (void)run(cpu, ip);
}

#endif
