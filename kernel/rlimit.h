// Resource limits. Layer 4.
#ifndef KERNEL_RLIMIT_H
#define KERNEL_RLIMIT_H

#include "platform/abi/resource.h"

struct kernel;

// What the first process starts with.
void rlimit_defaults(struct kernel *kernel, struct linux_rlimit limits[LINUX_RLIM_NLIMITS]);

enum { TASK_DEFAULT_TIMER_SLACK_NS = 50000 };

#endif
