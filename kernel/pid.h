// Numbers of tasks, process groups and sessions: one space, as on Linux. Layer 4.
//
// A number is in use while a task, a group or a session has it. Everything here is guarded by
// kernel->tasklist.
#ifndef KERNEL_PID_H
#define KERNEL_PID_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct pgrp;
struct pid_numbers;
struct pid_table;
struct process;
struct session;
struct task;

enum { PID_MAX = 32768 }; // kernel.pid_max: numbers are below it

struct pid_slot {
    struct task *task;       // thread with this id, until it is reaped
    struct process *process; // process with this id, until it is reaped
    struct pgrp *pgrp;       // group with this id, while it has members
    struct session *session; // session with this id, while it has members
    // In other namespaces, until the number is given out again; referenced. kernel/pid_ns.c
    struct pid_numbers *numbers;
};

NODISCARD int pid_table_create(struct pid_table **out);
void pid_table_destroy(struct pid_table *table);

// A free number in use by nobody; the caller fills the slot before it releases tasklist. Returns
// the number, or -LINUX_EAGAIN when all are taken, -LINUX_ENOMEM.
int32_t pid_allocate(struct pid_table *table);
// The same for one wanted number: -LINUX_EEXIST, -LINUX_EINVAL.
int32_t pid_allocate_exact(struct pid_table *table, int32_t pid);

// The slot of a number, or NULL when nothing ever had it.
struct pid_slot *pid_slot(struct pid_table *table, int32_t pid);
bool pid_in_use(struct pid_table *table, int32_t pid);
// The first number from `from` on whose slot has a task; 0 when there is none.
int32_t pid_next_task(struct pid_table *table, int32_t from);
// The number handed out last (for /proc/loadavg).
int32_t pid_last(const struct pid_table *table);

#endif
