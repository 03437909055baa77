// acct: a record of each process that ends. Runs as user 0, alone in turning accounting on.
#include "probe.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct record {
    uint8_t flag, version;
    uint16_t tty;
    uint32_t exit_code, uid, gid, pid, ppid, begin;
    float elapsed;
    uint16_t user, system, memory, io, rw, minor_faults, major_faults, swaps;
    char comm[16];
};
static const char path[] = "/tmp/ish-accounting";

static void show_record(const char *name, pid_t pid)
{
    struct record r;
    int found = 0, fd = open(path, O_RDONLY);
    while (read(fd, &r, sizeof r) == sizeof r)
        if (r.pid == (uint32_t)pid) {
            found++;
            SHOW(name, "flag %#x version %d exit %#x uid %u gid %u ppid %d comm %s", r.flag & ~2,
                 r.version, r.exit_code, r.uid, r.gid, r.ppid == (uint32_t)getpid(), r.comm);
            time_t now = time(NULL);
            SHOW("...", "begin %d elapsed %d memory %d", now - r.begin < 10,
                 r.elapsed >= 0 && r.elapsed < 1000, r.memory > 0);
        }
    close(fd);
    SHOW("... records", "%d", found);
}

static pid_t start(void (*run)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_NAME, "counted");
        run();
        _exit(7);
    }
    waitpid(pid, NULL, 0);
    return pid;
}
static void nothing(void) {}
static void by_signal(void)
{
    raise(SIGTERM);
}
static void other_user(void)
{
    setgid(2000), setuid(1000);
}
static void program(void)
{
    char *argv[] = {"again", "x", NULL}, *envp[] = {"ACCT_AGAIN=1", NULL};
    execve("/proc/self/exe", argv, envp);
}
static void busy(void)
{
    while (clock() < 3 * CLOCKS_PER_SEC / 10)
        ;
}

static void body(void)
{
    unlink(path);
    show_call("no file", acct("/tmp/no-such-file"));
    show_call("bad pointer", acct((char *)8));
    show_call("directory", acct("/tmp"));
    show_call("device", acct("/dev/null"));
    close(open(path, O_CREAT | O_WRONLY, 0600));
    show_call("on", acct(path));
    show_record("exit", start(nothing));
    show_record("signal", start(by_signal));
    show_record("user", start(other_user));
    pid_t pid = start(program);
    struct record r = {0};
    int fd = open(path, O_RDONLY);
    while (read(fd, &r, sizeof r) == sizeof r && r.pid != (uint32_t)pid)
        ;
    SHOW("program", "%#x %#x", r.flag & ~2, r.exit_code);
    pid = start(busy);
    while (read(fd, &r, sizeof r) == sizeof r && r.pid != (uint32_t)pid)
        ;
    // Linux counts ticks of its clock, most of which other programs get on a busy machine.
    SHOW("busy", "%d", r.user + r.system >= 3 && r.user + r.system < 100);
    close(fd);
    IN_CHILD("nobody", setuid(1000); show_call("...", acct(path)); show_call("...", acct(NULL)));
    show_call("off", acct(NULL));
    show_call("off again", acct(NULL));
    struct stat before, after;
    stat(path, &before);
    start(nothing);
    stat(path, &after);
    SHOW("nothing is written", "%d", before.st_size == after.st_size);
    unlink(path);
}

static int has_accounting(void)
{
    return acct(NULL) == 0;
}

int main(void)
{
    if (getenv("ACCT_AGAIN"))
        return 3;
    probe_needs(has_accounting, "accounting");
    return run_as_child(body);
}
