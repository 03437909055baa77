// wait(2) options and statuses (linux/wait.h). Layer 0.
#ifndef PLATFORM_ABI_WAIT_H
#define PLATFORM_ABI_WAIT_H

#include <stdint.h>

enum {
    LINUX_WNOHANG = 1,
    LINUX_WUNTRACED = 2,
    LINUX_WSTOPPED = 2,
    LINUX_WEXITED = 4,
    LINUX_WCONTINUED = 8,
    LINUX_WNOWAIT = 0x01000000,
    LINUX_WNOTHREAD = 0x20000000,
    LINUX_WALL = 0x40000000,
};
#define LINUX_WCLONE 0x80000000u

enum {
    LINUX_P_ALL = 0,
    LINUX_P_PID = 1,
    LINUX_P_PGID = 2,
    LINUX_P_PIDFD = 3,
};

// Wait statuses.
enum {
    LINUX_WSTATUS_CORE = 0x80,
    LINUX_WSTATUS_CONTINUED = 0xffff,
};
static inline int32_t linux_wstatus_exited(int32_t code)
{
    return (code & 0xff) << 8;
}
static inline int32_t linux_wstatus_stopped(int32_t signo)
{
    return signo << 8 | 0x7f;
}

#endif
