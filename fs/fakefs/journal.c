#include "fs/fakefs/journal.h"
#include "fs/fakefs/store_private.h"
#include "platform/abi/linux_errno.h"
#include "platform/random.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The database takes over when the log is this long. FRAME_MAX: nothing longer is a frame.
enum { LENGTH_MAX = 1 << 20, FRAME_MAX = 1 << 28 };

static const char log_name[] = "meta.db-log", aside_name[] = "meta.db-log.aside";

struct frame {
    uint64_t head_check; // of the rest of this structure
    uint64_t check;      // of what follows
    uint64_t salt;
    uint64_t first; // number of the first change
    uint32_t count, size;
};

// Followed by hint, name, other and value, without NULs.
struct change {
    uint32_t kind, size; // size: with the texts, padded
    uint64_t ino;
    int64_t gen;
    uint64_t rdev, hint_seq;
    uint32_t mode, uid, gid, xattrs;
    uint32_t hint_len, name_len, other_len, value_len; // NO_TEXT: there is none
};

enum { PADDING = 8 };
#define NO_TEXT UINT32_MAX

struct journal {
    sqlite3_file *file; // open when pMethods is set
    char *path;
    struct db *db;
    const struct log *log;
    uint64_t salt;
    uint64_t written; // number of the last change that is in the log or the database
    uint64_t kept;    // the same of the database and what is pending
    uint64_t end;     // length of the file
    uint64_t apply_at;
    bool unsynced;
    struct store_op *first, **last; // pending
    unsigned char *buf;
    size_t used, room;
};

// Any change of one word changes the result.
static uint64_t checksum(const void *data, size_t size, uint64_t sum)
{
    const unsigned char *at = data;
    for (size_t i = 0; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at + i, sizeof word);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15ull;
        sum ^= sum >> 29;
    }
    return sum;
}

static uint64_t head_checksum(const struct frame *f)
{
    return checksum((const unsigned char *)f + sizeof f->head_check,
                    sizeof *f - sizeof f->head_check, f->salt);
}

static int file_error(int rc)
{
    return rc == SQLITE_OK               ? 0
           : (rc & 0xff) == SQLITE_FULL  ? -LINUX_ENOSPC
           : (rc & 0xff) == SQLITE_NOMEM ? -LINUX_ENOMEM
                                         : -LINUX_EIO;
}

// --- A change as bytes ---------------------------------------------------------------------------

// Room for so many bytes more; zeroed.
static void *reserve(struct journal *j, size_t size)
{
    if (j->used + size > j->room) {
        size_t room = (j->used + size) * 2;
        unsigned char *grown = realloc(j->buf, room);
        if (!grown)
            return NULL;
        j->buf = grown;
        j->room = room;
    }
    void *at = j->buf + j->used;
    memset(at, 0, size);
    j->used += size;
    return at;
}

static uint32_t text_len(const void *text, size_t len)
{
    return text ? (uint32_t)len : NO_TEXT;
}

static size_t text_size(uint32_t len)
{
    return len == NO_TEXT ? 0 : len;
}

static unsigned char *add_text(unsigned char *at, const void *text, uint32_t len)
{
    if (text_size(len) > 0)
        memcpy(at, text, len);
    return at + text_size(len);
}

static int encode(struct journal *j, const struct store_op *op)
{
    struct change c = {
        .kind = op->kind,
        .ino = op->row.ino,
        .gen = op->row.gen,
        .rdev = op->row.rdev,
        .hint_seq = op->hint.seq,
        .mode = op->row.mode,
        .uid = op->row.uid,
        .gid = op->row.gid,
        .xattrs = op->row.xattrs,
        .hint_len = text_len(op->hint.text, op->hint.len),
        .name_len = text_len(op->name, op->name ? strlen(op->name) : 0),
        .other_len = text_len(op->other, op->other ? strlen(op->other) : 0),
        .value_len = text_len(op->value, op->size),
    };
    size_t size = sizeof c + text_size(c.hint_len) + text_size(c.name_len) +
                  text_size(c.other_len) + text_size(c.value_len);
    size = (size + PADDING - 1) / PADDING * PADDING;
    c.size = (uint32_t)size;
    unsigned char *at = size < FRAME_MAX ? reserve(j, size) : NULL;
    if (!at)
        return -LINUX_ENOMEM;
    memcpy(at, &c, sizeof c);
    at = add_text(at + sizeof c, op->hint.text, c.hint_len);
    at = add_text(at, op->name, c.name_len);
    at = add_text(at, op->other, c.other_len);
    add_text(at, op->value, c.value_len);
    return 0;
}

// A text in a buffer of its own, ended by NUL. False without memory.
static bool take_text(const unsigned char **at, uint32_t len, void *out)
{
    char *text = NULL;
    if (len != NO_TEXT) {
        text = malloc((size_t)len + 1);
        if (!text)
            return false;
        memcpy(text, *at, len);
        text[len] = 0;
        *at += len;
    }
    memcpy(out, &text, sizeof text);
    return true;
}

// One change of at most `size` bytes. -LINUX_EUCLEAN: it is none.
static int decode(const unsigned char *at, size_t size, struct store_op **out, size_t *used)
{
    struct change c;
    if (size < sizeof c)
        return -LINUX_EUCLEAN;
    memcpy(&c, at, sizeof c);
    uint64_t need = (uint64_t)sizeof c + text_size(c.hint_len) + text_size(c.name_len) +
                    text_size(c.other_len) + text_size(c.value_len);
    bool named = c.name_len != NO_TEXT ||
                 (c.kind != OP_PUT_XATTR && c.kind != OP_DELETE_XATTR && c.kind != OP_LOG_RENAME);
    if (c.size > size || need > c.size || c.kind > OP_LOG_RENAME || !named ||
        (c.kind == OP_LOG_RENAME && c.other_len == NO_TEXT))
        return -LINUX_EUCLEAN;
    struct store_op *op = store_op_new((enum store_op_kind)c.kind, c.ino);
    if (!op)
        return -LINUX_ENOMEM;
    op->row = (struct db_row){c.ino, c.gen, c.mode, c.uid, c.gid, c.rdev, c.xattrs != 0};
    op->hint = (struct db_hint){NULL, text_size(c.hint_len), c.hint_seq};
    op->size = text_size(c.value_len);
    at += sizeof c;
    if (!take_text(&at, c.hint_len, &op->hint.text) || !take_text(&at, c.name_len, &op->name) ||
        !take_text(&at, c.other_len, &op->other) || !take_text(&at, c.value_len, &op->value)) {
        store_op_free(op);
        return -LINUX_ENOMEM;
    }
    *used = c.size;
    *out = op;
    return 0;
}

// --- Writing -------------------------------------------------------------------------------------

static int write_frame(struct journal *j, uint32_t count)
{
    struct frame f = {.salt = j->salt, .first = j->written + 1, .count = count};
    f.size = (uint32_t)(j->used - sizeof f);
    f.check = checksum(j->buf + sizeof f, f.size, j->salt);
    f.head_check = head_checksum(&f);
    memcpy(j->buf, &f, sizeof f);
    const sqlite3_io_methods *m = j->file->pMethods;
    j->unsynced = true;
    int rc = m->xWrite(j->file, j->buf, (int)j->used, (sqlite3_int64)j->end);
    if (rc == SQLITE_OK)
        return 0;
    // What is there of it is not whole, and is not to stay.
    int err =
        m->xTruncate(j->file, (sqlite3_int64)j->end) == SQLITE_OK ? file_error(rc) : -LINUX_EIO;
    log_printf(j->log, LOG_ERROR, "%s cannot be written to", log_name);
    return err;
}

int journal_append(struct journal *j, const struct store_op *ops)
{
    uint32_t count = 0;
    j->used = 0;
    if (!reserve(j, sizeof(struct frame)))
        return -LINUX_ENOMEM;
    for (; ops; ops = ops->next) {
        int err = encode(j, ops);
        if (err)
            return err;
        count++;
    }
    if (j->used > FRAME_MAX)
        return -LINUX_ENOMEM;
    int err = write_frame(j, count);
    if (err)
        return err;
    j->end += j->used;
    j->written += count;
    return 0;
}

void journal_keep(struct journal *j, struct store_op *ops)
{
    *j->last = ops;
    for (; *j->last; j->last = &(*j->last)->next)
        continue;
    j->kept = j->written;
}

const struct store_op *journal_pending(const struct journal *j)
{
    return j->first;
}

bool journal_is_long(const struct journal *j)
{
    return j->end >= j->apply_at;
}

int journal_sync(struct journal *j)
{
    int rc = j->unsynced ? j->file->pMethods->xSync(j->file, SQLITE_SYNC_NORMAL) : SQLITE_OK;
    if (rc == SQLITE_OK)
        j->unsynced = false;
    return file_error(rc);
}

// --- Into the database ---------------------------------------------------------------------------

static void free_ops(struct store_op *op)
{
    for (struct store_op *next; op; op = next) {
        next = op->next;
        store_op_free(op);
    }
}

static int put_number(struct journal *j, uint64_t number)
{
    char text[48];
    snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)j->salt,
             (unsigned long long)number);
    return db_put_meta(j->db, "log", text);
}

// Empties the file. The database has all of it.
static int empty(struct journal *j)
{
    int err = db_sync(j->db);
    if (!err)
        err = file_error(j->file->pMethods->xTruncate(j->file, 0));
    if (!err) {
        j->end = 0;
        j->unsynced = true;
    }
    return err;
}

int journal_apply(struct journal *j, const struct store_op *ops)
{
    uint64_t number = j->kept;
    if (!j->first && !ops)
        return 0;
    int err = db_begin(j->db);
    for (const struct store_op *op = j->first; op && !err; op = op->next)
        err = store_op_apply(j->db, op);
    for (; ops && !err; ops = ops->next, number++)
        err = store_op_apply(j->db, ops);
    if (!err)
        err = put_number(j, number);
    if (!err)
        err = db_commit(j->db);
    if (err) {
        log_printf(j->log, LOG_ERROR, "meta.db: %s", db_error(j->db));
        db_rollback(j->db);
        j->apply_at = j->end + LENGTH_MAX; // not again for every change
        return err;
    }
    free_ops(j->first);
    j->first = NULL;
    j->last = &j->first;
    j->apply_at = LENGTH_MAX;
    bool all = j->kept == j->written;
    j->kept = number;
    if (all)
        j->written = number;
    // The file may stay, and grow: it has nothing that is needed.
    if (all && j->end >= LENGTH_MAX && empty(j))
        log_printf(j->log, LOG_ERROR, "%s cannot be emptied", log_name);
    return 0;
}

// --- Reading -------------------------------------------------------------------------------------

enum found { WHOLE, TORN, WRONG };

static int read_at(struct journal *j, void *buf, size_t size, uint64_t at)
{
    return file_error(j->file->pMethods->xRead(j->file, buf, (int)size, (sqlite3_int64)at));
}

// The frame at `at`, its changes in j->buf.
static int read_frame(struct journal *j, uint64_t at, uint64_t length, struct frame *f,
                      enum found *found)
{
    *found = TORN;
    if (length - at < sizeof *f)
        return 0;
    int err = read_at(j, f, sizeof *f, at);
    if (err)
        return err;
    if (f->salt != j->salt || f->head_check != head_checksum(f) || f->size > FRAME_MAX) {
        *found = WRONG;
        return 0;
    }
    if (f->size > length - at - sizeof *f)
        return 0;
    j->used = 0;
    if (!reserve(j, f->size))
        return -LINUX_ENOMEM;
    err = read_at(j, j->buf, f->size, at + sizeof *f);
    *found = !err && checksum(j->buf, f->size, j->salt) == f->check ? WHOLE : WRONG;
    return err;
}

// Makes the changes of a frame pending, but those the database has. *wrong: they are not its next.
static int take_frame(struct journal *j, const struct frame *f, bool *wrong)
{
    struct store_op *list = NULL, **last = &list;
    size_t at = 0, used = 0;
    int err = 0;
    *wrong = f->first > j->written + 1;
    for (uint32_t i = 0; i < f->count && !*wrong && !err; i++) {
        struct store_op *op;
        err = decode(j->buf + at, f->size - at, &op, &used);
        if (err)
            break;
        at += used;
        if (f->first + i <= j->written) {
            store_op_free(op);
            continue;
        }
        *last = op;
        last = &op->next;
    }
    *wrong |= err == -LINUX_EUCLEAN;
    if (err || *wrong) {
        free_ops(list);
        return *wrong ? 0 : err;
    }
    if (list) {
        j->written = f->first + f->count - 1;
        journal_keep(j, list);
    }
    return 0;
}

static int read_all(struct journal *j, bool *wrong)
{
    sqlite3_int64 length = 0;
    struct frame f;
    enum found found = WHOLE;
    int err = file_error(j->file->pMethods->xFileSize(j->file, &length));
    while (!err && !*wrong && j->end < (uint64_t)length) {
        err = read_frame(j, j->end, (uint64_t)length, &f, &found);
        if (err || found != WHOLE)
            break;
        err = take_frame(j, &f, wrong);
        if (!err && !*wrong)
            j->end += sizeof f + f.size;
    }
    *wrong |= found == WRONG;
    return err;
}

// --- Opening -------------------------------------------------------------------------------------

static int open_file(struct journal *j)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int got;
    if (!j->file)
        j->file = calloc(1, (size_t)vfs->szOsFile);
    if (!j->file)
        return -LINUX_ENOMEM;
    // Its directory is synced with it.
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SUPER_JOURNAL;
    int rc = vfs->xOpen(vfs, j->path, j->file, flags, &got);
    if (rc == SQLITE_OK)
        return 0;
    j->file->pMethods = NULL;
    return (rc & 0xff) == SQLITE_CANTOPEN ? -LINUX_EACCES : file_error(rc);
}

static void close_file(struct journal *j)
{
    if (j->file && j->file->pMethods)
        j->file->pMethods->xClose(j->file);
    if (j->file)
        j->file->pMethods = NULL;
}

// What the database says about its log; a log of its own, if it has none.
static int know_salt(struct journal *j)
{
    char text[48], *end;
    int err = db_get_meta(j->db, "log", text, sizeof text);
    if (!err && text[0]) {
        j->salt = strtoull(text, &end, 10);
        j->written = *end == ':' ? strtoull(end + 1, NULL, 10) : 0;
        j->kept = j->written;
        return 0;
    }
    while (!j->salt)
        random_bytes(&j->salt, sizeof j->salt);
    err = db_begin(j->db);
    if (!err)
        err = put_number(j, 0);
    if (!err)
        err = db_commit(j->db);
    if (err)
        db_rollback(j->db);
    return err ? err : db_sync(j->db); // before there is anything in the log
}

// Everything usable is pending.
static int settle(struct journal *j, const struct root_dir *root, bool wrong)
{
    int err = journal_apply(j, NULL);
    if (!wrong && (err == -LINUX_ENOSPC || err == -LINUX_ENOMEM))
        return 0;
    if (err)
        return err;
    if (!wrong)
        return j->end > 0 ? empty(j) : 0;
    log_printf(j->log, LOG_WARN, "a part of %s cannot be used: it is kept as %s", log_name,
               aside_name);
    err = db_sync(j->db);
    close_file(j);
    if (!err)
        err = host_rename(root->fd, log_name, root->fd, aside_name, 0);
    if (err)
        return err;
    j->end = 0;
    return open_file(j);
}

int journal_open(const struct root_dir *root, struct db *db, const struct log *log, bool *aside,
                 struct journal **out)
{
    struct journal *j = calloc(1, sizeof *j);
    size_t size = strlen(root->db_path) + sizeof "-log";
    *aside = false;
    if (!j || !(j->path = malloc(size))) {
        free(j);
        return -LINUX_ENOMEM;
    }
    snprintf(j->path, size, "%s-log", root->db_path);
    j->db = db;
    j->log = log;
    j->last = &j->first;
    j->apply_at = LENGTH_MAX;
    int err = know_salt(j);
    if (!err)
        err = open_file(j);
    if (!err)
        err = read_all(j, aside);
    if (!err)
        err = settle(j, root, *aside);
    if (!err) {
        *out = j;
        return 0;
    }
    free_ops(j->first);
    j->first = NULL;
    j->end = 0;
    journal_close(j);
    return err;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    if (journal_apply(j, NULL) || (j->end > 0 && empty(j)))
        log_printf(j->log, LOG_WARN, "%s is left for the next time", log_name);
    close_file(j);
    free_ops(j->first);
    free(j->file);
    free(j->path);
    free(j->buf);
    free(j);
}
