// Futexes. Layer 4.
#ifndef KERNEL_FUTEX_H
#define KERNEL_FUTEX_H

#include "kernel/user.h"
#include "platform/base/compiler.h"

struct futex_table;
struct task;

NODISCARD int futex_table_create(struct futex_table **out);
void futex_table_destroy(struct futex_table *table); // nobody waits

// Wakes waiters on a word that may be shared between processes (the thread id of an ending thread).
void futex_wake_address(struct task *task, uaddr_t addr, int count);
// The calling task leaves its address space: robust locks it holds are marked and passed on.
void futex_exit(struct task *task);

#endif
