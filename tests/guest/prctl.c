// prctl: what each operation takes, returns and refuses, who inherits it.
#include "probe.h"
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static void show_prctl(const char *name, int op, unsigned long a, unsigned long b, unsigned long c,
                       unsigned long d)
{
    show_call(name, prctl(op, a, b, c, d));
}

static void names(void)
{
    char name[16] = "";
    show_prctl("set name", PR_SET_NAME, (unsigned long)"a name that is too long", 0, 0, 0);
    prctl(PR_GET_NAME, name);
    SHOW("name", "%s", name);
    show_prctl("set name from nowhere", PR_SET_NAME, 8, 0, 0, 0);
    show_prctl("get name to nowhere", PR_GET_NAME, 8, 0, 0, 0);
    IN_CHILD("a child", prctl(PR_GET_NAME, name); _exit(!strcmp(name, "a name that is ")));
    show_prctl("empty name", PR_SET_NAME, (unsigned long)"", 0, 0, 0);
    prctl(PR_GET_NAME, name);
    SHOW("name", "[%s]", name);
    char line[64] = "";
    prctl(PR_SET_NAME, "with )(\n");
    FILE *f = fopen("/proc/self/comm", "r");
    if (f && fgets(line, sizeof line, f))
        fclose(f);
    SHOW("comm", "%s", line);
}

static volatile sig_atomic_t seen;
static void on_signal(int sig)
{
    seen = sig;
}

static void parents(void)
{
    int sig = -1, fds[2];
    show_prctl("death signal", PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
    show_prctl("get", PR_GET_PDEATHSIG, (unsigned long)&sig, 0, 0, 0);
    SHOW("signal", "%d", sig);
    show_prctl("get to nowhere", PR_GET_PDEATHSIG, 8, 0, 0, 0);
    show_prctl("no signal", PR_SET_PDEATHSIG, 65, 0, 0, 0);
    IN_CHILD("a child has none", prctl(PR_GET_PDEATHSIG, &sig); _exit(sig));
    prctl(PR_SET_PDEATHSIG, 0);
    pipe(fds);
    fflush(stdout);
    if (fork() == 0) {
        pid_t middle = fork();
        if (middle == 0) {
            signal(SIGUSR1, on_signal);
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            tell(fds[1]);
            while (!seen)
                sleep_ms(1);
            tell(fds[1]);
            _exit(0);
        }
        hear(fds[0]);
        _exit(0);
    }
    wait(NULL);
    hear(fds[0]);
    SHOW("told of its parent's end", "%d", 1);
    int on = -1;
    show_prctl("subreaper", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    show_prctl("get", PR_GET_CHILD_SUBREAPER, (unsigned long)&on, 0, 0, 0);
    SHOW("on", "%d", on);
    pid_t self = getpid();
    fflush(stdout);
    if (fork() == 0) {
        if (fork() == 0) {
            while (getppid() != self)
                sleep_ms(1);
            _exit(33);
        }
        _exit(0);
    }
    int status, got = 0;
    for (int i = 0; i < 2; i++) {
        wait(&status);
        got |= WEXITSTATUS(status) == 33;
    }
    SHOW("orphan came to us", "%d", got);
    IN_CHILD("not inherited", prctl(PR_GET_CHILD_SUBREAPER, &on); _exit(on));
    show_prctl("off", PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

static void attributes(void)
{
    show_prctl("dumpable", PR_GET_DUMPABLE, 0, 0, 0, 0);
    show_prctl("set 0", PR_SET_DUMPABLE, 0, 0, 0, 0);
    show_prctl("get", PR_GET_DUMPABLE, 0, 0, 0, 0);
    show_prctl("set 2", PR_SET_DUMPABLE, 2, 0, 0, 0);
    IN_CHILD("inherited", _exit(prctl(PR_GET_DUMPABLE)));
    show_prctl("set 1", PR_SET_DUMPABLE, 1, 0, 0, 0);
    show_prctl("no new privileges", PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    show_prctl("get with argument", PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0);
    show_prctl("set 0", PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
    show_prctl("set 2", PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0);
    show_prctl("set with argument", PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0);
    show_prctl("set", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    show_prctl("get", PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    IN_CHILD("inherited", _exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
    show_prctl("timer slack", PR_GET_TIMERSLACK, 0, 0, 0, 0);
    show_prctl("set", PR_SET_TIMERSLACK, 1234, 0, 0, 0);
    show_prctl("get", PR_GET_TIMERSLACK, 0, 0, 0, 0);
    IN_CHILD("a child", show_prctl("get", PR_GET_TIMERSLACK, 0, 0, 0, 0);
             prctl(PR_SET_TIMERSLACK, 0); show_prctl("default", PR_GET_TIMERSLACK, 0, 0, 0, 0));
    show_prctl("large pages off", PR_GET_THP_DISABLE, 0, 0, 0, 0);
    show_prctl("set", PR_SET_THP_DISABLE, 1, 0, 0, 0);
    show_prctl("set with argument", PR_SET_THP_DISABLE, 1, 0, 1, 0);
    show_prctl("get", PR_GET_THP_DISABLE, 0, 0, 0, 0);
    IN_CHILD("inherited", _exit(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)));
    show_prctl("memory failure", PR_MCE_KILL_GET, 0, 0, 0, 0);
    show_prctl("set early", PR_MCE_KILL, 1, 1, 0, 0);
    show_prctl("get", PR_MCE_KILL_GET, 0, 0, 0, 0);
    show_prctl("set 3", PR_MCE_KILL, 1, 3, 0, 0);
    show_prctl("set what", PR_MCE_KILL, 2, 0, 0, 0);
    show_prctl("set with argument", PR_MCE_KILL, 1, 1, 1, 0);
    show_prctl("clear", PR_MCE_KILL, 0, 0, 0, 0);
    show_prctl("get", PR_MCE_KILL_GET, 0, 0, 0, 0);
    show_prctl("speculation of nothing", PR_GET_SPECULATION_CTRL, 77, 0, 0, 0);
    show_prctl("speculation with argument", PR_GET_SPECULATION_CTRL, 0, 1, 0, 0);
    show_prctl("set of nothing", PR_SET_SPECULATION_CTRL, 77, 0, 0, 0);
    show_prctl("timing", PR_GET_TIMING, 0, 0, 0, 0);
    show_prctl("set timing", PR_SET_TIMING, 1, 0, 0, 0);
    void *tid_address = NULL;
    show_prctl("tid address", PR_GET_TID_ADDRESS, (unsigned long)&tid_address, 0, 0, 0);
    SHOW("is one", "%d", tid_address != NULL);
    show_prctl("unknown", 9999, 0, 0, 0, 0);
    show_prctl("negative", -1, 0, 0, 0, 0);
    if (geteuid() == 0)
        IN_CHILD("memory layout without right", setresuid(1000, 1000, 1000);
                 show_prctl("brk", PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0));
}

int main(void)
{
    run_as_child(names);
    run_as_child(parents);
    run_as_child(attributes);
    return 0;
}
