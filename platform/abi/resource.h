// Limits and usage of resources (asm-generic/resource.h, linux/resource.h). Layer 0.
#ifndef PLATFORM_ABI_RESOURCE_H
#define PLATFORM_ABI_RESOURCE_H

#include "platform/abi/time.h"
#include <stdint.h>

enum {
    LINUX_RLIMIT_CPU = 0,
    LINUX_RLIMIT_FSIZE = 1,
    LINUX_RLIMIT_DATA = 2,
    LINUX_RLIMIT_STACK = 3,
    LINUX_RLIMIT_CORE = 4,
    LINUX_RLIMIT_RSS = 5,
    LINUX_RLIMIT_NPROC = 6,
    LINUX_RLIMIT_NOFILE = 7,
    LINUX_RLIMIT_MEMLOCK = 8,
    LINUX_RLIMIT_AS = 9,
    LINUX_RLIMIT_LOCKS = 10,
    LINUX_RLIMIT_SIGPENDING = 11,
    LINUX_RLIMIT_MSGQUEUE = 12,
    LINUX_RLIMIT_NICE = 13,
    LINUX_RLIMIT_RTPRIO = 14,
    LINUX_RLIMIT_RTTIME = 15,
    LINUX_RLIM_NLIMITS = 16,
};
#define LINUX_RLIM_INFINITY UINT64_MAX

struct linux_rlimit {
    uint64_t cur, max;
};

enum {
    LINUX_RUSAGE_SELF = 0,
    LINUX_RUSAGE_CHILDREN = -1,
    LINUX_RUSAGE_THREAD = 1,
    LINUX_PRIO_PROCESS = 0,
    LINUX_PRIO_PGRP = 1,
    LINUX_PRIO_USER = 2,
};

struct linux_rusage {
    struct linux_timeval utime, stime;
    int64_t maxrss; // kilobytes
    int64_t ixrss, idrss, isrss;
    int64_t minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct linux_rusage) == 144, "struct rusage");

#endif
