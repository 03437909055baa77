#include "fs/sparse_map.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

enum { BITS = 6, FAN = 1 << BITS, LEVELS_MAX = 11 }; // 11 * 6 bits cover 64

struct sparse_map_node {
    unsigned used;
    void *slot[FAN]; // values at the lowest level, nodes above
};

static unsigned slot_of(uint64_t index, unsigned level)
{
    return (unsigned)(index >> (level * BITS)) & (FAN - 1);
}

// Does a tree of `levels` reach this index?
static bool covers(unsigned levels, uint64_t index)
{
    return levels >= LEVELS_MAX || index >> (levels * BITS) == 0;
}

void *sparse_map_get(const struct sparse_map *map, uint64_t index)
{
    if (map->levels == 0 || !covers(map->levels, index))
        return NULL;
    const struct sparse_map_node *node = map->root;
    for (unsigned level = map->levels - 1; level > 0 && node; level--)
        node = node->slot[slot_of(index, level)];
    return node ? node->slot[slot_of(index, 0)] : NULL;
}

static bool grow(struct sparse_map *map, uint64_t index)
{
    while (map->levels == 0 || !covers(map->levels, index)) {
        struct sparse_map_node *top = calloc(1, sizeof *top);
        if (!top)
            return false;
        if (map->root) {
            top->slot[0] = map->root;
            top->used = 1;
            map->levels++;
        } else {
            while (!covers(map->levels, index) || map->levels == 0)
                map->levels++; // an empty tree is as high as it must be
        }
        map->root = top;
    }
    return true;
}

int sparse_map_set(struct sparse_map *map, uint64_t index, void *value)
{
    if (!grow(map, index))
        return -LINUX_ENOMEM;
    struct sparse_map_node *node = map->root;
    for (unsigned level = map->levels - 1; level > 0; level--) {
        void **slot = &node->slot[slot_of(index, level)];
        if (!*slot) {
            *slot = calloc(1, sizeof *node);
            if (!*slot)
                return -LINUX_ENOMEM;
            node->used++;
        }
        node = *slot;
    }
    void **slot = &node->slot[slot_of(index, 0)];
    if (!*slot)
        node->used++;
    *slot = value;
    return 0;
}

void sparse_map_remove(struct sparse_map *map, uint64_t index)
{
    if (!sparse_map_get(map, index))
        return;
    struct sparse_map_node *path[LEVELS_MAX], *node = map->root;
    for (unsigned level = map->levels - 1; level > 0; level--) {
        path[level] = node;
        node = node->slot[slot_of(index, level)];
    }
    node->slot[slot_of(index, 0)] = NULL;
    node->used--;
    for (unsigned level = 1; level < map->levels && node->used == 0; level++) {
        free(node);
        node = path[level];
        node->slot[slot_of(index, level)] = NULL;
        node->used--;
    }
    if (map->root->used == 0)
        sparse_map_free(map);
}

static void *next_below(const struct sparse_map_node *node, unsigned level, uint64_t *index)
{
    for (unsigned i = slot_of(*index, level); i < FAN; i++) {
        uint64_t step = 1ull << (level * BITS), next = (*index & ~(step - 1)) + step;
        if (node->slot[i]) {
            void *found = level == 0 ? node->slot[i] : next_below(node->slot[i], level - 1, index);
            if (found)
                return found;
        }
        *index = next;
    }
    return NULL;
}

void *sparse_map_next(const struct sparse_map *map, uint64_t *index)
{
    if (map->levels == 0 || !covers(map->levels, *index))
        return NULL;
    return next_below(map->root, map->levels - 1, index);
}

static void free_node(struct sparse_map_node *node, unsigned level)
{
    for (unsigned i = 0; i < FAN && level > 0; i++)
        if (node->slot[i])
            free_node(node->slot[i], level - 1);
    free(node);
}

void sparse_map_free(struct sparse_map *map)
{
    if (map->root)
        free_node(map->root, map->levels - 1);
    map->root = NULL;
    map->levels = 0;
}
