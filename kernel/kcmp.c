// kcmp(2): do two tasks share an object?
#include "kernel/epoll.h"
#include "kernel/fd.h"
#include "kernel/mm.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/trace_access.h"
#include "platform/abi/linux_errno.h"

enum kcmp_type {
    KCMP_FILE,
    KCMP_VM,
    KCMP_FILES,
    KCMP_FS,
    KCMP_SIGHAND,
    KCMP_IO,
    KCMP_SYSVSEM,
    KCMP_EPOLL_TFD,
};

struct epoll_slot {
    uint32_t efd, tfd, toff;
};

// 0 equal, 1 less, 2 greater. The order says nothing about addresses but is always the same one.
static int64_t order(const struct task *task, const void *a, const void *b)
{
    uint64_t mask = (uint64_t)(uintptr_t)task->kernel * 0x9e3779b97f4a7c15ull;
    uint64_t x = (uint64_t)(uintptr_t)a ^ mask, y = (uint64_t)(uintptr_t)b ^ mask;
    return x == y ? 0 : x < y ? 1 : 2;
}

// The file of a descriptor of another task, not referenced: only for comparing.
static const struct file *file_of(struct task *task, struct task *target, uint64_t fd)
{
    struct fd_table *files = task_files_get(target);
    if (!files)
        return NULL;
    bool cloexec;
    struct file *file = fd_table_lookup(files, (int)(uint32_t)fd, &cloexec);
    fd_table_put(files, task);
    file_put(file);
    return file;
}

static int64_t compare_epoll(struct task *task, struct task *a, struct task *b, uint64_t fd,
                             uaddr_t slot_addr)
{
    struct epoll_slot slot;
    if (user_get(task, slot_addr, &slot))
        return -LINUX_EFAULT;
    const struct file *file = file_of(task, a, fd);
    if (!file)
        return -LINUX_EBADF;
    struct fd_table *files = task_files_get(b);
    bool cloexec;
    struct file *epoll = files ? fd_table_lookup(files, (int)slot.efd, &cloexec) : NULL;
    if (files)
        fd_table_put(files, task);
    if (!epoll)
        return -LINUX_EBADF;
    const struct file *watched;
    int err = epoll_watched(epoll, (int)slot.tfd, slot.toff, &watched);
    file_put(epoll);
    return err ? err : order(task, file, watched);
}

static int64_t compare(struct task *task, struct task *a, struct task *b, int32_t type,
                       uint64_t idx1, uint64_t idx2)
{
    // What the tasks have now: pointers are compared, nothing behind them is touched.
    switch ((enum kcmp_type)type) {
    case KCMP_FILE: {
        const struct file *f1 = file_of(task, a, idx1), *f2 = file_of(task, b, idx2);
        return f1 && f2 ? order(task, f1, f2) : -LINUX_EBADF;
    }
    case KCMP_VM: {
        struct mm *m1 = task_mm_get(a), *m2 = task_mm_get(b);
        if (m1)
            mm_put(m1);
        if (m2)
            mm_put(m2);
        return order(task, m1, m2);
    }
    case KCMP_FILES: {
        struct fd_table *f1 = task_files_get(a), *f2 = task_files_get(b);
        if (f1)
            fd_table_put(f1, task);
        if (f2)
            fd_table_put(f2, task);
        return order(task, f1, f2);
    }
    case KCMP_FS: {
        struct fs_context *f1 = task_fs_get(a), *f2 = task_fs_get(b);
        fs_context_put(f1);
        fs_context_put(f2);
        return order(task, f1, f2);
    }
    case KCMP_SIGHAND: {
        lock_acquire(&a->process->lock);
        const struct sighand *s1 = a->process->sighand;
        lock_release(&a->process->lock);
        lock_acquire(&b->process->lock);
        const struct sighand *s2 = b->process->sighand;
        lock_release(&b->process->lock);
        return order(task, s1, s2);
    }
    case KCMP_IO:
        return 0; // nobody has any, and so all the same
    case KCMP_SYSVSEM:
        return order(task, atomic_load_explicit(&a->sem_undo, memory_order_relaxed),
                     atomic_load_explicit(&b->sem_undo, memory_order_relaxed));
    case KCMP_EPOLL_TFD:
        return compare_epoll(task, a, b, idx1, idx2);
    }
    return -LINUX_EINVAL;
}

int64_t sys_kcmp(struct task *task, int32_t pid1, int32_t pid2, int32_t type, uint64_t idx1,
                 uint64_t idx2)
{
    struct task *a = pid1 > 0 ? task_find(task->kernel, pid_arg(task, pid1)) : NULL;
    struct task *b = pid2 > 0 ? task_find(task->kernel, pid_arg(task, pid2)) : NULL;
    int64_t result = -LINUX_ESRCH;
    if (a && b)
        result = task_may_trace(task, a) && task_may_trace(task, b)
                     ? compare(task, a, b, type, idx1, idx2)
                     : -LINUX_EPERM;
    if (a)
        task_put(a);
    if (b)
        task_put(b);
    return result;
}
