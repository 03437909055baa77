// Namespaces: what unshare, setns and clone make, who may, and what /proc shows of it. Runs as
// user 0 and gives that up in children.
#include "probe.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

static void put(const char *name, const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    long n = fd < 0 ? -1 : write(fd, text, strlen(text));
    show_done(name, n);
    if (fd >= 0)
        close(fd);
}

static void show_file(const char *name, const char *path)
{
    char text[256] = "";
    int fd = open(path, O_RDONLY);
    long n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n > 0 && text[n - 1] == '\n')
        text[n - 1] = 0;
    if (n < 0)
        show_call(name, n);
    else
        SHOW(name, "%s", text);
}

static ino_t ns_of(pid_t pid, const char *kind)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, kind);
    return stat(path, &st) ? 0 : st.st_ino;
}

static void show_ids(const char *name)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;
    getresuid(&r, &e, &s);
    getresgid(&rg, &eg, &sg);
    SHOW(name, "uid %u %u %u gid %u %u %u", r, e, s, rg, eg, sg);
}

static int open_ns(const char *kind)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void names_of_links(void)
{
    static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char path[64], text[64] = "", name[64];
        struct stat st, again;
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        readlink(path, text, sizeof text - 1);
        stat(path, &st);
        snprintf(name, sizeof name, "%s:[%lu]", kinds[i], (unsigned long)st.st_ino);
        int fd = open(path, O_RDONLY);
        fstat(fd, &again);
        SHOW(kinds[i], "link %s mode %o same %d type %#x", strcmp(name, text) ? "differs" : "ok",
             st.st_mode, st.st_ino == again.st_ino && st.st_dev == again.st_dev, ioctl(fd, 0xb703));
        show_call("... read", read(fd, text, 1));
        show_call("... other ioctl", ioctl(fd, 0xb7ff));
        close(fd);
    }
    show_call("open to write", open("/proc/self/ns/uts", O_RDWR));
}

static void uts(void)
{
    struct utsname before, u;
    uname(&before);
    int old = open_ns("uts");
    ino_t first = ns_of(getpid(), "uts");
    show_call("unshare uts", unshare(CLONE_NEWUTS));
    SHOW("... another", "%d", ns_of(getpid(), "uts") != first);
    uname(&u);
    SHOW("... copied", "%d", !strcmp(u.nodename, before.nodename));
    show_call("... sethostname", sethostname("inner", 5));
    show_call("... setdomainname", setdomainname("there", 5));
    uname(&u);
    SHOW("... names", "%s %s", u.nodename, u.domainname);
    show_file("... in proc", "/proc/sys/kernel/hostname");
    show_file("... in proc", "/proc/sys/kernel/domainname");
    IN_CHILD("... inherited", struct utsname c; uname(&c);
             SHOW("... child", "%s same %d", c.nodename,
                  ns_of(getpid(), "uts") == ns_of(getppid(), "uts")));
    int inner = open_ns("uts");
    show_call("setns wrong type", setns(old, CLONE_NEWIPC));
    show_call("setns bad type", setns(old, 1));
    show_call("setns back", setns(old, CLONE_NEWUTS));
    uname(&u);
    SHOW("... names", "%d", !strcmp(u.nodename, before.nodename));
    show_call("setns any type", setns(inner, 0));
    uname(&u);
    SHOW("... names", "%s", u.nodename);
    show_call("setns of a directory", setns(open("/", O_RDONLY), 0));
    show_call("setns -1", setns(-1, 0));
    IN_CHILD("setns by a user", setuid(1000); show_call("...", setns(old, 0)));
    IN_CHILD("unshare by a user", setuid(1000); show_call("... uts", unshare(CLONE_NEWUTS));
             show_call("... ipc", unshare(CLONE_NEWIPC));
             show_call("... user", unshare(CLONE_NEWUSER));
             show_call("... then uts", unshare(CLONE_NEWUTS));
             show_call("... sethostname", sethostname("mine", 4)));
    show_call("unshare of unknown", unshare(1));
}

static void ipc(void)
{
    int outside = msgget(0x1234abcd, IPC_CREAT | 0600);
    show_done("msgget outside", outside);
    IN_CHILD("ipc", show_call("... unshare", unshare(CLONE_NEWIPC));
             show_call("... same key", msgget(0x1234abcd, 0)); struct msqid_ds ds;
             show_call("... same id", msgctl(outside, IPC_STAT, &ds)); show_call(
                 "... made inside", msgget(0x1234abcd, IPC_CREAT | IPC_EXCL | 0600) < 0 ? -1 : 0));
    show_call("remove", msgctl(outside, IPC_RMID, NULL));
    show_call("clone sysvsem and newipc",
              syscall(SYS_clone, CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0));
}

struct cap_data {
    unsigned effective, permitted, inheritable;
};

static void show_caps(const char *name)
{
    struct {
        unsigned version;
        int pid;
    } h = {0x20080522, 0};
    struct cap_data d[2];
    syscall(SYS_capget, &h, d);
    SHOW(name, "effective %d permitted %d inheritable %d bounding %d", d[0].effective != 0,
         d[0].permitted != 0, d[0].inheritable != 0, prctl(PR_CAPBSET_READ, 0));
}

// security.capability of a file of one's own, by ids of the namespace.
static void file_caps(int fd)
{
    struct vfs_ns_cap_data caps = {VFS_CAP_REVISION_2, {{1u << CAP_CHOWN, 0}, {0, 0}}, 0};
    uint32_t word[8] = {0};
    show_call("... file caps", fsetxattr(fd, "security.capability", &caps, 20, 0));
    show_call("... are", fgetxattr(fd, "security.capability", word, sizeof word));
    SHOW("... of", "%08x %x", word[0], word[1]);
    caps.magic_etc = VFS_CAP_REVISION_3;
    show_call("... of my root", fsetxattr(fd, "security.capability", &caps, 24, 0));
    show_call("... are", fgetxattr(fd, "security.capability", word, sizeof word));
    caps.rootid = 5;
    show_call("... of nobody", fsetxattr(fd, "security.capability", &caps, 24, 0));
}

static void user_by_user(void)
{
    setgroups(0, NULL);
    setgid(1000);
    setuid(1000);
    prctl(PR_SET_DUMPABLE, 1);
    show_call("unshare user", unshare(CLONE_NEWUSER));
    show_ids("... unmapped");
    show_caps("...");
    show_file("... uid_map", "/proc/self/uid_map");
    show_file("... setgroups", "/proc/self/setgroups");
    show_call("... setuid 0 before", setuid(0));
    show_call("... setgroups before", setgroups(0, NULL));
    put("... gid_map too early", "/proc/self/gid_map", "0 1000 1");
    put("... setgroups nonsense", "/proc/self/setgroups", "maybe");
    put("... setgroups deny", "/proc/self/setgroups", "deny");
    put("... setgroups allow again", "/proc/self/setgroups", "allow");
    put("... not mine", "/proc/self/uid_map", "0 0 1");
    put("... two lines", "/proc/self/uid_map", "0 1000 1\n1 1001 1\n");
    put("... nonsense", "/proc/self/uid_map", "zero");
    put("... short", "/proc/self/uid_map", "0 1000");
    put("... no ids", "/proc/self/uid_map", "0 1000 0");
    put("... wrapping", "/proc/self/uid_map", "4294967295 1000 1");
    put("... good", "/proc/self/uid_map", "0 1000 1\n");
    put("... again", "/proc/self/uid_map", "0 1000 1\n");
    put("... gid", "/proc/self/gid_map", "   7   1000  1");
    show_ids("... mapped");
    show_file("... uid_map", "/proc/self/uid_map");
    show_file("... gid_map", "/proc/self/gid_map");
    show_call("... setuid 0", setuid(0));
    show_call("... setuid 5", setuid(5));
    show_call("... setresuid -1 5 -1", setresuid(-1, 5, -1));
    show_call("... setgid 0", setgid(0));
    show_call("... setgroups", setgroups(0, NULL));
    struct stat st;
    int fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
    fstat(fd, &st);
    SHOW("... own file", "%u %u", st.st_uid, st.st_gid);
    show_call("... chown to unmapped", fchown(fd, 5, -1));
    show_call("... chown to own", fchown(fd, 0, 7));
    file_caps(fd);
    stat("/proc/1", &st);
    SHOW("... root's file", "%u %u", st.st_uid, st.st_gid);
    show_call("... write to root's", open("/proc/sys/kernel/hostname", O_WRONLY) < 0 ? -1 : 0);
    show_call("... kill init", kill(1, 0));
    show_call("... chroot", chroot("/"));
    show_call("... reboot magic", syscall(SYS_reboot, 1, 2, 3, 0));
    show_call("... sethostname", sethostname("x", 1));
    show_call("... mlock limit raise", prctl(PR_SET_SECUREBITS, 0));
    IN_CHILD("nested", show_call("...", unshare(CLONE_NEWUSER)); show_ids("...");
             put("... outer ids", "/proc/self/uid_map", "3 0 1"); show_ids("...");
             show_file("... map", "/proc/self/uid_map"));
}

static void user_by_root(void)
{
    int up[2], down[2];
    pipe(up), pipe(down);
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        show_call("root unshares", unshare(CLONE_NEWUSER));
        tell(up[1]);
        hear(down[0]);
        show_ids("... mapped by parent");
        show_file("... map", "/proc/self/uid_map");
        show_call("... setuid 10", setuid(10));
        show_ids("...");
        show_caps("...");
        show_call("... setuid 0", setuid(0));
        _exit(0);
    }
    hear(up[0]);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/uid_map", child);
    put("overlap", path, "0 0 10\n5 20 10\n");
    put("overlap below", path, "0 0 10\n10 5 10\n");
    put("map of another", path, "0 0 10\n10 100 10\n");
    snprintf(path, sizeof path, "/proc/%d/gid_map", child);
    put("gid map of another", path, "0 0 100\n");
    snprintf(path, sizeof path, "/proc/%d/uid_map", child);
    show_file("as parent sees it", path);
    tell(down[1]);
    show_end("child", child);
}

static int clone_flags(unsigned long flags)
{
    fflush(stdout);
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(3);
    if (pid < 0)
        return -1;
    int status;
    waitpid((pid_t)pid, &status, 0);
    return WEXITSTATUS(status);
}

static void clones(void)
{
    show_call("clone newuser", clone_flags(CLONE_NEWUSER));
    show_call("clone newuser and fs", clone_flags(CLONE_NEWUSER | CLONE_FS));
    show_call("clone newuts", clone_flags(CLONE_NEWUTS));
    show_call("clone newuser thread",
              clone_flags(CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM));
    IN_CHILD(
        "clone by a user", setuid(1000); show_call("... uts", clone_flags(CLONE_NEWUTS));
        show_call("... user and uts", clone_flags(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWIPC)));
    IN_CHILD("in a chroot", mkdir("/tmp/ns-root", 0755);
             show_call("... chroot", chroot("/tmp/ns-root"));
             show_call("... unshare user", unshare(CLONE_NEWUSER)));
    rmdir("/tmp/ns-root");
}

static void owners(void)
{
    IN_CHILD("owners", unshare(CLONE_NEWUSER | CLONE_NEWUTS); int uts = open_ns("uts");
             int owner = ioctl(uts, 0xb701); struct stat a; struct stat b; fstat(owner, &a);
             stat("/proc/self/ns/user", &b); SHOW("... of uts is own", "%d", a.st_ino == b.st_ino);
             show_call("... parent of own", ioctl(owner, 0xb702)); unsigned uid = 77;
             show_call("... owner uid", ioctl(owner, 0xb704, &uid)); SHOW("... uid", "%u", uid);
             show_call("... owner of uts", ioctl(uts, 0xb704, &uid));
             show_call("... parent of uts", ioctl(uts, 0xb702));
             show_call("... enter own user ns", setns(owner, 0));
             show_call("... close on exec", fcntl(owner, F_GETFD)));
    int user = open_ns("user");
    unsigned uid = 77;
    show_call("owner uid of the first", ioctl(user, 0xb704, &uid));
    SHOW("... uid", "%u", uid);
    show_call("setns to own user", setns(user, CLONE_NEWUSER));
}

static void body(void)
{
    names_of_links();
    IN_CHILD("uts", uts());
    ipc();
    IN_CHILD("user by user", user_by_user());
    user_by_root();
    clones();
    owners();
}

int main(void)
{
    probe_needs(has_user_namespaces, "user namespaces");
    return run_as_child(body);
}
