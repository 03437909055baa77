// Rows in memory; the queue of changes is in commit.c.
#include "fs/fakefs/root.h"
#include "fs/fakefs/store_private.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

// Rows of 4096 neighbouring inode numbers: hosts give a directory's files numbers close together,
// so one query brings what will be asked for next.
enum { CHUNK_BITS = 12 };

struct store_shard *store_shard_of(struct store *s, uint64_t ino)
{
    uint64_t key = (ino >> CHUNK_BITS) * 0x9e3779b97f4a7c15ull;
    return &s->shard[key >> 58];
}

// Index of the first row with a number >= ino.
static size_t position(const struct store_chunk *c, uint64_t ino)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (c->rows[mid].row.ino < ino)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct store_row *chunk_find(struct store_chunk *c, uint64_t ino)
{
    size_t at = position(c, ino);
    return at < c->count && c->rows[at].row.ino == ino ? &c->rows[at] : NULL;
}

struct store_row *store_chunk_find(struct store_shard *shard, uint64_t ino,
                                   struct store_chunk **chunk)
{
    *chunk = sparse_map_get(&shard->chunks, ino >> CHUNK_BITS);
    return *chunk ? chunk_find(*chunk, ino) : NULL;
}

// A place for a row that is not there; zeroed. NULL without memory.
static struct store_row *chunk_insert(struct store_chunk *c, uint64_t ino)
{
    if (c->count == c->room) {
        size_t room = c->room ? c->room * 2 : 8;
        struct store_row *grown = realloc(c->rows, room * sizeof *grown);
        if (!grown)
            return NULL;
        c->rows = grown;
        c->room = room;
    }
    size_t at = position(c, ino);
    memmove(&c->rows[at + 1], &c->rows[at], (c->count - at) * sizeof *c->rows);
    c->count++;
    c->rows[at] = (struct store_row){.row = {.ino = ino}};
    return &c->rows[at];
}

void store_chunk_remove(struct store_chunk *c, struct store_row *row)
{
    size_t at = (size_t)(row - c->rows);
    c->count--;
    memmove(row, row + 1, (c->count - at) * sizeof *row);
}

static int add_loaded(void *ctx, const struct db_row *row, const struct db_hint *hint)
{
    (void)hint;
    struct store_row *r = chunk_insert(ctx, row->ino);
    if (!r)
        return -LINUX_ENOMEM;
    *r = (struct store_row){*row, VERSION_LOADED, true};
    return 0;
}

// Rows with first <= number <= last into an empty chunk: those of the database, and what is to
// become of them.
static int load_rows(struct store *s, uint64_t first, uint64_t last, struct store_chunk *c)
{
    lock_acquire(&s->db_lock);
    int err = db_each_row(s->db, first, last, add_loaded, c);
    if (err)
        log_printf(s->log, LOG_ERROR, "meta.db: %s", db_error(s->db));
    const struct store_op *op = err ? NULL : journal_pending(s->journal);
    for (; op && !err; op = op->next) {
        uint64_t ino = op->row.ino;
        if ((op->kind != OP_PUT && op->kind != OP_DELETE) || ino < first || ino > last)
            continue;
        struct store_row *r = chunk_find(c, ino);
        if (op->kind == OP_PUT) {
            if (!r)
                r = chunk_insert(c, ino);
            err = r ? 0 : -LINUX_ENOMEM;
            if (r)
                *r = (struct store_row){op->row, VERSION_LOADED, true};
        } else if (r) {
            store_chunk_remove(c, r);
        }
    }
    lock_release(&s->db_lock);
    return err;
}

// The chunk of a number, loaded. Under the shard's lock.
static int get_chunk(struct store *s, struct store_shard *shard, uint64_t ino,
                     struct store_chunk **out)
{
    uint64_t index = ino >> CHUNK_BITS;
    *out = sparse_map_get(&shard->chunks, index);
    if (*out)
        return 0;
    struct store_chunk *c = calloc(1, sizeof *c);
    if (!c)
        return -LINUX_ENOMEM;
    uint64_t first = index << CHUNK_BITS;
    int err = load_rows(s, first, first + (1 << CHUNK_BITS) - 1, c);
    if (!err)
        err = sparse_map_set(&shard->chunks, index, c);
    if (err) {
        free(c->rows);
        free(c);
        return err;
    }
    *out = c;
    return 0;
}

// The row of a number if there is one, also one whose deletion is not durable yet.
static int find_row(struct store *s, struct store_shard *shard, uint64_t ino,
                    struct store_chunk **chunk, struct store_row **out)
{
    int err = get_chunk(s, shard, ino, chunk);
    if (!err)
        *out = chunk_find(*chunk, ino);
    return err;
}

void store_undo(struct store *s, const struct store_op *op)
{
    struct store_shard *shard = store_shard_of(s, op->row.ino);
    struct store_chunk *c;
    lock_acquire(&shard->lock);
    struct store_row *r = store_chunk_find(shard, op->row.ino, &c);
    if (r && r->version == op->seq) {
        struct store_chunk one = {NULL, 0, 0};
        if (load_rows(s, op->row.ino, op->row.ino, &one))
            one.count = 0;
        if (one.count > 0)
            *r = one.rows[0];
        else
            store_chunk_remove(c, r);
        free(one.rows);
    }
    lock_release(&shard->lock);
}

static bool other_generation(const struct db_row *row, int64_t gen)
{
    return gen != INT64_MIN && row->gen != INT64_MIN && row->gen != gen;
}

int store_get(struct store *s, uint64_t ino, int64_t gen, struct db_row *out, uint64_t *version)
{
    struct store_shard *shard = store_shard_of(s, ino);
    struct store_chunk *c;
    struct store_row *r;
    bool stranger = false;
    uint64_t seen = 0;
    lock_acquire(&shard->lock);
    int result = find_row(s, shard, ino, &c, &r);
    if (!result && r && r->present) {
        stranger = other_generation(&r->row, gen);
        seen = r->version;
        if (!stranger) {
            *out = r->row;
            *version = r->version;
            result = 1;
        }
    }
    lock_release(&shard->lock);
    if (stranger) {
        uint64_t seq;
        log_printf(s->log, LOG_FS, "row of inode %llu belongs to another object: quarantined",
                   (unsigned long long)ino);
        if (store_quarantine(s, ino, seen, &seq))
            log_printf(s->log, LOG_ERROR, "meta.db: the row could not be moved");
    }
    return result;
}

// Queues `op` (consumed) and makes its change in memory, in one step as others see it.
static int put_row(struct store *s, struct store_op *op, uint64_t *seq)
{
    struct store_shard *shard = store_shard_of(s, op->row.ino);
    struct store_chunk *c;
    struct store_row *r = NULL;
    lock_acquire(&shard->lock);
    int err = find_row(s, shard, op->row.ino, &c, &r);
    if (!err && !r) {
        r = chunk_insert(c, op->row.ino);
        err = r ? 0 : -LINUX_ENOMEM;
    }
    if (!err) {
        r->row = op->row;
        r->present = true;
        *seq = r->version = store_queue(s, op);
        op = NULL;
    }
    lock_release(&shard->lock);
    store_op_free(op);
    return err;
}

// The same for a row that goes, if it has `version` (0: any).
static int remove_row(struct store *s, struct store_op *op, uint64_t version, uint64_t *seq)
{
    struct store_shard *shard = store_shard_of(s, op->row.ino);
    struct store_chunk *c;
    struct store_row *r = NULL;
    *seq = 0;
    lock_acquire(&shard->lock);
    int err = find_row(s, shard, op->row.ino, &c, &r);
    if (!err && r && !r->present) {
        *seq = r->version; // on its way out already
    } else if (!err && r && (version == 0 || r->version == version)) {
        r->present = false;
        *seq = r->version = store_queue(s, op);
        op = NULL;
    }
    lock_release(&shard->lock);
    store_op_free(op);
    return err;
}

static bool read_only(struct store *s)
{
    return atomic_load_explicit(&s->failed, memory_order_relaxed);
}

// An op for a change, or the reason why there is none.
static int begin_op(struct store *s, enum store_op_kind kind, uint64_t ino, struct store_op **out)
{
    if (read_only(s))
        return -LINUX_EROFS;
    *out = store_op_new(kind, ino);
    return *out ? 0 : -LINUX_ENOMEM;
}

static int set_hint(struct store_op *op, const struct db_hint *hint)
{
    if (!hint || !hint->text)
        return 0;
    char *text = malloc(hint->len);
    if (!text)
        return -LINUX_ENOMEM;
    memcpy(text, hint->text, hint->len);
    op->hint = (struct db_hint){text, hint->len, hint->seq};
    return 0;
}

int store_put(struct store *s, const struct db_row *row, const struct db_hint *hint, uint64_t *seq)
{
    struct store_op *op;
    int err = begin_op(s, OP_PUT, row->ino, &op);
    if (err)
        return err;
    op->row = *row;
    err = set_hint(op, hint);
    if (err) {
        store_op_free(op);
        return err;
    }
    atomic_store_explicit(&s->has_rows, true, memory_order_relaxed);
    return put_row(s, op, seq);
}

int store_put_hint(struct store *s, uint64_t ino, const struct db_hint *hint, uint64_t *seq)
{
    struct store_op *op;
    int err = begin_op(s, OP_PUT_HINT, ino, &op);
    if (err)
        return err;
    err = set_hint(op, hint);
    if (err) {
        store_op_free(op);
        return err;
    }
    *seq = store_queue(s, op);
    return 0;
}

// Changes nobody waits for do not pile up.
static int bound_queue(struct store *s, uint64_t seq)
{
    enum { QUEUE_MAX = 1024 };
    return seq && seq % QUEUE_MAX == 0 ? store_commit(s, seq) : 0;
}

int store_drop_hint(struct store *s, uint64_t ino, uint64_t version)
{
    struct store_shard *shard = store_shard_of(s, ino);
    struct store_chunk *c;
    struct store_row *r = NULL;
    struct store_op *op;
    uint64_t seq = 0;
    int err = begin_op(s, OP_PUT_HINT, ino, &op);
    if (err)
        return err;
    lock_acquire(&shard->lock);
    err = find_row(s, shard, ino, &c, &r);
    if (!err && r && r->present && r->version == version) {
        seq = store_queue(s, op);
        op = NULL;
    }
    lock_release(&shard->lock);
    store_op_free(op);
    return err ? err : bound_queue(s, seq);
}

// False: certainly no row, and none whose deletion is under way.
static bool may_have_row(struct store *s, uint64_t ino)
{
    struct store_shard *shard = store_shard_of(s, ino);
    struct store_chunk *c;
    struct store_row *r = NULL;
    lock_acquire(&shard->lock);
    bool may = find_row(s, shard, ino, &c, &r) || r;
    lock_release(&shard->lock);
    return may;
}

int store_delete(struct store *s, uint64_t ino, uint64_t version, uint64_t *seq)
{
    struct store_op *op;
    *seq = 0;
    if (!read_only(s) && !may_have_row(s, ino))
        return 0;
    int err = begin_op(s, OP_DELETE, ino, &op);
    if (!err)
        err = remove_row(s, op, version, seq);
    return err ? err : bound_queue(s, *seq);
}

int store_quarantine(struct store *s, uint64_t ino, uint64_t version, uint64_t *seq)
{
    struct store_op *op;
    int err = begin_op(s, OP_QUARANTINE, ino, &op);
    return err ? err : remove_row(s, op, version, seq);
}

int store_put_xattr(struct store *s, uint64_t ino, const char *name, const void *val, size_t size,
                    uint64_t *seq)
{
    struct store_op *op;
    int err = begin_op(s, OP_PUT_XATTR, ino, &op);
    if (err)
        return err;
    op->name = strdup(name);
    op->value = malloc(size ? size : 1);
    op->size = size;
    if (!op->name || !op->value) {
        store_op_free(op);
        return -LINUX_ENOMEM;
    }
    if (size > 0)
        memcpy(op->value, val, size);
    *seq = store_queue(s, op);
    return 0;
}

int store_delete_xattr(struct store *s, uint64_t ino, const char *name, uint64_t *seq)
{
    struct store_op *op;
    int err = begin_op(s, OP_DELETE_XATTR, ino, &op);
    if (err)
        return err;
    op->name = strdup(name);
    if (!op->name) {
        store_op_free(op);
        return -LINUX_ENOMEM;
    }
    *seq = store_queue(s, op);
    return 0;
}

static int log_one_rename(struct store *s, const char *from, const char *to, uint64_t *seq)
{
    struct store_op *op;
    int err = begin_op(s, OP_LOG_RENAME, 0, &op);
    if (err)
        return err;
    op->name = strdup(from);
    op->other = strdup(to);
    if (!op->name || !op->other) {
        store_op_free(op);
        return -LINUX_ENOMEM;
    }
    *seq = store_queue(s, op);
    return 0;
}

int store_log_rename(struct store *s, const char *from, const char *to, bool exchange,
                     uint64_t *seq)
{
    // No path has an empty component: what an exchange puts aside collides with nothing.
    static const char aside[] = "//";
    if (!exchange)
        return log_one_rename(s, from, to, seq);
    int err = log_one_rename(s, from, aside, seq);
    if (!err)
        err = log_one_rename(s, to, from, seq);
    return err ? err : log_one_rename(s, aside, to, seq);
}

bool store_has_rows(struct store *s)
{
    return atomic_load_explicit(&s->has_rows, memory_order_relaxed);
}

static int read_hint(struct db *db, uint64_t ino, char **text, size_t *len)
{
    struct root_renames renames;
    struct db_hint hint;
    int err = root_renames_load(db, &renames);
    if (err)
        return err;
    char *raw;
    err = db_get_hint(db, ino, &raw, &hint);
    if (!err) {
        *text = root_current_hint(&renames, &hint, len);
        err = *text ? 0 : -LINUX_ENOMEM;
        free(raw);
    }
    root_renames_free(&renames);
    return err;
}

int store_current_hint(struct store *s, uint64_t ino, char **text, size_t *len)
{
    lock_acquire(&s->queue_lock);
    uint64_t seq = s->next_seq;
    lock_release(&s->queue_lock);
    int err = store_flush(s, seq);
    if (err)
        return err;
    lock_acquire(&s->db_lock);
    err = journal_apply(s->journal, NULL);
    if (!err)
        err = read_hint(s->db, ino, text, len);
    lock_release(&s->db_lock);
    return err;
}

// Attributes are read from the database, which in bulk mode may not have what was just set.
static int settle_xattrs(struct store *s)
{
    if (!atomic_load_explicit(&s->bulk, memory_order_relaxed))
        return 0;
    lock_acquire(&s->queue_lock);
    uint64_t seq = s->next_seq;
    lock_release(&s->queue_lock);
    return store_flush(s, seq);
}

ssize_t store_get_xattr(struct store *s, uint64_t ino, const char *name, void *buf, size_t size)
{
    int err = settle_xattrs(s);
    if (err)
        return err;
    lock_acquire(&s->db_lock);
    ssize_t n = db_get_xattr(s->db, ino, name, buf, size);
    lock_release(&s->db_lock);
    return n;
}

ssize_t store_list_xattr(struct store *s, uint64_t ino, char *buf, size_t size)
{
    int err = settle_xattrs(s);
    if (err)
        return err;
    lock_acquire(&s->db_lock);
    ssize_t n = db_list_xattr(s->db, ino, buf, size);
    lock_release(&s->db_lock);
    return n;
}

// --- Lifetime ------------------------------------------------------------------------------------

int store_create(struct db *db, struct journal *journal, const struct log *log, struct store **out)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s || !(s->spare_lost = malloc(sizeof *s->spare_lost))) {
        free(s);
        return -LINUX_ENOMEM;
    }
    s->log = log;
    s->db = db;
    s->journal = journal;
    for (size_t i = 0; i < STORE_SHARDS; i++)
        lock_init(&s->shard[i].lock, LOCK_RANK_STORE_SHARD);
    lock_init(&s->queue_lock, LOCK_RANK_STORE_QUEUE);
    lock_init(&s->db_lock, LOCK_RANK_STORE_DB);
    cond_init(&s->progress);
    s->last = &s->first;
    s->next_seq = VERSION_LOADED;
    s->rename_seq = db_rename_seq(db);
    const struct store_op *op = journal_pending(journal);
    atomic_init(&s->has_rows, op || db_row_count(db) > 0);
    for (; op; op = op->next)
        if (op->hint.seq > s->rename_seq)
            s->rename_seq = op->hint.seq;
    *out = s;
    return 0;
}

static void free_chunks(struct store_shard *shard)
{
    uint64_t index = 0;
    struct store_chunk *c;
    while ((c = sparse_map_next(&shard->chunks, &index)) != NULL) {
        free(c->rows);
        free(c);
        index++;
    }
    sparse_map_free(&shard->chunks);
}

void store_destroy(struct store *s)
{
    if (store_commit(s, s->next_seq))
        log_printf(s->log, LOG_ERROR, "meta.db: the last changes are lost");
    journal_close(s->journal);
    db_close(s->db);
    for (struct store_op *op = s->first, *next; op; op = next) {
        next = op->next;
        store_op_free(op);
    }
    for (struct store_lost *l = s->lost, *next; l; l = next) {
        next = l->next;
        free(l);
    }
    free(s->spare_lost);
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        free_chunks(&s->shard[i]);
        lock_destroy(&s->shard[i].lock);
    }
    lock_destroy(&s->queue_lock);
    lock_destroy(&s->db_lock);
    cond_destroy(&s->progress);
    free(s);
}
