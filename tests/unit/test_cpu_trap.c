// Every way out of cpu_run() leaves exact state: faults of each kind of access, straddling
// accesses, alignment, and stepping.
#include "tests/unit/emu_fake.h"
#include "tests/unit/tap.h"
#include <string.h>

#define CODE 0x400000ull
#define DATA 0x500000ull // two pages, then nothing
#define HOLE 0x502000ull
#define SVC  0xd4000001u

static struct tap tap;
static struct fake *f;
static struct cpu *cpu;

static struct trap run_words(const uint32_t *words, size_t n)
{
    static uint64_t at = CODE;
    fake_code(f, at, words, n);
    fake_code(f, at + 4 * n, &(uint32_t){SVC}, 1);
    cpu->pc = at;
    at += 4 * n + 4;
    return fake_run(cpu, CPU_RUN);
}
#define RUN(...)                                                                                   \
    run_words((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

// The instruction faults at `addr`, and registers and the last bytes before the hole are unchanged.
static void check_fault(uint32_t word, uint64_t base, enum mem_access access, uint64_t addr,
                        const char *what)
{
    struct cpu before;
    unsigned char bytes[64];
    char *end = (char *)fake_host(f, HOLE - 64);
    memset(end, 0x77, 64);
    memcpy(bytes, end, 64);
    for (unsigned i = 0; i < 31; i++)
        cpu->x[i] = 0x1111111111111111ull * (i & 15);
    cpu->x[1] = base;
    cpu_set_nzcv(cpu, 0x50000000);
    memcpy(&before, cpu, sizeof(before));
    struct trap t = RUN(0xd503201f, word);
    CHECK(&tap,
          t.kind == TRAP_FAULT && t.access == access && t.addr == addr &&
              !memcmp(before.x, cpu->x, sizeof(before.x)) &&
              !memcmp(before.v, cpu->v, sizeof(before.v)) && cpu_nzcv(cpu) == 0x50000000 &&
              !memcmp(bytes, end, 64),
          what);
    if (t.kind != TRAP_FAULT || t.addr != addr)
        printf("# trap %d access %d at %llx\n", t.kind, t.access, (unsigned long long)t.addr);
}

static void test_faults(void)
{
    check_fault(0xf9400020, HOLE, MEM_READ, HOLE, "ldr x0, [x1]");
    check_fault(0xf8408c20, HOLE - 8, MEM_READ, HOLE, "ldr x0, [x1, #8]! is not written back");
    check_fault(0xf8408420, HOLE, MEM_READ, HOLE, "ldr x0, [x1], #8 is not written back");
    check_fault(0xf9400020, HOLE - 3, MEM_READ, HOLE,
                "a straddling load faults in the second page");
    check_fault(0xf9000022, HOLE - 3, MEM_WRITE, HOLE, "a straddling store writes nothing");
    check_fault(0xa9000c22, HOLE - 8, MEM_WRITE, HOLE, "stp stores neither of the pair");
    check_fault(0xa8c10c22, HOLE - 8, MEM_READ, HOLE, "ldp with write-back loads neither");
    check_fault(0xc85f7c22, HOLE, MEM_READ, HOLE, "ldxr");
    check_fault(0xf8220022, HOLE, MEM_WRITE, HOLE, "ldadd");
    check_fault(0xd50b7421, HOLE + 5, MEM_WRITE, HOLE + 5, "dc zva");
    check_fault(0xd50b7521, HOLE, MEM_READ, HOLE, "ic ivau");
    check_fault(0xd50b7b21, HOLE, MEM_READ, HOLE, "dc cvau");
    check_fault(0x4c402020, HOLE - 32, MEM_READ, HOLE, "ld1 of four registers loads none");
    check_fault(0xf9400020, 0x1234000000500000, MEM_READ, 0x1234000000500000,
                "an address beyond 48 bits");
    check_fault(0xf9400020, 0xfffffffffffffffc, MEM_READ, 0xfffffffffffffffc,
                "an access that wraps around");
    check_fault(0xf9400020, 0xab00000000502000, MEM_READ, 0xab00000000502000,
                "the fault address keeps its top byte");
}

static void test_rights(void)
{
    fake_map(f, 0x600000, MEM_READ);
    fake_map(f, 0x601000, MEM_READ | MEM_WRITE);
    check_fault(0xf9000022, 0x600000, MEM_WRITE, 0x600000, "a store to a read-only page");
    check_fault(0xf9000022, 0x600ffc, MEM_WRITE, 0x600ffc,
                "a straddling store into a read-only first page");
    check_fault(0xf8220022, 0x600008, MEM_WRITE, 0x600008, "an atomic on a read-only page");
    cpu->x[1] = 0x600000;
    struct trap t = RUN(0xf9400020, 0xf9400022, 0xc85f7c23, 0xc803fc22);
    CHECK(&tap, t.kind == TRAP_FAULT && t.access == MEM_WRITE && cpu->x[0] == 0,
          "a read-only page is read; a store-exclusive to it faults");
    unsigned fills = fake_fills(f);
    t = RUN(0xf9400020, 0xf9400422, 0xf9400823);
    CHECK(&tap, t.kind == TRAP_SVC && fake_fills(f) <= fills + 1,
          "a read-only page is filled once, not at every load");
    t = run_words((const uint32_t[]){0xd2800021}, 1);
    fake_map(f, 0x700000, MEM_READ | MEM_EXEC);
    fake_map(f, 0x700000, MEM_READ);
    cpu->pc = 0x700000;
    t = fake_run(cpu, CPU_RUN);
    CHECK(&tap, t.kind == TRAP_FAULT && t.access == MEM_EXEC && t.addr == 0x700000,
          "a page without the right to execute");
}

static void test_end_of_page(void)
{
    fake_map(f, 0x710000, MEM_READ | MEM_EXEC);
    fake_code(f, 0x710ff8, (const uint32_t[]){0xd2800140, 0x91000400}, 2);
    cpu->pc = 0x710ff8;
    struct trap t = fake_run(cpu, CPU_RUN);
    CHECK(&tap,
          t.kind == TRAP_FAULT && t.access == MEM_EXEC && t.addr == 0x711000 &&
              cpu->pc == 0x711000 && cpu->x[0] == 11,
          "running off the end of the code faults behind it");
    fake_map(f, 0x711000, MEM_READ | MEM_EXEC);
    fake_code(f, 0x711000, &(uint32_t){SVC}, 1);
    t = fake_run(cpu, CPU_RUN);
    CHECK(&tap, t.kind == TRAP_SVC && cpu->pc == 0x711004, "and goes on there once it exists");
}

static void test_align(void)
{
    static const struct {
        uint32_t word;
        enum mem_access access;
        const char *what;
    } rows[] = {
        {0xc85f7c20, MEM_READ, "ldxr x0, [x1]"},
        {0xc8027c20, MEM_WRITE, "stxr w2, x0, [x1]"},
        {0xc8dffc20, MEM_READ, "ldar x0, [x1]"},
        {0xc89ffc20, MEM_WRITE, "stlr x0, [x1]"},
        {0xf8220020, MEM_WRITE, "ldadd x2, x0, [x1]"},
        {0xc8a27c20, MEM_WRITE, "cas x2, x0, [x1]"},
        {0x48227c24, MEM_WRITE, "casp x2, x3, x4, x5, [x1]"},
        {0xf8bfc020, MEM_READ, "ldapr x0, [x1]"},
        {0xc87f0020, MEM_READ, "ldxp x0, x0, [x1]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cpu->x[1] = DATA + 4;
        struct trap t = RUN(rows[i].word);
        CHECK(&tap, t.kind == TRAP_ALIGN && t.addr == DATA + 4 && t.access == rows[i].access,
              rows[i].what);
    }
}

static void test_traps(void)
{
    struct trap t = RUN(0xd42ff7e0);
    CHECK(&tap, t.kind == TRAP_BRK && t.imm == 0x7fbf, "brk #0x7fbf");
    t = RUN(0xd4000fe1);
    CHECK(&tap, t.kind == TRAP_SVC && t.imm == 0x7f, "svc #0x7f");
    static const uint32_t undefined[] = {0xd4400000,
                                         0xd4000002,
                                         0xd4000003,
                                         0xd53be020 /* cntpct */,
                                         0xd69f03e0 /* eret */,
                                         0xd51bd060 /* tpidrro = */,
                                         0xd50342df /* daifset */};
    for (size_t i = 0; i < sizeof(undefined) / 4; i++) {
        uint64_t pc = cpu->pc;
        t = RUN(0xd503201f, undefined[i]);
        CHECK(&tap, t.kind == TRAP_UNDEFINED && t.imm == undefined[i] && cpu->pc != pc,
              "undefined at EL0");
    }
}

// The same code by steps and at once ends in the same state.
static void test_step(void)
{
    // sum of bytes, a call, a conditional select, a computed branch
    static const uint32_t code[] = {
        0xd2800000, // mov x0, #0
        0x528000a2, // mov w2, #5
        0xaa0103e3, // mov x3, x1
        0x38401464, // loop: ldrb w4, [x3], #1
        0x8b040000, // add x0, x0, x4
        0x71000442, // subs w2, w2, #1
        0x54ffffa1, // b.ne loop
        0x94000004, // bl f
        0xf100001f, // cmp x0, #0
        0x9a800400, // csinc x0, x0, x0, eq
        SVC,
        0x10000085, // f: adr x5, .+16
        0xd61f00a0, // br x5
        SVC,        SVC,
        0x91002800, // add x0, x0, #10
        0xd65f03c0, // ret
    };
    memcpy(fake_host(f, DATA), "\x01\x02\x03\x04\x05", 5);
    uint64_t at = CODE + 0xc00;
    fake_code(f, at, code, sizeof(code) / 4);
    memset(cpu->x, 0, sizeof(cpu->x));
    cpu->x[1] = DATA;
    cpu->pc = at;
    struct trap t = fake_run(cpu, CPU_RUN);
    uint64_t x[CPU_X_SLOTS];
    memcpy(x, cpu->x, sizeof(x));
    uint32_t nzcv = cpu_nzcv(cpu);
    CHECK(&tap, t.kind == TRAP_SVC && x[0] == 26 && cpu->pc == at + 44, "at once");
    memset(cpu->x, 0, sizeof(cpu->x));
    cpu->x[1] = DATA;
    cpu->pc = at;
    unsigned steps = 0;
    do {
        t = fake_run(cpu, CPU_STEP);
        steps++;
    } while (t.kind == TRAP_STEP && steps < 1000);
    CHECK(&tap,
          t.kind == TRAP_SVC && steps == 31 && !memcmp(x, cpu->x, 31 * 8) && cpu_nzcv(cpu) == nzcv,
          "by 31 steps");
    cpu->x[1] = HOLE;
    cpu->pc = at + 8 + 4;
    cpu->x[3] = HOLE;
    t = fake_run(cpu, CPU_STEP);
    CHECK(&tap, t.kind == TRAP_FAULT && t.addr == HOLE && cpu->pc == at + 12, "a step faults");
}

int main(void)
{
    f = fake_create();
    fake_map(f, CODE, MEM_READ | MEM_EXEC);
    fake_map(f, DATA, MEM_READ | MEM_WRITE);
    fake_map(f, DATA + 4096, MEM_READ | MEM_WRITE);
    cpu = fake_cpu(f);
    test_faults();
    test_rights();
    test_end_of_page();
    test_align();
    test_traps();
    test_step();
    fake_cpu_destroy(cpu);
    fake_destroy(f);
    return tap_finish(&tap);
}
