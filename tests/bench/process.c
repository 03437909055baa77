// Processes: fork and wait; fork, exec and wait.
#include "bench.h"
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t run_fork(unsigned scale)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < 100 * scale; i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            _exit(3);
        if (child < 0 || waitpid(child, &status, 0) != child)
            break;
        sum += (uint64_t)WEXITSTATUS(status);
    }
    return sum;
}

// BENCH_EXEC names a program put in front of ours, for emulators the kernel does not start by
// itself.
static void exec_nop(void)
{
    const char *front = getenv("BENCH_EXEC");
    if (front)
        execl(front, front, program_path, "nop", (char *)NULL);
    else
        execl(program_path, program_path, "nop", (char *)NULL);
    _exit(9);
}

static uint64_t run_exec(unsigned scale)
{
    uint64_t good = 0;
    for (unsigned i = 0; i < 20 * scale; i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            exec_nop();
        if (child < 0 || waitpid(child, &status, 0) != child)
            break;
        good += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return good;
}

const struct workload process_workloads[] = {
    {"fork", "process", run_fork},
    {"exec", "process", run_exec},
    {0},
};
