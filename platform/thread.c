#include "platform/thread.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct start {
    void (*run)(void *arg);
    void *arg;
    char name[16];
};

static void name_self(const char *name)
{
#if defined(__APPLE__)
    pthread_setname_np(name);
#else
    pthread_setname_np(pthread_self(), name);
#endif
}

static void *thread_main(void *p)
{
    struct start s = *(struct start *)p;
    free(p);
    name_self(s.name);
    s.run(s.arg);
    return NULL;
}

static int start_thread(void (*run)(void *), void *arg, size_t stack_size, const char *name,
                        bool detached, pthread_t *out)
{
    struct start *s = malloc(sizeof *s);
    if (!s)
        return -LINUX_ENOMEM;
    s->run = run;
    s->arg = arg;
    strncpy(s->name, name, sizeof s->name - 1);
    s->name[sizeof s->name - 1] = '\0';

    pthread_attr_t attr;
    pthread_attr_init(&attr);
    if (stack_size)
        pthread_attr_setstacksize(&attr, stack_size);
    if (detached)
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);

    // Synchronous faults stay deliverable to the thread that causes them.
    sigset_t block, old;
    sigfillset(&block);
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
    for (size_t i = 0; i < ARRAY_LEN(synchronous); i++)
        sigdelset(&block, synchronous[i]);
    pthread_sigmask(SIG_SETMASK, &block, &old);
    int err = pthread_create(out, &attr, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (err) {
        free(s);
        return errno_to_linux(err);
    }
    return 0;
}

int thread_start(void (*run)(void *), void *arg, size_t stack_size, const char *name)
{
    pthread_t unused;
    return start_thread(run, arg, stack_size, name, true, &unused);
}

int thread_start_joinable(void (*run)(void *), void *arg, const char *name, pthread_t *out)
{
    return start_thread(run, arg, 0, name, false, out);
}

void thread_join(pthread_t thread)
{
    pthread_join(thread, NULL);
}

void thread_yield(void)
{
    sched_yield();
}

unsigned thread_cpu_count(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}
