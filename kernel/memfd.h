// Memory files (memfd_create) and their seals. Layer 4.
#ifndef KERNEL_MEMFD_H
#define KERNEL_MEMFD_H

#include <stdint.h>

struct file;

// fcntl: F_ADD_SEALS and F_GET_SEALS. -LINUX_EINVAL for files that take none.
int64_t memfd_add_seals(struct file *file, uint32_t seals);
int64_t memfd_get_seals(struct file *file);

#endif
