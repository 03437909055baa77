// Open files: lifetime, and the checks in front of every transfer.
#include "fs/notify.h"
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include <stdlib.h>

struct file *file_alloc(const struct cred *cred, uint32_t flags)
{
    struct file *file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    atomic_init(&file->refs, 1);
    atomic_init(&file->flags, flags);
    gate_init(&file->pos_gate);
    if (cred)
        file->cred = cred_get(cred);
    return file;
}

struct file *file_create(const struct file_ops *ops, void *private, uint32_t flags,
                         const char *anon_name)
{
    struct file *file = file_alloc(NULL, flags);
    if (!file)
        return NULL;
    file->ops = ops;
    file->private = private;
    file->anon_name = anon_name;
    return file;
}

struct file *file_get(struct file *file)
{
    atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
    return file;
}

void file_put(struct file *file)
{
    if (!file || atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (file->inode && atomic_load_explicit(&file->inode->locks, memory_order_acquire))
        vfs_lock_release_owner(file->inode, file);
    notify_file(file, file->counted_writer ? LINUX_IN_CLOSE_WRITE : LINUX_IN_CLOSE_NOWRITE);
    struct file_watch *watch = atomic_load_explicit(&file->watch, memory_order_acquire);
    if (watch)
        watch->released(watch, file);
    watch = atomic_load_explicit(&file->owner, memory_order_acquire);
    if (watch)
        watch->released(watch, file);
    if (file->ops && file->ops->release)
        file->ops->release(file);
    if (file->counted_writer) {
        inode_remove_writer(file->inode);
        mount_remove_writer(file->path.mnt);
    }
    if (file->counted_reader)
        atomic_fetch_sub_explicit(&file->inode->readers, 1, memory_order_release);
    inode_put(file->inode);
    path_put(&file->path); // last: with its mount the file system may go, which the inode needs
    cred_put(file->cred);
    gate_destroy(&file->pos_gate);
    free(file);
}

static bool is_dir(const struct file *file)
{
    return file->inode && LINUX_S_ISDIR(file->inode->type);
}

// Only these have a position worth guarding; a stream may block in the middle of a transfer.
static bool has_position(const struct file *file)
{
    return file->inode && (LINUX_S_ISREG(file->inode->type) || LINUX_S_ISDIR(file->inode->type) ||
                           file->inode->type == LINUX_S_IFBLK);
}

// What ends beyond what offsets can say is cut there, or refused.
static bool is_range(struct iter *it, uint64_t pos)
{
    if (pos > INT64_MAX)
        return false;
    if (UNLIKELY(it->left > INT64_MAX - pos)) {
        if (it->refuse_end)
            return false;
        it->left = INT64_MAX - pos;
    }
    return true;
}

static ssize_t transfer(struct file *file, struct iter *it, uint64_t *pos,
                        ssize_t (*op)(struct file *, struct iter *, uint64_t *))
{
    if (pos)
        return is_range(it, *pos) ? op(file, it, pos) : -LINUX_EINVAL;
    if (!has_position(file))
        return op(file, it, &file->pos);
    gate_enter(&file->pos_gate);
    ssize_t n = is_range(it, file->pos) ? op(file, it, &file->pos) : -LINUX_EINVAL;
    gate_leave(&file->pos_gate);
    return n;
}

ssize_t file_read(struct file *file, struct iter *it, uint64_t *pos)
{
    unsigned flags = atomic_load_explicit(&file->flags, memory_order_relaxed);
    if (flags & LINUX_O_PATH || (flags & LINUX_O_ACCMODE) == LINUX_O_WRONLY ||
        (flags & LINUX_O_ACCMODE) == LINUX_O_ACCMODE)
        return -LINUX_EBADF;
    if (is_dir(file))
        return -LINUX_EISDIR;
    if (!file->ops->read)
        return -LINUX_EINVAL;
    ssize_t n = transfer(file, it, pos, file->ops->read);
    if (n > 0)
        notify_file(file, LINUX_IN_ACCESS);
    return n;
}

ssize_t file_write(struct file *file, struct iter *it, uint64_t *pos)
{
    unsigned flags = atomic_load_explicit(&file->flags, memory_order_relaxed);
    if (flags & LINUX_O_PATH || (flags & LINUX_O_ACCMODE) == LINUX_O_RDONLY ||
        (flags & LINUX_O_ACCMODE) == LINUX_O_ACCMODE)
        return -LINUX_EBADF;
    if (!file->ops->write)
        return -LINUX_EINVAL;
    if (file->inode && it->left > 0) {
        int err = inode_kill_setid(file->inode, it->cred ? it->cred : file->cred);
        if (err)
            return err;
    }
    ssize_t n = transfer(file, it, pos, file->ops->write);
    if (n > 0)
        notify_file(file, LINUX_IN_MODIFY);
    return n;
}

int64_t file_seek_default(struct file *file, int64_t offset, unsigned whence)
{
    struct vfs_stat st;
    int64_t base = 0;
    if (whence == LINUX_SEEK_CUR) {
        base = (int64_t)file->pos;
    } else if (whence != LINUX_SEEK_SET) {
        int err = file->inode->ops->getattr(file->inode, &st);
        if (err)
            return err;
        base = (int64_t)st.size;
    }
    switch (whence) {
    case LINUX_SEEK_SET:
    case LINUX_SEEK_CUR:
    case LINUX_SEEK_END:
        if (__builtin_add_overflow(base, offset, &offset) || offset < 0)
            return -LINUX_EINVAL;
        break;
    case LINUX_SEEK_DATA: // all data, and a hole at the end
    case LINUX_SEEK_HOLE:
        if (offset < 0 || offset >= base)
            return -LINUX_ENXIO;
        if (whence == LINUX_SEEK_HOLE)
            offset = base;
        break;
    default:
        return -LINUX_EINVAL;
    }
    file->pos = (uint64_t)offset;
    return offset;
}

int64_t file_seek(struct file *file, int64_t offset, unsigned whence)
{
    if (atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_PATH)
        return -LINUX_EBADF;
    if (whence > LINUX_SEEK_HOLE)
        return -LINUX_EINVAL;
    if (!file->ops->seek)
        return -LINUX_ESPIPE;
    gate_enter(&file->pos_gate);
    int64_t at = file->ops->seek(file, offset, whence);
    gate_leave(&file->pos_gate);
    return at;
}

int file_readdir(struct file *file, struct dir_sink *sink)
{
    if (atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_PATH)
        return -LINUX_EBADF;
    if (!file->ops->readdir)
        return -LINUX_ENOTDIR;
    if (file->path.dentry && atomic_load(&file->path.dentry->deleted))
        return -LINUX_ENOENT;
    gate_enter(&file->pos_gate);
    int err = file->ops->readdir(file, &file->pos, sink);
    gate_leave(&file->pos_gate);
    notify_file(file, LINUX_IN_ACCESS);
    return err;
}

uint64_t file_parent_ino(const struct file *file)
{
    struct dentry *parent = dentry_parent(file->path.mnt->vfs, file->path.dentry);
    uint64_t ino = parent->inode->ino;
    dentry_put(parent);
    return ino;
}

uint32_t file_poll(struct file *file, struct poll_table *table)
{
    if (file->ops->poll)
        return file->ops->poll(file, table);
    return LINUX_POLLIN | LINUX_POLLOUT | LINUX_POLLRDNORM | LINUX_POLLWRNORM;
}

int file_fsync(struct file *file, bool data_only)
{
    if (atomic_load_explicit(&file->flags, memory_order_relaxed) & LINUX_O_PATH)
        return -LINUX_EBADF;
    return file->ops->fsync ? file->ops->fsync(file, data_only) : -LINUX_EINVAL;
}

int file_fallocate(const struct cred *cred, struct file *file, unsigned mode, uint64_t offset,
                   uint64_t len)
{
    const unsigned known = LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE |
                           LINUX_FALLOC_FL_COLLAPSE_RANGE | LINUX_FALLOC_FL_ZERO_RANGE |
                           LINUX_FALLOC_FL_INSERT_RANGE | LINUX_FALLOC_FL_UNSHARE_RANGE;
    unsigned flags = atomic_load_explicit(&file->flags, memory_order_relaxed);
    if (len == 0 || offset > INT64_MAX || len > INT64_MAX)
        return -LINUX_EINVAL;
    if (mode & ~known)
        return -LINUX_EOPNOTSUPP;
    unsigned what = mode & ~(unsigned)LINUX_FALLOC_FL_KEEP_SIZE;
    if (what & (what - 1)) // the operations exclude each other
        return -LINUX_EOPNOTSUPP;
    if (what == LINUX_FALLOC_FL_PUNCH_HOLE && !(mode & LINUX_FALLOC_FL_KEEP_SIZE))
        return -LINUX_EOPNOTSUPP;
    if (flags & LINUX_O_PATH || (flags & LINUX_O_ACCMODE) == LINUX_O_RDONLY)
        return -LINUX_EBADF;
    if (!file->inode || file->inode->type == LINUX_S_IFIFO)
        return -LINUX_ESPIPE;
    if (LINUX_S_ISDIR(file->inode->type))
        return -LINUX_EISDIR;
    if (!LINUX_S_ISREG(file->inode->type))
        return -LINUX_ENODEV;
    if (len > INT64_MAX - offset)
        return -LINUX_EFBIG;
    if (!file->ops->fallocate)
        return -LINUX_EOPNOTSUPP;
    int err = inode_kill_setid(file->inode, cred); // as a write does
    if (!err)
        err = file->ops->fallocate(file, mode, offset, len);
    if (!err)
        notify_file(file, LINUX_IN_MODIFY);
    return err;
}

int file_get_page(struct file *file, uint64_t index, struct frame **out)
{
    if (file->ops->get_page)
        return file->ops->get_page(file, index, out);
    if (file->inode && file->inode->ops->get_page)
        return file->inode->ops->get_page(file->inode, index, out);
    return -LINUX_ENODEV;
}

int file_get_pages(struct file *file, uint64_t index, unsigned count, unsigned want,
                   struct frame **out)
{
    if (!file->ops->get_page && file->inode && file->inode->ops->get_pages)
        return file->inode->ops->get_pages(file->inode, index, count, want, out);
    int result = 0;
    for (unsigned i = 0; i < count; i++) {
        out[i] = NULL;
        int err = file_get_page(file, index + i, &out[i]);
        if (i == want)
            result = err;
    }
    return result;
}
