// Pointers by 64-bit index: a sparse radix tree, for the pages of a file and the entries of a
// directory. Layer 3. Guarded by its owner's lock; what it points to is the owner's business.
#ifndef FS_SPARSE_MAP_H
#define FS_SPARSE_MAP_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sparse_map_node;

struct sparse_map {
    struct sparse_map_node *root;
    unsigned levels; // of the tree; 0: empty
};

// NULL when there is none.
void *sparse_map_get(const struct sparse_map *map, uint64_t index);
// Sets or replaces. -LINUX_ENOMEM.
NODISCARD int sparse_map_set(struct sparse_map *map, uint64_t index, void *value);
void sparse_map_remove(struct sparse_map *map, uint64_t index);
// The first pointer at or after *index; moves *index to it. NULL: none.
void *sparse_map_next(const struct sparse_map *map, uint64_t *index);
void sparse_map_free(struct sparse_map *map); // the nodes

#endif
