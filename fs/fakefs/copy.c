#include "fs/fakefs/fakefs.h"
#include "fs/fakefs/files.h"
#include "fs/fakefs/side.h"
#include "fs/fakefs/tree.h"
#include "fs/sparse_map.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 128 * 1024 };

// What is being made has this name until it is whole.
#define UNFINISHED ".fakefs-cp.partial"

struct dir_stack {
    struct dir_stack *up;
    struct path dir; // in the target
};

struct copy {
    struct archive_job *job;
    const struct vfs_caller *from, *to;
    const char *top;          // name in the target; "": what is in the source goes into `dirs`
    struct dir_stack *dirs;   // where the walk is
    struct path base;         // of the names in `linked`; borrowed
    struct sparse_map linked; // the first name of each object with several, by inode number
    uint64_t dev;             // where those numbers mean something
    uint64_t bytes;
    bool made_top;
    char *block; // BLOCK_SIZE bytes
};

static int failed(void *ctx, int err, const char *name)
{
    struct copy *cp = ctx;
    return side_fail(cp->job, err, "%s: %s", name[0] ? name : cp->top, errno_text(-err));
}

static int step(struct copy *cp)
{
    if (cp->job->step && !cp->job->step(cp->job->ctx, cp->bytes, 0, cp->job->entries))
        return side_fail(cp->job, -LINUX_ECANCELED, "cancelled");
    return 0;
}

// --- Contents ------------------------------------------------------------------------------------

static int copy_range(struct copy *cp, struct file *from, struct file *to, uint64_t pos,
                      uint64_t end)
{
    while (pos < end) {
        struct iter it;
        size_t want = end - pos < BLOCK_SIZE ? (size_t)(end - pos) : BLOCK_SIZE;
        uint64_t at = pos;
        iter_kernel(&it, cp->block, want);
        ssize_t n = file_read(from, &it, &pos);
        if (n <= 0)
            return (int)n; // it shrank
        iter_kernel(&it, cp->block, (size_t)n);
        ssize_t put = file_write(to, &it, &at);
        if (put < n)
            return put < 0 ? (int)put : -LINUX_ENOSPC;
        cp->bytes += (uint64_t)n;
        int err = step(cp);
        if (err)
            return err;
    }
    return 0;
}

static int copy_contents(struct copy *cp, struct file *from, struct file *to, uint64_t size)
{
    uint64_t pos = 0;
    int err = 0;
    while (!err && pos < size) {
        int64_t start = file_seek(from, (int64_t)pos, LINUX_SEEK_DATA);
        if (start == -LINUX_ENXIO)
            break; // a hole to the end
        pos = start < 0 ? pos : (uint64_t)start;
        int64_t hole = file_seek(from, (int64_t)pos, LINUX_SEEK_HOLE);
        uint64_t end = hole < 0 || (uint64_t)hole > size ? size : (uint64_t)hole;
        err = copy_range(cp, from, to, pos, end);
        pos = end;
    }
    return err ? err : file_truncate(cp->to, to, size);
}

static int make_file(struct copy *cp, const struct path *from, const struct path *dir,
                     uint64_t size)
{
    struct file *in, *out;
    int err = vfs_open_path(cp->from, from, LINUX_O_RDONLY, &in);
    if (err)
        return err;
    err = vfs_open(cp->to, dir, UNFINISHED, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL, 0600, 0,
                   &out);
    if (!err) {
        err = copy_contents(cp, in, out, size);
        file_put(out);
    }
    file_put(in);
    return err;
}

// --- What is about an object ---------------------------------------------------------------------

// The target may refuse what it has no place for.
static bool no_place(int err)
{
    return err == -LINUX_EPERM || err == -LINUX_EOPNOTSUPP;
}

static int copy_xattr(struct copy *cp, const struct path *from, const struct path *to,
                      const char *name, bool *lost)
{
    ssize_t n = vfs_getxattr(cp->from, from, name, NULL, 0);
    char *value = n >= 0 ? malloc(n > 0 ? (size_t)n : 1) : NULL;
    if (n >= 0 && !value)
        return -LINUX_ENOMEM;
    if (n > 0)
        n = vfs_getxattr(cp->from, from, name, value, (size_t)n);
    int err = n < 0 ? (int)n : vfs_setxattr(cp->to, to, name, value, (size_t)n, 0);
    free(value);
    *lost |= no_place(err);
    return no_place(err) ? 0 : err;
}

static int copy_xattrs(struct copy *cp, const struct path *from, const struct path *to, bool *lost)
{
    ssize_t n = vfs_listxattr(cp->from, from, NULL, 0);
    if (n <= 0)
        return no_place((int)n) ? 0 : (int)n;
    char *list = malloc((size_t)n);
    if (!list)
        return -LINUX_ENOMEM;
    n = vfs_listxattr(cp->from, from, list, (size_t)n);
    int err = n < 0 ? (int)n : 0;
    for (size_t at = 0; !err && (ssize_t)at < n; at += strlen(list + at) + 1)
        err = copy_xattr(cp, from, to, list + at, lost);
    free(list);
    return err;
}

static int set(struct copy *cp, const struct path *to, const struct vfs_setattr *attr, bool *lost)
{
    int err = vfs_setattr(cp->to, to, attr, false);
    *lost |= no_place(err);
    return no_place(err) ? 0 : err;
}

// In the order in which nothing undoes what came before: a new owner ends set-id bits and file
// capabilities.
static int copy_about(struct copy *cp, const struct path *from, const struct vfs_stat *st,
                      const struct path *to)
{
    bool lost = false;
    struct vfs_stat now;
    int err = vfs_getattr(cp->to, to, &now);
    if (!err && (now.uid != st->uid || now.gid != st->gid)) {
        const struct vfs_setattr own = {
            .mask = ATTR_UID | ATTR_GID, .uid = st->uid, .gid = st->gid};
        err = set(cp, to, &own, &lost);
    }
    const struct vfs_setattr mode = {.mask = ATTR_MODE, .mode = st->mode & LINUX_S_IALLPERM};
    if (!err && !LINUX_S_ISLNK(st->mode))
        err = set(cp, to, &mode, &lost);
    if (!err)
        err = copy_xattrs(cp, from, to, &lost);
    const struct vfs_setattr times = {
        .mask = ATTR_ATIME | ATTR_MTIME, .atime = st->atime, .mtime = st->mtime};
    if (!err)
        err = set(cp, to, &times, &lost);
    if (!err)
        err = vfs_getattr(cp->to, to, &now);
    if (!err && (lost || (now.mode != st->mode && !LINUX_S_ISLNK(st->mode))))
        cp->job->skipped++;
    return err;
}

// --- Objects -------------------------------------------------------------------------------------

static int make_symlink(struct copy *cp, const struct path *from, const struct path *dir)
{
    char target[LINUX_PATH_MAX];
    ssize_t n = vfs_readlink(cp->from, from, target, sizeof target - 1);
    if (n < 0)
        return (int)n;
    target[n] = 0;
    return vfs_symlink(cp->to, target, dir, UNFINISHED);
}

// An object whose first name was copied becomes a link to that. *done: it was one.
static int make_link(struct copy *cp, const struct vfs_stat *st, const struct path *dir, bool *done)
{
    struct path first;
    *done = false;
    const char *name =
        st->nlink > 1 && st->dev == cp->dev ? sparse_map_get(&cp->linked, st->ino) : NULL;
    if (!name)
        return 0;
    int err = path_walk(cp->to, &cp->base, name, 0, &first);
    if (err)
        return err;
    err = vfs_link(cp->to, &first, dir, UNFINISHED);
    path_put(&first);
    *done = !err;
    return no_place(err) ? 0 : err; // then there are two
}

static int make_new(struct copy *cp, const struct tree_visit *v, const struct vfs_stat *st,
                    const struct path *dir)
{
    switch (st->mode & LINUX_S_IFMT) {
    case LINUX_S_IFREG:
        return make_file(cp, v->path, dir, st->size);
    case LINUX_S_IFLNK:
        return make_symlink(cp, v->path, dir);
    default:
        return vfs_mknod(cp->to, dir, UNFINISHED, st->mode & (LINUX_S_IFMT | 0600), st->rdev);
    }
}

static int remember(struct copy *cp, const struct tree_visit *v, const struct vfs_stat *st)
{
    if (st->nlink < 2 || st->dev != cp->dev || sparse_map_get(&cp->linked, st->ino))
        return 0;
    size_t size = strlen(cp->top) + strlen(v->name) + 2;
    char *name = malloc(size);
    if (!name)
        return -LINUX_ENOMEM;
    snprintf(name, size, "%s%s%s", cp->top, cp->top[0] && v->name[0] ? "/" : "", v->name);
    if (!sparse_map_set(&cp->linked, st->ino, name))
        return 0;
    free(name);
    return -LINUX_ENOMEM;
}

static int discard(struct copy *cp, const struct path *dir)
{
    int err = vfs_unlink(cp->to, dir, UNFINISHED);
    return err == -LINUX_ENOENT ? 0 : err;
}

static int copy_object(struct copy *cp, const struct tree_visit *v, const struct vfs_stat *st)
{
    const struct path *dir = &cp->dirs->dir;
    struct path made;
    bool link;
    int err = discard(cp, dir); // of a copy that was killed
    if (!err)
        err = make_link(cp, st, dir, &link);
    if (!err && !link)
        err = make_new(cp, v, st, dir);
    if (no_place(err) && !LINUX_S_ISREG(st->mode)) {
        cp->job->skipped++; // devices in a folder of the host
        return 0;
    }
    if (!err && !link) {
        err = path_walk(cp->to, dir, UNFINISHED, 0, &made);
        if (!err) {
            err = copy_about(cp, v->path, st, &made);
            path_put(&made);
        }
    }
    if (!err)
        err = vfs_rename(cp->to, dir, UNFINISHED, dir, v->name[0] ? v->last : cp->top, 0);
    int left = discard(cp, dir); // a rename over another name of the same object does nothing
    if (!err && !left)
        err = remember(cp, v, st);
    return err ? err : left;
}

static int enter_dir(struct copy *cp, const struct tree_visit *v)
{
    const char *name = v->name[0] ? v->last : cp->top;
    struct dir_stack *level = calloc(1, sizeof *level);
    if (!level)
        return -LINUX_ENOMEM;
    const struct path *dir = &cp->dirs->dir;
    int err = name[0] ? path_walk(cp->to, dir, name, 0, &level->dir) : 0;
    if (!name[0]) {
        level->dir = *dir;
        path_get(dir);
    }
    if (err == -LINUX_ENOENT) {
        err = vfs_mkdir(cp->to, dir, name, 0700);
        if (!err)
            err = path_walk(cp->to, dir, name, 0, &level->dir);
    } else if (!err && path_inode(&level->dir)->type != LINUX_S_IFDIR) {
        path_put(&level->dir);
        err = -LINUX_ENOTDIR;
    }
    if (err) {
        free(level);
        return err;
    }
    level->up = cp->dirs;
    cp->dirs = level;
    return 0;
}

static int visit(void *ctx, const struct tree_visit *v)
{
    struct copy *cp = ctx;
    struct vfs_stat st;
    int err = vfs_getattr(cp->from, v->path, &st);
    if (!err && !v->name[0])
        cp->dev = st.dev;
    if (!err)
        err = v->is_dir ? enter_dir(cp, v) : copy_object(cp, v, &st);
    cp->job->entries++;
    return err ? failed(cp, err, v->name) : step(cp);
}

static void pop_dir(struct copy *cp)
{
    struct dir_stack *level = cp->dirs;
    cp->dirs = level->up;
    path_put(&level->dir);
    free(level);
}

static int left(void *ctx, const struct tree_visit *v)
{
    struct copy *cp = ctx;
    struct vfs_stat st;
    int err = 0;
    if (v->name[0] || cp->top[0]) { // a directory that only receives stays what it is
        err = vfs_getattr(cp->from, v->path, &st);
        if (!err)
            err = copy_about(cp, v->path, &st, &cp->dirs->dir);
    }
    pop_dir(cp);
    return err ? failed(cp, err, v->name) : 0;
}

// --- The whole -----------------------------------------------------------------------------------

static void free_links(struct sparse_map *linked)
{
    uint64_t ino = 0;
    char *name;
    for (; (name = sparse_map_next(linked, &ino)) != NULL; ino++)
        free(name);
    sparse_map_free(linked);
}

// Is `p`, or a directory above it, the directory `above`?
static bool is_below(const struct vfs_caller *c, const struct path *p, const struct path *above)
{
    struct path at = *p, up;
    path_get(&at);
    bool found = false;
    for (;;) {
        found = path_inode(&at) == path_inode(above);
        if (found || path_walk(c, &at, "..", 0, &up))
            break;
        bool top = path_inode(&up) == path_inode(&at);
        path_put(&at);
        at = up;
        if (top)
            break;
    }
    path_put(&at);
    return found;
}

static int copy_tree(struct archive_job *job, const struct side *from, const struct path *source,
                     const struct side *to, const struct path *dir, const char *name)
{
    struct copy cp = {.job = job, .from = &from->caller, .to = &to->caller, .top = name};
    struct dir_stack base = {.dir = *dir};
    const struct tree_walk w = {
        .caller = &from->caller, .visit = visit, .left = left, .failed = failed, .ctx = &cp};
    if (path_inode(source)->type == LINUX_S_IFDIR && is_below(&to->caller, dir, source))
        return side_fail(job, -LINUX_EINVAL, "a directory cannot be copied into itself");
    cp.block = malloc(BLOCK_SIZE);
    if (!cp.block)
        return failed(&cp, -LINUX_ENOMEM, name);
    cp.dirs = &base;
    cp.base = *dir;
    int err = tree_walk(&w, source);
    if (err && discard(&cp, &cp.dirs->dir))
        err = side_fail(job, err, "%s stays", UNFINISHED);
    while (cp.dirs != &base)
        pop_dir(&cp);
    free_links(&cp.linked);
    free(cp.block);
    return err;
}

// Where the copy goes: into an existing directory, or beside it under a name of its own.
static int copy_from(struct archive_job *job, const struct side *from, const struct path *source,
                     const char *last, const struct side *to)
{
    struct path dir;
    char name[LINUX_NAME_MAX + 1];
    int err = side_find(to, &dir);
    if (!err && path_inode(&dir)->type == LINUX_S_IFDIR) {
        err = copy_tree(job, from, source, to, &dir, last);
        path_put(&dir);
        return err;
    }
    if (!err)
        path_put(&dir);
    if (err && err != -LINUX_ENOENT)
        return side_fail(job, err, "%s: %s", to->place->path, errno_text(-err));
    err = side_find_parent(to, &dir, name);
    if (err)
        return side_fail(job, err, "%s: %s", to->place->path, errno_text(-err));
    err = copy_tree(job, from, source, to, &dir, name);
    path_put(&dir);
    return err;
}

int files_copy(struct archive_job *job, const struct files_place *from,
               const struct files_place *to)
{
    struct sides sides;
    struct path source;
    char last[LINUX_NAME_MAX + 1];
    job->why[0] = 0;
    int err = sides_open(&sides, job, from, to);
    if (err)
        return err;
    err = side_find_last(&sides.from, &source, last);
    if (err) {
        err = side_fail(job, err, "%s: %s", from->path, errno_text(-err));
    } else {
        err = copy_from(job, &sides.from, &source, last, &sides.to);
        path_put(&source);
    }
    sides_close(&sides);
    return err;
}
