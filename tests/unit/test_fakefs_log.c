// What becomes of the log of a root's changes (fs/fakefs/journal.h) that a killed process left:
// whole, torn, damaged, read twice, of another time or of another root.
#include "fs/fakefs/archive.h"
#include "fs/fakefs/fakefs.h"
#include "fs/fakefs/fsck.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"
#include <errno.h>
#include <sys/wait.h>

enum { FILES = 24, PARTS = 3, LOG = 2, LOG_MAX = 3 << 19 };

static const char *const part_names[PARTS] = {"meta.db", "meta.db-wal", "meta.db-log"};

// The store's files as they were when a process died.
struct saved {
    unsigned char *data[PARTS];
    size_t size[PARTS];
};

struct root {
    struct temp_dir *dir;
    const char *name;
    struct env e;
    char why[FAKEFS_WHY_MAX];
};

static const char *in_root(const struct root *r, const char *part)
{
    char name[128];
    snprintf(name, sizeof name, "%s/%s", r->name, part);
    return temp_path(r->dir, name);
}

static int try_start(struct root *r)
{
    struct super *super;
    env_start(&r->e);
    int err = fakefs_create(r->e.vfs, temp_path(r->dir, r->name), NULL, r->why, &super);
    if (!err)
        env_mount_root(&r->e, super, "fakefs");
    r->e.root.umask = 0;
    return err;
}

static void start(struct root *r)
{
    ISH_ASSERT(!try_start(r));
}

static const char *file_name(int i)
{
    static char name[32];
    snprintf(name, sizeof name, "/f%d", i);
    return name;
}

static void make_root(struct root *r)
{
    ISH_ASSERT(!fakefs_format(temp_path(r->dir, r->name), r->why));
    start(r);
    for (int i = 0; i < FILES; i++)
        ISH_ASSERT(!env_put(&r->e.root, file_name(i), "", 0644));
    env_stop(&r->e);
}

// Does something in a process that ends at once.
static void die_after(struct root *r, void (*what)(const struct vfs_caller *c))
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    ISH_ASSERT(pid >= 0);
    if (pid == 0) {
        start(r);
        what(&r->e.root);
        _exit(0);
    }
    ISH_ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void save(const struct root *r, struct saved *s)
{
    struct stat st;
    for (int i = 0; i < PARTS; i++) {
        FILE *f = fopen(in_root(r, part_names[i]), "r");
        ISH_ASSERT(f && !fstat(fileno(f), &st));
        s->size[i] = (size_t)st.st_size;
        s->data[i] = malloc(s->size[i] + 1);
        ISH_ASSERT(s->data[i] && fread(s->data[i], 1, s->size[i], f) == s->size[i]);
        fclose(f);
    }
}

// In place: a database with another inode number would be a copy's.
static void put_part(const struct root *r, int part, const void *data, size_t size)
{
    FILE *f = fopen(in_root(r, part_names[part]), "w");
    ISH_ASSERT(f && fwrite(data, 1, size, f) == size && !fclose(f));
}

static void put_back(const struct root *r, const struct saved *s)
{
    unlink(in_root(r, "meta.db-log.aside"));
    for (int i = 0; i < PARTS; i++)
        put_part(r, i, s->data[i], s->size[i]);
}

static void forget(struct saved *s)
{
    for (int i = 0; i < PARTS; i++)
        free(s->data[i]);
}

static uint32_t owner(const struct root *r, int i)
{
    struct vfs_stat st;
    ISH_ASSERT(!env_stat(&r->e.root, file_name(i), &st));
    return st.uid;
}

// How many of the first files were given away, or -1 when others were.
static int given(const struct root *r)
{
    int n = 0;
    while (n < FILES && owner(r, n) == 1000 + (uint32_t)n)
        n++;
    for (int i = n; i < FILES; i++)
        if (owner(r, i) != 0)
            return -1;
    return n;
}

static long length(const struct root *r, const char *part)
{
    struct stat st;
    return stat(in_root(r, part), &st) ? -1 : (long)st.st_size;
}

static bool was_set_aside(const struct root *r)
{
    return length(r, "meta.db-log.aside") >= 0;
}

struct report {
    unsigned lines, aside;
};

static void count_finding(void *ctx, bool fixed, const char *line)
{
    struct report *report = ctx;
    report->lines++;
    if (fixed && strstr(line, "meta.db-log.aside"))
        report->aside++;
    else
        printf("# fsck: %s\n", line);
}

static struct report check(const struct root *r)
{
    struct report report = {0, 0};
    struct fsck f = {.report = count_finding, .ctx = &report};
    ISH_ASSERT(!fsck_run(&f, temp_path(r->dir, r->name)));
    return report;
}

static void give_all(const struct vfs_caller *c)
{
    for (int i = 0; i < FILES; i++)
        ISH_ASSERT(!env_chown(c, file_name(i), 1000 + (uint32_t)i, 0));
}

// --- Tests ---------------------------------------------------------------------------------------

static void test_whole(struct tap *t, struct root *r, const struct saved *s)
{
    CHECK(t, s->size[LOG] > (size_t)FILES * 64, "changes are in the log when their process dies");
    start(r);
    CHECK(t, given(r) == FILES, "and there when the root is opened again");
    CHECK(t, length(r, "meta.db-log") == 0, "by then they are in the database");
    env_stop(&r->e);
    put_back(r, s);
    struct report report = check(r);
    CHECK(t, report.lines == 0 && length(r, "meta.db-log") == 0, "fsck takes them over, too");
    start(r);
    CHECK(t, given(r) == FILES, "and loses none");
    ISH_ASSERT(!env_chown(&r->e.root, file_name(0), 77, 0));
    env_stop(&r->e);
    CHECK(t, length(r, "meta.db-log") == 0, "a root that was closed has an empty log");

    put_part(r, LOG, s->data[LOG], s->size[LOG]);
    start(r);
    CHECK(t, owner(r, 0) == 77 && owner(r, 1) == 1001, "a log of an earlier time changes nothing");
    ISH_ASSERT(!env_chown(&r->e.root, file_name(1), 78, 0));
    env_stop(&r->e);
    start(r);
    CHECK(t, owner(r, 1) == 78, "and is in nobody's way");
    env_stop(&r->e);
}

static void test_read_only(struct tap *t, struct root *r, const struct saved *s)
{
    struct super *super;
    put_back(r, s);
    env_start(&r->e);
    ISH_ASSERT(!fakefs_create(r->e.vfs, temp_path(r->dir, r->name), NULL, r->why, &super) &&
               !vfs_mount(r->e.vfs, NULL, super, "none", "fakefs", MOUNT_RDONLY));
    struct path root;
    vfs_root(r->e.vfs, &root);
    r->e.root = (struct vfs_caller){r->e.vfs, r->e.root_cred, root, root, 022, NULL};
    CHECK(t, given(r) == FILES && env_chown(&r->e.root, file_name(0), 5, 5) == -LINUX_EROFS,
          "a read-only mount shows what is in the log");
    env_stop(&r->e);
}

static void test_torn(struct tap *t, struct root *r, const struct saved *s)
{
    bool prefix = true, quiet = true;
    int most = 0;
    for (size_t size = 0; size <= s->size[LOG]; size += size + 31 > s->size[LOG] ? 1 : 31) {
        put_back(r, s);
        put_part(r, LOG, s->data[LOG], size);
        start(r);
        int n = given(r);
        prefix &= n >= most && n <= most + 1;
        quiet &= !was_set_aside(r);
        most = n;
        env_stop(&r->e);
    }
    CHECK(t, prefix && most == FILES, "of a log that is cut, all changes before the cut count");
    CHECK(t, quiet, "a cut is no damage");
}

static void test_damaged(struct tap *t, struct root *r, const struct saved *s)
{
    bool prefix = true, aside = true, usable = true;
    for (size_t at = 0; at < s->size[LOG]; at += 61) {
        put_back(r, s);
        unsigned char *bad = malloc(s->size[LOG]);
        ISH_ASSERT(bad);
        memcpy(bad, s->data[LOG], s->size[LOG]);
        bad[at] ^= (unsigned char)(1u << at % 8);
        put_part(r, LOG, bad, s->size[LOG]);
        free(bad);
        if (at % 2) {
            struct report report = check(r);
            aside &= report.lines == 1 && report.aside == 1;
        }
        start(r);
        // Every change is one frame of the same length.
        prefix &= given(r) == (int)(at / (s->size[LOG] / FILES));
        aside &= was_set_aside(r);
        usable &= !env_chown(&r->e.root, file_name(FILES - 1), 99, 0);
        env_stop(&r->e);
        start(r);
        usable &= owner(r, FILES - 1) == 99;
        env_stop(&r->e);
    }
    CHECK(t, prefix, "of a damaged log, all changes before the damage count, and none after");
    CHECK(t, aside, "it is set aside, and fsck says so");
    CHECK(t, usable, "and the root goes on");

    put_back(r, s);
    size_t frame = s->size[LOG] / FILES;
    memmove(s->data[LOG] + frame, s->data[LOG] + 2 * frame, s->size[LOG] - 2 * frame);
    put_part(r, LOG, s->data[LOG], s->size[LOG] - frame);
    start(r);
    CHECK(t, given(r) == 1 && was_set_aside(r), "a change that is missing ends the log");
    env_stop(&r->e);
}

static void test_foreign(struct tap *t, struct root *r, struct root *other)
{
    struct saved s;
    make_root(other);
    die_after(other, give_all);
    save(other, &s);
    start(r);
    ISH_ASSERT(!env_chown(&r->e.root, file_name(0), 5, 5));
    env_stop(&r->e);
    unlink(in_root(r, "meta.db-log.aside"));
    put_part(r, LOG, s.data[LOG], s.size[LOG]);
    start(r);
    CHECK(t, owner(r, 0) == 5 && owner(r, 1) != 1001 && was_set_aside(r),
          "the log of another root is set aside");
    env_stop(&r->e);
    memset(s.data[LOG], 0, s.size[LOG]);
    put_part(r, LOG, s.data[LOG], s.size[LOG]);
    start(r);
    CHECK(t, owner(r, 0) == 5, "zeros are no changes");
    env_stop(&r->e);
    forget(&s);
    unlink(in_root(r, "meta.db-log"));
    ISH_ASSERT(!mkdir(in_root(r, "meta.db-log"), 0700));
    CHECK(t, try_start(r) < 0 && strstr(r->why, "meta.db-log"),
          "a log that cannot be opened is refused in words");
    env_stop(&r->e);
    ISH_ASSERT(!rmdir(in_root(r, "meta.db-log")));
}

static void change_much(const struct vfs_caller *c)
{
    for (uint32_t n = 0; n < 20000; n++)
        ISH_ASSERT(!env_chown(c, file_name((int)(n % FILES)), 5000 + n, 0));
}

static void change_in_all_ways(const struct vfs_caller *c)
{
    struct path p;
    ISH_ASSERT(!env_mkdir(c, "/dir", 01777) && !env_put(c, "/dir/a", "", 04755) &&
               !env_rename(c, "/dir", "/moved", 0) && !env_link(c, "/moved/a", "/b") &&
               !env_rename(c, "/moved/a", "/c", 0) && !vfs_unlink(c, NULL, file_name(0)) &&
               !env_put(c, file_name(0), "", 0644) && !vfs_mknod(c, NULL, "/null", 020666, 0x103));
    ISH_ASSERT(!path_walk(c, NULL, "/b", 0, &p));
    ISH_ASSERT(!vfs_setxattr(c, &p, "user.x", "old", 3, 0) && !env_chown(c, "/c", 7, 8) &&
               !vfs_setxattr(c, &p, "user.x", "new", 3, 0) && !env_chmod(c, "/b", 02750));
    path_put(&p);
}

static void test_kinds(struct tap *t, struct root *r)
{
    struct vfs_stat st, link;
    char value[8] = "";
    struct path p;
    die_after(r, change_much);
    CHECK(t, length(r, "meta.db-log") < LOG_MAX, "the log does not grow without end");
    start(r);
    bool all = true;
    for (uint32_t n = 20000 - FILES; n < 20000; n++)
        all &= owner(r, (int)(n % FILES)) == 5000 + n;
    CHECK(t, all, "what the database took over and what it did not are one");
    env_stop(&r->e);

    die_after(r, change_in_all_ways);
    struct report report = check(r);
    CHECK(t, report.lines == 0, "after changes of all kinds nothing is left to repair");
    start(r);
    const struct vfs_caller *c = &r->e.root;
    CHECK(t, env_mode(c, "/moved") == 041777 && env_mode(c, "/null") == 020666, "kinds and modes");
    CHECK(t,
          !env_stat(c, "/b", &st) && !env_stat(c, "/c", &link) && st.ino == link.ino &&
              st.uid == 7 && st.gid == 8 && st.mode == 0102750,
          "the owner and mode of a file with two names");
    ISH_ASSERT(!path_walk(c, NULL, "/c", 0, &p));
    CHECK(t, vfs_getxattr(c, &p, "user.x", value, sizeof value) == 3 && !strcmp(value, "new"),
          "and its attribute");
    path_put(&p);
    CHECK(t, owner(r, 0) == 0, "a file made anew has nothing of its predecessor");
    env_stop(&r->e);
}

int main(void)
{
    struct tap t = {0, 0};
    struct temp_dir dir;
    struct saved s;
    temp_dir_make(&dir);
    struct root root = {.dir = &dir, .name = "root"}, other = {.dir = &dir, .name = "other"};
    make_root(&root);
    die_after(&root, give_all);
    save(&root, &s);
    test_whole(&t, &root, &s);
    test_read_only(&t, &root, &s);
    test_torn(&t, &root, &s);
    test_damaged(&t, &root, &s);
    forget(&s);
    test_foreign(&t, &root, &other);
    test_kinds(&t, &root);
    ISH_ASSERT(!host_remove_tree(dir.path));
    return tap_finish(&t);
}
