// A debugger outside of the guest: the server's side of gdb's remote protocol. Layer 4.
//
// The server is a task without a number and without guest code: it traces the process as a guest
// program would with ptrace(2), by kernel/ptrace.h. One process is served, all of its threads at a
// time ("all-stop"); what it forks runs on undebugged.
#ifndef KERNEL_GDB_GDB_H
#define KERNEL_GDB_GDB_H

#include "kernel/kernel.h"
#include "platform/base/compiler.h"

struct task;

// Serves the debugger at the other end of the host descriptor `fd`, which stays the caller's.
// `task`, the only one of its process, has not run yet; it stops before its first instruction. The
// server ends with the process or with the connection, and then nobody traces any more.
NODISCARD int gdb_serve(struct task *task, int fd);

#endif
