// Processes, memory, signals and time when memory runs out.
#include "tests/guest/no_memory.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <time.h>

static struct tap tap;
static char *self; // this program's file

// --- Processes -----------------------------------------------------------------------------------

static long raw_clone(unsigned long flags)
{
    return syscall(SYS_clone, flags, 0, 0, 0, 0);
}

// A child ends at once; its parent waits for it.
static void forget(long pid)
{
    if (pid == 0)
        _exit(0);
    waitpid((pid_t)pid, NULL, __WALL);
}

static char stack[16384] __attribute__((aligned(16)));

static int thread_body(void *argument)
{
    (void)argument;
    return 0;
}

// A thread that has ended when this returns.
static long thread(void)
{
    static _Atomic pid_t tid;
    tid = -1;
    int made = clone(thread_body, stack + sizeof stack,
                     CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                         CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
                     NULL, &tid, NULL, &tid);
    while (made > 0 && tid)
        sched_yield();
    return made;
}

static void processes(void)
{
    REFUSED_OR(EAGAIN, "clone", raw_clone(SIGCHLD), forget(got));
    REFUSED_OR(EAGAIN, "clone shares files", raw_clone(SIGCHLD | CLONE_FILES | CLONE_FS),
               forget(got));
    REFUSED_OR(EAGAIN, "clone of a thread", thread(), (void)0);
    int pidfd = -1;
    // Where the descriptor goes is a page to copy; without one the process is killed.
    REFUSED_IN_CHILD("clone with a pidfd", (void)0,
                     syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0));
    static const unsigned long spaces[] = {CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID,
                                           CLONE_NEWUSER};
    static const char *const space_names[] = {"mount", "UTS", "IPC", "PID", "user"};
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        char name[96];
        snprintf(name, sizeof name, "clone into a new %s namespace", space_names[i]);
        REFUSED_OR(EAGAIN, name, raw_clone(SIGCHLD | spaces[i]), forget(got));
        snprintf(name, sizeof name, "unshare of the %s namespace", space_names[i]);
        REFUSED_IN_CHILD(name, (void)0, syscall(SYS_unshare, spaces[i]));
        static const char *const files[] = {"mnt", "uts", "ipc", "pid", "user"};
        char path[64];
        snprintf(path, sizeof path, "/proc/self/ns/%s", files[i]);
        snprintf(name, sizeof name, "open %s", path);
        REFUSED(name, syscall(SYS_openat, AT_FDCWD, path, O_RDONLY), close((int)got));
        if (spaces[i] == CLONE_NEWUSER)
            continue;
        int fd = open(path, O_RDONLY);
        snprintf(name, sizeof name, "setns to the %s namespace", space_names[i]);
        REFUSED_IN_CHILD(name, (void)0, syscall(SYS_setns, fd, spaces[i]));
        close(fd);
    }
    REFUSED_IN_CHILD("unshare of files", (void)0, syscall(SYS_unshare, CLONE_FILES | CLONE_FS));
    REFUSED_IN_CHILD("setns to another user namespace", ({
                         int p[2];
                         char c;
                         pipe(p);
                         pid_t child = fork();
                         if (child == 0) {
                             unshare(CLONE_NEWUSER);
                             write(p[1], "x", 1);
                             pause();
                         }
                         read(p[0], &c, 1);
                         pidfd = (int)syscall(SYS_pidfd_open, child, 0);
                         prctl(PR_SET_NAME, "setns");
                     }),
                     ({
                         long r = syscall(SYS_setns, pidfd, CLONE_NEWUSER);
                         int e = errno;
                         syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
                         errno = e;
                         r;
                     }));
    REFUSED_IN_CHILD("setsid", (void)0, syscall(SYS_setsid));
    REFUSED_IN_CHILD("setpgid", (void)0, syscall(SYS_setpgid, 0, 0));
    char *argv[] = {self, "again", NULL}, *envp[] = {"A=1", NULL};
    REFUSED_IN_CHILD("execve", (void)0, syscall(SYS_execve, self, argv, envp));
    int script = open("/tmp/script", O_CREAT | O_WRONLY, 0755);
    dprintf(script, "#!%s again\n", self);
    close(script);
    char *script_argv[] = {"/tmp/script", NULL};
    REFUSED_IN_CHILD("execve of a script", (void)0,
                     syscall(SYS_execve, "/tmp/script", script_argv, envp));
    int fd = open(self, O_RDONLY);
    REFUSED_IN_CHILD("execveat", (void)0, syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH));
    close(fd);
}

static void identity(void)
{
    gid_t groups[] = {1, 2, 3};
    REFUSED("setuid", syscall(SYS_setuid, 0), (void)0);
    REFUSED("setreuid", syscall(SYS_setreuid, 0, 0), (void)0);
    REFUSED("setresgid", syscall(SYS_setresgid, 0, 0, 0), (void)0);
    REFUSED("setgroups", syscall(SYS_setgroups, 3, groups), (void)0);
    struct {
        unsigned version;
        int pid;
        unsigned data[6];
    } caps = {0x20080522, 0, {0}};
    syscall(SYS_capget, &caps, caps.data);
    REFUSED("capset", syscall(SYS_capset, &caps, caps.data), (void)0);
    REFUSED("PR_SET_KEEPCAPS", syscall(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0), (void)0);
    REFUSED("PR_SET_SECUREBITS", syscall(SYS_prctl, PR_SET_SECUREBITS, 0, 0, 0, 0), (void)0);
    REFUSED_IN_CHILD("PR_CAPBSET_DROP", (void)0, syscall(SYS_prctl, PR_CAPBSET_DROP, 1, 0, 0, 0));
    REFUSED("PR_CAP_AMBIENT", syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0),
            (void)0);
    // The answer is what it was in any case; no error can be told.
    for (int i = 1; i < 4; i++) {
        syscall(REFUSE_MEMORY, i);
        syscall(SYS_setfsuid, 7);
        syscall(REFUSE_MEMORY, 0);
    }
    CHECK(&tap, syscall(SYS_setfsuid, 0) == 7, "setfsuid works once there is memory");
    struct rlimit r;
    REFUSED("prlimit64", syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &r), (void)0);
    REFUSED("sethostname", syscall(SYS_sethostname, "name", 4), (void)0);
    cpu_set_t cpus;
    REFUSED("sched_getaffinity", syscall(SYS_sched_getaffinity, 0, sizeof cpus, &cpus), (void)0);
    REFUSED("sched_setaffinity", syscall(SYS_sched_setaffinity, 0, sizeof cpus, &cpus), (void)0);
    REFUSED("times of children", ({
                struct rusage u;
                syscall(SYS_getrusage, RUSAGE_CHILDREN, &u);
            }),
            (void)0);
}

static void filters(void)
{
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, all};
    REFUSED_IN_CHILD("seccomp filter", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
                     syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
    REFUSED_IN_CHILD(
        "seccomp filter with a listener", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

static pid_t stopped_child(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(child, &status, 0);
    return child;
}

static void tracing(void)
{
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    REFUSED("PTRACE_SEIZE", syscall(SYS_ptrace, PTRACE_SEIZE, child, 0, 0),
            (ptrace(PTRACE_INTERRUPT, child, NULL, NULL), waitpid(child, NULL, __WALL),
             ptrace(PTRACE_DETACH, child, NULL, NULL)));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    child = stopped_child();
    char buf[4096];
    struct iovec set = {buf, sizeof buf};
    long word = 0;
    REFUSED("PTRACE_GETREGSET", syscall(SYS_ptrace, PTRACE_GETREGSET, child, 1, &set), (void)0);
    set.iov_len = sizeof buf;
    ptrace(PTRACE_GETREGSET, child, 2, &set);
    REFUSED("PTRACE_SETREGSET", syscall(SYS_ptrace, PTRACE_SETREGSET, child, 2, &set), (void)0);
    REFUSED_OR(EIO, "PTRACE_PEEKDATA", syscall(SYS_ptrace, PTRACE_PEEKDATA, child, stack, &word),
               (void)0);
    REFUSED_OR(EIO, "PTRACE_POKEDATA", syscall(SYS_ptrace, PTRACE_POKEDATA, child, stack, 0),
               (void)0);
    siginfo_t info;
    REFUSED("PTRACE_GETSIGINFO", syscall(SYS_ptrace, PTRACE_GETSIGINFO, child, 0, &info), (void)0);
    REFUSED("PTRACE_SETSIGINFO", syscall(SYS_ptrace, PTRACE_SETSIGINFO, child, 0, &info), (void)0);
    struct iovec here = {buf, 64}, there = {stack, 64};
    REFUSED("process_vm_readv", syscall(SYS_process_vm_readv, child, &here, 1, &there, 1, 0),
            (void)0);
    struct iovec many[20];
    for (int i = 0; i < 20; i++)
        many[i] = (struct iovec){buf + i, 1};
    REFUSED_OR(EFAULT, "process_vm_writev of many",
               syscall(SYS_process_vm_writev, child, many, 20, &there, 1, 0), (void)0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

// --- Memory --------------------------------------------------------------------------------------

static void memory(void)
{
    const size_t size = 16 << 12;
    char *p;
    int fd = (int)syscall(SYS_memfd_create, "m", 0);
    ftruncate(fd, 1 << 20);
    REFUSED("mmap", syscall(SYS_mmap, NULL, size, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            munmap((void *)got, size));
    REFUSED("mmap shared", syscall(SYS_mmap, NULL, size, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
            munmap((void *)got, size));
    REFUSED("mmap of a file", syscall(SYS_mmap, NULL, size, 3, MAP_SHARED, fd, 0),
            munmap((void *)got, size));
    REFUSED("mmap populates",
            syscall(SYS_mmap, NULL, size, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0),
            munmap((void *)got, size));
    REFUSED("mmap grows down",
            syscall(SYS_mmap, NULL, size, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0),
            munmap((void *)got, size));
    p = mmap(NULL, size, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, size);
    REFUSED("mmap over the middle",
            syscall(SYS_mmap, p + 8192, 4096, 1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
            mmap(p, size, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    REFUSED("mprotect of the middle", syscall(SYS_mprotect, p + 8192, 4096, 1),
            mprotect(p, size, 3));
    REFUSED_OR(EAGAIN, "madvise of the middle", syscall(SYS_madvise, p + 8192, 4096, MADV_DONTFORK),
               madvise(p, size, MADV_DOFORK));
    REFUSED("MADV_POPULATE_WRITE", syscall(SYS_madvise, p, size, 23), madvise(p, size, 4));
    REFUSED("mlock of the middle", syscall(SYS_mlock, p + 8192, 4096), munlock(p, size));
    REFUSED("munmap of the middle", syscall(SYS_munmap, p + 8192, 4096),
            mmap(p, size, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    REFUSED("mremap grows", syscall(SYS_mremap, p, size, 2 * size, MREMAP_MAYMOVE),
            p = mremap((void *)got, 2 * size, size, MREMAP_MAYMOVE));
    char *q = mmap(NULL, size, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REFUSED("mremap to a place",
            syscall(SYS_mremap, p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, q),
            (p = mmap(NULL, size, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
    REFUSED("mremap takes a part", syscall(SYS_mremap, p + 8192, 4096, 8192, MREMAP_MAYMOVE),
            (munmap((void *)got, 8192),
             mmap(p, size, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)));
    munmap(p, size);
    p = mmap(NULL, size, 3, MAP_SHARED, fd, 0);
    REFUSED("remap_file_pages", syscall(SYS_remap_file_pages, p, 4096, 0, 2, 0), (void)0);
    REFUSED("msync", syscall(SYS_msync, p, size, MS_SYNC), (void)0);
    REFUSED("MADV_REMOVE", syscall(SYS_madvise, p, 4096, MADV_REMOVE), (void)0);
    unsigned char seen[16];
    REFUSED("mincore", syscall(SYS_mincore, p, size, seen), (void)0);
    unsigned long nodes = 1;
    REFUSED("mbind", syscall(SYS_mbind, p, 4096, 2, &nodes, 2, 0), (void)0);
    REFUSED("set_mempolicy", syscall(SYS_set_mempolicy, 2, &nodes, 2), (void)0);
    munmap(p, size);
    char *end = (char *)syscall(SYS_brk, 0);
    bool grew = false;
    for (int n = 1; n < 20 && !grew; n++) {
        syscall(REFUSE_MEMORY, n);
        grew = (char *)syscall(SYS_brk, end + 65536) == end + 65536;
        syscall(SYS_brk, end);
    }
    CHECK(&tap, grew, "brk grows once there is memory");
    syscall(REFUSE_MEMORY, 0);
    close(fd);
}

// --- Signals and time ----------------------------------------------------------------------------

static void on_signal(int signo)
{
    (void)signo;
}

static void signals(void)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, &old);
    struct timespec none = {0, 0};
    siginfo_t info = {0};
    // What cannot be queued is still said to have come.
    REFUSED("kill", syscall(SYS_kill, getpid(), SIGUSR1), sigtimedwait(&set, NULL, &none));
    REFUSED("tgkill", syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1),
            sigtimedwait(&set, NULL, &none));
    info.si_code = SI_QUEUE;
    REFUSED_OR(EAGAIN, "rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info),
               sigtimedwait(&set, NULL, &none));
    while (sigtimedwait(&set, NULL, &none) > 0)
        ;
    sigprocmask(SIG_SETMASK, &old, NULL);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGALRM, &action, NULL);
    struct {
        void *handler;
        unsigned long flags, mask;
    } raw = {on_signal, 0, 0};
    REFUSED("rt_sigaction", syscall(SYS_rt_sigaction, SIGUSR2, &raw, NULL, 8), (void)0);
    struct itimerval it = {{0, 0}, {100, 0}}, off = {{0, 0}, {0, 0}};
    REFUSED("setitimer", syscall(SYS_setitimer, ITIMER_REAL, &it, NULL),
            setitimer(ITIMER_REAL, &off, NULL));
    REFUSED("setitimer of processor time", syscall(SYS_setitimer, ITIMER_PROF, &it, NULL),
            setitimer(ITIMER_PROF, &off, NULL));
    static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID,
                                 CLOCK_THREAD_CPUTIME_ID};
    for (int i = 0; i < 4; i++) {
        int id;
        char name[48];
        struct itimerspec when = {{0, 0}, {100, 0}};
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
        snprintf(name, sizeof name, "timer_create of clock %d", clocks[i]);
        REFUSED_OR(EAGAIN, name, syscall(SYS_timer_create, clocks[i], &event, &id),
                   syscall(SYS_timer_delete, id));
        syscall(SYS_timer_create, clocks[i], &event, &id);
        snprintf(name, sizeof name, "timer_settime of clock %d", clocks[i]);
        REFUSED(name, syscall(SYS_timer_settime, id, 0, &when, NULL), (void)0);
        syscall(SYS_timer_delete, id);
    }
    struct timespec moment = {0, 1000};
    REFUSED("nanosleep", syscall(SYS_nanosleep, &moment, NULL), (void)0);
    REFUSED("clock_nanosleep", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, NULL),
            (void)0);
}

// --- Keys ----------------------------------------------------------------------------------------

static void keys(void)
{
    enum { PROCESS = -2, SESSION = -3, USER = -4 };
    char buf[128];
    long key = 0;
    REFUSED("a session keyring", syscall(SYS_keyctl, 1, NULL), (void)0);
    REFUSED("a named session keyring", syscall(SYS_keyctl, 1, "named"), (void)0);
    syscall(SYS_keyctl, 8, USER, SESSION); // or what is in it is not ours to move
    REFUSED("add_key", syscall(SYS_add_key, "user", "one", "text", 4, PROCESS),
            syscall(SYS_keyctl, 9, key = got, PROCESS));
    REFUSED("add_key to a user's", syscall(SYS_add_key, "user", "two", "text", 4, USER), key = got);
    REFUSED("add_key of a keyring", syscall(SYS_add_key, "keyring", "ring", NULL, 0, PROCESS),
            syscall(SYS_keyctl, 3, got));
    key = syscall(SYS_add_key, "user", "three", "text", 4, PROCESS);
    REFUSED("KEYCTL_UPDATE", syscall(SYS_keyctl, 2, key, "other text", 10), (void)0);
    REFUSED("KEYCTL_DESCRIBE", syscall(SYS_keyctl, 6, key, buf, sizeof buf), (void)0);
    REFUSED("KEYCTL_READ", syscall(SYS_keyctl, 11, key, buf, sizeof buf), (void)0);
    REFUSED("KEYCTL_READ of a keyring", syscall(SYS_keyctl, 11, PROCESS, buf, sizeof buf), (void)0);
    REFUSED("KEYCTL_SEARCH", syscall(SYS_keyctl, 10, PROCESS, "user", "three", 0), (void)0);
    REFUSED("KEYCTL_LINK", syscall(SYS_keyctl, 8, key, USER), syscall(SYS_keyctl, 9, key, USER));
    REFUSED("KEYCTL_MOVE", syscall(SYS_keyctl, 30, key, PROCESS, USER, 0),
            syscall(SYS_keyctl, 30, key, USER, PROCESS, 0));
    REFUSED("KEYCTL_SET_TIMEOUT", syscall(SYS_keyctl, 15, key, 1000), (void)0);
    REFUSED("request_key", syscall(SYS_request_key, "user", "three", NULL, 0), (void)0);
    REFUSED("request_key links", syscall(SYS_request_key, "user", "three", NULL, USER), (void)0);
    REFUSED_IN_CHILD("a thread keyring", (void)0, syscall(SYS_keyctl, 0, -1, 1));
}

int main(int argc, char **argv)
{
    if (argc > 1) // execve made it; was all its memory there?
        return syscall(REFUSE_MEMORY, 0) ? TRY_AGAIN : TRY_DONE;
    self = argv[0];
    memset(stack, 1, sizeof stack);
    processes();
    identity();
    filters();
    tracing();
    memory();
    signals();
    keys();
    return tap_finish(&tap);
}
