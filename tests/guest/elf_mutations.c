// Four hundred and more broken ELF files, made by changing the headers of a good one in one to
// three places, always the same way: what execve says to each is printed. Values are such that the
// answer does not depend on the processor: no entry in the middle of code, no address that only one
// of the two has, no size that some machine's memory could hold and another's not.
#include "elf_image.h"

static char dir[] = "/tmp/elf-mutate-XXXXXX";
static char program[64], interp[64];

static uint32_t seed;
static uint32_t pick(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

#define EHDR(f)     {"e_" #f, offsetof(Elf64_Ehdr, e_##f), sizeof((Elf64_Ehdr *)0)->e_##f}
#define PHDR(f)     {"p_" #f, offsetof(Elf64_Phdr, p_##f), sizeof((Elf64_Phdr *)0)->p_##f}
#define COUNT(a)    (sizeof(a) / sizeof(a)[0])
#define PICK(array) ((array)[pick(COUNT(array))])

struct field {
    const char *name;
    size_t offset, size;
};
static const struct field ehdr_fields[] = {
    {"magic", 0, 1},      {"magic", 3, 1}, {"class", EI_CLASS, 1},
    {"data", EI_DATA, 1}, EHDR(type),      EHDR(machine),
    EHDR(version),        EHDR(entry),     EHDR(phoff),
    EHDR(phoff),          EHDR(shoff),     EHDR(flags),
    EHDR(ehsize),         EHDR(phentsize), EHDR(phnum),
    EHDR(phnum),          EHDR(shentsize), EHDR(shnum),
    EHDR(shstrndx),
};
static const struct field phdr_fields[] = {
    PHDR(type),  PHDR(flags),  PHDR(offset), PHDR(vaddr),
    PHDR(paddr), PHDR(filesz), PHDR(memsz),  PHDR(align),
};

static const uint64_t small[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 55, 56, 57, 64, 127, 0xff};
static const uint64_t words[] = {0,      1,      7,      62,         183,        0x1000,
                                 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
static const uint64_t types[] = {PT_NULL, PT_LOAD,      PT_DYNAMIC,      PT_INTERP,  PT_NOTE,
                                 PT_PHDR, PT_GNU_STACK, PT_GNU_PROPERTY, 0x60000000, 0xffffffff};
static const uint64_t wide[] = {
    0,         1,        0x40,      0xfff,     0x1000,    0x1001,    0x2000,    0x2fff,
    0x3000,    0x100000, 1ul << 48, 1ul << 52, 1ul << 62, INT64_MAX, 1ul << 63, (uint64_t)-4096l,
    UINT64_MAX};
static const uint64_t entries[] = {0,         DATA,      DATA + 0x1000,    0x450000,
                                   1ul << 52, 1ul << 63, (uint64_t)-4096l, UINT64_MAX};

static uint64_t value_for(const struct field *f, uint64_t old)
{
    if (!strcmp(f->name, "p_type"))
        return PICK(types);
    if (!strcmp(f->name, "e_entry"))
        return PICK(entries);
    if (f->size <= 2)
        return pick(2) ? PICK(small) : PICK(words);
    if (f->size == 4)
        return pick(4) ? PICK(words) : old ^ 1u << pick(3);
    switch (pick(6)) {
    case 0:
        return old + 1;
    case 1:
        return old - 1;
    case 2:
        return old + 0x1000;
    case 3:
        return old - 0x1000;
    default:
        return PICK(wide);
    }
}

// Changes one place and appends what it did to `text`.
static void mutate(struct image *m, char *text, size_t size)
{
    bool ehdr = pick(3) == 0;
    unsigned header = pick(PHDRS);
    const struct field *f = ehdr ? &PICK(ehdr_fields) : &PICK(phdr_fields);
    uint8_t *at = (ehdr ? (uint8_t *)&m->ehdr : (uint8_t *)&m->phdr[header]) + f->offset;
    uint64_t value = 0;
    memcpy(&value, at, f->size);
    // The two machines differ here, and only here.
    bool machine = !strcmp(f->name, "e_machine");
    value = machine ? 0x7000 + pick(100) : value_for(f, value);
    memcpy(at, &value, f->size);
    size_t used = strlen(text);
    if (ehdr)
        snprintf(text + used, size - used, " %s=%#lx", f->name, value);
    else
        snprintf(text + used, size - used, " %u.%s=%#lx", header, f->name, value);
}

static unsigned ended;

static void storm(const char *what, uint16_t type, uint64_t base, bool with_interp,
                  bool change_interp, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct image m, loader;
        char text[200] = "";
        make_at(&m, type, base);
        make_at(&loader, ET_DYN, 0);
        if (with_interp)
            set_interp(&m, interp, strlen(interp) + 1, strlen(interp) + 1);
        for (unsigned n = 0; n <= i % 3; n++)
            mutate(change_interp ? &loader : &m, text, sizeof text);
        if (with_interp)
            put_file(interp, &loader, sizeof loader);
        // Now and then the file also ends early.
        size_t size = sizeof m;
        if (i % 10 == 9 && !change_interp) {
            size = pick(sizeof m);
            snprintf(text + strlen(text), sizeof text - strlen(text), " size=%zu", size);
        }
        put_file(program, &m, size);
        const char *result = execute_file(program);
        ended += result != NULL;
        printf("%s %u%s: %s\n", what, i, text, result ? result : "?");
    }
    fflush(stdout);
}

static void body(void)
{
    seed = 20230101;
    storm("static", ET_EXEC, TEXT, false, false, 200);
    storm("pie", ET_DYN, 0, false, false, 200);
    storm("with interpreter", ET_DYN, 0, true, false, 60);
    storm("interpreter", ET_DYN, 0, true, true, 60);
    SHOW("ended", "%u", ended);
}

int main(void)
{
    // Names of interpreters may lose their first slash: then there is nothing here to find.
    if (!mkdtemp(dir) || chdir(dir))
        return 1;
    snprintf(program, sizeof program, "%s/program", dir);
    snprintf(interp, sizeof interp, "%s/interp", dir);
    run_as_child(body);
    unlink(interp);
    unlink(program);
    rmdir(dir);
    return 0;
}
