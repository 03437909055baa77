// How the translator finds the gadgets of variants.tbl. Layer 2; tables are generated.
//
// An instance is a gadget with some of its registers pinned; a variant runs a sequence of
// instances. The sequences form a trie: from node 0, each instance leads to another node; a node
// where a sequence ends has a variant.
#ifndef EMU_VARIANTS_H
#define EMU_VARIANTS_H

#include "emu/dispatch.h"
#include <stdint.h>

struct variant_instance {
    uint16_t first;   // the node it leads to from node 0, or 0
    uint16_t indexed; // general registers it finds by index
};
// A gadget's instances begin at its own and end at the next gadget's entry; one more ends the
// array.
struct variant_gadget {
    uint16_t instances;
    uint16_t masks; // for each general register operand, PIN_COUNT + 1 masks
};
extern const struct variant_instance variant_instances[];
extern const struct variant_gadget variant_gadgets[];
// Which of a gadget's instances (64 at most) can stand for it, by where one operand is: 0 in no
// pin, n + 1 in pin n. A pin may be read by index as well, but never written.
extern const uint64_t variant_masks[];
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

// For tests and tools: what the variants are, by index of dispatch_variants(). The signature has 4
// bits for each of the first 4 operands: 0 found by index, n + 1 pin n.
struct variant_item {
    uint16_t gadget, signature;
};
extern const unsigned variant_count;
extern const uint8_t variant_lengths[];
extern const struct variant_item variant_items[][VARIANT_MAX];

#endif
