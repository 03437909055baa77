// For probes that act while a call of another task waits: what that task does, as /proc says.
#ifndef TESTS_GUEST_ASLEEP_H
#define TESTS_GUEST_ASLEEP_H

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

// The letter of /proc/ID/stat; 'X' when nobody has the number. `id`: a process or a thread.
static inline char task_state(pid_t id)
{
    char path[32], line[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)id);
    FILE *f = fopen(path, "r");
    const char *end = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    if (f)
        fclose(f);
    return end ? end[2] : 'X';
}

// Until it sleeps in the kernel, however busy the machine is. A call that did not wait may have
// ended the task: what it returned says so.
static inline void task_until_asleep(pid_t id)
{
    char state;
    while ((state = task_state(id)) != 'S' && state != 'Z' && state != 'X')
        sched_yield();
}

// Until /proc shows it in this state; one that ended shows none.
static inline void task_until(pid_t id, char wanted)
{
    char state;
    while ((state = task_state(id)) != wanted && state != 'X')
        sched_yield();
}

// A child that sends us `sig` when we sleep, and ends. Nothing may put us to sleep between this and
// the call that is to be disturbed.
static inline pid_t poke_when_asleep(int sig)
{
    pid_t child = fork();
    if (child == 0) {
        task_until_asleep(getppid());
        kill(getppid(), sig);
        _exit(0);
    }
    return child;
}

#endif
