// The image mapped into every program: clocks without a system call, and the way out of signal
// handlers. Layer 4.
#ifndef KERNEL_VDSO_H
#define KERNEL_VDSO_H

#include <stdint.h>

struct mm;

// Where __kernel_rt_sigreturn is in this address space: x30 of handlers whose sigaction names no
// restorer. 0 when the vDSO is not mapped.
uint64_t vdso_sigreturn(struct mm *mm);

#endif
