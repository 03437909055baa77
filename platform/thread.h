// Host threads. Layer 1.
#ifndef PLATFORM_THREAD_H
#define PLATFORM_THREAD_H

#include "platform/base/compiler.h"
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// Starts a detached thread with a stack of `stack_size` bytes (0: the default). All signals that a
// process may be sent from outside are blocked in it; the main thread receives those. `name` (up to
// 15 bytes) is for host debuggers. Returns 0 or a negative Linux errno.
NODISCARD int thread_start(void (*run)(void *arg), void *arg, size_t stack_size, const char *name);

// The same, joinable.
NODISCARD int thread_start_joinable(void (*run)(void *arg), void *arg, const char *name,
                                    pthread_t *out);
void thread_join(pthread_t thread);

// Lets another host thread run.
void thread_yield(void);

// CPUs this process may use; at least 1.
unsigned thread_cpu_count(void);

#endif
