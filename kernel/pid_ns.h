// Process namespaces (pid_namespaces(7)). Layer 4.
//
// Everything in kernel/ knows tasks, groups and sessions by the machine's numbers. A task that was
// born in a namespace has numbers of its own in that one and in those around it; system calls
// translate at their edge, by the namespace of the caller. The initial one is NULL and translates
// nothing.
#ifndef KERNEL_PID_NS_H
#define KERNEL_PID_NS_H

#include "fs/namespace.h"
#include "kernel/task.h"
#include "platform/base/compiler.h"

struct pid_ns {
    struct namespace base;
    struct pid_ns *parent; // referenced, immutable; NULL: the initial one
    unsigned level;        // immutable: 1 below the initial one
    // Guarded by tasklist.
    int32_t *machine;       // by number: the machine's, 0 for none; NULL once it ended
    int32_t last;           // number handed out last
    struct process *reaper; // number 1, until it is released
    unsigned task_count;    // not yet released, those in namespaces below included
    bool ending;            // number 1 ends: nobody is born here any more
    int32_t reboot;         // the signal that its end is told as, or 0
};
enum { PID_NS_LEVEL_MAX = 32 };

// The numbers of a task in its namespace and those around it, innermost last.
struct pid_numbers {
    _Atomic uint32_t refs;
    struct pid_ns *ns;                // referenced: the innermost
    int32_t number[PID_NS_LEVEL_MAX]; // [level - 1]
};
void pid_numbers_put(struct pid_numbers *numbers);
// Every task is gone: what the table of numbers still holds of them.
void pid_ns_forget_all(struct kernel *kernel);

// Numbers that a new task is to have (clone3's set_tid), innermost first; those further out that
// are not given are chosen as usual.
struct pid_choice {
    uint32_t count; // 0: none
    int32_t number[PID_NS_LEVEL_MAX];
};
// -LINUX_EINVAL, -LINUX_EPERM when `cred` may not choose there.
NODISCARD int pid_choice_check(const struct pid_choice *choice, const struct pid_ns *ns,
                               const struct cred *cred);

// Below `parent`. NULL without memory.
struct pid_ns *pid_ns_create(struct pid_ns *parent, struct user_ns *owner, uint32_t inum);
static inline struct pid_ns *pid_ns_get(struct pid_ns *ns)
{
    return (struct pid_ns *)(void *)namespace_get((struct namespace *)(void *)ns);
}
static inline void pid_ns_put(struct pid_ns *ns)
{
    namespace_put((struct namespace *)(void *)ns);
}
bool pid_ns_within(const struct pid_ns *ns, const struct pid_ns *outer); // or the same

// Gives a task that has the machine's number `pid` its numbers in task->pid_ns and around it.
// tasklist is held. -LINUX_ENOMEM when the namespace has ended, -LINUX_EAGAIN; -LINUX_EEXIST for a
// chosen one.
NODISCARD int pid_ns_enter(struct task *task, int32_t pid, const struct pid_choice *choice);
void pid_ns_leave(struct task *task); // it is released; tasklist is held
// Who takes orphans in a namespace; NULL: nobody any more. tasklist is held.
struct process *pid_ns_reaper(struct kernel *kernel, struct pid_ns *ns);

// The machine's number for one of `ns`, and the reverse: 0 for what is not there. The first takes a
// number as calls do: what is not above 0 is no task and stays as it is.
int32_t pid_of_locked(struct kernel *kernel, const struct pid_ns *ns, int32_t number);
int32_t pid_shown_locked(struct kernel *kernel, const struct pid_ns *ns, int32_t pid);
int32_t pid_ns_of(struct kernel *kernel, const struct pid_ns *ns, int32_t number);
int32_t pid_ns_shown(struct kernel *kernel, const struct pid_ns *ns, int32_t pid);
// The same for what a task passes and sees; without tasklist.
static inline int32_t pid_arg(const struct task *task, int32_t number)
{
    return LIKELY(!task->pid_ns) || number <= 0 ? number
                                                : pid_ns_of(task->kernel, task->pid_ns, number);
}
static inline int32_t pid_seen(const struct task *task, int32_t pid)
{
    return LIKELY(!task->pid_ns) ? pid : pid_ns_shown(task->kernel, task->pid_ns, pid);
}

#endif
