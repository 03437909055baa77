// execve of programs whose headers are wrong: a small program made here, changed in one place at a
// time. What the kernel says to each is printed.
#include "elf_image.h"

static char dir[] = "/tmp/elf-probe-XXXXXX";
static char program[64];

static const char *execute(const struct image *m, size_t n)
{
    put_file(program, m, n);
    return execute_file(program);
}

static void run(const char *name, const struct image *m, size_t n)
{
    SHOW(name, "%s", execute(m, n));
}

#define CASE(name, ...)                                                                            \
    do {                                                                                           \
        struct image m;                                                                            \
        make(&m);                                                                                  \
        __VA_ARGS__;                                                                               \
        run(name, &m, sizeof m);                                                                   \
    } while (0)

static void headers(void)
{
    CASE("as it should be", (void)0);
    CASE("magic", m.ehdr.e_ident[1] = 'X');
    CASE("32-bit class", m.ehdr.e_ident[EI_CLASS] = ELFCLASS32);
    CASE("e_ident version", m.ehdr.e_ident[EI_VERSION] = 9);
    CASE("OS ABI", m.ehdr.e_ident[EI_OSABI] = 9);
    CASE("relocatable", m.ehdr.e_type = ET_REL);
    CASE("core", m.ehdr.e_type = ET_CORE);
    CASE("type 0", m.ehdr.e_type = 0);
    CASE("machine", m.ehdr.e_machine = EM_MIPS);
    CASE("e_version", m.ehdr.e_version = 7);
    CASE("e_flags", m.ehdr.e_flags = 0xffffffff);
    CASE("e_ehsize", m.ehdr.e_ehsize = 1);
    CASE("phentsize 0", m.ehdr.e_phentsize = 0);
    CASE("phentsize odd", m.ehdr.e_phentsize = 57);
    CASE("phnum 0", m.ehdr.e_phnum = 0);
    CASE("phnum too large", m.ehdr.e_phnum = 0xffff);
    CASE("phnum 1", m.ehdr.e_phnum = 1);
    CASE("phnum beyond the file", m.ehdr.e_phnum = 900);
    CASE("phoff 0", m.ehdr.e_phoff = 0);
    CASE("phoff at the end", m.ehdr.e_phoff = IMAGE);
    CASE("phoff beyond", m.ehdr.e_phoff = 1ul << 40);
    CASE("phoff negative", m.ehdr.e_phoff = UINT64_MAX);
    CASE("phoff overflow", m.ehdr.e_phoff = INT64_MAX);
    CASE("entry 0", m.ehdr.e_entry = 0);
    CASE("entry in the data", m.ehdr.e_entry = DATA);
    CASE("entry in a hole", m.ehdr.e_entry = 0x450000);
    CASE("entry of the kernel", m.ehdr.e_entry = 0xffff000000000000ul);
    CASE("section headers", (m.ehdr.e_shoff = 1ul << 50, m.ehdr.e_shnum = 9));
}

static void segments(void)
{
    for (int i = 0; i < 2; i++) {
        Elf64_Phdr *p;
        printf("-- segment %d\n", i);
#define SEGMENT(name, ...) CASE(name, (p = &m.phdr[i], __VA_ARGS__))
        SEGMENT("type null", p->p_type = PT_NULL);
        SEGMENT("type unknown", p->p_type = 0x12345678);
        SEGMENT("no rights", p->p_flags = 0);
        SEGMENT("write only", p->p_flags = PF_W);
        SEGMENT("all rights", p->p_flags = PF_R | PF_W | PF_X);
        SEGMENT("strange flags", p->p_flags |= 0xfffffff8);
        SEGMENT("offset not congruent", p->p_offset += 8);
        SEGMENT("offset beyond the file", p->p_offset = 0x100000);
        SEGMENT("offset huge", p->p_offset = 1ul << 60);
        SEGMENT("offset negative", p->p_offset = (uint64_t)-4096l);
        SEGMENT("vaddr not congruent", p->p_vaddr += 16);
        SEGMENT("vaddr of the kernel", p->p_vaddr = 0xffff800000000000ul);
        SEGMENT("vaddr at the end of 64 bits", p->p_vaddr = (uint64_t)-4096l);
        SEGMENT("filesz 0", p->p_filesz = 0);
        SEGMENT("filesz above memsz", p->p_filesz = p->p_memsz + 1);
        SEGMENT("filesz huge", (p->p_filesz = 1ul << 62, p->p_memsz = 1ul << 62));
        SEGMENT("filesz all ones", (p->p_filesz = UINT64_MAX, p->p_memsz = UINT64_MAX));
        SEGMENT("filesz beyond the file", (p->p_filesz = 0x9000, p->p_memsz = 0x9000));
        SEGMENT("memsz 0", p->p_memsz = 0);
        SEGMENT("both sizes 0", p->p_memsz = p->p_filesz = 0);
        SEGMENT("memsz large", p->p_memsz = 1ul << 30);
        SEGMENT("memsz too large", p->p_memsz = 1ul << 55);
        SEGMENT("memsz all ones", p->p_memsz = UINT64_MAX);
        SEGMENT("memsz wraps", p->p_memsz = UINT64_MAX - p->p_vaddr);
        SEGMENT("align 0", p->p_align = 0);
        SEGMENT("align odd", p->p_align = 12345);
        SEGMENT("align huge", p->p_align = 1ul << 40);
        SEGMENT("paddr", p->p_paddr = 77);
    }
    CASE("segments overlap", m.phdr[1].p_vaddr = TEXT);
    CASE("segments swapped", {
        Elf64_Phdr x = m.phdr[0];
        m.phdr[0] = m.phdr[1];
        m.phdr[1] = x;
    });
    CASE("same segment twice", m.phdr[3] = m.phdr[1]);
    CASE("no segments", m.phdr[0].p_type = m.phdr[1].p_type = PT_NOTE);
    CASE("executable stack", m.phdr[2].p_flags |= PF_X);
    CASE("no stack header", m.phdr[2].p_type = PT_NULL);
    CASE("two stack headers", m.phdr[3] = m.phdr[2]);
    CASE("phdr header elsewhere", m.phdr[3] = (Elf64_Phdr){.p_type = PT_PHDR, .p_vaddr = 1});
    CASE("thread-local segment", m.phdr[3] = (Elf64_Phdr){.p_type = PT_TLS, .p_filesz = 1ul << 60});
    CASE("property note beyond",
         m.phdr[3] =
             (Elf64_Phdr){.p_type = PT_GNU_PROPERTY, .p_offset = 1ul << 50, .p_filesz = 64});
}

static void interpreter(const char *name, const char *path, size_t n, uint64_t size)
{
    struct image m;
    make(&m);
    set_interp(&m, path, n, size);
    run(name, &m, sizeof m);
}

static void interpreters(void)
{
    char path[80];
    struct image m;
    interpreter("missing", "/nonexistent", 13, 13);
    interpreter("no NUL", "/nonexistent", 12, 12);
    interpreter("size 0", "", 1, 0);
    interpreter("size 1", "", 1, 1);
    interpreter("size huge", "/x", 3, 1ul << 40);
    interpreter("size beyond PATH_MAX", "/x", 3, 5000);
    interpreter("a directory", "/tmp", 5, 5);
    snprintf(path, sizeof path, "%s/interp", dir);
    put_file(path, "#!/bin/sh\n", 10);
    interpreter("a script", path, strlen(path) + 1, strlen(path) + 1);
    put_file(path, "", 0);
    interpreter("an empty file", path, strlen(path) + 1, strlen(path) + 1);
    make(&m);
    m.ehdr.e_machine = EM_MIPS;
    put_file(path, &m, sizeof m);
    interpreter("another machine's", path, strlen(path) + 1, strlen(path) + 1);
    make(&m);
    m.ehdr.e_phnum = 0;
    put_file(path, &m, sizeof m);
    interpreter("without segments", path, strlen(path) + 1, strlen(path) + 1);
    put_file(path, &m, 70);
    interpreter("cut short", path, strlen(path) + 1, strlen(path) + 1);
    make(&m);
    put_file(path, &m, sizeof m);
    chmod(path, 0644);
    interpreter("not executable", path, strlen(path) + 1, strlen(path) + 1);
}

static void cut_short(void)
{
    static const size_t lengths[] = {0,   1,   4,     16,     63,     64,     100,   120,
                                     287, 288, 0x800, 0x1000, 0x2000, 0x2001, 0x2800};
    struct image m;
    make(&m);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu bytes", lengths[i]);
        run(name, &m, lengths[i]);
    }
}

// A program that can go anywhere is looked at only for how it is refused: its code is not made for
// it.
static void anywhere(void)
{
#define DYN(name, ...) CASE(name, (m.ehdr.e_type = ET_DYN, __VA_ARGS__))
    DYN("segment at the end of the space", m.phdr[1].p_vaddr = 0x7ffffffff000ul);
    DYN("segment beyond the space", m.phdr[1].p_vaddr = 1ul << 52);
    DYN("size wraps", m.phdr[1].p_memsz = UINT64_MAX - 0x500000);
    DYN("no segments", m.phdr[0].p_type = m.phdr[1].p_type = PT_NULL);
    DYN("filesz above memsz", m.phdr[1].p_filesz = 0x4000);
}

// Bytes of the headers changed at random, always the same way. What each does depends on the
// processor; that each comes to an end does not.
static void at_random(void)
{
    uint32_t seed = 12345;
    int ended = 0;
    for (int i = 0; i < 200; i++) {
        struct image m;
        make(&m);
        for (int n = 0; n <= i % 3; n++) {
            seed = seed * 1664525 + 1013904223;
            ((uint8_t *)&m)[(seed >> 8) % offsetof(struct image, rest)] = (uint8_t)(seed >> 24);
        }
        ended += execute(&m, sizeof m) != NULL;
    }
    SHOW("200 random changes end", "%d", ended);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(program, sizeof program, "%s/program", dir);
    run_as_child(headers);
    run_as_child(segments);
    run_as_child(interpreters);
    run_as_child(cut_short);
    run_as_child(anywhere);
    run_as_child(at_random);
    char path[80];
    snprintf(path, sizeof path, "%s/interp", dir);
    unlink(path);
    unlink(program);
    rmdir(dir);
    return 0;
}
