#include "kernel/ipc/ipc.h"
#include "kernel/kernel.h"
#include "kernel/proc/node.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"
#include "platform/clock.h"
#include <stdlib.h>

enum { INDEX_BITS = 15, INDEX_MASK = (1 << INDEX_BITS) - 1, ROOM_FIRST = 16 };

static void ipc_destroy(struct namespace *base);

struct ipc *ipc_create(uint32_t inum, struct user_ns *owner)
{
    struct ipc *ipc = calloc(1, sizeof *ipc);
    if (!ipc)
        return NULL;
    namespace_init(&ipc->base, (uint32_t)LINUX_CLONE_NEWIPC, inum, owner, ipc_destroy);
    lock_init(&ipc->lock, LOCK_RANK_IPC);
    semaphores_init(&ipc->semaphores);
    queues_init(&ipc->queues);
    segments_init(ipc);
    list_init(&ipc->mqueues);
    return ipc;
}

static void table_destroy(struct ipc_table *t)
{
    for (uint32_t i = 0; i < t->room; i++)
        if (t->slots[i])
            ipc_remove(t, t->slots[i]);
    free(t->slots);
}

// Nobody holds it: no task, no attached segment, no open queue.
static void ipc_destroy(struct namespace *base)
{
    struct ipc *ipc = CONTAINER_OF(base, struct ipc, base);
    table_destroy(&ipc->semaphores);
    table_destroy(&ipc->queues);
    table_destroy(&ipc->segments);
    segments_bury(ipc);
    mqueues_destroy(ipc);
    lock_destroy(&ipc->lock);
    free(ipc);
}

int64_t ipc_now(void)
{
    return (int64_t)(clock_realtime_ns() / NSEC_PER_SEC);
}

// --- Finding -------------------------------------------------------------------------------------

struct ipc_object *ipc_at(const struct ipc_table *table, uint32_t index)
{
    return index < table->room ? table->slots[index] : NULL;
}

int64_t ipc_stat_find(struct task *task, const struct ipc_table *table, int32_t id, bool by_index,
                      bool any, struct ipc_object **out)
{
    *out = by_index ? ipc_at(table, (uint32_t)id & INDEX_MASK) : ipc_find(table, id);
    int err = !*out ? -LINUX_EINVAL : any ? 0 : ipc_access(task, *out, 0444);
    return err ? err : by_index ? (*out)->id : 0;
}

struct ipc_object *ipc_find(const struct ipc_table *table, int32_t id)
{
    struct ipc_object *o = id < 0 ? NULL : ipc_at(table, (uint32_t)id & INDEX_MASK);
    return o && o->id == id ? o : NULL;
}

static struct ipc_object *find_key(const struct ipc_table *table, int32_t key)
{
    for (uint32_t i = 0; i < table->room; i++)
        if (table->slots[i] && table->slots[i]->key == key)
            return table->slots[i];
    return NULL;
}

int32_t ipc_highest_index(const struct ipc_table *table)
{
    int32_t highest = 0;
    for (uint32_t i = 0; i < table->room; i++)
        if (table->slots[i])
            highest = (int32_t)i;
    return highest;
}

// --- Rights --------------------------------------------------------------------------------------

int ipc_access(struct task *task, const struct ipc_object *o, uint32_t mode)
{
    const struct cred *c = task->cred;
    uint32_t asked = (mode >> 6) | (mode >> 3) | mode, granted = o->mode;
    if (c->euid == o->cuid || c->euid == o->uid)
        granted >>= 6;
    else if (cred_in_group(c, o->cgid) || cred_in_group(c, o->gid))
        granted >>= 3;
    return asked & ~granted & 7 &&
                   !cred_capable_in(c, task_ipc(task)->base.owner, LINUX_CAP_IPC_OWNER)
               ? -LINUX_EACCES
               : 0;
}

int ipc_control(struct task *task, const struct ipc_object *o)
{
    bool owner = task->cred->euid == o->cuid || task->cred->euid == o->uid;
    return owner || cred_capable_in(task->cred, task_ipc(task)->base.owner, LINUX_CAP_SYS_ADMIN)
               ? 0
               : -LINUX_EPERM;
}

void ipc_perm_get(const struct task *task, const struct ipc_object *o, struct linux_ipc_perm *out)
{
    *out = (struct linux_ipc_perm){.key = o->key,
                                   .uid = cred_show_uid(task->cred, o->uid),
                                   .gid = cred_show_gid(task->cred, o->gid),
                                   .cuid = cred_show_uid(task->cred, o->cuid),
                                   .cgid = cred_show_gid(task->cred, o->cgid),
                                   .mode = o->mode,
                                   .seq = (uint16_t)(o->id >> INDEX_BITS)};
}

int ipc_perm_set(const struct task *task, struct ipc_object *o, const struct linux_ipc_perm *perm)
{
    const uint32_t rights = 0777;
    uint32_t uid = cred_uid(task->cred, perm->uid), gid = cred_gid(task->cred, perm->gid);
    if (uid == ID_NONE || gid == ID_NONE)
        return -LINUX_EINVAL;
    o->uid = uid;
    o->gid = gid;
    o->mode = (o->mode & ~rights) | (perm->mode & rights);
    return 0;
}

// --- Life ----------------------------------------------------------------------------------------

// An index for one more object, or -1 without memory.
static int64_t free_index(struct ipc_table *t)
{
    for (uint32_t i = 0; i < t->room; i++)
        if (!t->slots[i])
            return i;
    uint32_t room = t->room ? t->room * 2 : ROOM_FIRST;
    struct ipc_object **slots = realloc(t->slots, room * sizeof(*slots));
    if (!slots)
        return -1;
    for (uint32_t i = t->room; i < room; i++)
        slots[i] = NULL;
    uint32_t index = t->room;
    t->slots = slots;
    t->room = room;
    return index;
}

static int insert(struct ipc_table *t, const struct ipc_get *get, struct ipc_object *o)
{
    const struct cred *c = get->task->cred;
    int64_t index = free_index(t);
    if (index < 0)
        return -LINUX_ENOMEM;
    if ((uint32_t)index <= t->last_index)
        t->sequence = (t->sequence + 1) & INDEX_MASK;
    t->last_index = (uint32_t)index;
    o->id = (int32_t)index | (int32_t)((uint32_t)t->sequence << INDEX_BITS);
    o->key = get->key;
    o->uid = o->cuid = c->euid;
    o->gid = o->cgid = c->egid;
    o->mode = get->flags & 0777;
    o->refs = 1;
    wait_queue_init(&o->queue);
    t->slots[index] = o;
    t->count++;
    return o->id;
}

static int64_t make(struct ipc_table *t, const struct ipc_get *get)
{
    struct ipc_object *o;
    if (t->count >= t->limit)
        return -LINUX_ENOSPC;
    int err = get->make(get->task, get->args, &o);
    if (err)
        return err;
    int64_t id = insert(t, get, o);
    if (id < 0) {
        wait_queue_init(&o->queue);
        t->destroy(o);
    }
    return id;
}

int64_t ipc_get(struct ipc_table *t, const struct ipc_get *get)
{
    struct ipc *ipc = task_ipc(get->task);
    lock_acquire(&ipc->lock);
    struct ipc_object *o = get->key == LINUX_IPC_PRIVATE ? NULL : find_key(t, get->key);
    int64_t result;
    if (!o && get->key != LINUX_IPC_PRIVATE && !(get->flags & LINUX_IPC_CREAT)) {
        result = -LINUX_ENOENT;
    } else if (!o) {
        result = make(t, get);
    } else if (get->flags & LINUX_IPC_CREAT && get->flags & LINUX_IPC_EXCL) {
        result = -LINUX_EEXIST;
    } else {
        result = get->check(o, get->args);
        if (!result)
            result = ipc_access(get->task, o, get->flags & 0777);
        if (!result)
            result = o->id;
    }
    lock_release(&ipc->lock);
    return result;
}

struct ipc_object *ipc_hold(struct ipc_object *o)
{
    o->refs++;
    return o;
}

void ipc_drop(struct ipc_table *table, struct ipc_object *o)
{
    if (--o->refs == 0)
        table->destroy(o);
}

void ipc_remove(struct ipc_table *table, struct ipc_object *o)
{
    table->slots[(uint32_t)o->id & INDEX_MASK] = NULL;
    table->count--;
    o->removed = true;
    wait_queue_wake(&o->queue, 0, false);
    ipc_drop(table, o);
}

void ipc_show_owner(struct proc_text *t, struct task *reader, const struct ipc_object *o)
{
    const struct cred *c = reader->cred;
    proc_printf(t, "%5u %5u %5u %5u", cred_show_uid(c, o->uid), cred_show_gid(c, o->gid),
                cred_show_uid(c, o->cuid), cred_show_gid(c, o->cgid));
}
