// Timers of a process by whom they tell: a thread, nobody, somebody who does not listen; what is
// left of them after their thread, and errors of the calls.
#include "probe.h"
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

static sigset_t ticks;

static int create(clockid_t clock, int notify, int signo, pid_t tid, int *id)
{
    struct sigevent e = {.sigev_notify = notify, .sigev_signo = signo};
    e.sigev_value.sival_int = 77;
    e._sigev_un._tid = tid;
    return (int)syscall(SYS_timer_create, clock, &e, id);
}

static int set(int id, int flags, long ns, long interval)
{
    struct itimerspec t = {{interval / 1000000000, interval % 1000000000},
                           {ns / 1000000000, ns % 1000000000}};
    return (int)syscall(SYS_timer_settime, id, flags, &t, NULL);
}

static struct itimerspec get(int id)
{
    struct itimerspec t = {{-1, -1}, {-1, -1}};
    syscall(SYS_timer_gettime, id, &t);
    return t;
}

static void *listener(void *result)
{
    siginfo_t info;
    *(int *)result = -1;
    for (int n = 0; n < 3; n++) {
        if (sigwaitinfo(&ticks, &info) < 0)
            return NULL;
        *(int *)result = info.si_code == SI_TIMER ? info.si_value.sival_int : -2;
    }
    return NULL;
}

struct other {
    pthread_t thread;
    int ready[2], go[2];
    pid_t tid;
    int got;
};

static void *other_body(void *argument)
{
    struct other *o = argument;
    o->tid = (pid_t)syscall(SYS_gettid);
    tell(o->ready[1]);
    hear(o->go[0]);
    listener(&o->got);
    return NULL;
}

static void other_begin(struct other *o)
{
    pipe(o->ready);
    pipe(o->go);
    pthread_create(&o->thread, NULL, other_body, o);
    hear(o->ready[0]);
}

static void for_threads(void)
{
    struct other o;
    int id, mine;
    siginfo_t info;
    struct timespec none = {0, 0};
    other_begin(&o);
    show_call("a timer for a thread",
              create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN, o.tid, &id));
    show_call("... set", set(id, 0, 1000000, 1000000));
    tell(o.go[1]);
    pthread_join(o.thread, NULL);
    SHOW("... tells it", "%d", o.got);
    sleep_ms(20);
    show_call("... and nobody else", sigtimedwait(&ticks, &info, &none));
    show_call("... when it has ended: still there", syscall(SYS_timer_getoverrun, id) >= 0);
    show_call("... deleted", syscall(SYS_timer_delete, id));
    show_call("a timer for a thread that ended",
              create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN, o.tid, &id));
    show_call("... for no thread", create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN, 0, &id));
    show_call("... for a thread of another process",
              create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN, getppid(), &id));
    show_call("... for itself", create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN,
                                       (pid_t)syscall(SYS_gettid), &mine));
    set(mine, 0, 1000, 0);
    SHOW("... comes", "%d", sigwaitinfo(&ticks, &info) == SIGRTMIN && info.si_code == SI_TIMER);
    show_call("... without a signal", create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, 0, getpid(), &id));
    show_call("... with one too many", create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, 0, &id));
    show_call("... of an unknown kind", create(CLOCK_MONOTONIC, 9, SIGRTMIN, 0, &id));
    show_call("THREAD_ID and NONE",
              create(CLOCK_MONOTONIC, SIGEV_THREAD_ID | SIGEV_NONE, 0, getpid(), &id));
    show_call("delete", syscall(SYS_timer_delete, mine));
    show_call("... again", syscall(SYS_timer_delete, mine));
}

static void for_nobody(void)
{
    int id;
    show_call("a timer for nobody", create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, &id));
    struct itimerspec t = get(id);
    SHOW("... not set", "%ld %ld", (long)t.it_value.tv_sec, t.it_value.tv_nsec);
    set(id, 0, 3600000000000, 0);
    t = get(id);
    SHOW("... set", "%d", t.it_value.tv_sec == 3599);
    set(id, 0, 1000000, 0);
    sleep_ms(20);
    t = get(id);
    SHOW("... over", "%ld %ld", (long)t.it_value.tv_sec, t.it_value.tv_nsec);
    set(id, 0, 1000000, 3600000000000);
    sleep_ms(20);
    t = get(id);
    SHOW("... goes on", "%d %ld", t.it_value.tv_sec == 3599, (long)t.it_interval.tv_sec);
    set(id, TIMER_ABSTIME, 1, 0);
    t = get(id);
    SHOW("... in the past", "%ld %ld", (long)t.it_value.tv_sec, t.it_value.tv_nsec);
    set(id, 0, 0, 5000000000);
    t = get(id);
    SHOW("... off", "%ld %ld", (long)t.it_value.tv_sec, t.it_value.tv_nsec);
    struct itimerspec far = {{0, 0}, {INT64_MAX, 999999999}};
    show_call("... at the end of time", syscall(SYS_timer_settime, id, 0, &far, NULL));
    t = get(id);
    SHOW("... runs", "%d", t.it_value.tv_sec > 1000000000);
    syscall(SYS_timer_delete, id);
    for (int k = 0; k < 2; k++) {
        static const clockid_t clocks[] = {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
        show_call("a timer of processor time for nobody", create(clocks[k], SIGEV_NONE, 0, 0, &id));
        set(id, 0, 3600000000000, 0);
        t = get(id);
        SHOW("... runs", "%d", t.it_value.tv_sec >= 3590);
        show_call("... at the end of time", syscall(SYS_timer_settime, id, 0, &far, NULL));
        show_call("... off", set(id, 0, 0, 0));
        syscall(SYS_timer_delete, id);
    }
}

static void unheard(void)
{
    int id;
    siginfo_t info;
    struct timespec none = {0, 0};
    create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 0, &id);
    set(id, 0, 1000000, 1000000);
    sleep_ms(30);
    show_call("a signal nobody took", sigtimedwait(&ticks, &info, &none) == SIGRTMIN);
    SHOW("... counts", "%d",
         info.si_overrun > 5 && syscall(SYS_timer_getoverrun, id) == info.si_overrun);
    sleep_ms(20);
    show_call("deleted while it is pending", syscall(SYS_timer_delete, id));
    // Whether that one still comes, Linux changed its mind about in 6.13.
    sigtimedwait(&ticks, &info, &none);
    show_call("... once", sigtimedwait(&ticks, &info, &none));
    signal(SIGUSR1, SIG_IGN);
    create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, &id);
    set(id, 0, 1000000, 1000000);
    sleep_ms(30);
    struct itimerspec t = get(id);
    SHOW("one that is ignored runs on", "%d",
         t.it_value.tv_nsec > 0 && t.it_value.tv_nsec <= 1000000);
    set(id, 0, 1000000, 0);
    sleep_ms(10);
    t = get(id);
    SHOW("... or is over", "%ld", t.it_value.tv_nsec);
    syscall(SYS_timer_delete, id);
    IN_CHILD("timers are not inherited", show_call("...", syscall(SYS_timer_delete, id)));
    IN_CHILD("no room for signals", struct rlimit zero = {0, 0};
             setrlimit(RLIMIT_SIGPENDING, &zero); if (setuid(1000)) abort();
             show_call("...", create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 0, &id)));
    IN_CHILD(
        "a timer of another's processor time", clockid_t clock; pid_t child = fork();
        if (child == 0) {
            for (;;)
                continue;
        } clock_getcpuclockid(child, &clock);
        show_call("...", create(clock, SIGEV_SIGNAL, SIGRTMIN, 0, &id));
        show_call("... set", set(id, 0, 1000000, 1000000));
        SHOW("... comes", "%d", sigwaitinfo(&ticks, &info) == SIGRTMIN); kill(child, SIGKILL);
        waitpid(child, NULL, 0); while (sigtimedwait(&ticks, &info, &none) > 0) continue;
        sleep_ms(20); show_call("... of one that ended", sigtimedwait(&ticks, &info, &none));
        show_call("... is deleted", syscall(SYS_timer_delete, id)));
    IN_CHILD(
        "of a process that ends first", clockid_t clock; pid_t child = fork(); if (child == 0) {
            pause();
            _exit(0);
        } clock_getcpuclockid(child, &clock);
        show_call("...", create(clock, SIGEV_SIGNAL, SIGRTMIN, 0, &id)); kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        show_call("... create", create(clock, SIGEV_SIGNAL, SIGRTMIN, 0, &id)));
}

static void errors(void)
{
    int id;
    struct itimerspec t = {{0, 0}, {1, 0}};
    show_call("create to nowhere", syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, (void *)8));
    show_call("... from nowhere", syscall(SYS_timer_create, CLOCK_MONOTONIC, (void *)8, &id));
    show_call("... of a coarse clock",
              syscall(SYS_timer_create, CLOCK_MONOTONIC_COARSE, NULL, &id));
    show_call("... of a raw clock", syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, NULL, &id));
    show_call("... of boot time", syscall(SYS_timer_create, CLOCK_BOOTTIME, NULL, &id));
    show_call("settime from nowhere", syscall(SYS_timer_settime, id, 0, (void *)8, NULL));
    show_call("... from NULL", syscall(SYS_timer_settime, id, 0, NULL, NULL));
    show_call("... old to nowhere", syscall(SYS_timer_settime, id, 0, &t, (void *)8));
    t.it_value.tv_nsec = 1000000000;
    show_call("... of a second too many", syscall(SYS_timer_settime, id, 0, &t, NULL));
    t.it_value.tv_nsec = -1;
    show_call("... below zero", syscall(SYS_timer_settime, id, 0, &t, NULL));
    t = (struct itimerspec){{0, -1}, {1, 0}};
    show_call("... interval below zero", syscall(SYS_timer_settime, id, 0, &t, NULL));
    t = (struct itimerspec){{0, 0}, {-1, 0}};
    show_call("... before all time", syscall(SYS_timer_settime, id, 0, &t, NULL));
    t = (struct itimerspec){{0, 0}, {100, 0}};
    show_call("... with odd flags", syscall(SYS_timer_settime, id, 0x70, &t, NULL));
    show_call("... of no timer", syscall(SYS_timer_settime, 99, 0, &t, NULL));
    show_call("... of timer -1", syscall(SYS_timer_settime, -1, 0, &t, NULL));
    show_call("gettime to nowhere", syscall(SYS_timer_gettime, id, (void *)8));
    show_call("... of no timer", syscall(SYS_timer_gettime, 99, &t));
    show_call("getoverrun of no timer", syscall(SYS_timer_getoverrun, 99));
    show_call("delete of no timer", syscall(SYS_timer_delete, -1));
    int many[20];
    for (int i = 0; i < 20; i++)
        create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, &many[i]);
    show_call("the twentieth", syscall(SYS_timer_delete, many[19]));
    for (int i = 0; i < 19; i++)
        syscall(SYS_timer_delete, many[i]);
    struct itimerval v = {{0, 0}, {INT64_MAX, 0}};
    show_call("setitimer at the end of time", setitimer(ITIMER_VIRTUAL, &v, NULL));
    v.it_value.tv_sec = 0;
    setitimer(ITIMER_VIRTUAL, &v, NULL);
    show_call("setitimer of microseconds too many",
              (v.it_value.tv_usec = 1000000, syscall(SYS_setitimer, ITIMER_REAL, &v, NULL)));
    show_call("... of no kind", syscall(SYS_setitimer, 3, &v, NULL));
    show_call("... from nowhere", syscall(SYS_setitimer, ITIMER_REAL, (void *)8, NULL));
    show_call("... NULL", syscall(SYS_setitimer, ITIMER_REAL, NULL, NULL));
    show_call("getitimer of no kind", syscall(SYS_getitimer, -1, &v));
    show_call("... to nowhere", syscall(SYS_getitimer, ITIMER_PROF, (void *)8));
}

static void all(void)
{
    sigemptyset(&ticks);
    sigaddset(&ticks, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &ticks, NULL);
    for_threads();
    for_nobody();
    unheard();
    errors();
}

int main(void)
{
    return run_as_child(all);
}
