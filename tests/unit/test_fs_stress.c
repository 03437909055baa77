// Many threads change the same few names: no call fails in a way one thread alone could not
// explain, and what is left is consistent. test_fs_stress tmpfs|fakefs [SECONDS [SEED]].
#include "fs/fakefs/archive.h"
#include "fs/fakefs/fakefs.h"
#include "fs/fakefs/fsck.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "tests/unit/tap.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"

enum { THREADS = 4, DIRS = 3, NAMES = 6 };

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Bytes of one file, written and read by threads that do not agree on an order: as it should be.
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:write_page\nrace:tmpfs_read\nrace:zero_part\n";
}
#endif
#endif

struct shared {
    struct env e;
    uint64_t deadline;
    _Atomic unsigned calls, unexpected;
};

struct worker {
    struct shared *s;
    unsigned seed;
};

static unsigned pick(struct worker *w, unsigned n)
{
    return (unsigned)rand_r(&w->seed) % n;
}

// "/d1/n4", "/d1/n4/n2", or sometimes a directory itself.
static const char *name(struct worker *w, char buf[64])
{
    unsigned d = pick(w, DIRS), n = pick(w, NAMES), m = pick(w, NAMES);
    switch (pick(w, 4)) {
    case 0:
        snprintf(buf, 64, "/d%u/n%u/n%u", d, n, m);
        break;
    case 1:
        snprintf(buf, 64, "/d%u/n%u/../n%u", d, n, m);
        break;
    default:
        snprintf(buf, 64, "/d%u/n%u", d, n);
    }
    return buf;
}

static void allow(struct worker *w, const char *what, int err, const int *allowed)
{
    atomic_fetch_add(&w->s->calls, 1);
    if (err >= 0)
        return;
    for (; *allowed; allowed++)
        if (-err == *allowed)
            return;
    if (atomic_fetch_add(&w->s->unexpected, 1) < 10)
        printf("# %s: unexpected error %d\n", what, err);
}
#define ALLOW(what, expr, ...) allow(w, what, expr, (const int[]){__VA_ARGS__, 0})

static int write_and_read(struct worker *w, const char *path)
{
    struct file *f;
    char buf[64], text[64];
    int err = vfs_open(&w->s->e.root, NULL, path, LINUX_O_RDWR | LINUX_O_CREAT, 0644, 0, &f);
    if (err)
        return err;
    memset(text, 'a' + (int)pick(w, 26), sizeof text);
    ssize_t n = env_pwrite(f, text, sizeof text, pick(w, 3) * 5000);
    if (n == (ssize_t)sizeof text)
        n = env_pread(f, buf, sizeof buf, 0);
    if (n >= 0 && pick(w, 4) == 0)
        n = file_truncate(&w->s->e.root, f, pick(w, 9000));
    struct frame *page;
    if (n >= 0 && !file_get_page(f, 0, &page))
        frame_put(page);
    file_put(f);
    return n < 0 ? (int)n : 0;
}

static int list(struct worker *w, const char *path)
{
    int n = env_count(&w->s->e.root, path);
    return n == -1 ? 0 : n;
}

static int stat_it(struct worker *w, const char *path)
{
    struct vfs_stat st;
    struct path p;
    char buf[256];
    int err = path_walk(&w->s->e.root, NULL, path, 0, &p);
    if (err)
        return err;
    err = vfs_getattr(&w->s->e.root, &p, &st);
    path_name(&p, &w->s->e.root.root, buf, sizeof buf);
    path_put(&p);
    return err;
}

static void one_call(struct worker *w)
{
    const struct vfs_caller *c = &w->s->e.root;
    char a[64], b[64];
    name(w, a);
    name(w, b);
    switch (pick(w, 13)) {
    case 0:
    case 1:
        ALLOW("write", write_and_read(w, a), LINUX_ENOENT, LINUX_ENOTDIR, LINUX_EISDIR,
              LINUX_ELOOP);
        break;
    case 2:
        ALLOW("mkdir", env_mkdir(c, a, 0755), LINUX_ENOENT, LINUX_ENOTDIR, LINUX_EEXIST,
              LINUX_ELOOP);
        break;
    case 3:
        ALLOW("unlink", vfs_unlink(c, NULL, a), LINUX_ENOENT, LINUX_ENOTDIR, LINUX_EISDIR,
              LINUX_ELOOP);
        break;
    case 4:
        ALLOW("rmdir", vfs_rmdir(c, NULL, a), LINUX_ENOENT, LINUX_ENOTDIR, LINUX_ENOTEMPTY,
              LINUX_ELOOP);
        break;
    case 5:
    case 6:
        ALLOW("rename", env_rename(c, a, b, pick(w, 5) == 0 ? LINUX_RENAME_EXCHANGE : 0),
              LINUX_ENOENT, LINUX_ENOTDIR, LINUX_EISDIR, LINUX_ENOTEMPTY, LINUX_EINVAL,
              LINUX_ELOOP);
        break;
    case 7:
        ALLOW("link", env_link(c, a, b), LINUX_ENOENT, LINUX_ENOTDIR, LINUX_EEXIST, LINUX_EPERM,
              LINUX_ELOOP);
        break;
    case 8:
        ALLOW("symlink", vfs_symlink(c, b, NULL, a), LINUX_ENOENT, LINUX_ENOTDIR, LINUX_EEXIST,
              LINUX_ELOOP);
        break;
    case 9:
        ALLOW("chown", env_chown(c, a, pick(w, 3), pick(w, 3)), LINUX_ENOENT, LINUX_ENOTDIR,
              LINUX_ELOOP);
        break;
    case 10:
        ALLOW("list", list(w, a), LINUX_ENOENT, LINUX_ENOTDIR, LINUX_ELOOP);
        break;
    case 11:
        ALLOW("chmod", env_chmod(c, a, pick(w, 2) ? 0755 : 04710), LINUX_ENOENT, LINUX_ENOTDIR,
              LINUX_ELOOP, LINUX_EOPNOTSUPP);
        break;
    default:
        ALLOW("stat", stat_it(w, a), LINUX_ENOENT, LINUX_ENOTDIR, LINUX_ELOOP);
    }
}

static void work(void *arg)
{
    struct worker *w = arg;
    while (clock_monotonic_ns() < w->s->deadline)
        one_call(w);
}

// A directory still to be looked through: trees grow deep, so no recursion.
struct pending {
    struct pending *next;
    struct path dir;
};

static void push(struct pending **stack, const struct path *dir)
{
    struct pending *p = malloc(sizeof *p);
    ISH_ASSERT(p);
    *p = (struct pending){*stack, *dir};
    *stack = p;
}

static unsigned check_entry(struct shared *s, const struct path *dir, const char *name,
                            struct pending **stack)
{
    struct path p;
    struct vfs_stat st;
    int err = path_walk(&s->e.root, dir, name, 0, &p);
    if (err) {
        printf("# %s is listed, and looking it up says %d\n", name, err);
        return 1;
    }
    err = vfs_getattr(&s->e.root, &p, &st);
    if (err)
        printf("# %s is listed, and stat says %d\n", name, err);
    if (!err && LINUX_S_ISDIR(st.mode))
        push(stack, &p);
    else
        path_put(&p);
    return err ? 1 : 0;
}

static unsigned check_dir(struct shared *s, const struct path *dir, struct pending **stack)
{
    struct env_list l = {.sink = {env_list_emit}};
    struct file *file;
    if (vfs_open_path(&s->e.root, dir, LINUX_O_RDONLY, &file))
        return 1;
    unsigned wrong = file_readdir(file, &l.sink) ? 1 : 0;
    file_put(file);
    for (char *at = l.names, *end; (end = strchr(at, '\n')); at = end + 1) {
        *end = 0;
        if (strcmp(at, ".") != 0 && strcmp(at, "..") != 0)
            wrong += check_entry(s, dir, at, stack);
    }
    return wrong;
}

// Every name of every directory can be looked up.
static unsigned check_tree(struct shared *s)
{
    struct pending *stack = NULL;
    unsigned wrong = 0, dirs = 0;
    path_get(&s->e.root.root);
    push(&stack, &s->e.root.root);
    while (stack) {
        struct pending *p = stack;
        stack = p->next;
        wrong += check_dir(s, &p->dir, &stack);
        dirs++;
        path_put(&p->dir);
        free(p);
    }
    printf("# %u directories\n", dirs);
    return wrong;
}

static void print_finding(void *ctx, bool fixed, const char *line)
{
    (void)ctx, (void)fixed;
    printf("# fsck: %s\n", line);
}

static void start(struct shared *s, const char *kind, const char *root)
{
    struct super *super;
    char why[FAKEFS_WHY_MAX];
    env_start(&s->e);
    if (root)
        ISH_ASSERT(!fakefs_create(s->e.vfs, root, NULL, why, &super));
    else
        ISH_ASSERT(!tmpfs_create(s->e.vfs, 0, 0755, &super));
    env_mount_root(&s->e, super, kind);
}

int main(int argc, char **argv)
{
    struct tap t = {0, 0};
    struct temp_dir dir = {""};
    struct shared s = {.calls = 0};
    char root[300], why[FAKEFS_WHY_MAX], name[8];
    bool fakefs = argc > 1 && !strcmp(argv[1], "fakefs");
    uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 2;
    if (fakefs) {
        temp_dir_make(&dir);
        snprintf(root, sizeof root, "%s", temp_path(&dir, "root"));
        ISH_ASSERT(!fakefs_format(root, why));
    }
    start(&s, "stress", fakefs ? root : NULL);
    for (int i = 0; i < DIRS; i++) {
        snprintf(name, sizeof name, "/d%d", i);
        ISH_ASSERT(!env_mkdir(&s.e.root, name, 0755));
    }
    unsigned seed = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : (unsigned)clock_realtime_ns();
    printf("# seed %u\n", seed);
    s.deadline = clock_monotonic_ns() + seconds * NSEC_PER_SEC;
    struct worker w[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){&s, seed + (unsigned)i};
        ISH_ASSERT(!thread_start_joinable(work, &w[i], "stress", &threads[i]));
    }
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    printf("# %u calls\n", atomic_load(&s.calls));
    CHECK(&t, atomic_load(&s.unexpected) == 0, "no call fails without a reason");
    CHECK(&t, check_tree(&s) == 0, "every name that is listed is there");
    env_stop(&s.e);
    if (fakefs) {
        struct fsck f = {.report = print_finding};
        CHECK(&t, !fsck_run(&f, root) && f.left == 0, "the records fit the files");
        start(&s, "stress", root);
        CHECK(&t, check_tree(&s) == 0, "and after a restart");
        env_stop(&s.e);
        ISH_ASSERT(!host_remove_tree(dir.path));
    }
    return tap_finish(&t);
}
