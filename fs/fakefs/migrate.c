// Roots of iSH, whose database (user_version 3) is keyed by path, become ours, where they are.
//
//   meta(db_inode)   stats(inode, stat)   paths(path, inode)
// stat is four little-endian words: mode, uid, gid, rdev. Symlinks are regular files of the host
// that hold their target; everything else is as here. The old database stays as meta.db.ish3.
//
// What is done can be done again, so a conversion that was interrupted is finished by the next one;
// the new database takes its place at the very end.
#include "fs/fakefs/archive.h"
#include "fs/fakefs/root.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLD_VERSION = 3, STAT_SIZE = 16 };
static const char new_db_name[] = "meta.db.new", old_db_name[] = "meta.db.ish3";

struct migration {
    struct archive_job *job;
    struct root_dir root;
    sqlite3 *old;
    struct db *db;
    char new_path[LINUX_PATH_MAX];
    // The object of the last path: hard links follow one another.
    struct db_row row;
    bool has_row;
    char *hint; // its paths, joined by NUL
    size_t hint_len, hint_room;
    unsigned names;
};

static int fail(struct migration *m, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int fail(struct migration *m, int err, const char *fmt, ...)
{
    va_list args;
    if (m->job->why[0])
        return err;
    va_start(args, fmt);
    vsnprintf(m->job->why, sizeof m->job->why, fmt, args);
    va_end(args);
    return err;
}

static int fail_errno(struct migration *m, int err, const char *name)
{
    return fail(m, err, "%s: %s", name, errno_text(-err));
}

// --- The old database ----------------------------------------------------------------------------

static int read_number(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        return -LINUX_EUCLEAN;
    int rc = sqlite3_step(st);
    *out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? 0 : -LINUX_EUCLEAN;
}

static int open_old(struct migration *m)
{
    int64_t version = 0, tables = 0;
    const char *path = m->root.db_path;
    if (sqlite3_open_v2(path, &m->old, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return fail(m, -LINUX_EIO, "%s cannot be opened", path);
    // All of it in one file, so that what is kept is the whole.
    if (sqlite3_exec(m->old, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK)
        return fail(m, -LINUX_EBUSY, "%s: %s", path, sqlite3_errmsg(m->old));
    int err = read_number(m->old, "PRAGMA user_version", &version);
    if (!err)
        err = read_number(m->old,
                          "SELECT count(*) FROM sqlite_master WHERE type='table' "
                          "AND name IN ('stats','paths')",
                          &tables);
    if (err)
        return fail(m, err, "%s is damaged: %s", path, sqlite3_errmsg(m->old));
    if (version != OLD_VERSION || tables != 2)
        return fail(m, -LINUX_EPROTONOSUPPORT, "%s is not of iSH's format (version %d)", path,
                    OLD_VERSION);
    return 0;
}

static uint32_t get_word(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

// --- Objects of the host -------------------------------------------------------------------------

// Replaces a file that holds a target by a symlink with its times.
static int make_symlink(int dir, const char *name, struct host_stat *st)
{
    static const char aside[] = ".ish-symlink";
    char target[LINUX_PATH_MAX];
    int fd = host_open(dir, name, LINUX_O_RDONLY, 0);
    ssize_t n = fd < 0 ? fd : host_pread(fd, target, sizeof target - 1, 0);
    host_close(fd);
    if (n <= 0)
        return n < 0 ? (int)n : -LINUX_EINVAL;
    target[n] = 0;
    int err = host_unlink(dir, aside); // of a conversion that was interrupted
    if (!err || err == -LINUX_ENOENT)
        err = host_symlink(target, dir, aside);
    if (!err)
        err = host_utimes(dir, aside, st->atime, st->mtime);
    if (!err)
        err = host_rename(dir, aside, dir, name, 0);
    return err ? err : host_stat(dir, name, st);
}

// Makes the host's object what it would be had we made it. False: it is of another kind.
static int convert(int dir, const char *name, uint32_t mode, struct host_stat *st, bool *fits)
{
    int err = 0;
    *fits = true;
    if (LINUX_S_ISLNK(mode) && LINUX_S_ISREG(st->mode)) {
        err = make_symlink(dir, name, st);
        *fits = err != -LINUX_EINVAL; // an empty target
        return *fits ? err : 0;
    }
    *fits = root_kinds_fit(st->mode, mode);
    uint32_t want = root_host_bits(mode);
    if (!*fits || LINUX_S_ISLNK(mode) || (st->mode & LINUX_S_IALLPERM) == want)
        return 0;
    return host_chmod(dir, name, want);
}

// --- Rows ----------------------------------------------------------------------------------------

static int flush_row(struct migration *m)
{
    const struct db_hint hint = {m->hint, m->hint_len, 0};
    int err = m->has_row ? db_put_row(m->db, &m->row, &hint) : 0;
    m->has_row = false;
    m->hint_len = 0;
    m->names = 0;
    return err;
}

static int add_name(struct migration *m, const char *path)
{
    size_t len = strlen(path), need = m->hint_len + len + 2;
    if (need > m->hint_room) {
        char *grown = realloc(m->hint, need * 2);
        if (!grown)
            return -LINUX_ENOMEM;
        m->hint = grown;
        m->hint_room = need * 2;
    }
    if (m->names++ > 0)
        m->hint[m->hint_len++] = 0;
    memcpy(m->hint + m->hint_len, path, len + 1);
    m->hint_len += len;
    return 0;
}

static int add_row(struct migration *m, const char *path, const uint8_t *stat,
                   const struct host_stat *st)
{
    const struct db_row row = {.ino = st->ino,
                               .gen = st->btime,
                               .mode = get_word(stat),
                               .uid = get_word(stat + 4),
                               .gid = get_word(stat + 8),
                               .rdev = get_word(stat + 12)};
    int err = m->has_row && m->row.ino == st->ino ? 0 : flush_row(m);
    if (err || !root_needs_row(row.mode, row.uid, row.gid))
        return err;
    m->row = row;
    m->has_row = true;
    return add_name(m, path);
}

// Does the path go down and nowhere else?
static bool is_plain(const char *path)
{
    for (const char *p = path; *p; p += strspn(p, "/")) {
        size_t len = strcspn(p, "/");
        if (len == 0 || len > LINUX_NAME_MAX || (len <= 2 && memcmp(p, "..", len) == 0))
            return false;
        p += len;
    }
    return true;
}

// One path of the old database (without its first slash). Paths that lead nowhere are counted.
static int take_path(struct migration *m, char *path, const uint8_t *stat)
{
    struct host_stat st;
    bool fits = false;
    char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    if (!is_plain(path))
        return 0;
    if (slash)
        *slash = 0;
    int dir = *path && slash ? root_open_dir(&m->root, path)
                             : host_dup(*last ? m->root.data_fd : m->root.fd);
    if (slash)
        *slash = '/';
    const char *name = *last ? last : "data";
    int err = dir < 0 ? dir : host_stat(dir, name, &st);
    if (!err)
        err = convert(dir, name, get_word(stat), &st, &fits);
    if (!err && fits)
        err = add_row(m, path, stat, &st);
    host_close(dir);
    if (err == -LINUX_ENOENT || err == -LINUX_ENOTDIR || (!err && !fits)) {
        m->job->skipped++;
        return 0;
    }
    return err ? fail_errno(m, err, path) : 0;
}

static int take_all(struct migration *m, uint64_t total)
{
    static const char sql[] = "SELECT p.path, s.stat FROM paths p JOIN stats s ON s.inode=p.inode "
                              "ORDER BY p.inode, p.path";
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(m->old, sql, -1, &st, NULL), err = 0;
    if (rc != SQLITE_OK)
        return fail(m, -LINUX_EUCLEAN, "meta.db: %s", sqlite3_errmsg(m->old));
    while (!err && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        char path[LINUX_PATH_MAX];
        const char *text = sqlite3_column_blob(st, 0);
        const uint8_t *stat = sqlite3_column_blob(st, 1);
        size_t len = (size_t)sqlite3_column_bytes(st, 0);
        if (len > 0 && *text == '/') {
            text++;
            len--;
        }
        m->job->entries++;
        if (len >= sizeof path || sqlite3_column_bytes(st, 1) != STAT_SIZE ||
            (len > 0 && memchr(text, 0, len))) {
            m->job->skipped++;
            continue;
        }
        memcpy(path, len > 0 ? text : "", len);
        path[len] = 0;
        err = take_path(m, path, stat);
        if (!err && m->job->step &&
            !m->job->step(m->job->ctx, m->job->entries, total, m->job->entries))
            err = fail(m, -LINUX_ECANCELED, "cancelled; the next conversion goes on");
    }
    if (!err && rc != SQLITE_DONE)
        err = fail(m, -LINUX_EUCLEAN, "meta.db: %s", sqlite3_errmsg(m->old));
    sqlite3_finalize(st);
    return err ? err : flush_row(m);
}

// --- The whole -----------------------------------------------------------------------------------

static int remove_new_db(const struct migration *m)
{
    static const char *const parts[] = {"meta.db.new", "meta.db.new-wal", "meta.db.new-journal"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int err = host_unlink(m->root.fd, parts[i]);
        if (err && err != -LINUX_ENOENT)
            return err;
    }
    return 0;
}

static int fill(struct migration *m)
{
    char why[ARCHIVE_WHY_MAX];
    int64_t total = 0;
    int err = remove_new_db(m);
    if (!err)
        err = db_open(m->new_path, true, why, sizeof why, &m->db);
    if (err)
        return fail(m, err, "%s cannot be made", m->new_path);
    err = root_check_host(&m->root, m->db, m->job->why, sizeof m->job->why);
    if (!err)
        err = read_number(m->old, "SELECT count(*) FROM paths", &total);
    if (!err)
        err = db_begin(m->db);
    if (!err)
        err = take_all(m, (uint64_t)total);
    if (!err)
        err = db_commit(m->db);
    if (!err)
        err = db_checkpoint(m->db);
    db_close(m->db);
    m->db = NULL;
    return err;
}

// The old database gets its new name and keeps the old one until the new database takes it.
static int change_places(struct migration *m)
{
    char why[ARCHIVE_WHY_MAX];
    int err = host_link(m->root.fd, "meta.db", m->root.fd, old_db_name);
    if (!err)
        err = host_rename(m->root.fd, new_db_name, m->root.fd, "meta.db", 0);
    if (err)
        return fail_errno(m, err, old_db_name);
    err = db_open(m->root.db_path, false, why, sizeof why, &m->db);
    if (!err)
        err = root_identity_store(&m->root, m->db);
    return err ? fail_errno(m, err, m->root.db_path) : 0;
}

int archive_migrate(struct archive_job *job, const char *root)
{
    struct migration m = {.job = job};
    job->why[0] = 0;
    int n = snprintf(m.new_path, sizeof m.new_path, "%s/%s", root, new_db_name);
    if (n < 0 || (size_t)n >= sizeof m.new_path)
        return fail(&m, -LINUX_ENAMETOOLONG, "the name of the root is too long");
    int err = root_dir_open(root, job->why, sizeof job->why, &m.root);
    if (err)
        return err;
    err = open_old(&m);
    if (!err)
        err = fill(&m);
    sqlite3_close(m.old);
    if (!err)
        err = change_places(&m);
    if (m.db)
        db_close(m.db);
    free(m.hint);
    root_dir_close(&m.root);
    return err ? fail_errno(&m, err, root) : 0;
}
