// Signals. Layer 4. Lock: sighand->lock guards actions, every pending set of the threads that share
// it, blocked masks and group state.
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include "emu/cpu.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct task;
struct pgrp;

// What a signal carries; becomes siginfo_t on delivery. Fields beyond code depend on the signal.
struct siginfo {
    int32_t signo, code, error;
    int32_t pid;
    uint32_t uid;
    int32_t status;        // SIGCHLD
    uint64_t utime, stime; // SIGCHLD, clock ticks
    uint64_t addr;         // SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP
    uint64_t value;        // sigval
    int32_t timer_id, overrun;
    int32_t fd; // SIGIO
    int64_t band;
    int32_t syscall; // SIGSYS
};

// To one thread / to the process of `task` / to a group. Never blocks; wakes whoever must act.
// Permission was checked by the caller. Returns 0, or -LINUX_EAGAIN when the queue limit is hit.
int signal_send_thread(struct task *task, const struct siginfo *info);
int signal_send_process(struct task *task, const struct siginfo *info);
int signal_send_pgrp(struct pgrp *pgrp, const struct siginfo *info);
// A fault of the task itself: delivered now even if blocked or ignored (then it kills).
void signal_force(struct task *task, const struct siginfo *info);

// Runs before every return to the guest when work is pending: delivers one signal (builds the
// frame), stops, or exits. Decides restarts of the system call that was interrupted.
void signal_deliver(struct task *task);

#endif
