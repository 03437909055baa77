// Process groups and sessions: who may move where, and what becomes of groups nobody can continue.
#include "probe.h"
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static struct shared {
    _Atomic int hups, conts, pid, ppid, ready;
} *shared;

static void on_signal(int sig)
{
    atomic_fetch_add(sig == SIGHUP ? &shared->hups : &shared->conts, 1);
}

// A child that waits on a pipe until told; kept for the checks below.
struct member {
    pid_t pid;
    int go[2], back[2];
};

static struct member new_member(void)
{
    struct member m;
    if (pipe(m.go) || pipe(m.back))
        abort();
    fflush(stdout);
    m.pid = fork();
    return m;
}

static void let_go(struct member *m)
{
    int status;
    tell(m->go[1]);
    waitpid(m->pid, &status, 0);
    close(m->go[0]);
    close(m->go[1]);
    close(m->back[0]);
    close(m->back[1]);
}

// --- Moving --------------------------------------------------------------------------------------

static void moving(void)
{
    show_call("setpgid of pid 0 to a negative group", setpgid(0, -1));
    show_call("setpgid of no such process", setpgid(999999, 0));
    show_call("getpgid of no such process", getpgid(999999));
    show_call("getsid of no such process", getsid(999999));
    show_call("setpgid to no such group", setpgid(0, 999999));
    show_call("setpgid of the parent", setpgid(getppid(), 0));
    struct member m = new_member();
    if (m.pid == 0) {
        hear(m.go[0]);
        _exit(0);
    }
    show_call("setpgid of a child", setpgid(m.pid, 0));
    SHOW("... leads", "%d", getpgid(m.pid) == m.pid);
    SHOW("... same session", "%d", getsid(m.pid) == getsid(0));
    struct member n = new_member();
    if (n.pid == 0) {
        hear(n.go[0]);
        _exit(0);
    }
    show_call("setpgid into a brother's group", setpgid(n.pid, m.pid));
    SHOW("... is in it", "%d", getpgid(n.pid) == m.pid);
    show_call("kill of the group", kill(-m.pid, 0));
    let_go(&m);
    show_call("a group lives on without its leader", kill(-m.pid, 0));
    SHOW("... its member too", "%d", getpgid(n.pid) == m.pid);
    show_call("... can be entered", setpgid(0, m.pid));
    show_call("... and left", setpgid(0, 0));
    let_go(&n);
    show_call("an empty group is gone", kill(-m.pid, 0));
    show_call("... and cannot be entered", setpgid(0, m.pid));

    m = new_member();
    if (m.pid == 0) {
        char *const argv[] = {"/proc/self/exe", "wait", NULL};
        dup2(m.go[0], 0);
        dup2(m.back[1], 1);
        execv(argv[0], argv);
        _exit(1);
    }
    hear(m.back[0]);
    show_call("setpgid of a child after exec", setpgid(m.pid, 0));
    let_go(&m);
}

static void sessions(void)
{
    setpgid(0, 0);
    show_call("setsid of a group leader", setsid());
    IN_CHILD("setsid", {
        SHOW("... works", "%d", setsid() == getpid());
        SHOW("... leads all", "%d", getsid(0) == getpid() && getpgrp() == getpid());
        show_call("... again", setsid());
        show_call("setpgid of a session leader", setpgid(0, 0));
        show_call("setpgid into another session", setpgid(0, getppid()));
        show_call("... has no terminal", open("/dev/tty", O_RDWR));
    });
    struct member m = new_member();
    if (m.pid == 0) {
        setsid();
        tell(m.back[1]);
        hear(m.go[0]);
        _exit(0);
    }
    hear(m.back[0]);
    SHOW("getsid of a child", "%d", getsid(m.pid) == m.pid);
    show_call("setpgid of a child in another session", setpgid(m.pid, 0));
    show_call("setpgid of oneself into its group", setpgid(0, m.pid));
    struct member n = new_member();
    if (n.pid == 0) {
        hear(n.go[0]);
        _exit(0);
    }
    show_call("setpgid of a brother into its group", setpgid(n.pid, m.pid));
    let_go(&n);
    let_go(&m);
    // A group whose leader is gone keeps its number from becoming a session.
    IN_CHILD("setsid with a group of one's number", {
        setpgid(0, 0);
        pid_t child = fork();
        if (child == 0) {
            pause();
            _exit(0);
        }
        setpgid(0, getppid());
        show_call("... in use", setsid());
        kill(child, SIGKILL);
    });
}

// --- Orphans -------------------------------------------------------------------------------------

// The prober is the subreaper of what follows, so that every end is seen.
static int reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

// A job of two: the middle one starts a member in a group of its own, which does `what`, and
// leaves. Returns the member.
static pid_t orphan(void (*member)(void), int stop_first)
{
    atomic_store(&shared->hups, 0);
    atomic_store(&shared->conts, 0);
    atomic_store(&shared->ready, 0);
    fflush(stdout);
    pid_t middle = fork();
    if (middle == 0) {
        setpgid(0, 0);
        pid_t pid = fork();
        if (pid == 0) {
            setpgid(0, 0);
            signal(SIGHUP, on_signal);
            signal(SIGCONT, on_signal);
            atomic_store(&shared->ready, 1);
            member();
            _exit(0);
        }
        setpgid(pid, 0);
        atomic_store(&shared->pid, pid);
        int status;
        while (!atomic_load(&shared->ready))
            usleep(200);
        if (stop_first) {
            kill(pid, SIGSTOP);
            waitpid(pid, &status, WUNTRACED);
        }
        _exit(0);
    }
    reap(middle);
    return atomic_load(&shared->pid);
}

static void member_waits(void)
{
    while (!atomic_load(&shared->hups) || !atomic_load(&shared->conts))
        usleep(1000);
}

static void member_runs(void)
{
    for (int i = 0; i < 50; i++)
        usleep(1000);
    _exit(atomic_load(&shared->hups) * 16 + atomic_load(&shared->conts));
}

// Stops itself as a terminal would, after its parent is gone.
static void member_stops_itself(void)
{
    while (getppid() != atomic_load(&shared->ppid))
        usleep(1000);
    kill(getpid(), SIGTSTP);
    kill(getpid(), SIGTTIN);
    raise(SIGTTOU);
    _exit(7);
}

static void member_really_stops(void)
{
    while (getppid() != atomic_load(&shared->ppid))
        usleep(1000);
    kill(getpid(), SIGSTOP);
    _exit(8);
}

static void orphans(void)
{
    int status;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    atomic_store(&shared->ppid, getpid());
    setpgid(0, 0);
    IN_CHILD("orphans", {
        // The prober's own session must not hold the orphans' groups together.
        setsid();
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        atomic_store(&shared->ppid, getpid());
        // We adopt them and are in their session: they are not orphaned.
        pid_t pid = orphan(member_runs, 0);
        SHOW("adopted within the session: signals", "%s", status_text(reap(pid)));
    });
    IN_CHILD("orphans of another session", {
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        atomic_store(&shared->ppid, getpid());
        void (*const bodies[])(void) = {member_waits, member_runs, member_stops_itself,
                                        member_really_stops};
        const char *const names[] = {"a stopped one hears HUP and CONT",
                                     "a running one hears nothing", "TSTP, TTIN, TTOU do not stop",
                                     "STOP does"};
        for (int i = 0; i < 4; i++) {
            pid_t leader = fork();
            if (leader == 0) {
                setsid();
                orphan(bodies[i], i == 0);
                _exit(0);
            }
            reap(leader);
            pid_t pid = atomic_load(&shared->pid);
            waitpid(pid, &status, WUNTRACED);
            SHOW(names[i], "%s", status_text(status));
            if (WIFSTOPPED(status)) {
                kill(pid, SIGKILL);
                reap(pid);
            }
        }
    });
    IN_CHILD("a member's exit is no matter, its parent's is", {
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        atomic_store(&shared->ppid, getpid());
        pid_t leader = fork();
        if (leader == 0) {
            setsid();
            // Two stopped members: one of them dies while the parent lives.
            pid_t a = fork();
            if (a == 0) {
                setpgid(0, 0);
                pause();
                _exit(3);
            }
            setpgid(a, a);
            pid_t b = fork();
            if (b == 0) {
                setpgid(0, a);
                pause();
                _exit(4);
            }
            setpgid(b, a);
            kill(-a, SIGSTOP);
            waitpid(a, &status, WUNTRACED);
            waitpid(b, &status, WUNTRACED);
            kill(b, SIGKILL);
            SHOW("one of two stopped dies", "%s", status_text(reap(b)));
            SHOW("the other stays stopped", "%d", waitpid(a, &status, WNOHANG | WCONTINUED));
            atomic_store(&shared->pid, a);
            _exit(0);
        }
        reap(leader);
        SHOW("until the parent dies", "%s", status_text(reap(atomic_load(&shared->pid))));
    });
}

static void body(void)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    moving();
    sessions();
    orphans();
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "wait")) {
        tell(1);
        hear(0);
        return 0;
    }
    return run_as_child(body);
}
