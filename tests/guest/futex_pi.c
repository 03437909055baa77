// PI futexes: owners that end, waiters that are moved to a lock, and mixtures that are refused.
#include "asleep.h"
#include "probe.h"
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>

static long futex(void *word, int op, uint32_t val, const void *timeout, void *word2, uint32_t val3)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, timeout, word2, val3);
}

static _Atomic uint32_t cond, lock;
static uint32_t self;

// The lock's word: who has it matters only as one of ours or not.
static const char *word(uint32_t w)
{
    static char text[64];
    uint32_t tid = w & FUTEX_TID_MASK;
    snprintf(text, sizeof text, "%s%s%s",
             !tid          ? "free"
             : tid == self ? "mine"
                           : "another's",
             w & FUTEX_WAITERS ? ", waiters" : "", w & FUTEX_OWNER_DIED ? ", owner died" : "");
    return text;
}

static struct timespec in_ms(long ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

struct waiter {
    pthread_t thread;
    long result;
    int error;
    atomic_int done, tid;
    uint32_t seen;
};

static void *wait_and_move(void *arg)
{
    struct waiter *w = arg;
    struct timespec t = in_ms(5000);
    w->tid = (int)syscall(SYS_gettid);
    w->result = futex(&cond, FUTEX_WAIT_REQUEUE_PI, 0, &t, &lock, 0);
    w->error = errno;
    w->seen = lock;
    w->done = 1;
    if (!w->result)
        futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    return NULL;
}

// Until the thread sleeps in the kernel, or has come back.
static void settle(struct waiter *w)
{
    while (!w->tid)
        sleep_ms(1);
    task_until_asleep(w->tid);
}

static void start(struct waiter *w, int n)
{
    for (int i = 0; i < n; i++) {
        w[i] = (struct waiter){0};
        pthread_create(&w[i].thread, NULL, wait_and_move, &w[i]);
        settle(&w[i]);
    }
}

static void finish(const char *name, struct waiter *w, int n)
{
    int good = 0, mine = 0;
    for (int i = 0; i < n; i++) {
        pthread_join(w[i].thread, NULL);
        good += w[i].result == 0;
        mine += (w[i].seen & FUTEX_TID_MASK) == (uint32_t)w[i].tid;
        if (w[i].result)
            SHOW(name, "%s", strerrorname_np(w[i].error));
    }
    SHOW(name, "%d came back, %d with the lock, now %s", good, mine, word(lock));
}

static void moving(void)
{
    struct waiter w[4];
    self = (uint32_t)syscall(SYS_gettid);
    show_call("nobody waits", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &lock, 0));
    show_call("wake 0", futex(&cond, FUTEX_CMP_REQUEUE_PI, 0, (void *)9, &lock, 0));
    show_call("wake 2", futex(&cond, FUTEX_CMP_REQUEUE_PI, 2, (void *)9, &lock, 0));
    show_call("move -1", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)-1l, &lock, 0));
    show_call("same word", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &cond, 0));
    show_call("value", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &lock, 5));
    show_call("bad lock", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, (void *)1, 0));
    show_call("wait on the same word", futex(&cond, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &cond, 0));
    show_call("wait with a value", futex(&cond, FUTEX_WAIT_REQUEUE_PI, 3, NULL, &lock, 0));
    struct timespec t = in_ms(20);
    show_call("wait in vain", futex(&cond, FUTEX_WAIT_REQUEUE_PI, 0, &t, &lock, 0));

    start(w, 3);
    show_call("plain wake", futex(&cond, FUTEX_WAKE, 9, NULL, NULL, 0));
    show_call("plain requeue", futex(&cond, FUTEX_CMP_REQUEUE, 1, (void *)9, &lock, 0));
    uint32_t other = 0;
    show_call("to another lock", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &other, 0));
    show_call("all, lock free", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &lock, 0));
    finish("all, lock free", w, 3);

    start(w, 3);
    futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    show_call("all, lock held", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &lock, 0));
    sleep_ms(20);
    SHOW("they wait", "%d %d %d, %s", w[0].done, w[1].done, w[2].done, word(lock));
    show_call("wake of the lock", futex(&lock, FUTEX_WAKE, 9, NULL, NULL, 0));
    show_call("unlock", futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    finish("all, lock held", w, 3);

    start(w, 4);
    show_call("two of four", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &lock, 0));
    show_call("the rest", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &lock, 0));
    finish("two and two", w, 4);
}

// Linux asks to try again when the word changes during the call.
static void unlock(void)
{
    while (futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) && errno == EAGAIN)
        continue;
}

static void *lock_and_unlock(void *arg)
{
    (void)arg;
    futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    unlock();
    return NULL;
}

// Owners that unlock and then end, while others ask whose the lock is: it is never a lock of one
// that is no more.
static void owners_unlock_and_end(void)
{
    int orphans = 0;
    for (int round = 0; round < 3000; round++) {
        pthread_t owner;
        pthread_create(&owner, NULL, lock_and_unlock, NULL);
        for (int i = 0; i < 20; i++) {
            if (futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0) == 0)
                unlock();
            else
                orphans += errno == ESRCH;
        }
        pthread_join(owner, NULL);
    }
    SHOW("they unlocked before they ended", "%d orphans, now %s", orphans, word(lock));
}

static atomic_int failed;

static void *wait_for_it(void *arg)
{
    (void)arg;
    failed += futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0) != 0;
    unlock();
    return NULL;
}

// The same with several that wait: a lock that was handed on is waited for until it comes, though
// the one that had it before has ended by then.
static void owners_pass_on_and_end(void)
{
    for (int round = 0; round < 700; round++) {
        pthread_t t[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&t[i], NULL, wait_for_it, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join(t[i], NULL);
    }
    SHOW("they passed it on before they ended", "%d failed, now %s", failed, word(lock));
}

static void *lock_robust(void *arg)
{
    static _Thread_local struct robust_list entry;
    static _Thread_local struct robust_list_head head;
    (void)arg;
    // The lock's word lies where the offset leads from the entry; its lowest bit says that it is
    // PI.
    head.list.next = (struct robust_list *)((uintptr_t)&entry | 1);
    entry.next = &head.list;
    head.futex_offset = (long)((uintptr_t)&lock - (uintptr_t)&entry);
    syscall(SYS_set_robust_list, &head, sizeof head);
    failed += futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0) != 0;
    return NULL;
}

// Owners that end with a robust lock leave it to the next, whenever that one comes.
static void owners_leave_it(void)
{
    for (int round = 0; round < 700; round++) {
        pthread_t t[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&t[i], NULL, lock_robust, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join(t[i], NULL);
    }
    // Who comes alone leaves no trace of others that waited.
    pthread_t last;
    pthread_create(&last, NULL, lock_robust, NULL);
    pthread_join(last, NULL);
    SHOW("they left it when they ended", "%d failed, now %s", failed, word(lock));
}

static atomic_long patience_ms;

static void *times_out(void *arg)
{
    struct waiter *w = arg;
    struct timespec t = in_ms(patience_ms);
    w->tid = (int)syscall(SYS_gettid);
    w->result = futex(&cond, FUTEX_WAIT_REQUEUE_PI, 0, &t, &lock, 0);
    w->error = errno;
    w->done = 1;
    return NULL;
}

// Moves a waiter to the lock, which is held. On a machine that is slower than its deadline there is
// nobody left to move: then again, with more time.
static long move_in_time(struct waiter *w)
{
    long moved = 0;
    for (patience_ms = 60; !moved; patience_ms *= 4) {
        *w = (struct waiter){0};
        pthread_create(&w->thread, NULL, times_out, w);
        settle(w);
        moved = futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &lock, 0);
        pthread_join(w->thread, NULL);
    }
    return moved;
}

static atomic_int handled;

static void on_signal(int sig)
{
    (void)sig;
    handled++;
}

static void interrupted(void)
{
    struct waiter w = {0};
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &sa, NULL);
    self = (uint32_t)syscall(SYS_gettid);
    futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    show_call("moved", move_in_time(&w));
    SHOW("timed out on the lock", "%s", w.result ? strerrorname_np(w.error) : "no");
    start(&w, 1);
    pthread_kill(w.thread, SIGUSR1);
    while (!handled)
        sched_yield();
    settle(&w);
    SHOW("a signal before the move", "%s", w.done ? "ends it" : "does not end it");
    show_call("moved", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &lock, 0));
    pthread_kill(w.thread, SIGUSR1);
    for (int i = 0; i < 5000 && !w.done; i++)
        sleep_ms(1);
    SHOW("a signal after it", "%s", !w.done ? "does not end it" : strerrorname_np(w.error));
    futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    pthread_join(w.thread, NULL);
}

// --- Owners that end -----------------------------------------------------------------------------

static void *lock_and_end(void *arg)
{
    (void)arg;
    futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    cond = 1;
    while (cond != 2)
        sleep_ms(1);
    return NULL;
}

static void *lock_it(void *arg)
{
    struct waiter *w = arg;
    w->tid = (int)syscall(SYS_gettid);
    w->result = futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    w->error = errno;
    w->seen = lock;
    w->done = 1;
    if (w->result == 0)
        futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    return NULL;
}

static void owner_ends(void)
{
    pthread_t owner;
    struct waiter w[3];
    self = (uint32_t)syscall(SYS_gettid);
    pthread_create(&owner, NULL, lock_and_end, NULL);
    while (cond != 1)
        sleep_ms(1);
    for (int i = 0; i < 3; i++) {
        w[i] = (struct waiter){0};
        pthread_create(&w[i].thread, NULL, lock_it, &w[i]);
        settle(&w[i]);
    }
    SHOW("held", "%s", word(lock));
    cond = 2;
    pthread_join(owner, NULL);
    int good = 0, died = 0;
    for (int i = 0; i < 3; i++) {
        pthread_join(w[i].thread, NULL);
        good += w[i].result == 0 && (w[i].seen & FUTEX_TID_MASK) == (uint32_t)w[i].tid;
        died += (w[i].seen & FUTEX_OWNER_DIED) != 0;
    }
    SHOW("after its owner ended", "%d got it, %d saw why, now %s", good, died, word(lock));
    lock = (uint32_t)syscall(SYS_gettid) + 100000;
    show_call("held by nobody that is", futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    lock = cond = 0;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    pthread_create(&owner, NULL, lock_and_end, NULL);
    while (cond != 1)
        sleep_ms(1);
    show_call("past deadline", futex(&lock, FUTEX_LOCK_PI, 0, &t, NULL, 0));
    t = in_ms(10);
    show_call("LOCK_PI2, monotonic", futex(&lock, 13, 0, &t, NULL, 0));
    cond = 2;
    pthread_join(owner, NULL);
}

int main(void)
{
    run_as_child(moving);
    run_as_child(owners_unlock_and_end);
    run_as_child(owners_pass_on_and_end);
    run_as_child(owners_leave_it);
    run_as_child(interrupted);
    run_as_child(owner_ends);
    return 0;
}
