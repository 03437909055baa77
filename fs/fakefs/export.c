#include "fs/fakefs/archive.h"
#include "fs/fakefs/machine.h"
#include "fs/fakefs/tree.h"
#include "fs/sparse_map.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include "platform/host_file.h"
#include <archive.h>
#include <archive_entry.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 128 * 1024 };

struct export
{
    struct archive_job *job;
    struct archive *tar;
    struct machine m;
    struct sparse_map linked; // first name of each object with several, by inode number
    uint64_t bytes;
    char *block; // BLOCK_SIZE bytes
    int tar_fd;
    bool dropped; // nothing more is written
};

static int fail(struct export *ex, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int fail(struct export *ex, int err, const char *fmt, ...)
{
    va_list args;
    if (ex->job->why[0])
        return err;
    va_start(args, fmt);
    vsnprintf(ex->job->why, sizeof ex->job->why, fmt, args);
    va_end(args);
    return err;
}

static int fail_errno(struct export *ex, int err, const char *name)
{
    return fail(ex, err, "%s: %s", name, errno_text(-err));
}

static int fail_archive(struct export *ex)
{
    return fail(ex, -LINUX_EIO, "the archive cannot be written: %s", archive_error_string(ex->tar));
}

static int step(struct export *ex)
{
    if (ex->job->step && !ex->job->step(ex->job->ctx, ex->bytes, 0, ex->job->entries))
        return fail(ex, -LINUX_ECANCELED, "cancelled");
    return 0;
}

// --- One object ----------------------------------------------------------------------------------

struct object {
    const struct path *path;
    const char *name; // in the archive
    struct vfs_stat st;
    struct archive_entry *e;
    struct file *file; // regular file with content
};

static int put_zeros(struct export *ex, uint64_t n)
{
    memset(ex->block, 0, BLOCK_SIZE);
    while (n > 0) {
        size_t part = n < BLOCK_SIZE ? (size_t)n : BLOCK_SIZE;
        if (archive_write_data(ex->tar, ex->block, part) < 0)
            return fail_archive(ex);
        n -= part;
        int err = step(ex);
        if (err)
            return err;
    }
    return 0;
}

static int put_range(struct export *ex, const struct object *o, uint64_t pos, uint64_t end)
{
    while (pos < end) {
        size_t want = end - pos < BLOCK_SIZE ? (size_t)(end - pos) : BLOCK_SIZE;
        struct iter it;
        iter_kernel(&it, ex->block, want);
        ssize_t n = file_read(o->file, &it, &pos);
        if (n < 0)
            return fail_errno(ex, (int)n, o->name);
        if (n == 0)
            return put_zeros(ex, end - pos); // it shrank
        if (archive_write_data(ex->tar, ex->block, (size_t)n) < 0)
            return fail_archive(ex);
        ex->bytes += (uint64_t)n;
        int err = step(ex);
        if (err)
            return err;
    }
    return 0;
}

// The next stretch of data at or after `pos`; an empty one at the end of the file.
static void next_data(const struct object *o, uint64_t pos, uint64_t *start, uint64_t *end)
{
    int64_t at = file_seek(o->file, (int64_t)pos, LINUX_SEEK_DATA);
    *start = at < 0 ? (at == -LINUX_ENXIO ? o->st.size : pos) : (uint64_t)at;
    at = *start < o->st.size ? file_seek(o->file, (int64_t)*start, LINUX_SEEK_HOLE) : -1;
    *end = at < 0 ? o->st.size : (uint64_t)at;
}

static void describe_holes(const struct object *o)
{
    uint64_t start, end;
    next_data(o, 0, &start, &end);
    if (start == 0 && end >= o->st.size)
        return; // no holes
    for (uint64_t pos = 0; pos < o->st.size; pos = end) {
        next_data(o, pos, &start, &end);
        archive_entry_sparse_add_entry(o->e, (int64_t)start, (int64_t)(end - start));
    }
}

// The archive wants the whole content; it leaves the holes out itself.
static int put_content(struct export *ex, const struct object *o)
{
    uint64_t pos = 0, start, end;
    while (pos < o->st.size) {
        next_data(o, pos, &start, &end);
        int err = put_zeros(ex, start - pos);
        if (!err)
            err = put_range(ex, o, start, end);
        if (err)
            return err;
        pos = end;
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_one_xattr(struct export *ex, const struct object *o, const char *name)
{
    const struct vfs_caller *c = &ex->m.caller;
    ssize_t n = vfs_getxattr(c, o->path, name, NULL, 0);
    if (n < 0)
        return fail_errno(ex, (int)n, o->name);
    char *value = malloc(n > 0 ? (size_t)n : 1);
    if (!value)
        return fail_errno(ex, -LINUX_ENOMEM, o->name);
    n = n > 0 ? vfs_getxattr(c, o->path, name, value, (size_t)n) : 0;
    if (n >= 0)
        archive_entry_xattr_add_entry(o->e, name, value, (size_t)n);
    free(value);
    return n < 0 ? fail_errno(ex, (int)n, o->name) : 0;
}

static int add_xattrs(struct export *ex, const struct object *o)
{
    const struct vfs_caller *c = &ex->m.caller;
    ssize_t n = vfs_listxattr(c, o->path, NULL, 0);
    if (n <= 0)
        return n < 0 ? fail_errno(ex, (int)n, o->name) : 0;
    char *list = malloc((size_t)n);
    const char **names = malloc(((size_t)n + 1) * sizeof *names);
    size_t count = 0;
    int err = list && names ? 0 : fail_errno(ex, -LINUX_ENOMEM, o->name);
    if (!err && vfs_listxattr(c, o->path, list, (size_t)n) != n)
        err = fail_errno(ex, -LINUX_EIO, o->name);
    for (size_t at = 0; !err && at < (size_t)n; at += strlen(list + at) + 1)
        names[count++] = list + at;
    if (!err && count > 0)
        qsort(names, count, sizeof *names, compare_names);
    // libarchive writes them in reverse.
    for (size_t i = count; !err && i-- > 0;)
        err = add_one_xattr(ex, o, names[i]);
    free(list);
    free(names);
    return err;
}

static int set_symlink(struct export *ex, const struct object *o)
{
    char target[LINUX_PATH_MAX];
    ssize_t n = vfs_readlink(&ex->m.caller, o->path, target, sizeof target - 1);
    if (n < 0)
        return fail_errno(ex, (int)n, o->name);
    target[n] = 0;
    archive_entry_set_symlink(o->e, target);
    return 0;
}

// An object that was written before under another name becomes a link to that. *done: it was.
static int set_hardlink(struct export *ex, const struct object *o, bool *done)
{
    *done = false;
    if (o->st.nlink < 2 || LINUX_S_ISDIR(o->st.mode))
        return 0;
    const char *first = sparse_map_get(&ex->linked, o->st.ino);
    if (first) {
        archive_entry_set_hardlink(o->e, first);
        archive_entry_set_size(o->e, 0);
        *done = true;
        return 0;
    }
    char *name = strdup(o->name);
    if (!name || sparse_map_set(&ex->linked, o->st.ino, name)) {
        free(name);
        return fail_errno(ex, -LINUX_ENOMEM, o->name);
    }
    return 0;
}

static void set_common(const struct object *o)
{
    int64_t sec = o->st.mtime / 1000000000, nsec = o->st.mtime % 1000000000;
    if (nsec < 0) {
        sec--;
        nsec += 1000000000;
    }
    archive_entry_set_pathname(o->e, o->name);
    archive_entry_set_mode(o->e, (mode_t)o->st.mode);
    archive_entry_set_uid(o->e, o->st.uid);
    archive_entry_set_gid(o->e, o->st.gid);
    archive_entry_set_mtime(o->e, sec, (long)nsec);
    archive_entry_set_nlink(o->e, o->st.nlink);
    if (o->st.rdev) {
        archive_entry_set_rdevmajor(o->e, vfs_major(o->st.rdev));
        archive_entry_set_rdevminor(o->e, vfs_minor(o->st.rdev));
    }
    archive_entry_set_size(o->e, LINUX_S_ISREG(o->st.mode) ? (int64_t)o->st.size : 0);
}

static int fill_entry(struct export *ex, struct object *o, bool *link)
{
    set_common(o);
    int err = set_hardlink(ex, o, link);
    if (err || *link)
        return err;
    if (LINUX_S_ISLNK(o->st.mode))
        err = set_symlink(ex, o);
    if (!err)
        err = add_xattrs(ex, o);
    if (!err && LINUX_S_ISREG(o->st.mode) && o->st.size > 0) {
        err = vfs_open_path(&ex->m.caller, o->path, LINUX_O_RDONLY, &o->file);
        if (err)
            return fail_errno(ex, err, o->name);
        describe_holes(o);
    }
    return err;
}

static int put_object(struct export *ex, const struct path *p, const char *name)
{
    struct object o = {.path = p, .name = name};
    int err = vfs_getattr(&ex->m.caller, p, &o.st);
    if (err)
        return fail_errno(ex, err, name);
    if ((o.st.mode & LINUX_S_IFMT) == LINUX_S_IFSOCK) {
        ex->job->skipped++; // tar has no sockets
        return 0;
    }
    o.e = archive_entry_new();
    if (!o.e)
        return fail_errno(ex, -LINUX_ENOMEM, name);
    bool link;
    err = fill_entry(ex, &o, &link);
    if (!err && archive_write_header(ex->tar, o.e) < ARCHIVE_WARN)
        err = fail_archive(ex);
    if (!err && o.file)
        err = put_content(ex, &o);
    if (!err)
        err = step(ex);
    ex->job->entries++;
    file_put(o.file);
    archive_entry_free(o.e);
    return err;
}

// --- The tree ------------------------------------------------------------------------------------

static int visit(void *ctx, const struct tree_visit *v)
{
    struct export *ex = ctx;
    if (!v->is_dir)
        return put_object(ex, v->path, v->name);
    size_t size = strlen(v->name) + 3;
    char *name = malloc(size);
    if (!name)
        return fail_errno(ex, -LINUX_ENOMEM, v->name);
    snprintf(name, size, "%s/", v->name[0] ? v->name : ".");
    int err = put_object(ex, v->path, name);
    free(name);
    return err;
}

static int walk_failed(void *ctx, int err, const char *name)
{
    return fail_errno(ctx, err, name);
}

static int put_tree(struct export *ex)
{
    const struct tree_walk w = {
        .caller = &ex->m.caller, .visit = visit, .failed = walk_failed, .ctx = ex};
    return tree_walk(&w, &ex->m.caller.root);
}

// --- The whole -----------------------------------------------------------------------------------

static la_ssize_t put_bytes(struct archive *tar, void *ctx, const void *bytes, size_t n)
{
    struct export *ex = ctx;
    int err = ex->dropped ? 0 : host_write_all(ex->tar_fd, bytes, n);
    if (!err)
        return (la_ssize_t)n;
    archive_set_error(tar, -err, "%s", errno_text(-err));
    return -1;
}

// Ends an archive that is not whole. libarchive frees what it opened when it is closed only, failed
// or not; what it would still write then must not make this look like an archive.
static void give_up(struct export *ex)
{
    archive_write_fail(ex->tar);
    ex->dropped = true;
    archive_write_close(ex->tar);
}

static int open_archive(struct export *ex, enum archive_compression compression)
{
    ex->tar = archive_write_new();
    ex->block = malloc(BLOCK_SIZE);
    if (!ex->tar || !ex->block)
        return fail_errno(ex, -LINUX_ENOMEM, "export");
    int rc = ARCHIVE_OK;
    if (compression == ARCHIVE_GZIP) {
        rc = archive_write_add_filter_gzip(ex->tar);
        if (rc == ARCHIVE_OK)
            rc = archive_write_set_filter_option(ex->tar, "gzip", "timestamp", NULL);
    } else if (compression == ARCHIVE_XZ) {
        rc = archive_write_add_filter_xz(ex->tar);
    } else if (compression == ARCHIVE_ZSTD) {
        rc = archive_write_add_filter_zstd(ex->tar);
    }
    if (rc == ARCHIVE_OK)
        rc = archive_write_set_format_pax(ex->tar);
    if (rc == ARCHIVE_OK) // no padding beyond the format's own, on pipes either
        rc = archive_write_set_bytes_in_last_block(ex->tar, 1);
    if (rc == ARCHIVE_OK)
        rc = archive_write_open(ex->tar, ex, NULL, put_bytes, NULL);
    return rc == ARCHIVE_OK ? 0 : fail_archive(ex);
}

static void free_links(struct sparse_map *linked)
{
    uint64_t ino = 0;
    char *name;
    while ((name = sparse_map_next(linked, &ino)) != NULL) {
        free(name);
        ino++;
    }
    sparse_map_free(linked);
}

int archive_export(struct archive_job *job, const char *root, int tar_fd,
                   enum archive_compression compression)
{
    struct export ex = {.job = job, .tar_fd = tar_fd};
    char why[FAKEFS_WHY_MAX];
    job->why[0] = 0;
    int err = machine_start(&ex.m, root, why);
    if (err)
        return fail(&ex, err, "%s", why);
    err = open_archive(&ex, compression);
    if (!err)
        err = put_tree(&ex);
    if (!err && archive_write_close(ex.tar) != ARCHIVE_OK)
        err = fail_archive(&ex);
    if (ex.tar) {
        if (err)
            give_up(&ex);
        archive_write_free(ex.tar);
    }
    free_links(&ex.linked);
    free(ex.block);
    machine_stop(&ex.m);
    return err;
}
