// The fake address space of emu's unit tests.
#include "tests/unit/emu_fake.h"
#include "emu/code.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 128, CPUS = 16 };

struct page {
    uint64_t addr;
    int rights; // 0: free entry
    struct frame *frame;
};

struct fake {
    struct page page[PAGES];
    struct frame_pool *pool;
    struct code_space *space;
    struct cpu *cpu[CPUS];
    _Atomic unsigned fills;
    _Atomic unsigned generation;
};

struct fake_state {
    struct fake *f;
    unsigned generation;
};

static uint64_t fake_counter(void)
{
    return 12345;
}

static uint64_t fake_clock(unsigned clock)
{
    return clock == 1 ? 1000 : UINT64_MAX;
}

static uint64_t fake_random(void)
{
    return 0x123456789abcdef0;
}

static const struct cpu_host fake_cpu_host = {fake_counter, 62500000, fake_clock, fake_random};

static struct fake *of_cpu(const struct cpu *cpu)
{
    return (struct fake *)cpu->mem;
}

static struct page *find(struct fake *f, uint64_t addr)
{
    addr &= ~MEM_PAGE_MASK;
    for (size_t i = 0; i < PAGES; i++) {
        if (f->page[i].rights && f->page[i].addr == addr)
            return &f->page[i];
    }
    return NULL;
}

struct fake *fake_create(void)
{
    struct fake *f = calloc(1, sizeof(*f));
    if (!f || frame_pool_create(0, &f->pool) || code_space_create(&f->space))
        abort();
    return f;
}

void fake_destroy(struct fake *f)
{
    code_space_put(f->space);
    for (size_t i = 0; i < PAGES; i++) {
        if (f->page[i].rights)
            frame_put(f->page[i].frame);
    }
    frame_pool_destroy(f->pool);
    free(f);
}

struct cpu *fake_cpu(struct fake *f)
{
    struct cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~(size_t)63);
    struct fake_state *state = calloc(1, sizeof(*state));
    if (!cpu || !state)
        abort();
    cpu_init(cpu, &fake_cpu_host);
    state->f = f;
    cpu->mem = (struct mem *)f;
    cpu->space = f->space;
    cpu->mem_state = (struct mem_cpu *)state;
    cpu->tlb = malloc(sizeof(*cpu->tlb));
    if (!cpu->tlb || thread_code_create(&cpu->code))
        abort();
    state->generation = ~0u;
    for (size_t i = 0; i < CPUS; i++) {
        if (!f->cpu[i]) {
            f->cpu[i] = cpu;
            return cpu;
        }
    }
    abort();
}

void fake_cpu_destroy(struct cpu *cpu)
{
    struct fake *f = of_cpu(cpu);
    for (size_t i = 0; i < CPUS; i++) {
        if (f->cpu[i] == cpu)
            f->cpu[i] = NULL;
    }
    thread_code_destroy(cpu->code);
    free(cpu->tlb);
    free(cpu->mem_state);
    free(cpu);
}

static struct page *free_entry(struct fake *f)
{
    for (size_t i = 0; i < PAGES; i++) {
        if (!f->page[i].rights)
            return &f->page[i];
    }
    abort();
}

void fake_map(struct fake *f, uint64_t addr, int rights)
{
    struct page *p = find(f, addr);
    atomic_fetch_add(&f->generation, 1);
    if (p) {
        p->rights = rights;
        return;
    }
    p = free_entry(f);
    struct frame *frame;
    if (frame_alloc(f->pool, &frame))
        abort();
    *p = (struct page){addr & ~MEM_PAGE_MASK, rights, frame};
}

void fake_alias(struct fake *f, uint64_t addr, uint64_t of, int rights)
{
    struct frame *frame = find(f, of)->frame;
    frame_get(frame);
    *free_entry(f) = (struct page){addr & ~MEM_PAGE_MASK, rights, frame};
}

void fake_unmap(struct fake *f, uint64_t addr)
{
    struct page *p = find(f, addr);
    code_space_drop_frame(f->space, p->frame);
    frame_put(p->frame);
    p->rights = 0;
    atomic_fetch_add(&f->generation, 1);
}

void *fake_host(struct fake *f, uint64_t addr)
{
    struct page *p = find(f, addr);
    return p ? (char *)p->frame->host + (addr & MEM_PAGE_MASK) : NULL;
}

void fake_code(struct fake *f, uint64_t addr, const uint32_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(fake_host(f, addr + 4 * i), &words[i], 4);
}

void fake_code_changed(struct fake *f, uint64_t addr)
{
    mem_drop_code((struct mem *)f, find(f, addr)->frame);
}

unsigned fake_fills(const struct fake *f)
{
    return f->fills;
}

struct trap fake_run(struct cpu *cpu, enum cpu_mode mode)
{
    struct trap trap;
    cpu_run(cpu, mode, &trap);
    return trap;
}

// --- What emu/mem.h promises ---------------------------------------------------------------------
enum mem_fill_result mem_fill(struct cpu *cpu, uint64_t addr, enum mem_access access)
{
    struct fake *f = of_cpu(cpu);
    struct page *p = find(f, cpu_untag(addr));
    atomic_fetch_add(&f->fills, 1);
    if (!p || !(p->rights & access))
        return MEM_FILL_FAULT;
    size_t index = tlb_index(addr);
    uint64_t tag = addr & ~MEM_PAGE_MASK, none = tlb_no_tag(index);
    bool writable = p->rights & MEM_WRITE;
    cpu->tlb->entry[index] =
        (struct tlb_entry){p->rights & MEM_READ ? tag : none, writable ? tag : none,
                           (uintptr_t)p->frame->host - tag, 0};
    return writable && (p->rights & MEM_READ) ? MEM_FILL_OK_OWNED : MEM_FILL_OK;
}

bool mem_fetch(struct cpu *cpu, uint64_t pc, const void **host, struct frame **frame)
{
    struct page *p = find(of_cpu(cpu), pc);
    if (!p || !(p->rights & MEM_EXEC))
        return false;
    *host = (char *)p->frame->host + (pc & MEM_PAGE_MASK);
    *frame = p->frame;
    return true;
}

struct frame *mem_frame_at(struct cpu *cpu, uint64_t addr)
{
    struct page *p = find(of_cpu(cpu), cpu_untag(addr));
    return p && p->rights & MEM_READ ? p->frame : NULL;
}

void mem_enter(struct cpu *cpu)
{
    struct fake_state *state = (struct fake_state *)cpu->mem_state;
    unsigned now = atomic_load(&state->f->generation);
    if (state->generation != now) {
        for (size_t i = 0; i < TLB_SIZE; i++)
            cpu->tlb->entry[i].read_tag = cpu->tlb->entry[i].write_tag = tlb_no_tag(i);
        thread_code_flush(cpu->code);
        state->generation = now;
    }
}

void mem_leave(struct cpu *cpu)
{
    (void)cpu;
}

void mem_drop_code(struct mem *mem, struct frame *frame)
{
    struct fake *f = (struct fake *)mem;
    (void)code_space_drop_frame(f->space, frame);
    atomic_fetch_add(&f->generation, 1);
    for (size_t i = 0; i < CPUS; i++) {
        if (f->cpu[i])
            cpu_poke(f->cpu[i]);
    }
}
