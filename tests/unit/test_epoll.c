// epoll reports what is ready, once or as long as it holds, and forgets files that are gone.
#include "kernel/syscall_handlers.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/base/log.h"
#include "platform/thread.h"
#include "tests/unit/tap.h"
#include "tests/unit/task_stub.h"
#include <string.h>

static uaddr_t at(const void *p)
{
    return (uaddr_t)(uintptr_t)p;
}

static int64_t ctl(struct task *task, int64_t ep, int op, int64_t fd, uint32_t events,
                   uint64_t data)
{
    struct linux_epoll_event e = {.events = events, .data = data};
    return sys_epoll_ctl(task, (int32_t)ep, op, (int32_t)fd, at(&e));
}

// The single event that is ready now: its bits, 0 for none, UINT32_MAX for several.
static uint32_t ready(struct task *task, int64_t ep, uint64_t *data)
{
    struct linux_epoll_event e[4];
    int64_t n = sys_epoll_pwait(task, (int32_t)ep, at(e), 4, 0, 0, 8);
    if (n != 1)
        return n ? UINT32_MAX : 0;
    if (data)
        *data = e[0].data;
    return e[0].events;
}

static void add(struct task *task, int64_t fd)
{
    uint64_t one = 1;
    ISH_ASSERT(sys_write(task, (int32_t)fd, at(&one), 8) == 8);
}

static void take(struct task *task, int64_t fd)
{
    uint64_t value;
    ISH_ASSERT(sys_read(task, (int32_t)fd, at(&value), 8) == 8);
}

enum { ADD = LINUX_EPOLL_CTL_ADD, MOD = LINUX_EPOLL_CTL_MOD, DEL = LINUX_EPOLL_CTL_DEL };
enum { IN = LINUX_POLLIN };

static void check_modes(struct tap *t, struct task *task)
{
    int64_t ep = sys_epoll_create1(task, 0), fd = sys_eventfd2(task, 0, LINUX_O_NONBLOCK);
    uint64_t data = 0;
    CHECK(t, ctl(task, ep, ADD, fd, IN, 77) == 0 && ready(task, ep, NULL) == 0, "nothing at first");
    add(task, fd);
    CHECK(t, ready(task, ep, &data) == IN && data == 77, "level: ready, with the data given");
    CHECK(t, ready(task, ep, NULL) == IN, "level: as long as it holds");
    take(task, fd);
    CHECK(t, ready(task, ep, NULL) == 0, "level: no longer");
    CHECK(t, ctl(task, ep, MOD, fd, IN | LINUX_EPOLLET, 1) == 0, "edge-triggered");
    add(task, fd);
    CHECK(t, ready(task, ep, NULL) == IN && ready(task, ep, NULL) == 0, "edge: once");
    add(task, fd);
    CHECK(t, ready(task, ep, NULL) == IN, "edge: again for new data although the old is unread");
    CHECK(t,
          ctl(task, ep, MOD, fd, IN | LINUX_EPOLLONESHOT, 1) == 0 && ready(task, ep, NULL) == IN &&
              ready(task, ep, NULL) == 0,
          "one-shot: once");
    add(task, fd);
    CHECK(t, ready(task, ep, NULL) == 0, "one-shot: disarmed for new data too");
    CHECK(t, ctl(task, ep, ADD, fd, IN, 1) == -LINUX_EEXIST, "one-shot: still registered");
    CHECK(t, ctl(task, ep, MOD, fd, IN | LINUX_EPOLLONESHOT, 1) == 0 && ready(task, ep, NULL) == IN,
          "one-shot: armed again");
    CHECK(t, ctl(task, ep, DEL, fd, 0, 0) == 0 && ctl(task, ep, DEL, fd, 0, 0) == -LINUX_ENOENT,
          "removed once");
    CHECK(t, ctl(task, ep, MOD, fd, IN, 0) == -LINUX_ENOENT, "what is not there cannot change");
    sys_close_range(task, 0, UINT32_MAX, 0);
}

static void check_keys(struct tap *t, struct task *task)
{
    int64_t ep = sys_epoll_create1(task, 0), fd = sys_eventfd2(task, 1, 0), dup = sys_dup(task, 1);
    uint64_t data = 0;
    CHECK(t, ctl(task, ep, ADD, fd, IN, 1) == 0 && ctl(task, ep, ADD, dup, IN, 2) == 0,
          "a file can be watched through two descriptors");
    CHECK(t, ready(task, ep, NULL) == UINT32_MAX, "both report");
    CHECK(t, sys_close(task, (int32_t)fd) == 0 && ready(task, ep, NULL) == UINT32_MAX,
          "closing one descriptor of two ends nothing");
    CHECK(t, sys_close(task, (int32_t)dup) == 0 && ready(task, ep, NULL) == 0,
          "closing the last one ends both");
    fd = sys_eventfd2(task, 1, 0);
    CHECK(t, ctl(task, ep, ADD, fd, IN, 3) == 0 && ready(task, ep, &data) == IN && data == 3,
          "the number is free for another file");
    sys_close_range(task, 0, UINT32_MAX, 0);
}

static void check_errors(struct tap *t, struct task *task)
{
    int64_t ep = sys_epoll_create1(task, 0), fd = sys_eventfd2(task, 0, 0);
    int64_t file = sys_openat(task, LINUX_AT_FDCWD, at("/f"), LINUX_O_CREAT | LINUX_O_RDWR, 0600);
    struct linux_epoll_event e;
    CHECK(t, ctl(task, ep, ADD, file, IN, 0) == -LINUX_EPERM, "a regular file is EPERM");
    CHECK(t, ctl(task, ep, ADD, ep, IN, 0) == -LINUX_EINVAL, "an epoll in itself is EINVAL");
    CHECK(t, ctl(task, fd, ADD, ep, IN, 0) == -LINUX_EINVAL, "in something else too");
    CHECK(t, ctl(task, ep, ADD, 99, IN, 0) == -LINUX_EBADF, "a bad descriptor is EBADF");
    CHECK(t, ctl(task, 99, ADD, fd, IN, 0) == -LINUX_EBADF, "for the epoll too");
    CHECK(t, ctl(task, ep, 9, fd, IN, 0) == -LINUX_EINVAL, "an unknown operation is EINVAL");
    CHECK(t, sys_epoll_ctl(task, (int32_t)ep, ADD, (int32_t)fd, STUB_BAD_ADDRESS) == -LINUX_EFAULT,
          "a bad address is EFAULT");
    CHECK(t, sys_epoll_pwait(task, (int32_t)ep, at(&e), 0, 0, 0, 8) == -LINUX_EINVAL,
          "no room for events is EINVAL");
    CHECK(t,
          ctl(task, ep, ADD, fd, IN | LINUX_EPOLLEXCLUSIVE | LINUX_EPOLLONESHOT, 0) ==
              -LINUX_EINVAL,
          "EPOLLEXCLUSIVE does not go with EPOLLONESHOT");
    CHECK(t,
          ctl(task, ep, ADD, fd, IN | LINUX_EPOLLEXCLUSIVE, 0) == 0 &&
              ctl(task, ep, MOD, fd, IN, 0) == -LINUX_EINVAL,
          "and is not changed later");
    add(task, fd);
    CHECK(t,
          sys_epoll_pwait(task, (int32_t)ep, STUB_BAD_ADDRESS, 1, 0, 0, 8) == -LINUX_EFAULT &&
              ready(task, ep, NULL) == IN,
          "an event that could not be stored is not lost");
    sys_close_range(task, 0, UINT32_MAX, 0);
}

// The room for events crosses into a page that is not there yet.
static void check_absent_page(struct tap *t, struct task *task)
{
    enum { PAGE = 4096 };
    static _Alignas(PAGE) char pages[2 * PAGE];
    struct linux_epoll_event *e =
        (struct linux_epoll_event *)(void *)(pages + PAGE - sizeof *e - 8);
    int64_t ep = sys_epoll_create1(task, 0);
    for (uint64_t i = 0; i < 3; i++)
        ctl(task, ep, ADD, sys_eventfd2(task, 1, 0), IN, i);
    stub_drop_page(task, pages + PAGE);
    int64_t n = sys_epoll_pwait(task, (int32_t)ep, at(e), 5, 0, 0, 8);
    uint64_t seen = 0;
    for (int64_t i = 0; i < n && i < 5; i++)
        seen |= UINT64_C(1) << e[i].data;
    CHECK(t, n == 3 && seen == 7, "events across an absent page arrive once each");
    sys_close_range(task, 0, UINT32_MAX, 0);
}

static void check_nesting(struct tap *t, struct task *task)
{
    int64_t ep[8], fd = sys_eventfd2(task, 0, 0);
    for (int i = 0; i < 8; i++)
        ep[i] = sys_epoll_create1(task, 0);
    ISH_ASSERT(!ctl(task, ep[0], ADD, fd, IN, 0));
    bool good = true;
    for (int i = 1; i < 5; i++)
        good &= ctl(task, ep[i], ADD, ep[i - 1], IN, 0) == 0;
    CHECK(t, good, "epolls nest");
    CHECK(t, ctl(task, ep[0], ADD, ep[4], IN, 0) == -LINUX_ELOOP, "but not in a circle");
    CHECK(t, ready(task, ep[4], NULL) == 0, "nothing is ready");
    struct linux_pollfd p = {(int32_t)ep[4], IN, 0};
    uint64_t zero[2] = {0, 0};
    add(task, fd);
    CHECK(t, ready(task, ep[4], NULL) == IN, "readiness passes through five of them");
    CHECK(t, sys_ppoll(task, at(&p), 1, at(zero), 0, 8) == 1 && p.revents == IN, "and to poll");
    take(task, fd);
    CHECK(t, sys_ppoll(task, at(&p), 1, at(zero), 0, 8) == 0, "and goes again");
    sys_close_range(task, 0, UINT32_MAX, 0);
}

// --- Threads -------------------------------------------------------------------------------------

enum { MESSAGES = 20000, FDS = 8 };

struct sender {
    struct task *task;
    int64_t fd[FDS];
};

static void send_all(void *arg)
{
    const struct sender *s = arg;
    for (int i = 0; i < MESSAGES; i++)
        add(s->task, s->fd[i * 7 % FDS]);
}

// Every message is seen through edge-triggered events, whatever the timing.
static void check_edges(struct tap *t, struct kernel *kernel)
{
    struct task *a = stub_task_create(kernel, NULL), *b = stub_task_create(kernel, a);
    struct sender s = {.task = b};
    int64_t ep = sys_epoll_create1(a, 0);
    for (int i = 0; i < FDS; i++) {
        s.fd[i] = sys_eventfd2(a, 0, LINUX_O_NONBLOCK);
        ISH_ASSERT(!ctl(a, ep, ADD, s.fd[i], IN | LINUX_EPOLLET, (uint64_t)s.fd[i]));
    }
    pthread_t thread;
    ISH_ASSERT(!thread_start_joinable(send_all, &s, "sender", &thread));
    uint64_t total = 0;
    while (total < MESSAGES) {
        struct linux_epoll_event e[3];
        int64_t n = sys_epoll_pwait(a, (int32_t)ep, at(e), 3, 10000, 0, 8);
        if (n <= 0)
            break;
        for (int64_t i = 0; i < n; i++) {
            uint64_t value = 0;
            if (sys_read(a, (int32_t)e[i].data, at(&value), 8) == 8)
                total += value;
        }
    }
    thread_join(thread);
    CHECK(t, total == MESSAGES, "no edge is lost between a sender and a waiter");
    stub_task_destroy(b);
    stub_task_destroy(a);
}

struct churn {
    struct task *task;
    int64_t ep;
    _Atomic bool stop;
};

static void churn_files(void *arg)
{
    struct churn *c = arg;
    for (int i = 0; i < MESSAGES; i++) {
        int64_t fd = sys_eventfd2(c->task, 1, 0);
        ISH_ASSERT(fd >= 0 && !ctl(c->task, c->ep, ADD, fd, IN, 1));
        sys_close(c->task, (int32_t)fd);
    }
    atomic_store(&c->stop, true);
}

// Files vanish while their epoll looks at them.
static void check_churn(struct tap *t, struct kernel *kernel)
{
    struct task *a = stub_task_create(kernel, NULL), *b = stub_task_create(kernel, a);
    struct churn c = {.task = b, .ep = sys_epoll_create1(a, 0)};
    pthread_t thread;
    ISH_ASSERT(!thread_start_joinable(churn_files, &c, "churn", &thread));
    bool good = true;
    while (!atomic_load(&c.stop)) {
        struct linux_epoll_event e[4];
        good &= sys_epoll_pwait(a, (int32_t)c.ep, at(e), 4, 0, 0, 8) >= 0;
    }
    thread_join(thread);
    CHECK(t, good && ready(a, c.ep, NULL) == 0, "files close while they are being waited for");
    stub_task_destroy(b);
    stub_task_destroy(a);
}

int main(void)
{
    struct tap t = {0, 0};
    struct kernel *kernel = stub_kernel_create();
    struct task *task = stub_task_create(kernel, NULL);
    check_modes(&t, task);
    check_keys(&t, task);
    check_errors(&t, task);
    check_absent_page(&t, task);
    check_nesting(&t, task);
    check_edges(&t, kernel);
    check_churn(&t, kernel);
    stub_task_destroy(task);
    stub_kernel_destroy(kernel);
    return tap_finish(&t);
}
