// Address spaces: VMAs, faults, mmap. Layer 4, over emu/mem.h.
//
// The mm lock (rank mm) guards the VMA tree and every change of page tables. Functions that change
// mappings take it themselves and finish their mem_batch after releasing it.
#ifndef KERNEL_MM_H
#define KERNEL_MM_H

#include "emu/mem.h"
#include "kernel/user.h"
#include "platform/base/compiler.h"
#include "platform/lock.h"
#include <stdbool.h>
#include <stdint.h>

struct file;
struct inode;
struct kernel;
struct task;
struct mm;

// An empty address space with one reference. Returns 0 or -LINUX_ENOMEM.
NODISCARD int mm_create(struct kernel *kernel, struct mm **out);
struct mm *mm_get(struct mm *mm);
void mm_put(struct mm *mm); // the last one unmaps everything; no lock held
// What is left of one when everything is unmapped, its layout, stays for those who hold it. They
// may ask for a reference: NULL when the last one is gone. mm_drop is harmless with NULL.
struct mm *mm_hold(struct mm *mm);
void mm_drop(struct mm *mm);
struct mm *mm_get_unless_gone(struct mm *mm);
// True while somebody besides the caller holds a reference: another task, or a reader of /proc.
bool mm_is_shared(const struct mm *mm);
// The emulator's view, for mem_attach().
struct mem *mm_mem(struct mm *mm);

// A copy-on-write copy of the whole address space (fork). The parent's tasks may be running.
NODISCARD int mm_fork(struct mm *parent, struct mm **out);

enum mm_fault_result {
    MM_FAULT_OK, // mapped: run the instruction again
    MM_FAULT_SEGV_MAPERR,
    MM_FAULT_SEGV_ACCERR,
    MM_FAULT_BUS_ADRERR, // beyond the end of a mapped file
    MM_FAULT_OOM,
};
// Answers TRAP_FAULT. `addr` may be tagged.
enum mm_fault_result mm_fault(struct mm *mm, uint64_t addr, enum mem_access access);

// Pins the frame of the page of `addr` (untagged), faulting it in for `access`. *host is the byte
// at addr, *frame is referenced: frame_put() ends the pin. For MEM_WRITE the page is writable and
// its copy-on-write is broken. What is written later reaches the guest only while nobody else can
// fork or copy the page: see mm_is_shared. `force`: whatever the mapping's rights, as FOLL_FORCE
// does. Returns 0 or -LINUX_EFAULT.
NODISCARD int mm_pin(struct mm *mm, uint64_t addr, enum mem_access access, bool force,
                     struct frame **frame, void **host);

// Copies to `to`, or from `from` when `to` is NULL, within one page of an address space that may be
// running. Returns 0, -LINUX_EFAULT or -LINUX_ENOMEM.
NODISCARD int mm_copy(struct mm *mm, uint64_t addr, void *to, const void *from, size_t n,
                      bool force);

// With LINUX_MAP_*: what is locked is not held to RLIMIT_MEMLOCK (CAP_IPC_LOCK).
#define MM_MAP_LOCK_FREELY 0x2000000u

// mmap(2) for kernel use (ELF segments, stack, vDSO). prot and flags are LINUX_PROT_*, LINUX_MAP_*.
// Returns the address or a negative errno.
int64_t mm_map(struct mm *mm, uint64_t addr, uint64_t len, unsigned prot, unsigned flags,
               struct file *file, uint64_t offset);
bool mm_is_secret(struct mm *mm, uint64_t addr); // memory that only its owner may look into
bool mm_is_mapped(struct mm *mm, uint64_t addr, uint64_t len); // all of it
NODISCARD int mm_unmap(struct mm *mm, uint64_t addr, uint64_t len);
NODISCARD int mm_protect(struct mm *mm, uint64_t addr, uint64_t len, unsigned prot);
// `grows_down`: PROT_GROWSDOWN, the range starts where its stack mapping does.
NODISCARD int mm_protect_grows(struct mm *mm, uint64_t addr, uint64_t len, unsigned prot,
                               bool grows_down);

// What a futex in shared memory is keyed by. `object` identifies the inode or shared anonymous
// object (not referenced), `page` its page index. *shared false: key by (mm, address).
// Returns 0 or -LINUX_EFAULT.
NODISCARD int mm_futex_key(struct mm *mm, uint64_t addr, bool *shared, const void **object,
                           uint64_t *page);

// The process's resource limits that bind the address space, in bytes; UINT64_MAX: none. Set at
// exec and whenever they change.
struct mm_limits {
    uint64_t address_space, data, stack, locked;
};
void mm_set_limits(struct mm *mm, const struct mm_limits *limits);

// Bookkeeping that exec sets and /proc, brk, prctl(PR_SET_MM) read; guarded by the mm lock.
struct mm_layout {
    uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
    uint64_t arg_start, arg_end, env_start, env_end;
    uint64_t vdso;
    uint64_t auxv[64];
    unsigned auxv_count;
};
void mm_layout_get(struct mm *mm, struct mm_layout *out);
void mm_layout_set(struct mm *mm, const struct mm_layout *layout);
// `exe` is kept from being written while the address space lives (ETXTBSY); the caller keeps it so
// during the call.
void mm_set_exe(struct mm *mm, struct file *exe);
struct file *mm_get_exe(struct mm *mm); // referenced, or NULL

// One mapping, for /proc/PID/maps and crash reports. `file` is borrowed during the callback.
struct mm_mapping {
    uint64_t start, end, offset;
    unsigned prot;
    bool shared;
    bool dont_dump; // MADV_DONTDUMP
    struct file *file;
    const char *name; // "[heap]", "[stack]", "[vdso]", or NULL
    bool locked;
    struct mem_sharing held; // what is there of it, if asked for
};
// Calls `each` on a snapshot, no lock held. `count`: with what is there of each.
NODISCARD int mm_each_mapping(struct mm *mm, bool count,
                              void (*each)(void *ctx, const struct mm_mapping *m), void *ctx);
// The first page of [addr, end) that is present, or `end`. The range is page aligned.
uint64_t mm_next_present(struct mm *mm, uint64_t addr, uint64_t end);
struct mm_usage {
    uint64_t virtual_size, rss, rss_file, data, stack, exec, locked, peak_virtual, peak_rss;
};
void mm_usage_get(struct mm *mm, struct mm_usage *out);

// --- ELF (kernel/elf.c) --------------------------------------------------------------------------
struct elf_image {
    uint64_t entry; // where to start: the interpreter's entry if there is one
    uint64_t base;  // load address of the interpreter (AT_BASE)
    uint64_t phdr, phnum, exec_entry;
    bool exec_stack;
    // Loading came to where Linux has taken the old program down: errors from here on are fatal to
    // the task instead of being execve's result.
    bool begun;
};
// Maps the program (and its PT_INTERP, opened through `open_interp`) into an empty mm.
// -LINUX_ENOEXEC, -LINUX_ENOMEM, -LINUX_EINVAL, -LINUX_ELIBBAD as Linux would.
NODISCARD int elf_load(struct mm *mm, struct file *file,
                       int (*open_interp)(void *ctx, const char *path, struct file **out),
                       void *ctx, struct elf_image *out);
// Builds the initial stack: strings, argv, envp, auxv. *sp is the stack pointer for the new
// program.
struct exec_strings {
    char **argv, **envp;
    size_t argc, envc;
    const char *execfn;
    uint32_t uid, euid, gid, egid;
    bool secure;
    uint64_t stack_limit; // RLIMIT_STACK in bytes, UINT64_MAX = unlimited
};
NODISCARD int elf_build_stack(struct kernel *kernel, struct mm *mm, const struct elf_image *image,
                              const struct exec_strings *strings, uint64_t *sp);

#endif
