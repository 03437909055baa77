// FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI: condition variables whose waiters go on to a
// PI lock without waking first. A waiter is queued on the first word, and becomes one for the lock
// when somebody moves it; if the lock is free then it gets it at once.
#include "kernel/futex_internal.h"
#include "kernel/wait.h"
#include "platform/abi/futex.h"
#include "platform/abi/linux_errno.h"

// --- Waiting -------------------------------------------------------------------------------------

int64_t futex_wait_requeue_pi(struct task *task, uaddr_t addr, bool private, uint32_t value,
                              uint32_t bitset, uint64_t deadline_ns, uaddr_t lock)
{
    if (addr == lock || !bitset)
        return -LINUX_EINVAL;
    struct futex_waiter w = {.task = task, .bitset = bitset, .moves_to_pi = true};
    list_init(&w.pi_link);
    int err = futex_key_get(task, lock, private, &w.lock_key);
    if (err)
        return err;
    // Counted before it can be moved: an owner that ends after the move looks for waiters then.
    _Atomic uint32_t *count = &task->kernel->futexes->pi_waiters;
    atomic_fetch_add_explicit(count, 1, memory_order_seq_cst);
    err = futex_queue_if_equal(task, &w, addr, private, value);
    if (!err)
        err = futex_sleep_pi(task, &w, lock, deadline_ns);
    atomic_fetch_sub_explicit(count, 1, memory_order_seq_cst);
    // Where it was when the wait ended decides: a call that waited for the lock cannot begin again.
    if (err == -ERESTARTSYS)
        return w.pi ? -LINUX_EAGAIN : -ERESTARTNOINTR;
    return err;
}

// --- Moving --------------------------------------------------------------------------------------

struct requeue_pi {
    uaddr_t addr, lock;
    bool private;
    uint32_t value;
    int move;
};

static struct futex_waiter *first_on(struct futex_bucket *b, const struct futex_key *key)
{
    struct futex_waiter *w;
    list_for_each (w, &b->waiters, node)
        if (futex_key_equal(&w->key, key))
            return w;
    return NULL;
}

static bool fits(const struct futex_waiter *w, const struct futex_key *lock)
{
    return w->moves_to_pi && !w->pi && futex_key_equal(&w->lock_key, lock);
}

// Takes the lock for `w` if it is free, or marks it as waited for. *owner: an owner seen to exist;
// then who has the lock, 0 when it is `w`. -LINUX_EFAULT: the page is not there; -LINUX_EAGAIN:
// somebody was faster; -LINUX_ESRCH: the lock is another's, who must be looked for.
static int take_lock(struct task *task, const struct requeue_pi *rq, struct futex_bucket *to,
                     const struct futex_key *key, const struct futex_waiter *w, uint32_t *owner)
{
    uint32_t word, seen, tid = (uint32_t)w->task->own_pid, known = *owner;
    int err = user_load32(task, rq->lock, &word, true);
    if (err)
        return err;
    *owner = word & LINUX_FUTEX_TID_MASK;
    if (*owner == tid)
        return -LINUX_EDEADLK;
    uint32_t want = word | LINUX_FUTEX_WAITERS;
    if (!*owner)
        want = (word & LINUX_FUTEX_OWNER_DIED) | tid |
               (rq->move || futex_first_pi(to, key) ? LINUX_FUTEX_WAITERS : 0);
    err = user_cmpxchg32(task, rq->lock, word, want, &seen, true);
    if (err || seen != word)
        return err ? err : -LINUX_EAGAIN;
    return *owner && *owner != known ? -LINUX_ESRCH : 0;
}

// Both buckets are locked. Waiters that got or wait for the lock, or an error. *owner as above.
static int move_locked(struct task *task, const struct requeue_pi *rq, struct futex_bucket *from,
                       struct futex_bucket *to, const struct futex_key key[2], uint32_t *owner,
                       struct futex_wakes *wakes)
{
    uint32_t seen;
    int err = user_load32(task, rq->addr, &seen, true);
    if (err)
        return err;
    if (seen != rq->value)
        return -LINUX_EWOULDBLOCK;
    struct futex_waiter *w = first_on(from, &key[0]), *next;
    if (!w)
        return 0;
    if (!fits(w, &key[1]))
        return -LINUX_EINVAL;
    do
        err = take_lock(task, rq, to, &key[1], w, owner);
    while (err == -LINUX_EAGAIN);
    if (err)
        return err;
    int done = 0;
    uint32_t waits_for = *owner;
    if (!waits_for) {
        waits_for = (uint32_t)w->task->own_pid;
        (void)futex_take(w, wakes);
        done++;
    }
    list_for_each_safe (w, next, &from->waiters, node) {
        if (done - 1 >= rq->move)
            break;
        if (!futex_key_equal(&w->key, &key[0]))
            continue;
        if (!fits(w, &key[1]))
            return -LINUX_EINVAL;
        // As with Linux, one whose wait would close a circle stays where it is, and so do the rest.
        if (futex_pi_begin(w, waits_for))
            return done ? done : -LINUX_EDEADLK;
        list_remove(&w->node);
        w->key = key[1];
        w->pi = true;
        list_add_tail(&to->waiters, &w->node);
        __atomic_store_n(&w->bucket, to, __ATOMIC_RELEASE);
        done++;
    }
    return done;
}

int64_t futex_cmp_requeue_pi(struct task *task, uaddr_t addr, bool private, int wake, int move,
                             uaddr_t lock, uint32_t value)
{
    const struct requeue_pi rq = {addr, lock, private, value, move};
    if (addr == lock || wake != 1 || move < 0)
        return -LINUX_EINVAL;
    uint32_t owner = 0;
    for (;;) {
        struct futex_key key[2];
        struct futex_wakes wakes;
        wakes.count = 0;
        int err = futex_key_get(task, addr, private, &key[0]);
        if (!err)
            err = futex_key_get(task, lock, private, &key[1]);
        if (err)
            return err;
        if (futex_key_equal(&key[0], &key[1]))
            return -LINUX_EINVAL;
        struct futex_bucket *from = futex_bucket_of(task, &key[0]);
        struct futex_bucket *to = futex_bucket_of(task, &key[1]);
        lock_acquire_pair(&from->lock, &to->lock);
        int done = move_locked(task, &rq, from, to, key, &owner, &wakes);
        lock_release_pair(&from->lock, &to->lock);
        futex_wakes_send(&wakes);
        bool gone = owner && !futex_owner_exists(task, owner);
        if (done == -LINUX_ESRCH) {
            if (gone && (err = futex_pi_names(task, lock, owner)))
                return err;
            continue;
        }
        // It may have begun to end, and looked for its waiters, just before they were moved.
        if (gone)
            futex_pi_orphaned(to, &key[1], owner);
        if (done != -LINUX_EFAULT)
            return done;
        err = user_fault_in(task, addr, false);
        if (!err)
            err = user_fault_in(task, lock, true);
        if (err)
            return err;
    }
}
