// Mappings change under running threads: every value that any of them reads is checked. What one
// thread removed the others must not reach; what one wrote must not get lost in a copy made for a
// fork. Eight threads, however few processors there are.
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, PAGE = 4096, PAGES = 16 };
static double scene_seconds = 0.8; // or the first argument

static atomic_bool stop;
static atomic_int wrong;
static atomic_long work;
static char *area;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Atomic uint64_t *word(int page, int index)
{
    return (_Atomic uint64_t *)(void *)(area + (size_t)page * PAGE + (size_t)index * 8);
}

static void check(bool good)
{
    if (!good)
        atomic_fetch_add(&wrong, 1);
}

// The same for a value, which is told.
static void check_value(bool good, uint64_t value, uint64_t bound)
{
    if (!good && atomic_fetch_add(&wrong, 1) == 0)
        printf("# read %#llx, bound %#llx\n", (unsigned long long)value, (unsigned long long)bound);
}

// Runs `changer` on one thread and `user` on the others for a while; true if nothing was wrong.
static bool scene(void *(*changer)(void *), void *(*user)(void *), const char *name)
{
    pthread_t t[THREADS];
    atomic_store(&stop, false);
    atomic_store(&wrong, 0);
    atomic_store(&work, 0);
    area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, i == 0 ? changer : user, (void *)i);
    double end = now() + scene_seconds;
    while (now() < end && !atomic_load(&wrong))
        usleep(10000);
    atomic_store(&stop, true);
    void *changes = NULL;
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], i == 0 ? &changes : NULL);
    munmap(area, PAGES * PAGE);
    printf("# %s: %ld changes, %ld uses\n", name, (long)(intptr_t)changes, atomic_load(&work));
    return !atomic_load(&wrong) && changes && atomic_load(&work) > 0;
}

// --- MAP_FIXED over pages that are read ----------------------------------------------------------

// Versions of each page: begun before it is mapped, published after it was written.
static _Atomic uint64_t begun[PAGES], published[PAGES];

static void *remapper(void *arg)
{
    intptr_t n = 0;
    (void)arg;
    for (; !atomic_load(&stop); n++) {
        int page = (int)(n % PAGES);
        uint64_t version = atomic_load(&published[page]) + 1;
        atomic_store(&begun[page], version);
        void *at = mmap(area + page * PAGE, PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        check(at == area + page * PAGE);
        check(atomic_load(word(page, 0)) == 0); // what was there before is gone
        atomic_store(word(page, 0), version);
        atomic_store(&published[page], version);
    }
    return (void *)n;
}

static void *page_reader(void *arg)
{
    long n = 0;
    for (int page = (int)(intptr_t)arg; !atomic_load(&stop); page = (page + 1) % PAGES, n++) {
        uint64_t least = atomic_load(&published[page]);
        uint64_t value = atomic_load(word(page, 0));
        uint64_t most = atomic_load(&begun[page]);
        check(value == 0 ? most > least || least == 0 : value >= least && value <= most);
    }
    atomic_fetch_add(&work, n);
    return NULL;
}

// --- mprotect under writers ----------------------------------------------------------------------

static atomic_bool read_only;
static _Thread_local volatile sig_atomic_t faults;

static void wait_for_right(int sig)
{
    (void)sig;
    faults++;
    while (atomic_load(&read_only) && !atomic_load(&stop))
        ;
}

static void *protector(void *arg)
{
    intptr_t n = 0;
    (void)arg;
    for (; !atomic_load(&stop); n++) {
        uint64_t before[THREADS];
        atomic_store(&read_only, true);
        mprotect(area, PAGE, PROT_READ);
        for (int i = 1; i < THREADS; i++)
            before[i] = atomic_load(word(0, i));
        for (int turn = 0; turn < 20; turn++)
            for (int i = 1; i < THREADS; i++)
                check(atomic_load(word(0, i)) == before[i]); // nobody writes any more
        mprotect(area, PAGE, PROT_READ | PROT_WRITE);
        atomic_store(&read_only, false);
        for (int turn = 0; turn < 50; turn++)
            atomic_load(word(0, 1));
    }
    mprotect(area, PAGE, PROT_READ | PROT_WRITE);
    atomic_store(&read_only, false);
    return (void *)n;
}

static void *word_writer(void *arg)
{
    int i = (int)(intptr_t)arg;
    uint64_t n = 0;
    while (!atomic_load(&stop)) {
        check(atomic_load(word(0, i)) == n);
        atomic_store(word(0, i), ++n);
    }
    atomic_fetch_add(&work, (long)n);
    return NULL;
}

// --- fork under writers --------------------------------------------------------------------------

// Each writer keeps two words in two pages, the first never behind the second and never more than
// one ahead. A child has both as they were at one moment, for good.
static void in_child(void)
{
    uint64_t seen[2][THREADS];
    for (int i = 1; i < THREADS; i++) {
        seen[0][i] = atomic_load(word(i, 0));
        seen[1][i] = atomic_load(word(8 + i, 0));
        if (seen[0][i] - seen[1][i] > 1)
            _exit(1);
    }
    for (int turn = 0; turn < 50; turn++)
        for (int i = 1; i < THREADS; i++)
            if (atomic_load(word(i, 0)) != seen[0][i] || atomic_load(word(8 + i, 0)) != seen[1][i])
                _exit(2);
    for (int i = 1; i < THREADS; i++)
        atomic_store(word(i, 0), 77);
    for (int i = 1; i < THREADS; i++)
        if (atomic_load(word(i, 0)) != 77)
            _exit(3);
    _exit(0);
}

static void *forker(void *arg)
{
    intptr_t n = 0;
    (void)arg;
    for (; !atomic_load(&stop); n++) {
        pid_t pid = fork();
        if (pid == 0)
            in_child();
        int status = -1;
        waitpid(pid, &status, 0);
        check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return (void *)n;
}

static void *pair_writer(void *arg)
{
    int i = (int)(intptr_t)arg;
    uint64_t n = 0;
    while (!atomic_load(&stop)) {
        check(atomic_load(word(i, 0)) == n && atomic_load(word(8 + i, 0)) == n);
        n++;
        atomic_store(word(i, 0), n);
        atomic_store(word(8 + i, 0), n);
    }
    atomic_fetch_add(&work, (long)n);
    return NULL;
}

// Data the kernel writes for a thread must survive the forks too.
static void *pipe_reader(void *arg)
{
    int fd[2];
    char *buf = area + (intptr_t)arg * 2 * PAGE - PAGE; // two pages of its own
    static const size_t size = PAGE + 512;
    if (pipe(fd))
        return NULL;
    char out[PAGE + 512];
    long n = 0;
    for (; !atomic_load(&stop); n++) {
        memset(out, (int)n, size);
        check(write(fd[1], out, size) == (ssize_t)size);
        check(read(fd[0], buf, size) == (ssize_t)size);
        check(!memcmp(buf, out, size));
    }
    close(fd[0]);
    close(fd[1]);
    atomic_fetch_add(&work, n);
    return NULL;
}

static void *quiet_forker(void *arg)
{
    intptr_t n = 0;
    (void)arg;
    for (; !atomic_load(&stop); n++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        int status = -1;
        waitpid(pid, &status, 0);
        check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return (void *)n;
}

// --- munmap under readers ------------------------------------------------------------------------

static _Thread_local sigjmp_buf escape;
static _Atomic(char *) target;
static _Atomic uint64_t target_version;

static void jump_out(int sig)
{
    (void)sig;
    siglongjmp(escape, 1);
}

static void *unmapper(void *arg)
{
    intptr_t n = 0;
    (void)arg;
    for (; !atomic_load(&stop); n++) {
        char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < 4; i++)
            *(_Atomic uint64_t *)(void *)(p + i * PAGE) = (uint64_t)(n + 1);
        atomic_store(&target_version, (uint64_t)(n + 1));
        atomic_store(&target, p);
        for (int i = 0; i < 100; i++)
            atomic_load(&target_version);
        munmap(p, 4 * PAGE);
        // New memory, likely in the same frames: no reader of the old addresses may see this.
        char *q = mmap(NULL, PAGE * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(q, 0xee, PAGE * 8);
        munmap(q, PAGE * 8);
    }
    return (void *)n;
}

static void *target_reader(void *arg)
{
    volatile long n = 0; // kept over the jumps
    (void)arg;
    while (!atomic_load(&stop)) {
        char *p = atomic_load(&target);
        if (!p || sigsetjmp(escape, 1))
            continue;
        for (int i = 0; i < 4; i++) {
            uint64_t value = *(_Atomic uint64_t *)(void *)(p + i * PAGE);
            // Zero: mapped again and not yet written. The pattern of foreign memory: only if that
            // was mapped at this very address.
            uint64_t newest = atomic_load(&target_version) + 1;
            check_value(value <= newest || value == 0xeeeeeeeeeeeeeeee, value, newest);
        }
        n++;
    }
    atomic_fetch_add(&work, n);
    return NULL;
}

// --- Accesses over a page boundary ---------------------------------------------------------------

typedef uint64_t pair __attribute__((vector_size(16), aligned(8)));

// Two words, one in each of two pages.
static volatile pair *boundary(void)
{
    return (volatile pair *)(void *)(area + PAGE - 8);
}

static bool whole(uint64_t value)
{
    return value == 0 || value == UINT64_MAX;
}

static void *pair_storer(void *arg)
{
    intptr_t n = 0;
    (void)arg;
    for (; !atomic_load(&stop); n++)
        *boundary() = n % 2 ? (pair){0, 0} : (pair){UINT64_MAX, UINT64_MAX};
    return (void *)n;
}

static void *pair_loader(void *arg)
{
    long n = 0;
    (void)arg;
    for (; !atomic_load(&stop); n++) {
        uint64_t first = atomic_load(word(0, PAGE / 8 - 1)), second = atomic_load(word(1, 0));
        check_value(whole(first), first, UINT64_MAX);
        check_value(whole(second), second, UINT64_MAX);
        pair both = *boundary();
        check_value(whole(both[0]), both[0], UINT64_MAX);
        check_value(whole(both[1]), both[1], UINT64_MAX);
    }
    atomic_fetch_add(&work, n);
    return NULL;
}

int main(int argc, char **argv)
{
    struct tap t = {0, 0};
    if (argc > 1)
        scene_seconds = strtod(argv[1], NULL);
    struct sigaction sa = {.sa_handler = wait_for_right};
    CHECK(&t, scene(remapper, page_reader, "remap"),
          "a page mapped over another is seen, and the old one never again");
    sigaction(SIGSEGV, &sa, NULL);
    CHECK(&t, scene(protector, word_writer, "mprotect"),
          "after mprotect took the right nobody writes, and no write is lost");
    CHECK(&t, scene(forker, pair_writer, "fork"),
          "a child's memory is of one moment and stays so; no write of the parent is lost");
    CHECK(&t, scene(quiet_forker, pipe_reader, "fork and read"),
          "what read(2) delivered survives the copies of a fork");
    sa.sa_handler = jump_out;
    sa.sa_flags = SA_NODEFER;
    sigaction(SIGSEGV, &sa, NULL);
    CHECK(&t, scene(unmapper, target_reader, "munmap"), "unmapped memory is gone for every thread");
    CHECK(&t, scene(pair_storer, pair_loader, "boundary"),
          "an aligned word of a store or load over a page boundary is whole");
    return tap_finish(&t);
}
