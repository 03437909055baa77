// Locks with ranks, conditions with deadlines. Layer 1.
//
// Ranks come from lock.tbl (generated: platform/lock_ranks.h). Debug builds (ISH_DEBUG) keep each
// thread's held ranks and abort with both names when the order is broken, when a lock is taken
// twice, or when a blocking host call is made with a lock held (lock_assert_none_held).
#ifndef PLATFORM_LOCK_H
#define PLATFORM_LOCK_H

#include "platform/base/compiler.h"
#include "platform/lock_ranks.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct CAPABILITY("mutex") lock {
    pthread_mutex_t mutex;
    enum lock_rank rank;
};

void lock_init(struct lock *l, enum lock_rank rank);
void lock_destroy(struct lock *l);
void lock_acquire(struct lock *l) ACQUIRES(l);
// A second lock of the same class; the caller orders them by address.
void lock_acquire_nested(struct lock *l) ACQUIRES(l);
NODISCARD bool lock_try_acquire(struct lock *l) TRY_ACQUIRES(true, l);
void lock_release(struct lock *l) RELEASES(l);
// Two locks of one class, in address order; `a` and `b` may be the same lock.
void lock_acquire_pair(struct lock *a, struct lock *b) NO_TSA;
void lock_release_pair(struct lock *a, struct lock *b) NO_TSA;
void lock_assert_held(const struct lock *l);
void lock_assert_none_held(void);

struct cond {
    pthread_cond_t cond; // waits on CLOCK_MONOTONIC
};

#define COND_FOREVER UINT64_MAX

void cond_init(struct cond *c);
void cond_destroy(struct cond *c);
// Waits until signalled or until the monotonic clock reaches `deadline_ns` (COND_FOREVER: no
// limit). Returns false when the deadline passed. Spurious wake-ups happen: callers loop.
bool cond_wait(struct cond *c, struct lock *l, uint64_t deadline_ns) REQUIRES(l);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

#endif
