// Tasks: what Linux calls a thread, each on a host thread of its own. Layer 4.
//
// A process is a thread group: the tasks that share a `struct signal_state`. Fields are grouped by
// what guards them. "self" means: written only by the task's own thread, read by others only where
// the comment says how.
#ifndef KERNEL_TASK_H
#define KERNEL_TASK_H

#include "emu/cpu.h"
#include "fs/vfs.h"
#include "kernel/kernel.h"
#include "kernel/user.h"
#include "platform/base/list.h"
#include "platform/lock.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fd_table;
struct mm;
struct sighand;      // actions, shared by CLONE_SIGHAND (kernel/signal.h)
struct signal_state; // pending process signals, group exit, rlimits ... (kernel/signal.h)
struct sigpending;
struct pgrp;
struct session;
struct restart_block;

// Root, working directory and umask; shared by CLONE_FS.
struct fs_context {
    _Atomic uint32_t refs;
    struct lock lock;
    struct path root, cwd; // guarded by lock
    uint32_t umask;        // guarded by lock
};

enum task_state {
    TASK_RUNNING,
    TASK_SLEEPING, // in task_wait, interruptible
    TASK_DISK,     // in task_wait, uninterruptible
    TASK_STOPPED,  // job control
    TASK_TRACED,
    TASK_ZOMBIE,
    TASK_DEAD,
};

struct task {
    struct cpu cpu;        // self; others only while the task is stopped
    struct kernel *kernel; // immutable
    _Atomic uint32_t refs;

    int32_t pid;         // immutable: thread id (Linux pid); changes only in exec of a non-leader
    int32_t tgid;        // immutable
    struct task *leader; // guarded by tasklist

    // Guarded by kernel->tasklist.
    struct task *parent, *real_parent;
    struct list children, sibling; // of the group leader
    struct list group_link;        // threads of the group
    int32_t exit_code;             // wait status of a zombie
    int32_t exit_signal;           // signal sent to the parent; 0: none, -1: not a leader
    struct list reap_link;

    _Atomic uint32_t state; // enum task_state; set by self (and by the reaper)

    // Self; replaced as a whole. Others take them under `lock` with a reference.
    struct lock lock; // rank task_wait is below everything: only copies pointers
    struct mm *mm;    // NULL after exit
    struct fd_table *files;
    struct fs_context *fs;
    const struct cred *cred;
    char comm[16];

    struct sighand *sighand;     // referenced; immutable but for exec and exit
    struct signal_state *signal; // shared by the thread group

    // Guarded by sighand->lock.
    uint64_t blocked, saved_blocked;
    bool restore_blocked;       // saved_blocked is to be restored after delivery (sigsuspend)
    struct sigpending *pending; // private to this thread

    // Self.
    uint64_t altstack_sp, altstack_size;
    uint32_t altstack_flags;
    uaddr_t clear_child_tid, robust_list;
    uint64_t robust_list_len;
    uaddr_t rseq_addr;
    uint32_t rseq_len, rseq_sig;
    int32_t syscall_nr;  // in a system call: its number, else -1
    uint64_t syscall_x0; // x0 at entry, for restarts
    struct restart_block *restart;
    int32_t pdeath_signal;
    uint32_t personality;
    struct task *vfork_parent;           // waits until we exec or exit
    uint64_t start_ns;                   // monotonic
    _Atomic uint64_t user_ns, system_ns; // CPU time so far
    _Atomic uint64_t min_faults, maj_faults, voluntary_switches, involuntary_switches;

    // Wake channel of task_wait; guarded by wake_lock (rank task_wait).
    struct lock wake_lock;
    struct cond wake_cond;
    bool woken;

    // Set by any thread together with cpu_poke: look at signals, stop, exit before running on.
    _Atomic bool work_pending;
};

struct task *task_get(struct task *task);
void task_put(struct task *task);

// The thread main loop: cpu_run, then answer the trap, until the task exits. Never returns.
void task_run(struct task *task);

// What VFS operations need of the caller; the paths are referenced until task_caller_done.
void task_caller(struct task *task, struct vfs_caller *out);
void task_caller_done(struct vfs_caller *c);

static inline bool task_capable(const struct task *task, unsigned cap)
{
    return cred_capable(task->cred, cap);
}

// Resource limits of the process: RLIMIT numbers as in platform/abi/resource.h.
uint64_t task_rlimit(struct task *task, unsigned resource);

#endif
