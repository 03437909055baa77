// What files promise beyond reading and writing: unnamed files, set-id bits, sticky directories,
// extended attributes, holes, preallocation, copies in the kernel, locks, openat2.
// files [DIR]: works in a directory of its own in DIR, or on a tmpfs.
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define BAD ((void *)8)

static char here[300];

static int make(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0644);
    if (write(fd, text, strlen(text)) < 0)
        abort();
    return fd;
}

static void show_mode(const char *name, const char *path)
{
    struct stat st;
    if (lstat(path, &st))
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "mode %o uid %d gid %d links %d size %ld", st.st_mode, (int)st.st_uid,
             (int)st.st_gid, (int)(S_ISDIR(st.st_mode) ? 0 : st.st_nlink),
             (long)(S_ISDIR(st.st_mode) ? 0 : st.st_size));
}

static void as_user(unsigned uid, unsigned gid, void (*body)(void))
{
    IN_CHILD("user", {
        if (syscall(SYS_setgroups, 0, NULL) || setgid(gid) || setuid(uid))
            abort();
        body();
    });
}

// --- O_TMPFILE -----------------------------------------------------------------------------------

static void unnamed(void)
{
    char self[64];
    struct stat st;
    int fd = open(".", O_TMPFILE | O_RDWR, 0666);
    show_done("O_TMPFILE", fd);
    fstat(fd, &st);
    SHOW("... links, mode", "%d %o", (int)st.st_nlink, st.st_mode);
    show_call("... write", write(fd, "unnamed", 7));
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    show_call("... link by /proc", linkat(AT_FDCWD, self, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    show_mode("named", "named");
    show_call("... again", linkat(fd, "", AT_FDCWD, "named2", AT_EMPTY_PATH));
    show_mode("named2", "named2");
    unlink("named");
    unlink("named2");
    fstat(fd, &st);
    SHOW("... links after unlink", "%d", (int)st.st_nlink);
    show_call("... link what has gone", linkat(fd, "", AT_FDCWD, "named3", AT_EMPTY_PATH));
    close(fd);
    fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    show_call("O_EXCL: link", linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
    close(fd);
    show_call("read only", open(".", O_TMPFILE | O_RDONLY, 0600));
    close(make("plain", ""));
    show_call("in a file", open("plain", O_TMPFILE | O_RDWR, 0600));
    show_call("in nothing", open("missing", O_TMPFILE | O_RDWR, 0600));
}

// --- Owners and set-id bits ----------------------------------------------------------------------

static void user_in_setgid(void)
{
    mkdir("sg/user_dir", 0777);
    close(open("sg/user_file", O_CREAT | O_RDWR, 0666));
    close(open("sg/user_sgid", O_CREAT | O_RDWR, 02775));
    mknod("sg/user_fifo", S_IFIFO | 02666, 0);
    show_mode("directory", "sg/user_dir");
    show_mode("file", "sg/user_file");
    show_mode("set-gid file", "sg/user_sgid");
    show_mode("fifo", "sg/user_fifo");
    show_call("chmod g+s of a strange group", chmod("sg/user_file", 02755));
    show_mode("...", "sg/user_file");
    show_call("chgrp to a strange group", chown("sg/user_file", -1, 77));
}

static void setgid_directories(void)
{
    mkdir("sg", 0777);
    chown("sg", 5, 77);
    chmod("sg", 02777);
    mkdir("sg/dir", 0755);
    close(open("sg/file", O_CREAT | O_RDWR, 0644));
    symlink("x", "sg/link");
    show_mode("directory in a set-gid one", "sg/dir");
    show_mode("file", "sg/file");
    show_mode("link", "sg/link");
    int fd = open("sg", O_TMPFILE | O_RDWR, 0666);
    struct stat st;
    fstat(fd, &st);
    SHOW("unnamed file", "gid %d", (int)st.st_gid);
    close(fd);
    as_user(1000, 1000, user_in_setgid);
}

static void user_in_sticky(void)
{
    close(open("st/mine", O_CREAT | O_RDWR, 0666));
    show_call("unlink other's", unlink("st/roots"));
    show_call("rename other's", rename("st/roots", "st/x"));
    show_call("rename over other's", rename("st/mine", "st/roots"));
    show_call("exchange with other's",
              renameat2(AT_FDCWD, "st/mine", AT_FDCWD, "st/roots", RENAME_EXCHANGE));
    show_call("rmdir other's", rmdir("st/dir"));
    show_call("rename mine", rename("st/mine", "st/mine2"));
    show_call("unlink mine", unlink("st/mine2"));
}
static void owner_of_sticky(void)
{
    show_call("directory's owner unlinks", unlink("st/roots"));
}

static void sticky_directories(void)
{
    mkdir("st", 0777);
    mkdir("st/dir", 0777);
    close(open("st/roots", O_CREAT | O_RDWR, 0666));
    chown("st", 1001, 1001);
    chmod("st", 01777);
    chmod("st/roots", 0666);
    as_user(1000, 1000, user_in_sticky);
    as_user(1001, 1001, owner_of_sticky);
}

static void user_writes_setid(void)
{
    int fd = open("theirs", O_RDWR);
    show_call("write nothing", write(fd, "", 0));
    show_mode("...", "theirs");
    show_call("write", write(fd, "x", 1));
    show_mode("...", "theirs");
    chmod("theirs", 06777);
    show_call("truncate", ftruncate(fd, 0));
    show_mode("...", "theirs");
    chmod("theirs", 06777);
    close(open("theirs", O_WRONLY | O_TRUNC));
    show_mode("O_TRUNC", "theirs");
    chmod("theirs", 06767);
    show_call("write, no group x", write(fd, "x", 1));
    show_mode("...", "theirs");
    chmod("theirs", 06777);
    show_call("fallocate", fallocate(fd, 0, 0, 100));
    show_mode("...", "theirs");
    chmod("theirs", 06777);
    show_call("chown to oneself", chown("theirs", 1000, 1000));
    show_mode("...", "theirs");
    chmod("theirs", 06777);
    show_call("chown of nothing", chown("theirs", -1, -1));
    show_mode("...", "theirs");
    chmod("theirs", 06777);
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    show_call("touch", utimensat(AT_FDCWD, "theirs", now, 0));
    show_mode("...", "theirs");
}

static void set_ids(void)
{
    close(make("theirs", "text"));
    chown("theirs", 1000, 1000);
    chmod("theirs", 06777);
    as_user(1000, 1000, user_writes_setid);
    close(make("roots", "text"));
    chmod("roots", 06777);
    int fd = open("roots", O_RDWR);
    write(fd, "x", 1);
    show_mode("root writes", "roots");
    chown("roots", 0, 0);
    show_mode("root chowns", "roots");
    mkdir("sgd", 0755);
    chmod("sgd", 06755);
    chown("sgd", 3, 3);
    show_mode("chown of a directory", "sgd");
    close(fd);
}

// --- Extended attributes -------------------------------------------------------------------------

static void user_attributes(void)
{
    char buf[100];
    show_call("user: trusted", setxattr("attr", "trusted.x", "v", 1, 0));
    show_call("user: get trusted", getxattr("attr", "trusted.t", buf, sizeof buf));
    show_call("user: security", setxattr("attr", "security.x", "v", 1, 0));
    show_call("user: capability", setxattr("attr", "security.capability", "v", 1, 0));
    show_call("user: not mine", setxattr("attr", "user.x", "v", 1, 0));
    ssize_t n = listxattr("attr", buf, sizeof buf);
    SHOW("user: sees trusted", "%d", n > 0 && memmem(buf, (size_t)n, "trusted.t", 9) != NULL);
}

static void attributes(void)
{
    char buf[300], long_name[300];
    int fd = make("attr", "text");
    memset(long_name, 'n', sizeof long_name);
    memcpy(long_name, "user.", 5);
    show_call("set", setxattr("attr", "user.a", "value", 5, 0));
    show_call("get", getxattr("attr", "user.a", buf, sizeof buf));
    show_call("size", getxattr("attr", "user.a", NULL, 0));
    show_call("too small", getxattr("attr", "user.a", buf, 3));
    show_call("none", getxattr("attr", "user.b", buf, sizeof buf));
    show_call("create again", setxattr("attr", "user.a", "v", 1, XATTR_CREATE));
    show_call("replace nothing", setxattr("attr", "user.b", "v", 1, XATTR_REPLACE));
    show_call("both", setxattr("attr", "user.b", "v", 1, XATTR_CREATE | XATTR_REPLACE));
    show_call("replace", setxattr("attr", "user.a", "other", 5, XATTR_REPLACE));
    show_call("bad flags", setxattr("attr", "user.a", "v", 1, 8));
    show_call("empty value", setxattr("attr", "user.e", "", 0, 0));
    show_call("... get", getxattr("attr", "user.e", buf, sizeof buf));
    show_call("no name", setxattr("attr", "", "v", 1, 0));
    show_call("name space only", setxattr("attr", "user.", "v", 1, 0));
    show_call("no name space", setxattr("attr", "plain", "v", 1, 0));
    show_call("strange name space", setxattr("attr", "other.a", "v", 1, 0));
    long_name[255] = 0;
    show_call("longest name", setxattr("attr", long_name, "v", 1, 0));
    show_call("remove it", removexattr("attr", long_name));
    long_name[255] = 'n', long_name[256] = 0;
    show_call("too long name", setxattr("attr", long_name, "v", 1, 0));
    show_call("too big", setxattr("attr", "user.big", BAD, 65537, 0));
    show_call("bad value", setxattr("attr", "user.a", BAD, 5, 0));
    show_call("bad name", setxattr("attr", BAD, "v", 1, 0));
    show_call("bad buffer", getxattr("attr", "user.a", BAD, 5));
    show_call("trusted", setxattr("attr", "trusted.t", "v", 1, 0));
    show_call("security", setxattr("attr", "security.s", "v", 1, 0));
    show_call("by descriptor", fsetxattr(fd, "user.f", "v", 1, 0));
    show_call("... get", fgetxattr(fd, "user.f", buf, sizeof buf));
    show_call("remove", removexattr("attr", "user.f"));
    show_call("remove again", removexattr("attr", "user.f"));
    show_call("missing file", setxattr("missing", "user.a", "v", 1, 0));
    symlink("attr", "attr_link");
    show_call("of a link's target", getxattr("attr_link", "user.a", buf, sizeof buf));
    show_call("user of a link", lsetxattr("attr_link", "user.a", "v", 1, 0));
    show_call("trusted of a link", lsetxattr("attr_link", "trusted.a", "v", 1, 0));
    show_call("... get", lgetxattr("attr_link", "trusted.a", buf, sizeof buf));
    mkfifo("attr_fifo", 0600);
    show_call("user of a fifo", setxattr("attr_fifo", "user.a", "v", 1, 0));
    show_call("get user of a fifo", getxattr("attr_fifo", "user.a", buf, sizeof buf));
    show_call("trusted of a fifo", setxattr("attr_fifo", "trusted.a", "v", 1, 0));
    mkdir("attr_dir", 0755);
    show_call("of a directory", setxattr("attr_dir", "user.a", "v", 1, 0));
    int path = open("attr", O_PATH);
    show_call("O_PATH", fgetxattr(path, "user.a", buf, sizeof buf));
    show_call("list too small", listxattr("attr", buf, 3));
    show_call("list of nothing", listxattr("missing", buf, sizeof buf));
    show_call("list bad descriptor", flistxattr(99, buf, sizeof buf));
    as_user(1000, 1000, user_attributes);
    chmod("attr", 0666);
    link("attr", "attr_other");
    rename("attr", "attr_moved");
    show_call("by another name", getxattr("attr_other", "user.a", buf, sizeof buf));
    close(path);
    close(fd);
}

// --- Holes ---------------------------------------------------------------------------------------

enum { BLOCK = 4096 };

static void holes(void)
{
    int fd = make("holes", "");
    pwrite(fd, "x", 1, 4 * BLOCK + 10);
    pwrite(fd, "y", 1, 9 * BLOCK);
    ftruncate(fd, 20 * BLOCK);
    show_call("data from 0", lseek(fd, 0, SEEK_DATA));
    show_call("hole from 0", lseek(fd, 0, SEEK_HOLE));
    show_call("hole in data", lseek(fd, 4 * BLOCK + 10, SEEK_HOLE));
    show_call("data in data", lseek(fd, 4 * BLOCK + 20, SEEK_DATA));
    show_call("data after", lseek(fd, 5 * BLOCK, SEEK_DATA));
    show_call("no more data", lseek(fd, 10 * BLOCK, SEEK_DATA));
    show_call("last hole", lseek(fd, 10 * BLOCK, SEEK_HOLE));
    show_call("at the end", lseek(fd, 20 * BLOCK, SEEK_HOLE));
    show_call("beyond", lseek(fd, 21 * BLOCK, SEEK_HOLE));
    show_call("negative", lseek(fd, -1, SEEK_DATA));
    show_call("bad whence", lseek(fd, 0, 9));
    close(fd);
}

static void show_text(const char *name, int fd, off_t at, size_t n)
{
    char buf[64] = {0};
    ssize_t got = pread(fd, buf, n, at);
    for (ssize_t i = 0; i < got; i++)
        buf[i] = buf[i] ? buf[i] : '.';
    SHOW(name, "%ld %s", (long)got, buf);
}

static void preallocation(void)
{
    struct stat st;
    int fd = make("space", "0123456789");
    const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    show_call("one byte punched", fallocate(fd, punch, 3, 1));
    show_text("...", fd, 0, 12);
    show_call("punch across the end", fallocate(fd, punch, 8, 100));
    show_text("...", fd, 0, 12);
    show_call("punch beyond the end", fallocate(fd, punch, 50, 10));
    show_call("punch without keep", fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1));
    show_call("zero range", fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 1, 2));
    show_text("...", fd, 0, 12);
    show_call("zero range grows", fallocate(fd, FALLOC_FL_ZERO_RANGE, 5, 10));
    fstat(fd, &st);
    SHOW("... size", "%ld", (long)st.st_size);
    show_call("keep size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 3 * BLOCK));
    fstat(fd, &st);
    SHOW("... size, blocks", "%ld %ld", (long)st.st_size, (long)st.st_blocks);
    show_call("grow", fallocate(fd, 0, BLOCK, 3));
    fstat(fd, &st);
    SHOW("... size", "%ld", (long)st.st_size);
    show_call("no length", fallocate(fd, 0, 0, 0));
    show_call("negative offset", fallocate(fd, 0, -1, 1));
    show_call("negative length", fallocate(fd, 0, 0, -1));
    show_call("overflow", fallocate(fd, 0, INT64_MAX, 10));
    show_call("unknown mode", fallocate(fd, 0x400, 0, 1));
    show_call("two modes", fallocate(fd, punch | FALLOC_FL_ZERO_RANGE, 0, 1));
    int read_only = open("space", O_RDONLY), p[2];
    pipe(p);
    show_call("read only", fallocate(read_only, 0, 0, 1));
    show_call("pipe", fallocate(p[1], 0, 0, 1));
    show_call("directory", fallocate(open(".", O_RDONLY), 0, 0, 1));
    closefrom(3);
}

// A tmpfs has no such thing; a disk has.
static void moving_ranges(void)
{
    int fd = make("ranges", "");
    char block[BLOCK];
    struct stat st;
    for (int i = 0; i < 4; i++) {
        memset(block, 'a' + i, sizeof block);
        pwrite(fd, block, sizeof block, i * BLOCK);
    }
    show_call("collapse", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, BLOCK, BLOCK));
    fstat(fd, &st);
    SHOW("... size", "%ld", (long)st.st_size);
    show_text("... then", fd, BLOCK - 2, 4);
    show_call("insert", fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, BLOCK));
    fstat(fd, &st);
    SHOW("... size", "%ld", (long)st.st_size);
    show_text("... then", fd, BLOCK - 2, 4);
    show_call("collapse unaligned", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 1, BLOCK));
    show_call("collapse to the end", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, BLOCK, 10 * BLOCK));
    show_call("insert at the end", fallocate(fd, FALLOC_FL_INSERT_RANGE, 10 * BLOCK, BLOCK));
    close(fd);
}

static void copies(void)
{
    off_t from = 2, to = 5;
    int in = make("from", "0123456789"), out = make("to", "abcdefghij");
    show_call("copy", copy_file_range(in, &from, out, &to, 4, 0));
    SHOW("... offsets", "%ld %ld", (long)from, (long)to);
    show_text("...", out, 0, 12);
    lseek(in, 0, SEEK_SET);
    lseek(out, 0, SEEK_SET);
    show_call("by position", copy_file_range(in, NULL, out, NULL, 3, 0));
    SHOW("... positions", "%ld %ld", (long)lseek(in, 0, SEEK_CUR), (long)lseek(out, 0, SEEK_CUR));
    from = 100;
    show_call("beyond the end", copy_file_range(in, &from, out, NULL, 3, 0));
    from = 0, to = 2;
    show_call("overlapping", copy_file_range(in, &from, in, &to, 5, 0));
    from = 0, to = 20;
    show_call("within a file", copy_file_range(in, &from, in, &to, 5, 0));
    show_text("...", in, 0, 30);
    show_call("flags", copy_file_range(in, NULL, out, NULL, 1, 1));
    int read_only = open("from", O_RDONLY), append = open("to", O_WRONLY | O_APPEND), p[2];
    show_call("to a read-only one", copy_file_range(in, NULL, read_only, NULL, 1, 0));
    show_call("from a write-only one", copy_file_range(append, NULL, out, NULL, 1, 0));
    show_call("to an appending one", copy_file_range(in, NULL, append, NULL, 1, 0));
    pipe(p);
    show_call("from a pipe", copy_file_range(p[0], NULL, out, NULL, 1, 0));
    show_call("from a directory", copy_file_range(open(".", O_RDONLY), NULL, out, NULL, 1, 0));
    from = -1;
    show_call("negative offset", copy_file_range(in, &from, out, NULL, 1, 0));
    from = 0;
    to = INT64_MAX - 1;
    show_call("to the end of the world", copy_file_range(in, &from, out, &to, 100, 0));
    closefrom(3);
}

// --- Locks ---------------------------------------------------------------------------------------

static int lock(int fd, int command, int type, off_t start, off_t len)
{
    struct flock fl = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, command, &fl);
}

static void show_lock(const char *name, int fd, int command, int type, off_t start, off_t len)
{
    struct flock fl = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    if (fcntl(fd, command, &fl))
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "type %d start %ld len %ld pid %s", fl.l_type, (long)fl.l_start, (long)fl.l_len,
             fl.l_pid == getppid() ? "parent"
             : fl.l_pid > 0        ? "other"
             : fl.l_pid            ? "-1"
                                   : "0");
}

static void posix_locks(void)
{
    int fd = make("locks", "0123456789");
    show_call("write lock", lock(fd, F_SETLK, F_WRLCK, 0, 10));
    show_call("part becomes a read lock", lock(fd, F_SETLK, F_RDLCK, 3, 2));
    show_call("to the end", lock(fd, F_SETLK, F_WRLCK, 100, 0));
    IN_CHILD("another process", {
        show_lock("first", fd, F_GETLK, F_WRLCK, 0, 0);
        show_lock("shared part", fd, F_GETLK, F_RDLCK, 3, 2);
        show_lock("exclusive over shared", fd, F_GETLK, F_WRLCK, 3, 2);
        show_lock("behind", fd, F_GETLK, F_WRLCK, 5, 0);
        show_lock("free", fd, F_GETLK, F_WRLCK, 50, 10);
        show_call("read lock", lock(fd, F_SETLK, F_RDLCK, 3, 2));
        show_call("refused", lock(fd, F_SETLK, F_WRLCK, 4, 1));
        show_call("far away", lock(fd, F_SETLK, F_WRLCK, 1000, 1));
    });
    int other = open("locks", O_RDWR);
    close(other); // every lock of the process goes
    IN_CHILD("after a close", show_lock("free now", fd, F_GETLK, F_WRLCK, 0, 0));
    int read_only = open("locks", O_RDONLY), write_only = open("locks", O_WRONLY);
    show_call("write lock, read only", lock(read_only, F_SETLK, F_WRLCK, 0, 1));
    show_call("read lock, write only", lock(write_only, F_SETLK, F_RDLCK, 0, 1));
    show_call("negative start", lock(fd, F_SETLK, F_WRLCK, -5, 1));
    show_call("negative length", lock(fd, F_SETLK, F_WRLCK, 5, -5));
    show_call("negative length too long", lock(fd, F_SETLK, F_WRLCK, 5, -6));
    show_call("bad type", lock(fd, F_SETLK, 7, 0, 1));
    show_call("bad pointer", fcntl(fd, F_SETLK, BAD));
    int path = open("locks", O_PATH), p[2];
    pipe(p);
    show_call("O_PATH", lock(path, F_SETLK, F_WRLCK, 0, 1));
    show_call("pipe", lock(p[1], F_SETLK, F_WRLCK, 0, 1));
    closefrom(3);
}

static void ofd_locks(void)
{
    int a = make("ofd", "0123456789"), b = open("ofd", O_RDWR), c = dup(a);
    show_call("lock", lock(a, F_OFD_SETLK, F_WRLCK, 0, 5));
    show_call("another description", lock(b, F_OFD_SETLK, F_WRLCK, 0, 5));
    show_lock("... sees", b, F_OFD_GETLK, F_WRLCK, 0, 5);
    show_call("a duplicate", lock(c, F_OFD_SETLK, F_RDLCK, 0, 5));
    show_call("shared", lock(b, F_OFD_SETLK, F_RDLCK, 0, 5));
    show_call("POSIX beside it", lock(b, F_SETLK, F_WRLCK, 0, 5));
    close(a);
    show_call("one duplicate closed", lock(b, F_OFD_SETLK, F_WRLCK, 0, 5));
    close(c);
    show_call("all closed", lock(b, F_OFD_SETLK, F_WRLCK, 0, 5));
    struct flock fl = {.l_type = F_WRLCK, .l_pid = 3};
    show_call("with a pid", fcntl(b, F_OFD_SETLK, &fl));
    closefrom(3);
}

static void whole_file_locks(void)
{
    int a = make("flock", ""), b = open("flock", O_RDONLY), c = dup(a);
    show_call("exclusive", flock(a, LOCK_EX));
    show_call("another description", flock(b, LOCK_SH | LOCK_NB));
    show_call("POSIX lock beside it", lock(a, F_SETLK, F_WRLCK, 0, 0));
    show_call("shared through a duplicate", flock(c, LOCK_SH | LOCK_NB));
    show_call("shared by another", flock(b, LOCK_SH | LOCK_NB));
    show_call("up again", flock(a, LOCK_EX | LOCK_NB));
    show_call("unlock", flock(b, LOCK_UN));
    show_call("up again", flock(a, LOCK_EX | LOCK_NB));
    IN_CHILD("child shares it", show_call("...", flock(a, LOCK_EX | LOCK_NB)));
    close(a);
    show_call("a duplicate keeps it", flock(b, LOCK_EX | LOCK_NB));
    close(c);
    show_call("free", flock(b, LOCK_EX | LOCK_NB));
    show_call("bad operation", flock(b, 77));
    show_call("bad descriptor", flock(99, LOCK_EX));
    closefrom(3);
}

// Two processes that wait for each other: the one that would close the circle is told.
static void deadlock(void)
{
    int fd = make("dead", "0123456789"), ready[2], go[2];
    pipe(ready);
    pipe(go);
    lock(fd, F_SETLK, F_WRLCK, 0, 1);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        lock(fd, F_SETLK, F_WRLCK, 5, 1);
        tell(ready[1]);
        int err = lock(fd, F_SETLKW, F_WRLCK, 0, 1); // waits for the parent
        _exit(err ? errno == EDEADLK ? 35 : 1 : 0);
    }
    hear(ready[0]);
    // Until the child waits, the lock below waits for it; when both do, one gets EDEADLK.
    int err = lock(fd, F_SETLKW, F_WRLCK, 5, 1) ? errno : 0, status;
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    waitpid(child, &status, 0);
    SHOW("one of both is told", "%d", (err == EDEADLK) + (WEXITSTATUS(status) == 35));
    SHOW("and the other has it", "%d", (err == 0) + (WEXITSTATUS(status) == 0));
    closefrom(3);
}

// --- openat2 -------------------------------------------------------------------------------------

static void try_open(const char *name, int dir, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .resolve = resolve};
    long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    show_done(name, fd);
    if (fd >= 0)
        close((int)fd);
}

static void resolving(void)
{
    mkdir("tree", 0755);
    mkdir("tree/sub", 0755);
    close(make("tree/file", "in"));
    close(make("outside", "out"));
    symlink("../outside", "tree/out");
    symlink("/tree/file", "tree/absolute");
    symlink("file", "tree/in");
    symlink("..", "tree/sub/up");
    symlink("sub/up/file", "tree/twisted");
    symlink("/proc/self/fd/0", "tree/magic");
    int dir = open("tree", O_PATH);
    static const struct {
        const char *name;
        uint64_t flag;
    } flags[] = {{"beneath", RESOLVE_BENEATH},
                 {"in root", RESOLVE_IN_ROOT},
                 {"no links", RESOLVE_NO_SYMLINKS},
                 {"no magic links", RESOLVE_NO_MAGICLINKS},
                 {"no crossing", RESOLVE_NO_XDEV}};
    static const char *const paths[] = {
        "file",    "sub/../file",       "../outside", "out",   "in",
        "twisted", "sub/up/../outside", "absolute",   "/file", "/..",
        ".",       "sub/../..",         "missing",    "magic", "sub/up/sub/up/in"};
    for (size_t f = 0; f < sizeof flags / sizeof *flags; f++)
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            char name[100];
            if (flags[f].flag == RESOLVE_NO_XDEV && paths[i][0] == 'a')
                continue; // whether DIR is on the root's mount is the machine's affair
            snprintf(name, sizeof name, "%s: %s", flags[f].name, paths[i]);
            try_open(name, dir, paths[i], O_RDONLY, flags[f].flag);
        }
    try_open("beneath: made", dir, "made", O_RDWR | O_CREAT, RESOLVE_BENEATH);
    try_open("beneath: /proc", AT_FDCWD, "/proc/self", O_PATH, RESOLVE_BENEATH);
    try_open("no crossing: /proc", open("/", O_PATH), "proc/self/status", O_RDONLY,
             RESOLVE_NO_XDEV);
    try_open("no magic links: fd", AT_FDCWD, "/proc/self/fd/0", O_PATH, RESOLVE_NO_MAGICLINKS);
    try_open("no magic links: cwd", AT_FDCWD, "/proc/self/cwd/tree", O_PATH, RESOLVE_NO_MAGICLINKS);
    try_open("both roots", dir, "file", O_RDONLY, RESOLVE_BENEATH | RESOLVE_IN_ROOT);
    try_open("unknown resolve", dir, "file", O_RDONLY, 0x1000);
    try_open("unknown flag", dir, "file", 1ull << 40, 0);
    struct open_how how = {.mode = 0600};
    show_done("mode without O_CREAT", syscall(SYS_openat2, dir, "file", &how, sizeof how));
    how = (struct open_how){.flags = O_CREAT | O_RDWR, .mode = 0x10000};
    show_done("strange mode", syscall(SYS_openat2, dir, "file", &how, sizeof how));
    how = (struct open_how){.flags = 0};
    show_done("short struct", syscall(SYS_openat2, dir, "file", &how, 8));
    show_done("bad pointer", syscall(SYS_openat2, dir, "file", BAD, sizeof how));
    char longer[64] = {0};
    show_done("longer struct", syscall(SYS_openat2, dir, "file", longer, sizeof longer));
    longer[60] = 1;
    show_done("longer struct, not zero", syscall(SYS_openat2, dir, "file", longer, sizeof longer));
    closefrom(3);
}

// --- O_PATH and syncing --------------------------------------------------------------------------

static void places(void)
{
    struct stat st;
    char buf[16];
    close(make("place", "text"));
    int fd = open("place", O_PATH);
    show_call("read", read(fd, buf, 1));
    show_call("write", write(fd, buf, 1));
    show_call("seek", lseek(fd, 0, SEEK_SET));
    show_call("fstat", fstat(fd, &st));
    show_call("fchmod", fchmod(fd, 0600));
    show_call("fchown", fchown(fd, 0, 0));
    show_call("ftruncate", ftruncate(fd, 0));
    show_call("fsync", fsync(fd));
    show_call("ioctl", syscall(SYS_ioctl, fd, 0x541b, buf));
    show_call("flock", flock(fd, LOCK_EX));
    show_call("fallocate", fallocate(fd, 0, 0, 1));
    show_call("futimens", futimens(fd, NULL));
    show_call("fchdir", fchdir(fd));
    show_call("syncfs", syncfs(fd));
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    show_done("reopened", open(self, O_RDWR));
    unlink("place");
    show_done("reopened when gone", open(self, O_RDWR));
    symlink("nowhere", "place");
    fd = open("place", O_PATH | O_NOFOLLOW);
    fstat(fd, &st);
    SHOW("a link itself", "%o", st.st_mode);
    show_call("chown of the link", fchownat(fd, "", 4, 4, AT_EMPTY_PATH));
    int p[2];
    pipe(p);
    show_call("fsync a pipe", fsync(p[0]));
    show_call("fsync a directory", fsync(open(".", O_RDONLY)));
    show_call("fdatasync", fdatasync(make("sync", "x")));
    show_call("fsync bad", fsync(99));
    show_call("syncfs", syncfs(open(".", O_RDONLY)));
    show_call("sync_file_range", sync_file_range(open("sync", O_RDWR), 0, 0, 7));
    show_call("sync_file_range bad flags", sync_file_range(open("sync", O_RDWR), 0, 0, 8));
    show_call("sync_file_range pipe", sync_file_range(p[0], 0, 0, 7));
    closefrom(3);
}

static void body(void)
{
    closefrom(3);
    umask(022);
    if (*here) {
        if (!mkdtemp(here) || chdir(here))
            abort();
    } else {
        enter_work_dir();
    }
    chmod(".", 0755);
    unnamed();
    setgid_directories();
    sticky_directories();
    set_ids();
    if (*here) // a tmpfs of Linux before 6.6 has no user attributes
        attributes();
    holes();
    preallocation();
    moving_ranges();
    copies();
    posix_locks();
    ofd_locks();
    whole_file_locks();
    deadlock();
    resolving();
    places();
    if (!*here)
        leave_work_dir(); // the caller removes DIR
}

int main(int argc, char **argv)
{
    if (argc > 1)
        snprintf(here, sizeof here, "%s/files-XXXXXX", argv[1]);
    return run_as_child(body);
}
