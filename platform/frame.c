// Anonymous frames are carved from chunks of 2 MiB. A frame that was never used is zero because the
// host gave it so; one that comes back is cleared when it is handed out again. A chunk that becomes
// wholly free returns to the host, except for a reserve that keeps a program which frees and
// allocates in turn from paying for it each time.
#include "platform/frame.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/list.h"
#include "platform/base/log.h"
#include "platform/host_mem.h"
#include "platform/lock.h"
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_FRAMES = 512,
    CHUNK_SIZE = CHUNK_FRAMES * FRAME_SIZE,
    // Chunks before this one are filled by small pages, so that a small guest stays small.
    HUGE_AFTER_CHUNKS = 2,
    RESERVE_CHUNKS_MIN = 4,
};

struct chunk {
    struct list link; // in pool->chunks while it has a frame to give, else on its own
    char *host;
    struct frame *free;  // frames that were used before
    unsigned fresh_next; // frames from here on were never used
    unsigned in_use;
    struct frame frame[CHUNK_FRAMES];
};

struct frame_pool {
    struct lock lock; // rank frame_pool; guards all below
    struct list chunks;
    unsigned chunk_count, empty_chunks;
    _Atomic uint64_t used; // frames; written under lock, read anywhere
    uint64_t limit;        // frames; immutable
    bool limited;          // immutable
    _Atomic uint64_t wrapped;
};

int frame_pool_create(uint64_t limit, struct frame_pool **out)
{
    struct frame_pool *p = calloc(1, sizeof *p);
    if (!p)
        return -LINUX_ENOMEM;
    lock_init(&p->lock, LOCK_RANK_FRAME_POOL);
    list_init(&p->chunks);
    p->limited = limit != 0;
    p->limit = (limit ? limit : host_memory_size()) / FRAME_SIZE;
    *out = p;
    return 0;
}

static void chunk_free(struct chunk *c)
{
    host_mem_unmap(c->host, CHUNK_SIZE);
    free(c);
}

void frame_pool_destroy(struct frame_pool *pool)
{
    ISH_ASSERT(atomic_load_explicit(&pool->used, memory_order_acquire) == 0);
    ISH_ASSERT(atomic_load_explicit(&pool->wrapped, memory_order_acquire) == 0);
    while (!list_empty(&pool->chunks)) {
        struct chunk *c = list_first(&pool->chunks, struct chunk, link);
        list_remove(&c->link);
        chunk_free(c);
    }
    lock_destroy(&pool->lock);
    free(pool);
}

uint64_t frame_pool_used(const struct frame_pool *pool)
{
    return atomic_load_explicit(&pool->used, memory_order_relaxed) * FRAME_SIZE;
}

uint64_t frame_pool_limit(const struct frame_pool *pool)
{
    return pool->limit * FRAME_SIZE;
}

// Adds a chunk; the lock is held. Host calls here do not wait for anything.
static bool add_chunk(struct frame_pool *pool)
{
    void *mem = aligned_alloc(_Alignof(struct chunk), sizeof(struct chunk));
    if (!mem)
        return false;
    struct chunk *c = mem;
    memset(c, 0, __builtin_offsetof(struct chunk, frame));
    void *host;
    if (host_mem_map(CHUNK_SIZE, CHUNK_SIZE, &host)) {
        free(c);
        return false;
    }
    c->host = host;
    if (pool->chunk_count >= HUGE_AFTER_CHUNKS)
        host_mem_prefer_huge(host, CHUNK_SIZE);
    list_add_head(&pool->chunks, &c->link);
    pool->chunk_count++;
    pool->empty_chunks++;
    return true;
}

// The next frame of the pool; the lock is held. *zero: its memory is zero.
static struct frame *take_frame(struct frame_pool *pool, bool *zero)
{
    uint64_t used = atomic_load_explicit(&pool->used, memory_order_relaxed);
    if (pool->limited && used >= pool->limit)
        return NULL;
    if (list_empty(&pool->chunks) && !add_chunk(pool))
        return NULL;
    struct chunk *c = list_first(&pool->chunks, struct chunk, link);
    struct frame *f = c->free;
    *zero = !f;
    if (f) {
        c->free = f->next;
    } else {
        f = &c->frame[c->fresh_next];
        f->host = c->host + (size_t)c->fresh_next * FRAME_SIZE;
        c->fresh_next++;
    }
    if (c->in_use++ == 0)
        pool->empty_chunks--;
    if (!c->free && c->fresh_next == CHUNK_FRAMES)
        list_remove(&c->link);
    f->owner = c;
    atomic_store_explicit(&pool->used, used + 1, memory_order_relaxed);
    return f;
}

static int alloc_frame(struct frame_pool *pool, bool want_zero, struct frame **out)
{
    bool zero;
    lock_acquire(&pool->lock);
    struct frame *f = take_frame(pool, &zero);
    lock_release(&pool->lock);
    if (!f)
        return -LINUX_ENOMEM;
    f->pool = pool;
    f->on_free = NULL;
    f->shared = false;
    f->anonymous = true;
    atomic_store_explicit(&f->code_blocks, 0, memory_order_relaxed);
    atomic_store_explicit(&f->count, 1, memory_order_relaxed);
    if (want_zero && !zero)
        memset(f->host, 0, FRAME_SIZE);
    *out = f;
    return 0;
}

int frame_alloc(struct frame_pool *pool, struct frame **out)
{
    return alloc_frame(pool, true, out);
}

int frame_alloc_uninit(struct frame_pool *pool, struct frame **out)
{
    return alloc_frame(pool, false, out);
}

int frame_wrap(struct frame_pool *pool, void *host, void (*on_free)(struct frame *), void *owner,
               struct frame **out)
{
    struct frame *f = aligned_alloc(_Alignof(struct frame), sizeof *f);
    if (!f)
        return -LINUX_ENOMEM;
    *f = (struct frame){
        .host = host, .pool = pool, .on_free = on_free, .owner = owner, .shared = true};
    atomic_store_explicit(&f->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->wrapped, 1, memory_order_relaxed);
    *out = f;
    return 0;
}

// Takes a frame back; returns a chunk to give to the host, if any. The lock is held.
static struct chunk *return_frame(struct frame_pool *pool, struct frame *f)
{
    struct chunk *c = f->owner;
    bool was_full = !c->free && c->fresh_next == CHUNK_FRAMES;
    f->next = c->free;
    c->free = f;
    if (was_full)
        list_add_head(&pool->chunks, &c->link);
    uint64_t used = atomic_load_explicit(&pool->used, memory_order_relaxed) - 1;
    atomic_store_explicit(&pool->used, used, memory_order_relaxed);
    if (--c->in_use > 0)
        return NULL;
    pool->empty_chunks++;
    if (pool->empty_chunks <= RESERVE_CHUNKS_MIN + used / CHUNK_FRAMES / 4)
        return NULL;
    list_remove(&c->link);
    pool->chunk_count--;
    pool->empty_chunks--;
    return c;
}

void frame_free(struct frame *f)
{
    struct frame_pool *pool = f->pool;
    if (f->anonymous) {
        lock_acquire(&pool->lock);
        struct chunk *c = return_frame(pool, f);
        lock_release(&pool->lock);
        if (c)
            chunk_free(c);
        return;
    }
    if (f->on_free)
        f->on_free(f);
    free(f);
    atomic_fetch_sub_explicit(&pool->wrapped, 1, memory_order_release);
}
