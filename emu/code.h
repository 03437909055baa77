// Translated code of one address space. Layer 2.
//
// Blocks belong to a refcounted code_space of one mem (chains and folded constants bake in
// addresses); fork shares it until either side changes code or executable mappings, and then that
// side starts its own. A frame -> blocks index drops blocks by frame. Retired blocks are freed only
// when no CPU that could be inside them is GUEST any more (through a mem_batch).
#ifndef EMU_CODE_H
#define EMU_CODE_H

#include "platform/base/compiler.h"
#include "platform/frame.h"
#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct code_space;
struct thread_code;

NODISCARD int code_space_create(struct code_space **out);
struct code_space *code_space_get(struct code_space *cs);
void code_space_put(struct code_space *cs);

// Keeps it without being one of its users.
struct code_space *code_space_pin(struct code_space *cs);
void code_space_unpin(struct code_space *cs);
// True when it has several users: address spaces, by get and put.
bool code_space_is_shared(const struct code_space *cs);

// Makes every block made from `frame` unreachable: unhashed and unchained; returns whether there
// was any. CPUs still inside one may finish it. A translation under way that read its code before
// this call is not entered afterwards. Any thread. A space holds a reference to each frame it has
// blocks of.
bool code_space_drop_frame(struct code_space *cs, struct frame *frame);
// The same for everything.
void code_space_drop_all(struct code_space *cs);
// Takes out what was dropped so far (NULL: nothing). The caller frees it once no CPU can be inside
// any more: every CPU that uses the space has left GUEST since and flushed its lookup structures.
// Without that call it is freed with the space.
struct code_garbage;
struct code_garbage *code_space_collect(struct code_space *cs);
void code_space_free_garbage(struct code_space *cs, struct code_garbage *garbage);

// Per-thread lookup structures (pc hash, return stack), from a pool.
NODISCARD int thread_code_create(struct thread_code **out);
void thread_code_destroy(struct thread_code *tc);
// Forgets everything looked up; called on the owning thread when generations moved.
void thread_code_flush(struct thread_code *tc);

// True if some code space has blocks made from `frame`.
static inline bool code_in_frame(struct frame *frame)
{
    return atomic_load_explicit(&frame->code_blocks, memory_order_relaxed) != 0;
}

#endif
