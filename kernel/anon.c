#include "kernel/anon.h"
#include "kernel/boot.h"
#include "kernel/kernel.h"
#include "kernel/pipe.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <stdlib.h>

// Times of a nameless inode; the rest of its attributes is in struct inode.
struct anon_times {
    _Atomic int64_t atime, mtime, ctime;
};

static int anon_getattr(struct inode *inode, struct vfs_stat *out)
{
    const struct anon_times *times = inode->private;
    *out = (struct vfs_stat){
        .dev = inode->super->dev,
        .ino = inode->ino,
        .mode = atomic_load_explicit(&inode->mode, memory_order_relaxed),
        .nlink = 1,
        .uid = atomic_load_explicit(&inode->uid, memory_order_relaxed),
        .gid = atomic_load_explicit(&inode->gid, memory_order_relaxed),
        .blksize = 4096,
        .atime = atomic_load_explicit(&times->atime, memory_order_relaxed),
        .mtime = atomic_load_explicit(&times->mtime, memory_order_relaxed),
        .ctime = atomic_load_explicit(&times->ctime, memory_order_relaxed),
        .btime = INT64_MIN,
    };
    return 0;
}

static int anon_setattr(struct inode *inode, const struct vfs_setattr *attr)
{
    struct anon_times *times = inode->private;
    if (attr->mask & ATTR_SIZE)
        return -LINUX_EINVAL;
    if (attr->mask & ATTR_MODE)
        atomic_store_explicit(&inode->mode, inode->type | (attr->mode & LINUX_S_IALLPERM),
                              memory_order_relaxed);
    if (attr->mask & ATTR_UID)
        atomic_store_explicit(&inode->uid, attr->uid, memory_order_relaxed);
    if (attr->mask & ATTR_GID)
        atomic_store_explicit(&inode->gid, attr->gid, memory_order_relaxed);
    if (attr->mask & ATTR_ATIME)
        atomic_store_explicit(&times->atime, attr->atime, memory_order_relaxed);
    if (attr->mask & ATTR_MTIME)
        atomic_store_explicit(&times->mtime, attr->mtime, memory_order_relaxed);
    atomic_store_explicit(&times->ctime, (int64_t)clock_realtime_ns(), memory_order_relaxed);
    return 0;
}

static void anon_evict(struct inode *inode)
{
    free(inode->private);
}

static const struct inode_ops anon_inode_ops = {
    .getattr = anon_getattr,
    .setattr = anon_setattr,
    .evict = anon_evict,
};

static int pipefs_statfs(struct super *s, struct vfs_statfs *out)
{
    (void)s;
    *out = (struct vfs_statfs){.type = LINUX_PIPEFS_MAGIC, .bsize = 4096, .namelen = 255};
    return 0;
}

static int sockfs_statfs(struct super *s, struct vfs_statfs *out)
{
    (void)s;
    *out = (struct vfs_statfs){.type = LINUX_SOCKFS_MAGIC, .bsize = 4096, .namelen = 255};
    return 0;
}

static void nothing_to_destroy(struct super *s)
{
    (void)s;
}

static const struct super_ops pipefs_ops = {.destroy = nothing_to_destroy, .statfs = pipefs_statfs};
static const struct super_ops sockfs_ops = {.destroy = nothing_to_destroy, .statfs = sockfs_statfs};

int anon_create(struct kernel *kernel)
{
    struct anon *anon = calloc(1, sizeof *anon);
    if (!anon)
        return -LINUX_ENOMEM;
    atomic_init(&anon->next_ino, 1);
    lock_init(&anon->epoll_nest, LOCK_RANK_EPOLL_NEST);
    kernel->anon = anon;
    anon->pipefs = super_create(&pipefs_ops, kernel->vfs, NULL);
    anon->sockfs = super_create(&sockfs_ops, kernel->vfs, NULL);
    int err = anon->pipefs && anon->sockfs ? 0 : -LINUX_ENOMEM;
    if (!err)
        err = tmpfs_create(kernel->vfs, 0, 0700, &anon->memory);
    if (err)
        anon_destroy(kernel);
    return err;
}

void anon_destroy(struct kernel *kernel)
{
    struct anon *anon = kernel->anon;
    if (!anon)
        return;
    struct super *supers[] = {anon->pipefs, anon->sockfs, anon->memory};
    for (size_t i = 0; i < ARRAY_LEN(supers); i++)
        if (supers[i])
            super_put(supers[i]);
    lock_destroy(&anon->epoll_nest);
    free(anon);
    kernel->anon = NULL;
}

int anon_inode_create(struct anon *anon, struct super *super, uint32_t mode,
                      const struct cred *cred, void *attached, void (*attached_free)(void *),
                      struct inode **out)
{
    struct anon_times *times = malloc(sizeof *times);
    struct inode *inode = NULL;
    if (times)
        inode = inode_create(super, &anon_inode_ops, mode & LINUX_S_IFMT,
                             atomic_fetch_add_explicit(&anon->next_ino, 1, memory_order_relaxed));
    if (!inode) {
        free(times);
        attached_free(attached);
        return -LINUX_ENOMEM;
    }
    int64_t now = (int64_t)clock_realtime_ns();
    atomic_init(&times->atime, now);
    atomic_init(&times->mtime, now);
    atomic_init(&times->ctime, now);
    inode->private = times;
    inode->cached_perm = true;
    atomic_store_explicit(&inode->mode, mode, memory_order_relaxed);
    atomic_store_explicit(&inode->uid, cred->fsuid, memory_order_relaxed);
    atomic_store_explicit(&inode->gid, cred->fsgid, memory_order_relaxed);
    inode->attached = attached;
    inode->attached_free = attached_free;
    *out = inode;
    return 0;
}
