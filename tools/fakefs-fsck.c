// fakefs-fsck: checks the metadata of a root.
#include "fs/fakefs/fsck.h"
#include "platform/abi/linux_errno.h"
#include "tools/root_tool.h"
#include <inttypes.h>
#include <stdio.h>

enum { EXIT_FIXED = 1, EXIT_ERRORS = 4 };

static const char usage[] =
    "usage: fakefs-fsck [--repair] DIR\n"
    "Checks that every owner, mode, device and attribute recorded for the root DIR belongs to a "
    "file\n"
    "of it. Without --repair nothing is changed. Exit status: 0 nothing found, 1 everything found "
    "was\n"
    "repaired, 4 something is left (or the root could not be checked), 2 wrong usage.\n"
    "      --repair  repair what can be repaired\n"
    "      --help    this text\n";

static void report(void *ctx, bool fixed, const char *line)
{
    root_tool_clear(ctx);
    printf("%s%s\n", line, fixed ? " (repaired)" : "");
}

int main(int argc, char **argv)
{
    struct root_tool tool = {.name = "fakefs-fsck", .usage = usage, .option = "--repair"};
    root_tool_start(&tool, argc, argv, 1, 1);
    struct fsck f = {
        .repair = tool.option_given, .report = report, .step = root_tool_step, .ctx = &tool};
    int err = fsck_run(&f, argv[1]);
    root_tool_clear(&tool);
    if (err == -LINUX_ECANCELED) {
        fprintf(stderr, "fakefs-fsck: cancelled\n");
        return root_tool_end(&tool, EXIT_ERRORS);
    }
    if (!err)
        printf("%" PRIu64 " objects, %" PRIu64 " with records, %" PRIu64
               " records of removed ones; "
               "%" PRIu64 " problems repaired, %" PRIu64 " left\n",
               f.objects, f.rows - f.lost, f.lost, f.fixed, f.left);
    int status = err || f.left ? EXIT_ERRORS : f.fixed ? EXIT_FIXED : 0;
    return root_tool_end(&tool, status);
}
