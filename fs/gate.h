// A mutex that may be held while guest memory is touched. Layer 3.
//
// A transfer to or from guest memory may take a page fault, which takes locks ranked below those of
// files; so what serialises transfers (the position of an open file, writers of one file) cannot be
// a ranked lock. A gate is outermost: taken with no lock held; pos_gate of a file before the write
// gate of its inode. Page faults never take one.
#ifndef FS_GATE_H
#define FS_GATE_H

#include "platform/lock.h"
#include <stdbool.h>

struct gate {
    struct lock lock;
    struct cond opened;
    bool closed; // guarded by lock
};

static inline void gate_init(struct gate *g)
{
    lock_init(&g->lock, LOCK_RANK_FILE);
    cond_init(&g->opened);
    g->closed = false;
}

static inline void gate_destroy(struct gate *g)
{
    cond_destroy(&g->opened);
    lock_destroy(&g->lock);
}

static inline void gate_enter(struct gate *g)
{
    lock_acquire(&g->lock);
    while (g->closed)
        cond_wait(&g->opened, &g->lock, COND_FOREVER);
    g->closed = true;
    lock_release(&g->lock);
}

static inline void gate_leave(struct gate *g)
{
    lock_acquire(&g->lock);
    g->closed = false;
    cond_signal(&g->opened);
    lock_release(&g->lock);
}

#endif
