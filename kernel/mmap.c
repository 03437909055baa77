// Changing mappings: map, unmap, protect. The system calls over it are in kernel/mmap_calls.c.
#include "kernel/kernel.h"
#include "kernel/mm_internal.h"
#include "kernel/shared_memory.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"

void mm_change_begin(struct mm *mm, struct mm_change *c)
{
    mem_batch_init(&c->batch);
    list_init(&c->dead);
    lock_acquire(&mm->lock);
}

void mm_change_end(struct mm *mm, struct mm_change *c)
{
    lock_release(&mm->lock);
    mem_batch_finish(&c->batch);
    struct vma *v, *tmp;
    list_for_each_safe (v, tmp, &c->dead, by_inode)
        vma_free(v);
}

bool mm_may_expand(const struct mm *mm, uint64_t more, bool data)
{
    return more <= mm->limit_as && mm->bytes <= mm->limit_as - more &&
           (!data || (more <= mm->limit_data && mm->data_bytes <= mm->limit_data - more));
}

// --- Unmap ---------------------------------------------------------------------------------------

int mm_unmap_locked(struct mm *mm, struct mm_change *c, uint64_t start, uint64_t end)
{
    struct vma *v = vma_find(mm, start);
    if (!v || v->start >= end)
        return 0;
    bool splits_one = v->start < start && v->end > end;
    if (splits_one && mm->vma_count >= MM_MAP_COUNT_MAX)
        return -LINUX_ENOMEM;
    // Only the two ends can need a VMA. The reserve is there unless memory has been out for long.
    int err = vma_fill_reserve(mm);
    if (err && !(mm->reserve[0] || mm->reserve[1]))
        return err;
    err = mem_clear(mm->mem, &c->batch, start, end - start, false);
    if (err)
        return err;
    if (v->start < start) {
        v = vma_split(mm, v, start, true);
        if (!v)
            return -LINUX_ENOMEM;
    }
    while (v && v->start < end) {
        if (v->end > end && !vma_split(mm, v, end, true))
            return -LINUX_ENOMEM;
        struct vma *next = vma_next(v);
        vma_unlink(mm, v);
        list_add_tail(&c->dead, &v->by_inode);
        v = next;
    }
    return 0;
}

int mm_unmap(struct mm *mm, uint64_t addr, uint64_t len)
{
    if ((addr & PAGE_MASK) || addr > MEM_VA_END || len > MEM_VA_END - addr || !len)
        return -LINUX_EINVAL;
    struct mm_change c;
    mm_change_begin(mm, &c);
    int err = mm_unmap_locked(mm, &c, addr, addr + page_round_up(len));
    mm_change_end(mm, &c);
    return err;
}

// --- Map -----------------------------------------------------------------------------------------

// A mapping about to be made.
struct request {
    uint64_t addr, len, page;
    uint8_t prot, max_prot;
    uint16_t vma_flags;
    unsigned flags; // LINUX_MAP_*
    struct file *file;
};

// What MAP_SHARED_VALIDATE does not let pass, beside bits without any meaning.
#define FLAGS_REFUSED                                                                              \
    (LINUX_MAP_SYNC | LINUX_MAP_FIXED_NOREPLACE | 0x200000u | 0x400000u | 0x800000u | 0x1000000u)

// What the file allows, and what the mapping becomes by it.
static int check_file(struct request *r)
{
    struct file *file = r->file;
    uint32_t mode = atomic_load_explicit(&file->flags, memory_order_relaxed);
    bool readable = (mode & LINUX_O_ACCMODE) != LINUX_O_WRONLY;
    bool writable = (mode & LINUX_O_ACCMODE) != LINUX_O_RDONLY;
    uint32_t seals =
        file->inode ? atomic_load_explicit(&file->inode->seals, memory_order_acquire) : 0;
    unsigned type = r->flags & LINUX_MAP_TYPE;
    if (type == LINUX_MAP_SHARED_VALIDATE && (r->flags & FLAGS_REFUSED))
        return -LINUX_EOPNOTSUPP;
    if (type == LINUX_MAP_SHARED || type == LINUX_MAP_SHARED_VALIDATE) {
        if ((r->prot & LINUX_PROT_WRITE) && !writable)
            return -LINUX_EACCES;
        if ((r->prot & LINUX_PROT_WRITE) &&
            (seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE)))
            return -LINUX_EPERM;
        r->vma_flags |= VMA_MAP_SHARED;
        if (seals & INODE_SECRET)
            r->vma_flags |= VMA_LOCKED | VMA_DONTDUMP | VMA_SECRET;
        if (writable && !(seals & LINUX_F_SEAL_WRITE))
            r->vma_flags |= VMA_SHARED;
        if (!writable || (seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE)))
            r->max_prot &= (uint8_t)~LINUX_PROT_WRITE;
    } else if (type != LINUX_MAP_PRIVATE || seals & INODE_SECRET) {
        return -LINUX_EINVAL;
    }
    if (!readable)
        return -LINUX_EACCES;
    if (file->path.mnt && (vfs_mount_flags(&file->path) & MOUNT_NOEXEC)) {
        if (r->prot & LINUX_PROT_EXEC)
            return -LINUX_EPERM;
        r->max_prot &= (uint8_t)~LINUX_PROT_EXEC;
    }
    if (!file->ops->get_page && !(file->inode && file->inode->ops->get_page))
        return -LINUX_ENODEV;
    return r->flags & LINUX_MAP_GROWSDOWN ? -LINUX_EINVAL : 0;
}

static int check_anonymous(struct request *r)
{
    r->page = 0;
    switch (r->flags & LINUX_MAP_TYPE) {
    case LINUX_MAP_SHARED:
        if (r->flags & LINUX_MAP_GROWSDOWN)
            return -LINUX_EINVAL;
        r->vma_flags |= VMA_SHARED | VMA_MAP_SHARED;
        return 0;
    case LINUX_MAP_PRIVATE:
        if (r->flags & LINUX_MAP_GROWSDOWN)
            r->vma_flags |= VMA_GROWSDOWN;
        return 0;
    default:
        return -LINUX_EINVAL;
    }
}

static int choose_address(struct mm *mm, struct request *r)
{
    if (r->flags & (LINUX_MAP_FIXED | LINUX_MAP_FIXED_NOREPLACE)) {
        if (r->addr > MEM_VA_END - r->len)
            return -LINUX_ENOMEM;
        if (r->addr & PAGE_MASK)
            return -LINUX_EINVAL;
        if (r->addr < MM_MIN_ADDR)
            return -LINUX_EPERM;
        if ((r->flags & LINUX_MAP_FIXED_NOREPLACE) &&
            !vma_range_free(mm, r->addr, r->addr + r->len))
            return -LINUX_EEXIST;
        return 0;
    }
    uint64_t hint = page_round_up(r->addr);
    if (r->addr && hint < MM_MIN_ADDR)
        hint = MM_MIN_ADDR;
    if (hint && hint <= MEM_VA_END - r->len) {
        struct vma *next = vma_find(mm, hint);
        uint64_t guard = next && (next->flags & VMA_GROWSDOWN) ? MM_STACK_GUARD * PAGE_SIZE : 0;
        if (!next || hint + r->len + guard <= next->start) {
            r->addr = hint;
            return 0;
        }
    }
    r->addr = vma_find_hole(mm, r->len);
    return r->addr ? 0 : -LINUX_ENOMEM;
}

// Heuristic overcommit: refuses only what cannot possibly be there.
static bool overcommits(const struct mm *mm, const struct request *r)
{
    return vma_is_data(r->prot, r->vma_flags) && !(r->flags & LINUX_MAP_NORESERVE) &&
           r->len > frame_pool_limit(mm->kernel->frames);
}

static int check_limits(struct mm *mm, const struct request *r)
{
    if (mm->vma_count >= MM_MAP_COUNT_MAX)
        return -LINUX_ENOMEM;
    if ((r->vma_flags & VMA_LOCKED) && !(r->flags & MM_MAP_LOCK_FREELY) &&
        mm->locked_bytes + r->len > mm->limit_memlock)
        return r->flags & LINUX_MAP_LOCKED && !mm->limit_memlock ? -LINUX_EPERM : -LINUX_EAGAIN;
    if (!mm_may_expand(mm, r->len, vma_is_data(r->prot, r->vma_flags)) || overcommits(mm, r))
        return -LINUX_ENOMEM;
    return 0;
}

static int place(struct mm *mm, struct mm_change *c, struct request *r)
{
    int err = choose_address(mm, r);
    if (!err)
        err = check_limits(mm, r);
    if (err)
        return err;
    struct vma *v = vma_alloc(mm);
    if (!v)
        return -LINUX_ENOMEM;
    err = mm_unmap_locked(mm, c, r->addr, r->addr + r->len);
    // Code from a file may differ from what a forked relative has at the same place.
    if (!err && (r->prot & LINUX_PROT_EXEC))
        err = mem_own_code(mm->mem, &c->batch);
    if (err) {
        vma_free(v);
        return err;
    }
    v->start = r->addr;
    v->end = r->addr + r->len;
    v->file = r->file ? file_get(r->file) : NULL;
    v->page = r->page;
    v->prot = r->prot;
    v->max_prot = r->max_prot;
    v->flags = r->vma_flags;
    vma_link(mm, v);
    vma_merge(mm, v);
    return 0;
}

static int prepare(struct mm *mm, struct request *r, uint64_t offset)
{
    if (!r->len)
        return -LINUX_EINVAL;
    r->len = page_round_up(r->len);
    if (!r->len || r->len > MEM_VA_END)
        return -LINUX_ENOMEM;
    r->page = offset / PAGE_SIZE;
    // Offsets are at most 2^63 - 1, ends included.
    if (r->page + r->len / PAGE_SIZE > INT64_MAX / PAGE_SIZE)
        return -LINUX_EOVERFLOW;
    if (r->flags & LINUX_MAP_NORESERVE)
        r->vma_flags |= VMA_NORESERVE;
    if (r->flags & LINUX_MAP_LOCKED)
        r->vma_flags |= VMA_LOCKED;
    int err = r->file ? check_file(r) : check_anonymous(r);
    if (err || r->file || !(r->vma_flags & VMA_SHARED))
        return err;
    return shared_memory_create(mm->kernel, r->len, &r->file);
}

int64_t mm_map(struct mm *mm, uint64_t addr, uint64_t len, unsigned prot, unsigned flags,
               struct file *file, uint64_t offset)
{
    struct request r = {
        .addr = addr,
        .len = len,
        .prot = prot & (LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC),
        .max_prot = LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC,
        .flags = flags,
        .file = file,
    };
    int err = prepare(mm, &r, offset);
    if (err)
        return err;
    // Held until the mapping counts itself.
    struct inode *changed = r.vma_flags & VMA_SHARED ? r.file->inode : NULL;
    err = changed ? inode_map_writable(changed) : 0;
    if (err)
        return err;
    struct mm_change c;
    mm_change_begin(mm, &c);
    r.vma_flags |= mm->lock_future;
    err = place(mm, &c, &r);
    mm_change_end(mm, &c);
    if (changed)
        inode_unmap_writable(changed);
    if (r.file && r.file != file)
        file_put(r.file);
    if (err)
        return err;
    // Failing to populate fails nothing: the touch will tell.
    if ((r.vma_flags & VMA_LOCKED) ||
        ((flags & LINUX_MAP_POPULATE) && !(flags & LINUX_MAP_NONBLOCK)))
        (void)!mm_populate(mm, r.addr, r.addr + r.len, r.prot & LINUX_PROT_WRITE);
    return (int64_t)r.addr;
}

// --- Protect -------------------------------------------------------------------------------------

static int protect_vma(struct mm *mm, struct mm_change *c, struct vma *v, uint8_t prot)
{
    bool was_data = vma_is_data(v->prot, v->flags), is_data = vma_is_data(prot, v->flags);
    if (is_data && !was_data && !mm_may_expand(mm, v->end - v->start, true))
        return -LINUX_ENOMEM;
    if (is_data && !was_data && !(v->flags & VMA_NORESERVE) &&
        v->end - v->start > frame_pool_limit(mm->kernel->frames))
        return -LINUX_ENOMEM;
    int err = 0;
    if (prot & ~v->prot & LINUX_PROT_EXEC)
        err = mem_own_code(mm->mem, &c->batch);
    if (!err)
        err = mem_protect(mm->mem, &c->batch, v->start, v->end - v->start, vma_rights(prot));
    if (!err)
        vma_set_flags(mm, v, prot, v->flags);
    return err;
}

// As Linux: what comes before a hole or a refusal is changed.
static int protect_range(struct mm *mm, struct mm_change *c, uint64_t start, uint64_t end,
                         uint8_t prot)
{
    struct vma *v = vma_at(mm, start);
    while (start < end) {
        if (!v)
            return -LINUX_ENOMEM;
        if (prot & ~v->max_prot)
            return -LINUX_EACCES;
        uint64_t stop = v->end < end ? v->end : end;
        if (prot != v->prot) {
            if (mm->vma_count + 2 > MM_MAP_COUNT_MAX && (v->start < start || v->end > stop))
                return -LINUX_ENOMEM;
            int err = vma_isolate(mm, start, stop);
            if (err)
                return err;
            v = vma_at(mm, start);
            err = protect_vma(mm, c, v, prot);
            if (err)
                return err;
            v = vma_merge(mm, v);
        }
        start = stop;
        v = vma_at(mm, start);
    }
    // The last piece may continue in what follows.
    return 0;
}

int mm_protect_grows(struct mm *mm, uint64_t addr, uint64_t len, unsigned prot, bool grows_down)
{
    uint64_t end = addr + page_round_up(len);
    struct mm_change c;
    mm_change_begin(mm, &c);
    int err = 0;
    struct vma *v = vma_find(mm, addr);
    if (!v) {
        err = -LINUX_ENOMEM;
    } else if (grows_down) {
        if (v->start >= end)
            err = -LINUX_ENOMEM;
        else if (!(v->flags & VMA_GROWSDOWN))
            err = -LINUX_EINVAL;
        else
            addr = v->start;
    }
    if (!err)
        err = protect_range(mm, &c, addr, end, (uint8_t)(prot & 7));
    mm_change_end(mm, &c);
    return err;
}

int mm_protect(struct mm *mm, uint64_t addr, uint64_t len, unsigned prot)
{
    return mm_protect_grows(mm, addr, len, prot, false);
}
