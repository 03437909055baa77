// Access control lists: what is taken for one, whom they let in, what chmod and new objects make of
// them; whiteouts; namespaces; file capabilities.  acl [DIR]: works in a directory of its own in
// DIR.
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define ACCESS   "system.posix_acl_access"
#define DEFAULTS "system.posix_acl_default"

static char here[300];

struct entry {
    uint16_t tag, perm;
    uint32_t id;
};
struct list {
    uint32_t version;
    struct entry entry[12];
};
enum { U = 1, USER = 2, G = 4, GROUP = 8, MASK = 16, O = 32, NOBODY = -1 };

static void show_mode(const char *name, const char *path)
{
    struct stat st;
    if (lstat(path, &st))
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "mode %o uid %d gid %d", st.st_mode, (int)st.st_uid, (int)st.st_gid);
}

static void show_list(const char *name, const char *path, const char *attr)
{
    struct list l;
    char text[400] = "";
    ssize_t n = lgetxattr(path, attr, &l, sizeof l);
    if (n < 0) {
        show_call(name, n);
        return;
    }
    for (int i = 0; i < (int)((n - 4) / 8); i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %x:%o:%d", l.entry[i].tag,
                 l.entry[i].perm, (int)l.entry[i].id);
    SHOW(name, "%u%s", l.version, text);
}

static int set(const char *path, const char *attr, int count, const struct entry *entries)
{
    struct list l = {.version = 2};
    memcpy(l.entry, entries, (size_t)count * sizeof *entries);
    return lsetxattr(path, attr, &l, 4 + (size_t)count * 8, 0);
}
#define SET(path, attr, ...)                                                                       \
    set(path, attr, (int)(sizeof((struct entry[]){__VA_ARGS__}) / sizeof(struct entry)),           \
        (struct entry[]){__VA_ARGS__})

static void make(const char *name, mode_t mode)
{
    int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, mode);
    fchmod(fd, mode);
    close(fd);
}

static void as(unsigned uid, unsigned gid, unsigned group, void (*body)(void))
{
    const gid_t groups[] = {group};
    IN_CHILD("user", {
        if (syscall(SYS_setgroups, 1, groups) || setresgid(gid, gid, gid) ||
            setresuid(uid, uid, uid))
            abort();
        body();
    });
}

// --- Forms ---------------------------------------------------------------------------------------

static void forms(void)
{
    struct list l = {.version = 3};
    make("form", 0640);
    show_call("none", getxattr("form", ACCESS, &l, sizeof l));
    show_call("trivial", SET("form", ACCESS, {U, 7, NOBODY}, {G, 5, NOBODY}, {O, 1, NOBODY}));
    show_mode("... mode", "form");
    show_list("... list", "form", ACCESS);
    show_call("no mask", SET("form", ACCESS, {U, 6, 0}, {USER, 4, 1000}, {G, 4, 0}, {O, 0, 0}));
    show_call("no other", SET("form", ACCESS, {U, 6, 0}, {G, 4, 0}));
    show_call("order", SET("form", ACCESS, {G, 4, 0}, {U, 6, 0}, {O, 0, 0}));
    show_call("twice", SET("form", ACCESS, {U, 6, 0}, {U, 6, 0}, {G, 4, 0}, {O, 0, 0}));
    show_call("bits", SET("form", ACCESS, {U, 16, 0}, {G, 4, 0}, {O, 0, 0}));
    show_call("tag", SET("form", ACCESS, {U, 6, 0}, {G, 4, 0}, {O, 0, 0}, {64, 0, 0}));
    show_call("version", lsetxattr("form", ACCESS, &l, 4, 0));
    l.version = 2;
    show_call("short", lsetxattr("form", ACCESS, &l, 3, 0));
    show_call("cut", lsetxattr("form", ACCESS, &l, 11, 0));
    show_call("full", SET("form", ACCESS, {U, 6, NOBODY}, {USER, 7, 1000}, {USER, 4, 1001},
                          {G, 4, NOBODY}, {GROUP, 2, 50}, {MASK, 6, NOBODY}, {O, 0, NOBODY}));
    show_mode("... mode", "form");
    show_list("... list", "form", ACCESS);
    show_call("room", getxattr("form", ACCESS, &l, 20));
    show_call("size", getxattr("form", ACCESS, NULL, 0));
    char names[200];
    ssize_t n = listxattr("form", names, sizeof names);
    SHOW("names", "%zd %s", n, n > 0 ? names : "");
    show_call("create", setxattr("form", ACCESS, &l, 4, XATTR_CREATE));
    show_list("... without entries", "form", ACCESS);
    show_mode("... mode", "form");
    show_call("remove", removexattr("form", ACCESS));
    show_call("default of a file", SET("form", DEFAULTS, {U, 6, 0}, {G, 4, 0}, {O, 0, 0}));
    show_call("... get", getxattr("form", DEFAULTS, NULL, 0));
    show_call("... remove", removexattr("form", DEFAULTS));
    show_done("symlink", symlink("form", "soft"));
    show_call("... set", SET("soft", ACCESS, {U, 6, 0}, {G, 4, 0}, {O, 0, 0}));
    show_call("... get", lgetxattr("soft", ACCESS, NULL, 0));
    show_call("another name", setxattr("form", "system.posix_acl", "x", 1, 0));
}

// --- Rights --------------------------------------------------------------------------------------

static void try_all(void)
{
    static const char *const files[] = {"user", "masked", "groups", "closed", "other"};
    char line[100] = "", *end = line;
    for (int i = 0; i < 5; i++)
        for (int mask = 1; mask <= 7; mask++)
            *end++ = syscall(439, AT_FDCWD, files[i], mask, AT_EACCESS) ? '-' : '+';
    SHOW("may", "%s", line);
    show_call("a list of another's file", SET("user", ACCESS, {U, 7, 0}, {G, 7, 0}, {O, 7, 0}));
    int fd = open("through/inside", O_RDONLY);
    show_done("through a directory", fd);
}

static void rights(void)
{
    for (int i = 0; i < 5; i++)
        make(((const char *[]){"user", "masked", "groups", "closed", "other"})[i], 0600);
    SET("user", ACCESS, {U, 6, 0}, {USER, 5, 1000}, {G, 2, 0}, {MASK, 7, 0}, {O, 4, 0});
    SET("masked", ACCESS, {U, 6, 0}, {USER, 7, 1000}, {G, 7, 0}, {GROUP, 7, 50}, {MASK, 4, 0},
        {O, 2, 0});
    SET("groups", ACCESS, {U, 6, 0}, {G, 4, 0}, {GROUP, 2, 50}, {GROUP, 1, 51}, {MASK, 7, 0},
        {O, 0, 0});
    SET("closed", ACCESS, {U, 6, 0}, {USER, 7, 1000}, {G, 7, 0}, {MASK, 0, 0}, {O, 6, 0});
    SET("other", ACCESS, {U, 6, 0}, {USER, 0, 1001}, {G, 0, 0}, {MASK, 7, 0}, {O, 7, 0});
    if (chown("groups", 0, 51) || mkdir("through", 0700))
        abort();
    make("through/inside", 0644);
    SET("through", ACCESS, {U, 7, 0}, {USER, 1, 1000}, {G, 0, 0}, {MASK, 1, 0}, {O, 0, 0});
    as(1000, 1000, 1000, try_all);
    as(1001, 1001, 50, try_all);
    as(1002, 51, 50, try_all);
    as(1002, 50, 51, try_all);
    as(1003, 0, 0, try_all);
}

// --- chmod and inheritance -----------------------------------------------------------------------

static void modes(void)
{
    make("mode", 0600);
    SET("mode", ACCESS, {U, 6, 0}, {USER, 7, 1000}, {G, 4, 0}, {MASK, 6, 0}, {O, 0, 0});
    show_call("chmod", chmod("mode", 02715));
    show_list("... list", "mode", ACCESS);
    show_mode("... mode", "mode");
    show_call("chown", chown("mode", 1000, 50));
    show_list("... list", "mode", ACCESS);
    show_mode("... mode", "mode");
    show_call("removed", removexattr("mode", ACCESS));
    show_mode("... mode", "mode");
}

static void show_new(const char *name)
{
    char text[100];
    snprintf(text, sizeof text, "new %s", name);
    show_mode(text, name);
    show_list("... list", name, ACCESS);
    show_list("... default", name, DEFAULTS);
}

static void inheritance(void)
{
    umask(077);
    if (mkdir("heir", 02755) || mkdir("plain", 0755))
        abort();
    show_call("default", SET("heir", DEFAULTS, {U, 7, 0}, {USER, 6, 1000}, {G, 5, 0}, {MASK, 7, 0},
                             {O, 4, 0}));
    show_list("... default", "heir", DEFAULTS);
    show_call("trivial default", SET("plain", DEFAULTS, {U, 7, 0}, {G, 5, 0}, {O, 1, 0}));
    close(open("heir/file", O_CREAT | O_RDWR, 0666));
    close(open("heir/small", O_CREAT | O_RDWR, 0640));
    close(open("plain/file", O_CREAT | O_RDWR, 0666));
    mknod("heir/fifo", S_IFIFO | 0666, 0);
    mkdir("heir/dir", 0777);
    mkdir("plain/dir", 0777);
    mkdir("heir/dir/deeper", 0700);
    if (symlink("x", "heir/soft"))
        abort();
    int fd = open("heir", O_TMPFILE | O_RDWR, 0666);
    show_done("unnamed", linkat(fd, "", AT_FDCWD, "heir/unnamed", AT_EMPTY_PATH));
    static const char *const names[] = {"heir/file", "heir/small",   "plain/file",
                                        "heir/fifo", "heir/dir",     "plain/dir",
                                        "heir/soft", "heir/unnamed", "heir/dir/deeper"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        show_new(names[i]);
    show_call("no default", removexattr("heir", DEFAULTS));
    close(open("heir/later", O_CREAT | O_RDWR, 0666));
    show_new("heir/later");
    umask(022);
}

// --- Whiteouts -----------------------------------------------------------------------------------

static void show_device(const char *name, const char *path)
{
    struct stat st;
    if (lstat(path, &st))
        show_call(name, -1);
    else
        SHOW(name, "mode %o device %d uid %d links %d", st.st_mode, (int)st.st_rdev, (int)st.st_uid,
             (int)st.st_nlink);
}

static void whiteouts(void)
{
    make("w1", 0644);
    make("w2", 0644);
    make("w3", 0644);
    if (mkdir("wd", 0755) || mkdir("wd2", 0755))
        abort();
    show_call("whiteout", renameat2(AT_FDCWD, "w1", AT_FDCWD, "wd/x", RENAME_WHITEOUT));
    show_device("... there", "w1");
    show_device("... moved", "wd/x");
    show_call("over a file", renameat2(AT_FDCWD, "w2", AT_FDCWD, "w3", RENAME_WHITEOUT));
    show_device("... there", "w2");
    show_device("... moved", "w3");
    show_call("no replace",
              renameat2(AT_FDCWD, "w3", AT_FDCWD, "w4", RENAME_WHITEOUT | RENAME_NOREPLACE));
    show_call("... again",
              renameat2(AT_FDCWD, "w4", AT_FDCWD, "w2", RENAME_WHITEOUT | RENAME_NOREPLACE));
    show_call("exchange",
              renameat2(AT_FDCWD, "w3", AT_FDCWD, "w4", RENAME_WHITEOUT | RENAME_EXCHANGE));
    show_call("directory", renameat2(AT_FDCWD, "wd", AT_FDCWD, "wd2", RENAME_WHITEOUT));
    show_device("... there", "wd");
    show_device("... inside", "wd2/x");
    show_call("missing", renameat2(AT_FDCWD, "wx", AT_FDCWD, "wy", RENAME_WHITEOUT));
    show_call("removed", unlink("wd"));
    show_call("mknod of one", mknod("w9", S_IFCHR, 0));
}

static void stranger(void)
{
    show_call("mknod of one by a user", mknod("drop/w", S_IFCHR, 0));
    show_call("mknod of another", mknod("drop/x", S_IFCHR, 1));
    close(open("drop/f", O_CREAT | O_RDWR, 0644));
    show_call("whiteout by a user",
              renameat2(AT_FDCWD, "drop/f", AT_FDCWD, "drop/g", RENAME_WHITEOUT));
    show_device("... there", "drop/f");
}

// --- File capabilities ---------------------------------------------------------------------------

static void show_caps(void)
{
    char line[200];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "CapPrm", 6) || !strncmp(line, "CapEff", 6) ||
            !strncmp(line, "CapInh", 6))
            printf("%s", line);
    if (f)
        fclose(f);
    fflush(stdout);
}

static char copy_path[400];

static void run_copy(void)
{
    execl(copy_path, copy_path, "--caps", (char *)NULL);
    show_call("exec", -1);
}

static void copy_self(void)
{
    static char buf[1 << 16];
    int from = open("/proc/self/exe", O_RDONLY),
        to = open(copy_path, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    ssize_t n;
    while ((n = read(from, buf, sizeof buf)) > 0)
        if (write(to, buf, (size_t)n) != n)
            abort();
    close(from);
    close(to);
}

static int set_caps(const char *path, uint32_t magic, uint32_t permitted, uint32_t inheritable)
{
    const struct vfs_cap_data caps = {magic, {{permitted, inheritable}, {0, 0}}};
    return setxattr(path, "security.capability", &caps, sizeof caps, 0);
}

static void run_without_gain(void)
{
    show_call("no new privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    run_copy();
}

// Root that gave up what it had stays without.
static void run_as_lesser_root(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const struct __user_cap_data_struct one[2] = {{1u << CAP_CHOWN, 1u << CAP_CHOWN, 0}, {0, 0, 0}};
    show_call("capset", syscall(SYS_capset, &header, one));
    run_without_gain();
}

static int set_caps_of(const char *path, uint32_t permitted, uint32_t root)
{
    const struct vfs_ns_cap_data caps = {
        VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE, {{permitted, 0}, {0, 0}}, root};
    return setxattr(path, "security.capability", &caps, sizeof caps, 0);
}

static void show_value(const char *path)
{
    uint32_t word[8] = {0};
    ssize_t n = getxattr(path, "security.capability", word, sizeof word);
    show_call("size", n);
    if (n > 0)
        printf("magic %08x permitted %x root %u\n", word[0], word[1], n > 20 ? word[5] : 0);
    show_call("asked", getxattr(path, "security.capability", NULL, 0));
    show_call("too small", getxattr(path, "security.capability", word, 19));
}

static void capabilities(void)
{
    const uint32_t some = 1u << CAP_NET_RAW | 1u << CAP_CHOWN;
    char cwd[sizeof copy_path - 10];
    if (!getcwd(cwd, sizeof cwd))
        abort();
    snprintf(copy_path, sizeof copy_path, "%s/copy", cwd);
    copy_self();
    as(1000, 1000, 1000, run_copy);
    show_call("effective", set_caps("copy", VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, some, 0));
    as(1000, 1000, 1000, run_copy);
    as(1000, 1000, 1000, run_without_gain);
    as(0, 0, 0, run_as_lesser_root);
    show_value("copy");
    show_call("of a root", set_caps_of("copy", some, 1000));
    show_value("copy");
    as(1000, 1000, 1000, run_copy);
    show_call("of the root", set_caps_of("copy", some, 0));
    show_value("copy");
    as(1000, 1000, 1000, run_copy);
    show_call("permitted", set_caps("copy", VFS_CAP_REVISION_2, some, 0));
    as(1000, 1000, 1000, run_copy);
    show_call("inheritable", set_caps("copy", VFS_CAP_REVISION_2, 0, some));
    as(1000, 1000, 1000, run_copy);
    show_call("effective", set_caps("copy", VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, some, 0));
    int fd = open("copy", O_WRONLY | O_APPEND);
    show_call("a write", write(fd, "x", 1));
    close(fd);
    show_call("... leaves", getxattr("copy", "security.capability", NULL, 0));
    show_call("effective", set_caps("copy", VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, some, 0));
    show_call("truncation", truncate("copy", 5));
    show_call("... leaves", getxattr("copy", "security.capability", NULL, 0));
}

// A namespace has names of its own for the users of a list.
static void write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        SHOW(name, "%s", strerrorname_np(errno));
    close(fd);
}

static void in_namespace(void)
{
    int up[2], down[2];
    char name[64];
    pipe(up);
    pipe(down);
    make("mapped", 0644);
    SET("mapped", ACCESS, {U, 6, NOBODY}, {USER, 6, 1005}, {USER, 4, 1500}, {G, 4, NOBODY},
        {GROUP, 6, 2007}, {MASK, 6, NOBODY}, {O, 0, NOBODY});
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWUSER)) {
            SHOW("unshare", "%s", strerrorname_np(errno));
            _exit(1);
        }
        tell(up[1]);
        hear(down[0]);
        show_list("inside", "mapped", ACCESS);
        show_done("a user of it",
                  SET("mapped", ACCESS, {U, 6, NOBODY}, {USER, 6, 7}, {G, 4, NOBODY}, {GROUP, 6, 8},
                      {MASK, 6, NOBODY}, {O, 0, NOBODY}));
        show_list("inside", "mapped", ACCESS);
        show_done("no user of it", SET("mapped", ACCESS, {U, 6, NOBODY}, {USER, 6, 1005},
                                       {G, 4, NOBODY}, {MASK, 6, NOBODY}, {O, 0, NOBODY}));
        _exit(0);
    }
    hear(up[0]);
    snprintf(name, sizeof name, "/proc/%d/uid_map", (int)child);
    write_file(name, "0 0 1\n5 1005 10\n");
    snprintf(name, sizeof name, "/proc/%d/gid_map", (int)child);
    write_file(name, "0 0 1\n7 2007 10\n");
    tell(down[1]);
    show_end("in a namespace", child);
    show_list("outside", "mapped", ACCESS);
    unlink("mapped");
}

static void body(void)
{
    closefrom(3);
    umask(022);
    if (!mkdtemp(here) || chdir(here))
        abort();
    chmod(".", 0755);
    forms();
    rights();
    modes();
    inheritance();
    whiteouts();
    in_namespace();
    if (mkdir("drop", 0755) || chmod("drop", 0777))
        abort();
    as(1000, 1000, 1000, stranger);
    if (strncmp(here, "/dev/", 5)) // which may be nosuid
        capabilities();
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--caps")) {
        show_caps();
        return 0;
    }
    snprintf(here, sizeof here, "%s/acl-XXXXXX", argc > 1 ? argv[1] : "/dev/shm");
    probe_needs(has_user_namespaces, "user namespaces");
    return run_as_child(body);
}
