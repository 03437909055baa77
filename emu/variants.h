// How the translator finds the gadgets of variants.tbl. Layer 2; tables are generated.
//
// An instance is a gadget with some of its registers pinned; a variant runs a sequence of
// instances. The sequences form a trie: from node 0, each instance leads to another node; a node
// where a sequence ends has a variant.
#ifndef EMU_VARIANTS_H
#define EMU_VARIANTS_H

#include "emu/dispatch.h"
#include <stdint.h>

// Slots of hash tables with open addressing; key 0 is empty.
struct variant_slot {
    uint32_t key;
    uint16_t value;
};
// Key: (gadget + 1) << 16 | signature, 4 bits for each of the first 4 operands: 0 any register that
// is no pin, n + 1 pin n. Value: number of the instance, from 1.
extern const struct variant_slot variant_instances[];
extern const uint32_t variant_instances_mask;
// From node 0, by instance: the node it leads to, or 0.
extern const uint16_t variant_first[];
// A node's edges begin at its own and end at the next node's `edges`; one more node ends the array.
struct variant_node {
    int16_t variant; // index into dispatch_variants(), or -1
    uint16_t edges;
};
struct variant_edge {
    uint16_t instance;
    uint16_t node;
};
extern const struct variant_node variant_nodes[];
extern const struct variant_edge variant_edges[];

enum { VARIANT_MAX = 4 }; // longest sequence

// For tests and tools: what the variants are, by index of dispatch_variants().
struct variant_item {
    uint16_t gadget, signature;
};
extern const unsigned variant_count;
extern const uint8_t variant_lengths[];
extern const struct variant_item variant_items[][VARIANT_MAX];

static inline uint16_t variant_find(const struct variant_slot *table, uint32_t mask, uint32_t key)
{
    uint32_t at = (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 32) & mask;
    while (table[at].key && table[at].key != key)
        at = (at + 1) & mask;
    return table[at].key ? table[at].value : 0;
}

#endif
