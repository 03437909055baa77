// Code that changes: what was translated is never run after the program said so (IC IVAU), through
// any alias; and the system registers that programs base this on.
#include "emu/code.h"
#include "emu/features.h"
#include "tests/unit/emu_fake.h"
#include "tests/unit/tap.h"

#define CODE  0x400000ull
#define WRITE 0x800000ull // the same page, writable
#define SVC   0xd4000001u

static struct tap tap;
static struct fake *f;
static struct cpu *cpu;

static uint64_t call(uint64_t pc)
{
    cpu->pc = pc;
    struct trap t;
    do
        t = fake_run(cpu, CPU_RUN);
    while (t.kind == TRAP_POKE);
    return t.kind == TRAP_SVC ? cpu->x[0] : ~0ull;
}

static void put(uint64_t pc, uint32_t word)
{
    fake_code(f, pc, &word, 1);
}

static uint32_t movz(unsigned rd, unsigned imm)
{
    return 0xd2800000u | imm << 5 | rd;
}

static void test_patch(void)
{
    put(CODE, movz(0, 1));
    put(CODE + 4, SVC);
    CHECK(&tap, call(CODE) == 1, "first version");
    // The guest patches it through the other mapping: str w1, [x2]; dc cvau, x2; dsb; ic ivau, x2;
    // dsb; isb; b CODE
    static const uint32_t patcher[] = {0xb9000041, 0xd50b7b22, 0xd5033b9f, 0xd50b7522,
                                       0xd5033b9f, 0xd5033fdf, 0xd61f0060};
    fake_code(f, CODE + 0x800, patcher, 7);
    cpu->x[1] = movz(0, 2);
    cpu->x[2] = WRITE;
    cpu->x[3] = CODE;
    CHECK(&tap, call(CODE + 0x800) == 2, "patched through an alias, synchronised by the alias");
    CHECK(&tap, call(CODE) == 2, "and stays so");
    put(CODE, movz(0, 3));
    CHECK(&tap, call(CODE) == 2, "stores alone are not watched");
}

// The chain from one block into another is cut, in both directions and for loops onto itself.
static void test_chain(void)
{
    put(CODE + 0x100, 0x14000004); // b +16
    put(CODE + 0x110, movz(0, 7));
    put(CODE + 0x114, SVC);
    CHECK(&tap, call(CODE + 0x100) == 7 && call(CODE + 0x100) == 7, "chained");
    fake_map(f, CODE + 0x1000, MEM_READ | MEM_EXEC);
    put(CODE + 0x1000, 0x17fffc44); // b CODE + 0x110
    CHECK(&tap, call(CODE + 0x1000) == 7, "chained from another page");
    put(CODE + 0x110, movz(0, 8));
    mem_drop_code(cpu->mem, mem_frame_at(cpu, CODE));
    CHECK(&tap, call(CODE + 0x1000) == 8, "a dropped block is not reached through a chain");
    fake_unmap(f, CODE + 0x1000);
    CHECK(&tap, call(CODE + 0x100) == 8, "dropping the origin leaves the target alone");
}

static void test_return(void)
{
    // bl f; svc ... f: ret. The return stack must not outlive what it points to.
    put(CODE + 0x200, 0x94000004);
    put(CODE + 0x204, SVC);
    put(CODE + 0x210, 0xd4200000); // brk: stop inside the call
    put(CODE + 0x214, 0xd65f03c0);
    cpu->x[0] = 5;
    CHECK(&tap, call(CODE + 0x200) == ~0ull && cpu->x[30] == CODE + 0x204, "inside the call");
    put(CODE + 0x204, movz(0, 9));
    put(CODE + 0x208, SVC);
    mem_drop_code(cpu->mem, mem_frame_at(cpu, CODE));
    code_space_free_garbage(cpu->space, code_space_collect(cpu->space));
    CHECK(&tap, call(CODE + 0x214) == 9, "ret goes to the new code");
}

static void test_churn(void)
{
    bool good = true;
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t at = CODE + 0x400 + 16 * (i % 32);
        put(at, movz(0, i));
        put(at + 4, SVC);
        if (i % 7 == 0) {
            mem_drop_code(cpu->mem, mem_frame_at(cpu, CODE));
            code_space_free_garbage(cpu->space, code_space_collect(cpu->space));
        } else if (i >= 32) {
            continue; // an older version may be translated
        }
        good = good && call(at) == i;
    }
    CHECK(&tap, good, "memory of dropped blocks is used again");
    code_space_drop_all(cpu->space);
    CHECK(&tap, !code_in_frame(mem_frame_at(cpu, CODE)), "frames count their blocks down to none");
}

static void test_registers(void)
{
    put(CODE + 0xa00, 0xd53b0020); // mrs x0, ctr_el0
    put(CODE + 0xa04, SVC);
    CHECK(&tap, call(CODE + 0xa00) == CPU_CTR && !(CPU_CTR >> 28 & 3),
          "CTR_EL0 asks for cache maintenance");
    put(CODE + 0xa10, 0xd5380600); // mrs x0, id_aa64isar0_el1
    put(CODE + 0xa14, SVC);
    CHECK(&tap, call(CODE + 0xa10) == cpu_feature_isar0 && (cpu_feature_isar0 >> 20 & 15) == 2,
          "ID_AA64ISAR0_EL1 has the LSE atomics");
    CHECK(&tap, (cpu_feature_hwcap >> 8 & 1) == 1, "so has HWCAP");
    put(CODE + 0xa20, 0xd53be040); // mrs x0, cntvct_el0
    put(CODE + 0xa24, SVC);
    CHECK(&tap, call(CODE + 0xa20) == 12345, "CNTVCT_EL0 comes from the host table");
    cpu->x[0] = 0xfedcba9876543210;
    put(CODE + 0xa30, 0xd51bd040); // msr tpidr_el0, x0
    put(CODE + 0xa34, 0xd53bd041); // mrs x1, tpidr_el0
    put(CODE + 0xa38, SVC);
    CHECK(&tap, call(CODE + 0xa30) == cpu->x[1] && cpu->tpidr_el0 == cpu->x[1], "TPIDR_EL0");
    cpu->x[0] = 0xffffffff;
    put(CODE + 0xa40, 0xd51b4400); // msr fpcr, x0
    put(CODE + 0xa44, 0xd53b4400); // mrs x0, fpcr
    put(CODE + 0xa48, SVC);
    CHECK(&tap, call(CODE + 0xa40) == 0x07ff0000, "FPCR has no trap enables");
    cpu->x[2] = WRITE + 0x45;
    fake_map(f, WRITE + 0x1000, MEM_READ | MEM_WRITE);
    uint64_t *line = fake_host(f, WRITE + 0x1000);
    for (unsigned i = 0; i < 24; i++)
        line[i] = 1;
    cpu->x[2] = WRITE + 0x1045;
    put(CODE + 0xa50, 0xd50b7422); // dc zva, x2
    put(CODE + 0xa54, SVC);
    (void)call(CODE + 0xa50);
    CHECK(&tap, line[7] == 1 && line[8] == 0 && line[15] == 0 && line[16] == 1,
          "dc zva clears its 64 bytes");
}

int main(void)
{
    f = fake_create();
    fake_map(f, CODE, MEM_READ | MEM_EXEC);
    fake_alias(f, WRITE, CODE, MEM_READ | MEM_WRITE);
    cpu = fake_cpu(f);
    test_patch();
    test_chain();
    test_return();
    test_churn();
    test_registers();
    fake_cpu_destroy(cpu);
    fake_destroy(f);
    return tap_finish(&tap);
}
