// The command line of ish, parsed. See tools/options.tbl.
#ifndef TOOLS_CLI_OPTIONS_H
#define TOOLS_CLI_OPTIONS_H

#include <ish/ish.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXIT_OWN_FAILURE = 125,
    EXIT_CANNOT_RUN = 126,
    EXIT_NOT_FOUND = 127,
    EXIT_SIGNAL_BASE = 128,
};

struct cli_bind {
    char *host, *guest;
    bool read_only;
};

struct cli_options {
    const char *root; // NULL: none given
    ish_root_kind root_kind;
    struct cli_bind *binds;
    size_t bind_count;
    const char *workdir;
    char **env; // the guest's, NULL-terminated
    size_t env_count;
    uint32_t uid, gid;
    uint64_t memory;
    unsigned cpus;
    const char *hostname;
    const char *log_channels, *log_file; // NULL: default
    bool strace, stats;
    const char *strace_calls; // NULL: all
    const char *gdb;          // NULL: none
    char **argv;              // the program and its arguments, NULL-terminated
};

// Fills `out`, or prints what it must and sets *exit_status. True when the guest is to run.
bool cli_parse(int argc, char **argv, struct cli_options *out, int *exit_status);
void cli_options_free(struct cli_options *options);

// One line on standard error: "ish: ...".
void cli_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
