// Calls few programs make: ioprio, syslog, remap_file_pages, process_madvise, process_mrelease.
#include "probe.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { BE = 2 << 13, IDLE = 3 << 13, RT = 1 << 13 };

static void ioprio(void)
{
    show_call("get", syscall(SYS_ioprio_get, 1, 0));
    show_call("set best effort", syscall(SYS_ioprio_set, 1, 0, BE | 7));
    show_call("... get", syscall(SYS_ioprio_get, 1, 0));
    show_call("... get by number", syscall(SYS_ioprio_get, 1, getpid()));
    IN_CHILD("... a child", show_call("... get", syscall(SYS_ioprio_get, 1, 0)));
    show_call("set idle", syscall(SYS_ioprio_set, 1, 0, IDLE));
    show_call("... get", syscall(SYS_ioprio_get, 1, 0));
    show_call("set real time", syscall(SYS_ioprio_set, 1, 0, RT | 3));
    show_call("... get", syscall(SYS_ioprio_get, 1, 0));
    show_call("set none", syscall(SYS_ioprio_set, 1, 0, 0));
    show_call("set none with a level", syscall(SYS_ioprio_set, 1, 0, 1));
    show_call("set unknown class", syscall(SYS_ioprio_set, 1, 0, 4 << 13));
    show_call("get of nobody", syscall(SYS_ioprio_get, 1, 4000000));
    show_call("get of what", syscall(SYS_ioprio_get, 4, 0));
    IN_CHILD("a user", setuid(1000); show_call("... real time", syscall(SYS_ioprio_set, 1, 0, RT));
             show_call("... idle", syscall(SYS_ioprio_set, 1, 0, IDLE));
             show_call("... another's", syscall(SYS_ioprio_set, 1, getppid(), IDLE)));
}

static void kernel_log(void)
{
    char text[16];
    show_call("open", syscall(SYS_syslog, 1, NULL, 0));
    show_call("read all of nothing", syscall(SYS_syslog, 3, text, 0));
    show_call("read all nowhere", syscall(SYS_syslog, 3, NULL, 8));
    show_call("read negative", syscall(SYS_syslog, 3, text, -1));
    show_call("level", syscall(SYS_syslog, 8, NULL, 9));
    show_call("unknown", syscall(SYS_syslog, 11, NULL, 0));
    SHOW("size", "%d", syscall(SYS_syslog, 10, NULL, 0) > 0);
    IN_CHILD("a user", setuid(1000); show_call("... clear", syscall(SYS_syslog, 5, NULL, 0)));
}

static void remap(void)
{
    int fd = memfd_create("x", 0);
    ftruncate(fd, 16384);
    char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[0] = 'a', p[4096] = 'b', p[8192] = 'c', p[12288] = 'd';
    show_call("remap", syscall(SYS_remap_file_pages, p, 4096, 0, 2, 0));
    SHOW("... shows", "%.1s%.1s%.1s%.1s", p, p + 4096, p + 8192, p + 12288);
    p[0] = 'x';
    SHOW("... shared", "%.1s", p + 8192);
    show_call("remap across", syscall(SYS_remap_file_pages, p, 16384, 0, 1, 0));
    show_call("with rights", syscall(SYS_remap_file_pages, p, 4096, 1, 2, 0));
    show_call("of nothing", syscall(SYS_remap_file_pages, p, 0, 0, 1, 0));
    show_call("of private memory", syscall(SYS_remap_file_pages, q, 4096, 0, 0, 0));
    show_call("nowhere", syscall(SYS_remap_file_pages, NULL, 4096, 0, 0, 0));
}

static void others(void)
{
    char *q = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    struct iovec v = {q, 8192};
    show_call("advice", syscall(SYS_process_madvise, self, &v, 1, MADV_COLD, 0));
    show_call("flags", syscall(SYS_process_madvise, self, &v, 1, MADV_COLD, 1));
    show_call("no descriptor", syscall(SYS_process_madvise, -1, &v, 1, MADV_COLD, 0));
    show_call("no vector", syscall(SYS_process_madvise, self, NULL, 1, MADV_COLD, 0));
    show_call("empty", syscall(SYS_process_madvise, self, &v, 0, MADV_COLD, 0));
    v.iov_base = q + 1;
    show_call("odd address", syscall(SYS_process_madvise, self, &v, 1, MADV_COLD, 0));
    v.iov_base = (void *)0x10000;
    show_call("unmapped", syscall(SYS_process_madvise, self, &v, 1, MADV_COLD, 0));
    show_call("release of oneself", syscall(SYS_process_mrelease, self, 0));
    show_call("release of nobody", syscall(SYS_process_mrelease, -1, 0));
    show_call("release with flags", syscall(SYS_process_mrelease, self, 1));
    show_call("release of a file", syscall(SYS_process_mrelease, 0, 0));
    pid_t child = fork();
    if (!child)
        pause();
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    show_call("release of one that lives", syscall(SYS_process_mrelease, fd, 0));
    kill(child, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    show_call("release of a zombie", syscall(SYS_process_mrelease, fd, 0));
    waitpid(child, NULL, 0);
    show_call("release of one that is gone", syscall(SYS_process_mrelease, fd, 0));
}

static void body(void)
{
    ioprio();
    kernel_log();
    remap();
    others();
}

int main(void)
{
    return run_as_child(body);
}
