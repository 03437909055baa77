// Names and attributes: making, linking, renaming, removing, stat in all its forms, directories.
#include "probe.h"
#include "work_dir.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define BAD ((void *)8)

static void touch(const char *name)
{
    close(open(name, O_CREAT | O_WRONLY, 0644));
}

static void show_stat(const char *name, const char *path, int flags)
{
    struct stat st;
    if (fstatat(AT_FDCWD, path, &st, flags))
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "mode %o links %d uid %d gid %d size %ld rdev %x", st.st_mode,
             (int)(S_ISDIR(st.st_mode) ? 0 : st.st_nlink), (int)st.st_uid, (int)st.st_gid,
             (long)(S_ISDIR(st.st_mode) ? 0 : st.st_size), (unsigned)st.st_rdev);
}

static void making(void)
{
    show_call("mkdir", mkdir("dir", 0777));
    show_call("mkdir again", mkdir("dir", 0777));
    show_call("mkdir dot", mkdir("dir/.", 0777));
    show_call("mkdir root", mkdir("/", 0777));
    show_call("mkdir missing parent", mkdir("no/dir", 0777));
    show_call("mkdir bad pointer", mkdir(BAD, 0777));
    show_call("mkdir slash", mkdir("dir2/", 01777));
    show_stat("dir", "dir", 0);
    show_stat("dir2", "dir2", 0);
    show_call("mknod fifo", mknod("fifo", S_IFIFO | 0666, 0));
    show_call("mknod socket", mknod("sock", S_IFSOCK | 0666, 0));
    show_call("mknod plain", mknod("plain", 0600, 0));
    show_call("mknod null", mknod("null", S_IFCHR | 0666, makedev(1, 3)));
    show_call("mknod directory", mknod("d3", S_IFDIR | 0666, 0));
    show_call("mknod unknown", mknod("d3", 0150000, 0));
    show_stat("fifo", "fifo", 0);
    show_stat("sock", "sock", 0);
    show_stat("plain", "plain", 0);
    show_stat("null", "null", 0);
    show_call("open a socket", open("sock", O_RDWR));
    int fd;
    show_call("symlink", symlink("target", "link"));
    show_call("symlink again", symlink("target", "link"));
    show_call("symlink empty", symlink("", "l2"));
    char buf[100] = {0};
    show_call("readlink", readlink("link", buf, 100));
    show_call("readlink short", readlink("link", buf, 3));
    show_call("readlink nothing", readlink("link", buf, 0));
    show_call("readlink file", readlink("plain", buf, 100));
    show_call("readlink bad pointer", readlink("link", BAD, 100));
    show_stat("link", "link", AT_SYMLINK_NOFOLLOW);
    show_stat("link followed", "link", 0);
    fd = open("link", O_PATH | O_NOFOLLOW);
    show_call("readlinkat of an O_PATH link", readlinkat(fd, "", buf, 100));
    close(fd);
    fd = open("plain", O_PATH);
    show_call("readlinkat of an O_PATH file", readlinkat(fd, "", buf, 100));
    close(fd);
}

static void linking(void)
{
    touch("f");
    show_call("link", link("f", "g"));
    show_stat("two links", "f", 0);
    show_call("link again", link("f", "g"));
    show_call("link directory", link("dir", "h"));
    show_call("link missing", link("missing", "h"));
    show_call("link a symlink", linkat(AT_FDCWD, "link", AT_FDCWD, "link2", 0));
    show_call("link what it points to",
              linkat(AT_FDCWD, "link", AT_FDCWD, "l3", AT_SYMLINK_FOLLOW));
    show_call("link bad flag", linkat(AT_FDCWD, "f", AT_FDCWD, "h", 1));
    int fd = open("f", O_RDONLY);
    show_call("link a descriptor", linkat(fd, "", AT_FDCWD, "h", AT_EMPTY_PATH));
    close(fd);
    show_call("unlink", unlink("g"));
    show_call("unlink missing", unlink("g"));
    show_call("unlink directory", unlink("dir"));
    show_call("unlink slash", unlink("f/"));
    show_call("unlinkat bad flag", unlinkat(AT_FDCWD, "f", 1));
    show_call("rmdir file", rmdir("f"));
    touch("dir/inside");
    show_call("rmdir full", rmdir("dir"));
    show_call("rmdir dot", rmdir("dir/."));
    show_call("rmdir dot dot", rmdir("dir/.."));
    show_call("rmdir root", rmdir("/"));
    unlink("dir/inside");
    show_call("rmdir", rmdir("dir"));
}

static void renaming(void)
{
    touch("a");
    touch("b");
    mkdir("d", 0755);
    mkdir("e", 0755);
    touch("e/x");
    show_call("rename", rename("a", "c"));
    show_call("rename over", rename("c", "b"));
    show_call("rename itself", rename("b", "b"));
    show_call("rename missing", rename("missing", "z"));
    show_call("rename file over directory", rename("b", "d"));
    show_call("rename directory over file", rename("d", "b"));
    show_call("rename over empty directory", rename("e", "d"));
    show_call("... inside", access("d/x", F_OK));
    mkdir("e", 0755);
    show_call("rename over full directory", rename("e", "d"));
    show_call("rename into itself", rename("d", "d/y"));
    show_call("rename dot", rename("d/.", "q"));
    show_call("rename slash", rename("b/", "q"));
    link("b", "b2");
    show_call("rename over the same file", rename("b", "b2"));
    show_call("... still there", access("b", F_OK));
    show_call("no replace", renameat2(AT_FDCWD, "b", AT_FDCWD, "b2", RENAME_NOREPLACE));
    show_call("no replace, free", renameat2(AT_FDCWD, "b2", AT_FDCWD, "b3", RENAME_NOREPLACE));
    show_call("exchange", renameat2(AT_FDCWD, "b3", AT_FDCWD, "d", RENAME_EXCHANGE));
    show_stat("b3", "b3", 0);
    show_call("exchange missing", renameat2(AT_FDCWD, "b3", AT_FDCWD, "zz", RENAME_EXCHANGE));
    show_call("bad flags", renameat2(AT_FDCWD, "b3", AT_FDCWD, "d", 3));
    show_call("unknown flags", renameat2(AT_FDCWD, "b3", AT_FDCWD, "d", 64));
    show_call("across mounts", rename("b3", "/proc/b3"));
}

static void modes(void)
{
    struct stat st;
    touch("m");
    show_call("chmod", chmod("m", 04751));
    show_stat("m", "m", 0);
    show_call("chmod through a link", chmod("link", 0600));
    int fd = open("m", O_RDWR);
    show_call("fchmod", fchmod(fd, 0170644));
    show_stat("m", "m", 0);
    show_call("chown", chown("m", 12, 34));
    show_stat("m", "m", 0);
    show_call("fchown -1", fchown(fd, -1, 56));
    show_stat("m", "m", 0);
    chmod("m", 06755);
    show_call("chown clears set-id", chown("m", 1, 1));
    show_stat("m", "m", 0);
    chmod("m", 02745);
    chown("m", 2, 2);
    show_stat("set-gid without x stays", "m", 0);
    show_call("lchown", lchown("link", 7, 8));
    show_stat("link", "link", AT_SYMLINK_NOFOLLOW);
    show_call("fchownat bad flag", fchownat(AT_FDCWD, "m", 0, 0, 1));
    show_call("fchownat empty path", fchownat(fd, "", 3, 4, AT_EMPTY_PATH));
    show_stat("m", "m", 0);
    chmod("m", 04755);
    write(fd, "x", 1);
    show_stat("root's write keeps set-uid", "m", 0);
    SHOW("umask", "%o", umask(0777));
    SHOW("umask", "%o", umask(022));
    int p[2];
    pipe(p);
    show_call("fchmod a pipe", fchmod(p[0], 0644));
    fstat(p[1], &st);
    SHOW("... mode", "%o", st.st_mode);
    show_call("fchown a pipe", fchown(p[0], 5, 6));
    closefrom(3);
}

static void access_rights(void)
{
    touch("r");
    chmod("r", 0444);
    show_call("root may write", access("r", W_OK));
    show_call("root may not execute", access("r", X_OK));
    show_call("exists", access("r", F_OK));
    show_call("bad mode", access("r", 8));
    show_call("missing", access("missing", F_OK));
    show_call("bad flag", syscall(SYS_faccessat2, AT_FDCWD, "r", 0, 1));
    show_call("link itself", faccessat(AT_FDCWD, "link", F_OK, AT_SYMLINK_NOFOLLOW));
    fflush(stdout);
    if (fork() == 0) {
        chmod(".", 0755);
        mkdir("closed", 0700);
        touch("closed/in");
        touch("theirs");
        chown("theirs", 1000, 1000);
        setgid(1000);
        setuid(1000);
        show_call("user: write", access("r", W_OK));
        show_call("user: open for writing", open("r", O_RDWR));
        show_call("user: chmod", chmod("r", 0777));
        show_call("user: chown", chown("theirs", 0, 0));
        show_call("user: chgrp to own", chown("theirs", -1, 1000));
        show_call("user: through a closed directory", access("closed/in", F_OK));
        show_call("user: unlink", unlink("r"));
        show_call("user: mkdir", mkdir("mine", 0777));
        show_call("user: mknod", mknod("dev", S_IFCHR, 0x103));
        show_call("user: chroot", chroot("."));
        show_call("user: utime now", utimensat(AT_FDCWD, "r", NULL, 0));
        struct timespec set[2] = {{1, 0}, {1, 0}};
        show_call("user: utime set", utimensat(AT_FDCWD, "r", set, 0));
        show_call("user: O_NOATIME", open("r", O_RDONLY | O_NOATIME));
        exit(0);
    }
    wait(NULL);
}

static void times(void)
{
    struct timespec ts[2] = {{1000, 5}, {2000, 999999999}};
    struct stat st;
    touch("t");
    show_call("utimensat", utimensat(AT_FDCWD, "t", ts, 0));
    stat("t", &st);
    SHOW("... times", "%ld.%ld %ld.%ld", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
         (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    ts[0].tv_nsec = UTIME_OMIT;
    ts[1] = (struct timespec){-5, 500000000};
    show_call("omit, before the epoch", utimensat(AT_FDCWD, "t", ts, 0));
    stat("t", &st);
    SHOW("... times", "%ld.%ld %ld.%ld", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
         (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    ts[0].tv_nsec = ts[1].tv_nsec = UTIME_OMIT;
    show_call("omit both of nothing", utimensat(AT_FDCWD, "missing", ts, 0));
    ts[0].tv_nsec = 1000000000;
    show_call("bad nanoseconds", utimensat(AT_FDCWD, "t", ts, 0));
    show_call("missing", utimensat(AT_FDCWD, "missing", NULL, 0));
    show_call("bad flag", utimensat(AT_FDCWD, "t", NULL, 1));
    show_call("no path", syscall(SYS_utimensat, AT_FDCWD, NULL, NULL, 0));
    int fd = open("t", O_RDWR);
    show_call("by descriptor", futimens(fd, NULL));
    show_call("by descriptor, flag", syscall(SYS_utimensat, fd, NULL, NULL, AT_SYMLINK_NOFOLLOW));
    show_call("by bad descriptor", syscall(SYS_utimensat, 99, NULL, NULL, 0));
    show_call("bad pointer", syscall(SYS_utimensat, AT_FDCWD, "t", BAD, 0));
    close(fd);
}

static void stats(void)
{
    struct stat st;
    struct statx sx;
    struct statfs fs;
    touch("s");
    show_call("stat bad pointer", syscall(SYS_newfstatat, AT_FDCWD, "s", BAD, 0));
    show_call("fstatat empty name", fstatat(AT_FDCWD, "", &st, 0));
    show_call("fstatat bad flag", fstatat(AT_FDCWD, "s", &st, 1));
    show_call("fstatat empty path of cwd", fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    int fd = open("s", O_PATH), p[2];
    pipe(p);
    show_call("fstatat empty path", fstatat(fd, "", &st, AT_EMPTY_PATH));
    show_call("fstatat empty path of a pipe", fstatat(p[0], "", &st, AT_EMPTY_PATH));
    SHOW("... mode", "%o blksize %d", st.st_mode, (int)st.st_blksize);
    struct stat other;
    fstat(p[1], &other);
    SHOW("... both ends", "%d", st.st_ino == other.st_ino && st.st_dev == other.st_dev);
    show_call("fstat bad fd", fstat(99, &st));
    show_call("statx", statx(AT_FDCWD, "s", 0, STATX_BASIC_STATS, &sx));
    SHOW("... mode", "%o links %d mask %x", sx.stx_mode, (int)sx.stx_nlink,
         (unsigned)(sx.stx_mask & STATX_BASIC_STATS));
    show_call("statx reserved mask", statx(AT_FDCWD, "s", 0, 0x80000000, &sx));
    show_call("statx bad flag", statx(AT_FDCWD, "s", 1, 0, &sx));
    show_call("statx both syncs", statx(AT_FDCWD, "s", 0x6000, 0, &sx));
    show_call("statfs", statfs(".", &fs));
    SHOW("... type", "%lx name %ld", (long)fs.f_type, (long)fs.f_namelen);
    show_call("statfs proc", statfs("/proc", &fs));
    SHOW("... type", "%lx", (long)fs.f_type);
    show_call("fstatfs pipe", fstatfs(p[0], &fs));
    SHOW("... type", "%lx", (long)fs.f_type);
    show_call("fstatfs bad fd", fstatfs(99, &fs));
    show_call("statfs missing", statfs("missing", &fs));
    closefrom(3);
}

struct entry {
    uint64_t ino;
    int64_t off;
    unsigned short len;
    unsigned char type;
    char name[];
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void directories(void)
{
    char buf[4096], *names[64];
    mkdir("list", 0755);
    chdir("list");
    touch("one");
    mkdir("two", 0755);
    symlink("x", "three");
    mknod("four", S_IFIFO | 0600, 0);
    int fd = open(".", O_RDONLY), n = 0;
    show_call("getdents small", syscall(SYS_getdents64, fd, buf, 10));
    show_call("getdents bad pointer", syscall(SYS_getdents64, fd, BAD, 4096));
    long len = syscall(SYS_getdents64, fd, buf, sizeof buf);
    lseek(fd, 0, SEEK_SET);
    len = syscall(SYS_getdents64, fd, buf, sizeof buf);
    for (long at = 0; at < len && n < 64;) {
        struct entry *e = (struct entry *)(void *)(buf + at);
        char text[300];
        snprintf(text, sizeof text, "%s type %d aligned %d", e->name, e->type, e->len % 8 == 0);
        names[n++] = strdup(text);
        at += e->len;
    }
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int i = 0; i < n; i++)
        SHOW("entry", "%s", names[i]);
    show_call("getdents at the end", syscall(SYS_getdents64, fd, buf, sizeof buf));
    touch("five");
    lseek(fd, 0, SEEK_SET);
    for (n = 0; syscall(SYS_getdents64, fd, buf, 32) > 0; n++)
        ;
    SHOW("one at a time", "%d", n);
    int file = open("one", O_RDONLY);
    show_call("getdents of a file", syscall(SYS_getdents64, file, buf, sizeof buf));
    show_call("getdents bad fd", syscall(SYS_getdents64, 99, buf, sizeof buf));
    mkdir("gone", 0755);
    int gone = open("gone", O_RDONLY);
    rmdir("gone");
    show_call("getdents of a removed directory", syscall(SYS_getdents64, gone, buf, sizeof buf));
    chdir("..");
    closefrom(3);
}

static void places(void)
{
    char buf[256];
    mkdir("w", 0755);
    mkdir("w/in", 0755);
    touch("w/file");
    show_call("chdir", chdir("w/in"));
    show_done("getcwd", syscall(SYS_getcwd, buf, sizeof buf));
    SHOW("... tail", "%s", buf + strlen(work_dir));
    show_call("getcwd short", syscall(SYS_getcwd, buf, 3));
    show_call("getcwd nothing", syscall(SYS_getcwd, buf, 0));
    show_call("getcwd bad pointer", syscall(SYS_getcwd, BAD, 100));
    show_call("chdir file", chdir("../file"));
    show_call("chdir missing", chdir("missing"));
    int fd = open("..", O_RDONLY), file = open("../file", O_RDONLY), path = open("..", O_PATH);
    show_call("fchdir file", fchdir(file));
    show_call("fchdir", fchdir(fd));
    show_call("fchdir O_PATH", fchdir(path));
    show_call("fchdir bad fd", fchdir(99));
    chdir("in");
    rmdir("../in");
    show_call("getcwd of a removed directory", syscall(SYS_getcwd, buf, sizeof buf));
    show_call("create in it", open("x", O_CREAT | O_RDWR, 0600));
    show_call("up from it", chdir(".."));
    fflush(stdout);
    if (fork() == 0) {
        mkdir("jail", 0755);
        show_call("chroot file", chroot("file"));
        show_call("chroot", chroot("jail"));
        syscall(SYS_getcwd, buf, sizeof buf);
        SHOW("getcwd outside the root", "%.13s", buf);
        chdir("/");
        show_call("up from the root", chdir("../../.."));
        show_done("getcwd", syscall(SYS_getcwd, buf, sizeof buf));
        SHOW("...", "%s", buf);
        exit(0);
    }
    wait(NULL);
    fchdir(fd);
    chdir("..");
    closefrom(3);
}

static void body(void)
{
    closefrom(3);
    enter_work_dir();
    making();
    linking();
    renaming();
    modes();
    access_rights();
    times();
    stats();
    directories();
    places();
    chdir(work_dir);
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
