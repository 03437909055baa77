// io_setup, io_submit, io_getevents and their errors.
#include "asleep.h"
#include "probe.h"
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static long setup(unsigned n, aio_context_t *c)
{
    return syscall(SYS_io_setup, n, c);
}
static long submit(aio_context_t c, long n, struct iocb **list)
{
    return syscall(SYS_io_submit, c, n, list);
}
static long getevents(aio_context_t c, long min, long nr, struct io_event *e, struct timespec *t)
{
    return syscall(SYS_io_getevents, c, min, nr, e, t);
}
static long destroy(aio_context_t c)
{
    return syscall(SYS_io_destroy, c);
}

static struct iocb request(int op, int fd, void *buf, size_t n, long long offset)
{
    struct iocb cb;
    memset(&cb, 0, sizeof cb);
    cb.aio_lio_opcode = (unsigned short)op;
    cb.aio_fildes = (unsigned)fd;
    cb.aio_buf = (unsigned long)buf;
    cb.aio_nbytes = n;
    cb.aio_offset = offset;
    cb.aio_data = 1000 + (unsigned)op;
    return cb;
}

static void one(const char *name, aio_context_t c, struct iocb cb)
{
    struct iocb *list[1] = {&cb};
    struct io_event e = {0, 0, 0, 0};
    struct timespec soon = {5, 0}; // fsync may take a moment
    long n = submit(c, 1, list);
    show_call(name, n);
    if (n == 1 && getevents(c, 1, 1, &e, &soon) == 1)
        SHOW("... event", "data %llu same %d res %lld %lld", e.data, e.obj == (unsigned long)&cb,
             e.res, e.res2);
}

static void contexts(void)
{
    aio_context_t c = 0, other = 0;
    struct io_event e;
    struct timespec none = {0, 0};
    show_call("setup of none", setup(0, &c));
    show_call("setup bad pointer", setup(1, NULL));
    show_call("setup", setup(4, &c));
    SHOW("... made", "%d", c != 0);
    show_call("setup again", setup(4, &c));
    show_call("second", setup(1, &other));
    SHOW("... another", "%d", c != other);
    show_call("too many", (other = 0, setup(1u << 30, &other)));
    show_call("getevents none", getevents(c, 0, 1, &e, NULL));
    show_call("getevents at once", getevents(c, 1, 1, &e, &none));
    show_call("getevents min above", getevents(c, 2, 1, &e, &none));
    show_call("getevents negative", getevents(c, -1, 1, &e, &none));
    show_call("getevents no context", getevents(77, 0, 1, &e, &none));
    show_call("submit none", submit(c, 0, NULL));
    show_call("submit negative", submit(c, -1, NULL));
    show_call("submit bad list", submit(c, 1, NULL));
    show_call("submit no context", submit(77, 1, NULL));
    struct iocb cb = request(0, 0, NULL, 0, 0);
    show_call("cancel", syscall(SYS_io_cancel, c, &cb, &e));
    show_call("cancel bad pointer", syscall(SYS_io_cancel, c, NULL, &e));
    IN_CHILD("in a child", show_call("... getevents", getevents(c, 0, 1, &e, &none)));
    show_call("destroy", destroy(c));
    show_call("destroy again", destroy(c));
    show_call("destroy none", destroy(0));
}

static void requests(void)
{
    aio_context_t c = 0;
    char text[16] = "hello", back[16] = "";
    int fd = memfd_create("x", 0), ends[2];
    int read_only = open("/proc/self/exe", O_RDONLY);
    setup(8, &c);
    one("pwrite", c, request(IOCB_CMD_PWRITE, fd, text, 5, 3));
    one("pread", c, request(IOCB_CMD_PREAD, fd, back, 16, 3));
    SHOW("... got", "%s", back);
    one("pread at end", c, request(IOCB_CMD_PREAD, fd, back, 16, 100));
    one("pread nowhere", c, request(IOCB_CMD_PREAD, fd, (void *)16, 4, 3));
    one("pread negative", c, request(IOCB_CMD_PREAD, fd, back, 4, -5));
    one("fsync", c, request(IOCB_CMD_FSYNC, fd, NULL, 0, 0));
    one("fdsync", c, request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0));
    one("fsync with a buffer", c, request(IOCB_CMD_FSYNC, fd, back, 0, 0));
    struct iovec v[2] = {{text, 2}, {text + 2, 3}};
    one("pwritev", c, request(IOCB_CMD_PWRITEV, fd, v, 2, 0));
    one("preadv", c, request(IOCB_CMD_PREADV, fd, v, 2, 0));
    one("unknown", c, request(99, fd, NULL, 0, 0));
    one("bad descriptor", c, request(IOCB_CMD_PREAD, -1, back, 4, 0));
    one("write to what is read", c, request(IOCB_CMD_PWRITE, read_only, text, 4, 0));
    one("directory", c, request(IOCB_CMD_PREAD, open("/", O_RDONLY), back, 4, 0));
    struct iocb cb = request(IOCB_CMD_PREAD, fd, back, 4, 0);
    cb.aio_reserved2 = 1;
    one("reserved", c, cb);
    cb.aio_reserved2 = 0;
    cb.aio_flags = 64;
    one("unknown flag", c, cb);
    pipe(ends);
    one("to a pipe", c, request(IOCB_CMD_PWRITE, ends[1], text, 5, 0));
    one("from a pipe", c, request(IOCB_CMD_PREAD, ends[0], back, 16, 0));
    one("fsync of a pipe", c, request(IOCB_CMD_FSYNC, ends[0], NULL, 0, 0));

    int counter = eventfd(0, EFD_NONBLOCK);
    unsigned long long count = 0;
    cb = request(IOCB_CMD_PREAD, fd, back, 4, 0);
    cb.aio_flags = IOCB_FLAG_RESFD;
    cb.aio_resfd = (unsigned)counter;
    one("with eventfd", c, cb);
    read(counter, &count, 8);
    SHOW("... counted", "%llu", count);
    cb.aio_resfd = (unsigned)fd;
    one("with no eventfd", c, cb);
    cb.aio_resfd = 999;
    one("with no file", c, cb);

    struct iocb a = request(IOCB_CMD_PREAD, fd, back, 1, 0),
                b = request(IOCB_CMD_PREAD, -1, back, 1, 0);
    struct iocb *list[3] = {&a, &b, &a};
    struct io_event e[8];
    struct timespec none = {0, 0};
    show_call("two of three", submit(c, 3, list));
    show_call("... events", getevents(c, 0, 8, e, &none));
    show_call("getevents bad place", (submit(c, 1, list), getevents(c, 1, 1, NULL, &none)));
    destroy(c);
}

static aio_context_t shared;

static void *later(void *fd)
{
    char back[4];
    struct iocb cb = request(IOCB_CMD_PREAD, *(int *)fd, back, 4, 0), *list[1] = {&cb};
    sleep_ms(50);
    submit(shared, 1, list);
    return NULL;
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void waits(void)
{
    int fd = memfd_create("x", 0);
    struct io_event e[2];
    struct timespec some = {0, 30000000};
    pthread_t t;
    setup(8, &shared);
    show_call("timeout", getevents(shared, 1, 1, e, &some));
    pthread_create(&t, NULL, later, &fd);
    show_call("from another thread", getevents(shared, 1, 1, e, NULL));
    pthread_join(t, NULL);
    struct sigaction a = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &a, NULL);
    pid_t child = poke_when_asleep(SIGALRM);
    show_call("interrupted", getevents(shared, 1, 1, e, NULL));
    waitpid(child, NULL, 0);
    sigset_t all;
    sigfillset(&all);
    struct {
        const sigset_t *mask;
        size_t size;
    } set = {&all, 8};
    ualarm(10000, 0);
    show_call("masked", syscall(SYS_io_pgetevents, shared, 1, 1, e, &some, &set));
    set.size = 3;
    show_call("mask of another size", syscall(SYS_io_pgetevents, shared, 1, 1, e, &some, &set));
    show_call("without a mask", syscall(SYS_io_pgetevents, shared, 0, 1, e, &some, NULL));
}

// What ends in the middle: memory, a signal, the context itself.
static atomic_int waiter;

static void *wait_for_event(void *result)
{
    struct io_event e;
    waiter = (int)syscall(SYS_gettid);
    *(long *)result = getevents(shared, 1, 1, &e, NULL) < 0 ? errno : 0;
    return NULL;
}

static void ends(void)
{
    int fd = memfd_create("x", 0), p[2];
    char back[8],
        *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iocb a = request(IOCB_CMD_PREAD, fd, back, 1, 0), *list[4] = {&a, &a, &a, (void *)8};
    struct timespec none = {0, 0};
    aio_context_t c = 0;
    pipe(p);
    mprotect(page + 4096, 4096, PROT_NONE);
    *(aio_context_t *)page = 0;
    mprotect(page, 4096, PROT_READ);
    show_call("a context that cannot be told", setup(4, (aio_context_t *)page));
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
    setup(8, &c);
    show_call("three and one that is nowhere", submit(c, 4, list));
    struct io_event *e = (struct io_event *)(page + 4096) - 2;
    show_call("room for none", getevents(c, 1, 2, e + 2, &none));
    show_call("room for two", getevents(c, 1, 2, e, &none));
    show_call("none was lost", getevents(c, 0, 2, e, &none));
    show_call("time nowhere", getevents(c, 0, 8, e, (void *)8));
    memcpy(page + 4096 - 16, (struct iocb *[2]){&a, &a}, 16);
    show_call("a list that ends", submit(c, 3, (struct iocb **)(page + 4096 - 16)));
    while (getevents(c, 0, 2, e, &none) > 0)
        ;
    struct iocb b = request(IOCB_CMD_PREAD, fd, back, (size_t)-1, 0);
    one("negative size", c, b);
    b = request(IOCB_CMD_FSYNC, fd, NULL, 5, 0);
    one("fsync with a size", c, b);
    b = request(IOCB_CMD_FSYNC, fd, NULL, 0, 5);
    one("fsync with an offset", c, b);
    b = request(IOCB_CMD_FSYNC, fd, NULL, 0, 0);
    b.aio_rw_flags = 1;
    one("fsync with flags", c, b);
    struct iovec v[1] = {{(char *)"abc", 3}}, into[1] = {{back, 8}};
    one("vector to a pipe", c, request(IOCB_CMD_PWRITEV, p[1], v, 1, 0));
    one("vector from a pipe", c, request(IOCB_CMD_PREADV, p[0], into, 1, 0));
    one("vector nowhere", c, request(IOCB_CMD_PREADV, fd, (void *)8, 1, 0));
    one("negative vector", c, request(IOCB_CMD_PREADV, fd, into, (size_t)-1, 0));
    one("vector too long", c, request(IOCB_CMD_PWRITEV, fd, into, 1025, 0));
    one("vector of nothing", c, request(IOCB_CMD_PWRITEV, fd, NULL, 0, 0));
    one("counter", c, request(IOCB_CMD_FSYNC, eventfd(0, 0), NULL, 0, 0));
    one("O_PATH", c, request(IOCB_CMD_PREAD, open("/", O_PATH), back, 1, 0));
    struct sigaction sa = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &sa, NULL);
    pid_t child = poke_when_asleep(SIGALRM);
    one("a signal during a request", c, request(IOCB_CMD_PREAD, p[0], back, 1, 0));
    waitpid(child, NULL, 0);
    child = poke_when_asleep(SIGALRM);
    show_call("a signal during a wait", getevents(c, 1, 1, e, NULL));
    waitpid(child, NULL, 0);
    destroy(c);
    pthread_t t;
    long result = -1;
    shared = 0;
    setup(8, &shared);
    pthread_create(&t, NULL, wait_for_event, &result);
    while (!waiter)
        sched_yield();
    task_until_asleep(waiter);
    show_call("destroyed while one waits", destroy(shared));
    pthread_join(t, NULL);
    SHOW("... who is told", "%s", result ? strerrorname_np((int)result) : "nothing");
}

static void body(void)
{
    contexts();
    requests();
    waits();
    ends();
}

int main(void)
{
    return run_as_child(body);
}
