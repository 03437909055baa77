// What the files of keys share: keys.c (objects, links, searches) and keyctl.c (calls). Layer 4.
#ifndef KERNEL_KEYS_INTERNAL_H
#define KERNEL_KEYS_INTERNAL_H

#include "kernel/keys.h"
#include "kernel/task.h"
#include "platform/base/list.h"
#include "platform/lock.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_flags { KEY_REVOKED = 1, KEY_INVALID = 2, KEY_UID_KEYRING = 4, KEY_RESTRICTED = 8 };
enum {
    KEY_VIEW = 1,
    KEY_READ = 2,
    KEY_WRITE = 4,
    KEY_SEARCH = 8,
    KEY_LINK = 0x10,
    KEY_SETATTR = 0x20,
    KEY_ALL = 0x3f,

    KEY_POS_SHIFT = 24, // whose rights: possessor, owner, group, others
    KEY_USR_SHIFT = 16,
    KEY_GRP_SHIFT = 8,

    KEY_DESC_MAX = 4096,
    KEY_PAYLOAD_MAX = 1024 * 1024,
    KEY_TYPE_MAX = 32,
    KEY_DEPTH_MAX = 6,
    KEY_BUCKETS = 1024,
};

struct key_type {
    const char *name;
    size_t payload_max; // 0: a keyring
    bool readable, shows_length, needs_prefix;
    size_t quota; // fixed part of what a payload counts; 0: its length
};
const struct key_type *key_type_find(const char *name);
extern const struct key_type key_type_keyring;

struct key_user {
    struct list link;
    const struct user_ns *ns; // referenced
    uint32_t uid;
    unsigned refs;           // keys, and its keyrings
    unsigned keys, in_quota; // those that exist, those that count
    size_t bytes;
    struct key *ring, *session; // referenced; NULL until they are asked for
};

// Everything is guarded by keys->lock, `refs` too.
struct key {
    struct list link; // in its bucket
    unsigned refs;
    int32_t serial;
    const struct key_type *type;
    char *desc;
    struct key_user *user; // whose quota it is in
    uint32_t uid, gid, perm;
    unsigned flags; // KEY_*
    bool counted;
    int64_t expires;    // seconds since the epoch; 0: never
    int64_t dead_since; // when it was revoked; 0: it was not
    size_t quota_bytes;
    uint8_t *payload;
    size_t payload_size;
    struct key **links; // keyring: referenced
    size_t link_count, link_room;
};

struct keys {
    struct lock lock; // rank keys
    struct list buckets[KEY_BUCKETS];
    struct list users;
    int64_t collected; // when dead keys were last taken out of keyrings
};

// A key as somebody came by it.
struct key_ref {
    struct key *key;
    bool possessed;
};

#define KEYS_LOCK(task) ((task)->kernel->keys->lock)

// All with the lock held. NEEDED rights are KEY_*; 0: none.
int64_t keys_now(void);
NODISCARD int key_validate(const struct key *key);
bool key_permits(const struct cred *cred, struct key_ref ref, uint32_t needed);
uint32_t key_shown_gid(const struct cred *cred, const struct key *key); // may have none
struct key *key_hold(struct key *key);
void key_drop(struct keys *keys, struct key *key);
// A key of the caller's; *out has one reference. `overrun`: whatever the quota.
NODISCARD int key_make(struct task *task, const struct key_type *type, const char *desc,
                       uint32_t uid, uint32_t gid, uint32_t perm, bool overrun, struct key **out);
// The payload is consumed when it works. -LINUX_EDQUOT.
NODISCARD int key_set_payload(struct key *key, uint8_t *payload, size_t size);
void key_revoke(struct keys *keys, struct key *key);
void key_invalidate(struct keys *keys, struct key *key);
NODISCARD int key_chown(struct keys *keys, struct key *key, uint32_t uid);

struct key *keyring_find(const struct key *ring, const struct key_type *type, const char *desc);
bool keyring_has(const struct key *ring, const struct key *key);
// What has the same type and description goes.
NODISCARD int keyring_link(struct keys *keys, struct key *ring, struct key *key);
bool keyring_unlink(struct keys *keys, struct key *ring, const struct key *key);
void keyring_clear(struct keys *keys, struct key *ring);
// -LINUX_EAGAIN when it is not there; -LINUX_EACCES, -LINUX_EKEYREVOKED, -LINUX_EKEYEXPIRED.
NODISCARD int keyring_search(const struct cred *cred, struct key_ref ring,
                             const struct key_type *type, const char *desc, struct key_ref *out);
NODISCARD int keys_search_own(struct task *task, const struct key_type *type, const char *desc,
                              struct key_ref *out);

// The object an id means: a serial number or a special keyring, which is made if `create`.
enum key_lookup { LOOKUP_CREATE = 1, LOOKUP_UNCHECKED = 2 };
NODISCARD int key_lookup(struct task *task, int32_t id, unsigned flags, uint32_t needed,
                         struct key_ref *out);
NODISCARD int keys_join_session(struct task *task, const char *name, int32_t *serial);
NODISCARD int keys_make_thread_ring(struct task *task);
NODISCARD int keys_make_process_ring(struct task *task);
struct key *keys_find_named(struct task *task, const char *name);

#endif
