// Private to emu/mem.c, emu/tlb.c, emu/shootdown.c: page tables and the state of attached CPUs.
// Layer 2.
#ifndef EMU_MEM_INTERNAL_H
#define EMU_MEM_INTERNAL_H

#include "emu/code.h"
#include "emu/mem.h"
#include "platform/base/list.h"
#include "platform/lock.h"
#include <stdatomic.h>

enum {
    TABLE_BITS = 9,
    TABLE_SIZE = 1 << TABLE_BITS,
    TABLE_LEVELS = 3, // directories above the leaf tables
    LEAF_PAGES = TABLE_SIZE,
    LEAF_SHIFT = MEM_PAGE_BITS + TABLE_BITS,
};
#define LEAF_SPAN (1ull << LEAF_SHIFT)

// Low bits of an entry; the rest is the address of the frame.
enum {
    PTE_RIGHTS = MEM_READ | MEM_WRITE | MEM_EXEC,
    PTE_SHARED = 8,
    PTE_BITS = 63,
};
_Static_assert(_Alignof(struct frame) == PTE_BITS + 1, "rights fit below a frame's address");

// Entries of 2 MiB. Written only under the lock of the one mem that reaches it (refs == 1); while
// it is shared it does not change.
struct leaf {
    _Atomic uint64_t pte[TABLE_SIZE];
    _Atomic uint32_t refs;
    uint16_t live, live_file; // entries; those of `shared` frames
    bool has_exec;            // some entry is or was executable
} ALIGNED(64);

struct dir {
    _Atomic(void *) slot[TABLE_SIZE]; // struct dir, or struct leaf in the lowest level
    uint32_t live;                    // guarded by the owner's lock
} ALIGNED(64);

enum mem_cpu_state {
    CPU_KERNEL,
    CPU_CACHED, // KERNEL with a run token, which may be stolen
    CPU_ACCESS,
    CPU_ACCESS_CACHED, // ACCESS with a run token
    CPU_GUEST,         // with a run token
};
static inline bool cpu_state_busy(uint32_t state)
{
    return state >= CPU_ACCESS;
}

struct mem_cpu {
    struct cpu *cpu;
    struct mem *mem;          // referenced; self
    struct list link;         // in mem->cpus, guarded by mem->cpus_lock
    _Atomic uint32_t state;   // enum mem_cpu_state; CACHED -> KERNEL by a thief, else self
    _Atomic uint64_t tlb_gen; // generation the TLB is at; written by self
    uint64_t code_gen;        // self

    // Guarded by tokens->lock.
    struct list hold_link; // in tokens->holders
    struct list wait_link; // in tokens->woken or preempted
    struct cond granted_cond;
    bool granted;
    bool used_slice; // gave its last token up because it was asked to
    uint64_t granted_ns;
    unsigned number; // of the token; self may read it without the lock once it holds it

    _Atomic bool yield_wanted; // a waiter has waited for a slice
};

enum { MEM_LOG = 16, MEM_LOG_ALL = MEM_PAGE_SIZE - 1 };

struct mem {
    _Atomic uint32_t refs;
    struct run_tokens *tokens; // immutable
    struct list link;          // in tokens->mems, guarded by tokens->mems_lock

    // Owner's lock; read by GUEST CPUs.
    struct dir root;
    _Atomic uint64_t pages, file_pages; // read by anyone
    struct leaf *reserve[2];            // for mem_clear() when there is no memory

    // Written under the owner's lock. Generation g changed what log[g % MEM_LOG] says: page address
    // plus a count of pages, MEM_LOG_ALL for everything.
    _Atomic uint64_t tlb_gen;
    _Atomic uint64_t log[MEM_LOG];
    _Atomic uint64_t settled_gen;      // no CPU holds translations older than this
    _Atomic uint64_t code_gen;         // written by anyone
    _Atomic(struct code_space *) code; // referenced; changed under the owner's lock

    struct lock cpus_lock;    // rank mem_cpus
    struct list cpus;         // guarded by cpus_lock
    struct cond cpus_cond;    // some CPU left GUEST or took a generation
    _Atomic uint32_t waiters; // on cpus_cond
};

struct run_tokens {
    struct lock lock; // rank run_token
    unsigned count;
    uint64_t free;                // numbers nobody holds, one bit each
    struct list holders;          // oldest first
    struct list woken, preempted; // waiters, FIFO each
    unsigned woken_in_a_row;
    struct tlb *tlbs[16];
    unsigned tlb_count;

    struct lock mems_lock; // rank mems
    struct list mems;
};

static inline struct frame *pte_frame(uint64_t pte)
{
    return (struct frame *)(uintptr_t)(pte & ~(uint64_t)PTE_BITS);
}

// The leaf table that covers `va`, or NULL. GUEST, ACCESS, or the owner's lock held.
static inline struct leaf *mem_find_leaf(const struct mem *mem, uint64_t va)
{
    const struct dir *d = &mem->root;
    for (unsigned level = TABLE_LEVELS; level > 1; level--) {
        d = atomic_load_explicit(
            &d->slot[va >> (LEAF_SHIFT + TABLE_BITS * (level - 1)) & (TABLE_SIZE - 1)],
            memory_order_acquire);
        if (!d)
            return NULL;
    }
    return atomic_load_explicit(&d->slot[va >> LEAF_SHIFT & (TABLE_SIZE - 1)],
                                memory_order_acquire);
}

static inline unsigned leaf_index(uint64_t va)
{
    return (unsigned)(va >> MEM_PAGE_BITS) & (TABLE_SIZE - 1);
}

// True when the entry's frame is private memory that nobody else maps. Only the mem that asks can
// make this false again (by a fork, with a shootdown).
static inline bool pte_is_sole(const struct leaf *leaf, uint64_t pte)
{
    if (atomic_load_explicit(&leaf->refs, memory_order_acquire) != 1)
        return false;
    const struct frame *f = pte_frame(pte);
    return !f->shared && frame_maps(f) == 1;
}

// True when the CPU may write through this entry as it stands.
static inline bool pte_writable(const struct leaf *leaf, uint64_t pte)
{
    return (pte & MEM_WRITE) && ((pte & PTE_SHARED) || pte_is_sole(leaf, pte));
}

// Moves the TLB generation; the owner's lock is held. Pages 0: nothing to forget, but later waits
// are for CPUs that entered before now.
void mem_invalidate(struct mem *mem, struct mem_batch *batch, uint64_t addr, uint64_t pages);
void batch_add_frame(struct mem_batch *batch, struct frame *frame);
void batch_add_leaf(struct mem_batch *batch, struct leaf *leaf);
void batch_add_dir(struct mem_batch *batch, struct dir *dir);
// Blocks dropped from the mem's code space, if nobody else runs them, are freed with the batch.
void batch_add_code(struct mem_batch *batch, struct mem *mem);
// `space` is no longer the mem's; its reference goes with the batch.
void batch_add_replaced_code(struct mem_batch *batch, struct mem *mem, struct code_space *space);

// Asks the CPUs that are GUEST to leave it.
void mem_poke_guests(struct mem *mem);

// Waits for a run token, which the CPU then holds.
void run_token_acquire(struct mem_cpu *mc);

// Drops one reference of a table; the last one releases its frames.
void leaf_put(struct leaf *leaf);

// Brings the CPU's TLB and code pointers up to date; its state is GUEST or ACCESS already.
void mem_cpu_sync(struct mem_cpu *mc);
void tlb_forget_all(struct tlb *tlb);
void tlb_forget(struct tlb *tlb, uint64_t addr, uint64_t pages);
NODISCARD int tlb_get(struct run_tokens *tokens, struct tlb **out);
void tlb_put(struct run_tokens *tokens, struct tlb *tlb);

#endif
