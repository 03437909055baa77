// Which mappings show which inode: how truncation finds every page-table entry of a file. Layer 4.
#ifndef KERNEL_FILE_MAPS_H
#define KERNEL_FILE_MAPS_H

#include "platform/base/compiler.h"

struct file_maps;
struct kernel;
struct vma;

// Makes kernel->file_maps and installs the VFS's revoke hook.
NODISCARD int file_maps_create(struct kernel *kernel);
void file_maps_destroy(struct kernel *kernel); // no mapping is left

// Of a VMA with a file that has an inode; else nothing happens. mm->lock of the VMA is held.
void file_maps_add(struct vma *v);
void file_maps_remove(struct vma *v);

#endif
