// What the guest probes share. A probe is a portable program that prints what it sees, one line for
// each question; the test runs it on the host's own Linux and inside ish and compares the output.
// So it prints nothing that may differ between two runs: no numbers of processes, no times.
#ifndef TESTS_GUEST_PROBE_H
#define TESTS_GUEST_PROBE_H

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// "name: value"
#define SHOW(name, fmt, ...) (printf("%s: " fmt "\n", name, __VA_ARGS__), fflush(stdout))

// A call's result: what it returned, or the error.
static inline void show_call(const char *name, long result)
{
    if (result < 0)
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "%ld", result);
}
// The same when only success matters.
static inline void show_done(const char *name, long result)
{
    SHOW(name, "%s", result < 0 ? strerrorname_np(errno) : "done");
}

// A wait status in words.
static inline const char *status_text(int status)
{
    static char text[4][64];
    static unsigned turn;
    char *t = text[turn++ % 4];
    if (WIFEXITED(status))
        snprintf(t, 64, "exited %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        snprintf(t, 64, "killed by %d%s", WTERMSIG(status), WCOREDUMP(status) ? " (core)" : "");
    else if (WIFSTOPPED(status))
        snprintf(t, 64, "stopped by %d", WSTOPSIG(status));
    else if (WIFCONTINUED(status))
        snprintf(t, 64, "continued");
    else
        snprintf(t, 64, "status %#x", (unsigned)status);
    return t;
}

// Ends a probe on a host that may not be asked, such as a container without the right to make
// containers: the test is skipped then. In ish it must work.
enum { PROBE_UNABLE = 77 };
static inline void probe_needs(int (*works)(void), const char *what)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(works() ? 0 : 1);
    if (waitpid(child, &status, 0) != child || status) {
        printf("no %s here\n", what);
        exit(PROBE_UNABLE);
    }
}
static inline int has_user_namespaces(void)
{
    return !unshare(CLONE_NEWUSER);
}
static inline int has_sysfs(void)
{
    return !access("/sys/devices/system/cpu/online", R_OK);
}

static inline void show_end(const char *name, pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child)
        printf("%s: lost\n", name);
    else
        SHOW(name, "%s", status_text(status));
}

// Runs a body in a child and prints how it ended. One may be inside another: each counts on its
// own.
#define IN_CHILD(name, ...)            IN_CHILD_COUNTED(__COUNTER__, name, __VA_ARGS__)
#define IN_CHILD_COUNTED(n, name, ...) IN_CHILD_AS(n, name, __VA_ARGS__)
#define IN_CHILD_AS(n, name, ...)      IN_CHILD_NAMED(child_##n, name, __VA_ARGS__)
#define IN_CHILD_NAMED(child, name, ...)                                                           \
    do {                                                                                           \
        fflush(stdout);                                                                            \
        pid_t child = fork();                                                                      \
        if (child == 0) {                                                                          \
            __VA_ARGS__;                                                                           \
            _exit(0);                                                                              \
        }                                                                                          \
        show_end(name, child);                                                                     \
    } while (0)

static inline void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Runs the probe in a child: as the first process of a machine it would be nobody's child, and see
// rules that apply to process 1 alone. What nohup or a shell's & had ignored is no part of it.
static inline int run_as_child(void (*body)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGHUP, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        signal(SIGQUIT, SIG_DFL);
        body();
        exit(0);
    }
    while (waitpid(pid, &status, 0) != pid)
        ;
    if (status)
        printf("probe: %s\n", status_text(status));
    return status != 0;
}

// A byte through a pipe orders two processes without sleeping.
static inline void tell(int fd)
{
    if (write(fd, "x", 1) != 1)
        abort();
}
static inline void hear(int fd)
{
    char c;
    if (read(fd, &c, 1) != 1)
        abort();
}

#endif
