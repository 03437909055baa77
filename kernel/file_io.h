// Transfers with flags of their own, for calls that read and write besides those of
// kernel/file_io.c. Layer 4.
#ifndef KERNEL_FILE_IO_H
#define KERNEL_FILE_IO_H

#include "kernel/user.h"
#include "platform/abi/fcntl.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct task;

#define FILE_RWF_KNOWN                                                                             \
    ((uint32_t)(LINUX_RWF_HIPRI | LINUX_RWF_DSYNC | LINUX_RWF_SYNC | LINUX_RWF_NOWAIT |            \
                LINUX_RWF_APPEND))

// One buffer at a position, or at the file's own (-1).
int64_t file_io_flagged(struct task *task, int32_t fd, uaddr_t buf, uint64_t count, int64_t offset,
                        uint32_t rwf, bool write);

#endif
