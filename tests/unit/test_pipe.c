// Pipes keep order, atomicity and the signals and errors of their ends.
#include "kernel/pipe.h"
#include "kernel/syscall_handlers.h"
#include "kernel/wait.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "tests/unit/tap.h"
#include "tests/unit/task_stub.h"
#include <stdlib.h>
#include <string.h>

static uaddr_t at(const void *p)
{
    return (uaddr_t)(uintptr_t)p;
}

static void check_basics(struct tap *t, struct task *task)
{
    int32_t fd[2];
    char buf[16] = {0};
    CHECK(t, sys_pipe2(task, at(fd), 0) == 0 && fd[0] == 0 && fd[1] == 1, "pipe2 gives 0 and 1");
    CHECK(t, sys_pipe2(task, at(fd), 1) == -LINUX_EINVAL, "pipe2 refuses unknown flags");
    CHECK(t, sys_pipe2(task, STUB_BAD_ADDRESS, 0) == -LINUX_EFAULT, "pipe2 to a bad address");
    CHECK(t, sys_dup(task, 0) == 2 && sys_close(task, 2) == 0, "which left no descriptor behind");
    CHECK(t, sys_write(task, 1, at("hello"), 5) == 5, "five bytes go in");
    int32_t n = 0;
    CHECK(t, sys_ioctl(task, 0, LINUX_FIONREAD, at(&n)) == 0 && n == 5, "FIONREAD counts them");
    CHECK(t, sys_read(task, 0, STUB_BAD_ADDRESS, 5) == -LINUX_EFAULT, "a bad buffer is EFAULT");
    CHECK(t, sys_read(task, 0, at(buf), 3) == 3 && !memcmp(buf, "hel", 3), "and loses nothing");
    CHECK(t, sys_read(task, 0, at(buf), 16) == 2 && !memcmp(buf, "lo", 2), "the rest follows");
    CHECK(t, sys_read(task, 1, at(buf), 1) == -LINUX_EBADF, "the write end cannot be read");
    CHECK(t, sys_write(task, 0, at(buf), 1) == -LINUX_EBADF, "the read end cannot be written");
    CHECK(t, sys_lseek(task, 0, 0, 0) == -LINUX_ESPIPE, "a pipe has no position");
    CHECK(t, sys_pread64(task, 0, at(buf), 1, 0) == -LINUX_ESPIPE, "nor does pread find one");
    CHECK(t, sys_fcntl(task, 0, LINUX_F_GETPIPE_SZ, 0) == 65536, "it holds 64 KiB");
    CHECK(t, sys_fcntl(task, 1, LINUX_F_GETFL, 0) == LINUX_O_WRONLY, "F_GETFL of the write end");
    CHECK(t, sys_close(task, 1) == 0 && sys_read(task, 0, at(buf), 1) == 0, "no writer: the end");
    CHECK(t, sys_close(task, 0) == 0, "closed");
}

static void check_full(struct tap *t, struct task *task)
{
    int32_t fd[2];
    static char big[100000];
    ISH_ASSERT(sys_pipe2(task, at(fd), LINUX_O_NONBLOCK) == 0);
    CHECK(t, sys_read(task, fd[0], at(big), 1) == -LINUX_EAGAIN, "an empty pipe is EAGAIN");
    CHECK(t, sys_write(task, fd[1], at(big + 1), sizeof big - 1) == 65536, "a long write fills it");
    struct linux_pollfd p = {fd[1], LINUX_POLLOUT, 0};
    uint64_t zero[2] = {0, 0};
    CHECK(t, sys_ppoll(task, at(&p), 1, at(zero), 0, 8) == 0, "a full pipe is not writable");
    CHECK(t, sys_read(task, fd[0], at(big), 4095) == 4095, "4095 bytes come out");
    CHECK(t, sys_ppoll(task, at(&p), 1, at(zero), 0, 8) == 0, "still not writable");
    CHECK(t, sys_write(task, fd[1], at(big), 4096) == -LINUX_EAGAIN, "4096 are never split");
    CHECK(t, sys_read(task, fd[0], at(big), 1) == 1, "one more comes out");
    CHECK(t, sys_ppoll(task, at(&p), 1, at(zero), 0, 8) == 1 && p.revents == LINUX_POLLOUT,
          "now it is writable");
    CHECK(t, sys_fcntl(task, fd[0], LINUX_F_SETPIPE_SZ, 4096) == -LINUX_EBUSY,
          "it cannot shrink below its contents");
    CHECK(t, sys_fcntl(task, fd[0], LINUX_F_SETPIPE_SZ, 70000) == 131072, "sizes round up");
    sys_close(task, fd[0]);
    CHECK(t,
          sys_write(task, fd[1], at(big), 1) == -LINUX_EPIPE &&
              stub_signals(task) == signal_bit(LINUX_SIGPIPE),
          "a write without readers is EPIPE and SIGPIPE");
    CHECK(t,
          sys_ppoll(task, at(&p), 1, at(zero), 0, 8) == 1 &&
              p.revents == (LINUX_POLLOUT | LINUX_POLLERR),
          "and POLLERR");
    sys_close(task, fd[1]);
}

// --- Two threads ---------------------------------------------------------------------------------

enum { STREAM = 8 << 20 };

struct writer {
    struct task *task;
    int fd;
};

static void write_stream(void *arg)
{
    const struct writer *w = arg;
    static uint8_t buf[20000];
    uint32_t seed = 1, value = 0;
    for (size_t left = STREAM; left > 0;) {
        seed = seed * 1103515245u + 12345;
        size_t n = seed >> 8 & 1 ? seed >> 16 & 0x3fff : seed >> 16 & 0x3f;
        n = n + 1 < left ? n + 1 : left;
        for (size_t i = 0; i < n; i++)
            buf[i] = (uint8_t)(value++ * 2654435761u >> 24);
        ISH_ASSERT(sys_write(w->task, w->fd, at(buf), n) == (int64_t)n);
        left -= n;
    }
    sys_close(w->task, w->fd);
}

static void check_stream(struct tap *t, struct kernel *kernel)
{
    struct task *a = stub_task_create(kernel, NULL), *b = stub_task_create(kernel, a);
    int32_t fd[2];
    ISH_ASSERT(sys_pipe2(a, at(fd), 0) == 0);
    struct writer w = {b, fd[1]};
    pthread_t thread;
    ISH_ASSERT(!thread_start_joinable(write_stream, &w, "writer", &thread));
    static uint8_t buf[9000];
    uint32_t seed = 7, value = 0;
    bool good = true;
    size_t total = 0;
    for (;;) {
        seed = seed * 1103515245u + 12345;
        int64_t n = sys_read(a, fd[0], at(buf), (seed >> 16) % sizeof buf + 1);
        if (n <= 0)
            break;
        for (int64_t i = 0; i < n; i++)
            good &= buf[i] == (uint8_t)(value++ * 2654435761u >> 24);
        total += (size_t)n;
    }
    thread_join(thread);
    CHECK(t, good && total == STREAM, "8 MiB in pieces of all sizes arrive as they were sent");
    stub_task_destroy(b);
    stub_task_destroy(a);
}

static void interrupt_later(void *arg)
{
    stub_interrupt(arg);
}

static void check_interrupt(struct tap *t, struct task *task)
{
    int32_t fd[2];
    char c;
    pthread_t thread;
    ISH_ASSERT(sys_pipe2(task, at(fd), 0) == 0);
    ISH_ASSERT(!thread_start_joinable(interrupt_later, task, "signal", &thread));
    CHECK(t, sys_read(task, fd[0], at(&c), 1) == -ERESTARTSYS, "a signal ends a blocked read");
    thread_join(thread);
    sys_close(task, fd[0]);
    sys_close(task, fd[1]);
}

static void open_write_end(void *arg)
{
    struct task *task = arg;
    int64_t fd = sys_openat(task, LINUX_AT_FDCWD, at("/fifo"), LINUX_O_WRONLY, 0);
    ISH_ASSERT(fd >= 0 && sys_write(task, (int32_t)fd, at("x"), 1) == 1);
    sys_close(task, (int32_t)fd);
}

static void check_fifo(struct tap *t, struct kernel *kernel)
{
    struct task *a = stub_task_create(kernel, NULL), *b = stub_task_create(kernel, NULL);
    CHECK(t, sys_mknodat(a, LINUX_AT_FDCWD, at("/fifo"), LINUX_S_IFIFO | 0600, 0) == 0, "mkfifo");
    CHECK(t,
          sys_openat(a, LINUX_AT_FDCWD, at("/fifo"), LINUX_O_WRONLY | LINUX_O_NONBLOCK, 0) ==
              -LINUX_ENXIO,
          "no reader yet: ENXIO");
    int64_t fd = sys_openat(a, LINUX_AT_FDCWD, at("/fifo"), LINUX_O_RDONLY | LINUX_O_NONBLOCK, 0);
    struct linux_pollfd p = {(int32_t)fd, LINUX_POLLIN, 0};
    uint64_t zero[2] = {0, 0};
    CHECK(t, fd >= 0 && sys_ppoll(a, at(&p), 1, at(zero), 0, 8) == 0,
          "a reader before any writer is not hung up on");
    sys_close(a, (int32_t)fd);
    pthread_t thread;
    ISH_ASSERT(!thread_start_joinable(open_write_end, b, "opener", &thread));
    fd = sys_openat(a, LINUX_AT_FDCWD, at("/fifo"), LINUX_O_RDONLY, 0);
    char c = 0;
    CHECK(t, fd >= 0 && sys_read(a, (int32_t)fd, at(&c), 1) == 1 && c == 'x',
          "open waits for the other end");
    thread_join(thread);
    CHECK(t,
          sys_read(a, (int32_t)fd, at(&c), 1) == 0 &&
              sys_ppoll(a, at(&p), 1, at(zero), 0, 8) == 1 && p.revents == LINUX_POLLHUP,
          "the writer gone: end of file and POLLHUP");
    stub_task_destroy(b);
    stub_task_destroy(a);
}

static void check_splice(struct tap *t, struct task *task)
{
    int32_t a[2], b[2];
    char buf[16] = {0};
    ISH_ASSERT(sys_pipe2(task, at(a), 0) == 0 && sys_pipe2(task, at(b), LINUX_O_NONBLOCK) == 0);
    sys_write(task, a[1], at("abcdef"), 6);
    CHECK(t, sys_tee(task, a[0], b[1], 4, 0) == 4, "tee copies four bytes");
    CHECK(t, sys_read(task, b[0], at(buf), 16) == 4 && !memcmp(buf, "abcd", 4), "they are there");
    CHECK(t, sys_splice(task, a[0], 0, b[1], 0, 100, 0) == 6, "splice moves all six");
    CHECK(t, sys_read(task, b[0], at(buf), 16) == 6 && !memcmp(buf, "abcdef", 6), "in order");
    int64_t fd = sys_openat(task, LINUX_AT_FDCWD, at("/data"), LINUX_O_RDWR | LINUX_O_CREAT, 0600);
    sys_write(task, (int32_t)fd, at("0123456789"), 10);
    uint64_t offset = 3;
    CHECK(t, sys_sendfile(task, b[1], (int32_t)fd, at(&offset), 4) == 4 && offset == 7,
          "sendfile moves its offset");
    CHECK(t, sys_read(task, b[0], at(buf), 16) == 4 && !memcmp(buf, "3456", 4), "to a pipe");
    CHECK(t, sys_splice(task, a[0], 0, a[1], 0, 1, 0) == -LINUX_EINVAL, "not into itself");
    for (int i = 0; i < 2; i++) {
        sys_close(task, a[i]);
        sys_close(task, b[i]);
    }
    sys_close(task, (int32_t)fd);
}

// Not a check: what a write and a read of one byte cost here.
static void measure(struct task *task)
{
    enum { ROUNDS = 1000000 };
    int32_t fd[2];
    char c = 0;
    ISH_ASSERT(sys_pipe2(task, at(fd), 0) == 0);
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        sys_write(task, fd[1], at(&c), 1);
        sys_read(task, fd[0], at(&c), 1);
    }
    printf("# write and read of a byte: %llu ns\n",
           (unsigned long long)((clock_monotonic_ns() - start) / ROUNDS));
}

int main(int argc, char **argv)
{
    (void)argv;
    struct tap t = {0, 0};
    struct kernel *kernel = stub_kernel_create();
    struct task *task = stub_task_create(kernel, NULL);
    check_basics(&t, task);
    check_full(&t, task);
    check_stream(&t, kernel);
    check_interrupt(&t, task);
    check_fifo(&t, kernel);
    check_splice(&t, task);
    if (argc > 1)
        measure(task);
    stub_task_destroy(task);
    stub_kernel_destroy(kernel);
    return tap_finish(&t);
}
