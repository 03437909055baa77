#include "kernel/timespec.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"

enum { NSEC_PER_USEC = 1000, USEC_PER_SEC = 1000000 };

static uint64_t saturate(int64_t sec, uint64_t nsec)
{
    uint64_t s = (uint64_t)sec;
    if (s >= INT64_MAX / NSEC_PER_SEC)
        return INT64_MAX;
    return s * NSEC_PER_SEC + nsec;
}

int timespec_to_ns(const struct linux_timespec *ts, uint64_t *ns)
{
    if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= (int64_t)NSEC_PER_SEC)
        return -LINUX_EINVAL;
    *ns = saturate(ts->sec, (uint64_t)ts->nsec);
    return 0;
}

int timeval_to_ns(const struct linux_timeval *tv, uint64_t *ns)
{
    if (tv->sec < 0 || tv->usec < 0 || tv->usec >= USEC_PER_SEC)
        return -LINUX_EINVAL;
    *ns = saturate(tv->sec, (uint64_t)tv->usec * NSEC_PER_USEC);
    return 0;
}

struct linux_timespec timespec_from_ns(uint64_t ns)
{
    return (struct linux_timespec){(int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC)};
}

struct linux_timeval timeval_from_ns(uint64_t ns)
{
    return (struct linux_timeval){(int64_t)(ns / NSEC_PER_SEC),
                                  (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
}

int timespec_read(struct task *task, uaddr_t addr, uint64_t *ns)
{
    struct linux_timespec ts;
    int err = user_get(task, addr, &ts);
    return err ? err : timespec_to_ns(&ts, ns);
}

int timespec_write(struct task *task, uaddr_t addr, uint64_t ns)
{
    struct linux_timespec ts = timespec_from_ns(ns);
    return user_put(task, addr, &ts);
}

uint64_t timespec_deadline(uint64_t ns)
{
    uint64_t now = clock_monotonic_ns();
    return ns > WAIT_FOREVER - 1 - now ? WAIT_FOREVER : now + ns;
}

uint64_t timespec_realtime_deadline(uint64_t realtime_ns)
{
    uint64_t now = clock_realtime_ns();
    return timespec_deadline(realtime_ns > now ? realtime_ns - now : 0);
}
