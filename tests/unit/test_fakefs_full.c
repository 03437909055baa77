// A root whose disk is full, or whose database fails: a call that cannot be recorded says so and
// changes nothing, what was acknowledged stays, and room made lets the guest go on.
#include "fs/fakefs/archive.h"
#include "fs/fakefs/fakefs.h"
#include "fs/vfs_core.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { FILES = 400 };

static void start(struct env *e, const char *root)
{
    char why[FAKEFS_WHY_MAX];
    struct super *super;
    env_start(e);
    ISH_ASSERT(!fakefs_create(e->vfs, root, NULL, why, &super));
    env_mount_root(e, super, "fakefs");
}

static void restart(struct env *e, const char *root)
{
    env_stop(e);
    start(e, root);
}

static const char *file_name(int i)
{
    static char name[32];
    snprintf(name, sizeof name, "/f%d", i);
    return name;
}

static void make_files(const struct vfs_caller *c)
{
    for (int i = 0; i < FILES; i++)
        ISH_ASSERT(!env_put(c, file_name(i), "", 0644));
}

// What each file's owner is, as far as calls said so.
static bool owners_are(const struct vfs_caller *c, const uint32_t *owners)
{
    struct vfs_stat st;
    for (int i = 0; i < FILES; i++)
        if (env_stat(c, file_name(i), &st) || st.uid != owners[i]) {
            printf("# %s: %u, and should be %u\n", file_name(i), st.uid, owners[i]);
            return false;
        }
    return true;
}

// Gives files away until a call fails; returns its error.
static int give_away(const struct vfs_caller *c, uint32_t *owners, int times)
{
    for (int i = 0; i < times; i++) {
        uint32_t uid = 1000 + (uint32_t)i;
        int err = env_chown(c, file_name(i % FILES), uid, 0);
        if (err)
            return err;
        owners[i % FILES] = uid;
    }
    return 0;
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    ISH_ASSERT(!getrlimit(RLIMIT_FSIZE, &limit));
    limit.rlim_cur = bytes;
    ISH_ASSERT(!setrlimit(RLIMIT_FSIZE, &limit));
}

// The host lets no file grow: for the database that is an error like a broken disk's.
static void test_failure(struct tap *t, const char *root)
{
    struct env e;
    uint32_t owners[FILES] = {0};
    start(&e, root);
    const struct vfs_caller *c = &e.root;
    make_files(c);
    limit_files(64 << 10);
    int err = give_away(c, owners, 100 * FILES);
    CHECK(t, err == -LINUX_EIO, "a change that cannot be recorded fails");
    CHECK(t, env_chown(c, "/f0", 5, 5) == -LINUX_EROFS, "and the root takes no more of them");
    CHECK(t, owners_are(c, owners), "what is shown is what was acknowledged");
    dentry_prune_super(c->vfs, c->root.mnt->super);
    CHECK(t, owners_are(c, owners), "also when it is looked up again");
    CHECK(t, !env_put(c, "/plain", "text", 0644) && env_holds(c, "/plain", "text"),
          "what needs no record goes on");
    CHECK(t, env_put(&e.user, "/users", "", 0644) < 0 && !env_exists(c, "/users"),
          "a file that needs one is not there");
    limit_files(RLIM_INFINITY);
    restart(&e, root);
    CHECK(t, owners_are(&e.root, owners), "nor is anything lost over a restart");
    CHECK(t, !env_chown(&e.root, "/f0", 5, 5), "after which changes are taken again");
    env_stop(&e);
}

static bool mount_small(const char *dir)
{
    bool own = !unshare(CLONE_NEWNS) || !unshare(CLONE_NEWUSER | CLONE_NEWNS);
    return own && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           !mount("none", dir, "tmpfs", 0, "size=3m,mode=777");
}

// Fills the disk to the last byte.
static void fill(const struct vfs_caller *c)
{
    static char block[4096];
    struct file *file = env_open(c, "/filler", LINUX_O_CREAT | LINUX_O_WRONLY, 0644);
    ISH_ASSERT(file);
    uint64_t at = 0;
    while (env_pwrite(file, block, sizeof block, at) == sizeof block)
        at += sizeof block;
    file_put(file);
}

// A process dies with changes the database does not have, and there is no room to give them to it.
static void test_full_restart(struct tap *t, const char *root)
{
    struct env e;
    uint32_t owners[FILES] = {0};
    int status;
    fflush(stdout);
    pid_t pid = fork();
    ISH_ASSERT(pid >= 0);
    if (pid == 0) {
        start(&e, root);
        ISH_ASSERT(!give_away(&e.root, owners, 3 * FILES));
        fill(&e.root);
        _exit(0);
    }
    ISH_ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
    for (int i = 0; i < FILES; i++)
        owners[i] = 1000 + 2 * FILES + (uint32_t)i;
    start(&e, root);
    CHECK(t, owners_are(&e.root, owners), "a full disk keeps nobody from what a crash left");
    int err = give_away(&e.root, owners, 100 * FILES);
    CHECK(t, !err || err == -LINUX_ENOSPC, "nor from being told that there is no room");
    CHECK(t, owners_are(&e.root, owners), "and nothing is shown that was not acknowledged");
    restart(&e, root);
    CHECK(t, owners_are(&e.root, owners), "then and the next time");
    ISH_ASSERT(!vfs_unlink(&e.root, NULL, "/filler"));
    CHECK(t, !give_away(&e.root, owners, 50), "until there is room");
    restart(&e, root);
    CHECK(t, owners_are(&e.root, owners), "and all of it is kept");
    env_stop(&e);
}

static void test_full_disk(struct tap *t, const char *dir)
{
    struct env e;
    char root[400], why[FAKEFS_WHY_MAX];
    uint32_t owners[FILES] = {0};
    if (!mount_small(dir)) {
        printf("ok %d - a full disk # SKIP no mounts are allowed here\n", ++t->run);
        return;
    }
    snprintf(root, sizeof root, "%s/small", dir);
    ISH_ASSERT(!fakefs_format(root, why));
    start(&e, root);
    const struct vfs_caller *c = &e.root;
    make_files(c);
    ISH_ASSERT(!give_away(c, owners, 20));
    fill(c);
    CHECK(t, env_put(c, "/more", "text", 0644) == -LINUX_ENOSPC, "a full disk takes no contents");
    CHECK(t, give_away(c, owners, 100 * FILES) == -LINUX_ENOSPC, "nor, in the end, owners");
    CHECK(t, owners_are(c, owners), "what is shown is what was acknowledged");
    dentry_prune_super(c->vfs, c->root.mnt->super);
    CHECK(t, owners_are(c, owners), "also when it is looked up again");
    ISH_ASSERT(!vfs_unlink(c, NULL, "/filler"));
    CHECK(t, !give_away(c, owners, 50), "with room again, changes are taken again");
    CHECK(t, owners_are(c, owners), "and shown");
    restart(&e, root);
    CHECK(t, owners_are(&e.root, owners), "and kept");
    env_stop(&e);
    test_full_restart(t, root);
    ISH_ASSERT(!umount(dir));
}

int main(void)
{
    struct tap t = {0, 0};
    struct temp_dir dir;
    char root[300], small[300], why[FAKEFS_WHY_MAX];
    signal(SIGXFSZ, SIG_IGN);
    temp_dir_make(&dir);
    snprintf(root, sizeof root, "%s", temp_path(&dir, "root"));
    snprintf(small, sizeof small, "%s", temp_path(&dir, "disk"));
    ISH_ASSERT(!fakefs_format(root, why) && !mkdir(small, 0777));
    test_failure(&t, root);
    test_full_disk(&t, small);
    ISH_ASSERT(!host_remove_tree(dir.path));
    return tap_finish(&t);
}
