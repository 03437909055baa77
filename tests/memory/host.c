// Runs a guest program on a host that refuses memory when the guest says so:
//
//     no_memory [--trace] [--fakefs FAKEFSIFY] [--machines] PROGRAM [argument ...]
//
// The root is a host directory, or one made by FAKEFSIFY. With --machines it is not the guest that
// is refused, but making, running and ending whole machines.
//
// The program is linked with --wrap for what the layers above the host ask memory of, so nothing of
// the product knows about it. A guest talks to it by prctl(2) with the numbers of control.h. A
// thread that called NO_MEMORY_EXEMPT is never refused, so that one process of the guest can go on
// and judge.
//
// When the guest has ended and the kernel is gone, what was allocated must have been freed.
#include "kernel/syscall_handlers.h"
#include "platform/abi/linux_errno.h"
#include "platform/frame.h"
#include "tests/memory/control.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <execinfo.h>
#include <ish/ish.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    atomic_bool armed;
    atomic_long seen;    // requests since it was armed
    atomic_long refused; // of those
    long first, count;   // refuse `count` of them from this one on; set before it is armed
    unsigned kinds;
    atomic_long live; // allocations of the heap that were not freed
    bool trace;
} state;

static _Thread_local bool exempt;

static void show_place(long number)
{
    void *at[24];
    dprintf(2, "# request %ld is refused:\n", number);
    backtrace_symbols_fd(at, backtrace(at, 24), 2);
}

// True when the host is to have no memory for this request.
static bool refuse(unsigned kind)
{
    if (!atomic_load(&state.armed) || exempt || !(state.kinds & kind))
        return false;
    long number = atomic_fetch_add(&state.seen, 1);
    if (number < state.first || number - state.first >= state.count)
        return false;
    if (atomic_fetch_add(&state.refused, 1) == 0 && state.trace)
        show_place(number);
    return true;
}

static void arm(long first, long count, unsigned kinds)
{
    state.first = first;
    state.count = count;
    state.kinds = kinds;
    atomic_store(&state.seen, 0);
    atomic_store(&state.refused, 0);
    atomic_store(&state.armed, true);
}

static void *counted(void *p)
{
    if (p)
        atomic_fetch_add(&state.live, 1);
    return p;
}

// --- What is asked of the host -------------------------------------------------------------------

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return refuse(NO_MEMORY_HEAP) ? NULL : counted(__real_malloc(size));
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return refuse(NO_MEMORY_HEAP) ? NULL : counted(__real_calloc(n, size));
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    if (refuse(NO_MEMORY_HEAP))
        return NULL;
    void *p = __real_realloc(old, size);
    return old ? p : counted(p);
}

void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return refuse(NO_MEMORY_HEAP) ? NULL : counted(__real_aligned_alloc(align, size));
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
    return refuse(NO_MEMORY_HEAP) ? NULL : counted(__real_strdup(text));
}

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
    if (p)
        atomic_fetch_sub(&state.live, 1);
    __real_free(p);
}

void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    if (refuse(NO_MEMORY_MAPPING)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return __real_mmap(addr, len, prot, flags, fd, offset);
}

int __real_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    return refuse(NO_MEMORY_THREAD) ? EAGAIN : __real_pthread_create(out, attr, run, arg);
}

int __real_frame_alloc(struct frame_pool *pool, struct frame **out);
int __wrap_frame_alloc(struct frame_pool *pool, struct frame **out);
int __wrap_frame_alloc(struct frame_pool *pool, struct frame **out)
{
    return refuse(NO_MEMORY_FRAME) ? -LINUX_ENOMEM : __real_frame_alloc(pool, out);
}

int __real_frame_alloc_uninit(struct frame_pool *pool, struct frame **out);
int __wrap_frame_alloc_uninit(struct frame_pool *pool, struct frame **out);
int __wrap_frame_alloc_uninit(struct frame_pool *pool, struct frame **out)
{
    return refuse(NO_MEMORY_FRAME) ? -LINUX_ENOMEM : __real_frame_alloc_uninit(pool, out);
}

// --- What the guest says -------------------------------------------------------------------------

int64_t __real_sys_prctl(struct task *task, int32_t option, uint64_t a, uint64_t b, uint64_t c,
                         uint64_t d);
int64_t __wrap_sys_prctl(struct task *task, int32_t option, uint64_t a, uint64_t b, uint64_t c,
                         uint64_t d);
int64_t __wrap_sys_prctl(struct task *task, int32_t option, uint64_t a, uint64_t b, uint64_t c,
                         uint64_t d)
{
    switch (option) {
    case NO_MEMORY_EXEMPT:
        exempt = true;
        return 0;
    case NO_MEMORY_ARM:
        arm((long)a, (long)b, (unsigned)c);
        return 0;
    case NO_MEMORY_DISARM:
        atomic_store(&state.armed, false);
        return atomic_load(&state.refused);
    default:
        return __real_sys_prctl(task, option, a, b, c, d);
    }
}

// --- The machine ---------------------------------------------------------------------------------

static struct {
    enum ish_root_kind kind;
    char path[80];
} root;

static void show_line(void *context, const char *channel, const char *line)
{
    (void)context;
    if (state.trace)
        dprintf(2, "# %s: %s\n", channel, line);
}

static int run(char **args, int *status)
{
    const ish_kernel_config config = {.size = sizeof config,
                                      .root_kind = root.kind,
                                      .root_path = root.path,
                                      .log_channels = "error,warn,fs",
                                      .log = show_line};
    ish_kernel *kernel;
    int err = ish_kernel_create(&config, &kernel);
    if (err)
        return err;
    const char *envp[] = {NULL};
    const ish_spawn spawn = {.size = sizeof spawn,
                             .path = "/bin/program",
                             .argv = (const char *const *)args,
                             .envp = envp,
                             .cwd = "/tmp",
                             .descriptors = {0, 1, 2}};
    ish_process *process;
    err = ish_process_start(kernel, &spawn, &process);
    if (!err) {
        err = ish_process_wait(process, status);
        ish_process_release(process);
    }
    ish_kernel_destroy(kernel);
    return err;
}

static char place[] = "/tmp/ish-no-memory-XXXXXX";

static bool make_root(const char *program, const char *fakefsify)
{
    char command[1024];
    if (!mkdtemp(place))
        return false;
    snprintf(command, sizeof command,
             "mkdir %s/root && cp '%s' %s/root/program && cd %s/root && "
             "mkdir bin dev proc sys tmp etc && mv program bin && chmod 755 . bin/program",
             place, program, place, place);
    if (system(command))
        return false;
    root.kind = fakefsify ? ISH_ROOT_FAKEFS : ISH_ROOT_HOST;
    snprintf(root.path, sizeof root.path, "%s/%s", place, fakefsify ? "fakefs" : "root");
    if (fakefsify)
        snprintf(command, sizeof command, "tar -C %s/root -cf %s/tar . && %s %s/tar %s 2>/dev/null",
                 place, place, fakefsify, place, root.path);
    return !fakefsify || system(command) == 0;
}

static bool remove_root(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", place);
    return system(command) == 0;
}

// --- Machines that cannot be made ----------------------------------------------------------------

// Makes one, runs a program in it and ends it, without memory from request `first` on.
static bool try_machine(struct tap *tap, char **args, long first, long count)
{
    long before = atomic_load(&state.live);
    int status = 0;
    arm(first, count, NO_MEMORY_ALL);
    int err = run(args, &status);
    atomic_store(&state.armed, false);
    bool killed = !err && (status == 0 || (status & 0x7f) == 9 || (status & 0x7f) == 11 ||
                           status == 127 << 8); // the program, its loader or its library
    if (!killed && err != -LINUX_ENOMEM && err != -LINUX_EAGAIN) {
        printf("# %ld from %ld: error %d, status %#x\n", count, first, err, (unsigned)status);
        CHECK(tap, false, "a machine is refused for want of memory and nothing else");
    }
    if (atomic_load(&state.live) != before) {
        printf("# %ld from %ld: %ld left\n", count, first, atomic_load(&state.live) - before);
        CHECK(tap, false, "a machine that could not be made leaves nothing");
    }
    return atomic_load(&state.refused) > 0;
}

static int sweep_machines(char **args)
{
    struct tap tap = {0, 0};
    long first;
    for (first = 0; try_machine(&tap, args, first, 1); first++)
        ;
    CHECK(&tap, first > 100, "each request of a machine was refused once");
    for (first = 0; try_machine(&tap, args, first, LONG_MAX); first++)
        ;
    CHECK(&tap, first > 100, "and with it all that came later");
    CHECK(&tap, !tap.failed && run(args, &(int){0}) == 0, "and one more can be made");
    return tap_finish(&tap);
}

// --- A guest that sweeps -------------------------------------------------------------------------

static int run_guest(char **args)
{
    int status = -1;
    long before = atomic_load(&state.live);
    int err = run(args, &status);
    long left = atomic_load(&state.live) - before;
    fprintf(stderr, "# error %d, status %#x, %ld allocations left\n", err, (unsigned)status, left);
    return err || status || left;
}

int main(int argc, char **argv)
{
    const char *fakefsify = NULL;
    bool machines = false;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (!strcmp(argv[at], "--trace"))
            state.trace = true;
        else if (!strcmp(argv[at], "--machines"))
            machines = true;
        else if (!strcmp(argv[at], "--fakefs") && at + 1 < argc)
            fakefsify = argv[++at];
    }
    if (at >= argc || !make_root(argv[at], fakefsify))
        return 1;
    // The process keeps something for good when it runs its first machine.
    char *first[] = {argv[at], "--exec", NULL};
    int status = -1;
    int failed = run(first, &status) || status;
    if (!failed)
        failed = machines ? sweep_machines(first) : run_guest(argv + at);
    return remove_root() ? failed : 1;
}
