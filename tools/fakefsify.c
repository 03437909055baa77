// fakefsify: a tar archive becomes a root, or a root of iSH one of ours.
#include "fs/fakefs/archive.h"
#include "platform/abi/fs.h"
#include "platform/host_errno.h"
#include "platform/host_file.h"
#include "tools/root_tool.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: fakefsify TAR DIR\n"
    "       fakefsify ISH-ROOT\n"
    "Makes the root DIR from a tar archive (plain, gz, bz2, xz, zst, lz4); TAR may be - for "
    "standard\n"
    "input. DIR must not exist or be empty. Owners, modes, devices, links, holes and extended\n"
    "attributes are kept; nothing outside DIR is touched whatever the archive says. On failure, "
    "and\n"
    "when interrupted, nothing is left behind.\n"
    "With one argument converts a root made by iSH (version 3), where it is; its database is kept "
    "as\n"
    "meta.db.ish3. Interrupted, it goes on the next time.\n"
    "      --help  this text\n";

static int convert(struct root_tool *tool, const char *root)
{
    struct archive_job job = {.step = root_tool_step, .ctx = tool};
    int err = archive_migrate(&job, root);
    root_tool_clear(tool);
    if (err)
        fprintf(stderr, "fakefsify: %s\n", job.why);
    else
        fprintf(stderr, "fakefsify: %" PRIu64 " names; %" PRIu64 " that led nowhere left out\n",
                job.entries, job.skipped);
    return err;
}

static int import(struct root_tool *tool, const char *tar, const char *dir)
{
    int fd = strcmp(tar, "-") == 0 ? STDIN_FILENO : host_open_path(tar, LINUX_O_RDONLY, 0);
    if (fd < 0) {
        fprintf(stderr, "fakefsify: %s: %s\n", tar, errno_text(-fd));
        return fd;
    }
    struct archive_job job = {.step = root_tool_step, .ctx = tool};
    int err = archive_import(&job, fd, dir);
    root_tool_clear(tool);
    if (err)
        fprintf(stderr, "fakefsify: %s\n", job.why);
    else if (job.skipped)
        fprintf(stderr, "fakefsify: %" PRIu64 " attributes have no place in a root: left out\n",
                job.skipped);
    return err;
}

int main(int argc, char **argv)
{
    struct root_tool tool = {.name = "fakefsify", .usage = usage};
    int operands = root_tool_start(&tool, argc, argv, 1, 2);
    int err = operands == 1 ? convert(&tool, argv[1]) : import(&tool, argv[1], argv[2]);
    return root_tool_end(&tool, err ? EXIT_FAILED : 0);
}
