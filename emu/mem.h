// Guest memory as the CPU sees it: page tables, per-thread TLBs, and the shootdown protocol that
// keeps them coherent. Layer 2. The kernel's mm (VMAs, faults) is built on this; it owns no Linux.
//
// Guest pages are 4 KiB whatever the host's page size, in a 48-bit space of four table levels. A
// page-table entry names a refcounted `struct frame` (platform/frame.h) and the rights READ, WRITE,
// EXEC. Leaf tables are shared copy-on-write by mem_fork().
//
// The protocol. A CPU is GUEST (running gadgets) or KERNEL. Host pointers taken from a TLB live
// only in GUEST.
//  1. KERNEL -> GUEST: store the state, then read the mem's TLB generation (both seq_cst); flush
//  the
//     TLB if it moved. cpu_run() does this through mem_enter().
//  2. Whatever removes a right or changes the frame behind an entry: change the entries under the
//     owner's lock, mem_generation_advance(), release every lock, be KERNEL, then
//     mem_shootdown_wait(): poke the GUEST CPUs of every mem concerned and wait until each has left
//     GUEST or taken the new generation. Only then are frames and blocks freed (mem_batch does it).
//  3. Adding a right, or an entry where none was, needs nothing.
//  4. mem_fill() runs in GUEST and takes no sleeping lock: tables are read under a sequence
//  counter.
//  5. The kernel touches guest bytes only through pinned frames (mem_pin): a pin delays freeing,
//     never acknowledgement.
//  6. Run tokens: at most as many CPUs as the host has are GUEST at once (struct run_tokens).
#ifndef EMU_MEM_H
#define EMU_MEM_H

#include "emu/cpu.h"
#include "platform/frame.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MEM_PAGE_BITS = 12,
    MEM_PAGE_SIZE = 1 << MEM_PAGE_BITS,
    MEM_VA_BITS = 48,
};
#define MEM_PAGE_MASK ((uint64_t)MEM_PAGE_SIZE - 1)
#define MEM_VA_END    (1ull << MEM_VA_BITS)

// --- TLB -----------------------------------------------------------------------------------------
// Keyed by the raw address, top byte included. A tag is the address of the page; TLB_NO_TAG matches
// no access. host = address + addend. An access of `size` <= 64 bytes hits when
// ((addr + size - 1) & ~MEM_PAGE_MASK) == tag of the entry at tlb_index(addr): the index comes from
// the first byte and the tag from the last, and neighbouring pages never share an entry, so one
// test rejects an access that straddles two pages.
struct tlb_entry {
    uint64_t read_tag;
    uint64_t write_tag;
    uintptr_t addend;
    uint64_t unused;
};
_Static_assert(sizeof(struct tlb_entry) == 32, "one half of a cache line");

enum { TLB_BITS = 10, TLB_SIZE = 1 << TLB_BITS };
#define TLB_NO_TAG 1ull // never page aligned

struct tlb {
    struct tlb_entry entry[TLB_SIZE];
};

static inline size_t tlb_index(uint64_t addr)
{
    return (size_t)(addr >> MEM_PAGE_BITS) & (TLB_SIZE - 1);
}

enum mem_fill_result {
    MEM_FILL_OK,       // the TLB has the page: retry the access
    MEM_FILL_OK_OWNED, // and this mem may write it and solely owns it: fit for the last-page pins
    MEM_FILL_FAULT,    // no entry, or a right is missing: leave with TRAP_FAULT
};
// Called in GUEST by the miss gadget, for the page of `addr` only. `access`: MEM_READ or MEM_WRITE.
enum mem_fill_result mem_fill(struct cpu *cpu, uint64_t addr, enum mem_access access);

// Where the code at `pc` is. Called in GUEST by the translator. False: no executable page there.
// On success `*host` is the byte at `pc` (valid while in GUEST) and `*frame` identifies its page
// for the frame -> blocks index (not referenced for the caller).
bool mem_fetch(struct cpu *cpu, uint64_t pc, const void **host, struct frame **frame);

// The frame behind any readable address, for cache maintenance by address. Called in GUEST. NULL: no
// readable page there. Not referenced for the caller.
struct frame *mem_frame_at(struct cpu *cpu, uint64_t addr);

// --- Address spaces ------------------------------------------------------------------------------

// Limits how many CPUs are GUEST at once; one per kernel instance. A token is kept across short
// kernel stays and given up in mem_yield(), or at a poke when another CPU wants one; the slice
// timer runs only while somebody waits.
struct run_tokens;
NODISCARD int run_tokens_create(unsigned count, struct run_tokens **out); // count 0: host CPUs
void run_tokens_destroy(struct run_tokens *tokens);

// Created with one reference and an empty code space. Returns 0 or -LINUX_ENOMEM.
NODISCARD int mem_create(struct run_tokens *tokens, struct mem **out);
void mem_get(struct mem *mem);
void mem_put(struct mem *mem);

// Binds a CPU (in KERNEL) to an address space and gives it a TLB and block-cache tables from a
// pool. Returns 0 or -LINUX_ENOMEM. A CPU that is attached elsewhere is detached first.
NODISCARD int mem_attach(struct mem *mem, struct cpu *cpu);
void mem_detach(struct cpu *cpu);

// KERNEL -> GUEST and back; only cpu_run() calls these.
void mem_enter(struct cpu *cpu);
void mem_leave(struct cpu *cpu);
// Gives the run token up before a wait of unknown length. The CPU is KERNEL.
void mem_yield(struct cpu *cpu);
// True at a poke when another CPU waits for a token.
bool mem_wants_yield(const struct cpu *cpu);

// --- Page tables ---------------------------------------------------------------------------------
// Callers serialise changes to one mem by a lock of theirs (the kernel's mm lock). Every change
// that removes a right or replaces a frame is collected in a batch, which is finished with no lock
// held.

struct mem_batch {
    struct mem *mems[4]; // whose generations moved; each referenced
    unsigned mem_count;
    struct frame **frames; // to release once nobody can use them any more
    size_t frame_count, frame_room;
    bool drop_code;
};
void mem_batch_init(struct mem_batch *batch);
// Advances generations, waits until no GUEST CPU can hold the old translations, releases frames.
// The caller holds no lock and its own CPU is KERNEL. Never fails.
void mem_batch_finish(struct mem_batch *batch);

// What an entry holds. `rights`: bits of enum mem_access. `cow`: a write faults although the kernel
// may grant it (entry write-protected by fork); kept for the kernel, the CPU looks at rights only.
struct mem_entry {
    struct frame *frame; // NULL: no entry
    uint8_t rights;
    bool cow;
};
// `addr` is untagged and below MEM_VA_END. Not referenced for the caller.
struct mem_entry mem_lookup(struct mem *mem, uint64_t addr);
// Installs an entry, consuming one reference of entry.frame. Returns 0 or -LINUX_ENOMEM (only when
// a table must be allocated; replacing an existing entry never fails).
NODISCARD int mem_set(struct mem *mem, struct mem_batch *batch, uint64_t addr,
                      struct mem_entry entry);
// Removes the entries of [addr, addr + len), page aligned. Never fails.
void mem_clear(struct mem *mem, struct mem_batch *batch, uint64_t addr, uint64_t len);
// Replaces the rights of the entries present in the range: rights &= mask. Never fails.
void mem_restrict(struct mem *mem, struct mem_batch *batch, uint64_t addr, uint64_t len,
                  uint8_t mask);
// Moves entries (mremap). Returns 0 or -LINUX_ENOMEM with nothing changed.
NODISCARD int mem_move(struct mem *mem, struct mem_batch *batch, uint64_t from, uint64_t to,
                       uint64_t len);
// Copies every entry of [addr, addr+len) to the child; `share` false: both sides become read-only
// and cow. Returns 0 or -LINUX_ENOMEM.
NODISCARD int mem_fork_range(struct mem *parent, struct mem *child, struct mem_batch *batch,
                             uint64_t addr, uint64_t len, bool share);
// Shares the parent's translated code with a child that has the same executable mappings.
void mem_fork_code(struct mem *parent, struct mem *child);

// Revokes every entry, in every mem, that maps `frame` (truncate, punch hole).
void mem_revoke_frame(struct frame *frame, struct mem_batch *batch);

// Drops translations of the code in `frame` everywhere (IC IVAU, ptrace pokes): calls
// code_space_drop_frame() for each code space that may have some, moves the generations of their mems
// and pokes their CPUs, so that each flushes its lookup tables. Does not wait, and may be called in
// GUEST (IC IVAU is a gadget); what was dropped is reclaimed by a later batch.
void mem_drop_code(struct mem *mem, struct frame *frame);

#endif
