// Workloads for comparing ways of running the same program. Each does a fixed amount of work for a
// scale and returns a checksum that every machine must agree on; none prints or times itself.
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdint.h>

struct workload {
    const char *name;
    const char *kind; // integer, memory, float, call, process, thread, storm
    uint64_t (*run)(unsigned scale);
};

// One table a file, ended by a row without a name.
extern const struct workload integer_workloads[];
extern const struct workload memory_workloads[];
extern const struct workload float_workloads[];
extern const struct workload call_workloads[];
extern const struct workload process_workloads[];
extern const struct workload thread_workloads[];
extern const struct workload storm_workloads[];

#define NOINLINE __attribute__((noinline))
// Loops the compiler is asked to vectorise, so that the guest runs AdvSIMD code.
#define VECTORISED __attribute__((noinline, optimize("O3")))
// The compiler may not move or drop memory accesses across this.
#define KEEP_MEMORY() __asm__ volatile("" ::: "memory")

// The same sequence everywhere (xorshift, 32 bits). One state per workload keeps them independent.
static inline uint32_t next_random(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}
#define RANDOM_SEED 12345u

// The path this program was started by, for the workload that starts it again.
extern const char *program_path;

#endif
