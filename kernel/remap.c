// remap_file_pages(2), as Linux does it since 4.0: one more mapping for each call.
#include "kernel/mm_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mman.h"

// The file behind [start, end), all of which must be shared mappings of it with the same rights;
// referenced. NULL when it is not so.
static struct file *shared_file(struct mm *mm, uint64_t start, uint64_t end, unsigned *prot,
                                bool *locked)
{
    lock_acquire(&mm->lock);
    const struct vma *first = vma_at(mm, start), *v = first;
    bool good = first && first->flags & VMA_SHARED;
    while (good && v->end < end) {
        const struct vma *next = vma_next(v);
        good = next && next->start == v->end && next->file == first->file &&
               next->flags == first->flags;
        v = next;
    }
    struct file *file = good ? file_get(first->file) : NULL;
    if (good) {
        *prot = first->prot;
        *locked = first->flags & VMA_LOCKED;
    }
    lock_release(&mm->lock);
    return file;
}

bool mm_is_secret(struct mm *mm, uint64_t addr)
{
    lock_acquire(&mm->lock);
    const struct vma *v = vma_at(mm, addr);
    bool secret = v && v->flags & VMA_SECRET;
    lock_release(&mm->lock);
    return secret;
}

bool mm_is_mapped(struct mm *mm, uint64_t addr, uint64_t len)
{
    uint64_t end;
    if (__builtin_add_overflow(addr, len, &end))
        return false;
    lock_acquire(&mm->lock);
    const struct vma *v = vma_at(mm, addr);
    while (v && v->end < end) {
        const struct vma *next = vma_next(v);
        v = next && next->start == v->end ? next : NULL;
    }
    lock_release(&mm->lock);
    return v != NULL;
}

int64_t sys_remap_file_pages(struct task *task, uaddr_t addr, uint64_t size, uint64_t prot,
                             uint64_t pgoff, uint64_t flags)
{
    (void)flags; // MAP_NONBLOCK is about reading ahead
    uint64_t start = cpu_untag(addr) & ~(uint64_t)PAGE_MASK, end;
    size &= ~(uint64_t)PAGE_MASK;
    if (prot || __builtin_add_overflow(start, size, &end) || end <= start ||
        pgoff + size / (PAGE_MASK + 1) < pgoff)
        return -LINUX_EINVAL;
    unsigned rights;
    bool locked;
    struct file *file = shared_file(task->mm, start, end, &rights, &locked);
    if (!file)
        return -LINUX_EINVAL;
    unsigned how = LINUX_MAP_SHARED | LINUX_MAP_FIXED | MM_MAP_LOCK_FREELY; // it is locked already
    if (locked)
        how |= LINUX_MAP_LOCKED;
    int64_t at = -LINUX_EOVERFLOW;
    if (pgoff <= INT64_MAX / (PAGE_MASK + 1))
        at = mm_map(task->mm, start, size, rights, how, file, pgoff * (PAGE_MASK + 1));
    file_put(file);
    return at < 0 ? at : 0;
}
