// The metadata of a root in memory, and its way into the database. Layer 3.
//
// Rows are loaded a range of inode numbers at a time when one is first asked for, and memory is the
// truth from then on. A change is made in memory and queued; store_commit() returns when it is
// durable against the death of this process: in the log (journal.h) or in the database. Whoever
// comes first to commit takes everybody's queued changes along (one write, or one transaction); the
// others wait for it. Changes there is no room for are undone, and store_commit() says so
// (-LINUX_ENOSPC, -LINUX_ENOMEM). When the log or the database fails, the last changes are undone,
// too (-LINUX_EIO), and the store becomes read-only: what is known stays readable, changes are
// -LINUX_EROFS.
#ifndef FS_FAKEFS_STORE_H
#define FS_FAKEFS_STORE_H

#include "fs/fakefs/db.h"
#include "platform/base/compiler.h"
#include "platform/base/log.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct store;
struct journal;

// Takes over the database and its log. `log` (where messages go) may be NULL.
NODISCARD int store_create(struct db *db, struct journal *journal, const struct log *log,
                           struct store **out);
void store_destroy(struct store *s); // commits what is queued and closes both

// 1: there is a row (in *out, its version in *version). 0: none. A row of another generation is
// moved to quarantine and not seen any more. `gen` INT64_MIN: do not check.
int store_get(struct store *s, uint64_t ino, int64_t gen, struct db_row *out, uint64_t *version);

// Each of these queues a change and sets *seq for store_commit(). They fail before anything has
// changed.
NODISCARD int store_put(struct store *s, const struct db_row *row, const struct db_hint *hint,
                        uint64_t *seq); // *seq is the row's version, too
NODISCARD int store_put_hint(struct store *s, uint64_t ino, const struct db_hint *hint,
                             uint64_t *seq);
// The row, if it has this version still, is for no path any more; nobody waits for that.
NODISCARD int store_drop_hint(struct store *s, uint64_t ino, uint64_t version);
// Removes the row if it has this version still (0: whatever it is). *seq is 0 when there is
// nothing to wait for.
NODISCARD int store_delete(struct store *s, uint64_t ino, uint64_t version, uint64_t *seq);
NODISCARD int store_quarantine(struct store *s, uint64_t ino, uint64_t version, uint64_t *seq);
NODISCARD int store_put_xattr(struct store *s, uint64_t ino, const char *name, const void *val,
                              size_t size, uint64_t *seq);
NODISCARD int store_delete_xattr(struct store *s, uint64_t ino, const char *name, uint64_t *seq);
NODISCARD int store_log_rename(struct store *s, const char *from, const char *to, bool exchange,
                               uint64_t *seq);
// All paths of the row's hint as they are now, joined by NUL, in a new buffer (*len without the
// last NUL).
NODISCARD int store_current_hint(struct store *s, uint64_t ino, char **text, size_t *len);
// For hints: read before the path is put together.
uint64_t store_rename_seq(struct store *s);

// While on, store_commit returns at once and changes are committed many at a time.
void store_set_bulk(struct store *s, bool on);
NODISCARD int store_commit(struct store *s, uint64_t seq);
NODISCARD int store_sync(struct store *s); // everything, against loss of power
bool store_has_rows(struct store *s);      // false: certainly none

ssize_t store_get_xattr(struct store *s, uint64_t ino, const char *name, void *buf, size_t size);
ssize_t store_list_xattr(struct store *s, uint64_t ino, char *buf, size_t size);

#endif
