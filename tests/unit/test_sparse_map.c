// The sparse map against a plain array of pairs, at both ends of the number range.
#include "fs/sparse_map.h"
#include "tests/unit/tap.h"
#include <stdlib.h>

enum { KEYS = 200, STEPS = 20000 };

int main(void)
{
    struct tap t = {0, 0};
    struct sparse_map map = {NULL, 0};
    uint64_t key[KEYS];
    char value[KEYS];
    bool there[KEYS] = {false};
    unsigned seed = 5;
    for (int i = 0; i < KEYS; i++) {
        uint64_t r =
            (uint64_t)rand_r(&seed) << 33 ^ (uint64_t)rand_r(&seed) << 10 ^ (uint64_t)rand_r(&seed);
        key[i] = i < 50 ? (uint64_t)i : i < 100 ? UINT64_MAX - (uint64_t)(i - 50) : r;
    }
    bool good = true, next_good = true;
    for (int step = 0; step < STEPS; step++) {
        int i = rand_r(&seed) % KEYS;
        if (rand_r(&seed) % 2) {
            good &= sparse_map_set(&map, key[i], &value[i]) == 0;
            there[i] = true;
        } else {
            sparse_map_remove(&map, key[i]);
            there[i] = false;
        }
        i = rand_r(&seed) % KEYS;
        good &= sparse_map_get(&map, key[i]) == (there[i] ? &value[i] : NULL);
        uint64_t want = UINT64_MAX, from = key[i], at = from;
        bool any = false;
        for (int k = 0; k < KEYS; k++)
            if (there[k] && key[k] >= from && (!any || key[k] < want)) {
                want = key[k];
                any = true;
            }
        const void *found = sparse_map_next(&map, &at);
        next_good &= any ? found != NULL && at == want : found == NULL;
    }
    CHECK(&t, good, "what was set is found, what was removed is not");
    CHECK(&t, next_good, "the next one is the next one");
    for (int i = 0; i < KEYS; i++)
        sparse_map_remove(&map, key[i]);
    CHECK(&t, map.root == NULL && map.levels == 0, "an empty map holds no memory");
    sparse_map_free(&map);
    return tap_finish(&t);
}
