// Page faults: making pages present and breaking copy-on-write. See rule 7 in emu/mem.h: nothing is
// installed or copied before earlier removals are settled, and a page that other CPUs may still
// read is first taken from all of them and then replaced.
#include "kernel/kernel.h"
#include "kernel/mm_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include <string.h>

enum {
    FAULT_AROUND = 16, // pages of a file mapped together, aligned
    RETRY = -1,        // beside enum mm_fault_result: look again
};

struct fault {
    struct mm *mm;
    uint64_t addr; // of the page
    enum mem_access access;
    bool force;
    struct mem_batch batch;
};

// --- Finding the mapping -------------------------------------------------------------------------

// Grows the stack mapping above `addr` down to it, if there is one and it may.
static struct vma *grow_stack(struct mm *mm, uint64_t addr)
{
    struct vma *v = vma_find(mm, addr);
    if (!v || !(v->flags & VMA_GROWSDOWN))
        return NULL;
    uint64_t more = v->start - addr, size = v->end - addr;
    struct vma *below = vma_prev(v);
    uint64_t guard =
        below && !(below->flags & VMA_GROWSDOWN) && below->prot ? MM_STACK_GUARD * PAGE_SIZE : 0;
    if (addr < MM_MIN_ADDR || (below && addr - below->end < guard) || size > mm->limit_stack ||
        !mm_may_expand(mm, more, true))
        return NULL;
    vma_resize(mm, v, addr, v->end);
    return v;
}

static bool allowed(const struct fault *f, const struct vma *v)
{
    if (f->force) {
        // FOLL_FORCE: a private page may always be read, and written as a copy.
        return f->access != MEM_WRITE || !(v->flags & VMA_MAP_SHARED) ||
               (v->prot & LINUX_PROT_WRITE);
    }
    return vma_rights(v->prot) & f->access;
}

// --- Pages ---------------------------------------------------------------------------------------

static int result_of(int err)
{
    return err == 0 ? MM_FAULT_OK : err == -LINUX_ENOMEM ? MM_FAULT_OOM : MM_FAULT_BUS_ADRERR;
}

static int install(struct fault *f, const struct vma *v, uint64_t addr, struct frame *frame)
{
    struct mem_entry e = {
        .frame = frame,
        .rights = vma_rights(v->prot),
        .shared = (v->flags & VMA_SHARED) != 0,
    };
    int err = mem_set(f->mm->mem, &f->batch, addr, e);
    if (err)
        frame_put(frame);
    return err;
}

static int install_zero(struct fault *f, const struct vma *v)
{
    struct frame *frame;
    int err = frame_alloc(f->mm->kernel->frames, &frame);
    return result_of(err ? err : install(f, v, f->addr, frame));
}

// Puts a private copy of `from` (referenced or mapped here) in its place.
static int install_copy(struct fault *f, const struct vma *v, const struct frame *from)
{
    struct frame *frame;
    int err = frame_alloc_uninit(f->mm->kernel->frames, &frame);
    if (err)
        return err;
    memcpy(frame->host, from->host, FRAME_SIZE);
    return install(f, v, f->addr, frame);
}

// A private page that is not this mapping's own must become so.
static int break_cow(struct fault *f, const struct vma *v, struct mem_entry e)
{
    struct mem *mem = f->mm->mem;
    if (e.rights) {
        int err = mem_protect(mem, &f->batch, f->addr, PAGE_SIZE, 0);
        if (err)
            return result_of(err);
        if (!mem_try_settle(mem))
            return RETRY; // whoever comes next, after the wait, finds it without rights
        e = mem_lookup(mem, f->addr);
    }
    return result_of(install_copy(f, v, e.frame));
}

static int fault_present(struct fault *f, const struct vma *v, struct mem_entry e)
{
    uint8_t rights = vma_rights(v->prot);
    bool private = !(v->flags & VMA_SHARED);
    // A page without rights in a mapping that has some is one whose copy was begun.
    bool begun = !e.rights && rights;
    if (private && !e.sole && (f->access == MEM_WRITE || begun)) {
        int result = break_cow(f, v, e);
        if (result != MM_FAULT_OOM || f->access == MEM_WRITE)
            return result;
        // A reader can do with the old page.
    }
    if (e.rights != rights)
        return result_of(mem_protect(f->mm->mem, &f->batch, f->addr, PAGE_SIZE, rights));
    return MM_FAULT_OK;
}

// --- Files ---------------------------------------------------------------------------------------

// Pages of a file, read ahead of the lock.
struct pages {
    struct file *file;
    uint64_t index; // of the first
    uint64_t addr;  // where it goes
    unsigned count;
    uint32_t epoch;
    struct frame *frame[FAULT_AROUND];
};

static uint32_t file_epoch(const struct file *file)
{
    return atomic_load_explicit(&file->inode->page_epoch, memory_order_seq_cst);
}

// Which pages to ask for: a write to a private mapping wants one, others their neighbours too.
static void choose_pages(const struct fault *f, const struct vma *v, struct pages *p)
{
    uint64_t start = f->addr, end = f->addr + PAGE_SIZE;
    if (f->access != MEM_WRITE || (v->flags & VMA_SHARED)) {
        uint64_t around = FAULT_AROUND * PAGE_SIZE;
        start = f->addr & ~(around - 1);
        end = start + around;
        start = start > v->start ? start : v->start;
        end = end < v->end ? end : v->end;
    }
    p->file = file_get(v->file);
    p->addr = start;
    p->index = v->page + (start - v->start) / PAGE_SIZE;
    p->count = (unsigned)((end - start) / PAGE_SIZE);
    p->epoch = file_epoch(v->file);
}

// Fills p->frame; only the page that was asked for must be there. No lock is held.
static int get_pages(const struct fault *f, struct pages *p)
{
    unsigned want = (unsigned)((f->addr - p->addr) / PAGE_SIZE);
    return file_get_pages(p->file, p->index, p->count, want, p->frame);
}

static void put_pages(struct pages *p)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->frame[i])
            frame_put(p->frame[i]);
    file_put(p->file);
}

// True when the mapping still shows what was read.
static bool still_valid(const struct fault *f, const struct vma *v, const struct pages *p)
{
    return v && v->file == p->file && v->start <= p->addr &&
           v->end >= p->addr + p->count * PAGE_SIZE &&
           v->page + (p->addr - v->start) / PAGE_SIZE == p->index && allowed(f, v) &&
           file_epoch(p->file) == p->epoch && mem_is_settled(f->mm->mem);
}

static int install_pages(struct fault *f, const struct vma *v, struct pages *p)
{
    bool copy = f->access == MEM_WRITE && !(v->flags & VMA_SHARED);
    for (unsigned i = 0; i < p->count; i++) {
        uint64_t addr = p->addr + i * PAGE_SIZE;
        if (!p->frame[i] || mem_lookup(f->mm->mem, addr).frame)
            continue;
        int err;
        if (copy) {
            err = install_copy(f, v, p->frame[i]);
        } else {
            err = install(f, v, addr, p->frame[i]);
            p->frame[i] = NULL;
        }
        if (err && addr == f->addr)
            return err;
    }
    return 0;
}

// Called with the lock held, returns with it free.
static int fault_file(struct fault *f, const struct vma *v) NO_TSA
{
    struct mm *mm = f->mm;
    struct pages p;
    choose_pages(f, v, &p);
    lock_release(&mm->lock);
    int err = get_pages(f, &p);
    int result = result_of(err);
    if (!err) {
        lock_acquire(&mm->lock);
        v = vma_at(mm, f->addr);
        result = still_valid(f, v, &p) ? result_of(install_pages(f, v, &p)) : RETRY;
        lock_release(&mm->lock);
    } else if (file_epoch(p.file) != p.epoch) {
        result = RETRY; // the end of file moved meanwhile
    }
    put_pages(&p);
    return result;
}

// --- The fault -----------------------------------------------------------------------------------

static int try_fault(struct fault *f) NO_TSA
{
    struct mm *mm = f->mm;
    int result;
    lock_acquire(&mm->lock);
    struct vma *v = vma_at(mm, f->addr);
    if (!v)
        v = grow_stack(mm, f->addr);
    if (!v) {
        result = MM_FAULT_SEGV_MAPERR;
    } else if (!allowed(f, v)) {
        result = MM_FAULT_SEGV_ACCERR;
    } else if (!mem_try_settle(mm->mem)) {
        lock_release(&mm->lock);
        mem_settle(mm->mem);
        return RETRY;
    } else {
        struct mem_entry e = mem_lookup(mm->mem, f->addr);
        if (e.frame)
            result = fault_present(f, v, e);
        else if (v->file)
            return fault_file(f, v);
        else
            result = install_zero(f, v);
    }
    lock_release(&mm->lock);
    return result;
}

enum mm_fault_result mm_fault_force(struct mm *mm, uint64_t addr, enum mem_access access,
                                    bool force)
{
    struct fault f = {
        .mm = mm, .addr = cpu_untag(addr) & ~PAGE_MASK, .access = access, .force = force};
    if (f.addr >= MEM_VA_END)
        return MM_FAULT_SEGV_MAPERR;
    int result;
    do {
        mem_batch_init(&f.batch);
        result = try_fault(&f);
        mem_batch_finish(&f.batch);
    } while (result == RETRY);
    return (enum mm_fault_result)result;
}

enum mm_fault_result mm_fault(struct mm *mm, uint64_t addr, enum mem_access access)
{
    return mm_fault_force(mm, addr, access, false);
}

int mm_populate(struct mm *mm, uint64_t start, uint64_t end, bool write)
{
    for (uint64_t addr = start; addr < end; addr += PAGE_SIZE) {
        switch (mm_fault(mm, addr, write ? MEM_WRITE : MEM_READ)) {
        case MM_FAULT_OK:
            break;
        case MM_FAULT_SEGV_MAPERR:
        case MM_FAULT_OOM:
            return -LINUX_ENOMEM;
        case MM_FAULT_SEGV_ACCERR:
        case MM_FAULT_BUS_ADRERR:
            return -LINUX_EFAULT;
        }
    }
    return 0;
}

// --- The kernel's own accesses -------------------------------------------------------------------

// Takes the lock and finds the page present with the right to do `access`. On an error the lock is
// free: -LINUX_EFAULT, there is no such page; -LINUX_ENOMEM.
static int lock_page(struct mm *mm, uint64_t addr, enum mem_access access, bool force,
                     struct mem_entry *e) NO_TSA
{
    if (addr >= MEM_VA_END)
        return -LINUX_EFAULT;
    for (;;) {
        lock_acquire(&mm->lock);
        *e = mem_lookup(mm->mem, addr & ~PAGE_MASK);
        if (e->frame && (access == MEM_WRITE ? e->writable || (force && e->sole)
                                             : force || (e->rights & MEM_READ)))
            return 0;
        lock_release(&mm->lock);
        enum mm_fault_result result = mm_fault_force(mm, addr, access, force);
        if (result != MM_FAULT_OK)
            return result == MM_FAULT_OOM ? -LINUX_ENOMEM : -LINUX_EFAULT;
    }
}

int mm_pin(struct mm *mm, uint64_t addr, enum mem_access access, bool force, struct frame **frame,
           void **host) NO_TSA
{
    struct mem_entry e;
    int err = lock_page(mm, addr, access, force, &e);
    if (err)
        return err;
    *frame = frame_get(e.frame);
    lock_release(&mm->lock);
    *host = (char *)(*frame)->host + (addr & PAGE_MASK);
    return 0;
}

int mm_copy(struct mm *mm, uint64_t addr, void *to, const void *from, size_t n, bool force) NO_TSA
{
    struct mem_entry e;
    int err = lock_page(mm, addr, to ? MEM_READ : MEM_WRITE, force, &e);
    if (err)
        return err;
    // Under the lock nobody copies or replaces the page.
    char *host = (char *)e.frame->host + (addr & PAGE_MASK);
    if (to)
        mem_copy(to, host, n);
    else
        mem_copy(host, from, n);
    struct frame *frame = frame_get(e.frame);
    lock_release(&mm->lock);
    if (!to && (e.rights & MEM_EXEC))
        mem_drop_code(mm->mem, frame);
    frame_put(frame);
    return 0;
}
