// The protocol of emu/mem.h: who is GUEST, waiting until stale translations are gone, and what is
// released then.
#include "emu/mem_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include "platform/thread.h"
#include <stdlib.h>
#include <string.h>

// --- Waiting -------------------------------------------------------------------------------------

void mem_invalidate(struct mem *mem, struct mem_batch *batch, uint64_t addr, uint64_t pages)
{
    uint64_t gen = atomic_load_explicit(&mem->tlb_gen, memory_order_relaxed) + 1;
    uint64_t entry = pages < MEM_LOG_ALL ? addr | pages : MEM_LOG_ALL;
    atomic_store_explicit(&mem->log[gen % MEM_LOG], entry, memory_order_release);
    atomic_store_explicit(&mem->tlb_gen, gen, memory_order_seq_cst);
    for (unsigned i = 0; i < batch->mem_count; i++)
        if (batch->mems[i] == mem)
            return;
    ISH_ASSERT(batch->mem_count < MEM_BATCH_MEMS);
    mem_get(mem);
    batch->mems[batch->mem_count++] = mem;
}

// True when the CPU may still use translations older than `gen`.
static bool is_stale(const struct mem_cpu *mc, uint64_t gen)
{
    return cpu_state_busy(atomic_load_explicit(&mc->state, memory_order_seq_cst)) &&
           atomic_load_explicit(&mc->tlb_gen, memory_order_seq_cst) < gen;
}

// cpus_lock is held.
static bool any_stale(struct mem *mem, uint64_t gen, bool poke)
{
    bool stale = false;
    struct mem_cpu *mc;
    list_for_each (mc, &mem->cpus, link) {
        if (!is_stale(mc, gen))
            continue;
        stale = true;
        if (poke)
            cpu_poke(mc->cpu);
    }
    return stale;
}

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void set_settled(struct mem *mem, uint64_t gen)
{
    uint64_t old = atomic_load_explicit(&mem->settled_gen, memory_order_relaxed);
    while (old < gen &&
           !atomic_compare_exchange_weak_explicit(&mem->settled_gen, &old, gen,
                                                  memory_order_seq_cst, memory_order_relaxed)) {
    }
}

enum { SPIN_LIMIT = 200 }; // about the time a CPU that runs takes to notice a poke

static void wait_for_generation(struct mem *mem, uint64_t gen)
{
    if (atomic_load_explicit(&mem->settled_gen, memory_order_seq_cst) >= gen)
        return;
    lock_acquire(&mem->cpus_lock);
    bool stale = any_stale(mem, gen, true);
    // Nobody who leaves takes this lock while there is no waiter, so it may be held for the spin.
    for (unsigned i = 0; stale && i < SPIN_LIMIT && mem->tokens->count > 1; i++) {
        pause_cpu();
        stale = any_stale(mem, gen, false);
    }
    if (stale) {
        atomic_fetch_add_explicit(&mem->waiters, 1, memory_order_seq_cst);
        while (any_stale(mem, gen, false))
            cond_wait(&mem->cpus_cond, &mem->cpus_lock, COND_FOREVER);
        atomic_fetch_sub_explicit(&mem->waiters, 1, memory_order_seq_cst);
    }
    lock_release(&mem->cpus_lock);
    uint64_t settled = atomic_load_explicit(&mem->settled_gen, memory_order_relaxed);
    while (settled < gen &&
           !atomic_compare_exchange_weak_explicit(&mem->settled_gen, &settled, gen,
                                                  memory_order_seq_cst, memory_order_relaxed)) {
    }
}

bool mem_is_settled(const struct mem *mem)
{
    return atomic_load_explicit(&mem->settled_gen, memory_order_seq_cst) ==
           atomic_load_explicit(&mem->tlb_gen, memory_order_seq_cst);
}

bool mem_try_settle(struct mem *mem)
{
    uint64_t gen = atomic_load_explicit(&mem->tlb_gen, memory_order_seq_cst);
    if (atomic_load_explicit(&mem->settled_gen, memory_order_seq_cst) >= gen)
        return true;
    lock_acquire(&mem->cpus_lock);
    bool stale = any_stale(mem, gen, true);
    lock_release(&mem->cpus_lock);
    if (!stale)
        set_settled(mem, gen);
    return !stale;
}

void mem_settle(struct mem *mem)
{
    wait_for_generation(mem, atomic_load_explicit(&mem->tlb_gen, memory_order_seq_cst));
}

void mem_poke_guests(struct mem *mem)
{
    lock_acquire(&mem->cpus_lock);
    struct mem_cpu *mc;
    list_for_each (mc, &mem->cpus, link) {
        if (atomic_load_explicit(&mc->state, memory_order_seq_cst) == CPU_GUEST)
            cpu_poke(mc->cpu);
    }
    lock_release(&mem->cpus_lock);
}

void mem_barrier(struct mem *mem, struct mem_batch *batch, bool switched)
{
    if (switched) {
        struct mem_cpu *mc;
        lock_acquire(&mem->cpus_lock);
        list_for_each (mc, &mem->cpus, link)
            atomic_store_explicit(&mc->cpu->switched, true, memory_order_seq_cst);
        lock_release(&mem->cpus_lock);
    }
    mem_invalidate(mem, batch, 0, 0);
}

// --- Batches -------------------------------------------------------------------------------------

enum item_kind { ITEM_FRAME, ITEM_LEAF, ITEM_DIR, ITEM_KIND_MASK = 3 };

void mem_batch_init(struct mem_batch *batch)
{
    *batch = (struct mem_batch){.item_room = MEM_BATCH_ITEMS};
    batch->items = batch->first_items;
}

static void release_items(struct mem_batch *batch)
{
    for (size_t i = 0; i < batch->item_count; i++) {
        void *p = (void *)(batch->items[i] & ~(uintptr_t)ITEM_KIND_MASK);
        switch ((enum item_kind)(batch->items[i] & ITEM_KIND_MASK)) {
        case ITEM_FRAME:
            frame_unmap(p);
            break;
        case ITEM_LEAF:
            leaf_put(p);
            break;
        case ITEM_DIR:
        case ITEM_KIND_MASK:
            free(p);
            break;
        }
    }
    batch->item_count = 0;
}

static void batch_add(struct mem_batch *batch, void *p, enum item_kind kind)
{
    if (batch->item_count == batch->item_room) {
        size_t room = batch->item_room * 4;
        bool first = batch->items == batch->first_items;
        uintptr_t *items = realloc(first ? NULL : batch->items, room * sizeof *items);
        if (items) {
            if (first)
                memcpy(items, batch->first_items, sizeof batch->first_items);
            batch->items = items;
            batch->item_room = room;
        } else {
            // No memory to remember more: wait here for what was collected. The owner's lock is
            // held, which costs others time and nothing else, because GUEST and ACCESS take none
            // that is held over a wait.
            for (unsigned i = 0; i < batch->mem_count; i++) {
                mem_invalidate(batch->mems[i], batch, 0, MEM_LOG_ALL);
                mem_settle(batch->mems[i]);
            }
            release_items(batch);
        }
    }
    batch->items[batch->item_count++] = (uintptr_t)p | kind;
}

void batch_add_frame(struct mem_batch *batch, struct frame *frame)
{
    batch_add(batch, frame, ITEM_FRAME);
}

void batch_add_leaf(struct mem_batch *batch, struct leaf *leaf)
{
    batch_add(batch, leaf, ITEM_LEAF);
}

void batch_add_dir(struct mem_batch *batch, struct dir *dir)
{
    batch_add(batch, dir, ITEM_DIR);
}

static unsigned batch_slot(struct mem_batch *batch, struct mem *mem)
{
    mem_invalidate(mem, batch, 0, 0);
    unsigned i = 0;
    while (batch->mems[i] != mem)
        i++;
    return i;
}

void batch_add_code(struct mem_batch *batch, struct mem *mem)
{
    struct code_space *space = atomic_load_explicit(&mem->code, memory_order_relaxed);
    unsigned i = batch_slot(batch, mem);
    // One collection a batch; what comes later, or is shared, waits for another.
    if (batch->garbage[i] || code_space_is_shared(space))
        return;
    batch->garbage[i] = code_space_collect(space);
    if (batch->garbage[i])
        batch->spaces[i] = code_space_pin(space);
}

void batch_add_replaced_code(struct mem_batch *batch, struct mem *mem, struct code_space *space)
{
    unsigned i = batch_slot(batch, mem);
    // A space is replaced only while it is shared, and the new one is not.
    ISH_ASSERT(!batch->replaced[i]);
    batch->replaced[i] = space;
}

void mem_batch_finish(struct mem_batch *batch)
{
    lock_assert_none_held();
    for (unsigned i = 0; i < batch->mem_count; i++)
        mem_settle(batch->mems[i]);
    release_items(batch);
    if (batch->items != batch->first_items)
        free(batch->items);
    for (unsigned i = 0; i < batch->mem_count; i++) {
        if (batch->garbage[i]) {
            code_space_free_garbage(batch->spaces[i], batch->garbage[i]);
            code_space_unpin(batch->spaces[i]);
        }
        if (batch->replaced[i])
            code_space_put(batch->replaced[i]);
        mem_put(batch->mems[i]);
    }
    mem_batch_init(batch);
}

// --- CPUs ----------------------------------------------------------------------------------------

static void cpu_bind(struct mem_cpu *mc, struct mem *mem)
{
    mem_get(mem);
    mc->mem = mem;
    mc->cpu->mem = mem;
    lock_acquire(&mem->cpus_lock);
    list_add_tail(&mem->cpus, &mc->link);
    lock_release(&mem->cpus_lock);
    atomic_store_explicit(&mc->tlb_gen, atomic_load_explicit(&mem->tlb_gen, memory_order_seq_cst),
                          memory_order_relaxed);
    mc->code_gen = atomic_load_explicit(&mem->code_gen, memory_order_seq_cst);
    mc->cpu->space = atomic_load_explicit(&mem->code, memory_order_acquire);
}

static void cpu_unbind(struct mem_cpu *mc)
{
    struct mem *mem = mc->mem;
    lock_acquire(&mem->cpus_lock);
    list_remove(&mc->link);
    lock_release(&mem->cpus_lock);
    mc->mem = NULL;
    mc->cpu->mem = NULL;
    mc->cpu->space = NULL;
    mem_put(mem);
}

int mem_attach(struct mem *mem, struct cpu *cpu)
{
    struct mem_cpu *mc = cpu->mem_state;
    if (mc) {
        struct mem *old = mc->mem;
        mem_get(old); // a CPU that moves to where it is
        cpu_unbind(mc);
        tlb_forget_all(cpu->tlb);
        thread_code_flush(cpu->code);
        cpu_bind(mc, mem);
        mem_put(old);
        return 0;
    }
    mc = calloc(1, sizeof *mc);
    if (!mc)
        return -LINUX_ENOMEM;
    int err = tlb_get(mem->tokens, &cpu->tlb);
    if (!err) {
        err = thread_code_create(&cpu->code);
        if (err)
            tlb_put(mem->tokens, cpu->tlb);
    }
    if (err) {
        cpu->tlb = NULL;
        free(mc);
        return err;
    }
    mc->cpu = cpu;
    list_init(&mc->link);
    list_init(&mc->hold_link);
    list_init(&mc->wait_link);
    cond_init(&mc->granted_cond);
    cpu->mem_state = mc;
    cpu_bind(mc, mem);
    return 0;
}

void mem_detach(struct cpu *cpu)
{
    struct mem_cpu *mc = cpu->mem_state;
    if (!mc)
        return;
    struct run_tokens *tokens = mc->mem->tokens;
    mem_yield(cpu);
    cpu_unbind(mc);
    tlb_put(tokens, cpu->tlb);
    thread_code_destroy(cpu->code);
    cpu->tlb = NULL;
    cpu->code = NULL;
    cpu->mem_state = NULL;
    cond_destroy(&mc->granted_cond);
    free(mc);
}

static void tell_waiters(struct mem *mem)
{
    if (LIKELY(!atomic_load_explicit(&mem->waiters, memory_order_seq_cst)))
        return;
    lock_acquire(&mem->cpus_lock);
    cond_broadcast(&mem->cpus_cond);
    lock_release(&mem->cpus_lock);
}

void mem_enter(struct cpu *cpu)
{
    struct mem_cpu *mc = cpu->mem_state;
    uint32_t expect = CPU_CACHED;
    if (!atomic_compare_exchange_strong_explicit(&mc->state, &expect, CPU_GUEST,
                                                 memory_order_seq_cst, memory_order_relaxed)) {
        run_token_acquire(mc);
        atomic_store_explicit(&mc->state, CPU_GUEST, memory_order_seq_cst);
    }
    mem_cpu_sync(mc);
}

void mem_leave(struct cpu *cpu)
{
    struct mem_cpu *mc = cpu->mem_state;
    atomic_store_explicit(&mc->state, CPU_CACHED, memory_order_seq_cst);
    tell_waiters(mc->mem);
    if (UNLIKELY(atomic_load_explicit(&mc->yield_wanted, memory_order_relaxed)))
        mem_yield(cpu);
}

void mem_access_begin(struct cpu *cpu)
{
    struct mem_cpu *mc = cpu->mem_state;
    uint32_t state = atomic_load_explicit(&mc->state, memory_order_relaxed);
    uint32_t busy;
    do {
        busy = state == CPU_CACHED ? CPU_ACCESS_CACHED : CPU_ACCESS;
    } while (!atomic_compare_exchange_weak_explicit(&mc->state, &state, busy, memory_order_seq_cst,
                                                    memory_order_relaxed));
    mem_cpu_sync(mc);
}

void mem_access_end(struct cpu *cpu)
{
    struct mem_cpu *mc = cpu->mem_state;
    uint32_t state = atomic_load_explicit(&mc->state, memory_order_relaxed);
    atomic_store_explicit(&mc->state, state == CPU_ACCESS_CACHED ? CPU_CACHED : CPU_KERNEL,
                          memory_order_seq_cst);
    tell_waiters(mc->mem);
}
