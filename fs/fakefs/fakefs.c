// fakefs: the host's tree with the metadata of the store.
#include "fs/fakefs/fakefs.h"
#include "fs/fakefs/journal.h"
#include "fs/fakefs/root.h"
#include "fs/fakefs/store.h"
#include "fs/host/host_fs.h"
#include "fs/sparse_map.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Embeds the common part, which is what super->private points to.
struct fakefs {
    struct host_fs host;
    struct store *store;
    struct root_dir root;
    // Recorded objects of which no name is known any more (hard links): looked for at the end, so
    // that a copy of the root finds them. Guarded by host.names_lock.
    struct sparse_map homeless;
    // Rows of objects that were removed, or that need none any more. The host may bring a name or
    // a mode back as long as the change is not durable, and the row must be there then: it goes
    // after that. Guarded by departed_lock.
    struct lock departed_lock;
    struct departed {
        uint64_t ino, version;
    } *departed;
    size_t departed_count, departed_room;
};

static struct store *store_of(const struct host_fs *fs)
{
    return fs->store;
}

// --- What the host can hold ----------------------------------------------------------------------

static bool needs_row(const struct host_meta *m)
{
    return root_needs_row(m->mode, m->uid, m->gid);
}

static int fakefs_load(struct host_fs *fs, const struct host_stat *st, struct host_meta *out,
                       uint64_t *recorded)
{
    struct db_row row;
    *recorded = 0;
    int found = store_get(store_of(fs), st->ino, st->btime, &row, recorded);
    if (found < 0)
        return found;
    if (found && !root_kinds_fit(st->mode, row.mode)) {
        uint64_t seq;
        int err = store_quarantine(store_of(fs), st->ino, *recorded, &seq);
        if (err && err != -LINUX_EROFS)
            return err;
        found = 0;
        *recorded = 0;
    }
    if (found)
        *out = (struct host_meta){row.mode, row.uid, row.gid, row.rdev};
    else
        *out =
            (struct host_meta){.mode = LINUX_S_ISLNK(st->mode) ? LINUX_S_IFLNK | 0777 : st->mode};
    return 0;
}

static uint8_t fakefs_dirent_type(struct host_fs *fs, uint64_t ino, uint8_t host_type)
{
    struct db_row row;
    uint64_t version;
    if (host_type != LINUX_DT_REG || store_get(store_of(fs), ino, INT64_MIN, &row, &version) != 1)
        return host_type;
    return (uint8_t)((row.mode & LINUX_S_IFMT) >> 12);
}

// --- Hints ---------------------------------------------------------------------------------------

struct hint_text {
    struct db_hint hint;
    char *text;
};

// Kept NUL-terminated beyond its length.
static int append_path(struct hint_text *h, size_t *room, const char *path)
{
    size_t size = strlen(path) + 1, used = h->hint.text ? h->hint.len + 1 : 0;
    if (!h->text || used + size > *room) {
        char *grown = realloc(h->text, (used + size) * 2 + 64);
        if (!grown)
            return -LINUX_ENOMEM;
        *room = (used + size) * 2 + 64;
        h->text = grown;
    }
    memcpy(h->text + used, path, size);
    h->hint.text = h->text;
    h->hint.len = used + size - 1;
    return 0;
}

// The path of `name` in `dir`. -LINUX_ENOENT when the directory has none.
static int child_path(struct host_node *dir, const char *name, char path[LINUX_PATH_MAX])
{
    int n = host_node_path(dir, path, LINUX_PATH_MAX);
    if (n < 0)
        return n;
    size_t at = (size_t)n, len = strlen(name);
    if (at + len + 2 > LINUX_PATH_MAX)
        return -LINUX_ENAMETOOLONG;
    if (at > 0)
        path[at++] = '/';
    memcpy(path + at, name, len + 1);
    return 0;
}

static bool has_path(const struct hint_text *h, const char *path)
{
    for (size_t at = 0; h->hint.text && at <= h->hint.len; at += strlen(h->text + at) + 1)
        if (strcmp(h->text + at, path) == 0)
            return true;
    return false;
}

// Names of a hard link that the node does not know, but an earlier hint did.
static int add_recorded_paths(struct host_node *node, const char *gone, struct hint_text *out,
                              size_t *room)
{
    size_t len;
    char *old;
    int err = store_current_hint(store_of(node->fs), node->ino, &old, &len);
    if (err)
        return err;
    for (size_t at = 0; at < len && !err; at += strlen(old + at) + 1)
        if (strcmp(old + at, gone) != 0 && !has_path(out, old + at))
            err = append_path(out, room, old + at);
    free(old);
    return err;
}

static struct fakefs *fakefs_of(struct host_fs *fs)
{
    return CONTAINER_OF(fs, struct fakefs, host);
}

static void note_homeless(struct host_node *node, bool homeless)
{
    struct sparse_map *map = &fakefs_of(node->fs)->homeless;
    if (!homeless)
        sparse_map_remove(map, node->ino);
    else if (sparse_map_set(map, node->ino, node->fs))
        log_printf(node->fs->log, LOG_ERROR, "out of memory: a copy may lose an owner");
}

// Every known path of a node but `gone` ("": none). Under names_lock, until the hint is queued: so
// that the last hint queued is the latest, and the renames it does not know of are those logged
// after it.
static int make_hint(struct host_node *node, const char *gone, struct hint_text *out)
{
    struct store *store = store_of(node->fs);
    *out = (struct hint_text){.hint = {.seq = store_rename_seq(store)}};
    size_t room = 0;
    char path[LINUX_PATH_MAX];
    if (node == host_node_of(node->fs->super->root)) {
        path[0] = 0;
        return append_path(out, &room, path);
    }
    struct host_name_list names;
    int err = host_names_get(node, &names);
    for (unsigned i = 0; !err && i < names.count; i++)
        if (child_path(names.parent[i], names.name[i], path) == 0)
            err = append_path(out, &room, path);
    host_names_done(&names);
    if (!err && node->linked)
        err = add_recorded_paths(node, gone, out, &room);
    if (!err)
        note_homeless(node, !out->hint.text);
    return err;
}

static int make_place_hint(struct host_fs *fs, const struct host_place *place,
                           struct hint_text *out)
{
    *out = (struct hint_text){.hint = {.seq = store_rename_seq(store_of(fs))}};
    size_t room = 0;
    char path[LINUX_PATH_MAX];
    if (!place->parent || child_path(place->parent, place->name, path) != 0)
        return 0;
    return append_path(out, &room, path);
}

// --- Changes -------------------------------------------------------------------------------------

static uint32_t fakefs_create_mode(const struct host_meta *meta)
{
    // Nobody sees the object before its row is there. Should the process end in between, what is
    // left is empty and the root user's, without set-id bits: its bits give nothing away that its
    // maker had not asked for, which is worth a chmod for each file that is made.
    return root_host_bits(meta->mode);
}

static struct db_row make_row(uint64_t ino, int64_t gen, const struct host_meta *meta, bool xattrs)
{
    return (struct db_row){ino, gen, meta->mode, meta->uid, meta->gid, meta->rdev, xattrs};
}

static int put_new_row(struct host_fs *fs, const struct db_row *row, const struct host_place *place,
                       uint64_t *seq)
{
    struct hint_text hint;
    lock_acquire(&fs->names_lock);
    int err = make_place_hint(fs, place, &hint);
    if (!err)
        err = store_put(store_of(fs), row, &hint.hint, seq);
    lock_release(&fs->names_lock);
    free(hint.text);
    return err;
}

// Puts the row of a new object, or makes sure that there is none.
static int record_new(struct host_fs *fs, const struct host_stat *st, const struct host_meta *meta,
                      const struct host_place *place, uint64_t *recorded)
{
    struct store *store = store_of(fs);
    uint64_t seq = 0;
    *recorded = 0;
    // What a former object with this number left, xattrs included, goes.
    int err = store_has_rows(store) ? store_delete(store, st->ino, 0, &seq) : 0;
    uint64_t gone = seq;
    if (!needs_row(meta)) {
        if (err == -LINUX_EROFS)
            err = 0; // a store that is read-only has nothing queued either
        return err ? err : store_commit(store, seq);
    }
    const struct db_row row = make_row(st->ino, st->btime, meta, false);
    if (!err)
        err = put_new_row(fs, &row, place, &seq);
    if (err)
        return err;
    *recorded = seq;
    err = store_commit(store, seq);
    return err ? err : store_commit(store, gone);
}

static int fakefs_created(struct host_fs *fs, struct host_stat *st, const struct host_meta *meta,
                          const struct host_place *place, int fd, uint64_t *recorded)
{
    int err = record_new(fs, st, meta, place, recorded);
    uint32_t want = root_host_bits(meta->mode);
    if (err || LINUX_S_ISLNK(meta->mode) || (st->mode & LINUX_S_IALLPERM) == want)
        return err;
    st->mode = (st->mode & LINUX_S_IFMT) | want;
    return fd >= 0 ? host_fchmod(fd, want) : host_chmod(place->dir_fd, place->name, want);
}

static int set_host_bits(struct host_node *node, uint32_t mode)
{
    uint32_t want = root_host_bits(mode);
    if (LINUX_S_ISLNK(mode) || (node->host_mode & LINUX_S_IALLPERM) == want)
        return 0;
    struct host_place place;
    int err = host_place_find(node, &place);
    if (!err) {
        err = host_chmod(place.dir_fd, place.name, want);
        host_place_done(&place);
    } else {
        int fd;
        err = host_node_open_any(node, &fd);
        if (!err) {
            err = host_fchmod(fd, want);
            host_close(fd);
        }
    }
    if (!err)
        node->host_mode = (node->host_mode & LINUX_S_IFMT) | want;
    return err;
}

static bool has_xattrs(struct host_node *node)
{
    struct db_row row;
    uint64_t version;
    return atomic_load_explicit(&node->recorded, memory_order_relaxed) &&
           store_get(store_of(node->fs), node->ino, INT64_MIN, &row, &version) == 1 && row.xattrs;
}

// Queues the node's row as `meta` says.
static int put_row(struct host_node *node, const struct host_meta *meta, bool xattrs, uint64_t *seq)
{
    struct hint_text hint;
    const struct db_row row =
        make_row(node->ino, atomic_load_explicit(&node->btime, memory_order_relaxed), meta, xattrs);
    lock_acquire(&node->fs->names_lock);
    int err = make_hint(node, "", &hint);
    if (!err)
        err = store_put(store_of(node->fs), &row, &hint.hint, seq);
    if (!err) // seen by renames from here on
        atomic_store_explicit(&node->recorded, *seq, memory_order_relaxed);
    lock_release(&node->fs->names_lock);
    free(hint.text);
    return err;
}

// Waits for a change of the node's row. One that was undone may leave another version of it.
static int commit_row(struct host_node *node, uint64_t seq)
{
    struct store *store = store_of(node->fs);
    int err = store_commit(store, seq);
    if (!err)
        return 0;
    struct db_row row;
    uint64_t version = 0;
    if (store_get(store, node->ino, INT64_MIN, &row, &version) != 1)
        version = 0;
    atomic_store_explicit(&node->recorded, version, memory_order_relaxed);
    return err;
}

// False when there is no room.
static bool departed_add(struct fakefs *f, uint64_t ino, uint64_t version)
{
    enum { DEPARTED_MAX = 1 << 18 };
    lock_acquire(&f->departed_lock);
    if (f->departed_count == f->departed_room && f->departed_room < DEPARTED_MAX) {
        size_t room = f->departed_room ? f->departed_room * 2 : 64;
        struct departed *grown = realloc(f->departed, room * sizeof *grown);
        if (grown) {
            f->departed = grown;
            f->departed_room = room;
        }
    }
    bool fits = f->departed_count < f->departed_room;
    if (fits)
        f->departed[f->departed_count++] = (struct departed){ino, version};
    lock_release(&f->departed_lock);
    return fits;
}

// The object needs its row no longer, once the host has made durable what it says without.
static int let_row_go(struct host_node *node, const struct host_meta *meta)
{
    uint64_t seq;
    int err = put_row(node, meta, false, &seq);
    if (!err)
        err = commit_row(node, seq);
    if (!err && !departed_add(fakefs_of(node->fs), node->ino, seq))
        log_printf(node->fs->log, LOG_FS, "a row that is not needed stays");
    return err;
}

static int fakefs_change(struct host_node *node, const struct host_meta *from,
                         const struct host_meta *to)
{
    bool xattrs = has_xattrs(node);
    uint64_t seq = 0, recorded = atomic_load_explicit(&node->recorded, memory_order_relaxed);
    int err;
    (void)from;
    if (needs_row(to) || xattrs) {
        // The row first: the host's bits mean nothing where there is one.
        err = put_row(node, to, xattrs, &seq);
        if (!err)
            err = commit_row(node, seq);
        return err ? err : set_host_bits(node, to->mode);
    }
    err = set_host_bits(node, to->mode);
    return err || !recorded ? err : let_row_go(node, to);
}

// Makes everything durable, and then lets the rows go of what was removed before.
static int sync_all(struct fakefs *f)
{
    lock_acquire(&f->departed_lock);
    struct departed *gone = f->departed;
    size_t count = f->departed_count;
    f->departed = NULL;
    f->departed_count = f->departed_room = 0;
    lock_release(&f->departed_lock);
    int err = host_fs_sync(&f->host);
    for (size_t i = 0; i < count; i++) {
        uint64_t seq;
        if (err ? !departed_add(f, gone[i].ino, gone[i].version)
                : store_delete(f->store, gone[i].ino, gone[i].version, &seq) != 0)
            log_printf(f->host.log, LOG_FS, "the row of a removed object stays");
    }
    free(gone);
    return err;
}

static void fakefs_removed(struct host_node *node)
{
    struct store *store = store_of(node->fs);
    uint64_t seq, recorded = atomic_load_explicit(&node->recorded, memory_order_relaxed);
    if (!recorded)
        return;
    // Nobody waits: a row without an object harms nothing, and whoever gets the number next makes
    // sure it is gone. But it is not for what has the name next, should the root be copied.
    bool kept = departed_add(fakefs_of(node->fs), node->ino, recorded);
    if (kept ? store_drop_hint(store, node->ino, recorded)
             : store_delete(store, node->ino, recorded, &seq))
        log_printf(node->fs->log, LOG_FS, "the row of a removed object stays");
}

static int fakefs_dir_moved(struct host_fs *fs, struct host_node *old_dir, const char *old_name,
                            struct host_node *new_dir, const char *new_name, bool exchange,
                            uint64_t *note)
{
    char from[LINUX_PATH_MAX], to[LINUX_PATH_MAX];
    if (!store_has_rows(store_of(fs)))
        return 0;
    int err = child_path(old_dir, old_name, from);
    if (!err)
        err = child_path(new_dir, new_name, to);
    return err ? err : store_log_rename(store_of(fs), from, to, exchange, note);
}

static int fakefs_settled(struct host_fs *fs, uint64_t note)
{
    return store_commit(store_of(fs), note);
}

static int fakefs_named(struct host_node *node, struct host_node *gone_dir, const char *gone,
                        bool wait)
{
    struct store *store = store_of(node->fs);
    struct hint_text hint;
    uint64_t seq;
    char path[LINUX_PATH_MAX] = "";
    lock_acquire(&node->fs->names_lock);
    if (!atomic_load_explicit(&node->recorded, memory_order_relaxed)) {
        lock_release(&node->fs->names_lock);
        return 0;
    }
    if (gone_dir && child_path(gone_dir, gone, path))
        path[0] = 0; // the directory is gone, too
    int err = make_hint(node, path, &hint);
    if (!err)
        err = store_put_hint(store, node->ino, &hint.hint, &seq);
    lock_release(&node->fs->names_lock);
    free(hint.text);
    return err || !wait ? err : store_commit(store, seq);
}

static void fakefs_times_set(struct host_node *node)
{
    struct host_stat st;
    if (!host_utimes_moves_birth() || host_node_stat(node, &st) ||
        st.btime == atomic_load_explicit(&node->btime, memory_order_relaxed))
        return;
    atomic_store_explicit(&node->btime, st.btime, memory_order_relaxed);
    if (!atomic_load_explicit(&node->recorded, memory_order_relaxed))
        return;
    struct inode *inode = &node->inode;
    lock_acquire(&inode->lock);
    const struct host_meta meta = {atomic_load(&inode->mode), atomic_load(&inode->uid),
                                   atomic_load(&inode->gid), inode->rdev};
    uint64_t seq;
    int err = put_row(node, &meta, has_xattrs(node), &seq);
    if (!err)
        err = store_commit(store_of(node->fs), seq);
    if (err)
        log_printf(node->fs->log, LOG_ERROR, "a row keeps an old birth time");
    lock_release(&inode->lock);
}

// --- Extended attributes -------------------------------------------------------------------------

static ssize_t fakefs_getxattr(struct host_node *node, const char *name, void *buf, size_t size)
{
    return has_xattrs(node) ? store_get_xattr(store_of(node->fs), node->ino, name, buf, size)
                            : -LINUX_ENODATA;
}

static ssize_t fakefs_listxattr(struct host_node *node, char *buf, size_t size)
{
    return has_xattrs(node) ? store_list_xattr(store_of(node->fs), node->ino, buf, size) : 0;
}

static struct host_meta meta_of(struct host_node *node)
{
    struct inode *inode = &node->inode;
    return (struct host_meta){atomic_load(&inode->mode), atomic_load(&inode->uid),
                              atomic_load(&inode->gid), inode->rdev};
}

static int fakefs_setxattr(struct host_node *node, const char *name, const void *value, size_t size,
                           unsigned flags)
{
    struct store *store = store_of(node->fs);
    ssize_t old = fakefs_getxattr(node, name, NULL, 0);
    if (old < 0 && old != -LINUX_ENODATA)
        return (int)old;
    if (old >= 0 && flags & LINUX_XATTR_CREATE)
        return -LINUX_EEXIST;
    if (old < 0 && flags & LINUX_XATTR_REPLACE)
        return -LINUX_ENODATA;
    uint64_t seq, row_seq = 0;
    int err = 0;
    if (!has_xattrs(node)) {
        const struct host_meta meta = meta_of(node);
        err = put_row(node, &meta, true, &row_seq);
    }
    if (!err)
        err = store_put_xattr(store, node->ino, name, value, size, &seq);
    if (!err)
        err = commit_row(node, seq);
    return err ? err : commit_row(node, row_seq); // they may not have gone together
}

static int fakefs_removexattr(struct host_node *node, const char *name)
{
    struct store *store = store_of(node->fs);
    ssize_t old = fakefs_getxattr(node, name, NULL, 0);
    if (old < 0)
        return (int)old;
    uint64_t seq;
    int err = store_delete_xattr(store, node->ino, name, &seq);
    if (!err)
        err = store_commit(store, seq);
    if (err || store_list_xattr(store, node->ino, NULL, 0) != 0)
        return err;
    // It was the last one: the row may not be needed any more.
    const struct host_meta meta = meta_of(node);
    if (!needs_row(&meta))
        return let_row_go(node, &meta);
    err = put_row(node, &meta, false, &seq);
    return err ? err : commit_row(node, seq);
}

static int fakefs_sync_store(struct host_fs *fs)
{
    return store_sync(store_of(fs));
}

static const struct host_policy fakefs_policy = {
    .load = fakefs_load,
    .create_mode = fakefs_create_mode,
    .created = fakefs_created,
    .change = fakefs_change,
    .removed = fakefs_removed,
    .named = fakefs_named,
    .dir_moved = fakefs_dir_moved,
    .settled = fakefs_settled,
    .times_set = fakefs_times_set,
    .dirent_type = fakefs_dirent_type,
    .getxattr = fakefs_getxattr,
    .setxattr = fakefs_setxattr,
    .listxattr = fakefs_listxattr,
    .removexattr = fakefs_removexattr,
    .sync = fakefs_sync_store,
};

// --- The file system -----------------------------------------------------------------------------

static const char *const own_parts[] = {".",           "meta.db", "meta.db-wal",
                                        "meta.db-log", "lock",    "tmp"};

// The guest reaches the store's own files on no mount: SQLite's locks vanish when any descriptor of
// its file is closed, and the rest would be two views of one tree.
static int hide_parts(struct vfs *vfs, const struct root_dir *r, bool hide)
{
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(own_parts) && !err; i++) {
        struct host_stat st;
        if (host_stat(r->fd, own_parts[i], &st))
            continue;
        if (hide)
            err = vfs_hide(vfs, st.dev, st.ino);
        else
            vfs_unhide(vfs, st.dev, st.ino);
    }
    return err;
}

// Gives one of the homeless a path.
static int find_home(void *ctx, int dir_fd, const char *path, const struct host_dirent *e,
                     bool *descend)
{
    (void)dir_fd;
    struct fakefs *f = ctx;
    uint64_t seq;
    *descend = e->type == LINUX_DT_DIR;
    if (!sparse_map_get(&f->homeless, e->ino))
        return 0;
    const struct db_hint hint = {path, strlen(path), store_rename_seq(f->store)};
    sparse_map_remove(&f->homeless, e->ino);
    return store_put_hint(f->store, e->ino, &hint, &seq);
}

static void find_homes(struct fakefs *f)
{
    uint64_t ino = 0;
    if (!sparse_map_next(&f->homeless, &ino))
        return;
    if (root_walk(&f->root, find_home, f))
        log_printf(f->host.log, LOG_WARN, "a copy of the root may lose an owner");
    sparse_map_free(&f->homeless);
}

static void fakefs_destroy(struct super *s)
{
    struct fakefs *f = fakefs_of(s->private);
    if (f->departed_count > 0 && sync_all(f))
        log_printf(f->host.log, LOG_FS, "the rows of removed objects stay");
    inode_put(s->root);
    if (f->store) {
        find_homes(f);
        store_destroy(f->store);
    }
    free(f->departed);
    lock_destroy(&f->departed_lock);
    hide_parts(s->vfs, &f->root, false);
    host_fs_free(&f->host);
    root_dir_close(&f->root);
    free(f);
}

static int fakefs_statfs(struct super *s, struct vfs_statfs *out)
{
    return host_fs_statfs(s->private, out);
}

static int fakefs_sync(struct super *s)
{
    return sync_all(fakefs_of(s->private));
}

static const struct super_ops fakefs_super_ops = {
    .destroy = fakefs_destroy,
    .statfs = fakefs_statfs,
    .sync = fakefs_sync,
};

enum { RENAME_LOG_MAX = 4096 };

static int prepare_database(const struct root_dir *r, struct db *db, const struct journal *journal,
                            const struct log *log, char why[FAKEFS_WHY_MAX])
{
    bool copy = false, behind = journal_pending(journal); // a disk too full to bring it up to date
    int err = root_is_copy(r, db, &copy);
    if (!err && copy)
        err = root_check_host(r, db, why, FAKEFS_WHY_MAX);
    if (!err && copy)
        err = behind ? -LINUX_ENOSPC : root_rebuild(r, db, log, NULL);
    if (!err && !behind && db_rename_count(db) > RENAME_LOG_MAX)
        err = root_compact(db);
    return err;
}

static int open_store(struct fakefs *f, const struct log *log, char why[FAKEFS_WHY_MAX])
{
    struct db *db;
    struct journal *journal = NULL;
    bool aside;
    int err = db_open(f->root.db_path, false, why, FAKEFS_WHY_MAX, &db);
    if (err)
        return err;
    err = journal_open(&f->root, db, log, &aside, &journal);
    if (err)
        snprintf(why, FAKEFS_WHY_MAX, "%s-log cannot be brought into the database: %s",
                 f->root.db_path, errno_text(-err));
    if (!err)
        err = prepare_database(&f->root, db, journal, log, why);
    if (!err)
        err = root_names_escaped(db, &f->host.escaped);
    if (!err)
        err = store_create(db, journal, log, &f->store);
    if (!err)
        return 0;
    if (!why[0])
        snprintf(why, FAKEFS_WHY_MAX, "%s cannot be used: %s; fakefs-fsck may help",
                 f->root.db_path, db_error(db));
    journal_close(journal);
    db_close(db);
    return err;
}

static int mount_root(struct fakefs *f, struct super *s, const struct log *log,
                      char why[FAKEFS_WHY_MAX])
{
    int err = open_store(f, log, why);
    if (!err)
        err = hide_parts(s->vfs, &f->root, true);
    if (err)
        return err;
    f->host.store = f->store;
    f->host.owned = true;
    f->host.log = log;
    f->host.staging_fd = host_dup(f->root.tmp_fd);
    int root_fd = host_dup(f->root.data_fd);
    err = root_fd < 0 ? root_fd : host_fs_init(&f->host, s, &fakefs_policy, root_fd);
    if (err)
        snprintf(why, FAKEFS_WHY_MAX, "the root folder cannot be used: %s", errno_text(-err));
    return err;
}

int fakefs_create(struct vfs *vfs, const char *root, const struct log *log,
                  char why[FAKEFS_WHY_MAX], struct super **out)
{
    why[0] = 0;
    struct fakefs *f = calloc(1, sizeof *f);
    if (!f)
        return -LINUX_ENOMEM;
    lock_init(&f->departed_lock, LOCK_RANK_DEPARTED);
    int err = root_dir_open(root, why, FAKEFS_WHY_MAX, &f->root);
    f->host.staging_fd = -1;
    struct super *s = err ? NULL : super_create(&fakefs_super_ops, vfs, &f->host);
    if (s)
        s->flags |= SUPER_HANDLES | SUPER_EXCLUSIVE;
    if (!s) {
        root_dir_close(&f->root);
        lock_destroy(&f->departed_lock);
        free(f);
        return err ? err : -LINUX_ENOMEM;
    }
    err = mount_root(f, s, log, why);
    if (err) {
        super_put(s);
        return err;
    }
    *out = s;
    return 0;
}

static struct store *store_of_super(struct super *s)
{
    return store_of(s->private);
}

void fakefs_bulk_begin(struct super *super)
{
    store_set_bulk(store_of_super(super), true);
}

int fakefs_bulk_end(struct super *super)
{
    struct store *store = store_of_super(super);
    store_set_bulk(store, false);
    return store_sync(store);
}

int fakefs_format(const char *root, char why[FAKEFS_WHY_MAX])
{
    return root_dir_make(root, why, FAKEFS_WHY_MAX);
}
