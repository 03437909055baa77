// clone(2), unshare(2) and scheduling numbers (linux/sched.h). Layer 0.
#ifndef PLATFORM_ABI_SCHED_H
#define PLATFORM_ABI_SCHED_H

#include <stdint.h>

#define LINUX_CSIGNAL              0x000000ffull
#define LINUX_CLONE_NEWTIME        0x00000080ull
#define LINUX_CLONE_VM             0x00000100ull
#define LINUX_CLONE_FS             0x00000200ull
#define LINUX_CLONE_FILES          0x00000400ull
#define LINUX_CLONE_SIGHAND        0x00000800ull
#define LINUX_CLONE_PIDFD          0x00001000ull
#define LINUX_CLONE_PTRACE         0x00002000ull
#define LINUX_CLONE_VFORK          0x00004000ull
#define LINUX_CLONE_PARENT         0x00008000ull
#define LINUX_CLONE_THREAD         0x00010000ull
#define LINUX_CLONE_NEWNS          0x00020000ull
#define LINUX_CLONE_SYSVSEM        0x00040000ull
#define LINUX_CLONE_SETTLS         0x00080000ull
#define LINUX_CLONE_PARENT_SETTID  0x00100000ull
#define LINUX_CLONE_CHILD_CLEARTID 0x00200000ull
#define LINUX_CLONE_DETACHED       0x00400000ull
#define LINUX_CLONE_UNTRACED       0x00800000ull
#define LINUX_CLONE_CHILD_SETTID   0x01000000ull
#define LINUX_CLONE_NEWCGROUP      0x02000000ull
#define LINUX_CLONE_NEWUTS         0x04000000ull
#define LINUX_CLONE_NEWIPC         0x08000000ull
#define LINUX_CLONE_NEWUSER        0x10000000ull
#define LINUX_CLONE_NEWPID         0x20000000ull
#define LINUX_CLONE_NEWNET         0x40000000ull
#define LINUX_CLONE_IO             0x80000000ull
#define LINUX_CLONE_CLEAR_SIGHAND  0x100000000ull
#define LINUX_CLONE_INTO_CGROUP    0x200000000ull

struct linux_clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal;
    uint64_t stack, stack_size, tls; // version 0 ends here: 64 bytes
    uint64_t set_tid, set_tid_size;  // version 1: 80 bytes
    uint64_t cgroup;                 // version 2: 88 bytes
};
_Static_assert(sizeof(struct linux_clone_args) == 88, "struct clone_args");
enum { LINUX_CLONE_ARGS_SIZE_VER0 = 64 };

enum {
    LINUX_SCHED_OTHER = 0,
    LINUX_SCHED_FIFO = 1,
    LINUX_SCHED_RR = 2,
    LINUX_SCHED_BATCH = 3,
    LINUX_SCHED_IDLE = 5,
    LINUX_SCHED_DEADLINE = 6,
    LINUX_SCHED_RESET_ON_FORK = 0x40000000,
};

struct linux_sched_param {
    int32_t priority;
};

struct linux_sched_attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};
_Static_assert(sizeof(struct linux_sched_attr) == 56, "struct sched_attr");

// personality(2)
enum {
    LINUX_PER_LINUX = 0,
    LINUX_ADDR_NO_RANDOMIZE = 0x0040000,
};

#endif
