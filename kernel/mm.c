// The life of an address space, fork, and what /proc reads of it.
#include "kernel/mm.h"
#include "kernel/aio.h"
#include "kernel/kernel.h"
#include "kernel/mm_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include "platform/random.h"
#include <stdlib.h>
#include <string.h>

// Mappings are placed below where the stack may be (its top is anywhere in the last 16 GiB), with
// room for it to grow.
#define STACK_ROOM (17ull << 30)

static uint64_t random_pages(unsigned bits)
{
    uint64_t r;
    random_bytes(&r, sizeof r);
    return (r & ((1ull << bits) - 1)) * PAGE_SIZE;
}

int mm_create(struct kernel *kernel, struct mm **out)
{
    struct mm *mm = calloc(1, sizeof *mm);
    if (!mm)
        return -LINUX_ENOMEM;
    int err = mem_create(kernel->run_tokens, NULL, &mm->mem);
    if (err) {
        free(mm);
        return err;
    }
    atomic_store_explicit(&mm->refs, 1, memory_order_relaxed);
    atomic_store_explicit(&mm->holders, 1, memory_order_relaxed);
    mm->kernel = kernel;
    lock_init(&mm->lock, LOCK_RANK_MM);
    mm->limit_as = mm->limit_data = mm->limit_stack = mm->limit_memlock = UINT64_MAX;
    mm->mmap_top = MEM_VA_END - STACK_ROOM - random_pages(20);
    *out = mm;
    return 0;
}

struct mm *mm_get(struct mm *mm)
{
    atomic_fetch_add_explicit(&mm->refs, 1, memory_order_relaxed);
    return mm;
}

struct mm *mm_get_unless_gone(struct mm *mm)
{
    uint32_t refs = atomic_load_explicit(&mm->refs, memory_order_relaxed);
    while (refs) {
        if (atomic_compare_exchange_weak_explicit(&mm->refs, &refs, refs + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return mm;
    }
    return NULL;
}

bool mm_is_shared(const struct mm *mm)
{
    return atomic_load_explicit(&mm->refs, memory_order_acquire) != 1;
}

// Of a file that cannot be written already: that does not fail.
static struct file *keep_exe(struct file *exe)
{
    if (!exe)
        return NULL;
    int err = inode_deny_write(exe->inode);
    ISH_ASSERT(!err);
    return file_get(exe);
}

static void drop_exe(struct file *exe)
{
    if (!exe)
        return;
    inode_allow_write(exe->inode);
    file_put(exe);
}

void mm_put(struct mm *mm)
{
    if (atomic_fetch_sub_explicit(&mm->refs, 1, memory_order_acq_rel) != 1)
        return;
    // Nobody else can reach it; the lock is for the checks of those who look at the registry.
    struct vma *v;
    while ((v = vma_first(mm)) != NULL) {
        lock_acquire(&mm->lock);
        vma_unlink(mm, v);
        lock_release(&mm->lock);
        vma_free(v);
    }
    mem_put(mm->mem);
    for (unsigned i = 0; i < ARRAY_LEN(mm->reserve); i++)
        free(mm->reserve[i]);
    drop_exe(mm->exe);
    aio_destroy(atomic_load_explicit(&mm->aio, memory_order_relaxed));
    mm_drop(mm);
}

struct mm *mm_hold(struct mm *mm)
{
    atomic_fetch_add_explicit(&mm->holders, 1, memory_order_relaxed);
    return mm;
}

void mm_drop(struct mm *mm)
{
    if (!mm || atomic_fetch_sub_explicit(&mm->holders, 1, memory_order_acq_rel) != 1)
        return;
    lock_destroy(&mm->lock);
    free(mm);
}

struct mem *mm_mem(struct mm *mm)
{
    return mm->mem;
}

// --- Fork ----------------------------------------------------------------------------------------

static int copy_vma(struct mm *child, const struct vma *v)
{
    struct vma *copy = vma_alloc(child);
    if (!copy)
        return -LINUX_ENOMEM;
    copy->start = v->start;
    copy->end = v->end;
    copy->file = v->file ? file_get(v->file) : NULL;
    copy->page = v->page;
    copy->flags = v->flags & (uint16_t)~VMA_LOCKED; // locks are not inherited
    copy->policy = v->policy;
    copy->prot = v->prot;
    copy->max_prot = v->max_prot;
    vma_link(child, copy);
    return 0;
}

// Copies the VMAs; *skip gets the ranges whose pages the child does not inherit.
static int copy_vmas(struct mm *parent, struct mm *child, struct mem_range **skip, size_t *count)
{
    size_t room = 0;
    int err = 0;
    for (struct vma *v = vma_first(parent); v && !err; v = vma_next(v)) {
        if (v->flags & (VMA_DONTFORK | VMA_WIPEONFORK)) {
            if (*count == room) {
                room = room ? room * 2 : 8;
                struct mem_range *more = realloc(*skip, room * sizeof **skip);
                if (!more)
                    return -LINUX_ENOMEM;
                *skip = more;
            }
            (*skip)[(*count)++] = (struct mem_range){v->start, v->end};
        }
        if (!(v->flags & VMA_DONTFORK))
            err = copy_vma(child, v);
    }
    return err;
}

static int create_child(struct mm *parent, struct mm **out)
{
    struct mm *mm = calloc(1, sizeof *mm);
    if (!mm)
        return -LINUX_ENOMEM;
    int err = mem_create(parent->kernel->run_tokens, parent->mem, &mm->mem);
    if (err) {
        free(mm);
        return err;
    }
    atomic_store_explicit(&mm->refs, 1, memory_order_relaxed);
    atomic_store_explicit(&mm->holders, 1, memory_order_relaxed);
    mm->kernel = parent->kernel;
    lock_init(&mm->lock, LOCK_RANK_MM);
    mm->mmap_top = parent->mmap_top;
    mm->layout = parent->layout;
    mm->exe = keep_exe(parent->exe);
    mm->limit_as = parent->limit_as;
    mm->limit_data = parent->limit_data;
    mm->limit_stack = parent->limit_stack;
    mm->limit_memlock = parent->limit_memlock;
    *out = mm;
    return 0;
}

int mm_fork(struct mm *parent, struct mm **out)
{
    struct mm *child = NULL;
    struct mem_range *skip = NULL;
    size_t skip_count = 0;
    struct mem_batch batch;
    mem_batch_init(&batch);
    // The parent's lock is held from the copy of the VMAs to that of the entries, so that
    // truncation sees both or neither (kernel/file_maps.c); it may find the child as soon as that
    // has a VMA.
    lock_acquire(&parent->lock);
    int err = create_child(parent, &child);
    if (!err) {
        lock_acquire_nested(&child->lock);
        err = copy_vmas(parent, child, &skip, &skip_count);
        if (!err)
            err = mem_fork(parent->mem, child->mem, &batch, skip, skip_count);
        lock_release(&child->lock);
    }
    lock_release(&parent->lock);
    mem_batch_finish(&batch);
    free(skip);
    if (err) {
        if (child)
            mm_put(child);
        return err;
    }
    *out = child;
    return 0;
}

// --- What others read ----------------------------------------------------------------------------

void mm_layout_get(struct mm *mm, struct mm_layout *out)
{
    lock_acquire(&mm->lock);
    *out = mm->layout;
    lock_release(&mm->lock);
}

void mm_layout_set(struct mm *mm, const struct mm_layout *layout)
{
    lock_acquire(&mm->lock);
    mm->layout = *layout;
    lock_release(&mm->lock);
}

void mm_set_exe(struct mm *mm, struct file *exe)
{
    lock_acquire(&mm->lock);
    struct file *old = mm->exe;
    mm->exe = keep_exe(exe);
    lock_release(&mm->lock);
    drop_exe(old);
}

struct file *mm_get_exe(struct mm *mm)
{
    lock_acquire(&mm->lock);
    struct file *exe = mm->exe ? file_get(mm->exe) : NULL;
    lock_release(&mm->lock);
    return exe;
}

void mm_set_limits(struct mm *mm, const struct mm_limits *limits)
{
    lock_acquire(&mm->lock);
    mm->limit_as = limits->address_space;
    mm->limit_data = limits->data;
    mm->limit_stack = limits->stack;
    mm->limit_memlock = limits->locked;
    lock_release(&mm->lock);
}

static const char *vma_name(const struct mm *mm, const struct vma *v)
{
    if (v->file)
        return NULL;
    if (v->start == mm->layout.vdso)
        return "[vdso]";
    if (v->start <= mm->layout.brk && v->end > mm->layout.start_brk &&
        mm->layout.brk > mm->layout.start_brk)
        return "[heap]";
    if (v->start <= mm->layout.start_stack && v->end >= mm->layout.start_stack)
        return "[stack]";
    return NULL;
}

static void describe(struct mm *mm, const struct vma *v, bool count, struct mm_mapping *m)
{
    *m = (struct mm_mapping){
        .start = v->start,
        .end = v->end,
        .offset = v->file ? v->page * PAGE_SIZE : 0,
        .prot = v->prot,
        .shared = v->flags & VMA_MAP_SHARED,
        .dont_dump = v->flags & VMA_DONTDUMP,
        .file = v->file ? file_get(v->file) : NULL,
        .name = vma_name(mm, v),
        .locked = v->flags & VMA_LOCKED,
    };
    if (count)
        mem_count_sharing(mm->mem, v->start, v->end - v->start, &m->held);
}

uint64_t mm_next_present(struct mm *mm, uint64_t addr, uint64_t end)
{
    enum { STEP_SHIFT = 9 }; // each step up covers what one table of entries does
    while (addr < end) {
        // The widest aligned stretch without an entry is passed at once.
        uint64_t passed = 0;
        for (unsigned shift = MEM_PAGE_BITS; shift < MEM_VA_BITS; shift += STEP_SHIFT) {
            uint64_t size = 1ull << shift, pages, file_pages;
            if (addr & (size - 1))
                break;
            lock_acquire(&mm->lock);
            mem_count_range(mm->mem, addr, size < end - addr ? size : end - addr, &pages,
                            &file_pages);
            lock_release(&mm->lock);
            if (pages)
                break;
            passed = size;
        }
        if (!passed)
            return addr;
        addr = passed < end - addr ? addr + passed : end;
    }
    return end;
}

int mm_each_mapping(struct mm *mm, bool count, void (*each)(void *ctx, const struct mm_mapping *m),
                    void *ctx)
{
    lock_acquire(&mm->lock);
    size_t n = 0, room = mm->vma_count;
    struct mm_mapping *all = malloc((room ? room : 1) * sizeof *all);
    for (struct vma *v = vma_first(mm); all && v; v = vma_next(v))
        describe(mm, v, count, &all[n++]);
    lock_release(&mm->lock);
    if (!all)
        return -LINUX_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        each(ctx, &all[i]);
        if (all[i].file)
            file_put(all[i].file);
    }
    free(all);
    return 0;
}

void mm_usage_get(struct mm *mm, struct mm_usage *out)
{
    uint64_t pages, file_pages;
    *out = (struct mm_usage){0};
    lock_acquire(&mm->lock);
    mem_count(mm->mem, &pages, &file_pages);
    if (pages > mm->peak_pages)
        mm->peak_pages = pages;
    out->virtual_size = mm->bytes;
    out->peak_virtual = mm->peak_bytes;
    out->rss = pages * PAGE_SIZE;
    out->rss_file = file_pages * PAGE_SIZE;
    out->peak_rss = mm->peak_pages * PAGE_SIZE;
    out->data = mm->data_bytes;
    out->locked = mm->locked_bytes;
    for (struct vma *v = vma_first(mm); v; v = vma_next(v)) {
        if (v->flags & VMA_GROWSDOWN)
            out->stack += v->end - v->start;
        if ((v->prot & LINUX_PROT_EXEC) && !(v->prot & LINUX_PROT_WRITE))
            out->exec += v->end - v->start;
    }
    lock_release(&mm->lock);
}

int mm_futex_key(struct mm *mm, uint64_t addr, bool *shared, const void **object, uint64_t *page)
{
    int err = -LINUX_EFAULT;
    addr = cpu_untag(addr);
    lock_acquire(&mm->lock);
    struct vma *v = addr < MEM_VA_END ? vma_at(mm, addr) : NULL;
    if (v) {
        unsigned rights = vma_rights(v->prot);
        // A private page that may be written is the mm's own before anybody waits on it. One that
        // may not is the file's, or cannot be told from the copies other processes have.
        *shared = v->file && ((v->flags & VMA_MAP_SHARED) || !(rights & LINUX_PROT_WRITE));
        *object = *shared ? v->file->inode : NULL;
        *page = *shared ? v->page + (addr - v->start) / PAGE_SIZE : 0;
        if (rights & (*shared ? LINUX_PROT_READ : LINUX_PROT_WRITE))
            err = 0;
    }
    lock_release(&mm->lock);
    return err;
}
