// Physical memory of the guests: refcounted 4 KiB frames. Layer 1.
//
// A frame is either anonymous (owned host memory, zero when allocated) or a slice of a host mapping
// of a file (a `window`, shared by the frames in it). Frames belong to the pool of one kernel
// instance, which enforces the memory limit. All functions are safe from any thread; lock rank:
// leaf.
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
    _Atomic uint32_t refs;
    // How many page-table entries map it; > 1 entry or `shared`: not solely owned by one mem.
    _Atomic uint32_t maps;
    bool shared; // immutable: content belongs to a file or shared object, never copied on write
    // Reverse map, guarded by the pool's rmap lock; used only when `shared`.
    void *rmap;
    // Release of file frames: called once when refs drop to 0, before the memory goes. May be NULL.
    void (*on_free)(struct frame *frame);
    void *owner; // for on_free
    // How many translated blocks were made from this frame, over all code spaces; see emu/code.h.
    _Atomic uint32_t code_blocks;
};

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
// A frame over memory somebody else owns (a slice of a host file mapping).
NODISCARD int frame_wrap(struct frame_pool *pool, void *host, void (*on_free)(struct frame *),
                         void *owner, struct frame **out);

static inline struct frame *frame_get(struct frame *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}
void frame_put(struct frame *f);

#endif
