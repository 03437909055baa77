#include "platform/clock.h"
#include <time.h>
#if defined(__APPLE__)
#include <mach/mach.h>
#endif

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_realtime_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t clock_boottime_ns(void)
{
#if defined(CLOCK_BOOTTIME)
    return read_clock(CLOCK_BOOTTIME);
#else
    return read_clock(CLOCK_MONOTONIC);
#endif
}

uint64_t clock_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

#if defined(__APPLE__)
uint64_t clock_cpu_ns_of(pthread_t thread)
{
    thread_basic_info_data_t info;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
    if (thread_info(pthread_mach_thread_np(thread), THREAD_BASIC_INFO, (thread_info_t)&info,
                    &count))
        return 0;
    uint64_t us = (uint64_t)info.user_time.microseconds + (uint64_t)info.system_time.microseconds;
    uint64_t s = (uint64_t)info.user_time.seconds + (uint64_t)info.system_time.seconds;
    return s * NSEC_PER_SEC + us * 1000;
}
#else
uint64_t clock_cpu_ns_of(pthread_t thread)
{
    clockid_t id;
    return pthread_getcpuclockid(thread, &id) ? 0 : read_clock(id);
}
#endif

uint64_t clock_process_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t clock_resolution_ns(void)
{
    struct timespec ts;
    clock_getres(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}
