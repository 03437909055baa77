// Several CPUs share memory and translations: atomics lose nothing, a poke gets out of every shape
// of loop soon, and pokes from other threads arrive.
#include "platform/thread.h"
#include "tests/unit/emu_fake.h"
#include "tests/unit/tap.h"
#include <stdatomic.h>
#include <string.h>

#define CODE 0x400000ull
#define DATA 0x500000ull
#define SVC  0xd4000001u

enum { THREADS = 4, ROUNDS = 20000 };

static struct tap tap;
static struct fake *f;

struct worker {
    pthread_t thread;
    struct cpu *cpu;
    uint64_t pc;
    bool good;
};

static void work(void *arg)
{
    struct worker *w = arg;
    w->cpu->pc = w->pc;
    struct trap t;
    do
        t = fake_run(w->cpu, CPU_RUN);
    while (t.kind == TRAP_POKE);
    w->good = t.kind == TRAP_SVC;
}

// Runs the code at `pc` on all threads, x1 = DATA, x2 = ROUNDS. True if all ended in SVC.
static bool run_all(uint64_t pc)
{
    struct worker w[THREADS];
    bool good = true;
    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.cpu = fake_cpu(f), .pc = pc};
        w[i].cpu->x[1] = DATA;
        w[i].cpu->x[2] = ROUNDS;
        if (thread_start_joinable(work, &w[i], "cpu", &w[i].thread))
            return false;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(w[i].thread);
        good = good && w[i].good;
        fake_cpu_destroy(w[i].cpu);
    }
    return good;
}

static void test_atomics(void)
{
    static const struct {
        uint32_t code[8];
        size_t n;
        unsigned each; // added per round
        const char *what;
    } rows[] = {
        // loop: ldxr x3, [x1]; add x3, x3, #1; stxr w4, x3, [x1]; cbnz w4, loop; subs x2; b.ne loop
        {{0xc85f7c23, 0x91000463, 0xc8047c23, 0x35ffffa4, 0xf1000442, 0x54ffff61, SVC},
         7,
         1,
         "load-exclusive and store-exclusive"},
        // x3 = 1: ldadd x3, x4, [x1]; stadd x3, [x1]
        {{0xd2800023, 0xf8230024, 0xf823003f, 0xf1000442, 0x54ffffa1, SVC},
         6,
         2,
         "ldadd and stadd"},
        // loop: ldr x3, [x1]; again: add x4, x3, #1; mov x5, x3; cas x3, x4, [x1]; cmp x3, x5; b.ne
        {{0xf9400023, 0x91000464, 0xaa0303e5, 0xc8a37c24, 0xeb05007f, 0x54ffff81, 0xf1000442,
          0x54ffff21},
         8,
         1,
         "cas"},
        // loop: ldaxp x4, x5, [x1]; add x4, x4, #1; add x5, x5, #1; stlxp w6, x4, x5, [x1]; cbnz
        {{0xc87f9424, 0x91000484, 0x910004a5, 0xc8269424, 0x35ffff86, 0xf1000442, 0x54ffff41, SVC},
         8,
         1,
         "exclusive pairs"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t pc = CODE + 64 * i;
        uint64_t *data = fake_host(f, DATA);
        data[0] = data[1] = 0;
        fake_code(f, pc, rows[i].code, rows[i].n);
        fake_code(f, pc + 4 * rows[i].n, &(uint32_t){SVC}, 1);
        CHECK(&tap, run_all(pc) && data[0] == (uint64_t)THREADS * ROUNDS * rows[i].each,
              rows[i].what);
        if (i == 3)
            CHECK(&tap, data[1] == data[0], "both halves of the pair");
    }
    // A pair swapped as a whole: loop: casp x4, x5, x6, x7, [x1] with x6 = x4 + 1, x7 = x5 + 1
    static const uint32_t casp[] = {0xa9401424, 0x91000486, 0x910004a7, 0xaa0403e8, 0x48247c26,
                                    0xeb08009f, 0x54ffff61, 0xf1000442, 0x54ffff01, SVC};
    uint64_t *data = fake_host(f, DATA);
    data[0] = data[1] = 0;
    fake_code(f, CODE + 0x400, casp, sizeof(casp) / 4);
    CHECK(&tap,
          run_all(CODE + 0x400) && data[0] == (uint64_t)THREADS * ROUNDS && data[1] == data[0],
          "casp");
}

static void test_monitor(void)
{
    struct cpu *cpu = fake_cpu(f);
    // ldxr x3, [x1]; svc; stxr w4, x3, [x1]; svc
    static const uint32_t code[] = {0xc85f7c23, SVC, 0xc8047c23, SVC};
    fake_code(f, CODE + 0x500, code, 4);
    cpu->x[1] = DATA;
    cpu->pc = CODE + 0x500;
    (void)fake_run(cpu, CPU_RUN);
    (void)fake_run(cpu, CPU_RUN);
    CHECK(&tap, cpu->x[4] == 1, "leaving cpu_run clears the monitor");
    fake_cpu_destroy(cpu);
}

// --- Pokes ---------------------------------------------------------------------------------------
// The guest counts by reading CNTVCT; the 1000th read pokes its own CPU.
static struct cpu *counted;
static _Atomic unsigned reads;

static uint64_t count_read(void)
{
    if (atomic_fetch_add(&reads, 1) == 1000)
        cpu_poke(counted);
    return 0;
}

static uint64_t no_clock(unsigned clock)
{
    (void)clock;
    return UINT64_MAX;
}

static const struct cpu_host counting = {count_read, 1, no_clock};

static void test_polls(void)
{
    // MRS x0, CNTVCT_EL0 and then one way to go back to it.
    static const struct {
        uint32_t code[8];
        const char *what;
    } rows[] = {
        {{0xd53be040, 0x17ffffff}, "b"},
        {{0xd53be040, 0xb4ffffe0}, "cbz"},
        {{0xd53be040, 0x3607ffe0}, "tbz"},
        {{0xd53be040, 0xeb00001f, 0x54ffffc0}, "b.eq"},
        {{0xd53be040, 0xd61f0020}, "br"},
        {{0xd53be040, 0xd63f0020}, "blr"},
        {{0xd53be040, 0x97ffffff}, "bl"},
        {{0xd53be040, 0xaa0103fe, 0xd65f03c0}, "ret to a computed address"},
        // bl over; b back; over: mrs; ret
        {{0x94000002, 0x17ffffff, 0xd53be040, 0xd65f03c0}, "call and return"},
        {{0xd503203f, 0xd53be040, 0x14000001, 0x17fffffd}, "yield"},
    };
    struct cpu *cpu = counted = fake_cpu(f);
    cpu->host = &counting;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t pc = CODE + 0x800 + 32 * i;
        fake_code(f, pc, rows[i].code, 8);
        cpu->pc = cpu->x[1] = pc;
        atomic_store(&reads, 0);
        struct trap t = fake_run(cpu, CPU_RUN);
        CHECK(&tap,
              t.kind == TRAP_POKE && reads >= 1001 && reads < 1001 + 100 && cpu->pc >= pc &&
                  cpu->pc < pc + 32,
              rows[i].what);
        t = fake_run(cpu, CPU_STEP);
        CHECK(&tap, t.kind == TRAP_STEP, "and can go on");
    }
    fake_cpu_destroy(cpu);
}

static void spin(void *arg)
{
    struct worker *w = arg;
    w->cpu->pc = CODE + 0xf00;
    struct trap t = fake_run(w->cpu, CPU_RUN);
    w->good = t.kind == TRAP_POKE;
}

static void test_poke_from_outside(void)
{
    fake_code(f, CODE + 0xf00, (const uint32_t[]){0x14000000}, 1);
    struct worker w = {.cpu = fake_cpu(f)};
    if (thread_start_joinable(spin, &w, "cpu", &w.thread))
        return;
    cpu_poke(w.cpu);
    thread_join(w.thread);
    CHECK(&tap, w.good, "a poke from another thread ends an empty loop");
    fake_cpu_destroy(w.cpu);
}

int main(void)
{
    f = fake_create();
    fake_map(f, CODE, MEM_READ | MEM_EXEC);
    fake_map(f, DATA, MEM_READ | MEM_WRITE);
    test_atomics();
    test_monitor();
    test_polls();
    test_poke_from_outside();
    fake_destroy(f);
    return tap_finish(&tap);
}
