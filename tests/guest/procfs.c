// /proc: what is there, who may look, where links lead, the form of the common files.
#include "probe.h"
#include "work_dir.h"
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static char text[1 << 20];

static int number(const char *from)
{
    return (int)strtol(from, NULL, 10);
}

// The whole file; its length or -1.
static long slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    long len = 0, n;
    if (fd < 0)
        return -1;
    while ((n = read(fd, text + len, sizeof text - 1 - (size_t)len)) > 0)
        len += n;
    close(fd);
    text[len] = 0;
    return n < 0 ? -1 : len;
}

// Digits become N, runs of blanks one blank: the shape of a text.
static const char *shape(const char *from)
{
    static char out[4096];
    size_t n = 0;
    for (; *from && *from != '\n' && n < sizeof out - 2; from++) {
        char c = *from;
        if (isdigit((unsigned char)c) || (isxdigit((unsigned char)c) && n && out[n - 1] == 'N'))
            c = 'N';
        if (c == '\t')
            c = ' ';
        if ((c == 'N' || c == ' ') && n && out[n - 1] == c)
            continue;
        out[n++] = c;
    }
    out[n] = 0;
    return out;
}

static void show_exists(const char *path)
{
    struct stat st;
    if (lstat(path, &st))
        SHOW(path, "%s", strerrorname_np(errno));
    else
        SHOW(path, "%o", st.st_mode);
}

static void show_line(const char *path, const char *start)
{
    if (slurp(path) < 0) {
        SHOW(path, "%s", strerrorname_np(errno));
        return;
    }
    const char *at = text;
    while (at && strncmp(at, start, strlen(start)) != 0) {
        at = strchr(at, '\n');
        if (at)
            at++;
    }
    SHOW(path, "%s", at ? shape(at) : "no such line");
}

static void show_link(const char *path)
{
    char to[512] = {0};
    ssize_t n = readlink(path, to, sizeof to - 1);
    if (n < 0)
        SHOW(path, "%s", strerrorname_np(errno));
    else if (work_dir[0] && strncmp(to, work_dir, strlen(work_dir)) == 0)
        SHOW(path, "WORK%s", to + strlen(work_dir));
    else
        SHOW(path, "%s", shape(to));
}

static void presence(void)
{
    static const char *const paths[] = {
        "/proc/self",         "/proc/thread-self",
        "/proc/mounts",       "/proc/cpuinfo",
        "/proc/meminfo",      "/proc/stat",
        "/proc/uptime",       "/proc/loadavg",
        "/proc/version",      "/proc/filesystems",
        "/proc/sys",          "/proc/sys/kernel",
        "/proc/self/status",  "/proc/self/fd",
        "/proc/self/fdinfo",  "/proc/self/task",
        "/proc/self/maps",    "/proc/self/exe",
        "/proc/self/cwd",     "/proc/self/root",
        "/proc/self/environ", "/proc/self/auxv",
        "/proc/self/mem",     "/proc/self/comm",
        "/proc/self/ns",      "/proc/self/oom_score_adj",
        "/proc/self/limits",  "/proc/self/stat",
        "/proc/self/statm",   "/proc/self/cmdline",
        "/proc/self/io",      "/proc/self/mountinfo",
        "/proc/self/cgroup",  "/proc/self/smaps",
        "/proc/self/wchan",   "/proc/99999999",
        "/proc/nothing",      "/proc/self/nothing",
        "/proc/01",           "/proc/0",
        "/proc/-1",           "/proc/self/fd/99",
        "/proc/self/fd/00",   "/proc/self/fd/x",
        "/proc/1x",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        show_exists(paths[i]);
}

static void system_files(void)
{
    show_line("/proc/meminfo", "MemTotal:");
    show_line("/proc/meminfo", "MemFree:");
    show_line("/proc/meminfo", "MemAvailable:");
    show_line("/proc/meminfo", "SwapTotal:");
    show_line("/proc/stat", "cpu ");
    show_line("/proc/stat", "cpu0");
    show_line("/proc/stat", "btime");
    show_line("/proc/stat", "procs_running");
    show_line("/proc/uptime", "");
    show_line("/proc/loadavg", "");
    show_line("/proc/sys/kernel/ostype", "");
    show_line("/proc/sys/kernel/pid_max", "");
    show_line("/proc/sys/kernel/ngroups_max", "");
    show_line("/proc/sys/kernel/cap_last_cap", "");
    show_line("/proc/sys/fs/nr_open", "");
    show_line("/proc/sys/fs/pipe-max-size", "");
    show_line("/proc/sys/vm/overcommit_memory", "");
    show_line("/proc/sys/vm/max_map_count", "");
    slurp("/proc/sys/kernel/random/uuid");
    SHOW("uuid", "%zu %c%c%c%c", strlen(text), text[8], text[13], text[14], text[18]);
    char first[64];
    snprintf(first, sizeof first, "%.40s", text);
    slurp("/proc/sys/kernel/random/uuid");
    SHOW("another", "%d", strcmp(first, text) != 0);
    slurp("/proc/sys/kernel/random/boot_id");
    snprintf(first, sizeof first, "%.40s", text);
    slurp("/proc/sys/kernel/random/boot_id");
    SHOW("the same boot", "%d", strcmp(first, text) == 0);
    show_call("write a fact", open("/proc/sys/kernel/ostype", O_WRONLY));
    show_call("write a counter", open("/proc/uptime", O_WRONLY));
    show_call("create", open("/proc/new", O_CREAT | O_RDWR, 0600));
    show_call("mkdir", mkdir("/proc/new", 0700));
    show_call("unlink", unlink("/proc/uptime"));
    show_call("rmdir", rmdir("/proc/sys"));
}

static void own_files(void)
{
    static const char *const rows[] = {
        "Name:",
        "State:",
        "Tgid:",
        "Pid:",
        "PPid:",
        "TracerPid:",
        "Uid:",
        "Gid:",
        "FDSize:",
        "VmPeak:",
        "VmSize:",
        "VmRSS:",
        "VmData:",
        "VmStk:",
        "VmExe:",
        "Threads:",
        "SigQ:",
        "SigPnd:",
        "SigBlk:",
        "SigIgn:",
        "SigCgt:",
        "CapInh:",
        "CapPrm:",
        "CapEff:",
        "CapBnd:",
        "NoNewPrivs:",
        "Cpus_allowed_list:",
        "voluntary_ctxt_switches:",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        show_line("/proc/self/status", rows[i]);
    prctl(PR_SET_NAME, "a (b) c");
    slurp("/proc/self/stat");
    int fields = 0;
    for (const char *p = strrchr(text, ')'); p && *p; p++)
        fields += *p == ' ';
    SHOW("stat", "%d fields after the name, pid ok %d", fields, number(text) == getpid());
    SHOW("... name", "%.9s", strchr(text, '('));
    show_line("/proc/self/comm", "");
    int fd = open("/proc/self/comm", O_WRONLY);
    show_call("rename", write(fd, "a long name for a task\n", 23));
    close(fd);
    show_line("/proc/self/comm", "");
    char name[17] = {0};
    prctl(PR_GET_NAME, name);
    SHOW("... prctl", "%s", name);
    show_line("/proc/self/limits", "Max open files");
    show_line("/proc/self/limits", "Max stack size");
    SHOW("statm", "%s", (slurp("/proc/self/statm"), shape(text)));
    long n = slurp("/proc/self/cmdline");
    SHOW("cmdline", "ends in NUL %d", n > 0 && text[n - 1] == 0);
    n = slurp("/proc/self/auxv");
    uint64_t *aux = (uint64_t *)(void *)text;
    int page = 0;
    for (long i = 0; i + 1 < n / 8; i += 2)
        page |= aux[i] == AT_PAGESZ && aux[i + 1] == 4096;
    SHOW("auxv", "page size found %d", page);
    setenv("SINCE", "start", 1);
    SHOW("environ", "shows what exec left %d",
         slurp("/proc/self/environ") >= 0 && !strstr(text, "SINCE"));
    show_line("/proc/self/oom_score_adj", "");
    fd = open("/proc/self/oom_score_adj", O_RDWR);
    show_call("set it", write(fd, "500", 3));
    show_call("too much", write(fd, "1001", 4));
    show_call("no number", write(fd, "x", 1));
    close(fd);
    show_line("/proc/self/oom_score_adj", "");
    show_line("/proc/self/uid_map", "");
}

static void links(void)
{
    show_link("/proc/self/cwd");
    show_link("/proc/self/root");
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", getpid());
    char self[32] = {0};
    readlink("/proc/self", self, 31);
    SHOW("self", "%d", number(self) == getpid());
    snprintf(path, sizeof path, "%d/task/%d", getpid(), getpid());
    memset(self, 0, sizeof self);
    readlink("/proc/thread-self", self, 31);
    SHOW("thread-self", "%d", strcmp(self, path) == 0);
    int fd = open("file", O_CREAT | O_RDWR, 0600), p[2], s[2];
    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    int e = eventfd(0, 0), ro = open("file", O_RDONLY), dir = open(".", O_RDONLY);
    int fds[] = {fd, p[0], p[1], s[0], e, ro, dir};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fds[i]);
        show_link(path);
        struct stat st;
        lstat(path, &st);
        SHOW("... mode", "%o", st.st_mode);
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct stat a, b;
    stat(path, &a);
    fstat(fd, &b);
    SHOW("stat through it", "%d", a.st_ino == b.st_ino);
    write(fd, "hello", 5);
    char buf[8] = {0};
    int again = open(path, O_RDONLY);
    read(again, buf, 5);
    SHOW("open through it", "%s", buf);
    unlink("file");
    show_link(path);
    again = open(path, O_RDONLY);
    read(again, buf, 5);
    SHOW("open what was removed", "%s", buf);
    snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
    again = open(path, O_WRONLY);
    show_done("the other end of a pipe", again);
    write(again, "x", 1);
    show_call("... works", read(p[0], buf, 8));
    snprintf(path, sizeof path, "/proc/self/fd/%d", s[0]);
    show_call("open a socket", open(path, O_RDWR));
    snprintf(path, sizeof path, "/proc/self/fd/%d", dir);
    snprintf(path, sizeof path, "/proc/self/fd/%d/../", dir);
    show_call("walk through it", access(path, F_OK));
    chdir("/proc/self/fd");
    show_done("the number of a directory", open(".", O_RDONLY));
    chdir(work_dir);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", ro);
    lseek(ro, 3, SEEK_SET);
    show_line(path, "pos:");
    SHOW("... pos", "%d", number(strchr(text, ':') + 1));
    show_line(path, "flags:");
    closefrom(3);
}

static void *count_threads(void *arg)
{
    (void)arg;
    DIR *d = opendir("/proc/self/task");
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += isdigit((unsigned char)e->d_name[0]) != 0;
    closedir(d);
    SHOW("tasks", "%d", n);
    show_line("/proc/self/status", "Threads:");
    SHOW("... threads", "%d", number(strstr(text, "Threads:") + 8));
    char path[64], self[64] = {0};
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", getpid(), (int)syscall(SYS_gettid));
    show_call("own thread", access(path, F_OK));
    snprintf(path, sizeof path, "/proc/%d", (int)syscall(SYS_gettid));
    show_call("a thread at the top", access(path, F_OK));
    readlink("/proc/self", self, 63);
    SHOW("self in a thread", "%d", number(self) == getpid());
    return NULL;
}

static void others(void)
{
    pthread_t t;
    pthread_create(&t, NULL, count_threads, NULL);
    pthread_join(t, NULL);
    int go[2], up[2];
    pipe(go);
    pipe(up);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        tell(up[1]);
        hear(go[0]);
        _exit(0);
    }
    hear(up[0]);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", child);
    slurp(path);
    SHOW("child", "ppid ok %d",
         strstr(text, "PPid:") && number(strstr(text, "PPid:") + 5) == getpid());
    snprintf(path, sizeof path, "/proc/%d/fd", child);
    DIR *d = opendir(path);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += isdigit((unsigned char)e->d_name[0]) != 0;
    closedir(d);
    SHOW("its descriptors", "%d", n);
    fflush(stdout);
    if (fork() == 0) {
        setgid(1000);
        setuid(1000);
        show_call("user: its fds", access(path, R_OK));
        show_call("user: open its fds", open(path, O_RDONLY));
        snprintf(path, sizeof path, "/proc/%d/environ", child);
        show_call("user: its environ", open(path, O_RDONLY));
        snprintf(path, sizeof path, "/proc/%d/cwd", child);
        char to[64];
        show_call("user: its cwd", readlink(path, to, 64));
        snprintf(path, sizeof path, "/proc/%d/status", child);
        show_done("user: its status", open(path, O_RDONLY));
        show_done("user: own environ", open("/proc/self/environ", O_RDONLY));
        exit(0);
    }
    wait(NULL);
    snprintf(path, sizeof path, "/proc/%d/stat", child);
    int stat_fd = open(path, O_RDONLY);
    tell(go[1]);
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    slurp(path);
    SHOW("a zombie", "%c", strrchr(text, ')')[2]);
    snprintf(path, sizeof path, "/proc/%d/exe", child);
    char to[64];
    show_call("its exe", readlink(path, to, 64));
    waitpid(child, NULL, 0);
    show_call("gone", access(path, F_OK));
    show_call("reading what was open", read(stat_fd, text, 100));
    closefrom(3);
}

static void memory(void)
{
    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(m, "in memory", 10);
    mprotect(m + 4096, 4096, PROT_NONE);
    char range[64];
    snprintf(range, sizeof range, "%lx-%lx", (unsigned long)m, (unsigned long)m + 4096);
    slurp("/proc/self/maps");
    const char *line = strstr(text, range);
    SHOW("a mapping", "%.4s", line ? strchr(line, ' ') + 1 : "none");
    SHOW("the stack", "%d", strstr(text, "[stack]") != NULL);
    SHOW("the program", "%d", strstr(text, "r-xp") != NULL);
    int fd = open("/proc/self/mem", O_RDWR);
    char buf[16] = {0};
    show_call("read memory", pread(fd, buf, 9, (off_t)(uintptr_t)m));
    SHOW("... got", "%s", buf);
    show_call("write memory", pwrite(fd, "on", 2, (off_t)(uintptr_t)m));
    SHOW("... now", "%s", m);
    show_call("read nothing there", pread(fd, buf, 1, 8));
    show_call("read without rights", pread(fd, buf, 1, (off_t)(uintptr_t)(m + 4096)));
    show_line("/proc/self/smaps", "Rss:");
    close(fd);
}

static void seeking(void)
{
    int fd = open("/proc/self/stat", O_RDONLY);
    char a[5] = {0}, b[5] = {0};
    read(fd, a, 4);
    show_call("seek back", lseek(fd, 0, SEEK_SET));
    read(fd, b, 4);
    SHOW("... the same", "%d", strcmp(a, b) == 0);
    show_call("seek to the end", lseek(fd, 0, SEEK_END));
    show_call("read far beyond", pread(fd, a, 4, 100000));
    close(fd);
    fd = open("/proc/self/fd", O_RDONLY);
    show_call("read a directory", read(fd, a, 1));
    close(fd);
    struct stat st;
    stat("/proc/self/status", &st);
    SHOW("size", "%ld", (long)st.st_size);
}

static void body(void)
{
    closefrom(3);
    enter_work_dir();
    presence();
    system_files();
    own_files();
    links();
    others();
    memory();
    seeking();
    leave_work_dir();
}

int main(void)
{
    return run_as_child(body);
}
