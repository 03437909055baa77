// System V message queues.
#include "kernel/ipc/ipc.h"
#include "kernel/kernel.h"
#include "kernel/pid_ns.h"
#include "kernel/proc/node.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/list.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    MESSAGE_MAX = 8192,  // kernel.msgmax
    QUEUE_BYTES = 16384, // kernel.msgmnb
    QUEUES_MAX = 32000,  // kernel.msgmni
    SEGMENT = 16,
    WAIT_SPACE = 1, // events of the queue: room was made
    WAIT_MESSAGE = 2,
};

struct message_node {
    struct list link;
    int64_t type;
    uint64_t size;
    uint8_t data[];
};

struct msg_queue {
    struct ipc_object base;
    struct list messages;
    uint64_t bytes, count, bytes_max;
    int64_t send_time, receive_time, change_time;
    int32_t last_sender, last_receiver;
};

static struct msg_queue *queue_of(struct ipc_object *o)
{
    return CONTAINER_OF(o, struct msg_queue, base);
}

static void queue_destroy(struct ipc_object *o)
{
    struct msg_queue *q = queue_of(o);
    while (!list_empty(&q->messages)) {
        struct message_node *m = list_first(&q->messages, struct message_node, link);
        list_remove(&m->link);
        free(m);
    }
    wait_queue_destroy(&o->queue);
    free(q);
}

void queues_init(struct ipc_table *table)
{
    table->limit = QUEUES_MAX;
    table->destroy = queue_destroy;
}

static int queue_check(struct ipc_object *o, const void *args)
{
    (void)o, (void)args;
    return 0;
}

static int queue_make(struct task *task, const void *args, struct ipc_object **out)
{
    (void)task, (void)args;
    struct msg_queue *q = calloc(1, sizeof *q);
    if (!q)
        return -LINUX_ENOMEM;
    list_init(&q->messages);
    q->bytes_max = QUEUE_BYTES;
    q->change_time = ipc_now();
    *out = &q->base;
    return 0;
}

int64_t sys_msgget(struct task *task, int32_t key, uint32_t flags)
{
    const struct ipc_get get = {
        .task = task, .key = key, .flags = flags, .check = queue_check, .make = queue_make};
    return ipc_get(&task_ipc(task)->queues, &get);
}

// --- Sending and receiving -----------------------------------------------------------------------

// Queues the caller, waits, and holds the lock again. The object stays alive for it.
static int queue_wait(struct task *task, struct msg_queue *q, uint32_t events) NO_TSA
{
    struct ipc *ipc = task_ipc(task);
    struct task_waiter w;
    ipc_hold(&q->base);
    task_waiter_add(&w, task, &q->base.queue, events);
    lock_release(&ipc->lock);
    int err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    task_waiter_remove(&w);
    lock_acquire(&ipc->lock);
    if (q->base.removed)
        err = -LINUX_EIDRM;
    ipc_drop(&ipc->queues, &q->base);
    return err == -ERESTARTSYS ? -ERESTARTNOHAND : err;
}

static int send_locked(struct task *task, int32_t id, struct message_node *m, uint32_t flags)
{
    struct ipc_table *table = &task_ipc(task)->queues;
    struct ipc_object *o = ipc_find(table, id);
    if (!o)
        return -LINUX_EINVAL;
    struct msg_queue *q = queue_of(o);
    for (;;) {
        int err = ipc_access(task, o, 0222);
        if (err)
            return err;
        if (q->bytes + m->size <= q->bytes_max && q->count + 1 <= q->bytes_max)
            break;
        if (flags & LINUX_IPC_NOWAIT)
            return -LINUX_EAGAIN;
        err = queue_wait(task, q, WAIT_SPACE);
        if (err)
            return err;
    }
    list_add_tail(&q->messages, &m->link);
    q->bytes += m->size;
    q->count++;
    q->last_sender = task->tgid;
    q->send_time = ipc_now();
    wait_queue_wake(&o->queue, WAIT_MESSAGE, false);
    return 0;
}

int64_t sys_msgsnd(struct task *task, int32_t id, uaddr_t msgp, uint64_t size, uint32_t flags)
{
    int64_t type;
    int err = user_get(task, msgp, &type);
    if (err)
        return err;
    if (size > MESSAGE_MAX || id < 0 || type < 1)
        return -LINUX_EINVAL;
    struct message_node *m = malloc(sizeof *m + size);
    if (!m)
        return -LINUX_ENOMEM;
    m->type = type;
    m->size = size;
    err = user_read(task, msgp + sizeof type, m->data, size);
    if (!err) {
        lock_acquire(&task_ipc(task)->lock);
        err = send_locked(task, id, m, flags);
        lock_release(&task_ipc(task)->lock);
    }
    if (err)
        free(m);
    return err;
}

// The message a receiver wants, or NULL. With MSG_COPY `type` is a position.
static struct message_node *choose(struct msg_queue *q, int64_t type, uint32_t flags)
{
    struct message_node *m, *best = NULL;
    uint64_t limit = type < 0 ? 0 - (uint64_t)type : 0;
    int64_t position = 0;
    list_for_each (m, &q->messages, link) {
        if (flags & LINUX_MSG_COPY) {
            if (position++ == type)
                return m;
        } else if (type == 0 ||
                   (type > 0 && (flags & LINUX_MSG_EXCEPT ? m->type != type : m->type == type))) {
            return m;
        } else if (type < 0 && (uint64_t)m->type <= limit && (!best || m->type < best->type)) {
            best = m;
        }
    }
    return best;
}

static int receive_locked(struct task *task, int32_t id, uint64_t size, int64_t type,
                          uint32_t flags, struct message_node **out)
{
    struct ipc_table *table = &task_ipc(task)->queues;
    struct ipc_object *o = ipc_find(table, id);
    if (!o)
        return -LINUX_EINVAL;
    struct msg_queue *q = queue_of(o);
    struct message_node *m;
    for (;;) {
        int err = ipc_access(task, o, 0444);
        if (err)
            return err;
        m = choose(q, type, flags);
        if (m)
            break;
        if (flags & LINUX_IPC_NOWAIT)
            return -LINUX_ENOMSG;
        err = queue_wait(task, q, WAIT_MESSAGE);
        if (err)
            return err;
    }
    if (m->size > size && !(flags & LINUX_MSG_NOERROR))
        return -LINUX_E2BIG;
    if (flags & LINUX_MSG_COPY) {
        *out = malloc(sizeof *m + m->size);
        if (*out)
            memcpy(*out, m, sizeof *m + m->size);
        return *out ? 0 : -LINUX_ENOMEM;
    }
    list_remove(&m->link);
    q->bytes -= m->size;
    q->count--;
    q->last_receiver = task->tgid;
    q->receive_time = ipc_now();
    wait_queue_wake(&o->queue, WAIT_SPACE, false);
    *out = m;
    return 0;
}

int64_t sys_msgrcv(struct task *task, int32_t id, uaddr_t msgp, uint64_t size, int64_t type,
                   uint32_t flags)
{
    struct message_node *m;
    if (id < 0 || (int64_t)size < 0)
        return -LINUX_EINVAL;
    if (flags & LINUX_MSG_COPY && (flags & LINUX_MSG_EXCEPT || !(flags & LINUX_IPC_NOWAIT)))
        return -LINUX_EINVAL;
    lock_acquire(&task_ipc(task)->lock);
    int64_t result = receive_locked(task, id, size, type, flags, &m);
    lock_release(&task_ipc(task)->lock);
    if (result)
        return result;
    uint64_t n = m->size < size ? m->size : size;
    result = user_put(task, msgp, &m->type);
    if (!result)
        result = user_write(task, msgp + sizeof m->type, m->data, n);
    free(m);
    return result ? result : (int64_t)n;
}

// --- Control -------------------------------------------------------------------------------------

static int64_t queue_info(struct task *task, int32_t cmd, uaddr_t buf)
{
    struct ipc *ipc = task_ipc(task);
    struct linux_msginfo info = {
        .max = MESSAGE_MAX, .mnb = QUEUE_BYTES, .mni = QUEUES_MAX, .ssz = SEGMENT, .seg = 0xffff};
    lock_acquire(&ipc->lock);
    int32_t highest = ipc_highest_index(&ipc->queues);
    if (cmd == LINUX_IPC_INFO) {
        info.pool = QUEUES_MAX * (QUEUE_BYTES / 1024);
        info.map = info.tql = QUEUE_BYTES;
    } else {
        info.pool = (int32_t)ipc->queues.count;
        for (uint32_t i = 0; i < ipc->queues.room; i++)
            if (ipc->queues.slots[i]) {
                info.map += (int32_t)queue_of(ipc->queues.slots[i])->count;
                info.tql += (int32_t)queue_of(ipc->queues.slots[i])->bytes;
            }
    }
    lock_release(&ipc->lock);
    int err = user_put(task, buf, &info);
    return err ? err : highest;
}

static int64_t queue_stat(struct task *task, int32_t id, int32_t cmd, uaddr_t buf)
{
    struct ipc *ipc = task_ipc(task);
    struct linux_msqid_ds ds = {.unused = {0}};
    lock_acquire(&ipc->lock);
    struct ipc_object *o;
    int64_t result =
        ipc_stat_find(task, &ipc->queues, id, cmd != LINUX_IPC_STAT, cmd == LINUX_MSG_STAT_ANY, &o);
    if (result >= 0) {
        const struct msg_queue *q = queue_of(o);
        ipc_perm_get(task, o, &ds.perm);
        ds.stime = q->send_time;
        ds.rtime = q->receive_time;
        ds.ctime = q->change_time;
        ds.cbytes = q->bytes;
        ds.qnum = q->count;
        ds.qbytes = q->bytes_max;
        ds.lspid = q->last_sender;
        ds.lrpid = q->last_receiver;
    }
    lock_release(&ipc->lock);
    if (result < 0)
        return result;
    ds.lspid = pid_seen(task, ds.lspid);
    ds.lrpid = pid_seen(task, ds.lrpid);
    int err = user_put(task, buf, &ds);
    return err ? err : result;
}

static int queue_change(struct task *task, struct msg_queue *q, const struct linux_msqid_ds *ds)
{
    if (ds->qbytes > QUEUE_BYTES && !task_capable(task, LINUX_CAP_SYS_RESOURCE))
        return -LINUX_EPERM;
    if (ipc_perm_set(task, &q->base, &ds->perm))
        return -LINUX_EINVAL;
    q->bytes_max = ds->qbytes;
    q->change_time = ipc_now();
    wait_queue_wake(&q->base.queue, 0, false); // rights and room may have changed
    return 0;
}

int64_t sys_msgctl(struct task *task, int32_t id, int32_t cmd, uaddr_t buf)
{
    struct ipc *ipc = task_ipc(task);
    struct linux_msqid_ds ds;
    if (id < 0 || cmd < 0)
        return -LINUX_EINVAL;
    switch (cmd) {
    case LINUX_IPC_INFO:
    case LINUX_MSG_INFO:
        return queue_info(task, cmd, buf);
    case LINUX_IPC_STAT:
    case LINUX_MSG_STAT:
    case LINUX_MSG_STAT_ANY:
        return queue_stat(task, id, cmd, buf);
    case LINUX_IPC_SET:
    case LINUX_IPC_RMID:
        break;
    default:
        return -LINUX_EINVAL;
    }
    int err = cmd == LINUX_IPC_SET ? user_get(task, buf, &ds) : 0;
    if (err)
        return err;
    lock_acquire(&ipc->lock);
    struct ipc_object *o = ipc_find(&ipc->queues, id);
    err = o ? ipc_control(task, o) : -LINUX_EINVAL;
    if (!err && cmd == LINUX_IPC_SET)
        err = queue_change(task, queue_of(o), &ds);
    else if (!err)
        ipc_remove(&ipc->queues, o);
    lock_release(&ipc->lock);
    return err;
}

// --- /proc/sysvipc/msg ---------------------------------------------------------------------------

int proc_show_queues(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node;
    proc_printf(t,
                "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  "
                "cgid      stime      rtime      ctime\n");
    struct ipc *ipc = reader ? task_ipc(reader) : NULL;
    if (!ipc)
        return 0;
    lock_acquire(&ipc->lock);
    for (uint32_t i = 0; i < ipc->queues.room; i++) {
        if (!ipc->queues.slots[i])
            continue;
        const struct msg_queue *q = queue_of(ipc->queues.slots[i]);
        proc_printf(t, "%10d %10d  %4o  %10" PRIu64 " %10" PRIu64 " %5d %5d ", q->base.key,
                    q->base.id, q->base.mode, q->bytes, q->count, pid_seen(reader, q->last_sender),
                    pid_seen(reader, q->last_receiver));
        ipc_show_owner(t, reader, &q->base);
        proc_printf(t, " %10" PRId64 " %10" PRId64 " %10" PRId64 "\n", q->send_time,
                    q->receive_time, q->change_time);
    }
    lock_release(&ipc->lock);
    return 0;
}
