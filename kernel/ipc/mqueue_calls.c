// mq_open(2) and its relatives.
#include "kernel/file.h"
#include "kernel/ipc/mqueue.h"
#include "kernel/kernel.h"
#include "kernel/net/socket.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/timespec.h"
#include "kernel/wait.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/netlink.h"
#include "platform/abi/resource.h"
#include "platform/abi/signal.h"
#include <stdlib.h>
#include <string.h>

// --- Names ---------------------------------------------------------------------------------------

// The name without a slash, as the C library passes it.
static int get_name(struct task *task, uaddr_t addr, char name[MQ_NAME_MAX + 1])
{
    ssize_t len = user_string(task, addr, name, MQ_NAME_MAX + 1);
    if (len < 0)
        return (int)len;
    if (len == 0)
        return -LINUX_ENOENT;
    bool bad = strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..");
    return bad ? -LINUX_EACCES : 0;
}

static struct mqueue *find(struct ipc *ipc, const char *name)
{
    struct mqueue *q;
    list_for_each (q, &ipc->mqueues, link)
        if (strcmp(q->name, name) == 0)
            return q;
    return NULL;
}

static int may_open(struct task *task, const struct mqueue *q, uint32_t flags)
{
    const struct cred *c = task->cred;
    uint32_t access = flags & LINUX_O_ACCMODE, granted = q->mode;
    uint32_t asked = access == LINUX_O_RDONLY ? 4 : access == LINUX_O_WRONLY ? 2 : 6;
    if (c->fsuid == q->uid)
        granted >>= 6;
    else if (cred_in_group(c, q->gid))
        granted >>= 3;
    return asked & ~granted && !task_capable(task, LINUX_CAP_DAC_OVERRIDE) ? -LINUX_EACCES : 0;
}

// What a queue counts for in RLIMIT_MSGQUEUE.
static uint64_t cost(int64_t messages, int64_t size)
{
    enum { MESSAGE_HEADER = 48, PRIORITY_NODE = 48 }; // Linux's own structs
    int64_t priorities = messages < MQ_PRIORITIES ? messages : MQ_PRIORITIES;
    return (uint64_t)(messages * (size + MESSAGE_HEADER) + priorities * PRIORITY_NODE);
}

// The lock is held; `limit` is RLIMIT_MSGQUEUE.
static int check_attr(struct task *task, const struct linux_mq_attr *a, uint64_t limit)
{
    bool free_hand = task_capable(task, LINUX_CAP_SYS_RESOURCE);
    struct ipc *ipc = task_ipc(task);
    uint64_t used = 0;
    const struct mqueue *q;
    if (a->maxmsg <= 0 || a->msgsize <= 0 ||
        a->maxmsg > (free_hand ? MQ_MESSAGES_HARD : MQ_MESSAGES_MAX) ||
        a->msgsize > (free_hand ? MQ_SIZE_HARD : MQ_SIZE_MAX))
        return -LINUX_EINVAL;
    list_for_each (q, &ipc->mqueues, link)
        if (q->uid == task->cred->euid)
            used += cost(q->messages_max, q->message_size);
    return used + cost(a->maxmsg, a->msgsize) > limit ? -LINUX_EMFILE : 0;
}

// --- Opening -------------------------------------------------------------------------------------

// `fresh` becomes the queue of this name. The lock is held.
static int make(struct task *task, struct mqueue *fresh, const struct linux_mq_attr *a)
{
    struct ipc *ipc = task_ipc(task);
    unsigned count = 0;
    const struct mqueue *q;
    list_for_each (q, &ipc->mqueues, link)
        count++;
    if (count >= MQ_QUEUES_MAX && !task_capable(task, LINUX_CAP_SYS_RESOURCE))
        return -LINUX_ENOSPC;
    fresh->ipc = ipc;
    fresh->uid = task->cred->fsuid;
    fresh->gid = task->cred->fsgid;
    fresh->messages_max = a->maxmsg;
    fresh->message_size = a->msgsize;
    fresh->refs = 1; // the name's
    fresh->named = true;
    list_init(&fresh->messages);
    wait_queue_init(&fresh->queue);
    list_add_tail(&ipc->mqueues, &fresh->link);
    return 0;
}

// Finds or makes the queue and references it. *fresh is taken when it is used.
static int open_locked(struct task *task, uint32_t flags, const struct linux_mq_attr *a,
                       uint64_t limit, struct mqueue **fresh, struct mqueue **out)
{
    struct mqueue *q = find(task_ipc(task), (*fresh)->name);
    int err = 0;
    if (q && flags & LINUX_O_CREAT && flags & LINUX_O_EXCL)
        return -LINUX_EEXIST;
    if (!q && !(flags & LINUX_O_CREAT))
        return -LINUX_ENOENT;
    if (q) {
        err =
            (flags & LINUX_O_ACCMODE) == LINUX_O_ACCMODE ? -LINUX_EINVAL : may_open(task, q, flags);
    } else {
        err = check_attr(task, a, limit);
        if (!err)
            err = make(task, *fresh, a);
        if (!err) {
            q = *fresh;
            *fresh = NULL;
        }
    }
    if (!err)
        q->refs++;
    *out = q;
    return err;
}

static int open_queue(struct task *task, uint32_t flags, const struct linux_mq_attr *a,
                      struct mqueue *fresh, struct file **out)
{
    struct ipc *ipc = task_ipc(task);
    struct mqueue *q;
    lock_acquire(&task->process->lock);
    uint64_t limit = task->process->rlimit[LINUX_RLIMIT_MSGQUEUE].cur;
    lock_release(&task->process->lock);
    lock_acquire(&ipc->lock);
    int err = open_locked(task, flags, a, limit, &fresh, &q);
    lock_release(&ipc->lock);
    free(fresh);
    return err ? err : mq_open_file(task, q, flags, out);
}

int64_t sys_mq_open(struct task *task, uaddr_t name, uint32_t flags, uint32_t mode, uaddr_t attr)
{
    struct linux_mq_attr a = {.maxmsg = MQ_MESSAGES_DEFAULT, .msgsize = MQ_SIZE_DEFAULT};
    struct file *file;
    int err = attr ? user_get(task, attr, &a) : 0;
    if (err)
        return err;
    struct mqueue *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return -LINUX_ENOMEM;
    struct vfs_caller caller;
    task_caller(task, &caller);
    fresh->mode = mode & 0777 & ~caller.umask;
    task_caller_done(&caller);
    int32_t fd = -1;
    err = get_name(task, name, fresh->name);
    if (!err && (fd = fd_reserve(task, 0, true)) < 0)
        err = fd;
    if (err) {
        free(fresh);
        return err;
    }
    err = open_queue(task, flags, &a, fresh, &file);
    if (err)
        fd_unreserve(task, fd);
    else
        fd_fill(task, fd, file);
    return err ? err : fd;
}

int64_t sys_mq_unlink(struct task *task, uaddr_t name_addr)
{
    struct ipc *ipc = task_ipc(task);
    char name[MQ_NAME_MAX + 1];
    int err = get_name(task, name_addr, name);
    if (err)
        return err;
    lock_acquire(&ipc->lock);
    struct mqueue *q = find(ipc, name);
    if (!q)
        err = -LINUX_ENOENT;
    else if (task->cred->fsuid != q->uid && !task_capable(task, LINUX_CAP_FOWNER))
        err = -LINUX_EPERM; // the directory of all queues is sticky
    if (!err) {
        list_remove(&q->link);
        q->named = false;
    }
    lock_release(&ipc->lock);
    if (!err)
        mq_put(ipc, q);
    return err;
}

// --- Sending and receiving -----------------------------------------------------------------------

// The deadline of an absolute limit; -LINUX_EFAULT, -LINUX_EINVAL.
static int get_deadline(struct task *task, uaddr_t timeout, uint64_t *deadline)
{
    uint64_t ns;
    *deadline = WAIT_FOREVER;
    int err = timeout ? timespec_read(task, timeout, &ns) : 0;
    if (!err && timeout)
        *deadline = timespec_realtime_deadline(ns);
    return err;
}

// Sleeps on the queue; the lock is given up meanwhile.
static int mq_wait(struct task *task, struct mqueue *q, uint32_t events, uint64_t deadline) NO_TSA
{
    struct ipc *ipc = q->ipc;
    struct task_waiter w;
    q->receivers += events == MQ_WAIT_MESSAGE;
    task_waiter_add(&w, task, &q->queue, events);
    lock_release(&ipc->lock);
    int err = task_wait(task, deadline, WAIT_INTERRUPTIBLE);
    task_waiter_remove(&w);
    lock_acquire(&ipc->lock);
    q->receivers -= events == MQ_WAIT_MESSAGE;
    return err;
}

static void insert(struct mqueue *q, struct mq_message *m)
{
    struct list *at = q->messages.prev;
    while (at != &q->messages && list_entry(at, struct mq_message, link)->priority < m->priority)
        at = at->prev;
    list_add_head(at, &m->link); // after `at`
    q->count++;
    q->bytes += m->size;
}

static int send(struct task *task, struct file *file, struct mqueue *q, struct mq_message *m,
                uint64_t deadline)
{
    struct ipc *ipc = q->ipc;
    struct mq_notify told = {.process = NULL};
    int err = 0;
    lock_acquire(&ipc->lock);
    while (!err && q->count >= q->messages_max)
        err = file_flags(file) & LINUX_O_NONBLOCK ? -LINUX_EAGAIN
                                                  : mq_wait(task, q, MQ_WAIT_SPACE, deadline);
    if (!err) {
        insert(q, m);
        if (q->count == 1 && !q->receivers)
            told = mq_notify_take(q);
        wait_queue_wake(&q->queue, MQ_WAIT_MESSAGE, false);
    }
    lock_release(&ipc->lock);
    mq_notify_end(&told, task);
    return err;
}

int64_t sys_mq_timedsend(struct task *task, int32_t mqd, uaddr_t msg, uint64_t len, uint32_t prio,
                         uaddr_t timeout)
{
    uint64_t deadline;
    struct file *file;
    struct mqueue *q;
    int err = get_deadline(task, timeout, &deadline);
    if (!err && prio >= MQ_PRIORITIES)
        err = -LINUX_EINVAL;
    if (!err)
        err = mq_get(task, mqd, &file, &q);
    if (err)
        return err;
    struct mq_message *m = NULL;
    if (!file_is_writable(file))
        err = -LINUX_EBADF;
    else if (len > (uint64_t)q->message_size)
        err = -LINUX_EMSGSIZE;
    else if (!(m = malloc(sizeof *m + len)))
        err = -LINUX_ENOMEM;
    else
        err = user_read(task, msg, m->data, len);
    if (!err) {
        m->priority = prio;
        m->size = len;
        err = send(task, file, q, m, deadline);
    }
    if (err)
        free(m);
    file_put(file);
    return err;
}

static int receive(struct task *task, struct file *file, struct mqueue *q, uint64_t deadline,
                   struct mq_message **out)
{
    struct ipc *ipc = q->ipc;
    int err = 0;
    lock_acquire(&ipc->lock);
    while (!err && !q->count)
        err = file_flags(file) & LINUX_O_NONBLOCK ? -LINUX_EAGAIN
                                                  : mq_wait(task, q, MQ_WAIT_MESSAGE, deadline);
    if (!err) {
        *out = list_first(&q->messages, struct mq_message, link);
        list_remove(&(*out)->link);
        q->count--;
        q->bytes -= (*out)->size;
        wait_queue_wake(&q->queue, MQ_WAIT_SPACE, false);
    }
    lock_release(&ipc->lock);
    return err;
}

int64_t sys_mq_timedreceive(struct task *task, int32_t mqd, uaddr_t msg, uint64_t len, uaddr_t prio,
                            uaddr_t timeout)
{
    uint64_t deadline;
    struct file *file;
    struct mqueue *q;
    struct mq_message *m;
    int64_t result = get_deadline(task, timeout, &deadline);
    if (!result)
        result = mq_get(task, mqd, &file, &q);
    if (result)
        return result;
    if (!file_is_readable(file))
        result = -LINUX_EBADF;
    else if (len < (uint64_t)q->message_size)
        result = -LINUX_EMSGSIZE;
    else
        result = receive(task, file, q, deadline, &m);
    if (!result) {
        int err = prio ? user_put(task, prio, &m->priority) : 0;
        if (!err)
            err = user_write(task, msg, m->data, m->size);
        result = err ? -LINUX_EFAULT : (int64_t)m->size;
        free(m);
    }
    file_put(file);
    return result;
}

// --- Notification and attributes -----------------------------------------------------------------

static int prepare_notify(struct task *task, const struct linux_sigevent *e, struct mq_notify *n)
{
    *n = (struct mq_notify){.kind = e->notify, .signo = e->signo, .value = e->value};
    switch (e->notify) {
    case LINUX_SIGEV_NONE:
        return 0;
    case LINUX_SIGEV_SIGNAL:
        return e->signo >= 0 && e->signo <= LINUX_NSIG ? 0 : -LINUX_EINVAL;
    case LINUX_SIGEV_THREAD:
        break;
    default:
        return -LINUX_EINVAL;
    }
    int err = user_read(task, e->value, n->cookie, sizeof n->cookie);
    struct file *file = err ? NULL : fd_get_io(task, e->signo);
    if (err || !file)
        return err ? err : -LINUX_EBADF;
    const struct socket *s = socket_of(file);
    err = !s ? -LINUX_ENOTSOCK : s->family != LINUX_AF_NETLINK ? -LINUX_EINVAL : 0;
    if (err)
        file_put(file);
    else
        n->socket = file;
    return err;
}

static int64_t set_notify(struct task *task, struct mqueue *q, struct mq_notify *n)
{
    struct mq_notify old = {.process = NULL};
    int64_t result = 0;
    lock_acquire(&q->ipc->lock);
    if (!n) {
        if (q->notify.process == task->process)
            old = mq_notify_take(q);
    } else if (q->notify.process) {
        result = -LINUX_EBUSY;
    } else {
        n->process = process_get(task->process);
        q->notify = *n;
    }
    lock_release(&q->ipc->lock);
    mq_notify_end(&old, NULL);
    return result;
}

int64_t sys_mq_notify(struct task *task, int32_t mqd, uaddr_t event)
{
    struct linux_sigevent e;
    struct mq_notify n = {.process = NULL};
    struct file *file;
    struct mqueue *q;
    int64_t result = event ? user_get(task, event, &e) : 0;
    if (!result && event)
        result = prepare_notify(task, &e, &n);
    if (result)
        return result;
    result = mq_get(task, mqd, &file, &q);
    if (!result) {
        result = set_notify(task, q, event ? &n : NULL);
        file_put(file);
    }
    if (result && n.socket)
        file_put(n.socket);
    return result;
}

int64_t sys_mq_getsetattr(struct task *task, int32_t mqd, uaddr_t new_addr, uaddr_t old_addr)
{
    struct linux_mq_attr want, have = {.flags = 0};
    struct file *file;
    struct mqueue *q;
    int err = new_addr ? user_get(task, new_addr, &want) : 0;
    if (!err && new_addr && want.flags & ~(int64_t)LINUX_O_NONBLOCK)
        err = -LINUX_EINVAL;
    if (!err)
        err = mq_get(task, mqd, &file, &q);
    if (err)
        return err;
    lock_acquire(&q->ipc->lock);
    have.flags = file_flags(file) & LINUX_O_NONBLOCK;
    have.maxmsg = q->messages_max;
    have.msgsize = q->message_size;
    have.curmsgs = q->count;
    lock_release(&q->ipc->lock);
    if (new_addr)
        file_change_flags(file, want.flags ? LINUX_O_NONBLOCK : 0,
                          want.flags ? 0 : LINUX_O_NONBLOCK);
    file_put(file);
    return old_addr ? user_put(task, old_addr, &have) : 0;
}
