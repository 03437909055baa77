// stat, statfs, getdents: what files say about themselves.
#include "kernel/file.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <stdlib.h>
#include <string.h>

// Nanoseconds before the epoch round towards the past, so that tv_nsec stays positive.
static struct linux_timespec timespec_of(int64_t ns)
{
    int64_t sec = ns / (int64_t)NSEC_PER_SEC, rest = ns % (int64_t)NSEC_PER_SEC;
    if (rest < 0) {
        sec--;
        rest += (int64_t)NSEC_PER_SEC;
    }
    return (struct linux_timespec){sec, rest};
}

static int put_stat(struct task *task, uaddr_t addr, const struct vfs_stat *st)
{
    struct linux_stat out = {
        .st_dev = st->dev,
        .st_ino = st->ino,
        .st_mode = st->mode,
        .st_nlink = st->nlink,
        .st_uid = cred_show_uid(task->cred, st->uid),
        .st_gid = cred_show_gid(task->cred, st->gid),
        .st_rdev = st->rdev,
        .st_size = (int64_t)st->size,
        .st_blksize = (int32_t)st->blksize,
        .st_blocks = (int64_t)st->blocks,
        .st_atime_ = timespec_of(st->atime),
        .st_mtime_ = timespec_of(st->mtime),
        .st_ctime_ = timespec_of(st->ctime),
    };
    return user_put(task, addr, &out);
}

// The object an AT_EMPTY_PATH call with an empty name means: the descriptor itself.
static int stat_descriptor(struct task *task, int32_t fd, struct vfs_stat *out)
{
    struct file *file = fd_get(task, fd);
    if (!file)
        return -LINUX_EBADF;
    int err = file_getattr(task, file, out);
    file_put(file);
    return err;
}

// Where an object was found, for statx: id 0 when it is in no tree.
struct stat_place {
    int mount_id;
    bool mount_root;
};

static void note_place(const struct path *p, struct stat_place *out)
{
    if (p->mnt)
        *out = (struct stat_place){vfs_mount_id(p), vfs_is_mount_root(p)};
}

static int stat_at(struct task *task, int32_t dirfd, uaddr_t path, uint32_t flags,
                   struct vfs_stat *out, struct stat_place *place)
{
    *place = (struct stat_place){0, false};
    struct file_at at;
    int err = file_at_begin(task, dirfd, path, flags & LINUX_AT_EMPTY_PATH, &at);
    if (err)
        return err;
    if (!at.name[0] && at.base.file) {
        err = file_getattr(task, at.base.file, out);
        note_place(&at.base.file->path, place);
    } else {
        struct path found;
        err = file_at_walk(&at, file_at_flags(flags), &found);
        if (!err) {
            err = vfs_getattr(&at.caller, &found, out);
            note_place(&found, place);
            path_put(&found);
        }
    }
    file_at_end(&at);
    return err;
}

int64_t sys_fstat(struct task *task, int32_t fd, uaddr_t buf)
{
    struct vfs_stat st;
    int err = stat_descriptor(task, fd, &st);
    return err ? err : put_stat(task, buf, &st);
}

enum {
    STAT_FLAGS = LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_NO_AUTOMOUNT | LINUX_AT_EMPTY_PATH |
                 LINUX_AT_STATX_SYNC_TYPE,
    STATX_RESERVED_BIT = 31,
};

int64_t sys_newfstatat(struct task *task, int32_t dirfd, uaddr_t path, uaddr_t buf, uint32_t flags)
{
    if (flags & ~(uint32_t)STAT_FLAGS)
        return -LINUX_EINVAL;
    struct vfs_stat st;
    struct stat_place place;
    int err = stat_at(task, dirfd, path, flags, &st, &place);
    return err ? err : put_stat(task, buf, &st);
}

static struct linux_statx_timestamp statx_time(int64_t ns)
{
    struct linux_timespec ts = timespec_of(ns);
    return (struct linux_statx_timestamp){ts.sec, (uint32_t)ts.nsec, 0};
}

static uint32_t dev_major(uint64_t dev)
{
    return (uint32_t)(dev >> 8 & 0xfff);
}

static uint32_t dev_minor(uint64_t dev)
{
    return (uint32_t)((dev & 0xff) | (dev >> 12 & ~0xffull));
}

int64_t sys_statx(struct task *task, int32_t dirfd, uaddr_t path, uint32_t flags, uint32_t mask,
                  uaddr_t buf)
{
    if (mask >> STATX_RESERVED_BIT || flags & ~(uint32_t)STAT_FLAGS ||
        (flags & LINUX_AT_STATX_SYNC_TYPE) == LINUX_AT_STATX_SYNC_TYPE)
        return -LINUX_EINVAL;
    struct vfs_stat st;
    struct stat_place place;
    int err = stat_at(task, dirfd, path, flags, &st, &place);
    if (err)
        return err;
    struct linux_statx out = {
        .stx_mask = LINUX_STATX_BASIC_STATS | LINUX_STATX_MNT_ID,
        .stx_attributes = place.mount_root ? LINUX_STATX_ATTR_MOUNT_ROOT : 0,
        .stx_attributes_mask = LINUX_STATX_ATTR_MOUNT_ROOT,
        .stx_mnt_id = (uint64_t)place.mount_id,
        .stx_blksize = st.blksize,
        .stx_nlink = st.nlink,
        .stx_uid = cred_show_uid(task->cred, st.uid),
        .stx_gid = cred_show_gid(task->cred, st.gid),
        .stx_mode = (uint16_t)st.mode,
        .stx_ino = st.ino,
        .stx_size = st.size,
        .stx_blocks = st.blocks,
        .stx_atime = statx_time(st.atime),
        .stx_ctime = statx_time(st.ctime),
        .stx_mtime = statx_time(st.mtime),
        .stx_rdev_major = dev_major(st.rdev),
        .stx_rdev_minor = dev_minor(st.rdev),
        .stx_dev_major = dev_major(st.dev),
        .stx_dev_minor = dev_minor(st.dev),
    };
    if (st.btime != INT64_MIN) {
        out.stx_mask |= LINUX_STATX_BTIME;
        out.stx_btime = statx_time(st.btime);
    }
    return user_put(task, buf, &out);
}

// --- statfs --------------------------------------------------------------------------------------

static int put_statfs(struct task *task, uaddr_t addr, const struct vfs_statfs *fs)
{
    struct linux_statfs64 out = {
        .f_type = (int64_t)fs->type,
        .f_bsize = (int64_t)fs->bsize,
        .f_blocks = fs->blocks,
        .f_bfree = fs->bfree,
        .f_bavail = fs->bavail,
        .f_files = fs->files,
        .f_ffree = fs->ffree,
        .f_fsid = {(int32_t)(uint32_t)fs->fsid, (int32_t)(uint32_t)(fs->fsid >> 32)},
        .f_namelen = (int64_t)fs->namelen,
        .f_frsize = (int64_t)(fs->frsize ? fs->frsize : fs->bsize),
        .f_flags = (int64_t)(fs->flags | LINUX_ST_VALID),
    };
    return user_put(task, addr, &out);
}

int64_t sys_statfs(struct task *task, uaddr_t path, uaddr_t buf)
{
    struct file_at at;
    struct path found;
    int err = file_at_resolve(task, LINUX_AT_FDCWD, path, WALK_FOLLOW, &at, &found);
    if (err)
        return err;
    struct vfs_statfs fs = {0};
    err = vfs_statfs(&found, &fs);
    path_put(&found);
    file_at_end(&at);
    return err ? err : put_statfs(task, buf, &fs);
}

int64_t sys_fstatfs(struct task *task, int32_t fd, uaddr_t buf)
{
    struct file *file = fd_get(task, fd);
    if (!file)
        return -LINUX_EBADF;
    struct vfs_statfs fs = {.type = LINUX_ANON_INODE_MAGIC, .bsize = 4096, .namelen = 255};
    int err = file->path.dentry ? vfs_statfs(&file->path, &fs) : 0;
    file_put(file);
    return err ? err : put_statfs(task, buf, &fs);
}

// --- getdents64 ----------------------------------------------------------------------------------

// Entries are collected here and copied to the guest in one piece: no file system lock is held
// while guest memory is touched.
struct dirent_sink {
    struct dir_sink sink;
    uint8_t *buf;
    size_t size, used;
    bool full;
};

static bool emit_dirent(struct dir_sink *sink, const char *name, size_t name_len, uint64_t ino,
                        uint8_t d_type, uint64_t next_pos)
{
    struct dirent_sink *d = CONTAINER_OF(sink, struct dirent_sink, sink);
    size_t len = (LINUX_DIRENT64_NAME_OFFSET + name_len + 1 + 7) & ~(size_t)7;
    if (len > d->size - d->used) {
        d->full = true;
        return false;
    }
    struct linux_dirent64 head = {
        .d_ino = ino, .d_off = (int64_t)next_pos, .d_reclen = (uint16_t)len, .d_type = d_type};
    uint8_t *at = d->buf + d->used;
    memset(at, 0, len);
    memcpy(at, &head, LINUX_DIRENT64_NAME_OFFSET);
    memcpy(at + LINUX_DIRENT64_NAME_OFFSET, name, name_len);
    d->used += len;
    return true;
}

int64_t sys_getdents64(struct task *task, int32_t fd, uaddr_t dirent, uint32_t count)
{
    enum { CHUNK = 65536 };
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    struct dirent_sink d = {.sink = {emit_dirent}, .size = count < CHUNK ? count : CHUNK};
    d.buf = malloc(d.size ? d.size : 1);
    int64_t result = d.buf ? file_readdir(file, &d.sink) : -LINUX_ENOMEM;
    if (result >= 0) {
        if (d.used > 0)
            result = user_write(task, dirent, d.buf, d.used);
        else if (d.full)
            result = -LINUX_EINVAL;
        if (result >= 0)
            result = (int64_t)d.used;
    }
    free(d.buf);
    file_put(file);
    return result;
}
