// Calls on keys as the twins of keys make them.
#ifndef TESTS_GUEST_KEY_UTIL_H
#define TESTS_GUEST_KEY_UTIL_H

#include "probe.h"
#include <sys/syscall.h>

// Operations of keyctl(2), and its special numbers of keyrings.
enum { GET_ID, JOIN, UPDATE, REVOKE, CHOWN, SETPERM, DESCRIBE, CLEAR, LINK, UNLINK, SEARCH, READ };
enum { INSTANTIATE = 12, NEGATE, SET_REQKEY, SET_TIMEOUT, ASSUME, SECURITY, TO_PARENT, REJECT };
enum { INVALIDATE = 21, RESTRICT = 29, MOVE, CAPABILITIES };
enum { THREAD = -1, PROCESS = -2, SESSION = -3, USER = -4, USER_SESSION = -5, GROUP = -6 };

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
// Numbers of keys are nobody's business.
static inline void show_id(const char *name, long id)
{
    if (id < 0)
        SHOW(name, "%s", strerrorname_np(errno));
    else
        SHOW(name, "%s", id > 0 ? "a key" : "none");
}

#endif
