// Many of something at once: a fork of a large process, sleepers, and a thread that unmaps memory
// beside busy ones. storms.py says what they are compared with.
#include "bench.h"
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BIG = 200 << 20, PAGE = 4096, SLEEPERS = 50, BUSY = 8, PIECE = 64 << 10 };

// The memory first, so that a difference of two scales is forks alone.
static uint64_t run_forkbig(unsigned scale)
{
    uint64_t made = 0;
    char *memory = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 0;
    for (size_t i = 0; i < BIG; i += PAGE)
        memory[i] = 1;
    for (unsigned i = 0; i < scale; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        made += child > 0 && waitpid(child, NULL, 0) == child;
    }
    munmap(memory, BIG);
    return made;
}

static unsigned seconds;

static void *sleep_on(void *argument)
{
    sleep(seconds);
    return argument;
}

// As many threads as processes, all asleep for `scale` seconds.
static uint64_t run_sleepers(unsigned scale)
{
    pthread_t thread[SLEEPERS];
    uint64_t ended = 0;
    seconds = scale;
    for (unsigned i = 0; i < SLEEPERS; i++) {
        if (fork() == 0) {
            sleep(seconds);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < SLEEPERS; i++) {
        if (pthread_create(&thread[i], NULL, sleep_on, NULL))
            exit(1);
    }
    for (unsigned i = 0; i < SLEEPERS; i++)
        ended += !pthread_join(thread[i], NULL) && wait(NULL) > 0;
    return ended;
}

static void *compute(void *argument)
{
    uint32_t state = RANDOM_SEED, *sum = argument;
    for (unsigned i = 0; i < 20000000; i++)
        *sum += next_random(&state) & 1;
    return argument;
}

static uint64_t with_busy_threads(void (*work)(unsigned), unsigned scale)
{
    pthread_t thread[BUSY];
    uint32_t sums[BUSY] = {0};
    uint64_t sum = 0;
    for (unsigned i = 0; i < BUSY; i++) {
        if (pthread_create(&thread[i], NULL, compute, &sums[i]))
            exit(1);
    }
    if (work)
        work(scale);
    for (unsigned i = 0; i < BUSY; i++) {
        pthread_join(thread[i], NULL);
        sum += sums[i];
    }
    return sum;
}

static void unmap_often(unsigned scale)
{
    for (unsigned i = 0; i < 1000 * scale; i++) {
        char *p = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            exit(1);
        for (size_t k = 0; k < PIECE; k += PAGE)
            p[k] = 1;
        munmap(p, PIECE);
    }
}

static uint64_t run_unmap(unsigned scale)
{
    unmap_often(scale);
    return scale;
}

static uint64_t run_busy(unsigned scale)
{
    (void)scale;
    return with_busy_threads(NULL, 0);
}

static uint64_t run_unmapbusy(unsigned scale)
{
    return with_busy_threads(unmap_often, scale);
}

const struct workload storm_workloads[] = {
    {"forkbig", "storm", run_forkbig},     {"sleepers", "storm", run_sleepers},
    {"unmap", "storm", run_unmap},         {"busy", "storm", run_busy},
    {"unmapbusy", "storm", run_unmapbusy}, {0},
};
