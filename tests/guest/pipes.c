// Pipes, fifos and counters: what a transfer returns when memory ends in the middle of it, when the
// other side goes, when a signal comes, and when there is no room; sizes, and the vectors and
// positions of read and write.
#include "asleep.h"
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define BAD         ((void *)8)
#define KERNEL_HALF ((void *)0xffff800000000000ul)
#define LAST        ((off_t)INT64_MAX)

enum { PAGE = 4096, PIPE = 65536 };

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
    (void)sig;
    signals++;
}
static void catch_signal(int sig, int flags)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};
    sigaction(sig, &sa, NULL);
}

// The end of two pages with nothing behind them.
static char *before_a_hole(void)
{
    char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + 2 * PAGE, PAGE);
    return p + 2 * PAGE;
}

static int waiting(int fd)
{
    int n = -1;
    return ioctl(fd, FIONREAD, &n) ? -1 : n;
}

// --- A thread in a call --------------------------------------------------------------------------

struct call {
    pthread_t thread;
    atomic_int tid;
    int fd;
    char *buf;
    size_t size;
    int writes;
    ssize_t result;
    int error;
};

static void *do_call(void *arg)
{
    struct call *c = arg;
    c->tid = (int)syscall(SYS_gettid);
    c->result = c->writes ? write(c->fd, c->buf, c->size) : read(c->fd, c->buf, c->size);
    c->error = errno;
    return NULL;
}

static void start(struct call *c, int fd, void *buf, size_t size, int writes)
{
    *c = (struct call){.fd = fd, .buf = buf, .size = size, .writes = writes};
    pthread_create(&c->thread, NULL, do_call, c);
    while (!c->tid)
        sched_yield();
    task_until_asleep(c->tid);
}
static void finish(const char *name, struct call *c)
{
    pthread_join(c->thread, NULL);
    errno = c->error;
    show_call(name, c->result);
}

// --- Making and sizing ---------------------------------------------------------------------------

static void making(void)
{
    int p[2] = {-7, -7}, file = open("file", O_CREAT | O_RDWR, 0600);
    show_call("flags", syscall(SYS_pipe2, p, O_APPEND));
    show_call("at 8", syscall(SYS_pipe2, BAD, 0));
    show_call("at NULL", syscall(SYS_pipe2, NULL, O_CLOEXEC));
    SHOW("no descriptor is left", "%d", open("/", O_RDONLY));
    struct rlimit old, tight;
    getrlimit(RLIMIT_NOFILE, &old);
    tight = old;
    tight.rlim_cur = 6;
    closefrom(5);
    setrlimit(RLIMIT_NOFILE, &tight);
    show_call("one descriptor too few", pipe(p));
    SHOW("... the other is free", "%d", dup(file));
    show_call("none", pipe(p));
    setrlimit(RLIMIT_NOFILE, &old);
    SHOW("nothing was stored", "%d %d", p[0], p[1]);
    pipe2(p, O_CLOEXEC | O_NONBLOCK);
    SHOW("flags of both", "%x %x %d %d", fcntl(p[0], F_GETFL), fcntl(p[1], F_GETFL),
         fcntl(p[0], F_GETFD), fcntl(p[1], F_GETFD));
    show_call("size", fcntl(p[0], F_GETPIPE_SZ));
    show_call("size of a file", fcntl(file, F_GETPIPE_SZ));
    show_call("size a file", fcntl(file, F_SETPIPE_SZ, PAGE));
    show_call("size 0", fcntl(p[0], F_SETPIPE_SZ, 0));
    show_call("size -1", fcntl(p[0], F_SETPIPE_SZ, -1));
    show_call("size 5000", fcntl(p[0], F_SETPIPE_SZ, 5000));
    show_call("... is", fcntl(p[1], F_GETPIPE_SZ));
    static char page[PAGE];
    write(p[1], page, PAGE), write(p[1], page, PAGE);
    show_call("... full", write(p[1], page, PAGE));
    show_call("smaller than its contents", fcntl(p[0], F_SETPIPE_SZ, PAGE));
    show_call("larger", fcntl(p[0], F_SETPIPE_SZ, 1 << 20));
    show_call("... has room", write(p[1], page, PAGE));
    show_call("unread bytes", waiting(p[0]));
    show_call("... at 8", ioctl(p[0], FIONREAD, BAD));
    show_call("unknown request", ioctl(p[0], 0x5401, page));
    IN_CHILD("as a user", {
        setuid(1234);
        show_call("the most a user may have", fcntl(p[0], F_SETPIPE_SZ, 1 << 20));
        show_call("more than that", fcntl(p[0], F_SETPIPE_SZ, (1 << 20) + 1));
    });
    show_call("seek", lseek(p[0], 0, SEEK_SET));
    show_call("truncate", ftruncate(p[1], 0));
    show_call("chmod", fchmod(p[0], 0640));
    show_call("chown", fchown(p[0], 12, 13));
    struct timespec times[2] = {{5, 0}, {6, 0}};
    show_call("utimens", futimens(p[0], times));
    struct stat st;
    fstat(p[1], &st);
    SHOW("... the other end shows it", "%o %d %d %ld %ld", st.st_mode, (int)st.st_uid,
         (int)st.st_gid, (long)st.st_atime, (long)st.st_mtime);
    closefrom(3);
}

// --- Bad memory, ends that go --------------------------------------------------------------------

static void bad_memory(void)
{
    int p[2];
    char *end = before_a_hole(), text[100];
    memset(end - 2 * PAGE, 'm', 2 * PAGE);
    pipe2(p, O_NONBLOCK);
    show_call("small write", write(p[1], BAD, 10));
    show_call("small write across", write(p[1], end - 5, 10));
    show_call("... left nothing", waiting(p[0]));
    show_call("large write", write(p[1], BAD, 3 * PAGE));
    show_call("large write across, a page first", write(p[1], end - PAGE - 50, 3 * PAGE));
    show_call("... left", waiting(p[0]));
    show_call("large write across, less than a page", write(p[1], end - 50, 3 * PAGE));
    while (read(p[0], text, sizeof text) > 0)
        ;
    struct iovec w[3] = {{end - 3, 3}, {BAD, 5000}, {end - 2, 2}};
    show_call("vector", writev(p[1], w, 3));
    show_call("... left", waiting(p[0]));
    while (read(p[0], text, sizeof text) > 0)
        ;
    write(p[1], "0123456789", 10);
    show_call("read", read(p[0], BAD, 5));
    show_call("... left", waiting(p[0]));
    show_call("read across", read(p[0], end - 5, 10));
    show_call("... left", waiting(p[0]));
    show_call("read of nothing to nowhere", read(p[0], BAD, 0));
    show_call("write of nothing from nowhere", write(p[1], BAD, 0));
    show_call("read to the kernel", read(p[0], KERNEL_HALF, 5));
    show_call("... left", waiting(p[0]));
    closefrom(3);
    catch_signal(SIGPIPE, 0);
    pipe2(p, O_NONBLOCK);
    close(p[0]);
    show_call("no reader", write(p[1], "x", 1));
    show_call("no reader, bad memory", write(p[1], BAD, 1));
    show_call("no reader, large", write(p[1], end - 2 * PAGE, 2 * PAGE));
    show_call("no reader, nothing", write(p[1], "", 0));
    SHOW("signals", "%d", (int)signals);
    struct pollfd f = {p[1], POLLIN | POLLOUT, 0};
    poll(&f, 1, 0);
    SHOW("poll", "%x", f.revents);
    closefrom(3);
}

static void waiting_sides(void)
{
    static char big[3 * PIPE], back[3 * PIPE];
    struct call c;
    int p[2], ok = 1;
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7 + i / 251);
    catch_signal(SIGUSR1, 0);
    catch_signal(SIGPIPE, 0);
    signals = 0;
    pipe(p);
    start(&c, p[1], big, sizeof big, 1);
    show_call("a large write fills it", waiting(p[0]));
    for (size_t at = 0; at < sizeof big;) {
        ssize_t n = read(p[0], back + at, 5000);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    finish("... and goes on", &c);
    ok = !memcmp(big, back, sizeof big);
    SHOW("... in order", "%d", ok);
    start(&c, p[1], big, sizeof big, 1);
    pthread_kill(c.thread, SIGUSR1);
    finish("a signal after a part", &c);
    start(&c, p[1], big, 100, 1);
    pthread_kill(c.thread, SIGUSR1);
    finish("a signal before any", &c);
    start(&c, p[1], big, sizeof big, 1);
    close(p[0]);
    finish("the reader goes", &c);
    SHOW("signals", "%d", (int)signals);
    closefrom(3);
    pipe(p);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    show_call("a large write that may not wait", write(p[1], big, sizeof big));
    show_call("... again", write(p[1], big, sizeof big));
    fcntl(p[1], F_SETFL, 0);
    start(&c, p[1], big, PAGE + 1, 1);
    close(p[0]);
    finish("the reader goes before any", &c);
    closefrom(3);
    pipe(p);
    start(&c, p[0], back, 100, 0);
    pthread_kill(c.thread, SIGUSR1);
    finish("a reader's signal", &c);
    start(&c, p[0], back, 100, 0);
    write(p[1], "abc", 3);
    finish("a reader's bytes", &c);
    start(&c, p[0], back, 100, 0);
    close(p[1]);
    finish("the writer goes", &c);
    closefrom(3);
    pipe(p);
    fcntl(p[1], F_SETPIPE_SZ, PAGE);
    write(p[1], big, PAGE);
    start(&c, p[1], big, PAGE, 1);
    show_call("larger for a waiting writer", fcntl(p[0], F_SETPIPE_SZ, 2 * PAGE));
    finish("... which goes on", &c);
    closefrom(3);
}

// --- Fifos ---------------------------------------------------------------------------------------

static void *open_it(void *arg)
{
    struct call *c = arg;
    c->tid = (int)syscall(SYS_gettid);
    c->result = open("fifo", c->writes ? O_WRONLY : O_RDONLY);
    c->error = errno;
    return NULL;
}

static void fifos(void)
{
    mkfifo("fifo", 0600);
    show_call("write, nobody reads", open("fifo", O_WRONLY | O_NONBLOCK));
    int both = open("fifo", O_RDWR), w = open("fifo", O_WRONLY | O_NONBLOCK);
    show_done("both", both);
    show_done("write then", w);
    write(w, "kept", 4);
    close(w);
    int r = open("fifo", O_RDONLY);
    SHOW("bytes wait for a reader", "%d", waiting(r));
    close(r), close(both);
    r = open("fifo", O_RDONLY | O_NONBLOCK);
    SHOW("nobody has it: they are gone", "%d", waiting(r));
    struct pollfd f = {r, POLLIN, 0};
    poll(&f, 1, 0);
    SHOW("no writer yet", "%x", f.revents);
    char c1;
    show_call("... end of file", read(r, &c1, 1));
    w = open("fifo", O_WRONLY);
    poll(&f, 1, 0);
    SHOW("a writer", "%x", f.revents);
    show_call("... not yet", read(r, &c1, 1));
    close(w);
    poll(&f, 1, 0);
    SHOW("it went", "%x", f.revents);
    close(r);
    catch_signal(SIGUSR1, 0);
    for (int writes = 0; writes < 2; writes++) {
        struct call c = {.writes = writes};
        pthread_create(&c.thread, NULL, open_it, &c);
        while (!c.tid)
            sched_yield();
        task_until_asleep(c.tid);
        pthread_kill(c.thread, SIGUSR1);
        finish(writes ? "a signal to one who waits for a reader" : "... for a writer", &c);
        SHOW("... has left no trace", "%d",
             writes ? read(open("fifo", O_RDONLY | O_NONBLOCK), &c1, 1) == 0
                    : open("fifo", O_WRONLY | O_NONBLOCK) < 0);
        closefrom(3);
        c = (struct call){.writes = writes};
        pthread_create(&c.thread, NULL, open_it, &c);
        int other = open("fifo", writes ? O_RDONLY : O_WRONLY);
        close(other);
        pthread_join(c.thread, NULL);
        SHOW("a partner for a moment", "%d", c.result >= 0);
        closefrom(3);
    }
}

// --- Counters ------------------------------------------------------------------------------------

static void counters(void)
{
    uint64_t v = 0;
    struct call c;
    char *end = before_a_hole(), line[256];
    catch_signal(SIGUSR1, 0);
    int fd = eventfd(0, EFD_CLOEXEC);
    SHOW("close on exec", "%d", fcntl(fd, F_GETFD));
    start(&c, fd, &v, 8, 0);
    pthread_kill(c.thread, SIGUSR1);
    finish("a reader's signal", &c);
    start(&c, fd, &v, 8, 0);
    show_call("adding nothing wakes nobody", write(fd, &(uint64_t){0}, 8));
    write(fd, &(uint64_t){7}, 8);
    finish("a reader's count", &c);
    SHOW("... is", "%lu", (unsigned long)v);
    struct pollfd f = {fd, POLLIN | POLLOUT, 0};
    poll(&f, 1, 0);
    SHOW("empty", "%x", f.revents);
    write(fd, &(uint64_t){UINT64_MAX - 1}, 8);
    poll(&f, 1, 0);
    SHOW("full", "%x", f.revents);
    v = 5;
    start(&c, fd, &v, 8, 1);
    pthread_kill(c.thread, SIGUSR1);
    finish("a writer's signal", &c);
    start(&c, fd, &v, 8, 1);
    uint64_t got;
    read(fd, &got, 8);
    finish("a writer's room", &c);
    show_call("into a hole", read(fd, end - 4, 8));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    show_call("... the count", read(fd, &got, 8));
    show_call("from a hole", write(fd, end - 4, 8));
    show_call("from 8", write(fd, BAD, 8));
    show_call("seven bytes", write(fd, &v, 7));
    write(fd, &(uint64_t){3}, 8);
    struct iovec parts[2] = {{&got, 4}, {(char *)&got + 4, 4}};
    show_call("in parts", readv(fd, parts, 2));
    SHOW("... is", "%lu", (unsigned long)got);
    show_call("pread", pread(fd, &got, 8, 0));
    show_call("pwrite", pwrite(fd, &got, 8, 0));
    int sem = eventfd(0x12345, EFD_SEMAPHORE);
    snprintf(line, sizeof line, "/proc/self/fdinfo/%d", sem);
    FILE *info = fopen(line, "r");
    while (fgets(line, sizeof line, info))
        if (!strncmp(line, "eventfd-count", 13))
            printf("fdinfo %s", line);
    fclose(info);
    for (int i = 0; i < 2; i++)
        show_call("one of a semaphore", read(sem, &got, 8));
    SHOW("... is", "%lu", (unsigned long)got);
    closefrom(3);
}

// --- Vectors and positions -----------------------------------------------------------------------

static void positions(void)
{
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600), wo = open("file", O_WRONLY), p[2];
    int ro = open("file", O_RDONLY), dir = open(".", O_RDONLY), path = open("file", O_PATH);
    char buf[64] = {0}, *end = before_a_hole();
    struct iovec iov[3] = {{buf, 4}, {NULL, 0}, {buf + 4, 4}}, bad = {BAD, 4}, neg = {buf, -1ul};
    static char low[8]; // far from the end of the address space, unlike the stack
    struct iovec half[2] = {{low, 0x7ffffff0}, {low, 0x7ffffff0}};
    pipe(p);
    write(fd, "0123456789", 10);
    show_call("count of the kernel's", read(fd, buf, (size_t)-1));
    show_call("... written", write(fd, buf, (size_t)-1));
    show_call("... write-only", read(wo, buf, (size_t)-1));
    show_call("... read-only", write(ro, buf, (size_t)-1));
    show_call("O_PATH", read(path, buf, 1));
    show_call("O_PATH written", write(path, buf, 1));
    show_call("directory", read(dir, buf, 1));
    show_call("pread: negative, bad descriptor", pread(99, buf, 1, -1));
    show_call("pread: bad descriptor", pread(99, buf, 1, 0));
    show_call("pread: pipe", pread(p[0], buf, 1, 0));
    show_call("pread: write-only", pread(wo, buf, 1, 0));
    show_call("pread: directory", pread(dir, buf, 1, 0));
    show_call("pread: at the last byte there can be", pread(fd, buf, 5, LAST));
    show_call("pwrite: beyond", pwrite(fd, buf, 5, LAST));
    show_call("pwrite: negative", pwrite(fd, buf, 5, -1));
    show_call("pwrite: pipe", pwrite(p[1], buf, 1, 0));
    show_call("pwrite: read-only", pwrite(ro, buf, 1, 0));
    show_call("readv", (lseek(fd, 0, SEEK_SET), readv(fd, iov, 3)));
    SHOW("... text", "%s", buf);
    show_call("readv: bad descriptor, bad vector", readv(99, BAD, 1));
    show_call("readv: write-only, bad vector", readv(wo, BAD, 1));
    show_call("readv: bad vector", readv(fd, BAD, 1));
    show_call("readv: too many", readv(fd, iov, 1025));
    show_call("readv: -1", readv(fd, iov, -1));
    show_call("readv: none", readv(fd, BAD, 0));
    show_call("readv: negative part", readv(fd, &neg, 1));
    show_call("readv: bad part", readv(fd, &bad, 1));
    show_call("writev: too much in all", writev(open("/dev/null", O_WRONLY), half, 2));
    show_call("writev: bad part", writev(fd, &bad, 1));
    show_call("writev: read-only", writev(ro, iov, 3));
    show_call("vector across a hole", readv(fd, (struct iovec *)(end - 24), 2));
    show_call("preadv", preadv(fd, iov, 3, 2));
    show_call("preadv: negative", preadv(fd, iov, 3, -1));
    show_call("preadv: pipe", preadv(p[0], iov, 3, 0));
    show_call("pwritev", pwritev(fd, iov, 3, 2));
    show_call("pwritev: negative", pwritev(fd, iov, 3, -5));
    show_call("pwritev: pipe", pwritev(p[1], iov, 3, 0));
    show_call("preadv2: own position", preadv2(fd, iov, 3, -1, 0));
    show_call("preadv2: negative", preadv2(fd, iov, 3, -2, 0));
    show_call("preadv2: unknown flag", preadv2(fd, iov, 3, 0, 0x40000000));
    show_call("preadv2: unknown flag, bad descriptor", preadv2(99, iov, 3, 0, 0x40000000));
    show_call("preadv2: write-only", preadv2(wo, iov, 3, 0, 0));
    show_call("preadv2: pipe with a position", preadv2(p[0], iov, 3, 0, 0));
    show_call("pwritev2: synchronous", pwritev2(fd, iov, 3, 0, RWF_SYNC));
    show_call("pwritev2: of data", pwritev2(fd, iov, 3, 0, RWF_DSYNC));
    show_call("pwritev2: to a pipe", pwritev2(p[1], iov, 3, -1, RWF_SYNC));
    show_call("pwritev2: bad vector", pwritev2(fd, BAD, 3, 0, RWF_DSYNC));
    show_call("lseek: whence", lseek(fd, 0, 9));
    show_call("lseek: whence -1", lseek(fd, 0, -1));
    show_call("lseek: bad descriptor", lseek(99, 0, 9));
    show_call("lseek: before the start", lseek(fd, -1, SEEK_SET));
    show_call("lseek: O_PATH", lseek(path, 0, SEEK_SET));
    closefrom(3);
}

static void getting_to_disk(void)
{
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600), dir = open(".", O_RDONLY), p[2];
    int path = open("file", O_PATH), event = eventfd(0, 0), wo = open("file", O_WRONLY), sv[2];
    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
    static const char *const names[] = {"file",    "directory", "pipe",  "O_PATH",
                                        "counter", "nothing",   "socket"};
    int fds[] = {fd, dir, p[0], path, event, 99, sv[0]};
    for (int i = 0; i < 7; i++) {
        SHOW(names[i], "%s", "asked");
        show_call("... fsync", fsync(fds[i]));
        show_call("... fdatasync", fdatasync(fds[i]));
        show_call("... syncfs", syncfs(fds[i]));
        show_call("... sync_file_range", sync_file_range(fds[i], 0, 0, SYNC_FILE_RANGE_WRITE));
        show_call("... fadvise", posix_fadvise(fds[i], 0, 0, POSIX_FADV_NORMAL));
        show_call("... readahead", readahead(fds[i], 0, 100));
        show_call("... FIONREAD", i == 6 ? 0 : waiting(fds[i]));
    }
    show_call("range: nothing to do", sync_file_range(fd, 0, 10, 0));
    show_call("range: negative offset", sync_file_range(fd, -1, 10, 1));
    show_call("range: negative length", sync_file_range(fd, 1, -10, 1));
    show_call("range: end beyond all", sync_file_range(fd, LAST, 10, 1));
    show_call("range: bad flag, bad descriptor", sync_file_range(99, 0, 0, 8));
    show_call("advice 6", posix_fadvise(fd, 0, 0, 6));
    show_call("advice -1", posix_fadvise(fd, 0, 0, -1));
    show_call("advice: negative length", posix_fadvise(fd, 0, -1, 0));
    show_call("readahead: write-only", readahead(wo, 0, 100));
    closefrom(3);
}

static void body(void)
{
    closefrom(3);
    enter_work_dir();
    making();
    bad_memory();
    waiting_sides();
    fifos();
    counters();
    positions();
    getting_to_disk();
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
