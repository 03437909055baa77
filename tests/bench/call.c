// What asking the system costs: calls that do next to nothing, the clock, files, memory, signals.
// A call that fails ends the loop early, which the checksum shows.
#include "bench.h"
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t run_getpid(unsigned scale)
{
    uint64_t good = 0;
    for (unsigned i = 0; i < 20000 * scale; i++)
        good += syscall(SYS_getppid) >= 0;
    return good;
}

static uint64_t run_clock(unsigned scale)
{
    struct timespec now;
    uint64_t good = 0;
    for (unsigned i = 0; i < 20000 * scale; i++)
        good += clock_gettime(CLOCK_MONOTONIC, &now) == 0;
    return good;
}

static uint64_t run_pipe1(unsigned scale)
{
    int ends[2];
    char byte = 1;
    uint64_t moved = 0;
    if (pipe(ends))
        return 0;
    for (unsigned i = 0; i < 5000 * scale; i++) {
        if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
            break;
        moved++;
    }
    close(ends[0]);
    close(ends[1]);
    return moved;
}

static uint64_t run_openstat(unsigned scale)
{
    const char *path = getenv("BENCH_FILE");
    struct stat st;
    uint64_t good = 0;
    for (unsigned i = 0; i < 2000 * scale; i++) {
        int fd = open(path ? path : "/etc/passwd", O_RDONLY);
        if (fd < 0)
            break;
        good += fstat(fd, &st) == 0 && st.st_size > 0;
        close(fd);
    }
    return good;
}

static uint64_t run_mmap(unsigned scale)
{
    enum { SIZE = 65536, PAGE = 4096 };
    uint64_t sum = 0;
    for (unsigned i = 0; i < 500 * scale; i++) {
        char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            break;
        for (size_t at = 0; at < SIZE; at += PAGE)
            p[at] = 1;
        sum += (uint64_t)p[2 * PAGE];
        munmap(p, SIZE);
    }
    return sum;
}

static volatile sig_atomic_t caught;

static void count_signal(int number)
{
    (void)number;
    caught++;
}

static uint64_t run_signal(unsigned scale)
{
    struct sigaction action = {.sa_handler = count_signal};
    caught = 0;
    sigaction(SIGUSR1, &action, NULL);
    for (unsigned i = 0; i < 3000 * scale; i++)
        raise(SIGUSR1);
    return (uint64_t)caught;
}

static char *guarded;

static void open_guard(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    caught++;
    mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
}

static uint64_t run_segv(unsigned scale)
{
    struct sigaction action = {.sa_sigaction = open_guard, .sa_flags = SA_SIGINFO};
    guarded = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guarded == MAP_FAILED)
        return 0;
    caught = 0;
    sigaction(SIGSEGV, &action, NULL);
    for (unsigned i = 0; i < 1000 * scale; i++) {
        mprotect(guarded, 4096, PROT_READ);
        *(volatile char *)guarded = 1;
    }
    munmap(guarded, 4096);
    return (uint64_t)caught;
}

const struct workload call_workloads[] = {
    {"getpid", "call", run_getpid}, {"clock", "call", run_clock},
    {"pipe1", "call", run_pipe1},   {"openstat", "call", run_openstat},
    {"mmap", "call", run_mmap},     {"signal", "call", run_signal},
    {"segv", "call", run_segv},     {0},
};
