// futex(2): waiting on words of memory.
#include "platform/abi/futex.h"
#include "kernel/futex_internal.h"
#include "kernel/mm.h"
#include "kernel/syscall_handlers.h"
#include "kernel/timespec.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <stdlib.h>

// --- Keys and buckets ----------------------------------------------------------------------------

enum { PAGE_BITS = 12, PAGE_MASK = (1 << PAGE_BITS) - 1, KEY_NOT_PRIVATE = 1 };

int futex_table_create(struct futex_table **out)
{
    struct futex_table *table = malloc(sizeof *table);
    if (!table)
        return -LINUX_ENOMEM;
    atomic_init(&table->pi_waiters, 0);
    lock_init(&table->pi_lock, LOCK_RANK_FUTEX_PI);
    list_init(&table->pi_waits);
    for (unsigned i = 0; i < FUTEX_BUCKETS; i++) {
        lock_init(&table->bucket[i].lock, LOCK_RANK_FUTEX);
        list_init(&table->bucket[i].waiters);
    }
    *out = table;
    return 0;
}

void futex_table_destroy(struct futex_table *table)
{
    if (!table)
        return;
    for (unsigned i = 0; i < FUTEX_BUCKETS; i++)
        lock_destroy(&table->bucket[i].lock);
    lock_destroy(&table->pi_lock);
    free(table);
}

int futex_key_get(struct task *task, uaddr_t addr, bool private, struct futex_key *out)
{
    addr = cpu_untag(addr);
    if (addr % sizeof(uint32_t))
        return -LINUX_EINVAL;
    *out = (struct futex_key){task->mm, addr};
    if (private)
        return addr < MEM_VA_END ? 0 : -LINUX_EFAULT;
    bool shared;
    const void *object;
    uint64_t page;
    int err = mm_futex_key(task->mm, addr, &shared, &object, &page);
    if (err)
        return err;
    if (shared)
        *out = (struct futex_key){object, page << PAGE_BITS | (addr & PAGE_MASK)};
    else
        out->offset |= KEY_NOT_PRIVATE;
    return 0;
}

struct futex_bucket *futex_bucket_of(struct task *task, const struct futex_key *key)
{
    uint64_t h = ((uint64_t)(uintptr_t)key->object >> 4) ^ key->offset;
    h *= 0x9e3779b97f4a7c15ull;
    return &task->kernel->futexes->bucket[h >> 56];
}

// --- Queues --------------------------------------------------------------------------------------

void futex_enqueue(struct futex_bucket *bucket, struct futex_waiter *w)
{
    w->bucket = bucket;
    atomic_store_explicit(&w->woken, false, memory_order_relaxed);
    list_add_tail(&bucket->waiters, &w->node);
}

// A requeue may move the waiter between reading its bucket and locking it.
static struct futex_bucket *lock_bucket_of(struct futex_waiter *w) NO_TSA
{
    for (;;) {
        struct futex_bucket *b = __atomic_load_n(&w->bucket, __ATOMIC_ACQUIRE);
        lock_acquire(&b->lock);
        if (b == __atomic_load_n(&w->bucket, __ATOMIC_RELAXED))
            return b;
        lock_release(&b->lock);
    }
}

bool futex_dequeue(struct futex_waiter *w) NO_TSA
{
    struct futex_bucket *b = lock_bucket_of(w);
    bool queued = !atomic_load_explicit(&w->woken, memory_order_relaxed);
    if (queued)
        list_remove(&w->node);
    lock_release(&b->lock);
    return queued;
}

bool futex_take(struct futex_waiter *w, struct futex_wakes *wakes)
{
    if (wakes->count == FUTEX_WAKE_BATCH)
        return false;
    wakes->task[wakes->count++] = task_get(w->task);
    list_remove(&w->node);
    atomic_store_explicit(&w->woken, true, memory_order_release);
    return true;
}

void futex_wakes_send(struct futex_wakes *wakes)
{
    for (unsigned i = 0; i < wakes->count; i++) {
        task_wake(wakes->task[i]);
        task_put(wakes->task[i]);
    }
    wakes->count = 0;
}

int futex_sleep(struct task *task, struct futex_waiter *w, uint64_t deadline_ns)
{
    for (;;) {
        if (atomic_load_explicit(&w->woken, memory_order_acquire))
            return 0;
        int err = task_wait(task, deadline_ns, WAIT_INTERRUPTIBLE);
        if (err)
            return futex_dequeue(w) ? err : 0;
    }
}

// --- Wait ----------------------------------------------------------------------------------------

int futex_queue_if_equal(struct task *task, struct futex_waiter *w, uaddr_t addr, bool private,
                         uint32_t value)
{
    for (;;) {
        int err = futex_key_get(task, addr, private, &w->key);
        if (err)
            return err;
        struct futex_bucket *b = futex_bucket_of(task, &w->key);
        bool unfit = w->moves_to_pi && futex_key_equal(&w->key, &w->lock_key);
        uint32_t seen;
        lock_acquire(&b->lock);
        err = user_load32(task, addr, &seen, true);
        if (!err && seen == value && !unfit)
            futex_enqueue(b, w);
        lock_release(&b->lock);
        if (!err)
            return seen != value ? -LINUX_EAGAIN : unfit ? -LINUX_EINVAL : 0;
        err = user_fault_in(task, addr, false);
        if (err)
            return err;
    }
}

static int64_t wait_restart(struct task *task, struct restart_block *block);

static int64_t futex_wait(struct task *task, uaddr_t addr, bool private, uint32_t value,
                          uint32_t bitset, uint64_t deadline_ns)
{
    if (!bitset)
        return -LINUX_EINVAL;
    struct futex_waiter w = {.task = task, .bitset = bitset};
    int err = futex_queue_if_equal(task, &w, addr, private, value);
    if (err)
        return err;
    err = futex_sleep(task, &w, deadline_ns);
    if (err != -ERESTARTSYS || deadline_ns == WAIT_FOREVER)
        return err;
    task->restart =
        (struct restart_block){.run = wait_restart,
                               .deadline_ns = deadline_ns,
                               .addr = addr,
                               .value = {(uint64_t)value | (uint64_t)private << 32, bitset}};
    return -ERESTART_RESTARTBLOCK;
}

static int64_t wait_restart(struct task *task, struct restart_block *block)
{
    struct restart_block b = *block;
    return futex_wait(task, b.addr, b.value[0] >> 32, (uint32_t)b.value[0], (uint32_t)b.value[1],
                      b.deadline_ns);
}

int64_t sys_restart_syscall(struct task *task)
{
    return task->restart.run ? task->restart.run(task, &task->restart) : -LINUX_EINTR;
}

// --- Wake ----------------------------------------------------------------------------------------

// Takes up to `count` waiters of a key. *more: the batch is full, call again after unlocking.
// -LINUX_EINVAL when one of them waits for a PI lock.
static int take_waiters(struct futex_bucket *b, const struct futex_key *key, uint32_t bitset,
                        int count, struct futex_wakes *wakes, bool *more)
{
    int taken = 0;
    *more = false;
    struct futex_waiter *w, *next;
    list_for_each_safe (w, next, &b->waiters, node) {
        if (taken >= count)
            break;
        if (!futex_key_equal(&w->key, key))
            continue;
        if (w->pi || w->moves_to_pi)
            return -LINUX_EINVAL;
        if (!(w->bitset & bitset))
            continue;
        if (!futex_take(w, wakes)) {
            *more = true;
            break;
        }
        taken++;
    }
    return taken;
}

static int64_t futex_wake(struct task *task, uaddr_t addr, bool private, int count, uint32_t bitset)
{
    struct futex_key key;
    if (!bitset)
        return -LINUX_EINVAL;
    int err = futex_key_get(task, addr, private, &key);
    if (err)
        return err;
    // Linux wakes one waiter even when asked for none.
    if (count < 1)
        count = 1;
    struct futex_bucket *b = futex_bucket_of(task, &key);
    struct futex_wakes wakes;
    wakes.count = 0;
    int woken = 0, taken;
    bool more;
    do {
        lock_acquire(&b->lock);
        taken = take_waiters(b, &key, bitset, count - woken, &wakes, &more);
        lock_release(&b->lock);
        futex_wakes_send(&wakes);
        if (taken > 0)
            woken += taken;
    } while (more);
    return taken < 0 ? taken : woken;
}

void futex_wake_address(struct task *task, uaddr_t addr, int count)
{
    (void)futex_wake(task, addr, false, count, LINUX_FUTEX_BITSET_MATCH_ANY);
}

// --- Requeue -------------------------------------------------------------------------------------

struct requeue {
    uaddr_t addr1, addr2;
    bool private, compare;
    uint32_t value;
    int wake, move;
};

// Both buckets are locked. Returns waiters woken and moved; *more as in take_waiters().
static int requeue_locked(const struct requeue *rq, struct futex_bucket *from,
                          struct futex_bucket *to, const struct futex_key key[2], int done,
                          struct futex_wakes *wakes, bool *more)
{
    struct futex_waiter *w, *next;
    *more = false;
    list_for_each_safe (w, next, &from->waiters, node) {
        if (done - rq->wake >= rq->move)
            break;
        if (!futex_key_equal(&w->key, &key[0]))
            continue;
        if (w->pi || w->moves_to_pi)
            return -LINUX_EINVAL;
        if (done < rq->wake) {
            if (!futex_take(w, wakes)) {
                *more = true;
                break;
            }
        } else if (!futex_key_equal(&key[0], &key[1])) {
            list_remove(&w->node);
            w->key = key[1];
            list_add_tail(&to->waiters, &w->node);
            __atomic_store_n(&w->bucket, to, __ATOMIC_RELEASE);
        }
        done++;
    }
    return done;
}

static int64_t futex_requeue(struct task *task, const struct requeue *rq)
{
    if (rq->wake < 0 || rq->move < 0)
        return -LINUX_EINVAL;
    struct futex_wakes wakes;
    wakes.count = 0;
    int done = 0;
    for (;;) {
        struct futex_key key[2];
        int err = futex_key_get(task, rq->addr1, rq->private, &key[0]);
        if (!err)
            err = futex_key_get(task, rq->addr2, rq->private, &key[1]);
        if (err)
            return done ? done : err;
        struct futex_bucket *from = futex_bucket_of(task, &key[0]);
        struct futex_bucket *to = futex_bucket_of(task, &key[1]);
        uint32_t seen = rq->value;
        bool more = false;
        lock_acquire_pair(&from->lock, &to->lock);
        if (rq->compare && !done)
            err = user_load32(task, rq->addr1, &seen, true);
        if (!err && seen == rq->value)
            done = requeue_locked(rq, from, to, key, done, &wakes, &more);
        lock_release_pair(&from->lock, &to->lock);
        futex_wakes_send(&wakes);
        if (err)
            err = user_fault_in(task, rq->addr1, false);
        else if (seen != rq->value)
            err = -LINUX_EAGAIN;
        else if (!more || done < 0)
            return done;
        if (err)
            return err;
    }
}

// --- Wake and operate ----------------------------------------------------------------------------

static int32_t sign_extend_12(uint32_t bits)
{
    return (int32_t)(bits << 20) >> 20;
}

static int apply(uint32_t op, uint32_t old, uint32_t arg, uint32_t *new)
{
    switch (op) {
    case LINUX_FUTEX_OP_SET:
        *new = arg;
        return 0;
    case LINUX_FUTEX_OP_ADD:
        *new = old + arg;
        return 0;
    case LINUX_FUTEX_OP_OR:
        *new = old | arg;
        return 0;
    case LINUX_FUTEX_OP_ANDN:
        *new = old & ~arg;
        return 0;
    case LINUX_FUTEX_OP_XOR:
        *new = old ^ arg;
        return 0;
    default:
        return -LINUX_ENOSYS;
    }
}

static int compare(uint32_t op, int32_t old, int32_t arg)
{
    switch (op) {
    case LINUX_FUTEX_OP_CMP_EQ:
        return old == arg;
    case LINUX_FUTEX_OP_CMP_NE:
        return old != arg;
    case LINUX_FUTEX_OP_CMP_LT:
        return old < arg;
    case LINUX_FUTEX_OP_CMP_LE:
        return old <= arg;
    case LINUX_FUTEX_OP_CMP_GT:
        return old > arg;
    case LINUX_FUTEX_OP_CMP_GE:
        return old >= arg;
    default:
        return -LINUX_ENOSYS;
    }
}

// Changes the word as `encoded` says. Returns the comparison with its old value (0, 1),
// -LINUX_EFAULT when the page is not there, -LINUX_ENOSYS.
static int operate(struct task *task, uaddr_t addr, uint32_t encoded)
{
    uint32_t op = encoded >> 28 & 7;
    int32_t arg = sign_extend_12(encoded >> 12);
    if (encoded & (uint32_t)LINUX_FUTEX_OP_OPARG_SHIFT << 28)
        arg = (int32_t)(1u << (arg & 31));
    uint32_t seen, new;
    int err = user_load32(task, addr, &seen, true);
    while (!err) {
        uint32_t old = seen;
        err = apply(op, old, (uint32_t)arg, &new);
        if (!err)
            err = user_cmpxchg32(task, addr, old, new, &seen, true);
        if (!err && seen == old)
            return compare(encoded >> 24 & 15, (int32_t)old, sign_extend_12(encoded));
    }
    return err;
}

// One turn of futex_wake_op(): the word changed, and of each word as many woken as one batch holds.
// *more: the batch is full. Both buckets are locked. The comparison (0, 1), or an error.
static int wake_op_locked(struct task *task, struct futex_bucket *const b[2],
                          const struct futex_key key[2], uaddr_t addr2, const int wake[2],
                          uint32_t encoded, int woken[2], struct futex_wakes *wakes, bool *more)
{
    const uint32_t any = LINUX_FUTEX_BITSET_MATCH_ANY;
    int result = operate(task, addr2, encoded);
    for (int i = 0; i <= result && !*more; i++) {
        // Linux wakes one waiter even when asked for none.
        woken[i] = take_waiters(b[i], &key[i], any, wake[i] < 1 ? 1 : wake[i], wakes, more);
        if (woken[i] < 0)
            return -LINUX_EINVAL;
    }
    return result;
}

static int64_t futex_wake_op(struct task *task, const uaddr_t addr[2], bool private,
                             const int wake[2], uint32_t encoded)
{
    struct futex_wakes wakes;
    wakes.count = 0;
    int woken[2] = {0}, result;
    bool more = false;
    for (;;) {
        struct futex_key key[2];
        int err = futex_key_get(task, addr[0], private, &key[0]);
        if (!err)
            err = futex_key_get(task, addr[1], private, &key[1]);
        if (err)
            return err;
        struct futex_bucket *b[2] = {futex_bucket_of(task, &key[0]),
                                     futex_bucket_of(task, &key[1])};
        lock_acquire_pair(&b[0]->lock, &b[1]->lock);
        result = wake_op_locked(task, b, key, addr[1], wake, encoded, woken, &wakes, &more);
        lock_release_pair(&b[0]->lock, &b[1]->lock);
        futex_wakes_send(&wakes);
        if (result != -LINUX_EFAULT)
            break;
        err = user_fault_in(task, addr[1], true);
        if (err)
            return err;
    }
    if (result < 0)
        return result;
    // More waiters than one batch holds: the word is changed already, the rest are plain wakes.
    for (int i = 0; more && i <= result; i++)
        if (woken[i] == 0 || woken[i] < wake[i])
            woken[i] += (int)futex_wake(task, addr[i], private, wake[i] - woken[i],
                                        LINUX_FUTEX_BITSET_MATCH_ANY);
    return woken[0] + woken[1];
}

// --- The call ------------------------------------------------------------------------------------

static bool has_timeout(int cmd)
{
    return cmd == LINUX_FUTEX_WAIT || cmd == LINUX_FUTEX_LOCK_PI || cmd == LINUX_FUTEX_LOCK_PI2 ||
           cmd == LINUX_FUTEX_WAIT_BITSET || cmd == LINUX_FUTEX_WAIT_REQUEUE_PI;
}

static int read_deadline(struct task *task, int cmd, bool realtime, uaddr_t timeout,
                         uint64_t *deadline)
{
    uint64_t ns;
    *deadline = WAIT_FOREVER;
    if (!timeout || !has_timeout(cmd))
        return 0;
    int err = timespec_read(task, timeout, &ns);
    if (err)
        return err;
    if (cmd == LINUX_FUTEX_WAIT)
        *deadline = timespec_deadline(ns);
    else if (realtime || cmd == LINUX_FUTEX_LOCK_PI)
        *deadline = timespec_realtime_deadline(ns);
    else
        *deadline = ns < WAIT_FOREVER ? ns : WAIT_FOREVER - 1;
    return 0;
}

int64_t sys_futex(struct task *task, uaddr_t uaddr, uint32_t op, uint32_t val, uaddr_t timeout,
                  uaddr_t uaddr2, uint32_t val3)
{
    int cmd = (int)op & LINUX_FUTEX_CMD_MASK;
    bool private = op & LINUX_FUTEX_PRIVATE_FLAG, realtime = op & LINUX_FUTEX_CLOCK_REALTIME;
    uint64_t deadline;
    int err = read_deadline(task, cmd, realtime, timeout, &deadline);
    if (err)
        return err;
    if (realtime && cmd != LINUX_FUTEX_WAIT_BITSET && cmd != LINUX_FUTEX_WAIT_REQUEUE_PI &&
        cmd != LINUX_FUTEX_LOCK_PI2)
        return -LINUX_ENOSYS;
    struct requeue rq = {uaddr, uaddr2,   private,     cmd == LINUX_FUTEX_CMP_REQUEUE,
                         val3,  (int)val, (int)timeout};
    switch (cmd) {
    case LINUX_FUTEX_WAIT:
        val3 = LINUX_FUTEX_BITSET_MATCH_ANY;
        FALLTHROUGH;
    case LINUX_FUTEX_WAIT_BITSET:
        return futex_wait(task, uaddr, private, val, val3, deadline);
    case LINUX_FUTEX_WAKE:
        val3 = LINUX_FUTEX_BITSET_MATCH_ANY;
        FALLTHROUGH;
    case LINUX_FUTEX_WAKE_BITSET:
        return futex_wake(task, uaddr, private, (int)val, val3);
    case LINUX_FUTEX_REQUEUE:
    case LINUX_FUTEX_CMP_REQUEUE:
        if (!rq.compare)
            rq.value = 0;
        return futex_requeue(task, &rq);
    case LINUX_FUTEX_WAKE_OP:
        return futex_wake_op(task, (uaddr_t[]){uaddr, uaddr2}, private,
                             (int[]){(int)val, (int)timeout}, val3);
    case LINUX_FUTEX_WAIT_REQUEUE_PI:
        return futex_wait_requeue_pi(task, uaddr, private, val, LINUX_FUTEX_BITSET_MATCH_ANY,
                                     deadline, uaddr2);
    case LINUX_FUTEX_CMP_REQUEUE_PI:
        return futex_cmp_requeue_pi(task, uaddr, private, (int)val, (int)timeout, uaddr2, val3);
    case LINUX_FUTEX_LOCK_PI:
    case LINUX_FUTEX_LOCK_PI2:
        return futex_lock_pi(task, uaddr, private, false, deadline);
    case LINUX_FUTEX_TRYLOCK_PI:
        return futex_lock_pi(task, uaddr, private, true, WAIT_FOREVER);
    case LINUX_FUTEX_UNLOCK_PI:
        return futex_unlock_pi(task, uaddr, private);
    default:
        return -LINUX_ENOSYS;
    }
}

// --- Several words -------------------------------------------------------------------------------

// Takes the first `count` waiters out; returns the last one a waker had taken, or -1.
static int unqueue(struct futex_waiter *w, unsigned count)
{
    int woken = -1;
    for (unsigned i = 0; i < count; i++)
        if (!futex_dequeue(&w[i]))
            woken = (int)i;
    return woken;
}

static int any_woken(struct futex_waiter *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (atomic_load_explicit(&w[i].woken, memory_order_acquire))
            return (int)i;
    return -1;
}

static int64_t wait_on_all(struct task *task, const struct linux_futex_waitv *v,
                           struct futex_waiter *w, unsigned count, uint64_t deadline)
{
    for (unsigned i = 0; i < count; i++) {
        w[i] = (struct futex_waiter){.task = task, .bitset = LINUX_FUTEX_BITSET_MATCH_ANY};
        int err = futex_queue_if_equal(task, &w[i], v[i].uaddr,
                                       v[i].flags & LINUX_FUTEX_PRIVATE_FLAG, (uint32_t)v[i].val);
        if (err) {
            int woken = unqueue(w, i);
            return woken >= 0 ? woken : err;
        }
    }
    int err = 0;
    while (!err && any_woken(w, count) < 0)
        err = task_wait(task, deadline, WAIT_INTERRUPTIBLE);
    int woken = unqueue(w, count);
    return woken >= 0 ? woken : err;
}

int64_t sys_futex_waitv(struct task *task, uaddr_t waiters, uint32_t nr_futexes, uint32_t flags,
                        uaddr_t timeout, int32_t clock)
{
    if (flags || !nr_futexes || nr_futexes > LINUX_FUTEX_WAITV_MAX || !waiters)
        return -LINUX_EINVAL;
    uint64_t deadline = WAIT_FOREVER, ns;
    if (timeout) {
        if (clock != LINUX_CLOCK_MONOTONIC && clock != LINUX_CLOCK_REALTIME)
            return -LINUX_EINVAL;
        int err = timespec_read(task, timeout, &ns);
        if (err)
            return err;
        deadline = clock == LINUX_CLOCK_REALTIME ? timespec_realtime_deadline(ns) : ns;
    }
    struct linux_futex_waitv v[LINUX_FUTEX_WAITV_MAX];
    if (user_read(task, waiters, v, nr_futexes * sizeof v[0]))
        return -LINUX_EFAULT;
    for (uint32_t i = 0; i < nr_futexes; i++)
        if (v[i].flags & ~(uint32_t)(LINUX_FUTEX_32 | LINUX_FUTEX_PRIVATE_FLAG) ||
            !(v[i].flags & LINUX_FUTEX_32) || v[i].reserved)
            return -LINUX_EINVAL;
    struct futex_waiter *w = calloc(nr_futexes, sizeof *w);
    if (!w)
        return -LINUX_ENOMEM;
    int64_t result = wait_on_all(task, v, w, nr_futexes, deadline);
    free(w);
    return result;
}
