// Tries to reach a file that is outside of the guest's root, and says what happened.
//   escape CANARY MARK SECONDS
// CANARY is the host's absolute name of the file, MARK how its contents begin. One line of TAP for
// each way tried; the ones with two threads take SECONDS together. Whether anything outside changed
// is for whoever started this to see.
#include "tests/unit/tap.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
enum { IN_ROOT = 0x10, BENEATH = 0x08, NO_SYMLINKS = 0x04, NO_XDEV = 0x01 };

static struct {
    const char *canary, *mark; // canary: without the first slash
    char dir[512];             // that it is in, the same way
    char sibling[600];         // what would be made beside it
    int top, sub;              // descriptors: "/", and /e/s/s by O_PATH
    struct tap tap;
    double seconds;
} e;

// --- Trying --------------------------------------------------------------------------------------

// Is what the descriptor gives the canary?
static bool is_canary(int fd)
{
    char text[64] = "";
    bool yes = fd >= 0 && read(fd, text, sizeof text - 1) > 0 &&
               strncmp(text, e.mark, strlen(e.mark)) == 0;
    if (fd >= 0)
        close(fd);
    return yes;
}

// %C the canary, %D its directory, %F the descriptor of "/", %P the one of a directory by O_PATH.
static const char *expand(const char *text, bool sibling, char out[4096])
{
    size_t at = 0;
    for (; *text && at < 3500; text++) {
        if (*text != '%') {
            out[at++] = *text;
            continue;
        }
        text++;
        const char *with = *text == 'D' ? e.dir : sibling ? e.sibling : e.canary;
        if (*text == 'C' || *text == 'D')
            at += (size_t)snprintf(out + at, 600, "%s", with);
        else
            at += (size_t)snprintf(out + at, 12, "%d", *text == 'F' ? e.top : e.sub);
    }
    out[at] = 0;
    return out;
}

// Everything a name can be used for. True when one of them reached the canary.
static bool try_name(int at, const char *name)
{
    struct stat st;
    struct statfs fs;
    char buf[64];
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    bool reached = is_canary(openat(at, name, O_RDONLY | O_CLOEXEC));
    reached |= is_canary(openat(at, name, O_RDWR | O_CLOEXEC));
    reached |= fstatat(at, name, &st, 0) == 0 && S_ISREG(st.st_mode);
    reached |= faccessat(at, name, R_OK, 0) == 0;
    reached |= fchmodat(at, name, 0777, 0) == 0;
    reached |= fchownat(at, name, 1, 1, 0) == 0;
    reached |= utimensat(at, name, times, 0) == 0;
    reached |= linkat(at, name, AT_FDCWD, "/e/stolen", AT_SYMLINK_FOLLOW) == 0;
    reached |= linkat(at, name, AT_FDCWD, "/e/stolen", 0) == 0 &&
               is_canary(open("/e/stolen", O_RDONLY | O_CLOEXEC));
    unlink("/e/stolen");
    if (at == AT_FDCWD) {
        reached |= truncate(name, 1) == 0;
        reached |= statfs(name, &fs) == 0;
        reached |= setxattr(name, "user.escape", "1", 1, 0) == 0;
        reached |= getxattr(name, "user.none", buf, 1) < 0 && errno == ENODATA;
    }
    return reached;
}

// What would be made, moved or removed beside the canary is seen from outside.
static void try_sibling(int at, const char *name)
{
    close(openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    mkdirat(at, name, 0777);
    symlinkat("made", at, name);
    mknodat(at, name, S_IFIFO | 0666, 0);
    close(openat(AT_FDCWD, "/e/mine", O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    linkat(AT_FDCWD, "/e/mine", at, name, 0);
    renameat(AT_FDCWD, "/e/mine", at, name);
    unlink("/e/mine");
}

static bool try_removing(int at, const char *name)
{
    return renameat(at, name, AT_FDCWD, "/e/moved") == 0 &&
           is_canary(open("/e/moved", O_RDONLY | O_CLOEXEC));
}

// --- Names ---------------------------------------------------------------------------------------

// Symlinks to make in /e, and a name to try with /e/s/s as the current directory.
static const struct shape {
    const char *what, *link[3][2], *name;
} shapes[] = {
    {"its own name", {{0}}, "/%C"},
    {"its name behind slashes", {{0}}, "////.////%C"},
    {"up from the root", {{0}}, "/../../../../../../../../../%C"},
    {"up from below", {{0}}, "../../../../../../../../../../%C"},
    {"up by turns", {{0}}, ".././../s/../../..//../././../%C"},
    {"an absolute symlink", {{"a", "/%C"}}, "/e/a"},
    {"an absolute symlink with slashes", {{"a", "//./%C"}}, "/e/a"},
    {"a relative symlink", {{"a", "../../../../../../%C"}}, "/e/a"},
    {"a symlink to its directory", {{"a", "/%D"}}, "/e/a/canary"},
    {"a symlink to its directory and back", {{"a", "/%D"}}, "/e/a/../../%C"},
    {"a symlink with a slash at its end", {{"a", "/%D/"}}, "/e/a//canary"},
    {"two symlinks", {{"a", "b"}, {"b", "/%C"}}, "/e/a"},
    {"three symlinks", {{"a", "s/../b"}, {"b", "/e/c"}, {"c", "../../../%C"}}, "/e/a"},
    {"a symlink to the root", {{"a", "/"}}, "/e/a/../%C"},
    {"a symlink to the root's parent", {{"a", "/../.."}}, "/e/a/%C"},
    {"a symlink to the parent, over and over", {{"a", ".."}}, "/e/a/e/a/../e/a/../../%C"},
    {"a symlink in the middle", {{"a", "s/s"}}, "/e/a/../../../../%C"},
    {"a symlink to itself", {{"a", "a"}}, "/e/a/../../%C"},
    {"a circle of symlinks", {{"a", "b"}, {"b", "a"}}, "/e/a/%C"},
    {"the process's root", {{0}}, "/proc/self/root/%C"},
    {"up from the process's root", {{0}}, "/proc/self/root/../../%C"},
    {"up from the process's directory", {{0}}, "/proc/self/cwd/../../../../%C"},
    {"the root of pid 1", {{0}}, "/proc/1/root/../%C"},
    {"the directory of pid 1", {{0}}, "/proc/1/cwd/../../%C"},
    {"the thread's root", {{0}}, "/proc/thread-self/root/../%C"},
    {"the program's directory", {{0}}, "/proc/self/exe/../../../%C"},
    {"a descriptor of the root", {{0}}, "/proc/self/fd/%F/../%C"},
    {"a descriptor by O_PATH", {{0}}, "/proc/self/fd/%P/../../../../%C"},
    {"a descriptor by /dev/fd", {{0}}, "/dev/fd/%F/../%C"},
    {"a symlink to a descriptor", {{"a", "/proc/self/fd/%P"}}, "/e/a/../../../../%C"},
    {"a symlink to the process's root", {{"a", "/proc/self/root/.."}}, "/e/a/%C"},
    {"up from proc", {{0}}, "/proc/../../%C"},
    {"up from shared memory", {{0}}, "/dev/shm/../../../%C"},
    {"up from devpts", {{0}}, "/dev/pts/../../../%C"},
    {"up from a descriptor's directory", {{0}}, "/proc/self/fd/../../../../%C"},
    {"a name with a file in it", {{0}}, "/bin/program/../../../%C"},
};

static void try_shape(const struct shape *s)
{
    char text[4096], other[4096], name[64];
    chdir("/e/s/s");
    for (unsigned i = 0; i < 3 && s->link[i][0]; i++) {
        snprintf(name, sizeof name, "/e/%s", s->link[i][0]);
        unlink(name);
        symlink(expand(s->link[i][1], false, text), name);
    }
    bool reached = try_name(AT_FDCWD, expand(s->name, false, text));
    reached |= try_removing(AT_FDCWD, text);
    try_sibling(AT_FDCWD, expand(s->name, true, text));
    // The same with the link pointing at what is not there yet.
    for (unsigned i = 0; i < 3 && s->link[i][0]; i++) {
        snprintf(name, sizeof name, "/e/%s", s->link[i][0]);
        unlink(name);
        symlink(expand(s->link[i][1], true, text), name);
    }
    try_sibling(AT_FDCWD, expand(s->name, false, other));
    for (unsigned i = 0; i < 3 && s->link[i][0]; i++) {
        snprintf(name, sizeof name, "/e/%s", s->link[i][0]);
        unlink(name);
    }
    CHECK(&e.tap, !reached, s->what);
}

// --- Ways of their own ---------------------------------------------------------------------------

static bool by_chain(void)
{
    char name[32], target[700];
    bool reached = false;
    snprintf(target, sizeof target, "/%s", e.canary);
    for (int i = 0; i < 45; i++) {
        snprintf(name, sizeof name, "/e/chain%d", i);
        symlink(target, name);
        snprintf(target, sizeof target, "chain%d", i);
        reached |= try_name(AT_FDCWD, name);
    }
    return reached;
}

static bool by_descriptor(void)
{
    char name[700];
    snprintf(name, sizeof name, "../../../../../%s", e.canary);
    bool reached = try_name(e.sub, name) | try_name(e.top, name);
    snprintf(name, sizeof name, "../../../../../%s", e.sibling);
    try_sibling(e.sub, name);
    try_sibling(e.top, name);
    return reached;
}

static bool by_openat2(void)
{
    static const unsigned long how[] = {0, IN_ROOT, BENEATH, NO_SYMLINKS, NO_XDEV};
    char name[3][700];
    bool reached = false;
    snprintf(name[0], 700, "/%s", e.canary);
    snprintf(name[1], 700, "../../../../%s", e.canary);
    snprintf(name[2], 700, "/e/direct");
    symlink(name[0], "/e/direct");
    for (unsigned i = 0; i < 5; i++)
        for (unsigned k = 0; k < 3; k++) {
            const unsigned long long args[3] = {O_RDONLY | O_CLOEXEC, 0, how[i]};
            reached |= is_canary((int)syscall(SYS_openat2, e.sub, name[k], args, sizeof args));
        }
    return reached;
}

static bool by_removed_directory(void)
{
    char name[700];
    mkdir("/e/gone", 0755);
    chdir("/e/gone");
    int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rmdir("/e/gone");
    snprintf(name, sizeof name, "../../../%s", e.canary);
    bool reached = try_name(AT_FDCWD, name) | try_name(fd, name);
    close(fd);
    chdir("/");
    return reached;
}

static bool by_moved_directory(void)
{
    char name[700];
    mkdir("/e/m", 0755);
    mkdir("/e/m/m", 0755);
    chdir("/e/m/m");
    rename("/e/m/m", "/m");
    snprintf(name, sizeof name, "../%s", e.canary);
    bool reached = try_name(AT_FDCWD, name);
    snprintf(name, sizeof name, "../../../%s", e.canary);
    reached |= try_name(AT_FDCWD, name);
    chdir("/");
    rmdir("/m");
    return reached;
}

static bool by_long_name(void)
{
    char *name = malloc(70000);
    bool reached = false;
    for (size_t length = 4000; length < 66000; length += 15000) {
        size_t at = 0;
        while (at < length)
            at += (size_t)snprintf(name + at, 8, "../");
        snprintf(name + at, 700, "%s", e.canary);
        reached |= try_name(AT_FDCWD, name);
    }
    free(name);
    return reached;
}

static bool by_deep_directory(void)
{
    char name[700], level[201];
    bool reached = false;
    memset(level, 'd', sizeof level - 1);
    level[sizeof level - 1] = 0;
    chdir("/e");
    for (int i = 0; i < 25; i++) { // deeper than a path can say
        mkdir(level, 0755);
        if (chdir(level))
            break;
    }
    for (int i = 0; i < 100; i++)
        chdir("..");
    snprintf(name, sizeof name, "%s", e.canary);
    reached |= try_name(AT_FDCWD, name);
    return reached;
}

// Runs a way that changes what the process sees, in a process of its own.
static bool apart(bool (*way)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(way());
    return pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status);
}

static bool look_around(void)
{
    char name[700];
    snprintf(name, sizeof name, "/%s", e.canary);
    bool reached = try_name(AT_FDCWD, name);
    snprintf(name, sizeof name, "../../../../../../../%s", e.canary);
    reached |= try_name(AT_FDCWD, name) | try_name(e.top, name);
    snprintf(name, sizeof name, "/../%s", e.sibling);
    try_sibling(AT_FDCWD, name);
    return reached;
}

static bool in_chroot(void)
{
    mkdir("/e/jail", 0755);
    chroot("/e/jail");
    chdir("/");
    return look_around();
}

// The way out of a chroot that Linux leaves open ends at the guest's root.
static bool out_of_chroot(void)
{
    mkdir("/e/jail", 0755);
    chdir("/");
    chroot("/e/jail");
    for (int i = 0; i < 64; i++)
        chdir("..");
    chroot(".");
    return look_around();
}

static bool in_bind_mount(void)
{
    unshare(CLONE_NEWNS);
    mkdir("/e/to", 0755);
    mount("/", "/e/to", NULL, MS_BIND, NULL);
    chdir("/e/to/e/to");
    bool reached = look_around();
    mount("/e/s", "/e/s", NULL, MS_BIND, NULL);
    chdir("/e/s/s");
    return reached | look_around();
}

static bool after_lazy_unmount(void)
{
    unshare(CLONE_NEWNS);
    mkdir("/e/to", 0755);
    mount("/e/s", "/e/to", NULL, MS_BIND, NULL);
    chdir("/e/to/s");
    umount2("/e/to", MNT_DETACH);
    return look_around();
}

static bool after_pivot(void)
{
    unshare(CLONE_NEWNS);
    mkdir("/e/new", 0755);
    mount("/e/new", "/e/new", NULL, MS_BIND, NULL);
    mkdir("/e/new/old", 0755);
    syscall(SYS_pivot_root, "/e/new", "/e/new/old");
    chdir("/");
    bool reached = look_around();
    chdir("/old");
    return reached | look_around();
}

static bool by_mounting(void)
{
    static const char *const types[] = {"bind",     "none", "hostfs", "fakefs",  "9p",
                                        "virtiofs", "fuse", "ext4",   "overlay", "nfs"};
    char name[700], options[2100];
    unshare(CLONE_NEWNS);
    mkdir("/e/to", 0755);
    snprintf(name, sizeof name, "/%s", e.dir);
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", name, name, name);
    bool reached = false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        reached |= mount(name, "/e/to", types[i], 0, NULL) == 0;
        reached |= mount(name, "/e/to", types[i], MS_BIND, NULL) == 0;
        reached |= mount(name, "/e/to", types[i], 0, options) == 0;
    }
    return reached;
}

static bool by_new_mount_calls(void)
{
    enum { OPEN_TREE = 428, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT };
    char name[700];
    snprintf(name, sizeof name, "/../%s", e.dir);
    bool reached = syscall(OPEN_TREE, AT_FDCWD, name, 1u) >= 0; // OPEN_TREE_CLONE
    int fd = (int)syscall(OPEN_TREE, AT_FDCWD, "/e/s", 1u);
    if (fd >= 0) {
        snprintf(name, sizeof name, "../../../%s", e.canary);
        reached |= try_name(fd, name);
        close(fd);
    }
    return reached;
}

static bool by_second_proc(void)
{
    char name[700];
    unshare(CLONE_NEWNS);
    mkdir("/e/to", 0755);
    mount("proc", "/e/to", "proc", 0, NULL);
    snprintf(name, sizeof name, "/e/to/self/root/../%s", e.canary);
    bool reached = try_name(AT_FDCWD, name);
    snprintf(name, sizeof name, "/e/to/1/root/../../%s", e.canary);
    return reached | try_name(AT_FDCWD, name);
}

static bool by_link_of_descriptor(void)
{
    char name[64];
    int fd = open("/e/direct", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool reached = linkat(fd, "", AT_FDCWD, "/e/l1", AT_EMPTY_PATH) == 0 &&
                   is_canary(open("/e/l1", O_RDONLY | O_CLOEXEC));
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    reached |= linkat(AT_FDCWD, name, AT_FDCWD, "/e/l2", AT_SYMLINK_FOLLOW) == 0 &&
               is_canary(open("/e/l2", O_RDONLY | O_CLOEXEC));
    reached |= is_canary(open(name, O_RDONLY | O_CLOEXEC));
    close(fd);
    return reached;
}

static bool by_exec(void)
{
    char name[700], text[800];
    char *args[] = {name, NULL};
    snprintf(name, sizeof name, "/%s", e.canary);
    execv(name, args);
    bool reached = errno != ENOENT;
    int fd = open("/e/script", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    write(fd, text, (size_t)snprintf(text, sizeof text, "#!/../%s\n", e.canary));
    close(fd);
    args[0] = text;
    execv("/e/script", args);
    return reached | (errno != ENOENT);
}

static bool by_socket(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "/%.90s/socket", e.dir);
    bool reached = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    snprintf(at.sun_path, sizeof at.sun_path, "/../%.90s/made", e.dir);
    reached |= bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "%.90s/socket", e.dir);
    at.sun_path[0] = 0;
    reached |= connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    return reached;
}

static bool by_pipe(void)
{
    char name[700];
    snprintf(name, sizeof name, "/../%s/pipe", e.dir);
    int fd = open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0;
}

static bool by_watching(void)
{
    char name[700];
    int fd = inotify_init1(IN_CLOEXEC);
    snprintf(name, sizeof name, "/../../%s", e.canary);
    bool reached = inotify_add_watch(fd, name, IN_ALL_EVENTS) >= 0;
    reached |= inotify_add_watch(fd, "/e/direct", IN_ALL_EVENTS) >= 0;
    close(fd);
    return reached;
}

// Handles that nobody gave out: those of every small inode number, in the kernel's formats.
static bool by_handle(void)
{
    struct {
        unsigned bytes;
        int type;
        unsigned char data[128];
    } h;
    struct stat st;
    bool reached = false;
    int mount_id = 0;
    memset(&h, 0, sizeof h);
    h.bytes = sizeof h.data;
    stat("/", &st);
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, "/e/s", &h, &mount_id, 0) != 0) {
        h.bytes = 8;
        h.type = 1;
    }
    for (unsigned i = 0; i < 100 && !reached; i++) { // each may search the whole tree
        unsigned ino = i < 50 ? i : (unsigned)st.st_ino - 25 + i - 50;
        memcpy(h.data, &ino, sizeof ino);
        int fd = (int)syscall(SYS_open_by_handle_at, e.top, &h, O_RDONLY | O_CLOEXEC);
        reached |= is_canary(fd);
    }
    return reached;
}

static bool by_core_file(void)
{
    char pattern[700];
    snprintf(pattern, sizeof pattern, "/%s/made", e.dir);
    int fd = open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        write(fd, pattern, strlen(pattern));
        close(fd);
    }
    pid_t pid = fork();
    if (pid == 0) {
        const struct {
            unsigned long cur, max;
        } all = {~0ul, ~0ul};
        syscall(SYS_prlimit64, 0, 4, &all, NULL); // RLIMIT_CORE
        abort();
    }
    waitpid(pid, NULL, 0);
    return false; // seen from outside
}

static bool by_accounting(void)
{
    char name[700];
    snprintf(name, sizeof name, "/%s", e.canary);
    bool reached = syscall(SYS_acct, name) == 0;
    reached |= syscall(SYS_swapon, name, 0) == 0;
    return reached;
}

static bool by_magic_names(void)
{
    static const char *const places[] = {
        "/proc/self/map_files", "/proc/self/ns", "/proc/self/fd", "/proc/self/fdinfo",
        "/proc/self",           "/sys",          "/dev"};
    bool reached = false;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        DIR *d = opendir(places[i]);
        struct dirent *n;
        while (d && (n = readdir(d))) {
            char name[1200];
            struct stat st;
            snprintf(name, sizeof name, "%s/%s", places[i], n->d_name);
            if (stat(name, &st) || !S_ISDIR(st.st_mode))
                continue;
            snprintf(name, sizeof name, "%s/%s/../../../../%s", places[i], n->d_name, e.canary);
            reached |= is_canary(open(name, O_RDONLY | O_CLOEXEC));
        }
        if (d)
            closedir(d);
    }
    return reached;
}

static const struct way {
    const char *what;
    bool (*way)(void);
    bool apart;
} ways[] = {
    {"longer and longer chains of symlinks", by_chain, false},
    {"descriptors of directories", by_descriptor, false},
    {"openat2 in every mode", by_openat2, false},
    {"a directory that was removed", by_removed_directory, false},
    {"a directory that was moved up", by_moved_directory, false},
    {"names as long as memory", by_long_name, false},
    {"a tree deeper than a path", by_deep_directory, true},
    {"a chroot", in_chroot, true},
    {"a chroot left", out_of_chroot, true},
    {"a bind mount", in_bind_mount, true},
    {"a mount that was taken away", after_lazy_unmount, true},
    {"another root", after_pivot, true},
    {"mounting", by_mounting, true},
    {"mounting by descriptors", by_new_mount_calls, true},
    {"a second proc", by_second_proc, true},
    {"links of descriptors", by_link_of_descriptor, false},
    {"exec", by_exec, true},
    {"sockets with names", by_socket, false},
    {"a pipe with a name", by_pipe, false},
    {"watches", by_watching, false},
    {"handles that nobody gave out", by_handle, true},
    {"the name of core files", by_core_file, true},
    {"files the kernel is told to use", by_accounting, false},
    {"magic links", by_magic_names, false},
};

// --- Races ---------------------------------------------------------------------------------------

static struct {
    _Atomic bool stop;
    _Atomic unsigned long swaps, tries;
    _Atomic bool reached;
    int kind;
} race;

// The names the other thread walks change under it.
static void *swap(void *arg)
{
    (void)arg;
    while (!atomic_load(&race.stop)) {
        switch (race.kind) {
        case 0: // a directory and a symlink to outside change places
            syscall(SYS_renameat2, AT_FDCWD, "/e/race/dir", AT_FDCWD, "/e/race/link", 2);
            break;
        case 1: // a directory goes up and down the tree
            rename("/e/race/a/b/c", "/e/race/c");
            rename("/e/race/c", "/e/race/a/b/c");
            break;
        case 2: // the last name changes between a file and a symlink
            unlink("/e/race/dir/canary");
            symlink("/e/direct", "/e/race/dir/canary");
            unlink("/e/race/dir/canary");
            close(open("/e/race/dir/canary", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
            break;
        default: // a directory in the way is replaced by a symlink, and comes back
            rename("/e/race/dir", "/e/race/kept");
            symlink("../../../../../..", "/e/race/dir");
            unlink("/e/race/dir");
            rename("/e/race/kept", "/e/race/dir");
            break;
        }
        atomic_fetch_add(&race.swaps, 1);
    }
    return NULL;
}

static void walk(void)
{
    char up[700], way[700], made[700];
    snprintf(up, sizeof up, "/e/race/a/b/c/../../../../../%s", e.canary);
    snprintf(way, sizeof way, "/e/race/dir/%s", e.canary);
    snprintf(made, sizeof made, "/e/race/dir/%s", e.sibling);
    bool reached = is_canary(open("/e/race/dir/canary", O_RDONLY | O_CLOEXEC));
    reached |= is_canary(open(up, O_RDONLY | O_CLOEXEC));
    reached |= is_canary(open(way, O_RDONLY | O_CLOEXEC));
    close(open("/e/race/dir/made", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    unlink("/e/race/dir/made");
    mkdir("/e/race/dir/madedir", 0700);
    rename("/e/race/dir/madedir", "/e/race/dir/moved");
    rmdir("/e/race/dir/moved");
    close(open(made, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    chmod("/e/race/dir/canary", 0666);
    truncate("/e/race/dir/canary", 3);
    link("/e/race/dir/canary", "/e/race/stolen");
    reached |= is_canary(open("/e/race/stolen", O_RDONLY | O_CLOEXEC));
    unlink("/e/race/stolen");
    chdir("/e/race/dir");
    reached |= is_canary(open("canary", O_RDONLY | O_CLOEXEC));
    reached |= is_canary(open("../../../../../canary", O_RDONLY | O_CLOEXEC));
    chdir("/");
    if (reached)
        atomic_store(&race.reached, true);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void try_race(int kind, const char *what)
{
    pthread_t other;
    char target[600];
    race.kind = kind;
    atomic_store(&race.stop, false);
    atomic_store(&race.swaps, 0);
    atomic_store(&race.reached, false);
    snprintf(target, sizeof target, "/%s", e.dir);
    mkdir("/e/race", 0755);
    mkdir("/e/race/dir", 0755);
    mkdir("/e/race/a", 0755);
    mkdir("/e/race/a/b", 0755);
    mkdir("/e/race/a/b/c", 0755);
    unlink("/e/race/link");
    symlink(target, "/e/race/link");
    pthread_create(&other, NULL, swap, NULL);
    unsigned long tries = 0;
    for (double end = now() + e.seconds / 4; now() < end && !atomic_load(&race.reached); tries++)
        walk();
    atomic_store(&race.stop, true);
    pthread_join(other, NULL);
    printf("# %lu walks, %lu changes\n", tries, (unsigned long)atomic_load(&race.swaps));
    CHECK(&e.tap, !atomic_load(&race.reached) && atomic_load(&race.swaps) > 0 && tries > 0, what);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    e.canary = argv[1] + 1;
    e.mark = argv[2];
    e.seconds = strtod(argv[3], NULL);
    snprintf(e.dir, sizeof e.dir, "%s", e.canary);
    *strrchr(e.dir, '/') = 0;
    snprintf(e.sibling, sizeof e.sibling, "%s/made", e.dir);
    mkdir("/e", 0755);
    mkdir("/e/s", 0755);
    mkdir("/e/s/s", 0755);
    e.top = open("/", O_RDONLY | O_DIRECTORY);
    e.sub = open("/e/s/s", O_PATH | O_DIRECTORY);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        try_shape(&shapes[i]);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        CHECK(&e.tap, !(ways[i].apart ? apart(ways[i].way) : ways[i].way()), ways[i].what);
    try_race(0, "a directory and a symlink that change places");
    try_race(1, "a directory that goes up and down");
    try_race(2, "a file and a symlink that change places");
    try_race(3, "a directory that becomes a symlink and comes back");
    return tap_finish(&e.tap);
}
