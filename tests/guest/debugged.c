// What tests/cli/test_gdb.py debugs. The first argument says how it ends.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int counter = 5;
static volatile int turns, handled;
static volatile sig_atomic_t go_on;

__attribute__((noinline)) int work(int n)
{
    counter += n;
    return counter;
}

static void *spin(void *arg)
{
    for (;;)
        turns++;
    return arg;
}

static void on_signal(int sig)
{
    handled = sig;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    pthread_t thread;
    signal(SIGUSR1, on_signal);
    pthread_create(&thread, NULL, spin, NULL);
    while (!turns)
        usleep(100);
    printf("work: %d\n", work(argc));
    fflush(stdout);
    if (!strcmp(how, "signal")) {
        raise(SIGUSR1);
        printf("handled %d\n", handled);
    } else if (!strcmp(how, "fork")) {
        int status;
        pid_t child = fork();
        if (!child)
            _exit(work(10));
        waitpid(child, &status, 0);
        printf("child %d\n", WEXITSTATUS(status));
    } else if (!strcmp(how, "wait")) {
        while (!go_on)
            continue;
    } else if (!strcmp(how, "exec")) {
        execl(argv[0], argv[0], "again", (char *)NULL);
    } else if (!strcmp(how, "abort")) {
        abort();
    }
    fflush(stdout);
    return 7;
}
