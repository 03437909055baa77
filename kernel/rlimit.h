// Resource limits. Layer 4.
#ifndef KERNEL_RLIMIT_H
#define KERNEL_RLIMIT_H

#include "platform/abi/resource.h"

struct kernel;
struct mm;
struct process;

// What the first process starts with.
void rlimit_defaults(struct kernel *kernel, struct linux_rlimit limits[LINUX_RLIM_NLIMITS]);

// Tells an address space what limits bind it; after exec and after every change.
void rlimit_apply(struct process *p, struct mm *mm);

enum { TASK_DEFAULT_TIMER_SLACK_NS = 50000 };

#endif
