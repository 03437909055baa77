// seccomp's user notification: a filter's question is answered by another program. Layer 4.
#ifndef KERNEL_SECCOMP_NOTIFY_H
#define KERNEL_SECCOMP_NOTIFY_H

#include "fs/vfs.h"
#include "kernel/seccomp.h"
#include "platform/abi/seccomp.h"
#include "platform/base/compiler.h"

struct seccomp_notifier;

// One reference goes to the filter, one to the file its listener reads. `killable`: once a question
// was received only a fatal signal interrupts who asked.
NODISCARD int seccomp_notifier_create(bool killable, struct seccomp_notifier **out,
                                      struct file **file);
// The filter is gone, and its reference with it.
void seccomp_notifier_unused(struct seccomp_notifier *n);
// Nobody listens any more.
bool seccomp_notifier_closed(struct seccomp_notifier *n);
// Asks and waits for the answer. `*result` is -LINUX_ENOSYS when there is nobody.
enum seccomp_answer seccomp_notify(struct task *task, struct seccomp_notifier *n,
                                   const struct linux_seccomp_data *data, int64_t *result);

#endif
