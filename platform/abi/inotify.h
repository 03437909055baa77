// inotify(7): event bits and the record a read returns. Layer 0.
#ifndef PLATFORM_ABI_INOTIFY_H
#define PLATFORM_ABI_INOTIFY_H

#include <stdint.h>

enum {
    LINUX_IN_ACCESS = 0x1,
    LINUX_IN_MODIFY = 0x2,
    LINUX_IN_ATTRIB = 0x4,
    LINUX_IN_CLOSE_WRITE = 0x8,
    LINUX_IN_CLOSE_NOWRITE = 0x10,
    LINUX_IN_OPEN = 0x20,
    LINUX_IN_MOVED_FROM = 0x40,
    LINUX_IN_MOVED_TO = 0x80,
    LINUX_IN_CREATE = 0x100,
    LINUX_IN_DELETE = 0x200,
    LINUX_IN_DELETE_SELF = 0x400,
    LINUX_IN_MOVE_SELF = 0x800,
    LINUX_IN_ALL_EVENTS = 0xfff,
    LINUX_IN_UNMOUNT = 0x2000,
    LINUX_IN_Q_OVERFLOW = 0x4000,
    LINUX_IN_IGNORED = 0x8000,
    LINUX_IN_ONLYDIR = 0x1000000,
    LINUX_IN_DONT_FOLLOW = 0x2000000,
    LINUX_IN_EXCL_UNLINK = 0x4000000,
    LINUX_IN_MASK_CREATE = 0x10000000,
    LINUX_IN_MASK_ADD = 0x20000000,
    LINUX_IN_ISDIR = 0x40000000,
};
#define LINUX_IN_ONESHOT UINT32_C(0x80000000)

// A name of `len` bytes, zeros at its end included, follows.
struct linux_inotify_event {
    int32_t wd;
    uint32_t mask, cookie, len;
};
_Static_assert(sizeof(struct linux_inotify_event) == 16, "inotify(7)");

#endif
