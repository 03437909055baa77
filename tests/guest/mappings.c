// Mappings at their limits: locked memory and who may have it, how many mappings there can be, the
// heap against its neighbours and limits, advice and residence of every kind of mapping, and what
// moving or rearranging one refuses.
#include "probe.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };
enum { DONTNEED_LOCKED = 24, POPULATE_READ = 22, POPULATE_WRITE = 23 };
#define KERNEL_HALF ((void *)0xffff800000000000ul)
#ifdef __aarch64__
#define TOP ((char *)0xfffffffff000ul)
#else
#define TOP ((char *)0x7ffffffff000ul)
#endif

static char *map(size_t pages, int prot, int flags)
{
    char *p = mmap(NULL, pages * PAGE, prot, flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}
static void show_map(const char *name, void *p)
{
    SHOW(name, "%s", p == MAP_FAILED ? strerrorname_np(errno) : "mapped");
}
static int temp_file(size_t size)
{
    char name[] = "/tmp/mappings-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (fd < 0 || ftruncate(fd, (off_t)size))
        abort();
    return fd;
}

static void limit(int what, rlim_t cur)
{
    struct rlimit r;
    getrlimit(what, &r);
    r.rlim_cur = cur;
    if (setrlimit(what, &r))
        abort();
}

// A number of /proc/self/status in kB, -1 when it is not there.
static long status_kb(const char *name)
{
    char line[256];
    long value = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            value = strtol(line + strlen(name) + 1, NULL, 10);
    if (f)
        fclose(f);
    return value;
}

// --- Locked memory -------------------------------------------------------------------------------

static void resident(const char *name, char *p, size_t pages)
{
    unsigned char vec[64];
    char text[65] = "";
    if (mincore(p, pages * PAGE, vec)) {
        SHOW(name, "%s", strerrorname_np(errno));
        return;
    }
    for (size_t i = 0; i < pages; i++)
        text[i] = vec[i] & 1 ? 'x' : '.';
    SHOW(name, "%s", text);
}

static void locking(void)
{
    char *p = map(8, RW, ANON);
    munmap(p + 6 * PAGE, PAGE);
    show_call("mlock nothing", mlock(p + 100, 0));
    show_call("mlock to the end of everything", mlock(p, SIZE_MAX - PAGE));
    show_call("mlock wraps", mlock(p, (size_t)-(intptr_t)p + PAGE));
    show_call("mlock of the kernel", mlock(KERNEL_HALF, PAGE));
    show_call("munlock wraps", munlock(p, (size_t)-(intptr_t)p + PAGE));
    show_call("munlock of the kernel", munlock(KERNEL_HALF, PAGE));
    show_call("mlock2 on fault", syscall(SYS_mlock2, p, 2 * PAGE, 1));
    resident("... brings in nothing", p, 6);
    SHOW("... but is locked", "%ld", status_kb("VmLck:"));
    show_call("mlock2 at once", syscall(SYS_mlock2, p + 10, PAGE, 0));
    resident("... brings in what it touches", p, 6);
    SHOW("... and counts once", "%ld", status_kb("VmLck:"));
    show_call("mlock into a hole", mlock(p + 4 * PAGE, 4 * PAGE));
    SHOW("... what is before it is", "%ld", status_kb("VmLck:"));
    show_call("dontneed", madvise(p, PAGE, MADV_DONTNEED));
    show_call("free", madvise(p, PAGE, MADV_FREE));
    show_call("cold", madvise(p, PAGE, MADV_COLD));
    show_call("pageout", madvise(p, PAGE, MADV_PAGEOUT));
    show_call("remove", madvise(p, PAGE, MADV_REMOVE));
    p[0] = 7;
    show_call("dontneed, locked too", madvise(p, PAGE, DONTNEED_LOCKED));
    SHOW("... is gone", "%d", p[0]);
    show_call("munlock part", munlock(p + 1, PAGE));
    SHOW("... left", "%ld", status_kb("VmLck:"));
    char *none = map(2, PROT_NONE, ANON);
    show_call("mlock without rights", mlock(none, PAGE));
    SHOW("... stays locked", "%ld", status_kb("VmLck:"));
    IN_CHILD("a child has none", SHOW("locked", "%ld", status_kb("VmLck:")));
    char *moved = mremap(p + 4 * PAGE, 2 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
    resident("a locked one grows", moved, 5);
    munmap(moved, 5 * PAGE);
    munmap(none, 2 * PAGE);
    munmap(p, 8 * PAGE);
    SHOW("nothing is left", "%ld", status_kb("VmLck:"));
    show_map("MAP_LOCKED", p = mmap(NULL, 3 * PAGE, RW, ANON | MAP_LOCKED, -1, 0));
    resident("... is there", p, 3);
    show_map("MAP_POPULATE", p = mmap(NULL, 3 * PAGE, RW, ANON | MAP_POPULATE, -1, 0));
    resident("... is there", p, 3);
    show_map("... without waiting",
             p = mmap(NULL, 3 * PAGE, RW, ANON | MAP_POPULATE | MAP_NONBLOCK, -1, 0));
    resident("... is not", p, 3);
    SHOW("locked", "%ld", status_kb("VmLck:"));
    limit(RLIMIT_MEMLOCK, PAGE);
    show_map("MAP_LOCKED beyond the limit", mmap(NULL, 3 * PAGE, RW, ANON | MAP_LOCKED, -1, 0));
    show_call("mlock beyond the limit", mlock(p, 3 * PAGE));
    munlockall();
    SHOW("unlocked", "%ld", status_kb("VmLck:"));
}

static void locking_all(void)
{
    char *p = map(4, RW, ANON), *none = map(1, PROT_NONE, ANON);
    show_call("future", mlockall(MCL_FUTURE));
    resident("... not what was", p, 4);
    char *q = map(4, RW, ANON);
    resident("... what comes", q, 4);
    char *old = sbrk(0), *top = (char *)(((uintptr_t)old + 2 * PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    brk(top + 3 * PAGE);
    resident("... the heap", top, 3);
    brk(old);
    show_call("future, on fault", mlockall(MCL_FUTURE | 4));
    show_call("current, on fault", mlockall(MCL_CURRENT | 4));
    resident("... brings in nothing", p, 4);
    q = map(4, RW, ANON);
    resident("... nothing to come is locked", q, 4);
    show_call("current", mlockall(MCL_CURRENT));
    resident("... brings in all", p, 4);
    SHOW("... of no rights nothing", "%d", mlock(none, PAGE) < 0 && errno == ENOMEM);
    show_call("munlockall", munlockall());
    SHOW("unlocked", "%ld", status_kb("VmLck:"));
    q = map(4, RW, ANON);
    resident("nothing to come", q, 4);
}

// Without CAP_IPC_LOCK.
static void lock_limits(void)
{
    if (setgid(1234) || setuid(1234))
        abort();
    char *p = map(40, RW, ANON);
    struct rlimit r = {16 * PAGE, 16 * PAGE + PAGE / 2};
    show_call("limit", setrlimit(RLIMIT_MEMLOCK, &r));
    show_call("all of it", mlock(p, 16 * PAGE));
    show_call("again", mlock(p, 16 * PAGE));
    show_call("one more", mlock(p + 16 * PAGE, PAGE));
    show_call("one more of these", mlock(p + PAGE, 16 * PAGE));
    show_call("more than the limit", mlock(p, 17 * PAGE));
    show_map("MAP_LOCKED", mmap(NULL, PAGE, RW, ANON | MAP_LOCKED, -1, 0));
    show_map("grow", mremap(p, 16 * PAGE, 17 * PAGE, MREMAP_MAYMOVE));
    show_call("mlockall current", mlockall(MCL_CURRENT));
    show_call("mlockall future", mlockall(MCL_FUTURE));
    show_map("a mapping", mmap(NULL, PAGE, RW, ANON, -1, 0));
    char *old = sbrk(0);
    SHOW("the heap", "%d", syscall(SYS_brk, old + 4 * PAGE) == (long)old);
    show_call("munlock", munlock(p, 16 * PAGE));
    show_map("a mapping", mmap(NULL, PAGE, RW, ANON, -1, 0));
    munlockall();
    mlock(p, 8 * PAGE);
    limit(RLIMIT_MEMLOCK, 4 * PAGE);
    show_call("mlockall future, beyond the limit", mlockall(MCL_FUTURE));
    munlockall();
    limit(RLIMIT_MEMLOCK, 0);
    show_call("no limit at all", mlock(p, PAGE));
    show_call("... of nothing", mlock(p, 0));
    show_call("mlockall", mlockall(MCL_CURRENT));
    show_call("mlockall future", mlockall(MCL_FUTURE));
    show_map("MAP_LOCKED", mmap(NULL, PAGE, RW, ANON | MAP_LOCKED, -1, 0));
    show_call("munlock may always", munlock(p, 8 * PAGE));
}

// --- Pieces --------------------------------------------------------------------------------------

// How many mappings /proc/self/maps shows between two addresses.
static int pieces(const char *p, size_t pages)
{
    unsigned long start, end;
    char line[512];
    int count = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f))
        count += sscanf(line, "%lx-%lx", &start, &end) == 2 &&
                 start < (uintptr_t)p + pages * PAGE && end > (uintptr_t)p;
    if (f)
        fclose(f);
    return count;
}

static void joining(void)
{
    int fd = temp_file(16 * PAGE);
    char *area = map(18, PROT_NONE, ANON), *p = area + PAGE;
    char *kinds[] = {mmap(p, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0),
                     mmap(p + 5 * PAGE, 4 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0),
                     mmap(p + 10 * PAGE, 4 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 4 * PAGE)};
    static const char *const names[] = {"memory", "a file, shared", "a file, private"};
    for (int i = 0; i < 3; i++) {
        char *m = kinds[i];
        SHOW(names[i], "%d", pieces(m, 4));
        mprotect(m + PAGE, PAGE, PROT_READ);
        SHOW("... a page protected", "%d", pieces(m, 4));
        mprotect(m + 2 * PAGE, PAGE, PROT_READ);
        SHOW("... and the next", "%d", pieces(m, 4));
        mprotect(m, 4 * PAGE, RW);
        SHOW("... and all as before", "%d", pieces(m, 4));
        madvise(m + PAGE, PAGE, MADV_DONTFORK);
        SHOW("... one not inherited", "%d", pieces(m, 4));
        madvise(m + PAGE, PAGE, MADV_DOFORK);
        SHOW("... inherited again", "%d", pieces(m, 4));
        munmap(m + 2 * PAGE, PAGE);
        SHOW("... a hole", "%d", pieces(m, 4));
    }
    mmap(kinds[0] + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    SHOW("the hole filled", "%d", pieces(kinds[0], 4));
    mmap(kinds[1] + 2 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 2 * PAGE);
    SHOW("with the same part of the file", "%d", pieces(kinds[1], 4));
    mmap(kinds[2] + 2 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 2 * PAGE);
    SHOW("with another part", "%d", pieces(kinds[2], 4));
    char *g = mmap(NULL, 2 * PAGE, RW, ANON | MAP_GROWSDOWN, -1, 0);
    mprotect(g, PAGE, PROT_READ);
    show_call("what grows, joined again", mprotect(g, PAGE, RW));
    show_map("a second view next to the first",
             mmap(kinds[1] + 4 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 4 * PAGE));
    SHOW("... is one with it", "%d", pieces(kinds[1], 5));
}

// --- How many, how much --------------------------------------------------------------------------

static void how_many(void)
{
    const size_t most = 65530;
    char *p = mmap(NULL, 2 * most * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    size_t made = 0;
    for (; made < most; made++)
        if (mprotect(p + (2 * made + 1) * PAGE, PAGE, PROT_READ))
            break;
    SHOW("pieces are limited", "%s", made > most / 2 - 200 && made < most / 2 ? "yes" : "no");
    show_call("another", mprotect(p + (2 * made + 1) * PAGE, PAGE, PROT_READ));
    show_call("a hole in one", munmap(p + (2 * most - 8) * PAGE, PAGE));
    char *room = p + (2 * most - 16) * PAGE;
    show_map("a new one", mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    show_map("a moved one",
             mremap(p + (2 * most - 4) * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room));
    show_call("locked in the middle", mlock(room, PAGE));
    show_call("advice for the middle", madvise(room, PAGE, MADV_DONTFORK));
    SHOW("the heap", "%d", syscall(SYS_brk, (char *)sbrk(0) + PAGE * 64) == (long)sbrk(0));
    show_call("the whole of one", munmap(p + PAGE, PAGE));
    munmap(p, 2 * most * PAGE);
    show_map("afterwards", mmap(NULL, PAGE, RW, ANON, -1, 0));
}

static void too_much(void)
{
    char *p = map(4, RW, ANON);
    show_map("hint below the least address", mmap((void *)PAGE, PAGE, RW, ANON, -1, 0));
    show_map("hint beyond the space", mmap(KERNEL_HALF, PAGE, RW, ANON, -1, 0));
    show_map("hint in a page", mmap(p + 100, PAGE, RW, ANON, -1, 0));
    show_map("fixed at the end",
             mmap(TOP - PAGE * 64, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    show_map("sync", mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, temp_file(PAGE), 0));
    show_map("validate, unknown flag",
             mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE | 0x2000000, temp_file(PAGE), 0));
    show_map("validate", mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE, temp_file(PAGE), 0));
    show_map("a file of no type", mmap(NULL, PAGE, RW, 0, temp_file(PAGE), 0));
    show_map("offset in a page of nothing", mmap(NULL, PAGE, RW, ANON, -1, 3));
    show_map("anonymous with an offset", mmap(NULL, PAGE, RW, ANON, -1, 1l << 40));
    show_call("protect to the end of everything", mprotect(p, (size_t)-(intptr_t)p, PROT_READ));
    show_call("protect beyond the space", mprotect(TOP, 4 * PAGE, PROT_READ));
    show_call("protect the kernel", mprotect(KERNEL_HALF, PAGE, PROT_READ));
    show_call("grows up", mprotect(p, PAGE, PROT_READ | PROT_GROWSUP));
    munmap(p + PAGE, PAGE);
    show_call("grows up, a hole", mprotect(p + PAGE, PAGE, PROT_READ | PROT_GROWSUP));
    show_call("grows down, a hole", mprotect(p + PAGE, PAGE, PROT_READ | PROT_GROWSDOWN));
    char *g = mmap(NULL, 4 * PAGE, RW, ANON | MAP_GROWSDOWN, -1, 0);
    show_call("grows down", mprotect(g + 2 * PAGE, PAGE, PROT_READ | PROT_GROWSDOWN));
    SHOW("... all below has it", "%d", syscall(SYS_getrandom, g, 1, 0) == -1 && errno == EFAULT);
    SHOW("... above not", "%ld", syscall(SYS_getrandom, g + 3 * PAGE, 1, 0));
    show_call("more than there is memory, made writable",
              mprotect(mmap(NULL, 1ul << 44, PROT_READ, ANON, -1, 0), 1ul << 44, RW));
    show_call("grows down, above all there is",
              mprotect(TOP - PAGE * 16, PAGE, PROT_READ | PROT_GROWSDOWN));
    limit(RLIMIT_DATA, 32 << 20);
    char *ro = mmap(NULL, 64 << 20, PROT_READ, ANON, -1, 0);
    show_call("RLIMIT_DATA and what becomes writable", mprotect(ro, 64 << 20, RW));
    show_map("RLIMIT_DATA and growing",
             mremap(map(4, RW, ANON), 4 * PAGE, 64 << 20, MREMAP_MAYMOVE));
    char *old = sbrk(0);
    SHOW("RLIMIT_DATA and the heap", "%d", syscall(SYS_brk, old + (64 << 20)) == (long)old);
    limit(RLIMIT_DATA, RLIM_INFINITY);
    char *wall = mmap((void *)(((uintptr_t)old + 8 * PAGE) & ~(uintptr_t)(PAGE - 1)), PAGE, RW,
                      ANON | MAP_FIXED_NOREPLACE, -1, 0);
    show_map("a mapping in the heap's way", wall);
    SHOW("... stops it", "%d", syscall(SYS_brk, old + 64 * PAGE) == (long)old);
    SHOW("... not before", "%d", syscall(SYS_brk, wall) == (long)wall);
    munmap(wall, PAGE);
    SHOW("... without it", "%d", syscall(SYS_brk, old + 64 * PAGE) == (long)(old + 64 * PAGE));
    wall = mmap((void *)(((uintptr_t)old + 400 * PAGE) & ~(uintptr_t)(PAGE - 1)), PAGE, RW,
                ANON | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN, -1, 0);
    SHOW("a stack keeps its distance", "%d",
         syscall(SYS_brk, old + 200 * PAGE) == (long)(old + 64 * PAGE));
    SHOW("... and may be near", "%d",
         syscall(SYS_brk, old + 100 * PAGE) == (long)(old + 100 * PAGE));
    show_map("nor is a hint too near", mmap(wall - 2 * PAGE, PAGE, RW, ANON, -1, 0));
    SHOW("brk with a byte more than there is", "%d",
         syscall(SYS_brk, (void *)-1l) == (long)(old + 100 * PAGE));
    SHOW("brk of the whole machine", "%d",
         syscall(SYS_brk, old + (1l << 45)) == (long)(old + 100 * PAGE));
}

// --- Advice --------------------------------------------------------------------------------------

static void advice(void)
{
    static const struct {
        const char *name;
        int advice;
    } all[] = {
        {"normal", MADV_NORMAL},
        {"random", MADV_RANDOM},
        {"sequential", MADV_SEQUENTIAL},
        {"willneed", MADV_WILLNEED},
        {"dontneed", MADV_DONTNEED},
        {"free", MADV_FREE},
        {"remove", MADV_REMOVE},
        {"dontfork", MADV_DONTFORK},
        {"dofork", MADV_DOFORK},
        {"hugepage", MADV_HUGEPAGE},
        {"nohugepage", MADV_NOHUGEPAGE},
        {"dontdump", MADV_DONTDUMP},
        {"dodump", MADV_DODUMP},
        {"wipeonfork", MADV_WIPEONFORK},
        {"keeponfork", MADV_KEEPONFORK},
        {"cold", MADV_COLD},
        {"pageout", MADV_PAGEOUT},
        {"populate read", POPULATE_READ},
        {"populate write", POPULATE_WRITE},
        {"dontneed, locked too", DONTNEED_LOCKED},
        {"5", 5},
        {"-1", -1},
    };
    int fd = temp_file(8 * PAGE), ro = open("/proc/self/exe", O_RDONLY);
    char *kinds[] = {
        map(4, RW, ANON),
        map(4, PROT_READ, ANON),
        map(4, PROT_NONE, ANON),
        map(4, RW, MAP_SHARED | MAP_ANONYMOUS),
        mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0),
        mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0),
        mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, ro, 0),
        map(4, RW, ANON),
    };
    static const char *const kind_names[] = {"private",        "read-only",    "no rights",
                                             "shared",         "private file", "shared file",
                                             "read-only file", "with a hole"};
    munmap(kinds[7] + PAGE, PAGE);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t k = 0; k < 8; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s, %s", all[i].name, kind_names[k]);
            show_call(name, madvise(kinds[k], 4 * PAGE, all[i].advice));
        }
        show_call("... of nothing", madvise(kinds[0], 0, all[i].advice));
        show_call("... of the kernel", madvise(KERNEL_HALF, PAGE, all[i].advice));
        show_call("... at the very end", madvise(TOP, PAGE, all[i].advice));
    }
    show_call("wraps", madvise(kinds[0], (size_t)-(intptr_t)kinds[0] + PAGE, MADV_NORMAL));
    show_call("populate beyond the file",
              madvise(mmap(NULL, 10 * PAGE, RW, MAP_SHARED, fd, 0), 10 * PAGE, POPULATE_READ));
    char *s = kinds[5];
    s[0] = s[3 * PAGE] = 9;
    munmap(s + PAGE, PAGE);
    show_call("remove around a hole", madvise(s, 4 * PAGE, MADV_REMOVE));
    SHOW("... both sides", "%d %d", s[0], s[3 * PAGE]);
    IN_CHILD("a child without it", {
        char *p = map(20, RW, ANON);
        for (int i = 0; i < 20; i += 2)
            madvise(p + i * PAGE, PAGE, MADV_DONTFORK);
        for (int i = 1; i < 20; i += 2)
            madvise(p + i * PAGE, PAGE, MADV_WIPEONFORK), p[i * PAGE] = 5;
        IN_CHILD("it", {
            int there = 0;
            for (int i = 0; i < 20; i++)
                there += msync(p + i * PAGE, PAGE, MS_ASYNC) == 0 && !p[i * PAGE];
            SHOW("wiped, and there", "%d", there);
        });
    });
}

static void sync_and_residence(void)
{
    static unsigned char vec[2000];
    char *p = map(1500, RW, ANON);
    for (int i = 0; i < 1500; i += 3)
        p[i * PAGE] = 1;
    show_call("mincore of many", mincore(p, 1500 * PAGE, vec));
    int count = 0;
    for (int i = 0; i < 1500; i++)
        count += vec[i] & 1;
    SHOW("... present", "%d", count);
    show_call("to the end of everything", mincore(p, SIZE_MAX, vec));
    show_call("of the kernel", mincore(KERNEL_HALF, PAGE, vec));
    show_call("vector in the kernel", mincore(p, PAGE, KERNEL_HALF));
    munmap(p + PAGE, PAGE);
    show_call("a hole, vector in the kernel", mincore(p + PAGE, PAGE, KERNEL_HALF));
    show_call("a hole, vector at NULL", mincore(p + PAGE, PAGE, NULL));
    show_call("vector in a hole", mincore(p + 2 * PAGE, PAGE, (void *)(p + PAGE)));
    char *s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, temp_file(4 * PAGE), 0);
    char *q = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, temp_file(4 * PAGE), 0);
    show_call("msync of no flag", msync(s, PAGE, 0));
    show_call("msync", msync(s, 4 * PAGE, MS_SYNC));
    show_call("msync of private", msync(q, 4 * PAGE, MS_SYNC));
    show_call("msync of memory", msync(p + 2 * PAGE, PAGE, MS_SYNC | MS_INVALIDATE));
    show_call("msync of shared memory",
              msync(map(1, RW, MAP_SHARED | MAP_ANONYMOUS), PAGE, MS_SYNC));
    show_call("msync wraps", msync(s, (size_t)-(intptr_t)s + PAGE, MS_SYNC));
    show_call("msync of the kernel", msync(KERNEL_HALF, PAGE, MS_SYNC));
    munmap(s + PAGE, PAGE);
    mlock(s + 2 * PAGE, PAGE);
    show_call("msync over a hole", msync(s, 2 * PAGE, MS_SYNC));
    show_call("msync a hole", msync(s + PAGE, PAGE, MS_SYNC));
    show_call("invalidate locked, behind a hole", msync(s, 4 * PAGE, MS_SYNC | MS_INVALIDATE));
    show_call("invalidate", msync(s + 3 * PAGE, PAGE, MS_INVALIDATE));
}

// --- Moving and rearranging ----------------------------------------------------------------------

// glibc's passes the last argument for MREMAP_FIXED alone.
static char *remap(void *p, size_t old_len, size_t new_len, int flags, void *to)
{
    return (char *)syscall(SYS_mremap, p, old_len, new_len, flags, to);
}

static void moving(void)
{
    int fd = temp_file(4 * PAGE);
    if (setgid(1234) || setuid(1234))
        abort();
    enum { DONTUNMAP = 4 };
    char *p = map(8, RW, ANON), *room = map(16, PROT_NONE, ANON);
    show_map("dontunmap, no moving", remap(p, PAGE, PAGE, DONTUNMAP, NULL));
    show_map("to beyond the space",
             remap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, KERNEL_HALF));
    show_map("to the very end",
             remap(p, PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, TOP - 2 * PAGE));
    show_map("to address 0", remap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, NULL));
    show_map("of the kernel", remap(KERNEL_HALF, PAGE, PAGE, MREMAP_MAYMOVE, NULL));
    show_map("of the kernel, to nothing", remap(KERNEL_HALF, PAGE, 0, MREMAP_MAYMOVE, NULL));
    // ENOMEM in 6.1, EINVAL in later kernels.
    SHOW("to more than there is", "%d",
         remap(p, PAGE, 1ul << 50, MREMAP_MAYMOVE, NULL) == MAP_FAILED);
    SHOW("to everything", "%d",
         remap(p, PAGE, SIZE_MAX - PAGE, MREMAP_MAYMOVE, NULL) == MAP_FAILED);
    show_map("fixed, too long", remap(p, PAGE, 1ul << 50, MREMAP_MAYMOVE | MREMAP_FIXED, room));
    show_map("shrink of too much", remap(p, 1ul << 50, PAGE, 0, NULL));
    show_map("nothing of private memory, fixed",
             remap(p, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room));
    p[0] = 1, p[PAGE] = 2, p[2 * PAGE] = 3;
    SHOW("fixed, smaller", "%d",
         remap(p, 3 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room);
    SHOW("... contents", "%d %d", room[0], room[PAGE]);
    show_call("... the rest is gone", msync(p + 2 * PAGE, PAGE, MS_ASYNC));
    SHOW("fixed, larger", "%d",
         remap(room, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 4 * PAGE) ==
             room + 4 * PAGE);
    SHOW("... contents", "%d %d %d", room[4 * PAGE], room[5 * PAGE], room[6 * PAGE]);
    show_map("fixed, of a hole",
             remap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 8 * PAGE));
    munmap(room, PAGE);
    char *stay = room + 4 * PAGE;
    SHOW("dontunmap where it is free", "%d",
         remap(stay, PAGE, PAGE, MREMAP_MAYMOVE | DONTUNMAP, room) == room);
    SHOW("... contents", "%d %d", room[0], stay[0]);
    SHOW("dontunmap where it is not", "%d",
         remap(stay, PAGE, PAGE, MREMAP_MAYMOVE | DONTUNMAP, room) != room);
    SHOW("dontunmap and fixed", "%d",
         remap(room, PAGE, PAGE, MREMAP_MAYMOVE | DONTUNMAP | MREMAP_FIXED, room + 9 * PAGE) ==
             room + 9 * PAGE);
    SHOW("... contents", "%d %d", room[0], room[9 * PAGE]);
    pwrite(fd, "A", 1, 0), pwrite(fd, "B", 1, PAGE), pwrite(fd, "C", 1, 2 * PAGE);
    char *f = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
    f[0] = 'a';
    f = remap(f, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, NULL);
    SHOW("a file grows", "%c%c%c", f[0], f[PAGE], f[2 * PAGE]);
    char *x = mmap(NULL, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    x = remap(x, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 10 * PAGE);
    SHOW("code moves", "%c", *x);
    char *s = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, PAGE);
    char *t = remap(s, 0, 2 * PAGE, MREMAP_MAYMOVE, NULL);
    SHOW("a second view of a file", "%c%c", t[0], t[PAGE]);
    show_map("an offset too large",
             remap(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, INT64_MAX - 2 * PAGE + 1 - PAGE),
                   PAGE, 8 * PAGE, MREMAP_MAYMOVE, NULL));
    limit(RLIMIT_AS, (rlim_t)status_kb("VmSize:") * 1024 + 4 * PAGE);
    show_map("RLIMIT_AS", remap(room + 9 * PAGE, PAGE, 32 * PAGE, MREMAP_MAYMOVE, NULL));
    show_map("RLIMIT_AS and staying behind",
             remap(map(4, RW, ANON), 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | DONTUNMAP, NULL));
}

static void rearranging(void)
{
    int fd = temp_file(4 * PAGE), other = temp_file(4 * PAGE);
    for (int i = 0; i < 4; i++)
        pwrite(fd, (char[]){(char)('A' + i)}, 1, i * PAGE);
    char *p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    show_call("one page", remap_file_pages(p, PAGE, 0, 3, 0));
    show_call("two", remap_file_pages(p + 2 * PAGE + 5, 2 * PAGE + 5, 0, 0, MAP_NONBLOCK));
    SHOW("order", "%c%c%c%c", p[0], p[PAGE], p[2 * PAGE], p[3 * PAGE]);
    p[2 * PAGE] = 'a';
    char buf[1];
    pread(fd, buf, 1, 0);
    SHOW("the file", "%c", buf[0]);
    show_call("over several", remap_file_pages(p, 4 * PAGE, 0, 0, 0));
    SHOW("order", "%c%c%c%c", p[0], p[PAGE], p[2 * PAGE], p[3 * PAGE]);
    mlock(p, PAGE);
    show_call("of a locked one", remap_file_pages(p, PAGE, 0, 1, 0));
    SHOW("... is locked", "%ld", status_kb("VmLck:"));
    show_call("different flags", remap_file_pages(p, 2 * PAGE, 0, 1, 0));
    munlockall();
    show_call("rights", remap_file_pages(p, PAGE, PROT_READ, 1, 0));
    show_call("nothing", remap_file_pages(p, 0, 0, 1, 0));
    show_call("wraps", remap_file_pages(p, SIZE_MAX, 0, 1, 0));
    show_call("page wraps", remap_file_pages(p, PAGE, 0, SIZE_MAX, 0));
    show_call("page beyond any file", remap_file_pages(p, PAGE, 0, SIZE_MAX / 2, 0));
    show_call("a hole behind",
              (munmap(p + 3 * PAGE, PAGE), remap_file_pages(p, 4 * PAGE, 0, 0, 0)));
    mmap(p + 3 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, other, 0);
    show_call("another file behind", remap_file_pages(p, 4 * PAGE, 0, 0, 0));
    show_call("private memory", remap_file_pages(map(1, RW, ANON), PAGE, 0, 0, 0));
    show_call("a private file",
              remap_file_pages(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), PAGE, 0, 0, 0));
    show_call("a hole", remap_file_pages(p + 64 * PAGE, PAGE, 0, 0, 0));
    show_call("of the kernel", remap_file_pages(KERNEL_HALF, PAGE, 0, 0, 0));
    char *shared = map(4, RW, MAP_SHARED | MAP_ANONYMOUS);
    shared[0] = 'x';
    show_call("shared memory", remap_file_pages(shared + PAGE, PAGE, 0, 0, 0));
    SHOW("... twice", "%c", shared[PAGE]);
}

// --- Stacks --------------------------------------------------------------------------------------

// One page that grows down, `below` pages above a mapping with these rights, or above nothing.
static volatile char *stack_above(int below, int prot)
{
    char *p = map(1200, PROT_NONE, ANON), *g = p + 1000 * PAGE;
    mmap(g, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    munmap(p, 1000 * PAGE);
    if (below)
        mmap(g - (below + 1) * PAGE, PAGE, prot, ANON | MAP_FIXED, -1, 0);
    return g;
}

static void stacks(void)
{
    volatile char *g = stack_above(0, 0);
    IN_CHILD("down a page", g[-1] = 1);
    IN_CHILD("down many at once", g[-900 * PAGE] = 1);
    g = stack_above(300, RW);
    IN_CHILD("near to another mapping", g[-40 * PAGE] = 1);
    IN_CHILD("too near", g[-46 * PAGE] = 1);
    g = stack_above(300, PROT_NONE);
    IN_CHILD("near to one without rights", g[-299 * PAGE] = 1);
    IN_CHILD("beyond the limit", {
        limit(RLIMIT_STACK, 16 * PAGE);
        g[-17 * PAGE] = 1;
    });
    IN_CHILD("up to the limit", {
        limit(RLIMIT_STACK, 16 * PAGE);
        g[-15 * PAGE] = 1;
    });
    IN_CHILD("more than memory may be", {
        limit(RLIMIT_AS, (rlim_t)status_kb("VmSize:") * 1024 + 4 * PAGE);
        g[-100 * PAGE] = 1;
    });
    SHOW("by a call", "%zd", read(open("/dev/zero", O_RDONLY), (char *)(uintptr_t)g - 100, 50));
}

// What may be written by force, through /proc/self/mem.
static void forced(void)
{
    int mem = open("/proc/self/mem", O_RDWR), fd = temp_file(PAGE),
        ro = open("/proc/self/exe", O_RDONLY);
    struct {
        const char *name;
        char *p;
    } at[] = {
        {"private", map(1, RW, ANON)},
        {"private read-only", map(1, PROT_READ, ANON)},
        {"private without rights", map(1, PROT_NONE, ANON)},
        {"shared", mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0)},
        {"shared read-only", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0)},
        {"private of a file", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, ro, 0)},
        {"shared of a read-only file", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0)},
        {"nothing", TOP},
    };
    char c = 0;
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        SHOW(at[i].name, "%s", "by force");
        show_call("... read", pread(mem, &c, 1, (off_t)(uintptr_t)at[i].p));
        show_call("... write", pwrite(mem, "w", 1, (off_t)(uintptr_t)at[i].p));
        show_call("... read again", pread(mem, &c, 1, (off_t)(uintptr_t)at[i].p));
        SHOW("... is", "%d", c == 'w');
    }
}

// --- Memory that is a file -----------------------------------------------------------------------

static void memory_files(void)
{
    char name[300];
    memset(name, 'n', sizeof name);
    name[249] = 0;
    show_done("the longest name", memfd_create(name, 0));
    name[249] = 'n', name[250] = 0;
    show_done("a longer one", memfd_create(name, 0));
    show_call("NULL", memfd_create(NULL, 0));
    show_call("flags", memfd_create("x", 0x40000000));
    int plain = memfd_create("plain", MFD_CLOEXEC), dir = open("/", O_RDONLY), pipes[2];
    SHOW("close on exec", "%d", fcntl(plain, F_GETFD));
    show_call("seals of a plain one", fcntl(plain, F_GET_SEALS));
    show_call("one more", fcntl(plain, F_ADD_SEALS, F_SEAL_GROW));
    pipe(pipes);
    show_call("seals of a pipe", fcntl(pipes[0], F_GET_SEALS));
    show_call("add to a pipe", fcntl(pipes[1], F_ADD_SEALS, F_SEAL_GROW));
    show_call("seals of a directory", fcntl(dir, F_GET_SEALS));
    show_call("add to a directory", fcntl(dir, F_ADD_SEALS, F_SEAL_GROW));
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING), file = temp_file(PAGE);
    show_call("seals of a file", fcntl(file, F_GET_SEALS));
    show_call("add to a file", fcntl(file, F_ADD_SEALS, F_SEAL_GROW));
    show_call("unknown seals", fcntl(fd, F_ADD_SEALS, 0x400));
    show_call("no seals", fcntl(fd, F_ADD_SEALS, 0));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    show_call("through a reader", fcntl(open(path, O_RDONLY), F_ADD_SEALS, F_SEAL_GROW));
    ftruncate(fd, 2 * PAGE);
    char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    show_call("while it is mapped", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    IN_CHILD("while a child has it mapped", {
        munmap(p, PAGE);
        show_call("it is the parent's", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    });
    munmap(p, PAGE);
    show_call("grow", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    show_call("... extends", ftruncate(fd, 3 * PAGE));
    show_call("... writes behind", pwrite(fd, "x", 1, 2 * PAGE));
    show_call("... allocates behind", fallocate(fd, 0, 0, 3 * PAGE));
    show_call("... a part", pwrite(fd, "xyz", 3, 2 * PAGE - 1));
    show_call("shrink", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
    show_call("... cuts", ftruncate(fd, PAGE));
    show_call("... punches", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
    show_call("write", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    show_call("... writes", pwrite(fd, "x", 1, 0));
    show_call("... punches", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
    show_map("... maps to read", p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
    show_call("... made writable", mprotect(p, PAGE, RW));
    show_call("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    show_call("... once", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    show_call("all", fcntl(fd, F_GET_SEALS));
}

int main(void)
{
    run_as_child(locking);
    run_as_child(locking_all);
    run_as_child(lock_limits);
    run_as_child(joining);
    run_as_child(how_many);
    run_as_child(too_much);
    run_as_child(advice);
    run_as_child(sync_and_residence);
    run_as_child(moving);
    run_as_child(rearranging);
    run_as_child(stacks);
    run_as_child(forced);
    run_as_child(memory_files);
    return 0;
}
