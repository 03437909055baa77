// What is so on this machine only, and no other kernel can be asked about: answers of ARM64 and of
// a machine without hardware. Runs as process 1's child.
#include "tests/unit/tap.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tap tap;

// Whether the call gives this: a result, or an errno below zero.
static void gives(const char *what, long result, long want)
{
    long got = result < 0 ? -errno : result;
    if (!CHECK(&tap, got == want, what))
        printf("# got %ld\n", got);
}

static void test_prctl(void)
{
    enum { SPEC_NOT_AFFECTED = 0 };
    gives("tagged addresses are on", prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0), 1);
    gives("... asked with an argument", prctl(PR_GET_TAGGED_ADDR_CTRL, 1, 0, 0, 0), -EINVAL);
    gives("... or a later one", prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 1), -EINVAL);
    gives("they can be turned on", prctl(PR_SET_TAGGED_ADDR_CTRL, 1, 0, 0, 0), 0);
    gives("... but not with an argument", prctl(PR_SET_TAGGED_ADDR_CTRL, 1, 0, 1, 0), -EINVAL);
    gives("... nor off", prctl(PR_SET_TAGGED_ADDR_CTRL, 0, 0, 0, 0), -EINVAL);
    gives("stores do not bypass", prctl(PR_GET_SPECULATION_CTRL, 0, 0, 0, 0), SPEC_NOT_AFFECTED);
    gives("... and need no control", prctl(PR_SET_SPECULATION_CTRL, 0, 4, 0, 0), -ENXIO);
    gives("... of another kind", prctl(PR_SET_SPECULATION_CTRL, 99, 4, 0, 0), -ENODEV);
    gives("... with an argument", prctl(PR_SET_SPECULATION_CTRL, 0, 4, 1, 0), -EINVAL);
    gives("... with a later one", prctl(PR_SET_SPECULATION_CTRL, 0, 4, 0, 1), -EINVAL);
    gives("PR_SET_MM is offered to nobody", prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0), -EINVAL);
    gives("... with an argument", prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 1), -EINVAL);
    gives("no vector extension", prctl(50 /* PR_SVE_SET_VL */, 16, 0, 0, 0), -EINVAL);
}

static void on_alarm(int signo)
{
    (void)signo;
}

static long log_call(int type, void *buf, int len)
{
    return syscall(SYS_syslog, type, buf, len);
}

static void test_log(void)
{
    char buf[64];
    gives("the log opens", log_call(1, NULL, 0), 0);
    gives("... closes", log_call(0, NULL, 0), 0);
    gives("... is empty", log_call(3, buf, sizeof buf), 0);
    gives("... also when cleared", log_call(4, buf, sizeof buf), 0);
    gives("... or when nothing is wanted", log_call(2, buf, 0), 0);
    gives("... needs a buffer", log_call(3, NULL, 5), -EINVAL);
    gives("... of some size", log_call(3, buf, -1), -EINVAL);
    gives("... has room", log_call(10, NULL, 0), 1 << 17);
    gives("... nothing unread", log_call(9, NULL, 0), 0);
    for (int type = 5; type < 8; type++)
        gives("... and no console", log_call(type, NULL, 0), 0);
    gives("the console has a level", log_call(8, NULL, 8), 0);
    gives("... above 0", log_call(8, NULL, 0), -EINVAL);
    gives("... up to 8", log_call(8, NULL, 9), -EINVAL);
    gives("there is no other call", log_call(11, NULL, 0), -EINVAL);
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    ualarm(20000, 20000);
    gives("a reader waits until a signal", log_call(2, buf, sizeof buf), -EINTR);
    ualarm(0, 0);
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        if (setuid(1000))
            _exit(9);
        bool denied = log_call(2, buf, 5) < 0 && errno == EPERM;
        _exit(denied && log_call(3, buf, sizeof buf) == 0 ? 0 : 1);
    }
    waitpid(child, &status, 0);
    CHECK(&tap, status == 0, "a user may look but not take");
}

static long reboot_call(unsigned magic1, unsigned magic2, unsigned command, const void *arg)
{
    return syscall(SYS_reboot, magic1, magic2, command, arg);
}

static void test_reboot(void)
{
    enum { MAGIC = (int)0xfee1dead };
    static const unsigned magics[] = {672274793, 85072278, 369367448, 537993216};
    for (int i = 0; i < 4; i++) {
        gives("the keys can be off", reboot_call((unsigned)MAGIC, magics[i], 0, NULL), 0);
        gives("... or on", reboot_call((unsigned)MAGIC, magics[i], 0x89abcdef, NULL), 0);
    }
    gives("not with another number", reboot_call((unsigned)MAGIC, 1, 0, NULL), -EINVAL);
    gives("... nor another first one", reboot_call(1, magics[0], 0, NULL), -EINVAL);
    gives("no other command", reboot_call((unsigned)MAGIC, magics[0], 5, NULL), -EINVAL);
    gives("a command from nowhere", reboot_call((unsigned)MAGIC, magics[0], 0xa1b2c3d4, (void *)8),
          -EFAULT);
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        if (setuid(1000))
            _exit(9);
        _exit(reboot_call((unsigned)MAGIC, magics[0], 0, NULL) < 0 ? errno : 0);
    }
    waitpid(child, &status, 0);
    CHECK(&tap, WEXITSTATUS(status) == EPERM, "a user does not reboot");
}

static void test_system(void)
{
    struct sysinfo s;
    gives("sysinfo to nowhere", syscall(SYS_sysinfo, (void *)8), -EFAULT);
    CHECK(&tap, sysinfo(&s) == 0 && s.freeram < s.totalram && s.totalswap == 0, "there is no swap");
    gives("getcpu to nowhere", syscall(SYS_getcpu, (void *)8, NULL, NULL), -EFAULT);
    gives("... for the node", syscall(SYS_getcpu, NULL, (void *)8, NULL), -EFAULT);
    gives("uname to nowhere", syscall(SYS_uname, (void *)8), -EFAULT);
    gives("sethostname from nowhere", syscall(SYS_sethostname, (void *)8, 4), -EFAULT);
    gives("setdomainname of less than nothing", syscall(SYS_setdomainname, "x", -1), -EINVAL);
}

int main(void)
{
    test_prctl();
    test_log();
    test_reboot();
    test_system();
    return tap_finish(&tap);
}
