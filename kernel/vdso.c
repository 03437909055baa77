#include "kernel/vdso.h"
#include "kernel/mm.h"
#include "kernel/vdso_bytes.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mman.h"
#include <string.h>

int vdso_map(struct kernel *kernel, struct mm *mm)
{
    (void)kernel;
    struct frame *frame;
    void *host;
    int64_t at = mm_map(mm, 0, MEM_PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_EXEC,
                        LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS, NULL, 0);
    if (at < 0)
        return (int)at;
    if (mm_pin(mm, (uint64_t)at, MEM_WRITE, true, &frame, &host))
        return -LINUX_ENOMEM;
    memcpy(host, vdso_bytes, sizeof vdso_bytes);
    frame_put(frame);
    struct mm_layout layout;
    mm_layout_get(mm, &layout);
    layout.vdso = (uint64_t)at;
    mm_layout_set(mm, &layout);
    return 0;
}

uint64_t vdso_sigreturn(struct mm *mm)
{
    struct mm_layout layout;
    mm_layout_get(mm, &layout);
    return layout.vdso ? layout.vdso + VDSO_SIGRETURN : 0;
}
