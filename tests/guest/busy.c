// Files that may not be written because they run, or run because they are written, and memory files
// sealed against writing.
#include "elf_image.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static char dir[] = "/tmp/busy-probe-XXXXXX";

static long run(const char *path)
{
    int status;
    pid_t pid = fork();
    if (!pid) {
        char *argv[] = {"program", NULL}, *envp[] = {NULL};
        execve(path, argv, envp);
        _exit(errno);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void show_run(const char *name, const char *path)
{
    long n = run(path);
    SHOW(name, "%s", n == 42 ? "runs" : strerrorname_np((int)n));
}

// Starts `path` under a copy of this program that sleeps in it: the probe itself serves.
static pid_t start(const char *path, int *ready)
{
    int fds[2];
    pipe(fds);
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        dup2(fds[1], 9);
        char *argv[] = {"sleeper", NULL}, *envp[] = {NULL};
        execve(path, argv, envp);
        _exit(127);
    }
    close(fds[1]);
    *ready = fds[0];
    hear(fds[0]);
    return pid;
}

static void copy(const char *from, const char *to)
{
    static char buf[1 << 16];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ssize_t n;
    while ((n = read(in, buf, sizeof buf)) > 0)
        if (write(out, buf, (size_t)n) != n)
            abort();
    close(in), close(out);
}

static void text(void)
{
    struct image m;
    make(&m);
    put_file("program", &m, sizeof m);
    show_run("not open", "./program");
    int w = open("program", O_WRONLY);
    show_run("open for writing", "./program");
    int r = open("program", O_RDONLY);
    close(w);
    show_run("open for reading", "./program");
    close(r);
    w = open("program", O_RDWR);
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, w, 0);
    close(w);
    show_run("mapped for writing", "./program");
    munmap(p, 4096);
    show_run("unmapped", "./program");
    int path = open("program", O_PATH);
    show_run("open as a path", "./program");
    close(path);
    put_file("script", "#!./program\n", 12);
    show_run("script", "./script");
    w = open("script", O_WRONLY);
    show_run("script open for writing", "./script");
    close(w);
    w = open("program", O_WRONLY);
    show_run("its interpreter open for writing", "./script");
    close(w);
    make_at(&m, ET_DYN, 0);
    put_file("interp", &m, sizeof m);
    make_at(&m, ET_DYN, 0);
    set_interp(&m, "./interp", 9, 9);
    put_file("dynamic", &m, sizeof m);
    show_run("with interpreter", "./dynamic");
    w = open("interp", O_WRONLY);
    show_run("ELF interpreter open for writing", "./dynamic");
    close(w);
    show_run("and closed", "./dynamic");
}

static void running(void)
{
    int ready;
    setpgid(0, 0);
    copy("/proc/self/exe", "sleeper");
    pid_t pid = start("./sleeper", &ready);
    show_done("open for writing", open("sleeper", O_WRONLY));
    show_done("open for both", open("sleeper", O_RDWR));
    show_done("open and truncate", open("sleeper", O_RDONLY | O_TRUNC));
    show_done("open for reading", open("sleeper", O_RDONLY));
    show_call("truncate", truncate("sleeper", 100));
    show_call("chmod", chmod("sleeper", 0700));
    show_call("link", link("sleeper", "other"));
    show_done("open the link for writing", open("other", O_WRONLY));
    show_call("unlink the link", unlink("other"));
    show_call("rename", rename("sleeper", "renamed"));
    show_done("open the new name for writing", open("renamed", O_WRONLY));
    kill(pid, SIGUSR1); // it forks and ends: the child runs it still
    hear(ready);
    waitpid(pid, NULL, 0);
    show_done("a child of it runs", open("renamed", O_WRONLY));
    char c;
    signal(SIGUSR2, SIG_IGN);
    kill(-getpgrp(), SIGUSR2);
    SHOW("it ended", "%zd", read(ready, &c, 1));
    show_done("nobody runs it", open("renamed", O_WRONLY));
    unlink("renamed");
}

// What the sleeper does: two lives.
static void on_usr(int sig)
{
    if (sig == SIGUSR2)
        _exit(0);
    if (fork() == 0) {
        tell(9);
        for (;;)
            pause();
    }
    _exit(0);
}

static _Noreturn void sleeper(void)
{
    signal(SIGUSR1, on_usr);
    signal(SIGUSR2, on_usr);
    tell(9);
    for (;;)
        pause();
}

// --- Memory files --------------------------------------------------------------------------------

static void memory_files(void)
{
    struct image m;
    make(&m);
    int fd = memfd_create("program", MFD_ALLOW_SEALING);
    write(fd, &m, sizeof m);
    IN_CHILD("run while open for writing", {
        char *argv[] = {"program", NULL}, *envp[] = {NULL};
        fexecve(fd, argv, envp);
        _exit(errno);
    });
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDWR);
    IN_CHILD("run while opened again for writing", {
        char *argv[] = {"program", NULL}, *envp[] = {NULL};
        fexecve(fd, argv, envp);
        _exit(errno);
    });
    close(again);
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    show_call("seal while mapped", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    show_call("seals", fcntl(fd, F_GET_SEALS));
    mprotect(p, 4096, PROT_READ);
    show_call("seal while mapped, not writable now", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    char *q = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
    fflush(stdout);
    int go[2];
    pipe(go);
    pid_t pid = fork();
    if (!pid) {
        hear(go[0]);
        _exit(0);
    }
    munmap(p, 4096);
    show_call("seal while a child has it", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    tell(go[1]);
    waitpid(pid, NULL, 0);
    int ro = open(path, O_RDONLY);
    p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, ro, 0);
    show_call("seal while mapped read-only and private", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    show_call("seals", fcntl(fd, F_GET_SEALS));
    SHOW("map to write", "%d",
         mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0);
    SHOW("map privately", "%d",
         mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno : 0);
    show_call("write rights for the read-only map", mprotect(p, 4096, PROT_READ | PROT_WRITE));
    SHOW("still readable", "%d", p[1] == 'E' && q[1] == 'E');
    show_call("write", pwrite(fd, "x", 1, 0));
    show_call("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    show_call("remove", madvise(p, 4096, MADV_REMOVE));
    // A mapping that moved and was cut is still one.
    fd = memfd_create("pieces", MFD_ALLOW_SEALING);
    ftruncate(fd, 16 * 4096);
    p = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    munmap(p + 2 * 4096, 4096);
    p = mremap(p + 4 * 4096, 4 * 4096, 6 * 4096, MREMAP_MAYMOVE);
    show_call("seal with two pieces", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    munmap(p - 4 * 4096, 4 * 4096);
    IN_CHILD("in a child", exit(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) ? errno : 0));
}

int main(int argc, char **argv)
{
    if (argc == 1 && !strcmp(argv[0], "sleeper"))
        sleeper();
    if (!mkdtemp(dir) || chdir(dir))
        return 1;
    run_as_child(text);
    run_as_child(running);
    run_as_child(memory_files);
    const char *const names[] = {"program", "script", "interp", "dynamic", "sleeper"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(names[i]);
    chdir("/");
    rmdir(dir);
    return 0;
}
