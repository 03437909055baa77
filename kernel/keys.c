#include "kernel/kernel.h"
#include "kernel/keys_internal.h"
#include "kernel/proc/node.h"
#include "kernel/process.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include "platform/random.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUOTA_KEYS = 200,
    QUOTA_BYTES = 20000,
    QUOTA_ROOT_KEYS = 1000000,
    QUOTA_ROOT_BYTES = 25000000,
    QUOTA_LINK_BYTES = 4,
    COLLECT_AFTER_S = 300,
    SERIAL_FIRST = 3,
};
#define POS(rights) ((uint32_t)(rights) << KEY_POS_SHIFT)
#define USR(rights) ((uint32_t)(rights) << KEY_USR_SHIFT)

const struct key_type key_type_keyring = {.name = "keyring", .readable = true};
static const struct key_type other_types[] = {
    {"user", 32767, true, true, false, 0},
    {"logon", 32767, false, true, true, 0},
    {"big_key", KEY_PAYLOAD_MAX, true, true, false, 16},
};

const struct key_type *key_type_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(other_types); i++)
        if (!strcmp(other_types[i].name, name))
            return &other_types[i];
    return strcmp(name, key_type_keyring.name) ? NULL : &key_type_keyring;
}

int64_t keys_now(void)
{
    return (int64_t)(clock_realtime_ns() / NSEC_PER_SEC);
}

int keys_create(struct keys **out)
{
    struct keys *keys = calloc(1, sizeof *keys);
    if (!keys)
        return -LINUX_ENOMEM;
    lock_init(&keys->lock, LOCK_RANK_KEYS);
    for (size_t i = 0; i < KEY_BUCKETS; i++)
        list_init(&keys->buckets[i]);
    list_init(&keys->users);
    *out = keys;
    return 0;
}

// --- Users and what they may have ----------------------------------------------------------------

static struct key_user *owner_get(struct keys *keys, const struct user_ns *ns, uint32_t uid)
{
    struct key_user *u;
    list_for_each (u, &keys->users, link)
        if (u->ns == ns && u->uid == uid) {
            u->refs++;
            return u;
        }
    u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->ns = namespace_get((struct namespace *)(uintptr_t)ns) ? ns : NULL;
    u->uid = uid;
    u->refs = 1;
    list_add_tail(&keys->users, &u->link);
    return u;
}

static void owner_put(struct key_user *u)
{
    if (--u->refs > 0)
        return;
    list_remove(&u->link);
    namespace_put((struct namespace *)(uintptr_t)u->ns);
    free(u);
}

static bool quota_allows(const struct key_user *u, unsigned keys, size_t bytes)
{
    bool root = u->uid == 0;
    return u->in_quota + keys <= (root ? QUOTA_ROOT_KEYS : QUOTA_KEYS) &&
           u->bytes + bytes <= (size_t)(root ? QUOTA_ROOT_BYTES : QUOTA_BYTES);
}

// What the key counts becomes `bytes`. Less is always possible.
static int quota_change(struct key *key, size_t bytes)
{
    if (key->counted) {
        if (bytes > key->quota_bytes && !quota_allows(key->user, 0, bytes - key->quota_bytes))
            return -LINUX_EDQUOT;
        key->user->bytes = key->user->bytes - key->quota_bytes + bytes;
    }
    key->quota_bytes = bytes;
    return 0;
}

// --- Keys ----------------------------------------------------------------------------------------

struct key *key_hold(struct key *key)
{
    key->refs++;
    return key;
}

void key_drop(struct keys *keys, struct key *key)
{
    if (!key || --key->refs > 0)
        return;
    list_remove(&key->link);
    for (size_t i = 0; i < key->link_count; i++)
        key_drop(keys, key->links[i]); // as deep as keyrings may be in each other
    key->user->keys--;
    if (key->counted) {
        key->user->in_quota--;
        key->user->bytes -= key->quota_bytes;
    }
    owner_put(key->user);
    free(key->links);
    free(key->payload);
    free(key->desc);
    free(key);
}

static struct key *find_serial(struct keys *keys, int32_t serial)
{
    struct key *key;
    list_for_each (key, &keys->buckets[(uint32_t)serial % KEY_BUCKETS], link)
        if (key->serial == serial)
            return key;
    return NULL;
}

static int32_t new_serial(struct keys *keys)
{
    int32_t serial;
    do {
        random_bytes(&serial, sizeof serial);
        serial &= INT32_MAX;
    } while (serial < SERIAL_FIRST || find_serial(keys, serial));
    return serial;
}

static bool is_dead(const struct key *key, int64_t since)
{
    return (key->dead_since && key->dead_since <= since) || (key->expires && key->expires <= since);
}

// Keys that have been dead for a while leave the keyrings they are in.
static void collect(struct keys *keys)
{
    int64_t now = keys_now();
    if (now - keys->collected < COLLECT_AFTER_S)
        return;
    keys->collected = now;
    for (size_t b = 0; b < KEY_BUCKETS; b++) {
        struct key *ring;
        list_for_each (ring, &keys->buckets[b], link)
            for (size_t i = 0; i < ring->link_count;)
                if (!is_dead(ring->links[i], now - COLLECT_AFTER_S) ||
                    !keyring_unlink(keys, ring, ring->links[i]))
                    i++;
    }
}

int key_make(struct task *task, const struct key_type *type, const char *desc, uint32_t uid,
             uint32_t gid, uint32_t perm, bool overrun, struct key **out)
{
    struct keys *keys = task->kernel->keys;
    collect(keys);
    if (type->needs_prefix && (!strchr(desc, ':') || desc[0] == ':'))
        return -LINUX_EINVAL;
    struct key_user *user = owner_get(keys, task->cred->user_ns, uid);
    struct key *key = user ? calloc(1, sizeof *key) : NULL;
    size_t bytes = strlen(desc) + 1;
    int err = key && (key->desc = strdup(desc)) ? 0 : -LINUX_ENOMEM;
    if (!err && !overrun && !quota_allows(user, 1, bytes))
        err = -LINUX_EDQUOT;
    if (err) {
        if (user)
            owner_put(user);
        if (key)
            free(key->desc);
        free(key);
        return err;
    }
    key->refs = 1;
    key->serial = new_serial(keys);
    key->type = type;
    key->user = user;
    key->uid = uid;
    key->gid = gid;
    key->perm = perm;
    key->counted = true;
    key->quota_bytes = bytes;
    user->keys++;
    user->in_quota++;
    user->bytes += bytes;
    list_add_tail(&keys->buckets[(uint32_t)key->serial % KEY_BUCKETS], &key->link);
    *out = key;
    return 0;
}

int key_set_payload(struct key *key, uint8_t *payload, size_t size)
{
    int err =
        quota_change(key, strlen(key->desc) + 1 + (key->type->quota ? key->type->quota : size));
    if (err)
        return err;
    free(key->payload);
    key->payload = payload;
    key->payload_size = size;
    return 0;
}

int key_validate(const struct key *key)
{
    if (key->flags & KEY_INVALID)
        return -LINUX_ENOKEY;
    if (key->flags & KEY_REVOKED)
        return -LINUX_EKEYREVOKED;
    return key->expires && keys_now() >= key->expires ? -LINUX_EKEYEXPIRED : 0;
}

bool key_permits(const struct cred *cred, struct key_ref ref, uint32_t needed)
{
    const struct key *key = ref.key;
    uint32_t rights = key->perm;
    bool in_group = key->gid != ID_NONE && key->perm & (uint32_t)KEY_ALL << KEY_GRP_SHIFT &&
                    (key->gid == cred->fsgid || cred_in_group(cred, key->gid));
    if (key->uid == cred->fsuid)
        rights >>= KEY_USR_SHIFT;
    else if (in_group)
        rights >>= KEY_GRP_SHIFT;
    if (ref.possessed)
        rights |= key->perm >> KEY_POS_SHIFT;
    return (rights & needed) == needed;
}

void key_revoke(struct keys *keys, struct key *key)
{
    if (key->flags & KEY_REVOKED)
        return;
    key->flags |= KEY_REVOKED;
    key->dead_since = keys_now();
    if (key->type == &key_type_keyring) {
        keyring_clear(keys, key);
        return;
    }
    free(key->payload);
    key->payload = NULL;
    key->payload_size = 0;
    (void)!quota_change(key, strlen(key->desc) + 1);
}

void key_invalidate(struct keys *keys, struct key *key)
{
    key->flags |= KEY_INVALID;
    key_hold(key);
    for (size_t b = 0; b < KEY_BUCKETS; b++) {
        struct key *ring;
        list_for_each (ring, &keys->buckets[b], link)
            while (keyring_unlink(keys, ring, key))
                ;
    }
    key_drop(keys, key);
}

int key_chown(struct keys *keys, struct key *key, uint32_t uid)
{
    struct key_user *user = owner_get(keys, key->user->ns, uid), *old = key->user;
    if (!user)
        return -LINUX_ENOMEM;
    if (key->counted && user != old && !quota_allows(user, 1, key->quota_bytes)) {
        owner_put(user);
        return -LINUX_EDQUOT;
    }
    old->keys--;
    user->keys++;
    if (key->counted) {
        old->in_quota--;
        old->bytes -= key->quota_bytes;
        user->in_quota++;
        user->bytes += key->quota_bytes;
    }
    key->user = user;
    key->uid = uid;
    owner_put(old);
    return 0;
}

// --- Keyrings ------------------------------------------------------------------------------------

struct key *keyring_find(const struct key *ring, const struct key_type *type, const char *desc)
{
    for (size_t i = 0; i < ring->link_count; i++)
        if (ring->links[i]->type == type && !strcmp(ring->links[i]->desc, desc))
            return ring->links[i];
    return NULL;
}

bool keyring_has(const struct key *ring, const struct key *key)
{
    for (size_t i = 0; i < ring->link_count; i++)
        if (ring->links[i] == key)
            return true;
    return false;
}

// Whether `ring` is in `key`, or too deep in it.
static int find_cycle(const struct key *key, const struct key *ring, unsigned depth)
{
    if (key == ring)
        return -LINUX_EDEADLK;
    if (depth > KEY_DEPTH_MAX)
        return -LINUX_ELOOP;
    for (size_t i = 0; i < key->link_count; i++) {
        int err = key->links[i]->type == &key_type_keyring
                      ? find_cycle(key->links[i], ring, depth + 1)
                      : 0;
        if (err)
            return err;
    }
    return 0;
}

int keyring_link(struct keys *keys, struct key *ring, struct key *key)
{
    if (ring->flags & KEY_RESTRICTED)
        return -LINUX_EPERM;
    int err = key->type == &key_type_keyring ? find_cycle(key, ring, 1) : 0;
    if (err)
        return err;
    struct key *old = keyring_find(ring, key->type, key->desc);
    if (!old) {
        if (ring->link_count == ring->link_room) {
            size_t room = ring->link_room ? 2 * ring->link_room : 8;
            void *more = realloc(ring->links, room * sizeof *ring->links);
            if (!more)
                return -LINUX_ENOMEM;
            ring->links = more;
            ring->link_room = room;
        }
        err = quota_change(ring, ring->quota_bytes + QUOTA_LINK_BYTES);
        if (err)
            return err;
    }
    key_hold(key);
    for (size_t i = 0; old && i < ring->link_count; i++)
        if (ring->links[i] == old)
            ring->links[i] = key;
    if (!old)
        ring->links[ring->link_count++] = key;
    key_drop(keys, old);
    return 0;
}

bool keyring_unlink(struct keys *keys, struct key *ring, const struct key *key)
{
    for (size_t i = 0; i < ring->link_count; i++) {
        struct key *linked = ring->links[i];
        if (linked != key)
            continue;
        memmove(&ring->links[i], &ring->links[i + 1],
                (ring->link_count - i - 1) * sizeof *ring->links);
        ring->link_count--;
        (void)!quota_change(ring, ring->quota_bytes - QUOTA_LINK_BYTES);
        key_drop(keys, linked);
        return true;
    }
    return false;
}

void keyring_clear(struct keys *keys, struct key *ring)
{
    while (ring->link_count > 0)
        (void)keyring_unlink(keys, ring, ring->links[ring->link_count - 1]);
}

// What is searched for: by type and description, or one key itself.
struct wanted {
    const struct cred *cred;
    const struct key_type *type;
    const char *desc;
    const struct key *itself; // then in whatever state
    int err;                  // why what was there was not taken
};

static bool matches(struct wanted *w, struct key_ref ref)
{
    struct key *key = ref.key;
    if (w->itself)
        return key == w->itself && key_permits(w->cred, ref, KEY_SEARCH);
    if (key->type != w->type || strcmp(key->desc, w->desc) != 0)
        return false;
    int err = key_validate(key);
    if (err == -LINUX_ENOKEY)
        err = -LINUX_EKEYREVOKED;
    if (!err && !key_permits(w->cred, ref, KEY_SEARCH))
        err = -LINUX_EACCES;
    if (err)
        w->err = err;
    return !err;
}

static struct key *search(struct wanted *w, struct key_ref ring, unsigned depth)
{
    for (size_t i = 0; i < ring.key->link_count; i++)
        if (matches(w, (struct key_ref){ring.key->links[i], ring.possessed}))
            return ring.key->links[i];
    for (size_t i = 0; i < ring.key->link_count && depth <= KEY_DEPTH_MAX; i++) {
        struct key_ref next = {ring.key->links[i], ring.possessed};
        if (next.key->type != &key_type_keyring || !key_permits(w->cred, next, KEY_SEARCH))
            continue;
        if (next.key->flags & (KEY_REVOKED | KEY_INVALID))
            continue;
        struct key *found = search(w, next, depth + 1);
        if (found)
            return found;
    }
    return NULL;
}

// From `ring` on, itself included.
static int search_from(struct wanted *w, struct key_ref ring, struct key_ref *out)
{
    if (ring.key->type != &key_type_keyring)
        return -LINUX_ENOTDIR;
    if (!key_permits(w->cred, ring, KEY_SEARCH))
        return -LINUX_EACCES;
    w->err = -LINUX_EAGAIN;
    struct key *found = matches(w, ring) ? ring.key : search(w, ring, 1);
    if (!found)
        return w->err;
    *out = (struct key_ref){found, ring.possessed};
    return 0;
}

int keyring_search(const struct cred *cred, struct key_ref ring, const struct key_type *type,
                   const char *desc, struct key_ref *out)
{
    struct wanted w = {.cred = cred, .type = type, .desc = desc};
    return search_from(&w, ring, out);
}

// --- What a task has -----------------------------------------------------------------------------

static int search_own(struct task *task, struct wanted *w, struct key_ref *out)
{
    struct key *session = task->session_keyring;
    struct key_user *u = NULL, *each;
    list_for_each (each, &task->kernel->keys->users, link)
        if (each->ns == task->cred->user_ns && each->uid == task->cred->uid)
            u = each;
    if (!session && u)
        session = u->session;
    struct key *rings[] = {task->thread_keyring, task->process->keyring, session};
    int result = -LINUX_EAGAIN;
    for (size_t i = 0; i < ARRAY_LEN(rings); i++) {
        int err = rings[i] ? search_from(w, (struct key_ref){rings[i], true}, out) : -LINUX_EAGAIN;
        if (!err)
            return 0;
        if (err != -LINUX_EAGAIN)
            result = err;
    }
    return result;
}

int keys_search_own(struct task *task, const struct key_type *type, const char *desc,
                    struct key_ref *out)
{
    struct wanted w = {.cred = task->cred, .type = type, .desc = desc};
    return search_own(task, &w, out);
}

static int make_user_rings(struct task *task, struct key_user **out)
{
    const uint32_t perm = POS(KEY_ALL & ~KEY_SETATTR) | USR(KEY_ALL), uid = task->cred->uid;
    struct keys *keys = task->kernel->keys;
    struct key_user *u = owner_get(keys, task->cred->user_ns, uid);
    char name[32];
    int err = u ? 0 : -LINUX_ENOMEM;
    const unsigned shown = cred_show_uid(task->cred, uid);
    if (!err && !u->ring) {
        snprintf(name, sizeof name, "_uid.%u", shown);
        err = key_make(task, &key_type_keyring, name, uid, ID_NONE, perm, false, &u->ring);
        if (!err)
            u->ring->flags |= KEY_UID_KEYRING;
    }
    if (!err && !u->session) {
        snprintf(name, sizeof name, "_uid_ses.%u", shown);
        err = key_make(task, &key_type_keyring, name, uid, ID_NONE, perm, false, &u->session);
        if (!err) {
            u->session->flags |= KEY_UID_KEYRING;
            err = keyring_link(keys, u->session, u->ring);
        }
    }
    *out = u;
    if (u)
        owner_put(u); // its keyrings keep it
    return err;
}

static int make_thread_ring(struct task *task, struct key **out)
{
    return key_make(task, &key_type_keyring, "_tid", task->cred->uid, task->cred->gid,
                    POS(KEY_ALL) | USR(KEY_VIEW), true, out);
}

int keys_make_thread_ring(struct task *task)
{
    return task->thread_keyring ? 0 : make_thread_ring(task, &task->thread_keyring);
}

int keys_make_process_ring(struct task *task)
{
    return task->process->keyring
               ? 0
               : key_make(task, &key_type_keyring, "_pid", task->cred->uid, task->cred->gid,
                          POS(KEY_ALL) | USR(KEY_VIEW), true, &task->process->keyring);
}

struct key *keys_find_named(struct task *task, const char *name)
{
    struct keys *keys = task->kernel->keys;
    for (size_t b = 0; b < KEY_BUCKETS; b++) {
        struct key *key;
        list_for_each (key, &keys->buckets[b], link)
            if (key->type == &key_type_keyring && key->user->ns == task->cred->user_ns &&
                !(key->flags & KEY_REVOKED) && !strcmp(key->desc, name) &&
                key_permits(task->cred, (struct key_ref){key, false}, KEY_SEARCH))
                return key;
    }
    return NULL;
}

int keys_join_session(struct task *task, const char *name, int32_t *serial)
{
    const uint32_t perm = POS(KEY_ALL) | USR(KEY_VIEW | KEY_READ);
    struct keys *keys = task->kernel->keys;
    struct key *ring = name ? keys_find_named(task, name) : NULL;
    int err = 0;
    if (ring && ring == task->session_keyring) {
        *serial = 0; // as Linux answers who has it already
        return 0;
    }
    if (ring)
        key_hold(ring);
    else
        err = key_make(task, &key_type_keyring, name ? name : "_ses", task->cred->uid,
                       task->cred->gid, name ? perm | USR(KEY_LINK) : perm,
                       !name && !task->session_keyring, &ring);
    if (err)
        return err;
    key_drop(keys, task->session_keyring);
    task->session_keyring = ring;
    *serial = ring->serial;
    return 0;
}

static int special_session(struct task *task, bool create, struct key **out)
{
    struct key_user *user;
    int32_t serial;
    int err = 0;
    const struct key *own = task->session_keyring;
    if (!own) {
        err = make_user_rings(task, &user);
        if (!err && !create)
            task->session_keyring = key_hold(user->session);
    }
    if (!err && create && (!own || own->flags & KEY_UID_KEYRING))
        err = keys_join_session(task, NULL, &serial);
    *out = task->session_keyring;
    return err;
}

static int find_special(struct task *task, int32_t id, bool create, struct key **out)
{
    struct key_user *user;
    int err;
    switch (id) {
    case -1:
        err = create ? keys_make_thread_ring(task) : 0;
        *out = task->thread_keyring;
        return err ? err : *out ? 0 : -LINUX_ENOKEY;
    case -2:
        err = create ? keys_make_process_ring(task) : 0;
        *out = task->process->keyring;
        return err ? err : *out ? 0 : -LINUX_ENOKEY;
    case -3:
        return special_session(task, create, out);
    case -4:
    case -5:
        err = make_user_rings(task, &user);
        if (!err)
            *out = id == -4 ? user->ring : user->session;
        return err;
    case -7: // keys under construction, which there are none of
    case -8:
        return -LINUX_ENOKEY;
    default:
        return -LINUX_EINVAL;
    }
}

int key_lookup(struct task *task, int32_t id, unsigned flags, uint32_t needed, struct key_ref *out)
{
    if (id < 1) {
        int err = find_special(task, id, flags & LOOKUP_CREATE, &out->key);
        if (err)
            return err;
        out->possessed = true;
    } else {
        out->key = find_serial(task->kernel->keys, id);
        if (!out->key)
            return -LINUX_ENOKEY;
        struct wanted w = {.cred = task->cred, .itself = out->key};
        struct key_ref found;
        out->possessed = search_own(task, &w, &found) == 0;
    }
    if (flags & LOOKUP_UNCHECKED)
        return 0;
    int err = key_validate(out->key);
    return err ? err : key_permits(task->cred, *out, needed) ? 0 : -LINUX_EACCES;
}

// --- Tasks come and go ---------------------------------------------------------------------------

void keys_inherit(struct task *parent, struct task *child)
{
    lock_acquire(&KEYS_LOCK(parent));
    if (parent->session_keyring)
        child->session_keyring = key_hold(parent->session_keyring);
    child->request_keyring = parent->request_keyring;
    // A thread of one that has a keyring has one of its own; without memory it gets it later.
    if (child->process == parent->process && parent->thread_keyring) {
        if (make_thread_ring(parent, &child->thread_keyring))
            child->thread_keyring = NULL;
    }
    lock_release(&KEYS_LOCK(parent));
}

void keys_exec(struct task *task)
{
    lock_acquire(&KEYS_LOCK(task));
    key_drop(task->kernel->keys, task->thread_keyring);
    key_drop(task->kernel->keys, task->process->keyring);
    task->thread_keyring = task->process->keyring = NULL;
    lock_release(&KEYS_LOCK(task));
}

void keys_task_gone(struct task *task)
{
    lock_acquire(&KEYS_LOCK(task));
    task->keys_gone = true;
    key_drop(task->kernel->keys, task->thread_keyring);
    key_drop(task->kernel->keys, task->session_keyring);
    task->thread_keyring = task->session_keyring = NULL;
    lock_release(&KEYS_LOCK(task));
}

void keys_process_gone(struct kernel *kernel, struct key *process_keyring)
{
    if (!process_keyring)
        return;
    lock_acquire(&kernel->keys->lock);
    key_drop(kernel->keys, process_keyring);
    lock_release(&kernel->keys->lock);
}

void keys_owner_changed(struct task *task, const struct cred *cred)
{
    lock_acquire(&KEYS_LOCK(task));
    if (task->thread_keyring) {
        task->thread_keyring->uid = cred->fsuid;
        task->thread_keyring->gid = cred->fsgid;
    }
    lock_release(&KEYS_LOCK(task));
}

static struct key_user *with_keyring(struct keys *keys)
{
    struct key_user *u;
    list_for_each (u, &keys->users, link)
        if (u->ring || u->session)
            return u;
    return NULL;
}

void keys_destroy(struct keys *keys)
{
    if (!keys)
        return;
    lock_acquire(&keys->lock);
    for (struct key_user *u; (u = with_keyring(keys)) != NULL;) {
        struct key *ring = u->ring, *session = u->session;
        u->ring = u->session = NULL;
        key_drop(keys, session);
        key_drop(keys, ring);
    }
    lock_release(&keys->lock);
    lock_destroy(&keys->lock);
    free(keys);
}

// --- /proc ---------------------------------------------------------------------------------------

static void show_expiry(const struct key *key, char text[16])
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{60 * 60 * 24 * 7, 'w'}, {60 * 60 * 24, 'd'}, {60 * 60, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t left = key->expires - keys_now();
    snprintf(text, 16, "%s", key->expires ? "expd" : "perm");
    for (size_t i = 0; key->expires && left > 0 && i < ARRAY_LEN(units); i++)
        if (left >= units[i].seconds) {
            snprintf(text, 16, "%d%c", (int)(left / units[i].seconds), units[i].unit);
            return;
        }
}

uint32_t key_shown_gid(const struct cred *cred, const struct key *key)
{
    return key->gid == ID_NONE ? (uint32_t)ID_OVERFLOW : cred_show_gid(cred, key->gid);
}

static void show_key(struct proc_text *t, const struct task *reader, const struct key *key)
{
    char expiry[16];
    show_expiry(key, expiry);
    proc_printf(t, "%08x I%c-%c--%c %5u %4s %08x %5u %5u %-9.9s %s", (unsigned)key->serial,
                key->flags & KEY_REVOKED ? 'R' : '-', key->counted ? 'Q' : '-',
                key->flags & KEY_INVALID ? 'i' : '-', key->refs, expiry, key->perm,
                cred_show_uid(reader->cred, key->uid), key_shown_gid(reader->cred, key),
                key->type->name, key->desc);
    if (key->type == &key_type_keyring && key->link_count == 0)
        proc_printf(t, ": empty");
    else
        proc_printf(t, ": %zu",
                    key->type == &key_type_keyring ? key->link_count : key->payload_size);
    proc_printf(t, "\n");
}

int keys_show(struct proc_text *t, struct task *reader)
{
    struct keys *keys = reader->kernel->keys;
    lock_acquire(&keys->lock);
    for (size_t b = 0; b < KEY_BUCKETS; b++) {
        struct key *key;
        list_for_each (key, &keys->buckets[b], link) {
            struct wanted w = {.cred = reader->cred, .itself = key};
            struct key_ref found;
            bool possessed = search_own(reader, &w, &found) == 0;
            if (key->user->ns == reader->cred->user_ns &&
                key_permits(reader->cred, (struct key_ref){key, possessed}, KEY_VIEW))
                show_key(t, reader, key);
        }
    }
    lock_release(&keys->lock);
    return 0;
}

int keys_show_users(struct proc_text *t, struct task *reader)
{
    struct keys *keys = reader->kernel->keys;
    struct key_user *u;
    lock_acquire(&keys->lock);
    list_for_each (u, &keys->users, link)
        if (u->ns == reader->cred->user_ns)
            proc_printf(t, "%5u: %5u %u/%u %u/%d %zu/%d\n", cred_show_uid(reader->cred, u->uid),
                        u->refs, u->keys, u->keys, u->in_quota,
                        u->uid ? QUOTA_KEYS : QUOTA_ROOT_KEYS, u->bytes,
                        u->uid ? QUOTA_BYTES : QUOTA_ROOT_BYTES);
    lock_release(&keys->lock);
    return 0;
}
