// fakefs-fsck: checks the metadata of a root.
#include "include/ish/ish.h"
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

int main(int argc, char **argv)
{
    char why[1024];
    struct root_tool tool = {.name = "fakefs-fsck", .usage = usage, .option = "--repair"};
    root_tool_start(&tool, argc, argv, 1, 1);
    ish_work work = {.size = sizeof work,
                     .context = &tool,
                     .progress = root_tool_progress,
                     .report = root_tool_report,
                     .why = why,
                     .why_size = sizeof why};
    ish_root_state state = {.size = sizeof state};
    int err = ish_root_check(&work, argv[1], tool.option_given, &state);
    root_tool_clear(&tool);
    if (err == -LINUX_ECANCELED)
        fprintf(stderr, "fakefs-fsck: cancelled\n");
    if (!err)
        printf("%" PRIu64 " objects, %" PRIu64 " with records, %" PRIu64
               " records of removed ones; %" PRIu64 " problems repaired, %" PRIu64 " left\n",
               state.objects, state.rows - state.lost, state.lost, state.repaired, state.left);
    int status = err || state.left ? EXIT_ERRORS : state.repaired ? EXIT_FIXED : 0;
    return root_tool_end(&tool, status);
}
