// Intrusive red-black tree with an optional summary per subtree. Not thread-safe: the owner's lock
// guards it. Layer 0.
//
// The owner finds the place of a node by its own comparison, links it with rb_insert(), and may
// keep in each node a value derived from the node and its children (`update`), which the tree keeps
// right. A NULL update means there is none.
#ifndef PLATFORM_BASE_RBTREE_H
#define PLATFORM_BASE_RBTREE_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>

struct rb_node {
    struct rb_node *parent, *left, *right;
    bool red;
};

struct rb_root {
    struct rb_node *top;
};

typedef void rb_update(struct rb_node *node);

// Links `node` at *link, a NULL child of `parent` (or the empty root's top), and rebalances.
void rb_insert(struct rb_root *root, struct rb_node *node, struct rb_node *parent,
               struct rb_node **link, rb_update *update);
void rb_erase(struct rb_root *root, struct rb_node *node, rb_update *update);
// The summary of `node` changed: updates it and its ancestors.
void rb_propagate(struct rb_node *node, rb_update *update);

struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

#define rb_entry(node, type, member) CONTAINER_OF(node, type, member)

#endif
