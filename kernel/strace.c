#include "kernel/strace.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/futex.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    BYTES_SHOWN = 32, // of a buffer
    TEXT_SHOWN = 256, // of a path
    ARRAY_SHOWN = 8,  // elements of an array
};

// --- Pieces --------------------------------------------------------------------------------------

void trace_printf(struct trace_line *line, const char *fmt, ...)
{
    size_t room = sizeof line->text - line->length;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line->text + line->length, room, fmt, args);
    va_end(args);
    if (n > 0)
        line->length += (size_t)n < room ? (size_t)n : room - 1;
}

static void put_escaped(struct trace_line *line, const char *bytes, size_t n)
{
    trace_printf(line, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)bytes[i];
        if (ch == '"' || ch == '\\')
            trace_printf(line, "\\%c", ch);
        else if (ch == '\n')
            trace_printf(line, "\\n");
        else if (ch == '\t')
            trace_printf(line, "\\t");
        else if (ch == '\r')
            trace_printf(line, "\\r");
        else if (isprint(ch))
            trace_printf(line, "%c", ch);
        else
            trace_printf(line, "\\x%02x", ch);
    }
    trace_printf(line, "\"");
}

static void put_address(struct trace_line *line, uaddr_t addr)
{
    if (addr)
        trace_printf(line, "0x%llx", (unsigned long long)addr);
    else
        trace_printf(line, "NULL");
}

void trace_bytes(struct trace_line *line, struct task *task, uaddr_t addr, size_t n)
{
    char bytes[BYTES_SHOWN];
    size_t shown = n < BYTES_SHOWN ? n : BYTES_SHOWN;
    if (user_read(task, addr, bytes, shown)) {
        put_address(line, addr);
        return;
    }
    put_escaped(line, bytes, shown);
    if (n > shown)
        trace_printf(line, "...");
}

void trace_text(struct trace_line *line, struct task *task, uaddr_t addr)
{
    char text[TEXT_SHOWN];
    ssize_t n = addr ? user_string(task, addr, text, sizeof text) : -LINUX_EFAULT;
    if (n == -LINUX_ENAMETOOLONG) {
        if (!user_read(task, addr, text, sizeof text)) {
            put_escaped(line, text, sizeof text);
            trace_printf(line, "...");
            return;
        }
        n = -LINUX_EFAULT;
    }
    if (n < 0)
        put_address(line, addr);
    else
        put_escaped(line, text, (size_t)n);
}

void trace_flag_names(struct trace_line *line, const struct trace_name *names, uint64_t value)
{
    const char *separator = "";
    for (; names && names->name; names++) {
        uint64_t bits = (uint64_t)names->value;
        if (!bits || (value & bits) != bits)
            continue;
        trace_printf(line, "%s%s", separator, names->name);
        separator = "|";
        value &= ~bits;
    }
    if (value || !*separator)
        trace_printf(line, value ? "%s0x%llx" : "%s0", separator, (unsigned long long)value);
}

static void put_enum(struct trace_line *line, const struct trace_name *names, int64_t value)
{
    for (; names->name; names++)
        if (names->value == value) {
            trace_printf(line, "%s", names->name);
            return;
        }
    trace_printf(line, "%lld", (long long)value);
}

const char *trace_signal_name(int signo, char *buf, size_t size)
{
    static const char *const names[] = {
        "0",         "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
        "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
        "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
        "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS",
    };
    if (signo >= 0 && signo < (int)ARRAY_LEN(names))
        return names[signo];
    if (signo >= LINUX_SIGRTMIN && signo <= LINUX_NSIG)
        snprintf(buf, size, "SIGRT_%d", signo - LINUX_SIGRTMIN);
    else
        snprintf(buf, size, "%d", signo);
    return buf;
}

static void put_clock(struct trace_line *line, int32_t clock)
{
    static const char *const names[] = {
        "CLOCK_REALTIME",          "CLOCK_MONOTONIC",     "CLOCK_PROCESS_CPUTIME_ID",
        "CLOCK_THREAD_CPUTIME_ID", "CLOCK_MONOTONIC_RAW", "CLOCK_REALTIME_COARSE",
        "CLOCK_MONOTONIC_COARSE",  "CLOCK_BOOTTIME",      "CLOCK_REALTIME_ALARM",
        "CLOCK_BOOTTIME_ALARM",
    };
    if (clock >= 0 && clock < (int)ARRAY_LEN(names))
        trace_printf(line, "%s", names[clock]);
    else
        trace_printf(line, "%d", clock);
}

static void put_futex_op(struct trace_line *line, uint32_t op)
{
    static const char *const names[] = {
        "WAIT",           "WAKE",        "FD",          "REQUEUE",
        "CMP_REQUEUE",    "WAKE_OP",     "LOCK_PI",     "UNLOCK_PI",
        "TRYLOCK_PI",     "WAIT_BITSET", "WAKE_BITSET", "WAIT_REQUEUE_PI",
        "CMP_REQUEUE_PI", "LOCK_PI2",
    };
    uint32_t cmd = op & (uint32_t)LINUX_FUTEX_CMD_MASK;
    if (cmd < ARRAY_LEN(names))
        trace_printf(line, "FUTEX_%s", names[cmd]);
    else
        trace_printf(line, "%u", cmd);
    if (op & LINUX_FUTEX_PRIVATE_FLAG)
        trace_printf(line, "_PRIVATE");
    if (op & LINUX_FUTEX_CLOCK_REALTIME)
        trace_printf(line, "|FUTEX_CLOCK_REALTIME");
}

// --- Arguments -----------------------------------------------------------------------------------

static uint64_t length_of(const struct trace_line *line, const struct syscall_arg *arg)
{
    if (arg->length == TRACE_LEN_RESULT)
        return line->result > 0 ? (uint64_t)line->result : 0;
    return arg->length >= 0 ? line->x[arg->length] : 1;
}

static void put_array(struct trace_line *line, struct task *task, const struct trace_struct_info *s,
                      uaddr_t addr, uint64_t count)
{
    trace_printf(line, "[");
    for (uint64_t i = 0; i < count && i < ARRAY_SHOWN; i++) {
        if (i)
            trace_printf(line, ", ");
        s->trace(line, task, addr + i * s->size, 1);
    }
    trace_printf(line, count > ARRAY_SHOWN ? ", ...]" : "]");
}

static void put_struct(struct trace_line *line, struct task *task, const struct syscall_arg *arg,
                       uaddr_t addr)
{
    const struct trace_struct_info *s = syscall_struct_get(arg->structure);
    uint8_t probe;
    bool shown = s->trace && addr && !(arg->direction == TRACE_OUT && line->failed) &&
                 !user_read(task, addr, &probe, sizeof probe);
    if (!shown)
        put_address(line, addr);
    else if (arg->length == TRACE_LEN_ONE || s->size == 0)
        s->trace(line, task, addr, length_of(line, arg));
    else
        put_array(line, task, s, addr, length_of(line, arg));
}

static void put_number(struct trace_line *line, const struct syscall_arg *arg, uint64_t x)
{
    char buf[TRACE_SIGNAL_NAME_MAX];
    switch (arg->kind) {
    case TRACE_DIRFD:
        if ((int32_t)x == -100)
            trace_printf(line, "AT_FDCWD");
        else
            trace_printf(line, "%d", (int32_t)x);
        break;
    case TRACE_SIG:
        trace_printf(line, "%s", trace_signal_name((int32_t)x, buf, sizeof buf));
        break;
    case TRACE_CLOCK:
        put_clock(line, (int32_t)x);
        break;
    case TRACE_UINT:
        trace_printf(line, "%u", (uint32_t)x);
        break;
    case TRACE_UID:
    case TRACE_GID:
        trace_printf(line, (uint32_t)x == UINT32_MAX ? "-1" : "%u", (uint32_t)x);
        break;
    case TRACE_MODE:
        trace_printf(line, "0%03o", (uint16_t)x);
        break;
    case TRACE_FUTEX_OP:
        put_futex_op(line, (uint32_t)x);
        break;
    case TRACE_LONG:
    case TRACE_OFF:
        trace_printf(line, "%lld", (long long)x);
        break;
    case TRACE_ULONG:
        put_address(line, x);
        break;
    case TRACE_SIZE:
        trace_printf(line, "%llu", (unsigned long long)x);
        break;
    default:
        trace_printf(line, "%d", (int32_t)x);
        break;
    }
}

static void put_arg(struct trace_line *line, struct task *task, const struct syscall_arg *arg,
                    uint64_t x)
{
    switch (arg->kind) {
    case TRACE_ENUM:
        put_enum(line, arg->names, (int32_t)x);
        break;
    case TRACE_FLAGS:
        trace_flag_names(line, arg->names, (uint32_t)x);
        break;
    case TRACE_FLAGS64:
        trace_flag_names(line, arg->names, x);
        break;
    case TRACE_PATH:
    case TRACE_STR:
        trace_text(line, task, x);
        break;
    case TRACE_PTR:
        put_address(line, x);
        break;
    case TRACE_BUF:
        if (line->failed && arg->direction != TRACE_IN)
            put_address(line, x);
        else
            trace_bytes(line, task, x, (size_t)length_of(line, arg));
        break;
    case TRACE_STRUCT:
        put_struct(line, task, arg, x);
        break;
    default:
        put_number(line, arg, x);
        break;
    }
}

// Shows arguments up to the first that is known only afterwards.
static void put_args(struct trace_line *line, struct task *task, bool after)
{
    const struct syscall_entry *e = line->entry;
    for (; e && line->next_arg < e->arg_count; line->next_arg++) {
        const struct syscall_arg *arg = &e->args[line->next_arg];
        if (!after && arg->direction == TRACE_OUT)
            return;
        if (line->next_arg)
            trace_printf(line, ", ");
        put_arg(line, task, arg, line->x[line->next_arg]);
    }
}

// --- Lines ---------------------------------------------------------------------------------------

void trace_enter(struct trace_line *line, struct task *task, uint32_t nr)
{
    line->entry = syscall_entry_get(nr);
    line->nr = nr;
    line->result = 0;
    line->next_arg = 0;
    line->length = 0;
    line->failed = false;
    memcpy(line->x, task->cpu.x, sizeof line->x);
    trace_printf(line, "%d ", task->pid);
    if (line->entry)
        trace_printf(line, "%s(", line->entry->name);
    else
        trace_printf(line, "syscall_%u(", nr);
    put_args(line, task, false);
    // These do not come back.
    if (nr == LINUX_NR_exit || nr == LINUX_NR_exit_group)
        log_printf(&task->kernel->log, LOG_STRACE, "%s) = ?", line->text);
}

static void put_result(struct trace_line *line, int64_t result)
{
    static const struct trace_name restarts[] = {
        {-ERESTARTSYS, "ERESTARTSYS"},
        {-ERESTARTNOINTR, "ERESTARTNOINTR"},
        {-ERESTARTNOHAND, "ERESTARTNOHAND"},
        {-ERESTART_RESTARTBLOCK, "ERESTART_RESTARTBLOCK"},
        {0, NULL},
    };
    if (line->failed) {
        for (const struct trace_name *r = restarts; r->name; r++)
            if (r->value == result) {
                trace_printf(line, ") = ? %s", r->name);
                return;
            }
        const char *name = errno_name((int)-result);
        trace_printf(line, ") = -1 %s (%s)", name ? name : "?", errno_text((int)-result));
    } else if (line->entry && line->entry->returns_address) {
        trace_printf(line, ") = 0x%llx", (unsigned long long)result);
    } else {
        trace_printf(line, ") = %lld", (long long)result);
    }
}

void trace_leave(struct trace_line *line, struct task *task, int64_t result)
{
    if (line->nr == LINUX_NR_exit || line->nr == LINUX_NR_exit_group)
        return;
    line->result = result;
    line->failed = result < 0 && result >= -LINUX_ERRNO_MAX && line->nr != LINUX_NR_rt_sigreturn;
    put_args(line, task, true);
    put_result(line, result);
    log_printf(&task->kernel->log, LOG_STRACE, "%s", line->text);
}

void trace_signal(struct task *task, int signo, int code, uint64_t addr)
{
    char buf[TRACE_SIGNAL_NAME_MAX];
    log_printf(&task->kernel->log, LOG_STRACE, "%d --- %s {si_code=%d, si_addr=0x%llx} ---",
               task->pid, trace_signal_name(signo, buf, sizeof buf), code,
               (unsigned long long)addr);
}
