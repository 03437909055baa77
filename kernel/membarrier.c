// membarrier(2): a barrier on every thread that runs. Each is made to leave guest code, which is a
// full barrier of the host and drops code that was changed.
#include "kernel/mm_internal.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/rseq.h"
#include <stdatomic.h>

enum {
    REGISTRATIONS = LINUX_MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |
                    LINUX_MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
                    LINUX_MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE |
                    LINUX_MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
};

static void barrier(struct mm *mm, bool switched)
{
    struct mm_change c;
    mm_change_begin(mm, &c);
    mem_barrier(mm->mem, &c.batch, switched);
    mm_change_end(mm, &c);
}

// On every process, or on those that asked for it.
static void global_barrier(struct task *task, bool registered_only)
{
    struct task *leader;
    for (int32_t pid = 0; (leader = task_next_process(task->kernel, pid)) != NULL;) {
        pid = leader->tgid;
        uint32_t commands =
            atomic_load_explicit(&leader->process->membarrier, memory_order_seq_cst);
        bool wanted =
            !registered_only || (commands & LINUX_MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
        // A leader that has ended has no memory any more, but its threads may.
        for (int32_t tid = 0; wanted;) {
            struct task *t = task_next_thread(leader->process, tid);
            if (!t)
                break;
            tid = t->pid;
            struct mm *mm = task_mm_get(t);
            if (mm) {
                barrier(mm, false);
                mm_put(mm);
                wanted = false;
            }
            task_put(t);
        }
        task_put(leader);
    }
}

static int64_t private_barrier(struct task *task, int32_t command)
{
    // Each expedited command is one bit below its registration.
    uint32_t commands = atomic_load_explicit(&task->process->membarrier, memory_order_relaxed);
    if (!(commands & (uint32_t)command << 1))
        return -LINUX_EPERM;
    barrier(task->mm, command == LINUX_MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ);
    return 0;
}

int64_t sys_membarrier(struct task *task, int32_t cmd, uint32_t flags, int32_t cpu_id)
{
    // Aborting the sequences of all processors does for one of them.
    (void)cpu_id;
    bool to_one = cmd == LINUX_MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ;
    if (to_one ? flags & ~(uint32_t)LINUX_MEMBARRIER_CMD_FLAG_CPU : flags)
        return -LINUX_EINVAL;
    switch (cmd) {
    case LINUX_MEMBARRIER_CMD_QUERY:
        return LINUX_MEMBARRIER_CMD_ALL;
    case LINUX_MEMBARRIER_CMD_GLOBAL:
    case LINUX_MEMBARRIER_CMD_GLOBAL_EXPEDITED:
        global_barrier(task, cmd == LINUX_MEMBARRIER_CMD_GLOBAL_EXPEDITED);
        return 0;
    case LINUX_MEMBARRIER_CMD_PRIVATE_EXPEDITED:
    case LINUX_MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
    case LINUX_MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ:
        return private_barrier(task, cmd);
    default:
        break;
    }
    if (cmd <= 0 || cmd & ~REGISTRATIONS || cmd & (cmd - 1))
        return -LINUX_EINVAL;
    atomic_fetch_or_explicit(&task->process->membarrier, (uint32_t)cmd, memory_order_seq_cst);
    return 0;
}
