// procfs and the small part of sysfs programs ask for. Layer 4.
//
// Contents are made from snapshots when a file is first read (or read again from its start): no
// lock is held while text is formatted, and nothing is cached between opens.
#ifndef KERNEL_PROC_PROC_H
#define KERNEL_PROC_PROC_H

#include "platform/base/compiler.h"

struct file;
struct kernel;
struct pid_ns;
struct super;
struct task;

// Each makes a super with one reference, for vfs_mount().
NODISCARD int procfs_create(struct kernel *kernel, struct pid_ns *pid_ns, struct super **out);
NODISCARD int sysfs_create(struct kernel *kernel, struct super **out);

// The leader of the process whose directory /proc/PID `file` is, referenced. EBADF: it is none.
NODISCARD int proc_dir_task(const struct file *file, struct task **out);

#endif
