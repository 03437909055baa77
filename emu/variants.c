// Chooses the gadgets of a block among the variants: fused sequences, and pinned registers.
#include "emu/variants.h"
#include "emu/a64.h"
#include "emu/translate.h"

// What things cost, in host instructions: a dispatch (with its indirect jump), an operand that is
// found by index, and reloading all pins.
enum { COST_DISPATCH = 6, COST_INDEXED = 2, COST_RELOAD = 8, CANDIDATES = 8 };

// The instances that can stand for one instruction. A written operand in a pinned register must be
// that pin; a read one may be, or is read from memory.
struct candidates {
    unsigned count;
    uint64_t summary; // bits `instance % 64`: most edges are dismissed by it
    uint16_t instance[CANDIDATES];
    uint8_t cost[CANDIDATES];
};

// The choice for the rest of the block from one instruction on.
struct choice {
    unsigned cost;
    unsigned length;
    int variant; // -1: its own gadget
};

static void find_candidates(const struct draft *d, unsigned i, struct candidates *c)
{
    const struct a64_gadget_info *info = &a64_gadget_info[d->gadgets[i]];
    uint32_t fixed = 0, optional[4];
    unsigned optional_count = 0, indexed = 0;
    c->count = 0;
    c->summary = 0;
    if (info->count > 4)
        return;
    for (unsigned k = 0; k < info->count; k++) {
        if (!(info->x_mask >> k & 1))
            continue;
        unsigned pin = pin_of(d->insn[i].r[k]);
        if (!pin)
            indexed++;
        else if (info->w_mask >> k & 1)
            fixed |= pin << 4 * k;
        else
            optional[optional_count++] = pin << 4 * k;
    }
    for (unsigned set = 1u << optional_count; set-- > 0;) {
        uint32_t signature = fixed;
        unsigned cost = indexed;
        for (unsigned k = 0; k < optional_count; k++) {
            if (set >> k & 1)
                signature |= optional[k];
            else
                cost++;
        }
        uint16_t inst = variant_find(variant_instances, variant_instances_mask,
                                     (d->gadgets[i] + 1u) << 16 | signature);
        if (inst && c->count < CANDIDATES) {
            c->instance[c->count] = inst;
            c->summary |= 1ull << (inst & 63);
            c->cost[c->count++] = (uint8_t)(cost * COST_INDEXED);
        }
    }
}

// Takes a sequence of `length` from instruction i on that ends in `node`, if nothing was cheaper.
static void consider(uint32_t node, unsigned i, unsigned length, unsigned cost,
                     struct choice *choice)
{
    int variant = variant_nodes[node].variant;
    if (variant < 0 || cost + choice[i + length].cost > choice[i].cost)
        return;
    choice[i].cost = cost + choice[i + length].cost;
    choice[i].length = length;
    choice[i].variant = variant;
}

// Follows the trie from `node`, which a sequence of n instructions from i on led to.
static void search(const struct candidates *c, unsigned i, unsigned n, unsigned count,
                   uint32_t node, unsigned cost, struct choice *choice)
{
    consider(node, i, n, cost, choice);
    if (i + n >= count || n >= VARIANT_MAX)
        return;
    const struct candidates *next = &c[i + n];
    for (unsigned e = variant_nodes[node].edges; e < variant_nodes[node + 1].edges; e++) {
        uint16_t instance = variant_edges[e].instance;
        if (!(next->summary >> (instance & 63) & 1))
            continue;
        for (unsigned k = 0; k < next->count; k++) {
            if (next->instance[k] == instance)
                search(c, i, n + 1, count, variant_edges[e].node, cost + next->cost[k], choice);
        }
    }
}

static unsigned own_cost(const struct draft *d, unsigned i)
{
    const struct a64_gadget_info *info = &a64_gadget_info[d->gadgets[i]];
    return COST_DISPATCH + (d->reloads[i] ? COST_RELOAD : 0) +
           COST_INDEXED * (unsigned)__builtin_popcount(info->x_mask);
}

void variants_pick(struct draft *d)
{
    struct candidates c[BLOCK_INSNS];
    struct choice choice[BLOCK_INSNS + 1];
    for (unsigned i = 0; i < d->count; i++)
        find_candidates(d, i, &c[i]);
    choice[d->count].cost = 0;
    for (unsigned i = d->count; i-- > 0;) {
        choice[i] = (struct choice){own_cost(d, i) + choice[i + 1].cost, 1, -1};
        for (unsigned k = 0; k < c[i].count; k++) {
            uint16_t first = variant_first[c[i].instance[k]];
            if (first)
                search(c, i, 1, d->count, first, COST_DISPATCH + c[i].cost[k], choice);
        }
    }
    // A record inside a sequence keeps its own gadget, for restarts.
    for (unsigned i = 0; i < d->count; i += choice[i].length) {
        if (choice[i].variant >= 0)
            d->insn[i].fn = dispatch_variants()[choice[i].variant];
    }
}
