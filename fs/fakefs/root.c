#include "fs/fakefs/root.h"
#include "fs/fakefs/probe.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_MODE = 0755, PART_MODE = 0700, FILE_MODE = 0600 };

static char *join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", dir, name);
    return path;
}

// --- What the host can hold ----------------------------------------------------------------------

uint32_t root_host_bits(uint32_t mode)
{
    // The emulator needs some bits for itself.
    return (LINUX_S_ISDIR(mode) ? 0700 : 0600) | (mode & 0777);
}

bool root_needs_row(uint32_t mode, uint32_t uid, uint32_t gid)
{
    if (LINUX_S_ISLNK(mode))
        return uid != 0 || gid != 0;
    return uid != 0 || gid != 0 || (!LINUX_S_ISREG(mode) && !LINUX_S_ISDIR(mode)) ||
           (mode & LINUX_S_IALLPERM) != root_host_bits(mode);
}

// --- Opening -------------------------------------------------------------------------------------

static void empty_folder(int dir_fd)
{
    int fd = host_open(dir_fd, ".", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    struct host_dir *dir;
    if (fd < 0 || host_dir_open(fd, &dir)) {
        host_close(fd);
        return;
    }
    struct host_dirent e;
    while (host_dir_next(dir, &e) > 0)
        if (e.name[0] != '.' && host_unlink(dir_fd, e.name))
            break; // stays, and harms nobody
    host_dir_close(dir);
}

static int open_tmp(struct root_dir *r)
{
    int err = host_mkdir(r->fd, "tmp", PART_MODE);
    if (err && err != -LINUX_EEXIST)
        return err;
    r->tmp_fd = host_open(r->fd, "tmp", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    if (r->tmp_fd < 0)
        return r->tmp_fd;
    empty_folder(r->tmp_fd);
    return 0;
}

static int take_lock(struct root_dir *r, const char *root, char *why, size_t why_size)
{
    r->lock_fd = host_open(r->fd, "lock", LINUX_O_RDWR | LINUX_O_CREAT, FILE_MODE);
    int err = r->lock_fd < 0 ? r->lock_fd : host_try_lock(r->lock_fd);
    if (err == -LINUX_EAGAIN) {
        snprintf(why, why_size, "%s is in use by another process", root);
        return -LINUX_EBUSY;
    }
    if (err)
        snprintf(why, why_size, "%s/lock cannot be locked: %s", root, errno_text(-err));
    return err;
}

static int open_parts(struct root_dir *r, const char *root, char *why, size_t why_size)
{
    r->fd = host_open_dir_path(root);
    if (r->fd < 0) {
        snprintf(why, why_size, "%s: %s", root, errno_text(-r->fd));
        return r->fd;
    }
    struct host_stat st;
    r->data_fd = host_open(r->fd, "data", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    if (r->data_fd < 0 || host_stat(r->fd, "meta.db", &st)) {
        snprintf(why, why_size, "%s is not a root: it needs data/ and meta.db (see fakefsify)",
                 root);
        return -LINUX_ENOENT;
    }
    int err = take_lock(r, root, why, why_size);
    if (err)
        return err;
    r->db_path = join(root, "meta.db");
    err = r->db_path ? open_tmp(r) : -LINUX_ENOMEM;
    if (err)
        snprintf(why, why_size, "%s cannot be written to: %s", root, errno_text(-err));
    return err;
}

int root_dir_open(const char *root, char *why, size_t why_size, struct root_dir *out)
{
    *out = (struct root_dir){-1, -1, -1, -1, NULL};
    int err = open_parts(out, root, why, why_size);
    if (err)
        root_dir_close(out);
    return err;
}

void root_dir_close(struct root_dir *r)
{
    host_close(r->tmp_fd);
    host_close(r->data_fd);
    host_close(r->lock_fd);
    host_close(r->fd);
    free(r->db_path);
    *r = (struct root_dir){-1, -1, -1, -1, NULL};
}

// --- Making --------------------------------------------------------------------------------------

static int is_empty(int fd, bool *empty)
{
    struct host_dir *dir;
    int copy = host_open(fd, ".", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    int err = copy < 0 ? copy : host_dir_open(copy, &dir);
    if (err) {
        host_close(copy);
        return err;
    }
    struct host_dirent e;
    *empty = true;
    while ((err = host_dir_next(dir, &e)) > 0)
        if (strcmp(e.name, ".") != 0 && strcmp(e.name, "..") != 0)
            *empty = false;
    host_dir_close(dir);
    return err;
}

int root_check_absent(const char *root)
{
    bool empty = false;
    int fd = host_open_dir_path(root);
    if (fd == -LINUX_ENOENT)
        return 0;
    if (fd == -LINUX_ENOTDIR)
        return -LINUX_EEXIST;
    int err = fd < 0 ? fd : is_empty(fd, &empty);
    host_close(fd);
    return err ? err : empty ? 0 : -LINUX_ENOTEMPTY;
}

static int make_database(const char *root, char *why, size_t why_size)
{
    struct root_dir r = {-1, -1, -1, -1, NULL};
    struct db *db = NULL;
    char *path = join(root, "meta.db");
    int err = path ? db_open(path, true, why, why_size, &db) : -LINUX_ENOMEM;
    free(path);
    if (!err)
        err = root_dir_open(root, why, why_size, &r);
    struct probe host;
    if (!err)
        err = probe_host(r.tmp_fd, &host, why, why_size);
    if (!err && host.folds)
        err = db_put_meta(db, "names", "escaped");
    if (!err)
        err = root_identity_store(&r, db);
    if (db)
        db_close(db);
    root_dir_close(&r);
    return err;
}

int root_dir_make(const char *root, char *why, size_t why_size)
{
    why[0] = 0;
    int err = host_make_dir_path(root, DATA_MODE);
    if (err && err != -LINUX_EEXIST) {
        snprintf(why, why_size, "%s cannot be made: %s", root, errno_text(-err));
        return err;
    }
    bool empty = false;
    int fd = host_open_dir_path(root);
    err = fd < 0 ? fd : is_empty(fd, &empty);
    if (!err && !empty) {
        snprintf(why, why_size, "%s is not empty", root);
        err = -LINUX_ENOTEMPTY;
    }
    if (!err)
        err = host_mkdir(fd, "data", DATA_MODE);
    if (!err)
        err = make_database(root, why, why_size);
    host_close(fd);
    if (err && !why[0])
        snprintf(why, why_size, "%s cannot be written to: %s", root, errno_text(-err));
    return err;
}

int root_names_escaped(struct db *db, bool *escaped)
{
    char how[16];
    int err = db_get_meta(db, "names", how, sizeof how);
    *escaped = !err && strcmp(how, "escaped") == 0;
    return err == -LINUX_ENOENT ? 0 : err;
}

int root_check_host(const struct root_dir *r, struct db *db, char *why, size_t why_size)
{
    struct probe host;
    bool escaped;
    int err = probe_host(r->tmp_fd, &host, why, why_size);
    if (!err)
        err = root_names_escaped(db, &escaped);
    if (!err && host.folds && !escaped) {
        snprintf(why, why_size,
                 "%s: the host takes names for the same that the root tells apart (case, accents): "
                 "make it here with unfakefsify and fakefsify",
                 r->db_path);
        err = -LINUX_EOPNOTSUPP;
    }
    return err;
}

// --- Identity ------------------------------------------------------------------------------------

static void print_identity(const struct host_stat *st, char out[ROOT_IDENTITY_MAX])
{
    snprintf(out, ROOT_IDENTITY_MAX, "%llu:%lld", (unsigned long long)st->ino,
             (long long)st->btime);
}

int root_identity(const struct root_dir *r, char data[ROOT_IDENTITY_MAX],
                  char db[ROOT_IDENTITY_MAX])
{
    struct host_stat st;
    int err = host_fstat(r->data_fd, &st);
    if (err)
        return err;
    print_identity(&st, data);
    err = host_stat(r->fd, "meta.db", &st);
    if (!err)
        print_identity(&st, db);
    return err;
}

int root_identity_store(const struct root_dir *r, struct db *db)
{
    char data_id[ROOT_IDENTITY_MAX], db_id[ROOT_IDENTITY_MAX];
    int err = root_identity(r, data_id, db_id);
    if (!err)
        err = db_put_meta(db, "root", data_id);
    return err ? err : db_put_meta(db, "db", db_id);
}

int root_is_copy(const struct root_dir *r, struct db *db, bool *copy)
{
    char data_now[ROOT_IDENTITY_MAX], db_now[ROOT_IDENTITY_MAX];
    char data_then[ROOT_IDENTITY_MAX], db_then[ROOT_IDENTITY_MAX];
    int err = root_identity(r, data_now, db_now);
    if (!err)
        err = db_get_meta(db, "root", data_then, sizeof data_then);
    if (!err)
        err = db_get_meta(db, "db", db_then, sizeof db_then);
    *copy = strcmp(data_now, data_then) != 0 || strcmp(db_now, db_then) != 0;
    return err;
}
