#include "kernel/cpu_clock.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/usage.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/time.h"

enum { DELAY_MIN_NS = 1000000, DELAY_MAX_NS = 1000000000 };

static int find_dynamic(struct task *task, int32_t clock, struct cpu_clock *out)
{
    uint32_t kind = (uint32_t)clock & LINUX_CPUCLOCK_KIND_MASK;
    int32_t pid = ~(clock >> 3);
    if (kind >= LINUX_CPUCLOCK_MAX || pid < 0)
        return -LINUX_EINVAL;
    *out = (struct cpu_clock){.kind = kind};
    if (clock & LINUX_CPUCLOCK_PER_THREAD) {
        struct task *t = pid ? task_find(task->kernel, pid_arg(task, pid)) : task_get(task);
        if (!t || t->process != task->process) {
            task_put(t);
            return -LINUX_EINVAL;
        }
        out->thread = t;
        out->process = process_get(t->process);
        return 0;
    }
    out->process =
        pid ? process_find(task->kernel, pid_arg(task, pid)) : process_get(task->process);
    return out->process ? 0 : -LINUX_EINVAL;
}

int cpu_clock_find(struct task *task, int32_t clock, struct cpu_clock *out)
{
    if (clock < 0)
        return find_dynamic(task, clock, out);
    *out = (struct cpu_clock){.kind = LINUX_CPUCLOCK_SCHED};
    if (clock == LINUX_CLOCK_THREAD_CPUTIME_ID)
        out->thread = task_get(task);
    else if (clock != LINUX_CLOCK_PROCESS_CPUTIME_ID)
        return -LINUX_EINVAL;
    out->process = process_get(task->process);
    return 0;
}

void cpu_clock_put(struct cpu_clock *clock)
{
    task_put(clock->thread);
    process_put(clock->process);
    *clock = (struct cpu_clock){0};
}

uint64_t cpu_clock_read(const struct cpu_clock *clock)
{
    uint64_t user, system;
    if (clock->thread) {
        struct cpu_times times;
        task_cpu_times(clock->thread, &times);
        user = times.user_ns;
        system = times.system_ns;
    } else {
        struct usage u;
        process_usage(clock->process, &u);
        user = u.user_ns;
        system = u.system_ns;
    }
    return clock->kind == LINUX_CPUCLOCK_VIRT ? user : user + system;
}

static bool is_awake(const struct task *task)
{
    return atomic_load_explicit(&task->state, memory_order_relaxed) == TASK_RUNNING;
}

struct cpu_load cpu_clock_load(const struct cpu_clock *clock)
{
    if (clock->thread)
        return (struct cpu_load){1, is_awake(clock->thread)};
    struct process *p = clock->process;
    struct cpu_load load = {1, false};
    struct task *t;
    lock_acquire(&p->kernel->tasklist);
    if (p->live_threads)
        load.threads = p->live_threads;
    list_for_each (t, &p->threads, thread_link) {
        load.awake = is_awake(t);
        if (load.awake)
            break;
    }
    lock_release(&p->kernel->tasklist);
    return load;
}

uint64_t cpu_watch_delay(struct cpu_watch *w, uint64_t now, uint64_t left, struct cpu_load load)
{
    uint64_t least = left / load.threads, wait = least;
    if (now == w->last_ns && !load.awake && w->delay_ns * 2 > wait)
        wait = w->delay_ns * 2;
    wait = wait < DELAY_MIN_NS ? DELAY_MIN_NS : wait;
    wait =
        wait > DELAY_MAX_NS && wait > least ? (least > DELAY_MAX_NS ? least : DELAY_MAX_NS) : wait;
    w->last_ns = now;
    w->delay_ns = wait;
    return wait;
}
