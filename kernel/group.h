// Process groups and sessions. Layer 4. Lock rank: pgrp, for both; two are never held at once.
#ifndef KERNEL_GROUP_H
#define KERNEL_GROUP_H

#include "kernel/kernel.h"
#include "platform/base/list.h"
#include "platform/lock.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct process;
struct task;
struct tty;

struct session {
    _Atomic uint32_t refs;
    struct kernel *kernel; // immutable
    int32_t sid;           // immutable
    unsigned processes;    // members; guarded by kernel->tasklist
    struct lock lock;
    // The controlling terminal; guarded by lock. Set, cleared and referenced by kernel/tty/ only.
    struct tty *tty;
    // The foreground group of a terminal that hung up, referenced; told when the leader exits.
    // Guarded by lock; kernel/tty/ only.
    struct pgrp *left_pgrp;
    // The leader until it exits (not referenced: it clears this itself); guarded by lock.
    struct process *leader;
};

struct pgrp {
    _Atomic uint32_t refs;
    struct kernel *kernel;   // immutable
    int32_t pgid;            // immutable
    struct session *session; // immutable, referenced
    struct lock lock;
    struct list members; // process.pgrp_link; guarded by lock (changed under tasklist as well)
};

struct pgrp *pgrp_get(struct pgrp *pgrp);
void pgrp_put(struct pgrp *pgrp); // harmless with NULL
struct session *session_get(struct session *session);
void session_put(struct session *session); // harmless with NULL

// The group with this id, referenced; NULL when it has no member.
struct pgrp *pgrp_find(struct kernel *kernel, int32_t pgid);
// Of the task's process; referenced. Never NULL for a task that runs.
struct pgrp *task_pgrp_get(struct task *task);
struct session *task_session_get(struct task *task);
bool task_leads_session(struct task *task);

// POSIX: no member has a parent in another group of the same session. Takes tasklist.
bool pgrp_orphaned(struct pgrp *pgrp);

// Implemented by kernel/tty/: the session leader `task` exits or gives its terminal up. Hangs up
// or signals the foreground group as Linux's disassociate_ctty does and clears session->tty. No
// lock is held.
void tty_leader_exit(struct task *task, struct session *session);

#endif
