// How a gadget reaches guest memory, in C: TLB, then mem_fill, then a fault. For tests of emu/mem.h
// without a translator. Guest bytes are accessed as the engine does: single-copy volatile accesses
// that the thread sanitizer does not see.
#ifndef TESTS_UNIT_MEM_GADGET_H
#define TESTS_UNIT_MEM_GADGET_H

#include "emu/cpu.h"
#include "emu/mem.h"

static inline void *gadget_host(struct cpu *cpu, uint64_t addr, enum mem_access access)
{
    struct tlb_entry *e = &cpu->tlb->entry[tlb_index(addr)];
    uint64_t tag = access == MEM_WRITE ? e->write_tag : e->read_tag;
    if (tag != (addr & ~MEM_PAGE_MASK) && mem_fill(cpu, addr, access) == MEM_FILL_FAULT)
        return NULL;
    return (void *)((uintptr_t)addr + e->addend);
}

NO_TSAN static inline bool gadget_load(struct cpu *cpu, uint64_t addr, uint64_t *value)
{
    volatile uint64_t *p = gadget_host(cpu, addr, MEM_READ);
    if (!p)
        return false;
    *value = *p;
    return true;
}

NO_TSAN static inline bool gadget_store(struct cpu *cpu, uint64_t addr, uint64_t value)
{
    volatile uint64_t *p = gadget_host(cpu, addr, MEM_WRITE);
    if (!p)
        return false;
    *p = value;
    return true;
}

// What cpu_run does at a taken branch: true when it must leave.
static inline bool gadget_poked(struct cpu *cpu)
{
    if (!atomic_load_explicit(&cpu->poke, memory_order_relaxed))
        return false;
    atomic_store_explicit(&cpu->poke, 0, memory_order_seq_cst);
    return true;
}

#endif
