// POSIX timers. Each has one queue entry for its signal: while that is pending, expirations are
// counted as overruns, and the next period starts when it is taken.
#include "kernel/posix_timer.h"
#include "kernel/clock_read.h"
#include "kernel/cpu_clock.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/signal_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/timer.h"
#include "kernel/timespec.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <stdlib.h>

enum {
    OVERRUN_MAX = INT32_MAX,
    CLOCK_OF_FD = 3, // a negative clock number that stands for a descriptor
    CLOCK_OF_FD_MASK = 7,
};

struct posix_timer {
    struct timer timer;
    struct process *process;   // immutable; lives longer
    struct task *thread;       // immutable, referenced: SIGEV_THREAD_ID; else NULL
    int32_t id, clock, notify; // immutable
    struct cpu_clock cpu;      // immutable: what a CPU-time timer counts; process NULL: it does not

    // Guarded by process->lock.
    struct sigqueue *signal; // detached when the timer goes while it is queued
    bool active;
    uint64_t deadline_ns; // next expiration: monotonic, or on the CPU clock
    struct cpu_watch watch;
    uint64_t interval_ns; // 0: once
    uint64_t overrun;     // expirations since the signal was queued
    uint64_t last_overrun;
};

struct posix_timers {
    struct posix_timer **slot; // by id; NULL: free
    int32_t count;             // slots
    unsigned live;
};

// --- Expiration ----------------------------------------------------------------------------------

static bool counts_cpu(const struct posix_timer *t)
{
    return t->cpu.process != NULL;
}

// Moves to the first period after now; returns how many passed. process->lock is held.
static uint64_t next_period(struct posix_timer *t, uint64_t now)
{
    if (t->deadline_ns > now)
        return 0;
    uint64_t periods = (now - t->deadline_ns) / t->interval_ns + 1;
    t->deadline_ns += periods * t->interval_ns;
    return periods;
}

static void rearm(struct posix_timer *t)
{
    timer_arm(t->process->kernel->timers, &t->timer, t->deadline_ns);
}

// The same for a CPU clock that shows `now`.
static void rearm_cpu(struct posix_timer *t, uint64_t now, struct cpu_load load)
{
    if (atomic_load_explicit(&t->cpu.process->exited, memory_order_relaxed))
        return; // it counts no more
    uint64_t left = t->deadline_ns > now ? t->deadline_ns - now : 0;
    timer_arm(t->process->kernel->timers, &t->timer,
              clock_monotonic_ns() + cpu_watch_delay(&t->watch, now, left, load));
}

static bool send(struct posix_timer *t)
{
    struct process *p = t->process;
    if (t->notify == LINUX_SIGEV_NONE)
        return false;
    if (t->thread)
        return !t->thread->exit_begun && signal_send_timer_locked(t->thread, t->signal, false);
    return signal_send_timer_locked(p->leader, t->signal, true);
}

// Periods of CPU time go on while the signal is pending.
static void fire_cpu(struct timer *timer)
{
    struct posix_timer *t = CONTAINER_OF(timer, struct posix_timer, timer);
    struct process *p = t->process;
    uint64_t now = cpu_clock_read(&t->cpu);
    struct cpu_load load = cpu_clock_load(&t->cpu);
    lock_acquire(&p->lock);
    if (t->active && !p->dead && now >= t->deadline_ns) {
        bool queued = send(t);
        if (t->interval_ns)
            t->overrun += next_period(t, now) - (queued ? 1 : 0);
        else
            t->active = false;
    }
    if (t->active && !p->dead)
        rearm_cpu(t, now, load);
    lock_release(&p->lock);
}

static void fire(struct timer *timer)
{
    struct posix_timer *t = CONTAINER_OF(timer, struct posix_timer, timer);
    struct process *p = t->process;
    lock_acquire(&p->lock);
    if (t->active && !p->dead && clock_monotonic_ns() >= t->deadline_ns) {
        bool queued = send(t);
        if (!t->interval_ns) {
            t->active = false;
        } else if (!queued) { // nobody will take it and start the next period
            t->overrun += next_period(t, clock_monotonic_ns()) - 1;
            rearm(t);
        }
    }
    lock_release(&p->lock);
}

void posix_timer_delivered(struct posix_timer *t, struct siginfo *info)
{
    if (t->active && t->interval_ns && !counts_cpu(t)) {
        uint64_t periods = next_period(t, clock_monotonic_ns());
        t->overrun += periods ? periods - 1 : 0;
        rearm(t);
    }
    t->last_overrun = t->overrun > OVERRUN_MAX ? OVERRUN_MAX : t->overrun;
    t->overrun = 0;
    info->overrun = (int32_t)t->last_overrun;
}

// --- Table ---------------------------------------------------------------------------------------

// process->lock is held.
static struct posix_timer *find(struct process *p, int32_t id)
{
    struct posix_timers *all = p->posix_timers;
    return all && id >= 0 && id < all->count ? all->slot[id] : NULL;
}

// Gives the timer a number. process->lock is held.
static int insert(struct process *p, struct posix_timer *t)
{
    struct posix_timers *all = p->posix_timers;
    if (!all && !(all = p->posix_timers = calloc(1, sizeof *all)))
        return -LINUX_EAGAIN;
    if (all->live >= p->rlimit[LINUX_RLIMIT_SIGPENDING].cur)
        return -LINUX_EAGAIN;
    int32_t id = 0;
    while (id < all->count && all->slot[id])
        id++;
    if (id == all->count) {
        int32_t count = all->count ? all->count * 2 : 4;
        struct posix_timer **slot = realloc(all->slot, (size_t)count * sizeof *slot);
        if (!slot)
            return -LINUX_EAGAIN;
        for (int32_t i = all->count; i < count; i++)
            slot[i] = NULL;
        all->slot = slot;
        all->count = count;
    }
    all->slot[id] = t;
    all->live++;
    t->id = id;
    return 0;
}

// A pending signal of a deleted timer stays pending. process->lock is held.
static void detach_signal(struct posix_timer *t)
{
    if (!t->signal || list_empty(&t->signal->node))
        return;
    t->signal->timer = NULL;
    t->process->pending_count++;
    t->signal = NULL;
}

static void release(struct posix_timer *t)
{
    timer_cancel(t->process->kernel->timers, &t->timer);
    task_put(t->thread);
    cpu_clock_put(&t->cpu);
    free(t->signal);
    free(t);
}

// process->lock is held; the caller releases the timer after unlocking.
static void remove_timer(struct process *p, struct posix_timer *t)
{
    p->posix_timers->slot[t->id] = NULL;
    p->posix_timers->live--;
    t->active = false;
    detach_signal(t);
}

void posix_timers_end(struct process *p)
{
    struct posix_timer *t;
    int32_t id = 0;
    lock_acquire(&p->lock);
    while (p->posix_timers && id < p->posix_timers->count) {
        t = p->posix_timers->slot[id++];
        if (!t)
            continue;
        remove_timer(p, t);
        lock_release(&p->lock);
        release(t);
        lock_acquire(&p->lock);
    }
    struct posix_timers *all = p->posix_timers;
    p->posix_timers = NULL;
    lock_release(&p->lock);
    if (all)
        free(all->slot);
    free(all);
}

// --- System calls --------------------------------------------------------------------------------

static int check_event(struct task *task, const struct linux_sigevent *e, struct task **thread)
{
    *thread = NULL;
    switch (e->notify) {
    case LINUX_SIGEV_NONE:
        return 0;
    case LINUX_SIGEV_THREAD_ID | LINUX_SIGEV_SIGNAL:
        *thread = task_find(task->kernel, pid_arg(task, e->tid));
        if (!*thread || (*thread)->process != task->process) {
            task_put(*thread);
            *thread = NULL;
            return -LINUX_EINVAL;
        }
        FALLTHROUGH;
    case LINUX_SIGEV_SIGNAL:
    case LINUX_SIGEV_THREAD:
        return e->signo > 0 && e->signo <= LINUX_NSIG ? 0 : -LINUX_EINVAL;
    default:
        return -LINUX_EINVAL;
    }
}

// Finds what is counted when it is CPU time.
static int check_clock(struct task *task, int32_t clock, struct cpu_clock *cpu)
{
    *cpu = (struct cpu_clock){0};
    if (clock < 0 && (clock & CLOCK_OF_FD_MASK) == CLOCK_OF_FD)
        return -LINUX_EOPNOTSUPP; // a clock device's: none can have timers
    if (!clock_ticks(clock))
        return cpu_clock_find(task, clock, cpu);
    return clock == LINUX_CLOCK_REALTIME_COARSE || clock == LINUX_CLOCK_MONOTONIC_COARSE ||
                   clock == LINUX_CLOCK_MONOTONIC_RAW
               ? -LINUX_EOPNOTSUPP
               : 0;
}

// `thread` and what `cpu` refers to are the timer's then.
static struct posix_timer *make(struct task *task, int32_t clock, const struct cpu_clock *cpu,
                                const struct linux_sigevent *e, struct task *thread)
{
    struct posix_timer *t = calloc(1, sizeof *t);
    struct sigqueue *q = calloc(1, sizeof *q);
    if (!t || !q) {
        free(t);
        free(q);
        return NULL;
    }
    timer_init(&t->timer, cpu->process ? fire_cpu : fire);
    t->cpu = *cpu;
    t->process = task->process;
    t->thread = thread;
    t->clock = clock;
    t->notify = e->notify;
    t->signal = q;
    list_init(&q->node);
    q->timer = t;
    q->info = (struct siginfo){.signo = e->signo, .code = LINUX_SI_TIMER, .value = e->value};
    return t;
}

int64_t sys_timer_create(struct task *task, int32_t clock, uaddr_t event, uaddr_t timerid)
{
    struct process *p = task->process;
    struct linux_sigevent e = {.signo = LINUX_SIGALRM, .notify = LINUX_SIGEV_SIGNAL};
    struct task *thread = NULL;
    struct cpu_clock cpu;
    if (event && user_get(task, event, &e))
        return -LINUX_EFAULT;
    int err = check_clock(task, clock, &cpu);
    if (!err)
        err = check_event(task, &e, &thread);
    struct posix_timer *t = err ? NULL : make(task, clock, &cpu, &e, thread);
    if (!t) {
        task_put(thread);
        cpu_clock_put(&cpu);
        return err ? err : -LINUX_EAGAIN;
    }
    lock_acquire(&p->lock);
    err = insert(p, t);
    int32_t id = t->id;
    t->signal->info.timer_id = id;
    if (!event)
        t->signal->info.value = (uint64_t)id;
    lock_release(&p->lock);
    if (err) {
        release(t);
        return err;
    }
    if (user_put(task, timerid, &id)) {
        (void)sys_timer_delete(task, id);
        return -LINUX_EFAULT;
    }
    return 0;
}

int64_t sys_timer_delete(struct task *task, int32_t timerid)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    struct posix_timer *t = find(p, timerid);
    if (t)
        remove_timer(p, t);
    lock_release(&p->lock);
    if (!t)
        return -LINUX_EINVAL;
    release(t);
    return 0;
}

// process->lock is held.
static struct linux_itimerspec value_of(const struct posix_timer *t, uint64_t now)
{
    struct linux_itimerspec v = {.interval = timespec_from_ns(t->interval_ns)};
    if (t->active) {
        uint64_t at = t->deadline_ns;
        if (at <= now && t->interval_ns)
            at += ((now - at) / t->interval_ns + 1) * t->interval_ns;
        // 0 means "not running", which one that tells nobody is when its time has come.
        const uint64_t least = t->notify == LINUX_SIGEV_NONE ? 0 : 1;
        v.value = timespec_from_ns(at > now ? at - now : least);
    }
    return v;
}

// The clock of a timer is read without a lock: the timer is looked for, and the clock, which
// cannot change, copied. False: no such timer.
static bool clock_of(struct process *p, int32_t id, struct cpu_clock *cpu)
{
    lock_acquire(&p->lock);
    struct posix_timer *t = find(p, id);
    *cpu = (struct cpu_clock){0};
    if (t && counts_cpu(t)) {
        *cpu = t->cpu;
        if (cpu->thread)
            task_get(cpu->thread);
        process_get(cpu->process);
    }
    lock_release(&p->lock);
    return t;
}

struct moment {
    uint64_t now;
    struct cpu_load load;
    bool cpu;
};

static int read_clock(struct process *p, int32_t id, struct moment *m)
{
    struct cpu_clock cpu;
    if (!clock_of(p, id, &cpu))
        return -LINUX_EINVAL;
    m->cpu = cpu.process != NULL;
    m->now = m->cpu ? cpu_clock_read(&cpu) : clock_monotonic_ns();
    m->load = m->cpu ? cpu_clock_load(&cpu) : (struct cpu_load){0};
    cpu_clock_put(&cpu);
    return 0;
}

// The timer, if it is still the one whose clock was read. process->lock is held.
static struct posix_timer *find_again(struct process *p, int32_t id, const struct moment *m)
{
    struct posix_timer *t = find(p, id);
    return t && counts_cpu(t) == m->cpu ? t : NULL;
}

int64_t sys_timer_gettime(struct task *task, int32_t timerid, uaddr_t value)
{
    struct process *p = task->process;
    struct linux_itimerspec v;
    struct moment m;
    if (read_clock(p, timerid, &m))
        return -LINUX_EINVAL;
    lock_acquire(&p->lock);
    struct posix_timer *t = find_again(p, timerid, &m);
    if (t)
        v = value_of(t, m.now);
    lock_release(&p->lock);
    return t ? user_put(task, value, &v) : -LINUX_EINVAL;
}

int64_t sys_timer_getoverrun(struct task *task, int32_t timerid)
{
    struct process *p = task->process;
    lock_acquire(&p->lock);
    struct posix_timer *t = find(p, timerid);
    int64_t result = t ? (int64_t)t->last_overrun : -LINUX_EINVAL;
    lock_release(&p->lock);
    return result;
}

// process->lock is held.
static void start(struct posix_timer *t, const struct moment *m, bool absolute, uint64_t ns,
                  uint64_t interval)
{
    t->active = ns != 0;
    t->interval_ns = ns ? interval : 0;
    t->overrun = t->last_overrun = 0;
    cpu_watch_begin(&t->watch);
    if (m->cpu)
        t->deadline_ns = absolute ? ns : ns > UINT64_MAX - m->now ? UINT64_MAX : m->now + ns;
    else
        t->deadline_ns = absolute ? clock_deadline(t->clock, ns) : timespec_deadline(ns);
    if (!t->active)
        timer_disarm(t->process->kernel->timers, &t->timer);
    else if (m->cpu)
        rearm_cpu(t, m->now, m->load);
    else
        rearm(t);
}

int64_t sys_timer_settime(struct task *task, int32_t timerid, uint32_t flags, uaddr_t value,
                          uaddr_t old)
{
    struct process *p = task->process;
    struct linux_itimerspec v, before;
    struct moment m;
    uint64_t ns, interval;
    if (!value)
        return -LINUX_EINVAL;
    if (user_get(task, value, &v))
        return -LINUX_EFAULT;
    if (timespec_to_ns(&v.value, &ns) || timespec_to_ns(&v.interval, &interval) ||
        read_clock(p, timerid, &m))
        return -LINUX_EINVAL;
    lock_acquire(&p->lock);
    struct posix_timer *t = find_again(p, timerid, &m);
    if (t) {
        before = value_of(t, m.now);
        start(t, &m, flags & LINUX_TIMER_ABSTIME, ns, interval);
    }
    lock_release(&p->lock);
    if (!t)
        return -LINUX_EINVAL;
    return old && user_put(task, old, &before) ? -LINUX_EFAULT : 0;
}
