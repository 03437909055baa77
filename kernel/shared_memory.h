// Shared anonymous memory: a file of memory without a name, so that its pages have an owner that
// outlives each mapping, and futexes in it a key. Layer 4.
#ifndef KERNEL_SHARED_MEMORY_H
#define KERNEL_SHARED_MEMORY_H

#include "platform/base/compiler.h"
#include <stdint.h>

struct file;
struct kernel;

// A file of `size` bytes of zeroes with one reference. -LINUX_ENOMEM.
NODISCARD int shared_memory_create(struct kernel *kernel, uint64_t size, struct file **out);

#endif
