#include "kernel/usage.h"
#include "kernel/mm.h"
#include "kernel/syscall_handlers.h"
#include "kernel/timespec.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"

// --- The clock of one thread ---------------------------------------------------------------------

void usage_start_clock(struct task *task)
{
    lock_acquire(&task->lock);
    task->host_thread = pthread_self();
    task->cpu_clock_base_ns = clock_thread_cpu_ns();
    task->cpu_running = true;
    lock_release(&task->lock);
}

void usage_stop_clock(struct task *task)
{
    uint64_t now = clock_thread_cpu_ns();
    lock_acquire(&task->lock);
    atomic_store_explicit(&task->cpu_final_ns, now - task->cpu_clock_base_ns, memory_order_relaxed);
    task->cpu_running = false;
    lock_release(&task->lock);
}

void task_cpu_times(struct task *task, struct cpu_times *out)
{
    lock_acquire(&task->lock);
    uint64_t total = atomic_load_explicit(&task->cpu_final_ns, memory_order_relaxed);
    if (task->cpu_running) {
        uint64_t now = clock_cpu_ns_of(task->host_thread);
        total = now > task->cpu_clock_base_ns ? now - task->cpu_clock_base_ns : 0;
    }
    lock_release(&task->lock);
    uint64_t system = atomic_load_explicit(&task->system_ns, memory_order_relaxed);
    out->system_ns = system < total ? system : total;
    out->user_ns = total - out->system_ns;
}

uint64_t usage_sample_begin(void)
{
    return clock_thread_cpu_ns();
}

void usage_sample_end(struct task *task, uint64_t begin)
{
    atomic_fetch_add_explicit(&task->system_ns,
                              (clock_thread_cpu_ns() - begin) * USAGE_SAMPLE_EVERY,
                              memory_order_relaxed);
}

// --- Sums ----------------------------------------------------------------------------------------

void usage_add(struct usage *to, const struct usage *from)
{
    to->user_ns += from->user_ns;
    to->system_ns += from->system_ns;
    to->min_faults += from->min_faults;
    to->maj_faults += from->maj_faults;
    to->voluntary_switches += from->voluntary_switches;
    to->involuntary_switches += from->involuntary_switches;
    if (from->max_rss > to->max_rss)
        to->max_rss = from->max_rss;
}

void usage_add_task(struct usage *to, struct task *task)
{
    struct cpu_times times;
    task_cpu_times(task, &times);
    struct usage u = {
        .user_ns = times.user_ns,
        .system_ns = times.system_ns,
        .min_faults = atomic_load_explicit(&task->min_faults, memory_order_relaxed),
        .maj_faults = atomic_load_explicit(&task->maj_faults, memory_order_relaxed),
        .voluntary_switches = atomic_load_explicit(&task->voluntary_switches, memory_order_relaxed),
        .involuntary_switches =
            atomic_load_explicit(&task->involuntary_switches, memory_order_relaxed),
    };
    usage_add(to, &u);
}

void process_usage_locked(struct process *process, struct usage *out)
{
    *out = process->dead_threads;
    struct task *t;
    list_for_each (t, &process->threads, thread_link)
        usage_add_task(out, t);
}

void process_usage(struct process *process, struct usage *out)
{
    lock_acquire(&process->kernel->tasklist);
    process_usage_locked(process, out);
    lock_release(&process->kernel->tasklist);
}

enum { BYTES_PER_KB = 1024 };

struct linux_rusage usage_to_guest(const struct usage *u)
{
    return (struct linux_rusage){
        .utime = timeval_from_ns(u->user_ns),
        .stime = timeval_from_ns(u->system_ns),
        .maxrss = (int64_t)(u->max_rss / BYTES_PER_KB),
        .minflt = (int64_t)u->min_faults,
        .majflt = (int64_t)u->maj_faults,
        .nvcsw = (int64_t)u->voluntary_switches,
        .nivcsw = (int64_t)u->involuntary_switches,
    };
}

// --- System calls --------------------------------------------------------------------------------

static uint64_t peak_rss(struct task *task)
{
    struct mm_usage m;
    mm_usage_get(task->mm, &m);
    return m.peak_rss;
}

int64_t sys_getrusage(struct task *task, int32_t who, uaddr_t usage)
{
    struct process *p = task->process;
    struct usage u = {0};
    switch (who) {
    case LINUX_RUSAGE_SELF:
        process_usage(p, &u);
        break;
    case LINUX_RUSAGE_THREAD:
        usage_add_task(&u, task);
        break;
    case LINUX_RUSAGE_CHILDREN:
        lock_acquire(&task->kernel->tasklist);
        u = p->children;
        lock_release(&task->kernel->tasklist);
        break;
    default:
        return -LINUX_EINVAL;
    }
    if (who != LINUX_RUSAGE_CHILDREN) {
        uint64_t peak = peak_rss(task);
        if (peak > u.max_rss)
            u.max_rss = peak;
    }
    struct linux_rusage out = usage_to_guest(&u);
    return user_put(task, usage, &out);
}

static int64_t ticks(uint64_t ns)
{
    return (int64_t)(ns / (NSEC_PER_SEC / LINUX_USER_HZ));
}

int64_t sys_times(struct task *task, uaddr_t buf)
{
    struct process *p = task->process;
    if (buf) {
        struct usage self, children;
        lock_acquire(&task->kernel->tasklist);
        process_usage_locked(p, &self);
        children = p->children;
        lock_release(&task->kernel->tasklist);
        struct linux_tms tms = {ticks(self.user_ns), ticks(self.system_ns), ticks(children.user_ns),
                                ticks(children.system_ns)};
        if (user_put(task, buf, &tms))
            return -LINUX_EFAULT;
    }
    return ticks(clock_boottime_ns());
}
