// Calls about attributes, names and contents of what is no plain file: directories, pipes, sockets,
// counters, descriptors that only name a place; with arguments at the edge of what they may be.
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#define BAD  ((void *)8)
#define LAST ((off_t)INT64_MAX)

enum { SECUREBITS_NO_SETUID_FIXUP = 4, OPENAT2 = 437, FACCESSAT2 = 439 };

// One descriptor of each kind.
static const char *const kind_names[] = {"file",   "directory", "O_PATH", "pipe",
                                         "socket", "counter",   "none"};
enum { COUNTER = 5, KINDS = 7 };
static int kind[KINDS];

static void open_kinds(void)
{
    int p[2], sv[2];
    kind[0] = open("file", O_CREAT | O_RDWR, 0644);
    kind[1] = open("dir", O_RDONLY);
    kind[2] = open("file", O_PATH);
    pipe(p);
    kind[3] = p[1];
    socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
    kind[4] = sv[0];
    kind[5] = eventfd(0, 0);
    kind[6] = 999;
}

// --- Asking --------------------------------------------------------------------------------------

static void asking(void)
{
    char buf[4096];
    struct stat st;
    struct statfs fs;
    struct statx sx;
    for (int i = 0; i < KINDS; i++) {
        int fd = kind[i];
        SHOW(kind_names[i], "%s", "asked");
        show_call("... fstat", fstat(fd, &st));
        show_call("... by no name", fstatat(fd, "", &st, AT_EMPTY_PATH));
        show_call("... by no name, unasked", fstatat(fd, "", &st, 0));
        show_call("... in it", fstatat(fd, "x", &st, 0));
        show_call("... statx", statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx));
        show_call("... file system", fstatfs(fd, &fs));
        show_call("... to 8", fstatfs(fd, BAD));
        show_call("... entries", syscall(SYS_getdents64, fd, buf, sizeof buf) > 0);
        show_call("... few entries", syscall(SYS_getdents64, fd, buf, 10));
        if (i == COUNTER)
            continue; // its rights have changed from kernel to kernel
        show_call("... rights", syscall(FACCESSAT2, fd, "", W_OK, AT_EMPTY_PATH));
        show_call("... link", readlinkat(fd, "", buf, 10));
    }
    show_call("fstat to 8", syscall(SYS_fstat, kind[0], BAD));
    show_call("stat to 8", syscall(SYS_newfstatat, AT_FDCWD, "file", BAD, 0));
    show_call("unknown flag", fstatat(AT_FDCWD, "file", &st, 0x40));
    show_call("statx: reserved", statx(AT_FDCWD, "file", 0, 1u << 31, &sx));
    show_call("statx: flags", statx(AT_FDCWD, "file", 0x6000, 0, &sx));
    show_call("statx: to 8", statx(AT_FDCWD, "file", 0, 0, BAD));
    show_call("statx: name at 8", statx(AT_FDCWD, BAD, 0, 0, &sx));
    show_call("statfs: to 8", statfs("file", BAD));
    show_call("statfs: name at 8", statfs(BAD, &fs));
    show_call("statfs: nothing", statfs("none", &fs));
    show_call("entries to 8", syscall(SYS_getdents64, kind[1], BAD, 4096));
    mkdir("gone", 0700);
    int gone = open("gone", O_RDONLY);
    rmdir("gone");
    show_call("entries of what is gone", syscall(SYS_getdents64, gone, buf, sizeof buf));
    show_call("made in what is gone", openat(gone, "x", O_CREAT | O_RDWR, 0600));
    show_call("link to nowhere", readlink("file", buf, 10));
    symlink("target", "link");
    show_call("link, no room", readlink("link", buf, 0));
    show_call("link, -1", readlink("link", buf, (size_t)-1));
    show_call("link, 3", readlink("link", buf, 3));
    show_call("link to 8", readlink("link", BAD, 10));
    show_call("link by descriptor", readlinkat(open("link", O_PATH | O_NOFOLLOW), "", buf, 10));
    show_call("rights: mode", syscall(FACCESSAT2, AT_FDCWD, "file", 8, 0));
    show_call("rights: flags", syscall(FACCESSAT2, AT_FDCWD, "file", 0, 1));
    show_call("rights: name at 8", syscall(FACCESSAT2, AT_FDCWD, BAD, 0, 0));
    chmod("file", 0600);
    IN_CHILD("another real user", {
        setresuid(1234, 0, 0);
        show_call("rights", access("file", R_OK));
        show_call("rights in effect", faccessat(AT_FDCWD, "file", R_OK, AT_EACCESS));
        chmod("file", 0604);
        show_call("rights of all", access("file", R_OK));
    });
    IN_CHILD("a user who keeps rights", {
        prctl(PR_SET_SECUREBITS, SECUREBITS_NO_SETUID_FIXUP);
        setresuid(1234, 0, 0);
        show_call("rights", access("file", W_OK));
    });
}

// --- Changing ------------------------------------------------------------------------------------

static void changing(void)
{
    struct timespec both_now[2] = {{7, UTIME_NOW}, {8, UTIME_NOW}},
                    none[2] = {{7, UTIME_OMIT}, {8, UTIME_OMIT}};
    struct timespec bad[2] = {{0, 0}, {0, 1000000000}}, minus[2] = {{0, -1}, {0, 0}};
    struct timespec far[2] = {{1l << 40, 5}, {-(1l << 40), 5}};
    for (int i = 0; i < KINDS; i++) {
        int fd = kind[i];
        SHOW(kind_names[i], "%s", "changed");
        show_call("... size", ftruncate(fd, 10));
        show_call("... size -1", ftruncate(fd, -1));
        show_call("... room", fallocate(fd, 0, 0, 10));
        show_call("... room of nothing", fallocate(fd, 0, 0, 0));
        show_call("... hole", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10));
        show_call("... place", fchdir(fd) < 0 ? -1 : chdir(".."));
        if (i == COUNTER)
            continue;
        show_call("... mode", fchmod(fd, 0644));
        show_call("... owner", fchown(fd, 0, 0));
        show_call("... owner by no name", fchownat(fd, "", 0, 0, AT_EMPTY_PATH));
        show_call("... times", futimens(fd, both_now));
        show_call("... times by no name", utimensat(fd, "", NULL, AT_EMPTY_PATH));
        show_call("... attribute", fsetxattr(fd, "user.x", "1", 1, 0));
        show_call("... attributes", flistxattr(fd, NULL, 0) < 0 ? -1 : 0);
        show_call("... its value", fgetxattr(fd, "user.x", NULL, 0));
        show_call("... removed", fremovexattr(fd, "user.x"));
    }
    show_call("mode: unknown flag", fchmodat(AT_FDCWD, "file", 0600, 0x40));
    show_call("owner: unknown flag", fchownat(AT_FDCWD, "file", 0, 0, 0x40));
    show_call("owner: nobody changes", chown("file", (uid_t)-1, (gid_t)-1));
    show_call("times: unknown flag", utimensat(AT_FDCWD, "file", NULL, 0x40));
    show_call("times: too many nanoseconds", utimensat(AT_FDCWD, "file", bad, 0));
    show_call("times: fewer than none", utimensat(AT_FDCWD, "file", minus, 0));
    show_call("times: neither", utimensat(AT_FDCWD, "none", none, 0));
    show_call("times: at 8", utimensat(AT_FDCWD, "file", BAD, 0));
    show_call("times: far away", utimensat(AT_FDCWD, "file", far, 0));
    show_call("times: no name", syscall(SYS_utimensat, kind[0], NULL, NULL, 0));
    show_call("times: no name, flags",
              syscall(SYS_utimensat, kind[0], NULL, NULL, AT_SYMLINK_NOFOLLOW));
    show_call("times: no name, here", syscall(SYS_utimensat, AT_FDCWD, NULL, NULL, 0));
    show_call("size: directory", truncate("dir", 0));
    show_call("size: -1", truncate("file", -1));
    show_call("size: none", truncate("none", 0));
    mkfifo("fifo", 0600);
    show_call("size: fifo", truncate("fifo", 0));
    show_call("size: read-only", ftruncate(open("file", O_RDONLY), 0));
    static const int modes[] = {FALLOC_FL_PUNCH_HOLE,
                                FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_PUNCH_HOLE, 0x4000,
                                FALLOC_FL_KEEP_SIZE};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char name[32];
        snprintf(name, sizeof name, "room: mode %x", modes[i]);
        show_call(name, fallocate(kind[0], modes[i], 0, 4096));
    }
    show_call("room: offset -1", fallocate(kind[0], 0, -1, 5));
    show_call("room: length -1", fallocate(kind[0], 0, 1, -5));
    show_call("room: beyond all", fallocate(kind[0], 0, LAST, 5));
    show_call("room: read-only", fallocate(open("file", O_RDONLY), 0, 0, 5));
    struct rlimit r = {5000, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &r);
    show_call("room: beyond the limit", fallocate(kind[0], 0, 0, 5001));
    show_call("size: beyond the limit", ftruncate(kind[0], 5001));
    show_call("size: beyond the limit, by name", truncate("file", 5001));
    show_call("size: at it", truncate("file", 5000));
    struct stat st;
    fstat(kind[0], &st);
    int append = open("file", O_WRONLY | O_APPEND);
    show_call("write: behind the limit", write(append, "x", 1));
    ftruncate(kind[0], 4998);
    show_call("write: up to the limit", write(append, "abcdef", 6));
    show_call("write: nothing at it", write(append, "", 0));
    show_call("write: by place behind it", pwrite(kind[0], "x", 1, 6000));
    r.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &r);
}

static void attributes(void)
{
    static char big[70000];
    char name[300] = "user.";
    memset(name + 5, 'n', 260);
    show_call("name at 8", setxattr("file", BAD, "v", 1, 0));
    show_call("value at 8", setxattr("file", "user.a", BAD, 5, 0));
    show_call("nothing at 8", setxattr("file", "user.a", BAD, 0, 0));
    show_call("empty name", setxattr("file", "", "v", 1, 0));
    show_call("name without a class", setxattr("file", "a", "v", 1, 0));
    show_call("class without a name", setxattr("file", "user.", "v", 1, 0));
    show_call("unknown class", setxattr("file", "none.a", "v", 1, 0));
    show_call("name too long", setxattr("file", name, "v", 1, 0));
    show_call("too large", setxattr("file", "user.a", big, 65537, 0));
    show_call("unknown flags", setxattr("file", "user.a", "v", 1, 4));
    show_call("replace none", setxattr("file", "user.b", "v", 1, XATTR_REPLACE));
    show_call("set", setxattr("file", "user.b", "value", 5, XATTR_CREATE));
    show_call("create again", setxattr("file", "user.b", "v", 1, XATTR_CREATE));
    show_call("both flags", setxattr("file", "user.b", "v", 1, XATTR_CREATE | XATTR_REPLACE));
    show_call("its size", getxattr("file", "user.b", NULL, 0));
    show_call("too little room", getxattr("file", "user.b", big, 4));
    show_call("to 8", getxattr("file", "user.b", BAD, 5));
    show_call("more room than any", getxattr("file", "user.b", big, 1 << 20));
    show_call("none", getxattr("file", "user.c", big, 5));
    show_call("of no class", getxattr("file", "c", big, 5));
    show_call("name too long", getxattr("file", name, big, 5));
    show_call("of a link", lgetxattr("link", "user.b", big, 5));
    show_call("to a link", lsetxattr("link", "user.b", big, 5, 0));
    show_call("list to 8", listxattr("file", BAD, 100));
    show_call("list, too little room", listxattr("file", big, 3));
    show_call("list of a link", llistxattr("link", big, 100) < 0 ? -1 : 0);
    show_call("list of nothing", listxattr("none", big, 100));
    show_call("list, name at 8", listxattr(BAD, big, 100));
    show_call("remove, name at 8", removexattr("file", BAD));
    show_call("remove none", removexattr("file", "user.c"));
    show_call("remove of nothing", removexattr("none", "user.c"));
    show_call("remove of a link", lremovexattr("link", "user.b"));
    show_call("remove", removexattr("file", "user.b"));
    int ro = open("file", O_RDONLY);
    show_call("through a reader", fsetxattr(ro, "user.r", "v", 1, 0));
    show_call("... removed", fremovexattr(ro, "user.r"));
}

// --- Names ---------------------------------------------------------------------------------------

static void names(void)
{
    show_call("block device", mknod("block", S_IFBLK | 0600, makedev(7, 200)));
    show_call("no type is a file", mknod("plain", 0600, 0));
    show_call("a directory", mknod("d", S_IFDIR | 0700, 0));
    show_call("a link", mknod("l", S_IFLNK | 0700, 0));
    show_call("unknown type", mknod("u", 0170000, 0));
    show_call("... there", mknod("plain", S_IFREG | 0600, 0));
    show_call("name at 8", mknod(BAD, S_IFREG | 0600, 0));
    show_call("directory at 8", mkdir(BAD, 0700));
    show_call("link to 8", symlink(BAD, "x"));
    show_call("link at 8", symlink("x", BAD));
    show_call("link to nothing", symlink("", "x"));
    show_call("link without a name", symlink("x", ""));
    show_call("hard link of no name", linkat(kind[0], "", AT_FDCWD, "linked", 0));
    show_call("hard link by descriptor", linkat(kind[0], "", AT_FDCWD, "linked", AT_EMPTY_PATH));
    show_call("... of a pipe", linkat(kind[3], "", AT_FDCWD, "piped", AT_EMPTY_PATH));
    show_call("... of a directory", linkat(kind[1], "", AT_FDCWD, "dirred", AT_EMPTY_PATH));
    show_call("hard link: flags", linkat(AT_FDCWD, "file", AT_FDCWD, "x", 1));
    show_call("hard link: from 8", link(BAD, "x"));
    show_call("hard link: to 8", link("file", BAD));
    show_call("hard link: there", link("file", "plain"));
    IN_CHILD("a user", {
        setuid(1234);
        show_call("hard link by descriptor", linkat(kind[0], "", AT_FDCWD, "mine", AT_EMPTY_PATH));
    });
    show_call("rename: flags", renameat2(AT_FDCWD, "file", AT_FDCWD, "x", 8));
    show_call("rename: two flags", renameat2(AT_FDCWD, "file", AT_FDCWD, "x", 3));
    show_call("rename: from 8", rename(BAD, "x"));
    show_call("rename: to 8", rename("file", BAD));
    show_call("rename: no replacing", renameat2(AT_FDCWD, "file", AT_FDCWD, "plain", 1));
    show_call("rename: exchange with none", renameat2(AT_FDCWD, "file", AT_FDCWD, "none", 2));
    show_call("rename: dot", rename("dir/.", "x"));
    show_call("rename: over dot", rename("file", "dir/."));
    show_call("rename: in a file", renameat(kind[0], "a", AT_FDCWD, "b"));
    show_call("rename: bad descriptor", renameat(999, "a", AT_FDCWD, "b"));
    show_call("rename: to a bad descriptor", renameat(AT_FDCWD, "file", 999, "b"));
    show_call("unlink: flags", unlinkat(AT_FDCWD, "file", 1));
    show_call("unlink: at 8", unlink(BAD));
    show_call("unlink: directory", unlink("dir"));
    show_call("rmdir: file", rmdir("file"));
    show_call("rmdir: dot", rmdir("dir/."));
    show_call("rmdir: dot dot", rmdir("dir/.."));
    show_call("rmdir: root", rmdir("/"));
    char small[2], buf[4096];
    show_call("where, too little room", syscall(SYS_getcwd, small, 1ul));
    show_call("where, to 8", syscall(SYS_getcwd, BAD, 4096ul));
    show_call("where, no room", syscall(SYS_getcwd, buf, 0ul));
    show_call("go to 8", chdir(BAD));
    show_call("go into a file", chdir("file"));
    show_call("root at 8", chroot(BAD));
    show_call("root in a file", chroot("file"));
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_PATH | O_RDWR | O_APPEND, 0, 0};
    show_call("openat2: O_PATH and more", syscall(OPENAT2, AT_FDCWD, "file", &how, sizeof how));
    how.flags = O_PATH | O_NOFOLLOW | O_DIRECTORY;
    show_done("openat2: O_PATH", syscall(OPENAT2, AT_FDCWD, "dir", &how, sizeof how));
    how.flags = O_CREAT | O_DIRECTORY | O_RDWR;
    how.mode = 010000;
    show_call("openat2: mode", syscall(OPENAT2, AT_FDCWD, "new", &how, sizeof how));
    how.flags = O_RDWR;
    how.mode = 0;
    how.resolve = 9; // RESOLVE_NO_XDEV | RESOLVE_BENEATH
    show_done("openat2: beneath", syscall(OPENAT2, AT_FDCWD, "file", &how, sizeof how));
    how.resolve = 0x18;
    show_call("openat2: beneath and root", syscall(OPENAT2, AT_FDCWD, "file", &how, sizeof how));
    show_call("openat2: at 8", syscall(OPENAT2, AT_FDCWD, "file", BAD, sizeof how));
    show_call("openat2: name at 8", syscall(OPENAT2, AT_FDCWD, BAD, &how, sizeof how));
    show_call("O_TMPFILE half", open(".", O_TMPFILE & ~O_DIRECTORY));
    show_call("O_DIRECT of a pipe's end", open("/proc/self/fd/none", O_RDONLY));
}

// Names in /proc: looking one up there asks the kernel, which must not hold a directory meanwhile.
static void names_in_proc(void)
{
    int proc = open("/proc", O_RDONLY | O_DIRECTORY), own = openat(proc, "self", O_DIRECTORY);
    char thread[32];
    snprintf(thread, sizeof thread, "task/%d", (int)getpid());
    show_call("rename a process", renameat(proc, "1", proc, "sys"));
    show_call("rename itself", renameat(proc, "self", proc, "other"));
    show_call("rename over itself", renameat(proc, "version", proc, "self"));
    show_call("rename a thread", renameat(own, thread, own, "fd"));
    show_call("rename a descriptor", renameat(own, "fd/0", own, "fd/1"));
    show_call("exchange", renameat2(own, "status", own, "fd", RENAME_EXCHANGE));
    show_call("white out", renameat2(own, "status", own, "stat", 4));
    show_call("onto what is there", renameat2(own, "status", own, "stat", RENAME_NOREPLACE));
    show_call("to a file of a disk", renameat(own, "status", AT_FDCWD, "file"));
    close(own);
    close(proc);
}

// --- Watching ------------------------------------------------------------------------------------

static void watching(void)
{
    char buf[4096], name[32];
    int in = inotify_init1(IN_NONBLOCK), wd[40], n = -1;
    show_call("flags", inotify_init1(1));
    show_call("mask 0", inotify_add_watch(in, "dir", 0));
    show_call("unknown mask alone", inotify_add_watch(in, "dir", 0x10000000));
    show_call("both masks", inotify_add_watch(in, "dir", IN_MASK_ADD | 0x10000000 | IN_CREATE));
    show_call("name at 8", inotify_add_watch(in, BAD, IN_CREATE));
    show_call("nothing", inotify_add_watch(in, "none", IN_CREATE));
    show_call("only directories", inotify_add_watch(in, "file", IN_CREATE | IN_ONLYDIR));
    show_call("not an inotify", inotify_add_watch(kind[0], "dir", IN_CREATE));
    show_call("remove from none", inotify_rm_watch(kind[0], 1));
    show_call("remove none", inotify_rm_watch(in, 77));
    show_call("bad descriptor", inotify_add_watch(999, "dir", IN_CREATE));
    show_call("remove, bad descriptor", inotify_rm_watch(999, 1));
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "dir/%d", i);
        mkdir(name, 0700);
        wd[i] = inotify_add_watch(in, name, IN_CREATE);
    }
    for (int i = 0; i < 40; i += 3)
        inotify_rm_watch(in, wd[i]);
    int right = 0;
    for (int i = 0; i < 40; i++)
        right += (inotify_rm_watch(in, wd[i]) == 0) == (i % 3 != 0);
    SHOW("removed in any order", "%d", right);
    while (read(in, buf, sizeof buf) > 0)
        ;
    int w = inotify_add_watch(in, "dir", IN_CREATE | IN_DELETE | IN_ATTRIB);
    for (int i = 0; i < 5; i++)
        chmod("dir", 0700 + i);
    show_call("waiting", ioctl(in, FIONREAD, &n));
    SHOW("... the same event once", "%d", n);
    show_call("waiting, to 8", ioctl(in, FIONREAD, BAD));
    show_call("unknown request", ioctl(in, 0x5401, buf));
    show_call("room for half an event", read(in, buf, 8));
    show_call("to 8", read(in, BAD, 4096));
    close(open("dir/new", O_CREAT | O_RDWR, 0600));
    show_call("then", read(in, buf, sizeof buf));
    close(open("dir/a-name-that-is-longer", O_CREAT | O_RDWR, 0600));
    show_call("room for no name", read(in, buf, 20));
    struct inotify_event *e = (void *)buf;
    show_call("with it", read(in, buf, sizeof buf));
    SHOW("...", "%d %x %s", e->wd == w, e->mask, e->name);
    show_call("written", write(in, buf, 4));
    show_call("sought", lseek(in, 0, SEEK_SET));
    close(in);
}

static void body(void)
{
    closefrom(3);
    enter_work_dir();
    mkdir("dir", 0755);
    open_kinds();
    asking();
    changing();
    attributes();
    names();
    names_in_proc();
    watching();
    closefrom(3);
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
