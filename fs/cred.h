// Credentials, as the file systems see them: arguments, never looked up. Layer 3.
//
// A struct cred is immutable once shared: a change makes a new one (kernel/cred.c).
#ifndef FS_CRED_H
#define FS_CRED_H

#include "platform/base/compiler.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { CRED_GROUPS_MAX = 65536 };

struct cred {
    _Atomic uint32_t refs;
    uint32_t uid, euid, suid, fsuid;
    uint32_t gid, egid, sgid, fsgid;
    uint64_t cap_permitted, cap_effective, cap_inheritable, cap_bounding, cap_ambient;
    uint32_t securebits;
    uint32_t group_count;
    uint32_t groups[]; // sorted
};

// Capability numbers the file systems ask for (linux/capability.h has them all).
enum {
    LINUX_CAP_CHOWN = 0,
    LINUX_CAP_DAC_OVERRIDE = 1,
    LINUX_CAP_DAC_READ_SEARCH = 2,
    LINUX_CAP_FOWNER = 3,
    LINUX_CAP_FSETID = 4,
    LINUX_CAP_LINUX_IMMUTABLE = 9,
    LINUX_CAP_SYS_RESOURCE = 24,
    LINUX_CAP_SYS_ADMIN = 21,
    LINUX_CAP_MKNOD = 27,
    LINUX_CAP_SETFCAP = 31,
};

static inline bool cred_capable(const struct cred *c, unsigned cap)
{
    return c->cap_effective >> cap & 1;
}

bool cred_in_group(const struct cred *c, uint32_t gid);

// A cred of user and group 0 with every capability and no supplementary groups; one reference.
// NULL without memory.
struct cred *cred_create_root(void);
struct cred *cred_get(const struct cred *c);
void cred_put(const struct cred *c);

#endif
