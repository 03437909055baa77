// Runs a guest program on a host that refuses memory when the guest says so:
//
//     no_memory [--trace] PROGRAM [argument ...]
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
#include <errno.h>
#include <execinfo.h>
#include <ish/ish.h>
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
        state.first = (long)a;
        state.count = (long)b;
        state.kinds = (unsigned)c;
        atomic_store(&state.seen, 0);
        atomic_store(&state.refused, 0);
        atomic_store(&state.armed, true);
        return 0;
    case NO_MEMORY_DISARM:
        atomic_store(&state.armed, false);
        return atomic_load(&state.refused);
    default:
        return __real_sys_prctl(task, option, a, b, c, d);
    }
}

// --- The machine ---------------------------------------------------------------------------------

static int run(const char *root, char **args, int *status)
{
    const ish_kernel_config config = {
        .size = sizeof config, .root_kind = ISH_ROOT_HOST, .root_path = root};
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

static bool make_root(char *root, const char *program)
{
    char command[1024];
    if (!mkdtemp(root))
        return false;
    snprintf(command, sizeof command,
             "cp '%s' %s/program && cd %s && mkdir bin dev proc sys tmp etc && mv program bin && "
             "chmod 755 . bin/program",
             program, root, root);
    return system(command) == 0;
}

int main(int argc, char **argv)
{
    char root[] = "/tmp/ish-no-memory-XXXXXX", command[64];
    int at = 1, status = -1;
    if (at < argc && !strcmp(argv[at], "--trace"))
        state.trace = at++;
    if (at >= argc || !make_root(root, argv[at]))
        return 1;
    // The process keeps something for good when it runs its first machine.
    char *first[] = {argv[at], "--exec", NULL};
    int err = run(root, first, &status);
    long before = atomic_load(&state.live);
    if (!err && !status)
        err = run(root, argv + at, &status);
    long left = atomic_load(&state.live) - before;
    snprintf(command, sizeof command, "rm -rf %s", root);
    if (system(command))
        return 1;
    fprintf(stderr, "# error %d, status %#x, %ld allocations left\n", err, (unsigned)status, left);
    return err || status || left;
}
