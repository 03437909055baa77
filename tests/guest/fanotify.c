// fanotify: notifications with a descriptor of what they are about. Runs as user 0.
#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { CLOEXEC = 1, NONBLOCK = 2, UNLIMITED = 0x10, TID = 0x100 };
enum { ADD = 1, REMOVE = 2, NOFOLLOW = 4, ONLYDIR = 8, ON_MOUNT = 0x10, IGNORED = 0x20 };
enum { KEPT = 0x40, FLUSH = 0x80, ON_SUPER = 0x100 };
enum { ACCESS = 1, MODIFY = 2, CLOSE_W = 8, CLOSE_N = 0x10, OPEN = 0x20, OPEN_EXEC = 0x1000 };
enum { ONDIR = 0x40000000, ON_CHILD = 0x08000000, EVENTS = 0x3b };
struct event {
    uint32_t len;
    uint8_t version, reserved;
    uint16_t head;
    uint64_t mask;
    int32_t fd, pid;
};

static int init(unsigned flags, unsigned event_flags)
{
    return (int)syscall(SYS_fanotify_init, flags, event_flags);
}
static int mark(int fd, unsigned flags, uint64_t mask, int dir, const char *path)
{
    return (int)syscall(SYS_fanotify_mark, fd, flags, mask, dir, path);
}
static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    write(fd, text, strlen(text));
    close(fd);
}

// What has happened, each with the name of what its descriptor leads to.
static void show_events(const char *name, int fd)
{
    struct event e[16];
    SHOW(name, "%s", "");
    for (ssize_t n; (n = read(fd, e, sizeof e)) > 0;)
        for (unsigned i = 0; i < (unsigned)n / sizeof e[0]; i++) {
            char link[64], path[256] = "";
            snprintf(link, sizeof link, "/proc/self/fd/%d", e[i].fd);
            readlink(link, path, sizeof path - 1);
            SHOW("... event", "%#llx %s mine %d, %u %d %u", (unsigned long long)e[i].mask, path,
                 e[i].pid == getpid(), e[i].len, e[i].version, e[i].head);
            close(e[i].fd);
        }
    SHOW("... then", "%s", strerrorname_np(errno));
}

static void touch(const char *path)
{
    char c;
    int fd = open(path, O_RDWR);
    read(fd, &c, 1);
    write(fd, "x", 1);
    close(fd);
}

static void calls(void)
{
    show_call("init flags", init(0x80000000, 0));
    show_call("init event flags", init(0, O_CREAT));
    show_call("init access", init(0, 3));
    int fd = init(CLOEXEC | NONBLOCK, O_RDONLY | O_CLOEXEC);
    SHOW("init", "%d %d %d", fd >= 0, fcntl(fd, F_GETFD), !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    char link[64], name[64] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    readlink(link, name, sizeof name - 1);
    SHOW("... name", "%s", name);
    show_call("read of nothing", read(fd, name, sizeof name));
    show_call("read too little", read(fd, name, 8));
    show_call("mark wide mask", mark(fd, ADD, 1ull << 32, AT_FDCWD, "/tmp"));
    show_call("mark flags", mark(fd, 0x10000, OPEN, AT_FDCWD, "/tmp"));
    show_call("mark nothing to do", mark(fd, 0, OPEN, AT_FDCWD, "/tmp"));
    show_call("mark both", mark(fd, ADD | REMOVE, OPEN, AT_FDCWD, "/tmp"));
    show_call("mark no events", mark(fd, ADD, 0, AT_FDCWD, "/tmp"));
    show_call("mark unknown events", mark(fd, ADD, 0x2000000, AT_FDCWD, "/tmp"));
    show_call("mark two kinds", mark(fd, ADD | ON_MOUNT | ON_SUPER, OPEN, AT_FDCWD, "/tmp"));
    show_call("mark names", mark(fd, ADD, 0x100, AT_FDCWD, "/tmp"));
    show_call("flush with more", mark(fd, FLUSH | ADD, 0, AT_FDCWD, "/tmp"));
    show_call("mark of no group", mark(0, ADD, OPEN, AT_FDCWD, "/tmp"));
    show_call("mark of nothing", mark(99, ADD, OPEN, AT_FDCWD, "/tmp"));
    show_call("mark no path", mark(fd, ADD, OPEN, AT_FDCWD, "/tmp/none"));
    show_call("mark bad path", mark(fd, ADD, OPEN, AT_FDCWD, (char *)8));
    show_call("mark bad directory", mark(fd, ADD, OPEN, 99, "x"));
    show_call("mark bad descriptor", mark(fd, ADD, OPEN, 99, NULL));
    show_call("mark only directories", mark(fd, ADD | ONLYDIR, OPEN, AT_FDCWD, "/tmp/f"));
    show_call("remove what is not there", mark(fd, REMOVE, OPEN, AT_FDCWD, "/tmp/f"));
    show_call("mark", mark(fd, ADD, OPEN, AT_FDCWD, "/tmp/f"));
    show_call("mark more", mark(fd, ADD, CLOSE_N, AT_FDCWD, "/tmp/f"));
    show_call("remove some", mark(fd, REMOVE, OPEN, AT_FDCWD, "/tmp/f"));
    touch("/tmp/f"), close(open("/tmp/f", O_RDONLY));
    show_events("events", fd);
    show_call("remove the rest", mark(fd, REMOVE, CLOSE_N, AT_FDCWD, "/tmp/f"));
    show_call("remove again", mark(fd, REMOVE, CLOSE_N, AT_FDCWD, "/tmp/f"));
    show_call("flush", mark(fd, FLUSH, 0, AT_FDCWD, NULL));
    static const unsigned classes[] = {0,    1,    2,     4,     8,     0xc,   0x10,  0x20,
                                       0x40, 0x80, 0x100, 0x204, 0x208, 0x20c, 0x800, 0x1000};
    for (int who = 0; who < 2; who++)
        for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
            // Of what root may ask only the classes
            if (!who && (classes[i] & ~0xcu))
                continue;
            char what[40];
            snprintf(what, sizeof what, "%s, init %#x", who ? "nobody" : "root", classes[i]);
            IN_CHILD(what, if (who) setuid(1000); show_done("... class", init(classes[i], 0)));
        }
    IN_CHILD("nobody", setuid(1000); show_call("... init", init(0, 0));
             show_call("... unlimited", init(UNLIMITED | 0x200, 0)));
}

static void events(void)
{
    int fd = init(NONBLOCK, O_RDONLY), bytes;
    mark(fd, ADD, EVENTS, AT_FDCWD, "/tmp/f");
    touch("/tmp/f");
    struct pollfd p = {fd, POLLIN, 0};
    show_call("poll", poll(&p, 1, 0));
    SHOW("... ready", "%d", p.revents & POLLIN);
    ioctl(fd, FIONREAD, &bytes);
    SHOW("bytes", "%d", bytes);
    show_events("one file", fd);
    SHOW("poll", "%d", poll(&p, 1, 0));
    truncate("/tmp/f", 1), chmod("/tmp/f", 0600), rename("/tmp/f", "/tmp/f2");
    rename("/tmp/f2", "/tmp/f");
    show_events("nothing of names", fd);
    IN_CHILD("by a child", touch("/tmp/f"));
    show_events("...", fd);
    close(open("/tmp/g", O_RDONLY)), close(open("/tmp/f", O_RDONLY));
    close(open("/tmp/f", O_PATH));
    show_events("another is not watched", fd);
    mark(fd, FLUSH, 0, AT_FDCWD, NULL);

    mark(fd, ADD, OPEN | CLOSE_W, AT_FDCWD, "/tmp/d");
    close(open("/tmp/d", O_RDONLY)), touch("/tmp/d/h");
    show_events("directory without more", fd);
    mark(fd, ADD, ONDIR, AT_FDCWD, "/tmp/d");
    close(open("/tmp/d", O_RDONLY)), touch("/tmp/d/h");
    show_events("directory itself", fd);
    mark(fd, ADD, ON_CHILD, AT_FDCWD, "/tmp/d");
    touch("/tmp/d/h"), touch("/tmp/d/e/i"), close(open("/tmp/d/e", O_RDONLY));
    show_events("children", fd);
    int inside = open("/tmp/d/h", O_RDONLY);
    unlink("/tmp/d/h");
    close(inside);
    show_events("of one removed", fd);
    mark(fd, FLUSH, 0, AT_FDCWD, NULL);
}

static void wide(void)
{
    int fd = init(NONBLOCK, O_RDONLY | O_LARGEFILE), dir = open("/tmp", O_RDONLY);
    mount("/tmp/d", "/tmp/view", NULL, MS_BIND, NULL);
    show_call("mount", mark(fd, ADD | ON_MOUNT, OPEN | CLOSE_W, AT_FDCWD, "/tmp/view"));
    show_call("mount and names", mark(fd, ADD | ON_MOUNT, 0x100, AT_FDCWD, "/tmp/view"));
    touch("/tmp/d/h");
    show_events("the other way", fd);
    touch("/tmp/view/h"), touch("/tmp/view/e/i");
    show_events("through it", fd);
    show_call("flush mounts", mark(fd, FLUSH | ON_MOUNT, 0, AT_FDCWD, NULL));
    touch("/tmp/view/h");
    show_events("after", fd);
    show_call("file system", mark(fd, ADD | ON_SUPER, CLOSE_W, dir, NULL));
    touch("/tmp/view/h"), touch("/tmp/f");
    show_events("everywhere", fd);
    show_call("ignored", mark(fd, ADD | IGNORED | KEPT, CLOSE_W, AT_FDCWD, "/tmp/f"));
    touch("/tmp/f"), touch("/tmp/g");
    show_events("all but one", fd);
    show_call("ignored until it changes", mark(fd, ADD | IGNORED, OPEN, AT_FDCWD, "/tmp/g"));
    mark(fd, ADD | ON_SUPER, OPEN, dir, NULL);
    close(open("/tmp/g", O_RDONLY));
    show_events("quiet", fd);
    touch("/tmp/g"), close(open("/tmp/g", O_RDONLY));
    show_events("changed", fd);
    close(fd);
    fd = init(NONBLOCK, O_RDONLY);
    mark(fd, ADD, OPEN | OPEN_EXEC, AT_FDCWD, "/proc/self/exe");
    IN_CHILD("run", char *argv[] = {"again", NULL}, *envp[] = {"FANOTIFY_AGAIN=1", NULL};
             execve("/proc/self/exe", argv, envp));
    struct event e[4];
    ssize_t n = read(fd, e, sizeof e);
    SHOW("... seen", "%d %#llx", n >= (ssize_t)sizeof e[0], (unsigned long long)e[0].mask);
}

static void waits(void)
{
    int fd = init(0, O_RDONLY);
    mark(fd, ADD, CLOSE_W, AT_FDCWD, "/tmp/f");
    pid_t child = fork();
    if (child == 0) {
        sleep_ms(30);
        touch("/tmp/f");
        _exit(0);
    }
    struct event e;
    show_call("read waits", read(fd, &e, sizeof e));
    SHOW("...", "%#llx of the child %d", (unsigned long long)e.mask, e.pid == child);
    show_end("child", child);
    struct stat a, b;
    fstat(e.fd, &a), stat("/tmp/f", &b);
    SHOW("same object", "%d", a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    char c;
    show_call("read by it", read(e.fd, &c, 1));
    show_call("write by it", write(e.fd, &c, 1));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    close(e.fd);
    show_events("of which nobody hears", fd);
}

// --- Edges ---------------------------------------------------------------------------------------

static void *touch_it(void *tid)
{
    *(int *)tid = (int)syscall(SYS_gettid);
    touch("/tmp/f");
    return NULL;
}

static void edges(void)
{
    int fd = init(NONBLOCK, O_RDONLY), file = open("/tmp/f", O_RDONLY),
        dir = open("/tmp/d", O_RDONLY);
    struct event e[2];
    symlink("f", "/tmp/link");
    show_call("flush only directories", mark(fd, FLUSH | ONLYDIR, 0, AT_FDCWD, NULL));
    show_call("directory by descriptor", mark(fd, ADD | ONLYDIR, OPEN, dir, NULL));
    show_call("file by descriptor", mark(fd, ADD | ONLYDIR, OPEN, file, NULL));
    show_call("empty path", mark(fd, ADD, OPEN, file, ""));
    show_call("the link itself", mark(fd, ADD | NOFOLLOW, OPEN, AT_FDCWD, "/tmp/link"));
    close(open("/tmp/link", O_RDONLY));
    show_events("through it", fd);
    show_call("what it leads to", mark(fd, ADD, OPEN, AT_FDCWD, "/tmp/link"));
    close(open("/tmp/link", O_RDONLY));
    show_events("through it", fd);
    show_call("ignored", mark(fd, ADD | IGNORED, OPEN, AT_FDCWD, "/tmp/f"));
    close(open("/tmp/f", O_RDONLY));
    show_events("quiet", fd);
    show_call("no more", mark(fd, REMOVE | IGNORED, OPEN, AT_FDCWD, "/tmp/f"));
    close(open("/tmp/f", O_RDONLY));
    show_events("heard", fd);
    close(open("/tmp/f", O_RDONLY));
    show_call("to 8", read(fd, (void *)8, sizeof e));
    show_events("lost", fd);
    close(open("/tmp/f", O_RDONLY));
    struct rlimit old, none;
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    show_call("no descriptor for it", read(fd, e, sizeof e));
    setrlimit(RLIMIT_NOFILE, &old);
    show_events("lost", fd);
    close(open("/tmp/f", O_RDONLY));
    close(fd);
    IN_CHILD("a user", {
        int own = init(NONBLOCK, O_RDONLY);
        chmod("/tmp/g", 0600);
        setuid(1000);
        show_call("... of what he may not read", mark(own, ADD, OPEN, AT_FDCWD, "/tmp/g"));
        show_call("... of what he may", mark(own, ADD, OPEN, AT_FDCWD, "/tmp/d"));
    });
    fd = init(NONBLOCK | TID, O_RDONLY);
    mark(fd, ADD, CLOSE_W, AT_FDCWD, "/tmp/f");
    pthread_t t;
    int tid = 0;
    pthread_create(&t, NULL, touch_it, &tid);
    pthread_join(t, NULL);
    show_call("an event of a thread", read(fd, e, sizeof e));
    SHOW("... by its number", "%d", e[0].pid == tid && tid != getpid());
    close(e[0].fd), close(fd);
}

// More than a queue holds.
static void overflow(void)
{
    enum { FILES = 16500 };
    char name[32];
    for (int unlimited = 0; unlimited < 2; unlimited++) {
        int fd = init(NONBLOCK | (unlimited ? UNLIMITED : 0), O_RDONLY), count = 0, over = 0;
        mark(fd, ADD, CLOSE_N | ON_CHILD, AT_FDCWD, "/tmp/many");
        for (int i = 0; i < FILES; i++) {
            snprintf(name, sizeof name, "/tmp/many/%d", i);
            if (!unlimited)
                mknod(name, S_IFREG | 0600, 0);
            close(open(name, O_RDONLY));
        }
        struct event e[64];
        for (ssize_t n; (n = read(fd, e, sizeof e)) > 0;)
            for (size_t i = 0; i < (size_t)n / sizeof e[0]; i++) {
                count++;
                over += e[i].mask == 0x4000 && e[i].fd == -1;
                if (e[i].fd >= 0)
                    close(e[i].fd);
            }
        SHOW(unlimited ? "without limit" : "events", "%d, overflow %d", count, over);
        close(fd);
    }
}

static void own_tree(void)
{
    unshare(CLONE_NEWNS);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    mount("work", "/tmp", "tmpfs", 0, "mode=755");
    mkdir("/tmp/d", 0755), mkdir("/tmp/d/e", 0755), mkdir("/tmp/view", 0755);
    put("/tmp/f", "ff"), put("/tmp/g", "gg"), put("/tmp/d/h", "hh"), put("/tmp/d/e/i", "ii");
}

static void body(void)
{
    IN_CHILD("calls", own_tree(); calls());
    IN_CHILD("events", own_tree(); events());
    IN_CHILD("wide", own_tree(); wide());
    IN_CHILD("waits", own_tree(); waits());
    IN_CHILD("edges", own_tree(); edges());
    IN_CHILD("overflow", own_tree(); mkdir("/tmp/many", 0755); overflow());
}

static int has_fanotify(void)
{
    return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           init(0, O_RDONLY) >= 0;
}

int main(void)
{
    if (getenv("FANOTIFY_AGAIN"))
        return 3;
    probe_needs(has_fanotify, "fanotify and mounts of one's own");
    return run_as_child(body);
}
