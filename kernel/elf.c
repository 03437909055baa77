// Loading ELF programs, as binfmt_elf does: static, position independent, and with an interpreter.
// Everything in the file is hostile until checked; errors are the ones execve(2) has.
#include "platform/abi/elf.h"
#include "fs/vfs.h"
#include "kernel/mm.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mman.h"
#include "platform/random.h"
#include <stdlib.h>
#include <string.h>

// Where position-independent programs go when an interpreter loads them: two thirds of the space.
#define ELF_DYN_BASE (MEM_VA_END / 3 * 2)
enum { PHDRS_BYTES_MAX = 65536, INTERP_MAX = 4096 };

struct elf {
    struct file *file;
    struct elf64_ehdr ehdr;
    struct elf64_phdr *phdr;
    uint64_t bias; // added to every address
};

static uint64_t page_down(uint64_t n)
{
    return n & ~MEM_PAGE_MASK;
}

static uint64_t page_up(uint64_t n)
{
    return (n + MEM_PAGE_MASK) & ~MEM_PAGE_MASK;
}

// All of [offset, offset + n) of the file, or -LINUX_ENOEXEC.
static int read_exact(struct file *file, uint64_t offset, void *buf, size_t n)
{
    struct iter it;
    iter_kernel(&it, buf, n);
    while (it.left > 0) {
        ssize_t got = file_read(file, &it, &offset);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return -LINUX_ENOEXEC;
    }
    return 0;
}

static bool header_fits(const struct elf64_ehdr *h)
{
    // Class and byte order are not looked at: the machine says both.
    static const uint8_t magic[] = {0x7f, 'E', 'L', 'F'};
    return !memcmp(h->ident, magic, sizeof magic) && h->machine == ELF_EM_AARCH64;
}

static bool type_fits(const struct elf64_ehdr *h)
{
    return h->type == ELF_ET_EXEC || h->type == ELF_ET_DYN;
}

// `bad`: what a file that is no program for us means (-LINUX_ENOEXEC, -LINUX_ELIBBAD).
static int elf_open(struct elf *e, struct file *file, int bad)
{
    memset(e, 0, sizeof *e);
    e->file = file;
    int err = read_exact(file, 0, &e->ehdr, sizeof e->ehdr);
    // Too short a file is no program; as an interpreter it is an error of reading.
    if (err == -LINUX_ENOEXEC && bad != -LINUX_ENOEXEC)
        err = -LINUX_EIO;
    if (err)
        return err;
    size_t bytes = (size_t)e->ehdr.phnum * sizeof *e->phdr;
    if (!header_fits(&e->ehdr) || e->ehdr.phentsize != sizeof *e->phdr || bytes == 0 ||
        bytes > PHDRS_BYTES_MAX)
        return bad;
    e->phdr = malloc(bytes);
    if (!e->phdr)
        return -LINUX_ENOMEM;
    return read_exact(file, e->ehdr.phoff, e->phdr, bytes) ? bad : 0;
}

static void elf_close(struct elf *e)
{
    free(e->phdr);
    e->phdr = NULL;
}

// The range all segments cover; -LINUX_EINVAL when there is none or it leaves the address space.
static int segments_range(const struct elf *e, uint64_t *low, uint64_t *high, uint64_t *align)
{
    *low = UINT64_MAX;
    *high = 0;
    *align = MEM_PAGE_SIZE;
    for (unsigned i = 0; i < e->ehdr.phnum; i++) {
        const struct elf64_phdr *p = &e->phdr[i];
        if (p->type != ELF_PT_LOAD)
            continue;
        if (p->filesz > p->memsz || p->vaddr >= MEM_VA_END || p->memsz > MEM_VA_END - p->vaddr ||
            p->offset > INT64_MAX - MEM_VA_END)
            return -LINUX_EINVAL;
        if (((p->vaddr ^ p->offset) & MEM_PAGE_MASK) && p->filesz > 0)
            return -LINUX_EINVAL;
        *low = page_down(p->vaddr) < *low ? page_down(p->vaddr) : *low;
        *high = p->vaddr + p->memsz > *high ? p->vaddr + p->memsz : *high;
        if (p->align > *align && (p->align & (p->align - 1)) == 0)
            *align = p->align;
    }
    return *low < *high ? 0 : -LINUX_EINVAL;
}

static unsigned segment_prot(const struct elf64_phdr *p)
{
    return (p->flags & ELF_PF_R ? LINUX_PROT_READ : 0u) |
           (p->flags & ELF_PF_W ? LINUX_PROT_WRITE : 0u) |
           (p->flags & ELF_PF_X ? LINUX_PROT_EXEC : 0u);
}

// Zeroes from `addr` to the end of its page in the new program's memory.
static int zero_page_tail(struct mm *mm, uint64_t addr)
{
    struct frame *frame;
    void *host;
    size_t n = (size_t)(page_up(addr) - addr);
    if (n == 0)
        return 0;
    int err = mm_pin(mm, addr, MEM_WRITE, false, &frame, &host);
    if (err)
        return err;
    memset(host, 0, n);
    frame_put(frame);
    return 0;
}

// File part, zeroed rest of its last page, anonymous rest.
static int map_segment(struct mm *mm, const struct elf *e, const struct elf64_phdr *p)
{
    unsigned prot = segment_prot(p), fixed = LINUX_MAP_PRIVATE | LINUX_MAP_FIXED;
    uint64_t start = e->bias + p->vaddr, skew = start & MEM_PAGE_MASK;
    uint64_t file_end = start + p->filesz, end = start + p->memsz;
    if (p->filesz > 0) {
        int64_t at = mm_map(mm, start - skew, page_up(p->filesz + skew), prot, fixed, e->file,
                            p->offset - skew);
        if (at < 0)
            return (int)at;
    }
    if (end == file_end)
        return 0;
    // A read-only bss keeps whatever the file has behind it, as in Linux.
    if (p->filesz > 0 && prot & LINUX_PROT_WRITE) {
        int err = zero_page_tail(mm, file_end);
        if (err)
            return err;
    }
    uint64_t anon = p->filesz > 0 ? page_up(file_end) : page_down(start);
    if (page_up(end) <= anon)
        return 0;
    // Memory without a file is writable whatever the segment says, as in Linux.
    prot = LINUX_PROT_READ | LINUX_PROT_WRITE | (prot & LINUX_PROT_EXEC);
    int64_t at = mm_map(mm, anon, page_up(end) - anon, prot, fixed | LINUX_MAP_ANONYMOUS, NULL, 0);
    return at < 0 ? (int)at : 0;
}

static uint64_t random_pages(unsigned bits)
{
    uint64_t r;
    random_bytes(&r, sizeof r);
    return (r & ((1ull << bits) - 1)) << MEM_PAGE_BITS;
}

// Chooses where the program goes. `at`: a wish for position-independent ones, 0 = anywhere.
static int place(struct mm *mm, struct elf *e, uint64_t at, uint64_t *low, uint64_t *high)
{
    uint64_t align;
    int err = segments_range(e, low, high, &align);
    if (err || e->ehdr.type == ELF_ET_EXEC)
        return err;
    uint64_t size = page_up(*high) - *low, base;
    if (at) {
        base = at & ~(align - 1);
    } else {
        // Ask for room with slack to align in, and leave it again.
        int64_t room =
            mm_map(mm, 0, size + align, LINUX_PROT_NONE,
                   LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE, NULL, 0);
        if (room < 0)
            return (int)room;
        err = mm_unmap(mm, (uint64_t)room, size + align);
        base = ((uint64_t)room + align - 1) & ~(align - 1);
    }
    e->bias = base - *low;
    return err;
}

static int map_all(struct mm *mm, const struct elf *e)
{
    for (unsigned i = 0; i < e->ehdr.phnum; i++) {
        if (e->phdr[i].type != ELF_PT_LOAD)
            continue;
        int err = map_segment(mm, e, &e->phdr[i]);
        if (err)
            return err;
    }
    return 0;
}

// Where the program headers lie in memory: AT_PHDR.
static uint64_t phdr_address(const struct elf *e)
{
    for (unsigned i = 0; i < e->ehdr.phnum; i++) {
        const struct elf64_phdr *p = &e->phdr[i];
        if (p->type == ELF_PT_LOAD && p->offset <= e->ehdr.phoff &&
            e->ehdr.phoff - p->offset < p->filesz)
            return e->bias + p->vaddr + (e->ehdr.phoff - p->offset);
    }
    return 0;
}

static void set_layout(struct mm *mm, const struct elf *e, uint64_t high)
{
    struct mm_layout l;
    mm_layout_get(mm, &l);
    l.start_code = l.start_data = UINT64_MAX;
    l.end_code = l.end_data = 0;
    for (unsigned i = 0; i < e->ehdr.phnum; i++) {
        const struct elf64_phdr *p = &e->phdr[i];
        uint64_t start = e->bias + p->vaddr, end = start + p->filesz;
        if (p->type != ELF_PT_LOAD)
            continue;
        if (start < l.start_code)
            l.start_code = start;
        if (p->flags & ELF_PF_X && end > l.end_code)
            l.end_code = end;
        if (!(p->flags & ELF_PF_X)) {
            l.start_data = start;
            l.end_data = end > l.end_data ? end : l.end_data;
        }
    }
    if (l.start_data == UINT64_MAX)
        l.start_data = l.end_data = l.end_code;
    l.start_brk = l.brk = page_up(e->bias + high) + random_pages(13);
    mm_layout_set(mm, &l);
}

static int interp_path(const struct elf *e, char buf[INTERP_MAX], bool *has)
{
    *has = false;
    for (unsigned i = 0; i < e->ehdr.phnum; i++) {
        const struct elf64_phdr *p = &e->phdr[i];
        if (p->type != ELF_PT_INTERP)
            continue;
        if (p->filesz < 2 || p->filesz > INTERP_MAX)
            return -LINUX_ENOEXEC;
        if (p->offset > INT64_MAX)
            return -LINUX_EINVAL;
        int err = read_exact(e->file, p->offset, buf, (size_t)p->filesz);
        if (err)
            return err == -LINUX_ENOEXEC ? -LINUX_EIO : err;
        if (buf[p->filesz - 1] != '\0')
            return -LINUX_ENOEXEC;
        *has = true;
        return 0;
    }
    return 0;
}

// The interpreter takes the place the kernel chooses and is where execution starts.
static int load_interp(struct mm *mm, struct elf *e, struct elf_image *out)
{
    uint64_t low, high;
    int err = type_fits(&e->ehdr) ? place(mm, e, 0, &low, &high) : -LINUX_ELIBBAD;
    if (!err)
        err = map_all(mm, e);
    out->base = e->bias;
    out->entry = e->bias + e->ehdr.entry;
    return err;
}

static bool wants_exec_stack(const struct elf *e)
{
    for (unsigned i = 0; i < e->ehdr.phnum; i++)
        if (e->phdr[i].type == ELF_PT_GNU_STACK)
            return e->phdr[i].flags & ELF_PF_X;
    return false; // ARM64's default when the program does not say
}

// `interp`: NULL, or the open interpreter.
static int load_program(struct mm *mm, struct elf *e, struct elf *interp, struct elf_image *out)
{
    uint64_t low, high;
    uint64_t at = interp ? ELF_DYN_BASE + random_pages(18) : 0;
    int err = place(mm, e, at, &low, &high);
    if (!err)
        err = map_all(mm, e);
    if (err)
        return err;
    set_layout(mm, e, high);
    out->exec_entry = out->entry = e->bias + e->ehdr.entry;
    out->phdr = phdr_address(e);
    out->phnum = e->ehdr.phnum;
    out->exec_stack = wants_exec_stack(e);
    if (interp)
        err = load_interp(mm, interp, out);
    if (!err && (out->entry >= MEM_VA_END || out->exec_entry >= MEM_VA_END))
        err = -LINUX_EINVAL;
    return err;
}

int elf_load(struct mm *mm, struct file *file,
             int (*open_interp)(void *ctx, const char *path, struct file **out), void *ctx,
             struct elf_image *out)
{
    struct elf e, interp = {0};
    struct file *interp_file = NULL;
    char path[INTERP_MAX];
    bool has_interp = false;
    memset(out, 0, sizeof *out);
    int err = elf_open(&e, file, -LINUX_ENOEXEC);
    if (!err && !type_fits(&e.ehdr))
        err = -LINUX_ENOEXEC;
    if (!err)
        err = interp_path(&e, path, &has_interp);
    if (!err && has_interp)
        err = open_interp(ctx, path, &interp_file);
    if (!err && has_interp)
        err = elf_open(&interp, interp_file, -LINUX_ELIBBAD);
    if (!err) {
        out->begun = true;
        err = load_program(mm, &e, has_interp ? &interp : NULL, out);
    }
    if (interp_file)
        file_put(interp_file);
    elf_close(&interp);
    elf_close(&e);
    return err;
}
