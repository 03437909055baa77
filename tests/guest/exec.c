// execve: what fails how, what a new program inherits, scripts.
#include "probe.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char self[4096], dir[64];

static const char *make_file(const char *name, mode_t mode, const void *text, size_t n)
{
    static char path[8][128];
    static unsigned turn;
    char *p = path[turn++ % 8];
    snprintf(p, 128, "%s/%s", dir, name);
    int fd = open(p, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        abort();
    close(fd);
    chmod(p, mode);
    return p;
}
static const char *make_text(const char *name, const char *text)
{
    return make_file(name, 0755, text, strlen(text));
}

static void exec_error(const char *name, const char *path)
{
    char *argv[] = {"x", NULL}, *envp[] = {NULL};
    show_call(name, execve(path, argv, envp));
}

static void errors(void)
{
    char long_name[300];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    exec_error("missing", "/no/such/file");
    exec_error("empty name", "");
    exec_error("directory", "/");
    exec_error("not a directory on the way", "/dev/null/x");
    exec_error("long component", long_name);
    exec_error("bad address", (char *)8);
    exec_error("device", "/dev/null");
    exec_error("no execute permission", make_file("plain", 0644, "#!/bin/sh\n", 10));
    exec_error("empty file", make_text("empty", ""));
    exec_error("text", make_text("text", "hello\n"));
    exec_error("ELF head alone", make_file("head", 0755, "\177ELF\2\1\1\0", 8));
    exec_error("script of nothing", make_text("s0", "#!\n"));
    exec_error("script of blanks", make_text("s1", "#!   \t \n"));
    exec_error("script of a missing interpreter", make_text("s2", "#!/no/such\n"));
    char script[160];
    snprintf(script, sizeof script, "#!%s/loop\n", dir);
    exec_error("script of itself", make_text("loop", script));
    symlink("itself", "itself");
    char link[128];
    snprintf(link, sizeof link, "%s/circle", dir);
    symlink("circle", link);
    exec_error("symlink of itself", link);
    unlink("itself");
    char *argv[] = {"x", (char *)8, NULL};
    show_call("bad argument", execve(self, argv, NULL));
    char **volatile nowhere = (char **)8;
    show_call("bad argument vector", execve(self, nowhere, NULL));
    size_t big = 200 * 1024;
    argv[1] = malloc(big);
    memset(argv[1], 'x', big - 1);
    argv[1][big - 1] = '\0';
    show_call("argument of 200 KiB", execve(self, argv, NULL));
    size_t count = 40000;
    char **many = malloc((count + 1) * sizeof *many);
    argv[1][1000] = '\0';
    for (size_t i = 0; i < count; i++)
        many[i] = argv[1];
    many[count] = NULL;
    show_call("40 MB of arguments", execve(self, many, NULL));
    show_call("execveat bad flags", syscall(SYS_execveat, AT_FDCWD, self, argv, NULL, 1));
    show_call("execveat bad descriptor", syscall(SYS_execveat, 99, "x", argv, NULL, 0));
    show_call("execveat empty name", syscall(SYS_execveat, AT_FDCWD, "", argv, NULL, 0));
    show_call("execveat of a symlink",
              syscall(SYS_execveat, AT_FDCWD, link, argv, NULL, AT_SYMLINK_NOFOLLOW));
}

// --- The new program -----------------------------------------------------------------------------

// exec'ed again with "show": prints what it was given.
static int show_self(int argc, char **argv, char **envp)
{
    for (int i = 0; i < argc; i++)
        printf(" [%.40s]", i == 0 && !strcmp(argv[0], self) ? "self" : argv[i]);
    printf(" |");
    for (char **e = envp; *e; e++)
        printf(" %s", *e);
    char comm[17] = "";
    prctl(PR_GET_NAME, comm);
    // Of a program given by descriptor it is the descriptor's number or the file's name, by
    // version.
    printf(" | comm %s secure %lu\n", !strcmp(comm, "20") ? "exec" : comm, getauxval(AT_SECURE));
    return 0;
}

static int show_state(void)
{
    struct sigaction sa;
    sigset_t mask, pending;
    for (int sig = SIGUSR1; sig <= SIGUSR2; sig += SIGUSR2 - SIGUSR1) {
        sigaction(sig, NULL, &sa);
        printf(" action %d: %s", sig,
               sa.sa_handler == SIG_IGN   ? "ignored"
               : sa.sa_handler == SIG_DFL ? "default"
                                          : "caught");
    }
    sigprocmask(SIG_SETMASK, NULL, &mask);
    sigpending(&pending);
    stack_t ss;
    sigaltstack(NULL, &ss);
    printf(" mask %d pending %d altstack %d fd7 %d fd8 %d umask %o nice\n",
           sigismember(&mask, SIGHUP), sigismember(&pending, SIGHUP), ss.ss_flags,
           fcntl(7, F_GETFD), fcntl(8, F_GETFD) < 0, (unsigned)umask(0));
    return 0;
}

static void run(const char *name, const char *path, char *const argv[], char *const envp[])
{
    printf("%s:", name);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execve(path, argv, envp);
        printf(" %s\n", strerrorname_np(errno));
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    if (status)
        SHOW("... status", "%s", status_text(status));
}

static void handler(int sig)
{
    (void)sig;
}

static void programs(void)
{
    char *envp[] = {"A=1", "B=two words", "PROBE=show", NULL};
    char *argv[] = {"first", "second", "", "with space", NULL};
    char script[4300];
    run("arguments and environment", self, argv, envp);
    run("no arguments", self, (char *[]){NULL}, envp);
    snprintf(script, sizeof script, "#!%s\n", self);
    char *sargv[] = {"ignored", "arg", NULL};
    // The script's path is printed as its last component: the directory's name varies.
    chdir(dir);
    make_text("script", script);
    run("script", "./script", sargv, envp);
    snprintf(script, sizeof script, "#! %s   one two  \nrest\n", self);
    make_text("script2", script);
    run("script with an argument", "./script2", sargv, envp);
    make_text("script3", "#!./script2\n");
    run("script of a script", "./script3", sargv, envp);
    snprintf(script, sizeof script, "#!%s", self);
    make_text("script4", script);
    run("script without newline", "./script4", sargv, envp);
    make_text("a-rather-long-name-of-a-script", script);
    run("comm is cut", "./a-rather-long-name-of-a-script", sargv, envp);
    printf("execveat of a descriptor:");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(self, O_RDONLY | O_CLOEXEC);
        dup2(fd, 20);
        syscall(SYS_execveat, 20, "", argv, envp, AT_EMPTY_PATH);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    int made[3] = {eventfd(0, 0)};
    pipe(made + 1);
    for (int i = 0; i < 3; i++) {
        show_call("execveat of what has no name",
                  syscall(SYS_execveat, made[i], "", argv, envp, AT_EMPTY_PATH));
        close(made[i]);
    }
    printf("script by a descriptor that closes: ");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int fd = open("script", O_RDONLY | O_CLOEXEC);
        syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
        printf("%s\n", strerrorname_np(errno));
        fflush(stdout);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
}

static void inherited(void)
{
    char *argv[] = {"state", NULL}, *envp[] = {"PROBE=state", NULL};
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, handler);
        stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};
        sigaltstack(&ss, NULL);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_BLOCK, &set, NULL);
        raise(SIGHUP);
        dup2(1, 7);
        dup3(1, 8, O_CLOEXEC);
        umask(027);
        printf("inherited:");
        fflush(stdout);
        execve(self, argv, envp);
        _exit(1);
    }
    int status;
    waitpid(pid, &status, 0);
    SHOW("... status", "%s", status_text(status));
}

// So many strings of so many bytes, under a limit of the stack.
static void many(const char *name, rlim_t stack, int count, size_t each)
{
    IN_CHILD(name, struct rlimit r = {stack, RLIM_INFINITY};
             char **strings = calloc((size_t)count + 1, sizeof *strings); char *text = malloc(each);
             memset(text, 'x', each - 1); text[each - 1] = 0;
             for (int i = 0; i < count; i++) strings[i] = text;
             char *envp[] = {"PROBE=count", NULL}; if (setrlimit(RLIMIT_STACK, &r)) abort();
             show_call("...", execve(self, strings, envp)));
}

static void sizes(void)
{
    enum { KIB = 1024, MIB = 1024 * KIB };
    many("no argument", 8 * MIB, 0, 1);
    many("the longest argument", 8 * MIB, 1, 128 * KIB);
    many("one too long", 8 * MIB, 1, 128 * KIB + 1);
    many("little on a small stack", 256 * KIB, 2, 50 * KIB);
    many("much on a small stack", 256 * KIB, 3, 60 * KIB);
    many("a quarter of the stack", 4 * MIB, 7, 120 * KIB);
    many("more than that", 4 * MIB, 9, 120 * KIB);
    many("much without a limit", RLIM_INFINITY, 45, 120 * KIB);
    many("too much without a limit", RLIM_INFINITY, 54, 120 * KIB);
    char line[600];
    memset(line, '/', sizeof line - 1);
    line[0] = '#', line[1] = '!', line[sizeof line - 1] = 0;
    exec_error("a script's line without an end", make_text("s3", line));
    line[255] = '\n', line[256] = 0;
    exec_error("one that just fits", make_text("s3", line));
    line[254] = ' ';
    exec_error("... with a blank last", make_text("s3", line));
    exec_error("half a script", make_text("s3", "#"));
    exec_error("an odd start", make_text("s3", "#x"));
    char *none[] = {NULL};
    chmod(dir, 0755);
    symlink("text", "s4");
    show_call("a link not to be followed",
              syscall(SYS_execveat, AT_FDCWD, "s4", none, none, AT_SYMLINK_NOFOLLOW));
    unlink("s4");
    unlink("s3");
}

int main(int argc, char **argv, char **envp)
{
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return 99;
    const char *mode = getenv("PROBE");
    if (mode && !strcmp(mode, "show"))
        return show_self(argc, argv, envp);
    if (mode && !strcmp(mode, "state"))
        return show_state();
    if (mode && !strcmp(mode, "count"))
        return SHOW("... arguments", "%d", argc) < 0;
    snprintf(dir, sizeof dir, "/tmp/probe-exec-XXXXXX");
    if (!mkdtemp(dir))
        return 98;
    errors();
    programs();
    inherited();
    if (chdir(dir))
        return 97;
    sizes();
    char command[160];
    snprintf(command, sizeof command, "%s", dir);
    static const char *const names[] = {"plain",   "empty",
                                        "text",    "head",
                                        "s0",      "s1",
                                        "s2",      "loop",
                                        "circle",  "script",
                                        "script2", "script3",
                                        "script4", "a-rather-long-name-of-a-script"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
    chdir("/");
    SHOW("removed", "%d", rmdir(command));
    return 0;
}
