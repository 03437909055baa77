// Guest programs on a host without memory, in the manner of SQLite's tests: a scenario runs while
// the first request of the kernel to its host is refused, then the second, and so on until there
// are no more; once so that one request is refused, once so that all later ones are too.
//
//     program [--step N] [--from N] [--only PART-OF-A-NAME]
//
// Calls must be refused with ENOMEM (or what their man page says instead), a process may be killed
// for want of a page, and that is all: after each run the machine must work and hold what it held
// before.
#include "tests/memory/guest.h"
#include "tests/memory/control.h"
#include "tests/unit/tap.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALL_LATER = 1 << 30, PATIENCE_S = 20, REFUSALS_MAX = 5000 };

static struct tap tap;
static struct shared {
    char wrong[256];
    int burst;
} *shared; // of all processes

// --- For the scenarios ---------------------------------------------------------------------------

int may_stay_refused(void)
{
    return shared->burst > 1;
}

_Noreturn void wrong(const char *what, long value)
{
    snprintf(shared->wrong, sizeof shared->wrong, "%.200s: %ld", what, value);
    _exit(ENDS_WRONG);
}

void judge(const char *what, int error, int again, int other)
{
    if (error != ENOMEM && error != other)
        wrong(what, error);
    if (again && !may_stay_refused())
        wrong(what, -error);
    if (again)
        _exit(ENDS_REFUSED);
}

// True when a process may end so.
static bool ends_well(int status)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGKILL;
    return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == ENDS_REFUSED);
}

static void judge_end(int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == ENDS_WRONG)
        _exit(ENDS_WRONG);
    if (!ends_well(status))
        wrong("end of a part", status);
}

void wait_part(pid_t child)
{
    int status;
    MUST(waitpid(child, &status, 0));
    judge_end(status);
}

void wait_program(pid_t child)
{
    int status;
    MUST(waitpid(child, &status, 0));
    bool late = (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
                (WIFEXITED(status) && WEXITSTATUS(status) == 127);
    if (!late)
        judge_end(status);
}

// --- The machine ---------------------------------------------------------------------------------

static long count_lines(const char *path)
{
    char buf[4096];
    long lines = 0;
    int fd = open(path, O_RDONLY);
    for (ssize_t n; fd >= 0 && (n = read(fd, buf, sizeof buf)) > 0;) {
        for (ssize_t i = 0; i < n; i++)
            lines += buf[i] == '\n';
    }
    close(fd);
    return lines;
}

static long count_entries(const char *path)
{
    long n = 0;
    DIR *d = opendir(path);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static long memory_kb(void)
{
    char line[128];
    long total = 0, unused = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        sscanf(line, "MemTotal: %ld", &total);
        sscanf(line, "MemFree: %ld", &unused);
    }
    if (f)
        fclose(f);
    return total - unused;
}

// What may not grow.
struct holdings {
    long processes, pts, mounts, unix_sockets, ipc, shm_files, tmp_files, memory;
};

static struct holdings take_stock(void)
{
    return (struct holdings){
        .processes = count_entries("/proc"),
        .pts = count_entries("/dev/pts"),
        .mounts = count_lines("/proc/self/mountinfo"),
        .unix_sockets = count_lines("/proc/net/unix"),
        .ipc = count_lines("/proc/sysvipc/shm") + count_lines("/proc/sysvipc/sem") +
               count_lines("/proc/sysvipc/msg"),
        .shm_files = count_entries("/dev/shm"),
        .tmp_files = count_entries("/tmp"),
        .memory = memory_kb(),
    };
}

static void compare(const char *name, const char *what, long before, long after, long slack)
{
    if (after <= before + slack)
        return;
    char text[160];
    snprintf(text, sizeof text, "%s leaves no more %s (%ld, %ld)", name, what, before, after);
    CHECK(&tap, false, text);
}

static void compare_stock(const char *name, const struct holdings *a, const struct holdings *b)
{
    compare(name, "processes", a->processes, b->processes, 0);
    compare(name, "terminals", a->pts, b->pts, 0);
    compare(name, "mounts", a->mounts, b->mounts, 0);
    compare(name, "sockets", a->unix_sockets, b->unix_sockets, 0);
    compare(name, "IPC objects", a->ipc, b->ipc, 0);
    compare(name, "shared files", a->shm_files, b->shm_files, 0);
    compare(name, "files", a->tmp_files, b->tmp_files, 0);
    compare(name, "pages", a->memory, b->memory, 64);
}

// Removes what a scenario left in a directory, which it may not have been able to.
static void empty(const char *dir, int depth)
{
    char path[512];
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (unlink(path) < 0 && depth < 4) {
            empty(path, depth + 1);
            rmdir(path);
        }
    }
    if (d)
        closedir(d);
}

// --- The sweep -----------------------------------------------------------------------------------

// Runs a scenario in a process of its own; `first` < 0: with all the memory it wants.
static int run_once(const struct scenario *s, long first, int burst, long *refused)
{
    int status = -1;
    shared->wrong[0] = '\0';
    shared->burst = first < 0 ? 1 : burst;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        alarm(PATIENCE_S);
        if (first >= 0)
            prctl(NO_MEMORY_ARM, first, (long)burst, (long)NO_MEMORY_ALL);
        s->run();
        _exit(0);
    }
    waitpid(child, &status, 0);
    *refused = prctl(NO_MEMORY_DISARM);
    kill(-child, SIGKILL); // parts that were left
    while (waitpid(-1, NULL, 0) > 0)
        ;
    empty("/tmp", 0);
    empty("/dev/shm", 0);
    return status;
}

// False when it went wrong.
static bool sweep(const struct scenario *s, int burst, long from, long step, long *runs)
{
    const char *how = burst == 1 ? "one refusal" : "refusals from";
    char text[512];
    for (long n = from; n < REFUSALS_MAX; n += step) {
        long refused;
        int status = run_once(s, n, burst, &refused);
        if (!ends_well(status)) {
            snprintf(text, sizeof text, "%s, %s %ld: status %#x: %s", s->name, how, n, status,
                     shared->wrong);
            CHECK(&tap, false, text);
            return false;
        }
        ++*runs;
        if (!refused)
            return true;
    }
    snprintf(text, sizeof text, "%s, %s: there is an end", s->name, how);
    CHECK(&tap, false, text);
    return false;
}

static void test(const struct scenario *s, long from, long step)
{
    char text[512];
    long refused, runs = 0;
    for (int i = 0; i < 3; i++) { // caches are filled
        int status = run_once(s, -1, 0, &refused);
        if (status) {
            snprintf(text, sizeof text, "%s works (%#x: %s)", s->name, status, shared->wrong);
            CHECK(&tap, false, text);
            return;
        }
    }
    struct holdings before = take_stock();
    bool good = sweep(s, 1, from, step, &runs);
    good &= sweep(s, ALL_LATER, from, step, &runs);
    int status = run_once(s, -1, 0, &refused);
    good &= status == 0;
    struct holdings after = take_stock();
    compare_stock(s->name, &before, &after);
    snprintf(text, sizeof text, "%s: %ld runs without memory, and it works (%#x: %s)", s->name,
             runs, status, shared->wrong);
    CHECK(&tap, good, text);
}

int main(int argc, char **argv)
{
    long step = 1, from = 0;
    const char *only = NULL;
    if (argc > 1 && !strcmp(argv[1], "--exec")) // what a scenario executes
        return 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--step"))
            step = strtol(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--from"))
            from = strtol(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--only"))
            only = argv[i + 1];
    }
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || prctl(NO_MEMORY_EXEMPT))
        return 1;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    static const struct scenario *const all[] = {file_scenarios, object_scenarios, task_scenarios};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (const struct scenario *s = all[i]; s->name; s++) {
            if (!only || strstr(s->name, only))
                test(s, from, step);
        }
    }
    return tap_finish(&tap);
}
