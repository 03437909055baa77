// One line of text for each system call of a task, on the log's strace channel. Layer 4.
//
// Arguments the call reads are shown as they were at entry, those it writes as they are at exit. A
// call that sleeps while another task's lines come out is not cut in two: its line comes when it
// ends. Guest memory is read through user_*; a bad pointer is shown as its address.
#ifndef KERNEL_STRACE_H
#define KERNEL_STRACE_H

#include "kernel/syscall_table.h"
#include "platform/base/compiler.h"
#include <stddef.h>
#include <stdint.h>

enum { TRACE_LINE_SIZE = 960 };

struct trace_line {
    const struct syscall_entry *entry;
    uint32_t nr;
    uint64_t x[6];     // the argument registers at entry
    int64_t result;    // valid while arguments written by the call are shown
    unsigned next_arg; // the first that is still to be shown
    size_t length;     // of text
    bool failed;       // the result is an error: written arguments are shown as addresses
    char text[TRACE_LINE_SIZE];
};

// Entry and exit of a call; `line` lives on the dispatcher's stack.
void trace_enter(struct trace_line *line, struct task *task, uint32_t nr);
void trace_leave(struct trace_line *line, struct task *task, int64_t result);
// A signal the task is about to handle or die of.
void trace_signal(struct task *task, int signo, int code, uint64_t addr);

// For the formatters of structs.
void trace_printf(struct trace_line *line, const char *fmt, ...) PRINTF_LIKE(2, 3);
void trace_bytes(struct trace_line *line, struct task *task, uaddr_t addr, size_t n);
void trace_text(struct trace_line *line, struct task *task, uaddr_t addr); // NUL-terminated
void trace_flag_names(struct trace_line *line, const struct trace_name *names, uint64_t value);
// The name, in `buf` when it is none of the classic ones.
enum { TRACE_SIGNAL_NAME_MAX = 24 };
const char *trace_signal_name(int signo, char *buf, size_t size);

#endif
