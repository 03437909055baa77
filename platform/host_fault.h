// The host-fault hook: what happens when host memory under a guest page is not there. Layer 1.
//
// A window over a host file faults (SIGBUS) when something outside this program truncated the file.
// The hook maps an anonymous zero page over the hole, tells the thread that touched it, and
// returns; the guest gets its SIGBUS at the next poll. Every other SIGBUS or SIGSEGV goes to the
// action that was installed before the hook. Host signal dispositions belong to the whole process,
// so this state is process-global and reference counted (the one exception to "no mutable
// globals").
#ifndef PLATFORM_HOST_FAULT_H
#define PLATFORM_HOST_FAULT_H

#include "platform/base/compiler.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Installs the hook (first caller) or takes a reference to it. Returns 0 or a negative errno.
NODISCARD int host_fault_acquire(void);
// The last one restores the actions that were there before.
void host_fault_release(void);

// Registers memory the hook answers for. Returns 0 or -LINUX_ENOMEM.
NODISCARD int host_fault_add_window(void *addr, size_t size);
void host_fault_remove_window(void *addr, size_t size);

// One per thread that runs guest code. The hook sets `hit` and stores 1 to `*poke`.
struct host_fault_thread {
    _Atomic bool hit;
    _Atomic uintptr_t host_addr; // of the last hit
    _Atomic uint32_t *poke;      // the CPU's poke word; may be NULL
};
// Names the calling thread's record; NULL at its end.
void host_fault_set_thread(struct host_fault_thread *thread);
struct host_fault_thread *host_fault_this_thread(void); // NULL for one without

#endif
