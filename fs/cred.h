// Credentials, as the file systems see them: arguments, never looked up. Layer 3.
//
// A struct cred is immutable once shared: a change makes a new one (kernel/cred.c).
#ifndef FS_CRED_H
#define FS_CRED_H

#include "fs/user_ns.h"
#include "platform/base/compiler.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct landlock_domain;

enum { CRED_GROUPS_MAX = 65536 };

struct cred {
    _Atomic uint32_t refs;
    uint32_t uid, euid, suid, fsuid;
    uint32_t gid, egid, sgid, fsgid;
    uint64_t cap_permitted, cap_effective, cap_inheritable, cap_bounding, cap_ambient;
    uint32_t securebits;
    struct user_ns *user_ns; // where the capabilities hold; referenced; NULL: the initial one
    struct landlock_domain *landlock; // fs/landlock.h; referenced; NULL: no rights given up
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

// Over the machine as a whole.
static inline bool cred_capable(const struct cred *c, unsigned cap)
{
    return !c->user_ns && c->cap_effective >> cap & 1;
}
// Over oneself and what belongs to one's own user namespace.
static inline bool cred_capable_own(const struct cred *c, unsigned cap)
{
    return c->cap_effective >> cap & 1;
}
// Over what belongs to user namespace `ns`: its members' capabilities count, those of its
// ancestors', and who made it has all of them.
bool cred_capable_in(const struct cred *c, const struct user_ns *ns, unsigned cap);
// Over an object of these (machine) ids: both must be mapped.
bool cred_capable_over(const struct cred *c, uint32_t uid, uint32_t gid, unsigned cap);

// Ids as the bearer of `c` names them, from and to the machine's. ID_NONE: not mapped.
static inline uint32_t cred_uid(const struct cred *c, uint32_t uid)
{
    return LIKELY(!c->user_ns) ? uid : user_ns_to_machine(c->user_ns, ID_UID, uid);
}
static inline uint32_t cred_gid(const struct cred *c, uint32_t gid)
{
    return LIKELY(!c->user_ns) ? gid : user_ns_to_machine(c->user_ns, ID_GID, gid);
}
static inline uint32_t cred_show_uid(const struct cred *c, uint32_t uid)
{
    return user_ns_show(c->user_ns, ID_UID, uid);
}
static inline uint32_t cred_show_gid(const struct cred *c, uint32_t gid)
{
    return user_ns_show(c->user_ns, ID_GID, gid);
}

bool cred_in_group(const struct cred *c, uint32_t gid);

// A cred of user and group 0 with every capability and no supplementary groups; one reference.
// NULL without memory.
struct cred *cred_create_root(void);
// A copy to change, with room for `group_count` groups. NULL without memory.
struct cred *cred_copy(const struct cred *from, uint32_t group_count);
struct cred *cred_get(const struct cred *c);
void cred_put(const struct cred *c);

#endif
