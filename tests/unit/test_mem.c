// Page tables, TLB fills, copy-on-write by fork, and what a shootdown leaves behind, on one thread.
#include "emu/mem.h"
#include "platform/abi/linux_errno.h"
#include "tests/unit/code_stub.h"
#include "tests/unit/mem_gadget.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <string.h>

enum { RW = MEM_READ | MEM_WRITE, RX = MEM_READ | MEM_EXEC };
#define BASE 0x5500000000ull

struct rig {
    struct frame_pool *pool;
    struct run_tokens *tokens;
    struct mem *mem;
    struct cpu cpu;
    struct mem_batch batch;
};

static const struct cpu_host no_host;

static void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->cpu.host = &no_host;
    mem_batch_init(&r->batch);
    if (frame_pool_create(0, &r->pool) || run_tokens_create(2, &r->tokens) ||
        mem_create(r->tokens, NULL, &r->mem) || mem_attach(r->mem, &r->cpu))
        abort();
}

static bool rig_end(struct rig *r)
{
    mem_batch_finish(&r->batch);
    mem_detach(&r->cpu);
    mem_put(r->mem);
    bool clean = frame_pool_used(r->pool) == 0;
    run_tokens_destroy(r->tokens);
    frame_pool_destroy(r->pool);
    return clean;
}

// A page at `addr` whose first word is `value`.
static struct frame *put_page(struct rig *r, struct mem *mem, uint64_t addr, uint8_t rights,
                              uint64_t value)
{
    struct frame *f;
    if (frame_alloc(r->pool, &f))
        abort();
    *(uint64_t *)f->host = value;
    if (mem_set(mem, &r->batch, addr, (struct mem_entry){.frame = f, .rights = rights}))
        abort();
    return f;
}

static bool load(struct rig *r, uint64_t addr, uint64_t *value)
{
    mem_enter(&r->cpu);
    bool ok = gadget_load(&r->cpu, addr, value);
    mem_leave(&r->cpu);
    return ok;
}

static bool store(struct rig *r, uint64_t addr, uint64_t value)
{
    mem_enter(&r->cpu);
    bool ok = gadget_store(&r->cpu, addr, value);
    mem_leave(&r->cpu);
    return ok;
}

static void test_access(struct tap *t)
{
    struct rig r;
    uint64_t v = 0;
    rig_init(&r);
    put_page(&r, r.mem, BASE, RW, 7);
    put_page(&r, r.mem, BASE + 4096, MEM_READ, 8);
    put_page(&r, r.mem, MEM_VA_END - 4096, RW, 9);
    put_page(&r, r.mem, 0, RW, 10);
    CHECK(t, load(&r, BASE, &v) && v == 7, "a mapped word is read");
    CHECK(t, store(&r, BASE, 17) && load(&r, BASE, &v) && v == 17, "and written");
    CHECK(t, load(&r, BASE + 4096, &v) && v == 8 && !store(&r, BASE + 4096, 1),
          "a page without the right is not written, also after it was read");
    CHECK(t, !load(&r, BASE + 8192, &v), "a hole faults");
    CHECK(t, load(&r, MEM_VA_END - 4096, &v) && v == 9 && load(&r, 0, &v) && v == 10,
          "the first and the last page are pages");
    CHECK(t, !load(&r, MEM_VA_END, &v) && !load(&r, 0xffff000000000000, &v),
          "nothing beyond 48 bits, and no kernel half");
    CHECK(t,
          load(&r, BASE | 0xab00000000000000, &v) && v == 17 &&
              store(&r, BASE | 0x1200000000000000, 18) && load(&r, BASE, &v) && v == 18,
          "the top byte is ignored");
    mem_enter(&r.cpu);
    enum mem_fill_result owned = mem_fill(&r.cpu, BASE, MEM_READ);
    enum mem_fill_result read_only = mem_fill(&r.cpu, BASE + 4096, MEM_READ);
    mem_leave(&r.cpu);
    CHECK(t, owned == MEM_FILL_OK_OWNED && read_only == MEM_FILL_OK,
          "only a page this space may write is fit for the last-page pins");
    CHECK(t, rig_end(&r), "everything is released");
}

static void test_change(struct tap *t)
{
    struct rig r;
    uint64_t v = 0, pages, file;
    rig_init(&r);
    for (unsigned i = 0; i < 1200; i++)
        put_page(&r, r.mem, BASE + i * 4096ull, RW, i);
    mem_count(r.mem, &pages, &file);
    CHECK(t, pages == 1200 && file == 0, "present pages are counted");
    bool ok = true;
    for (unsigned i = 0; i < 1200; i++)
        ok &= load(&r, BASE + i * 4096ull, &v) && v == i;
    CHECK(t, ok, "1200 pages over three tables");

    int err = mem_protect(r.mem, &r.batch, BASE + 4096, 4096, MEM_READ);
    mem_batch_finish(&r.batch);
    CHECK(t, !err && !store(&r, BASE + 4096, 1) && load(&r, BASE + 4096, &v) && v == 1,
          "a right that was taken is gone for a TLB that had it");
    err = mem_protect(r.mem, &r.batch, BASE + 4096, 4096, RW);
    CHECK(t, !err && mem_is_settled(r.mem) && store(&r, BASE + 4096, 1),
          "a right that was added needs no shootdown");

    put_page(&r, r.mem, BASE + 8192, RW, 999);
    CHECK(t, !mem_is_settled(r.mem), "replacing a page is unsettled until the batch is finished");
    mem_batch_finish(&r.batch);
    CHECK(t, mem_is_settled(r.mem) && load(&r, BASE + 8192, &v) && v == 999,
          "a page that was replaced is seen");

    err = mem_clear(r.mem, &r.batch, BASE + 4096 * 100, 4096 * 1000, false);
    mem_batch_finish(&r.batch);
    mem_count_range(r.mem, BASE, 4096 * 1200, &pages, &file);
    CHECK(t, !err && pages == 200 && frame_pool_used(r.pool) == 200 * 4096,
          "a cleared range gives its frames back");
    CHECK(t,
          load(&r, BASE + 4096 * 99, &v) && !load(&r, BASE + 4096 * 100, &v) &&
              !load(&r, BASE + 4096 * 1099, &v) && load(&r, BASE + 4096 * 1100, &v) && v == 1100,
          "and its neighbours stay");

    err = mem_move(r.mem, &r.batch, BASE, BASE + (1ull << 40) + 4096 * 7, 4096 * 100);
    mem_batch_finish(&r.batch);
    ok = !err;
    for (unsigned i = 0; i < 100; i++)
        ok &= !load(&r, BASE + i * 4096ull, &v) &&
              load(&r, BASE + (1ull << 40) + (i + 7) * 4096ull, &v) && v == (i == 2 ? 999 : i);
    CHECK(t, ok, "moved pages are at the new place alone");
    CHECK(t, rig_end(&r), "everything is released");
}

static void test_move_tables(struct tap *t)
{
    struct rig r;
    uint64_t v = 0, pages, file;
    rig_init(&r);
    uint64_t from = BASE & ~0x1fffffull, to = from + (3ull << 30);
    for (unsigned i = 0; i < 1024 + 5; i++)
        put_page(&r, r.mem, from + i * 4096ull, RW, i);
    bool ok = load(&r, from, &v);
    int err = mem_move(r.mem, &r.batch, from, to, 4096 * 1029);
    mem_batch_finish(&r.batch);
    for (unsigned i = 0; i < 1029; i++)
        ok &= !load(&r, from + i * 4096ull, &v) && load(&r, to + i * 4096ull, &v) && v == i;
    CHECK(t, !err && ok, "whole tables move");
    mem_count(r.mem, &pages, &file);
    CHECK(t, pages == 1029, "and keep their count");
    err = mem_clear(r.mem, &r.batch, 0, MEM_VA_END, false);
    mem_batch_finish(&r.batch);
    CHECK(t, !err && frame_pool_used(r.pool) == 0, "clearing everything frees everything");
    CHECK(t, rig_end(&r), "everything is released");
}

// Source and destination side by side: one table is emptied by the first part of the range and
// filled by the last.
static bool move_beside(struct rig *r, uint64_t first, unsigned count, unsigned gap, bool up)
{
    uint64_t v = 0, from = BASE + first * 4096ull;
    uint64_t delta = (count + gap) * 4096ull;
    if (!up)
        delta = -delta;
    for (unsigned i = 0; i < count; i += 1 + i % 3)
        put_page(r, r->mem, from + i * 4096ull, RW, i);
    int err = mem_move(r->mem, &r->batch, from, from + delta, count * 4096ull);
    mem_batch_finish(&r->batch);
    bool ok = !err;
    for (unsigned i = 0; i < count; i++) {
        bool there = load(r, from + delta + i * 4096ull, &v);
        ok &= !mem_lookup(r->mem, from + i * 4096ull).frame;
        ok &= there ? v == i : !mem_lookup(r->mem, from + delta + i * 4096ull).frame;
    }
    uint64_t pages, file;
    mem_count(r->mem, &pages, &file);
    for (unsigned i = 0; i < count; i += 1 + i % 3)
        pages--;
    err = mem_clear(r->mem, &r->batch, 0, MEM_VA_END, false);
    mem_batch_finish(&r->batch);
    return ok && !err && pages == 0;
}

static void test_move_beside(struct tap *t)
{
    struct rig r;
    rig_init(&r);
    bool ok = true;
    static const unsigned firsts[] = {0, 1, 300, 511},
                          counts[] = {1, 100, 511, 512, 513, 1500, 2048};
    for (unsigned f = 0; f < ARRAY_LEN(firsts); f++)
        for (unsigned c = 0; c < ARRAY_LEN(counts); c++)
            for (unsigned gap = 0; gap < 700; gap += 97)
                for (int up = 0; up < 2; up++)
                    ok &= move_beside(&r, firsts[f] + 4096, counts[c], gap, up);
    CHECK(t, ok, "a range moves to the place beside it, over the borders of tables");
    // Tables that move whole, out of a directory of 1 GiB and into the one they leave.
    for (int up = 0; up < 2; up++)
        ok &= move_beside(&r, 512 * 512 - 512, 1024, 0, up);
    CHECK(t, ok, "and over those of directories");
    CHECK(t, rig_end(&r), "everything is released");
}

static void test_fork(struct tap *t)
{
    struct rig r;
    uint64_t v = 0;
    struct mem *child;
    rig_init(&r);
    for (unsigned i = 0; i < 600; i++)
        put_page(&r, r.mem, BASE + i * 4096ull, RW, i);
    struct frame *wrapped;
    _Alignas(64) static char file_page[4096];
    int err = frame_wrap(r.pool, file_page, NULL, NULL, &wrapped);
    err |= mem_set(r.mem, &r.batch, BASE + 700 * 4096ull,
                   (struct mem_entry){.frame = wrapped, .rights = RW, .shared = true});
    frame_get(wrapped);
    err |= mem_set(r.mem, &r.batch, BASE + 701 * 4096ull,
                   (struct mem_entry){.frame = wrapped, .rights = RW});
    bool ok = store(&r, BASE, 100);
    CHECK(t,
          !err && ok && !store(&r, BASE + 701 * 4096ull, 1) && store(&r, BASE + 700 * 4096ull, 5),
          "a private mapping never writes the file's page, a shared one does");

    struct mem_range skip[] = {{BASE + 10 * 4096, BASE + 20 * 4096}};
    err |= mem_create(r.tokens, r.mem, &child);
    err |= mem_fork(r.mem, child, &r.batch, skip, 1);
    mem_batch_finish(&r.batch);
    CHECK(t, !err && frame_pool_used(r.pool) == 600 * 4096, "fork copies no page");
    CHECK(t, !store(&r, BASE, 1), "the parent's TLB lost its right to write");
    CHECK(t, store(&r, BASE + 700 * 4096ull, 6), "but not to shared memory");
    CHECK(t,
          !mem_lookup(child, BASE + 15 * 4096).frame &&
              mem_lookup(child, BASE + 20 * 4096).frame ==
                  mem_lookup(r.mem, BASE + 20 * 4096).frame,
          "ranges left out are left out");

    // The parent's copy-on-write, as mm_fault does it.
    put_page(&r, r.mem, BASE, RW, 55);
    mem_batch_finish(&r.batch);
    CHECK(t, store(&r, BASE, 56) && *(uint64_t *)mem_lookup(child, BASE).frame->host == 100,
          "after the copy each has its own");
    CHECK(t, mem_lookup(child, BASE).writable,
          "and the last one to have the old page may write it");
    CHECK(t, !mem_lookup(child, BASE + 4096).writable && !mem_lookup(r.mem, BASE + 4096).writable,
          "others are still shared");
    mem_put(child);
    CHECK(t, store(&r, BASE + 4096, 2) && load(&r, BASE + 4096, &v) && v == 2,
          "when the child is gone the parent writes without a copy");
    err = mem_clear(r.mem, &r.batch, BASE, 4096 * 800, true);
    mem_batch_finish(&r.batch);
    CHECK(t, !err && !load(&r, BASE + 700 * 4096ull, &v) && load(&r, BASE + 599 * 4096ull, &v),
          "file pages alone can be revoked");
    CHECK(t, rig_end(&r), "everything is released");
}

static void test_fork_tables(struct tap *t)
{
    struct rig r;
    struct mem *child, *grandchild;
    rig_init(&r);
    enum { PAGES = 51200 }; // 200 MiB
    for (unsigned i = 0; i < PAGES; i++)
        put_page(&r, r.mem, BASE + i * 4096ull, RW, i);
    int err = mem_create(r.tokens, r.mem, &child) || mem_fork(r.mem, child, &r.batch, NULL, 0);
    mem_batch_finish(&r.batch);
    err |=
        mem_create(r.tokens, child, &grandchild) || mem_fork(child, grandchild, &r.batch, NULL, 0);
    mem_batch_finish(&r.batch);
    // The child unmaps, in part and as a whole.
    err |= mem_clear(child, &r.batch, BASE + 4096 * 5, 4096 * 10, false);
    err |= mem_clear(child, &r.batch, BASE + 4096 * 2000, 4096 * 40000, false);
    err |= mem_protect(child, &r.batch, BASE, 4096 * 5, MEM_READ);
    mem_batch_finish(&r.batch);
    CHECK(t,
          !err && frame_pool_used(r.pool) == (uint64_t)PAGES * 4096 &&
              mem_lookup(r.mem, BASE + 4096 * 5).frame && !mem_lookup(child, BASE + 4096 * 5).frame,
          "what one does to a shared table the others do not see");
    uint64_t pages, file;
    mem_count(child, &pages, &file);
    CHECK(t, pages == PAGES - 40010, "and only its count changes");
    CHECK(t, mem_lookup(r.mem, BASE).rights == RW && mem_lookup(child, BASE).rights == MEM_READ,
          "rights too");
    mem_put(r.mem);
    mem_detach(&r.cpu);
    CHECK(t, frame_pool_used(r.pool) == (uint64_t)PAGES * 4096, "the grandchild keeps the pages");
    mem_put(child);
    CHECK(t, mem_lookup(grandchild, BASE + 4096 * 77).writable, "the last one owns them");
    r.mem = grandchild;
    if (mem_attach(r.mem, &r.cpu))
        abort();
    CHECK(t, rig_end(&r), "everything is released");
}

static void test_code(struct tap *t)
{
    struct rig r;
    struct mem *child;
    struct cpu cpu2 = {.host = &no_host};
    rig_init(&r);
    struct frame *f = put_page(&r, r.mem, BASE, RX, 0), *g;
    const void *host;
    mem_enter(&r.cpu);
    bool ok = mem_fetch(&r.cpu, BASE + 8, &host, &g) && g == f && host == (char *)f->host + 8 &&
              !mem_fetch(&r.cpu, BASE + 4096, &host, &g);
    mem_leave(&r.cpu);
    CHECK(t, ok, "code is fetched from executable pages alone");
    code_stub_translate(&r.cpu, f);
    int err = mem_create(r.tokens, r.mem, &child) || mem_fork(r.mem, child, &r.batch, NULL, 0) ||
              mem_attach(child, &cpu2);
    mem_batch_finish(&r.batch);
    CHECK(t, !err && cpu2.space == r.cpu.space, "fork shares the translated code");
    err = mem_clear(child, &r.batch, BASE, 4096, false);
    mem_batch_finish(&r.batch);
    mem_enter(&cpu2);
    mem_leave(&cpu2);
    CHECK(t, !err && cpu2.space != r.cpu.space && atomic_load(&f->code_blocks) == 1,
          "a side that removes code starts its own, and the other keeps what it has");
    unsigned before = code_stub_flushes(&r.cpu);
    mem_drop_code(r.mem, f);
    mem_enter(&r.cpu);
    mem_leave(&r.cpu);
    CHECK(t, atomic_load(&f->code_blocks) == 0 && code_stub_flushes(&r.cpu) == before + 1,
          "cache maintenance drops the code and the CPU's lookups");
    code_stub_translate(&r.cpu, f);
    err = mem_protect(r.mem, &r.batch, BASE, 4096, MEM_READ);
    mem_batch_finish(&r.batch);
    CHECK(t, !err && atomic_load(&f->code_blocks) == 0, "code goes with the right to execute");
    mem_detach(&cpu2);
    mem_put(child);
    CHECK(t, rig_end(&r), "everything is released");
}

static void test_kernel_access(struct tap *t)
{
    struct rig r;
    rig_init(&r);
    put_page(&r, r.mem, BASE, RW, 7);
    mem_access_begin(&r.cpu);
    uint64_t *p = mem_access_host(&r.cpu, BASE + 8, MEM_WRITE);
    if (p)
        *p = 99;
    void *hole = mem_access_host(&r.cpu, BASE + 4096, MEM_READ);
    mem_access_end(&r.cpu);
    uint64_t v = 0;
    CHECK(t, p && !hole && load(&r, BASE + 8, &v) && v == 99, "the kernel reaches guest bytes");
    int err = mem_clear(r.mem, &r.batch, BASE, 4096, false);
    mem_batch_finish(&r.batch);
    mem_access_begin(&r.cpu);
    p = mem_access_host(&r.cpu, BASE + 8, MEM_READ);
    mem_access_end(&r.cpu);
    CHECK(t, !err && !p, "but none that were unmapped");
    CHECK(t, rig_end(&r), "everything is released");
}

int main(void)
{
    struct tap t = {0, 0};
    test_access(&t);
    test_change(&t);
    test_move_tables(&t);
    test_move_beside(&t);
    test_fork(&t);
    test_fork_tables(&t);
    test_code(&t);
    test_kernel_access(&t);
    return tap_finish(&t);
}
