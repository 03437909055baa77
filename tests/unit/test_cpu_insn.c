// Instruction words run and leave the registers, flags, memory and traps they should. The example
// to copy for a new instruction; the breadth comes from tests/isa.
#include "emu/a64.h"
#include "tests/unit/emu_fake.h"
#include "tests/unit/tap.h"
#include <string.h>

#define CODE 0x400000ull
#define DATA 0x500000ull
#define SVC  0xd4000001u

static struct tap tap;
static struct fake *f;
static struct cpu *cpu;

// Runs `words` followed by SVC; true if that SVC was reached.
static bool run(const uint32_t *words, size_t n)
{
    static uint64_t at = CODE; // fresh addresses, so that nothing is found translated
    fake_code(f, at, words, n);
    fake_code(f, at + 4 * n, &(uint32_t){SVC}, 1);
    cpu->pc = at;
    struct trap t = fake_run(cpu, CPU_RUN);
    bool ok = t.kind == TRAP_SVC && cpu->pc == at + 4 * n + 4;
    at += 4 * n + 4;
    return ok;
}
#define RUN(...) run((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void test_integer(void)
{
    cpu->x[1] = 5;
    CHECK(&tap, RUN(0x91000c20) && cpu->x[0] == 8, "add x0, x1, #3");
    cpu->x[1] = 0xffffffff00000001;
    CHECK(&tap, RUN(0x51000820) && cpu->x[0] == 0xffffffff, "sub w0, w1, #2 clears the upper half");
    CHECK(&tap, RUN(0xf1000421) && cpu_nzcv(cpu) == 0xa0000000, "subs x1, x1, #1 sets N and C");
    CHECK(&tap, RUN(0xeb01003f) && cpu_nzcv(cpu) == 0x60000000, "cmp x1, x1 sets Z and C");
    CHECK(&tap, RUN(0xd2a2468a) && cpu->x[10] == 0x12340000, "movz x10, #0x1234, lsl #16");
    CHECK(&tap, RUN(0xf2cacf0a) && cpu->x[10] == 0x567812340000, "movk x10, #0x5678, lsl #32");
    CHECK(&tap,
          RUN(0x9200f3ea) && cpu->x[10] == 0 && RUN(0xb200f3ea) && cpu->x[10] == 0x5555555555555555,
          "mov x10, #0x5555555555555555 from the literal pool");
    cpu->x[2] = 0x8000000000000000;
    CHECK(&tap, RUN(0x9340fc40) && cpu->x[0] == cpu->x[2], "sbfm x0, x2, #0, #63 is a move");
    CHECK(&tap, RUN(0x9ac20c40) && cpu->x[0] == 1, "sdiv x0, x2, x2");
    cpu->x[3] = UINT64_MAX;
    CHECK(&tap, RUN(0x9ac30c40) && cpu->x[0] == cpu->x[2], "the most negative number by -1");
    CHECK(&tap, RUN(0x9adf0c40) && cpu->x[0] == 0, "sdiv by xzr is 0");
    cpu->x[31] = 0x1000;
    CHECK(&tap, RUN(0x910043e0) && cpu->x[0] == 0x1010, "add x0, sp, #16 reads SP");
    CHECK(&tap, RUN(0xaa1f03e0) && cpu->x[0] == 0, "mov x0, xzr reads zero");
    CHECK(&tap, RUN(0x8b02007f, 0xaa1f03e0) && cpu->x[0] == 0 && cpu->x[31] == 0x1000,
          "writes to xzr go nowhere");
}

static void test_memory(void)
{
    uint64_t *data = fake_host(f, DATA);
    data[0] = 0x1122334455667788;
    data[1] = 0x99aabbccddeeff00;
    cpu->x[1] = DATA;
    CHECK(&tap, RUN(0xf9400420) && cpu->x[0] == data[1], "ldr x0, [x1, #8]");
    CHECK(&tap, RUN(0x39c00420) && cpu->x[0] == 0x77, "ldrsb w0, [x1, #1]");
    CHECK(&tap, RUN(0x39803c20) && cpu->x[0] == 0xffffffffffffff99, "ldrsb x0, [x1, #15]");
    CHECK(&tap, RUN(0xa9400c22) && cpu->x[2] == data[0] && cpu->x[3] == data[1],
          "ldp x2, x3, [x1]");
    CHECK(&tap, RUN(0xf8010c22) && cpu->x[1] == DATA + 16 && data[2] == cpu->x[2],
          "str x2, [x1, #16]! writes back");
    cpu->x[1] = DATA + 4092;
    memcpy((char *)fake_host(f, DATA) + 4092, "abcd", 4);
    memcpy(fake_host(f, DATA + 4096), "efgh", 4);
    CHECK(&tap, RUN(0xf9400020) && !memcmp(&cpu->x[0], "abcdefgh", 8), "a load straddles pages");
    memcpy(&cpu->x[0], "ABCDEFGH", 8);
    CHECK(&tap,
          RUN(0xf9000020, 0xf9400022) && cpu->x[2] == cpu->x[0] &&
              !memcmp(fake_host(f, DATA + 4096), "EFGH", 4),
          "a store straddles pages");
    cpu->x[1] = 0xab00000000000000 | DATA;
    CHECK(&tap, RUN(0xf9400020) && cpu->x[0] == data[0], "the top byte of an address is ignored");
}

static void test_traps(void)
{
    cpu->x[1] = 0xdead000;
    cpu->x[0] = 77;
    cpu->pc = CODE + 0x800;
    fake_code(f, cpu->pc, (const uint32_t[]){0x91000400, 0xf8408420, SVC}, 3);
    struct trap t = fake_run(cpu, CPU_RUN);
    CHECK(&tap,
          t.kind == TRAP_FAULT && t.addr == 0xdead000 && t.access == MEM_READ &&
              cpu->pc == CODE + 0x804 && cpu->x[0] == 78 && cpu->x[1] == 0xdead000,
          "a fault is at its instruction, with nothing written back");
    fake_map(f, 0xdead000, MEM_READ);
    t = fake_run(cpu, CPU_RUN);
    CHECK(&tap, t.kind == TRAP_SVC && cpu->x[0] == 0 && cpu->x[1] == 0xdead008,
          "and goes on once the page is there");
    cpu->pc = CODE + 0x900;
    fake_code(f, cpu->pc, (const uint32_t[]){0x00000000}, 1);
    t = fake_run(cpu, CPU_RUN);
    CHECK(&tap, t.kind == TRAP_UNDEFINED && cpu->pc == CODE + 0x900 && t.imm == 0,
          "an unallocated word is undefined");
    cpu->pc = 0x123456000;
    t = fake_run(cpu, CPU_RUN);
    CHECK(&tap, t.kind == TRAP_FAULT && t.access == MEM_EXEC && t.addr == 0x123456000,
          "no code there");
    cpu->pc = CODE + 2;
    t = fake_run(cpu, CPU_RUN);
    CHECK(&tap, t.kind == TRAP_PC_ALIGN && cpu->pc == CODE + 2, "pc must be aligned");
}

static void test_vectors(void)
{
    for (unsigned i = 0; i < 16; i++) {
        cpu->v[1].b[i] = (uint8_t)(i * 16);
        cpu->v[2].b[i] = 0xff;
    }
    CHECK(&tap, RUN(0x0e228420) && cpu->v[0].b[1] == 15 && cpu->v[0].d[1] == 0,
          "add v0.8b, v1.8b, v2.8b clears the upper half");
    CHECK(&tap, RUN(0x4ea28420) && cpu->v[0].s[3] == cpu->v[1].s[3] - 1, "add v0.4s, v1.4s, v2.4s");
    CHECK(&tap, RUN(0x4f000620) && cpu->v[0].s[2] == 0x11, "movi v0.4s, #17");
    cpu->x[5] = 0x12345678;
    CHECK(&tap, RUN(0x4e040ca0) && cpu->v[0].s[3] == 0x12345678, "dup v0.4s, w5");
    cpu->v[1].d[0] = 0x3ff0000000000000;
    cpu->v[2].d[0] = 0x4000000000000000;
    CHECK(&tap, RUN(0x1e622820) && cpu->v[0].d[0] == 0x4008000000000000, "fadd d0, d1, d2");
    cpu->x[1] = DATA;
    memset(fake_host(f, DATA), 0x5a, 64);
    CHECK(&tap, RUN(0x3dc00420) && cpu->v[0].b[9] == 0x5a, "ldr q0, [x1, #16]");
    CHECK(&tap,
          RUN(0x4c40203e) && cpu->v[0].b[9] == 0x5a && cpu->v[31].b[0] == 0x5a &&
              cpu->v[1].b[0] == 0x5a,
          "ld1 {v30.16b - v1.16b}, [x1] wraps the register number");
}

static void test_control(void)
{
    // mov x0, #0; mov x1, #1000; loop: add x0, x0, x1; subs x1, x1, #1; b.ne loop
    CHECK(&tap,
          RUN(0xd2800000, 0xd2807d01, 0x8b010000, 0xf1000421, 0x54ffffc1) && cpu->x[0] == 500500,
          "a loop adds 1..1000");
    // bl +12; svc; nop; add x0, x0, #1; ret -- the first SVC stops behind the call
    uint64_t pc = CODE + 0xa00;
    fake_code(f, pc, (const uint32_t[]){0x94000003, SVC, 0xd503201f, 0x91000400, 0xd65f03c0}, 5);
    cpu->pc = pc;
    cpu->x[0] = 1;
    struct trap t = fake_run(cpu, CPU_RUN);
    CHECK(&tap, t.kind == TRAP_SVC && cpu->pc == pc + 8 && cpu->x[0] == 2 && cpu->x[30] == pc + 4,
          "bl and ret");
    cpu->pc = pc;
    t = fake_run(cpu, CPU_STEP);
    CHECK(&tap, t.kind == TRAP_STEP && cpu->pc == pc + 12, "a step runs the call alone");
    t = fake_run(cpu, CPU_STEP);
    CHECK(&tap, t.kind == TRAP_STEP && cpu->pc == pc + 16 && cpu->x[0] == 3, "then one addition");
    t = fake_run(cpu, CPU_STEP);
    CHECK(&tap, t.kind == TRAP_STEP && cpu->pc == pc + 4, "then the return");
    fake_code(f, pc + 0x40, (const uint32_t[]){0x14000000}, 1);
    cpu->pc = pc + 0x40;
    cpu_poke(cpu);
    t = fake_run(cpu, CPU_RUN);
    CHECK(&tap, t.kind == TRAP_POKE && cpu->pc == pc + 0x40 && !cpu->poke,
          "a poke gets out of an empty loop");
}

static void test_text(void)
{
    static const struct {
        uint32_t word;
        const char *text;
    } rows[] = {
        {0x91000c20, "add x0, x1, #3"},
        {0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"},
        {0xa8c17bfd, "ldp x29, x30, [sp], #16"},
        {0xf8408420, "ldr x0, [x1], #8"},
        {0xb8605820, "ldr w0, [x1, w0, uxtw #2]"},
        {0x54ffffc1, "b.ne 0xff8"},
        {0xd65f03c0, "ret"},
        {0x4ea28420, "add v0.4s, v1.4s, v2.4s"},
        {0x00000005, "udf #5"},
    };
    char buf[80];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        a64_disassemble(rows[i].word, 0x1000, buf, sizeof(buf));
        if (!CHECK(&tap, !strcmp(buf, rows[i].text), rows[i].text))
            printf("# got %s\n", buf);
    }
}

int main(void)
{
    f = fake_create();
    fake_map(f, CODE, MEM_READ | MEM_EXEC);
    fake_map(f, DATA, MEM_READ | MEM_WRITE);
    fake_map(f, DATA + 4096, MEM_READ | MEM_WRITE);
    cpu = fake_cpu(f);
    test_integer();
    test_memory();
    test_traps();
    test_vectors();
    test_control();
    test_text();
    fake_cpu_destroy(cpu);
    fake_destroy(f);
    return tap_finish(&tap);
}
