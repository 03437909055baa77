// Shared by the files that implement signals. Layer 4.
#ifndef KERNEL_SIGNAL_INTERNAL_H
#define KERNEL_SIGNAL_INTERNAL_H

#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/task.h"

struct posix_timer;

// One queued signal.
struct sigqueue {
    struct list node; // sigpending.queue, guarded by process->lock
    struct siginfo info;
    // Owned by a POSIX timer, which has one for all its expirations; NULL: freed when delivered.
    struct posix_timer *timer;
};

// --- Sets ----------------------------------------------------------------------------------------

#define SIGNAL_STOP_SET                                                                            \
    (signal_bit(LINUX_SIGSTOP) | signal_bit(LINUX_SIGTSTP) | signal_bit(LINUX_SIGTTIN) |           \
     signal_bit(LINUX_SIGTTOU))
#define SIGNAL_IGNORED_BY_DEFAULT                                                                  \
    (signal_bit(LINUX_SIGCONT) | signal_bit(LINUX_SIGCHLD) | signal_bit(LINUX_SIGWINCH) |          \
     signal_bit(LINUX_SIGURG))
#define SIGNAL_CORE_SET                                                                            \
    (signal_bit(LINUX_SIGQUIT) | signal_bit(LINUX_SIGILL) | signal_bit(LINUX_SIGTRAP) |            \
     signal_bit(LINUX_SIGABRT) | signal_bit(LINUX_SIGBUS) | signal_bit(LINUX_SIGFPE) |             \
     signal_bit(LINUX_SIGSEGV) | signal_bit(LINUX_SIGXCPU) | signal_bit(LINUX_SIGXFSZ) |           \
     signal_bit(LINUX_SIGSYS))
// Caused by an instruction of the thread itself: taken before any other.
#define SIGNAL_SYNCHRONOUS                                                                         \
    (signal_bit(LINUX_SIGSEGV) | signal_bit(LINUX_SIGBUS) | signal_bit(LINUX_SIGILL) |             \
     signal_bit(LINUX_SIGTRAP) | signal_bit(LINUX_SIGFPE) | signal_bit(LINUX_SIGSYS))

static inline bool signal_in(uint64_t set, int signo)
{
    return set & signal_bit(signo);
}

void sigpending_init(struct sigpending *pending);
// Drops every queued signal of `set`.
void sigpending_flush(struct process *process, struct sigpending *pending, uint64_t set);

// --- Actions -------------------------------------------------------------------------------------

struct sighand *sighand_create(void);
struct sighand *sighand_copy(struct sighand *from);
struct sighand *sighand_get(struct sighand *sighand);
void sighand_put(struct sighand *sighand);
// process->lock is held.
struct linux_sigaction signal_action(struct process *process, int signo);

// --- From a user (kernel/signal_calls.c) ---------------------------------------------------------

// Sends to the target's process if the caller may; sig 0 only asks. No lock is held.
int signal_kill(struct task *task, struct task *target, const struct siginfo *info, int32_t sig);
// A siginfo as sigqueue(3) gives it. -LINUX_EFAULT.
NODISCARD int signal_info_from_guest(struct task *task, uaddr_t addr, int32_t sig,
                                     struct siginfo *out);
// It says it comes from the kernel or kill(2): only the process itself may send that to itself.
bool signal_info_pretends(const struct siginfo *info);

// --- Groups --------------------------------------------------------------------------------------

// Called for each member with locks held; an error keeps the signal from it.
typedef int signal_check(void *context, struct task *leader, struct pgrp *pgrp);
// info->signo 0: only checks.
int signal_send_pgrp_checked(struct pgrp *pgrp, const struct siginfo *info, signal_check *check,
                             void *context);
// One of several processes that get a signal; tasklist or the group's lock is held.
int signal_send_group_member(struct process *process, const struct siginfo *info);

// --- Inside process->lock ------------------------------------------------------------------------

// Sends to `target` alone, or to its process when `whole_process`. Returns 0 or -LINUX_EAGAIN.
int signal_send_locked(struct task *target, const struct siginfo *info, bool whole_process);
// A timer's own queue entry. Returns false when it is queued already or the signal is ignored.
bool signal_send_timer_locked(struct task *target, struct sigqueue *entry, bool whole_process);

// Makes a thread look at its signals now.
void signal_wake(struct task *task);
// Ends every thread of the process: the first caller decides the status.
void signal_begin_group_exit(struct process *process, int32_t status);
// The signals `task` may act on now.
uint64_t signal_deliverable(struct task *task);
// Sets the mask, and hands process signals that `task` no longer takes to another thread.
void signal_set_blocked(struct task *task, uint64_t mask);
// Process signals the exiting `task` was chosen for go to another thread.
void signal_retarget(struct task *task, uint64_t set);
// Takes one signal of the complement of `blocked`, private ones first. Returns its number or 0.
int signal_dequeue(struct task *task, uint64_t blocked, struct siginfo *info);

// `task` will not stop any more with the others (it exits, or stops now). Returns true when that
// completed the stop: the caller notifies the parent after unlocking.
bool signal_stop_participate(struct task *task);

// --- Without locks -------------------------------------------------------------------------------

// Tells the parent of `task`'s process that it stopped or went on. (kernel/exit.c)
void signal_notify_stop(struct task *task);

// --- Alternate stack (kernel/signal_calls.c): self only ------------------------------------------

// SS_DISABLE, SS_ONSTACK or 0 for this stack pointer.
uint32_t signal_altstack_flags(const struct task *task, uint64_t sp);
void signal_altstack_reset(struct task *task);
NODISCARD int signal_altstack_set(struct task *task, const struct linux_stack *stack, uint64_t sp);

// --- Registers that guests and tracers set -------------------------------------------------------

// M[4:0] and D, A, I, F: what would not be EL0 with interrupts on.
#define PSTATE_PRIVILEGED 0x3dfull
// Bits the registers have: QC and the cumulative exceptions; AHP DN FZ RMode FZ16.
#define FPSR_BITS 0x0800009fu
#define FPCR_BITS 0x07c80000u

// --- Frames (kernel/signal_frame.c) --------------------------------------------------------------

// Builds the frame and points the CPU at the handler. False: the stack cannot take it.
bool signal_frame_build(struct task *task, const struct siginfo *info,
                        const struct linux_sigaction *action, uint64_t mask);
// The sender as `task` knows it: numbers of its own namespaces.
void signal_info_seen(struct task *task, struct siginfo *info);
void signal_info_to_guest(const struct siginfo *info, struct linux_siginfo *out);

#endif
