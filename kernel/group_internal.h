// Membership of groups and sessions, for the files that make and end processes. Layer 4.
#ifndef KERNEL_GROUP_INTERNAL_H
#define KERNEL_GROUP_INTERNAL_H

#include "kernel/group.h"
#include "platform/base/compiler.h"

// All of these: tasklist is held.

// Puts a new process into a group; the group's lock is held as well.
void pgrp_insert_locked(struct process *process, struct pgrp *pgrp);
// Takes a process out of its group and session (reaping).
void pgrp_leave(struct process *process);
// Makes the process leader of a new session and of a group in it. -LINUX_ENOMEM.
NODISCARD int session_start(struct process *process);
// As pgrp_orphaned(), as if `ignored` were gone.
bool pgrp_orphaned_locked(struct pgrp *pgrp, const struct process *ignored);
bool pgrp_has_stopped(struct pgrp *pgrp);

#endif
