// Memory from the host: anonymous chunks for frames, and windows over host files. Layer 1.
//
// Guest pages are 4 KiB; a host page may be 16 KiB or more. Chunks and windows are made of whole
// host pages. Errors are negative Linux numbers.
#ifndef PLATFORM_HOST_MEM_H
#define PLATFORM_HOST_MEM_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t host_page_size(void);
// Bytes of physical memory of the host.
uint64_t host_memory_size(void);

// `size` zero bytes at a multiple of `align` (a power of two), taking physical memory only when
// touched. Returns 0 or -LINUX_ENOMEM.
NODISCARD int host_mem_map(size_t size, size_t align, void **out);
void host_mem_unmap(void *addr, size_t size);
// Gives the physical memory back; the bytes read as zero again. False where the host cannot promise
// zeroes.
bool host_mem_reset(void *addr, size_t size);
// Hint that all of this will soon be written: physical memory is taken at once, not page by page.
void host_mem_prefault(void *addr, size_t size);
// Hint that large pages pay off here.
void host_mem_prefer_huge(void *addr, size_t size);

// A shared mapping of `size` bytes of a host file from `offset` (both multiples of the host page
// size). The file may end inside it: a touch beyond the end is answered by the host-fault hook
// (platform/host_fault.h). The descriptor may be closed afterwards. Returns 0 or a negative error.
NODISCARD int host_window_map(int fd, uint64_t offset, size_t size, bool writable, void **out);
void host_window_unmap(void *addr, size_t size);
// Writes changed pages of a window to the file: waits when `wait`.
NODISCARD int host_window_sync(void *addr, size_t size, bool wait);

#endif
