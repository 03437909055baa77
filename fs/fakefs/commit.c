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

int store_op_apply(struct db *db, const struct store_op *op)
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

// What is read from the database, and not from the rows in memory, goes there at once; so does
// what comes in bulk.
static bool is_for_database(struct store *s, const struct store_op *op)
{
    bool direct = atomic_load_explicit(&s->bulk, memory_order_relaxed);
    for (; op && !direct; op = op->next)
        direct =
            op->kind == OP_PUT_XATTR || op->kind == OP_DELETE_XATTR || op->kind == OP_QUARANTINE;
    return direct;
}

// Makes a batch durable against the death of this process. *logged: by the log alone.
static int record_all(struct store *s, const struct store_op *batch, bool *logged)
{
    *logged = !is_for_database(s, batch);
    lock_acquire(&s->db_lock);
    int err = *logged ? journal_append(s->journal, batch) : journal_apply(s->journal, batch);
    lock_release(&s->db_lock);
    return err;
}

// The batch is in the log, and in memory until the database has it. That it cannot take it now
// is no reason to tell anybody that a change is lost.
static void keep_batch(struct store *s, struct store_op *batch)
{
    lock_acquire(&s->db_lock);
    journal_keep(s->journal, batch);
    if (journal_is_long(s->journal)) {
        int err = journal_apply(s->journal, NULL);
        if (err && err != -LINUX_ENOSPC && err != -LINUX_ENOMEM) {
            log_printf(s->log, LOG_ERROR, "meta.db takes no more changes");
            atomic_store_explicit(&s->failed, true, memory_order_relaxed);
        }
    }
    lock_release(&s->db_lock);
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

static void undo_ops(struct store *s, struct store_op *batch)
{
    for (struct store_op *op = batch, *next; op; op = next) {
        next = op->next;
        store_undo(s, op);
        store_op_free(op);
    }
}

// The leader's work, queue unlocked. Returns the error; takes over the batch. Nothing is committed
// as long as a loss could not be noted.
static int commit_batch(struct store *s, struct store_op *batch)
{
    bool logged = false;
    if (!s->spare_lost)
        s->spare_lost = malloc(sizeof *s->spare_lost);
    int err = s->spare_lost ? record_all(s, batch, &logged) : -LINUX_ENOMEM;
    if (err) {
        undo_ops(s, batch);
        return err;
    }
    for (struct store_op *op = batch, *next; op; op = next) {
        next = op->next;
        forget_deleted(s, op);
        if (!logged)
            store_op_free(op);
    }
    if (logged && batch)
        keep_batch(s, batch);
    return 0;
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
    undo_ops(s, batch);
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
    err = journal_sync(s->journal);
    if (!err)
        err = db_sync(s->db);
    lock_release(&s->db_lock);
    return err;
}
