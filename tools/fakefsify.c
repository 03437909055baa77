// fakefsify: a tar archive becomes a root, or a root of iSH one of ours.
#include "fs/fakefs/archive.h"
#include "platform/abi/fs.h"
#include "platform/host_errno.h"
#include "platform/host_file.h"
#include "tools/root_tool.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

static int import(struct root_tool *tool, const char *from, const char *dir)
{
    int fd = strcmp(from, "-") == 0 ? STDIN_FILENO : host_open_path(from, LINUX_O_RDONLY, 0);
    struct host_stat st;
    int err = fd < 0 ? fd : host_fstat(fd, &st);
    if (err) {
        fprintf(stderr, "fakefsify: %s: %s\n", from, errno_text(-err));
        return err;
    }
    struct archive_job job = {.step = root_tool_step, .ctx = tool, .image = tool->value};
    if (LINUX_S_ISDIR(st.mode))
        err = archive_import_dir(&job, from, dir);
    else
        err = archive_import(&job, fd, dir);
    root_tool_clear(tool);
    if (!err && job.image_report)
        fputs(job.image_report, stdout);
    free(job.image_report);
    if (err)
        fprintf(stderr, "fakefsify: %s\n", job.why);
    else if (job.skipped)
        fprintf(stderr, "fakefsify: %" PRIu64 " attributes have no place in a root: left out\n",
                job.skipped);
    return err;
}

int main(int argc, char **argv)
{
    struct root_tool tool = {.name = "fakefsify", .usage = usage, .value_option = "--image"};
    int operands = root_tool_start(&tool, argc, argv, 1, 2);
    int err = operands == 1 ? convert(&tool, argv[1]) : import(&tool, argv[1], argv[2]);
    return root_tool_end(&tool, err ? EXIT_FAILED : 0);
}
