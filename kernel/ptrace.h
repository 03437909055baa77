// Tracing: one task (the tracer, a single thread) stops another, looks into it and changes it.
// Layer 4.
//
// A tracee stops only by itself, at the places that call the functions below, and sleeps there in
// TASK_TRACED. Its tracer finds the stop through wait(2) and works on the sleeping task: it marks
// the stop `busy`, which keeps the tracee from leaving even if it is killed, releases the lock, and
// reads or writes registers and memory. Then it resumes it or ends `busy`.
//
// The tie between the two changes under kernel->tasklist and the tracee's process->lock together,
// so that each is enough to read it. A tracer unties all its tracees before it ends.
#ifndef KERNEL_PTRACE_H
#define KERNEL_PTRACE_H

#include "platform/abi/ptrace.h"
#include "platform/base/compiler.h"
#include "platform/base/list.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct process;
struct siginfo;
struct task;

// ptrace.work: read by the task itself without a lock; set by its tracer while it is stopped.
enum {
    PTRACE_WORK_SYSCALL = 1, // stop at entry and exit of system calls
    PTRACE_WORK_EMULATE = 2, // stop at entry; the call is not made
    PTRACE_WORK_STEP = 4,    // one instruction at a time
};

// Part of struct task.
struct ptrace {
    struct task *tracer; // NULL: not traced; borrowed. tasklist and process->lock
    struct list tracees; // of this task as a tracer; tasklist
    struct list link;    // in tracer->ptrace.tracees; tasklist

    // Guarded by process->lock.
    bool seized;          // by PTRACE_SEIZE: it has the stops that came with that
    bool trap_stop;       // is to stop: group stop, PTRACE_INTERRUPT, attached while stopped
    bool trap_notify;     // is to stop again: a group stop began or ended
    bool trapping;        // the tracer waits until a group stop became a trace stop
    bool listening;       // PTRACE_LISTEN: stopped, but lets the next group event through
    bool stopped;         // sleeps in a trace stop
    bool busy;            // its tracer is at work on it
    bool ending;          // the stop is that of PTRACE_EVENT_EXIT
    bool killed;          // does not stop there any more
    bool reported;        // wait(2) has reported the stop
    uint32_t options;     // PTRACE_O_*
    int32_t code;         // of the stop: the signal, and the event above it
    int32_t stop_signo;   // of the group stop it was last counted for
    int32_t resume_signo; // what the tracer resumed it with
    uint64_t message;     // PTRACE_GETEVENTMSG
    struct siginfo *info; // of the stop, on the tracee's stack; NULL: it has none

    _Atomic uint32_t work;
    int32_t call_nr; // in the stops around a system call: its number, which the tracer may change
};

void ptrace_init(struct ptrace *p);

static inline uint32_t ptrace_work(const struct ptrace *p)
{
    return atomic_load_explicit(&p->work, memory_order_relaxed);
}

// --- Stops of the calling task: no lock is held --------------------------------------------------

// Stops for PTRACE_EVENT_* if the tracer asked for it.
void ptrace_event(struct task *task, int event, uint64_t message);
bool ptrace_wants_event(struct task *task, int event);
// execve was done: its event, or SIGTRAP for tracers that know no events.
void ptrace_exec(struct task *task, int32_t old_tid);
// An instruction in steps, or the frame of a handler, is done.
void ptrace_stepped(struct task *task);
void ptrace_handler_entered(struct task *task);
// Around a system call. Enter: false: the call is not made; *nr may change.
bool ptrace_syscall_enter(struct task *task, uint32_t *nr);
void ptrace_syscall_exit(struct task *task, uint32_t nr);
// The filter wants the tracer to decide. False: there is none that asked for it.
bool ptrace_seccomp(struct task *task, uint32_t *nr, uint32_t data);

// --- Stops of the calling task: process->lock is held, and released in between -------------------

// The stop that a pending trap asks for.
void ptrace_trap(struct task *task);
// A signal was taken: the tracer may replace or drop it. Returns the signal to act on, or 0.
int32_t ptrace_signal(struct task *task, struct siginfo *info);

// --- The tie: tasklist is held, process->lock is not ---------------------------------------------

// A child is made; it is traced by the parent's tracer, if there is one.
void ptrace_inherit(struct task *parent, struct task *child);
void ptrace_tie(struct task *tracer, struct task *task, bool seized, uint32_t options);
// The task goes on, or joins the stop of its group.
void ptrace_untie(struct task *task);
// Is the tracer somebody else than the process that made the task?
bool ptrace_reparented(const struct task *task);
// Tells the tracer, if there is one, that the task stopped, went on or ended (CLD_*).
void ptrace_tell_tracer(struct task *task, int32_t code, int32_t status);

// --- The tracer's side: no lock is held ----------------------------------------------------------

// Work on a tracee of `tracer`: it stays stopped until the end. -LINUX_ESRCH: it is none, or runs.
NODISCARD int ptrace_work_begin(struct task *tracer, struct task *child);
void ptrace_work_end(struct task *tracer, struct task *child);
// Lets it go on, with a signal (0: none) and PTRACE_WORK_*; it is `busy`.
void ptrace_continue(struct task *child, int32_t signo, uint32_t work);
// PTRACE_INTERRUPT of a tracee that was seized; PTRACE_LISTEN of one that is `busy`. -LINUX_EIO.
int ptrace_interrupt(struct task *child);
int ptrace_listen(struct task *child);

// --- process->lock is held -----------------------------------------------------------------------

// A group stop began or ended: a task that was seized stops for it, or again.
void ptrace_notify_group(struct task *task);
// The tracer's work on a stopped task is done; it goes on if it was killed meanwhile.
void ptrace_end_work(struct task *task);
// Lets a stopped task go on.
void ptrace_resume(struct task *task, int32_t signo);
// Whom the tracer waits for after PTRACE_ATTACH has stopped, or will not any more.
void ptrace_trapped(struct task *task);
// The machine ends: tracers may wait for each other, so no thread of the process stops any more.
void ptrace_stop_no_more(struct process *process);

#endif
