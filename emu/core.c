// Slow paths of the engine: memory misses and straddling accesses, traps, pokes, lookups.
#include "emu/core.h"
#include "emu/a64.h"
#include "emu/code.h"
#include "emu/fp_slow.h"
#include "emu/mem.h"
#include "emu/op.h"
#include "emu/thread_code.h"
#include "platform/base/log.h"
#include <string.h>

void core_reset_last_page(struct cpu *cpu)
{
    cpu->last_tag = LAST_PAGE_NONE;
    cpu->last_addend = (uintptr_t)cpu->code->replay_gap - LAST_PAGE_NONE;
}

static const struct insn *leave(struct cpu *cpu, enum trap_kind kind, uint64_t addr,
                                enum mem_access access)
{
    cpu->trap = (struct trap){kind, access, 0, addr};
    return &cpu->code->exit;
}

// Host address of a byte whose page the TLB holds.
static char *tlb_host(struct cpu *cpu, uint64_t addr)
{
    return (char *)(addr + cpu->tlb->entry[tlb_index(addr)].addend);
}

// Copies from or to guest memory. Other guest threads see each naturally aligned element of up to
// 8 bytes change at once, whatever the size of the whole access (Arm ARM B2.2.1).
static void NO_TSAN copy_elements(char *to, const char *from, uint32_t n, const char *guest)
{
    uint32_t step;
    for (uint32_t i = 0; i < n; i += step) {
        unsigned size = 3;
        while (n - i < 1u << size || ((uintptr_t)guest + i) % (1u << size) != 0)
            size--;
        step = 1u << size;
        op_put(to + i, size, op_get(from + i, size));
    }
}

// Both pages are in the TLB: runs the instruction once more on a buffer.
static const struct insn *straddle(struct cpu *cpu, const struct insn *ip)
{
    struct thread_code *tc = cpu->code;
    uint64_t addr = cpu->miss_addr;
    uint32_t size = cpu->miss_size;
    uint64_t second = (addr + size - 1) & ~MEM_PAGE_MASK;
    ISH_ASSERT(size <= MAX_ACCESS);
    tc->replay_host[0] = tlb_host(cpu, addr);
    tc->replay_host[1] = tlb_host(cpu, second);
    tc->replay_first = (uint32_t)(second - addr);
    tc->replay_size = size;
    tc->replay_write = cpu->miss_access == MEM_WRITE;
    if (!tc->replay_write) {
        char *bounce = (char *)tc->bounce;
        copy_elements(bounce, tc->replay_host[0], tc->replay_first, tc->replay_host[0]);
        copy_elements(bounce + tc->replay_first, tc->replay_host[1], size - tc->replay_first,
                      tc->replay_host[1]);
    }
    // The record may be that of a fused group: take the stand-alone gadget.
    const struct block *b = block_of(ip);
    const struct gadget_entry *g = &dispatch_gadgets()[b->gadgets[ip - block_start(b)]];
    tc->replay[0] = *ip;
    tc->replay[0].fn = g->reload;
    tc->replay_next = ip + 1;
    // An access of `size` bytes passes the last-page check exactly up to `addr`.
    cpu->last_tag = addr - (MEM_PAGE_SIZE - size);
    cpu->last_addend = (uintptr_t)tc->bounce - addr;
    return &tc->replay[0];
}

const struct insn *core_miss(struct cpu *cpu, const struct insn *ip)
{
    uint64_t addr = cpu->miss_addr, last = addr + cpu->miss_size - 1;
    enum mem_access access = cpu->miss_access;
    enum mem_fill_result got = mem_fill(cpu, addr, access);
    uint64_t second = last & ~MEM_PAGE_MASK;
    bool two = second != (addr & ~MEM_PAGE_MASK);
    if (got != MEM_FILL_FAULT && two) {
        addr = second;
        got = mem_fill(cpu, second, access);
    }
    if (got == MEM_FILL_FAULT) {
        cpu->pc = block_pc_of(ip);
        return leave(cpu, TRAP_FAULT, addr, access);
    }
    if (two)
        return straddle(cpu, ip);
    if (got == MEM_FILL_OK_OWNED) {
        cpu->last_tag = addr & ~MEM_PAGE_MASK;
        cpu->last_addend = cpu->tlb->entry[tlb_index(addr)].addend;
    }
    return ip;
}

const struct insn *core_replay_done(struct cpu *cpu, const struct insn *ip)
{
    struct thread_code *tc = cpu->code;
    if (tc->replay_write) {
        const char *bounce = (const char *)tc->bounce;
        copy_elements(tc->replay_host[0], bounce, tc->replay_first, tc->replay_host[0]);
        copy_elements(tc->replay_host[1], bounce + tc->replay_first,
                      tc->replay_size - tc->replay_first, tc->replay_host[1]);
    }
    core_reset_last_page(cpu);
    return tc->replay_next;
}

const struct insn *core_trap(struct cpu *cpu, const struct insn *ip)
{
    cpu->pc = block_pc_of(ip) + (cpu->trap.kind == TRAP_SVC ? 4 : 0);
    return &cpu->code->exit;
}

const struct insn *core_slow(struct cpu *cpu, const struct insn *ip)
{
    fp_slow_run(cpu, ip);
    return ip + 1;
}

const struct insn *core_sp(struct cpu *cpu, const struct insn *ip)
{
    const struct insn *next = ip == cpu->code->replay ? core_replay_done(cpu, ip) : ip + 1;
    cpu->pc = block_pc_of(next);
    return leave(cpu, TRAP_STEP, 0, MEM_READ);
}

bool core_sp_trap(struct cpu *cpu)
{
    const void *host;
    struct frame *frame;
    if (cpu->pc & 3 || !mem_fetch(cpu, cpu->pc, &host, &frame))
        return false; // that comes first
    uint32_t word = *(const volatile uint32_t *)host;
    enum a64_row row = a64_decode(word);
    uint32_t is = a64_rows[row].is;
    if (!(is & (A64_IS_LOAD | A64_IS_STORE)))
        return false;
    const struct a64_field *fields;
    size_t n = a64_row_fields(row, &fields);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(fields[i].name, "rn") || (word >> fields[i].shift & 31) != 31)
            continue;
        leave(cpu, TRAP_SP_ALIGN, cpu->x[CPU_SP], is & A64_IS_STORE ? MEM_WRITE : MEM_READ);
        return true;
    }
    return false;
}

const struct insn *core_poke(struct cpu *cpu, const struct insn *ip)
{
    cpu->pc = block_pc_of(ip);
    return leave(cpu, TRAP_POKE, 0, MEM_READ);
}

const struct insn *core_lookup(struct cpu *cpu, const struct insn *ip)
{
    cpu->pc = cpu_untag(cpu->pc); // Arm ARM, AArch64.BranchAddr
    if (cpu->code->stepping)
        return leave(cpu, TRAP_STEP, 0, MEM_READ);
    return code_find(cpu);
}

const struct insn *core_empty(struct cpu *cpu, const struct insn *ip)
{
    cpu->pc = CODE_NO_PC;
    return core_lookup(cpu, ip);
}

const struct insn *core_resolve(struct cpu *cpu, const struct insn *ip)
{
    return code_resolve(cpu, (struct block_exit *)(uintptr_t)ip);
}

const struct insn *core_step_done(struct cpu *cpu, const struct insn *ip)
{
    cpu->pc = ((const struct block_exit *)ip)->pc;
    return leave(cpu, TRAP_STEP, 0, MEM_READ);
}

void core_sync_code(struct cpu *cpu, uint64_t addr)
{
    struct frame *frame = mem_frame_at(cpu, addr);
    // Pairs with the translator, which counts itself in the frame before it reads the code: either
    // it is seen here, or it sees what the guest wrote.
    atomic_thread_fence(memory_order_seq_cst);
    if (!frame || !code_in_frame(frame))
        return;
    mem_drop_code(cpu->mem, frame);
    thread_code_flush(cpu->code);
}
