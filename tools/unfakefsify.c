// unfakefsify: a root becomes a tar archive.
#include "fs/fakefs/archive.h"
#include "platform/abi/fs.h"
#include "platform/host_errno.h"
#include "platform/host_file.h"
#include "tools/root_tool.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: unfakefsify DIR TAR\n"
                            "Writes the root DIR as a pax archive, entries in the order of their "
                            "names: the same root gives\n"
                            "the same bytes. TAR may be - for standard output; a name in .gz, "
                            ".tgz, .xz or .zst is compressed.\n"
                            "The archive is written as TAR.partial first; on failure, and when "
                            "interrupted, nothing is left.\n"
                            "      --help  this text\n";

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

static enum archive_compression compression_of(const char *name)
{
    if (ends_with(name, ".gz") || ends_with(name, ".tgz"))
        return ARCHIVE_GZIP;
    if (ends_with(name, ".xz") || ends_with(name, ".txz"))
        return ARCHIVE_XZ;
    return ends_with(name, ".zst") ? ARCHIVE_ZSTD : ARCHIVE_PLAIN;
}

// Writes TAR.partial and gives it its name.
static int export_to_file(struct archive_job *job, const char *dir, const char *tar)
{
    char partial[LINUX_PATH_MAX];
    int n = snprintf(partial, sizeof partial, "%s.partial", tar);
    if (n < 0 || (size_t)n >= sizeof partial) {
        snprintf(job->why, sizeof job->why, "the name of the archive is too long");
        return -1;
    }
    int fd = host_open_path(partial, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_TRUNC, 0644);
    if (fd < 0) {
        snprintf(job->why, sizeof job->why, "%.900s: %s", partial, errno_text(-fd));
        return fd;
    }
    int err = archive_export(job, dir, fd, compression_of(tar));
    host_close(fd);
    if (!err) {
        err = host_rename_path(partial, tar);
        if (err)
            snprintf(job->why, sizeof job->why, "%.900s: %s", tar, errno_text(-err));
    }
    if (err && host_remove_file_path(partial))
        fprintf(stderr, "unfakefsify: %s could not be removed\n", partial);
    return err;
}

int main(int argc, char **argv)
{
    struct root_tool tool = {.name = "unfakefsify", .usage = usage};
    root_tool_start(&tool, argc, argv, 2, 2);
    const char *dir = argv[1], *tar = argv[2];
    struct archive_job job = {.step = root_tool_step, .ctx = &tool};
    int err = strcmp(tar, "-") == 0 ? archive_export(&job, dir, STDOUT_FILENO, ARCHIVE_PLAIN)
                                    : export_to_file(&job, dir, tar);
    root_tool_clear(&tool);
    if (err)
        fprintf(stderr, "unfakefsify: %s\n", job.why);
    else if (job.skipped)
        fprintf(stderr, "unfakefsify: %" PRIu64 " sockets have no place in an archive: left out\n",
                job.skipped);
    return root_tool_end(&tool, err ? EXIT_FAILED : 0);
}
