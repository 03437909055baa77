// Joining and leaving namespaces: setns by descriptor and by process, who may, with whom a task may
// share what meanwhile, and how deep namespaces go.
#include "probe.h"
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const struct {
    const char *name;
    int flag;
} kinds[] = {
    {"user", CLONE_NEWUSER},     {"mnt", CLONE_NEWNS},    {"uts", CLONE_NEWUTS},
    {"ipc", CLONE_NEWIPC},       {"pid", CLONE_NEWPID},   {"net", CLONE_NEWNET},
    {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };
#define COMMON (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)

static int open_ns(pid_t pid, const char *kind)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kind);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        SHOW("write", "%s: %s", path, strerrorname_np(errno));
    close(fd);
}

static void map_root(void)
{
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 0 1");
    write_file("/proc/self/gid_map", "0 0 1");
}

// A child with namespaces of its own.
struct host {
    pid_t pid;
    int ready[2];
};

static void host_begin(struct host *h, int flags)
{
    fflush(stdout);
    pipe(h->ready);
    h->pid = fork();
    if (h->pid == 0) {
        if (unshare(flags))
            abort();
        if (flags & CLONE_NEWUSER)
            map_root();
        sethostname("inside", 6);
        tell(h->ready[1]);
        for (;;)
            pause();
    }
    hear(h->ready[0]);
}

static void host_end(struct host *h)
{
    kill(h->pid, SIGKILL);
    waitpid(h->pid, NULL, 0);
    close(h->ready[0]);
    close(h->ready[1]);
}

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void *wait_for_ever(void *fd)
{
    hear(*(int *)fd);
    return NULL;
}

static void by_descriptor(void)
{
    struct host h;
    host_begin(&h, COMMON);
    for (int i = 0; i < KINDS; i++) {
        int fd = open_ns(h.pid, kinds[i].name);
        SHOW("by descriptor", "%s", kinds[i].name);
        IN_CHILD("...", show_call("... joins", setns(fd, kinds[i].flag)); char name[65] = "";
                 gethostname(name, sizeof name);
                 SHOW("... is there", "%d uid %u", !strcmp(name, "inside"), getuid()));
        IN_CHILD("... as a user", if (setuid(1000)) abort(); show_call("...", setns(fd, 0)));
        close(fd);
    }
    int mnt = open_ns(h.pid, "mnt"), user = open_ns(h.pid, "user"), own = open_ns(getpid(), "user");
    show_call("its own user namespace", setns(own, 0));
    IN_CHILD("with a thread", int p[2]; pthread_t t; pipe(p);
             pthread_create(&t, NULL, wait_for_ever, p); show_call("... user", setns(user, 0));
             show_call("... unshare user", unshare(CLONE_NEWUSER));
             show_call("... unshare thread", unshare(CLONE_THREAD));
             show_call("... unshare actions", unshare(CLONE_SIGHAND));
             show_call("... unshare memory", unshare(CLONE_VM));
             show_call("... unshare files", unshare(CLONE_FILES));
             show_call("... unshare places", unshare(CLONE_FS));
             show_call("... unshare undo lists", unshare(CLONE_SYSVSEM)); tell(p[1]);
             pthread_join(t, NULL));
    show_call("alone: thread", unshare(CLONE_THREAD));
    show_call("... actions", unshare(CLONE_SIGHAND));
    show_call("... memory", unshare(CLONE_VM));
    show_call("... all of them", unshare(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_SYSVSEM |
                                         CLONE_FS | CLONE_FILES));
    IN_CHILD(
        "with a companion", int p[2]; pipe(p); fflush(stdout);
        pid_t child = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0); if (child == 0) {
            hear(p[0]);
            _exit(0);
        } show_call("... user", setns(user, 0));
        show_call("... mnt", setns(mnt, 0)); show_call("... unshare places", unshare(CLONE_FS));
        show_call("... then mnt", setns(mnt, 0)); tell(p[1]); waitpid(child, NULL, 0));
    IN_CHILD("without the right to chroot", prctl(PR_CAPBSET_DROP, CAP_SYS_CHROOT);
             struct __user_cap_header_struct v = {_LINUX_CAPABILITY_VERSION_3, 0};
             struct __user_cap_data_struct d[2]; syscall(SYS_capget, &v, d);
             d[0].effective &= ~(1u << CAP_SYS_CHROOT); syscall(SYS_capset, &v, d);
             show_call("... mnt", setns(mnt, 0)));
    host_end(&h);
    show_call("a namespace without processes", setns(mnt, 0));
    setns(open_ns(getppid(), "mnt"), 0);
}

static void by_process(void)
{
    struct host h;
    host_begin(&h, COMMON);
    int fd = pidfd_of(h.pid);
    show_call("by process: nothing", setns(fd, 0));
    show_call("... unknown", setns(fd, CLONE_NEWUTS | 1));
    show_call("... no namespace", setns(fd, CLONE_VM));
    for (int i = 0; i < KINDS; i++) {
        SHOW("by process", "%s", kinds[i].name);
        IN_CHILD("...", show_call("... joins", setns(fd, kinds[i].flag)));
    }
    IN_CHILD("all at once", show_call("...", setns(fd, COMMON | CLONE_NEWPID)); char name[65] = "";
             gethostname(name, sizeof name); SHOW("... there", "%s uid %u", name, getuid()));
    IN_CHILD("by a user", if (setuid(1000)) abort(); show_call("...", setns(fd, CLONE_NEWUTS)));
    host_end(&h);
    show_call("of a process that has ended", setns(fd, CLONE_NEWUTS));
    close(fd);
    pid_t zombie = fork();
    if (zombie == 0)
        _exit(0);
    siginfo_t info;
    waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT);
    fd = pidfd_of(zombie);
    show_call("of a zombie", setns(fd, CLONE_NEWUTS));
    waitpid(zombie, NULL, 0);
    show_call("of a file", setns(open("/", O_RDONLY), CLONE_NEWUTS));
    show_call("of a path only", setns(open("/proc/self/ns/uts", O_PATH), CLONE_NEWUTS));
}

static void processes(void)
{
    int outer = open_ns(getpid(), "pid");
    IN_CHILD("twice without a child", unshare(CLONE_NEWPID);
             show_call("...", unshare(CLONE_NEWPID)));
    IN_CHILD("back before a child", unshare(CLONE_NEWPID);
             show_call("...", setns(outer, CLONE_NEWPID));
             IN_CHILD("... child", _exit(getpid() == 1)));
    IN_CHILD("out of a namespace", unshare(CLONE_NEWPID);
             IN_CHILD("...", show_call("... is refused", setns(outer, CLONE_NEWPID))));
    IN_CHILD("after the end of its first process", unshare(CLONE_NEWPID);
             IN_CHILD("... first", _exit(0)); pid_t child = fork(); if (child == 0) _exit(0);
             show_done("... second", child));
}

// How many user namespaces fit into each other.
static void depths(void)
{
    IN_CHILD(
        "user namespaces in each other", int depth = 0;
        while (depth < 50 && unshare(CLONE_NEWUSER) == 0) {
            depth++;
            map_root();
        } SHOW("... end", "%d %s", depth, strerrorname_np(errno)));
    fflush(stdout);
    IN_CHILD(
        "process namespaces in each other", for (int depth = 0;; depth++) {
            if (unshare(CLONE_NEWPID)) {
                SHOW("... end", "%d %s", depth, strerrorname_np(errno));
                _exit(0);
            }
            fflush(stdout);
            pid_t child = fork();
            if (child) {
                waitpid(child, NULL, 0);
                _exit(0);
            }
        });
    IN_CHILD("without a name there", unshare(CLONE_NEWUSER);
             show_call("...", unshare(CLONE_NEWUSER)));
}

static int can_nest(void)
{
    return unshare(COMMON | CLONE_NEWPID) == 0;
}

static void all(void)
{
    unshare(CLONE_NEWNS);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    by_descriptor();
    by_process();
    processes();
    depths();
}

int main(void)
{
    probe_needs(can_nest, "namespaces");
    return run_as_child(all);
}
