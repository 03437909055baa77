#include "tests/unit/code_stub.h"
#include "emu/code.h"
#include "platform/abi/linux_errno.h"
#include "platform/lock.h"
#include <stdlib.h>

enum { STUB_FRAMES = 64 };
struct code_space {
    _Atomic uint32_t refs, users;
    struct lock lock;
    struct frame *frames[STUB_FRAMES];
};
struct thread_code {
    unsigned flushes;
};

int code_space_create(struct code_space **out)
{
    struct code_space *cs = calloc(1, sizeof *cs);
    if (!cs)
        return -LINUX_ENOMEM;
    atomic_store(&cs->refs, 1);
    atomic_store(&cs->users, 1);
    lock_init(&cs->lock, LOCK_RANK_CODE);
    *out = cs;
    return 0;
}

struct code_space *code_space_get(struct code_space *cs)
{
    atomic_fetch_add(&cs->users, 1);
    return code_space_pin(cs);
}

struct code_space *code_space_pin(struct code_space *cs)
{
    atomic_fetch_add(&cs->refs, 1);
    return cs;
}

void code_space_put(struct code_space *cs)
{
    atomic_fetch_sub(&cs->users, 1);
    code_space_unpin(cs);
}

void code_space_unpin(struct code_space *cs)
{
    if (atomic_fetch_sub(&cs->refs, 1) != 1)
        return;
    code_space_drop_all(cs);
    lock_destroy(&cs->lock);
    free(cs);
}

bool code_space_is_shared(const struct code_space *cs)
{
    return atomic_load(&cs->users) > 1;
}

void code_stub_translate(struct cpu *cpu, struct frame *frame)
{
    struct code_space *cs = cpu->space;
    lock_acquire(&cs->lock);
    for (unsigned i = 0; i < STUB_FRAMES; i++) {
        if (cs->frames[i])
            continue;
        cs->frames[i] = frame_get(frame);
        atomic_fetch_add(&frame->code_blocks, 1);
        break;
    }
    lock_release(&cs->lock);
}

bool code_space_drop_frame(struct code_space *cs, struct frame *frame)
{
    bool any = false;
    lock_acquire(&cs->lock);
    for (unsigned i = 0; i < STUB_FRAMES; i++) {
        if (cs->frames[i] != frame)
            continue;
        cs->frames[i] = NULL;
        atomic_fetch_sub(&frame->code_blocks, 1);
        frame_put(frame);
        any = true;
    }
    lock_release(&cs->lock);
    return any;
}

void code_space_drop_all(struct code_space *cs)
{
    for (unsigned i = 0; i < STUB_FRAMES; i++)
        if (cs->frames[i])
            (void)code_space_drop_frame(cs, cs->frames[i]);
}

struct code_garbage *code_space_collect(struct code_space *cs)
{
    (void)cs;
    return NULL;
}

void code_space_free_garbage(struct code_space *cs, struct code_garbage *garbage)
{
    (void)cs, (void)garbage;
}

int thread_code_create(struct thread_code **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : -LINUX_ENOMEM;
}

void thread_code_destroy(struct thread_code *tc)
{
    free(tc);
}

void thread_code_flush(struct thread_code *tc)
{
    tc->flushes++;
}

unsigned code_stub_flushes(const struct cpu *cpu)
{
    return cpu->code->flushes;
}
