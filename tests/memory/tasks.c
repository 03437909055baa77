// Scenarios of a host without memory: tasks, their memory, signals and time.
#include "tests/memory/guest.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

// A child, or the end of this scenario.
static pid_t part(void)
{
    pid_t child = fork();
    for (int again = 0; child < 0 && again < 2; again++) {
        judge("fork", errno, again, EAGAIN);
        child = fork();
    }
    if (child == 0)
        alarm(20);
    return child;
}

static void address_space(void)
{
    char *p = (char *)DO(mmap(NULL, 1 << 20, RW, ANON, -1, 0));
    for (size_t i = 0; i < 1 << 20; i += 1 << 17)
        p[i] = 1;
    DO(mprotect(p + 65536, 65536, PROT_READ));
    DO(mprotect(p + 69632, 4096, PROT_NONE));
    DO(munmap(p + 200000 / 4096 * 4096, 4096));
    DO_OR(EAGAIN, madvise(p + 262144, 65536, MADV_DONTNEED));
    DO_OR(EAGAIN, madvise(p + 262144, 4096, MADV_DONTFORK));
    EXPECT(p[262144] == 0);
    char *moved = (char *)DO(mremap(p + 524288, 65536, 1 << 18, MREMAP_MAYMOVE));
    EXPECT(moved[0] == 1);
    DO_OR(EAGAIN, mlock(moved, 65536));
    DO(mincore(moved, 65536, (unsigned char[16]){0}));
    char *far = (char *)DO(mmap((void *)0x123450000000, 8192, RW, ANON | MAP_FIXED, -1, 0));
    far[4096] = 1;
    char *shared = (char *)DO(mmap(NULL, 65536, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    shared[30000] = 1;
    char *grows = (char *)DO(mmap(NULL, 65536, RW, ANON | MAP_GROWSDOWN, -1, 0));
    grows[0] = 1;
    struct iovec a = {p, 100}, b = {moved, 100};
    DO(process_vm_readv(getpid(), &a, 1, &b, 1, 0));
    DO(process_vm_writev(getpid(), &a, 1, &b, 1, 0));
    MUST(munmap(p, 65536));
    DO(brk((char *)sbrk(0) + 100000));
}

static void copies(void)
{
    char *p = (char *)DO(mmap(NULL, 1 << 18, RW, ANON, -1, 0));
    for (size_t i = 0; i < 1 << 18; i += 4096)
        p[i] = 1;
    pid_t child = part();
    if (child == 0) {
        for (size_t i = 0; i < 1 << 18; i += 32768)
            p[i]++;
        pid_t grandchild = part();
        if (grandchild == 0) {
            p[65536] = 5;
            _exit(0);
        }
        wait_part(grandchild);
        _exit(p[65536] == 2 ? 0 : ENDS_WRONG);
    }
    p[0] = 7;
    wait_part(child);
    EXPECT(p[0] == 7 && p[32768] == 1);
}

static void programs(void)
{
    static char *const args[] = {"program", "--exec", NULL}, *const env[] = {"A=1", NULL};
    pid_t child = part();
    if (child == 0) {
        DO(execve("/bin/program", args, env));
        _exit(0);
    }
    wait_program(child);
    int script = (int)DO(open("/dev/shm/x", O_CREAT | O_WRONLY | O_TRUNC, 0755));
    DO(write(script, "#!/bin/program --exec\n", 22));
    DO(close(script));
    child = part();
    if (child == 0) {
        execve("/dev/shm/x", args, env);
        judge("execve", errno, 0, ENOMEM);
        execve("/dev/shm/x", args, env);
        judge("execve", errno, 1, ENOMEM);
    }
    wait_program(child);
    for (int i = 0; i < 2 && unlink("/dev/shm/x") < 0; i++)
        judge("unlink", errno, 0, ENOMEM);
    int vchild = vfork();
    if (vchild < 0) {
        judge("vfork", errno, 0, EAGAIN);
        return;
    }
    if (vchild == 0) {
        execve("/bin/program", args, env);
        _exit(errno == ENOMEM ? ENDS_REFUSED : ENDS_WRONG);
    }
    wait_program(vchild);
}

static int in_thread(void *arg)
{
    *(volatile int *)arg = 1;
    return 0;
}

static void threads(void)
{
    char *stack = (char *)DO(mmap(NULL, 1 << 16, RW, ANON, -1, 0));
    static int done, tid;
    for (int i = 0; i < 3; i++) {
        tid = 1, done = 0;
        DO_OR(EAGAIN, clone(in_thread, stack + (1 << 16),
                            CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
                            &done, NULL, NULL, &tid));
        while (*(volatile int *)&tid)
            DO_OR(EAGAIN,
                  syscall(SYS_futex, &tid, FUTEX_WAIT, 1, NULL, NULL, 0) < 0 && errno == ENOMEM
                      ? -1
                      : 0);
        EXPECT(done == 1);
    }
}

static void ids(void)
{
    int fd;
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
            set_tid_size, cgroup;
    } args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&fd, .exit_signal = SIGCHLD};
    long child = DO_OR(EAGAIN, syscall(SYS_clone3, &args, sizeof args));
    if (child == 0)
        _exit(0);
    siginfo_t info;
    DO(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    DO(setpgid(0, 0));
    pid_t other = part();
    if (other == 0) {
        DO(setsid());
        gid_t groups[100] = {1, 2, 3};
        DO(setgroups(100, groups));
        DO(setresgid(5, 5, 5));
        DO(prctl(PR_SET_NAME, "named"));
        DO_OR(EAGAIN, setresuid(5, 5, 5));
        _exit(0);
    }
    wait_part(other);
    DO(nice(1));
    struct rlimit r = {100, 1000};
    DO(setrlimit(RLIMIT_NOFILE, &r));
    cpu_set_t set;
    DO(sched_getaffinity(0, sizeof set, &set));
    DO(sched_setaffinity(0, sizeof set, &set));
}

static void namespaces(void)
{
    static const int flags[] = {
        CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWUSER,
        CLONE_FILES,  CLONE_FS,     CLONE_NEWNS,  CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        pid_t child = part();
        if (child == 0) {
            int before = (int)DO(open("/proc/self/ns/uts", O_RDONLY));
            DO_OR(ENOSPC, unshare(flags[i]));
            if (flags[i] == CLONE_NEWUTS) {
                DO(sethostname("other", 5));
                DO(setns(before, CLONE_NEWUTS));
            }
            if (flags[i] & CLONE_NEWUSER) {
                int map = (int)DO(open("/proc/self/uid_map", O_WRONLY));
                DO(write(map, "0 0 1\n", 6));
            }
            pid_t inner = part();
            if (inner == 0)
                _exit(0);
            wait_part(inner);
            _exit(0);
        }
        wait_part(child);
    }
}

static volatile int caught;
static void on_signal(int sig, siginfo_t *info, void *context)
{
    caught += sig == SIGRTMIN || info || context;
}

static void signals(void)
{
    struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t alt = {.ss_sp = (char *)DO(mmap(NULL, 65536, RW, ANON, -1, 0)), .ss_size = 65536};
    DO(sigaltstack(&alt, NULL));
    DO(sigaction(SIGRTMIN, &a, NULL));
    DO(sigaction(SIGUSR1, &a, NULL));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    DO(sigprocmask(SIG_BLOCK, &set, NULL));
    for (int i = 0; i < 10; i++)
        DO_OR(EAGAIN, sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}));
    DO(sigprocmask(SIG_UNBLOCK, &set, NULL));
    EXPECT(caught == 10);
    MUST(kill(getpid(), SIGUSR1)); // never lost
    EXPECT(caught == 11);
    pid_t child = part();
    if (child == 0) {
        for (;;)
            pause();
    }
    MUST(kill(child, SIGSTOP));
    int status;
    MUST(waitpid(child, &status, WUNTRACED));
    if (!WIFSTOPPED(status)) // killed for want of a page
        return;
    MUST(kill(child, SIGKILL));
    wait_part(child);
}

static void timers(void)
{
    timer_t t;
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    struct itimerspec when = {.it_value = {0, 1}};
    timer_t id[20];
    for (int i = 0; i < 20; i++) {
        DO_OR(EAGAIN, timer_create(CLOCK_MONOTONIC, &e, &t));
        id[i] = t;
    }
    DO(timer_settime(id[3], 0, &when, NULL));
    DO(timer_delete(id[5]));
    DO_OR(EAGAIN, timer_create(CLOCK_PROCESS_CPUTIME_ID, &e, &t));
    struct itimerval one = {.it_value = {1000, 0}};
    DO(setitimer(ITIMER_VIRTUAL, &one, NULL));
    DO(setitimer(ITIMER_REAL, &one, NULL));
    DO(nanosleep(&(struct timespec){0, 1000}, NULL));
}

static void futexes(void)
{
    uint32_t word = 0;
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } v[2] = {{0, (uintptr_t)&word, 2, 0}, {1, (uintptr_t)&word, 2, 0}};
    DO_OR(EAGAIN, syscall(SYS_futex_waitv, v, 2, 0, NULL, 0) < 0 && errno == ENOMEM ? -1 : 0);
    DO(syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    pid_t child = part();
    if (child == 0)
        _exit(0);
    wait_part(child);
    DO(syscall(SYS_futex, &word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    uint32_t *shared = (uint32_t *)DO(mmap(NULL, 4096, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    *shared = 0;
    child = part();
    if (child == 0) {
        __atomic_store_n(shared, 1, __ATOMIC_SEQ_CST);
        MUST(syscall(SYS_futex, shared, FUTEX_WAKE, 1, NULL, NULL, 0));
        _exit(0);
    }
    // The other may have been killed for want of a page, so this one does not wait for ever.
    const struct timespec second = {1, 0};
    if (__atomic_load_n(shared, __ATOMIC_SEQ_CST) == 0)
        syscall(SYS_futex, shared, FUTEX_WAIT, 0,
                may_stay_refused() ? &(struct timespec){0, 1} : &second, NULL, 0);
    wait_part(child);
}

static void filters(void)
{
    struct sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    struct sock_fprog prog = {1, code};
    DO(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    DO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
    int listener = (int)DO(
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog));
    DO(close(listener));
    struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE};
    int rules = (int)DO(syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0));
    int root = (int)DO(open("/", O_PATH));
    struct landlock_path_beneath_attr beneath = {LANDLOCK_ACCESS_FS_WRITE_FILE, root};
    DO(syscall(SYS_landlock_add_rule, rules, 1, &beneath, 0));
    DO(syscall(SYS_landlock_restrict_self, rules, 0));
}

static void traces(void)
{
    pid_t child = part();
    if (child == 0) {
        DO(ptrace(PTRACE_TRACEME, 0, 0, 0));
        MUST(raise(SIGSTOP));
        MUST(getppid());
        _exit(0);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    if (!WIFSTOPPED(status)) { // it was refused
        if (WIFEXITED(status) && WEXITSTATUS(status) == ENDS_WRONG)
            _exit(ENDS_WRONG);
        return;
    }
    uint64_t regs[34];
    struct iovec v = {regs, sizeof regs};
    DO(ptrace(PTRACE_GETREGSET, child, 1, &v));
    DO(ptrace(PTRACE_SETREGSET, child, 1, &v));
    errno = 0;
    if (ptrace(PTRACE_PEEKDATA, child, &status, 0) < 0 && errno && errno != EIO)
        wrong("PTRACE_PEEKDATA", errno);
    if (ptrace(PTRACE_POKEDATA, child, &status, 0) < 0 && errno && errno != EIO)
        wrong("PTRACE_POKEDATA", errno);
    DO(ptrace(PTRACE_SYSCALL, child, 0, 0));
    MUST(waitpid(child, &status, 0));
    if (WIFSTOPPED(status)) {
        DO(ptrace(PTRACE_DETACH, child, 0, 0));
        wait_part(child);
    }
}

const struct scenario task_scenarios[] = {
    {"address_space", address_space},
    {"copies", copies},
    {"programs", programs},
    {"threads", threads},
    {"ids", ids},
    {"namespaces", namespaces},
    {"signals", signals},
    {"timers", timers},
    {"futexes", futexes},
    {"filters", filters},
    {"traces", traces},
    {NULL, NULL},
};
