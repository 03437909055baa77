#include "kernel/syscall.h"
#include "kernel/async.h"
#include "kernel/seccomp.h"
#include "kernel/strace.h"
#include "kernel/syscall_table.h"
#include "kernel/task.h"
#include "kernel/usage.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include <string.h>

static int64_t answer_without_handler(const struct syscall_entry *entry)
{
    return entry ? -entry->error : -LINUX_ENOSYS;
}

static bool is_restart(int64_t result)
{
    return result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK;
}

// The row's class decides what an interrupted wait means; signal_deliver() acts on it.
static int64_t apply_restart_class(const struct syscall_entry *entry, int64_t result)
{
    if (result != -ERESTARTSYS)
        return result;
    switch (entry->restart) {
    case RESTART_NOHAND:
        return -ERESTARTNOHAND;
    case RESTART_EINTR:
        return -LINUX_EINTR;
    case RESTART_NO:
    case RESTART_RESTART:
    case RESTART_BLOCK:
        break;
    }
    return result;
}

static int64_t run_traced(struct task *task, const struct syscall_entry *entry, uint32_t nr)
{
    struct trace_line line;
    trace_enter(&line, task, nr);
    task->trace = &line;
    int64_t result =
        entry && entry->run ? entry->run(task, task->cpu.x) : answer_without_handler(entry);
    task->trace = NULL;
    trace_leave(&line, task, apply_restart_class(entry, result));
    return result;
}

int64_t syscall_final_result(struct task *task, int64_t value)
{
    task->syscall_nr = -1;
    return value;
}

// --- Tracing -------------------------------------------------------------------------------------

enum { TRACE_WORDS = ARRAY_LEN(((struct kernel *)0)->trace_calls) };

static bool is_traced(const struct kernel *kernel, uint32_t nr)
{
    if (!log_on(&kernel->log, LOG_STRACE))
        return false;
    return !kernel->trace_some ||
           (nr < TRACE_WORDS * 64 && kernel->trace_calls[nr / 64] >> (nr % 64) & 1);
}

// True when a system call has this name.
static bool trace_name(struct kernel *kernel, const char *name, size_t len)
{
    bool found = false;
    for (uint32_t nr = 0; nr < TRACE_WORDS * 64; nr++) {
        const struct syscall_entry *entry = syscall_entry_get(nr);
        if (!entry || strlen(entry->name) != len || memcmp(entry->name, name, len))
            continue;
        kernel->trace_calls[nr / 64] |= 1ull << (nr % 64);
        found = true;
    }
    return found;
}

const char *syscall_trace_only(struct kernel *kernel, const char *list)
{
    kernel->trace_some = true;
    while (*list) {
        size_t len = strcspn(list, ",");
        if (!trace_name(kernel, list, len))
            return list;
        list += len + (list[len] == ',');
    }
    return NULL;
}

// --- Dispatch ------------------------------------------------------------------------------------

// Makes the call and leaves its result in x0: for one that was interrupted, with its restart class.
static void make_call(struct task *task, uint32_t nr)
{
    uint64_t *x = task->cpu.x;
    const struct syscall_entry *entry = syscall_entry_get(nr);
    uint64_t begin = usage_sampled(task) ? usage_sample_begin() : 0;
    int64_t result;
    if (UNLIKELY(is_traced(task->kernel, nr)))
        result = run_traced(task, entry, nr);
    else if (LIKELY(entry && entry->run))
        result = entry->run(task, x);
    else
        result = answer_without_handler(entry);

    if (UNLIKELY(task->async_due))
        async_flush_task(task);
    if (UNLIKELY(begin))
        usage_sample_end(task, begin);
    x[0] = (uint64_t)result;
    if (UNLIKELY(task->restore_blocked) && !is_restart(result) && result != -LINUX_EINTR)
        signal_mask_restore(task);
    if (UNLIKELY(is_restart(result)) && task->syscall_nr >= 0) {
        ISH_ASSERT(entry && entry->restart != RESTART_NO);
        x[0] = (uint64_t)apply_restart_class(entry, result);
    }
}

// A tracer or a filter has a say. True when the call is to be made.
static COLD bool ask_before(struct task *task, uint32_t *nr, uint32_t work)
{
    int64_t result;
    if (work & (PTRACE_WORK_SYSCALL | PTRACE_WORK_EMULATE) && !ptrace_syscall_enter(task, nr)) {
        task->syscall_nr = -1;
        return false;
    }
    if (!atomic_load_explicit(&task->seccomp_mode, memory_order_relaxed))
        return true;
    enum seccomp_answer answer = seccomp_ask(task, nr, &result);
    if (answer == SECCOMP_MAKE)
        return true;
    if (answer != SECCOMP_INTERRUPTED)
        task->syscall_nr = -1;
    task->cpu.x[0] = (uint64_t)result;
    return false;
}

void syscall_dispatch(struct task *task)
{
    const uint64_t *x = task->cpu.x;
    uint32_t nr = (uint32_t)x[8];
    task->syscall_nr = (int32_t)nr;
    task->syscall_x0 = x[0];

    uint32_t work = ptrace_work(&task->ptrace) |
                    atomic_load_explicit(&task->seccomp_mode, memory_order_relaxed) << 8;
    if (LIKELY(!work) || ask_before(task, &nr, work))
        make_call(task, nr);
    // A tracer may have asked for the stop during the call, at an event of it.
    bool restarts = task->syscall_nr >= 0;
    if (UNLIKELY(ptrace_work(&task->ptrace) & (PTRACE_WORK_SYSCALL | PTRACE_WORK_STEP)))
        ptrace_syscall_exit(task, nr);
    if (UNLIKELY(restarts && is_restart((int64_t)x[0])))
        atomic_store_explicit(&task->work_pending, true, memory_order_relaxed);
    else
        task->syscall_nr = -1;
}
