#include "kernel/seccomp.h"
#include "kernel/bpf.h"
#include "kernel/fd.h"
#include "kernel/process.h"
#include "kernel/seccomp_notify.h"
#include "kernel/signal_internal.h"
#include "kernel/sleep.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include <stdlib.h>

enum {
    MAX_ERRNO = 4095,
    INSNS_PER_PATH = (1 << 18) / sizeof(struct linux_sock_filter),
    FILTER_OVERHEAD = 4, // instructions that each filter of a path counts besides its own
    NR_RT_SIGRETURN = 139,
    NR_READ = 63,
    NR_WRITE = 64,
    NR_EXIT = 93,
};

// Immutable; the chain of those before it is kept by reference.
struct seccomp_filter {
    _Atomic uint32_t refs;
    struct seccomp_filter *previous;
    struct seccomp_notifier *notifier; // referenced; NULL: nobody is asked
    bool log;
    size_t count;
    struct linux_sock_filter program[];
};

static struct seccomp_filter *filter_get(struct seccomp_filter *filter)
{
    if (filter)
        atomic_fetch_add_explicit(&filter->refs, 1, memory_order_relaxed);
    return filter;
}

void seccomp_filter_put(struct seccomp_filter *filter)
{
    while (filter && atomic_fetch_sub_explicit(&filter->refs, 1, memory_order_acq_rel) == 1) {
        struct seccomp_filter *previous = filter->previous;
        if (filter->notifier)
            seccomp_notifier_unused(filter->notifier);
        free(filter);
        filter = previous;
    }
}

static struct seccomp_filter *filter_of(const struct task *task)
{
    return atomic_load_explicit(&task->seccomp, memory_order_acquire);
}

static uint32_t mode_of(const struct task *task)
{
    return atomic_load_explicit(&task->seccomp_mode, memory_order_relaxed);
}

unsigned seccomp_filter_count(const struct task *task)
{
    unsigned count = 0;
    for (const struct seccomp_filter *f = filter_of(task); f; f = f->previous)
        count++;
    return count;
}

void seccomp_inherit(struct task *parent, struct task *child)
{
    struct seccomp_filter *now = filter_get(filter_of(parent));
    struct seccomp_filter *old =
        atomic_exchange_explicit(&child->seccomp, now, memory_order_acq_rel);
    atomic_store_explicit(&child->seccomp_mode, mode_of(parent), memory_order_relaxed);
    atomic_store_explicit(&child->no_new_privs,
                          atomic_load_explicit(&parent->no_new_privs, memory_order_relaxed),
                          memory_order_relaxed);
    seccomp_filter_put(old);
}

// --- Before each call ----------------------------------------------------------------------------

static void end_thread(struct task *task, int signo)
{
    task->exiting = true;
    task->exit_status = signo;
}

static struct siginfo sigsys(const struct task *task, uint32_t nr, uint32_t data)
{
    return (struct siginfo){.signo = LINUX_SIGSYS,
                            .code = LINUX_SYS_SECCOMP,
                            .error = (int32_t)data,
                            .call_addr = task->cpu.pc,
                            .syscall = (int32_t)nr};
}

static void kill(struct task *task, uint32_t nr, bool whole_process)
{
    struct process *p = task->process;
    lock_acquire(&task->kernel->tasklist);
    bool last = p->live_threads == 1;
    lock_release(&task->kernel->tasklist);
    if (!whole_process && !last) {
        end_thread(task, LINUX_SIGSYS);
        return;
    }
    lock_acquire(&p->lock);
    lock_acquire(&p->sighand->lock);
    p->sighand->action[LINUX_SIGSYS].handler = LINUX_SIG_DFL;
    lock_release(&p->sighand->lock);
    lock_release(&p->lock);
    struct siginfo info = sigsys(task, nr, 0);
    signal_force(task, &info);
}

static void report(struct task *task, uint32_t nr, uint32_t action)
{
    log_printf(&task->kernel->log, LOG_WARN, "%s[%d]: seccomp: system call %u, action %#x",
               task->comm, task->pid, nr, action);
}

// The most restrictive answer of all filters; of equal ones the newest filter's. *from is NULL when
// nobody objected.
static uint32_t ask(const struct task *task, const struct linux_seccomp_data *data,
                    const struct seccomp_filter **from)
{
    uint32_t answer = LINUX_SECCOMP_RET_ALLOW;
    *from = NULL;
    for (const struct seccomp_filter *f = filter_of(task); f; f = f->previous) {
        uint32_t one = bpf_run(f->program, data);
        if ((int32_t)(one & LINUX_SECCOMP_RET_ACTION_FULL) <
            (int32_t)(answer & LINUX_SECCOMP_RET_ACTION_FULL)) {
            answer = one;
            *from = f;
        }
    }
    return answer;
}

struct question {
    struct linux_seccomp_data data;
    uint32_t answer;
    const struct seccomp_filter *from;
};

static void ask_filters(const struct task *task, uint32_t nr, struct question *q)
{
    const uint64_t *x = task->cpu.x;
    q->data = (struct linux_seccomp_data){
        .nr = (int32_t)nr,
        .arch = LINUX_AUDIT_ARCH_AARCH64,
        .instruction_pointer = task->cpu.pc,
        .args = {task->syscall_x0, x[1], x[2], x[3], x[4], x[5]},
    };
    q->answer = ask(task, &q->data, &q->from);
}

static enum seccomp_answer obey(struct task *task, uint32_t nr, const struct question *q,
                                int64_t *result);

// SECCOMP_RET_TRACE. What the tracer made of the call is asked about again, where being told to
// ask the tracer means yes.
static enum seccomp_answer let_tracer_decide(struct task *task, uint32_t *nr, uint32_t data,
                                             int64_t *result)
{
    *result = -LINUX_ENOSYS;
    if (!ptrace_seccomp(task, nr, data))
        return SECCOMP_ANSWERED;
    *result = (int64_t)task->cpu.x[0];
    if (task_dying(task) || *nr == UINT32_MAX)
        return SECCOMP_ANSWERED;
    struct question q;
    ask_filters(task, *nr, &q);
    return (q.answer & LINUX_SECCOMP_RET_ACTION_FULL) == LINUX_SECCOMP_RET_TRACE
               ? SECCOMP_MAKE
               : obey(task, *nr, &q, result);
}

static enum seccomp_answer obey(struct task *task, uint32_t nr, const struct question *q,
                                int64_t *result)
{
    uint32_t action = q->answer & LINUX_SECCOMP_RET_ACTION_FULL,
             data = q->answer & LINUX_SECCOMP_RET_DATA;
    if (q->from && q->from->log && action != LINUX_SECCOMP_RET_LOG)
        report(task, nr, action);
    switch (action) {
    case LINUX_SECCOMP_RET_ALLOW:
        return SECCOMP_MAKE;
    case LINUX_SECCOMP_RET_LOG:
        report(task, nr, action);
        return SECCOMP_MAKE;
    case LINUX_SECCOMP_RET_ERRNO:
        *result = -(int64_t)(data < MAX_ERRNO ? data : MAX_ERRNO);
        return SECCOMP_ANSWERED;
    case LINUX_SECCOMP_RET_TRAP: {
        struct siginfo info = sigsys(task, nr, data);
        signal_force(task, &info);
        return SECCOMP_ANSWERED;
    }
    case LINUX_SECCOMP_RET_USER_NOTIF:
        *result = -LINUX_ENOSYS; // unless somebody is there to ask
        return q->from->notifier ? seccomp_notify(task, q->from->notifier, &q->data, result)
                                 : SECCOMP_ANSWERED;
    default:
        kill(task, nr, action != LINUX_SECCOMP_RET_KILL_THREAD);
        return SECCOMP_ANSWERED;
    }
}

enum seccomp_answer seccomp_ask(struct task *task, uint32_t *number, int64_t *result)
{
    uint32_t nr = *number;
    *result = (int64_t)task->cpu.x[0]; // what traps and kills show
    if (mode_of(task) == LINUX_SECCOMP_MODE_STRICT) {
        if (nr == NR_READ || nr == NR_WRITE || nr == NR_EXIT || nr == NR_RT_SIGRETURN)
            return SECCOMP_MAKE;
        end_thread(task, LINUX_SIGKILL);
        return SECCOMP_ANSWERED;
    }
    struct question q;
    ask_filters(task, nr, &q);
    if ((q.answer & LINUX_SECCOMP_RET_ACTION_FULL) == LINUX_SECCOMP_RET_TRACE)
        return let_tracer_decide(task, number, q.answer & LINUX_SECCOMP_RET_DATA, result);
    return obey(task, nr, &q, result);
}

// --- Setting -------------------------------------------------------------------------------------

static int read_filter(struct task *task, uaddr_t addr, struct seccomp_filter **out)
{
    struct linux_sock_fprog program;
    if (user_get(task, addr, &program))
        return -LINUX_EFAULT;
    if (program.len == 0 || program.len > LINUX_BPF_MAXINSNS)
        return -LINUX_EINVAL;
    if (!atomic_load_explicit(&task->no_new_privs, memory_order_relaxed) &&
        !task_capable_own(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EACCES;
    size_t bytes = program.len * sizeof(struct linux_sock_filter);
    struct seccomp_filter *f = malloc(sizeof *f + bytes);
    if (!f)
        return -LINUX_ENOMEM;
    *f = (struct seccomp_filter){.count = program.len};
    atomic_init(&f->refs, 1);
    int err = user_read(task, program.filter, f->program, bytes);
    if (!err)
        err = bpf_check(f->program, f->count);
    if (err)
        free(f);
    else
        *out = f;
    return err;
}

static bool path_too_long(const struct seccomp_filter *f)
{
    size_t total = f->count;
    for (f = f->previous; f; f = f->previous)
        total += f->count + FILTER_OVERHEAD;
    return total > INSNS_PER_PATH;
}

static bool is_ancestor(const struct seccomp_filter *old, const struct seccomp_filter *of)
{
    for (; of; of = of->previous)
        if (of == old)
            return true;
    return old == NULL;
}

// The first thread that has a filter the caller's do not follow from, or NULL. process->lock held.
static struct task *cannot_follow(struct task *task)
{
    struct task *t;
    list_for_each (t, &task->process->threads, thread_link) {
        if (t == task || t->exit_begun)
            continue;
        uint32_t mode = mode_of(t);
        if (mode != LINUX_SECCOMP_MODE_DISABLED &&
            (mode != LINUX_SECCOMP_MODE_FILTER || !is_ancestor(filter_of(t), filter_of(task))))
            return t;
    }
    return NULL;
}

// `filter` is consumed. process->lock is held. What threads had stays allocated: the new filter's
// chain holds it.
static void give(struct task *to, struct seccomp_filter *filter)
{
    seccomp_filter_put(atomic_exchange_explicit(&to->seccomp, filter, memory_order_acq_rel));
    atomic_store_explicit(&to->seccomp_mode, LINUX_SECCOMP_MODE_FILTER, memory_order_release);
}

static int64_t attach_locked(struct task *task, struct seccomp_filter *f, uint32_t flags)
{
    if (mode_of(task) != LINUX_SECCOMP_MODE_DISABLED && mode_of(task) != LINUX_SECCOMP_MODE_FILTER)
        return -LINUX_EINVAL;
    for (const struct seccomp_filter *old = filter_of(task); f->notifier && old;
         old = old->previous)
        if (old->notifier && !seccomp_notifier_closed(old->notifier))
            return -LINUX_EBUSY; // one listener is enough
    f->previous = filter_of(task);
    if (path_too_long(f)) {
        f->previous = NULL;
        return -LINUX_ENOMEM;
    }
    bool all = flags & LINUX_SECCOMP_FILTER_FLAG_TSYNC;
    struct task *other = all ? cannot_follow(task) : NULL;
    if (other) {
        f->previous = NULL;
        return flags & LINUX_SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -LINUX_ESRCH : other->own_pid;
    }
    filter_get(f->previous);
    give(task, filter_get(f));
    struct task *t;
    list_for_each (t, &task->process->threads, thread_link) {
        if (!all || t == task || t->exit_begun)
            continue;
        if (atomic_load_explicit(&task->no_new_privs, memory_order_relaxed))
            atomic_store_explicit(&t->no_new_privs, true, memory_order_relaxed);
        give(t, filter_get(f));
    }
    return 0;
}

static int64_t set_filter(struct task *task, uint32_t flags, uaddr_t program)
{
    const uint32_t tsync = LINUX_SECCOMP_FILTER_FLAG_TSYNC,
                   esrch = LINUX_SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
                   listener = LINUX_SECCOMP_FILTER_FLAG_NEW_LISTENER,
                   killable = LINUX_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    const uint32_t known = LINUX_SECCOMP_FILTER_FLAG_LOG | LINUX_SECCOMP_FILTER_FLAG_SPEC_ALLOW |
                           tsync | esrch | listener | killable;
    // A result cannot be a thread and a descriptor.
    if (flags & ~known || (flags & (tsync | listener | esrch)) == (tsync | listener) ||
        (flags & (killable | listener)) == killable)
        return -LINUX_EINVAL;
    struct seccomp_filter *f = NULL;
    struct file *file = NULL;
    int fd = 0, err = read_filter(task, program, &f);
    if (err)
        return err;
    f->log = flags & LINUX_SECCOMP_FILTER_FLAG_LOG;
    if (flags & listener) {
        fd = fd_reserve(task, 0, true);
        err = fd < 0 ? fd : seccomp_notifier_create(flags & killable, &f->notifier, &file);
        if (err && fd >= 0)
            fd_unreserve(task, fd);
        if (err) {
            seccomp_filter_put(f);
            return err;
        }
    }
    lock_acquire(&task->process->lock);
    int64_t result = attach_locked(task, f, flags);
    lock_release(&task->process->lock);
    if (file && result) {
        fd_unreserve(task, fd);
        file_put(file);
    } else if (file) {
        fd_fill(task, fd, file);
        result = fd;
    }
    seccomp_filter_put(f);
    return result;
}

static int64_t set_strict(struct task *task)
{
    lock_acquire(&task->process->lock);
    bool possible = mode_of(task) != LINUX_SECCOMP_MODE_FILTER;
    if (possible)
        atomic_store_explicit(&task->seccomp_mode, LINUX_SECCOMP_MODE_STRICT, memory_order_relaxed);
    lock_release(&task->process->lock);
    return possible ? 0 : -LINUX_EINVAL;
}

static int64_t action_available(struct task *task, uaddr_t addr)
{
    uint32_t action;
    if (user_get(task, addr, &action))
        return -LINUX_EFAULT;
    switch (action) {
    case LINUX_SECCOMP_RET_KILL_PROCESS:
    case LINUX_SECCOMP_RET_KILL_THREAD:
    case LINUX_SECCOMP_RET_TRAP:
    case LINUX_SECCOMP_RET_ERRNO:
    case LINUX_SECCOMP_RET_USER_NOTIF:
    case LINUX_SECCOMP_RET_TRACE:
    case LINUX_SECCOMP_RET_LOG:
    case LINUX_SECCOMP_RET_ALLOW:
        return 0;
    default:
        return -LINUX_EOPNOTSUPP;
    }
}

int64_t sys_seccomp(struct task *task, uint32_t op, uint32_t flags, uaddr_t args)
{
    static const struct linux_seccomp_notif_sizes sizes = {80, 24, 64};
    switch (op) {
    case LINUX_SECCOMP_SET_MODE_STRICT:
        return flags || args ? -LINUX_EINVAL : set_strict(task);
    case LINUX_SECCOMP_SET_MODE_FILTER:
        return set_filter(task, flags, args);
    case LINUX_SECCOMP_GET_ACTION_AVAIL:
        return flags ? -LINUX_EINVAL : action_available(task, args);
    case LINUX_SECCOMP_GET_NOTIF_SIZES:
        return flags ? -LINUX_EINVAL : user_put(task, args, &sizes);
    default:
        return -LINUX_EINVAL;
    }
}

int64_t seccomp_set_mode(struct task *task, uint64_t mode, uint64_t program)
{
    switch (mode) {
    case LINUX_SECCOMP_MODE_STRICT:
        return set_strict(task);
    case LINUX_SECCOMP_MODE_FILTER:
        return set_filter(task, 0, program);
    default:
        return -LINUX_EINVAL;
    }
}
