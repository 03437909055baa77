// The object behind a socket's file, and the file's operations.
#include "kernel/anon.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/net/net.h"
#include "kernel/net/socket_internal.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include "platform/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void socket_init(struct socket *s, const struct socket_ops *ops, struct kernel *kernel,
                 int32_t family, int32_t type, int32_t protocol)
{
    memset(s, 0, sizeof *s);
    s->ops = ops;
    s->kernel = kernel;
    s->family = family;
    s->type = type;
    s->protocol = protocol;
    lock_init(&s->lock, LOCK_RANK_SOCKET);
    wait_queue_init(&s->queue);
    async_list_init(&s->told);
    s->sndbuf = s->rcvbuf = SOCKET_BUFFER_DEFAULT;
    s->receive_low = 1;
}

void socket_done(struct socket *s)
{
    wait_queue_destroy(&s->queue);
    lock_destroy(&s->lock);
}

void socket_tell_data(struct socket *s, int reason)
{
    if (!atomic_load_explicit(&s->data_waiters, memory_order_relaxed))
        async_tell(s->kernel, &s->told, reason);
}

void socket_tell_room(struct socket *s)
{
    if (UNLIKELY(atomic_load_explicit(&s->no_room, memory_order_relaxed)) &&
        atomic_exchange_explicit(&s->no_room, false, memory_order_relaxed))
        async_tell(s->kernel, &s->told, LINUX_POLL_OUT);
}

int socket_take_error(struct socket *s)
{
    lock_acquire(&s->lock);
    int32_t error = s->error;
    s->error = 0;
    lock_release(&s->lock);
    return -error;
}

uint64_t socket_deadline(struct socket *s, bool send)
{
    lock_acquire(&s->lock);
    uint64_t timeout = send ? s->send_timeout_ns : s->receive_timeout_ns;
    lock_release(&s->lock);
    return timeout ? clock_monotonic_ns() + timeout : WAIT_FOREVER;
}

int socket_wait(struct task *task, bool nonblock, uint64_t deadline)
{
    if (nonblock || !task)
        return -LINUX_EAGAIN;
    int err = task_wait(task, deadline, WAIT_INTERRUPTIBLE);
    if (err == -LINUX_ETIMEDOUT)
        return -LINUX_EAGAIN;
    // With a timeout the call is not restarted: how much of it is left would be forgotten.
    return err == -ERESTARTSYS && deadline != WAIT_FOREVER ? -LINUX_EINTR : err;
}

// --- Files in transit ----------------------------------------------------------------------------

void scm_rights_free(struct kernel *kernel, struct scm_rights *rights)
{
    if (!rights)
        return;
    for (unsigned i = 0; i < rights->count; i++)
        net_bury(kernel, rights->files[i]);
    free(rights);
}

struct scm_rights *scm_rights_copy(const struct scm_rights *rights)
{
    struct scm_rights *copy = malloc(sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *rights;
    for (unsigned i = 0; i < copy->count; i++)
        file_get(copy->files[i]);
    return copy;
}

// --- File operations -----------------------------------------------------------------------------

static ssize_t socket_read(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    struct socket *s = file->private;
    if (!it->left)
        return 0;
    struct message m = {.task = it->task,
                        .it = it,
                        .nonblock = it->nonblock,
                        .deadline = socket_deadline(s, false)};
    ssize_t n = s->ops->recv(s, &m);
    scm_rights_free(s->kernel, m.rights);
    free(m.control);
    return n;
}

static ssize_t socket_write(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    struct socket *s = file->private;
    struct message m = {
        .task = it->task, .it = it, .nonblock = it->nonblock, .deadline = socket_deadline(s, true)};
    return s->ops->send(s, &m);
}

static uint32_t socket_poll(struct file *file, struct poll_table *table)
{
    struct socket *s = file->private;
    poll_wait(table, file, &s->queue);
    return s->ops->poll(s, file, table);
}

static int64_t owner_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    int32_t who;
    if (cmd == LINUX_FIOGETOWN || cmd == LINUX_SIOCGPGRP) {
        who = async_owner_seen(task, file);
        return user_put(task, arg, &who);
    }
    int err = user_get(task, arg, &who);
    return err ? err : async_set_owner(task, file, who);
}

static int64_t socket_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct socket *s = file->private;
    if (cmd >= LINUX_FIOSETOWN && cmd <= LINUX_SIOCGPGRP)
        return owner_ioctl(file, task, cmd, arg);
    int64_t result = s->ops->ioctl ? s->ops->ioctl(s, task, cmd, arg) : -LINUX_ENOTTY;
    return result == -LINUX_ENOTTY ? net_ioctl(task, cmd, arg) : result;
}

static int socket_set_async(struct file *file, struct task *task, int fd, bool on)
{
    struct async_list *const list = &((struct socket *)file->private)->told;
    return async_join(file, task, fd, on, &list, 1);
}

static void socket_release(struct file *file)
{
    struct socket *s = file->private;
    if (s)
        s->ops->close(s);
}

static const struct file_ops socket_file_ops = {
    .traits = FILE_SPLICE | FILE_NOWAIT,
    .read = socket_read,
    .write = socket_write,
    .poll = socket_poll,
    .ioctl = socket_ioctl,
    .set_async = socket_set_async,
    .release = socket_release,
};

struct socket *socket_of(const struct file *file)
{
    return file->ops == &socket_file_ops ? file->private : NULL;
}

static void nothing_attached(void *attached)
{
    (void)attached;
}

int socket_file_create(struct kernel *kernel, const struct cred *cred, uint32_t flags,
                       struct file **out)
{
    struct inode *inode;
    int err = anon_inode_create(kernel->anon, kernel->anon->sockfs, LINUX_S_IFSOCK | 0777, cred,
                                NULL, nothing_attached, &inode);
    if (!err) {
        char name[40];
        snprintf(name, sizeof name, "socket:[%llu]", (unsigned long long)inode->ino);
        inode->file_ops = &socket_file_ops;
        err = vfs_open_inode(kernel->vfs, inode, LINUX_O_RDWR | flags, cred, name, out);
        inode_put(inode);
    }
    if (!err)
        file_change_flags(*out, 0, LINUX_O_LARGEFILE);
    return err;
}

void socket_attach(struct file *file, struct socket *s)
{
    file->private = s;
    atomic_store_explicit(&s->file, file, memory_order_release);
}

int socket_open(struct socket *s, const struct cred *cred, uint32_t flags, struct file **out)
{
    int err = socket_file_create(s->kernel, cred, flags, out);
    if (err)
        s->ops->close(s);
    else
        socket_attach(*out, s);
    return err;
}
