// System V semaphores: operations and the adjustments that are undone at exit.
#include "kernel/ipc/sem.h"
#include "kernel/kernel.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/timeout.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

// --- Sets ----------------------------------------------------------------------------------------

static void undo_free(struct sem_undo *u)
{
    list_remove(&u->set_link);
    list_remove(&u->list_link);
    free(u);
}

static void set_destroy(struct ipc_object *o)
{
    struct sem_set *set = sem_set_of(o);
    while (!list_empty(&set->undos))
        undo_free(list_first(&set->undos, struct sem_undo, set_link));
    wait_queue_destroy(&o->queue);
    free(set);
}

void semaphores_init(struct ipc_table *table)
{
    table->limit = SEM_SETS_MAX;
    table->destroy = set_destroy;
}

static int set_check(struct ipc_object *o, const void *args)
{
    const int32_t *count = args;
    return *count > CONTAINER_OF(o, struct sem_set, base)->count ? -LINUX_EINVAL : 0;
}

static int set_make(struct task *task, const void *args, struct ipc_object **out)
{
    (void)task;
    const int32_t *count = args;
    if (!*count)
        return -LINUX_EINVAL;
    struct sem_set *set = calloc(1, sizeof *set + (size_t)*count * sizeof set->sems[0]);
    if (!set)
        return -LINUX_ENOMEM;
    list_init(&set->undos);
    set->count = *count;
    set->change_time = ipc_now();
    *out = &set->base;
    return 0;
}

int64_t sys_semget(struct task *task, int32_t key, int32_t nsems, uint32_t flags)
{
    const struct ipc_get get = {.task = task,
                                .key = key,
                                .flags = flags,
                                .args = &nsems,
                                .check = set_check,
                                .make = set_make};
    if (nsems < 0 || nsems > SEMS_MAX)
        return -LINUX_EINVAL;
    return ipc_get(&task_ipc(task)->semaphores, &get);
}

// --- Undo ----------------------------------------------------------------------------------------

static struct sem_undo_list *undo_list_of(struct task *task)
{
    if (task->sem_undo)
        return task->sem_undo;
    struct sem_undo_list *list = malloc(sizeof *list);
    if (!list)
        return NULL;
    atomic_init(&list->refs, 1);
    list->ipc = ipc_get_ns(task_ipc(task));
    list_init(&list->undos);
    task->sem_undo = list;
    return list;
}

int sem_undo_share(struct task *parent, struct task *child)
{
    struct sem_undo_list *list = undo_list_of(parent);
    if (!list)
        return -LINUX_ENOMEM;
    atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed);
    child->sem_undo = list;
    return 0;
}

// The lock is held.
static void undo_apply(struct task *task, struct sem_undo *u)
{
    struct sem_set *set = u->set;
    for (int32_t i = 0; i < set->count; i++) {
        if (!u->adjust[i])
            continue;
        int32_t value = set->sems[i].value + u->adjust[i];
        set->sems[i].value = value < 0 ? 0 : value > SEM_VALUE_MAX ? SEM_VALUE_MAX : value;
        set->sems[i].pid = task->tgid;
    }
    set->operation_time = ipc_now();
    wait_queue_wake(&set->base.queue, 0, false);
}

void sem_undo_leave(struct task *task)
{
    struct sem_undo_list *list = task->sem_undo;
    task->sem_undo = NULL;
    if (!list || atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct ipc *ipc = list->ipc;
    lock_acquire(&ipc->lock);
    while (!list_empty(&list->undos)) {
        struct sem_undo *u = list_first(&list->undos, struct sem_undo, list_link);
        undo_apply(task, u);
        undo_free(u);
    }
    lock_release(&ipc->lock);
    ipc_put_ns(ipc);
    free(list);
}

// The adjustments of a list for a set, made if need be.
static struct sem_undo *undo_find(struct sem_undo_list *list, struct sem_set *set)
{
    struct sem_undo *u;
    list_for_each (u, &list->undos, list_link)
        if (u->set == set)
            return u;
    u = calloc(1, sizeof *u + (size_t)set->count * sizeof u->adjust[0]);
    if (!u)
        return NULL;
    u->set = set;
    list_add_tail(&set->undos, &u->set_link);
    list_add_tail(&list->undos, &u->list_link);
    return u;
}

// --- Operations ----------------------------------------------------------------------------------

// One semop call.
struct operation {
    struct task *task;
    struct linux_sembuf *ops;
    uint32_t count;
    bool alters, undoes;
    uint16_t highest;
    uint32_t blocker; // the operation that must wait
    uint64_t deadline;
};

// Whether adding `by` to the adjustment of a semaphore keeps it in range.
static bool undo_fits(const struct sem_undo *u, const struct linux_sembuf *op)
{
    int32_t adjust = u->adjust[op->num] - op->op;
    return adjust >= -SEM_VALUE_MAX - 1 && adjust <= SEM_VALUE_MAX;
}

// Takes back the first `n` operations.
static void take_back(struct sem_set *set, struct sem_undo *u, const struct operation *o,
                      uint32_t n)
{
    while (n-- > 0) {
        const struct linux_sembuf *op = &o->ops[n];
        set->sems[op->num].value -= op->op;
        if (op->flags & LINUX_SEM_UNDO)
            u->adjust[op->num] = (int16_t)(u->adjust[op->num] + op->op);
    }
}

// All of the operations or none. -LINUX_EAGAIN: o->blocker must wait. -LINUX_ERANGE.
static int try_all(struct sem_set *set, struct sem_undo *u, struct operation *o)
{
    int err = 0;
    uint32_t i;
    for (i = 0; i < o->count; i++) {
        const struct linux_sembuf *op = &o->ops[i];
        struct semaphore *sem = &set->sems[op->num];
        int32_t value = sem->value + op->op;
        bool undo = op->flags & LINUX_SEM_UNDO;
        if ((op->op == 0 && sem->value != 0) || value < 0)
            err = -LINUX_EAGAIN;
        else if (value > SEM_VALUE_MAX || (undo && !undo_fits(u, op)))
            err = -LINUX_ERANGE;
        if (err)
            break;
        sem->value = value;
        if (undo)
            u->adjust[op->num] = (int16_t)(u->adjust[op->num] - op->op);
    }
    if (err) {
        o->blocker = i;
        take_back(set, u, o, i);
        return err;
    }
    for (i = 0; i < o->count; i++)
        set->sems[o->ops[i].num].pid = o->task->tgid;
    set->operation_time = ipc_now();
    return 0;
}

// Sleeps until the set changes; the lock is given up meanwhile.
static int set_wait(struct sem_set *set, const struct operation *o) NO_TSA
{
    struct ipc *ipc = task_ipc(o->task);
    const struct linux_sembuf *op = &o->ops[o->blocker];
    struct semaphore *sem = &set->sems[op->num];
    uint32_t *waiting = op->op ? &sem->increase_waiters : &sem->zero_waiters;
    struct task_waiter w;
    ipc_hold(&set->base);
    ++*waiting;
    task_waiter_add(&w, o->task, &set->base.queue, 0);
    lock_release(&ipc->lock);
    int err = task_wait(o->task, o->deadline, WAIT_INTERRUPTIBLE);
    task_waiter_remove(&w);
    lock_acquire(&ipc->lock);
    --*waiting;
    if (set->base.removed)
        err = -LINUX_EIDRM;
    ipc_drop(&ipc->semaphores, &set->base);
    return err == -LINUX_ETIMEDOUT ? -LINUX_EAGAIN : err;
}

static int operate_locked(struct operation *o, int32_t id)
{
    struct ipc_object *object = ipc_find(&task_ipc(o->task)->semaphores, id);
    if (!object)
        return -LINUX_EINVAL;
    struct sem_set *set = sem_set_of(object);
    if (o->highest >= set->count)
        return -LINUX_EFBIG;
    int err = ipc_access(o->task, object, o->alters ? 0222 : 0444);
    for (;;) {
        // Looked up anew each time: removing the set frees it.
        struct sem_undo *u = err || !o->undoes ? NULL : undo_find(o->task->sem_undo, set);
        if (!err && o->undoes && !u)
            err = -LINUX_ENOMEM;
        if (err)
            return err;
        err = try_all(set, u, o);
        if (err != -LINUX_EAGAIN || o->ops[o->blocker].flags & LINUX_IPC_NOWAIT)
            break;
        err = set_wait(set, o);
    }
    if (!err && o->alters)
        wait_queue_wake(&object->queue, 0, false);
    return err;
}

static int64_t operate(struct task *task, int32_t id, uaddr_t sops, uint32_t count,
                       uint64_t deadline)
{
    struct operation o = {.task = task, .count = count, .deadline = deadline};
    struct ipc *ipc = task_ipc(task);
    size_t size = count * sizeof *o.ops;
    o.ops = malloc(size);
    int err = o.ops ? user_read(task, sops, o.ops, size) : -LINUX_ENOMEM;
    for (uint32_t i = 0; !err && i < count; i++) {
        o.alters |= o.ops[i].op != 0;
        o.undoes |= o.ops[i].op != 0 && o.ops[i].flags & LINUX_SEM_UNDO;
        if (!o.ops[i].op)
            o.ops[i].flags &= ~LINUX_SEM_UNDO; // nothing to undo
        if (o.ops[i].num > o.highest)
            o.highest = o.ops[i].num;
    }
    if (!err && o.undoes && !undo_list_of(task))
        err = -LINUX_ENOMEM;
    if (!err) {
        lock_acquire(&ipc->lock);
        err = operate_locked(&o, id);
        lock_release(&ipc->lock);
    }
    free(o.ops);
    return err;
}

int64_t sys_semtimedop(struct task *task, int32_t id, uaddr_t sops, uint32_t nsops, uaddr_t timeout)
{
    uint64_t deadline;
    int err = timeout_get(task, timeout, &deadline);
    if (err == -LINUX_EFAULT)
        return err;
    if (nsops < 1 || id < 0)
        return -LINUX_EINVAL;
    if (nsops > SEM_OPERATIONS_MAX)
        return -LINUX_E2BIG;
    return err ? err : operate(task, id, sops, nsops, deadline);
}

int64_t sys_semop(struct task *task, int32_t id, uaddr_t sops, uint32_t nsops)
{
    return sys_semtimedop(task, id, sops, nsops, 0);
}
