// Process namespaces: numbers inside and outside, who reaps, who may be killed, and the end of the
// first process. Runs as user 0.
#include "probe.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void read_link(const char *name, const char *path)
{
    char text[256] = "";
    long n = readlink(path, text, sizeof text - 1);
    if (n < 0)
        show_call(name, n);
    else
        SHOW(name, "%s", text);
}

static volatile sig_atomic_t got_pid = -1, got_signal;

static void note(int sig, siginfo_t *info, void *context)
{
    (void)context;
    got_signal = sig;
    got_pid = info->si_pid;
}

static void handle(int sig)
{
    struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigaction(sig, &a, NULL);
}

static void status_line(const char *name, const char *field)
{
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, field, strlen(field))) {
            line[strcspn(line, "\n")] = 0;
            SHOW(name, "%s", line);
        }
    if (f)
        fclose(f);
}

static void first(void)
{
    SHOW("inside", "pid %d parent %d group %d session %d", getpid(), getppid(), getpgrp(),
         getsid(0));
    SHOW("... thread", "%d", (int)syscall(SYS_gettid));
    show_call("setsid", setsid());
    SHOW("... group", "%d %d", getpgrp(), getsid(0));
    handle(SIGCHLD);
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        SHOW("child", "pid %d parent %d group %d", getpid(), getppid(), getpgrp());
        show_call("... kill of the first", kill(1, SIGKILL));
        show_call("... term of the first", kill(1, SIGTERM));
        show_call("... nobody", kill(4000, 0));
        show_call("... setpgid", setpgid(0, 0));
        SHOW("... group", "%d", getpgrp());
        _exit(7);
    }
    int status;
    pid_t reaped;
    while ((reaped = waitpid(child, &status, 0)) < 0 && errno == EINTR)
        ;
    SHOW("fork gave", "%d", child);
    SHOW("wait gave", "%d %s", reaped, status_text(status));
    SHOW("... and SIGCHLD", "%d from %d", got_signal, got_pid);

    // An orphan comes to the first process.
    int ends[2];
    pipe(ends);
    fflush(stdout);
    child = fork();
    if (!child) {
        if (!fork()) {
            char c;
            close(ends[1]);
            read(ends[0], &c, 1); // until the parent is gone
            _exit(getppid() == 1 ? 5 : 6);
        }
        _exit(0);
    }
    waitpid(child, &status, 0);
    close(ends[1]);
    close(ends[0]);
    while ((reaped = wait(&status)) < 0 && errno == EINTR)
        ;
    SHOW("the orphan", "%s", status_text(status));
    show_call("kill of everybody", kill(-1, 0));
    handle(SIGUSR1);
    show_call("kill of oneself", kill(getpid(), SIGUSR1));
    SHOW("... signal", "%d from %d", got_signal, got_pid);
    int pair[2], on = 1;
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    struct ucred peer;
    socklen_t len = sizeof peer;
    getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &len);
    SHOW("peer", "%d", peer.pid);
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) {
        show_call("mount of proc", mount("proc", "/proc", "proc", 0, NULL));
        read_link("self", "/proc/self");
        read_link("thread-self", "/proc/thread-self");
        status_line("status", "Pid:");
        status_line("status", "PPid:");
        status_line("status", "Tgid:");
        struct stat st;
        SHOW("outside is not seen", "%d", stat("/proc/2", &st));
    }
}

static void outer(void)
{
    handle(SIGUSR2);
    fflush(stdout);
    int up[2], down[2];
    pipe(up), pipe(down);
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (!child) {
        hear(down[0]);
        first();
        tell(up[1]);
        pause();
        _exit(0);
    }
    SHOW("outside it has another number", "%d", child > 1);
    tell(down[1]);
    hear(up[0]);
    show_call("kill from outside", kill(child, SIGKILL));
    show_end("first process", child);

    fflush(stdout);
    child = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (!child) {
        for (int i = 0; i < 3; i++)
            if (!fork()) {
                close(up[0]);
                pause();
            }
        _exit(3);
    }
    close(up[1]);
    show_end("the first ends", child);
    char c;
    show_call("... and all with it", read(up[0], &c, 1));
}

static void unshared(void)
{
    struct stat own, children;
    int up[2];
    pipe(up);
    show_call("unshare", unshare(CLONE_NEWPID));
    stat("/proc/self/ns/pid", &own);
    show_call("before the first", stat("/proc/self/ns/pid_for_children", &children));
    show_call("unshare again", unshare(CLONE_NEWPID));
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        SHOW("first child", "%d %d", getpid(), getppid());
        tell(up[1]);
        pause();
    }
    hear(up[0]);
    stat("/proc/self/ns/pid_for_children", &children);
    SHOW("children elsewhere", "%d", own.st_ino != children.st_ino);
    IN_CHILD("second child", SHOW("...", "%d", getpid()));
    show_call("thread", syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0));
    int ns = open("/proc/self/ns/pid_for_children", O_RDONLY);
    int above = ioctl(ns, 0xb702);
    SHOW("parent of it", "%d", fstat(above, &children) == 0 && children.st_ino == own.st_ino);
    show_call("setns to it", setns(ns, CLONE_NEWPID));
    show_call("setns back", setns(above, CLONE_NEWPID));
    IN_CHILD("born outside", SHOW("...", "%d", getpid() > 3));
    kill(pid, SIGKILL);
    show_end("its first", pid);
    setns(ns, CLONE_NEWPID);
    pid = fork();
    if (!pid)
        _exit(0);
    show_call("fork after its end", pid);
}

static void user(void)
{
    setuid(1000);
    show_call("a user alone", unshare(CLONE_NEWPID));
    show_call("a user with users", unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS));
    IN_CHILD("child", SHOW("...", "%d", getpid()));
}

// Never outside of a namespace: there it is the machine that ends.
static void reboot_here(const char *name, unsigned command)
{
    if (getpid() != 1)
        show_call(name, syscall(SYS_reboot, 0xfee1dead, 0x28121969, command, "again"));
}

// Asked for by the second process; what the first one's end is told as.
static void rebooted(const char *name, unsigned command)
{
    fflush(stdout);
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (!child) {
        if (getpid() == 1 && !fork()) {
            reboot_here(name, command);
            _exit(5);
        }
        for (int status; wait(&status) > 0;)
            SHOW("... the second process", "%s", status_text(status));
        _exit(6);
    }
    show_end(name, child);
}

static void reboots(void)
{
    rebooted("restart", 0x01234567);
    rebooted("restart with a command", 0xa1b2c3d4);
    rebooted("halt", 0xcdef0123);
    rebooted("power off", 0x4321fedc);
    rebooted("keys on", 0x89abcdef);
    rebooted("keys off", 0);
    rebooted("suspend", 0xd000fce2);
}

static void body(void)
{
    IN_CHILD("reboot", reboots());
    IN_CHILD("clone", outer());
    IN_CHILD("unshare", unshared());
    IN_CHILD("user", user());
}

static int has_namespaces(void)
{
    return !unshare(CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWNS) &&
           !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

int main(void)
{
    probe_needs(has_namespaces, "namespaces of one's own");
    return run_as_child(body);
}
