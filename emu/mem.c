// Page tables: the writing side. Everything here runs under the owner's lock unless it says so.
#include "emu/mem_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include <stdlib.h>
#include <string.h>

// --- Tables --------------------------------------------------------------------------------------

static struct leaf *leaf_create(void)
{
    struct leaf *leaf = aligned_alloc(_Alignof(struct leaf), sizeof *leaf);
    if (!leaf)
        return NULL;
    memset(leaf, 0, sizeof *leaf);
    atomic_store_explicit(&leaf->refs, 1, memory_order_relaxed);
    return leaf;
}

void leaf_put(struct leaf *leaf)
{
    if (atomic_fetch_sub_explicit(&leaf->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < TABLE_SIZE && leaf->live; i++) {
        uint64_t pte = atomic_load_explicit(&leaf->pte[i], memory_order_relaxed);
        if (!pte)
            continue;
        frame_unmap(pte_frame(pte));
        leaf->live--;
    }
    free(leaf);
}

static void dir_free(struct dir *d, unsigned level)
{
    for (unsigned i = 0; i < TABLE_SIZE && d->live; i++) {
        void *below = atomic_load_explicit(&d->slot[i], memory_order_relaxed);
        if (!below)
            continue;
        if (level > 1) {
            dir_free(below, level - 1);
            free(below);
        } else {
            leaf_put(below);
        }
        d->live--;
    }
}

// The way from the root to the slot of a leaf table.
struct walk {
    struct dir *dir[TABLE_LEVELS + 1]; // by level; [1] holds the leaf's slot
    _Atomic(void *) *slot;             // of the leaf; NULL when a directory is missing
};

static unsigned dir_index(uint64_t va, unsigned level)
{
    return (unsigned)(va >> (LEAF_SHIFT + TABLE_BITS * (level - 1))) & (TABLE_SIZE - 1);
}

static bool walk_to_leaf(struct mem *mem, uint64_t va, bool create, struct walk *w)
{
    w->dir[TABLE_LEVELS] = &mem->root;
    w->slot = NULL;
    for (unsigned level = TABLE_LEVELS; level > 1; level--) {
        struct dir *d = w->dir[level];
        _Atomic(void *) *slot = &d->slot[dir_index(va, level)];
        struct dir *below = atomic_load_explicit(slot, memory_order_relaxed);
        if (!below) {
            if (!create)
                return false;
            below = aligned_alloc(_Alignof(struct dir), sizeof *below);
            if (!below)
                return false;
            memset(below, 0, sizeof *below);
            atomic_store_explicit(slot, below, memory_order_release);
            d->live++;
        }
        w->dir[level - 1] = below;
    }
    w->slot = &w->dir[1]->slot[dir_index(va, 1)];
    return true;
}

// Takes directories without entries out of the tree; from the leaf's upwards.
static void prune(struct mem_batch *batch, const struct walk *w, uint64_t va)
{
    for (unsigned level = 1; level < TABLE_LEVELS && w->dir[level]->live == 0; level++) {
        struct dir *above = w->dir[level + 1];
        atomic_store_explicit(&above->slot[dir_index(va, level + 1)], NULL, memory_order_relaxed);
        above->live--;
        batch_add_dir(batch, w->dir[level]);
    }
}

static struct leaf *slot_leaf(const struct walk *w)
{
    return w->slot ? atomic_load_explicit(w->slot, memory_order_relaxed) : NULL;
}

static void add_pages(struct mem *mem, int64_t pages, int64_t file_pages)
{
    atomic_store_explicit(&mem->pages,
                          atomic_load_explicit(&mem->pages, memory_order_relaxed) + (uint64_t)pages,
                          memory_order_relaxed);
    atomic_store_explicit(&mem->file_pages,
                          atomic_load_explicit(&mem->file_pages, memory_order_relaxed) +
                              (uint64_t)file_pages,
                          memory_order_relaxed);
}

static bool leaf_is_shared(const struct leaf *leaf)
{
    return atomic_load_explicit(&leaf->refs, memory_order_acquire) != 1;
}

static struct leaf *take_reserve(struct mem *mem)
{
    for (unsigned i = 0; i < ARRAY_LEN(mem->reserve); i++) {
        struct leaf *leaf = mem->reserve[i];
        if (leaf) {
            mem->reserve[i] = NULL;
            return leaf;
        }
    }
    return NULL;
}

static bool fill_reserve(struct mem *mem)
{
    for (unsigned i = 0; i < ARRAY_LEN(mem->reserve); i++) {
        if (!mem->reserve[i] && !(mem->reserve[i] = leaf_create()))
            return false;
    }
    return true;
}

// Copies the entries of `from` outside the skipped part of it.
static void copy_entries(struct leaf *to, const struct leaf *from, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        uint64_t pte = atomic_load_explicit(&from->pte[i], memory_order_relaxed);
        if (!pte)
            continue;
        frame_map(pte_frame(pte));
        atomic_store_explicit(&to->pte[i], pte, memory_order_relaxed);
        to->live++;
        to->live_file = (uint16_t)(to->live_file + pte_frame(pte)->shared);
    }
    to->has_exec |= from->has_exec;
}

// Makes the leaf at `w` this mem's alone. The other's table is let go with the batch: until then
// both see it shared, so neither writes what a stale walk of the other could still reach.
static struct leaf *own_leaf(struct mem *mem, struct mem_batch *batch, const struct walk *w,
                             bool use_reserve)
{
    struct leaf *leaf = slot_leaf(w);
    if (!leaf_is_shared(leaf))
        return leaf;
    struct leaf *own = leaf_create();
    if (!own && use_reserve)
        own = take_reserve(mem);
    if (!own)
        return NULL;
    copy_entries(own, leaf, 0, TABLE_SIZE);
    atomic_store_explicit(w->slot, own, memory_order_release);
    batch_add_leaf(batch, leaf);
    mem_invalidate(mem, batch, 0, 0);
    return own;
}

static struct leaf *writable_leaf(struct mem *mem, struct mem_batch *batch, uint64_t va,
                                  struct walk *w)
{
    if (!walk_to_leaf(mem, va, true, w))
        return NULL;
    struct leaf *leaf = slot_leaf(w);
    if (leaf)
        return own_leaf(mem, batch, w, false);
    leaf = leaf_create();
    if (leaf) {
        atomic_store_explicit(w->slot, leaf, memory_order_release);
        w->dir[1]->live++;
    }
    return leaf;
}

// --- Code ----------------------------------------------------------------------------------------

static struct code_space *own_space(const struct mem *mem)
{
    return atomic_load_explicit(&mem->code, memory_order_relaxed);
}

int mem_own_code(struct mem *mem, struct mem_batch *batch)
{
    struct code_space *old = own_space(mem);
    if (!code_space_is_shared(old))
        return 0;
    struct code_space *fresh;
    int err = code_space_create(&fresh);
    if (err)
        return err;
    lock_acquire(&mem->cpus_lock);
    atomic_store_explicit(&mem->code, fresh, memory_order_release);
    lock_release(&mem->cpus_lock);
    atomic_fetch_add_explicit(&mem->code_gen, 1, memory_order_seq_cst);
    mem_invalidate(mem, batch, 0, 0);
    batch_add_replaced_code(batch, mem, old);
    return 0;
}

// Executable entries went; what was translated from them must not be found again. One instance per
// operation: `noted` says that the space has been told once, after the first entry was cleared, so
// that a translator which read an old entry starts over.
struct exec_removal {
    bool noted, replaced;
};

static void exec_removed(struct mem *mem, struct mem_batch *batch, struct exec_removal *r,
                         struct frame *frame)
{
    if (r->replaced || (r->noted && !code_in_frame(frame)))
        return;
    // A space that others use too is left to them. Without memory for one of our own they lose a
    // few blocks.
    if (!r->noted && code_space_is_shared(own_space(mem)) && mem_own_code(mem, batch) == 0) {
        r->replaced = true;
        return;
    }
    r->noted = true;
    (void)code_space_drop_frame(own_space(mem), frame);
}

static void exec_removal_end(struct mem *mem, struct mem_batch *batch, const struct exec_removal *r)
{
    if (!r->noted)
        return;
    // Collected first: whoever enters after the generation moved does not know what was collected.
    batch_add_code(batch, mem);
    atomic_fetch_add_explicit(&mem->code_gen, 1, memory_order_seq_cst);
    mem_invalidate(mem, batch, 0, 0);
}

// Called under no lock of the mem's owner; the space may be replaced meanwhile, and then the mem
// forgets all it had from it.
static void drop_code_in(struct mem *mem, struct frame *frame)
{
    lock_acquire(&mem->cpus_lock);
    struct code_space *space = code_space_pin(own_space(mem));
    lock_release(&mem->cpus_lock);
    if (code_space_drop_frame(space, frame)) {
        atomic_fetch_add_explicit(&mem->code_gen, 1, memory_order_seq_cst);
        mem_poke_guests(mem);
    }
    code_space_unpin(space);
}

void mem_drop_code(struct mem *mem, struct frame *frame)
{
    struct run_tokens *tokens = mem->tokens;
    if (!code_in_frame(frame))
        return;
    drop_code_in(mem, frame);
    if (!code_in_frame(frame))
        return;
    lock_acquire(&tokens->mems_lock);
    struct mem *m;
    list_for_each (m, &tokens->mems, link)
        drop_code_in(m, frame);
    lock_release(&tokens->mems_lock);
}

// --- Entries -------------------------------------------------------------------------------------

struct mem_entry mem_lookup(struct mem *mem, uint64_t addr)
{
    struct mem_entry e = {0};
    struct leaf *leaf = mem_find_leaf(mem, addr);
    if (!leaf)
        return e;
    uint64_t pte = atomic_load_explicit(&leaf->pte[leaf_index(addr)], memory_order_acquire);
    if (!pte)
        return e;
    e.frame = pte_frame(pte);
    e.rights = pte & PTE_RIGHTS;
    e.shared = pte & PTE_SHARED;
    e.writable = pte_writable(leaf, pte);
    e.sole = pte_is_sole(leaf, pte);
    return e;
}

// The entry at `i` is gone or replaced; its frame goes with the batch.
static void forget_entry(struct mem *mem, struct mem_batch *batch, struct leaf *leaf, uint64_t pte,
                         struct exec_removal *exec)
{
    struct frame *frame = pte_frame(pte);
    leaf->live--;
    leaf->live_file = (uint16_t)(leaf->live_file - frame->shared);
    if (pte & MEM_EXEC)
        exec_removed(mem, batch, exec, frame);
    batch_add_frame(batch, frame);
}

int mem_set(struct mem *mem, struct mem_batch *batch, uint64_t addr, struct mem_entry entry)
{
    if ((entry.rights & MEM_EXEC) && !entry.frame->shared) {
        int err = mem_own_code(mem, batch);
        if (err)
            return err;
    }
    struct walk w;
    struct leaf *leaf = writable_leaf(mem, batch, addr, &w);
    if (!leaf)
        return -LINUX_ENOMEM;
    _Atomic uint64_t *slot = &leaf->pte[leaf_index(addr)];
    uint64_t old = atomic_load_explicit(slot, memory_order_relaxed);
    uint64_t fresh =
        (uintptr_t)entry.frame | (entry.rights & PTE_RIGHTS) | (entry.shared ? PTE_SHARED : 0u);
    int64_t old_file = leaf->live_file, old_live = leaf->live;
    frame_map_consume(entry.frame);
    atomic_store_explicit(slot, fresh, memory_order_release);
    leaf->live++;
    leaf->live_file = (uint16_t)(leaf->live_file + entry.frame->shared);
    if (entry.rights & MEM_EXEC)
        leaf->has_exec = true;
    if (old) {
        struct exec_removal exec = {0};
        forget_entry(mem, batch, leaf, old, &exec);
        exec_removal_end(mem, batch, &exec);
        if (old & PTE_RIGHTS)
            mem_invalidate(mem, batch, addr, 1);
    }
    add_pages(mem, leaf->live - old_live, leaf->live_file - old_file);
    return 0;
}

// One leaf table's part of an operation on a range.
struct span {
    struct walk w;
    struct leaf *leaf;
    uint64_t va; // of its first page in the range
    unsigned first, end;
};

// What decides about `va`: a leaf table, or NULL for a stretch without one. It starts at *base,
// which is returned with its size.
static struct leaf *find_stretch(const struct mem *mem, uint64_t va, uint64_t *base, uint64_t *size)
{
    unsigned level = TABLE_LEVELS;
    const struct dir *d = &mem->root;
    void *below;
    for (;;) {
        below = atomic_load_explicit(&d->slot[dir_index(va, level)], memory_order_relaxed);
        if (!below || level == 1)
            break;
        d = below;
        level--;
    }
    *size = 1ull << (LEAF_SHIFT + TABLE_BITS * (level - 1));
    *base = va & ~(*size - 1);
    return below;
}

static void set_span(struct mem *mem, struct span *s, struct leaf *leaf, uint64_t va, uint64_t end)
{
    bool found = walk_to_leaf(mem, va, false, &s->w);
    ISH_ASSERT(found);
    s->leaf = leaf;
    s->va = va;
    s->first = leaf_index(va);
    s->end = s->first + (unsigned)((end - va) >> MEM_PAGE_BITS);
}

// Finds the next leaf table at or after `*addr`; advances *addr beyond it.
static bool next_span(struct mem *mem, uint64_t *addr, uint64_t end, struct span *s)
{
    while (*addr < end) {
        uint64_t va = *addr, base, size;
        struct leaf *leaf = find_stretch(mem, va, &base, &size);
        *addr = base + size < end ? base + size : end;
        if (leaf) {
            set_span(mem, s, leaf, va, *addr);
            return true;
        }
    }
    return false;
}

// Finds the last leaf table before `*end`; moves *end to its start.
static bool previous_span(struct mem *mem, uint64_t start, uint64_t *end, struct span *s)
{
    while (*end > start) {
        uint64_t old_end = *end, base, size;
        struct leaf *leaf = find_stretch(mem, old_end - MEM_PAGE_SIZE, &base, &size);
        *end = base > start ? base : start;
        if (leaf) {
            set_span(mem, s, leaf, *end, old_end);
            return true;
        }
    }
    return false;
}

static bool span_is_whole(const struct span *s)
{
    return s->first == 0 && s->end == TABLE_SIZE;
}

static unsigned count_entries(const struct leaf *leaf, unsigned first, unsigned end)
{
    unsigned n = 0;
    for (unsigned i = first; i < end; i++)
        n += atomic_load_explicit(&leaf->pte[i], memory_order_relaxed) != 0;
    return n;
}

// True when clearing the span can take the whole table away.
static bool span_takes_all(const struct span *s, bool file_only)
{
    if (file_only && s->leaf->live_file != s->leaf->live)
        return false;
    return span_is_whole(s) || count_entries(s->leaf, s->first, s->end) == s->leaf->live;
}

static void detach_leaf(struct mem *mem, struct mem_batch *batch, const struct walk *w, uint64_t va,
                        struct exec_removal *exec)
{
    struct leaf *leaf = slot_leaf(w);
    atomic_store_explicit(w->slot, NULL, memory_order_relaxed);
    add_pages(mem, -(int64_t)leaf->live, -(int64_t)leaf->live_file);
    for (unsigned i = 0; leaf->has_exec && i < TABLE_SIZE; i++) {
        uint64_t pte = atomic_load_explicit(&leaf->pte[i], memory_order_relaxed);
        if (pte & MEM_EXEC)
            exec_removed(mem, batch, exec, pte_frame(pte));
    }
    w->dir[1]->live--;
    batch_add_leaf(batch, leaf);
    prune(batch, w, va);
}

// Splits the shared tables that clearing the range would change in part.
static int own_to_clear(struct mem *mem, struct mem_batch *batch, uint64_t addr, uint64_t end,
                        bool file_only)
{
    struct span s;
    while (next_span(mem, &addr, end, &s)) {
        if (!leaf_is_shared(s.leaf) || span_takes_all(&s, file_only) ||
            (file_only && s.leaf->live_file == 0) || count_entries(s.leaf, s.first, s.end) == 0)
            continue;
        if (!own_leaf(mem, batch, &s.w, true))
            return -LINUX_ENOMEM;
    }
    return 0;
}

static void clear_span(struct mem *mem, struct mem_batch *batch, struct span *s, bool file_only,
                       struct exec_removal *exec)
{
    struct leaf *leaf = s->leaf;
    if (span_takes_all(s, file_only)) {
        detach_leaf(mem, batch, &s->w, s->va, exec);
        return;
    }
    int64_t old_file = leaf->live_file, old_live = leaf->live;
    for (unsigned i = s->first; i < s->end; i++) {
        uint64_t pte = atomic_load_explicit(&leaf->pte[i], memory_order_relaxed);
        if (!pte || (file_only && !pte_frame(pte)->shared))
            continue;
        atomic_store_explicit(&leaf->pte[i], 0, memory_order_relaxed);
        forget_entry(mem, batch, leaf, pte, exec);
    }
    add_pages(mem, leaf->live - old_live, leaf->live_file - old_file);
}

int mem_clear(struct mem *mem, struct mem_batch *batch, uint64_t addr, uint64_t len, bool file_only)
{
    uint64_t end = addr + len, at = addr;
    if (atomic_load_explicit(&mem->pages, memory_order_relaxed) == 0)
        return 0;
    int err = own_to_clear(mem, batch, addr, end, file_only);
    if (err)
        return err;
    struct span s;
    struct exec_removal exec = {0};
    uint64_t before = atomic_load_explicit(&mem->pages, memory_order_relaxed);
    while (next_span(mem, &at, end, &s))
        clear_span(mem, batch, &s, file_only, &exec);
    exec_removal_end(mem, batch, &exec);
    if (before != atomic_load_explicit(&mem->pages, memory_order_relaxed))
        mem_invalidate(mem, batch, addr, len >> MEM_PAGE_BITS);
    return 0;
}

static bool span_differs(const struct span *s, uint8_t rights)
{
    for (unsigned i = s->first; i < s->end; i++) {
        uint64_t pte = atomic_load_explicit(&s->leaf->pte[i], memory_order_relaxed);
        if (pte && (pte & PTE_RIGHTS) != rights)
            return true;
    }
    return false;
}

// Sets the rights of a span's entries. Returns whether a right went.
static bool protect_span(struct mem *mem, struct mem_batch *batch, struct span *s, uint8_t rights,
                         struct exec_removal *exec)
{
    bool removed = false;
    for (unsigned i = s->first; i < s->end; i++) {
        uint64_t pte = atomic_load_explicit(&s->leaf->pte[i], memory_order_relaxed);
        if (!pte || (pte & PTE_RIGHTS) == rights)
            continue;
        uint64_t fresh = (pte & ~(uint64_t)PTE_RIGHTS) | rights;
        atomic_store_explicit(&s->leaf->pte[i], fresh, memory_order_release);
        removed |= (pte & PTE_RIGHTS & ~fresh) != 0;
        if ((pte & MEM_EXEC) && !(rights & MEM_EXEC))
            exec_removed(mem, batch, exec, pte_frame(pte));
        if (rights & MEM_EXEC)
            s->leaf->has_exec = true;
    }
    return removed;
}

int mem_protect(struct mem *mem, struct mem_batch *batch, uint64_t addr, uint64_t len,
                uint8_t rights)
{
    uint64_t end = addr + len, at = addr;
    struct span s;
    while (next_span(mem, &at, end, &s)) {
        if (span_differs(&s, rights) && !own_leaf(mem, batch, &s.w, false))
            return -LINUX_ENOMEM;
    }
    if (rights & MEM_EXEC) {
        int err = mem_own_code(mem, batch);
        if (err)
            return err;
    }
    struct exec_removal exec = {0};
    bool removed = false;
    at = addr;
    while (next_span(mem, &at, end, &s))
        if (span_differs(&s, rights))
            removed |= protect_span(mem, batch, &s, rights, &exec);
    exec_removal_end(mem, batch, &exec);
    if (removed)
        mem_invalidate(mem, batch, addr, len >> MEM_PAGE_BITS);
    return 0;
}

// --- Moving --------------------------------------------------------------------------------------

// True when the table itself can change its place.
static bool moves_whole(const struct span *s, uint64_t delta)
{
    return span_is_whole(s) && delta % LEAF_SPAN == 0;
}

// Makes every table that moving the span writes to.
static int prepare_move(struct mem *mem, struct mem_batch *batch, struct span *s, uint64_t delta)
{
    struct walk w;
    if (moves_whole(s, delta))
        return walk_to_leaf(mem, s->va + delta, true, &w) ? 0 : -LINUX_ENOMEM;
    if (!own_leaf(mem, batch, &s->w, false))
        return -LINUX_ENOMEM;
    uint64_t to = s->va + delta;
    uint64_t last = to + (uint64_t)(s->end - s->first - 1) * MEM_PAGE_SIZE;
    if (!writable_leaf(mem, batch, to, &w) ||
        (to / LEAF_SPAN != last / LEAF_SPAN && !writable_leaf(mem, batch, last, &w)))
        return -LINUX_ENOMEM;
    return 0;
}

static void move_table(struct mem *mem, struct mem_batch *batch, struct span *s, uint64_t delta,
                       struct exec_removal *exec)
{
    struct walk to;
    bool found = walk_to_leaf(mem, s->va + delta, false, &to);
    ISH_ASSERT(found);
    struct leaf *empty = slot_leaf(&to);
    if (empty)
        batch_add_leaf(batch, empty);
    else
        to.dir[1]->live++;
    for (unsigned i = 0; s->leaf->has_exec && i < TABLE_SIZE; i++) {
        uint64_t pte = atomic_load_explicit(&s->leaf->pte[i], memory_order_relaxed);
        if (pte & MEM_EXEC)
            exec_removed(mem, batch, exec, pte_frame(pte));
    }
    atomic_store_explicit(s->w.slot, NULL, memory_order_relaxed);
    atomic_store_explicit(to.slot, s->leaf, memory_order_release);
    s->w.dir[1]->live--;
    prune(batch, &s->w, s->va);
}

static void move_entries(struct mem *mem, struct mem_batch *batch, struct span *s, uint64_t delta,
                         struct exec_removal *exec)
{
    for (unsigned i = s->first; i < s->end; i++) {
        uint64_t pte = atomic_load_explicit(&s->leaf->pte[i], memory_order_relaxed);
        if (!pte)
            continue;
        uint64_t va = s->va + (uint64_t)(i - s->first) * MEM_PAGE_SIZE;
        struct leaf *to = mem_find_leaf(mem, va + delta);
        atomic_store_explicit(&s->leaf->pte[i], 0, memory_order_relaxed);
        atomic_store_explicit(&to->pte[leaf_index(va + delta)], pte, memory_order_release);
        s->leaf->live--;
        to->live++;
        if (pte_frame(pte)->shared) {
            s->leaf->live_file--;
            to->live_file++;
        }
        if (pte & MEM_EXEC) {
            to->has_exec = true;
            exec_removed(mem, batch, exec, pte_frame(pte));
        }
    }
    if (s->leaf->live == 0) {
        atomic_store_explicit(s->w.slot, NULL, memory_order_relaxed);
        s->w.dir[1]->live--;
        batch_add_leaf(batch, s->leaf);
        prune(batch, &s->w, s->va);
    }
}

int mem_move(struct mem *mem, struct mem_batch *batch, uint64_t from, uint64_t to, uint64_t len)
{
    uint64_t delta = to - from, end = from + len, at = from;
    struct span s;
    while (next_span(mem, &at, end, &s)) {
        int err = prepare_move(mem, batch, &s, delta);
        if (err)
            return err;
    }
    struct exec_removal exec = {0};
    bool moved = false;
    // The end farther from the destination goes first: a table that this empties, and that is then
    // taken away, lies beyond all that is still to be written.
    bool up = to > from;
    at = from;
    while (up ? next_span(mem, &at, end, &s) : previous_span(mem, from, &end, &s)) {
        moved = true;
        if (moves_whole(&s, delta))
            move_table(mem, batch, &s, delta, &exec);
        else
            move_entries(mem, batch, &s, delta, &exec);
    }
    exec_removal_end(mem, batch, &exec);
    if (moved)
        mem_invalidate(mem, batch, from, len >> MEM_PAGE_BITS);
    return 0;
}

// --- Fork ----------------------------------------------------------------------------------------

// Gives the child what the span holds outside the skipped ranges, in a table of its own. Pages that
// both have now are mapped twice, which keeps either from writing them.
static int copy_span(struct mem *child, struct mem_batch *batch, const struct span *s,
                     const struct mem_range *skip, size_t skip_count)
{
    struct walk w;
    uint64_t base = s->va & ~(LEAF_SPAN - 1);
    struct leaf *to = writable_leaf(child, batch, base, &w);
    if (!to)
        return -LINUX_ENOMEM;
    unsigned at = 0;
    for (size_t i = 0; i < skip_count && skip[i].start < base + LEAF_SPAN; i++) {
        if (skip[i].end <= base)
            continue;
        unsigned start = skip[i].start > base ? leaf_index(skip[i].start) : 0;
        if (start > at)
            copy_entries(to, s->leaf, at, start);
        at = skip[i].end < base + LEAF_SPAN ? leaf_index(skip[i].end) : TABLE_SIZE;
    }
    copy_entries(to, s->leaf, at, TABLE_SIZE);
    add_pages(child, to->live, to->live_file);
    return 0;
}

static int share_span(struct mem *child, const struct span *s)
{
    struct walk w;
    if (!walk_to_leaf(child, s->va, true, &w))
        return -LINUX_ENOMEM;
    atomic_fetch_add_explicit(&s->leaf->refs, 1, memory_order_seq_cst);
    atomic_store_explicit(w.slot, s->leaf, memory_order_release);
    w.dir[1]->live++;
    add_pages(child, s->leaf->live, s->leaf->live_file);
    return 0;
}

int mem_fork(struct mem *parent, struct mem *child, struct mem_batch *batch,
             const struct mem_range *skip, size_t skip_count)
{
    if (!fill_reserve(parent) || !fill_reserve(child))
        return -LINUX_ENOMEM;
    struct span s;
    uint64_t at = 0;
    size_t first = 0;
    int err = 0;
    while (!err && next_span(parent, &at, MEM_VA_END, &s)) {
        while (first < skip_count && skip[first].end <= s.va)
            first++;
        if (first < skip_count && skip[first].start < s.va + LEAF_SPAN)
            err = copy_span(child, batch, &s, skip + first, skip_count - first);
        else
            err = share_span(child, &s);
    }
    mem_invalidate(parent, batch, 0, MEM_LOG_ALL);
    return err;
}

// --- Life ----------------------------------------------------------------------------------------

int mem_create(struct run_tokens *tokens, struct mem *parent, struct mem **out)
{
    struct mem *mem = aligned_alloc(_Alignof(struct mem), sizeof *mem);
    if (!mem)
        return -LINUX_ENOMEM;
    memset(mem, 0, sizeof *mem);
    struct code_space *code;
    if (parent) {
        code = code_space_get(own_space(parent));
    } else {
        int err = code_space_create(&code);
        if (err) {
            free(mem);
            return err;
        }
    }
    atomic_store_explicit(&mem->refs, 1, memory_order_relaxed);
    atomic_store_explicit(&mem->code, code, memory_order_relaxed);
    mem->tokens = tokens;
    lock_init(&mem->cpus_lock, LOCK_RANK_MEM_CPUS);
    cond_init(&mem->cpus_cond);
    list_init(&mem->cpus);
    lock_acquire(&tokens->mems_lock);
    list_add_tail(&tokens->mems, &mem->link);
    lock_release(&tokens->mems_lock);
    *out = mem;
    return 0;
}

void mem_get(struct mem *mem)
{
    atomic_fetch_add_explicit(&mem->refs, 1, memory_order_relaxed);
}

void mem_put(struct mem *mem)
{
    if (atomic_fetch_sub_explicit(&mem->refs, 1, memory_order_acq_rel) != 1)
        return;
    ISH_ASSERT(list_empty(&mem->cpus));
    lock_acquire(&mem->tokens->mems_lock);
    list_remove(&mem->link);
    lock_release(&mem->tokens->mems_lock);
    code_space_put(own_space(mem));
    dir_free(&mem->root, TABLE_LEVELS);
    for (unsigned i = 0; i < ARRAY_LEN(mem->reserve); i++)
        free(mem->reserve[i]);
    cond_destroy(&mem->cpus_cond);
    lock_destroy(&mem->cpus_lock);
    free(mem);
}

void mem_count(const struct mem *mem, uint64_t *pages, uint64_t *file_pages)
{
    *pages = atomic_load_explicit(&mem->pages, memory_order_relaxed);
    *file_pages = atomic_load_explicit(&mem->file_pages, memory_order_relaxed);
}

void mem_count_range(struct mem *mem, uint64_t addr, uint64_t len, uint64_t *pages,
                     uint64_t *file_pages)
{
    struct span s;
    uint64_t end = addr + len;
    *pages = *file_pages = 0;
    while (next_span(mem, &addr, end, &s)) {
        for (unsigned i = s.first; i < s.end; i++) {
            uint64_t pte = atomic_load_explicit(&s.leaf->pte[i], memory_order_relaxed);
            *pages += pte != 0;
            *file_pages += pte && pte_frame(pte)->shared;
        }
    }
}

void mem_count_sharing(struct mem *mem, uint64_t addr, uint64_t len, struct mem_sharing *out)
{
    struct span s;
    uint64_t end = addr + len;
    *out = (struct mem_sharing){0};
    while (next_span(mem, &addr, end, &s)) {
        // Entries of a table count once in their frames, however many have the table.
        uint64_t tables = atomic_load_explicit(&s.leaf->refs, memory_order_relaxed);
        for (unsigned i = s.first; i < s.end; i++) {
            uint64_t pte = atomic_load_explicit(&s.leaf->pte[i], memory_order_relaxed);
            if (!pte)
                continue;
            const struct frame *f = pte_frame(pte);
            uint64_t maps = frame_maps(f) + tables - 1;
            uint64_t portion = ((uint64_t)FRAME_SIZE << MEM_PORTION_SHIFT) / maps;
            out->pages++;
            out->anon += !f->shared;
            out->shared_clean += maps > 1 && !f->anonymous;
            out->shared_dirty += maps > 1 && f->anonymous;
            out->private_dirty += maps == 1 && f->anonymous;
            out->portion += portion;
            out->dirty_portion += f->anonymous ? portion : 0;
        }
    }
}
