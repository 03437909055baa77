#include "kernel/clock_read.h"
#include "kernel/process.h"
#include "kernel/timespec.h"
#include "kernel/usage.h"
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

static void process_cpu(struct process *p, uint32_t kind, uint64_t *ns)
{
    struct usage u;
    process_usage(p, &u);
    *ns = kind == LINUX_CPUCLOCK_VIRT ? u.user_ns : u.user_ns + u.system_ns;
}

static void thread_cpu(struct task *t, uint32_t kind, uint64_t *ns)
{
    struct cpu_times times;
    task_cpu_times(t, &times);
    *ns = kind == LINUX_CPUCLOCK_VIRT ? times.user_ns : times.user_ns + times.system_ns;
}

// Clock numbers that name a process or a thread (clock_getcpuclockid(3)).
static int read_dynamic(struct task *task, int32_t clock, uint64_t *ns)
{
    uint32_t kind = (uint32_t)clock & LINUX_CPUCLOCK_KIND_MASK;
    int32_t pid = ~(clock >> 3);
    if (kind >= LINUX_CPUCLOCK_MAX || pid < 0)
        return -LINUX_EINVAL;
    if (clock & LINUX_CPUCLOCK_PER_THREAD) {
        struct task *t = pid ? task_find(task->kernel, pid) : task_get(task);
        bool same = t && t->process == task->process;
        if (same)
            thread_cpu(t, kind, ns);
        task_put(t);
        return same ? 0 : -LINUX_EINVAL;
    }
    struct process *p = pid ? process_find(task->kernel, pid) : process_get(task->process);
    if (!p)
        return -LINUX_EINVAL;
    process_cpu(p, kind, ns);
    process_put(p);
    return 0;
}

int clock_read(struct task *task, int32_t clock, uint64_t *ns)
{
    if (clock < 0)
        return read_dynamic(task, clock, ns);
    if (clock == LINUX_CLOCK_PROCESS_CPUTIME_ID)
        process_cpu(task->process, LINUX_CPUCLOCK_SCHED, ns);
    else if (clock == LINUX_CLOCK_THREAD_CPUTIME_ID)
        thread_cpu(task, LINUX_CPUCLOCK_SCHED, ns);
    else if (clock_ticks(clock))
        *ns = clock_now(clock);
    else
        return -LINUX_EINVAL;
    return 0;
}
