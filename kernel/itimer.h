// setitimer(2), and the CPU-time limit. Layer 4.
#ifndef KERNEL_ITIMER_H
#define KERNEL_ITIMER_H

struct process;

// The process ends: its interval timers stop. No lock is held.
void itimer_end(struct process *process);

#endif
