// seccomp: which system calls a task may still make. Layer 4.
#ifndef KERNEL_SECCOMP_H
#define KERNEL_SECCOMP_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct task;
struct seccomp_filter;

// Called before a system call of a task whose seccomp_mode is not 0. A tracer may change the
// number.
enum seccomp_answer {
    SECCOMP_MAKE,        // the call is made
    SECCOMP_ANSWERED,    // it is not: `*result` goes to x0
    SECCOMP_INTERRUPTED, // the same, by a signal: the call may be restarted
};
enum seccomp_answer seccomp_ask(struct task *task, uint32_t *nr, int64_t *result);

// The child gets what the parent has, no_new_privs included. For a thread this is done again when
// it is visible to the others, with process->lock held: they may have given everybody a filter
// meanwhile.
void seccomp_inherit(struct task *parent, struct task *child);
void seccomp_filter_put(struct seccomp_filter *filter); // harmless with NULL
unsigned seccomp_filter_count(const struct task *task);

// prctl(PR_SET_SECCOMP).
int64_t seccomp_set_mode(struct task *task, uint64_t mode, uint64_t program);

#endif
