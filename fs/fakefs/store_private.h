// What the two halves of the store share: rows (store.c) and the queue of changes (commit.c).
#ifndef FS_FAKEFS_STORE_PRIVATE_H
#define FS_FAKEFS_STORE_PRIVATE_H

#include "fs/fakefs/journal.h"
#include "fs/fakefs/store.h"
#include "fs/sparse_map.h"
#include "platform/lock.h"
#include <stdatomic.h>

enum { STORE_SHARDS = 64, VERSION_LOADED = 1 };

struct store_row {
    struct db_row row;
    uint64_t version; // sequence number of the change that made it; VERSION_LOADED: from the file
    bool present;     // false: deleted, and the deletion is not known to be durable
};

struct store_chunk {
    struct store_row *rows; // sorted by number
    size_t count, room;
};

struct store_shard {
    struct lock lock;         // rank store_shard
    struct sparse_map chunks; // struct store_chunk; guarded by lock
};

enum store_op_kind {
    OP_PUT,
    OP_PUT_HINT,
    OP_DELETE,
    OP_QUARANTINE,
    OP_PUT_XATTR,
    OP_DELETE_XATTR,
    OP_LOG_RENAME,
};

struct store_op {
    struct store_op *next;
    enum store_op_kind kind;
    uint64_t seq;
    struct db_row row; // or its number alone
    struct db_hint hint;
    char *name, *other; // xattr; the two paths of a rename. Owned, as hint.text and value
    void *value;
    size_t size;
};

// Changes the database had no room for: they were undone, and whoever waits for them is told.
struct store_lost {
    struct store_lost *next;
    uint64_t first, last;
    int err;
};

struct store {
    const struct log *log;
    struct store_shard shard[STORE_SHARDS];

    struct lock queue_lock; // rank store_queue
    struct cond progress;
    // Guarded by queue_lock.
    struct store_op *first, **last;
    uint64_t next_seq, rename_seq;
    uint64_t settled_seq;          // up to here changes are durable, or lost and undone
    struct store_lost *lost;       // the latest first
    struct store_lost *spare_lost; // the leader's, had before it commits; NULL: its last was a loss
    bool leader;                   // somebody is committing

    _Atomic bool bulk;
    _Atomic bool failed; // the database does not take changes any more
    _Atomic bool has_rows;

    struct lock db_lock; // rank store_db
    // Guarded by db_lock.
    struct db *db;
    struct journal *journal;
};

struct store_shard *store_shard_of(struct store *s, uint64_t ino);
struct store_row *store_chunk_find(struct store_shard *shard, uint64_t ino,
                                   struct store_chunk **chunk);
void store_chunk_remove(struct store_chunk *c, struct store_row *row);
// Makes the row what the database and its log say, unless it has changed again since `op`.
void store_undo(struct store *s, const struct store_op *op);

struct store_op *store_op_new(enum store_op_kind kind, uint64_t ino); // NULL without memory
void store_op_free(struct store_op *op);
NODISCARD int store_op_apply(struct db *db, const struct store_op *op); // in a transaction
// store_commit, also in bulk mode.
NODISCARD int store_flush(struct store *s, uint64_t seq);
// Appends; returns the sequence number. A shard's lock may be held.
uint64_t store_queue(struct store *s, struct store_op *op);

#endif
