// Commands and structs of fcntl(2) and of calls that take its flags, as on Linux ARM64. Open flags,
// modes, lock types and AT_ values are in platform/abi/fs.h. Layer 0.
#ifndef PLATFORM_ABI_FCNTL_H
#define PLATFORM_ABI_FCNTL_H

#include <stdint.h>

enum {
    LINUX_F_DUPFD = 0,
    LINUX_F_GETFD = 1,
    LINUX_F_SETFD = 2,
    LINUX_F_GETFL = 3,
    LINUX_F_SETFL = 4,
    LINUX_F_GETLK = 5,
    LINUX_F_SETLK = 6,
    LINUX_F_SETLKW = 7,
    LINUX_F_SETOWN = 8,
    LINUX_F_GETOWN = 9,
    LINUX_F_SETSIG = 10,
    LINUX_F_GETSIG = 11,
    LINUX_F_SETOWN_EX = 15,
    LINUX_F_GETOWN_EX = 16,
    LINUX_F_GETOWNER_UIDS = 17,
    LINUX_F_OFD_GETLK = 36,
    LINUX_F_OFD_SETLK = 37,
    LINUX_F_OFD_SETLKW = 38,
    LINUX_F_SETLEASE = 1024,
    LINUX_F_GETLEASE = 1025,
    LINUX_F_NOTIFY = 1026,
    LINUX_F_DUPFD_CLOEXEC = 1030,
    LINUX_F_SETPIPE_SZ = 1031,
    LINUX_F_GETPIPE_SZ = 1032,
    LINUX_F_ADD_SEALS = 1033,
    LINUX_F_GET_SEALS = 1034,
    LINUX_F_GET_RW_HINT = 1035,
    LINUX_F_SET_RW_HINT = 1036,
};

// F_NOTIFY.
#define LINUX_DN_ACCESS    0x00000001u
#define LINUX_DN_MODIFY    0x00000002u
#define LINUX_DN_CREATE    0x00000004u
#define LINUX_DN_DELETE    0x00000008u
#define LINUX_DN_RENAME    0x00000010u
#define LINUX_DN_ATTRIB    0x00000020u
#define LINUX_DN_MULTISHOT 0x80000000u

enum { LINUX_FD_CLOEXEC = 1 };

enum {
    LINUX_F_SEAL_SEAL = 0x01,
    LINUX_F_SEAL_SHRINK = 0x02,
    LINUX_F_SEAL_GROW = 0x04,
    LINUX_F_SEAL_WRITE = 0x08,
    LINUX_F_SEAL_FUTURE_WRITE = 0x10,
    LINUX_F_SEAL_EXEC = 0x20,
};

struct linux_flock {
    int16_t l_type, l_whence;
    int32_t pad;
    int64_t l_start, l_len;
    int32_t l_pid, pad_end;
};
_Static_assert(sizeof(struct linux_flock) == 32, "fcntl(2)");

struct linux_f_owner_ex {
    int32_t type, pid;
};
enum {
    LINUX_F_OWNER_TID = 0,
    LINUX_F_OWNER_PID = 1,
    LINUX_F_OWNER_PGRP = 2,
};

enum {
    LINUX_LOCK_SH = 1,
    LINUX_LOCK_EX = 2,
    LINUX_LOCK_NB = 4,
    LINUX_LOCK_UN = 8,
};

// preadv2, pwritev2.
enum {
    LINUX_RWF_HIPRI = 1,
    LINUX_RWF_DSYNC = 2,
    LINUX_RWF_SYNC = 4,
    LINUX_RWF_NOWAIT = 8,
    LINUX_RWF_APPEND = 16,
};

enum {
    LINUX_SPLICE_F_MOVE = 1,
    LINUX_SPLICE_F_NONBLOCK = 2,
    LINUX_SPLICE_F_MORE = 4,
    LINUX_SPLICE_F_GIFT = 8,
    LINUX_SPLICE_F_ALL = 15,
};

enum {
    LINUX_CLOSE_RANGE_UNSHARE = 2,
    LINUX_CLOSE_RANGE_CLOEXEC = 4,
};

struct linux_open_how {
    uint64_t flags, mode, resolve;
};
enum {
    LINUX_RESOLVE_NO_XDEV = 0x01,
    LINUX_RESOLVE_NO_MAGICLINKS = 0x02,
    LINUX_RESOLVE_NO_SYMLINKS = 0x04,
    LINUX_RESOLVE_BENEATH = 0x08,
    LINUX_RESOLVE_IN_ROOT = 0x10,
    LINUX_RESOLVE_CACHED = 0x20,
};

// ioctl commands any descriptor takes.
enum {
    LINUX_FIONREAD = 0x541b,
    LINUX_FIONBIO = 0x5421,
    LINUX_FIONCLEX = 0x5450,
    LINUX_FIOCLEX = 0x5451,
    LINUX_FIOASYNC = 0x5452,
    LINUX_FIOQSIZE = 0x5460,
    // Of sockets.
    LINUX_FIOSETOWN = 0x8901,
    LINUX_SIOCSPGRP = 0x8902,
    LINUX_FIOGETOWN = 0x8903,
    LINUX_SIOCGPGRP = 0x8904,
};

#endif
