// Tasks: what Linux calls a thread, each on a host thread of its own. Layer 4.
//
// A process is a thread group: the tasks that share a `struct process` (kernel/process.h). Fields
// are grouped by what guards them. "self" means: written only by the task's own thread, read by
// others only where the comment says how.
#ifndef KERNEL_TASK_H
#define KERNEL_TASK_H

#include "emu/cpu.h"
#include "fs/vfs.h"
#include "kernel/kernel.h"
#include "kernel/ptrace.h"
#include "kernel/signal.h"
#include "kernel/user.h"
#include "platform/base/list.h"
#include "platform/host_fault.h"
#include "platform/lock.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fd_table;
struct mm;
struct namespaces;
struct pid_ns;
struct process;
struct pgrp;
struct seccomp_filter;
struct session;
struct trace_line;
struct vfork_done;

// Root, working directory and umask; shared by CLONE_FS.
struct fs_context {
    _Atomic uint32_t refs;
    struct lock lock;
    struct path root, cwd; // guarded by lock
    uint32_t umask;        // guarded by lock
};
NODISCARD int fs_context_create(const struct path *root, struct fs_context **out);
NODISCARD int fs_context_copy(struct fs_context *from, struct fs_context **out);
struct fs_context *fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);

enum task_state {
    TASK_RUNNING,
    TASK_SLEEPING, // in task_wait, interruptible
    TASK_DISK,     // in task_wait, not interruptible
    TASK_STOPPED,  // job control
    TASK_TRACED,
    TASK_ZOMBIE,
    TASK_DEAD,
};

// How a system call that was interrupted goes on without its handler's first arguments: sys_* sets
// it and returns -ERESTART_RESTARTBLOCK; restart_syscall(2) calls it.
struct restart_block {
    int64_t (*run)(struct task *task, struct restart_block *block);
    uint64_t deadline_ns; // monotonic
    uaddr_t addr, addr2;
    uint64_t value[2];
};

struct sem_undo_list;

struct task {
    struct cpu cpu;                      // self; others only while the task is stopped
    struct host_fault_thread host_fault; // self
    struct kernel *kernel;               // immutable
    struct process *process;             // immutable
    _Atomic uint32_t refs;

    int32_t pid;  // thread id; changes only in exec of a thread that is not the leader (tasklist)
    int32_t tgid; // immutable: process id
    // Where it was born and what it is called there; NULL and the same without namespaces. The
    // namespace is referenced; the numbers change as `pid` does.
    struct pid_ns *pid_ns;
    int32_t own_pid, own_tgid;

    // Guarded by kernel->tasklist.
    struct task *parent, *real_parent; // of a leader: the task that made it, or its heir
    struct list children, sibling;     // leaders this task made; borrowed
    struct list thread_link;           // threads of the process
    _Atomic int32_t exit_status;       // as wait(2) reports it; /proc reads it at any time
    int32_t exit_signal;               // sent to the parent; 0: none, -1: not a leader
    uint32_t parent_execs;             // process.execs of the parent when it was made
    int32_t pdeath_signal;             // sent to this task when its parent task ends

    _Atomic uint32_t state; // enum task_state; set by self (and by the reaper)

    // Replaced as a whole by self under `lock`; others use the task_*_get() accessors.
    struct lock lock; // rank task_wait: only pointers are copied under it
    struct mm *mm;    // NULL after exit
    struct fd_table *files;
    struct fs_context *fs;
    const struct cred *cred;
    struct namespaces *ns; // NULL after exit
    char comm[16];

    // Guarded by process->lock.
    uint64_t blocked, saved_blocked;
    uint64_t real_blocked;     // the mask outside of sigtimedwait, which opens it for its set
    bool restore_blocked;      // saved_blocked comes back after delivery, or if there is none
    bool async_due;            // self: it made events that wait to be sent (kernel/async.c)
    bool kill_pending;         // another thread's exec ends this one
    bool exit_begun;           // takes no more signals
    bool stop_counted;         // has still to stop for the process's group stop
    bool stop_again;           // has to stop for it too, but was counted before
    bool in_stop;              // sleeps in it
    bool core_wanted;          // ends with a core
    bool core_counted;         // another thread waits for it before it writes the core
    bool core_waits;           // sleeps until another thread has written the core
    bool core_passed;          // is beyond where it would
    bool stop_dequeued;        // took a stop signal, and no SIGCONT has come since
    struct sigpending pending; // private to this thread

    struct ptrace ptrace;

    // Changed under process->lock, by any thread of it; read by self without. A filter that was
    // replaced is kept by the one that took its place.
    _Atomic(struct seccomp_filter *) seccomp; // referenced
    _Atomic uint32_t seccomp_mode;            // LINUX_SECCOMP_MODE_*
    _Atomic bool no_new_privs;

    // Self.
    uint64_t altstack_sp, altstack_size;
    uint32_t altstack_flags;
    uint64_t fault_address, fault_esr; // of the last fault, for signal frames
    uaddr_t set_child_tid, clear_child_tid;
    _Atomic uaddr_t robust_list; // read by others
    _Atomic bool futexes_left;   // self, read by others: ends, and looks for waiters no more
    uaddr_t rseq;                // registered struct, or 0
    uint32_t rseq_signature;
    int32_t syscall_nr;  // in a system call that may be restarted: its number, else -1
    uint64_t syscall_x0; // x0 at entry, for restarts
    struct restart_block restart;
    _Atomic(struct sem_undo_list *) sem_undo; // kernel/ipc/sem.c; NULL: nothing to undo
    bool exiting;                             // leave the main loop with exit_status
    bool no_memory; // a page for a copy to or from the guest could not be had: ends the process
    struct trace_line *trace; // strace line under construction, or NULL
    _Atomic uint32_t personality;
    struct vfork_done *vfork_done;                // told when we exec or exit
    int32_t mce_policy;                           // PR_MCE_KILL_*; memory does not fail here
    struct key *thread_keyring, *session_keyring; // kernel/keys.c, under its lock; NULL: none yet
    int8_t request_keyring;                       // where keys go that were asked for; self
    bool keys_gone;         // under the lock of keys: gets no keyring any more
    uint32_t memory_policy; // kernel/numa.c
    // Of any thread: changed under tasklist, read by others without.
    _Atomic int32_t nice, sched_policy, sched_priority, ioprio;
    uint64_t start_ns, start_boot_ns; // monotonic, boottime; immutable
    _Atomic uint64_t timer_slack_ns;
    uint64_t default_timer_slack_ns; // what it was born with
    uint32_t syscall_count;          // see usage_sampled()

    // CPU time. The host thread's clock counts all of it; system time is the share estimated from
    // timed system calls. `cpu_clock` is valid while cpu_running (guarded by lock).
    bool cpu_running;
    uint64_t cpu_clock_base_ns; // of the host thread when it took this task
    pthread_t host_thread;
    _Atomic uint64_t cpu_final_ns, system_ns;
    _Atomic uint64_t min_faults, maj_faults, voluntary_switches, involuntary_switches;

    // Wake channel of task_wait; guarded by wake_lock (rank task_wait).
    struct lock wake_lock;
    struct cond wake_cond;
    bool woken;

    // Set by any thread together with cpu_poke: look at signals, stop, exit before running on.
    _Atomic bool work_pending;
};

// --- References and lookup -----------------------------------------------------------------------

struct task *task_get(struct task *task);
void task_put(struct task *task);

// Whose host thread this is; NULL for a thread of no task.
struct task *task_of_thread(void);
// The task with this thread id, referenced; NULL when there is none (or only a dead one).
struct task *task_find(struct kernel *kernel, int32_t tid);
// The next process (leader, referenced) with a pid above `after`, zombies included; NULL at the
// end. For walks over all processes: no lock is held between steps.
struct task *task_next_process(struct kernel *kernel, int32_t after);
// The next thread of `process` with a tid above `after`, referenced; NULL at the end.
struct task *task_next_thread(struct process *process, int32_t after);

// What another thread may use of a task: each referenced, NULL when the task has none any more.
// (mm_put, fd_table_put, fs_context_put, cred_put)
struct mm *task_mm_get(struct task *task);
struct fd_table *task_files_get(struct task *task);
struct fs_context *task_fs_get(struct task *task);
const struct cred *task_cred_get(struct task *task);
void task_comm_get(struct task *task, char comm[16]);

// --- Starting and running ------------------------------------------------------------------------

// A program started from outside the guest. All pointers are borrowed except `files`.
struct task_spawn {
    const char *path; // looked up along PATH of envp when it has no slash
    const char *const *argv, *const *envp;
    const char *cwd; // NULL: "/"
    uint32_t uid, gid;
    struct fd_table *files; // consumed, also on failure
    // Called on the new task before the program runs, when it leads a session and a group of its
    // own: the place to give it a controlling terminal. May be NULL. An error ends the spawn.
    int (*prepare)(struct task *task, void *context);
    void *context;
    const int *debugger; // a host descriptor with gdb at its other end; NULL: none
};
// Starts a process in a session of its own: the first one is pid 1, later ones are children of
// pid 1 that nobody in the guest waits for. *out is its leader, referenced; see task_join().
// Returns 0 or what exec gives (-LINUX_ENOENT, -LINUX_EACCES, -LINUX_ENOEXEC ...).
NODISCARD int task_spawn(struct kernel *kernel, const struct task_spawn *spawn, struct task **out);
// Waits until a process of task_spawn() is gone and returns its wait status. When it was pid 1,
// every other process is gone too. Not on a task's thread.
int task_join(struct task *leader);

// The thread main loop: cpu_run, then answer the trap, until the task exits.
void task_run(struct task *task);

// --- For system calls ----------------------------------------------------------------------------

// What VFS operations need of the caller; the paths are referenced until task_caller_done.
void task_caller(struct task *task, struct vfs_caller *out);
void task_caller_done(struct vfs_caller *c);

static inline bool task_capable(const struct task *task, unsigned cap)
{
    return cred_capable(task->cred, cap);
}
static inline bool task_capable_own(const struct task *task, unsigned cap)
{
    return cred_capable_own(task->cred, cap);
}
// May `task` signal, inspect or limit a process with these credentials? (kill(2), prlimit(2))
bool cred_may_signal(const struct cred *self, const struct cred *target);

// The soft limit of the process: RLIMIT numbers as in platform/abi/resource.h.
uint64_t task_rlimit(struct task *task, unsigned resource);

// CPU time of one thread, nanoseconds. Any thread.
struct cpu_times {
    uint64_t user_ns, system_ns;
};
void task_cpu_times(struct task *task, struct cpu_times *out);

#endif
