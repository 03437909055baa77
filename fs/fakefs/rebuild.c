// A root that was copied: its objects have other inode numbers now. Every row is found again by the
// paths it was last known under, moved along the renames logged since, and keyed anew.
#include "fs/fakefs/root.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A row on its way: `found` is its new object.
struct moving {
    struct db_row row;
    struct db_hint hint; // text owned
};

struct rebuild {
    const struct root_dir *root;
    struct db *db;
    struct root_renames renames;
    struct moving *rows;
    size_t count, room;
};

void root_renames_free(struct root_renames *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->all[i].from);
        free(r->all[i].to);
    }
    free(r->all);
}

static int add_rename(void *ctx, uint64_t seq, const char *from, const char *to)
{
    struct root_renames *r = ctx;
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        void *grown = realloc(r->all, room * sizeof *r->all);
        if (!grown)
            return -LINUX_ENOMEM;
        r->all = grown;
        r->room = room;
    }
    r->all[r->count].seq = seq;
    r->all[r->count].from = strdup(from);
    r->all[r->count].to = strdup(to);
    if (!r->all[r->count].from || !r->all[r->count].to)
        return -LINUX_ENOMEM;
    r->count++;
    return 0;
}

int root_renames_load(struct db *db, struct root_renames *out)
{
    *out = (struct root_renames){NULL, 0, 0};
    int err = db_each_rename(db, add_rename, out);
    if (err)
        root_renames_free(out);
    return err;
}

static int add_row(void *ctx, const struct db_row *row, const struct db_hint *hint)
{
    struct rebuild *b = ctx;
    if (b->count == b->room) {
        size_t room = b->room ? b->room * 2 : 256;
        void *grown = realloc(b->rows, room * sizeof *b->rows);
        if (!grown)
            return -LINUX_ENOMEM;
        b->rows = grown;
        b->room = room;
    }
    char *text = hint->text ? malloc(hint->len + 1) : NULL;
    if (hint->text && !text)
        return -LINUX_ENOMEM;
    if (hint->len > 0)
        memcpy(text, hint->text, hint->len);
    b->rows[b->count++] = (struct moving){*row, {text, hint->len, hint->seq}};
    return 0;
}

static void free_all(struct rebuild *b)
{
    root_renames_free(&b->renames);
    for (size_t i = 0; i < b->count; i++)
        free((void *)(uintptr_t)b->rows[i].hint.text);
    free(b->rows);
}

// --- Hints ---------------------------------------------------------------------------------------

// Moves `path` (in a buffer of PATH_MAX) along one rename. False: it does not fit any more.
static bool follow_rename(char *path, const char *from, const char *to)
{
    size_t len = strlen(from), to_len = strlen(to), path_len = strlen(path);
    if (strncmp(path, from, len) != 0 || (path[len] != 0 && path[len] != '/'))
        return true;
    if (path_len - len + to_len >= LINUX_PATH_MAX)
        return false;
    memmove(path + to_len, path + len, path_len - len + 1);
    memcpy(path, to, to_len);
    return true;
}

// Where the object called `hint` is now.
static bool current_path(const struct root_renames *r, const char *hint, uint64_t seq,
                         char path[LINUX_PATH_MAX])
{
    if (strlen(hint) >= LINUX_PATH_MAX)
        return false;
    memcpy(path, hint, strlen(hint) + 1);
    for (size_t i = 0; i < r->count; i++)
        if (r->all[i].seq > seq && !follow_rename(path, r->all[i].from, r->all[i].to))
            return false;
    return true;
}

char *root_current_hint(const struct root_renames *r, const struct db_hint *hint, size_t *len)
{
    char *out = malloc(LINUX_PATH_MAX), one[LINUX_PATH_MAX], path[LINUX_PATH_MAX];
    size_t used = 0, room = LINUX_PATH_MAX, n;
    for (size_t at = 0; out && hint->text && at < hint->len; at += n + 1) {
        n = strnlen(hint->text + at, hint->len - at);
        if (n >= sizeof one)
            continue;
        memcpy(one, hint->text + at, n);
        one[n] = 0;
        if (!current_path(r, one, hint->seq, path))
            continue;
        size_t size = strlen(path) + 1;
        if (used + size > room) {
            room = (used + size) * 2;
            char *grown = realloc(out, room);
            if (!grown) {
                free(out);
                return NULL;
            }
            out = grown;
        }
        memcpy(out + used, path, size);
        used += size;
    }
    *len = used > 0 ? used - 1 : 0; // the last NUL only ends
    return out;
}

// --- Objects -------------------------------------------------------------------------------------

bool root_kinds_fit(uint32_t host_mode, uint32_t row_mode)
{
    uint32_t host = host_mode & LINUX_S_IFMT, row = row_mode & LINUX_S_IFMT;
    if (host != LINUX_S_IFREG)
        return host == row;
    return row == LINUX_S_IFREG || row == LINUX_S_IFCHR || row == LINUX_S_IFBLK ||
           row == LINUX_S_IFIFO || row == LINUX_S_IFSOCK;
}

// Opens the directories of a path one by one, up to its last component (in `last`).
static int open_parent(int data_fd, const char *path, char last[LINUX_NAME_MAX + 1])
{
    int fd = host_dup(data_fd);
    while (fd >= 0) {
        size_t len = strcspn(path, "/");
        if (len == 0 || len > LINUX_NAME_MAX || strncmp(path, "..", len + 1) == 0 ||
            strncmp(path, ".", len + 1) == 0) {
            host_close(fd);
            return -LINUX_ENOENT;
        }
        memcpy(last, path, len);
        last[len] = 0;
        if (!path[len])
            return fd;
        int next = host_open(fd, last, LINUX_O_PATH | LINUX_O_DIRECTORY, 0);
        host_close(fd);
        fd = next;
        path += len + 1;
    }
    return fd;
}

int root_find(const struct root_dir *r, const char *path, struct host_stat *out)
{
    char last[LINUX_NAME_MAX + 1];
    if (!*path)
        return host_fstat(r->data_fd, out);
    int fd = open_parent(r->data_fd, path, last);
    int err = fd < 0 ? fd : host_stat(fd, last, out);
    host_close(fd);
    return err;
}

int root_open_dir(const struct root_dir *r, const char *path)
{
    char last[LINUX_NAME_MAX + 1] = ".";
    int fd = *path ? open_parent(r->data_fd, path, last) : host_dup(r->data_fd);
    int dir = fd < 0 ? fd : host_open(fd, last, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    host_close(fd);
    return dir;
}

// --- The work ------------------------------------------------------------------------------------

static int move_row(struct rebuild *b, const struct moving *m, size_t *lost)
{
    size_t len;
    char *hint = root_current_hint(&b->renames, &m->hint, &len);
    if (!hint)
        return -LINUX_ENOMEM;
    bool found = false;
    struct host_stat st;
    bool is_root = m->hint.text && m->hint.len == 0; // an empty path
    for (size_t at = 0; !found && (at < len || (is_root && at == 0)); at += strlen(hint + at) + 1)
        found = !root_find(b->root, is_root ? "" : hint + at, &st) &&
                root_kinds_fit(st.mode, m->row.mode);
    int err = 0;
    if (found) {
        const struct db_hint new_hint = {is_root ? "" : hint, is_root ? 0 : len, 0};
        err = db_rekey_row(b->db, m->row.ino, st.ino, st.btime, &new_hint);
    } else {
        ++*lost;
    }
    free(hint);
    return err;
}

static int load_all(struct rebuild *b)
{
    int err = db_each_rename(b->db, add_rename, &b->renames);
    if (!err)
        err = db_each_row(b->db, 0, INT64_MAX, add_row, b);
    if (!err) // numbers above 2^63 are negative in the database
        err = db_each_row(b->db, (uint64_t)INT64_MIN, UINT64_MAX, add_row, b);
    return err;
}

static int keep_copy(const struct root_dir *r, struct db *db)
{
    char path[LINUX_PATH_MAX];
    int n =
        snprintf(path, sizeof path, "%s.before-%lld", r->db_path, (long long)clock_realtime_ns());
    return n > 0 && (size_t)n < sizeof path ? db_copy_to(db, path) : -LINUX_ENAMETOOLONG;
}

static bool go_on(const struct root_progress *progress, size_t done, size_t total)
{
    return !progress || !progress->step || progress->step(progress->ctx, done, total, done);
}

int root_rebuild(const struct root_dir *r, struct db *db, const struct log *log,
                 const struct root_progress *progress)
{
    struct rebuild b = {.root = r, .db = db};
    size_t lost = 0;
    int err = load_all(&b);
    if (!err && b.count > 0)
        err = keep_copy(r, db);
    if (!err)
        err = db_rekey_begin(db);
    for (size_t i = 0; !err && i < b.count; i++)
        err = go_on(progress, i, b.count) ? move_row(&b, &b.rows[i], &lost) : -LINUX_ECANCELED;
    if (!err)
        err = root_identity_store(r, db);
    if (!err)
        err = db_rekey_finish(db);
    if (err)
        db_rollback(db);
    else
        log_printf(log, lost ? LOG_WARN : LOG_FS,
                   "the root was copied: %zu owners found again, %zu not", b.count - lost, lost);
    free_all(&b);
    return err;
}

// Writes hints anew so that the log of renames can start over.
int root_compact(struct db *db)
{
    struct rebuild b = {.db = db};
    int err = load_all(&b);
    if (!err)
        err = db_begin(db);
    for (size_t i = 0; !err && i < b.count; i++) {
        size_t len;
        char *hint = root_current_hint(&b.renames, &b.rows[i].hint, &len);
        const struct db_hint new_hint = {len ? hint : NULL, len, 0};
        err = hint ? 0 : -LINUX_ENOMEM;
        if (!err && b.rows[i].hint.len > 0)
            err = db_put_hint(db, b.rows[i].row.ino, &new_hint);
        free(hint);
    }
    if (!err)
        err = db_exec(db, "DELETE FROM rename_log");
    if (!err)
        err = db_commit(db);
    if (err)
        db_rollback(db);
    free_all(&b);
    return err;
}
