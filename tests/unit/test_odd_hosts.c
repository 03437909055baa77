// Roots on hosts whose file systems are odd: they work, or say what is missing.
#include "fs/fakefs/archive.h"
#include "fs/fakefs/fsck.h"
#include "fs/fakefs/machine.h"
#include "fs/host/host_fs.h"
#include "tests/unit/odd_host.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"
#include <sys/wait.h>

static char why[FAKEFS_WHY_MAX];

static int make_root(const struct temp_dir *dir, const char *name)
{
    return fakefs_format(temp_path(dir, name), why);
}

struct name_set {
    struct dir_sink sink;
    char names[64][256];
    unsigned count;
};

static bool take(struct dir_sink *sink, const char *name, size_t len, uint64_t ino, uint8_t type,
                 uint64_t next)
{
    struct name_set *set = (struct name_set *)sink;
    (void)ino, (void)type, (void)next;
    if (set->count < 64 && name[0] != '.')
        snprintf(set->names[set->count++], 256, "%.*s", (int)len, name);
    return true;
}

static bool lists(const struct vfs_caller *c, const char *dir, const char *name)
{
    struct name_set set = {.sink = {take}};
    struct file *file;
    bool found = false;
    if (vfs_open(c, NULL, dir, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0, 0, &file))
        return false;
    while (!file_readdir(file, &set.sink) && set.count > 0 && !found) {
        for (unsigned i = 0; i < set.count; i++)
            found |= strcmp(set.names[i], name) == 0;
        set.count = 0;
    }
    file_put(file);
    return found;
}

// --- Names ---------------------------------------------------------------------------------------

static void test_spelling(struct tap *t)
{
    static const char *const names[] = {"plain",     "Makefile", "100%", "%a",  "%A", "\xc3\xa9",
                                        "e\xcc\x81", "\xff\x80", "a%2b", "ALL", "%%", "%"};
    char spelt[256], folded[20][512], back[256];
    bool same = true, apart = true, plain = true;
    size_t count = sizeof names / sizeof *names;
    for (size_t i = 0; i < count; i++) {
        same &= !host_name_escape(names[i], spelt) && host_name_unescape(spelt, back) &&
                strcmp(back, names[i]) == 0;
        for (const char *p = spelt; *p; p++)
            plain &= (unsigned char)*p < 0x80 && !(*p >= 'A' && *p <= 'Z');
        odd_fold(spelt, folded[i]);
        for (size_t k = 0; k < i; k++)
            apart &= strcmp(folded[i], folded[k]) != 0;
    }
    CHECK(t, same, "every name comes back from its spelling");
    CHECK(t, apart && plain, "and no two spellings fold into each other");
    CHECK(t,
          !host_name_unescape("README", back) && !host_name_unescape("%", back) &&
              !host_name_unescape("%8", back) && !host_name_unescape("%9f", back) &&
              !host_name_unescape("x%\xc3", back),
          "what is no spelling is told from one");
}

static void use_names(struct tap *t, const struct vfs_caller *c)
{
    struct path p;
    CHECK(t,
          !env_put(c, "/name", "small", 0644) && !env_put(c, "/NAME", "large", 0600) &&
              !env_put(c, "/\xc3\xa9", "one letter", 0644) &&
              !env_put(c, "/e\xcc\x81", "two", 0644) && !env_mkdir(c, "/Dir", 0755) &&
              !env_mkdir(c, "/dir", 0700),
          "names that differ in case or normalization are made");
    CHECK(t,
          env_holds(c, "/name", "small") && env_holds(c, "/NAME", "large") &&
              env_holds(c, "/\xc3\xa9", "one letter") && env_holds(c, "/e\xcc\x81", "two"),
          "and are different files");
    CHECK(t, !env_exists(c, "/Name") && !env_exists(c, "/DIR"), "a third case is not there");
    CHECK(t, lists(c, "/", "NAME") && lists(c, "/", "name") && lists(c, "/", "\xc3\xa9"),
          "directories list them as they are");
    CHECK(t,
          !vfs_rename(c, NULL, "/name", NULL, "/Dir/Name", 0) &&
              env_holds(c, "/Dir/Name", "small") && !env_exists(c, "/Dir/name"),
          "renames keep them apart");
    CHECK(t,
          !vfs_rename(c, NULL, "/Dir/Name", NULL, "/Dir/nAME", 0) && lists(c, "/Dir", "nAME") &&
              !lists(c, "/Dir", "Name"),
          "a rename may change the case alone");
    CHECK(t, !env_chown(c, "/NAME", 7, 8) && !vfs_symlink(c, "Dir", NULL, "/Link"),
          "owners, links");
    CHECK(t, env_holds(c, "/Link/nAME", "small"), "a symlink leads to the name it says");
    ISH_ASSERT(!path_walk(c, NULL, "/Dir/nAME", 0, &p));
    CHECK(t, !vfs_link(c, &p, NULL, "/Dir/NAME") && env_holds(c, "/Dir/NAME", "small"),
          "hard links too");
    path_put(&p);
    CHECK(t, !vfs_unlink(c, NULL, "/Dir/NAME") && env_holds(c, "/Dir/nAME", "small"),
          "removing one leaves the other");
}

static void test_folding(struct tap *t)
{
    struct temp_dir dir;
    struct machine m;
    struct vfs_stat st;
    odd = (struct odd_host){.folds = true};
    temp_dir_make(&dir);
    CHECK(t, !make_root(&dir, "root"), "a host that folds names can hold a root");
    ISH_ASSERT(!machine_start(&m, temp_path(&dir, "root"), why));
    use_names(t, &m.caller);
    char long_name[260] = "/";
    memset(long_name + 1, 'x', 250);
    CHECK(t, !env_put(&m.caller, long_name, "", 0644), "long names are made");
    memset(long_name + 1, 'X', 250);
    CHECK(t, env_put(&m.caller, long_name, "", 0644) == -LINUX_ENAMETOOLONG,
          "but not when their spelling is too long");
    machine_stop(&m);
    int fd = host_open_dir_path(temp_path(&dir, "root/data"));
    host_close(host_open(fd, "README", LINUX_O_WRONLY | LINUX_O_CREAT, 0644));
    host_close(fd);

    // A copy: rows are found again by the host's spellings.
    ISH_ASSERT(!host_rename_path(temp_path(&dir, "root"), temp_path(&dir, "was")));
    char command[1200];
    snprintf(command, sizeof command, "cp -a %s %s", temp_path(&dir, "was"),
             temp_path(&dir, "root"));
    ISH_ASSERT(system(command) == 0);
    CHECK(t, !machine_start(&m, temp_path(&dir, "root"), why), "a copy of it is one");
    CHECK(t, !env_stat(&m.caller, "/NAME", &st) && st.uid == 7 && st.gid == 8,
          "and knows its owners again");
    CHECK(t, !lists(&m.caller, "/", "README") && !env_exists(&m.caller, "/README"),
          "what others put there under a name that is no spelling is not shown");
    machine_stop(&m);
    struct fsck f = {.repair = false};
    CHECK(t, !fsck_run(&f, temp_path(&dir, "root")) && f.left == 0, "it checks clean");
    odd = (struct odd_host){.folds = false};
    CHECK(t,
          !machine_start(&m, temp_path(&dir, "root"), why) &&
              env_holds(&m.caller, "/NAME", "large"),
          "a host that does not fold can use it, too");
    machine_stop(&m);
    temp_dir_remove(&dir);
}

static void test_moved(struct tap *t)
{
    struct temp_dir dir;
    struct machine m;
    char command[1200];
    odd = (struct odd_host){.folds = false};
    temp_dir_make(&dir);
    ISH_ASSERT(!make_root(&dir, "here") && !machine_start(&m, temp_path(&dir, "here"), why));
    ISH_ASSERT(!env_put(&m.caller, "/Name", "x", 0644));
    machine_stop(&m);
    snprintf(command, sizeof command, "cp -a %s %s", temp_path(&dir, "here"),
             temp_path(&dir, "there"));
    ISH_ASSERT(system(command) == 0);
    odd.folds = true;
    CHECK(t,
          machine_start(&m, temp_path(&dir, "there"), why) == -LINUX_EOPNOTSUPP &&
              strstr(why, "unfakefsify"),
          "a root that came to a host that folds is refused, and what to do is said");
    odd.folds = false;
    CHECK(t, !machine_start(&m, temp_path(&dir, "there"), why), "and unharmed");
    machine_stop(&m);
    temp_dir_remove(&dir);
}

// --- What is missing -----------------------------------------------------------------------------

static void refused(struct tap *t, struct odd_host host, const char *said, const char *what)
{
    struct temp_dir dir;
    odd = host;
    temp_dir_make(&dir);
    CHECK(t, make_root(&dir, "root") == -LINUX_EOPNOTSUPP && strstr(why, said), what);
    odd = (struct odd_host){.folds = false};
    temp_dir_remove(&dir);
}

static void test_refusals(struct tap *t)
{
    refused(t, (struct odd_host){.ino_per_stat = true}, "no lasting numbers",
            "a host without lasting inode numbers is refused");
    refused(t, (struct odd_host){.ino_zero = true}, "no lasting numbers",
            "a host without inode numbers is refused");
    refused(t, (struct odd_host){.no_modes = true}, "permissions",
            "a host that keeps no permissions is refused");
    refused(t, (struct odd_host){.no_symlinks = true}, "symbolic links",
            "a host without symbolic links is refused");
}

static void test_poor(struct tap *t)
{
    struct temp_dir dir;
    struct machine m;
    struct vfs_stat st;
    struct path p;
    struct file *file;
    char buf[8];
    odd = (struct odd_host){.no_links = true,
                            .no_xattrs = true,
                            .no_exchange = true,
                            .no_holes = true,
                            .no_births = true,
                            .name_max = 100};
    temp_dir_make(&dir);
    CHECK(t, !make_root(&dir, "root") && !machine_start(&m, temp_path(&dir, "root"), why),
          "a host without hard links, attributes, holes, birth times holds a root");
    const struct vfs_caller *c = &m.caller;
    CHECK(t, !env_put(c, "/file", "text", 0640) && !env_chown(c, "/file", 5, 6),
          "files have owners");
    ISH_ASSERT(!path_walk(c, NULL, "/file", 0, &p));
    CHECK(t, vfs_link(c, &p, NULL, "/other") == -LINUX_EPERM && !env_exists(c, "/other"),
          "hard links are refused as Linux does it there");
    CHECK(t,
          !vfs_setxattr(c, &p, "user.a", "v", 1, 0) && vfs_getxattr(c, &p, "user.a", buf, 8) == 1,
          "attributes are kept all the same");
    path_put(&p);
    ISH_ASSERT(!env_put(c, "/second", "2", 0644));
    CHECK(t, vfs_rename(c, NULL, "/file", NULL, "/second", LINUX_RENAME_EXCHANGE) == -LINUX_EINVAL,
          "names do not change places where the host cannot");
    CHECK(t,
          vfs_rename(c, NULL, "/file", NULL, "/second", LINUX_RENAME_NOREPLACE) == -LINUX_EEXIST &&
              !vfs_rename(c, NULL, "/file", NULL, "/third", LINUX_RENAME_NOREPLACE),
          "but are not replaced where that is forbidden");
    char long_name[130] = "/";
    memset(long_name + 1, 'l', 120);
    CHECK(t, env_put(c, long_name, "", 0644) == -LINUX_ENAMETOOLONG, "long names are refused");
    ISH_ASSERT(!vfs_open(c, NULL, "/third", LINUX_O_RDWR, 0, 0, &file));
    CHECK(t,
          file_fallocate(m.cred, file, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, 0,
                         4096) == -LINUX_EOPNOTSUPP &&
              file_seek(file, 0, LINUX_SEEK_END) == 4,
          "holes are refused, and nothing happens to the file");
    file_put(file);
    machine_stop(&m);
    CHECK(t,
          !machine_start(&m, temp_path(&dir, "root"), why) && !env_stat(&m.caller, "/third", &st) &&
              st.uid == 5 && st.gid == 6,
          "owners are there again the next time");
    machine_stop(&m);
    temp_dir_remove(&dir);
}

// --- Crashes in the middle of a rename -----------------------------------------------------------

static void rename_and_die(const struct temp_dir *dir, unsigned at)
{
    struct machine m;
    odd = (struct odd_host){.die_at = at};
    if (!machine_start(&m, temp_path(dir, "root"), why) &&
        !vfs_rename(&m.caller, NULL, "/from", NULL, "/to", LINUX_RENAME_WHITEOUT))
        machine_stop(&m);
    _exit(0);
}

// Crashed at rename number `at` of the host or not, the root is as before or after.
static bool crash_at(unsigned at, bool *died, bool *clean)
{
    struct temp_dir dir;
    struct machine m;
    struct vfs_stat st;
    int status = 0;
    odd = (struct odd_host){.die_at = 0};
    temp_dir_make(&dir);
    ISH_ASSERT(!make_root(&dir, "root") && !machine_start(&m, temp_path(&dir, "root"), why));
    ISH_ASSERT(!env_put(&m.caller, "/from", "text", 0644));
    machine_stop(&m);
    pid_t pid = fork();
    if (pid == 0)
        rename_and_die(&dir, at);
    ISH_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    *died = WEXITSTATUS(status) == 7;
    ISH_ASSERT(!machine_start(&m, temp_path(&dir, "root"), why));
    bool hole = !env_stat(&m.caller, "/from", &st) && (st.mode & LINUX_S_IFMT) == LINUX_S_IFCHR &&
                st.rdev == 0;
    bool moved = env_holds(&m.caller, "/to", "text");
    bool whole = moved != env_holds(&m.caller, "/from", "text") && (*died || (hole && moved));
    *clean = env_count(&m.caller, "/") == 2 + moved + (env_exists(&m.caller, "/from") ? 1 : 0);
    machine_stop(&m);
    struct fsck f = {.repair = false};
    *clean &= !fsck_run(&f, temp_path(&dir, "root")) && f.left == 0;
    temp_dir_remove(&dir);
    return whole;
}

static void test_whiteout_crash(struct tap *t)
{
    bool all_whole = true, all_clean = true, died, clean;
    unsigned at = 0, deaths = 0;
    do {
        all_whole &= crash_at(++at, &died, &clean);
        all_clean &= clean;
        deaths += died;
    } while (died && at < 10);
    CHECK(t, deaths == 2 && !died, "a rename with a whiteout is two renames of the host");
    CHECK(t, all_whole, "a crash at either loses nothing");
    CHECK(t, all_clean, "and leaves nothing else behind");
}

// --- A host whose clock stands still -------------------------------------------------------------

static int find_handle(const struct vfs_caller *c, const struct vfs_handle *h)
{
    struct path found;
    int err = vfs_handle_find(c, &c->root, h, &found);
    if (!err)
        path_put(&found);
    return err;
}

// Birth times tell nothing, as within one tick of a coarse clock, and inode numbers come back.
static void test_handles(struct tap *t)
{
    struct temp_dir dir;
    struct machine m;
    bool held = true, stale = true;
    odd = (struct odd_host){.no_births = true};
    temp_dir_make(&dir);
    ISH_ASSERT(!make_root(&dir, "root") && !machine_start(&m, temp_path(&dir, "root"), why));
    const struct vfs_caller *c = &m.caller;
    for (int i = 0; i < 50; i++) {
        struct vfs_handle h;
        struct path p;
        ISH_ASSERT(!env_put(c, "/first", "", 0644) && !path_walk(c, NULL, "/first", 0, &p) &&
                   !vfs_handle_make(&p, &h));
        path_put(&p);
        held &= !find_handle(c, &h);
        ISH_ASSERT(!vfs_unlink(c, NULL, "/first") && !env_put(c, "/second", "", 0644));
        stale &= find_handle(c, &h) == -LINUX_ESTALE;
        ISH_ASSERT(!vfs_unlink(c, NULL, "/second"));
    }
    CHECK(t, held, "a handle leads to its file");
    CHECK(t, stale, "and never to another that got the inode number");
    machine_stop(&m);
    temp_dir_remove(&dir);
}

// --- A host that counts --------------------------------------------------------------------------

static void test_questions(struct tap *t)
{
    struct temp_dir dir;
    struct machine m;
    char name[32];
    bool made = true;
    odd = (struct odd_host){.asked = 0};
    temp_dir_make(&dir);
    ISH_ASSERT(!make_root(&dir, "root") && !machine_start(&m, temp_path(&dir, "root"), why));
    ISH_ASSERT(!env_mkdir(&m.caller, "/d", 0755) && env_exists(&m.caller, "/d"));
    odd.asked = 0;
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "/d/f%d", i);
        made &= !env_try_open(&m.caller, name, LINUX_O_WRONLY | LINUX_O_CREAT, 0644);
    }
    CHECK(t, made && odd.asked == 0, "a file is made without asking whether it is there");
    machine_stop(&m);
    temp_dir_remove(&dir);
}

int main(void)
{
    struct tap tap = {0, 0};
    test_spelling(&tap);
    test_folding(&tap);
    test_moved(&tap);
    test_refusals(&tap);
    test_poor(&tap);
    test_whiteout_crash(&tap);
    test_handles(&tap);
    test_questions(&tap);
    return tap_finish(&tap);
}
