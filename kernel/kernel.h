// One running Linux: everything that would be a global in a kernel hangs off struct kernel, so that
// several guests live in one process. Layer 4.
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "emu/cpu.h"
#include "emu/mem.h"
#include "fs/vfs.h"
#include "platform/base/list.h"
#include "platform/base/log.h"
#include "platform/frame.h"
#include "platform/lock.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct task;
struct pid_table;
struct process;
struct task_pool;
struct futex_table;
struct timer_wheel;
struct anon;
struct async;
struct inotify_hub;
struct ns_table;
struct fanotify_hub;
struct keys;
struct leases;
struct net;
struct tty_table;
struct file_maps;
struct vdso_image;
struct poller;

struct kernel {
    // Immutable after kernel_create().
    struct log log;
    struct cpu_host cpu_host;
    bool has_fault_hook; // a reference to platform/host_fault.h
    struct frame_pool *frames;
    struct run_tokens *run_tokens;
    struct vfs *vfs;
    const struct cred *root_cred;  // user 0 with every capability
    struct pid_table *pids;        // kernel/pid.c
    struct task_pool *task_pool;   // kernel/task_pool.c: host threads
    struct futex_table *futexes;   // kernel/futex.c
    struct timer_wheel *timers;    // kernel/timer.c: one thread
    struct poller *poller;         // platform/poller.c: one thread, made when first needed
    struct async *async;           // kernel/async.c: SIGIO
    struct anon *anon;             // kernel/anon.c: objects without a name (pipes, sockets, memfd)
    struct inotify_hub *inotify;   // kernel/inotify.c: watches
    struct ns_table *ns;           // kernel/ns.c: namespaces
    struct fanotify_hub *fanotify; // kernel/fanotify.c: groups
    struct leases *leases;         // kernel/lease.c
    struct keys *keys;             // kernel/keys.c: keys of programs
    struct file *acct;             // kernel/acct.c, guarded by tasklist; NULL: nothing is written
    struct net *net;               // kernel/net/: namespaces of addresses, host interfaces
    struct tty_table *ttys;        // kernel/tty/
    struct vdso_image *vdso;
    struct file_maps *file_maps; // kernel/file_maps.c: mappings by inode
    uint64_t boot_ns;            // monotonic clock at kernel_create
    unsigned cpu_count;

    // Guards the pid table, parent and child links, and membership of thread groups.
    struct lock tasklist;
    unsigned task_count;          // tasks that were not reaped; guarded by tasklist
    struct process *init_process; // pid 1 until it is reaped; guarded by tasklist
    struct cond task_gone;        // with tasklist: a task was reaped
    bool init_ending;   // pid 1 ends: so does everybody, and nobody waits; guarded by tasklist
    bool shutting_down; // no new tasks; guarded by tasklist

    // strace shows only the calls with a bit here (by number). Immutable once the first task runs.
    bool trace_some;
    uint64_t trace_calls[8];

    _Atomic uint64_t fork_count;
};

struct kernel_config {
    struct log log;
    uint64_t memory_limit; // bytes of anonymous guest memory; 0: derived from the host's memory
    unsigned cpu_count;    // 0: as many as the host gives
    const char *nodename;  // NULL: "ish"
};

// An empty machine: clocks, frames, VFS without mounts, tables. The caller mounts a root
// (kernel->vfs) and then starts the first program with task_spawn() (kernel/task.h).
NODISCARD int kernel_create(const struct kernel_config *config, struct kernel **out);
// Kills every process, waits until their threads are gone, frees everything. Never on a task's own
// thread; no lock held.
void kernel_destroy(struct kernel *kernel);

#endif
