// Descriptors handed over by the host keep their position and flags, and waiting for them ends with
// a signal.
#include "kernel/host_fd.h"
#include "kernel/syscall_handlers.h"
#include "kernel/wait.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/tty.h"
#include "platform/thread.h"
#include "tests/unit/tap.h"
#include "tests/unit/task_stub.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tap t;
static struct kernel *kernel;
static struct task *task;

static uaddr_t at(const void *p)
{
    return (uaddr_t)(uintptr_t)p;
}

// The guest's descriptor for a host one, which is closed here.
static int give(int host_fd)
{
    struct file *file;
    int err = host_fd_open(kernel, host_fd, task->cred, &file);
    close(host_fd);
    return err ? err : fd_install(task, file, 0, false);
}

struct call {
    pthread_t thread;
    int fd;
    bool write;
    char *buf;
    size_t n;
    int64_t result;
};

static void call_main(void *arg)
{
    struct call *c = arg;
    c->result = c->write ? sys_write(task, c->fd, at(c->buf), c->n)
                         : sys_read(task, c->fd, at(c->buf), c->n);
}

static void call_start(struct call *c, int fd, bool write, void *buf, size_t n)
{
    *c = (struct call){.fd = fd, .write = write, .buf = buf, .n = n};
    ISH_ASSERT(!thread_start_joinable(call_main, c, "call", &c->thread));
    usleep(20000); // most likely it waits now; the promises hold anyway
}

static void test_pipe_in(void)
{
    int p[2];
    char buf[64];
    struct call c;
    ISH_ASSERT(!pipe(p));
    int fd = give(p[0]);
    call_start(&c, fd, false, buf, sizeof buf);
    ISH_ASSERT(write(p[1], "hello", 5) == 5);
    thread_join(c.thread);
    CHECK(&t, c.result == 5 && !memcmp(buf, "hello", 5), "a read waits for the other end");
    call_start(&c, fd, false, buf, sizeof buf);
    stub_interrupt(task);
    thread_join(c.thread);
    CHECK(&t, c.result == -ERESTARTSYS, "a signal ends the wait");
    CHECK(&t,
          sys_fcntl(task, fd, LINUX_F_SETFL, LINUX_O_NONBLOCK) == 0 &&
              sys_read(task, fd, at(buf), 1) == -LINUX_EAGAIN,
          "O_NONBLOCK of the guest does not wait");
    ISH_ASSERT(write(p[1], "abc", 3) == 3);
    int32_t n = 0;
    CHECK(&t, sys_ioctl(task, fd, LINUX_FIONREAD, at(&n)) == 0 && n == 3, "FIONREAD");
    CHECK(&t, sys_read(task, fd, at(buf), 1) == 1 && sys_read(task, fd, at(buf), 64) == 2,
          "only what is asked for is taken from the host");
    CHECK(&t, sys_lseek(task, fd, 0, LINUX_SEEK_SET) == -LINUX_ESPIPE, "a pipe has no position");
    CHECK(&t, sys_write(task, fd, at("x"), 1) == -LINUX_EBADF, "nor can its read end be written");
    close(p[1]);
    CHECK(&t, sys_read(task, fd, at(buf), 1) == 0, "the end of file comes through");
    sys_close(task, fd);
}

static void test_pipe_out(void)
{
    static char big[200000], got[200000];
    int p[2];
    struct call c;
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 31 >> 3);
    ISH_ASSERT(!pipe(p));
    int fd = give(p[1]);
    call_start(&c, fd, true, big, sizeof big);
    size_t done = 0;
    for (ssize_t n; done < sizeof got && (n = read(p[0], got + done, sizeof got - done)) > 0;)
        done += (size_t)n;
    thread_join(c.thread);
    CHECK(&t, c.result == sizeof big && done == sizeof got && !memcmp(big, got, sizeof big),
          "a write waits for a reader and loses nothing");
    call_start(&c, fd, true, big, sizeof big);
    stub_interrupt(task);
    thread_join(c.thread);
    CHECK(&t, c.result > 0 && c.result < (int64_t)sizeof big,
          "a signal ends it with what was written");
    close(p[0]);
    stub_signals(task);
    CHECK(&t,
          sys_write(task, fd, at("x"), 1) == -LINUX_EPIPE &&
              stub_signals(task) == signal_bit(LINUX_SIGPIPE),
          "without a reader it is EPIPE and SIGPIPE for the guest");
    sys_close(task, fd);
}

static void test_poll(void)
{
    int p[2];
    ISH_ASSERT(!pipe(p));
    int fd = give(p[0]);
    struct linux_pollfd pfd = {fd, LINUX_POLLIN, 0};
    uint64_t zero[2] = {0, 0}, second[2] = {5, 0};
    CHECK(&t, sys_ppoll(task, at(&pfd), 1, at(zero), 0, 8) == 0, "an empty pipe is not readable");
    ISH_ASSERT(write(p[1], "x", 1) == 1);
    CHECK(&t, sys_ppoll(task, at(&pfd), 1, at(second), 0, 8) == 1 && pfd.revents == LINUX_POLLIN,
          "poll sees what arrives");
    close(p[1]);
    sys_close(task, fd);
}

static void test_file(void)
{
    char name[] = "/tmp/ish-host-fd-XXXXXX", buf[64];
    int fd = mkstemp(name), keep = dup(fd);
    unlink(name);
    ISH_ASSERT(write(fd, "0123456789", 10) == 10);
    lseek(fd, 2, SEEK_SET);
    int guest = give(fd);
    CHECK(&t, sys_read(task, guest, at(buf), 3) == 3 && !memcmp(buf, "234", 3),
          "reading starts where the host is");
    CHECK(&t, lseek(keep, 0, SEEK_CUR) == 5, "and moves the host's position");
    CHECK(&t,
          sys_pread64(task, guest, at(buf), 2, 8) == 2 && !memcmp(buf, "89", 2) &&
              lseek(keep, 0, SEEK_CUR) == 5,
          "pread does not");
    lseek(keep, 0, SEEK_END);
    CHECK(&t, sys_write(task, guest, at("ab"), 2) == 2 && lseek(keep, 0, SEEK_END) == 12,
          "writing goes on where the host is");
    CHECK(&t, sys_lseek(task, guest, 0, LINUX_SEEK_CUR) == 12, "lseek tells the host's position");
    CHECK(&t, sys_ftruncate(task, guest, 4) == 0 && lseek(keep, 0, SEEK_END) == 4,
          "ftruncate reaches the file");
    sys_close(task, guest);
    close(keep);
}

static void test_big_file(void)
{
    enum { SIZE = 50000 };
    static char data[SIZE], got[SIZE];
    char name[] = "/tmp/ish-host-fd-XXXXXX";
    int fd = mkstemp(name);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7 >> 2);
    ISH_ASSERT(chmod(name, 0640) == 0);
    int reader = open(name, O_RDONLY);
    unlink(name);
    int guest = give(fd), back = give(reader);
    CHECK(&t, sys_write(task, guest, at(data), SIZE) == SIZE, "a long write");
    CHECK(&t, sys_read(task, back, at(got), SIZE) == SIZE && !memcmp(data, got, SIZE),
          "a long read gives all of it");
    CHECK(&t, sys_read(task, back, at(got), 1) == 0, "and then the end");
    CHECK(&t, sys_pwrite64(task, guest, at("xyz"), 3, 20000) == 3, "pwrite");
    CHECK(&t, sys_pread64(task, back, at(got), 3, 20000) == 3 && !memcmp(got, "xyz", 3), "pread");
    CHECK(&t, sys_pread64(task, back, 8, 3, 20000) == -LINUX_EFAULT, "pread to a bad address");
    CHECK(&t, sys_pwrite64(task, guest, 8, 3, 0) == -LINUX_EFAULT, "pwrite from one");
    CHECK(&t, sys_lseek(task, back, -1, LINUX_SEEK_SET) == -LINUX_EINVAL, "lseek before the start");
    CHECK(&t, sys_fchmod(task, guest, 0777) == -LINUX_EPERM, "its rights are the host's");
    struct linux_pollfd pfd = {back, LINUX_POLLIN | LINUX_POLLOUT, 0};
    CHECK(&t, sys_ppoll(task, at(&pfd), 1, 0, 0, 8) == 1 && pfd.revents == pfd.events,
          "a file is always ready");
    int32_t n = -1;
    CHECK(&t, sys_ioctl(task, back, 0x5401, at(&n)) == -LINUX_ENOTTY, "and no terminal");
    CHECK(&t, sys_fsync(task, guest) == 0, "fsync");
    sys_close(task, guest);
    sys_close(task, back);
}

// What a pipe's other end does not take at once, with a guest that does not wait.
static void test_nonblocking_out(void)
{
    static char big[200000];
    int p[2];
    ISH_ASSERT(!pipe(p));
    int fd = give(p[1]);
    struct linux_pollfd pfd = {fd, LINUX_POLLOUT, 0};
    CHECK(&t, sys_ppoll(task, at(&pfd), 1, 0, 0, 8) == 1 && pfd.revents == LINUX_POLLOUT,
          "an empty pipe can be written");
    sys_fcntl(task, fd, LINUX_F_SETFL, LINUX_O_NONBLOCK);
    int64_t first = sys_write(task, fd, at(big), sizeof big);
    CHECK(&t, first > 0 && first < (int64_t)sizeof big, "a part goes");
    CHECK(&t, sys_write(task, fd, at(big), sizeof big) == -LINUX_EAGAIN, "then none");
    CHECK(&t, sys_write(task, fd, 8, 5) == -LINUX_EFAULT, "nothing comes from a bad address");
    close(p[0]);
    sys_close(task, fd);
}

static void test_others(void)
{
    char buf[16] = {1};
    int pair[2];
    int fd = give(open("/dev/null", O_RDWR));
    CHECK(&t, sys_read(task, fd, at(buf), 1) == 0 && sys_write(task, fd, at(buf), 16) == 16,
          "a device that is always ready");
    sys_close(task, fd);
    ISH_ASSERT(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    fd = give(pair[0]);
    CHECK(&t,
          sys_write(task, fd, at("ping"), 4) == 4 && read(pair[1], buf, 16) == 4 &&
              write(pair[1], "pong", 4) == 4 && sys_read(task, fd, at(buf), 16) == 4 &&
              !memcmp(buf, "pong", 4),
          "a socket, both ways");
    close(pair[1]);
    sys_close(task, fd);
    CHECK(&t, give(-1) == -LINUX_EBADF, "a descriptor that is none is EBADF");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    kernel = stub_kernel_create();
    task = stub_task_create(kernel, NULL);
    test_pipe_in();
    test_pipe_out();
    test_poll();
    test_file();
    test_big_file();
    test_nonblocking_out();
    test_others();
    stub_task_destroy(task);
    stub_kernel_destroy(kernel);
    return tap_finish(&t);
}
