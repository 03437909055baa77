// Code that changes while it may be translated: written in place, through another mapping, behind
// mprotect, replaced by other memory or a file, in one of two processes after a fork, by another
// thread with the architecture's handshake, and one branch concurrently with its execution.
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, RET = (int)0xd65f03c0u };

typedef unsigned function(void);

static uint32_t movz(unsigned value)
{
    return 0x52800000u | value << 5; // movz w0, #value
}

static void *map(void *at, int rights, int flags, int fd)
{
    void *p = mmap(at, PAGE, rights, flags | (at ? MAP_FIXED : 0), fd, 0);
    if (p == MAP_FAILED)
        exit(2);
    return p;
}

static void flush(void *p)
{
    __builtin___clear_cache((char *)p, (char *)p + PAGE);
}

static void write_function(void *p, unsigned value)
{
    uint32_t code[2] = {movz(value), (uint32_t)RET};
    memcpy(p, code, sizeof code);
}

static unsigned call(void *p)
{
    function *f;
    memcpy(&f, &p, sizeof f);
    return f();
}

static bool in_place(void)
{
    bool good = true;
    char *p = map(NULL, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    for (unsigned i = 0; i < 2000; i++) {
        char *at = p + i % 64 * 8;
        write_function(at, i);
        __builtin___clear_cache(at, at + 8);
        good = good && call(at) == i;
    }
    munmap(p, PAGE);
    return good;
}

static bool behind_mprotect(void)
{
    bool good = true;
    void *p = map(NULL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    for (unsigned i = 0; i < 500; i++) {
        good = good && !mprotect(p, PAGE, PROT_READ | PROT_WRITE);
        write_function(p, i);
        flush(p);
        good = good && !mprotect(p, PAGE, PROT_READ | PROT_EXEC) && call(p) == i;
    }
    munmap(p, PAGE);
    return good;
}

static bool other_memory(void)
{
    bool good = true;
    void *p = map(NULL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    for (unsigned i = 0; i < 500; i++) {
        munmap(p, PAGE);
        map(p, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        write_function(p, i);
        flush(p);
        good = good && call(p) == i;
    }
    munmap(p, PAGE);
    return good;
}

static bool other_mapping(void)
{
    bool good = true;
    int fd = memfd_create("code", 0);
    if (fd < 0 || ftruncate(fd, PAGE))
        return false;
    void *rw = map(NULL, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    void *rx = map(NULL, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
    for (unsigned i = 0; i < 1000; i++) {
        write_function(rw, i);
        flush(rw); // by either address: the caches are physically tagged
        if (i & 1)
            flush(rx);
        good = good && call(rx) == i;
    }
    munmap(rw, PAGE);
    munmap(rx, PAGE);
    close(fd);
    return good;
}

static bool from_files(void)
{
    bool good = true;
    char name[] = "/tmp/code-XXXXXX";
    int fd = mkstemp(name);
    void *p = map(NULL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    for (unsigned i = 0; i < 200; i++) {
        uint32_t code[PAGE / 4] = {movz(i), (uint32_t)RET};
        good = good && pwrite(fd, code, sizeof code, 0) == sizeof code;
        map(p, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd);
        flush(p);
        good = good && call(p) == i;
    }
    munmap(p, PAGE);
    close(fd);
    unlink(name);
    return good;
}

// The kernel makes code that it writes for a debugger coherent.
static bool through_proc_mem(void)
{
    bool good = true;
    void *p = map(NULL, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    int fd = open("/proc/self/mem", O_RDWR);
    write_function(p, 1);
    flush(p);
    good = good && call(p) == 1 && !mprotect(p, PAGE, PROT_READ | PROT_EXEC);
    for (unsigned i = 2; i < 200; i++) {
        uint32_t word = movz(i);
        good = good && pwrite(fd, &word, 4, (off_t)(uintptr_t)p) == 4 && call(p) == i;
    }
    close(fd);
    munmap(p, PAGE);
    return good;
}

static bool in_one_process(void)
{
    bool good = true;
    void *p = map(NULL, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    for (unsigned i = 0; i < 20; i++) {
        int status;
        write_function(p, i);
        flush(p);
        good = good && call(p) == i;
        pid_t child = fork();
        if (child == 0) {
            write_function(p, i + 100);
            flush(p);
            _exit(call(p) == i + 100 ? 0 : 1);
        }
        waitpid(child, &status, 0);
        good = good && status == 0 && call(p) == i;
    }
    munmap(p, PAGE);
    return good;
}

// --- Other threads -------------------------------------------------------------------------------

enum { RUNNERS = 3, PATCHES = 300 };

struct shared {
    void *code;
    atomic_uint wanted;        // generation that is to be executed
    atomic_uint seen[RUNNERS]; // by each runner
    atomic_int wrong;
    atomic_bool stop;
};

struct runner {
    struct shared *s;
    unsigned number;
};

static void synchronize(void)
{
#ifdef __aarch64__
    __asm__ volatile("isb" ::: "memory");
#endif
}

static void *run_handshake(void *arg)
{
    struct runner *r = arg;
    for (unsigned done = 0; done < PATCHES;) {
        unsigned wanted = atomic_load_explicit(&r->s->wanted, memory_order_acquire);
        if (wanted == done) {
            sched_yield();
            continue;
        }
        synchronize();
        for (int i = 0; i < 20; i++)
            if (call(r->s->code) != wanted)
                atomic_fetch_add(&r->s->wrong, 1);
        done = wanted;
        atomic_store_explicit(&r->s->seen[r->number], done, memory_order_release);
    }
    return NULL;
}

static bool with_handshake(void)
{
    struct shared s = {
        .code = map(NULL, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1)};
    struct runner runner[RUNNERS];
    pthread_t thread[RUNNERS];
    for (unsigned i = 0; i < RUNNERS; i++) {
        runner[i] = (struct runner){&s, i};
        pthread_create(&thread[i], NULL, run_handshake, &runner[i]);
    }
    for (unsigned n = 1; n <= PATCHES; n++) {
        write_function(s.code, n);
        flush(s.code);
        atomic_store_explicit(&s.wanted, n, memory_order_release);
        for (unsigned i = 0; i < RUNNERS; i++)
            while (atomic_load_explicit(&s.seen[i], memory_order_acquire) != n)
                sched_yield();
    }
    for (unsigned i = 0; i < RUNNERS; i++)
        pthread_join(thread[i], NULL);
    munmap(s.code, PAGE);
    return s.wrong == 0;
}

// A branch may be replaced by another while it is executed: old or new, nothing else; and new once
// the change was made known and the reader synchronised.
static void *run_branch(void *arg)
{
    struct shared *s = arg;
    while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
        unsigned before = atomic_load_explicit(&s->wanted, memory_order_acquire);
        synchronize();
        unsigned got = call(s->code);
        unsigned after = atomic_load_explicit(&s->wanted, memory_order_acquire);
        bool moved = after != before || (before & 1); // odd: being changed
        if (got != 1 && got != 2)
            atomic_fetch_add(&s->wrong, 1);
        if (!moved && got != 1 + (before >> 1 & 1))
            atomic_fetch_add(&s->wrong, 1);
    }
    return NULL;
}

static bool concurrently(void)
{
    struct shared s = {
        .code = map(NULL, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1)};
    // 0: b to 2 or 4; 2: return 1; 4: return 2
    uint32_t code[] = {0x14000002, 0, movz(1), (uint32_t)RET, movz(2), (uint32_t)RET};
    pthread_t thread[RUNNERS];
    memcpy(s.code, code, sizeof code);
    flush(s.code);
    for (unsigned i = 0; i < RUNNERS; i++)
        pthread_create(&thread[i], NULL, run_branch, &s);
    for (unsigned n = 1; n <= 500; n++) {
        atomic_store(&s.wanted, 2 * n - 1);
        atomic_store_explicit((_Atomic uint32_t *)s.code, n & 1 ? 0x14000004 : 0x14000002,
                              memory_order_relaxed);
        flush(s.code);
        atomic_store(&s.wanted, 2 * n);
        if (n % 8 == 0)
            sched_yield();
    }
    atomic_store(&s.stop, true);
    for (unsigned i = 0; i < RUNNERS; i++)
        pthread_join(thread[i], NULL);
    munmap(s.code, PAGE);
    return s.wrong == 0;
}

int main(void)
{
    struct tap t = {0, 0};
    CHECK(&t, in_place(), "code written in place is the code executed");
    CHECK(&t, behind_mprotect(), "so is code written while its page was not executable");
    CHECK(&t, other_memory(), "and code in memory mapped where other code was");
    CHECK(&t, other_mapping(), "and code written through another mapping");
    CHECK(&t, from_files(), "and code of a file mapped over another's");
    CHECK(&t, through_proc_mem(), "and code written through /proc/self/mem");
    CHECK(&t, in_one_process(), "code changed after a fork changes in one process");
    CHECK(&t, with_handshake(), "code changed by another thread is new after its handshake");
    CHECK(&t, concurrently(), "a branch changed while it runs goes the old way or the new");
    return tap_finish(&t);
}
