// fakefs: looks into a root that does not run, and copies files between it and the host.
#include "include/ish/ish.h"
#include "tools/root_tool.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: fakefs ls [--long] ROOT:[PATH]\n"
    "       fakefs cat ROOT:PATH\n"
    "       fakefs cp FROM... TO\n"
    "Files of a root that is not running. PATH is absolute; FROM and TO are ROOT:PATH or a path "
    "of\n"
    "the host, in which no colon is last or followed by a slash.\n"
    "cp copies as \"cp -a\" does, into TO when it is a directory; \"/.\" at the end of FROM means\n"
    "what is in it. Existing files are replaced in one step; interrupted, it leaves whole files.\n"
    "What the host has no place for is left out, and counted.\n"
    "      --long  ls: modes, owners, sizes and times\n"
    "      --help  this text\n";

enum { WHY_MAX = 1024 };

struct run {
    struct root_tool tool;
    ish_work work;
    char why[WHY_MAX];
};

// Takes ROOT off ROOT:PATH, which is cut there. NULL: a path of the host.
static const char *split_place(char *arg, const char **path)
{
    char *colon = strchr(arg, ':');
    while (colon && colon[1] && colon[1] != '/')
        colon = strchr(colon + 1, ':');
    *path = arg;
    if (!colon)
        return NULL;
    *colon = 0;
    *path = colon[1] ? colon + 1 : "/";
    return arg;
}

static int fail(struct run *r, const char *what)
{
    root_tool_clear(&r->tool);
    fprintf(stderr, "fakefs: %s\n", what);
    return EXIT_FAILED;
}

// --- ls ------------------------------------------------------------------------------------------

// Names are the guest's: they must not steer the terminal.
static void put_name(const char *name)
{
    for (; *name; name++)
        putchar((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name);
}

static void mode_text(uint32_t mode, char out[11])
{
    static const char types[] = "?pc?d?b?-?l?s???", bits[] = "rwxrwxrwx";
    out[0] = types[mode >> 12 & 15];
    for (unsigned i = 0; i < 9; i++)
        out[1 + i] = mode & 0400u >> i ? bits[i] : '-';
    if (mode & 04000)
        out[3] = out[3] == 'x' ? 's' : 'S';
    if (mode & 02000)
        out[6] = out[6] == 'x' ? 's' : 'S';
    if (mode & 01000)
        out[9] = out[9] == 'x' ? 't' : 'T';
    out[10] = 0;
}

static void put_details(const ish_root_entry *e)
{
    char mode[11], when[32] = "?", size[24];
    const time_t seconds = (time_t)(e->modified / 1000000000);
    struct tm utc;
    mode_text(e->mode, mode);
    if (gmtime_r(&seconds, &utc))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &utc);
    if (mode[0] == 'c' || mode[0] == 'b')
        snprintf(size, sizeof size, "%u, %u", (unsigned)(e->device >> 8 & 0xfff),
                 (unsigned)((e->device & 0xff) | (e->device >> 12 & 0xffffff00)));
    else
        snprintf(size, sizeof size, "%" PRIu64, e->bytes);
    printf("%s %3u %5u %5u %10s %s ", mode, e->links, e->uid, e->gid, size, when);
}

static int put_entry(void *context, const ish_root_entry *e)
{
    const struct root_tool *tool = context;
    if (tool->option_given)
        put_details(e);
    put_name(e->name);
    if (e->target && tool->option_given) {
        fputs(" -> ", stdout);
        put_name(e->target);
    }
    putchar('\n');
    return 0;
}

// --- The commands --------------------------------------------------------------------------------

static int put_data(void *context, const void *data, size_t size)
{
    (void)context;
    return fwrite(data, 1, size, stdout) == size ? 0 : -5; // EIO
}

static int show(struct run *r, char *arg, bool list)
{
    const char *path, *root = split_place(arg, &path);
    if (!root)
        return fail(r, "a place in a root is ROOT:PATH");
    r->tool.terminal = false; // standard output is the business here
    int err = list ? ish_root_list(&r->work, root, path, put_entry)
                   : ish_root_read(&r->work, root, path, put_data);
    if (!err && fflush(stdout) != 0)
        return fail(r, "standard output cannot be written");
    return err ? fail(r, r->why) : 0;
}

static int copy(struct run *r, char **args, int count)
{
    const char *to, *to_root = split_place(args[count - 1], &to);
    uint64_t skipped = 0;
    for (int i = 0; i < count - 1; i++) {
        const char *from, *from_root = split_place(args[i], &from);
        if (!from_root && !to_root)
            return fail(r, "neither is in a root; a place in one is ROOT:PATH");
        if (ish_root_copy(&r->work, from_root, from, to_root, to))
            return fail(r, r->why);
        skipped += r->work.skipped;
    }
    root_tool_clear(&r->tool);
    if (skipped)
        fprintf(stderr,
                "fakefs: %" PRIu64 " objects lost an owner, a mode or an attribute, or were "
                "left out: the host has no place for them\n",
                skipped);
    return 0;
}

int main(int argc, char **argv)
{
    struct run r = {.tool = {.name = "fakefs", .usage = usage, .option = "--long"}};
    int count = root_tool_start(&r.tool, argc, argv, 2, 1 << 20);
    r.work = (ish_work){.size = sizeof r.work,
                        .context = &r.tool,
                        .progress = root_tool_progress,
                        .why = r.why,
                        .why_size = sizeof r.why};
    const char *command = argv[1];
    int status;
    if (strcmp(command, "cp") == 0 && count >= 3)
        status = copy(&r, argv + 2, count - 1);
    else if (count == 2 && (strcmp(command, "ls") == 0 || strcmp(command, "cat") == 0))
        status = show(&r, argv[2], command[0] == 'l');
    else {
        fputs(usage, stderr);
        status = EXIT_USAGE;
    }
    return root_tool_end(&r.tool, status);
}
