// Another process's memory and objects: process_vm_readv and writev, kcmp.
#include "probe.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { PAGE = 4096 };

static long vm(int nr, pid_t pid, const struct iovec *l, unsigned long ln, const struct iovec *r,
               unsigned long rn, unsigned long flags)
{
    return syscall(nr, pid, l, ln, r, rn, flags);
}
#define READ(...)  vm(SYS_process_vm_readv, __VA_ARGS__)
#define WRITE(...) vm(SYS_process_vm_writev, __VA_ARGS__)

static char *area; // the same place in parent and child: 4 pages, the third a hole

static void child_body(int in, int out)
{
    memset(area, 'c', 2 * PAGE);
    memset(area + 3 * PAGE, 'd', PAGE);
    tell(out);
    hear(in);
    // What the parent wrote.
    SHOW("in the child", "%.5s %c%c%c", area, area[PAGE - 1], area[PAGE], area[PAGE + 1]);
    _exit(0);
}

static void vectors(pid_t pid)
{
    char buf[2 * PAGE];
    struct iovec l = {buf, 8}, r = {area, 8};
    show_call("read", READ(pid, &l, 1, &r, 1, 0));
    SHOW("... bytes", "%.8s", buf);
    show_call("flags", READ(pid, &l, 1, &r, 1, 1));
    show_call("nobody", READ(0x3ffffff, &l, 1, &r, 1, 0));
    show_call("process 0", READ(0, &l, 1, &r, 1, 0));
    show_call("process -1", READ(-1, &l, 1, &r, 1, 0));
    show_call("no local", READ(pid, &l, 0, &r, 1, 0));
    show_call("no remote", READ(pid, &l, 1, &r, 0, 0));
    show_call("too many local", READ(pid, &l, 1025, &r, 1, 0));
    show_call("too many remote", READ(pid, &l, 1, &r, 1025, 0));
    show_call("bad local vector", READ(pid, (void *)8, 1, &r, 1, 0));
    show_call("bad remote vector", READ(pid, &l, 1, (void *)8, 1, 0));
    struct iovec empty = {buf, 0}, negative = {area, SIZE_MAX};
    show_call("empty local", READ(pid, &empty, 1, (void *)8, 1, 0));
    show_call("empty remote of nobody", READ(0x3ffffff, &l, 1, &empty, 1, 0));
    show_call("negative remote", READ(pid, &l, 1, &negative, 1, 0));
    show_call("negative local", READ(pid, &negative, 1, &r, 1, 0));
    struct iovec hole = {area + 2 * PAGE, 8}, kernel = {(void *)(1ul << 60), 8};
    show_call("hole", READ(pid, &l, 1, &hole, 1, 0));
    show_call("kernel half", READ(pid, &l, 1, &kernel, 1, 0));
    struct iovec bad_local = {(void *)16, 8};
    show_call("bad local memory", READ(pid, &bad_local, 1, &r, 1, 0));
    struct iovec many_l[3] = {{buf, 3}, {buf + 10, 0}, {buf + 20, 50}};
    struct iovec many_r[3] = {{area + PAGE - 4, 10}, {area + 3 * PAGE, 6}, {area, 1}};
    memset(buf, '-', sizeof buf);
    show_call("scattered", READ(pid, many_l, 3, many_r, 3, 0));
    SHOW("... bytes", "%.3s %.16s", buf, buf + 20);
    struct iovec big_l = {buf, sizeof buf}, into_hole = {area + PAGE, 2 * PAGE};
    show_call("until the hole", READ(pid, &big_l, 1, &into_hole, 1, 0));
    struct iovec then_hole[2] = {{area, 10}, {area + 2 * PAGE, 10}};
    show_call("then the hole", READ(pid, &big_l, 1, then_hole, 2, 0));
    struct iovec more = {area, PAGE + 100};
    show_call("more than there is room for", READ(pid, &l, 1, &more, 1, 0));
}

static void memory(void)
{
    int down[2], up[2];
    pipe(down), pipe(up);
    area = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(area + 2 * PAGE, PAGE);
    memset(area, 'p', 2 * PAGE);
    fflush(stdout);
    pid_t pid = fork();
    if (!pid)
        child_body(down[0], up[1]);
    hear(up[0]);
    vectors(pid);
    char text[] = "HELLO";
    struct iovec l = {text, 5}, r = {area, 5};
    show_call("write", WRITE(pid, &l, 1, &r, 1, 0));
    struct iovec both[2] = {{area + PAGE - 1, 2}, {area + PAGE + 1, 1}};
    show_call("write over two pages", WRITE(pid, &l, 1, both, 2, 0));
    SHOW("here nothing changed", "%.5s", area);
    struct iovec code = {(void *)(uintptr_t)memory, 5};
    show_call("write to code", WRITE(pid, &l, 1, &code, 1, 0));
    tell(down[1]);
    waitpid(pid, NULL, 0);
    show_call("of one that is gone", READ(pid, &l, 1, &r, 1, 0));
    struct iovec own = {text, 5}, to = {area, 5};
    show_call("of itself", READ(getpid(), &to, 1, &own, 1, 0));
    SHOW("... bytes", "%.5s", area);
    pid = fork();
    if (!pid)
        _exit(0);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    show_call("of a zombie", READ(pid, &l, 1, &r, 1, 0));
    waitpid(pid, NULL, 0);
}

// As another user: only what one may trace.
static void rights(void)
{
    int down[2], up[2];
    static const struct {
        const char *name;
        int uid, dumpable;
    } kinds[] = {{"same user", 1000, 1}, {"another user", 1001, 1}, {"not dumpable", 1000, 0}};
    char text[4] = "abc";
    struct iovec v = {text, 4};
    if (geteuid()) {
        printf("needs root\n");
        return;
    }
    for (int i = 0; i < 3; i++) {
        pipe(down), pipe(up);
        fflush(stdout);
        pid_t pid = fork();
        if (!pid) {
            setresgid(1000, 1000, 1000);
            setresuid((uid_t)kinds[i].uid, (uid_t)kinds[i].uid, (uid_t)kinds[i].uid);
            prctl(PR_SET_DUMPABLE, kinds[i].dumpable);
            tell(up[1]);
            hear(down[0]);
            _exit(0);
        }
        hear(up[0]);
        IN_CHILD(kinds[i].name, {
            setresgid(1000, 1000, 1000);
            setresuid(1000, 1000, 1000);
            show_call("read", READ(pid, &v, 1, &v, 1, 0));
            show_call("kcmp", syscall(SYS_kcmp, getpid(), pid, 1, 0, 0) ? 1 : 0);
        });
        show_call("root reads", READ(pid, &v, 1, &v, 1, 0));
        tell(down[1]);
        waitpid(pid, NULL, 0);
    }
}

// --- kcmp ----------------------------------------------------------------------------------------

enum { FILE_ = 0, VM, FILES, FS, SIGHAND, IO, SYSVSEM, EPOLL_TFD };

static void show_same(const char *name, pid_t a, pid_t b, int type, unsigned long i,
                      unsigned long j)
{
    long r = syscall(SYS_kcmp, a, b, type, i, j);
    SHOW(name, "%s", r < 0 ? strerrorname_np(errno) : r == 0 ? "same" : "different");
}

static void *thread_ids(void *arg)
{
    int *p = arg;
    p[0] = (int)syscall(SYS_gettid);
    tell(p[2]);
    hear(p[1]);
    return NULL;
}

static void objects(void)
{
    static const char *const names[] = {"file", "vm", "files", "fs", "sighand", "io", "sysvsem"};
    pid_t self = getpid();
    int go[2], done[2], a[2];
    pipe(go), pipe(done), pipe(a);
    int again = dup(a[0]), reopened = open("/dev/null", O_RDONLY);
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        hear(go[0]);
        _exit(0);
    }
    int thread[3] = {0, go[0], done[1]};
    pthread_t t;
    pthread_create(&t, NULL, thread_ids, thread);
    hear(done[0]);
    for (int type = FILE_; type <= SYSVSEM; type++) {
        char text[64];
        snprintf(text, sizeof text, "%s of itself", names[type]);
        show_same(text, self, self, type, 0, 0);
        snprintf(text, sizeof text, "%s of a thread", names[type]);
        show_same(text, self, thread[0], type, 0, 0);
        if (type == SYSVSEM)
            continue; // a thread makes a list of undo operations, which only this shows
        snprintf(text, sizeof text, "%s of a child", names[type]);
        show_same(text, self, pid, type, 0, 0);
    }
    show_same("dup", self, self, FILE_, (unsigned)a[0], (unsigned)again);
    show_same("inherited", self, pid, FILE_, (unsigned)a[0], (unsigned)again);
    show_same("other end", self, self, FILE_, (unsigned)a[0], (unsigned)a[1]);
    show_same("another", self, self, FILE_, (unsigned)a[0], (unsigned)reopened);
    show_same("bad descriptor", self, self, FILE_, 0, 999);
    show_same("huge descriptor", self, self, FILE_, 1ul << 40, 0);
    show_same("type", self, self, 8, 0, 0);
    show_same("negative type", self, self, -1, 0, 0);
    show_same("nobody", self, 0x3ffffff, VM, 0, 0);
    show_same("process 0", 0, self, VM, 0, 0);
    long one = syscall(SYS_kcmp, self, self, FILE_, a[0], a[1]);
    long other = syscall(SYS_kcmp, self, self, FILE_, a[1], a[0]);
    SHOW("an order", "%d", (one == 1 && other == 2) || (one == 2 && other == 1));
    int ep = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(ep, EPOLL_CTL_ADD, a[0], &event);
    struct {
        uint32_t efd, tfd, toff;
    } slot = {(uint32_t)ep, (uint32_t)a[0], 0};
    show_same("watched", self, self, EPOLL_TFD, (unsigned)a[0], (unsigned long)&slot);
    show_same("watched, dup", self, self, EPOLL_TFD, (unsigned)again, (unsigned long)&slot);
    show_same("watched, another", self, self, EPOLL_TFD, (unsigned)a[1], (unsigned long)&slot);
    slot.toff = 1;
    show_same("second of one", self, self, EPOLL_TFD, (unsigned)a[0], (unsigned long)&slot);
    slot.tfd = (uint32_t)a[1], slot.toff = 0;
    show_same("not watched", self, self, EPOLL_TFD, (unsigned)a[0], (unsigned long)&slot);
    slot.efd = (uint32_t)a[1];
    show_same("no epoll", self, self, EPOLL_TFD, (unsigned)a[0], (unsigned long)&slot);
    show_same("bad slot", self, self, EPOLL_TFD, (unsigned)a[0], 8);
    tell(go[1]), tell(go[1]);
    pthread_join(t, NULL);
    waitpid(pid, NULL, 0);
    IN_CHILD("shared by clone", {
        static char stack[65536] __attribute__((aligned(16)));
        int kept[2];
        pipe(kept);
        pid_t c = (pid_t)syscall(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0);
        (void)stack;
        if (!c) {
            hear(kept[0]);
            _exit(0);
        }
        show_same("files", getpid(), c, FILES, 0, 0);
        show_same("fs", getpid(), c, FS, 0, 0);
        show_same("vm", getpid(), c, VM, 0, 0);
        tell(kept[1]);
        waitpid(c, NULL, 0);
    });
}

int main(void)
{
    run_as_child(memory);
    run_as_child(rights);
    run_as_child(objects);
    return 0;
}
