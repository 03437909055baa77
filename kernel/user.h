// Copies between guest memory and ours: the only way a guest pointer becomes bytes. Layer 4.
//
// Each returns 0 or -LINUX_EFAULT and never crashes whatever the address. Pages are faulted in
// through the caller's mm (so a copy may wait for I/O): no lock ranked at or above mm may be held;
// the _nofault variant fails instead and is for use under such locks. Addresses may be tagged.
#ifndef KERNEL_USER_H
#define KERNEL_USER_H

#include "fs/iter.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct task;
struct mm;

typedef uint64_t uaddr_t; // a guest virtual address

NODISCARD int user_read(struct task *task, uaddr_t addr, void *buf, size_t n);
NODISCARD int user_write(struct task *task, uaddr_t addr, const void *buf, size_t n);
NODISCARD int user_zero(struct task *task, uaddr_t addr, size_t n);
#define user_get(task, addr, ptr) user_read((task), (addr), (ptr), sizeof *(ptr))
#define user_put(task, addr, ptr) user_write((task), (addr), (ptr), sizeof *(ptr))

// Whether a range is of the guest's part of the address space, mapped or not: what Linux asks of a
// buffer before it looks at anything else.
bool user_is_range(uaddr_t addr, uint64_t n);

// Copies up to and including the NUL. Returns the length without NUL; -LINUX_ENAMETOOLONG when no
// NUL comes within `size` bytes.
ssize_t user_string(struct task *task, uaddr_t addr, char *buf, size_t size);

// A path argument: a malloc'ed copy of at most 4096 bytes with NUL. -LINUX_ENAMETOOLONG beyond.
NODISCARD int user_path(struct task *task, uaddr_t addr, char **out);

// Bytes copied before the first fault (0..n): for calls that report partial transfers.
size_t user_read_partial(struct task *task, uaddr_t addr, void *buf, size_t n);
size_t user_write_partial(struct task *task, uaddr_t addr, const void *buf, size_t n);

NODISCARD int user_write_nofault(struct task *task, uaddr_t addr, const void *buf, size_t n);

// Another address space (ptrace, process_vm_*, /proc/PID/mem). `force`: ignore page rights as
// FOLL_FORCE does. Returns bytes copied or -LINUX_EIO.
ssize_t user_remote_read(struct mm *mm, uaddr_t addr, void *buf, size_t n, bool force);
ssize_t user_remote_write(struct mm *mm, uaddr_t addr, const void *buf, size_t n, bool force);

// Atomic access to an aligned 32-bit word (futexes). -LINUX_EFAULT; `nofault` fails instead of
// faulting in.
NODISCARD int user_load32(struct task *task, uaddr_t addr, uint32_t *out, bool nofault);
NODISCARD int user_cmpxchg32(struct task *task, uaddr_t addr, uint32_t expect, uint32_t desired,
                             uint32_t *seen, bool nofault);
// Makes the page at addr present with the given right, as a guest access would.
NODISCARD int user_fault_in(struct task *task, uaddr_t addr, bool write);

// Cursors for read and write. The vector variant copies the iovecs (at most 1024; -LINUX_EINVAL,
// lengths summed with Linux's overflow rule) and must be ended with user_iter_done.
void user_iter(struct iter *it, struct task *task, uaddr_t addr, size_t n);
NODISCARD int user_iter_vec(struct iter *it, struct task *task, uaddr_t iov, size_t count);
void user_iter_done(struct iter *it);
// Whether the next `n` bytes can be read, or written: for transfers that take all of them or none.
NODISCARD int user_iter_check(const struct iter *it, size_t n, bool write);

#endif
