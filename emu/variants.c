// Chooses the gadgets of a block among the variants: fused sequences, and pinned registers.
#include "emu/variants.h"
#include "emu/a64.h"
#include "emu/translate.h"

// What things cost, in host instructions: a dispatch (with its indirect jump), an operand that is
// found by index, and reloading all pins.
enum { COST_DISPATCH = 6, COST_INDEXED = 2, COST_RELOAD = 8 };

// The choice for the rest of the block from one instruction on.
struct choice {
    unsigned cost;
    unsigned length;
    int variant; // -1: its own gadget
};

struct search {
    const struct draft *d;
    uint64_t found[BLOCK_INSNS]; // of its gadget's instances, those that can stand for each
    struct choice choice[BLOCK_INSNS + 1];
};

static uint64_t find_instances(const struct draft *d, unsigned i)
{
    const struct variant_gadget *g = &variant_gadgets[d->gadgets[i]];
    unsigned count = (unsigned)(g[1].instances - g[0].instances);
    if (!count)
        return 0;
    uint64_t found = ~0ull >> (64 - count);
    const uint64_t *masks = &variant_masks[g->masks];
    const uint8_t *r = d->insn[i].r;
    for (unsigned x = a64_gadget_info[d->gadgets[i]].x_mask; x; x >>= 1, r++) {
        if (x & 1) {
            found &= masks[pin_of(*r)];
            masks += PIN_COUNT + 1;
        }
    }
    return found;
}

// Takes a sequence of `length` from instruction i on that ends in `node`, if nothing was cheaper.
static void consider(struct choice *choice, unsigned length, uint32_t node, unsigned cost)
{
    int variant = variant_nodes[node].variant;
    cost += choice[length].cost;
    if (variant >= 0 && cost <= choice->cost)
        *choice = (struct choice){cost, length, variant};
}

// Of a node's edges, which are sorted, the first whose instance is not below `instance`.
static unsigned find_edge(const struct variant_node *node, unsigned instance)
{
    unsigned low = node[0].edges, high = node[1].edges;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (variant_edges[middle].instance < instance)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Follows the trie from `node`, which a sequence of n instructions from i on led to.
static void search(struct search *s, unsigned i, unsigned n, uint32_t node, unsigned cost)
{
    consider(&s->choice[i], n, node, cost);
    unsigned end = variant_nodes[node + 1].edges;
    uint64_t found = i + n < s->d->count ? s->found[i + n] : 0;
    if (!found || variant_nodes[node].edges == end)
        return;
    unsigned base = variant_gadgets[s->d->gadgets[i + n]].instances;
    for (unsigned e = find_edge(&variant_nodes[node], base); e < end; e++) {
        unsigned instance = variant_edges[e].instance;
        if (instance - base >= 64)
            break;
        if (found >> (instance - base) & 1)
            search(s, i, n + 1, variant_edges[e].node,
                   cost + variant_instances[instance].indexed * COST_INDEXED);
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
    struct search s;
    s.d = d;
    s.choice[d->count].cost = 0;
    for (unsigned i = d->count; i-- > 0;) {
        const struct variant_instance *own =
            &variant_instances[variant_gadgets[d->gadgets[i]].instances];
        s.found[i] = find_instances(d, i);
        s.choice[i] = (struct choice){own_cost(d, i) + s.choice[i + 1].cost, 1, -1};
        for (uint64_t found = s.found[i]; found; found &= found - 1) {
            const struct variant_instance *v = &own[__builtin_ctzll(found)];
            if (v->first)
                search(&s, i, 1, v->first, COST_DISPATCH + v->indexed * COST_INDEXED);
        }
    }
    // A record inside a sequence keeps its own gadget, for restarts.
    for (unsigned i = 0; i < d->count; i += s.choice[i].length) {
        if (s.choice[i].variant >= 0)
            d->insn[i].fn = dispatch_variants()[s.choice[i].variant];
    }
}
