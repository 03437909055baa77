#include "platform/host_mem.h"
#include "platform/abi/linux_errno.h"
#include "platform/base/log.h"
#include "platform/host_errno.h"
#include "platform/host_fault.h"
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

size_t host_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

uint64_t host_memory_size(void)
{
#if defined(_SC_PHYS_PAGES)
    long pages = sysconf(_SC_PHYS_PAGES);
    if (pages > 0)
        return (uint64_t)pages * host_page_size();
#endif
    return 1ull << 30;
}

int host_mem_map(size_t size, size_t align, void **out)
{
    size_t page = host_page_size();
    size_t slack = align > page ? align - page : 0;
    void *got =
        mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (got == MAP_FAILED)
        return -LINUX_ENOMEM;
    char *start = got;
    char *at = (char *)(((uintptr_t)got + align - 1) & ~(uintptr_t)(align - 1));
    if (slack && at > start)
        munmap(start, (size_t)(at - start));
    char *end = start + size + slack;
    if (slack && end > at + size)
        munmap(at + size, (size_t)(end - (at + size)));
    *out = slack ? at : got;
    return 0;
}

void host_mem_unmap(void *addr, size_t size)
{
    int err = munmap(addr, size);
    ISH_ASSERT(err == 0);
}

bool host_mem_reset(void *addr, size_t size)
{
#if defined(__linux__)
    return madvise(addr, size, MADV_DONTNEED) == 0;
#else
    // Darwin's MADV_DONTNEED keeps the contents: a fresh mapping in place does not.
    return mmap(addr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0) != MAP_FAILED;
#endif
}

void host_mem_prefault(void *addr, size_t size)
{
#if defined(MADV_POPULATE_WRITE)
    uintptr_t mask = host_page_size() - 1;
    uintptr_t start = ((uintptr_t)addr + mask) & ~mask, end = ((uintptr_t)addr + size) & ~mask;
    if (start < end)
        (void)madvise((void *)start, end - start, MADV_POPULATE_WRITE);
#else
    (void)addr, (void)size;
#endif
}

void host_mem_prefer_huge(void *addr, size_t size)
{
#if defined(MADV_HUGEPAGE)
    (void)madvise(addr, size, MADV_HUGEPAGE);
#else
    (void)addr, (void)size;
#endif
}

int host_window_map(int fd, uint64_t offset, size_t size, bool writable, void **out)
{
    int prot = PROT_READ | (writable ? PROT_WRITE : 0);
    void *got = mmap(NULL, size, prot, MAP_SHARED, fd, (off_t)offset);
    if (got == MAP_FAILED)
        return errno_to_linux(errno);
    int err = host_fault_add_window(got, size);
    if (err) {
        munmap(got, size);
        return err;
    }
    *out = got;
    return 0;
}

void host_window_unmap(void *addr, size_t size)
{
    host_fault_remove_window(addr, size);
    int err = munmap(addr, size);
    ISH_ASSERT(err == 0);
}

int host_window_sync(void *addr, size_t size, bool wait)
{
    if (msync(addr, size, wait ? MS_SYNC : MS_ASYNC))
        return errno_to_linux(errno);
    return 0;
}
