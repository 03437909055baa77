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

// Credentials of a user without capabilities unless uid is 0. NULL without memory.
struct cred *cred_create_user(uint32_t uid, uint32_t gid);
// Makes `cred` the calling task's (consuming the reference) and applies what follows from a change
// of identity: dumpable, pdeath_signal.
void cred_commit(struct task *task, struct cred *cred);

// What a program file says about who runs it.
struct exec_rights {
    uint32_t uid, gid;     // its owner
    bool set_uid, set_gid; // its bits count
    bool no_new_privs;     // of the caller: nothing may be gained
    bool watched;          // by a tracer with less, or one that shares the working directory
    bool has_caps, caps_effective;
    uint32_t caps_root; // the machine's user for whose namespace they count
    uint64_t caps_permitted, caps_inheritable;
};
// The value of security.capability into `out`. False when it is none.
bool cred_parse_file_caps(const void *value, size_t size, struct exec_rights *out);

// execve's rules: set-id bits, file capabilities, those of user 0, the ambient set. *secure:
// AT_SECURE. -LINUX_EPERM when the file wants capabilities that are out of bounds.
NODISCARD int cred_for_exec(const struct cred *from, const struct exec_rights *file, bool *secure,
                            struct cred **out);
// Whether others may look into a process that was `from` and is `to` now.
bool cred_keeps_dumpable(const struct cred *from, const struct cred *to);

#endif
