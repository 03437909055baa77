#include "fs/fakefs/db.h"
#include "platform/abi/linux_errno.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { APPLICATION_ID = 0x69736866, FORMAT_VERSION = 2, PEER_VERSION = 3 };

enum statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_PUT_ROW,
    ST_PUT_HINT,
    ST_DELETE_ROW,
    ST_DELETE_XATTRS,
    ST_QUARANTINE,
    ST_QUARANTINE_XATTRS,
    ST_PUT_XATTR,
    ST_DELETE_XATTR,
    ST_LOG_RENAME,
    ST_EACH_ROW,
    ST_GET_HINT,
    ST_GET_XATTR,
    ST_LIST_XATTR,
    ST_EACH_RENAME,
    ST_RENAME_SEQ,
    ST_HINT_SEQ,
    ST_ANY_ROW,
    ST_GET_META,
    ST_PUT_META,
    ST_RENAME_COUNT,
    ST_EACH_QUARANTINED,
    ST_RESTORE,
    ST_RESTORE_XATTRS,
    ST_FORGET,
    ST_FORGET_XATTRS,
    ST_COUNT,
};

static const char *const statement_text[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_PUT_ROW] = "INSERT OR REPLACE INTO inode(ino,gen,mode,uid,gid,rdev,xattrs,hint,hint_seq) "
                   "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
    [ST_PUT_HINT] = "UPDATE inode SET hint=?2, hint_seq=?3 WHERE ino=?1",
    [ST_DELETE_ROW] = "DELETE FROM inode WHERE ino=?1",
    [ST_DELETE_XATTRS] = "DELETE FROM xattr WHERE ino=?1",
    [ST_QUARANTINE] = "INSERT OR REPLACE INTO quarantine "
                      "SELECT ino,gen,mode,uid,gid,rdev,xattrs,hint,hint_seq FROM inode "
                      "WHERE ino=?1",
    [ST_QUARANTINE_XATTRS] = "INSERT OR REPLACE INTO quarantine_xattr "
                             "SELECT x.ino,i.gen,x.name,x.val FROM xattr x JOIN inode i "
                             "ON i.ino=x.ino WHERE x.ino=?1",
    [ST_PUT_XATTR] = "INSERT OR REPLACE INTO xattr(ino,name,val) VALUES(?1,?2,?3)",
    [ST_DELETE_XATTR] = "DELETE FROM xattr WHERE ino=?1 AND name=?2",
    [ST_LOG_RENAME] = "INSERT OR REPLACE INTO rename_log(seq,old,new) VALUES(?1,?2,?3)",
    [ST_EACH_ROW] = "SELECT ino,gen,mode,uid,gid,rdev,xattrs,hint,hint_seq FROM inode "
                    "WHERE ino BETWEEN ?1 AND ?2",
    [ST_GET_HINT] = "SELECT hint,hint_seq FROM inode WHERE ino=?1",
    [ST_GET_XATTR] = "SELECT val FROM xattr WHERE ino=?1 AND name=?2",
    [ST_LIST_XATTR] = "SELECT name FROM xattr WHERE ino=?1 ORDER BY name",
    [ST_EACH_RENAME] = "SELECT seq,old,new FROM rename_log ORDER BY seq",
    [ST_RENAME_SEQ] = "SELECT coalesce((SELECT max(seq) FROM rename_log),0)",
    [ST_HINT_SEQ] = "SELECT coalesce((SELECT max(hint_seq) FROM inode),0)",
    [ST_ANY_ROW] = "SELECT count(*) FROM (SELECT 1 FROM inode LIMIT 2)",
    [ST_GET_META] = "SELECT val FROM meta WHERE key=?1",
    [ST_PUT_META] = "INSERT OR REPLACE INTO meta(key,val) VALUES(?1,?2)",
    [ST_RENAME_COUNT] = "SELECT count(*) FROM rename_log",
    [ST_EACH_QUARANTINED] = "SELECT ino,gen,mode,uid,gid,rdev,xattrs,hint,hint_seq "
                            "FROM quarantine",
    [ST_RESTORE] = "INSERT OR REPLACE INTO inode "
                   "SELECT ?3,?4,mode,uid,gid,rdev,xattrs,hint,hint_seq FROM quarantine "
                   "WHERE ino=?1 AND gen=?2",
    [ST_RESTORE_XATTRS] = "INSERT OR REPLACE INTO xattr SELECT ?3,name,val FROM quarantine_xattr "
                          "WHERE ino=?1 AND gen=?2 AND ?4 IS NOT NULL",
    [ST_FORGET] = "DELETE FROM quarantine WHERE ino=?1 AND gen=?2",
    [ST_FORGET_XATTRS] = "DELETE FROM quarantine_xattr WHERE ino=?1 AND gen=?2",
};

// Statements are prepared when first used, so the tables are compared with this text when a
// database is opened (check_tables()).
enum { SCHEMA_TABLES = 6 };
static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, val TEXT) WITHOUT ROWID;"
    "CREATE TABLE inode(ino INTEGER PRIMARY KEY, gen INTEGER NOT NULL, mode INTEGER NOT NULL,"
    " uid INTEGER NOT NULL, gid INTEGER NOT NULL, rdev INTEGER NOT NULL,"
    " xattrs INTEGER NOT NULL, hint BLOB, hint_seq INTEGER NOT NULL);"
    "CREATE TABLE xattr(ino INTEGER, name TEXT, val BLOB, PRIMARY KEY(ino,name)) WITHOUT ROWID;"
    "CREATE TABLE rename_log(seq INTEGER PRIMARY KEY, old BLOB NOT NULL, new BLOB NOT NULL);"
    "CREATE TABLE quarantine(ino INTEGER, gen INTEGER, mode INTEGER, uid INTEGER, gid INTEGER,"
    " rdev INTEGER, xattrs INTEGER, hint BLOB, hint_seq INTEGER, PRIMARY KEY(ino,gen));"
    "CREATE TABLE quarantine_xattr(ino INTEGER, gen INTEGER, name TEXT, val BLOB,"
    " PRIMARY KEY(ino,gen,name)) WITHOUT ROWID;"
    "PRAGMA application_id=1769171046;" // APPLICATION_ID
    "PRAGMA user_version=2;";           // FORMAT_VERSION
static const char set_version[] = "PRAGMA user_version=2";

struct db {
    sqlite3 *sqlite;
    sqlite3_stmt *st[ST_COUNT]; // prepared when first used
    bool unsynced;              // commits that a loss of power would undo
    uint64_t noted_seq;         // no hint_seq in the database is above it; 0: look
};

static int to_errno(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_NOMEM:
        return -LINUX_ENOMEM;
    case SQLITE_FULL:
        return -LINUX_ENOSPC;
    case SQLITE_READONLY:
        return -LINUX_EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -LINUX_EACCES;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -LINUX_EBUSY;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_ERROR: // a table that is not there, a schema that is not ours
        return -LINUX_EUCLEAN;
    case SQLITE_CANTOPEN:
        return -LINUX_ENOENT;
    default:
        return -LINUX_EIO;
    }
}

const char *db_error(struct db *db)
{
    return sqlite3_errmsg(db->sqlite);
}

// --- Statements ----------------------------------------------------------------------------------

static int prepare(struct db *db, enum statement which, sqlite3_stmt **out)
{
    *out = db->st[which];
    if (*out)
        return 0;
    int rc = sqlite3_prepare_v3(db->sqlite, statement_text[which], -1, SQLITE_PREPARE_PERSISTENT,
                                out, NULL);
    db->st[which] = *out;
    return to_errno(rc);
}

// Runs a statement that returns nothing, its values bound, and makes it ready for the next time.
static int finish(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    int again = sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : to_errno(again ? again : rc);
}

static int run(struct db *db, enum statement which)
{
    sqlite3_stmt *st;
    int err = prepare(db, which, &st);
    return err ? err : finish(st);
}

static int run_ino(struct db *db, enum statement which, uint64_t ino)
{
    sqlite3_stmt *st;
    int err = prepare(db, which, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, (int64_t)ino);
    return finish(st);
}

int db_exec(struct db *db, const char *sql)
{
    return to_errno(sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL));
}

int db_begin(struct db *db)
{
    return run(db, ST_BEGIN);
}

int db_commit(struct db *db)
{
    int err = run(db, ST_COMMIT);
    if (!err)
        db->unsynced = true;
    return err;
}

void db_rollback(struct db *db)
{
    db->noted_seq = 0;
    if (!sqlite3_get_autocommit(db->sqlite) && run(db, ST_ROLLBACK))
        return; // SQLite has rolled back by itself
}

// The highest hint_seq there ever was stands in the meta table, so that nobody has to look for it
// among all rows.
static int note_seq(struct db *db, uint64_t seq)
{
    char text[24];
    if (seq <= db->noted_seq)
        return 0;
    snprintf(text, sizeof text, "%llu", (unsigned long long)seq);
    int err = db_put_meta(db, "seq", text);
    if (!err)
        db->noted_seq = seq;
    return err;
}

static void bind_hint(sqlite3_stmt *st, int at, const struct db_hint *hint)
{
    if (hint && hint->text)
        sqlite3_bind_blob64(st, at, hint->text, hint->len, SQLITE_STATIC);
    else
        sqlite3_bind_null(st, at);
    sqlite3_bind_int64(st, at + 1, hint ? (int64_t)hint->seq : 0);
}

int db_put_row(struct db *db, const struct db_row *row, const struct db_hint *hint)
{
    sqlite3_stmt *st;
    int err = hint ? note_seq(db, hint->seq) : 0;
    if (!err)
        err = prepare(db, ST_PUT_ROW, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, (int64_t)row->ino);
    sqlite3_bind_int64(st, 2, row->gen);
    sqlite3_bind_int64(st, 3, row->mode);
    sqlite3_bind_int64(st, 4, row->uid);
    sqlite3_bind_int64(st, 5, row->gid);
    sqlite3_bind_int64(st, 6, (int64_t)row->rdev);
    sqlite3_bind_int(st, 7, row->xattrs);
    bind_hint(st, 8, hint);
    return finish(st);
}

int db_put_hint(struct db *db, uint64_t ino, const struct db_hint *hint)
{
    sqlite3_stmt *st;
    int err = hint ? note_seq(db, hint->seq) : 0;
    if (!err)
        err = prepare(db, ST_PUT_HINT, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, (int64_t)ino);
    bind_hint(st, 2, hint);
    return finish(st);
}

int db_delete_row(struct db *db, uint64_t ino)
{
    int err = run_ino(db, ST_DELETE_XATTRS, ino);
    return err ? err : run_ino(db, ST_DELETE_ROW, ino);
}

int db_quarantine(struct db *db, uint64_t ino)
{
    int err = run_ino(db, ST_QUARANTINE_XATTRS, ino);
    if (!err)
        err = run_ino(db, ST_QUARANTINE, ino);
    return err ? err : db_delete_row(db, ino);
}

int db_put_xattr(struct db *db, uint64_t ino, const char *name, const void *val, size_t size)
{
    sqlite3_stmt *st;
    int err = prepare(db, ST_PUT_XATTR, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, (int64_t)ino);
    sqlite3_bind_text(st, 2, name, -1, SQLITE_STATIC);
    if (size > 0)
        sqlite3_bind_blob64(st, 3, val, size, SQLITE_STATIC);
    else
        sqlite3_bind_zeroblob(st, 3, 0);
    return finish(st);
}

int db_delete_xattr(struct db *db, uint64_t ino, const char *name)
{
    sqlite3_stmt *st;
    int err = prepare(db, ST_DELETE_XATTR, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, (int64_t)ino);
    sqlite3_bind_text(st, 2, name, -1, SQLITE_STATIC);
    return finish(st);
}

int db_log_rename(struct db *db, uint64_t seq, const char *from, const char *to)
{
    sqlite3_stmt *st;
    int err = prepare(db, ST_LOG_RENAME, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, (int64_t)seq);
    sqlite3_bind_blob64(st, 2, from, strlen(from), SQLITE_STATIC);
    sqlite3_bind_blob64(st, 3, to, strlen(to), SQLITE_STATIC);
    return finish(st);
}

// --- Queries -------------------------------------------------------------------------------------

// Ends a query whose steps ended with `rc`.
static int query_done(sqlite3_stmt *st, int rc, int err)
{
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return err ? err : rc == SQLITE_ROW ? 0 : to_errno(rc);
}

static int each_row(sqlite3_stmt *st,
                    int (*each)(void *ctx, const struct db_row *row, const struct db_hint *hint),
                    void *ctx)
{
    int rc, err = 0;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW && !err) {
        struct db_row row = {
            .ino = (uint64_t)sqlite3_column_int64(st, 0),
            .gen = sqlite3_column_int64(st, 1),
            .mode = (uint32_t)sqlite3_column_int64(st, 2),
            .uid = (uint32_t)sqlite3_column_int64(st, 3),
            .gid = (uint32_t)sqlite3_column_int64(st, 4),
            .rdev = (uint64_t)sqlite3_column_int64(st, 5),
            .xattrs = sqlite3_column_int(st, 6) != 0,
        };
        struct db_hint hint = {
            .text = sqlite3_column_blob(st, 7),
            .len = (size_t)sqlite3_column_bytes(st, 7),
            .seq = (uint64_t)sqlite3_column_int64(st, 8),
        };
        if (!hint.text && sqlite3_column_type(st, 7) == SQLITE_BLOB)
            hint.text = ""; // the root of the tree
        err = each(ctx, &row, &hint);
    }
    return query_done(st, rc, err);
}

int db_each_row(struct db *db, uint64_t first, uint64_t last,
                int (*each)(void *ctx, const struct db_row *row, const struct db_hint *hint),
                void *ctx)
{
    sqlite3_stmt *st;
    int err = prepare(db, ST_EACH_ROW, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, (int64_t)first);
    sqlite3_bind_int64(st, 2, (int64_t)last);
    return each_row(st, each, ctx);
}

int db_each_quarantined(struct db *db,
                        int (*each)(void *ctx, const struct db_row *row,
                                    const struct db_hint *hint),
                        void *ctx)
{
    sqlite3_stmt *st;
    int err = prepare(db, ST_EACH_QUARANTINED, &st);
    return err ? err : each_row(st, each, ctx);
}

static char *column_string(sqlite3_stmt *st, int at)
{
    const void *blob = sqlite3_column_blob(st, at);
    size_t len = (size_t)sqlite3_column_bytes(st, at);
    char *s = malloc(len + 1);
    if (!s)
        return NULL;
    if (len > 0)
        memcpy(s, blob, len);
    s[len] = 0;
    return s;
}

int db_get_hint(struct db *db, uint64_t ino, char **raw, struct db_hint *out)
{
    sqlite3_stmt *st;
    *raw = NULL;
    *out = (struct db_hint){NULL, 0, 0};
    int err = prepare(db, ST_GET_HINT, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, (int64_t)ino);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW && sqlite3_column_type(st, 0) == SQLITE_BLOB) {
        *raw = column_string(st, 0);
        err = *raw ? 0 : -LINUX_ENOMEM;
        *out = (struct db_hint){*raw, (size_t)sqlite3_column_bytes(st, 0),
                                (uint64_t)sqlite3_column_int64(st, 1)};
    }
    return query_done(st, rc, err);
}

ssize_t db_get_xattr(struct db *db, uint64_t ino, const char *name, void *buf, size_t size)
{
    sqlite3_stmt *st;
    int err = prepare(db, ST_GET_XATTR, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, (int64_t)ino);
    sqlite3_bind_text(st, 2, name, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    ssize_t n = -LINUX_ENODATA;
    if (rc == SQLITE_ROW) {
        const void *val = sqlite3_column_blob(st, 0);
        n = sqlite3_column_bytes(st, 0);
        if (size > 0 && (size_t)n > size)
            n = -LINUX_ERANGE;
        else if (size > 0 && n > 0)
            memcpy(buf, val, (size_t)n);
    }
    err = query_done(st, rc, 0);
    return err ? err : n;
}

ssize_t db_list_xattr(struct db *db, uint64_t ino, char *buf, size_t size)
{
    sqlite3_stmt *st;
    int err = prepare(db, ST_LIST_XATTR, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, (int64_t)ino);
    size_t len = 0;
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        const unsigned char *name = sqlite3_column_text(st, 0);
        size_t n = (size_t)sqlite3_column_bytes(st, 0) + 1;
        if (name && len + n <= size)
            memcpy(buf + len, name, n);
        len += n;
    }
    err = query_done(st, rc, 0);
    if (err)
        return err;
    return size > 0 && len > size ? -LINUX_ERANGE : (ssize_t)len;
}

int db_each_rename(struct db *db,
                   int (*each)(void *ctx, uint64_t seq, const char *from, const char *to),
                   void *ctx)
{
    sqlite3_stmt *st;
    int err = prepare(db, ST_EACH_RENAME, &st);
    int rc = SQLITE_OK;
    if (err)
        return err;
    while (!err && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        char *from = column_string(st, 1), *to = column_string(st, 2);
        err =
            from && to ? each(ctx, (uint64_t)sqlite3_column_int64(st, 0), from, to) : -LINUX_ENOMEM;
        free(from);
        free(to);
    }
    return query_done(st, rc, err);
}

static uint64_t query_number(struct db *db, enum statement which)
{
    sqlite3_stmt *st;
    if (prepare(db, which, &st))
        return 0;
    uint64_t n = sqlite3_step(st) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    sqlite3_reset(st);
    return n;
}

uint64_t db_rename_seq(struct db *db)
{
    char text[24];
    if (db_get_meta(db, "seq", text, sizeof text) || !text[0]) { // never noted
        uint64_t seq = query_number(db, ST_HINT_SEQ);
        snprintf(text, sizeof text, "%llu", (unsigned long long)seq);
        if (db_put_meta(db, "seq", text))
            return seq; // and looked for again the next time
    }
    db->noted_seq = strtoull(text, NULL, 10);
    const uint64_t renamed = query_number(db, ST_RENAME_SEQ);
    return renamed > db->noted_seq ? renamed : db->noted_seq;
}

uint64_t db_row_count(struct db *db)
{
    return query_number(db, ST_ANY_ROW);
}

uint64_t db_rename_count(struct db *db)
{
    return query_number(db, ST_RENAME_COUNT);
}

int db_get_meta(struct db *db, const char *key, char *buf, size_t size)
{
    sqlite3_stmt *st;
    int err = prepare(db, ST_GET_META, &st);
    if (err)
        return err;
    sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    buf[0] = 0;
    if (rc == SQLITE_ROW && sqlite3_column_text(st, 0))
        snprintf(buf, size, "%s", (const char *)sqlite3_column_text(st, 0));
    return query_done(st, rc, 0);
}

int db_put_meta(struct db *db, const char *key, const char *val)
{
    sqlite3_stmt *st;
    int err = prepare(db, ST_PUT_META, &st);
    if (err)
        return err;
    sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, val, -1, SQLITE_STATIC);
    return finish(st);
}

// --- New keys ------------------------------------------------------------------------------------

int db_rekey_begin(struct db *db)
{
    int err = db_begin(db);
    return err ? err
               : db_exec(db, "CREATE TEMP TABLE IF NOT EXISTS moved(old INTEGER PRIMARY KEY,"
                             " new INTEGER UNIQUE, gen INTEGER, hint BLOB);"
                             "DELETE FROM moved");
}

int db_rekey_row(struct db *db, uint64_t old_ino, uint64_t new_ino, int64_t gen,
                 const struct db_hint *hint)
{
    static const char sql[] = "INSERT OR IGNORE INTO moved(old,new,gen,hint) VALUES(?1,?2,?3,?4)";
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        return to_errno(rc);
    sqlite3_bind_int64(st, 1, (int64_t)old_ino);
    sqlite3_bind_int64(st, 2, (int64_t)new_ino);
    sqlite3_bind_int64(st, 3, gen);
    sqlite3_bind_blob64(st, 4, hint->text, hint->len, SQLITE_STATIC);
    int err = finish(st);
    sqlite3_finalize(st);
    return err;
}

int db_rekey_finish(struct db *db)
{
    int err = db_exec(
        db, "INSERT OR REPLACE INTO quarantine"
            " SELECT ino,gen,mode,uid,gid,rdev,xattrs,hint,hint_seq FROM inode"
            " WHERE ino NOT IN (SELECT old FROM moved);"
            "INSERT OR REPLACE INTO quarantine_xattr"
            " SELECT x.ino,i.gen,x.name,x.val FROM xattr x JOIN inode i ON i.ino=x.ino"
            " WHERE x.ino NOT IN (SELECT old FROM moved);"
            "CREATE TEMP TABLE new_inode AS SELECT m.new AS ino,m.gen AS gen,i.mode AS mode,"
            " i.uid AS uid,i.gid AS gid,i.rdev AS rdev,i.xattrs AS xattrs,m.hint AS hint"
            " FROM inode i JOIN moved m ON m.old=i.ino;"
            "CREATE TEMP TABLE new_xattr AS SELECT m.new AS ino,x.name AS name,x.val AS val"
            " FROM xattr x JOIN moved m ON m.old=x.ino;"
            "DELETE FROM inode; DELETE FROM xattr; DELETE FROM rename_log;"
            "INSERT INTO inode SELECT ino,gen,mode,uid,gid,rdev,xattrs,hint,0 FROM new_inode;"
            "INSERT INTO xattr SELECT ino,name,val FROM new_xattr;"
            "DROP TABLE new_inode; DROP TABLE new_xattr; DELETE FROM moved;");
    return err ? err : db_commit(db);
}

int db_restore(struct db *db, uint64_t old_ino, int64_t old_gen, uint64_t ino, int64_t gen)
{
    static const enum statement steps[] = {ST_RESTORE_XATTRS, ST_RESTORE, ST_FORGET,
                                           ST_FORGET_XATTRS};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        sqlite3_stmt *st;
        int err = prepare(db, steps[i], &st);
        if (err)
            return err;
        sqlite3_bind_int64(st, 1, (int64_t)old_ino);
        sqlite3_bind_int64(st, 2, old_gen);
        if (i < 2) {
            sqlite3_bind_int64(st, 3, (int64_t)ino);
            sqlite3_bind_int64(st, 4, gen);
        }
        err = finish(st);
        if (err)
            return err;
    }
    return 0;
}

// --- Whole database ------------------------------------------------------------------------------

int db_sync(struct db *db)
{
    sqlite3_file *wal = NULL;
    if (!db->unsynced)
        return 0;
    int rc = sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (rc == SQLITE_OK && wal && wal->pMethods)
        rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
    if (rc == SQLITE_OK)
        db->unsynced = false;
    return to_errno(rc);
}

int db_checkpoint(struct db *db)
{
    int rc = sqlite3_wal_checkpoint_v2(db->sqlite, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc == SQLITE_OK)
        db->unsynced = false;
    return to_errno(rc);
}

static int note_problem(void *ctx, int columns, char **values, char **names)
{
    (void)names;
    char **first = ctx;
    if (columns > 0 && values[0] && !*first && strcmp(values[0], "ok") != 0)
        *first = sqlite3_mprintf("%s", values[0]);
    return 0;
}

int db_check(struct db *db, char *why, size_t why_size)
{
    char *problem = NULL;
    int rc = sqlite3_exec(db->sqlite, "PRAGMA integrity_check(10)", note_problem, &problem, NULL);
    if (rc != SQLITE_OK)
        snprintf(why, why_size, "%s", db_error(db));
    else if (problem)
        snprintf(why, why_size, "%s", problem);
    int err = rc != SQLITE_OK ? to_errno(rc) : problem ? -LINUX_EUCLEAN : 0;
    sqlite3_free(problem);
    return err;
}

int db_copy_to(struct db *db, const char *path)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db->sqlite, "VACUUM INTO ?1", -1, &st, NULL);
    if (rc != SQLITE_OK)
        return to_errno(rc);
    sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
    rc = sqlite3_step(st);
    sqlite3_finalize(st);
    return to_errno(rc);
}

static int pragma_number(struct db *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        return to_errno(rc);
    rc = sqlite3_step(st);
    *out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    sqlite3_finalize(st);
    return to_errno(rc);
}

// Whose database is it? *old: of version 1, which had no log beside it; a program that knows only
// that one must not open it any more.
static int check_format(struct db *db, const char *path, bool *old, char *why, size_t why_size)
{
    int64_t id, version;
    int err = pragma_number(db, "PRAGMA application_id", &id);
    if (!err)
        err = pragma_number(db, "PRAGMA user_version", &version);
    if (err)
        return err;
    *old = version == 1;
    if (id == 0 && version == PEER_VERSION) {
        snprintf(why, why_size,
                 "%s is in iSH's format (version 3), whose rows are keyed by path; fakefsify with "
                 "the root as its only argument converts it",
                 path);
        return -LINUX_EPROTONOSUPPORT;
    }
    if (id != APPLICATION_ID) {
        snprintf(why, why_size, "%s is not the database of a root", path);
        return -LINUX_EPROTONOSUPPORT;
    }
    if (version != FORMAT_VERSION && !*old) {
        snprintf(why, why_size, "%s has format version %lld; this program knows version %d", path,
                 (long long)version, FORMAT_VERSION);
        return -LINUX_EPROTONOSUPPORT;
    }
    return 0;
}

// SQLite keeps the text of what made each table.
static int check_tables(struct db *db, const char *path, char *why, size_t why_size)
{
    static const char sql[] = "SELECT count(*) FROM sqlite_master WHERE instr(?1,sql)>0";
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 1, schema, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    bool all = rc == SQLITE_ROW && sqlite3_column_int(st, 0) == SCHEMA_TABLES;
    sqlite3_finalize(st);
    if (all || rc != SQLITE_ROW)
        return all ? 0 : to_errno(rc);
    snprintf(why, why_size, "%s is damaged: its tables are not those of a root", path);
    return -LINUX_EUCLEAN;
}

static int set_up(struct db *db, const char *path, bool create, char *why, size_t why_size)
{
    static const char settings[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
        "PRAGMA trusted_schema=OFF;";
    // First of all: a database that was never shared needs no shared memory beside it.
    bool old = false;
    int err = db_exec(db, "PRAGMA locking_mode=EXCLUSIVE");
    if (!err && !create)
        err = check_format(db, path, &old, why, why_size);
    if (!err)
        err = db_exec(db, settings);
    if (!err && old)
        err = db_exec(db, set_version);
    if (!err && create)
        err = db_exec(db, schema);
    return err ? err : check_tables(db, path, why, why_size);
}

int db_open(const char *path, bool create, char *why, size_t why_size, struct db **out)
{
    struct db *db = calloc(1, sizeof *db);
    if (!db)
        return -LINUX_ENOMEM;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    why[0] = 0;
    int rc = sqlite3_open_v2(path, &db->sqlite, flags, NULL);
    int err = db->sqlite ? to_errno(rc) : -LINUX_ENOMEM;
    if (!err)
        err = set_up(db, path, create, why, why_size);
    if (!err) {
        *out = db;
        return 0;
    }
    if (!why[0])
        snprintf(why, why_size, "%s cannot be opened: %s%s", path,
                 db->sqlite ? sqlite3_errmsg(db->sqlite) : "out of memory",
                 err == -LINUX_EUCLEAN ? "; it is damaged (fakefs-fsck may help)" : "");
    for (size_t i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(db->st[i]);
    sqlite3_close(db->sqlite);
    free(db);
    return err;
}

void db_close(struct db *db)
{
    db_rollback(db);
    for (size_t i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(db->st[i]);
    sqlite3_close(db->sqlite);
    free(db);
}
