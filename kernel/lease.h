// Leases on files: fcntl(2), F_SETLEASE. Layer 4.
//
// Whoever opens a file in a way that a lease excludes waits until the holder, told with a signal,
// has given it up, or until the time for that is over. Opens by other programs of the host are not
// seen.
#ifndef KERNEL_LEASE_H
#define KERNEL_LEASE_H

#include "fs/vfs.h"
#include "platform/base/compiler.h"
#include <stdatomic.h>
#include <stdint.h>

struct kernel;
struct task;

enum { LEASE_BREAK_TIME = 45 }; // seconds

// `type`: LINUX_F_RDLCK, _WRLCK or _UNLCK. The signals will name `fd`.
NODISCARD int lease_set(struct task *task, struct file *file, int fd, uint32_t type);
// What is left of the file's lease when a break under way is through.
uint32_t lease_get(struct task *task, struct file *file);
void lease_end(struct kernel *kernel, struct file *file);
// The last reference to a file goes, and its lease with it.
static inline void lease_file_gone(struct kernel *kernel, struct file *file)
{
    if (file->inode && UNLIKELY(atomic_load_explicit(&file->inode->leases, memory_order_acquire)))
        lease_end(kernel, file);
}
// /proc/sys/fs/lease-break-time: 0 is for ever.
_Atomic uint32_t *lease_break_time(struct kernel *kernel);

NODISCARD int leases_create(struct kernel *kernel); // after vfs_create()
void leases_destroy(struct kernel *kernel);         // harmless when never created

#endif
