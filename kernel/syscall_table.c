// The dispatch table, as generated.
#include "kernel/syscall_table.h"
#include "kernel/syscall_handlers.h"
#include "kernel/syscall_trace.h"
#include "platform/abi/linux_errno.h"
#include <stddef.h>

#include "kernel/syscall_table.inc"

const struct syscall_entry *syscall_entry_get(uint32_t nr)
{
    if (nr >= LINUX_SYSCALL_COUNT || !syscall_table[nr].name)
        return NULL;
    return &syscall_table[nr];
}

const struct trace_struct_info *syscall_struct_get(unsigned index)
{
    return &trace_structs[index];
}
