// Rows against objects. The tree is walked once; every row must find its object there, of its
// generation and a kind that can carry it, and its hint must lead to it. Rows that were set aside
// are given back where an object without a row answers to their hint.
#include "fs/fakefs/fsck.h"
#include "fs/fakefs/journal.h"
#include "fs/fakefs/root.h"
#include "fs/sparse_map.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// An object of the tree that a row may belong to: first path and what must match.
struct found {
    int64_t gen;
    uint32_t mode, nlink;
    bool has_row;
    char path[];
};

struct check {
    struct fsck *f;
    struct root_dir root;
    struct db *db;
    struct journal *journal;
    uint64_t dev;
    struct root_renames renames;
    struct sparse_map found; // struct found by inode number
    bool cancelled;
};

static void say(struct check *c, bool fixed, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void say(struct check *c, bool fixed, const char *fmt, ...)
{
    char line[LINUX_PATH_MAX + 256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (fixed)
        c->f->fixed++;
    else
        c->f->left++;
    c->f->report(c->f->ctx, fixed, line);
}

// --- The tree ------------------------------------------------------------------------------------

static int note_object(struct check *c, const struct host_stat *st, const char *path)
{
    c->f->objects++;
    if (c->f->step && !c->f->step(c->f->ctx, 0, 0, c->f->objects))
        return -LINUX_ECANCELED;
    if (sparse_map_get(&c->found, st->ino))
        return 0; // another name of it
    size_t len = strlen(path);
    struct found *o = malloc(sizeof *o + len + 1);
    if (!o)
        return -LINUX_ENOMEM;
    *o = (struct found){.gen = st->btime, .mode = st->mode, .nlink = st->nlink};
    memcpy(o->path, path, len + 1);
    int err = sparse_map_set(&c->found, st->ino, o);
    if (err)
        free(o);
    return err;
}

static int visit(void *ctx, int dir_fd, const char *path, const struct host_dirent *e,
                 bool *descend)
{
    struct check *c = ctx;
    struct host_stat st;
    int err = host_stat(dir_fd, e->name, &st);
    if (err)
        return err;
    uint32_t type = st.mode & LINUX_S_IFMT;
    if (st.dev != c->dev) {
        say(c, false, "%s is on another file system of the host: it cannot be part of a root",
            path);
        return 0;
    }
    if (type != LINUX_S_IFDIR && type != LINUX_S_IFREG && type != LINUX_S_IFLNK)
        say(c, false, "%s is a device, socket or fifo of the host", path);
    uint32_t need = type == LINUX_S_IFDIR ? 0700 : 0600;
    if ((type == LINUX_S_IFDIR || type == LINUX_S_IFREG) && (st.mode & need) != need) {
        bool fixed = c->f->repair && !host_chmod(dir_fd, e->name, (st.mode & 0777) | need);
        say(c, fixed, "%s cannot be read and written by its owner on the host", path);
    }
    *descend = type == LINUX_S_IFDIR;
    return note_object(c, &st, path);
}

static int walk_tree(struct check *c)
{
    struct host_stat st;
    int err = host_fstat(c->root.data_fd, &st);
    c->dev = st.dev;
    if (!err)
        err = note_object(c, &st, "");
    return err ? err : root_walk(&c->root, visit, c);
}

// --- Rows ----------------------------------------------------------------------------------------

// What is to be done about rows is collected while they are read, and done afterwards.
enum remedy { DELETE_ROW, SET_ASIDE, CORRECT_HINT };
struct plan {
    struct {
        uint64_t ino;
        enum remedy remedy;
    } *all;
    size_t count, room;
    struct check *c;
};

static int plan_add(struct plan *p, uint64_t ino, enum remedy remedy)
{
    if (p->count == p->room) {
        size_t room = p->room ? p->room * 2 : 64;
        void *grown = realloc(p->all, room * sizeof *p->all);
        if (!grown)
            return -LINUX_ENOMEM;
        p->all = grown;
        p->room = room;
    }
    p->all[p->count].ino = ino;
    p->all[p->count++].remedy = remedy;
    return 0;
}

// Does one of the hint's paths lead to the object (`any`: to whatever)?
static bool follow_hint(const struct check *c, const struct db_hint *hint, uint64_t ino, bool any)
{
    struct host_stat st;
    size_t len;
    if (!hint->text)
        return false;
    if (hint->len == 0) // the root of the tree
        return !host_fstat(c->root.data_fd, &st) && (any || st.ino == ino);
    char *text = root_current_hint(&c->renames, hint, &len);
    bool leads = !text; // out of memory is not a finding
    for (size_t at = 0; !leads && at < len; at += strlen(text + at) + 1)
        leads = !root_find(&c->root, text + at, &st) && (any || st.ino == ino);
    free(text);
    return leads;
}

static bool hint_leads_to(const struct check *c, const struct db_hint *hint, uint64_t ino)
{
    return follow_hint(c, hint, ino, false);
}

static bool hint_leads_anywhere(const struct check *c, const struct db_hint *hint)
{
    return follow_hint(c, hint, 0, true);
}

static int check_row(void *ctx, const struct db_row *row, const struct db_hint *hint)
{
    struct plan *p = ctx;
    struct check *c = p->c;
    bool repair = c->f->repair;
    struct found *o = sparse_map_get(&c->found, row->ino);
    c->f->rows++;
    if (!o) {
        // What a crash between a removal and its note leaves; it does no harm. If the name is in
        // use again, by whom is not for us to decide.
        c->f->lost++;
        return hint_leads_anywhere(c, hint) ? 0 : plan_add(p, row->ino, DELETE_ROW);
    }
    if (o->gen != INT64_MIN && row->gen != INT64_MIN && o->gen != row->gen) {
        say(c, repair, "%s: the recorded owner %u:%u belongs to an earlier object", o->path,
            row->uid, row->gid);
        return plan_add(p, row->ino, SET_ASIDE);
    }
    if (!root_kinds_fit(o->mode, row->mode)) {
        say(c, repair, "%s: recorded with mode %o, which the host's object cannot be", o->path,
            row->mode);
        return plan_add(p, row->ino, SET_ASIDE);
    }
    o->has_row = true;
    if (!hint_leads_to(c, hint, row->ino)) {
        say(c, repair, "%s: its owner would be lost in a copy (noted: %.*s)", o->path,
            (int)(hint->text ? hint->len : 0), hint->text ? hint->text : "");
        return plan_add(p, row->ino, CORRECT_HINT);
    }
    return 0;
}

static int each_row(struct db *db,
                    int (*each)(void *, const struct db_row *, const struct db_hint *), void *ctx)
{
    int err = db_each_row(db, 0, INT64_MAX, each, ctx);
    return err ? err : db_each_row(db, (uint64_t)INT64_MIN, UINT64_MAX, each, ctx);
}

static int carry_out(struct check *c, const struct plan *p)
{
    int err = 0;
    for (size_t i = 0; i < p->count && !err; i++) {
        if (p->all[i].remedy != CORRECT_HINT) {
            err = p->all[i].remedy == DELETE_ROW ? db_delete_row(c->db, p->all[i].ino)
                                                 : db_quarantine(c->db, p->all[i].ino);
            continue;
        }
        const struct found *o = sparse_map_get(&c->found, p->all[i].ino);
        const struct db_hint hint = {o->path, strlen(o->path), db_rename_seq(c->db)};
        err = db_put_hint(c->db, p->all[i].ino, &hint);
    }
    return err;
}

// A row that was set aside, and an object without one at the place it was last seen, belong
// together when the object is a restored one: born after its content was last changed. A file just
// made there is not: the row is then what a crash left of its predecessor.
static int reunite(void *ctx, const struct db_row *row, const struct db_hint *hint)
{
    struct check *c = ctx;
    struct host_stat st;
    char path[LINUX_PATH_MAX];
    if (!hint->text || hint->len >= sizeof path)
        return 0;
    memcpy(path, hint->text, hint->len);
    path[hint->len] = 0;
    if (root_find(&c->root, path, &st) || !root_kinds_fit(st.mode, row->mode))
        return 0;
    if (st.btime == HOST_TIME_UNKNOWN || st.mtime >= st.btime)
        return 0;
    struct found *o = sparse_map_get(&c->found, st.ino);
    if (!o || o->has_row)
        return 0;
    say(c, c->f->repair, "%s: its owner %u:%u had been set aside", o->path, row->uid, row->gid);
    o->has_row = true;
    return c->f->repair ? db_restore(c->db, row->ino, row->gen, st.ino, st.btime) : 0;
}

static int check_rows(struct check *c)
{
    struct plan plan = {.c = c};
    int err = each_row(c->db, check_row, &plan);
    if (!err && c->f->repair)
        err = db_begin(c->db);
    if (!err) // before others are set aside
        err = db_each_quarantined(c->db, reunite, c);
    if (!err && c->f->repair)
        err = carry_out(c, &plan);
    if (!err && c->f->repair)
        err = db_commit(c->db);
    if (err && c->f->repair)
        db_rollback(c->db);
    free(plan.all);
    return err;
}

// --- The whole -----------------------------------------------------------------------------------

static int check_database(struct check *c)
{
    char why[512] = "";
    bool copy, aside;
    int err = db_check(c->db, why, sizeof why);
    if (err) {
        say(c, false, "meta.db: %s", why);
        return err;
    }
    err = journal_open(&c->root, c->db, NULL, &aside, &c->journal);
    if (!err && aside)
        say(c, true, "a part of meta.db-log cannot be used: it is kept as meta.db-log.aside");
    if (!err && journal_pending(c->journal))
        err = -LINUX_ENOSPC;
    if (err) {
        say(c, false, "meta.db-log cannot be brought into the database: %s", errno_text(-err));
        return err;
    }
    err = root_is_copy(&c->root, c->db, &copy);
    if (!err && copy) {
        say(c, c->f->repair, "the root was copied: owners are to be found again by name");
        if (c->f->repair)
            err =
                root_rebuild(&c->root, c->db, NULL, &(struct root_progress){c->f->step, c->f->ctx});
        else
            return -LINUX_EAGAIN; // nothing else can be said before that
    }
    if (!err && c->f->repair && db_rename_count(c->db) > 0)
        err = root_compact(c->db);
    return err;
}

static void free_found(struct check *c)
{
    uint64_t ino = 0;
    struct found *o;
    while ((o = sparse_map_next(&c->found, &ino)) != NULL) {
        free(o);
        if (ino++ == UINT64_MAX)
            break;
    }
    sparse_map_free(&c->found);
}

int fsck_run(struct fsck *f, const char *root)
{
    struct check c = {.f = f};
    char why[512];
    int err = root_dir_open(root, why, sizeof why, &c.root);
    if (!err) {
        err = db_open(c.root.db_path, false, why, sizeof why, &c.db);
        if (err)
            root_dir_close(&c.root);
    }
    if (err) {
        say(&c, false, "%s", why);
        return err;
    }
    err = check_database(&c);
    if (err == -LINUX_EAGAIN) {
        err = 0;
    } else if (!err) {
        err = root_renames_load(c.db, &c.renames);
        if (!err)
            err = walk_tree(&c);
        if (!err)
            err = check_rows(&c);
        if (err && err != -LINUX_ECANCELED)
            say(&c, false, "%s: %s", root, errno_text(-err));
    }
    free_found(&c);
    root_renames_free(&c.renames);
    journal_close(c.journal);
    db_close(c.db);
    root_dir_close(&c.root);
    return err;
}
