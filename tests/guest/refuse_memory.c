// Put before the C library and the frames of an ish made for tests: a guest says which allocation
// of its next system call is to be refused, by a call whose number Linux does not have. So every
// place that can run out of memory is one that a guest test can reach (no_memory.h). Allocations
// outside of that call, and those of other threads, are not touched.
#include "kernel/syscall.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include "platform/frame.h"
#include "tests/guest/no_memory.h"
#include <errno.h>
#include <stdlib.h>

static _Thread_local uint64_t asked; // which one of the next call; 0: none
static _Thread_local uint64_t left;  // until the one to refuse, in a call
static _Thread_local bool refused;

static bool refuse(void)
{
    if (!left || --left)
        return false;
    refused = true;
    errno = ENOMEM;
    return true;
}

#define WRAP(type, name, args, call)                                                               \
    type __real_##name args;                                                                       \
    type __wrap_##name args;                                                                       \
    type __wrap_##name args                                                                        \
    {                                                                                              \
        return refuse() ? 0 : __real_##name call;                                                  \
    }
WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(char *, strdup, (const char *text), (text))
WRAP(char *, strndup, (const char *text, size_t size), (text, size))

#define WRAP_FRAME(name)                                                                           \
    int __real_##name(struct frame_pool *pool, struct frame **out);                                \
    int __wrap_##name(struct frame_pool *pool, struct frame **out);                                \
    int __wrap_##name(struct frame_pool *pool, struct frame **out)                                 \
    {                                                                                              \
        return refuse() ? -LINUX_ENOMEM : __real_##name(pool, out);                                \
    }
WRAP_FRAME(frame_alloc)
WRAP_FRAME(frame_alloc_uninit)

void __real_syscall_dispatch(struct task *task);
void __wrap_syscall_dispatch(struct task *task);
void __wrap_syscall_dispatch(struct task *task)
{
    uint64_t *x = task->cpu.x;
    if (x[8] == REFUSE_MEMORY) {
        asked = x[0];
        x[0] = refused;
        refused = false;
        return;
    }
    left = asked;
    asked = 0;
    __real_syscall_dispatch(task);
    left = 0;
}
