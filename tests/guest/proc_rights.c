// /proc/PID of somebody else's process: what opens, what can be read, what can be followed.
#include "probe.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

enum { TARGET = 1001, STRANGER = 1002 };
static pid_t target;

static const char *const files[] = {
    "auxv",          "cgroup",       "cmdline",   "comm",      "coredump_filter",
    "environ",       "gid_map",      "io",        "limits",    "maps",
    "mem",           "mountinfo",    "mounts",    "oom_score", "oom_score_adj",
    "pagemap",       "personality",  "schedstat", "sessionid", "setgroups",
    "smaps",         "smaps_rollup", "stat",      "statm",     "status",
    "timerslack_ns", "uid_map",      "wchan",     "fdinfo/0",
};
static const char *const links[] = {"cwd", "exe", "root", "fd/0", "ns/user", "ns/mnt", "ns/pid"};
static const char *const dirs[] = {"", "fd", "fdinfo", "ns", "task", "net"};

static void ask_file(const char *who, const char *dir, const char *name)
{
    char path[80], what[120], buf[65536];
    snprintf(path, sizeof path, "/proc/%d/%s%s", (int)target, dir, name);
    int fd = open(path, O_RDONLY);
    snprintf(what, sizeof what, "%s, %s%s: open", who, dir, name);
    show_done(what, fd);
    if (fd < 0)
        return;
    // What stands in it differs; whether anything does must not.
    ssize_t n = strcmp(name, "mem") ? read(fd, buf, sizeof buf) : 0;
    snprintf(what, sizeof what, "%s, %s%s: read", who, dir, name);
    SHOW(what, "%s", n < 0 ? strerrorname_np(errno) : n ? "some" : "nothing");
    close(fd);
}

static void ask_writing(const char *who, const char *name)
{
    char path[80], what[120];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)target, name);
    snprintf(what, sizeof what, "%s, %s: open to write", who, name);
    int fd = open(path, O_WRONLY);
    show_done(what, fd);
    if (fd < 0)
        return;
    snprintf(what, sizeof what, "%s, %s: write", who, name);
    show_done(what, write(fd, "0", 1));
    close(fd);
}

static void ask_link(const char *who, const char *name)
{
    char path[80], what[120], buf[256];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)target, name);
    snprintf(what, sizeof what, "%s, %s: readlink", who, name);
    show_done(what, readlink(path, buf, sizeof buf));
    snprintf(what, sizeof what, "%s, %s: open", who, name);
    int fd = open(path, O_RDONLY);
    show_done(what, fd);
    close(fd);
    struct stat st;
    snprintf(what, sizeof what, "%s, %s: stat", who, name);
    show_done(what, stat(path, &st));
    snprintf(what, sizeof what, "%s, %s: lstat", who, name);
    show_done(what, lstat(path, &st));
}

static void ask_dir(const char *who, const char *name)
{
    char path[80], what[120];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)target, name);
    DIR *d = opendir(path);
    snprintf(what, sizeof what, "%s, %s/: open", who, name);
    show_done(what, d ? 0 : -1);
    struct dirent *e = NULL;
    int entries = 0;
    while (d && (e = readdir(d)))
        entries += e->d_name[0] != '.';
    if (d) {
        snprintf(what, sizeof what, "%s, %s/: names", who, name);
        SHOW(what, "%d", entries > 0);
        closedir(d);
    }
    snprintf(what, sizeof what, "%s, %s/: chdir", who, name);
    show_done(what, chdir(path));
    snprintf(what, sizeof what, "%s, %s/: access", who, name);
    show_done(what, access(path, R_OK | X_OK));
    struct stat st = {0};
    snprintf(what, sizeof what, "%s, %s/: mode and owner", who, name);
    if (stat(path, &st))
        show_done(what, -1);
    else
        SHOW(what, "%o %d", st.st_mode, (int)st.st_uid);
}

static void ask_all(const char *who)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ask_file(who, "", files[i]);
        char path[80], what[120];
        struct stat st = {0};
        snprintf(path, sizeof path, "/proc/%d/%s", (int)target, files[i]);
        snprintf(what, sizeof what, "%s, %s: mode and owner", who, files[i]);
        if (lstat(path, &st))
            show_done(what, -1);
        else
            SHOW(what, "%o %d", st.st_mode, (int)st.st_uid);
    }
    char task[40];
    snprintf(task, sizeof task, "task/%d/", (int)target);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[80], what[120];
        snprintf(path, sizeof path, "/proc/%d/%s%s", (int)target, task, files[i]);
        snprintf(what, sizeof what, "%s, of the thread, %s", who, files[i]);
        int fd = open(path, O_RDONLY);
        show_done(what, fd);
        close(fd);
    }
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        ask_link(who, links[i]);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        ask_dir(who, dirs[i]);
    static const char *const written[] = {
        "comm", "coredump_filter", "oom_score_adj", "mem", "timerslack_ns", "setgroups", "uid_map"};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        ask_writing(who, written[i]);
}

static void become(int id, int dumpable)
{
    if (setresgid((gid_t)id, (gid_t)id, (gid_t)id) || setresuid((uid_t)id, (uid_t)id, (uid_t)id))
        abort();
    prctl(PR_SET_DUMPABLE, dumpable);
}

static void start(int dumpable)
{
    int ready[2];
    pipe(ready);
    target = fork();
    if (target == 0) {
        close(0);
        open("/dev/null", O_RDONLY);
        become(TARGET, dumpable);
        tell(ready[1]);
        for (;;)
            pause();
    }
    hear(ready[0]);
    close(ready[0]);
    close(ready[1]);
}

static void end(void)
{
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
}

// What was opened by one who might, and is read by one who may not.
static void ask_handed_over(void)
{
    static const char *const names[] = {"maps",    "smaps", "environ", "auxv",     "io",
                                        "pagemap", "stat",  "status",  "fdinfo/0", "personality"};
    char path[80], what[120], buf[4096];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)target, names[i]);
        int fd = open(path, O_RDONLY);
        snprintf(what, sizeof what, "handed over, %s", names[i]);
        IN_CHILD(what, {
            become(STRANGER, 1);
            ssize_t n = read(fd, buf, sizeof buf);
            SHOW("  read", "%s", n < 0 ? strerrorname_np(errno) : n ? "some" : "nothing");
        });
        close(fd);
    }
}

// What a process that became nobody's to look into sees of itself.
static void ask_self(void)
{
    static const char *const names[] = {"environ",  "maps",        "io",
                                        "fdinfo/0", "personality", "status"};
    target = getpid();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ask_file("itself", "", names[i]);
    ask_dir("itself", "fd");
    ask_dir("itself", "fdinfo");
    ask_link("itself", "fd/0");
    ask_link("itself", "ns/user");
    ask_writing("itself", "timerslack_ns");
    ask_writing("itself", "comm");
    ask_writing("itself", "setgroups");
}

static void body(void)
{
    start(1);
    IN_CHILD("root", ask_all("root"));
    IN_CHILD("the same user", {
        become(TARGET, 1);
        ask_all("the same user");
    });
    IN_CHILD("a stranger", {
        become(STRANGER, 1);
        ask_all("a stranger");
    });
    ask_handed_over();
    end();
    start(0);
    IN_CHILD("the same user", {
        become(TARGET, 1);
        ask_all("the same user of one not dumpable");
    });
    end();
    // A zombie
    start(1);
    kill(target, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)target, &info, WEXITED | WNOWAIT);
    IN_CHILD("the same user", {
        become(TARGET, 1);
        static const char *const names[] = {"auxv", "environ", "mem", "maps", "stat", "pagemap"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            ask_file("of a zombie", "", names[i]);
        ask_dir("of a zombie", "");
        ask_dir("of a zombie", "fd");
    });
    end();
    IN_CHILD("itself", {
        become(TARGET, 0);
        ask_self();
    });
}

int main(void)
{
    return run_as_child(body);
}
