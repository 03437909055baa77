// The first stack of a program: strings, argv, envp and the auxiliary vector, from the top down as
// binfmt_elf lays them out, so that /proc/PID/cmdline and environ find them in one run.
#include "emu/features.h"
#include "kernel/kernel.h"
#include "kernel/mm.h"
#include "kernel/vdso.h"
#include "platform/abi/elf.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mman.h"
#include "platform/random.h"
#include <stdlib.h>
#include <string.h>

#define STACK_TOP MEM_VA_END
enum {
    STACK_EXTRA = 128 * 1024, // mapped beyond what is used at once; the rest grows on faults
    CLOCK_TICKS = 100,
    MIN_SIGNAL_STACK = 4720, // what Linux reports on a CPU without SVE
    AUXV_PAIRS = 24,
};
#define LINUX_HWCAP_EVTSTRM (1u << 2)
#define LINUX_HWCAP_CPUID   (1u << 11)

// The stack is composed in host memory and copied out once; `top` is its guest end.
struct stack {
    char *bytes;
    size_t size, used; // used counts from the end
    uint64_t top;
};

static uint64_t push(struct stack *s, const void *from, size_t n)
{
    s->used += n;
    memcpy(s->bytes + s->size - s->used, from, n);
    return s->top - s->used;
}

static uint64_t push_string(struct stack *s, const char *text)
{
    return push(s, text, strlen(text) + 1);
}

struct pointers {
    uint64_t *argv, *envp;
    uint64_t execfn, platform, random;
};

static size_t strings_size(const struct exec_strings *strings)
{
    size_t n = strlen(strings->execfn) + 1;
    for (size_t i = 0; i < strings->argc; i++)
        n += strlen(strings->argv[i]) + 1;
    for (size_t i = 0; i < strings->envc; i++)
        n += strlen(strings->envp[i]) + 1;
    return n;
}

static void push_strings(struct stack *s, const struct exec_strings *strings, struct pointers *p,
                         struct mm_layout *layout)
{
    static const uint64_t end_marker = 0;
    uint8_t random[16];
    push(s, &end_marker, sizeof end_marker);
    p->execfn = push_string(s, strings->execfn);
    layout->env_end = s->top - s->used;
    for (size_t i = strings->envc; i-- > 0;)
        p->envp[i] = push_string(s, strings->envp[i]);
    layout->env_start = layout->arg_end = s->top - s->used;
    for (size_t i = strings->argc; i-- > 0;)
        p->argv[i] = push_string(s, strings->argv[i]);
    layout->arg_start = s->top - s->used;
    p->platform = push_string(s, "aarch64");
    random_bytes(random, sizeof random);
    s->used = (s->used + 15) & ~(size_t)15;
    p->random = push(s, random, sizeof random);
}

static unsigned fill_auxv(uint64_t *auxv, const struct elf_image *image,
                          const struct exec_strings *strings, const struct pointers *p,
                          uint64_t vdso)
{
    const uint64_t pairs[AUXV_PAIRS][2] = {
        {LINUX_AT_SYSINFO_EHDR, vdso},
        {LINUX_AT_MINSIGSTKSZ, MIN_SIGNAL_STACK},
        {LINUX_AT_HWCAP, cpu_feature_hwcap | LINUX_HWCAP_EVTSTRM | LINUX_HWCAP_CPUID},
        {LINUX_AT_PAGESZ, MEM_PAGE_SIZE},
        {LINUX_AT_CLKTCK, CLOCK_TICKS},
        {LINUX_AT_PHDR, image->phdr},
        {LINUX_AT_PHENT, sizeof(struct elf64_phdr)},
        {LINUX_AT_PHNUM, image->phnum},
        {LINUX_AT_BASE, image->base},
        {LINUX_AT_FLAGS, 0},
        {LINUX_AT_ENTRY, image->exec_entry},
        {LINUX_AT_UID, strings->uid},
        {LINUX_AT_EUID, strings->euid},
        {LINUX_AT_GID, strings->gid},
        {LINUX_AT_EGID, strings->egid},
        {LINUX_AT_SECURE, strings->secure},
        {LINUX_AT_RANDOM, p->random},
        {LINUX_AT_HWCAP2, cpu_feature_hwcap2},
        {LINUX_AT_EXECFN, p->execfn},
        {LINUX_AT_PLATFORM, p->platform},
        {LINUX_AT_NULL, 0},
    };
    unsigned n = 0;
    for (unsigned i = 0; i < AUXV_PAIRS; i++) {
        if (pairs[i][0] == LINUX_AT_SYSINFO_EHDR && !vdso)
            continue;
        auxv[n++] = pairs[i][0];
        auxv[n++] = pairs[i][1];
        if (pairs[i][0] == LINUX_AT_NULL)
            break;
    }
    return n;
}

// argc, argv, NULL, envp, NULL, auxv: ends 16-byte aligned.
static uint64_t push_vectors(struct stack *s, const struct exec_strings *strings,
                             const struct pointers *p, const struct mm_layout *layout)
{
    const uint64_t null = 0, argc = strings->argc;
    size_t words = 1 + strings->argc + 1 + strings->envc + 1 + layout->auxv_count;
    s->used = ((s->used + words * 8 + 15) & ~(size_t)15) - words * 8;
    push(s, layout->auxv, layout->auxv_count * sizeof layout->auxv[0]);
    push(s, &null, sizeof null);
    push(s, p->envp, strings->envc * sizeof *p->envp);
    push(s, &null, sizeof null);
    push(s, p->argv, strings->argc * sizeof *p->argv);
    return push(s, &argc, sizeof argc);
}

static int copy_out(struct mm *mm, uint64_t addr, const char *from, size_t n)
{
    while (n > 0) {
        struct frame *frame;
        void *host;
        size_t room = MEM_PAGE_SIZE - (size_t)(addr & MEM_PAGE_MASK), part = n < room ? n : room;
        if (mm_pin(mm, addr, MEM_WRITE, false, &frame, &host))
            return -LINUX_ENOMEM;
        memcpy(host, from, part);
        frame_put(frame);
        addr += part;
        from += part;
        n -= part;
    }
    return 0;
}

static int map_stack(struct mm *mm, uint64_t top, size_t used, uint64_t limit, bool exec)
{
    uint64_t size = (used + STACK_EXTRA + MEM_PAGE_MASK) & ~MEM_PAGE_MASK;
    if (size > limit)
        size = (used + MEM_PAGE_MASK) & ~MEM_PAGE_MASK;
    unsigned prot = LINUX_PROT_READ | LINUX_PROT_WRITE | (exec ? LINUX_PROT_EXEC : 0u);
    int64_t at = mm_map(mm, top - size, size, prot,
                        LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED |
                            LINUX_MAP_GROWSDOWN | LINUX_MAP_STACK,
                        NULL, 0);
    return at < 0 ? (int)at : 0;
}

static int build(struct kernel *kernel, struct mm *mm, const struct elf_image *image,
                 const struct exec_strings *strings, struct stack *s, struct pointers *p,
                 uint64_t *sp)
{
    struct mm_layout layout;
    int err = map_stack(mm, s->top, s->size, strings->stack_limit, image->exec_stack);
    if (!err)
        err = vdso_map(kernel, mm);
    if (err)
        return err;
    mm_layout_get(mm, &layout);
    push_strings(s, strings, p, &layout);
    layout.auxv_count = fill_auxv(layout.auxv, image, strings, p, layout.vdso);
    *sp = push_vectors(s, strings, p, &layout);
    layout.start_stack = *sp;
    mm_layout_set(mm, &layout);
    return copy_out(mm, *sp, s->bytes + s->size - s->used, s->used);
}

int elf_build_stack(struct kernel *kernel, struct mm *mm, const struct elf_image *image,
                    const struct exec_strings *strings, uint64_t *sp)
{
    uint64_t shift;
    random_bytes(&shift, sizeof shift);
    size_t vectors = (strings->argc + strings->envc + 3 + 2 * AUXV_PAIRS) * 8;
    struct stack s = {.size = strings_size(strings) + vectors + 256,
                      // Up to 16 GiB lower than the end of the space, one page always left free.
                      .top = STACK_TOP - MEM_PAGE_SIZE -
                             ((shift & ((1u << 22) - 1)) << MEM_PAGE_BITS)};
    struct pointers p = {0};
    s.bytes = calloc(1, s.size);
    p.argv = calloc(strings->argc + 1, sizeof *p.argv);
    p.envp = calloc(strings->envc + 1, sizeof *p.envp);
    int err =
        s.bytes && p.argv && p.envp ? build(kernel, mm, image, strings, &s, &p, sp) : -LINUX_ENOMEM;
    free(s.bytes);
    free(p.argv);
    free(p.envp);
    return err;
}
