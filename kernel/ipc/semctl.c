// semctl(2).
#include "kernel/ipc/sem.h"
#include "kernel/kernel.h"
#include "kernel/pid_ns.h"
#include "kernel/proc/node.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include <inttypes.h>
#include <stdlib.h>

static int64_t set_info(struct task *task, int32_t cmd, uaddr_t buf)
{
    enum { UNDO_SIZE = 20 };
    struct ipc_table *table = &task_ipc(task)->semaphores;
    struct linux_seminfo info = {.map = SEM_SETS_MAX * SEMS_MAX,
                                 .mni = SEM_SETS_MAX,
                                 .mns = SEM_SETS_MAX * SEMS_MAX,
                                 .mnu = SEM_SETS_MAX * SEMS_MAX,
                                 .msl = SEMS_MAX,
                                 .opm = SEM_OPERATIONS_MAX,
                                 .ume = SEM_OPERATIONS_MAX,
                                 .usz = UNDO_SIZE,
                                 .vmx = SEM_VALUE_MAX,
                                 .aem = SEM_VALUE_MAX};
    lock_acquire(&task_ipc(task)->lock);
    int32_t highest = ipc_highest_index(table);
    if (cmd == LINUX_SEM_INFO) {
        info.usz = (int32_t)table->count;
        info.aem = 0;
        for (uint32_t i = 0; i < table->room; i++)
            if (table->slots[i])
                info.aem += sem_set_of(table->slots[i])->count;
    }
    lock_release(&task_ipc(task)->lock);
    int err = user_put(task, buf, &info);
    return err ? err : highest;
}

static int64_t set_stat(struct task *task, int32_t id, int32_t cmd, uaddr_t buf)
{
    struct ipc *ipc = task_ipc(task);
    struct linux_semid_ds ds = {.unused = {0}};
    lock_acquire(&ipc->lock);
    struct ipc_object *o;
    int64_t result = ipc_stat_find(task, &ipc->semaphores, id, cmd != LINUX_IPC_STAT,
                                   cmd == LINUX_SEM_STAT_ANY, &o);
    if (result >= 0) {
        const struct sem_set *set = sem_set_of(o);
        ipc_perm_get(task, o, &ds.perm);
        ds.otime = set->operation_time;
        ds.ctime = set->change_time;
        ds.nsems = (uint64_t)set->count;
    }
    lock_release(&ipc->lock);
    if (result < 0)
        return result;
    int err = user_put(task, buf, &ds);
    return err ? err : result;
}

// A set with rights `mode`, or an error. The lock is held.
static int find_set(struct task *task, int32_t id, uint32_t mode, struct sem_set **out)
{
    struct ipc_object *o = ipc_find(&task_ipc(task)->semaphores, id);
    int err = o ? ipc_access(task, o, mode) : -LINUX_EINVAL;
    if (!err)
        *out = sem_set_of(o);
    return err;
}

static int64_t ask_one(const struct semaphore *sem, int32_t cmd)
{
    switch (cmd) {
    case LINUX_SEM_GETVAL:
        return sem->value;
    case LINUX_SEM_GETPID:
        return sem->pid;
    case LINUX_SEM_GETNCNT:
        return sem->increase_waiters;
    default:
        return sem->zero_waiters;
    }
}

// A value that was set is not undone.
static void set_value(struct task *task, struct sem_set *set, int32_t n, int32_t value)
{
    struct sem_undo *u;
    set->sems[n].value = value;
    set->sems[n].pid = task->tgid;
    list_for_each (u, &set->undos, set_link)
        u->adjust[n] = 0;
}

static void values_changed(struct sem_set *set)
{
    set->change_time = ipc_now();
    wait_queue_wake(&set->base.queue, 0, false);
}

// GETVAL, GETPID, GETNCNT, GETZCNT, SETVAL.
static int64_t one_value(struct task *task, int32_t id, int32_t n, int32_t cmd, int32_t value)
{
    bool set_it = cmd == LINUX_SEM_SETVAL;
    struct sem_set *set;
    if (set_it && (value < 0 || value > SEM_VALUE_MAX))
        return -LINUX_ERANGE;
    lock_acquire(&task_ipc(task)->lock);
    // Linux looks at the number first when it sets, and at the rights first when it tells.
    int64_t result = find_set(task, id, 0, &set);
    if (!result && set_it && (n < 0 || n >= set->count))
        result = -LINUX_EINVAL;
    if (!result)
        result = ipc_access(task, &set->base, set_it ? 0222 : 0444);
    if (!result && (n < 0 || n >= set->count))
        result = -LINUX_EINVAL;
    if (!result && set_it) {
        set_value(task, set, n, value);
        values_changed(set);
    } else if (!result) {
        result = ask_one(&set->sems[n], cmd);
    }
    lock_release(&task_ipc(task)->lock);
    return cmd == LINUX_SEM_GETPID && result > 0 ? pid_seen(task, (int32_t)result) : result;
}

// The number of semaphores of a set, which never changes.
static int64_t count_of(struct task *task, int32_t id, uint32_t mode)
{
    struct sem_set *set;
    lock_acquire(&task_ipc(task)->lock);
    int64_t count = find_set(task, id, mode, &set);
    if (!count)
        count = set->count;
    lock_release(&task_ipc(task)->lock);
    return count;
}

// GETALL, SETALL.
static int64_t all_values(struct task *task, int32_t id, int32_t cmd, uaddr_t array)
{
    bool set_them = cmd == LINUX_SEM_SETALL;
    const uint32_t mode = set_them ? 0222 : 0444;
    struct sem_set *set;
    int64_t count = count_of(task, id, mode);
    if (count < 0)
        return count;
    size_t size = (size_t)count * sizeof(uint16_t);
    uint16_t *values = malloc(size);
    if (!values)
        return -LINUX_ENOMEM;
    int err = set_them ? user_read(task, array, values, size) : 0;
    for (int64_t i = 0; !err && set_them && i < count; i++)
        if (values[i] > SEM_VALUE_MAX)
            err = -LINUX_ERANGE;
    lock_acquire(&task_ipc(task)->lock);
    if (!err && find_set(task, id, mode, &set))
        err = -LINUX_EIDRM;
    for (int32_t i = 0; !err && i < count; i++) {
        if (set_them)
            set_value(task, set, i, values[i]);
        else
            values[i] = (uint16_t)set->sems[i].value;
    }
    if (!err && set_them)
        values_changed(set);
    lock_release(&task_ipc(task)->lock);
    if (!err && !set_them)
        err = user_write(task, array, values, size);
    free(values);
    return err;
}

static int64_t set_control(struct task *task, int32_t id, int32_t cmd, uaddr_t buf)
{
    struct ipc *ipc = task_ipc(task);
    struct linux_semid_ds ds;
    int err = cmd == LINUX_IPC_SET ? user_get(task, buf, &ds) : 0;
    if (err)
        return err;
    lock_acquire(&ipc->lock);
    struct ipc_object *o = ipc_find(&ipc->semaphores, id);
    err = o ? ipc_control(task, o) : -LINUX_EINVAL;
    if (!err && cmd == LINUX_IPC_SET) {
        err = ipc_perm_set(task, o, &ds.perm);
        if (!err)
            sem_set_of(o)->change_time = ipc_now();
    } else if (!err) {
        ipc_remove(&ipc->semaphores, o);
    }
    lock_release(&ipc->lock);
    return err;
}

int64_t sys_semctl(struct task *task, int32_t id, int32_t semnum, int32_t cmd, uint64_t arg)
{
    if (id < 0)
        return -LINUX_EINVAL;
    switch (cmd) {
    case LINUX_IPC_INFO:
    case LINUX_SEM_INFO:
        return set_info(task, cmd, arg);
    case LINUX_IPC_STAT:
    case LINUX_SEM_STAT:
    case LINUX_SEM_STAT_ANY:
        return set_stat(task, id, cmd, arg);
    case LINUX_SEM_GETVAL:
    case LINUX_SEM_GETPID:
    case LINUX_SEM_GETNCNT:
    case LINUX_SEM_GETZCNT:
    case LINUX_SEM_SETVAL:
        return one_value(task, id, semnum, cmd, (int32_t)(uint32_t)arg);
    case LINUX_SEM_GETALL:
    case LINUX_SEM_SETALL:
        return all_values(task, id, cmd, arg);
    case LINUX_IPC_SET:
    case LINUX_IPC_RMID:
        return set_control(task, id, cmd, arg);
    default:
        return -LINUX_EINVAL;
    }
}

// --- /proc/sysvipc/sem ---------------------------------------------------------------------------

int proc_show_semaphores(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node;
    proc_printf(t, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      "
                   "ctime\n");
    struct ipc *ipc = reader ? task_ipc(reader) : NULL;
    if (!ipc)
        return 0;
    lock_acquire(&ipc->lock);
    for (uint32_t i = 0; i < ipc->semaphores.room; i++) {
        if (!ipc->semaphores.slots[i])
            continue;
        const struct sem_set *s = sem_set_of(ipc->semaphores.slots[i]);
        proc_printf(t, "%10d %10d  %4o %10d ", s->base.key, s->base.id, s->base.mode, s->count);
        ipc_show_owner(t, reader, &s->base);
        proc_printf(t, " %10" PRId64 " %10" PRId64 "\n", s->operation_time, s->change_time);
    }
    lock_release(&ipc->lock);
    return 0;
}
