// A root keeps what the guest gave it: over a restart, a copy, damage, and the death of the
// process.
#include "fs/fakefs/fakefs.h"
#include "fs/hostfs.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"
#include <errno.h>
#include <sqlite3.h>
#include <sys/wait.h>

struct root {
    struct temp_dir dir;
    struct env e;
    char why[FAKEFS_WHY_MAX];
};

static int root_start(struct root *r, const char *name)
{
    struct super *s;
    env_start(&r->e);
    int err = fakefs_create(r->e.vfs, temp_path(&r->dir, name), NULL, r->why, &s);
    if (err) {
        vfs_destroy(r->e.vfs);
        cred_put(r->e.root_cred);
        cred_put(r->e.user_cred);
        frame_pool_destroy(r->e.frames);
        return err;
    }
    env_mount_root(&r->e, s, "fakefs");
    return 0;
}

static void root_restart(struct root *r, const char *name)
{
    env_stop(&r->e);
    ISH_ASSERT(!root_start(r, name));
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static int shell(const char *fmt, const char *a, const char *b)
{
    char cmd[1024];
    int n = snprintf(cmd, sizeof cmd, fmt, a, b);
    ISH_ASSERT(n > 0 && (size_t)n < sizeof cmd);
    return system(cmd);
}

static bool owned(const struct vfs_caller *c, const char *name, uint32_t uid, uint32_t gid,
                  uint32_t mode)
{
    struct vfs_stat st;
    return !env_stat(c, name, &st) && st.uid == uid && st.gid == gid && st.mode == mode;
}

static void make_things(struct root *r)
{
    const struct vfs_caller *c = &r->e.root;
    ISH_ASSERT(!env_mkdir(c, "/d", 0755) && !env_mkdir(c, "/d/sub", 0700));
    ISH_ASSERT(!env_put(c, "/d/plain", "plain", 0644));
    ISH_ASSERT(!env_put(c, "/d/owned", "owned", 0640) && !env_chown(c, "/d/owned", 1000, 50));
    ISH_ASSERT(!env_put(c, "/d/su", "su", 0755) && !env_chmod(c, "/d/su", 04755));
    ISH_ASSERT(!env_put(c, "/d/secret", "secret", 0600) && !env_chmod(c, "/d/secret", 0));
    ISH_ASSERT(!env_put(c, "/d/closed", "", 0640) && !env_chown(c, "/d/closed", 1, 1) &&
               !env_chown(c, "/d/closed", 0, 0) && !env_chmod(c, "/d/closed", 0600));
    ISH_ASSERT(!vfs_mknod(c, NULL, "/d/tty", LINUX_S_IFCHR | 0620, vfs_makedev(5, 300)));
    ISH_ASSERT(!vfs_mknod(c, NULL, "/d/pipe", LINUX_S_IFIFO | 0666, 0));
    ISH_ASSERT(!vfs_symlink(c, "../etc/x", NULL, "/d/link"));
    struct path p;
    ISH_ASSERT(!path_walk(c, NULL, "/d/link", 0, &p));
    ISH_ASSERT(!vfs_setattr(c, &p, &(struct vfs_setattr){.mask = ATTR_UID, .uid = 7}, false));
    path_put(&p);
    ISH_ASSERT(!path_walk(c, NULL, "/d/plain", 0, &p));
    ISH_ASSERT(!vfs_setxattr(c, &p, "user.note", "abc", 3, 0) &&
               !vfs_setxattr(c, &p, "trusted.empty", "", 0, 0));
    path_put(&p);
    ISH_ASSERT(!env_link(c, "/d/owned", "/d/owned2"));
    ISH_ASSERT(!env_chown(c, "/d/sub", 3, 4) && !env_chmod(c, "/d/sub", 03711));
    ISH_ASSERT(!env_chown(c, "/", 0, 9));
}

static void check_things(struct tap *t, struct root *r, const char *when)
{
    const struct vfs_caller *c = &r->e.root;
    char what[128], buf[64];
    struct vfs_stat st, st2;
    struct path p;
#define SAY(text) (snprintf(what, sizeof what, "%s %s", text, when), what)
    CHECK(t, owned(c, "/d/plain", 0, 0, 0100644) && env_holds(c, "/d/plain", "plain"),
          SAY("a plain file is as it was"));
    CHECK(t, owned(c, "/d/owned", 1000, 50, 0100640) && env_holds(c, "/d/owned", "owned"),
          SAY("owner and group hold"));
    CHECK(t, owned(c, "/d/su", 0, 0, 0104755), SAY("set-uid holds"));
    CHECK(t, owned(c, "/d/secret", 0, 0, 0100000) && env_holds(c, "/d/secret", "secret"),
          SAY("mode 0 holds"));
    CHECK(t, owned(c, "/d/closed", 0, 0, 0100600), SAY("rights taken away stay away"));
    CHECK(t, !env_stat(c, "/d/tty", &st) && st.mode == 020600 && st.rdev == vfs_makedev(5, 300),
          SAY("a device keeps its number"));
    CHECK(t, owned(c, "/d/pipe", 0, 0, 010644), SAY("a fifo is one"));
    CHECK(t, owned(c, "/d/link", 7, 0, 0120777), SAY("a symlink keeps its owner"));
    CHECK(t, owned(c, "/d/sub", 3, 4, 043711), SAY("a directory keeps its bits"));
    CHECK(t, owned(c, "/", 0, 9, 040755), SAY("so does the root"));
    CHECK(t,
          !env_stat(c, "/d/owned", &st) && !env_stat(c, "/d/owned2", &st2) && st.ino == st2.ino &&
              st.nlink == 2 && owned(c, "/d/owned2", 1000, 50, 0100640),
          SAY("hard links are one object"));
    ISH_ASSERT(!path_walk(c, NULL, "/d/plain", 0, &p));
    CHECK(t,
          vfs_getxattr(c, &p, "user.note", buf, 64) == 3 && !memcmp(buf, "abc", 3) &&
              vfs_getxattr(c, &p, "trusted.empty", buf, 64) == 0 &&
              vfs_listxattr(c, &p, buf, 64) == 24,
          SAY("xattrs hold"));
    path_put(&p);
#undef SAY
}

static void test_restart(struct tap *t, struct root *r)
{
    make_things(r);
    check_things(t, r, "at once");
    root_restart(r, "root");
    check_things(t, r, "after a restart");
    const struct vfs_caller *c = &r->e.root;
    struct stat host;
    CHECK(t, !lstat(temp_path(&r->dir, "root/data/d/su"), &host) && (host.st_mode & 07777) == 0755,
          "the host never sees a set-uid bit");
    CHECK(t,
          !lstat(temp_path(&r->dir, "root/data/d/tty"), &host) && S_ISREG(host.st_mode) &&
              host.st_size == 0,
          "nor a device");
    CHECK(t, !lstat(temp_path(&r->dir, "root/data/d/link"), &host) && S_ISLNK(host.st_mode),
          "symlinks are real");
    struct env_list l = {.sink = {env_list_emit}};
    struct file *d = env_open(c, "/d", LINUX_O_RDONLY, 0);
    CHECK(t, d && !file_readdir(d, &l.sink) && l.count == 12, "every name is listed");
    file_put(d);
}

static void test_copy(struct tap *t, struct root *r)
{
    const struct vfs_caller *c = &r->e.root;
    // Names change after the rows were written.
    ISH_ASSERT(!env_mkdir(c, "/x", 0755) && !env_rename(c, "/d", "/x/moved", 0) &&
               !env_mkdir(c, "/d", 0755) && !env_put(c, "/d/owned", "other", 0644) &&
               !env_rename(c, "/d", "/x/moved", LINUX_RENAME_EXCHANGE) &&
               !env_rename(c, "/d/su", "/d/su2", 0) && !env_rename(c, "/d/su2", "/d/su", 0));
    check_things(t, r, "after renames");
    env_stop(&r->e);
    ISH_ASSERT(!shell("cp -a %s %s", temp_path(&r->dir, "root"), temp_path(&r->dir, "copy")));
    ISH_ASSERT(!root_start(r, "copy"));
    check_things(t, r, "in a copy");
    CHECK(t, owned(&r->e.root, "/x/moved/owned", 0, 0, 0100644),
          "what only has the name of something else gets nothing");
    root_restart(r, "copy");
    check_things(t, r, "in a copy opened again");
    // A hard link whose first name went.
    c = &r->e.root;
    ISH_ASSERT(!vfs_unlink(c, NULL, "/d/owned"));
    env_stop(&r->e);
    ISH_ASSERT(!shell("cp -a %s %s", temp_path(&r->dir, "copy"), temp_path(&r->dir, "copy2")));
    ISH_ASSERT(!root_start(r, "copy2"));
    CHECK(t, owned(&r->e.root, "/d/owned2", 1000, 50, 0100640),
          "the owner of a hard link survives its other name, in a copy too");
    root_restart(r, "root");
}

static void test_owner(struct tap *t, struct root *r)
{
    struct root second = {.dir = r->dir};
    CHECK(t, root_start(&second, "root") == -LINUX_EBUSY && strstr(second.why, "in use"),
          "a root has one owner at a time, and says so");
    CHECK(t, root_start(&second, "nothing") == -LINUX_ENOENT && second.why[0],
          "a missing root is named");
    ISH_ASSERT(!mkdir(temp_path(&r->dir, "empty"), 0755));
    CHECK(t, root_start(&second, "empty") == -LINUX_ENOENT && strstr(second.why, "meta.db"),
          "a folder that is no root, too");
}

// Another view of the host must not lead into the store.
static void test_hidden(struct tap *t, struct root *r)
{
    struct env *e = &r->e;
    struct super *s;
    struct path at;
    ISH_ASSERT(!env_mkdir(&e->root, "/host", 0755) && !path_walk(&e->root, NULL, "/host", 0, &at));
    CHECK(t,
          hostfs_create(e->vfs, temp_path(&r->dir, "root"), &s) == -LINUX_EACCES &&
              hostfs_create(e->vfs, temp_path(&r->dir, "root/data/d"), &s) == -LINUX_EACCES,
          "a store in use cannot be mounted as host folder");
    ISH_ASSERT(!hostfs_create(e->vfs, r->dir.path, &s) &&
               !vfs_mount(e->vfs, &at, s, "host", "hostfs", 0));
    CHECK(t,
          env_try_open(&e->root, "/host/root/meta.db", LINUX_O_RDONLY, 0) == -LINUX_EACCES &&
              env_try_open(&e->root, "/host/root", LINUX_O_RDONLY, 0) == -LINUX_EACCES &&
              env_rename(&e->root, "/host/root", "/host/y", 0) == -LINUX_EACCES,
          "nor reached through one above it");
    path_put(&at);
    struct vfs_handle h;
    ISH_ASSERT(!env_put(&e->root, "/host/by-handle", "text", 0644) &&
               !path_walk(&e->root, NULL, "/host/by-handle", 0, &at));
    CHECK(t, !vfs_handle_make(&at, &h), "a file of a host folder has a handle");
    path_put(&at);
    ISH_ASSERT(!env_rename(&e->root, "/host/by-handle", "/host/renamed", 0) &&
               !path_walk(&e->root, NULL, "/host", 0, &at));
    struct path found;
    bool finds = !vfs_handle_find(&e->root, &at, &h, &found);
    char name[64] = "";
    CHECK(t, finds && path_name(&found, &at, name, sizeof name) >= 0 && !strcmp(name, "/renamed"),
          "which leads to it by another name");
    if (finds)
        path_put(&found);
    path_put(&at);
    struct path m;
    ISH_ASSERT(!path_walk(&e->root, NULL, "/host", 0, &m) && !vfs_umount(e->vfs, &m, false));
    path_put(&m);
}

static void set_row(const char *db_path, const char *sql)
{
    sqlite3 *db;
    ISH_ASSERT(sqlite3_open(db_path, &db) == SQLITE_OK);
    ISH_ASSERT(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
}

static void test_generation(struct tap *t, struct root *r)
{
    const struct vfs_caller *c = &r->e.root;
    ISH_ASSERT(!env_put(c, "/gen", "", 0644) && !env_chown(c, "/gen", 12, 13));
    env_stop(&r->e);
    set_row(temp_path(&r->dir, "root/meta.db"), "UPDATE inode SET gen=gen+5 WHERE uid=12");
    ISH_ASSERT(!root_start(r, "root"));
    CHECK(t, owned(&r->e.root, "/gen", 0, 0, 0100644), "a row of another generation is not used");
    env_stop(&r->e);
    sqlite3 *db;
    sqlite3_stmt *st;
    ISH_ASSERT(sqlite3_open(temp_path(&r->dir, "root/meta.db"), &db) == SQLITE_OK);
    ISH_ASSERT(!sqlite3_prepare_v2(db, "SELECT count(*) FROM quarantine WHERE uid=12", -1, &st, 0));
    CHECK(t, sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int(st, 0) == 1, "but kept aside");
    sqlite3_finalize(st);
    sqlite3_close(db);
    ISH_ASSERT(!root_start(r, "root"));
}

// Creating where something is already, of which nothing is known yet.
static void test_create_over(struct tap *t, struct root *r)
{
    const struct vfs_caller *c = &r->e.root, *user = &r->e.user;
    const unsigned make = LINUX_O_WRONLY | LINUX_O_CREAT, fresh = make | LINUX_O_EXCL;
    ISH_ASSERT(!env_mkdir(c, "/over", 0755) && !env_mkdir(c, "/over/d", 0755) &&
               !env_put(c, "/over/all", "text", 0644) && !env_chmod(c, "/over/all", 0666) &&
               !env_put(c, "/over/own", "text", 0600) &&
               !vfs_symlink(c, "made", NULL, "/over/link") &&
               !vfs_symlink(c, "other", NULL, "/over/shut"));
    root_restart(r, "root");
    CHECK(t,
          env_try_open(c, "/over/own", fresh, 0644) == -LINUX_EEXIST &&
              env_holds(c, "/over/own", "text"),
          "O_EXCL refuses a file it did not know of");
    CHECK(t, env_try_open(c, "/over/shut", fresh, 0644) == -LINUX_EEXIST, "and a dangling symlink");
    CHECK(t, env_try_open(c, "/over/d", make, 0644) == -LINUX_EISDIR,
          "a directory is not made anew");
    CHECK(t, !env_try_open(c, "/over/link", make, 0644) && env_exists(c, "/over/made"),
          "a dangling symlink leads to where the file is made");
    CHECK(t, !env_try_open(user, "/over/all", make, 0644),
          "who may not create opens what is there");
    CHECK(t,
          env_try_open(user, "/over/none", make, 0644) == -LINUX_EACCES &&
              env_try_open(user, "/over/own", make, 0644) == -LINUX_EACCES,
          "and nothing else");
    CHECK(t, env_count(c, "/over") == 2 + 6, "no name was added by a refusal");
}

static void test_reuse(struct tap *t, struct root *r)
{
    const struct vfs_caller *c = &r->e.root;
    bool fine = true;
    for (int i = 0; i < 200 && fine; i++) { // hosts give the inode number away again at once
        ISH_ASSERT(!env_put(c, "/re", "", 0644) && !env_chown(c, "/re", 99, 98) &&
                   !vfs_unlink(c, NULL, "/re") && !env_put(c, "/re2", "", 0644));
        fine = owned(c, "/re2", 0, 0, 0100644);
        ISH_ASSERT(!vfs_unlink(c, NULL, "/re2"));
    }
    CHECK(t, fine, "a new file never inherits the owner of a removed one");
    ISH_ASSERT(!env_put(c, "/re", "", 0644) && !env_chown(c, "/re", 99, 98));
    struct file *f = env_open(c, "/re", LINUX_O_RDWR, 0);
    struct vfs_stat st;
    ISH_ASSERT(!vfs_unlink(c, NULL, "/re") && !env_put(c, "/re", "", 0644));
    CHECK(t, !vfs_getattr(c, &f->path, &st) && st.uid == 99 && st.nlink == 0,
          "a removed file that is open keeps its owner");
    file_put(f);
    CHECK(t, owned(c, "/re", 0, 0, 0100644), "its successor has its own");
    root_restart(r, "root");
    CHECK(t, owned(&r->e.root, "/re", 0, 0, 0100644), "over a restart");
}

static void test_pages(struct tap *t, struct root *r)
{
    const struct vfs_caller *c = &r->e.root;
    struct file *f = env_open(c, "/pages", LINUX_O_RDWR | LINUX_O_CREAT, 0600);
    struct frame *a = NULL, *b = NULL;
    char buf[8];
    ISH_ASSERT(env_pwrite(f, "first", 5, 0) == 5 && env_pwrite(f, "x", 1, 1 << 20) == 1);
    CHECK(t, !file_get_page(f, 0, &a) && !memcmp(a->host, "first", 5) && a->shared,
          "a page shows the file");
    struct file *g = env_open(c, "/pages", LINUX_O_RDONLY, 0);
    CHECK(t, !file_get_page(g, 0, &b) && a == b, "every opener has the same");
    frame_put(b);
    memcpy(a->host, "FIRST", 5);
    CHECK(t, env_pread(g, buf, 5, 0) == 5 && !memcmp(buf, "FIRST", 5), "a store is read");
    ISH_ASSERT(env_pwrite(f, "again", 5, 0) == 5);
    CHECK(t, !memcmp(a->host, "again", 5), "a write is seen");
    CHECK(t, file_get_page(f, 257, &b) == -LINUX_EFAULT, "past the end there is none");
    uint32_t epoch = atomic_load(&f->inode->page_epoch);
    CHECK(t,
          !env_truncate(c, "/pages", 3) && file_get_page(f, 1, &b) == -LINUX_EFAULT &&
              atomic_load(&f->inode->page_epoch) != epoch && !memcmp(a->host, "aga\0\0", 5),
          "truncation takes pages away and zeroes the rest of the last");
    file_put(g);
    file_put(f);
    CHECK(t, !memcmp(a->host, "aga", 3), "a page outlives the file");
    frame_put(a);
    f = env_open(c, "/pages", LINUX_O_RDWR, 0);
    CHECK(t,
          file_fallocate(f->cred, f, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, 1,
                         1) == 0 &&
              env_pread(f, buf, 3, 0) == 3 && !memcmp(buf, "a\0a", 3),
          "one byte can be punched out");
    file_put(f);
}

static void test_times(struct tap *t, struct root *r)
{
    const struct vfs_caller *c = &r->e.root;
    struct vfs_setattr attr = {
        .mask = ATTR_ATIME | ATTR_MTIME, .atime = 1234567890123456789, .mtime = -5000000001};
    struct vfs_stat st;
    CHECK(t,
          !env_setattr(c, "/d/owned2", &attr) && !env_stat(c, "/d/owned2", &st) &&
              st.atime == 1234567890123456789 && st.mtime == -5000000001 && st.uid == 1000,
          "times are kept to the nanosecond, before 1970 too");
    CHECK(t,
          !env_setattr(c, "/d/link", &attr) && !env_stat(c, "/d/link", &st) &&
              st.mtime == -5000000001,
          "of symlinks as well");
    CHECK(t, !env_setattr(c, "/", &attr) && !env_stat(c, "/", &st) && st.mtime == -5000000001,
          "and of the root");
}

// Opening a damaged root: an error with words, no crash.
static void test_damage(struct tap *t, struct root *r)
{
    struct root bad = {.dir = r->dir};
    const char *cases[][2] = {
        {"printf 'not a database' > %s/meta.db", "text"},
        {": > %s/meta.db", "an empty file"},
        {"dd if=/dev/urandom of=%s/meta.db bs=4096 count=4 conv=notrunc 2>/dev/null", "noise"},
        {"printf '\\377\\377\\377\\377' | dd of=%s/meta.db bs=1 seek=100 conv=notrunc 2>/dev/null",
         "a broken first page"},
        {"truncate -s 5000 %s/meta.db", "a cut file"},
    };
    env_stop(&r->e);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char what[128];
        shell("rm -rf %s%s", temp_path(&r->dir, "bad"), "");
        ISH_ASSERT(!shell("cp -a %s %s", temp_path(&r->dir, "root"), temp_path(&r->dir, "bad")));
        const char *bad_path = temp_path(&r->dir, "bad");
        shell(cases[i][0], bad_path, "");
        int err = root_start(&bad, "bad");
        snprintf(what, sizeof what, "meta.db that is %s is refused in words", cases[i][1]);
        CHECK(t, err < 0 && bad.why[0], what);
        if (!err)
            env_stop(&bad.e);
    }
    set_row(temp_path(&r->dir, "bad/meta.db.peer"),
            "create table paths(path blob primary key, inode integer);"
            "create table stats(inode integer primary key, stat blob); pragma user_version=3");
    ISH_ASSERT(!shell("mv %s %s", temp_path(&r->dir, "bad/meta.db.peer"),
                      temp_path(&r->dir, "bad/meta.db")));
    CHECK(t, root_start(&bad, "bad") == -LINUX_EPROTONOSUPPORT && strstr(bad.why, "fakefsify"),
          "a root keyed by path is recognised, and the way out named");
    ISH_ASSERT(!root_start(r, "root"));
}

int main(void)
{
    struct tap t = {0, 0};
    struct root r = {0};
    temp_dir_make(&r.dir);
    ISH_ASSERT(!fakefs_format(temp_path(&r.dir, "root"), r.why));
    CHECK(&t, fakefs_format(temp_path(&r.dir, "root"), r.why) == -LINUX_ENOTEMPTY && r.why[0],
          "a root is not made over something");
    ISH_ASSERT(!root_start(&r, "root"));
    test_restart(&t, &r);
    test_copy(&t, &r);
    test_owner(&t, &r);
    test_hidden(&t, &r);
    test_generation(&t, &r);
    test_create_over(&t, &r);
    test_reuse(&t, &r);
    test_pages(&t, &r);
    test_times(&t, &r);
    test_damage(&t, &r);
    env_stop(&r.e);
    temp_dir_remove(&r.dir);
    return tap_finish(&t);
}
