#include "fs/fakefs/import.h"
#include "fs/fakefs/root.h"
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

enum { BLOCK_SIZE = 64 * 1024 };

int import_fail(struct import *im, int err, const char *fmt, ...)
{
    va_list args;
    if (im->job->why[0])
        return err;
    va_start(args, fmt);
    vsnprintf(im->job->why, sizeof im->job->why, fmt, args);
    va_end(args);
    return err;
}

int import_fail_errno(struct import *im, int err, const char *name)
{
    return import_fail(im, err, "%s: %s", name, errno_text(-err));
}

int import_step(struct import *im)
{
    uint64_t bytes = im->position ? *im->position : (uint64_t)archive_filter_bytes(im->tar, -1);
    if (im->job->step && !im->job->step(im->job->ctx, bytes, im->total, im->job->entries))
        return import_fail(im, -LINUX_ECANCELED, "cancelled");
    return 0;
}

// --- Names ---------------------------------------------------------------------------------------

// A name of the archive without leading slashes, "." and empty components. "": the root itself.
static int clean_name(struct import *im, const char *raw, char out[LINUX_PATH_MAX])
{
    size_t at = 0;
    for (const char *p = raw; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && p[0] == '.' && p[1] == '.')
            return import_fail(im, -LINUX_EINVAL, "%s leads out of the root", raw);
        if (len > LINUX_NAME_MAX || at + len + 2 > LINUX_PATH_MAX)
            return import_fail(im, -LINUX_ENAMETOOLONG, "%.100s...: the name is too long", raw);
        if (len > 0 && !(len == 1 && p[0] == '.')) {
            if (at > 0)
                out[at++] = '/';
            memcpy(out + at, p, len);
            at += len;
        }
        p += len;
        while (*p == '/')
            p++;
    }
    out[at] = 0;
    return 0;
}

static const char *entry_name(struct archive_entry *e)
{
    const char *name = archive_entry_pathname(e);
    return name ? name : archive_entry_pathname_utf8(e);
}

static const char *entry_hardlink(struct archive_entry *e)
{
    const char *name = archive_entry_hardlink(e);
    return name ? name : archive_entry_hardlink_utf8(e);
}

static const char *entry_symlink(struct archive_entry *e)
{
    const char *name = archive_entry_symlink(e);
    return name ? name : archive_entry_symlink_utf8(e);
}

static void forget_parent(struct import *im)
{
    path_put(&im->parent);
    im->parent = (struct path){NULL, NULL};
}

// One component of a parent: a directory, made if it is missing. A symlink there is an error, not
// a way; in a layer it leads to where it would in the finished root.
static int enter(struct import *im, const char *name, const char *whole)
{
    const struct vfs_caller *c = &im->m.caller;
    const unsigned flags = im->layer ? WALK_FOLLOW : 0;
    struct path next;
    int err = path_walk(c, &im->parent, name, flags, &next);
    if (err == -LINUX_ENOENT) {
        err = vfs_mkdir(c, &im->parent, name, 0755);
        if (!err)
            err = path_walk(c, &im->parent, name, 0, &next);
    }
    if (err)
        return import_fail_errno(im, err, whole);
    uint32_t type = path_inode(&next)->type;
    if (type != LINUX_S_IFDIR) {
        path_put(&next);
        return import_fail(im, -LINUX_ENOTDIR, "%s goes through %s, which is %s", whole, name,
                           type == LINUX_S_IFLNK ? "a symlink" : "no directory");
    }
    forget_parent(im);
    im->parent = next;
    return 0;
}

// Makes im->parent the directory of `name` (cleaned, not empty). *last is its last component.
static int find_parent(struct import *im, const char *name, const char **last)
{
    const char *slash = strrchr(name, '/');
    size_t len = slash ? (size_t)(slash - name) : 0;
    *last = slash ? slash + 1 : name;
    if (im->parent.dentry && strlen(im->parent_name) == len &&
        memcmp(im->parent_name, name, len) == 0)
        return 0;
    forget_parent(im);
    im->parent = im->m.caller.root;
    path_get(&im->parent);
    char component[LINUX_NAME_MAX + 1];
    int err = 0;
    for (size_t at = 0; at < len && !err;) {
        size_t n = strcspn(name + at, "/");
        memcpy(component, name + at, n);
        component[n] = 0;
        err = enter(im, component, name);
        at += n + 1;
    }
    memcpy(im->parent_name, name, len);
    im->parent_name[len] = 0;
    if (err)
        forget_parent(im);
    return err;
}

// --- Entries -------------------------------------------------------------------------------------

struct item {
    struct archive_entry *e;
    char name[LINUX_PATH_MAX];
    const char *last;
    uint32_t type, mode, uid, gid;
    struct vfs_caller caller; // creates with the entry's owner
};

static int64_t entry_mtime(struct archive_entry *e)
{
    if (!archive_entry_mtime_is_set(e))
        return INT64_MIN;
    return (int64_t)archive_entry_mtime(e) * 1000000000 + archive_entry_mtime_nsec(e);
}

static int remember_dir(struct import *im, const struct item *it)
{
    if (im->dir_count == im->dir_room) {
        size_t room = im->dir_room ? im->dir_room * 2 : 256;
        void *grown = realloc(im->dirs, room * sizeof *im->dirs);
        if (!grown)
            return import_fail_errno(im, -LINUX_ENOMEM, it->name);
        im->dirs = grown;
        im->dir_room = room;
    }
    char *name = strdup(it->name);
    if (!name)
        return import_fail_errno(im, -LINUX_ENOMEM, it->name);
    im->dirs[im->dir_count++] =
        (struct late_dir){name, it->mode, it->uid, it->gid, entry_mtime(it->e)};
    return 0;
}

// The attributes of a directory are those of the last layer that has it.
static int drop_xattrs(struct import *im, const struct path *p, const char *name)
{
    const struct vfs_caller *c = &im->m.caller;
    ssize_t n = vfs_listxattr(c, p, NULL, 0);
    char *list = n > 0 ? malloc((size_t)n) : NULL;
    if (n > 0 && !list)
        return import_fail_errno(im, -LINUX_ENOMEM, name);
    if (n > 0)
        n = vfs_listxattr(c, p, list, (size_t)n);
    int err = n < 0 ? (int)n : 0;
    for (size_t at = 0; !err && (ssize_t)at < n; at += strlen(list + at) + 1)
        err = vfs_removexattr(c, p, list + at);
    free(list);
    return err ? import_fail_errno(im, err, name) : 0;
}

// Removes what an earlier entry of the archive put there, unless both are directories.
static int make_room(struct import *im, const struct item *it, bool *exists)
{
    const struct vfs_caller *c = &im->m.caller;
    struct path old;
    *exists = false;
    int err = path_walk(c, &im->parent, it->last, 0, &old);
    if (err)
        return err == -LINUX_ENOENT ? 0 : import_fail_errno(im, err, it->name);
    bool is_dir = path_inode(&old)->type == LINUX_S_IFDIR;
    if (is_dir && it->type == LINUX_S_IFDIR) {
        *exists = true;
        err = im->layer ? drop_xattrs(im, &old, it->name) : 0;
        path_put(&old);
        return err;
    }
    path_put(&old);
    if (im->layer)
        return layer_remove(im, &im->parent, it->last);
    err = is_dir ? vfs_rmdir(c, &im->parent, it->last) : vfs_unlink(c, &im->parent, it->last);
    return err ? import_fail_errno(im, err, it->name) : 0;
}

static int copy_data(struct import *im, const struct item *it, struct file *file)
{
    uint64_t size = 0;
    for (;;) {
        const void *block;
        size_t n;
        int64_t offset;
        int rc = archive_read_data_block(im->tar, &block, &n, &offset);
        if (rc == ARCHIVE_EOF)
            break;
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
            return import_fail(im, -LINUX_EIO, "%s: %s", it->name, archive_error_string(im->tar));
        uint64_t pos = (uint64_t)offset;
        struct iter iter;
        iter_kernel(&iter, (void *)(uintptr_t)block, n);
        ssize_t put = n > 0 ? file_write(file, &iter, &pos) : 0;
        if (put < 0 || (size_t)put < n)
            return import_fail_errno(im, put < 0 ? (int)put : -LINUX_ENOSPC, it->name);
        size = pos > size ? pos : size;
        int err = import_step(im);
        if (err)
            return err;
    }
    uint64_t whole = archive_entry_size_is_set(it->e) ? (uint64_t)archive_entry_size(it->e) : size;
    if (whole <= size)
        return 0;
    int err = file_truncate(&im->m.caller, file, whole); // ends in a hole
    return err ? import_fail_errno(im, err, it->name) : 0;
}

static int make_file(struct import *im, const struct item *it)
{
    struct file *file;
    int err = vfs_open(&it->caller, &im->parent, it->last,
                       LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL, it->mode, 0, &file);
    if (err)
        return import_fail_errno(im, err, it->name);
    err = copy_data(im, it, file);
    file_put(file);
    return err;
}

static int make_hardlink(struct import *im, const struct item *it, const char *target)
{
    char name[LINUX_PATH_MAX];
    struct path old;
    int err = clean_name(im, target, name);
    if (!err)
        err = path_walk(&im->m.caller, &im->m.caller.root, name, im->layer ? 0 : WALK_NO_SYMLINKS,
                        &old);
    if (err)
        return import_fail(im, err,
                           "%s is a hard link to %s, which is not in the archive before it",
                           it->name, target);
    bool exists;
    err = make_room(im, it, &exists);
    if (!err) {
        err = vfs_link(&im->m.caller, &old, &im->parent, it->last);
        if (err)
            import_fail_errno(im, err, it->name);
    }
    path_put(&old);
    return err;
}

static int make_object(struct import *im, const struct item *it)
{
    const struct vfs_caller *c = &it->caller;
    uint64_t rdev = 0;
    const char *target;
    int err;
    switch (it->type) {
    case LINUX_S_IFREG:
        return make_file(im, it);
    case LINUX_S_IFLNK:
        target = entry_symlink(it->e);
        err = vfs_symlink(c, target ? target : "", &im->parent, it->last);
        break;
    case LINUX_S_IFCHR:
    case LINUX_S_IFBLK:
        rdev = vfs_makedev((uint32_t)archive_entry_rdevmajor(it->e),
                           (uint32_t)archive_entry_rdevminor(it->e));
        FALLTHROUGH;
    case LINUX_S_IFIFO:
    case LINUX_S_IFSOCK:
        err = vfs_mknod(c, &im->parent, it->last, it->type | it->mode, rdev);
        break;
    default:
        return import_fail(im, -LINUX_EINVAL, "%s: unknown type %o", it->name, it->type);
    }
    return err ? import_fail_errno(im, err, it->name) : 0;
}

static int set_xattrs(struct import *im, const struct item *it, const struct path *p)
{
    const char *name;
    const void *value;
    size_t size;
    archive_entry_xattr_reset(it->e);
    while (archive_entry_xattr_next(it->e, &name, &value, &size) == ARCHIVE_OK) {
        int err = vfs_setxattr(&im->m.caller, p, name, value, size, 0);
        if (err == -LINUX_EOPNOTSUPP || err == -LINUX_EPERM)
            im->job->skipped++; // ACLs, user.* of a symlink
        else if (err)
            return import_fail_errno(im, err, it->name);
    }
    return 0;
}

static int set_mtime(struct import *im, const struct path *p, int64_t mtime, const char *name)
{
    if (mtime == INT64_MIN)
        return 0;
    const struct vfs_setattr attr = {
        .mask = ATTR_ATIME | ATTR_MTIME, .atime = mtime, .mtime = mtime};
    int err = vfs_setattr(&im->m.caller, p, &attr, false);
    return err ? import_fail_errno(im, err, name) : 0;
}

static int finish_object(struct import *im, const struct item *it)
{
    struct path p;
    int err = it->name[0] ? path_walk(&im->m.caller, &im->parent, it->last, 0, &p)
                          : path_walk(&im->m.caller, NULL, "/", 0, &p);
    if (err)
        return import_fail_errno(im, err, it->name);
    err = set_xattrs(im, it, &p);
    if (!err)
        err = it->type == LINUX_S_IFDIR ? remember_dir(im, it)
                                        : set_mtime(im, &p, entry_mtime(it->e), it->name);
    path_put(&p);
    return err;
}

static int add_directory(struct import *im, struct item *it)
{
    bool exists = true;
    int err = 0;
    if (it->name[0]) {
        err = make_room(im, it, &exists);
        if (!err && !exists) {
            err = vfs_mkdir(&im->m.caller, &im->parent, it->last, 0755);
            if (err)
                import_fail_errno(im, err, it->name);
        }
    }
    return err ? err : finish_object(im, it);
}

static int add_entry(struct import *im, struct archive_entry *e, struct cred *owner)
{
    struct item it = {.e = e, .caller = im->m.caller};
    const char *raw = entry_name(e), *hardlink = entry_hardlink(e);
    if (!raw)
        return import_fail(im, -LINUX_EILSEQ, "an entry has no readable name");
    int err = clean_name(im, raw, it.name);
    if (err)
        return err;
    it.type = hardlink ? LINUX_S_IFREG : (uint32_t)archive_entry_filetype(e);
    it.mode = (uint32_t)archive_entry_perm(e) & LINUX_S_IALLPERM;
    it.uid = owner->fsuid = (uint32_t)archive_entry_uid(e);
    it.gid = owner->fsgid = (uint32_t)archive_entry_gid(e);
    it.caller.cred = owner;
    if (!it.name[0] && it.type != LINUX_S_IFDIR)
        return import_fail(im, -LINUX_EINVAL, "the root itself is not a directory in the archive");
    if (it.name[0])
        err = find_parent(im, it.name, &it.last);
    bool hidden = false;
    if (!err && im->layer && it.name[0])
        err = layer_whiteout(im, it.name, it.last, &hidden);
    if (!err && im->layer && it.name[0] && !hidden)
        err = layer_note(im, it.last);
    if (err || hidden)
        return err;
    if (hardlink)
        return make_hardlink(im, &it, hardlink);
    if (it.type == LINUX_S_IFDIR)
        return add_directory(im, &it);
    bool exists;
    err = make_room(im, &it, &exists);
    if (!err)
        err = make_object(im, &it);
    return err ? err : finish_object(im, &it);
}

// --- The whole -----------------------------------------------------------------------------------

// A later entry may have replaced one: then it is passed over.
static int finish_dir(struct import *im, const struct late_dir *d)
{
    const unsigned flags = WALK_EMPTY | (im->layer ? 0 : WALK_NO_SYMLINKS);
    struct path p;
    int err = path_walk(&im->m.caller, &im->m.caller.root, d->name, flags, &p);
    if (err == -LINUX_ENOENT || err == -LINUX_ELOOP || err == -LINUX_ENOTDIR)
        return 0;
    if (err)
        return import_fail_errno(im, err, d->name);
    const struct vfs_setattr attr = {
        .mask = ATTR_MODE | ATTR_UID | ATTR_GID, .mode = d->mode, .uid = d->uid, .gid = d->gid};
    if (path_inode(&p)->type == LINUX_S_IFDIR) {
        err = vfs_setattr(&im->m.caller, &p, &attr, false);
        if (err)
            import_fail_errno(im, err, d->name);
        else
            err = set_mtime(im, &p, d->mtime, d->name);
    }
    path_put(&p);
    return err;
}

static int finish_dirs(struct import *im, int err)
{
    forget_parent(im);
    for (size_t i = 0; i < im->dir_count; i++) {
        if (!err)
            err = finish_dir(im, &im->dirs[i]);
        free(im->dirs[i].name);
    }
    free(im->dirs);
    im->dirs = NULL;
    im->dir_count = im->dir_room = 0;
    return err;
}

int import_entries(struct import *im)
{
    struct cred *owner = cred_create_root();
    if (!owner)
        return import_fail_errno(im, -LINUX_ENOMEM, "import");
    int err = 0;
    while (!err) {
        struct archive_entry *e;
        int rc = archive_read_next_header(im->tar, &e);
        if (rc == ARCHIVE_EOF)
            break;
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
            err = import_fail(im, -LINUX_EIO, "%s cannot be read: %s",
                              im->what ? im->what : "the archive", archive_error_string(im->tar));
            break;
        }
        im->job->entries++;
        err = import_step(im);
        if (!err)
            err = add_entry(im, e, owner);
    }
    cred_put(owner);
    return finish_dirs(im, err);
}

struct archive *import_reader(void)
{
    struct archive *a = archive_read_new();
    if (!a)
        return NULL;
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_filter_compress(a);
    return a;
}

int import_begin(struct import *im, const char *partial)
{
    char why[FAKEFS_WHY_MAX];
    int err = fakefs_format(partial, why);
    if (!err)
        err = machine_start(&im->m, partial, why);
    if (err)
        return import_fail(im, err, "%s", why);
    fakefs_bulk_begin(path_inode(&im->m.caller.root)->super);
    return 0;
}

int import_end(struct import *im, const char *partial, int err)
{
    forget_parent(im);
    int flushed = fakefs_bulk_end(path_inode(&im->m.caller.root)->super);
    if (!err && flushed)
        err = import_fail_errno(im, flushed, partial);
    machine_stop(&im->m);
    return err;
}

// --- The whole -----------------------------------------------------------------------------------

static int open_archive(struct import *im, int tar_fd)
{
    im->tar = import_reader();
    if (!im->tar)
        return import_fail_errno(im, -LINUX_ENOMEM, "import");
    archive_read_support_format_tar(im->tar);
    struct host_stat st;
    if (!host_fstat(tar_fd, &st) && LINUX_S_ISREG(st.mode))
        im->total = st.size;
    if (archive_read_open_fd(im->tar, tar_fd, BLOCK_SIZE) != ARCHIVE_OK)
        return import_fail(im, -LINUX_EIO, "the archive cannot be read: %s",
                           archive_error_string(im->tar));
    return 0;
}

static int fill_root(struct archive_job *job, int tar_fd, const char *partial,
                     enum image_kind *image)
{
    struct import im = {.job = job};
    int err = open_archive(&im, tar_fd);
    if (!err)
        err = import_begin(&im, partial);
    if (!err) {
        err = import_entries(&im);
        if (!err)
            *image = image_kind_of(&im.m.caller);
        err = import_end(&im, partial, err);
    }
    if (im.tar)
        archive_read_free(im.tar);
    return err;
}

// What a root is made with beside it: names of the host.
struct workplace {
    const char *root;
    char partial[LINUX_PATH_MAX], image[LINUX_PATH_MAX];
};

static int fail(struct archive_job *job, int err, const char *name)
{
    struct import im = {.job = job};
    return import_fail_errno(&im, err, name);
}

static int workplace_open(struct workplace *w, struct archive_job *job, const char *root)
{
    job->why[0] = 0;
    w->root = root;
    int n = snprintf(w->partial, sizeof w->partial, "%s.partial", root);
    int k = snprintf(w->image, sizeof w->image, "%s.image", root);
    if (n < 0 || (size_t)n >= sizeof w->partial || k < 0 || (size_t)k >= sizeof w->image)
        return fail(job, -LINUX_ENAMETOOLONG, root);
    int err = root_check_absent(root);
    if (err)
        return fail(job, err, root);
    err = host_remove_tree(w->partial); // of an import that was killed
    if (err)
        return fail(job, err, w->partial);
    err = host_remove_tree(w->image);
    return err ? fail(job, err, w->image) : 0;
}

// The root gets its name, or nothing stays.
static int workplace_close(const struct workplace *w, struct archive_job *job, int err)
{
    if (!err) {
        err = host_rename_path(w->partial, w->root);
        if (err)
            fail(job, err, w->root);
    }
    if (err && host_remove_tree(w->partial))
        return fail(job, err, w->partial);
    int left = host_remove_tree(w->image);
    return err || !left ? err : fail(job, left, w->image);
}

// The archive was one of a container image, and is now, as files, the root `partial`: the image's
// own root is made from those.
static int import_unpacked(const struct workplace *w, struct archive_job *job)
{
    char why[FAKEFS_WHY_MAX];
    struct machine m;
    int err = host_rename_path(w->partial, w->image);
    if (err)
        return fail(job, err, w->image);
    err = machine_start(&m, w->image, why);
    if (err) {
        snprintf(job->why, sizeof job->why, "%s", why);
        return err;
    }
    err = image_import(job, &m.caller, w->partial);
    machine_stop(&m);
    return err;
}

static int refuse_image(struct archive_job *job, const char *what)
{
    struct import im = {.job = job};
    return import_fail(&im, -LINUX_EINVAL, "%s is no container image", what);
}

int archive_import(struct archive_job *job, int tar_fd, const char *root)
{
    enum image_kind image = IMAGE_NONE;
    struct workplace w;
    int err = workplace_open(&w, job, root);
    if (err)
        return err;
    err = fill_root(job, tar_fd, w.partial, &image);
    if (!err && image != IMAGE_NONE)
        err = import_unpacked(&w, job);
    else if (!err && job->image)
        err = refuse_image(job, "the archive");
    return workplace_close(&w, job, err);
}

int archive_import_dir(struct archive_job *job, const char *dir, const char *root)
{
    char why[FAKEFS_WHY_MAX];
    struct workplace w;
    struct machine m;
    int err = workplace_open(&w, job, root);
    if (err)
        return err;
    err = machine_start_host(&m, dir, why);
    if (err) {
        snprintf(job->why, sizeof job->why, "%s", why);
        return err;
    }
    err = image_kind_of(&m.caller) == IMAGE_NONE ? refuse_image(job, dir)
                                                 : image_import(job, &m.caller, w.partial);
    machine_stop(&m);
    return workplace_close(&w, job, err);
}
