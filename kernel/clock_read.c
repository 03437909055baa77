#include "kernel/clock_read.h"
#include "kernel/cpu_clock.h"
#include "kernel/timespec.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"

bool clock_ticks(int32_t clock)
{
    switch (clock) {
    case LINUX_CLOCK_REALTIME:
    case LINUX_CLOCK_MONOTONIC:
    case LINUX_CLOCK_MONOTONIC_RAW:
    case LINUX_CLOCK_REALTIME_COARSE:
    case LINUX_CLOCK_MONOTONIC_COARSE:
    case LINUX_CLOCK_BOOTTIME:
    case LINUX_CLOCK_REALTIME_ALARM:
    case LINUX_CLOCK_BOOTTIME_ALARM:
    case LINUX_CLOCK_TAI:
        return true;
    default:
        return false;
    }
}

uint64_t clock_now(int32_t clock)
{
    switch (clock) {
    case LINUX_CLOCK_REALTIME:
    case LINUX_CLOCK_REALTIME_COARSE:
    case LINUX_CLOCK_REALTIME_ALARM:
    case LINUX_CLOCK_TAI: // the offset is 0 until something sets it
        return clock_realtime_ns();
    case LINUX_CLOCK_BOOTTIME:
    case LINUX_CLOCK_BOOTTIME_ALARM:
        return clock_boottime_ns();
    default:
        return clock_monotonic_ns();
    }
}

uint64_t clock_deadline(int32_t clock, uint64_t ns)
{
    uint64_t now = clock_now(clock);
    return timespec_deadline(ns > now ? ns - now : 0);
}

uint64_t clock_for_vdso(unsigned clock)
{
    return clock_ticks((int32_t)clock) ? clock_now((int32_t)clock) : UINT64_MAX;
}

int clock_read(struct task *task, int32_t clock, uint64_t *ns)
{
    if (clock_ticks(clock)) {
        *ns = clock_now(clock);
        return 0;
    }
    struct cpu_clock cpu;
    int err = cpu_clock_find(task, clock, &cpu);
    if (err)
        return err;
    *ns = cpu_clock_read(&cpu);
    cpu_clock_put(&cpu);
    return 0;
}
