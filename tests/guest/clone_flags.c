// Flags of clone and clone3: which go together, what the argument struct may look like, and what
// the flags do that fork and threads never ask for.
#include "probe.h"
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/syscall.h>

static char *page_end; // the next page cannot be read

static long raw_clone(unsigned long flags)
{
    return syscall(SYS_clone, flags, 0, 0, 0, 0);
}

static long clone3(struct clone_args *args, size_t size)
{
    return syscall(SYS_clone3, args, size);
}

// What must fail; a child that came to be anyway ends at once.
static void refused(const char *name, long result)
{
    if (result == 0)
        _exit(0);
    if (result > 0)
        waitpid((pid_t)result, NULL, __WALL);
    show_done(name, result);
}

static void combinations(void)
{
    static const struct {
        const char *name;
        unsigned long flags;
    } rows[] = {
        {"THREAD alone", CLONE_THREAD},
        {"THREAD without VM", CLONE_THREAD | CLONE_SIGHAND},
        {"SIGHAND without VM", CLONE_SIGHAND | SIGCHLD},
        {"FS and NEWNS", CLONE_FS | CLONE_NEWNS | SIGCHLD},
        {"FS and NEWUSER", CLONE_FS | CLONE_NEWUSER | SIGCHLD},
        {"THREAD and NEWPID", CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWPID},
        {"THREAD and NEWUSER", CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWUSER},
        {"SYSVSEM and NEWIPC", CLONE_SYSVSEM | CLONE_NEWIPC | SIGCHLD},
        {"PIDFD and PARENT_SETTID", CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD},
        {"PIDFD and DETACHED", CLONE_PIDFD | CLONE_DETACHED | SIGCHLD},
        {"PIDFD to nowhere", CLONE_PIDFD | SIGCHLD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(rows[i].name, raw_clone(rows[i].flags));
    SHOW("no descriptor is left", "%d", dup(0));
    close(3);
    IN_CHILD("a thread after unshare of PID", unshare(CLONE_NEWPID);
             refused("...", raw_clone(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)));
    IN_CHILD("the first process of a namespace has no siblings", unshare(CLONE_NEWPID);
             IN_CHILD("...", refused("... PARENT", raw_clone(CLONE_PARENT | SIGCHLD))));
    IN_CHILD("CLONE_PARENT", pid_t child = (pid_t)raw_clone(CLONE_PARENT); if (child == 0) _exit(5);
             show_call("... is no child", waitpid(child, NULL, __WALL)));
    int status;
    while (waitpid(-1, &status, __WALL) > 0)
        SHOW("... but its parent's", "%s", status_text(status));
    IN_CHILD("an exit signal that is no SIGCHLD", signal(SIGUSR1, SIG_IGN);
             pid_t child = (pid_t)raw_clone(SIGUSR1); if (child == 0) _exit(6); siginfo_t info;
             show_call("... plain", waitid(P_PID, (id_t)child, &info, WEXITED));
             show_call("... __WCLONE", waitpid(child, &status, __WCLONE) == child));
}

static void ignored_before(int signo)
{
    (void)signo;
}

static void structs(void)
{
    struct {
        struct clone_args a;
        uint64_t more[64];
    } big = {.a = {.exit_signal = SIGCHLD}};
    struct clone_args a = {.exit_signal = SIGCHLD};
    signal(64, SIG_IGN);
    refused("size 0", clone3(&a, 0));
    refused("size 63", clone3(&a, 63));
    refused("size 64", clone3(&a, 64));
    refused("size 80", clone3(&a, 80));
    refused("size 88", clone3(&a, 88));
    refused("more that is zero", clone3(&big.a, sizeof big));
    big.more[30] = 1;
    refused("more that is not", clone3(&big.a, sizeof big));
    refused("more than a page", clone3(&big.a, 4097));
    refused("nowhere", clone3((void *)8, 64));
    refused("across the end", clone3((void *)(page_end - 32), 64));
    memset(page_end - 88, 0, 88);
    refused("at the end", clone3((void *)(page_end - 88), 88));
    refused("more beyond the end", clone3((void *)(page_end - 88), 96));
    static const struct {
        const char *name;
        struct clone_args a;
    } rows[] = {
        {"DETACHED", {.flags = CLONE_DETACHED, .exit_signal = SIGCHLD}},
        {"a signal in the flags", {.flags = SIGCHLD}},
        {"a flag there is not", {.flags = 1ull << 40, .exit_signal = SIGCHLD}},
        {"signal 64", {.exit_signal = 64}},
        {"signal 65", {.exit_signal = 65}},
        {"a signal of more than 32 bits", {.exit_signal = 1ull << 33}},
        {"PARENT with a signal", {.flags = CLONE_PARENT, .exit_signal = SIGCHLD}},
        {"THREAD with a signal",
         {.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD}},
        {"a size without a stack", {.stack_size = 4096, .exit_signal = SIGCHLD}},
        {"a stack without a size", {.stack = 4096, .exit_signal = SIGCHLD}},
        {"CLEAR_SIGHAND and SIGHAND",
         {.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD}},
        {"set_tid without a size", {.set_tid = 4096, .exit_signal = SIGCHLD}},
        {"a size without set_tid", {.set_tid_size = 1, .exit_signal = SIGCHLD}},
        {"set_tid of too many", {.set_tid = 4096, .set_tid_size = 33, .exit_signal = SIGCHLD}},
        {"set_tid of more than there are",
         {.set_tid = (uintptr_t)rows, .set_tid_size = 30, .exit_signal = SIGCHLD}},
        {"set_tid from nowhere", {.set_tid = 8, .set_tid_size = 1, .exit_signal = SIGCHLD}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct clone_args copy = rows[i].a;
        refused(rows[i].name, clone3(&copy, sizeof copy));
    }
}

static void handlers(void)
{
    signal(SIGUSR1, ignored_before);
    signal(SIGUSR2, SIG_IGN);
    struct clone_args a = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
    long pid = clone3(&a, sizeof a);
    if (pid == 0) {
        struct sigaction caught, ignored;
        sigaction(SIGUSR1, NULL, &caught);
        sigaction(SIGUSR2, NULL, &ignored);
        SHOW("CLEAR_SIGHAND", "caught %d ignored %d", caught.sa_handler == SIG_DFL,
             ignored.sa_handler == SIG_IGN);
        _exit(0);
    }
    waitpid((pid_t)pid, NULL, 0);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

// Numbers that the caller chooses.
static void numbers(void)
{
    pid_t want[2] = {0, 0};
    struct clone_args a = {.set_tid = (uintptr_t)want, .set_tid_size = 1, .exit_signal = SIGCHLD};
    pid_t gone = fork(); // its number is free soon
    if (gone == 0)
        _exit(0);
    waitpid(gone, NULL, 0);
    refused("set_tid 0", clone3(&a, sizeof a));
    want[0] = -1;
    refused("set_tid -1", clone3(&a, sizeof a));
    want[0] = getpid();
    refused("set_tid of one in use", clone3(&a, sizeof a));
    want[0] = 1 << 30;
    refused("set_tid beyond pid_max", clone3(&a, sizeof a));
    want[0] = gone;
    long pid = clone3(&a, sizeof a);
    if (pid == 0)
        _exit(getpid() == gone ? 3 : 4);
    int status = -1;
    SHOW("set_tid", "%d", pid == gone);
    waitpid((pid_t)pid, &status, 0);
    SHOW("... inside", "%s", status_text(status));
    IN_CHILD("set_tid by a user", if (setuid(1000)) abort(); refused("...", clone3(&a, sizeof a)));
    IN_CHILD("set_tid in a new namespace", unshare(CLONE_NEWPID); a.set_tid_size = 2; want[0] = 1;
             want[1] = gone; long pid2 = clone3(&a, sizeof a); if (pid2 == 0) _exit(getpid());
             SHOW("... outside", "%d", pid2 == gone); show_end("... inside", (pid_t)pid2));
    IN_CHILD("set_tid 2 first in a new namespace", unshare(CLONE_NEWPID); a.set_tid_size = 1;
             want[0] = 2; refused("...", clone3(&a, sizeof a)));
}

static void limits(void)
{
    struct rlimit few = {2, 2};
    IN_CHILD(
        "RLIMIT_NPROC of a user", if (setuid(7777)) abort(); setrlimit(RLIMIT_NPROC, &few);
        pid_t first = fork(); if (first == 0) {
            for (;;)
                pause();
        } show_done("... second", first);
        refused("... third", raw_clone(SIGCHLD)); kill(first, SIGKILL); waitpid(first, NULL, 0));
    IN_CHILD("RLIMIT_NPROC of root", setrlimit(RLIMIT_NPROC, &few); pid_t child = fork();
             if (child == 0) _exit(0); show_done("...", child); waitpid(child, NULL, 0));
}

static void undo_lists(void)
{
    int id = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf up = {0, 1, SEM_UNDO};
    // With CLONE_SYSVSEM a process undoes nothing while the other lives.
    fflush(stdout);
    int p[2];
    pipe(p);
    pid_t outer = fork();
    if (outer == 0) {
        semop(id, &up, 1);
        pid_t child = (pid_t)raw_clone(CLONE_SYSVSEM | SIGCHLD);
        if (child == 0) {
            hear(p[0]);
            _exit(0);
        }
        _exit(0);
    }
    waitpid(outer, NULL, 0);
    SHOW("CLONE_SYSVSEM after the first", "%d", semctl(id, 0, GETVAL));
    tell(p[1]);
    for (int i = 0; i < 500 && semctl(id, 0, GETVAL) != 0; i++)
        sleep_ms(10);
    SHOW("... after the last", "%d", semctl(id, 0, GETVAL));
    semctl(id, 0, IPC_RMID);
}

static int can_nest(void)
{
    return unshare(CLONE_NEWPID) == 0;
}

static void all(void)
{
    page_end = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page_end += 4096;
    mprotect(page_end, 4096, PROT_NONE);
    for (int fd = 3; fd < 10; fd++)
        close(fd);
    combinations();
    structs();
    handlers();
    numbers();
    limits();
    undo_lists();
}

int main(void)
{
    probe_needs(can_nest, "PID namespaces");
    return run_as_child(all);
}
