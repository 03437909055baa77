// Eight threads that use the TLB as gadgets do, on two run tokens, while mappings change under
// them: replaced, unmapped, protected, forked, copied on write. Every value read is checked. The
// owner's side is a small version of kernel/fault.c; the sanitizers watch the rest.
#include "emu/mem.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include "platform/lock.h"
#include "platform/thread.h"
#include "tests/unit/code_stub.h"
#include "tests/unit/mem_gadget.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 8, PAGES = 12, RW = MEM_READ | MEM_WRITE };
#define BASE     0x7f0000400000ull
#define SCENE_NS (NSEC_PER_SEC * 6 / 10)

struct space {
    struct lock lock; // rank mm
    struct mem *mem;
    uint8_t rights[PAGES]; // 0: unmapped
};

static struct frame_pool *pool;
static struct run_tokens *tokens;
static struct space parent;
static atomic_bool stop;
static atomic_uint wrong;
static atomic_ulong uses, changes;
static const struct cpu_host no_host;

static uint64_t page_addr(unsigned page)
{
    return BASE + (uint64_t)page * MEM_PAGE_SIZE;
}

static void space_init(struct space *s, struct mem *fork_of)
{
    memset(s, 0, sizeof *s);
    lock_init(&s->lock, LOCK_RANK_MM);
    if (mem_create(tokens, fork_of, &s->mem))
        abort();
}

static void space_end(struct space *s)
{
    mem_put(s->mem);
    lock_destroy(&s->lock);
}

static void put(struct space *s, struct mem_batch *b, unsigned page, const struct frame *from)
{
    struct frame *f;
    if (from ? frame_alloc_uninit(pool, &f) : frame_alloc(pool, &f))
        abort();
    if (from)
        mem_copy(f->host, from->host, FRAME_SIZE);
    if (mem_set(s->mem, b, page_addr(page),
                (struct mem_entry){.frame = f, .rights = s->rights[page]}))
        abort();
}

// One attempt at a fault with the lock held. 1: done, 0: look again after the batch, -1: no right.
static int try_fault(struct space *s, struct mem_batch *b, unsigned page, enum mem_access access)
{
    if (!(s->rights[page] & access))
        return -1;
    if (!mem_try_settle(s->mem))
        return 0;
    struct mem_entry e = mem_lookup(s->mem, page_addr(page));
    if (!e.frame) {
        put(s, b, page, NULL);
        return 1;
    }
    if (!e.sole && (access == MEM_WRITE || !e.rights)) {
        if (e.rights) {
            if (mem_protect(s->mem, b, page_addr(page), MEM_PAGE_SIZE, 0))
                abort();
            if (!mem_try_settle(s->mem))
                return 0;
            e = mem_lookup(s->mem, page_addr(page));
        }
        put(s, b, page, e.frame);
        return 1;
    }
    if (e.rights != s->rights[page] &&
        mem_protect(s->mem, b, page_addr(page), MEM_PAGE_SIZE, s->rights[page]))
        abort();
    return 1;
}

static bool fault(struct space *s, unsigned page, enum mem_access access)
{
    int result;
    do {
        struct mem_batch b;
        mem_batch_init(&b);
        lock_acquire(&s->lock);
        result = try_fault(s, &b, page, access);
        lock_release(&s->lock);
        if (result == 0)
            mem_settle(s->mem);
        mem_batch_finish(&b);
    } while (result == 0);
    return result > 0;
}

// One guest thread: its CPU stays GUEST over many accesses, as a loop of gadgets does.
struct guest {
    struct cpu cpu;
    struct space *space;
    bool inside;
};

static void leave(struct guest *g)
{
    if (g->inside)
        mem_leave(&g->cpu);
    g->inside = false;
}

static void guest_begin(struct guest *g, struct space *s)
{
    memset(g, 0, sizeof *g);
    g->cpu.host = &no_host;
    g->space = s;
    if (mem_attach(s->mem, &g->cpu))
        abort();
}

static void guest_end(struct guest *g)
{
    leave(g);
    mem_detach(&g->cpu);
}

// False: the guest would have got a signal.
static bool access_word(struct guest *g, unsigned page, unsigned index, uint64_t *value, bool write)
{
    uint64_t addr = page_addr(page) + index * 8u;
    for (;;) {
        if (g->inside && gadget_poked(&g->cpu))
            leave(g);
        if (!g->inside)
            mem_enter(&g->cpu);
        g->inside = true;
        if (write ? gadget_store(&g->cpu, addr, *value) : gadget_load(&g->cpu, addr, value))
            return true;
        leave(g);
        if (!fault(g->space, page, write ? MEM_WRITE : MEM_READ))
            return false;
    }
}

static uint64_t load(struct guest *g, unsigned page, unsigned index)
{
    uint64_t v = UINT64_MAX;
    (void)access_word(g, page, index, &v, false);
    return v;
}

static void store(struct guest *g, unsigned page, unsigned index, uint64_t v)
{
    (void)access_word(g, page, index, &v, true);
}

static void check(bool good)
{
    if (!good)
        atomic_fetch_add(&wrong, 1);
}

// --- Scenes --------------------------------------------------------------------------------------

static _Atomic uint64_t begun[PAGES], published[PAGES];

// munmap and map again: the next touch finds a zero page.
static void remap(void)
{
    struct guest g;
    guest_begin(&g, &parent);
    for (unsigned n = 0; !atomic_load(&stop); n++) {
        unsigned page = n % PAGES;
        uint64_t version = atomic_load(&published[page]) + 1;
        struct mem_batch b;
        leave(&g);
        atomic_store(&begun[page], version);
        mem_batch_init(&b);
        lock_acquire(&parent.lock);
        check(mem_clear(parent.mem, &b, page_addr(page), MEM_PAGE_SIZE, false) == 0);
        lock_release(&parent.lock);
        mem_batch_finish(&b);
        check(load(&g, page, 0) == 0);
        store(&g, page, 0, version);
        atomic_store(&published[page], version);
        atomic_fetch_add(&changes, 1);
    }
    guest_end(&g);
}

static void read_versions(unsigned id)
{
    struct guest g;
    guest_begin(&g, &parent);
    for (unsigned page = id; !atomic_load(&stop); page = (page + 1) % PAGES) {
        uint64_t least = atomic_load(&published[page]), value = load(&g, page, 0);
        uint64_t most = atomic_load(&begun[page]);
        check(value == 0 ? most > least || least == 0 : value >= least && value <= most);
        atomic_fetch_add_explicit(&uses, 1, memory_order_relaxed);
    }
    guest_end(&g);
}

static void set_rights(struct guest *g, unsigned page, uint8_t rights)
{
    struct mem_batch b;
    leave(g);
    mem_batch_init(&b);
    lock_acquire(&parent.lock);
    parent.rights[page] = rights;
    check(mem_protect(parent.mem, &b, page_addr(page), MEM_PAGE_SIZE, rights) == 0);
    lock_release(&parent.lock);
    mem_batch_finish(&b);
}

static void protect(void)
{
    struct guest g;
    guest_begin(&g, &parent);
    while (!atomic_load(&stop)) {
        uint64_t before[THREADS];
        set_rights(&g, 0, MEM_READ);
        for (unsigned i = 1; i < THREADS; i++)
            before[i] = load(&g, 0, i);
        for (unsigned i = 1; i < THREADS; i++)
            check(load(&g, 0, i) == before[i]);
        set_rights(&g, 0, RW);
        for (unsigned i = 0; i < 100; i++)
            (void)load(&g, 0, 1);
        atomic_fetch_add(&changes, 1);
    }
    guest_end(&g);
}

static void write_word(unsigned id)
{
    struct guest g;
    uint64_t n = 0;
    guest_begin(&g, &parent);
    while (!atomic_load(&stop)) {
        uint64_t next = n + 1;
        if (access_word(&g, 0, id, &next, true))
            n = next;
        check(load(&g, 0, id) == n);
    }
    atomic_fetch_add(&uses, n);
    guest_end(&g);
}

// The child: everything it has is of one moment, and its own from then on.
static void run_child(struct space *child)
{
    struct guest g;
    guest_begin(&g, child);
    for (unsigned i = 1; i < THREADS; i++) {
        uint64_t first = load(&g, 0, i), second = load(&g, 4, i);
        check(first - second <= 1);
        for (unsigned turn = 0; turn < 5; turn++)
            check(load(&g, 0, i) == first && load(&g, 4, i) == second);
        store(&g, 0, i, 77);
        check(load(&g, 0, i) == 77);
    }
    guest_end(&g);
}

static void fork_children(void)
{
    while (!atomic_load(&stop)) {
        struct space child;
        struct mem_batch b;
        mem_batch_init(&b);
        lock_acquire(&parent.lock);
        space_init(&child, parent.mem);
        memcpy(child.rights, parent.rights, sizeof child.rights);
        check(mem_fork(parent.mem, child.mem, &b, NULL, 0) == 0);
        lock_release(&parent.lock);
        mem_batch_finish(&b);
        run_child(&child);
        space_end(&child);
        atomic_fetch_add(&changes, 1);
    }
}

static void write_pair(unsigned id)
{
    struct guest g;
    uint64_t n = 0;
    guest_begin(&g, &parent);
    while (!atomic_load(&stop)) {
        check(load(&g, 0, id) == n && load(&g, 4, id) == n);
        n++;
        store(&g, 0, id, n);
        store(&g, 4, id, n);
    }
    atomic_fetch_add(&uses, n);
    guest_end(&g);
}

// The kernel's copies are GUEST's equals.
static void kernel_pair(unsigned id)
{
    struct guest g;
    uint64_t n = 0;
    guest_begin(&g, &parent);
    while (!atomic_load(&stop)) {
        n++;
        for (unsigned page = 0; page <= 4;) {
            mem_access_begin(&g.cpu);
            void *host = mem_access_host(&g.cpu, page_addr(page) + id * 8u, MEM_WRITE);
            if (host)
                mem_copy(host, &n, sizeof n);
            mem_access_end(&g.cpu);
            if (host)
                page += 4;
            else
                check(fault(&parent, page, MEM_WRITE));
        }
        check(load(&g, 0, id) == n && load(&g, 4, id) == n);
        leave(&g);
    }
    atomic_fetch_add(&uses, n);
    guest_end(&g);
}

struct job {
    void (*changer)(void);
    void (*user)(unsigned id);
    unsigned id;
};

static void run_job(void *arg)
{
    const struct job *j = arg;
    if (j->id == 0)
        j->changer();
    else
        j->user(j->id);
}

static void scene(struct tap *t, void (*changer)(void), void (*user)(unsigned), const char *what)
{
    pthread_t thread[THREADS];
    struct job job[THREADS];
    atomic_store(&stop, false);
    atomic_store(&wrong, 0);
    atomic_store(&uses, 0);
    atomic_store(&changes, 0);
    space_init(&parent, NULL);
    memset(parent.rights, RW, sizeof parent.rights);
    for (unsigned i = 0; i < THREADS; i++) {
        job[i] = (struct job){changer, user, i};
        if (thread_start_joinable(run_job, &job[i], "stress", &thread[i]))
            abort();
    }
    uint64_t end = clock_monotonic_ns() + SCENE_NS;
    struct timespec nap = {0, 10000000};
    while (clock_monotonic_ns() < end && !atomic_load(&wrong))
        nanosleep(&nap, NULL);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(thread[i]);
    space_end(&parent);
    printf("# %lu changes, %lu uses\n", atomic_load(&changes), atomic_load(&uses));
    CHECK(t, !atomic_load(&wrong) && atomic_load(&changes) > 0 && atomic_load(&uses) > 0, what);
}

int main(void)
{
    struct tap t = {0, 0};
    if (frame_pool_create(0, &pool) || run_tokens_create(2, &tokens))
        abort();
    scene(&t, remap, read_versions, "a page that was replaced is never seen again");
    scene(&t, protect, write_word, "without the right nobody writes; no write is lost");
    scene(&t, fork_children, write_pair, "forks are of one moment; no write is lost to a copy");
    scene(&t, fork_children, kernel_pair, "nor is any of the kernel's");
    CHECK(&t, frame_pool_used(pool) == 0, "every frame came back");
    run_tokens_destroy(tokens);
    frame_pool_destroy(pool);
    return tap_finish(&t);
}
