// What execve gives and takes: set-id bits, file capabilities, securebits, the ambient set, mounts
// and tracers in the way, user namespaces. Runs itself from files of a fresh tmpfs.
#include "probe.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

static const char *const dir = "/tmp/exec-rights";
enum { USER = 1000, GROUP = 50, OTHER = 2000 };
#define BIT(cap) (1u << (cap))
#define KILL     BIT(CAP_KILL)
#define CHOWN    BIT(CAP_CHOWN)
// Those of interest: a host may hold more, or fewer of the others.
#define SHOWN (KILL | CHOWN | BIT(CAP_SETUID) | BIT(CAP_SETPCAP))

// --- What a program finds ------------------------------------------------------------------------

struct caps {
    uint32_t effective, permitted, inheritable;
};

static void caps_get(struct caps *low)
{
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    syscall(SYS_capget, &h, d);
    *low = (struct caps){d[0].effective, d[0].permitted, d[0].inheritable};
}

static int caps_set(uint32_t effective, uint32_t permitted, uint32_t inheritable)
{
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2] = {{effective, permitted, inheritable}};
    return (int)syscall(SYS_capset, &h, d);
}

static unsigned ambient(void)
{
    unsigned set = 0;
    for (int cap = 0; cap < 32; cap++)
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) > 0)
            set |= BIT(cap);
    return set;
}

static void show_rights(void)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;
    struct caps c;
    getresuid(&r, &e, &s);
    getresgid(&rg, &eg, &sg);
    caps_get(&c);
    SHOW("... is", "uid %u %u %u %d gid %u %u %u %d", r, e, s, setfsuid((uid_t)-1), rg, eg, sg,
         setfsgid((gid_t)-1));
    SHOW("... may", "effective %#x permitted %#x inheritable %#x ambient %#x", c.effective & SHOWN,
         c.permitted & SHOWN, c.inheritable & SHOWN, ambient() & SHOWN);
    SHOW("... secure", "%lu dumpable %d keepcaps %d", getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE),
         prctl(PR_GET_KEEPCAPS));
}

// --- The files -----------------------------------------------------------------------------------

static void copy_self(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
    char path[64], buf[65536];
    ssize_t n;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int in = open("/proc/self/exe", O_RDONLY), out = open(path, O_CREAT | O_WRONLY, 0700);
    while ((n = read(in, buf, sizeof buf)) > 0)
        if (write(out, buf, (size_t)n) != n)
            abort();
    close(in);
    close(out);
    if (chown(path, uid, gid) || chmod(path, mode))
        abort();
}

// The attribute as it is kept; `words` of it.
static int give_caps(const char *name, uint32_t magic, uint32_t permitted, uint32_t inheritable,
                     uint32_t root, size_t size)
{
    char path[64];
    uint32_t word[] = {magic, permitted, inheritable, 0, 0, root, 0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return setxattr(path, "security.capability", word, size, 0);
}

enum { V2 = 0x2000000, V3 = 0x3000000, EFFECTIVE = 1 };

static void make_files(void)
{
    copy_self("plain", 0, 0, 0755);
    copy_self("suid-root", 0, 0, 04755);
    copy_self("suid-user", USER, 0, 04755);
    copy_self("sgid", 0, GROUP, 02755);
    copy_self("sgid-no-x", 0, GROUP, 02745);
    copy_self("both", USER, GROUP, 06755);
    copy_self("caps", 0, 0, 0755);
    copy_self("caps-on-demand", 0, 0, 0755);
    copy_self("caps-inherited", 0, 0, 0755);
    copy_self("caps-v3", 0, 0, 0755);
    copy_self("caps-of-other", 0, 0, 0755);
    copy_self("caps-suid", 0, 0, 04755);
    show_call("capabilities of a file", give_caps("caps", V2 | EFFECTIVE, KILL, 0, 0, 20));
    show_call("... without the effective bit", give_caps("caps-on-demand", V2, KILL, 0, 0, 20));
    show_call("... inherited", give_caps("caps-inherited", V2 | EFFECTIVE, 0, KILL, 0, 20));
    show_call("... of revision 3", give_caps("caps-v3", V3 | EFFECTIVE, KILL, 0, 0, 24));
    show_call("... of another root", give_caps("caps-of-other", V3 | EFFECTIVE, KILL, 0, 77, 24));
    show_call("... of a set-id program", give_caps("caps-suid", V2 | EFFECTIVE, KILL, 0, 0, 20));
    show_call("... too short", give_caps("plain", V2, KILL, 0, 0, 16));
    show_call("... between sizes", give_caps("plain", V2, KILL, 0, 0, 22));
    show_call("... too long", give_caps("plain", V3, KILL, 0, 0, 28));
    show_call("... revision 2 in the size of 3", give_caps("plain", V2, KILL, 0, 0, 24));
    show_call("... revision 3 in the size of 2", give_caps("plain", V3, KILL, 0, 0, 20));
    show_call("... revision 1", give_caps("plain", 0x1000000, KILL, 0, 0, 12));
    show_call("... revision 4", give_caps("plain", 0x4000000, KILL, 0, 0, 20));
    symlink("suid-user", "/tmp/exec-rights/link");
}

// --- Who runs them -------------------------------------------------------------------------------

static void root(void) {}
static void user(void)
{
    if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
        abort();
}
static void other(void)
{
    if (setgroups(0, NULL) || setresgid(OTHER, OTHER, OTHER) || setresuid(OTHER, OTHER, OTHER))
        abort();
}
static void limited(void)
{
    other();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
static void root_with_user(void)
{
    setresuid(0, USER, USER);
}
static void user_with_root(void)
{
    setresuid(USER, 0, 0);
}
static void no_root(void)
{
    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT);
}
static void user_keeps(void)
{
    prctl(PR_SET_KEEPCAPS, 1);
    user();
}
// A user with a capability to pass on.
static void heir(void)
{
    user_keeps();
    caps_set(KILL, KILL, KILL);
}
static void ambient_user(void)
{
    heir();
    show_call("... raises", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
}
static void bounded(void)
{
    prctl(PR_CAPBSET_DROP, CAP_KILL);
    other();
}
static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        SHOW("write", "%s: %s", path, strerrorname_np(errno));
    close(fd);
}
// In a user namespace of their own, whose root they are.
static void alone(void)
{
    other();
    prctl(PR_SET_DUMPABLE, 1); // or its files in /proc are root's
    unshare(CLONE_NEWUSER);
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 2000 1");
    write_file("/proc/self/gid_map", "0 2000 1");
}
// In one without a root, and where the user 1000 of outside is 7.
static void rootless(void)
{
    int p[2], q[2];
    pipe(p);
    pipe(q);
    pid_t helper = fork();
    if (helper == 0) { // somebody outside writes the map
        char path[64];
        hear(p[0]);
        snprintf(path, sizeof path, "/proc/%d/uid_map", getppid());
        write_file(path, "7 1000 1");
        snprintf(path, sizeof path, "/proc/%d/gid_map", getppid());
        write_file(path, "8 50 1");
        tell(q[1]);
        _exit(0);
    }
    unshare(CLONE_NEWUSER);
    tell(p[1]);
    hear(q[0]);
    waitpid(helper, NULL, 0);
    prctl(PR_SET_DUMPABLE, 1);
}

static const char *const files[] = {
    "plain",          "suid-root",      "suid-user", "sgid",          "sgid-no-x", "both", "caps",
    "caps-on-demand", "caps-inherited", "caps-v3",   "caps-of-other", "caps-suid", "link",
};
static const struct {
    const char *name;
    void (*become)(void);
} people[] = {
    {"root", root},
    {"user", user},
    {"another user", other},
    {"a user who may gain nothing", limited},
    {"root as a user", root_with_user},
    {"a user as root", user_with_root},
    {"root without its rules", no_root},
    {"a user with root's capabilities", user_keeps},
    {"an heir", heir},
    {"a user with an ambient capability", ambient_user},
    {"a user out of whose bounds it is", bounded},
    {"root of a namespace", alone},
    {"somebody in a namespace without root", rootless},
};

static void run_file(const char *file)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    char *argv[] = {path, "show", NULL}, *envp[] = {NULL};
    execve(path, argv, envp);
    show_call("... execve", -1);
}

// Whether an id that changes to one's real id, or from it, is a set-id program's doing: Linux
// changed its mind about that in 2025.
static bool unsettled(void (*become)(void), const char *file)
{
    return (become == root_with_user || become == user_with_root) &&
           (strstr(file, "suid") || strstr(file, "sgid") || !strcmp(file, "both") ||
            !strcmp(file, "link"));
}

static void all_of_them(void)
{
    for (size_t p = 0; p < sizeof people / sizeof people[0]; p++)
        for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
            if (unsettled(people[p].become, files[f]))
                continue;
            SHOW("runs", "%s: %s", people[p].name, files[f]);
            IN_CHILD("... end", people[p].become(); run_file(files[f]));
        }
}

static void in_the_way(void)
{
    static const char *const some[] = {"suid-user", "sgid", "caps"};
    mount(NULL, dir, NULL, MS_REMOUNT | MS_NOSUID, NULL);
    for (int i = 0; i < 3; i++) {
        SHOW("on a mount without set-id", "%s", some[i]);
        IN_CHILD("... end", other(); run_file(some[i]));
    }
    mount(NULL, dir, NULL, MS_REMOUNT | MS_NOEXEC, NULL);
    IN_CHILD("on a mount without programs", other(); run_file("plain"));
    mount(NULL, dir, NULL, MS_REMOUNT, NULL);
    for (int i = 0; i < 3; i++) {
        SHOW("traced by a user", "%s", some[i]);
        IN_CHILD(
            "... end", other(); pid_t child = fork(); int status; if (child == 0) {
                ptrace(PTRACE_TRACEME, 0, NULL, NULL);
                run_file(some[i]);
                _exit(1);
            } waitpid(child, &status, 0);
            SHOW("... stop", "%s", status_text(status)); ptrace(PTRACE_DETACH, child, NULL, NULL);
            show_end("... traced", child));
        SHOW("traced by root", "%s", some[i]);
        pid_t child = fork();
        int status;
        if (child == 0) {
            ptrace(PTRACE_TRACEME, 0, NULL, NULL);
            other();
            run_file(some[i]);
            _exit(1);
        }
        waitpid(child, &status, 0);
        ptrace(PTRACE_DETACH, child, NULL, NULL);
        show_end("... traced", child);
    }
    IN_CHILD("set-id by a symlink refused", int fd = open(dir, O_PATH | O_DIRECTORY);
             char *none[] = {NULL};
             show_call("...", syscall(SYS_execveat, fd, "link", none, none, AT_SYMLINK_NOFOLLOW)));
}

// Somebody who shares the working directory, or may not read the program.
static void companions(void)
{
    static const char *const some[] = {"suid-user", "caps", "plain"};
    for (int i = 0; i < 3; i++) {
        SHOW("with a companion", "%s", some[i]);
        IN_CHILD(
            "... end", other(); int p[2], status; pipe(p); fflush(stdout);
            pid_t child = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
            if (child == 0) {
                hear(p[0]); // stays as long as the other runs
                _exit(0);
            } pid_t runner = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
            if (runner == 0) {
                run_file(some[i]);
                _exit(1);
            } waitpid(runner, &status, 0);
            SHOW("... it", "%s", status_text(status)); tell(p[1]); waitpid(child, NULL, 0));
    }
    copy_self("unreadable", 0, 0, 0711);
    IN_CHILD("what may not be read", other(); run_file("unreadable"));
    IN_CHILD("... by root", run_file("unreadable"));
}

// --- Rules that other calls share ----------------------------------------------------------------

static void securebits(void)
{
    IN_CHILD("without fixups", prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP); user();
             show_rights());
    IN_CHILD("without fixups, setfsuid", prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
             setfsuid(7); show_rights());
    IN_CHILD("setfsuid and back", setfsuid(7); show_rights(); setfsuid(0); show_rights());
    IN_CHILD(
        "locked", show_call("...", prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED));
        show_call("... keepcaps", prctl(PR_SET_KEEPCAPS, 1));
        show_call("... unlock", prctl(PR_SET_SECUREBITS, 0)); show_call(
            "... change", prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | SECBIT_KEEP_CAPS));
        show_call("... add", prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | SECBIT_NOROOT));
        show_call("... get", prctl(PR_GET_SECUREBITS)));
    show_call("securebits unknown", prctl(PR_SET_SECUREBITS, 1 << 20));
    IN_CHILD("securebits by a user", user(); show_call("...", prctl(PR_SET_SECUREBITS, 0)));
    show_call("PR_SET_KEEPCAPS 2", prctl(PR_SET_KEEPCAPS, 2));
    IN_CHILD(
        "ambient", caps_set(KILL | BIT(CAP_SETPCAP), KILL | BIT(CAP_SETPCAP), 0); show_call(
            "... not inheritable", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
        caps_set(KILL | BIT(CAP_SETPCAP), KILL | BIT(CAP_SETPCAP), KILL | CHOWN); show_call(
            "... not permitted", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
        show_call("... raise", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
        show_call("... set", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
        show_call("... lower", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_KILL, 0, 0));
        show_call("... set", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
        show_call("... beyond", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 64, 0, 0));
        show_call("... argument", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 1, 0));
        show_call("... clear with one", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0));
        show_call("... unknown", prctl(PR_CAP_AMBIENT, 9, CAP_KILL, 0, 0));
        prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE);
        show_call("... forbidden", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0)));
    IN_CHILD("PR_CAPBSET_DROP by a user", user();
             show_call("...", prctl(PR_CAPBSET_DROP, CAP_KILL)));
    show_call("PR_CAPBSET_DROP unknown", prctl(PR_CAPBSET_DROP, 99));
}

static void other_ids(void)
{
    uid_t id;
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_1, 0};
    struct __user_cap_data_struct d[2] = {{0, 0, 0}, {7, 7, 7}};
    show_call("capget of version 1", syscall(SYS_capget, &h, d));
    SHOW("... writes", "%d %u", d[0].effective != 0, d[1].effective);
    h.version = _LINUX_CAPABILITY_VERSION_2;
    show_call("capget of version 2", syscall(SYS_capget, &h, d));
    SHOW("... writes", "%d", d[1].effective != 7);
    IN_CHILD("capset of version 1", h.version = _LINUX_CAPABILITY_VERSION_1;
             d[0] = (struct __user_cap_data_struct){KILL, KILL, 0};
             show_call("...", syscall(SYS_capset, &h, d)); show_rights());
    IN_CHILD("capset of somebody else", h.pid = getppid();
             show_call("...", syscall(SYS_capset, &h, d)));
    IN_CHILD("capset of itself by number", h.pid = getpid(); d[0].permitted = 0; d[0].effective = 0;
             show_call("...", syscall(SYS_capset, &h, d)));
    h.pid = -1;
    show_call("capget of -1", syscall(SYS_capget, &h, d));
    h.pid = 0;
    show_call("capget to nowhere", syscall(SYS_capget, &h, (void *)8));
    show_call("capget from nowhere", syscall(SYS_capget, (void *)8, d));
    show_call("capset from nowhere", syscall(SYS_capset, &h, (void *)8));
    show_call("capset without data", syscall(SYS_capset, &h, NULL));
    IN_CHILD("inherits only what it may", caps_set(0, KILL, 0);
             show_call("... beyond", caps_set(0, KILL, CHOWN));
             show_call("... its own", caps_set(0, KILL, KILL));
             show_call("... effective beyond", caps_set(CHOWN, KILL, 0));
             show_call("... permitted beyond", caps_set(0, KILL | CHOWN, 0)));
    IN_CHILD("inherits within bounds", prctl(PR_CAPBSET_DROP, CAP_CHOWN);
             show_call("...", caps_set(BIT(CAP_SETPCAP), BIT(CAP_SETPCAP), CHOWN)));
    show_call("getresuid to nowhere 1", syscall(SYS_getresuid, (void *)8, &id, &id));
    show_call("getresuid to nowhere 2", syscall(SYS_getresuid, &id, (void *)8, &id));
    show_call("getresgid to nowhere 3", syscall(SYS_getresgid, &id, &id, (void *)8));
    show_call("getgroups to nowhere", syscall(SYS_getgroups, 50, (void *)8));
    show_call("getgroups -1", syscall(SYS_getgroups, -1, &id));
    show_call("setgroups from nowhere", syscall(SYS_setgroups, 3, (void *)8));
    show_call("setgroups of too many", syscall(SYS_setgroups, 65537, &id));
    show_call("setgroups of -1", syscall(SYS_setgroups, -1, &id));
    id = (uid_t)-1;
    show_call("setgroups of no group", syscall(SYS_setgroups, 1, &id));
    IN_CHILD("ids that a namespace has not", alone(); show_call("... setuid", setuid(5));
             show_call("... setreuid", setreuid(-1, 5));
             show_call("... setresuid", setresuid(-1, -1, 5));
             show_call("... setresuid 1", setresuid(5, -1, -1)); show_call("... setgid", setgid(5));
             show_call("... setregid", setregid(5, -1));
             show_call("... setresgid", setresgid(-1, 5, -1));
             SHOW("... setfsuid", "%d %d", setfsuid(5), setfsuid(5)); id = 5;
             show_call("... setgroups", syscall(SYS_setgroups, 1, &id)); show_rights());
    IN_CHILD("groups a namespace has not", setgroups(1, (gid_t[]){77}); rootless(); gid_t got[4];
             int n = getgroups(4, got); SHOW("...", "%d %u", n, got[0]);
             show_call("... setgroups", syscall(SYS_setgroups, 1, (gid_t[]){9}));
             show_call("... setgroups", syscall(SYS_setgroups, 1, (gid_t[]){8})); show_rights());
    IN_CHILD("saved and set by a user", setresuid(1, 2, 3); show_call("... setuid", setuid(2));
             show_call("... setuid 3", setuid(3)); show_call("... setreuid 3", setreuid(-1, 3));
             show_call("... setreuid 3 real", setreuid(3, -1));
             show_call("... setreuid none", setreuid(-1, -1)); show_rights());
    IN_CHILD("groups by a user", setresgid(1, 2, 3); setuid(9); show_call("... setgid", setgid(2));
             show_call("... setregid saved", setregid(3, -1));
             show_call("... setregid", setregid(-1, 3));
             show_call("... setresgid", setresgid(-1, -1, 4));
             show_call("... setfsgid", setfsgid(4)); show_rights());
    IN_CHILD(
        "kill between users", int p[2]; pipe(p); pid_t child = fork(); if (child == 0) {
            setresuid(USER, OTHER, OTHER);
            tell(p[1]);
            pause();
        } hear(p[0]);
        pid_t judge = fork(); if (judge == 0) {
            setresuid(OTHER, 5, 5);
            show_call("... real is saved", kill(child, 0));
            _exit(0);
        } waitpid(judge, NULL, 0);
        judge = fork(); if (judge == 0) {
            setresuid(5, USER, 5);
            show_call("... effective is real", kill(child, 0));
            _exit(0);
        } waitpid(judge, NULL, 0);
        judge = fork(); if (judge == 0) {
            setresuid(USER, 5, 5);
            show_call("... real is real", kill(child, 0));
            _exit(0);
        } waitpid(judge, NULL, 0);
        judge = fork(); if (judge == 0) {
            setresuid(5, 5, 5);
            show_call("... nothing is", kill(child, 0));
            _exit(0);
        } waitpid(judge, NULL, 0);
        kill(child, SIGKILL); waitpid(child, NULL, 0));
}

static int can_mount(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/tmp", "tmpfs", 0, NULL) == 0 && unshare(CLONE_NEWUSER) == 0;
}

static void all(void)
{
    umask(022);
    unshare(CLONE_NEWNS);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    mkdir(dir, 0755);
    if (mount("none", dir, "tmpfs", 0, NULL) || chmod(dir, 0755)) {
        show_call("mount", -1);
        return;
    }
    make_files();
    all_of_them();
    in_the_way();
    companions();
    securebits();
    other_ids();
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "show")) {
        show_rights();
        return 0;
    }
    probe_needs(can_mount, "mount namespaces");
    return run_as_child(all);
}
