// Priority-inheritance futexes and robust lists. Host threads have no priorities to inherit; what
// remains is what programs can see: the bits of the word, the hand-over in order of arrival, and
// what becomes of locks whose owner ends.
#include "kernel/futex_internal.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/trace_access.h"
#include "kernel/wait.h"
#include "platform/abi/futex.h"
#include "platform/abi/linux_errno.h"

struct futex_waiter *futex_first_pi(struct futex_bucket *b, const struct futex_key *key)
{
    struct futex_waiter *w;
    list_for_each (w, &b->waiters, node)
        if (w->pi && futex_key_equal(&w->key, key))
            return w;
    return NULL;
}

// --- Who waits for whom --------------------------------------------------------------------------

// The wait of a thread, if it waits for a PI lock. pi_lock is held.
static const struct futex_waiter *wait_of(const struct futex_table *table, const struct task *like,
                                          uint32_t tid)
{
    const struct futex_waiter *w;
    list_for_each (w, &table->pi_waits, pi_link)
        if ((uint32_t)w->task->own_pid == tid && w->task->pid_ns == like->pid_ns)
            return w;
    return NULL;
}

int futex_pi_begin(struct futex_waiter *w, uint32_t owner)
{
    enum { DEPTH_MAX = 1024 }; // as Linux: a chain as long is taken for a circle
    struct futex_table *table = w->task->kernel->futexes;
    const struct futex_waiter *next;
    uint32_t at = owner;
    int depth = 0;
    lock_acquire(&table->pi_lock);
    while (at != (uint32_t)w->task->own_pid && depth < DEPTH_MAX &&
           (next = wait_of(table, w->task, at)) != NULL) {
        at = next->owner;
        depth++;
    }
    bool circle = at == (uint32_t)w->task->own_pid || depth == DEPTH_MAX;
    if (!circle) {
        w->owner = owner;
        list_add_tail(&table->pi_waits, &w->pi_link);
    }
    lock_release(&table->pi_lock);
    return circle ? -LINUX_EDEADLK : 0;
}

void futex_pi_end(struct futex_waiter *w)
{
    struct futex_table *table = w->task->kernel->futexes;
    lock_acquire(&table->pi_lock);
    list_remove(&w->pi_link);
    lock_release(&table->pi_lock);
}

// The lock goes to `next`: the others wait for that one now. The bucket is locked.
static void set_owner(struct futex_bucket *b, struct futex_waiter *next)
{
    struct futex_table *table = next->task->kernel->futexes;
    struct futex_waiter *w;
    lock_acquire(&table->pi_lock);
    list_remove(&next->pi_link);
    list_for_each (w, &b->waiters, node)
        if (w->pi && futex_key_equal(&w->key, &next->key))
            w->owner = (uint32_t)next->task->own_pid;
    lock_release(&table->pi_lock);
}

// The lock goes to `w`, which writes the word itself. The bucket is locked, and `wakes` has room.
static void give(struct futex_bucket *b, struct futex_waiter *w, struct futex_wakes *wakes)
{
    set_owner(b, w); // those behind it wait for the new owner from here on
    w->inherits = true;
    (void)futex_take(w, wakes);
}

void futex_pi_orphaned(struct futex_bucket *b, const struct futex_key *key, uint32_t owner)
{
    struct futex_wakes wakes;
    wakes.count = 0;
    lock_acquire(&b->lock);
    struct futex_waiter *w = futex_first_pi(b, key);
    if (w && w->owner == owner)
        give(b, w, &wakes);
    lock_release(&b->lock);
    futex_wakes_send(&wakes);
}

static struct futex_waiter *first_waiter(struct futex_bucket *b, const struct futex_key *key)
{
    struct futex_waiter *w;
    list_for_each (w, &b->waiters, node)
        if (futex_key_equal(&w->key, key))
            return w;
    return NULL;
}

// Does the word say what is known from those that wait already?
static bool fits(struct futex_bucket *b, const struct futex_key *key, uint32_t word)
{
    const struct futex_waiter *first = first_waiter(b, key);
    uint32_t owner = word & LINUX_FUTEX_TID_MASK;
    if (!first || !first->pi)
        return !first;
    return first->owner == owner || (!owner && word & LINUX_FUTEX_OWNER_DIED);
}

// --- Locking -------------------------------------------------------------------------------------

bool futex_owner_exists(struct task *task, uint32_t tid)
{
    struct task *owner = task_find(task->kernel, pid_arg(task, (int32_t)tid));
    if (!owner)
        return false;
    bool exists = !atomic_load_explicit(&owner->futexes_left, memory_order_seq_cst);
    task_put(owner);
    return exists;
}

int futex_pi_names(struct task *task, uaddr_t addr, uint32_t owner)
{
    uint32_t word;
    int err = user_load32(task, addr, &word, false);
    if (err)
        return err;
    return (word & LINUX_FUTEX_TID_MASK) == owner ? -LINUX_ESRCH : 0;
}

enum pi_result { PI_TAKEN, PI_QUEUED, PI_BUSY, PI_AGAIN, PI_ERROR };

// One attempt with the bucket locked: takes a free lock, or marks it contended and queues unless it
// is only to try. *holder: who has a lock that was not free.
static enum pi_result try_lock(struct task *task, struct futex_bucket *b, struct futex_waiter *w,
                               uaddr_t addr, bool try_only, uint32_t *holder, int *err)
{
    uint32_t word, seen;
    *err = user_load32(task, addr, &word, true);
    if (*err)
        return PI_AGAIN;
    uint32_t owner = *holder = word & LINUX_FUTEX_TID_MASK;
    if (owner == (uint32_t)task->own_pid) {
        *err = -LINUX_EDEADLK;
        return PI_ERROR;
    }
    if (!fits(b, &w->key, word)) {
        *err = -LINUX_EINVAL;
        return PI_ERROR;
    }
    uint32_t want = word | LINUX_FUTEX_WAITERS;
    if (!owner)
        want = (word & LINUX_FUTEX_OWNER_DIED) | (uint32_t)task->own_pid |
               (futex_first_pi(b, &w->key) ? LINUX_FUTEX_WAITERS : 0);
    if (want != word) {
        *err = user_cmpxchg32(task, addr, word, want, &seen, true);
        if (*err || seen != word)
            return PI_AGAIN;
    }
    if (!owner)
        return PI_TAKEN;
    if (try_only)
        return PI_BUSY;
    *err = futex_pi_begin(w, owner);
    if (*err)
        return PI_ERROR;
    futex_enqueue(b, w);
    return PI_QUEUED;
}

// The owner of a lock in shared memory ended, and could not write the word at our address.
static int inherit(struct task *task, uaddr_t lock)
{
    const uint32_t want = LINUX_FUTEX_OWNER_DIED | LINUX_FUTEX_WAITERS | (uint32_t)task->own_pid;
    uint32_t word, seen;
    int err = user_load32(task, lock, &word, false);
    while (!err) {
        err = user_cmpxchg32(task, lock, word, want, &seen, false);
        if (err || seen == word)
            break;
        word = seen;
    }
    return err;
}

int futex_sleep_pi(struct task *task, struct futex_waiter *w, uaddr_t lock, uint64_t deadline_ns)
{
    int err = futex_sleep(task, w, deadline_ns);
    futex_pi_end(w);
    return !err && w->inherits ? inherit(task, lock) : err;
}

// True when `w` was still queued behind `owner`, and is not any more. Waiters for a lock stay in
// their bucket; what changes is whom they wait for, as the lock is handed on.
static bool stop_waiting_for(struct futex_waiter *w, uint32_t owner)
{
    struct futex_bucket *b = w->bucket;
    lock_acquire(&b->lock);
    bool waits = !atomic_load_explicit(&w->woken, memory_order_relaxed) && w->owner == owner;
    if (waits)
        list_remove(&w->node);
    lock_release(&b->lock);
    if (waits)
        futex_pi_end(w);
    return waits;
}

static int lock_or_wait(struct task *task, uaddr_t addr, bool private, bool try_only,
                        uint64_t deadline_ns)
{
    struct futex_waiter w = {.task = task, .bitset = LINUX_FUTEX_BITSET_MATCH_ANY, .pi = true};
    list_init(&w.pi_link);
    for (;;) {
        int err = futex_key_get(task, addr, private, &w.key);
        if (err)
            return err;
        struct futex_bucket *b = futex_bucket_of(task, &w.key);
        uint32_t owner;
        lock_acquire(&b->lock);
        enum pi_result result = try_lock(task, b, &w, addr, try_only, &owner, &err);
        lock_release(&b->lock);
        switch (result) {
        case PI_TAKEN:
            return 0;
        case PI_QUEUED:
            if (futex_owner_exists(task, owner) || !stop_waiting_for(&w, owner)) {
                err = futex_sleep_pi(task, &w, addr, deadline_ns);
                return err == -ERESTARTSYS ? -ERESTARTNOINTR : err;
            }
            err = futex_pi_names(task, addr, owner);
            break;
        case PI_BUSY:
            if (futex_owner_exists(task, owner))
                return -LINUX_EAGAIN;
            err = futex_pi_names(task, addr, owner);
            break;
        case PI_AGAIN:
            if (err)
                err = user_fault_in(task, addr, true);
            break;
        case PI_ERROR:
            break;
        }
        if (err)
            return err;
    }
}

int64_t futex_lock_pi(struct task *task, uaddr_t addr, bool private, bool try_only,
                      uint64_t deadline_ns)
{
    // Counted before it is queued: an owner that ends, or gets the lock and ends, looks for waiters
    // from then on. One that had ended before does not exist when the waiter looks for it.
    _Atomic uint32_t *count = &task->kernel->futexes->pi_waiters;
    atomic_fetch_add_explicit(count, 1, memory_order_seq_cst);
    int err = lock_or_wait(task, addr, private, try_only, deadline_ns);
    atomic_fetch_sub_explicit(count, 1, memory_order_seq_cst);
    return err;
}

int64_t futex_unlock_pi(struct task *task, uaddr_t addr, bool private)
{
    for (;;) {
        struct futex_key key;
        int err = futex_key_get(task, addr, private, &key);
        if (err)
            return err;
        struct futex_bucket *b = futex_bucket_of(task, &key);
        struct futex_wakes wakes;
        wakes.count = 0;
        uint32_t word, seen = 0;
        bool done = false, stranger = false, unfit = false;
        lock_acquire(&b->lock);
        err = user_load32(task, addr, &word, true);
        bool unread = err; // only who has the lock needs to write
        if (!err) {
            stranger = (word & LINUX_FUTEX_TID_MASK) != (uint32_t)task->own_pid;
            struct futex_waiter *next = first_waiter(b, &key);
            uint32_t want = next ? LINUX_FUTEX_WAITERS | (uint32_t)next->task->own_pid : 0;
            unfit = next && (!next->pi || next->owner != (uint32_t)task->own_pid);
            if (!stranger && !unfit)
                err = user_cmpxchg32(task, addr, word, want, &seen, true);
            done = !stranger && !unfit && !err && seen == word;
            if (done && next) {
                set_owner(b, next);
                (void)futex_take(next, &wakes);
            }
        }
        lock_release(&b->lock);
        futex_wakes_send(&wakes);
        if (stranger)
            return -LINUX_EPERM;
        if (unfit)
            return -LINUX_EINVAL;
        if (done)
            return 0;
        if (err && (err = user_fault_in(task, addr, !unread)))
            return err;
    }
}

// --- Robust lists --------------------------------------------------------------------------------

int64_t sys_set_robust_list(struct task *task, uaddr_t head, uint64_t len)
{
    if (len != sizeof(struct linux_robust_list_head))
        return -LINUX_EINVAL;
    atomic_store_explicit(&task->robust_list, head, memory_order_relaxed);
    return 0;
}

int64_t sys_get_robust_list(struct task *task, int32_t pid, uaddr_t head, uaddr_t len)
{
    struct task *target = pid ? task_find(task->kernel, pid_arg(task, pid)) : task_get(task);
    if (!target)
        return -LINUX_ESRCH;
    uint64_t value = atomic_load_explicit(&target->robust_list, memory_order_relaxed);
    uint64_t size = sizeof(struct linux_robust_list_head);
    bool may = task_may_trace(task, target);
    task_put(target);
    if (!may)
        return -LINUX_EPERM;
    return user_put(task, len, &size) || user_put(task, head, &value) ? -LINUX_EFAULT : 0;
}

// A PI lock of the ending task goes to its first waiter. The list does not say whether the lock is
// process-private, which decides the key of its waiters: both are looked at. -LINUX_EPERM: the word
// names another owner.
static int mark_dead_pi(struct task *task, uaddr_t addr)
{
    for (;;) {
        struct futex_key key[2];
        uint32_t word, seen;
        int err = futex_key_get(task, addr, false, &key[0]);
        if (!err)
            err = futex_key_get(task, addr, true, &key[1]);
        if (err)
            return err;
        struct futex_bucket *b[2] = {futex_bucket_of(task, &key[0]),
                                     futex_bucket_of(task, &key[1])};
        struct futex_wakes wakes;
        wakes.count = 0;
        bool done = false, stranger = false;
        lock_acquire_pair(&b[0]->lock, &b[1]->lock);
        err = user_load32(task, addr, &word, true);
        if (!err && (word & LINUX_FUTEX_TID_MASK) != (uint32_t)task->own_pid) {
            stranger = true;
        } else if (!err) {
            struct futex_waiter *next = futex_first_pi(b[0], &key[0]);
            if (!next)
                next = futex_first_pi(b[1], &key[1]);
            uint32_t want = (word & LINUX_FUTEX_WAITERS) | LINUX_FUTEX_OWNER_DIED |
                            (next ? (uint32_t)next->task->own_pid : 0);
            err = user_cmpxchg32(task, addr, word, want, &seen, true);
            done = !err && seen == word;
            if (done && next) {
                set_owner(next->bucket, next);
                (void)futex_take(next, &wakes);
            }
        }
        lock_release_pair(&b[0]->lock, &b[1]->lock);
        futex_wakes_send(&wakes);
        if (done || stranger)
            return done ? 0 : -LINUX_EPERM;
        if (err && (err = user_fault_in(task, addr, true)))
            return err;
    }
}

// Marks one lock of the ending task. False: the list is broken, stop.
static bool mark_dead(struct task *task, uaddr_t addr, bool pi, bool pending)
{
    uint32_t word, seen;
    if (addr % sizeof word)
        return false;
    if (pi) {
        int err = mark_dead_pi(task, addr);
        return !err || err == -LINUX_EPERM;
    }
    if (user_load32(task, addr, &word, false))
        return false;
    for (;;) {
        uint32_t owner = word & LINUX_FUTEX_TID_MASK;
        // Unlocked but not yet woken anybody: the wake is ours to do.
        if (pending && !owner) {
            futex_wake_address(task, addr, 1);
            return true;
        }
        if (owner != (uint32_t)task->own_pid)
            return true;
        uint32_t want = (word & LINUX_FUTEX_WAITERS) | LINUX_FUTEX_OWNER_DIED;
        if (user_cmpxchg32(task, addr, word, want, &seen, false))
            return false;
        if (seen == word)
            break;
        word = seen;
    }
    if (word & LINUX_FUTEX_WAITERS)
        futex_wake_address(task, addr, 1);
    return true;
}

// The private PI lock somebody still waits for this task to release, or 0.
static uaddr_t waited_for(struct task *task, struct futex_bucket *b)
{
    uaddr_t found = 0;
    lock_acquire(&b->lock);
    struct futex_waiter *w;
    list_for_each (w, &b->waiters, node) {
        if (w->pi && w->owner == (uint32_t)task->own_pid && w->key.object == task->mm) {
            found = w->key.offset & ~(uint64_t)3;
            break;
        }
    }
    lock_release(&b->lock);
    return found;
}

// The same for locks whose word this task cannot write: it is in shared memory for which the task
// may have no address, or does not say any more whose lock it is. Who gets the lock writes it.
static void pass_on_unwritten(struct task *task, struct futex_bucket *b)
{
    bool more;
    do {
        struct futex_wakes wakes;
        wakes.count = 0;
        lock_acquire(&b->lock);
        struct futex_waiter *w, *next;
        list_for_each_safe (w, next, &b->waiters, node) {
            if (!w->pi || w->owner != (uint32_t)task->own_pid || w->task->pid_ns != task->pid_ns)
                continue;
            if (wakes.count == FUTEX_WAKE_BATCH)
                break;
            give(b, w, &wakes);
        }
        lock_release(&b->lock);
        more = wakes.count == FUTEX_WAKE_BATCH;
        futex_wakes_send(&wakes);
    } while (more);
}

// PI locks that are on no robust list go to their first waiter too.
static void pass_on_pi_locks(struct task *task)
{
    struct futex_table *table = task->kernel->futexes;
    if (LIKELY(!atomic_load_explicit(&table->pi_waiters, memory_order_seq_cst)))
        return;
    for (unsigned i = 0; i < FUTEX_BUCKETS; i++) {
        uaddr_t addr;
        while ((addr = waited_for(task, &table->bucket[i])) != 0)
            if (mark_dead_pi(task, addr))
                break;
        pass_on_unwritten(task, &table->bucket[i]);
    }
}

static void walk_robust_list(struct task *task)
{
    struct linux_robust_list_head head;
    uaddr_t list = atomic_exchange_explicit(&task->robust_list, 0, memory_order_relaxed);
    if (!list || user_get(task, list, &head))
        return;
    const uint64_t pi_bit = 1;
    uint64_t entry = head.next, pending = head.list_op_pending & ~pi_bit;
    for (int left = LINUX_ROBUST_LIST_LIMIT; left > 0 && (entry & ~pi_bit) != list; left--) {
        // The next entry is read first: a woken owner may reuse this one.
        uint64_t next, at = entry & ~pi_bit;
        bool ended = user_get(task, at, &next);
        if (at != pending &&
            !mark_dead(task, at + (uint64_t)head.futex_offset, entry & pi_bit, false))
            return;
        if (ended)
            return;
        entry = next;
    }
    if (pending)
        (void)mark_dead(task, pending + (uint64_t)head.futex_offset, head.list_op_pending & pi_bit,
                        true);
}

void futex_exit(struct task *task)
{
    walk_robust_list(task);
    // After its robust locks say that it died, before it looks for the last time who waits.
    if (task->exit_begun)
        atomic_store_explicit(&task->futexes_left, true, memory_order_seq_cst);
    pass_on_pi_locks(task);
}
