#define _GNU_SOURCE
#include "tests/fuzz/place.h"
#include "tests/fuzz/fuzz.h"
#include <dirent.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const roots[] = {"/dev/shm", "/tmp"}; // memory, and files of the host

void place_drop_capability(unsigned capability)
{
    struct {
        uint32_t version, pid;
    } header = {0x20080522, 0};
    uint32_t data[2][3];
    if (syscall(SYS_capget, &header, data))
        return;
    for (int i = 0; i < 3; i++)
        data[capability / 32][i] &= ~(1u << capability % 32);
    syscall(SYS_capset, &header, data);
}

static void write_text(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) < 0)
        fd = dup(fd);
    close(fd);
}

// Kinds of rounds: as root, as somebody, in namespaces of processes and users too.
static void enter_namespaces(uint64_t round)
{
    int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
    if (unshare(flags))
        _exit(80);
    if (round % 4 == 1 && !unshare(CLONE_NEWUSER)) {
        write_text("/proc/self/setgroups", "deny");
        write_text("/proc/self/uid_map", "0 0 1");
        write_text("/proc/self/gid_map", "0 0 1");
    }
    if (round % 4 == 2 && !unshare(CLONE_NEWPID)) {
        pid_t init = fork();
        if (init)
            _exit(waitpid(init, NULL, 0) < 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        mount("proc", "/proc", "proc", 0, NULL);
    }
}

static void make_files(void)
{
    mkdir("dir", 0755);
    write_text("file", "some words in a file\n");
    write_text("dir/file", "more of them\n");
    write_text("readonly", "not to be written\n");
    chmod("readonly", 0444);
    if (symlink("dir/file", "link") || symlink("loop", "loop") || symlink("nowhere", "dangling") ||
        mkfifo("fifo", 0644))
        return;
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = fd};
    if (fd >= 0)
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void open_pipes(void)
{
    int pair[2];
    if (pipe2(pair, O_NONBLOCK) || pipe(pair) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
        socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
        return;
}

static uint16_t open_listener(int type)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at))
        return 0;
    if (type == SOCK_STREAM)
        listen(fd, 4);
    getsockname(fd, (struct sockaddr *)&at, &len);
    int client = socket(AF_INET, type | SOCK_NONBLOCK, 0);
    if (client >= 0 && connect(client, (struct sockaddr *)&at, sizeof at))
        return at.sin_port;
    return at.sin_port;
}

static void open_sockets(struct place *place, bool inet)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "sock0"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) || listen(fd, 3))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name))
        return;
    socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0);
    if (inet) {
        place->ports[0] = open_listener(SOCK_STREAM);
        place->ports[1] = open_listener(SOCK_DGRAM);
    }
}

// A process that waits, and what names it.
static void open_processes(struct place *place)
{
    place->child = fork();
    if (!place->child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    syscall(SYS_pidfd_open, place->child, 0);
    syscall(SYS_pidfd_open, getpid(), 0);
}

static void open_events(void)
{
    sigset_t set;
    const struct itimerspec soon = {{0, 3000000}, {0, 1000000}};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), epoll = epoll_create1(0);
    timerfd_settime(timer, 0, &soon, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    int notify = inotify_init1(IN_NONBLOCK), signals = signalfd(-1, &set, SFD_NONBLOCK);
    inotify_add_watch(notify, ".", IN_ALL_EVENTS);
    inotify_add_watch(notify, "file", IN_ALL_EVENTS);
    watch(epoll, timer);
    watch(epoll, signals);
    watch(epoll, notify);
    watch(epoll, eventfd(3, EFD_NONBLOCK));
    watch(epoll, eventfd(0, 0));
    watch(epoll, 3);
    watch(epoll, 8);
    watch(epoll_create1(0), epoll);
}

static void open_terminals(void)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
    char name[64];
    if (master < 0 || grantpt(master) || unlockpt(master) || ptsname_r(master, name, sizeof name))
        return;
    if (open(name, O_RDWR | O_NOCTTY | O_NONBLOCK) < 0)
        close(master);
}

static void open_names(void)
{
    static const struct {
        const char *name;
        int flags;
    } files[] = {
        {"file", O_RDWR},
        {"file", O_RDONLY},
        {"file", O_WRONLY | O_APPEND},
        {"file", O_PATH},
        {"dir", O_RDONLY | O_DIRECTORY},
        {"dir", O_PATH},
        {".", O_RDONLY | O_DIRECTORY},
        {"link", O_PATH | O_NOFOLLOW},
        {"fifo", O_RDWR | O_NONBLOCK},
        {"gone", O_RDWR | O_CREAT},
        {".", O_TMPFILE | O_RDWR},
        {"/dev/null", O_RDWR},
        {"/dev/zero", O_RDWR},
        {"/dev/full", O_RDWR},
        {"/dev/urandom", O_RDONLY},
        {"/proc/self", O_RDONLY | O_DIRECTORY},
        {"/proc/self/maps", O_RDONLY},
        {"/proc/self/mem", O_RDWR},
        {"/proc/self/status", O_RDONLY},
        {"/proc/self/fd", O_RDONLY | O_DIRECTORY},
        {"/proc/self/ns/user", O_RDONLY},
        {"/proc/self/ns/pid", O_RDONLY},
        {"/proc/self/ns/mnt", O_RDONLY},
        {"/proc/self/mountinfo", O_RDONLY},
        {"/proc", O_RDONLY | O_DIRECTORY},
        {"/sys", O_RDONLY | O_DIRECTORY},
        {"/proc/self/exe", O_RDONLY},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (open(files[i].name, files[i].flags, 0644) >= 0 && !strcmp(files[i].name, "gone"))
            unlink("gone");
    }
}

static void open_memory(void)
{
    int memory = memfd_create("memory", MFD_ALLOW_SEALING);
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};
    if (memory >= 0 && ftruncate(memory, 5 * PAGE))
        close(memory);
    mq_open("/queue", O_RDWR | O_CREAT | O_NONBLOCK, 0644, &attr);
}

void place_make(struct place *place, uint64_t round, int null, bool inet)
{
    char dir[64];
    memset(place, 0, sizeof *place);
    enter_namespaces(round);
    snprintf(dir, sizeof dir, "%s/round%llu", roots[round / 4 % 2], (unsigned long long)round);
    mkdir(dir, 0777);
    if (chdir(dir))
        _exit(81);
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    close_range(3, ~0u, 0);
    setsid();
    make_files();
    open_pipes();
    open_sockets(place, inet);
    open_processes(place);
    open_memory();
    open_terminals();
    open_names();
    open_events();
    if (round % 4 == 3) {
        chmod(dir, 0777);
        if (setgid(1000) || setuid(1000))
            _exit(82);
    }
}

static void remove_below(int dir)
{
    DIR *list = fdopendir(dir);
    for (struct dirent *e; list && (e = readdir(list));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !unlinkat(dir, e->d_name, 0))
            continue;
        int inner = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0)
            remove_below(inner);
        unlinkat(dir, e->d_name, AT_REMOVEDIR);
    }
    if (list)
        closedir(list);
}

// The devices are the machine's, and a round may have removed them.
static void restore_devices(void)
{
    static const struct {
        const char *name;
        unsigned minor;
    } devices[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        char name[32];
        struct stat st;
        snprintf(name, sizeof name, "/dev/%s", devices[i].name);
        if (!lstat(name, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, devices[i].minor))
            continue;
        remove(name);
        mknod(name, S_IFCHR | 0666, makedev(1, devices[i].minor));
    }
}

void place_clean(void)
{
    restore_devices();
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        int dir = open(roots[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir >= 0)
            remove_below(dir);
    }
}
