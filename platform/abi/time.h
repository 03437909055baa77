// Clocks and time structs (linux/time.h, linux/time_types.h, linux/times.h). Layer 0.
#ifndef PLATFORM_ABI_TIME_H
#define PLATFORM_ABI_TIME_H

#include <stdint.h>

enum {
    LINUX_CLOCK_REALTIME = 0,
    LINUX_CLOCK_MONOTONIC = 1,
    LINUX_CLOCK_PROCESS_CPUTIME_ID = 2,
    LINUX_CLOCK_THREAD_CPUTIME_ID = 3,
    LINUX_CLOCK_MONOTONIC_RAW = 4,
    LINUX_CLOCK_REALTIME_COARSE = 5,
    LINUX_CLOCK_MONOTONIC_COARSE = 6,
    LINUX_CLOCK_BOOTTIME = 7,
    LINUX_CLOCK_REALTIME_ALARM = 8,
    LINUX_CLOCK_BOOTTIME_ALARM = 9,
    LINUX_CLOCK_TAI = 11,
};

// Negative clock numbers: ~pid << 3 | kind, with LINUX_CPUCLOCK_PER_THREAD for a thread.
enum {
    LINUX_CPUCLOCK_PROF = 0,
    LINUX_CPUCLOCK_VIRT = 1,
    LINUX_CPUCLOCK_SCHED = 2,
    LINUX_CPUCLOCK_MAX = 3,
    LINUX_CPUCLOCK_KIND_MASK = 3,
    LINUX_CPUCLOCK_PER_THREAD = 4,
};

enum {
    LINUX_TIMER_ABSTIME = 1,
    LINUX_TFD_TIMER_CANCEL_ON_SET = 2,
    LINUX_ITIMER_REAL = 0,
    LINUX_ITIMER_VIRTUAL = 1,
    LINUX_ITIMER_PROF = 2,
    LINUX_USER_HZ = 100, // clock ticks of times(2) and /proc
};
// timerfd ioctl
#define LINUX_TFD_IOC_SET_TICKS 0x40085400u

struct linux_timespec {
    int64_t sec, nsec;
};
struct linux_timeval {
    int64_t sec, usec;
};
struct linux_timezone {
    int32_t minuteswest, dsttime;
};
struct linux_itimerspec {
    struct linux_timespec interval, value;
};
struct linux_itimerval {
    struct linux_timeval interval, value;
};
struct linux_tms {
    int64_t utime, stime, cutime, cstime;
};
struct linux_timex {
    uint32_t modes, pad0;
    int64_t offset, freq, maxerror, esterror;
    int32_t status, pad1;
    int64_t constant, precision, tolerance;
    struct linux_timeval time;
    int64_t tick, ppsfreq, jitter;
    int32_t shift, pad2;
    int64_t stabil, jitcnt, calcnt, errcnt, stbcnt;
    int32_t tai, pad3[11];
};
_Static_assert(sizeof(struct linux_timex) == 208, "struct timex");

#endif
