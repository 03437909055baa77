// A loss of power takes what was not synced, and only that: test_fakefs_power [ROUNDS].
//
// A child changes owners, modes and attributes in a root whose database goes through a layer that
// forgets unsynced writes (lossy_vfs.h); now and then it calls fsync on some file. The power fails
// at a random write. What stood when an fsync returned, and was not touched since, must be there
// when the root is opened again.
#include "fs/fakefs/archive.h"
#include "fs/fakefs/fakefs.h"
#include "fs/fakefs/fsck.h"
#include "tests/unit/lossy_vfs.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"
#include <sys/mman.h>
#include <sys/wait.h>

enum { NAMES = 40, ROUNDS_DEFAULT = 40, WRITES_MAX = 400 };

struct state {
    bool exists, touched; // touched: since the last fsync
    uint32_t uid, mode, value;
};

// Seen by both processes.
struct shared {
    struct state now[NAMES], synced[NAMES];
    unsigned calls, syncs;
};

static void path_of(char out[32], unsigned name)
{
    snprintf(out, 32, "/d%u/f%u", name % 3, name);
}

static void start(struct env *e, const char *root)
{
    char why[FAKEFS_WHY_MAX];
    struct super *s;
    env_start(e);
    int err = fakefs_create(e->vfs, root, NULL, why, &s);
    if (err) {
        printf("# %s\n", why);
        exit(2);
    }
    env_mount_root(e, s, "fakefs");
    e->root.umask = 0;
}

static int set_value(const struct vfs_caller *c, const char *path, uint32_t value)
{
    struct path p;
    int err = path_walk(c, NULL, path, 0, &p);
    if (err)
        return err;
    err = vfs_setxattr(c, &p, "user.x", &value, sizeof value, 0);
    path_put(&p);
    return err;
}

static uint32_t get_value(const struct vfs_caller *c, const char *path)
{
    struct path p;
    uint32_t value = 0;
    if (path_walk(c, NULL, path, 0, &p))
        return 0;
    if (vfs_getxattr(c, &p, "user.x", &value, sizeof value) != (ssize_t)sizeof value)
        value = 0;
    path_put(&p);
    return value;
}

static void sync_one(struct env *e, struct shared *sh, const char *path)
{
    struct file *f = env_open(&e->root, path, LINUX_O_RDONLY, 0);
    if (!f)
        return;
    int err = file_fsync(f, false);
    file_put(f);
    if (err)
        _exit(3);
    for (unsigned i = 0; i < NAMES; i++)
        sh->now[i].touched = false;
    memcpy(sh->synced, sh->now, sizeof sh->synced);
    sh->syncs++;
}

static void one_change(struct env *e, struct shared *sh, unsigned *seed)
{
    char path[32];
    unsigned n = (unsigned)rand_r(seed) % NAMES, what = (unsigned)rand_r(seed) % 12;
    struct state *s = &sh->now[n];
    const struct vfs_caller *c = &e->root;
    path_of(path, n);
    if (what == 0) {
        sync_one(e, sh, path);
        return;
    }
    s->touched = sh->synced[n].touched = true;
    int err = 0;
    if (!s->exists) {
        uint32_t mode = rand_r(seed) % 2 ? 04711 : 0640;
        err = env_try_open(c, path, LINUX_O_RDWR | LINUX_O_CREAT | LINUX_O_EXCL, mode);
        *s = (struct state){true, true, 0, mode, 0};
    } else if (what == 1) {
        err = vfs_unlink(c, NULL, path);
        *s = (struct state){.touched = true};
    } else if (what < 5) {
        s->uid = 1000 + (unsigned)rand_r(seed) % 100;
        s->mode &= ~06000u;
        err = env_setattr(c, path, &(struct vfs_setattr){.mask = ATTR_UID, .uid = s->uid});
    } else if (what < 8) {
        s->mode = 04000 | ((unsigned)rand_r(seed) & 0777);
        err = env_chmod(c, path, s->mode);
    } else {
        s->value = 1 + (unsigned)rand_r(seed) % 1000;
        err = set_value(c, path, s->value);
    }
    if (err)
        _exit(4);
    sh->calls++;
}

static void child(const char *root, struct shared *sh, unsigned seed)
{
    struct lossy *l = calloc(1, sizeof *l);
    struct env e;
    ISH_ASSERT(l);
    lossy_start(l, seed * 31 + 7, -1);
    start(&e, root);
    l->writes_left = rand_r(&seed) % WRITES_MAX;
    for (;;)
        one_change(&e, sh, &seed);
}

static unsigned compare(struct env *e, struct shared *sh)
{
    unsigned wrong = 0;
    for (unsigned n = 0; n < NAMES; n++) {
        char path[32];
        struct vfs_stat st = {0};
        const struct state *s = &sh->synced[n];
        path_of(path, n);
        int err = env_stat(&e->root, path, &st);
        uint32_t value = err ? 0 : get_value(&e->root, path);
        bool same = s->exists ? !err && st.uid == s->uid && (st.mode & 07777) == s->mode &&
                                    value == s->value
                              : err == -LINUX_ENOENT;
        if (!s->touched && !same && wrong++ < 3)
            printf("# %s: error %d, owner %u mode %o value %u; synced: exists %d owner %u mode %o "
                   "value %u\n",
                   path, err, st.uid, st.mode, value, s->exists, s->uid, s->mode, s->value);
        // What was not synced is whatever it is.
        sh->now[n] = (struct state){!err, false, st.uid, st.mode & 07777, value};
    }
    memcpy(sh->synced, sh->now, sizeof sh->synced);
    return wrong;
}

static void print_finding(void *ctx, bool fixed, const char *line)
{
    (void)ctx, (void)fixed, (void)line;
}

int main(int argc, char **argv)
{
    struct tap t = {0, 0};
    struct temp_dir dir;
    char root[300], why[FAKEFS_WHY_MAX];
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS_DEFAULT;
    unsigned lost = 0, damaged = 0, left = 0;
    struct env e;
    struct shared *sh =
        mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
    ISH_ASSERT(sh != MAP_FAILED);
    temp_dir_make(&dir);
    snprintf(root, sizeof root, "%s", temp_path(&dir, "root"));
    ISH_ASSERT(!fakefs_format(root, why));
    start(&e, root);
    ISH_ASSERT(!env_mkdir(&e.root, "/d0", 0755) && !env_mkdir(&e.root, "/d1", 0700) &&
               !env_mkdir(&e.root, "/d2", 01777));
    env_stop(&e);
    for (long round = 0; round < rounds; round++) {
        int status = 0;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
            child(root, sh, (unsigned)round + 1);
        waitpid(pid, &status, 0);
        damaged += status != 0;
        struct fsck f = {.repair = true, .report = print_finding};
        left += fsck_run(&f, root) || f.left;
        start(&e, root);
        lost += compare(&e, sh);
        env_stop(&e);
    }
    printf("# %ld losses of power, %u calls, %u fsyncs\n", rounds, sh->calls, sh->syncs);
    CHECK(&t, damaged == 0, "until the power fails every call succeeds");
    CHECK(&t, sh->calls > rounds * 10 && sh->syncs > rounds, "there was something to lose");
    CHECK(&t, lost == 0, "nothing that an fsync had returned for is lost");
    CHECK(&t, left == 0, "fsck repairs what a loss of power leaves");
    ISH_ASSERT(!host_remove_tree(dir.path));
    return tap_finish(&t);
}
