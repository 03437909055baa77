// Timers on CPU time and the limits of a process: what happens at each.
#include "asleep.h"
#include "probe.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

static volatile sig_atomic_t signals, last_code, last_value;

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    signals++;
    last_code = info->si_code;
    last_value = info->si_value.sival_int;
}

static void catch (int sig)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(sig, &sa, NULL);
}

static double cpu(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void burn(clockid_t clock, double seconds)
{
    double until = cpu(clock) + seconds;
    while (cpu(clock) < until)
        for (volatile int i = 0; i < 1000; i++)
            ;
}

static struct itimerspec spec(long value_ms, long interval_ms)
{
    return (struct itimerspec){{interval_ms / 1000, interval_ms % 1000 * 1000000},
                               {value_ms / 1000, value_ms % 1000 * 1000000}};
}

// --- Timers on CPU time --------------------------------------------------------------------------

static void *burn_thread(void *arg)
{
    burn(CLOCK_THREAD_CPUTIME_ID, *(double *)arg);
    return NULL;
}

static void timer_on(const char *name, clockid_t clock)
{
    timer_t id;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec v = spec(30, 0), old;
    printf("-- %s\n", name);
    catch (SIGUSR1);
    e.sigev_value.sival_int = 55;
    show_done("create", timer_create(clock, &e, &id));
    show_call("settime", timer_settime(id, 0, &v, NULL));
    timer_gettime(id, &old);
    SHOW("running", "%d", old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 30000000);
    signals = 0;
    sleep_ms(100);
    SHOW("while asleep", "%d", (int)signals);
    double before = cpu(clock);
    while (!signals && cpu(clock) < before + 2)
        burn(CLOCK_THREAD_CPUTIME_ID, 0.005);
    SHOW("signal", "%d code %d value %d", (int)signals, (int)last_code, (int)last_value);
    SHOW("not early", "%d", cpu(clock) - before > 0.025);
    timer_gettime(id, &old);
    SHOW("done", "%ld %ld", (long)old.it_value.tv_sec, old.it_value.tv_nsec);
    v = spec(10, 10);
    signals = 0;
    timer_settime(id, 0, &v, NULL);
    burn(CLOCK_THREAD_CPUTIME_ID, 0.1);
    SHOW("again and again", "%d", signals >= 3);
    v = spec(0, 0);
    timer_settime(id, 0, &v, &old);
    SHOW("interval", "%ld", old.it_interval.tv_nsec);
    signals = 0;
    burn(CLOCK_THREAD_CPUTIME_ID, 0.03);
    SHOW("stopped", "%d", (int)signals);
    clock_gettime(clock, &v.it_value);
    signals = 0;
    timer_settime(id, TIMER_ABSTIME, &v, NULL);
    burn(CLOCK_THREAD_CPUTIME_ID, 0.02);
    SHOW("a moment that is past", "%d", (int)signals);
    show_call("delete", timer_delete(id));
    show_call("deleted", timer_gettime(id, &old));
}

static void cpu_timers(void)
{
    clockid_t own, other;
    timer_on("process", CLOCK_PROCESS_CPUTIME_ID);
    timer_on("thread", CLOCK_THREAD_CPUTIME_ID);
    clock_getcpuclockid(getpid(), &own);
    timer_on("process by number", own);
    pthread_getcpuclockid(pthread_self(), &other);
    timer_on("thread by number", other);
    timer_t id;
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    show_done("of nobody", timer_create((clockid_t)(~0x3ffffffu << 3 | 2), &e, &id));
    show_done("bad kind", timer_create((clockid_t)(~0u << 3 | 3), &e, &id));
    // Another thread's time counts for the process, not for this thread.
    double a = 0.15;
    pthread_t t;
    e = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec v = spec(80, 0);
    for (int i = 0; i < 2; i++) {
        timer_create(i ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID, &e, &id);
        signals = 0;
        timer_settime(id, 0, &v, NULL);
        pthread_create(&t, NULL, burn_thread, &a);
        pthread_join(t, NULL);
        sleep_ms(20);
        SHOW(i ? "the thread's own" : "the process's", "%d", (int)signals);
        timer_delete(id);
    }
}

static void *sleeper(void *arg)
{
    struct timespec ns = {0, 60000000};
    int *result = arg;
    *result = clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ns, NULL);
    return NULL;
}

static void cpu_sleep(void)
{
    pthread_t t;
    int result = -1;
    double before = cpu(CLOCK_PROCESS_CPUTIME_ID);
    pthread_create(&t, NULL, sleeper, &result);
    while (result == -1 && cpu(CLOCK_PROCESS_CPUTIME_ID) < before + 2)
        burn(CLOCK_THREAD_CPUTIME_ID, 0.005);
    pthread_join(t, NULL);
    SHOW("slept for CPU time", "%d, %d", result, cpu(CLOCK_PROCESS_CPUTIME_ID) - before >= 0.06);
    struct timespec past = {0, 1}, negative = {-1, 0};
    SHOW("until the past", "%d",
         clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &past, NULL));
    SHOW("negative", "%d", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &negative, NULL));
    SHOW("own thread", "%d", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &past, NULL));
    // A signal ends it: only this thread is there to use time.
    catch (SIGALRM);
    pid_t child = poke_when_asleep(SIGALRM);
    struct timespec ns = {5, 0}, left = {0, 0};
    SHOW("interrupted", "%d", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ns, &left) == EINTR);
    SHOW("left", "%d", left.tv_sec == 4 && left.tv_nsec > 500000000);
    waitpid(child, NULL, 0);
}

// --- Limits --------------------------------------------------------------------------------------

static void limit(int which, rlim_t soft, rlim_t hard)
{
    struct rlimit r = {soft, hard};
    if (setrlimit(which, &r))
        printf("setrlimit: %s\n", strerrorname_np(errno));
}

static void cpu_limit(void)
{
    struct rlimit none = {0, 0}, r;
    setrlimit(RLIMIT_CORE, &none);
    IN_CHILD("soft and hard limit", {
        catch (SIGXCPU);
        limit(RLIMIT_CPU, 1, 2);
        while (!signals)
            burn(CLOCK_PROCESS_CPUTIME_ID, 0.01);
        getrlimit(RLIMIT_CPU, &r);
        SHOW("limit after the signal", "%lu", r.rlim_cur);
        burn(CLOCK_PROCESS_CPUTIME_ID, 5);
        _exit(3);
    });
    limit(RLIMIT_CPU, 5000, RLIM_INFINITY);
    IN_CHILD("inherited", getrlimit(RLIMIT_CPU, &r); _exit(r.rlim_cur == 5000));
}

static void files(void)
{
    char path[] = "/tmp/limits-probe-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    IN_CHILD("FSIZE kills", limit(RLIMIT_CORE, 0, 0); limit(RLIMIT_FSIZE, 10, 20);
             pwrite(fd, "x", 1, 10));
    signal(SIGXFSZ, SIG_IGN);
    limit(RLIMIT_FSIZE, 10, RLIM_INFINITY);
    show_call("write up to it", pwrite(fd, "0123456789abc", 13, 0));
    show_call("write beyond", pwrite(fd, "x", 1, 10));
    show_call("write at the end", pwrite(fd, "xy", 2, 9));
    show_call("truncate beyond", ftruncate(fd, 11));
    show_call("truncate to it", ftruncate(fd, 10));
    show_call("allocate beyond", fallocate(fd, 0, 0, 11));
    show_call("shared memory has it too", ftruncate(memfd_create("x", 0), 11));
    int p[2];
    pipe(p);
    show_call("pipes do not", write(p[1], "0123456789abc", 13));
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    limit(RLIMIT_NOFILE, 8, r.rlim_max);
    int last = -1;
    for (int f; (f = dup(0)) >= 0;)
        last = f;
    SHOW("descriptors", "%d, then %s", last, strerrorname_np(errno));
    show_call("dup2 to the limit", dup2(0, 8));
    show_call("F_DUPFD from the limit", fcntl(0, F_DUPFD, 8));
    show_call("pipe", pipe(p));
    show_done("open", open("/", O_RDONLY));
}

static void processes(void)
{
    if (geteuid()) {
        printf("needs root\n");
        return;
    }
    limit(RLIMIT_NPROC, 3, 3);
    show_done("root forks", fork() ? 0 : (_exit(0), 0));
    wait(NULL);
    IN_CHILD("another user", {
        int go[2];
        pipe(go);
        setresgid(54321, 54321, 54321);
        setresuid(54321, 54321, 54321);
        pid_t a = fork();
        if (!a) {
            hear(go[0]);
            _exit(0);
        }
        pid_t b = fork();
        if (!b) {
            hear(go[0]);
            _exit(0);
        }
        show_done("fourth", fork());
        pthread_t t;
        double d = 0;
        SHOW("thread", "%s", strerrorname_np(pthread_create(&t, NULL, burn_thread, &d)));
        tell(go[1]), tell(go[1]);
        waitpid(a, NULL, 0), waitpid(b, NULL, 0);
        show_done("room again", fork() ? 0 : (_exit(0), 0));
    });
}

// --- Memory --------------------------------------------------------------------------------------

enum { MIB = 1 << 20, RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static const char *map_result(size_t n, int prot, int flags)
{
    void *p = mmap(NULL, n, prot, flags, -1, 0);
    if (p == MAP_FAILED)
        return strerrorname_np(errno);
    munmap(p, n);
    return "mapped";
}

static rlim_t used(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lu", &pages) != 1)
        abort();
    fclose(f);
    return pages * 4096;
}

static rlim_t data_used(void)
{
    char line[128];
    unsigned long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmData: %lu", &kb) == 1)
            break;
    fclose(f);
    return kb * 1024;
}

// Each call reads its caller's room after its own, so that no compiler makes a loop of it.
static int deep(int n, const volatile char *above)
{
    volatile char room[4096];
    for (unsigned i = 0; i < sizeof room; i += 512)
        room[i + 5] = (char)n;
    return (n > 0 ? deep(n - 1, room) : 0) + above[5];
}

static void memory(void)
{
    limit(RLIMIT_CORE, 0, 0);
    IN_CHILD("AS", {
        limit(RLIMIT_AS, used() + 8 * MIB, RLIM_INFINITY);
        SHOW("below", "%s", map_result(4 * MIB, RW, ANON));
        SHOW("above", "%s", map_result(16 * MIB, RW, ANON));
        SHOW("without rights too", "%s", map_result(16 * MIB, PROT_NONE, ANON | MAP_NORESERVE));
        SHOW("brk", "%d", sbrk(16 * MIB) == (void *)-1);
        char *p = mmap(NULL, MIB, RW, ANON, -1, 0);
        SHOW("mremap", "%d", mremap(p, MIB, 16 * MIB, MREMAP_MAYMOVE) == MAP_FAILED);
        SHOW("no longer", "%d", munmap(p, MIB));
    });
    IN_CHILD("DATA", {
        char *p = mmap(NULL, 16 * MIB, PROT_READ, ANON, -1, 0);
        limit(RLIMIT_DATA, data_used() + 8 * MIB, RLIM_INFINITY);
        SHOW("below", "%s", map_result(4 * MIB, RW, ANON));
        SHOW("above", "%s", map_result(16 * MIB, RW, ANON));
        SHOW("read-only", "%s", map_result(16 * MIB, PROT_READ, ANON));
        SHOW("shared", "%s", map_result(16 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS));
        show_call("made writable", mprotect(p, 16 * MIB, RW));
    });
    IN_CHILD("STACK", {
        limit(RLIMIT_STACK, MIB, RLIM_INFINITY);
        IN_CHILD("within", deep(100, "above"));
        IN_CHILD("beyond", deep(1000, "above"));
    });
    IN_CHILD("reservations", {
        SHOW("128 GiB", "%s", map_result(128ul << 30, PROT_NONE, ANON | MAP_NORESERVE));
        SHOW("16 TiB", "%s", map_result(16ul << 40, PROT_NONE, ANON | MAP_NORESERVE));
        char *p = mmap(NULL, 128ul << 30, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
        for (unsigned long i = 0; i < 128; i++) {
            mprotect(p + (i << 30), 4096, RW);
            p[i << 30] = (char)i;
        }
        IN_CHILD("forked", _exit(p[77ul << 30]));
        show_call("given back", munmap(p, 128ul << 30));
    });
    struct rlimit r;
    getrlimit(RLIMIT_STACK, &r);
    SHOW("stack", "%lu", r.rlim_cur);
}

int main(void)
{
    run_as_child(cpu_timers);
    run_as_child(cpu_sleep);
    run_as_child(cpu_limit);
    run_as_child(files);
    run_as_child(processes);
    run_as_child(memory);
    return 0;
}
