// Capability numbers and the structs of capget(2) (linux/capability.h). Layer 0. Those the file
// systems check are in fs/cred.h.
#ifndef PLATFORM_ABI_CAPABILITY_H
#define PLATFORM_ABI_CAPABILITY_H

#include <stdint.h>

enum {
    LINUX_CAP_KILL = 5,
    LINUX_CAP_SETGID = 6,
    LINUX_CAP_SETUID = 7,
    LINUX_CAP_SETPCAP = 8,
    LINUX_CAP_NET_BIND_SERVICE = 10,
    LINUX_CAP_NET_ADMIN = 12,
    LINUX_CAP_NET_RAW = 13,
    LINUX_CAP_IPC_LOCK = 14,
    LINUX_CAP_IPC_OWNER = 15,
    LINUX_CAP_SYS_CHROOT = 18,
    LINUX_CAP_SYS_PTRACE = 19,
    LINUX_CAP_SYS_PACCT = 20,
    LINUX_CAP_SYS_BOOT = 22,
    LINUX_CAP_SYS_NICE = 23,
    LINUX_CAP_SYS_TIME = 25,
    LINUX_CAP_SYS_TTY_CONFIG = 26,
    LINUX_CAP_LEASE = 28,
    LINUX_CAP_SYSLOG = 34,
    LINUX_CAP_CHECKPOINT_RESTORE = 40,
    LINUX_CAP_LAST = 40,
};
#define LINUX_CAP_FULL ((1ull << (LINUX_CAP_LAST + 1)) - 1)

#define LINUX_CAPABILITY_VERSION_1 0x19980330u
#define LINUX_CAPABILITY_VERSION_2 0x20071026u
#define LINUX_CAPABILITY_VERSION_3 0x20080522u

struct linux_cap_header {
    uint32_t version;
    int32_t pid;
};
struct linux_cap_data {
    uint32_t effective, permitted, inheritable;
};

// prctl(PR_SET_SECUREBITS)
enum {
    LINUX_SECBIT_NOROOT = 1 << 0,
    LINUX_SECBIT_NOROOT_LOCKED = 1 << 1,
    LINUX_SECBIT_NO_SETUID_FIXUP = 1 << 2,
    LINUX_SECBIT_NO_SETUID_FIXUP_LOCKED = 1 << 3,
    LINUX_SECBIT_KEEP_CAPS = 1 << 4,
    LINUX_SECBIT_KEEP_CAPS_LOCKED = 1 << 5,
    LINUX_SECBIT_NO_CAP_AMBIENT_RAISE = 1 << 6,
    LINUX_SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED = 1 << 7,
    LINUX_SECBITS_ALL = 0xff,
    LINUX_SECBITS_LOCKS = 0xaa,
};

#endif
