#include "tools/cli_options.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/options_tables.h"

static const char usage_line[] =
    "usage: ish -f ROOT|-r DIR [options] [--] program [argument ...]\n";
static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void cli_complain(const char *fmt, ...)
{
    va_list args;
    fputs("ish: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

static bool usage_error(int *exit_status)
{
    fputs(usage_line, stderr);
    fputs("Try 'ish --help'.\n", stderr);
    *exit_status = EXIT_OWN_FAILURE;
    return false;
}

static bool no_memory(void)
{
    cli_complain("out of memory");
    return false;
}

// --- Arguments of options ------------------------------------------------------------------------

static bool parse_number(const char *text, uint64_t max, char **end, uint64_t *out)
{
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long n = strtoull(text, end, 10);
    *out = n;
    return !errno && n <= max;
}

static bool parse_user(struct cli_options *o, const char *text)
{
    char *end;
    uint64_t uid, gid;
    bool good = parse_number(text, UINT32_MAX - 1, &end, &uid);
    gid = uid;
    if (good && *end == ':')
        good = parse_number(end + 1, UINT32_MAX - 1, &end, &gid);
    if (!good || *end) {
        cli_complain("bad user '%s': expected UID or UID:GID in numbers", text);
        return false;
    }
    o->uid = (uint32_t)uid;
    o->gid = (uint32_t)gid;
    return true;
}

static bool parse_memory(struct cli_options *o, const char *text)
{
    static const char units[] = "KMG";
    char *end;
    uint64_t n;
    bool good = parse_number(text, UINT64_MAX, &end, &n);
    const char *unit = good && *end ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (unit)
        end++;
    if (!good || *end || !n || n > UINT64_MAX >> shift) {
        cli_complain("bad memory size '%s': expected bytes, or a number with K, M or G", text);
        return false;
    }
    o->memory = n << shift;
    return true;
}

static bool parse_cpus(struct cli_options *o, const char *text)
{
    char *end;
    uint64_t n;
    if (!parse_number(text, 1024, &end, &n) || *end || !n) {
        cli_complain("bad number of processors '%s': expected 1 to 1024", text);
        return false;
    }
    o->cpus = (unsigned)n;
    return true;
}

// HOST:GUEST[:ro]. A host path may hold colons, a guest path may not.
static bool parse_bind(struct cli_options *o, const char *text)
{
    size_t len = strlen(text);
    bool read_only = len > 3 && !strcmp(text + len - 3, ":ro");
    char *host = strdup(text);
    struct cli_bind *binds = realloc(o->binds, (o->bind_count + 1) * sizeof *binds);
    if (binds)
        o->binds = binds;
    if (!host || !binds) {
        free(host);
        return no_memory();
    }
    if (read_only)
        host[len - 3] = 0;
    char *colon = strrchr(host, ':');
    if (!colon || colon == host || colon[1] != '/') {
        cli_complain("bad bind '%s': expected HOST:GUEST or HOST:GUEST:ro, GUEST an absolute path",
                     text);
        free(host);
        return false;
    }
    *colon = 0;
    binds[o->bind_count++] = (struct cli_bind){host, colon + 1, read_only};
    return true;
}

// Appends "NAME=VALUE", replacing an earlier value of NAME. Takes `entry` over.
static bool put_env(struct cli_options *o, char *entry)
{
    if (!entry)
        return no_memory();
    size_t name = (size_t)(strchr(entry, '=') - entry) + 1;
    for (size_t i = 0; i < o->env_count; i++) {
        if (!strncmp(o->env[i], entry, name)) {
            free(o->env[i]);
            o->env[i] = entry;
            return true;
        }
    }
    char **env = realloc(o->env, (o->env_count + 2) * sizeof *env);
    if (!env) {
        free(entry);
        return no_memory();
    }
    o->env = env;
    env[o->env_count++] = entry;
    env[o->env_count] = NULL;
    return true;
}

static char *env_entry(const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *entry = malloc(size);
    if (entry)
        snprintf(entry, size, "%s=%s", name, value);
    return entry;
}

static bool parse_env(struct cli_options *o, const char *text)
{
    if (!*text || *text == '=') {
        cli_complain("bad variable '%s': expected NAME=VALUE or NAME", text);
        return false;
    }
    if (strchr(text, '='))
        return put_env(o, strdup(text));
    const char *value = getenv(text);
    return value ? put_env(o, env_entry(text, value)) : true;
}

static bool default_env(struct cli_options *o)
{
    const char *term = getenv("TERM");
    return put_env(o, env_entry("PATH", default_path)) &&
           put_env(o, env_entry("HOME", o->uid ? "/" : "/root")) &&
           (!term || put_env(o, env_entry("TERM", term)));
}

static bool parse_root(struct cli_options *o, ish_root_kind kind, const char *path)
{
    if (o->root) {
        cli_complain("more than one root: '%s' and '%s'", o->root, path);
        return false;
    }
    o->root = path;
    o->root_kind = kind;
    return true;
}

// --- The parser ----------------------------------------------------------------------------------

static void list_channels(void)
{
    const char *about, *name;
    for (unsigned i = 0; (name = ish_log_channel(i, &about)); i++)
        printf("%-10s %s\n", name, about);
}

// What was typed more than once or has an effect on others is applied after all are seen.
struct parsing {
    struct cli_options *options;
    const char **env; // arguments of -e in order
    size_t env_count;
    bool clear_env;
    bool answered; // --help and the like: nothing is to run
};

static bool apply(struct parsing *p, int id)
{
    struct cli_options *o = p->options;
    switch ((enum option_id)id) {
    case OPT_ROOTFS:
        return parse_root(o, ISH_ROOT_FAKEFS, optarg);
    case OPT_HOST_ROOT:
        return parse_root(o, ISH_ROOT_HOST, optarg);
    case OPT_BIND:
        return parse_bind(o, optarg);
    case OPT_WORKDIR:
        o->workdir = optarg;
        return true;
    case OPT_ENV:
        p->env[p->env_count++] = optarg;
        return true;
    case OPT_CLEAR_ENV:
        p->clear_env = true;
        return true;
    case OPT_USER:
        return parse_user(o, optarg);
    case OPT_MEMORY:
        return parse_memory(o, optarg);
    case OPT_CPUS:
        return parse_cpus(o, optarg);
    case OPT_HOSTNAME:
        o->hostname = optarg;
        return true;
    case OPT_STRACE:
        o->strace = true;
        o->strace_calls = optarg;
        return true;
    case OPT_GDB:
        o->gdb = optarg ? optarg : "1234";
        return true;
    case OPT_LOG:
        p->answered = !strcmp(optarg, "help");
        if (p->answered)
            list_channels();
        o->log_channels = optarg;
        return true;
    case OPT_LOG_FILE:
        o->log_file = optarg;
        return true;
    case OPT_STATS:
        o->stats = true;
        return true;
    case OPT_HELP:
        p->answered = true;
        fputs(usage_line, stdout);
        fputs("Runs ARM64 Linux programs.\n", stdout);
        fputs(option_help, stdout);
        return true;
    case OPT_VERSION:
        p->answered = true;
        printf("ish %s\n", ish_version());
        return true;
    }
    return false;
}

static bool apply_env(struct parsing *p)
{
    struct cli_options *o = p->options;
    o->env = calloc(1, sizeof *o->env);
    bool good = o->env ? p->clear_env || default_env(o) : no_memory();
    for (size_t i = 0; i < p->env_count && good; i++)
        good = parse_env(o, p->env[i]);
    return good;
}

static bool parse_all(struct parsing *p, int argc, char **argv, int *exit_status)
{
    opterr = 0;
    optind = 1;
    for (int id; (id = getopt_long(argc, argv, short_options, long_options, NULL)) != -1;) {
        if (id == '?' || id == ':') {
            const char *what = id == ':' ? "needs an argument" : "is not an option of ish";
            if (id == '?' && optopt > 0 && optopt < 256 && !strchr(short_options, optopt))
                cli_complain("-%c %s", optopt, what);
            else
                cli_complain("%s %s", argv[optind - 1], what);
            return usage_error(exit_status);
        }
        if (!apply(p, id))
            return false;
        if (p->answered) {
            *exit_status = fflush(stdout) ? EXIT_OWN_FAILURE : 0;
            return false;
        }
    }
    if (!p->options->root) {
        cli_complain("no root: give one with -f ROOT or -r DIR");
        return usage_error(exit_status);
    }
    if (optind >= argc) {
        cli_complain("no program to run");
        return usage_error(exit_status);
    }
    p->options->argv = argv + optind;
    return apply_env(p);
}

bool cli_parse(int argc, char **argv, struct cli_options *out, int *exit_status)
{
    *out = (struct cli_options){.workdir = "/"};
    *exit_status = EXIT_OWN_FAILURE;
    struct parsing p = {.options = out, .env = calloc((size_t)argc + 1, sizeof *p.env)};
    bool run = p.env ? parse_all(&p, argc, argv, exit_status) : no_memory();
    free(p.env);
    return run;
}

void cli_options_free(struct cli_options *o)
{
    for (size_t i = 0; i < o->bind_count; i++)
        free(o->binds[i].host);
    free(o->binds);
    for (size_t i = 0; i < o->env_count; i++)
        free(o->env[i]);
    free(o->env);
}
