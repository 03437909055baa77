// The library when memory runs out: each allocation of each of its calls is refused in turn, which
// must give -ENOMEM and leave nothing behind; then the call works. test_api_no_memory PROGRAM,
// where PROGRAM is tests/guest/api_guest.c for ARM64.
#include "tests/guest/refuse_memory.h"
#include "tests/unit/tap.h"
#include <dirent.h>
#include <ish/ish.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tap t;
static char root[] = "/tmp/ish-api-XXXXXX";

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

static int count_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

// Calls until nothing is left to refuse; `undo` is for calls that worked. A new program's stack is
// guest memory, which cannot be written to without a page: EFAULT, as from execve.
#define REFUSED(name, call, undo)                                                                  \
    do {                                                                                           \
        int before_ = count_descriptors(), got, wrong_ = 0;                                        \
        bool refused_ = true;                                                                      \
        for (uint64_t n = 1; refused_ && n < 2000; n++) {                                          \
            refuse_memory_begin(n);                                                                \
            got = (call);                                                                          \
            refused_ = refuse_memory_end();                                                        \
            if (refused_ && got != 0 && got != -12 && got != -14)                                                \
                wrong_ = got;                                                                      \
            if (got == 0) {                                                                        \
                undo;                                                                              \
            }                                                                                      \
        }                                                                                          \
        bool kept_ = count_descriptors() != before_;                                               \
        if (!CHECK(&t, got == 0 && !refused_ && !wrong_ && !kept_, name))                          \
            printf("# at last %d, wrongly %d%s\n", got, wrong_,                                    \
                   kept_ ? ", descriptors left" : "");                                             \
    } while (0)

static int create(ish_kernel **kernel)
{
    const ish_kernel_config config = {
        .size = sizeof config,
        .root_kind = ISH_ROOT_HOST,
        .root_path = root,
        .hostname = "name",
        .log_channels = "error",
        .strace_calls = "read,write",
        .resolver = "nameserver 127.0.0.1\n",
    };
    *kernel = NULL;
    return ish_kernel_create(&config, kernel);
}

static size_t output(void *context, const void *bytes, size_t count)
{
    (void)context, (void)bytes;
    return count;
}

static int start(ish_kernel *kernel, ish_terminal *terminal, const char *path,
                 ish_process **process)
{
    const char *argv[] = {"guest", "args", NULL}, *envp[] = {"PATH=/none:/bin", "B=2", NULL};
    const ish_spawn spawn = {
        .size = sizeof spawn,
        .path = path,
        .argv = argv,
        .envp = envp,
        .cwd = "/tmp",
        .terminal = terminal,
        .descriptors = {ISH_FD_CLOSED, ISH_FD_CLOSED, 2},
    };
    return ish_process_start(kernel, &spawn, process);
}

static void finish(ish_process *process)
{
    int status;
    ish_process_wait(process, &status);
    ish_process_release(process);
}

static int make_terminal(ish_kernel *kernel, ish_terminal **terminal)
{
    const ish_terminal_config config = {
        .size = sizeof config, .rows = 24, .columns = 80, .output = output};
    return ish_terminal_create(kernel, &config, terminal);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 1;
    put_program(argv[1]);
    ish_kernel *kernel;
    ish_process *process;
    ish_terminal *terminal;
    (void)!create(&kernel); // what the host's libraries keep for good
    ish_kernel_destroy(kernel);
    REFUSED("a kernel", create(&kernel), ish_kernel_destroy(kernel));
    if (create(&kernel))
        return 1;
    // A program that ends leaves the machine without process 1, and so at its end.
    REFUSED("a program", start(kernel, NULL, "/bin/guest", &process),
            (finish(process), ish_kernel_destroy(kernel), create(&kernel)));
    REFUSED("a program along PATH", start(kernel, NULL, "guest", &process),
            (finish(process), ish_kernel_destroy(kernel), create(&kernel)));
    REFUSED("a terminal", make_terminal(kernel, &terminal), ish_terminal_release(terminal));
    if (make_terminal(kernel, &terminal))
        return 1;
    REFUSED("typing", ish_terminal_input(terminal, "text\n", 5) == 5 ? 0 : -12, (void)0);
    REFUSED("a size", ish_terminal_resize(terminal, 10, 10, 0, 0), (void)0);
    REFUSED("a program on a terminal", start(kernel, terminal, "/bin/guest", &process),
            (finish(process), ish_terminal_release(terminal), ish_kernel_destroy(kernel),
             create(&kernel), make_terminal(kernel, &terminal)));
    ish_terminal_release(terminal);
    ish_kernel_destroy(kernel);
    remove_root();
    return tap_finish(&t);
}
