// Calls on what proc(5) and sysfs make up: names that are nearly right, offsets, writes, processes
// that are dead, stopped or somebody else's. The host's Linux is asked.
#include "tests/guest/asleep.h"
#include "tests/guest/probe.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void show_open(const char *path, int flags)
{
    int fd = open(path, flags);
    char text[160];
    snprintf(text, sizeof text, "open %s", path);
    show_done(text, fd);
    close(fd);
}

static void odd_names(void)
{
    static const char *const names[] = {
        "/proc/0",
        "/proc/01",
        "/proc/-1",
        "/proc/1x",
        "/proc/x",
        "/proc/2147483648",
        "/proc/99999999999",
        "/proc/999999",
        "/proc/self/task/0",
        "/proc/self/task/01",
        "/proc/self/task/1x",
        "/proc/self/task/999999",
        "/proc/self/task/99999999999",
        "/proc/self/fd/0",
        "/proc/self/fd/00",
        "/proc/self/fd/01",
        "/proc/self/fd/x",
        "/proc/self/fd/1x",
        "/proc/self/fd/999",
        "/proc/self/fd/99999999999",
        "/proc/self/fdinfo/0",
        "/proc/self/fdinfo/999",
        "/proc/self/ns/none",
        "/proc/self/map_files/x",
        "/proc/self/map_files/1-2",
        "/proc/sys/none",
        "/proc/sys/kernel/none",
        "/proc/none",
        "/proc/net/none",
        "/sys/devices/system/cpu/cpu0",
        "/sys/devices/system/cpu/cpu00",
        "/sys/devices/system/cpu/cpu0x",
        "/sys/devices/system/cpu/cpux",
        "/sys/devices/system/cpu/cpu",
        "/sys/devices/system/cpu/cpu999",
        "/sys/devices/system/cpu/none",
        "/sys/devices/system/cpu/online/x",
        "/sys/none",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[128];
        snprintf(text, sizeof text, "access %s", names[i]);
        show_done(text, access(names[i], F_OK));
    }
    show_open("/proc/none", O_RDWR | O_CREAT);
    show_open("/proc/version", O_RDWR | O_CREAT | O_EXCL);
    show_open("/proc/version", O_RDONLY | O_DIRECTORY);
    show_open("/proc/self/fd", O_RDWR);
    show_open("/proc/self/exe", O_RDONLY | O_NOFOLLOW);
    show_done("mkdir", mkdir("/proc/x", 0755));
    show_done("unlink", unlink("/proc/version"));
    show_done("rmdir", rmdir("/proc/self/task"));
    show_done("rename", rename("/proc/version", "/proc/x"));
    show_done("link", link("/proc/version", "/proc/x"));
    show_done("symlink", symlink("a", "/proc/self/x"));
    show_done("truncate", truncate("/proc/version", 0));
}

static void offsets(void)
{
    static const char *const files[] = {
        "/proc/version", "/proc/self/status", "/proc/self/fd",
        "/proc",         "/proc/self/mem",    "/proc/self/comm",
    };
    static const struct {
        off_t at;
        int whence;
    } seeks[] = {{0, SEEK_SET},   {3, SEEK_SET},  {2, SEEK_CUR}, {-1, SEEK_CUR},
                 {-10, SEEK_CUR}, {-1, SEEK_SET}, {0, SEEK_END}, {-1, SEEK_END},
                 {0, 3},          {0, 4},         {0, 9}};
    char text[96], buf[64];
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        int fd = open(files[f], O_RDONLY);
        for (size_t i = 0; i < sizeof seeks / sizeof *seeks; i++) {
            if (seeks[i].whence == SEEK_END || seeks[i].whence > 2)
                lseek(fd, 0, SEEK_SET);
            snprintf(text, sizeof text, "%s: seek %ld from %d", files[f], (long)seeks[i].at,
                     seeks[i].whence);
            show_call(text, lseek(fd, seeks[i].at, seeks[i].whence));
        }
        snprintf(text, sizeof text, "%s: read of nothing", files[f]);
        show_call(text, read(fd, buf, 0));
        snprintf(text, sizeof text, "%s: far behind its end", files[f]);
        show_call(text, pread(fd, buf, sizeof buf, (off_t)1 << 40));
        snprintf(text, sizeof text, "%s: entries in 10 bytes", files[f]);
        show_call(text, syscall(SYS_getdents64, fd, buf, 10));
        close(fd);
    }
    int fd = open("/proc/self/task", O_RDONLY), entries = 0;
    while (syscall(SYS_getdents64, fd, buf, 40) > 0) // one at a time
        entries++;
    SHOW("entries of task, one by one", "%d", entries);
    close(fd);
    fd = open("/sys/devices/system/cpu", O_RDONLY);
    bool found = false;
    while (syscall(SYS_getdents64, fd, buf, 40) > 0)
        found |= !strcmp(((struct dirent *)buf)->d_name, "cpu0");
    SHOW("cpu0 is among the processors", "%d", found);
    close(fd);
}

static void show_write(const char *path, const char *text)
{
    char what[160];
    int fd = open(path, O_WRONLY);
    snprintf(what, sizeof what, "write %.40s to %s", text, path);
    show_call(what, fd < 0 ? -1 : write(fd, text, strlen(text)));
    close(fd);
}

static void show_text(const char *path)
{
    char text[256] = "";
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n < 0) {
        show_call(path, n);
    } else {
        for (ssize_t i = 0; i < n; i++)
            text[i] = text[i] == '\n' || !text[i] ? '|' : text[i];
        SHOW(path, "%.*s", (int)n, text);
    }
    close(fd);
}

static void writes(void)
{
    static const char *const scores[] = {"7", "8\n", " 9",   "10 ",   "+11", "0x10",        "x",
                                         "",  "\n",  "1001", "-1001", "12x", "99999999999", "017"};
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        show_write("/proc/self/oom_score_adj", scores[i]);
        show_text("/proc/self/oom_score_adj");
    }
    static const char *const comms[] = {"short", "with\nlines", "exactly15letter",
                                        "more than fifteen letters", ""};
    for (size_t i = 0; i < sizeof comms / sizeof *comms; i++) {
        show_write("/proc/self/comm", comms[i]);
        show_text("/proc/self/comm");
    }
    show_write("/proc/1/comm", "other");
    show_write("/proc/version", "x");
    show_write("/proc/self/status", "x");
    show_write("/proc/sys/kernel/ostype", "x");
    show_write("/proc/self/setgroups", "maybe");
    show_write("/proc/self/setgroups", "allow");
    static char *nowhere;
    nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("/proc/self/oom_score_adj", O_RDWR);
    show_call("write from nowhere", write(fd, nowhere, 3));
    show_call("read to nowhere", read(fd, nowhere, 3));
    close(fd);
}

static void memory(void)
{
    char buf[16];
    char *p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + 4096, 4096);
    int fd = open("/proc/self/mem", O_RDWR);
    show_call("write to what is read-only", pwrite(fd, "hello", 5, (off_t)(uintptr_t)p));
    SHOW("... it is there", "%.5s", p);
    show_call("read across the end", pread(fd, buf, 16, (off_t)(uintptr_t)(p + 4090)));
    show_call("write across the end", pwrite(fd, buf, 16, (off_t)(uintptr_t)(p + 4090)));
    show_call("read behind the end", pread(fd, buf, 16, (off_t)(uintptr_t)(p + 4096)));
    show_call("write behind the end", pwrite(fd, buf, 16, (off_t)(uintptr_t)(p + 4096)));
    show_call("read of null", pread(fd, buf, 16, 0));
    mprotect(p, 4096, PROT_NONE);
    show_call("read of what may not be", pread(fd, buf, 5, (off_t)(uintptr_t)p));
    show_call("read to nowhere", pread(fd, p + 4096, 5, (off_t)(uintptr_t)buf));
    show_call("write from nowhere", pwrite(fd, p + 4096, 5, (off_t)(uintptr_t)buf));
    show_call("seek", lseek(fd, (off_t)(uintptr_t)buf, SEEK_SET) == (off_t)(uintptr_t)buf);
    show_call("seek on", lseek(fd, 4, SEEK_CUR) == (off_t)(uintptr_t)buf + 4);
    show_call("seek to the end", lseek(fd, 0, SEEK_END));
    show_call("seek to data", lseek(fd, 0, SEEK_DATA));
    show_call("read there", read(fd, p + 4096, 0));
    close(fd);
    fd = open("/proc/self/auxv", O_RDONLY);
    show_call("a part of auxv", pread(fd, buf, 16, 16));
    show_call("auxv at an odd place", pread(fd, buf, 3, 5));
    close(fd);
}

// --- Other processes -----------------------------------------------------------------------------

// What kernels after 6.1 refuse of a dead one, and a list of descriptors to others, is left out.
static void look_at(const char *who, pid_t pid, bool dead, bool own)
{
    static const char *const names[] = {"maps",   "smaps",  "mem",    "environ", "cmdline",
                                        "auxv",   "fd",     "fdinfo", "ns",      "task",
                                        "status", "limits", "mounts", "io",      "comm",
                                        "statm",  "stat",   "cgroup", "uid_map", "oom_score_adj"};
    static const char *const links[] = {"exe", "cwd", "root", "fd/0", "ns/pid"};
    char path[64], text[96], buf[1024];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *const later = " mem environ auxv mounts ";
        snprintf(text, sizeof text, " %s ", names[i]);
        if ((dead && strstr(later, text)) || (!own && !strcmp(names[i], "fdinfo")))
            continue;
        snprintf(path, sizeof path, "/proc/%d/%s", pid, names[i]);
        snprintf(text, sizeof text, "%s: %s", who, names[i]);
        int fd = open(path, O_RDONLY);
        show_done(text, fd);
        if (fd < 0)
            continue;
        struct stat st;
        fstat(fd, &st);
        ssize_t n = S_ISDIR(st.st_mode) ? syscall(SYS_getdents64, fd, buf, sizeof buf)
                                        : read(fd, buf, sizeof buf);
        SHOW("... holds", "%s", n < 0 ? strerrorname_np(errno) : n ? "something" : "nothing");
        close(fd);
    }
    for (size_t i = 0; i < sizeof links / sizeof *links - dead; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, links[i]);
        snprintf(text, sizeof text, "%s: %s", who, links[i]);
        show_done(text, readlink(path, buf, sizeof buf));
        snprintf(text, sizeof text, "%s: through %s", who, links[i]);
        show_done(text, access(path, F_OK));
    }
}

static void others(void)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        for (;;)
            pause();
    }
    task_until_asleep(child);
    look_at("a child", child, false, true);
    kill(child, SIGSTOP);
    waitpid(child, &status, WUNTRACED);
    SHOW("stopped", "%c", task_state(child));
    int seen = 0;
    for (int i = 0; i < 500; i++) {
        kill(child, SIGCONT);
        waitpid(child, &status, WCONTINUED);
        kill(child, SIGSTOP);
        waitpid(child, &status, WUNTRACED);
        seen += task_state(child) == 'T';
    }
    SHOW("stopped again and again", "%d", seen);
    ptrace(PTRACE_SEIZE, child, 0, 0);
    ptrace(PTRACE_INTERRUPT, child, 0, 0);
    waitpid(child, &status, 0);
    SHOW("traced", "%c", task_state(child));
    ptrace(PTRACE_DETACH, child, 0, 0);
    kill(child, SIGCONT);
    fflush(stdout);
    pid_t user = fork();
    if (user == 0) {
        setresgid(1000, 1000, 1000);
        setresuid(1000, 1000, 1000);
        look_at("somebody else's", child, false, false);
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/oom_score_adj", child);
        show_write("/proc/self/oom_score_adj", "500");
        show_write("/proc/self/oom_score_adj", "-500");
        show_write("/proc/self/comm", "user");
        show_write("/proc/sys/kernel/hostname", "user");
        SHOW("another's score", "%d", open(path, O_WRONLY) < 0 ? errno : 0);
        show_done("chmod of a user's", chmod("/proc/self/comm", 0777));
        _exit(0);
    }
    show_end("user", user);
    kill(child, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    SHOW("dead", "%c", task_state(child));
    look_at("a dead one", child, true, true);
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", child);
    int dir = open(path, O_RDONLY), fd = openat(dir, "status", O_RDONLY),
        maps = openat(dir, "maps", O_RDONLY);
    waitpid(child, &status, 0);
    char buf[64];
    show_done("read of one that is gone", read(fd, buf, sizeof buf));
    show_done("maps of one that is gone", maps < 0 ? -1 : read(maps, buf, sizeof buf));
    show_done("entries of one that is gone", syscall(SYS_getdents64, dir, buf, sizeof buf));
    struct stat st;
    show_done("fstat of one that is gone", fstat(fd, &st));
    show_done("stat of one that is gone", stat(path, &st));
}

static void descriptors(void)
{
    char path[64], buf[256];
    int path_only = open("/", O_PATH), cloexec = open("/", O_RDONLY | O_CLOEXEC), p[2];
    pipe2(p, O_NONBLOCK);
    const int fds[] = {path_only, cloexec, p[0], p[1]};
    for (int i = 0; i < 4; i++) {
        struct stat st;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fds[i]);
        lstat(path, &st);
        SHOW("mode of a descriptor", "%o, %ld", st.st_mode, (long)st.st_size);
        ssize_t n = readlink(path, buf, sizeof buf);
        SHOW("... to", "%.*s", n < 4 ? (int)n : 4, buf);
        SHOW("... in a small buffer", "%zd", readlink(path, buf, 1));
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fds[i]);
        int fd = open(path, O_RDONLY);
        n = read(fd, buf, 100);
        char *flags = n > 0 ? strstr(buf, "flags:") : NULL;
        unsigned long bits = flags ? strtoul(flags + 6, NULL, 8) : 0;
        SHOW("... flags", "%#lx", bits & (O_ACCMODE | O_NONBLOCK | O_CLOEXEC | O_PATH));
        close(fd);
    }
    show_done("open of a path's descriptor", open("/proc/self/fd/999", O_RDONLY));
}

static void probe(void)
{
    odd_names();
    offsets();
    writes();
    memory();
    others();
    descriptors();
}

int main(void)
{
    probe_needs(has_sysfs, "/sys");
    return run_as_child(probe);
}
