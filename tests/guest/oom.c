// A machine with little memory: what is reported, what is refused, and who goes when it is used up.
// Run with the limit in bytes as argument.
#define _GNU_SOURCE
#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tap tap;
static size_t limit;
enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static size_t meminfo(const char *name)
{
    char line[128];
    size_t kb = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            kb = strtoul(strchr(line, ':') + 1, NULL, 10);
    if (f)
        fclose(f);
    return kb * 1024;
}

static void touch(char *p, size_t n)
{
    for (size_t i = 0; i < n; i += PAGE)
        p[i] = 1;
}

static int child(void (*body)(void))
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        body();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void use_all(void)
{
    for (;;) {
        char *p = mmap(NULL, 1 << 20, RW, ANON, -1, 0);
        if (p == MAP_FAILED)
            _exit(errno == ENOMEM ? 12 : 1);
        touch(p, 1 << 20);
    }
}

static void overcommit(void)
{
    char *p = mmap(NULL, limit * 4, RW, ANON | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        _exit(1);
    touch(p, limit * 4);
}

static void deep_copies(void)
{
    // Each generation writes what it shares with the one before.
    char *p = mmap(NULL, limit / 4, RW, ANON, -1, 0);
    for (int i = 0; i < 8; i++) {
        touch(p, limit / 4);
        pid_t pid = fork();
        if (pid > 0) {
            int status;
            waitpid(pid, &status, 0);
            _exit(0);
        }
        if (pid < 0)
            _exit(0);
    }
}

static void *use_in_thread(void *arg)
{
    (void)arg;
    use_all();
    return NULL;
}

static void threads(void)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, use_in_thread, NULL))
            _exit(12);
    pthread_join(t[0], NULL);
}

static void shared(void)
{
    char *p = mmap(NULL, limit * 2, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        _exit(12);
    touch(p, limit * 2);
}

static void memory_file(void)
{
    static char block[1 << 16];
    int fd = memfd_create("big", 0);
    memset(block, 1, sizeof block);
    for (;;)
        if (write(fd, block, sizeof block) < 0)
            _exit(errno == ENOMEM || errno == ENOSPC ? 12 : 1);
}

static void kernel_copies(void)
{
    // The kernel touches the pages here.
    int fd = open("/dev/zero", O_RDONLY);
    char *p = mmap(NULL, limit * 4, RW, ANON | MAP_NORESERVE, -1, 0);
    for (size_t i = 0; i < limit * 4; i += 1 << 20)
        if (read(fd, p + i, 1 << 20) < 0)
            _exit(errno == EFAULT || errno == ENOMEM ? 12 : 1);
}

static void locked(void)
{
    char *p = mmap(NULL, limit * 2, RW, ANON | MAP_NORESERVE, -1, 0);
    _exit(mlock(p, limit * 2) < 0 && (errno == ENOMEM || errno == EAGAIN) ? 12 : 1);
}

static int ends_well(int status)
{
    return (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
           (WIFEXITED(status) && (WEXITSTATUS(status) == 12 || WEXITSTATUS(status) == 0));
}

int main(int argc, char **argv)
{
    limit = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    if (!limit)
        return 1;
    struct sysinfo info;
    sysinfo(&info);
    CHECK(&tap, info.totalram * info.mem_unit == limit, "sysinfo shows the limit");
    CHECK(&tap, meminfo("MemTotal") == limit, "and so does meminfo");
    CHECK(&tap, meminfo("MemFree") <= limit && meminfo("MemAvailable") <= limit,
          "no more is free than there is");
    CHECK(&tap, sysconf(_SC_PHYS_PAGES) == (long)(limit / PAGE), "sysconf counts the same pages");
    CHECK(&tap, mmap(NULL, limit * 2, RW, ANON, -1, 0) == MAP_FAILED && errno == ENOMEM,
          "what can never be there is refused");
    CHECK(&tap, mmap(NULL, limit * 100, PROT_NONE, ANON | MAP_NORESERVE, -1, 0) != MAP_FAILED,
          "a reservation is not");
    static const struct {
        void (*body)(void);
        const char *name;
    } cases[] = {
        {use_all, "taking all memory"},
        {overcommit, "touching more than there is"},
        {deep_copies, "copies of copies"},
        {threads, "four threads that take all"},
        {shared, "shared memory"},
        {memory_file, "a memory file"},
        {kernel_copies, "memory the kernel fills"},
        {locked, "locking more than there is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t before = meminfo("MemFree");
        int status = child(cases[i].body);
        char text[100];
        snprintf(text, sizeof text, "%s ends one process alone (%#x)", cases[i].name,
                 (unsigned)status);
        CHECK(&tap, ends_well(status), text);
        snprintf(text, sizeof text, "... and its memory is back");
        size_t after = meminfo("MemFree");
        CHECK(&tap, after + (1 << 20) >= before, text);
    }
    char *p = mmap(NULL, limit / 4, RW, ANON, -1, 0);
    if (p != MAP_FAILED)
        touch(p, limit / 4);
    CHECK(&tap, p != MAP_FAILED, "a quarter of it can still be had");
    return tap_finish(&tap);
}
