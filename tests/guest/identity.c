// What the processor says it is agrees wherever it says it (HWCAP and HWCAP2, the feature registers
// that Linux lets a program read, /proc/cpuinfo), and is true: an instruction of each feature runs
// where it is announced and is SIGILL, with the right siginfo, where it is not. ARM64 only.
#include "tests/unit/tap.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

enum id { PFR0, PFR1, ISAR0, ISAR1, MMFR2, ISAR2, ID_COUNT };

struct feature {
    const char *name; // in /proc/cpuinfo
    uint8_t bit;      // of HWCAP; 64 and up: HWCAP2
    uint8_t shift;    // of its field in the register `id`
    uint8_t least;    // value of the field that means it is there
    enum id id;
    uint32_t word; // an instruction of it; x1 is the address of memory
};

static const struct feature features[] = {
    {"fp", 0, 16, 0, PFR0, 0x1e602820},         {"asimd", 1, 20, 0, PFR0, 0x4e20d420},
    {"aes", 3, 4, 1, ISAR0, 0x4e284820},        {"pmull", 4, 4, 2, ISAR0, 0x0ee0e020},
    {"sha1", 5, 8, 1, ISAR0, 0x5e280820},       {"sha2", 6, 12, 1, ISAR0, 0x5e282820},
    {"crc32", 7, 16, 1, ISAR0, 0x1ac04020},     {"atomics", 8, 20, 2, ISAR0, 0xf8200020},
    {"fphp", 9, 16, 1, PFR0, 0x1ee02820},       {"asimdhp", 10, 20, 1, PFR0, 0x4e401420},
    {"asimdrdm", 12, 28, 1, ISAR0, 0x6e408420}, {"jscvt", 13, 12, 1, ISAR1, 0x1e7e0020},
    {"fcma", 14, 16, 1, ISAR1, 0x6e80c420},     {"lrcpc", 15, 20, 1, ISAR1, 0xf8bfc020},
    {"dcpop", 16, 0, 1, ISAR1, 0xd50b7c21},     {"sha3", 17, 32, 1, ISAR0, 0xce000020},
    {"sm3", 18, 36, 1, ISAR0, 0xce60c020},      {"sm4", 19, 40, 1, ISAR0, 0xcec08420},
    {"asimddp", 20, 44, 1, ISAR0, 0x6e809420},  {"sha512", 21, 12, 2, ISAR0, 0xcec08020},
    {"sve", 22, 32, 1, PFR0, 0x04e00000},       {"asimdfhm", 23, 48, 1, ISAR0, 0x0e20ec20},
    {"dit", 24, 48, 1, PFR0, 0xd53b42a0},       {"uscat", 25, 32, 1, MMFR2, 0},
    {"ilrcpc", 26, 20, 2, ISAR1, 0xd9400020},   {"flagm", 27, 52, 1, ISAR0, 0xd500401f},
    {"ssbs", 28, 4, 2, PFR1, 0xd53b42c0},       {"sb", 29, 36, 1, ISAR1, 0xd50330ff},
    {"paca", 30, 4, 1, ISAR1, 0xdac10020},      {"dcpodp", 64, 0, 2, ISAR1, 0xd50b7d21},
    {"flagm2", 71, 52, 2, ISAR0, 0xd500405f},   {"frint", 72, 32, 1, ISAR1, 0x1e284020},
    {"i8mm", 77, 52, 1, ISAR1, 0x4e80a420},     {"bf16", 78, 44, 1, ISAR1, 0x2e40fc20},
    {"rng", 80, 60, 1, ISAR0, 0xd53b2400},      {"wfxt", 95, 0, 2, ISAR2, 0xd5031000},
};

static uint64_t hwcap[2], ids[ID_COUNT];
static sigjmp_buf out;
static volatile int code;
static void *volatile where;

static void on_sigill(int signo, siginfo_t *si, void *context)
{
    (void)signo;
    ucontext_t *uc = context;
    code = si->si_code;
    where = (uint64_t)si->si_addr == uc->uc_mcontext.pc ? si->si_addr : NULL;
    siglongjmp(out, 1);
}

// 0: it ran; 1: SIGILL as Linux sends it; 2: with other siginfo.
static int run(uint32_t *page, uint32_t word)
{
    static uint64_t memory[16] __attribute__((aligned(64)));
    page[0] = word;
    page[1] = 0xd65f03c0;
    __builtin___clear_cache((char *)page, (char *)page + 8);
    if (sigsetjmp(out, 1))
        return code == ILL_ILLOPC && where == page ? 1 : 2;
    register uint64_t x0 __asm__("x0") = 1;
    register uint64_t *x1 __asm__("x1") = memory;
    register uint32_t *x9 __asm__("x9") = page;
    __asm__ volatile("blr x9"
                     : "+r"(x0), "+r"(x1), "+r"(x9)
                     :
                     : "x2", "x30", "v0", "v1", "memory", "cc");
    return 0;
}

static bool announced(const struct feature *f)
{
    return hwcap[f->bit / 64] >> f->bit % 64 & 1;
}

static bool registers_agree(void)
{
    bool good = true;
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        const struct feature *f = &features[i];
        unsigned field = ids[f->id] >> f->shift & 15;
        bool there =
            f->id == PFR0 && f->shift < 24 ? field != 15 && field >= f->least : field >= f->least;
        if (there != announced(f)) {
            printf("# %s: HWCAP says %d, field %u\n", f->name, announced(f), field);
            good = false;
        }
    }
    return good;
}

static bool instructions_agree(void)
{
    bool good = true;
    uint32_t *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        int got = features[i].word ? run(page, features[i].word) : !announced(&features[i]);
        if (got != !announced(&features[i])) {
            printf("# %s: announced %d, got %d\n", features[i].name, announced(&features[i]), got);
            good = false;
        }
    }
    return good;
}

// The Features line has the names of exactly the bits that are set.
static bool cpuinfo_agrees(void)
{
    char line[1024];
    bool good = true, found = false;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "Features", 8))
            continue;
        found = true;
        uint64_t seen[2] = {1 << 2 | 1 << 11, 0}; // evtstrm and cpuid are not in the table
        char *rest = strchr(line, ':') + 1;
        for (char *word; (word = strtok_r(rest, " \n", &rest));)
            for (size_t i = 0; i < sizeof features / sizeof features[0]; i++)
                if (!strcmp(word, features[i].name))
                    seen[features[i].bit / 64] |= 1ull << features[i].bit % 64;
        good = good && seen[0] == hwcap[0] && seen[1] == hwcap[1];
    }
    if (f)
        fclose(f);
    return good && found;
}

#define READ(name)                                                                                 \
    ({                                                                                             \
        uint64_t v_;                                                                               \
        __asm__ volatile("mrs %0, " name : "=r"(v_));                                              \
        v_;                                                                                        \
    })

int main(void)
{
    struct tap t = {0, 0};
    struct sigaction sa = {.sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &sa, NULL);
    hwcap[0] = getauxval(AT_HWCAP);
    hwcap[1] = getauxval(AT_HWCAP2);
    ids[PFR0] = READ("s3_0_c0_c4_0");
    ids[PFR1] = READ("s3_0_c0_c4_1");
    ids[ISAR0] = READ("s3_0_c0_c6_0");
    ids[ISAR1] = READ("s3_0_c0_c6_1");
    ids[ISAR2] = READ("s3_0_c0_c6_2");
    ids[MMFR2] = READ("s3_0_c0_c7_2");
    CHECK(&t, hwcap[0] >> 11 & 1, "the feature registers may be read");
    CHECK(&t, registers_agree(), "HWCAP and the feature registers say the same");
    CHECK(&t, cpuinfo_agrees(), "so does /proc/cpuinfo");
    CHECK(&t, instructions_agree(), "what is announced runs, what is not is SIGILL");
    CHECK(&t, READ("midr_el1") >> 24 == 0x41, "the implementer is Arm");
    return tap_finish(&t);
}
