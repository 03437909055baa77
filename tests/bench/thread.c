// Threads: making them, handing a word back and forth through futexes, contended counters.
#include "bench.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *do_nothing(void *argument)
{
    return argument;
}

static uint64_t run_thread(unsigned scale)
{
    uint64_t made = 0;
    for (unsigned i = 0; i < 200 * scale; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, do_nothing, NULL))
            break;
        pthread_join(thread, NULL);
        made++;
    }
    return made;
}

static int ball[2];
static unsigned rounds;

static void futex_await(int *word, int value)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, !value, NULL, NULL, 0);
}

static void futex_set(int *word, int value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *play_back(void *argument)
{
    for (unsigned i = 0; i < rounds; i++) {
        futex_await(&ball[0], 1);
        futex_set(&ball[0], 0);
        futex_set(&ball[1], 1);
    }
    return argument;
}

static uint64_t run_futex(unsigned scale)
{
    pthread_t thread;
    rounds = 1000 * scale;
    if (pthread_create(&thread, NULL, play_back, NULL))
        return 0;
    for (unsigned i = 0; i < rounds; i++) {
        futex_set(&ball[0], 1);
        futex_await(&ball[1], 1);
        futex_set(&ball[1], 0);
    }
    pthread_join(thread, NULL);
    return rounds;
}

static uint64_t counter;
static unsigned additions;
static pthread_mutex_t counter_lock = PTHREAD_MUTEX_INITIALIZER;

static void *add_atomically(void *argument)
{
    for (unsigned i = 0; i < additions; i++)
        __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
    return argument;
}

static void *add_locked(void *argument)
{
    for (unsigned i = 0; i < additions; i++) {
        pthread_mutex_lock(&counter_lock);
        counter++;
        pthread_mutex_unlock(&counter_lock);
    }
    return argument;
}

static uint64_t by_two(void *(*work)(void *))
{
    pthread_t thread;
    counter = 0;
    if (pthread_create(&thread, NULL, work, NULL))
        return 0;
    work(NULL);
    pthread_join(thread, NULL);
    return counter;
}

static uint64_t run_atomic(unsigned scale)
{
    additions = 200000 * scale;
    return by_two(add_atomically);
}

static uint64_t run_mutex(unsigned scale)
{
    additions = 100000 * scale;
    return by_two(add_locked);
}

const struct workload thread_workloads[] = {
    {"thread", "thread", run_thread},
    {"futex", "thread", run_futex},
    {"atomic", "thread", run_atomic},
    {"mutex", "thread", run_mutex},
    {0},
};
