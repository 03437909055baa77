// What both sides of the instruction differential share: the host program that runs ish's CPU in
// process (differential.c) and the guest program that runs under the oracle (executor.c). They
// share memory: the host writes cases and first states into a batch, the oracle writes its results
// beside them. One byte, the batch's number, asks for a batch; the same byte answers; any other
// byte ends.
#ifndef TESTS_ISA_CASE_H
#define TESTS_ISA_CASE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Guest memory of both sides. Every run of a case starts with the same window.
// Nothing else is mapped within 32 GiB, as far as an index register reaches.
#define ISA_CODE 0x3000000000ull
#define ISA_DATA 0x3000080000ull // within reach of ADRP and of literal loads
#define ISA_PAGE 4096ull

// The window page by page, so that accesses around its edges fault in all the ways there are:
// writable, writable, read-only, no rights, writable; nothing is mapped on either side.
enum { ISA_PAGE_RW, ISA_PAGE_RO, ISA_PAGE_NONE };
enum {
    ISA_WINDOW_PAGES = 5,
    ISA_WORDS_MAX = 16,
    ISA_SLOT_WORDS = 32, // a case's code is padded with BRK to this
    ISA_CASES = 32,      // in a batch
    ISA_RUNS = 8,        // of each case, with different operands
    ISA_BATCHES = 2,     // the oracle works on one while the host works on the other
    ISA_FD = 3,          // where the oracle finds the shared memory
};
#define ISA_BRK         0xd4200020u // brk #1
#define ISA_CODE_SIZE   ((size_t)ISA_CASES * ISA_SLOT_WORDS * 4)
#define ISA_WINDOW_SIZE ((size_t)ISA_WINDOW_PAGES * ISA_PAGE)

static inline int isa_page_rights(unsigned page)
{
    return page == 2 ? ISA_PAGE_RO : page == 3 ? ISA_PAGE_NONE : ISA_PAGE_RW;
}

struct isa_case {
    uint32_t count; // words used
    uint32_t hash;  // memory is part of the result, and is put back after each run
    uint32_t words[ISA_WORDS_MAX];
};

struct isa_state {
    uint64_t x[31];
    uint64_t sp, pc;
    uint64_t tpidr; // TPIDR_EL0
    uint32_t nzcv;  // bits 31..28
    uint32_t fpcr, fpsr;
    uint32_t unused;
    uint64_t v[32][2];
};

// How a run ended: a Linux signal, as the guest sees it.
struct isa_result {
    struct isa_state state;
    uint32_t signo, code;
    uint64_t addr;
    uint64_t memory; // hash of the writable pages, 0 when not asked for
};

struct isa_batch {
    uint32_t cases, unused[15];
    struct isa_case of[ISA_CASES];
    struct isa_state first[ISA_CASES][ISA_RUNS];
    struct isa_result result[ISA_CASES][ISA_RUNS];
};

struct isa_shared {
    struct isa_batch batch[ISA_BATCHES];
};

// FPCR of a mode 0..63: RMode, FZ, DN, FZ16, AHP in every combination.
#define ISA_FPCR_MODES 64
static inline uint32_t isa_fpcr(uint64_t mode)
{
    return (uint32_t)((mode & 31) << 22 | (mode >> 5 & 1) << 19);
}

static inline unsigned isa_fpcr_mode(uint32_t fpcr)
{
    return (fpcr >> 22 & 31) | (fpcr >> 19 & 1) << 5;
}

static inline uint64_t isa_random(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static inline uint64_t isa_slot(size_t index)
{
    return ISA_CODE + index * ISA_SLOT_WORDS * 4;
}

// The window's content: random words, some of them pointers into its first two pages or small
// numbers, for loads whose result is the next base or index register, and zeros, for branches on
// it.
static inline void isa_fill_window(void *window)
{
    uint64_t s = 1, *p = (uint64_t *)window;
    for (size_t i = 0; i < ISA_WINDOW_SIZE / 8; i++) {
        uint64_t r = isa_random(&s);
        uint64_t small = r >> 58 & 1 ? r & 63 : 0;
        p[i] = r >> 63 ? (r >> 59 & 3 ? r : small) : ISA_DATA + 0x200 + (r & 0x1bf0);
    }
}

// Four lanes, because one would wait for its own multiplications.
static inline uint64_t isa_hash_page(const void *page, uint64_t h)
{
    const uint64_t *p = (const uint64_t *)page, k = 0x9e3779b97f4a7c15ull;
    uint64_t a = h, b = h ^ 1, c = h ^ 2, d = h ^ 3;
    for (size_t i = 0; i < ISA_PAGE / 8; i += 4) {
        a = (a ^ p[i]) * k;
        b = (b ^ p[i + 1]) * k;
        c = (c ^ p[i + 2]) * k;
        d = (d ^ p[i + 3]) * k;
    }
    return ((a * k ^ b) * k ^ c) * k ^ d;
}

static inline void isa_write_code(uint32_t *code, const struct isa_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t w = 0; w < ISA_SLOT_WORDS; w++)
            code[i * ISA_SLOT_WORDS + w] = w < cases[i].count ? cases[i].words[w] : ISA_BRK;
}

#endif
