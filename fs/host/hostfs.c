// hostfs: a directory of the host as it is.
#include "fs/hostfs.h"
#include "fs/host/host_fs.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

static int hostfs_load(struct host_fs *fs, const struct host_stat *st, struct host_meta *out,
                       uint64_t *recorded)
{
    (void)fs;
    *out = (struct host_meta){
        .mode = st->mode & ~(uint32_t)(LINUX_S_ISUID | LINUX_S_ISGID),
        .uid = st->uid == host_uid() ? 0 : st->uid,
        .gid = st->gid == host_gid() ? 0 : st->gid,
        .rdev = st->rdev,
    };
    *recorded = 0;
    return 0;
}

static uint32_t host_bits(uint32_t mode)
{
    return mode & (0777 | LINUX_S_ISVTX);
}

static uint32_t hostfs_create_mode(const struct host_meta *meta)
{
    return host_bits(meta->mode);
}

static int hostfs_created(struct host_fs *fs, struct host_stat *st, const struct host_meta *meta,
                          const struct host_place *place, int fd, uint64_t *recorded)
{
    (void)fs;
    *recorded = 0;
    uint32_t want = host_bits(meta->mode);
    if (LINUX_S_ISLNK(meta->mode) || (st->mode & LINUX_S_IALLPERM) == want)
        return 0; // as asked; the host's umask may have taken something away
    st->mode = (st->mode & LINUX_S_IFMT) | want;
    return fd >= 0 ? host_fchmod(fd, want) : host_chmod(place->dir_fd, place->name, want);
}

static int hostfs_change(struct host_node *node, const struct host_meta *from,
                         const struct host_meta *to)
{
    if (to->uid != from->uid || to->gid != from->gid)
        return -LINUX_EPERM;
    if (to->mode == from->mode)
        return 0;
    struct host_place place;
    int err = host_place_find(node, &place);
    if (!err) {
        err = host_chmod(place.dir_fd, place.name, host_bits(to->mode));
        host_place_done(&place);
        return err;
    }
    int fd;
    err = host_node_open_any(node, &fd);
    if (err)
        return err;
    err = host_fchmod(fd, host_bits(to->mode));
    host_close(fd);
    return err;
}

static void hostfs_removed(struct host_node *node)
{
    (void)node;
}

// The host keeps xattrs; of its name spaces only user.* means the same to the guest.
static bool is_user_name(const char *name)
{
    return strncmp(name, "user.", 5) == 0;
}

static ssize_t hostfs_getxattr(struct host_node *node, const char *name, void *buf, size_t size)
{
    int fd;
    if (!is_user_name(name))
        return -LINUX_EOPNOTSUPP;
    int err = host_node_open_any(node, &fd);
    if (err)
        return err;
    ssize_t n = host_getxattr(fd, name, buf, size);
    host_close(fd);
    return n;
}

static int hostfs_setxattr(struct host_node *node, const char *name, const void *value, size_t size,
                           unsigned flags)
{
    int fd;
    if (!is_user_name(name))
        return -LINUX_EOPNOTSUPP;
    int err = host_node_open_any(node, &fd);
    if (err)
        return err;
    err = host_setxattr(fd, name, value, size, flags);
    host_close(fd);
    return err;
}

// Keeps the user.* names of a list; returns their length.
static size_t keep_user_names(char *names, size_t len)
{
    size_t kept = 0;
    for (size_t at = 0; at < len;) {
        size_t n = strlen(names + at) + 1;
        if (is_user_name(names + at)) {
            memmove(names + kept, names + at, n);
            kept += n;
        }
        at += n;
    }
    return kept;
}

static ssize_t list_all(int fd, char **out)
{
    ssize_t n = host_listxattr(fd, NULL, 0);
    if (n <= 0)
        return n;
    *out = malloc((size_t)n);
    if (!*out)
        return -LINUX_ENOMEM;
    n = host_listxattr(fd, *out, (size_t)n);
    return n < 0 ? n : (ssize_t)keep_user_names(*out, (size_t)n);
}

static ssize_t hostfs_listxattr(struct host_node *node, char *buf, size_t size)
{
    int fd;
    if (!LINUX_S_ISREG(node->host_type) && !LINUX_S_ISDIR(node->host_type))
        return 0;
    int err = host_node_open_any(node, &fd);
    if (err)
        return err;
    char *all = NULL;
    ssize_t n = list_all(fd, &all);
    host_close(fd);
    if (n > 0 && size > 0) {
        if ((size_t)n > size)
            n = -LINUX_ERANGE;
        else
            memcpy(buf, all, (size_t)n);
    }
    free(all);
    return n;
}

static int hostfs_removexattr(struct host_node *node, const char *name)
{
    int fd;
    if (!is_user_name(name))
        return -LINUX_EOPNOTSUPP;
    int err = host_node_open_any(node, &fd);
    if (err)
        return err;
    err = host_removexattr(fd, name);
    host_close(fd);
    return err;
}

static const struct host_policy hostfs_policy = {
    .load = hostfs_load,
    .create_mode = hostfs_create_mode,
    .created = hostfs_created,
    .change = hostfs_change,
    .removed = hostfs_removed,
    .getxattr = hostfs_getxattr,
    .setxattr = hostfs_setxattr,
    .listxattr = hostfs_listxattr,
    .removexattr = hostfs_removexattr,
};

static void hostfs_destroy(struct super *s)
{
    struct host_fs *fs = s->private;
    inode_put(s->root);
    host_fs_free(fs);
    free(fs);
}

static int hostfs_statfs(struct super *s, struct vfs_statfs *out)
{
    return host_fs_statfs(s->private, out);
}

static int hostfs_sync(struct super *s)
{
    return host_fs_sync(s->private);
}

static const struct super_ops hostfs_super_ops = {
    .destroy = hostfs_destroy,
    .statfs = hostfs_statfs,
    .sync = hostfs_sync,
};

// Is the directory, or one above it, part of a metadata store that is in use?
static int check_outside_stores(struct vfs *vfs, int fd)
{
    struct host_stat st, last = {0};
    int at = host_dup(fd), err = at < 0 ? at : 0;
    while (!err) {
        err = host_fstat(at, &st);
        if (err || (st.dev == last.dev && st.ino == last.ino))
            break; // the host's root
        if (vfs_is_hidden(vfs, st.dev, st.ino)) {
            err = -LINUX_EACCES;
            break;
        }
        last = st;
        int up = host_parent_dir(at);
        host_close(at);
        at = up;
        if (up == -LINUX_EACCES) // cannot look further; what is mounted then cannot leave either
            break;
        err = up < 0 ? up : 0;
    }
    host_close(at);
    return err;
}

int hostfs_create(struct vfs *vfs, const char *dir, struct super **out)
{
    int root_fd = host_open_dir_path(dir);
    if (root_fd < 0)
        return root_fd;
    int err = check_outside_stores(vfs, root_fd);
    struct host_fs *fs = err ? NULL : calloc(1, sizeof *fs);
    struct super *s = fs ? super_create(&hostfs_super_ops, vfs, fs) : NULL;
    if (!s) {
        free(fs);
        host_close(root_fd);
        return err ? err : -LINUX_ENOMEM;
    }
    s->flags = SUPER_NO_DCACHE | SUPER_HANDLES;
    fs->staging_fd = -1;
    err = host_fs_init(fs, s, &hostfs_policy, root_fd);
    if (err) {
        super_put(s);
        return err;
    }
    *out = s;
    return 0;
}
