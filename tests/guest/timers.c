// Clocks, sleeps and timers.
#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>

static double seconds(struct timespec t)
{
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void clocks(void)
{
    static const struct {
        clockid_t id;
        const char *name;
    } all[] = {{CLOCK_REALTIME, "REALTIME"},
               {CLOCK_MONOTONIC, "MONOTONIC"},
               {CLOCK_PROCESS_CPUTIME_ID, "PROCESS_CPUTIME"},
               {CLOCK_THREAD_CPUTIME_ID, "THREAD_CPUTIME"},
               {CLOCK_MONOTONIC_RAW, "MONOTONIC_RAW"},
               {CLOCK_REALTIME_COARSE, "REALTIME_COARSE"},
               {CLOCK_MONOTONIC_COARSE, "MONOTONIC_COARSE"},
               {CLOCK_BOOTTIME, "BOOTTIME"},
               {CLOCK_TAI, "TAI"},
               {10, "clock 10"},
               {77, "clock 77"},
               {-7, "clock -7"}};
    struct timespec t;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        show_call(all[i].name, syscall(SYS_clock_gettime, all[i].id, &t));
        long got = syscall(SYS_clock_getres, all[i].id, &t);
        if (got == 0 && all[i].id != CLOCK_REALTIME_COARSE && all[i].id != CLOCK_MONOTONIC_COARSE)
            SHOW("... resolution", "%ld", t.tv_nsec);
    }
    show_call("bad address", syscall(SYS_clock_gettime, CLOCK_REALTIME, (void *)8));
    show_call("getres without a place", syscall(SYS_clock_getres, CLOCK_REALTIME, NULL));
    struct timespec a, b;
    int backwards = 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 20000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &b);
        backwards += b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec);
        a = b;
    }
    SHOW("monotonic goes back", "%d", backwards);
    struct timeval tv;
    gettimeofday(&tv, NULL);
    clock_gettime(CLOCK_REALTIME, &t);
    SHOW("gettimeofday agrees", "%d", labs(t.tv_sec - tv.tv_sec) <= 1);
    SHOW("time agrees", "%d", labs(time(NULL) - tv.tv_sec) <= 1);
    clock_t ticks = times(NULL);
    SHOW("times", "%d", ticks != (clock_t)-1);
    // By the thread's own clock: a busy machine may give little time in 50 ms.
    struct timespec c0, c1, mine;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mine);
    double begun = now(), until = seconds(mine) + 0.05;
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mine);
    while (seconds(mine) < until);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c1);
    double used = seconds(c1) - seconds(c0), elapsed = now() - begun;
    SHOW("CPU time of 50 ms work", "%d", used > 0.045 && used < elapsed + 0.02);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c0);
    sleep_ms(50);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c1);
    used = (double)(c1.tv_sec - c0.tv_sec) + (double)(c1.tv_nsec - c0.tv_nsec) / 1e9;
    SHOW("CPU time of 50 ms sleep", "%d", used < 0.02);
    clockid_t id;
    clock_getcpuclockid(getpid(), &id);
    show_call("clock of a process", clock_gettime(id, &t));
}

static void sleeps(void)
{
    struct timespec t = {0, -1}, past = {1, 0};
    show_call("nanosleep negative", nanosleep(&t, NULL));
    t.tv_nsec = 1000000000;
    show_call("nanosleep 1e9 ns", nanosleep(&t, NULL));
    t = (struct timespec){0, 0};
    show_call("nanosleep 0", nanosleep(&t, NULL));
    SHOW("clock_nanosleep past", "%d",
         clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, NULL));
    SHOW("clock_nanosleep realtime past", "%d",
         clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL));
    SHOW("clock_nanosleep thread", "%s",
         strerrorname_np(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &past, NULL)));
    SHOW("clock_nanosleep bad", "%s", strerrorname_np(clock_nanosleep(77, 0, &past, NULL)));
    double start = now();
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 30000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    double slept = now() - start;
    SHOW("absolute sleep of 30 ms", "%d", slept > 0.025);
}

static volatile int count, code, overrun, value;
static void on_timer(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    count++;
    code = info->si_code;
    overrun += info->si_overrun;
    value = info->si_value.sival_int;
}

static void catch (int sig)
{
    struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(sig, &sa, NULL);
    count = overrun = 0;
}

static void wait_for(int wanted)
{
    double end = now() + 30;
    while (count < wanted && now() < end)
        sched_yield();
}

// The same for timers of processor time, which who yields to others hardly uses.
static void burn_for(int wanted)
{
    double end = now() + 30;
    while (count < wanted && now() < end)
        for (volatile int i = 0; i < 100000; i++)
            ;
}

static void itimers(void)
{
    struct itimerval it = {{0, 5000}, {0, 5000}}, off = {{0, 0}, {0, 0}}, old;
    catch (SIGALRM);
    setitimer(ITIMER_REAL, &it, NULL);
    wait_for(3);
    setitimer(ITIMER_REAL, &off, &old);
    SHOW("ITIMER_REAL", "%d code %d interval %ld", count >= 3, code, (long)old.it_interval.tv_usec);
    getitimer(ITIMER_REAL, &old);
    SHOW("... off", "%ld %ld", (long)old.it_value.tv_usec, (long)old.it_interval.tv_usec);
    catch (SIGPROF);
    setitimer(ITIMER_PROF, &it, NULL);
    burn_for(2);
    setitimer(ITIMER_PROF, &off, NULL);
    SHOW("ITIMER_PROF", "%d", count >= 2);
    catch (SIGVTALRM);
    setitimer(ITIMER_VIRTUAL, &it, NULL);
    burn_for(2);
    setitimer(ITIMER_VIRTUAL, &off, NULL);
    SHOW("ITIMER_VIRTUAL", "%d", count >= 2);
    it.it_value.tv_usec = 1000000;
    show_call("setitimer bad time", setitimer(ITIMER_REAL, &it, NULL));
    show_call("setitimer bad timer", syscall(SYS_setitimer, 3, &off, NULL));
    catch (SIGALRM);
    alarm(100);
    SHOW("alarm left", "%u", alarm(0));
}

static void posix_timers(void)
{
    timer_t id;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    struct itimerspec spec = {{0, 0}, {0, 5000000}}, got;
    ev.sigev_value.sival_int = 31;
    catch (SIGRTMIN);
    show_call("timer_create", timer_create(CLOCK_MONOTONIC, &ev, &id));
    timer_settime(id, 0, &spec, NULL);
    wait_for(1);
    SHOW("one shot", "%d code %d value %d overrun %d", count, code, value, overrun);
    timer_gettime(id, &got);
    SHOW("... then off", "%ld %ld", got.it_value.tv_sec, got.it_value.tv_nsec);
    spec.it_interval.tv_nsec = 2000000;
    timer_settime(id, 0, &spec, NULL);
    wait_for(4);
    SHOW("periodic", "%d", count >= 4);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    count = overrun = 0;
    sleep_ms(60);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    SHOW("blocked for 60 ms: overruns", "%d", overrun >= 15);
    spec = (struct itimerspec){{0, 0}, {0, 0}};
    timer_settime(id, 0, &spec, NULL);
    spec.it_value.tv_sec = 1; // long past on the monotonic clock
    catch (SIGRTMIN);
    timer_settime(id, TIMER_ABSTIME, &spec, NULL);
    wait_for(1);
    SHOW("absolute past", "%d", count);
    spec.it_value.tv_nsec = -1;
    show_call("timer_settime bad time", timer_settime(id, 0, &spec, NULL));
    show_call("timer_delete", timer_delete(id));
    show_call("timer_delete again", syscall(SYS_timer_delete, 0));
    ev.sigev_signo = 0;
    show_call("timer_create bad signal", timer_create(CLOCK_MONOTONIC, &ev, &id));
    ev.sigev_notify = 99;
    show_call("timer_create bad notify", timer_create(CLOCK_MONOTONIC, &ev, &id));
    show_call("timer_create bad clock", timer_create(77, NULL, &id));
    catch (SIGALRM);
    show_call("timer_create default", timer_create(CLOCK_REALTIME, NULL, &id));
    spec = (struct itimerspec){{0, 0}, {0, 1000000}};
    timer_settime(id, 0, &spec, NULL);
    wait_for(1);
    SHOW("... SIGALRM", "%d", count);
    timer_delete(id);
}

static void timerfds(void)
{
    struct itimerspec spec = {{0, 5000000}, {0, 5000000}}, got;
    uint64_t ticks = 0;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    show_done("timerfd_create", fd);
    show_call("read before it is set", read(fd, &ticks, sizeof ticks));
    double start = now();
    timerfd_settime(fd, 0, &spec, NULL);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    show_call("poll", poll(&p, 1, 1000));
    show_call("read", read(fd, &ticks, sizeof ticks));
    sleep_ms(40);
    uint64_t first = ticks;
    read(fd, &ticks, sizeof ticks);
    // A busy machine wakes us late: then there were more.
    SHOW("ticks of 40 ms", "%d",
         ticks >= 6 && (double)(first + ticks) <= (now() - start) / 0.005 + 1);
    show_call("short read", read(fd, &ticks, 4));
    timerfd_gettime(fd, &got);
    SHOW("gettime", "%d %ld", got.it_value.tv_nsec > 0 && got.it_value.tv_nsec <= 5000000,
         got.it_interval.tv_nsec);
    fcntl(fd, F_SETFL, 0);
    show_call("blocking read", read(fd, &ticks, sizeof ticks));
    spec = (struct itimerspec){{0, 0}, {0, 0}};
    timerfd_settime(fd, 0, &spec, NULL);
    show_call("poll when off", poll(&p, 1, 20));
    spec.it_value.tv_sec = 1;
    timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL);
    show_call("absolute past", poll(&p, 1, 1000));
    show_call("write", write(fd, &ticks, sizeof ticks));
    show_call("settime bad flags", timerfd_settime(fd, 77, &spec, NULL));
    show_call("settime of another file", timerfd_settime(0, 0, &spec, NULL));
    show_call("timerfd_create bad clock", timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
    show_call("timerfd_create bad flags", timerfd_create(CLOCK_MONOTONIC, 1));
    close(fd);
}

static void all(void)
{
    clocks();
    sleeps();
    itimers();
    posix_timers();
    timerfds();
}

int main(void)
{
    return run_as_child(all);
}
