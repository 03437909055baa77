// A host that knows what a loss of power would leave of a root's tree: what was synced, and of the
// rest any part. The linker puts these functions in front of the real ones (--wrap).
//
// By POSIX's rules, not by those of one host's file system: fsync of a file makes its contents and
// its mode durable and no name; fsync of a directory makes its entries durable. Unsynced entries
// are lost or kept one by one, but each only after what happened before at the same name; a rename
// is one thing. So that an object keeps its inode when its names come back, `grave`, a folder
// beside the root, has a link to everything until its removal is durable.
#ifndef TESTS_UNIT_LOSSY_HOST_H
#define TESTS_UNIT_LOSSY_HOST_H

#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include "platform/host_file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LH_SIZE = 4096, LH_OBJECTS = 4096, LH_CHANGES = 8192, LH_WRITES = 8192 };

struct lh_object {
    uint64_t ino;
    bool is_dir, is_file;
    unsigned names; // as things are, not as they are durable
    uint32_t mode;  // durable
    size_t size;    // the same
    unsigned char data[LH_SIZE];
};

struct lh_write {
    uint64_t ino, at;
    size_t len; // 0: the file was cut to `at`
    unsigned char *data;
};

struct lh_key {
    uint64_t dir, was, is; // inode numbers; 0: nothing of that name
    char name[64];
};
struct lh_change {
    struct lh_key key[2];
    unsigned keys;
    bool moves_dir; // such changes keep their order, or a directory could come to be in itself
    bool chosen, over;
};

static struct lossy_host {
    bool on;
    int grave;
    unsigned *seed;
    void (*tick)(void); // before each change
    struct lh_object objects[LH_OBJECTS];
    struct lh_key durable[LH_OBJECTS]; // `was` unused
    struct lh_change changes[LH_CHANGES];
    struct lh_write writes[LH_WRITES];
    unsigned object_count, durable_count, change_count, write_count;
} lh;

static struct lh_object *lh_find(uint64_t ino)
{
    for (unsigned i = 0; i < lh.object_count; i++)
        if (lh.objects[i].ino == ino)
            return &lh.objects[i];
    return NULL;
}

static uint64_t lh_ino(int dirfd, const char *name)
{
    struct stat st;
    return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_ino;
}

static uint64_t lh_fd_ino(int fd)
{
    struct stat st;
    return fstat(fd, &st) ? 0 : st.st_ino;
}

// Of a directory whose entries are watched.
static bool lh_watched(int dirfd)
{
    const struct lh_object *o = lh.on ? lh_find(lh_fd_ino(dirfd)) : NULL;
    return o && o->is_dir;
}

static const char *lh_grave_name(const struct lh_object *o)
{
    static char name[64];
    snprintf(name, sizeof name, "%s%llu", o->is_dir ? "d" : "f", (unsigned long long)o->ino);
    return name;
}

// A link the simulation itself needs. Should the host refuse it, what both sides are tells a full
// disk or a folder that was removed from a mistake of the simulation.
static void lh_link(int from, const char *old_name, int to, const char *new_name)
{
    struct stat object = {0}, there = {0}, dir = {0};
    if (!linkat(from, old_name, to, new_name, 0))
        return;
    int err = errno;
    bool has = !fstatat(from, old_name, &object, AT_SYMLINK_NOFOLLOW);
    bool taken = !fstatat(to, new_name, &there, AT_SYMLINK_NOFOLLOW);
    int no_dir = fstat(to, &dir) ? errno : 0;
    fprintf(stderr, "# link %s -> %s: %s; object: %d, inode %llu, mode %o, links %u; ", old_name,
            new_name, strerror(err), has, (unsigned long long)object.st_ino,
            (unsigned)object.st_mode, (unsigned)object.st_nlink);
    fprintf(stderr, "name taken: %d, inode %llu; folder: error %d, mode %o, links %u\n", taken,
            (unsigned long long)there.st_ino, no_dir, (unsigned)dir.st_mode,
            (unsigned)dir.st_nlink);
    ISH_ASSERT(!"the host makes the link");
}

static struct lh_object *lh_add(int dirfd, const char *name)
{
    struct stat st;
    ISH_ASSERT(!fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) && !lh_find(st.st_ino));
    ISH_ASSERT(lh.object_count < LH_OBJECTS);
    struct lh_object *o = &lh.objects[lh.object_count++];
    *o = (struct lh_object){.ino = st.st_ino,
                            .is_dir = S_ISDIR(st.st_mode),
                            .is_file = S_ISREG(st.st_mode),
                            .mode = st.st_mode & 07777};
    if (!o->is_dir)
        lh_link(dirfd, name, lh.grave, lh_grave_name(o));
    return o;
}

// --- What is durable -----------------------------------------------------------------------------

static void lh_set_durable(const struct lh_key *key)
{
    for (unsigned i = 0; i < lh.durable_count; i++) {
        struct lh_key *d = &lh.durable[i];
        if (d->dir != key->dir || strcmp(d->name, key->name) != 0)
            continue;
        if (key->is)
            d->is = key->is;
        else
            *d = lh.durable[--lh.durable_count];
        return;
    }
    ISH_ASSERT(lh.durable_count < LH_OBJECTS);
    if (key->is)
        lh.durable[lh.durable_count++] = *key;
}

static bool lh_same_place(const struct lh_key *a, const struct lh_key *b)
{
    return a->dir == b->dir && strcmp(a->name, b->name) == 0;
}

// Can `later` only have happened if `earlier` has?
static bool lh_depends(const struct lh_change *later, const struct lh_change *earlier)
{
    bool same = later->moves_dir && earlier->moves_dir;
    for (unsigned i = 0; i < later->keys; i++)
        for (unsigned j = 0; j < earlier->keys; j++)
            same |= lh_same_place(&later->key[i], &earlier->key[j]);
    return same;
}

static void lh_make_durable(struct lh_change *c)
{
    for (unsigned i = 0; i < c->keys; i++)
        lh_set_durable(&c->key[i]);
    c->over = true;
}

// What was chosen becomes durable, with all that must have happened before.
static void lh_settle(void)
{
    for (unsigned i = lh.change_count; i-- > 0;)
        for (unsigned j = 0; lh.changes[i].chosen && j < i; j++)
            if (lh_depends(&lh.changes[i], &lh.changes[j]))
                lh.changes[j].chosen = true;
    for (unsigned i = 0; i < lh.change_count; i++)
        if (lh.changes[i].chosen && !lh.changes[i].over)
            lh_make_durable(&lh.changes[i]);
    unsigned kept = 0;
    for (unsigned i = 0; i < lh.change_count; i++)
        if (!lh.changes[i].over)
            lh.changes[kept++] = lh.changes[i];
    lh.change_count = kept;
}

static bool lh_is_needed(const struct lh_object *o)
{
    bool needed = o->names > 0;
    for (unsigned i = 0; i < lh.durable_count && !needed; i++)
        needed = lh.durable[i].is == o->ino || lh.durable[i].dir == o->ino;
    for (unsigned i = 0; i < lh.change_count && !needed; i++)
        for (unsigned k = 0; k < lh.changes[i].keys; k++)
            needed |= lh.changes[i].key[k].is == o->ino || lh.changes[i].key[k].was == o->ino;
    return needed;
}

static void lh_drop_writes(uint64_t ino)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < lh.write_count; i++) {
        if (lh.writes[i].ino == ino)
            free(lh.writes[i].data);
        else
            lh.writes[kept++] = lh.writes[i];
    }
    lh.write_count = kept;
}

// Objects that will not come back give their inodes to others.
static void lh_bury(void)
{
    for (unsigned i = 0; i < lh.object_count;) {
        struct lh_object *o = &lh.objects[i];
        if (lh_is_needed(o)) {
            i++;
            continue;
        }
        ISH_ASSERT(!unlinkat(lh.grave, lh_grave_name(o), o->is_dir ? AT_REMOVEDIR : 0));
        lh_drop_writes(o->ino);
        *o = lh.objects[--lh.object_count];
    }
}

static void lh_sync_object(struct lh_object *o, int fd)
{
    struct stat st;
    ISH_ASSERT(!fstat(fd, &st));
    o->mode = st.st_mode & 07777;
    lh_drop_writes(o->ino);
    if (!o->is_file)
        return;
    ssize_t n = pread(fd, o->data, LH_SIZE, 0);
    ISH_ASSERT(n >= 0 && st.st_size <= LH_SIZE);
    o->size = (size_t)n;
}

static void lh_sync(int fd, bool all)
{
    struct lh_object *o = lh_find(lh_fd_ino(fd));
    if (o)
        lh_sync_object(o, fd);
    for (unsigned i = 0; i < lh.change_count; i++)
        for (unsigned k = 0; k < lh.changes[i].keys; k++)
            lh.changes[i].chosen |= all || (o && o->is_dir && lh.changes[i].key[k].dir == o->ino);
    lh_settle();
    for (unsigned i = 0; all && i < lh.object_count; i++) {
        int each =
            lh.objects[i].is_file ? openat(lh.grave, lh_grave_name(&lh.objects[i]), O_RDWR) : -1;
        if (each >= 0)
            lh_sync_object(&lh.objects[i], each);
        close(each);
    }
    lh_bury();
}

// --- The power fails -----------------------------------------------------------------------------

struct lh_dirs {
    struct {
        uint64_t ino;
        int fd;
    } dir[512];
    unsigned count;
};

static void lh_collect(struct lh_dirs *dirs, int fd)
{
    ISH_ASSERT(fd >= 0 && dirs->count < 512);
    dirs->dir[dirs->count].ino = lh_fd_ino(fd);
    dirs->dir[dirs->count++].fd = fd;
    DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY));
    ISH_ASSERT(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            lh_collect(dirs, openat(fd, e->d_name, O_RDONLY | O_DIRECTORY));
    closedir(dir);
}

// Takes every name out of a directory.
static void lh_empty(int fd)
{
    DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY));
    ISH_ASSERT(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        const struct lh_object *o = lh_find(lh_ino(fd, e->d_name));
        ISH_ASSERT(o);
        ISH_ASSERT(o->is_dir ? !renameat(fd, e->d_name, lh.grave, lh_grave_name(o))
                             : !unlinkat(fd, e->d_name, 0));
    }
    closedir(dir);
}

static void lh_choose_changes(void)
{
    unsigned odds = (unsigned)rand_r(lh.seed) % 5; // none, some, all
    for (unsigned i = 0; i < lh.change_count; i++) {
        bool keep = (unsigned)rand_r(lh.seed) % 4 < odds;
        for (unsigned j = 0; j < i && keep; j++)
            keep = lh.changes[j].chosen || !lh_depends(&lh.changes[i], &lh.changes[j]);
        lh.changes[i].chosen = keep;
    }
    lh_settle();
}

static void lh_choose_contents(const struct lh_object *o, int fd)
{
    unsigned odds = (unsigned)rand_r(lh.seed) % 5;
    struct stat st;
    ISH_ASSERT(!fstat(fd, &st));
    if (rand_r(lh.seed) % 2)
        ISH_ASSERT(!fchmod(fd, o->mode));
    if (!o->is_file)
        return;
    ISH_ASSERT(!ftruncate(fd, 0) && pwrite(fd, o->data, o->size, 0) == (ssize_t)o->size);
    for (unsigned i = 0; i < lh.write_count; i++) {
        const struct lh_write *w = &lh.writes[i];
        if (w->ino != o->ino || (unsigned)rand_r(lh.seed) % 4 >= odds)
            continue;
        size_t len = rand_r(lh.seed) % 8 ? w->len : w->len / 2; // torn
        ISH_ASSERT(w->len ? pwrite(fd, w->data, len, (off_t)w->at) == (ssize_t)len
                          : !ftruncate(fd, (off_t)w->at));
    }
}

// The tree becomes what may be left of it. The grave keeps what has no name.
static void lh_fail(int data_fd, int tmp_fd)
{
    static struct lh_dirs dirs;
    lh.on = false;
    lh_choose_changes();
    lh_collect(&dirs, data_fd);
    lh_collect(&dirs, tmp_fd);
    for (unsigned i = 0; i < lh.object_count; i++) {
        int fd = lh.objects[i].is_dir
                     ? openat(lh.grave, lh_grave_name(&lh.objects[i]), O_RDONLY | O_DIRECTORY)
                     : -1;
        if (fd >= 0) // it was removed
            lh_collect(&dirs, fd);
    }
    for (unsigned i = 0; i < dirs.count; i++)
        lh_empty(dirs.dir[i].fd);
    for (unsigned i = 0; i < lh.object_count; i++) {
        const struct lh_object *o = &lh.objects[i];
        int fd = o->is_file ? openat(lh.grave, lh_grave_name(o), O_RDWR) : -1;
        for (unsigned d = 0; o->is_dir && d < dirs.count; d++)
            if (dirs.dir[d].ino == o->ino)
                fd = dup(dirs.dir[d].fd);
        if (fd >= 0)
            lh_choose_contents(o, fd);
        close(fd);
    }
    for (unsigned i = 0; i < lh.durable_count; i++) {
        const struct lh_key *k = &lh.durable[i];
        const struct lh_object *o = lh_find(k->is);
        int fd = -1;
        for (unsigned d = 0; d < dirs.count; d++)
            if (dirs.dir[d].ino == k->dir)
                fd = dirs.dir[d].fd;
        if (fd < 0)
            continue; // of a directory that is gone for good
        ISH_ASSERT(o);
        if (!o->is_dir)
            lh_link(lh.grave, lh_grave_name(o), fd, k->name);
        else
            ISH_ASSERT(!renameat(lh.grave, lh_grave_name(o), fd, k->name));
    }
}

// --- In front of the host ------------------------------------------------------------------------

static struct lh_change *lh_new_change(void)
{
    ISH_ASSERT(lh.change_count < LH_CHANGES);
    struct lh_change *c = &lh.changes[lh.change_count++];
    *c = (struct lh_change){.keys = 0};
    return c;
}

static void lh_key_add(struct lh_change *c, int dirfd, const char *name, uint64_t was, uint64_t is)
{
    struct lh_key *k = &c->key[c->keys++];
    *k = (struct lh_key){.dir = lh_fd_ino(dirfd), .was = was, .is = is};
    ISH_ASSERT(strlen(name) < sizeof k->name);
    memcpy(k->name, name, strlen(name) + 1);
}

static void lh_renamed_dir(struct lh_change *c, uint64_t ino)
{
    const struct lh_object *o = lh_find(ino);
    c->moves_dir |= o && o->is_dir;
}

// A new name; of a new object, if it is one.
static int lh_named(int err, int dirfd, const char *name)
{
    if (err < 0)
        return err;
    struct lh_object *o = lh_find(lh_ino(dirfd, name));
    if (!o)
        o = lh_add(dirfd, name);
    o->names++;
    lh_key_add(lh_new_change(), dirfd, name, 0, o->ino);
    return err;
}

// The last link is in the grave.
static int lh_shown(struct host_stat *st, int err)
{
    const struct lh_object *o = !err && lh.on ? lh_find(st->ino) : NULL;
    if (o && !o->is_dir)
        st->nlink--;
    return err;
}

#define LH_WRAP(type, name, ...)                                                                   \
    type __real_host_##name(__VA_ARGS__);                                                          \
    type __wrap_host_##name(__VA_ARGS__);                                                          \
    type __wrap_host_##name(__VA_ARGS__)

LH_WRAP(int, open, int dirfd, const char *name, unsigned flags, uint32_t mode)
{
    if (!(flags & LINUX_O_CREAT) || !lh_watched(dirfd))
        return __real_host_open(dirfd, name, flags, mode);
    lh.tick();
    bool there = lh_ino(dirfd, name) != 0;
    int fd = __real_host_open(dirfd, name, flags, mode);
    return there ? fd : lh_named(fd, dirfd, name);
}

LH_WRAP(int, stat, int dirfd, const char *name, struct host_stat *out)
{
    return lh_shown(out, __real_host_stat(dirfd, name, out));
}

LH_WRAP(int, stat_born, int dirfd, const char *name, int64_t btime, struct host_stat *out)
{
    return lh_shown(out, __real_host_stat_born(dirfd, name, btime, out));
}

LH_WRAP(int, fstat, int fd, struct host_stat *out)
{
    return lh_shown(out, __real_host_fstat(fd, out));
}

LH_WRAP(int, mkdir, int dirfd, const char *name, uint32_t mode)
{
    if (!lh_watched(dirfd))
        return __real_host_mkdir(dirfd, name, mode);
    lh.tick();
    return lh_named(__real_host_mkdir(dirfd, name, mode), dirfd, name);
}

LH_WRAP(int, symlink, const char *target, int dirfd, const char *name)
{
    if (!lh_watched(dirfd))
        return __real_host_symlink(target, dirfd, name);
    lh.tick();
    return lh_named(__real_host_symlink(target, dirfd, name), dirfd, name);
}

LH_WRAP(int, link, int old_dir, const char *old_name, int new_dir, const char *new_name)
{
    if (!lh_watched(new_dir))
        return __real_host_link(old_dir, old_name, new_dir, new_name);
    lh.tick();
    return lh_named(__real_host_link(old_dir, old_name, new_dir, new_name), new_dir, new_name);
}

LH_WRAP(int, unlink, int dirfd, const char *name)
{
    struct lh_object *o = lh_watched(dirfd) ? lh_find(lh_ino(dirfd, name)) : NULL;
    if (!o)
        return __real_host_unlink(dirfd, name);
    lh.tick();
    int err = __real_host_unlink(dirfd, name);
    if (!err) {
        o->names--;
        lh_key_add(lh_new_change(), dirfd, name, o->ino, 0);
    }
    return err;
}

LH_WRAP(int, rmdir, int dirfd, const char *name)
{
    struct lh_object *o = lh_watched(dirfd) ? lh_find(lh_ino(dirfd, name)) : NULL;
    if (!o)
        return __real_host_rmdir(dirfd, name);
    lh.tick();
    // Out of the way; a rename onto an empty directory fails if it is not empty itself.
    int probe = openat(dirfd, name, O_RDONLY | O_DIRECTORY);
    DIR *dir = fdopendir(probe);
    unsigned entries = 0;
    ISH_ASSERT(dir);
    while (readdir(dir))
        entries++;
    closedir(dir);
    if (entries > 2)
        return -LINUX_ENOTEMPTY;
    ISH_ASSERT(!renameat(dirfd, name, lh.grave, lh_grave_name(o)));
    o->names--;
    struct lh_change *c = lh_new_change();
    lh_key_add(c, dirfd, name, o->ino, 0);
    return 0;
}

LH_WRAP(int, rename, int old_dir, const char *old_name, int new_dir, const char *new_name,
        unsigned flags)
{
    if (!lh_watched(old_dir) || !lh_watched(new_dir))
        return __real_host_rename(old_dir, old_name, new_dir, new_name, flags);
    lh.tick();
    bool swaps = flags & LINUX_RENAME_EXCHANGE;
    uint64_t was = lh_ino(new_dir, new_name), moved = lh_ino(old_dir, old_name);
    struct lh_object *gone = swaps ? NULL : lh_find(was);
    if (gone && gone->is_dir && gone->ino != moved) { // as rmdir, so that it keeps its inode
        int err = __wrap_host_rmdir(new_dir, new_name);
        if (err)
            return err;
        lh.change_count--; // but one thing with the rename
    }
    int err = __real_host_rename(old_dir, old_name, new_dir, new_name, flags);
    if (err || was == moved)
        return err;
    if (gone && !gone->is_dir)
        gone->names--;
    struct lh_change *c = lh_new_change();
    lh_key_add(c, old_dir, old_name, moved, swaps ? was : 0);
    lh_key_add(c, new_dir, new_name, was, moved);
    lh_renamed_dir(c, moved);
    lh_renamed_dir(c, was);
    return 0;
}

static void lh_note_write(int fd, const void *data, size_t len, uint64_t at)
{
    const struct lh_object *o = lh.on ? lh_find(lh_fd_ino(fd)) : NULL;
    if (!o)
        return;
    ISH_ASSERT(lh.write_count < LH_WRITES && at + len <= LH_SIZE);
    struct lh_write *w = &lh.writes[lh.write_count++];
    *w = (struct lh_write){o->ino, at, len, len ? malloc(len) : NULL};
    if (len)
        memcpy(w->data, data, len);
}

LH_WRAP(ssize_t, pwrite, int fd, const void *buf, size_t n, uint64_t offset)
{
    if (lh.on)
        lh.tick();
    ssize_t done = __real_host_pwrite(fd, buf, n, offset);
    if (done > 0)
        lh_note_write(fd, buf, (size_t)done, offset);
    return done;
}

LH_WRAP(int, truncate, int fd, uint64_t size)
{
    if (lh.on)
        lh.tick();
    int err = __real_host_truncate(fd, size);
    if (!err)
        lh_note_write(fd, NULL, 0, size);
    return err;
}

LH_WRAP(int, fsync, int fd, bool data_only)
{
    if (lh.on)
        lh.tick();
    if (lh.on)
        lh_sync(fd, false);
    return lh.on ? 0 : __real_host_fsync(fd, data_only);
}

LH_WRAP(int, syncfs, int fd)
{
    if (lh.on)
        lh.tick();
    if (lh.on)
        lh_sync(fd, true);
    return lh.on ? 0 : __real_host_syncfs(fd);
}

// --- Beginning and end ---------------------------------------------------------------------------

static void lh_note_tree(int fd)
{
    const uint64_t dir_ino = lh_fd_ino(fd);
    DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY));
    ISH_ASSERT(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        struct lh_object *o = lh_find(lh_ino(fd, e->d_name));
        int child = e->d_type == DT_REG   ? openat(fd, e->d_name, O_RDWR)
                    : e->d_type == DT_DIR ? openat(fd, e->d_name, O_RDONLY | O_DIRECTORY)
                                          : -1;
        if (!o)
            o = lh_add(fd, e->d_name);
        o->names++;
        struct lh_key key = {.dir = dir_ino, .is = o->ino};
        snprintf(key.name, sizeof key.name, "%.63s", e->d_name);
        lh_set_durable(&key);
        if (child >= 0)
            lh_sync_object(o, child);
        if (o->is_dir)
            lh_note_tree(child);
        close(child);
    }
    closedir(dir);
}

static void lh_note_top(int fd)
{
    struct lh_object *o = &lh.objects[lh.object_count++];
    *o = (struct lh_object){.ino = lh_fd_ino(fd), .is_dir = true, .names = 1};
    lh_sync_object(o, fd);
    lh_note_tree(fd);
}

// What is in data and tmp is durable; `grave` is empty.
static inline void lh_start(int grave, int data_fd, int tmp_fd, unsigned *seed, void (*tick)(void))
{
    lh.grave = grave;
    lh.seed = seed;
    lh.tick = tick;
    lh_note_top(data_fd);
    lh_note_top(tmp_fd);
    lh.on = true;
}

#endif
