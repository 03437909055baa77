#include "platform/host_fault.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include "platform/host_errno.h"
#include "platform/host_mem.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

// Windows, readable from a signal handler: slots are claimed under `mutex`, published by `size` and
// never move (blocks are only added). A reader that sees a size has the start that goes with it,
// because removal clears size first and a slot is reused only under the mutex.
enum { BLOCK_SLOTS = 1022 };
struct window_block {
    _Atomic(struct window_block *) next;
    unsigned used_hint; // guarded by mutex: no free slot below it
    struct {
        _Atomic uintptr_t start;
        _Atomic size_t size;
    } slot[BLOCK_SLOTS];
};

static struct {
    pthread_mutex_t mutex; // a plain host mutex: this state outlives every kernel instance
    unsigned refs;
    struct sigaction old_bus, old_segv;
    _Atomic(struct window_block *) blocks;
} hook = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct host_fault_thread *current;

static bool in_window(uintptr_t addr)
{
    struct window_block *b = atomic_load_explicit(&hook.blocks, memory_order_acquire);
    for (; b; b = atomic_load_explicit(&b->next, memory_order_acquire)) {
        for (unsigned i = 0; i < BLOCK_SLOTS; i++) {
            size_t size = atomic_load_explicit(&b->slot[i].size, memory_order_acquire);
            uintptr_t start = atomic_load_explicit(&b->slot[i].start, memory_order_relaxed);
            if (size && addr - start < size)
                return true;
        }
    }
    return false;
}

// Gives the signal to whoever had it before us, as the host would have.
static void pass_on(int sig, siginfo_t *info, void *context)
{
    struct sigaction *old = sig == SIGBUS ? &hook.old_bus : &hook.old_segv;
    bool sent = info->si_code <= 0; // by kill(2) and its like: no instruction faults
    bool info_handler = old->sa_flags & SA_SIGINFO;
    bool handler = info_handler || (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN);
    if (handler && old->sa_flags & SA_RESETHAND)
        signal(sig, SIG_DFL);
    if (info_handler) {
        old->sa_sigaction(sig, info, context);
    } else if (handler) {
        old->sa_handler(sig);
    } else if (!sent) {
        // The instruction faults again on return and takes the default action.
        sigaction(sig, old, NULL);
    } else if (old->sa_handler == SIG_DFL) {
        signal(sig, SIG_DFL);
        raise(sig); // comes when this handler returns
    }
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    uintptr_t addr = (uintptr_t)info->si_addr;
    if (sig == SIGBUS && current && in_window(addr)) {
        size_t page = host_page_size();
        void *hole = (void *)(addr & ~(uintptr_t)(page - 1));
        if (mmap(hole, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                 0) != MAP_FAILED) {
            atomic_store_explicit(&current->host_addr, addr, memory_order_relaxed);
            atomic_store_explicit(&current->hit, true, memory_order_release);
            if (current->poke)
                atomic_store_explicit(current->poke, 1, memory_order_seq_cst);
            errno = saved_errno;
            return;
        }
    }
    errno = saved_errno;
    pass_on(sig, info, context);
}

int host_fault_acquire(void)
{
    int err = 0;
    pthread_mutex_lock(&hook.mutex);
    if (hook.refs == 0) {
        struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
        sa.sa_sigaction = on_fault;
        sigemptyset(&sa.sa_mask);
        if (sigaction(SIGBUS, &sa, &hook.old_bus))
            err = errno_to_linux(errno);
        else if (sigaction(SIGSEGV, &sa, &hook.old_segv)) {
            err = errno_to_linux(errno);
            sigaction(SIGBUS, &hook.old_bus, NULL);
        }
    }
    if (!err)
        hook.refs++;
    pthread_mutex_unlock(&hook.mutex);
    return err;
}

void host_fault_release(void)
{
    pthread_mutex_lock(&hook.mutex);
    ISH_ASSERT(hook.refs > 0);
    if (--hook.refs == 0) {
        sigaction(SIGBUS, &hook.old_bus, NULL);
        sigaction(SIGSEGV, &hook.old_segv, NULL);
    }
    pthread_mutex_unlock(&hook.mutex);
}

static bool claim_slot(struct window_block *b, void *addr, size_t size)
{
    for (unsigned i = b->used_hint; i < BLOCK_SLOTS; i++) {
        if (atomic_load_explicit(&b->slot[i].size, memory_order_relaxed))
            continue;
        atomic_store_explicit(&b->slot[i].start, (uintptr_t)addr, memory_order_relaxed);
        atomic_store_explicit(&b->slot[i].size, size, memory_order_release);
        b->used_hint = i + 1;
        return true;
    }
    b->used_hint = BLOCK_SLOTS;
    return false;
}

int host_fault_add_window(void *addr, size_t size)
{
    int err = 0;
    pthread_mutex_lock(&hook.mutex);
    struct window_block *b = atomic_load_explicit(&hook.blocks, memory_order_relaxed);
    while (b && !claim_slot(b, addr, size))
        b = atomic_load_explicit(&b->next, memory_order_relaxed);
    if (!b) {
        b = calloc(1, sizeof *b);
        if (b) {
            (void)claim_slot(b, addr, size);
            atomic_store_explicit(&b->next,
                                  atomic_load_explicit(&hook.blocks, memory_order_relaxed),
                                  memory_order_relaxed);
            atomic_store_explicit(&hook.blocks, b, memory_order_release);
        } else {
            err = -LINUX_ENOMEM;
        }
    }
    pthread_mutex_unlock(&hook.mutex);
    return err;
}

void host_fault_remove_window(void *addr, size_t size)
{
    pthread_mutex_lock(&hook.mutex);
    struct window_block *b = atomic_load_explicit(&hook.blocks, memory_order_relaxed);
    for (; b; b = atomic_load_explicit(&b->next, memory_order_relaxed)) {
        for (unsigned i = 0; i < BLOCK_SLOTS; i++) {
            if (atomic_load_explicit(&b->slot[i].start, memory_order_relaxed) != (uintptr_t)addr ||
                atomic_load_explicit(&b->slot[i].size, memory_order_relaxed) != size)
                continue;
            atomic_store_explicit(&b->slot[i].size, 0, memory_order_release);
            if (i < b->used_hint)
                b->used_hint = i;
            pthread_mutex_unlock(&hook.mutex);
            return;
        }
    }
    pthread_mutex_unlock(&hook.mutex);
    assert_fail(__FILE__, __LINE__, "window is registered");
}

struct host_fault_thread *host_fault_this_thread(void)
{
    return current;
}

void host_fault_set_thread(struct host_fault_thread *thread)
{
    current = thread;
}
