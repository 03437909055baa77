// Flags of single transfers and of pipes: packets (pipe2 with O_DIRECT), preadv2 and pwritev2 with
// RWF_*, rw_flags and IOCB_CMD_POLL of io_submit.
#include "probe.h"
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#endif
#ifndef F_SETPIPE_SZ
#define F_SETPIPE_SZ 1031
#endif

// --- Packets -------------------------------------------------------------------------------------

static int readable_bytes(int fd)
{
    int n = -1;
    ioctl(fd, FIONREAD, &n);
    return n;
}

static void packets(void)
{
    static char big[20000];
    char buf[8192];
    int p[2];
    show_call("pipe2 O_DIRECT", pipe2(p, O_DIRECT | O_NONBLOCK));
    SHOW("flags", "%d %d", !!(fcntl(p[0], F_GETFL) & O_DIRECT),
         !!(fcntl(p[1], F_GETFL) & O_DIRECT));
    write(p[1], "one", 3);
    write(p[1], "three", 5);
    SHOW("bytes", "%d", readable_bytes(p[0]));
    show_call("first", read(p[0], buf, sizeof buf));
    show_call("part of the second", read(p[0], buf, 2));
    show_call("the rest is gone", read(p[0], buf, sizeof buf));
    show_call("long write", write(p[1], big, 10000));
    for (int i = 0; i < 4; i++)
        show_call("a piece", read(p[0], buf, sizeof buf));
    int n = 0;
    while (write(p[1], "x", 1) == 1)
        n++;
    SHOW("packets of a byte", "%d", n);
    struct pollfd fd = {p[1], POLLOUT, 0};
    SHOW("full", "%d", poll(&fd, 1, 0));
    show_call("one taken", read(p[0], buf, 1));
    SHOW("room", "%d", poll(&fd, 1, 0));
    show_call("one more", write(p[1], big, 100));
    show_call("and no more", write(p[1], "x", 1));
    while (read(p[0], buf, sizeof buf) > 0)
        ;
    show_call("to stream", fcntl(p[1], F_SETFL, O_NONBLOCK));
    write(p[1], "ab", 2);
    fcntl(p[1], F_SETFL, O_NONBLOCK | O_DIRECT);
    write(p[1], "cd", 2);
    write(p[1], "ef", 2);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    write(p[1], "gh", 2);
    write(p[1], "ij", 2);
    show_call("stream, then a packet", read(p[0], buf, sizeof buf));
    show_call("a packet", read(p[0], buf, sizeof buf));
    show_call("the stream", read(p[0], buf, sizeof buf));
    fcntl(p[1], F_SETFL, O_NONBLOCK | O_DIRECT);
    write(p[1], "abc", 3);
    show_call("bad memory", read(p[0], (void *)4096, 3));
    show_call("it is still there", read(p[0], buf, sizeof buf));
    struct iovec v[2] = {{buf, 1}, {buf + 100, 1}};
    write(p[1], "abc", 3);
    write(p[1], "def", 3);
    show_call("readv", readv(p[0], v, 2));
    show_call("next", read(p[0], buf, 10));
    v[0] = (struct iovec){"ab", 2};
    v[1] = (struct iovec){"cd", 2};
    show_call("writev", writev(p[1], v, 2));
    show_call("is one packet", read(p[0], buf, 10));
    fcntl(p[1], F_SETPIPE_SZ, 4096);
    show_call("pipe of one page", write(p[1], big, 4096));
    show_call("full page", write(p[1], "x", 1));
    show_call("EAGAIN in the middle", fcntl(p[1], F_SETPIPE_SZ, 8192));
    show_call("long", write(p[1], big, 12000));
    close(p[1]);
    show_call("rest", read(p[0], buf, sizeof buf));
    show_call("rest 2", read(p[0], buf, sizeof buf));
    show_call("end", read(p[0], buf, sizeof buf));
    show_call("pipe2 bad flag", pipe2(p, O_APPEND));
}

static void count_packets(int fd)
{
    static char buf[5000];
    int n = 0;
    long got;
    while ((got = read(fd, buf, sizeof buf)) > 0)
        n++;
    SHOW("packets read", "%d", n);
}

static void blocking(void)
{
    static char big[100000];
    int p[2];
    pipe2(p, O_DIRECT);
    pid_t child = fork();
    if (child == 0) {
        close(p[0]);
        _exit(write(p[1], big, sizeof big) == sizeof big ? 0 : 1);
    }
    close(p[1]);
    count_packets(p[0]);
    show_end("writer of more than fits", child);
}

// --- preadv2, pwritev2 ---------------------------------------------------------------------------

static void ask(const char *name, int fd, int flags)
{
    char label[80], c = 'x';
    struct iovec v = {&c, 1};
    snprintf(label, sizeof label, "%s pwritev2 %#x", name, flags);
    show_call(label, pwritev2(fd, &v, 1, -1, flags));
    snprintf(label, sizeof label, "%s preadv2 %#x", name, flags);
    show_call(label, preadv2(fd, &v, 1, -1, flags & ~RWF_APPEND));
}

static void transfers(const char *dir)
{
    char name[128], text[32] = {0};
    snprintf(name, sizeof name, "%s/io_flags.%d", dir, (int)getpid());
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct iovec v = {"abc", 3};
    struct stat st;
    show_call("pwritev2", pwritev2(fd, &v, 1, 0, 0));
    show_call("append at 0", pwritev2(fd, &v, 1, 0, RWF_APPEND));
    SHOW("position", "%d", (int)lseek(fd, 0, SEEK_CUR));
    lseek(fd, 1, SEEK_SET);
    show_call("append at -1", pwritev2(fd, &v, 1, -1, RWF_APPEND));
    SHOW("position after", "%d", (int)lseek(fd, 0, SEEK_CUR));
    fstat(fd, &st);
    SHOW("size", "%d", (int)st.st_size);
    pread(fd, text, sizeof text, 0);
    SHOW("contents", "%s", text);
    show_call("append far away", pwritev2(fd, &v, 1, 1000, RWF_APPEND | RWF_DSYNC));
    fstat(fd, &st);
    SHOW("size", "%d", (int)st.st_size);
    struct iovec r = {text, 3};
    show_call("preadv2 with append", preadv2(fd, &r, 1, 0, RWF_APPEND));
    show_call("preadv2 sync", preadv2(fd, &r, 1, 0, RWF_SYNC | RWF_DSYNC | RWF_HIPRI));
    show_call("preadv2 at -1", preadv2(fd, &r, 1, -1, 0));
    show_call("preadv2 at -2", preadv2(fd, &r, 1, -2, 0));
    show_call("unknown flag", preadv2(fd, &r, 1, 0, 0x40000000));
    show_call("unknown flag, no vector", preadv2(fd, &r, 0, 0, 0x40000000));
    show_call("unknown flag, bad descriptor", preadv2(999, &r, 1, 0, 0x40000000));
    show_call("unknown flag, bad memory", preadv2(fd, (void *)4096, 1, 0, 0x40000000));
    int ro = open(name, O_RDONLY);
    show_call("write to a reader", pwritev2(ro, &v, 1, 0, RWF_APPEND));
    int ap = open(name, O_WRONLY | O_APPEND);
    show_call("append twice", pwritev2(ap, &v, 1, 0, RWF_APPEND));
    fstat(fd, &st);
    SHOW("size", "%d", (int)st.st_size);
    for (int flags = 1; flags <= RWF_APPEND; flags *= 2)
        if (flags != RWF_NOWAIT)
            ask("file", fd, flags);
    unlink(name);
}

static void streams(void)
{
    int p[2], s[2];
    char c;
    struct iovec v = {&c, 1};
    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    show_call("pipe, sync", pwritev2(p[1], &v, 1, -1, RWF_SYNC | RWF_DSYNC | RWF_HIPRI));
    show_call("pipe, append", pwritev2(p[1], &v, 1, -1, RWF_APPEND));
    show_call("pipe, at 0", pwritev2(p[1], &v, 1, 0, RWF_APPEND));
    show_call("socket, append", pwritev2(s[1], &v, 1, -1, RWF_APPEND));
    show_call("socket", preadv2(s[0], &v, 1, -1, RWF_HIPRI));
    // What is not read and written in vectors knows no flags but RWF_HIPRI.
    int in = inotify_init1(IN_NONBLOCK);
    show_call("inotify, sync", preadv2(in, &v, 1, -1, RWF_SYNC));
    show_call("inotify, hipri", preadv2(in, &v, 1, -1, RWF_HIPRI));
    int e = eventfd(1, EFD_NONBLOCK);
    uint64_t value;
    struct iovec ve = {&value, 8};
    show_call("eventfd, sync", preadv2(e, &ve, 1, -1, RWF_SYNC));
    show_call("eventfd, write", pwritev2(e, &ve, 1, -1, RWF_HIPRI));
    show_call("eventfd, write sync", pwritev2(e, &ve, 1, -1, RWF_SYNC));
    int null = open("/dev/null", O_RDWR);
    ask("null", null, RWF_APPEND);
    ask("null", null, RWF_NOWAIT);
}

// --- io_submit -----------------------------------------------------------------------------------

static aio_context_t ctx;

static long submit(struct iocb *cb)
{
    return syscall(SYS_io_submit, ctx, 1, &cb);
}

static long events(long min, struct io_event *e, int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    return syscall(SYS_io_getevents, ctx, min, 4, e, &t);
}

static struct iocb poll_request(int fd, unsigned mask)
{
    return (struct iocb){.aio_lio_opcode = IOCB_CMD_POLL,
                         .aio_fildes = (unsigned)fd,
                         .aio_buf = mask,
                         .aio_data = mask};
}

static void aio_poll(void)
{
    int p[2], e = eventfd(0, EFD_NONBLOCK);
    struct io_event ev[4];
    char c;
    syscall(SYS_io_setup, 4, &ctx);
    pipe(p);
    struct iocb in = poll_request(p[0], POLLIN), out = poll_request(p[1], POLLOUT);
    show_call("writable now", submit(&out));
    show_call("event", events(1, ev, 1000));
    SHOW("of it", "%#llx %d", (unsigned long long)ev[0].res, ev[0].obj == (uintptr_t)&out);
    in.aio_flags = IOCB_FLAG_RESFD;
    in.aio_resfd = (unsigned)e;
    show_call("not readable yet", submit(&in));
    show_call("no event", events(0, ev, 0));
    write(p[1], "x", 1);
    show_call("readable", events(1, ev, 1000));
    SHOW("what of it", "%#llx", (unsigned long long)ev[0].res);
    uint64_t count = 0;
    read(e, &count, 8);
    SHOW("eventfd", "%d", (int)count);
    show_call("only once", events(0, ev, 0));
    read(p[0], &c, 1);
    in.aio_flags = 0;
    submit(&in);
    show_call("cancel", syscall(SYS_io_cancel, ctx, &in, ev));
    show_call("its event", events(1, ev, 1000));
    SHOW("the same", "%d", ev[0].obj == (uintptr_t)&in);
    show_call("cancel nothing", syscall(SYS_io_cancel, ctx, &in, ev));
    submit(&in);
    close(p[1]);
    show_call("hang up", events(1, ev, 1000));
    SHOW("what of it", "%#llx", (unsigned long long)ev[0].res);
    struct iocb bad = poll_request(p[0], POLLIN);
    bad.aio_nbytes = 1;
    show_call("length", submit(&bad));
    bad = poll_request(p[0], POLLIN);
    bad.aio_offset = 1;
    show_call("offset", submit(&bad));
    bad = poll_request(p[0], POLLIN);
    bad.aio_rw_flags = 1;
    show_call("flags", submit(&bad));
    bad = poll_request(p[0], POLLIN);
    bad.aio_buf = 0x10001;
    show_call("wide mask", submit(&bad));
    bad = poll_request(999, POLLIN);
    show_call("bad descriptor", submit(&bad));
    bad = poll_request(open("/tmp", O_RDONLY), POLLIN);
    show_call("directory", submit(&bad));
    pipe(p);
    struct iocb four[4];
    for (int i = 0; i < 4; i++) {
        four[i] = poll_request(p[0], POLLIN);
        submit(&four[i]);
    }
    write(p[1], "x", 1);
    show_call("four at once", events(4, ev, 1000));
    read(p[0], &c, 1);
    submit(&four[0]);
    show_call("destroy with one waiting", syscall(SYS_io_destroy, ctx));
    IN_CHILD("exit with one waiting", ctx = 0; syscall(SYS_io_setup, 4, &ctx); submit(&four[0]));
}

static void aio_flags(void)
{
    char buf[4] = "abc";
    struct io_event ev[4];
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    if (fd < 0)
        fd = (int)syscall(SYS_memfd_create, "x", 0);
    ctx = 0;
    syscall(SYS_io_setup, 4, &ctx);
    struct iocb w = {.aio_lio_opcode = IOCB_CMD_PWRITE,
                     .aio_fildes = (unsigned)fd,
                     .aio_buf = (uintptr_t)buf,
                     .aio_nbytes = 3,
                     .aio_rw_flags = RWF_APPEND};
    show_call("append", submit(&w));
    events(1, ev, 1000);
    show_call("append again", submit(&w));
    events(1, ev, 1000);
    SHOW("size", "%d", (int)lseek(fd, 0, SEEK_END));
    w.aio_rw_flags = 0x40000000;
    show_call("unknown flag", submit(&w));
    w.aio_rw_flags = RWF_SYNC | RWF_DSYNC;
    show_call("sync", submit(&w));
    show_call("its event", events(1, ev, 1000));
    SHOW("its result", "%d", (int)ev[0].res);
    w.aio_lio_opcode = IOCB_CMD_PREAD;
    w.aio_rw_flags = RWF_HIPRI;
    show_call("read with a flag", submit(&w) >= 0 ? 0 : -1);
}

static void questions(void)
{
    IN_CHILD("packets", packets());
    IN_CHILD("blocking", blocking());
    IN_CHILD("transfers in /tmp", transfers("/tmp"));
    IN_CHILD("transfers in /dev/shm", transfers("/dev/shm"));
    IN_CHILD("streams", streams());
    IN_CHILD("aio poll", aio_poll());
    IN_CHILD("aio flags", aio_flags());
}

int main(void)
{
    return run_as_child(questions);
}
