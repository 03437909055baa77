// fakefsify: an archive or a container image becomes a root, or a root of iSH one of ours.
#include "include/ish/ish.h"
#include "tools/root_tool.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: fakefsify [--image NAME] ARCHIVE DIR\n"
    "       fakefsify ISH-ROOT\n"
    "Makes the root DIR from a tar archive (plain, gz, bz2, xz, zst, lz4); - is standard input.\n"
    "DIR must not exist or be empty. Owners, modes, devices, links, holes and extended\n"
    "attributes are kept; nothing outside DIR is touched whatever the archive says. On failure,\n"
    "and when interrupted, nothing is left behind.\n"
    "ARCHIVE may also be a container image: an OCI layout (archive or folder), or what\n"
    "\"docker save\" writes. Its layers become the root; what it says about running programs is\n"
    "printed, and kept in DIR/image.json, but done by nobody.\n"
    "With one argument converts a root made by iSH (version 3), where it is; its database is kept "
    "as\n"
    "meta.db.ish3. Interrupted, it goes on the next time.\n"
    "      --image NAME  of several images in one archive, the one with this name or tag\n"
    "      --help        this text\n";

static int convert(ish_work *work, const char *root)
{
    int err = ish_root_convert(work, root);
    root_tool_clear(work->context);
    if (!err)
        fprintf(stderr, "fakefsify: %" PRIu64 " names; %" PRIu64 " that led nowhere left out\n",
                work->entries, work->skipped);
    return err;
}

static int import(ish_work *work, const char *image, const char *from, const char *dir)
{
    bool piped = strcmp(from, "-") == 0;
    int err = ish_root_import(work, piped ? NULL : from, piped ? STDIN_FILENO : -1, image, dir);
    root_tool_clear(work->context);
    if (!err && work->skipped)
        fprintf(stderr, "fakefsify: %" PRIu64 " attributes have no place in a root: left out\n",
                work->skipped);
    return err;
}

int main(int argc, char **argv)
{
    char why[1024];
    struct root_tool tool = {.name = "fakefsify", .usage = usage, .value_option = "--image"};
    int operands = root_tool_start(&tool, argc, argv, 1, 2);
    ish_work work = {.size = sizeof work,
                     .context = &tool,
                     .progress = root_tool_progress,
                     .report = root_tool_report,
                     .why = why,
                     .why_size = sizeof why};
    int err = operands == 1 ? convert(&work, argv[1]) : import(&work, tool.value, argv[1], argv[2]);
    if (err)
        fprintf(stderr, "fakefsify: %s\n", why);
    return root_tool_end(&tool, err ? EXIT_FAILED : 0);
}
