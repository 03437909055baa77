#include "platform/lock.h"
#include "platform/base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(ISH_DEBUG)
// Ranks this thread holds, in the order of acquisition. Thread-local and debug-only: the exception
// that lets the order be checked without passing a context to every lock call.
enum { HELD_MAX = 24 };
static _Thread_local const struct lock *held[HELD_MAX];
static _Thread_local unsigned held_count;

NORETURN static void order_broken(const struct lock *want, const struct lock *have)
{
    fprintf(stderr, "ish: lock order: taking %s (%d) while holding %s (%d)\n",
            lock_rank_name(want->rank), (int)want->rank, lock_rank_name(have->rank),
            (int)have->rank);
    abort();
}

static void note_acquire(const struct lock *l, bool nested)
{
    for (unsigned i = 0; i < held_count; i++) {
        bool ok = nested ? held[i]->rank <= l->rank && held[i] != l : held[i]->rank < l->rank;
        if (!ok)
            order_broken(l, held[i]);
    }
}

static void note_held(const struct lock *l)
{
    ISH_ASSERT(held_count < HELD_MAX);
    held[held_count++] = l;
}

static void note_release(const struct lock *l)
{
    for (unsigned i = held_count; i-- > 0;) {
        if (held[i] != l)
            continue;
        for (unsigned j = i + 1; j < held_count; j++)
            held[j - 1] = held[j];
        held_count--;
        return;
    }
    assert_fail(__FILE__, __LINE__, "released lock is held");
}

void lock_assert_held(const struct lock *l)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i] == l)
            return;
    assert_fail(__FILE__, __LINE__, lock_rank_name(l->rank));
}

void lock_assert_none_held(void)
{
    if (held_count > 0)
        assert_fail(__FILE__, __LINE__, lock_rank_name(held[0]->rank));
}
#else
static inline void note_acquire(const struct lock *l, bool nested)
{
    (void)l, (void)nested;
}
static inline void note_held(const struct lock *l)
{
    (void)l;
}
static inline void note_release(const struct lock *l)
{
    (void)l;
}
void lock_assert_held(const struct lock *l)
{
    (void)l;
}
void lock_assert_none_held(void) {}
#endif

void lock_init(struct lock *l, enum lock_rank rank)
{
    pthread_mutex_init(&l->mutex, NULL);
    l->rank = rank;
}

void lock_destroy(struct lock *l)
{
    pthread_mutex_destroy(&l->mutex);
}

void lock_acquire(struct lock *l) NO_TSA
{
    note_acquire(l, false);
    pthread_mutex_lock(&l->mutex);
    note_held(l);
}

// Two locks of one rank are held in an order that is not that of the locks: directories from the
// root down, wherever they are moved; an epoll before what it watches at the time. The thread
// sanitizer knows only orders that last, and takes a later one for a circle: but not through locks
// taken with a time limit, which it counts as tried. Ranks are asserted above.
#if BUILT_FOR_TSAN && !defined(__APPLE__)
static void take_nested(pthread_mutex_t *mutex)
{
    const struct timespec never = {.tv_sec = (time_t)1 << 40};
    while (pthread_mutex_timedlock(mutex, &never))
        continue;
}
#else
static void take_nested(pthread_mutex_t *mutex)
{
    pthread_mutex_lock(mutex);
}
#endif

void lock_acquire_nested(struct lock *l) NO_TSA
{
    note_acquire(l, true);
    take_nested(&l->mutex);
    note_held(l);
}

bool lock_try_acquire(struct lock *l) NO_TSA
{
    if (pthread_mutex_trylock(&l->mutex))
        return false;
    note_held(l);
    return true;
}

void lock_release(struct lock *l) NO_TSA
{
    note_release(l);
    pthread_mutex_unlock(&l->mutex);
}

void lock_acquire_pair(struct lock *a, struct lock *b) NO_TSA
{
    if (a == b) {
        lock_acquire(a);
        return;
    }
    bool in_order = (uintptr_t)a < (uintptr_t)b;
    lock_acquire(in_order ? a : b);
    lock_acquire_nested(in_order ? b : a);
}

void lock_release_pair(struct lock *a, struct lock *b) NO_TSA
{
    lock_release(a);
    if (a != b)
        lock_release(b);
}

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
#if !defined(__APPLE__)
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
#endif
    pthread_cond_init(&c->cond, &attr);
    pthread_condattr_destroy(&attr);
}

void cond_destroy(struct cond *c)
{
    pthread_cond_destroy(&c->cond);
}

#if defined(__APPLE__)
// Darwin's conditions have no clock attribute; they take a relative time instead.
static bool wait_until(struct cond *c, struct lock *l, uint64_t deadline_ns)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    uint64_t left = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    struct timespec rel = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
    return pthread_cond_timedwait_relative_np(&c->cond, &l->mutex, &rel) != ETIMEDOUT;
}
#else
static bool wait_until(struct cond *c, struct lock *l, uint64_t deadline_ns)
{
    struct timespec at = {(time_t)(deadline_ns / 1000000000u), (long)(deadline_ns % 1000000000u)};
    return pthread_cond_timedwait(&c->cond, &l->mutex, &at) != ETIMEDOUT;
}
#endif

bool cond_wait(struct cond *c, struct lock *l, uint64_t deadline_ns)
{
    bool signalled = true;
    note_release(l);
    if (deadline_ns == COND_FOREVER)
        pthread_cond_wait(&c->cond, &l->mutex);
    else
        signalled = wait_until(c, l, deadline_ns);
    note_held(l);
    return signalled;
}

void cond_signal(struct cond *c)
{
    pthread_cond_signal(&c->cond);
}

void cond_broadcast(struct cond *c)
{
    pthread_cond_broadcast(&c->cond);
}
