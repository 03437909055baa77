// The ELF structures and numbers a loader of AArch64 programs reads (System V gABI; ELF for the Arm
// 64-bit Architecture). Layer 0.
#ifndef PLATFORM_ABI_ELF_H
#define PLATFORM_ABI_ELF_H

#include <stdint.h>

struct elf64_ehdr {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf64_ehdr) == 64, "ELF header");

struct elf64_phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf64_phdr) == 56, "ELF program header");

struct elf64_nhdr {
    uint32_t namesz, descsz, type;
};

enum {
    ELF_ET_EXEC = 2,
    ELF_ET_DYN = 3,
    ELF_ET_CORE = 4,
    ELF_EV_CURRENT = 1,
    ELF_EM_AARCH64 = 183,
    ELF_CLASS64 = 2,
    ELF_DATA2LSB = 1,

    ELF_PT_LOAD = 1,
    ELF_PT_INTERP = 3,
    ELF_PT_NOTE = 4,
    ELF_PT_GNU_STACK = 0x6474e551,

    ELF_PF_X = 1,
    ELF_PF_W = 2,
    ELF_PF_R = 4,
};

// Auxiliary vector types.
enum {
    LINUX_AT_NULL = 0,
    LINUX_AT_PHDR = 3,
    LINUX_AT_PHENT = 4,
    LINUX_AT_PHNUM = 5,
    LINUX_AT_PAGESZ = 6,
    LINUX_AT_BASE = 7,
    LINUX_AT_FLAGS = 8,
    LINUX_AT_ENTRY = 9,
    LINUX_AT_UID = 11,
    LINUX_AT_EUID = 12,
    LINUX_AT_GID = 13,
    LINUX_AT_EGID = 14,
    LINUX_AT_PLATFORM = 15,
    LINUX_AT_HWCAP = 16,
    LINUX_AT_CLKTCK = 17,
    LINUX_AT_SECURE = 23,
    LINUX_AT_RANDOM = 25,
    LINUX_AT_HWCAP2 = 26,
    LINUX_AT_EXECFN = 31,
    LINUX_AT_SYSINFO_EHDR = 33,
    LINUX_AT_MINSIGSTKSZ = 51,
};

#endif
