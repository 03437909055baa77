// Memory mappings: what each call of the family returns, and what is in memory afterwards.
#include "probe.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static sigjmp_buf escape;
static volatile int fault_signal, fault_code;
static void *volatile fault_addr;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    fault_signal = sig;
    fault_code = info->si_code;
    fault_addr = info->si_addr;
    siglongjmp(escape, 1);
}

static void catch_faults(void)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
}

// What a read or write of a byte does: its value, or the signal.
static const char *touch(volatile char *p, int write)
{
    static char text[8][64];
    static unsigned turn;
    char *t = text[turn++ % 8];
    if (sigsetjmp(escape, 1)) {
        snprintf(t, 64, "%s code %d at %s", fault_signal == SIGSEGV ? "SEGV" : "BUS", fault_code,
                 fault_addr == p ? "the byte" : "elsewhere");
        return t;
    }
    if (write)
        *p = (char)write;
    snprintf(t, 64, "%d", *p);
    return t;
}

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
    char name[] = "/tmp/mmap-probe-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (fd < 0 || ftruncate(fd, (off_t)size))
        abort();
    return fd;
}

// --- mmap
// ------------------------------------------------------------------------------------------

static void arguments(void)
{
    int fd = temp_file(3 * PAGE), ro = open("/proc/self/exe", O_RDONLY), dir = open("/", O_RDONLY);
    int pipes[2];
    pipe(pipes);
    show_map("length 0", mmap(NULL, 0, RW, ANON, -1, 0));
    show_map("length too large", mmap(NULL, SIZE_MAX - 100, RW, ANON, -1, 0));
    show_map("length of the space", mmap(NULL, 1ul << 48, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
    show_map("no type", mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
    show_map("anonymous shared validate",
             mmap(NULL, PAGE, RW, MAP_ANONYMOUS | MAP_SHARED_VALIDATE, -1, 0));
    show_map("bad fd", mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0));
    show_map("offset in a page", mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 100));
    show_map("offset overflow",
             mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, (off_t)(INT64_MIN & ~(off_t)(PAGE - 1))));
    show_map("fixed unaligned", mmap((void *)0x10000001, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    show_map("fixed beyond the space",
             mmap((void *)(0x7ffffffffffff000ul), PAGE, RW, ANON | MAP_FIXED, -1, 0));
    show_map("directory", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
    show_map("pipe", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0));
    show_map("write end of a pipe", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[1], 0));
    show_map("read-only file shared writable", mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0));
    show_map("read-only file private writable", mmap(NULL, PAGE, RW, MAP_PRIVATE, ro, 0));
    show_map("file grows down", mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0));
    show_map("shared grows down",
             mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
    int wo = temp_file(PAGE);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", wo);
    int wonly = open(path, O_WRONLY);
    show_map("write-only file", mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wonly, 0));
    int o_path = open("/tmp", O_PATH);
    show_map("O_PATH", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, o_path, 0));
    char *p = map(4, RW, ANON);
    show_map("fixed noreplace over a mapping",
             mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    munmap(p + PAGE, PAGE);
    show_map("fixed noreplace in a hole",
             mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    munmap(p, 4 * PAGE);
    SHOW("hint is taken", "%d", mmap(p, PAGE, RW, ANON, -1, 0) == p);
    char *above = mmap(p, PAGE, RW, ANON, -1, 0);
    SHOW("taken hint is not", "%d", above != p && above != MAP_FAILED);
    void *huge = mmap(NULL, 1ul << 40, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    show_map("a terabyte without rights", huge);
    SHOW("... part of it made usable", "%d", mprotect((char *)huge + (1ul << 39), PAGE, RW) == 0);
    SHOW("... and used", "%s", touch((char *)huge + (1ul << 39), 5));
    SHOW("... the rest is not", "%s", touch((char *)huge + (1ul << 39) + PAGE, 0));
    show_call("unmapped", munmap(huge, 1ul << 40));
    show_map("more than there is memory", mmap(NULL, 1ul << 44, RW, ANON, -1, 0));
    char *a = map(1, RW, ANON), *b = map(1, RW, ANON);
    SHOW("the next one is below", "%d", b < a);
    close(fd), close(ro), close(dir), close(pipes[0]), close(pipes[1]), close(wo), close(wonly);
}

static void rights(void)
{
    char *p = map(3, PROT_READ, ANON);
    SHOW("read of read-only", "%s", touch(p, 0));
    SHOW("write of read-only", "%s", touch(p, 1));
    show_call("protect none", mprotect(p, PAGE, PROT_NONE));
    SHOW("read of none", "%s", touch(p, 0));
    show_call("protect rw", mprotect(p, PAGE, RW));
    SHOW("write", "%s", touch(p, 7));
    mprotect(p, PAGE, PROT_NONE);
    mprotect(p, PAGE, PROT_READ);
    SHOW("content survives", "%s", touch(p, 0));
    mprotect(p, PAGE, PROT_WRITE);
    SHOW("write-only can be read", "%s", touch(p, 0));
    munmap(p + PAGE, PAGE);
    show_call("over a hole", mprotect(p, 3 * PAGE, RW));
    SHOW("... what is before it is done", "%s", touch(p, 3));
    SHOW("... what is after it is not", "%s", touch(p + 2 * PAGE, 3));
    SHOW("read of the hole", "%s", touch(p + PAGE, 0));
    show_call("unaligned", mprotect(p + 1, PAGE, RW));
    show_call("length 0", mprotect(p, 0, RW));
    show_call("length 0 of a hole", mprotect(p + PAGE, 0, RW));
    show_call("wrap", mprotect(p, SIZE_MAX - PAGE, RW));
    show_call("unknown bits", mprotect(p, PAGE, RW | 0x100));
    show_call("grows both ways", mprotect(p, PAGE, RW | PROT_GROWSDOWN | PROT_GROWSUP));
    show_call("grows down elsewhere", mprotect(p, PAGE, RW | PROT_GROWSDOWN));
    int ro = open("/proc/self/exe", O_RDONLY);
    char *shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
    show_call("write for a shared read-only file", mprotect(shared, PAGE, RW));
    char *private = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, ro, 0);
    show_call("write for a private one", mprotect(private, PAGE, RW));
    SHOW("... and a write", "%s", touch(private, 66));
    SHOW("... the file's page is its own", "%s", touch(shared, 0));
    close(ro);
}

static void unmapping(void)
{
    char *p = map(5, RW, ANON);
    memset(p, 9, 5 * PAGE);
    show_call("unaligned", munmap(p + 1, PAGE));
    show_call("length 0", munmap(p, 0));
    show_call("beyond the space", munmap((void *)(1ul << 50), PAGE));
    show_call("too long", munmap(p, SIZE_MAX));
    show_call("middle", munmap(p + 2 * PAGE, PAGE - 5));
    SHOW("left", "%s", touch(p + PAGE, 0));
    SHOW("gone", "%s", touch(p + 2 * PAGE, 0));
    SHOW("right", "%s", touch(p + 3 * PAGE, 0));
    show_call("over a hole", munmap(p, 5 * PAGE));
    show_call("again", munmap(p, 5 * PAGE));
}

// --- Files
// -----------------------------------------------------------------------------------------

static void files(void)
{
    int fd = temp_file(2 * PAGE + 100);
    pwrite(fd, "abc", 3, 0);
    pwrite(fd, "xyz", 3, 2 * PAGE);
    char *shared = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
    SHOW("shared", "%.3s %.3s", shared, shared + 2 * PAGE);
    SHOW("private", "%.3s", private);
    SHOW("rest of the last page", "%s", touch(shared + 2 * PAGE + 200, 0));
    SHOW("beyond the end", "%s", touch(shared + 3 * PAGE, 0));
    SHOW("beyond the end, private", "%s", touch(private + 3 * PAGE, 1));
    pwrite(fd, "D", 1, 0);
    SHOW("write(2) is seen", "%c %c", shared[0], private[0]);
    private[0] = 'P';
    pwrite(fd, "E", 1, 0);
    SHOW("a private copy is private", "%c %c", shared[0], private[0]);
    shared[1] = 'S';
    char buf[4] = {0};
    pread(fd, buf, 3, 0);
    SHOW("read(2) sees the mapping", "%s", buf);
    char *second = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    shared[2] = 'T';
    SHOW("two mappings agree", "%.3s", second);
    IN_CHILD("child writes to both", shared[0] = 'C', private[1] = 'C');
    SHOW("... and the parent sees the shared one", "%.2s %.2s", shared, private);
    ftruncate(fd, PAGE);
    SHOW("after truncation", "%s", touch(shared + 2 * PAGE, 0));
    SHOW("... a private page", "%s", touch(private + 2 * PAGE, 0));
    ftruncate(fd, 3 * PAGE);
    SHOW("after growing", "%s %s", touch(shared + 2 * PAGE, 0), touch(shared + 2 * PAGE + 5, 4));
    ftruncate(fd, 10);
    ftruncate(fd, PAGE);
    SHOW("the cut part is zero", "%s %s", touch(shared + 9, 0), touch(shared + 10, 0));
    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE);
    SHOW("punched", "%s %s", touch(shared, 0), touch(private, 0));
    close(fd);
    SHOW("after close", "%s", touch(shared, 8));
    show_call("msync", msync(shared, PAGE, MS_SYNC));
    show_call("msync both", msync(shared, PAGE, MS_SYNC | MS_ASYNC));
    show_call("msync unknown", msync(shared, PAGE, 64));
    show_call("msync unaligned", msync(shared + 1, PAGE, MS_SYNC));
    show_call("msync nothing", msync(shared, 0, MS_SYNC));
    munmap(shared + PAGE, PAGE);
    show_call("msync hole", msync(shared, 3 * PAGE, MS_ASYNC));
    int zero = open("/dev/zero", O_RDWR);
    char *z = mmap(NULL, PAGE, RW, MAP_PRIVATE, zero, 0);
    show_map("/dev/zero", z);
    if (z != MAP_FAILED)
        SHOW("... is memory", "%s", touch(z, 3));
}

static void shared_memory(void)
{
    char *p = map(3, RW, MAP_SHARED | MAP_ANONYMOUS);
    p[0] = 1;
    IN_CHILD("child", p[0]++, p[PAGE] = 7, munmap(p, 3 * PAGE));
    SHOW("parent sees", "%d %d", p[0], p[PAGE]);
    char *q = mremap(p, 0, 3 * PAGE, MREMAP_MAYMOVE);
    SHOW("second view", "%d", q != MAP_FAILED && q != p);
    q[5] = 55;
    SHOW("... of the same", "%d", p[5]);
    munmap(p, PAGE);
    SHOW("... outlives the first", "%d", q[5]);
    char *r = map(3, RW, ANON);
    show_map("private has none", mremap(r, 0, PAGE, MREMAP_MAYMOVE));
    int fd = memfd_create("probe", MFD_ALLOW_SEALING);
    ftruncate(fd, PAGE);
    char *w = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    char *x = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    w[3] = 33;
    SHOW("memfd twice", "%d", x[3]);
    munmap(w, PAGE);
    show_call("seal write", fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    show_map("sealed shared writable", mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
    char *s = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    show_map("sealed shared", s);
    show_call("... made writable", mprotect(s, PAGE, RW));
    show_map("sealed private", mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
}

// --- mremap
// ----------------------------------------------------------------------------------------

static void remapping(void)
{
    char *p = map(8, RW, ANON);
    for (int i = 0; i < 8; i++)
        p[i * PAGE] = (char)(i + 1);
    show_map("unknown flags", mremap(p, PAGE, PAGE, 64));
    show_map("fixed alone", mremap(p, PAGE, PAGE, MREMAP_FIXED, p + 2 * PAGE));
    show_map("unaligned", mremap(p + 1, PAGE, PAGE, MREMAP_MAYMOVE));
    show_map("to nothing", mremap(p, PAGE, 0, MREMAP_MAYMOVE));
    show_map("of nothing", mremap((void *)0x10000, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    show_map("beyond the mapping", mremap(p, 100 * PAGE, 200 * PAGE, MREMAP_MAYMOVE));
    show_map("grow without room", mremap(p, PAGE, 2 * PAGE, 0));
    SHOW("shrink", "%d", mremap(p, 8 * PAGE, 6 * PAGE, 0) == p);
    SHOW("... its end is gone", "%s", touch(p + 6 * PAGE, 0));
    SHOW("grow in place", "%d", mremap(p, 6 * PAGE, 8 * PAGE, 0) == p);
    SHOW("... with zeroes", "%s", touch(p + 6 * PAGE, 0));
    char *q = mremap(p + PAGE, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    SHOW("move and grow", "%d %s %s", q != p + PAGE, touch(q, 0), touch(q + PAGE, 0));
    SHOW("... left behind", "%s", touch(p + PAGE, 0));
    show_map("overlapping",
             mremap(p + 2 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 3 * PAGE));
    char *r = map(4, RW, ANON);
    r[0] = 99;
    SHOW("fixed", "%d", mremap(p + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r) == r);
    SHOW("... replaces what was there", "%s", touch(r, 0));
    show_map("fixed unaligned",
             mremap(p + 3 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r + 5));
    show_map("over a hole", mremap(p, 4 * PAGE, 16 * PAGE, MREMAP_MAYMOVE));
    char *s = mremap(p + 4 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | 4 /* DONTUNMAP */, NULL);
    SHOW("dontunmap", "%d %s %s", s != MAP_FAILED, touch(s, 0), touch(p + 4 * PAGE, 0));
    show_map("dontunmap resize", mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE | 4, NULL));
    size_t big = 64ul << 20;
    char *b = map(big / PAGE, RW, ANON);
    for (size_t i = 0; i < big; i += PAGE)
        b[i] = (char)(i / PAGE * 7);
    map(1, RW, ANON);
    b = mremap(b, big, 2 * big, MREMAP_MAYMOVE);
    int good = 1;
    for (size_t i = 0; i < big; i += PAGE)
        good &= b[i] == (char)(i / PAGE * 7) && b[big + i] == 0;
    SHOW("64 MiB move", "%d", good);
    munmap(b, 2 * big);
}

// --- madvise
// ---------------------------------------------------------------------------------------

static void advising(void)
{
    char *p = map(6, RW, ANON);
    memset(p, 5, 6 * PAGE);
    show_call("dontneed", madvise(p, PAGE, MADV_DONTNEED));
    SHOW("... is zero", "%s %s", touch(p, 0), touch(p + PAGE, 0));
    show_call("unknown", madvise(p, PAGE, 77));
    show_call("unaligned", madvise(p + 1, PAGE, MADV_DONTNEED));
    show_call("nothing", madvise(p, 0, MADV_DONTNEED));
    show_call("wrap", madvise(p, SIZE_MAX, MADV_DONTNEED));
    munmap(p + 2 * PAGE, PAGE);
    show_call("over a hole", madvise(p, 5 * PAGE, MADV_DONTNEED));
    SHOW("... both sides", "%s %s", touch(p + PAGE, 0), touch(p + 4 * PAGE, 0));
    show_call("willneed", madvise(p, PAGE, MADV_WILLNEED));
    show_call("free", madvise(p, PAGE, MADV_FREE));
    show_call("populate", madvise(p, PAGE, MADV_POPULATE_WRITE));
    show_call("populate a hole", madvise(p + 2 * PAGE, PAGE, MADV_POPULATE_READ));
    char *ro = map(1, PROT_READ, ANON);
    show_call("populate write of read-only", madvise(ro, PAGE, MADV_POPULATE_WRITE));
    char *f = map(3, RW, ANON);
    f[0] = 1, f[PAGE] = 2, f[2 * PAGE] = 3;
    show_call("wipeonfork", madvise(f, PAGE, MADV_WIPEONFORK));
    show_call("dontfork", madvise(f + PAGE, PAGE, MADV_DONTFORK));
    fflush(stdout);
    IN_CHILD("child", SHOW("in child", "%s | %s | %s", touch(f, 0), touch(f + PAGE, 0),
                           touch(f + 2 * PAGE, 0)));
    SHOW("in parent", "%d %d %d", f[0], f[PAGE], f[2 * PAGE]);
    show_call("keeponfork", madvise(f, PAGE, MADV_KEEPONFORK));
    show_call("dofork", madvise(f + PAGE, PAGE, MADV_DOFORK));
    IN_CHILD("child again", _exit(f[0] + f[PAGE] + f[2 * PAGE]));
    int fd = temp_file(2 * PAGE);
    char *s = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    char *c = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
    s[0] = 1, c[0] = 2;
    show_call("free of a file", madvise(s, PAGE, MADV_FREE));
    show_call("wipeonfork of a file", madvise(c, PAGE, MADV_WIPEONFORK));
    madvise(c, PAGE, MADV_DONTNEED);
    SHOW("private after dontneed", "%s", touch(c, 0));
    madvise(s, PAGE, MADV_DONTNEED);
    SHOW("shared after dontneed", "%s", touch(s, 0));
    int mem = memfd_create("m", 0);
    ftruncate(mem, PAGE);
    char *m = mmap(NULL, PAGE, RW, MAP_SHARED, mem, 0);
    m[0] = 1;
    show_call("remove", madvise(m, PAGE, MADV_REMOVE));
    SHOW("... is zero", "%s", touch(m, 0));
    show_call("remove of private", madvise(c, PAGE, MADV_REMOVE));
    show_call("remove of anonymous", madvise(p, PAGE, MADV_REMOVE));
}

// --- Residence and locks
// ---------------------------------------------------------------------------

static void residence(void)
{
    unsigned char vec[4] = {9, 9, 9, 9};
    char *p = map(4, RW, ANON);
    p[PAGE] = 1;
    show_call("mincore", mincore(p, 4 * PAGE, vec));
    SHOW("present", "%d %d %d %d", vec[0], vec[1], vec[2], vec[3]);
    show_call("unaligned", mincore(p + 1, PAGE, vec));
    show_call("bad vector", mincore(p, PAGE, (void *)8));
    munmap(p + 2 * PAGE, PAGE);
    show_call("hole", mincore(p, 4 * PAGE, vec));
    show_call("nothing", mincore(p, 0, vec));
    show_call("mlock", mlock(p, 10));
    mincore(p, PAGE, vec);
    SHOW("... is present", "%d", vec[0]);
    show_call("dontneed of locked", madvise(p, PAGE, MADV_DONTNEED));
    show_call("invalidate locked", msync(p, PAGE, MS_INVALIDATE));
    show_call("mlock hole", mlock(p, 4 * PAGE));
    show_call("munlock", munlock(p, 2 * PAGE));
    show_call("munlock hole", munlock(p, 4 * PAGE));
    show_call("dontneed again", madvise(p, PAGE, MADV_DONTNEED));
    show_call("mlock2 flags", syscall(SYS_mlock2, p, PAGE, 2));
    show_call("mlockall nothing", mlockall(0));
    show_call("mlockall on fault alone", mlockall(4));
    show_call("mlockall unknown", mlockall(64));
}

// --- Stack, heap, limits
// ---------------------------------------------------------------------------

// Through a pointer and a computed index, so that no compiler makes a loop of it or the frame
// smaller.
static int (*volatile deeper)(int n);

static int deep(int n)
{
    volatile char frame[8000];
    deeper = deep;
    frame[n * 17 % (int)sizeof frame] = (char)n;
    return n ? deeper(n - 1) + frame[n * 17 % (int)sizeof frame] : 0;
}

static void growing(void)
{
    SHOW("deep stack", "%d", deep(500) != 0);
    char *area = map(40, PROT_NONE, ANON);
    char *g = mmap(area + 36 * PAGE, 4 * PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    munmap(area, 36 * PAGE);
    SHOW("grows down", "%s", touch(g - 1, 7));
    SHOW("... by several pages", "%s", touch(g - 20 * PAGE, 7));
    char *p = sbrk(0), *q;
    SHOW("brk grows", "%d", brk(p + 100000) == 0);
    SHOW("... to zeroes", "%s", touch(p + 99999, 0));
    p[99999] = 4;
    SHOW("brk shrinks", "%d", brk(p) == 0);
    brk(p + 100000);
    SHOW("... and forgets", "%s", touch(p + 99999, 0));
    q = (char *)syscall(SYS_brk, (char *)4096);
    SHOW("brk below the start", "%d", q == p + 100000);
    q = (char *)syscall(SYS_brk, (char *)(1ul << 60));
    SHOW("brk beyond the space", "%d", q == p + 100000);
    brk(p);
    struct rlimit old, tight = {64 << 20, RLIM_INFINITY};
    getrlimit(RLIMIT_DATA, &old);
    setrlimit(RLIMIT_DATA, &tight);
    show_map("RLIMIT_DATA", mmap(NULL, 128 << 20, RW, ANON, -1, 0));
    show_map("... not for read-only", mmap(NULL, 128 << 20, PROT_READ, ANON, -1, 0));
    setrlimit(RLIMIT_DATA, &old);
    getrlimit(RLIMIT_AS, &old);
    tight.rlim_cur = 1ul << 30;
    setrlimit(RLIMIT_AS, &tight);
    show_map("RLIMIT_AS", mmap(NULL, 1ul << 30, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
    setrlimit(RLIMIT_AS, &old);
}

static void stack_limit(void)
{
    struct rlimit r = {1 << 20, RLIM_INFINITY};
    setrlimit(RLIMIT_STACK, &r);
    IN_CHILD("stack overflow", signal(SIGSEGV, SIG_DFL), deep(400));
    r.rlim_cur = 8 << 20;
    setrlimit(RLIMIT_STACK, &r);
    IN_CHILD("within the limit", deep(400));
}

// --- Copies
// ----------------------------------------------------------------------------------------

static void copies(void)
{
    enum { COUNT = 2000 };
    char *p = map(COUNT, RW, ANON);
    for (int i = 0; i < COUNT; i++)
        p[i * PAGE] = (char)i;
    for (int generation = 0; generation < 3; generation++) {
        IN_CHILD("child's copy", {
            int bad = 0;
            for (int i = 0; i < COUNT; i++) {
                bad |= p[i * PAGE] != (char)(i + generation);
                p[i * PAGE] = 'x';
            }
            pid_t pid = fork();
            if (pid == 0) {
                for (int i = 0; i < COUNT; i++)
                    bad |= p[i * PAGE] != 'x';
                _exit(bad);
            }
            int status;
            waitpid(pid, &status, 0);
            _exit(bad | WEXITSTATUS(status));
        });
        for (int i = 0; i < COUNT; i++)
            p[i * PAGE]++;
    }
    struct iovec local = {p, 100};
    char buf[PAGE * 2];
    memset(buf, 'k', sizeof buf);
    int fds[2];
    pipe(fds);
    write(fds[1], buf, 200);
    show_call("read into a read-only page", (mprotect(p, PAGE, PROT_READ), read(fds[0], p, 100)));
    show_call("readv into it", readv(fds[0], &local, 1));
    show_call("read across the end of it", read(fds[0], p + PAGE - 50, 100));
    show_call("write from a hole", (munmap(p + PAGE, PAGE), write(fds[1], p + PAGE, 10)));
    show_call("write across into a hole", write(fds[1], p + PAGE - 50, 100));
    show_call("write from the kernel half", write(fds[1], (void *)(1ul << 63), 10));
}

int main(void)
{
    catch_faults();
    run_as_child(arguments);
    run_as_child(rights);
    run_as_child(unmapping);
    run_as_child(files);
    run_as_child(shared_memory);
    run_as_child(remapping);
    run_as_child(advising);
    run_as_child(residence);
    run_as_child(growing);
    run_as_child(stack_limit);
    run_as_child(copies);
    return 0;
}
