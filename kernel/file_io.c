// read, write and their relatives.
#include "kernel/file_io.h"
#include "kernel/file.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"

// What a program's own transfers are held to.
static void set_rules(struct iter *it, const struct file *file)
{
    it->nonblock = (file_flags(file) & LINUX_O_NONBLOCK) != 0;
    it->refuse_end = true;
}

// A count that wraps around the address space is a bad buffer, whatever the address.
static bool is_buffer(uint64_t count)
{
    return (int64_t)count >= 0;
}

static int64_t read_into(struct task *task, int32_t fd, uaddr_t buf, uint64_t count, uint64_t *pos)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    struct iter it;
    user_iter(&it, task, buf, file_rw_clamp(count));
    set_rules(&it, file);
    int64_t n;
    if (LIKELY(is_buffer(count)))
        n = file_read(file, &it, pos);
    else
        n = file_is_readable(file) ? -LINUX_EFAULT : -LINUX_EBADF;
    file_put(file);
    return n;
}

static int64_t write_from(struct task *task, int32_t fd, uaddr_t buf, uint64_t count, uint64_t *pos)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    struct iter it;
    user_iter(&it, task, buf, file_rw_clamp(count));
    set_rules(&it, file);
    int64_t n;
    if (LIKELY(is_buffer(count)))
        n = file_write_checked(task, file, &it, pos);
    else
        n = file_is_writable(file) ? -LINUX_EFAULT : -LINUX_EBADF;
    file_put(file);
    return n;
}

int64_t sys_read(struct task *task, int32_t fd, uaddr_t buf, uint64_t count)
{
    return read_into(task, fd, buf, count, NULL);
}

int64_t sys_write(struct task *task, int32_t fd, uaddr_t buf, uint64_t count)
{
    return write_from(task, fd, buf, count, NULL);
}

// The checks pread and pwrite add: a position, and a file that has one.
static int check_position(struct task *task, int32_t fd, int64_t offset)
{
    if (offset < 0)
        return -LINUX_EINVAL;
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    // Objects without an inode may tell a position (always 0), but have none.
    bool seekable = file->ops->seek && file->inode;
    file_put(file);
    return seekable ? 0 : -LINUX_ESPIPE;
}

int64_t sys_pread64(struct task *task, int32_t fd, uaddr_t buf, uint64_t count, int64_t offset)
{
    int err = check_position(task, fd, offset);
    if (err)
        return err;
    uint64_t pos = (uint64_t)offset;
    return read_into(task, fd, buf, count, &pos);
}

int64_t sys_pwrite64(struct task *task, int32_t fd, uaddr_t buf, uint64_t count, int64_t offset)
{
    int err = check_position(task, fd, offset);
    if (err)
        return err;
    uint64_t pos = (uint64_t)offset;
    return write_from(task, fd, buf, count, &pos);
}

// What the kind of file says of LINUX_RWF_* flags.
static int check_flags(const struct file *file, uint32_t rwf, bool write, uint64_t count)
{
    bool dir = file->inode && file->inode->type == LINUX_S_IFDIR;
    if (write ? !file_is_writable(file) : !file_is_readable(file))
        return -LINUX_EBADF;
    if (!dir && (write ? !file->ops->write : !file->ops->read))
        return -LINUX_EINVAL;
    if (!count)
        return 0;
    bool nowait = file->ops->traits & (write ? FILE_NOWAIT_WRITE : FILE_NOWAIT_READ);
    // Objects Linux cannot transfer in vectors know one flag.
    uint32_t known = file->inode || nowait ? FILE_RWF_KNOWN : (uint32_t)LINUX_RWF_HIPRI;
    if (!nowait)
        known &= ~(uint32_t)LINUX_RWF_NOWAIT;
    return rwf & ~known ? -LINUX_EOPNOTSUPP : 0;
}

// A transfer with LINUX_RWF_* flags. `pos` NULL: the file's own position.
static int64_t transfer(struct task *task, struct file *file, struct iter *it, uint64_t *pos,
                        uint32_t rwf, bool write)
{
    set_rules(it, file);
    if (UNLIKELY(rwf)) {
        int err = check_flags(file, rwf, write, it->left);
        if (err || !it->left)
            return err;
        it->nonblock |= (rwf & LINUX_RWF_NOWAIT) != 0;
        it->append = rwf & LINUX_RWF_APPEND;
    }
    int64_t n = write ? file_write_checked(task, file, it, pos) : file_read(file, it, pos);
    if (write && n > 0 && rwf & (LINUX_RWF_DSYNC | LINUX_RWF_SYNC) && file->ops->fsync) {
        int err = file_fsync(file, !(rwf & LINUX_RWF_SYNC));
        n = err ? err : n;
    }
    return n;
}

int64_t file_io_flagged(struct task *task, int32_t fd, uaddr_t buf, uint64_t count, int64_t offset,
                        uint32_t rwf, bool write)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    struct iter it;
    uint64_t pos = (uint64_t)offset;
    user_iter(&it, task, buf, file_rw_clamp(count));
    int64_t n = -LINUX_EFAULT;
    if (is_buffer(count))
        n = transfer(task, file, &it, offset == -1 ? NULL : &pos, rwf, write);
    file_put(file);
    return n;
}

// A vector transfer.
static int64_t transfer_vector(struct task *task, int32_t fd, uaddr_t iov, uint64_t iovcnt,
                               uint64_t *pos, uint32_t rwf, bool write)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    struct iter it;
    int64_t n = -LINUX_EBADF;
    if (write ? file_is_writable(file) : file_is_readable(file))
        n = user_iter_vec(&it, task, iov, iovcnt);
    if (n >= 0) {
        n = transfer(task, file, &it, pos, rwf, write);
        user_iter_done(&it);
    }
    file_put(file);
    return n;
}

int64_t sys_readv(struct task *task, int32_t fd, uaddr_t iov, uint64_t iovcnt)
{
    return transfer_vector(task, fd, iov, iovcnt, NULL, 0, false);
}

int64_t sys_writev(struct task *task, int32_t fd, uaddr_t iov, uint64_t iovcnt)
{
    return transfer_vector(task, fd, iov, iovcnt, NULL, 0, true);
}

int64_t sys_preadv(struct task *task, int32_t fd, uaddr_t iov, uint64_t iovcnt, int64_t offset,
                   uint64_t unused)
{
    (void)unused;
    int err = check_position(task, fd, offset);
    if (err)
        return err;
    uint64_t pos = (uint64_t)offset;
    return transfer_vector(task, fd, iov, iovcnt, &pos, 0, false);
}

int64_t sys_pwritev(struct task *task, int32_t fd, uaddr_t iov, uint64_t iovcnt, int64_t offset,
                    uint64_t unused)
{
    (void)unused;
    int err = check_position(task, fd, offset);
    if (err)
        return err;
    uint64_t pos = (uint64_t)offset;
    return transfer_vector(task, fd, iov, iovcnt, &pos, 0, true);
}

static int64_t transfer_vector_flags(struct task *task, int32_t fd, uaddr_t iov, uint64_t iovcnt,
                                     int64_t offset, uint32_t flags, bool write)
{
    uint64_t pos = (uint64_t)offset;
    int err = offset == -1 ? 0 : check_position(task, fd, offset);
    if (err)
        return err;
    return transfer_vector(task, fd, iov, iovcnt, offset == -1 ? NULL : &pos, flags, write);
}

int64_t sys_preadv2(struct task *task, int32_t fd, uaddr_t iov, uint64_t iovcnt, int64_t offset,
                    uint64_t unused, uint32_t flags)
{
    (void)unused;
    return transfer_vector_flags(task, fd, iov, iovcnt, offset, flags, false);
}

int64_t sys_pwritev2(struct task *task, int32_t fd, uaddr_t iov, uint64_t iovcnt, int64_t offset,
                     uint64_t unused, uint32_t flags)
{
    (void)unused;
    return transfer_vector_flags(task, fd, iov, iovcnt, offset, flags, true);
}

int64_t sys_lseek(struct task *task, int32_t fd, int64_t offset, int32_t whence)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int64_t pos = -LINUX_EINVAL;
    if (whence >= LINUX_SEEK_SET && whence <= LINUX_SEEK_HOLE)
        pos = file_seek(file, offset, (unsigned)whence);
    file_put(file);
    return pos;
}

// --- Getting data to disk ------------------------------------------------------------------------

static int64_t sync_file(struct task *task, int32_t fd, bool data_only)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int err = file_fsync(file, data_only);
    file_put(file);
    return err;
}

int64_t sys_fsync(struct task *task, int32_t fd)
{
    return sync_file(task, fd, false);
}

int64_t sys_fdatasync(struct task *task, int32_t fd)
{
    return sync_file(task, fd, true);
}

int64_t sys_syncfs(struct task *task, int32_t fd)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int err = 0;
    if (file->inode && file->inode->super->ops->sync)
        err = file->inode->super->ops->sync(file->inode->super);
    file_put(file);
    return err;
}

int64_t sys_sync(struct task *task)
{
    vfs_sync(task->kernel->vfs);
    return 0;
}

int64_t sys_sync_file_range(struct task *task, int32_t fd, int64_t offset, int64_t len,
                            uint32_t flags)
{
    int64_t end;
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int64_t result = -LINUX_ESPIPE;
    uint32_t type = file->inode ? file->inode->type : 0;
    if (flags & ~7u || offset < 0 || len < 0 || __builtin_add_overflow(offset, len, &end))
        result = -LINUX_EINVAL;
    // Writing the whole file out is more than the range asked for.
    else if (type == LINUX_S_IFREG || type == LINUX_S_IFDIR)
        result = flags ? file_fsync(file, true) : 0;
    file_put(file);
    return result;
}

// --- Advice about reading ahead ------------------------------------------------------------------
// The host reads ahead by itself; only the arguments are judged.

int64_t sys_fadvise64(struct task *task, int32_t fd, int64_t offset, int64_t len, int32_t advice)
{
    (void)offset;
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    bool pipe = file->inode && file->inode->type == LINUX_S_IFIFO;
    file_put(file);
    if (pipe)
        return -LINUX_ESPIPE;
    return len < 0 || advice < 0 || advice > 5 ? -LINUX_EINVAL : 0;
}

int64_t sys_readahead(struct task *task, int32_t fd, int64_t offset, uint64_t count)
{
    (void)offset, (void)count;
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int64_t result = 0;
    if (!file_is_readable(file))
        result = -LINUX_EBADF;
    else if (!file->inode || file->inode->type != LINUX_S_IFREG)
        result = -LINUX_EINVAL;
    file_put(file);
    return result;
}
