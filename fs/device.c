// Devices by number, and those every Linux has: mem(4), null(4), full(4), random(4).
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/random.h"
#include <stdlib.h>
#include <string.h>

int vfs_register_device(struct vfs *vfs, const struct vfs_device *device)
{
    lock_acquire(&vfs->mount_lock);
    struct vfs_device *grown =
        realloc(vfs->devices, (vfs->device_count + 1) * sizeof *vfs->devices);
    if (grown) {
        vfs->devices = grown;
        vfs->devices[vfs->device_count++] = *device;
    }
    lock_release(&vfs->mount_lock);
    return grown ? 0 : -LINUX_ENOMEM;
}

static bool covers(const struct vfs_device *d, const struct inode *inode)
{
    if (d->type != inode->type)
        return false;
    if (d->type == LINUX_S_IFIFO)
        return true;
    uint32_t major = vfs_major(inode->rdev), minor = vfs_minor(inode->rdev);
    return d->major == major && minor >= d->minor_first && minor <= d->minor_last;
}

int vfs_open_device(struct inode *inode, struct file *file, const struct vfs_caller *c)
{
    struct vfs *vfs = c->vfs;
    struct vfs_device found = {.open = NULL};
    lock_acquire(&vfs->mount_lock);
    for (size_t i = 0; i < vfs->device_count && !found.open; i++)
        if (covers(&vfs->devices[i], inode))
            found = vfs->devices[i];
    lock_release(&vfs->mount_lock);
    return found.open ? found.open(inode, file, c, found.ctx) : -LINUX_ENXIO;
}

// --- The memory devices --------------------------------------------------------------------------

static ssize_t read_nothing(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)file, (void)it, (void)pos;
    return 0;
}

static ssize_t write_anything(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)file, (void)pos;
    size_t n = it->left;
    it->left = 0;
    return (ssize_t)n;
}

static ssize_t write_full(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)file, (void)it, (void)pos;
    return -LINUX_ENOSPC;
}

static ssize_t read_zeros(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)file, (void)pos;
    size_t want = it->left, done = iter_put_zeros(it, want);
    return done > 0 || want == 0 ? (ssize_t)done : -LINUX_EFAULT;
}

static ssize_t read_random(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)file, (void)pos;
    char buf[1024];
    size_t done = 0;
    while (it->left > 0) {
        size_t n = it->left < sizeof buf ? it->left : sizeof buf;
        random_bytes(buf, n);
        size_t got = it->ops->copy_out(it, buf, n);
        done += got;
        if (got < n)
            return done > 0 ? (ssize_t)done : -LINUX_EFAULT;
    }
    return (ssize_t)done;
}

static int64_t seek_nowhere(struct file *file, int64_t offset, unsigned whence)
{
    (void)offset, (void)whence;
    file->pos = 0;
    return 0;
}

static int zero_page(struct file *file, uint64_t index, struct frame **out)
{
    (void)index;
    return frame_alloc(file->path.mnt->vfs->frames, out);
}

// Linux tells when the generator becomes ready, which it always was.
static int random_async(struct file *file, struct task *task, int fd, bool on)
{
    (void)task, (void)fd;
    if (on)
        atomic_fetch_or_explicit(&file->flags, LINUX_FASYNC, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&file->flags, ~(uint32_t)LINUX_FASYNC, memory_order_relaxed);
    return 0;
}

static const struct file_ops null_ops = {.traits = FILE_SPLICE_WRITE | FILE_NOWAIT,
                                         .read = read_nothing,
                                         .write = write_anything,
                                         .seek = seek_nowhere};
static const struct file_ops zero_ops = {.traits = FILE_SPLICE | FILE_NOWAIT,
                                         .read = read_zeros,
                                         .write = write_anything,
                                         .seek = seek_nowhere,
                                         .get_page = zero_page};
static const struct file_ops full_ops = {
    .traits = FILE_SPLICE_READ, .read = read_zeros, .write = write_full, .seek = seek_nowhere};
static const struct file_ops random_ops = {.traits = FILE_SPLICE | FILE_NOWAIT,
                                           .read = read_random,
                                           .write = write_anything,
                                           .seek = seek_nowhere,
                                           .set_async = random_async};

enum {
    MEM_MAJOR = 1,
    NULL_MINOR = 3,
    ZERO_MINOR = 5,
    FULL_MINOR = 7,
    RANDOM_MINOR = 8,
    URANDOM_MINOR = 9
};

static int open_mem(struct inode *inode, struct file *file, const struct vfs_caller *c, void *ctx)
{
    (void)c, (void)ctx;
    switch (vfs_minor(inode->rdev)) {
    case NULL_MINOR:
        file->ops = &null_ops;
        return 0;
    case ZERO_MINOR:
        file->ops = &zero_ops;
        return 0;
    case FULL_MINOR:
        file->ops = &full_ops;
        return 0;
    case RANDOM_MINOR:
    case URANDOM_MINOR:
        file->ops = &random_ops;
        return 0;
    default:
        return -LINUX_ENXIO;
    }
}

int devices_register_builtin(struct vfs *vfs)
{
    return vfs_register_device(vfs, &(struct vfs_device){.type = LINUX_S_IFCHR,
                                                         .major = MEM_MAJOR,
                                                         .minor_first = 0,
                                                         .minor_last = 255,
                                                         .open = open_mem});
}

// A tmpfs with the nodes made, as devtmpfs is.
int devfs_create(struct vfs *vfs, struct super **out)
{
    static const struct {
        const char *name;
        uint32_t minor;
    } nodes[] = {{"null", NULL_MINOR},
                 {"zero", ZERO_MINOR},
                 {"full", FULL_MINOR},
                 {"random", RANDOM_MINOR},
                 {"urandom", URANDOM_MINOR}};
    struct cred *cred = cred_create_root();
    if (!cred)
        return -LINUX_ENOMEM;
    struct super *super = NULL;
    int err = tmpfs_create(vfs, 0, 0755, &super);
    const struct vfs_caller c = {.vfs = vfs, .cred = cred};
    for (size_t i = 0; i < ARRAY_LEN(nodes) && !err; i++) {
        struct inode *dir = super->root, *inode;
        lock_acquire(&dir->lock);
        err = dir->ops->mknod(dir, nodes[i].name, LINUX_S_IFCHR | 0666,
                              vfs_makedev(MEM_MAJOR, nodes[i].minor), &c, &inode);
        lock_release(&dir->lock);
        if (!err)
            inode_put(inode);
    }
    if (err)
        super_put(super);
    else
        *out = super;
    cred_put(cred);
    return err;
}
