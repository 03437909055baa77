// Decodes a block and lays out its records.
#include "emu/translate.h"
#include "emu/a64.h"
#include <string.h>

static bool fits32(int64_t v)
{
    return v == (int32_t)v;
}

static bool fits56(int64_t v)
{
    return v == (int64_t)((uint64_t)v << 8) >> 8;
}

static uint32_t pool_index(struct draft *d, uint64_t value)
{
    for (unsigned i = 0; i < d->pool_count; i++) {
        if (d->pool[i] == value)
            return i;
    }
    d->pool[d->pool_count] = value;
    return d->pool_count++;
}

static bool writes_pin(const struct a64_gadget_info *info, const struct insn *in)
{
    for (unsigned i = 0; i < info->count; i++) {
        if (info->w_mask >> i & 1 && pin_of(in->r[i]))
            return true;
    }
    return false;
}

// Adds one instruction; returns the facts that may end the block.
static unsigned add_insn(struct draft *d, uint32_t word, uint64_t pc)
{
    struct a64_operands o;
    memset(&o, 0, sizeof(o));
    a64_operands(a64_decode(word), word, pc, &o);
    const struct a64_gadget_info *info = &a64_gadget_info[o.gadget];
    struct insn *in = &d->insn[d->count];
    unsigned gadget = o.gadget;
    memcpy(in->r, o.r, sizeof(in->r));
    d->pooled[d->count] = false;
    switch (info->layout) {
    case A64_IMM32:
        in->imm = (int32_t)o.value;
        break;
    case A64_CONST32:
    case A64_CONST56: {
        bool wide = info->layout == A64_CONST56;
        if (wide ? fits56(o.value) : fits32(o.value)) {
            if (wide)
                in->wide = insn_pack_const56(o.r[0], o.value);
            else
                in->imm = (int32_t)o.value;
            break;
        }
        gadget++;
        in->imm = (int32_t)pool_index(d, (uint64_t)o.value);
        d->pooled[d->count] = true;
        break;
    }
    case A64_NEAR56:
        in->wide = insn_pack_const56(o.r[0], o.value);
        break;
    case A64_TARGET:
        d->has_target = true;
        d->target = (uint64_t)o.value;
        if (d->target <= pc)
            gadget++;
        break;
    default:
        break;
    }
    d->gadgets[d->count] = (uint16_t)gadget;
    const struct gadget_entry *g = &dispatch_gadgets()[gadget];
    d->reloads[d->count] = writes_pin(info, in);
    in->fn = d->reloads[d->count] ? g->reload : g->plain;
    d->count++;
    return info->is;
}

void translate(struct draft *d, uint64_t pc, const void *host, unsigned limit)
{
    unsigned in_page = (unsigned)((FRAME_SIZE - (pc & (FRAME_SIZE - 1))) / 4);
    const volatile uint32_t *code = host;
    if (limit > in_page)
        limit = in_page;
    if (limit > BLOCK_INSNS)
        limit = BLOCK_INSNS;
    d->pc = pc;
    d->count = d->pool_count = 0;
    d->has_target = false;
    d->falls_through = true;
    while (d->count < limit) {
        unsigned is = add_insn(d, code[d->count], pc + 4u * d->count);
        if (is & A64_IS_ENDS)
            d->falls_through = false;
        if (is)
            break;
    }
    if (limit > 1)
        variants_pick(d);
}

static unsigned exit_count(const struct draft *d)
{
    return (unsigned)d->falls_through + (unsigned)d->has_target;
}

size_t draft_size(const struct draft *d)
{
    size_t n = (d->count + 1) * sizeof(struct insn) + sizeof(struct block) +
               exit_count(d) * sizeof(struct block_exit) + d->pool_count * sizeof(uint64_t) +
               d->count * sizeof(uint16_t);
    return (n + 15) & ~(size_t)15;
}

static void place_exit(struct block *b, uint64_t *cell, unsigned shift, uint64_t pc,
                       gadget_ref stub)
{
    struct block_exit *x = &b->exit[b->exits++];
    *x = (struct block_exit){
        .stub = {.fn = stub}, .pc = pc, .cell = cell, .shift = shift, .block = b};
    uint64_t low = *cell & ((1ull << shift) - 1);
    *cell = (uint64_t)(uintptr_t)&x->stub << shift | low;
}

struct block *draft_place(const struct draft *d, void *memory, gadget_ref stub)
{
    struct insn *in = memory;
    struct block *b = (struct block *)(void *)(in + d->count + 1);
    memset(b, 0, sizeof(*b));
    memcpy(in, d->insn, d->count * sizeof(struct insn));
    struct insn *end = in + d->count;
    end->fn = dispatch_gadgets()[GADGET_FALLTHROUGH].plain;
    end->wide = INSN_END;
    b->count = (uint16_t)d->count;
    b->end_pc = d->pc + 4u * d->count;
    if (d->falls_through)
        place_exit(b, &b->next, 0, b->end_pc, stub);
    if (d->has_target)
        place_exit(b, &end[-1].wide, a64_gadget_info[d->gadgets[d->count - 1]].count ? 16 : 0,
                   d->target, stub);
    uint64_t *pool = (uint64_t *)(void *)&b->exit[b->exits];
    memcpy(pool, d->pool, d->pool_count * sizeof(uint64_t));
    b->gadgets = (uint16_t *)(void *)(pool + d->pool_count);
    memcpy(b->gadgets, d->gadgets, d->count * sizeof(uint16_t));
    for (unsigned i = 0; i < d->count; i++) {
        if (d->pooled[i])
            in[i].imm = (int32_t)((char *)&pool[in[i].imm] - (char *)&in[i]);
    }
    return b;
}
