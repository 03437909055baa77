// Host clocks. Layer 1. Nanoseconds everywhere.
#ifndef PLATFORM_CLOCK_H
#define PLATFORM_CLOCK_H

#include "platform/base/compiler.h"
#include <pthread.h>
#include <stdint.h>

#define NSEC_PER_SEC 1000000000ull

// CLOCK_MONOTONIC: the base of every deadline in the program.
uint64_t clock_monotonic_ns(void);
// CLOCK_REALTIME since the epoch.
uint64_t clock_realtime_ns(void);
// Time since boot including suspend; equals the monotonic clock where the host has none.
uint64_t clock_boottime_ns(void);
// CPU time used by the calling thread, and by the whole host process.
uint64_t clock_thread_cpu_ns(void);
uint64_t clock_process_cpu_ns(void);
// CPU time of another thread, which must not have ended.
uint64_t clock_cpu_ns_of(pthread_t thread);
// Resolution of the monotonic clock.
uint64_t clock_resolution_ns(void);

#endif
