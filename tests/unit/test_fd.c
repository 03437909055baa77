// Descriptor tables: lowest free number, limits, sharing, close-on-exec, and files that outlive
// their descriptor.
#include "kernel/fd.h"
#include "kernel/syscall_handlers.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include "platform/thread.h"
#include "tests/unit/tap.h"
#include "tests/unit/task_stub.h"
#include <string.h>

static uaddr_t at(const void *p)
{
    return (uaddr_t)(uintptr_t)p;
}

static void check_numbers(struct tap *t, struct task *task)
{
    CHECK(t, sys_eventfd2(task, 0, 0) == 0, "the first descriptor is 0");
    CHECK(t, sys_dup(task, 0) == 1 && sys_dup(task, 0) == 2, "then 1 and 2");
    CHECK(t, sys_close(task, 1) == 0 && sys_dup(task, 0) == 1, "the lowest free one is taken");
    CHECK(t, sys_dup3(task, 0, 500, LINUX_O_CLOEXEC) == 500, "dup3 goes where it is told");
    CHECK(t, sys_fcntl(task, 500, LINUX_F_GETFD, 0) == 1, "with close-on-exec");
    CHECK(t, sys_dup3(task, 0, 0, 0) == -LINUX_EINVAL, "dup3 onto itself is EINVAL");
    CHECK(t, sys_dup3(task, 0, 1024, 0) == -LINUX_EBADF, "beyond the limit it is EBADF");
    CHECK(t, sys_dup3(task, 77, 3, 0) == -LINUX_EBADF, "from nothing it is EBADF");
    CHECK(t, sys_fcntl(task, 0, LINUX_F_DUPFD, 400) == 400, "F_DUPFD starts at its argument");
    CHECK(t, sys_fcntl(task, 0, LINUX_F_DUPFD, 1024) == -LINUX_EINVAL, "which has a limit");
    CHECK(t, sys_close(task, 77) == -LINUX_EBADF && sys_close(task, -1) == -LINUX_EBADF,
          "closing nothing is EBADF");
    int opened = 0;
    int64_t fd;
    while ((fd = sys_dup(task, 0)) >= 0)
        opened++;
    CHECK(t, fd == -LINUX_EMFILE && opened == 1024 - 5, "the table fills to the limit: EMFILE");
    int64_t created =
        sys_openat(task, LINUX_AT_FDCWD, at("/x"), LINUX_O_CREAT | LINUX_O_RDWR, 0600);
    CHECK(t,
          created == -LINUX_EMFILE &&
              sys_faccessat(task, LINUX_AT_FDCWD, at("/x"), 0) == -LINUX_ENOENT,
          "open without a descriptor left creates nothing");
    CHECK(t, sys_close_range(task, 3, UINT32_MAX, 0) == 0 && sys_dup(task, 0) == 3,
          "close_range empties the rest");
    CHECK(t, sys_close_range(task, 5, 4, 0) == -LINUX_EINVAL, "a reversed range is EINVAL");
    CHECK(t,
          sys_close_range(task, 2, 3, LINUX_CLOSE_RANGE_CLOEXEC) == 0 &&
              sys_fcntl(task, 3, LINUX_F_GETFD, 0) == 1,
          "or marks close-on-exec");
    fd_table_close_on_exec(task->files, task);
    CHECK(t,
          sys_fcntl(task, 3, LINUX_F_GETFD, 0) == -LINUX_EBADF &&
              sys_fcntl(task, 1, LINUX_F_GETFD, 0) == 0,
          "exec closes what is marked, nothing else");
    sys_close_range(task, 0, UINT32_MAX, 0);
}

static void check_copies(struct tap *t, struct kernel *kernel)
{
    struct task *a = stub_task_create(kernel, NULL), *b = stub_task_create(kernel, a);
    sys_eventfd2(a, 5, 0);
    CHECK(t, sys_dup(b, 0) == 1 && sys_fcntl(a, 1, LINUX_F_GETFD, 0) == 0, "a shared table is one");
    CHECK(t,
          sys_close_range(b, 1, 1, LINUX_CLOSE_RANGE_UNSHARE) == 0 &&
              sys_fcntl(b, 1, LINUX_F_GETFD, 0) == -LINUX_EBADF &&
              sys_fcntl(a, 1, LINUX_F_GETFD, 0) == 0,
          "CLOSE_RANGE_UNSHARE closes in a copy");
    uint64_t value = 0;
    CHECK(t, sys_read(b, 0, at(&value), 8) == 8 && value == 5, "the files are the same");
    stub_task_destroy(b);
    stub_task_destroy(a);
}

static void check_path_files(struct tap *t, struct task *task)
{
    char c;
    sys_close(task, (int32_t)sys_openat(task, LINUX_AT_FDCWD, at("/f"), LINUX_O_CREAT, 0600));
    int64_t fd = sys_openat(task, LINUX_AT_FDCWD, at("/f"), LINUX_O_PATH | LINUX_O_RDWR, 0);
    CHECK(t, fd == 0 && sys_read(task, 0, at(&c), 1) == -LINUX_EBADF, "O_PATH cannot be read");
    CHECK(t, sys_fcntl(task, 0, LINUX_F_GETFL, 0) & LINUX_O_PATH, "but has its flags");
    CHECK(t, sys_fcntl(task, 0, LINUX_F_SETFL, 0) == -LINUX_EBADF, "which cannot be set");
    CHECK(t, sys_fchmod(task, 0, 0) == -LINUX_EBADF && sys_ioctl(task, 0, 0, 0) == -LINUX_EBADF,
          "nor can it be changed");
    CHECK(t, sys_openat(task, 0, at("g"), LINUX_O_CREAT, 0) == -LINUX_ENOTDIR,
          "a name below a file is ENOTDIR");
    CHECK(t, sys_openat(task, 9, at("g"), LINUX_O_CREAT, 0) == -LINUX_EBADF, "below nothing EBADF");
    CHECK(t, sys_openat(task, 9, at(""), 0, 0) == -LINUX_ENOENT, "an empty name is ENOENT first");
    CHECK(t, sys_openat(task, 9, at("/f"), 0, 0) == 1, "an absolute one needs no descriptor");
    sys_close_range(task, 0, UINT32_MAX, 0);
}

static void check_locks(struct tap *t, struct kernel *kernel)
{
    struct task *a = stub_task_create(kernel, NULL), *b = stub_task_create(kernel, NULL);
    struct linux_flock fl = {.l_type = LINUX_F_WRLCK, .l_start = 10, .l_len = 5};
    sys_openat(a, LINUX_AT_FDCWD, at("/l"), LINUX_O_CREAT | LINUX_O_RDWR, 0600);
    sys_openat(a, LINUX_AT_FDCWD, at("/l"), LINUX_O_RDONLY, 0);
    sys_openat(b, LINUX_AT_FDCWD, at("/l"), LINUX_O_RDWR, 0);
    CHECK(t, sys_fcntl(a, 0, LINUX_F_SETLK, at(&fl)) == 0, "a write lock");
    CHECK(t, sys_fcntl(a, 1, LINUX_F_SETLK, at(&fl)) == -LINUX_EBADF, "takes a writable file");
    CHECK(t, sys_fcntl(b, 0, LINUX_F_SETLK, at(&fl)) == -LINUX_EAGAIN, "and keeps others out");
    struct linux_flock test = {.l_type = LINUX_F_RDLCK};
    CHECK(t,
          sys_fcntl(b, 0, LINUX_F_GETLK, at(&test)) == 0 && test.l_type == LINUX_F_WRLCK &&
              test.l_start == 10 && test.l_len == 5 && test.l_pid == 1,
          "who see it");
    fl.l_len = -11;
    CHECK(t, sys_fcntl(b, 0, LINUX_F_SETLK, at(&fl)) == -LINUX_EINVAL,
          "before the start is EINVAL");
    fl.l_len = 5;
    CHECK(t, sys_close(a, 1) == 0 && sys_fcntl(b, 0, LINUX_F_SETLK, at(&fl)) == 0,
          "closing any descriptor of the file releases the lock");
    CHECK(t, sys_flock(a, 0, 2) == 0 && sys_flock(b, 0, 2 | 4) == -LINUX_EAGAIN, "flock excludes");
    stub_task_destroy(a);
    CHECK(t, sys_flock(b, 0, 2 | 4) == 0, "until its file is closed");
    stub_task_destroy(b);
}

// --- Threads that share a table ------------------------------------------------------------------

enum { ROUNDS = 20000 };

static void open_and_close(void *arg)
{
    struct task *task = arg;
    uint64_t one = 1, value;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t fd = sys_eventfd2(task, 0, LINUX_O_NONBLOCK);
        ISH_ASSERT(fd >= 0);
        // The other thread may close or replace it at any moment; only these answers are right.
        int64_t n = sys_write(task, (int32_t)fd, at(&one), 8);
        ISH_ASSERT(n == 8 || n == -LINUX_EBADF);
        n = sys_read(task, (int32_t)fd, at(&value), 8);
        ISH_ASSERT(n == 8 || n == -LINUX_EBADF || n == -LINUX_EAGAIN);
        sys_dup3(task, (int32_t)fd, (int32_t)(fd + 1) % 40, 0);
        sys_close(task, (int32_t)(i % 40));
    }
}

static void check_threads(struct tap *t, struct kernel *kernel)
{
    struct task *a = stub_task_create(kernel, NULL), *b = stub_task_create(kernel, a);
    pthread_t thread;
    ISH_ASSERT(!thread_start_joinable(open_and_close, b, "other", &thread));
    open_and_close(a);
    thread_join(thread);
    CHECK(t, sys_close_range(a, 0, UINT32_MAX, 0) == 0 && sys_eventfd2(a, 0, 0) == 0,
          "two threads open, replace and close in one table");
    stub_task_destroy(b);
    stub_task_destroy(a);
}

int main(void)
{
    struct tap t = {0, 0};
    struct kernel *kernel = stub_kernel_create();
    struct task *task = stub_task_create(kernel, NULL);
    check_numbers(&t, task);
    check_copies(&t, kernel);
    check_path_files(&t, task);
    check_locks(&t, kernel);
    check_threads(&t, kernel);
    stub_task_destroy(task);
    stub_kernel_destroy(kernel);
    return tap_finish(&t);
}
