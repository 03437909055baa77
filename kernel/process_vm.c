// process_vm_readv(2) and process_vm_writev(2): the memory of another process.
#include "kernel/mm.h"
#include "kernel/pid_ns.h"
#include "kernel/pidfd.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/trace_access.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mman.h"
#include <stdlib.h>

enum { IOV_MAX_COUNT = 1024, CHUNK = 4096 };

struct remote_vec {
    uint64_t base, len;
};

// The address space of a process the caller may trace. -LINUX_ESRCH, -LINUX_EPERM.
static int find_mm(struct task *task, int32_t pid, struct mm **out)
{
    struct task *target = pid > 0 ? task_find(task->kernel, pid_arg(task, pid)) : NULL;
    if (!target)
        return -LINUX_ESRCH;
    int err = task_may_trace(task, target) ? 0 : -LINUX_EPERM;
    *out = err ? NULL : task_mm_get(target);
    task_put(target);
    return err ? err : *out ? 0 : -LINUX_ESRCH;
}

// One piece that does not cross a page over there. Bytes moved; *err when that is not all of `n`.
static size_t move_piece(struct mm *mm, struct iter *local, uint64_t addr, size_t n, bool write,
                         int *err)
{
    char bytes[CHUNK];
    size_t got = 0;
    if (write) {
        got = local->ops->copy_in(local, bytes, n);
        if (got && user_remote_write(mm, addr, bytes, got, false) != (ssize_t)got)
            got = 0;
    } else if (user_remote_read(mm, addr, bytes, n, false) == (ssize_t)n) {
        got = local->ops->copy_out(local, bytes, n);
    }
    *err = got == n ? 0 : -LINUX_EFAULT;
    return got;
}

static int64_t move_all(struct mm *mm, struct iter *local, const struct remote_vec *vec,
                        size_t count, bool write)
{
    size_t done = 0;
    int err = 0;
    for (size_t i = 0; i < count && !err; i++) {
        uint64_t at = vec[i].base, left = vec[i].len;
        while (left && local->left && !err) {
            size_t n = CHUNK - (size_t)(at % CHUNK);
            n = n < left ? n : (size_t)left;
            n = n < local->left ? n : local->left;
            size_t moved = move_piece(mm, local, at, n, write, &err);
            done += moved;
            at += n;
            left -= n;
        }
    }
    return done ? (int64_t)done : err;
}

static int64_t transfer(struct task *task, int32_t pid, struct iter *local, uaddr_t rvec,
                        uint64_t count, bool write)
{
    if (!local->left)
        return 0;
    if (count > IOV_MAX_COUNT)
        return -LINUX_EINVAL;
    struct remote_vec *vec = calloc(count ? count : 1, sizeof *vec);
    if (!vec)
        return -LINUX_ENOMEM;
    struct mm *mm = NULL;
    bool any = false;
    int64_t result = user_read(task, rvec, vec, count * sizeof *vec);
    for (uint64_t i = 0; !result && i < count; i++) {
        any |= vec[i].len != 0;
        if ((int64_t)vec[i].len < 0)
            result = -LINUX_EINVAL;
    }
    if (!result && any)
        result = find_mm(task, pid, &mm);
    if (!result && any)
        result = move_all(mm, local, vec, count, write);
    if (mm)
        mm_put(mm);
    free(vec);
    return result;
}

static int64_t process_vm(struct task *task, int32_t pid, uaddr_t lvec, uint64_t lcount,
                          uaddr_t rvec, uint64_t rcount, uint64_t flags, bool write)
{
    if (flags)
        return -LINUX_EINVAL;
    struct iter local;
    int err = user_iter_vec(&local, task, lvec, lcount);
    if (err)
        return err;
    int64_t result = transfer(task, pid, &local, rvec, rcount, write);
    user_iter_done(&local);
    return result;
}

int64_t sys_process_vm_readv(struct task *task, int32_t pid, uaddr_t lvec, uint64_t liovcnt,
                             uaddr_t rvec, uint64_t riovcnt, uint64_t flags)
{
    return process_vm(task, pid, lvec, liovcnt, rvec, riovcnt, flags, false);
}

int64_t sys_process_vm_writev(struct task *task, int32_t pid, uaddr_t lvec, uint64_t liovcnt,
                              uaddr_t rvec, uint64_t riovcnt, uint64_t flags)
{
    return process_vm(task, pid, lvec, liovcnt, rvec, riovcnt, flags, true);
}

// --- Advice on another's memory ------------------------------------------------------------------

// Only hints may be given, and they are no more than that here: what is checked is that they are
// about memory that is there.
static int64_t advise_all(struct mm *mm, const struct remote_vec *vec, uint64_t count)
{
    enum { PAGE = 4096 };
    int64_t done = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t size = (vec[i].len + PAGE - 1) & ~(uint64_t)(PAGE - 1);
        int err = vec[i].base & (PAGE - 1) || size < vec[i].len ? -LINUX_EINVAL : 0;
        if (!err && size && !mm_is_mapped(mm, vec[i].base, size))
            err = -LINUX_ENOMEM;
        if (err)
            return done ? done : err;
        done += (int64_t)vec[i].len;
    }
    return done;
}

static int hinted_mm(struct task *task, int32_t pidfd, struct mm **out)
{
    struct task *target;
    int err = pidfd_leader(task, pidfd, &target);
    if (err)
        return err;
    *out = NULL;
    if (!task_may_trace(task, target) || !task_capable(task, LINUX_CAP_SYS_NICE))
        err = -LINUX_EPERM;
    else if (!(*out = task_mm_get(target)))
        err = -LINUX_ESRCH;
    task_put(target);
    return err;
}

int64_t sys_process_madvise(struct task *task, int32_t pidfd, uaddr_t iov, uint64_t iovcnt,
                            int32_t advice, uint32_t flags)
{
    if (flags)
        return -LINUX_EINVAL;
    if (iovcnt > IOV_MAX_COUNT)
        return -LINUX_EINVAL;
    struct remote_vec *vec = calloc(iovcnt ? iovcnt : 1, sizeof *vec);
    if (!vec)
        return -LINUX_ENOMEM;
    struct mm *mm = NULL;
    int64_t result = user_read(task, iov, vec, iovcnt * sizeof *vec);
    if (!result)
        result = hinted_mm(task, pidfd, &mm);
    bool hint =
        advice == LINUX_MADV_COLD || advice == LINUX_MADV_PAGEOUT || advice == LINUX_MADV_WILLNEED;
    if (!result)
        result = hint ? advise_all(mm, vec, iovcnt) : -LINUX_EINVAL;
    if (mm)
        mm_put(mm);
    free(vec);
    return result;
}

// The memory of a process that was killed. It goes with the process's last thread, which nothing
// keeps from ending: there is nothing to hasten.
int64_t sys_process_mrelease(struct task *task, int32_t pidfd, uint32_t flags)
{
    if (flags)
        return -LINUX_EINVAL;
    struct process *p;
    int err = pidfd_process(task, pidfd, &p);
    if (err)
        return err;
    struct task *leader = process_leader_get(p);
    struct mm *mm = leader ? task_mm_get(leader) : NULL;
    lock_acquire(&p->lock);
    bool ending = p->group_exit;
    lock_release(&p->lock);
    err = !mm ? -LINUX_ESRCH : ending ? 0 : -LINUX_EINVAL;
    if (mm)
        mm_put(mm);
    task_put(leader);
    process_put(p);
    return err;
}
