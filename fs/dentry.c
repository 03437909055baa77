#include "fs/notify.h"
#include "fs/vfs_core.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

// Entries a shard keeps at most when nobody uses them: 64 Ki for the whole cache.
enum { SHARD_LIMIT = 1024, EVICT_SCAN = 8 };

void dentry_cache_init(struct vfs *vfs)
{
    for (size_t i = 0; i < DENTRY_SHARDS; i++) {
        lock_init(&vfs->shard[i].lock, LOCK_RANK_DENTRY);
        list_init(&vfs->shard[i].lru);
    }
    for (size_t i = 0; i < DENTRY_GATES; i++)
        lock_init(&vfs->gate[i].lock, LOCK_RANK_DENTRY_WALK);
}

void dentry_cache_destroy(struct vfs *vfs)
{
    for (size_t i = 0; i < DENTRY_SHARDS; i++)
        lock_destroy(&vfs->shard[i].lock);
    for (size_t i = 0; i < DENTRY_GATES; i++)
        lock_destroy(&vfs->gate[i].lock);
}

static uint32_t name_hash(const char *name, size_t len)
{
    uint32_t h = NAME_HASH_START;
    for (size_t i = 0; i < len; i++)
        h = name_hash_add(h, name[i]);
    return name_hash_end(h);
}

// All children of one directory are in one shard.
static struct dentry_shard *shard_of(struct vfs *vfs, const struct dentry *parent)
{
    uint64_t key = (uintptr_t)parent;
    key = (key >> 5) * 0x9e3779b97f4a7c15ull;
    return &vfs->shard[key >> 58 & (DENTRY_SHARDS - 1)];
}

static _Atomic(struct dentry *) *bucket_of(struct dentry_shard *s, const struct dentry *parent,
                                           uint32_t hash)
{
    uint64_t key = ((uintptr_t)parent >> 5 ^ hash) * 0x9e3779b97f4a7c15ull;
    return &s->bucket[key >> 40 & (DENTRY_BUCKETS - 1)];
}

// Room for a name in an entry that has none. NULL without memory.
static char *name_room(struct dentry *d, size_t len)
{
    return len < DENTRY_SHORT_NAME ? d->short_name : malloc(len + 1);
}

static void name_set(struct dentry *d, char *room, const char *name, size_t len)
{
    memcpy(room, name, len);
    room[len] = 0;
    d->name = room;
    d->name_len = (uint32_t)len;
    d->hash = name_hash(name, len);
}

static void name_free(const struct dentry *d, char *name)
{
    if (name != d->short_name)
        free(name);
}

static struct dentry *dentry_alloc(const char *name, size_t len)
{
    struct dentry *d = calloc(1, sizeof *d);
    char *room = d ? name_room(d, len) : NULL;
    if (!room) {
        free(d);
        return NULL;
    }
    name_set(d, room, name, len);
    atomic_init(&d->refs, 1);
    list_init(&d->lru_link);
    list_init(&d->child_link);
    list_init(&d->children);
    return d;
}

struct dentry *dentry_get(struct dentry *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void dentry_put(struct dentry *d)
{
    // A chain of parents may go with it; a loop, because trees are deep.
    while (d && atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1) {
        struct dentry *parent = d->parent;
        if (d->inode && atomic_load_explicit(&d->deleted, memory_order_relaxed))
            notify_gone(d);
        if (d->inode)
            inode_put(d->inode);
        name_free(d, d->name);
        free(d);
        d = parent;
    }
}

struct dentry *dentry_find(struct vfs *vfs, struct dentry *parent, const char *name, size_t len)
{
    return dentry_find_hashed(vfs, parent, name, len, name_hash(name, len));
}

// Under the shard's lock or inside a gate.
static struct dentry *bucket_find(struct dentry_shard *s, const struct dentry *parent,
                                  const char *name, size_t len, uint32_t hash)
{
    struct dentry *d = atomic_load_explicit(bucket_of(s, parent, hash), memory_order_acquire);
    for (; d; d = atomic_load_explicit(&d->bucket_next, memory_order_acquire))
        if (d->hash == hash && d->parent == parent && d->name_len == len &&
            memcmp(d->name, name, len) == 0)
            break;
    return d;
}

struct dentry *dentry_find_hashed(struct vfs *vfs, struct dentry *parent, const char *name,
                                  size_t len, uint32_t hash)
{
    struct dentry_shard *s = shard_of(vfs, parent);
    lock_acquire(&s->lock);
    struct dentry *d = bucket_find(s, parent, name, len, hash);
    if (d)
        dentry_get(d);
    lock_release(&s->lock);
    return d;
}

struct dentry *dentry_peek(struct vfs *vfs, const struct dentry *parent, const char *name,
                           size_t len, uint32_t hash)
{
    return bucket_find(shard_of(vfs, parent), parent, name, len, hash);
}

// Who walks at the same time has another stack, and nearly always another gate.
struct lock *dentry_gate_enter(struct vfs *vfs) NO_TSA
{
    char here;
    uint64_t key = ((uintptr_t)&here >> 12) * 0x9e3779b97f4a7c15ull;
    struct lock *gate = &vfs->gate[key >> 56 & (DENTRY_GATES - 1)].lock;
    lock_acquire(gate);
    return gate;
}

static void gates_close(struct vfs *vfs) NO_TSA
{
    for (size_t i = 0; i < DENTRY_GATES; i++)
        lock_acquire_nested(&vfs->gate[i].lock);
}

static void gates_open(struct vfs *vfs) NO_TSA
{
    for (size_t i = 0; i < DENTRY_GATES; i++)
        lock_release(&vfs->gate[i].lock);
}

static void bucket_add(_Atomic(struct dentry *) *at, struct dentry *d)
{
    struct dentry *next = atomic_load_explicit(at, memory_order_relaxed);
    atomic_store_explicit(&d->bucket_next, next, memory_order_relaxed);
    d->bucket_at = at;
    if (next)
        next->bucket_at = &d->bucket_next;
    atomic_store_explicit(at, d, memory_order_release);
}

static void bucket_remove(const struct dentry *d)
{
    struct dentry *next = atomic_load_explicit(&d->bucket_next, memory_order_relaxed);
    atomic_store_explicit(d->bucket_at, next, memory_order_relaxed);
    if (next)
        next->bucket_at = d->bucket_at;
}

// Takes an entry out of its shard, with the gates closed; the cache's reference passes to the
// caller.
static void shard_remove(struct dentry_shard *s, struct dentry *d)
{
    d->hashed = false;
    bucket_remove(d);
    list_remove(&d->lru_link);
    list_remove(&d->child_link);
    s->count--;
}

// Unhashes the oldest entries that only the cache holds, onto `out` (linked by lru_link). Several
// at a time, because closing the gates is dear.
static void shard_evict(struct vfs *vfs, struct dentry_shard *s, struct list *out)
{
    if (s->count < SHARD_LIMIT + EVICT_SCAN)
        return;
    gates_close(vfs);
    for (unsigned i = 0; i < EVICT_SCAN && s->count > SHARD_LIMIT; i++) {
        struct dentry *d = list_entry(s->lru.prev, struct dentry, lru_link);
        if (atomic_load_explicit(&d->refs, memory_order_acquire) == 1) {
            shard_remove(s, d);
            list_add_tail(out, &d->lru_link);
        } else { // in use: look at it again later
            list_remove(&d->lru_link);
            list_add_head(&s->lru, &d->lru_link);
        }
    }
    gates_open(vfs);
}

static void put_all(struct list *entries)
{
    while (!list_empty(entries)) {
        struct dentry *d = list_first(entries, struct dentry, lru_link);
        list_remove(&d->lru_link);
        dentry_put(d);
    }
}

// `evicted` collects what the caller must put when it holds no lock.
static void shard_insert(struct vfs *vfs, struct dentry *d, struct list *evicted)
{
    struct dentry_shard *s = shard_of(vfs, d->parent);
    lock_acquire(&s->lock);
    d->hashed = true;
    dentry_get(d);
    bucket_add(bucket_of(s, d->parent, d->hash), d);
    list_add_head(&s->lru, &d->lru_link);
    list_add_head(&d->parent->children, &d->child_link);
    s->count++;
    shard_evict(vfs, s, evicted);
    lock_release(&s->lock);
}

static void put_later(struct vfs *vfs, struct list *entries)
{
    if (list_empty(entries))
        return;
    lock_acquire(&vfs->tree_lock);
    list_splice_tail(&vfs->evicted, entries);
    atomic_store_explicit(&vfs->has_evicted, true, memory_order_relaxed);
    lock_release(&vfs->tree_lock);
}

void dentry_hash(struct vfs *vfs, struct dentry *d)
{
    struct list evicted;
    list_init(&evicted);
    shard_insert(vfs, d, &evicted);
    put_later(vfs, &evicted);
}

void dentry_free_evicted(struct vfs *vfs)
{
    if (LIKELY(!atomic_load_explicit(&vfs->has_evicted, memory_order_relaxed)))
        return; // what this misses waits for the next caller
    struct list evicted;
    list_init(&evicted);
    lock_acquire(&vfs->tree_lock);
    list_splice_tail(&evicted, &vfs->evicted);
    atomic_store_explicit(&vfs->has_evicted, false, memory_order_relaxed);
    lock_release(&vfs->tree_lock);
    put_all(&evicted);
}

void dentry_unhash(struct vfs *vfs, struct dentry *d)
{
    if (!d->parent)
        return;
    struct dentry_shard *s = shard_of(vfs, d->parent);
    lock_acquire(&s->lock);
    bool was = d->hashed;
    if (was) {
        gates_close(vfs);
        shard_remove(s, d);
        gates_open(vfs);
    }
    lock_release(&s->lock);
    // Never the last reference: the caller holds one.
    if (was)
        atomic_fetch_sub_explicit(&d->refs, 1, memory_order_release);
}

struct dentry *dentry_create(struct vfs *vfs, struct dentry *parent, const char *name, size_t len,
                             struct inode *inode, bool hash)
{
    struct dentry *d = dentry_alloc(name, len);
    if (!d) {
        if (inode)
            inode_put(inode);
        return NULL;
    }
    d->inode = inode;
    d->super = parent->super;
    d->parent = dentry_get(parent);
    if (hash)
        dentry_hash(vfs, d);
    return d;
}

void dentry_fill(struct vfs *vfs, struct dentry *d, struct inode *inode)
{
    d->inode = inode;
    dentry_hash(vfs, d);
}

struct dentry *dentry_create_root(struct inode *inode)
{
    struct dentry *d = dentry_alloc("", 0);
    if (!d) {
        inode_put(inode);
        return NULL;
    }
    d->inode = inode;
    d->super = inode->super;
    return d;
}

struct dentry *dentry_create_anonymous(struct inode *inode, const char *name)
{
    struct dentry *d = dentry_alloc(name, strlen(name));
    if (!d) {
        inode_put(inode);
        return NULL;
    }
    d->inode = inode;
    d->anonymous = true;
    return d;
}

void dentry_move(struct vfs *vfs, struct dentry *d, struct dentry *parent, char *name)
{
    size_t len = strlen(name);
    dentry_get(parent);
    lock_acquire(&vfs->tree_lock);
    struct dentry *old_parent = d->parent;
    char *old_name = d->name;
    d->parent = parent;
    d->name = name;
    d->name_len = (uint32_t)len;
    d->hash = name_hash(name, len);
    lock_release(&vfs->tree_lock);
    name_free(d, old_name);
    // The caller holds the old directory too, so this is never its last reference.
    atomic_fetch_sub_explicit(&old_parent->refs, 1, memory_order_release);
}

struct taken_name {
    char *allocated; // NULL: it is short
    char text[DENTRY_SHORT_NAME];
    uint32_t len, hash;
};

static struct taken_name name_take(const struct dentry *d)
{
    struct taken_name n = {.len = d->name_len, .hash = d->hash};
    if (d->name == d->short_name)
        memcpy(n.text, d->short_name, sizeof n.text);
    else
        n.allocated = d->name;
    return n;
}

static void name_give(struct dentry *d, const struct taken_name *n)
{
    if (!n->allocated)
        memcpy(d->short_name, n->text, sizeof n->text);
    d->name = n->allocated ? n->allocated : d->short_name;
    d->name_len = n->len;
    d->hash = n->hash;
}

void dentry_swap(struct vfs *vfs, struct dentry *a, struct dentry *b)
{
    lock_acquire(&vfs->tree_lock);
    struct dentry *parent = a->parent;
    const struct taken_name name_a = name_take(a), name_b = name_take(b);
    a->parent = b->parent;
    b->parent = parent;
    name_give(a, &name_b);
    name_give(b, &name_a);
    lock_release(&vfs->tree_lock);
}

// Unhashes every child that only the cache holds, onto `out`.
static void collect_unused(struct dentry_shard *s, struct dentry *dir, struct list *out)
{
    struct dentry *d, *next;
    list_for_each_safe (d, next, &dir->children, child_link) {
        if (atomic_load_explicit(&d->refs, memory_order_acquire) != 1)
            continue;
        shard_remove(s, d);
        list_add_tail(out, &d->lru_link);
    }
}

void dentry_prune(struct vfs *vfs, struct dentry *dir)
{
    struct dentry_shard *s = shard_of(vfs, dir);
    struct list out;
    list_init(&out);
    lock_acquire(&s->lock);
    gates_close(vfs);
    collect_unused(s, dir, &out);
    gates_open(vfs);
    lock_release(&s->lock);
    put_later(vfs, &out);
}

void dentry_prune_super(struct vfs *vfs, struct super *super)
{
    bool again = true;
    while (again) { // parents become unused when their children have gone
        again = false;
        for (size_t i = 0; i < DENTRY_SHARDS; i++) {
            struct dentry_shard *s = &vfs->shard[i];
            struct dentry *d, *next;
            struct list out;
            list_init(&out);
            lock_acquire(&s->lock);
            gates_close(vfs);
            list_for_each_safe (d, next, &s->lru, lru_link) {
                if (d->super != super || atomic_load_explicit(&d->refs, memory_order_acquire) != 1)
                    continue;
                shard_remove(s, d);
                list_add_tail(&out, &d->lru_link);
            }
            gates_open(vfs);
            lock_release(&s->lock);
            again |= !list_empty(&out);
            put_all(&out);
        }
    }
    dentry_free_evicted(vfs);
}

struct dentry *dentry_parent(struct vfs *vfs, struct dentry *d)
{
    lock_acquire(&vfs->tree_lock);
    struct dentry *parent = dentry_get(d->parent ? d->parent : d);
    lock_release(&vfs->tree_lock);
    return parent;
}

bool dentry_is_below(struct vfs *vfs, struct dentry *d, struct dentry *ancestor)
{
    lock_acquire(&vfs->tree_lock);
    while (d && d != ancestor)
        d = d->parent;
    lock_release(&vfs->tree_lock);
    return d != NULL;
}
