// Open directories of the host.
#include "fs/host/host_fs.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

struct dir_file {
    struct host_dir *dir;
    uint64_t at; // where the host's stream stands
};

int host_dir_file_open(struct inode *inode, struct file *file, const struct vfs_caller *c)
{
    (void)c;
    struct host_node *node = host_node_of(inode);
    struct dir_file *d = calloc(1, sizeof *d);
    if (!d)
        return -LINUX_ENOMEM;
    int pinned;
    int err = host_dir_pin(node, &pinned);
    if (!err) {
        int fd = host_fs_open(node->fs, pinned, ".", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
        host_dir_done(node);
        err = fd < 0 ? fd : host_dir_open(fd, &d->dir);
        if (err && fd >= 0)
            host_close(fd);
    }
    if (err) {
        free(d);
        return err;
    }
    file->ops = &host_dir_ops;
    file->private = d;
    return 0;
}

static void dir_release(struct file *file)
{
    struct dir_file *d = file->private;
    host_dir_close(d->dir);
    free(d);
}

static int dir_readdir(struct file *file, uint64_t *pos, struct dir_sink *sink)
{
    struct dir_file *d = file->private;
    struct host_fs *fs = host_node_of(file->inode)->fs;
    if (d->at != *pos)
        host_dir_seek(d->dir, *pos);
    d->at = *pos;
    struct host_dirent e;
    int got;
    while ((got = host_dir_next(d->dir, &e)) > 0) {
        char name[LINUX_NAME_MAX + 1];
        if (strcmp(e.name, "..") == 0)
            e.ino = file_parent_ino(file); // the host's own for the root of ours
        if (fs->escaped && !host_name_unescape(e.name, name)) {
            *pos = d->at = e.next_pos; // put there by somebody else: it cannot be reached
            continue;
        }
        if (fs->escaped)
            e.name = name;
        uint8_t type = e.type;
        if (fs->policy->dirent_type)
            type = fs->policy->dirent_type(fs, e.ino, type);
        d->at = e.next_pos;
        if (!sink->emit(sink, e.name, strlen(e.name), e.ino, type, e.next_pos))
            break; // not taken: the stream is one ahead of *pos, and is put back next time
        *pos = e.next_pos;
    }
    host_attr_changed(host_node_of(file->inode));
    return got < 0 ? got : 0;
}

static int64_t dir_seek(struct file *file, int64_t offset, unsigned whence)
{
    if (whence == LINUX_SEEK_CUR)
        offset += (int64_t)file->pos;
    else if (whence != LINUX_SEEK_SET)
        return -LINUX_EINVAL;
    if (offset < 0)
        return -LINUX_EINVAL;
    if (offset == 0)
        ((struct dir_file *)file->private)->at = UINT64_MAX; // a rewind sees new entries
    file->pos = (uint64_t)offset;
    return offset;
}

static int dir_fsync(struct file *file, bool data_only)
{
    struct host_node *node = host_node_of(file->inode);
    int pinned;
    int err = host_dir_pin(node, &pinned);
    if (err)
        return err;
    int fd = host_fs_open(node->fs, pinned, ".", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    host_dir_done(node);
    if (fd < 0)
        return fd;
    err = host_fsync(fd, data_only);
    host_close(fd);
    if (!err && node->fs->policy->sync)
        err = node->fs->policy->sync(node->fs);
    return err;
}

const struct file_ops host_dir_ops = {
    .readdir = dir_readdir,
    .seek = dir_seek,
    .fsync = dir_fsync,
    .release = dir_release,
};
