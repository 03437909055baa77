// fcntl(2), F_NOTIFY: signals about what happens in a directory. Layer 4.
#ifndef KERNEL_DNOTIFY_H
#define KERNEL_DNOTIFY_H

#include "fs/vfs.h"
#include "platform/base/compiler.h"
#include <stdint.h>

struct fd_table;
struct kernel;

// `fd` is what the signals will name.
NODISCARD int dnotify_set(struct task *task, struct file *file, int fd, uint32_t events);

// What one descriptor table asked of the file ends, or what every one asked (NULL).
void dnotify_end(struct kernel *kernel, struct file *file, const struct fd_table *table);
// A descriptor of the file is closed: costs a load unless its directory is watched.
static inline void dnotify_close(struct kernel *kernel, struct file *file,
                                 const struct fd_table *table)
{
    if (file->inode && UNLIKELY(atomic_load_explicit(&file->inode->watches, memory_order_relaxed)))
        dnotify_end(kernel, file, table);
}

#endif
