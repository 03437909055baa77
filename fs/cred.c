#include "fs/cred.h"
#include "fs/landlock.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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

bool cred_capable_in(const struct cred *c, const struct user_ns *ns, unsigned cap)
{
    unsigned level = c->user_ns ? c->user_ns->level : 0;
    for (;; ns = user_ns_parent(ns)) {
        if (ns == c->user_ns)
            return c->cap_effective >> cap & 1;
        if (!ns || ns->level <= level)
            return false;
        if (user_ns_parent(ns) == c->user_ns && ns->owner_uid == c->euid)
            return true;
    }
}

bool cred_capable_over(const struct cred *c, uint32_t uid, uint32_t gid, unsigned cap)
{
    if (!(c->cap_effective >> cap & 1))
        return false;
    return !c->user_ns || (user_ns_from_machine(c->user_ns, ID_UID, uid) != ID_NONE &&
                           user_ns_from_machine(c->user_ns, ID_GID, gid) != ID_NONE);
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

struct cred *cred_copy(const struct cred *from, uint32_t group_count)
{
    struct cred *c = malloc(sizeof *c + group_count * sizeof c->groups[0]);
    if (!c)
        return NULL;
    // All but the count of references, which others change meanwhile.
    const size_t start = offsetof(struct cred, uid);
    memcpy((char *)c + start, (const char *)from + start, sizeof *c - start);
    atomic_init(&c->refs, 1);
    user_ns_get(c->user_ns);
    landlock_get(c->landlock);
    uint32_t kept = from->group_count < group_count ? from->group_count : group_count;
    memcpy(c->groups, from->groups, kept * sizeof c->groups[0]);
    c->group_count = group_count;
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
    if (!c || atomic_fetch_sub_explicit(cred_refs(c), 1, memory_order_acq_rel) != 1)
        return;
    landlock_put(c->landlock);
    user_ns_put(c->user_ns);
    free((void *)(uintptr_t)c);
}
