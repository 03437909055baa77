// What the processor is said to have is the same everywhere it is said, and the bits of PSTATE that
// come with some features live through signals. On other processors there is little to say.
#include "tests/unit/tap.h"
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <ucontext.h>

static struct tap tap;

// The Features line, one blank around every name.
static bool read_features(char *out, size_t size)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    bool found = false;
    while (f && !found && fgets(out, (int)size, f)) {
        found = !strncmp(out, "Features", 8) || !strncmp(out, "flags", 5);
        if (found && strchr(out, '\n'))
            *strchr(out, '\n') = ' ';
    }
    if (f)
        fclose(f);
    return found;
}

#if defined(__aarch64__)

#define PSTATE_SSBS (1ull << 12)
#define PSTATE_DIT  (1ull << 24)

static void test_words(const char *line)
{
    static const struct {
        const char *name;
        int bit; // from 32 on: AT_HWCAP2
    } rows[] = {
        {"fp", 0},        {"asimd", 1},       {"evtstrm", 2},   {"aes", 3},       {"pmull", 4},
        {"sha1", 5},      {"sha2", 6},        {"crc32", 7},     {"atomics", 8},   {"fphp", 9},
        {"asimdhp", 10},  {"cpuid", 11},      {"asimdrdm", 12}, {"jscvt", 13},    {"fcma", 14},
        {"lrcpc", 15},    {"dcpop", 16},      {"sha3", 17},     {"sm3", 18},      {"sm4", 19},
        {"asimddp", 20},  {"sha512", 21},     {"sve", 22},      {"asimdfhm", 23}, {"dit", 24},
        {"uscat", 25},    {"ilrcpc", 26},     {"flagm", 27},    {"ssbs", 28},     {"sb", 29},
        {"paca", 30},     {"pacg", 31},       {"dcpodp", 32},   {"sve2", 33},     {"sveaes", 34},
        {"svepmull", 35}, {"svebitperm", 36}, {"svesha3", 37},  {"svesm4", 38},   {"flagm2", 39},
        {"frint", 40},    {"svei8mm", 41},    {"svef32mm", 42}, {"svef64mm", 43}, {"svebf16", 44},
        {"i8mm", 45},     {"bf16", 46},       {"dgh", 47},      {"rng", 48},
    };
    const uint64_t all = (uint32_t)getauxval(AT_HWCAP) | (uint64_t)getauxval(AT_HWCAP2) << 32;
    char word[32];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(word, sizeof word, " %s ", rows[i].name);
        bool said = strstr(line, word) != NULL;
        CHECK(&tap, said == (all >> rows[i].bit & 1), rows[i].name);
    }
}

static uint64_t get_dit(void)
{
    uint64_t v;
    __asm__ volatile("mrs %0, s3_3_c4_c2_5" : "=r"(v));
    return v;
}

static void set_dit(uint64_t v)
{
    __asm__ volatile("msr s3_3_c4_c2_5, %0" ::"r"(v));
}

static uint64_t get_ssbs(void)
{
    uint64_t v;
    __asm__ volatile("mrs %0, s3_3_c4_c2_6" : "=r"(v));
    return v;
}

static volatile uint64_t seen;

static void on_signal(int signo, siginfo_t *si, void *context)
{
    (void)signo;
    (void)si;
    ucontext_t *uc = context;
    seen = uc->uc_mcontext.pstate;
    uc->uc_mcontext.pstate &= ~PSTATE_SSBS;
}

static void test_pstate(void)
{
    const uint64_t hwcap = getauxval(AT_HWCAP);
    if (!(hwcap >> 24 & 1) || !(hwcap >> 28 & 1))
        return;
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    CHECK(&tap, get_dit() == 0 && get_ssbs() == PSTATE_SSBS, "a program starts with SSBS alone");
    set_dit(UINT64_MAX);
    raise(SIGUSR1);
    CHECK(&tap, (seen & (PSTATE_DIT | PSTATE_SSBS)) == (PSTATE_DIT | PSTATE_SSBS),
          "a signal frame holds DIT and SSBS");
    CHECK(&tap, get_dit() == PSTATE_DIT && get_ssbs() == 0, "and its return takes them from there");
}

#endif

int main(void)
{
    static char line[8192];
    CHECK(&tap, read_features(line, sizeof line), "/proc/cpuinfo lists features");
#if defined(__aarch64__)
    test_words(line);
    test_pstate();
#endif
    return tap_finish(&tap);
}
