// Pseudo-terminals as a Linux kernel has them: rows P01-P33 of the terminal table.
#include "tests/guest/pty_util.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

static struct tap t;

static bool fails(long result, int error)
{
    return result == -1 && errno == error;
}

// On the host other programs open and close terminals meanwhile: a few more or less say nothing.
enum { ROUNDS = 300, STRANGERS = 50 };

static int count_terminals(void)
{
    int n = 0;
    DIR *dir = opendir("/dev/pts");
    if (!dir)
        return -1;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void test_path_descriptor(void)
{
    int before = count_terminals(), paths[2 * STRANGERS];
    for (int i = 0; i < 2 * STRANGERS; i++)
        paths[i] = open("/dev/ptmx", O_PATH);
    int made = count_terminals() - before;
    for (int i = 1; i < 2 * STRANGERS; i++)
        close(paths[i]);
    int fd = paths[0];
    struct stat st, at;
    CHECK(&t, fd >= 0 && before >= 0 && made < STRANGERS, "P01: O_PATH of ptmx makes no terminal");
    CHECK(&t,
          !fstat(fd, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2) &&
              !fstatat(fd, "", &at, AT_EMPTY_PATH) && at.st_ino == st.st_ino,
          "P01: it is the device 5:2");
    char c;
    CHECK(&t, fails(fchdir(fd), ENOTDIR), "P02: fchdir to it is ENOTDIR");
    CHECK(&t, fails(ioctl(fd, TIOCGPTN, &c), EBADF) && fails(read(fd, &c, 1), EBADF),
          "P02: ioctl and read are EBADF");
    close(fd);
}

static void test_never_opened(void)
{
    struct pty p;
    struct winsize set = {24, 80, 640, 480}, got = {0};
    int locked = 0;
    CHECK(&t, !open_master(&p), "a master");
    CHECK(&t,
          !ioctl(p.master, TIOCSWINSZ, &set) && !ioctl(p.master, TIOCGWINSZ, &got) &&
              !memcmp(&set, &got, sizeof set),
          "P03: the window size is kept though nobody opened the slave");
    CHECK(&t, !ioctl(p.master, TIOCGPTLCK, &locked) && locked == 1, "P04: a new one is locked");
    CHECK(&t, fails(open_slave(&p), EIO), "P04: opening a locked slave is EIO");
    CHECK(&t, events_of(p.master, POLLIN | POLLOUT, 0) == POLLOUT,
          "P05: before any open the master is writable and not hung up");
    close(p.master);
}

static void test_peer(void)
{
    struct pty p;
    open_master(&p);
    CHECK(&t, fails(ioctl(p.master, TIOCGPTPEER, O_RDWR | O_NOCTTY), EIO),
          "P06: TIOCGPTPEER of a locked one is EIO");
    set_lock(&p, 0);
    int fd = ioctl(p.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(&t, fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "P07: O_CLOEXEC is honoured");
    CHECK(&t, open_slave(&p) >= 0, "P09: unlocked, the slave opens");
    set_lock(&p, 1);
    int again = open(p.name, O_RDWR | O_NOCTTY);
    CHECK(&t, fails(again, EIO) && fails(ioctl(p.master, TIOCGPTPEER, O_RDWR), EIO),
          "P10: locked again, it does not");
    int zero = 0, pipes[2];
    CHECK(&t, !pipe(pipes) && fails(ioctl(pipes[0], TIOCSPTLCK, &zero), ENOTTY),
          "P11: TIOCSPTLCK of a pipe is ENOTTY");
    CHECK(&t, fails(ioctl(fd, TIOCGPTN, &zero), ENOTTY) || errno == EIO,
          "P11: TIOCGPTN of a slave is no success");
    close(pipes[0]);
    close(pipes[1]);
    close(fd);
    close_pty(&p);
}

static bool link_is(int fd, const char *want)
{
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, text, sizeof text - 1);
    text[n < 0 ? 0 : n] = 0;
    return !strcmp(text, want);
}

static void test_names(void)
{
    struct pty p;
    struct stat st, opened, master;
    char name[64];
    CHECK(&t, !open_pty(&p), "a pair");
    CHECK(&t,
          !stat(p.name, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(136, p.number) &&
              !fstat(p.slave, &opened) && opened.st_ino == st.st_ino && opened.st_dev == st.st_dev,
          "P12: /dev/pts/N is the device 136:N");
    CHECK(&t, !ttyname_r(p.slave, name, sizeof name) && !strcmp(name, p.name),
          "P13: ttyname of the slave");
    CHECK(&t, link_is(p.slave, p.name) && link_is(p.master, "/dev/ptmx"),
          "P13: and what /proc/self/fd says");
    CHECK(&t, !fstat(p.master, &master) && master.st_rdev == makedev(5, 2),
          "P14: the master is 5:2");
    CHECK(&t, !ptsname_r(p.master, name, sizeof name) && !strcmp(name, p.name), "P14: ptsname");
    close_pty(&p);
}

static void test_duplicates(void)
{
    struct pty p;
    struct winsize set = {50, 132, 0, 0}, got;
    open_pty(&p);
    CHECK(&t,
          !ioctl(p.slave, TIOCSWINSZ, &set) && !ioctl(p.master, TIOCGWINSZ, &got) &&
              got.ws_row == 50 && got.ws_col == 132,
          "P15: a resize of the slave shows on the master");
    int copy = dup(p.master);
    close(p.master);
    p.master = copy;
    CHECK(&t, !ioctl(copy, TIOCGWINSZ, &got) && !(events_of(p.slave, POLLIN, 0) & POLLHUP),
          "P16: a duplicate of the master keeps it open");
    copy = dup(p.slave);
    close(p.slave);
    p.slave = copy;
    CHECK(&t, !(events_of(p.master, POLLIN, 0) & POLLHUP),
          "P17: a duplicate of the slave keeps it open");
    close_pty(&p);
}

static void test_last_close(void)
{
    struct pty p;
    char buf[16];
    open_pty(&p);
    struct winsize size = {33, 44, 0, 0}, got;
    ioctl(p.master, TIOCSWINSZ, &size);
    writes(p.slave, "bye");
    close(p.slave);
    int events = events_of(p.master, POLLIN, 0);
    CHECK(&t, (events & (POLLIN | POLLHUP)) == (POLLIN | POLLHUP),
          "P18: the last close hangs the master up and leaves its data");
    CHECK(&t, reads_text(p.master, "bye"), "P18: which can be read");
    struct iovec iov = {buf, sizeof buf};
    CHECK(&t, fails(read(p.master, buf, sizeof buf), EIO) && fails(readv(p.master, &iov, 1), EIO),
          "P18: after that read and readv are EIO");
    int ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x1234};
    epoll_ctl(ep, EPOLL_CTL_ADD, p.master, &e);
    long start = now_ms();
    e.data.u64 = 0;
    int n = epoll_wait(ep, &e, 1, 5000);
    CHECK(&t, n == 1 && e.events & EPOLLHUP && e.data.u64 == 0x1234 && now_ms() - start < 5000,
          "P19: epoll reports the hangup at once, with the data of the registration");
    CHECK(&t, write(p.master, "x", 1) == 1, "P20: a write to the master is still taken");
    CHECK(&t, open_slave(&p) >= 0 && !(events_of(p.master, POLLIN, 0) & POLLHUP),
          "P21: opening the slave again ends the hangup");
    CHECK(&t, !ioctl(p.slave, TIOCGWINSZ, &got) && got.ws_row == 33,
          "P22: the window size survived");
    close(ep);
    close_pty(&p);
}

// The session leader of P23 and P24: a child whose steps the parent paces through pipes.
static int leader(struct pty *p, int go, int report)
{
    char c = 0;
    signal(SIGHUP, SIG_IGN);
    close(p->master);
    setsid();
    int fd = open(p->name, O_RDWR);
    c = fd >= 0;
    write(report, &c, 1);
    read(go, &c, 1); // the parent has closed the master now
    struct termios tio;
    int bad = 0;
    bad |= !fails(open(p->name, O_RDWR), ENOENT) << 0;
    bad |= (read(fd, &c, 1) != 0) << 1;
    bad |= !fails(write(fd, "x", 1), EIO) << 2;
    bad |= !fails(tcgetattr(fd, &tio), EIO) << 3;
    bad |= ((events_of(fd, POLLIN | POLLOUT, 0) & (POLLIN | POLLOUT | POLLERR | POLLHUP)) !=
            (POLLIN | POLLOUT | POLLERR | POLLHUP))
           << 4;
    bad |= !fails(open("/dev/tty", O_RDWR), ENXIO) << 5;
    return bad;
}

static void test_master_close(void)
{
    struct pty p;
    int go[2], report[2];
    char c = 0;
    open_master(&p);
    set_lock(&p, 0);
    CHECK(&t, !pipe(go) && !pipe(report), "pipes");
    pid_t pid = fork();
    if (!pid)
        _exit(leader(&p, go[0], report[1]));
    read(report[0], &c, 1);
    CHECK(&t, c, "P23: a child that closed the master opens the slave by its name");
    close(p.master);
    write(go[1], &c, 1);
    int bad = child_status(pid);
    printf("# steps that differ: %#x\n", (unsigned)bad);
    CHECK(&t, bad == 0,
          "P24: after the master closed: open ENOENT, read 0, write and TCGETS EIO, poll all, no "
          "tty");
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(report[i]);
    }
    CHECK(&t, fails(open("/dev/pts/999999", O_RDWR), ENOENT), "P25: a number nobody has is ENOENT");
}

static void test_leader_signal(void)
{
    struct pty p;
    int report[2];
    char c = 0;
    open_master(&p);
    set_lock(&p, 0);
    if (pipe(report))
        return;
    pid_t pid = fork();
    if (!pid) {
        close(p.master);
        setsid();
        signal(SIGHUP, SIG_DFL); // nohup may have run us
        int fd = open(p.name, O_RDWR);
        c = fd >= 0;
        write(report[1], &c, 1);
        for (;;)
            pause();
    }
    read(report[0], &c, 1);
    close(p.master);
    int status = 0;
    waitpid(pid, &status, 0);
    CHECK(&t, WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP,
          "J11: closing the master sends SIGHUP to the session leader");
    close(report[0]);
    close(report[1]);
}

static int pass_descriptor(int socket, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = {0}, byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return (int)sendmsg(socket, &msg, 0);
}

static int receive_descriptor(int socket)
{
    int fd = -1;
    char control[CMSG_SPACE(sizeof fd)], byte;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(socket, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
    return fd;
}

static void test_passed_master(void)
{
    struct pty p;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
        CHECK(&t, false, "P26: a pair of sockets to pass the master through");
        return;
    }
    open_master(&p);
    pass_descriptor(pair[0], p.master);
    close(p.master);
    int fd = receive_descriptor(pair[1]);
    struct winsize size = {12, 34, 0, 0}, got;
    unsigned number;
    struct stat st;
    CHECK(&t,
          !ioctl(fd, TIOCSWINSZ, &size) && !ioctl(fd, TIOCGWINSZ, &got) && got.ws_col == 34 &&
              !ioctl(fd, TIOCGPTN, &number) && number == p.number && !stat(p.name, &st),
          "P26: a master that was only in flight is whole");
    close(fd);
    close(pair[0]);
    close(pair[1]);
}

static void test_packet_mode(void)
{
    struct pty p;
    char buf[16];
    int on = 1;
    open_pty(&p);
    set_flags(p.slave, IXON, OPOST, 0);
    CHECK(&t, !ioctl(p.master, TIOCPKT, &on) && writes(p.slave, "hi"),
          "packet mode is switched on");
    CHECK(&t, read(p.master, buf, sizeof buf) == 3 && !buf[0] && !memcmp(buf + 1, "hi", 2),
          "P27: data comes behind a zero byte");
    struct termios tio;
    tcgetattr(p.slave, &tio);
    tio.c_iflag |= IXON;
    tcsetattr(p.slave, TCSANOW, &tio);
    int events = events_of(p.master, POLLIN | POLLPRI, 1000);
    CHECK(&t,
          (events & (POLLIN | POLLPRI)) == (POLLIN | POLLPRI) &&
              read(p.master, buf, sizeof buf) == 1 && buf[0] == 0x20,
          "P28: IXON switched on is the status 0x20");
    tcflush(p.slave, TCIOFLUSH);
    CHECK(&t, read(p.master, buf, sizeof buf) == 1 && buf[0] == 0x03,
          "P29: flushing both ways is the status 0x03");
    close_pty(&p);
}

struct blocked {
    int fd;
    ssize_t result;
    int error;
};

static void *blocked_read(void *arg)
{
    struct blocked *b = arg;
    char c;
    b->result = read(b->fd, &c, 1);
    b->error = errno;
    return NULL;
}

static void test_blocked_readers(void)
{
    struct pty p;
    pthread_t thread;
    open_pty(&p);
    struct blocked b = {.fd = p.master};
    pthread_create(&thread, NULL, blocked_read, &b);
    sleep_ms(50);
    close(p.slave);
    pthread_join(thread, NULL);
    CHECK(&t, b.result == -1 && b.error == EIO,
          "P30: a read of the master that waits ends with EIO at the last close");
    open_slave(&p);
    b = (struct blocked){.fd = p.slave};
    pthread_create(&thread, NULL, blocked_read, &b);
    sleep_ms(50);
    close(p.master);
    pthread_join(thread, NULL);
    CHECK(&t, b.result == -1 && b.error == EIO,
          "P31: a read of the slave that waits ends with EIO when the master closes");
    close(p.slave);
}

static void test_numbers(void)
{
    struct pty p, q;
    char name[16];
    open_master(&p);
    set_lock(&p, 0);
    int dir = open("/dev/pts", O_RDONLY | O_DIRECTORY);
    snprintf(name, sizeof name, "%u", p.number);
    int fd = openat(dir, name, O_RDWR | O_NOCTTY);
    CHECK(&t, fd >= 0, "P32: opening relative to /dev/pts");
    CHECK(&t, fails(openat(dir, name, O_RDWR | O_DIRECTORY), ENOTDIR), "P32: it is no directory");
    close(fd);
    close(dir);
    open_master(&q);
    unsigned first; // which a stranger may take before us
    int tries = 0;
    do {
        first = p.number;
        close(p.master);
        open_master(&p);
    } while (p.number != first && ++tries < STRANGERS);
    CHECK(&t, p.number == first, "P33: the lowest free number is used again");
    close(q.master);
    close(p.master);
    int before = count_terminals(), good = 1;
    for (int i = 0; i < ROUNDS && good; i++) {
        good = !open_pty(&p);
        close_pty(&p);
    }
    CHECK(&t, good && count_terminals() - before < STRANGERS,
          "P33: 300 rounds leave nothing behind");
}

int main(void)
{
    alarm(60);
    signal(SIGPIPE, SIG_IGN);
    test_path_descriptor();
    test_never_opened();
    test_peer();
    test_names();
    test_duplicates();
    test_last_close();
    test_master_close();
    test_leader_signal();
    test_passed_master();
    test_packet_mode();
    test_blocked_readers();
    test_numbers();
    return tap_finish(&t);
}
