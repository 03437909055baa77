// ptrace(2) as ARM64 Linux numbers and lays it out (linux/ptrace.h, asm/ptrace.h, linux/elf.h).
// Layer 0.
#ifndef PLATFORM_ABI_PTRACE_H
#define PLATFORM_ABI_PTRACE_H

#include <stddef.h>
#include <stdint.h>

enum {
    LINUX_PTRACE_TRACEME = 0,
    LINUX_PTRACE_PEEKTEXT = 1,
    LINUX_PTRACE_PEEKDATA = 2,
    LINUX_PTRACE_POKETEXT = 4,
    LINUX_PTRACE_POKEDATA = 5,
    LINUX_PTRACE_CONT = 7,
    LINUX_PTRACE_KILL = 8,
    LINUX_PTRACE_SINGLESTEP = 9,
    LINUX_PTRACE_ATTACH = 16,
    LINUX_PTRACE_DETACH = 17,
    LINUX_PTRACE_SYSCALL = 24,
    LINUX_PTRACE_SYSEMU = 31,
    LINUX_PTRACE_SYSEMU_SINGLESTEP = 32,
    LINUX_PTRACE_SETOPTIONS = 0x4200,
    LINUX_PTRACE_GETEVENTMSG = 0x4201,
    LINUX_PTRACE_GETSIGINFO = 0x4202,
    LINUX_PTRACE_SETSIGINFO = 0x4203,
    LINUX_PTRACE_GETREGSET = 0x4204,
    LINUX_PTRACE_SETREGSET = 0x4205,
    LINUX_PTRACE_SEIZE = 0x4206,
    LINUX_PTRACE_INTERRUPT = 0x4207,
    LINUX_PTRACE_LISTEN = 0x4208,
    LINUX_PTRACE_PEEKSIGINFO = 0x4209,
    LINUX_PTRACE_GETSIGMASK = 0x420a,
    LINUX_PTRACE_SETSIGMASK = 0x420b,
    LINUX_PTRACE_SECCOMP_GET_FILTER = 0x420c,
    LINUX_PTRACE_SECCOMP_GET_METADATA = 0x420d,
    LINUX_PTRACE_GET_SYSCALL_INFO = 0x420e,
    LINUX_PTRACE_GET_RSEQ_CONFIGURATION = 0x420f,
};

// Stops that are events: the byte above SIGTRAP in the stop's code.
enum {
    LINUX_PTRACE_EVENT_FORK = 1,
    LINUX_PTRACE_EVENT_VFORK = 2,
    LINUX_PTRACE_EVENT_CLONE = 3,
    LINUX_PTRACE_EVENT_EXEC = 4,
    LINUX_PTRACE_EVENT_VFORK_DONE = 5,
    LINUX_PTRACE_EVENT_EXIT = 6,
    LINUX_PTRACE_EVENT_SECCOMP = 7,
    LINUX_PTRACE_EVENT_STOP = 128,
};

// Options: those that ask for an event are the bit of its number.
enum {
    LINUX_PTRACE_O_TRACESYSGOOD = 1,
    LINUX_PTRACE_O_EVENTS = 0xfe,
    LINUX_PTRACE_O_EXITKILL = 1 << 20,
    LINUX_PTRACE_O_SUSPEND_SECCOMP = 1 << 21,
    LINUX_PTRACE_O_MASK = 0xff | LINUX_PTRACE_O_EXITKILL | LINUX_PTRACE_O_SUSPEND_SECCOMP,
};

// What PTRACE_GETEVENTMSG gives in a system-call stop.
enum {
    LINUX_PTRACE_EVENTMSG_SYSCALL_ENTRY = 1,
    LINUX_PTRACE_EVENTMSG_SYSCALL_EXIT = 2,
};

enum { LINUX_PTRACE_PEEKSIGINFO_SHARED = 1 };
struct linux_ptrace_peeksiginfo_args {
    uint64_t off;
    uint32_t flags;
    int32_t nr;
};

enum {
    LINUX_PTRACE_SYSCALL_INFO_NONE = 0,
    LINUX_PTRACE_SYSCALL_INFO_ENTRY = 1,
    LINUX_PTRACE_SYSCALL_INFO_EXIT = 2,
    LINUX_PTRACE_SYSCALL_INFO_SECCOMP = 3,
};
struct linux_ptrace_syscall_info {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t instruction_pointer;
    uint64_t stack_pointer;
    union {
        struct {
            uint64_t nr;
            uint64_t args[6];
            uint32_t ret_data; // of a stop by seccomp only
        } entry;
        struct {
            int64_t rval;
            uint8_t is_error;
        } exit;
    };
};
_Static_assert(sizeof(struct linux_ptrace_syscall_info) == 88, "struct ptrace_syscall_info");

struct linux_ptrace_rseq_configuration {
    uint64_t rseq_abi_pointer;
    uint32_t rseq_abi_size, signature, flags, pad;
};

struct linux_seccomp_metadata {
    uint64_t filter_off;
    uint64_t flags;
};

// --- Register sets: also the notes of a core file ------------------------------------------------

enum {
    LINUX_NT_PRSTATUS = 1,
    LINUX_NT_PRFPREG = 2,
    LINUX_NT_PRPSINFO = 3,
    LINUX_NT_AUXV = 6,
    LINUX_NT_FILE = 0x46494c45,
    LINUX_NT_SIGINFO = 0x53494749,
    LINUX_NT_ARM_TLS = 0x401,
    LINUX_NT_ARM_HW_BREAK = 0x402,
    LINUX_NT_ARM_HW_WATCH = 0x403,
    LINUX_NT_ARM_SYSTEM_CALL = 0x404,
};

struct linux_user_pt_regs {
    uint64_t x[31];
    uint64_t sp, pc, pstate;
};
_Static_assert(sizeof(struct linux_user_pt_regs) == 272, "struct user_pt_regs");

struct linux_user_fpsimd_state {
    uint64_t v[32][2];
    uint32_t fpsr, fpcr;
    uint32_t reserved[2];
};
_Static_assert(sizeof(struct linux_user_fpsimd_state) == 528, "struct user_fpsimd_state");

struct linux_user_hwdebug_state {
    uint32_t dbg_info; // architecture in bits 15..8, number of slots below
    uint32_t pad;
    struct {
        uint64_t addr;
        uint32_t ctrl, pad;
    } slot[16];
};
_Static_assert(sizeof(struct linux_user_hwdebug_state) == 264, "struct user_hwdebug_state");

#endif
