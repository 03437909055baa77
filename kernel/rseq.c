#include "kernel/rseq.h"
#include "emu/mem.h"
#include "kernel/signal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/rseq.h"
#include "platform/base/log.h"
#include <stddef.h>

#define FIELD(task, name) ((task)->rseq + offsetof(struct linux_rseq, name))

static bool is_user(uint64_t addr)
{
    return addr < MEM_VA_END;
}

// Reads and checks the descriptor at `addr`. -LINUX_EFAULT, -LINUX_EINVAL.
static int read_section(struct task *task, uaddr_t addr, struct linux_rseq_cs *cs)
{
    if (!is_user(addr))
        return -LINUX_EINVAL;
    int err = user_get(task, addr, cs);
    if (err)
        return err;
    if (!is_user(cs->start_ip) || !is_user(cs->abort_ip) || cs->version > 0 ||
        cs->post_commit_offset > MEM_VA_END - cs->start_ip ||
        cs->abort_ip - cs->start_ip < cs->post_commit_offset)
        return -LINUX_EINVAL;
    // The word before the abort address tells that it is one, and not a gadget to jump to.
    uint32_t signature;
    err = user_get(task, cs->abort_ip - sizeof signature, &signature);
    if (err)
        return err;
    if (signature != task->rseq_signature) {
        log_printf(&task->kernel->log, LOG_WARN, "%s[%d]: rseq signature %#x at %#llx, not %#x",
                   task->comm, task->pid, signature, (unsigned long long)cs->abort_ip,
                   task->rseq_signature);
        return -LINUX_EINVAL;
    }
    return 0;
}

// Leaves the critical section the thread is in, if it is in one.
static int abort_section(struct task *task)
{
    struct linux_rseq_cs cs;
    uint64_t addr;
    uint32_t flags;
    int err = user_get(task, FIELD(task, rseq_cs), &addr);
    if (err || !addr)
        return err;
    err = read_section(task, addr, &cs);
    if (err)
        return err;
    bool inside = task->cpu.pc - cs.start_ip < cs.post_commit_offset;
    if (inside) {
        // No flag that would forbid the restart is taken any more.
        err = user_get(task, FIELD(task, flags), &flags);
        if (!err && (flags || cs.flags))
            err = -LINUX_EINVAL;
        if (err)
            return err;
    }
    err = user_zero(task, FIELD(task, rseq_cs), sizeof addr);
    if (!err && inside)
        task->cpu.pc = cs.abort_ip;
    return err;
}

static int update_number(struct task *task)
{
    uint32_t number = mem_cpu_number(&task->cpu), both[2] = {number, number};
    return user_put(task, FIELD(task, cpu_id_start), &both);
}

static void fail(struct task *task)
{
    struct siginfo info = {.signo = LINUX_SIGSEGV, .code = LINUX_SI_KERNEL};
    rseq_clear(task);
    signal_force(task, &info);
}

void rseq_switched(struct task *task)
{
    // First: what happens from here on counts anew.
    atomic_store_explicit(&task->cpu.switched, false, memory_order_seq_cst);
    if (task->rseq && (abort_section(task) || update_number(task)))
        fail(task);
}

void rseq_signal(struct task *task)
{
    if (task->rseq && abort_section(task))
        fail(task);
}

void rseq_clear(struct task *task)
{
    task->rseq = 0;
    task->cpu.watch_switch = false;
}

void rseq_copy(const struct task *parent, struct task *child)
{
    child->rseq = parent->rseq;
    child->rseq_signature = parent->rseq_signature;
    child->cpu.watch_switch = parent->cpu.watch_switch;
}

static int64_t unregister(struct task *task, uaddr_t rseq, uint32_t len, uint32_t signature)
{
    if (!task->rseq || task->rseq != rseq || len != sizeof(struct linux_rseq))
        return -LINUX_EINVAL;
    if (task->rseq_signature != signature)
        return -LINUX_EPERM;
    const uint32_t none[2] = {0, (uint32_t)LINUX_RSEQ_CPU_ID_UNINITIALIZED};
    int err = user_put(task, FIELD(task, cpu_id_start), &none);
    if (!err)
        rseq_clear(task);
    return err;
}

int64_t sys_rseq(struct task *task, uaddr_t rseq, uint32_t len, int32_t flags, uint32_t sig)
{
    if (flags == LINUX_RSEQ_FLAG_UNREGISTER)
        return unregister(task, rseq, len, sig);
    if (flags)
        return -LINUX_EINVAL;
    if (task->rseq) {
        if (task->rseq != rseq || len != sizeof(struct linux_rseq))
            return -LINUX_EINVAL;
        return task->rseq_signature == sig ? -LINUX_EBUSY : -LINUX_EPERM;
    }
    if (rseq % LINUX_RSEQ_ALIGN || len != sizeof(struct linux_rseq))
        return -LINUX_EINVAL;
    if (!is_user(cpu_untag(rseq)))
        return -LINUX_EFAULT;
    task->rseq = rseq;
    task->rseq_signature = sig;
    task->cpu.watch_switch = true;
    // The number is there before the guest looks.
    atomic_store_explicit(&task->cpu.switched, true, memory_order_seq_cst);
    return 0;
}
