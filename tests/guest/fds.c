// Descriptors: opening, duplicating, flags, locks, transfers of every kind, and their errors.
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define BAD ((void *)8)

static void opening(void)
{
    show_call("open missing", open("missing", O_RDONLY));
    show_call("open empty name", open("", O_RDONLY));
    show_call("open bad pointer", open(BAD, O_RDONLY));
    show_call("creat", open("a", O_CREAT | O_RDWR | O_EXCL, 0640));
    show_call("creat again", open("a", O_CREAT | O_RDWR | O_EXCL, 0640));
    show_call("open directory for writing", open(".", O_RDWR));
    show_call("open file as directory", open("a", O_RDONLY | O_DIRECTORY));
    show_call("open below a file", open("a/b", O_RDONLY));
    show_call("open with a slash", open("a/", O_RDONLY));
    show_call("create with a slash", open("new/", O_RDWR | O_CREAT, 0600));
    char name[300];
    memset(name, 'x', 299);
    name[299] = 0;
    show_call("open a long name", open(name, O_RDONLY));
    char *path = malloc(5000);
    memset(path, '/', 4999);
    path[4999] = 0;
    show_call("open a long path", open(path, O_RDONLY));
    path[4095] = 0;
    show_done("open 4095 slashes", open(path, O_RDONLY));
    free(path);
    symlink("loop", "loop");
    symlink("a", "link");
    show_call("open a loop", open("loop", O_RDONLY));
    show_call("open a link, no follow", open("link", O_RDONLY | O_NOFOLLOW));
    show_call("create through a dangling link", open("link", O_CREAT | O_EXCL | O_RDWR, 0600));
    show_call("O_TMPFILE read-only", open(".", O_TMPFILE | O_RDONLY, 0600));
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    struct stat st;
    show_done("O_TMPFILE", fd);
    SHOW("... links", "%d", fstat(fd, &st) ? -1 : (int)st.st_nlink);
    close(fd);
    show_call("openat bad fd", openat(77, "a", O_RDONLY));
    show_call("openat not a directory", openat(3, "b", O_RDONLY));
    show_done("openat absolute, bad fd", openat(77, "/", O_RDONLY));
    closefrom(3);
    SHOW("flags kept", "%x",
         fcntl(open("a", O_CREAT | O_TRUNC | O_NOCTTY | O_APPEND | O_RDWR | O_CLOEXEC | O_NONBLOCK,
                    0600),
               F_GETFL) &
             ~0400000 & ~0100000);
    closefrom(3);
}

static void opening2(void)
{
    struct open_how how = {.flags = O_RDONLY};
    char big[4200] = {0};
    show_done("openat2", syscall(SYS_openat2, AT_FDCWD, "a", &how, sizeof how));
    show_call("openat2 short", syscall(SYS_openat2, AT_FDCWD, "a", &how, 16));
    show_call("openat2 huge", syscall(SYS_openat2, AT_FDCWD, "a", big, sizeof big));
    show_done("openat2 longer, zero", syscall(SYS_openat2, AT_FDCWD, "a", big, 100));
    big[60] = 1;
    show_call("openat2 longer, not zero", syscall(SYS_openat2, AT_FDCWD, "a", big, 100));
    how.mode = 1;
    show_call("openat2 mode without create", syscall(SYS_openat2, AT_FDCWD, "a", &how, sizeof how));
    how = (struct open_how){.flags = 1ull << 40};
    show_call("openat2 unknown flag", syscall(SYS_openat2, AT_FDCWD, "a", &how, sizeof how));
    how = (struct open_how){.resolve = 1ull << 40};
    show_call("openat2 unknown resolve", syscall(SYS_openat2, AT_FDCWD, "a", &how, sizeof how));
    how = (struct open_how){.resolve = RESOLVE_BENEATH};
    show_call("beneath ..", syscall(SYS_openat2, AT_FDCWD, "../..", &how, sizeof how));
    show_call("beneath /", syscall(SYS_openat2, AT_FDCWD, "/dev", &how, sizeof how));
    how.resolve = RESOLVE_NO_SYMLINKS;
    show_call("no symlinks", syscall(SYS_openat2, AT_FDCWD, "link", &how, sizeof how));
    how.resolve = RESOLVE_NO_MAGICLINKS;
    show_call("no magic links", syscall(SYS_openat2, AT_FDCWD, "/proc/self/cwd", &how, sizeof how));
    how.resolve = RESOLVE_IN_ROOT;
    show_done("in root", syscall(SYS_openat2, AT_FDCWD, "/../../a", &how, sizeof how));
    how.resolve = RESOLVE_NO_XDEV;
    show_call("no xdev", syscall(SYS_openat2, AT_FDCWD, "/proc", &how, sizeof how));
    closefrom(3);
}

static void duplicating(void)
{
    int fd = open("a", O_RDWR);
    show_call("dup", dup(fd));
    show_call("dup bad", dup(99));
    show_call("dup2 itself", dup2(fd, fd));
    show_call("dup2 bad to itself", dup2(99, 99));
    show_call("dup3 itself", dup3(fd, fd, 0));
    show_call("dup3 bad flag", dup3(fd, 20, O_APPEND));
    show_call("dup3", dup3(fd, 20, O_CLOEXEC));
    show_call("... FD_CLOEXEC", fcntl(20, F_GETFD));
    show_call("dup2 negative", dup2(fd, -1));
    show_call("dup2 beyond the limit", dup2(fd, 1 << 21));
    show_call("F_DUPFD", fcntl(fd, F_DUPFD, 30));
    show_call("F_DUPFD_CLOEXEC", fcntl(fd, F_DUPFD_CLOEXEC, 30));
    show_call("F_DUPFD negative", fcntl(fd, F_DUPFD, -1));
    show_call("F_SETFD", fcntl(fd, F_SETFD, 0xff));
    show_call("F_GETFD", fcntl(fd, F_GETFD));
    show_call("FIONCLEX", ioctl(fd, FIONCLEX));
    show_call("F_GETFD", fcntl(fd, F_GETFD));
    show_call("fcntl bad command", fcntl(fd, 12345));
    show_call("fcntl bad fd", fcntl(99, F_GETFD));
    show_call("close", close(fd));
    show_call("close again", close(fd));
    show_call("close_range reversed", syscall(SYS_close_range, 9, 8, 0));
    show_call("close_range bad flag", syscall(SYS_close_range, 3, 4, 1));
    show_call("close_range", syscall(SYS_close_range, 3, ~0u, 0));
    show_call("... closed", fcntl(20, F_GETFD));
    struct rlimit small = {10, 10}, old;
    getrlimit(RLIMIT_NOFILE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_NOFILE, &small);
    while ((fd = open("a", O_RDONLY)) >= 0 && fd < 50)
        ;
    show_call("open at the limit", fd);
    show_call("create at the limit", open("not made", O_CREAT | O_RDWR, 0600));
    show_call("... made", access("not made", F_OK));
    show_call("F_DUPFD at the limit", fcntl(3, F_DUPFD, 10));
    setrlimit(RLIMIT_NOFILE, &old);
    closefrom(3);
}

static void flags(void)
{
    int fd = open("a", O_RDWR);
    show_call("F_SETFL", fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_RDONLY | O_CREAT));
    SHOW("F_GETFL", "%x", fcntl(fd, F_GETFL) & ~0400000 & ~0100000);
    int on = 1, off = 0;
    show_call("FIONBIO off", ioctl(fd, FIONBIO, &off));
    SHOW("F_GETFL", "%x", fcntl(fd, F_GETFL) & ~0400000 & ~0100000);
    show_call("FIONBIO on", ioctl(fd, FIONBIO, &on));
    show_call("FIONBIO bad pointer", ioctl(fd, FIONBIO, BAD));
    show_call("unknown ioctl", ioctl(fd, 0x1234, 0));
    show_call("ioctl bad fd", ioctl(99, FIONREAD, &on));
    close(fd);
    fd = open("a", O_PATH);
    SHOW("O_PATH flags", "%x", fcntl(fd, F_GETFL) & ~0400000);
    show_call("O_PATH F_SETFL", fcntl(fd, F_SETFL, 0));
    show_call("O_PATH read", read(fd, &on, 1));
    show_call("O_PATH ioctl", ioctl(fd, FIONREAD, &on));
    show_call("O_PATH fchmod", fchmod(fd, 0600));
    show_call("O_PATH lseek", lseek(fd, 0, SEEK_SET));
    show_call("O_PATH fsync", fsync(fd));
    show_call("O_PATH flock", flock(fd, LOCK_EX));
    show_done("O_PATH dup", dup(fd));
    struct stat st;
    show_call("O_PATH fstat", fstat(fd, &st));
    closefrom(3);
}

static void transfers(void)
{
    char buf[32] = {0};
    int fd = open("data", O_CREAT | O_RDWR | O_TRUNC, 0600), ro = open("data", O_RDONLY);
    int wo = open("data", O_WRONLY), dir = open(".", O_RDONLY);
    show_call("write", write(fd, "0123456789", 10));
    show_call("write nothing", write(fd, BAD, 0));
    show_call("write bad pointer", write(fd, BAD, 1));
    show_call("write read-only", write(ro, "x", 1));
    show_call("read write-only", read(wo, buf, 1));
    show_call("read directory", read(dir, buf, 1));
    show_call("read bad fd", read(99, buf, 1));
    show_call("read bad pointer", read(ro, BAD, 4));
    show_call("... position", lseek(ro, 0, SEEK_CUR));
    show_call("read huge", read(ro, buf, (size_t)-1));
    show_call("read at the end", read(fd, buf, 4));
    show_call("pread", pread(ro, buf, 4, 3));
    SHOW("... got", "%.4s", buf);
    show_call("pread beyond", pread(ro, buf, 4, 100));
    show_call("pread negative", pread(ro, buf, 4, -1));
    show_call("pwrite", pwrite(fd, "XY", 2, 4));
    show_call("lseek end", lseek(fd, -3, SEEK_END));
    show_call("lseek negative", lseek(fd, -3, SEEK_SET));
    show_call("lseek bad whence", lseek(fd, 0, 9));
    show_call("lseek data", lseek(fd, 0, SEEK_DATA));
    show_call("lseek data beyond", lseek(fd, 100, SEEK_DATA));
    show_call("lseek hole", lseek(fd, 0, SEEK_HOLE));
    struct iovec iov[3] = {{"ab", 2}, {NULL, 0}, {"cd", 2}};
    show_call("writev", writev(fd, iov, 3));
    show_call("writev none", writev(fd, iov, 0));
    show_call("writev too many", writev(fd, iov, 1025));
    show_call("writev bad vector", writev(fd, BAD, 1));
    iov[1] = (struct iovec){BAD, 4};
    show_call("writev bad in the middle", pwritev(fd, iov, 3, 0));
    iov[1] = (struct iovec){buf, (size_t)-1};
    show_call("writev negative length", writev(fd, iov, 3));
    iov[0] = (struct iovec){buf, 3};
    iov[1] = (struct iovec){buf + 10, 3};
    show_call("preadv", preadv(ro, iov, 2, 2));
    SHOW("... got", "%.3s %.3s", buf, buf + 10);
    show_call("preadv negative", preadv(ro, iov, 2, -1));
    show_call("preadv2 own position", preadv2(ro, iov, 1, -1, 0));
    show_call("preadv2 unknown flag", preadv2(ro, iov, 1, 0, 0x4000));
    show_call("pwritev2 sync", pwritev2(fd, iov, 1, 0, RWF_SYNC));
    show_call("fsync", fsync(fd));
    show_call("fdatasync directory", fdatasync(dir));
    show_call("fsync bad fd", fsync(99));
    int ap = open("data", O_WRONLY | O_APPEND);
    show_call("append", pwrite(ap, "END", 3, 0));
    show_call("... size", lseek(fd, 0, SEEK_END));
    closefrom(3);
}

static void sizes(void)
{
    struct stat st;
    int fd = open("size", O_CREAT | O_RDWR | O_TRUNC, 0600), ro = open("size", O_RDONLY);
    int p[2];
    pipe(p);
    show_call("ftruncate", ftruncate(fd, 10000));
    fstat(fd, &st);
    SHOW("... size", "%ld", (long)st.st_size);
    show_call("ftruncate negative", ftruncate(fd, -1));
    show_call("ftruncate read-only", ftruncate(ro, 1));
    show_call("ftruncate pipe", ftruncate(p[1], 1));
    show_call("truncate", truncate("size", 5));
    show_call("truncate directory", truncate(".", 5));
    show_call("truncate missing", truncate("missing", 5));
    show_call("fallocate", fallocate(fd, 0, 0, 9000));
    fstat(fd, &st);
    SHOW("... size", "%ld", (long)st.st_size);
    show_call("fallocate keep size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000));
    fstat(fd, &st);
    SHOW("... size", "%ld", (long)st.st_size);
    pwrite(fd, "abc", 3, 100);
    show_call("punch one byte", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 101, 1));
    char c[3];
    pread(fd, c, 3, 100);
    SHOW("... bytes", "%d %d %d", c[0], c[1], c[2]);
    show_call("punch without keep", fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1));
    show_call("fallocate no length", fallocate(fd, 0, 0, 0));
    show_call("fallocate negative", fallocate(fd, 0, -1, 1));
    show_call("fallocate read-only", fallocate(ro, 0, 0, 1));
    show_call("fallocate pipe", fallocate(p[1], 0, 0, 1));
    show_call("fallocate unknown", fallocate(fd, 0x4000, 0, 1));
    struct rlimit limit = {4096, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    show_call("write across the limit", pwrite(fd, "0123456789", 10, 4090));
    show_call("write beyond the limit", pwrite(fd, "x", 1, 4096));
    show_call("ftruncate beyond the limit", ftruncate(fd, 5000));
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    closefrom(3);
}

static int try_lock(int fd, int command, int type, long start, long len)
{
    struct flock fl = {.l_type = (short)type, .l_start = start, .l_len = len};
    return fcntl(fd, command, &fl);
}

static void show_conflict(const char *name, int fd, int type)
{
    struct flock fl = {.l_type = (short)type, .l_whence = SEEK_SET};
    int r = fcntl(fd, F_GETLK, &fl);
    SHOW(name, "%d type %d start %ld len %ld parent %d", r, fl.l_type, (long)fl.l_start,
         (long)fl.l_len, fl.l_type != F_UNLCK && fl.l_pid == getppid());
}

static void locks(void)
{
    int fd = open("lock", O_CREAT | O_RDWR, 0600), ro = open("lock", O_RDONLY);
    show_call("write lock", try_lock(fd, F_SETLK, F_WRLCK, 10, 10));
    show_call("write lock on a read-only fd", try_lock(ro, F_SETLK, F_WRLCK, 50, 1));
    show_call("bad type", try_lock(fd, F_SETLK, 9, 0, 0));
    show_call("negative start", try_lock(fd, F_SETLK, F_WRLCK, -1, 0));
    show_call("negative length", try_lock(fd, F_SETLK, F_WRLCK, 40, -5));
    show_call("too negative length", try_lock(fd, F_SETLK, F_WRLCK, 4, -5));
    show_call("bad pointer", fcntl(fd, F_SETLK, BAD));
    show_call("F_GETLK of F_UNLCK", try_lock(fd, F_GETLK, F_UNLCK, 0, 0));
    fflush(stdout);
    if (fork() == 0) {
        show_call("child: conflict", try_lock(fd, F_SETLK, F_RDLCK, 15, 1));
        show_call("child: beside", try_lock(fd, F_SETLK, F_WRLCK, 20, 5));
        show_conflict("child: who", fd, F_RDLCK);
        show_call("child: OFD conflict", try_lock(ro, F_OFD_SETLK, F_RDLCK, 0, 0));
        exit(0);
    }
    wait(NULL);
    show_call("unlock the middle", try_lock(fd, F_SETLK, F_UNLCK, 13, 2));
    fflush(stdout);
    if (fork() == 0) {
        show_conflict("child: first piece", fd, F_RDLCK);
        show_call("child: in the gap", try_lock(fd, F_SETLK, F_WRLCK, 13, 2));
        exit(0);
    }
    wait(NULL);
    close(ro);
    fflush(stdout);
    if (fork() == 0) {
        show_conflict("child: after a close", fd, F_RDLCK);
        exit(0);
    }
    wait(NULL);
    int other = open("lock", O_RDWR);
    show_call("flock", flock(fd, LOCK_EX));
    show_call("flock other", flock(other, LOCK_SH | LOCK_NB));
    show_call("flock again", flock(fd, LOCK_SH));
    show_call("flock shared", flock(other, LOCK_SH | LOCK_NB));
    show_call("flock bad", flock(fd, 99));
    show_call("flock bad fd", flock(99, LOCK_EX));
    close(fd);
    show_call("flock alone", flock(other, LOCK_EX | LOCK_NB));
    closefrom(3);
}

static void copies(void)
{
    int a = open("from", O_CREAT | O_RDWR | O_TRUNC, 0600);
    int b = open("to", O_CREAT | O_RDWR | O_TRUNC, 0600), p[2];
    write(a, "0123456789", 10);
    off_t at = 2;
    pipe(p);
    show_call("sendfile", sendfile(b, a, &at, 5));
    SHOW("... offset", "%ld", (long)at);
    show_call("... position", lseek(a, 0, SEEK_CUR));
    lseek(a, 0, SEEK_SET);
    show_call("sendfile own position", sendfile(b, a, NULL, 3));
    show_call("... position", lseek(a, 0, SEEK_CUR));
    show_call("sendfile to a pipe", sendfile(p[1], a, NULL, 100));
    show_call("sendfile from a pipe", sendfile(b, p[0], NULL, 1));
    show_call("sendfile bad fd", sendfile(99, a, NULL, 1));
    show_call("sendfile wrong way", sendfile(p[0], a, NULL, 1));
    at = -1;
    show_call("sendfile negative", sendfile(b, a, &at, 1));
    int ap = open("to", O_WRONLY | O_APPEND);
    show_call("sendfile to append", sendfile(ap, a, NULL, 1));
    show_call("splice from the pipe", splice(p[0], NULL, b, NULL, 4, 0));
    show_call("splice two files", splice(a, NULL, b, NULL, 4, 0));
    at = 0;
    show_call("splice pipe offset", splice(p[0], &at, b, NULL, 4, 0));
    show_call("splice unknown flag", splice(p[0], NULL, b, NULL, 4, 64));
    show_call("splice nothing", splice(p[0], NULL, b, NULL, 0, 0));
    at = 1;
    show_call("splice to the pipe", splice(a, &at, p[1], NULL, 3, 0));
    SHOW("... offset", "%ld", (long)at);
    int q[2];
    pipe2(q, O_NONBLOCK);
    show_call("tee", tee(p[0], q[1], 100, 0));
    show_call("tee itself", tee(p[0], p[1], 100, 0));
    show_call("tee a file", tee(a, q[1], 100, 0));
    char buf[32];
    show_call("... both have it", read(p[0], buf, 32) == read(q[0], buf, 32));
    show_call("splice empty, nonblocking", splice(q[0], NULL, b, NULL, 4, SPLICE_F_NONBLOCK));
    struct iovec iov = {"hello", 5};
    show_call("vmsplice", vmsplice(q[1], &iov, 1, 0));
    show_call("vmsplice a file", vmsplice(a, &iov, 1, 0));
    off_t from = 0, to = 0;
    show_call("copy_file_range", copy_file_range(a, &from, b, &to, 4, 0));
    SHOW("... offsets", "%ld %ld", (long)from, (long)to);
    show_call("copy_file_range flags", copy_file_range(a, &from, b, &to, 4, 1));
    from = 0, to = 2;
    show_call("copy_file_range overlap", copy_file_range(a, &from, a, &to, 4, 0));
    show_call("copy_file_range pipe", copy_file_range(p[0], NULL, b, NULL, 4, 0));
    show_call("copy_file_range append", copy_file_range(a, NULL, ap, NULL, 4, 0));
    show_call("fadvise", posix_fadvise(a, 0, 0, POSIX_FADV_WILLNEED));
    show_call("fadvise bad", posix_fadvise(a, 0, 0, 99));
    show_call("fadvise pipe", posix_fadvise(p[0], 0, 0, 0));
    show_call("readahead", readahead(a, 0, 10));
    show_call("readahead pipe", readahead(p[0], 0, 10));
    show_call("sync_file_range", sync_file_range(a, 0, 0, 7));
    show_call("sync_file_range bad", sync_file_range(a, 0, 0, 8));
    show_call("sync_file_range pipe", sync_file_range(p[0], 0, 0, 7));
    closefrom(3);
}

static void counters(void)
{
    uint64_t v = 0;
    int fd = eventfd(5, EFD_NONBLOCK);
    show_call("eventfd short read", read(fd, &v, 7));
    show_call("eventfd read", read(fd, &v, 8));
    SHOW("... value", "%lu", (unsigned long)v);
    show_call("eventfd empty", read(fd, &v, 8));
    v = UINT64_MAX - 1;
    show_call("eventfd fill", write(fd, &v, 8));
    v = 1;
    show_call("eventfd full", write(fd, &v, 8));
    v = UINT64_MAX;
    show_call("eventfd too much", write(fd, &v, 8));
    show_call("eventfd short write", write(fd, &v, 4));
    show_call("eventfd lseek", lseek(fd, 0, SEEK_SET));
    show_call("eventfd bad flag", eventfd(0, 2));
    int sem = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK);
    read(sem, &v, 8);
    SHOW("semaphore", "%lu", (unsigned long)v);
    struct stat st;
    show_call("eventfd fstat", fstat(fd, &st));
    SHOW("... mode", "%o", st.st_mode);
    closefrom(3);
}

static void memory_files(void)
{
    int fd = memfd_create("name", MFD_ALLOW_SEALING);
    char link[64] = {0}, path[64];
    show_done("memfd", fd);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    readlink(path, link, 63);
    SHOW("... link", "%s", link);
    struct stat st;
    fstat(fd, &st);
    SHOW("... mode", "%o links %d", st.st_mode, (int)st.st_nlink);
    SHOW("... flags", "%x", fcntl(fd, F_GETFL) & ~0400000 & ~0100000);
    show_call("memfd bad flag", memfd_create("x", 0x100));
    show_call("memfd bad name", memfd_create(BAD, 0));
    char longer[300];
    memset(longer, 'n', 299);
    longer[299] = 0;
    show_call("memfd long name", memfd_create(longer, 0));
    show_call("write", write(fd, "hello", 5));
    show_call("F_GET_SEALS", fcntl(fd, F_GET_SEALS));
    show_call("F_SEAL_SHRINK", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
    show_call("shrink", ftruncate(fd, 2));
    show_call("grow", ftruncate(fd, 8192));
    show_call("F_SEAL_GROW", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    show_call("grow", ftruncate(fd, 10000));
    show_call("write beyond", pwrite(fd, "x", 1, 9000));
    show_call("write within", pwrite(fd, "x", 1, 5));
    show_call("F_SEAL_WRITE", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    show_call("write", pwrite(fd, "x", 1, 5));
    show_call("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
    void *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    show_call("map for writing", m == MAP_FAILED ? -1 : 0);
    m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    show_call("map for reading", m == MAP_FAILED ? -1 : 0);
    SHOW("... text", "%.5s", m == MAP_FAILED ? "?" : (char *)m);
    show_call("F_SEAL_SEAL", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    show_call("another", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    show_call("F_GET_SEALS", fcntl(fd, F_GET_SEALS));
    int plain = memfd_create("plain", 0);
    show_call("not sealable", fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE));
    show_call("F_GET_SEALS", fcntl(plain, F_GET_SEALS));
    int again = open(path, O_RDONLY);
    show_done("open again", again);
    show_call("seal read-only", fcntl(again, F_ADD_SEALS, F_SEAL_GROW));
    int p[2];
    pipe(p);
    show_call("seals of a pipe", fcntl(p[0], F_GET_SEALS));
    closefrom(3);
}

static void body(void)
{
    closefrom(3);
    enter_work_dir();
    opening();
    opening2();
    duplicating();
    flags();
    transfers();
    sizes();
    locks();
    copies();
    counters();
    memory_files();
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
