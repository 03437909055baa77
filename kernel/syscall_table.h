// What the generator makes of syscalls.tbl, for dispatch and strace. Layer 4.
#ifndef KERNEL_SYSCALL_TABLE_H
#define KERNEL_SYSCALL_TABLE_H

#include "kernel/user.h"
#include <stdbool.h>
#include <stdint.h>

struct task;
struct trace_line;

enum restart_class {
    RESTART_NO,
    RESTART_RESTART,
    RESTART_NOHAND,
    RESTART_BLOCK,
    RESTART_EINTR,
};

enum trace_kind {
    TRACE_INT,
    TRACE_FD,
    TRACE_DIRFD,
    TRACE_PID,
    TRACE_SIG,
    TRACE_CLOCK,
    TRACE_UINT,
    TRACE_UID,
    TRACE_GID,
    TRACE_MODE,
    TRACE_FUTEX_OP,
    TRACE_LONG,
    TRACE_OFF,
    TRACE_ULONG,
    TRACE_SIZE,
    TRACE_ENUM,
    TRACE_FLAGS,
    TRACE_FLAGS64,
    TRACE_PATH,
    TRACE_STR,
    TRACE_PTR,
    TRACE_BUF,
    TRACE_STRUCT,
};

enum trace_direction { TRACE_IN, TRACE_OUT, TRACE_IO };

// Where the count of a buffer or array comes from: an argument's index, or one of these.
enum {
    TRACE_LEN_ONE = -1,    // no count: one struct
    TRACE_LEN_RESULT = -2, // the call's result
};

struct trace_name {
    int64_t value;
    const char *name; // NULL ends a set
};

struct trace_struct_info {
    const char *name;
    uint32_t size; // bytes; 0: it varies
    // Shows one struct; `count`: length argument of those without a fixed size. NULL: address only.
    void (*trace)(struct trace_line *line, struct task *task, uaddr_t addr, uint64_t count);
};

struct syscall_arg {
    const char *name;
    enum trace_kind kind;
    enum trace_direction direction;
    unsigned structure; // index of trace_struct_info
    int length;
    const struct trace_name *names;
};

struct syscall_entry {
    const char *name;
    int64_t (*run)(struct task *task, const uint64_t *x); // NULL when not implemented
    const struct syscall_arg *args;
    unsigned arg_count;
    enum restart_class restart;
    int error; // answered when run is NULL
    bool returns_address;
};

// NULL for a number Linux does not use.
const struct syscall_entry *syscall_entry_get(uint32_t nr);
const struct trace_struct_info *syscall_struct_get(unsigned index);

#endif
