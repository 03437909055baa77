// Physical memory of the guests: refcounted 4 KiB frames. Layer 1.
//
// A frame is either anonymous (owned host memory, zero when allocated) or a slice of memory
// somebody else owns, a window over a host file as a rule. Frames belong to the pool of one kernel
// instance, which enforces the memory limit. All functions are safe from any thread; lock rank:
// leaf.
//
// A frame counts its holders (references) and, among them, the page-table entries that map it. A
// private frame mapped once is solely owned: that entry may write it. Who maps a file's frames is
// known to the file's mappings (fs/mapping.h), not to the frame.
#ifndef PLATFORM_FRAME_H
#define PLATFORM_FRAME_H

#include "platform/base/compiler.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_SIZE = 4096 };

struct frame_pool;

struct frame {
    void *host; // FRAME_SIZE bytes, immutable for the life of the frame
    struct frame_pool *pool;
    // Low half: references. High half: page-table entries, each of which is a reference too.
    _Atomic uint64_t count;
    // Release of wrapped frames: called once with the last reference gone, before the memory goes.
    // May be NULL.
    void (*on_free)(struct frame *frame);
    void *owner; // for on_free; anonymous frames: their chunk
    // How many translated blocks were made from this frame, over all code spaces; see emu/code.h.
    _Atomic uint32_t code_blocks;
    bool shared;        // immutable once mapped: belongs to a file or shared object, copied on a
                        // private write even when mapped once
    bool anonymous;     // immutable: memory of the pool, counted against its limit
    struct frame *next; // free list, guarded by the pool
} ALIGNED(64);          // page-table entries keep rights in the low bits of its address

// `limit`: bytes of anonymous memory, 0 = no limit.
NODISCARD int frame_pool_create(uint64_t limit, struct frame_pool **out);
// All frames must have been released.
void frame_pool_destroy(struct frame_pool *pool);
// Bytes of anonymous frames in use, and the limit (host memory when there is none).
uint64_t frame_pool_used(const struct frame_pool *pool);
uint64_t frame_pool_limit(const struct frame_pool *pool);

// A zeroed anonymous frame with one reference. Returns 0 or -LINUX_ENOMEM.
NODISCARD int frame_alloc(struct frame_pool *pool, struct frame **out);
// The same without zeroing, for a caller that overwrites all of it at once.
NODISCARD int frame_alloc_uninit(struct frame_pool *pool, struct frame **out);
// A `shared` frame over memory somebody else owns (a slice of a host file mapping).
NODISCARD int frame_wrap(struct frame_pool *pool, void *host, void (*on_free)(struct frame *),
                         void *owner, struct frame **out);

#define FRAME_MAP_ONE ((1ull << 32) + 1)

static inline struct frame *frame_get(struct frame *f)
{
    atomic_fetch_add_explicit(&f->count, 1, memory_order_relaxed);
    return f;
}
// False when the last reference is already gone: for tables of frames that hold none.
static inline bool frame_get_unless_free(struct frame *f)
{
    uint64_t count = atomic_load_explicit(&f->count, memory_order_relaxed);
    while ((uint32_t)count > 0)
        if (atomic_compare_exchange_weak_explicit(&f->count, &count, count + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}
// For the functions below; frees a frame nobody holds any more.
void frame_free(struct frame *f);
static inline void frame_put(struct frame *f)
{
    uint64_t old = atomic_fetch_sub_explicit(&f->count, 1, memory_order_acq_rel);
    if ((uint32_t)old == 1)
        frame_free(f);
}
// One more page-table entry names the frame / an entry is gone (for emu/mem.c).
static inline void frame_map(struct frame *f)
{
    atomic_fetch_add_explicit(&f->count, FRAME_MAP_ONE, memory_order_relaxed);
}
// Turns a reference the caller holds into an entry's.
static inline void frame_map_consume(struct frame *f)
{
    atomic_fetch_add_explicit(&f->count, 1ull << 32, memory_order_relaxed);
}
static inline void frame_unmap(struct frame *f)
{
    uint64_t old = atomic_fetch_sub_explicit(&f->count, FRAME_MAP_ONE, memory_order_acq_rel);
    if ((uint32_t)old == 1)
        frame_free(f);
}
// Page-table entries that name the frame.
static inline uint32_t frame_maps(const struct frame *f)
{
    return (uint32_t)(atomic_load_explicit(&f->count, memory_order_acquire) >> 32);
}
static inline uint32_t frame_refs(const struct frame *f)
{
    return (uint32_t)atomic_load_explicit(&f->count, memory_order_acquire);
}

#endif
