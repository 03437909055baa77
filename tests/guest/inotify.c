// inotify: which events, in which order, with which names, for everything done to files.
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/xattr.h>

#define BAD ((void *)8)

static int in;
static unsigned cookies[8], cookie_count;

// Cookies are numbered as they come.
static int cookie_number(unsigned cookie)
{
    if (!cookie)
        return 0;
    for (unsigned i = 0; i < cookie_count; i++)
        if (cookies[i] == cookie)
            return (int)i + 1;
    if (cookie_count == 8)
        return -1;
    cookies[cookie_count++] = cookie;
    return (int)cookie_count;
}

static void show_events(const char *name)
{
    static char buf[65536] __attribute__((aligned(8)));
    SHOW("after", "%s", name);
    cookie_count = 0;
    for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;)
        for (ssize_t at = 0; at < n;) {
            struct inotify_event *e = (void *)(buf + at);
            const char *text = e->len ? e->name : "";
            SHOW("event", "wd %d mask %x cookie %d len %u '%s'", e->wd, e->mask,
                 cookie_number(e->cookie), e->len, *text == '#' ? "(number)" : text);
            at += (ssize_t)(sizeof *e + e->len);
        }
}

static void make(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (*text)
        write(fd, text, strlen(text));
    close(fd);
}

static void making(void)
{
    show_call("bad flags", inotify_init1(1));
    in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    SHOW("flags", "%d %x", fcntl(in, F_GETFD), (unsigned)fcntl(in, F_GETFL) & 04003);
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", in);
    ssize_t n = readlink(link, link, sizeof link - 1);
    link[n > 0 ? n : 0] = '\0';
    SHOW("link", "%s", link);
    mkdir("d", 0755);
    make("f", "text");
    show_call("no events", inotify_add_watch(in, "d", 0));
    show_call("unknown bit", inotify_add_watch(in, "d", 0x10000));
    show_call("flag alone", inotify_add_watch(in, "d", IN_ONLYDIR));
    show_call("same again", inotify_add_watch(in, "d", IN_ALL_EVENTS));
    show_call("create only", inotify_add_watch(in, "d", IN_ALL_EVENTS | IN_MASK_CREATE));
    show_call("both", inotify_add_watch(in, "d", IN_OPEN | IN_MASK_CREATE | IN_MASK_ADD));
    show_call("only directories", inotify_add_watch(in, "f", IN_OPEN | IN_ONLYDIR));
    show_call("missing", inotify_add_watch(in, "none", IN_OPEN));
    show_call("empty", inotify_add_watch(in, "", IN_OPEN));
    show_call("bad name", inotify_add_watch(in, BAD, IN_OPEN));
    show_call("bad descriptor", inotify_add_watch(99, "d", IN_OPEN));
    show_call("not inotify", inotify_add_watch(0, "d", IN_OPEN));
    show_call("remove nothing", inotify_rm_watch(in, 77));
    show_call("remove from nothing", inotify_rm_watch(99, 1));
    show_call("remove elsewhere", inotify_rm_watch(0, 1));
    show_call("write", write(in, "x", 1));
    show_call("nothing to read", read(in, link, sizeof link));
    show_call("seek", lseek(in, 0, SEEK_SET));
    show_call("remove", inotify_rm_watch(in, 1));
    show_events("remove");
    show_call("number", inotify_add_watch(in, "d", IN_ALL_EVENTS));
}

static void files(void)
{
    make("d/a", "");
    show_events("making empty");
    make("d/a", "text");
    show_events("rewriting");
    int fd = open("d/a", O_RDWR);
    char buf[16];
    read(fd, buf, 0);
    show_events("reading nothing");
    read(fd, buf, 3);
    read(fd, buf, 3);
    read(fd, buf, 3);
    show_events("reading");
    pwrite(fd, "x", 1, 0);
    pread(fd, buf, 1, 0);
    pwrite(fd, "x", 1, 0);
    show_events("at places");
    ftruncate(fd, 2);
    show_events("cutting");
    fchmod(fd, 0600);
    show_events("mode");
    struct timespec both[2] = {{1, 0}, {2, 0}}, one[2] = {{1, UTIME_OMIT}, {3, 0}},
                    other[2] = {{9, 0}, {1, UTIME_OMIT}};
    futimens(fd, both);
    futimens(fd, one);
    futimens(fd, other);
    show_events("times");
    posix_fallocate(fd, 0, 100);
    show_events("room");
    fsync(fd);
    int other_fd = dup(fd);
    close(fd);
    show_events("a copy is left");
    close(other_fd);
    show_events("closing");
    truncate("d/a", 1);
    chmod("d/a", 0644);
    chown("d/a", getuid(), getgid());
    chown("d/a", (uid_t)-1, (gid_t)-1);
    show_events("by name");
    fd = open("d/a", O_PATH);
    close(fd);
    access("d/a", R_OK);
    show_events("only a path");
    show_done("open missing", open("d/none", O_RDONLY));
    show_done("exclusive", open("d/a", O_CREAT | O_EXCL | O_RDWR, 0644));
    show_events("failing");
    fd = open("d", O_TMPFILE | O_RDWR, 0600);
    if (fd >= 0)
        write(fd, "x", 1), close(fd);
}

static void names(void)
{
    inotify_rm_watch(in, 2);
    show_events("stop");
    mkdir("d/s", 0755);
    int d = inotify_add_watch(in, "d", IN_ALL_EVENTS),
        s = inotify_add_watch(in, "d/s", IN_ALL_EVENTS);
    SHOW("watches", "%d %d", d, s);
    mkdir("d/t", 0755);
    symlink("a", "d/l");
    mkfifo("d/p", 0600);
    link("d/a", "d/b");
    show_events("making");
    rename("d/a", "d/s/a");
    show_events("moving");
    rename("d/b", "d/s/b");
    rename("d/s/b", "d/b2");
    show_events("moving there and back");
    make("d/x", "x");
    make("d/y", "y");
    show_events("two files");
    rename("d/x", "d/y");
    show_events("over");
    rename("d/y", "d/y");
    show_events("itself");
    rename("d/t", "d/u");
    show_events("directory");
    rename("d/s", "d/s2");
    show_events("watched directory");
    unlink("d/y");
    unlink("d/l");
    unlink("d/p");
    rmdir("d/u");
    show_events("removing");
    unlink("d/b2");
    show_events("one of two names");
    unlink("d/s2/a");
    show_events("the other");
    rmdir("d/s2");
    show_events("watched directory removed");
    struct timespec t[2] = {{1, 0}, {2, 0}};
    utimensat(AT_FDCWD, "d", t, 0);
    chmod("d", 0700);
    show_events("the directory itself");
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    char buf[1024];
    make("d/z", "");
    show_events("open directory");
    (void)buf;
    close(fd);
    show_events("close directory");
}

static void selves(void)
{
    int f = inotify_add_watch(in, "f", IN_ALL_EVENTS);
    inotify_rm_watch(in, inotify_add_watch(in, "d", IN_OPEN));
    SHOW("file", "%d", f);
    show_events("file");
    int fd = open("f", O_RDWR);
    write(fd, "x", 1);
    rename("f", "g");
    link("g", "h");
    unlink("h");
    show_events("self");
    unlink("g");
    show_events("no name left");
    write(fd, "x", 1);
    show_events("still used");
    close(fd);
    show_events("not used any more");
    make("f", "");
    f = inotify_add_watch(in, "f", IN_OPEN | IN_ONESHOT);
    SHOW("once", "%d", f);
    close(open("f", O_RDONLY));
    close(open("f", O_RDONLY));
    show_events("once");
    f = inotify_add_watch(in, "f", IN_OPEN);
    inotify_add_watch(in, "f", IN_CLOSE | IN_MASK_ADD);
    close(open("f", O_RDONLY));
    show_events("added");
    inotify_add_watch(in, "f", IN_MODIFY);
    close(open("f", O_RDONLY));
    show_events("replaced");
    symlink("f", "sl");
    SHOW("through a link", "%d", inotify_add_watch(in, "sl", IN_ATTRIB) == f);
    SHOW("the link", "%d", inotify_add_watch(in, "sl", IN_ATTRIB | IN_DONT_FOLLOW) == f);
    unlink("sl");
    show_events("link gone");
}

static void excluding(void)
{
    mkdir("e", 0755);
    make("e/a", "text");
    inotify_add_watch(in, "e", IN_ALL_EVENTS);
    int fd = open("e/a", O_RDWR);
    unlink("e/a");
    write(fd, "x", 1);
    close(fd);
    show_events("unlinked but used");
    inotify_add_watch(in, "e", IN_ALL_EVENTS | IN_EXCL_UNLINK);
    make("e/a", "text");
    fd = open("e/a", O_RDWR);
    unlink("e/a");
    write(fd, "x", 1);
    close(fd);
    show_events("excluded");
    // Same events become one.
    make("e/a", "");
    inotify_add_watch(in, "e", IN_MODIFY);
    read(in, &fd, 0);
    show_events("made");
    fd = open("e/a", O_WRONLY);
    for (int i = 0; i < 5; i++)
        write(fd, "x", 1);
    show_events("five writes");
    close(fd);
}

static void *touch_later(void *arg)
{
    usleep(30000);
    close(open(arg, O_RDONLY));
    return NULL;
}

static void show_poll(const char *name, int fd)
{
    struct pollfd p = {fd, 0x3fff, 0};
    int n = poll(&p, 1, 0);
    SHOW(name, "%d %x", n, (unsigned)p.revents);
}

static void reading(void)
{
    char buf[512], small[20];
    int other = inotify_init1(0);
    show_call("watch", inotify_add_watch(other, "e", IN_OPEN));
    show_poll("nothing yet", other);
    pthread_t t;
    pthread_create(&t, NULL, touch_later, "e/a");
    show_call("waiting", read(other, buf, sizeof buf));
    pthread_join(t, NULL);
    close(open("e/a", O_RDONLY));
    int bytes = 0;
    ioctl(other, FIONREAD, &bytes);
    SHOW("bytes", "%d", bytes);
    show_poll("something", other);
    show_call("small", read(other, small, sizeof small));
    show_call("bad buffer", read(other, BAD, 100));
    ioctl(other, FIONREAD, &bytes);
    SHOW("bytes left", "%d", bytes);
    close(open("e/a", O_RDONLY));
    close(open("e", O_RDONLY));
    show_call("two in room for one", read(other, buf, 40));
    show_call("the second", read(other, buf, 40));
    // A long name.
    char name[300] = "e/";
    memset(name + 2, 'n', 255);
    make(name, "");
    show_call("long", read(other, buf, sizeof buf));
    close(other);
}

static void many(void)
{
    static char buf[64];
    int other = inotify_init1(IN_NONBLOCK), first = -1, sorted = 1;
    for (int i = 0; i < 200; i++) {
        snprintf(buf, sizeof buf, "m%d", i);
        make(buf, "");
        int wd = inotify_add_watch(other, buf, IN_DELETE_SELF | IN_OPEN);
        if (first < 0)
            first = wd;
        sorted &= wd == first + i;
    }
    SHOW("in a row", "%d", sorted);
    for (int i = 0; i < 200; i += 2)
        inotify_rm_watch(other, first + i);
    for (int i = 0; i < 200; i++) {
        snprintf(buf, sizeof buf, "m%d", i);
        unlink(buf);
    }
    int bytes = 0;
    ioctl(other, FIONREAD, &bytes);
    SHOW("bytes", "%d", bytes);
    close(other);
    // Too many events.
    other = inotify_init1(IN_NONBLOCK);
    int e = inotify_add_watch(other, "e", IN_OPEN | IN_CLOSE);
    (void)e;
    for (int i = 0; i < 9000; i++)
        close(open("e/a", O_RDONLY));
    ioctl(other, FIONREAD, &bytes);
    SHOW("full", "%d", bytes);
    close(other);
}

int main(void)
{
    enter_work_dir();
    making();
    files();
    show_events("files");
    names();
    selves();
    excluding();
    reading();
    many();
    leave_work_dir();
    return 0;
}
