// The log of changes the database does not have yet: ROOT/meta.db-log. Layer 3.
//
// One change is one small write here; the database takes them many at a time. The log and the
// database are one sequence of changes: the database has those up to the number in its meta table
// ("log": "SALT:NUMBER"), put there by the transaction that brought them, and the log has those
// after it. It is emptied only when a database that has all of them is synced.
//
// The file is a row of frames, each with the changes of one commit, in the byte order of the host:
//   struct frame   checks of itself and of what follows, salt (whose log it is), number of the
//                  first change, how many, their size
//   changes        struct change and its texts, each padded to 8 bytes
// A frame that is not whole at the end of the file is of a commit nobody was told of. One that is
// whole and wrong, of another database, or does not go on where the last one ended (a loss of power
// took what was between) ends the log: the file is kept as meta.db-log.aside.
//
// Files are reached as SQLite reaches its own, so that what is true of those (how they are synced,
// and in tests what they lose) is true of this one. Not thread-safe: guarded by the store's db
// lock.
#ifndef FS_FAKEFS_JOURNAL_H
#define FS_FAKEFS_JOURNAL_H

#include "fs/fakefs/db.h"
#include "fs/fakefs/root.h"
#include "platform/base/compiler.h"
#include "platform/base/log.h"
#include <stdbool.h>

struct journal;
struct store_op;

// Opens or makes the log, and brings the database up to date with it. With no room for that
// (-LINUX_ENOSPC, -LINUX_ENOMEM) the changes stay pending. *aside: a part could not be used.
NODISCARD int journal_open(const struct root_dir *root, struct db *db, const struct log *log,
                           bool *aside, struct journal **out);
// Brings the database up to date and empties the log, if that can be done; frees. NULL: nothing.
void journal_close(struct journal *j);

// Writes one frame with all of a list. On failure nothing is in the log.
NODISCARD int journal_append(struct journal *j, const struct store_op *ops);
// Takes over the list appended last: it is pending until the next journal_apply.
void journal_keep(struct journal *j, struct store_op *ops);
// The changes the database does not have; the first one, or NULL.
const struct store_op *journal_pending(const struct journal *j);
bool journal_is_long(const struct journal *j); // time for journal_apply
// Brings what is pending, and then `ops` (may be NULL, stays the caller's), into the database in
// one transaction. On failure none of it is there, and what was pending still is.
NODISCARD int journal_apply(struct journal *j, const struct store_op *ops);
NODISCARD int journal_sync(struct journal *j); // what is appended reaches the medium

#endif
