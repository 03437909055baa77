// Private to the files that implement kernel/mm.h: VMAs and the address space itself. Layer 4.
#ifndef KERNEL_MM_INTERNAL_H
#define KERNEL_MM_INTERNAL_H

#include "emu/mem.h"
#include "fs/vfs.h"
#include "kernel/mm.h"
#include "kernel/numa.h"
#include "platform/abi/mman.h"
#include "platform/base/list.h"
#include "platform/base/rbtree.h"
#include "platform/lock.h"
#include <stdatomic.h>

#define PAGE_SIZE ((uint64_t)MEM_PAGE_SIZE)
#define PAGE_MASK MEM_PAGE_MASK

enum {
    VMA_SHARED = 1 << 0, // writes go to the file or shared object
    VMA_GROWSDOWN = 1 << 1,
    VMA_NORESERVE = 1 << 2,
    VMA_LOCKED = 1 << 3,
    VMA_DONTFORK = 1 << 4,
    VMA_WIPEONFORK = 1 << 5,
    VMA_DONTDUMP = 1 << 6,
    VMA_MAP_SHARED = 1 << 7, // mapped MAP_SHARED: shown as such even where it cannot be written
    VMA_DONTEXPAND = 1 << 8,
    VMA_SECRET = 1 << 9, // nobody else looks into it (memfd_secret)
};

enum {
    MM_MAP_COUNT_MAX = 65530, // vm.max_map_count
    MM_STACK_GUARD = 256,     // pages kept free below a growing stack
};
// RLIMIT_MEMLOCK of the task's mm, for those it binds; under mm->lock.
uint64_t mm_lock_limit(const struct task *task);
#define MM_MIN_ADDR 0x10000ull // vm.mmap_min_addr

// One mapping. Guarded by mm->lock; file, page and mm also by the registry (kernel/file_maps.c).
struct vma {
    struct rb_node node;
    uint64_t start, end;
    uint64_t gap;     // free bytes below start, to the previous mapping
    uint64_t max_gap; // largest gap of the subtree
    struct mm *mm;
    struct file *file; // referenced, with an inode; NULL: private anonymous memory
    uint64_t page;     // of the file at start
    uint16_t flags;
    uint8_t prot, max_prot; // LINUX_PROT_READ | WRITE | EXEC
    numa_policy policy;     // mbind(2); 0: none
    struct list by_inode;   // in kernel/file_maps.c
};

struct aio_contexts;

struct mm {
    _Atomic uint32_t refs;
    _Atomic uint32_t holders; // all references together are one
    struct kernel *kernel;
    struct mem *mem;

    struct lock lock; // rank mm; guards everything below
    struct rb_root vmas;
    unsigned vma_count;
    uint64_t bytes, data_bytes, locked_bytes; // of all VMAs; private writable; VMA_LOCKED
    uint64_t peak_bytes, peak_pages;
    struct vma *reserve[2]; // so that munmap can split without memory
    uint16_t lock_future;   // VMA_LOCKED after mlockall(MCL_FUTURE)
    uint64_t mmap_top;      // mappings are placed below
    struct mm_layout layout;
    struct file *exe;
    _Atomic(struct aio_contexts *) aio;                        // kernel/aio.c; NULL: none
    uint64_t limit_as, limit_data, limit_stack, limit_memlock; // bytes, UINT64_MAX: none
};

// --- kernel/vma.c: the tree ----------------------------------------------------------------------

// The first mapping that ends beyond `addr`, or NULL.
struct vma *vma_find(const struct mm *mm, uint64_t addr);
struct vma *vma_next(const struct vma *v);
struct vma *vma_prev(const struct vma *v);
struct vma *vma_first(const struct mm *mm);
// The mapping that contains `addr`, or NULL.
struct vma *vma_at(const struct mm *mm, uint64_t addr);
bool vma_range_free(const struct mm *mm, uint64_t start, uint64_t end);
// A hole of `len` bytes, as high as possible below mm->mmap_top, else anywhere. 0: none.
uint64_t vma_find_hole(const struct mm *mm, uint64_t len);

struct vma *vma_alloc(struct mm *mm); // NULL without memory
void vma_free(struct vma *v);         // drops the file; not linked
// Links a complete VMA whose range is free, counts it, and registers it with its inode.
void vma_link(struct mm *mm, struct vma *v);
void vma_unlink(struct mm *mm, struct vma *v);
// Changes the bounds of a linked VMA; its neighbours must leave room.
void vma_resize(struct mm *mm, struct vma *v, uint64_t start, uint64_t end);
// Changes rights and flags of a linked VMA, keeping the counts.
void vma_set_flags(struct mm *mm, struct vma *v, uint8_t prot, uint16_t flags);
// Cuts `v` at `at`, inside it: v keeps the lower part, the result is the upper one. NULL: no
// memory. `use_reserve`: for munmap.
struct vma *vma_split(struct mm *mm, struct vma *v, uint64_t at, bool use_reserve);
// Makes the ends of a range VMA boundaries. -LINUX_ENOMEM.
NODISCARD int vma_isolate(struct mm *mm, uint64_t start, uint64_t end);
// Joins `v` with neighbours that continue it; returns the result.
struct vma *vma_merge(struct mm *mm, struct vma *v);
NODISCARD int vma_fill_reserve(struct mm *mm);

// --- Rights --------------------------------------------------------------------------------------

// What the CPU may do: as on ARM64 without execute-only pages, WRITE and EXEC imply READ.
static inline uint8_t vma_rights(uint8_t prot)
{
    return prot & (LINUX_PROT_WRITE | LINUX_PROT_EXEC) ? prot | LINUX_PROT_READ : prot;
}
static inline bool vma_is_data(uint8_t prot, uint16_t flags)
{
    return (prot & LINUX_PROT_WRITE) && !(flags & VMA_SHARED);
}
static inline uint64_t page_round_up(uint64_t n)
{
    return (n + PAGE_MASK) & ~PAGE_MASK;
}

// --- kernel/mmap.c -------------------------------------------------------------------------------

// One change of mappings: what has to be finished after the lock is gone.
struct mm_change {
    struct mem_batch batch;
    struct list dead; // unlinked VMAs, by by_inode
};
void mm_change_begin(struct mm *mm, struct mm_change *c) ACQUIRES(mm->lock);
void mm_change_end(struct mm *mm, struct mm_change *c) RELEASES(mm->lock);

// Under mm->lock. Removes mappings and pages of a range; -LINUX_ENOMEM: nothing happened.
NODISCARD int mm_unmap_locked(struct mm *mm, struct mm_change *c, uint64_t start, uint64_t end);
// RLIMIT_AS and RLIMIT_DATA for `more` bytes.
bool mm_may_expand(const struct mm *mm, uint64_t more, bool data);

// --- kernel/fault.c ------------------------------------------------------------------------------

// mm_fault for a debugger: `force` ignores the mapping's rights as FOLL_FORCE does.
enum mm_fault_result mm_fault_force(struct mm *mm, uint64_t addr, enum mem_access access,
                                    bool force);
// Faults in the pages of a range as an access of the mapping's own kind would. Returns 0,
// -LINUX_ENOMEM for holes and lack of memory, -LINUX_EFAULT for other failures.
NODISCARD int mm_populate(struct mm *mm, uint64_t start, uint64_t end, bool write);

#endif
