// A process: what the threads of one thread group share besides memory and files. Layer 4.
#ifndef KERNEL_PROCESS_H
#define KERNEL_PROCESS_H

#include "kernel/signal.h"
#include "kernel/task.h"
#include "platform/abi/resource.h"
#include "platform/abi/signal.h"
#include "platform/base/list.h"
#include "platform/lock.h"
#include "platform/wait_queue.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pgrp;
struct session;
struct core_dump;
struct posix_timers;
struct itimers;

// Signal actions; shared by CLONE_SIGHAND between processes too.
struct sighand {
    _Atomic uint32_t refs;
    struct lock lock;                              // rank sighand
    struct linux_sigaction action[LINUX_NSIG + 1]; // by signal number; guarded by lock
};

struct usage {
    uint64_t user_ns, system_ns;
    uint64_t min_faults, maj_faults, voluntary_switches, involuntary_switches;
    uint64_t max_rss; // bytes
};

struct process {
    _Atomic uint32_t refs;
    struct kernel *kernel; // immutable
    void *tracer_state;    // immutable: of a tracer that is no guest program (kernel/gdb/)
    int32_t pid;           // immutable
    bool spawned;          // immutable: made by task_spawn(); somebody outside may join it

    // Changed under kernel->tasklist, the lock of its group, and `lock` together, so that each of
    // them is enough to read.
    struct task *leader; // its reference is held until the process is reaped
    struct list threads; // task.thread_link; tasks that have not exited, and a zombie leader

    // Guarded by kernel->tasklist.
    unsigned live_threads; // threads that have not begun to exit
    unsigned task_count;   // length of `threads`
    bool leader_ended;     // the leader is a zombie
    bool subreaper;        // PR_SET_CHILD_SUBREAPER
    bool gone;             // reaped
    _Atomic bool exited;   // every thread ended; set under tasklist, read by anybody (pidfds)
    bool execed;           // has run execve since fork (setpgid)
    uint32_t execs;        // how often it has
    struct usage dead_threads, children; // of exited threads / of children waited for
    struct pgrp *pgrp;                   // referenced; changes also under the pgrp locks
    struct session *session;             // referenced
    struct list pgrp_link;               // guarded by pgrp->lock

    struct key *keyring; // kernel/keys.c, under its lock; NULL: none yet

    // Guarded by lock.
    struct lock lock; // rank process
    struct sighand *sighand;
    struct sigpending pending; // sent to the process as a whole
    bool group_exit;           // every thread is to end with exit_status
    int32_t exit_status;
    // Is running exec and waits for the other threads to end. Changes under tasklist too: either is
    // enough to read it.
    struct task *exec_task;
    unsigned pending_count; // queued signals, against RLIMIT_SIGPENDING
    bool dead;              // no thread is left that could take a signal
    uint32_t group_signals; // signals sent to groups it was in: fork must not miss one
    // Job control. stop_signal != 0: a stop is in progress or in effect. A tracer lets threads go
    // on while it is in effect, and then they may stop once more.
    int32_t stop_signal;
    unsigned stop_left;       // threads that have still to stop
    bool stop_complete;       // in effect
    int32_t wait_stop_status; // signal of a stop that wait(2) has not reported yet, or 0
    bool wait_continued;      // a continuation that wait(2) has not reported yet
    int32_t stop_notify;      // LINUX_CLD_STOPPED or _CONTINUED the parent is to be told, or 0
    int32_t notify_status;
    struct linux_rlimit rlimit[LINUX_RLIM_NLIMITS];
    struct core_dump *core; // one is being written; the other threads wait for that
    uint32_t core_filter;   // MMF_DUMP_*: what of memory belongs into it
    int32_t dumpable, oom_score_adj;
    bool thp_disabled; // PR_SET_THP_DISABLE; there are no large pages to do without
    // Not its session's leader, and gave the terminal up for itself (TIOCNOTTY). Children inherit
    // it; setsid ends it.
    _Atomic bool without_tty;

    struct wait_queue child_wait;  // wait4 of this process's threads
    struct wait_queue exit_wait;   // pollers of pidfds of this process
    struct wait_queue signal_wait; // pollers of signalfds: a signal arrived for a thread of it

    struct itimers *itimers;           // kernel/itimer.c; guarded by lock
    struct posix_timers *posix_timers; // kernel/posix_timer.c; guarded by lock
    _Atomic uint32_t membarrier;       // registered commands
};

struct process *process_get(struct process *process);
void process_put(struct process *process);
// The process with this pid, referenced; NULL when there is none. Zombies count.
struct process *process_find(struct kernel *kernel, int32_t pid);
// The leader, referenced; it may be a zombie. NULL once reaped.
struct task *process_leader_get(struct process *process);
int32_t process_parent_pid(struct process *process);

// CPU time and faults of every thread so far, dead ones included.
void process_usage(struct process *process, struct usage *out);
// The wait status of a process that has ended.
int32_t process_exit_status(struct process *process);

#endif
