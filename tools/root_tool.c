#include "tools/root_tool.h"
#include "platform/clock.h"
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REDRAW_NS = 100 * 1000 * 1000 };

// Blocked from the start, and looked for between blocks of work: what was begun is undone in order.
static const int cancel_signals[] = {SIGINT, SIGTERM, SIGHUP};

static void block_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof cancel_signals / sizeof *cancel_signals; i++)
        sigaddset(&set, cancel_signals[i]);
    sigprocmask(how, &set, NULL);
}

static bool cancelled(void)
{
    sigset_t pending;
    sigpending(&pending);
    for (size_t i = 0; i < sizeof cancel_signals / sizeof *cancel_signals; i++)
        if (sigismember(&pending, cancel_signals[i]))
            return true;
    return false;
}

static void complain(const struct root_tool *tool, const char *what, const char *arg)
{
    fprintf(stderr, "%s: %s%s\n%s", tool->name, what, arg, tool->usage);
    exit(EXIT_USAGE);
}

// The option that takes a value: 0 when `arg` is not it, otherwise how many arguments it is.
static int take_value(struct root_tool *tool, const char *arg, char *next)
{
    const size_t len = tool->value_option ? strlen(tool->value_option) : 0;
    if (len == 0 || strncmp(arg, tool->value_option, len) != 0 || (arg[len] && arg[len] != '='))
        return 0;
    tool->value = arg[len] ? arg + len + 1 : next;
    if (!tool->value)
        complain(tool, "no value for ", arg);
    return arg[len] ? 1 : 2;
}

int root_tool_start(struct root_tool *tool, int argc, char **argv, int least, int most)
{
    int count = 0;
    bool options = true;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        int taken = options ? take_value(tool, arg, argv[i + 1]) : 0;
        if (taken > 0) {
            i += taken - 1;
        } else if (options && strcmp(arg, "--") == 0) {
            options = false;
        } else if (options && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
            fputs(tool->usage, stdout);
            exit(0);
        } else if (options && tool->option && strcmp(arg, tool->option) == 0) {
            tool->option_given = true;
        } else if (options && arg[0] == '-' && arg[1]) {
            complain(tool, "unknown option ", arg);
        } else {
            argv[1 + count++] = argv[i];
        }
    }
    if (count < least || count > most)
        complain(tool, count < least ? "too few arguments" : "too many arguments", "");
    // libarchive converts names between the archive's UTF-8 and the locale's charset.
    if (!setlocale(LC_CTYPE, "C.UTF-8") && !setlocale(LC_CTYPE, "en_US.UTF-8"))
        setlocale(LC_CTYPE, "");
    tool->terminal = isatty(STDERR_FILENO);
    block_signals(SIG_BLOCK);
    return count;
}

void root_tool_clear(struct root_tool *tool)
{
    if (tool->width > 0)
        fprintf(stderr, "\r%*s\r", (int)tool->width, "");
    tool->width = 0;
}

int root_tool_progress(void *ctx, uint64_t bytes, uint64_t total, uint64_t entries)
{
    struct root_tool *tool = ctx;
    if (cancelled())
        return 1;
    if (!tool->terminal)
        return 0;
    uint64_t now = clock_monotonic_ns();
    if (now - tool->shown_ns < REDRAW_NS)
        return 0;
    tool->shown_ns = now;
    int n;
    if (total > 0)
        n = fprintf(stderr, "\r%3" PRIu64 "%%  %" PRIu64 " entries", bytes * 100 / total, entries);
    else
        n = fprintf(stderr, "\r%" PRIu64 " MiB  %" PRIu64 " entries", bytes >> 20, entries);
    if (n > (int)tool->width)
        tool->width = (unsigned)n;
    return 0;
}

void root_tool_report(void *tool, const char *line)
{
    root_tool_clear(tool);
    printf("%s\n", line);
}

int root_tool_end(struct root_tool *tool, int status)
{
    root_tool_clear(tool);
    block_signals(SIG_UNBLOCK);
    return status;
}
