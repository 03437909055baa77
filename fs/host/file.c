// Contents of host files.
#include "fs/host/host_fs.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

// Up to this much goes straight between the host file and guest memory, one page at a time; more
// goes through a buffer, which saves host calls.
enum { DIRECT_MAX = 2 * FRAME_SIZE, BUFFER_MAX = 128 * 1024 };

static ssize_t read_direct(int fd, struct iter *it, uint64_t *pos)
{
    ssize_t done = 0;
    while (it->left > 0) {
        void *host;
        size_t n = it->ops->pin(it, it->left, true, &host);
        if (n == 0)
            return done > 0 ? done : -LINUX_EFAULT;
        ssize_t got = host_pread(fd, host, n, *pos);
        it->ops->unpin(it, got > 0 ? (size_t)got : 0);
        if (got < 0)
            return done > 0 ? done : got;
        done += got;
        *pos += (uint64_t)got;
        if ((size_t)got < n)
            break;
    }
    return done;
}

static ssize_t read_buffered(int fd, struct iter *it, uint64_t *pos, char *buf, size_t size)
{
    ssize_t done = 0;
    while (it->left > 0) {
        size_t n = it->left < size ? it->left : size;
        ssize_t got = host_pread(fd, buf, n, *pos);
        if (got < 0)
            return done > 0 ? done : got;
        size_t put = it->ops->copy_out(it, buf, (size_t)got);
        done += (ssize_t)put;
        *pos += put;
        if (put < (size_t)got)
            return done > 0 ? done : -LINUX_EFAULT;
        if ((size_t)got < n)
            break;
    }
    return done;
}

static char *transfer_buffer(const struct iter *it, size_t *size)
{
    if (it->left <= DIRECT_MAX)
        return NULL;
    *size = it->left < BUFFER_MAX ? it->left : BUFFER_MAX;
    return malloc(*size); // NULL is fine: page by page then
}

static ssize_t host_read(struct file *file, struct iter *it, uint64_t *pos)
{
    const struct host_fd *h = file->private;
    size_t size;
    char *buf = transfer_buffer(it, &size);
    ssize_t n = buf ? read_buffered(h->fd, it, pos, buf, size) : read_direct(h->fd, it, pos);
    free(buf);
    if (n > 0)
        host_attr_changed(host_node_of(file->inode)); // the access time
    return n;
}

static ssize_t write_direct(int fd, struct iter *it, uint64_t *pos)
{
    ssize_t done = 0;
    while (it->left > 0) {
        void *host;
        size_t n = it->ops->pin(it, it->left, false, &host);
        if (n == 0)
            return done > 0 ? done : -LINUX_EFAULT;
        ssize_t put = host_pwrite(fd, host, n, *pos);
        it->ops->unpin(it, put > 0 ? (size_t)put : 0);
        if (put < 0)
            return done > 0 ? done : put;
        done += put;
        *pos += (uint64_t)put;
        if ((size_t)put < n)
            break;
    }
    return done;
}

static ssize_t write_buffered(int fd, struct iter *it, uint64_t *pos, char *buf, size_t size)
{
    ssize_t done = 0;
    while (it->left > 0) {
        size_t want = it->left < size ? it->left : size;
        size_t n = it->ops->copy_in(it, buf, want);
        if (n == 0)
            return done > 0 ? done : -LINUX_EFAULT;
        ssize_t put = host_pwrite(fd, buf, n, *pos);
        if (put < 0)
            return done > 0 ? done : put;
        done += put;
        *pos += (uint64_t)put;
        if ((size_t)put < want)
            break;
    }
    return done;
}

static ssize_t write_at(struct file *file, int fd, struct iter *it, uint64_t *pos)
{
    if (it->append || atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_APPEND) {
        struct host_stat st;
        int err = host_fstat(fd, &st);
        if (err)
            return err;
        *pos = st.size;
    }
    size_t size;
    char *buf = transfer_buffer(it, &size);
    ssize_t n = buf ? write_buffered(fd, it, pos, buf, size) : write_direct(fd, it, pos);
    free(buf);
    return n;
}

static ssize_t host_write(struct file *file, struct iter *it, uint64_t *pos)
{
    const struct host_fd *h = file->private;
    struct inode *inode = file->inode;
    gate_enter(&inode->write_gate);
    ssize_t n = write_at(file, h->fd, it, pos);
    gate_leave(&inode->write_gate);
    host_attr_changed(host_node_of(inode));
    unsigned flags = atomic_load_explicit(&file->flags, memory_order_relaxed);
    if (n > 0 && flags & LINUX_O_SYNC) {
        int err = file->ops->fsync(file, (flags & LINUX_O_SYNC) == LINUX_O_DSYNC);
        if (err)
            return err;
    }
    return n;
}

static int64_t host_seek(struct file *file, int64_t offset, unsigned whence)
{
    if (whence != LINUX_SEEK_DATA && whence != LINUX_SEEK_HOLE)
        return file_seek_default(file, offset, whence);
    const struct host_fd *h = file->private;
    if (offset < 0)
        return -LINUX_ENXIO;
    int64_t at = host_seek_data(h->fd, (uint64_t)offset, whence);
    if (at >= 0)
        file->pos = (uint64_t)at;
    return at;
}

static int host_fsync_file(struct file *file, bool data_only)
{
    const struct host_fd *h = file->private;
    struct host_fs *fs = host_node_of(file->inode)->fs;
    int err = host_fsync(h->fd, data_only);
    if (!err && fs->policy->sync)
        err = fs->policy->sync(fs);
    return err;
}

static int host_file_fallocate(struct file *file, unsigned mode, uint64_t offset, uint64_t len)
{
    const struct host_fd *h = file->private;
    struct inode *inode = file->inode;
    bool moves = mode & (LINUX_FALLOC_FL_COLLAPSE_RANGE | LINUX_FALLOC_FL_INSERT_RANGE);
    gate_enter(&inode->write_gate);
    int err = moves ? host_pages_move(host_node_of(inode), h->fd, mode, offset, len)
                    : host_fallocate(h->fd, mode, offset, len);
    gate_leave(&inode->write_gate);
    host_attr_changed(host_node_of(inode));
    return err;
}

int host_truncate_node(struct host_node *node, uint64_t size)
{
    struct host_fd *h;
    int err = host_fd_get(node, true, &h);
    if (err)
        return err;
    gate_enter(&node->inode.write_gate);
    err = size > INT64_MAX ? -LINUX_EFBIG : host_pages_truncate(node, h->fd, size);
    gate_leave(&node->inode.write_gate);
    host_attr_changed(node);
    host_fd_put(h);
    host_fd_close_idle(node);
    return err;
}

// --- Open and close ------------------------------------------------------------------------------

int host_file_open(struct inode *inode, struct file *file, const struct vfs_caller *c)
{
    (void)c;
    struct host_node *node = host_node_of(inode);
    unsigned access = atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_ACCMODE;
    struct host_fd *h;
    int err = host_fd_get(node, access != LINUX_O_RDONLY, &h);
    if (err)
        return err;
    lock_acquire(&node->fs->node_lock);
    node->open_count++;
    lock_release(&node->fs->node_lock);
    file->ops = &host_file_ops;
    file->private = h;
    return 0;
}

static void host_release(struct file *file)
{
    struct host_node *node = host_node_of(file->inode);
    lock_acquire(&node->fs->node_lock);
    node->open_count--;
    lock_release(&node->fs->node_lock);
    host_fd_close_idle(node);
    host_fd_put(file->private);
}

const struct file_ops host_file_ops = {
    .traits = FILE_SPLICE | FILE_NOWAIT_READ | FILE_DIRECT,
    .read = host_read,
    .write = host_write,
    .seek = host_seek,
    .fsync = host_fsync_file,
    .fallocate = host_file_fallocate,
    .release = host_release,
};
