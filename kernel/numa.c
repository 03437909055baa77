#include "kernel/numa.h"
#include "kernel/mm_internal.h"
#include "kernel/pid_ns.h"
#include "kernel/sleep.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/trace_access.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"

enum {
    MPOL_DEFAULT,
    MPOL_PREFERRED,
    MPOL_BIND,
    MPOL_INTERLEAVE,
    MPOL_LOCAL,
    MPOL_PREFERRED_MANY,
    MPOL_COUNT,

    MPOL_F_STATIC_NODES = 1 << 15,
    MPOL_F_RELATIVE_NODES = 1 << 14,
    MPOL_F_NUMA_BALANCING = 1 << 13,
    MPOL_MODE_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING,

    MPOL_F_NODE = 1,
    MPOL_F_ADDR = 2,
    MPOL_F_MEMS_ALLOWED = 4,

    MPOL_MF_STRICT = 1,
    MPOL_MF_MOVE = 2,
    MPOL_MF_MOVE_ALL = 4,

    WORD_BITS = 64,
};

// --- A policy in a word: mode and its flags below, the caller's nodes above ----------------------

enum { POLICY_NODES_SHIFT = 16 };

static uint32_t policy_mode(numa_policy p)
{
    return p & 0xffff & ~(uint32_t)MPOL_MODE_FLAGS;
}

static uint16_t policy_nodes(numa_policy p)
{
    return (uint16_t)(p >> POLICY_NODES_SHIFT);
}

static int split_mode(int32_t asked, uint32_t *mode, uint32_t *flags)
{
    const uint32_t both = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;
    *flags = (uint32_t)asked & MPOL_MODE_FLAGS;
    *mode = (uint32_t)asked & ~(uint32_t)MPOL_MODE_FLAGS;
    if (*mode >= MPOL_COUNT || (*flags & both) == both ||
        (*flags & MPOL_F_NUMA_BALANCING && *mode != MPOL_BIND))
        return -LINUX_EINVAL;
    return 0;
}

static int make_policy(uint32_t mode, uint32_t flags, uint16_t nodes, numa_policy *out)
{
    const uint32_t kept = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;
    *out = 0;
    if (mode == MPOL_DEFAULT)
        return nodes ? -LINUX_EINVAL : 0;
    bool local = mode == MPOL_LOCAL || (mode == MPOL_PREFERRED && !nodes);
    if (local) {
        if (nodes || flags & kept)
            return -LINUX_EINVAL;
        *out = MPOL_LOCAL | flags;
        return 0;
    }
    // Relative nodes are counted around those there are; of others only the first is there.
    bool found = flags & MPOL_F_RELATIVE_NODES ? nodes : nodes & 1;
    if (!found)
        return -LINUX_EINVAL;
    *out = mode | flags | (flags & kept ? (uint32_t)nodes : 1u) << POLICY_NODES_SHIFT;
    return 0;
}

// --- Sets of nodes of the guest ------------------------------------------------------------------

// Nodes beyond those there can be must not be in the set.
static int read_nodes(struct task *task, uaddr_t addr, uint64_t maxnode, uint16_t *out)
{
    uint64_t bits = maxnode - 1;
    *out = 0;
    if (bits == 0 || !addr)
        return 0;
    if (bits > (uint64_t)PAGE_SIZE * 8)
        return -LINUX_EINVAL;
    for (uint64_t at = 0; at < bits; at += WORD_BITS) {
        uint64_t word, here = bits - at < WORD_BITS ? bits - at : WORD_BITS;
        if (user_get(task, addr + at / 8, &word))
            return -LINUX_EFAULT;
        if (here < WORD_BITS)
            word &= (UINT64_C(1) << here) - 1;
        if (at == 0) {
            *out = (uint16_t)word;
            word >>= NUMA_NODES_MAX;
        }
        if (word)
            return -LINUX_EINVAL;
    }
    return 0;
}

static int write_nodes(struct task *task, uaddr_t addr, uint64_t maxnode, uint64_t nodes)
{
    uint64_t bytes = (maxnode - 1 + WORD_BITS - 1) / WORD_BITS * 8;
    if (bytes > PAGE_SIZE)
        return -LINUX_EINVAL;
    if (bytes > sizeof nodes && user_zero(task, addr + sizeof nodes, bytes - sizeof nodes))
        return -LINUX_EFAULT;
    return bytes && user_put(task, addr, &nodes) ? -LINUX_EFAULT : 0;
}

// --- Policies of a task and of mappings ----------------------------------------------------------

int64_t sys_set_mempolicy(struct task *task, int32_t mode, uaddr_t nodemask, uint64_t maxnode)
{
    uint32_t kind, flags;
    uint16_t nodes;
    numa_policy policy;
    int err = split_mode(mode, &kind, &flags);
    if (!err)
        err = read_nodes(task, nodemask, maxnode, &nodes);
    if (!err)
        err = make_policy(kind, flags, nodes, &policy);
    if (!err)
        task->memory_policy = policy;
    return err;
}

static int policy_at(struct task *task, uint64_t addr, numa_policy *out)
{
    struct mm *mm = task->mm;
    lock_acquire(&mm->lock);
    const struct vma *v = vma_at(mm, addr);
    if (v)
        *out = v->policy;
    lock_release(&mm->lock);
    return v ? 0 : -LINUX_EFAULT;
}

int64_t sys_get_mempolicy(struct task *task, uaddr_t policy_addr, uaddr_t nodemask,
                          uint64_t maxnode, uaddr_t addr, uint64_t flags)
{
    const uint64_t node = MPOL_F_NODE, at_addr = MPOL_F_ADDR, allowed = MPOL_F_MEMS_ALLOWED;
    if ((nodemask && maxnode < 1) || flags & ~(node | at_addr | allowed))
        return -LINUX_EINVAL;
    numa_policy policy = task->memory_policy;
    int32_t told = 0;
    uint64_t nodes = 1;
    uint64_t place = cpu_untag(addr);
    if (flags & allowed) {
        if (flags & (node | at_addr))
            return -LINUX_EINVAL;
    } else {
        int err = 0;
        if (flags & at_addr)
            err = policy_at(task, place, &policy);
        else if (addr)
            err = -LINUX_EINVAL;
        if (!err && flags & node) { // where the page is; or where the next would be
            if (flags & at_addr)
                err = user_fault_in(task, place, false);
            else if (policy_mode(policy) != MPOL_INTERLEAVE)
                err = -LINUX_EINVAL;
        } else {
            told = (int32_t)(policy & 0xffff);
        }
        if (err)
            return err;
        nodes = policy_nodes(policy);
    }
    if (policy_addr && user_put(task, policy_addr, &told))
        return -LINUX_EFAULT;
    return nodemask ? write_nodes(task, nodemask, maxnode, nodes) : 0;
}

// Calls `change` for every mapping of a range whose ends are made boundaries.
static int each_vma(struct mm *mm, uint64_t start, uint64_t end,
                    int (*change)(struct vma *v, numa_policy policy), numa_policy policy)
    REQUIRES(mm->lock)
{
    int err = vma_isolate(mm, start, end);
    for (struct vma *v = vma_find(mm, start); !err && v && v->start < end; v = vma_next(v)) {
        err = change(v, policy);
        v = vma_merge(mm, v);
    }
    return err;
}

static int set_policy(struct vma *v, numa_policy policy)
{
    v->policy = policy;
    return 0;
}

// -LINUX_EFAULT for a hole where none may be, or where there is nothing else.
static int check_range(struct mm *mm, uint64_t start, uint64_t end, bool holes_ok)
    REQUIRES(mm->lock)
{
    const struct vma *v = vma_find(mm, start);
    if (!v || v->start >= end)
        return -LINUX_EFAULT;
    for (uint64_t at = start; at < end && !holes_ok; at = v->end, v = vma_next(v))
        if (!v || v->start > at)
            return -LINUX_EFAULT;
    return 0;
}

int64_t sys_mbind(struct task *task, uaddr_t addr, uint64_t len, uint64_t mode, uaddr_t nodemask,
                  uint64_t maxnode, uint32_t flags)
{
    uint32_t kind, mode_flags;
    uint16_t nodes;
    numa_policy policy;
    uint64_t start = cpu_untag(addr), end;
    struct mm *mm = task->mm;
    int err = split_mode((int32_t)mode, &kind, &mode_flags);
    if (!err)
        err = read_nodes(task, nodemask, maxnode, &nodes);
    if (err)
        return err;
    if (flags & ~(uint32_t)(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
        return -LINUX_EINVAL;
    if (flags & MPOL_MF_MOVE_ALL && !task_capable(task, LINUX_CAP_SYS_NICE))
        return -LINUX_EPERM;
    if (start & PAGE_MASK || __builtin_add_overflow(start, page_round_up(len), &end))
        return -LINUX_EINVAL;
    if (end == start)
        return 0;
    err = make_policy(kind, mode_flags, nodes, &policy);
    if (err)
        return err;
    lock_acquire(&mm->lock);
    err = check_range(mm, start, end, kind == MPOL_DEFAULT);
    if (!err)
        err = each_vma(mm, start, end, set_policy, policy);
    lock_release(&mm->lock);
    return err;
}

static bool has_home(numa_policy policy)
{
    return policy_mode(policy) == MPOL_BIND || policy_mode(policy) == MPOL_PREFERRED_MANY;
}

// There is one node to be at home on, and nothing tells it again: what counts is who may have it.
int64_t sys_set_mempolicy_home_node(struct task *task, uint64_t addr, uint64_t len,
                                    uint64_t home_node, uint64_t flags)
{
    uint64_t start = cpu_untag(addr), end;
    struct mm *mm = task->mm;
    if (start & PAGE_MASK || flags || home_node ||
        __builtin_add_overflow(start, page_round_up(len), &end))
        return -LINUX_EINVAL;
    if (end == start)
        return 0;
    int err = -LINUX_ENOENT;
    lock_acquire(&mm->lock);
    for (const struct vma *v = vma_find(mm, start); v && v->start < end; v = vma_next(v)) {
        if (!v->policy)
            continue;
        err = has_home(v->policy) ? 0 : -LINUX_EOPNOTSUPP;
        if (err)
            break;
    }
    lock_release(&mm->lock);
    return err;
}

// --- Pages ---------------------------------------------------------------------------------------

static int other_mm(struct task *task, int32_t pid, struct mm **out)
{
    if (pid == 0) {
        *out = mm_get(task->mm);
        return 0;
    }
    struct task *target = task_find(task->kernel, pid_arg(task, pid));
    if (!target)
        return -LINUX_ESRCH;
    int err = target->process == task->process || task_may_trace(task, target) ? 0 : -LINUX_EPERM;
    *out = err ? NULL : task_mm_get(target);
    task_put(target);
    return err ? err : *out ? 0 : -LINUX_EINVAL;
}

int64_t sys_migrate_pages(struct task *task, int32_t pid, uint64_t maxnode, uaddr_t from,
                          uaddr_t to)
{
    uint16_t from_nodes, to_nodes;
    int err = read_nodes(task, from, maxnode, &from_nodes);
    if (!err)
        err = read_nodes(task, to, maxnode, &to_nodes);
    struct mm *mm = NULL;
    if (!err)
        err = other_mm(task, pid, &mm);
    if (!err && to_nodes & ~1u && !task_capable(task, LINUX_CAP_SYS_NICE))
        err = -LINUX_EPERM;
    else if (!err && !(to_nodes & 1))
        err = -LINUX_EINVAL;
    if (mm)
        mm_put(mm);
    return err; // all that could be moved is where it is to go
}

// Where a page is: node 0, -LINUX_EFAULT outside of mappings, -LINUX_ENOENT where none is yet.
static int32_t page_status(struct mm *mm, uint64_t addr)
{
    uint64_t page = cpu_untag(addr) & ~(uint64_t)PAGE_MASK;
    if (page >= MEM_VA_END || !mm_is_mapped(mm, page, PAGE_SIZE))
        return -LINUX_EFAULT;
    return mm_next_present(mm, page, page + PAGE_SIZE) == page ? 0 : -LINUX_ENOENT;
}

static int move_one(struct task *task, struct mm *mm, uint64_t i, uaddr_t pages, uaddr_t nodes,
                    uaddr_t status)
{
    uint64_t addr;
    int32_t node;
    if (user_get(task, pages + i * sizeof addr, &addr))
        return -LINUX_EFAULT;
    if (nodes) {
        if (user_get(task, nodes + i * sizeof node, &node))
            return -LINUX_EFAULT;
        if (node)
            return -LINUX_ENODEV;
    }
    int32_t result = page_status(mm, addr);
    return user_put(task, status + i * sizeof result, &result);
}

int64_t sys_move_pages(struct task *task, int32_t pid, uint64_t count, uaddr_t pages, uaddr_t nodes,
                       uaddr_t status, int32_t flags)
{
    if (flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
        return -LINUX_EINVAL;
    if (flags & MPOL_MF_MOVE_ALL && !task_capable(task, LINUX_CAP_SYS_NICE))
        return -LINUX_EPERM;
    struct mm *mm;
    int err = other_mm(task, pid, &mm);
    if (err)
        return err;
    for (uint64_t i = 0; i < count && !err; i++)
        err = task_dying(task) ? -LINUX_EINTR : move_one(task, mm, i, pages, nodes, status);
    mm_put(mm);
    return err;
}
