// /proc/PID of a process that ended: what was opened before, and what opens now, as long as nobody
// waited for it and afterwards; what was opened before a process became another program; and that
// of a process whose first thread left.
#include "probe.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char *const files[] = {
    "auxv",        "cgroup",       "cmdline",       "comm",
    "environ",     "fdinfo/0",     "gid_map",       "io",
    "limits",      "maps",         "mem",           "mountinfo",
    "mounts",      "oom_score",    "pagemap",       "oom_score_adj",
    "personality", "schedstat",    "setgroups",     "sessionid",
    "smaps",       "smaps_rollup", "stat",          "statm",
    "status",      "uid_map",      "timerslack_ns", "coredump_filter",
    "net/unix",    "net/dev",      "loginuid",
};
enum { FILES = sizeof files / sizeof *files };
static const char *const links[] = {"cwd", "exe", "root", "fd/0", "ns/user", "ns/mnt", "ns/pid"};
enum { LINKS = sizeof links / sizeof *links };
static const char *const dirs[] = {"", "fd", "fdinfo", "ns", "task", "net"};
enum { DIRS = sizeof dirs / sizeof *dirs };

static int held[FILES], halfway[FILES], held_link[LINKS], held_dir[DIRS];
static char *page; // at one address in every process of ours

static off_t begin_of(const char *name)
{
    if (!strcmp(name, "pagemap"))
        return (off_t)((uintptr_t)page / 4096 * 8);
    return strcmp(name, "mem") ? 0 : (off_t)(uintptr_t)page;
}

// How much stands there may differ.
static void show_read(const char *when, const char *name, int fd, off_t at)
{
    static char buf[1 << 16];
    char what[120];
    snprintf(what, sizeof what, "%s, %s: read", when, name);
    size_t room = strcmp(name, "pagemap") && strcmp(name, "mem") ? sizeof buf : 8;
    ssize_t n = at < 0 ? read(fd, buf, room) : pread(fd, buf, room, at);
    SHOW(what, "%s", n < 0 ? strerrorname_np(errno) : n ? "some" : "nothing");
}

// A file of memory that is gone: Linux before 6.16 opens it and reads nothing, later it cannot be
// opened.
static void show_opened(const char *when, const char *name, int fd)
{
    char what[120];
    snprintf(what, sizeof what, "%s, %s: open", when, name);
    static char buf[8];
    if (fd < 0 ? errno == ESRCH : pread(fd, buf, 8, begin_of(name)) < 0 && errno == ESRCH)
        SHOW(what, "%s", "nothing there");
    else if (fd >= 0 && pread(fd, buf, 8, begin_of(name)) == 0)
        SHOW(what, "%s", "nothing there");
    else
        show_done(what, fd);
    if (fd >= 0)
        close(fd);
}

static void hold(pid_t pid)
{
    char path[80], buf[8];
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i]);
        held[i] = open(path, O_RDONLY);
        halfway[i] = open(path, O_RDONLY);
        lseek(halfway[i], begin_of(files[i]), SEEK_SET);
        read(halfway[i], buf, strcmp(files[i], "pagemap") ? 1 : 8);
        show_read("alive", files[i], held[i], begin_of(files[i]));
    }
    for (int i = 0; i < LINKS; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, links[i]);
        held_link[i] = open(path, O_PATH | O_NOFOLLOW);
    }
    for (int i = 0; i < DIRS; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, dirs[i]);
        held_dir[i] = open(path, O_RDONLY | O_DIRECTORY);
    }
}

static void let_go(void)
{
    for (int i = 0; i < FILES; i++)
        close(held[i]), close(halfway[i]);
    for (int i = 0; i < LINKS; i++)
        close(held_link[i]);
    for (int i = 0; i < DIRS; i++)
        close(held_dir[i]);
}

static void ask_held_files(const char *when)
{
    char what[120];
    struct stat st;
    for (int i = 0; i < FILES; i++) {
        show_read(when, files[i], held[i], begin_of(files[i]));
        snprintf(what, sizeof what, "%s, half read", when);
        show_read(what, files[i], halfway[i], -1);
        snprintf(what, sizeof what, "%s, %s: stat", when, files[i]);
        show_done(what, fstat(held[i], &st));
    }
}

static void ask_held_dirs(const char *when)
{
    static const char *const names[] = {"comm", "0", "0", "user", "1", "unix"};
    char what[120], buf[4096];
    struct stat st;
    for (int i = 0; i < LINKS; i++) {
        snprintf(what, sizeof what, "%s, %s: readlink", when, links[i]);
        show_done(what, readlinkat(held_link[i], "", buf, sizeof buf));
    }
    for (int i = 0; i < DIRS; i++) {
        snprintf(what, sizeof what, "%s, %s/: getdents", when, dirs[i]);
        lseek(held_dir[i], 0, SEEK_SET);
        long n = syscall(SYS_getdents64, held_dir[i], buf, sizeof buf);
        SHOW(what, "%s",
             n < 0    ? strerrorname_np(errno)
             : n > 48 ? "names"
             : n      ? "dots"
                      : "nothing");
        snprintf(what, sizeof what, "%s, %s/: a name in it", when, dirs[i]);
        show_done(what, fstatat(held_dir[i], names[i], &st, AT_SYMLINK_NOFOLLOW));
        snprintf(what, sizeof what, "%s, %s/: chdir", when, dirs[i]);
        IN_CHILD(what, show_done("  chdir", fchdir(held_dir[i])));
    }
}

static void ask_new(const char *when, pid_t pid)
{
    char path[80], what[120], buf[256];
    struct stat st;
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i]);
        show_opened(when, files[i], open(path, O_RDONLY));
        snprintf(what, sizeof what, "%s, %s: stat", when, files[i]);
        show_done(what, stat(path, &st));
    }
    for (int i = 0; i < LINKS; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, links[i]);
        snprintf(what, sizeof what, "%s, %s: readlink, open, stat, lstat", when, links[i]);
        show_done(what, readlink(path, buf, sizeof buf));
        int fd = open(path, O_RDONLY);
        show_done("  open", fd);
        close(fd);
        show_done("  stat", stat(path, &st));
        show_done("  lstat", lstat(path, &st));
    }
    for (int i = 0; i < DIRS; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, dirs[i]);
        snprintf(what, sizeof what, "%s, %s/: open", when, dirs[i]);
        DIR *d = opendir(path);
        show_done(what, d ? 0 : -1);
        int entries = 0;
        for (struct dirent *e; d && (e = readdir(d));)
            entries += e->d_name[0] != '.';
        if (d) {
            SHOW("  names", "%d", entries > 0);
            closedir(d);
        }
    }
}

// A child that waits in `go`; `then` is what it does afterwards.
static pid_t start(int *go, void (*then)(int ready), int *ready)
{
    int told[2], wait[2];
    pipe(told);
    pipe(wait);
    pid_t pid = fork();
    if (pid == 0) {
        close(wait[1]);
        close(told[0]);
        dup2(wait[0], 0);
        tell(told[1]);
        hear(0);
        then(told[1]);
        _exit(0);
    }
    close(wait[0]);
    close(told[1]);
    hear(told[0]);
    *go = wait[1];
    *ready = told[0];
    return pid;
}

static void end(pid_t pid, int go, int ready)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(go);
    close(ready);
    let_go();
}

static void nothing_more(int ready)
{
    (void)ready;
}

static void ended(void)
{
    int go, ready;
    pid_t pid = start(&go, nothing_more, &ready);
    hold(pid);
    siginfo_t info;
    kill(pid, SIGKILL);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    ask_held_files("a zombie");
    ask_held_dirs("a zombie");
    ask_new("a zombie", pid);
    waitpid(pid, NULL, 0);
    ask_held_files("waited for");
    ask_held_dirs("waited for");
    end(pid, go, ready);
}

// What a descriptor says of memory is of the memory it was opened at, whoever runs in it next.
static void become_another(int ready)
{
    char number[16];
    snprintf(number, sizeof number, "%d", ready);
    execl("/proc/self/exe", "another", number, (char *)NULL);
    _exit(127);
}

static void ask_another(void)
{
    int go, ready;
    pid_t pid = start(&go, become_another, &ready);
    hold(pid);
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int mem = open(path, O_RDWR);
    show_done("its own program, mem: write", pwrite(mem, "x", 1, begin_of("mem")));
    tell(go);
    hear(ready);
    ask_held_files("another program");
    SHOW("another program, mem: write", "%zd", pwrite(mem, "x", 1, begin_of("mem")));
    close(mem);
    end(pid, go, ready);
}

// The first thread of a process may leave before the others.
static int first_left;

static void *stay(void *arg)
{
    pthread_join(*(pthread_t *)arg, NULL);
    tell(first_left);
    for (;;)
        pause();
    return NULL;
}

static void leave_others(int ready)
{
    pthread_t first = pthread_self(), other;
    first_left = ready;
    pthread_create(&other, NULL, stay, &first);
    pthread_exit(NULL);
}

static void ask_left(void)
{
    int go, ready;
    pid_t pid = start(&go, leave_others, &ready);
    hold(pid);
    tell(go);
    hear(ready);
    // The kernel wakes who joins a little before the thread is gone.
    char path[40], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    while (state != 'Z') {
        char text[512] = {0};
        int fd = open(path, O_RDONLY);
        read(fd, text, sizeof text - 1);
        close(fd);
        state = strrchr(text, ')')[2];
    }
    ask_held_files("its first thread left");
    ask_held_dirs("its first thread left");
    ask_new("its first thread left", pid);
    end(pid, go, ready);
}

static void body(void)
{
    ended();
    ask_another();
    ask_left();
}

int main(int argc, char **argv)
{
    page = mmap((void *)0x20000000, 4096, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    page[0] = 'p';
    if (argc > 1) {
        tell((int)strtol(argv[1], NULL, 10));
        for (;;)
            pause();
    }
    return run_as_child(body);
}
