#include "kernel/pid_ns.h"
#include "kernel/kernel.h"
#include "kernel/pid.h"
#include "kernel/process.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"
#include <stdlib.h>

static void pid_ns_destroy(struct namespace *base)
{
    struct pid_ns *ns = CONTAINER_OF(base, struct pid_ns, base);
    struct pid_ns *parent = ns->parent;
    free(ns->machine);
    free(ns);
    pid_ns_put(parent);
}

struct pid_ns *pid_ns_create(struct pid_ns *parent, struct user_ns *owner, uint32_t inum)
{
    struct pid_ns *ns = calloc(1, sizeof *ns);
    int32_t *machine = calloc(PID_MAX, sizeof *machine);
    if (!ns || !machine) {
        free(ns);
        free(machine);
        return NULL;
    }
    namespace_init(&ns->base, (uint32_t)LINUX_CLONE_NEWPID, inum, owner, pid_ns_destroy);
    ns->parent = pid_ns_get(parent);
    ns->level = parent ? parent->level + 1 : 1;
    ns->machine = machine;
    return ns;
}

bool pid_ns_within(const struct pid_ns *ns, const struct pid_ns *outer)
{
    while (ns && ns != outer)
        ns = ns->parent;
    return ns == outer;
}

void pid_numbers_put(struct pid_numbers *numbers)
{
    if (!numbers || atomic_fetch_sub_explicit(&numbers->refs, 1, memory_order_acq_rel) != 1)
        return;
    pid_ns_put(numbers->ns);
    free(numbers);
}

void pid_ns_forget_all(struct kernel *kernel)
{
    for (int32_t pid = 1; kernel->pids && pid < PID_MAX; pid++) {
        struct pid_slot *slot = pid_slot(kernel->pids, pid);
        if (!slot)
            continue;
        pid_numbers_put(slot->numbers);
        slot->numbers = NULL;
    }
}

// --- Translation ---------------------------------------------------------------------------------

static int32_t number_in(const struct pid_numbers *numbers, const struct pid_ns *ns)
{
    return numbers && pid_ns_within(numbers->ns, ns) ? numbers->number[ns->level - 1] : 0;
}

int32_t pid_shown_locked(struct kernel *kernel, const struct pid_ns *ns, int32_t pid)
{
    if (!ns)
        return pid;
    const struct pid_slot *slot = pid_slot(kernel->pids, pid);
    return slot ? number_in(slot->numbers, ns) : 0;
}

int32_t pid_of_locked(struct kernel *kernel, const struct pid_ns *ns, int32_t number)
{
    if (!ns || number <= 0)
        return number;
    int32_t pid = number < PID_MAX && ns->machine ? ns->machine[number] : 0;
    // An entry outlives its task: the machine's number may be somebody else's by now.
    return pid && pid_in_use(kernel->pids, pid) && pid_shown_locked(kernel, ns, pid) == number ? pid
                                                                                               : 0;
}

int32_t pid_ns_shown(struct kernel *kernel, const struct pid_ns *ns, int32_t pid)
{
    lock_acquire(&kernel->tasklist);
    int32_t number = pid_shown_locked(kernel, ns, pid);
    lock_release(&kernel->tasklist);
    return number;
}

int32_t pid_ns_of(struct kernel *kernel, const struct pid_ns *ns, int32_t number)
{
    lock_acquire(&kernel->tasklist);
    int32_t pid = pid_of_locked(kernel, ns, number);
    lock_release(&kernel->tasklist);
    return pid ? pid : INT32_MAX; // nobody's number, and no special argument either
}

// --- Birth and end -------------------------------------------------------------------------------

static int32_t allocate(struct kernel *kernel, struct pid_ns *ns)
{
    enum { FIRST_AFTER_WRAP = 300 };
    int32_t number = ns->last;
    for (int32_t tried = 0; tried < PID_MAX; tried++) {
        if (++number >= PID_MAX)
            number = FIRST_AFTER_WRAP;
        if (pid_of_locked(kernel, ns, number))
            continue;
        ns->last = number;
        return number;
    }
    return -LINUX_EAGAIN;
}

int pid_choice_check(const struct pid_choice *choice, const struct pid_ns *ns,
                     const struct cred *cred)
{
    if (choice->count > (ns ? ns->level : 0) + 1)
        return -LINUX_EINVAL;
    for (uint32_t i = 0; i < choice->count; i++) {
        int32_t number = choice->number[i];
        if (number < 1 || number >= PID_MAX || (ns && number != 1 && !ns->reaper))
            return -LINUX_EINVAL;
        const struct user_ns *owner = ns ? ns->base.owner : NULL;
        if (!cred_capable_in(cred, owner, LINUX_CAP_CHECKPOINT_RESTORE) &&
            !cred_capable_in(cred, owner, LINUX_CAP_SYS_ADMIN))
            return -LINUX_EPERM;
        ns = ns ? ns->parent : NULL; // the last is the machine's
    }
    return 0;
}

// A number of the caller's choice, or the next free one.
static int32_t number_for(struct kernel *kernel, struct pid_ns *ns, uint32_t depth,
                          const struct pid_choice *choice)
{
    if (depth >= choice->count)
        return allocate(kernel, ns);
    int32_t number = choice->number[depth];
    return pid_of_locked(kernel, ns, number) ? -LINUX_EEXIST : number;
}

int pid_ns_enter(struct task *task, int32_t pid, const struct pid_choice *choice)
{
    struct kernel *kernel = task->kernel;
    struct pid_slot *slot = pid_slot(kernel->pids, pid);
    pid_numbers_put(slot->numbers); // of who had it before
    slot->numbers = NULL;
    if (!task->pid_ns)
        return 0;
    if (task->pid_ns->ending)
        return -LINUX_ENOMEM;
    struct pid_numbers *numbers = calloc(1, sizeof *numbers);
    if (!numbers)
        return -LINUX_ENOMEM;
    atomic_init(&numbers->refs, 1);
    for (struct pid_ns *ns = task->pid_ns; ns; ns = ns->parent) {
        int32_t number = number_for(kernel, ns, task->pid_ns->level - ns->level, choice);
        if (number < 0) {
            free(numbers);
            return number;
        }
        numbers->number[ns->level - 1] = number;
    }
    numbers->ns = pid_ns_get(task->pid_ns);
    slot->numbers = numbers;
    for (struct pid_ns *ns = task->pid_ns; ns; ns = ns->parent) {
        ns->machine[numbers->number[ns->level - 1]] = pid;
        ns->task_count++;
    }
    return 0;
}

void pid_ns_leave(struct task *task)
{
    struct process *p = task->process;
    for (struct pid_ns *ns = task->pid_ns; ns; ns = ns->parent) {
        ns->task_count--;
        if (ns->reaper == p && p->leader == task)
            ns->reaper = NULL;
        if (ns->ending && ns->task_count == 0) {
            free(ns->machine); // nobody will be looked for by number any more
            ns->machine = NULL;
        }
    }
}

struct process *pid_ns_reaper(struct kernel *kernel, struct pid_ns *ns)
{
    return ns ? ns->reaper : kernel->init_process;
}
