// Shared by the files that implement futexes. Layer 4.
//
// A waiter is queued in the bucket of its key. Whoever takes it out, under the bucket's lock, first
// references its task, then sets `woken` and does not touch the waiter again: it lives on the stack
// of the waiting task. Words are compared and changed under the bucket's lock without faulting; on
// a fault all locks are dropped, the page is brought in, and the operation starts over.
#ifndef KERNEL_FUTEX_INTERNAL_H
#define KERNEL_FUTEX_INTERNAL_H

#include "kernel/futex.h"
#include "kernel/task.h"
#include "platform/base/list.h"
#include "platform/lock.h"

struct futex_key {
    const void *object; // the mm of a private word, else what mm_futex_key() names
    uint64_t offset;    // private: the address; bit 0 set: private memory without the PRIVATE flag
};

struct futex_bucket {
    struct lock lock;
    struct list waiters; // guarded by lock, oldest first
};

enum { FUTEX_BUCKETS = 256 };
struct futex_table {
    _Atomic uint32_t pi_waiters; // threads that wait for PI locks, or may be moved to one
    struct lock pi_lock;         // rank futex_pi
    struct list pi_waits;        // futex_waiter.pi_link; guarded by pi_lock
    struct futex_bucket bucket[FUTEX_BUCKETS];
};

struct futex_waiter {
    struct list node;            // guarded by the bucket's lock
    struct futex_key key;        // changes in a requeue, with the bucket
    struct futex_bucket *bucket; // guarded by its lock; read it again after locking
    struct task *task;
    uint32_t bitset;
    _Atomic bool woken; // taken out of the queue by a waker
    bool pi;            // waits for a PI lock
    // PI: the thread that holds the lock, as the waiter calls it. Changes under the bucket's lock
    // and pi_lock: either is enough to read it.
    uint32_t owner;
    struct list pi_link; // of who waits for a PI lock now
    bool inherits;       // PI: got it from an owner that ended, and is to say so in the word
    bool moves_to_pi;    // FUTEX_WAIT_REQUEUE_PI: may be moved to the lock of lock_key
    struct futex_key lock_key;
};

// Tasks to wake after the bucket is unlocked.
enum { FUTEX_WAKE_BATCH = 64 };
struct futex_wakes {
    struct task *task[FUTEX_WAKE_BATCH];
    unsigned count;
};

// -LINUX_EINVAL for an unaligned address, -LINUX_EFAULT.
NODISCARD int futex_key_get(struct task *task, uaddr_t addr, bool private, struct futex_key *out);
struct futex_bucket *futex_bucket_of(struct task *task, const struct futex_key *key);
static inline bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
{
    return a->object == b->object && a->offset == b->offset;
}

// Puts a waiter in the queue / takes it out when no waker did. The first: bucket locked.
void futex_enqueue(struct futex_bucket *bucket, struct futex_waiter *w);
// True when it was still queued.
bool futex_dequeue(struct futex_waiter *w);
// Takes `w` out and notes its task in `wakes`; the bucket is locked. False: no room in `wakes`.
bool futex_take(struct futex_waiter *w, struct futex_wakes *wakes);
void futex_wakes_send(struct futex_wakes *wakes);

// Sleeps until woken. 0, -LINUX_ETIMEDOUT or -ERESTARTSYS; then the waiter is out of the queue.
int futex_sleep(struct task *task, struct futex_waiter *w, uint64_t deadline_ns);
// The same for one that waits for the PI lock at `lock`, or may be moved to it, and is counted in
// pi_waiters.
int futex_sleep_pi(struct task *task, struct futex_waiter *w, uaddr_t lock, uint64_t deadline_ns);

// Queues the waiter if the word still has the value. 0, -LINUX_EAGAIN, -LINUX_EFAULT,
// -LINUX_EINVAL, also for one that may be moved to the lock of the same word.
NODISCARD int futex_queue_if_equal(struct task *task, struct futex_waiter *w, uaddr_t addr,
                                   bool private, uint32_t value);
// The first that waits for a PI lock, or NULL; the bucket is locked.
struct futex_waiter *futex_first_pi(struct futex_bucket *b, const struct futex_key *key);
// `w` waits for a lock of `owner` from now on; the bucket is locked. -LINUX_EDEADLK if that owner
// waits, perhaps through others, for `w`'s own thread.
NODISCARD int futex_pi_begin(struct futex_waiter *w, uint32_t owner);
void futex_pi_end(struct futex_waiter *w); // harmless when it has not begun

// Is there a thread that `task` calls so, and that will still pass on the locks it holds when it
// ends? No lock of futexes is held.
bool futex_owner_exists(struct task *task, uint32_t tid);
// Asked when `owner`, seen in the word at `addr`, does not exist: -LINUX_ESRCH when the word names
// it still; 0 when it gave the lock away before it ended, and the operation starts over;
// -LINUX_EFAULT.
NODISCARD int futex_pi_names(struct task *task, uaddr_t addr, uint32_t owner);
// Waiters for a lock queued behind an owner that had ended already: the first of them gets it.
void futex_pi_orphaned(struct futex_bucket *b, const struct futex_key *key, uint32_t owner);

int64_t futex_wait_requeue_pi(struct task *task, uaddr_t addr, bool private, uint32_t value,
                              uint32_t bitset, uint64_t deadline_ns, uaddr_t lock);
int64_t futex_cmp_requeue_pi(struct task *task, uaddr_t addr, bool private, int wake, int move,
                             uaddr_t lock, uint32_t value);
int64_t futex_lock_pi(struct task *task, uaddr_t addr, bool private, bool try_only,
                      uint64_t deadline_ns);
int64_t futex_unlock_pi(struct task *task, uaddr_t addr, bool private);

#endif
