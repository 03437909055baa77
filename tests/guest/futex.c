// futex(2) and futex_waitv(2): what each operation refuses, every operation of WAKE_OP, more
// waiters than any batch holds, words on pages of every kind, and robust lists made by hand.
#include "asleep.h"
#include "probe.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE };

struct waitv {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};
enum { FUTEX_32_FLAG = 2, SYS_WAITV = 449 };

static long futex(void *word, int op, uint32_t val, const void *timeout, void *word2, uint32_t val3)
{
    return syscall(SYS_futex, word, op, val, timeout, word2, val3);
}
static long waitv(void *v, unsigned n, unsigned flags, void *timeout, int clock)
{
    return syscall(SYS_WAITV, v, n, flags, timeout, clock);
}

static const struct timespec ten_ms = {0, 10000000};

static char *map(int prot, int flags)
{
    char *p = mmap(NULL, PAGE, prot, flags | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

// The end of a page with nothing behind it.
static char *before_a_hole(void)
{
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + PAGE, PAGE);
    return p + PAGE;
}

static struct timespec in_ms(int clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

// --- Threads that wait ---------------------------------------------------------------------------

enum { CROWD = 200 };
struct sleeper {
    pthread_t thread;
    atomic_int tid;
    long (*call)(void);
    long result;
    int error;
};
static struct sleeper crowd[CROWD];
static _Atomic uint32_t word, word2;

static void *sleep_there(void *arg)
{
    struct sleeper *s = arg;
    s->tid = (int)syscall(SYS_gettid);
    s->result = s->call();
    s->error = errno;
    return NULL;
}

// `n` threads in a call, asleep in it one after the other.
static void gather(int n, long (*call)(void))
{
    for (int i = 0; i < n; i++) {
        crowd[i].tid = 0;
        crowd[i].call = call;
        pthread_create(&crowd[i].thread, NULL, sleep_there, &crowd[i]);
        while (!crowd[i].tid)
            sched_yield();
        task_until_asleep(crowd[i].tid);
    }
}

static void see_off(const char *name, int n)
{
    int good = 0, last = 0;
    for (int i = 0; i < n; i++) {
        pthread_join(crowd[i].thread, NULL);
        good += crowd[i].result >= 0;
        if (crowd[i].result < 0)
            last = crowd[i].error;
    }
    SHOW(name, "%d of %d, %s", good, n, last ? strerrorname_np(last) : "no error");
}

static long wait_word(void)
{
    return futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}
static long wait_nearly_forever(void)
{
    struct timespec t = {INT64_MAX, 0};
    return futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &t, NULL, ~0u);
}
// Whatever its value is.
static long wait_word2(void)
{
    return futex(&word2, FUTEX_WAIT_PRIVATE, word2, NULL, NULL, 0);
}

// --- What is refused -----------------------------------------------------------------------------

static void refusals(void)
{
    void *kernel_half = (void *)0xffff800000000000ul, *hole = map(RW, MAP_PRIVATE);
    munmap(hole, PAGE);
    struct timespec bad = {-1, 0}, late = {1, 1000000000};
    show_call("WAIT: negative time", futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0));
    show_call("WAIT: nanoseconds", futex(&word, FUTEX_WAIT, 0, &late, NULL, 0));
    show_call("WAIT: time in a hole", futex(&word, FUTEX_WAIT, 1, hole, NULL, 0));
    show_call("WAIT realtime: time in a hole",
              futex(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 1, hole, NULL, 0));
    show_call("WAKE: no look at a time", futex(&word, FUTEX_WAKE, 1, hole, NULL, 0));
    show_call("WAKE realtime", futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
    show_call("LOCK_PI realtime",
              futex(&word, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
    struct timespec past = {1, 0};
    show_call("LOCK_PI2 realtime", futex(&word, 13 | FUTEX_CLOCK_REALTIME, 1, &past, NULL, 0));
    show_call("... unlocked", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    show_call("WAIT_REQUEUE_PI realtime",
              futex(&word, FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME, 0, &past, &word2, 0));
    show_call("FUTEX_FD", futex(&word, FUTEX_FD, 0, NULL, NULL, 0));
    show_call("WAKE_BITSET: no bits", futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
    static const struct {
        const char *name;
        int op;
    } ops[] = {
        {"WAIT", FUTEX_WAIT},
        {"WAIT_BITSET", FUTEX_WAIT_BITSET},
        {"WAKE", FUTEX_WAKE},
        {"REQUEUE", FUTEX_REQUEUE},
        {"CMP_REQUEUE", FUTEX_CMP_REQUEUE},
        {"WAKE_OP", FUTEX_WAKE_OP},
        {"LOCK_PI", FUTEX_LOCK_PI},
        {"TRYLOCK_PI", FUTEX_TRYLOCK_PI},
        {"CMP_REQUEUE_PI", FUTEX_CMP_REQUEUE_PI},
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        for (int private = 0; private < 2; private ++) {
            int op = ops[i].op | (private ? FUTEX_PRIVATE_FLAG : 0);
            char name[64];
            snprintf(name, sizeof name, "%s%s", ops[i].name, private ? ", private" : "");
            SHOW(name, "of %s", "words that are not there");
            show_call("... NULL", futex(NULL, op, 1, NULL, &word2, 1));
            show_call("... in a hole", futex(hole, op, 1, NULL, &word2, 1));
            show_call("... in the kernel", futex(kernel_half, op, 1, NULL, &word2, 1));
            show_call("... unaligned",
                      futex((void *)((uintptr_t)&word + 2), op, 1, NULL, &word2, 1));
        }
    }
    for (size_t i = 3; i < 6; i++) {
        int op = ops[i].op | FUTEX_PRIVATE_FLAG;
        SHOW(ops[i].name, "to %s", "words that are not there");
        show_call("... NULL", futex(&word, op, 1, NULL, NULL, 0));
        show_call("... in a hole", futex(&word, op, 1, NULL, hole, 0));
        show_call("... in the kernel", futex(&word, op, 1, NULL, kernel_half, 0));
        show_call("... unaligned", futex(&word, op, 1, NULL, (void *)((uintptr_t)&word2 + 1), 0));
    }
    show_call("REQUEUE: wake -1", futex(&word, FUTEX_REQUEUE, (uint32_t)-1, NULL, &word2, 0));
    show_call("REQUEUE: move -1", futex(&word, FUTEX_REQUEUE, 1, (void *)-1l, &word2, 0));
    show_call("CMP_REQUEUE: another value",
              futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, NULL, &word2, 4));
    show_call("CMP_REQUEUE: value in a hole",
              futex(hole, FUTEX_CMP_REQUEUE_PRIVATE, 1, NULL, &word2, 0));
}

// --- Pages of every kind -------------------------------------------------------------------------

// Each call of its own on a fresh page: the kernel must bring it in, or refuse.
static void pages(void)
{
    static const struct {
        const char *name;
        int prot, flags;
    } kinds[] = {
        {"private", RW, MAP_PRIVATE},
        {"private read-only", PROT_READ, MAP_PRIVATE},
        {"shared", RW, MAP_SHARED},
        {"shared read-only", PROT_READ, MAP_SHARED},
        {"no access", PROT_NONE, MAP_PRIVATE},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (int private = 0; private < 2; private ++) {
            int flag = private ? FUTEX_PRIVATE_FLAG : 0;
            SHOW(kinds[i].name, "%s", private ? "private word" : "shared word");
#define FRESH map(kinds[i].prot, kinds[i].flags)
            show_call("... WAIT", futex(FRESH, FUTEX_WAIT | flag, 0, &ten_ms, NULL, 0));
            show_call("... WAKE", futex(FRESH, FUTEX_WAKE | flag, 1, NULL, NULL, 0));
            show_call("... CMP_REQUEUE from",
                      futex(FRESH, FUTEX_CMP_REQUEUE | flag, 1, NULL, &word2, 0));
            show_call("... CMP_REQUEUE to",
                      futex(&word, FUTEX_CMP_REQUEUE | flag, 1, NULL, FRESH, 0));
            char *p = FRESH;
            show_call("... WAKE_OP", futex(&word, FUTEX_WAKE_OP | flag, 1, NULL, p,
                                           FUTEX_OP(FUTEX_OP_SET, 3, FUTEX_OP_CMP_EQ, 0)));
            if (kinds[i].prot & PROT_WRITE)
                SHOW("... word", "%d", *(int *)p);
            show_call("... LOCK_PI", futex(FRESH, FUTEX_LOCK_PI | flag, 0, NULL, NULL, 0));
            struct waitv v = {0, (uintptr_t)FRESH, FUTEX_32_FLAG | (uint32_t)flag, 0};
            struct timespec t = in_ms(CLOCK_MONOTONIC, 5);
            show_call("... waitv", waitv(&v, 1, 0, &t, CLOCK_MONOTONIC));
        }
    }
    char *last = map(RW, MAP_PRIVATE);
    show_call("last word of a page", futex(last + PAGE - 4, FUTEX_WAIT, 0, &ten_ms, NULL, 0));
    show_call("... across its end", futex(last + PAGE - 2, FUTEX_WAIT, 0, &ten_ms, NULL, 0));
}

// --- WAKE_OP -------------------------------------------------------------------------------------

static void wake_op(void)
{
    static const char *const op_name[] = {"set", "add", "or", "andn", "xor", "op 5"};
    static const char *const cmp_name[] = {"==", "!=", "<", "<=", ">", ">=", "cmp 6"};
    static const int olds[] = {0x7ff, 5, -5};
    for (unsigned op = 0; op < 6; op++) {
        for (unsigned shift = 0; shift < 2; shift++) {
            char name[64];
            snprintf(name, sizeof name, "%s%s", op_name[op], shift ? " of a bit" : "");
            for (unsigned arg = 3; arg < 0x1000; arg += 0xffb) {
                word2 = 0x5a;
                show_call(name, futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word2,
                                      (op | shift << 3) << 28 | arg << 12));
                SHOW("... word", "%#x", word2);
            }
        }
    }
    word2 = 1;
    show_call("a bit beyond the word",
              futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word2, 8u << 28 | 33u << 12));
    SHOW("... word", "%#x", word2);
    for (unsigned cmp = 0; cmp < 7; cmp++) {
        for (size_t i = 0; i < 3; i++) {
            word2 = (uint32_t)olds[i];
            gather(2, wait_word2);
            char name[64];
            snprintf(name, sizeof name, "%d %s 5", olds[i], cmp_name[cmp]);
            show_call(name, futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word2,
                                  1u << 28 | cmp << 24 | 5));
            futex(&word2, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0);
            for (int k = 0; k < 2; k++)
                pthread_join(crowd[k].thread, NULL);
        }
    }
}

// Both words have waiters, more than one batch of any kernel.
static long wait_either(void)
{
    static atomic_int turn;
    return turn++ % 2 ? wait_word() : wait_word2();
}

static void crowds(void)
{
    word = word2 = 0;
    gather(CROWD, wait_word);
    show_call("WAKE 0 of many", futex(&word, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0));
    show_call("WAKE -1 of many", futex(&word, FUTEX_WAKE_PRIVATE, (uint32_t)-1, NULL, NULL, 0));
    show_call("WAKE 90 of many", futex(&word, FUTEX_WAKE_PRIVATE, 90, NULL, NULL, 0));
    show_call("WAKE all", futex(&word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0));
    see_off("woken", CROWD);

    gather(1, wait_nearly_forever);
    show_call("one who waits nearly for ever", futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
    see_off("woken", 1);

    gather(CROWD, wait_word);
    show_call("REQUEUE to the same word",
              futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)2, &word, 0));
    show_call("REQUEUE wake 100 move 40",
              futex(&word, FUTEX_REQUEUE_PRIVATE, 100, (void *)40, &word2, 0));
    show_call("CMP_REQUEUE wake 2 move all",
              futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 2, (void *)INT32_MAX, &word2, 0));
    show_call("nobody is left", futex(&word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0));
    show_call("all are there", futex(&word2, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0));
    see_off("woken", CROWD);

    gather(CROWD, wait_either);
    show_call("WAKE_OP 80 and 70", futex(&word, FUTEX_WAKE_OP_PRIVATE, 80, (void *)70, &word2,
                                         FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0)));
    show_call("WAKE_OP 0 and 0", futex(&word, FUTEX_WAKE_OP_PRIVATE, 0, (void *)0, &word2,
                                       FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 1)));
    SHOW("word", "%u", word2);
    show_call("the rest of the first", futex(&word, FUTEX_WAKE_PRIVATE, 999, NULL, NULL, 0));
    show_call("the rest of the second", futex(&word2, FUTEX_WAKE_PRIVATE, 999, NULL, NULL, 0));
    see_off("woken", CROWD);

    word2 = 0;
    gather(CROWD, wait_word2);
    show_call("WAKE_OP 1 and 70 of the second",
              futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)70, &word2,
                    FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0)));
    futex(&word2, FUTEX_WAKE_PRIVATE, 999, NULL, NULL, 0);
    see_off("woken", CROWD);
    word = word2 = 0;
}

// --- Several words -------------------------------------------------------------------------------

static _Atomic uint32_t many[4];
static struct waitv several[129];

static struct waitv *wait_set(void)
{
    for (unsigned i = 0; i < 129; i++)
        several[i] =
            (struct waitv){0, (uintptr_t)&many[i % 4], FUTEX_32_FLAG | FUTEX_PRIVATE_FLAG, 0};
    return several;
}

static long wait_four(void)
{
    return waitv(several, 4, 0, NULL, 0);
}
static long wait_most(void)
{
    return waitv(several, 128, 0, NULL, 0);
}

static void on_signal(int sig)
{
    (void)sig;
}

static void words(void)
{
    struct timespec past = {1, 0}, bad = {0, -1}, t;
    char *edge = before_a_hole();
    struct waitv *v = wait_set();
    show_call("flags", waitv(v, 1, 1, NULL, 0));
    show_call("none", waitv(v, 0, 0, NULL, 0));
    show_call("129", waitv(v, 129, 0, NULL, 0));
    show_call("NULL", waitv(NULL, 1, 0, NULL, 0));
    show_call("in a hole", waitv((void *)8, 1, 0, NULL, 0));
    show_call("clock", waitv(v, 1, 0, &past, CLOCK_BOOTTIME));
    show_call("time in a hole", waitv(v, 1, 0, (void *)8, CLOCK_MONOTONIC));
    show_call("time", waitv(v, 1, 0, &bad, CLOCK_MONOTONIC));
    show_call("past", waitv(v, 1, 0, &past, CLOCK_MONOTONIC));
    show_call("past, realtime", waitv(v, 1, 0, &past, CLOCK_REALTIME));
    t = in_ms(CLOCK_MONOTONIC, 10);
    show_call("times out", waitv(v, 128, 0, &t, CLOCK_MONOTONIC));
    t = in_ms(CLOCK_REALTIME, 10);
    show_call("times out, realtime", waitv(v, 3, 0, &t, CLOCK_REALTIME));
    many[2] = 1;
    show_call("another value, clock unlooked at", waitv(v, 4, 0, NULL, CLOCK_BOOTTIME));
    many[2] = 0;
    v[1].flags = FUTEX_PRIVATE_FLAG;
    show_call("no size", waitv(v, 2, 0, NULL, 0));
    v[1].flags = FUTEX_32_FLAG | 64;
    show_call("unknown flag", waitv(v, 2, 0, NULL, 0));
    wait_set()[1].reserved = 1;
    show_call("reserved", waitv(v, 2, 0, NULL, 0));
    wait_set()[3].uaddr = 0;
    show_call("a word at NULL", waitv(v, 4, 0, NULL, 0));
    wait_set()[3].uaddr += 2;
    show_call("an unaligned word", waitv(v, 4, 0, NULL, 0));
    memcpy(edge - sizeof *v, wait_set(), sizeof *v);
    show_call("half in a hole", waitv(edge - sizeof *v, 2, 0, NULL, 0));

    wait_set();
    for (int i = 0; i < 4; i++) {
        gather(2, wait_four);
        show_call("one word is woken", futex(&many[i], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
        while (task_state(crowd[0].tid) == 'S')
            sched_yield();
        show_call("and again", futex(&many[i], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
        for (int k = 0; k < 2; k++) {
            pthread_join(crowd[k].thread, NULL);
            SHOW("which", "%ld", crowd[k].result);
        }
    }
    gather(1, wait_most);
    show_call("a word many times", futex(&many[3], FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0));
    pthread_join(crowd[0].thread, NULL);
    SHOW("its last one", "%ld", crowd[0].result);
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &sa, NULL);
    gather(1, wait_four);
    pthread_kill(crowd[0].thread, SIGUSR1);
    see_off("a signal", 1);
    sa.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &sa, NULL);
    gather(1, wait_four);
    pthread_kill(crowd[0].thread, SIGUSR1);
    while (!futex(&many[0], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0))
        sched_yield();
    see_off("a signal, restarted", 1);
    gather(1, wait_four);
    show_call("moved away", futex(&many[1], FUTEX_REQUEUE_PRIVATE, 0, (void *)9, &word, 0));
    show_call("woken there", futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
    see_off("moved", 1);
}

// --- Robust lists --------------------------------------------------------------------------------

// The kernel's: pointers to the next element, and where a lock's word is beside its element.
struct element {
    struct element *next;
    _Atomic uint32_t word;
};
struct head {
    struct element *next;
    long offset;
    struct element *pending;
};
struct robust {
    struct element e[6];
    struct head head;
    _Atomic uint32_t ready;
};
static struct robust *r;

// A process of its own ends with the list that `build` left.
static void end_with(const char *name, void (*build)(uint32_t tid), int count)
{
    memset(r, 0, sizeof *r);
    r->head.offset = offsetof(struct element, word);
    IN_CHILD(name, {
        uint32_t tid = (uint32_t)syscall(SYS_gettid);
        for (int i = 0; i < 6; i++) {
            r->e[i].next = &r->e[i + 1];
            r->e[i].word = tid;
        }
        r->head.next = &r->e[0];
        build(tid);
        if (syscall(SYS_set_robust_list, &r->head, sizeof r->head))
            abort();
    });
    for (int i = 0; i < count; i++)
        SHOW("...", "%s%s%s", r->e[i].word & FUTEX_TID_MASK ? "held" : "free",
             r->e[i].word & FUTEX_OWNER_DIED ? ", owner died" : "",
             r->e[i].word & FUTEX_WAITERS ? ", waiters" : "");
}

static void three(uint32_t tid)
{
    r->e[1].word = tid + 1;
    r->e[2].word |= FUTEX_WAITERS;
    r->e[2].next = (struct element *)&r->head;
}
static void circle(uint32_t tid)
{
    (void)tid;
    r->e[1].next = &r->e[1];
}
static void into_nothing(uint32_t tid)
{
    (void)tid;
    r->e[1].next = (struct element *)8;
}
static void unaligned(uint32_t tid)
{
    (void)tid;
    r->e[1].next = (struct element *)((char *)&r->e[2] + 4);
}
static void read_only(uint32_t tid)
{
    char *p = map(RW, MAP_PRIVATE);
    struct element *e = (void *)p;
    e->word = tid;
    e->next = &r->e[1];
    mprotect(p, PAGE, PROT_READ);
    r->e[0].next = e;
}
static void word_in_a_hole(uint32_t tid)
{
    struct element *e = (void *)(before_a_hole() - sizeof(void *));
    (void)tid;
    e->next = &r->e[1];
    r->e[0].next = e;
}
static void pending_too(uint32_t tid)
{
    (void)tid;
    r->e[1].next = (struct element *)&r->head;
    r->head.pending = &r->e[3];
}
static void pending_in_list(uint32_t tid)
{
    (void)tid;
    r->e[2].next = (struct element *)&r->head;
    r->head.pending = &r->e[1];
}
static void pending_alone(uint32_t tid)
{
    (void)tid;
    r->head.next = (struct element *)&r->head;
    r->head.pending = &r->e[0];
    r->e[0].word = 0;
}
static void with_pi(uint32_t tid)
{
    (void)tid;
    r->e[0].next = (struct element *)((uintptr_t)&r->e[1] | 1);
    r->e[1].next = (struct element *)((uintptr_t)&r->e[2] | 1);
    r->e[2].word = tid + 1;
    r->e[2].next = (struct element *)&r->head;
    r->head.pending = (struct element *)((uintptr_t)&r->e[3] | 1);
}
static void pi_in_a_hole(uint32_t tid)
{
    (void)tid;
    r->e[0].next = (struct element *)9;
}

static void *wait_shared(void *arg)
{
    struct sleeper *s = arg;
    s->tid = (int)syscall(SYS_gettid);
    s->result = futex(&r->e[0].word, FUTEX_WAIT, r->e[0].word, NULL, NULL, 0);
    s->error = errno;
    return NULL;
}

// A waiter wakes when the owner ends, and when it had unlocked but not yet woken anybody.
static void waiters_wake(const char *name, int pending)
{
    int gate[2], ready[2];
    pipe(gate);
    pipe(ready);
    memset(r, 0, sizeof *r);
    r->head.offset = offsetof(struct element, word);
    pid_t child = fork();
    if (child == 0) {
        r->head.next = (struct element *)(pending ? (void *)&r->head : &r->e[0]);
        r->head.pending = pending ? &r->e[0] : NULL;
        r->e[0].next = (struct element *)&r->head;
        r->e[0].word = pending ? 0 : (uint32_t)syscall(SYS_gettid) | FUTEX_WAITERS;
        syscall(SYS_set_robust_list, &r->head, sizeof r->head);
        tell(ready[1]);
        hear(gate[0]);
        _exit(0);
    }
    hear(ready[0]);
    crowd[0].tid = 0;
    pthread_create(&crowd[0].thread, NULL, wait_shared, &crowd[0]);
    while (!crowd[0].tid)
        sched_yield();
    task_until_asleep(crowd[0].tid);
    tell(gate[1]);
    see_off(name, 1);
    waitpid(child, NULL, 0);
}

static void robust_lists(void)
{
    struct head *head = NULL, mine = {0};
    size_t len = 0;
    show_call("set: length", syscall(SYS_set_robust_list, &mine, sizeof mine - 8));
    show_call("set", syscall(SYS_set_robust_list, &mine, sizeof mine));
    show_call("get", syscall(SYS_get_robust_list, 0, &head, &len));
    SHOW("... it", "%d, %zu", head == &mine, len);
    show_call("get one's own", syscall(SYS_get_robust_list, getpid(), &head, &len));
    show_call("get: nobody", syscall(SYS_get_robust_list, 0x3ffffff, &head, &len));
    show_call("get: negative", syscall(SYS_get_robust_list, -1, &head, &len));
    show_call("get: head", syscall(SYS_get_robust_list, 0, NULL, &len));
    show_call("get: length", syscall(SYS_get_robust_list, 0, &head, NULL));
    show_call("set to nothing", syscall(SYS_set_robust_list, NULL, sizeof mine));
    int gate[2];
    pipe(gate);
    pid_t child = fork();
    if (child == 0) {
        hear(gate[0]);
        _exit(0);
    }
    show_call("another process", syscall(SYS_get_robust_list, child, &head, &len));
    IN_CHILD("as another user", {
        setuid(1234);
        show_call("another process", syscall(SYS_get_robust_list, child, &head, &len));
        prctl(PR_SET_DUMPABLE, 1);
        int own[2];
        pipe(own);
        pid_t peer = fork();
        if (peer == 0) {
            hear(own[0]);
            _exit(0);
        }
        show_call("one's own child", syscall(SYS_get_robust_list, peer, &head, &len));
        tell(own[1]);
        waitpid(peer, NULL, 0);
    });
    tell(gate[1]);
    waitpid(child, NULL, 0);

    r = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    end_with("three", three, 4);
    end_with("a circle", circle, 3);
    end_with("into nothing", into_nothing, 3);
    end_with("an unaligned word", unaligned, 3);
    end_with("a read-only word", read_only, 2);
    end_with("a word in a hole", word_in_a_hole, 2);
    end_with("one pending", pending_too, 5);
    end_with("one pending in the list", pending_in_list, 4);
    end_with("one pending and free", pending_alone, 1);
    end_with("PI locks", with_pi, 5);
    end_with("a PI lock in a hole", pi_in_a_hole, 2);
    waiters_wake("the owner ends", 0);
    waiters_wake("it ends between unlocking and waking", 1);
    IN_CHILD("a head in a hole", syscall(SYS_set_robust_list, (void *)8, sizeof mine));
}

int main(void)
{
    run_as_child(refusals);
    run_as_child(pages);
    run_as_child(wake_op);
    run_as_child(crowds);
    run_as_child(words);
    run_as_child(robust_lists);
    return 0;
}
