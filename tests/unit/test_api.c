// The library as an embedder uses it: test_api PROGRAM, where PROGRAM is tests/guest/api_guest.c
// for ARM64.
#include "tests/unit/tap.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ish/ish.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct tap t;
static char root[] = "/tmp/ish-api-XXXXXX";

// --- Helpers -------------------------------------------------------------------------------------

static void put_program(const char *program)
{
    char command[512];
    if (!mkdtemp(root))
        exit(1);
    snprintf(command, sizeof command,
             "mkdir %s/bin %s/dev %s/proc %s/tmp && cp '%s' %s/bin/guest && chmod 755 %s/bin/guest",
             root, root, root, root, program, root, root);
    if (system(command))
        exit(1);
}

static void remove_root(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    if (system(command))
        exit(1);
}

static ish_kernel *new_kernel(void)
{
    const ish_kernel_config config = {
        .size = sizeof config, .root_kind = ISH_ROOT_HOST, .root_path = root};
    ish_kernel *kernel = NULL;
    return ish_kernel_create(&config, &kernel) ? NULL : kernel;
}

// Starts "/bin/guest WORD ARGUMENT" on these host descriptors.
static int start(ish_kernel *kernel, const char *word, const char *argument, int in, int out,
                 ish_process **process)
{
    const char *argv[] = {"guest", word, argument, NULL}, *envp[] = {"A=1", "B=2", NULL};
    const ish_spawn spawn = {
        .size = sizeof spawn,
        .path = "/bin/guest",
        .argv = argv,
        .envp = envp,
        .descriptors = {in, out, ISH_FD_CLOSED},
    };
    return ish_process_start(kernel, &spawn, process);
}

static bool read_text(int fd, const char *want)
{
    char buf[4096];
    size_t got = 0, len = strlen(want);
    while (got < len) {
        ssize_t n = read(fd, buf + got, len - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return !memcmp(buf, want, len);
}

static int count_entries(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

// --- Tests ---------------------------------------------------------------------------------------

static void test_words(void)
{
    const char *about = NULL;
    CHECK(&t, strlen(ish_version()) > 0, "there is a version");
    CHECK(&t, !strcmp(ish_error_text(-2), "No such file or directory"), "errors have their words");
    CHECK(&t, !strcmp(ish_error_name(-13), "EACCES") && !ish_error_name(-4000), "and their names");
    CHECK(&t, !strcmp(ish_log_channel(0, &about), "error") && about && !ish_log_channel(1000, NULL),
          "the log's channels can be listed");
}

static void test_refusals(void)
{
    ish_kernel *kernel = NULL;
    char why[256] = "";
    ish_kernel_config config = {.root_kind = ISH_ROOT_HOST, .root_path = root};
    CHECK(&t, ish_kernel_create(&config, &kernel) < 0, "a struct without its size is refused");
    config.size = sizeof config;
    config.why = why;
    config.why_size = sizeof why;
    config.log_channels = "error,nonsense";
    CHECK(&t, ish_kernel_create(&config, &kernel) < 0 && strstr(why, "nonsense"),
          "an unknown channel is named");
    config.log_channels = NULL;
    config.root_path = "/no/such/place";
    CHECK(&t, ish_kernel_create(&config, &kernel) == -2 && strstr(why, "/no/such/place"),
          "a missing root is named");
    config.root_kind = ISH_ROOT_FAKEFS;
    config.root_path = root;
    CHECK(&t, ish_kernel_create(&config, &kernel) < 0 && *why, "a root of another kind is refused");
}

static void test_run(void)
{
    int out[2], status = -1;
    ish_process *process;
    ish_kernel *kernel = new_kernel();
    if (!CHECK(&t, kernel && !pipe(out), "a kernel"))
        return;
    CHECK(&t, !start(kernel, "args", "x y", ISH_FD_CLOSED, out[1], &process), "a program starts");
    CHECK(&t, ish_process_pid(process) == 1, "as process 1");
    CHECK(&t, !ish_process_wait(process, &status) && status == 0, "and ends");
    close(out[1]);
    char rest;
    CHECK(&t, read_text(out[0], "guest\nargs\nx y\nA=1\nB=2\n") && read(out[0], &rest, 1) == 0,
          "its arguments and environment are exactly those given");
    close(out[0]);
    CHECK(&t, !ish_process_wait(process, &status) && status == 0, "waiting again tells the same");
    ish_process_release(process);
    ish_kernel_destroy(kernel);
}

static void test_start_failures(void)
{
    ish_kernel *kernel = new_kernel();
    ish_process *process;
    const char *argv[] = {"x", NULL}, *envp[] = {NULL};
    ish_spawn spawn = {.size = sizeof spawn,
                       .path = "/bin/none",
                       .argv = argv,
                       .envp = envp,
                       .descriptors = {ISH_FD_CLOSED, ISH_FD_CLOSED, ISH_FD_CLOSED}};
    CHECK(&t, ish_process_start(kernel, &spawn, &process) == -ENOENT, "no program: ENOENT");
    spawn.path = "/bin";
    CHECK(&t, ish_process_start(kernel, &spawn, &process) == -EACCES, "a directory: EACCES");
    spawn.path = "/bin/guest";
    spawn.descriptors[0] = ISH_FD_TERMINAL;
    CHECK(&t, ish_process_start(kernel, &spawn, &process) == -EINVAL,
          "a terminal descriptor without a terminal: EINVAL");
    spawn.descriptors[0] = 900;
    CHECK(&t, ish_process_start(kernel, &spawn, &process) == -EBADF, "a bad descriptor: EBADF");
    CHECK(&t,
          ish_kernel_find_directory(kernel, "/tmp") == 0 &&
              ish_kernel_find_directory(kernel, "/none") == -ENOENT &&
              ish_kernel_find_directory(kernel, "/bin/guest") == -ENOTDIR,
          "directories of the guest can be looked for");
    ish_kernel_destroy(kernel);
}

static void test_two_kernels(void)
{
    int out[2][2], in[2][2], status[2];
    ish_kernel *kernel[2];
    ish_process *process[2];
    bool good = true;
    for (int i = 0; i < 2; i++) {
        kernel[i] = new_kernel();
        good = good && kernel[i] && !pipe(in[i]) && !pipe(out[i]) &&
               !start(kernel[i], "copy", NULL, in[i][0], out[i][1], &process[i]);
        close(in[i][0]);
        close(out[i][1]);
    }
    CHECK(&t, good && ish_process_pid(process[0]) == 1 && ish_process_pid(process[1]) == 1,
          "two kernels run at once, each with a process 1");
    for (int i = 0; i < 2 && good; i++) {
        char text[32];
        snprintf(text, sizeof text, "kernel %d\n", i);
        good = write(in[i][1], text, strlen(text)) == (ssize_t)strlen(text) &&
               read_text(out[i][0], text);
    }
    CHECK(&t, good, "each answers its own");
    close(in[0][1]);
    ish_process_wait(process[0], &status[0]);
    ish_process_release(process[0]);
    ish_kernel_destroy(kernel[0]);
    CHECK(&t, write(in[1][1], "still\n", 6) == 6 && read_text(out[1][0], "still\n"),
          "the end of one leaves the other alone");
    close(in[1][1]);
    ish_process_wait(process[1], &status[1]);
    CHECK(&t, status[0] == 0 && status[1] == 0, "both end well");
    ish_process_release(process[1]);
    ish_kernel_destroy(kernel[1]);
    for (int i = 0; i < 2; i++)
        close(out[i][0]);
}

static void test_more_processes(void)
{
    int out[2], pid_out[2], status;
    ish_kernel *kernel = new_kernel();
    ish_process *init, *other;
    if (pipe(out) || pipe(pid_out))
        return;
    start(kernel, "pause", NULL, ISH_FD_CLOSED, out[1], &init);
    read_text(out[0], "ready\n");
    CHECK(&t,
          !start(kernel, "pid", NULL, ISH_FD_CLOSED, pid_out[1], &other) &&
              ish_process_pid(other) == 2,
          "a second process starts beside the first");
    CHECK(&t, !ish_process_wait(other, &status) && read_text(pid_out[0], "2\n"),
          "and can be waited for");
    ish_process_release(other);
    start(kernel, "pause", NULL, ISH_FD_CLOSED, pid_out[1], &other);
    read_text(pid_out[0], "ready\n");
    CHECK(&t,
          !ish_process_signal_group(other, SIGUSR1) && !ish_process_wait(other, &status) &&
              WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1,
          "a signal to its group ends it");
    ish_process_release(other);
    CHECK(&t, ish_process_signal(init, 99) == -EINVAL, "there is no signal 99");
    start(kernel, "pause", NULL, ISH_FD_CLOSED, pid_out[1], &other);
    read_text(pid_out[0], "ready\n");
    ish_process_signal(init, SIGKILL);
    CHECK(&t,
          !ish_process_wait(init, &status) && WTERMSIG(status) == SIGKILL &&
              !ish_process_wait(other, &status) && WTERMSIG(status) == SIGKILL,
          "the end of process 1 is the end of all");
    ish_process_release(init);
    ish_process_release(other);
    ish_kernel_destroy(kernel);
    close(out[0]), close(out[1]), close(pid_out[0]), close(pid_out[1]);
}

struct waiting {
    ish_process *process;
    int status, result;
};

static void *wait_main(void *arg)
{
    struct waiting *w = arg;
    w->result = ish_process_wait(w->process, &w->status);
    return NULL;
}

// A kernel full of life is destroyed while somebody waits for its process.
static bool live_and_die(void)
{
    int out[2];
    struct waiting w = {.status = -1, .result = -1};
    pthread_t thread;
    ish_kernel *kernel = new_kernel();
    if (!kernel || pipe(out) || start(kernel, "crowd", NULL, ISH_FD_CLOSED, out[1], &w.process))
        return false;
    bool good = read_text(out[0], "ready\n");
    pthread_create(&thread, NULL, wait_main, &w);
    ish_kernel_destroy(kernel);
    pthread_join(thread, NULL);
    int again = -1;
    good = good && !w.result && w.status == SIGKILL && !ish_process_wait(w.process, &again) &&
           again == SIGKILL && ish_process_signal(w.process, SIGTERM) == -ESRCH;
    ish_process_release(w.process);
    close(out[0]);
    close(out[1]);
    return good;
}

// The smallest number of threads seen in a while, or at once when it is `enough`: a joined thread
// leaves /proc a bit later.
static int least_threads(int enough)
{
    int least = count_entries("/proc/self/task");
    for (int i = 0; i < 200 && least > enough; i++) {
        nanosleep(&(struct timespec){0, 5000000}, NULL);
        int n = count_entries("/proc/self/task");
        least = n < least ? n : least;
    }
    return least;
}

static void test_start_stop(void)
{
    bool good = live_and_die(); // the first one may leave what is made once
    int fds = count_entries("/proc/self/fd"), threads = least_threads(0);
    for (int i = 0; i < 10 && good; i++)
        good = live_and_die();
    CHECK(&t, good, "kernels with busy, waiting and deaf processes start and stop, ten times");
    CHECK(&t, count_entries("/proc/self/fd") == fds, "no descriptor is left");
    CHECK(&t, least_threads(threads) <= threads, "and no thread");
}

// --- Terminals -----------------------------------------------------------------------------------

struct screen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char text[1 << 20];
    size_t len, room;
    bool closed;
};

static size_t on_output(void *context, const void *bytes, size_t n)
{
    struct screen *s = context;
    pthread_mutex_lock(&s->lock);
    n = n < s->room ? n : s->room;
    n = n < sizeof s->text - 1 - s->len ? n : sizeof s->text - 1 - s->len;
    memcpy(s->text + s->len, bytes, n);
    s->len += n;
    s->room -= n;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void on_closed(void *context)
{
    struct screen *s = context;
    pthread_mutex_lock(&s->lock);
    s->closed = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static struct screen *new_screen(void)
{
    struct screen *s = calloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->room = SIZE_MAX;
    return s;
}

static bool screen_shows(struct screen *s, const char *text)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 20;
    int err = 0;
    pthread_mutex_lock(&s->lock);
    while (!strstr(s->text, text) && !err)
        err = pthread_cond_timedwait(&s->changed, &s->lock, &end);
    if (err)
        printf("# the screen shows: %s\n", s->text);
    pthread_mutex_unlock(&s->lock);
    return !err;
}

static int start_on(ish_kernel *kernel, ish_terminal *terminal, const char *word,
                    ish_process **process)
{
    const char *argv[] = {"guest", word, NULL}, *envp[] = {NULL};
    const ish_spawn spawn = {
        .size = sizeof spawn,
        .path = "/bin/guest",
        .argv = argv,
        .envp = envp,
        .terminal = terminal,
        .descriptors = {ISH_FD_TERMINAL, ISH_FD_TERMINAL, ISH_FD_TERMINAL},
    };
    return ish_process_start(kernel, &spawn, process);
}

static ish_terminal *new_terminal(ish_kernel *kernel, struct screen *s)
{
    const ish_terminal_config config = {.size = sizeof config,
                                        .rows = 24,
                                        .columns = 80,
                                        .context = s,
                                        .output = on_output,
                                        .closed = on_closed};
    ish_terminal *terminal = NULL;
    return ish_terminal_create(kernel, &config, &terminal) ? NULL : terminal;
}

static void test_terminal(void)
{
    int status = -1;
    struct screen *s = new_screen();
    ish_kernel *kernel = new_kernel();
    ish_terminal *terminal = new_terminal(kernel, s);
    ish_process *process = NULL;
    CHECK(&t, terminal && !start_on(kernel, terminal, "terminal", &process),
          "a program starts on a terminal");
    CHECK(&t, screen_shows(s, "/dev/pts/0 /dev/pts/0 /dev/pts/0\r\nleader 1 foreground 1\r\n"),
          "which is its controlling terminal and all its descriptors");
    CHECK(&t, !ish_terminal_resize(terminal, 30, 90, 0, 0) && screen_shows(s, "30 90\r\n"),
          "a resize is heard of");
    CHECK(&t,
          ish_terminal_input(terminal, "hallo\x7f\r", 7) == 7 &&
              screen_shows(s, "hallo\b \b\r\ngot hall\r\n"),
          "input is edited, echoed and read");
    ish_terminal_input(terminal, "\x04", 1);
    CHECK(&t, !ish_process_wait(process, &status) && WEXITSTATUS(status) == 3,
          "^D ends the program");
    ish_process_release(process);
    pthread_mutex_lock(&s->lock);
    bool closed = s->closed;
    pthread_mutex_unlock(&s->lock);
    CHECK(&t, closed, "the far end hears that nobody has the terminal open");
    ish_terminal_release(terminal);
    ish_kernel_destroy(kernel);
    free(s);
}

static void test_terminal_outlives_failure(void)
{
    ish_kernel *kernel = new_kernel();
    struct screen *s = new_screen();
    ish_terminal *terminal = new_terminal(kernel, s);
    const char *argv[] = {"x", NULL}, *envp[] = {NULL};
    const ish_spawn spawn = {
        .size = sizeof spawn,
        .path = "/bin/none",
        .argv = argv,
        .envp = envp,
        .terminal = terminal,
        .descriptors = {ISH_FD_TERMINAL, ISH_FD_TERMINAL, ISH_FD_TERMINAL},
    };
    ish_process *process;
    CHECK(&t, ish_process_start(kernel, &spawn, &process) == -ENOENT,
          "a process that never began leaves its terminal");
    ish_terminal_release(terminal);
    ish_kernel_destroy(kernel);
    free(s);
}

static void test_refusing_screen(void)
{
    int status = -1;
    struct screen *s = new_screen();
    s->room = 0;
    ish_kernel *kernel = new_kernel();
    ish_terminal *terminal = new_terminal(kernel, s);
    ish_process *process;
    start_on(kernel, terminal, "flood", &process);
    for (int i = 0; i < 100; i++) {
        pthread_mutex_lock(&s->lock);
        s->room = 997;
        pthread_mutex_unlock(&s->lock);
        ish_terminal_output_ready(terminal);
    }
    pthread_mutex_lock(&s->lock);
    s->room = SIZE_MAX;
    pthread_mutex_unlock(&s->lock);
    ish_terminal_output_ready(terminal);
    ish_process_wait(process, &status);
    ish_terminal_drain(terminal);
    const char *at = s->text;
    bool good = status == 0;
    for (int i = 0; i < 20000 && good; i++) {
        char line[32];
        size_t n = (size_t)snprintf(line, sizeof line, "line %d\r\n", i);
        good = !strncmp(at, line, n);
        at += n;
    }
    CHECK(&t, good && !*at, "a screen that takes little at a time gets everything in order");
    ish_process_release(process);
    ish_terminal_release(terminal);
    ish_kernel_destroy(kernel);
    free(s);
}

static void test_hangup(void)
{
    int status = -1;
    struct screen *s = new_screen();
    ish_kernel *kernel = new_kernel();
    ish_terminal *terminal = new_terminal(kernel, s), *second = new_terminal(kernel, s);
    ish_process *process;
    start_on(kernel, terminal, "pause", &process);
    screen_shows(s, "ready");
    ish_terminal_hangup(terminal);
    CHECK(&t, !ish_process_wait(process, &status) && WTERMSIG(status) == SIGHUP,
          "a hangup ends the session's leader");
    CHECK(&t, ish_terminal_input(terminal, "x", 1) == -EIO, "and the terminal");
    ish_process_release(process);
    ish_terminal_release(terminal);
    ish_kernel_destroy(kernel);
    CHECK(&t,
          ish_terminal_input(second, "x", 1) == -EIO &&
              ish_terminal_resize(second, 1, 1, 0, 0) == -EIO,
          "a terminal whose kernel is gone answers EIO");
    ish_terminal_drain(second);
    ish_terminal_release(second);
    free(s);
}

static size_t no_output(void *context, const void *bytes, size_t count)
{
    (void)context, (void)bytes;
    return count;
}

static bool starts(ish_kernel *kernel, ish_spawn spawn)
{
    ish_process *process;
    int status;
    if (ish_process_start(kernel, &spawn, &process))
        return false;
    (void)!ish_process_wait(process, &status);
    ish_process_release(process);
    return true;
}

static const char *const args_argv[] = {"guest", "args", NULL}, *const pause_argv[] = {
                                                                    "guest", "pause", NULL};
static const char *const no_strings[] = {NULL};

static ish_spawn good_spawn(void)
{
    return (ish_spawn){.size = sizeof(ish_spawn),
                       .path = "/bin/guest",
                       .argv = args_argv,
                       .envp = no_strings,
                       .descriptors = {ISH_FD_CLOSED, ISH_FD_CLOSED, ISH_FD_CLOSED}};
}

static void test_bad_kernels(void)
{
    char name[80], small[4] = "";
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ish_kernel_config config = {
        .size = sizeof config, .root_kind = ISH_ROOT_HOST, .root_path = root, .hostname = name};
    ish_kernel *kernel = NULL;
    CHECK(&t, ish_kernel_create(&config, &kernel) == -EINVAL, "a host name of 79 bytes is refused");
    config.hostname = "";
    CHECK(&t, ish_kernel_create(&config, &kernel) == -EINVAL, "so is an empty one");
    config.hostname = NULL;
    config.why = small;
    config.root_path = NULL;
    CHECK(&t, ish_kernel_create(&config, &kernel) == -EINVAL && !*small,
          "no root; nothing is said where there is no room");
    config.root_path = root;
    config.root_kind = (ish_root_kind)9;
    config.why_size = sizeof small;
    CHECK(&t, ish_kernel_create(&config, &kernel) == -EINVAL && !strcmp(small, "no "),
          "a root of no kind; as much is said as there is room for");
    config.root_kind = ISH_ROOT_HOST;
    config.cpu_count = 100000;
    CHECK(&t, !ish_kernel_create(&config, &kernel), "more processors than there can be are fewer");
    ish_kernel_destroy(kernel);
    config.size = offsetof(ish_kernel_config, memory_limit);
    if (!CHECK(&t, !ish_kernel_create(&config, &kernel), "an older, shorter struct will do"))
        return;
    CHECK(&t, ish_kernel_find_directory(kernel, "bin") == -EINVAL, "a directory begins with /");
    CHECK(&t,
          ish_kernel_find_directory(kernel, "/bin") == 0 &&
              ish_kernel_find_directory(kernel, "/bin/guest") == -ENOTDIR,
          "and is one");
    ish_kernel_statistics statistics = {.size = 2};
    CHECK(&t, ish_kernel_get_statistics(kernel, &statistics) == -EINVAL, "numbers need room");
    statistics.size = sizeof statistics.size;
    CHECK(&t, !ish_kernel_get_statistics(kernel, &statistics) && !statistics.memory_limit,
          "and only as much is filled");
    ish_kernel_destroy(kernel);
}

static void test_bad_programs(void)
{
    ish_kernel *kernel = new_kernel();
    const ish_spawn good = good_spawn();
    ish_spawn bad = good;
    bad.size = 3;
    CHECK(&t, !starts(kernel, bad), "a program needs a struct with a size");
    bad = good, bad.path = NULL;
    CHECK(&t, !starts(kernel, bad), "... a path");
    bad = good, bad.argv = NULL;
    CHECK(&t, !starts(kernel, bad), "... arguments");
    bad = good, bad.argv = no_strings;
    CHECK(&t, !starts(kernel, bad), "... at least one");
    bad = good, bad.envp = NULL;
    CHECK(&t, !starts(kernel, bad), "... an environment");
    bad = good, bad.cwd = "/no/such";
    CHECK(&t, !starts(kernel, bad), "... a directory that exists");
    char *deep = malloc(5000);
    memset(deep, '/', 4999);
    deep[4999] = '\0';
    bad = good, bad.path = deep;
    CHECK(&t, !starts(kernel, bad), "... a path of less than 4096 bytes");
    free(deep);
    bad = good, bad.path = "guest";
    CHECK(&t, starts(kernel, bad), "a program is found along the usual path");
    ish_kernel_destroy(kernel);
}

static void test_bad_terminals(void)
{
    ish_kernel *kernel = new_kernel(), *other = new_kernel();
    ish_spawn bad = good_spawn();
    ish_terminal_config screen = {.size = 1, .output = no_output};
    ish_terminal *terminal = NULL;
    CHECK(&t, ish_terminal_create(other, &screen, &terminal) == -EINVAL, "a terminal needs a size");
    screen = (ish_terminal_config){.size = sizeof screen};
    CHECK(&t, ish_terminal_create(other, &screen, &terminal) == -EINVAL, "and a screen");
    screen.output = no_output;
    CHECK(&t, !ish_terminal_create(other, &screen, &terminal), "with both it is one");
    bad.terminal = terminal;
    CHECK(&t, kernel && !starts(kernel, bad), "it serves no other kernel");
    ish_terminal_release(terminal);
    ish_terminal_release(NULL);
    ish_kernel_destroy(kernel);
    ish_kernel_destroy(other);
}

static void test_bad_signals(void)
{
    ish_kernel *kernel = new_kernel();
    ish_spawn spawn = good_spawn();
    spawn.argv = pause_argv;
    ish_process *process;
    int status;
    if (!CHECK(&t, !ish_process_start(kernel, &spawn, &process), "a program that waits"))
        return;
    CHECK(&t,
          ish_process_signal(process, 0) == -EINVAL && ish_process_signal(process, 65) == -EINVAL &&
              ish_process_signal_group(process, 0) == -EINVAL &&
              ish_process_signal_group(process, 65) == -EINVAL,
          "signals are from 1 to 64");
    CHECK(&t,
          !ish_process_signal_group(process, SIGKILL) && !ish_process_wait(process, &status) &&
              WTERMSIG(status) == SIGKILL,
          "one ends the group");
    ish_kernel_destroy(kernel);
    CHECK(&t,
          ish_process_signal(process, SIGTERM) == -ESRCH &&
              ish_process_signal_group(process, SIGTERM) == -ESRCH,
          "nobody is there when the kernel is gone");
    ish_process_release(process);
    ish_process_release(NULL);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    alarm(300);
    signal(SIGPIPE, SIG_IGN);
    put_program(argv[1]);
    test_words();
    test_refusals();
    test_bad_kernels();
    test_bad_programs();
    test_bad_terminals();
    test_bad_signals();
    test_run();
    test_start_failures();
    test_two_kernels();
    test_more_processes();
    test_start_stop();
    test_terminal();
    test_terminal_outlives_failure();
    test_refusing_screen();
    test_hangup();
    remove_root();
    return tap_finish(&t);
}
