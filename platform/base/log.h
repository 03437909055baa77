// Diagnostics of the emulator itself, and assertions. Layer 0.
//
// Nothing here ever reaches the guest's stdout or stderr: a message goes to the sink of the log it
// is given. `struct log` is owned by one kernel instance; a null log drops everything.
#ifndef PLATFORM_BASE_LOG_H
#define PLATFORM_BASE_LOG_H

#include "platform/base/compiler.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

// Channels, each a bit of the mask that switches it on.
enum log_channel {
    LOG_ERROR = 1u << 0,  // something of ours went wrong; on by default
    LOG_WARN = 1u << 1,   // the guest met something unsupported; on by default
    LOG_STRACE = 1u << 2, // one line for each system call
    LOG_EXEC = 1u << 3,   // program loading
    LOG_MEM = 1u << 4,    // mappings, faults, shootdowns
    LOG_SIGNAL = 1u << 5, // signal generation and delivery
    LOG_FS = 1u << 6,     // mounts, metadata store
    LOG_INSN = 1u << 7,   // translated instructions
};
#define LOG_DEFAULT ((uint32_t)LOG_ERROR | (uint32_t)LOG_WARN)

struct log {
    uint32_t mask; // immutable once the first task runs
    // Writes one line (no newline at the end). May be called from any thread, concurrently.
    void (*write)(void *ctx, enum log_channel channel, const char *line);
    void *ctx;
};

static inline bool log_on(const struct log *log, enum log_channel channel)
{
    return log && (log->mask & (uint32_t)channel);
}

void log_printf(const struct log *log, enum log_channel channel, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void log_vprintf(const struct log *log, enum log_channel channel, const char *fmt, va_list args)
    PRINTF_LIKE(3, 0);

// The name used on the command line ("error", "strace", ...), or NULL for an unknown bit.
const char *log_channel_name(enum log_channel channel);

// An invariant of ours is broken; kept in release builds. Never for anything a guest can cause.
NORETURN void assert_fail(const char *file, int line, const char *what);
#define ISH_ASSERT(cond) (LIKELY(cond) ? (void)0 : assert_fail(__FILE__, __LINE__, #cond))

#endif
