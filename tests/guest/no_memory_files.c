// Files of every kind when memory runs out.
#include "tests/guest/no_memory.h"
#include <linux/landlock.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static struct tap tap;
static char directory[] = "/tmp/no-memory-XXXXXX";

static void make_file(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (write(fd, text, strlen(text)) < 0)
        abort();
    close(fd);
}

// On a directory of the host some things cannot be.
static void names(bool host)
{
    if (!host) {
        REFUSED("open with O_TMPFILE", syscall(SYS_openat, AT_FDCWD, ".", O_TMPFILE | O_RDWR, 0600),
                close((int)got));
        REFUSED("mknod", syscall(SYS_mknodat, AT_FDCWD, "fifo", S_IFIFO | 0644, 0), unlink("fifo"));
    }
    char buf[4096];
    struct stat st;
    struct statfs sf;
    struct statx sx;
    make_file("file", "some text\n");
    mkdir("dir", 0755);
    REFUSED("open", syscall(SYS_openat, AT_FDCWD, "file", O_RDWR), close((int)got));
    REFUSED("open with O_CREAT", syscall(SYS_openat, AT_FDCWD, "fresh", O_CREAT | O_RDWR, 0644),
            (close((int)got), unlink("fresh")));
    REFUSED("open with O_PATH", syscall(SYS_openat, AT_FDCWD, "dir", O_PATH), close((int)got));
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_RDONLY, 0, 0};
    REFUSED("openat2", syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how), close((int)got));
    REFUSED("mkdir", syscall(SYS_mkdirat, AT_FDCWD, "new", 0755), rmdir("new"));
    REFUSED("symlink", syscall(SYS_symlinkat, "file", AT_FDCWD, "soft"), unlink("soft"));
    REFUSED("link", syscall(SYS_linkat, AT_FDCWD, "file", AT_FDCWD, "hard", 0), unlink("hard"));
    symlink("dir/../file", "soft");
    REFUSED("open through a link", syscall(SYS_openat, AT_FDCWD, "soft", O_RDONLY),
            close((int)got));
    REFUSED("readlink", syscall(SYS_readlinkat, AT_FDCWD, "soft", buf, sizeof buf), (void)0);
    REFUSED("rename", syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "file2", 0),
            rename("file2", "file"));
    REFUSED("stat", syscall(SYS_newfstatat, AT_FDCWD, "soft", &st, 0), (void)0);
    REFUSED("statx", syscall(SYS_statx, AT_FDCWD, "soft", 0, STATX_ALL, &sx), (void)0);
    REFUSED("statfs", syscall(SYS_statfs, ".", &sf), (void)0);
    REFUSED("access", syscall(SYS_faccessat, AT_FDCWD, "soft", R_OK), (void)0);
    REFUSED("faccessat2 as the effective user",
            syscall(SYS_faccessat2, AT_FDCWD, "soft", R_OK, AT_EACCESS), (void)0);
    REFUSED("access by another user", syscall(SYS_faccessat2, AT_FDCWD, "soft", R_OK, 0), (void)0);
    REFUSED("chmod", syscall(SYS_fchmodat, AT_FDCWD, "file", 0600), (void)0);
    REFUSED("chown", syscall(SYS_fchownat, AT_FDCWD, "file", 0, 0, 0), (void)0);
    REFUSED("utimensat", syscall(SYS_utimensat, AT_FDCWD, "file", NULL, 0), (void)0);
    REFUSED("truncate", syscall(SYS_truncate, "file", 5000), (void)0);
    REFUSED("chdir", syscall(SYS_chdir, "dir"), chdir(".."));
    REFUSED("getcwd", syscall(SYS_getcwd, buf, sizeof buf), (void)0);
    REFUSED("unlink", syscall(SYS_unlinkat, AT_FDCWD, "file", 0), make_file("file", "again"));
    int fd = open(".", O_RDONLY);
    REFUSED("getdents64", syscall(SYS_getdents64, fd, buf, sizeof buf), lseek(fd, 0, SEEK_SET));
    REFUSED("fchdir", syscall(SYS_fchdir, fd), (void)0);
    close(fd);
    REFUSED_IN_CHILD("chroot", (void)0, syscall(SYS_chroot, "."));
    if (host)
        return;
    struct {
        struct file_handle h;
        char room[128];
    } handle;
    int mount;
    handle.h.handle_bytes = sizeof handle.room;
    REFUSED("name_to_handle_at",
            syscall(SYS_name_to_handle_at, AT_FDCWD, "file", &handle.h, &mount, 0), (void)0);
    fd = open("/", O_RDONLY);
    int at = open(".", O_RDONLY);
    REFUSED("open_by_handle_at", syscall(SYS_open_by_handle_at, at, &handle.h, O_RDONLY),
            close((int)got));
    close(at);
    close(fd);
}

static void attributes(void)
{
    char buf[256];
    REFUSED("setxattr", syscall(SYS_setxattr, "file", "user.a", "value", 5, 0), (void)0);
    REFUSED("getxattr", syscall(SYS_getxattr, "file", "user.a", buf, sizeof buf), (void)0);
    REFUSED("listxattr", syscall(SYS_listxattr, "file", buf, sizeof buf), (void)0);
    REFUSED("removexattr", syscall(SYS_removexattr, "file", "user.a"),
            setxattr("file", "user.a", "value", 5, 0));
    int fd = open("file", O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_start = 0, .l_len = 100};
    struct flock inner = {.l_type = F_UNLCK, .l_start = 10, .l_len = 10};
    REFUSED_OR(ENOLCK, "F_SETLK", syscall(SYS_fcntl, fd, F_SETLK, &lock), (void)0);
    REFUSED_OR(ENOLCK, "F_SETLK that splits", syscall(SYS_fcntl, fd, F_SETLK, &inner), (void)0);
    REFUSED_OR(ENOLCK, "F_OFD_SETLK", syscall(SYS_fcntl, fd, F_OFD_SETLK, &inner), (void)0);
    REFUSED_OR(ENOLCK, "flock", syscall(SYS_flock, fd, 2), syscall(SYS_flock, fd, 8));
    REFUSED("fallocate", syscall(SYS_fallocate, fd, 0, 0, 8192), (void)0);
    REFUSED("ftruncate", syscall(SYS_ftruncate, fd, 100), (void)0);
    REFUSED("fsync", syscall(SYS_fsync, fd), (void)0);
    close(fd);
}

static void reading(void)
{
    enum { PARTS = 64 };
    static char block[PARTS][64];
    struct iovec iov[PARTS];
    for (int i = 0; i < PARTS; i++)
        iov[i] = (struct iovec){block[i], sizeof block[i]};
    memset(block, 1, sizeof block); // else it is our own page that there is no memory for
    int fd = open("file", O_RDWR), other = open("other", O_CREAT | O_RDWR, 0644);
    ftruncate(fd, 20000);
    REFUSED("pwrite", syscall(SYS_pwrite64, fd, block, sizeof block, 0), (void)0);
    REFUSED("pread", syscall(SYS_pread64, fd, block, sizeof block, 0), (void)0);
    REFUSED("preadv", syscall(SYS_preadv, fd, iov, PARTS, 0, 0), (void)0);
    REFUSED("pwritev", syscall(SYS_pwritev, fd, iov, PARTS, 0, 0), (void)0);
    loff_t from = 0, to = 0;
    REFUSED("copy_file_range", syscall(SYS_copy_file_range, fd, &from, other, &to, 9000, 0),
            from = to = 0);
    off_t at = 0;
    REFUSED("sendfile", syscall(SYS_sendfile, other, fd, &at, 9000), at = 0);
    int a[2], b[2];
    REFUSED("pipe2", syscall(SYS_pipe2, a, 0), (close(a[0]), close(a[1])));
    pipe(a);
    pipe(b);
    static char page[4096], back[16 * 4096];
    memset(page, 1, sizeof page);
    memset(back, 1, sizeof back);
    REFUSED("write to a pipe", syscall(SYS_write, a[1], page, 100), read(a[0], back, sizeof back));
    REFUSED("splice from a file", syscall(SYS_splice, fd, &from, a[1], NULL, 9000, 0),
            (from = 0, read(a[0], back, sizeof back)));
    write(a[1], page, sizeof page);
    REFUSED("tee", syscall(SYS_tee, a[0], b[1], 100, 0), read(b[0], back, sizeof back));
    REFUSED("splice between pipes", syscall(SYS_splice, a[0], NULL, b[1], NULL, 100, 0),
            (read(b[0], back, sizeof back), write(a[1], page, 100)));
    REFUSED("splice to a file", syscall(SYS_splice, a[0], NULL, other, NULL, 100, 0),
            write(a[1], page, 100));
    REFUSED("vmsplice", syscall(SYS_vmsplice, b[1], iov, 4, 0), read(b[0], back, sizeof back));
    REFUSED("F_SETPIPE_SZ", syscall(SYS_fcntl, a[1], F_SETPIPE_SZ, 1 << 17),
            fcntl(a[1], F_SETPIPE_SZ, 1 << 16));
    int lock_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    close(lock_fd);
    close(a[0]), close(a[1]), close(b[0]), close(b[1]), close(fd), close(other);
}

static void descriptors(void)
{
    int fd, n = 600;
    REFUSED("dup to a high number", syscall(SYS_dup3, 0, n, 0), (close(n), n += 300));
    n = 20000;
    struct {
        uint64_t a, b;
    } room = {32768, 32768};
    syscall(SYS_prlimit64, 0, 7, &room, NULL);
    REFUSED("F_DUPFD above all", syscall(SYS_fcntl, 0, F_DUPFD, n), (close((int)got), n += 1000));
    REFUSED("close_range unshares", syscall(SYS_close_range, 500, ~0u, 2), (void)0);
    REFUSED("eventfd2", syscall(SYS_eventfd2, 0, 0), close((int)got));
    uint64_t mask = 1;
    REFUSED("signalfd4", syscall(SYS_signalfd4, -1, &mask, 8, 0), close((int)got));
    REFUSED("timerfd_create", syscall(SYS_timerfd_create, 1, 0), close((int)got));
    fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec when = {{0, 0}, {100, 0}};
    REFUSED("timerfd_settime", syscall(SYS_timerfd_settime, fd, 0, &when, NULL), (void)0);
    close(fd);
    REFUSED("memfd_create", syscall(SYS_memfd_create, "m", 0), close((int)got));
    REFUSED("pidfd_open", syscall(SYS_pidfd_open, getpid(), 0), close((int)got));
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    REFUSED("pidfd_getfd", syscall(SYS_pidfd_getfd, self, 0, 0), close((int)got));
    close(self);

    int ep;
    REFUSED("epoll_create1", syscall(SYS_epoll_create1, 0), close((int)got));
    ep = epoll_create1(0);
    int p[2];
    pipe(p);
    struct epoll_event ev = {.events = EPOLLIN}, out[4];
    REFUSED("epoll_ctl", syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, p[0], &ev),
            epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    int outer = epoll_create1(0);
    REFUSED("epoll_ctl of an epoll", syscall(SYS_epoll_ctl, outer, EPOLL_CTL_ADD, ep, &ev),
            epoll_ctl(outer, EPOLL_CTL_DEL, ep, NULL));
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev);
    write(p[1], "x", 1);
    REFUSED("epoll_wait", syscall(SYS_epoll_pwait, ep, out, 4, 0, NULL, 8), (void)0);
    struct pollfd many[64];
    for (int i = 0; i < 64; i++)
        many[i] = (struct pollfd){p[0], POLLIN, 0};
    struct timespec none = {0, 0};
    REFUSED("ppoll of many", syscall(SYS_ppoll, many, 64, &none, NULL, 8), (void)0);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(p[0], &in);
    REFUSED("pselect6", syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, &none, NULL),
            FD_SET(p[0], &in));
    close(outer), close(ep), close(p[0]), close(p[1]);
}

static void watches(void)
{
    REFUSED("inotify_init1", syscall(SYS_inotify_init1, 0), close((int)got));
    int fd = inotify_init1(IN_NONBLOCK), wd = 0;
    REFUSED("inotify_add_watch", syscall(SYS_inotify_add_watch, fd, ".", IN_ALL_EVENTS),
            (wd = (int)got, inotify_rm_watch(fd, wd)));
    inotify_add_watch(fd, ".", IN_ALL_EVENTS);
    REFUSED("what a watch sees", syscall(SYS_openat, AT_FDCWD, "file", O_RDONLY), close((int)got));
    char buf[4096];
    REFUSED("read of watched events", syscall(SYS_read, fd, buf, sizeof buf),
            close(open("file", O_RDONLY)));
    close(fd);
    REFUSED("fanotify_init", syscall(SYS_fanotify_init, FAN_CLASS_NOTIF, O_RDONLY),
            close((int)got));
    fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
    REFUSED("fanotify_mark", syscall(SYS_fanotify_mark, fd, 1, FAN_OPEN, AT_FDCWD, "file"),
            fanotify_mark(fd, FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, "file"));
    fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "file");
    // One that cannot have a descriptor is lost, as on Linux.
    REFUSED_AFTER("read of a fanotify event", close(open("file", O_RDONLY)),
                  syscall(SYS_read, fd, buf, sizeof buf),
                  close(((struct fanotify_event_metadata *)(void *)buf)->fd));
    close(fd);
}

static void file_systems(void)
{
    mkdir("point", 0755);
    REFUSED("mount", syscall(SYS_mount, "none", "point", "tmpfs", 0, "size=1m"), umount("point"));
    REFUSED("mount of proc", syscall(SYS_mount, "none", "point", "proc", 0, NULL), umount("point"));
    REFUSED("mount of devpts", syscall(SYS_mount, "none", "point", "devpts", 0, "newinstance"),
            umount("point"));
    REFUSED("mount --bind", syscall(SYS_mount, "dir", "point", NULL, MS_BIND, NULL),
            umount("point"));
    REFUSED("mount --rbind", syscall(SYS_mount, "/", "point", NULL, MS_BIND | MS_REC, NULL),
            umount2("point", MNT_DETACH));
    REFUSED("fsopen", syscall(SYS_fsopen, "tmpfs", 0), close((int)got));
    int fd = (int)syscall(SYS_fsopen, "tmpfs", 0);
    REFUSED("fsconfig", syscall(SYS_fsconfig, fd, 1, "size", "1m", 0), (void)0);
    // A context that failed is good for nothing any more.
    REFUSED_AFTER("fsconfig creates", (close(fd), fd = (int)syscall(SYS_fsopen, "tmpfs", 0)),
                  syscall(SYS_fsconfig, fd, 6, NULL, NULL, 0), (void)0);
    REFUSED_AFTER("fsmount",
                  (close(fd), fd = (int)syscall(SYS_fsopen, "tmpfs", 0),
                   syscall(SYS_fsconfig, fd, 6, NULL, NULL, 0)),
                  syscall(SYS_fsmount, fd, 0, 0), close((int)got));
    close(fd);
    REFUSED("open_tree", syscall(SYS_open_tree, AT_FDCWD, "dir", 1), close((int)got));
    fd = (int)syscall(SYS_open_tree, AT_FDCWD, "dir", 1);
    REFUSED("move_mount", syscall(SYS_move_mount, fd, "", AT_FDCWD, "point", 4),
            (umount("point"), close(fd), fd = (int)syscall(SYS_open_tree, AT_FDCWD, "dir", 1)));
    close(fd);
}

static const char *const reports[] = {
    "/proc/self/maps",
    "/proc/self/smaps",
    "/proc/self/status",
    "/proc/self/stat",
    "/proc/self/mountinfo",
    "/proc/self/mounts",
    "/proc/self/limits",
    "/proc/self/environ",
    "/proc/self/cmdline",
    "/proc/self/auxv",
    "/proc/self/fdinfo/0",
    "/proc/self/io",
    "/proc/self/cgroup",
    "/proc/self/uid_map",
    "/proc/self/pagemap",
    "/proc/self/mem",
    "/proc/stat",
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/version",
    "/proc/filesystems",
    "/proc/locks",
    "/proc/keys",
    "/proc/key-users",
    "/proc/net/tcp",
    "/proc/net/unix",
    "/proc/net/dev",
    "/proc/net/route",
    "/proc/net/netlink",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/pid_max",
    "/proc/sysvipc/shm",
    "/sys/devices/system/cpu/online",
};

static void read_reports(void)
{
    static char buf[1 << 16];
    char name[128];
    memset(buf, 1, sizeof buf); // a process that has no page for what a call gives is killed
    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
        int fd = open(reports[i], O_RDONLY);
        if (fd < 0)
            continue;
        snprintf(name, sizeof name, "open %s", reports[i]);
        REFUSED(name, syscall(SYS_openat, AT_FDCWD, reports[i], O_RDONLY), close((int)got));
        snprintf(name, sizeof name, "read %s", reports[i]);
        bool memory = strstr(reports[i], "/mem") && !strstr(reports[i], "info");
        off_t at = memory ? (off_t)(uintptr_t)buf & ~4095 : 0;
        // A report is made when it is read first, and kept.
        REFUSED(name, syscall(SYS_pread64, fd, buf, sizeof buf, at),
                (close(fd), fd = open(reports[i], O_RDONLY)));
        close(fd);
    }
    static const char *const directories[] = {
        "/proc",         "/proc/self", "/proc/self/fd",        "/proc/self/task",
        "/proc/self/ns", "/proc/net",  "/proc/self/map_files", "/dev/pts",
        "/sys"};
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        int fd = open(directories[i], O_RDONLY);
        if (fd < 0)
            continue;
        snprintf(name, sizeof name, "list %s", directories[i]);
        REFUSED(name, syscall(SYS_getdents64, fd, buf, sizeof buf), lseek(fd, 0, SEEK_SET));
        close(fd);
    }
    static const char *const links[] = {"/proc/self/exe",  "/proc/self/cwd",    "/proc/self/root",
                                        "/proc/self/fd/0", "/proc/self/ns/pid", "/proc/self"};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        snprintf(name, sizeof name, "readlink %s", links[i]);
        REFUSED(name, syscall(SYS_readlinkat, AT_FDCWD, links[i], buf, sizeof buf), (void)0);
        snprintf(name, sizeof name, "follow %s", links[i]);
        struct stat st;
        REFUSED(name, syscall(SYS_newfstatat, AT_FDCWD, links[i], &st, 0), (void)0);
    }
    int fd = open("/proc/self/comm", O_RDWR);
    REFUSED("write /proc/self/comm", syscall(SYS_pwrite64, fd, "name", 4, 0), (void)0);
    close(fd);
}

static void landlock(void)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE};
    REFUSED("landlock_create_ruleset", syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0),
            close((int)got));
    int set = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    struct landlock_path_beneath_attr beneath = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
                                                 .parent_fd = open("/", O_PATH)};
    REFUSED("landlock_add_rule",
            syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0), (void)0);
    REFUSED_IN_CHILD("landlock_restrict_self", (void)0,
                     syscall(SYS_landlock_restrict_self, set, 0));
    close(beneath.parent_fd);
    close(set);
}

static void terminals(void)
{
    REFUSED("open /dev/ptmx", syscall(SYS_openat, AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY),
            close((int)got));
    int near = open("/dev/ptmx", O_RDWR | O_NOCTTY), number = 0;
    char name[32], buf[64];
    ioctl(near, TIOCSPTLCK, &number);
    ioctl(near, TIOCGPTN, &number);
    snprintf(name, sizeof name, "/dev/pts/%d", number);
    REFUSED("open /dev/pts/N", syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_NOCTTY),
            close((int)got));
    REFUSED("TIOCGPTPEER", syscall(SYS_ioctl, near, TIOCGPTPEER, O_RDWR | O_NOCTTY),
            close((int)got));
    int far = open(name, O_RDWR | O_NOCTTY);
    REFUSED("write to a terminal", syscall(SYS_write, far, "text\n", 5), (void)0);
    REFUSED("read of a terminal's output", syscall(SYS_read, near, buf, sizeof buf),
            write(far, "text\n", 5));
    REFUSED("typing", syscall(SYS_write, near, "typed\n", 6), (void)0);
    REFUSED("read of what was typed", syscall(SYS_read, far, buf, sizeof buf),
            write(near, "typed\n", 6));
    REFUSED_IN_CHILD("TIOCSCTTY", setsid(), syscall(SYS_ioctl, far, TIOCSCTTY, 0));
    REFUSED_IN_CHILD("open /dev/tty", (setsid(), ioctl(far, TIOCSCTTY, 0)),
                     syscall(SYS_openat, AT_FDCWD, "/dev/tty", O_RDWR));
    close(far);
    close(near);
}

int main(void)
{
    if (!mkdtemp(directory) || chdir(directory))
        return 1;
    names(true);
    if (mount("none", directory, "tmpfs", 0, NULL) || chdir(directory))
        return 1;
    names(false);
    attributes();
    reading();
    descriptors();
    watches();
    file_systems();
    read_reports();
    landlock();
    terminals();
    return tap_finish(&tap);
}
