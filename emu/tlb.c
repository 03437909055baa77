// The reading side of guest memory: walks and TLB fills in GUEST and ACCESS. No lock is taken here:
// what a walk can reach is not freed before this CPU has left that state (emu/mem.h, rule 2).
#include "emu/mem_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include <stdlib.h>
#include <string.h>

void tlb_forget_all(struct tlb *tlb)
{
    for (size_t i = 0; i < TLB_SIZE; i++)
        tlb->entry[i].read_tag = tlb->entry[i].write_tag = tlb_no_tag(i);
}

void tlb_forget(struct tlb *tlb, uint64_t addr, uint64_t pages)
{
    if (pages >= TLB_SIZE / 4) {
        tlb_forget_all(tlb);
        return;
    }
    // The index does not depend on the ignored top byte, so this finds tagged aliases too.
    for (uint64_t i = 0; i < pages; i++) {
        size_t index = tlb_index(addr + i * MEM_PAGE_SIZE);
        tlb->entry[index].read_tag = tlb->entry[index].write_tag = tlb_no_tag(index);
    }
}

int tlb_get(struct run_tokens *tokens, struct tlb **out)
{
    struct tlb *tlb = NULL;
    lock_acquire(&tokens->lock);
    if (tokens->tlb_count > 0)
        tlb = tokens->tlbs[--tokens->tlb_count];
    lock_release(&tokens->lock);
    if (!tlb)
        tlb = aligned_alloc(64, sizeof *tlb);
    if (!tlb)
        return -LINUX_ENOMEM;
    tlb_forget_all(tlb);
    *out = tlb;
    return 0;
}

void tlb_put(struct run_tokens *tokens, struct tlb *tlb)
{
    lock_acquire(&tokens->lock);
    if (tokens->tlb_count < ARRAY_LEN(tokens->tlbs)) {
        tokens->tlbs[tokens->tlb_count++] = tlb;
        tlb = NULL;
    }
    lock_release(&tokens->lock);
    free(tlb);
}

static uint64_t read_pte(const struct cpu *cpu, uint64_t va, struct leaf **leaf)
{
    if (va >= MEM_VA_END)
        return 0;
    *leaf = mem_find_leaf(cpu->mem, va);
    if (!*leaf)
        return 0;
    return atomic_load_explicit(&(*leaf)->pte[leaf_index(va)], memory_order_acquire);
}

enum mem_fill_result mem_fill(struct cpu *cpu, uint64_t addr, enum mem_access access)
{
    struct leaf *leaf;
    uint64_t pte = read_pte(cpu, cpu_untag(addr), &leaf);
    if (!pte)
        return MEM_FILL_FAULT;
    bool readable = pte & MEM_READ;
    bool writable = pte_writable(leaf, pte);
    if (!(access == MEM_WRITE ? writable : readable))
        return MEM_FILL_FAULT;
    uint64_t page = addr & ~MEM_PAGE_MASK;
    size_t index = tlb_index(addr);
    struct tlb_entry *e = &cpu->tlb->entry[index];
    e->read_tag = readable ? page : tlb_no_tag(index);
    e->write_tag = writable ? page : tlb_no_tag(index);
    e->addend = (uintptr_t)pte_frame(pte)->host - (uintptr_t)page;
    return readable && writable ? MEM_FILL_OK_OWNED : MEM_FILL_OK;
}

bool mem_fetch(struct cpu *cpu, uint64_t pc, const void **host, struct frame **frame)
{
    struct leaf *leaf;
    uint64_t pte = read_pte(cpu, pc, &leaf);
    if (!(pte & MEM_EXEC))
        return false;
    *frame = pte_frame(pte);
    *host = (const char *)(*frame)->host + (pc & MEM_PAGE_MASK);
    return true;
}

struct frame *mem_frame_at(struct cpu *cpu, uint64_t addr)
{
    struct leaf *leaf;
    uint64_t pte = read_pte(cpu, cpu_untag(addr), &leaf);
    return pte & MEM_READ ? pte_frame(pte) : NULL;
}

// Applies what changed between two generations; false when the log no longer has it all.
static bool forget_logged(struct tlb *tlb, struct mem *mem, uint64_t seen, uint64_t now)
{
    if (now - seen > MEM_LOG / 2)
        return false;
    for (uint64_t g = seen + 1; g <= now; g++) {
        uint64_t entry = atomic_load_explicit(&mem->log[g % MEM_LOG], memory_order_acquire);
        if ((entry & MEM_PAGE_MASK) == MEM_LOG_ALL)
            return false;
        tlb_forget(tlb, entry & ~MEM_PAGE_MASK, entry & MEM_PAGE_MASK);
    }
    // A writer may have been at the oldest slot meanwhile only if it had come round.
    uint64_t after = atomic_load_explicit(&mem->tlb_gen, memory_order_acquire);
    return after + 1 - seen < MEM_LOG;
}

void mem_cpu_sync(struct mem_cpu *mc)
{
    struct mem *mem = mc->mem;
    struct cpu *cpu = mc->cpu;
    uint64_t now = atomic_load_explicit(&mem->tlb_gen, memory_order_seq_cst);
    uint64_t seen = atomic_load_explicit(&mc->tlb_gen, memory_order_relaxed);
    if (UNLIKELY(now != seen)) {
        if (!forget_logged(cpu->tlb, mem, seen, now))
            tlb_forget_all(cpu->tlb);
        atomic_store_explicit(&mc->tlb_gen, now, memory_order_seq_cst);
        if (atomic_load_explicit(&mem->waiters, memory_order_seq_cst)) {
            lock_acquire(&mem->cpus_lock);
            cond_broadcast(&mem->cpus_cond);
            lock_release(&mem->cpus_lock);
        }
    }
    uint64_t code_now = atomic_load_explicit(&mem->code_gen, memory_order_seq_cst);
    if (UNLIKELY(code_now != mc->code_gen)) {
        mc->code_gen = code_now;
        cpu->space = atomic_load_explicit(&mem->code, memory_order_acquire);
        thread_code_flush(cpu->code);
    }
}

void *mem_access_host(struct cpu *cpu, uint64_t addr, enum mem_access access)
{
    struct tlb_entry *e = &cpu->tlb->entry[tlb_index(addr)];
    uint64_t page = addr & ~MEM_PAGE_MASK;
    uint64_t tag = access == MEM_WRITE ? e->write_tag : e->read_tag;
    if (tag != page && mem_fill(cpu, addr, access) == MEM_FILL_FAULT)
        return NULL;
    return (void *)((uintptr_t)addr + e->addend);
}

#if BUILT_FOR_TSAN
// Races with the guest are the guest's; the sanitizer must not see them.
NO_TSAN void mem_copy(void *to, const void *from, size_t n)
{
    volatile char *t = to;
    const volatile char *f = from;
    for (size_t i = 0; i < n; i++)
        t[i] = f[i];
}

NO_TSAN void mem_zero(void *to, size_t n)
{
    volatile char *t = to;
    for (size_t i = 0; i < n; i++)
        t[i] = 0;
}
#else
void mem_copy(void *to, const void *from, size_t n)
{
    memcpy(to, from, n);
}

void mem_zero(void *to, size_t n)
{
    memset(to, 0, n);
}
#endif
