// Memory: bulk and small copies, scanning, dependent loads, random access over 64 MiB, vector
// loops.
#include "bench.h"
#include <stdlib.h>
#include <string.h>

static uint64_t run_memcpy64k(unsigned scale)
{
    static uint8_t from[65536], to[65536];
    uint64_t sum = 0;
    for (unsigned i = 0; i < 1000 * scale; i++) {
        from[i % sizeof(from)] = (uint8_t)i;
        memcpy(to, from, sizeof(to));
        KEEP_MEMORY();
        sum += to[77];
    }
    return sum;
}

static uint64_t run_memcpysm(unsigned scale)
{
    static uint8_t from[256], to[256];
    uint64_t sum = 0;
    for (unsigned i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)(i * 7);
    for (unsigned i = 0; i < 200000 * scale; i++) {
        memcpy(to, from + (i & 15), 1 + (i * 7 & 63));
        KEEP_MEMORY();
        sum += to[3];
    }
    return sum;
}

static uint64_t run_strlen(unsigned scale)
{
    static char text[4097];
    uint64_t sum = 0;
    memset(text, 'x', sizeof(text) - 1);
    for (unsigned i = 0; i < 20000 * scale; i++) {
        KEEP_MEMORY();
        sum += strlen(text + (i & 63));
    }
    return sum;
}

// Each load gives the next address: a full-period walk over 4 MiB.
static uint64_t run_chase(unsigned scale)
{
    enum { COUNT = 1 << 20 };
    uint32_t *next = malloc(COUNT * sizeof(*next));
    if (!next)
        return 0;
    for (uint32_t i = 0; i < COUNT; i++)
        next[i] = (i * 1664525u + 1013904223u) % COUNT;
    uint32_t at = 0;
    for (unsigned i = 0; i < 500000 * scale; i++)
        at = next[at];
    free(next);
    return at;
}

static uint64_t run_rand64m(unsigned scale)
{
    enum { COUNT = 1 << 24 };
    uint32_t *words = calloc(COUNT, sizeof(*words)), seed = RANDOM_SEED;
    if (!words)
        return 0;
    uint64_t sum = 0;
    for (unsigned i = 0; i < 200000 * scale; i++) {
        uint32_t at = next_random(&seed) % COUNT;
        words[at] += i;
        sum += words[at ^ 64];
    }
    free(words);
    return sum;
}

VECTORISED static void add_scaled(uint32_t *restrict to, const uint32_t *restrict from, int count)
{
    for (int i = 0; i < count; i++)
        to[i] += from[i] * 3;
}

static uint64_t run_vecadd(unsigned scale)
{
    enum { COUNT = 8192 };
    static uint32_t to[COUNT], from[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        from[i] = i;
    for (unsigned i = 0; i < 1000 * scale; i++)
        add_scaled(to, from, COUNT);
    return to[100];
}

const struct workload memory_workloads[] = {
    {"memcpy64k", "memory", run_memcpy64k},
    {"memcpysm", "memory", run_memcpysm},
    {"strlen", "memory", run_strlen},
    {"chase", "memory", run_chase},
    {"rand64m", "memory", run_rand64m},
    {"vecadd", "memory", run_vecadd},
    {0},
};
