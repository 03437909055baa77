// seccomp: strict mode, filters and what they answer, filters that are refused, threads that get
// one together.
#include "probe.h"
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH AUDIT_ARCH_X86_64
#endif

#define NR                (offsetof(struct seccomp_data, nr))
#define ARG(n)            (offsetof(struct seccomp_data, args) + 8 * (n))
#define LOAD(k)           BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (k))
#define RETURN(k)         BPF_STMT(BPF_RET | BPF_K, (k))
#define IF_EQ(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))

static long seccomp(unsigned op, unsigned flags, void *args)
{
    return syscall(SYS_seccomp, op, flags, args);
}

#define PROGRAM(...)                                                                               \
    (struct sock_fprog)                                                                            \
    {                                                                                              \
        .len = sizeof((struct sock_filter[]){__VA_ARGS__}) / sizeof(struct sock_filter),           \
        .filter = (struct sock_filter[])                                                           \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static long install(struct sock_fprog p, unsigned flags)
{
    return seccomp(SECCOMP_SET_MODE_FILTER, flags, &p);
}

static void no_privs(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void no_core(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

// --- Strict --------------------------------------------------------------------------------------

static void strict(void)
{
    int fds[2];
    char c;
    pipe(fds);
    show_call("mode", prctl(PR_GET_SECCOMP));
    show_call("strict with flags", seccomp(0, 1, NULL));
    show_call("strict with an argument", seccomp(0, 0, &c));
    show_call("unknown operation", seccomp(77, 0, NULL));
    show_call("unknown mode", prctl(PR_SET_SECCOMP, 3, 0));
    show_call("mode 0", prctl(PR_SET_SECCOMP, 0, 0));
    IN_CHILD("read, write and exit", {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        write(fds[1], "x", 1);
        read(fds[0], &c, 1);
        syscall(SYS_exit, c == 'x' ? 7 : 8);
    });
    IN_CHILD("anything else", seccomp(0, 0, NULL); syscall(SYS_getpid));
    IN_CHILD("even exit_group", seccomp(0, 0, NULL); _exit(3));
    IN_CHILD("asking for the mode", seccomp(0, 0, NULL); prctl(PR_GET_SECCOMP));
}

// --- Answers -------------------------------------------------------------------------------------

#define ANSWER(nr, what)                                                                           \
    PROGRAM(LOAD(NR), IF_EQ((nr), 0, 1), RETURN(what), RETURN(SECCOMP_RET_ALLOW))

static volatile sig_atomic_t trapped, trap_code, trap_errno, trap_nr, trap_arch, trap_addr;
static void on_sys(int sig, siginfo_t *info, void *context)
{
    (void)context;
    trapped = sig;
    trap_code = info->si_code;
    trap_errno = info->si_errno;
    trap_nr = info->si_syscall == SYS_getppid;
    trap_arch = info->si_arch == ARCH;
    trap_addr = info->si_call_addr != NULL;
}

static void *call_getppid(void *arg)
{
    (void)arg;
    syscall(SYS_getppid);
    return NULL;
}

static void show_child(const char *name)
{
    IN_CHILD(name, _exit(syscall(SYS_getppid) == -1 ? errno : 0));
}

static void answers(void)
{
    no_core();
    IN_CHILD("errno", {
        no_privs();
        show_call("install", install(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | ENOTTY), 0));
        show_call("mode", prctl(PR_GET_SECCOMP));
        show_call("getppid", syscall(SYS_getppid));
        show_done("getpid", syscall(SYS_getpid));
        show_call("strict now", seccomp(0, 0, NULL));
        show_call("one more", install(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV), 0));
        show_call("the newest decides among equals", syscall(SYS_getppid));
        show_call("a milder one", install(ANSWER(SYS_getppid, SECCOMP_RET_LOG), 0));
        show_call("the stricter decides", syscall(SYS_getppid));
        show_call("errno 0", install(ANSWER(SYS_getpgid, SECCOMP_RET_ERRNO), 0));
        show_call("getpgid", syscall(SYS_getpgid, 0));
        show_call("errno too large", install(ANSWER(SYS_getsid, SECCOMP_RET_ERRNO | 0xffff), 0));
        SHOW("getsid", "%d", syscall(SYS_getsid, 0) == -1 ? errno : 0);
        show_child("a child has it too");
    });
    IN_CHILD("trap", {
        struct sigaction sa = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
        sigaction(SIGSYS, &sa, NULL);
        no_privs();
        install(ANSWER(SYS_getppid, SECCOMP_RET_TRAP | 0x1234), 0);
        syscall(SYS_getppid);
        SHOW("signal", "%d code %d errno %#x number %d arch %d address %d", trapped, trap_code,
             trap_errno, trap_nr, trap_arch, trap_addr);
        sigset_t set;
        sigfillset(&set);
        sigprocmask(SIG_SETMASK, &set, NULL);
        syscall(SYS_getppid); // blocked: kills
    });
    IN_CHILD("kill the thread", no_privs();
             install(ANSWER(SYS_getppid, SECCOMP_RET_KILL_THREAD), 0); syscall(SYS_getppid));
    IN_CHILD("kill the process", no_privs();
             install(ANSWER(SYS_getppid, SECCOMP_RET_KILL_PROCESS), 0); syscall(SYS_getppid));
    IN_CHILD("killing is not caught", {
        struct sigaction sa = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
        sigaction(SIGSYS, &sa, NULL);
        no_privs();
        install(ANSWER(SYS_getppid, SECCOMP_RET_KILL_PROCESS), 0);
        syscall(SYS_getppid);
    });
    IN_CHILD("kill one of two threads", {
        pthread_t t;
        no_privs();
        install(ANSWER(SYS_getppid, SECCOMP_RET_KILL_THREAD), 0);
        pthread_create(&t, NULL, call_getppid, NULL);
        pthread_join(t, NULL);
        _exit(9);
    });
    IN_CHILD("kill the process from a thread", {
        pthread_t t;
        no_privs();
        install(ANSWER(SYS_getppid, SECCOMP_RET_KILL_PROCESS), 0);
        pthread_create(&t, NULL, call_getppid, NULL);
        pthread_join(t, NULL);
        _exit(9);
    });
    IN_CHILD("an unknown action", no_privs(); install(ANSWER(SYS_getppid, 0x12340000), 0);
             syscall(SYS_getppid));
    IN_CHILD("nobody to ask", {
        no_privs();
        install(ANSWER(SYS_getppid, SECCOMP_RET_TRACE | 5), 0);
        show_call("trace", syscall(SYS_getppid));
        install(ANSWER(SYS_getpgid, SECCOMP_RET_USER_NOTIF), 0);
        show_call("notify", syscall(SYS_getpgid, 0));
        show_done("log", install(ANSWER(SYS_getsid, SECCOMP_RET_LOG), 0));
        show_done("getsid", syscall(SYS_getsid, 0));
    });
    IN_CHILD("after exec", {
        no_privs();
        install(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | 55), 0);
        char *argv[] = {"again", NULL}, *envp[] = {NULL};
        execve("/proc/self/exe", argv, envp);
    });
}

// --- What filters see ----------------------------------------------------------------------------

static void sees(void)
{
    no_privs();
    struct sock_fprog wrong_arch =
        PROGRAM(LOAD(offsetof(struct seccomp_data, arch)), IF_EQ(ARCH, 0, 1),
                RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_KILL_PROCESS));
    show_call("arch", install(wrong_arch, 0));
    struct sock_fprog args =
        PROGRAM(LOAD(NR), IF_EQ(SYS_getpgid, 1, 0), RETURN(SECCOMP_RET_ALLOW), LOAD(ARG(0)),
                IF_EQ(0x55667788, 0, 5), LOAD(ARG(0) + 4), IF_EQ(0x11223344, 0, 3), LOAD(ARG(5)),
                IF_EQ(6, 0, 1), RETURN(SECCOMP_RET_ERRNO | 111), RETURN(SECCOMP_RET_ERRNO | 112));
    show_call("arguments", install(args, 0));
    SHOW("all of them", "%d", syscall(SYS_getpgid, 0x1122334455667788, 2, 3, 4, 5, 6) ? errno : 0);
    SHOW("another", "%d", syscall(SYS_getpgid, 0x1122334455667788, 2, 3, 4, 5, 7) ? errno : 0);
    SHOW("upper half", "%d", syscall(SYS_getpgid, 0x55667788, 2, 3, 4, 5, 6) ? errno : 0);
    // ((((nr * 3 + 5) ^ 0xff) / 2) << 3) >> 1 | 1, stored and loaded, compared with X.
    struct sock_fprog math = PROGRAM(
        LOAD(NR), IF_EQ(SYS_getsid, 1, 0), RETURN(SECCOMP_RET_ALLOW), LOAD(ARG(0)),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 3), BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 5),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 0xff), BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 2),
        BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 3), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 1),
        BPF_STMT(BPF_ALU | BPF_OR | BPF_K, 1), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff),
        BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LDX | BPF_MEM, 3), BPF_STMT(BPF_MISC | BPF_TXA, 0),
        BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_NEG, 0),
        BPF_STMT(BPF_LD | BPF_MEM, 3), BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
        BPF_STMT(BPF_RET | BPF_A, 0));
    show_call("arithmetic", install(math, 0));
    for (int i = 0; i < 600; i += 77)
        SHOW("result", "%d", syscall(SYS_getsid, i) ? errno : 0);
    struct sock_fprog zero =
        PROGRAM(LOAD(NR), IF_EQ(SYS_getppid, 1, 0), RETURN(SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_LDX | BPF_IMM, 0), BPF_STMT(BPF_LD | BPF_IMM, 8),
                BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RETURN(SECCOMP_RET_ALLOW));
    no_core();
    IN_CHILD("division by zero", install(zero, 0); syscall(SYS_getppid); _exit(4));
    struct sock_fprog len = PROGRAM(LOAD(NR), IF_EQ(SYS_getppid, 1, 0), RETURN(SECCOMP_RET_ALLOW),
                                    BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
                                    BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
                                    BPF_STMT(BPF_RET | BPF_A, 0));
    install(len, 0);
    SHOW("length", "%d", syscall(SYS_getppid) ? errno : 0);
}

// --- Refusals ------------------------------------------------------------------------------------

static void refusals(void)
{
    struct sock_fprog good = PROGRAM(RETURN(SECCOMP_RET_ALLOW));
    if (geteuid() == 0) {
        IN_CHILD("without privilege", {
            setresuid(1000, 1000, 1000);
            show_call("install", install(good, 0));
            struct sock_fprog bad = {0, NULL};
            show_call("empty", install(bad, 0));
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            show_call("no new privileges", install(good, 0));
        });
    }
    no_privs();
    show_call("unknown flag", install(good, 1 << 20));
    show_call("no program", seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL));
    struct sock_fprog p = {0, good.filter};
    show_call("length 0", install(p, 0));
    p.len = 4097;
    show_call("too long", install(p, 0));
    p = (struct sock_fprog){1, (void *)8};
    show_call("bad address", install(p, 0));
#define REFUSED(name, ...) show_call(name, install(PROGRAM(__VA_ARGS__), 0))
    REFUSED("no return", BPF_STMT(BPF_LD | BPF_IMM, 0));
    REFUSED("jump beyond", BPF_STMT(BPF_JMP | BPF_JA, 1), RETURN(0));
    REFUSED("jump to itself", BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff), RETURN(0));
    REFUSED("condition beyond", IF_EQ(0, 1, 0), RETURN(0));
    REFUSED("condition false beyond", IF_EQ(0, 0, 1), RETURN(0));
    REFUSED("load beyond the data", LOAD(64), RETURN(0));
    REFUSED("load not aligned", LOAD(2), RETURN(0));
    REFUSED("load of a byte", BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RETURN(0));
    REFUSED("load of a half", BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), RETURN(0));
    REFUSED("indirect load", BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RETURN(0));
    REFUSED("msh", BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), RETURN(0));
    REFUSED("ancillary load", LOAD((uint32_t)SKF_AD_OFF), RETURN(0));
    REFUSED("memory out of bounds", BPF_STMT(BPF_ST, 16), RETURN(0));
    REFUSED("memory not written", BPF_STMT(BPF_LD | BPF_MEM, 2), RETURN(0));
    REFUSED("memory written on one way", IF_EQ(0, 1, 0), BPF_STMT(BPF_ST, 2),
            BPF_STMT(BPF_LD | BPF_MEM, 2), RETURN(0));
    REFUSED("divide by constant zero", BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RETURN(0));
    REFUSED("modulo", BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RETURN(0));
    REFUSED("shift too far", BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RETURN(0));
    REFUSED("unknown code", BPF_STMT(0xfff, 0), RETURN(0));
    REFUSED("return of X", BPF_STMT(BPF_RET | BPF_X, 0));
    REFUSED("return with high bits", BPF_STMT(0x106, 0));
    REFUSED("memory written on both ways", IF_EQ(0, 1, 0), BPF_STMT(BPF_ST, 2), BPF_STMT(BPF_ST, 2),
            BPF_STMT(BPF_LD | BPF_MEM, 2), RETURN(SECCOMP_RET_ALLOW));
    static struct sock_filter big[4096];
    for (int i = 0; i < 4096; i++)
        big[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
    big[4095] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    p = (struct sock_fprog){4096, big};
    int count = 0;
    while (install(p, 0) == 0)
        count++;
    SHOW("long filters in a row", "%d, then %s", count, strerrorname_np(errno));
    uint32_t action = SECCOMP_RET_LOG;
    show_call("action", seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action));
    action = 0x7ffd0000;
    show_call("unknown action", seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action));
    show_call("action with flags", seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &action));
    show_call("action nowhere", seccomp(SECCOMP_GET_ACTION_AVAIL, 0, (void *)8));
    uint16_t sizes[3] = {0};
    show_call("sizes", seccomp(SECCOMP_GET_NOTIF_SIZES, 0, sizes));
    SHOW("sizes", "%d %d %d", sizes[0], sizes[1], sizes[2]);
}

// --- Threads -------------------------------------------------------------------------------------

static int start_fds[2], end_fds[2];

static void *asks(void *arg)
{
    hear(start_fds[0]);
    long r = syscall(SYS_getppid);
    *(int *)arg = r < 0 ? errno : 0;
    tell(end_fds[1]);
    return NULL;
}

static void *with_own_filter(void *arg)
{
    (void)arg;
    install(PROGRAM(RETURN(SECCOMP_RET_ALLOW)), 0);
    tell(end_fds[1]);
    hear(start_fds[0]);
    return NULL;
}

static void threads(void)
{
    pthread_t t[3];
    int seen[3];
    pipe(start_fds), pipe(end_fds);
    no_privs();
    for (int sync = 0; sync < 2; sync++) {
        for (int i = 0; i < 3; i++)
            pthread_create(&t[i], NULL, asks, &seen[i]);
        show_call("install", install(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | (60 + sync)),
                                     sync ? SECCOMP_FILTER_FLAG_TSYNC : 0));
        for (int i = 0; i < 3; i++)
            tell(start_fds[1]), hear(end_fds[0]);
        for (int i = 0; i < 3; i++)
            pthread_join(t[i], NULL);
        SHOW(sync ? "with the others" : "alone", "%d %d %d", seen[0], seen[1], seen[2]);
    }
    pthread_create(&t[0], NULL, with_own_filter, NULL);
    hear(end_fds[0]);
    long r = install(PROGRAM(RETURN(SECCOMP_RET_ALLOW)), SECCOMP_FILTER_FLAG_TSYNC);
    SHOW("one went its own way", "%d", r > 0);
    show_call("and as an error",
              install(PROGRAM(RETURN(SECCOMP_RET_ALLOW)),
                      SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH));
    tell(start_fds[1]);
    pthread_join(t[0], NULL);
    show_call("alone again",
              install(PROGRAM(RETURN(SECCOMP_RET_ALLOW)), SECCOMP_FILTER_FLAG_TSYNC));
}

static void status(void)
{
    char line[200];
    no_privs();
    install(PROGRAM(RETURN(SECCOMP_RET_ALLOW)), 0);
    install(PROGRAM(RETURN(SECCOMP_RET_ALLOW)), 0);
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "Seccomp", 7) || !strncmp(line, "NoNewPrivs", 10))
            printf("%s", line);
}

int main(int argc, char **argv)
{
    if (argc && !strcmp(argv[0], "again"))
        return syscall(SYS_getppid) == -1 ? errno : 1;
    run_as_child(strict);
    run_as_child(answers);
    run_as_child(sees);
    run_as_child(refusals);
    run_as_child(threads);
    run_as_child(status);
    return 0;
}
