// Who may look into another task: the rule of ptrace(2), which /proc, process_vm_readv(2), kcmp(2)
// and pidfd_getfd(2) follow too. Layer 4.
#ifndef KERNEL_TRACE_ACCESS_H
#define KERNEL_TRACE_ACCESS_H

#include <stdbool.h>

struct cred;
struct task;

// `who` with its file-system ids (PTRACE_MODE_FSCREDS). The threads of one process always may: that
// is for the caller to know.
bool cred_may_trace_fs(const struct cred *who, struct task *target);
// The calling task with its real ids (PTRACE_MODE_REALCREDS).
bool task_may_trace(const struct task *task, struct task *target);
// PR_SET_DUMPABLE of its process is 1.
bool task_is_dumpable(struct task *task);

#endif
