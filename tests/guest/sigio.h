// What the probes of SIGIO share: taking signals and saying what they carry.
#ifndef TESTS_GUEST_SIGIO_H
#define TESTS_GUEST_SIGIO_H

#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>

#ifndef SI_SIGIO
#define SI_SIGIO (-5)
#endif
enum { RT = 40, SYNC_MS = 0, LATER_MS = 5000 };

static inline void block_all(void)
{
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static inline const char *reason(const siginfo_t *i)
{
    switch (i->si_code) {
    case POLL_IN:
        return "POLL_IN";
    case POLL_OUT:
        return "POLL_OUT";
    case POLL_MSG:
        return "POLL_MSG";
    case POLL_ERR:
        return "POLL_ERR";
    case POLL_PRI:
        return "POLL_PRI";
    case POLL_HUP:
        return "POLL_HUP";
    case SI_KERNEL:
        return "SI_KERNEL";
    case SI_SIGIO:
        return "SI_SIGIO";
    default:
        return "another code";
    }
}

// Takes one of SIGIO, SIGURG and RT..RT+1 and says what it carries.
static inline bool take(const char *name, int wait_ms)
{
    sigset_t set;
    siginfo_t i;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigaddset(&set, SIGURG);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTRAP);
    sigaddset(&set, RT);
    sigaddset(&set, RT + 1);
    struct timespec t = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    int sig = sigtimedwait(&set, &i, &t);
    if (sig < 0) {
        SHOW(name, "%s", "no signal");
        return false;
    }
    const char *which = sig == SIGIO ? "SIGIO" : sig == SIGURG ? "SIGURG" : "other";
    if (i.si_code == SI_KERNEL)
        SHOW(name, "%s %d SI_KERNEL pid %d uid %d", which, sig, (int)i.si_pid, (int)i.si_uid);
    else
        SHOW(name, "%s %d %s band %#lx errno %d", which, sig, reason(&i), (long)i.si_band,
             i.si_errno);
    return true;
}

// How many are there, of whatever kind; then none is left.
static inline void drain(void)
{
    sigset_t set;
    struct timespec none = {0, 0};
    sigfillset(&set);
    sigdelset(&set, SIGHUP);
    while (sigtimedwait(&set, NULL, &none) > 0)
        ;
}

static inline void take_fd(const char *name, int fd)
{
    sigset_t set;
    siginfo_t i = {0};
    struct timespec none = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, RT);
    int sig = sigtimedwait(&set, &i, &none);
    SHOW(name, "%s %s", sig == RT ? reason(&i) : "no signal",
         i.si_fd == fd ? "its fd" : "other fd");
}

static inline void async(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    if (fcntl(fd, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC) < 0)
        perror("F_SETFL");
}

// Ours, with signals that queue.
static inline void own(int fd)
{
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETSIG, RT);
    async(fd, true);
}

// The number of a group comes back as what may look like an error.
static inline long raw_getown(int fd)
{
    long own = syscall(SYS_fcntl, fd, F_GETOWN, 0);
    return own == -1 ? -errno : own;
}

static inline const char *who(long pid)
{
    static char text[32];
    if (pid == 0)
        return "nobody";
    if (pid == getpid())
        return "me";
    if (pid == -getpgrp())
        return "my group";
    if (pid == -getpid())
        return "the group of me";
    snprintf(text, sizeof text, "error or other");
    return text;
}

#endif
