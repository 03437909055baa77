// Interval timers of a process, and RLIMIT_CPU. ITIMER_REAL counts time; the others count CPU time
// of all threads, as kernel/cpu_clock.h does.
#include "kernel/itimer.h"
#include "kernel/cpu_clock.h"
#include "kernel/process.h"
#include "kernel/signal_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/timer.h"
#include "kernel/timespec.h"
#include "kernel/usage.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <stdlib.h>

enum {
    CPU_LIMIT = 3, // RLIMIT_CPU, as one more kind
    USER_KINDS = 3,
    KINDS = 4,
};

struct itimer {
    struct timer timer;
    struct itimers *owner; // immutable
    int32_t kind;          // immutable: LINUX_ITIMER_*, CPU_LIMIT
    // Guarded by process->lock.
    bool active;
    uint64_t expires_ns;    // on the timer's own clock
    uint64_t interval_ns;   // 0: once
    struct cpu_watch watch; // of the kinds that count CPU time
};

struct itimers {
    struct process *process; // lives longer
    struct itimer kind[KINDS];
};

static uint64_t own_clock(struct process *p, int32_t kind)
{
    if (kind == LINUX_ITIMER_REAL)
        return clock_monotonic_ns();
    struct usage u;
    process_usage(p, &u);
    return kind == LINUX_ITIMER_VIRTUAL ? u.user_ns : u.user_ns + u.system_ns;
}

static struct cpu_load load_of(struct process *p)
{
    return cpu_clock_load(&(struct cpu_clock){.process = p});
}

// When to look again; process->lock is held. A process that ends is not looked at any more.
static void schedule(struct itimer *t, uint64_t now, struct cpu_load load)
{
    struct timer_wheel *wheel = t->owner->process->kernel->timers;
    if (t->owner->process->dead)
        return;
    if (t->kind == LINUX_ITIMER_REAL) {
        timer_arm(wheel, &t->timer, t->expires_ns);
        return;
    }
    uint64_t left = t->expires_ns > now ? t->expires_ns - now : 0;
    uint64_t wait = cpu_watch_delay(&t->watch, now, left, load);
    timer_arm(wheel, &t->timer, clock_monotonic_ns() + wait);
}

// Beyond the soft limit a signal each second, at the hard one the end. process->lock is held.
static int32_t cpu_limit_signal(struct process *p, uint64_t now)
{
    uint64_t max = p->rlimit[LINUX_RLIMIT_CPU].max;
    return max != LINUX_RLIM_INFINITY && now / NSEC_PER_SEC >= max ? LINUX_SIGKILL : LINUX_SIGXCPU;
}

static void fire(struct timer *timer)
{
    static const int32_t signals[KINDS] = {LINUX_SIGALRM, LINUX_SIGVTALRM, LINUX_SIGPROF, 0};
    struct itimer *t = CONTAINER_OF(timer, struct itimer, timer);
    struct process *p = t->owner->process;
    uint64_t now = own_clock(p, t->kind);
    struct cpu_load load = load_of(p);
    lock_acquire(&p->lock);
    if (t->active && now >= t->expires_ns) {
        struct siginfo info = {.signo = signals[t->kind], .code = LINUX_SI_KERNEL};
        if (t->kind == CPU_LIMIT) {
            info.signo = cpu_limit_signal(p, now);
            p->rlimit[LINUX_RLIMIT_CPU].cur++; // the next warning is a second away, as Linux shows
        }
        if (!p->dead)
            (void)signal_send_locked(p->leader, &info, true);
        t->active = t->interval_ns != 0;
        if (t->active) // periods nobody was there for are skipped
            t->expires_ns +=
                (now - t->expires_ns) / t->interval_ns * t->interval_ns + t->interval_ns;
    }
    if (t->active)
        schedule(t, now, load);
    lock_release(&p->lock);
}

// Made when first needed. NULL without memory.
static struct itimers *get_itimers(struct process *p)
{
    lock_acquire(&p->lock);
    struct itimers *t = p->itimers;
    lock_release(&p->lock);
    if (t)
        return t;
    struct itimers *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return NULL;
    fresh->process = p;
    for (int32_t i = 0; i < KINDS; i++) {
        timer_init(&fresh->kind[i].timer, fire);
        fresh->kind[i].owner = fresh;
        fresh->kind[i].kind = i;
    }
    lock_acquire(&p->lock);
    if (!p->itimers)
        p->itimers = fresh;
    t = p->itimers;
    lock_release(&p->lock);
    if (t != fresh)
        free(fresh);
    return t;
}

void itimer_end(struct process *p)
{
    struct itimers *t = p->itimers;
    for (int i = 0; t && i < KINDS; i++)
        timer_cancel(p->kernel->timers, &t->kind[i].timer);
}

void itimer_cpu_limit_changed(struct process *p)
{
    lock_acquire(&p->lock);
    uint64_t limit = p->rlimit[LINUX_RLIMIT_CPU].cur;
    struct itimers *all = p->itimers;
    lock_release(&p->lock);
    if (!all && limit != LINUX_RLIM_INFINITY)
        all = get_itimers(p);
    if (!all)
        return;
    uint64_t now = own_clock(p, CPU_LIMIT);
    struct cpu_load load = load_of(p);
    struct itimer *t = &all->kind[CPU_LIMIT];
    lock_acquire(&p->lock);
    t->active = limit < INT64_MAX / NSEC_PER_SEC;
    t->expires_ns = t->active ? limit * NSEC_PER_SEC : 0;
    t->interval_ns = NSEC_PER_SEC;
    cpu_watch_begin(&t->watch);
    if (t->active)
        schedule(t, now, load);
    else
        timer_disarm(p->kernel->timers, &t->timer);
    lock_release(&p->lock);
}

// --- System calls --------------------------------------------------------------------------------

// process->lock is held.
static struct linux_itimerval value_of(const struct itimer *t, uint64_t now)
{
    struct linux_itimerval v = {.interval = timeval_from_ns(t->interval_ns)};
    if (t->active) {
        enum { USEC = 1000 };
        uint64_t left = t->expires_ns > now ? t->expires_ns - now : USEC;
        v.value = timeval_from_ns(left < USEC ? USEC : left); // 0 would mean "not running"
    }
    return v;
}

int64_t sys_getitimer(struct task *task, int32_t which, uaddr_t value)
{
    struct process *p = task->process;
    if (which < 0 || which >= USER_KINDS)
        return -LINUX_EINVAL;
    uint64_t now = own_clock(p, which);
    struct linux_itimerval v = {{0, 0}, {0, 0}};
    lock_acquire(&p->lock);
    if (p->itimers)
        v = value_of(&p->itimers->kind[which], now);
    lock_release(&p->lock);
    return user_put(task, value, &v);
}

static int read_itimerval(struct task *task, uaddr_t addr, uint64_t *value, uint64_t *interval)
{
    struct linux_itimerval v = {{0, 0}, {0, 0}};
    if (addr && user_get(task, addr, &v))
        return -LINUX_EFAULT;
    int err = timeval_to_ns(&v.value, value);
    return err ? err : timeval_to_ns(&v.interval, interval);
}

int64_t sys_setitimer(struct task *task, int32_t which, uaddr_t value, uaddr_t old)
{
    struct process *p = task->process;
    uint64_t ns, interval;
    if (which < 0 || which >= USER_KINDS)
        return -LINUX_EINVAL;
    int err = read_itimerval(task, value, &ns, &interval);
    if (err)
        return err;
    struct itimers *all = get_itimers(p);
    if (!all)
        return -LINUX_ENOMEM;
    uint64_t now = own_clock(p, which);
    struct cpu_load load = load_of(p);
    struct itimer *t = &all->kind[which];
    lock_acquire(&p->lock);
    struct linux_itimerval before = value_of(t, now);
    t->active = ns != 0;
    t->expires_ns = ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
    t->interval_ns = ns ? interval : 0;
    cpu_watch_begin(&t->watch);
    if (t->active)
        schedule(t, now, load);
    else
        timer_disarm(p->kernel->timers, &t->timer);
    lock_release(&p->lock);
    return old && user_put(task, old, &before) ? -LINUX_EFAULT : 0;
}
