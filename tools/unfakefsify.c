// unfakefsify: a root becomes a tar archive.
#include "include/ish/ish.h"
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

static enum ish_compression compression_of(const char *name)
{
    if (ends_with(name, ".gz") || ends_with(name, ".tgz"))
        return ISH_GZIP;
    if (ends_with(name, ".xz") || ends_with(name, ".txz"))
        return ISH_XZ;
    return ends_with(name, ".zst") ? ISH_ZSTD : ISH_PLAIN;
}

// Writes TAR.partial and gives it its name.
static int export_to_file(ish_work *work, const char *dir, const char *tar)
{
    char partial[LINUX_PATH_MAX];
    int n = snprintf(partial, sizeof partial, "%s.partial", tar);
    if (n < 0 || (size_t)n >= sizeof partial) {
        snprintf(work->why, work->why_size, "the name of the archive is too long");
        return -1;
    }
    int fd = host_open_path(partial, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_TRUNC, 0644);
    if (fd < 0) {
        snprintf(work->why, work->why_size, "%.900s: %s", partial, errno_text(-fd));
        return fd;
    }
    int err = ish_root_export(work, dir, fd, compression_of(tar));
    host_close(fd);
    if (!err) {
        err = host_rename_path(partial, tar);
        if (err)
            snprintf(work->why, work->why_size, "%.900s: %s", tar, errno_text(-err));
    }
    if (err && host_remove_file_path(partial))
        fprintf(stderr, "unfakefsify: %s could not be removed\n", partial);
    return err;
}

int main(int argc, char **argv)
{
    char why[1024];
    struct root_tool tool = {.name = "unfakefsify", .usage = usage};
    root_tool_start(&tool, argc, argv, 2, 2);
    const char *dir = argv[1], *tar = argv[2];
    ish_work work = {.size = sizeof work,
                     .context = &tool,
                     .progress = root_tool_progress,
                     .why = why,
                     .why_size = sizeof why};
    int err = strcmp(tar, "-") == 0 ? ish_root_export(&work, dir, STDOUT_FILENO, ISH_PLAIN)
                                    : export_to_file(&work, dir, tar);
    root_tool_clear(&tool);
    if (err)
        fprintf(stderr, "unfakefsify: %s\n", why);
    else if (work.skipped)
        fprintf(stderr, "unfakefsify: %" PRIu64 " sockets have no place in an archive: left out\n",
                work.skipped);
    return root_tool_end(&tool, err ? EXIT_FAILED : 0);
}
