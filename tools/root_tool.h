// What the tools for roots share: arguments, progress on a terminal, cancelling.
#ifndef TOOLS_ROOT_TOOL_H
#define TOOLS_ROOT_TOOL_H

#include <stdbool.h>
#include <stdint.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct root_tool {
    const char *name;
    const char *usage; // text of --help
    // A letterless option that is allowed, "--repair", and whether it was given; or NULL.
    const char *option;
    bool option_given;
    const char *value_option; // one that takes a value, "--image" (also "--image=NAME"); or NULL
    const char *value;        // the last one given
    bool terminal;            // progress is shown
    uint64_t shown_ns;
    unsigned width; // of what is shown
};

// Takes the options out of argv. Returns the number of operands (from `least` to `most`), which
// follow argv[0]; prints
// --help (status 0) or a complaint (EXIT_USAGE) and exits when that is all there is to do.
int root_tool_start(struct root_tool *tool, int argc, char **argv, int least, int most);
// For ish_work.progress: not 0 once SIGINT, SIGTERM or SIGHUP has come.
int root_tool_progress(void *tool, uint64_t bytes, uint64_t total, uint64_t entries);
// For ish_work.report: a line on standard output.
void root_tool_report(void *tool, const char *line);
void root_tool_clear(struct root_tool *tool); // the progress line
// The exit status of a run: dies of the signal that cancelled it, if one did.
int root_tool_end(struct root_tool *tool, int status);

#endif
