// The memory-mapping system calls but mremap. Errors and their order as in Linux's mm/.
#include "fs/vfs.h"
#include "kernel/fd.h"
#include "kernel/kernel.h"
#include "kernel/mm_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <string.h>

int64_t sys_mmap(struct task *task, uaddr_t addr, uint64_t len, uint64_t prot, uint64_t flags,
                 int64_t fd, uint64_t offset)
{
    if (offset & PAGE_MASK)
        return -LINUX_EINVAL;
    unsigned how = (unsigned)flags & ~MM_MAP_LOCK_FREELY;
    if ((flags & LINUX_MAP_TYPE) == LINUX_MAP_SHARED_VALIDATE && (flags & MM_MAP_LOCK_FREELY))
        return -LINUX_EOPNOTSUPP;
    struct file *file = NULL;
    if (!(flags & LINUX_MAP_ANONYMOUS)) {
        file = fd_get_io(task, (int)fd);
        if (!file)
            return -LINUX_EBADF;
    } else if (flags & LINUX_MAP_HUGETLB) {
        return -LINUX_EINVAL; // as Linux without huge page pools
    }
    if (task_capable(task, LINUX_CAP_IPC_LOCK))
        how |= MM_MAP_LOCK_FREELY;
    int64_t result = mm_map(task->mm, addr, len, (unsigned)prot, how, file, offset);
    if (file)
        file_put(file);
    return result;
}

int64_t sys_munmap(struct task *task, uaddr_t addr, uint64_t len)
{
    return mm_unmap(task->mm, cpu_untag(addr), len);
}

// The checks mprotect(2) makes before it looks at mappings.
int64_t sys_mprotect(struct task *task, uaddr_t addr, uint64_t len, uint64_t prot)
{
    const uint64_t grows = LINUX_PROT_GROWSDOWN | LINUX_PROT_GROWSUP;
    const uint64_t known =
        LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC | 8u /* PROT_SEM: no effect */;
    uint64_t start = cpu_untag(addr);
    if ((prot & grows) == grows || (start & PAGE_MASK))
        return -LINUX_EINVAL;
    if (!len)
        return 0;
    uint64_t end = start + page_round_up(len);
    if (end <= start || end > MEM_VA_END)
        return -LINUX_ENOMEM;
    if (prot & ~(known | grows))
        return -LINUX_EINVAL;
    if (prot & LINUX_PROT_GROWSUP) // no mapping grows up on ARM64
        return mm_is_mapped(task->mm, start, 1) ? -LINUX_EINVAL : -LINUX_ENOMEM;
    return mm_protect_grows(task->mm, start, len, (unsigned)prot, prot & LINUX_PROT_GROWSDOWN);
}

// RLIMIT_MEMLOCK, for those it binds; under mm->lock.
uint64_t mm_lock_limit(const struct task *task)
{
    return task_capable(task, LINUX_CAP_IPC_LOCK) ? UINT64_MAX : task->mm->limit_memlock;
}

// --- brk -----------------------------------------------------------------------------------------

static bool grow_heap(struct mm *mm, uint64_t old_end, uint64_t end, uint64_t lock_limit)
{
    uint64_t more = end - old_end;
    struct vma *next = vma_find(mm, old_end);
    // As in Linux a page stays free above the heap too.
    uint64_t guard = (next && (next->flags & VMA_GROWSDOWN) ? MM_STACK_GUARD + 1 : 1) * PAGE_SIZE;
    if (end > MEM_VA_END || (next && next->start < end + guard) || !mm_may_expand(mm, more, true) ||
        mm->vma_count >= MM_MAP_COUNT_MAX || more > frame_pool_limit(mm->kernel->frames) ||
        ((mm->lock_future & VMA_LOCKED) && mm->locked_bytes + more > lock_limit))
        return false;
    struct vma *v = vma_alloc(mm);
    if (!v)
        return false;
    v->start = old_end;
    v->end = end;
    v->prot = LINUX_PROT_READ | LINUX_PROT_WRITE;
    v->max_prot = v->prot | LINUX_PROT_EXEC;
    v->flags = mm->lock_future;
    vma_link(mm, v);
    vma_merge(mm, v);
    return true;
}

int64_t sys_brk(struct task *task, uaddr_t addr)
{
    struct mm *mm = task->mm;
    struct mm_change c;
    mm_change_begin(mm, &c);
    struct mm_layout *l = &mm->layout;
    uint64_t old_end = page_round_up(l->brk), end = page_round_up(addr), old = l->brk;
    bool ok = addr >= l->start_brk && end >= addr;
    uint64_t data = l->end_data - l->start_data;
    if (ok && addr - l->start_brk + data > mm->limit_data)
        ok = false;
    if (ok && end < old_end)
        ok = mm_unmap_locked(mm, &c, end, old_end) == 0;
    else if (ok && end > old_end)
        ok = grow_heap(mm, old_end, end, mm_lock_limit(task));
    if (ok)
        l->brk = addr;
    int64_t result = (int64_t)l->brk;
    bool populate = ok && addr > old && (mm->lock_future & VMA_LOCKED);
    mm_change_end(mm, &c);
    if (populate)
        (void)!mm_populate(mm, old_end, end, true);
    return result;
}

// --- madvise -------------------------------------------------------------------------------------

// Sets and clears flags of the part [start, end) of a VMA; the result is the VMA of that part.
static int change_flags(struct mm *mm, struct vma *v, uint64_t start, uint64_t end, unsigned set,
                        unsigned clear)
{
    uint16_t flags = (uint16_t)((v->flags | set) & ~clear);
    if (flags == v->flags)
        return 0;
    int err = vma_isolate(mm, start, end);
    if (err)
        return err;
    v = vma_at(mm, start);
    vma_set_flags(mm, v, v->prot, flags);
    vma_merge(mm, v);
    return 0;
}

static int discard(struct mm *mm, struct mm_change *c, const struct vma *v, uint64_t start,
                   uint64_t end)
{
    return mem_clear(mm->mem, &c->batch, start, end - start, false);
}

// One VMA's part of a request. -LINUX_EINVAL ends the call.
static int advise(struct mm *mm, struct mm_change *c, struct vma *v, uint64_t start, uint64_t end,
                  int32_t advice)
{
    bool private_anon = !v->file;
    switch (advice) {
    case LINUX_MADV_DONTNEED:
        return v->flags & VMA_LOCKED ? -LINUX_EINVAL : discard(mm, c, v, start, end);
    case LINUX_MADV_DONTNEED_LOCKED:
        return discard(mm, c, v, start, end);
    case LINUX_MADV_FREE:
        return !private_anon || (v->flags & VMA_LOCKED) ? -LINUX_EINVAL
                                                        : discard(mm, c, v, start, end);
    case LINUX_MADV_DONTFORK:
        return change_flags(mm, v, start, end, VMA_DONTFORK, 0);
    case LINUX_MADV_DOFORK:
        return change_flags(mm, v, start, end, 0, VMA_DONTFORK);
    case LINUX_MADV_WIPEONFORK:
        return !private_anon ? -LINUX_EINVAL : change_flags(mm, v, start, end, VMA_WIPEONFORK, 0);
    case LINUX_MADV_KEEPONFORK:
        return change_flags(mm, v, start, end, 0, VMA_WIPEONFORK);
    case LINUX_MADV_DONTDUMP:
        return change_flags(mm, v, start, end, VMA_DONTDUMP, 0);
    case LINUX_MADV_DODUMP:
        return change_flags(mm, v, start, end, 0, VMA_DONTDUMP);
    case LINUX_MADV_COLD:
    case LINUX_MADV_PAGEOUT:
        return v->flags & VMA_LOCKED ? -LINUX_EINVAL : 0;
    default:
        return 0; // hints about access patterns and large pages change nothing here
    }
}

static bool advice_known(int32_t advice)
{
    switch (advice) {
    case LINUX_MADV_NORMAL:
    case LINUX_MADV_RANDOM:
    case LINUX_MADV_SEQUENTIAL:
    case LINUX_MADV_WILLNEED:
    case LINUX_MADV_DONTNEED:
    case LINUX_MADV_FREE:
    case LINUX_MADV_REMOVE:
    case LINUX_MADV_DONTFORK:
    case LINUX_MADV_DOFORK:
    case LINUX_MADV_MERGEABLE:
    case LINUX_MADV_UNMERGEABLE:
    case LINUX_MADV_HUGEPAGE:
    case LINUX_MADV_NOHUGEPAGE:
    case LINUX_MADV_DONTDUMP:
    case LINUX_MADV_DODUMP:
    case LINUX_MADV_WIPEONFORK:
    case LINUX_MADV_KEEPONFORK:
    case LINUX_MADV_COLD:
    case LINUX_MADV_PAGEOUT:
    case LINUX_MADV_POPULATE_READ:
    case LINUX_MADV_POPULATE_WRITE:
    case LINUX_MADV_DONTNEED_LOCKED:
        return true;
    default:
        return false;
    }
}

// Punches the holes that MADV_REMOVE means into the files of the mappings of [start, end).
static int remove_pages(struct mm *mm, uint64_t start, uint64_t end)
{
    int holes = 0;
    while (start < end) {
        lock_acquire(&mm->lock);
        struct vma *v = vma_find(mm, start);
        if (!v || v->start > start)
            holes = -LINUX_ENOMEM;
        if (!v || v->start >= end) {
            lock_release(&mm->lock);
            break;
        }
        start = v->start > start ? v->start : start;
        int err = (v->flags & VMA_LOCKED) || !v->file                             ? -LINUX_EINVAL
                  : !(v->flags & VMA_SHARED) || !(v->max_prot & LINUX_PROT_WRITE) ? -LINUX_EACCES
                                                                                  : 0;
        struct file *file = err ? NULL : file_get(v->file);
        uint64_t stop = v->end < end ? v->end : end;
        uint64_t offset = (v->page * PAGE_SIZE) + (start - v->start);
        lock_release(&mm->lock);
        if (err)
            return err;
        err =
            file_fallocate(file->cred, file, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE,
                           offset, stop - start);
        file_put(file);
        if (err)
            return err;
        start = stop;
    }
    return holes;
}

// Populating through madvise says more than mm_populate about what went wrong.
static int populate(struct mm *mm, uint64_t start, uint64_t end, bool write)
{
    int err = mm_populate(mm, start, end, write);
    if (err != -LINUX_EFAULT)
        return err;
    lock_acquire(&mm->lock);
    bool refused = false;
    for (struct vma *v = vma_find(mm, start); v && v->start < end; v = vma_next(v))
        refused |= !(vma_rights(v->prot) & (write ? LINUX_PROT_WRITE : LINUX_PROT_READ));
    lock_release(&mm->lock);
    return refused ? -LINUX_EINVAL : -LINUX_EFAULT;
}

int64_t sys_madvise(struct task *task, uaddr_t addr, uint64_t len, int32_t advice)
{
    struct mm *mm = task->mm;
    uint64_t start = cpu_untag(addr), size = page_round_up(len);
    if (!advice_known(advice) || (start & PAGE_MASK) || (len && !size))
        return -LINUX_EINVAL;
    uint64_t end = start + size;
    if (end < start)
        return -LINUX_EINVAL;
    if (end == start)
        return 0;
    if (end > MEM_VA_END)
        return -LINUX_ENOMEM;
    if (advice == LINUX_MADV_REMOVE)
        return remove_pages(mm, start, end);
    if (advice == LINUX_MADV_POPULATE_READ || advice == LINUX_MADV_POPULATE_WRITE)
        return populate(mm, start, end, advice == LINUX_MADV_POPULATE_WRITE);
    struct mm_change c;
    mm_change_begin(mm, &c);
    int err = 0, holes = 0;
    struct vma *v;
    for (; !err && start < end; start = v->end < end ? v->end : end) {
        v = vma_find(mm, start);
        if (!v || v->start >= end) {
            holes = -LINUX_ENOMEM;
            break;
        }
        if (v->start > start) {
            holes = -LINUX_ENOMEM;
            start = v->start;
        }
        err = advise(mm, &c, v, start, v->end < end ? v->end : end, advice);
        v = vma_at(mm, start); // it may have been split or joined
    }
    mm_change_end(mm, &c);
    // As in Linux no room for another mapping may pass.
    return err == -LINUX_ENOMEM ? -LINUX_EAGAIN : err ? err : holes;
}

// --- msync, mincore ------------------------------------------------------------------------------

// The next mapping of [*at, end): moves *at behind it. Its file, referenced, if it is to be
// written.
static int msync_next(struct mm *mm, uint64_t *at, uint64_t end, uint32_t flags, bool *hole,
                      struct file **file)
{
    int err = 0;
    lock_acquire(&mm->lock);
    struct vma *v = vma_find(mm, *at);
    if (!v || v->start >= end) {
        *hole = true;
        *at = end;
    } else {
        *hole |= v->start > *at;
        *at = v->end < end ? v->end : end;
        if ((flags & LINUX_MS_INVALIDATE) && (v->flags & VMA_LOCKED))
            err = -LINUX_EBUSY;
        else if ((flags & LINUX_MS_SYNC) && v->file && (v->flags & VMA_SHARED))
            *file = file_get(v->file);
    }
    lock_release(&mm->lock);
    return err;
}

int64_t sys_msync(struct task *task, uaddr_t addr, uint64_t len, uint32_t flags)
{
    uint64_t start = cpu_untag(addr);
    if (flags & ~(uint32_t)(LINUX_MS_ASYNC | LINUX_MS_INVALIDATE | LINUX_MS_SYNC))
        return -LINUX_EINVAL;
    if ((start & PAGE_MASK) || ((flags & LINUX_MS_ASYNC) && (flags & LINUX_MS_SYNC)))
        return -LINUX_EINVAL;
    uint64_t end = start + page_round_up(len);
    if (end < start)
        return -LINUX_ENOMEM;
    bool hole = false;
    int err = 0;
    while (!err && start < end) {
        struct file *file = NULL;
        err = msync_next(task->mm, &start, end, flags, &hole, &file);
        if (file) {
            err = file_fsync(file, true);
            file_put(file);
            if (err == -LINUX_EINVAL)
                err = 0; // memory has nothing to write to
        }
    }
    return err ? err : hole ? -LINUX_ENOMEM : 0;
}

int64_t sys_mincore(struct task *task, uaddr_t addr, uint64_t len, uaddr_t vec)
{
    struct mm *mm = task->mm;
    uint64_t start = cpu_untag(addr);
    if (start & PAGE_MASK)
        return -LINUX_EINVAL;
    if (start > MEM_VA_END || len > MEM_VA_END - start)
        return -LINUX_ENOMEM;
    uint64_t pages = page_round_up(len) / PAGE_SIZE;
    if (!user_is_range(vec, pages))
        return -LINUX_EFAULT;
    for (uint64_t done = 0; done < pages;) {
        uint8_t present[512];
        uint64_t n = pages - done < sizeof present ? pages - done : sizeof present;
        bool hole = false;
        lock_acquire(&mm->lock);
        for (uint64_t i = 0; i < n && !hole; i++) {
            uint64_t at = start + (done + i) * PAGE_SIZE;
            struct vma *v = vma_at(mm, at);
            hole = !v;
            // Pages of files are the host's to keep: present as far as anyone can tell.
            present[i] = v && (v->file || mem_lookup(mm->mem, at).frame);
        }
        lock_release(&mm->lock);
        if (hole)
            return -LINUX_ENOMEM;
        if (user_write(task, vec + done, present, n))
            return -LINUX_EFAULT;
        done += n;
    }
    return 0;
}

// --- mlock ---------------------------------------------------------------------------------------

// May it lock anything at all?
static int may_lock(const struct task *task)
{
    return mm_lock_limit(task) ? 0 : -LINUX_EPERM;
}

// Bytes of a range that are locked already; under mm->lock.
static uint64_t locked_within(const struct mm *mm, uint64_t start, uint64_t end)
{
    uint64_t sum = 0;
    for (struct vma *v = vma_find(mm, start); v && v->start < end; v = vma_next(v))
        if (v->flags & VMA_LOCKED)
            sum += (v->end < end ? v->end : end) - (v->start > start ? v->start : start);
    return sum;
}

// Marks a range as locked or not; holes give -LINUX_ENOMEM after what comes before them.
static int mark_range(struct mm *mm, uint64_t start, uint64_t end, bool lock)
{
    int err = 0;
    while (!err && start < end) {
        struct vma *v = vma_at(mm, start);
        if (!v)
            return -LINUX_ENOMEM;
        uint64_t stop = v->end < end ? v->end : end;
        err = change_flags(mm, v, start, stop, lock ? VMA_LOCKED : 0, lock ? 0 : VMA_LOCKED);
        start = stop;
    }
    return err;
}

static int lock_range(struct task *task, uaddr_t addr, uint64_t len, bool on_fault)
{
    struct mm *mm = task->mm;
    uint64_t at = cpu_untag(addr), start = at & ~PAGE_MASK;
    uint64_t end = start + page_round_up(len + (at & PAGE_MASK));
    lock_acquire(&mm->lock);
    uint64_t limit = mm_lock_limit(task);
    int err = may_lock(task);
    if (!err && mm->locked_bytes + (end - start) - locked_within(mm, start, end) > limit)
        err = -LINUX_ENOMEM;
    if (!err && (end < start || end > MEM_VA_END))
        err = end < start ? -LINUX_EINVAL : -LINUX_ENOMEM;
    if (!err)
        err = mark_range(mm, start, end, true);
    lock_release(&mm->lock);
    if (!err && !on_fault)
        err = mm_populate(mm, start, end, false);
    return err == -LINUX_EFAULT ? -LINUX_ENOMEM : err;
}

int64_t sys_mlock(struct task *task, uaddr_t addr, uint64_t len)
{
    return lock_range(task, addr, len, false);
}

int64_t sys_mlock2(struct task *task, uaddr_t addr, uint64_t len, int32_t flags)
{
    if (flags & ~LINUX_MLOCK_ONFAULT)
        return -LINUX_EINVAL;
    return lock_range(task, addr, len, flags & LINUX_MLOCK_ONFAULT);
}

int64_t sys_munlock(struct task *task, uaddr_t addr, uint64_t len)
{
    struct mm *mm = task->mm;
    uint64_t at = cpu_untag(addr), start = at & ~PAGE_MASK;
    uint64_t end = start + page_round_up(len + (at & PAGE_MASK));
    if (end < start)
        return -LINUX_EINVAL;
    lock_acquire(&mm->lock);
    int err = mark_range(mm, start, end, false);
    lock_release(&mm->lock);
    return err;
}

static void mark_all(struct mm *mm, bool lock)
{
    // Joining could lose the place in the tree; neighbours are joined when they next change.
    for (struct vma *v = vma_first(mm); v; v = vma_next(v))
        vma_set_flags(mm, v, v->prot,
                      (uint16_t)(lock ? v->flags | VMA_LOCKED : v->flags & ~VMA_LOCKED));
}

// Faults in what mlockall(MCL_CURRENT) locked; as in Linux what cannot be had is no error.
static void populate_all(struct mm *mm)
{
    uint64_t at = 0;
    for (;;) {
        lock_acquire(&mm->lock);
        struct vma *v = vma_find(mm, at);
        uint64_t start = v ? v->start : 0, end = v ? v->end : 0;
        bool readable = v && vma_rights(v->prot);
        lock_release(&mm->lock);
        if (!v)
            return;
        if (readable)
            (void)!mm_populate(mm, start, end, false);
        at = end;
    }
}

int64_t sys_mlockall(struct task *task, int32_t flags)
{
    struct mm *mm = task->mm;
    if (!flags || (flags & ~(LINUX_MCL_CURRENT | LINUX_MCL_FUTURE | LINUX_MCL_ONFAULT)) ||
        flags == LINUX_MCL_ONFAULT)
        return -LINUX_EINVAL;
    lock_acquire(&mm->lock);
    int err = may_lock(task);
    if (!err && (flags & LINUX_MCL_CURRENT) && mm->bytes > mm_lock_limit(task))
        err = -LINUX_ENOMEM;
    if (!err) {
        mm->lock_future = flags & LINUX_MCL_FUTURE ? VMA_LOCKED : 0;
        if (flags & LINUX_MCL_CURRENT)
            mark_all(mm, true);
    }
    lock_release(&mm->lock);
    if (!err && (flags & LINUX_MCL_CURRENT) && !(flags & LINUX_MCL_ONFAULT))
        populate_all(mm);
    return err;
}

int64_t sys_munlockall(struct task *task)
{
    struct mm *mm = task->mm;
    lock_acquire(&mm->lock);
    mm->lock_future = 0;
    mark_all(mm, false);
    lock_release(&mm->lock);
    return 0;
}
