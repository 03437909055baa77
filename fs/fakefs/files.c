#include "fs/fakefs/files.h"
#include "fs/fakefs/side.h"
#include "fs/fakefs/tree.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <stdlib.h>

// --- Listing -------------------------------------------------------------------------------------

struct listing {
    struct archive_job *job;
    const struct vfs_caller *caller;
    int (*each)(void *ctx, const struct files_entry *e);
    void *ctx;
    const char *place;
};

static int list_failed(void *ctx, int err, const char *name)
{
    struct listing *l = ctx;
    return side_fail(l->job, err, "%s%s%s: %s", l->place, name[0] ? "/" : "", name,
                     errno_text(-err));
}

static int tell(struct listing *l, const struct path *p, const char *name)
{
    struct files_entry e = {.name = name};
    char target[LINUX_PATH_MAX];
    int err = vfs_getattr(l->caller, p, &e.st);
    if (!err && LINUX_S_ISLNK(e.st.mode)) {
        ssize_t n = vfs_readlink(l->caller, p, target, sizeof target - 1);
        err = n < 0 ? (int)n : 0;
        if (!err)
            target[n] = 0;
        e.target = target;
    }
    l->job->entries++;
    return err ? list_failed(l, err, name) : l->each(l->ctx, &e);
}

static int list_visit(void *ctx, const struct tree_visit *v)
{
    if (!v->name[0])
        return 0;
    int err = tell(ctx, v->path, v->name);
    return err ? err : v->is_dir; // one level
}

int files_list(struct archive_job *job, const struct files_place *place,
               int (*each)(void *ctx, const struct files_entry *e), void *ctx)
{
    struct sides sides;
    struct path p;
    job->why[0] = 0;
    int err = sides_open(&sides, job, place, NULL);
    if (err)
        return err;
    struct listing l = {job, &sides.from.caller, each, ctx, place->path};
    err = side_find(&sides.from, &p);
    if (err == -LINUX_ENOENT) { // a symlink that leads nowhere is there
        char last[LINUX_NAME_MAX + 1];
        err = side_find_last(&sides.from, &p, last);
    }
    if (err) {
        list_failed(&l, err, "");
    } else {
        const struct tree_walk w = {
            .caller = l.caller, .visit = list_visit, .failed = list_failed, .ctx = &l};
        err = path_inode(&p)->type == LINUX_S_IFDIR ? tree_walk(&w, &p) : tell(&l, &p, place->path);
        path_put(&p);
    }
    sides_close(&sides);
    return err;
}

// --- Reading -------------------------------------------------------------------------------------

static int read_file(struct archive_job *job, struct file *file,
                     int (*sink)(void *ctx, const void *data, size_t size), void *ctx)
{
    enum { BLOCK_SIZE = 128 * 1024 };
    uint64_t pos = 0;
    char *block = malloc(BLOCK_SIZE);
    int err = block ? 0 : -LINUX_ENOMEM;
    while (!err) {
        struct iter it;
        iter_kernel(&it, block, BLOCK_SIZE);
        ssize_t n = file_read(file, &it, &pos);
        if (n <= 0) {
            err = (int)n;
            break;
        }
        err = sink(ctx, block, (size_t)n);
        if (!err && job->step && !job->step(job->ctx, pos, 0, 0))
            err = -LINUX_ECANCELED;
    }
    free(block);
    return err;
}

int files_read(struct archive_job *job, const struct files_place *place,
               int (*sink)(void *ctx, const void *data, size_t size), void *ctx)
{
    struct sides sides;
    struct file *file;
    job->why[0] = 0;
    int err = sides_open(&sides, job, place, NULL);
    if (err)
        return err;
    const struct vfs_caller *c = &sides.from.caller;
    err = vfs_open(c, &c->root, sides.from.path, LINUX_O_RDONLY | LINUX_O_NONBLOCK, 0, 0, &file);
    if (!err) {
        const uint32_t type = file->inode->type;
        err = type == LINUX_S_IFREG   ? read_file(job, file, sink, ctx)
              : type == LINUX_S_IFDIR ? -LINUX_EISDIR
                                      : -LINUX_EINVAL; // a device has no end
        file_put(file);
    }
    if (err)
        side_fail(job, err, "%s: %s", place->path, errno_text(-err));
    sides_close(&sides);
    return err;
}
