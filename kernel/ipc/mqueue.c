#include "kernel/ipc/mqueue.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/net/socket.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- Notification --------------------------------------------------------------------------------

struct mq_notify mq_notify_take(struct mqueue *q)
{
    struct mq_notify n = q->notify;
    memset(&q->notify, 0, sizeof q->notify);
    return n;
}

static void send_signal(const struct mq_notify *n, struct task *sender)
{
    struct task *leader = process_leader_get(n->process);
    const struct siginfo info = {.signo = n->signo,
                                 .code = LINUX_SI_MESGQ,
                                 .pid = sender->tgid,
                                 .uid = sender->cred->uid,
                                 .value = n->value};
    if (!leader)
        return;
    (void)!signal_send_process(leader, &info); // a full queue of signals loses it, as in Linux
    task_put(leader);
}

void mq_notify_end(struct mq_notify *n, struct task *sender)
{
    enum { WOKEN = 1, REMOVED = 2 };
    if (!n->process)
        return;
    if (n->kind == LINUX_SIGEV_SIGNAL && sender)
        send_signal(n, sender);
    if (n->socket) {
        n->cookie[MQ_COOKIE - 1] = sender ? WOKEN : REMOVED;
        netlink_post(n->socket, n->cookie, MQ_COOKIE);
        file_put(n->socket);
    }
    process_put(n->process);
    n->process = NULL;
}

// --- Life ----------------------------------------------------------------------------------------

// No lock held.
static void mq_free(struct mqueue *q)
{
    // Of a process that never closed the queue: its descriptors were another's too.
    struct mq_notify n = mq_notify_take(q);
    mq_notify_end(&n, NULL);
    while (!list_empty(&q->messages)) {
        struct mq_message *m = list_first(&q->messages, struct mq_message, link);
        list_remove(&m->link);
        free(m);
    }
    wait_queue_destroy(&q->queue);
    free(q);
}

void mq_put(struct ipc *ipc, struct mqueue *q)
{
    lock_acquire(&ipc->lock);
    bool last = --q->refs == 0;
    lock_release(&ipc->lock);
    if (last)
        mq_free(q);
}

void mqueues_destroy(struct ipc *ipc)
{
    while (!list_empty(&ipc->mqueues)) {
        struct mqueue *q = list_first(&ipc->mqueues, struct mqueue, link);
        list_remove(&q->link);
        mq_free(q);
    }
}

// --- The file ------------------------------------------------------------------------------------

struct mq_file {
    struct ipc *ipc;
    struct mqueue *queue;
};

static ssize_t mq_read(struct file *file, struct iter *it, uint64_t *pos)
{
    struct mq_file *m = file->private;
    char text[100];
    lock_acquire(&m->ipc->lock);
    const struct mq_notify *n = &m->queue->notify;
    int len = snprintf(text, sizeof text, "QSIZE:%-10llu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
                       (unsigned long long)m->queue->bytes, n->process ? n->kind : 0,
                       n->process && n->kind == LINUX_SIGEV_SIGNAL ? n->signo : 0,
                       n->process ? n->process->pid : 0);
    lock_release(&m->ipc->lock);
    if (*pos >= (uint64_t)len)
        return 0;
    size_t left = (size_t)len - (size_t)*pos, count = left < it->left ? left : it->left;
    if (iter_put(it, text + *pos, count))
        return -LINUX_EFAULT;
    *pos += count;
    return (ssize_t)count;
}

static int64_t mq_seek(struct file *file, int64_t offset, unsigned whence)
{
    if (whence > LINUX_SEEK_CUR) // the state has no end one could count from
        return -LINUX_EINVAL;
    if (whence == LINUX_SEEK_CUR)
        offset += (int64_t)file->pos;
    if (offset < 0)
        return -LINUX_EINVAL;
    file->pos = (uint64_t)offset;
    return offset;
}

static uint32_t mq_poll(struct file *file, struct poll_table *table)
{
    struct mq_file *m = file->private;
    struct mqueue *q = m->queue;
    poll_wait(table, file, &q->queue);
    lock_acquire(&m->ipc->lock);
    uint32_t events = (q->count > 0 ? LINUX_POLLIN | LINUX_POLLRDNORM : 0u) |
                      (q->count < q->messages_max ? LINUX_POLLOUT | LINUX_POLLWRNORM : 0u);
    lock_release(&m->ipc->lock);
    return events;
}

// A process that closes the queue is not told any more.
static void mq_flush(struct file *file, struct task *task)
{
    struct mq_file *m = file->private;
    struct mq_notify n = {.process = NULL};
    lock_acquire(&m->ipc->lock);
    if (task && m->queue->notify.process == task->process)
        n = mq_notify_take(m->queue);
    lock_release(&m->ipc->lock);
    mq_notify_end(&n, NULL);
}

static void mq_release(struct file *file)
{
    struct mq_file *m = file->private;
    mq_put(m->ipc, m->queue);
    ipc_put_ns(m->ipc);
    free(m);
}

static const struct file_ops mq_ops = {
    .read = mq_read,
    .seek = mq_seek,
    .poll = mq_poll,
    .flush = mq_flush,
    .release = mq_release,
};

int mq_open_file(struct task *task, struct mqueue *q, uint32_t flags, struct file **out)
{
    struct ipc *ipc = q->ipc;
    struct mq_file *m = malloc(sizeof *m);
    *out = m ? file_create(&mq_ops, m, flags & (LINUX_O_ACCMODE | LINUX_O_NONBLOCK),
                           "anon_inode:[mqueue]")
             : NULL;
    if (!*out) {
        free(m);
        mq_put(ipc, q);
        return -LINUX_ENOMEM;
    }
    *m = (struct mq_file){ipc_get_ns(ipc), q};
    return 0;
}

int mq_get(struct task *task, int32_t fd, struct file **file, struct mqueue **out)
{
    *file = fd_get_io(task, fd);
    if (!*file)
        return -LINUX_EBADF;
    if ((*file)->ops != &mq_ops) {
        file_put(*file);
        return -LINUX_EBADF;
    }
    const struct mq_file *m = (*file)->private;
    *out = m->queue;
    return 0;
}
