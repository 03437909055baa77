// Run tokens: at most as many CPUs are GUEST as the host has processors, so that a CPU that is
// poked is running and answers at once.
//
// A CPU keeps its token while it is in the kernel (CACHED), where a waiter may take it away by a
// compare-and-swap. Waiters queue; the first one alone has a timer, of one slice, after which it
// asks the oldest holder. Nobody waits: no timer.
#include "emu/mem_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include <stdlib.h>

#define SLICE_NS (3 * NSEC_PER_SEC / 1000)

int run_tokens_create(unsigned count, struct run_tokens **out)
{
    struct run_tokens *t = calloc(1, sizeof *t);
    if (!t)
        return -LINUX_ENOMEM;
    lock_init(&t->lock, LOCK_RANK_RUN_TOKEN);
    lock_init(&t->mems_lock, LOCK_RANK_MEMS);
    t->count = t->free = count ? count : thread_cpu_count();
    list_init(&t->holders);
    list_init(&t->waiting);
    list_init(&t->mems);
    *out = t;
    return 0;
}

void run_tokens_destroy(struct run_tokens *t)
{
    ISH_ASSERT(list_empty(&t->mems) && t->free == t->count);
    for (unsigned i = 0; i < t->tlb_count; i++)
        free(t->tlbs[i]);
    lock_destroy(&t->mems_lock);
    lock_destroy(&t->lock);
    free(t);
}

// A token that just became free goes to the first waiter, and the next one starts the timer. The
// lock is held.
static void pass_token(struct run_tokens *t)
{
    if (list_empty(&t->waiting)) {
        t->free++;
        return;
    }
    struct mem_cpu *first = list_first(&t->waiting, struct mem_cpu, wait_link);
    list_remove(&first->wait_link);
    list_add_tail(&t->holders, &first->hold_link);
    atomic_store_explicit(&first->yield_wanted, false, memory_order_relaxed);
    first->granted = true;
    cond_signal(&first->granted_cond);
    if (!list_empty(&t->waiting))
        cond_signal(&list_first(&t->waiting, struct mem_cpu, wait_link)->granted_cond);
}

// Takes the token of the oldest holder that is in the kernel, or asks the oldest that has not been
// asked yet. The lock is held.
static void want_token(struct run_tokens *t)
{
    struct mem_cpu *mc, *ask = NULL;
    list_for_each (mc, &t->holders, hold_link) {
        uint32_t expect = CPU_CACHED;
        if (atomic_compare_exchange_strong_explicit(&mc->state, &expect, CPU_KERNEL,
                                                    memory_order_seq_cst, memory_order_relaxed)) {
            list_remove(&mc->hold_link);
            pass_token(t);
            return;
        }
        if (!ask && !atomic_load_explicit(&mc->yield_wanted, memory_order_relaxed))
            ask = mc;
    }
    if (ask) {
        atomic_store_explicit(&ask->yield_wanted, true, memory_order_relaxed);
        cpu_poke(ask->cpu);
    }
}

void run_token_acquire(struct mem_cpu *mc)
{
    struct run_tokens *t = mc->mem->tokens;
    lock_acquire(&t->lock);
    if (t->free > 0) {
        t->free--;
        atomic_store_explicit(&mc->yield_wanted, false, memory_order_relaxed);
        list_add_tail(&t->holders, &mc->hold_link);
        lock_release(&t->lock);
        return;
    }
    mc->granted = false;
    list_add_tail(&t->waiting, &mc->wait_link);
    uint64_t deadline = 0;
    while (!mc->granted) {
        if (list_first(&t->waiting, struct mem_cpu, wait_link) != mc) {
            cond_wait(&mc->granted_cond, &t->lock, COND_FOREVER);
            continue;
        }
        if (!deadline)
            deadline = clock_monotonic_ns() + SLICE_NS;
        if (!cond_wait(&mc->granted_cond, &t->lock, deadline) && !mc->granted) {
            want_token(t);
            deadline = 0;
        }
    }
    lock_release(&t->lock);
}

void mem_yield(struct cpu *cpu)
{
    struct mem_cpu *mc = cpu->mem_state;
    uint32_t expect = CPU_CACHED;
    if (!atomic_compare_exchange_strong_explicit(&mc->state, &expect, CPU_KERNEL,
                                                 memory_order_seq_cst, memory_order_relaxed))
        return;
    struct run_tokens *t = mc->mem->tokens;
    lock_acquire(&t->lock);
    list_remove(&mc->hold_link);
    atomic_store_explicit(&mc->yield_wanted, false, memory_order_relaxed);
    pass_token(t);
    lock_release(&t->lock);
}
