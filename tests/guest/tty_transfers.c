// Reads and writes of terminals that wait, end early or are cut short: VMIN and VTIME, signals,
// full terminals, hangups, and a far end that has gone. The host's Linux is asked.
#include "asleep.h"
#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <termios.h>

static int master, slave;
static char *edge; // the end of a page, with nothing after it

static void open_pair(void)
{
    if (openpty(&master, &slave, NULL, NULL, NULL))
        abort();
}
static void close_pair(void)
{
    close(master), close(slave);
}
static void raw(int least, int time)
{
    struct termios t;
    tcgetattr(slave, &t);
    cfmakeraw(&t);
    t.c_cc[VMIN] = (cc_t)least;
    t.c_cc[VTIME] = (cc_t)time;
    tcsetattr(slave, TCSANOW, &t);
}
static void show_read(const char *name, int fd, size_t n)
{
    char buf[8192];
    long got = read(fd, buf, n);
    if (got < 0)
        show_call(name, got);
    else
        SHOW(name, "%ld: %.*s", got, (int)(got < 20 ? got : 20), buf);
}
static void show_poll(const char *name, int fd)
{
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI, 0};
    poll(&p, 1, 0);
    SHOW(name, "%#x", p.revents);
}
static void nonblocking(int fd, int on)
{
    fcntl(fd, F_SETFL, on ? O_NONBLOCK : 0);
}

// A child that reads or writes, asleep in that; `end` says what came.
static pid_t start(void (*body)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(master); // or the far end would never be gone
        body();
        _exit(0);
    }
    task_until_asleep(pid);
    return pid;
}
static void finish(pid_t pid)
{
    show_end("... end", pid);
}

// --- VMIN and VTIME ------------------------------------------------------------------------------

static void read_ten(void)
{
    show_read("... read", slave, 10);
}
static void amounts(void)
{
    open_pair();
    raw(0, 0);
    show_read("none wanted, none there", slave, 10);
    write(master, "abc", 3);
    show_read("none wanted, three there", slave, 10);
    raw(0, 1);
    show_read("a moment", slave, 10);
    write(master, "abc", 3);
    show_read("a moment, three there", slave, 2);
    show_read("... and the rest", slave, 2);
    raw(3, 0);
    pid_t pid = start(read_ten);
    write(master, "a", 1);
    task_until_asleep(pid);
    write(master, "bcde", 4);
    finish(pid);
    raw(3, 1);
    pid = start(read_ten);
    SHOW("three wanted, one came in time", "%s", "then");
    write(master, "a", 1);
    finish(pid);
    raw(3, 50);
    pid = start(read_ten);
    write(master, "a", 1);
    task_until_asleep(pid);
    write(master, "b", 1);
    task_until_asleep(pid);
    write(master, "c", 1);
    finish(pid);
    raw(20, 0);
    write(master, "0123456789", 10);
    show_read("twenty wanted, room for ten", slave, 10);
    nonblocking(slave, 1);
    raw(3, 0);
    write(master, "a", 1);
    show_poll("one of three there", slave);
    show_read("three wanted, at once", slave, 10);
    write(master, "abc", 3);
    show_poll("three of three there", slave);
    show_read("... at once", slave, 10);
    raw(0, 0);
    show_read("none wanted, at once", slave, 10);
    raw(0, 5);
    show_read("a moment, at once", slave, 10);
    raw(3, 5);
    write(master, "a", 1);
    show_poll("one of three within a time", slave);
    show_read("... at once", slave, 10);
    close_pair();
}

static void lines(void)
{
    open_pair();
    write(master, "one\ntwo\nthree", 13);
    show_read("a line", slave, 100);
    show_read("a part of a line", slave, 2);
    show_read("its rest", slave, 100);
    nonblocking(slave, 1);
    show_read("no line yet", slave, 100);
    write(master, "\004", 1);
    show_read("a line by ^D", slave, 100);
    write(master, "\004", 1);
    show_read("an end by ^D", slave, 100);
    write(master, "x\nyz\n", 5);
    char a[3], b[3];
    struct iovec v[2] = {{a, 3}, {b, 3}};
    show_call("pieces get one line", readv(slave, v, 2));
    show_call("pieces get the next", readv(slave, v, 2));
    write(master, "lost\nkept\n", 10);
    show_call("a line to nowhere", read(slave, (char *)8, 10));
    show_read("... then", slave, 100);
    write(master, "abcdef\n", 7);
    show_call("a line to half nowhere", read(slave, edge - 3, 10));
    show_read("... then", slave, 100);
    show_read("... then", slave, 100);
    close_pair();
}

static void bad_memory(void)
{
    open_pair();
    raw(1, 0);
    nonblocking(slave, 1);
    write(master, "abcdef", 6);
    show_call("to nowhere", read(slave, (char *)8, 10));
    show_call("to half nowhere", read(slave, edge - 3, 10));
    show_read("... then", slave, 10);
    show_call("from nowhere", write(slave, (char *)8, 10));
    show_call("from half nowhere", write(slave, edge - 3, 10));
    nonblocking(master, 1);
    show_read("... came", master, 20);
    show_call("master from nowhere", write(master, (char *)8, 10));
    show_call("master from half nowhere", write(master, edge - 3, 10));
    show_read("... came", slave, 20);
    write(slave, "abcdef", 6);
    show_call("master to nowhere", read(master, (char *)8, 10));
    show_call("master to half nowhere", read(master, edge - 3, 10));
    show_read("... then", master, 20);
    show_call("nothing", read(slave, (char *)8, 0));
    show_call("nothing", write(slave, (char *)8, 0));
    close_pair();
}

// --- Signals -------------------------------------------------------------------------------------

static void on_signal(int sig)
{
    (void)sig;
}
// Written, and there to be read: the way from one end to the other takes its time.
static void write_there(const char *text)
{
    int there, n = (int)strlen(text);
    write(master, text, (size_t)n);
    while (ioctl(slave, FIONREAD, &there) == 0 && there < n)
        sched_yield();
}

static void interrupted(void)
{
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL);
    open_pair();
    raw(5, 0);
    pid_t pid = start(read_ten);
    kill(pid, SIGUSR1);
    finish(pid);
    write_there("ab");
    pid = start(read_ten);
    kill(pid, SIGUSR1);
    finish(pid);
    raw(0, 200);
    pid = start(read_ten);
    kill(pid, SIGUSR1);
    finish(pid);
    close_pair();
}

// --- Room ----------------------------------------------------------------------------------------

static char much[100000];
static void write_much(void)
{
    long n = write(slave, much, sizeof much);
    SHOW("... wrote", "%s",
         n < 0                   ? strerrorname_np(errno)
         : n < (long)sizeof much ? "a part"
                                 : "all");
}
static void write_little(void)
{
    _exit(write(slave, "little", 6) == 6 ? 6 : 1);
}
static long drain(void)
{
    char buf[4096];
    long n, all = 0;
    while ((n = read(master, buf, sizeof buf)) > 0)
        all += n;
    return all;
}
// The same of what is on its way too.
static long drain_all(long expected)
{
    struct pollfd p = {master, POLLIN, 0};
    long all = 0;
    do
        all += drain();
    while (all < expected && poll(&p, 1, 5000) == 1);
    return all;
}
static void room(void)
{
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL);
    open_pair();
    raw(1, 0);
    memset(much, 'm', sizeof much);
    pid_t pid = start(write_much);
    show_poll("full", slave);
    nonblocking(slave, 1);
    show_call("another writer, at once", write(slave, "x", 1));
    nonblocking(slave, 0);
    pid_t other = start(write_little);
    kill(pid, SIGUSR1);
    finish(pid);
    nonblocking(master, 1);
    drain();
    finish(other);
    drain();
    show_poll("empty", slave);
    nonblocking(slave, 1);
    long n = write(slave, much, sizeof much), more;
    SHOW("as much as fits", "%s", n > 0 && n < (long)sizeof much ? "a part" : "?");
    // Linux moves it on in its own time, which makes room.
    while ((more = write(slave, much, sizeof much)) > 0)
        n += more;
    show_call("then", more);
    SHOW("all came", "%s", drain_all(n) == n ? "yes" : "no");
    nonblocking(slave, 0);
    pid = start(write_much);
    long all = 0;
    while (all < (long)sizeof much) {
        struct pollfd p = {master, POLLIN, 0};
        poll(&p, 1, -1);
        all += drain();
    }
    finish(pid);
    pid = start(write_much);
    kill(pid, SIGKILL);
    finish(pid);
    drain();
    pid = start(write_much);
    close(master);
    finish(pid);
    close(slave);
}

// Output that ^S holds back.
static void held(void)
{
    open_pair();
    raw(1, 0);
    show_done("hold", tcflow(slave, TCOOFF));
    nonblocking(slave, 1);
    show_poll("held", slave);
    show_call("at once", write(slave, "x", 1));
    nonblocking(slave, 0);
    pid_t pid = start(write_little);
    show_done("go on", tcflow(slave, TCOON));
    finish(pid);
    show_poll("going", slave);
    close_pair();
}

// --- Ends ----------------------------------------------------------------------------------------

static void far_end_gone(void)
{
    char name[64], path[64];
    open_pair();
    ptsname_r(master, name, sizeof name);
    raw(1, 0);
    write(master, "kept", 4);
    pid_t pid = start(write_much);
    kill(pid, SIGKILL);
    finish(pid);
    close(master);
    show_poll("poll", slave);
    show_read("read", slave, 10);
    show_call("write", write(slave, "x", 1));
    int on = 1, n = -1;
    show_done("FIOASYNC", ioctl(slave, FIOASYNC, &on));
    show_done("FIONREAD", ioctl(slave, FIONREAD, &n));
    struct termios t;
    show_done("modes", tcgetattr(slave, &t));
    struct winsize w;
    show_done("size", ioctl(slave, TIOCGWINSZ, &w));
    show_done("open by its name", open(name, O_RDWR | O_NOCTTY));
    snprintf(path, sizeof path, "/proc/self/fd/%d", slave);
    show_done("open what is open", open(path, O_RDWR | O_NOCTTY));
    show_done("flush", tcflush(slave, TCIOFLUSH));
    close(slave);
    open_pair();
    raw(5, 0);
    write_there("ab");
    pid = start(read_ten);
    close(master);
    finish(pid);
    close(slave);
}

static void near_end_gone(void)
{
    open_pair();
    raw(1, 0);
    write(slave, "last", 4);
    close(slave);
    show_poll("poll", master);
    show_read("read", master, 10);
    show_read("read again", master, 10);
    show_call("write", write(master, "x", 1));
    show_poll("poll", master);
    close(master);
}

// A hangup of the terminal while others hold it.
static void hung_up(void)
{
    char name[64];
    open_pair();
    ptsname_r(master, name, sizeof name);
    raw(1, 0);
    setsid();
    signal(SIGHUP, SIG_IGN);
    ioctl(slave, TIOCSCTTY, 0);
    pid_t pid = start(read_ten);
    int refused = ioctl(slave, TIOCVHANGUP, 0);
    finish(pid); // whose lines come first
    SHOW("hang up", "%s", refused ? "refused" : "done");
    int on = 1;
    show_poll("poll", slave);
    show_read("read", slave, 10);
    show_call("write", write(slave, "x", 1));
    show_done("FIOASYNC", ioctl(slave, FIOASYNC, &on));
    show_done("TIOCSPGRP", ioctl(slave, TIOCSPGRP, &(pid_t){getpid()}));
    show_done("TIOCGPGRP", ioctl(slave, TIOCGPGRP, &on));
    struct termios t;
    show_done("modes", tcgetattr(slave, &t));
    int again = open(name, O_RDWR | O_NOCTTY);
    show_done("open again", again);
    show_poll("... poll", again);
    show_call("... write", write(again, "x", 1));
    close(again);
    close_pair();
}

static void on_async(int sig)
{
    SHOW("told", "%d", sig == SIGIO);
}
static void async(void)
{
    open_pair();
    raw(1, 0);
    signal(SIGIO, on_async);
    fcntl(slave, F_SETOWN, getpid());
    fcntl(slave, F_SETFL, O_ASYNC);
    write(master, "a", 1);
    show_read("read", slave, 5);
    SHOW("owner", "%d", fcntl(slave, F_GETOWN) == getpid());
    fcntl(slave, F_SETFL, 0);
    write(master, "b", 1);
    show_read("read", slave, 5);
    close_pair();
}

static void all(void)
{
    edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(edge + 4096, 4096, PROT_NONE);
    edge += 4096;
    IN_CHILD("amounts", amounts());
    IN_CHILD("lines", lines());
    IN_CHILD("bad memory", bad_memory());
    IN_CHILD("interrupted", interrupted());
    IN_CHILD("room", room());
    IN_CHILD("held", held());
    IN_CHILD("far end gone", far_end_gone());
    IN_CHILD("near end gone", near_end_gone());
    IN_CHILD("hung up", hung_up());
    IN_CHILD("async", async());
}

int main(void)
{
    return run_as_child(all);
}
