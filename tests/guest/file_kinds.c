// What each kind of file takes: splice and sendfile, transfers that must not wait, direct I/O.
#include "probe.h"
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <termios.h>

// An open file, and another that holds what is to stay open beside it.
struct kind {
    int fd, other;
};

static int pair_of(int type, bool second, int *other)
{
    int fds[2];
    if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds))
        return -1;
    *other = fds[second];
    write(fds[0], "unread", 6);
    write(fds[1], "unread", 6);
    return fds[!second];
}

static int tcp(int *other)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&at, sizeof at);
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&at, &len);
    connect(fd, (struct sockaddr *)&at, len);
    *other = accept(listener, NULL, NULL);
    close(listener);
    write(*other, "unread", 6);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int udp(int *other)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    bind(fd, (struct sockaddr *)&at, sizeof at);
    getsockname(fd, (struct sockaddr *)&at, &len);
    connect(fd, (struct sockaddr *)&at, len);
    *other = -1;
    write(fd, "unread", 6);
    return fd;
}

static int pipe_end(bool writing, int *other)
{
    int fds[2];
    if (pipe2(fds, O_NONBLOCK))
        return -1;
    *other = fds[!writing];
    write(fds[1], "unread", 6);
    return fds[writing];
}

static int terminal(bool master, int *other)
{
    int m, s;
    struct termios raw = {0};
    raw.c_cflag = CS8 | CREAD;
    if (openpty(&m, &s, NULL, &raw, NULL))
        return -1;
    fcntl(m, F_SETFL, O_NONBLOCK);
    fcntl(s, F_SETFL, O_NONBLOCK);
    write(m, "unread\n", 7);
    write(s, "unread\n", 7);
    *other = master ? s : m;
    return master ? m : s;
}

static int signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    return signalfd(-1, &set, SFD_NONBLOCK);
}

static int timer(void)
{
    struct itimerspec soon = {.it_value.tv_nsec = 1};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    timerfd_settime(fd, 0, &soon, NULL);
    sleep_ms(2);
    return fd;
}

static int watches(void)
{
    int fd = inotify_init1(IN_NONBLOCK);
    inotify_add_watch(fd, "/tmp", IN_ATTRIB);
    chmod("/tmp", 01777);
    return fd;
}

static int queue(void)
{
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 8};
    mq_unlink("/ish-file-kinds");
    int fd = mq_open("/ish-file-kinds", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attr);
    mq_unlink("/ish-file-kinds");
    return fd;
}

static int temporary(int flags)
{
    char name[] = "/tmp/ish-file-kinds-XXXXXX";
    int fd = mkstemp(name);
    write(fd, "some text", 9);
    close(fd);
    fd = open(name, flags);
    unlink(name);
    return fd;
}

static int fifo(void)
{
    char dir[] = "/dev/shm/ish-file-kinds-XXXXXX", name[64];
    mkdtemp(dir);
    snprintf(name, sizeof name, "%s/fifo", dir);
    mkfifo(name, 0600);
    int direct = open(name, O_RDWR | O_NONBLOCK | O_DIRECT);
    if (direct >= 0)
        SHOW("fifo", "%s", "opened with O_DIRECT");
    close(direct);
    int fd = open(name, O_RDWR | O_NONBLOCK);
    unlink(name);
    rmdir(dir);
    write(fd, "unread", 6);
    return fd;
}

static int memory(void)
{
    int fd = memfd_create("kinds", MFD_ALLOW_SEALING);
    write(fd, "some text", 9);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static const char *const kinds[] = {
    "file",      "file O_RDONLY", "file O_WRONLY", "file O_APPEND", "file in memory", "memfd",
    "directory", "pipe",          "pipe's end",    "fifo",          "stream",         "datagrams",
    "sequence",  "tcp",           "udp",           "netlink",       "listener",       "unbound",
    "eventfd",   "semaphore",     "timerfd",       "signalfd",      "epoll",          "inotify",
    "pidfd",     "queue",         "master",        "terminal",      "O_PATH",
};

static int open_kind(const char *name, int *other)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    *other = -1;
    if (name[0] == '/') // settings are only read
        return open(name,
                    (name[1] == 'd' || strstr(name, "comm") ? O_RDWR : O_RDONLY) | O_NONBLOCK);
#define IS(what) (strcmp(name, what) == 0)
    if (IS("file"))
        return temporary(O_RDWR);
    if (IS("file O_RDONLY"))
        return temporary(O_RDONLY);
    if (IS("file O_WRONLY"))
        return temporary(O_WRONLY);
    if (IS("file O_APPEND"))
        return temporary(O_RDWR | O_APPEND);
    if (IS("O_PATH"))
        return temporary(O_PATH);
    if (IS("file in memory")) {
        int fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
        write(fd, "some text", 9);
        lseek(fd, 0, SEEK_SET);
        return fd;
    }
    if (IS("memfd"))
        return memory();
    if (IS("directory"))
        return open("/tmp", O_RDONLY | O_DIRECTORY);
    if (IS("pipe"))
        return pipe_end(false, other);
    if (IS("pipe's end"))
        return pipe_end(true, other);
    if (IS("fifo"))
        return fifo();
    if (IS("stream"))
        return pair_of(SOCK_STREAM, false, other);
    if (IS("datagrams"))
        return pair_of(SOCK_DGRAM, false, other);
    if (IS("sequence"))
        return pair_of(SOCK_SEQPACKET, true, other);
    if (IS("tcp"))
        return tcp(other);
    if (IS("udp"))
        return udp(other);
    if (IS("netlink"))
        return socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0);
    if (IS("listener")) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        bind(fd, (struct sockaddr *)&any, sizeof any);
        listen(fd, 1);
        return fd;
    }
    if (IS("unbound"))
        return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (IS("eventfd"))
        return eventfd(3, EFD_NONBLOCK);
    if (IS("semaphore"))
        return eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
    if (IS("timerfd"))
        return timer();
    if (IS("signalfd"))
        return signals();
    if (IS("epoll"))
        return epoll_create1(0);
    if (IS("inotify"))
        return watches();
    if (IS("pidfd"))
        return (int)syscall(SYS_pidfd_open, getpid(), O_NONBLOCK);
    if (IS("queue"))
        return queue();
    if (IS("master"))
        return terminal(true, other);
    if (IS("terminal"))
        return terminal(false, other);
#undef IS
    return -1;
}

// Each question to a file of its own.
#define ASK(kind, what, ...)                                                                       \
    do {                                                                                           \
        int other, fd = open_kind(kind, &other);                                                   \
        char name[80];                                                                             \
        snprintf(name, sizeof name, "%s: %s", kind, what);                                         \
        errno = 0;                                                                                 \
        show_done(name, (__VA_ARGS__));                                                            \
        close(fd);                                                                                 \
        close(other);                                                                              \
    } while (0)

static void ask_splice(const char *kind)
{
    int p[2], sink = memory(), source = memory();
    loff_t at = 0;
    pipe2(p, O_NONBLOCK);
    ASK(kind, "splice to a pipe", splice(fd, NULL, p[1], NULL, 200, SPLICE_F_NONBLOCK));
    ASK(kind, "splice at an offset", splice(fd, &at, p[1], NULL, 200, SPLICE_F_NONBLOCK));
    close(p[0]);
    close(p[1]);
    pipe2(p, O_NONBLOCK);
    // A number eventfds take, and no device minds
    write(p[1], "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0", 16);
    ASK(kind, "splice from a pipe", splice(p[0], NULL, fd, NULL, 8, SPLICE_F_NONBLOCK));
    at = 0;
    ASK(kind, "splice to an offset", splice(p[0], NULL, fd, &at, 8, SPLICE_F_NONBLOCK));
    ASK(kind, "sendfile from it", sendfile(sink, fd, NULL, 8));
    off_t from = 0;
    if (strcmp(kind, "pidfd") && strcmp(kind, "queue"))
        ASK(kind, "sendfile from an offset", sendfile(sink, fd, &from, 8));
    ASK(kind, "sendfile to it", sendfile(fd, source, NULL, 8));
    close(p[0]);
    close(p[1]);
    close(sink);
    close(source);
}

static void ask_nowait(const char *kind, bool write_too)
{
    char buf[200] = "\1\0\0\0\0\0\0";
    struct iovec in = {buf, sizeof buf}, out = {buf, 8}, none = {buf, 0};
    ASK(kind, "read, not waiting", preadv2(fd, &in, 1, -1, RWF_NOWAIT));
    ASK(kind, "read nothing, not waiting", preadv2(fd, &none, 1, -1, RWF_NOWAIT));
    memcpy(buf, "\1\0\0\0\0\0\0", 8);
    if (write_too)
        ASK(kind, "write, not waiting", pwritev2(fd, &out, 1, -1, RWF_NOWAIT));
}

// Linux 6.1 is followed where later ones differ: files in memory have no direct I/O until 6.6, and
// objects without a place no positions to be wrong about until 6.9.
static void ask(const char *kind, bool write_too)
{
    ask_splice(kind);
    ask_nowait(kind, write_too);
    if (strcmp(kind, "file in memory") == 0)
        return;
    ASK(kind, "O_DIRECT set", fcntl(fd, F_SETFL, O_DIRECT | O_NONBLOCK));
    ASK(kind, "O_DIRECT shown",
        fcntl(fd, F_SETFL, O_DIRECT | O_NONBLOCK) || !(fcntl(fd, F_GETFL) & O_DIRECT) ? -1 : 0);
    if (kind[0] == '/')
        ASK(kind, "opened with O_DIRECT", open(kind, O_RDONLY | O_NONBLOCK | O_DIRECT));
}

static void body(void)
{
    static const char *const devices[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                          "/dev/random", "/dev/urandom", "/dev/ptmx"};
    static const char *const shown[] = {"/proc/version",
                                        "/proc/stat",
                                        "/proc/meminfo",
                                        "/proc/cpuinfo",
                                        "/proc/filesystems",
                                        "/proc/devices",
                                        "/proc/uptime",
                                        "/proc/loadavg",
                                        "/proc/mounts",
                                        "/proc/self/maps",
                                        "/proc/self/stat",
                                        "/proc/self/status",
                                        "/proc/self/comm",
                                        "/proc/self/io",
                                        "/proc/self/auxv",
                                        "/proc/self/cmdline",
                                        "/proc/self/environ",
                                        "/proc/self/limits",
                                        "/proc/self/mountinfo",
                                        "/proc/self/statm",
                                        "/proc/self/net/unix",
                                        "/proc/self/net/dev",
                                        "/proc/self/mem",
                                        "/proc/self/pagemap",
                                        "/proc/self/oom_score_adj",
                                        "/proc/self/fdinfo/1",
                                        "/proc/self/uid_map",
                                        "/proc/self/smaps",
                                        "/proc/sys/kernel/ostype",
                                        "/proc/sys/kernel/pid_max",
                                        "/proc/self",
                                        "/sys/devices/system/cpu/online",
                                        "/sys/devices/system/cpu"};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        ask(kinds[i], true);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        ask(devices[i], strncmp(devices[i], "/dev/r", 6) != 0);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        ask(shown[i], false);
}

int main(void)
{
    probe_needs(has_sysfs, "/sys");
    return run_as_child(body);
}
