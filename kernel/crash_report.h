// What a program looked like when a signal ended it: for the log channel "signal". Layer 4.
#ifndef KERNEL_CRASH_REPORT_H
#define KERNEL_CRASH_REPORT_H

#include "kernel/signal.h"

struct task;

// Of the calling task, which `info` is about to end. No lock is held.
void crash_report(struct task *task, const struct siginfo *info);

#endif
