#include "platform/base/log.h"
#include <stdio.h>
#include <stdlib.h>

enum { LOG_LINE_MAX = 1024 };

void log_vprintf(const struct log *log, enum log_channel channel, const char *fmt, va_list args)
{
    if (!log_on(log, channel))
        return;
    char line[LOG_LINE_MAX];
    vsnprintf(line, sizeof line, fmt, args);
    log->write(log->ctx, channel, line);
}

void log_printf(const struct log *log, enum log_channel channel, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_vprintf(log, channel, fmt, args);
    va_end(args);
}

const char *log_channel_name(enum log_channel channel)
{
    switch (channel) {
    case LOG_ERROR:
        return "error";
    case LOG_WARN:
        return "warn";
    case LOG_STRACE:
        return "strace";
    case LOG_EXEC:
        return "exec";
    case LOG_MEM:
        return "mem";
    case LOG_SIGNAL:
        return "signal";
    case LOG_FS:
        return "fs";
    case LOG_INSN:
        return "insn";
    }
    return NULL;
}

void assert_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "ish: %s:%d: assertion failed: %s\n", file, line, what);
    abort();
}
