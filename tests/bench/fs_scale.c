// What does not grow with what there is: fs_scale WHAT... in a scratch folder beneath $TMPDIR.
//
//   rename   a directory with 50,000 entries below costs what an empty one costs
//   mount    of 400,000 rows takes at most twice that of none
//   create   20,000 files by a user who is not root, a row each: at most twice the host's time
//   walk     1,500,000 files, each looked at: memory grows by less than 64 MiB
//
// Prints a table and fails when a figure is beyond its limit. Times of processor (of `create`: of
// the clock, because its writes are part of it), interleaved, the best of several; `walk` takes
// minutes and as many inodes of the host as files.
#include "fs/fakefs/db.h"
#include "fs/fakefs/fakefs.h"
#include "platform/clock.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUNDS = 5, CREATED = 20000, ROWS = 400000, BELOW = 50000, WALKED = 1500000 };
enum { PER_DIR = 1000 }; // files in one directory

struct scale {
    struct temp_dir dir;
    struct env e;
    bool failed;
};

static void start(struct scale *s, const char *root)
{
    char why[FAKEFS_WHY_MAX];
    struct super *super;
    env_start(&s->e);
    int err = fakefs_create(s->e.vfs, temp_path(&s->dir, root), NULL, why, &super);
    if (err) {
        fprintf(stderr, "fs_scale: %s\n", why);
        exit(1);
    }
    env_mount_root(&s->e, super, "fakefs");
}

static void make_root(struct scale *s, const char *root)
{
    char why[FAKEFS_WHY_MAX];
    ISH_ASSERT(!fakefs_format(temp_path(&s->dir, root), why));
}

static void show(struct scale *s, const char *what, double figure, double limit, const char *unit)
{
    s->failed |= figure > limit;
    printf("| %s | %.2f%s | %.2f%s |\n", what, figure, unit, limit, unit);
    fflush(stdout);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// Files on the host, PER_DIR to a directory.
static void make_files(const char *dir, unsigned count)
{
    char name[32];
    int fd = -1, top = open(dir, O_RDONLY | O_DIRECTORY);
    ISH_ASSERT(top >= 0);
    for (unsigned i = 0; i < count; i++) {
        if (i % PER_DIR == 0) {
            close(fd);
            snprintf(name, sizeof name, "%u", i / PER_DIR);
            ISH_ASSERT(!mkdirat(top, name, 0755));
            fd = openat(top, name, O_RDONLY | O_DIRECTORY);
        }
        snprintf(name, sizeof name, "file%u", i % PER_DIR);
        int file = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
        ISH_ASSERT(file >= 0);
        close(file);
    }
    close(fd);
    close(top);
}

// --- rename --------------------------------------------------------------------------------------

static uint64_t rename_time(struct scale *s, const char *from, const char *to)
{
    uint64_t begin = clock_thread_cpu_ns();
    ISH_ASSERT(!env_rename(&s->e.root, from, to, 0) && !env_rename(&s->e.root, to, from, 0));
    return (clock_thread_cpu_ns() - begin) / 2;
}

static void scale_rename(struct scale *s)
{
    uint64_t empty = UINT64_MAX, full = UINT64_MAX;
    char name[64];
    make_root(s, "rename");
    start(s, "rename");
    ISH_ASSERT(!env_mkdir(&s->e.root, "/empty", 0755) && !env_mkdir(&s->e.root, "/full", 0755));
    make_files(temp_path(&s->dir, "rename/data/full"), BELOW);
    // Some of them recorded, and some of them known.
    for (unsigned i = 0; i < BELOW / PER_DIR; i++) {
        snprintf(name, sizeof name, "/full/%u/file%u", i, i);
        ISH_ASSERT(!env_chown(&s->e.root, name, 1000, 1000));
    }
    for (int i = 0; i < 20 * ROUNDS; i++) {
        empty = least(empty, rename_time(s, "/empty", "/moved"));
        full = least(full, rename_time(s, "/full", "/moved"));
    }
    env_stop(&s->e);
    printf("# %.1f us and %.1f us\n", (double)empty / 1e3, (double)full / 1e3);
    show(s, "rename of a directory, 50,000 below / empty", (double)full / (double)empty, 1.25, "");
}

// --- mount ---------------------------------------------------------------------------------------

static void add_rows(struct scale *s, const char *db_path)
{
    char why[256], hint[64];
    struct db *db;
    ISH_ASSERT(!db_open(temp_path(&s->dir, db_path), false, why, sizeof why, &db) && !db_begin(db));
    for (uint64_t i = 0; i < ROWS; i++) {
        snprintf(hint, sizeof hint, "home/user/directory%u/file%u", (unsigned)(i / 100),
                 (unsigned)i);
        const struct db_row row = {.ino = (1u << 30) + i, .mode = 0100644, .uid = 1000};
        const struct db_hint h = {hint, strlen(hint), 0};
        ISH_ASSERT(!db_put_row(db, &row, &h));
    }
    ISH_ASSERT(!db_commit(db));
    db_close(db);
}

static uint64_t mount_time(struct scale *s, const char *root)
{
    struct vfs_stat st;
    uint64_t begin = clock_thread_cpu_ns();
    start(s, root);
    ISH_ASSERT(!env_stat(&s->e.root, "/", &st));
    uint64_t took = clock_thread_cpu_ns() - begin;
    env_stop(&s->e);
    return took;
}

static void scale_mount(struct scale *s)
{
    uint64_t none = UINT64_MAX, many = UINT64_MAX;
    make_root(s, "none");
    make_root(s, "many");
    mount_time(s, "many");
    add_rows(s, "many/meta.db");
    for (int i = 0; i < 4 * ROUNDS; i++) {
        none = least(none, mount_time(s, "none"));
        many = least(many, mount_time(s, "many"));
    }
    printf("# %.0f us and %.0f us\n", (double)none / 1e3, (double)many / 1e3);
    show(s, "mount, 400,000 rows / none", (double)many / (double)none, 2.0, "");
}

// --- create --------------------------------------------------------------------------------------

static uint64_t host_create(struct scale *s, int round)
{
    char name[32];
    snprintf(name, sizeof name, "host%d", round);
    const char *dir = temp_path(&s->dir, name);
    ISH_ASSERT(!mkdir(dir, 0755));
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    uint64_t begin = clock_monotonic_ns();
    for (int i = 0; i < CREATED; i++) {
        snprintf(name, sizeof name, "file%d", i);
        int file = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
        ISH_ASSERT(file >= 0);
        close(file);
    }
    uint64_t took = clock_monotonic_ns() - begin;
    close(fd);
    return took;
}

static uint64_t guest_create(struct scale *s, int round)
{
    char name[64], dir[32];
    snprintf(dir, sizeof dir, "/guest%d", round);
    ISH_ASSERT(!env_mkdir(&s->e.root, dir, 0777) && !env_chmod(&s->e.root, dir, 0777));
    uint64_t begin = clock_monotonic_ns();
    for (int i = 0; i < CREATED; i++) {
        snprintf(name, sizeof name, "%s/file%d", dir, i);
        ISH_ASSERT(
            !env_try_open(&s->e.user, name, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL, 0644));
    }
    return clock_monotonic_ns() - begin;
}

static void scale_create(struct scale *s)
{
    uint64_t host = UINT64_MAX, guest = UINT64_MAX;
    make_root(s, "create");
    start(s, "create");
    for (int i = 0; i < ROUNDS; i++) {
        host = least(host, host_create(s, i));
        guest = least(guest, guest_create(s, i));
    }
    env_stop(&s->e);
    printf("# %.0f ms and %.0f ms\n", (double)host / 1e6, (double)guest / 1e6);
    show(s, "20,000 files of a user / the host's", (double)guest / (double)host, 2.0, "");
}

// --- walk ----------------------------------------------------------------------------------------

static double resident_mib(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ISH_ASSERT(f && fscanf(f, "%lu %lu", &size, &resident) == 2);
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

struct visit {
    struct dir_sink sink;
    struct scale *s;
    struct path dir;
    unsigned files;
};

static bool visit_emit(struct dir_sink *sink, const char *name, size_t len, uint64_t ino,
                       uint8_t type, uint64_t next)
{
    struct visit *v = CONTAINER_OF(sink, struct visit, sink);
    (void)len, (void)ino, (void)type, (void)next;
    v->files += name[0] != '.';
    return true;
}

static void visit_dir(struct visit *v, unsigned d)
{
    char name[64];
    struct vfs_stat st;
    snprintf(name, sizeof name, "/%u", d);
    struct file *dir = env_open(&v->s->e.root, name, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
    ISH_ASSERT(dir && !file_readdir(dir, &v->sink));
    file_put(dir);
    for (unsigned i = 0; i < PER_DIR; i++) {
        snprintf(name, sizeof name, "/%u/file%u", d, i);
        ISH_ASSERT(!env_stat(&v->s->e.root, name, &st));
    }
}

static void scale_walk(struct scale *s)
{
    struct visit v = {.sink = {visit_emit}, .s = s};
    make_root(s, "walk");
    make_files(temp_path(&s->dir, "walk/data"), WALKED);
    start(s, "walk");
    double before = resident_mib(), most = before;
    uint64_t begin = clock_monotonic_ns();
    for (unsigned d = 0; d < WALKED / PER_DIR; d++) {
        visit_dir(&v, d);
        double now = resident_mib();
        most = now > most ? now : most;
    }
    printf("# %u files in %.1f s\n", v.files, (double)(clock_monotonic_ns() - begin) / 1e9);
    ISH_ASSERT(v.files == WALKED);
    env_stop(&s->e);
    show(s, "memory for a walk of 1,500,000 files", most - before, 64, " MiB");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct scale *s);
    } all[] = {{"rename", scale_rename},
               {"mount", scale_mount},
               {"create", scale_create},
               {"walk", scale_walk}};
    struct scale s = {.failed = false};
    temp_dir_make(&s.dir);
    printf("| what | figure | limit |\n|---|---:|---:|\n");
    for (int i = 1; i < argc; i++)
        for (size_t k = 0; k < ARRAY_LEN(all); k++)
            if (strcmp(argv[i], all[k].name) == 0)
                all[k].run(&s);
    temp_dir_remove(&s.dir);
    return s.failed;
}
