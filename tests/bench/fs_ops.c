// What file operations cost on a root, against the bare calls of the host: CPU time, interleaved,
// best of several. Prints a table; nothing is judged here.
#include "fs/fakefs/fakefs.h"
#include "platform/clock.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/vfs_env.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DIRS = 20, FILES = 100, ROUNDS = 7 };

struct bench {
    struct temp_dir dir;
    struct env e;
    int host_dirs[DIRS];
    char names[DIRS][FILES][64]; // guest paths, three directories deep
    char leaf[FILES][32];
};

typedef void pass(struct bench *b);

static void host_stat_pass(struct bench *b)
{
    struct stat st;
    for (int d = 0; d < DIRS; d++)
        for (int f = 0; f < FILES; f++)
            ISH_ASSERT(!fstatat(b->host_dirs[d], b->leaf[f], &st, AT_SYMLINK_NOFOLLOW));
}

static void guest_stat_pass(struct bench *b)
{
    struct vfs_stat st;
    for (int d = 0; d < DIRS; d++)
        for (int f = 0; f < FILES; f++)
            ISH_ASSERT(!env_stat(&b->e.root, b->names[d][f], &st));
}

static void host_open_pass(struct bench *b)
{
    struct stat st;
    for (int d = 0; d < DIRS; d++) {
        for (int f = 0; f < FILES; f++) {
            int fd = openat(b->host_dirs[d], b->leaf[f], O_RDONLY | O_NOFOLLOW);
            ISH_ASSERT(fd >= 0 && !fstat(fd, &st));
            close(fd);
        }
    }
}

static void guest_open_pass(struct bench *b)
{
    struct vfs_stat st;
    for (int d = 0; d < DIRS; d++) {
        for (int f = 0; f < FILES; f++) {
            struct file *file = env_open(&b->e.root, b->names[d][f], LINUX_O_RDONLY, 0);
            ISH_ASSERT(file && !vfs_getattr(&b->e.root, &file->path, &st));
            file_put(file);
        }
    }
}

static void host_list_pass(struct bench *b)
{
    char buf[32768];
    for (int d = 0; d < DIRS; d++) {
        int fd = openat(b->host_dirs[d], ".", O_RDONLY | O_DIRECTORY);
        while (syscall(SYS_getdents64, fd, buf, sizeof buf) > 0)
            ;
        close(fd);
    }
}

static void guest_list_pass(struct bench *b)
{
    for (int d = 0; d < DIRS; d++) {
        char name[32];
        snprintf(name, sizeof name, "/a/b/d%d", d);
        ISH_ASSERT(env_count(&b->e.root, name) >= FILES);
    }
}

static void host_create_pass(struct bench *b)
{
    char name[32];
    for (int f = 0; f < FILES; f++) {
        snprintf(name, sizeof name, "new%d", f);
        int fd = openat(b->host_dirs[0], name, O_RDWR | O_CREAT | O_EXCL, 0644);
        ISH_ASSERT(fd >= 0);
        close(fd);
        ISH_ASSERT(!unlinkat(b->host_dirs[0], name, 0));
    }
}

static void guest_create(struct bench *b, const struct vfs_caller *c)
{
    char name[64];
    for (int f = 0; f < FILES; f++) {
        snprintf(name, sizeof name, "/a/b/d0/new%d", f);
        ISH_ASSERT(!env_try_open(c, name, LINUX_O_RDWR | LINUX_O_CREAT | LINUX_O_EXCL, 0644));
        ISH_ASSERT(!vfs_unlink(c, NULL, name));
    }
    (void)b;
}

static void guest_create_pass(struct bench *b)
{
    guest_create(b, &b->e.root);
}

static void guest_create_owned_pass(struct bench *b)
{
    guest_create(b, &b->e.user);
}

static uint64_t timed(pass *run, struct bench *b)
{
    uint64_t start = clock_thread_cpu_ns();
    run(b);
    return clock_thread_cpu_ns() - start;
}

static void compare(struct bench *b, const char *what, pass *host, pass *guest, unsigned count)
{
    uint64_t best_host = UINT64_MAX, best_guest = UINT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t h = timed(host, b), g = timed(guest, b);
        best_host = h < best_host ? h : best_host;
        best_guest = g < best_guest ? g : best_guest;
    }
    printf("%-36s host %6.0f ns  guest %6.0f ns  %.2fx\n", what, (double)best_host / count,
           (double)best_guest / count, (double)best_guest / (double)best_host);
}

// The first stat of every name after a mount.
static void compare_cold(struct bench *b)
{
    uint64_t host = timed(host_stat_pass, b), best = UINT64_MAX;
    struct super *s;
    char why[FAKEFS_WHY_MAX];
    for (int i = 0; i < 3; i++) {
        env_stop(&b->e);
        env_start(&b->e);
        ISH_ASSERT(!fakefs_create(b->e.vfs, temp_path(&b->dir, "root"), NULL, why, &s));
        env_mount_root(&b->e, s, "fakefs");
        uint64_t g = timed(guest_stat_pass, b);
        best = g < best ? g : best;
    }
    printf("%-36s host %6.0f ns  guest %6.0f ns  %.2fx\n", "stat, name never seen before",
           (double)host / (DIRS * FILES), (double)best / (DIRS * FILES),
           (double)best / (double)host);
}

static void rename_times(struct bench *b)
{
    char name[64];
    uint64_t took[2];
    ISH_ASSERT(!env_mkdir(&b->e.root, "/empty", 0755) && !env_mkdir(&b->e.root, "/full", 0755));
    for (int d = 0; d < 50; d++) {
        snprintf(name, sizeof name, "/full/%d", d);
        ISH_ASSERT(!env_mkdir(&b->e.root, name, 0755));
        for (int f = 0; f < 100; f++) {
            snprintf(name, sizeof name, "/full/%d/%d", d, f);
            ISH_ASSERT(!env_put(&b->e.root, name, "", 0644));
        }
    }
    const char *names[2] = {"/empty", "/full"};
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s2", names[i]);
        took[i] = UINT64_MAX;
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t start = clock_thread_cpu_ns();
            ISH_ASSERT(!env_rename(&b->e.root, names[i], name, 0));
            ISH_ASSERT(!env_rename(&b->e.root, name, names[i], 0));
            uint64_t t = clock_thread_cpu_ns() - start;
            took[i] = t < took[i] ? t : took[i];
        }
    }
    printf("rename of a directory, two ways       empty %.1f us, with 5000 below %.1f us\n",
           (double)took[0] / 1000, (double)took[1] / 1000);
}

static void prepare(struct bench *b)
{
    char why[FAKEFS_WHY_MAX], name[64];
    struct super *s;
    temp_dir_make(&b->dir);
    ISH_ASSERT(!fakefs_format(temp_path(&b->dir, "root"), why));
    env_start(&b->e);
    ISH_ASSERT(!fakefs_create(b->e.vfs, temp_path(&b->dir, "root"), NULL, why, &s));
    env_mount_root(&b->e, s, "fakefs");
    ISH_ASSERT(!env_mkdir(&b->e.root, "/a", 0755) && !env_mkdir(&b->e.root, "/a/b", 0755));
    for (int d = 0; d < DIRS; d++) {
        snprintf(name, sizeof name, "/a/b/d%d", d);
        ISH_ASSERT(!env_mkdir(&b->e.root, name, 0777) && !env_chmod(&b->e.root, name, 0777));
        char host[sizeof name + sizeof "root/data"];
        snprintf(host, sizeof host, "root/data%s", name);
        b->host_dirs[d] = open(temp_path(&b->dir, host), O_RDONLY | O_DIRECTORY);
        for (int f = 0; f < FILES; f++) {
            snprintf(b->leaf[f], sizeof b->leaf[f], "file%d", f);
            snprintf(b->names[d][f], sizeof b->names[d][f], "%.40s/file%d", name, f);
            ISH_ASSERT(!env_put(&b->e.root, b->names[d][f], "", 0644));
        }
    }
}

int main(void)
{
    struct bench *b = calloc(1, sizeof *b);
    ISH_ASSERT(b);
    prepare(b);
    compare(b, "stat", host_stat_pass, guest_stat_pass, DIRS * FILES);
    compare(b, "open, fstat, close", host_open_pass, guest_open_pass, DIRS * FILES);
    compare(b, "readdir, an entry", host_list_pass, guest_list_pass, DIRS * FILES);
    compare(b, "create and remove, owner root", host_create_pass, guest_create_pass, FILES);
    compare(b, "create and remove, another owner", host_create_pass, guest_create_owned_pass,
            FILES);
    compare_cold(b);
    rename_times(b);
    env_stop(&b->e);
    temp_dir_remove(&b->dir);
    free(b);
    return 0;
}
