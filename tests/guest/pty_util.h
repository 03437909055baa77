// What the terminal tests share: making ptys, small waits, children that report by exit status.
#ifndef TESTS_GUEST_PTY_UTIL_H
#define TESTS_GUEST_PTY_UTIL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif
#ifndef TIOCGPTLCK
#define TIOCGPTLCK 0x80045439
#endif

struct pty {
    int master, slave;
    unsigned number;
    char name[32];
};

static inline int open_master(struct pty *p)
{
    p->slave = -1;
    p->master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (p->master < 0 || ioctl(p->master, TIOCGPTN, &p->number))
        return -1;
    snprintf(p->name, sizeof p->name, "/dev/pts/%u", p->number);
    return 0;
}

static inline int set_lock(const struct pty *p, int locked)
{
    return ioctl(p->master, TIOCSPTLCK, &locked);
}

static inline int open_slave(struct pty *p)
{
    p->slave = open(p->name, O_RDWR | O_NOCTTY);
    return p->slave;
}

static inline int open_pty(struct pty *p)
{
    return open_master(p) || set_lock(p, 0) || open_slave(p) < 0 ? -1 : 0;
}

static inline void close_pty(struct pty *p)
{
    close(p->slave);
    close(p->master);
}

static inline int set_flags(int fd, tcflag_t iflag_off, tcflag_t oflag_off, tcflag_t lflag_off)
{
    struct termios tio;
    if (tcgetattr(fd, &tio))
        return -1;
    tio.c_iflag &= ~iflag_off;
    tio.c_oflag &= ~oflag_off;
    tio.c_lflag &= ~lflag_off;
    return tcsetattr(fd, TCSANOW, &tio);
}

static inline int make_raw(int fd)
{
    struct termios tio;
    if (tcgetattr(fd, &tio))
        return -1;
    cfmakeraw(&tio);
    return tcsetattr(fd, TCSANOW, &tio);
}

static inline int set_nonblock(int fd, int on)
{
    int flags = fcntl(fd, F_GETFL);
    return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

// Events now, or within the patience if `want` has none yet.
static inline int events_of(int fd, short want, int patience_ms)
{
    struct pollfd p = {.fd = fd, .events = want};
    return poll(&p, 1, patience_ms) < 0 ? -1 : p.revents;
}

// Reads until `want` bytes came or nothing more does.
static inline ssize_t read_some(int fd, char *buf, size_t size, size_t want)
{
    size_t got = 0;
    while (got < want && events_of(fd, POLLIN, 2000) & POLLIN) {
        ssize_t n = read(fd, buf + got, size - got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static inline bool reads_text(int fd, const char *text)
{
    char buf[8192];
    ssize_t n = read_some(fd, buf, sizeof buf, strlen(text));
    return n == (ssize_t)strlen(text) && !memcmp(buf, text, strlen(text));
}

static inline bool writes(int fd, const char *text)
{
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static inline long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static inline void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

// The exit status of a child; -1 for any other end.
static inline int child_status(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
