// timer_create(2) and relatives. Layer 4.
#ifndef KERNEL_POSIX_TIMER_H
#define KERNEL_POSIX_TIMER_H

struct posix_timer;
struct process;
struct siginfo;

// The signal of a timer is being taken: fills in the overrun count and starts the next period.
// process->lock is held.
void posix_timer_delivered(struct posix_timer *timer, struct siginfo *info);
// Exit of the last thread, or exec: all timers are deleted. No lock is held.
void posix_timers_end(struct process *process);

#endif
