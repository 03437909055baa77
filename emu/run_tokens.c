// Run tokens: at most as many CPUs are GUEST as the host has processors, so that a CPU that is
// poked is running and answers at once.
//
// A CPU keeps its token while it is in the kernel (CACHED), where a waiter may take it away by a
// compare-and-swap. Each token has a number, and a CPU may be limited to some (mem_cpu_allow), so
// what is passed on goes to the first in line that may have it. Waiters queue in two lines: those
// that come from a wait of their own go before those that used up their slice, though not for ever.
// The next in turn alone has a timer, after which it asks the oldest holder. Nobody waits: no
// timer.
#include "emu/mem_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include <stdlib.h>

// How long a holder runs before somebody who used up a slice, or somebody who just woke, may have
// its token.
#define SLICE_NS      (3 * NSEC_PER_SEC / 1000)
#define WAKE_SLICE_NS (NSEC_PER_SEC / 1000)
enum { WOKEN_IN_A_ROW = 4 };

static uint64_t all_numbers(const struct run_tokens *t)
{
    return ~0ull >> (RUN_TOKENS_MAX - t->count);
}

static uint64_t allowed(const struct mem_cpu *mc)
{
    uint64_t mask = atomic_load_explicit(&mc->cpu->allowed, memory_order_relaxed);
    return mask ? mask : ~0ull;
}

static bool may_have(const struct mem_cpu *mc, unsigned number)
{
    return allowed(mc) >> number & 1;
}

int run_tokens_create(unsigned count, struct run_tokens **out)
{
    struct run_tokens *t = calloc(1, sizeof *t);
    if (!t)
        return -LINUX_ENOMEM;
    lock_init(&t->lock, LOCK_RANK_RUN_TOKEN);
    lock_init(&t->mems_lock, LOCK_RANK_MEMS);
    t->count = count ? count : thread_cpu_count();
    if (t->count > RUN_TOKENS_MAX)
        t->count = RUN_TOKENS_MAX;
    t->free = all_numbers(t);
    list_init(&t->holders);
    list_init(&t->woken);
    list_init(&t->preempted);
    list_init(&t->mems);
    *out = t;
    return 0;
}

void run_tokens_destroy(struct run_tokens *t)
{
    ISH_ASSERT(list_empty(&t->mems) && t->free == all_numbers(t));
    for (unsigned i = 0; i < t->tlb_count; i++)
        free(t->tlbs[i]);
    lock_destroy(&t->mems_lock);
    lock_destroy(&t->lock);
    free(t);
}

// The first of a line that may have one of `numbers`, or NULL.
static struct mem_cpu *first_of(const struct list *line, uint64_t numbers)
{
    struct mem_cpu *mc;
    list_for_each (mc, line, wait_link)
        if (allowed(mc) & numbers)
            return mc;
    return NULL;
}

// The waiter whose turn is next for one of `numbers`, or NULL. The lock is held.
static struct mem_cpu *next_waiter(const struct run_tokens *t, uint64_t numbers)
{
    struct mem_cpu *woken = first_of(&t->woken, numbers);
    struct mem_cpu *preempted = first_of(&t->preempted, numbers);
    return woken && (!preempted || t->woken_in_a_row < WOKEN_IN_A_ROW) ? woken : preempted;
}

static void hold(struct run_tokens *t, struct mem_cpu *mc, unsigned number)
{
    mc->granted_ns = clock_monotonic_ns();
    mc->number = number;
    atomic_store_explicit(&mc->cpu->switched, true, memory_order_relaxed);
    atomic_store_explicit(&mc->yield_wanted, false, memory_order_relaxed);
    list_add_tail(&t->holders, &mc->hold_link);
}

// A token that just became free goes to the next waiter, and the one after it starts the timer. The
// lock is held.
static void pass_token(struct run_tokens *t, unsigned number)
{
    struct mem_cpu *first = next_waiter(t, 1ull << number);
    if (!first) {
        t->free |= 1ull << number;
        return;
    }
    t->woken_in_a_row = first->used_slice ? 0 : t->woken_in_a_row + 1;
    list_remove(&first->wait_link);
    hold(t, first, number);
    first->granted = true;
    cond_signal(&first->granted_cond);
    struct mem_cpu *next = next_waiter(t, ~0ull);
    if (next)
        cond_signal(&next->granted_cond);
}

static void ask_for_token(struct mem_cpu *holder)
{
    atomic_store_explicit(&holder->yield_wanted, true, memory_order_relaxed);
    cpu_poke(holder->cpu);
}

// Takes for `waiter` the token of the oldest holder that is in the kernel, or asks the oldest that
// has not been asked yet. The lock is held.
static void want_token(struct run_tokens *t, const struct mem_cpu *waiter)
{
    struct mem_cpu *mc, *ask = NULL;
    list_for_each (mc, &t->holders, hold_link) {
        uint32_t expect = CPU_CACHED;
        if (!may_have(waiter, mc->number))
            continue;
        if (atomic_compare_exchange_strong_explicit(&mc->state, &expect, CPU_KERNEL,
                                                    memory_order_seq_cst, memory_order_relaxed)) {
            list_remove(&mc->hold_link);
            pass_token(t, mc->number);
            return;
        }
        if (!ask && !atomic_load_explicit(&mc->yield_wanted, memory_order_relaxed))
            ask = mc;
    }
    if (ask)
        ask_for_token(ask);
}

// When the next waiter may ask: once the oldest holder had its time.
static uint64_t ask_time(const struct run_tokens *t, const struct mem_cpu *mc)
{
    uint64_t slice = mc->used_slice ? SLICE_NS : WAKE_SLICE_NS;
    uint64_t now = clock_monotonic_ns();
    struct mem_cpu *holder;
    list_for_each (holder, &t->holders, hold_link) {
        if (may_have(mc, holder->number) &&
            !atomic_load_explicit(&holder->yield_wanted, memory_order_relaxed))
            return holder->granted_ns + slice;
    }
    return now + slice;
}

void run_token_acquire(struct mem_cpu *mc)
{
    struct run_tokens *t = mc->mem->tokens;
    lock_acquire(&t->lock);
    uint64_t numbers = t->free & allowed(mc);
    if (numbers) {
        // The number it had, if nobody took it.
        unsigned number =
            numbers >> mc->number & 1 ? mc->number : (unsigned)__builtin_ctzll(numbers);
        t->free &= ~(1ull << number);
        hold(t, mc, number);
        lock_release(&t->lock);
        return;
    }
    mc->granted = false;
    list_add_tail(mc->used_slice ? &t->preempted : &t->woken, &mc->wait_link);
    while (!mc->granted) {
        if (next_waiter(t, ~0ull) != mc)
            cond_wait(&mc->granted_cond, &t->lock, COND_FOREVER);
        else if (!cond_wait(&mc->granted_cond, &t->lock, ask_time(t, mc)) && !mc->granted)
            want_token(t, mc);
    }
    lock_release(&t->lock);
}

void mem_yield(struct cpu *cpu)
{
    struct mem_cpu *mc = cpu->mem_state;
    uint32_t expect = CPU_CACHED;
    if (!mc) // no guest code runs here
        return;
    if (!atomic_compare_exchange_strong_explicit(&mc->state, &expect, CPU_KERNEL,
                                                 memory_order_seq_cst, memory_order_relaxed))
        return;
    struct run_tokens *t = mc->mem->tokens;
    lock_acquire(&t->lock);
    list_remove(&mc->hold_link);
    mc->used_slice = atomic_load_explicit(&mc->yield_wanted, memory_order_relaxed);
    pass_token(t, mc->number);
    lock_release(&t->lock);
}

// --- Numbers -------------------------------------------------------------------------------------

unsigned mem_cpu_number(const struct cpu *cpu)
{
    return cpu->mem_state->number;
}

void mem_cpu_allow(struct run_tokens *t, struct cpu *cpu, uint64_t mask)
{
    lock_acquire(&t->lock);
    atomic_store_explicit(&cpu->allowed, mask, memory_order_relaxed);
    // The CPU's own state is its thread's; whoever holds a token is on this list.
    struct mem_cpu *mc;
    list_for_each (mc, &t->holders, hold_link)
        if (mc->cpu == cpu && !may_have(mc, mc->number))
            ask_for_token(mc);
    // It may wait for what it may no longer have while another is free.
    uint64_t free = t->free;
    t->free = 0;
    for (; free; free &= free - 1)
        pass_token(t, (unsigned)__builtin_ctzll(free));
    lock_release(&t->lock);
}
