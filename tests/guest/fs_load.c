// A random load of file-system changes with a journal, for tests that kill ish in the middle:
//   fs_load run SEED   three processes change things below /w until they are killed. Each writes to
//                      stdout "? WORKER CALL A [B]" before a call, and after it what it did:
//                      "S PATH INODE MODE UID GID RDEV SIZE ATTR", "D PATH", "R FROM TO" or
//                      "X ONE OTHER", with "= WORKER" at the end; each as one write.
//   fs_load list       "S ..." for everything below /w, and "! PATH CALL ERRNO" for what fails.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { WORKERS = 3, DIRS = 4, NAMES = 10 };

struct out {
    char text[4000];
    size_t len;
};

static void put(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    o->len += (size_t)vsnprintf(o->text + o->len, sizeof o->text - o->len, format, args);
    va_end(args);
}

static void flush(struct out *o)
{
    if (o->len > 0 && write(1, o->text, o->len) != (ssize_t)o->len)
        _exit(3);
    o->len = 0;
}

static void put_state(struct out *o, const char *path)
{
    struct stat st;
    char value[64] = "-";
    if (lstat(path, &st)) {
        put(o, "! %s lstat %d\n", path, errno);
        return;
    }
    ssize_t n = lgetxattr(path, "trusted.t", value, sizeof value - 1);
    if (n >= 0)
        value[n] = 0;
    else if (errno != ENODATA)
        put(o, "! %s lgetxattr %d\n", path, errno);
    put(o, "S %s %llu %o %u %u %llu %lld %s\n", path, (unsigned long long)st.st_ino, st.st_mode,
        st.st_uid, st.st_gid, (unsigned long long)st.st_rdev,
        S_ISREG(st.st_mode) ? (long long)st.st_size : 0, value);
}

static void list(const char *path)
{
    struct out o = {.len = 0};
    DIR *dir = opendir(path);
    struct dirent *e;
    if (!dir) {
        put(&o, "! %s opendir %d\n", path, errno);
        flush(&o);
        return;
    }
    while ((e = readdir(dir))) {
        char child[512];
        struct stat st;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        put_state(&o, child);
        flush(&o);
        if (!lstat(child, &st) && S_ISDIR(st.st_mode))
            list(child);
    }
    closedir(dir);
}

static uint32_t random_state;
static unsigned pick(unsigned n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

static void pick_name(unsigned worker, char out[64])
{
    if (pick(4) == 0)
        snprintf(out, 64, "/w/%u/n%u", worker, pick(NAMES));
    else
        snprintf(out, 64, "/w/%u/d%u/n%u", worker, pick(DIRS), pick(NAMES));
}

static int make_unnamed(unsigned worker, const char *path, mode_t mode, unsigned uid)
{
    char dir[32], self[64];
    snprintf(dir, sizeof dir, "/w/%u", worker);
    int fd = open(dir, O_TMPFILE | O_RDWR, mode);
    if (fd < 0)
        return -1;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    int err = fchown(fd, uid, uid + 1);
    if (!err)
        err = linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
    close(fd);
    return err;
}

static int make_file(const char *path, mode_t mode)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, mode);
    if (fd < 0)
        return -1;
    if (write(fd, "some text", pick(10)) < 0)
        return -1;
    return close(fd);
}

// Both names are of the same kind of thing: slots of one directory, or directories.
static int move(struct out *o, unsigned worker, const char *what, unsigned flags)
{
    char a[64], b[64];
    if (pick(4) == 0) {
        snprintf(a, sizeof a, "/w/%u/d%u", worker, pick(DIRS));
        snprintf(b, sizeof b, "/w/%u/d%u", worker, pick(DIRS));
    } else {
        pick_name(worker, a);
        pick_name(worker, b);
    }
    struct stat before, after;
    put(o, "? %u %s %s %s\n", worker, what, a, b);
    flush(o);
    // Two names of one object stay as they are, and no error is given.
    int same = !lstat(a, &before) && !lstat(b, &after) && before.st_ino == after.st_ino;
    int err = (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
    if (!err && !same)
        put(o, "%s %s %s\n", flags & RENAME_EXCHANGE ? "X" : "R", a, b);
    return err;
}

static int change(struct out *o, unsigned worker, const char *what, const char *a, const char *b)
{
    mode_t mode = pick(010000);
    unsigned uid = pick(5) * 1000;
    char value[16];
    if (!strcmp(what, "create"))
        return make_file(a, mode);
    if (!strcmp(what, "tmpfile"))
        return make_unnamed(worker, a, mode, uid);
    if (!strcmp(what, "mknod"))
        return mknod(a, (pick(2) ? S_IFCHR : S_IFBLK) | mode, makedev(pick(300), pick(70000)));
    if (!strcmp(what, "mkfifo"))
        return mkfifo(a, mode);
    if (!strcmp(what, "symlink"))
        return symlink("target", a);
    if (!strcmp(what, "link"))
        return link(b, a);
    if (!strcmp(what, "mkdir"))
        return mkdir(a, mode);
    if (!strcmp(what, "chown"))
        return lchown(a, uid, pick(5) * 100);
    if (!strcmp(what, "chmod"))
        return chmod(a, mode);
    if (!strcmp(what, "truncate"))
        return truncate(a, pick(10000));
    snprintf(value, sizeof value, "v%u", pick(1000));
    return lsetxattr(a, "trusted.t", value, strlen(value), 0);
}

static void one_call(struct out *o, unsigned worker)
{
    static const char *const calls[] = {"create",  "create",   "tmpfile",  "mknod", "mkfifo",
                                        "symlink", "link",     "chown",    "chown", "chmod",
                                        "chmod",   "truncate", "setxattr", "remove"};
    char a[64], b[64];
    unsigned kind = pick(18);
    if (kind >= 14) {
        if (kind == 14)
            move(o, worker, "exchange", RENAME_EXCHANGE);
        else
            move(o, worker, "rename", kind == 15 ? RENAME_NOREPLACE : 0);
        put(o, "= %u\n", worker);
        flush(o);
        return;
    }
    pick_name(worker, a);
    pick_name(worker, b);
    if (kind >= 7 && pick(8) == 0)
        snprintf(a, sizeof a, "/w/%u/d%u", worker, pick(DIRS));
    put(o, "? %u %s %s %s\n", worker, calls[kind], a, b);
    flush(o);
    if (kind == 13) {
        if (!remove(a))
            put(o, "D %s\n", a);
    } else if (!change(o, worker, calls[kind], a, b)) {
        put_state(o, a);
    }
    put(o, "= %u\n", worker);
    flush(o);
}

static void make_dirs(struct out *o, unsigned worker)
{
    char dir[64];
    for (int i = -1; i < DIRS; i++) {
        snprintf(dir, sizeof dir, i < 0 ? "/w/%u" : "/w/%u/d%d", worker, i);
        put(o, "? %u mkdir %s -\n", worker, dir);
        flush(o);
        if (!mkdir(dir, 0755))
            put_state(o, dir);
        put(o, "= %u\n", worker);
        flush(o);
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    umask(0);
    mkdir("/w", 0755);
    if (argc < 3) {
        list("/w");
        return 0;
    }
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        if (fork())
            continue;
        struct out o = {.len = 0};
        random_state = (uint32_t)strtoul(argv[2], NULL, 10) * 7919u + worker;
        make_dirs(&o, worker);
        for (unsigned i = 0;; i++) {
            if (i % 50 == 49)
                make_dirs(&o, worker);
            one_call(&o, worker);
        }
    }
    while (wait(NULL) > 0)
        ;
    return 0;
}
