// mremap(2).
#include "kernel/mm_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"

struct move {
    uint64_t addr, old_len, new_len, new_addr;
    unsigned flags;
    uint64_t lock_limit;
};

// What resizing needs, beside a place. *v is the mapping at m->addr.
static int check_resize(const struct mm *mm, const struct move *m, const struct vma *v)
{
    if (!m->old_len && !(v->flags & VMA_MAP_SHARED))
        return -LINUX_EINVAL;
    if (m->old_len > v->end - m->addr)
        return -LINUX_EFAULT;
    if (m->new_len <= m->old_len)
        return 0;
    uint64_t more = m->new_len - m->old_len;
    if (v->flags & VMA_DONTEXPAND)
        return -LINUX_EFAULT;
    if (v->file && (v->page + (m->addr - v->start + m->new_len) / PAGE_SIZE) >> 52)
        return -LINUX_EINVAL;
    if ((v->flags & VMA_LOCKED) && mm->locked_bytes + more > m->lock_limit)
        return -LINUX_EAGAIN;
    if (!mm_may_expand(mm, more, vma_is_data(v->prot, v->flags)))
        return -LINUX_ENOMEM;
    return 0;
}

// Moves [addr, addr + old_len) to new_addr, whose range is free.
static int64_t move_to(struct mm *mm, struct mm_change *c, const struct move *m, uint64_t new_addr)
{
    if (mm->vma_count + 3 > MM_MAP_COUNT_MAX)
        return -LINUX_ENOMEM;
    if (m->old_len) {
        int err = vma_isolate(mm, m->addr, m->addr + m->old_len);
        if (err)
            return err;
    }
    struct vma *v = vma_at(mm, m->addr);
    struct vma *fresh = vma_alloc(mm);
    if (!fresh)
        return -LINUX_ENOMEM;
    fresh->start = new_addr;
    fresh->end = new_addr + m->new_len;
    fresh->file = v->file ? file_get(v->file) : NULL;
    fresh->page = v->file ? v->page + (m->addr - v->start) / PAGE_SIZE : 0;
    fresh->prot = v->prot;
    fresh->max_prot = v->max_prot;
    fresh->flags = v->flags;
    fresh->policy = v->policy;
    int err = 0;
    if (v->prot & LINUX_PROT_EXEC)
        err = mem_own_code(mm->mem, &c->batch);
    uint64_t moved = m->old_len < m->new_len ? m->old_len : m->new_len;
    if (!err && moved)
        err = mem_move(mm->mem, &c->batch, m->addr, new_addr, moved);
    if (err) {
        vma_free(fresh);
        return err;
    }
    vma_link(mm, fresh);
    vma_merge(mm, fresh);
    if (m->old_len && !(m->flags & LINUX_MREMAP_DONTUNMAP)) {
        err = mm_unmap_locked(mm, c, m->addr, m->addr + m->old_len);
        // The pages are gone already; without memory the empty mapping stays.
        (void)err;
    }
    return (int64_t)new_addr;
}

static int64_t remap_fixed(struct mm *mm, struct mm_change *c, struct move *m)
{
    uint64_t new_addr = m->new_addr;
    if ((new_addr & PAGE_MASK) || m->new_len > MEM_VA_END || new_addr > MEM_VA_END - m->new_len)
        return -LINUX_EINVAL;
    if (m->addr + m->old_len > new_addr && new_addr + m->new_len > m->addr)
        return -LINUX_EINVAL;
    int err = 0;
    if (m->flags & LINUX_MREMAP_FIXED) {
        if (new_addr < MM_MIN_ADDR)
            return -LINUX_EPERM;
        err = mm_unmap_locked(mm, c, new_addr, new_addr + m->new_len);
    }
    if (!err && m->old_len > m->new_len) {
        err = mm_unmap_locked(mm, c, m->addr + m->new_len, m->addr + m->old_len);
        m->old_len = m->new_len;
    }
    struct vma *v = vma_at(mm, m->addr);
    if (!err && !v)
        err = -LINUX_EFAULT;
    if (!err)
        err = check_resize(mm, m, v);
    if (!err && (m->flags & LINUX_MREMAP_DONTUNMAP) &&
        !mm_may_expand(mm, m->new_len, vma_is_data(v->prot, v->flags)))
        err = -LINUX_ENOMEM;
    if (err)
        return err;
    if (!(m->flags & LINUX_MREMAP_FIXED)) {
        if (!new_addr || !vma_range_free(mm, new_addr, new_addr + m->new_len))
            new_addr = vma_find_hole(mm, m->new_len);
        if (!new_addr)
            return -LINUX_ENOMEM;
    }
    return move_to(mm, c, m, new_addr);
}

static int64_t remap(struct mm *mm, struct mm_change *c, struct move *m)
{
    struct vma *v = vma_at(mm, m->addr);
    if (!v)
        return -LINUX_EFAULT;
    if (m->flags & (LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP))
        return remap_fixed(mm, c, m);
    if (m->old_len >= m->new_len) {
        if (m->old_len == m->new_len)
            return (int64_t)m->addr;
        if (m->addr + m->old_len < m->addr || m->addr + m->old_len > MEM_VA_END)
            return -LINUX_EINVAL;
        int err = mm_unmap_locked(mm, c, m->addr + m->new_len, m->addr + m->old_len);
        return err ? err : (int64_t)m->addr;
    }
    int err = check_resize(mm, m, v);
    if (err)
        return err;
    uint64_t end = m->addr + m->new_len;
    if (m->old_len && m->old_len == v->end - m->addr && end > m->addr && end <= MEM_VA_END &&
        vma_range_free(mm, v->end, end)) {
        vma_resize(mm, v, v->start, end);
        vma_merge(mm, v);
        return (int64_t)m->addr;
    }
    if (!(m->flags & LINUX_MREMAP_MAYMOVE))
        return -LINUX_ENOMEM;
    uint64_t new_addr = vma_find_hole(mm, m->new_len);
    return new_addr ? move_to(mm, c, m, new_addr) : -LINUX_ENOMEM;
}

int64_t sys_mremap(struct task *task, uaddr_t addr, uint64_t old_len, uint64_t new_len,
                   uint64_t flags, uaddr_t new_addr)
{
    const uint64_t known = LINUX_MREMAP_MAYMOVE | LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP;
    if (flags & ~known)
        return -LINUX_EINVAL;
    if ((flags & (LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP)) && !(flags & LINUX_MREMAP_MAYMOVE))
        return -LINUX_EINVAL;
    if ((flags & LINUX_MREMAP_DONTUNMAP) && old_len != new_len)
        return -LINUX_EINVAL;
    struct move m = {cpu_untag(addr), page_round_up(old_len), page_round_up(new_len), new_addr,
                     (unsigned)flags};
    if ((m.addr & PAGE_MASK) || !m.new_len || m.addr >= MEM_VA_END)
        return m.addr >= MEM_VA_END && !(m.addr & PAGE_MASK) && m.new_len ? -LINUX_EFAULT
                                                                          : -LINUX_EINVAL;
    struct mm *mm = task->mm;
    struct mm_change c;
    mm_change_begin(mm, &c);
    m.lock_limit = mm_lock_limit(task);
    int64_t result = remap(mm, &c, &m);
    struct vma *v = result >= 0 ? vma_at(mm, (uint64_t)result) : NULL;
    bool locked = v && (v->flags & VMA_LOCKED);
    mm_change_end(mm, &c);
    if (locked && new_len > old_len)
        (void)!mm_populate(mm, (uint64_t)result + m.old_len, (uint64_t)result + m.new_len, false);
    return result;
}
