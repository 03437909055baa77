// What decoding costs: every one of the 2^32 words in turn, in nanoseconds of CPU time a word.
#include "emu/a64.h"
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(void)
{
    const uint64_t words = (uint64_t)1 << 32;
    uint64_t allocated = 0;
    const double start = cpu_ns();
    for (uint64_t word = 0; word < words; word++)
        allocated += a64_decode((uint32_t)word) != A64_UNALLOCATED;
    const double spent = cpu_ns() - start;
    printf("decode %.2f ns a word, %" PRIu64 " words allocated\n", spent / (double)words,
           allocated);
    return 0;
}
