// What tests/unit/test_api.c runs in the guest: one small behaviour for each first argument.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int say(const char *text)
{
    return write(1, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : 1;
}

static int print_strings(char **strings)
{
    for (; *strings; strings++) {
        say(*strings);
        say("\n");
    }
    return 0;
}

static int copy(void)
{
    char buf[4096];
    ssize_t n;
    while ((n = read(0, buf, sizeof buf)) > 0)
        write(1, buf, (size_t)n);
    return n < 0;
}

// Threads and children in every kind of wait and none.
static int crowd(void)
{
    int fds[2];
    char c;
    pipe(fds);
    for (int i = 0; i < 6; i++) {
        if (fork())
            continue;
        if (i % 3 == 0)
            for (volatile unsigned n = 0;; n++)
                continue;
        if (i % 3 == 1)
            read(fds[0], &c, 1);
        signal(SIGTERM, SIG_IGN);
        for (;;)
            sleep(1000);
    }
    say("ready\n");
    for (;;)
        pause();
    return 0;
}

static volatile sig_atomic_t resized;
static void on_resize(int signo)
{
    resized = signo;
}

static int terminal(void)
{
    struct winsize size;
    char line[256];
    signal(SIGWINCH, on_resize);
    printf("%s %s %s\n", ttyname(0), ttyname(1), ttyname(2));
    printf("leader %d foreground %d\n", getsid(0) == getpid(), tcgetpgrp(0) == getpgrp());
    fflush(stdout);
    while (!resized)
        pause();
    ioctl(0, TIOCGWINSZ, &size);
    printf("%d %d\n", size.ws_row, size.ws_col);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        printf("got %s", line);
        fflush(stdout);
    }
    return 3;
}

static int flood(void)
{
    char line[64];
    for (int i = 0; i < 20000; i++) {
        int n = snprintf(line, sizeof line, "line %d\n", i);
        if (write(1, line, (size_t)n) != n)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv, char **envp)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "exit"))
        return (int)strtol(argv[2], NULL, 10);
    if (!strcmp(what, "args"))
        return print_strings(argv) || print_strings(envp);
    if (!strcmp(what, "pid")) {
        printf("%d\n", getpid());
        return 0;
    }
    if (!strcmp(what, "copy"))
        return copy();
    if (!strcmp(what, "crowd"))
        return crowd();
    if (!strcmp(what, "terminal"))
        return terminal();
    if (!strcmp(what, "flood"))
        return flood();
    if (!strcmp(what, "pause")) {
        say("ready\n");
        for (;;)
            pause();
    }
    return 99;
}
