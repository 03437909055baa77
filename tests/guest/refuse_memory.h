// The host's side of tests/guest/refuse_memory.c: allocations of the calling thread.
#ifndef TESTS_GUEST_REFUSE_MEMORY_H
#define TESTS_GUEST_REFUSE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

// The nth allocation from now on is refused.
void refuse_memory_begin(uint64_t nth);
// No more; whether one was.
bool refuse_memory_end(void);

#endif
