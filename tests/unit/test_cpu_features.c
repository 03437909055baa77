// What the processor says it has agrees with itself and with what it does, where no oracle can
// judge.
#include "emu/features.h"
#include "emu/fpenv.h"
#include "tests/unit/emu_fake.h"
#include "tests/unit/tap.h"
#include <fenv.h>
#include <stdio.h>

#define CODE 0x400000ull
#define DATA 0x500000ull
#define SVC  0xd4000001u

static struct tap tap;
static struct fake *f;
static struct cpu *cpu;

// Runs one instruction and SVC; true if that SVC was reached.
static bool run(uint32_t word)
{
    static uint64_t at = CODE; // fresh addresses, so that nothing is found translated
    fake_code(f, at, (const uint32_t[]){word, SVC}, 2);
    cpu->pc = at;
    at += 8;
    return fake_run(cpu, CPU_RUN).kind == TRAP_SVC;
}

// --- HWCAP and the ID registers ------------------------------------------------------------------
// The rule by which Linux makes each bit from a field of an ID register (arm64 cpufeature.c).
static void test_words(void)
{
    enum { PFR0, PFR1, ISAR0, ISAR1, REGISTERS };
    const uint64_t value[REGISTERS] = {cpu_feature_pfr0, cpu_feature_pfr1, cpu_feature_isar0,
                                       cpu_feature_isar1};
    static const struct {
        const char *name;
        uint8_t bit, reg, shift, least; // bit: 32 and more are HWCAP2
    } rows[] = {
        {"fp", 0, PFR0, 16, 0},         {"asimd", 1, PFR0, 20, 0},
        {"aes", 3, ISAR0, 4, 1},        {"pmull", 4, ISAR0, 4, 2},
        {"sha1", 5, ISAR0, 8, 1},       {"sha2", 6, ISAR0, 12, 1},
        {"crc32", 7, ISAR0, 16, 1},     {"atomics", 8, ISAR0, 20, 2},
        {"fphp", 9, PFR0, 16, 1},       {"asimdhp", 10, PFR0, 20, 1},
        {"asimdrdm", 12, ISAR0, 28, 1}, {"jscvt", 13, ISAR1, 12, 1},
        {"fcma", 14, ISAR1, 16, 1},     {"lrcpc", 15, ISAR1, 20, 1},
        {"dcpop", 16, ISAR1, 0, 1},     {"sha3", 17, ISAR0, 32, 1},
        {"sm3", 18, ISAR0, 36, 1},      {"sm4", 19, ISAR0, 40, 1},
        {"asimddp", 20, ISAR0, 44, 1},  {"sha512", 21, ISAR0, 12, 2},
        {"sve", 22, PFR0, 32, 1},       {"asimdfhm", 23, ISAR0, 48, 1},
        {"dit", 24, PFR0, 48, 1},       {"ilrcpc", 26, ISAR1, 20, 2},
        {"flagm", 27, ISAR0, 52, 1},    {"ssbs", 28, PFR1, 4, 2},
        {"sb", 29, ISAR1, 36, 1},       {"paca", 30, ISAR1, 4, 1},
        {"pacg", 31, ISAR1, 24, 1},     {"dcpodp", 32, ISAR1, 0, 2},
        {"flagm2", 39, ISAR0, 52, 2},   {"frint", 40, ISAR1, 32, 1},
        {"i8mm", 45, ISAR1, 52, 1},     {"bf16", 46, ISAR1, 44, 1},
        {"dgh", 47, ISAR1, 48, 1},      {"rng", 48, ISAR0, 60, 1},
        {"bti", 49, PFR1, 0, 1},        {"mte", 50, PFR1, 8, 2},
    };
    const uint64_t hwcap[2] = {cpu_feature_hwcap, cpu_feature_hwcap2};
    uint64_t known[2] = {0, 0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint64_t field = value[rows[i].reg] >> rows[i].shift & 15;
        const bool said = hwcap[rows[i].bit / 32] >> rows[i].bit % 32 & 1;
        known[rows[i].bit / 32] |= 1ull << rows[i].bit % 32;
        CHECK(&tap, said == (field >= rows[i].least && field != 15), rows[i].name);
    }
    CHECK(&tap, !(hwcap[0] & ~known[0]) && !(hwcap[1] & ~known[1]), "no other bit is set");
}

// --- Known answers -------------------------------------------------------------------------------
static void test_pstate(void)
{
    cpu_set_pstate(cpu, CPU_PSTATE_SSBS);
    CHECK(&tap, run(0xd53b42c0) && cpu->x[0] == 1 << 12, "mrs x0, ssbs reads bit 12");
    CHECK(&tap, run(0xd503403f) && cpu_pstate(cpu) == 0, "msr ssbs, #0 clears it");
    CHECK(&tap, run(0xd503413f) && cpu_pstate(cpu) == CPU_PSTATE_SSBS, "msr ssbs, #1 sets it");
    cpu->x[1] = UINT64_MAX;
    CHECK(&tap, run(0xd51b42a1) && cpu_pstate(cpu) == (CPU_PSTATE_SSBS | CPU_PSTATE_DIT),
          "msr dit, x1 takes bit 24 and nothing else");
    CHECK(&tap, run(0xd53b42a0) && cpu->x[0] == 1 << 24, "mrs x0, dit reads it");
    CHECK(&tap, run(0xd503405f) && cpu_pstate(cpu) == CPU_PSTATE_SSBS, "msr dit, #0 clears it");
    CHECK(&tap, run(0xd503435f) && cpu_pstate(cpu) == (CPU_PSTATE_SSBS | CPU_PSTATE_DIT),
          "msr dit, #3 sets it: one bit of the immediate counts");
    CHECK(&tap, run(0xd503425f) && cpu_pstate(cpu) == CPU_PSTATE_SSBS, "msr dit, #2 clears it");
    CHECK(&tap, run(0xd503423f) && cpu_pstate(cpu) == 0, "msr ssbs, #2 clears it");
    CHECK(&tap, run(0xd503433f) && cpu_pstate(cpu) == CPU_PSTATE_SSBS, "msr ssbs, #3 sets it");
    cpu_set_pstate(cpu, UINT32_MAX);
    CHECK(&tap, cpu_pstate(cpu) == (0xf0000000 | CPU_PSTATE_SSBS | CPU_PSTATE_DIT),
          "no other bit of PSTATE is kept");
}

static void test_random(void)
{
    cpu_set_nzcv(cpu, 0xf0000000);
    CHECK(&tap, run(0xd53b2400) && cpu->x[0] == cpu->host->random() && cpu_nzcv(cpu) == 0,
          "mrs x0, rndr takes the host's random number and says that it is one");
    CHECK(&tap, run(0xd53b2421) && cpu->x[1] == cpu->host->random() && cpu_nzcv(cpu) == 0,
          "and so does rndrrs");
}

// LSE2 would make accesses that stay inside 16 aligned bytes atomic; it is not said, so the atomic
// ones must trap there as they do anywhere (Arm ARM B2.2.1).
static void test_unaligned_atomics(void)
{
    static const struct {
        uint32_t word;
        const char *name;
    } rows[] = {
        {0xb8210040, "ldadd w1, w0, [x2]"}, {0xf8e18040, "swpal x1, x0, [x2]"},
        {0x88a17c40, "cas w1, w0, [x2]"},   {0x48207c44, "casp x0, x1, x4, x5, [x2]"},
        {0x88dffc40, "ldar w0, [x2]"},      {0x889ffc40, "stlr w0, [x2]"},
        {0xb8bfc040, "ldapr w0, [x2]"},     {0xd9402040, "ldapur x0, [x2, #2]"},
        {0x885f7c40, "ldxr w0, [x2]"},      {0xc87f0440, "ldxp x0, x1, [x2]"},
    };
    CHECK(&tap, !(cpu_feature_hwcap >> 25 & 1) && !(cpu_id_register(7, 2) >> 32 & 15),
          "LSE2 is said neither in HWCAP nor in ID_AA64MMFR2_EL1");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char what[80];
        cpu->x[2] = DATA + 2;
        cpu->x[0] = 77;
        bool ran = run(rows[i].word);
        snprintf(what, sizeof what, "%s is misaligned and traps", rows[i].name);
        CHECK(&tap, !ran && cpu->trap.kind == TRAP_ALIGN && cpu->x[0] == 77, what);
    }
}

static void test_cache(void)
{
    cpu->x[0] = DATA;
    CHECK(&tap, run(0xd50b7c20) && run(0xd50b7d20), "dc cvap and dc cvadp do nothing to a page");
    cpu->x[0] = DATA + 0x100000;
    CHECK(&tap, !run(0xd50b7c20) && !run(0xd50b7d20), "and fault where there is none");
}

// Z says that a double is the integer: not if it was flushed to it.
static void test_fjcvtzs(void)
{
    static const struct {
        uint64_t v;
        uint32_t fpcr, result, fpsr;
        bool exact;
    } rows[] = {
        {0, 0, 0, 0, true},
        {1ull << 63, 0, 0, 0, false},
        {1, 0, 0, FPSR_IXC, false},
        {1, FPCR_FZ, 0, FPSR_IDC, false},
        {0xc1e0000000000000, 0, 0x80000000, 0, true},         // -2^31
        {0x41e0000000000000, 0, 0x80000000, FPSR_IOC, false}, // 2^31
        {0x41f0000000080000, 0, 0, FPSR_IOC, false},          // 2^32 + 0.5
        {0x41f0000000180000, 0, 1, FPSR_IOC, false},          // 2^32 + 1.5
        {0x4330000000000001, 0, 1, FPSR_IOC, false},          // 2^52 + 1
        {0xc340000000000001, 0, 0xfffffffe, FPSR_IOC, false}, // -(2^53 + 2)
        {0x7ff0000000000000, 0, 0, FPSR_IOC, false},
        {0x7ff8000000000000, 0, 0, FPSR_IOC, false},
    };
    char what[80];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cpu->v[0].d[0] = rows[i].v;
        cpu->fpcr = rows[i].fpcr;
        cpu->fpsr = 0;
        cpu_set_nzcv(cpu, 0xb0000000);
        bool ok = run(0x1e7e0000) && cpu->x[0] == rows[i].result && cpu->fpsr == rows[i].fpsr;
        snprintf(what, sizeof what, "fjcvtzs of %#llx", (unsigned long long)rows[i].v);
        CHECK(&tap, ok && cpu_nzcv(cpu) == (rows[i].exact ? 0x40000000u : 0), what);
    }
    cpu->fpcr = cpu->fpsr = 0;
}

// The host's rounding mode and exception flags are its own again after every exit.
static void test_host_control(void)
{
    static const struct {
        uint32_t word;
        const char *what;
    } ways[] = {
        {0x1e621820, "fdiv d0, d1, d2: the host's floating-point state survives a system call"},
        {0xd4200000, "and a breakpoint"},
        {0xf9400020, "and a fault"},
        {0x00000000, "and an undefined instruction"},
        {0xd51b4403, "and a change of FPCR"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        fesetround(FE_DOWNWARD);
        feclearexcept(FE_ALL_EXCEPT);
        feraiseexcept(FE_DIVBYZERO);
        cpu->v[1].d[0] = 0x3ff0000000000000;
        cpu->v[2].d[0] = 0x4008000000000000;
        cpu->x[1] = DATA + 0x100000;
        cpu->x[3] = 3u << FPCR_RMODE_SHIFT;
        cpu->fpcr = 1u << FPCR_RMODE_SHIFT;
        cpu->fpsr = 0;
        run(ways[i].word);
        CHECK(&tap, fegetround() == FE_DOWNWARD && fetestexcept(FE_ALL_EXCEPT) == FE_DIVBYZERO,
              ways[i].what);
        if (i == 0)
            CHECK(&tap, cpu->v[0].d[0] == 0x3fd5555555555556 && cpu->fpsr == FPSR_IXC,
                  "while the guest's rounding and flags were in force");
    }
    cpu->fpcr = cpu->fpsr = 0;
    fesetround(FE_TONEAREST);
}

static int found_rounding;

static uint64_t look(void)
{
    found_rounding = fegetround();
    return 1;
}

static uint64_t look_at(unsigned clock)
{
    return look() + clock;
}

// What the CPU asks of the host in the middle of guest code, too.
static void test_host_calls(void)
{
    static const struct cpu_host looking = {look, 1, look_at, look};
    static const uint32_t words[] = {0xd53be040, 0xd53bfc00, 0xd53b2400};
    const struct cpu_host *before = cpu->host;
    cpu->host = &looking;
    bool nearest = true, kept = true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        cpu->fpcr = 1u << FPCR_RMODE_SHIFT;
        found_rounding = -1;
        nearest = run(words[i]) && found_rounding == FE_TONEAREST && nearest;
        // And behind it, in the same run, the guest's again.
        fake_code(f, CODE + 0xf00, (const uint32_t[]){words[i], 0x1e621820, SVC}, 3);
        fake_code_changed(f, CODE);
        cpu->v[1].d[0] = 0x3ff0000000000000;
        cpu->v[2].d[0] = 0x4008000000000000;
        cpu->pc = CODE + 0xf00;
        fake_run(cpu, CPU_RUN);
        kept = cpu->v[0].d[0] == 0x3fd5555555555556 && kept;
    }
    CHECK(&tap, nearest, "host code called by an instruction finds the host's rounding");
    CHECK(&tap, kept, "and the guest finds its own behind it");
    cpu->host = before;
    cpu->fpcr = cpu->fpsr = 0;
}

int main(void)
{
    f = fake_create();
    fake_map(f, CODE, MEM_READ | MEM_EXEC);
    fake_map(f, DATA, MEM_READ | MEM_WRITE);
    cpu = fake_cpu(f);
    test_words();
    test_pstate();
    test_random();
    test_cache();
    test_unaligned_atomics();
    test_fjcvtzs();
    test_host_control();
    test_host_calls();
    fake_cpu_destroy(cpu);
    fake_destroy(f);
    return tap_finish(&tap);
}
