// Restartable sequences: rseq(2). Layer 4.
//
// A run token is the processor a thread is on (emu/mem.h): two threads that run guest code at the
// same time have different numbers. A critical section is aborted whenever its thread was without
// its token, and before a signal handler runs.
#ifndef KERNEL_RSEQ_H
#define KERNEL_RSEQ_H

struct task;

// Answers TRAP_SWITCH: another thread may have had this one's processor.
void rseq_switched(struct task *task);
// A handler is about to run: the frame must show the abort address.
void rseq_signal(struct task *task);
// Forgets the registration (exec, a child that shares memory).
void rseq_clear(struct task *task);
// A child with a copy of the memory goes on as its parent.
void rseq_copy(const struct task *parent, struct task *child);

#endif
