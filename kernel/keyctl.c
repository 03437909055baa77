// add_key, request_key and keyctl.
#include "kernel/kernel.h"
#include "kernel/keys_internal.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/user.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum keyctl_op {
    GET_KEYRING_ID,
    JOIN_SESSION,
    UPDATE,
    REVOKE,
    CHOWN,
    SETPERM,
    DESCRIBE,
    CLEAR,
    LINK,
    UNLINK,
    SEARCH,
    READ,
    INSTANTIATE,
    NEGATE,
    SET_REQUEST_KEYRING,
    SET_TIMEOUT,
    ASSUME_AUTHORITY,
    GET_SECURITY,
    SESSION_TO_PARENT,
    REJECT,
    INSTANTIATE_IOV,
    INVALIDATE,
    RESTRICT_KEYRING = 29,
    MOVE,
    CAPABILITIES,

    MOVE_EXCL = 1,
    REQUEST_TO_THREAD = 1,
    REQUEST_TO_PROCESS = 2,
    REQUEST_TO_LAST = 5,
    REQUEST_TO_REQUESTOR = 7,
    UPDATE_MAX = 4096,
};
#define RIGHTS_MASK 0x3f3f3f3fu

// --- Arguments -----------------------------------------------------------------------------------

static int read_type(struct task *task, uaddr_t addr, char type[KEY_TYPE_MAX])
{
    ssize_t n = user_string(task, addr, type, KEY_TYPE_MAX);
    if (n < 0)
        return n == -LINUX_ENAMETOOLONG ? -LINUX_EINVAL : (int)n;
    return n == 0 ? -LINUX_EINVAL : type[0] == '.' ? -LINUX_EPERM : 0;
}

// A malloc'ed copy.
static int read_text(struct task *task, uaddr_t addr, char **out)
{
    int err = user_path(task, addr, out);
    return err == -LINUX_ENAMETOOLONG ? -LINUX_EINVAL : err;
}

static int read_payload(struct task *task, uaddr_t addr, uint64_t size, uint8_t **out)
{
    *out = NULL;
    if (size == 0)
        return 0;
    *out = malloc(size);
    if (!*out)
        return -LINUX_ENOMEM;
    int err = user_read(task, addr, *out, size);
    if (err) {
        free(*out);
        *out = NULL;
    }
    return err;
}

static int check_payload(const struct key_type *type, size_t size)
{
    bool good = type->payload_max ? size > 0 && size <= type->payload_max : size == 0;
    return good ? 0 : -LINUX_EINVAL;
}

// --- add_key -------------------------------------------------------------------------------------

// With the lock. *payload is NULL once it has a place.
static int64_t add_to(struct task *task, int32_t ring_id, const struct key_type *type,
                      const char *desc, uint8_t **payload, size_t size)
{
    const struct cred *cred = task->cred;
    struct keys *keys = task->kernel->keys;
    struct key_ref ring;
    int err = key_lookup(task, ring_id, LOOKUP_CREATE, KEY_WRITE, &ring);
    if (err)
        return err;
    if (!type)
        return -LINUX_ENODEV;
    if (ring.key->type != &key_type_keyring)
        return -LINUX_ENOTDIR;
    err = check_payload(type, size);
    if (err || !desc)
        return err ? err : -LINUX_EINVAL;
    struct key *key = type->payload_max ? keyring_find(ring.key, type, desc) : NULL;
    if (key && !(key->flags & (KEY_REVOKED | KEY_INVALID))) {
        if (!key_permits(cred, (struct key_ref){key, ring.possessed}, KEY_WRITE))
            return -LINUX_EACCES;
        err = key_set_payload(key, *payload, size);
        if (!err) {
            *payload = NULL;
            key->expires = 0;
        }
        return err ? err : key->serial;
    }
    uint32_t pos = KEY_VIEW | KEY_SEARCH | KEY_LINK | KEY_SETATTR | KEY_WRITE;
    if (type->readable)
        pos |= KEY_READ;
    err = key_make(task, type, desc, cred->fsuid, cred->fsgid,
                   pos << KEY_POS_SHIFT | (uint32_t)KEY_VIEW << KEY_USR_SHIFT, false, &key);
    if (err)
        return err;
    if (type->payload_max) {
        err = key_set_payload(key, *payload, size);
        if (!err)
            *payload = NULL;
    }
    if (!err)
        err = keyring_link(keys, ring.key, key);
    int32_t serial = key->serial;
    key_drop(keys, key);
    return err ? err : serial;
}

int64_t sys_add_key(struct task *task, uaddr_t type_addr, uaddr_t desc_addr, uaddr_t payload_addr,
                    uint64_t size, int32_t ring)
{
    char type[KEY_TYPE_MAX], *desc = NULL;
    uint8_t *payload = NULL;
    if (size > KEY_PAYLOAD_MAX - 1)
        return -LINUX_EINVAL;
    int64_t result = read_type(task, type_addr, type);
    if (!result && desc_addr)
        result = read_text(task, desc_addr, &desc);
    if (!result && desc && desc[0] == '.' && !strncmp(type, "keyring", 7))
        result = -LINUX_EPERM;
    if (!result)
        result = read_payload(task, payload_addr, size, &payload);
    if (!result) {
        lock_acquire(&KEYS_LOCK(task));
        result =
            add_to(task, ring, key_type_find(type), desc && *desc ? desc : NULL, &payload, size);
        lock_release(&KEYS_LOCK(task));
    }
    free(payload);
    free(desc);
    return result;
}

// --- Finding -------------------------------------------------------------------------------------

static int64_t link_found(struct task *task, struct key_ref found, const struct key_ref *dest)
{
    if (!dest)
        return found.key->serial;
    if (!key_permits(task->cred, found, KEY_LINK))
        return -LINUX_EACCES;
    if (dest->key->type != &key_type_keyring)
        return -LINUX_ENOTDIR;
    int err = keyring_link(task->kernel->keys, dest->key, found.key);
    return err ? err : found.key->serial;
}

// Looks for a key in a ring, or where its owner would have it when `ring_id` is NULL, and links it
// to `dest_id` if that is given. There is no program to ask for a key: what is not there stays
// away.
static int64_t find_key(struct task *task, const int32_t *ring_id, uaddr_t type_addr,
                        uaddr_t desc_addr, uaddr_t info_addr, int32_t dest_id)
{
    char type[KEY_TYPE_MAX], *desc = NULL, *info = NULL;
    int64_t result = read_type(task, type_addr, type);
    if (!result)
        result = read_text(task, desc_addr, &desc);
    if (!result && info_addr)
        result = read_text(task, info_addr, &info);
    if (!result) {
        struct key_ref ring, dest, found;
        lock_acquire(&KEYS_LOCK(task));
        if (ring_id)
            result = key_lookup(task, *ring_id, 0, KEY_SEARCH, &ring);
        if (!result && dest_id)
            result = key_lookup(task, dest_id, LOOKUP_CREATE, KEY_WRITE, &dest);
        const struct key_type *kind = key_type_find(type);
        if (!result)
            result = !kind     ? -LINUX_ENOKEY
                     : ring_id ? keyring_search(task->cred, ring, kind, desc, &found)
                               : keys_search_own(task, kind, desc, &found);
        if (!result)
            result = link_found(task, found, dest_id ? &dest : NULL);
        else if (result == -LINUX_EAGAIN)
            result = -LINUX_ENOKEY;
        lock_release(&KEYS_LOCK(task));
    }
    free(desc);
    free(info);
    return result;
}

int64_t sys_request_key(struct task *task, uaddr_t type, uaddr_t desc, uaddr_t info, int32_t dest)
{
    return find_key(task, NULL, type, desc, info, dest);
}

// --- What a key holds ----------------------------------------------------------------------------

// A copy of what the caller reads: the payload, or the serial numbers of a keyring.
static int copy_contents(const struct key *key, uint8_t **out, size_t *size)
{
    bool ring = key->type == &key_type_keyring;
    *size = ring ? key->link_count * sizeof key->serial : key->payload_size;
    *out = malloc(*size ? *size : 1);
    if (!*out)
        return -LINUX_ENOMEM;
    if (!ring)
        memcpy(*out, key->payload ? key->payload : *out, *size);
    for (size_t i = 0; ring && i < key->link_count; i++)
        memcpy(*out + i * sizeof key->serial, &key->links[i]->serial, sizeof key->serial);
    return 0;
}

static int64_t do_read(struct task *task, int32_t id, uaddr_t buf, uint64_t size)
{
    struct key_ref ref;
    uint8_t *contents = NULL;
    size_t length = 0;
    bool ring = false;
    lock_acquire(&KEYS_LOCK(task));
    int err = key_lookup(task, id, LOOKUP_UNCHECKED, 0, &ref);
    if (err)
        err = -LINUX_ENOKEY;
    else if (!key_permits(task->cred, ref, KEY_READ) && !ref.possessed)
        err = -LINUX_EACCES;
    else if (!ref.key->type->readable)
        err = -LINUX_EOPNOTSUPP;
    else
        err = key_validate(ref.key);
    if (!err) {
        ring = ref.key->type == &key_type_keyring;
        err = copy_contents(ref.key, &contents, &length);
    }
    lock_release(&KEYS_LOCK(task));
    // Of a keyring as many numbers as fit; anything else whole or not at all.
    size_t copied = length <= size ? length : ring ? (size_t)size / 4 * 4 : 0;
    if (!err && buf && copied)
        err = user_write(task, buf, contents, copied);
    free(contents);
    return err ? err : (int64_t)length;
}

static int64_t do_describe(struct task *task, int32_t id, uaddr_t buf, uint64_t size)
{
    struct key_ref ref;
    char *text = NULL;
    size_t length = 0;
    lock_acquire(&KEYS_LOCK(task));
    int err = key_lookup(task, id, 0, KEY_VIEW, &ref);
    if (!err) {
        length = strlen(ref.key->desc) + 96;
        text = malloc(length);
        err = text ? 0 : -LINUX_ENOMEM;
    }
    if (!err)
        length = (size_t)snprintf(text, length, "%s;%d;%d;%08x;%s", ref.key->type->name,
                                  (int)cred_show_uid(task->cred, ref.key->uid),
                                  (int)key_shown_gid(task->cred, ref.key), ref.key->perm,
                                  ref.key->desc) +
                 1;
    lock_release(&KEYS_LOCK(task));
    if (!err && buf && size >= length)
        err = user_write(task, buf, text, length);
    free(text);
    return err ? err : (int64_t)length;
}

static int64_t do_update(struct task *task, int32_t id, uaddr_t addr, uint64_t size)
{
    uint8_t *payload;
    if (size > UPDATE_MAX)
        return -LINUX_EINVAL;
    int err = read_payload(task, addr, size, &payload);
    if (err)
        return err;
    struct key_ref ref;
    lock_acquire(&KEYS_LOCK(task));
    err = key_lookup(task, id, 0, KEY_WRITE, &ref);
    if (!err && !ref.key->type->payload_max)
        err = -LINUX_EOPNOTSUPP;
    if (!err)
        err = check_payload(ref.key->type, size);
    if (!err)
        err = key_set_payload(ref.key, payload, size);
    if (!err) {
        payload = NULL;
        ref.key->expires = 0;
    }
    lock_release(&KEYS_LOCK(task));
    free(payload);
    return err;
}

// --- Attributes ----------------------------------------------------------------------------------

static int set_owner(struct task *task, struct key *key, uint32_t uid, uint32_t gid)
{
    const struct cred *cred = task->cred;
    bool foreign =
        (uid != ID_NONE && uid != key->uid) ||
        (gid != ID_NONE && gid != key->gid && gid != cred->fsgid && !cred_in_group(cred, gid));
    if (foreign && !task_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EACCES;
    int err = uid != ID_NONE && uid != key->uid ? key_chown(task->kernel->keys, key, uid) : 0;
    if (!err && gid != ID_NONE)
        key->gid = gid;
    return err;
}

static int64_t do_chown(struct task *task, int32_t id, uint32_t user, uint32_t group)
{
    uint32_t uid = user == ID_NONE ? ID_NONE : cred_uid(task->cred, user);
    uint32_t gid = group == ID_NONE ? ID_NONE : cred_gid(task->cred, group);
    if ((user != ID_NONE && uid == ID_NONE) || (group != ID_NONE && gid == ID_NONE))
        return -LINUX_EINVAL;
    if (user == ID_NONE && group == ID_NONE)
        return 0;
    struct key_ref ref;
    lock_acquire(&KEYS_LOCK(task));
    int err = key_lookup(task, id, LOOKUP_CREATE, KEY_SETATTR, &ref);
    if (!err)
        err = set_owner(task, ref.key, uid, gid);
    lock_release(&KEYS_LOCK(task));
    return err;
}

static int set_rights(struct task *task, int32_t id, uint32_t perm)
{
    struct key_ref ref;
    if (perm & ~RIGHTS_MASK)
        return -LINUX_EINVAL;
    int err = key_lookup(task, id, LOOKUP_CREATE, KEY_SETATTR, &ref);
    if (err)
        return err;
    if (ref.key->uid != task->cred->fsuid && !task_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EACCES;
    ref.key->perm = perm;
    return 0;
}

static int set_timeout(struct task *task, int32_t id, uint32_t seconds)
{
    struct key_ref ref;
    int err = key_lookup(task, id, LOOKUP_CREATE, KEY_SETATTR, &ref);
    if (!err)
        ref.key->expires = seconds ? keys_now() + seconds : 0;
    return err;
}

static int revoke(struct task *task, int32_t id)
{
    struct key_ref ref;
    int err = key_lookup(task, id, 0, KEY_WRITE, &ref);
    if (err == -LINUX_EACCES)
        err = key_lookup(task, id, 0, KEY_SETATTR, &ref);
    if (!err)
        key_revoke(task->kernel->keys, ref.key);
    return err;
}

static int invalidate(struct task *task, int32_t id)
{
    struct key_ref ref;
    int err = key_lookup(task, id, 0, KEY_SEARCH, &ref);
    if (!err)
        key_invalidate(task->kernel->keys, ref.key);
    return err;
}

// --- Links ---------------------------------------------------------------------------------------

static int clear(struct task *task, int32_t id)
{
    struct key_ref ring;
    int err = key_lookup(task, id, LOOKUP_CREATE, KEY_WRITE, &ring);
    if (!err && ring.key->type != &key_type_keyring)
        err = -LINUX_ENOTDIR;
    if (!err)
        keyring_clear(task->kernel->keys, ring.key);
    return err;
}

static int link_key(struct task *task, int32_t id, int32_t ring_id)
{
    struct key_ref ring, ref;
    int err = key_lookup(task, ring_id, LOOKUP_CREATE, KEY_WRITE, &ring);
    if (!err)
        err = key_lookup(task, id, LOOKUP_CREATE, KEY_LINK, &ref);
    if (!err && ring.key->type != &key_type_keyring)
        err = -LINUX_ENOTDIR;
    return err ? err : keyring_link(task->kernel->keys, ring.key, ref.key);
}

static int unlink_key(struct task *task, int32_t id, int32_t ring_id)
{
    struct key_ref ring, ref;
    int err = key_lookup(task, ring_id, 0, KEY_WRITE, &ring);
    if (!err)
        err = key_lookup(task, id, LOOKUP_UNCHECKED, 0, &ref);
    if (!err && ring.key->type != &key_type_keyring)
        err = -LINUX_ENOTDIR;
    if (!err && !keyring_unlink(task->kernel->keys, ring.key, ref.key))
        err = -LINUX_ENOENT;
    return err;
}

static int move_key(struct task *task, int32_t id, int32_t from_id, int32_t to_id, uint32_t flags)
{
    struct keys *keys = task->kernel->keys;
    struct key_ref ref, from, to;
    if (flags & ~(uint32_t)MOVE_EXCL)
        return -LINUX_EINVAL;
    int err = key_lookup(task, id, LOOKUP_CREATE, KEY_LINK, &ref);
    if (!err)
        err = key_lookup(task, from_id, 0, KEY_WRITE, &from);
    if (!err)
        err = key_lookup(task, to_id, LOOKUP_CREATE, KEY_WRITE, &to);
    if (err || from.key == to.key)
        return err;
    if (from.key->type != &key_type_keyring || to.key->type != &key_type_keyring)
        return -LINUX_ENOTDIR;
    if (!keyring_has(from.key, ref.key))
        return -LINUX_ENOENT;
    if (flags & MOVE_EXCL && keyring_find(to.key, ref.key->type, ref.key->desc))
        return -LINUX_EEXIST;
    err = keyring_link(keys, to.key, ref.key);
    if (!err)
        (void)keyring_unlink(keys, from.key, ref.key);
    return err;
}

static int64_t do_restrict(struct task *task, int32_t id, uaddr_t type_addr, uaddr_t how)
{
    char type[KEY_TYPE_MAX];
    struct key_ref ref;
    lock_acquire(&KEYS_LOCK(task));
    int err = key_lookup(task, id, 0, KEY_SETATTR, &ref);
    lock_release(&KEYS_LOCK(task));
    if (err)
        return err;
    if (!type_addr != !how)
        return -LINUX_EINVAL;
    if (type_addr)
        err = read_type(task, type_addr, type);
    if (err)
        return err;
    lock_acquire(&KEYS_LOCK(task));
    err = key_lookup(task, id, 0, KEY_SETATTR, &ref);
    if (!err && ref.key->type != &key_type_keyring)
        err = -LINUX_ENOTDIR;
    if (!err && type_addr)
        err = key_type_find(type) ? -LINUX_ENOENT : -LINUX_ENOKEY;
    if (!err && ref.key->flags & KEY_RESTRICTED)
        err = -LINUX_EEXIST;
    if (!err)
        ref.key->flags |= KEY_RESTRICTED;
    lock_release(&KEYS_LOCK(task));
    return err;
}

// --- Sessions ------------------------------------------------------------------------------------

static int64_t do_join(struct task *task, uaddr_t addr)
{
    char *name = NULL;
    int32_t serial = 0;
    int err = addr ? read_text(task, addr, &name) : 0;
    if (!err && name && name[0] == '.')
        err = -LINUX_EPERM;
    if (!err) {
        lock_acquire(&KEYS_LOCK(task));
        err = keys_join_session(task, name, &serial);
        lock_release(&KEYS_LOCK(task));
    }
    free(name);
    return err ? err : serial;
}

// Whether `c` is in all its ids who `effective` is effectively.
static bool same_user(const struct cred *effective, const struct cred *c)
{
    const uint32_t uid = effective->euid, gid = effective->egid;
    return c->uid == uid && c->euid == uid && c->suid == uid && c->gid == gid && c->egid == gid &&
           c->sgid == gid;
}

// The parent has the caller's session from now on. Not a parent of several threads, nor one that
// is somebody else.
static int64_t do_session_to_parent(struct task *task)
{
    struct kernel *kernel = task->kernel;
    lock_acquire(&kernel->tasklist);
    struct task *parent = task->process->leader->real_parent;
    bool good = parent && parent->tgid > 1 && parent->process->live_threads == 1;
    parent = good ? task_get(parent) : NULL;
    lock_release(&kernel->tasklist);
    if (!parent)
        return -LINUX_EPERM;
    const struct cred *cred = task_cred_get(parent);
    int err = same_user(task->cred, cred) ? 0 : -LINUX_EPERM;
    struct key_ref session;
    lock_acquire(&KEYS_LOCK(task));
    if (!err)
        err = key_lookup(task, -3, 0, KEY_LINK, &session);
    if (!err && parent->keys_gone)
        err = -LINUX_EPERM; // it ends, and would never let go of it
    if (!err && parent->session_keyring && parent->session_keyring->uid != cred->euid)
        err = -LINUX_EPERM;
    if (!err) {
        key_hold(session.key);
        key_drop(kernel->keys, parent->session_keyring);
        parent->session_keyring = session.key;
    }
    lock_release(&KEYS_LOCK(task));
    cred_put(cred);
    task_put(parent);
    return err;
}

static int set_request_keyring(struct task *task, int32_t ring)
{
    int old = task->request_keyring, err = 0;
    if (ring == -1)
        return old;
    if (ring < 0 || (ring > REQUEST_TO_LAST && ring != REQUEST_TO_REQUESTOR))
        return -LINUX_EINVAL;
    if (ring == REQUEST_TO_THREAD)
        err = keys_make_thread_ring(task);
    else if (ring == REQUEST_TO_PROCESS)
        err = keys_make_process_ring(task);
    if (!err)
        task->request_keyring = (int8_t)ring;
    return err ? err : old;
}

static int64_t do_security(struct task *task, int32_t id, uaddr_t buf, uint64_t size)
{
    struct key_ref ref;
    const char none = 0;
    lock_acquire(&KEYS_LOCK(task));
    int err = key_lookup(task, id, 0, KEY_VIEW, &ref);
    lock_release(&KEYS_LOCK(task));
    if (!err && buf && size)
        err = user_put(task, buf, &none);
    // Who may not see it may if it is his to make: nobody's is.
    return err == -LINUX_EACCES ? -LINUX_ENOKEY : err ? err : 1;
}

static int64_t do_capabilities(struct task *task, uaddr_t buf, uint64_t size)
{
    // Capabilities themselves, big_key, invalidate, restrict, move; names of keyrings by namespace.
    static const uint8_t bits[2] = {0xf1, 0x01};
    size_t known = size < sizeof bits ? (size_t)size : sizeof bits;
    if (known &&
        (user_write(task, buf, bits, known) || user_zero(task, buf + known, (size_t)size - known)))
        return -LINUX_EFAULT;
    return sizeof bits;
}

// --- keyctl --------------------------------------------------------------------------------------

// What is done under the lock as a whole.
static int64_t do_short(struct task *task, int32_t op, uint64_t a, uint64_t b, uint64_t c,
                        uint64_t d)
{
    struct key_ref ref;
    switch ((enum keyctl_op)op) {
    case GET_KEYRING_ID: {
        int err = key_lookup(task, (int32_t)a, b ? LOOKUP_CREATE : 0, KEY_SEARCH, &ref);
        return err ? err : ref.key->serial;
    }
    case REVOKE:
        return revoke(task, (int32_t)a);
    case SETPERM:
        return set_rights(task, (int32_t)a, (uint32_t)b);
    case CLEAR:
        return clear(task, (int32_t)a);
    case LINK:
        return link_key(task, (int32_t)a, (int32_t)b);
    case UNLINK:
        return unlink_key(task, (int32_t)a, (int32_t)b);
    case SET_REQUEST_KEYRING:
        return set_request_keyring(task, (int32_t)a);
    case SET_TIMEOUT:
        return set_timeout(task, (int32_t)a, (uint32_t)b);
    case INVALIDATE:
        return invalidate(task, (int32_t)a);
    case MOVE:
        return move_key(task, (int32_t)a, (int32_t)b, (int32_t)c, (uint32_t)d);
    default:
        return -LINUX_EOPNOTSUPP;
    }
}

int64_t sys_keyctl(struct task *task, int32_t op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const int32_t id = (int32_t)a;
    switch ((enum keyctl_op)op) {
    case JOIN_SESSION:
        return do_join(task, a);
    case UPDATE:
        return do_update(task, id, b, c);
    case CHOWN:
        return do_chown(task, id, (uint32_t)b, (uint32_t)c);
    case DESCRIBE:
        return do_describe(task, id, b, c);
    case SEARCH:
        return find_key(task, &id, b, c, 0, (int32_t)d);
    case READ:
        return do_read(task, id, b, c);
    case INSTANTIATE: // there are no keys under construction, so nobody may finish one
    case NEGATE:
    case REJECT:
    case INSTANTIATE_IOV:
        return -LINUX_EPERM;
    case ASSUME_AUTHORITY:
        return id < 0 ? -LINUX_EINVAL : id ? -LINUX_ENOKEY : 0;
    case GET_SECURITY:
        return do_security(task, id, b, c);
    case SESSION_TO_PARENT:
        return do_session_to_parent(task);
    case RESTRICT_KEYRING:
        return do_restrict(task, id, b, c);
    case CAPABILITIES:
        return do_capabilities(task, a, b);
    default: {
        lock_acquire(&KEYS_LOCK(task));
        int64_t result = do_short(task, op, a, b, c, d);
        lock_release(&KEYS_LOCK(task));
        return result;
    }
    }
}
