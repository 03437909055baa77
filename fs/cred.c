#include "fs/cred.h"
#include <stdlib.h>

enum { CAP_LAST = 40 };

bool cred_in_group(const struct cred *c, uint32_t gid)
{
    if (c->fsgid == gid)
        return true;
    uint32_t low = 0, high = c->group_count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (c->groups[mid] == gid)
            return true;
        if (c->groups[mid] < gid)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

struct cred *cred_create_root(void)
{
    struct cred *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    uint64_t all = (1ull << (CAP_LAST + 1)) - 1;
    atomic_init(&c->refs, 1);
    c->cap_permitted = c->cap_effective = c->cap_bounding = all;
    return c;
}

// The count is the one part of a shared cred that changes.
static _Atomic uint32_t *cred_refs(const struct cred *c)
{
    return (_Atomic uint32_t *)(uintptr_t)&c->refs;
}

struct cred *cred_get(const struct cred *c)
{
    atomic_fetch_add_explicit(cred_refs(c), 1, memory_order_relaxed);
    return (struct cred *)(uintptr_t)c;
}

void cred_put(const struct cred *c)
{
    if (c && atomic_fetch_sub_explicit(cred_refs(c), 1, memory_order_acq_rel) == 1)
        free((void *)(uintptr_t)c);
}
