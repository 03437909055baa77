// /proc/PID/fd and /proc/PID/fdinfo.
#include "kernel/fd.h"
#include "kernel/file.h"
#include "kernel/proc/node.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The file of a node's descriptor, referenced; NULL when task or descriptor are gone.
static struct file *node_file(const struct proc_node *node, int fd, bool *cloexec)
{
    struct task *task = proc_task_get(node);
    struct fd_table *files = task ? task_files_get(task) : NULL;
    struct file *file = files ? fd_table_lookup(files, fd, cloexec) : NULL;
    if (files)
        fd_table_put(files, NULL);
    if (task)
        task_put(task);
    return file;
}

// --- Links ---------------------------------------------------------------------------------------

static ssize_t fd_readlink(const struct proc_node *node, const struct vfs_caller *c, char *buf,
                           size_t size)
{
    bool cloexec;
    struct file *file = node_file(node, node->number, &cloexec);
    if (!file)
        return -LINUX_ENOENT;
    char *name = malloc(LINUX_PATH_MAX);
    ssize_t n = -LINUX_ENOMEM;
    if (name && file->path.dentry) {
        n = path_shown(&file->path, &c->root, name, LINUX_PATH_MAX);
        if (n < 0)
            n = -LINUX_ENAMETOOLONG;
    } else if (name) {
        n = snprintf(name, LINUX_PATH_MAX, "%s", file->anon_name ? file->anon_name : "?");
    }
    if (n > 0)
        memcpy(buf, name, (size_t)n < size ? (size_t)n : size);
    free(name);
    file_put(file);
    return n;
}

static int fd_follow(const struct proc_node *node, const struct vfs_caller *c, struct path *out)
{
    (void)c;
    bool cloexec;
    struct file *file = node_file(node, node->number, &cloexec);
    if (!file)
        return -LINUX_ENOENT;
    int err = file->path.dentry ? 0 : -LINUX_ENXIO;
    if (!err) {
        *out = file->path;
        path_get(out);
    }
    file_put(file);
    return err;
}

// The owner's bits say how the descriptor may be used.
static uint32_t fd_mode(const struct proc_node *node)
{
    bool cloexec;
    struct file *file = node_file(node, node->number, &cloexec);
    uint32_t mode = LINUX_S_IFLNK;
    if (file) {
        if (file_is_readable(file))
            mode |= 0500;
        if (file_is_writable(file))
            mode |= 0300;
        file_put(file);
    }
    return mode;
}

static const struct proc_entry fd_link = {
    .name = "FD",
    .mode = LINUX_S_IFLNK | 0700,
    .needs_access = true,
    .readlink = fd_readlink,
    .follow = fd_follow,
    .live_mode = fd_mode,
};

// --- fdinfo --------------------------------------------------------------------------------------

static int show_fdinfo(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    enum { MORE_MAX = 65536 };
    (void)reader;
    bool cloexec = false;
    struct file *file = node_file(node, node->number, &cloexec);
    if (!file)
        return -LINUX_ENOENT;
    uint32_t flags = file_flags(file) | (cloexec ? (uint32_t)LINUX_O_CLOEXEC : 0);
    bool positioned = file->ops->seek;
    proc_printf(t, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%d\nino:\t%llu\n",
                (unsigned long long)(positioned ? file->pos : 0), flags,
                file->path.mnt ? vfs_mount_id(&file->path) : 0,
                (unsigned long long)(file->inode ? file->inode->ino : 1));
    if (file->ops->show_fdinfo) {
        char *more = malloc(MORE_MAX);
        if (more)
            proc_append(t, more, file->ops->show_fdinfo(file, more, MORE_MAX));
        free(more);
    }
    file_put(file);
    return 0;
}

static const struct proc_entry fdinfo_file = {
    .name = "FD",
    .mode = LINUX_S_IFREG | 0444,
    .needs_access = true,
    .show = show_fdinfo,
};

// --- Directories ---------------------------------------------------------------------------------

static int lookup_fd(const struct proc_node *dir, const char *name, const struct proc_entry *entry,
                     struct proc_node *child)
{
    char *end;
    long fd = strtol(name, &end, 10);
    bool canonical = name[0] >= '0' && name[0] <= '9' && !*end && (name[0] != '0' || !name[1]);
    if (!canonical || fd > INT32_MAX)
        return -LINUX_ENOENT;
    bool cloexec;
    struct file *file = node_file(dir, (int)fd, &cloexec);
    if (!file)
        return -LINUX_ENOENT;
    file_put(file);
    child->entry = entry;
    child->number = (int32_t)fd;
    return 0;
}

static bool next_fd(const struct proc_node *dir, int64_t *key, char name[PROC_NAME_MAX],
                    const struct proc_entry *entry, struct proc_node *child)
{
    struct task *task = proc_task_get(dir);
    struct fd_table *files = task ? task_files_get(task) : NULL;
    int fd = files ? fd_table_next(files, (int)*key) : -1;
    if (files)
        fd_table_put(files, NULL);
    if (task)
        task_put(task);
    if (fd < 0)
        return false;
    *key = fd;
    child->entry = entry;
    child->number = fd;
    snprintf(name, PROC_NAME_MAX, "%d", fd);
    return true;
}

int proc_fd_lookup(const struct proc_node *dir, const char *name, const struct vfs_caller *c,
                   struct proc_node *child)
{
    (void)c;
    return lookup_fd(dir, name, &fd_link, child);
}

bool proc_fd_next(const struct proc_node *dir, int64_t *key, char name[PROC_NAME_MAX],
                  struct proc_node *child)
{
    return next_fd(dir, key, name, &fd_link, child);
}

int proc_fdinfo_lookup(const struct proc_node *dir, const char *name, const struct vfs_caller *c,
                       struct proc_node *child)
{
    (void)c;
    return lookup_fd(dir, name, &fdinfo_file, child);
}

bool proc_fdinfo_next(const struct proc_node *dir, int64_t *key, char name[PROC_NAME_MAX],
                      struct proc_node *child)
{
    return next_fd(dir, key, name, &fdinfo_file, child);
}
