// seccomp(2) and classic BPF (linux/seccomp.h, linux/filter.h, linux/audit.h). Layer 0.
#ifndef PLATFORM_ABI_SECCOMP_H
#define PLATFORM_ABI_SECCOMP_H

#include <stdint.h>

#define LINUX_AUDIT_ARCH_AARCH64 0xc00000b7u

enum {
    LINUX_SECCOMP_MODE_DISABLED = 0,
    LINUX_SECCOMP_MODE_STRICT = 1,
    LINUX_SECCOMP_MODE_FILTER = 2,

    LINUX_SECCOMP_SET_MODE_STRICT = 0,
    LINUX_SECCOMP_SET_MODE_FILTER = 1,
    LINUX_SECCOMP_GET_ACTION_AVAIL = 2,
    LINUX_SECCOMP_GET_NOTIF_SIZES = 3,

    LINUX_SECCOMP_FILTER_FLAG_TSYNC = 1 << 0,
    LINUX_SECCOMP_FILTER_FLAG_LOG = 1 << 1,
    LINUX_SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1 << 2,
    LINUX_SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3,
    LINUX_SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 1 << 4,
    LINUX_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5,
};

// What a filter returns: an action, and 16 bits of data for it.
#define LINUX_SECCOMP_RET_KILL_PROCESS 0x80000000u
#define LINUX_SECCOMP_RET_KILL_THREAD  0x00000000u
#define LINUX_SECCOMP_RET_TRAP         0x00030000u
#define LINUX_SECCOMP_RET_ERRNO        0x00050000u
#define LINUX_SECCOMP_RET_USER_NOTIF   0x7fc00000u
#define LINUX_SECCOMP_RET_TRACE        0x7ff00000u
#define LINUX_SECCOMP_RET_LOG          0x7ffc0000u
#define LINUX_SECCOMP_RET_ALLOW        0x7fff0000u
#define LINUX_SECCOMP_RET_ACTION_FULL  0xffff0000u
#define LINUX_SECCOMP_RET_DATA         0x0000ffffu

// What a filter sees.
struct linux_seccomp_data {
    int32_t nr;
    uint32_t arch;
    uint64_t instruction_pointer, args[6];
};
_Static_assert(sizeof(struct linux_seccomp_data) == 64, "struct seccomp_data");

struct linux_seccomp_notif_sizes {
    uint16_t notif, response, data;
};

struct linux_seccomp_notif {
    uint64_t id;
    uint32_t pid, flags;
    struct linux_seccomp_data data;
};
_Static_assert(sizeof(struct linux_seccomp_notif) == 80, "struct seccomp_notif");
struct linux_seccomp_notif_resp {
    uint64_t id;
    int64_t val;
    int32_t error;
    uint32_t flags;
};
_Static_assert(sizeof(struct linux_seccomp_notif_resp) == 24, "struct seccomp_notif_resp");
struct linux_seccomp_notif_addfd {
    uint64_t id;
    uint32_t flags, srcfd, newfd, newfd_flags;
};
_Static_assert(sizeof(struct linux_seccomp_notif_addfd) == 24, "struct seccomp_notif_addfd");
enum {
    LINUX_SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1,
    LINUX_SECCOMP_ADDFD_FLAG_SETFD = 1,
    LINUX_SECCOMP_ADDFD_FLAG_SEND = 2,
    LINUX_SECCOMP_ADDFD_SIZE_VER0 = 24,
};
#define LINUX_SECCOMP_IOCTL_NOTIF_RECV           0xc0502100u
#define LINUX_SECCOMP_IOCTL_NOTIF_SEND           0xc0182101u
#define LINUX_SECCOMP_IOCTL_NOTIF_ID_VALID       0x40082102u
#define LINUX_SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG 0x80082102u
#define LINUX_SECCOMP_IOCTL_NOTIF_ADDFD          0x2103u // whatever direction and size it names

struct linux_sock_filter {
    uint16_t code;
    uint8_t jt, jf;
    uint32_t k;
};
_Static_assert(sizeof(struct linux_sock_filter) == 8, "struct sock_filter");

struct linux_sock_fprog {
    uint16_t len;
    uint64_t filter;
};
_Static_assert(sizeof(struct linux_sock_fprog) == 16, "struct sock_fprog");

enum {
    LINUX_BPF_LD = 0,
    LINUX_BPF_LDX = 1,
    LINUX_BPF_ST = 2,
    LINUX_BPF_STX = 3,
    LINUX_BPF_ALU = 4,
    LINUX_BPF_JMP = 5,
    LINUX_BPF_RET = 6,
    LINUX_BPF_MISC = 7,
    // Size and mode of loads.
    LINUX_BPF_W = 0,
    LINUX_BPF_IMM = 0x00,
    LINUX_BPF_ABS = 0x20,
    LINUX_BPF_MEM = 0x60,
    LINUX_BPF_LEN = 0x80,
    // Operations of ALU and JMP.
    LINUX_BPF_ADD = 0x00,
    LINUX_BPF_SUB = 0x10,
    LINUX_BPF_MUL = 0x20,
    LINUX_BPF_DIV = 0x30,
    LINUX_BPF_OR = 0x40,
    LINUX_BPF_AND = 0x50,
    LINUX_BPF_LSH = 0x60,
    LINUX_BPF_RSH = 0x70,
    LINUX_BPF_NEG = 0x80,
    LINUX_BPF_XOR = 0xa0,
    LINUX_BPF_JA = 0x00,
    LINUX_BPF_JEQ = 0x10,
    LINUX_BPF_JGT = 0x20,
    LINUX_BPF_JGE = 0x30,
    LINUX_BPF_JSET = 0x40,
    LINUX_BPF_K = 0x00,
    LINUX_BPF_X = 0x08,
    LINUX_BPF_A = 0x10, // of RET
    LINUX_BPF_TAX = 0x00,
    LINUX_BPF_TXA = 0x80,
    LINUX_BPF_MEMWORDS = 16,
    LINUX_BPF_MAXINSNS = 4096,
};

#endif
