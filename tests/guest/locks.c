// Locks on files and the flags of descriptors: ranges said in every way, who holds what and sees
// whom, waits that a signal or a deadlock ends, descriptors that have no file, and the requests any
// file takes.
#include "asleep.h"
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define BAD  ((void *)8)
#define LAST INT64_MAX

#ifndef F_OFD_GETLK
#define F_OFD_GETLK  36
#define F_OFD_SETLK  37
#define F_OFD_SETLKW 38
#endif

static volatile sig_atomic_t signals;
static void on_signal(int sig)
{
    (void)sig;
    signals++;
}

static long lock(int fd, int cmd, int type, int whence, int64_t start, int64_t len)
{
    struct flock fl = {(short)type, (short)whence, start, len, 0};
    return fcntl(fd, cmd, &fl);
}

// What another process would run into.
static void show_conflict(const char *name, int fd, int type, int64_t start, int64_t len)
{
    fflush(stdout);
    if (fork() == 0) {
        struct flock fl = {(short)type, SEEK_SET, start, len, 0};
        if (fcntl(fd, F_GETLK, &fl))
            show_call(name, -1);
        else if (fl.l_type == F_UNLCK)
            SHOW(name, "%s", "free");
        else
            SHOW(name, "%s by %s from %ld length %ld whence %d",
                 fl.l_type == F_RDLCK ? "read" : "written",
                 fl.l_pid == getppid() ? "the parent"
                 : fl.l_pid == -1      ? "a file"
                                       : "another",
                 (long)fl.l_start, (long)fl.l_len, fl.l_whence);
        exit(0);
    }
    wait(NULL);
}

// --- Ranges --------------------------------------------------------------------------------------

static void ranges(void)
{
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600);
    ftruncate(fd, 100);
    lseek(fd, 40, SEEK_SET);
    show_call("from the position", lock(fd, F_SETLK, F_WRLCK, SEEK_CUR, -5, 10));
    show_conflict("... is", fd, F_RDLCK, 0, 0);
    show_call("from the end", lock(fd, F_SETLK, F_RDLCK, SEEK_END, -10, 20));
    show_conflict("... is", fd, F_WRLCK, 80, 0);
    show_call("from nowhere", lock(fd, F_SETLK, F_RDLCK, 3, 0, 1));
    show_call("before the start", lock(fd, F_SETLK, F_RDLCK, SEEK_CUR, -41, 1));
    show_call("behind the end of all", lock(fd, F_SETLK, F_RDLCK, SEEK_CUR, LAST, 1));
    show_call("... from the end", lock(fd, F_SETLK, F_RDLCK, SEEK_END, LAST - 50, 1));
    show_call("end behind the end of all", lock(fd, F_SETLK, F_RDLCK, SEEK_SET, LAST - 5, 10));
    show_call("end at the end of all", lock(fd, F_SETLK, F_RDLCK, SEEK_SET, LAST - 5, 6));
    show_conflict("... is", fd, F_WRLCK, LAST - 1, 1);
    show_call("one byte more", lock(fd, F_SETLK, F_RDLCK, SEEK_SET, LAST - 5, 7));
    show_call("backwards", lock(fd, F_SETLK, F_WRLCK, SEEK_SET, 10, -4));
    show_conflict("... is", fd, F_RDLCK, 0, 9);
    show_call("backwards to the start", lock(fd, F_SETLK, F_WRLCK, SEEK_SET, 4, -4));
    show_call("backwards beyond it", lock(fd, F_SETLK, F_WRLCK, SEEK_SET, 4, -5));
    show_call("backwards from the start", lock(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, -1));
    show_call("least length", lock(fd, F_SETLK, F_WRLCK, SEEK_SET, 4, INT64_MIN));
    show_call("unknown type", lock(fd, F_SETLK, 9, SEEK_SET, 0, 1));
    show_call("asked of no type", lock(fd, F_GETLK, F_UNLCK, SEEK_SET, 0, 1));
    show_call("asked of an unknown type", lock(fd, F_GETLK, 9, SEEK_SET, 0, 1));
    show_call("asked from nowhere", lock(fd, F_GETLK, F_RDLCK, 9, 0, 1));
    show_call("at 8", fcntl(fd, F_SETLK, BAD));
    show_call("wait at 8", fcntl(fd, F_SETLKW, BAD));
    show_call("asked at 8", fcntl(fd, F_GETLK, BAD));
    struct flock *fl = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *fl = (struct flock){F_RDLCK, SEEK_SET, 5000, 1, 0};
    mprotect(fl, 4096, PROT_READ);
    show_call("answer that cannot be stored", fcntl(fd, F_GETLK, fl));
    show_call("set from there", fcntl(fd, F_SETLK, fl));
    show_call("all", lock(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 0));
    show_conflict("... is", fd, F_RDLCK, 12345, 1);
    show_call("none", lock(fd, F_SETLK, F_UNLCK, SEEK_SET, 0, 0));
    show_conflict("... is", fd, F_WRLCK, 0, 0);
    closefrom(3);
}

static void kinds(void)
{
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600), p[2], dir = open(".", O_RDONLY);
    int ro = open("file", O_RDONLY), wo = open("file", O_WRONLY), path = open("file", O_PATH);
    pipe(p);
    struct flock owned = {F_RDLCK, SEEK_SET, 0, 1, 77};
    show_call("whole file's with an owner", fcntl(fd, F_OFD_SETLK, &owned));
    show_call("... asked", fcntl(fd, F_OFD_GETLK, &owned));
    show_call("read through write-only", lock(wo, F_SETLK, F_RDLCK, SEEK_SET, 0, 1));
    show_call("write through read-only", lock(ro, F_SETLK, F_WRLCK, SEEK_SET, 0, 1));
    show_call("... asked", lock(ro, F_GETLK, F_WRLCK, SEEK_SET, 0, 1));
    show_call("... none", lock(ro, F_SETLK, F_UNLCK, SEEK_SET, 0, 1));
    static const char *const names[] = {"pipe", "directory", "O_PATH", "none"};
    int fds[] = {p[0], dir, path, 99};
    for (int i = 0; i < 4; i++) {
        SHOW(names[i], "%s", "asked");
        show_call("... lock", lock(fds[i], F_SETLK, F_RDLCK, SEEK_SET, 0, 1));
        show_call("... lock from the end", lock(fds[i], F_SETLK, F_RDLCK, SEEK_END, 0, 1));
        show_call("... lock from the position", lock(fds[i], F_SETLK, F_RDLCK, SEEK_CUR, 0, 1));
        show_call("... its own lock", lock(fds[i], F_OFD_SETLK, F_RDLCK, SEEK_SET, 0, 1));
        show_call("... ask", lock(fds[i], F_GETLK, F_RDLCK, SEEK_SET, 0, 1));
        show_call("... flock", flock(fds[i], LOCK_SH | LOCK_NB));
        show_call("... flock without lock", flock(fds[i], LOCK_UN));
        show_call("... flags", fcntl(fds[i], F_SETFL, O_NONBLOCK));
        show_call("... unknown", fcntl(fds[i], 7777, 0));
    }
    show_call("whole file's", lock(fd, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 10));
    show_conflict("... is", fd, F_WRLCK, 0, 0);
    show_call("against a process's", lock(fd, F_SETLK, F_RDLCK, SEEK_SET, 5, 1));
    show_call("against another file's", lock(ro, F_OFD_SETLK, F_RDLCK, SEEK_SET, 5, 1));
    struct flock ask = {F_RDLCK, SEEK_SET, 0, 0, 0};
    show_call("asked by another file", fcntl(ro, F_OFD_GETLK, &ask));
    SHOW("... by", "%d from %ld length %ld", ask.l_pid, (long)ask.l_start, (long)ask.l_len);
    ask = (struct flock){F_RDLCK, SEEK_SET, 0, 0, 0};
    show_call("asked by itself", fcntl(fd, F_OFD_GETLK, &ask));
    SHOW("... is", "%s", ask.l_type == F_UNLCK ? "free" : "held");
    close(fd);
    show_call("closed", lock(ro, F_OFD_SETLK, F_RDLCK, SEEK_SET, 5, 1));
    closefrom(3);
}

// --- Waiting -------------------------------------------------------------------------------------

struct wait_call {
    pthread_t thread;
    atomic_int tid;
    int fd, cmd, at, error;
    long result;
};

static void *do_wait(void *arg)
{
    struct wait_call *w = arg;
    w->tid = (int)syscall(SYS_gettid);
    w->result = w->cmd ? lock(w->fd, w->cmd, F_WRLCK, SEEK_SET, w->at, 1) : flock(w->fd, LOCK_EX);
    w->error = errno;
    return NULL;
}
static void start(struct wait_call *w, int fd, int cmd, int at)
{
    *w = (struct wait_call){.fd = fd, .cmd = cmd, .at = at};
    pthread_create(&w->thread, NULL, do_wait, w);
    while (!w->tid)
        sched_yield();
    task_until_asleep(w->tid);
}
static void finish(const char *name, struct wait_call *w)
{
    pthread_join(w->thread, NULL);
    errno = w->error;
    show_call(name, w->result);
}

static void waiting(void)
{
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600), other = open("file", O_RDWR);
    int gate[2], ready[2];
    struct wait_call w;
    pipe(gate), pipe(ready);
    show_call("whole file's", lock(fd, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 1));
    start(&w, other, F_OFD_SETLKW, 0);
    pthread_kill(w.thread, SIGUSR1);
    finish("a signal", &w);
    start(&w, other, F_OFD_SETLKW, 0);
    lock(fd, F_OFD_SETLK, F_UNLCK, SEEK_SET, 0, 0);
    finish("given up", &w);
    lock(other, F_OFD_SETLK, F_UNLCK, SEEK_SET, 0, 0);
    show_call("flock", flock(fd, LOCK_EX));
    start(&w, other, 0, 0);
    pthread_kill(w.thread, SIGUSR1);
    finish("a signal", &w);
    start(&w, other, 0, 0);
    flock(fd, LOCK_UN);
    finish("given up", &w);
    show_call("shared while held", flock(fd, LOCK_SH | LOCK_NB));
    show_call("held by the other", flock(other, LOCK_SH));
    show_call("shared by both", flock(fd, LOCK_SH | LOCK_NB));
    show_call("alone", flock(fd, LOCK_EX | LOCK_NB));
    show_call("mandatory, as there were once", flock(fd, 32 | LOCK_SH));

    pid_t child = fork();
    if (child == 0) {
        lock(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 1);
        tell(ready[1]);
        hear(gate[0]);
        // Whoever asks second of the two is told.
        long n = lock(fd, F_SETLKW, F_WRLCK, SEEK_SET, 1, 1);
        _exit(n == 0 ? 0 : errno);
    }
    hear(ready[0]);
    lock(fd, F_SETLK, F_WRLCK, SEEK_SET, 1, 1);
    start(&w, fd, F_SETLKW, 0);
    tell(gate[1]);
    int status;
    waitpid(child, &status, 0);
    SHOW("a circle", "%s", strerrorname_np(WEXITSTATUS(status)));
    finish("... the other goes on", &w);
    child = fork();
    if (child == 0) {
        lock(fd, F_SETLK, F_WRLCK, SEEK_SET, 10, 1);
        tell(ready[1]);
        hear(gate[0]);
        _exit(0);
    }
    hear(ready[0]);
    show_call("one's own again", lock(other, F_SETLKW, F_WRLCK, SEEK_SET, 0, 1));
    start(&w, other, F_SETLKW, 10);
    tell(gate[1]);
    finish("... of one that ends", &w);
    waitpid(child, NULL, 0);
    closefrom(3);
}

// --- Flags and requests --------------------------------------------------------------------------

static void flags(void)
{
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0644), p[2], dir = open(".", O_RDONLY),
        n = -1;
    int event = eventfd(0, 0), on = 1, off = 0;
    int64_t size = -1;
    pipe(p);
    write(fd, "0123456789", 10);
    lseek(fd, 4, SEEK_SET);
    show_call("left to read", ioctl(fd, FIONREAD, &n));
    SHOW("... is", "%d", n);
    lseek(fd, 14, SEEK_SET);
    show_call("... behind the end", ioctl(fd, FIONREAD, &n));
    SHOW("... is", "%d", n);
    show_call("... at 8", ioctl(fd, FIONREAD, BAD));
    show_call("... of a directory", ioctl(dir, FIONREAD, &n));
    show_call("... of a counter", ioctl(event, FIONREAD, &n));
    show_call("size of a pipe", ioctl(p[0], FIOQSIZE, &size));
    show_call("size of a counter", ioctl(event, FIOQSIZE, &size));
    show_call("close on exec", ioctl(fd, FIOCLEX));
    SHOW("... is", "%d", fcntl(fd, F_GETFD));
    show_call("not", ioctl(fd, FIONCLEX));
    SHOW("... is", "%d", fcntl(fd, F_GETFD));
    show_call("of none", ioctl(99, FIOCLEX));
    show_call("without waiting", ioctl(p[0], FIONBIO, &on));
    SHOW("... is", "%x", fcntl(p[0], F_GETFL));
    show_call("with", ioctl(p[0], FIONBIO, &off));
    SHOW("... is", "%x", fcntl(p[0], F_GETFL));
    show_call("at 8", ioctl(p[0], FIONBIO, BAD));
    show_call("unknown request", ioctl(fd, 0x12345678, &on));
    show_call("unknown request of a directory", ioctl(dir, 0x12345678, &on));
    show_call("unknown request of a counter", ioctl(event, 0x12345678, &on));
    show_call("O_PATH", ioctl(open("file", O_PATH), FIONREAD, &n));
    IN_CHILD("a user", {
        setuid(1234);
        show_call("no times of another's", fcntl(fd, F_SETFL, O_NOATIME));
        show_call("append", fcntl(fd, F_SETFL, O_APPEND));
    });
    show_call("no times", fcntl(fd, F_SETFL, O_NOATIME));
    show_call("what cannot change", fcntl(fd, F_SETFL, O_RDONLY | O_CREAT | O_TRUNC | O_EXCL));
    SHOW("... is", "%x", fcntl(fd, F_GETFL) & ~0100000 & ~0400000);
    show_call("number too high", fcntl(fd, F_DUPFD, 1 << 30));
    show_call("number too low", fcntl(fd, F_DUPFD, -1));
    show_call("first from 50", fcntl(fd, F_DUPFD, 50));
    show_call("next from 50", fcntl(fd, F_DUPFD_CLOEXEC, 50));
    SHOW("... close on exec", "%d", fcntl(51, F_GETFD));
    struct rlimit old, r;
    getrlimit(RLIMIT_NOFILE, &old);
    r = old;
    r.rlim_cur = 52;
    setrlimit(RLIMIT_NOFILE, &r);
    show_call("none from 50", fcntl(fd, F_DUPFD, 50));
    show_call("at the limit", fcntl(fd, F_DUPFD, 52));
    show_call("dup2 at the limit", dup2(fd, 52));
    show_call("dup2 below it", dup2(fd, 40));
    setrlimit(RLIMIT_NOFILE, &old);
    show_call("close a range by flag", syscall(SYS_close_range, 45, 60, 4));
    SHOW("... is", "%d %d", fcntl(50, F_GETFD), fcntl(40, F_GETFD));
    show_call("close a range of one's own", syscall(SYS_close_range, 45, ~0u, 2));
    show_call("... is", fcntl(50, F_GETFD));
    show_call("both", syscall(SYS_close_range, 100, ~0u, 6));
    closefrom(3);
}

static void body(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &sa, NULL);
    closefrom(3);
    enter_work_dir();
    ranges();
    kinds();
    waiting();
    flags();
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
