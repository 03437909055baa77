// System calls on clocks, and sleeping.
#include "platform/abi/time.h"
#include "kernel/clock_read.h"
#include "kernel/cpu_clock.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/timespec.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"

enum {
    COARSE_NS = 4000000,  // resolution of the coarse clocks: CONFIG_HZ=250
    STATUS_UNSYNC = 0x40, // adjtimex(2)
    ADJTIMEX_ERROR = 5,
    MAX_ERROR_US = 16000000,
};

int64_t sys_clock_gettime(struct task *task, int32_t clock, uaddr_t tp)
{
    uint64_t ns;
    int err = clock_read(task, clock, &ns);
    return err ? err : timespec_write(task, tp, ns);
}

int64_t sys_clock_getres(struct task *task, int32_t clock, uaddr_t res)
{
    uint64_t ns;
    int err = clock_read(task, clock, &ns);
    if (err || !res)
        return err;
    bool coarse = clock == LINUX_CLOCK_REALTIME_COARSE || clock == LINUX_CLOCK_MONOTONIC_COARSE;
    if (clock < 0) // of another process: those split into user and system time count ticks
        coarse = ((uint32_t)clock & LINUX_CPUCLOCK_KIND_MASK) != LINUX_CPUCLOCK_SCHED;
    return timespec_write(task, res, coarse ? COARSE_NS : 1);
}

// The host's clock is not ours to set.
int64_t sys_clock_settime(struct task *task, int32_t clock, uaddr_t tp)
{
    uint64_t ns;
    if (clock != LINUX_CLOCK_REALTIME)
        return -LINUX_EINVAL;
    int err = timespec_read(task, tp, &ns);
    return err ? err : -LINUX_EPERM;
}

int64_t sys_gettimeofday(struct task *task, uaddr_t tv, uaddr_t tz)
{
    struct linux_timeval now = timeval_from_ns(clock_realtime_ns());
    struct linux_timezone utc = {0, 0};
    if ((tv && user_put(task, tv, &now)) || (tz && user_put(task, tz, &utc)))
        return -LINUX_EFAULT;
    return 0;
}

int64_t sys_settimeofday(struct task *task, uaddr_t tv, uaddr_t tz)
{
    struct linux_timeval value;
    (void)tz;
    if (tv && user_get(task, tv, &value))
        return -LINUX_EFAULT;
    return -LINUX_EPERM;
}

static int64_t adjust(struct task *task, uaddr_t buf)
{
    struct linux_timex t;
    if (user_get(task, buf, &t))
        return -LINUX_EFAULT;
    if (t.modes)
        return -LINUX_EPERM;
    t = (struct linux_timex){
        .maxerror = MAX_ERROR_US,
        .esterror = MAX_ERROR_US,
        .status = STATUS_UNSYNC,
        .constant = 2,
        .precision = 1,
        .tolerance = 32768000,
        .time = timeval_from_ns(clock_realtime_ns()),
        .tick = 10000,
    };
    return user_put(task, buf, &t) ? -LINUX_EFAULT : ADJTIMEX_ERROR;
}

int64_t sys_adjtimex(struct task *task, uaddr_t buf)
{
    return adjust(task, buf);
}

int64_t sys_clock_adjtime(struct task *task, int32_t clock, uaddr_t tx)
{
    if (clock == LINUX_CLOCK_REALTIME)
        return adjust(task, tx);
    return clock_ticks(clock) ? -LINUX_EOPNOTSUPP : -LINUX_EINVAL;
}

// --- Sleeping ------------------------------------------------------------------------------------

static int sleep_until(struct task *task, uint64_t deadline)
{
    int err;
    do
        err = task_wait(task, deadline, WAIT_INTERRUPTIBLE);
    while (!err);
    return err == -LINUX_ETIMEDOUT ? 0 : err;
}

// A relative sleep goes on to its deadline after a signal without handler, and tells a handler's
// program how much is left.
static int64_t sleep_relative(struct task *task, uint64_t deadline, uaddr_t rem);

static int64_t sleep_restart(struct task *task, struct restart_block *block)
{
    return sleep_relative(task, block->deadline_ns, block->addr);
}

static int64_t sleep_relative(struct task *task, uint64_t deadline, uaddr_t rem)
{
    if (!sleep_until(task, deadline))
        return 0;
    uint64_t now = clock_monotonic_ns();
    if (now >= deadline)
        return 0;
    if (rem && timespec_write(task, rem, deadline - now))
        return -LINUX_EFAULT;
    task->restart =
        (struct restart_block){.run = sleep_restart, .deadline_ns = deadline, .addr = rem};
    return -ERESTART_RESTARTBLOCK;
}

int64_t sys_nanosleep(struct task *task, uaddr_t duration, uaddr_t rem)
{
    uint64_t ns;
    int err = timespec_read(task, duration, &ns);
    return err ? err : sleep_relative(task, timespec_deadline(ns), rem);
}

// Until a clock of CPU time shows `until`. -ERESTARTSYS.
static int sleep_on_cpu_clock(struct task *task, const struct cpu_clock *clock, uint64_t until)
{
    struct cpu_watch watch;
    cpu_watch_begin(&watch);
    for (;;) {
        uint64_t now = cpu_clock_read(clock);
        if (now >= until)
            return 0;
        uint64_t delay = cpu_watch_delay(&watch, now, until - now, cpu_clock_load(clock));
        int err = task_wait(task, clock_monotonic_ns() + delay, WAIT_INTERRUPTIBLE);
        if (err && err != -LINUX_ETIMEDOUT)
            return err;
    }
}

static int64_t sleep_cpu_relative(struct task *task, int32_t number, uint64_t until, uaddr_t rem);

static int64_t sleep_cpu_restart(struct task *task, struct restart_block *block)
{
    return sleep_cpu_relative(task, (int32_t)block->value[0], block->deadline_ns, block->addr);
}

static int64_t sleep_cpu_relative(struct task *task, int32_t number, uint64_t until, uaddr_t rem)
{
    struct cpu_clock clock;
    int err = cpu_clock_find(task, number, &clock);
    if (err)
        return err;
    err = sleep_on_cpu_clock(task, &clock, until);
    uint64_t now = cpu_clock_read(&clock);
    cpu_clock_put(&clock);
    if (!err || now >= until)
        return 0;
    if (rem && timespec_write(task, rem, until - now))
        return -LINUX_EFAULT;
    task->restart = (struct restart_block){
        .run = sleep_cpu_restart, .deadline_ns = until, .addr = rem, .value = {(uint32_t)number}};
    return -ERESTART_RESTARTBLOCK;
}

// A thread's own time does not pass while it sleeps.
static int64_t sleep_cpu(struct task *task, int32_t number, bool absolute, uaddr_t request,
                         uaddr_t rem)
{
    struct cpu_clock clock;
    uint64_t ns, now;
    int err = cpu_clock_find(task, number, &clock);
    if (err)
        return err;
    bool own = clock.thread == task;
    now = cpu_clock_read(&clock);
    cpu_clock_put(&clock);
    if (own)
        return -LINUX_EINVAL;
    err = timespec_read(task, request, &ns);
    if (err)
        return err;
    if (!absolute)
        return sleep_cpu_relative(task, number, ns > UINT64_MAX - now ? UINT64_MAX : now + ns, rem);
    int64_t result = sleep_cpu_relative(task, number, ns, 0);
    return result == -ERESTART_RESTARTBLOCK ? -ERESTARTNOHAND : result;
}

int64_t sys_clock_nanosleep(struct task *task, int32_t clock, uint32_t flags, uaddr_t request,
                            uaddr_t remain)
{
    uint64_t ns;
    if (!clock_ticks(clock))
        return sleep_cpu(task, clock, flags & LINUX_TIMER_ABSTIME, request, remain);
    if (clock == LINUX_CLOCK_MONOTONIC_RAW || clock == LINUX_CLOCK_REALTIME_COARSE ||
        clock == LINUX_CLOCK_MONOTONIC_COARSE)
        return -LINUX_EOPNOTSUPP;
    int err = timespec_read(task, request, &ns);
    if (err)
        return err;
    if (!(flags & LINUX_TIMER_ABSTIME))
        return sleep_relative(task, timespec_deadline(ns), remain);
    return sleep_until(task, clock_deadline(clock, ns)) ? -ERESTARTNOHAND : 0;
}
