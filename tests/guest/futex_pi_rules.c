// PI futexes: what is refused, circles of locks, and words that do not fit what the kernel knows.
#include "asleep.h"
#include "probe.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

typedef _Atomic uint32_t word;

static long futex(void *at, int op, uint32_t val, const void *timeout, void *at2, uint32_t val3)
{
    return syscall(SYS_futex, at, op, val, timeout, at2, val3);
}
static long lock_pi(word *at)
{
    return futex(at, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
}
static long unlock_pi(word *at)
{
    return futex(at, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
}
static uint32_t self(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

static void show_word(const char *name, uint32_t w)
{
    uint32_t tid = w & FUTEX_TID_MASK;
    SHOW(name, "%s%s%s",
         !tid            ? "free"
         : tid == self() ? "mine"
                         : "another's",
         w & FUTEX_WAITERS ? ", waiters" : "", w & FUTEX_OWNER_DIED ? ", owner died" : "");
}

// --- Circles -------------------------------------------------------------------------------------

enum { MAX = 5 };
static word locks[MAX];
static int count;

struct link {
    pthread_t thread;
    int index;
    atomic_int tid, holds, go, error, done;
};
static struct link links[MAX];

// Holds its own lock and asks for the next one's.
static void *hold_and_ask(void *arg)
{
    struct link *l = arg;
    l->tid = (int)self();
    lock_pi(&locks[l->index]);
    l->holds = 1;
    while (!l->go)
        sched_yield(); // not asleep before it asks
    word *next = &locks[(l->index + 1) % count];
    l->error = lock_pi(next) ? errno : 0;
    if (!l->error)
        unlock_pi(next);
    unlock_pi(&locks[l->index]);
    l->done = 1;
    return NULL;
}

static void circle(int n)
{
    char label[40];
    count = n;
    for (int i = 0; i < n; i++) {
        locks[i] = 0;
        memset(&links[i], 0, sizeof links[i]);
        links[i].index = i;
        pthread_create(&links[i].thread, NULL, hold_and_ask, &links[i]);
    }
    for (int i = 0; i < n; i++)
        while (!links[i].holds)
            sleep_ms(1);
    for (int i = 0; i < n; i++) {
        links[i].go = 1;
        if (i < n - 1)
            task_until_asleep(links[i].tid);
    }
    for (int i = 0; i < n; i++)
        pthread_join(links[i].thread, NULL);
    for (int i = 0; i < n; i++) {
        snprintf(label, sizeof label, "%d of %d", i + 1, n);
        SHOW(label, "%s", links[i].error ? strerrorname_np(links[i].error) : "got it");
    }
    show_word("the last word", locks[0]);
}

static void circles(void)
{
    for (int n = 2; n <= MAX; n++)
        circle(n);
    word own = 0;
    lock_pi(&own);
    show_call("its own", lock_pi(&own));
    show_call("its own, tried", futex(&own, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    show_call("unlock", unlock_pi(&own));
    show_call("unlock again", unlock_pi(&own));
}

// --- Words ---------------------------------------------------------------------------------------

static void words(void)
{
    word w = FUTEX_WAITERS;
    show_call("free with waiters", lock_pi(&w));
    show_word("word", w);
    w = FUTEX_OWNER_DIED;
    show_call("owner died", lock_pi(&w));
    show_word("word", w);
    w = FUTEX_OWNER_DIED | FUTEX_WAITERS;
    show_call("owner died with waiters", lock_pi(&w));
    show_word("word", w);
    w = FUTEX_OWNER_DIED;
    show_call("owner died, tried", futex(&w, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    show_word("word", w);
    w = 0x3ffffff0;
    show_call("owned by nobody", lock_pi(&w));
    w = 0x3ffffff0;
    show_call("owned by nobody, tried", futex(&w, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    w = 0x3ffffff0;
    show_call("unlock of nobody's", unlock_pi(&w));
    w = self() | FUTEX_WAITERS;
    show_call("unlock with waiters that are none", unlock_pi(&w));
    show_word("word", w);
    w = self() | FUTEX_OWNER_DIED;
    show_call("unlock after a death", unlock_pi(&w));
    show_word("word", w);
    w = 0;
    struct timespec past = {0, 0}, bad = {0, 2000000000};
    show_call("past deadline, free", futex(&w, FUTEX_LOCK_PI_PRIVATE, 0, &past, NULL, 0));
    w = 0;
    show_call("bad deadline", futex(&w, FUTEX_LOCK_PI_PRIVATE, 0, &bad, NULL, 0));
    show_call("NULL", lock_pi(NULL));
    show_call("unlock NULL", unlock_pi(NULL));
    show_call("odd", lock_pi((word *)((uintptr_t)&w + 2)));
    word *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show_call("read-only", lock_pi(ro));
    show_call("read-only, tried", futex(ro, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    show_call("read-only, unlock", unlock_pi(ro));
    show_call("LOCK_PI with a clock",
              futex(&w, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
    show_call("UNLOCK_PI with a clock",
              futex(&w, FUTEX_UNLOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
    show_call("TRYLOCK_PI with a clock",
              futex(&w, FUTEX_TRYLOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
    w = 0;
    show_call("LOCK_PI2", futex(&w, FUTEX_LOCK_PI2 | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0));
    show_call("unlock", unlock_pi(&w));
    show_call(
        "LOCK_PI2 with a clock",
        futex(&w, FUTEX_LOCK_PI2 | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
    show_call("unlock", unlock_pi(&w));
}

// --- Waiters of other kinds ----------------------------------------------------------------------

struct waiter {
    pthread_t thread;
    word *at;
    int op;
    uint32_t value;
    atomic_int tid, error;
};

static void *wait_on(void *arg)
{
    struct waiter *w = arg;
    w->tid = (int)self();
    w->error = futex(w->at, w->op, w->value, NULL, NULL, 0) ? errno : 0;
    if (!w->error && w->op == FUTEX_LOCK_PI_PRIVATE)
        unlock_pi(w->at);
    return NULL;
}

static void start(struct waiter *w, word *at, int op, uint32_t value)
{
    *w = (struct waiter){.at = at, .op = op, .value = value};
    pthread_create(&w->thread, NULL, wait_on, w);
    while (!w->tid)
        sleep_ms(1);
    task_until_asleep(w->tid);
}

static void mixtures(void)
{
    struct waiter w;
    word at = 0, other = 0;
    lock_pi(&at);
    uint32_t value = at;
    start(&w, &at, FUTEX_WAIT_PRIVATE, value);
    show_call("unlock with an ordinary waiter", unlock_pi(&at));
    show_word("word", at);
    at = 0x3ffffff0;
    show_call("lock with an ordinary waiter", lock_pi(&at));
    show_call("wake it", futex(&at, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    pthread_join(w.thread, NULL);

    at = 0;
    lock_pi(&at);
    start(&w, &at, FUTEX_LOCK_PI_PRIVATE, 0);
    show_word("waited for", at);
    show_call("wake", futex(&at, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    show_call("wake bitset", futex(&at, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 1));
    show_call("wake op", futex(&at, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other,
                               FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0)));
    show_call("wake op, second", futex(&other, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &at,
                                       FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_NE, 0)));
    show_call("requeue", futex(&at, FUTEX_REQUEUE_PRIVATE, 1, (void *)1, &other, 0));
    show_call("compare and requeue",
              futex(&at, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &other, at));
    show_call("requeue to a lock",
              futex(&at, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &other, at));
    struct timespec soon = {0, 1000000};
    show_call("an ordinary wait", futex(&at, FUTEX_WAIT_PRIVATE, at, &soon, NULL, 0));
    uint32_t keep = at;
    at = FUTEX_WAITERS; // says it is free
    show_call("lock of one that looks free", lock_pi(&at));
    at = FUTEX_WAITERS | (uint32_t)w.tid;
    show_call("lock of one that looks the waiter's", lock_pi(&at));
    show_call("unlock of one that looks the waiter's", unlock_pi(&at));
    at = keep;
    show_call("unlock", unlock_pi(&at));
    pthread_join(w.thread, NULL);
    SHOW("the waiter", "%s", w.error ? strerrorname_np(w.error) : "got it");
    show_word("word", at);
    show_call("requeue to itself", futex(&at, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &at, 0));
    show_call("requeue waking none",
              futex(&at, FUTEX_CMP_REQUEUE_PI_PRIVATE, 0, (void *)1, &other, 0));
    show_call("requeue waking two",
              futex(&at, FUTEX_CMP_REQUEUE_PI_PRIVATE, 2, (void *)1, &other, 0));
    show_call("requeue moving less than none",
              futex(&at, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)-1l, &other, 0));
    show_call("requeue with another value",
              futex(&at, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &other, 5));
    show_call("requeue of nobody",
              futex(&at, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &other, 0));
    show_call("wait to be moved to itself",
              futex(&at, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, &soon, &at, 0));
    show_call("wait to be moved to NULL",
              futex(&at, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, &soon, NULL, 0));
    show_call("wait to be moved, other value",
              futex(&at, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 7, &soon, &other, 0));
}

// --- Owners that end -----------------------------------------------------------------------------

static void *take_and_end(void *arg)
{
    lock_pi(arg);
    return NULL;
}

static word gate;

static void *take_and_wait(void *arg)
{
    lock_pi(arg);
    gate = 1;
    while (gate != 2)
        sleep_ms(1);
    return NULL;
}

// An owner ends whose word was overwritten while somebody waited for it.
static void overwritten(const char *name, uint32_t with)
{
    struct waiter w;
    pthread_t t;
    word at = 0;
    gate = 0;
    pthread_create(&t, NULL, take_and_wait, &at);
    while (gate != 1)
        sleep_ms(1);
    start(&w, &at, FUTEX_LOCK_PI_PRIVATE, 0);
    at = with;
    gate = 2;
    pthread_join(t, NULL);
    pthread_join(w.thread, NULL);
    SHOW(name, "%s", w.error ? strerrorname_np(w.error) : "got it");
    show_word("word", at);
}

static void *wait_to_move(void *arg)
{
    struct waiter *w = arg;
    w->tid = (int)self();
    w->error = futex(w->at, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &locks[0], 0) ? errno : 0;
    return NULL;
}

// Waiters are not moved to a lock whose owner has ended: nobody would hand it on.
static void moved_to_ended(void)
{
    struct waiter w = {0};
    pthread_t t;
    word cond = 0;
    locks[0] = 0;
    pthread_create(&t, NULL, take_and_end, &locks[0]);
    pthread_join(t, NULL);
    while (syscall(SYS_tgkill, getpid(), locks[0] & FUTEX_TID_MASK, 0) == 0)
        sleep_ms(1);
    w.at = &cond;
    pthread_create(&w.thread, NULL, wait_to_move, &w);
    while (!w.tid)
        sleep_ms(1);
    task_until_asleep(w.tid);
    show_call("requeue to an ended owner's",
              futex(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &locks[0], 0));
    show_word("word", locks[0]);
    locks[0] = 0;
    show_call("requeue to a free one",
              futex(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &locks[0], 0));
    pthread_join(w.thread, NULL);
    SHOW("its waiter", "%s", w.error ? strerrorname_np(w.error) : "got it");
}

static void owners(void)
{
    struct waiter w;
    pthread_t t;
    word at = 0;
    pthread_create(&t, NULL, take_and_end, &at);
    pthread_join(t, NULL);
    while (syscall(SYS_tgkill, getpid(), at & FUTEX_TID_MASK, 0) == 0)
        sleep_ms(1);
    show_call("of an ended thread", lock_pi(&at));
    show_word("word", at);
    overwritten("overwritten as free", 0);
    overwritten("overwritten as nobody's", 0x3ffffff0);
    moved_to_ended();
    word *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ready[2], go[2];
    pipe(ready);
    pipe(go);
    pid_t child = fork();
    if (child == 0) {
        futex(shared, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
        tell(ready[1]);
        hear(go[0]);
        _exit(0);
    }
    hear(ready[0]);
    start(&w, shared, FUTEX_LOCK_PI, 0);
    tell(go[1]);
    pthread_join(w.thread, NULL);
    waitpid(child, NULL, 0);
    SHOW("shared, its process ended", "%s", w.error ? strerrorname_np(w.error) : "got it");
    SHOW("owner died", "%d", !!(*shared & FUTEX_OWNER_DIED));
}

static void questions(void)
{
    IN_CHILD("circles", circles());
    IN_CHILD("words", words());
    IN_CHILD("mixtures", mixtures());
    IN_CHILD("owners", owners());
}

int main(void)
{
    return run_as_child(questions);
}
