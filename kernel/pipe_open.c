// Making pipes and opening the ends of named ones.
#include "kernel/anon.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/pipe_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>

// The inode's pipe, made when this is the first open.
static int attach(struct kernel *kernel, struct inode *inode, struct pipe **out)
{
    struct pipe *fresh = pipe_new(kernel);
    if (!fresh)
        return -LINUX_ENOMEM;
    lock_acquire(&inode->lock);
    if (!inode->attached) {
        inode->attached = fresh;
        inode->attached_free = pipe_free;
        fresh = NULL;
    }
    *out = inode->attached;
    lock_release(&inode->lock);
    pipe_free(fresh);
    return 0;
}

// Waits until *opens moves: the other end was opened, if only for a moment.
static int wait_for_partner(struct task *task, struct wait_queue *queue,
                            const _Atomic uint32_t *opens, uint32_t seen)
{
    struct task_waiter w;
    task_waiter_add(&w, task, queue, 0);
    int err = 0;
    while (pipe_load(opens) == seen && !err)
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    if (pipe_load(opens) != seen)
        err = 0;
    task_waiter_remove(&w);
    return err;
}

int pipe_open_fifo(struct inode *inode, struct file *file, const struct vfs_caller *c, void *ctx)
{
    struct pipe *p;
    int err = attach(ctx, inode, &p);
    if (err)
        return err;
    bool reads = file_is_readable(file), writes = file_is_writable(file);
    bool nonblock = file_flags(file) & LINUX_O_NONBLOCK || !c || !c->task;
    lock_acquire(&p->lock);
    if (writes && !reads && nonblock && !pipe_load(&p->readers)) {
        lock_release(&p->lock);
        return -LINUX_ENXIO;
    }
    uint32_t reader_opens = pipe_load(&p->reader_opens), writer_opens = pipe_load(&p->writer_opens);
    bool alone = reads ? !pipe_load(&p->writers) : !pipe_load(&p->readers);
    if (reads) {
        pipe_store(&p->reader_opens, reader_opens + 1);
        pipe_store(&p->readers, pipe_load(&p->readers) + 1);
    }
    if (writes) {
        pipe_store(&p->writer_opens, writer_opens + 1);
        pipe_store(&p->writers, pipe_load(&p->writers) + 1);
    }
    lock_release(&p->lock);
    wait_queue_wake(&p->readable, 0, false);
    wait_queue_wake(&p->writable, 0, false);
    if (alone && reads && !writes && nonblock)
        file->pos = writer_opens;
    else if (alone && reads && !writes)
        err = wait_for_partner(c->task, &p->readable, &p->writer_opens, writer_opens);
    else if (alone && writes && !reads)
        err = wait_for_partner(c->task, &p->writable, &p->reader_opens, reader_opens);
    if (err) {
        pipe_end_closed(p, reads, writes);
        return err;
    }
    file->ops = &fifo_file_ops;
    file->private = p;
    return 0;
}

static struct file *open_end(struct kernel *kernel, struct inode *inode, const struct cred *cred,
                             uint32_t flags, const char *name)
{
    struct file *file;
    // O_DIRECT makes packets of what pipe(2) made, and is no flag to open a fifo with.
    uint32_t packets = flags & LINUX_O_DIRECT;
    if (vfs_open_inode(kernel->vfs, inode, flags & ~packets, cred, name, &file))
        return NULL;
    file->ops = &pipe_file_ops;
    file_change_flags(file, packets, 0);
    return file;
}

int pipe_create(struct kernel *kernel, const struct cred *cred, uint32_t flags,
                struct file **read_end, struct file **write_end)
{
    struct pipe *p = pipe_new(kernel);
    if (!p)
        return -LINUX_ENOMEM;
    struct inode *inode;
    int err = anon_inode_create(kernel->anon, kernel->anon->pipefs, LINUX_S_IFIFO | 0600, cred, p,
                                pipe_free, &inode);
    if (err)
        return err;
    char name[40];
    snprintf(name, sizeof name, "pipe:[%llu]", (unsigned long long)inode->ino);
    // Opened without waiting for the writer that is about to come.
    struct file *r = open_end(kernel, inode, cred, LINUX_O_RDONLY | LINUX_O_NONBLOCK, name);
    struct file *w = r ? open_end(kernel, inode, cred, LINUX_O_WRONLY | flags, name) : NULL;
    inode_put(inode);
    if (!w) {
        if (r)
            file_put(r);
        return -LINUX_ENOMEM;
    }
    // open(2) adds O_LARGEFILE, pipe(2) does not.
    uint32_t drop = LINUX_O_LARGEFILE | (flags & LINUX_O_NONBLOCK ? 0 : (uint32_t)LINUX_O_NONBLOCK);
    file_change_flags(r, 0, drop);
    file_change_flags(w, 0, LINUX_O_LARGEFILE);
    r->pos = UINT32_MAX; // its writer has been there: end of file is a hangup
    *read_end = r;
    *write_end = w;
    return 0;
}

int64_t sys_pipe2(struct task *task, uaddr_t fds, uint32_t flags)
{
    const uint32_t kept = LINUX_O_NONBLOCK | LINUX_O_DIRECT;
    if (flags & ~(LINUX_O_CLOEXEC | kept))
        return -LINUX_EINVAL;
    bool cloexec = flags & LINUX_O_CLOEXEC;
    struct file *r, *w;
    int err = pipe_create(task->kernel, task->cred, flags & kept, &r, &w);
    if (err)
        return err;
    int32_t out[2] = {fd_reserve(task, 0, cloexec), -1};
    if (out[0] >= 0)
        out[1] = fd_reserve(task, 0, cloexec);
    err = out[0] < 0 ? out[0] : out[1] < 0 ? out[1] : user_write(task, fds, out, sizeof out);
    if (err) {
        for (int i = 0; i < 2; i++)
            if (out[i] >= 0)
                fd_unreserve(task, out[i]);
        file_put(r);
        file_put(w);
        return err;
    }
    fd_fill(task, out[0], r);
    fd_fill(task, out[1], w);
    return 0;
}
