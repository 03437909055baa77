// Semaphore sets, for operations (sem.c) and control (semctl.c). Layer 4. Guarded by ipc->lock.
#ifndef KERNEL_IPC_SEM_H
#define KERNEL_IPC_SEM_H

#include "kernel/ipc/ipc.h"
#include "platform/base/list.h"
#include <stdatomic.h>

enum {
    SEMS_MAX = 32000, // in a set: kernel.sem
    SEM_OPERATIONS_MAX = 500,
    SEM_SETS_MAX = 32000,
    SEM_VALUE_MAX = 32767,
};

struct semaphore {
    int32_t value, pid; // pid: of the last operation
    uint32_t increase_waiters, zero_waiters;
};

struct sem_set {
    struct ipc_object base;
    struct list undos; // struct sem_undo
    int64_t operation_time, change_time;
    int32_t count;
    struct semaphore sems[];
};

// What the end of the tasks that share a list adds to the semaphores of one set.
struct sem_undo {
    struct list set_link, list_link;
    struct sem_set *set;
    int16_t adjust[];
};
struct sem_undo_list {
    _Atomic uint32_t refs; // tasks
    struct ipc *ipc;       // referenced
    struct list undos;
};

static inline struct sem_set *sem_set_of(struct ipc_object *o)
{
    return CONTAINER_OF(o, struct sem_set, base);
}

#endif
