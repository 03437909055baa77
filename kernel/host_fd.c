#include "kernel/host_fd.h"
#include "fs/vfs.h"
#include "kernel/anon.h"
#include "kernel/async.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include "platform/abi/tty.h"
#include "platform/host_file.h"
#include "platform/host_stream.h"
#include "platform/poller.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    READABLE = LINUX_POLLIN | LINUX_POLLRDNORM,
    WRITABLE = LINUX_POLLOUT | LINUX_POLLWRNORM,
    BUFFER = 16384,
};

// The inode's private state: one per descriptor handed over, however often the guest opens it.
struct host_fd {
    struct kernel *kernel;
    int fd;          // ours; closed with the inode
    uint32_t access; // LINUX_O_* it was opened with
    bool socket;
    bool seekable; // a regular file or a block device: never waits
    struct wait_queue changed;
    struct async_list told; // O_ASYNC
    struct poller_source source;
    struct lock lock; // rank socket; guards the rest
    bool watched;     // the poller tells us of changes
    bool unwatchable; // the host says it never waits (/dev/null)
};

// --- Waiting -------------------------------------------------------------------------------------

static void host_changed(struct poller_source *source, uint32_t events)
{
    struct host_fd *h = CONTAINER_OF(source, struct host_fd, source);
    wait_queue_wake(&h->changed, 0, false);
    if (events & (LINUX_POLLIN | LINUX_POLLHUP | LINUX_POLLERR))
        async_tell(h->kernel, &h->told, LINUX_POLL_IN);
}

// Makes sure that a change wakes the queue. False when waiting makes no sense.
static bool watch(struct host_fd *h)
{
    lock_acquire(&h->lock);
    if (!h->watched && !h->unwatchable && !h->seekable) {
        h->watched = !poller_add(h->kernel->poller, &h->source);
        h->unwatchable = !h->watched;
    }
    bool watched = h->watched;
    lock_release(&h->lock);
    return watched;
}

static bool ready(struct host_fd *h, uint32_t events)
{
    return h->seekable || poller_host_ready(h->fd, events);
}

// Waits until the host would not make a transfer wait. 0, -LINUX_EAGAIN, -ERESTARTSYS.
static int wait_ready(struct host_fd *h, const struct iter *it, uint32_t events)
{
    if (ready(h, events) || !watch(h))
        return 0;
    if (it->nonblock || !it->task)
        return -LINUX_EAGAIN;
    struct task_waiter w;
    int err = 0;
    task_waiter_add(&w, it->task, &h->changed, 0);
    while (!err && !ready(h, events))
        err = task_wait(it->task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    task_waiter_remove(&w);
    return err;
}

// --- Transfers -----------------------------------------------------------------------------------

static struct host_fd *of_file(const struct file *file)
{
    return file->inode->private;
}

// The file's own position is the host's; any other is given.
static ssize_t read_host(const struct host_fd *h, const struct file *file, const uint64_t *pos,
                         void *buf, size_t n)
{
    if (h->seekable && pos != &file->pos)
        return host_pread(h->fd, buf, n, *pos);
    return host_stream_read(h->fd, h->socket, buf, n);
}

static ssize_t write_host(const struct host_fd *h, const struct file *file, const uint64_t *pos,
                          const void *buf, size_t n)
{
    if (h->seekable && pos != &file->pos)
        return host_pwrite(h->fd, buf, n, *pos);
    return host_stream_write(h->fd, h->socket, buf, n);
}

static ssize_t host_fd_read(struct file *file, struct iter *it, uint64_t *pos)
{
    struct host_fd *h = of_file(file);
    uint8_t bytes[BUFFER];
    size_t total = 0;
    while (it->left) {
        ssize_t n = wait_ready(h, it, LINUX_POLLIN);
        if (!n)
            n = read_host(h, file, pos, bytes, it->left < BUFFER ? it->left : BUFFER);
        if (n == -LINUX_EAGAIN && !it->nonblock && it->task)
            continue; // somebody else took it
        if (n <= 0)
            return total ? (ssize_t)total : n;
        size_t copied = it->ops->copy_out(it, bytes, (size_t)n);
        total += copied;
        *pos += copied;
        if (copied < (size_t)n)
            return total ? (ssize_t)total : -LINUX_EFAULT;
        if (!h->seekable || n < BUFFER)
            break;
    }
    return (ssize_t)total;
}

static ssize_t host_fd_write(struct file *file, struct iter *it, uint64_t *pos)
{
    struct host_fd *h = of_file(file);
    uint8_t bytes[BUFFER];
    size_t piece = h->seekable ? BUFFER : host_stream_piece(), total = 0;
    while (it->left) {
        size_t want = it->left < piece ? it->left : piece;
        size_t n = it->ops->copy_in(it, bytes, want), done = 0;
        ssize_t result = n < want ? -LINUX_EFAULT : 0;
        while (done < n) {
            ssize_t put = wait_ready(h, it, LINUX_POLLOUT);
            if (!put)
                put = write_host(h, file, pos, bytes + done, n - done);
            if (put == -LINUX_EAGAIN && !it->nonblock && it->task)
                continue;
            if (put < 0) {
                result = put;
                break;
            }
            done += (size_t)put;
            *pos += (size_t)put;
        }
        total += done;
        if (result == -LINUX_EPIPE && !total)
            return file_broken_pipe(it->task);
        if (result < 0)
            return total ? (ssize_t)total : result;
    }
    return (ssize_t)total;
}

static int64_t host_fd_seek(struct file *file, int64_t offset, unsigned whence)
{
    int64_t at = host_stream_seek(of_file(file)->fd, offset, whence);
    if (at >= 0)
        file->pos = (uint64_t)at;
    return at;
}

static uint32_t host_fd_poll(struct file *file, struct poll_table *table)
{
    struct host_fd *h = of_file(file);
    poll_wait(table, file, &h->changed);
    if ((table && !watch(h)) || h->seekable)
        return READABLE | WRITABLE;
    uint32_t events = poller_host_ready(h->fd, LINUX_POLLIN | LINUX_POLLPRI | LINUX_POLLOUT);
    if (events & LINUX_POLLIN)
        events |= LINUX_POLLRDNORM;
    if (events & LINUX_POLLOUT)
        events |= LINUX_POLLWRNORM;
    return events;
}

static int64_t host_fd_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    if (cmd != LINUX_FIONREAD)
        return -LINUX_ENOTTY;
    int32_t n = host_stream_count(of_file(file)->fd);
    return n < 0 ? -LINUX_ENOTTY : user_put(task, arg, &n);
}

static int host_fd_set_async(struct file *file, struct task *task, int fd, bool on)
{
    struct host_fd *h = of_file(file);
    struct async_list *const list = &h->told;
    if (on && !watch(h))
        return 0; // never waits: there is nothing to tell
    return async_join(file, task, fd, on, &list, 1);
}

static int host_fd_fsync(struct file *file, bool data_only)
{
    return host_fsync(of_file(file)->fd, data_only);
}

static const struct file_ops stream_ops = {
    .traits = FILE_SPLICE | FILE_NOWAIT,
    .read = host_fd_read,
    .write = host_fd_write,
    .poll = host_fd_poll,
    .ioctl = host_fd_ioctl,
    .set_async = host_fd_set_async,
};
static const struct file_ops seekable_ops = {
    .traits = FILE_SPLICE | FILE_NOWAIT_READ | FILE_DIRECT,
    .read = host_fd_read,
    .write = host_fd_write,
    .seek = host_fd_seek,
    .poll = host_fd_poll,
    .ioctl = host_fd_ioctl,
    .fsync = host_fd_fsync,
};

// --- The inode -----------------------------------------------------------------------------------

static int host_fd_getattr(struct inode *inode, struct vfs_stat *out)
{
    const struct host_fd *h = inode->private;
    struct host_stat st;
    int err = host_fstat(h->fd, &st);
    if (err)
        return err;
    *out = (struct vfs_stat){
        .dev = inode->super->dev,
        .ino = inode->ino,
        .rdev = st.rdev,
        .mode = inode->type | (st.mode & 0777u),
        .nlink = st.nlink,
        .uid = atomic_load_explicit(&inode->uid, memory_order_relaxed),
        .gid = atomic_load_explicit(&inode->gid, memory_order_relaxed),
        .size = h->seekable ? st.size : 0,
        .blocks = st.blocks,
        .blksize = st.blksize,
        .atime = st.atime,
        .mtime = st.mtime,
        .ctime = st.ctime,
        .btime = st.btime,
    };
    return 0;
}

// The object is the caller's: only its length is the guest's to change.
static int host_fd_setattr(struct inode *inode, const struct vfs_setattr *attr)
{
    const struct host_fd *h = inode->private;
    if (attr->mask & ~(uint32_t)ATTR_SIZE)
        return -LINUX_EPERM;
    return h->seekable ? host_truncate(h->fd, attr->size) : -LINUX_EINVAL;
}

static int host_fd_open_inode(struct inode *inode, struct file *file, const struct vfs_caller *c)
{
    const struct host_fd *h = inode->private;
    uint32_t want = atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_ACCMODE;
    uint32_t have = h->access & LINUX_O_ACCMODE;
    if (have != LINUX_O_RDWR && want != have)
        return -LINUX_EACCES;
    file->ops = h->seekable ? &seekable_ops : &stream_ops;
    return 0;
}

static void host_fd_evict(struct inode *inode)
{
    struct host_fd *h = inode->private;
    if (!h)
        return;
    if (h->watched)
        poller_remove(h->kernel->poller, &h->source);
    host_close(h->fd);
    wait_queue_destroy(&h->changed);
    lock_destroy(&h->lock);
    free(h);
}

static const struct inode_ops host_fd_inode_ops = {
    .getattr = host_fd_getattr,
    .setattr = host_fd_setattr,
    .open = host_fd_open_inode,
    .evict = host_fd_evict,
};

static int make_state(struct kernel *kernel, int host_fd, const struct host_stat *st,
                      struct host_fd **out)
{
    int flags = host_stream_flags(host_fd);
    if (flags < 0)
        return flags;
    struct host_fd *h = calloc(1, sizeof *h);
    if (!h)
        return -LINUX_ENOMEM;
    h->fd = host_dup(host_fd);
    if (h->fd < 0) {
        int err = h->fd;
        free(h);
        return err;
    }
    h->kernel = kernel;
    h->access = (uint32_t)flags;
    h->socket = (st->mode & LINUX_S_IFMT) == LINUX_S_IFSOCK;
    h->seekable = LINUX_S_ISREG(st->mode) || (st->mode & LINUX_S_IFMT) == LINUX_S_IFBLK;
    wait_queue_init(&h->changed);
    async_list_init(&h->told);
    lock_init(&h->lock, LOCK_RANK_SOCKET);
    h->source = (struct poller_source){.host_fd = h->fd, .ready = host_changed};
    *out = h;
    return 0;
}

// What /proc/PID/fd shows; a name of the host would mean nothing to the guest.
static void describe(char *name, size_t size, const struct inode *inode)
{
    const char *kind = inode->type == LINUX_S_IFIFO ? "pipe" : "host";
    snprintf(name, size, "%s:[%llu]", kind, (unsigned long long)inode->ino);
}

// A socket that VFS cannot open by itself is given the look of a pipe.
static uint32_t shown_type(const struct host_stat *st)
{
    uint32_t type = st->mode & LINUX_S_IFMT;
    return type == LINUX_S_IFSOCK ? LINUX_S_IFIFO : type;
}

int host_fd_open(struct kernel *kernel, int host_fd, const struct cred *cred, struct file **out)
{
    struct host_stat st;
    struct host_fd *h;
    int err = host_fstat(host_fd, &st);
    if (!err && LINUX_S_ISDIR(st.mode))
        err = -LINUX_EISDIR;
    if (!err)
        err = make_state(kernel, host_fd, &st, &h);
    if (err)
        return err;
    uint64_t ino = atomic_fetch_add_explicit(&kernel->anon->next_ino, 1, memory_order_relaxed);
    struct inode *inode =
        inode_create(kernel->anon->pipefs, &host_fd_inode_ops, shown_type(&st), ino);
    if (!inode) {
        host_close(h->fd);
        wait_queue_destroy(&h->changed);
        lock_destroy(&h->lock);
        free(h);
        return -LINUX_ENOMEM;
    }
    inode->private = h;
    inode->rdev = st.rdev;
    atomic_store_explicit(&inode->uid, cred->fsuid, memory_order_relaxed);
    atomic_store_explicit(&inode->gid, cred->fsgid, memory_order_relaxed);
    char name[48];
    describe(name, sizeof name, inode);
    err = vfs_open_inode(kernel->vfs, inode, h->access, cred, name, out);
    inode_put(inode);
    return err;
}
