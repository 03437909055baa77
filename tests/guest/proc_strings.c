// The strings of exec as /proc/PID/cmdline and environ show them to others, also when a program has
// written a title over them, and /proc/PID/mem at the edges of what is there.
#include "probe.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { PAGE = 4096 };

static void show_text(const char *name, const char *text, long n)
{
    uint32_t sum = 1;
    for (long i = 0; i < n; i++)
        sum = sum * 31 + (unsigned char)text[i];
    if (n < 0)
        show_call(name, n);
    else
        SHOW(name, "%ld, %08x, %.12s", n, sum, n ? text : "");
}
static void show_file(const char *name)
{
    static char text[65536];
    char path[64];
    snprintf(path, sizeof path, "/proc/self/%s", name);
    int fd = open(path, O_RDONLY);
    show_text(name, text, read(fd, text, sizeof text));
    show_text("... from 3 on", text, pread(fd, text, 5, 3));
    show_text("... from a page on", text, pread(fd, text, 100, PAGE));
    show_text("... from far away", text, pread(fd, text, 100, 1 << 20));
    show_text("... to nowhere", text, pread(fd, (char *)8, 100, 0));
    show_text("... nothing", text, pread(fd, text, 0, 0));
    close(fd);
}

// `how`: what of its strings it writes over.
static void titled(int how, char **argv)
{
    extern char **environ;
    char *start = argv[0], *last = argv[0], *env = environ[0], *end = env;
    for (char **a = argv; *a; a++)
        last = *a + strlen(*a); // the NUL
    for (char **e = environ; *e; e++)
        end = *e + strlen(*e) + 1;
    SHOW("strings", "%zu of arguments, %zu of the environment, %s", (size_t)(last + 1 - start),
         (size_t)(end - env), env == last + 1 ? "side by side" : "apart");
    switch (how) {
    case 1:
        memset(start, 't', (size_t)(last + 1 - start));
        break;
    case 2:
        memset(start, 't', (size_t)(last + 1 - start));
        start[5] = 0;
        break;
    case 3:
        memset(start, 't', (size_t)(last + 1 - start) + 10);
        env[10] = 0;
        break;
    case 4:
        memset(start, 't', (size_t)(end - start));
        break;
    case 5:
        *last = 'x';
        break;
    case 6:
        memset(start, 0, (size_t)(last + 1 - start));
        break;
    case 7:
        memset(env, 'e', (size_t)(end - env));
        break;
    default:
        break;
    }
    show_file("cmdline");
    show_file("environ");
}

static void start(int how, size_t more)
{
    char text[8], *filler = calloc(1, more + 1);
    snprintf(text, sizeof text, "%d", how);
    memset(filler, 'f', more);
    char *argv[] = {"strings", text, more ? filler : NULL, NULL};
    char *env[] = {"A=1", "LONGER=a value of some length", "Z=", NULL};
    execve("/proc/self/exe", argv, env);
    _exit(1);
}

static void memory(void)
{
    char *area = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static char buf[4 * PAGE];
    int fd = open("/proc/self/mem", O_RDWR), only = open("/proc/self/mem", O_RDONLY);
    munmap(area + 3 * PAGE, PAGE);
    mprotect(area + 2 * PAGE, PAGE, PROT_NONE);
    mprotect(area, PAGE, PROT_READ);
    long at = (long)area;
    show_call("what may only be read", pwrite(fd, "abc", 3, at + 10));
    SHOW("... is", "%.3s", area + 10);
    show_call("what may not be read", pwrite(fd, "def", 3, at + 2 * PAGE));
    show_call("... read", pread(fd, buf, 3, at + 2 * PAGE));
    SHOW("... is", "%.3s", buf);
    show_call("across to a hole", pread(fd, buf, sizeof buf, at + PAGE));
    show_call("across to a hole, written", pwrite(fd, buf, sizeof buf, at + PAGE));
    show_call("in a hole", pread(fd, buf, 10, at + 3 * PAGE));
    show_call("in a hole, written", pwrite(fd, buf, 10, at + 3 * PAGE));
    show_call("the last byte", pread(fd, buf, 10, at + 3 * PAGE - 1));
    show_call("at 0", pread(fd, buf, 10, 0));
    show_call("in the kernel", pread(fd, buf, 10, 1l << 62));
    show_call("to nowhere", pread(fd, (char *)8, 10, at));
    show_call("from nowhere", pwrite(fd, (char *)8, 10, at));
    show_call("nothing", pread(fd, (char *)8, 0, at));
    show_call("opened for reading", pwrite(only, "x", 1, at));
    show_call("seek", lseek(fd, 100, SEEK_SET));
    show_call("... on", lseek(fd, 100, SEEK_CUR));
    show_call("... before 0", lseek(fd, -1, SEEK_SET) < 0 ? -1 : 0);
    show_call("... to the end", lseek(fd, 0, SEEK_END));
    lseek(fd, at, SEEK_SET);
    show_call("a read goes on", read(fd, buf, 10));
    show_call("... to", lseek(fd, 0, SEEK_CUR) - at);
    char *code = (char *)(uintptr_t)memory, old = *code;
    show_call("code", pwrite(fd, &old, 1, (long)code));
    char *shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    show_call("shared, to be read only", pwrite(fd, "x", 1, (long)shared));
}

// What is left of one that has ended, to who opens its files now and to who has them open. Those
// that hold on to its memory are another matter: kernels differ.
static void dead(void)
{
    static const char *const names[] = {"cmdline", "maps", "smaps", "statm", "stat", "status"};
    enum { COUNT = sizeof names / sizeof *names };
    char path[64], buf[256];
    int fds[COUNT], p[2];
    siginfo_t info;
    pipe(p);
    pid_t pid = fork();
    if (pid == 0) {
        hear(p[0]);
        _exit(0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, names[i]);
        fds[i] = open(path, O_RDONLY);
    }
    tell(p[1]);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, names[i]);
        int fd = open(path, O_RDONLY);
        show_done(names[i], fd);
        show_done("... read", read(fd, buf, sizeof buf));
        close(fd);
    }
    waitpid(pid, NULL, 0);
    for (size_t i = 0; i < COUNT; i++)
        show_call(names[i], read(fds[i], buf, sizeof buf));
}

static void body(void)
{
    static char name[32];
    for (int how = 0; how < 8; how++)
        for (int more = 0; more < 3; more++) {
            static const size_t fillers[] = {0, 50, 6000};
            snprintf(name, sizeof name, "title %d, %zu more", how, fillers[more]);
            IN_CHILD(name, start(how, fillers[more]));
        }
    IN_CHILD("memory", memory());
    IN_CHILD("dead", dead());
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        titled((int)strtol(argv[1], NULL, 10), argv);
        return 0;
    }
    return run_as_child(body);
}
