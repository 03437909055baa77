// The mount calls that work on descriptors: open_tree, move_mount, fsopen, fsconfig, fsmount,
// fspick, mount_setattr; the mount id of statx; changes by mount(2); MNT_EXPIRE. Runs as user 0.
#include "own_mounts.h"
#include "probe.h"
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

enum { OPEN_TREE = 428, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, FSPICK, MOUNT_SETATTR = 442 };
enum { FLAG, STRING, BINARY, PATH, PATH_EMPTY, FD, CREATE, RECONFIGURE };
enum { RECURSIVE = 0x8000, EMPTY = 0x1000, FROM_EMPTY = 4, TO_EMPTY = 0x40 };
enum { A_RDONLY = 1, A_NOSUID = 2, A_NODEV = 4, A_NOEXEC = 8, A_NOATIME = 0x10, A_STRICT = 0x20 };
enum { A_ATIMES = 0x70, A_NODIRATIME = 0x80, A_IDMAP = 0x100000, A_NOSYMFOLLOW = 0x200000 };
struct attr {
    uint64_t set, clear, propagation, userns;
};

static int tree_of(int dir, const char *path, unsigned flags)
{
    return (int)syscall(OPEN_TREE, dir, path, flags);
}
static int move_tree(int from, const char *from_path, int to, const char *to_path, unsigned flags)
{
    return (int)syscall(MOVE_MOUNT, from, from_path, to, to_path, flags);
}
static int attach(int fd, const char *to)
{
    return move_tree(fd, "", AT_FDCWD, to, FROM_EMPTY);
}
static int config(int fd, unsigned cmd, const void *key, const void *value, int aux)
{
    return (int)syscall(FSCONFIG, fd, cmd, key, value, aux);
}
static int set_string(int fd, const char *key, const char *value)
{
    return config(fd, STRING, key, value, 0);
}
static int setattr(int dir, const char *path, unsigned flags, struct attr a)
{
    return (int)syscall(MOUNT_SETATTR, dir, path, flags, &a, sizeof a);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    write(fd, text, strlen(text));
    close(fd);
}
static int there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void show_log(int fd)
{
    char text[512];
    for (ssize_t n; (n = read(fd, text, sizeof text)) > 0;)
        SHOW("... log", "%.*s", (int)n - (text[n - 1] == '\n'), text);
    SHOW("... log ends", "%s", strerrorname_np(errno));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void show_mounts(const char *name)
{
    FILE *f = fopen("/proc/self/mountinfo", "r");
    char line[1024], root[256], point[256], options[256], rest[256], lines[16][1024];
    unsigned count = 0;
    SHOW(name, "%s", f ? "" : "no mountinfo");
    while (f && fgets(line, sizeof line, f) && count < 16) {
        *rest = 0;
        if (sscanf(line, "%*d %*d %*s %255s %255s %255s %255[^\n]", root, point, options, rest) < 3)
            continue;
        if (strncmp(point, "/tmp", 4))
            continue;
        char *inodes = strstr(rest, ",inode64"); // a matter of how Linux was built
        if (inodes)
            memmove(inodes, inodes + 8, strlen(inodes + 8) + 1);
        for (char *c = rest; (c = strchr(c, ':'));) // numbers of groups are the machine's
            for (c++; *c >= '0' && *c <= '9'; c++)
                *c = 'N';
        snprintf(lines[count++], sizeof lines[0], "%s %s %s %s", point, root, options, rest);
    }
    if (f)
        fclose(f);
    qsort(lines, count, sizeof lines[0], by_text);
    for (unsigned i = 0; i < count; i++)
        SHOW("... mount", "%s", lines[i]);
}

static void own_tree(void)
{
    unshare(CLONE_NEWNS);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    clear_tmp();
    mount("work", "/tmp", "tmpfs", 0, "mode=755,size=1m");
    mkdir("/tmp/a", 0755), mkdir("/tmp/b", 0755), mkdir("/tmp/c", 0755);
    put("/tmp/a/f", "f");
}

// --- A file system made step by step -------------------------------------------------------------

static void opening(void)
{
    own_tree();
    show_call("bad flags", syscall(FSOPEN, "tmpfs", 2));
    show_call("unknown type", syscall(FSOPEN, "no-such-fs", 0));
    show_call("bad name", syscall(FSOPEN, NULL, 0));
    int fd = (int)syscall(FSOPEN, "tmpfs", 1);
    SHOW("open", "%d", fd >= 0);
    SHOW("... closed on exec", "%d", fcntl(fd, F_GETFD));
    char name[64] = "";
    readlink("/proc/self/fd/3", name, sizeof name - 1);
    SHOW("... name", "%s", fd == 3 ? name : "not 3");
    show_log(fd);
    show_call("mount too early", syscall(FSMOUNT, fd, 0, 0));
    show_call("size", set_string(fd, "size", "64k"));
    show_call("mode", set_string(fd, "mode", "700"));
    show_call("uid", set_string(fd, "uid", "1000"));
    show_call("source", set_string(fd, "source", "here"));
    show_call("source again", set_string(fd, "source", "there"));
    show_log(fd);
    show_call("source as a flag", config(fd, FLAG, "source", NULL, 0));
    show_log(fd);
    show_call("bad size", set_string(fd, "size", "64q"));
    show_log(fd);
    show_call("size as a flag", config(fd, FLAG, "size", NULL, 0));
    show_log(fd);
    show_call("bad mode", set_string(fd, "mode", "9"));
    show_log(fd);
    show_call("unknown", set_string(fd, "colour", "red"));
    show_call("unknown flag", config(fd, FLAG, "colour", NULL, 0));
    show_log(fd);
    for (int i = 0; i < 12; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        set_string(fd, key, "");
    }
    SHOW("twelve", "%s", "");
    show_log(fd);
    show_call("reconfigure what is not there", config(fd, RECONFIGURE, NULL, NULL, 0));
    show_call("create", config(fd, CREATE, NULL, NULL, 0));
    show_call("create again", config(fd, CREATE, NULL, NULL, 0));
    show_call("size too late", set_string(fd, "size", "64k"));
    show_call("mount bad flags", syscall(FSMOUNT, fd, 2, 0));
    show_call("mount bad attr", syscall(FSMOUNT, fd, 0, 0x100));
    show_call("mount two times of access", syscall(FSMOUNT, fd, 0, A_NOATIME | A_STRICT));
    show_call("mount of no context", syscall(FSMOUNT, 0, 0, 0));
    show_call("mount of nothing", syscall(FSMOUNT, 99, 0, 0));
    int mnt = (int)syscall(FSMOUNT, fd, 1, A_NOSUID | A_NODEV | A_NOATIME);
    SHOW("mount", "%d %d", mnt >= 0, fcntl(mnt, F_GETFD));
    SHOW("... is a path", "%d", !!(fcntl(mnt, F_GETFL) & O_PATH));
    show_call("mount again", syscall(FSMOUNT, fd, 0, 0));
    show_mounts("in no tree");
    int in = openat(mnt, "inside", O_CREAT | O_WRONLY, 0600);
    SHOW("... file in it", "%d", in >= 0);
    close(in);
    show_call("attach", attach(mnt, "/tmp/b"));
    SHOW("... there", "%d", there("/tmp/b/inside"));
    show_mounts("in the tree");
    show_call("attach again", attach(mnt, "/tmp/c"));
    show_call("change", set_string(fd, "size", "128k"));
    show_call("... done", config(fd, RECONFIGURE, NULL, NULL, 0));
    show_mounts("changed");
    close(mnt), close(fd);
    SHOW("stays", "%d", there("/tmp/b/inside") || there("/tmp/c/inside"));
}

static void arguments(void)
{
    own_tree();
    int fd = (int)syscall(FSOPEN, "tmpfs", 0);
    char big[300];
    memset(big, 'k', 299), big[299] = 0;
    void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show_call("negative", config(-1, CREATE, NULL, NULL, 0));
    show_call("no descriptor", config(99, CREATE, NULL, NULL, 0));
    show_call("no context", config(0, CREATE, NULL, NULL, 0));
    show_call("bad command", config(fd, 99, NULL, NULL, 0));
    show_call("bad command first", config(99, 99, NULL, NULL, 0));
    show_call("flag without key", config(fd, FLAG, NULL, NULL, 0));
    show_call("flag with value", config(fd, FLAG, "ro", "x", 0));
    show_call("flag with number", config(fd, FLAG, "ro", NULL, 1));
    show_call("string without value", config(fd, STRING, "size", NULL, 0));
    show_call("string with number", config(fd, STRING, "size", "1k", 1));
    show_call("key too long", config(fd, FLAG, big, NULL, 0));
    show_call("value too long", config(fd, STRING, "size", big, 0));
    show_call("key nowhere", config(fd, FLAG, none, NULL, 0));
    show_call("value nowhere", config(fd, STRING, "size", none, 0));
    show_call("binary of nothing", config(fd, BINARY, "size", "x", 0));
    show_call("binary too big", config(fd, BINARY, "size", "x", 1024 * 1024 + 1));
    show_call("binary nowhere", config(fd, BINARY, "size", none, 5));
    show_call("binary", config(fd, BINARY, "size", "12345", 5));
    show_call("path below nothing", config(fd, PATH, "size", "x", -5));
    show_call("path", config(fd, PATH, "size", "/tmp", AT_FDCWD));
    show_call("empty path", config(fd, PATH, "size", "", AT_FDCWD));
    show_call("descriptor with value", config(fd, FD, "size", "x", 0));
    show_call("no such descriptor", config(fd, FD, "size", NULL, 99));
    show_call("descriptor", config(fd, FD, "size", NULL, 0));
    show_call("create with key", config(fd, CREATE, "x", NULL, 0));
    show_log(fd);
    show_call("write", write(fd, "x", 1));
    show_call("unnamed", config(fd, FLAG, "", NULL, 0));
    show_call("ro", config(fd, FLAG, "ro", NULL, 0));
    show_call("create", config(fd, CREATE, NULL, NULL, 0));
    int mnt = (int)syscall(FSMOUNT, fd, 0, 0);
    show_call("attach", attach(mnt, "/tmp/b"));
    show_call("file in it", open("/tmp/b/x", O_CREAT | O_WRONLY, 0600));
    show_mounts("read-only file system");
    close(mnt), close(fd);
    for (int i = 0; i < 4; i++) {
        const char *type = ((const char *[]){"proc", "sysfs", "ramfs", "devpts"})[i];
        fd = (int)syscall(FSOPEN, type, 0);
        SHOW(type, "%d", fd >= 0);
        show_call("... option", set_string(fd, "colour", "red"));
        show_log(fd);
        show_call("... create", config(fd, CREATE, NULL, NULL, 0));
        mnt = (int)syscall(FSMOUNT, fd, 0, A_RDONLY | A_NOEXEC);
        show_call("... attach", attach(mnt, "/tmp/c"));
        SHOW("... has what it should", "%d %d %d", there("/tmp/c/self/stat"), there("/tmp/c/class"),
             there("/tmp/c/ptmx"));
        show_call("... umount", umount2("/tmp/c", MNT_DETACH));
        close(mnt), close(fd);
    }
}

// --- Trees ---------------------------------------------------------------------------------------

static void trees(void)
{
    own_tree();
    mkdir("/tmp/a/deep", 0755);
    mount("deep", "/tmp/a/deep", "tmpfs", 0, "mode=700");
    put("/tmp/a/deep/g", "g");
    symlink("a", "/tmp/link");
    show_call("bad flags", tree_of(AT_FDCWD, "/tmp/a", 2));
    show_call("recursive alone", tree_of(AT_FDCWD, "/tmp/a", RECURSIVE));
    show_call("nothing", tree_of(AT_FDCWD, "/tmp/none", 1));
    show_call("bad pointer", tree_of(AT_FDCWD, (char *)8, 1));
    show_call("bad directory", tree_of(99, "x", 1));
    show_call("empty", tree_of(AT_FDCWD, "", 1));
    int plain = tree_of(AT_FDCWD, "/tmp/a", O_CLOEXEC);
    SHOW("plain", "%d %d %d", plain >= 0, fcntl(plain, F_GETFD),
         !!(fcntl(plain, F_GETFL) & O_PATH));
    SHOW("... sees", "%d", faccessat(plain, "deep/g", F_OK, 0));
    show_call("... moved, no mount", attach(plain, "/tmp/c"));
    int one = tree_of(AT_FDCWD, "/tmp/a", 1);
    SHOW("one", "%d", one >= 0);
    SHOW("... sees", "%d %d", !faccessat(one, "f", F_OK, 0), !faccessat(one, "deep/g", F_OK, 0));
    int all = tree_of(AT_FDCWD, "/tmp/a", 1 | RECURSIVE);
    SHOW("all", "%d %d", all >= 0, !faccessat(all, "deep/g", F_OK, 0));
    int link = tree_of(AT_FDCWD, "/tmp/link", 1 | AT_SYMLINK_NOFOLLOW);
    struct stat st;
    fstat(link, &st);
    SHOW("link", "%d", S_ISLNK(st.st_mode));
    show_mounts("nothing yet");
    show_call("move bad flags", move_tree(all, "", AT_FDCWD, "/tmp/b", 8));
    show_call("move without the flag", move_tree(all, "", AT_FDCWD, "/tmp/b", 0));
    show_call("move to nothing", attach(all, "/tmp/none"));
    show_call("move onto a file", attach(all, "/tmp/a/f"));
    show_call("move a link", attach(link, "/tmp/b"));
    show_call("move from a pipe", attach(0, "/tmp/b"));
    show_call("move", attach(all, "/tmp/b"));
    SHOW("... there", "%d", there("/tmp/b/deep/g"));
    show_call("move into itself", attach(all, "/tmp/b/deep"));
    show_call("move on", move_tree(AT_FDCWD, "/tmp/b", AT_FDCWD, "/tmp/c", 0));
    SHOW("... there", "%d %d", there("/tmp/b/deep/g"), there("/tmp/c/deep/g"));
    int to = open("/tmp/b", O_PATH);
    show_call("move by two descriptors", move_tree(one, "", to, "", FROM_EMPTY | TO_EMPTY));
    show_mounts("there");
    close(all), close(one), close(link), close(plain);
    show_mounts("closed");
    one = tree_of(AT_FDCWD, "/tmp/a", 1);
    int in = openat(one, "f", O_RDONLY);
    close(one);
    char c = 0;
    show_call("read of a file in a tree that is gone", read(in, &c, 1));
    one = tree_of(AT_FDCWD, "/tmp/a", 1 | RECURSIVE);
    fchdir(one);
    close(one);
    SHOW("directory in a tree that is gone", "%d", there("f"));
    chdir("/tmp");
    mount("u", "/tmp/b", "tmpfs", 0, NULL);
    mount(NULL, "/tmp/b", NULL, MS_UNBINDABLE, NULL);
    show_call("tree of an unbindable", tree_of(AT_FDCWD, "/tmp/b", 1));
    IN_CHILD("nobody", setuid(1000); show_call("... tree", tree_of(AT_FDCWD, "/tmp/a", 1));
             show_call("... bad flags first", tree_of(AT_FDCWD, "/tmp/a", 2));
             show_call("... plain", tree_of(AT_FDCWD, "/tmp/a", 0) < 0 ? -1 : 0);
             show_call("... move", move_tree(AT_FDCWD, "/tmp/b", AT_FDCWD, "/tmp/c", 8));
             show_call("... fsopen", syscall(FSOPEN, "none", 2));
             show_call("... fspick", syscall(FSPICK, AT_FDCWD, "/tmp", 99));
             show_call("... fsmount", syscall(FSMOUNT, 99, 0, 99));
             show_call("... setattr", setattr(AT_FDCWD, "/tmp", 0, (struct attr){0, 0, 0, 0}));
             show_call("... setattr bad flags",
                       setattr(AT_FDCWD, "/tmp", 1, (struct attr){0, 0, 0, 0})));
}

static void groups(void)
{
    own_tree();
    mount("one", "/tmp/a", "tmpfs", 0, "mode=700");
    mkdir("/tmp/a/p", 0755);
    mount("/tmp/a", "/tmp/b", NULL, MS_BIND, NULL);
    mount(NULL, "/tmp/a", NULL, MS_SHARED, NULL);
    enum { SET_GROUP = 0x100 };
    show_call("join of itself", move_tree(AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/a", SET_GROUP));
    show_call("join of a private", move_tree(AT_FDCWD, "/tmp/b", AT_FDCWD, "/tmp/a", SET_GROUP));
    show_call("join of another", move_tree(AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp", SET_GROUP));
    show_call("join of a directory", move_tree(AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/c", SET_GROUP));
    show_call("join", move_tree(AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/b", SET_GROUP));
    mount("two", "/tmp/a/p", "tmpfs", 0, "mode=700");
    put("/tmp/a/p/x", "x");
    SHOW("... seen", "%d", there("/tmp/b/p/x"));
    show_mounts("joined");
}

// --- Attributes ----------------------------------------------------------------------------------

static int change(const char *path, uint64_t set, uint64_t clear)
{
    return setattr(AT_FDCWD, path, 0, (struct attr){set, clear, 0, 0});
}

static void attributes(void)
{
    own_tree();
    mount("one", "/tmp/a", "tmpfs", 0, "mode=700");
    mkdir("/tmp/a/in", 0755);
    mount("two", "/tmp/a/in", "tmpfs", 0, "mode=700");
    struct attr a[2] = {{A_RDONLY, 0, 0, 0}, {0}};
    show_call("too small", syscall(MOUNT_SETATTR, AT_FDCWD, "/tmp/a", 0, a, 31));
    show_call("larger", syscall(MOUNT_SETATTR, AT_FDCWD, "/tmp/a", 0, a, 64));
    a[1].set = 1;
    show_call("larger and unknown", syscall(MOUNT_SETATTR, AT_FDCWD, "/tmp/a", 0, a, 64));
    show_call("much larger", syscall(MOUNT_SETATTR, AT_FDCWD, "/tmp/a", 0, a, 5000));
    show_call("nowhere", syscall(MOUNT_SETATTR, AT_FDCWD, "/tmp/a", 0, 8, 32));
    show_call("bad flags", setattr(AT_FDCWD, "/tmp/a", 1, a[0]));
    show_call("nothing to do", setattr(99, "/nowhere", 0, (struct attr){0, 0, 0, 0}));
    show_call("no place", change("/nowhere", A_NOSUID, 0));
    show_call("no mount", change("/tmp/b", A_NOSUID, 0));
    show_call("unknown", change("/tmp/a", 0x400000, 0));
    show_call("unknown cleared", change("/tmp/a", 0, 0x100));
    show_call("some", change("/tmp/a", A_NOSUID | A_NOEXEC, A_RDONLY));
    show_mounts("some");
    show_call("time alone", change("/tmp/a", A_NOATIME, 0));
    show_call("time half", change("/tmp/a", A_NOATIME, A_NOATIME));
    show_call("time", change("/tmp/a", A_NOATIME, A_ATIMES));
    show_call("two times", change("/tmp/a", A_NOATIME | A_STRICT, A_ATIMES));
    show_call("directories", change("/tmp/a/in", A_NODIRATIME | A_NOSYMFOLLOW, 0));
    show_mounts("times");
    show_call("both", change("/tmp/a", A_NODEV, A_NODEV | A_NOSUID));
    show_call("strict", change("/tmp/a", A_STRICT, A_ATIMES));
    show_call("two kinds",
              setattr(AT_FDCWD, "/tmp/a", 0, (struct attr){0, 0, MS_SHARED | MS_SLAVE, 0}));
    show_call("bad kind", setattr(AT_FDCWD, "/tmp/a", 0, (struct attr){0, 0, MS_REC, 0}));
    show_call("all below",
              setattr(AT_FDCWD, "/tmp/a", RECURSIVE, (struct attr){A_RDONLY, 0, MS_SHARED, 0}));
    show_mounts("all below");
    show_call("relative", change("/tmp/a", 0, A_ATIMES | A_RDONLY));
    int fd = open("/tmp/a/w", O_WRONLY | O_CREAT, 0600);
    show_call("while open for writing", change("/tmp/a", A_RDONLY | A_NOSUID, 0));
    show_call("... by mount", mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    show_call("... the file system", mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_RDONLY, NULL));
    show_mounts("nothing changed");
    close(fd);
    show_call("after", change("/tmp/a", A_RDONLY, 0));
    show_call("map from what is no descriptor",
              setattr(AT_FDCWD, "/tmp/a", 0, (struct attr){A_IDMAP, 0, 0, 99}));
    show_call("map from what is no namespace",
              setattr(AT_FDCWD, "/tmp/a", 0, (struct attr){A_IDMAP, 0, 0, 0}));
    show_call("map cleared", change("/tmp/a", 0, A_IDMAP));
    int user = open("/proc/self/ns/user", O_RDONLY);
    show_call("map of the first namespace",
              setattr(AT_FDCWD, "/tmp/a", 0, (struct attr){A_IDMAP, 0, 0, (uint64_t)user}));
    int tree = tree_of(AT_FDCWD, "/tmp/a", 1 | RECURSIVE);
    show_call("of a tree in the hand",
              setattr(tree, "", EMPTY | RECURSIVE,
                      (struct attr){A_NOEXEC | A_NOSUID, A_RDONLY, MS_PRIVATE, 0}));
    show_call("... attached", attach(tree, "/tmp/b"));
    show_mounts("attached");
}

// --- Changes of a file system --------------------------------------------------------------------

static int fill(const char *path, int kib)
{
    static char block[1024];
    int fd = open(path, O_WRONLY | O_CREAT, 0600), i = 0;
    while (i < kib && write(fd, block, sizeof block) == (ssize_t)sizeof block)
        i++;
    int err = errno;
    close(fd);
    errno = err;
    return i == kib ? i : -1;
}

static void show_size(const char *name, const char *path)
{
    struct statvfs st;
    statvfs(path, &st);
    SHOW(name, "%lu of %lu", (unsigned long)(st.f_bfree * st.f_bsize / 1024),
         (unsigned long)(st.f_blocks * st.f_bsize / 1024));
}

static void changes(void)
{
    own_tree();
    show_call("tmpfs", mount("t", "/tmp/a", "tmpfs", 0, "size=100k,nr_inodes=10,uid=5,gid=6"));
    show_mounts("made");
    show_size("space", "/tmp/a");
    show_call("fill", fill("/tmp/a/x", 60));
    show_size("space", "/tmp/a");
    show_call("fill more", fill("/tmp/a/y", 60));
    unlink("/tmp/a/y");
    show_call("smaller", mount(NULL, "/tmp/a", NULL, MS_REMOUNT, "size=40k"));
    show_call("larger", mount(NULL, "/tmp/a", NULL, MS_REMOUNT, "size=200k"));
    show_size("space", "/tmp/a");
    show_call("fill again", fill("/tmp/a/y", 60));
    show_call("blocks", mount(NULL, "/tmp/a", NULL, MS_REMOUNT, "nr_blocks=64"));
    show_size("space", "/tmp/a");
    show_call("fewer objects", mount(NULL, "/tmp/a", NULL, MS_REMOUNT, "nr_inodes=2"));
    show_call("bad option", mount(NULL, "/tmp/a", NULL, MS_REMOUNT, "colour=red"));
    show_call("bad value", mount(NULL, "/tmp/a", NULL, MS_REMOUNT, "size=red"));
    show_call("no mount", mount(NULL, "/tmp/b", NULL, MS_REMOUNT, "size=1k"));
    show_mounts("changed");
    mount("/tmp/a", "/tmp/b", NULL, MS_BIND, NULL);
    show_call("read-only", mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_RDONLY, NULL));
    show_call("... seen in the other", open("/tmp/b/new", O_CREAT | O_WRONLY, 0600));
    show_mounts("read-only");
    show_call("back", mount(NULL, "/tmp/a", NULL, MS_REMOUNT, NULL));
    show_call("... seen in the other", open("/tmp/b/x", O_RDONLY) < 0 ? -1 : 0);

    show_call("pick bad flags", syscall(FSPICK, AT_FDCWD, "/tmp/a", 16));
    show_call("pick no mount", syscall(FSPICK, AT_FDCWD, "/tmp/a/x", 0));
    show_call("pick nothing", syscall(FSPICK, AT_FDCWD, "/tmp/none", 0));
    int fd = (int)syscall(FSPICK, AT_FDCWD, "/tmp/a", 1);
    SHOW("pick", "%d %d", fd >= 0, fcntl(fd, F_GETFD));
    show_call("... mount", syscall(FSMOUNT, fd, 0, 0));
    show_call("... create", config(fd, CREATE, NULL, NULL, 0));
    show_call("... size", set_string(fd, "size", "1k"));
    show_call("... done", config(fd, RECONFIGURE, NULL, NULL, 0));
    show_log(fd);
    show_call("... again", set_string(fd, "size", "1m"));
    show_call("... failed for good", config(fd, RECONFIGURE, NULL, NULL, 0));
    close(fd);
    int dir = open("/tmp/a", O_PATH);
    fd = (int)syscall(FSPICK, dir, "", 8);
    SHOW("pick a descriptor", "%d", fd >= 0);
    show_call("... ro", config(fd, FLAG, "ro", NULL, 0));
    show_call("... size", set_string(fd, "size", "512k"));
    show_call("... done", config(fd, RECONFIGURE, NULL, NULL, 0));
    show_mounts("picked");
    show_call("... back", config(fd, FLAG, "rw", NULL, 0));
    show_call("... done", config(fd, RECONFIGURE, NULL, NULL, 0));
    show_mounts("back");
}

// --- The rest ------------------------------------------------------------------------------------

static void ids(void)
{
    own_tree();
    mount("x", "/tmp/a", "tmpfs", 0, NULL);
    struct statx one = {0}, two = {0}, pipe_fd = {0};
    put("/tmp/a/f", "f");
    show_call("statx", statx(AT_FDCWD, "/tmp/a/f", 0, 0x1000, &one));
    SHOW("... id", "%d %d", !!(one.stx_mask & 0x1000), one.stx_mnt_id > 0);
    show_call("statx of the root", statx(AT_FDCWD, "/tmp/a", 0, 0x1000, &two));
    SHOW("... same", "%d", one.stx_mnt_id == two.stx_mnt_id);
    SHOW("... is a root", "%d %d %d", !!(two.stx_attributes & 0x2000),
         !!(one.stx_attributes & 0x2000), !!(one.stx_attributes_mask & 0x2000));
    statx(AT_FDCWD, "/tmp", 0, 0x1000, &two);
    SHOW("... another's", "%d", one.stx_mnt_id != two.stx_mnt_id);
    FILE *f = fopen("/proc/self/mountinfo", "r");
    char line[1024], point[256];
    int id, found = 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%d %*d %*s %*s %255s", &id, point) == 2 && !strcmp(point, "/tmp/a"))
            found = (uint64_t)id == one.stx_mnt_id;
    fclose(f);
    SHOW("... as in mountinfo", "%d", found);
    int fd = open("/tmp/a/f", O_RDONLY);
    snprintf(point, sizeof point, "/proc/self/fdinfo/%d", fd);
    f = fopen(point, "r");
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "mnt_id: %d", &id) == 1)
            found = 2 * ((uint64_t)id == one.stx_mnt_id);
    fclose(f);
    SHOW("... as in fdinfo", "%d", found);
    int ends[2];
    pipe(ends);
    show_call("statx of a pipe", statx(ends[0], "", EMPTY, 0x1000, &pipe_fd));
    SHOW("... id", "%d", !!(pipe_fd.stx_mask & 0x1000));
}

// A descriptor is the last thing of a file system that was taken away, its file without a name.
static void last_descriptor(void)
{
    own_tree();
    mkdir("/tmp/last", 0755);
    show_call("mount", mount("none", "/tmp/last", "tmpfs", 0, NULL));
    int fd = open("/tmp/last/file", O_RDWR | O_CREAT, 0600);
    show_call("unlink", unlink("/tmp/last/file"));
    show_call("take away", umount2("/tmp/last", MNT_DETACH));
    show_call("write", write(fd, "still", 5));
    show_call("close", close(fd));
    show_call("rmdir", rmdir("/tmp/last"));
}

static void expiry(void)
{
    own_tree();
    mount("x", "/tmp/a", "tmpfs", 0, NULL);
    show_call("with another flag", umount2("/tmp/a", MNT_EXPIRE | MNT_DETACH));
    show_call("first", umount2("/tmp/a", MNT_EXPIRE));
    show_call("second", umount2("/tmp/a", MNT_EXPIRE));
    show_call("third", umount2("/tmp/a", MNT_EXPIRE));
    mount("x", "/tmp/a", "tmpfs", 0, NULL);
    put("/tmp/a/f", "f");
    show_call("first", umount2("/tmp/a", MNT_EXPIRE));
    SHOW("used", "%d", there("/tmp/a/f"));
    show_call("first again", umount2("/tmp/a", MNT_EXPIRE));
    int fd = open("/tmp/a/f", O_RDONLY);
    show_call("while open", umount2("/tmp/a", MNT_EXPIRE));
    close(fd);
    show_call("after", umount2("/tmp/a", MNT_EXPIRE));
    show_call("and now", umount2("/tmp/a", MNT_EXPIRE));
    SHOW("gone", "%d", !there("/tmp/a/g"));
    show_call("no mount", umount2("/tmp/b", MNT_EXPIRE));
}

static void in_user_namespace(void)
{
    own_tree();
    mount("in", "/tmp/a", "tmpfs", MS_NOSUID | MS_RDONLY, "mode=755");
    IN_CHILD("user", setuid(1000); show_call("...", unshare(CLONE_NEWUSER | CLONE_NEWNS));
             int fd = (int)syscall(FSOPEN, "tmpfs", 0);
             show_call("... uid that is not mapped", set_string(fd, "uid", "7"));
             show_call("... create", config(fd, CREATE, NULL, NULL, 0));
             int mnt = (int)syscall(FSMOUNT, fd, 0, 0);
             show_call("... attach", attach(mnt, "/tmp/b"));
             show_call("... tree of part", tree_of(AT_FDCWD, "/tmp", 1));
             int tree = tree_of(AT_FDCWD, "/tmp", 1 | RECURSIVE);
             show_call("... tree of all", attach(tree, "/tmp/c"));
             show_call("... writable", change("/tmp/a", 0, A_RDONLY));
             show_call("... stricter", change("/tmp/a", A_NODEV, 0));
             show_call("... all stricter", setattr(AT_FDCWD, "/tmp", RECURSIVE,
                                                   (struct attr){A_NOEXEC, 0, MS_PRIVATE, 0}));
             fd = (int)syscall(FSPICK, AT_FDCWD, "/tmp/a", 0); SHOW("... pick", "%d", fd >= 0);
             show_call("... reconfigure", config(fd, RECONFIGURE, NULL, NULL, 0)));
}

static void body(void)
{
    IN_CHILD("last descriptor", last_descriptor());
    IN_CHILD("opening", opening());
    IN_CHILD("arguments", arguments());
    IN_CHILD("trees", trees());
    IN_CHILD("groups", groups());
    IN_CHILD("attributes", attributes());
    IN_CHILD("changes", changes());
    IN_CHILD("ids", ids());
    IN_CHILD("expiry", expiry());
    IN_CHILD("users", in_user_namespace());
}

static int has_mounts(void)
{
    return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           syscall(FSOPEN, "tmpfs", 0) >= 0 &&
           !setattr(AT_FDCWD, "/", 0, (struct attr){0, 0, 0, 0});
}

int main(void)
{
    probe_needs(has_mounts, "mounts by descriptors");
    return run_as_child(body);
}
