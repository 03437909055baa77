// ptrace(2): the tracer's side.
#include "kernel/ptrace.h"
#include "kernel/mm.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/ptrace_regs.h"
#include "kernel/signal_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task_internal.h"
#include "kernel/trace_access.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/seccomp.h"

struct request {
    int64_t nr;
    uint64_t addr, data;
};

// --- Becoming a tracer ---------------------------------------------------------------------------

// PTRACE_O_SUSPEND_SECCOMP is for kernels that can be checkpointed.
static int check_options(uint64_t options)
{
    return options & ~(uint64_t)(LINUX_PTRACE_O_MASK & ~LINUX_PTRACE_O_SUSPEND_SECCOMP)
               ? -LINUX_EINVAL
               : 0;
}

static int64_t trace_me(struct task *task)
{
    struct task *parent = NULL;
    int64_t result = -LINUX_EPERM;
    lock_acquire(&task->kernel->tasklist);
    parent = task->process->leader->real_parent;
    if (!task->ptrace.tracer && parent && !parent->exit_begun) {
        ptrace_tie(parent, task, false, 0);
        result = 0;
    }
    lock_release(&task->kernel->tasklist);
    return result;
}

// A task that has stopped with its group becomes a stopped tracee. process->lock is held.
static void leave_group_stop(struct task *child)
{
    child->in_stop = false;
    child->ptrace.trap_stop = true;
    child->ptrace.trapping = true;
    signal_wake(child);
}

static void wait_for_trap(struct task *task, struct task *child)
{
    struct process *p = child->process;
    for (;;) {
        lock_acquire(&p->lock);
        bool trapping = child->ptrace.tracer == task && child->ptrace.trapping &&
                        !child->exit_begun && !p->group_exit;
        lock_release(&p->lock);
        if (!trapping || task_wait(task, WAIT_FOREVER, WAIT_KILLABLE))
            return;
    }
}

static int64_t attach(struct task *task, struct task *child, bool seize, const struct request *rq)
{
    static const struct siginfo stop = {.signo = LINUX_SIGSTOP, .code = LINUX_SI_KERNEL};
    if (seize && (rq->addr || rq->data & ~(uint64_t)LINUX_PTRACE_O_MASK))
        return -LINUX_EIO;
    int err = seize ? check_options(rq->data) : 0;
    if (err)
        return err;
    if (child->process == task->process || !task_may_trace(task, child))
        return -LINUX_EPERM;
    struct kernel *kernel = task->kernel;
    struct process *p = child->process;
    lock_acquire(&kernel->tasklist);
    uint32_t state = atomic_load_explicit(&child->state, memory_order_relaxed);
    bool possible = !child->ptrace.tracer && state != TASK_ZOMBIE && state != TASK_DEAD;
    if (possible) {
        ptrace_tie(task, child, seize, seize ? (uint32_t)rq->data : 0);
        if (!seize)
            (void)signal_send_thread(child, &stop);
        lock_acquire(&p->lock);
        if (child->in_stop)
            leave_group_stop(child);
        lock_release(&p->lock);
    }
    lock_release(&kernel->tasklist);
    if (possible)
        wait_for_trap(task, child);
    return possible ? 0 : -LINUX_EPERM;
}

static int64_t detach(struct task *task, struct task *child, const struct request *rq)
{
    if (rq->data > LINUX_NSIG)
        return -LINUX_EIO;
    lock_acquire(&task->kernel->tasklist);
    lock_acquire(&child->process->lock);
    child->ptrace.resume_signo = (int32_t)rq->data;
    lock_release(&child->process->lock);
    if (child->ptrace.tracer == task)
        ptrace_untie(child);
    lock_release(&task->kernel->tasklist);
    return 0;
}

// --- Going on ------------------------------------------------------------------------------------

void ptrace_continue(struct task *child, int32_t signo, uint32_t work)
{
    lock_acquire(&child->process->lock);
    atomic_store_explicit(&child->ptrace.work, work, memory_order_relaxed);
    ptrace_resume(child, signo);
    lock_release(&child->process->lock);
}

static int64_t resume(struct task *child, const struct request *rq, uint32_t work)
{
    if (rq->data > LINUX_NSIG)
        return -LINUX_EIO;
    ptrace_continue(child, (int32_t)rq->data, work);
    return 0;
}

int ptrace_interrupt(struct task *child)
{
    struct ptrace *pt = &child->ptrace;
    int result = -LINUX_EIO;
    lock_acquire(&child->process->lock);
    if (pt->seized) {
        result = 0;
        if (!child->exit_begun && !child->process->group_exit) {
            pt->trap_stop = true;
            if (pt->stopped && pt->listening)
                ptrace_resume(child, 0);
            signal_wake(child);
        }
    }
    lock_release(&child->process->lock);
    return result;
}

int ptrace_listen(struct task *child)
{
    struct ptrace *pt = &child->ptrace;
    int result = -LINUX_EIO;
    lock_acquire(&child->process->lock);
    if (pt->seized && pt->info && pt->info->code >> 8 == LINUX_PTRACE_EVENT_STOP) {
        pt->listening = true;
        if (pt->trap_notify)
            ptrace_resume(child, 0);
        result = 0;
    }
    lock_release(&child->process->lock);
    return result;
}

// --- Signals -------------------------------------------------------------------------------------

static int64_t get_siginfo(struct task *task, struct task *child, uint64_t data)
{
    struct linux_siginfo out;
    if (!child->ptrace.info)
        return -LINUX_EINVAL;
    // As it was when it was sent: in the numbers of who got it.
    struct siginfo seen = *child->ptrace.info;
    signal_info_seen(child, &seen);
    signal_info_to_guest(&seen, &out);
    return user_put(task, data, &out);
}

static int64_t set_siginfo(struct task *task, struct task *child, uint64_t data)
{
    int32_t signo;
    struct siginfo info;
    if (user_get(task, data, &signo) || signal_info_from_guest(task, data, signo, &info))
        return -LINUX_EFAULT;
    if (!child->ptrace.info)
        return -LINUX_EINVAL;
    *child->ptrace.info = info;
    return 0;
}

// The `index`-th queued signal. False: there are not that many.
static bool queued_signal(struct task *child, bool shared, uint64_t index, struct siginfo *out)
{
    struct process *p = child->process;
    bool found = false;
    lock_acquire(&p->lock);
    struct sigpending *pending = shared ? &p->pending : &child->pending;
    struct sigqueue *q;
    list_for_each (q, &pending->queue, node) {
        if (index-- == 0) {
            *out = q->info;
            found = true;
            break;
        }
    }
    lock_release(&p->lock);
    return found;
}

static int64_t peek_siginfo(struct task *task, struct task *child, const struct request *rq)
{
    struct linux_ptrace_peeksiginfo_args args;
    if (user_get(task, rq->addr, &args))
        return -LINUX_EFAULT;
    if (args.flags & ~(uint32_t)LINUX_PTRACE_PEEKSIGINFO_SHARED || args.nr < 0)
        return -LINUX_EINVAL;
    bool shared = args.flags & LINUX_PTRACE_PEEKSIGINFO_SHARED;
    int32_t count = 0;
    struct siginfo info;
    for (; count < args.nr && queued_signal(child, shared, args.off + (uint32_t)count, &info);
         count++) {
        struct linux_siginfo out;
        signal_info_seen(child, &info);
        signal_info_to_guest(&info, &out);
        if (user_put(task, rq->data + (uint64_t)(uint32_t)count * sizeof out, &out))
            return count ? count : -LINUX_EFAULT;
        if (task_signal_pending(task))
            return count + 1;
    }
    return count;
}

static int64_t get_mask(struct task *task, struct task *child, const struct request *rq)
{
    if (rq->addr != sizeof(uint64_t))
        return -LINUX_EINVAL;
    lock_acquire(&child->process->lock);
    uint64_t mask = child->restore_blocked ? child->saved_blocked : child->blocked;
    lock_release(&child->process->lock);
    return user_put(task, rq->data, &mask);
}

static int64_t set_mask(struct task *task, struct task *child, const struct request *rq)
{
    uint64_t mask;
    if (rq->addr != sizeof mask)
        return -LINUX_EINVAL;
    if (user_get(task, rq->data, &mask))
        return -LINUX_EFAULT;
    lock_acquire(&child->process->lock);
    child->restore_blocked = false;
    signal_set_blocked(child, mask);
    lock_release(&child->process->lock);
    return 0;
}

// --- Memory and registers ------------------------------------------------------------------------

static int64_t peek(struct task *task, struct task *child, const struct request *rq)
{
    uint64_t word;
    struct mm *mm = task_mm_get(child);
    if (!mm)
        return -LINUX_EIO;
    bool read = user_remote_read(mm, rq->addr, &word, sizeof word, true) == (ssize_t)sizeof word;
    mm_put(mm);
    return read ? user_put(task, rq->data, &word) : -LINUX_EIO;
}

static int64_t poke(struct task *child, const struct request *rq)
{
    struct mm *mm = task_mm_get(child);
    if (!mm)
        return -LINUX_EIO;
    bool written = user_remote_write(mm, rq->addr, &rq->data, sizeof rq->data, true) ==
                   (ssize_t)sizeof rq->data;
    mm_put(mm);
    return written ? 0 : -LINUX_EIO;
}

struct guest_iovec {
    uint64_t base, len;
};

static int64_t regset(struct task *task, struct task *child, const struct request *rq, bool set)
{
    struct guest_iovec iov;
    if (user_get(task, rq->data, &iov))
        return -LINUX_EFAULT;
    size_t unit = 1, size = regset_size(rq->addr, &unit);
    if (!size || iov.len % unit)
        return -LINUX_EINVAL;
    if (iov.len > size)
        iov.len = size;
    uint8_t bytes[REGSET_MAX];
    int err = 0;
    if (set) {
        if (user_read(task, iov.base, bytes, iov.len))
            err = -LINUX_EFAULT;
        else
            err = regset_set(child, rq->addr, bytes, iov.len);
    } else {
        regset_get(child, rq->addr, bytes);
        err = user_write(task, iov.base, bytes, iov.len);
    }
    return err ? err : user_put(task, rq->data + offsetof(struct guest_iovec, len), &iov.len);
}

// --- System calls --------------------------------------------------------------------------------

enum { CODE_SYSCALL = LINUX_SIGTRAP | 0x80 };

// Fills the part that belongs to the stop; returns the bytes of all that is known.
static size_t describe_call(const struct task *child, struct linux_ptrace_syscall_info *info)
{
    const uint64_t *x = child->cpu.x;
    const struct ptrace *pt = &child->ptrace;
    int32_t code = pt->info ? pt->info->code : 0;
    bool seccomp = code == (LINUX_SIGTRAP | LINUX_PTRACE_EVENT_SECCOMP << 8);
    if (seccomp || (code == CODE_SYSCALL && pt->message == LINUX_PTRACE_EVENTMSG_SYSCALL_ENTRY)) {
        info->op = seccomp ? LINUX_PTRACE_SYSCALL_INFO_SECCOMP : LINUX_PTRACE_SYSCALL_INFO_ENTRY;
        info->entry.nr = (uint64_t)(int64_t)pt->call_nr;
        info->entry.args[0] = child->syscall_x0;
        for (unsigned i = 1; i < ARRAY_LEN(info->entry.args); i++)
            info->entry.args[i] = x[i];
        if (!seccomp)
            return offsetof(struct linux_ptrace_syscall_info, entry.ret_data);
        info->entry.ret_data = (uint32_t)pt->message;
        return offsetof(struct linux_ptrace_syscall_info, entry.ret_data) + sizeof(uint32_t);
    }
    if (code != CODE_SYSCALL || pt->message != LINUX_PTRACE_EVENTMSG_SYSCALL_EXIT)
        return offsetof(struct linux_ptrace_syscall_info, entry);
    info->op = LINUX_PTRACE_SYSCALL_INFO_EXIT;
    info->exit.rval = (int64_t)x[0];
    info->exit.is_error = x[0] >= (uint64_t)-4095ll;
    return offsetof(struct linux_ptrace_syscall_info, exit.is_error) + 1;
}

static int64_t get_syscall_info(struct task *task, struct task *child, const struct request *rq)
{
    struct linux_ptrace_syscall_info info = {
        .arch = LINUX_AUDIT_ARCH_AARCH64,
        .instruction_pointer = child->cpu.pc,
        .stack_pointer = child->cpu.x[CPU_SP],
    };
    size_t size = describe_call(child, &info);
    size_t n = rq->addr < size ? (size_t)rq->addr : size;
    return user_write(task, rq->data, &info, n) ? -LINUX_EFAULT : (int64_t)size;
}

static int64_t get_rseq(struct task *task, struct task *child, const struct request *rq)
{
    enum { RSEQ_SIZE = 32 };
    struct linux_ptrace_rseq_configuration conf = {
        .rseq_abi_pointer = child->rseq,
        .rseq_abi_size = child->rseq ? RSEQ_SIZE : 0,
        .signature = child->rseq_signature,
    };
    size_t n = rq->addr < sizeof conf ? (size_t)rq->addr : sizeof conf;
    return user_write(task, rq->data, &conf, n) ? -LINUX_EFAULT : (int64_t)sizeof conf;
}

// --- Requests ------------------------------------------------------------------------------------

static int64_t set_options(struct task *child, uint64_t options)
{
    int err = check_options(options);
    if (err)
        return err;
    lock_acquire(&child->process->lock);
    child->ptrace.options = (uint32_t)options;
    lock_release(&child->process->lock);
    return 0;
}

// On a stopped tracee that is `busy`.
static int64_t answer(struct task *task, struct task *child, const struct request *rq)
{
    switch (rq->nr) {
    case LINUX_PTRACE_PEEKTEXT:
    case LINUX_PTRACE_PEEKDATA:
        return peek(task, child, rq);
    case LINUX_PTRACE_POKETEXT:
    case LINUX_PTRACE_POKEDATA:
        return poke(child, rq);
    case LINUX_PTRACE_GETREGSET:
        return regset(task, child, rq, false);
    case LINUX_PTRACE_SETREGSET:
        return regset(task, child, rq, true);
    case LINUX_PTRACE_SETOPTIONS:
        return set_options(child, rq->data);
    case LINUX_PTRACE_GETEVENTMSG:
        return user_put(task, rq->data, &child->ptrace.message);
    case LINUX_PTRACE_GETSIGINFO:
        return get_siginfo(task, child, rq->data);
    case LINUX_PTRACE_SETSIGINFO:
        return set_siginfo(task, child, rq->data);
    case LINUX_PTRACE_PEEKSIGINFO:
        return peek_siginfo(task, child, rq);
    case LINUX_PTRACE_GETSIGMASK:
        return get_mask(task, child, rq);
    case LINUX_PTRACE_SETSIGMASK:
        return set_mask(task, child, rq);
    case LINUX_PTRACE_GET_SYSCALL_INFO:
        return get_syscall_info(task, child, rq);
    case LINUX_PTRACE_GET_RSEQ_CONFIGURATION:
        return get_rseq(task, child, rq);
    case LINUX_PTRACE_LISTEN:
        return ptrace_listen(child);
    case LINUX_PTRACE_CONT:
        return resume(child, rq, 0);
    case LINUX_PTRACE_SYSCALL:
        return resume(child, rq, PTRACE_WORK_SYSCALL);
    case LINUX_PTRACE_SYSEMU:
        return resume(child, rq, PTRACE_WORK_EMULATE);
    case LINUX_PTRACE_SYSEMU_SINGLESTEP:
        return resume(child, rq, PTRACE_WORK_EMULATE | PTRACE_WORK_STEP);
    case LINUX_PTRACE_SINGLESTEP:
        return resume(child, rq, PTRACE_WORK_STEP);
    case LINUX_PTRACE_DETACH:
        return detach(task, child, rq);
    case LINUX_PTRACE_SECCOMP_GET_FILTER: // what a kernel that cannot be checkpointed says
    case LINUX_PTRACE_SECCOMP_GET_METADATA:
        return -LINUX_EINVAL;
    default:
        return -LINUX_EIO;
    }
}

int ptrace_work_begin(struct task *task, struct task *child)
{
    struct process *p = child->process;
    lock_acquire(&p->lock);
    bool ready = child->ptrace.tracer == task && child->ptrace.stopped && !child->ptrace.listening;
    if (ready)
        child->ptrace.busy = true;
    lock_release(&p->lock);
    return ready ? 0 : -LINUX_ESRCH;
}

// It may have been killed meanwhile: then it goes now. A request that resumed it has ended the work
// already, and another tracer may be at work.
void ptrace_work_end(struct task *task, struct task *child)
{
    lock_acquire(&child->process->lock);
    if (child->ptrace.tracer == task && child->ptrace.busy)
        ptrace_end_work(child);
    lock_release(&child->process->lock);
}

static bool is_tracee(struct task *task, struct task *child)
{
    lock_acquire(&child->process->lock);
    bool is = child->ptrace.tracer == task;
    lock_release(&child->process->lock);
    return is;
}

static int64_t ask(struct task *task, struct task *child, const struct request *rq)
{
    static const struct siginfo kill = {.signo = LINUX_SIGKILL, .code = LINUX_SI_USER};
    switch (rq->nr) {
    case LINUX_PTRACE_ATTACH:
        return attach(task, child, false, rq);
    case LINUX_PTRACE_SEIZE:
        return attach(task, child, true, rq);
    case LINUX_PTRACE_KILL:
        if (!is_tracee(task, child))
            return -LINUX_ESRCH;
        (void)signal_send_thread(child, &kill);
        return 0;
    case LINUX_PTRACE_INTERRUPT:
        return is_tracee(task, child) ? ptrace_interrupt(child) : -LINUX_ESRCH;
    default: {
        int err = ptrace_work_begin(task, child);
        if (err)
            return err;
        int64_t result = answer(task, child, rq);
        ptrace_work_end(task, child);
        return result;
    }
    }
}

int64_t sys_ptrace(struct task *task, int64_t request, int64_t pid, uint64_t addr, uint64_t data)
{
    if (request == LINUX_PTRACE_TRACEME)
        return trace_me(task);
    struct task *child =
        pid > 0 && pid <= INT32_MAX ? task_find(task->kernel, pid_arg(task, (int32_t)pid)) : NULL;
    if (!child)
        return -LINUX_ESRCH;
    struct request rq = {.nr = request, .addr = addr, .data = data};
    int64_t result = ask(task, child, &rq);
    task_put(child);
    return result;
}
