// Calls on keys as the twins of keys make them.
#ifndef TESTS_GUEST_KEY_UTIL_H
#define TESTS_GUEST_KEY_UTIL_H

#include "probe.h"
#include <grp.h>
#include <sys/syscall.h>

// Operations of keyctl(2), and its special numbers of keyrings.
enum { GET_ID, JOIN, UPDATE, REVOKE, CHOWN, SETPERM, DESCRIBE, CLEAR, LINK, UNLINK, SEARCH, READ };
enum { INSTANTIATE = 12, NEGATE, SET_REQKEY, SET_TIMEOUT, ASSUME, SECURITY, TO_PARENT, REJECT };
enum { INVALIDATE = 21, RESTRICT = 29, MOVE, CAPABILITIES };
enum { THREAD = -1, PROCESS = -2, SESSION = -3, USER = -4, USER_SESSION = -5, GROUP = -6 };
enum { REQUESTOR = -8, MOVE_EXCL = 1, NO_KEY = 0x7ffffff0 };

// Rights, of the possessor, the owner, the group and everybody else.
enum { VIEW = 1, KREAD = 2, WRITE = 4, KSEARCH = 8, KLINK = 16, SETATTR = 32, ALL = 63 };
#define POS(p) ((long)(p) << 24)
#define USR(p) ((long)(p) << 16)
#define GRP(p) ((long)(p) << 8)
#define OTH(p) ((long)(p))

static inline long add(const char *type, const char *desc, const void *payload, size_t n, long ring)
{
    return syscall(SYS_add_key, type, desc, payload, n, (int)ring);
}
static inline long key(const char *desc, const char *payload, long ring)
{
    return add("user", desc, payload, strlen(payload), ring);
}
static inline long ring(const char *desc, long in)
{
    return add("keyring", desc, NULL, 0, in);
}
static inline long ctl(int op, long a, long b, long c, long d)
{
    return syscall(SYS_keyctl, op, a, b, c, d);
}
static inline long find(long in, const char *desc, long to)
{
    return ctl(SEARCH, in, (long)"user", (long)desc, to);
}
static inline void own_session(void)
{
    ctl(JOIN, 0, 0, 0, 0);
}

// Numbers of users that are this run's alone: the host counts what each has over all programs that
// run at the same time. The first call decides, in the process all others come from.
static inline uid_t user_of_ours(unsigned n)
{
    static uid_t first;
    if (!first)
        first = 100000 + 16 * (uid_t)getpid();
    return first + n;
}
// A name of a keyring that is this run's alone: such names are known to all.
static inline const char *session_of_ours(void)
{
    static char name[24];
    snprintf(name, sizeof name, "ish-%u", user_of_ours(0));
    return name;
}
// `more`: a supplementary group, or 0.
static inline void be_user(uid_t uid, gid_t gid, gid_t more)
{
    if (setgroups(more ? 1 : 0, &more) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        abort();
}

// Numbers of keys are nobody's business.
static inline void show_id(const char *name, long id)
{
    if (id < 0)
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "%s", id > 0 ? "a key" : "none");
}

#endif
