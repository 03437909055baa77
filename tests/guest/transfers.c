// From one descriptor to another without the program in between: sendfile, splice, tee, vmsplice
// and copy_file_range with every pair of kinds, what each refuses and in which order, and that a
// byte which could not be delivered is not lost.
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define BAD  ((void *)8)
#define LAST ((off_t)INT64_MAX)

enum { PAGE = 4096, PIPE = 65536 };

static volatile sig_atomic_t broken, too_big;

static void on_signal(int sig)
{
    broken += sig == SIGPIPE;
    too_big += sig == SIGXFSZ;
}

static int file_with(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    lseek(fd, 0, SEEK_SET);
    return fd;
}

struct ends {
    int r, w;
};
static struct ends new_pipe(int flags)
{
    int fds[2];
    if (pipe2(fds, flags))
        abort();
    return (struct ends){fds[0], fds[1]};
}
static void put(struct ends p, const char *text)
{
    if (write(p.w, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
}
static void fill(struct ends p)
{
    static char page[PAGE];
    for (int i = 0; i < PIPE / PAGE; i++)
        if (write(p.w, page, PAGE) != PAGE)
            abort();
}

// What is in a pipe or a file now, without waiting.
static const char *contents(int fd)
{
    static char text[100];
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n < 0 ? 0 : n] = 0;
    fcntl(fd, F_SETFL, 0);
    return n < 0 ? strerrorname_np(errno) : text;
}
static const char *file_text(int fd)
{
    static char text[100];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = 0;
    return text;
}

// An offset the kernel may read and not write.
static off_t *read_only(off_t value)
{
    off_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *p = value;
    mprotect(p, PAGE, PROT_READ);
    return p;
}

// --- sendfile ------------------------------------------------------------------------------------

static void sending(void)
{
    int in = file_with("in", "0123456789"), out = file_with("out", ""), dir = open(".", O_RDONLY);
    int write_only = open("in", O_WRONLY), append = open("out", O_WRONLY | O_APPEND);
    struct ends p = new_pipe(0), full = new_pipe(O_NONBLOCK);
    off_t at = 0;
    put(p, "pipe");
    show_call("offset at 8, bad descriptors", sendfile(88, 99, BAD, 1));
    show_call("input", sendfile(out, 99, NULL, 1));
    show_call("output", sendfile(99, in, NULL, 1));
    show_call("write-only input", sendfile(out, write_only, NULL, 1));
    show_call("write-only input, offset", sendfile(out, write_only, &at, 1));
    show_call("read-only output", sendfile(dir, in, NULL, 1));
    show_call("pipe with an offset", sendfile(out, p.r, &at, 1));
    show_call("pipe", sendfile(out, p.r, NULL, 1));
    show_call("pipe to pipe", sendfile(full.w, p.r, NULL, 1));
    show_call("directory", sendfile(out, dir, NULL, 1));
    show_call("negative count", sendfile(out, in, NULL, (size_t)-1));
    at = LAST - 2;
    show_call("to the last byte there can be", sendfile(out, in, &at, 5));
    at = 100;
    show_call("behind the end", sendfile(out, in, &at, 5));
    at = 0;
    show_call("no bytes", sendfile(out, in, &at, 0));
    show_call("appending", sendfile(append, in, &at, 1));
    show_call("appending, no bytes", sendfile(append, in, &at, 0));
    show_call("offset that cannot be written", sendfile(out, in, read_only(2), 3));
    SHOW("... the bytes went", "%s", file_text(out));
    show_call("to a pipe", sendfile(full.w, in, &at, 4));
    SHOW("... offset", "%ld, %s", (long)at, contents(full.r));
    int zero = open("/dev/zero", O_RDONLY);
    show_call("device to a pipe", sendfile(full.w, zero, NULL, 100));
    SHOW("... bytes", "%zd", read(full.r, (char[200]){0}, 200));
    fcntl(full.r, F_SETFL, O_NONBLOCK);
    fill(full);
    show_call("to a full pipe", sendfile(full.w, in, NULL, 5));
    show_call("... position", lseek(in, 0, SEEK_CUR));
    close(full.r);
    show_call("to a pipe without reader", sendfile(full.w, in, NULL, 5));
    SHOW("... signals", "%d", (int)broken);
    int sv[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
    show_call("to a socket", sendfile(sv[0], in, NULL, 5));
    SHOW("... it says", "%s", contents(sv[1]));
    show_call("from a socket", sendfile(out, sv[1], NULL, 5));
    closefrom(3);
}

// --- splice --------------------------------------------------------------------------------------

static void splicing(void)
{
    int in = file_with("in", "0123456789"), out = file_with("out", ""), event = eventfd(0, 0);
    int write_only = open("in", O_WRONLY), append = open("out", O_WRONLY | O_APPEND);
    struct ends p = new_pipe(0), q = new_pipe(0);
    off_t at = 0, minus = -1;
    show_call("nothing, everything bad", splice(98, BAD, 99, BAD, 0, 64));
    show_call("flags", splice(98, BAD, 99, BAD, 1, 16));
    show_call("input", splice(98, BAD, p.w, BAD, 1, 0));
    show_call("output", splice(p.r, BAD, 99, BAD, 1, 0));
    show_call("pipe's offset, of the input", splice(p.r, BAD, out, BAD, 1, 0));
    show_call("pipe's offset, of the output", splice(in, BAD, p.w, BAD, 1, 0));
    show_call("offset at 8, of the input", splice(in, BAD, p.w, NULL, 1, 0));
    show_call("offset at 8, of the output", splice(p.r, NULL, out, BAD, 1, 0));
    show_call("offset at 8, wrong end", splice(p.w, NULL, out, BAD, 1, 0));
    show_call("wrong end in", splice(p.w, NULL, out, NULL, 1, 0));
    show_call("wrong end out", splice(in, NULL, p.r, NULL, 1, 0));
    show_call("write-only input", splice(write_only, NULL, p.w, NULL, 1, 0));
    show_call("read-only output", splice(p.r, NULL, open("in", O_RDONLY), NULL, 1, 0));
    show_call("two files", splice(in, NULL, out, NULL, 1, 0));
    show_call("both ends of one pipe", splice(p.r, NULL, p.w, NULL, 1, 0));
    show_call("negative offset of the input", splice(in, &minus, p.w, NULL, 1, 0));
    show_call("directory", splice(open(".", O_RDONLY), NULL, p.w, NULL, 1, 0));
    show_call("counter with an offset", splice(event, &at, p.w, NULL, 1, 0));
    put(p, "abcdef");
    show_call("negative offset of the output", splice(p.r, NULL, out, &minus, 1, 0));
    show_call("appending", splice(p.r, NULL, append, NULL, 1, 0));
    show_call("counter output with an offset", splice(p.r, NULL, event, &at, 6, 0));
    SHOW("nothing was lost", "%s", contents(p.r));

    at = 3;
    show_call("file to pipe", splice(in, &at, p.w, NULL, 4, 0));
    SHOW("... offset", "%ld, position %ld", (long)at, (long)lseek(in, 0, SEEK_CUR));
    show_call("file to pipe by position", splice(in, NULL, p.w, NULL, 2, 0));
    SHOW("... position", "%ld", (long)lseek(in, 0, SEEK_CUR));
    at = 10;
    show_call("end of the file", splice(in, &at, p.w, NULL, 4, 0));
    at = 5;
    show_call("pipe to file", splice(p.r, NULL, out, &at, 100, 0));
    SHOW("... offset", "%ld, position %ld", (long)at, (long)lseek(out, 0, SEEK_CUR));
    put(p, "xy");
    show_call("pipe to file by position", splice(p.r, NULL, out, NULL, 100, SPLICE_F_MORE));
    SHOW("... position", "%ld, %s", (long)lseek(out, 0, SEEK_CUR), file_text(out));
    put(p, "kept");
    show_call("pipe to a counter", splice(p.r, NULL, event, NULL, 9, 0));
    SHOW("... nothing was lost", "%s", contents(p.r));
    put(p, "offset");
    show_call("offset that cannot be written", splice(p.r, NULL, out, read_only(0), 3, 0));
    show_call("... of the input", splice(in, read_only(0), q.w, NULL, 3, 0));
    SHOW("... both went", "%.3s %s", file_text(out), contents(q.r));
    show_call("pipe to pipe", splice(p.r, NULL, q.w, NULL, 2, 0));
    SHOW("... in", "%s", contents(p.r));
    SHOW("... out", "%s", contents(q.r));
    show_call("empty, nonblocking", splice(p.r, NULL, out, NULL, 9, SPLICE_F_NONBLOCK));
    show_call("empty pipe to pipe", splice(p.r, NULL, q.w, NULL, 9, SPLICE_F_NONBLOCK));
    fcntl(p.r, F_SETFL, O_NONBLOCK);
    show_call("empty, O_NONBLOCK", splice(p.r, NULL, out, NULL, 9, 0));
    fill(q);
    put(p, "kept");
    show_call("full pipe", splice(p.r, NULL, q.w, NULL, 9, SPLICE_F_NONBLOCK));
    show_call("full pipe from a file", splice(in, NULL, q.w, NULL, 9, SPLICE_F_NONBLOCK));
    fcntl(q.w, F_SETFL, O_NONBLOCK);
    show_call("full pipe, O_NONBLOCK", splice(in, NULL, q.w, NULL, 9, 0));
    close(q.r);
    show_call("no reader", splice(p.r, NULL, q.w, NULL, 9, 0));
    show_call("no reader, from a file", splice(in, NULL, q.w, NULL, 9, 0));
    SHOW("... signals", "%d", (int)broken);
    SHOW("... nothing was lost", "%s", contents(p.r));
    close(p.w);
    struct ends r = new_pipe(0);
    show_call("no writer", splice(p.r, NULL, out, NULL, 9, 0));
    show_call("no writer, to a pipe", splice(p.r, NULL, r.w, NULL, 9, 0));
    uint64_t one = 1;
    write(event, &one, 8);
    show_call("counter to a pipe", splice(event, NULL, r.w, NULL, 8, 0));
    closefrom(3);
}

// Sockets and limits take a part; the rest stays in the pipe.
static void parts(void)
{
    static char page[PAGE];
    struct ends p = new_pipe(O_NONBLOCK);
    int sv[2], size = 4096;
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv);
    setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    long in = 0, out = 0, n;
    for (int i = 0; i < 64; i++) {
        memset(page, (int)(in / PAGE), PAGE);
        n = write(p.w, page, PAGE);
        in += n > 0 ? n : 0;
        do
            n = splice(p.r, NULL, sv[0], NULL, PIPE, SPLICE_F_NONBLOCK);
        while (n > 0);
        if (i < 60)
            continue;
        int bad = 0;
        while ((n = read(sv[1], page, PAGE)) > 0 || splice(p.r, NULL, sv[0], NULL, PIPE, 0) > 0) {
            for (long k = 0; k < n; k++)
                bad |= (unsigned char)page[k] != (out + k) / PAGE;
            out += n > 0 ? n : 0;
        }
        SHOW("all that went in came out", "%d, in order %d", in == out, !bad);
    }
    struct rlimit r = {10, RLIM_INFINITY};
    int f = file_with("limited", "");
    setrlimit(RLIMIT_FSIZE, &r);
    put(p, "0123456789abcdef");
    show_call("beyond the size limit", splice(p.r, NULL, f, NULL, 16, 0));
    SHOW("... the rest", "%s", contents(p.r));
    put(p, "rest");
    show_call("at the size limit", splice(p.r, NULL, f, NULL, 16, 0));
    SHOW("... signals", "%d", (int)too_big);
    SHOW("... nothing was lost", "%s", contents(p.r));
    int src = file_with("in", "0123456789");
    off_t from = 0, to = 7;
    show_call("copy over the limit", copy_file_range(src, &from, f, &to, 6, 0));
    to = 10;
    show_call("copy at the limit", copy_file_range(src, &from, f, &to, 6, 0));
    SHOW("... signals", "%d", (int)too_big);
    // A ring that has gone around takes bytes back too.
    struct ends ring = new_pipe(O_NONBLOCK);
    fcntl(ring.w, F_SETPIPE_SZ, PAGE);
    int same = 1;
    for (int i = 0; i < 40; i++) {
        char text[2000], got[2000];
        memset(text, 'a' + i % 26, sizeof text);
        same &= write(ring.w, text, sizeof text) == sizeof text;
        same &= splice(ring.r, NULL, f, &to, sizeof text, 0) < 0;
        same &= read(ring.r, got, 700) == 700 && !memcmp(got, text, 700);
        same &= splice(ring.r, NULL, f, &to, sizeof text, 0) < 0;
        same &= read(ring.r, got, 1300) == 1300 && !memcmp(got, text, 1300);
    }
    SHOW("bytes taken back in order", "%d", same);
    r.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &r);
    closefrom(3);
}

// --- tee, vmsplice -------------------------------------------------------------------------------

static void teeing(void)
{
    struct ends p = new_pipe(0), q = new_pipe(0);
    int file = file_with("in", "0123456789");
    show_call("nothing, everything bad", tee(98, 99, 0, 0));
    show_call("flags", tee(98, 99, 0, 16));
    show_call("input", tee(98, q.w, 1, 0));
    show_call("output", tee(p.r, 99, 1, 0));
    show_call("wrong ends", tee(p.w, q.r, 1, 0));
    show_call("wrong input", tee(p.w, q.w, 1, 0));
    show_call("file", tee(file, q.w, 1, 0));
    show_call("to a file", tee(p.r, file, 1, 0));
    show_call("one pipe", tee(p.r, p.w, 1, 0));
    show_call("empty", tee(p.r, q.w, 1, SPLICE_F_NONBLOCK));
    put(p, "abcdef");
    show_call("part", tee(p.r, q.w, 4, 0));
    show_call("all", tee(p.r, q.w, 1 << 20, 0));
    SHOW("twice", "%s", contents(q.r));
    SHOW("and there", "%s", contents(p.r));
    put(p, "kept");
    fill(q);
    show_call("full", tee(p.r, q.w, 9, SPLICE_F_NONBLOCK));
    fcntl(q.w, F_SETFL, O_NONBLOCK);
    show_call("full, O_NONBLOCK", tee(p.r, q.w, 9, 0));
    close(q.r);
    show_call("no reader", tee(p.r, q.w, 9, 0));
    SHOW("... signals", "%d", (int)broken);
    close(p.w);
    q = new_pipe(0);
    show_call("no writer, and bytes", tee(p.r, q.w, 9, 0));
    contents(p.r);
    show_call("no writer", tee(p.r, q.w, 9, 0));
    closefrom(3);
}

static void from_memory(void)
{
    struct ends p = new_pipe(0);
    int file = file_with("in", "0123456789");
    char a[4] = "abc", b[4] = "def";
    struct iovec iov[2] = {{a, 3}, {b, 3}}, bad[2] = {{a, 3}, {BAD, 3}}, huge = {a, (size_t)-1};
    show_call("flags", vmsplice(99, iov, 2, 16));
    show_call("descriptor", vmsplice(99, BAD, 2, 0));
    show_call("vector at 8", vmsplice(p.w, BAD, 1, 0));
    show_call("too many", vmsplice(p.w, iov, 1025, 0));
    show_call("negative length", vmsplice(p.w, &huge, 1, 0));
    show_call("vector at 8, a file", vmsplice(file, BAD, 1, 0));
    show_call("file", vmsplice(file, iov, 2, 0));
    show_call("file, nothing", vmsplice(file, iov, 0, 0));
    show_call("O_PATH", vmsplice(open(".", O_PATH), iov, 2, 0));
    show_call("nothing", vmsplice(p.w, NULL, 0, 0));
    show_call("two parts", vmsplice(p.w, iov, 2, 0));
    SHOW("... text", "%s", contents(p.r));
    show_call("bad memory", vmsplice(p.w, bad + 1, 1, 0));
    put(p, "uvwxyz");
    show_call("to memory", vmsplice(p.r, iov, 2, 0));
    SHOW("... text", "%s %s", a, b);
    show_call("empty", vmsplice(p.r, iov, 2, SPLICE_F_NONBLOCK));
    fcntl(p.r, F_SETFL, O_NONBLOCK);
    fill(p);
    show_call("full", vmsplice(p.w, iov, 2, SPLICE_F_NONBLOCK));
    close(p.r);
    show_call("no reader", vmsplice(p.w, iov, 2, 0));
    SHOW("... signals", "%d", (int)broken);
    closefrom(3);
}

// --- copy_file_range -----------------------------------------------------------------------------

static void copying(void)
{
    int in = file_with("in", "0123456789"), out = file_with("out", ""), dir = open(".", O_RDONLY);
    int write_only = open("in", O_WRONLY), append = open("out", O_WRONLY | O_APPEND);
    int read_fd = open("out", O_RDONLY), other = memfd_create("other", 0), event = eventfd(0, 0);
    struct ends p = new_pipe(0);
    off_t a = 0, b = 0;
    show_call("input", copy_file_range(98, BAD, out, BAD, 1, 1));
    show_call("output", copy_file_range(in, BAD, 99, BAD, 1, 1));
    show_call("offset in", copy_file_range(in, BAD, out, NULL, 1, 1));
    show_call("offset out", copy_file_range(in, NULL, out, BAD, 1, 1));
    show_call("flags", copy_file_range(dir, NULL, p.w, NULL, 1, 1));
    show_call("directory in", copy_file_range(dir, NULL, out, NULL, 1, 0));
    show_call("directory out", copy_file_range(in, NULL, dir, NULL, 1, 0));
    show_call("pipe in", copy_file_range(p.r, NULL, out, NULL, 1, 0));
    show_call("pipe out", copy_file_range(in, NULL, p.w, NULL, 1, 0));
    show_call("counter in", copy_file_range(event, NULL, out, NULL, 1, 0));
    show_call("counter out", copy_file_range(in, NULL, event, NULL, 1, 0));
    show_call("write-only in", copy_file_range(write_only, NULL, out, NULL, 1, 0));
    show_call("write-only directory's fellow", copy_file_range(write_only, NULL, dir, NULL, 1, 0));
    show_call("read-only out", copy_file_range(in, NULL, read_fd, NULL, 1, 0));
    show_call("appending", copy_file_range(in, NULL, append, NULL, 1, 0));
    show_call("another file system", copy_file_range(in, NULL, other, NULL, 1, 0));
    show_call("another file system, nothing", copy_file_range(in, NULL, other, NULL, 0, 0));
    show_call("nothing", copy_file_range(in, NULL, out, NULL, 0, 0));
    a = -1;
    show_call("negative in", copy_file_range(in, &a, out, NULL, 5, 0));
    show_call("negative out", copy_file_range(in, NULL, out, &a, 5, 0));
    a = -100;
    show_call("very negative in", copy_file_range(in, &a, out, NULL, 5, 0));
    a = LAST - 2;
    show_call("in to the last byte there can be", copy_file_range(in, &a, out, NULL, 5, 0));
    show_call("out to the last byte there can be", copy_file_range(in, NULL, out, &a, 5, 0));
    a = 10;
    show_call("at the end", copy_file_range(in, &a, out, NULL, 5, 0));
    a = 2, b = 4;
    show_call("both offsets", copy_file_range(in, &a, out, &b, 1 << 20, 0));
    SHOW("... offsets", "%ld %ld", (long)a, (long)b);
    show_call("... positions", lseek(in, 0, SEEK_CUR) + lseek(out, 0, SEEK_CUR));
    show_call("both positions", copy_file_range(in, NULL, out, NULL, 3, 0));
    SHOW("... positions", "%ld %ld, %s", (long)lseek(in, 0, SEEK_CUR),
         (long)lseek(out, 0, SEEK_CUR), file_text(out));
    a = 0, b = 5;
    show_call("within a file, overlapping", copy_file_range(in, &a, in, &b, 6, 0));
    a = 5, b = 0;
    show_call("... backwards", copy_file_range(in, &a, in, &b, 6, 0));
    a = 6, b = 10;
    show_call("... only behind the end", copy_file_range(in, &a, in, &b, 100, 0));
    SHOW("... text", "%s", file_text(in));
    show_call("offset in that cannot be written",
              copy_file_range(in, read_only(0), out, NULL, 2, 0));
    show_call("offset out that cannot be written",
              copy_file_range(in, NULL, out, read_only(0), 2, 0));
    closefrom(3);
}

static void body(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGPIPE, &sa, NULL);
    sigaction(SIGXFSZ, &sa, NULL);
    closefrom(3);
    enter_work_dir();
    sending();
    splicing();
    parts();
    teeing();
    from_memory();
    copying();
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
