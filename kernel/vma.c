// The tree of mappings of one address space: finding, placing, splitting, joining. Under mm->lock.
#include "kernel/file_maps.h"
#include "kernel/mm_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include <stdlib.h>

static struct vma *of(struct rb_node *n)
{
    return n ? rb_entry(n, struct vma, node) : NULL;
}

static void update(struct rb_node *n)
{
    struct vma *v = of(n), *l = of(n->left), *r = of(n->right);
    v->max_gap = v->gap;
    if (l && l->max_gap > v->max_gap)
        v->max_gap = l->max_gap;
    if (r && r->max_gap > v->max_gap)
        v->max_gap = r->max_gap;
}

struct vma *vma_find(const struct mm *mm, uint64_t addr)
{
    struct vma *found = NULL;
    for (struct rb_node *n = mm->vmas.top; n;) {
        struct vma *v = of(n);
        if (v->end > addr) {
            found = v;
            if (v->start <= addr)
                break;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return found;
}

struct vma *vma_next(const struct vma *v)
{
    return of(rb_next(&v->node));
}

struct vma *vma_prev(const struct vma *v)
{
    return of(rb_prev(&v->node));
}

struct vma *vma_first(const struct mm *mm)
{
    return of(rb_first(&mm->vmas));
}

struct vma *vma_at(const struct mm *mm, uint64_t addr)
{
    struct vma *v = vma_find(mm, addr);
    return v && v->start <= addr ? v : NULL;
}

bool vma_range_free(const struct mm *mm, uint64_t start, uint64_t end)
{
    struct vma *v = vma_find(mm, start);
    return !v || v->start >= end;
}

// --- Placing -------------------------------------------------------------------------------------

// The part of a gap that may be used: a growing stack above keeps its guard.
static uint64_t usable_gap(const struct vma *v)
{
    uint64_t guard = v->flags & VMA_GROWSDOWN ? MM_STACK_GUARD * PAGE_SIZE : 0;
    return v->gap > guard ? v->gap - guard : 0;
}

// The highest place for `len` bytes in the gaps of a subtree that ends at or below `top`.
static uint64_t hole_below(struct rb_node *n, uint64_t len, uint64_t top)
{
    if (!n || of(n)->max_gap < len)
        return 0;
    struct vma *v = of(n);
    uint64_t low = v->start - v->gap;
    if (v->end + len <= top) {
        uint64_t at = hole_below(n->right, len, top);
        if (at)
            return at;
    }
    uint64_t end = v->start - (v->gap - usable_gap(v));
    end = end < top ? end : top;
    if (low < MM_MIN_ADDR)
        low = MM_MIN_ADDR;
    if (end >= low && end - low >= len)
        return end - len;
    return hole_below(n->left, len, top);
}

static uint64_t hole_anywhere(const struct mm *mm, uint64_t len, uint64_t top)
{
    struct vma *last = of(rb_last(&mm->vmas));
    uint64_t above = last ? last->end : MM_MIN_ADDR;
    if (above < top && top - above >= len)
        return top - len;
    return hole_below(mm->vmas.top, len, top);
}

uint64_t vma_find_hole(const struct mm *mm, uint64_t len)
{
    if (len > MEM_VA_END)
        return 0;
    uint64_t at = hole_anywhere(mm, len, mm->mmap_top);
    return at ? at : hole_anywhere(mm, len, MEM_VA_END);
}

// --- Links ---------------------------------------------------------------------------------------

struct vma *vma_alloc(struct mm *mm)
{
    struct vma *v = calloc(1, sizeof *v);
    if (v)
        v->mm = mm;
    return v;
}

void vma_free(struct vma *v)
{
    if (v->file)
        file_put(v->file);
    free(v);
}

// The inode whose contents the mapping can change, or NULL.
static struct inode *changes(const struct vma *v)
{
    return v->flags & VMA_SHARED ? v->file->inode : NULL;
}

static void count(struct mm *mm, const struct vma *v, bool add)
{
    uint64_t bytes = add ? v->end - v->start : v->start - v->end;
    mm->bytes += bytes;
    if (vma_is_data(v->prot, v->flags))
        mm->data_bytes += bytes;
    if (v->flags & VMA_LOCKED)
        mm->locked_bytes += bytes;
    if (mm->bytes > mm->peak_bytes)
        mm->peak_bytes = mm->bytes;
}

// Recomputes the gap below `v`, if there is a v.
static void update_gap(struct vma *v)
{
    if (!v)
        return;
    struct vma *prev = vma_prev(v);
    v->gap = v->start - (prev ? prev->end : 0);
    rb_propagate(&v->node, update);
}

void vma_link(struct mm *mm, struct vma *v)
{
    struct rb_node *parent = NULL, **link = &mm->vmas.top;
    while (*link) {
        parent = *link;
        link = v->start < of(parent)->start ? &parent->left : &parent->right;
    }
    v->gap = 0;
    rb_insert(&mm->vmas, &v->node, parent, link, update);
    update_gap(v);
    update_gap(vma_next(v));
    mm->vma_count++;
    count(mm, v, true);
    file_maps_add(v);
    // Whoever made it asked; pieces and copies of it need not.
    struct inode *changed = changes(v);
    if (changed)
        atomic_fetch_add_explicit(&changed->writable_maps, 1, memory_order_acq_rel);
}

void vma_unlink(struct mm *mm, struct vma *v)
{
    struct vma *next = vma_next(v);
    struct inode *changed = changes(v);
    if (changed)
        inode_unmap_writable(changed);
    file_maps_remove(v);
    count(mm, v, false);
    mm->vma_count--;
    rb_erase(&mm->vmas, &v->node, update);
    update_gap(next);
}

void vma_resize(struct mm *mm, struct vma *v, uint64_t start, uint64_t end)
{
    count(mm, v, false);
    file_maps_remove(v); // its readers look at page and bounds under mm->lock; the order is theirs
    if (v->file)
        v->page += (start - v->start) / PAGE_SIZE;
    v->start = start;
    v->end = end;
    file_maps_add(v);
    count(mm, v, true);
    update_gap(v);
    update_gap(vma_next(v));
}

void vma_set_flags(struct mm *mm, struct vma *v, uint8_t prot, uint16_t flags)
{
    count(mm, v, false);
    v->prot = prot;
    v->flags = flags;
    count(mm, v, true);
}

// --- Splitting and joining -----------------------------------------------------------------------

int vma_fill_reserve(struct mm *mm)
{
    for (unsigned i = 0; i < ARRAY_LEN(mm->reserve); i++)
        if (!mm->reserve[i] && !(mm->reserve[i] = vma_alloc(mm)))
            return -LINUX_ENOMEM;
    return 0;
}

static struct vma *take_reserve(struct mm *mm)
{
    for (unsigned i = 0; i < ARRAY_LEN(mm->reserve); i++) {
        struct vma *v = mm->reserve[i];
        if (v) {
            mm->reserve[i] = NULL;
            return v;
        }
    }
    return NULL;
}

struct vma *vma_split(struct mm *mm, struct vma *v, uint64_t at, bool use_reserve)
{
    ISH_ASSERT(v->start < at && at < v->end);
    struct vma *upper = vma_alloc(mm);
    if (!upper && use_reserve)
        upper = take_reserve(mm);
    if (!upper)
        return NULL;
    upper->start = at;
    upper->end = v->end;
    upper->file = v->file ? file_get(v->file) : NULL;
    upper->page = v->page + (at - v->start) / PAGE_SIZE;
    upper->flags = v->flags;
    upper->prot = v->prot;
    upper->max_prot = v->max_prot;
    upper->policy = v->policy;
    vma_resize(mm, v, v->start, at);
    vma_link(mm, upper);
    return upper;
}

int vma_isolate(struct mm *mm, uint64_t start, uint64_t end)
{
    const uint64_t at[2] = {start, end};
    for (int i = 0; i < 2; i++) {
        struct vma *v = vma_at(mm, at[i]);
        if (v && v->start < at[i] &&
            (mm->vma_count >= MM_MAP_COUNT_MAX || !vma_split(mm, v, at[i], false)))
            return -LINUX_ENOMEM;
    }
    return 0;
}

static bool continues(const struct vma *a, const struct vma *b)
{
    return a->end == b->start && a->file == b->file && a->flags == b->flags && a->prot == b->prot &&
           a->max_prot == b->max_prot && a->policy == b->policy && !(a->flags & VMA_GROWSDOWN) &&
           (!a->file || a->page + (a->end - a->start) / PAGE_SIZE == b->page);
}

static struct vma *join(struct mm *mm, struct vma *a, struct vma *b)
{
    uint64_t end = b->end;
    vma_unlink(mm, b);
    vma_free(b);
    vma_resize(mm, a, a->start, end);
    return a;
}

struct vma *vma_merge(struct mm *mm, struct vma *v)
{
    struct vma *prev = vma_prev(v), *next = vma_next(v);
    if (next && continues(v, next))
        join(mm, v, next);
    return prev && continues(prev, v) ? join(mm, prev, v) : v;
}
