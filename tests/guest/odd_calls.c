// Calls few programs make: ioprio, syslog, remap_file_pages, process_madvise, process_mrelease,
// quotactl, the requests of namespaces, kcmp of what is gone.
#include "probe.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

enum { BE = 2 << 13, IDLE = 3 << 13, RT = 1 << 13 };

static void ioprio(void)
{
    show_call("get", syscall(SYS_ioprio_get, 1, 0));
    show_call("set best effort", syscall(SYS_ioprio_set, 1, 0, BE | 7));
    show_call("... get", syscall(SYS_ioprio_get, 1, 0));
    show_call("... get by number", syscall(SYS_ioprio_get, 1, getpid()));
    IN_CHILD("... a child", show_call("... get", syscall(SYS_ioprio_get, 1, 0)));
    show_call("set idle", syscall(SYS_ioprio_set, 1, 0, IDLE));
    show_call("... get", syscall(SYS_ioprio_get, 1, 0));
    show_call("set real time", syscall(SYS_ioprio_set, 1, 0, RT | 3));
    show_call("... get", syscall(SYS_ioprio_get, 1, 0));
    show_call("set none", syscall(SYS_ioprio_set, 1, 0, 0));
    show_call("set none with a level", syscall(SYS_ioprio_set, 1, 0, 1));
    show_call("set unknown class", syscall(SYS_ioprio_set, 1, 0, 4 << 13));
    show_call("get of nobody", syscall(SYS_ioprio_get, 1, 4000000));
    show_call("get of what", syscall(SYS_ioprio_get, 4, 0));
    IN_CHILD("a user", setuid(1000); show_call("... real time", syscall(SYS_ioprio_set, 1, 0, RT));
             show_call("... idle", syscall(SYS_ioprio_set, 1, 0, IDLE));
             show_call("... another's", syscall(SYS_ioprio_set, 1, getppid(), IDLE)));
}

static void kernel_log(void)
{
    char text[16];
    show_call("open", syscall(SYS_syslog, 1, NULL, 0));
    show_call("read all of nothing", syscall(SYS_syslog, 3, text, 0));
    show_call("read all nowhere", syscall(SYS_syslog, 3, NULL, 8));
    show_call("read negative", syscall(SYS_syslog, 3, text, -1));
    show_call("level", syscall(SYS_syslog, 8, NULL, 9));
    show_call("unknown", syscall(SYS_syslog, 11, NULL, 0));
    SHOW("size", "%d", syscall(SYS_syslog, 10, NULL, 0) > 0);
    IN_CHILD("a user", setuid(1000); show_call("... clear", syscall(SYS_syslog, 5, NULL, 0)));
}

static void remap(void)
{
    int fd = memfd_create("x", 0);
    ftruncate(fd, 16384);
    char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[0] = 'a', p[4096] = 'b', p[8192] = 'c', p[12288] = 'd';
    show_call("remap", syscall(SYS_remap_file_pages, p, 4096, 0, 2, 0));
    SHOW("... shows", "%.1s%.1s%.1s%.1s", p, p + 4096, p + 8192, p + 12288);
    p[0] = 'x';
    SHOW("... shared", "%.1s", p + 8192);
    show_call("remap across", syscall(SYS_remap_file_pages, p, 16384, 0, 1, 0));
    show_call("with rights", syscall(SYS_remap_file_pages, p, 4096, 1, 2, 0));
    show_call("of nothing", syscall(SYS_remap_file_pages, p, 0, 0, 1, 0));
    show_call("of private memory", syscall(SYS_remap_file_pages, q, 4096, 0, 0, 0));
    show_call("nowhere", syscall(SYS_remap_file_pages, NULL, 4096, 0, 0, 0));
}

static void others(void)
{
    char *q = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    struct iovec v = {q, 8192};
    show_call("advice", syscall(SYS_process_madvise, self, &v, 1, MADV_COLD, 0));
    show_call("flags", syscall(SYS_process_madvise, self, &v, 1, MADV_COLD, 1));
    show_call("no descriptor", syscall(SYS_process_madvise, -1, &v, 1, MADV_COLD, 0));
    show_call("no vector", syscall(SYS_process_madvise, self, NULL, 1, MADV_COLD, 0));
    show_call("empty", syscall(SYS_process_madvise, self, &v, 0, MADV_COLD, 0));
    v.iov_base = q + 1;
    show_call("odd address", syscall(SYS_process_madvise, self, &v, 1, MADV_COLD, 0));
    v.iov_base = (void *)0x10000;
    show_call("unmapped", syscall(SYS_process_madvise, self, &v, 1, MADV_COLD, 0));
    show_call("release of oneself", syscall(SYS_process_mrelease, self, 0));
    show_call("release of nobody", syscall(SYS_process_mrelease, -1, 0));
    show_call("release with flags", syscall(SYS_process_mrelease, self, 1));
    show_call("release of a file", syscall(SYS_process_mrelease, 0, 0));
    pid_t child = fork();
    if (!child)
        pause();
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    show_call("release of one that lives", syscall(SYS_process_mrelease, fd, 0));
    kill(child, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    show_call("release of a zombie", syscall(SYS_process_mrelease, fd, 0));
    waitpid(child, NULL, 0);
    show_call("release of one that is gone", syscall(SYS_process_mrelease, fd, 0));
}

// --- Quotas --------------------------------------------------------------------------------------

enum { Q_SYNC = 0x800001, Q_ON, Q_OFF, Q_FORMAT, Q_INFO, Q_SET_INFO, Q_GET, Q_SET };
enum { QUOTACTL_FD = 443, XQ_ON = 0x5801, XQ_OFF, XQ_GET, XQ_SET, XQ_STAT, XQ_REMOVE };

static long quota(unsigned command, const char *special)
{
    char buf[256];
    return syscall(SYS_quotactl, command << 8, special, 0, buf);
}

static void quotas(void)
{
    static const unsigned commands[] = {Q_SYNC, Q_FORMAT, Q_INFO, Q_SET_INFO,
                                        Q_GET,  Q_SET,    XQ_GET, XQ_STAT};
    char dir[] = "/tmp/quotas-XXXXXX", name[64];
    mkdtemp(dir);
    snprintf(name, sizeof name, "%s/block", dir);
    mknod(name, S_IFBLK | 0600, makedev(7, 250));
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char what[32];
        snprintf(what, sizeof what, "command %x", commands[i]);
        show_call(what, quota(commands[i], "/"));
        show_call("... of nothing", quota(commands[i], "/none"));
        show_call("... nowhere", quota(commands[i], (char *)8));
        show_call("... of all", quota(commands[i], NULL));
        show_call("... of a file", quota(commands[i], "/proc/self/stat"));
    }
    int fd = open("/dev/shm", O_RDONLY);
    static const unsigned more[] = {Q_SYNC, Q_ON,  Q_OFF,  Q_FORMAT, Q_INFO, Q_SET_INFO,
                                    Q_GET,  Q_SET, XQ_GET, XQ_STAT,  0x5800, 0x580a};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char what[48];
        char buf[256];
        snprintf(what, sizeof what, "command %x by descriptor", more[i]);
        show_call(what, syscall(QUOTACTL_FD, fd, more[i] << 8, 0, buf));
    }
    show_call("no descriptor", syscall(QUOTACTL_FD, 999, Q_GET << 8, 0, NULL));
    show_call("no kind of owner by descriptor", syscall(QUOTACTL_FD, fd, Q_GET << 8 | 7, 0, NULL));
    close(fd);
    show_call("no kind of owner", syscall(SYS_quotactl, Q_GET << 8 | 7, "/", 0, NULL));
    unlink(name);
    rmdir(dir);
}

// --- Namespaces by descriptor --------------------------------------------------------------------

enum { NS_USERNS = 0xb701, NS_PARENT, NS_TYPE, NS_OWNER };

static void ask_namespaces(const char *pid)
{
    static const char *const kinds[] = {"user", "pid", "uts", "ipc", "mnt"};
    for (size_t i = 0; i < 5; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, kinds[i]);
        int fd = open(path, O_RDONLY);
        unsigned uid = 77;
        SHOW(kinds[i], "%d", fd >= 0);
        show_call("... type", ioctl(fd, NS_TYPE));
        show_done("... owner", ioctl(fd, NS_USERNS));
        show_done("... parent", ioctl(fd, NS_PARENT));
        int up = ioctl(fd, NS_PARENT);
        if (up >= 0)
            show_call("... its type", ioctl(up, NS_TYPE));
        show_call("... user", ioctl(fd, NS_OWNER, &uid));
        SHOW("... is", "%u", uid);
        show_call("... to 8", ioctl(fd, NS_OWNER, (void *)8));
        show_call("... unknown", ioctl(fd, 0xb777, 0));
        show_call("... read", read(fd, &uid, 4));
        close(up), close(fd);
    }
}

static int can_unshare(void)
{
    return !unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWUTS);
}

static void namespaces(void)
{
    int status;
    pid_t able = fork();
    if (!able)
        _exit(!can_unshare());
    waitpid(able, &status, 0);
    ask_namespaces("self");
    if (status) {
        SHOW("namespaces", "%s", "none can be made");
        return;
    }
    IN_CHILD("in others", {
        setuid(1000);
        unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWUTS);
        ask_namespaces("self");
        IN_CHILD("deeper", { ask_namespaces("self"); });
    });
}

// --- Comparing what is gone ----------------------------------------------------------------------

static void comparing(void)
{
    static const char *const kinds[] = {"file",     "memory", "descriptors", "place",
                                        "handlers", "io",     "undo",        "watched"};
    pid_t dead[2];
    siginfo_t info;
    int ep = epoll_create1(0);
    struct {
        unsigned efd, tfd, toff;
    } slot = {(unsigned)ep, 0, 0};
    for (int i = 0; i < 2; i++) {
        dead[i] = fork();
        if (!dead[i])
            _exit(0);
        waitid(P_PID, (id_t)dead[i], &info, WEXITED | WNOWAIT);
    }
    for (int type = 0; type < 8; type++) {
        if (type == 5)
            continue; // a matter of what the disk did for each
        long second = type == 7 ? (long)&slot : 0;
        long one = syscall(SYS_kcmp, getpid(), dead[0], type, 0, second);
        SHOW(kinds[type], "%s", one < 0 ? strerrorname_np(errno) : one ? "another" : "the same");
        one = syscall(SYS_kcmp, dead[0], getpid(), type, 0, second);
        SHOW("... the other way", "%s",
             one < 0 ? strerrorname_np(errno)
             : one   ? "another"
                     : "the same");
        if (type == 4)
            continue; // what the dead handled is nobody's business any more
        one = syscall(SYS_kcmp, dead[0], dead[1], type, 0, second);
        SHOW("... of the dead", "%s",
             one < 0 ? strerrorname_np(errno)
             : one   ? "another"
                     : "the same");
    }
    slot.efd = 999;
    show_call("no epoll", syscall(SYS_kcmp, getpid(), getpid(), 7, 0, &slot));
    slot.efd = 0;
    show_call("not an epoll", syscall(SYS_kcmp, getpid(), getpid(), 7, 0, &slot));
    show_call("epoll at 8", syscall(SYS_kcmp, getpid(), getpid(), 7, 0, 8));
    show_call("unknown", syscall(SYS_kcmp, getpid(), getpid(), 8, 0, 0));
    waitpid(dead[0], NULL, 0), waitpid(dead[1], NULL, 0);
    show_call("gone", syscall(SYS_kcmp, getpid(), dead[0], 1, 0, 0));
}

static void body(void)
{
    ioprio();
    kernel_log();
    remap();
    others();
    quotas();
    namespaces();
    comparing();
}

int main(void)
{
    probe_needs(has_user_namespaces, "user namespaces");
    return run_as_child(body);
}
