// A small program in one page of headers and code and one of data, made here so that probes can
// change it before they run it. It is position independent: the same bytes serve as ET_EXEC and as
// ET_DYN, and the host's version differs from the guest's only in e_machine and the code.
#ifndef TESTS_GUEST_ELF_IMAGE_H
#define TESTS_GUEST_ELF_IMAGE_H

#include "probe.h"
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define TEXT 0x400000ul
#define DATA 0x500000ul

// Exits with 42 plus the word at DATA + 0x1100, which is in the bss.
#if defined(__aarch64__)
static const uint32_t elf_code[] = {
    0xb0000801, // adrp x1, +0x101000
    0xf9408020, // ldr x0, [x1, #0x100]
    0x9100a800, // add x0, x0, #42
    0xd2800ba8, // mov x8, #93
    0xd4000001, // svc #0
};
enum { ELF_MACHINE = EM_AARCH64 };
#else
static const uint8_t elf_code[] = {
    0x48, 0x8b, 0x3d, 0xf9, 0x08, 0x10, 0x00, // mov rdi, [rip + 0x1008f9]
    0x48, 0x83, 0xc7, 42,                     // add rdi, 42
    0xb8, 60,   0,    0,    0,                // mov eax, 60
    0x0f, 0x05,                               // syscall
};
enum { ELF_MACHINE = EM_X86_64 };
#endif

enum { PHDRS = 4, IMAGE = 0x3000, CODE_AT = 0x800, INTERP_AT = 0x700 };

struct image {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[PHDRS];
    uint8_t rest[IMAGE - sizeof(Elf64_Ehdr) - PHDRS * sizeof(Elf64_Phdr)];
};

static inline void make_at(struct image *m, uint16_t type, uint64_t base)
{
    memset(m, 0, sizeof *m);
    memcpy(m->ehdr.e_ident, ELFMAG, SELFMAG);
    m->ehdr.e_ident[EI_CLASS] = ELFCLASS64;
    m->ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
    m->ehdr.e_ident[EI_VERSION] = EV_CURRENT;
    m->ehdr.e_type = type;
    m->ehdr.e_machine = ELF_MACHINE;
    m->ehdr.e_version = EV_CURRENT;
    m->ehdr.e_entry = base + CODE_AT;
    m->ehdr.e_phoff = offsetof(struct image, phdr);
    m->ehdr.e_ehsize = sizeof m->ehdr;
    m->ehdr.e_phentsize = sizeof m->phdr[0];
    m->ehdr.e_phnum = PHDRS;
    m->phdr[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                              .p_flags = PF_R | PF_X,
                              .p_vaddr = base,
                              .p_paddr = base,
                              .p_filesz = 0x1000,
                              .p_memsz = 0x1000,
                              .p_align = 0x1000};
    m->phdr[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                              .p_flags = PF_R | PF_W,
                              .p_offset = 0x2000,
                              .p_vaddr = base + (DATA - TEXT),
                              .p_paddr = base + (DATA - TEXT),
                              .p_filesz = 0x800,
                              .p_memsz = 0x3000,
                              .p_align = 0x1000};
    m->phdr[2] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W, .p_align = 16};
    m->phdr[3] = (Elf64_Phdr){.p_type = PT_NULL};
    memcpy((uint8_t *)m + CODE_AT, elf_code, sizeof elf_code);
    memset((uint8_t *)m + 0x2000, 0x55, 0x1000);
}

static inline void make(struct image *m)
{
    make_at(m, ET_EXEC, TEXT);
}

static inline void set_interp(struct image *m, const char *path, size_t n, uint64_t size)
{
    m->phdr[3] =
        (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = INTERP_AT, .p_filesz = size, .p_memsz = size};
    memcpy((uint8_t *)m + INTERP_AT, path, n);
}

static inline void put_file(const char *path, const void *data, size_t n)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd))
        abort();
}

// Executes the file in a child: the error of execve, or how the program ended. Which signal ends a
// program that runs into data differs between processors.
static inline const char *execute_file(const char *path)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        abort();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        alarm(5); // should it loop
        char *argv[] = {"program", NULL}, *envp[] = {NULL};
        execve(path, argv, envp);
        int error = errno;
        write(fds[1], &error, sizeof error);
        _exit(0);
    }
    close(fds[1]);
    int error = 0, status = 0;
    ssize_t got = read(fds[0], &error, sizeof error);
    close(fds[0]);
    waitpid(pid, &status, 0);
    if (got > 0)
        return strerrorname_np(error);
    return WIFSIGNALED(status) ? "killed" : status_text(status);
}

#endif
