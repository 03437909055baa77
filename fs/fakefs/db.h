// The database of a root: ROOT/meta.db. Layer 3. The only user of SQLite but for
// fs/fakefs/migrate.c, which reads another program's.
//
// Format, version 2 (application_id 0x69736866, user_version 2; version 1 had no log):
//   meta(key, val)    "root" and "db": "INO:BTIME" of ROOT/data and ROOT/meta.db when last opened.
//                     When they are others, the root is a copy: rows are found by their hints.
//                     "seq": no hint_seq is above it.
//                     "names": "escaped" when the host folds names (fs/host/name.c).
//                     "log": which log is its, and how much of it is here (fs/fakefs/journal.h).
//   inode(ino, gen, mode, uid, gid, rdev, xattrs, hint, hint_seq)
//                     What the host cannot hold of an object. ino: of the host. gen: its birth time
//                     in ns (INT64_MIN: unknown); a row whose gen is not the object's is another's.
//                     mode: with type. xattrs: 1 when there are any. hint: paths below data/ that
//                     lead there, joined by NUL; true but for the renames after hint_seq.
//   xattr(ino, name, val)
//   rename_log(seq, old, new)   directories renamed; what applies to hints with hint_seq < seq.
//   quarantine, quarantine_xattr   rows that did not fit their object, for fakefs-fsck.
// No row: owner 0:0 and the host's mode.
//
// SQLite's journal: WAL, synchronous=NORMAL: a commit survives the death of the process; db_sync
// makes it survive a loss of power. locking_mode=EXCLUSIVE: no -shm file. Not thread-safe: guarded
// by the store's db lock.
#ifndef FS_FAKEFS_DB_H
#define FS_FAKEFS_DB_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct db;

struct db_row {
    uint64_t ino;
    int64_t gen;
    uint32_t mode, uid, gid;
    uint64_t rdev;
    bool xattrs;
};

struct db_hint {
    const char *text; // paths joined by NUL; NULL: none
    size_t len;
    uint64_t seq; // last rename it knows of
};

// Opens, or with `create` makes, the database at a host path. `why`: a sentence on failure.
// -LINUX_EUCLEAN: damaged; -LINUX_EPROTONOSUPPORT: not ours, or newer.
NODISCARD int db_open(const char *path, bool create, char *why, size_t why_size, struct db **out);
// Writes everything into the main file, if anything was written, and closes.
void db_close(struct db *db);

NODISCARD int db_begin(struct db *db);
NODISCARD int db_commit(struct db *db);
void db_rollback(struct db *db);

NODISCARD int db_put_row(struct db *db, const struct db_row *row, const struct db_hint *hint);
NODISCARD int db_put_hint(struct db *db, uint64_t ino, const struct db_hint *hint);
NODISCARD int db_delete_row(struct db *db, uint64_t ino); // with its xattrs
NODISCARD int db_quarantine(struct db *db, uint64_t ino); // moves the row and its xattrs
NODISCARD int db_put_xattr(struct db *db, uint64_t ino, const char *name, const void *val,
                           size_t size);
NODISCARD int db_delete_xattr(struct db *db, uint64_t ino, const char *name);
NODISCARD int db_log_rename(struct db *db, uint64_t seq, const char *from, const char *to);

// Rows with first <= ino <= last.
NODISCARD int db_each_row(struct db *db, uint64_t first, uint64_t last,
                          int (*each)(void *ctx, const struct db_row *row,
                                      const struct db_hint *hint),
                          void *ctx);
// The hint of a row; its text is in a new buffer (*raw, to be freed). No row: no text.
NODISCARD int db_get_hint(struct db *db, uint64_t ino, char **raw, struct db_hint *out);
// -LINUX_ENODATA, -LINUX_ERANGE; size 0 queries.
ssize_t db_get_xattr(struct db *db, uint64_t ino, const char *name, void *buf, size_t size);
ssize_t db_list_xattr(struct db *db, uint64_t ino, char *buf, size_t size);
NODISCARD int db_each_rename(struct db *db,
                             int (*each)(void *ctx, uint64_t seq, const char *from, const char *to),
                             void *ctx);
uint64_t db_rename_seq(struct db *db); // the last one used
uint64_t db_row_count(struct db *db);  // 0 or 1 means what it says; more: at least one
NODISCARD int db_get_meta(struct db *db, const char *key, char *buf, size_t size);
NODISCARD int db_put_meta(struct db *db, const char *key, const char *val);

// Giving all rows new keys, in one transaction: begin, one call for each row that is kept, finish.
// Rows without a call, and a second one for the same object, go to quarantine. Empties the log of
// renames. db_rollback undoes all of it.
NODISCARD int db_rekey_begin(struct db *db);
NODISCARD int db_rekey_row(struct db *db, uint64_t old_ino, uint64_t new_ino, int64_t gen,
                           const struct db_hint *hint);
NODISCARD int db_rekey_finish(struct db *db);
uint64_t db_rename_count(struct db *db);

// Rows set aside, and giving one back to an object (in the caller's transaction).
NODISCARD int db_each_quarantined(struct db *db,
                                  int (*each)(void *ctx, const struct db_row *row,
                                              const struct db_hint *hint),
                                  void *ctx);
NODISCARD int db_restore(struct db *db, uint64_t old_ino, int64_t old_gen, uint64_t ino,
                         int64_t gen);

NODISCARD int db_sync(struct db *db);                              // commits reach the medium
NODISCARD int db_checkpoint(struct db *db);                        // and the main file
NODISCARD int db_check(struct db *db, char *why, size_t why_size); // SQLite's own integrity check
NODISCARD int db_exec(struct db *db, const char *sql);
// A copy of the whole database in a new file.
NODISCARD int db_copy_to(struct db *db, const char *path);
const char *db_error(struct db *db); // text of the last failure

#endif
