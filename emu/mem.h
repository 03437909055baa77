// Guest memory as the CPU sees it: page tables, per-thread TLBs, and the shootdown protocol that
// keeps them coherent. Layer 2. The kernel's mm (VMAs, faults) is built on this; it owns no Linux.
//
// Guest pages are 4 KiB whatever the host's page size, in a 48-bit space of four table levels. A
// page-table entry names a refcounted `struct frame` (platform/frame.h) and the rights READ, WRITE,
// EXEC. mem_fork() shares whole leaf tables; a table that is shared, and a private frame that is
// mapped more than once, are not written: such a write faults although the entry says WRITE.
//
// The protocol. A CPU is KERNEL, GUEST (running gadgets), or ACCESS (a short stretch of the kernel
// that copies guest bytes). Host pointers taken from a TLB live only in GUEST and ACCESS, which
// take no lock that anyone holds while waiting, and tables and frames that such a CPU may reach are
// not freed.
//  1. KERNEL -> GUEST or ACCESS: store the state, then read the mem's TLB generation (both
//     seq_cst); forget what was changed since the generation seen before.
//  2. Whatever removes a right or changes the frame behind an entry: change the entries and move
//     the generation under the owner's lock (the mem_ functions do both), release every lock, be
//     KERNEL, then mem_batch_finish(): poke the GUEST CPUs of the mem and wait until each has left
//     GUEST or taken the new generation. Only then are frames, tables and blocks freed.
//  3. Adding a right, or an entry where none was, needs nothing.
//  4. mem_fill() runs in GUEST and takes no lock: tables are read with atomic loads, and 2 keeps
//     what it reads alive.
//  5. The kernel touches guest bytes only in ACCESS, or under the owner's lock. A pinned frame
//     (frame_get) stays allocated; it may be no longer what the guest sees at the address.
//  6. Run tokens: at most as many CPUs as the host has are GUEST at once (struct run_tokens).
//  7. An entry is installed, and a frame copied for a write, only while the mem is settled: no
//     earlier removal in it still waits (mem_is_settled). Otherwise a CPU with an old translation
//     could write to what was copied already, or disagree with one that has the new entry.
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
// Keyed by the raw address, top byte included. A tag is the address of the page, tlb_no_tag() where
// there is none. host = address + addend. An access hits the entry at tlb_index(addr) when
// addr - tag <= MEM_PAGE_SIZE - size: one unsigned comparison sees that its first and its last byte
// are in the page.
struct tlb_entry {
    uint64_t read_tag;
    uint64_t write_tag;
    uintptr_t addend;
    uint64_t unused;
};
_Static_assert(sizeof(struct tlb_entry) == 32, "one half of a cache line");

enum { TLB_BITS = 10, TLB_SIZE = 1 << TLB_BITS };
struct tlb {
    struct tlb_entry entry[TLB_SIZE];
};

static inline size_t tlb_index(uint64_t addr)
{
    return (size_t)(addr >> MEM_PAGE_BITS) & (TLB_SIZE - 1);
}

// The tag of an entry that no access is to hit: a page that belongs to another entry.
static inline uint64_t tlb_no_tag(size_t index)
{
    return (uint64_t)(index ^ 1) << MEM_PAGE_BITS;
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

// The frame behind any readable address, for cache maintenance by address. Called in GUEST. NULL:
// no readable page there. Not referenced for the caller.
struct frame *mem_frame_at(struct cpu *cpu, uint64_t addr);

// --- Short accesses of the kernel ----------------------------------------------------------------
// Between begin and end (on the CPU's own thread, which is KERNEL) the kernel may use the pointers
// mem_access_host() gives, for at most a few kilobytes: no wait, no lock, no host call. Locks may
// be held around it, of any rank.
void mem_access_begin(struct cpu *cpu);
// Where the byte at `addr` (tagged or not) is; good to the end of its page. NULL: no such right.
void *mem_access_host(struct cpu *cpu, uint64_t addr, enum mem_access access);
void mem_access_end(struct cpu *cpu);
// memcpy and memset where one side is guest memory, which other CPUs may change meanwhile.
void mem_copy(void *to, const void *from, size_t n);
void mem_zero(void *to, size_t n);

// --- Address spaces ------------------------------------------------------------------------------

// What the address spaces of one kernel instance share: the run tokens, a pool of TLBs, and the
// list of them all. A token is kept across short kernel stays and given up in mem_yield(), or at a
// poke when another CPU has waited for a slice; only then does a timer run.
struct run_tokens;
enum { RUN_TOKENS_MAX = 64 };
// count 0: as many as the host has CPUs; never more than RUN_TOKENS_MAX.
NODISCARD int run_tokens_create(unsigned count, struct run_tokens **out);
void run_tokens_destroy(struct run_tokens *tokens);

// Created with one reference and no entries. `parent`: NULL, or the address space whose translated
// code it shares until either side's executable pages change (fork). Returns 0 or -LINUX_ENOMEM.
NODISCARD int mem_create(struct run_tokens *tokens, struct mem *parent, struct mem **out);
void mem_get(struct mem *mem);
// The last reference frees everything; no CPU is attached then.
void mem_put(struct mem *mem);

// Binds a CPU (in KERNEL) to an address space and gives it a TLB and block-cache tables. Returns 0
// or -LINUX_ENOMEM. A CPU that is attached elsewhere moves, which never fails.
NODISCARD int mem_attach(struct mem *mem, struct cpu *cpu);
void mem_detach(struct cpu *cpu);

// KERNEL -> GUEST and back; only cpu_run() calls these.
void mem_enter(struct cpu *cpu);
void mem_leave(struct cpu *cpu);
// Gives the run token up before a wait of unknown length. The CPU is KERNEL.
void mem_yield(struct cpu *cpu);

// --- Numbers of CPUs -----------------------------------------------------------------------------
// A run token is a processor: it has a number below the count of tokens, and no two CPUs that are
// GUEST have the same.

// The number of the token this CPU holds, or held last. On the CPU's own thread.
unsigned mem_cpu_number(const struct cpu *cpu);
// Limits the numbers the CPU may have (0: all); at least one bit is below the count of tokens. It
// leaves a number it may no longer have within a few hundred guest instructions. Any thread.
void mem_cpu_allow(struct run_tokens *tokens, struct cpu *cpu, uint64_t allowed);

// --- Page tables ---------------------------------------------------------------------------------
// Callers serialise changes to one mem by a lock of theirs (the kernel's mm lock). Ranges are page
// aligned, untagged and below MEM_VA_END.

enum { MEM_BATCH_MEMS = 2, MEM_BATCH_ITEMS = 30 };
// Everything to be done once no CPU can use what was removed.
struct mem_batch {
    struct mem *mems[MEM_BATCH_MEMS]; // whose generations moved; each referenced
    unsigned mem_count;
    size_t item_count, item_room;
    uintptr_t *items; // frames and tables to release, tagged by kind
    uintptr_t first_items[MEM_BATCH_ITEMS];
    struct code_space *spaces[MEM_BATCH_MEMS]; // referenced; parallel to mems
    struct code_garbage *garbage[MEM_BATCH_MEMS];
    struct code_space *replaced[MEM_BATCH_MEMS];
};
void mem_batch_init(struct mem_batch *batch);
// Waits until no CPU can hold the old translations, then releases what was collected. The caller
// holds no lock and its own CPU is KERNEL. Never fails. The batch is empty again afterwards.
void mem_batch_finish(struct mem_batch *batch);

// Rule 7. False: release the lock, mem_settle(), take the lock and look again.
bool mem_is_settled(const struct mem *mem);
void mem_settle(struct mem *mem);
// Settles without waiting if that is possible: no CPU is in GUEST or ACCESS with old translations.
// Locks may be held. False: those that are have been poked.
bool mem_try_settle(struct mem *mem);

// Every CPU that is GUEST when this is called leaves it, or enters it anew, before the batch is
// finished: a full barrier between what each did before and does after. `switched`: what it was
// doing also counts as interrupted (cpu.switched). Called under the owner's lock.
void mem_barrier(struct mem *mem, struct mem_batch *batch, bool switched);

struct mem_entry {
    struct frame *frame; // NULL: no entry
    uint8_t rights;      // bits of enum mem_access
    bool shared;         // writes go to the frame itself, whoever else maps it (MAP_SHARED)
    // Results of mem_lookup:
    bool writable; // a write would not fault now
    bool sole;     // private memory that no other entry maps
};
// Not referenced for the caller.
struct mem_entry mem_lookup(struct mem *mem, uint64_t addr);
// Installs an entry, in place of whatever was there. Other CPUs may see the new frame while some
// still use the old one, unless the old entry had no rights and the mem is settled. Takes over the
// caller's reference to entry.frame unless it fails. Returns 0 or -LINUX_ENOMEM.
NODISCARD int mem_set(struct mem *mem, struct mem_batch *batch, uint64_t addr,
                      struct mem_entry entry);
// Removes the entries of the range; `file_only`: those of frames that are `shared` alone.
// Returns 0, or -LINUX_ENOMEM with nothing changed: only where a table shared with another address
// space has to be split, and neither memory nor the reserve for this is left.
NODISCARD int mem_clear(struct mem *mem, struct mem_batch *batch, uint64_t addr, uint64_t len,
                        bool file_only);
// Sets the rights of the entries present in the range. -LINUX_ENOMEM: nothing changed.
NODISCARD int mem_protect(struct mem *mem, struct mem_batch *batch, uint64_t addr, uint64_t len,
                          uint8_t rights);
// Moves entries (mremap) to a range that has none. -LINUX_ENOMEM: nothing changed.
NODISCARD int mem_move(struct mem *mem, struct mem_batch *batch, uint64_t from, uint64_t to,
                       uint64_t len);

struct mem_range {
    uint64_t start, end;
};
// Gives the child (empty, not yet running) every entry of the parent outside the `skip` ranges,
// which are sorted. Returns 0 or -LINUX_ENOMEM; the batch must be finished in either case, before
// the child runs.
NODISCARD int mem_fork(struct mem *parent, struct mem *child, struct mem_batch *batch,
                       const struct mem_range *skip, size_t skip_count);

// Entries present, and those among them that map `shared` frames. Any thread.
void mem_count(const struct mem *mem, uint64_t *pages, uint64_t *file_pages);
// The same for a range, under the owner's lock.
void mem_count_range(struct mem *mem, uint64_t addr, uint64_t len, uint64_t *pages,
                     uint64_t *file_pages);
// Whose the range's pages are, under the owner's lock. A frame is divided among the entries that
// name it. After forks it can have more of them than are counted, when several tables name it and
// more than one of those is shared; one that has a single entry is always told from the others.
enum { MEM_PORTION_SHIFT = 12 };
struct mem_sharing {
    uint64_t pages, anon;                // entries: all, and those of no file or shared object
    uint64_t shared_clean, shared_dirty; // whose frame has other entries too; dirty: of the pool
    uint64_t private_dirty;              // whose frame has not, and is the pool's
    // Shares of frames, in bytes << MEM_PORTION_SHIFT: all, and those of the pool's.
    uint64_t portion, dirty_portion;
};
void mem_count_sharing(struct mem *mem, uint64_t addr, uint64_t len, struct mem_sharing *out);

// --- Code ----------------------------------------------------------------------------------------

// The address space is about to map executable pages that another one, which shares its code, may
// not have at the same place: gives it a code space of its own. Called under the owner's lock.
// mem_set() and mem_protect() do this by themselves for private memory.
NODISCARD int mem_own_code(struct mem *mem, struct mem_batch *batch);

// Drops translations of the code in `frame` everywhere (IC IVAU, ptrace pokes), moves the code
// generations concerned and pokes their CPUs, so that each flushes its lookup tables before it next
// enters GUEST. Does not wait, and may be called in GUEST; ISB must poll for pokes. What was
// dropped is freed with a later batch.
void mem_drop_code(struct mem *mem, struct frame *frame);

#endif
