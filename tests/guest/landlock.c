// Landlock: rulesets, what a domain still allows, layers, inheritance. Runs as user 0.
#include "probe.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

enum {
    EXECUTE = 1,
    WRITE = 2,
    READ = 4,
    READ_DIR = 8,
    RM_DIR = 0x10,
    RM_FILE = 0x20,
    MK_CHAR = 0x40,
    MK_DIR = 0x80,
    MK_REG = 0x100,
    MK_SOCK = 0x200,
    MK_FIFO = 0x400,
    MK_BLOCK = 0x800,
    MK_SYM = 0x1000,
    REFER = 0x2000,
    ALL = 0x3fff,
};

static int ruleset(uint64_t handled)
{
    return (int)syscall(444, &handled, sizeof handled, 0);
}
static int allow_fd(int set, int parent, uint64_t allowed)
{
    struct {
        uint64_t allowed;
        int32_t parent;
    } __attribute__((packed)) rule = {allowed, parent};
    return (int)syscall(445, set, 1, &rule, 0);
}
static int allow(int set, const char *path, uint64_t allowed)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    int result = allow_fd(set, fd, allowed), err = errno;
    close(fd);
    errno = err;
    return result;
}
static int restrict_self(int set)
{
    return (int)syscall(446, set, 0);
}
static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    write(fd, text, strlen(text));
    close(fd);
}
static void show_open(const char *name, const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    show_done(name, fd);
    if (fd >= 0)
        close(fd);
}

static void making(void)
{
    uint64_t large[2] = {READ, 0};
    SHOW("version", "%d", syscall(444, NULL, 0, 1) >= 2);
    show_call("version with attributes", syscall(444, large, 8, 1));
    show_call("bad flags", syscall(444, large, 8, 1 << 20));
    show_call("nowhere", syscall(444, NULL, 8, 0));
    show_call("bad pointer", syscall(444, 8, 8, 0));
    show_call("too small", syscall(444, large, 7, 0));
    show_call("much too large", syscall(444, large, 5000, 0));
    show_call("nothing handled", ruleset(0));
    show_call("unknown rights", ruleset(1ull << 40));
    show_done("larger", syscall(444, large, 16, 0));
    int set = ruleset(ALL & ~REFER), ends[2];
    SHOW("made", "%d %d", set >= 0, fcntl(set, F_GETFD));
    char link[64], name[64] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", set);
    readlink(link, name, sizeof name - 1);
    SHOW("... name", "%s", name);
    show_call("... read", read(set, name, 1));
    show_call("... write", write(set, name, 1));
    show_call("rule flags", syscall(445, set, 1, large, 1));
    show_call("rule of no set", allow_fd(99, 0, READ));
    show_call("rule of another file", allow_fd(0, 0, READ));
    show_call("rule of another kind", syscall(445, set, 99, large, 0));
    show_call("rule nowhere", syscall(445, set, 1, NULL, 0));
    show_call("rule of nothing", allow(set, "/tmp", 0));
    show_call("rule of more", allow(set, "/tmp", REFER));
    show_call("rule of unknown", allow(set, "/tmp", 1ull << 40));
    show_call("rule of no place", allow_fd(set, 99, READ));
    show_call("rule of the set", allow_fd(set, set, READ));
    pipe(ends);
    show_call("rule of a pipe", allow_fd(set, ends[0], READ));
    show_call("rule of a file", allow(set, "/tmp/d/f", READ | WRITE));
    show_call("rule of a file with a directory's", allow(set, "/tmp/d/f", READ | READ_DIR));
    show_call("rule", allow(set, "/tmp/d", READ | READ_DIR));
    show_call("rule again", allow(set, "/tmp/d", WRITE));
    IN_CHILD("user", setuid(1000); show_call("... restrict", restrict_self(set));
             prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
             show_call("... restrict flags", syscall(446, set, 1 << 20));
             show_call("... restrict to nothing", restrict_self(99));
             show_call("... restrict to another", restrict_self(0));
             show_call("... restrict", restrict_self(set)));
    int layers = 0;
    while (layers < 20 && !restrict_self(set))
        layers++;
    SHOW("layers", "%d %s", layers, strerrorname_np(errno));
}

static void files(void)
{
    int before = open("/tmp/other", O_RDONLY), dir = open("/tmp", O_RDONLY);
    int set = ruleset(ALL & ~REFER);
    allow(set, "/tmp/d", READ | READ_DIR);
    allow(set, "/tmp/d/e", WRITE | MK_REG | MK_DIR | RM_DIR | RM_FILE);
    show_call("restrict", restrict_self(set));
    char c;
    show_call("an open file stays open", read(before, &c, 1));
    show_open("read below", "/tmp/d/f", O_RDONLY);
    show_open("read elsewhere", "/tmp/other", O_RDONLY);
    show_open("read by an open directory", "/tmp/other", O_RDONLY);
    show_done("... at", openat(dir, "other", O_RDONLY));
    show_open("read back up", "/tmp/d/../other", O_RDONLY);
    show_open("read a link out", "/tmp/d/out", O_RDONLY);
    show_open("path only", "/tmp/other", O_PATH);
    show_open("write below", "/tmp/d/f", O_WRONLY);
    show_open("both below", "/tmp/d/f", O_RDWR);
    show_open("list below", "/tmp/d", O_RDONLY | O_DIRECTORY);
    show_open("list above", "/tmp", O_RDONLY | O_DIRECTORY);
    show_open("create below", "/tmp/d/new", O_WRONLY | O_CREAT);
    show_open("create deeper", "/tmp/d/e/new", O_RDWR | O_CREAT);
    show_open("write deeper", "/tmp/d/e/g", O_RDWR | O_APPEND);
    show_open("nothing there", "/tmp/none", O_RDONLY);
    show_call("make a directory", mkdir("/tmp/d/sub", 0700));
    show_call("make one deeper", mkdir("/tmp/d/e/sub", 0700));
    show_call("make what is there", mkdir("/tmp/d/e", 0700));
    show_call("fifo", mkfifo("/tmp/d/e/fifo", 0600));
    show_call("device", mknod("/tmp/d/e/dev", S_IFCHR | 0600, 0x103));
    show_call("link", symlink("x", "/tmp/d/e/sym"));
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = {AF_UNIX, "/tmp/d/e/sock"};
    show_call("socket", bind(s, (struct sockaddr *)&a, sizeof a));
    show_call("remove", unlink("/tmp/d/f"));
    show_call("remove deeper", unlink("/tmp/d/e/g"));
    show_call("remove a directory as a file", unlink("/tmp/d/e/sub"));
    show_call("remove a directory", rmdir("/tmp/d/e/sub"));
    show_call("remove nothing", unlink("/tmp/d/none"));
    struct stat st;
    show_call("look", stat("/tmp/other", &st));
    show_call("change mode", chmod("/tmp/other", 0600));
    show_call("change directory", chdir("/tmp"));
    show_call("mount", mount("x", "/tmp/d/e", "tmpfs", 0, NULL));
    show_call("umount", umount2("/tmp", MNT_DETACH));
    show_call("... by descriptors", syscall(429, 99, "", 99, "", 0));
    show_call("pivot", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    int mem = (int)syscall(SYS_memfd_create, "m", 0);
    snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d", mem);
    show_open("what is in no tree", a.sun_path, O_RDWR);
    IN_CHILD("child", show_open("... read elsewhere", "/tmp/other", O_RDONLY);
             show_open("... below", "/tmp/d/f", O_RDONLY));
}

static void moves(void)
{
    int set = ruleset(ALL & ~REFER);
    allow(set, "/tmp", ALL & ~REFER);
    IN_CHILD("without refer", restrict_self(set);
             show_call("... same directory", rename("/tmp/d/f", "/tmp/d/f2"));
             show_call("... another", rename("/tmp/d/f2", "/tmp/d/e/f2"));
             show_call("... link", link("/tmp/d/f2", "/tmp/d/f3"));
             show_call("... link elsewhere", link("/tmp/d/f2", "/tmp/d/e/f3")));
    int refer = ruleset(ALL);
    allow(refer, "/tmp", ALL);
    IN_CHILD("with refer", restrict_self(refer);
             show_call("... another", rename("/tmp/d/f2", "/tmp/d/e/f2"));
             show_call("... back", rename("/tmp/d/e/f2", "/tmp/d/f"));
             show_call("... link elsewhere", link("/tmp/d/f", "/tmp/d/e/f3")));
    int uneven = ruleset(ALL);
    allow(uneven, "/tmp/d", ALL & ~EXECUTE);
    allow(uneven, "/tmp/x", ALL);
    IN_CHILD("to more rights", restrict_self(uneven);
             show_call("... gains", rename("/tmp/d/f", "/tmp/x/f"));
             show_call("... loses", rename("/tmp/x/h", "/tmp/d/h"));
             show_call("... gains it back", rename("/tmp/d/h", "/tmp/x/h"));
             show_call("... out", rename("/tmp/d/f", "/tmp/f")));
    int halves = ruleset(ALL);
    allow(halves, "/tmp/d", RM_FILE | REFER);
    allow(halves, "/tmp/x", MK_REG | REFER);
    IN_CHILD("halves", restrict_self(halves);
             show_call("... from where it is removed", rename("/tmp/d/f", "/tmp/x/f9"));
             show_call("... the other way", rename("/tmp/x/i", "/tmp/d/i"));
             show_call("... over another", rename("/tmp/d/e/f3", "/tmp/x/i"));
             show_call("... exchange",
                       syscall(SYS_renameat2, AT_FDCWD, "/tmp/d/k", AT_FDCWD, "/tmp/x/i", 2)));
    int no_remove = ruleset(RM_FILE | MK_REG);
    IN_CHILD("same directory", restrict_self(no_remove);
             show_call("... rename", rename("/tmp/d/k", "/tmp/d/k2"));
             show_call("... directory", rename("/tmp/d/e", "/tmp/d/e2"));
             show_call("... back", rename("/tmp/d/e2", "/tmp/d/e")));
}

static void layers(void)
{
    int one = ruleset(READ), two = ruleset(WRITE | READ);
    allow(one, "/tmp/d", READ), allow(two, "/tmp/x", READ), allow(two, "/tmp/d/e", READ | WRITE);
    restrict_self(one);
    show_open("one: below", "/tmp/d/f", O_RDONLY);
    show_open("one: elsewhere", "/tmp/x/i", O_RDONLY);
    show_open("one: write elsewhere", "/tmp/x/i", O_WRONLY);
    restrict_self(two);
    show_open("two: first's", "/tmp/d/f", O_RDONLY);
    show_open("two: second's", "/tmp/x/i", O_RDONLY);
    show_open("two: both's", "/tmp/d/e/g", O_RDONLY);
    show_open("two: write", "/tmp/d/e/g", O_WRONLY);
    show_open("two: write elsewhere", "/tmp/x/i", O_WRONLY);
}

static void programs(void)
{
    char *argv[] = {"again", NULL}, *envp[] = {"LANDLOCK_AGAIN=1", NULL};
    int set = ruleset(EXECUTE | WRITE), none = ruleset(EXECUTE);
    allow(set, "/", EXECUTE);
    allow(set, "/tmp/d", WRITE);
    IN_CHILD("allowed", restrict_self(set); execve("/proc/self/exe", argv, envp);
             show_call("...", -1));
    IN_CHILD("not allowed", restrict_self(none); execve("/proc/self/exe", argv, envp);
             show_call("...", -1));
}

static void again(void)
{
    show_open("... write below", "/tmp/d/f", O_WRONLY);
    show_open("... write elsewhere", "/tmp/other", O_WRONLY);
    show_open("... read elsewhere", "/tmp/other", O_RDONLY);
}

static void tracing(void)
{
    int ends[2];
    pipe(ends);
    int set = ruleset(READ);
    pid_t outside = fork();
    if (outside == 0)
        hear(ends[0]), _exit(0);
    IN_CHILD("inside", restrict_self(set);
             show_call("... trace who is outside", ptrace(PTRACE_ATTACH, outside, 0, 0));
             pid_t child = fork(); if (child == 0) pause();
             show_call("... trace a child", ptrace(PTRACE_ATTACH, child, 0, 0));
             waitpid(child, NULL, 0); kill(child, SIGKILL); waitpid(child, NULL, 0));
    tell(ends[1]);
    waitpid(outside, NULL, 0);
}

static void own_tree(void)
{
    unshare(CLONE_NEWNS);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    mount("work", "/tmp", "tmpfs", 0, "mode=755");
    mkdir("/tmp/d", 0755), mkdir("/tmp/d/e", 0755), mkdir("/tmp/x", 0755);
    put("/tmp/d/f", "f"), put("/tmp/d/e/g", "g"), put("/tmp/other", "o"), put("/tmp/x/h", "h");
    put("/tmp/x/i", "i"), put("/tmp/d/k", "k");
    symlink("../other", "/tmp/d/out");
}

static void body(void)
{
    IN_CHILD("making", own_tree(); making());
    IN_CHILD("files", own_tree(); files());
    IN_CHILD("moves", own_tree(); moves());
    IN_CHILD("layers", own_tree(); layers());
    IN_CHILD("programs", own_tree(); programs());
    IN_CHILD("tracing", tracing());
}

static int has_landlock(void)
{
    return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           ruleset(READ) >= 0;
}

int main(void)
{
    if (getenv("LANDLOCK_AGAIN")) {
        again();
        return 0;
    }
    probe_needs(has_landlock, "landlock and mounts of one's own");
    return run_as_child(body);
}
