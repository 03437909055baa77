// System calls that answer who and where the caller is.
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"

int64_t sys_getpid(struct task *task)
{
    return task->own_tgid;
}

int64_t sys_gettid(struct task *task)
{
    return task->own_pid;
}

int64_t sys_getppid(struct task *task)
{
    return pid_seen(task, process_parent_pid(task->process));
}

int64_t sys_set_tid_address(struct task *task, uaddr_t tidptr)
{
    task->clear_child_tid = tidptr;
    return task->own_pid;
}

// Execution domains are data: no other system's rules are offered. 0xffffffff asks.
int64_t sys_personality(struct task *task, uint32_t persona)
{
    uint32_t old = task->personality;
    if (persona != UINT32_MAX)
        task->personality = persona;
    return old;
}
