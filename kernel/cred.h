// Changing credentials: a struct cred (fs/cred.h) is never changed in place once a task has it.
// Layer 4.
#ifndef KERNEL_CRED_H
#define KERNEL_CRED_H

#include "fs/cred.h"
#include "platform/abi/capability.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct task;

// A copy to change, with room for `group_count` groups. NULL without memory.
struct cred *cred_copy(const struct cred *from, uint32_t group_count);
// Credentials of a user without capabilities unless uid is 0. NULL without memory.
struct cred *cred_create_user(uint32_t uid, uint32_t gid);
// Makes `cred` the calling task's (consuming the reference) and applies what follows from a change
// of identity: dumpable, pdeath_signal.
void cred_commit(struct task *task, struct cred *cred);

// execve's rules: set-id bits of the file (UINT32_MAX: not set), capabilities of user 0, ambient
// set. `no_privs`: set-id bits are ignored (no_new_privs, nosuid). *secure: AT_SECURE. NULL without
// memory.
struct cred *cred_for_exec(const struct cred *from, uint32_t file_uid, uint32_t file_gid,
                           bool no_privs, bool *secure);

#endif
