// setitimer(2), and the CPU-time limit. Layer 4.
#ifndef KERNEL_ITIMER_H
#define KERNEL_ITIMER_H

struct process;

// RLIMIT_CPU was set, or a process began with one. Without memory it is not enforced. No lock.
void itimer_cpu_limit_changed(struct process *process);

// The process is `dead`: its interval timers stop. No lock is held. process->itimers is freed with
// the process.
void itimer_end(struct process *process);

#endif
