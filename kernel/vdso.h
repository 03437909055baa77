// The image mapped into every program: clocks without a system call, and the way out of signal
// handlers. Layer 4. Its bytes are made by vdso_gen.py.
#ifndef KERNEL_VDSO_H
#define KERNEL_VDSO_H

#include "platform/base/compiler.h"
#include <stdint.h>

struct kernel;
struct mm;

// Maps the image at an address of the kernel's choice and records it in the mm's layout. Returns 0
// or -LINUX_ENOMEM.
NODISCARD int vdso_map(struct kernel *kernel, struct mm *mm);

// Where __kernel_rt_sigreturn is in this address space: x30 of handlers whose sigaction names no
// restorer. 0 when the vDSO is not mapped.
uint64_t vdso_sigreturn(struct mm *mm);

#endif
