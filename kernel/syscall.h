// System-call dispatch. Layer 4.
//
// kernel/syscalls.tbl is the one list: number, name, typed arguments, state, restart class,
// handler. The generator makes: prototypes of all handlers (kernel/syscall_handlers.h), the
// dispatch table with correct 32/64-bit extension of every argument, strace formatting,
// docs/SYSCALLS.md. A handler is `int64_t sys_NAME(struct task *task, ARGS)`: its C argument types
// follow from the row's types. It returns a result, a negative Linux errno, or -ERESTART*
// (kernel/wait.h).
#ifndef KERNEL_SYSCALL_H
#define KERNEL_SYSCALL_H

#include <stdint.h>

struct kernel;
struct task;

// Answers TRAP_SVC: reads x8 and x0..x5, runs the handler, stores x0. Restarts are decided by
// signal delivery afterwards.
void syscall_dispatch(struct task *task);

// Restricts strace to the calls of a comma-separated list of names, before the first task runs.
// NULL, or where in the list there is a name of no system call.
const char *syscall_trace_only(struct kernel *kernel, const char *list);

// For a handler whose result may be any number: `return syscall_final_result(task, value)` keeps a
// value that looks like -ERESTART* (a register restored by sigreturn, F_GETOWN of a group) from
// being taken for one.
int64_t syscall_final_result(struct task *task, int64_t value);

#endif
