// What threads may see of each other's memory accesses: the litmus tests of the memory model (each
// run many thousand times; an outcome that the model forbids fails), and the atomicity of every
// read-modify-write. On ARM64 with LDXR/STXR loops and, if the processor has them, with LSE.
#include "tests/unit/tap.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

enum { CELLS = 4000, ROUNDS = 25, THREADS_MAX = 8 };

typedef _Atomic uint64_t word;

// Variables of one execution of a test, on cache lines of their own, and what its threads read.
struct cell {
    _Alignas(64) word x;
    _Alignas(64) word y;
    uint64_t r[4];
};

struct test;
typedef void step(struct cell *c);

struct litmus {
    const char *promise;
    unsigned threads;
    step *thread[4];
    bool (*forbidden)(const struct cell *c);
};

#define STORE(v, value, order) atomic_store_explicit(&(v), value, memory_order_##order)
#define LOAD(v, order)         atomic_load_explicit(&(v), memory_order_##order)
#define FENCE(order)           atomic_thread_fence(memory_order_##order)
#define THREAD(name)           static void name(struct cell *c)
#define FORBIDDEN(name)        static bool name(const struct cell *c)

// Message passing.
THREAD(mp_w)
{
    STORE(c->x, 1, relaxed);
    STORE(c->y, 1, release);
}
THREAD(mp_r)
{
    c->r[0] = LOAD(c->y, acquire);
    c->r[1] = LOAD(c->x, relaxed);
}
THREAD(mpf_w)
{
    STORE(c->x, 1, relaxed);
    FENCE(release);
    STORE(c->y, 1, relaxed);
}
THREAD(mpf_r)
{
    c->r[0] = LOAD(c->y, relaxed);
    FENCE(acquire);
    c->r[1] = LOAD(c->x, relaxed);
}
FORBIDDEN(mp)
{
    return c->r[0] == 1 && c->r[1] == 0;
}
// Store buffering.
THREAD(sb_0)
{
    STORE(c->x, 1, seq_cst);
    c->r[0] = LOAD(c->y, seq_cst);
}
THREAD(sb_1)
{
    STORE(c->y, 1, seq_cst);
    c->r[1] = LOAD(c->x, seq_cst);
}
THREAD(sbf_0)
{
    STORE(c->x, 1, relaxed);
    FENCE(seq_cst);
    c->r[0] = LOAD(c->y, relaxed);
}
THREAD(sbf_1)
{
    STORE(c->y, 1, relaxed);
    FENCE(seq_cst);
    c->r[1] = LOAD(c->x, relaxed);
}
THREAD(sbx_0)
{
    atomic_exchange(&c->x, 1);
    c->r[0] = LOAD(c->y, seq_cst);
}
THREAD(sbx_1)
{
    atomic_exchange(&c->y, 1);
    c->r[1] = LOAD(c->x, seq_cst);
}
FORBIDDEN(sb)
{
    return c->r[0] == 0 && c->r[1] == 0;
}
// Load buffering.
THREAD(lb_0)
{
    c->r[0] = LOAD(c->x, acquire);
    STORE(c->y, 1, relaxed);
}
THREAD(lb_1)
{
    c->r[1] = LOAD(c->y, acquire);
    STORE(c->x, 1, relaxed);
}
FORBIDDEN(lb)
{
    return c->r[0] == 1 && c->r[1] == 1;
}
// Two readers agree on the order of independent writes.
THREAD(iriw_0)
{
    STORE(c->x, 1, seq_cst);
}
THREAD(iriw_1)
{
    STORE(c->y, 1, seq_cst);
}
THREAD(iriw_2)
{
    c->r[0] = LOAD(c->x, seq_cst);
    c->r[1] = LOAD(c->y, seq_cst);
}
THREAD(iriw_3)
{
    c->r[2] = LOAD(c->y, seq_cst);
    c->r[3] = LOAD(c->x, seq_cst);
}
FORBIDDEN(iriw)
{
    return c->r[0] == 1 && c->r[1] == 0 && c->r[2] == 1 && c->r[3] == 0;
}
// One location: reads do not go backwards.
THREAD(rr_0)
{
    STORE(c->x, 1, relaxed);
    STORE(c->x, 2, relaxed);
}
THREAD(rr_1)
{
    c->r[0] = LOAD(c->x, relaxed);
    c->r[1] = LOAD(c->x, relaxed);
}
FORBIDDEN(rr)
{
    return c->r[0] > c->r[1];
}
// Writes of both threads to both locations.
THREAD(ww_0)
{
    STORE(c->x, 1, seq_cst);
    STORE(c->y, 2, seq_cst);
}
THREAD(ww_1)
{
    STORE(c->y, 1, seq_cst);
    STORE(c->x, 2, seq_cst);
}
FORBIDDEN(ww)
{
    return LOAD(c->x, relaxed) == 1 && LOAD(c->y, relaxed) == 1;
}
// A write is passed on in order (write to read causality).
THREAD(wrc_0)
{
    STORE(c->x, 1, relaxed);
}
THREAD(wrc_1)
{
    c->r[0] = LOAD(c->x, acquire);
    STORE(c->y, 1, release);
}
THREAD(wrc_2)
{
    c->r[1] = LOAD(c->y, acquire);
    c->r[2] = LOAD(c->x, relaxed);
}
FORBIDDEN(wrc)
{
    return c->r[0] == 1 && c->r[1] == 1 && c->r[2] == 0;
}

static const struct litmus tests[] = {
    {"message passing with release and acquire", 2, {mp_w, mp_r}, mp},
    {"message passing with fences", 2, {mpf_w, mpf_r}, mp},
    {"sequentially consistent stores are not buffered past loads", 2, {sb_0, sb_1}, sb},
    {"nor relaxed ones past a full fence", 2, {sbf_0, sbf_1}, sb},
    {"nor exchanges", 2, {sbx_0, sbx_1}, sb},
    {"loads are not satisfied by stores that follow them", 2, {lb_0, lb_1}, lb},
    {"all readers see independent writes in one order", 4, {iriw_0, iriw_1, iriw_2, iriw_3}, iriw},
    {"reads of one location do not go backwards", 2, {rr_0, rr_1}, rr},
    {"sequentially consistent writes have one order", 2, {ww_0, ww_1}, ww},
    {"causality passes through a third thread", 3, {wrc_0, wrc_1, wrc_2}, wrc},
};

struct run {
    const struct litmus *t;
    struct cell *cells;
    pthread_barrier_t barrier;
};
struct runner {
    struct run *run;
    unsigned number;
};

static void *run_thread(void *arg)
{
    struct runner *r = arg;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&r->run->barrier);
        // Some threads go the other way, so that they meet somewhere even on one processor.
        for (int i = 0; i < CELLS; i++)
            r->run->t->thread[r->number](
                &r->run->cells[r->number & 1 && round & 1 ? CELLS - 1 - i : i]);
        pthread_barrier_wait(&r->run->barrier);
    }
    return NULL;
}

static bool holds(const struct litmus *t)
{
    struct run run = {t, aligned_alloc(64, CELLS * sizeof(struct cell)), {{0}}};
    struct runner runner[4];
    pthread_t thread[4];
    bool good = true;
    pthread_barrier_init(&run.barrier, NULL, t->threads + 1);
    for (unsigned i = 0; i < t->threads; i++) {
        runner[i] = (struct runner){&run, i};
        pthread_create(&thread[i], NULL, run_thread, &runner[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        memset((void *)run.cells, 0, CELLS * sizeof(struct cell));
        pthread_barrier_wait(&run.barrier);
        pthread_barrier_wait(&run.barrier);
        for (int i = 0; i < CELLS; i++)
            good = good && !t->forbidden(&run.cells[i]);
    }
    for (unsigned i = 0; i < t->threads; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&run.barrier);
    free(run.cells);
    return good;
}

// --- Read-modify-write ---------------------------------------------------------------------------

struct counters {
    _Atomic uint8_t b;
    _Atomic uint16_t h;
    _Atomic uint32_t w;
    word d, cas, bits, max, exclusive;
    uint64_t locked; // under `lock`
    _Atomic uint32_t lock;
    _Alignas(16) uint64_t pair[2]; // second = ~first, by 16-byte exclusives
    word halves;                   // every byte equal, by plain stores
    atomic_int wrong;
    bool lse;
    unsigned threads;
};
struct worker {
    struct counters *c;
    unsigned number;
};
enum { TURNS = 4000 };

static void add_exclusive(word *p)
{
#ifdef __aarch64__
    uint64_t v;
    uint32_t failed;
    do
        __asm__ volatile("ldxr %0, %2\n add %0, %0, #1\n stxr %w1, %0, %2"
                         : "=&r"(v), "=&r"(failed), "+Q"(*p)::"memory");
    while (failed);
#else
    atomic_fetch_add(p, 1);
#endif
}

static void step_pair(struct counters *c)
{
#ifdef __aarch64__
    uint64_t a, b;
    uint32_t failed;
    do {
        __asm__ volatile("ldaxp %0, %1, %2" : "=&r"(a), "=&r"(b), "+Q"(c->pair)::"memory");
        uint64_t x = a + 1, y = ~x;
        __asm__ volatile("stlxp %w0, %2, %3, %1"
                         : "=&r"(failed), "+Q"(c->pair)
                         : "r"(x), "r"(y)
                         : "memory");
    } while (failed);
    if (b != ~a)
        atomic_fetch_add(&c->wrong, 1);
    if (!c->lse)
        return;
    // The same with CASP: expect what an exclusive load (just seen to be consistent) had.
    register uint64_t x0 __asm__("x0") = a + 1, x1 __asm__("x1") = ~(a + 1);
    register uint64_t x2 __asm__("x2") = a + 1, x3 __asm__("x3") = ~(a + 1);
    __asm__ volatile(".arch_extension lse\n caspal x0, x1, x2, x3, %2"
                     : "+r"(x0), "+r"(x1), "+Q"(c->pair)
                     : "r"(x2), "r"(x3)
                     : "memory");
    if (x1 != ~x0)
        atomic_fetch_add(&c->wrong, 1);
#else
    while (atomic_exchange_explicit(&c->lock, 1, memory_order_acquire))
        ;
    c->pair[1] = ~++c->pair[0];
    atomic_store_explicit(&c->lock, 0, memory_order_release);
#endif
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct counters *c = w->c;
    for (uint32_t i = 0; i < TURNS; i++) {
        atomic_fetch_add(&c->b, 1);
        atomic_fetch_sub(&c->h, 1);
        atomic_fetch_add(&c->w, 3);
        atomic_fetch_add_explicit(&c->d, 5, memory_order_relaxed);
        uint64_t old = LOAD(c->cas, relaxed);
        while (!atomic_compare_exchange_weak(&c->cas, &old, old + 1))
            ;
        // Each thread turns its own bits on and off: nobody else may disturb them.
        uint64_t mine = 1ull << w->number;
        if (atomic_fetch_or(&c->bits, mine) & mine || !(atomic_fetch_and(&c->bits, ~mine) & mine))
            atomic_fetch_add(&c->wrong, 1);
        add_exclusive(&c->exclusive);
        step_pair(c);
        while (atomic_exchange_explicit(&c->lock, 1, memory_order_acquire))
            ;
        c->locked++;
        atomic_store_explicit(&c->lock, 0, memory_order_release);
        STORE(c->halves, 0x0101010101010101ull * (i & 0xff), relaxed);
        uint64_t v = LOAD(c->halves, relaxed);
        if (v != 0x0101010101010101ull * (v & 0xff))
            atomic_fetch_add(&c->wrong, 1);
    }
    return NULL;
}

static bool counts(unsigned threads, bool lse)
{
    struct counters *c = aligned_alloc(64, (sizeof *c + 63) & ~(size_t)63);
    pthread_t thread[THREADS_MAX];
    struct worker worker[THREADS_MAX];
    memset((void *)c, 0, sizeof *c);
    c->pair[1] = ~0ull;
    c->lse = lse;
    for (unsigned i = 0; i < threads; i++) {
        worker[i] = (struct worker){c, i};
        pthread_create(&thread[i], NULL, work, &worker[i]);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    uint64_t n = (uint64_t)threads * TURNS;
    bool good = c->b == (uint8_t)n && c->h == (uint16_t)-n && c->w == (uint32_t)(3 * n) &&
                c->d == 5 * n && c->cas == n && c->bits == 0 && c->exclusive == n &&
                c->locked == n && c->pair[0] == n && c->pair[1] == ~n && c->wrong == 0;
    free(c);
    return good;
}

int main(void)
{
    struct tap t = {0, 0};
    bool lse = false;
#ifdef __aarch64__
    lse = getauxval(AT_HWCAP) >> 8 & 1;
#endif
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        CHECK(&t, holds(&tests[i]), tests[i].promise);
    CHECK(&t, counts(2, false), "read-modify-write is atomic with 2 threads");
    CHECK(&t, counts(4, false), "read-modify-write is atomic with 4 threads");
    CHECK(&t, counts(THREADS_MAX, lse), "read-modify-write is atomic with 8 threads");
    return tap_finish(&t);
}
