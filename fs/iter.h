// A cursor over the memory a read or write transfers. Layer 3.
//
// The one thing that touches guest memory on behalf of a file: file systems copy through it and
// never see a guest address. kernel/user.c makes the user variant; iter_kernel() covers buffers of
// our own.
#ifndef FS_ITER_H
#define FS_ITER_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cred;
struct task;
struct iter;

struct iter_ops {
    // Copies `n` bytes between `buf` and the cursor and advances it. Returns the bytes copied,
    // which is less than `n` only when the rest of the guest's memory is not accessible.
    size_t (*copy_in)(struct iter *it, void *buf, size_t n);        // cursor -> buf
    size_t (*copy_out)(struct iter *it, const void *buf, size_t n); // buf -> cursor
    // A host view of up to `n` next bytes, valid until iter_unpin; at most one page. Lets a host
    // read() or write() go straight to guest memory. Returns its length, 0 on a fault.
    size_t (*pin)(struct iter *it, size_t n, bool for_write, void **host);
    void (*unpin)(struct iter *it, size_t used); // advances by `used`
};

struct iter {
    const struct iter_ops *ops;
    size_t left;       // bytes not yet transferred
    struct task *task; // the caller; opaque below kernel/. NULL for kernel buffers
    // Whose rights a write has: they decide about set-id bits. NULL: the opener's.
    const struct cred *cred;
    bool append;     // a write goes to the end of the file, O_APPEND or not (RWF_APPEND)
    bool nonblock;   // this transfer must not wait (O_NONBLOCK, RWF_NOWAIT, MSG_DONTWAIT)
    bool refuse_end; // beyond what offsets can say: refused, not cut there
    // Private to ops.
    uint64_t base; // start, when there is no vec
    const void *vec;
    size_t vec_count, vec_at, vec_offset;
    void *pinned;
    bool bounced; // pinned is a page beside the guest's
};

// A cursor over a host buffer. `buf` is not written to by a transfer towards a file.
void iter_kernel(struct iter *it, void *buf, size_t n);

// Helpers that return 0 or -LINUX_EFAULT for "all or nothing" copies.
NODISCARD int iter_get(struct iter *it, void *buf, size_t n);
NODISCARD int iter_put(struct iter *it, const void *buf, size_t n);
// Writes up to `n` zeros; returns how many.
size_t iter_put_zeros(struct iter *it, size_t n);

#endif
