// Signals. Layer 4.
//
// process->lock guards every pending set and blocked mask of the process's threads, and its stop
// and exit state; sighand->lock the actions. A signal is either queued (with its siginfo) or noted
// in the mask alone when the queue's limit is hit, as Linux does.
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include "emu/cpu.h"
#include "platform/abi/signal.h"
#include "platform/base/compiler.h"
#include "platform/base/list.h"
#include <stdbool.h>
#include <stdint.h>

struct task;
struct pgrp;
struct process;

// Bit of a signal in a mask: bit 0 is signal 1.
static inline uint64_t signal_bit(int signo)
{
    return 1ull << (signo - 1);
}
#define SIGNAL_UNBLOCKABLE (signal_bit(LINUX_SIGKILL) | signal_bit(LINUX_SIGSTOP))

// Signals that wait for delivery.
struct sigpending {
    uint64_t set;      // signals present, queued or not
    struct list queue; // struct sigqueue (kernel/signal.c), oldest first
};

// What a signal carries; becomes siginfo_t on delivery. Fields beyond code depend on the signal.
struct siginfo {
    int32_t signo, code, error;
    int32_t pid;
    uint32_t uid;
    bool of_child;         // with what SIGCHLD has, whatever the number
    int32_t status;        // SIGCHLD
    uint64_t utime, stime; // SIGCHLD, clock ticks
    uint64_t addr;         // SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP
    uint64_t value;        // sigval
    int32_t timer_id, overrun;
    int32_t fd; // SIGIO
    int64_t band;
    int32_t syscall; // SIGSYS
    uint64_t call_addr;
    // sigqueue(2): the guest's bytes behind si_code and its padding, as they are.
    bool raw;
    uint8_t raw_bytes[32];
};

// To one thread / to the process of `task` / to a group. Never blocks; wakes whoever must act.
// Permission was checked by the caller. Returns 0, or -LINUX_EAGAIN when the queue limit is hit.
int signal_send_thread(struct task *task, const struct siginfo *info);
int signal_send_process(struct task *task, const struct siginfo *info);
int signal_send_pgrp(struct pgrp *pgrp, const struct siginfo *info);
// The same with a siginfo that says "the kernel" (SI_KERNEL).
void signal_kernel_process(struct task *task, int signo);
void signal_kernel_pgrp(struct pgrp *pgrp, int signo);
// A fault of the task itself: delivered now even if blocked or ignored (then it kills).
void signal_force(struct task *task, const struct siginfo *info);

// Would the signal, forced upon the calling task, run a handler of the guest?
bool signal_caught(struct task *task, int signo);

// Would the signal do nothing to the calling task (blocked or ignored)? For terminal job control.
bool signal_blocked_or_ignored(struct task *task, int signo);

// Replaces the calling task's mask for the time of one call (ppoll, epoll_pwait, sigsuspend); the
// old mask comes back after a handler ran, or when the call returns to the guest without one.
void signal_mask_temporarily(struct task *task, uint64_t mask);
// Puts the old mask back at once: the call did not end because of a signal.
void signal_mask_restore(struct task *task);

// Runs before every return to the guest when work is pending: delivers signals (builds frames),
// stops, or marks the task exiting. Decides restarts of the system call that was interrupted.
void signal_deliver(struct task *task);
// Linux's out-of-memory killer: the process that cannot get on is the one that goes.
void signal_no_memory(struct task *task);

#endif
