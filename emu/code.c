// Code spaces: where blocks live, how they are found, chained, dropped and freed.
#include "emu/code.h"
#include "emu/cpu.h"
#include "emu/mem.h"
#include "emu/thread_code.h"
#include "emu/translate.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include "platform/host_mem.h"
#include "platform/lock.h"
#include <stdlib.h>
#include <string.h>

enum {
    UNIT = 64,    // block memory is given out in multiples of this
    CLASSES = 64, // free lists, by units
    CHUNK_MIN = 64 << 10,
    CHUNK_MAX = 2 << 20, // a huge page of most hosts
    PREFAULT = 32 << 10,
    HASH_MIN = 256,
    FRAME_BUCKETS = 1024,
};

struct chunk {
    struct chunk *next;
    size_t size;
};

struct free_memory {
    struct free_memory *next;
};

// A slot of the pc hash: open addressing with linear probing, at most half full. The pc is here so
// that a search touches no block but the one it finds.
struct pc_slot {
    uint64_t pc;
    struct block *block; // NULL: empty
};

struct code_space {
    _Atomic uint32_t refs;  // users and pins
    _Atomic uint32_t users; // address spaces
    struct lock lock;       // everything below
    // Moves with every drop, so that a translator notices that what it read may be stale.
    _Atomic uint64_t drops;
    uint64_t inserts;
    struct pc_slot *hash;
    size_t hash_size, blocks;
    struct block *frames[FRAME_BUCKETS]; // by frame
    struct block *retired;
    struct chunk *chunks;
    char *bump, *bump_end, *bump_ready; // ready: memory before it was asked for from the host
    struct free_memory *free_list[CLASSES];
};

int code_space_create(struct code_space **out)
{
    struct code_space *cs = calloc(1, sizeof(*cs));
    if (!cs)
        return -LINUX_ENOMEM;
    cs->hash = calloc(HASH_MIN, sizeof(cs->hash[0]));
    if (!cs->hash) {
        free(cs);
        return -LINUX_ENOMEM;
    }
    cs->hash_size = HASH_MIN;
    atomic_init(&cs->refs, 1);
    atomic_init(&cs->users, 1);
    lock_init(&cs->lock, LOCK_RANK_CODE);
    *out = cs;
    return 0;
}

struct code_space *code_space_get(struct code_space *cs)
{
    atomic_fetch_add_explicit(&cs->users, 1, memory_order_relaxed);
    return code_space_pin(cs);
}

struct code_space *code_space_pin(struct code_space *cs)
{
    atomic_fetch_add_explicit(&cs->refs, 1, memory_order_relaxed);
    return cs;
}

void code_space_put(struct code_space *cs)
{
    if (!cs)
        return;
    atomic_fetch_sub_explicit(&cs->users, 1, memory_order_release);
    code_space_unpin(cs);
}

void code_space_unpin(struct code_space *cs)
{
    if (atomic_fetch_sub_explicit(&cs->refs, 1, memory_order_acq_rel) != 1)
        return;
    // Nobody can find the blocks any more; only their frames have to be told.
    for (size_t i = 0; i < FRAME_BUCKETS; i++) {
        for (struct block *b = cs->frames[i]; b; b = b->frame_next) {
            atomic_fetch_sub_explicit(&b->frame->code_blocks, 1, memory_order_seq_cst);
            frame_put(b->frame);
        }
    }
    code_space_free_garbage(cs, code_space_collect(cs));
    for (struct chunk *c = cs->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    lock_destroy(&cs->lock);
    free(cs->hash);
    free(cs);
}

// --- Memory --------------------------------------------------------------------------------------

// Blocks fill their chunk from front to back, so its pages are worth fetching some at a time.
static void prefault(struct code_space *cs)
{
    size_t left = (size_t)(cs->bump_end - cs->bump_ready);
    size_t size = left < PREFAULT ? left : PREFAULT;
    host_mem_prefault(cs->bump_ready, size);
    cs->bump_ready += size;
}

static bool add_chunk(struct code_space *cs)
{
    size_t size = cs->chunks ? cs->chunks->size * 2 : CHUNK_MIN;
    if (size > CHUNK_MAX)
        size = CHUNK_MAX;
    // What is executed lies scattered over all of it, which costs a TLB entry a page.
    bool huge = size == CHUNK_MAX;
    struct chunk *c = aligned_alloc(huge ? size : UNIT, size);
    if (!c)
        return false;
    if (huge)
        host_mem_prefer_huge(c, size);
    *c = (struct chunk){cs->chunks, size};
    cs->chunks = c;
    cs->bump = (char *)c + UNIT;
    cs->bump_end = (char *)c + size;
    cs->bump_ready = cs->bump;
    return true;
}

static void *memory_alloc(struct code_space *cs, size_t bytes)
{
    size_t units = (bytes + UNIT - 1) / UNIT;
    ISH_ASSERT(units < CLASSES);
    struct free_memory *f = cs->free_list[units];
    if (f) {
        cs->free_list[units] = f->next;
        return f;
    }
    if ((size_t)(cs->bump_end - cs->bump) < units * UNIT && !add_chunk(cs))
        return NULL;
    if (cs->bump_ready < cs->bump + units * UNIT)
        prefault(cs);
    void *p = cs->bump;
    cs->bump += units * UNIT;
    return p;
}

static void memory_free(struct code_space *cs, void *p, size_t bytes)
{
    size_t units = (bytes + UNIT - 1) / UNIT;
    struct free_memory *f = p;
    f->next = cs->free_list[units];
    cs->free_list[units] = f;
}

// --- Finding -------------------------------------------------------------------------------------

// Blocks that are near each other in the guest are so here: a search that follows the guest's path
// finds its cache lines warm. 256 bytes of code get 32 slots, of which they seldom need half.
static size_t pc_bucket(const struct code_space *cs, uint64_t pc)
{
    size_t group = (size_t)((pc >> 8) * 0x9e3779b97f4a7c15ull >> 32);
    return (group << 5 | (pc >> 3 & 31)) & (cs->hash_size - 1);
}

static size_t frame_bucket(const struct frame *frame)
{
    return ((uintptr_t)frame >> 6) * 0x9e3779b97f4a7c15ull >> 32 & (FRAME_BUCKETS - 1);
}

// The slot of pc, or the empty one where it would be.
static struct pc_slot *find_slot(const struct code_space *cs, uint64_t pc)
{
    size_t at = pc_bucket(cs, pc);
    while (cs->hash[at].block && cs->hash[at].pc != pc)
        at = (at + 1) & (cs->hash_size - 1);
    return &cs->hash[at];
}

static bool hash_grow(struct code_space *cs)
{
    size_t old_size = cs->hash_size;
    struct pc_slot *old = cs->hash, *fresh = calloc(old_size * 2, sizeof(old[0]));
    if (!fresh)
        return false;
    cs->hash = fresh;
    cs->hash_size = old_size * 2;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].block)
            *find_slot(cs, old[i].pc) = old[i];
    }
    free(old);
    return true;
}

// Those behind it that would no longer be found move up.
static void hash_remove(struct code_space *cs, uint64_t pc)
{
    size_t mask = cs->hash_size - 1, hole = (size_t)(find_slot(cs, pc) - cs->hash);
    for (size_t i = (hole + 1) & mask; cs->hash[i].block; i = (i + 1) & mask) {
        if (((i - pc_bucket(cs, cs->hash[i].pc)) & mask) >= ((i - hole) & mask)) {
            cs->hash[hole] = cs->hash[i];
            hole = i;
        }
    }
    cs->hash[hole].block = NULL;
}

// True when one more block can be found. Without memory for a larger table it may fill up further,
// but never quite.
static bool make_slot(struct code_space *cs)
{
    return cs->blocks < cs->hash_size / 2 || hash_grow(cs) || cs->blocks + 1 < cs->hash_size;
}

// The frame has been told already, and there is a slot.
static void insert(struct code_space *cs, struct block *b, struct frame *frame)
{
    cs->inserts++;
    cs->blocks++;
    *find_slot(cs, block_pc(b)) = (struct pc_slot){block_pc(b), b};
    struct block **head = &cs->frames[frame_bucket(frame)];
    b->frame = frame;
    b->frame_next = *head;
    b->frame_link = head;
    if (*head)
        (*head)->frame_link = &b->frame_next;
    *head = b;
    frame_get(frame); // until the block is freed
}

// --- Chains --------------------------------------------------------------------------------------

static void set_target(struct block_exit *x, const struct insn *to)
{
    uint64_t low = *x->cell & ((1ull << x->shift) - 1);
    __atomic_store_n(x->cell, (uint64_t)(uintptr_t)to << x->shift | low, __ATOMIC_RELEASE);
}

static void chain(struct block_exit *x, struct block *to)
{
    x->to = to;
    x->next = to->incoming;
    x->link = &to->incoming;
    if (to->incoming)
        to->incoming->link = &x->next;
    to->incoming = x;
    set_target(x, block_start(to));
}

static void unchain(struct block_exit *x)
{
    if (!x->to)
        return;
    *x->link = x->next;
    if (x->next)
        x->next->link = x->link;
    x->to = NULL;
    set_target(x, &x->stub);
}

// --- Dropping ------------------------------------------------------------------------------------

// Nobody finds it any more; those inside leave through a lookup.
static void retire(struct code_space *cs, struct block *b)
{
    hash_remove(cs, block_pc(b));
    *b->frame_link = b->frame_next;
    if (b->frame_next)
        b->frame_next->frame_link = b->frame_link;
    while (b->incoming)
        unchain(b->incoming);
    for (unsigned i = 0; i < b->exits; i++)
        unchain(&b->exit[i]);
    b->dead = true;
    b->frame_next = cs->retired;
    cs->retired = b;
    cs->blocks--;
    atomic_fetch_sub_explicit(&b->frame->code_blocks, 1, memory_order_seq_cst);
}

bool code_space_drop_frame(struct code_space *cs, struct frame *frame)
{
    bool any = false;
    lock_acquire(&cs->lock);
    atomic_fetch_add_explicit(&cs->drops, 1, memory_order_seq_cst);
    for (struct block *b = cs->frames[frame_bucket(frame)], *next; b; b = next) {
        next = b->frame_next;
        if (b->frame != frame)
            continue;
        retire(cs, b);
        any = true;
    }
    lock_release(&cs->lock);
    return any;
}

void code_space_drop_all(struct code_space *cs)
{
    lock_acquire(&cs->lock);
    atomic_fetch_add_explicit(&cs->drops, 1, memory_order_seq_cst);
    for (size_t i = 0; i < FRAME_BUCKETS; i++) {
        while (cs->frames[i])
            retire(cs, cs->frames[i]);
    }
    lock_release(&cs->lock);
}

bool code_space_is_shared(const struct code_space *cs)
{
    return atomic_load_explicit(&cs->users, memory_order_acquire) > 1;
}

// Garbage is a list of retired blocks.
struct code_garbage *code_space_collect(struct code_space *cs)
{
    lock_acquire(&cs->lock);
    struct block *b = cs->retired;
    cs->retired = NULL;
    lock_release(&cs->lock);
    return (struct code_garbage *)b;
}

void code_space_free_garbage(struct code_space *cs, struct code_garbage *garbage)
{
    // Frames are let go without the lock: the last reference may call their owner.
    for (struct block *b = (struct block *)garbage; b; b = b->frame_next)
        frame_put(b->frame);
    lock_acquire(&cs->lock);
    for (struct block *b = (struct block *)garbage, *next; b; b = next) {
        next = b->frame_next;
        memory_free(cs, (void *)(uintptr_t)block_start(b), b->bytes);
    }
    lock_release(&cs->lock);
}

// --- What gadgets ask for ------------------------------------------------------------------------

static const struct insn *leave(struct cpu *cpu, enum trap_kind kind, enum mem_access access)
{
    cpu->trap = (struct trap){kind, access, 0, cpu->pc};
    return &cpu->code->exit;
}

// The block at cpu->pc, with the lock held; or NULL with the lock free and cpu->trap set.
static struct block *find_or_translate(struct cpu *cpu) NO_TSA
{
    struct code_space *cs = cpu->space;
    uint64_t pc = cpu->pc;
    for (;;) {
        lock_acquire(&cs->lock);
        struct block *b = find_slot(cs, pc)->block;
        if (b)
            return b;
        uint64_t drops = atomic_load_explicit(&cs->drops, memory_order_seq_cst);
        uint64_t inserts = cs->inserts;
        lock_release(&cs->lock);

        const void *host;
        struct frame *frame;
        struct draft d;
        if (!mem_fetch(cpu, pc, &host, &frame)) {
            leave(cpu, TRAP_FAULT, MEM_EXEC);
            return NULL;
        }
        // Before the code is read: see core_sync_code().
        atomic_fetch_add_explicit(&frame->code_blocks, 1, memory_order_seq_cst);
        translate(&d, pc, host, BLOCK_INSNS);

        lock_acquire(&cs->lock);
        if ((cs->inserts != inserts && find_slot(cs, pc)->block) ||
            atomic_load_explicit(&cs->drops, memory_order_seq_cst) != drops) {
            lock_release(&cs->lock);
            atomic_fetch_sub_explicit(&frame->code_blocks, 1, memory_order_seq_cst);
            continue; // another thread was first, or the code may have changed since it was read
        }
        size_t bytes = draft_size(&d);
        void *memory = make_slot(cs) ? memory_alloc(cs, bytes) : NULL;
        if (!memory) {
            lock_release(&cs->lock);
            atomic_fetch_sub_explicit(&frame->code_blocks, 1, memory_order_seq_cst);
            leave(cpu, TRAP_NO_MEMORY, MEM_EXEC);
            return NULL;
        }
        b = draft_place(&d, memory, dispatch_core(CORE_RESOLVE));
        b->bytes = (uint32_t)bytes;
        insert(cs, b, frame);
        return b;
    }
}

const struct insn *code_find(struct cpu *cpu) NO_TSA
{
    if (UNLIKELY(cpu->pc & 3))
        return leave(cpu, TRAP_PC_ALIGN, MEM_EXEC);
    struct block *b = find_or_translate(cpu);
    if (!b)
        return &cpu->code->exit;
    const struct insn *ip = block_start(b);
    lock_release(&cpu->space->lock);
    struct code_target *t = &cpu->code->hash[thread_code_index(cpu->pc)];
    t->pc = cpu->pc;
    t->ip = ip;
    return ip;
}

const struct insn *code_resolve(struct cpu *cpu, struct block_exit *exit) NO_TSA
{
    cpu->pc = exit->pc;
    struct block *b = find_or_translate(cpu);
    if (!b)
        return &cpu->code->exit;
    if (!exit->block->dead && !exit->to)
        chain(exit, b);
    const struct insn *ip = block_start(b);
    lock_release(&cpu->space->lock);
    return ip;
}

const struct insn *code_step(struct cpu *cpu)
{
    if (UNLIKELY(cpu->pc & 3))
        return leave(cpu, TRAP_PC_ALIGN, MEM_EXEC);
    const void *host;
    struct frame *frame;
    struct draft d;
    if (!mem_fetch(cpu, cpu->pc, &host, &frame))
        return leave(cpu, TRAP_FAULT, MEM_EXEC);
    translate(&d, cpu->pc, host, 1);
    ISH_ASSERT(draft_size(&d) <= sizeof(cpu->code->step_block));
    return block_start(draft_place(&d, cpu->code->step_block, dispatch_core(CORE_STEP_DONE)));
}

// --- Per thread ----------------------------------------------------------------------------------

int thread_code_create(struct thread_code **out)
{
    struct thread_code *tc = aligned_alloc(64, (sizeof(*tc) + 63) & ~(size_t)63);
    if (!tc)
        return -LINUX_ENOMEM;
    memset(tc, 0, sizeof(*tc));
    tc->exit.fn = dispatch_core(CORE_EXIT);
    tc->empty.fn = dispatch_core(CORE_EMPTY);
    tc->replay[1].fn = dispatch_core(CORE_REPLAY_DONE);
    thread_code_flush(tc);
    *out = tc;
    return 0;
}

void thread_code_destroy(struct thread_code *tc)
{
    free(tc);
}

void thread_code_forget_returns(struct thread_code *tc)
{
    for (unsigned i = 0; i < RETURN_STACK; i++)
        tc->returns[i] = (struct code_target){CODE_NO_PC, &tc->empty};
}

void thread_code_flush(struct thread_code *tc)
{
    for (unsigned i = 0; i < THREAD_CODE_SIZE; i++)
        tc->hash[i] = (struct code_target){CODE_NO_PC, &tc->empty};
    thread_code_forget_returns(tc);
}
