// Changes on their way into the database: a queue, and one leader at a time who commits all of it.
#include "fs/fakefs/store_private.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

struct store_op *store_op_new(enum store_op_kind kind, uint64_t ino)
{
    struct store_op *op = calloc(1, sizeof *op);
    if (op) {
        op->kind = kind;
        op->row.ino = ino;
    }
    return op;
}

void store_op_free(struct store_op *op)
{
    if (!op)
        return;
    free((void *)(uintptr_t)op->hint.text);
    free(op->name);
    free(op->other);
    free(op->value);
    free(op);
}

uint64_t store_queue(struct store *s, struct store_op *op)
{
    lock_acquire(&s->queue_lock);
    op->seq = ++s->next_seq;
    if (op->kind == OP_LOG_RENAME)
        op->hint.seq = ++s->rename_seq;
    op->next = NULL;
    *s->last = op;
    s->last = &op->next;
    uint64_t seq = op->seq;
    lock_release(&s->queue_lock);
    return seq;
}

uint64_t store_rename_seq(struct store *s)
{
    lock_acquire(&s->queue_lock);
    uint64_t seq = s->rename_seq;
    lock_release(&s->queue_lock);
    return seq;
}

static int apply(struct db *db, const struct store_op *op)
{
    uint64_t ino = op->row.ino;
    switch (op->kind) {
    case OP_PUT:
        return db_put_row(db, &op->row, &op->hint);
    case OP_PUT_HINT:
        return db_put_hint(db, ino, &op->hint);
    case OP_DELETE:
        return db_delete_row(db, ino);
    case OP_QUARANTINE:
        return db_quarantine(db, ino);
    case OP_PUT_XATTR:
        return db_put_xattr(db, ino, op->name, op->value, op->size);
    case OP_DELETE_XATTR:
        return db_delete_xattr(db, ino, op->name);
    case OP_LOG_RENAME:
        return db_log_rename(db, op->hint.seq, op->name, op->other);
    }
    return -LINUX_EINVAL;
}

static int apply_all(struct store *s, const struct store_op *op)
{
    lock_acquire(&s->db_lock);
    int err = db_begin(s->db);
    for (; op && !err; op = op->next)
        err = apply(s->db, op);
    if (!err)
        err = db_commit(s->db);
    if (err) {
        log_printf(s->log, LOG_ERROR, "meta.db: %s", db_error(s->db));
        db_rollback(s->db);
    }
    lock_release(&s->db_lock);
    return err;
}

// Deletions that are durable need no reminder in memory.
static void forget_deleted(struct store *s, const struct store_op *op)
{
    if (op->kind != OP_DELETE && op->kind != OP_QUARANTINE)
        return;
    struct store_shard *shard = store_shard_of(s, op->row.ino);
    struct store_chunk *c;
    lock_acquire(&shard->lock);
    struct store_row *r = store_chunk_find(shard, op->row.ino, &c);
    if (r && !r->present && r->version == op->seq)
        store_chunk_remove(c, r);
    lock_release(&shard->lock);
}

static void finish_ops(struct store *s, struct store_op *batch, bool undo)
{
    for (struct store_op *op = batch, *next; op; op = next) {
        next = op->next;
        if (undo)
            store_undo(s, op);
        else
            forget_deleted(s, op);
        store_op_free(op);
    }
}

// The leader's work, queue unlocked. Returns the error; frees the batch. Nothing is committed as
// long as a loss could not be noted.
static int commit_batch(struct store *s, struct store_op *batch)
{
    if (!s->spare_lost)
        s->spare_lost = malloc(sizeof *s->spare_lost);
    int err = s->spare_lost ? apply_all(s, batch) : -LINUX_ENOMEM;
    finish_ops(s, batch, err != 0);
    return err;
}

// Under the queue lock. A full disk or no memory passes; anything else does not. In bulk mode
// nobody waits who could be told.
static bool note_lost(struct store *s, uint64_t upto, int err)
{
    struct store_lost *l = s->lost;
    bool bulk = atomic_load_explicit(&s->bulk, memory_order_relaxed);
    if (bulk || (err != -LINUX_ENOSPC && err != -LINUX_ENOMEM))
        return false;
    // Without a spare nothing was committed since the last loss.
    if (l && l->last == s->settled_seq && (l->err == err || !s->spare_lost)) {
        l->last = upto;
        return true;
    }
    l = s->spare_lost;
    s->spare_lost = NULL;
    *l = (struct store_lost){s->lost, s->settled_seq + 1, upto, err};
    s->lost = l;
    return true;
}

static int lost_error(const struct store *s, uint64_t seq)
{
    for (const struct store_lost *l = s->lost; l; l = l->next)
        if (seq >= l->first && seq <= l->last)
            return l->err;
    return 0;
}

static struct store_op *take_queue(struct store *s)
{
    struct store_op *batch = s->first;
    s->first = NULL;
    s->last = &s->first;
    return batch;
}

// Under the queue lock: takes the lead for one batch.
static void lead(struct store *s) NO_TSA
{
    uint64_t upto = s->next_seq;
    struct store_op *batch = take_queue(s);
    s->leader = true;
    lock_release(&s->queue_lock);
    int err = commit_batch(s, batch);
    lock_acquire(&s->queue_lock);
    s->leader = false;
    if (!err || note_lost(s, upto, err)) {
        s->settled_seq = upto;
    } else {
        log_printf(s->log, LOG_ERROR, "meta.db takes no more changes");
        atomic_store_explicit(&s->failed, true, memory_order_relaxed);
    }
    cond_broadcast(&s->progress);
}

// Under the queue lock: what was queued when the store failed is undone.
static void drop_queue(struct store *s) NO_TSA
{
    struct store_op *batch = take_queue(s);
    lock_release(&s->queue_lock);
    finish_ops(s, batch, true);
    lock_acquire(&s->queue_lock);
}

void store_set_bulk(struct store *s, bool on)
{
    atomic_store_explicit(&s->bulk, on, memory_order_relaxed);
}

int store_commit(struct store *s, uint64_t seq)
{
    enum { BULK_BATCH = 4096 };
    if (atomic_load_explicit(&s->bulk, memory_order_relaxed) && seq % BULK_BATCH != 0)
        return 0;
    return store_flush(s, seq);
}

int store_flush(struct store *s, uint64_t seq)
{
    lock_acquire(&s->queue_lock);
    while (s->settled_seq < seq && !atomic_load_explicit(&s->failed, memory_order_relaxed)) {
        if (s->leader)
            cond_wait(&s->progress, &s->queue_lock, COND_FOREVER);
        else if (s->first)
            lead(s);
        else
            s->settled_seq = s->next_seq; // nothing is under way
    }
    if (atomic_load_explicit(&s->failed, memory_order_relaxed))
        drop_queue(s);
    int err = s->settled_seq < seq ? -LINUX_EIO : lost_error(s, seq);
    lock_release(&s->queue_lock);
    return err;
}

int store_sync(struct store *s)
{
    lock_acquire(&s->queue_lock);
    uint64_t seq = s->next_seq;
    lock_release(&s->queue_lock);
    int err = store_commit(s, seq);
    if (err)
        return err;
    lock_acquire(&s->db_lock);
    err = db_sync(s->db);
    lock_release(&s->db_lock);
    return err;
}
