// The task object: references, lookup, what other threads may take of it.
#include "kernel/task.h"
#include "kernel/core_dump.h"
#include "kernel/cred.h"
#include "kernel/fd.h"
#include "kernel/keys.h"
#include "kernel/mm.h"
#include "kernel/pid.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/seccomp.h"
#include "kernel/signal_internal.h"
#include "kernel/task_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/prctl.h"
#include <stdlib.h>
#include <string.h>

// --- Allocation ----------------------------------------------------------------------------------

struct task *task_allocate(struct kernel *kernel)
{
    struct task *t = aligned_alloc(_Alignof(struct task), sizeof *t);
    if (!t)
        return NULL;
    memset(t, 0, sizeof *t);
    cpu_init(&t->cpu, &kernel->cpu_host);
    t->kernel = kernel;
    atomic_init(&t->refs, 1);
    t->syscall_nr = -1;
    t->exit_signal = -1;
    t->mce_policy = LINUX_PR_MCE_KILL_DEFAULT;
    signal_altstack_reset(t);
    sigpending_init(&t->pending);
    ptrace_init(&t->ptrace);
    list_init(&t->children);
    list_init(&t->sibling);
    list_init(&t->thread_link);
    lock_init(&t->lock, LOCK_RANK_TASK_WAIT);
    lock_init(&t->wake_lock, LOCK_RANK_TASK_WAIT);
    cond_init(&t->wake_cond);
    return t;
}

struct process *process_allocate(struct kernel *kernel)
{
    struct process *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->kernel = kernel;
    atomic_init(&p->refs, 1);
    list_init(&p->threads);
    list_init(&p->pgrp_link);
    sigpending_init(&p->pending);
    lock_init(&p->lock, LOCK_RANK_PROCESS);
    p->core_filter = CORE_FILTER_DEFAULT;
    wait_queue_init(&p->child_wait);
    wait_queue_init(&p->exit_wait);
    wait_queue_init(&p->signal_wait);
    return p;
}

struct process *process_get(struct process *process)
{
    atomic_fetch_add_explicit(&process->refs, 1, memory_order_relaxed);
    return process;
}

void process_put(struct process *process)
{
    if (!process || atomic_fetch_sub_explicit(&process->refs, 1, memory_order_acq_rel) != 1)
        return;
    keys_process_gone(process->kernel, process->keyring);
    sighand_put(process->sighand);
    wait_queue_destroy(&process->child_wait);
    wait_queue_destroy(&process->exit_wait);
    wait_queue_destroy(&process->signal_wait);
    lock_destroy(&process->lock);
    free(process->itimers);
    free(process);
}

struct task *task_get(struct task *task)
{
    atomic_fetch_add_explicit(&task->refs, 1, memory_order_relaxed);
    return task;
}

void task_put(struct task *task)
{
    if (!task || atomic_fetch_sub_explicit(&task->refs, 1, memory_order_acq_rel) != 1)
        return;
    seccomp_filter_put(atomic_load_explicit(&task->seccomp, memory_order_relaxed));
    cred_put(task->cred);
    pid_ns_put(task->pid_ns);
    process_put(task->process);
    cond_destroy(&task->wake_cond);
    lock_destroy(&task->wake_lock);
    lock_destroy(&task->lock);
    free(task);
}

// --- Lookup --------------------------------------------------------------------------------------

struct task *task_find(struct kernel *kernel, int32_t tid)
{
    lock_acquire(&kernel->tasklist);
    struct pid_slot *slot = pid_slot(kernel->pids, tid);
    struct task *task = slot && slot->task ? task_get(slot->task) : NULL;
    lock_release(&kernel->tasklist);
    return task;
}

struct process *process_find(struct kernel *kernel, int32_t pid)
{
    lock_acquire(&kernel->tasklist);
    struct pid_slot *slot = pid_slot(kernel->pids, pid);
    struct process *p = slot && slot->process ? process_get(slot->process) : NULL;
    lock_release(&kernel->tasklist);
    return p;
}

struct task *process_leader_get(struct process *process)
{
    lock_acquire(&process->kernel->tasklist);
    struct task *leader = process->gone ? NULL : task_get(process->leader);
    lock_release(&process->kernel->tasklist);
    return leader;
}

int32_t process_parent_pid(struct process *process)
{
    lock_acquire(&process->kernel->tasklist);
    struct task *parent = process->gone ? NULL : process->leader->real_parent;
    int32_t pid = parent ? parent->tgid : 0;
    lock_release(&process->kernel->tasklist);
    return pid;
}

struct task *task_next_process(struct kernel *kernel, int32_t after)
{
    struct task *found = NULL;
    lock_acquire(&kernel->tasklist);
    for (int32_t pid = after + 1; !found && (pid = pid_next_task(kernel->pids, pid)) != 0; pid++) {
        struct process *p = pid_slot(kernel->pids, pid)->process;
        if (p)
            found = task_get(p->leader);
    }
    lock_release(&kernel->tasklist);
    return found;
}

struct task *task_next_thread(struct process *process, int32_t after)
{
    struct task *best = NULL, *t;
    lock_acquire(&process->kernel->tasklist);
    list_for_each (t, &process->threads, thread_link)
        if (t->pid > after && (!best || t->pid < best->pid))
            best = t;
    if (best)
        task_get(best);
    lock_release(&process->kernel->tasklist);
    return best;
}

// --- What others may take ------------------------------------------------------------------------

struct mm *task_mm_get(struct task *task)
{
    lock_acquire(&task->lock);
    struct mm *mm = task->mm ? mm_get(task->mm) : NULL;
    lock_release(&task->lock);
    return mm;
}

struct fd_table *task_files_get(struct task *task)
{
    lock_acquire(&task->lock);
    struct fd_table *files = task->files ? fd_table_get(task->files) : NULL;
    lock_release(&task->lock);
    return files;
}

struct fs_context *task_fs_get(struct task *task)
{
    lock_acquire(&task->lock);
    struct fs_context *fs = task->fs ? fs_context_get(task->fs) : NULL;
    lock_release(&task->lock);
    return fs;
}

const struct cred *task_cred_get(struct task *task)
{
    lock_acquire(&task->lock);
    const struct cred *cred = cred_get(task->cred);
    lock_release(&task->lock);
    return cred;
}

void task_comm_get(struct task *task, char comm[16])
{
    lock_acquire(&task->lock);
    memcpy(comm, task->comm, sizeof task->comm);
    lock_release(&task->lock);
}

void task_comm_set(struct task *task, const char *name)
{
    lock_acquire(&task->lock);
    memset(task->comm, 0, sizeof task->comm);
    strncpy(task->comm, name, sizeof task->comm - 1);
    lock_release(&task->lock);
}

uint64_t task_rlimit(struct task *task, unsigned resource)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    uint64_t limit = p->rlimit[resource].cur;
    lock_release(&p->lock);
    return limit;
}

// --- Root and working directory ------------------------------------------------------------------

int fs_context_create(const struct path *root, struct fs_context **out)
{
    struct fs_context *fs = calloc(1, sizeof *fs);
    if (!fs)
        return -LINUX_ENOMEM;
    atomic_init(&fs->refs, 1);
    lock_init(&fs->lock, LOCK_RANK_FS_CONTEXT);
    path_get(root);
    path_get(root);
    fs->root = fs->cwd = *root;
    fs->umask = 022;
    *out = fs;
    return 0;
}

int fs_context_copy(struct fs_context *from, struct fs_context **out)
{
    struct fs_context *fs = calloc(1, sizeof *fs);
    if (!fs)
        return -LINUX_ENOMEM;
    atomic_init(&fs->refs, 1);
    lock_init(&fs->lock, LOCK_RANK_FS_CONTEXT);
    lock_acquire(&from->lock);
    fs->root = from->root;
    fs->cwd = from->cwd;
    fs->umask = from->umask;
    path_get(&fs->root);
    path_get(&fs->cwd);
    lock_release(&from->lock);
    *out = fs;
    return 0;
}

struct fs_context *fs_context_get(struct fs_context *fs)
{
    atomic_fetch_add_explicit(&fs->refs, 1, memory_order_relaxed);
    return fs;
}

void fs_context_put(struct fs_context *fs)
{
    if (!fs || atomic_fetch_sub_explicit(&fs->refs, 1, memory_order_acq_rel) != 1)
        return;
    path_put(&fs->root);
    path_put(&fs->cwd);
    lock_destroy(&fs->lock);
    free(fs);
}

void task_caller(struct task *task, struct vfs_caller *out)
{
    struct fs_context *fs = task->fs;
    lock_acquire(&fs->lock);
    *out = (struct vfs_caller){.vfs = task->kernel->vfs,
                               .cred = task->cred,
                               .root = fs->root,
                               .cwd = fs->cwd,
                               .umask = fs->umask,
                               .task = task};
    path_get(&out->root);
    path_get(&out->cwd);
    lock_release(&fs->lock);
}

void task_caller_done(struct vfs_caller *c)
{
    path_put(&c->root);
    path_put(&c->cwd);
}
