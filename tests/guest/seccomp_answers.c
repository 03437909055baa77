// What a seccomp filter may answer, and the other operations of seccomp.
#include "probe.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { TOP = 200 };
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ST_(op, k)   BPF_STMT(op, k)

// The program for calls of getpriority, whose arguments are 100 and 7; all others are allowed.
static long run(const struct sock_filter *body, size_t count)
{
    struct sock_filter all[TOP] = {
        ST_(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 1, 0),
        ST_(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    memcpy(all + 3, body, count * sizeof *body);
    struct sock_fprog program = {(unsigned short)(count + 3), all};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void computes(const char *name, const struct sock_filter *body, size_t count)
{
    IN_CHILD(
        name,
        if (run(body, count)) {
            show_call("... refused", -1);
            _exit(1);
        } long got = syscall(SYS_getpriority, 100, 7);
        SHOW("... gives", "%ld", got < 0 ? (long)errno : got + 100000));
}

#define COMPUTES(name, ...)                                                                        \
    do {                                                                                           \
        const struct sock_filter body[] = {__VA_ARGS__};                                           \
        computes(name, body, COUNT(body));                                                         \
    } while (0)

static void answers(void)
{
    static const struct {
        const char *name;
        uint32_t action;
    } rows[] = {
        {"kill process", SECCOMP_RET_KILL_PROCESS},
        {"kill thread", SECCOMP_RET_KILL_THREAD},
        {"trap", SECCOMP_RET_TRAP},
        {"errno", SECCOMP_RET_ERRNO},
        {"log", SECCOMP_RET_LOG},
        {"notify", SECCOMP_RET_USER_NOTIF},
        {"trace", SECCOMP_RET_TRACE},
        {"allow", SECCOMP_RET_ALLOW},
        {"another", 0x12340000},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t action = rows[i].action;
        SHOW("action", "%s", rows[i].name);
        show_call("... available", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
        action |= 5;
        show_call("... with a value", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
        COMPUTES("... ends", ST_(BPF_RET | BPF_K, rows[i].action | 5));
    }
    show_call("availability with a flag",
              syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &rows[0].action));
    show_call("availability from nowhere",
              syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, (void *)8));
    show_call("strict with a flag", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
    show_call("strict with an argument", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &rows));
    show_call("another operation", syscall(SYS_seccomp, 77, 0, NULL));
    const struct sock_filter allow[] = {ST_(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, (struct sock_filter *)(uintptr_t)allow};
    show_call("an unknown flag", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, &program));
    IN_CHILD("without no_new_privs", if (setuid(1000)) abort();
             show_call("...", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)));
    IN_CHILD("a filter, then strict", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
             syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
             show_call("...", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
             show_call("... mode", prctl(PR_GET_SECCOMP)));
    IN_CHILD(
        "a log of errors",
        struct sock_filter some[] = {ST_(BPF_LD | BPF_W | BPF_ABS, 0),
                                     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
                                     ST_(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 3),
                                     ST_(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
        struct sock_fprog p = {4, some}; prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); show_call(
            "...", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &p));
        show_call("... gives", syscall(SYS_getpriority, 100, 7)));
}

static void all(void)
{
    answers();
}

int main(void)
{
    return run_as_child(all);
}
