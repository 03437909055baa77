// Scenarios of a host without memory: files of each file system.
#include "tests/memory/guest.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void in_place(const char *dir, void (*work)(void))
{
    DO(chdir(dir));
    work();
}

static void names(void)
{
    int fd = (int)DO(open("a", O_CREAT | O_RDWR, 0644));
    struct stat st;
    struct statfs fs;
    char buf[256];
    MUST(DO(write(fd, "hello", 5)));
    DO(fstat(fd, &st));
    DO(stat("a", &st));
    EXPECT(st.st_size == 5);
    DO(mkdir("d", 0755));
    if (link("a", "d/l") < 0) {
        judge("link", errno, 0, ENOMEM);
        DO(link("a", "d/l"));
    }
    DO(symlink("a", "s"));
    EXPECT(DO(readlink("s", buf, sizeof buf)) == 1);
    DO(rename("a", "b"));
    DO(access("b", R_OK));
    DO(chmod("b", 0600));
    DO(chown("b", 0, 0));
    DO(utimensat(AT_FDCWD, "b", NULL, 0));
    DO(truncate("b", 3));
    DO(statfs(".", &fs));
    DO_OR(EPERM, mknod("f", S_IFIFO | 0600, 0) < 0 && errno == EPERM ? 0 : 0);
    int dir = (int)DO(open("d", O_RDONLY | O_DIRECTORY));
    DO(syscall(SYS_getdents64, dir, buf, sizeof buf));
    DO(fchdir(dir));
    DO(getcwd(buf, sizeof buf));
    DO(chdir(".."));
    DO(linkat(AT_FDCWD, "b", dir, "e", 0));
    DO(unlinkat(dir, "e", 0));
    DO(unlink("d/l"));
    DO(close(dir));
    DO(rmdir("d"));
    DO(unlink("b"));
}

static void contents(void)
{
    static char block[20000];
    int fd = (int)DO(open("a", O_CREAT | O_RDWR | O_TRUNC, 0644));
    int to = (int)DO(open("b", O_CREAT | O_RDWR | O_TRUNC, 0644));
    struct iovec vec[3] = {{block, 100}, {block, 5000}, {block, 100}};
    EXPECT(DO(write(fd, block, sizeof block)) > 0);
    EXPECT(DO(pwritev(fd, vec, 3, 30000)) > 0);
    DO(preadv(fd, vec, 3, 0));
    DO(pread(fd, block, 1000, 31000));
    DO(ftruncate(fd, 50000));
    DO_OR(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
    DO(lseek(fd, 0, SEEK_SET));
    DO(sendfile(to, fd, NULL, 10000));
    off_t in = 0, out = 20000;
    DO(syscall(SYS_copy_file_range, fd, &in, to, &out, 5000, 0));
    DO(fsync(fd));
    int p[2];
    DO(pipe(p));
    in = 0;
    DO(splice(fd, &in, p[1], NULL, 4000, 0));
    out = 0;
    DO(splice(p[0], NULL, to, &out, 4000, 0));
    char *map = mmap(NULL, 50000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        judge("mmap", errno, 0, ENOMEM);
        map = (char *)DO(mmap(NULL, 50000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    }
    map[40000] = 'x';
    map[0] = 'y';
    DO(msync(map, 50000, MS_SYNC));
    char *copy = (char *)DO(mmap(NULL, 50000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    EXPECT(copy[0] == 'y' && copy[40000] == 'x');
    copy[4096] = 'z';
    EXPECT(map[4096] != 'z');
    DO(munmap(map, 50000));
    DO(munmap(copy, 50000));
    EXPECT(DO(pread(fd, block, 1, 40000)) == 1 && block[0] == 'x');
}

static void marks(void)
{
    char buf[256];
    int fd = (int)DO(open("a", O_CREAT | O_RDWR, 0644));
    if (setxattr("a", "user.x", "value", 5, 0) < 0 && errno != EOPNOTSUPP) {
        judge("setxattr", errno, 0, ENOMEM);
        DO(setxattr("a", "user.x", "value", 5, 0));
    }
    if (getxattr("a", "user.x", buf, sizeof buf) < 0 && errno != ENODATA && errno != EOPNOTSUPP)
        judge("getxattr", errno, 0, ENOMEM);
    DO(flistxattr(fd, buf, sizeof buf));
    int other = (int)DO(open("a", O_RDWR));
    struct flock lock = {.l_type = F_WRLCK, .l_start = 0, .l_len = 100};
    DO_OR(ENOLCK, fcntl(fd, F_SETLK, &lock));
    lock.l_start = 40, lock.l_len = 10, lock.l_type = F_UNLCK;
    DO_OR(ENOLCK, fcntl(fd, F_SETLK, &lock));
    lock = (struct flock){.l_type = F_RDLCK, .l_start = 200, .l_len = 100};
    DO_OR(ENOLCK, fcntl(other, F_OFD_SETLK, &lock));
    DO_OR(ENOLCK, flock(fd, LOCK_EX));
    DO_OR(ENOLCK, flock(fd, LOCK_UN));
    DO(fcntl(fd, F_GETLK, &lock));
    union {
        struct file_handle h;
        char room[sizeof(struct file_handle) + 128];
    } handle = {.h.handle_bytes = 128};
    int mount;
    if (name_to_handle_at(AT_FDCWD, "a", &handle.h, &mount, 0) < 0 && errno != EOPNOTSUPP &&
        errno != ENOMEM)
        wrong("name_to_handle_at", errno);
    int temp = open(".", O_TMPFILE | O_RDWR, 0600);
    if (temp < 0 && errno != EOPNOTSUPP && errno != EISDIR)
        judge("O_TMPFILE", errno, 0, ENOMEM);
    close(temp);
    struct statx sx;
    DO(statx(AT_FDCWD, "a", 0, STATX_ALL, &sx));
}

static void names_on_tmpfs(void)
{
    in_place("/dev/shm", names);
}
static void names_on_root(void)
{
    in_place("/tmp", names);
}
static void contents_on_tmpfs(void)
{
    in_place("/dev/shm", contents);
}
static void contents_on_root(void)
{
    in_place("/tmp", contents);
}
static void marks_on_tmpfs(void)
{
    in_place("/dev/shm", marks);
}
static void marks_on_root(void)
{
    in_place("/tmp", marks);
}

// --- Files of the kernel's -----------------------------------------------------------------------

static void read_all(const char *path)
{
    static char buf[8192];
    int fd = (int)DO(open(path, O_RDONLY));
    while (DO(read(fd, buf, sizeof buf)) > 0)
        ;
    DO(close(fd));
}

static void proc(void)
{
    static const char *const paths[] = {
        "self/status",     "self/stat",
        "self/statm",      "self/maps",
        "self/smaps",      "self/cmdline",
        "self/environ",    "self/mountinfo",
        "self/mounts",     "self/limits",
        "self/io",         "self/auxv",
        "self/comm",       "self/cgroup",
        "self/oom_score",  "self/fdinfo/0",
        "self/uid_map",    "stat",
        "meminfo",         "cpuinfo",
        "loadavg",         "uptime",
        "version",         "filesystems",
        "net/unix",        "net/tcp",
        "net/udp",         "net/dev",
        "sysvipc/shm",     "sysvipc/msg",
        "locks",           "devices",
        "vmstat",          "sys/kernel/hostname",
        "sys/fs/file-max", "self/timers",
        "self/wchan",
    };
    char path[64], buf[1024];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(path, sizeof path, "/proc/%s", paths[i]);
        if (access(path, F_OK) == 0)
            read_all(path);
    }
    static const char *const dirs[] = {"/proc",           "/proc/self/fd",        "/proc/self/task",
                                       "/proc/self/ns",   "/proc/self/map_files", "/proc/net",
                                       "/proc/sys/kernel"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        if (access(dirs[i], F_OK))
            continue;
        int fd = (int)DO(open(dirs[i], O_RDONLY | O_DIRECTORY));
        while (DO(syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0)
            ;
        DO(close(fd));
    }
    DO(readlink("/proc/self/exe", buf, sizeof buf));
    DO(readlink("/proc/self/cwd", buf, sizeof buf));
    DO(readlink("/proc/self/fd/1", buf, sizeof buf));
    DO(readlink("/proc/self/ns/uts", buf, sizeof buf));
    int fd = (int)DO(open("/proc/self/comm", O_WRONLY));
    DO(write(fd, "renamed", 7));
    int mem = (int)DO(open("/proc/self/mem", O_RDWR));
    DO(pread(mem, buf, 10, (off_t)(uintptr_t)path));
    DO(pwrite(mem, buf, 10, (off_t)(uintptr_t)buf));
    read_all("/sys/devices/system/cpu/online");
}

static void devices(void)
{
    char buf[100];
    static const char *const names_of[] = {"/dev/null", "/dev/zero", "/dev/urandom"};
    for (size_t i = 0; i < sizeof names_of / sizeof *names_of; i++) {
        int fd = (int)DO(open(names_of[i], O_RDWR));
        DO(read(fd, buf, sizeof buf));
        DO(write(fd, buf, sizeof buf));
        DO(close(fd));
    }
    int zero = (int)DO(open("/dev/zero", O_RDWR));
    char *p = (char *)DO(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0));
    p[5000] = 1;
    DO(munmap(p, 8192));
}

static void mounts(void)
{
    DO_OR(ENOSPC, unshare(CLONE_NEWNS));
    DO(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    DO(mount("one", "/tmp", "tmpfs", 0, "size=1m,mode=755"));
    DO(mkdir("/tmp/a", 0755));
    DO(mkdir("/tmp/b", 0755));
    DO(mount("/tmp/a", "/tmp/b", NULL, MS_BIND, NULL));
    DO(mount("none", "/tmp/b", NULL, MS_SHARED, NULL));
    DO(mount("/tmp/b", "/tmp/a", NULL, MS_BIND | MS_REC, NULL));
    DO(mkdir("/tmp/b/c", 0755));
    DO(mount("two", "/tmp/b/c", "tmpfs", 0, NULL)); // arrives in the other, too
    DO(mount(NULL, "/tmp/b/c", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    DO(mkdir("/tmp/p", 0755));
    DO(mount("proc", "/tmp/p", "proc", 0, NULL));
    int fd = (int)DO(syscall(SYS_open_tree, AT_FDCWD, "/tmp/b", 1 | AT_RECURSIVE));
    DO(mkdir("/tmp/d", 0755));
    DO(syscall(SYS_move_mount, fd, "", AT_FDCWD, "/tmp/d", 4));
    int fs = (int)DO(syscall(SYS_fsopen, "tmpfs", 0));
    DO(syscall(SYS_fsconfig, fs, 1, "size", "1m", 0));
    if (syscall(SYS_fsconfig, fs, 6, NULL, NULL, 0) < 0) { // which ends what was begun
        judge("fsconfig", errno, 0, ENOMEM);
        EXPECT(syscall(SYS_fsconfig, fs, 6, NULL, NULL, 0) < 0 && errno == EBUSY);
        return;
    }
    int made = (int)syscall(SYS_fsmount, fs, 0, 0);
    if (made < 0) { // which may have begun, too
        judge("fsmount", errno, 0, ENOMEM);
        made = (int)DO_OR(EBUSY, syscall(SYS_fsmount, fs, 0, 0) < 0 && errno != EBUSY ? -1 : fs);
        return;
    }
    DO(syscall(SYS_move_mount, made, "", AT_FDCWD, "/tmp/d", 4));
    read_all("/proc/self/mountinfo");
    DO(umount2("/tmp/d", MNT_DETACH));
    DO(umount2("/tmp/b/c", MNT_DETACH));
    DO(mkdir("/tmp/e", 0755));
    DO(mount("root", "/tmp/e", "tmpfs", 0, NULL));
    DO(mkdir("/tmp/e/old", 0755));
    DO(syscall(SYS_pivot_root, "/tmp/e", "/tmp/e/old"));
    DO(umount2("/old", MNT_DETACH));
}

const struct scenario file_scenarios[] = {
    {"names_on_tmpfs", names_on_tmpfs},
    {"names_on_root", names_on_root},
    {"contents_on_tmpfs", contents_on_tmpfs},
    {"contents_on_root", contents_on_root},
    {"marks_on_tmpfs", marks_on_tmpfs},
    {"marks_on_root", marks_on_root},
    {"proc", proc},
    {"devices", devices},
    {"mounts", mounts},
    {NULL, NULL},
};
