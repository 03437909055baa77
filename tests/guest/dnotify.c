// dnotify: fcntl(2), F_NOTIFY. Which operations each event stands for, once or as often as they
// happen, until whose descriptor is closed.
#include "sigio.h"
#include <sys/mman.h>
#include <sys/stat.h>

static char top[64];

static const char *in_top(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", top, name);
    return p;
}

static void make(const char *name)
{
    close(open(in_top(name), O_CREAT | O_WRONLY | O_TRUNC, 0600));
}

static int count(void)
{
    sigset_t set;
    struct timespec none = {0, 0};
    int n = 0;
    sigemptyset(&set);
    sigaddset(&set, RT);
    while (sigtimedwait(&set, NULL, &none) > 0)
        n++;
    return n;
}

// One line for each operation: how many signals of each event.
struct watched {
    const char *name;
    unsigned mask;
    int fd;
};
static struct watched watched[] = {
    {"ACCESS", DN_ACCESS, -1}, {"MODIFY", DN_MODIFY, -1}, {"CREATE", DN_CREATE, -1},
    {"DELETE", DN_DELETE, -1}, {"RENAME", DN_RENAME, -1}, {"ATTRIB", DN_ATTRIB, -1},
};
enum { KINDS = sizeof watched / sizeof watched[0] };

static void watch_all(void)
{
    for (int i = 0; i < KINDS; i++) {
        watched[i].fd = open(in_top("d"), O_RDONLY);
        fcntl(watched[i].fd, F_SETSIG, RT);
        fcntl(watched[i].fd, F_NOTIFY, watched[i].mask | DN_MULTISHOT);
    }
    count();
}

static void show_events(const char *operation)
{
    int seen[KINDS] = {0}, others = 0;
    sigset_t set;
    siginfo_t info;
    struct timespec none = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, RT);
    while (sigtimedwait(&set, &info, &none) > 0) {
        int i = 0;
        while (i < KINDS && watched[i].fd != info.si_fd)
            i++;
        if (i < KINDS && info.si_code == POLL_MSG && info.si_band == 0x441)
            seen[i]++;
        else
            others++;
    }
    printf("%s:", operation);
    for (int i = 0; i < KINDS; i++)
        if (seen[i])
            printf(" %s %d", watched[i].name, seen[i]);
    printf("%s\n", others ? " and others" : "");
    fflush(stdout);
}

static void names(void)
{
    watch_all();
    make("d/a");
    show_events("create");
    link(in_top("d/a"), in_top("d/b"));
    show_events("link");
    symlink("a", in_top("d/s"));
    show_events("symlink");
    mkdir(in_top("d/sub"), 0700);
    show_events("mkdir");
    rename(in_top("d/b"), in_top("d/c"));
    show_events("rename in it");
    rename(in_top("d/c"), in_top("other/c"));
    show_events("rename out of it");
    rename(in_top("other/c"), in_top("d/c"));
    show_events("rename into it");
    rename(in_top("d/sub"), in_top("d/under"));
    show_events("rename a directory in it");
    rename(in_top("d/c"), in_top("d/a"));
    show_events("rename to the same file");
    make("d/b");
    count();
    rename(in_top("d/b"), in_top("d/a"));
    show_events("rename over a file");
    unlink(in_top("d/s"));
    show_events("unlink");
    rmdir(in_top("d/under"));
    show_events("rmdir");
    unlink(in_top("d/a"));
    show_events("unlink the file");
    unlink(in_top("d/c"));
    count();
    rename(in_top("d"), in_top("e"));
    show_events("rename itself");
    rename(in_top("e"), in_top("d"));
    chmod(in_top("d"), 0755);
    show_events("chmod itself");
}

static void contents(void)
{
    char buf[64] = {0};
    make("d/f");
    watch_all();
    int fd = open(in_top("d/f"), O_RDWR);
    show_events("open");
    write(fd, "abc", 3);
    show_events("write");
    pwrite(fd, "abc", 3, 10);
    show_events("pwrite");
    read(fd, buf, 1);
    show_events("read");
    pread(fd, buf, 4, 0);
    show_events("pread");
    pread(fd, buf, 4, 100);
    show_events("read at the end");
    ftruncate(fd, 5);
    show_events("ftruncate");
    truncate(in_top("d/f"), 4);
    show_events("truncate");
    fchmod(fd, 0644);
    show_events("fchmod");
    futimens(fd, NULL);
    show_events("futimens");
    struct timespec times[2] = {{1, 0}, {0, UTIME_OMIT}};
    futimens(fd, times);
    show_events("set the time of access");
    chown(in_top("d/f"), getuid(), getgid());
    show_events("chown");
    close(fd);
    show_events("close");
    int dir = open(in_top("d"), O_RDONLY);
    syscall(SYS_getdents64, dir, buf, sizeof buf);
    show_events("getdents");
    close(dir);
    stat(in_top("d/f"), &(struct stat){0});
    show_events("stat");
    unlink(in_top("d/f"));
}

static void once(void)
{
    int d = open(in_top("d"), O_RDONLY);
    fcntl(d, F_SETSIG, RT);
    show_call("once", fcntl(d, F_NOTIFY, DN_CREATE));
    make("d/1");
    SHOW("first", "%d", count());
    make("d/2");
    SHOW("second", "%d", count());
    show_call("two events", fcntl(d, F_NOTIFY, DN_CREATE | DN_DELETE));
    unlink(in_top("d/1"));
    make("d/1");
    SHOW("either, once", "%d", count());
    fcntl(d, F_NOTIFY, DN_CREATE | DN_MULTISHOT);
    fcntl(d, F_NOTIFY, DN_DELETE);
    unlink(in_top("d/1"));
    make("d/1");
    unlink(in_top("d/1"));
    SHOW("added to it", "%d", count());
    show_call("no event", fcntl(d, F_NOTIFY, 0));
    make("d/1");
    SHOW("removed", "%d", count());
    fcntl(d, F_NOTIFY, DN_CREATE | DN_MULTISHOT);
    show_call("often but no event", fcntl(d, F_NOTIFY, DN_MULTISHOT));
    make("d/3");
    SHOW("removed too", "%d", count());
    fcntl(d, F_SETSIG, 0);
    fcntl(d, F_NOTIFY, DN_CREATE);
    make("d/4");
    take("without F_SETSIG", 0);
    fcntl(d, F_SETOWN, 0);
    fcntl(d, F_SETSIG, RT);
    fcntl(d, F_NOTIFY, DN_DELETE | DN_MULTISHOT);
    SHOW("owner", "%s", who(raw_getown(d)));
    for (int i = 1; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "d/%d", i);
        unlink(in_top(name));
    }
    SHOW("removals", "%d", count());
}

static void closing(void)
{
    int d = open(in_top("d"), O_RDONLY), e = dup(d);
    fcntl(d, F_SETSIG, RT);
    fcntl(d, F_NOTIFY, DN_CREATE | DN_MULTISHOT);
    make("d/1");
    SHOW("open", "%d", count());
    close(e);
    make("d/2");
    SHOW("a duplicate closed", "%d", count());
    fcntl(d, F_NOTIFY, DN_CREATE | DN_MULTISHOT);
    pid_t child = fork();
    if (child == 0) {
        fcntl(d, F_NOTIFY, DN_DELETE | DN_MULTISHOT);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    count();
    make("d/3");
    SHOW("a child ended", "%d", count());
    close(d);
    make("d/4");
    SHOW("closed", "%d", count());
    d = open(in_top("d"), O_RDONLY);
    e = open(in_top("d"), O_RDONLY);
    fcntl(d, F_SETSIG, RT);
    fcntl(e, F_SETSIG, RT);
    fcntl(d, F_NOTIFY, DN_DELETE | DN_MULTISHOT);
    fcntl(e, F_NOTIFY, DN_DELETE);
    unlink(in_top("d/1"));
    SHOW("two files", "%d", count());
    unlink(in_top("d/2"));
    SHOW("one of them once", "%d", count());
    unlink(in_top("d/3"));
    unlink(in_top("d/4"));
    rmdir(in_top("d"));
    SHOW("directory removed", "%d", count() > 0);
    close(d);
    mkdir(in_top("d"), 0700);
}

static void errors(void)
{
    int p[2];
    pipe(p);
    make("f");
    int f = open(in_top("f"), O_RDONLY);
    show_call("file", fcntl(f, F_NOTIFY, DN_CREATE));
    show_call("file, no event", fcntl(f, F_NOTIFY, 0));
    show_call("file, only DN_MULTISHOT", fcntl(f, F_NOTIFY, DN_MULTISHOT));
    show_call("pipe", fcntl(p[0], F_NOTIFY, DN_CREATE));
    show_call("path", fcntl(open(top, O_PATH), F_NOTIFY, DN_CREATE));
    show_call("bad descriptor", fcntl(999, F_NOTIFY, DN_CREATE));
    show_call("unknown event", fcntl(open(top, O_RDONLY), F_NOTIFY, 0x40000));
    show_call("/proc/sys/fs/dir-notify-enable", access("/proc/sys/fs/dir-notify-enable", R_OK));
    unlink(in_top("f"));
}

static void questions(void)
{
    snprintf(top, sizeof top, "/tmp/dnotify.%d", (int)getpid());
    mkdir(top, 0700);
    mkdir(in_top("d"), 0700);
    mkdir(in_top("other"), 0700);
    block_all();
    IN_CHILD("names", names());
    IN_CHILD("contents", contents());
    IN_CHILD("once", once());
    IN_CHILD("closing", closing());
    IN_CHILD("errors", errors());
    rmdir(in_top("other"));
    rmdir(in_top("d"));
    show_done("clean", rmdir(top));
}

int main(void)
{
    return run_as_child(questions);
}
